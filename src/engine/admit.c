/* SPDX-License-Identifier: MIT */
/*
 * Segments that no leg takes: may one become a flow?
 *
 * In this order: no service claims it - pass; TIME_WAIT; a SYN opens a flow or
 * is answered by a cookie; an ACK may bring a cookie back; all else is unknown
 * and treated as the service says.
 */
#include "internal.h"

static enum verdict refuse(struct engine *e, enum drop_reason why)
{
	e->drop[why]++;
	return VERDICT_CONSUMED;
}

static enum verdict unknown(struct engine *e, struct svc *s,
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
		if (seg->flags & TCP_RST)
			return VERDICT_CONSUMED;
		c[SC_UnknownReset]++;
		answer_rst(reply, seg);
		return VERDICT_REPLY;
	}
}

static uint16_t synack_wnd(const struct tcp_cfg *c)
{
	return (uint16_t)min_u32(c->rmem[1] / 2, 65535);
}

/* Answer a SYN and remember nothing. */
static enum verdict send_cookie(struct engine *e, struct svc *s,
				const struct segment *seg, mono_t now,
				struct tx *reply)
{
	const struct tcp_cfg *c = &s->cfg->tcp;
	bool ecn = c->ecn && seg->flags & TCP_ECE && seg->flags & TCP_CWR;
	struct tcp_opts o;
	uint32_t ts_off, tsval = 0;
	seq_t isn, iss;

	isn_make(&e->isn_key, &seg->t, now, &isn, &ts_off);
	tsval = (uint32_t)(now.us / USEC_PER_MSEC) + ts_off;
	iss = cookie_make(&e->cookies, seg, engine_wall_s(e, now), ecn,
			  c->timestamps ? &tsval : NULL);
	leg_synack_opts(c, &seg->opts, leg_mss_offer(seg->family), tsval,
			seg->opts.tsval, &o);
	s->stats->shield[SC_TcpExtSyncookiesSent]++;
	answer_syn_ack(reply, seg, iss, synack_wnd(c), ecn, &o);
	return VERDICT_REPLY;
}

static bool no_room(const struct engine *e, const struct svc *s)
{
	return e->pool->held > e->pool->limit / 10 * 9 ||
	       s->stats->half_open >= s->cfg->max_syn_backlog;
}

static enum verdict open_flow(struct engine *e, struct svc *s,
			      const struct segment *seg, seq_t iss,
			      uint32_t ts_off, mono_t now)
{
	struct flow *f;

	if (no_room(e, s)) {
		s->stats->shield[SC_TcpExtListenOverflows]++;
		return refuse(e, DROP_SYN_LIMIT);
	}
	f = flow_new(e, s, &seg->t);
	if (!f) {
		s->stats->shield[SC_TcpExtListenDrops]++;
		return refuse(e, DROP_SYN_LIMIT);
	}
	leg_open_passive(&f->leg[LEG_CLIENT], seg, iss, ts_off, now);
	if (s->cfg->handshake == HANDSHAKE_CLIENT_FIRST) {
		leg_accept(&f->leg[LEG_CLIENT], now);
	} else {
		flow_dial(e, f, now);
	}
	flow_settle(e, f, now);
	return VERDICT_CONSUMED;
}

static enum verdict admit_syn(struct engine *e, struct svc *s,
			      const struct segment *seg,
			      const struct tw_next *next, mono_t now,
			      struct tx *reply)
{
	uint32_t ts_off;
	seq_t iss;

	if (e->stopping)
		return refuse(e, DROP_STOPPING);
	if (s->cfg->syncookies == 2)
		return send_cookie(e, s, seg, now, reply);
	isn_make(&e->isn_key, &seg->t, now, &iss, &ts_off);
	if (next->renewed && seq_lt(iss, next->least_iss))
		iss = next->least_iss;
	return open_flow(e, s, seg, iss, ts_off, now);
}

/* An ACK of no flow: a cookie that comes back? */
static enum verdict admit_ack(struct engine *e, struct svc *s,
			      const struct segment *seg, mono_t now,
			      struct tx *reply)
{
	struct cookie_syn c;
	struct tcp_opts peer = { 0 };
	struct flow *f;
	uint32_t ts_off;
	seq_t isn;
	int rc = cookie_check(&e->cookies, seg, engine_wall_s(e, now), &c);

	if (rc) {
		s->stats->shield[SC_TcpExtSyncookiesFailed]++;
		return unknown(e, s, seg, reply);
	}
	if (e->stopping)
		return refuse(e, DROP_STOPPING);
	f = flow_new(e, s, &seg->t);
	if (!f) {
		s->stats->shield[SC_TcpExtListenDrops]++;
		return refuse(e, DROP_SYN_LIMIT);
	}
	if (!spent_take(&e->spent, &seg->t, seq_sub(seg->ack, 1))) {
		flow_free(e, f);
		s->stats->shield[SC_CookieReplays]++;
		return unknown(e, s, seg, reply);
	}
	s->stats->shield[SC_TcpExtSyncookiesRecv]++;
	isn_make(&e->isn_key, &seg->t, now, &isn, &ts_off);
	cookie_opts(&c, seg, &peer);
	leg_open_cookie(&f->leg[LEG_CLIENT], &peer, seq_sub(seg->seq, 1),
			seq_sub(seg->ack, 1), ts_off, c.ecn, now);
	leg_input(&f->leg[LEG_CLIENT], seg, now);
	flow_settle(e, f, now);
	return VERDICT_CONSUMED;
}

enum verdict admit(struct engine *e, const struct segment *seg, mono_t now,
		   struct tx *reply)
{
	struct svc *s = svc_for_client(e, &seg->t.local, seg->t.lport);
	uint16_t kind = seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	struct tw_next next;
	enum verdict v;

	if (tw_admit(e, seg, now, reply, &next, &v))
		return v;
	if (!s) {
		s = svc_for_server(e, &seg->t.remote, seg->t.rport);
		if (!s || kind == TCP_SYN) {
			e->count[EC_PacketsPassed]++;
			return VERDICT_PASS;
		}
		return unknown(e, s, seg, reply);
	}
	if (kind == TCP_SYN)
		return admit_syn(e, s, seg, &next, now, reply);
	if ((kind & ~TCP_FIN) == TCP_ACK && s->cfg->syncookies)
		return admit_ack(e, s, seg, now, reply);
	return unknown(e, s, seg, reply);
}
