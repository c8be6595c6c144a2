/* SPDX-License-Identifier: MIT */
/*
 * Segments that belong to no leg: may one become a flow?
 *
 * The order is: an entry of the SYN queue; TIME_WAIT; what belongs to no
 * service passes; a SYN opens a flow, waits in the queue or is answered by a
 * cookie; an ACK may return a cookie.  The rest is unknown, and treated as the
 * service's key says.
 */
#include "internal.h"

static enum verdict refuse(struct engine *e, enum drop_reason why)
{
	e->drop[why]++;
	return VERDICT_CONSUMED;
}

/* A listening socket does not answer a segment without SYN and ACK (RFC 9293,
 * 3.10.7.2).  To a server we are a closed port, which does. */
static bool may_reset(const struct segment *seg, bool from_client)
{
	if (seg->flags & TCP_RST)
		return false;
	return !from_client || seg->flags & (TCP_SYN | TCP_ACK);
}

static enum verdict unknown(struct engine *e, struct svc *s, bool from_client,
			    const struct segment *seg, struct tx *reply)
{
	uint64_t *c = s->stats->shield;

	switch (s->cfg->unknown) {
	case UNKNOWN_PASS:
		c[SC_UnknownPassed]++;
		return VERDICT_PASS;
	case UNKNOWN_DROP:
		c[SC_UnknownDropped]++;
		return refuse(e, DROP_NO_FLOW);
	default:
		e->drop[DROP_NO_FLOW]++;
		if (!may_reset(seg, from_client))
			return VERDICT_CONSUMED;
		c[SC_UnknownReset]++;
		answer_rst(reply, seg);
		return VERDICT_REPLY;
	}
}

/* No room for another connection: what happens to the newcomer? */
static enum verdict at_limit(struct engine *e, struct svc *s,
			     const struct segment *seg, struct tx *reply)
{
	s->stats->shield[SC_TcpExtListenOverflows]++;
	e->drop[DROP_SYN_LIMIT]++;
	if (s->cfg->on_limit != LIMIT_REFUSE)
		return VERDICT_CONSUMED;
	answer_rst(reply, seg);
	return VERDICT_REPLY;
}

/* parallel: the client is answered at once, else after the server has. */
static enum verdict open_flow(struct engine *e, struct svc *s,
			      const struct opening *o, mono_t now)
{
	const struct segment *seg = o->seg;
	struct flow *f;

	f = flow_new(e, s, &seg->t);
	if (!f) {
		s->stats->shield[SC_TcpExtListenDrops]++;
		return refuse(e, DROP_SYN_LIMIT);
	}
	leg_open_passive(&f->leg[LEG_CLIENT], seg, o->iss, o->ts_off, now);
	f->leg[LEG_CLIENT].tfo_opt = o->fast.action == TFO_OFFER;
	f->leg[LEG_CLIENT].tfo_exp = o->fast.action == TFO_OFFER &&
				     o->fast.experimental;
	if (s->cfg->handshake == HANDSHAKE_PARALLEL)
		leg_accept(&f->leg[LEG_CLIENT], now);
	flow_dial(e, f, now);
	flow_settle(e, f, now);
	return VERDICT_CONSUMED;
}

/* How many half-open connections a service may have.  If the server is asked
 * first each is a whole flow, so they may take at most half of all flows. */
static uint32_t backlog(const struct engine *e, const struct svc *s)
{
	uint32_t n = s->cfg->max_syn_backlog;

	if (s->cfg->handshake != HANDSHAKE_CLIENT_FIRST)
		n = min_u32(n, max_u32(e->flows.max / 2, 1));
	return n;
}

/* Fast Open: a flow at once, with the SYN's data.  False: no room. */
static bool open_fast(struct engine *e, struct svc *s, const struct opening *o,
		      mono_t now)
{
	const struct segment *seg = o->seg;
	struct flow *f = NULL;
	struct leg *l;

	if (!o->fast.proven || limits_proven(e, s, &seg->t.remote, now))
		f = flow_new(e, s, &seg->t);
	if (!f)
		return false;
	l = &f->leg[LEG_CLIENT];
	leg_open_passive(l, seg, o->iss, o->ts_off, now);
	if (!leg_take_syn_data(l, seg, now)) {
		flow_free(e, f);
		return false;
	}
	l->tfo_opt = o->fast.renew;
	l->tfo_exp = o->fast.experimental;
	f->tfo_in = true;
	f->proven = o->fast.proven;
	tfo_pending_begin(&s->stats->tfo_pending);
	s->stats->shield[SC_TcpExtTCPFastOpenPassive]++;
	leg_accept(l, now);
	flow_dial(e, f, now);
	flow_settle(e, f, now);
	return true;
}

