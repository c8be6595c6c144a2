/* SPDX-License-Identifier: MIT */
/* LINKS: util/region util/slab */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "util/prng.h"
#include "util/slab.h"
#include "util/slablist.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

START_TEST(object_size_rounded_to_eight)
{
	static const size_t want[][2] = {{0, 8},   {1, 8},   {8, 8},  {9, 16},
					 {24, 24}, {31, 32}, {64, 64}};
	struct slab s;

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		ck_assert_int_eq(slab_init(&s, want[i][0], 3), 0);
		ck_assert_uint_eq(s.size, want[i][1]);
		slab_fini(&s);
	}
}
END_TEST

START_TEST(full_slab_alloc_returns_null)
{
	struct slab s;
	void *o[3];

	ck_assert_int_eq(slab_init(&s, 24, 3), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(o[i] = slab_alloc(&s));
	ck_assert_ptr_null(slab_alloc(&s));
	ck_assert_uint_eq(s.used, 3);

	slab_free(&s, o[1]);
	ck_assert_ptr_eq(slab_alloc(&s), o[1]);
	ck_assert_ptr_null(slab_alloc(&s));
	slab_fini(&s);
}
END_TEST

START_TEST(empty_slab_alloc_returns_null)
{
	struct slab s;

	ck_assert_int_eq(slab_init(&s, 24, 0), 0);
	ck_assert_ptr_null(slab_alloc(&s));
	slab_fini(&s);
}
END_TEST

START_TEST(impossible_size_init_returns_enomem)
{
	struct slab s;

	ck_assert_int_eq(slab_init(&s, SIZE_MAX, 1), -ENOMEM);
	ck_assert_int_eq(slab_init(&s, SIZE_MAX / 2, 3), -ENOMEM);
	ck_assert_int_eq(slab_init(&s, (size_t)1 << 46, 1000), -ENOMEM);
	ck_assert_int_eq(slab_init(&s, 8, SLAB_NONE), -ENOMEM);
	slab_fini(&s);
}
END_TEST

START_TEST(index_and_address_are_inverse)
{
	struct slab s;
	void *o;

	ck_assert_int_eq(slab_init(&s, 40, 100), 0);
	for (uint32_t i = 0; i < 100; i++) {
		o = slab_alloc(&s);
		ck_assert_uint_eq(slab_index(&s, o), i);
		ck_assert_ptr_eq(slab_at(&s, i), o);
		ck_assert_uint_eq((uintptr_t)o % 8, 0);
	}
	slab_fini(&s);
}
END_TEST

START_TEST(last_freed_is_handed_out_first)
{
	struct slab s;
	void *a, *b;

	ck_assert_int_eq(slab_init(&s, 8, 10), 0);
	a = slab_alloc(&s);
	b = slab_alloc(&s);
	slab_free(&s, a);
	slab_free(&s, b);
	ck_assert_ptr_eq(slab_alloc(&s), b);
	ck_assert_ptr_eq(slab_alloc(&s), a);
	slab_fini(&s);
}
END_TEST

#define OBJ 56
#define OBJS 200

/* No object is handed out twice, none touches another. */
START_TEST(random_operations_keep_contents)
{
	uint8_t *o[OBJS] = {0}, tag[OBJS] = {0};
	uint32_t used = 0, bad = 0, k;
	struct prng r;
	struct slab s;

	prng_seed(&r, 7);
	ck_assert_int_eq(slab_init(&s, OBJ, OBJS / 2), 0);
	for (int step = 0; step < 20000; step++) {
		k = prng_below(&r, OBJS);
		if (o[k]) {
			for (int i = 0; i < OBJ; i++)
				bad += o[k][i] != tag[k];
			slab_free(&s, o[k]);
			o[k] = NULL;
			used--;
		} else {
			o[k] = slab_alloc(&s);
			bad += (o[k] == NULL) != (used == OBJS / 2);
			if (!o[k])
				continue;
			tag[k] = (uint8_t)prng_u32(&r);
			memset(o[k], tag[k], OBJ);
			used++;
		}
		bad += s.used != used;
	}
	ck_assert_uint_eq(bad, 0);
	slab_fini(&s);
}
END_TEST

struct linked {
	uint64_t other;
	struct slab_link at;
};

/* The list holds @n of @o, in the order of @want. */
static bool list_is(const struct slab_list *l, struct linked *const *want,
		    uint32_t n)
{
	uint32_t at = l->head, prev = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct linked *k = at ? slab_at(l->slab, at - 1) : NULL;

		if (k != want[i] || k->at.prev != prev)
			return false;
		prev = at;
		at = k->at.next;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (slab_list_before(l, want[i]) != (i ? want[i - 1] : NULL))
			return false;
	}
	return !at && l->tail == prev &&
	       slab_list_first(l) == (n ? want[0] : NULL) &&
	       slab_list_last(l) == (n ? want[n - 1] : NULL);
}

