/* SPDX-License-Identifier: MIT */
/*
 * The two hosts: which peer a packet belongs to, when a connection begins, and
 * what a host answers for connections that it does not have.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

static size_t addr_len(const struct world *w)
{
	return w->plan->family == 4 ? 4 : 16;
}

static bool same_addr(const struct world *w, const struct saddr *a,
		      const struct saddr *b)
{
	return a->port == b->port && !memcmp(a->ip, b->ip, addr_len(w));
}

static struct saddr make_addr(const struct world *w, uint8_t net, uint8_t host,
			      uint16_t port)
{
	struct saddr a = {.port = port};

	if (w->plan->family == 4) {
		a.ip[0] = 10;
		a.ip[1] = net;
		a.ip[3] = host;
	} else {
		a.ip[0] = 0xfd;
		a.ip[7] = net;
		a.ip[15] = host;
	}
	return a;
}

struct saddr hosts_stranger(const struct world *w, struct prng *r)
{
	struct saddr a = make_addr(w, 2, (uint8_t)prng_u32(r),
				   (uint16_t)(1024 + prng_below(r, 60000)));

	a.ip[2] = (uint8_t)prng_u32(r);
	return a;
}

bool hosts_is_stranger(const struct world *w, const struct saddr *a)
{
	return a->ip[w->plan->family == 4 ? 1 : 7] == 2;
}

static void on_emit(void *ctx, struct peer *p, struct spkt *pkt)
{
	struct world *w = ctx;
	struct peer *rx, *tx;
	struct sseg s;
	const char *why;
	int link;

	link = p->cfg.active ? L_CE : L_SE;
	if (w->direct && spkt_parse(pkt, &s, &why) == 0) {
		rx = hosts_find(w, &s, &tx);
		if (rx && tx == p)
			tap_check(rx, p, &s, true, w->now);
	}
	pkt->origin = p;
	world_trace(w, p->cfg.active ? "C snd" : "S snd", pkt);
	switch (net_send(&w->net, link, pkt, w->now)) {
	case NET_LOST:
		world_trace(w, "  lost", NULL);
		break;
	case NET_CORRUPTED:
		world_trace(w, "  corrupted", NULL);
		break;
	case NET_DUPLICATED:
		world_trace(w, "  duplicated", NULL);
		break;
	case NET_SENT:
		break;
	}
}

static void on_fault(void *ctx, const struct peer *p, const char *fmt, ...)
{
	struct world *w = ctx;
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	world_fail(w, "towards %s %u: %s", p->cfg.name,
		   p->cfg.active ? p->cfg.self.port : p->cfg.remote.port, text);
}

void hosts_init(struct world *w)
{
	w->ops.ctx = w;
	w->ops.emit = on_emit;
	w->ops.fault = on_fault;
	w->listen = make_addr(w, 9, 1, 80);
	w->server = w->listen;
	if (w->plan->alt_connect && !w->direct)
		w->server = make_addr(w, 9, 2, 8080);
	for (int i = 0; i < PLAN_CONNS; i++) {
		struct conn *c = &w->conn[i];

		c->id = i;
		c->plan = &w->plan->conn[i];
		c->sole = true;
		for (int k = 0; k < w->plan->nconn; k++)
			if (k != i && w->plan->conn[k].host == c->plan->host &&
			    w->plan->conn[k].port == c->plan->port)
				c->sole = false;
		c->caddr = make_addr(w, 1, (uint8_t)(1 + c->plan->host),
				     (uint16_t)(40000 + c->plan->port));
	}
}

void hosts_fini(struct world *w)
{
	for (uint32_t i = 0; i < w->npeer; i++) {
		peer_fini(w->peer[i]);
		free(w->peer[i]);
	}
	free(w->peer);
}

static uint64_t conn_key(const struct world *w, const struct conn *c, int dir)
{
	return w->plan->seed * 1000003 + (uint64_t)(c->id * 2 + dir) * 7919;
}

static int64_t at_ms(const struct conn *c, int64_t ms)
{
	return ms ? c->started_at + ms * 1000 : 0;
}

static void cfg_from_plan(struct peer_cfg *k, const struct side_plan *s)
{
	k->ws = (int)s->ws;
	k->sack = s->sack;
	k->dsack = s->dsack;
	k->ts = s->ts;
	k->mss = (uint32_t)s->mss;
	k->gso = (uint32_t)s->gso;
	k->rcvbuf = (uint32_t)s->rcvbuf;
	k->cwnd_max = (uint32_t)s->cwnd;
	k->seg_rand = s->seg_rand;
	k->wnd_floor = s->wnd_floor;
	k->probe_old = s->probe_old;
	k->delack_us = s->delack_ms * 1000;
	k->read_chunk = (uint32_t)s->read_chunk;
	k->read_gap_us = s->read_gap_ms * 1000;
	k->stop_at = (uint64_t)s->stop_at;
	k->stop_us = s->stop_ms * 1000;
	k->tx_chunk = (uint32_t)s->tx_chunk;
	k->tx_gap_us = s->tx_gap_ms * 1000;
	k->tx_thin = (uint64_t)s->tx_thin;
	k->tx_first = (uint64_t)s->tx_first;
	k->tx_after_rx = (uint64_t)s->tx_after_rx;
	k->abort_rx = (uint64_t)s->abort_rx;
	k->timewait_us = s->timewait_s * 1000000;
	k->keepalive_us = s->keepalive_s * 1000000;
	k->oow_us = s->oow_ms * 1000;
	k->ecn = s->ecn;
	k->urg_at = (uint64_t)s->urg_at;
	k->close = (enum peer_close)s->close;
	k->cross = s->cross;
	k->syn_retries = 8;
	k->retries = 14;
}

static struct conn *find_conn(struct world *w, const struct saddr *caddr)
{
	struct conn *best = NULL;

	for (int i = 0; i < w->plan->nconn; i++) {
		struct conn *c = &w->conn[i];

		if (c->started && same_addr(w, &c->caddr, caddr) &&
		    (!best || c->started_at >= best->started_at))
			best = c;
	}
	return best;
}

static struct peer *new_peer(struct world *w, struct conn *c, bool active)
{
	const struct side_plan *s = active ? &c->plan->client
					   : &c->plan->server_side;
	struct peer_cfg k = {.name = active ? "client" : "server"};
	uint64_t up = (uint64_t)c->plan->up, down = (uint64_t)c->plan->down;
	struct prng r;

	cfg_from_plan(&k, s);
	prng_seed(&r, w->plan->seed * 77 + (uint64_t)c->id * 2 + active +
			      w->npeer * 1001u);
	k.conn = c->id;
	k.family = (int)w->plan->family;
	k.active = active;
	k.self = active ? c->caddr : w->server;
	k.remote = active ? w->listen : c->caddr;
	k.seed = prng_u64(&r);
	/* a clock-driven ISN, as RFC 6528: newer incarnations are above */
	k.iss = (uint32_t)(w->now / 4) + (uint32_t)(k.self.port * 2654435761u);
	k.iss += (uint32_t)c->plan->host * 77777u;
	if (s->iss_random)
		k.iss = prng_u32(&r);
	if (s->iss_high)
		k.iss = 0u - prng_below(&r, 20000);
	k.icmp = w->plan->icmp_pm || w->plan->link[L_EC].mtu_icmp ||
		 w->plan->link[L_ES].mtu_icmp;
	k.ts_off = (uint32_t)(w->plan->seed * 40503) + k.self.ip[3] * 999u;
	k.tx_total = active ? up : down;
	k.rx_total = active ? down : up;
	k.key_tx = conn_key(w, c, active ? 0 : 1);
	k.key_rx = conn_key(w, c, active ? 1 : 0);
	k.abort_at = at_ms(c, s->abort_ms);
	k.die_at = at_ms(c, s->die_ms);
	k.renege_at = at_ms(c, s->renege_ms);
	if (w->npeer == w->peer_room) {
		w->peer_room = w->peer_room * 2 + 8;
		w->peer = realloc(w->peer, w->peer_room * sizeof(*w->peer));
	}
	w->peer[w->npeer] = malloc(sizeof(struct peer));
	peer_init(w->peer[w->npeer], &k, &w->ops);
	return w->peer[w->npeer++];
}

