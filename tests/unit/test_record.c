/* SPDX-License-Identifier: MIT */
/* LINKS: util/record */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "util/record.h"

struct thing {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32, ms, s, us, off;
	uint64_t u64;
	bool yes;
	mono_t at;
};

#define M(id, kind, member)                                       \
	{                                                         \
		id, offsetof(struct thing, member), RECORD_##kind \
	}

static const struct record_member members[] = {
	M(1, U8, u8),	 M(2, U16, u16),  M(3, U32, u32),    M(4, MS, ms),
	M(5, S, s),	 M(6, US, us),	  M(7, TS_OFF, off), M(8, U64, u64),
	M(9, BOOL, yes), M(10, TIME, at),
};

static struct record_writer w;

static void setup(void)
{
	w = (struct record_writer){.now = {5000000}};
}

static void teardown(void)
{
	record_free(&w);
}

static struct record_reader reader(mono_t now)
{
	return (struct record_reader){w.buf, w.buf + w.len, now};
}

static struct thing read_back(mono_t now)
{
	struct record_reader r = reader(now);
	struct record_field f;
	struct thing t;

	memset(&t, 0xff, sizeof(t));
	record_clear(members, ARRAY_LEN(members), &t);
	while (record_next(&r, &f) > 0)
		record_load(&f, members, ARRAY_LEN(members), &t, r.now);
	return t;
}

START_TEST(members_come_back)
{
	const struct thing was = {.u8 = 255,
				  .u16 = 65535,
				  .u32 = UINT32_MAX,
				  .ms = 4000,
				  .s = 7,
				  .us = 4999999,
				  .off = 123,
				  .u64 = UINT64_MAX,
				  .yes = true,
				  .at = {6000000}};
	struct thing is;

	record_save(&w, members, ARRAY_LEN(members), &was);
	is = read_back(w.now);
	ck_assert_uint_eq(is.u8, was.u8);
	ck_assert_uint_eq(is.u16, was.u16);
	ck_assert_uint_eq(is.u32, was.u32);
	ck_assert_uint_eq(is.ms, was.ms);
	ck_assert_uint_eq(is.s, was.s);
	ck_assert_uint_eq(is.us, was.us);
	ck_assert_uint_eq(is.off, was.off);
	ck_assert(is.u64 == was.u64);
	ck_assert(is.yes);
	ck_assert(is.at.us == was.at.us);
}
END_TEST

START_TEST(what_is_not_written_is_0)
{
	const struct thing was = {.s = 5, .us = 5000000, .off = -5000u};
	struct thing is;

	record_save(&w, members, ARRAY_LEN(members), &was);
	is = read_back(w.now);
	ck_assert_uint_eq(is.u8, 0);
	ck_assert_uint_eq(is.ms, 0);
	ck_assert_uint_eq(is.s, 5);
	ck_assert_uint_eq(is.us, 5000000);
	ck_assert_uint_eq(is.off, -5000u);
	ck_assert(!mono_is_set(is.at));
}
END_TEST

/* A clock with another origin continues them. */
START_TEST(times_follow_the_clock)
{
	const struct thing was = {
		.ms = 4000, .us = 4999000, .off = 1000, .at = {5250000}};
	struct thing is;

	record_save(&w, members, ARRAY_LEN(members), &was);
	is = read_back((mono_t){900000000});
	ck_assert_uint_eq(is.ms, 899000);
	ck_assert_uint_eq(is.us, 899999000);
	ck_assert(is.at.us == 900250000);
	/* its sum with the clock is the same */
	ck_assert_uint_eq(is.off + 900000, was.off + 5000);
}
END_TEST

START_TEST(never_stays_never)
{
	const struct thing was = {.at = MONO_NEVER};

	record_save(&w, members, ARRAY_LEN(members), &was);
	ck_assert(read_back((mono_t){1}).at.us == MONO_NEVER.us);
}
END_TEST

START_TEST(unknown_fields_are_skipped)
{
	struct thing is;
	size_t mark;

	record_number(&w, 70, 1234567);
	mark = record_open(&w, 71);
	record_number(&w, 1, 9);
	record_close(&w, mark);
	record_number(&w, 1, 5);
	is = read_back(w.now);
	ck_assert_uint_eq(is.u8, 5);
}
END_TEST

START_TEST(records_nest)
{
	struct record_field outer, inner;
	struct record_reader r;
	size_t a, b;

	a = record_open(&w, 3);
	b = record_open(&w, 4);
	record_raw(&w, "abc", 3);
	record_close(&w, b);
	record_number(&w, 5, 300);
	record_close(&w, a);
	r = reader(w.now);
	ck_assert_int_eq(record_next(&r, &outer), 1);
	ck_assert_uint_eq(outer.id, 3);
	ck_assert_int_eq(record_next(&outer.in, &inner), 1);
	ck_assert_uint_eq(record_left(&inner.in), 3);
	ck_assert_int_eq(memcmp(inner.in.p, "abc", 3), 0);
	ck_assert_int_eq(record_next(&outer.in, &inner), 1);
	ck_assert_uint_eq(inner.number, 300);
	ck_assert_int_eq(record_next(&outer.in, &inner), 0);
	ck_assert_int_eq(record_next(&r, &outer), 0);
}
END_TEST

START_TEST(tuple_comes_back)
{
	const struct tuple was = {{{1, 2}}, {{3, 4}}, 80, 40000};
	struct record_field f;
	struct record_reader r;
	struct tuple is;

	record_tuple(&w, 1, &was);
	r = reader(w.now);
	ck_assert_int_eq(record_next(&r, &f), 1);
	ck_assert(record_get_tuple(&f, &is));
	ck_assert(tuple_eq(&is, &was));
}
END_TEST

START_TEST(tuple_of_two_families_is_refused)
{
	static const uint8_t v4[4] = {10, 0, 0, 1};
	const struct tuple mixed = {{{1, 2}}, ipaddr_v4(v4), 80, 40000};
	struct record_field f;
	struct record_reader r;
	struct tuple is;

	record_tuple(&w, 1, &mixed);
	r = reader(w.now);
	ck_assert_int_eq(record_next(&r, &f), 1);
	ck_assert(!record_get_tuple(&f, &is));
}
END_TEST

/* Every prefix of a record ends between two fields, or is an error. */
START_TEST(cut_record_is_an_error)
{
	struct record_field f;
	size_t whole;

	record_number(&w, 1, 1u << 20);
	record_bytes(&w, 2, "abcd", 4);
	whole = w.len;
	for (w.len = 1; w.len < whole; w.len++) {
		struct record_reader r = reader(w.now);
		int more;

		while ((more = record_next(&r, &f)) > 0)
			;
		ck_assert_int_eq(more, w.len == 4 ? 0 : -EBADMSG);
	}
}
END_TEST

START_TEST(endless_number_is_an_error)
{
	static const uint8_t bad[] = {0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
	struct record_reader r = {bad, bad + sizeof(bad), {1}};
	struct record_field f;

	ck_assert_int_eq(record_next(&r, &f), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record");
	TCase *t = tcase_create("record");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, members_come_back);
	tcase_add_test(t, what_is_not_written_is_0);
	tcase_add_test(t, times_follow_the_clock);
	tcase_add_test(t, never_stays_never);
	tcase_add_test(t, unknown_fields_are_skipped);
	tcase_add_test(t, records_nest);
	tcase_add_test(t, tuple_comes_back);
	tcase_add_test(t, tuple_of_two_families_is_refused);
	tcase_add_test(t, cut_record_is_an_error);
	tcase_add_test(t, endless_number_is_an_error);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
