/* SPDX-License-Identifier: MIT */
/* RACK-TLP (src/tcp/rack.c): RFC 8985. */
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

/* @n segments in flight, sent within a few milliseconds; RTT 100 ms. */
static void flight(uint32_t n)
{
	rig_establish_rtt(&r, RIG_NO_TS, MS(100));
	rig_write(&r, n * SEG);
	for (int i = 0; i < 99 && seq_lt(r.l.snd.nxt, rig_ours(n * SEG)); i++)
		rig_run(&r, MS(1));
	ck_assert_uint_eq(r.ntx, n);
	rig_clear(&r);
}

static uint32_t sent_off(uint32_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r.ntx; i++)
		n += r.tx[i].off == off && r.tx[i].s.data.len;
	return n;
}

/* 5.2, step 4: DUPTHRESH segments SACKed and no reordering seen: at once. */
START_TEST(rack_third_sack_retransmits_at_once)
{
	flight(8);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, SEG, 2 * SEG);
	RIG_SACK(&r, 0, SEG, 3 * SEG);
	ck_assert_uint_eq(sent_off(0), 0);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	ck_assert_uint_eq(sent_off(0), 1);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSackRecovery), 1);
}
END_TEST

/* 6.2, step 4: DupThresh counts segments, however small they are. */
START_TEST(rack_third_small_sack_retransmits_at_once)
{
	rig_establish_rtt(&r, RIG_NO_TS, MS(100));
	for (int i = 0; i < 6; i++) {
		rig_write(&r, 100);
		rig_run(&r, _i ? MS(1) : 0);
	}
	ck_assert_uint_eq(r.ntx, 6);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, 100, 200);
	RIG_SACK(&r, 0, 100, 300);
	ck_assert_uint_eq(r.ntx, 6);
	RIG_SACK(&r, 0, 100, 400);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_eq(sent_off(0), 2);
}
END_TEST

/* The same in one block: a burst is one run, whatever it was cut into. */
START_TEST(rack_block_of_three_segments_retransmits_and_of_two_waits)
{
	flight(8);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, 4 * SEG, (_i ? 7 : 6) * SEG);
	ck_assert_int_eq(r.l.loss.ca, _i ? CA_RECOVERY : CA_DISORDER);
}
END_TEST

/* 6.3: a timeout takes for lost what was sent long enough ago. */
START_TEST(rack_timeout_leaves_fresh_data_in_flight)
{
	uint32_t fresh = 0;

	flight(10);
	while (r.l.loss.ca != CA_LOSS) {
		bool due = r.l.tmr.rtx_kind == RTX_RTO &&
			   mono_sub(r.l.tmr.rtx, r.now) < MS(60);

		if (due && !fresh) {
			fresh = 3 * 200;
			r.l.cc.cwnd += 3 * SEG;
			for (int i = 0; i < 3; i++)
				rig_write(&r, 200);
		}
		rig_run(&r, MS(1));
	}
	ck_assert_uint_gt(fresh, 0);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), 10 * SEG + fresh);
	ck_assert_uint_eq(r.l.loss.lost_bytes, 9 * SEG);
	ck_assert_uint_eq(board_pipe(&r.l), SEG + fresh);
}
END_TEST

/* A single SACK: after min_rtt / 4. */
START_TEST(rack_one_sack_retransmits_after_the_reordering_window)
{
	flight(3);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, SEG, 2 * SEG);
	ck_assert_uint_eq(r.l.tmr.rtx_kind, RTX_REO);
	rig_run(&r, MS(15));
	ck_assert_uint_eq(sent_off(0), 0);
	rig_run(&r, MS(15));
	ck_assert_uint_eq(sent_off(0), 1);
}
END_TEST

START_TEST(rack_late_original_within_the_window_is_no_loss)
{
	uint32_t cwnd;

	flight(3);
	cwnd = r.l.cc.cwnd;
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, SEG, 2 * SEG);
	rig_run(&r, MS(10));
	rig_ack(&r, 3 * SEG);
	rig_run(&r, MS(200));
	ck_assert_uint_eq(r.ntx, 0);
	ck_assert(r.l.loss.rack.reordering_seen);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
}
END_TEST

/* Once reordering was seen three SACKs do not suffice any more. */
START_TEST(rack_after_reordering_three_sacks_wait)
{
	flight(3);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, SEG, 2 * SEG);
	rig_ack(&r, 3 * SEG);
	rig_write(&r, 8 * SEG);
	rig_run(&r, MS(60));
	rig_clear(&r);
	rig_run(&r, MS(40));
	RIG_SACK(&r, 3 * SEG, 4 * SEG, 7 * SEG);
	ck_assert_uint_eq(sent_off(3 * SEG), 0);
	ck_assert_uint_eq(r.l.tmr.rtx_kind, RTX_REO);
	rig_run(&r, MS(60));
	ck_assert_uint_eq(sent_off(3 * SEG), 1);
}
END_TEST

