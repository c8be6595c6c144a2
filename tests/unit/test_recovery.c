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
	for (int i = 0; i < 99 && seq_lt(r.l.nxt, rig_ours(n * SEG)); i++)
		rig_run(&r, MS(1));
	ck_assert_uint_eq(board_outstanding(&r.l), n * SEG);
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
	ck_assert_int_eq(r.l.ca, CA_RECOVERY);
	ck_assert_uint_eq(r.l.ssthresh, 5 * SEG); /* half of cwnd */
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
	ck_assert_uint_eq(r.l.dupacks, 0);
}
END_TEST

/* RFC 6582, 3.2, step 3: a partial ACK retransmits the next hole at once. */
START_TEST(recovery_partial_ack_retransmits_next_hole)
{
	flight(RIG_PLAIN, 8);
	dupacks(0, 3);
	rig_run(&r, MS(90));
	rig_ack(&r, 4 * SEG);
	ck_assert_int_eq(r.l.ca, CA_RECOVERY);
	ck_assert_uint_eq(sent_off(4 * SEG), 1);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * SEG);
	ck_assert_int_eq(r.l.ca, CA_OPEN);
	ck_assert_uint_eq(r.l.cwnd, r.l.ssthresh);
}
END_TEST

/* RFC 6582, 3.2, step 2: "recover" guards against a second reduction. */
START_TEST(recovery_dupacks_of_the_same_window_do_not_reduce_again)
{
	uint32_t ssthresh;

	flight(RIG_PLAIN, 8);
	dupacks(0, 3);
	ssthresh = r.l.ssthresh;
	dupacks(0, 4);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * SEG);
	dupacks(8 * SEG, 3);
	ck_assert_uint_eq(r.l.ssthresh, ssthresh);
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
	ck_assert_int_eq(r.l.ca, CA_RECOVERY);
	ck_assert_uint_eq(sent_off(0), 1);
	before = r.ntx;
	for (uint32_t i = 4; i < 10; i++) {
		rig_run(&r, MS(15)); /* slower than pacing */
		RIG_SACK(&r, 0, SEG, (i + 1) * SEG);
		ck_assert_uint_le(board_pipe(&r.l), r.l.ssthresh);
	}
	rig_run(&r, MS(15));
	ck_assert_uint_eq(r.ntx - before, 6);
	ck_assert_uint_eq(board_pipe(&r.l), r.l.ssthresh);
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
	ck_assert_uint_eq(board_outstanding(&r.l), 20 * SEG);
	RIG_SACK(&r, 10 * SEG, 11 * SEG, 14 * SEG);
	ck_assert_int_eq(r.l.ca, CA_RECOVERY);
	before = r.ntx;
	for (uint32_t i = 14; i < 30; i++) {
		rig_run(&r, MS(15));
		RIG_SACK(&r, 10 * SEG, 11 * SEG, (i + 1) * SEG);
	}
	rig_run(&r, MS(15));
	/* of 20 segments 14 leave; one of them was the retransmission */
	ck_assert_uint_ge(r.ntx - before, 11);
	ck_assert_uint_le(r.ntx - before, 15);
	ck_assert_uint_le(board_pipe(&r.l), r.l.ssthresh + SEG);
}
END_TEST

START_TEST(recovery_cubic_reduces_to_seven_tenths)
{
	flight(RIG_NO_TS, 10);
	RIG_SACK(&r, 0, SEG, 4 * SEG);
	ck_assert_uint_eq(r.l.ssthresh, 7 * SEG);
	rig_run(&r, MS(90));
	rig_ack(&r, 10 * SEG);
	ck_assert_uint_eq(r.l.cwnd, 7 * SEG);
	ck_assert_int_eq(r.l.ca, CA_OPEN);
}
END_TEST

/* RFC 5681, 3.1: a timeout leaves one segment. */
START_TEST(loss_timeout_sends_one_segment)
{
	flight(RIG_PLAIN, 8);
	rig_run(&r, MS(400));
	ck_assert_int_eq(r.l.ca, CA_LOSS);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.l.cwnd, SEG);
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
	ck_assert_uint_eq(r.l.sndq.bytes, 0);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
}
END_TEST

