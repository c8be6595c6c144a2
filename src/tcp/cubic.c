/* SPDX-License-Identifier: MIT */
/*
 * CUBIC (RFC 9438).
 *
 *   W_cubic(t) = C (t - K)^3 + W_max        K = cbrt((W_max - cwnd) / C)
 *
 * in segments and seconds, C = 0.4, beta = 0.7.  While Reno would have a larger
 * window (W_est, 4.3), that window is used.  Windows are kept in bytes; the
 * cubic is evaluated in double, once per ACK that grows cwnd. t leaves out the
 * time in which something other than cwnd limited the sender (4.2): the start
 * of the epoch is moved forward by that time.
 */
#include <math.h>

#include "internal.h"

#define CUBIC_C 0.4
#define CUBIC_BETA_NUM 7u	      /* tenths */
#define CUBIC_ALPHA 0.529411764705882 /* 3 (1 - beta) / (1 + beta) */

static void cubic_init(struct leg_cong *cc)
{
	memset(&cc->cubic, 0, sizeof(cc->cubic));
	hystart_init(&cc->hystart);
}

static void cubic_epoch(struct leg_cong *cc, uint16_t mss, mono_t now)
{
	struct cc_cubic *c = &cc->cubic;

	c->epoch_ms = ms_clock(now);
	c->w_est = cc->cwnd;
	c->w_est_frac = 0;
	c->w_max = max_u32(c->w_max, cc->cwnd);
	c->k_ms =
		(uint32_t)(cbrt((double)(c->w_max - cc->cwnd) / mss / CUBIC_C) *
			   1000.0);
}

static void cubic_on_unused(struct leg_cong *cc, mono_t now)
{
	struct cc_cubic *c = &cc->cubic;

	if (!c->epoch_ms)
		return;
	c->epoch_ms += ms_clock(now) - c->seen_ms;
	c->seen_ms = ms_clock(now);
}

/* The value of the cubic one RTT from now, bytes. */
static double cubic_target(const struct leg_cong *cc, const struct leg *l,
			   mono_t now)
{
	const struct cc_cubic *c = &cc->cubic;
	double t = (ms_clock(now) - c->epoch_ms) / 1e3 + l->rtt.min_us / 1e6;
	double d = t - c->k_ms / 1000.0;
	double w = c->w_max + CUBIC_C * d * d * d * l->snd.mss;
	double max = 1.5 * cc->cwnd;

	return w < cc->cwnd ? cc->cwnd : w > max ? max : w;
}

/* The window that Reno would have.  Fractions of a byte are kept. */
static void grow_w_est(struct leg_cong *cc, uint16_t mss, uint32_t acked)
{
	struct cc_cubic *c = &cc->cubic;
	double alpha = cc->cwnd < c->w_max ? CUBIC_ALPHA : 1.0;
	double n = alpha * acked / cc->cwnd * mss + c->w_est_frac / 65536.0;
	uint32_t whole = (uint32_t)n;

	c->w_est_frac = (uint16_t)((n - whole) * 65536.0);
	c->w_est = min_u32(c->w_est + whole, SSTHRESH_INF);
}

static void cubic_on_ack(struct leg_cong *cc, const struct leg *l,
			 uint32_t acked, mono_t now)
{
	struct cc_cubic *c = &cc->cubic;
	double grow;

	acked = cc_slow_start(cc, acked);
	if (!acked)
		return;
	if (!c->epoch_ms)
		cubic_epoch(cc, l->snd.mss, now);
	c->seen_ms = ms_clock(now);
	grow_w_est(cc, l->snd.mss, acked);
	grow = (cubic_target(cc, l, now) - cc->cwnd) * acked / cc->cwnd;
	/* round up, so that fractions of a byte are not lost */
	cc->cwnd += (uint32_t)grow + (grow > 0 ? 1 : 0);
	if (c->w_est > cc->cwnd)
		cc->cwnd = c->w_est;
}

static uint32_t cubic_ssthresh(struct leg_cong *cc, const struct leg *l)
{
	struct cc_cubic *c = &cc->cubic;

	c->epoch_ms = 0;
	/* fast convergence (4.7) */
	if (cc->cwnd < c->w_last_max)
		c->w_max = cc->cwnd / 20 * (10 + CUBIC_BETA_NUM);
	else
		c->w_max = cc->cwnd;
	c->w_last_max = cc->cwnd;
	return max_u32(cc->cwnd / 10 * CUBIC_BETA_NUM, 2u * l->snd.mss);
}

static void cubic_reset(struct leg_cong *cc)
{
	cc->cubic.epoch_ms = 0;
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.on_ack = cubic_on_ack,
	.ssthresh = cubic_ssthresh,
	.on_unused = cubic_on_unused,
	.on_rtt = hystart_on_rtt,
	.reset = cubic_reset,
};
