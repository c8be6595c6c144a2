/* SPDX-License-Identifier: MIT */
/* LINKS: shield/doubts */
#include <check.h>
#include <stdlib.h>

#include "shield/doubts.h"

#define WAITED_US 100000

static struct doubts d;

static mono_t at(int64_t us)
{
	return (mono_t){us};
}

static bool add(uint32_t ack, int64_t us)
{
	struct segment s = {.t.rport = (uint16_t)ack, .ack = SEQ(ack)};

	return doubts_add(&d, &s, 7, at(us));
}

START_TEST(doubt_is_due_after_a_tenth_of_a_second)
{
	const struct doubt *i;

	memset(&d, 0, sizeof(d));
	ck_assert(!mono_is_set(doubts_deadline(&d)));
	ck_assert_ptr_null(doubts_due(&d, at(INT32_MAX)));
	ck_assert(add(5, 1000));
	ck_assert(add(6, 2000));
	ck_assert_int_eq(doubts_deadline(&d).us, 1000 + WAITED_US);
	ck_assert_ptr_null(doubts_due(&d, at(1000 + WAITED_US - 1)));
	i = doubts_due(&d, at(1000 + WAITED_US));
	ck_assert_ptr_nonnull(i);
	ck_assert_uint_eq(i->ack.v, 5);
	ck_assert_uint_eq(i->t.rport, 5);
	ck_assert_uint_eq(i->service, 7);
	ck_assert_ptr_null(doubts_due(&d, at(1000 + WAITED_US)));
	ck_assert_int_eq(doubts_deadline(&d).us, 2000 + WAITED_US);
}
END_TEST

START_TEST(full_doubts_refuse_until_one_is_taken)
{
	const struct doubt *i;

	memset(&d, 0, sizeof(d));
	for (uint32_t n = 0; n < DOUBTS_MAX; n++)
		ck_assert(add(n, n));
	ck_assert(!add(DOUBTS_MAX, DOUBTS_MAX));
	ck_assert_uint_eq(doubts_due(&d, at(WAITED_US))->ack.v, 0);
	ck_assert(add(DOUBTS_MAX, DOUBTS_MAX));
	ck_assert(!add(1, DOUBTS_MAX));
	for (uint32_t n = 1; n <= DOUBTS_MAX; n++) {
		i = doubts_due(&d, at(2 * WAITED_US));
		ck_assert_ptr_nonnull(i);
		ck_assert_uint_eq(i->ack.v, n);
	}
	ck_assert_ptr_null(doubts_due(&d, at(2 * WAITED_US)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("doubts");
	TCase *t = tcase_create("doubts");
	SRunner *r;
	int failed;

	tcase_add_test(t, doubt_is_due_after_a_tenth_of_a_second);
	tcase_add_test(t, full_doubts_refuse_until_one_is_taken);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
