/* SPDX-License-Identifier: MIT */
/*
 * Slow start with appropriate byte counting (RFC 3465), and HyStart++ (RFC
 * 9406): when the RTT rises, the first slow start becomes a conservative one,
 * which is slower.  If the RTT stays high, slow start ends; otherwise it goes
 * on.  Later slow starts end at ssthresh (4.3).
 */
#include "internal.h"

#define HYSTART_MIN_RTT_THRESH_US 4000u
#define HYSTART_MAX_RTT_THRESH_US 16000u
#define HYSTART_SAMPLES 8
#define HYSTART_CSS_GROWTH 4u
#define HYSTART_CSS_ROUNDS 5

void hystart_init(struct cc_hystart *h)
{
	memset(h, 0, sizeof(*h));
	h->last_min_us = UINT32_MAX;
	h->cur_min_us = UINT32_MAX;
}

/* 4.2: a round ends when the data in flight at its start is acknowledged. */
static bool round_ended(struct cc_hystart *h, const struct leg_snd *snd)
{
	if (seq_lt(snd->una, h->window_end))
		return false;
	h->window_end = snd->nxt;
	h->last_min_us = h->cur_min_us;
	h->cur_min_us = UINT32_MAX;
	h->samples = 0;
	return true;
}

void hystart_on_rtt(struct leg_cong *cc, const struct leg *l, uint32_t rtt_us)
{
	struct cc_hystart *h = &cc->hystart;
	uint32_t thresh;

	if (cc->ssthresh < SSTHRESH_INF)
		return;
	if (round_ended(h, &l->snd) && h->css &&
	    ++h->css_rounds >= HYSTART_CSS_ROUNDS) {
		cc->ssthresh = cc->cwnd;
		h->css = false;
		leg_count(l, CNT_TcpExtTCPHystartDelayDetect);
		return;
	}
	h->cur_min_us = min_u32(h->cur_min_us, rtt_us);
	if (h->samples < 255)
		h->samples++;
	if (h->samples < HYSTART_SAMPLES || h->last_min_us == UINT32_MAX)
		return;
	if (h->css) {
		if (h->cur_min_us < h->css_base_us) {
			h->css = false; /* the RTT is down again */
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

uint32_t hystart_scale(const struct leg_cong *cc, uint32_t acked)
{
	return cc->kind == CC_CUBIC && cc->hystart.css
		       ? acked / HYSTART_CSS_GROWTH
		       : acked;
}

uint32_t cc_slow_start(struct leg_cong *cc, uint32_t acked)
{
	uint32_t room, take;

	if (cc->cwnd >= cc->ssthresh)
		return acked;
	room = cc->ssthresh - cc->cwnd;
	take = min_u32(acked, room);
	cc->cwnd += hystart_scale(cc, take);
	return acked - take;
}
