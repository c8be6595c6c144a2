/* SPDX-License-Identifier: MIT */
/*
 * relay = splice above the engine: what is held, when a connection is handed
 * over, with which numbers, and what the engine does about it afterwards.
 *
 * LINKS: all
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "fault/told.h"
#include "splice/splice.h"
#include "wire/build.h"
#include "wire/segment.h"

#define C_ISN client_isn
#define S_ISN 900000u
#define C_TS 5000u
#define S_TS 77000u

static const uint8_t server_ip[4] = {192, 0, 2, 1};
static const uint8_t client_ip[4] = {198, 51, 100, 1};

/* Who translates: what was installed is remembered. */
static struct {
	struct splice_pair pair;
	struct splice_found found;
	int installs, removes, err;
	uint32_t all, of_client;
	bool there;
} kernel;

static int k_install(void *ctx, const struct splice_pair *p)
{
	(void)ctx;
	if (kernel.err)
		return kernel.err;
	kernel.pair = *p;
	kernel.found = (struct splice_found){.dir = p->up, .back = p->down};
	kernel.installs++;
	kernel.there = true;
	return 0;
}

static bool k_find(void *ctx, const struct tuple *t, struct splice_found *out)
{
	(void)ctx;
	if (!kernel.there)
		return false;
	*out = kernel.found;
	if (!tuple_eq(t, &kernel.pair.client)) {
		out->dir = kernel.found.back;
		out->back = kernel.found.dir;
	}
	return true;
}

static void k_remove(void *ctx, const struct tuple *t)
{
	(void)ctx;
	(void)t;
	kernel.removes++;
	kernel.there = false;
}

/* The first client is one of so many. */
static uint32_t k_count(void *ctx, const char *service,
			const struct ipaddr *client, uint32_t *all)
{
	const struct ipaddr a = ipaddr_v4(client_ip);

	(void)ctx;
	ck_assert_str_eq(service, "web");
	*all = kernel.all;
	return ipaddr_eq(client, &a) ? kernel.of_client : 0;
}

static const struct splice_ops ops = {.install = k_install,
				      .find = k_find,
				      .remove = k_remove,
				      .count = k_count};

static struct engine *e;
static struct splicer *sp;
static struct buf_pool pool;
static mono_t now;
static struct tx out[64], reply;
static uint32_t cookie; /* our number towards the client */
static uint32_t client_isn;
static uint16_t client_port = 1001;
static uint32_t s_iss; /* and towards the server */

static bool no_translator; /* of the next engine */

/* @cookies: tcp_syncookies */
static void begin(uint32_t per_source, uint32_t cookies)
{
	struct policy *p = policy_new(1);
	struct service *s = &p->service[0];
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};

	memset(&kernel, 0, sizeof(kernel));
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server_ip), 128, 80};
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->syncookies = cookies;
	s->max_per_source = per_source;
	s->relay = RELAY_SPLICE;
	now = (mono_t){1000000};
	client_isn = 1000;
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 24, 4), 0);
	e = engine_new(&cfg, now);
	ck_assert_ptr_nonnull(e);
	if (!no_translator)
		ck_assert_int_eq(splice_open(e, &ops, NULL, &sp), 0);
	policy_put(p);
}

static void setup(void)
{
	begin(0, 2);
}

static void teardown(void)
{
	engine_free(e);
	ck_assert_uint_eq(pool.held, 0);
	buf_pool_fini(&pool);
}

struct seg {
	bool down; /* from the server */
	uint16_t flags;
	uint32_t seq, ack, len, tsval, tsecr;
	uint16_t wnd, mss;
};

static enum verdict give(struct seg g)
{
	struct tuple t = {.local = ipaddr_v4(client_ip),
			  .remote = ipaddr_v4(server_ip),
			  .lport = client_port,
			  .rport = 80};
	struct tuple back = {.local = t.remote,
			     .remote = t.local,
			     .lport = 80,
			     .rport = client_port};
	struct tcp_opts o = {
		.has = OPT_HAS_TS, .tsval = g.tsval, .tsecr = g.tsecr};
	struct hdr_spec h = {.t = g.down ? &back : &t,
			     .opts = &o,
			     .seq = SEQ(g.seq),
			     .ack = SEQ(g.ack),
			     .flags = g.flags,
			     .wnd = g.wnd ? g.wnd : 64240,
			     .ttl = 64};
	struct buf *b = buf_alloc_reserve(&pool);
	struct packet in = {
		.buf = b, .data = b->data, .csum = PACKET_CSUM_GOOD};
	struct tx tx = {0};
	enum verdict v;

