/* SPDX-License-Identifier: MIT */
/* LINKS: util/log rules/source policy/% shield/prefix util/address */
/* Which address this host uses; loopback is where that is known. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "rules/source.h"

static char *text;
static size_t text_len;
static struct policy *policy;

/* A service with these listens and source = gateway. */
static struct service *service_of(const char *listen[], uint32_t n)
{
	struct service *s;
	char err[256];

	policy = policy_new(1);
	s = &policy->service[0];
	strcpy(s->name, "web");
	s->source.mode = SOURCE_GATEWAY;
	s->listen.n = n;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t b[4] = {127, 0, 0, 1};

		/* loopback is no listen address: put it in afterwards */
		ck_assert_int_eq(endpoint_parse("192.0.2.1:80",
						&s->listen.ep[i], err,
						sizeof(err)),
				 0);
		if (!strcmp(listen[i], "loopback"))
			s->listen.ep[i].addr = ipaddr_v4(b);
		else if (!strcmp(listen[i], "nowhere"))
			memset(s->listen.ep[i].addr.b + 12, 255, 4);
	}
	return s;
}

static int resolve(void)
{
	FILE *f;
	int err;

	free(text);
	f = open_memstream(&text, &text_len);
	err = source_resolve(policy, "x.conf", f);
	fclose(f);
	return err;
}

static void teardown(void)
{
	policy_put(policy);
	free(text);
	text = NULL;
}

START_TEST(gateway_towards_loopback_is_loopback)
{
	const char *listen[] = {"loopback"};
	struct service *s = service_of(listen, 1);

	ck_assert_int_eq(resolve(), 0);
	ck_assert(ipaddr_eq(&s->source.addr, &s->listen.ep[0].addr));
	ck_assert_uint_eq(text_len, 0);
}
END_TEST

START_TEST(gateway_follows_connect_not_listen)
{
	const char *listen[] = {"nowhere", "loopback"};
	struct service *s = service_of(listen, 2);

	s->connect = s->listen.ep[1];
	ck_assert_int_eq(resolve(), 0);
	ck_assert(ipaddr_eq(&s->source.addr, &s->connect.addr));
}
END_TEST

/* The broadcast address has no source without SO_BROADCAST. */
START_TEST(gateway_without_a_way_is_an_error)
{
	const char *listen[] = {"nowhere"};

	service_of(listen, 1);
	ck_assert_int_eq(resolve(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(text, "[service web] source: gateway, "
					   "but no way to 255.255.255.255"));
}
END_TEST

START_TEST(client_and_address_are_left_alone)
{
	const char *listen[] = {"nowhere"};
	struct service *s = service_of(listen, 1);

	s->source.mode = SOURCE_CLIENT;
	ck_assert_int_eq(resolve(), 0);
	s->source.mode = SOURCE_ADDRESS;
	s->source.addr = s->listen.ep[0].addr;
	ck_assert_int_eq(resolve(), 0);
	ck_assert(ipaddr_eq(&s->source.addr, &s->listen.ep[0].addr));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("source");
	TCase *tc = tcase_create("source");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, gateway_towards_loopback_is_loopback);
	tcase_add_test(tc, gateway_follows_connect_not_listen);
	tcase_add_test(tc, gateway_without_a_way_is_an_error);
	tcase_add_test(tc, client_and_address_are_left_alone);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
