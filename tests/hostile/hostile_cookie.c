/* SPDX-License-Identifier: MIT */
/*
 * Cookies, and those who have none: forged, copied, too early, too many.
 */
#include <stdlib.h>

#include "gate.h"
#include "shield/cookie.h"

#define POOL (16u << 20)
#define MSEC (int64_t) USEC_PER_MSEC
#define SEC (int64_t) USEC_PER_SEC
#define ISN 5000u
#define TSVAL 777u

static struct gate g;

static void setup(void)
{
	gate_init(&g, POOL);
	g.svc->syncookies = 2;
}

static void teardown(void)
{
	gate_fini(&g);
}

static struct hdr_spec header(const struct conn *c, uint16_t flags)
{
	return (struct hdr_spec){
		.seq = c->cseq, .ack = c->cack, .flags = flags, .wnd = 60000};
}

static enum verdict sends(const struct conn *c, uint16_t flags, uint32_t len)
{
	struct hdr_spec h = header(c, flags);

	g.ntx = 0;
	return gate_send(&g, &c->t, &h, len);
}

/* The SYN of client @n, and the SYN-ACK that it is answered by, in g.tx[0]. */
static void syn(struct conn *c, uint32_t n, const struct tcp_opts *o)
{
	struct hdr_spec h;

	*c = (struct conn){.t = gate_client(n), .cseq = SEQ(ISN)};
	h = header(c, TCP_SYN);
	h.opts = o;
	g.ntx = 0;
	gate_send(&g, &c->t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags, TCP_SYN | TCP_ACK);
	c->cseq = SEQ(ISN + 1);
	c->cack = seq_add(g.tx[0].seq, 1);
}

static uint32_t flows(void)
{
	return gate_gauges(&g).flows;
}

static void forget(const struct conn *c)
{
	sends(c, TCP_RST, 0);
	ck_assert_uint_eq(flows(), 0);
}

/* What another gateway of the fleet would have sent. */
static seq_t foreign_cookie(const struct conn *c)
{
	struct segment s = {.t = c->t, .seq = SEQ(ISN), .family = 4};
	struct cookie_keys k;

	cookie_keys_init(&k, g.cfg.secret, COOKIE_EPOCH_S);
	return cookie_make(&k, &s, g.now.us / SEC, false, 0, NULL);
}

/* None was sent, so none can come back: the blind have nothing to guess. */
START_TEST(calm_no_cookie_is_looked_at)
{
	struct conn c = {.t = gate_client(1), .cseq = SEQ(ISN + 1)};

	g.svc->syncookies = (uint32_t)_i;
	gate_start(&g);
	c.cack = seq_add(foreign_cookie(&c), 1);
	ck_assert_int_eq(sends(&c, TCP_ACK, 0), VERDICT_REPLY);
	ck_assert_uint_eq(g.tx[0].flags, TCP_RST);
	ck_assert_uint_eq(flows(), 0);
	ck_assert_uint_eq(gate_counter(&g, "TcpExtSyncookiesFailed"), 0);
}
END_TEST

/* tcp_syncookies = 2 takes those of the fleet at any time. */
START_TEST(always_cookies_of_the_fleet_are_taken)
{
	struct conn c = {.t = gate_client(1), .cseq = SEQ(ISN + 1)};

	gate_start(&g);
	c.cack = seq_add(foreign_cookie(&c), 1);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 1);
}
END_TEST

/* With tcp_syncookies = 1 they are taken for as long as one may be valid. */
START_TEST(flood_is_over_cookies_are_taken_for_two_epochs)
{
	static const uint32_t late_s[] = {0, 50, 126};
	struct conn c = {.t = gate_client(900), .cseq = SEQ(ISN + 1)};

	g.svc->syncookies = 1;
	g.svc->max_syn_backlog = 4;
	gate_start(&g);
	for (uint32_t i = 0; i < 8; i++)
		syn(&(struct conn){0}, i, NULL);
	ck_assert_uint_gt(gate_counter(&g, "TcpExtSyncookiesSent"), 0);
	gate_run(&g, late_s[_i] * SEC);
	c.cack = seq_add(foreign_cookie(&c), 1);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), _i < 2);
}
END_TEST

/* The network changed the order of the first flight: no RST. */
START_TEST(later_segment_first_connection_lives)
{
	struct conn c, later;

	gate_start(&g);
	syn(&c, 1, NULL);
	later = c;
	later.cseq = seq_add(c.cseq, 1460);
	ck_assert_int_eq(sends(&later, TCP_ACK, 700), VERDICT_CONSUMED);
	gate_run(&g, 50 * MSEC);
	ck_assert_uint_eq(g.ntx, 0);
	sends(&c, TCP_ACK, 1460);
	ck_assert_uint_eq(flows(), 1);
	g.ntx = 0;
	gate_run(&g, 500 * MSEC);
	for (uint64_t i = 0; i < g.ntx; i++)
		ck_assert_uint_eq(g.tx[i].flags & TCP_RST, 0);
	sends(&later, TCP_ACK, 700);
	ck_assert_uint_eq(g.tx[0].ack.v, ISN + 1 + 2160);
}
END_TEST

