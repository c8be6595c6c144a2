/* SPDX-License-Identifier: MIT */
/*
 * Types that act on a connection's end.
 */
#include "internal.h"

#define ESTABLISHED 4

bool hit_reset(struct fault_ctx *x, const struct fault_event *ev,
	       struct fault_verdict *v)
{
	const struct fault_val *a = &x->f->spec.p[FP_AFTER];
	uint64_t n = (uint64_t)a->i;

	if (a->set && a->j == FAULT_ON_TIME)
		return false; /* fault_flow_due() does it */
	if (a->set && a->j == FAULT_ON_ACKED) {
		if (ev->to_peer || ev->acked < n)
			return false;
	} else if (a->set) {
		if (!ev->to_peer || !ev->len || ev->off + ev->len < n)
			return false;
		v->keep = ev->off < n ? (uint32_t)(n - ev->off) : 0;
	}
	v->act = x->f->spec.p[FP_SIDES].i == FAULT_BOTH_SIDES
			 ? FAULT_ACT_RESET_BOTH
			 : FAULT_ACT_RESET;
	x->c->done = true;
	return true;
}

/*
 * Whatever acknowledges the peer's FIN is lost, also what TIME_WAIT answers
 * (then there is no flow, and the state is none).
 */
bool hit_last_ack(struct fault_ctx *x, const struct fault_event *ev,
		  struct fault_verdict *v)
{
	if (!ev->to_peer && ev->flags & TCP_FIN) {
		x->c->seen = 1; /* from now on our ACKs cover it */
		return false;
	}
	return v->drop = ev->to_peer && x->c->seen && !ev->len &&
			 !(ev->flags & TCP_FIN);
}

bool hit_vanish(struct fault_ctx *x, const struct fault_event *ev,
		struct fault_verdict *v)
{
	const struct fault_val *a = &x->f->spec.p[FP_AFTER];
	uint64_t n = (uint64_t)a->i;

	if (x->c->armed && x->c->seen) { /* gone already */
		v->drop = x->f->spec.p[FP_THEN].i == FAULT_THEN_SILENCE;
		return v->drop;
	}
	if (a->set && a->j == FAULT_ON_TIME)
		return false;
	if (a->set && a->j == FAULT_ON_ACKED && (ev->to_peer || ev->acked < n))
		return false;
	if (a->set && a->j == FAULT_ON_BYTE &&
	    (!ev->to_peer || !ev->len || ev->off + ev->len < n))
		return false;
	x->c->armed = true;
	x->c->seen = 1;
	v->act = FAULT_ACT_VANISH;
	return true;
}

/* fault_conn.markov of simultaneous_close, plus the side that closed first */
enum {
	OPEN,	     /* nobody's FIN has come */
	HIDDEN,	     /* one has: nothing of ours acknowledges it */
	CROSSED = 3, /* our FIN is on its way; the ACK follows at .next */
};

static bool first_fin(struct fault_conn *c, const struct fault_event *ev)
{
	if (!(ev->flags & TCP_FIN) || ev->state > ESTABLISHED)
		return false;
	c->markov = (uint8_t)(HIDDEN + ev->side);
	c->seen = ev->off + ev->len + 1; /* one past its place */
	return true;
}

/*
 * What we send does not acknowledge the peer's FIN until ours has left, so the
 * two cross.  Its answer to ours waits until the ACK has left, too: our leg
 * would be gone then, and a FIN or a duplicate that meets nobody is reset.
 */
FAULT_HIT(hit_crossing)
{
	struct fault_conn *c = x->c;

	if (c->markov == OPEN && !ev->to_peer && first_fin(c, ev))
		return false;
	if (c->markov == CROSSED + ev->side && !mono_before(ev->now, c->next))
		c->done = true;
	if (c->done ||
	    (c->markov != HIDDEN + ev->side && c->markov != CROSSED + ev->side))
		return false;
	if (!ev->to_peer) {
		if (!ev->last)
			return false;
		/* One is enough: what it repeats would meet nobody, too. */
		v->drop = mono_is_set(c->until[0]);
		v->delay_us += mono_sub(c->next, ev->now) + 1;
		c->until[0] = c->next;
		return true;
	}
	if (ev->acked < c->seen || (ev->flags & (TCP_ACK | TCP_RST)) != TCP_ACK)
		return false;
	v->unack = true;
	if (ev->flags & TCP_FIN && c->markov == HIDDEN + ev->side) {
		c->markov = (uint8_t)(CROSSED + ev->side);
		c->next = mono_add(ev->now, x->f->spec.p[FP_DELAY].i + 1);
		/* Once: TIME_WAIT answers a copy, and meets nobody. */
		v->ack_us = x->f->spec.p[FP_DELAY].i + 1;
	}
	return true;
}

/* The peer's last word: it is in TIME_WAIT from now on. */
FAULT_HIT(hit_replay)
{
	if (!ev->last)
		return false;
	v->replay = (uint8_t)x->f->spec.p[FP_KIND].i;
	v->replay_us = x->f->spec.p[FP_DELAY].i + 1;
	x->c->done = true;
	return true;
}
