/* SPDX-License-Identifier: MIT */
/* LINKS: crash/% wire/% util/hash */
#include <check.h>
#include <stdlib.h>

#include "crash/tell.h"
#include "wire/build.h"

#define MS ((int64_t)USEC_PER_MSEC)
#define START ((mono_t){5000000})
#define MANY 300u

static struct tell *c;
static struct journal_flow flow[MANY];
static struct tx tx[64], reply;
static mono_t now;
static bool engine_has;

static struct ipaddr host(bool six, uint8_t net, uint16_t n)
{
	const uint8_t v4[4] = {203, net, (uint8_t)(n >> 8), (uint8_t)n};
	const uint8_t v6[16] = {
		0x20, 1, net, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n};

	return six ? ipaddr_v6(v6) : ipaddr_v4(v4);
}

/* Flow @i, whose server leg has other addresses, as with connect. */
static struct journal_flow flow_of(uint32_t i)
{
	const bool six = i % 2;
	const uint16_t n = (uint16_t)(i + 1);

	return (struct journal_flow){
		.t = {{host(six, 1, 1), host(six, 2, n), 443, 4000},
		      {host(six, 1, 2), host(six, 3, 9), n, 8443}},
		.has = {true, true}};
}

static void begin(uint32_t n, uint32_t rate)
{
	const struct tell_cfg cfg = {
		.flow = flow, .n = n, .rate = rate, .key = {"nobody knows"}};

	for (uint32_t i = 0; i < n; i++)
		flow[i] = flow_of(i);
	now = START;
	engine_has = false;
	c = tell_new(&cfg, now);
	ck_assert_ptr_nonnull(c);
}

static void teardown(void)
{
	tell_free(c);
	c = NULL;
}

static struct tell_counts counts(void)
{
	struct tell_counts n;

	tell_counts(c, &n);
	return n;
}

static bool has(void *arg, const struct tuple *t)
{
	ck_assert_ptr_eq(arg, flow);
	ck_assert(t->lport);
	return engine_has;
}

/* What the peer gets. */
static struct segment parsed(struct tx *out)
{
	struct packet p = {.data = out->hdr,
			   .len = out->hdr_len,
			   .full_len = out->hdr_len,
			   .csum = PACKET_CSUM_VERIFY};
	struct icmp_error icmp;
	enum drop_reason why;
	struct segment s;

	wire_csum_finish(out);
	ck_assert_int_eq(wire_parse(&p, &s, &icmp, &why), PARSE_SEGMENT);
	return s;
}

/* The next packets; all of them are sent. */
static int pull(void)
{
	return tell_pull(c, tx, ARRAY_LEN(tx), now);
}

static void later(int64_t us)
{
	now = mono_add(now, us);
}

/* The peer of leg @t sends a segment. */
static enum tell_verdict arrives(const struct tuple *t, uint32_t seq,
				 uint32_t ack, uint16_t flags)
{
	struct tuple from = tuple_flip(t);
	const struct hdr_spec h = {.t = &from,
				   .seq = SEQ(seq),
				   .ack = SEQ(ack),
				   .flags = flags,
				   .wnd = 100,
				   .ttl = 64};
	struct packet p;
	struct tx out = {0};

	wire_build(&out, &h, 0);
	wire_csum_finish(&out);
	p = (struct packet){.data = out.hdr,
			    .len = out.hdr_len,
			    .full_len = out.hdr_len,
			    .csum = PACKET_CSUM_VERIFY};
	return tell_input(c, &p, has, flow, &reply);
}

