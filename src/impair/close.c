/* SPDX-License-Identifier: MIT */
/*
 * Faults that end whole connections: reset one side or both, close, or vanish.
 *
 * If one side is reset, the other side ends in order, after the bytes that were
 * acknowledged.  What that side still sends is accepted and discarded, because
 * nobody reads it any more.
 */
#include "internal.h"

void close_pump(struct impair *im, struct flow *f, int to, mono_t now)
{
	if (transit_pump(im, f, to, now))
		close_both(im, f, now);
}

static void bury(struct impair *im, struct flow *f, struct leg *l)
{
	if (l->state != TS_CLOSED)
		return;
	l->ev = 0;
	table_remove(im->e, l);
	bufq_purge(&l->snd.q, im->pool);
	if (f->hooked)
		transit_purge(im, f, l->side);
}

/* The peer of @side gets a RST; the other one gets an orderly end, or a RST
 * too. */
void close_reset(struct impair *im, struct flow *f, int side, uint8_t act,
		 mono_t now)
{
	struct leg *l = &f->leg[side], *o = &f->leg[side ^ 1];

	if (act == FAULT_ACT_CLOSE) {
		close_both(im, f, now);
		return;
	}
	if (act & FAULT_ACT_VANISH) {
		leg_vanish(l);
		leg_vanish(o);
		bury(im, f, l);
		bury(im, f, o);
		flow_ready(im->e, f);
		return;
	}
	leg_abort(l);
	bury(im, f, l);
	if (act & FAULT_ACT_RESET_BOTH || o->state <= TS_SYN_RECEIVED ||
	    o->mute) {
		leg_abort(o);
		bury(im, f, o);
	} else {
		transit_flush(im, f, side ^ 1);
		leg_shutdown(o);
		transit_discard(im, f, side, now);
	}
	flow_ready(im->e, f);
}

/* Like close() on both sockets of a proxy: what was already passed on is
 * delivered, the rest is lost. */
void close_both(struct impair *im, struct flow *f, mono_t now)
{
	struct impair_flow *sf = impaired(f);

	if (sf->closed)
		return;
	if (f->leg[0].state <= TS_SYN_RECEIVED ||
	    f->leg[1].state <= TS_SYN_RECEIVED) {
		close_reset(im, f, LEG_CLIENT, FAULT_ACT_RESET_BOTH, now);
		return;
	}
	sf->closed = true;
	for (int side = 0; side < 2; side++) {
		transit_discard(im, f, side, now);
		leg_shutdown(&f->leg[side]);
		leg_sink_gone(&f->leg[side], now);
	}
	flow_ready(im->e, f);
}
