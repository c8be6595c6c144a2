/* SPDX-License-Identifier: MIT */
/*
 * Flows: two legs, and what passes between them besides bytes.
 *
 * Each leg's sink is the other's send queue, so bytes need no code here.  A FIN
 * is relayed after all bytes, a RST after the bytes that were acknowledged.  A
 * server that refuses or is silent is treated as the policy says.  Room in a
 * sink becomes window, and the urgent pointer is relayed.  A closed leg leaves
 * the table at once, so that its 4-tuple can be used again while the other leg
 * is still ending.
 */
#include "internal.h"
#include "util/log.h"

#define SOURCE_TRIES 128u
#define EVICT_SAMPLE 64
#define EVICT_MAX 4
#define WAIT_BATCH 256
#define WAIT_MAX_MS 127000u /* six SYN retries */
#define WAIT_STEP_US (20 * USEC_PER_MSEC)

struct leg *table_find(struct engine *e, const struct tuple *t)
{
	return leg_table_find(&e->table, t);
}

static void table_insert(struct engine *e, struct leg *l)
{
	leg_table_insert(&e->table, l);
	owners_add(e->owners, &l->t, e->worker, OWNED_LEG);
	if (l->side == LEG_CLIENT)
		known_add(e->known, &l->t);
}

void table_remove(struct engine *e, struct leg *l)
{
	if (!leg_table_remove(&e->table, l))
		return;
	owners_leave(e->owners, &l->t, e->worker, OWNED_LEG);
	if (l->side == LEG_CLIENT)
		known_leave(e->known, &l->t);
}

struct flow *flow_new(struct engine *e, struct svc *s, const struct tuple *t)
{
	struct flow *f = commons_alloc(e->commons, &e->flows);
	struct tuple st;

	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->svc = s;
	f->opened = e->now;
	s->set->refs++;
	svc_server_tuple(s, t, &st);
	leg_init(&f->leg[LEG_CLIENT], &s->env, &s->cfg->tcp, LEG_CLIENT, t,
		 &f->leg[LEG_SERVER].snd.q);
	leg_init(&f->leg[LEG_SERVER], &s->env, &s->cfg->tcp, LEG_SERVER, &st,
		 &f->leg[LEG_CLIENT].snd.q);
	slab_list_append(&e->all, f);
	table_insert(e, &f->leg[LEG_CLIENT]);
	f->counted = true;
	shared_add(&s->stats->half_open, 1);
	f->serial = ++e->count[EC_FlowsOpened] & FLOW_SERIAL_MASK;
	if (unlikely(e->hooks))
		e->hooks->bind(e->wing, f);
	return f;
}

static void flow_uncount(struct flow *f)
{
	if (f->counted)
		shared_add(&f->svc->stats->half_open, -1);
	f->counted = false;
}

static void flow_adopt(struct flow *f)
{
	if (f->orphan)
		shared_add(&f->svc->stats->orphans, -1);
	f->orphan = false;
}

void flow_unready(struct engine *e, struct flow *f)
{
	if (!f->ready)
		return;
	if (f->ready_prev)
		f->ready_prev->ready_next = f->ready_next;
	else
		e->ready_head = f->ready_next;
	if (f->ready_next)
		f->ready_next->ready_prev = f->ready_prev;
	else
		e->ready_tail = f->ready_prev;
	f->ready = false;
}

static void wait_append(struct engine *e, struct flow *f)
{
	slab_list_append(&e->waiting, f);
	f->waiting = true;
}

static void wait_remove(struct engine *e, struct flow *f)
{
	if (f->waiting)
		slab_list_remove(&e->waiting, f);
	f->waiting = false;
}

void flow_free(struct engine *e, struct flow *f)
{
	if (likely(e->watch))
		e->watch->ended(e->watch_arg, f, e->now);
	flow_unready(e, f);
	wait_remove(e, f);
	flow_uncount(f);
	flow_adopt(f);
	fastopen_end(f, false, e->now);
	share_end(&e->shares, &f->charge);
	if (unlikely(f->hooked))
		e->hooks->unbind(e->wing, f);
	if (unlikely(f->held))
		e->splice->drop(e->splicer, f);
	for (int i = 0; i < 2; i++) {
		table_remove(e, &f->leg[i]);
		leg_fini(&f->leg[i]);
	}
	if (e->sample == f)
		e->sample = engine_flow_next(e, f);
	slab_list_remove(&e->all, f);
	svc_set_put(f->svc->set);
	commons_free(e->commons, &e->flows, f);
	e->count[EC_FlowsClosed]++;
}

