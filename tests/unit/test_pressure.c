/* SPDX-License-Identifier: MIT */
/* LINKS: shield/pressure */
#include <check.h>
#include <stdlib.h>

#include "shield/pressure.h"

#define SEC INT64_C(1000000)

static struct pressure p;
static struct pressure_marks m;
static mono_t now;

static void setup(void)
{
	p = (struct pressure){0};
	m = (struct pressure_marks){.syncookies = 1,
				    .backlog = 400,
				    .high = 75,
				    .low = 25,
				    .hold_us = 30 * SEC};
	now = (mono_t){100 * SEC};
}

START_TEST(calm_high_mark_begins_cookies)
{
	ck_assert(!pressure_cookies(&p, &m, 299, now));
	ck_assert(pressure_cookies(&p, &m, 300, now));
	ck_assert_uint_eq(p.begun, 1);
}
END_TEST

START_TEST(cookies_end_below_low_mark_after_hold)
{
	ck_assert(pressure_cookies(&p, &m, 300, now));
	now = mono_add(now, 30 * SEC - 1);
	ck_assert(pressure_cookies(&p, &m, 0, now));
	now = mono_add(now, 1);
	ck_assert(pressure_cookies(&p, &m, 100, now)); /* hold begins anew */
	now = mono_add(now, 29 * SEC);
	ck_assert(pressure_cookies(&p, &m, 99, now));
	now = mono_add(now, SEC);
	ck_assert(!pressure_cookies(&p, &m, 99, now));
}
END_TEST

START_TEST(cookies_go_on_while_they_stay_unanswered)
{
	ck_assert(pressure_cookies(&p, &m, 300, now));
	for (int i = 0; i < 100; i++)
		pressure_sent(&p, 1);
	now = mono_add(now, 31 * SEC);
	ck_assert(pressure_cookies(&p, &m, 0, now));
	for (int i = 0; i < 1000; i++) { /* honest clients answer */
		pressure_sent(&p, 1);
		pressure_answered(&p);
	}
	now = mono_add(now, 31 * SEC);
	ck_assert(!pressure_cookies(&p, &m, 0, now));
}
END_TEST

START_TEST(syncookies_0_and_2_ignore_the_queue)
{
	m.syncookies = 0;
	ck_assert(!pressure_cookies(&p, &m, 400, now));
	m.syncookies = 2;
	ck_assert(pressure_cookies(&p, &m, 0, now));
	ck_assert_uint_eq(p.begun, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pressure");
	TCase *tc = tcase_create("pressure");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, calm_high_mark_begins_cookies);
	tcase_add_test(tc, cookies_end_below_low_mark_after_hold);
	tcase_add_test(tc, cookies_go_on_while_they_stay_unanswered);
	tcase_add_test(tc, syncookies_0_and_2_ignore_the_queue);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
