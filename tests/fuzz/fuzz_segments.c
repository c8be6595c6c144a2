/* SPDX-License-Identifier: MIT */
/*
 * Programs of segments against a live engine.
 *
 * The input is a program: one byte says what happens, the next ones how.  A
 * client and a server that know what the engine last said to them (its sequence
 * number, its ACK) send segments whose numbers lie a chosen distance from the
 * right ones; time passes; raw bytes arrive.  After every step the engine must
 * hold its invariants, and what it emits must be well formed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/engine_check.h"
#include "engine/engine.h"
#include "sim/spkt.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define STEPS_MAX 400

struct side {
	struct saddr self, peer;
	uint32_t seq, ack, tsval; /* what we would say next */
};

struct prog {
	const uint8_t *p, *end;
	struct engine *e;
	struct buf_pool pool;
	int64_t now;
	struct side client, server;
	int family;
	uint32_t emitted;
};

static uint8_t next8(struct prog *g)
{
	return g->p < g->end ? *g->p++ : 0;
}

static uint32_t next16(struct prog *g)
{
	uint32_t hi = next8(g);

	return hi << 8 | next8(g);
}

/* A distance: mostly small, sometimes anywhere. */
static uint32_t next_delta(struct prog *g)
{
	uint8_t k = next8(g);

	if (k < 128)
		return 0;
	if (k < 200)
		return (uint32_t)((int)k - 164);
	if (k < 240)
		return next16(g) - 32768;
	return next16(g) << 16 | next16(g);
}

static void learn(struct prog *g, const struct sseg *s)
{
	struct side *to = s->dst.port == g->client.self.port ? &g->client
							     : &g->server;

	to->ack = s->seq + s->len + !!(s->flags & F_SYN) + !!(s->flags & F_FIN);
	if (s->flags & F_ACK)
		to->seq = s->ack;
	to->tsval = s->tsval;
}

static void look_at(struct prog *g, const struct tx *tx)
{
	struct spkt *pkt = spkt_new(tx->hdr_len + tx->payload);
	uint32_t k = tx->hdr_len;
	struct sseg s;
	const char *why = "";
	int rc;

	memcpy(pkt->data, tx->hdr, k);
	for (int i = 0; i < tx->niov; i++) {
		assert(k + tx->iov[i].iov_len <= pkt->len);
		memcpy(pkt->data + k, tx->iov[i].iov_base, tx->iov[i].iov_len);
		k += (uint32_t)tx->iov[i].iov_len;
	}
	assert(k == pkt->len);
	pkt->csum = tx->csum_done ? SCSUM_FULL : SCSUM_PARTIAL;
	rc = spkt_parse(pkt, &s, &why);
	if (rc < 0) {
		fprintf(stderr, "bad packet: %s\n", why);
		abort();
	}
	if (rc == 0)
		learn(g, &s);
	g->emitted++;
	free(pkt);
}

static void settle(struct prog *g)
{
	static struct tx tx[16];
	char err[200] = "";
	int n, rounds = 0;

	do {
		n = engine_pull(g->e, tx, 16, (mono_t){g->now});
		assert(n >= 0 && n <= 16);
		for (int i = 0; i < n; i++)
			look_at(g, &tx[i]);
		assert(++rounds < 2000);
	} while (n == 16);
	if (engine_check(g->e, err, sizeof(err))) {
		fprintf(stderr, "engine_check: %s\n", err);
		abort();
	}
}

static void give(struct prog *g, const uint8_t *d, uint32_t len,
		 enum packet_csum csum)
{
	struct buf *b = buf_alloc_reserve(&g->pool);
	struct packet pkt = {.buf = b, .len = len, .full_len = len};
	struct tx reply;

	assert(b && len <= BUF_RX_SIZE);
	memcpy(b->data, d, len);
	pkt.data = b->data;
	pkt.csum = csum;
	memset(&reply, 0, sizeof(reply));
	if (engine_input(g->e, &pkt, (mono_t){g->now}, &reply) ==
	    VERDICT_REPLY) {
		assert(!reply.payload);
		look_at(g, &reply);
	}
	buf_put(b);
}

