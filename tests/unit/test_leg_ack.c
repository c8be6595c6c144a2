/* SPDX-License-Identifier: MIT */
/* The ACK step (src/tcp/ack.c): RFC 9293, 3.10.7.4, fifth; RFC 5961, 5. */
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

START_TEST(established_ack_releases_what_it_covers)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 1000);
	ck_drop(rig_ack(&r, 400), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.q.bytes, 600);
	ck_assert_uint_eq(r.l.snd.una.v, rig_ours(400).v);
	ck_assert(r.l.ev & LEG_EV_ROOM);
	ck_drop(rig_ack(&r, 1000), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
	ck_assert_uint_eq(r.l.tmr.rtx_kind, RTX_NONE);
	ck_assert_uint_eq(rig_count(&r, CNT_BytesAcked), 1000);
}
END_TEST

START_TEST(established_ack_of_unsent_data_is_answered_and_dropped)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 1000);
	rig_clear(&r);
	ck_drop(rig_ack(&r, 1001), DROP_ACK_FUTURE);
	ck_assert_uint_eq(r.l.snd.q.bytes, 1000);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_ACK);
}
END_TEST

/* Data that comes with an unacceptable ACK is not taken either. */
START_TEST(established_data_with_future_ack_is_not_delivered)
{
	rig_establish(&r, RIG_ALL);
	r.acked = 5;
	ck_drop(rig_data(&r, 0, 100), DROP_ACK_FUTURE);
	ck_assert_uint_eq(r.sink.bytes, 0);
}
END_TEST

/* RFC 5961, 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK, and not before what was
 * ever acknowledged. */
START_TEST(established_ghost_ack_beyond_max_window_is_dropped)
{
	struct segment s;

	r.wnd = 100; /* unscaled on the SYN; << 7 later */
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 1000);
	rig_ack(&r, 1000);
	rig_clear(&r);
	s = rig_seg(&r, TCP_ACK, 0);
	s.ack = rig_ours(0);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.ntx, 0);
	s.ack = seq_sub(rig_ours(0), 1);
	ck_drop(rig_in(&r, &s), DROP_ACK_OLD);
	ck_assert_uint_eq(r.ntx, 1);
	rig_clear(&r);
	rig_run(&r, USEC_PER_SEC);
	r.l.snd.iss_far = true; /* so much was sent that numbers came round */
	s.ack = seq_sub(r.l.snd.una, r.l.snd.max_wnd);
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.ntx, 0);
	s.ack = seq_sub(r.l.snd.una, r.l.snd.max_wnd + 1);
	ck_drop(rig_in(&r, &s), DROP_ACK_OLD);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.l.snd.una.v, rig_ours(1000).v);
}
END_TEST

START_TEST(established_old_ack_does_not_move_una_or_window)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 1000);
	rig_ack(&r, 1000);
	r.wnd = 7;
	ck_drop(rig_ack(&r, 500), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.una.v, rig_ours(1000).v);
	ck_assert_uint_eq(r.l.snd.wnd, 60000u << RIG_WS);
}
END_TEST

START_TEST(established_window_is_scaled_as_agreed)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 3;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.l.snd.wnd, 3u << RIG_WS);
}
END_TEST

START_TEST(established_window_without_scaling_is_taken_as_it_is)
{
	rig_establish(&r, OPT_HAS_MSS);
	r.wnd = 65535;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.l.snd.wnd, 65535);
}
END_TEST

/* RFC 7323, 2.3: a scale above 14 counts as 14. */
START_TEST(established_window_scale_above_14_counts_as_14)
{
	struct segment s = rig_syn(&r, RIG_ALL);

	s.opts.wscale = 200;
	leg_open_passive(&r.l, &s, SEQ(RIG_ISS), 1, r.now);
	leg_accept(&r.l, r.now);
	rig_pump(&r);
	r.wnd = 1;
	rig_ack(&r, 0);
	ck_assert_uint_eq(r.l.snd.wnd, 1u << 14);
}
END_TEST

/* WL1, WL2: a segment that was overtaken does not set the window. */
START_TEST(established_reordered_window_is_ignored)
{
	struct segment old;

	rig_establish(&r, RIG_ALL);
	old = rig_seg(&r, TCP_ACK, 0);
	old.wnd = 1;
	rig_data(&r, 0, 100);
	ck_drop(rig_in(&r, &old), DROP_SEQ_OLD);
	ck_assert_uint_eq(r.l.snd.wnd, 60000u << RIG_WS);
}
END_TEST

START_TEST(established_peer_shrinks_window_without_harm)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 4 * RIG_MSS);
	r.wnd = 0;
	ck_drop(rig_ack(&r, RIG_MSS), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.wnd, 0);
	rig_run(&r, MS(900)); /* what is out is retransmitted at una only */
	for (uint32_t i = 4; i < r.ntx; i++)
		ck_assert_uint_le(r.tx[i].off, 4 * RIG_MSS);
	r.wnd = 60000;
	rig_ack(&r, RIG_MSS);
	rig_run(&r, SECS(2));
	rig_ack(&r, 4 * RIG_MSS);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

