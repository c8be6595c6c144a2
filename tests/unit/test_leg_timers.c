/* SPDX-License-Identifier: MIT */
/* Deadlines (src/tcp/timers.c): each state ends some day. */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

/* The whole seconds at which segments left. */
static void ck_sent_at(const int64_t *ms, uint32_t n, mono_t begin)
{
	ck_assert_uint_eq(r.ntx, n);
	for (uint32_t i = 0; i < n; i++) {
		int64_t at = mono_sub(r.tx[i].at, begin) / 1000;

		ck_assert_msg(at >= ms[i] && at <= ms[i] + 2 + ms[i] / 1000,
			      "segment %u at %d ms, not %d", i, (int)at,
			      (int)ms[i]);
	}
}

/* 6 SYN retries: 1, 3, 7, 15, 31, 63 s, given up at 127 s. */
START_TEST(syn_sent_silence_retries_six_times_and_gives_up_at_127_s)
{
	static const int64_t at[] = {0, 1000, 3000, 7000, 15000, 31000, 63000};
	mono_t begin = r.now;

	rig_syn_sent(&r);
	rig_run(&r, SECS(126));
	ck_sent_at(at, 7, begin);
	ck_state(&r, TS_SYN_SENT);
	rig_run(&r, SECS(2));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_TIMEOUT);
	ck_assert_uint_eq(r.ntx, 7); /* no RST */
	for (uint32_t i = 0; i < 7; i++)
		ck_assert_uint_eq(r.tx[i].s.seq.v, RIG_ISS);
}
END_TEST

/* 5 SYN-ACK retries: given up at 63 s. */
START_TEST(syn_received_silence_retries_five_times_and_gives_up_at_63_s)
{
	static const int64_t at[] = {0, 1000, 3000, 7000, 15000, 31000};
	mono_t begin = r.now;

	rig_syn_received(&r, RIG_ALL);
	rig_run(&r, SECS(62));
	ck_sent_at(at, 6, begin);
	rig_run(&r, SECS(2));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_TIMEOUT);
}
END_TEST

/* RFC 6298, 5.5: the timeout doubles; una is what is sent again. */
START_TEST(established_rto_doubles_and_sends_una)
{
	mono_t begin;
	static const int64_t at[] = {0, 210, 630, 1470, 3150, 6510};

	rig_establish_rtt(&r, RIG_PLAIN, MS(10));
	begin = r.now;
	rig_write(&r, 500);
	rig_run(&r, SECS(8));
	ck_sent_at(at, 6, begin);
	for (uint32_t i = 1; i < r.ntx; i++)
		ck_assert_uint_eq(r.tx[i].off, 0);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), 5);
}
END_TEST

START_TEST(established_rto_is_at_most_120_s)
{
	rig_establish(&r, RIG_PLAIN);
	rig_write(&r, 500);
	rig_run(&r, SECS(700));
	ck_assert_int_le(mono_sub(rig_last(&r)->at, r.tx[r.ntx - 2].at),
			 SECS(121));
	ck_assert_uint_eq(rtt_rto(&r.l.rtt), SECS(120));
}
END_TEST

/* tcp_retries2 = 15: 924.6 s after the first expiry. */
START_TEST(established_silence_gives_up_by_retries2_with_rst)
{
	rig_establish(&r, RIG_PLAIN);
	rig_write(&r, 500);
	rig_run(&r, SECS(900));
	ck_state(&r, TS_ESTABLISHED);
	rig_run(&r, SECS(150));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev & LEG_EV_TIMEOUT, LEG_EV_TIMEOUT);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPAbortOnTimeout), 1);
}
END_TEST

START_TEST(established_user_timeout_gives_up)
{
	r.cfg.user_timeout = SECS(5);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 500);
	rig_run(&r, SECS(4));
	ck_state(&r, TS_ESTABLISHED);
	rig_run(&r, SECS(10));
	ck_state(&r, TS_CLOSED);
	ck_assert(r.l.ev & LEG_EV_TIMEOUT);
}
END_TEST

/* It ends the connection when it runs out, not an RTO later: counted from the
 * first retransmission, as in Linux.  A tail loss probe (200 ms) is none. */