/* Is a SYN answered by a cookie: always, while many connections are half open,
 * or (server_first) when there is no room for another? */
bool admit_by_cookie(const struct engine *e, struct svc *s, mono_t now)
{
	struct pressure_marks m = {.syncookies = s->cfg->syncookies,
				   .backlog = backlog(e, s),
				   .high = s->cfg->shield.syn_high,
				   .low = s->cfg->shield.syn_low,
				   .hold_us = s->cfg->shield.syn_hold};

	if (s->cfg->handshake == HANDSHAKE_SERVER_FIRST)
		m.high = 100;
	else if (s->cfg->syncookies && synq_is_full(&e->synq))
		return true;
	return pressure_cookies(&s->stats->pressure, &m,
				shared_sum(&s->stats->half_open), now);
}

static enum verdict admit_syn(struct engine *e, struct svc *s,
			      const struct segment *seg,
			      const struct tw_next *next, mono_t now,
			      struct tx *reply)
{
	enum drop_reason why = limits_connect(e, s, seg, now);
	bool flood = admit_by_cookie(e, s, now);
	const struct ipaddr *a = &seg->t.remote;
	struct opening o = {.seg = seg};

	if (why != DROP_NONE)
		return refuse(e, why);
	if (source_is_full(e, s, a)) {
		s->stats->shield[SC_SourceLimited]++;
		return at_limit(e, s, seg, reply);
	}
	svc_isn(s, &seg->t, now, &o.iss, &o.ts_off);
	if (next->renewed && seq_lt(o.iss, next->least_iss))
		o.iss = next->least_iss;
	if (fastopen_syn(e, s, seg, flood, now, &o.fast) &&
	    flow_room(e, s, a, now) && open_fast(e, s, &o, now))
		return VERDICT_CONSUMED;
	if (flood)
		return halfopen_cookie(e, s, seg, now, reply);
	if (shared_sum(&s->stats->half_open) >= backlog(e, s)) {
		s->stats->shield[SC_TcpExtListenOverflows]++;
		return refuse(e, DROP_SYN_LIMIT);
	}
	if (s->cfg->handshake == HANDSHAKE_CLIENT_FIRST &&
	    s->cfg->on_limit != LIMIT_EVICT_SLOWEST && !flow_room(e, s, a, now))
		return at_limit(e, s, seg, reply);
	if (s->cfg->handshake == HANDSHAKE_CLIENT_FIRST)
		return halfopen_queue(e, s, &o, now, reply);
	if (!flow_room(e, s, a, now))
		return at_limit(e, s, seg, reply);
	return open_flow(e, s, &o, now);
}

enum verdict admit(struct engine *e, const struct segment *seg, mono_t now,
		   struct tx *reply)
{
	struct svc *s = svc_for_client(e, &seg->t.local, seg->t.lport);
	uint16_t kind = seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	struct tw_next next;
	enum verdict v;

	if (halfopen_input(e, seg, now, reply, &v) ||
	    tw_admit(e, seg, now, reply, &next, &v))
		return v;
	if (!s) {
		s = svc_for_server(e, &seg->t.remote, seg->t.rport);
		if (!s || kind == TCP_SYN) {
			e->count[EC_PacketsPassed]++;
			return VERDICT_PASS;
		}
		return unknown(e, s, false, seg, reply);
	}
	if (kind == TCP_SYN && !s->stats->draining)
		return admit_syn(e, s, seg, &next, now, reply);
	if ((kind & ~TCP_FIN) == TCP_ACK &&
	    halfopen_cookie_ack(e, s, seg, now, reply, &v))
		return v;
	return unknown(e, s, true, seg, reply);
}
