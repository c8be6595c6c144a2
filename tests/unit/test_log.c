/* SPDX-License-Identifier: MIT */
/* LINKS: util/log */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/log.h"

static char last[4096];
static enum log_level last_level;
static int lines;

static void keep(enum log_level lvl, const char *line)
{
	snprintf(last, sizeof(last), "%s", line);
	last_level = lvl;
	lines++;
}

static void setup(void)
{
	log_set_sink(keep);
	log_set_level(LOG_INFO);
	lines = 0;
}

static void teardown(void)
{
	log_set_sink(NULL);
}

START_TEST(line_reaches_the_sink_formatted)
{
	log_warn("flow %d: %s", 7, "gone");
	ck_assert_str_eq(last, "flow 7: gone");
	ck_assert_int_eq(last_level, LOG_WARN);
}
END_TEST

static int evaluated;

static int count_evaluation(void)
{
	return ++evaluated;
}

START_TEST(level_above_the_maximum_is_not_even_formatted)
{
	evaluated = 0;
	log_dbg("%d", count_evaluation());
	ck_assert_int_eq(lines + evaluated, 0);
	log_set_level(LOG_DEBUG);
	log_dbg("%d", count_evaluation());
	ck_assert_int_eq(lines, 1);
	log_set_level(LOG_ERROR);
	log_warn("%d", count_evaluation());
	log_info("%d", count_evaluation());
	ck_assert_int_eq(evaluated, 1);
	log_err("%d", count_evaluation());
	ck_assert_int_eq(lines, 2);
}
END_TEST

START_TEST(control_characters_become_question_marks)
{
	log_info("a\nerror: b\x1b[31m\x7f%cend", '\r');
	ck_assert_str_eq(last, "a?error: b?[31m??end");
	log_info("\xc3\xa9"); /* UTF-8 stays */
	ck_assert_str_eq(last, "\xc3\xa9");
}
END_TEST

START_TEST(long_line_is_cut_and_says_so)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	ck_assert_uint_eq(strlen(last), 1023);
	ck_assert_str_eq(last + 1020, "...");
}
END_TEST

START_TEST(every_level_has_a_name)
{
	for (int i = 0; i < LOG_LEVELS; i++)
		ck_assert_ptr_nonnull(log_level_name[i]);
}
END_TEST

/* What the default sink writes to a pipe that stands for stderr. */
static void capture_stderr(bool journal, char *out, size_t len)
{
	char stream[64];
	struct stat st;
	ssize_t n;
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	ck_assert_int_eq(fstat(fd[1], &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)(st.st_ino + !journal));
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(fd[1], STDERR_FILENO);
	log_set_sink(NULL);
	log_warn("one");
	log_info("two");
	n = read(fd[0], out, len - 1);
	ck_assert_int_gt(n, 0);
	out[n] = '\0';
}

START_TEST(stderr_line_names_its_level)
{
	char out[100];

	capture_stderr(false, out, sizeof(out));
	ck_assert_str_eq(out, "warn: one\ninfo: two\n");
}
END_TEST

START_TEST(journal_line_begins_with_the_priority)
{
	char out[100];

	capture_stderr(true, out, sizeof(out));
	ck_assert_str_eq(out, "<4>one\n<6>two\n");
}
END_TEST

START_TEST(limited_line_is_withheld_and_counted)
{
	struct log_limit l = {0};
	uint64_t n = 99;

	ck_assert(log_limit_ok(&l, (mono_t){5}, 1000, &n));
	ck_assert_uint_eq(n, 0);
	ck_assert(!log_limit_ok(&l, (mono_t){6}, 1000, &n));
	ck_assert(!log_limit_ok(&l, (mono_t){1004}, 1000, &n));
	ck_assert(log_limit_ok(&l, (mono_t){1005}, 1000, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert(log_limit_ok(&l, (mono_t){9000}, 1000, &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, line_reaches_the_sink_formatted);
	tcase_add_test(t, level_above_the_maximum_is_not_even_formatted);
	tcase_add_test(t, control_characters_become_question_marks);
	tcase_add_test(t, long_line_is_cut_and_says_so);
	tcase_add_test(t, every_level_has_a_name);
	tcase_add_test(t, limited_line_is_withheld_and_counted);
	/* stderr is inspected once in a process: each needs one of its own */
	if (!getenv("CK_FORK") || strcmp(getenv("CK_FORK"), "no") != 0) {
		tcase_add_test(t, stderr_line_names_its_level);
		tcase_add_test(t, journal_line_begins_with_the_priority);
	}
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
