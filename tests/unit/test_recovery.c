/* SPDX-License-Identifier: MIT */
/* Loss recovery (src/tcp/recovery.c): RFC 5681, 6582, 9937, 5682, 4015. */
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

#define SEG 1460u

/* @n segments in flight; the round trip is 100 ms. */
static void flight(uint8_t has, uint32_t n)
{
	rig_establish_rtt(&r, has, MS(100));
	rig_write(&r, n * SEG);
	for (int i = 0; i < 99 && seq_lt(r.l.snd.nxt, rig_ours(n * SEG)); i++)
		rig_run(&r, MS(1));
	ck_assert_uint_eq(board_outstanding(&r.l.snd), n * SEG);
	rig_clear(&r);
	rig_run(&r, MS(90));
}

static uint32_t sent_off(uint32_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r.ntx; i++)
		n += r.tx[i].off == off && r.tx[i].s.data.len;
	return n;
}

static void dupacks(uint32_t off, uint32_t n)
{
	while (n--)
		rig_ack(&r, off);
}

/* RFC 5681, 3.2: the third duplicate ACK retransmits, the second does not. */
START_TEST(established_third_dupack_retransmits)
{
	r.cfg.cc[0] = CC_NEWRENO;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	flight(RIG_PLAIN, 8);
	dupacks(0, 2);
	ck_assert_uint_eq(sent_off(0), 0);
	dupacks(0, 1);
	ck_assert_uint_eq(sent_off(0), 1);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(r.l.cc.ssthresh, 5 * SEG); /* half of cwnd */
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPRenoRecovery), 1);
}
END_TEST

/* RFC 3042: the first two send new data. */
START_TEST(established_first_two_dupacks_send_new_data)
{
	flight(RIG_PLAIN, 10); /* cwnd is full */
	rig_write(&r, 5 * SEG);
	ck_assert_uint_eq(r.ntx, 0);
	dupacks(0, 2);
	rig_run(&r, MS(5));
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(r.tx[0].off, 10 * SEG);
}
END_TEST

/* A window update, or an ACK with data, is no duplicate ACK. */
START_TEST(established_window_updates_and_data_are_no_dupacks)
{
	flight(RIG_PLAIN, 8);
	for (uint32_t i = 0; i < 5; i++) {
		r.wnd++;
		rig_ack(&r, 0);
	}
	for (uint32_t i = 0; i < 5; i++)
		rig_data(&r, r.pnxt, 10);
	ck_assert_uint_eq(sent_off(0), 0);
	ck_assert_uint_eq(r.l.loss.dupacks, 0);
}
END_TEST

/* RFC 6582, 3.2, step 3: a partial ACK retransmits the next hole at once. */
START_TEST(recovery_partial_ack_retransmits_next_hole)
{
	flight(RIG_PLAIN, 8);
	dupacks(0, 3);
	rig_run(&r, MS(90));
	rig_ack(&r, 4 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(sent_off(4 * SEG), 1);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_eq(r.l.cc.cwnd, r.l.cc.ssthresh);
}
END_TEST

/* RFC 6582, 3.2, step 2: "recover" guards against a second reduction. */
START_TEST(recovery_dupacks_of_the_same_window_do_not_reduce_again)
{
	uint32_t ssthresh;

	flight(RIG_PLAIN, 8);
	dupacks(0, 3);
	ssthresh = r.l.cc.ssthresh;
	dupacks(0, 4);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * SEG);
	dupacks(8 * SEG, 3);
	ck_assert_uint_eq(r.l.cc.ssthresh, ssthresh);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPRenoRecovery), 1);
}
END_TEST

/* RFC 9937: one leaves for one that arrives, once the flight is ssthresh. */
START_TEST(recovery_prr_keeps_the_flight_at_ssthresh)
{
	uint32_t before;

	flight(RIG_NO_TS, 10);
	rig_write(&r, 60 * SEG);
	RIG_SACK(&r, 0, SEG, 4 * SEG); /* the first is lost */
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(sent_off(0), 1);
	before = r.ntx;
	for (uint32_t i = 4; i < 10; i++) {
		rig_run(&r, MS(15)); /* slower than pacing */
		RIG_SACK(&r, 0, SEG, (i + 1) * SEG);
		ck_assert_uint_le(board_pipe(&r.l), r.l.cc.ssthresh);
	}
	rig_run(&r, MS(15));
	ck_assert_uint_eq(r.ntx - before, 6);
	ck_assert_uint_eq(board_pipe(&r.l), r.l.cc.ssthresh);
}
END_TEST

