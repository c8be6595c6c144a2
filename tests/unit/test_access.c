/* SPDX-License-Identifier: MIT */
/*
 * Who may connect: lists, rates, and who is noted as refused.
 *
 * LINKS: shield/% util/% wire/%
 */
#include <check.h>
#include <stdlib.h>

#include "shield/access.h"
#include "shield/prefix.h"

#define SERVICE 3

static const uint8_t secret[32] = "who may connect";
static const uint8_t client_ip[4] = {198, 51, 100, 7};
static struct access t;
static struct shield_cfg cfg;
static struct ipaddr client;
static mono_t now;

static void set(const char *key, const char *value)
{
	char err[200];

	for (const struct opt_desc *d = shield_options; d->name; d++) {
		if (strcmp(d->name, key))
			continue;
		ck_assert_int_eq(opt_parse(d, &cfg, value, err, sizeof(err)),
				 0);
		return;
	}
	ck_abort_msg("no key %s", key);
}

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	now = (mono_t){5000000};
	client = ipaddr_v4(client_ip);
	memset(&cfg, 0, sizeof(cfg));
	opt_defaults(shield_options, &cfg);
	ck_assert_int_eq(access_init(&t, secret), 0);
}

static void teardown(void)
{
	access_fini(&t);
	prefix_map_free(cfg.access);
}

static enum access_verdict syn(void)
{
	const struct segment s = {.t.remote = client, .flags = TCP_SYN};

	return access_syn(&t, &cfg, SERVICE, &s, now);
}

START_TEST(everybody_may_connect_by_default)
{
	ck_assert_int_eq(syn(), ACCESS_OK);
	for (int i = 0; i < 1000; i++)
		ck_assert(access_proven(&t, &cfg, SERVICE, &client, now));
	ck_assert_uint_eq(t.offenders[0].n + t.offenders[1].n, 0);
}
END_TEST

START_TEST(denied_is_noted_as_unproven)
{
	char err[200];

	set("deny", "198.51.100.0/24");
	ck_assert_int_eq(shield_access_new(&cfg, NULL, NULL, &cfg.access, err,
					   sizeof(err)),
			 0);
	ck_assert_int_eq(syn(), ACCESS_DENIED);
	ck_assert_uint_eq(t.offenders[0].n, 1);
	ck_assert_uint_eq(t.offenders[1].n, 0);
	validated_add(&t.validated, &client, SERVICE, now, USEC_PER_SEC);
	ck_assert_int_eq(syn(), ACCESS_DENIED);
	ck_assert_uint_eq(t.offenders[1].n, 1);
}
END_TEST

/* A SYN counts for nobody; who has answered is counted. */
START_TEST(rate_counts_the_proven)
{
	set("rate_limit", "2/s burst 2");
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(syn(), ACCESS_OK);
	ck_assert(access_proven(&t, &cfg, SERVICE, &client, now));
	ck_assert(access_proven(&t, &cfg, SERVICE, &client, now));
	ck_assert(!access_proven(&t, &cfg, SERVICE, &client, now));
	ck_assert_uint_eq(t.offenders[1].n, 1);
	ck_assert_int_eq(syn(), ACCESS_RATE);
	/* those who can prove nothing have buckets of their own */
	ck_assert(access_unproven(&t, &cfg, SERVICE, &client, now));
	/* and another service counts for itself */
	ck_assert(access_proven(&t, &cfg, SERVICE + 1, &client, now));
	validated_add(&t.validated, &client, SERVICE, now, USEC_PER_SEC);
	ck_assert_int_eq(syn(), ACCESS_OK);
	ck_assert(access_proven(&t, &cfg, SERVICE, &client, now));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("access");
	TCase *c = tcase_create("access");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, everybody_may_connect_by_default);
	tcase_add_test(c, denied_is_noted_as_unproven);
	tcase_add_test(c, rate_counts_the_proven);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