/* RFC 5682: originals arrive after the timeout: it was spurious. */
START_TEST(loss_sack_of_originals_undoes)
{
	uint32_t cwnd;

	flight(RIG_NO_TS, 8);
	cwnd = r.l.cwnd;
	rig_run(&r, MS(330)); /* TLP, then RTO */
	while (r.l.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_ack(&r, 2 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 1);
	ck_assert_uint_ge(r.l.cwnd, cwnd);
	ck_assert_int_eq(r.l.ca, CA_OPEN);
	ck_assert_uint_eq(r.l.lost_bytes, 0);
}
END_TEST

START_TEST(loss_ack_of_the_retransmission_only_does_not_undo)
{
	flight(RIG_NO_TS, 8);
	rig_run(&r, MS(330));
	while (r.l.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_ack(&r, SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
	ck_assert_int_eq(r.l.ca, CA_LOSS);
}
END_TEST

START_TEST(loss_ack_of_data_sent_after_the_timeout_does_not_undo)
{
	flight(RIG_NO_TS, 3);
	rig_run(&r, MS(200));
	while (r.l.ca != CA_LOSS)
		rig_run(&r, MS(10));
	rig_write(&r, 10 * SEG);
	rig_ack(&r, SEG);
	rig_run(&r, MS(20));
	rig_ack(&r, 2 * SEG);
	rig_run(&r, MS(20));
	if (rig_last(&r)->off > 2 * SEG && r.l.ca == CA_LOSS)
		rig_ack(&r, 4 * SEG);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSpuriousRTOs), 0);
}
END_TEST

START_TEST(loss_without_sack_jump_of_una_does_not_undo)
{
	flight(RIG_PLAIN, 4);
	dupacks(0, 2); /* 2 and 3 arrived; 1 and 4 are lost */
	while (r.l.ca != CA_LOSS)
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
	cwnd = r.l.cwnd;
	early = r.tsecr;
	RIG_SACK(&r, 0, RIG_MSS, 4 * RIG_MSS);
	ck_assert_int_eq(r.l.ca, CA_RECOVERY);
	rig_run(&r, MS(10));
	r.tsecr = early; /* the original, late */
	rig_ack(&r, 8 * RIG_MSS);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 1);
	ck_assert_uint_ge(r.l.cwnd, cwnd);
}
END_TEST

START_TEST(recovery_echo_of_the_retransmission_does_not_undo)
{
	uint32_t cwnd;

	rig_establish_rtt(&r, RIG_ALL, MS(100));
	rig_write(&r, 8 * RIG_MSS);
	rig_run(&r, MS(90));
	cwnd = r.l.cwnd;
	RIG_SACK(&r, 0, RIG_MSS, 4 * RIG_MSS);
	rig_run(&r, MS(90));
	rig_ack(&r, 8 * RIG_MSS); /* tsecr: newest sent */
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPFullUndo), 0);
	ck_assert_uint_lt(r.l.cwnd, cwnd);
}
END_TEST

/* Lost ACKs: one stretch ACK for all is no reason to slow down. */
START_TEST(established_stretch_ack_grows_like_many)
{
	flight(RIG_NO_TS, 10);
	rig_ack(&r, 10 * SEG);
	ck_assert_uint_eq(r.l.cwnd, 20 * SEG);
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
	ck_assert_uint_eq(r.l.cwnd, 10 * SEG);
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
	tcase_add_test(tc, recovery_prr_above_ssthresh_sends_in_proportion);
	tcase_add_test(tc, recovery_cubic_reduces_to_seven_tenths);
	tcase_add_test(tc, loss_timeout_sends_one_segment);
	tcase_add_test(tc, loss_slow_start_retransmits_all_that_is_lost);
	tcase_add_test(tc, loss_sack_of_originals_undoes);
	tcase_add_test(tc, loss_ack_of_the_retransmission_only_does_not_undo);
	tcase_add_test(tc,
		       loss_ack_of_data_sent_after_the_timeout_does_not_undo);
	tcase_add_test(tc, loss_without_sack_jump_of_una_does_not_undo);
	tcase_add_test(tc, recovery_eifel_undoes);
	tcase_add_test(tc, recovery_echo_of_the_retransmission_does_not_undo);
	tcase_add_test(tc, established_stretch_ack_grows_like_many);
	tcase_add_test(tc,
		       established_application_limited_window_does_not_grow);
	return rig_main("recovery", tc);
}