/* Until then, seven leave for ten that arrive; what is sent again counts as
 * much as what is new. */
START_TEST(recovery_prr_above_ssthresh_counts_retransmissions)
{
	uint32_t before;

	flight(RIG_NO_TS, 10);
	rig_ack(&r, 10 * SEG); /* cwnd is 20 now */
	rig_write(&r, 90 * SEG);
	rig_run(&r, MS(90));
	ck_assert_uint_eq(board_outstanding(&r.l.snd), 20 * SEG);
	before = r.ntx;
	for (uint32_t n = 3; n < 6; n++) {
		RIG_SACK(&r, 10 * SEG, 11 * SEG, (11 + n) * SEG);
		rig_run(&r, MS(15));
		ck_assert_uint_ge(board_pipe(&r.l), r.l.cc.ssthresh);
		ck_assert_uint_eq(r.ntx - before, n * 7 / 10);
	}
	ck_assert_uint_eq(sent_off(10 * SEG), 2);
}
END_TEST

/* The flight is above ssthresh: less leaves than arrives. */
START_TEST(recovery_prr_above_ssthresh_sends_in_proportion)
{
	uint32_t before;

	flight(RIG_NO_TS, 10);
	rig_ack(&r, 10 * SEG); /* cwnd is 20 now */
	rig_write(&r, 90 * SEG);
	rig_run(&r, MS(80));
	ck_assert_uint_eq(board_outstanding(&r.l.snd), 20 * SEG);
	RIG_SACK(&r, 10 * SEG, 11 * SEG, 14 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	before = r.ntx;
	for (uint32_t i = 14; i < 30; i++) {
		rig_run(&r, MS(15));
		RIG_SACK(&r, 10 * SEG, 11 * SEG, (i + 1) * SEG);
	}
	rig_run(&r, MS(15));
	/* of 20 segments 14 leave; one of them was the retransmission */
	ck_assert_uint_ge(r.ntx - before, 11);
	ck_assert_uint_le(r.ntx - before, 15);
	ck_assert_uint_le(board_pipe(&r.l), r.l.cc.ssthresh + SEG);
}
END_TEST

/* RFC 9937, 6.2: below ssthresh one more than what arrived may leave, but only
 * for an ACK that moves una and tells of no further loss. */
START_TEST(recovery_prr_grows_by_good_acks_only)
{
	flight(RIG_NO_TS, 10);
	rig_ack(&r, 10 * SEG); /* cwnd is 20 now */
	rig_write(&r, 90 * SEG);
	rig_run(&r, MS(90));
	r.mute = true;
	RIG_SACK(&r, 10 * SEG, 27 * SEG, 30 * SEG); /* 17 are lost */
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(board_pipe(&r.l), 0);
	ck_assert_uint_eq(r.l.cc.cwnd, 3 * SEG);
	r.mute = false;
	rig_pump(&r);
	rig_run(&r, MS(40));
	ck_assert_uint_eq(board_pipe(&r.l), 3 * SEG);
	r.mute = true;
	RIG_SACK(&r, 11 * SEG, 27 * SEG, 30 * SEG);
	ck_assert_uint_eq(board_pipe(&r.l), 2 * SEG);
	ck_assert_uint_eq(r.l.cc.cwnd, 4 * SEG);
}
END_TEST

/* What lay behind a hole was received long before the hole was filled. */
START_TEST(recovery_filled_hole_is_no_round_trip)
{
	uint32_t srtt;

	flight(RIG_PLAIN, 8);
	srtt = r.l.rtt.smoothed_us;
	dupacks(0, 3);
	ck_assert_uint_eq(sent_off(0), 1);
	rig_run(&r, MS(100));
	rig_ack(&r, 8 * SEG);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, srtt);
}
END_TEST

START_TEST(recovery_cubic_reduces_to_seven_tenths)
{
	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	ck_assert_uint_eq(r.l.cc.ssthresh, 7 * SEG);
	rig_run(&r, MS(90));
	rig_ack(&r, 10 * SEG);
	ck_assert_uint_eq(r.l.cc.cwnd, 7 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
}
END_TEST

/* RFC 5681, 3.1: a timeout leaves one segment. */
START_TEST(loss_timeout_sends_one_segment)
{
	flight(RIG_PLAIN, 8);
	rig_run(&r, MS(400));
	ck_assert_int_eq(r.l.loss.ca, CA_LOSS);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.l.cc.cwnd, SEG);
	ck_assert_uint_eq(sent_off(0), 1);
}
END_TEST

