/* SPDX-License-Identifier: MIT */
/*
 * Half-open connections of the client side: the SYN queue and cookies.
 *
 * A SYN is answered at once.  What was answered is kept in the SYN queue (64
 * bytes) or in the cookie (no memory).  The ACK that completes the handshake
 * makes the flow, which then dials the server.  The client may send meanwhile;
 * its bytes wait in the send queue of the server leg.
 */
#include "internal.h"

#define WND_PROMISED 64240u /* the smallest first window of a Linux server */

/* How many cookies of a source may fail before it needs a timestamp. */
static const struct rate fail_rate = {
	.interval_ns = 100000000, .burst = 100, .prefix4 = 32, .prefix6 = 64};

/*
 * A client of a spliced service is promised only a window that the server will
 * have, as far as that is known: the translator has no buffer.
 */
static uint16_t synack_wnd(const struct svc *s)
{
	uint32_t offer = leg_window_offer(&s->cfg->tcp);

	return (uint16_t)(svc_splices(s) ? min_u32(offer, WND_PROMISED)
					 : offer);
}

static uint16_t synack_mss(const struct svc *s, uint8_t family)
{
	uint16_t offer = leg_mss_offer(family);
	uint16_t known = s->stats->server.mss;

	return svc_splices(s) && known && known < offer ? known : offer;
}

static void mask_opts(const struct svc *s, struct tcp_opts *client)
{
	if (svc_splices(s))
		client->has &= (uint8_t)~s->stats->server.lacks;
}

struct server_answer *flow_server_answer(const struct flow *f)
{
	return &f->svc->stats->server;
}

uint16_t flow_promised_mss(const struct flow *f)
{
	return synack_mss(f->svc, f->leg[LEG_CLIENT].family);
}

uint16_t flow_promised_wnd(const struct flow *f)
{
	return synack_wnd(f->svc);
}

void halfopen_offer(const struct svc *s, struct synack_offer *o)
{
	bool known = !svc_splices(s) || s->stats->server.mss;

	*o = (struct synack_offer){
		.mss4 = known ? synack_mss(s, 4) : 0,
		.mss6 = known ? synack_mss(s, 6) : 0,
		.wnd = synack_wnd(s),
		.lacks = svc_splices(s) ? s->stats->server.lacks : 0};
}

static uint32_t tsval_of(const struct svc *s, const struct tuple *t, mono_t now,
			 seq_t *isn)
{
	uint32_t off;

	svc_isn(s, t, now, isn, &off);
	return (uint32_t)(now.us / USEC_PER_MSEC) + off;
}

/* The time and the counters that a cookie is made of now. */
static void cookie_now(const struct engine *e, const struct svc *s,
		       const struct tuple *t, const struct spent_look *look,
		       struct cookie_now *out)
{
	seq_t isn;

	out->wall_s = engine_wall_s(e, e->now);
	out->tsval = tsval_of(s, t, e->now, &isn);
	memcpy(out->variant, look->uses, sizeof(out->variant));
}

static void look_up_spent(const struct engine *e, const struct tuple *t,
			  seq_t client_isn, mono_t now, struct spent_look *out)
{
	int64_t epoch = cookie_epoch(&e->cookies, engine_wall_s(e, now));

	spent_look(&e->spent, t, client_isn, epoch, out);
}

static bool wants_ecn(const struct tcp_cfg *c, const struct segment *seg)
{
	return c->ecn && seg->flags & TCP_ECE && seg->flags & TCP_CWR;
}

void halfopen_cookies_out(struct engine *e, struct svc *s, mono_t now)
{
	s->stats->cookies_until = mono_add(
		now, (2 * e->cookies.epoch_s + COOKIE_SKEW_S) * USEC_PER_SEC);
}

