/* SPDX-License-Identifier: MIT */
/* What tests and the state matrix once found wrong: it stays mended. */
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

/* Our ACK of the FIN was lost: the peer sends it again until it is answered. */
START_TEST(close_wait_repeated_fin_is_acked)
{
	struct segment s;

	rig_goto(&r, TS_CLOSE_WAIT);
	rig_run(&r, SECS(1));
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(0);
	rig_in(&r, &s);
	rig_run(&r, MS(100));
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

START_TEST(close_wait_repeated_data_with_fin_is_acked)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 20);
	rig_in(&r, &s);
	rig_run(&r, SECS(1));
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 20);
	s.seq = rig_peer(0);
	rig_in(&r, &s);
	rig_run(&r, MS(100));
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

/* Nobody knows when the SYN-ACK left. */
START_TEST(cookie_ack_gives_no_rtt_sample)
{
	struct tcp_opts o = {.has = RIG_ALL, .mss = 1460, .wscale = 7};

	leg_open_cookie(&r.l,
			&(struct leg_resume){.peer = &o,
					     .irs = SEQ(RIG_IRS),
					     .iss = SEQ(RIG_ISS),
					     .ts_off = 1},
			r.now);
	rig_ack(&r, 0);
	ck_state(&r, TS_ESTABLISHED);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, 0);
}
END_TEST

/* RFC 6298, 5: the back-off stays until a sample that is not ambiguous. */
START_TEST(karn_backoff_stays_until_a_valid_sample)
{
	rig_establish(&r, RIG_NO_TS);
	rig_write(&r, 100);
	rig_run(&r, MS(1000)); /* 200 ms, 400 ms: back-off 2 */
	ck_assert_uint_ge(r.l.rtt.backoff, 2);
	rig_ack(&r, 100); /* ambiguous: no sample */
	rig_write(&r, 100);
	ck_assert_uint_ge(r.l.rtt.backoff, 1);
}
END_TEST

/* RFC 9293, 3.10.7.4 and RFC 5961 hold in SYN_RECEIVED too. */
START_TEST(syn_received_inexact_rst_is_challenged)
{
	struct segment s;

	rig_goto(&r, TS_SYN_RECEIVED);
	s = rig_seg(&r, TCP_RST, 0);
	s.seq = rig_peer(5);
	ck_drop(rig_in(&r, &s), DROP_RST_INEXACT);
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

START_TEST(syn_received_old_segment_is_acked)
{
	struct segment s;

	rig_goto(&r, TS_SYN_RECEIVED);
	s = rig_seg(&r, TCP_ACK, 0);
	s.seq = seq_sub(rig_peer(0), 50);
	ck_drop(rig_in(&r, &s), DROP_SEQ_OLD);
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

/* Only bytes that are new are bytes that nobody will read. */
START_TEST(fin_wait_2_repeated_data_does_not_abort_when_nobody_reads)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 100);
	rig_close(&r);
	rig_ack(&r, 1);
	leg_sink_gone(&r.l, r.now);
	ck_drop(rig_data(&r, 0, 100), DROP_DUPLICATE);
	ck_state(&r, TS_FIN_WAIT_2);
}
END_TEST

/* The DSACK comes after the ACK that ended the recovery. */
START_TEST(established_dsack_after_recovery_undoes)
{
	uint32_t cwnd;

	rig_establish(&r, RIG_NO_TS);
	rig_write(&r, 10 * 1460);
	cwnd = r.l.cc.cwnd;
	rig_run(&r, MS(10));
	RIG_SACK(&r, 0, 1460, 2 * 1460);
	RIG_SACK(&r, 0, 1460, 3 * 1460);
	RIG_SACK(&r, 0, 1460, 4 * 1460);
	rig_run(&r, MS(4));
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	rig_ack(&r, 10 * 1460); /* originals arrived after all */
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	RIG_SACK(&r, 10 * 1460, 0, 1460); /* and the copy */
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKUndo), 1);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
}
END_TEST

/* RFC 9293, 3.10.7.1: nothing of ours was sent. */
START_TEST(listen_abort_resets_with_seq_zero)
{
	rig_listen(&r, RIG_ALL);
	leg_abort(&r.l);
	rig_pump(&r);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(0).v);
	ck_assert_uint_eq(r.tx[0].s.seq.v, 0);
}
END_TEST

/* Also when the ACK leaves nothing outstanding. */
START_TEST(established_ece_on_ack_of_everything_reduces)
{
	struct segment s;
	uint32_t cwnd;

	rig_establish_ecn(&r, RIG_ALL, MS(10));
	rig_write(&r, 10 * RIG_MSS);
	cwnd = r.l.cc.cwnd;
	rig_run(&r, MS(10));
	r.acked = 10 * RIG_MSS;
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	rig_in(&r, &s);
	ck_assert_uint_lt(r.l.cc.ssthresh, cwnd);
}
END_TEST

/* A FIN that would cut off what was SACKed is forged. */
START_TEST(established_fin_below_held_data_is_refused)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 100);
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(500);
	rig_in(&r, &s);
	ck_assert(!r.l.rcv.fin_known);
}
END_TEST