START_TEST(loss_slow_start_retransmits_all_that_is_lost)
{
	flight(RIG_PLAIN, 8);
	rig_run(&r, MS(400));
	for (uint32_t a = 1; a <= 8; a++) {
		rig_run(&r, MS(50));
		rig_ack(&r, a * SEG);
	}
	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_ge(sent_off(i * SEG), 1);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
}
END_TEST

static void until_timeout(void)
{
	while (r.l.loss.ca != CA_LOSS)
		rig_run(&r, MS(10));
}

/* Segments of data from @off on, and before it. */
static void count_sent(uint32_t off, uint32_t *before, uint32_t *from)
{
	*before = *from = 0;
	for (uint32_t i = 0; i < r.ntx; i++) {
		if (!r.tx[i].s.data.len)
			continue;
		if (r.tx[i].off < off)
			++*before;
		else
			++*from;
	}
}

/* RFC 5682, 3.1: the ACK of the head lets new data leave (2b); the next one
 * names an original: the timeout was spurious (3b).  Also after more than one
 * expiry, and without SACK. */
START_TEST(loss_frto_originals_that_arrive_late_undo)
{
	uint32_t cwnd, again, new;

	flight(_i & 1 ? RIG_PLAIN : RIG_NO_TS, 10);
	cwnd = r.l.cc.cwnd;
	until_timeout();
	if (_i & 2)
		rig_run(&r, MS(800));
	rig_write(&r, 20 * SEG);
	rig_clear(&r);
	rig_run(&r, MS(5));
	rig_ack(&r, SEG);
	count_sent(10 * SEG, &again, &new);
	ck_assert_uint_eq(again, 0);
	ck_assert_uint_eq(new, 2);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
	rig_run(&r, MS(5));
	rig_ack(&r, 2 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 1);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_eq(r.l.loss.lost_bytes, 0);
	for (uint32_t i = 3; i <= 10; i++)
		rig_ack(&r, i * SEG);
	count_sent(10 * SEG, &again, &new);
	ck_assert_uint_eq(again, 0);
}
END_TEST

