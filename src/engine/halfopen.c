/* SPDX-License-Identifier: MIT */
/*
 * Half-open connections of the client side: the SYN queue and cookies.
 *
 * A SYN is answered at once; what was answered is kept in the SYN queue (64
 * bytes) or in the cookie (nothing).  The ACK that completes the handshake
 * makes the flow, which then dials the server; the client's window is open all
 * the while and what it sends waits in the server leg's queue.
 */
#include "internal.h"

static uint16_t synack_wnd(const struct tcp_cfg *c)
{
	return (uint16_t)min_u32(c->rmem[1] / 2, 65535);
}

static uint32_t tsval_of(const struct svc *s, const struct tuple *t, mono_t now,
			 seq_t *isn)
{
	uint32_t off;

	svc_isn(s, t, now, isn, &off);
	return (uint32_t)(now.us / USEC_PER_MSEC) + off;
}

static bool wants_ecn(const struct tcp_cfg *c, const struct segment *seg)
{
	return c->ecn && seg->flags & TCP_ECE && seg->flags & TCP_CWR;
}

enum verdict halfopen_cookie(struct engine *e, struct svc *s,
			     const struct segment *seg, mono_t now,
			     struct tx *reply)
{
	const struct tcp_cfg *c = &s->cfg->tcp;
	bool ecn = wants_ecn(c, seg);
	struct tcp_opts o;
	seq_t isn;
	uint32_t tsval = tsval_of(s, &seg->t, now, &isn);

	isn = cookie_make(&e->cookies, seg, engine_wall_s(e, now), ecn,
			  c->timestamps ? &tsval : NULL);
	leg_synack_opts(c, &seg->opts, leg_mss_offer(seg->family), tsval,
			seg->opts.tsval, &o);
	pressure_sent(&s->stats->pressure);
	s->stats->shield[SC_TcpExtSyncookiesSent]++;
	answer_syn_ack(reply, seg, isn, synack_wnd(c), ecn, &o);
	return VERDICT_REPLY;
}

/* @fast: Fast Open's part in the first answer; NULL later.  As in Linux, a
 * SYN-ACK that is sent again offers no cookie. */
static void queue_answer(const struct svc *s, const struct synq_syn *q,
			 const struct tfo_answer *fast, mono_t now,
			 struct tx *tx)
{
	struct segment seg = {.t = q->t,
			      .seq = q->client_isn,
			      .family = ipaddr_is_v4(&q->t.local) ? 4 : 6};
	const struct tcp_cfg *c = &s->cfg->tcp;
	struct tcp_opts o;
	seq_t isn;

	if (q->ts_ok)
		seg.opts.has |= OPT_HAS_TS;
	if (q->sack_ok)
		seg.opts.has |= OPT_HAS_SACKOK;
	if (q->wscale_ok)
		seg.opts.has |= OPT_HAS_WSCALE;
	leg_synack_opts(c, &seg.opts, leg_mss_offer(seg.family),
			tsval_of(s, &q->t, now, &isn), q->tsval, &o);
	if (fast && fast->action == TFO_OFFER)
		fastopen_offer(fast, &o);
	answer_syn_ack(tx, &seg, q->iss, synack_wnd(c), q->ecn, &o);
}

enum verdict halfopen_queue(struct engine *e, struct svc *s,
			    const struct opening *open, mono_t now,
			    struct tx *reply)
{
	const struct tcp_cfg *c = &s->cfg->tcp;
	const struct segment *seg = open->seg;
	const struct tcp_opts *o = &seg->opts;
	struct synq_syn q = {
		.t = seg->t,
		.client_isn = seg->seq,
		.iss = open->iss,
		.tsval = o->tsval,
		.mss = o->has & OPT_HAS_MSS ? o->mss : 0,
		.wscale = o->wscale,
		.ecn = wants_ecn(c, seg),
		.service = s->index,
		.defer = synq_defer_retries(s->cfg->shield.defer_accept),
		.retries =
			(uint8_t)min_u32(c->synack_retries, SYNQ_RETRIES_MAX)};

