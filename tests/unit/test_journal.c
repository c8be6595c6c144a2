/* SPDX-License-Identifier: MIT */
/* LINKS: crash/journal */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "crash/journal.h"

#define FLOWS 2000u
#define LEFT 3u
#define RECORDS (2 * (2 * FLOWS + LEFT))

static const struct journal_plan plan = {
	.workers = 2, .flows = FLOWS, .left = LEFT};
static uint8_t *at;
static size_t len;
static struct journal part[3];
static size_t reserved; /* bytes, in all */
static bool full;
static struct journal_flow got[16];
static uint32_t ngot;

static bool reserve(void *arg, size_t offset, size_t n)
{
	ck_assert_ptr_eq(arg, at);
	ck_assert_uint_le(offset + n, len);
	reserved += n;
	return !full;
}

static void setup(void)
{
	len = journal_size(&plan);
	ck_assert_uint_eq(len, JOURNAL_HEAD + 64 * RECORDS);
	at = calloc(1, len);
	journal_init(at, &plan, part);
	for (int i = 0; i < 3; i++) {
		part[i].reserve = reserve;
		part[i].arg = at;
	}
	reserved = 0;
	full = false;
	ngot = 0;
}

static void teardown(void)
{
	free(at);
}

static struct journal_head *head(void)
{
	return (void *)at;
}

static struct journal_record *record(uint32_t i)
{
	return (struct journal_record *)(at + JOURNAL_HEAD) + i;
}

static struct tuple leg(uint16_t port, bool server)
{
	static const uint8_t c[4] = {198, 51, 100, 2}, s[4] = {203, 0, 113, 10};
	struct tuple t = {ipaddr_v4(s), ipaddr_v4(c), 80, port};

	return server ? tuple_flip(&t) : t;
}

static bool found(void *arg, const struct journal_flow *f)
{
	ck_assert_ptr_null(arg);
	got[ngot++] = *f;
	return ngot < ARRAY_LEN(got);
}

static int read_it(void)
{
	ngot = 0;
	return journal_read(at, len, found, NULL);
}

static void write_flow(struct journal *j, uint32_t flow, uint16_t port)
{
	struct tuple c = leg(port, false), s = leg(port, true);

	journal_note(j, 2 * flow, &c);
	journal_note(j, 2 * flow + 1, &s);
}

START_TEST(what_was_noted_is_read)
{
	struct tuple c = leg(1001, false), s = leg(1002, true);

	journal_note(&part[0], 0, &c);
	journal_note(&part[1], 2 * FLOWS - 1, &s);
	write_flow(&part[2], LEFT - 1, 1003);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 3);
	ck_assert(got[0].has[0] && !got[0].has[1]);
	ck_assert(tuple_eq(&got[0].t[0], &c));
	ck_assert(!got[1].has[0] && got[1].has[1]);
	ck_assert(tuple_eq(&got[1].t[1], &s));
	ck_assert(got[2].has[0] && got[2].has[1]);
	ck_assert_uint_eq(got[2].t[0].rport, 1003);
}
END_TEST

START_TEST(what_left_is_not_read)
{
	write_flow(&part[0], 5, 1001);
	write_flow(&part[0], 6, 1002);
	journal_leave(&part[0], 10);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 2);
	ck_assert(!got[0].has[0] && got[0].has[1]);
	journal_leave(&part[0], 11);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 1);
	ck_assert_uint_eq(got[0].t[0].rport, 1002);
}
END_TEST

START_TEST(without_a_journal_nothing_is_written)
{
	struct journal none = {0};
	struct tuple c = leg(1, false);

	journal_note(NULL, 0, &c);
	journal_leave(NULL, 0);
	journal_note(&none, 0, &c);
	journal_leave(&none, 0);
}
END_TEST

/* 64 KiB at a time, each part for itself, and never more than it has. */
START_TEST(memory_is_reserved_as_it_is_needed)
{
	write_flow(&part[0], 0, 1);
	ck_assert_uint_eq(reserved, 64u << 10);
	write_flow(&part[0], 511, 1);
	ck_assert_uint_eq(reserved, 64u << 10);
	write_flow(&part[0], 512, 1);
	ck_assert_uint_eq(reserved, 128u << 10);
	write_flow(&part[2], LEFT - 1, 1);
	ck_assert_uint_eq(reserved, (128u << 10) + 2 * LEFT * 64);
	write_flow(&part[1], FLOWS - 1, 1);
	ck_assert_uint_eq(reserved,
			  (128u << 10) + 2 * LEFT * 64 + 2 * FLOWS * 64);
}
END_TEST

START_TEST(without_memory_flows_are_missed)
{
	struct tuple c = leg(1001, false);

	full = true;
	journal_note(&part[0], 0, &c);
	journal_leave(&part[0], 0);
	ck_assert_uint_eq(part[0].missed, 1);
	full = false;
	journal_note(&part[0], 2 * FLOWS, &c); /* has no such place */
	ck_assert_uint_eq(part[0].missed, 2);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 0);
}
END_TEST

