/* SPDX-License-Identifier: MIT */
/*
 * Types that act on a running transfer, as far as segments show it; the
 * others answer questions of the stack (engine/seam_ask.c).
 */
#include "internal.h"

static bool pure_ack(const struct fault_event *ev)
{
	return !ev->len &&
	       (ev->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

bool hit_ack_drop(struct fault_ctx *x, const struct fault_event *ev,
		  struct fault_verdict *v)
{
	return v->drop = pure_ack(ev) && fault_chance(x);
}

bool hit_dup_ack(struct fault_ctx *x, const struct fault_event *ev,
		 struct fault_verdict *v)
{
	if (!pure_ack(ev))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_N].i;
	return true;
}

bool hit_inject(struct fault_ctx *x, const struct fault_event *ev,
		struct fault_verdict *v)
{
	if (ev->flags & (TCP_SYN | TCP_RST) || ev->state < 4)
		return false;
	v->inject = (uint8_t)(x->f->spec.p[FP_KIND].i + 1);
	x->c->done = x->c->injected + 1 >=
		     (x->f->spec.count ? x->f->spec.count : 1);
	return true;
}
