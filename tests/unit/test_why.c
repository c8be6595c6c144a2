/* SPDX-License-Identifier: MIT */
/*
 * What is said of a slow connection (src/tcp/why.c).
 * LINKS: tcp/% crash/% wire/% util/%
 */
#include <check.h>
#include <stdlib.h>

#include "tcp/leg.h"
#include "tcp/why.h"

static struct leg_view leg[2];
static struct why_flow f;
static struct why w;

static void setup(void)
{
	f = (struct why_flow){.service = "web", .serial = 77, .leg = leg};
	memset(leg, 0, sizeof(leg));
	for (int i = 0; i < 2; i++) {
		leg[i].state = TS_ESTABLISHED;
		leg[i].mss_bytes = 1448;
		leg[i].wnd_bytes = 65535;
		leg[i].srtt_us = 20100;
		leg[i].acked_bytes = 1000;
		leg[i].chrono.ms[LIMIT_IDLE] = 12000;
	}
	leg[0].peer = ipaddr_v4((const uint8_t[]){198, 51, 100, 2});
	leg[0].port = 40000;
	leg[1].peer = ipaddr_v4((const uint8_t[]){203, 0, 113, 10});
	leg[1].port = 443;
}

/* Of 12 s, @ms of leg @i had this limit. */
static void spent(int i, enum leg_limit limit, uint32_t ms)
{
	leg[i].chrono.ms[LIMIT_IDLE] -= ms;
	leg[i].chrono.ms[limit] += ms;
}

static void judged(enum why_side side, enum leg_limit limit, uint32_t percent,
		   const char *text)
{
	why_judge(&f, &w);
	ck_assert_str_eq(why_side_name[w.side], why_side_name[side]);
	ck_assert_str_eq(leg_limit_name[w.limit], leg_limit_name[limit]);
	ck_assert_uint_eq(w.percent, percent);
	ck_assert_uint_eq(w.total_ms, 12000);
	ck_assert_str_eq(w.text, text);
}

START_TEST(client_leg_with_nothing_to_send_accuses_the_server)
{
	spent(0, LIMIT_CWND, 840);
	judged(WHY_SERVER, LIMIT_APP, 93,
	       "The server sends no faster: for 93 % of 12.0 s the client leg "
	       "had nothing to send.");
}
END_TEST

START_TEST(server_leg_with_nothing_to_send_accuses_the_client)
{
	spent(1, LIMIT_APP, 100);
	judged(WHY_CLIENT, LIMIT_APP, 100,
	       "The client sends no faster: for 100 % of 12.0 s the server leg "
	       "had nothing to send.");
}
END_TEST

START_TEST(holes_in_what_the_sender_sends_accuse_its_path)
{
	spent(0, LIMIT_APP, 100);
	leg[1].chrono.hole_ms = 2520;
	judged(WHY_SERVER, LIMIT_APP, 100,
	       "The server sends no faster: for 100 % of 12.0 s the client leg "
	       "had nothing to send. For 21 % of it something that the server "
	       "had sent was missing: its path loses packets.");
	leg[1].chrono.hole_ms = 500; /* 4 % */
	why_judge(&f, &w);
	ck_assert_ptr_null(strstr(w.text, "missing"));
}
END_TEST

START_TEST(closed_window_accuses_the_reader)
{
	spent(0, LIMIT_RWND, 9000);
	leg[0].wnd_bytes = 1447;
	judged(WHY_CLIENT, LIMIT_RWND, 75,
	       "The client reads no faster: for 75 % of 12.0 s its window was "
	       "full (now 1447 bytes, round trip 20.1 ms).");
}
END_TEST

START_TEST(open_and_full_window_is_too_small_for_the_path)
{
	spent(1, LIMIT_RWND, 9000);
	judged(WHY_SERVER, LIMIT_RWND, 75,
	       "The server's receive window is too small for its path: for 75 "
	       "% of 12.0 s its window was full (now 65535 bytes, round trip "
	       "20.1 ms).");
}
END_TEST

/* Neither alone is the most: 35 and 30 % against 35 % without data. */
START_TEST(congestion_window_and_pacing_are_judged_together)
{
	spent(0, LIMIT_CWND, 4200);
	spent(0, LIMIT_PACING, 3600);
	leg[0].cwnd_bytes = 14480;
	leg[0].chrono.resent = 312;
	judged(WHY_CLIENT, LIMIT_CWND, 65,
	       "The path to the client carries no more: for 65 % of 12.0 s "
	       "congestion control held the client leg back (congestion "
	       "window; "
	       "window 14480 bytes, round trip 20.1 ms, 312 segments sent "
	       "again).");
	spent(0, LIMIT_PACING, 1200);
	why_judge(&f, &w);
	ck_assert_int_eq(w.limit, LIMIT_PACING);
}
END_TEST

START_TEST(used_up_window_of_ours_accuses_penstock)
{
	spent(1, LIMIT_BUFFER, 11988);
	judged(WHY_PENSTOCK, LIMIT_BUFFER, 100,
	       "penstock itself holds it back: for 100 % of 12.0 s the client "
	       "could not send more to the server, because our buffer was full "
	       "(tcp_rmem, tcp_wmem, max_memory).");
	f.faulty = true;
	why_judge(&f, &w);
	ck_assert_ptr_nonnull(strstr(w.text, "because a fault or our buffer"));
}
END_TEST

START_TEST(direction_with_more_under_way_is_judged)
{
	spent(0, LIMIT_APP, 500);
	spent(1, LIMIT_RWND, 11000);
	why_judge(&f, &w);
	ck_assert_int_eq(w.to, LEG_SERVER);
	ck_assert_int_eq(w.limit, LIMIT_RWND);
}
END_TEST

START_TEST(no_byte_either_way_accuses_nobody)
{
	leg[0].acked_bytes = leg[1].acked_bytes = 0;
	judged(WHY_NOBODY, LIMIT_APP, 100,
	       "Neither side has sent anything: for 100 % of 12.0 s there was "
	       "nothing to pass on.");
}
END_TEST

START_TEST(handshake_that_is_not_over_is_said_first)
{
	leg[1].state = TS_SYN_SENT;
	why_judge(&f, &w);
	ck_assert(w.opening);
	ck_assert_int_eq(w.side, WHY_SERVER);
	ck_assert_str_eq(w.text,
			 "The server has not answered penstock's SYN yet.");
	leg[1].state = TS_ESTABLISHED;
	leg[0].state = TS_SYN_RECEIVED;
	why_judge(&f, &w);
	ck_assert(w.opening);
	ck_assert_int_eq(w.side, WHY_CLIENT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("why");
	Suite *s = suite_create("why");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, client_leg_with_nothing_to_send_accuses_the_server);
	tcase_add_test(tc, server_leg_with_nothing_to_send_accuses_the_client);
	tcase_add_test(tc, holes_in_what_the_sender_sends_accuse_its_path);
	tcase_add_test(tc, closed_window_accuses_the_reader);
	tcase_add_test(tc, open_and_full_window_is_too_small_for_the_path);
	tcase_add_test(tc, congestion_window_and_pacing_are_judged_together);
	tcase_add_test(tc, used_up_window_of_ours_accuses_penstock);
	tcase_add_test(tc, direction_with_more_under_way_is_judged);
	tcase_add_test(tc, no_byte_either_way_accuses_nobody);
	tcase_add_test(tc, handshake_that_is_not_over_is_said_first);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