	if (g.flags & TCP_SYN) {
		o.has |= OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_WSCALE;
		o.mss = g.mss ? g.mss : 1460;
		o.wscale = g.down ? 9 : 5;
	}
	wire_build(&tx, &h, g.len);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	memset(b->data + tx.hdr_len, 'x', g.len);
	in.len = in.full_len = tx.hdr_len + g.len;
	v = engine_input(e, &in, now, &reply);
	buf_put(b);
	return v;
}

/* All that the engine has to say now; what it does by the clock, too. */
static int pull(void)
{
	int n = engine_pull(e, out, 64, now);

	if (engine_deadline(e).us <= now.us)
		engine_expire(e, now);
	return n;
}

static uint32_t seq_of(const struct tx *tx)
{
	return get_be32(tx->hdr + tx->l4_off + 4);
}

static uint32_t ack_of(const struct tx *tx)
{
	return get_be32(tx->hdr + tx->l4_off + 8);
}

static uint16_t wnd_of(const struct tx *tx)
{
	return get_be16(tx->hdr + tx->l4_off + 14);
}

static uint64_t counter(const char *name)
{
	struct engine_counter c;

	for (uint32_t i = 0; engine_counter(e, i, &c); i++)
		if (!strcmp(c.name, name))
			return c.value;
	ck_abort_msg("no counter %s", name);
	return 0;
}

/* The client is connected: the SYN towards the server is in out[0]. */
static void connect_client(void)
{
	ck_assert_int_eq(give((struct seg){.flags = TCP_SYN,
					   .seq = C_ISN,
					   .tsval = C_TS}),
			 VERDICT_REPLY);
	cookie = seq_of(&reply);
	now.us += 10000;
	give((struct seg){.flags = TCP_ACK,
			  .seq = C_ISN + 1,
			  .ack = cookie + 1,
			  .tsval = C_TS + 10,
			  .tsecr = get_be32(reply.hdr + 20 + 20 + 8),
			  .wnd = 1000});
	ck_assert_int_eq(pull(), 1);
	s_iss = seq_of(&out[0]);
}

static struct seg data(uint32_t off, uint32_t len)
{
	return (struct seg){.flags = TCP_ACK | TCP_PSH,
			    .seq = C_ISN + 1 + off,
			    .ack = cookie + 1,
			    .len = len,
			    .tsval = C_TS + 11};
}

static void answer_server(uint16_t wnd, uint16_t mss)
{
	now.us += 20000;
	give((struct seg){.down = true,
			  .flags = TCP_SYN | TCP_ACK,
			  .seq = S_ISN,
			  .ack = s_iss + 1,
			  .tsval = S_TS,
			  .tsecr = get_be32(out[0].hdr + 20 + 20 + 8),
			  .wnd = wnd,
			  .mss = mss});
}

START_TEST(dial_has_the_clients_options)
{
	const uint8_t *o;

	connect_client();
	o = out[0].hdr + 40;
	ck_assert_uint_le(get_be16(o + 2), 1460);
	/* mss, sackOK, TS, nop, wscale */
	ck_assert_uint_eq(o[17], 3);
	ck_assert_uint_eq(o[19], 5);
	/* and then its window: what nobody here receives is not promised */
	answer_server(65160, 0);
	ck_assert_int_eq(pull(), 1);
	ck_assert_uint_eq(wnd_of(&out[0]), 1000);
}
END_TEST

START_TEST(data_before_the_server_is_held_unacknowledged)
{
	connect_client();
	ck_assert_int_eq(give(data(0, 500)), VERDICT_CONSUMED);
	ck_assert_int_eq(give(data(0, 500)), VERDICT_CONSUMED);
	ck_assert_int_eq(pull(), 0);
	now.us += 300000;
	engine_expire(e, now);
	ck_assert_int_eq(pull(), 0);
}
END_TEST

