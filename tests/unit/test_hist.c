/* SPDX-License-Identifier: MIT */
/*
 * Histograms of times (include/util/hist.h).
 * LINKS: util/hash
 */
#include <check.h>
#include <stdlib.h>

#include "util/hist.h"

static struct hist h;

static void setup(void)
{
	memset(&h, 0, sizeof(h));
}

/* A bound belongs to the bucket that it ends, as le says. */
START_TEST(time_is_in_the_first_bucket_that_it_does_not_exceed)
{
	for (uint32_t shift = 0; shift < 16; shift += 5) {
		for (uint32_t i = 0; i < HIST_BUCKETS - 1; i++) {
			int64_t end = (int64_t)hist_end_us(i, shift);

			setup();
			hist_add(&h, shift, end);
			ck_assert_uint_eq(h.n[i], 1);
			hist_add(&h, shift, end + 1);
			ck_assert_uint_eq(h.n[i], 1);
			ck_assert_uint_eq(h.n[i + 1], 1);
			ck_assert_uint_eq(h.sum_us, 2 * (uint64_t)end + 1);
		}
	}
}
END_TEST

START_TEST(extremes_are_in_the_outer_buckets)
{
	hist_add(&h, 7, -5);
	hist_add(&h, 7, 0);
	hist_add(&h, 7, 1);
	ck_assert_uint_eq(h.n[0], 3);
	ck_assert_uint_eq(h.sum_us, 1);
	hist_add(&h, 7, INT64_MAX);
	ck_assert_uint_eq(h.n[HIST_BUCKETS - 1], 1);
}
END_TEST

START_TEST(sums_of_several_are_sums)
{
	struct hist sum = {.sum_us = 5};

	hist_add(&h, 7, 1000);
	hist_add(&h, 7, 100000);
	hist_merge(&sum, &h);
	hist_merge(&sum, &h);
	ck_assert_uint_eq(sum.sum_us, 202005);
	ck_assert_uint_eq(sum.n[3], 2);
	ck_assert_uint_eq(sum.n[10], 2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("hist");
	Suite *s = suite_create("hist");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, time_is_in_the_first_bucket_that_it_does_not_exceed);
	tcase_add_test(tc, extremes_are_in_the_outer_buckets);
	tcase_add_test(tc, sums_of_several_are_sums);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
