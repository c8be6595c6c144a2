/* SPDX-License-Identifier: MIT */
/*
 * The engine: packets in, packets out, time.
 *
 * A packet is parsed once.  Its leg is found by 4-tuple; if there is none,
 * admit.c decides.  What it changes in a flow is settled at once.  Then the
 * flow is on the ready list until engine_pull() has asked both legs what to
 * send.  A leg in TIME_WAIT that has nothing more to send becomes an entry of
 * the TIME_WAIT table, and the memory of the flow is free again.
 */
#include <stdlib.h>

#include "internal.h"
#include "shield/paths.h"

#define RUNS_PER_FLOW 4u
#define RUNS_SPARE 65536u
#define OOO_PER_FLOW 2u
#define BBRS_PER_FLOW 2u
#define OOO_SPARE 65536u
#define SYNQ_ENTRIES 65536u /* of all services */
#define EXPECT_FLOWS 8192u  /* so many do not fit into a cache */
#define COOKIE_FAILS 16384u /* sources whose failed cookies are counted */

static_assert(sizeof(struct flow) <= 1464,
	      "an idle flow costs 1,464 bytes at most");
static_assert(sizeof(struct leg_bbr) <= 312,
	      "BBR costs a leg 312 bytes at most");

static int reserve_shield(struct engine *e, const struct engine_cfg *c)
{
	const uint8_t *key = c->secret;

	if (synq_init(&e->synq, SYNQ_ENTRIES, key) ||
	    access_init(&e->access, key) ||
	    ratelimit_init(&e->cookie_fails, COOKIE_FAILS, key) ||
	    tfo_cache_init(&e->tfo_cache, TFO_CACHE_ENTRIES, key) ||
	    shares_init(&e->shares, e->flows.max, key))
		return -ENOMEM;
	commons_count_sources(e->commons, &e->shares);
	if (e->commons)
		access_share(&e->access, &e->commons->rates,
			     &e->commons->validated);
	return 0;
}

static int reserve(struct engine *e, const struct engine_cfg *c, mono_t now)
{
	const uint32_t n = c->max_flows;
	struct tw_cfg tw = {c->max_tw, e->owners, c->worker};

	if (slab_init(&e->flows, sizeof(struct flow),
		      e->commons ? e->commons->max_flows : n) ||
	    slab_init(&e->runs, sizeof(struct run),
		      n * RUNS_PER_FLOW + RUNS_SPARE) ||
	    slab_init(&e->ooo, sizeof(struct ooo),
		      n * OOO_PER_FLOW + OOO_SPARE) ||
	    slab_init(&e->bbrs, sizeof(struct leg_bbr), n * BBRS_PER_FLOW) ||
	    leg_table_init(&e->table, &e->flows) ||
	    tw_init(&e->tw, &tw, c->secret, now) ||
	    spent_init(&e->spent, c->secret, e->cookies.epoch_s) ||
	    reserve_shield(e, c))
		return -ENOMEM;
	e->all = (struct slab_list){.slab = &e->flows,
				    .link = offsetof(struct flow, in_all)};
	e->waiting = (struct slab_list){
		.slab = &e->flows, .link = offsetof(struct flow, in_waiting)};
	e->slots = calloc(STAT_SLOTS, sizeof(*e->slots));
	if (!e->slots)
		return -ENOMEM;
	e->set = svc_set_new(e, c->policy);
	return e->set ? 0 : -ENOMEM;
}

