/* SPDX-License-Identifier: MIT */
/*
 * What stands between the links: the engine as the shell would drive it, or a
 * wire.  Packets that the engine emits are cut like segmentation offload cuts
 * them, and every piece is shown to the tap.
 */
#include <stdlib.h>
#include <string.h>

#include "check/engine_check.h"
#include "sim/world.h"
#include "view/flow.h"

#define RESERVE 4 /* receive buffers beyond the limit */

struct policy *middle_policy(const struct world *w)
{
	const struct plan *p = w->plan;
	struct policy *pol = policy_new(1);
	struct service *s = &pol->service[0];
	struct tcp_cfg *t = &s->tcp;

	opt_defaults(service_options, s);
	opt_defaults(tcp_options, t);
	opt_defaults(shield_options, &s->shield);
	snprintf(s->name, sizeof(s->name), "sim");
	s->listen.n = 1;
	s->listen.ep[0].prefix = 128;
	s->listen.ep[0].port = w->listen.port;
	s->connect.prefix = 128;
	if (p->family == 4) {
		s->listen.ep[0].addr = ipaddr_v4(w->listen.ip);
		s->connect.addr = ipaddr_v4(w->server.ip);
	} else {
		s->listen.ep[0].addr = ipaddr_v6(w->listen.ip);
		s->connect.addr = ipaddr_v6(w->server.ip);
	}
	s->connect.port = p->alt_connect ? w->server.port : 0;
	s->handshake = (uint8_t)p->server_first;
	s->unknown = (uint8_t)p->unknown;
	s->on_no_server = (uint8_t)p->on_no_server;
	s->close = (uint8_t)p->close_rst;
	s->relay = p->splice ? RELAY_SPLICE : RELAY_TERMINATE;
	s->syncookies = (uint32_t)p->syncookies;
	s->max_syn_backlog = (uint32_t)p->backlog;
	t->synack_retries = (uint32_t)p->synack_retries;
	t->syn_retries = (uint32_t)p->syn_retries;
	t->retries2 = (uint32_t)p->retries2;
	t->orphan_retries = (uint32_t)p->orphan_retries;
	t->timestamps = (uint32_t)p->ts;
	t->window_scaling = (uint32_t)p->ws;
	t->sack = (uint32_t)p->sack;
	t->dsack = (uint32_t)p->dsack;
	t->ecn = (uint32_t)p->ecn;
	t->slow_start_after_idle = (uint32_t)p->ss_after_idle;
	t->rfc1337 = (uint32_t)p->rfc1337;
	t->rmem[2] = (uint32_t)p->rmem_kb * 1024;
	t->wmem[2] = (uint32_t)p->wmem_kb * 1024;
	if (p->lowat_kb)
		t->notsent_lowat = (uint32_t)p->lowat_kb * 1024;
	t->rmem[1] = min_u32(t->rmem[1], t->rmem[2]);
	t->wmem[1] = min_u32(t->wmem[1], t->wmem[2]);
	t->cc[0] = (uint8_t)p->cc_client;
	t->cc[1] = (uint8_t)p->cc_server;
	t->keepalive_time = p->keepalive_s * 1000000;
	t->fin_timeout = p->fin_timeout_s * 1000000;
	t->timewait_len = p->timewait_s * 1000000;
	t->invalid_ratelimit = p->ratelimit_ms * 1000;
	t->user_timeout = p->uto_ms * 1000;
	return pol;
}

struct engine *middle_engine(struct world *w, struct buf_pool *pool,
			     int64_t max_flows, uint8_t salt)
{
	struct engine_cfg cfg = {.pool = pool, .paths = &w->paths};
	const struct plan *p = w->plan;
	struct engine *e;

	if (buf_pool_init(pool, (uint64_t)p->pool_kb * 1024, RESERVE))
		return NULL;
	cfg.policy = middle_policy(w);
	cfg.max_flows = (uint32_t)max_flows;
	cfg.max_tw = (uint32_t)p->max_tw;
	cfg.seed = p->seed + salt;
	for (uint32_t i = 0; i < sizeof(cfg.secret); i++)
		cfg.secret[i] = (uint8_t)(p->seed >> (i & 7) * 8) ^ salt;
	cfg.wall_offset_us = MIDDLE_WALL_US;
	e = engine_new(&cfg, (mono_t){w->now});
	policy_put(cfg.policy);
	return e;
}