enum verdict halfopen_cookie(struct engine *e, struct svc *s,
			     const struct segment *seg, mono_t now,
			     struct tx *reply)
{
	const struct tcp_cfg *c = &s->cfg->tcp;
	int64_t wall_s = engine_wall_s(e, now);
	bool ecn = wants_ecn(c, seg);
	struct segment syn = *seg;
	struct spent_look spent;
	struct tcp_opts o;
	seq_t isn;
	uint32_t tsval = tsval_of(s, &seg->t, now, &isn);

	mask_opts(s, &syn.opts);
	look_up_spent(e, &seg->t, seg->seq, now, &spent);
	isn = cookie_make(&e->cookies, &syn, wall_s, ecn,
			  spent_uses(&spent, spent.epoch),
			  c->timestamps ? &tsval : NULL);
	halfopen_cookies_out(e, s, now);
	leg_synack_opts(c, &syn.opts, synack_mss(s, seg->family), tsval,
			seg->opts.tsval, &o);
	pressure_sent(&s->stats->pressure, 1);
	s->stats->shield[SC_TcpExtSyncookiesSent]++;
	answer_syn_ack(reply, seg, isn, synack_wnd(s), ecn, &o);
	return VERDICT_REPLY;
}

/* @fast: the Fast Open part of the first answer; NULL for later ones.  As in
 * Linux, a repeated SYN-ACK offers no cookie. */
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
	leg_synack_opts(c, &seg.opts, synack_mss(s, seg.family),
			tsval_of(s, &q->t, now, &isn), q->tsval, &o);
	if (fast && fast->action == TFO_OFFER)
		fastopen_offer(fast, &o);
	answer_syn_ack(tx, &seg, q->iss, synack_wnd(s), q->ecn, &o);
}

enum verdict halfopen_queue(struct engine *e, struct svc *s,
			    const struct opening *open, mono_t now,
			    struct tx *reply)
{
	const struct tcp_cfg *c = &s->cfg->tcp;
	const struct segment *seg = open->seg;
	struct tcp_opts masked = seg->opts, *o = &masked;
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

	mask_opts(s, o);
	q.wscale_ok = c->window_scaling && o->has & OPT_HAS_WSCALE;
	q.sack_ok = c->sack && o->has & OPT_HAS_SACKOK;
	q.ts_ok = c->timestamps && o->has & OPT_HAS_TS;
	if (synq_add(&e->synq, &q, now)) {
		s->stats->shield[SC_TcpExtListenOverflows]++;
		e->drop[DROP_SYN_LIMIT]++;
		return VERDICT_CONSUMED;
	}
	shared_add(&s->stats->half_open, 1);
	queue_answer(s, &q, &open->fast, now, reply);
	return VERDICT_REPLY;
}

/* How far the clock that sent the SYN-ACK is ahead of ours, ms. */
static uint32_t ts_lead(const struct tcp_opts *peer, uint32_t ts_off,
			mono_t now)
{
	uint32_t ours = (uint32_t)(now.us / USEC_PER_MSEC) + ts_off;
	int32_t lead = (int32_t)(peer->tsecr - ours);

	return peer->tsecr && lead > 0 && lead <= COOKIE_SKEW_S * 1000
		       ? (uint32_t)lead
		       : 0;
}

enum opened {
	OPENED,
	NO_ROOM,
	OVER_RATE,
};

/* The handshake is complete: make the client leg from @how and the numbers. */
static enum opened open_flow(struct engine *e, struct svc *s,
			     const struct segment *seg,
			     const struct leg_resume *how, mono_t now)
{
	struct segment first = *seg;
	struct leg_resume r = *how;
	struct flow *f = NULL;
	uint32_t ts_off;
	struct leg *l;
	seq_t isn;

	if (!limits_proven(e, s, &seg->t.remote, now)) {
		e->drop[DROP_SYN_RATE]++;
		return OVER_RATE;
	}
	if (flow_room(e, s, &seg->t.remote, now))
		f = flow_new(e, s, &seg->t);
	if (!f) {
		e->drop[DROP_SYN_LIMIT]++;
		s->stats->shield[SC_TcpExtListenDrops]++;
		return NO_ROOM;
	}
	svc_isn(s, &seg->t, now, &isn, &ts_off);
	ts_off += ts_lead(r.peer, ts_off, now);
	r.irs = seq_sub(seg->seq, 1);
	r.iss = seq_sub(seg->ack, 1);
	r.ts_off = ts_off;
	if (svc_splices(s))
		e->splice->open(e->splicer, f);
	else if (s->cfg->relay == RELAY_SPLICE)
		s->stats->shield[SC_SpliceNoRoom]++;
	l = &f->leg[LEG_CLIENT];
	leg_open_cookie(l, &r, now);
	if (f->held) { /* handshake only: its data is held */
		first.data.len = 0;
		first.flags = TCP_ACK;
	}
	leg_input(l, &first, now);
	if (f->held && !e->splice->hold(e->splicer, l, seg, now) && !f->held)
		leg_input(l, seg, now);
	flow_settle(e, f, now);
	return OPENED;
}

