/* SPDX-License-Identifier: MIT */
/*
 * Who has not proven its address gets no connection at the server.
 *
 * A server is in SYN_RECEIVED from its SYN-ACK on, and ESTABLISHED from the ACK
 * of it.  So nothing but a SYN may leave for the server before the client has
 * answered our own SYN-ACK, whatever the handshake's mode.
 */
#include <stdlib.h>

#include "gate.h"

#define POOL (16u << 20)
#define SEC (int64_t) USEC_PER_SEC
#define ISN_CLIENT 5000u
#define ISN_SERVER 70000u

static struct gate g;

static void setup(void)
{
	gate_init(&g, POOL);
}

static void teardown(void)
{
	gate_fini(&g);
}

static struct tuple server_side(const struct tuple *t)
{
	return (struct tuple){t->remote, t->local, t->rport, t->lport};
}

static bool to_server(const struct segment *s)
{
	return s->t.lport == 443;
}

/* Packets to the server with all of @flags; @any: and perhaps others. */
static uint64_t count_to_server(uint16_t flags, bool any)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < g.ntx; i++)
		n += to_server(&g.tx[i]) &&
		     (any ? (g.tx[i].flags & flags) == flags
			  : g.tx[i].flags == flags);
	return n;
}

/* What could end the server's handshake: an ACK that is no RST. */
static uint64_t acks_to_server(void)
{
	return count_to_server(TCP_ACK, true) -
	       count_to_server(TCP_ACK | TCP_RST, true);
}

static const struct segment *last_to(bool server, uint16_t flags)
{
	for (uint64_t i = g.ntx; i-- > 0;) {
		if (to_server(&g.tx[i]) == server &&
		    (g.tx[i].flags & flags) == flags)
			return &g.tx[i];
	}
	ck_abort_msg("no packet with flags %u to the %s", flags,
		     server ? "server" : "client");
	return NULL;
}

static void client_sends(struct conn *c, uint16_t flags, uint32_t len)
{
	struct hdr_spec h = {
		.seq = c->cseq, .ack = c->cack, .flags = flags, .wnd = 60000};

	gate_send(&g, &c->t, &h, len);
	c->cseq = seq_add(c->cseq, len + !!(flags & TCP_SYN));
}

static void server_sends(struct conn *c, uint16_t flags, uint32_t len)
{
	struct tuple st = server_side(&c->t);
	struct hdr_spec h = {
		.seq = c->sseq, .ack = c->sack, .flags = flags, .wnd = 60000};

	gate_send(&g, &st, &h, len);
}

/* Client @n's SYN has come, and the server's SYN-ACK; not the client's ACK. */
static void half_open(struct conn *c, uint32_t n, uint8_t mode)
{
	if (!g.e) {
		g.svc->handshake = mode;
		gate_start(&g);
	}
	*c = (struct conn){.t = gate_client(n),
			   .cseq = SEQ(ISN_CLIENT),
			   .sseq = SEQ(ISN_SERVER)};
	client_sends(c, TCP_SYN, 0);
	c->sack = seq_add(last_to(true, TCP_SYN)->seq, 1);
	server_sends(c, TCP_SYN | TCP_ACK, 0);
	c->cack = seq_add(last_to(false, TCP_SYN | TCP_ACK)->seq, 1);
}

static const uint8_t asks_first[] = {HANDSHAKE_AUTO, HANDSHAKE_SERVER_FIRST,
				     HANDSHAKE_PARALLEL};

/* The server's SYN-ACK comes again and again; a spoofed client says nothing. */
START_TEST(unproven_client_silent_server_never_gets_an_ack)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	for (int i = 0; i < 6; i++) {
		server_sends(&c, TCP_SYN | TCP_ACK, 0);
		gate_run(&g, (1 << i) * SEC);
	}
	ck_assert_uint_eq(acks_to_server(), 0);
	gate_run(&g, 10 * SEC); /* tcp_synack_retries are over */
	ck_assert_uint_eq(acks_to_server(), 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

/* Nothing is left at the server: it gets a RST that it takes. */
START_TEST(unproven_client_given_up_server_is_reset)
{
	const struct segment *rst;
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	gate_run(&g, 70 * SEC);
	rst = last_to(true, TCP_RST);
	ck_assert_uint_eq(rst->seq.v, c.sack.v);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).timers, 0);
}
END_TEST

