/* SPDX-License-Identifier: MIT */
/* LINKS: tcp/table crash/journal util/hash util/region util/slab wire/% */
#include <check.h>
#include <stdlib.h>

#include "tcp/table.h"
#include "util/prng.h"

#define PAIRS 300
#define STEPS 20000

static const uint8_t secret[32] = "legs by their addresses";
static struct slab pairs;
static struct leg_table table;

static void setup(void)
{
	ck_assert_int_eq(slab_init(&pairs, 2 * sizeof(struct leg), PAIRS), 0);
	hash_derive(&table.key, secret, "table", 0);
	ck_assert_int_eq(leg_table_init(&table, &pairs), 0);
}

static void teardown(void)
{
	leg_table_fini(&table);
	slab_fini(&pairs);
}

/* Both legs of a connection of client @port. */
static struct leg *pair_new(uint16_t port)
{
	struct leg *l = slab_alloc(&pairs);

	memset(l, 0, 2 * sizeof(*l));
	l[1].side = 1;
	l[0].t = (struct tuple){.lport = 80, .rport = port};
	l[1].t = (struct tuple){.lport = port, .rport = 80};
	return l;
}

START_TEST(leg_is_found_by_its_own_addresses)
{
	struct leg *a = pair_new(1), *b = pair_new(2);

	for (int i = 0; i < 2; i++) {
		ck_assert_ptr_null(leg_table_find(&table, &a[i].t));
		leg_table_insert(&table, &a[i]);
		leg_table_insert(&table, &b[i]);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_ptr_eq(leg_table_find(&table, &a[i].t), &a[i]);
		ck_assert_ptr_eq(leg_table_find(&table, &b[i].t), &b[i]);
	}
}
END_TEST

/* Whether it is there or not, and with every bucket taken. */
START_TEST(legs_that_are_expected_are_found_as_before)
{
	static uint8_t data[LEG_TABLE_BATCH][40];
	const struct packet *pkt[LEG_TABLE_BATCH];
	struct packet p[LEG_TABLE_BATCH];
	struct leg *l[PAIRS], *out[LEG_TABLE_BATCH];

	for (uint16_t i = 0; i < LEG_TABLE_BATCH; i++) {
		memcpy(data[i], (uint8_t[]){0x45, [9] = 6, [12] = 10}, 13);
		put_be16(data[i] + 20, (uint16_t)(i * 9));
		p[i] = (struct packet){.data = data[i], .len = 40};
		pkt[i] = &p[i];
	}
	ck_assert_int_eq(leg_table_expect(&table, pkt, LEG_TABLE_BATCH, out),
			 0);
	for (uint16_t i = 0; i < PAIRS; i++) {
		l[i] = pair_new(i);
		l[i]->t = (struct tuple){.remote = ipaddr_v4(&data[0][12]),
					 .local = ipaddr_v4(&data[0][16]),
					 .rport = i};
		leg_table_insert(&table, l[i]);
	}
	ck_assert_int_ge(leg_table_expect(&table, pkt, LEG_TABLE_BATCH, out),
			 PAIRS / 9);
	for (uint16_t i = 0; i < PAIRS; i++)
		ck_assert_ptr_eq(leg_table_look(&table, &l[i]->t), l[i]);
}
END_TEST

START_TEST(leg_that_left_is_not_found_again)
{
	struct leg *l = pair_new(1), *again;
	struct tuple t = l[1].t;

	leg_table_insert(&table, &l[0]);
	leg_table_insert(&table, &l[1]);
	ck_assert_ptr_eq(leg_table_find(&table, &t), &l[1]);
	ck_assert(leg_table_remove(&table, &l[1]));
	ck_assert(!leg_table_remove(&table, &l[1]));
	ck_assert_ptr_null(leg_table_find(&table, &t));
	/* found last, and its memory is somebody else's now */
	ck_assert_ptr_eq(leg_table_find(&table, &l[0].t), &l[0]);
	ck_assert(leg_table_remove(&table, &l[0]));
	slab_free(&pairs, l);
	ck_assert_ptr_null(leg_table_find(&table, &t));
	again = pair_new(1);
	ck_assert_ptr_eq(again, l);
	ck_assert_ptr_null(leg_table_find(&table, &t));
}
END_TEST

static bool reserve(void *arg, size_t offset, size_t len)
{
	(void)offset;
	(void)len;
	return !arg;
}

static bool take(void *arg, const struct journal_flow *f)
{
	*(struct journal_flow *)arg = *f;
	return true;
}

/* A leg is in the journal as long as it is in the table, at its pair's place. */
START_TEST(legs_of_the_table_are_in_the_journal)
{
	const struct journal_plan plan = {.workers = 1, .flows = PAIRS};
	const size_t len = journal_size(&plan);
	struct journal_flow f = {0};
	uint8_t *at = calloc(1, len);
	struct journal part[2];
	struct leg *l;

	journal_init(at, &plan, part);
	part[0].reserve = reserve;
	table.journal = &part[0];
	pair_new(1); /* so that it is not the first one */
	l = pair_new(2);
	for (int i = 0; i < 2; i++) {
		l[i].t.local = ipaddr_v4((uint8_t[]){192, 0, 2, 1});
		l[i].t.remote = ipaddr_v4((uint8_t[]){192, 0, 2, 2});
		leg_table_insert(&table, &l[i]);
	}
	ck_assert_int_eq(journal_read(at, len, take, &f), 0);
	ck_assert(f.has[0] && f.has[1]);
	ck_assert(tuple_eq(&f.t[0], &l[0].t) && tuple_eq(&f.t[1], &l[1].t));
	leg_table_remove(&table, &l[0]);
	ck_assert_int_eq(journal_read(at, len, take, &f), 0);
	ck_assert(!f.has[0] && f.has[1]);
	leg_table_remove(&table, &l[1]);
	f.has[1] = false;
	ck_assert_int_eq(journal_read(at, len, take, &f), 0);
	ck_assert(!f.has[1]);
	table.journal = NULL;
	free(at);
}
END_TEST

/* The pair that was found last is tried first; it must change no answer. */
START_TEST(random_operations_find_what_is_there)
{
	struct leg *l[PAIRS], *at, *found;
	uint32_t bad = 0;
	struct prng r;

	prng_seed(&r, 11);
	for (uint32_t i = 0; i < PAIRS; i++)
		l[i] = pair_new((uint16_t)(1000 + i));
	for (int step = 0; step < STEPS; step++) {
		at = &l[prng_below(&r, PAIRS)][prng_below(&r, 2)];
		if (!prng_below(&r, 3) && at->hashed)
			bad += !leg_table_remove(&table, at);
		else if (!at->hashed)
			leg_table_insert(&table, at);
		at = prng_below(&r, 2) ? at - at->side
				       : l[prng_below(&r, PAIRS)];
		for (int i = 0; i < 2; i++) {
			found = leg_table_find(&table, &at[i].t);
			bad += found != (at[i].hashed ? &at[i] : NULL);
			bad += found != leg_table_look(&table, &at[i].t);
		}
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *t = tcase_create("table");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, leg_is_found_by_its_own_addresses);
	tcase_add_test(t, legs_that_are_expected_are_found_as_before);
	tcase_add_test(t, leg_that_left_is_not_found_again);
	tcase_add_test(t, legs_of_the_table_are_in_the_journal);
	tcase_add_test(t, random_operations_find_what_is_there);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
