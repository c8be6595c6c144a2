/* SPDX-License-Identifier: MIT */
/*
 * Who may come in, and who is told off: a whole engine at its door.
 */
#include <stdlib.h>

#include "gate.h"

#define POOL (16u << 20)

static struct gate g;

static void setup(void)
{
	gate_init(&g, POOL);
}

static void teardown(void)
{
	gate_fini(&g);
}

/* A SYN gets no answer: its sender tries again, perhaps at who comes next. */
START_TEST(stopping_syn_is_not_answered)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};
	struct tuple t = gate_client(1);

	gate_start(&g);
	engine_stop_accepting(g.e);
	ck_assert_int_eq(gate_send(&g, &t, &h, 0), VERDICT_CONSUMED);
	ck_assert_uint_eq(gate_counter(&g, "drop_stopping"), 1);
	ck_assert_uint_eq(g.ntx, 0);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
}
END_TEST

START_TEST(stopping_connections_go_on)
{
	uint64_t bytes = 0;
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	engine_stop_accepting(g.e);
	gate_from_client(&g, &c, 500);
	for (uint64_t i = 0; i < g.ntx; i++)
		bytes += g.tx[i].data.len;
	ck_assert_uint_eq(bytes, 500);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

/* Client 1 is through its handshake, the server was sent a SYN: its number. */
static seq_t dial(struct tuple *server)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 60000};
	struct tuple t = gate_client(1);

	gate_start(&g);
	gate_send(&g, &t, &h, 0);
	h.seq = SEQ(2);
	h.ack = seq_add(g.tx[0].seq, 1);
	h.flags = TCP_ACK;
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(g.tx[g.ntx - 1].flags & (TCP_SYN | TCP_ACK), TCP_SYN);
	*server = (struct tuple){t.remote, t.local, t.rport, t.lport};
	return g.tx[g.ntx - 1].seq;
}

/* The server holds an old connection and answers the SYN with its ACK: the RST
 * bears that ACK's number and clears the way (RFC 9293, 3.5.2, figure 10), and
 * the SYN follows at once, above the old numbers. */
START_TEST(dialling_ack_of_an_old_connection_is_reset_and_dialled_again)
{
	struct tuple st;
	seq_t first = dial(&st);
	struct hdr_spec h = {.seq = SEQ(777),
			     .ack = seq_sub(first, 5000),
			     .flags = TCP_ACK,
			     .wnd = 60000};
	uint64_t sent = g.ntx;

	ck_assert_int_eq(gate_send(&g, &st, &h, 0), VERDICT_REPLY);
	ck_assert_uint_eq(g.ntx, sent + 2);
	ck_assert_uint_eq(g.tx[sent].flags, TCP_RST);
	ck_assert_uint_eq(g.tx[sent].seq.v, h.ack.v);
	ck_assert_uint_eq(g.tx[sent + 1].flags, TCP_SYN);
	ck_assert(seq_gt(g.tx[sent + 1].seq, h.ack));
	/* once: a forger of ACKs gets no SYN for each */
	ck_assert_int_eq(gate_send(&g, &st, &h, 0), VERDICT_REPLY);
	ck_assert_uint_eq(g.ntx, sent + 3);
	ck_assert_uint_eq(g.tx[sent + 2].flags, TCP_RST);
	h.flags = TCP_ACK | TCP_RST; /* and a RST is never answered */
	ck_assert_int_eq(gate_send(&g, &st, &h, 0), VERDICT_CONSUMED);
	ck_assert_uint_eq(g.ntx, sent + 3);
	/* the second SYN is the one that opens it */
	h.flags = TCP_SYN | TCP_ACK;
	h.seq = SEQ(5000);
	h.ack = seq_add(g.tx[sent + 1].seq, 1);
	ck_assert_int_eq(gate_send(&g, &st, &h, 0), VERDICT_CONSUMED);
	ck_assert_uint_eq(g.tx[g.ntx - 1].flags, TCP_ACK);
	ck_assert_uint_eq(g.tx[g.ntx - 1].ack.v, 5001);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

/* RFC 7413, 4.2.2: a valid cookie lets the server's first bytes go before the
 * client's ACK, also when the SYN itself had none. */
START_TEST(fast_open_without_data_is_answered_before_the_ack)
{
	struct tcp_opts o = {.has = OPT_HAS_TFO};
	struct hdr_spec h = {
		.seq = SEQ(100), .flags = TCP_SYN, .wnd = 60000, .opts = &o};
	struct tuple t = gate_client(1), st;

	g.svc->shield.fastopen = 3;
	gate_start(&g);
	gate_send(&g, &t, &h, 0); /* asks for a cookie */
	ck_assert_uint_eq(g.tx[0].opts.tfo_len, 8);
	o.tfo_len = 8;
	memcpy(o.tfo, g.tx[0].opts.tfo, 8);
	t.rport++;
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(g.ntx, 2); /* the SYN-ACK, and the server's SYN */
	st = (struct tuple){t.remote, t.local, t.rport, t.lport};
	h = (struct hdr_spec){.seq = SEQ(9000), .wnd = 60000};
	for (uint32_t i = 0; i < 2; i++) {
		if (g.tx[i].flags == TCP_SYN)
			h.ack = seq_add(g.tx[i].seq, 1);
	}
	h.flags = TCP_SYN | TCP_ACK;
	gate_send(&g, &st, &h, 0);
	g.ntx = 0;
	h.flags = TCP_ACK;
	h.seq = SEQ(9001);
	gate_send(&g, &st, &h, 100);
	ck_assert_uint_ge(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].t.lport, t.rport); /* to the client */
	ck_assert_uint_eq(g.tx[0].data.len, 100);
}
END_TEST