static int64_t conn_start_at(const struct world *w, const struct conn *c)
{
	return w->epoch + c->plan->start_ms * 1000;
}

/* A 4-tuple is free when the connection before is closed, dead, or in TIME_WAIT
 * with timestamps that tell the incarnations apart. */
static bool conn_may_start(struct world *w, const struct conn *c)
{
	const struct conn *old = find_conn(w, &c->caddr);
	const struct peer *p = old ? old->client : NULL;

	if (!p || p->dead || p->state == P_CLOSED)
		return true;
	return p->state == P_TIME_WAIT && p->ts_on && c->plan->client.ts;
}

void hosts_start_due(struct world *w)
{
	for (int i = 0; i < w->plan->nconn; i++) {
		struct conn *c = &w->conn[i], *old;

		if (c->started || conn_start_at(w, c) > w->now ||
		    !conn_may_start(w, c))
			continue;
		old = find_conn(w, &c->caddr);
		if (old && old->client->state == P_TIME_WAIT)
			peer_close_now(old->client, w->now);
		c->started = true;
		c->started_at = w->now;
		c->client = new_peer(w, c, true);
		peer_connect(c->client, w->now);
	}
}

int64_t hosts_deadline(const struct world *w)
{
	int64_t best = INT64_MAX, t;

	for (uint32_t i = 0; i < w->npeer; i++) {
		t = peer_deadline(w->peer[i]);
		best = t < best ? t : best;
	}
	for (int i = 0; i < w->plan->nconn; i++) {
		t = conn_start_at(w, &w->conn[i]);
		if (!w->conn[i].started && t > w->now && t < best)
			best = t;
	}
	return best;
}

