/* SPDX-License-Identifier: MIT */
/* BBR on a leg (src/tcp/bbr_leg.c): what the model is told, and who obeys. */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
	r.cfg.cc[LEG_CLIENT] = CC_BBR;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
}

static void teardown(void)
{
	rig_fini(&r);
}

#define SEG 1460u
#define RTT MS(100)

static const struct bbr *model(void)
{
	ck_assert_ptr_nonnull(r.l.cc.bbr);
	return &r.l.cc.bbr->model;
}

static uint32_t sent_bytes(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r.ntx; i++)
		n += r.tx[i].end - r.tx[i].off;
	return n;
}

/* The first window, a round trip later acknowledged. */
static void first_round(void)
{
	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 10 * SEG);
	ck_assert_uint_eq(sent_bytes(), 10 * SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 10 * SEG);
	rig_clear(&r);
}

/* 4.1: what was delivered since the packet was sent, through the time. */
START_TEST(established_ack_samples_the_rate)
{
	first_round();
	ck_assert_uint_eq(model()->bw, 10ull * SEG * USEC_PER_SEC / RTT);
	ck_assert_uint_eq(model()->min_rtt_us, RTT);
	ck_assert_uint_eq(r.l.cc.bbr->rate.delivered, 10 * SEG);
}
END_TEST

/* 4.1.1.3: less than the path takes says nothing about the path. */
START_TEST(established_little_to_send_keeps_the_rate)
{
	first_round();
	ck_assert(r.l.cc.bbr->rate.limited); /* there is nothing more */
	rig_write(&r, SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 11 * SEG);
	ck_assert(r.l.cc.bbr->sample.app_limited);
	ck_assert_uint_gt(r.l.cc.bbr->sample.rate, 0);
	ck_assert_uint_eq(model()->bw, 10ull * SEG * USEC_PER_SEC / RTT);
}
END_TEST

/* What the peer's window holds back says nothing about the path; */
START_TEST(established_full_window_of_the_peer_keeps_the_rate)
{
	first_round();
	r.wnd = (5 * SEG >> RIG_WS) + 1;
	rig_ack(&r, 10 * SEG);
	r.l.cc.bbr->rate.limited = false;
	rig_write(&r, 40 * SEG);
	rig_run(&r, RTT);
	ck_assert_uint_le(sent_bytes(), 6 * SEG);
	ck_assert(r.l.cc.bbr->rate.limited);
}
END_TEST

/* unless what is under way waits in a queue. */
START_TEST(established_full_window_in_a_queue_is_the_rate)
{
	first_round();
	rig_write(&r, 20 * SEG);
	rig_run(&r, 2 * RTT);
	r.wnd = (8 * SEG >> RIG_WS) + 1;
	rig_ack(&r, 12 * SEG);
	ck_assert_uint_gt(r.l.cc.bbr->rtt_us, RTT + RTT / 2);
	r.l.cc.bbr->rate.limited = false;
	rig_write(&r, 40 * SEG);
	ck_assert(!r.l.cc.bbr->rate.limited);
}
END_TEST

/* One that would hold half as much again as the path does limits nothing. */
START_TEST(established_full_window_that_is_ample_is_no_limit)
{
	first_round(); /* 10 segments a round trip */
	r.wnd = (16 * SEG >> RIG_WS) + 1;
	rig_ack(&r, 10 * SEG);
	r.l.cc.bbr->rate.limited = false;
	rig_write(&r, 40 * SEG);
	rig_run(&r, RTT);
	ck_assert_uint_le(sent_bytes(), 17 * SEG);
	ck_assert(!r.l.cc.bbr->rate.limited);
}
END_TEST

START_TEST(established_more_to_send_is_not_limited)
{
	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 100 * SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 10 * SEG);
	ck_assert(!r.l.cc.bbr->rate.limited);
	rig_run(&r, RTT);
	rig_ack(&r, 12 * SEG);
	ck_assert(!r.l.cc.bbr->sample.app_limited);
}
END_TEST

/* 5.6.2: by its rate, at most a millisecond's worth or two segments at once. */
START_TEST(established_second_window_keeps_the_rate)
{
	uint64_t rate;
	uint32_t at_once = 0;

	first_round();
	rate = r.l.cc.bbr->pacing_rate;
	ck_assert_uint_gt(rate, 2 * model()->bw);
	ck_assert_uint_lt(rate, 3 * model()->bw);
	rig_write(&r, 40 * SEG);
	rig_run(&r, MS(20));
	ck_assert_uint_ge(sent_bytes(), rate * 20 / 1000 - 2 * SEG);
	ck_assert_uint_le(sent_bytes(), rate * 21 / 1000 + 2 * SEG);
	for (uint32_t i = 0, k = 0; i < r.ntx; i++) {
		if (mono_sub(r.tx[i].at, r.tx[k].at) > 0)
			k = i;
		at_once = max_u32(at_once, r.tx[i].end - r.tx[k].off);
	}
	ck_assert_uint_le(at_once, 2 * r.l.cc.bbr->quantum);
}
END_TEST

