/* SPDX-License-Identifier: MIT */
/*
 * An XDP front before the engine: it must be told whom it may not touch, and
 * what it sent must be taken.
 */
#include <stdlib.h>

#include "check/engine_check.h"
#include "gate.h"
#include "shield/cookie.h"

#define POOL (16u << 20)
#define SEC (int64_t) USEC_PER_SEC
#define ISN 5000u

static struct gate g;
static struct known k;

static void setup(void)
{
	gate_init(&g, POOL);
	known_init(&k, g.cfg.secret, calloc(1, 1u << KNOWN_BITS),
		   calloc(1u << KNOWN_SPENT_BITS, sizeof(*k.spent)));
	ck_assert_ptr_nonnull(k.count);
	ck_assert_ptr_nonnull(k.spent);
}

static void teardown(void)
{
	gate_fini(&g);
	free(k.count);
	free(k.spent);
}

static int64_t epoch(void)
{
	return g.now.us / SEC / COOKIE_EPOCH_S;
}

static bool known(uint32_t n)
{
	struct tuple t = gate_client(n);

	return known_has(&k, &t, epoch());
}

static enum verdict sends(const struct tuple *t, uint16_t flags, uint32_t seq,
			  uint32_t ack)
{
	struct hdr_spec h = {
		.seq = SEQ(seq), .ack = SEQ(ack), .flags = flags, .wnd = 60000};

	g.ntx = 0;
	return gate_send(&g, t, &h, 0);
}

/* The ACK of a client to whom the front has sent a cookie. */
static enum verdict cookie_ack(uint32_t n)
{
	struct segment s = {.t = gate_client(n), .seq = SEQ(ISN), .family = 4};
	struct cookie_keys keys;
	seq_t cookie;

	cookie_keys_init(&keys, g.cfg.secret, COOKIE_EPOCH_S);
	cookie = cookie_make(&keys, &s, g.now.us / SEC, false, 0, NULL);
	return sends(&s.t, TCP_ACK, ISN + 1, cookie.v + 1);
}

/* Client 1 has a flow, 2 is half open, 3's connection is in TIME_WAIT. */
static void make_three(void)
{
	struct conn c, d;
	struct tuple t = gate_client(2);

	gate_connect(&g, &c, 1);
	sends(&t, TCP_SYN, ISN, 0);
	gate_connect(&g, &d, 3);
	gate_from_server(&g, &d, 0, TCP_FIN);
	d.cack = seq_add(d.cack, 1);
	sends(&d.t, TCP_ACK, d.cseq.v, d.cack.v);
	sends(&d.t, TCP_ACK | TCP_FIN, d.cseq.v, d.cack.v);
	ck_assert_uint_ge(gate_gauges(&g).time_wait, 1);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 1);
}

static void check_three(void)
{
	ck_assert(known(1));
	ck_assert(known(2));
	ck_assert(known(3));
	ck_assert(!known(4));
	ck_assert_uint_eq(known_sum(&k), engine_known(g.e));
}

START_TEST(known_are_flows_half_open_and_time_wait)
{
	gate_start(&g);
	engine_set_known(g.e, &k);
	make_three();
	check_three();
}
END_TEST

/* Attached while the daemon runs. */
START_TEST(known_are_those_who_were_there_before)
{
	gate_start(&g);
	make_three();
	engine_set_known(g.e, &k);
	check_three();
}
END_TEST

START_TEST(known_is_nobody_when_all_is_over)
{
	gate_start(&g);
	engine_set_known(g.e, &k);
	make_three();
	engine_reset_all(g.e, g.now);
	gate_run(&g, 200 * SEC);
	ck_assert_uint_eq(engine_known(g.e), 0);
	ck_assert_uint_eq(known_sum(&k), 0);
}
END_TEST