/* 6.2: two blocks that are new in one ACK came in order all the same. */
START_TEST(rack_two_new_blocks_in_one_ack_are_no_reordering)
{
	flight(8);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, 6 * SEG, 7 * SEG, 2 * SEG, 3 * SEG);
	ck_assert(!r.l.loss.rack.reordering_seen);
}
END_TEST

/* A lost retransmission is found by what was sent after it. */
START_TEST(rack_lost_retransmission_is_sent_again)
{
	flight(8);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, SEG, 5 * SEG);
	rig_write(&r, 20 * SEG);
	rig_run(&r, MS(5));
	ck_assert_uint_eq(sent_off(0), 1);
	rig_run(&r, MS(60));
	RIG_SACK(&r, 0, SEG, 8 * SEG); /* clocks out new data */
	ck_assert_uint_gt(rig_last(&r)->off, 7 * SEG);
	rig_run(&r, MS(100));
	RIG_SACK(&r, 0, SEG, rig_last(&r)->end);
	rig_run(&r, MS(60));
	ck_assert_uint_eq(sent_off(0), 2);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLostRetransmit), 1);
}
END_TEST

/* 7.2: the probe after two RTTs; with one segment, 200 ms more. */
START_TEST(tlp_lost_tail_is_probed_after_two_round_trips)
{
	mono_t begin;

	flight(4);
	begin = r.now;
	rig_run(&r, MS(250));
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].off, 3 * SEG);
	ck_assert_uint_eq(r.tx[0].s.data.len, SEG);
	ck_assert_int_le(mono_sub(r.tx[0].at, begin), MS(206));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbes), 1);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), 0);
}
END_TEST

/* 7.2: where the RTO would come first the probe takes its place: the window
 * stays, and the next repeat comes one RTO later, not two. */
START_TEST(tlp_of_one_segment_comes_when_the_rto_would)
{
	flight(1);
	rig_run(&r, MS(650));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbes), 1);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), 1);
	ck_assert_uint_eq(sent_off(0), 2);
}
END_TEST

START_TEST(tlp_sends_new_data_when_there_is_some)
{
	flight(10); /* cwnd is full */
	rig_write(&r, SEG);
	ck_assert_uint_eq(r.ntx, 0);
	rig_run(&r, MS(250));
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].off, 10 * SEG);
}
END_TEST

START_TEST(tlp_probes_once_an_episode)
{
	flight(4);
	rig_run(&r, MS(450));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbes), 1);
}
END_TEST

/* 7.4: the probe repaired a loss that nothing else reported. */
START_TEST(tlp_probe_that_repaired_a_loss_slows_down)
{
	uint32_t cwnd;

	flight(5); /* the last one is lost */
	cwnd = r.l.cc.cwnd;
	rig_run(&r, MS(95));
	rig_ack(&r, 3 * SEG);
	rig_run(&r, MS(225));
	ck_assert_uint_eq(rig_last(&r)->off, 4 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), 0);
	rig_write(&r, SEG);
	rig_ack(&r, 6 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbeRecovery), 1);
	ck_assert_uint_lt(r.l.cc.ssthresh, cwnd);
}
END_TEST

START_TEST(tlp_probe_of_delivered_data_does_not_slow_down)
{
	uint32_t cwnd;

	flight(4);
	cwnd = r.l.cc.cwnd;
	rig_run(&r, MS(250)); /* ACKs were late */
	ck_assert_uint_eq(r.ntx, 1);
	rig_ack(&r, 4 * SEG);
	RIG_SACK(&r, 4 * SEG, 3 * SEG, 4 * SEG); /* the probe: a duplicate */
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbeRecovery), 0);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
	ck_assert(!r.l.loss.rack.tlp_active);
}
END_TEST

START_TEST(tlp_sack_of_probe_starts_recovery)
{
	flight(4);
	rig_run(&r, MS(250));
	ck_assert_uint_eq(r.ntx, 1);
	rig_run(&r, MS(100));
	RIG_SACK(&r, 0, 3 * SEG, 4 * SEG);
	rig_run(&r, MS(40));
	ck_assert_uint_eq(sent_off(0), 1);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPTimeouts), 0);
}
END_TEST

START_TEST(tlp_without_sack_is_not_used)
{
	rig_establish_rtt(&r, RIG_PLAIN, MS(100));
	rig_write(&r, 4 * SEG);
	rig_run(&r, SECS(2));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbes), 0);
	ck_assert_uint_gt(rig_count(&r, CNT_TcpExtTCPTimeouts), 0);
}
END_TEST