/* So do the large packets of a fast path. */
START_TEST(established_large_packets_keep_the_rate)
{
	const uint32_t rate = 40000000; /* bytes a second: packets of 40 KB */

	first_round();
	r.l.cc.bbr->pacing_rate = rate;
	r.l.cc.bbr->quantum = rate / 1000;
	r.l.cc.cwnd = 4 << 20;
	rig_write(&r, 2 << 20);
	rig_run(&r, MS(20));
	ck_assert_uint_ge(sent_bytes(), rate / 1000 * 20 - rate / 1000);
	ck_assert_uint_le(sent_bytes(), rate / 1000 * 21 + 2 * rate / 1000);
}
END_TEST

/* Much to send at @rate bytes a second, and each timer late by @late_us:
 * what is sent, of what the rate allows. */
static double share_sent(uint32_t rate, int64_t late_us)
{
	mono_t begin;

	first_round();
	r.l.cc.bbr->pacing_rate = rate;
	r.l.cc.bbr->quantum = 2 * SEG;
	r.l.cc.cwnd = 4 << 20;
	r.wnd = UINT16_MAX;
	rig_ack(&r, 10 * SEG);
	begin = r.now;
	rig_write(&r, 3 << 20);
	rig_clear(&r);
	for (int i = 0; i < 30; i++) {
		r.now = mono_add(wheel_deadline(&r.wheel), late_us);
		rig_run(&r, 0);
	}
	return (double)sent_bytes() * USEC_PER_SEC / rate /
	       (double)mono_sub(r.now, begin);
}

/* A busy host wakes us late each time: that is made up for, */
START_TEST(established_late_timers_keep_the_rate)
{
	static const int64_t late_us[] = {MS(2), MS(5), MS(10), MS(19)};

	ck_assert_double_eq_tol(share_sent(1000000, late_us[_i]), 1, .05);
}
END_TEST

/* by no more than 20 ms at a time. */
START_TEST(established_late_timers_make_no_large_burst)
{
	ck_assert_double_eq_tol(share_sent(1000000, MS(100)), .22, .03);
}
END_TEST

/* The time in which the window was full is not made up for. */
START_TEST(established_full_window_earns_no_burst)
{
	first_round();
	r.l.cc.bbr->pacing_rate = 1000000;
	r.l.cc.bbr->quantum = 2 * SEG;
	r.l.cc.cwnd = 8 * SEG;
	rig_write(&r, 100 * SEG);
	rig_run(&r, MS(19)); /* paced, and then full */
	ck_assert_uint_eq(sent_bytes(), 8 * SEG);
	rig_clear(&r);
	r.l.cc.bbr->model.state = BBR_STARTUP;
	r.l.cc.cwnd = 40 * SEG;
	rig_pump(&r);
	ck_assert_uint_le(sent_bytes(), 4 * SEG);
}
END_TEST

/* 5.6.4.4: what was lost is sent again; the window and ssthresh stay. */
START_TEST(recovery_keeps_window)
{
	uint32_t cwnd;

	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 10 * SEG);
	rig_run(&r, RTT);
	cwnd = r.l.cc.cwnd;
	rig_clear(&r);
	RIG_SACK(&r, 0, SEG, 10 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_RECOVERY);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
	ck_assert_uint_eq(r.l.cc.ssthresh, SSTHRESH_INF);
	ck_assert_uint_eq(r.tx[0].off, 0);
	ck_assert_uint_eq(r.l.cc.bbr->rate.lost, SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 10 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
	ck_assert_uint_eq(r.l.cc.bbr->rate.delivered, 10 * SEG);
}
END_TEST

START_TEST(timeout_begins_with_one_segment_and_gets_it_back)
{
	uint32_t cwnd;

	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 10 * SEG);
	cwnd = r.l.cc.cwnd;
	while (!rig_count(&r, CNT_TcpExtTCPTimeouts))
		rig_run(&r, MS(10));
	ck_assert_int_eq(r.l.loss.ca, CA_LOSS);
	ck_assert_uint_le(r.l.cc.cwnd, board_pipe(&r.l) + SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 10 * SEG);
	ck_assert_int_eq(r.l.loss.ca, CA_OPEN);
	ck_assert_uint_ge(r.l.cc.cwnd, cwnd);
}
END_TEST

/* RFC 3168: a mark is congestion also where nothing is lost. */
START_TEST(cruise_congestion_mark_bounds_the_model)
{
	struct segment s;

	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	r.l.ecn_ok = true;
	r.l.cc.bbr->model.state = BBR_PROBE_CRUISE;
	rig_write(&r, 10 * SEG);
	rig_run(&r, RTT);
	s = rig_seg(&r, TCP_ACK | TCP_ECE, 0);
	s.ack = rig_ours(SEG);
	rig_in(&r, &s);
	ck_assert_int_eq(r.l.loss.ca, CA_CWR);
	ck_assert(model()->loss_in_round);
	ck_assert_uint_eq(r.l.cc.ssthresh, SSTHRESH_INF);
}
END_TEST