void flow_ready(struct engine *e, struct flow *f)
{
	if (f->ready)
		return;
	f->ready = true;
	f->ready_next = NULL;
	f->ready_prev = e->ready_tail;
	if (e->ready_tail)
		e->ready_tail->ready_next = f;
	else
		e->ready_head = f;
	e->ready_tail = f;
}

struct flow *flow_receive(struct engine *e, const struct tuple *t,
			  enum flow_refusal *why)
{
	struct svc *s = svc_for_client(e, &t->local, t->lport);
	struct flow *f = NULL;

	*why = !s					       ? FLOW_NO_SERVICE
	       : shield_access_ok(&s->cfg->shield, &t->remote) ? FLOW_NO_ROOM
							       : FLOW_DENIED;
	if (*why == FLOW_NO_ROOM && !table_find(e, t))
		f = flow_new(e, s, t);
	return f;
}

bool flow_received(struct engine *e, struct flow *f, bool source)
{
	struct leg *l = &f->leg[LEG_SERVER];
	bool counted = f->counted, taken = l->state != TS_CLOSED;

	f->counted = true; /* by flow_new() */
	if (!counted)
		flow_uncount(f);
	shared_add(&f->svc->stats->orphans, f->orphan);
	if (f->tfo_in)
		tfo_pending_begin(&f->svc->stats->tfo_pending);
	if (f->waiting)
		wait_append(e, f);
	e->wait_at = e->waiting.head ? e->now : MONO_UNSET;
	if (f->leg[LEG_CLIENT].state == TS_CLOSED)
		table_remove(e, &f->leg[LEG_CLIENT]);
	if (taken && table_find(e, &l->t))
		return false;
	if (taken)
		table_insert(e, l);
	if (source)
		flow_join_source(e, f);
	flow_ready(e, f);
	return true;
}

static bool pick_port(struct engine *e, struct leg *l, struct port_range r)
{
	uint32_t n = r.max - r.min + 1u;
	uint32_t at = prng_below(&e->rng, n);

	for (uint32_t i = 0; i < SOURCE_TRIES; i++) {
		l->t.lport = (uint16_t)(r.min + (at + i) % n);
		if (!table_find(e, &l->t) && !tw_find(&e->tw, &l->t) &&
		    owners_find(e->owners, &l->t) == OWNERS_NONE)
			return true;
	}
	return false;
}

/* Choose a free port, where the server does not see the client's address.  What
 * the server sends to this worker's ports comes here at once. */
static bool pick_source(struct engine *e, struct flow *f)
{
	const struct service *c = f->svc->cfg;
	struct leg *l = &f->leg[LEG_SERVER];
	struct port_range all = {c->port_min, c->port_max}, mine;

	if (c->source.mode == SOURCE_CLIENT)
		return true;
	l->t.local = c->source.addr;
	if (service_ports_of(c, e->worker, commons_workers(e->commons),
			     &mine) &&
	    pick_port(e, l, mine))
		return true;
	return commons_workers(e->commons) > 1 && pick_port(e, l, all);
}

/* Its 4-tuple is free at all workers, and has been taken. */
static bool take_tuple(struct engine *e, struct leg *l)
{
	if (table_find(e, &l->t))
		return false;
	table_insert(e, l);
	if (likely(!owners_other_leg(e->owners, &l->t, e->worker)))
		return true;
	table_remove(e, l); /* at the same time */
	return false;
}

static bool try_dial(struct engine *e, struct flow *f, mono_t now)
{
	struct leg *l = &f->leg[LEG_SERVER];
	uint32_t ts_off;
	seq_t iss;

	if (!pick_source(e, f) || !take_tuple(e, l))
		return false;
	svc_isn(f->svc, &l->t, now, &iss, &ts_off);
	if (!tw_dial(e, f, now, &iss, &ts_off)) {
		table_remove(e, l);
		return false;
	}
	if (unlikely(e->splice))
		e->splice->above(e->splicer, &l->t, now, &iss, &ts_off);
	f->dialled = true;
	if (unlikely(f->held) && e->splice)
		e->splice->dial(e->splicer, f, iss, ts_off, now);
	else
		leg_open_active(l, iss, ts_off, NULL, now);
	l->mute = !f->proven;
	fastopen_plan(e, f, now);
	leg_arm(l);
	return true;
}

