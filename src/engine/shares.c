/* SPDX-License-Identifier: MIT */
/*
 * Shares: how much of the common resources one client may take.
 *
 * A worker has three pools: places for flows, nodes of the out-of-order store,
 * and bytes of buffers.  What a flow holds is compared with what its source
 * was charged for it whenever the flow is settled, so that a charge costs O(1)
 * and cannot drift: tests add everything up (tests/check).
 *
 * Shares shrink as a pool fills (share_left()): the sources that hold most are
 * refused first, and there is always something left for those that hold little.
 * Memory is limited in two ways.  The window that a leg advertises is half of
 * what it may still take, because a buffer may be twice as large as its bytes.
 * And bytes that were promised earlier are refused once the flow or its source
 * holds twice its share.
 *
 * A flow has a source once its client is proven.  Before that the address may
 * be forged, and nobody is charged.  Each worker has pools of its own.  All
 * connections of one client to one address of a service are in the same worker.
 */
#include "internal.h"

#define LEAST_BYTES 8192u /* two chunks, which every flow needs */

static uint32_t held_nodes(const struct flow *f)
{
	return (uint32_t)f->leg[0].rcv.ooo_count + f->leg[1].rcv.ooo_count;
}

static uint32_t held_bytes(const struct flow *f)
{
	return f->leg[0].snd.q.mem + f->leg[0].rcv.ooo_mem +
	       f->leg[1].snd.q.mem + f->leg[1].rcv.ooo_mem;
}

static uint64_t bytes_free(const struct engine *e)
{
	const struct buf_pool *p = e->pool;

	return p->limit > p->held ? p->limit - p->held : 0;
}

void flow_account(struct engine *e, struct flow *f)
{
	share_account(&e->shares, &f->charge, held_nodes(f), held_bytes(f));
}

/* Connections that the kernel relays, of @a at @s.  *@all: of everybody. */
static uint32_t spliced(const struct engine *e, const struct svc *s,
			const struct ipaddr *a, uint32_t *all)
{
	*all = 0;
	return likely(!e->splice)
		       ? 0
		       : e->splice->count(e->splicer, s->cfg->name, a, all);
}

bool flow_join_source(struct engine *e, struct flow *f)
{
	const struct ipaddr *a = &f->leg[LEG_CLIENT].t.remote;
	uint32_t most = f->svc->cfg->max_per_source;

	if (f->charge.source)
		return true;
	f->charge.source = share_join(&e->shares, a, f->svc->stats->id) + 1;
	flow_account(e, f);
	return !most || source_flows(e, f->svc, a) <= most;
}

uint64_t flow_share(struct leg *l, enum leg_share what)
{
	const struct flow *f = leg_flow(l);
	const struct engine *e = f->svc->engine;
	uint64_t left;

	switch (what) {
	case LEG_SHARE_WINDOW:
		return share_left_to(&e->shares, &f->charge, SHARE_BYTES,
				     bytes_free(e), held_bytes(f)) /
		       2;
	case LEG_SHARE_NODES:
		left = share_left_to(&e->shares, &f->charge, SHARE_NODES,
				     e->ooo.max - e->ooo.used, held_nodes(f));
		f->svc->stats->shield[SC_ShareNodesRefused] += !left;
		return left;
	default:
		left = share_left_to(&e->shares, &f->charge, SHARE_BYTES,
				     2 * bytes_free(e), held_bytes(f));
		f->svc->stats->shield[SC_ShareBytesRefused] += !left;
		return left;
	}
}

uint32_t source_flows(const struct engine *e, const struct svc *s,
		      const struct ipaddr *a)
{
	uint32_t all, flows = share_flows(&e->shares, a, s->stats->id);

	return flows + spliced(e, s, a, &all);
}

bool source_is_full(const struct engine *e, const struct svc *s,
		    const struct ipaddr *a)
{
	return s->cfg->max_per_source &&
	       source_flows(e, s, a) >= s->cfg->max_per_source;
}

bool source_has_room(const struct engine *e, const struct svc *s,
		     const struct ipaddr *a)
{
	const struct share_source *src =
		share_find(&e->shares, a, s->stats->id);
	uint64_t bytes = src ? src->held[SHARE_BYTES] : 0, free = bytes_free(e);
	uint32_t all, flows = spliced(e, s, a, &all) +
			      share_flows(&e->shares, a, s->stats->id);

	if (free < LEAST_BYTES ||
	    (memory_out(e) && !share_left(free, 0, bytes)))
		return false;
	all += commons_used(e->commons, &e->flows);
	return all < e->flows.max && share_flows_ok(e->flows.max - all, flows);
}

uint32_t flow_source_flows(const struct engine *e, const struct flow *f)
{
	return f->charge.source
		       ? share_flows(&e->shares, &f->leg[LEG_CLIENT].t.remote,
				     f->svc->stats->id)
		       : 1;
}
