/* SPDX-License-Identifier: MIT */
/*
 * One host that takes what all need: nodes, bytes, places.
 *
 * Clients below HOST are one host's; n * HOST is another host's each.
 */
#include <stdlib.h>

#include "gate.h"

#define POOL (16u << 20)
#define SEC INT64_C(1000000)
#define HOST 50000u /* gate_client(): the next address */

static struct gate g;
static struct conn bad[140], good[40];

static void setup(void)
{
	gate_init(&g, POOL);
}

static void teardown(void)
{
	gate_fini(&g);
}

/* @n islands of a byte each, two bytes apart. */
static void islands(struct conn *c, uint32_t n)
{
	struct hdr_spec h = {.ack = c->cack, .flags = TCP_ACK, .wnd = 60000};

	for (uint32_t i = 0; i < n; i++) {
		h.seq = seq_add(c->cseq, 10 + 2 * i);
		gate_send(&g, &c->t, &h, 1);
	}
}

START_TEST(islands_of_one_host_leave_nodes_to_others)
{
	uint64_t before;

	gate_start(&g); /* 67,536 nodes */
	g.unchecked = true;
	for (uint32_t i = 0; i < ARRAY_LEN(bad); i++) {
		gate_connect(&g, &bad[i], i);
		islands(&bad[i], 511);
	}
	ck_assert_uint_ge(gate_counter(&g, "ShareNodesRefused"), 30000);
	before = gate_counter(&g, "drop_ooo_limit");
	for (uint32_t i = 1; i <= 3; i++) {
		gate_connect(&g, &good[i], i * HOST);
		islands(&good[i], 511);
	}
	ck_assert_uint_eq(gate_counter(&g, "drop_ooo_limit"), before);
	g.unchecked = false;
	gate_run(&g, SEC);
}
END_TEST

/* @c's client reads what its server sends; the least window that the server was
 * told meanwhile, past the first 64 KiB. */
static uint32_t window_of(struct conn *c)
{
	struct hdr_spec h = {.flags = TCP_ACK, .wnd = 60000};
	uint32_t least = UINT32_MAX;

	for (uint32_t k = 0; k < 100; k++) {
		g.ntx = 0;
		gate_from_server(&g, c, 1460, 0);
		gate_run(&g, SEC / 10);
		c->cack = seq_add(c->cack, 1460);
		h.seq = c->cseq;
		h.ack = c->cack;
		gate_send(&g, &c->t, &h, 0);
		for (uint64_t i = 0; k > 50 && i < g.ntx; i++) {
			if (g.tx[i].t.lport == 443 && g.tx[i].wnd < least)
				least = g.tx[i].wnd;
		}
	}
	return least;
}

/* A client's window is closed; its server sends what it may. */
static void stall(struct conn *c, uint32_t segments)
{
	struct hdr_spec h = {
		.seq = c->cseq, .ack = c->cack, .flags = TCP_ACK, .wnd = 0};

	gate_send(&g, &c->t, &h, 0);
	for (uint32_t k = 0; k < segments; k++) {
		g.ntx = 0;
		gate_from_server(&g, c, 1460, 0);
	}
}

START_TEST(stalled_downloads_of_one_host_leave_windows_to_others)
{
	uint32_t alone;

	gate_start(&g);
	g.unchecked = true;
	gate_connect(&g, &good[0], HOST);
	alone = window_of(&good[0]);
	for (uint32_t i = 0; i < ARRAY_LEN(bad); i++) {
		gate_connect(&g, &bad[i], i);
		stall(&bad[i], 400);
	}
	/* two thirds: twice its share, as windows were promised before */
	ck_assert_uint_le(gate_gauges(&g).mem_held,
			  POOL / 3 * 2 + ARRAY_LEN(bad) * 8192);
	ck_assert_uint_ge(window_of(&good[0]), alone / 2);
	gate_connect(&g, &good[1], 2 * HOST);
	ck_assert_uint_ge(window_of(&good[1]), alone / 2);
	g.unchecked = false;
	gate_run(&g, SEC);
}
END_TEST

/* A SYN of client @n: what it is answered by. */
static uint16_t syn_answer(uint32_t n)
{
	struct hdr_spec h = {.seq = SEQ(77), .flags = TCP_SYN, .wnd = 60000};
	struct tuple t = gate_client(n);

	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	return g.ntx ? g.tx[0].flags : 0;
}

