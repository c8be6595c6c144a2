/* SPDX-License-Identifier: MIT */
/*
 * A segment arrives (src/tcp/input.c): acceptability, RST, SYN, PAWS, FIN,
 * urgent mark, ECN at the receiver.
 */
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

/* --- acceptability (RFC 9293, 3.10.7.4, first) --- */

START_TEST(established_old_segment_is_answered_with_ack)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 100);
	rig_run(&r, MS(100));
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK, 0);
	s.seq = rig_peer(50);
	ck_drop(rig_in(&r, &s), DROP_SEQ_OLD);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(100).v);
}
END_TEST

START_TEST(established_segment_beyond_window_is_answered_with_ack)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK, 10);
	s.seq = seq_add(r.l.rcv.adv, 1);
	ck_drop(rig_in(&r, &s), DROP_SEQ_WINDOW);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.seq.v, rig_ours(0).v);
}
END_TEST

START_TEST(established_segment_over_right_edge_is_trimmed)
{
	uint32_t wnd;

	rig_establish(&r, RIG_ALL);
	wnd = leg_rcv_wnd(&r.l.rcv);
	for (uint32_t at = 0; at < wnd; at += 60000)
		ck_drop(rig_data(&r, at, 60000), DROP_NONE);
	ck_assert_uint_ge(r.sink.bytes, wnd);
	ck_assert(seq_eq(r.l.rcv.nxt, rig_peer(r.sink.bytes)));
	ck_assert(seq_le(r.l.rcv.nxt, r.l.rcv.adv));
}
END_TEST

/* RFC 5961, 7 / tcp_invalid_ratelimit: one answer in 500 ms. */
START_TEST(established_flood_of_bad_segments_is_answered_at_ratelimit)
{
	rig_establish(&r, RIG_ALL);
	for (int i = 0; i < 1000; i++) {
		struct segment s = rig_seg(&r, TCP_ACK, 0);

		s.seq = seq_add(r.l.rcv.adv, 100);
		ck_drop(rig_in(&r, &s), DROP_SEQ_WINDOW);
		rig_run(&r, MS(1));
	}
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPACKSkippedSeq), 998);
}
END_TEST

START_TEST(established_segment_without_ack_is_dropped)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_PSH, 10);
	ck_drop(rig_in(&r, &s), DROP_NO_ACK);
	ck_assert_uint_eq(r.sink.bytes, 0);
	ck_assert_uint_eq(r.ntx, 0);
}
END_TEST

/* --- RST (RFC 9293, second; RFC 5961, 3.2) --- */

START_TEST(established_exact_rst_closes)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_RST);
	ck_assert_uint_eq(r.ntx, 0);
}
END_TEST

START_TEST(established_inexact_rst_is_challenged)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	s.seq = rig_peer(1);
	ck_drop(rig_in(&r, &s), DROP_RST_INEXACT);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_ACK);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(0).v);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPChallengeACK), 1);
}
END_TEST

START_TEST(established_rst_outside_window_is_dropped_silently)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	s.seq = SEQ(RIG_IRS);
	ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
	s = rig_seg(&r, TCP_RST, 0);
	s.seq = seq_add(r.l.rcv.adv, 1);
	ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
	ck_assert_uint_eq(r.ntx, 0);
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

/* As Linux: no more than an answer to the peer's FIN is to come, so its number
 * resets, too. */
