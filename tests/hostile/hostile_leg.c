/* SPDX-License-Identifier: MIT */
/*
 * Hostile input to one leg, on the bench of tests/unit.
 *
 * One test for each row of docs/HOSTILE.md that concerns a leg; rows that
 * concern packets and tables are in hostile_engine.c.  Each asserts the drop
 * reason, what it costs (segments sent, runs, nodes and bytes held: counts,
 * never a clock), and that the bytes delivered are those that were sent first.
 */
#include "../unit/rig.h"

#define SEG 1460u

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

static void flight(uint8_t has, uint32_t n)
{
	rig_establish_rtt(&r, has, MS(50));
	rig_write(&r, n * SEG);
	rig_run(&r, MS(45));
	rig_clear(&r);
}

/* What an honest peer has in order after all that was sent. */
static uint32_t in_order(uint32_t next)
{
	for (uint32_t k = 0; k < r.ntx; k++) {
		if (r.tx[k].off <= next && r.tx[k].end > next) {
			next = r.tx[k].end;
			k = (uint32_t)-1; /* look again from the first */
		}
	}
	return next;
}

/* Row 3: urgent pointer 0, or past the data. */
START_TEST(row_03_urgent_pointer_indexes_nothing)
{
	static const uint16_t urg[] = {0, 1, 100, 101, 1000, 65535};
	struct segment s;

	rig_establish(&r, RIG_ALL);
	for (size_t i = 0; i < ARRAY_LEN(urg); i++) {
		s = rig_seg(&r, TCP_ACK | TCP_URG, 100);
		s.urg = urg[i];
		ck_drop(rig_in(&r, &s), DROP_NONE);
		r.pnxt += 100;
		/* without data, and out of order */
		s = rig_seg(&r, TCP_ACK | TCP_URG, 0);
		s.urg = urg[i];
		ck_drop(rig_in(&r, &s), DROP_NONE);
	}
	ck_assert_uint_eq(r.sink.bytes, 600);
	rig_read(&r, 600);
	ck_assert_uint_eq(r.pool.held, 0);
}
END_TEST

/* Row 4: SACK blocks inverted, below una, above max, repeated. */
START_TEST(row_04_senseless_sack_blocks_mark_nothing)
{
	flight(RIG_NO_TS, 8);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t a = prng_u32(&r.rng), b = a - prng_u32(&r.rng) % 9999;

		if (seq_gt(rig_ours(b), r.l.snd.una) &&
		    seq_le(rig_ours(a), r.l.snd.nxt))
			continue;
		rig_clear(&r);
		RIG_SACK(&r, 0, a, b, b + 1, b); /* inverted, and empty */
		RIG_SACK(&r, 0, 8 * SEG + a % 99999 + 1, 0x7000000);
		ck_assert_uint_eq(r.ntx, 0);
	}
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
	ck_assert_uint_eq(r.l.loss.lost_bytes, 0);
	ck_assert_uint_le(r.l.loss.run_count, 8);
}
END_TEST

/* Row 4: hundreds of holes: the scoreboard has a limit. */
START_TEST(row_04_thousands_of_sack_holes_cost_a_bounded_scoreboard)
{
	uint32_t tail = 900 * SEG;

	rig_establish(&r, RIG_NO_TS);
	r.l.cc.cwnd = 1000 * SEG;
	r.l.rtt.smoothed_us = 1000; /* no pacing */
	r.wnd = 65535;
	rig_ack(&r, 0);
	rig_write(&r, tail);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), tail);
	r.mute = true;
	for (uint32_t at = 100; at + 400 < tail; at += 400)
		RIG_SACK(&r, 0, at, at + 1, at + 100, at + 101, at + 200,
			 at + 201, at + 300, at + 301);
	ck_assert_uint_le(r.l.loss.run_count, RUNS_MAX);
	ck_assert_uint_eq(r.runs.used, r.l.loss.run_count);
	ck_assert_uint_gt(r.l.loss.run_count, RUNS_MAX / 2);
	r.mute = false;
	rig_clear(&r);
	rig_ack(&r, tail); /* and it recovers */
	ck_assert_uint_eq(r.runs.used, 0);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

