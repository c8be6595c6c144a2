/* SPDX-License-Identifier: MIT */
/* The engine's invariants, for the simulator, fuzzers and unit tests. */
#include "../../src/engine/internal.h"
#include "check/engine_check.h"

/* --- what sources are charged is what is held --- */

static uint32_t nodes_of(const struct flow *f)
{
	return (uint32_t)f->leg[0].rcv.ooo_count + f->leg[1].rcv.ooo_count;
}

static uint32_t bytes_of(const struct flow *f)
{
	uint32_t n = 0;

	for (int i = 0; i < 2; i++)
		n += f->leg[i].snd.q.mem + f->leg[i].rcv.ooo_mem;
	return n;
}

static const char *check_charge(const struct engine *e, const struct flow *f)
{
	if (!f->charge.source)
		return f->charge.nodes || f->charge.bytes
			       ? "charged without a source"
			       : NULL;
	if (f->charge.nodes != nodes_of(f) || f->charge.bytes != bytes_of(f))
		return "what a flow holds is not what was charged";
	return share_at(&e->shares, f->charge.source - 1)->flows
		       ? NULL
		       : "a flow of a dead source";
}

static const char *check_shares(const struct engine *e)
{
	uint64_t held[SHARE_POOLS] = {0}, sum[SHARE_POOLS] = {0};
	uint64_t flows = 0, counted = 0;
	const struct flow *f;

	for_each_flow(e, f) {
		const char *err = check_charge(e, f);

		if (err)
			return err;
		held[SHARE_NODES] += f->charge.nodes;
		held[SHARE_BYTES] += f->charge.bytes;
		flows += f->charge.source != 0;
	}
	share_sum(&e->shares, sum, &counted);
	if (held[SHARE_NODES] != sum[SHARE_NODES] ||
	    held[SHARE_BYTES] != sum[SHARE_BYTES] || flows != counted)
		return "sources do not hold what their flows do";
	return NULL;
}

/* --- flows --- */

/* A leg that is open must have something that ends it some day. */
static const char *check_deadline(const struct flow *f, const struct leg *l)
{
	const struct leg *o = &f->leg[l->side ^ 1];

	if (l->state == TS_CLOSED || f->ready || wtimer_armed(&l->tmr.timer))
		return NULL;
	/* LISTEN waits for the server leg */
	if (l->state == TS_LISTEN &&
	    (wtimer_armed(&o->tmr.timer) || f->waiting))
		return NULL;
	/* and a mute server leg for the client */
	if (l->mute && !f->proven && wtimer_armed(&o->tmr.timer))
		return NULL;
	return "open leg without a deadline";
}

static const char *check_flow(const struct engine *e, const struct flow *f)
{
	for (int i = 0; i < 2; i++) {
		const struct leg *l = &f->leg[i];
		const char *err = leg_check(l);

		if (!err)
			err = check_deadline(f, l);
		if (!err && l->state == TS_CLOSED && l->snd.q.bytes &&
		    !f->waiting)
			err = "closed leg holds data";
		if (err)
			return err;
		if (l->state != TS_CLOSED &&
		    leg_table_look(&e->table, &l->t) != l)
			return "leg not found by its addresses";
		if (l->rcv.sink != &f->leg[i ^ 1].snd.q && !f->hooked)
			return "sink is not the other leg's queue";
	}
	return NULL;
}

int engine_check(const struct engine *e, char *err, size_t errlen)
{
	uint32_t n = 0, runs = 0, ooo = 0;
	const struct flow *f;
	const char *why = NULL;

	for (f = engine_flow_first(e); f && !why; f = engine_flow_next(e, f)) {
		why = check_flow(e, f);
		n++;
		for (int i = 0; i < 2; i++) {
			runs += f->leg[i].loss.run_count;
			ooo += f->leg[i].rcv.ooo_count;
		}
	}
	if (!why && n != e->flows.used)
		why = "flow count";
	if (!why)
		why = check_shares(e);
	if (!why && (runs != e->runs.used || ooo != e->ooo.used))
		why = "scoreboard or reassembly memory leaked";
	if (!why && e->pool->held > e->pool->limit && !e->all.head)
		why = "memory over the limit";
	if (!why)
		return 0;
	snprintf(err, errlen, "%s", why);
	return -EINVAL;
}

uint64_t engine_known(const struct engine *e)
{
	uint64_t n = (uint64_t)synq_count(&e->synq) + tw_count(&e->tw);
	const struct flow *f;

	for_each_flow(e, f)
		n += f->leg[LEG_CLIENT].hashed;
	return n;
}
