/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash shield/known */
#include <check.h>
#include <stdlib.h>

#include "shield/known.h"

#define EPOCH 28333333

static const uint8_t secret[32] = "whom we know";
static struct known k;

static void setup(void)
{
	known_init(&k, secret, calloc(1u << KNOWN_BITS, sizeof(*k.count)),
		   calloc(1u << KNOWN_SPENT_BITS, sizeof(*k.spent)));
	ck_assert_ptr_nonnull(k.count);
	ck_assert_ptr_nonnull(k.spent);
}

static void teardown(void)
{
	free(k.count);
	free(k.spent);
}

static struct tuple client(uint32_t n)
{
	struct tuple t = {.lport = 443, .rport = 40000};

	memcpy(t.remote.b, &n, sizeof(n));
	return t;
}

START_TEST(known_as_long_as_one_is_kept)
{
	struct tuple a = client(1), b = client(2);

	ck_assert(!known_has(&k, &a, EPOCH));
	known_add(&k, &a);
	known_add(&k, &a); /* half-open, and then a flow */
	known_leave(&k, &a);
	ck_assert(known_has(&k, &a, EPOCH));
	ck_assert(!known_has(&k, &b, EPOCH));
	known_leave(&k, &a);
	ck_assert(!known_has(&k, &a, EPOCH));
	ck_assert_uint_eq(known_sum(&k), 0);
}
END_TEST

START_TEST(known_counted_to_the_brim_stays)
{
	struct tuple a = client(1);

	for (int i = 0; i < 300; i++)
		known_add(&k, &a);
	for (int i = 0; i < 300; i++)
		known_leave(&k, &a);
	ck_assert(known_has(&k, &a, EPOCH));
}
END_TEST

START_TEST(known_spent_until_its_epoch_is_over)
{
	struct tuple a = client(1), b = client(2);

	known_renew(&k, EPOCH);
	known_spend(&k, &a, EPOCH);
	ck_assert(known_has(&k, &a, EPOCH));
	ck_assert(!known_has(&k, &b, EPOCH));
	known_renew(&k, EPOCH + 1);
	ck_assert(known_has(&k, &a, EPOCH + 1));
	known_renew(&k, EPOCH + 2);
	ck_assert(!known_has(&k, &a, EPOCH + 2));
	known_renew(&k, EPOCH + 3);
	known_renew(&k, EPOCH + 4); /* its place is used again, and empty */
	ck_assert(!known_has(&k, &a, EPOCH + 4));
}
END_TEST

START_TEST(known_spent_of_a_clock_ahead)
{
	struct tuple a = client(1);

	known_renew(&k, EPOCH);
	known_spend(&k, &a, EPOCH + 1);
	ck_assert(known_has(&k, &a, EPOCH));
	known_renew(&k, EPOCH + 1);
	ck_assert(known_has(&k, &a, EPOCH + 1));
	known_renew(&k, EPOCH + 2);
	ck_assert(known_has(&k, &a, EPOCH + 2));
}
END_TEST

/* 10,000 connections a second by cookies, for an epoch of a minute. */
START_TEST(known_few_strangers_are_taken_for_known)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < 600000; i++) {
		struct tuple t = client(i);

		known_spend(&k, &t, EPOCH);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		struct tuple t = client(1000000 + i);

		wrong += known_has(&k, &t, EPOCH);
	}
	ck_assert_uint_lt(wrong, 20000 / 50);
}
END_TEST

START_TEST(known_without_a_front_costs_nothing)
{
	struct tuple a = client(1);

	known_add(NULL, &a);
	known_leave(NULL, &a);
	known_spend(NULL, &a, EPOCH);
	known_renew(NULL, EPOCH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("known");
	TCase *t = tcase_create("known");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, known_as_long_as_one_is_kept);
	tcase_add_test(t, known_counted_to_the_brim_stays);
	tcase_add_test(t, known_spent_until_its_epoch_is_over);
	tcase_add_test(t, known_spent_of_a_clock_ahead);
	tcase_add_test(t, known_few_strangers_are_taken_for_known);
	tcase_add_test(t, known_without_a_front_costs_nothing);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