static void assert_rst(uint32_t seq, uint32_t ack)
{
	struct segment s = parsed(&reply);

	ck_assert_uint_eq(s.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(s.seq.v, seq);
	ck_assert_uint_eq(s.ack.v, ack);
}

/* RFC 5961, 4.2: an ACK to either; only they pass conntrack in both ways. */
START_TEST(probes_are_syn_ack_to_client_and_syn_to_server)
{
	struct segment s;

	begin(2, 10000);
	ck_assert_int_eq(pull(), 4);
	for (int i = 0; i < 4; i++) {
		const struct tuple to = tuple_flip(&flow[i / 2].t[i % 2]);

		s = parsed(&tx[i]);
		ck_assert(tuple_eq(&s.t, &to));
		ck_assert_uint_eq(s.flags, i % 2 ? TCP_SYN : TCP_SYN | TCP_ACK);
		ck_assert(s.opts.has & OPT_HAS_TS);
		ck_assert_uint_eq(s.family, i < 2 ? 4 : 6);
	}
	ck_assert_uint_eq(counts().probes, 4);
	ck_assert_int_eq(pull(), 0);
}
END_TEST

START_TEST(challenge_ack_draws_exact_reset)
{
	begin(1, 10000);
	pull();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(arrives(&flow[0].t[i], 1000, 2000, TCP_ACK),
				 TELL_REPLY);
		assert_rst(2000, 1000);
	}
	ck_assert_uint_eq(counts().resets, 2);
	ck_assert_uint_eq(counts().open, 1);
}
END_TEST

/* By itself, before it was asked: a FIN has a number, too. */
START_TEST(any_segment_with_ack_draws_reset)
{
	begin(1, 10000);
	ck_assert_int_eq(arrives(&flow[0].t[0], 1000, 2000, TCP_FIN | TCP_ACK),
			 TELL_REPLY);
	assert_rst(2000, 1001);
	/* a SYN-ACK that the server repeats */
	ck_assert_int_eq(arrives(&flow[0].t[1], 7, 8, TCP_SYN | TCP_ACK),
			 TELL_REPLY);
	assert_rst(8, 8);
	ck_assert_uint_eq(counts().resets, 2);
}
END_TEST

/* The keepalive finds a peer that did not take the RST, as it had moved on. */
START_TEST(reset_peer_is_asked_again_with_its_numbers)
{
	struct segment s;

	begin(1, 10000);
	pull();
	arrives(&flow[0].t[0], 1000, 2000, TCP_ACK);
	later(700 * MS);
	ck_assert_int_eq(pull(), 2);
	s = parsed(&tx[0]);
	ck_assert_uint_eq(s.flags, TCP_ACK);
	ck_assert_uint_eq(s.seq.v, 1999);
	ck_assert_uint_eq(s.ack.v, 1000);
	ck_assert_int_eq(arrives(&flow[0].t[0], 1000, 2500, TCP_ACK),
			 TELL_REPLY);
	assert_rst(2500, 1000);
	ck_assert_uint_eq(counts().resets, 1);
	later(700 * MS);
	pull();
	ck_assert_uint_eq(parsed(&tx[0]).seq.v, 2499);
	/* now it is gone */
	ck_assert_int_eq(arrives(&flow[0].t[0], 1000, 0, TCP_RST),
			 TELL_CONSUMED);
	ck_assert_int_eq(arrives(&flow[0].t[0], 1000, 2500, TCP_ACK),
			 TELL_NOT_OURS);
}
END_TEST

START_TEST(silence_after_reset_is_the_end)
{
	begin(1, 10000);
	pull();
	arrives(&flow[0].t[0], 1000, 2000, TCP_ACK);
	arrives(&flow[0].t[1], 1000, 2000, TCP_ACK);
	later(700 * MS);
	ck_assert_int_eq(pull(), 2);
	later(700 * MS);
	ck_assert_int_eq(pull(), 0);
	ck_assert_uint_eq(counts().open, 0);
	ck_assert_uint_eq(counts().reset, 1);
	ck_assert_uint_eq(counts().forgotten, 0);
	ck_assert_int_eq(tell_deadline(c, now).us, MONO_NEVER.us);
}
END_TEST

/* Of a client the RST has our number, of a server it acknowledges the SYN. */
START_TEST(rst_that_answers_the_probe_ends_it)
{
	struct segment a, b;

	begin(1, 10000);
	pull();
	a = parsed(&tx[0]);
	b = parsed(&tx[1]);
	ck_assert_int_eq(arrives(&flow[0].t[0], a.ack.v, 0, TCP_RST),
			 TELL_CONSUMED);
	ck_assert_uint_eq(counts().forgotten, 1);
	ck_assert_int_eq(arrives(&flow[0].t[1], 0, b.seq.v + 1,
				 TCP_RST | TCP_ACK),
			 TELL_CONSUMED);
	ck_assert_uint_eq(counts().forgotten, 2);
	ck_assert_uint_eq(counts().open, 0);
	ck_assert_uint_eq(counts().reset, 0);
}
END_TEST

