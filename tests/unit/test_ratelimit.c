/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash shield/assoc shield/ratelimit */
/* LINKS: shield/validated shield/recycle */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/ratelimit.h"
#include "shield/recycle.h"
#include "shield/validated.h"

#define SEC INT64_C(1000000)
#define MSEC INT64_C(1000)

static const uint8_t secret[32] = "limits";
static struct ratelimit rl;
static struct rate rate;
static mono_t now;
static char err[200];

static void setup(void)
{
	now = (mono_t){50 * SEC};
	ck_assert_int_eq(ratelimit_init(&rl, 1024, secret), 0);
	ck_assert_int_eq(rate_parse("10/s burst 20 per 24/64", &rate, err,
				    sizeof(err)),
			 0);
}

static void teardown(void)
{
	ratelimit_fini(&rl);
}

static struct ipaddr v4(uint32_t n)
{
	uint8_t b[4];

	put_be32(b, n);
	return ipaddr_v4(b);
}

static uint32_t take_all(const struct ipaddr *a, uint32_t service)
{
	uint32_t n = 0;

	while (n < 1000 && ratelimit_take(&rl, &rate, a, service, now))
		n++;
	return n;
}

START_TEST(bucket_gives_burst_then_rate)
{
	struct ipaddr a = v4(0xc0000201);

	ck_assert_uint_eq(take_all(&a, 0), 20);
	ck_assert_uint_eq(rl.refused, 1);
	now = mono_add(now, 99 * MSEC);
	ck_assert_uint_eq(take_all(&a, 0), 0);
	now = mono_add(now, MSEC);
	ck_assert_uint_eq(take_all(&a, 0), 1);
	now = mono_add(now, SEC);
	ck_assert_uint_eq(take_all(&a, 0), 10);
	now = mono_add(now, 3600 * SEC);
	ck_assert_uint_eq(take_all(&a, 0), 20);
}
END_TEST

/* Asking takes nothing. */
START_TEST(bucket_has_says_what_take_will)
{
	struct ipaddr a = v4(0xc0000201), other = v4(0xc0000300);
	const struct rate none = {.interval_ns = 0};

	for (int i = 0; i < 20; i++) {
		ck_assert(ratelimit_has(&rl, &rate, &a, 0, now));
		ck_assert(ratelimit_has(&rl, &rate, &a, 0, now));
		ck_assert(ratelimit_take(&rl, &rate, &a, 0, now));
	}
	ck_assert(!ratelimit_has(&rl, &rate, &a, 0, now));
	ck_assert(ratelimit_has(&rl, &rate, &a, 1, now));
	ck_assert(ratelimit_has(&rl, &rate, &other, 0, now));
	ck_assert(ratelimit_has(&rl, &none, &a, 0, now));
	ck_assert_uint_eq(rl.refused, 0);
	now = mono_add(now, 100 * MSEC);
	ck_assert(ratelimit_has(&rl, &rate, &a, 0, now));
}
END_TEST

START_TEST(bucket_is_shared_by_the_prefix_only)
{
	struct ipaddr a = v4(0xc0000201), same = v4(0xc00002ff);
	struct ipaddr other = v4(0xc0000300);

	ck_assert_uint_eq(take_all(&a, 0), 20);
	ck_assert_uint_eq(take_all(&same, 0), 0);
	ck_assert_uint_eq(take_all(&other, 0), 20);
	ck_assert_uint_eq(take_all(&a, 1), 20); /* another service */
}
END_TEST

START_TEST(bucket_ipv6_uses_its_own_prefix)
{
	struct ipaddr a = {{0x20, 1, 13, 0xb8, 0, 0, 0, 1, 1}};
	struct ipaddr same = a, other = a;

	same.b[15] = 9;
	other.b[7] = 2;
	ck_assert_uint_eq(take_all(&a, 0), 20);
	ck_assert_uint_eq(take_all(&same, 0), 0);
	ck_assert_uint_eq(take_all(&other, 0), 20);
}
END_TEST

START_TEST(set_full_forgets_least_recently_used)
{
	struct assoc a;
	bool fresh;

	ck_assert_int_eq(assoc_init(&a, sizeof(struct assoc_head), 4, secret,
				    "one set"),
			 0);
	ck_assert_uint_eq(assoc_room(&a), 4);
	for (uint32_t i = 0; i < 4; i++) {
		struct assoc_key k = {.space = i};

		now = mono_add(now, SEC);
		assoc_use(&a, &k, now, &fresh);
		ck_assert(fresh);
	}
	for (uint32_t i = 0; i < 4; i++) { /* order of use: 2 0 3 1 */
		struct assoc_key k = {.space = (uint32_t[]){2, 0, 3, 1}[i]};

		now = mono_add(now, SEC);
		assoc_use(&a, &k, now, &fresh);
		ck_assert(!fresh);
	}
	for (uint32_t i = 0; i < 4; i++) { /* forgotten in that order */
		struct assoc_key k = {.space = 100 + i};
		struct assoc_key old = {.space = (uint32_t[]){2, 0, 3, 1}[i]};

		now = mono_add(now, SEC);
		ck_assert_ptr_nonnull(assoc_find(&a, &old));
		assoc_use(&a, &k, now, &fresh);
		ck_assert(fresh);
		ck_assert_ptr_null(assoc_find(&a, &old));
	}
	assoc_fini(&a);
}
END_TEST

