/* SPDX-License-Identifier: MIT */
/* LINKS: util/record util/hash shield/spent */
#include <check.h>
#include <stdlib.h>

#include "shield/spent.h"

#define EPOCH 28333333

static const uint8_t secret[32] = "what was spent stays spent";
static struct spent s;

static void setup(void)
{
	ck_assert_int_eq(spent_init(&s, secret, 1), 0); /* 32,768 entries */
}

static void teardown(void)
{
	spent_fini(&s);
}

static struct spent_look look(uint32_t client, uint32_t isn, int64_t epoch)
{
	struct tuple t = {.lport = 443, .rport = 40000};
	struct spent_look l;

	memcpy(t.remote.b, &client, sizeof(client));
	spent_look(&s, &t, SEQ(isn), epoch, &l);
	return l;
}

static bool take(uint32_t client, uint32_t isn, int64_t now, int64_t of)
{
	struct spent_look l = look(client, isn, now);

	return spent_take(&s, &l, of);
}

START_TEST(spent_counts_by_tuple_isn_and_epoch)
{
	struct spent_look l;

	ck_assert(take(1, 5, EPOCH, EPOCH));
	ck_assert(take(1, 5, EPOCH, EPOCH));
	ck_assert(take(1, 5, EPOCH, EPOCH - 1));
	ck_assert(take(1, 6, EPOCH, EPOCH + 1));
	l = look(1, 5, EPOCH);
	ck_assert_uint_eq(spent_uses(&l, EPOCH - 1), 1);
	ck_assert_uint_eq(spent_uses(&l, EPOCH), 2);
	ck_assert_uint_eq(spent_uses(&l, EPOCH + 1), 0);
	l = look(1, 6, EPOCH);
	ck_assert_uint_eq(spent_uses(&l, EPOCH), 0);
	ck_assert_uint_eq(spent_uses(&l, EPOCH + 1), 1);
	l = look(2, 5, EPOCH);
	ck_assert_uint_eq(spent_uses(&l, EPOCH), 0);
}
END_TEST

START_TEST(spent_undo_takes_one_back)
{
	struct spent_look l = look(1, 5, EPOCH);

	ck_assert(spent_take(&s, &l, EPOCH));
	ck_assert(spent_take(&s, &l, EPOCH));
	spent_undo(&s, &l, EPOCH);
	l = look(1, 5, EPOCH);
	ck_assert_uint_eq(spent_uses(&l, EPOCH), 1);
	spent_undo(&s, &l, EPOCH);
	spent_undo(&s, &l, EPOCH);
	l = look(1, 5, EPOCH);
	ck_assert_uint_eq(spent_uses(&l, EPOCH), 0);
}
END_TEST

START_TEST(spent_uses_of_one_are_bounded)
{
	for (uint32_t i = 0; i < SPENT_USES_MAX; i++)
		ck_assert(take(1, 5, EPOCH, EPOCH));
	ck_assert(!take(1, 5, EPOCH, EPOCH));
	ck_assert(take(1, 6, EPOCH, EPOCH));
}
END_TEST

/* Most of the room is used, and what was taken is never forgotten. */
START_TEST(spent_full_refuses_and_forgets_nothing)
{
	const uint32_t room = 32768;
	uint32_t taken = 0, first_refused = 0;
	static bool is_taken[65536];

	for (uint32_t i = 0; i < 2 * room; i++) {
		is_taken[i] = take(i, 5, EPOCH, EPOCH);
		taken += is_taken[i];
		if (!is_taken[i] && !first_refused)
			first_refused = i;
	}
	ck_assert_uint_gt(first_refused, room / 10 * 7);
	ck_assert_uint_gt(taken, room / 10 * 9);
	ck_assert_uint_le(taken, room + 16); /* some share a count */
	for (uint32_t i = 0; i < 2 * room; i++) {
		struct spent_look l = look(i, 5, EPOCH);

		if (is_taken[i])
			ck_assert_uint_ge(spent_uses(&l, EPOCH), 1);
	}
	/* still valid in the next epoch, so still full; in the one after not */
	ck_assert(!take(first_refused, 5, EPOCH + 1, EPOCH + 1));
	ck_assert(take(first_refused, 5, EPOCH + 2, EPOCH + 2));
}
END_TEST

/* A gateway that is behind takes the next epoch's cookies: they stay spent. */
START_TEST(spent_of_the_next_epoch_outlive_this_one)
{
	struct spent_look l;

	ck_assert(take(1, 5, EPOCH, EPOCH + 1));
	for (int64_t e = EPOCH; e <= EPOCH + 2; e++) {
		l = look(1, 5, e);
		ck_assert_uint_eq(spent_uses(&l, EPOCH + 1), 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spent");
	TCase *tc = tcase_create("spent");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, spent_counts_by_tuple_isn_and_epoch);
	tcase_add_test(tc, spent_undo_takes_one_back);
	tcase_add_test(tc, spent_uses_of_one_are_bounded);
	tcase_add_test(tc, spent_full_refuses_and_forgets_nothing);
	tcase_add_test(tc, spent_of_the_next_epoch_outlive_this_one);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