START_TEST(numbers_map_from_leg_to_leg)
{
	const struct splice_shift *up = &kernel.pair.up,
				  *down = &kernel.pair.down;
	uint32_t ms;

	connect_client();
	answer_server(65160, 0);
	ck_assert_int_eq(kernel.installs, 0); /* our ACK has not left */
	ck_assert_int_eq(pull(), 1);
	ck_assert_uint_eq(ack_of(&out[0]), S_ISN + 1);
	ck_assert_int_eq(kernel.installs, 1);
	ms = (uint32_t)(now.us / 1000);
	ck_assert_uint_eq(C_ISN + 1 + up->seq, s_iss + 1);
	ck_assert_uint_eq(cookie + 1 + up->ack, S_ISN + 1);
	ck_assert_uint_eq(S_ISN + 1 + down->seq, cookie + 1);
	ck_assert_uint_eq(s_iss + 1 + down->ack, C_ISN + 1);
	/* the last accepted timestamp is our present one; echoes go back */
	ck_assert_uint_eq(up->tsval, 0 - down->tsecr);
	ck_assert_uint_eq(down->tsval, 0 - up->tsecr);
	ck_assert_int_ge((int32_t)(C_TS + 10 + up->tsval - ms -
				   get_be32(out[0].hdr + 40 + 4) + ms),
			 0);
	/* shifts: client 5 to what the server was told, 5; server 9 to ours */
	ck_assert_uint_eq(up->shl, 5);
	ck_assert_uint_eq(up->shr, 5);
	ck_assert_uint_eq(down->shl, 9);
	ck_assert(up->ts && up->from_client && !down->from_client);
	ck_assert_uint_eq(up->nxt.v, s_iss + 1);
	ck_assert_uint_eq(counter("Spliced"), 1);
	ck_assert_uint_eq(counter("FlowsClosed"), 1);
}
END_TEST

START_TEST(held_data_leaves_through_the_tun_unchanged)
{
	connect_client();
	give(data(0, 500));
	give(data(500, 9000));
	answer_server(65160, 0);
	pull();
	ck_assert_int_eq(kernel.installs, 1);
	ck_assert_int_eq(engine_pull(e, out, 64, now), 2);
	ck_assert(out[0].tun_only && out[1].tun_only);
	ck_assert_uint_eq(seq_of(&out[0]), C_ISN + 1);
	ck_assert_uint_eq(seq_of(&out[1]), C_ISN + 501);
	ck_assert_uint_eq(out[0].payload, 500);
	ck_assert_uint_eq(out[1].payload, 9000);
	ck_assert_uint_eq(out[0].gso_size, 0);
	ck_assert_uint_eq(out[1].gso_size, 1448);
	/* nothing of the client's own may overtake it */
	ck_assert_uint_eq(kernel.pair.up.held, 2);
	ck_assert_uint_eq(kernel.pair.down.held, 0);
	ck_assert_int_eq(pull(), 0);
}
END_TEST

/* Wherever its numbers are, in either half or around 0. */
START_TEST(data_is_held_at_any_sequence_number)
{
	static const uint32_t isn[] = {0x7ffffff0, 0x80000000, 0xf0000000,
				       0xffffffff - 600};

	client_isn = isn[_i];
	connect_client();
	give(data(0, 500));
	give(data(500, 500));
	give(data(0, 500)); /* again: once is enough */
	answer_server(65160, 0);
	pull();
	ck_assert_int_eq(pull(), 2);
	ck_assert_uint_eq(seq_of(&out[0]), C_ISN + 1);
	ck_assert_uint_eq(seq_of(&out[1]), C_ISN + 501);
}
END_TEST

START_TEST(more_than_32_packets_are_not_held)
{
	connect_client();
	for (uint32_t i = 0; i < 40; i++)
		give(data(i * 100, 100));
	answer_server(65160, 0);
	pull();
	ck_assert_int_eq(pull(), 32);
}
END_TEST

/* What is held is then taken as if it came now. */
static void expect_terminated_with(const char *why, uint32_t bytes)
{
	int n;

	ck_assert_int_eq(kernel.installs, 0);
	ck_assert_uint_eq(counter(why), 1);
	ck_assert_uint_eq(counter("Spliced"), 0);
	now.us += 1000;
	n = pull();
	ck_assert_int_ge(n, 1);
	n--; /* behind an ACK for the client */
	ck_assert_uint_eq(seq_of(&out[n]), s_iss + 1);
	ck_assert_uint_eq(out[n].payload, bytes);
	ck_assert(!out[n].tun_only);
}