static struct svc *svc_of_entry(struct engine *e, const struct synq_syn *q)
{
	return svc_if_taken(e, q->service, &q->t.local, q->t.lport);
}

static void leave_queue(struct engine *e, const struct synq_syn *q)
{
	struct svc_stats *st = &e->slots[q->service];

	if (st->half_open.here)
		shared_add(&st->half_open, -1);
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
	enum opened done;

	peer.has = (q->mss ? OPT_HAS_MSS : 0) |
		   (q->wscale_ok ? OPT_HAS_WSCALE : 0) |
		   (q->sack_ok ? OPT_HAS_SACKOK : 0) |
		   (q->ts_ok ? OPT_HAS_TS : 0);
	leave_queue(e, q);
	if (e->stopping) { /* no new flow: do not let it wait */
		e->drop[DROP_STOPPING]++;
		answer_rst(reply, seg);
		return VERDICT_REPLY;
	}
	/* a later segment may have other numbers than the queue */
	first.seq = seq_add(q->client_isn, 1);
	first.ack = seq_add(q->iss, 1);
	first.data.len = 0;
	first.flags = TCP_ACK;
	done = open_flow(e, s, &first, &how, now);
	if (done == NO_ROOM && s->cfg->shield.abort_on_overflow) {
		answer_rst(reply, seg);
		return VERDICT_REPLY;
	}
	if (done != OPENED) {
		synq_refuse(&e->synq, q, now);
		shared_add(&s->stats->half_open, 1);
		return VERDICT_CONSUMED;
	}
	if (seg->data.len || seg->flags & TCP_FIN || seg->opts.nsack ||
	    !seq_eq(seg->seq, first.seq)) {
		struct leg *l = table_find(e, &seg->t);

		if (l && !(leg_flow(l)->held &&
			   e->splice->hold(e->splicer, l, seg, now))) {
			leg_input(l, seg, now);
			flow_settle(e, leg_flow(l), now);
		}
	}
	return VERDICT_CONSUMED;
}

/* Outside the window: answer with an ACK (RFC 9293, 3.10.7.4, first). */
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
	wnd = (uint32_t)synack_wnd(s) >>
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
	if (!s) { /* a reload removed the service */
		leave_queue(e, &q);
		synq_remove(&e->synq, entry);
		return false;
	}
	known_add(e->known, &q.t); /* while it becomes a flow */
	p.wnd = synack_wnd(s);
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
	known_leave(e->known, &q.t);
	return true;
}

/*
 * The segment may have overtaken its cookie, so the RST waits.  A source that
 * fails too often gets none.
 */
static void cookie_failed(struct engine *e, struct svc *s,
			  const struct segment *seg, mono_t now)
{
	uint64_t *c = s->stats->shield;

	c[SC_TcpExtSyncookiesFailed]++;
	e->drop[DROP_NO_FLOW]++;
	if (!ratelimit_take(&e->cookie_fails, &fail_rate, &seg->t.remote,
			    s->index, now))
		c[SC_CookieLimited]++;
	else if (doubts_add(&e->doubts, seg, s->index, now))
		return;
	c[SC_UnknownDropped]++;
}

