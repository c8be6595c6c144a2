/* SPDX-License-Identifier: MIT */
/*
 * Several scenarios: which ones collide, and the reports that others read.
 * tests/e2e/scenario.sh gives the XML to a parser.
 *
 * LINKS: all
 */
#include <check.h>
#include <stdlib.h>

#include "scenario/scenario.h"

static struct scenario *parse(const char *text)
{
	struct scenario *s;
	int rc = scenario_parse(text, "x.scn", NULL, 0, &s, stderr);

	ck_assert_int_eq(rc, 0);
	return s;
}

/* Do they collide?  In both orders, of course. */
static bool collide(const char *a, const char *b)
{
	struct scenario *x = parse(a), *y = parse(b);
	bool is = scenario_collide(x, y);

	ck_assert_int_eq(scenario_collide(y, x), is);
	scenario_free(x);
	scenario_free(y);
	return is;
}

#define WEB "add w type=loss service=web\nrun true\nexpect exit 0\n"

START_TEST(other_services_do_not_collide)
{
	ck_assert(!collide(WEB, "add d type=loss service=db\nrun true\n"));
	ck_assert(!collide(WEB, "services db\nrun true\n"));
	ck_assert(!collide("services a b\nrun true\n",
			   "services c d\nrun true\n"));
	ck_assert(!collide(WEB "expect counter RetransSegs@web > 0\n"
			       "expect fault w injected > 0\n"
			       "expect report fault=w peer=rst\n"
			       "lease w 1s\ndel w\n",
			   "services db\nexpect sh true\n"));
}
END_TEST

START_TEST(same_service_or_fault_collides)
{
	ck_assert(collide(WEB, "add d type=loss service=web\n"));
	ck_assert(collide(WEB, "services web\nrun true\n"));
	ck_assert(collide(WEB, "add w type=loss service=db\n"));
	ck_assert(collide("services a b\nrun true\n",
			  "services c b\nrun true\n"));
	ck_assert(collide(WEB, "services db\nexpect counter X@web > 0\n"));
	ck_assert(collide(WEB, "services db\n"
			       "when counter X@web > 0 run true\n"));
}
END_TEST

/* Whatever looks at all of the daemon, or may touch any of it. */
START_TEST(wide_scenario_collides_with_all)
{
	static const char *const wide[] = {
		"run true\n",
		"services db\nadd d type=loss\n",
		"services db\nexpect conn 1 gone\n",
		"services db\nexpect conn any state ESTABLISHED\n",
		"services db\nexpect flows == 0\n",
		"services db\nexpect counter RetransSegs > 0\n",
		"services db\nwhen counter RetransSegs > 0 run true\n",
		"services db\nexpect report peer=rst\n",
		"services db\nexpect report fault=other\n",
		"services db\nexpect fault other injected > 0\n",
		"services db\nreset\n",
		"services db\ndel other\n",
		"services db\nlease other 1s\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		ck_assert_msg(collide(WEB, wide[i]), "%s", wide[i]);
}
END_TEST

START_TEST(services_behind_a_step_or_without_a_name_refused)
{
	static const char *const bad[] = {
		"run true\nservices web\n",
		"services\nrun true\n",
		"services a,b\nrun true\n",
		"services 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\nrun x\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		FILE *null = fopen("/dev/null", "w");
		struct scenario *s;

		ck_assert_msg(scenario_parse(bad[i], "x", NULL, 0, &s, null),
			      "%s", bad[i]);
		fclose(null);
	}
}
END_TEST

/* --- texts --- */

START_TEST(text_is_made_fit_for_xml)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"plain\ttab\nline", "plain\ttab\nline"},
		{"h\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80",
		 "h\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\x01\x1b[0m\x7f\r", "??[0m??"},
		{"\xff\xfe", "??"},
		{"\xc3", "?"},		     /* cut */
		{"\xc3(", "?("},	     /* no continuation */
		{"\xc0\x80", "??"},	     /* too long a form */
		{"\xed\xa0\x80", "???"},     /* a surrogate */
		{"\xef\xbf\xbf", "???"},     /* U+FFFF */
		{"\xf4\x90\x80\x80", "????"} /* above U+10FFFF */
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%s", t[i].in);
		scenario_clean_text(text);
		ck_assert_str_eq(text, t[i].out);
	}
}
END_TEST