/* Row 4: a receiver that takes back what it SACKed. */
START_TEST(row_04_sack_reneging_loses_no_byte)
{
	flight(RIG_NO_TS, 8);
	RIG_SACK(&r, 0, SEG, 8 * SEG);
	rig_run(&r, MS(10));
	for (int i = 0; i < 100 && r.l.snd.q.bytes; i++) {
		/* from here on it knows nothing beyond what it acked */
		uint32_t next = in_order(r.acked);

		rig_clear(&r);
		rig_ack(&r, next);
		rig_run(&r, MS(300));
	}
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

/* Row 5: MSS 0 (an option wire leaves out), 1, 48, 65535; scale 15 and more. */
START_TEST(row_05_absurd_mss_and_scale_are_clamped)
{
	static const uint16_t mss[] = {1, 47, 48, 65535};
	static const uint32_t want[] = {36, 36, 36, 1448};
	struct segment s = rig_syn(&r, RIG_ALL);

	s.opts.mss = mss[_i];
	s.opts.wscale = 255;
	leg_open_passive(&r.l, &s, SEQ(RIG_ISS), 1, r.now);
	leg_accept(&r.l, r.now);
	rig_pump(&r);
	r.wnd = 1;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.l.snd.mss, want[_i]);
	ck_assert_uint_eq(r.l.snd.wnd, 1u << 14);
	r.wnd = 65535;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.l.snd.wnd, 65535u << 14);
	rig_clear(&r);
	rig_write(&r, 3600);
	rig_run(&r, MS(20));
	ck_assert_uint_le(r.ntx, 3600 / want[_i] + 2); /* no shredding */
}
END_TEST

START_TEST(row_05_options_of_a_syn_mean_nothing_later)
{
	struct segment s;

	rig_establish(&r, RIG_NO_TS);
	s = rig_seg(&r, TCP_ACK, 10);
	s.opts.has = OPT_HAS_MSS | OPT_HAS_WSCALE | OPT_HAS_SACKOK;
	s.opts.mss = 48;
	s.opts.wscale = 0;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.mss, 1460);
	ck_assert_uint_eq(r.l.snd.wscale, RIG_WS);
}
END_TEST

/* Row 6: thousands of one-byte segments out of order. */
START_TEST(row_06_one_byte_segments_out_of_order_are_bounded)
{
	uint32_t refused = 0;

	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < 5000; i++) {
		enum drop_reason why;

		rig_clear(&r);
		why = rig_data(&r, 2 + 2 * i, 1);
		if (why != DROP_NONE) {
			ck_drop(why, DROP_OOO_LIMIT);
			refused++;
		}
		ck_assert_uint_le(r.ntx, 1);
	}
	ck_assert_uint_eq(r.ooo.used, OOO_MAX);
	ck_assert_uint_eq(refused, 5000 - OOO_MAX);
	ck_assert_uint_le(r.pool.held, 2 * 4096);
	ck_assert_uint_eq(r.sink.bytes, 0);
}
END_TEST

/* Row 6: overlaps with different bytes: the first write wins. */
START_TEST(row_06_overlap_with_different_bytes_changes_nothing)
{
	static uint8_t evil[3000];

	memset(evil, 0xee, sizeof(evil));
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 1000);
	rig_data(&r, 3000, 1000);
	for (uint32_t i = 0; i < 500; i++) { /* inside what is held */
		struct segment s = rig_seg(&r, TCP_ACK, 1 + i);

		s.seq = rig_peer((i & 1 ? 1000 : 3000) + i);
		s.data.p = evil;
		ck_drop(rig_in(&r, &s), DROP_DUPLICATE);
	}
	rig_data(&r, 0, 4500);
	ck_assert_uint_eq(r.sink.bytes, 4500);
	for (uint32_t i = 0; i < 500; i++) { /* what was delivered */
		struct segment s = rig_seg(&r, TCP_ACK, 1 + i);

		s.seq = rig_peer(3500);
		s.data.p = evil;
		rig_in(&r, &s);
	}
	ck_assert_uint_eq(r.sink.bytes, 4500);
	rig_read(&r, 4500);
}
END_TEST

/* Row 7: ACKs for what was not sent (optimistic). */
START_TEST(row_07_optimistic_acks_gain_nothing)
{
	uint32_t cwnd;

	flight(RIG_ALL, 8);
	cwnd = r.l.cc.cwnd;
	for (uint32_t i = 1; i < 10000; i++)
		ck_drop(rig_ack(&r, 8 * SEG + i * 97), DROP_ACK_FUTURE);
	ck_assert_uint_eq(r.l.cc.cwnd, cwnd);
	ck_assert_uint_le(r.ntx, 1); /* the rate limit */
	ck_assert_uint_eq(r.l.snd.q.bytes, 8 * SEG);
}
END_TEST

