/* SPDX-License-Identifier: MIT */
/*
 * Reloads under way: services change their names, more often than the engine
 * has slots for their counters, while handshakes and TIME_WAIT last.
 */
#include "gate.h"

#include <stdio.h>
#include <stdlib.h>

#define MB (1ull << 20)
#define SEC (int64_t) USEC_PER_SEC
#define SERVICES 2
#define RELOADS 1500 /* with SERVICES new names each */

static struct gate g;

static void setup(void)
{
	gate_init(&g, 16 * MB);
}

static void teardown(void)
{
	gate_fini(&g);
}

/* The bench's policy again: two services, .80 and .81, servers .1 and .2. */
static struct policy *policy_of(uint32_t generation)
{
	struct policy *p = policy_new(SERVICES);

	for (uint32_t i = 0; i < SERVICES; i++) {
		struct service *s = &p->service[i];

		*s = *g.svc;
		snprintf(s->name, sizeof(s->name), "s%u-%u", generation, i);
		s->listen.ep[0].addr.b[15] = (uint8_t)(80 + i);
		s->connect.addr = ipaddr_v4(
			(const uint8_t[]){203, 0, 113, (uint8_t)(1 + i)});
		s->connect.port = 8443;
	}
	return p;
}

static void reload(uint32_t generation)
{
	struct policy *p = policy_of(generation);

	engine_set_policy(g.e, p);
	policy_put(p);
}

/* Client @n asks service @i. */
static struct tuple asks(uint32_t n, uint32_t i)
{
	struct tuple t = gate_client(n);

	t.local.b[15] = (uint8_t)(80 + i);
	return t;
}

static struct hdr_spec ack_of(const struct segment *synack)
{
	return (struct hdr_spec){.seq = synack->ack,
				 .ack = seq_add(synack->seq, 1),
				 .flags = TCP_ACK,
				 .wnd = 9999};
}

static const struct hdr_spec syn = {
	.seq = {1000}, .flags = TCP_SYN, .wnd = 9999};

/* Opens half a connection and completes it; the server that was asked. */
static uint8_t server_asked(uint32_t n, uint32_t i)
{
	struct tuple t = asks(n, i);
	struct hdr_spec h;

	g.ntx = 0;
	gate_send(&g, &t, &syn, 0);
	ck_assert_uint_eq(g.ntx, 1);
	h = ack_of(&g.tx[0]);
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags & (TCP_SYN | TCP_ACK), TCP_SYN);
	return g.tx[0].t.local.b[15];
}

START_TEST(many_renames_handshake_reaches_its_own_server)
{
	gate_start(&g);
	g.unchecked = true;
	for (uint32_t k = 0; k < RELOADS; k++) {
		reload(k);
		ck_assert_uint_eq(server_asked(2 * k, 0), 1);
		ck_assert_uint_eq(server_asked(2 * k + 1, 1), 2);
		engine_reset_all(g.e, g.now);
		gate_raw(&g, "", 0, 0); /* and the RSTs leave */
	}
	/* the names' flows are gone, and so are their slots */
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
	ck_assert_uint_eq(gate_counter(&g, "TcpPassiveOpens"), SERVICES);
}
END_TEST

/* More names in use at once than slots: counters mix, connections do not. */
START_TEST(old_names_in_use_handshake_reaches_its_own_server)
{
	gate_start(&g);
	g.unchecked = true;
	for (uint32_t k = 0; k < 400; k++) {
		reload(k);
		ck_assert_uint_eq(server_asked(2 * k, 0), 1);
		ck_assert_uint_eq(server_asked(2 * k + 1, 1), 2);
	}
	ck_assert_uint_eq(gate_gauges(&g).flows, 800);
}
END_TEST

START_TEST(renamed_service_syn_again_is_answered)
{
	struct tuple t = asks(1, 0);

	gate_start(&g);
	reload(1);
	gate_send(&g, &t, &syn, 0);
	reload(2);
	g.now = mono_add(g.now, SEC);
	g.ntx = 0;
	gate_send(&g, &t, &syn, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags, TCP_SYN | TCP_ACK);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 1);
}
END_TEST

START_TEST(renamed_service_old_handshake_is_reset)
{
	struct tuple t = asks(1, 0);
	struct hdr_spec h;

	gate_start(&g);
	reload(1);
	gate_send(&g, &t, &syn, 0);
	h = ack_of(&g.tx[0]);
	reload(2);
	g.ntx = 0;
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags, TCP_RST);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
}
END_TEST

/* TIME_WAIT of the old name gives way to a newer SYN, as ever. */
START_TEST(renamed_service_time_wait_begins_anew)
{
	struct hdr_spec h = syn;
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	gate_from_server(&g, &c, 0, TCP_FIN);
	c.sseq = seq_add(c.sseq, 1);
	h = (struct hdr_spec){.seq = c.cseq,
			      .ack = seq_add(c.cack, 1),
			      .flags = TCP_ACK | TCP_FIN,
			      .wnd = 9999};
	gate_send(&g, &c.t, &h, 0);
	ck_assert_uint_eq(gate_gauges(&g).time_wait, 1);
	reload(1);
	h = syn;
	h.seq = seq_add(c.cseq, 100000);
	g.ntx = 0;
	gate_send(&g, &c.t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags, TCP_SYN | TCP_ACK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile_reload");
	TCase *tc = tcase_create("reload");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_renames_handshake_reaches_its_own_server);
	tcase_add_test(tc, old_names_in_use_handshake_reaches_its_own_server);
	tcase_add_test(tc, renamed_service_syn_again_is_answered);
	tcase_add_test(tc, renamed_service_old_handshake_is_reset);
	tcase_add_test(tc, renamed_service_time_wait_begins_anew);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