struct engine *engine_new(const struct engine_cfg *cfg, mono_t now)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->pool = cfg->pool;
	e->env = (struct leg_env){.pool = e->pool,
				  .runs = &e->runs,
				  .ooo = &e->ooo,
				  .bbrs = &e->bbrs,
				  .wheel = &e->wheel,
				  .rng = &e->rng,
				  .share = flow_share,
				  .idle_left = flow_idle_left,
				  .trace = flow_trace,
				  .tfo_opts = fastopen_opts,
				  .path = paths_get,
				  .paths = cfg->paths};
	e->wall_offset_us = cfg->wall_offset_us;
	memcpy(e->secret, cfg->secret, sizeof(e->secret));
	e->seed = cfg->seed;
	e->worker = cfg->worker;
	e->commons = cfg->commons;
	e->owners = commons_owners(cfg->commons);
	e->table.journal = cfg->journal;
	prng_seed(&e->rng, cfg->seed);
	hash_derive(&e->table.key, cfg->secret, "flow table", cfg->seed);
	hash_derive(&e->isn_key, cfg->secret, "isn", 0);
	cookie_keys_init(&e->cookies, cfg->secret,
			 cfg->cookie_epoch_s ? cfg->cookie_epoch_s
					     : COOKIE_EPOCH_S);
	e->now = now;
	wheel_init(&e->wheel, now);
	if (reserve(e, cfg, now)) {
		engine_free(e);
		return NULL;
	}
	return e;
}

void engine_free(struct engine *e)
{
	struct flow *f;

	while ((f = engine_flow_first(e)))
		flow_free(e, f);
	hooks_free(e);
	if (e->set)
		svc_set_put(e->set);
	shares_fini(&e->shares);
	tfo_cache_fini(&e->tfo_cache);
	access_fini(&e->access);
	ratelimit_fini(&e->cookie_fails);
	synq_fini(&e->synq);
	spent_fini(&e->spent);
	tw_fini(&e->tw);
	leg_table_fini(&e->table);
	slab_fini(&e->bbrs);
	slab_fini(&e->ooo);
	slab_fini(&e->runs);
	slab_fini(&e->flows);
	free(e->slots);
	free(e);
}

/* If rate_limit is exceeded, the ACK that proves the client's address is
 * ignored.  The SYN-ACK is sent again later, and so is the client's answer. */
static bool proof_exceeds_rate(struct engine *e, const struct leg *l,
			       const struct segment *s, mono_t now)
{
	const uint16_t kind = s->flags & (TCP_SYN | TCP_ACK | TCP_RST);
	const struct flow *f = (const struct flow *)(l - l->side);

	return l->side == LEG_CLIENT && l->state == TS_SYN_RECEIVED &&
	       kind == TCP_ACK && seq_gt(s->ack, l->snd.iss) &&
	       seq_le(s->ack, l->snd.nxt) &&
	       !limits_proven(e, f->svc, &l->t.remote, now);
}

enum verdict flow_take(struct engine *e, struct leg *l, const struct segment *s,
		       mono_t now, struct tx *reply)
{
	struct flow *f = leg_flow(l);
	bool dialling = l->state == TS_SYN_SENT;
	uint32_t retries = l->tmr.retries;
	enum drop_reason why;
	const struct svc *svc;
	bool answer;

	if (unlikely(!f->proven) && proof_exceeds_rate(e, l, s, now)) {
		e->drop[DROP_SYN_RATE]++;
		return VERDICT_CONSUMED;
	}
	why = leg_input(l, s, now);
	answer = why == DROP_ACK_BAD && !(s->flags & TCP_RST);
	if (dialling && l->state == TS_ESTABLISHED)
		fastopen_learn(e, f, s, retries, now);
	if (answer) /* RFC 9293, 3.10.7.3 and .4: half-open discovery */
		answer_rst(reply, s);
	/* the hook of a hooked flow sends its ACKs */
	if (!answer && s->data.len && !f->hooked &&
	    leg_answer_loss(l, reply, now))
		answer = true;
	svc = f->svc;
	flow_settle(e, f, now);
	if (unlikely(why == DROP_BUFFER_LIMIT))
		flow_relieve(e, svc, now);
	return answer ? VERDICT_REPLY : VERDICT_CONSUMED;
}

static enum verdict flow_input(struct engine *e, struct leg *l,
			       const struct segment *s, mono_t now,
			       struct tx *reply)
{
	if (unlikely(leg_flow(l)->held) &&
	    e->splice->hold(e->splicer, l, s, now))
		return VERDICT_CONSUMED;
	if (unlikely(leg_flow(l)->hooked))
		return e->hooks->input(e->wing, l, s, now, reply);
	return flow_take(e, l, s, now, reply);
}