/* Only what the process before had left counts. */
START_TEST(closed_only_the_last_part_counts)
{
	write_flow(&part[0], 0, 1001);
	write_flow(&part[2], 0, 1002);
	journal_close(at, true);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 1);
	ck_assert_uint_eq(got[0].t[0].rport, 1002);
	journal_close(at, false);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 2);
}
END_TEST

/* It died while it wrote. */
START_TEST(half_written_record_does_not_count)
{
	write_flow(&part[0], 0, 1001);
	for (size_t i = 4; i < offsetof(struct journal_record, spare); i++) {
		uint8_t *p = (uint8_t *)record(0) + i;

		*p ^= 0x10;
		ck_assert_int_eq(read_it(), 0);
		ck_assert_uint_eq(ngot, 1);
		ck_assert_msg(!got[0].has[0], "byte %zu", i);
		*p ^= 0x10;
	}
	ck_assert_int_eq(read_it(), 0);
	ck_assert(got[0].has[0]);
}
END_TEST

/* Well written, but nothing that there can have been. */
static void refused(struct tuple t)
{
	journal_note(&part[0], 0, &t);
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 0);
}

START_TEST(no_possible_leg_does_not_count)
{
	static const uint8_t bad[][4] = {{0, 0, 0, 0},
					 {127, 0, 0, 1},
					 {224, 0, 0, 1},
					 {255, 255, 255, 255}};
	static const uint8_t v6[][16] = {
		{0}, {[15] = 1}, {0xff, 2, [15] = 1}, {0x20, 1, [15] = 1}};
	struct tuple t = leg(0, false);

	refused(t);
	t = leg(0, true);
	refused(t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		t = leg(1001, false);
		t.remote = ipaddr_v4(bad[i]);
		refused(t);
		t = leg(1001, false);
		t.local = ipaddr_v4(bad[i]);
		refused(t);
	}
	for (size_t i = 0; i < ARRAY_LEN(v6); i++) { /* or of two families */
		t = leg(1001, false);
		t.remote = ipaddr_v6(v6[i]);
		refused(t);
	}
}
END_TEST

START_TEST(foreign_content_is_refused)
{
	ck_assert_int_eq(journal_read(at, JOURNAL_HEAD - 1, found, NULL),
			 -EBADMSG);
	head()->version++;
	ck_assert_int_eq(read_it(), -EPROTO);
	head()->version--;
	head()->magic[7] ^= 1;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->magic[7] ^= 1;
	head()->record = 32;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->record = 64;
	head()->parts = 0;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->parts = JOURNAL_PARTS_MAX + 1;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->parts = 3;
	ck_assert_int_eq(read_it(), 0);
	ck_assert_uint_eq(ngot, 0);
}
END_TEST

START_TEST(parts_beyond_the_end_are_refused)
{
	head()->part[1].used = RECORDS;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->part[1].first = 0;
	ck_assert_int_eq(read_it(), 0);
	head()->part[1].used = RECORDS + 1;
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->part[1].first = UINT32_MAX;
	head()->part[1].used = 2; /* more than 32 bits */
	ck_assert_int_eq(read_it(), -EBADMSG);
	head()->part[1] = (struct journal_part){RECORDS - 1, 1};
	ck_assert_int_eq(read_it(), 0);
}
END_TEST

/* Any content: it may be refused, but is never read beyond its end. */
START_TEST(any_content_is_read_within_its_bounds)
{
	uint32_t x = 12345;

	for (uint32_t i = 0; i < FLOWS; i++)
		write_flow(&part[i % 2], i, 1001);
	for (uint32_t round = 0; round < 3000; round++) {
		size_t n = round % 3 ? len : JOURNAL_HEAD + round;
		uint8_t *copy = malloc(n); /* a sanitizer sees an overrun */

		memcpy(copy, at, n);
		for (int k = 0; k < 8; k++) {
			x = x * 1664525u + 1013904223u;
			copy[16 + x % (n - 16) % (k < 6 ? 200 : n)] ^=
				(uint8_t)(1u << (x >> 29));
		}
		ngot = 0;
		journal_read(copy, n, found, NULL);
		free(copy);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *sr = srunner_create(s);
	int bad;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_noted_is_read);
	tcase_add_test(tc, what_left_is_not_read);
	tcase_add_test(tc, without_a_journal_nothing_is_written);
	tcase_add_test(tc, memory_is_reserved_as_it_is_needed);
	tcase_add_test(tc, without_memory_flows_are_missed);
	tcase_add_test(tc, closed_only_the_last_part_counts);
	tcase_add_test(tc, half_written_record_does_not_count);
	tcase_add_test(tc, no_possible_leg_does_not_count);
	tcase_add_test(tc, foreign_content_is_refused);
	tcase_add_test(tc, parts_beyond_the_end_are_refused);
	tcase_add_test(tc, any_content_is_read_within_its_bounds);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