START_TEST(idle_connections_of_one_host_leave_places_to_others)
{
	g.cfg.max_flows = 90;
	gate_start(&g);
	for (uint32_t i = 0; i < 80; i++)
		gate_connect(&g, &bad[i], i);
	ck_assert_uint_eq(syn_answer(80), TCP_RST | TCP_ACK);
	for (uint32_t i = 1; i <= 10; i++)
		gate_connect(&g, &good[i], i * HOST);
	ck_assert_uint_eq(gate_gauges(&g).flows, 90);
	ck_assert_uint_eq(syn_answer(11 * HOST), TCP_RST | TCP_ACK);
}
END_TEST

/* The table is full of idle ones that hold no byte: the newcomer gets the
 * place of one whose source has most, though others have been idle longer. */
START_TEST(evict_slowest_ends_an_idle_one_of_the_heaviest_source)
{
	struct tuple t = gate_client(33 * HOST);
	struct hdr_spec h = {.seq = SEQ(77), .flags = TCP_SYN, .wnd = 60000};
	uint32_t resets = 0;

	g.cfg.max_flows = 40;
	g.svc->on_limit = LIMIT_EVICT_SLOWEST;
	gate_start(&g);
	for (uint32_t i = 1; i <= 32; i++)
		gate_connect(&g, &good[i], i * HOST);
	gate_run(&g, SEC);
	for (uint32_t i = 0; i < 8; i++)
		gate_connect(&g, &bad[i], i);
	gate_run(&g, 10 * SEC);
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(gate_counter(&g, "EvictedSlow"), 0); /* not proven */
	h = (struct hdr_spec){.seq = SEQ(78),
			      .ack = seq_add(g.tx[0].seq, 1),
			      .flags = TCP_ACK,
			      .wnd = 60000};
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	for (uint32_t i = 0; i < g.ntx; i++) {
		if (!(g.tx[i].flags & TCP_RST) || g.tx[i].t.lport == 443)
			continue;
		ck_assert(ipaddr_eq(&g.tx[i].t.local, &bad[0].t.remote));
		resets++;
	}
	ck_assert_uint_eq(resets, 1);
	gate_send(&g, &t, &h, 10);
	ck_assert_uint_eq(gate_counter(&g, "EvictedSlow"), 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 40);
}
END_TEST

/* Who has most gains nothing from those who have less. */
START_TEST(evict_slowest_takes_no_place_for_the_heaviest_source)
{
	struct tuple t = gate_client(39);
	struct hdr_spec h = {.seq = SEQ(77), .flags = TCP_SYN, .wnd = 60000};

	g.cfg.max_flows = 40;
	g.svc->on_limit = LIMIT_EVICT_SLOWEST;
	gate_start(&g);
	for (uint32_t i = 1; i <= 32; i++)
		gate_connect(&g, &good[i], i * HOST);
	gate_run(&g, 1000 * SEC);
	for (uint32_t i = 0; i < 8; i++)
		gate_connect(&g, &bad[i], i);
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	h = (struct hdr_spec){.seq = SEQ(78),
			      .ack = seq_add(g.tx[0].seq, 1),
			      .flags = TCP_ACK,
			      .wnd = 60000};
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	for (uint32_t i = 0; i < g.ntx; i++) {
		if (g.tx[i].flags & TCP_RST && g.tx[i].t.lport != 443)
			ck_assert(ipaddr_eq(&g.tx[i].t.local, &t.remote));
	}
}
END_TEST

START_TEST(max_per_source_refuses_one_more_of_the_same_host)
{
	struct tuple st;
	struct hdr_spec rst = {.flags = TCP_RST};

	g.svc->max_per_source = 3;
	gate_start(&g);
	for (uint32_t i = 0; i < 3; i++)
		gate_connect(&g, &bad[i], i);
	ck_assert_uint_eq(syn_answer(3), TCP_RST | TCP_ACK);
	ck_assert_uint_eq(gate_counter(&g, "SourceLimited"), 1);
	gate_connect(&g, &good[1], HOST);
	st = bad[0].t;
	rst.seq = bad[0].cseq;
	gate_send(&g, &st, &rst, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 3);
	gate_connect(&g, &bad[4], 4);
}
END_TEST