	q.wscale_ok = c->window_scaling && o->has & OPT_HAS_WSCALE;
	q.sack_ok = c->sack && o->has & OPT_HAS_SACKOK;
	q.ts_ok = c->timestamps && o->has & OPT_HAS_TS;
	if (synq_add(&e->synq, &q, now)) {
		s->stats->shield[SC_TcpExtListenOverflows]++;
		e->drop[DROP_SYN_LIMIT]++;
		return VERDICT_CONSUMED;
	}
	s->stats->half_open++;
	queue_answer(s, &q, &open->fast, now, reply);
	return VERDICT_REPLY;
}

/* The handshake is complete: @how and the numbers make the client leg. */
static bool open_flow(struct engine *e, struct svc *s,
		      const struct segment *seg, const struct leg_resume *how,
		      mono_t now)
{
	struct flow *f = flow_room(e, s, now) ? flow_new(e, s, &seg->t) : NULL;
	struct leg_resume r = *how;
	uint32_t ts_off;
	seq_t isn;

	if (!f) {
		s->stats->shield[SC_TcpExtListenDrops]++;
		return false;
	}
	svc_isn(s, &seg->t, now, &isn, &ts_off);
	r.irs = seq_sub(seg->seq, 1);
	r.iss = seq_sub(seg->ack, 1);
	r.ts_off = ts_off;
	leg_open_cookie(&f->leg[LEG_CLIENT], &r, now);
	leg_input(&f->leg[LEG_CLIENT], seg, now);
	flow_settle(e, f, now);
	return true;
}

static struct svc *svc_of_entry(struct engine *e, const struct synq_syn *q)
{
	return svc_if_taken(e, q->service, &q->t.local, q->t.lport);
}

static void leave_queue(struct engine *e, const struct synq_syn *q)
{
	struct svc_stats *st = &e->slots[q->service];

	if (st->half_open)
		st->half_open--;
}

static enum verdict queue_open(struct engine *e, struct svc *s,
			       const struct segment *seg,
			       const struct synq_syn *q, mono_t now,
			       struct tx *reply)
{
	struct tcp_opts peer = {.mss = q->mss,
				.wscale = q->wscale,
				.tsval = seg->opts.has & OPT_HAS_TS
						 ? seg->opts.tsval
						 : q->tsval};
	struct leg_resume how = {.peer = &peer,
				 .ecn = q->ecn,
				 .sent_again = q->sent_again,
				 .answered_at = synq_answered_at(q, now)};
	struct segment first = *seg;

	peer.has = (q->mss ? OPT_HAS_MSS : 0) |
		   (q->wscale_ok ? OPT_HAS_WSCALE : 0) |
		   (q->sack_ok ? OPT_HAS_SACKOK : 0) |
		   (q->ts_ok ? OPT_HAS_TS : 0);
	leave_queue(e, q);
	if (e->stopping) { /* it shall not wait for a flow that never comes */
		e->drop[DROP_STOPPING]++;
		answer_rst(reply, seg);
		return VERDICT_REPLY;
	}
	/* the queue knows the numbers better than a later segment does */
	first.seq = seq_add(q->client_isn, 1);
	first.ack = seq_add(q->iss, 1);
	first.data.len = 0;
	first.flags = TCP_ACK;
	if (!open_flow(e, s, &first, &how, now)) {
		if (s->cfg->shield.abort_on_overflow) {
			answer_rst(reply, seg);
			return VERDICT_REPLY;
		}
		synq_refuse(&e->synq, q, now);
		s->stats->half_open++;
		e->drop[DROP_SYN_LIMIT]++;
		return VERDICT_CONSUMED;
	}
	if (seg->data.len || seg->flags & TCP_FIN || seg->opts.nsack ||
	    !seq_eq(seg->seq, first.seq)) {
		struct leg *l = table_find(e, &seg->t);

		if (l) {
			leg_input(l, seg, now);
			flow_settle(e, leg_flow(l), now);
		}
	}
	return VERDICT_CONSUMED;
}

