/* SPDX-License-Identifier: MIT */
/*
 * Types that act on the segments of a running transfer.  Others answer
 * questions of the stack (impair/behave.c).
 */
#include "internal.h"

static bool pure_ack(const struct fault_event *ev)
{
	return !ev->len &&
	       (ev->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

static FAULT_HIT(hit_ack_drop)
{
	return v->drop = pure_ack(ev) && fault_chance(x);
}

static FAULT_HIT(hit_dup_ack)
{
	if (!pure_ack(ev) || !fault_chance(x))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_N].i;
	return true;
}

static FAULT_HIT(hit_inject)
{
	if (ev->flags & (TCP_SYN | TCP_RST) || ev->state < TS_ESTABLISHED ||
	    !fault_chance(x))
		return false;
	v->inject = (uint8_t)(x->f->spec.p[FP_KIND].i + 1);
	x->c->done = x->c->injected + 1 >=
		     (x->f->spec.count ? x->f->spec.count : 1);
	return true;
}

/*
 * A probe asks for an answer and carries nothing new.  It is a segment just
 * before the expected number (with or without an old byte) or, while the window
 * is closed, the byte behind it.
 */
static FAULT_HIT(hit_probe)
{
	bool closed = !ev->wnd;
	int kind = closed ? FAULT_KIND_WINDOW : FAULT_KIND_KEEPALIVE;

	if (ev->state < TS_ESTABLISHED ||
	    (ev->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    !(x->f->spec.p[FP_KIND].j >> kind & 1))
		return false;
	if (!(ev->ahead == -1 && ev->len <= 1) &&
	    !(closed && ev->ahead == 0 && ev->len))
		return false;
	return v->drop = fault_chance(x);
}

/* State of sack_renege: a bit for each side that has a hole, and how many
 * segments must pass before the next hole */
struct renege {
	uint8_t holes;
	uint32_t wait;
};
FAULT_STATE_FITS(struct renege);

#define RENEGE_WAIT 16

/* If no data came after the last hole, wait: a sender with only one segment in
 * flight would pay an RTO for each hole. */
static bool may_make_hole(struct renege *r, uint8_t side)
{
	if (r->holes & side) {
		r->holes &= (uint8_t)~side;
		r->wait += RENEGE_WAIT;
		return false;
	}
	if (!r->wait)
		return true;
	r->wait--;
	return false;
}

/*
 * A segment is dropped to make a hole.  What follows is stored and reported by
 * SACK.  When the hole is filled, it is discarded.
 */
static FAULT_HIT(hit_renege)
{
	uint32_t most = x->f->spec.count ? x->f->spec.count : 1;
	struct renege *r = FAULT_STATE(x->c, struct renege);
	uint8_t side = (uint8_t)BIT(ev->side);

	if (!ev->sack || ev->state < TS_ESTABLISHED || ev->ahead > 0 ||
	    ev->ahead + (int64_t)ev->len <= 0)
		return false;
	if (ev->ooo) {
		r->holes &= (uint8_t)~side;
		x->c->done = x->c->injected + 1 >= most;
		return v->renege = true;
	}
	if (ev->ahead < 0 || !may_make_hole(r, side) || !fault_chance(x))
		return false;
	r->holes |= side;
	v->drop = true;
	fault_react_begin(x, ev, v, fault_report(x, ev, "hole"));
	return false; /* the injection comes later */
}

static FAULT_HIT(hit_early_ack)
{
	if (ev->state < TS_ESTABLISHED || ev->state >= TS_CLOSE_WAIT ||
	    (ev->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    !fault_chance(x))
		return false;
	v->early = (uint32_t)x->f->spec.p[FP_BY].i;
	return v->early != 0;
}

static FAULT_HIT(hit_overlap)
{
	const struct fault_val *p = x->f->spec.p;
	uint32_t size = (uint32_t)p[FP_SIZE].i;

	if (ev->len < 2 || !size || ev->flags & (TCP_URG | TCP_SYN) ||
	    !fault_chance(x))
		return false;
	v->overlap = size < ev->len ? size : ev->len - 1;
	if (p[FP_CONTENT].i == FAULT_CONTENT_DIFFER)
		v->wrong = p[FP_FAVOR].i == FAULT_FAVOR_NEW ? 1 : 2;
	return true;
}

/* The urgent pointer is one past the urgent byte (RFC 6093, 3.1). */
static FAULT_HIT(hit_urgent)
{
	uint64_t at = (uint64_t)x->f->spec.p[FP_OFFSET].i;

	if (at < ev->off || at >= ev->off + ev->len)
		return false;
	v->urg = (uint16_t)(at - ev->off + 1);
	return true;
}

FAULT_TYPE(ACK_DROP) = {
	.example = "percent=30",
	.params = PARAMS_ROLL,
	.dir = FAULT_TO_PEER,
	.hit = hit_ack_drop,
};

FAULT_TYPE(DUP_ACK) = {
	.example = "n=3",
	.defaults = FAULT_DEFAULTS({FP_N, 0, 3, 0}),
	.params = PARAMS_ROLL | PBIT(N),
	.dir = FAULT_TO_PEER,
	.hit = hit_dup_ack,
};

FAULT_TYPE(INJECT) = {
	.example = "kind=ack-old count=3",
	.params = PARAMS_ROLL | PBIT(KIND),
	.needs = PBIT(KIND),
	.kinds = BIT(FAULT_INJECT_COUNT) - 1,
	.dir = FAULT_TO_PEER,
	.hit = hit_inject,
};

FAULT_TYPE(PROBE_SWALLOW) = {
	.example = "kind=keepalive,window",
	.defaults = FAULT_DEFAULTS({FP_KIND, 0, FAULT_KIND_KEEPALIVE,
				    BIT(FAULT_KIND_KEEPALIVE) |
					    BIT(FAULT_KIND_WINDOW)}),
	.params = PARAMS_ROLL | PBIT(KIND),
	.kinds = BIT(FAULT_KIND_KEEPALIVE) | BIT(FAULT_KIND_WINDOW),
	.kinds_many = true,
	.dir = FAULT_FROM_PEER,
	.hit = hit_probe,
};

FAULT_TYPE(SACK_RENEGE) = {
	.example = "count=3",
	.params = PARAMS_ROLL,
	.kind = FAULT_ON_DATA,
	.dir = FAULT_FROM_PEER,
	.hit = hit_renege,
};

FAULT_TYPE(OPTIMISTIC_ACK) = {
	.example = "by=3000",
	.defaults = FAULT_DEFAULTS({FP_BY, 0, 1460, 0}),
	.params = PARAMS_ROLL | PBIT(BY),
	.dir = FAULT_TO_PEER,
	.harm = true,
	.hit = hit_early_ack,
};

FAULT_TYPE(OVERLAP) = {
	.example = "size=100 favor=old content=same",
	.params = PARAMS_ROLL | PBIT(SIZE) | PBIT(FAVOR) | PBIT(CONTENT),
	.needs = PBIT(SIZE),
	.kind = FAULT_ON_DATA,
	.dir = FAULT_TO_PEER,
	.harm = true,
	.hit = hit_overlap,
};

FAULT_TYPE(URGENT) = {
	.example = "offset=1000",
	.params = PBIT(OFFSET),
	.needs = PBIT(OFFSET),
	.kind = FAULT_ON_DATA,
	.dir = FAULT_TO_PEER,
	.harm = true,
	.hit = hit_urgent,
};