/* Row 7: ghost ACKs, older than the largest window. */
START_TEST(row_07_ghost_acks_are_refused)
{
	struct segment s;

	r.wnd = 10;
	flight(RIG_ALL, 1);
	rig_clear(&r);
	for (uint32_t i = 1; i < 10000; i++) {
		s = rig_seg(&r, TCP_ACK, 100);
		s.ack = seq_sub(r.l.snd.una, r.l.snd.max_wnd + i * 200000);
		ck_drop(rig_in(&r, &s), DROP_ACK_OLD);
	}
	ck_assert_uint_eq(r.sink.bytes, 0);
	ck_assert_uint_le(r.ntx, 1);
}
END_TEST

/* Row 7: one ACK a byte must not open the window faster (RFC 3465). */
START_TEST(row_07_ack_division_is_counted_in_bytes)
{
	uint32_t cwnd;

	flight(RIG_NO_TS, 10);
	cwnd = r.l.cc.cwnd;
	for (uint32_t a = 1; a <= 2 * SEG; a++) {
		rig_clear(&r);
		rig_ack(&r, a);
	}
	ck_assert_uint_le(r.l.cc.cwnd, cwnd + 2 * SEG);
}
END_TEST

/* Row 7: a storm of duplicate ACKs inflates nothing. */
START_TEST(row_07_dupack_storm_sends_no_more_than_the_window)
{
	flight(RIG_PLAIN, 10);
	rig_write(&r, 500 * SEG);
	for (uint32_t i = 0; i < 100000; i++)
		rig_ack(&r, 0);
	ck_assert_uint_le(r.ntx, 12);
	ck_assert_uint_le(r.l.cc.cwnd, 10 * SEG);
	ck_assert_uint_le(board_outstanding(&r.l.snd), 22 * SEG);
}
END_TEST

/* Row 8: two ends that disagree answer each other, within a budget. */
START_TEST(row_08_ack_loop_is_broken)
{
	uint32_t sent = 0;

	rig_establish(&r, RIG_ALL);
	for (int i = 0; i < 10000; i++) { /* each answer provokes the next */
		struct segment s = rig_seg(&r, TCP_ACK, 0);

		s.seq = seq_sub(rig_peer(0), 5000);
		s.ack = seq_sub(rig_ours(0), 5000);
		rig_clear(&r);
		ck_drop(rig_in(&r, &s), DROP_SEQ_OLD);
		sent += r.ntx;
		rig_run(&r, 100); /* 10,000 a second */
	}
	ck_assert_uint_ge(sent, 1);
	ck_assert_uint_le(sent, 3);
}
END_TEST

/* Row 8: both windows are zero: probes only, at their timer. */
START_TEST(row_08_zero_windows_on_both_sides_stay_calm)
{
	uint32_t sent;

	rig_establish(&r, RIG_ALL);
	while (leg_rcv_wnd(&r.l.rcv))
		rig_data(&r, r.pnxt, min_u32(leg_rcv_wnd(&r.l.rcv), RIG_MSS));
	r.wnd = 0;
	rig_run(&r, MS(100));
	rig_ack(&r, 0);
	rig_write(&r, 5000);
	rig_clear(&r);
	for (int i = 0; i < 1000; i++) { /* the peer probes all the time */
		struct segment s = rig_seg(&r, TCP_ACK, 0);

		s.seq = seq_sub(rig_peer(r.pnxt), 1);
		rig_in(&r, &s);
		rig_run(&r, MS(10));
	}
	sent = r.ntx;
	ck_assert_uint_le(sent, 10 * 2 + 10); /* 10 s, two a second, probes */
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

/* Row 9: timestamps missing, zero, wrapped, poisoned. */
START_TEST(row_09_timestamps_cannot_poison_the_connection)
{
	uint32_t good;
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 100);
	good = r.l.rcv.ts_recent;
	s = rig_seg(&r, TCP_ACK, 100); /* missing: taken, as Linux does */
	s.opts.has = 0;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	r.pnxt = 200;
	ck_assert_uint_eq(r.l.rcv.ts_recent, good);
	s = rig_seg(&r, TCP_ACK, 100); /* far in the past */
	s.opts.tsval = good - 0x7fffffff;
	ck_drop(rig_in(&r, &s), DROP_PAWS);
	s = rig_seg(&r, TCP_ACK, 100); /* poison, but out of window */
	s.seq = seq_add(r.l.rcv.adv, 1000);
	s.opts.tsval = good + 0x7ffffff0;
	ck_drop(rig_in(&r, &s), DROP_SEQ_WINDOW);
	ck_assert_uint_eq(r.l.rcv.ts_recent, good);
	s = rig_seg(&r, TCP_ACK, 100); /* poison with an unacceptable ACK */
	s.ack = rig_ours(9999);
	s.opts.tsval = good + 0x7ffffff0;
	ck_drop(rig_in(&r, &s), DROP_ACK_FUTURE);
	ck_assert_uint_eq(r.l.rcv.ts_recent, good);
	ck_drop(rig_data(&r, 200, 100), DROP_NONE);
	rig_read(&r, 300);
}
END_TEST