/* A smaller MTU makes all that is in flight be sent again: that is no loss. */
START_TEST(mtu_is_no_loss)
{
	struct icmp_error e = {.kind = ICMP_K_PTB, .mtu = 1200};

	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 10 * SEG);
	e.t = r.t;
	e.seq = r.l.snd.una;
	ck_assert_int_eq(leg_icmp(&r.l, &e, r.now), DROP_NONE);
	ck_assert_uint_lt(r.l.snd.mss, 1200);
	ck_assert_uint_eq(r.l.cc.bbr->rate.lost, 0);
}
END_TEST

/* A segment that was late does not tell of a queue; a round trip does. */
START_TEST(established_least_rtt_of_a_round_tells_of_a_queue)
{
	first_round();
	rig_write(&r, 20 * SEG);
	rig_run(&r, RTT);
	rig_ack(&r, 12 * SEG);
	ck_assert_uint_eq(r.l.cc.bbr->rtt_us, RTT);
	rig_run(&r, RTT); /* late: the rest was sent in this round trip */
	rig_ack(&r, 14 * SEG);
	ck_assert_uint_le(r.l.cc.bbr->rtt_us, RTT);
}
END_TEST

START_TEST(established_no_memory_is_cubic)
{
	void *taken[4];

	for (int i = 0; i < 4; i++)
		taken[i] = slab_alloc(&r.bbrs);
	first_round();
	ck_assert_str_eq(leg_cc(&r.l.cc)->name, "cubic");
	ck_assert_uint_eq(rig_count(&r, CNT_CongestionFallbacks), 1);
	ck_assert_uint_eq(r.l.cc.cwnd, 20 * SEG);
	for (int i = 0; i < 4; i++)
		slab_free(&r.bbrs, taken[i]);
}
END_TEST

/*
 * An exchange of 1,000 bytes and long silence, in turn.  Nothing is sent while
 * there is silence, and new data goes at once, whatever phase the model is in.
 * Each second time the first ACK is lost, and the tail loss probe draws another.
 */
START_TEST(established_silence_for_long_then_data_goes_at_once)
{
	static const int64_t silence[] = {SECS(33), SECS(70), SECS(5), MS(100)};
	uint32_t all = 10 * SEG;

	first_round();
	for (uint32_t i = 0; i < 40; i++) {
		all += 1000;
		rig_write(&r, 1000);
		ck_assert_uint_eq(sent_bytes(), 1000);
		if (i % 2) {
			rig_run(&r, 4 * RTT);
			ck_assert_uint_eq(r.ntx, 2);
			ck_assert_uint_eq(r.tx[1].end, all);
		}
		rig_run(&r, RTT);
		rig_ack(&r, all);
		rig_clear(&r);
		rig_run(&r, silence[i % 4]);
		ck_assert_uint_eq(r.ntx, 0);
		ck_assert_int_eq(r.l.state, TS_ESTABLISHED);
		ck_assert_int_eq(r.l.tmr.rtx_kind, RTX_NONE);
	}
}
END_TEST

START_TEST(closed_gives_the_state_back)
{
	first_round();
	ck_assert_uint_eq(r.bbrs.used, 1);
	leg_abort(&r.l);
	ck_assert_uint_eq(r.bbrs.used, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("bbr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_ack_samples_the_rate);
	tcase_add_test(tc, established_little_to_send_keeps_the_rate);
	tcase_add_test(tc, established_full_window_of_the_peer_keeps_the_rate);
	tcase_add_test(tc, established_full_window_in_a_queue_is_the_rate);
	tcase_add_test(tc, established_full_window_that_is_ample_is_no_limit);
	tcase_add_test(tc, established_more_to_send_is_not_limited);
	tcase_add_test(tc, established_second_window_keeps_the_rate);
	tcase_add_test(tc, established_large_packets_keep_the_rate);
	tcase_add_loop_test(tc, established_late_timers_keep_the_rate, 0, 4);
	tcase_add_test(tc, established_late_timers_make_no_large_burst);
	tcase_add_test(tc, established_full_window_earns_no_burst);
	tcase_add_test(tc, recovery_keeps_window);
	tcase_add_test(tc, timeout_begins_with_one_segment_and_gets_it_back);
	tcase_add_test(tc, cruise_congestion_mark_bounds_the_model);
	tcase_add_test(tc, mtu_is_no_loss);
	tcase_add_test(tc, established_least_rtt_of_a_round_tells_of_a_queue);
	tcase_add_test(tc, established_no_memory_is_cubic);
	tcase_add_test(tc, established_silence_for_long_then_data_goes_at_once);
	tcase_add_test(tc, closed_gives_the_state_back);
	return rig_main("leg_bbr", tc);
}