START_TEST(unknown_ack_is_reset_after_a_moment)
{
	struct conn c = {.t = gate_client(1), .cseq = SEQ(9), .cack = SEQ(8)};

	gate_start(&g);
	ck_assert_int_eq(sends(&c, TCP_ACK, 10), VERDICT_CONSUMED);
	gate_run(&g, 90 * MSEC);
	ck_assert_uint_eq(g.ntx, 0);
	gate_run(&g, 20 * MSEC);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].flags, TCP_RST);
	ck_assert_uint_eq(g.tx[0].seq.v, 8);
	ck_assert_uint_eq(gate_counter(&g, "UnknownReset"), 1);
}
END_TEST

/* Each from a host of its own: bounded, and what finds no room gets nothing. */
START_TEST(unknown_acks_without_end_are_bounded)
{
	struct conn c = {.cseq = SEQ(9), .cack = SEQ(8)};

	gate_start(&g);
	for (uint32_t i = 0; i < 3000; i++) {
		c.t = gate_client(1);
		c.t.remote.b[14] = (uint8_t)(i >> 8);
		c.t.remote.b[15] = (uint8_t)i;
		sends(&c, TCP_ACK, 0);
	}
	g.ntx = 0;
	gate_run(&g, SEC);
	ck_assert_uint_eq(g.ntx, 1024);
	ck_assert_uint_eq(gate_counter(&g, "UnknownDropped"), 3000 - 1024);
}
END_TEST

/* A copy of the ACK, after the connection has ended. */
START_TEST(copied_cookie_opens_nothing)
{
	struct conn c;

	gate_start(&g);
	syn(&c, 1, NULL);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 1);
	forget(&c);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 0);
	ck_assert_uint_eq(gate_counter(&g, "CookieReplays"), 1);
	gate_run(&g, 60 * SEC); /* the next epoch: still valid, still spent */
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 0);
	ck_assert_uint_eq(gate_counter(&g, "CookieReplays"), 2);
}
END_TEST

/* A host that boots again begins with the numbers it had before. */
START_TEST(same_numbers_again_connect_each_time)
{
	struct conn c, old = {.cack = SEQ(0)};

	gate_start(&g);
	for (int i = 0; i < 20; i++) {
		syn(&c, 1, NULL);
		ck_assert_uint_ne(c.cack.v, old.cack.v);
		sends(&c, TCP_ACK, 0);
		ck_assert_uint_eq(flows(), 1);
		forget(&c);
		sends(&c, TCP_ACK, 0);
		ck_assert_uint_eq(flows(), 0);
		old = c;
	}
	ck_assert_uint_eq(gate_counter(&g, "CookieReplays"), 20);
}
END_TEST

/* on_limit, where a client comes back with a cookie and finds no room. */
START_TEST(no_room_client_is_told)
{
	static const uint8_t mode[] = {LIMIT_REFUSE, LIMIT_DROP};
	struct conn first, c;

	g.svc->on_limit = mode[_i];
	g.cfg.max_flows = 1;
	gate_start(&g);
	syn(&first, 1, NULL);
	sends(&first, TCP_ACK, 0);
	syn(&c, 2, NULL);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(g.ntx, _i == 0);
	ck_assert(_i || g.tx[0].flags == TCP_RST);
	ck_assert_uint_eq(flows(), 1);
	/* room again: the same cookie is as good as before */
	sends(&first, TCP_RST, 0);
	sends(&c, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 1);
}
END_TEST

/* 100 that fail: no RST any more, and only a cookie with timestamps is taken,
 * so that nobody is shut out by who sends in its name. */
START_TEST(source_that_fails_has_to_bring_a_timestamp)
{
	struct tcp_opts ts = {.has = OPT_HAS_TS, .tsval = TSVAL};
	struct conn bad = {.cseq = SEQ(9), .cack = SEQ(8)}, plain, with_ts;
	struct hdr_spec h;

	gate_start(&g);
	syn(&plain, 1, NULL);
	syn(&with_ts, 2, &ts);
	ts.tsecr = g.tx[0].opts.tsval;
	for (uint32_t i = 0; i < 150; i++) {
		bad.t = gate_client(100 + i);
		sends(&bad, TCP_ACK, 0);
	}
	ck_assert_uint_eq(gate_counter(&g, "CookieLimited"), 50);
	ck_assert_uint_eq(gate_counter(&g, "TcpExtSyncookiesFailed"), 150);
	sends(&plain, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 0);
	h = header(&with_ts, TCP_ACK);
	h.opts = &ts;
	gate_send(&g, &with_ts.t, &h, 0);
	ck_assert_uint_eq(flows(), 1);
	/* it was only for a while */
	gate_run(&g, 20 * SEC);
	sends(&plain, TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 2);
}
END_TEST

