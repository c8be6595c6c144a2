/* SPDX-License-Identifier: MIT */
/* A leg's verbs (src/tcp/leg.c): closing, aborting, draining. */
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

START_TEST(established_shutdown_joins_fin_to_last_data)
{
	rig_establish(&r, RIG_ALL);
	r.mute = true;
	rig_write(&r, 100);
	leg_shutdown(&r.l);
	r.mute = false;
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_ACK | TCP_PSH | TCP_FIN);
	ck_assert_uint_eq(r.tx[0].s.data.len, 100);
	ck_state(&r, TS_FIN_WAIT_1);
}
END_TEST

START_TEST(syn_received_shutdown_sends_fin_once_established)
{
	rig_syn_received(&r, RIG_ALL);
	leg_shutdown(&r.l);
	rig_pump(&r);
	ck_state(&r, TS_SYN_RECEIVED);
	rig_ack(&r, 0);
	ck_state(&r, TS_FIN_WAIT_1);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_ACK | TCP_FIN);
}
END_TEST

START_TEST(fin_wait_1_shutdown_again_does_nothing)
{
	rig_goto(&r, TS_FIN_WAIT_1);
	rig_close(&r);
	ck_assert_uint_eq(r.ntx, 0);
	ck_state(&r, TS_FIN_WAIT_1);
}
END_TEST

/* The FIN takes a place in the window (RFC 9293, 3.4). */
START_TEST(established_fin_waits_for_window)
{
	rig_establish(&r, RIG_PLAIN);
	r.wnd = 1;
	rig_ack(&r, 0); /* 128 bytes */
	rig_write(&r, 128);
	rig_close(&r);
	rig_run(&r, MS(50));
	for (uint32_t i = 0; i < r.ntx; i++)
		ck_assert_uint_eq(r.tx[i].s.flags & TCP_FIN, 0);
	r.wnd = 2;
	rig_ack(&r, 128);
	ck_state(&r, TS_FIN_WAIT_1);
}
END_TEST

static const uint8_t rst_states[] = {TS_SYN_RECEIVED, TS_ESTABLISHED,
				     TS_FIN_WAIT_1, TS_FIN_WAIT_2,
				     TS_CLOSE_WAIT};

START_TEST(abort_sends_rst_at_nxt)
{
	uint8_t st = rst_states[_i];
	seq_t nxt;

	rig_goto(&r, st);
	nxt = r.l.snd.nxt;
	leg_abort(&r.l);
	rig_pump(&r);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(r.tx[0].s.seq.v, nxt.v);
	ck_assert_uint_eq(r.tx[0].s.ack.v, r.l.rcv.nxt.v);
}
END_TEST

static const uint8_t silent_states[] = {TS_SYN_SENT, TS_TIME_WAIT, TS_CLOSED};

START_TEST(abort_is_silent_where_no_rst_is_due)
{
	rig_goto(&r, silent_states[_i]);
	leg_abort(&r.l);
	rig_pump(&r);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.ntx, 0);
}
END_TEST

START_TEST(established_vanish_says_nothing)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 100);
	rig_clear(&r);
	leg_vanish(&r.l);
	rig_pump(&r);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.ntx, 0);
	ck_assert_uint_eq(r.pool.held, 0);
}
END_TEST

/* RST as RST, but after the bytes that were acknowledged to their sender. */
START_TEST(established_abort_after_drain_delivers_then_resets)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 20 * RIG_MSS);
	leg_abort_after_drain(&r.l, r.now);
	rig_pump(&r);
	ck_state(&r, TS_ESTABLISHED);
	for (uint32_t a = 1; a <= 20 && r.l.state != TS_CLOSED; a++) {
		rig_run(&r, MS(10));
		ck_assert_uint_eq(rig_last(&r)->s.flags & TCP_RST, 0);
		rig_ack(&r, a * RIG_MSS);
	}
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(rig_last(&r)->off, 20 * RIG_MSS);
}
END_TEST

START_TEST(established_abort_after_drain_is_bounded)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 20 * RIG_MSS);
	leg_abort_after_drain(&r.l, r.now);
	for (int i = 0; i < 62; i++) {
		rig_run(&r, SECS(1));
		if (r.l.state != TS_CLOSED)
			rig_ack(&r, 0);
	}
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_RST | TCP_ACK);
}
END_TEST

START_TEST(established_abort_after_drain_of_nothing_resets_at_once)
{
	rig_establish(&r, RIG_ALL);
	leg_abort_after_drain(&r.l, r.now);
	rig_pump(&r);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

/* RFC 9293, 3.6.1: data that nobody will read resets. */
START_TEST(fin_wait_2_data_after_sink_gone_resets)
{
	rig_goto(&r, TS_FIN_WAIT_2);
	leg_sink_gone(&r.l, r.now);
	ck_drop(rig_data(&r, 0, 10), DROP_AFTER_CLOSE);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(rig_last(&r)->s.flags & TCP_RST, TCP_RST);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPAbortOnData), 1);
}
END_TEST

/* --- ICMP (RFC 5927) --- */

static enum drop_reason icmp(enum icmp_kind kind, seq_t seq, uint32_t mtu)
{
	struct icmp_error e = {
		.t = r.t, .seq = seq, .kind = kind, .mtu = mtu, .family = 4};
	enum drop_reason why = leg_icmp(&r.l, &e, r.now);

	rig_pump(&r);
	return why;
}

