/* SPDX-License-Identifier: MIT */
/*
 * NewReno's congestion avoidance (RFC 5681, 3.1): one segment per window.
 */
#include "internal.h"

static void newreno_reset(struct leg_cong *cc)
{
	cc->newreno.acked = 0;
}

static void newreno_on_ack(struct leg_cong *cc, const struct leg *l,
			   uint32_t acked, mono_t now)
{
	struct cc_newreno *n = &cc->newreno;

	(void)now;
	acked = cc_slow_start(cc, acked);
	if (!acked)
		return;
	/* count bytes, so that it is exactly one segment per window (RFC 3465,
	 * 2.1) */
	n->acked += acked;
	if (n->acked >= cc->cwnd) {
		n->acked -= cc->cwnd;
		cc->cwnd += l->snd.mss;
	}
}

static uint32_t newreno_ssthresh(struct leg_cong *cc, const struct leg *l)
{
	cc->newreno.acked = 0;
	return max_u32(cc->cwnd / 2, 2u * l->snd.mss);
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = newreno_reset,
	.on_ack = newreno_on_ack,
	.ssthresh = newreno_ssthresh,
	.reset = newreno_reset,
};