START_TEST(established_user_timeout_is_kept_to_the_moment)
{
	static const int64_t s[] = {1, 2, 7, 30};
	bool probe = _i & 1;
	mono_t begin;

	r.cfg.user_timeout = SECS(s[_i / 2]);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish(&r, probe ? RIG_NO_TS : RIG_PLAIN);
	begin = r.now;
	rig_write(&r, 500);
	rig_run(&r, SECS(60));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_RST | TCP_ACK);
	ck_assert_int_ge(mono_sub(rig_last(&r)->at, begin),
			 SECS(s[_i / 2]) + MS(probe ? 400 : 200));
	ck_assert_int_le(mono_sub(rig_last(&r)->at, begin),
			 SECS(s[_i / 2]) + MS(probe ? 430 : 230));
}
END_TEST

START_TEST(zero_window_silent_peer_ends_with_the_user_timeout)
{
	mono_t begin;

	r.cfg.user_timeout = SECS(20);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	begin = r.now;
	rig_write(&r, 1000);
	rig_run(&r, SECS(60));
	ck_state(&r, TS_CLOSED);
	ck_assert_int_le(mono_sub(rig_last(&r)->at, begin), MS(20300));
}
END_TEST

/* A peer that answers its probes outlives it, at the pace of always. */
START_TEST(zero_window_answered_after_the_user_timeout_is_probed_as_ever)
{
	r.cfg.user_timeout = SECS(5);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 1000);
	for (int i = 0; i < 120; i++) {
		uint32_t n = r.ntx;

		rig_run(&r, SECS(1));
		if (r.ntx > n)
			rig_ack(&r, 0);
	}
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_le(r.ntx, 20);
}
END_TEST

/* RFC 6298, 5.7: the SYN was sent again and no round trip is known. */
START_TEST(established_after_repeated_syn_has_an_rto_of_three_seconds)
{
	struct segment s;
	uint64_t timeouts;

	rig_syn_sent(&r);
	rig_run(&r, MS(1500));
	s = rig_syn(&r, _i ? RIG_PLAIN : RIG_NO_TS);
	s.flags = TCP_SYN | TCP_ACK;
	s.ack = rig_ours(0);
	rig_in(&r, &s);
	timeouts = rig_count(&r, CNT_TcpExtTCPTimeouts);
	rig_write(&r, 500);
	/* a tail loss probe may go after a second: RFC 8985, 7.2 */
	rig_run(&r, MS(2900));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), timeouts);
	ck_assert_uint_eq(r.l.rtt.rto_us, SECS(3));
}
END_TEST

/* Every closing state owns a timer. */
START_TEST(last_ack_silence_is_bounded_by_orphan_retries)
{
	rig_goto(&r, TS_LAST_ACK);
	rig_run(&r, SECS(30));
	ck_state(&r, TS_LAST_ACK);
	rig_run(&r, SECS(100));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_le(r.ntx, 12);
	for (uint32_t i = 0; i + 1 < r.ntx; i++)
		ck_assert_uint_eq(r.tx[i].s.flags & TCP_FIN, TCP_FIN);
}
END_TEST

START_TEST(closing_silence_is_bounded)
{
	rig_goto(&r, TS_CLOSING);
	rig_run(&r, SECS(130));
	ck_state(&r, TS_CLOSED);
}
END_TEST

START_TEST(fin_wait_2_orphan_ends_after_fin_timeout)
{
	rig_goto(&r, TS_FIN_WAIT_2);
	leg_sink_gone(&r.l, r.now);
	rig_run(&r, SECS(59));
	ck_state(&r, TS_FIN_WAIT_2);
	rig_run(&r, SECS(2));
	ck_state(&r, TS_CLOSED);
}
END_TEST

/* A half-closed connection that somebody reads lives for as long as its peer
 * answers: it is asked after each tcp_fin_timeout of silence. */
