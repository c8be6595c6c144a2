/* SPDX-License-Identifier: MIT */
/*
 * Two processes, for tests of what one hands over to the other.
 */
#include "unit/process.h"

struct process old, new;
struct bytes state;
struct policy *policy;
const struct fault_file *old_file;
struct tx out[8];
int nout, nreset;
mono_t now;

static const uint8_t server[4] = {192, 0, 2, 1};
static const uint8_t client[4] = {198, 51, 100, 1};

void start(struct process *p, uint32_t n, uint32_t max_flows)
{
	static const uint8_t secret[32] = "handover";

	*p = (struct process){.n = n};
	if (n > 1)
		ck_assert_int_eq(
			commons_init(&p->commons, n, max_flows, 64, secret), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct engine_cfg cfg = {.policy = policy,
					 .pool = &p->pool[i],
					 .max_flows = max_flows,
					 .max_tw = 8,
					 .seed = i,
					 .worker = i,
					 .wall_offset_us = WALL_US,
					 .commons = n > 1 ? &p->commons : NULL};

		ck_assert_int_eq(buf_pool_init(&p->pool[i], 1 << 24, 4), 0);
		p->e[i] = engine_new(&cfg, now);
		ck_assert_ptr_nonnull(p->e[i]);
	}
}

void stop(struct process *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		engine_free(p->e[i]);
		ck_assert(p->pool[i].held == 0);
		buf_pool_fini(&p->pool[i]);
	}
	if (p->n > 1)
		commons_fini(&p->commons);
	p->n = 0;
}

void setup(void)
{
	struct service *s;

	policy = policy_new(1);
	s = &policy->service[0];
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	tcp_cc_follow(&s->tcp, "cubic");
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_SERVER_FIRST;
	s->syncookies = 0;
	now = (mono_t){1000000};
	nreset = 0;
	old_file = NULL;
	start(&old, 1, 64);
}

void teardown(void)
{
	stop(&old);
	stop(&new);
	free(state.p);
	state = (struct bytes){0};
	policy_put(policy);
}

static enum verdict packet_in(struct process *p, uint32_t i, const void *data,
			      uint32_t len)
{
	struct buf *b = buf_alloc_reserve(&p->pool[i]);
	struct packet in = {
		.buf = b, .data = b->data, .len = len, .full_len = len};
	struct tx reply;
	enum verdict v;

	memcpy(b->data, data, len);
	v = engine_input(p->e[i], &in, now, &reply);
	buf_put(b);
	nout = 0;
	if (v == VERDICT_REPLY)
		out[nout++] = reply;
	nout += engine_pull(p->e[i], out + nout, 8 - nout, now);
	for (int k = 0; k < nout; k++)
		wire_csum_finish(&out[k]);
	return v;
}

enum verdict say(struct process *p, uint32_t i, struct say s)
{
	const struct tcp_opts o = {
		.has = s.flags & TCP_SYN ? OPT_HAS_MSS | OPT_HAS_SACKOK : 0,
		.mss = 1460};
	const struct hdr_spec h = {.t = &s.t,
				   .opts = &o,
				   .flags = s.flags,
				   .seq = SEQ(s.seq),
				   .ack = SEQ(s.ack),
				   .wnd = 60000,
				   .ttl = 64};
	uint8_t data[2000] = {0};
	struct tx tx = {0};

	tx.payload = s.len;
	tx.iov[0] = (struct iovec){data + 200, s.len};
	tx.niov = s.len ? 1 : 0;
	wire_build(&tx, &h, s.len);
	wire_csum_finish(&tx);
	memcpy(data, tx.hdr, tx.hdr_len);
	memmove(data + tx.hdr_len, data + 200, s.len);
	return packet_in(p, i, data, tx.hdr_len + s.len);
}

struct tuple to_server(uint16_t port)
{
	return (struct tuple){ipaddr_v4(client), ipaddr_v4(server), port, 80};
}

struct tuple to_client(uint16_t port)
{
	return (struct tuple){ipaddr_v4(server), ipaddr_v4(client), 80, port};
}

uint32_t their_seq(int i)
{
	return get_be32(out[i].hdr + out[i].l4_off + 4);
}

void connect_by(uint16_t port)
{
	uint32_t at_server, at_client;

	say(&old, 0, (struct say){to_server(port), TCP_SYN, 1000, 0, 0});
	ck_assert_int_eq(nout, 1);
	at_server = their_seq(0) + 1;
	say(&old, 0,
	    (struct say){to_client(port), TCP_SYN | TCP_ACK, 5000, at_server,
			 0});
	ck_assert_int_ge(nout, 1);
	at_client = their_seq(0) + 1;
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 0});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 1001, at_client, 700});
	say(&old, 0,
	    (struct say){to_client(port), TCP_ACK, 5001, at_server, 900});
	say(&old, 0,
	    (struct say){to_server(port), TCP_ACK, 2701, at_client, 300});
}

static int put(void *arg, const void *p, size_t n)
{
	struct bytes *b = arg;

	b->p = realloc(b->p, b->len + n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static struct handover_side side_of(struct process *p)
{
	return (struct handover_side){.engine = p->e,
				      .n = p->n,
				      .wall_us = WALL_US,
				      .file = p == &old ? old_file : NULL};
}

void save(struct process *p, struct bytes *b)
{
	const struct handover_side s = side_of(p);
	uint32_t flows;

	ck_assert_int_eq(handover_save(&s, put, b, now, &flows), 0);
}

static void count_reset(void *arg, struct tx *tx)
{
	(void)arg;
	nreset += !!(tx->hdr[tx->l4_off + 13] & TCP_RST);
}

int load(struct process *p, const struct bytes *b, struct handover_counts *c)
{
	const struct handover_side s = side_of(p);
	struct handover_state h;
	int err = handover_open(&h, b->p, b->len, WALL_US, now);

	if (!err) {
		handover_load(&h, &s, c);
		handover_reset(&h, &s, count_reset, NULL);
	}
	handover_close(&h);
	return err;
}

static void survives(const struct bytes *b)
{
	struct handover_counts c;

	start(&new, 1, 8);
	if (!load(&new, b, &c)) {
		for (int i = 0; i < 20; i++) {
			now = mono_add(now, USEC_PER_SEC / 3);
			engine_expire(new.e[0], now);
			while (engine_pull(new.e[0], out, 8, now) == 8)
				;
		}
		now = mono_add(now, -20 * (USEC_PER_SEC / 3));
	}
	stop(&new);
}

void damage(size_t most)
{
	struct prng r;

	prng_seed(&r, 1);
	for (size_t i = 0; i < state.len;
	     i += most < state.len ? state.len / most : 1) {
		uint8_t was = state.p[i];

		state.p[i] = (uint8_t)(was ^ (1u << prng_below(&r, 8)));
		survives(&state);
		state.p[i] = (uint8_t)prng_u64(&r);
		survives(&state);
		state.p[i] = was;
	}
}
