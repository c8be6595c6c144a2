/* SPDX-License-Identifier: MIT */
/*
 * Seam 1: a segment arrives.
 *
 * What offload glued together is cut into pieces that were one packet each,
 * and each is judged by itself.  One that is held is copied and comes back
 * through seam_hold.c, which judges it no second time.
 */
#include "internal.h"
#include "wire/build.h"

struct fault_track *seam_track(struct fault_flow *w, const struct leg *l,
			       bool to_peer)
{
	struct fault_track *t = &w->track[l->side][to_peer];

	if (!t->known) {
		t->known = true;
		t->base = seq_add(to_peer ? l->iss : l->irs, 1);
		t->at = 0;
	}
	return t;
}

uint64_t seam_offset(const struct fault_track *t, seq_t seq)
{
	int64_t d = (int64_t)t->at + seq_diff(seq, t->base);

	return d > 0 ? (uint64_t)d : 0;
}

void seam_describe(struct fault_event *ev, struct fault_flow *w,
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
		.wire = s->data.len + (s->family == 4 ? 40 : 60) +
			wire_opts_len(&s->opts, syn),
		.tfo = fast ? (uint8_t)(1 + s->opts.tfo_len) : 0,
		.seq = s->seq,
		.now = now};
	if (!l && w->old)
		ev->state = TS_CLOSED;
	if (!l || s->flags & TCP_SYN || l->state < TS_SYN_RECEIVED)
		return;
	track = seam_track(w, l, false);
	ev->ahead = seq_diff(s->seq, l->rcv_nxt);
	ev->wnd = leg_rcv_wnd(l);
	ev->beyond = ev->ahead > 0 && (uint32_t)ev->ahead > ev->wnd;
	ev->off = ev->beyond ? seam_offset(track, s->seq)
			     : fault_track_offset(track, s->seq, s->data.len,
						  &ev->fresh);
	ev->ooo = l->ooo != NULL;
	ev->sack = l->sack_ok;
	ev->last = (l->state == TS_LAST_ACK || l->state == TS_CLOSING) &&
		   s->flags & TCP_ACK && l->fin_sent && seq_eq(s->ack, l->nxt);
	if (s->flags & TCP_ACK && !seq_gt(s->ack, l->nxt))
		ev->acked = seam_offset(seam_track(w, l, true), s->ack);
}

/* Held, doubled or damaged: true when the original goes no further. */
bool seam_detain(struct engine *e, const struct segment *s,
		 const struct fault_verdict *v, mono_t now)
{
	/* an IPv6 header has no checksum: it is taken, here as it is */
	bool damage = v->damage &&
		      (v->damage != FAULT_WHERE_IP || s->family == 4);
	int64_t at = v->delay_us;

	if (v->drop) {
		e->drop[DROP_FAULT]++;
		return true;
	}
	if (damage && !v->fix) { /* no receiver takes it */
		e->drop[v->damage == FAULT_WHERE_IP ? DROP_IP_CSUM
						    : DROP_TCP_CSUM]++;
		return true;
	}
	for (uint32_t i = 0; i < v->copies && i < COPIES_MAX; i++) {
		struct held *h = held_in(e, s);

		at += v->spacing_us;
		if (h)
			h->slot = v->slot;
		/* at the same time is after the original */
		held_queue(e, h, mono_add(now, at ? at : 1), now);
	}
	if (!v->delay_us && !damage)
		return false;
	struct held *h = held_in(e, s);

	if (h && damage) {
		struct prng r = {v->dice};

		for (uint32_t i = 0; h->len && i < v->bits; i++)
			h->buf->data[prng_below(&r, h->len)] ^=
				(uint8_t)BIT(prng_below(&r, 8));
		h->seg.wnd ^= (uint16_t)(h->len ? 0 : 1);
	}
	if (h) {
		h->slot = v->slot;
		h->crossed = v->open;
	}
	held_queue(e, h, mono_add(now, v->delay_us), now);
	return true;
}