/* Row 9: an echo that was never sent gives no round-trip time. */
START_TEST(row_09_absurd_echo_does_not_move_the_timeout)
{
	static const uint32_t echo[] = {0, 1, 0xffffffff, 0x80000000};

	rig_establish_rtt(&r, RIG_ALL, MS(50));
	for (uint32_t i = 0; i < 400; i++) {
		rig_clear(&r);
		rig_write(&r, 100);
		rig_run(&r, MS(50));
		r.tsecr = echo[i % 4];
		rig_ack(&r, (i + 1) * 100);
		ck_assert_uint_le(r.l.rtt.rto_us, MS(500));
		ck_assert_uint_ge(r.l.rtt.rto_us, MS(200));
	}
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 0);
}
END_TEST

/* Row 14: the peer takes its window back, and an update is lost. */
START_TEST(row_14_shrunk_window_is_obeyed_and_survived)
{
	uint32_t top, before;

	flight(RIG_ALL, 6);
	r.wnd = 1; /* 128 bytes from byte 1448 on */
	rig_ack(&r, RIG_MSS);
	rig_write(&r, 20 * SEG);
	top = seq_span(r.l.snd.nxt, rig_ours(0));
	rig_run(&r, MS(150));
	for (uint32_t i = 0; i < r.ntx; i++)
		ck_assert_uint_le(r.tx[i].end, top); /* nothing new */
	r.wnd = 0;
	rig_ack(&r, RIG_MSS);
	rig_run(&r, SECS(20)); /* the update that opens it is lost: */
	before = r.ntx;
	rig_run(&r, SECS(30));
	ck_assert_uint_ge(r.ntx - before, 1); /* we ask */
	ck_assert_uint_le(r.ntx - before, 10);
	r.wnd = 60000;
	for (uint32_t i = 0; i < 40; i++) {
		rig_ack(&r, in_order(r.acked));
		rig_run(&r, SECS(2)); /* the timeout has backed off */
	}
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

/* Row 15: forged ICMP. */
START_TEST(row_15_forged_icmp_is_refused_or_bounded)
{
	static const uint32_t mtu[] = {0, 68, 1280, 1500, 9000, 65535};
	struct icmp_error e = {.t = r.t, .kind = ICMP_K_PTB, .family = 4};

	rig_establish(&r, RIG_ALL);
	e.t = r.t;
	rig_write(&r, 2 * SEG);
	for (uint32_t i = 0; i < 10000; i++) { /* blind: random numbers */
		e.seq = SEQ(prng_u32(&r.rng));
		e.mtu = mtu[i % ARRAY_LEN(mtu)];
		if (seq_ge(e.seq, r.l.snd.una) && seq_lt(e.seq, r.l.snd.nxt))
			continue;
		ck_drop(leg_icmp(&r.l, &e, r.now), DROP_ICMP_OUT_OF_WINDOW);
	}
	ck_assert_uint_eq(r.l.snd.mss, RIG_MSS);
	e.seq = r.l.snd.una;
	e.mtu = 9000; /* larger than ours: never grows */
	ck_drop(leg_icmp(&r.l, &e, r.now), DROP_ICMP_OUT_OF_WINDOW);
	ck_assert_uint_eq(r.l.snd.mss, RIG_MSS);
	e.kind = ICMP_K_UNREACH_HARD;
	ck_drop(leg_icmp(&r.l, &e, r.now), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED); /* RFC 5927, 5: soft */
	e.kind = ICMP_K_PTB;
	for (uint32_t i = 0; i < 2; i++) { /* 0 and 68: not below the least */
		e.mtu = mtu[i];
		leg_icmp(&r.l, &e, r.now);
		rig_pump(&r);
		ck_assert_uint_ge(r.l.snd.mss, 552 - 40 - 12);
	}
}
END_TEST

/* Row 16: blind RST across the whole space. */
START_TEST(row_16_blind_rst_needs_the_exact_number)
{
	uint32_t inexact = 0, sent = 0;

	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < 65536; i++) { /* every 64 KiB */
		struct segment s = rig_seg(&r, TCP_RST, 0);
		enum drop_reason why;

		s.seq = SEQ(RIG_IRS + 2 + i * 65536u);
		rig_clear(&r);
		why = rig_in(&r, &s);
		sent += r.ntx;
		inexact += why == DROP_RST_INEXACT;
		if (why != DROP_RST_INEXACT)
			ck_drop(why, DROP_RST_WINDOW);
	}
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_ge(inexact, 1); /* one fell into the window */
	ck_assert_uint_le(sent, 1);
}
END_TEST