int middle_init(struct world *w)
{
	static const uint8_t key[32];
	struct plan *p = w->plan;

	w->pool = &w->pools[0];
	if (w->direct)
		return 0;
	if (paths_init(&w->paths, 16, key))
		return -1;
	w->engine = middle_engine(w, w->pool, p->max_flows, 0);
	if (w->engine && p->splice)
		w->translator = translate_new(w);
	known_init(&w->known, key, calloc(1, 1u << KNOWN_BITS),
		   calloc(1u << KNOWN_SPENT_BITS, sizeof(*w->known.spent)));
	if (!w->engine || !w->known.count || !w->known.spent)
		return -1;
	engine_set_known(w->engine, &w->known);
	w->pool_base = w->pool->held;
	return 0;
}

/* Whom the front would take for known is known, neither less nor more. */
static void check_known(struct world *w)
{
	if (!w->failed && known_sum(&w->known) != engine_known(w->engine))
		world_fail(w, "%lu places taken in the filter, %lu known",
			   (unsigned long)known_sum(&w->known),
			   (unsigned long)engine_known(w->engine));
}

void middle_fini(struct world *w)
{
	if (w->engine) {
		check_known(w);
		engine_free(w->engine);
	}
	w->engine = NULL;
	free(w->known.count);
	free(w->known.spent);
	translate_free(w->translator);
	if (w->direct)
		return;
	if (!w->failed && w->pool->held)
		world_fail(w, "%lu bytes of buffers outlive the engine",
			   (unsigned long)w->pool->held);
	paths_fini(&w->paths);
	buf_pool_fini(w->pool);
}

static bool to_server(const struct world *w, const struct sseg *s)
{
	return !memcmp(s->dst.ip, w->server.ip, 16) ||
	       !memcmp(s->dst.ip, w->listen.ip, 16);
}