/* 2a: all of it acknowledged at once says nothing: the SACKs were lost. */
START_TEST(loss_frto_ack_of_everything_does_not_undo)
{
	uint32_t ssthresh;

	flight(RIG_NO_TS, 10);
	until_timeout();
	ssthresh = r.l.cc.ssthresh;
	rig_run(&r, MS(100));
	rig_ack(&r, 10 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
	ck_assert_uint_eq(r.l.cc.ssthresh, ssthresh);
	ck_assert_uint_le(r.l.cc.cwnd, ssthresh + SEG);
}
END_TEST

/* 3a: the first and the sixth are lost, and the ACKs between: the next one
 * tells of the new data only, so the loss was real. */
START_TEST(loss_frto_sack_of_new_data_does_not_undo)
{
	uint32_t again, new;

	flight(RIG_NO_TS, 10);
	until_timeout();
	rig_write(&r, 20 * SEG);
	rig_clear(&r);
	rig_run(&r, MS(90));
	rig_ack(&r, 5 * SEG);
	count_sent(10 * SEG, &again, &new);
	ck_assert_uint_eq(again, 0);
	ck_assert_uint_eq(new, 2);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 5 * SEG, 6 * SEG, 11 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
	ck_assert_int_eq(r.l.loss.ca, CA_LOSS);
	ck_assert_uint_le(r.l.cc.cwnd, 3 * SEG);
	ck_assert_uint_eq(sent_off(5 * SEG), 1);
}
END_TEST

/* No new data: recovery goes on as without F-RTO, and does not stall. */
START_TEST(loss_frto_without_new_data_retransmits)
{
	flight(RIG_NO_TS, 10);
	until_timeout();
	rig_clear(&r);
	rig_run(&r, MS(50));
	rig_ack(&r, SEG);
	rig_run(&r, MS(1));
	ck_assert_uint_eq(sent_off(SEG), 1);
	ck_assert_uint_eq(r.l.loss.frto, FRTO_OFF);
}
END_TEST

/* RFC 5681, 3.1: each segment that the timer sends again lowers ssthresh; a
 * second expiry for the same one does not. */
START_TEST(loss_timeout_of_another_segment_lowers_ssthresh_again)
{
	uint32_t first;
	uint64_t n;

	r.cfg.cc[0] = (uint8_t)_i;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	flight(RIG_NO_TS, 10);
	until_timeout();
	first = r.l.cc.ssthresh;
	rig_run(&r, MS(700));
	ck_assert_uint_gt(rig_count(&r, CNT_TcpExtTCPTimeouts), 1);
	ck_assert_uint_eq(r.l.cc.ssthresh, first);
	rig_ack(&r, SEG);
	n = rig_count(&r, CNT_TcpExtTCPTimeouts);
	while (rig_count(&r, CNT_TcpExtTCPTimeouts) == n)
		rig_run(&r, MS(10));
	ck_assert_uint_lt(r.l.cc.ssthresh, first);
	ck_assert_uint_eq(r.l.cc.ssthresh, 2 * SEG);
	ck_assert_uint_eq(r.l.loss.frto, FRTO_OFF);
}
END_TEST

START_TEST(loss_ack_of_the_retransmission_only_does_not_undo)
{
	flight(RIG_NO_TS, 8);
	rig_run(&r, MS(330));
	while (r.l.loss.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_ack(&r, SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
	ck_assert_int_eq(r.l.loss.ca, CA_LOSS);
}
END_TEST

START_TEST(loss_ack_of_data_sent_after_the_timeout_does_not_undo)
{
	flight(RIG_NO_TS, 3);
	rig_run(&r, MS(200));
	while (r.l.loss.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_write(&r, 10 * SEG);
	rig_ack(&r, SEG);
	rig_run(&r, MS(20));
	ck_assert_uint_eq(sent_off(3 * SEG), 1);
	rig_ack(&r, 4 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
}
END_TEST

START_TEST(loss_without_sack_jump_of_una_does_not_undo)
{
	flight(RIG_PLAIN, 4);
	dupacks(0, 2); /* 2 and 3 arrived; 1 and 4 are lost */
	while (r.l.loss.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_ack(&r, 3 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
}
END_TEST

/* RFC 4015: the ACK echoes a time before the retransmission. */
START_TEST(recovery_eifel_undoes)
{
	uint32_t cwnd, early;

	rig_establish_rtt(&r, RIG_ALL, MS(100));
	rig_write(&r, 8 * RIG_MSS);
	rig_run(&r, MS(90));
	cwnd = r.l.cc.cwnd;
	early = r.tsecr;
	RIG_SACK(&r, 0, RIG_MSS, 4 * RIG_MSS);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	rig_run(&r, MS(10));
	r.tsecr = early; /* the original, late */
	rig_ack(&r, 8 * RIG_MSS);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 1);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
}
END_TEST

/* RFC 4015: the ACK of what was sent again in an episode before this one echoes
 * a time before this one's first retransmission.  It was no original. */
START_TEST(recovery_eifel_ack_of_an_earlier_retransmission_does_not_undo)
{
	const uint32_t S = RIG_MSS;
	uint32_t again;

	rig_establish_rtt(&r, RIG_ALL, MS(100));
	r.l.cc.cwnd = 40 * S;
	rig_write(&r, 10 * S);
	rig_run(&r, MS(100));
	RIG_SACK(&r, 0, S, 10 * S); /* the first is lost */
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	rig_write(&r, 5 * S);
	rig_run(&r, MS(100));
	RIG_SACK(&r, 0, S, 11 * S, 12 * S, 15 * S); /* and the twelfth */
	rig_run(&r, MS(10));
	again = r.tsecr;
	rig_clear(&r);
	RIG_SACK(&r, 11 * S, 12 * S, 15 * S); /* the first was repaired */
	ck_assert_int_lt(r.l.loss.ca, CA_RECOVERY);
	rig_write(&r, 5 * S);
	rig_run(&r, MS(60));
	RIG_SACK(&r, 11 * S, 12 * S, 16 * S, 17 * S, 20 * S);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY); /* the seventeenth */
	rig_run(&r, MS(30));
	r.tsecr = again;
	rig_ack(&r, 16 * S);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 0);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
}
END_TEST

START_TEST(recovery_echo_of_the_retransmission_does_not_undo)
{
	uint32_t cwnd;

	rig_establish_rtt(&r, RIG_ALL, MS(100));
	rig_write(&r, 8 * RIG_MSS);
	rig_run(&r, MS(90));
	cwnd = r.l.cc.cwnd;
	RIG_SACK(&r, 0, RIG_MSS, 4 * RIG_MSS);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * RIG_MSS); /* tsecr: newest sent */
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 0);
	ck_assert_uint_lt(r.l.cc.cwnd, cwnd);
}
END_TEST

/* RFC 3708: DSACKs for all that was sent again undo, in time ... */
START_TEST(recovery_dsack_of_what_was_sent_again_undoes)
{
	uint32_t cwnd;

	flight(RIG_NO_TS, 10);
	cwnd = r.l.cc.cwnd;
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	rig_run(&r, MS(10));
	rig_ack(&r, 10 * SEG); /* the original was late */
	rig_run(&r, MS(90));
	rig_write(&r, SEG);
	RIG_SACK(&r, 10 * SEG, 0, SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKUndo), 1);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
}
END_TEST

/* ... but not those for anything else: of the same flight, or seconds later. */
START_TEST(recovery_dsack_of_something_else_does_not_undo)
{
	uint32_t off = 10 * SEG, ssthresh;

	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	rig_run(&r, MS(100));
	rig_ack(&r, off);
	ssthresh = r.l.cc.ssthresh;
	rig_write(&r, SEG);
	RIG_SACK(&r, off, 5 * SEG, 6 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKUndo), 0);
	for (int i = 0; i < 30; i++) {
		rig_write(&r, SEG);
		rig_run(&r, MS(100));
		off = seq_span(r.l.snd.nxt, rig_ours(0));
		rig_ack(&r, off);
	}
	RIG_SACK(&r, off, off - SEG, off);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKUndo), 0);
	ck_assert_uint_eq(r.l.cc.ssthresh, ssthresh);
}
END_TEST