void seam_edit(struct segment *s, const struct fault_verdict *v)
{
	s->opts.has &= (uint8_t)~v->strip;
	if (v->mss && s->opts.mss > v->mss)
		s->opts.mss = v->mss;
	if (v->spoil)
		s->opts.tfo[0] ^= 1;
	if (v->cut)
		s->data = (struct slice){0};
	s->ack = seq_add(s->ack, v->ack_add);
	if (!v->open)
		return;
	s->flags &= (uint16_t)~TCP_SYN;
	s->seq = seq_add(s->seq, 1);
	/* the window of a SYN is not scaled, that of an ACK is */
	if (s->opts.has & OPT_HAS_WSCALE)
		s->wnd >>= min_u32(s->opts.wscale, 14);
	s->opts.has &= OPT_HAS_TS;
}

bool seam_crosses(const struct fault_flow *w, const struct fault_event *ev)
{
	uint16_t kind = ev->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	return w->crossed && ev->side == LEG_CLIENT &&
	       kind == (TCP_SYN | TCP_ACK) && ev->state <= TS_SYN_RECEIVED;
}

void seam_crossed(struct engine *e, const struct tuple *t)
{
	struct leg *l = table_find(e, t);

	if (l && l->state >= TS_ESTABLISHED)
		l->ack = ACK_NOW;
}

/* The peer has just entered TIME_WAIT. */
static void replay(struct engine *e, const struct leg *l,
		   const struct fault_verdict *v, mono_t now)
{
	mono_t due = mono_add(now, v->replay_us);
	struct held *h = held_replay(e, l, v->replay, due);

	if (h)
		h->slot = v->slot;
	held_queue(e, h, due, now);
}

static enum verdict input_piece(struct engine *e, struct leg *l,
				const struct segment *s, bool glued, mono_t now,
				struct tx *reply)
{
	struct flow *f = leg_flow(l);
	struct fault_verdict v;
	struct fault_event ev;
	struct segment changed;
	enum verdict done;

	seam_watch_in(e, seam_of(e, f)->w, l->side, s, now);
	seam_describe(&ev, seam_of(e, f)->w, l, s, now);
	ev.glued = glued;
	fault_judge(&e->seams->set, seam_of(e, f)->w, &ev, &v);
	v.open = seam_crosses(seam_of(e, f)->w, &ev);
	if (v.act) {
		seam_reset(e, f, l->side, v.act, now);
		flow_settle(e, f, now);
		return VERDICT_CONSUMED;
	}
	if (v.icmp)
		seam_icmp_peer(e, s, &v, now);
	if (v.replay)
		replay(e, l, &v, now);
	changed = *s;
	seam_edit(&changed, &v);
	if (seam_detain(e, &changed, &v, now))
		return VERDICT_CONSUMED;
	if (v.renege)
		leg_renege(l);
	done = flow_take(e, l, &changed, now, reply);
	if (v.open)
		seam_crossed(e, &s->t);
	return done;
}

enum verdict seams_input(struct engine *e, struct leg *l,
			 const struct segment *s, mono_t now, struct tx *reply)
{
	uint32_t most = leg_mss_offer(l->family) - (l->ts_ok ? 12u : 0);
	struct segment piece = *s;
	enum verdict v = VERDICT_CONSUMED;
	uint32_t left = s->data.len;

	if (left <= most)
		return input_piece(e, l, s, false, now, reply);
	while (left) {
		/* an earlier piece may have ended the flow */
		l = table_find(e, &s->t);
		if (!l || !leg_flow(l)->faulty)
			break;
		piece.data.len = min_u32(left, most);
		left -= piece.data.len;
		piece.flags = s->flags;
		if (left)
			piece.flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
		v = input_piece(e, l, &piece, true, now, reply);
		piece.data.p += piece.data.len;
		piece.seq = seq_add(piece.seq, piece.data.len);
	}
	return v;
}
