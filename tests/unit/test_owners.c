/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash util/region shield/owners */
#include <check.h>
#include <pthread.h>

#include "shield/owners.h"

static const uint8_t secret[32] = "who has what";
static struct owners o;

static void setup(void)
{
	ck_assert_int_eq(owners_init(&o, 4096, secret), 0);
}

static void teardown(void)
{
	owners_fini(&o);
}

static struct tuple leg(uint32_t n)
{
	struct tuple t = {.lport = 443, .rport = 40000};

	memcpy(t.remote.b + 12, &n, sizeof(n));
	return t;
}

START_TEST(owner_is_found_until_it_leaves)
{
	struct tuple a = leg(1), b = leg(2);

	ck_assert_int_eq(owners_find(&o, &a), OWNERS_NONE);
	ck_assert(owners_add(&o, &a, 0, OWNED_LEG));
	ck_assert(owners_add(&o, &b, 63, OWNED_LEG));
	ck_assert_int_eq(owners_find(&o, &a), 0);
	ck_assert_int_eq(owners_find(&o, &b), 63);
	owners_leave(&o, &a, 0, OWNED_LEG);
	ck_assert_int_eq(owners_find(&o, &a), OWNERS_NONE);
	ck_assert_int_eq(owners_find(&o, &b), 63);
}
END_TEST

START_TEST(owner_of_a_leg_counts_before_that_of_a_time_wait)
{
	struct tuple a = leg(1);

	for (int order = 0; order < 2; order++) {
		owners_add(&o, &a, order ? 5 : 3,
			   order ? OWNED_LEG : OWNED_REST);
		owners_add(&o, &a, order ? 3 : 5,
			   order ? OWNED_REST : OWNED_LEG);
		ck_assert_int_eq(owners_find(&o, &a), 5);
		ck_assert(owners_other_leg(&o, &a, 3));
		ck_assert(!owners_other_leg(&o, &a, 5));
		owners_leave(&o, &a, 5, OWNED_LEG);
		ck_assert_int_eq(owners_find(&o, &a), 3);
		ck_assert(!owners_other_leg(&o, &a, 5));
		owners_leave(&o, &a, 3, OWNED_REST);
		ck_assert_int_eq(owners_find(&o, &a), OWNERS_NONE);
	}
}
END_TEST

START_TEST(owner_that_has_nothing_takes_nothing_back)
{
	struct tuple a = leg(1);

	owners_add(&o, &a, 1, OWNED_LEG);
	owners_leave(&o, &a, 2, OWNED_LEG);
	owners_leave(&o, &a, 1, OWNED_REST);
	ck_assert_int_eq(owners_find(&o, &a), 1);
}
END_TEST

START_TEST(owners_full_as_promised_none_is_refused)
{
	struct tuple t;

	for (uint32_t i = 0; i < 4096; i++) {
		t = leg(i);
		ck_assert(owners_add(&o, &t, i % 64, OWNED_LEG));
	}
	for (uint32_t i = 0; i < 4096; i++) {
		t = leg(i);
		ck_assert_int_eq(owners_find(&o, &t), (int)(i % 64));
		owners_leave(&o, &t, i % 64, OWNED_LEG);
	}
	for (uint32_t i = 0; i < 4096; i++) {
		t = leg(i);
		ck_assert_int_eq(owners_find(&o, &t), OWNERS_NONE);
	}
}
END_TEST

#define FINDS 1000000u

static uint32_t moves;
static bool found_all;

/* @n others in the emptier bucket let a note go into the other one. */
static void crowd(uint32_t n, bool come)
{
	for (uint32_t k = 0; k < n; k++) {
		struct tuple t = leg(100 + k);

		if (come)
			owners_add(&o, &t, 1, OWNED_LEG);
		else
			owners_leave(&o, &t, 1, OWNED_LEG);
	}
}

/* From a leg to TIME_WAIT and back, as the engine does: there is always a note
 * of it. */
static void *to_and_fro(void *arg)
{
	const struct tuple *t = arg;
	enum owned is = OWNED_LEG, next;

	for (uint32_t i = 0; !__atomic_load_n(&found_all, __ATOMIC_ACQUIRE);
	     i++, is = next) {
		next = is == OWNED_LEG ? OWNED_REST : OWNED_LEG;
		crowd(i / 2 % 5, i % 2);
		__atomic_add_fetch(&moves, 1, __ATOMIC_SEQ_CST);
		owners_add(&o, t, 7, next);
		owners_leave(&o, t, 7, is);
	}
	return NULL;
}

START_TEST(owner_is_found_while_it_goes_to_time_wait)
{
	struct tuple t = leg(1);
	uint32_t bad = 0, seen;
	pthread_t th;

	owners_fini(&o); /* two buckets: all is close together */
	ck_assert_int_eq(owners_init(&o, 8, secret), 0);
	owners_add(&o, &t, 7, OWNED_LEG);
	ck_assert_int_eq(pthread_create(&th, NULL, to_and_fro, &t), 0);
	for (uint32_t i = 0; i < FINDS; i++) {
		seen = __atomic_load_n(&moves, __ATOMIC_SEQ_CST);
		/* only one move at a time is what the engine does */
		if (owners_find(&o, &t) != 7 &&
		    __atomic_load_n(&moves, __ATOMIC_SEQ_CST) == seen)
			bad++;
	}
	__atomic_store_n(&found_all, true, __ATOMIC_RELEASE);
	pthread_join(th, NULL);
	ck_assert_uint_eq(bad, 0);
}
END_TEST

#define ROUNDS 20000u
#define THREADS 4u

/* Each worker comes and goes with what is its own, and always finds it. */
static void *come_and_go(void *arg)
{
	uint32_t worker = (uint32_t)(uintptr_t)arg, bad = 0;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct tuple t = leg(i % 500 * THREADS + worker);

		owners_add(&o, &t, worker, OWNED_LEG);
		bad += owners_find(&o, &t) != (int)worker;
		owners_leave(&o, &t, worker, OWNED_LEG);
		bad += owners_find(&o, &t) != OWNERS_NONE;
	}
	return (void *)(uintptr_t)bad;
}

START_TEST(owners_of_several_threads_lose_no_note)
{
	pthread_t thread[THREADS];
	void *bad;

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, come_and_go,
						(void *)i),
				 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &bad);
		ck_assert_ptr_null(bad);
	}
}
END_TEST

START_TEST(owners_of_one_worker_are_none)
{
	struct tuple a = leg(1);

	ck_assert(owners_add(NULL, &a, 0, OWNED_LEG));
	ck_assert_int_eq(owners_find(NULL, &a), OWNERS_NONE);
	ck_assert(!owners_other_leg(NULL, &a, 0));
	owners_leave(NULL, &a, 0, OWNED_LEG);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("owners");
	TCase *t = tcase_create("owners");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, owner_is_found_until_it_leaves);
	tcase_add_test(t, owner_of_a_leg_counts_before_that_of_a_time_wait);
	tcase_add_test(t, owner_that_has_nothing_takes_nothing_back);
	tcase_add_test(t, owners_full_as_promised_none_is_refused);
	tcase_add_test(t, owner_is_found_while_it_goes_to_time_wait);
	tcase_add_test(t, owners_of_several_threads_lose_no_note);
	tcase_add_test(t, owners_of_one_worker_are_none);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