/* The memory of it ends a window later, and with 32-bit numbers must. */
START_TEST(recovery_undo_is_forgotten_after_a_window)
{
	uint32_t off = 10 * SEG;

	r.wnd = 1000;
	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	rig_run(&r, MS(100));
	rig_ack(&r, off);
	ck_assert(r.l.loss.undo_valid);
	for (int i = 0; i < 30; i++) {
		rig_write(&r, 5 * SEG);
		rig_run(&r, MS(100));
		off = seq_span(r.l.snd.nxt, rig_ours(0));
		rig_ack(&r, off);
	}
	ck_assert(!r.l.loss.undo_valid);
}
END_TEST

/* RFC 5681, 3.2: a duplicate ACK lets one segment leave for the one that
 * arrived; the window grows when the hole is filled. */
START_TEST(disorder_sack_alone_does_not_grow_the_window)
{
	flight(RIG_NO_TS, 10);
	rig_write(&r, 10 * SEG);
	ck_assert_uint_eq(r.ntx, 0);
	RIG_SACK(&r, 0, SEG, 2 * SEG);
	rig_run(&r, MS(5));
	ck_assert_int_eq(r.l.loss.ca, CA_DISORDER);
	ck_assert_uint_eq(r.l.cc.cwnd, 10 * SEG);
	ck_assert_uint_eq(r.ntx, 1);
	rig_ack(&r, 2 * SEG);
	ck_assert_uint_eq(r.l.cc.cwnd, 12 * SEG);
}
END_TEST

/* RFC 9937, 6: what the ACK that began it delivered was in flight. */
START_TEST(recovery_prr_counts_what_the_first_ack_delivered)
{
	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(r.l.loss.recover_fs, 10 * SEG);
	ck_assert_uint_eq(r.l.loss.prr_delivered, 3 * SEG);
}
END_TEST

START_TEST(recovery_prr_leaves_out_what_was_sacked_before)
{
	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, 2 * SEG, 3 * SEG);
	RIG_SACK(&r, 0, 2 * SEG, 4 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_DISORDER);
	RIG_SACK(&r, 0, 2 * SEG, 6 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(r.l.loss.recover_fs, 8 * SEG);
}
END_TEST

/* RFC 9937: PRR counts ACKs.  A reordering timer brings none, and so neither
 * takes back what the last one allowed nor allows more. */