START_TEST(rst_of_others_changes_nothing)
{
	struct segment a, b;

	begin(1, 10000);
	pull();
	a = parsed(&tx[0]);
	b = parsed(&tx[1]);
	arrives(&flow[0].t[0], a.ack.v + 1, 0, TCP_RST);
	arrives(&flow[0].t[0], a.seq.v, 0, TCP_RST);
	arrives(&flow[0].t[1], 0, b.seq.v, TCP_RST | TCP_ACK);
	arrives(&flow[0].t[1], b.seq.v + 1, 0, TCP_RST);
	ck_assert_uint_eq(counts().forgotten, 0);
	ck_assert_uint_eq(counts().open, 1);
}
END_TEST

/* It had no connection, and took the probe for a new one. */
START_TEST(servers_syn_ack_for_the_probe_is_reset)
{
	struct segment b;

	begin(1, 10000);
	pull();
	b = parsed(&tx[1]);
	ck_assert_int_eq(arrives(&flow[0].t[1], 77, b.seq.v + 1,
				 TCP_SYN | TCP_ACK),
			 TELL_REPLY);
	assert_rst(b.seq.v + 1, 78);
	ck_assert_uint_eq(counts().resets, 0);
	ck_assert_uint_eq(counts().forgotten, 1);
}
END_TEST

START_TEST(new_syn_is_the_engines)
{
	begin(1, 10000);
	pull();
	ck_assert_int_eq(arrives(&flow[0].t[0], 1, 0, TCP_SYN), TELL_NOT_OURS);
	ck_assert_int_eq(arrives(&flow[0].t[0], 2, 9, TCP_ACK), TELL_NOT_OURS);
	ck_assert_uint_eq(counts().forgotten, 1);
}
END_TEST

START_TEST(what_the_engine_has_is_the_engines)
{
	begin(1, 10000);
	engine_has = true;
	ck_assert_int_eq(arrives(&flow[0].t[1], 2, 9, TCP_ACK), TELL_NOT_OURS);
	engine_has = false;
	ck_assert_int_eq(arrives(&flow[0].t[1], 2, 9, TCP_ACK), TELL_NOT_OURS);
	ck_assert_int_eq(pull(), 1); /* only the client is asked */
}
END_TEST

START_TEST(other_connections_are_the_engines)
{
	struct tuple t;

	begin(2, 10000);
	t = flow[0].t[0];
	t.rport++;
	ck_assert_int_eq(arrives(&t, 1, 2, TCP_ACK), TELL_NOT_OURS);
	t = flow[0].t[0];
	t.lport++;
	ck_assert_int_eq(arrives(&t, 1, 2, TCP_ACK), TELL_NOT_OURS);
}
END_TEST

/* Six times, 10.8 s in all; the timestamp is in either half. */
START_TEST(silent_peers_are_forgotten)
{
	uint32_t sent = 0, high = 0;

	begin(1, 10000);
	while (tell_deadline(c, now).us != MONO_NEVER.us) {
		int n;

		ck_assert(mono_sub(tell_deadline(c, now), now) < 5000 * MS);
		if (mono_before(now, tell_deadline(c, now)))
			now = tell_deadline(c, now);
		n = pull();
		for (int i = 0; i < n; i++)
			high += parsed(&tx[i]).opts.tsval >> 31;
		sent += (uint32_t)n;
		ck_assert(mono_sub(now, START) < 11000 * MS);
	}
	ck_assert(mono_sub(now, START) > 10000 * MS);
	ck_assert_uint_eq(sent, 12);
	ck_assert_uint_eq(high, 6);
	ck_assert_uint_eq(counts().forgotten, 2);
	ck_assert_uint_eq(counts().reset, 0);
	ck_assert_uint_eq(counts().open, 0);
}
END_TEST

/* One at a time where that is the rate, and no more after a pause. */
START_TEST(rate_is_kept)
{
	uint32_t sent = 0;

	begin(MANY, 100);
	for (int i = 0; i < 200; i++) {
		sent += (uint32_t)pull();
		ck_assert_uint_le(sent, 2 + (uint32_t)i);
		later(10 * MS);
	}
	ck_assert_uint_ge(sent, 198);
	later(3000 * MS);
	ck_assert_int_le(pull(), 2);
}
END_TEST