/* Has another worker what a packet is about? */
static bool is_stray(struct engine *e, const struct tuple *t, enum verdict *v)
{
	int worker = owners_find(e->owners, t);

	if (worker == OWNERS_NONE || worker == (int)e->worker)
		return false;
	e->count[EC_PacketsStrayed]++;
	*v = (enum verdict)((int)VERDICT_WORKER + worker);
	return true;
}

static enum verdict input_icmp(struct engine *e, const struct icmp_error *i,
			       mono_t now, struct tx *reply)
{
	struct leg *l = table_find(e, &i->t);
	enum drop_reason why;
	enum verdict v;

	if (!l && e->commons && is_stray(e, &i->t, &v))
		return v;
	if (!l && e->splice && e->splice->icmp(e->splicer, i, reply))
		return VERDICT_REPLY;
	if (!l)
		return VERDICT_PASS;
	why = leg_icmp(l, i, now);
	if (why != DROP_NONE)
		e->drop[why]++;
	flow_settle(e, leg_flow(l), now);
	return VERDICT_CONSUMED;
}

static void begin_verb(struct engine *e, const struct packet *pkt)
{
	if (unlikely(e->splice))
		e->splice->begin(e->splicer, pkt);
}

void engine_expect(const struct engine *e, const struct packet *const *pkt,
		   int n)
{
	struct leg *leg[LEG_TABLE_BATCH];

	if (likely(e->flows.used < EXPECT_FLOWS))
		return;
	n = leg_table_expect(&e->table, pkt, n, leg);
	while (n--)
		share_expect(&e->shares, leg_flow(leg[n])->charge.source);
}

enum verdict engine_input(struct engine *e, const struct packet *pkt,
			  mono_t now, struct tx *reply)
{
	enum drop_reason why = DROP_NONE;
	struct icmp_error icmp;
	struct segment s;
	struct leg *l;
	enum verdict v;

	e->now = now;
	e->count[EC_PacketsIn]++;
	begin_verb(e, pkt);
	switch (wire_parse(pkt, &s, &icmp, &why)) {
	case PARSE_FOREIGN:
		e->count[EC_PacketsForeign]++;
		return VERDICT_PASS;
	case PARSE_DROP:
		e->drop[why]++;
		return VERDICT_CONSUMED;
	case PARSE_ICMP:
		return input_icmp(e, &icmp, now, reply);
	case PARSE_PART:
		return bypass(e, &s, why, now);
	case PARSE_SEGMENT:
		break;
	}
	if (unlikely(s.opts.has & OPT_HAS_SIGNED))
		return bypass(e, &s, DROP_SIGNED, now);
	l = table_find(e, &s.t);
	if (l)
		return flow_input(e, l, &s, now, reply);
	if (unlikely(e->strays) && (s.flags & (TCP_SYN | TCP_ACK)) != TCP_SYN &&
	    is_stray(e, &s.t, &v))
		return v;
	if (unlikely(e->splice) &&
	    e->splice->input(e->splicer, &s, now, reply, &v))
		return v;
	if (unlikely(e->hooks))
		return e->hooks->admit(e->wing, &s, now, reply);
	return admit(e, &s, now, reply);
}

/* The leg has sent its last segment: keep only a TIME_WAIT entry. */
static void hand_over(struct engine *e, struct leg *l, mono_t now)
{
	struct flow *f = leg_flow(l);
	const struct shield_cfg *c = &f->svc->cfg->shield;
	struct tw_new n = {.t = l->t,
			   .snd_nxt = l->snd.nxt,
			   .rcv_nxt = l->rcv.nxt,
			   .rcv_wnd = leg_rcv_wnd(&l->rcv) >> l->rcv.wscale,
			   .ts_ok = l->ts_ok,
			   .ts_recent = l->rcv.ts_recent,
			   .ts_off = l->snd.ts_off,
			   .service = f->svc->index,
			   .overflow = c->tw_overflow,
			   .limit =
				   commons_share(e->commons, c->max_time_wait)};
	int64_t len = l->cfg->timewait_len;

	e->count[EC_TcpExtTW]++;
	if (c->tw_recycle && l->ts_ok) {
		recycle_remember(&e->access.recycle, &l->t.remote,
				 l->rcv.ts_recent, now);
		len = recycle_timewait_us(l->rtt.rto_us);
	}
	if (tw_add(&e->tw, &n, now, len))
		e->count[EC_TcpExtTCPTimeWaitOverflow]++;
	table_remove(e, l); /* now that the entry is there */
	leg_vanish(l);
}

