/* SPDX-License-Identifier: MIT */
/*
 * The filter language (src/view/filter.c).
 * LINKS: view/filter util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/address.h"
#include "util/prng.h"
#include "util/tcp_state.h"
#include "view/filter.h"

static struct filter_subject flow;
static struct filter filter;
static char err[256];

static struct filter_end end_of(const char *addr, uint16_t port)
{
	struct filter_end e = {.port = port};

	ck_assert(address_parse(addr, &e.addr));
	return e;
}

static void setup(void)
{
	flow = (struct filter_subject){
		.service = "web",
		.serial = 77,
		.client = end_of("198.51.100.2", 40000),
		.used = end_of("203.0.113.10", 443),
		.server = end_of("192.0.2.99", 8443),
		.states = BIT(TS_ESTABLISHED) | BIT(TS_CLOSE_WAIT),
	};
}

static bool matches(const char *text)
{
	ck_assert_msg(!filter_parse(text, &filter, err, sizeof(err)), "%s: %s",
		      text, err);
	return filter_matches(&filter, &flow);
}

static void all_match(const char *const *text, size_t n, bool want)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(matches(text[i]) == want, "%s", text[i]);
}

static void says(const char *text, const char *want)
{
	ck_assert_msg(filter_parse(text, &filter, err, sizeof(err)) == -EINVAL,
		      "%s", text);
	ck_assert_str_eq(err, want);
	ck_assert_uint_eq(filter.n, 0);
}

/* What `why' has always taken. */
START_TEST(bare_words_are_services_peers_and_serials)
{
	static const char *const good[] = {
		"",
		"  ",
		"web",
		"198.51.100.2",
		"198.51.100.2:40000",
		"192.0.2.99",
		"192.0.2.99:8443",
		"203.0.113.10",
		"203.0.113.10:443",
		"serial=77",
		"[198.51.100.2]:40000",
	};
	static const char *const other[] = {
		"mail",
		"198.51.100.3",
		"198.51.100.2:40001",
		"198.51.100.2:443",
		"serial=78",
		"2001:db8::1",
		"[2001:db8::1]:443",
		"192.0.2.99:443",
	};

	all_match(good, ARRAY_LEN(good), true);
	all_match(other, ARRAY_LEN(other), false);
	ck_assert(matches(NULL));
	flow.client = end_of("2001:db8::1", 40000);
	ck_assert(matches("2001:db8::1"));
	ck_assert(matches("[2001:db8::1]"));
	ck_assert(matches("[2001:db8::1]:40000"));
	ck_assert(!matches("[2001:db8::1]:443"));
}
END_TEST

