/* SPDX-License-Identifier: MIT */
/*
 * Types that act on the end of a connection.
 */
#include "internal.h"

/*
 * Every segment that acknowledges the peer's FIN is lost, also those from
 * TIME_WAIT (then there is no flow and no state).
 */
static FAULT_HIT(hit_last_ack)
{
	uint64_t *fin = x->c->state;

	if (!ev->to_peer && ev->flags & TCP_FIN) {
		*fin = 1; /* our ACKs cover it from now on */
		return false;
	}
	return v->drop = ev->to_peer && *fin && !ev->len &&
			 !(ev->flags & TCP_FIN);
}

/* crossing.phase, plus the side that closed first */
enum {
	OPEN,	     /* no FIN has come yet */
	HIDDEN,	     /* a FIN has come, and we do not acknowledge it */
	CROSSED = 3, /* our FIN was sent; the ACK follows at .ack_at */
};

/* State of simultaneous_close.
 * @told: the peer's answer to our FIN was held back
 * @ack_at: when our ACK follows
 * @fin_end: one past the peer's FIN */
struct crossing {
	uint8_t phase;
	bool told;
	mono_t ack_at;
	uint64_t fin_end;
};
FAULT_STATE_FITS(struct crossing);

static bool first_fin(struct crossing *c, const struct fault_event *ev)
{
	if (!(ev->flags & TCP_FIN) || ev->state > TS_ESTABLISHED)
		return false;
	c->phase = (uint8_t)(HIDDEN + ev->side);
	c->fin_end = ev->off + ev->len + 1; /* one past the FIN */
	return true;
}

/*
 * Nothing that we send acknowledges the peer's FIN until our own FIN was sent,
 * so the two cross.  The peer's answer to our FIN is held back until our ACK
 * was sent: the answer would end our leg, and the peer's repeated FIN would get
 * a RST.
 */
static FAULT_HIT(hit_crossing)
{
	struct crossing *c = FAULT_STATE(x->c, struct crossing);

	if (c->phase == OPEN && !ev->to_peer && first_fin(c, ev))
		return false;
	if (c->phase == CROSSED + ev->side && !mono_before(ev->now, c->ack_at))
		x->c->done = true;
	if (x->c->done ||
	    (c->phase != HIDDEN + ev->side && c->phase != CROSSED + ev->side))
		return false;
	if (!ev->to_peer) {
		if (!ev->last)
			return false;
		/* One answer is enough; copies of it would be reset, too. */
		v->drop = c->told;
		v->delay_us += mono_sub(c->ack_at, ev->now) + 1;
		c->told = mono_is_set(c->ack_at);
		return true;
	}
	if (ev->acked < c->fin_end ||
	    (ev->flags & (TCP_ACK | TCP_RST)) != TCP_ACK)
		return false;
	v->unack = true;
	if (ev->flags & TCP_FIN && c->phase == HIDDEN + ev->side) {
		c->phase = (uint8_t)(CROSSED + ev->side);
		c->ack_at = mono_add(ev->now, x->f->spec.p[FP_DELAY].i + 1);
		/* Only once: the peer would answer a copy from TIME_WAIT, and
		 * there is no leg any more. */
		v->ack_us = x->f->spec.p[FP_DELAY].i + 1;
	}
	return true;
}

/* The peer has sent its last segment: it is in TIME_WAIT now. */
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
	.times = BIT(1),
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
