/* SPDX-License-Identifier: MIT */
/*
 * Round-trip time and retransmission timeout (RFC 6298).
 *
 * Samples come from runs that were not retransmitted (Karn).  The RTO is srtt +
 * 4 rttvar and at most 120 s; the variance term is at least 200 ms, as in
 * Linux.  Each expiry doubles the RTO.  RACK and HyStart use the minimum over
 * the last minutes.
 */
#include "internal.h"

#define MIN_RTT_WINDOW_MS 300000u

void rtt_init(struct leg_rtt *rtt)
{
	rtt->rto_us = RTO_INIT_US;
}

bool rtt_sample(struct leg_rtt *rtt, int64_t rtt_us, mono_t now)
{
	uint32_t m, err, var;

	if (rtt_us < 0 || rtt_us > RTO_MAX_US)
		return false;
	m = rtt_us > 0 ? (uint32_t)rtt_us : 1;
	if (!rtt->min_us || m <= rtt->min_us ||
	    ms_clock(now) - rtt->min_at_ms > MIN_RTT_WINDOW_MS) {
		rtt->min_us = m;
		rtt->min_at_ms = ms_clock(now);
	}
	if (!rtt->smoothed_us) {
		rtt->smoothed_us = m;
		rtt->var_us = m / 2;
	} else {
		err = m > rtt->smoothed_us ? m - rtt->smoothed_us
					   : rtt->smoothed_us - m;
		rtt->var_us += err / 4 - rtt->var_us / 4;
		rtt->smoothed_us += m / 8 - rtt->smoothed_us / 8;
		if (!rtt->smoothed_us)
			rtt->smoothed_us = 1;
	}
	var = max_u32(4 * rtt->var_us, RTO_MIN_US);
	rtt->rto_us = min_u32(rtt->smoothed_us + var, (uint32_t)RTO_MAX_US);
	return true;
}

uint32_t rtt_rto(const struct leg_rtt *rtt)
{
	uint64_t r = (uint64_t)rtt->rto_us << min_u32(rtt->backoff, 16);

	return r > (uint64_t)RTO_MAX_US ? (uint32_t)RTO_MAX_US : (uint32_t)r;
}
