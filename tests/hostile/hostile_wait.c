/* SPDX-License-Identifier: MIT */
/*
 * Connections that wait for a port of the gateway: many that get none, one that
 * could have one, and clients that go away while they wait.
 */
#include "fault/told.h"
#include "gate.h"

#include <stdio.h>
#include <stdlib.h>

#define MB (1ull << 20)
#define SEC (int64_t) USEC_PER_SEC
#define BLOCKED 700 /* more than are tried in one step */

static struct gate g;

/* Two services, .80 and .81, that have one port each towards their servers. */
static void setup(void)
{
	struct policy *p;

	gate_init(&g, 16 * MB);
	p = policy_new(2);
	for (uint32_t i = 0; i < 2; i++) {
		struct service *s = &p->service[i];

		*s = *g.svc;
		snprintf(s->name, sizeof(s->name), "s%u", i);
		s->listen.ep[0].addr.b[15] = (uint8_t)(80 + i);
		s->source.mode = SOURCE_ADDRESS;
		s->source.addr = ipaddr_v4((const uint8_t[]){198, 51, 100, 1});
		s->port_min = s->port_max = 5000;
	}
	policy_put(g.cfg.policy);
	g.cfg.policy = p;
	g.svc = &p->service[0];
	gate_start(&g);
	g.unchecked = true;
}

static void teardown(void)
{
	gate_fini(&g);
}

/* Client @n has a connection with service @i, as far as it knows. */
static void connects(struct conn *c, uint32_t n, uint32_t i)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 9999};

	c->t = gate_client(n);
	c->t.local.b[15] = (uint8_t)(80 + i);
	g.ntx = 0;
	gate_send(&g, &c->t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	c->cseq = g.tx[0].ack;
	c->cack = seq_add(g.tx[0].seq, 1);
	g.ntx = 0;
	gate_from_client(&g, c, 0);
}

static void resets(const struct conn *c)
{
	struct hdr_spec h = {
		.seq = c->cseq, .ack = c->cack, .flags = TCP_RST | TCP_ACK};

	gate_send(&g, &c->t, &h, 0);
}

static uint64_t syns_sent(void)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < g.ntx; i++)
		n += g.tx[i].flags == TCP_SYN;
	return n;
}

START_TEST(many_blocked_one_with_a_free_port_is_dialled)
{
	struct conn c, mine, next;

	connects(&mine, BLOCKED + 2, 1);
	ck_assert_uint_eq(syns_sent(), 1);
	for (uint32_t i = 0; i <= BLOCKED; i++)
		connects(&c, i, 0);
	ck_assert_uint_eq(syns_sent(), 0);
	connects(&next, BLOCKED + 3, 1);
	ck_assert_uint_eq(syns_sent(), 0);
	resets(&mine);
	g.ntx = 0;
	gate_run(&g, SEC / 2);
	ck_assert_uint_eq(syns_sent(), 1);
	ck_assert_uint_eq(g.tx[0].t.local.b[15], 81);
}
END_TEST

/* In whatever order clients leave, those that stay are served in the end. */
START_TEST(waiting_clients_leave_rest_is_dialled)
{
	static struct conn c[BLOCKED];
	static bool gone[BLOCKED];
	uint32_t left = BLOCKED;
	struct prng r;

	prng_seed(&r, 7);
	for (uint32_t i = 0; i < BLOCKED; i++)
		connects(&c[i], i, 0);
	for (uint32_t k = 0; k < BLOCKED / 2; k++) {
		uint32_t i = 1 + prng_below(&r, BLOCKED - 1);

		if (gone[i])
			continue;
		resets(&c[i]);
		gone[i] = true;
		left--;
		if (k % 16 == 0)
			gate_run(&g, SEC / 50);
		ck_assert_uint_eq(gate_gauges(&g).flows, left);
	}
	for (; left; left--) { /* the port goes from one to the next */
		uint32_t i = 0;

		gate_run(&g, SEC / 5);
		ck_assert_uint_eq(gate_gauges(&g).flows, left);
		for (i = 0; i < BLOCKED && gone[i]; i++)
			;
		resets(&c[i]);
		gone[i] = true;
	}
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

/* The server answers the SYN that was sent last; returns its number. */
static seq_t server_accepts(void)
{
	struct hdr_spec h = {
		.seq = SEQ(9000), .flags = TCP_SYN | TCP_ACK, .wnd = 9999};
	const struct segment *s = NULL;
	struct tuple t;

	for (uint64_t i = 0; i < g.ntx; i++)
		if (g.tx[i].flags == TCP_SYN)
			s = &g.tx[i];
	ck_assert_ptr_nonnull(s);
	t = (struct tuple){.local = s->t.remote,
			   .remote = s->t.local,
			   .lport = s->t.rport,
			   .rport = s->t.lport};
	h.ack = seq_add(s->seq, 1);
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	return seq_sub(h.ack, 1);
}

/* A FIN that was sent; NULL: none was. */
static const struct segment *fin_sent(void)
{
	for (uint64_t i = 0; i < g.ntx; i++)
		if (g.tx[i].flags & TCP_FIN)
			return &g.tx[i];
	return NULL;
}

/* A stream fault holds the bytes of one that waited: its FIN comes behind. */
START_TEST(waiting_client_ends_fin_follows_held_bytes)
{
	const char *line = "add a type=latency latency=3s stream=upstream";
	struct hdr_spec fin = {.flags = TCP_FIN | TCP_ACK, .wnd = 9999};
	struct conn first, c;
	char err[200];
	seq_t iss;

	ck_assert_int_eq(told_change(g.e, &line, 1, g.now, err, sizeof(err)),
			 0);
	connects(&first, 0, 0);
	connects(&c, 1, 0);
	gate_from_client(&g, &c, 100);
	fin.seq = c.cseq;
	fin.ack = c.cack;
	gate_send(&g, &c.t, &fin, 0);
	resets(&first);
	g.ntx = 0;
	gate_run(&g, SEC / 2);
	iss = server_accepts();
	gate_run(&g, SEC);
	ck_assert_ptr_null(fin_sent());
	gate_run(&g, 4 * SEC);
	ck_assert_ptr_nonnull(fin_sent());
	ck_assert_uint_eq(seq_add(fin_sent()->seq, fin_sent()->data.len).v,
			  seq_add(iss, 101).v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile_wait");
	TCase *tc = tcase_create("wait");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_blocked_one_with_a_free_port_is_dialled);
	tcase_add_test(tc, waiting_clients_leave_rest_is_dialled);
	tcase_add_test(tc, waiting_client_ends_fin_follows_held_bytes);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
