/* SPDX-License-Identifier: MIT */
/*
 * Describes a segment for the faults: makes the struct fault_event of a segment
 * that has arrived or is about to be sent.
 */
#include "internal.h"

static struct fault_track *describe_track(struct fault_flow *w,
					  const struct leg *l, bool to_peer)
{
	struct fault_track *t = &w->track[l->side][to_peer];

	if (!t->known) {
		t->known = true;
		t->base = seq_add(to_peer ? l->snd.iss : l->rcv.irs, 1);
		t->at = 0;
	}
	return t;
}

static uint64_t describe_offset(const struct fault_track *t, seq_t seq)
{
	int64_t d = (int64_t)t->at + seq_diff(seq, t->base);

	return d > 0 ? (uint64_t)d : 0;
}

uint64_t describe_at(struct fault_flow *w, const struct leg *l, bool to_peer,
		     seq_t seq)
{
	return describe_offset(describe_track(w, l, to_peer), seq);
}

void describe_in(struct fault_event *ev, struct fault_flow *w,
		 const struct leg *l, const struct segment *s, mono_t now)
{
	bool fast = s->opts.has & (OPT_HAS_TFO | OPT_HAS_TFO_EXP);
	bool syn = s->flags & TCP_SYN;
	struct fault_track *track;

	*ev = (struct fault_event){
		.side = l ? l->side : LEG_CLIENT,
		.state = l ? l->state : TS_LISTEN,
		.flags = s->flags,
		.len = s->data.len,
		.wire = s->data.len + (s->family == 4 ? IPV4_HLEN : IPV6_HLEN) +
			TCP_HLEN + wire_opts_len(&s->opts, syn),
		.tfo = fast ? (uint8_t)(1 + s->opts.tfo_len) : 0,
		.seq = s->seq,
		.now = now};
	if (!l && w->old)
		ev->state = TS_CLOSED;
	if (syn) /* a leg of the client's has its SYN, also in LISTEN */
		ev->again = l ? l->state != TS_SYN_SENT
			      : mono_before(w->born, now);
	if (!l || s->flags & TCP_SYN || l->state < TS_SYN_RECEIVED)
		return;
	track = describe_track(w, l, false);
	ev->ahead = seq_diff(s->seq, l->rcv.nxt);
	ev->wnd = leg_rcv_wnd(&l->rcv);
	ev->beyond = ev->ahead > 0 && (uint32_t)ev->ahead > ev->wnd;
	ev->off = ev->beyond ? describe_offset(track, s->seq)
			     : fault_track_offset(track, s->seq, s->data.len,
						  &ev->fresh);
	ev->ooo = l->rcv.ooo != NULL;
	ev->sack = l->sack_ok;
	ev->last = (l->state == TS_LAST_ACK || l->state == TS_CLOSING) &&
		   s->flags & TCP_ACK && l->end.fin_sent &&
		   seq_eq(s->ack, l->snd.nxt);
	if (s->flags & TCP_ACK && !seq_gt(s->ack, l->snd.nxt))
		ev->acked = describe_offset(describe_track(w, l, true), s->ack);
}

void describe_out(struct fault_event *ev, struct fault_flow *w,
		  const struct leg *l, const struct held *h, mono_t now)
{
	const uint8_t *tcp = h->hdr + h->l4_off;

	*ev = (struct fault_event){.side = l ? l->side : LEG_CLIENT,
				   .to_peer = true,
				   .state = l ? l->state : TS_SYN_RECEIVED,
				   .flags = frame_flags(tcp),
				   .len = h->len,
				   .wire = h->hdr_len + h->len,
				   .seq = frame_seq(tcp),
				   .now = now};
	if (ev->flags & TCP_SYN) {
		ev->tfo = held_tfo(h);
		ev->again = l && l->tmr.retries;
	}
	if (!l || ev->flags & TCP_SYN)
		return;
	ev->ts = l->ts_ok;
	ev->off = fault_track_offset(describe_track(w, l, true), ev->seq,
				     h->len, &ev->fresh);
	if (ev->flags & TCP_ACK)
		ev->acked = describe_offset(describe_track(w, l, false),
					    frame_ack(tcp));
}