START_TEST(recovery_reordering_timer_leaves_the_allowance)
{
	uint32_t room, lost;

	flight(RIG_NO_TS, 10);
	r.l.loss.rack.reordering_seen = true;
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	rig_run(&r, MS(40));
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	r.mute = true; /* pacing holds it */
	RIG_SACK(&r, 0, SEG, 4 * SEG, 5 * SEG, 6 * SEG);
	ck_assert_uint_eq(r.l.tmr.rtx_kind, RTX_REO);
	room = r.l.cc.cwnd - board_pipe(&r.l);
	ck_assert_uint_eq(room, SEG);
	lost = r.l.loss.lost_bytes;
	while (r.l.loss.lost_bytes == lost)
		rig_run(&r, MS(1));
	ck_assert_uint_eq(r.l.cc.cwnd - board_pipe(&r.l), room);
	r.mute = false;
}
END_TEST

/* Lost ACKs: one stretch ACK for all is no reason to slow down. */
START_TEST(established_stretch_ack_grows_like_many)
{
	flight(RIG_NO_TS, 10);
	rig_ack(&r, 10 * SEG);
	ck_assert_uint_eq(r.l.cc.cwnd, 20 * SEG);
}
END_TEST

START_TEST(established_application_limited_window_does_not_grow)
{
	rig_establish(&r, RIG_NO_TS);
	for (uint32_t i = 1; i <= 50; i++) {
		rig_write(&r, 100);
		rig_run(&r, MS(10));
		rig_ack(&r, i * 100);
	}
	ck_assert_uint_eq(r.l.cc.cwnd, 10 * SEG);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("recovery");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_third_dupack_retransmits);
	tcase_add_test(tc, established_first_two_dupacks_send_new_data);
	tcase_add_test(tc, established_window_updates_and_data_are_no_dupacks);
	tcase_add_test(tc, recovery_partial_ack_retransmits_next_hole);
	tcase_add_test(tc,
		       recovery_dupacks_of_the_same_window_do_not_reduce_again);
	tcase_add_test(tc, recovery_prr_keeps_the_flight_at_ssthresh);
	tcase_add_test(tc, recovery_prr_above_ssthresh_counts_retransmissions);
	tcase_add_test(tc, recovery_prr_above_ssthresh_sends_in_proportion);
	tcase_add_test(tc, recovery_prr_grows_by_good_acks_only);
	tcase_add_test(tc, recovery_filled_hole_is_no_round_trip);
	tcase_add_test(tc, recovery_cubic_reduces_to_seven_tenths);
	tcase_add_test(tc, loss_timeout_sends_one_segment);
	tcase_add_test(tc, loss_slow_start_retransmits_all_that_is_lost);
	tcase_add_loop_test(tc, loss_frto_originals_that_arrive_late_undo, 0,
			    4);
	tcase_add_test(tc, loss_frto_ack_of_everything_does_not_undo);
	tcase_add_test(tc, loss_frto_sack_of_new_data_does_not_undo);
	tcase_add_test(tc, loss_frto_without_new_data_retransmits);
	tcase_add_loop_test(
		tc, loss_timeout_of_another_segment_lowers_ssthresh_again, 0,
		CC_CUBIC + 1);
	tcase_add_test(tc, loss_ack_of_the_retransmission_only_does_not_undo);
	tcase_add_test(tc,
		       loss_ack_of_data_sent_after_the_timeout_does_not_undo);
	tcase_add_test(tc, loss_without_sack_jump_of_una_does_not_undo);
	tcase_add_test(tc, recovery_eifel_undoes);
	tcase_add_test(
		tc,
		recovery_eifel_ack_of_an_earlier_retransmission_does_not_undo);
	tcase_add_test(tc, recovery_echo_of_the_retransmission_does_not_undo);
	tcase_add_test(tc, recovery_dsack_of_what_was_sent_again_undoes);
	tcase_add_test(tc, recovery_dsack_of_something_else_does_not_undo);
	tcase_add_test(tc, recovery_undo_is_forgotten_after_a_window);
	tcase_add_test(tc, disorder_sack_alone_does_not_grow_the_window);
	tcase_add_test(tc, recovery_prr_counts_what_the_first_ack_delivered);
	tcase_add_test(tc, recovery_prr_leaves_out_what_was_sacked_before);
	tcase_add_test(tc, recovery_reordering_timer_leaves_the_allowance);
	tcase_add_test(tc, established_stretch_ack_grows_like_many);
	tcase_add_test(tc,
		       established_application_limited_window_does_not_grow);
	return rig_main("recovery", tc);
}
