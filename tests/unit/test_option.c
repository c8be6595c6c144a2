/* SPDX-License-Identifier: MIT */
/* LINKS: util/option util/word */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/option.h"

struct conf {
	uint32_t count;
	uint8_t mode;
	int64_t wait;
	uint64_t size;
	char name[8 + 1];
	char guard;
	uint32_t sum;
};

static int parse_sum(const char *text, void *field, char *err, size_t errlen)
{
	uint32_t *sum = field;

	if (strcmp(text, "bad") == 0)
		return -EINVAL;
	if (strcmp(text, "worse") == 0) {
		snprintf(err, errlen, "worse than bad");
		return -EINVAL;
	}
	*sum += (uint32_t)strlen(text);
	return 0;
}

static const char *const modes[] = {"off", "on", "auto", NULL};

enum {
	COUNT,
	MODE,
	WAIT,
	SIZE,
	NAME,
	SUM
};

static const struct opt_desc table[] = {
	[COUNT] = {.name = "count",
		   .type = OPT_INT,
		   .offset = offsetof(struct conf, count),
		   .min = 2,
		   .max = 0xffffffff,
		   .def = "5"},
	[MODE] = {.name = "mode",
		  .type = OPT_ENUM,
		  .offset = offsetof(struct conf, mode),
		  .def = "auto",
		  .names = modes},
	[WAIT] = {.name = "wait",
		  .type = OPT_TIME,
		  .offset = offsetof(struct conf, wait),
		  .min = USEC_PER_MSEC,
		  .max = INT64_C(172800) * USEC_PER_SEC,
		  .unit = USEC_PER_SEC,
		  .def = "60"},
	[SIZE] = {.name = "size",
		  .type = OPT_SIZE,
		  .offset = offsetof(struct conf, size),
		  .min = 4096,
		  .max = INT64_C(1) << 40,
		  .def = "512M"},
	[NAME] = {.name = "name",
		  .type = OPT_TEXT,
		  .offset = offsetof(struct conf, name),
		  .min = 1,
		  .max = 8,
		  .def = "penstock"},
	[SUM] = {.name = "sum",
		 .type = OPT_CUSTOM,
		 .offset = offsetof(struct conf, sum),
		 .parse = parse_sum,
		 .allowed = "anything but bad",
		 .repeat = true},
	{.name = NULL},
};

static struct conf c;
static char err[200];

static void setup(void)
{
	memset(&c, 0x5a, sizeof(c));
	c.sum = 0;
	err[0] = '\0';
	opt_defaults(table, &c);
}

static int parse(int key, const char *text)
{
	return opt_parse(&table[key], &c, text, err, sizeof(err));
}

START_TEST(defaults_fill_the_struct)
{
	ck_assert_uint_eq(c.count, 5);
	ck_assert_uint_eq(c.mode, 2);
	ck_assert_int_eq(c.wait, 60 * INT64_C(1000000));
	ck_assert_uint_eq(c.size, UINT64_C(512) << 20);
	ck_assert_str_eq(c.name, "penstock");
	ck_assert_int_eq(c.guard, 0x5a);
	ck_assert_uint_eq(c.sum, 0);
}
END_TEST

static const struct value_row {
	int key;
	const char *text;
	int64_t want; /* -1: refused */
} value_rows[] = {
	{COUNT, "2", 2},
	{COUNT, "4294967295", 4294967295},
	{COUNT, "0xFf", 255},
	{COUNT, "010", 10},
	{COUNT, "1", -1},
	{COUNT, "4294967296", -1},
	{COUNT, "18446744073709551618", -1},
	{COUNT, "-3", -1},
	{COUNT, "+3", -1},
	{COUNT, " 3", -1},
	{COUNT, "3 ", -1},
	{COUNT, "3.0", -1},
	{COUNT, "0x", -1},
	{COUNT, "ff", -1},
	{COUNT, "", -1},
	{MODE, "off", 0},
	{MODE, "on", 1},
	{MODE, "ON", -1},
	{MODE, "1", -1},
	{MODE, "", -1},
	{WAIT, "60s", 60000000},
	{WAIT, "500ms", 500000},
	{WAIT, "2m", 120000000},
	{WAIT, "1h", 3600000000},
	{WAIT, "2d", 172800000000},
	{WAIT, "1000us", 1000},
	{WAIT, "7", 7000000},
	{WAIT, "999us", -1},
	{WAIT, "3d", -1},
	{WAIT, "5 s", -1},
	{WAIT, "5S", -1},
	{WAIT, "5sec", -1},
	{WAIT, "s", -1},
	{WAIT, "-1s", -1},
	{WAIT, "1.5s", -1},
	{WAIT, "9223372036854775807s", -1},
	{WAIT, "99999999999999999999s", -1},
	{WAIT, "18446744073710s", -1}, /* 448 ms, modulo 2^64 */
	{SIZE, "17179869185G", -1},    /* 1G, modulo 2^64 */
	{SIZE, "4096", 4096},
	{SIZE, "4K", 4096},
	{SIZE, "3M", 3 << 20},
	{SIZE, "1024G", INT64_C(1) << 40},
	{SIZE, "4095", -1},
	{SIZE, "1025G", -1},
	{SIZE, "4k", -1},
	{SIZE, "4KB", -1},
	{SIZE, "9223372036854775807G", -1},
};

