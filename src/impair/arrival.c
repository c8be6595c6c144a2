/* SPDX-License-Identifier: MIT */
/*
 * A segment arrives for a flow with faults, or for no leg.
 *
 * A packet that offload joined from several is cut into pieces again, and each
 * piece is judged by itself.  A piece that is held is copied.  When it is due
 * it goes to its leg or to admission, and is not judged again.
 */
#include "internal.h"
#include "wire/build.h"

void arrival_crossed(struct impair *im, const struct tuple *t)
{
	struct leg *l = table_find(im->e, t);

	if (l && l->state >= TS_ESTABLISHED)
		l->rcv.owed = ACK_NOW;
}

/* An error about a segment that we sent: give it to the leg. */
static void deliver_error(struct impair *im, const struct icmp_error *about,
			  mono_t now)
{
	struct leg *l = table_find(im->e, &about->t);

	if (!l)
		return;
	leg_icmp(l, about, now);
	flow_settle(im->e, leg_flow(l), now);
}

/* A held packet is due: send it, or give it to its leg. */
void arrival_deliver(struct impair *im, struct held *h, mono_t now)
{
	struct tx reply = {0};
	struct fault_flow *w;
	enum verdict v;
	struct leg *l;

	if (h->out) {
		departure_leave(im, h, now);
		return;
	}
	if (h->notice) {
		deliver_error(im, &h->about, now);
		held_free(im, h);
		return;
	}
	l = table_find(im->e, &h->seg.t);
	v = l ? flow_take(im->e, l, &h->seg, now, &reply)
	      : admit(im->e, &h->seg, now, &reply);
	if (h->crossed)
		arrival_crossed(im, &h->seg.t);
	w = l ? NULL : fault_unbound_find(&im->set, &h->seg.t);
	held_free(im, h);
	if (v != VERDICT_REPLY || departure_judge(im, w, &reply, now))
		return;
	h = held_out(im, &reply, 0, 0, true, true);
	if (h)
		departure_leave(im, h, now);
}

/* Hold @h until @due.  Takes @h. */
static void hold(struct impair *im, struct held *h, mono_t due, mono_t now)
{
	h = delayq_put(im, h, due, now);
	if (h)
		arrival_deliver(im, h, now);
}

/* Hold, copy or damage the segment.  True: the original is not passed on. */
bool arrival_detain(struct impair *im, const struct segment *s,
		    const struct fault_verdict *v, mono_t now)
{
	/* an IPv6 header has no checksum; here it is left as it is */
	bool damage = v->damage &&
		      (v->damage != FAULT_WHERE_IP || s->family == 4);
	int64_t at = v->delay_us;

	if (v->drop) {
		engine_drop(im->e, DROP_FAULT);
		return true;
	}
	if (damage && !v->fix) { /* every receiver drops it */
		engine_drop(im->e, v->damage == FAULT_WHERE_IP ? DROP_IP_CSUM
							       : DROP_TCP_CSUM);
		return true;
	}
	for (uint32_t i = 0; i < v->copies && i < COPIES_MAX; i++) {
		struct held *h = held_in(im, s);

		at += v->spacing_us;
		if (h)
			h->slot = v->slot;
		/* 1 us later at least, so that it follows the original */
		hold(im, h, mono_add(now, at ? at : 1), now);
	}
	if (!v->delay_us && !damage)
		return false;
	struct held *h = held_in(im, s);

	if (h && damage)
		held_damage(h, v);
	if (h) {
		h->slot = v->slot;
		h->crossed = v->open;
	}
	hold(im, h, mono_add(now, v->delay_us), now);
	return true;
}

void arrival_edit(struct segment *s, const struct fault_verdict *v)
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

bool arrival_crosses(const struct fault_flow *w, const struct fault_event *ev)
{
	uint16_t kind = ev->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	return w->crossed && ev->side == LEG_CLIENT &&
	       kind == (TCP_SYN | TCP_ACK) && ev->state <= TS_SYN_RECEIVED;
}

/* The peer has just entered TIME_WAIT: replay an old segment. */
static void replay(struct impair *im, const struct leg *l,
		   const struct fault_verdict *v, mono_t now)
{
	mono_t due = mono_add(now, v->replay_us);
	struct held *h = held_replay(im, l, v->replay, due);

	if (h)
		h->slot = v->slot;
	hold(im, h, due, now);
}

static enum verdict input_piece(struct impair *im, struct leg *l,
				const struct segment *s, bool glued, mono_t now,
				struct tx *reply)
{
	struct flow *f = leg_flow(l);
	struct fault_verdict v;
	struct fault_event ev;
	struct segment changed;
	enum verdict done;

	watch_in(im, impaired(f)->w, l->side, s, now);
	describe_in(&ev, impaired(f)->w, l, s, now);
	ev.glued = glued;
	fault_judge(&im->set, impaired(f)->w, &ev, &v);
	v.open = arrival_crosses(impaired(f)->w, &ev);
	if (v.act) {
		close_reset(im, f, l->side, v.act, now);
		flow_settle(im->e, f, now);
		return VERDICT_CONSUMED;
	}
	if (v.icmp)
		departure_send(im, icmp_for_peer(im, s, &v), now, now);
	if (v.replay)
		replay(im, l, &v, now);
	changed = *s;
	arrival_edit(&changed, &v);
	if (arrival_detain(im, &changed, &v, now))
		return VERDICT_CONSUMED;
	if (v.renege)
		leg_renege(l);
	done = flow_take(im->e, l, &changed, now, reply);
	if (v.open)
		arrival_crossed(im, &s->t);
	return done;
}

enum verdict arrival_input(void *wing, struct leg *l, const struct segment *s,
			   mono_t now, struct tx *reply)
{
	uint32_t most = leg_mss_offer(l->family) - (l->ts_ok ? 12u : 0);
	struct segment piece = *s;
	enum verdict v = VERDICT_CONSUMED;
	uint32_t left = s->data.len;
	struct impair *im = wing;

	if (left <= most)
		return input_piece(im, l, s, false, now, reply);
	while (left) {
		/* an earlier piece may have ended the flow */
		l = table_find(im->e, &s->t);
		if (!l || !leg_flow(l)->hooked)
			break;
		piece.data.len = min_u32(left, most);
		left -= piece.data.len;
		piece.flags = s->flags;
		if (left)
			piece.flags &= (uint16_t) ~(TCP_FIN | TCP_PSH);
		v = input_piece(im, l, &piece, true, now, reply);
		piece.data.p += piece.data.len;
		piece.seq = seq_add(piece.seq, piece.data.len);
	}
	return v;
}