START_TEST(rst_with_the_number_of_the_peers_fin_closes)
{
	static const enum tcp_state taken[] = {TS_CLOSE_WAIT, TS_CLOSING,
					       TS_LAST_ACK};

	for (uint32_t i = 0; i < ARRAY_LEN(taken); i++) {
		struct segment s;

		rig_goto(&r, taken[i]);
		s = rig_seg(&r, TCP_RST, 0);
		s.seq = seq_sub(r.l.rcv.nxt, 2); /* not the FIN's */
		ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
		ck_state(&r, taken[i]);
		s.seq = seq_sub(r.l.rcv.nxt, 1);
		ck_drop(rig_in(&r, &s), DROP_NONE);
		ck_state(&r, TS_CLOSED);
		ck_assert_uint_eq(r.l.ev, taken[i] == TS_CLOSE_WAIT
						  ? LEG_EV_RST
						  : LEG_EV_CLOSED);
		ck_assert_uint_eq(r.ntx, 0);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

/* Before the FIN the same number is an old one. */
START_TEST(rst_below_the_window_closes_nothing_else)
{
	static const enum tcp_state kept[] = {TS_ESTABLISHED, TS_FIN_WAIT_1,
					      TS_FIN_WAIT_2};

	for (uint32_t i = 0; i < ARRAY_LEN(kept); i++) {
		struct segment s;

		rig_goto(&r, kept[i]);
		s = rig_seg(&r, TCP_RST, 0);
		s.seq = seq_sub(r.l.rcv.nxt, 1);
		ck_drop(rig_in(&r, &s), DROP_RST_WINDOW);
		ck_state(&r, kept[i]);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

/* A zero window: only the exact RST counts, and it does. */
START_TEST(zero_window_exact_rst_closes)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	while (leg_rcv_wnd(&r.l.rcv))
		rig_data(&r, r.pnxt, min_u32(leg_rcv_wnd(&r.l.rcv), 60000));
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
}
END_TEST

START_TEST(challenge_budget_is_per_leg_and_second)
{
	r.cfg.invalid_ratelimit = 0;
	r.cfg.challenge_ack_limit = 5;
	rig_establish(&r, RIG_ALL);
	r.now = (mono_t){(r.now.us / SECS(1) + 1) * SECS(1)};
	for (int sec = 0; sec < 2; sec++) {
		rig_clear(&r);
		for (int i = 0; i < 20; i++) {
			struct segment s = rig_seg(&r, TCP_RST, 0);

			s.seq = rig_peer(7);
			rig_in(&r, &s);
		}
		ck_assert_uint_eq(r.ntx, 5);
		rig_run(&r, SECS(1));
	}
}
END_TEST

/* --- SYN (RFC 5961, 4.2) --- */

START_TEST(established_syn_is_challenged)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_syn(&r, RIG_ALL);
	s.seq = rig_peer(5);
	ck_drop(rig_in(&r, &s), DROP_SYN_IN_WINDOW);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_ACK);
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

/* The SYN-ACK again, as our ACK of it was lost. */
START_TEST(established_repeated_syn_ack_is_acked)
{
	struct segment s;

	rig_init_side(&r, LEG_SERVER);
	rig_syn_sent(&r);
	s = rig_syn(&r, RIG_ALL);
	s.flags |= TCP_ACK;
	s.ack = rig_ours(0);
	s.opts.tsecr = r.tsecr;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	rig_clear(&r);
	rig_run(&r, SECS(1));
	rig_in(&r, &s);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(0).v);
}
END_TEST

/* --- PAWS (RFC 7323, 5) --- */

START_TEST(established_old_timestamp_is_dropped_and_acked)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 10);
	rig_run(&r, MS(100));
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.tsval = r.l.rcv.ts_recent - 2;
	ck_drop(rig_in(&r, &s), DROP_PAWS);
	ck_assert_uint_eq(r.sink.bytes, 10);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtPAWSEstab), 1);
}
END_TEST

/* Linux's TCP_PAWS_WINDOW: a clock read twice by two CPUs may be one tick off.
 * What was newest stays so. */
START_TEST(established_timestamp_a_tick_behind_is_taken)
{
	struct segment s;
	uint32_t newest;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 10);
	newest = r.l.rcv.ts_recent;
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.tsval = newest - 1;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 20);
	ck_assert_uint_eq(r.l.rcv.ts_recent, newest);
}
END_TEST

START_TEST(established_old_timestamp_on_rst_still_closes)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	s.opts.tsval = r.l.rcv.ts_recent - 1000;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSED);
}
END_TEST

/* 5.5: after 24 days of silence any timestamp is taken. */
START_TEST(established_ts_recent_ages_after_24_days)
{
	struct segment s;

	r.cfg.keepalive_time = 0;
	rig_establish(&r, RIG_ALL);
	rig_run(&r, SECS(24 * 24 * 3600 - 5));
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.tsval = r.l.rcv.ts_recent - 2;
	ck_drop(rig_in(&r, &s), DROP_PAWS);
	rig_run(&r, SECS(10));
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.tsval = r.l.rcv.ts_recent - 2;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.l.rcv.ts_recent, s.opts.tsval);
}
END_TEST

START_TEST(established_missing_timestamp_is_let_pass)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.has = 0;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 10);
}
END_TEST

/* 4.3: a segment beyond Last.ACK.sent does not set TS.Recent. */
START_TEST(established_ts_recent_ignores_segment_beyond_last_ack)
{
	uint32_t before;
	struct segment s;

	rig_establish(&r, RIG_ALL);
	before = r.l.rcv.ts_recent;
	s = rig_seg(&r, TCP_ACK, 10);
	s.seq = rig_peer(100);
	s.opts.tsval = before + 50;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.l.rcv.ts_recent, before);
	ck_assert_uint_eq(rig_last(&r)->s.opts.tsecr, before);
	s = rig_seg(&r, TCP_ACK, 100);
	s.opts.tsval = before + 60;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.l.rcv.ts_recent, before + 60);
}
END_TEST

/* --- FIN --- */

START_TEST(established_fin_enters_close_wait_and_is_acked)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 20);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_CLOSE_WAIT);
	ck_assert(r.l.ev & LEG_EV_FIN);
	ck_assert_uint_eq(r.sink.bytes, 20);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(21).v);
}
END_TEST