/* As a kernel answers what it never asked for. */
START_TEST(unproven_client_resets_server_is_reset)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	client_sends(&c, TCP_RST, 0);
	ck_assert_uint_eq(last_to(true, TCP_RST)->seq.v, c.sack.v);
	ck_assert_uint_eq(acks_to_server(), 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

START_TEST(unproven_client_wrong_ack_server_gets_nothing)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	c.cack = seq_add(c.cack, 1);
	client_sends(&c, TCP_ACK, 0);
	client_sends(&c, TCP_ACK, 100);
	ck_assert_uint_eq(acks_to_server(), 0);
}
END_TEST

START_TEST(proven_client_server_gets_its_ack_at_once)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	g.ntx = 0;
	client_sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(count_to_server(TCP_ACK, false), 1);
	ck_assert_uint_eq(g.tx[0].ack.v, ISN_SERVER + 1);
	/* from now on a repeated SYN-ACK is answered */
	gate_run(&g, SEC);
	server_sends(&c, TCP_SYN | TCP_ACK, 0);
	ck_assert_uint_eq(count_to_server(TCP_ACK, false), 2);
}
END_TEST

START_TEST(proven_client_with_data_server_gets_both_in_one)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	g.ntx = 0;
	client_sends(&c, TCP_ACK | TCP_PSH, 100);
	ck_assert_uint_eq(last_to(true, TCP_ACK)->data.len, 100);
	ck_assert_uint_eq(acks_to_server(), 1);
}
END_TEST

/* It does not keep its promise to be silent before the handshake is complete. */
START_TEST(unproven_client_server_that_speaks_gets_nothing)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	c.sseq = SEQ(ISN_SERVER + 1);
	server_sends(&c, TCP_ACK | TCP_PSH, 3000);
	c.sseq = SEQ(ISN_SERVER + 5001); /* out of order */
	server_sends(&c, TCP_ACK | TCP_PSH, 1000);
	gate_run(&g, 5 * SEC);
	ck_assert_uint_eq(acks_to_server(), 0);
	g.ntx = 0;
	client_sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(last_to(true, TCP_ACK)->ack.v, ISN_SERVER + 3001);
	ck_assert_uint_eq(last_to(false, TCP_ACK)->t.rport, 443);
}
END_TEST

