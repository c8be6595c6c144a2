/* SPDX-License-Identifier: MIT */
/*
 * RACK-TLP (RFC 8985): loss detection by time.
 *
 * A run is lost when something sent sufficiently later was delivered: later by
 * at least the reordering window.  This window is zero if no reordering was
 * seen and DUPTHRESH segments were SACKed.  Otherwise it is a quarter of the
 * minimum RTT, and DSACKs make it larger.  If the tail of a flight is lost,
 * nothing is delivered after it.  So the tail loss probe sends one segment
 * after two RTTs.
 *
 * The runs in flight are in a tree by time (board.c), so a detection looks at
 * those that it marks lost and at two more.
 */
#include "internal.h"

#define REO_PERSIST 16
#define TLP_DELACK_US (200 * USEC_PER_MSEC)

/* Was (t1, e1) sent after (t2, e2)?  RFC 8985, 5.2. */
static bool sent_after(uint32_t t1, seq_t e1, uint32_t t2, seq_t e2)
{
	int32_t d = (int32_t)(t1 - t2);

	return d > 0 || (d == 0 && seq_gt(e1, e2));
}

void rack_on_delivered(struct leg *l, const struct run *r, mono_t now)
{
	struct rack_state *k = &l->loss.rack;
	uint32_t rtt = (uint32_t)now.us - r->tx_us;

	if (r->retx && rtt < l->rtt.min_us)
		return; /* the original arrived, not the retransmission */
	if (!r->retx && seq_lt(r->end, k->fack))
		k->reordering_seen = true;
	k->fack = seq_max(k->fack, r->end);
	k->rtt_us = rtt;
	if (!k->valid || sent_after(r->tx_us, r->end, k->xmit_us, k->end_seq)) {
		k->xmit_us = r->tx_us;
		k->end_seq = r->end;
		k->valid = true;
	}
}

void rack_on_ack(struct leg *l, const struct ack_sample *a)
{
	struct rack_state *k = &l->loss.rack;

	if (k->dsack_seen && seq_ge(l->snd.una, k->dsack_round))
		k->dsack_seen = false;
	if (a->dsack && !k->dsack_seen) {
		k->dsack_seen = true;
		k->dsack_round = l->snd.nxt;
		if (k->reo_mult < 255)
			k->reo_mult++;
		k->reo_persist = REO_PERSIST;
	}
}

static uint32_t reo_window(const struct leg *l)
{
	const struct rack_state *k = &l->loss.rack;
	uint32_t w;

	if (!k->reordering_seen &&
	    (l->loss.ca >= CA_RECOVERY || l->loss.sacked_segs >= DUPTHRESH))
		return 0;
	w = l->rtt.min_us / 4 * (1u + k->reo_mult);
	return min_u32(w, l->rtt.smoothed_us);
}

/* Microseconds until @r counts as lost; 0 or less: it is lost. */
static int32_t time_left(const struct leg *l, const struct run *r, uint32_t reo,
			 mono_t now)
{
	uint32_t rtt = l->loss.rack.rtt_us ? l->loss.rack.rtt_us
					   : l->rtt.smoothed_us;

	return (int32_t)(r->tx_us + rtt + reo - (uint32_t)now.us);
}

/* RFC 8985, 6.3 */
void rack_mark_on_rto(struct leg *l, mono_t now)
{
	const struct run *head = l->loss.run_head;
	uint32_t reo = reo_window(l);

	if (head)
		board_mark_head_lost(
			l, (seq_span(head->end, head->start) + head->segs - 1) /
				   head->segs);
	while (l->loss.sent && time_left(l, l->loss.sent, reo, now) <= 0)
		board_mark_lost(l, l->loss.sent);
	if (!l->loss.lost_bytes) /* no run left to split off the first one */
		board_mark_all_lost(l, false);
}

bool rack_detect_loss(struct leg *l, mono_t now)
{
	const struct rack_state *k = &l->loss.rack;
	uint32_t before = l->loss.lost_bytes;
	const struct run *last;
	struct run *r;
	uint32_t reo;

	if (!k->valid)
		return false;
	reo = reo_window(l);
	while ((r = l->loss.sent) &&
	       sent_after(k->xmit_us, k->end_seq, r->tx_us, r->end) &&
	       time_left(l, r, reo, now) <= 0)
		board_mark_lost(l, r);
	last = board_sent_before(l, k->xmit_us, k->end_seq);
	if (last) /* one timer for all of them: its time comes last */
		timers_set_rtx(l, RTX_REO, time_left(l, last, reo, now), now);
	return l->loss.lost_bytes > before;
}

/* Arm the probe instead of the RTO if RFC 8985, 7.2 allows it. */
void tlp_arm(struct leg *l, mono_t now)
{
	uint32_t pto, rto = rtt_rto(&l->rtt);

	if (!l->sack_ok || l->loss.ca > CA_DISORDER ||
	    l->loss.rack.tlp_active || !board_outstanding(&l->snd) ||
	    l->loss.sacked_bytes || l->rtt.backoff)
		return;
	pto = l->rtt.smoothed_us ? 2 * l->rtt.smoothed_us + 2 * USEC_PER_MSEC
				 : (uint32_t)USEC_PER_SEC;
	if (board_outstanding(&l->snd) <= l->snd.mss)
		pto += TLP_DELACK_US;
	timers_set_rtx(l, RTX_TLP, min_u32(pto, rto), now);
}

void tlp_fire(struct leg *l, mono_t now)
{
	leg_count(l, CNT_TcpExtTCPLossProbes);
	l->loss.tlp_pending = true;
	timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
}

/* Did the probe repair a loss that went unnoticed?  RFC 8985, 7.4. */
void tlp_on_ack(struct leg *l, const struct segment *s,
		const struct ack_sample *a)
{
	struct rack_state *k = &l->loss.rack;

	if (!k->tlp_active || seq_lt(s->ack, k->tlp_end))
		return;
	if (!k->tlp_is_retrans || a->dsack) {
		k->tlp_active = false; /* nothing had been lost */
	} else if (seq_gt(s->ack, k->tlp_end)) {
		k->tlp_active = false;
		leg_count(l, CNT_TcpExtTCPLossProbeRecovery);
		recovery_after_tlp(l);
	} else if (!a->acked && !a->sacked && !s->data.len) {
		k->tlp_active = false; /* both copies arrived, no DSACK */
	}
}