/* Row 16: blind SYN: a challenge, and no more. */
START_TEST(row_16_blind_syn_does_not_reset)
{
	uint32_t sent = 0;

	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < 65536; i++) {
		struct segment s = rig_syn(&r, RIG_ALL);

		s.seq = SEQ(RIG_IRS + 2 + i * 65536u);
		rig_clear(&r);
		ck_assert_int_ne(rig_in(&r, &s), DROP_NONE);
		sent += r.ntx;
		for (uint32_t k = 0; k < r.ntx; k++)
			ck_assert_uint_eq(r.tx[k].s.flags, TCP_ACK);
	}
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_le(sent, 1);
}
END_TEST

/* Row 16: blind data: the ACK must fit too (RFC 5961, 5). */
START_TEST(row_16_blind_data_needs_a_plausible_ack)
{
	uint32_t taken = 0;

	r.wnd = 10; /* 1280 bytes once scaled */
	flight(RIG_ALL, 1);
	for (uint32_t i = 0; i < 65536; i++) {
		struct segment s = rig_seg(&r, TCP_ACK, 10);

		s.ack = SEQ(RIG_ISS + i * 65536u);
		if (seq_ge(s.ack, seq_sub(r.l.snd.una, r.l.snd.max_wnd)) &&
		    seq_le(s.ack, r.l.snd.nxt))
			continue; /* that one would be right */
		rig_clear(&r);
		taken += rig_in(&r, &s) == DROP_NONE;
	}
	ck_assert_uint_eq(taken, 0);
	ck_assert_uint_eq(r.sink.bytes, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("leg");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, row_03_urgent_pointer_indexes_nothing);
	tcase_add_test(tc, row_04_senseless_sack_blocks_mark_nothing);
	tcase_add_test(
		tc, row_04_thousands_of_sack_holes_cost_a_bounded_scoreboard);
	tcase_add_test(tc, row_04_sack_reneging_loses_no_byte);
	tcase_add_loop_test(tc, row_05_absurd_mss_and_scale_are_clamped, 0, 4);
	tcase_add_test(tc, row_05_options_of_a_syn_mean_nothing_later);
	tcase_add_test(tc, row_06_one_byte_segments_out_of_order_are_bounded);
	tcase_add_test(tc, row_06_overlap_with_different_bytes_changes_nothing);
	tcase_add_test(tc, row_07_optimistic_acks_gain_nothing);
	tcase_add_test(tc, row_07_ghost_acks_are_refused);
	tcase_add_test(tc, row_07_ack_division_is_counted_in_bytes);
	tcase_add_test(tc, row_07_dupack_storm_sends_no_more_than_the_window);
	tcase_add_test(tc, row_08_ack_loop_is_broken);
	tcase_add_test(tc, row_08_zero_windows_on_both_sides_stay_calm);
	tcase_add_test(tc, row_09_timestamps_cannot_poison_the_connection);
	tcase_add_test(tc, row_09_absurd_echo_does_not_move_the_timeout);
	tcase_add_test(tc, row_14_shrunk_window_is_obeyed_and_survived);
	tcase_add_test(tc, row_15_forged_icmp_is_refused_or_bounded);
	tcase_add_test(tc, row_16_blind_rst_needs_the_exact_number);
	tcase_add_test(tc, row_16_blind_syn_does_not_reset);
	tcase_add_test(tc, row_16_blind_data_needs_a_plausible_ack);
	return rig_main("hostile_leg", tc);
}