START_TEST(unproven_client_server_resets_client_is_reset)
{
	struct conn c;

	half_open(&c, 1, asks_first[_i]);
	c.sseq = SEQ(ISN_SERVER + 1);
	server_sends(&c, TCP_RST | TCP_ACK, 0);
	ck_assert_uint_eq(last_to(false, TCP_RST)->seq.v, c.cack.v);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

/* A server that dials itself, at the same time: nothing but our SYN. */
START_TEST(unproven_client_simultaneous_open_server_gets_nothing)
{
	struct conn c = {.t = gate_client(1),
			 .cseq = SEQ(ISN_CLIENT),
			 .sseq = SEQ(ISN_SERVER)};

	g.svc->handshake = asks_first[_i];
	gate_start(&g);
	client_sends(&c, TCP_SYN, 0);
	c.sack = seq_add(last_to(true, TCP_SYN)->seq, 1);
	server_sends(&c, TCP_SYN, 0);
	gate_run(&g, 2 * SEC);
	ck_assert_uint_eq(acks_to_server(), 0);
	server_sends(&c, TCP_SYN | TCP_ACK, 0);
	c.cack = seq_add(last_to(false, TCP_SYN | TCP_ACK)->seq, 1);
	ck_assert_uint_eq(acks_to_server(), 0);
	client_sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(acks_to_server(), 1);
}
END_TEST

/* A keepalive is an ACK, too. */
START_TEST(unproven_client_short_keepalive_server_gets_nothing)
{
	struct conn c;

	g.svc->tcp.keepalive_time = SEC;
	g.svc->tcp.keepalive_intvl = SEC;
	half_open(&c, 1, asks_first[_i]);
	gate_run(&g, 30 * SEC);
	ck_assert_uint_eq(acks_to_server(), 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

/* tcp_fastopen = 0x200 takes data from a SYN without a cookie: the data waits
 * here. */
START_TEST(unproven_client_data_in_syn_waits_for_the_proof)
{
	struct conn c = {.t = gate_client(1),
			 .cseq = SEQ(ISN_CLIENT),
			 .sseq = SEQ(ISN_SERVER)};

	g.svc->handshake = HANDSHAKE_AUTO;
	g.svc->shield.fastopen = TFO_CLIENT | TFO_SERVER |
				 TFO_CLIENT_NO_COOKIE | TFO_SERVER_NO_COOKIE;
	gate_start(&g);
	client_sends(&c, TCP_SYN, 100);
	ck_assert_uint_eq(last_to(true, TCP_SYN)->data.len, 0);
	c.sack = seq_add(last_to(true, TCP_SYN)->seq, 1);
	server_sends(&c, TCP_SYN | TCP_ACK, 0);
	c.cack = seq_add(last_to(false, TCP_SYN | TCP_ACK)->seq, 1);
	gate_run(&g, 2 * SEC);
	ck_assert_uint_eq(acks_to_server(), 0);
	client_sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(last_to(true, TCP_ACK)->data.len, 100);
}
END_TEST

static uint32_t flood(uint32_t from, uint32_t n)
{
	struct hdr_spec h = {
		.seq = SEQ(ISN_CLIENT), .flags = TCP_SYN, .wnd = 60000};
	uint32_t answered = 0;

	for (uint32_t i = from; i < from + n; i++) {
		struct tuple t = gate_client(i);

		answered += gate_send(&g, &t, &h, 0) == VERDICT_REPLY;
	}
	return answered;
}

/* A queue that is full turns to cookies; a client gets in by one. */
START_TEST(full_queue_turns_to_cookies)
{
	struct conn c = {.t = gate_client(900), .cseq = SEQ(ISN_CLIENT)};

	g.svc->handshake = asks_first[_i];
	g.svc->max_syn_backlog = 100;
	gate_start(&g);
	ck_assert_uint_ge(flood(0, 400), 300);
	ck_assert_uint_le(gate_gauges(&g).flows, 100);
	ck_assert_uint_ge(gate_counter(&g, "TcpExtSyncookiesSent"), 300);
	g.ntx = 0;
	client_sends(&c, TCP_SYN, 0);
	c.cack = seq_add(last_to(false, TCP_SYN | TCP_ACK)->seq, 1);
	g.ntx = 0;
	client_sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(count_to_server(TCP_SYN, false), 1);
}
END_TEST

/* Half-open connections that are flows leave room for those that work. */
START_TEST(flood_takes_half_of_the_flows_at_most)
{
	g.svc->handshake = asks_first[_i];
	g.cfg.max_flows = 64;
	gate_start(&g);
	flood(0, 400);
	ck_assert_uint_le(gate_gauges(&g).flows, 32);
	ck_assert_uint_ge(gate_counter(&g, "TcpExtSyncookiesSent"), 368);
}
END_TEST

#define ALL(name) tcase_add_loop_test(tc, name, 0, ARRAY_LEN(asks_first))

int main(void)
{
	Suite *s = suite_create("proof");
	TCase *tc = tcase_create("proof");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	ALL(unproven_client_silent_server_never_gets_an_ack);
	ALL(unproven_client_given_up_server_is_reset);
	ALL(unproven_client_resets_server_is_reset);
	ALL(unproven_client_wrong_ack_server_gets_nothing);
	ALL(proven_client_server_gets_its_ack_at_once);
	ALL(proven_client_with_data_server_gets_both_in_one);
	ALL(unproven_client_server_that_speaks_gets_nothing);
	ALL(unproven_client_server_resets_client_is_reset);
	ALL(unproven_client_simultaneous_open_server_gets_nothing);
	ALL(unproven_client_short_keepalive_server_gets_nothing);
	tcase_add_test(tc, unproven_client_data_in_syn_waits_for_the_proof);
	ALL(full_queue_turns_to_cookies);
	ALL(flood_takes_half_of_the_flows_at_most);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
