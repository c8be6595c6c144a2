/* SPDX-License-Identifier: MIT */
/*
 * Fast Open on both legs (RFC 7413).
 *
 * Towards clients: with a valid cookie the SYN becomes a flow at once.  Its
 * data goes to the server, and the answer comes back, before the handshake is
 * complete.  The server need not support Fast Open.  Towards servers: the cache
 * of cookies says how to open.  Data sent with a SYN stays in the send queue
 * until it is acknowledged, so nothing is lost if the server refuses it.
 */
#include "internal.h"

#define TFO_OPTIONS 40		 /* of a SYN, bytes */
#define TFO_PERIOD_S (24 * 3600) /* of the keys that derive from the secret */

static const struct tfo_keys *keys_of(struct engine *e, const struct svc *s)
{
	int64_t period = engine_wall_s(e, e->now) / TFO_PERIOD_S;

	if (s->cfg->shield.fastopen_key.n)
		return &s->cfg->shield.fastopen_key;
	if (!e->tfo_keys.n || period != e->tfo_period) {
		tfo_keys_derive(&e->tfo_keys, e->secret, period);
		e->tfo_period = period;
	}
	return &e->tfo_keys;
}

/* Add the option: of a SYN-ACK that offers a cookie, or of our SYN. */
void fastopen_opts(struct leg *l, struct tcp_opts *o)
{
	struct svc *s = container_of(l->env, struct svc, env);
	struct engine *e = s->engine;
	struct tfo_cookie ck;

	o->has |= l->tfo_exp ? OPT_HAS_TFO_EXP : OPT_HAS_TFO;
	if (l->side == LEG_CLIENT) {
		tfo_cookie_make(&keys_of(e, s)->key[0], &l->t, o->tfo);
		o->tfo_len = TFO_COOKIE_LEN;
		return;
	}
	tfo_cache_plan(&e->tfo_cache, &l->t.remote, s->cfg->shield.fastopen,
		       e->now, &ck);
	o->tfo_len = ck.len;
	memcpy(o->tfo, ck.val, ck.len);
}

void fastopen_offer(const struct tfo_answer *a, struct tcp_opts *o)
{
	o->has |= a->experimental ? OPT_HAS_TFO_EXP : OPT_HAS_TFO;
	memcpy(o->tfo, a->cookie, TFO_COOKIE_LEN);
	o->tfo_len = TFO_COOKIE_LEN;
}

bool fastopen_syn(struct engine *e, struct svc *s, const struct segment *seg,
		  bool flood, mono_t now, struct tfo_answer *a)
{
	bool room = !flood && tfo_pending_room(&s->stats->tfo_pending,
					       s->cfg->max_syn_backlog, now);

	a->action = TFO_ORDINARY;
	if (!(s->cfg->shield.fastopen & TFO_SERVER))
		return false;
	tfo_answer_syn(keys_of(e, s), seg, s->cfg->shield.fastopen, room, a);
	s->stats->shield[SC_TcpExtTCPFastOpenCookieReqd] += a->asked;
	s->stats->shield[SC_TcpExtTCPFastOpenPassiveFail] += a->failed;
	if (!room && a->action != TFO_ACCEPT && seg->data.len)
		s->stats->shield[SC_TcpExtTCPFastOpenListenOverflow]++;
	return a->action == TFO_ACCEPT;
}

void fastopen_end(struct flow *f, bool reset, mono_t now)
{
	if (f->tfo_in)
		tfo_pending_end(&f->svc->stats->tfo_pending, reset, now);
	f->tfo_in = false;
}

/* Decide how the server leg's SYN is sent. */
void fastopen_plan(struct engine *e, struct flow *f, mono_t now)
{
	const struct shield_cfg *c = &f->svc->cfg->shield;
	struct leg *l = &f->leg[LEG_SERVER];
	struct tfo_cookie ck;
	enum tfo_use use;

	if (!(c->fastopen & TFO_CLIENT) ||
	    tfo_blackhole_active(&e->tfo_blackhole, c->fastopen_blackhole, now))
		return;
	use = tfo_cache_plan(&e->tfo_cache, &l->t.remote, c->fastopen, now,
			     &ck);
	if (use == TFO_USE_NOT ||
	    (use == TFO_USE_DATA && (!l->snd.q.bytes || l->mute)))
		return;
	l->tfo_opt = use == TFO_USE_ASK || ck.len;
	l->tfo_exp = ck.experimental;
	l->tfo_data = use == TFO_USE_DATA;
	f->tfo_out = true;
	if (l->tfo_data)
		l->snd.mss = (uint16_t)(max_u32(ck.mss, 536) - TFO_OPTIONS);
}

/* The server answered our SYN; @retries is their number before. */
void fastopen_learn(struct engine *e, struct flow *f, const struct segment *s,
		    uint32_t retries, mono_t now)
{
	const struct shield_cfg *c = &f->svc->cfg->shield;
	struct leg *l = &f->leg[LEG_SERVER];
	uint64_t *count = f->svc->stats->shield;
	struct tfo_cookie ck = {.mss = s->opts.mss};

	if (s->opts.has & (OPT_HAS_TFO | OPT_HAS_TFO_EXP) && s->opts.tfo_len) {
		ck.len = s->opts.tfo_len;
		ck.experimental = !(s->opts.has & OPT_HAS_TFO);
		memcpy(ck.val, s->opts.tfo, ck.len);
		tfo_cache_store(&e->tfo_cache, &l->t.remote, &ck, now);
	}
	if (!f->tfo_out)
		return;
	f->tfo_out = false;
	if (retries) {
		tfo_cache_lost(&e->tfo_cache, &l->t.remote, now);
		if (l->tfo_data)
			count[SC_TcpExtTCPFastOpenActiveFail]++;
		if (l->tfo_data && retries >= 2)
			tfo_blackhole_hit(&e->tfo_blackhole,
					  c->fastopen_blackhole, now);
		return;
	}
	tfo_cache_answered(&e->tfo_cache, &l->t.remote, now);
	if (!l->tfo_data)
		return;
	if (seq_gt(s->ack, seq_add(l->snd.iss, 1))) {
		count[SC_TcpExtTCPFastOpenActive]++;
		tfo_blackhole_clear(&e->tfo_blackhole);
	} else {
		count[SC_TcpExtTCPFastOpenActiveFail]++;
	}
}

void engine_forget_fastopen(struct engine *e, const struct ipaddr *server)
{
	tfo_cache_forget(&e->tfo_cache, server);
	tfo_blackhole_clear(&e->tfo_blackhole);
}
