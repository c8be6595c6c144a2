/* SPDX-License-Identifier: MIT */
/* The engine's bench; see gate.h. */
#include "check/engine_check.h"
#include "gate.h"

#include <stdlib.h>

#define ISN_CLIENT 0xfffffff0u
#define ISN_SERVER 0xffffff00u

static void check(struct gate *g)
{
	char err[200] = "";

	if (!g->unchecked && engine_check(g->e, err, sizeof(err)))
		ck_abort_msg("engine_check: %s", err);
}

void gate_init(struct gate *g, uint64_t pool_bytes)
{
	memset(g, 0, sizeof(*g));
	g->now = (mono_t){1000 * USEC_PER_SEC};
	ck_assert_int_eq(buf_pool_init(&g->pool, pool_bytes, 8), 0);
	g->cfg = (struct engine_cfg){.policy = policy_new(1),
				     .pool = &g->pool,
				     .max_flows = 1000,
				     .max_tw = 1000,
				     .seed = 1,
				     .secret = "hostile"};
	g->svc = &g->cfg.policy->service[0];
	opt_defaults(service_options, g->svc);
	opt_defaults(tcp_options, &g->svc->tcp);
	opt_defaults(shield_options, &g->svc->shield);
	strcpy(g->svc->name, "gate");
	g->svc->handshake = HANDSHAKE_CLIENT_FIRST;
	g->svc->listen.n = 1;
	g->svc->listen.ep[0] = (struct endpoint){
		.addr = ipaddr_v4((const uint8_t[]){198, 51, 100, 80}),
		.prefix = 128,
		.port = 443};
	g->svc->connect.prefix = 128;
}

void gate_start(struct gate *g)
{
	g->e = engine_new(&g->cfg, g->now);
	ck_assert_ptr_nonnull(g->e);
}

void gate_fini(struct gate *g)
{
	engine_free(g->e);
	policy_put(g->cfg.policy);
	ck_assert_uint_eq(g->pool.held, 0);
	buf_pool_fini(&g->pool);
}

struct tuple gate_client(uint32_t n)
{
	uint8_t c[4] = {192, 0, (uint8_t)(2 + n / 50000 % 90), 7};
	struct tuple t = {.lport = 443, .rport = (uint16_t)(10000 + n % 50000)};

	t.local = ipaddr_v4((const uint8_t[]){198, 51, 100, 80});
	t.remote = ipaddr_v4(c);
	return t;
}

static void record(struct gate *g, struct tx *tx)
{
	static uint8_t flat[66 * 1024];
	struct packet p = {.data = flat, .csum = PACKET_CSUM_VERIFY};
	uint32_t len = tx->hdr_len;
	struct icmp_error icmp;
	enum drop_reason why;
	struct segment s;

	wire_csum_finish(tx);
	memcpy(flat, tx->hdr, len);
	for (uint32_t i = 0; i < tx->niov; i++) {
		memcpy(flat + len, tx->iov[i].iov_base, tx->iov[i].iov_len);
		len += (uint32_t)tx->iov[i].iov_len;
	}
	p.len = p.full_len = len;
	if (wire_parse(&p, &s, &icmp, &why) != PARSE_SEGMENT)
		ck_abort_msg("sent what does not parse: %s",
			     drop_reason_name[why]);
	s.data.p = NULL;
	if (g->ntx < GATE_TX_MAX)
		g->tx[g->ntx] = s;
	g->ntx++;
}

static void pull(struct gate *g)
{
	static struct tx tx[16];
	int n;

	do {
		n = engine_pull(g->e, tx, 16, g->now);
		for (int i = 0; i < n; i++)
			record(g, &tx[i]);
	} while (n == 16);
	check(g);
}

enum verdict gate_raw(struct gate *g, const void *data, uint32_t len,
		      uint32_t full_len)
{
	/* a block of exactly its size, where a sanitizer sees an overrun */
	uint8_t *copy = malloc(len ? len : 1);
	struct packet p = {.data = copy, .len = len, .full_len = full_len};
	enum verdict v;
	struct tx reply;

	memcpy(copy, data, len);
	v = engine_input(g->e, &p, g->now, &reply);
	if (v == VERDICT_REPLY) {
		g->replies++;
		record(g, &reply);
	}
	free(copy);
	pull(g);
	return v;
}