/*
 * Check and decode the cookie of @seg.  A source that failed too often must
 * also echo a timestamp, so others cannot lock it out by forging its address.
 */
static bool cookie_valid(struct engine *e, struct svc *s,
			 const struct segment *seg, struct spent_look *spent,
			 struct cookie_syn *c)
{
	struct cookie_now when;
	bool again = false;

	look_up_spent(e, &seg->t, seq_sub(seg->seq, 1), e->now, spent);
	cookie_now(e, s, &seg->t, spent, &when);
	if (!cookie_check(&e->cookies, seg, &when, c))
		return c->ts_ok ||
		       ratelimit_has(&e->cookie_fails, &fail_rate,
				     &seg->t.remote, s->index, e->now);
	for (int i = 0; i < 3; i++) {
		if (!when.variant[i])
			continue;
		when.variant[i]--;
		again = true;
	}
	if (again && !cookie_check(&e->cookies, seg, &when, c))
		s->stats->shield[SC_CookieReplays]++;
	return false;
}

static void cookie_taken(struct engine *e, struct svc *s,
			 const struct segment *seg, mono_t now)
{
	pressure_answered(&s->stats->pressure);
	validated_add(&e->access.validated, &seg->t.remote, s->stats->id, now,
		      s->cfg->shield.validated_for);
	s->stats->shield[SC_TcpExtSyncookiesRecv]++;
}

/* An ACK of no flow: does it return a cookie?  Checked only while one may be on
 * its way; with tcp_syncookies = 2 always, as a fleet may have sent it. */
bool halfopen_cookie_ack(struct engine *e, struct svc *s,
			 const struct segment *seg, mono_t now,
			 struct tx *reply, enum verdict *v)
{
	struct tcp_opts peer = {0};
	struct leg_resume how = {.peer = &peer};
	struct spent_look spent;
	struct cookie_syn c;
	enum opened done;

	*v = VERDICT_CONSUMED;
	if (s->cfg->syncookies != 2 &&
	    !(mono_is_set(s->stats->cookies_until) &&
	      mono_before(now, s->stats->cookies_until)))
		return false;
	if (!cookie_valid(e, s, seg, &spent, &c)) {
		if (s->cfg->unknown != UNKNOWN_RESET) {
			s->stats->shield[SC_TcpExtSyncookiesFailed]++;
			return false;
		}
		cookie_failed(e, s, seg, now);
		return true;
	}
	if (e->stopping) {
		e->drop[DROP_STOPPING]++;
		return true;
	}
	if (!spent_take(&e->spent, &spent, c.epoch)) {
		s->stats->shield[SC_CookieOverflows]++;
		return false;
	}
	cookie_opts(&c, seg, &peer);
	how.ecn = c.ecn;
	done = open_flow(e, s, seg, &how, now);
	if (done == OPENED) {
		known_spend(e->known, &seg->t, c.epoch);
		cookie_taken(e, s, seg, now);
		return true;
	}
	spent_undo(&e->spent, &spent, c.epoch);
	if (done == NO_ROOM && s->cfg->on_limit == LIMIT_REFUSE) {
		answer_rst(reply, seg);
		*v = VERDICT_REPLY;
	}
	return true;
}

/* RSTs that have waited: nothing made their segments known. */
static int pull_doubts(struct engine *e, struct tx *tx, int max, mono_t now)
{
	const struct doubt *i;
	int n = 0;

	while (n < max && (i = doubts_due(&e->doubts, now))) {
		struct segment s = {.t = i->t, .ack = i->ack, .flags = TCP_ACK};

		if (table_find(e, &i->t) || synq_find(&e->synq, &i->t))
			continue;
		e->slots[i->service].shield[SC_UnknownReset]++;
		answer_rst(&tx[n++], &s);
	}
	return n;
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
			if (!s) /* removed by a reload; it expires */
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
			if (e->doubts.n)
				n += pull_doubts(e, tx + n, max - n, now);
			return n;
		}
	}
	return n;
}
