/* SPDX-License-Identifier: MIT */
/*
 * The line of a connection that has ended (src/view/ends.c).
 * LINKS: all
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>

#include "tcp/leg.h"
#include "util/address.h"
#include "view/ends.h"

static struct flow_view v;
static char line[ENDS_LINE_MAX];

static void setup(void)
{
	v = (struct flow_view){.service = "web", .age_us = 1234567};
	ck_assert(address_parse("198.51.100.2", &v.leg[0].peer));
	ck_assert(address_parse("203.0.113.10", &v.leg[1].peer));
	v.leg[0].port = 40000;
	v.leg[1].port = 443;
	v.leg[0].ended = v.leg[1].ended = ENDED_CLOSED;
}

static json_t *printed(void)
{
	json_t *o;

	memset(line, 'x', sizeof(line));
	ends_print(&v, INT64_C(1763752282000123), line);
	o = json_loads(line, 0, NULL);
	ck_assert_msg(o != NULL, "%s", line);
	return o;
}

static void ends(uint8_t client, uint8_t server, const char *by,
		 const char *how)
{
	json_t *o;

	v.leg[0].ended = client;
	v.leg[1].ended = server;
	o = printed();
	ck_assert_str_eq(json_string_value(json_object_get(o, "by")), by);
	ck_assert_str_eq(json_string_value(json_object_get(o, "how")), how);
	json_decref(o);
}

START_TEST(line_has_what_passed_and_how_long_it_took)
{
	v.leg[0].acked_bytes = 5000000000;
	v.leg[1].acked_bytes = 17;
	v.leg[0].chrono.resent = 3;
	v.leg[0].srtt_us = 20100;
	json_decref(printed());
	ck_assert_str_eq(
		line,
		"{\"end\":1763752282.000123,\"service\":\"web\",\"client\":"
		"\"198.51.100.2:40000\",\"server\":\"203.0.113.10:443\","
		"\"duration_ms\":1234,\"up\":17,\"down\":5000000000,"
		"\"client_resent\":3,\"server_resent\":0,\"client_rtt_us\":"
		"20100,\"server_rtt_us\":0,\"by\":\"both\",\"how\":"
		"\"closed\"}");
}
END_TEST

/* Who made the other leg follow. */
START_TEST(end_is_that_of_the_leg_that_made_the_other_follow)
{
	ends(ENDED_CLOSED, ENDED_CLOSED, "both", "closed");
	ends(ENDED_RESET, ENDED_ABORTED, "client", "reset");
	ends(ENDED_ABORTED, ENDED_RESET, "server", "reset");
	ends(ENDED_CLOSED, ENDED_RESET, "server", "reset");
	ends(ENDED_ABORTED, ENDED_REFUSED, "server", "refused");
	ends(ENDED_ABORTED, ENDED_TIMEOUT, "server", "timeout");
	ends(ENDED_TIMEOUT, ENDED_ABORTED, "client", "timeout");
	ends(ENDED_ABORTED, ENDED_ABORTED, "penstock", "aborted");
	ends(ENDED_ABORTED, ENDED_NOT, "penstock", "aborted");
	ends(ENDED_CLOSED, ENDED_ABORTED, "penstock", "aborted");
	ends(ENDED_NOT, ENDED_CLOSED, "penstock", "aborted");
	ends(ENDED_NOT, ENDED_NOT, "penstock", "spliced");
}
END_TEST

/* The longest line is whole. */
START_TEST(line_of_the_largest_values_is_whole)
{
	static const char name[] = "a-name-of-thirty-one-characters";
	const struct leg_chrono most = {.resent = UINT32_MAX};

	v.service = name;
	v.age_us = INT64_MAX;
	for (int i = 0; i < 2; i++) {
		memset(&v.leg[i].peer, 0xff, sizeof(v.leg[i].peer));
		v.leg[i].port = 65535;
		v.leg[i].acked_bytes = UINT64_MAX / 2;
		v.leg[i].srtt_us = UINT32_MAX;
		v.leg[i].chrono = most;
	}
	ends(ENDED_ABORTED, ENDED_ABORTED, "penstock", "aborted");
	ends(ENDED_ABORTED, ENDED_REFUSED, "server", "refused");
	ck_assert_uint_lt(strlen(line), ENDS_LINE_MAX - 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ends");
	Suite *s = suite_create("ends");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, line_has_what_passed_and_how_long_it_took);
	tcase_add_test(tc, end_is_that_of_the_leg_that_made_the_other_follow);
	tcase_add_test(tc, line_of_the_largest_values_is_whole);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