/* SYNs in somebody's name do not use up what he may connect. */
START_TEST(rate_limit_spoofed_syns_shut_nobody_out)
{
	static const uint8_t mode[] = {HANDSHAKE_CLIENT_FIRST, HANDSHAKE_AUTO,
				       HANDSHAKE_SERVER_FIRST,
				       HANDSHAKE_CLIENT_FIRST};
	struct hdr_spec h = {.seq = SEQ(ISN), .flags = TCP_SYN, .wnd = 60000};
	struct tuple t;

	g.svc->handshake = mode[_i];
	g.svc->syncookies = _i == 3 ? 2 : 0;
	g.svc->shield.rate_limit = (struct rate){
		.interval_ns = SEC * 1000, .burst = 3, .prefix4 = 32};
	gate_start(&g);
	for (uint32_t i = 0; i < 400; i++) {
		t = gate_client(100 + i);
		gate_send(&g, &t, &h, 0);
	}
	g.ntx = 0;
	t = gate_client(1);
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(g.ntx, 1); /* to the client, or to the server */
	ck_assert_uint_eq(gate_counter(&g, "RateLimited"), 0);
}
END_TEST

/* Those who have proven their address count. */
START_TEST(rate_limit_counts_who_has_answered)
{
	static const uint32_t cookies[] = {0, 2};
	struct conn c[6];

	g.svc->syncookies = cookies[_i];
	g.svc->shield.rate_limit = (struct rate){
		.interval_ns = SEC * 1000, .burst = 3, .prefix4 = 32};
	gate_start(&g);
	for (uint32_t i = 0; i < 6; i++)
		syn(&c[i], i, NULL);
	for (uint32_t i = 0; i < 6; i++)
		sends(&c[i], TCP_ACK, 0);
	ck_assert_uint_eq(flows(), 3);
	ck_assert_uint_eq(gate_counter(&g, "RateLimited"), 3);
	/* a token comes, and so does what was sent again */
	gate_run(&g, SEC + 100 * MSEC);
	sends(&c[5], TCP_ACK, 10);
	ck_assert_uint_eq(flows(), 4);
}
END_TEST

/* The same where the server is asked first: its handshake is not completed. */
START_TEST(rate_limit_server_first_holds_the_ack_back)
{
	struct hdr_spec h = {.seq = SEQ(ISN), .flags = TCP_SYN, .wnd = 60000};
	struct conn c[2];

	g.svc->handshake = HANDSHAKE_SERVER_FIRST;
	g.svc->syncookies = 1;
	g.svc->shield.rate_limit = (struct rate){
		.interval_ns = SEC * 1000, .burst = 1, .prefix4 = 32};
	gate_start(&g);
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = (struct conn){.t = gate_client(i), .cseq = SEQ(ISN + 1)};
		h = (struct hdr_spec){
			.seq = SEQ(ISN), .flags = TCP_SYN, .wnd = 60000};
		g.ntx = 0;
		gate_send(&g, &c[i].t, &h, 0);
		h.flags = TCP_SYN | TCP_ACK;
		h.ack = seq_add(g.tx[0].seq, 1);
		struct tuple st = {c[i].t.remote, c[i].t.local, c[i].t.rport,
				   c[i].t.lport};

		gate_send(&g, &st, &h, 0);
		c[i].cack = seq_add(g.tx[1].seq, 1);
	}
	sends(&c[0], TCP_ACK, 0);
	ck_assert_uint_eq(g.ntx, 1);
	sends(&c[1], TCP_ACK, 0);
	ck_assert_uint_eq(g.ntx, 0);
	ck_assert_uint_eq(gate_counter(&g, "RateLimited"), 1);
	gate_run(&g, SEC + 100 * MSEC); /* the SYN-ACK came again */
	sends(&c[1], TCP_ACK, 0);
	ck_assert_uint_eq(g.ntx, 1);
	ck_assert_uint_eq(g.tx[0].t.lport, 443);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cookie");
	TCase *tc = tcase_create("cookie");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, calm_no_cookie_is_looked_at, 0, 2);
	tcase_add_test(tc, always_cookies_of_the_fleet_are_taken);
	tcase_add_loop_test(tc, flood_is_over_cookies_are_taken_for_two_epochs,
			    0, 3);
	tcase_add_test(tc, later_segment_first_connection_lives);
	tcase_add_test(tc, unknown_ack_is_reset_after_a_moment);
	tcase_add_test(tc, unknown_acks_without_end_are_bounded);
	tcase_add_test(tc, copied_cookie_opens_nothing);
	tcase_add_test(tc, same_numbers_again_connect_each_time);
	tcase_add_loop_test(tc, no_room_client_is_told, 0, 2);
	tcase_add_test(tc, source_that_fails_has_to_bring_a_timestamp);
	tcase_add_loop_test(tc, rate_limit_spoofed_syns_shut_nobody_out, 0, 4);
	tcase_add_loop_test(tc, rate_limit_counts_who_has_answered, 0, 2);
	tcase_add_test(tc, rate_limit_server_first_holds_the_ack_back);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