void flow_dial(struct engine *e, struct flow *f, mono_t now)
{
	if (f->dialled || f->waiting || try_dial(e, f, now))
		return;
	f->wait_ms = (uint32_t)(now.us / USEC_PER_MSEC);
	wait_append(e, f);
	if (!mono_is_set(e->wait_at))
		e->wait_at = mono_add(now, WAIT_STEP_US);
}

/* Time since the peer of @l acknowledged bytes. */
static uint32_t stalled_ms(const struct leg *l, mono_t now)
{
	int32_t ms = (int32_t)((uint32_t)(now.us / USEC_PER_MSEC) -
			       l->tmr.progress_ms); /* progress may be later */

	return ms > 0 ? (uint32_t)ms + 2 : 2;
}

/* Time since bytes moved at either end. */
static uint32_t idle_ms(const struct flow *f, mono_t now)
{
	const struct leg *s = &f->leg[LEG_SERVER];
	uint32_t ms = stalled_ms(&f->leg[LEG_CLIENT], now);

	return s->state == TS_CLOSED ? ms : min_u32(ms, stalled_ms(s, now));
}

int64_t flow_idle_left(struct leg *l, mono_t now)
{
	const struct flow *f = leg_flow(l);
	int64_t most = f->svc->cfg->idle_timeout;
	int64_t left = most - (int64_t)idle_ms(f, now) * USEC_PER_MSEC;

	if (most && left <= 0)
		f->svc->stats->shield[SC_IdleClosed]++;
	return most ? left : 0;
}

static void on_established(struct engine *e, struct flow *f, struct leg *l,
			   mono_t now)
{
	struct leg *client = &f->leg[LEG_CLIENT];

	if (l == client) {
		flow_uncount(f);
		fastopen_end(f, false, now);
		f->proven = true;
		if (!flow_join_source(e, f)) { /* full since its SYN came */
			f->svc->stats->shield[SC_SourceLimited]++;
			leg_abort(client);
			leg_abort(&f->leg[LEG_SERVER]);
			return;
		}
		if (f->svc->cfg->idle_timeout)
			leg_watch_idle(client, f->svc->cfg->idle_timeout, now);
		flow_dial(e, f, now);
		leg_unmute(&f->leg[LEG_SERVER], now);
	} else {
		leg_accept(client, now); /* server_first: it is in LISTEN */
	}
	if (e->watch && f->leg[l->side ^ 1].state >= TS_ESTABLISHED)
		e->watch->opened(e->watch_arg, f, now);
}

/* The server refused, or never answered. */
static void on_no_server(struct flow *f, bool silent)
{
	struct leg *client = &f->leg[LEG_CLIENT];
	bool held = client->state == TS_LISTEN;

	if ((held && silent) ||
	    (!held && f->svc->cfg->on_no_server == NO_SERVER_DROP))
		leg_vanish(client);
	else
		leg_abort(client);
}

/* Bytes on their way to the send queue of leg @to, of a hooked flow. */
static uint32_t pending(const struct engine *e, const struct flow *f, int to)
{
	return e->hooks->pending(e->wing, f, to);
}

/* End the wait if its time is over or its 4-tuple is free. */
static bool wait_end(struct engine *e, struct flow *f, mono_t now)
{
	uint32_t ms = (uint32_t)(now.us / USEC_PER_MSEC);
	bool late = ms - f->wait_ms > WAIT_MAX_MS;

	if (!late && !try_dial(e, f, now))
		return false;
	if (late)
		on_no_server(f, true);
	else if (f->leg[LEG_CLIENT].end.fin_rcvd &&
		 !(f->hooked && pending(e, f, LEG_SERVER)))
		leg_shutdown(&f->leg[LEG_SERVER]);
	flow_settle(e, f, now);
	return true;
}

/*
 * Try some of the waiting flows, in turn: flows that cannot dial must not hold
 * up those that can.  After too long a wait the server counts as silent.
 */