START_TEST(established_ptb_in_flight_lowers_mss_and_sends_again)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 2 * RIG_MSS);
	rig_clear(&r);
	ck_drop(icmp(ICMP_K_PTB, rig_ours(0), 1000), DROP_NONE);
	ck_assert_uint_eq(r.l.snd.mss, 1000 - 40 - 12);
	rig_run(&r, MS(20));
	ck_assert_uint_ge(r.ntx, 3);
	ck_assert_uint_eq(r.tx[0].off, 0);
	for (uint32_t i = 0; i < r.ntx; i++)
		ck_assert_uint_le(r.tx[i].s.data.len, 948);
}
END_TEST

/* A link below the least that MSS follows: whoever needs to cuts the rest. */
START_TEST(established_ptb_of_narrow_link_lets_routers_fragment)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 2 * RIG_MSS);
	ck_drop(icmp(ICMP_K_PTB, rig_ours(0), 552), DROP_NONE);
	ck_assert(!r.l.snd.pmtu_blackhole);
	rig_clear(&r);
	ck_drop(icmp(ICMP_K_PTB, rig_ours(0), 296), DROP_NONE);
	rig_run(&r, MS(20));
	ck_assert_uint_ge(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].off, 0);
	ck_assert_uint_eq(r.l.snd.mss, 552 - 40 - 12);
	ck_assert(r.l.snd.pmtu_blackhole);
	ck_drop(icmp(ICMP_K_PTB, rig_ours(0), 68), DROP_ICMP_OUT_OF_WINDOW);
}
END_TEST

START_TEST(established_ptb_out_of_window_is_dropped)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 2 * RIG_MSS);
	ck_drop(icmp(ICMP_K_PTB, r.l.snd.nxt, 1000), DROP_ICMP_OUT_OF_WINDOW);
	ck_drop(icmp(ICMP_K_PTB, SEQ(RIG_ISS), 1000), DROP_ICMP_OUT_OF_WINDOW);
	ck_assert_uint_eq(r.l.snd.mss, RIG_MSS);
}
END_TEST

START_TEST(syn_sent_hard_unreachable_ends_it)
{
	rig_syn_sent(&r);
	ck_drop(icmp(ICMP_K_UNREACH_SOFT, SEQ(RIG_ISS), 0), DROP_NONE);
	ck_state(&r, TS_SYN_SENT);
	ck_drop(icmp(ICMP_K_UNREACH_HARD, SEQ(RIG_ISS), 0), DROP_NONE);
	ck_state(&r, TS_CLOSED);
	ck_assert_uint_eq(r.l.ev, LEG_EV_UNREACH);
}
END_TEST

/* RFC 5927, 5.2: an established connection takes no error as hard. */
START_TEST(established_hard_unreachable_is_soft)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 100);
	ck_drop(icmp(ICMP_K_UNREACH_HARD, rig_ours(0), 0), DROP_NONE);
	ck_state(&r, TS_ESTABLISHED);
}
END_TEST

START_TEST(closed_icmp_finds_no_flow)
{
	ck_drop(icmp(ICMP_K_PTB, SEQ(1), 1000), DROP_ICMP_NO_FLOW);
}
END_TEST

START_TEST(wscale_offer_follows_rmem)
{
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 7);
	r.cfg.rmem[2] = 33554432;
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 10);
	r.cfg.rmem[2] = 65535;
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 0);
	r.cfg.rmem[2] = 65536;
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 1);
	r.cfg.rmem[2] = 1u << 30;
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 14);
	r.cfg.window_scaling = 0;
	ck_assert_uint_eq(leg_wscale_offer(&r.cfg), 0);
}
END_TEST

START_TEST(mss_offer_is_the_ethernet_mtu)
{
	ck_assert_uint_eq(leg_mss_offer(4), 1460);
	ck_assert_uint_eq(leg_mss_offer(6), 1440);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("close");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_shutdown_joins_fin_to_last_data);
	tcase_add_test(tc, syn_received_shutdown_sends_fin_once_established);
	tcase_add_test(tc, fin_wait_1_shutdown_again_does_nothing);
	tcase_add_test(tc, established_fin_waits_for_window);
	tcase_add_loop_test(tc, abort_sends_rst_at_nxt, 0,
			    ARRAY_LEN(rst_states));
	tcase_add_loop_test(tc, abort_is_silent_where_no_rst_is_due, 0,
			    ARRAY_LEN(silent_states));
	tcase_add_test(tc, established_vanish_says_nothing);
	tcase_add_test(tc, established_abort_after_drain_delivers_then_resets);
	tcase_add_test(tc, established_abort_after_drain_is_bounded);
	tcase_add_test(tc,
		       established_abort_after_drain_of_nothing_resets_at_once);
	tcase_add_test(tc, fin_wait_2_data_after_sink_gone_resets);
	tcase_add_test(tc,
		       established_ptb_in_flight_lowers_mss_and_sends_again);
	tcase_add_test(tc,
		       established_ptb_of_narrow_link_lets_routers_fragment);
	tcase_add_test(tc, established_ptb_out_of_window_is_dropped);
	tcase_add_test(tc, syn_sent_hard_unreachable_ends_it);
	tcase_add_test(tc, established_hard_unreachable_is_soft);
	tcase_add_test(tc, closed_icmp_finds_no_flow);
	tcase_add_test(tc, wscale_offer_follows_rmem);
	tcase_add_test(tc, mss_offer_is_the_ethernet_mtu);
	return rig_main("close", tc);
}
