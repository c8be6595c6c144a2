/* SPDX-License-Identifier: MIT */
/* CUBIC, HyStart++ and NewReno (src/tcp/cubic.c, cc.c). */
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

#include <math.h>

#define SEG 1000u
#define RTT MS(100)

/* A bare leg: congestion control sees cwnd, mss and time only. */
static void bare(enum tcp_cc_kind kind, uint32_t cwnd_seg)
{
	r.l.cc.kind = (uint8_t)kind;
	r.l.snd.mss = SEG;
	r.l.cc.cwnd = cwnd_seg * SEG;
	r.l.cc.ssthresh = SSTHRESH_INF;
	r.l.rtt.min_us = r.l.rtt.smoothed_us = RTT;
	leg_cc(&r.l.cc)->init(&r.l.cc);
	r.l.cc.hystart.window_end = r.l.snd.nxt;
}

/* One round trip: every byte of the window is acknowledged. */
static void round_trip(void)
{
	uint32_t n = r.l.cc.cwnd / SEG;

	for (uint32_t i = 0; i < n; i++) {
		r.now = mono_add(r.now, RTT / n);
		leg_cc(&r.l.cc)->on_ack(&r.l.cc, &r.l, SEG, r.now);
	}
}

static void lose(void)
{
	r.l.cc.ssthresh = leg_cc(&r.l.cc)->ssthresh(&r.l.cc, &r.l);
	r.l.cc.cwnd = r.l.cc.ssthresh;
}

/* RFC 9438, 4.2 and 4.3, in segments and seconds. */
static double closed_form(double w_max, double cwnd, double t)
{
	double k = cbrt((w_max - cwnd) / 0.4), d = t - k;
	double cubic = 0.4 * d * d * d + w_max;

	return cubic;
}

START_TEST(cubic_follows_the_closed_form)
{
	double t, w;
	mono_t begin;

	bare(CC_CUBIC, 1000);
	lose();
	ck_assert_uint_eq(r.l.cc.cwnd, 700 * SEG);
	begin = r.now;
	for (int i = 0; i < 150; i++) {
		round_trip();
		t = (double)mono_sub(r.now, begin) / 1e6;
		w = closed_form(1000, 700, t);
		ck_assert_msg(fabs(r.l.cc.cwnd / (double)SEG - w) < 0.04 * w,
			      "after %.1f s: %.0f, closed form %.0f", t,
			      r.l.cc.cwnd / (double)SEG, w);
	}
	ck_assert_uint_gt(r.l.cc.cwnd, 1000 * SEG);
}
END_TEST

/* 4.3: with short round trips Reno would be faster, so be Reno. */
START_TEST(cubic_is_never_slower_than_reno)
{
	uint32_t cubic;

	bare(CC_CUBIC, 20);
	lose();
	for (int i = 0; i < 10; i++)
		round_trip();
	cubic = r.l.cc.cwnd;
	/* alpha 0.53 up to w_max, then 1 a round trip */
	ck_assert_uint_ge(cubic, (uint32_t)((14 + 0.5 * 10) * SEG) - SEG);
}
END_TEST

/* 4.7: fast convergence gives room to newcomers. */
START_TEST(cubic_second_loss_below_w_max_remembers_less)
{
	bare(CC_CUBIC, 100);
	lose();
	ck_assert_uint_eq(r.l.cc.cubic.w_max, 100 * SEG);
	lose();
	ck_assert_uint_eq(r.l.cc.cubic.w_max, 70 * SEG / 20 * 17);
}
END_TEST

START_TEST(cubic_never_falls_below_two_segments)
{
	bare(CC_CUBIC, 3);
	lose();
	lose();
	lose();
	ck_assert_uint_eq(r.l.cc.ssthresh, 2 * SEG);
}
END_TEST

START_TEST(newreno_grows_one_segment_a_round_trip_and_halves)
{
	bare(CC_NEWRENO, 40);
	lose();
	ck_assert_uint_eq(r.l.cc.cwnd, 20 * SEG);
	for (uint32_t i = 1; i <= 10; i++) {
		round_trip();
		ck_assert_uint_le(r.l.cc.cwnd, (20 + i) * SEG);
		ck_assert_uint_ge(r.l.cc.cwnd, (20 + i - 1) * SEG);
	}
}
END_TEST