/* Each step of a connection leaves the front no moment to take it away. */
START_TEST(known_is_a_connection_all_its_life)
{
	struct tuple t = gate_client(1);
	struct conn c;

	gate_start(&g);
	engine_set_known(g.e, &k);
	sends(&t, TCP_SYN, ISN, 0);
	ck_assert(known(1));
	ck_assert_uint_eq(known_sum(&k), 1);
	sends(&t, TCP_ACK, ISN + 1, g.tx[0].seq.v + 1);
	ck_assert(known(1));
	ck_assert_uint_eq(known_sum(&k), 1);
	gate_connect(&g, &c, 2);
	sends(&c.t, TCP_RST, c.cseq.v, 0);
	ck_assert(!known(2));
}
END_TEST

/* Its next cookie is another one: the front can't make it. */
START_TEST(known_is_who_spent_a_cookie)
{
	struct tuple t = gate_client(1);

	g.svc->syncookies = 2;
	gate_start(&g);
	engine_set_known(g.e, &k);
	cookie_ack(1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
	sends(&t, TCP_RST, ISN + 1, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert(known(1));
	ck_assert_uint_eq(known_sum(&k), 0);
}
END_TEST

static uint64_t taken(void)
{
	return gate_counter(&g, "TcpExtSyncookiesRecv");
}

/* tcp_syncookies = 1, and this engine has never sent one. */
START_TEST(cookies_of_the_front_are_taken)
{
	gate_start(&g);
	ck_assert_int_eq(cookie_ack(1), VERDICT_REPLY);
	ck_assert_int_eq(engine_front(g.e, 0, 0, true, g.now), WISH_CALM);
	cookie_ack(1);
	ck_assert_uint_eq(taken(), 1);
	engine_front(g.e, 0, 0, false, g.now);
	gate_run(&g, 120 * SEC);
	cookie_ack(2); /* it may have been sent 120 s ago */
	ck_assert_uint_eq(taken(), 2);
	gate_run(&g, 10 * SEC);
	ck_assert_int_eq(cookie_ack(3), VERDICT_REPLY);
	ck_assert_uint_eq(taken(), 2);
}
END_TEST

/* The flood that the front answers is this engine's too: what it does not see
 * is not over. */
START_TEST(cookies_of_the_front_keep_the_pressure)
{
	int64_t hold = g.svc->shield.syn_hold;

	g.svc->max_syn_backlog = 4;
	gate_start(&g);
	for (uint32_t i = 0; i < 8; i++) {
		struct tuple t = gate_client(i);

		sends(&t, TCP_SYN, ISN, 0);
	}
	ck_assert_int_eq(engine_front(g.e, 0, 0, true, g.now), WISH_COOKIES);
	for (int i = 0; i < 200; i++) { /* half-open ones end, SYNs go on */
		gate_run(&g, SEC);
		ck_assert_int_eq(engine_front(g.e, 0, 1000, true, g.now),
				 WISH_COOKIES);
	}
	gate_run(&g, hold + SEC);
	engine_front(g.e, 0, 0, true, g.now);
	gate_run(&g, hold + SEC);
	ck_assert_int_eq(engine_front(g.e, 0, 0, true, g.now), WISH_CALM);
}
END_TEST

START_TEST(front_leaves_who_stops)
{
	gate_start(&g);
	ck_assert_int_eq(engine_front(g.e, 0, 0, true, g.now), WISH_CALM);
	ck_assert_int_eq(engine_front(g.e, 7, 0, true, g.now), WISH_LEAVE);
	engine_stop_accepting(g.e);
	ck_assert_int_eq(engine_front(g.e, 0, 0, true, g.now), WISH_LEAVE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile_front");
	TCase *t = tcase_create("front");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, known_are_flows_half_open_and_time_wait);
	tcase_add_test(t, known_are_those_who_were_there_before);
	tcase_add_test(t, known_is_nobody_when_all_is_over);
	tcase_add_test(t, known_is_a_connection_all_its_life);
	tcase_add_test(t, known_is_who_spent_a_cookie);
	tcase_add_test(t, cookies_of_the_front_are_taken);
	tcase_add_test(t, cookies_of_the_front_keep_the_pressure);
	tcase_add_test(t, front_leaves_who_stops);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
