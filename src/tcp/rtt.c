/* SPDX-License-Identifier: MIT */
/*
 * Round-trip time and retransmission timeout (RFC 6298).
 *
 * Samples come from runs never retransmitted (Karn).  RTO is srtt + 4 rttvar,
 * the variance term at least 200 ms as in Linux, at most 120 s, doubled by
 * each expiry.  The minimum over the last minutes serves RACK and HyStart.
 */
#include "internal.h"

#define MIN_RTT_WINDOW_MS 300000u

void rtt_init(struct leg *l)
{
	l->rto_us = RTO_INIT_US;
}

void rtt_sample(struct leg *l, int64_t rtt_us, mono_t now)
{
	uint32_t m, err, var;

	if (rtt_us < 0 || rtt_us > RTO_MAX_US)
		return;
	m = rtt_us > 0 ? (uint32_t)rtt_us : 1;
	if (!l->min_rtt_us || m <= l->min_rtt_us ||
	    ms_clock(now) - l->min_rtt_at_ms > MIN_RTT_WINDOW_MS) {
		l->min_rtt_us = m;
		l->min_rtt_at_ms = ms_clock(now);
	}
	if (!l->srtt_us) {
		l->srtt_us = m;
		l->rttvar_us = m / 2;
	} else {
		err = m > l->srtt_us ? m - l->srtt_us : l->srtt_us - m;
		l->rttvar_us += err / 4 - l->rttvar_us / 4;
		l->srtt_us += m / 8 - l->srtt_us / 8;
		if (!l->srtt_us)
			l->srtt_us = 1;
	}
	var = max_u32(4 * l->rttvar_us, RTO_MIN_US);
	l->rto_us = min_u32(l->srtt_us + var, (uint32_t)RTO_MAX_US);
	leg_cc(l)->on_rtt(l, m, now);
}

uint32_t rtt_rto(const struct leg *l)
{
	uint64_t r = (uint64_t)l->rto_us << min_u32(l->backoff, 16);

	return r > (uint64_t)RTO_MAX_US ? (uint32_t)RTO_MAX_US : (uint32_t)r;
}
