/* SPDX-License-Identifier: MIT */
/*
 * Types that act on the handshake.
 */
#include "internal.h"

bool hit_synack_delay(struct fault_ctx *x, const struct fault_event *ev,
		      struct fault_verdict *v)
{
	(void)ev;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

/* A SYN is turned away, before there is a flow. */
bool hit_refuse(struct fault_ctx *x, const struct fault_event *ev,
		struct fault_verdict *v)
{
	static const uint8_t code[] = {0, 3, 1, 13};
	int64_t with = x->f->spec.p[FP_WITH].i;

	if (ev->state > 1)
		return false;
	v->act = FAULT_ACT_ANSWER;
	v->answer = with ? FAULT_ANSWER_ICMP : FAULT_ANSWER_RST;
	v->icmp_code = code[with];
	return true;
}

/* The handshake succeeds and nothing else does. */
bool hit_pretend(struct fault_ctx *x, const struct fault_event *ev,
		 struct fault_verdict *v)
{
	bool tarpit = x->f->spec.type == FT_TARPIT;

	if (ev->state > 1 || ev->to_peer)
		return false;
	v->act = FAULT_ACT_ANSWER;
	if (ev->flags & TCP_SYN) {
		v->answer = FAULT_ANSWER_SYNACK;
		v->wnd = tarpit ? 0 : 65535;
		v->dice = fault_dice(x->f->key, x->c->ordinal, 0, 8);
		x->c->seen = ev->seq.v;
		return true;
	}
	v->irs = (uint32_t)x->c->seen;
	v->answer = ev->flags & TCP_RST ? FAULT_ANSWER_NOTHING
		    : !tarpit		? FAULT_ANSWER_RST
		    : ev->len || ev->flags & TCP_FIN || ev->seq.v != v->irs + 1
			    ? FAULT_ANSWER_ACK
			    : FAULT_ANSWER_NOTHING;
	return true;
}

bool hit_strip(struct fault_ctx *x, const struct fault_event *ev,
	       struct fault_verdict *v)
{
	if (!(ev->flags & TCP_SYN))
		return false;
	v->strip |= (uint8_t)x->f->spec.p[FP_LIST].i;
	return true;
}

bool hit_mss(struct fault_ctx *x, const struct fault_event *ev,
	     struct fault_verdict *v)
{
	if (!(ev->flags & TCP_SYN))
		return false;
	v->mss = (uint16_t)x->f->spec.p[FP_VALUE].i;
	return true;
}