static void expect_terminated(const char *why)
{
	expect_terminated_with(why, 500);
}

START_TEST(a_smaller_mss_of_the_server_terminates)
{
	connect_client();
	give(data(0, 500));
	answer_server(65160, 1300);
	pull();
	expect_terminated("SpliceMss");
}
END_TEST

START_TEST(the_next_client_is_told_the_servers_mss)
{
	connect_client();
	answer_server(65160, 1300);
	pull();
	ck_assert_uint_eq(counter("SpliceMss"), 1);
	/* another client, of whom no leg is here */
	client_port = 1002;
	ck_assert_int_eq(give((struct seg){.flags = TCP_SYN, .seq = 7}),
			 VERDICT_REPLY);
	ck_assert_uint_eq(get_be16(reply.hdr + 40 + 2), 1300);
}
END_TEST

START_TEST(a_smaller_window_of_the_server_terminates)
{
	connect_client();
	give(data(0, 500));
	answer_server(20000, 0);
	pull();
	expect_terminated("SpliceWindow");
}
END_TEST

START_TEST(a_full_map_terminates)
{
	kernel.err = -E2BIG;
	connect_client();
	give(data(0, 500));
	answer_server(65160, 0);
	pull();
	expect_terminated("SpliceNoRoom");
}
END_TEST

/* No BPF here: all is as with relay = terminate, and it is counted. */
START_TEST(without_a_translator_terminates)
{
	teardown();
	no_translator = true;
	begin(0, 2);
	no_translator = false;
	connect_client();
	give(data(0, 500));
	answer_server(65160, 0);
	expect_terminated("SpliceNoRoom");
}
END_TEST

static void fault(const char *line)
{
	char err[700] = "";

	ck_assert_msg(!told_change(e, &line, 1, now, err, sizeof(err)), "%s",
		      err);
}

static uint32_t echo; /* the timestamp of our SYN-ACK */

static enum verdict give_first(uint32_t off)
{
	struct seg first = data(off, 500);

	first.tsecr = echo;
	return give(first);
}

/* A cookie, and a fault that delays what comes next. */
static void begin_delayed(void)
{
	fault("add late type=delay time=50 dir=from_peer");
	give((struct seg){.flags = TCP_SYN, .seq = C_ISN, .tsval = C_TS});
	now.us += 60000;
	engine_expire(e, now);
	ck_assert_int_eq(pull(), 1);
	cookie = seq_of(&out[0]);
	echo = get_be32(out[0].hdr + 20 + 20 + 8);
}

/* What a fault gives back is no packet any more: it cannot be held again. */
START_TEST(a_first_segment_that_a_fault_delayed_terminates)
{
	begin_delayed();
	give_first(0);
	ck_assert_int_eq(pull(), 0);
	fault("del late");
	now.us += 60000;
	engine_expire(e, now);
	ck_assert_int_eq(pull(), 2); /* behind an ACK */
	s_iss = seq_of(&out[1]);
	answer_server(65160, 0);
	expect_terminated("SpliceFault");
}
END_TEST

/* It was held back while the connection began without it. */
START_TEST(data_that_a_fault_delayed_terminates)
{
	begin_delayed();
	give_first(500);
	fault("del late");
	give_first(0);
	ck_assert_int_eq(pull(), 1);
	s_iss = seq_of(&out[0]);
	now.us += 60000;
	engine_expire(e, now);
	pull();
	answer_server(65160, 0);
	expect_terminated_with("SpliceFault", 1000);
}
END_TEST

static void spliced(void)
{
	connect_client();
	answer_server(65160, 0);
	pull();
	ck_assert_int_eq(kernel.installs, 1);
}

/* May one more come in?  Who may not is refused. */
static bool knock(void)
{
	client_port++;
	ck_assert_int_eq(give((struct seg){.flags = TCP_SYN, .seq = 7}),
			 VERDICT_REPLY);
	return !(reply.hdr[33] & TCP_RST);
}

START_TEST(what_the_kernel_relays_counts_for_max_per_source)
{
	teardown();
	begin(3, 0);
	kernel.of_client = kernel.all = 2;
	ck_assert(knock());
	kernel.of_client = kernel.all = 3;
	ck_assert(!knock());
	ck_assert_uint_eq(counter("SourceLimited"), 1);
	kernel.of_client = 2; /* one has ended */
	ck_assert(knock());
}
END_TEST