/* Out of the window: say where we are (RFC 9293, 3.10.7.4, first). */
static void queue_ack(const struct svc *s, const struct synq_syn *q,
		      const struct segment *seg, mono_t now, struct tx *tx)
{
	struct tcp_opts o = {0};
	uint32_t wnd;
	seq_t isn;

	if (q->ts_ok) {
		o.has = OPT_HAS_TS;
		o.tsval = tsval_of(s, &q->t, now, &isn);
		o.tsecr = q->tsval;
	}
	wnd = (uint32_t)synack_wnd(&s->cfg->tcp) >>
	      (q->wscale_ok ? leg_wscale_offer(&s->cfg->tcp) : 0);
	answer_ack(tx, seg, seq_add(q->iss, 1), seq_add(q->client_isn, 1),
		   (uint16_t)wnd, &o);
}

bool halfopen_input(struct engine *e, const struct segment *seg, mono_t now,
		    struct tx *reply, enum verdict *v)
{
	struct synq_entry *entry = synq_find(&e->synq, &seg->t);
	struct synq_policy p;
	struct synq_syn q;
	struct svc *s;

	if (!entry)
		return false;
	synq_describe(&e->synq, entry, &q);
	*v = VERDICT_REPLY;
	s = svc_of_entry(e, &q);
	if (!s) { /* a reload took the service away: begin anew, or not */
		leave_queue(e, &q);
		synq_remove(&e->synq, entry);
		return false;
	}
	p.wnd = synack_wnd(&s->cfg->tcp);
	p.ack_interval_us = s->cfg->tcp.invalid_ratelimit;
	switch (synq_input(&e->synq, entry, seg, now, &p, &q)) {
	case SYNQ_SYNACK:
		queue_answer(s, &q, NULL, now, reply);
		break;
	case SYNQ_ACK:
		queue_ack(s, &q, seg, now, reply);
		break;
	case SYNQ_ABORT:
		leave_queue(e, &q);
		answer_rst(reply, seg);
		break;
	case SYNQ_RESET:
		answer_rst(reply, seg);
		break;
	case SYNQ_KILL:
		leave_queue(e, &q);
		*v = VERDICT_CONSUMED;
		break;
	case SYNQ_OPEN:
		*v = queue_open(e, s, seg, &q, now, reply);
		break;
	case SYNQ_DROP:
		e->drop[DROP_SYN_PENDING]++;
		*v = VERDICT_CONSUMED;
		break;
	}
	return true;
}

/* An ACK of no flow: a cookie that comes back? */
bool halfopen_cookie_ack(struct engine *e, struct svc *s,
			 const struct segment *seg, mono_t now)
{
	struct tcp_opts peer = {0};
	struct leg_resume how = {.peer = &peer};
	struct cookie_syn c;

	if (cookie_check(&e->cookies, seg, engine_wall_s(e, now), &c)) {
		s->stats->shield[SC_TcpExtSyncookiesFailed]++;
		return false;
	}
	if (e->stopping) {
		e->drop[DROP_STOPPING]++;
		return true;
	}
	if (!spent_take(&e->spent, &seg->t, seq_sub(seg->ack, 1))) {
		s->stats->shield[SC_CookieReplays]++;
		return false;
	}
	cookie_opts(&c, seg, &peer);
	how.ecn = c.ecn;
	if (!open_flow(e, s, seg, &how, now)) {
		spent_undo(&e->spent, &seg->t, seq_sub(seg->ack, 1));
		e->drop[DROP_SYN_LIMIT]++;
		return true;
	}
	pressure_answered(&s->stats->pressure);
	validated_add(&e->validated, &seg->t.remote, s->index, now,
		      s->cfg->shield.validated_for);
	s->stats->shield[SC_TcpExtSyncookiesRecv]++;
	return true;
}

int halfopen_pull(struct engine *e, struct tx *tx, int max, mono_t now)
{
	struct synq_syn q;
	struct svc *s;
	int n = 0;

	while (n < max) {
		switch (synq_expire(&e->synq, now, &q)) {
		case SYNQ_AGAIN:
			s = svc_of_entry(e, &q);
			if (!s) /* gone by a reload; the entry expires */
				break;
			s->stats->tcp.c[CNT_TcpExtTCPSynRetrans]++;
			queue_answer(s, &q, NULL, now, &tx[n++]);
			break;
		case SYNQ_EXPIRED:
			leave_queue(e, &q);
			break;
		case SYNQ_WAIT:
			break;
		case SYNQ_IDLE:
			return n;
		}
	}
	return n;
}