START_TEST(established_fin_out_of_order_waits_for_the_hole)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 20);
	s.seq = rig_peer(100);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert(!(r.l.ev & LEG_EV_FIN));
	rig_data(&r, 0, 100);
	ck_state(&r, TS_CLOSE_WAIT);
	ck_assert_uint_eq(r.sink.bytes, 120);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(121).v);
	rig_read(&r, 120);
}
END_TEST

/* RFC 5681, 4.2: a hole is reported at once, also by a FIN alone. */
START_TEST(established_bare_fin_out_of_order_is_acked_at_once)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(100);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(0).v);
}
END_TEST

START_TEST(established_data_beyond_known_fin_is_dropped)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(100);
	rig_in(&r, &s);
	s = rig_seg(&r, TCP_ACK, 50);
	s.seq = rig_peer(90);
	ck_drop(rig_in(&r, &s), DROP_AFTER_FIN);
	ck_assert_uint_eq(r.l.rcv.ooo_count, 0);
}
END_TEST

START_TEST(close_wait_data_after_fin_is_dropped)
{
	struct segment s;

	rig_goto(&r, TS_CLOSE_WAIT);
	s = rig_seg(&r, TCP_ACK, 10);
	ck_drop(rig_in(&r, &s), DROP_AFTER_FIN);
	ck_assert_uint_eq(r.sink.bytes, 0);
}
END_TEST

START_TEST(established_exact_fin_beyond_window_is_not_taken)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = seq_add(r.l.rcv.adv, 1);
	ck_drop(rig_in(&r, &s), DROP_SEQ_WINDOW);
	ck_assert(!r.l.rcv.fin_known);
}
END_TEST

/* --- simultaneous close, half close --- */

START_TEST(fin_wait_1_fin_enters_closing_then_time_wait)
{
	struct segment s;

	rig_goto(&r, TS_FIN_WAIT_1);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	rig_in(&r, &s);
	ck_state(&r, TS_CLOSING);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(1).v);
	r.pnxt = 1;
	rig_ack(&r, 1);
	ck_state(&r, TS_TIME_WAIT);
	ck_assert(r.l.ev & LEG_EV_TIME_WAIT);
}
END_TEST

START_TEST(fin_wait_1_fin_with_ack_enters_time_wait)
{
	struct segment s;

	rig_goto(&r, TS_FIN_WAIT_1);
	r.acked = 1;
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	rig_in(&r, &s);
	ck_state(&r, TS_TIME_WAIT);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(1).v);
}
END_TEST

START_TEST(fin_wait_2_data_is_still_delivered)
{
	rig_goto(&r, TS_FIN_WAIT_2);
	for (uint32_t i = 0; i < 100; i++)
		ck_drop(rig_data(&r, i * 1000, 1000), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 100000);
	ck_state(&r, TS_FIN_WAIT_2);
	rig_read(&r, 100000);
}
END_TEST

START_TEST(close_wait_sends_data_then_last_ack_then_closed)
{
	rig_goto(&r, TS_CLOSE_WAIT);
	rig_write(&r, 3000);
	ck_assert_uint_eq(rig_last(&r)->end, 3000);
	rig_close(&r);
	ck_state(&r, TS_LAST_ACK);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_ACK | TCP_FIN);
	rig_ack(&r, 3001);
	ck_state(&r, TS_CLOSED);
	ck_assert(r.l.ev & LEG_EV_CLOSED);
}
END_TEST

/* --- TIME_WAIT --- */

START_TEST(time_wait_rst_is_ignored)
{
	struct segment s;

	rig_goto(&r, TS_TIME_WAIT);
	s = rig_seg(&r, TCP_RST, 0);
	ck_drop(rig_in(&r, &s), DROP_TIME_WAIT);
	ck_state(&r, TS_TIME_WAIT);
}
END_TEST

START_TEST(time_wait_lasts_2msl_and_fin_restarts_it)
{
	struct segment s;

	rig_goto(&r, TS_TIME_WAIT);
	rig_run(&r, SECS(40));
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(0);
	rig_in(&r, &s);
	ck_assert_uint_eq(r.ntx, 1);
	rig_run(&r, SECS(59));
	ck_state(&r, TS_TIME_WAIT);
	rig_run(&r, SECS(2));
	ck_state(&r, TS_CLOSED);
	ck_assert(r.l.ev & LEG_EV_CLOSED);
}
END_TEST

/* --- urgent mark (RFC 6093) --- */