START_TEST(what_the_kernel_relays_counts_for_max_flows)
{
	teardown();
	begin(0, 0);
	kernel.all = 63;
	ck_assert(knock());
	kernel.all = 64;
	ck_assert(!knock());
	kernel.all = 1000;
	ck_assert(!knock());
	ck_assert_uint_eq(counter("TcpExtListenOverflows"), 2);
}
END_TEST

/* At the number that each host expects, wherever the last ACK is. */
START_TEST(reset_leaves_at_both_numbers_for_both_hosts)
{
	int n;

	spliced();
	kernel.found.dir.nxt = SEQ(s_iss + 1000);    /* to the server */
	kernel.found.dir.acked = SEQ(S_ISN + 700);   /* by the client */
	kernel.found.back.nxt = SEQ(cookie + 900);   /* to the client */
	kernel.found.back.acked = SEQ(C_ISN + 1000); /* by the server: all */
	ck_assert(splice_reset(sp, &kernel.pair.client));
	ck_assert_int_eq(kernel.removes, 1);
	n = pull();
	ck_assert_int_eq(n, 3);
	for (int i = 0; i < n; i++)
		ck_assert_uint_eq(out[i].hdr[33], TCP_RST);
	ck_assert_uint_eq(seq_of(&out[0]), s_iss + 1000);
	ck_assert_uint_eq(seq_of(&out[1]), cookie + 700);
	ck_assert_uint_eq(seq_of(&out[2]), cookie + 900);
	ck_assert(!splice_reset(sp, &kernel.pair.client));
	ck_assert_int_eq(pull(), 0);
}
END_TEST

START_TEST(straggler_goes_through_the_tun)
{
	spliced();
	ck_assert_int_eq(give(data(0, 700)), VERDICT_REPLY);
	ck_assert(reply.tun_only);
	ck_assert_uint_eq(reply.payload, 700);
	ck_assert_uint_eq(seq_of(&reply), C_ISN + 1);
	ck_assert_uint_eq(counter("SpliceStragglers"), 1);
}
END_TEST

START_TEST(syn_of_a_living_connection_draws_a_challenge_ack)
{
	spliced();
	kernel.found.back.nxt = SEQ(cookie + 5000);
	kernel.found.back.acked = SEQ(C_ISN + 300);
	kernel.found.back.wnd = 77;
	ck_assert_int_eq(give((struct seg){.flags = TCP_SYN, .seq = 42}),
			 VERDICT_REPLY);
	ck_assert_uint_eq(reply.hdr[33], TCP_ACK);
	ck_assert_uint_eq(seq_of(&reply), cookie + 5000);
	ck_assert_uint_eq(ack_of(&reply), C_ISN + 300);
	ck_assert_uint_eq(wnd_of(&reply), 77);
	ck_assert_int_eq(kernel.removes, 0);
}
END_TEST

START_TEST(syn_ack_again_draws_the_ack_again)
{
	spliced();
	ck_assert_int_eq(give((struct seg){.down = true,
					   .flags = TCP_SYN | TCP_ACK,
					   .seq = S_ISN,
					   .ack = s_iss + 1,
					   .tsval = S_TS + 1000}),
			 VERDICT_REPLY);
	ck_assert_uint_eq(seq_of(&reply), s_iss + 1);
	ck_assert_uint_eq(ack_of(&reply), S_ISN + 1);
	ck_assert_uint_eq(get_be32(reply.hdr + 40 + 8), S_TS + 1000);
}
END_TEST

/* The client is gone: a server that waits for an ACK is told so. */
START_TEST(syn_ack_after_the_end_draws_a_rst)
{
	spliced();
	kernel.found.ended = true;
	ck_assert_int_eq(give((struct seg){.down = true,
					   .flags = TCP_SYN | TCP_ACK,
					   .seq = S_ISN,
					   .ack = s_iss + 1,
					   .tsval = S_TS + 1000}),
			 VERDICT_REPLY);
	ck_assert_uint_eq(reply.hdr[33], TCP_RST);
	ck_assert_uint_eq(seq_of(&reply), s_iss + 1);
	ck_assert_int_eq(kernel.removes, 0);
}
END_TEST