/* RFC 5681, 3.1 with RFC 3465: bytes acknowledged, up to ssthresh. */
START_TEST(slow_start_doubles_a_round_trip_and_stops_at_ssthresh)
{
	bare(CC_NEWRENO, 10);
	r.l.cc.ssthresh = 35 * SEG;
	round_trip();
	ck_assert_uint_eq(r.l.cc.cwnd, 20 * SEG);
	round_trip();
	ck_assert_uint_ge(r.l.cc.cwnd, 35 * SEG);
	ck_assert_uint_le(r.l.cc.cwnd, 36 * SEG);
}
END_TEST

/* One round of HyStart++: @n samples of @rtt. */
static void hystart_round(uint32_t rtt, uint32_t n)
{
	r.l.snd.una = r.l.snd.nxt;
	r.l.snd.nxt = seq_add(r.l.snd.nxt, r.l.cc.cwnd);
	for (uint32_t i = 0; i < n; i++) {
		hystart_on_rtt(&r.l.cc, &r.l, rtt);
		r.l.snd.una = seq_add(r.l.snd.una, 1);
	}
}

/* RFC 9406, 4.2: RTT rises by an eighth: conservative slow start. */
START_TEST(hystart_rising_rtt_quarters_growth_then_ends_slow_start)
{
	bare(CC_CUBIC, 50);
	hystart_round(MS(100), 10);
	hystart_round(MS(100), 10);
	ck_assert(!r.l.cc.hystart.css);
	hystart_round(MS(113), 10);
	ck_assert(r.l.cc.hystart.css);
	ck_assert_uint_eq(hystart_scale(&r.l.cc, 400), 100);
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(r.l.cc.ssthresh, SSTHRESH_INF);
		hystart_round(MS(113), 10);
	}
	ck_assert_uint_eq(r.l.cc.ssthresh, r.l.cc.cwnd);
}
END_TEST

START_TEST(hystart_needs_eight_samples)
{
	bare(CC_CUBIC, 50);
	hystart_round(MS(100), 10);
	hystart_round(MS(100), 10);
	hystart_round(MS(150), 7);
	ck_assert(!r.l.cc.hystart.css);
}
END_TEST

START_TEST(hystart_small_rise_is_no_sign)
{
	bare(CC_CUBIC, 50);
	hystart_round(MS(100), 10);
	hystart_round(MS(109), 10);
	hystart_round(MS(118), 10);
	ck_assert(!r.l.cc.hystart.css);
}
END_TEST

/* The threshold is between 4 and 16 ms. */
START_TEST(hystart_threshold_is_clamped)
{
	bare(CC_CUBIC, 50);
	hystart_round(MS(10), 10);
	hystart_round(MS(13), 10);
	ck_assert(!r.l.cc.hystart.css);
	bare(CC_CUBIC, 50);
	hystart_round(MS(600), 10);
	hystart_round(MS(617), 10);
	ck_assert(r.l.cc.hystart.css);
}
END_TEST

START_TEST(hystart_blip_returns_to_slow_start)
{
	bare(CC_CUBIC, 50);
	hystart_round(MS(100), 10);
	hystart_round(MS(120), 10);
	ck_assert(r.l.cc.hystart.css);
	hystart_round(MS(100), 10);
	ck_assert(!r.l.cc.hystart.css);
	ck_assert_uint_eq(hystart_scale(&r.l.cc, 400), 400);
}
END_TEST

/* RFC 9406, 4.3: only the first slow start does not know where to end. */
START_TEST(hystart_later_slow_start_is_plain)
{
	bare(CC_CUBIC, 50);
	r.l.cc.ssthresh = 400 * SEG;
	hystart_round(MS(100), 10);
	hystart_round(MS(100), 10);
	hystart_round(MS(150), 10);
	ck_assert(!r.l.cc.hystart.css);
	for (int i = 0; i < 6; i++)
		hystart_round(MS(150), 10);
	ck_assert_uint_eq(r.l.cc.ssthresh, 400 * SEG);
}
END_TEST

/* 4.3, with so large a window that an ACK adds less than a byte. */
START_TEST(cubic_w_est_keeps_fractions)
{
	uint32_t before;

	bare(CC_CUBIC, 4000);
	lose();
	leg_cc(&r.l.cc)->on_ack(&r.l.cc, &r.l, SEG, r.now);
	before = r.l.cc.cubic.w_est;
	for (uint32_t i = 0; i < 2800; i++)
		leg_cc(&r.l.cc)->on_ack(&r.l.cc, &r.l, SEG, r.now);
	ck_assert_uint_ge(r.l.cc.cubic.w_est - before, SEG * 50 / 100);
	ck_assert_uint_le(r.l.cc.cubic.w_est - before, SEG * 55 / 100);
}
END_TEST