START_TEST(established_ack_division_does_not_inflate_cwnd)
{
	uint32_t cwnd;

	rig_establish(&r, RIG_ALL);
	rig_write(&r, 10 * RIG_MSS);
	rig_run(&r, MS(8));
	cwnd = r.l.cc.cwnd;
	for (uint32_t a = 1; a <= 10 * RIG_MSS; a += 10)
		rig_ack(&r, a);
	rig_ack(&r, 10 * RIG_MSS);
	ck_assert_uint_le(r.l.cc.cwnd, cwnd + 10 * RIG_MSS);
}
END_TEST

START_TEST(established_ece_reduces_once_a_window_and_sends_cwr)
{
	struct segment s;
	uint32_t cwnd, ssthresh;

	rig_establish_ecn(&r, RIG_ALL, MS(10));
	rig_write(&r, 40 * RIG_MSS);
	rig_run(&r, MS(8));
	cwnd = r.l.cc.cwnd;
	rig_clear(&r);
	r.acked = RIG_MSS;
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	rig_in(&r, &s);
	ssthresh = r.l.cc.ssthresh;
	ck_assert_uint_eq(ssthresh, cwnd / 10 * 7);
	r.acked = 2 * RIG_MSS;
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	rig_in(&r, &s);
	ck_assert_uint_eq(r.l.cc.ssthresh, ssthresh);
	for (uint32_t a = 3; a <= 10; a++) {
		rig_run(&r, MS(2));
		rig_ack(&r, a * RIG_MSS);
	}
	ck_assert_uint_gt(r.ntx, 0);
	ck_assert_uint_eq(r.tx[0].s.flags & TCP_CWR, TCP_CWR);
	ck_assert_uint_eq(r.tx[0].s.ecn, ECN_ECT0);
	for (uint32_t i = 1; i < r.ntx; i++)
		ck_assert_uint_eq(r.tx[i].s.flags & TCP_CWR, 0);
}
END_TEST

/* RFC 3168, 6.1.2 and 6.1.5: neither CWR nor ECT is of a retransmission. */
START_TEST(established_cwr_waits_for_new_data)
{
	struct segment s;

	rig_establish_ecn(&r, RIG_ALL, MS(10));
	rig_write(&r, 4 * RIG_MSS);
	rig_run(&r, MS(8));
	rig_clear(&r);
	r.acked = RIG_MSS;
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	rig_in(&r, &s);
	rig_run(&r, SECS(2)); /* nothing is new: the rest goes again */
	ck_assert_uint_gt(r.ntx, 1);
	for (uint32_t i = 0; i < r.ntx; i++) {
		ck_assert_uint_eq(r.tx[i].s.flags & TCP_CWR, 0);
		ck_assert_uint_eq(r.tx[i].s.ecn, ECN_NOT_ECT);
	}
	rig_clear(&r);
	rig_ack(&r, 4 * RIG_MSS);
	rig_write(&r, RIG_MSS);
	rig_run(&r, MS(10));
	ck_assert_uint_gt(r.ntx, 0);
	ck_assert_uint_eq(r.tx[0].s.flags & TCP_CWR, TCP_CWR);
	ck_assert_uint_eq(r.tx[0].s.ecn, ECN_ECT0);
}
END_TEST

START_TEST(established_without_ecn_ece_is_ignored)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_write(&r, 4 * RIG_MSS);
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	rig_in(&r, &s);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_eq(r.tx[0].s.ecn, ECN_NOT_ECT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("ack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_ack_releases_what_it_covers);
	tcase_add_test(tc,
		       established_ack_of_unsent_data_is_answered_and_dropped);
	tcase_add_test(tc, established_data_with_future_ack_is_not_delivered);
	tcase_add_test(tc, established_ghost_ack_beyond_max_window_is_dropped);
	tcase_add_test(tc, established_old_ack_does_not_move_una_or_window);
	tcase_add_test(tc, established_window_is_scaled_as_agreed);
	tcase_add_test(tc,
		       established_window_without_scaling_is_taken_as_it_is);
	tcase_add_test(tc, established_window_scale_above_14_counts_as_14);
	tcase_add_test(tc, established_reordered_window_is_ignored);
	tcase_add_test(tc, established_peer_shrinks_window_without_harm);
	tcase_add_test(tc, established_ack_division_does_not_inflate_cwnd);
	tcase_add_test(tc, established_ece_reduces_once_a_window_and_sends_cwr);
	tcase_add_test(tc, established_cwr_waits_for_new_data);
	tcase_add_test(tc, established_without_ecn_ece_is_ignored);
	return rig_main("ack", tc);
}