/* SYNs prove nothing and count for nobody; handshakes that complete do. */
START_TEST(max_per_source_holds_for_handshakes_side_by_side)
{
	struct hdr_spec h = {.flags = TCP_ACK, .wnd = 60000};
	seq_t ack[5];

	g.svc->max_per_source = 3;
	gate_start(&g);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(syn_answer(i), TCP_SYN | TCP_ACK);
		ack[i] = seq_add(g.tx[0].seq, 1);
	}
	for (uint32_t i = 0; i < 5; i++) {
		struct tuple t = gate_client(i);

		h.seq = SEQ(78);
		h.ack = ack[i];
		gate_send(&g, &t, &h, 0);
	}
	ck_assert_uint_eq(gate_gauges(&g).flows, 3);
	ck_assert_uint_eq(gate_counter(&g, "SourceLimited"), 2);
}
END_TEST

START_TEST(idle_timeout_ends_what_moves_nothing_and_nothing_else)
{
	struct hdr_spec h = {.flags = TCP_ACK, .wnd = 60000};

	g.svc->idle_timeout = 10 * SEC;
	gate_start(&g);
	gate_connect(&g, &bad[0], 0);
	gate_connect(&g, &good[0], HOST);
	for (uint32_t i = 0; i < 5; i++) {
		struct tuple st = good[0].t;

		gate_run(&g, 4 * SEC);
		gate_from_client(&g, &good[0], 10);
		h.seq = good[0].sseq;
		good[0].sack = seq_add(good[0].sack, 10);
		h.ack = good[0].sack;
		st = (struct tuple){st.remote, st.local, st.rport, st.lport};
		gate_send(&g, &st, &h, 0); /* the server takes it */
		ck_assert_uint_eq(gate_gauges(&g).flows, i < 2 ? 2 : 1);
	}
	ck_assert_uint_eq(gate_counter(&g, "IdleClosed"), 1);
	g.ntx = 0;
	gate_run(&g, 11 * SEC);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(g.ntx, 2);
	ck_assert_uint_ne(g.tx[0].flags & g.tx[1].flags & TCP_RST, 0);
}
END_TEST

/* The server has closed, and its kernel has forgotten it by tcp_fin_timeout;
 * the client does not close.  The server is asked, and says so. */
START_TEST(server_that_closed_and_is_gone_frees_the_flow)
{
	struct hdr_spec h = {.flags = TCP_ACK, .wnd = 60000};
	struct tuple st;
	bool asked = false;

	gate_start(&g);
	gate_connect(&g, &bad[0], 0);
	gate_from_server(&g, &bad[0], 0, TCP_FIN);
	h.seq = bad[0].cseq;
	h.ack = seq_add(bad[0].cack, 1);
	gate_send(&g, &bad[0].t, &h, 0);
	g.ntx = 0;
	gate_run(&g, 61 * SEC);
	for (uint32_t i = 0; i < g.ntx; i++)
		asked |= g.tx[i].t.lport == 443;
	ck_assert(asked);
	st = (struct tuple){bad[0].t.remote, bad[0].t.local, bad[0].t.rport,
			    bad[0].t.lport};
	h = (struct hdr_spec){.flags = TCP_RST, .seq = seq_add(bad[0].sseq, 1)};
	g.ntx = 0;
	gate_send(&g, &st, &h, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_ne(g.tx[0].flags & TCP_RST, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shares");
	TCase *tc = tcase_create("shares");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, islands_of_one_host_leave_nodes_to_others);
	tcase_add_test(tc,
		       stalled_downloads_of_one_host_leave_windows_to_others);
	tcase_add_test(tc, idle_connections_of_one_host_leave_places_to_others);
	tcase_add_test(tc,
		       evict_slowest_ends_an_idle_one_of_the_heaviest_source);
	tcase_add_test(tc,
		       evict_slowest_takes_no_place_for_the_heaviest_source);
	tcase_add_test(tc, max_per_source_refuses_one_more_of_the_same_host);
	tcase_add_test(tc, max_per_source_holds_for_handshakes_side_by_side);
	tcase_add_test(tc,
		       idle_timeout_ends_what_moves_nothing_and_nothing_else);
	tcase_add_test(tc, server_that_closed_and_is_gone_frees_the_flow);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