static const char results[] =
	"[{\"scenario\":\"a.scn\",\"result\":\"held\",\"why\":\"\","
	"\"took_us\":1500000,\"steps\":[{\"line\":1,\"step\":\"run true\","
	"\"verdict\":\"ok\",\"detail\":\"exit 0\",\"t_us\":1}]},"
	"{\"scenario\":\"b#\\\\.scn\",\"result\":\"failed\",\"why\":\"\","
	"\"took_us\":500000,\"output\":\"<out>\\n\",\"steps\":[{\"line\":7,"
	"\"step\":\"expect flows == 0\",\"expected\":\"flows == 0 within 5s\","
	"\"verdict\":\"FAILED\",\"detail\":\"3 & \\\"more\\\"\",\"t_us\":1}]},"
	"{\"scenario\":\"c.scn\",\"result\":\"bad file\",\"why\":\"c.scn:1: "
	"x\","
	"\"took_us\":0,\"steps\":[]}]";

static void contains(const char *text, const char *what)
{
	ck_assert_msg(strstr(text, what), "no <%s> in:\n%s", what, text);
}

START_TEST(junit_counts_failures_and_errors)
{
	json_t *list = json_loads(results, 0, NULL);
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	scenario_junit(list, f);
	fclose(f);
	contains(text, "tests=\"3\" failures=\"1\" errors=\"1\" "
		       "time=\"2.000\"");
	contains(text, "<failure type=\"step\" message=\"line 7: expected: "
		       "flows == 0 within 5s; came: 3 &amp; "
		       "&quot;more&quot;\"/>");
	contains(text, "<error type=\"bad file\" message=\"c.scn:1: x\"/>");
	contains(text, "<system-err>&lt;out&gt;\n</system-err>");
	free(text);
	json_decref(list);
}
END_TEST

START_TEST(tap_says_what_was_expected_and_came)
{
	json_t *list = json_loads(results, 0, NULL), *o;
	char *text;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	scenario_tap_plan(3, f);
	json_array_foreach(list, i, o)
		scenario_tap(o, (uint32_t)i + 1, f);
	fclose(f);
	ck_assert_str_eq(text, "TAP version 13\n1..3\n"
			       "ok 1 - a.scn # time=1.500 s\n"
			       "not ok 2 - b\\#\\\\.scn # time=0.500 s\n"
			       "  ---\n"
			       "  result: \"failed\"\n"
			       "  line: 7\n"
			       "  step: \"expect flows == 0\"\n"
			       "  expected: \"flows == 0 within 5s\"\n"
			       "  came: \"3 & \\\"more\\\"\"\n"
			       "  output: \"<out>\\n\"\n"
			       "  ...\n"
			       "not ok 3 - c.scn # time=0.000 s\n"
			       "  ---\n"
			       "  result: \"bad file\"\n"
			       "  why: \"c.scn:1: x\"\n"
			       "  ...\n");
	free(text);
	json_decref(list);
}
END_TEST

START_TEST(lines_of_an_object_are_those_of_the_run)
{
	json_t *list = json_loads(results, 0, NULL);
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	scenario_print(json_array_get(list, 1), f);
	fclose(f);
	ck_assert_str_eq(
		text, "   0.000 FAILED  b#\\.scn:7: expect flows == 0  # 3 & "
		      "\"more\"\n"
		      "         expected: flows == 0 within 5s\n"
		      "         came:     3 & \"more\"\n"
		      "b#\\.scn: failed: 0 of 1 steps in 0.500 s\n");
	free(text);
	json_decref(list);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scenario_batch");
	TCase *tc = tcase_create("scenario_batch");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, other_services_do_not_collide);
	tcase_add_test(tc, same_service_or_fault_collides);
	tcase_add_test(tc, wide_scenario_collides_with_all);
	tcase_add_test(tc, services_behind_a_step_or_without_a_name_refused);
	tcase_add_test(tc, text_is_made_fit_for_xml);
	tcase_add_test(tc, junit_counts_failures_and_errors);
	tcase_add_test(tc, tap_says_what_was_expected_and_came);
	tcase_add_test(tc, lines_of_an_object_are_those_of_the_run);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