static void send_segment(struct prog *g, struct side *from, uint16_t flags,
			 uint32_t len)
{
	static const uint8_t zeros[65536];
	uint8_t how = next8(g);
	struct sseg s = {.family = g->family, .ws = -1, .flags = flags};
	struct spkt *pkt;

	s.src = from->self;
	s.dst = from->peer;
	s.seq = from->seq + (how & 1 ? next_delta(g) : 0);
	s.ack = from->ack + (how & 2 ? next_delta(g) : 0);
	s.wnd = how & 4 ? (uint16_t)next16(g) : 65535;
	s.has_ts = how & 8;
	s.tsval = (uint32_t)(g->now / 1000) + (how & 16 ? next_delta(g) : 0);
	s.tsecr = from->tsval;
	if (flags & F_SYN) {
		s.mss = how & 32 ? next16(g) : 1460;
		s.ws = how & 64 ? next8(g) & 15 : 7;
		s.sackok = how & 128;
	} else if (how & 128) {
		s.nsack = 1 + (how >> 5 & 1);
		for (int i = 0; i < s.nsack; i++) {
			s.sack[i][0] = s.ack + next16(g) - 100;
			s.sack[i][1] = s.sack[i][0] + next16(g) - 100;
		}
	}
	if (flags & F_URG)
		s.urg = (uint16_t)next16(g);
	s.len = len;
	pkt = spkt_build(&s, zeros);
	give(g, pkt->data, pkt->len, PACKET_CSUM_GOOD);
	free(pkt);
	if (!(how & 3))
		from->seq += len + !!(flags & F_FIN);
}

static void pass_time(struct prog *g, uint8_t k)
{
	static const int64_t span[] = {1,	1000,	  40000,    250000,
				       1000000, 10000000, 61000000, 130000000};
	int64_t until = g->now + span[k & 7], t;

	for (int i = 0; i < 200; i++) {
		t = engine_deadline(g->e).us;
		if (t > until)
			break;
		g->now = t > g->now ? t : g->now + 1;
		engine_expire(g->e, (mono_t){g->now});
		settle(g);
	}
	g->now = until > g->now ? until : g->now;
}

static void step(struct prog *g)
{
	static const uint16_t usual[] = {F_ACK,		F_ACK,
					 F_ACK | F_PSH, F_ACK | F_FIN,
					 F_SYN,		F_SYN | F_ACK,
					 F_RST,		F_RST | F_ACK};
	uint8_t op = next8(g);
	struct side *who = op & 1 ? &g->client : &g->server;
	uint16_t flags = usual[op >> 1 & 7];
	uint32_t n;

	switch (op >> 4) {
	case 0 ... 5:
		send_segment(g, who, flags, 0);
		break;
	case 6 ... 8:
		send_segment(g, who, flags, next8(g));
		break;
	case 9:
		send_segment(g, who, flags, next16(g) % 60000);
		break;
	case 10:
		send_segment(g, who, next8(g), next8(g) & 3);
		break;
	case 11:
		n = next16(g) % 200;
		n = n < (uint32_t)(g->end - g->p) ? n
						  : (uint32_t)(g->end - g->p);
		give(g, g->p, n, PACKET_CSUM_PARTIAL);
		g->p += n;
		break;
	case 12:
		who->seq += next_delta(g);
		break;
	default:
		pass_time(g, op);
	}
	settle(g);
}

static struct policy *make_policy(uint8_t k, const struct saddr *listen)
{
	struct policy *pol = policy_new(1);
	struct service *s = &pol->service[0];

	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	s->listen.n = 1;
	s->listen.ep[0].addr = k & 128 ? ipaddr_v6(listen->ip)
				       : ipaddr_v4(listen->ip);
	s->listen.ep[0].prefix = 128;
	s->listen.ep[0].port = 80;
	s->handshake = k & 1 ? HANDSHAKE_SERVER_FIRST : HANDSHAKE_CLIENT_FIRST;
	s->syncookies = k & 2 ? 2 : 0;
	s->unknown = k >> 2 & 1 ? UNKNOWN_RESET : UNKNOWN_DROP;
	s->close = k >> 3 & 1;
	s->tcp.cc[0] = s->tcp.cc[1] = k >> 4 & 1;
	s->tcp.timestamps = !(k & 32);
	s->tcp.sack = !(k & 64);
	return pol;
}

static void quiet(enum log_level lvl, const char *line)
{
	(void)lvl;
	(void)line;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_sink(quiet);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct saddr client = {{10, 1, 0, 1}, 40000};
	struct saddr server = {{10, 9, 0, 1}, 80};
	struct prog g = {.p = data, .end = data + size, .now = 1000000};
	uint8_t how;
	struct engine_cfg cfg = {.max_flows = 4, .max_tw = 4, .seed = 1};

	if (size < 2 || buf_pool_init(&g.pool, 1 << 20, 4))
		return 0;
	how = next8(&g);
	g.family = how & 128 ? 6 : 4;
	if (g.family == 6) {
		client.ip[0] = server.ip[0] = 0xfd;
		client.ip[15] = server.ip[15] = 1;
	}
	cfg.policy = make_policy(how, &server);
	cfg.pool = &g.pool;
	g.e = engine_new(&cfg, (mono_t){g.now});
	policy_put(cfg.policy);
	assert(g.e);
	g.client = (struct side){client, server, 1000, 0, 0};
	g.server = (struct side){server, client, 5000, 0, 0};
	for (int i = 0; g.p < g.end && i < STEPS_MAX; i++)
		step(&g);
	engine_free(g.e);
	assert(g.pool.held == 0);
	buf_pool_fini(&g.pool);
	return 0;
}