START_TEST(what_is_none_is_refused)
{
	static const char *const bad[] = {
		"1.2.3.4:",
		"1.2.3.4:nine",
		"1.2.3.4:0",
		"1.2.3.4:65536",
		"[2001:db8::1",
		"[2001:db8::1]x",
		"[2001:db8::1]:",
		"serial=",
		"serial=0",
		"serial=7x",
		"port=7",
		"two words",
		"dst",
		"dst foo",
		"dst < 1.2.3.4",
		"dst 1.2.3.4/33",
		"dport",
		"dport = 0",
		"dport x",
		"state",
		"state open",
		"service",
		"service < web",
		"(",
		")",
		"()",
		"web and",
		"web or",
		"and web",
		"not",
		"web) or mail",
		"(web",
		"web & | mail",
		"dst 1.2.3.4/x",
		"dst 2001:db8::1:443:",
		":443",
		"dst 1.2.3.4/-1",
		"*",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(filter_parse(bad[i], &filter, err, sizeof(err)) ==
					      -EINVAL &&
				      *err,
			      "%s", bad[i]);
}
END_TEST

START_TEST(errors_say_what_was_expected_and_where)
{
	says("dst = foo and web",
	     "ADDRESS, ADDRESS/PREFIX, ADDRESS:PORT, [ADDRESS]:PORT or :PORT "
	     "is expected at character 7 (\"foo\")");
	says("dport >= ", "a port from 1 to 65535 is expected at the end");
	says("web mail",
	     "and, or, or the end is expected at character 5 (\"mail\")");
	says("(web or mail", "and, or, or ) is expected at the end");
	says("state estab", "a state of ss (established, syn-recv, time-wait, "
			    "connected, ...) is expected at character 7 "
			    "(\"estab\")");
	says("1.2.3.4:nine",
	     "a service, ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, serial=N or an "
	     "expression (state, src, dst, sport, dport, service, spliced) is "
	     "expected at character 1 (\"1.2.3.4:nine\")");
}
END_TEST

START_TEST(ends_are_the_clients_and_the_servers)
{
	static const char *const good[] = {
		"src 198.51.100.2",
		"src = 198.51.100.2:40000",
		"src 198.51.100.0/24",
		"src 0.0.0.0/0",
		"dst 203.0.113.10",
		"dst 192.0.2.99:8443",
		"dst 192.0.2.96/27",
		"dst != 198.51.100.2",
		"src :40000",
		"dst *:443",
		"dst *",
		"dst 192.0.2.99:*",
		"dport = :443",
		"dport 443",
		"dport = 8443",
		"dport >= :443",
		"sport > 39999",
		"sport <= 40000",
		"sport != :80",
		"dport ne 80",
		"dport lt 444",
		"sport = 40000",
		"dst = ::ffff:192.0.2.99",
	};
	static const char *const other[] = {
		"src 203.0.113.10",    "dst 198.51.100.2",    "src ::/0",
		"dst 192.0.2.99:443",  "dst != 192.0.2.99",   "sport = 443",
		"dport = :40000",      "dport != 443",	      "dport != 8443",
		"sport < 40000",       "src 198.51.101.0/24", "dst :80",
		"src 198.51.100.3/32",
	};

	all_match(good, ARRAY_LEN(good), true);
	all_match(other, ARRAY_LEN(other), false);
	flow.client = end_of("2001:db8:c::2", 40000);
	ck_assert(matches("src [2001:db8:c::2]:40000"));
	ck_assert(matches("src 2001:db8:c::/64"));
	ck_assert(matches("src [2001:db8:c::]/47"));
	ck_assert(!matches("src 2001:db8:d::/64"));
	ck_assert(!matches("src [2001:db8:c::2]:4000"));
}
END_TEST

START_TEST(states_are_those_of_either_leg)
{
	static const char *const good[] = {
		"state established",   "state CLOSE_WAIT",
		"state close-wait",    "state syn-sent state established",
		"state connected",     "state synchronized",
		"state all",	       "state big",
		"exclude established", "state all exclude time-wait",
	};
	static const char *const other[] = {
		"state syn-sent",
		"state syn-recv",
		"state bucket",
		"state closed state listening",
		"not state established",
		"exclude established exclude close-wait",
		"state connected exclude established exclude close-wait",
	};

	all_match(good, ARRAY_LEN(good), true);
	all_match(other, ARRAY_LEN(other), false);
}
END_TEST

START_TEST(operators_bind_as_in_ss)
{
	static const char *const good[] = {
		"web or mail and ftp", /* or binds last */
		"(web or mail) and not ftp",
		"web && !mail",
		"web&!mail",
		"! ! web",
		"not not web",
		"mail or (ftp or (web))",
		"mail | web",
		"mail || web",
		"state established dst 192.0.2.99 dport = :443",
		"state established ( dport = :443 or sport = :443 )",
		"service web service != mail",
		"not (web and mail)",
		"not spliced",
		"serial >= 77 and serial < 78",
	};
	static const char *const other[] = {
		"mail and ftp or mail",
		"(web or mail) and ftp",
		"web and not web",
		"not web or mail",
		"not (web or mail)",
		"state established dst 192.0.2.98",
		"spliced",
		"service != web",
	};

	all_match(good, ARRAY_LEN(good), true);
	all_match(other, ARRAY_LEN(other), false);
	flow.spliced = true;
	flow.serial = 0;
	ck_assert(matches("spliced"));
	ck_assert(!matches("serial != 5")); /* it has none */
}
END_TEST

/* As many terms and parentheses as there may be, and one more. */
START_TEST(limits_are_errors)
{
	char text[FILTER_TEXT_MAX + 2] = "web";

	for (int i = 1; i < (FILTER_TERMS_MAX + 1) / 2; i++)
		strcat(text, " or web");
	ck_assert(matches(text));
	strcat(text, " or web or web");
	ck_assert_int_eq(filter_parse(text, &filter, err, sizeof(err)),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, "fewer terms"));
	for (int n = FILTER_DEPTH_MAX; n <= FILTER_DEPTH_MAX + 1; n++) {
		snprintf(text, sizeof(text), "%.*sweb%.*s", n,
			 "((((((((((((((((((((", n, "))))))))))))))))))))");
		ck_assert_int_eq(filter_parse(text, &filter, err, sizeof(err)),
				 n > FILTER_DEPTH_MAX ? -EINVAL : 0);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(filter_parse(text, &filter, err, sizeof(err)),
			 -EINVAL);
	text[300] = '\0';
	ck_assert_int_eq(filter_parse(text, &filter, err, sizeof(err)),
			 -EINVAL);
}
END_TEST

/* Any text is an error with words, or a filter that can be run. */
START_TEST(any_text_is_safe)
{
	static const char *const words[] = {
		"web",	 "(",	   ")",	  "and",     "or",	"not",
		"!",	 "!=",	   "<=",  "state",   "dst",	"src",
		"dport", "sport",  "443", ":443",    "1.2.3.4", "[::1]:80",
		"::/0",	 "serial", "= 5", "exclude", "all",	"service",
		"&",	 "||",	   "\t",  "*",	     "spliced", "closed",
	};
	struct prng r;
	uint32_t good = 0;

	prng_seed(&r, 4711);
	for (int i = 0; i < 200000; i++) {
		char text[512] = "";
		int n = (int)prng_below(&r, 12);

		for (int k = 0; k < n; k++) {
			strcat(text, words[prng_below(&r, ARRAY_LEN(words))]);
			strcat(text, prng_below(&r, 8) ? " " : "");
		}
		if (*text && !prng_below(&r, 4)) /* any byte but the NUL */
			text[prng_below(&r, (uint32_t)strlen(text))] =
				(char)(1 + prng_below(&r, 255));
		*err = '\0';
		if (filter_parse(text, &filter, err, sizeof(err))) {
			ck_assert_msg(strstr(err, "expected"), "%s", text);
			continue;
		}
		ck_assert_uint_le(filter.n, FILTER_TERMS_MAX);
		filter_matches(&filter, &flow);
		good++;
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

/* not (A and B) is (not A) or (not B), whatever A and B are. */
START_TEST(negation_obeys_de_morgan)
{
	static const char *const terms[] = {
		"web",
		"mail",
		"dst 192.0.2.99",
		"dport > 443",
		"sport = 1",
		"state established",
		"exclude established",
		"serial=77",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(terms) * ARRAY_LEN(terms); i++) {
		const char *a = terms[i / ARRAY_LEN(terms)];
		const char *b = terms[i % ARRAY_LEN(terms)];
		bool one;

		snprintf(text, sizeof(text), "not (%s and %s)", a, b);
		one = matches(text);
		snprintf(text, sizeof(text), "not %s or not %s", a, b);
		ck_assert_msg(matches(text) == one, "%s", text);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("filter");
	Suite *s = suite_create("filter");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, bare_words_are_services_peers_and_serials);
	tcase_add_test(tc, what_is_none_is_refused);
	tcase_add_test(tc, errors_say_what_was_expected_and_where);
	tcase_add_test(tc, ends_are_the_clients_and_the_servers);
	tcase_add_test(tc, states_are_those_of_either_leg);
	tcase_add_test(tc, operators_bind_as_in_ss);
	tcase_add_test(tc, limits_are_errors);
	tcase_add_test(tc, any_text_is_safe);
	tcase_add_test(tc, negation_obeys_de_morgan);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