/* Even a GiB later: what the server holds in TIME_WAIT is below. */
START_TEST(dial_after_an_ended_connection_begins_above_it)
{
	uint32_t end, ts;

	spliced();
	end = s_iss + (1u << 30);
	ts = kernel.found.dir.newest_ts + 100000;
	kernel.found.ended = true;
	kernel.found.dir.nxt = SEQ(end);
	kernel.found.dir.newest_ts = ts;
	now.us += 1000000;
	connect_client();
	ck_assert_int_eq(kernel.removes, 1);
	ck_assert_int_gt((int32_t)(s_iss - end), 65535);
	ck_assert_int_lt((int32_t)(s_iss - end), 1 << 20);
	ck_assert_int_gt((int32_t)(get_be32(out[0].hdr + 40 + 8) - ts), 0);
}
END_TEST

START_TEST(icmp_about_a_translated_segment_is_translated_back)
{
	static const uint8_t router[4] = {203, 0, 113, 7};
	const struct ipaddr from = ipaddr_v4(router);
	struct tuple t = {.local = ipaddr_v4(client_ip),
			  .remote = ipaddr_v4(server_ip),
			  .lport = client_port,
			  .rport = 80};
	struct hdr_spec h = {.t = &t, .seq = SEQ(s_iss + 1), .ttl = 60};
	struct buf *b;
	struct packet in = {.csum = PACKET_CSUM_GOOD};
	struct tx tx = {0};
	uint16_t sum;

	spliced();
	h.seq = SEQ(s_iss + 1 + 1448);
	h.flags = TCP_ACK;
	wire_build(&tx, &h, 0);
	b = buf_alloc_reserve(&pool);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	in.data = b->data;
	in.len = in.full_len = tx.hdr_len;
	ck_assert_int_eq(wire_build_icmp(&tx, &in, &from, 3, 4, 1300), 0);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	in.len = in.full_len = tx.hdr_len;
	ck_assert_int_eq(engine_input(e, &in, now, &reply), VERDICT_REPLY);
	buf_put(b);
	ck_assert(reply.in_place && reply.csum_done);
	ck_assert_uint_eq(get_be32(reply.hdr + 28 + 20 + 4), C_ISN + 1 + 1448);
	ck_assert_uint_eq(get_be16(reply.hdr + 26), 1300);
	sum = csum_fold(csum_add(0, reply.hdr + 20,
				 (size_t)reply.hdr_len - 20 + reply.payload));
	ck_assert_uint_eq(sum, 0xffff);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("splice");
	TCase *t = tcase_create("splice");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, dial_has_the_clients_options);
	tcase_add_test(t, data_before_the_server_is_held_unacknowledged);
	tcase_add_test(t, numbers_map_from_leg_to_leg);
	tcase_add_test(t, held_data_leaves_through_the_tun_unchanged);
	tcase_add_loop_test(t, data_is_held_at_any_sequence_number, 0, 4);
	tcase_add_test(t, more_than_32_packets_are_not_held);
	tcase_add_test(t, a_smaller_mss_of_the_server_terminates);
	tcase_add_test(t, the_next_client_is_told_the_servers_mss);
	tcase_add_test(t, a_smaller_window_of_the_server_terminates);
	tcase_add_test(t, a_full_map_terminates);
	tcase_add_test(t, without_a_translator_terminates);
	tcase_add_test(t, a_first_segment_that_a_fault_delayed_terminates);
	tcase_add_test(t, data_that_a_fault_delayed_terminates);
	tcase_add_test(t, what_the_kernel_relays_counts_for_max_per_source);
	tcase_add_test(t, what_the_kernel_relays_counts_for_max_flows);
	tcase_add_test(t, reset_leaves_at_both_numbers_for_both_hosts);
	tcase_add_test(t, straggler_goes_through_the_tun);
	tcase_add_test(t, syn_of_a_living_connection_draws_a_challenge_ack);
	tcase_add_test(t, syn_ack_again_draws_the_ack_again);
	tcase_add_test(t, syn_ack_after_the_end_draws_a_rst);
	tcase_add_test(t, dial_after_an_ended_connection_begins_above_it);
	tcase_add_test(t, icmp_about_a_translated_segment_is_translated_back);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