void hosts_expire(struct world *w)
{
	for (uint32_t i = 0; i < w->npeer; i++)
		if (peer_deadline(w->peer[i]) <= w->now)
			peer_expire(w->peer[i], w->now);
}

bool hosts_done(const struct world *w)
{
	for (uint32_t i = 0; i < w->npeer; i++)
		if (w->peer[i]->state != P_CLOSED && !w->peer[i]->dead)
			return false;
	for (int i = 0; i < w->plan->nconn; i++)
		if (!w->conn[i].started)
			return false;
	return true;
}

/* The server's newest peer for this client address, unless it is closed. */
static struct peer *live_server(struct world *w, const struct saddr *caddr)
{
	struct peer *best = NULL;

	for (uint32_t i = 0; i < w->npeer; i++)
		if (!w->peer[i]->cfg.active &&
		    same_addr(w, &w->peer[i]->cfg.remote, caddr))
			best = w->peer[i];
	return best && best->state != P_CLOSED ? best : NULL;
}

struct peer *hosts_find(struct world *w, const struct sseg *s,
			struct peer **other)
{
	struct peer *rx = NULL;
	struct conn *c;

	*other = NULL;
	if (same_addr(w, &s->dst, &w->server)) {
		rx = live_server(w, &s->src);
		if (rx)
			*other = w->conn[rx->cfg.conn].client;
		return rx;
	}
	c = find_conn(w, &s->dst);
	if (!c)
		return NULL;
	/* an unbound entry of a late SYN takes nothing from the one that was
	 * served */
	*other = c->served ? c->served : c->server;
	return c->client;
}

void hosts_note_arrival(struct world *w, struct peer *from,
			const struct sseg *s)
{
	bool enough = w->plan->server_first || !(s->flags & F_SYN);

	for (int i = 0; i < w->plan->nconn; i++)
		if (w->conn[i].client == from && enough)
			w->conn[i].knocked = true;
	for (int i = 0; i < w->plan->nconn; i++)
		if (w->conn[i].client == from && s->flags & F_ACK)
			w->conn[i].answered = true;
	peer_mark_arrived(from, s);
}

void hosts_check_proof(struct world *w, const struct sseg *s)
{
	for (int i = 0; i < w->plan->nconn; i++)
		if (w->conn[i].answered &&
		    same_addr(w, &w->conn[i].caddr, &s->src))
			return;
	world_fail(w,
		   "a server is connected to a client that has not answered");
}

static struct dial *find_dial(struct world *w, const struct sseg *s)
{
	for (uint32_t i = 0; i < ARRAY_LEN(w->dial); i++)
		if (w->dial[i].conn && w->dial[i].seq == s->seq &&
		    same_addr(w, &w->dial[i].caddr, &s->src))
			return &w->dial[i];
	return NULL;
}

/*
 * With reused ports a SYN of the connection before may reach the server when
 * the next has begun already: so whose it is shows when it is sent.
 */
