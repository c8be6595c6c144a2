/* SPDX-License-Identifier: MIT */
/*
 * What is shown of a leg (src/tcp/view.c), and what it counts for that.
 */
#include "rig.h"
#include "tcp/view.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

static struct leg_view view(void)
{
	return leg_view(&r.l, r.now);
}

/* Both sequence spaces wrap meanwhile. */
START_TEST(bytes_and_segments_count_from_the_first_on)
{
	struct leg_view v;

	rig_establish_rtt(&r, RIG_ALL, MS(10));
	r.l.tally = (struct leg_tally){0};
	rig_write(&r, 3 * RIG_MSS);
	v = view();
	ck_assert_uint_eq(v.acked_bytes, 0);
	ck_assert_uint_eq(v.inflight_bytes, 3 * RIG_MSS);
	ck_assert_uint_eq(v.segs_out, 3);
	for (int i = 0; i < 20; i++) {
		rig_write(&r, RIG_MSS);
		rig_data(&r, r.pnxt, 1000);
		rig_read(&r, 1000);
		rig_ack(&r, r.written);
	}
	v = view();
	ck_assert_uint_eq(v.acked_bytes, 23 * RIG_MSS);
	ck_assert_uint_eq(v.received_bytes, 20 * 1000);
	ck_assert_uint_eq(v.resent_bytes, 0);
	ck_assert_uint_eq(v.segs_in, 40);
	ck_assert_ptr_null(leg_view_dropped(&v));
	ck_assert_ptr_null(leg_view_ended(&v));
}
END_TEST

START_TEST(what_is_sent_again_counts_apart)
{
	struct leg_view v;

	rig_establish_rtt(&r, RIG_ALL, MS(10));
	rig_write(&r, 4 * RIG_MSS);
	RIG_SACK(&r, 0, RIG_MSS, 4 * RIG_MSS);
	rig_run(&r, MS(100));
	v = view();
	ck_assert_uint_ge(v.resent_bytes, RIG_MSS);
	ck_assert_uint_eq(v.resent_bytes, v.chrono.resent * RIG_MSS);
	ck_assert_uint_eq(v.sacked_bytes, 3 * RIG_MSS);
	rig_ack(&r, 4 * RIG_MSS);
	v = view();
	ck_assert_uint_eq(v.acked_bytes, 4 * RIG_MSS);
	ck_assert_uint_eq(v.sacked_bytes, 0);
}
END_TEST

START_TEST(out_of_order_bytes_are_not_received_yet)
{
	struct leg_view v;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 2000, 1000);
	v = view();
	ck_assert_uint_eq(v.received_bytes, 0);
	ck_assert_uint_eq(v.ooo, 1);
	rig_data(&r, 0, 2000);
	v = view();
	ck_assert_uint_eq(v.received_bytes, 3000);
	ck_assert_uint_eq(v.ooo, 0);
}
END_TEST

START_TEST(last_drop_has_its_reason)
{
	struct segment s;
	struct leg_view v;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK, 0);
	s.seq = seq_add(s.seq, 0x40000000);
	ck_drop(rig_in(&r, &s), DROP_SEQ_WINDOW);
	v = view();
	ck_assert_str_eq(leg_view_dropped(&v), "seq_window");
}
END_TEST

/* In which order ss's timers count, and when they fire. */
START_TEST(timers_are_those_of_ss)
{
	struct leg_view v;

	r.cfg.keepalive_time = SECS(7200);
	rig_establish_rtt(&r, RIG_ALL, MS(10));
	v = view();
	ck_assert_str_eq(view_timer_name[v.timer], "keepalive");
	ck_assert_uint_gt(v.timer_ms, 7199000);
	rig_write(&r, 100);
	v = view();
	ck_assert_str_eq(view_timer_name[v.timer], "on");
	ck_assert_uint_le(v.timer_ms, 250);
	rig_run(&r, SECS(2));
	v = view();
	ck_assert_uint_ge(v.retries, 2);
	r.wnd = 0;
	rig_ack(&r, 100);
	rig_write(&r, 100);
	rig_run(&r, SECS(2));
	v = view();
	ck_assert_str_eq(view_timer_name[v.timer], "persist");
	ck_assert_uint_ge(v.retries, 1);
	ck_assert_uint_eq(v.wnd_bytes, 0);
}
END_TEST

START_TEST(options_are_those_agreed_on)
{
	struct leg_view v;

	rig_establish(&r, RIG_ALL);
	v = view();
	ck_assert_uint_eq(v.options,
			  VIEW_OPT_TS | VIEW_OPT_SACK | VIEW_OPT_WSCALE);
	ck_assert_uint_eq(v.snd_wscale, RIG_WS);
	ck_assert_uint_eq(v.adv_mss_bytes, 1448);
	rig_fini(&r);
	rig_init(&r);
	rig_establish(&r, OPT_HAS_MSS);
	v = view();
	ck_assert_uint_eq(v.options, 0);
	ck_assert_uint_eq(v.adv_mss_bytes, 1460);
}
END_TEST

