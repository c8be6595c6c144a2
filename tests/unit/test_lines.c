/* SPDX-License-Identifier: MIT */
/* LINKS: util/lines */
#include <check.h>
#include <stdlib.h>

#include "util/lines.h"

#define MAX 100u

static struct lines *l;

static void setup(void)
{
	l = lines_new(MAX);
	ck_assert_ptr_nonnull(l);
}

static void teardown(void)
{
	lines_free(l);
}

/* Lines "line FROM" to "line TO". */
static void put(uint32_t from, uint32_t to)
{
	char text[20];

	for (; from <= to; from++) {
		snprintf(text, sizeof(text), "%u", from);
		lines_put(l, "line ", text);
	}
}

START_TEST(reader_gets_each_line_once)
{
	uint64_t pos = 0, lost = 0;
	char out[2][LINES_BYTES];

	put(0, 2);
	ck_assert_uint_eq(lines_end(l), 3);
	ck_assert_uint_eq(lines_read(l, &pos, 2, out, &lost), 2);
	ck_assert_str_eq(out[0], "line 0");
	ck_assert_str_eq(out[1], "line 1");
	ck_assert_uint_eq(lines_read(l, &pos, 2, out, &lost), 1);
	ck_assert_str_eq(out[0], "line 2");
	ck_assert_uint_eq(lines_read(l, &pos, 2, out, &lost), 0);
	ck_assert_uint_eq(pos, 3);
	ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(late_reader_learns_what_it_lost)
{
	uint64_t pos = 1, lost = 0;
	char out[1][LINES_BYTES];

	put(0, MAX + 4); /* 0 to 4 are gone */
	ck_assert_uint_eq(lines_read(l, &pos, 1, out, &lost), 1);
	ck_assert_uint_eq(lost, 4);
	ck_assert_str_eq(out[0], "line 5");
	ck_assert_uint_eq(lines_read(l, &pos, 1, out, &lost), 1);
	ck_assert_uint_eq(lost, 4);
}
END_TEST

START_TEST(position_ahead_is_the_end)
{
	uint64_t pos = 1000, lost = 0;
	char out[1][LINES_BYTES];

	put(0, 3);
	ck_assert_uint_eq(lines_read(l, &pos, 1, out, &lost), 0);
	ck_assert_uint_eq(pos, 4);
	ck_assert_uint_eq(lost, 0);
}
END_TEST

START_TEST(long_line_is_cut)
{
	char text[2 * LINES_BYTES], out[1][LINES_BYTES];
	uint64_t pos = 0, lost = 0;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	lines_put(l, "", text);
	put(1, 1);
	ck_assert_uint_eq(lines_read(l, &pos, 1, out, &lost), 1);
	ck_assert_uint_eq(strlen(out[0]), LINES_BYTES - 1);
	ck_assert_uint_eq(lines_read(l, &pos, 1, out, &lost), 1);
	ck_assert_str_eq(out[0], "line 1");
}
END_TEST

START_TEST(file_gets_all_lines_and_what_is_lost)
{
	char *text = NULL, want[40];
	uint64_t pos = 0;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	put(0, MAX + 1);
	ck_assert_int_eq(lines_write(l, &pos, f), 0);
	ck_assert_uint_eq(pos, MAX + 2);
	ck_assert_int_eq(strncmp(text, "{\"lost\":2}\nline 2\n", 18), 0);
	snprintf(want, sizeof(want), "\nline %u\n", MAX + 1);
	ck_assert_str_eq(text + len - strlen(want), want);
	ck_assert_int_eq(lines_write(l, &pos, f), 0);
	ck_assert_str_eq(text + len - strlen(want), want);
	fclose(f);
	free(text);
}
END_TEST

START_TEST(file_that_refuses_is_told)
{
	FILE *f = fopen("/dev/full", "w");
	uint64_t pos = 0;

	put(0, 3);
	ck_assert_int_lt(lines_write(l, &pos, f), 0);
	fclose(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lines");
	TCase *t = tcase_create("lines");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reader_gets_each_line_once);
	tcase_add_test(t, late_reader_learns_what_it_lost);
	tcase_add_test(t, position_ahead_is_the_end);
	tcase_add_test(t, long_line_is_cut);
	tcase_add_test(t, file_gets_all_lines_and_what_is_lost);
	tcase_add_test(t, file_that_refuses_is_told);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