START_TEST(list_removal_keeps_the_order_of_the_others)
{
	struct linked *o[3], *rest[3];
	struct slab_list l = {.link = offsetof(struct linked, at)};
	struct slab s;
	uint32_t n;

	ck_assert_int_eq(slab_init(&s, sizeof(struct linked), 3), 0);
	l.slab = &s;
	for (int i = 0; i < 3; i++)
		o[i] = slab_alloc(&s);
	ck_assert(list_is(&l, o, 0));
	for (int gone = 0; gone < 3; gone++) {
		n = 0;
		for (int i = 0; i < 3; i++) {
			slab_list_append(&l, o[i]);
			if (i != gone)
				rest[n++] = o[i];
		}
		ck_assert(list_is(&l, o, 3));
		slab_list_remove(&l, o[gone]);
		ck_assert(list_is(&l, rest, 2));
		slab_list_append(&l, o[gone]);
		rest[2] = o[gone];
		ck_assert(list_is(&l, rest, 3));
		for (int i = 0; i < 3; i++)
			slab_list_remove(&l, o[i]);
		ck_assert(list_is(&l, o, 0));
	}
	slab_fini(&s);
}
END_TEST

START_TEST(object_freed_twice_aborts)
{
	struct slab s;
	void *o;

	slab_init(&s, 16, 4);
	slab_alloc(&s);
	o = slab_alloc(&s);
	slab_free(&s, o);
	slab_free(&s, o);
}
END_TEST

START_TEST(foreign_pointer_free_aborts)
{
	uint64_t x[2];
	struct slab s;

	slab_init(&s, 16, 4);
	slab_alloc(&s);
	slab_free(&s, x);
}
END_TEST

#if defined(__SANITIZE_ADDRESS__)
START_TEST(free_object_is_poisoned)
{
	struct slab s;
	uint8_t *a;

	ck_assert_int_eq(slab_init(&s, 32, 4), 0);
	a = slab_alloc(&s);
	ck_assert(!__asan_address_is_poisoned(a + 31));
	ck_assert(__asan_address_is_poisoned(a + 32));
	slab_free(&s, a);
	ck_assert(__asan_address_is_poisoned(a));
	ck_assert(__asan_address_is_poisoned(a + 31));
	ck_assert_ptr_eq(slab_alloc(&s), a);
	ck_assert(!__asan_address_is_poisoned(a));
	slab_fini(&s);
	ck_assert(!__asan_address_is_poisoned(a + 32));
}
END_TEST
#endif

int main(void)
{
	Suite *s = suite_create("slab");
	TCase *t = tcase_create("slab");
	SRunner *r;
	int failed;

	tcase_add_test(t, object_size_rounded_to_eight);
	tcase_add_test(t, full_slab_alloc_returns_null);
	tcase_add_test(t, empty_slab_alloc_returns_null);
	tcase_add_test(t, impossible_size_init_returns_enomem);
	tcase_add_test(t, index_and_address_are_inverse);
	tcase_add_test(t, last_freed_is_handed_out_first);
	tcase_add_test(t, random_operations_keep_contents);
	tcase_add_test(t, list_removal_keeps_the_order_of_the_others);
	/* What aborts needs a process of its own. */
	if (!getenv("CK_FORK") || strcmp(getenv("CK_FORK"), "no") != 0) {
		tcase_add_test_raise_signal(t, object_freed_twice_aborts,
					    SIGABRT);
		tcase_add_test_raise_signal(t, foreign_pointer_free_aborts,
					    SIGABRT);
	}
#if defined(__SANITIZE_ADDRESS__)
	tcase_add_test(t, free_object_is_poisoned);
#endif
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