START_TEST(rate_of_many_is_kept)
{
	uint32_t sent = 0;

	begin(MANY, 10000);
	for (int i = 0; i < 50; i++) {
		for (int n; (n = pull());)
			sent += (uint32_t)n;
		ck_assert_uint_le(sent, 200 + 10 * (uint32_t)i);
		later(1 * MS);
	}
	ck_assert_uint_ge(sent, 450);
	ck_assert_uint_le(sent, 2 * MANY);
}
END_TEST

/* Two journals may have it. */
START_TEST(same_connection_twice_is_one)
{
	const struct tell_cfg cfg = {.flow = flow, .n = 2, .rate = 1000};

	flow[0] = flow[1] = flow_of(0);
	now = START;
	c = tell_new(&cfg, now);
	ck_assert_uint_eq(counts().flows, 1);
	ck_assert_int_eq(pull(), 2);
}
END_TEST

START_TEST(nobody_to_tell_is_over)
{
	const struct tell_cfg cfg = {.flow = flow, .n = 0, .rate = 1};

	c = tell_new(&cfg, START);
	ck_assert_int_eq(tell_deadline(c, START).us, MONO_NEVER.us);
	ck_assert_int_eq(tell_pull(c, tx, 1, START), 0);
	ck_assert_ptr_null(tell_client(c, 0));
}
END_TEST

static bool reserve(void *arg, size_t offset, size_t len)
{
	(void)arg;
	(void)offset;
	(void)len;
	return true;
}

static bool count_flow(void *arg, const struct journal_flow *f)
{
	(void)f;
	++*(uint32_t *)arg;
	return true;
}

/* What was not told yet is found again after the next crash. */
START_TEST(untold_peers_stay_in_the_journal)
{
	const struct journal_plan plan = {.workers = 1, .flows = 1, .left = 2};
	struct tell_cfg cfg = {.flow = flow, .n = 2, .rate = 1000};
	struct journal part[2];
	uint8_t *at = calloc(1, journal_size(&plan));
	uint32_t n = 0;

	journal_init(at, &plan, part);
	part[1].reserve = reserve;
	cfg.left = &part[1];
	flow[0] = flow_of(0);
	flow[1] = flow_of(1);
	now = START;
	c = tell_new(&cfg, now);
	pull();
	for (int i = 0; i < 2; i++) {
		arrives(&flow[0].t[i], 1000, 2000, TCP_ACK);
		arrives(&flow[0].t[i], 1000, 2000, TCP_RST | TCP_ACK);
	}
	ck_assert_int_eq(journal_read(at, journal_size(&plan), count_flow, &n),
			 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(counts().reset, 1);
	free(at);
}
END_TEST

/* Bytes that are no packet. */
START_TEST(garbage_is_the_engines)
{
	struct packet p = {.data = reply.hdr, .len = 30, .full_len = 30};

	begin(1, 1000);
	ck_assert_int_eq(tell_input(c, &p, has, flow, &reply), TELL_NOT_OURS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tell");
	TCase *t = tcase_create("tell");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, probes_are_syn_ack_to_client_and_syn_to_server);
	tcase_add_test(t, challenge_ack_draws_exact_reset);
	tcase_add_test(t, any_segment_with_ack_draws_reset);
	tcase_add_test(t, reset_peer_is_asked_again_with_its_numbers);
	tcase_add_test(t, silence_after_reset_is_the_end);
	tcase_add_test(t, rst_that_answers_the_probe_ends_it);
	tcase_add_test(t, rst_of_others_changes_nothing);
	tcase_add_test(t, servers_syn_ack_for_the_probe_is_reset);
	tcase_add_test(t, new_syn_is_the_engines);
	tcase_add_test(t, what_the_engine_has_is_the_engines);
	tcase_add_test(t, other_connections_are_the_engines);
	tcase_add_test(t, silent_peers_are_forgotten);
	tcase_add_test(t, rate_is_kept);
	tcase_add_test(t, rate_of_many_is_kept);
	tcase_add_test(t, same_connection_twice_is_one);
	tcase_add_test(t, nobody_to_tell_is_over);
	tcase_add_test(t, untold_peers_stay_in_the_journal);
	tcase_add_test(t, garbage_is_the_engines);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