START_TEST(fin_wait_2_with_reader_lives_on_while_the_peer_answers)
{
	rig_goto(&r, TS_FIN_WAIT_2);
	for (uint32_t i = 0; i < 50; i++) {
		rig_clear(&r);
		rig_run(&r, SECS(59));
		ck_assert_uint_eq(r.ntx, 0);
		rig_run(&r, SECS(2));
		ck_assert_uint_eq(r.ntx, 1);
		rig_ack(&r, r.tx[0].s.seq.v + 1 - rig_ours(0).v);
	}
	ck_state(&r, TS_FIN_WAIT_2);
	rig_data(&r, 0, 10);
	ck_assert_uint_eq(r.sink.bytes, 10);
}
END_TEST

/* Who has closed one direction and says nothing is given up in minutes: the
 * ten tcp_fin_timeouts that keepalive's nine probes take then. */
static void ck_gone_after_600_s(enum tcp_state state)
{
	rig_goto(&r, state);
	rig_clear(&r);
	rig_run(&r, SECS(598));
	ck_state(&r, state);
	ck_assert_uint_eq(r.ntx, 9);
	rig_run(&r, SECS(4));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_ne(r.l.ev & LEG_EV_TIMEOUT, 0);
}

START_TEST(fin_wait_2_silence_ends_in_minutes)
{
	ck_gone_after_600_s(TS_FIN_WAIT_2);
}
END_TEST

START_TEST(close_wait_silence_ends_in_minutes)
{
	ck_gone_after_600_s(TS_CLOSE_WAIT);
}
END_TEST

static int64_t idle_left_us;

static int64_t idle_left(struct leg *l, mono_t now)
{
	(void)l;
	(void)now;
	return idle_left_us;
}

/* idle_timeout: the engine is asked, and asked again when it says. */
START_TEST(established_watched_ends_when_the_flow_is_idle)
{
	r.env.idle_left = idle_left;
	rig_establish(&r, RIG_ALL);
	leg_watch_idle(&r.l, SECS(10), r.now);
	idle_left_us = SECS(5);
	rig_run(&r, SECS(11));
	ck_state(&r, TS_ESTABLISHED);
	idle_left_us = 0;
	rig_run(&r, SECS(3));
	ck_state(&r, TS_ESTABLISHED);
	rig_run(&r, SECS(2));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_ne(r.l.ev & LEG_EV_TIMEOUT, 0);
}
END_TEST

START_TEST(established_idle_keepalive_probes_then_gives_up)
{
	mono_t begin;

	rig_establish(&r, RIG_ALL);
	begin = r.now;
	rig_run(&r, SECS(7199));
	ck_assert_uint_eq(r.ntx, 0);
	rig_run(&r, SECS(3));
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.seq.v, rig_ours(0).v - 1);
	ck_assert_uint_eq(r.tx[0].s.data.len, 0);
	rig_run(&r, SECS(75 * 10));
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.ntx, 10); /* 9 probes and the RST */
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_RST | TCP_ACK);
	ck_assert_int_ge(mono_sub(rig_last(&r)->at, begin),
			 SECS(7200 + 9 * 75));
}
END_TEST

START_TEST(established_keepalive_answer_starts_anew)
{
	rig_establish(&r, RIG_ALL);
	rig_run(&r, SECS(7300));
	ck_assert_uint_eq(r.ntx, 2);
	rig_ack(&r, 0);
	rig_run(&r, SECS(7100));
	ck_assert_uint_eq(r.ntx, 2);
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

/* --- zero window (RFC 9293, 3.8.6.1) --- */

START_TEST(zero_window_is_probed_with_backoff)
{
	mono_t begin;
	static const int64_t at[] = {210, 630, 1470, 3150};

	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	begin = r.now;
	rig_write(&r, 5000);
	rig_run(&r, SECS(5));
	ck_sent_at(at, 4, begin);
	for (uint32_t i = 0; i < r.ntx; i++) {
		ck_assert_uint_eq(r.tx[i].s.data.len, 0);
		ck_assert_uint_eq(r.tx[i].s.seq.v, rig_ours(0).v - 1);
	}
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPWinProbe), 4);
}
END_TEST

START_TEST(zero_window_that_opens_sends_at_once)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 1000);
	rig_run(&r, SECS(10));
	rig_clear(&r);
	r.wnd = 100;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.data.len, 1000);
	ck_assert_uint_eq(
		r.l.tmr.rtx_kind == RTX_RTO || r.l.tmr.rtx_kind == RTX_TLP, 1);
}
END_TEST

