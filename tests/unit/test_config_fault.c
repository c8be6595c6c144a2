/* SPDX-License-Identifier: MIT */
/*
 * [fault NAME] sections: what is read, and what is said of bad ones.
 *
 * LINKS: util/log config/config config/keys config/diag config/inidoc
 * LINKS: config/secret policy/% tcp/cfg util/option shield/cfg
 * LINKS: shield/prefix shield/tfo shield/ratelimit shield/assoc util/hash
 * LINKS: fault/% util/record util/region util/slab util/wheel
 * LINKS: util/word config/textfile util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

static char path[64];
static char *said;
static struct config *cfg;

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/test_config_fault.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	said = NULL;
	cfg = NULL;
}

static void teardown(void)
{
	config_free(cfg);
	free(said);
	unlink(path);
}

static int load(const char *text)
{
	FILE *f = fopen(path, "w"), *errs;
	size_t len;
	int rc;

	fputs(text, f);
	fclose(f);
	config_free(cfg);
	free(said);
	errs = open_memstream(&said, &len);
	rc = config_load(path, &cfg, errs);
	fclose(errs);
	return rc;
}

/* The errors hold "FILE:LINE: text". */
static void assert_said(int line, const char *text)
{
	char want[1024];

	snprintf(want, sizeof(want), "%s:%d: %s", path, line, text);
	ck_assert_msg(strstr(said, want), "wanted \"%s\" in:\n%s", want, said);
}

#define SERVICE "[service web]\nlisten = 192.0.2.1:80\n"

START_TEST(fault_sections_are_read_in_order)
{
	char line[FAULT_LINE_MAX + 1];

	ck_assert_msg(!load("[fault b]\nservice = web\ntype = loss\n"
			    "percent = 2.5 ; a comment\n" SERVICE
			    "[fault a]\ntype = strip_option\n"
			    "list = sack, ts\nlease = 2m\n"),
		      "%s", said);
	ck_assert_uint_eq(cfg->nfault, 2);
	ck_assert_str_eq(cfg->fault[0].name, "b");
	ck_assert_int_eq(cfg->fault[0].type, FT_LOSS);
	ck_assert_int_eq(cfg->fault[1].lease_us, 120 * USEC_PER_SEC);
	fault_print_line(&cfg->fault[0], line, sizeof(line));
	ck_assert_str_eq(line, "b type=loss service=web percent=2.5");
	fault_print_line(&cfg->fault[1], line, sizeof(line));
	ck_assert_str_eq(line, "a type=strip_option lease=2m list=sack,ts");
}
END_TEST

START_TEST(fault_without_any_is_none)
{
	ck_assert_int_eq(load(SERVICE), 0);
	ck_assert_uint_eq(cfg->nfault, 0);
}
END_TEST

/* A text, the line of the error, and how it begins. */
static const struct {
	const char *text;
	int line;
	const char *want;
} bad[] = {
	{"[fault a]\ntype = lose\n", 2,
	 "[fault a] type: found \"lose\", allowed: none | "},
	{"[fault a]\npercent = 1\n", 1, "[fault a]: a fault needs a type"},
	{"[fault a]\ntype = loss\nlatency = 3\n", 1,
	 "[fault a]: type loss does not take latency; allowed: percent, "},
	{"[fault a]\ntype = latency\n", 1, "[fault a]: type latency needs "},
	{"[fault a]\ntype = loss\nprecent = 3\n", 3,
	 "[fault a] precent: found \"precent\"; allowed: a key of [fault] "
	 "(penstockctl keys); did you mean \"percent\"?"},
	{"[fault a]\ntype = loss\nlisten = 3\n", 3,
	 "[fault a] listen: found \"listen\"; allowed: a key of [fault]; this "
	 "one belongs to [service]"},
	{"[fault a]\ntype = loss\nside = servr\n", 3,
	 "[fault a] side: found \"servr\", allowed: client | server | both; "
	 "did you mean \"server\"?"},
	{"[fault a]\ntype = loss\nservice = web\n", 3,
	 "[fault a] service: found \"web\"; allowed: the name of a [service "},
	{"[fault a]\ntype = loss\npercent = 3\npercent = 4\n", 4,
	 "[fault a] percent: found a second time, \"4\"; allowed: once"},
	{"[fault a]\ntype = loss\n[fault a]\ntype = loss\n", 3,
	 "[fault a]: found a second time; allowed: once (first in line 1)"},
	{"[fault]\ntype = loss\n", 1, "[fault]: found \"\"; allowed: a name"},
	{"[fault a b]\ntype = loss\n", 1,
	 "[fault a b]: found \"a b\"; allowed: a name"},
};

START_TEST(fault_bad_is_refused_with_line_and_key)
{
	ck_assert_int_eq(load(bad[_i].text), -EINVAL);
	assert_said(bad[_i].line, bad[_i].want);
}
END_TEST

START_TEST(fault_errors_come_all_at_once)
{
	ck_assert_int_eq(load("[fault a]\ntype = loss\npercent = 300\n"
			      "jitters = 2\n[fault b]\ntype = delay\n"
			      "[fault c]\nservice = nowhere\ntype = ttl\n"),
			 -EINVAL);
	assert_said(3, "[fault a] percent: found \"300\"");
	assert_said(4, "[fault a] jitters: ");
	assert_said(5, "[fault b]: type delay needs time");
	assert_said(7, "[fault c]: type ttl needs value");
	assert_said(8, "[fault c] service: found \"nowhere\"");
}
END_TEST

START_TEST(fault_one_too_many_is_refused)
{
	char text[8192] = "";
	size_t k = 0;

	for (int i = 0; i <= FAULT_MAX; i++)
		k += (size_t)snprintf(text + k, sizeof(text) - k,
				      "[fault f%d]\ntype = loss\n", i);
	ck_assert_int_eq(load(text), -EINVAL);
	assert_said(2 * FAULT_MAX + 1, "[fault f32]: found more than 32 "
				       "faults; allowed: 32");
	*strstr(text, "[fault f32]") = '\0';
	ck_assert_int_eq(load(text), 0);
	ck_assert_uint_eq(cfg->nfault, FAULT_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config_fault");
	TCase *t = tcase_create("fault");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, fault_sections_are_read_in_order);
	tcase_add_test(t, fault_without_any_is_none);
	tcase_add_loop_test(t, fault_bad_is_refused_with_line_and_key, 0,
			    ARRAY_LEN(bad));
	tcase_add_test(t, fault_errors_come_all_at_once);
	tcase_add_test(t, fault_one_too_many_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