void flow_dial_waiting(struct engine *e, mono_t now)
{
	const struct flow *last = slab_list_last(&e->waiting);
	bool more = last != NULL;

	if (!mono_due(e->wait_at, now))
		return;
	for (int i = 0; more && i < WAIT_BATCH; i++) {
		struct flow *f = slab_list_first(&e->waiting);

		more = f != last;
		wait_remove(e, f);
		if (!wait_end(e, f, now))
			wait_append(e, f);
	}
	e->wait_at = e->waiting.head ? mono_add(now, WAIT_STEP_US) : MONO_UNSET;
}

static void on_urgent(const struct engine *e, const struct flow *f,
		      struct leg *l, struct leg *other)
{
	seq_t end = seq_add(leg_snd_front(other), other->snd.q.bytes);

	if (other->state == TS_CLOSED) /* not dialled yet */
		return;
	if (unlikely(f->hooked))
		end = seq_add(end, pending(e, f, other->side));

	other->snd.urg =
		seq_add(end, seq_span(l->rcv.urg,
				      seq_sub(l->rcv.nxt, l->end.fin_rcvd)));
	other->snd.urg_out = true;
}

/* close = rst: a connection that both sides have closed ends with a RST, so
 * that neither kernel keeps TIME_WAIT (linger 0).  A FIN that a fault holds
 * back does not count as closed. */
void flow_relay_fin(struct flow *f, struct leg *other, mono_t now)
{
	const struct leg *from = &f->leg[other->side ^ 1];

	if (f->svc->cfg->close == CLOSE_RST && other->end.fin_rcvd &&
	    (from->end.fin_queued || from->end.fin_sent))
		leg_abort_after_drain(other, now);
	else
		leg_shutdown(other);
}

static void relay(struct engine *e, struct flow *f, struct leg *l, mono_t now)
{
	struct leg *other = &f->leg[l->side ^ 1];
	uint16_t ev = l->ev;
	bool opening = other->state == TS_LISTEN ||
		       other->state == TS_SYN_RECEIVED;

	l->ev = 0;
	if (unlikely(f->hooked))
		ev = e->hooks->relay(e->wing, f, l, ev, now);
	if (ev & LEG_EV_ESTABLISHED)
		on_established(e, f, l, now);
	if (ev & LEG_EV_URGENT)
		on_urgent(e, f, l, other);
	if (ev & LEG_EV_FIN)
		flow_relay_fin(f, other, now);
	if (ev & LEG_EV_ROOM)
		leg_sink_moved(other, l, now);
	if (ev & (LEG_EV_REFUSED | LEG_EV_UNREACH))
		on_no_server(f, false);
	if (ev & LEG_EV_TIMEOUT && l->side == LEG_SERVER && opening)
		on_no_server(f, true);
	else if (ev & LEG_EV_TIMEOUT && l->side == LEG_SERVER &&
		 !l->rcv.syn_rcvd)
		on_no_server(f, true);
	else if (ev & (LEG_EV_RST | LEG_EV_TIMEOUT)) {
		fastopen_end(f, ev & LEG_EV_RST && l->side == LEG_CLIENT, now);
		leg_abort_after_drain(other, now);
	}
}

static bool leg_done(const struct leg *l)
{
	return l->state == TS_CLOSED && !l->end.rst_pending;
}

/*
 * One leg is gone and the other is still ending.  It is an orphan, like a
 * kernel socket that no process holds.  A service may have tcp_max_orphans.
 */
static void check_orphan(struct flow *f, mono_t now)
{
	const struct leg *c = &f->leg[LEG_CLIENT];
	struct leg *left = &f->leg[LEG_SERVER];

	if (f->orphan || !f->dialled)
		return;
	if (left->state == TS_CLOSED)
		left = &f->leg[LEG_CLIENT];
	else if (c->state != TS_CLOSED)
		return;
	if (left->state == TS_CLOSED || left->state == TS_TIME_WAIT)
		return;
	if (shared_sum(&f->svc->stats->orphans) >= f->svc->cfg->max_orphans) {
		f->svc->stats->tcp.c[CNT_TcpExtTCPAbortOnMemory]++;
		leg_abort(left);
		return;
	}
	f->orphan = true;
	shared_add(&f->svc->stats->orphans, 1);
	if (!f->hooked) /* a fault may end one leg and keep the other */
		leg_sink_gone(left, now);
}