static int flow_pull(struct engine *e, struct flow *f, struct tx *tx, int max,
		     mono_t now)
{
	int n = 0;

	if (unlikely(f->hooked) && e->hooks)
		return e->hooks->flow_pull(e->wing, f, tx, max, now);
	for (int i = 0; i < 2; i++) {
		while (n < max && leg_output(&f->leg[i], &tx[n], now))
			n++;
	}
	return n;
}

int engine_pull(struct engine *e, struct tx *tx, int max, mono_t now)
{
	int n = halfopen_pull(e, tx, max, now);
	struct flow *f;

	begin_verb(e, NULL);
	e->evicting = false;
	e->now = now;
	if (unlikely(e->hooks))
		n = e->hooks->pull(e->wing, tx, n, max, now);
	if (unlikely(e->splice))
		n += e->splice->pull(e->splicer, tx + n, max - n);
	while (n < max && (f = e->ready_head)) {
		n += flow_pull(e, f, tx + n, max - n, now);
		if (n == max) /* perhaps more: ask again */
			break;
		flow_unready(e, f);
		for (int i = 0; i < 2; i++)
			leg_chrono_update(&f->leg[i], &f->leg[i ^ 1], now);
		if (unlikely(f->held))
			e->splice->look(e->splicer, f);
		for (int i = 0; i < 2; i++) {
			if (f->leg[i].state == TS_TIME_WAIT)
				hand_over(e, &f->leg[i], now);
		}
		flow_account(e, f);
		if (f->leg[0].state == TS_CLOSED &&
		    f->leg[1].state == TS_CLOSED)
			flow_free(e, f);
		else if (unlikely(f->leg[0].ev | f->leg[1].ev))
			flow_settle(e, f, now); /* tcp_notsent_lowat */
	}
	return n;
}

mono_t engine_deadline(const struct engine *e)
{
	mono_t a = wheel_deadline(&e->wheel), b = tw_deadline(&e->tw);

	a = mono_before(a, b) ? a : b;
	if (unlikely(e->splice) && e->splice->due(e->splicer))
		return e->now;
	if (unlikely(e->hooks))
		a = mono_earlier(a, e->hooks->deadline(e->wing));
	b = synq_deadline(&e->synq, e->now);
	a = mono_before(a, b) ? a : b;
	a = mono_earlier(a, doubts_deadline(&e->doubts));
	return mono_earlier(a, e->wait_at);
}

static void on_timer(struct wtimer *t, mono_t now, void *arg)
{
	struct leg *l = container_of(t, struct leg, tmr.timer);

	leg_timeout(l, now);
	flow_settle(arg, leg_flow(l), now);
}

void engine_expire(struct engine *e, mono_t now)
{
	e->now = now;
	begin_verb(e, NULL);
	wheel_expire(&e->wheel, now, on_timer, e);
	tw_expire(&e->tw, now);
	flow_dial_waiting(e, now);
	if (unlikely(e->splice))
		e->splice->expire(e->splicer, now);
	if (unlikely(e->hooks))
		e->hooks->expire(e->wing, now);
}

void engine_set_policy(struct engine *e, struct policy *p)
{
	struct svc_set *set = svc_set_new(e, p);

	if (!set)
		return;
	svc_set_put(e->set);
	e->set = set;
}

void engine_set_wall(struct engine *e, int64_t offset_us)
{
	if (offset_us > e->wall_offset_us)
		e->wall_offset_us = offset_us;
}

void engine_stop_accepting(struct engine *e)
{
	e->stopping = true;
}

void engine_reset_all(struct engine *e, mono_t now)
{
	struct flow *f, *next;

	for (f = engine_flow_first(e); f; f = next) {
		next = engine_flow_next(e, f);
		for (int i = 0; i < 2; i++) {
			leg_abort(&f->leg[i]);
			f->leg[i].ev = 0;
		}
		flow_settle(e, f, now);
	}
}