/* Any FIN is answered; only the peer's own begins 2 MSL anew. */
START_TEST(time_wait_fin_of_another_number_restarts_nothing)
{
	static const int32_t off[] = {-100, 1, 100000};
	struct segment s;

	rig_goto(&r, TS_TIME_WAIT);
	rig_run(&r, SECS(40));
	for (uint32_t i = 0; i < ARRAY_LEN(off); i++) {
		s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
		s.seq = rig_peer((uint32_t)off[i]);
		rig_clear(&r);
		rig_run(&r, SECS(1));
		rig_in(&r, &s);
		ck_assert_uint_eq(r.ntx, 1);
	}
	rig_run(&r, SECS(18));
	ck_state(&r, TS_CLOSED);
}
END_TEST

START_TEST(established_urgent_mark_is_noted)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_URG, 10);
	s.urg = 10;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert(r.l.ev & LEG_EV_URGENT);
	ck_assert_uint_eq(r.l.rcv.urg.v, rig_peer(10).v);
	ck_assert_uint_eq(r.sink.bytes, 10);
}
END_TEST

START_TEST(established_urgent_pointer_of_zero_is_ignored)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_URG, 10);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert(!(r.l.ev & LEG_EV_URGENT));
}
END_TEST

/* --- ECN at the receiver (RFC 3168, 6.1.3) --- */

START_TEST(established_ce_is_echoed_until_cwr)
{
	struct segment s;

	s = rig_syn(&r, RIG_ALL);
	s.flags |= TCP_ECE | TCP_CWR;
	leg_open_passive(&r.l, &s, SEQ(RIG_ISS), 1, r.now);
	leg_accept(&r.l, r.now);
	rig_pump(&r);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_SYN | TCP_ACK | TCP_ECE);
	rig_ack(&r, 0);
	r.ecn = ECN_CE;
	rig_data(&r, 0, 100);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_ACK | TCP_ECE);
	r.ecn = ECN_ECT0;
	rig_data(&r, 100, 100);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_ACK | TCP_ECE);
	s = rig_seg(&r, TCP_ACK | TCP_CWR, 100);
	rig_in(&r, &s);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_ACK);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("input");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_old_segment_is_answered_with_ack);
	tcase_add_test(tc,
		       established_segment_beyond_window_is_answered_with_ack);
	tcase_add_test(tc, established_segment_over_right_edge_is_trimmed);
	tcase_add_test(
		tc, established_flood_of_bad_segments_is_answered_at_ratelimit);
	tcase_add_test(tc, established_segment_without_ack_is_dropped);
	tcase_add_test(tc, established_exact_rst_closes);
	tcase_add_test(tc, established_inexact_rst_is_challenged);
	tcase_add_test(tc, established_rst_outside_window_is_dropped_silently);
	tcase_add_test(tc, rst_with_the_number_of_the_peers_fin_closes);
	tcase_add_test(tc, rst_below_the_window_closes_nothing_else);
	tcase_add_test(tc, zero_window_exact_rst_closes);
	tcase_add_test(tc, challenge_budget_is_per_leg_and_second);
	tcase_add_test(tc, established_syn_is_challenged);
	tcase_add_test(tc, established_repeated_syn_ack_is_acked);
	tcase_add_test(tc, established_old_timestamp_is_dropped_and_acked);
	tcase_add_test(tc, established_timestamp_a_tick_behind_is_taken);
	tcase_add_test(tc, established_old_timestamp_on_rst_still_closes);
	tcase_add_test(tc, established_ts_recent_ages_after_24_days);
	tcase_add_test(tc, established_missing_timestamp_is_let_pass);
	tcase_add_test(tc,
		       established_ts_recent_ignores_segment_beyond_last_ack);
	tcase_add_test(tc, established_fin_enters_close_wait_and_is_acked);
	tcase_add_test(tc, established_fin_out_of_order_waits_for_the_hole);
	tcase_add_test(tc, established_bare_fin_out_of_order_is_acked_at_once);
	tcase_add_test(tc, established_data_beyond_known_fin_is_dropped);
	tcase_add_test(tc, close_wait_data_after_fin_is_dropped);
	tcase_add_test(tc, established_exact_fin_beyond_window_is_not_taken);
	tcase_add_test(tc, fin_wait_1_fin_enters_closing_then_time_wait);
	tcase_add_test(tc, fin_wait_1_fin_with_ack_enters_time_wait);
	tcase_add_test(tc, fin_wait_2_data_is_still_delivered);
	tcase_add_test(tc, close_wait_sends_data_then_last_ack_then_closed);
	tcase_add_test(tc, time_wait_rst_is_ignored);
	tcase_add_test(tc, time_wait_lasts_2msl_and_fin_restarts_it);
	tcase_add_test(tc, time_wait_fin_of_another_number_restarts_nothing);
	tcase_add_test(tc, established_urgent_mark_is_noted);
	tcase_add_test(tc, established_urgent_pointer_of_zero_is_ignored);
	tcase_add_test(tc, established_ce_is_echoed_until_cwr);
	return rig_main("input", tc);
}
