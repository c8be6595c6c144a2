/* SPDX-License-Identifier: MIT */
/*
 * Types that act on a connection's end.
 */
#include "internal.h"

#define ESTABLISHED 4

/*
 * Whatever acknowledges the peer's FIN is lost, also what TIME_WAIT answers
 * (then there is no flow, and the state is none).
 */
static FAULT_HIT(hit_last_ack)
{
	if (!ev->to_peer && ev->flags & TCP_FIN) {
		x->c->seen = 1; /* from now on our ACKs cover it */
		return false;
	}
	return v->drop = ev->to_peer && x->c->seen && !ev->len &&
			 !(ev->flags & TCP_FIN);
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
static FAULT_HIT(hit_crossing)
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
static FAULT_HIT(hit_replay)
{
	if (!ev->last)
		return false;
	v->replay = (uint8_t)x->f->spec.p[FP_KIND].i;
	v->replay_us = x->f->spec.p[FP_DELAY].i + 1;
	x->c->done = true;
	return true;
}

FAULT_TYPE(LAST_ACK_DROP) = {
	.hit = hit_last_ack,
	.lingers = true,
};

FAULT_TYPE(SIMULTANEOUS_CLOSE) = {
	.example = "delay=200ms",
	.defaults = FAULT_DEFAULTS({FP_DELAY, 0, 200 * USEC_PER_MSEC, 0}),
	.params = PBIT(DELAY),
	.hit = hit_crossing,
};

FAULT_TYPE(TIME_WAIT_REPLAY) = {
	.example = "kind=rst delay=1s",
	.defaults = FAULT_DEFAULTS({FP_DELAY, 0, USEC_PER_SEC, 0}),
	.params = PBIT(KIND) | PBIT(DELAY),
	.needs = PBIT(KIND),
	.kinds = BIT(FAULT_KIND_DATA) | BIT(FAULT_KIND_ACK) |
		 BIT(FAULT_KIND_RST) | BIT(FAULT_KIND_SYN),
	.dir = FAULT_FROM_PEER,
	.hit = hit_replay,
};
