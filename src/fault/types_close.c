/* SPDX-License-Identifier: MIT */
/*
 * Types that act on a connection's end.
 */
#include "internal.h"

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