static const char *ended(void)
{
	struct leg_view v = view();

	ck_state(&r, TS_CLOSED);
	return leg_view_ended(&v);
}

START_TEST(end_in_order_is_closed)
{
	struct segment s;

	rig_goto(&r, TS_LAST_ACK);
	s = rig_seg(&r, TCP_ACK, 0);
	s.ack = r.l.snd.nxt;
	rig_in(&r, &s);
	ck_assert_str_eq(ended(), "closed");
}
END_TEST

START_TEST(end_in_time_wait_is_closed)
{
	rig_goto(&r, TS_TIME_WAIT);
	leg_vanish(&r.l);
	ck_assert_str_eq(ended(), "closed");
}
END_TEST

/* What was not acknowledged does not count as such, though the leg forgets
 * it. */
START_TEST(end_by_the_peers_rst_is_reset)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_write(&r, 500);
	s = rig_seg(&r, TCP_RST | TCP_ACK, 0);
	rig_in(&r, &s);
	ck_assert_str_eq(ended(), "reset");
	ck_assert_uint_eq(view().acked_bytes, 0);
}
END_TEST

START_TEST(end_by_silence_is_timeout)
{
	rig_syn_sent(&r);
	rig_run(&r, SECS(200));
	ck_assert_str_eq(ended(), "timeout");
}
END_TEST

START_TEST(end_by_refusal_is_refused)
{
	struct segment s;

	rig_syn_sent(&r);
	s = rig_seg(&r, TCP_RST | TCP_ACK, 0);
	s.ack = r.l.snd.nxt;
	rig_in(&r, &s);
	ck_assert_str_eq(ended(), "refused");
}
END_TEST

START_TEST(end_by_us_is_aborted)
{
	rig_establish(&r, RIG_ALL);
	leg_abort(&r.l);
	ck_assert_str_eq(ended(), "aborted");
}
END_TEST

START_TEST(times_since_pass)
{
	struct leg_view a, b;

	rig_establish_rtt(&r, RIG_ALL, MS(10));
	rig_write(&r, 100);
	rig_ack(&r, 100);
	a = view();
	rig_run(&r, SECS(3));
	b = view();
	ck_assert_uint_eq(b.sent_ago_ms, a.sent_ago_ms + 3000);
	ck_assert_uint_eq(b.received_ago_ms, a.received_ago_ms + 3000);
	ck_assert_uint_eq(b.acked_ago_ms, a.acked_ago_ms + 3000);
	ck_assert_uint_eq(b.min_rtt_us, r.l.rtt.min_us);
	ck_assert(b.app_limited || !b.chrono.on);
}
END_TEST

/* cwnd a round trip, twice in slow start and 1.2 times later, as in Linux. */
START_TEST(pacing_rate_is_that_of_the_phase)
{
	struct leg_view v;

	rig_establish_rtt(&r, RIG_ALL, MS(10));
	v = view();
	ck_assert_uint_eq(v.srtt_us, MS(10));
	ck_assert_uint_eq(v.cwnd_bytes, 10 * RIG_MSS);
	ck_assert_uint_eq(v.pacing_rate, 2 * 10 * RIG_MSS * 100);
	r.l.cc.ssthresh = r.l.cc.cwnd;
	v = view();
	ck_assert_uint_eq(v.pacing_rate, 12 * RIG_MSS * 100);
}
END_TEST

/* What the peer's segments have shown, no more than it may send. */
START_TEST(rcv_mss_is_that_of_the_segments_received)
{
	struct leg_view v;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 700);
	v = view();
	ck_assert_uint_eq(v.rcv_mss_bytes, 700);
	rig_data(&r, 700, 300);
	v = view();
	ck_assert_uint_eq(v.rcv_mss_bytes, 700);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("leg view");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bytes_and_segments_count_from_the_first_on);
	tcase_add_test(tc, what_is_sent_again_counts_apart);
	tcase_add_test(tc, out_of_order_bytes_are_not_received_yet);
	tcase_add_test(tc, last_drop_has_its_reason);
	tcase_add_test(tc, timers_are_those_of_ss);
	tcase_add_test(tc, options_are_those_agreed_on);
	tcase_add_test(tc, end_in_order_is_closed);
	tcase_add_test(tc, end_in_time_wait_is_closed);
	tcase_add_test(tc, end_by_the_peers_rst_is_reset);
	tcase_add_test(tc, end_by_silence_is_timeout);
	tcase_add_test(tc, end_by_refusal_is_refused);
	tcase_add_test(tc, end_by_us_is_aborted);
	tcase_add_test(tc, times_since_pass);
	tcase_add_test(tc, pacing_rate_is_that_of_the_phase);
	tcase_add_test(tc, rcv_mss_is_that_of_the_segments_received);
	return rig_main("leg_view", tc);
}