/* Both ends close, the client first: the server leg is left in TIME_WAIT. */
static void close_client_first(struct conn *c)
{
	struct hdr_spec h = {.seq = c->cseq,
			     .ack = c->cack,
			     .flags = TCP_FIN | TCP_ACK,
			     .wnd = 60000};

	gate_send(&g, &c->t, &h, 0);
	c->sack = seq_add(c->sack, 1);
	gate_from_server(&g, c, 0, TCP_FIN);
	c->cseq = seq_add(c->cseq, 1);
	c->cack = seq_add(c->cack, 1);
	gate_from_client(&g, c, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).time_wait, 1);
}

/* RFC 6191: the server, whose end is in TIME_WAIT perhaps, sees a newer one. */
START_TEST(dialling_again_begins_above_the_old_connection)
{
	struct conn old, new;

	g.ts = true;
	gate_start(&g);
	gate_connect(&g, &old, 1);
	close_client_first(&old);
	gate_run(&g, 2 * USEC_PER_SEC); /* tcp_tw_reuse_delay is over */
	gate_connect(&g, &new, 1);
	ck_assert(seq_gt(new.sack, old.sack));
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

/* Both ends close, the server first: the client leg is left in TIME_WAIT. */
static void close_server_first(struct conn *c)
{
	struct hdr_spec h = {.flags = TCP_FIN | TCP_ACK, .wnd = 60000};

	gate_from_server(&g, c, 0, TCP_FIN);
	c->sseq = seq_add(c->sseq, 1);
	h.seq = c->cseq;
	h.ack = c->cack = seq_add(c->cack, 1);
	gate_send(&g, &c->t, &h, 0);
	c->sack = seq_add(c->sack, 1);
	gate_from_server(&g, c, 0, 0);
	ck_assert_uint_eq(gate_gauges(&g).time_wait, 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}

/* A device that begins at the same number after each boot, on the same port:
 * our ACK draws its RST, which ends TIME_WAIT, and its SYN again is answered.
 * So each time, however fast they follow each other. */
START_TEST(client_with_an_old_number_gets_its_port_again)
{
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	for (int i = 0; i < 20; i++) {
		struct hdr_spec h = {
			.seq = SEQ(0x80000000), .flags = TCP_SYN, .wnd = 60000};

		close_server_first(&c);
		gate_run(&g, 20000);
		g.ntx = 0;
		gate_send(&g, &c.t, &h, 0);
		ck_assert_uint_eq(g.ntx, 1);
		ck_assert_uint_eq(g.tx[0].flags, TCP_ACK);
		h.seq = g.tx[0].ack;
		h.flags = TCP_RST;
		gate_send(&g, &c.t, &h, 0);
		ck_assert_uint_eq(gate_gauges(&g).time_wait, 0);
		gate_connect(&g, &c, 1);
	}
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("entry");
	TCase *tc = tcase_create("entry");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stopping_syn_is_not_answered);
	tcase_add_test(tc, stopping_connections_go_on);
	tcase_add_test(
		tc,
		dialling_ack_of_an_old_connection_is_reset_and_dialled_again);
	tcase_add_test(tc, fast_open_without_data_is_answered_before_the_ack);
	tcase_add_test(tc, dialling_again_begins_above_the_old_connection);
	tcase_add_test(tc, client_with_an_old_number_gets_its_port_again);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