/* A peer that answers probes is alive, for ever. */
START_TEST(zero_window_peer_that_answers_is_never_given_up)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 1000);
	for (int i = 0; i < 60; i++) {
		rig_clear(&r);
		rig_run(&r, SECS(60));
		rig_ack(&r, 0);
	}
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

/* The window was closed under data in flight: the peer refuses each
 * retransmission, and so is alive.  What is sent meanwhile bears a number that
 * it accepts. */
START_TEST(zero_window_under_flight_that_answers_is_never_given_up)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 1000);
	r.wnd = 0;
	for (int i = 0; i < 60; i++) {
		rig_clear(&r);
		rig_run(&r, SECS(60));
		rig_ack(&r, 0);
	}
	ck_state(&r, TS_ESTABLISHED);
	rig_clear(&r);
	rig_data(&r, r.pnxt, 10);
	rig_run(&r, MS(50));
	ck_assert_uint_gt(r.ntx, 0);
	ck_assert_uint_eq(r.tx[0].s.data.len, 0);
	ck_assert_uint_eq(r.tx[0].s.seq.v, rig_ours(0).v);
}
END_TEST

START_TEST(zero_window_silent_peer_is_given_up)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 1000);
	rig_run(&r, SECS(1300));
	ck_state(&r, TS_CLOSED);
	ck_assert(r.l.ev & LEG_EV_TIMEOUT);
}
END_TEST

/* Sender's SWS avoidance and the timer that overrides it (3.8.6.2.1). */
START_TEST(small_window_waits_for_the_override_timer)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 1; /* 128 bytes */
	rig_ack(&r, 0);
	rig_write(&r, 5000);
	ck_assert_uint_eq(r.ntx, 0);
	rig_run(&r, MS(250));
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.data.len, 128);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("timers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(
		tc, syn_sent_silence_retries_six_times_and_gives_up_at_127_s);
	tcase_add_test(
		tc,
		syn_received_silence_retries_five_times_and_gives_up_at_63_s);
	tcase_add_test(tc, established_rto_doubles_and_sends_una);
	tcase_add_test(tc, established_rto_is_at_most_120_s);
	tcase_add_test(tc, established_silence_gives_up_by_retries2_with_rst);
	tcase_add_test(tc, established_user_timeout_gives_up);
	tcase_add_loop_test(tc, established_user_timeout_is_kept_to_the_moment,
			    0, 8);
	tcase_add_test(tc, zero_window_silent_peer_ends_with_the_user_timeout);
	tcase_add_test(
		tc,
		zero_window_answered_after_the_user_timeout_is_probed_as_ever);
	tcase_add_loop_test(
		tc, established_after_repeated_syn_has_an_rto_of_three_seconds,
		0, 2);
	tcase_add_test(tc, last_ack_silence_is_bounded_by_orphan_retries);
	tcase_add_test(tc, closing_silence_is_bounded);
	tcase_add_test(tc, fin_wait_2_orphan_ends_after_fin_timeout);
	tcase_add_test(tc,
		       fin_wait_2_with_reader_lives_on_while_the_peer_answers);
	tcase_add_test(tc, fin_wait_2_silence_ends_in_minutes);
	tcase_add_test(tc, close_wait_silence_ends_in_minutes);
	tcase_add_test(tc, established_watched_ends_when_the_flow_is_idle);
	tcase_add_test(tc, established_idle_keepalive_probes_then_gives_up);
	tcase_add_test(tc, established_keepalive_answer_starts_anew);
	tcase_add_test(tc, zero_window_is_probed_with_backoff);
	tcase_add_test(tc, zero_window_that_opens_sends_at_once);
	tcase_add_test(tc, zero_window_peer_that_answers_is_never_given_up);
	tcase_add_test(tc,
		       zero_window_under_flight_that_answers_is_never_given_up);
	tcase_add_test(tc, zero_window_silent_peer_is_given_up);
	tcase_add_test(tc, small_window_waits_for_the_override_timer);
	return rig_main("timers", tc);
}
