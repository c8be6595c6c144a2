/* SPDX-License-Identifier: MIT */
/*
 * penstock's engine on virtual time, and a server behind it that behaves as an
 * application on Linux: it acknowledges at once, answers a close with FIN and
 * data after it with RST.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "diff/backend.h"
#include "engine/engine.h"

static const struct saddr server_addr = {DIFF_SERVER, DIFF_PORT};

#define WALL_OFFSET_US (1700000000ll * 1000000)

static struct {
	struct engine *e;
	struct buf_pool pool;
	int64_t now;
	/* the server's connection */
	bool open, closed, reading, fin_sent;
	struct saddr self, peer;
	uint32_t snd_nxt, rcv_nxt, tsecr;
	struct spkt *queue[256]; /* towards the engine */
	uint32_t queued;
	void (*out)(const struct spkt *, int64_t);
	int64_t begin;
} g;

/* What the script sets for the next start. */
static struct service wanted;
static bool have_wanted;
static uint32_t wanted_tw = 16;

static void server_send(uint16_t flags, uint32_t len)
{
	static const uint8_t zeros[1448];
	struct sseg s = {.family = 4, .ws = -1, .flags = flags};

	assert(g.queued < ARRAY_LEN(g.queue) && len <= sizeof(zeros));
	s.src = g.self;
	s.dst = g.peer;
	s.seq = g.snd_nxt;
	s.ack = flags & F_ACK ? g.rcv_nxt : 0;
	s.wnd = g.reading ? 65535 : 0;
	s.len = len;
	s.has_ts = true;
	s.tsval = (uint32_t)(g.now / 1000);
	s.tsecr = g.tsecr;
	if (flags & F_SYN) {
		s.mss = 1460;
		s.ws = 7;
		s.sackok = true;
	}
	g.queue[g.queued++] = spkt_build(&s, zeros);
	g.snd_nxt += len + !!(flags & (F_SYN | F_FIN));
}

static void server_receive(const struct sseg *s)
{
	if (s->flags & F_RST) {
		g.open = false;
		return;
	}
	g.tsecr = s->tsval;
	if (s->flags & F_SYN) {
		g.open = true;
		g.self = s->dst;
		g.peer = s->src;
		g.rcv_nxt = s->seq + 1;
		if (s->flags & F_ACK) {
			server_send(F_ACK, 0);
			return;
		}
		g.snd_nxt = 7777777;
		server_send(F_SYN | F_ACK, 0);
		return;
	}
	if (g.open && s->seq == g.rcv_nxt - 1) /* a keepalive probe */
		server_send(F_ACK, 0);
	if (!g.open || s->seq != g.rcv_nxt || (s->len && !g.reading))
		return;
	if (s->len && g.closed) {
		server_send(F_RST, 0);
		g.open = false;
		return;
	}
	g.rcv_nxt += s->len + !!(s->flags & F_FIN);
	if (s->len || s->flags & F_FIN)
		server_send(F_ACK, 0);
}

static void route(struct spkt *pkt)
{
	static const uint8_t client[4] = DIFF_CLIENT;
	struct sseg s;
	const char *why;

	if (spkt_parse(pkt, &s, &why) == 0) {
		spkt_finish_csum(pkt);
		if (!memcmp(s.dst.ip, client, 4))
			g.out(pkt, g.now - g.begin);
		else
			server_receive(&s);
	}
	free(pkt);
}

/* As segmentation offload cuts it. */
static void emit(const struct tx *tx)
{
	uint32_t seg = tx->gso_size && tx->payload > tx->gso_size ? tx->gso_size
								  : tx->payload,
		 off = 0, n;
	struct spkt *pkt;
	struct sseg s;
	const char *why;
	uint32_t seq = 0;

	do {
		n = tx->payload - off < seg ? tx->payload - off : seg;
		pkt = spkt_new(tx->hdr_len + n);
		memcpy(pkt->data, tx->hdr, tx->hdr_len);
		memset(pkt->data + tx->hdr_len, 0, n); /* all data are zeros */
		pkt->csum = tx->csum_done ? SCSUM_FULL : SCSUM_PARTIAL;
		if (seg < tx->payload) {
			memcpy(&seq, tx->hdr + tx->l4_off + 4, 4);
			spkt_recut(pkt, tx->l4_off,
				   __builtin_bswap32(seq) + off, off == 0,
				   off + n == tx->payload);
		}
		(void)spkt_parse(pkt, &s, &why);
		route(pkt);
		off += n;
	} while (off < tx->payload);
}

static void input(const struct spkt *pkt)
{
	struct buf *b = buf_alloc_reserve(&g.pool);
	struct packet in = {.buf = b,
			    .len = pkt->len,
			    .full_len = pkt->len,
			    .csum = PACKET_CSUM_VERIFY};
	struct tx reply;

	assert(b);
	memcpy(b->data, pkt->data, pkt->len);
	in.data = b->data;
	memset(&reply, 0, sizeof(reply));
	if (engine_input(g.e, &in, (mono_t){g.now}, &reply) == VERDICT_REPLY)
		emit(&reply);
	buf_put(b);
}