void hosts_note_dial(struct world *w, const struct sseg *s)
{
	struct conn *c, *best = NULL;

	if (find_dial(w, s) || hosts_is_stranger(w, &s->src))
		return;
	for (int i = 0; i < w->plan->nconn; i++) {
		c = &w->conn[i];
		if (c->started && c->knocked &&
		    same_addr(w, &c->caddr, &s->src) &&
		    (!best || c->started_at >= best->started_at))
			best = c;
	}
	w->dial[w->ndial++ % ARRAY_LEN(w->dial)] =
		(struct dial){s->src, s->seq, best};
}

static void raw_send(struct world *w, int link, struct spkt *pkt)
{
	if (!pkt)
		return;
	world_trace(w, link == L_CE ? "C rst" : "S rst", pkt);
	net_send(&w->net, link, pkt, w->now);
}

/*
 * A late duplicate of a SYN may raise a connection that the client will refuse;
 * one that carries anything is the client's stream a second time.
 */
static void note_established(struct world *w, struct conn *c, struct peer *p)
{
	if (!p->established || c->served == p)
		return;
	if (!c->served || c->served->reset || c->served->timedout)
		c->served = p;
	else if (p->rcv_nxt > 1 && c->sole && !w->plan->reset_all_ms &&
		 !conn_is_troubled(c->plan))
		world_fail(w, "connection %d reaches the server twice", c->id);
}

/* May this SYN replace a connection in TIME_WAIT?  RFC 6191. */
static bool newer_than(const struct peer *p, const struct sseg *s)
{
	if (p->state != P_TIME_WAIT)
		return false;
	if ((int32_t)(s->seq - (p->irs + (uint32_t)p->rcv_nxt)) > 0)
		return true;
	return p->ts_on && s->has_ts && (int32_t)(s->tsval - p->ts_recent) > 0;
}

static void server_receive(struct world *w, const struct sseg *s)
{
	struct conn *c = find_conn(w, &s->src);
	bool syn = (s->flags & (F_SYN | F_ACK | F_RST)) == F_SYN;
	struct peer *p = live_server(w, &s->src);

	if (syn && !w->direct && find_dial(w, s))
		c = find_dial(w, s)->conn;
	if (c && c->plan->server == SERVER_SILENT)
		return;
	if (p && p->dead && (p == c->server || !syn))
		return;
	if (p && !p->dead && !(syn && newer_than(p, s))) {
		peer_input(p, s, w->now);
		note_established(w, &w->conn[p->cfg.conn], p);
		return;
	}
	if (!c || !syn || c->plan->server == SERVER_REFUSE) {
		raw_send(w, L_SE, host_rst(s));
		return;
	}
	if (p && !p->dead)
		peer_close_now(p, w->now);
	/* a host that died for this connection stays dead for it */
	if (c->server && c->server->dead)
		return;
	c->server = new_peer(w, c, false);
	peer_accept(c->server, s, w->now);
}

static void client_receive(struct world *w, const struct sseg *s)
{
	struct conn *c = find_conn(w, &s->dst);

	if (hosts_is_stranger(w, &s->dst))
		return; /* nobody has sent that SYN */
	if (!c || c->client->state == P_CLOSED) {
		raw_send(w, L_CE, host_rst(s));
		return;
	}
	peer_input(c->client, s, w->now);
}

void hosts_icmp(struct world *w, const struct spkt *pkt)
{
	struct peer *p, *other;
	struct sseg quoted, back;
	uint32_t mtu;

	if (!spkt_parse_icmp(pkt, &quoted, &mtu)) {
		world_fail(w, "engine sends a bad ICMP error");
		return;
	}
	back = quoted;
	back.src = quoted.dst;
	back.dst = quoted.src;
	p = hosts_find(w, &back, &other);
	if (p && mtu)
		peer_too_big(p, quoted.seq, mtu, w->now);
}

void hosts_receive(struct world *w, int link, const struct spkt *pkt)
{
	struct sseg s;
	const char *why;
	int rc = spkt_parse(pkt, &s, &why);

	if (rc || pkt->corrupt) {
		if (rc == 0)
			world_fail(w, "a flipped bit goes unnoticed");
		return;
	}
	world_trace(w, link == L_EC ? "C rcv" : "S rcv", pkt);
	if (link == L_EC)
		client_receive(w, &s);
	else
		server_receive(w, &s);
}
