/* SPDX-License-Identifier: MIT */
/*
 * What faults do to whole connections: reset one side or both, close, or
 * vanish.
 *
 * A reset towards one side ends the other in order, after the bytes that were
 * acknowledged; what that side still sends is taken and thrown away, since
 * nobody reads it any more.
 */
#include "internal.h"

static void bury(struct engine *e, struct flow *f, struct leg *l)
{
	if (l->state != TS_CLOSED)
		return;
	l->ev = 0;
	table_remove(e, l);
	bufq_purge(&l->sndq, e->pool);
	if (f->faulty)
		pipe_purge(e, f, l->side);
}

/* The peer of @side gets a RST; the other one an orderly end, or the same. */
void seam_reset(struct engine *e, struct flow *f, int side, uint8_t act,
		mono_t now)
{
	struct leg *l = &f->leg[side], *o = &f->leg[side ^ 1];

	if (act == FAULT_ACT_CLOSE) {
		seam_close(e, f, now);
		return;
	}
	if (act & FAULT_ACT_VANISH) {
		leg_vanish(l);
		leg_vanish(o);
		bury(e, f, l);
		bury(e, f, o);
		flow_ready(e, f);
		return;
	}
	leg_abort(l, now);
	bury(e, f, l);
	if (act & FAULT_ACT_RESET_BOTH || o->state <= TS_SYN_RECEIVED ||
	    o->mute) {
		leg_abort(o, now);
		bury(e, f, o);
	} else {
		pipe_flush(e, f, side ^ 1);
		leg_shutdown(o, now);
		pipe_discard(e, f, side, now);
	}
	flow_ready(e, f);
}

/* As a kernel's close() on both sockets of a proxy: what was handed on is
 * delivered, what was not is lost. */
void seam_close(struct engine *e, struct flow *f, mono_t now)
{
	struct seam_flow *sf = seam_of(e, f);

	if (sf->closed)
		return;
	if (f->leg[0].state <= TS_SYN_RECEIVED ||
	    f->leg[1].state <= TS_SYN_RECEIVED) {
		seam_reset(e, f, LEG_CLIENT, FAULT_ACT_RESET_BOTH, now);
		return;
	}
	sf->closed = true;
	for (int side = 0; side < 2; side++) {
		pipe_discard(e, f, side, now);
		leg_shutdown(&f->leg[side], now);
		leg_sink_gone(&f->leg[side], now);
	}
	flow_ready(e, f);
}