/* Memory is short: weigh what a flow holds by how long it has stalled. */
static uint64_t memory_weight(const struct flow *f, mono_t now)
{
	uint64_t worst = 0;

	for (int i = 0; i < 2; i++) {
		const struct leg *l = &f->leg[i];
		uint64_t held = (uint64_t)l->snd.q.mem + l->rcv.ooo_mem;
		uint64_t w = held * stalled_ms(l, now);

		if (l->state != TS_CLOSED && w > worst)
			worst = w;
	}
	return worst;
}

/* Places are short: weigh a flow by its source's number and its idle time. */
static uint64_t place_weight(const struct engine *e, const struct flow *f,
			     uint32_t least, mono_t now)
{
	uint32_t n = flow_source_flows(e, f);

	return n < least ? 0 : (uint64_t)n * idle_ms(f, now);
}

/* Reset the heaviest flow of a sample.  To make a place, its source must have
 * at least @least_flows: a newcomer takes no place from a source with fewer. */
static void evict_heaviest(struct engine *e, uint32_t least_flows, mono_t now)
{
	bool memory = memory_out(e);
	struct flow *heaviest = NULL;
	uint64_t most = 0;

	for (int i = 0; i < EVICT_SAMPLE; i++) {
		struct flow *f = e->sample ? e->sample : engine_flow_first(e);
		uint64_t w;

		if (!f)
			break;
		e->sample = engine_flow_next(e, f);
		w = memory ? memory_weight(f, now)
			   : place_weight(e, f, least_flows, now);
		if (w > most) {
			most = w;
			heaviest = f;
		}
	}
	if (!heaviest)
		return;
	e->evicting = true;
	heaviest->svc->stats->shield[SC_EvictedSlow]++;
	leg_abort(&heaviest->leg[LEG_CLIENT]);
	leg_abort(&heaviest->leg[LEG_SERVER]);
	flow_settle(e, heaviest, now);
}

bool flow_room(struct engine *e, const struct svc *s, const struct ipaddr *a,
	       mono_t now)
{
	uint32_t flows;

	if (source_has_room(e, s, a))
		return true;
	if (s->cfg->on_limit != LIMIT_EVICT_SLOWEST || e->evicting)
		return false;
	/* memory is free now, a place after the RSTs were sent */
	flows = source_flows(e, s, a);
	evict_heaviest(e, flows, now);
	for (int i = 1; i < EVICT_MAX && memory_out(e); i++)
		evict_heaviest(e, flows, now);
	return source_has_room(e, s, a);
}

void flow_relieve(struct engine *e, const struct svc *s, mono_t now)
{
	if (memory_out(e) && s->cfg->on_limit == LIMIT_EVICT_SLOWEST &&
	    !e->evicting)
		evict_heaviest(e, 0, now);
}

void flow_settle(struct engine *e, struct flow *f, mono_t now)
{
	/* events of one leg can raise events of the other; twice is enough
	 * for any chain (A's RST aborts B, which raises nothing) */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < 2; i++) {
			if (f->leg[i].ev)
				relay(e, f, &f->leg[i], now);
		}
	}
	check_orphan(f, now);
	for (int i = 0; i < 2; i++) {
		if (f->leg[i].state != TS_CLOSED)
			continue;
		table_remove(e, &f->leg[i]);
		if (!f->waiting || i == LEG_CLIENT)
			bufq_purge(&f->leg[i].snd.q, e->pool);
	}
	if (leg_done(&f->leg[0]) && leg_done(&f->leg[1])) {
		flow_free(e, f);
		return;
	}
	flow_account(e, f);
	flow_ready(e, f);
}

void flow_trace(struct leg *l, enum tcp_state to, enum tcp_event why)
{
	const struct flow *f = leg_flow(l);

	trace_log(&f->svc->engine->set->policy->trace,
		  &(struct trace_line){
			  flow_service(f), flow_serial(f->svc->engine, f),
			  &f->leg[LEG_CLIENT].t, l->side == LEG_CLIENT,
			  tcp_state_name[l->state], tcp_state_name[to],
			  tcp_event_name[why]});
}