/* Refused text leaves the field as it was. */
START_TEST(values_read_or_refused)
{
	int64_t got;

	for (size_t i = 0; i < ARRAY_LEN(value_rows); i++) {
		const struct value_row *row = &value_rows[i];
		int rc;

		setup();
		rc = parse(row->key, row->text);

		ck_assert_msg(rc == (row->want < 0 ? -EINVAL : 0),
			      "%s = \"%s\": %d", table[row->key].name,
			      row->text, rc);
		got = row->key == COUNT	 ? (int64_t)c.count
		      : row->key == MODE ? c.mode
		      : row->key == WAIT ? c.wait
					 : (int64_t)c.size;
		if (rc == 0)
			ck_assert_int_eq(got, row->want);
		else
			ck_assert_msg(strstr(err, row->text) &&
					      strstr(err, "allowed"),
				      "%s", err);
		ck_assert_int_eq(c.guard, 0x5a);
	}
}
END_TEST

START_TEST(refused_value_keeps_the_old_one)
{
	ck_assert_int_eq(parse(COUNT, "x"), -EINVAL);
	ck_assert_uint_eq(c.count, 5);
	ck_assert_int_eq(parse(WAIT, "x"), -EINVAL);
	ck_assert_int_eq(c.wait, 60 * INT64_C(1000000));
	ck_assert_int_eq(parse(NAME, "123456789"), -EINVAL);
	ck_assert_str_eq(c.name, "penstock");
}
END_TEST

START_TEST(refusal_says_what_is_allowed)
{
	parse(COUNT, "1");
	ck_assert_str_eq(err, "found \"1\", allowed: 2 to 4294967295");
	parse(MODE, "maybe");
	ck_assert_str_eq(err, "found \"maybe\", allowed: off | on | auto");
	parse(WAIT, "0");
	ck_assert_str_eq(
		err, "found \"0\", allowed: 1ms to 2d (units: us ms s m h d)");
	parse(SIZE, "1");
	ck_assert_str_eq(err,
			 "found \"1\", allowed: 4K to 1024G (suffixes: K M G)");
	parse(NAME, "");
	ck_assert_str_eq(err, "found \"\", allowed: 1 to 8 characters");
	parse(SUM, "bad");
	ck_assert_str_eq(err, "found \"bad\", allowed: anything but bad");
	parse(SUM, "worse");
	ck_assert_str_eq(err, "worse than bad");
}
END_TEST

START_TEST(refusal_fits_a_short_buffer)
{
	char small[8];
	char text[400];

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(small, 'z', sizeof(small));
	ck_assert_int_eq(opt_parse(&table[COUNT], &c, text, small, 7), -EINVAL);
	ck_assert_int_eq(small[6], '\0');
	ck_assert_int_eq(small[7], 'z');
	ck_assert_int_eq(opt_parse(&table[SUM], &c, "bad", NULL, 0), -EINVAL);
}
END_TEST

START_TEST(longest_text_is_terminated_within_its_field)
{
	ck_assert_int_eq(parse(NAME, "12345678"), 0);
	ck_assert_str_eq(c.name, "12345678");
	ck_assert_int_eq(c.guard, 0x5a);
}
END_TEST

START_TEST(zero_time_needs_no_unit)
{
	struct opt_desc d = table[WAIT];

	d.min = 0;
	d.unit = 0;
	ck_assert_int_eq(opt_parse(&d, &c, "0", err, sizeof(err)), 0);
	ck_assert_int_eq(c.wait, 0);
	ck_assert_int_eq(opt_parse(&d, &c, "5", err, sizeof(err)), -EINVAL);
}
END_TEST

START_TEST(repeated_custom_key_adds)
{
	ck_assert_int_eq(parse(SUM, "abc"), 0);
	ck_assert_int_eq(parse(SUM, "de"), 0);
	ck_assert_uint_eq(c.sum, 5);
}
END_TEST

START_TEST(default_that_is_not_allowed_aborts)
{
	struct opt_desc bad[2] = {table[COUNT], {.name = NULL}};

	bad[0].def = "0";
	opt_defaults(bad, &c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("option");
	TCase *t = tcase_create("option");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, defaults_fill_the_struct);
	tcase_add_test(t, values_read_or_refused);
	tcase_add_test(t, refused_value_keeps_the_old_one);
	tcase_add_test(t, refusal_says_what_is_allowed);
	tcase_add_test(t, refusal_fits_a_short_buffer);
	tcase_add_test(t, longest_text_is_terminated_within_its_field);
	tcase_add_test(t, zero_time_needs_no_unit);
	tcase_add_test(t, repeated_custom_key_adds);
	/* What aborts needs a process of its own. */
	if (!getenv("CK_FORK") || strcmp(getenv("CK_FORK"), "no") != 0)
		tcase_add_test_raise_signal(
			t, default_that_is_not_allowed_aborts, SIGABRT);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