/* 6.2, step 4: each round with a DSACK widens the window, 16 recoveries. */
START_TEST(rack_dsack_widens_the_reordering_window)
{
	flight(4);
	rig_ack(&r, 2 * SEG);
	RIG_SACK(&r, 2 * SEG, 0, SEG);
	ck_assert_uint_eq(r.l.loss.rack.reo_mult, 1);
	RIG_SACK(&r, 2 * SEG, SEG, 2 * SEG); /* the same round: once */
	ck_assert_uint_eq(r.l.loss.rack.reo_mult, 1);
	ck_assert_uint_eq(r.l.loss.rack.reo_persist, 16);
}
END_TEST

/* 6.2, step 4: a recovery begun by a timeout counts as well. */
START_TEST(rack_timeout_recovery_counts_against_the_wider_window)
{
	flight(10);
	rig_ack(&r, 2 * SEG);
	RIG_SACK(&r, 2 * SEG, 0, SEG);
	ck_assert_uint_eq(r.l.loss.rack.reo_persist, 16);
	while (r.l.loss.ca != CA_LOSS)
		rig_run(&r, MS(10));
	for (uint32_t a = 3; r.l.loss.ca == CA_LOSS && a <= 10; a++) {
		rig_run(&r, MS(100));
		rig_ack(&r, a * SEG);
	}
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_eq(r.l.loss.rack.reo_persist, 15);
}
END_TEST

/* 7.1: recovery ends the probe's episode, or the loss would count twice. */
START_TEST(tlp_probe_that_began_recovery_reduces_once)
{
	uint32_t ssthresh;

	flight(8);
	rig_run(&r, MS(95));
	rig_ack(&r, 4 * SEG);
	rig_run(&r, MS(230));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbes), 1);
	rig_run(&r, MS(80));
	RIG_SACK(&r, 4 * SEG, 7 * SEG, 8 * SEG); /* answers the probe */
	rig_run(&r, MS(60));
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert(!r.l.loss.rack.tlp_active);
	rig_run(&r, MS(100));
	rig_ack(&r, 8 * SEG);
	ssthresh = r.l.cc.ssthresh;
	rig_write(&r, SEG);
	rig_run(&r, MS(100));
	rig_ack(&r, 9 * SEG);
	ck_assert_uint_eq(r.l.cc.ssthresh, ssthresh);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPLossProbeRecovery), 0);
}
END_TEST

START_TEST(rack_lost_fin_is_sent_again)
{
	flight(2);
	rig_close(&r);
	ck_state(&r, TS_FIN_WAIT_1);
	rig_ack(&r, 2 * SEG);
	rig_clear(&r);
	rig_run(&r, MS(700));
	ck_assert_uint_ge(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags & TCP_FIN, TCP_FIN);
	ck_assert_uint_eq(r.tx[0].off, 2 * SEG);
	rig_ack(&r, 2 * SEG + 1);
	ck_state(&r, TS_FIN_WAIT_2);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rack_third_sack_retransmits_at_once);
	tcase_add_test(tc,
		       rack_one_sack_retransmits_after_the_reordering_window);
	tcase_add_test(tc, rack_late_original_within_the_window_is_no_loss);
	tcase_add_test(tc, rack_after_reordering_three_sacks_wait);
	tcase_add_test(tc, rack_two_new_blocks_in_one_ack_are_no_reordering);
	tcase_add_test(tc, rack_lost_retransmission_is_sent_again);
	tcase_add_test(tc, tlp_lost_tail_is_probed_after_two_round_trips);
	tcase_add_test(tc, tlp_of_one_segment_comes_when_the_rto_would);
	tcase_add_test(tc, tlp_sends_new_data_when_there_is_some);
	tcase_add_test(tc, tlp_probes_once_an_episode);
	tcase_add_test(tc, tlp_probe_that_repaired_a_loss_slows_down);
	tcase_add_test(tc, tlp_probe_of_delivered_data_does_not_slow_down);
	tcase_add_test(tc, tlp_sack_of_probe_starts_recovery);
	tcase_add_test(tc, tlp_without_sack_is_not_used);
	tcase_add_test(tc, rack_dsack_widens_the_reordering_window);
	tcase_add_loop_test(tc, rack_third_small_sack_retransmits_at_once, 0,
			    2);
	tcase_add_loop_test(
		tc, rack_block_of_three_segments_retransmits_and_of_two_waits,
		0, 2);
	tcase_add_test(tc, rack_timeout_leaves_fresh_data_in_flight);
	tcase_add_test(tc,
		       rack_timeout_recovery_counts_against_the_wider_window);
	tcase_add_test(tc, tlp_probe_that_began_recovery_reduces_once);
	tcase_add_test(tc, rack_lost_fin_is_sent_again);
	return rig_main("rack", tc);
}