#define LEN 1460u

/* Congestion avoidance with a round trip of 100 ms; bytes sent so far. */
static uint32_t after_a_loss(void)
{
	uint32_t off = 40 * LEN;

	rig_establish_rtt(&r, RIG_NO_TS, RTT);
	rig_write(&r, 10 * LEN);
	rig_run(&r, MS(90));
	RIG_SACK(&r, 0, LEN, 4 * LEN);
	rig_run(&r, MS(90));
	rig_ack(&r, 10 * LEN);
	rig_write(&r, 30 * LEN);
	while (seq_lt(r.l.snd.una, rig_ours(off))) {
		rig_run(&r, RTT);
		rig_ack(&r, seq_span(r.l.snd.nxt, rig_ours(0)));
	}
	ck_assert_uint_ge(r.l.cc.cwnd, r.l.cc.ssthresh);
	return off;
}

/* Full windows, each acknowledged after a round trip: never more than one
 * segment each, which is what Reno would do with so small a window. */
static void full_windows_grow_like_reno(void)
{
	rig_write(&r, 400 * LEN);
	for (int i = 0; i < 6; i++) {
		uint32_t before = r.l.cc.cwnd;

		rig_run(&r, RTT);
		rig_ack(&r, seq_span(r.l.snd.nxt, rig_ours(0)));
		ck_assert_uint_gt(r.l.cc.cwnd, before);
		ck_assert_uint_le(r.l.cc.cwnd, before + LEN + 20);
	}
}

/* RFC 9438, 4.2: t leaves out what was limited by the application. */
START_TEST(cubic_thin_minute_does_not_count)
{
	uint32_t off = after_a_loss(), cwnd = r.l.cc.cwnd;

	for (int i = 0; i < 400; i++) {
		rig_write(&r, 100);
		off += 100;
		rig_run(&r, MS(150));
		rig_ack(&r, off);
	}
	ck_assert_uint_eq(r.l.cc.cwnd, cwnd);
	full_windows_grow_like_reno();
}
END_TEST

/* The window is below the initial one, so nothing restarts it (5681, 4.1). */
START_TEST(cubic_idle_minute_does_not_count)
{
	after_a_loss();
	ck_assert_uint_lt(r.l.cc.cwnd, 10 * LEN);
	rig_run(&r, SECS(60));
	full_windows_grow_like_reno();
}
END_TEST

START_TEST(each_leg_uses_its_own_congestion_control)
{
	r.cfg.cc[LEG_CLIENT] = CC_NEWRENO;
	r.cfg.cc[LEG_SERVER] = CC_CUBIC;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	ck_assert_str_eq(leg_cc(&r.l.cc)->name, "newreno");
	leg_init(&r.l, &r.env, &r.cfg, LEG_SERVER, &r.t, &r.sink);
	ck_assert_str_eq(leg_cc(&r.l.cc)->name, "cubic");
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("cubic");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, cubic_follows_the_closed_form);
	tcase_add_test(tc, cubic_is_never_slower_than_reno);
	tcase_add_test(tc, cubic_second_loss_below_w_max_remembers_less);
	tcase_add_test(tc, cubic_never_falls_below_two_segments);
	tcase_add_test(tc, newreno_grows_one_segment_a_round_trip_and_halves);
	tcase_add_test(tc,
		       slow_start_doubles_a_round_trip_and_stops_at_ssthresh);
	tcase_add_test(tc,
		       hystart_rising_rtt_quarters_growth_then_ends_slow_start);
	tcase_add_test(tc, hystart_needs_eight_samples);
	tcase_add_test(tc, hystart_small_rise_is_no_sign);
	tcase_add_test(tc, hystart_threshold_is_clamped);
	tcase_add_test(tc, hystart_blip_returns_to_slow_start);
	tcase_add_test(tc, hystart_later_slow_start_is_plain);
	tcase_add_test(tc, cubic_w_est_keeps_fractions);
	tcase_add_test(tc, cubic_thin_minute_does_not_count);
	tcase_add_test(tc, cubic_idle_minute_does_not_count);
	tcase_add_test(tc, each_leg_uses_its_own_congestion_control);
	return rig_main("cubic", tc);
}
