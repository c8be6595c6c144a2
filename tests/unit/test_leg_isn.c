/* SPDX-License-Identifier: MIT */
/* Initial sequence numbers (src/tcp/isn.c): RFC 6528, RFC 7323 5.4. */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

#include "tcp/isn.h"

static const struct hash_key key = {{1, 2, 3}};

START_TEST(isn_of_one_tuple_advances_every_4_us)
{
	seq_t a, b;
	uint32_t off;

	isn_make(&key, &r.t, (mono_t){SECS(5)}, &a, &off);
	isn_make(&key, &r.t, (mono_t){SECS(6)}, &b, &off);
	ck_assert_uint_eq(seq_span(b, a), 250000);
}
END_TEST

START_TEST(ts_offset_of_one_tuple_is_constant)
{
	seq_t a;
	uint32_t off, off2;

	isn_make(&key, &r.t, (mono_t){SECS(5)}, &a, &off);
	isn_make(&key, &r.t, (mono_t){SECS(900)}, &a, &off2);
	ck_assert_uint_eq(off, off2);
}
END_TEST

START_TEST(isn_differs_by_tuple_and_key)
{
	static const struct hash_key other = {{1, 2, 4}};
	struct tuple t = r.t;
	seq_t a, b, c;
	uint32_t x, y, z;

	t.rport++;
	isn_make(&key, &r.t, (mono_t){1}, &a, &x);
	isn_make(&key, &t, (mono_t){1}, &b, &y);
	isn_make(&other, &r.t, (mono_t){1}, &c, &z);
	ck_assert_uint_ne(a.v, b.v);
	ck_assert_uint_ne(a.v, c.v);
	ck_assert_uint_ne(x, y);
	ck_assert_uint_ne(x, z);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("isn");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, isn_of_one_tuple_advances_every_4_us);
	tcase_add_test(tc, ts_offset_of_one_tuple_is_constant);
	tcase_add_test(tc, isn_differs_by_tuple_and_key);
	return rig_main("isn", tc);
}