/* Fixed memory: any number of prefixes, and each gets its burst. */
START_TEST(table_any_number_of_prefixes_is_served)
{
	for (uint32_t i = 1; i < 20000; i++) {
		struct ipaddr a = v4(0x0a000000 + (i << 8));

		ck_assert(ratelimit_take(&rl, &rate, &a, 0, now));
	}
	ck_assert_uint_eq(assoc_room(&rl.table), 1024);
}
END_TEST

START_TEST(rate_zero_limits_nothing)
{
	struct ipaddr a = v4(1);

	ck_assert_int_eq(rate_parse("  ", &rate, err, sizeof(err)), 0);
	ck_assert_uint_eq(take_all(&a, 0), 1000);
}
END_TEST

START_TEST(rate_texts_are_read)
{
	ck_assert_int_eq(rate_parse("200/s burst 400 per 32 / 64", &rate, err,
				    sizeof(err)),
			 0);
	ck_assert_int_eq(rate.interval_ns, 5000000);
	ck_assert_uint_eq(rate.burst, 400);
	ck_assert_uint_eq(rate.prefix4, 32);
	ck_assert_uint_eq(rate.prefix6, 64);
	ck_assert_int_eq(rate_parse("30/m", &rate, err, sizeof(err)), 0);
	ck_assert_int_eq(rate.interval_ns, 2000000000);
	ck_assert_uint_eq(rate.burst, 30);
	ck_assert_int_eq(rate_parse("1/h per 24", &rate, err, sizeof(err)), 0);
	ck_assert_uint_eq(rate.prefix4, 24);
	ck_assert_uint_eq(rate.prefix6, 64);
}
END_TEST

START_TEST(rate_mistakes_are_refused)
{
	static const char *const bad[] = {
		"200",
		"0/s",
		"200/d",
		"200/s burst",
		"x/s",
		"200/s per 33",
		"200/s per 32/129",
		"200/s burst 0",
		"200/s per 0",
		"200/s more",
		"-1/s",
		"99999999999/s",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rate r = {.burst = 7};

		ck_assert_int_eq(rate_parse(bad[i], &r, err, sizeof(err)),
				 -EINVAL);
		ck_assert_uint_eq(r.burst, 7);
		ck_assert_ptr_nonnull(strstr(err, bad[i]));
	}
}
END_TEST

START_TEST(validated_lasts_its_time_for_its_service)
{
	struct validated v;
	struct ipaddr a = v4(1), b = v4(2);

	ck_assert_int_eq(validated_init(&v, 64, secret), 0);
	validated_add(&v, &a, 3, now, 10 * SEC);
	validated_add(&v, &b, 3, now, 0);
	ck_assert(validated_has(&v, &a, 3, now));
	ck_assert(!validated_has(&v, &a, 4, now));
	ck_assert(!validated_has(&v, &b, 3, now));
	ck_assert(validated_has(&v, &a, 3, mono_add(now, 10 * SEC - 1)));
	ck_assert(!validated_has(&v, &a, 3, mono_add(now, 10 * SEC)));
	validated_fini(&v);
}
END_TEST

/* Linux before 4.12: two hosts behind one address lock each other out. */
START_TEST(recycle_older_timestamp_is_refused_for_a_minute)
{
	struct recycle r;
	struct ipaddr nat = v4(1), other = v4(2);

	ck_assert_int_eq(recycle_init(&r, 64, secret), 0);
	ck_assert(recycle_proven(&r, &nat, 5, now));
	recycle_remember(&r, &nat, 1000, now);
	ck_assert(recycle_proven(&r, &nat, 1001, now));
	ck_assert(recycle_proven(&r, &nat, 999, now)); /* window of one */
	ck_assert(!recycle_proven(&r, &nat, 998, now));
	ck_assert(recycle_proven(&r, &other, 5, now));
	recycle_remember(&r, &nat, 500, mono_add(now, SEC)); /* not newer */
	ck_assert(!recycle_proven(&r, &nat, 998, mono_add(now, SEC)));
	ck_assert(!recycle_proven(&r, &nat, 5, mono_add(now, 60 * SEC - 1)));
	ck_assert(recycle_proven(&r, &nat, 5, mono_add(now, 60 * SEC)));
	ck_assert_int_eq(recycle_timewait_us(200 * MSEC), 700 * MSEC);
	recycle_fini(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ratelimit");
	TCase *tc = tcase_create("ratelimit");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bucket_gives_burst_then_rate);
	tcase_add_test(tc, bucket_has_says_what_take_will);
	tcase_add_test(tc, bucket_is_shared_by_the_prefix_only);
	tcase_add_test(tc, bucket_ipv6_uses_its_own_prefix);
	tcase_add_test(tc, set_full_forgets_least_recently_used);
	tcase_add_test(tc, table_any_number_of_prefixes_is_served);
	tcase_add_test(tc, rate_zero_limits_nothing);
	tcase_add_test(tc, rate_texts_are_read);
	tcase_add_test(tc, rate_mistakes_are_refused);
	tcase_add_test(tc, validated_lasts_its_time_for_its_service);
	tcase_add_test(tc, recycle_older_timestamp_is_refused_for_a_minute);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
