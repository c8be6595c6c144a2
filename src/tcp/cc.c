/* SPDX-License-Identifier: MIT */
/*
 * What congestion-control modules share: slow start with appropriate byte
 * counting (RFC 3465), the initial window (RFC 6928), and NewReno (RFC 5681).
 */
#include "internal.h"

const struct cc_ops *leg_cc(const struct leg *l)
{
	return l->cc == CC_CUBIC ? &cc_cubic : &cc_newreno;
}

uint32_t leg_initial_cwnd(const struct leg *l)
{
	return IW_SEGMENTS * l->mss;
}

uint32_t cc_slow_start(struct leg *l, uint32_t acked)
{
	uint32_t room, take;

	if (l->cwnd >= l->ssthresh)
		return acked;
	room = l->ssthresh - l->cwnd;
	take = min_u32(acked, room);
	l->cwnd += hystart_scale(l, take);
	return acked - take;
}

static void newreno_init(struct leg *l)
{
	(void)l;
}

static void newreno_on_ack(struct leg *l, uint32_t acked, mono_t now)
{
	(void)now;
	acked = cc_slow_start(l, acked);
	if (!acked)
		return;
	/* one segment per window, exactly: count bytes (RFC 3465, 2.1) */
	l->cubic.w_est += acked;
	if (l->cubic.w_est >= l->cwnd) {
		l->cubic.w_est -= l->cwnd;
		l->cwnd += l->mss;
	}
}

static void newreno_on_unused(struct leg *l, mono_t now)
{
	(void)l; /* it counts bytes, not time */
	(void)now;
}

static uint32_t newreno_ssthresh(struct leg *l, mono_t now)
{
	(void)now;
	l->cubic.w_est = 0;
	return max_u32(l->cwnd / 2, 2u * l->mss);
}

static void newreno_on_rtt(struct leg *l, uint32_t rtt_us, mono_t now)
{
	(void)l;
	(void)rtt_us;
	(void)now;
}

static void newreno_reset(struct leg *l, mono_t now)
{
	(void)now;
	l->cubic.w_est = 0;
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = newreno_init,
	.on_ack = newreno_on_ack,
	.ssthresh = newreno_ssthresh,
	.on_unused = newreno_on_unused,
	.on_rtt = newreno_on_rtt,
	.reset = newreno_reset,
};