void middle_send_on(struct world *w, int link, struct spkt *pkt)
{
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

static void tap_and_send(struct world *w, struct spkt *pkt, bool judge,
			 bool forward)
{
	struct peer *rx, *tx;
	struct sseg s;
	const char *why;
	int rc = spkt_parse(pkt, &s, &why);

	if (rc) {
		if (rc < 0)
			world_fail(w, "engine sends a bad packet: %s", why);
		else
			hosts_icmp(w, pkt);
		free(pkt);
		return;
	}
	rx = hosts_find(w, &s, &tx);
	if (judge)
		world_trace(w, "E snd", pkt);
	if (judge && to_server(w, &s) &&
	    (s.flags & (F_SYN | F_ACK | F_RST)) == F_SYN)
		hosts_note_dial(w, &s);
	if (judge && to_server(w, &s) && (s.flags & (F_ACK | F_RST)) == F_ACK)
		hosts_check_proof(w, &s);
	if (rx && judge)
		tap_check(rx, tx, &s, false, w->now);
	spkt_finish_csum(pkt);
	if (!forward)
		free(pkt);
	else if (!noise_path(w, to_server(w, &s) ? L_ES : L_EC, pkt))
		middle_send_on(w, to_server(w, &s) ? L_ES : L_EC, pkt);
}

static struct spkt *flatten(struct world *w, const struct tx *tx)
{
	struct spkt *pkt = spkt_new(tx->hdr_len + tx->payload);
	uint32_t k = tx->hdr_len;

	memcpy(pkt->data, tx->hdr, tx->hdr_len);
	for (int i = 0; i < tx->niov; i++) {
		if (k + tx->iov[i].iov_len > pkt->len)
			break;
		memcpy(pkt->data + k, tx->iov[i].iov_base, tx->iov[i].iov_len);
		k += (uint32_t)tx->iov[i].iov_len;
	}
	if (k != pkt->len || tx->niov > TX_IOV_MAX)
		world_fail(w, "tx: %u bytes of %u in %u slices", k, pkt->len,
			   tx->niov);
	pkt->csum = tx->csum_done ? SCSUM_FULL : SCSUM_PARTIAL;
	return pkt;
}

/* One piece of @big, as a network card cuts it. */
static struct spkt *cut(const struct spkt *big, const struct tx *tx,
			uint32_t off, uint32_t n)
{
	struct sseg s;
	const char *why;
	bool first = off == 0, last = off + n == tx->payload;
	struct spkt *pkt;
	uint32_t hl = tx->hdr_len;

	if (spkt_parse(big, &s, &why))
		return NULL;
	pkt = spkt_new(hl + n);
	memcpy(pkt->data, big->data, hl);
	memcpy(pkt->data + hl, big->data + hl + off, n);
	spkt_recut(pkt, tx->l4_off, s.seq + off, first, last);
	return pkt;
}

/* Translated: on it goes, judged by nobody but its receiver. */
static void send_spliced(struct world *w, struct spkt *pkt)
{
	struct sseg s;
	const char *why;

	spkt_finish_csum(pkt);
	if (spkt_parse(pkt, &s, &why)) {
		world_fail(w, "translated into a bad packet: %s", why);
		free(pkt);
		return;
	}
	world_trace(w, "T fwd", pkt);
	if (!noise_path(w, to_server(w, &s) ? L_ES : L_EC, pkt))
		middle_send_on(w, to_server(w, &s) ? L_ES : L_EC, pkt);
}

/* Through the TUN: there stands the translator, too. */
static void emit_tun(struct world *w, const struct tx *tx)
{
	struct spkt *big = flatten(w, tx), *pkt;
	uint32_t seg = tx->gso_size ? tx->gso_size : 65536, n, off = 0;

	if (tx->hdr[tx->family == 4 ? 9 : 6] != 6) {
		hosts_icmp(w, big);
		free(big);
		return;
	}
	do {
		n = min_u32(seg, tx->payload - off);
		pkt = cut(big, tx, off, n);
		if (pkt && translate(w->translator, pkt, true))
			send_spliced(w, pkt);
		else
			world_fail(w, "to the TUN, and not translated there");
		off += n;
	} while (off < tx->payload && !w->failed);
	free(big);
}

void middle_emit(struct world *w, const struct tx *tx)
{
	struct spkt *big = flatten(w, tx), *pkt;
	uint32_t n, seg = tx->gso_size;
	bool gso = seg && tx->payload > seg;

	w->engine_pkts++;
	w->last_tx = w->now;
	if (tx->tun_only || tx->in_place) {
		emit_tun(w, tx);
		return;
	}
	if (tx->family != w->plan->family)
		world_fail(w, "tx: family %u", tx->family);
	if (tx->payload > TX_PAYLOAD_MAX)
		world_fail(w, "tx: payload of %u", tx->payload);
	if (!gso) {
		tap_and_send(w, big, true, true);
		return;
	}
	for (uint32_t off = 0; off < tx->payload && !w->failed; off += n) {
		n = min_u32(seg, tx->payload - off);
		pkt = cut(big, tx, off, n);
		if (!pkt) {
			world_fail(w, "engine sends a bad GSO packet");
			break;
		}
		tap_and_send(w, pkt, true, !w->plan->whole_gso);
	}
	if (w->plan->whole_gso && !w->failed)
		tap_and_send(w, big, false, true);
	else
		free(big);
}

static void note_wait(void *arg, const struct flow_view *f)
{
	struct world *w = arg;

	for (int i = 0; i < 2; i++) {
		const struct leg_view *l = &f->leg[i];

		if (l->queued_bytes > l->inflight_bytes)
			w->wait = max_u64(w->wait,
					  l->queued_bytes - l->inflight_bytes);
	}
}

void middle_pull(struct world *w)
{
	struct tx tx[64];
	int max = (int)w->plan->pull_max, n, rounds = 0;

	w->pull_at = 0;
	if (w->direct)
		return;
	do {
		n = engine_pull(w->engine, tx, max, (mono_t){w->now});
		if (n < 0 || n > max) {
			world_fail(w, "engine_pull() returns %d", n);
			return;
		}
		for (int i = 0; i < n && !w->failed; i++)
			middle_emit(w, &tx[i]);
		if (++rounds > 20000)
			world_fail(w, "engine_pull() never ends");
	} while (n == max && !w->failed);
	if (w->plan->lowat_kb)
		flow_view_walk(w->engine, NULL, 100, note_wait, w,
			       (mono_t){w->now});
}

static void wire_forward(struct world *w, struct spkt *pkt)
{
	struct sseg s;
	const char *why;

	if (spkt_parse(pkt, &s, &why)) {
		free(pkt);
		return;
	}
	world_trace(w, "E fwd", pkt);
	middle_send_on(w, to_server(w, &s) ? L_ES : L_EC, pkt);
}

/* What the shell knows of a checksum; a damaged packet is never vouched for. */
static enum packet_csum choose_csum(struct world *w, struct spkt *pkt)
{
	struct sseg s;
	const char *why;

	if (pkt->corrupt || !w->plan->csum_mix)
		return PACKET_CSUM_VERIFY;
	switch (prng_below(&w->rng, 3)) {
	case 0:
		return PACKET_CSUM_VERIFY;
	case 1:
		return PACKET_CSUM_GOOD;
	}
	if (spkt_parse(pkt, &s, &why) == 0)
		spkt_spoil_csum(pkt);
	return PACKET_CSUM_PARTIAL;
}

static void give_engine(struct world *w, struct spkt *pkt, bool truncate)
{
	struct buf *b = buf_alloc_reserve(w->pool);
	struct packet in = {.buf = b};
	struct tx reply;
	struct spkt *pass = NULL;
	enum verdict v;

	if (!b) {
		world_fail(w, "no receive buffer: the reserve leaks");
		free(pkt);
		return;
	}
	pass = spkt_dup(pkt);
	in.csum = choose_csum(w, pkt);
	memcpy(b->data, pkt->data, pkt->len);
	in.data = b->data;
	in.len = in.full_len = pkt->len;
	if (truncate)
		in.len = 1 + prng_below(&w->rng, pkt->len - 1);
	memset(&reply, 0, sizeof(reply));
	v = engine_input(w->engine, &in, (mono_t){w->now}, &reply);
	if (v == VERDICT_REPLY) {
		if (reply.payload && !reply.tun_only && !reply.in_place)
			world_fail(w, "a stateless reply has payload");
		middle_emit(w, &reply);
	}
	buf_put(b);
	if (v == VERDICT_PASS && !truncate)
		wire_forward(w, pass);
	else
		free(pass);
	free(pkt);
}

void middle_give(struct world *w, struct spkt *pkt)
{
	world_trace(w, "E frg", pkt);
	give_engine(w, pkt, false);
	if (!w->pull_at)
		w->pull_at = w->now + w->plan->batch_us;
}

void middle_input(struct world *w, int link, struct spkt *pkt)
{
	struct sseg s;
	const char *why;
	const struct peer *from;
	bool parsed = spkt_parse(pkt, &s, &why) == 0;
	bool truncate = !w->direct && w->plan->trunc_pm &&
			w->now < w->net.heal_at &&
			prng_below(&w->rng, 1000) < w->plan->trunc_pm;

	(void)link;
	if (!pkt->corrupt && !truncate && pkt->origin && parsed)
		hosts_note_arrival(w, pkt->origin, &s);
	if (w->direct) {
		wire_forward(w, pkt);
		return;
	}
	if (translate(w->translator, pkt, false)) {
		world_trace(w, "T rcv", NULL);
		send_spliced(w, pkt);
		return;
	}
	world_trace(w, truncate ? "E cut" : "E rcv", pkt);
	from = pkt->origin;
	parsed = parsed && !truncate && !pkt->corrupt && from;
	give_engine(w, pkt, truncate);
	if (parsed)
		noise_blind(w, from, &s);
	if (!w->pull_at)
		w->pull_at = w->now + w->plan->batch_us;
}

int64_t middle_deadline(const struct world *w)
{
	int64_t t = INT64_MAX;

	if (w->direct)
		return t;
	t = engine_deadline(w->engine).us;
	if (t != INT64_MAX)
		t += w->plan->late_us;
	if (renew_deadline(w) < t)
		t = renew_deadline(w);
	if (w->pull_at && w->pull_at < t)
		t = w->pull_at;
	return t;
}

void middle_expire(struct world *w)
{
	if (w->direct)
		return;
	if (engine_deadline(w->engine).us <= w->now) {
		engine_expire(w->engine, (mono_t){w->now});
		w->pull_at = w->now;
	}
	if (renew_deadline(w) <= w->now) {
		renew(w);
		w->pull_at = w->now;
	}
	if (w->plan->reset_all_ms && !w->reset_done &&
	    w->now >= w->epoch + w->plan->reset_all_ms * 1000) {
		w->reset_done = true;
		engine_reset_all(w->engine, (mono_t){w->now});
		w->pull_at = w->now;
	}
	if (w->pull_at && w->pull_at <= w->now)
		middle_pull(w);
}

void middle_check(struct world *w)
{
	struct engine_gauges g;
	char err[200];

	if (w->direct || w->failed)
		return;
	err[0] = 0;
	if (engine_check(w->engine, err, sizeof(err))) {
		world_fail(w, "engine_check: %s", err);
		return;
	}
	engine_gauges(w->engine, &g);
	if (g.flows > g.flows_max || g.time_wait > g.time_wait_max)
		world_fail(w, "gauges: %u flows, %u TIME_WAIT", g.flows,
			   g.time_wait);
	if (w->pool->held >
	    w->pool->limit + RESERVE * buf_class_truesize(BUF_RX))
		world_fail(w, "pool holds %lu of %lu",
			   (unsigned long)w->pool->held,
			   (unsigned long)w->pool->limit);
}

bool middle_idle(const struct world *w)
{
	return w->direct || engine_deadline(w->engine).us == INT64_MAX;
}

void middle_check_end(struct world *w)
{
	struct engine_gauges g;

	if (w->direct || w->failed)
		return;
	engine_gauges(w->engine, &g);
	if (g.flows || g.half_open || g.time_wait)
		world_fail(w, "left over: %u flows, %u half open, %u TIME_WAIT",
			   g.flows, g.half_open, g.time_wait);
	else if (w->pool->held != w->pool_base)
		world_fail(w, "left over: %lu bytes of buffers",
			   (unsigned long)(w->pool->held - w->pool_base));
}
