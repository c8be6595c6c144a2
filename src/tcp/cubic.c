/* SPDX-License-Identifier: MIT */
/*
 * CUBIC (RFC 9438).
 *
 *   W_cubic(t) = C (t - K)^3 + W_max        K = cbrt((W_max - cwnd) / C)
 *
 * in segments and seconds, C = 0.4, beta = 0.7.  Below the window that Reno
 * would have (W_est, 4.3) the larger of the two is followed.  Windows are kept
 * in bytes; the cubic is evaluated in double, once per ACK that grows cwnd.
 * t leaves out the time in which something else than cwnd limited us (4.2):
 * the epoch's beginning moves on by as much.
 */
#include <math.h>

#include "internal.h"

#define CUBIC_C 0.4
#define CUBIC_BETA_NUM 7u	      /* tenths */
#define CUBIC_ALPHA 0.529411764705882 /* 3 (1 - beta) / (1 + beta) */
#define HYSTART_MIN_RTT_THRESH_US 4000u
#define HYSTART_MAX_RTT_THRESH_US 16000u
#define HYSTART_SAMPLES 8
#define HYSTART_CSS_GROWTH 4u
#define HYSTART_CSS_ROUNDS 5

static void cubic_init(struct leg *l)
{
	memset(&l->cubic, 0, sizeof(l->cubic));
	memset(&l->hystart, 0, sizeof(l->hystart));
	l->hystart.last_min_us = UINT32_MAX;
	l->hystart.cur_min_us = UINT32_MAX;
}

static void cubic_epoch(struct leg *l, mono_t now)
{
	struct cc_cubic *c = &l->cubic;

	c->epoch_ms = ms_clock(now);
	c->w_est = l->cwnd;
	l->w_est_frac = 0;
	c->w_max = max_u32(c->w_max, l->cwnd);
	c->k_ms = (uint32_t)(cbrt((double)(c->w_max - l->cwnd) / l->mss /
				  CUBIC_C) *
			     1000.0);
}

static void cubic_on_unused(struct leg *l, mono_t now)
{
	struct cc_cubic *c = &l->cubic;

	if (!c->epoch_ms)
		return;
	c->epoch_ms += ms_clock(now) - c->seen_ms;
	c->seen_ms = ms_clock(now);
}

/* The cubic's window one RTT from now, bytes. */
static double cubic_target(const struct leg *l, mono_t now)
{
	const struct cc_cubic *c = &l->cubic;
	double t = (ms_clock(now) - c->epoch_ms) / 1e3 + l->min_rtt_us / 1e6;
	double d = t - c->k_ms / 1000.0;
	double w = c->w_max + CUBIC_C * d * d * d * l->mss;
	double max = 1.5 * l->cwnd;

	return w < l->cwnd ? l->cwnd : w > max ? max : w;
}

/* The window that Reno would have; fractions of a byte add up. */
static void grow_w_est(struct leg *l, uint32_t acked)
{
	struct cc_cubic *c = &l->cubic;
	double alpha = l->cwnd < c->w_max ? CUBIC_ALPHA : 1.0;
	double n = alpha * acked / l->cwnd * l->mss + l->w_est_frac / 65536.0;
	uint32_t whole = (uint32_t)n;

	l->w_est_frac = (uint16_t)((n - whole) * 65536.0);
	c->w_est = min_u32(c->w_est + whole, SSTHRESH_INF);
}

static void cubic_on_ack(struct leg *l, uint32_t acked, mono_t now)
{
	struct cc_cubic *c = &l->cubic;
	double grow;

	acked = cc_slow_start(l, acked);
	if (!acked)
		return;
	if (!c->epoch_ms)
		cubic_epoch(l, now);
	c->seen_ms = ms_clock(now);
	grow_w_est(l, acked);
	grow = (cubic_target(l, now) - l->cwnd) * acked / l->cwnd;
	/* carry the fraction below one byte over by rounding up */
	l->cwnd += (uint32_t)grow + (grow > 0 ? 1 : 0);
	if (c->w_est > l->cwnd)
		l->cwnd = c->w_est;
}

static uint32_t cubic_ssthresh(struct leg *l, mono_t now)
{
	struct cc_cubic *c = &l->cubic;

	(void)now;
	c->epoch_ms = 0;
	/* fast convergence (4.7) */
	if (l->cwnd < c->w_last_max)
		c->w_max = l->cwnd / 20 * (10 + CUBIC_BETA_NUM);
	else
		c->w_max = l->cwnd;
	c->w_last_max = l->cwnd;
	return max_u32(l->cwnd / 10 * CUBIC_BETA_NUM, 2u * l->mss);
}

static void cubic_reset(struct leg *l, mono_t now)
{
	(void)now;
	l->cubic.epoch_ms = 0;
}

/* RFC 9406, 4.2: leave the first slow start when the RTT rises (4.3: later ones
 * know where to end). */
void hystart_on_rtt(struct leg *l, uint32_t rtt_us, mono_t now)
{
	struct cc_hystart *h = &l->hystart;
	uint32_t thresh;

	(void)now;
	if (l->ssthresh < SSTHRESH_INF)
		return;
	if (seq_ge(l->una, h->window_end)) { /* a new round */
		h->window_end = l->nxt;
		h->last_min_us = h->cur_min_us;
		h->cur_min_us = UINT32_MAX;
		h->samples = 0;
		if (h->css && ++h->css_rounds >= HYSTART_CSS_ROUNDS) {
			l->ssthresh = l->cwnd;
			h->css = false;
			leg_count(l, CNT_TcpExtTCPHystartDelayDetect);
			return;
		}
	}
	h->cur_min_us = min_u32(h->cur_min_us, rtt_us);
	if (h->samples < 255)
		h->samples++;
	if (h->samples < HYSTART_SAMPLES || h->last_min_us == UINT32_MAX)
		return;
	if (h->css) {
		if (h->cur_min_us < h->css_base_us) {
			h->css = false; /* a blip: back to slow start */
			h->css_base_us = UINT32_MAX;
		}
		return;
	}
	thresh = clamp_u32(h->last_min_us / 8, HYSTART_MIN_RTT_THRESH_US,
			   HYSTART_MAX_RTT_THRESH_US);
	if (h->cur_min_us >= h->last_min_us + thresh) {
		h->css = true;
		h->css_rounds = 0;
		h->css_base_us = h->cur_min_us;
	}
}

uint32_t hystart_scale(const struct leg *l, uint32_t acked)
{
	if (!l->hystart.css || l->cc != CC_CUBIC)
		return acked;
	return acked / HYSTART_CSS_GROWTH;
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
