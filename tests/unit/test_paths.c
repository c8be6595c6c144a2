/* SPDX-License-Identifier: MIT */
/*
 * Where path memory is kept (src/shield/paths.c).
 * LINKS: shield/paths shield/assoc util/hash
 */
#include <check.h>
#include <stdlib.h>

#include "shield/paths.h"

#define SECS(n) ((int64_t)(n)*USEC_PER_SEC)

static struct paths p;
static mono_t now;
static uint32_t seen;

static struct ipaddr host(uint32_t i)
{
	return ipaddr_v4((const uint8_t[]){10, (uint8_t)(i >> 16),
					   (uint8_t)(i >> 8), (uint8_t)i});
}

static struct path_metrics *write_to(uint32_t i)
{
	const struct ipaddr a = host(i);
	struct path_metrics *m = paths_get(&p, &a, true, now);

	m->saved_at = now;
	m->rtt_us = i;
	return m;
}

static const struct path_metrics *find(uint32_t i)
{
	const struct ipaddr a = host(i);

	return paths_get(&p, &a, false, now);
}

static void setup(void)
{
	static const uint8_t secret[32] = {7};

	now = (mono_t){SECS(1000)};
	ck_assert_int_eq(paths_init(&p, 64, secret), 0);
	seen = 0;
}

static void teardown(void)
{
	paths_fini(&p);
}

static void count(void *arg, const struct ipaddr *a,
		  const struct path_metrics *m)
{
	(void)arg;
	(void)a;
	seen += m->rtt_us;
}

START_TEST(host_is_found_by_its_address)
{
	write_to(5);
	ck_assert_ptr_nonnull(find(5));
	ck_assert_uint_eq(find(5)->rtt_us, 5);
	ck_assert_ptr_null(find(6));
}
END_TEST

START_TEST(entry_that_nobody_wrote_is_none)
{
	const struct ipaddr a = host(5);

	paths_get(&p, &a, true, now);
	ck_assert_ptr_null(find(5));
}
END_TEST

START_TEST(hour_without_news_forgets)
{
	write_to(5)->ssthresh = 9;
	now = mono_add(now, SECS(3600));
	ck_assert_ptr_nonnull(find(5));
	now = mono_add(now, 1);
	ck_assert_ptr_null(find(5));
	ck_assert_uint_eq(write_to(5)->ssthresh, 0); /* anew */
}
END_TEST

START_TEST(full_table_stays_as_large_and_keeps_the_newest)
{
	for (uint32_t i = 1; i <= 10000; i++) {
		now = mono_add(now, 2000);
		write_to(i);
		ck_assert_ptr_nonnull(find(i));
	}
	for (uint32_t i = 1; i <= 10000; i++)
		seen += find(i) != NULL;
	ck_assert_uint_eq(seen, 64);
}
END_TEST

START_TEST(walk_tells_of_all_that_is_known)
{
	write_to(1);
	now = mono_add(now, SECS(3599));
	write_to(20);
	write_to(300);
	paths_walk(&p, count, NULL, now);
	ck_assert_uint_eq(seen, 321);
	seen = 0;
	now = mono_add(now, SECS(2));
	paths_walk(&p, count, NULL, now);
	ck_assert_uint_eq(seen, 320);
}
END_TEST

START_TEST(forget_takes_one_host_or_all)
{
	const struct ipaddr a = host(2), other = host(9);

	write_to(1);
	write_to(2);
	write_to(3);
	ck_assert_uint_eq(paths_forget(&p, &other, now), 0);
	ck_assert_uint_eq(paths_forget(&p, &a, now), 1);
	ck_assert_ptr_null(find(2));
	ck_assert_ptr_nonnull(find(1));
	ck_assert_uint_eq(paths_forget(&p, NULL, now), 2);
	ck_assert_ptr_null(find(1));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("paths");
	Suite *s = suite_create("paths");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, host_is_found_by_its_address);
	tcase_add_test(tc, entry_that_nobody_wrote_is_none);
	tcase_add_test(tc, hour_without_news_forgets);
	tcase_add_test(tc, full_table_stays_as_large_and_keeps_the_newest);
	tcase_add_test(tc, walk_tells_of_all_that_is_known);
	tcase_add_test(tc, forget_takes_one_host_or_all);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