enum verdict gate_send(struct gate *g, const struct tuple *t,
		       const struct hdr_spec *h, uint32_t len)
{
	static uint8_t flat[66 * 1024];
	struct tuple from = {t->remote, t->local, t->rport, t->lport};
	struct hdr_spec spec = *h;
	struct tx tx;

	spec.t = &from;
	spec.ttl = 64;
	memset(flat, 0x5a, TX_HDR_MAX + len);
	tx.niov = 1;
	tx.payload = len;
	wire_build(&tx, &spec, len);
	tx.iov[0] = (struct iovec){flat + tx.hdr_len, len};
	wire_csum_finish(&tx);
	memcpy(flat, tx.hdr, tx.hdr_len);
	return gate_raw(g, flat, tx.hdr_len + len, tx.hdr_len + len);
}

/* The server's segments: local = the client, remote = the server. */
static struct tuple server_side(const struct tuple *t)
{
	return (struct tuple){t->remote, t->local, t->rport, t->lport};
}

/* The last packet to @port with exactly these of SYN and ACK. */
static const struct segment *sent(const struct gate *g, uint16_t port,
				  uint32_t flags)
{
	for (uint64_t i = g->ntx; i-- > 0;) {
		const struct segment *s = &g->tx[i];

		if (s->t.lport == port &&
		    (s->flags & (TCP_SYN | TCP_ACK)) == flags)
			return s;
	}
	ck_abort_msg("nothing was sent to port %u", port);
	return NULL;
}

void gate_connect(struct gate *g, struct conn *c, uint32_t n)
{
	struct hdr_spec h = {
		.seq = SEQ(ISN_CLIENT), .flags = TCP_SYN, .wnd = 60000};
	struct tcp_opts ts = {.has = OPT_HAS_TS, .tsval = 1};
	struct tuple st;

	g->ntx = 0;
	c->t = gate_client(n);
	gate_send(g, &c->t, &h, 0);
	c->cseq = SEQ(ISN_CLIENT + 1);
	c->cack = seq_add(sent(g, c->t.rport, TCP_SYN | TCP_ACK)->seq, 1);
	h = (struct hdr_spec){
		.seq = c->cseq, .ack = c->cack, .flags = TCP_ACK, .wnd = 60000};
	gate_send(g, &c->t, &h, 0);
	c->sack = seq_add(sent(g, 443, TCP_SYN)->seq, 1);
	st = server_side(&c->t);
	h = (struct hdr_spec){.seq = SEQ(ISN_SERVER),
			      .ack = c->sack,
			      .flags = TCP_SYN | TCP_ACK,
			      .wnd = 60000};
	ts.tsecr = sent(g, 443, TCP_SYN)->opts.tsval;
	if (g->ts)
		h.opts = &ts;
	gate_send(g, &st, &h, 0);
	c->sseq = SEQ(ISN_SERVER + 1);
	ck_assert_uint_eq(sent(g, 443, TCP_ACK)->ack.v, c->sseq.v);
	g->ntx = 0;
}

void gate_from_client(struct gate *g, struct conn *c, uint32_t len)
{
	struct hdr_spec h = {
		.seq = c->cseq, .ack = c->cack, .flags = TCP_ACK, .wnd = 60000};

	gate_send(g, &c->t, &h, len);
	c->cseq = seq_add(c->cseq, len);
}

void gate_from_server(struct gate *g, struct conn *c, uint32_t len,
		      uint16_t flags)
{
	struct tuple st = server_side(&c->t);
	struct hdr_spec h = {.seq = c->sseq,
			     .ack = c->sack,
			     .flags = (uint16_t)(TCP_ACK | flags),
			     .wnd = 60000};

	gate_send(g, &st, &h, len);
	c->sseq = seq_add(c->sseq, len);
}

void gate_run(struct gate *g, int64_t us)
{
	mono_t end = mono_add(g->now, us);

	for (;;) {
		mono_t d = engine_deadline(g->e);

		if (mono_before(end, d))
			break;
		if (mono_before(g->now, d))
			g->now = d;
		engine_expire(g->e, g->now);
		pull(g);
	}
	g->now = end;
}

uint64_t gate_counter(const struct gate *g, const char *name)
{
	struct engine_counter c;
	uint64_t sum = 0;

	for (uint32_t i = 0; engine_counter(g->e, i, &c); i++)
		sum += strcmp(c.name, name) ? 0 : c.value;
	return sum;
}

struct engine_gauges gate_gauges(const struct gate *g)
{
	struct engine_gauges q;

	engine_gauges(g->e, &q);
	return q;
}