/* Segments with data cannot loop: their answers are not limited. */
START_TEST(established_old_data_is_acked_each_time)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 4000);
	rig_run(&r, MS(100));
	rig_clear(&r);
	for (int i = 0; i < 3; i++) {
		rig_data(&r, i * 1000, 500);
		rig_run(&r, MS(10));
	}
	ck_assert_uint_eq(r.ntx, 3);
}
END_TEST

/* tcp_invalid_ratelimit holds for SYN-ACKs too. */
START_TEST(syn_received_repeated_syn_answers_are_limited)
{
	rig_goto(&r, TS_SYN_RECEIVED);
	for (int i = 0; i < 1000; i++) {
		struct segment s = rig_syn(&r, RIG_ALL);
		rig_in(&r, &s);
	}
	ck_assert_uint_le(r.ntx, 2);
}
END_TEST

/* RFC 5482, within the bounds of the configuration. */
START_TEST(established_uto_option_is_honoured)
{
	struct segment s;

	r.cfg.user_timeout = SECS(300);
	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_ACK, 0);
	s.opts.has |= OPT_HAS_UTO;
	s.opts.uto = 100;
	rig_in(&r, &s);
	ck_assert_uint_eq(r.l.tmr.uto_ms, 100000);
}
END_TEST

/* tcp_user_timeout is the most that the peer gets, L_LIMIT or not. */
START_TEST(uto_option_never_raises_the_configured_timeout)
{
	static const struct {
		int64_t limit_s;
		uint16_t uto;
		uint32_t want_ms;
	} row[] = {
		{20, 1, 20000},	    {20, 100, 20000},	   {20, 0x8001, 20000},
		{100, 1, 100000},   {100, 0xffff, 100000}, {300, 1, 100000},
		{300, 200, 200000}, {300, 0x8004, 240000}, {300, 400, 300000},
	};

	for (uint32_t i = 0; i < ARRAY_LEN(row); i++) {
		struct segment s;

		r.cfg.user_timeout = SECS(row[i].limit_s);
		leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
		rig_establish(&r, RIG_ALL);
		ck_assert_uint_eq(r.l.tmr.uto_ms, row[i].limit_s * 1000);
		s = rig_seg(&r, TCP_ACK, 0);
		s.opts.has |= OPT_HAS_UTO;
		s.opts.uto = row[i].uto;
		rig_in(&r, &s);
		ck_assert_uint_eq(r.l.tmr.uto_ms, row[i].want_ms);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

START_TEST(closing_repeated_fin_is_acked)
{
	struct segment s;

	rig_goto(&r, TS_CLOSING);
	rig_run(&r, MS(1));
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	s.seq = rig_peer(0);
	rig_in(&r, &s);
	rig_run(&r, MS(45));
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

/* RFC 4821: a path that swallows large packets and says nothing. */
START_TEST(established_repeated_loss_of_large_packets_finds_black_hole)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 10 * RIG_MSS);
	rig_run(&r, SECS(20));
	ck_assert_uint_lt(r.l.snd.mss, RIG_MSS);
}
END_TEST

/* RFC 2883, 4.2: a duplicate of held data. */
START_TEST(board_dsack_inside_the_second_block_is_recognised)
{
	rig_establish(&r, RIG_NO_TS);
	rig_write(&r, 6 * 1460);
	rig_run(&r, MS(6));
	r.mute = true;
	RIG_SACK(&r, 0, 2920, 4380, 1460, 5840);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKRecv), 1);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 3 * 1460);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("found");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, close_wait_repeated_fin_is_acked);
	tcase_add_test(tc, close_wait_repeated_data_with_fin_is_acked);
	tcase_add_test(tc, cookie_ack_gives_no_rtt_sample);
	tcase_add_test(tc, karn_backoff_stays_until_a_valid_sample);
	tcase_add_test(tc, syn_received_inexact_rst_is_challenged);
	tcase_add_test(tc, syn_received_old_segment_is_acked);
	tcase_add_test(
		tc, fin_wait_2_repeated_data_does_not_abort_when_nobody_reads);
	tcase_add_test(tc, established_dsack_after_recovery_undoes);
	tcase_add_test(tc, listen_abort_resets_with_seq_zero);
	tcase_add_test(tc, established_ece_on_ack_of_everything_reduces);
	tcase_add_test(tc, established_fin_below_held_data_is_refused);
	tcase_add_test(tc, established_old_data_is_acked_each_time);
	tcase_add_test(tc, syn_received_repeated_syn_answers_are_limited);
	tcase_add_test(tc, established_uto_option_is_honoured);
	tcase_add_test(tc, uto_option_never_raises_the_configured_timeout);
	tcase_add_test(tc, closing_repeated_fin_is_acked);
	tcase_add_test(
		tc,
		established_repeated_loss_of_large_packets_finds_black_hole);
	tcase_add_test(tc, board_dsack_inside_the_second_block_is_recognised);
	return rig_main("found", tc);
}