/* Everything that happens without time passing. */
static void settle(void)
{
	static struct tx tx[32];
	int n;

	do {
		do {
			n = engine_pull(g.e, tx, 32, (mono_t){g.now});
			for (int i = 0; i < n; i++)
				emit(&tx[i]);
		} while (n == 32);
		for (uint32_t i = 0; i < g.queued; i++) {
			input(g.queue[i]);
			free(g.queue[i]);
		}
		n = (int)g.queued;
		g.queued = 0;
	} while (n);
}

static void want_defaults(void)
{
	if (have_wanted)
		return;
	memset(&wanted, 0, sizeof(wanted));
	opt_defaults(service_options, &wanted);
	opt_defaults(tcp_options, &wanted.tcp);
	opt_defaults(shield_options, &wanted.shield);
	/* as a socket that does not ask for it: only where a script says so */
	wanted.shield.fastopen = TFO_SERVER;
	have_wanted = true;
}

static bool key_in(const struct opt_desc *d, void *base, const char *name,
		   const char *value)
{
	char err[256];

	for (; d->name; d++)
		if (!strcmp(d->name, name))
			return !opt_parse(d, base, value, err, sizeof(err));
	return false;
}

static bool engine_key(const char *name, const char *value)
{
	if (!strcmp(name, "tcp_max_tw_buckets")) {
		wanted_tw = (uint32_t)atoi(value);
		return true;
	}
	want_defaults();
	return key_in(service_options, &wanted, name, value) ||
	       key_in(tcp_options, &wanted.tcp, name, value) ||
	       key_in(shield_options, &wanted.shield, name, value);
}

/* Two services: what comes for the stack, and what its application opens. */
static struct policy *make_policy(bool small)
{
	static const uint8_t client[4] = DIFF_CLIENT;
	struct policy *pol = policy_new(2);
	struct service *s = &pol->service[0];

	want_defaults();
	*s = wanted;
	have_wanted = false;
	s->listen.n = 1;
	s->listen.ep[0].addr = ipaddr_v4(server_addr.ip);
	s->listen.ep[0].prefix = 128;
	s->listen.ep[0].port = DIFF_PORT;
	s->connect.prefix = 128;
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->unknown = UNKNOWN_RESET;
	if (small) {
		s->tcp.rmem[1] = s->tcp.rmem[2] = 4608;
		s->tcp.wmem[1] = s->tcp.wmem[2] = 4608;
	}
	strcpy(s->name, "in");
	pol->service[1] = *s;
	strcpy(pol->service[1].name, "out");
	pol->service[1].listen.ep[0].addr = ipaddr_v4(client);
	pol->service[1].listen.ep[0].port = 0;
	return pol;
}

static void engine_start(bool small)
{
	struct engine_cfg cfg = {
		.max_flows = 16, .max_tw = wanted_tw, .seed = 1};

	memset(&g, 0, sizeof(g));
	if (buf_pool_init(&g.pool, 64 << 20, 4))
		abort();
	g.now = 1000000;
	g.reading = true;
	cfg.pool = &g.pool;
	cfg.policy = make_policy(small);
	wanted_tw = 16;
	cfg.wall_offset_us = WALL_OFFSET_US;
	g.e = engine_new(&cfg, (mono_t){g.now});
	policy_put(cfg.policy);
	assert(g.e);
}

static void engine_give(const struct spkt *pkt)
{
	/* what it causes comes out in run(): nothing is later than "at once" */
	g.queue[g.queued++] = spkt_dup(pkt);
}

static void start_connect(uint16_t port)
{
	g.self = (struct saddr){DIFF_SERVER, 40000};
	g.peer = (struct saddr){DIFF_CLIENT, port};
	g.snd_nxt = 7777777;
	server_send(F_SYN, 0);
}

static void engine_app(enum app_do what, uint32_t n)
{
	switch (what) {
	case APP_WRITE:
		for (uint32_t k; n; n -= k) {
			k = n < 1448 ? n : 1448;
			server_send(F_ACK | (n == k ? F_PSH : 0), k);
		}
		break;
	case APP_SHUTDOWN:
	case APP_CLOSE:
		g.closed = what == APP_CLOSE;
		if (!g.fin_sent)
			server_send(F_ACK | F_FIN, 0);
		g.fin_sent = true;
		break;
	case APP_RESET:
		server_send(F_ACK | F_RST, 0);
		g.open = false;
		break;
	case APP_READ:
		g.reading = n;
		if (g.open)
			server_send(F_ACK, 0);
		break;
	case APP_CONNECT:
		start_connect((uint16_t)n);
		break;
	}
}

static void engine_run(int64_t us, void (*out)(const struct spkt *, int64_t))
{
	int64_t end = g.now + us, t;

	g.out = out;
	g.begin = g.now;
	settle();
	while ((t = engine_deadline(g.e).us) <= end) {
		g.now = t > g.now ? t : g.now + 1;
		engine_expire(g.e, (mono_t){g.now});
		settle();
	}
	g.now = end;
}

static void engine_stop(void)
{
	for (uint32_t i = 0; i < g.queued; i++)
		free(g.queue[i]);
	engine_free(g.e);
	buf_pool_fini(&g.pool);
}

/* Without an offset of the connection: the wall clock, by which a fleet's
 * gateways agree.  Linux takes the time since it began. */
static uint32_t engine_clock(void)
{
	return (uint32_t)((g.now + WALL_OFFSET_US) / 1000);
}

const struct backend backend_engine = {
	"penstock", engine_key, engine_start, engine_give,
	engine_app, engine_run, engine_stop,  engine_clock,
};
