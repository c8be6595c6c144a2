/* SPDX-License-Identifier: MIT */
/*
 * Two engines of one process: what comes to the wrong one is for the other.
 *
 * LINKS: all
 */
#include <check.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "impair/all.h"
#include "shield/commons.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct engine *e[2];
static struct buf_pool pool[2];
static struct commons commons;
static struct policy *policy;
static struct tx out[8];
static int nout;
static uint32_t max_flows;
static mono_t now;

static const uint8_t secret[32] = "two of them";
static const uint8_t server[4] = {192, 0, 2, 1}, other[4] = {192, 0, 2, 2};
static const uint8_t client[4] = {198, 51, 100, 1};
static const uint8_t router[4] = {10, 0, 0, 1};

static void setup(void)
{
	struct service *s;

	policy = policy_new(1);
	s = &policy->service[0];
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_SERVER_FIRST;
	s->syncookies = 0;
	now = (mono_t){1000000};
	max_flows = 64;
}

static void start(void)
{
	ck_assert_int_eq(commons_init(&commons, 2, max_flows, 64, secret), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct engine_cfg cfg = {.policy = policy,
					 .pool = &pool[i],
					 .max_flows = max_flows / 2,
					 .max_tw = 8,
					 .seed = i,
					 .worker = i,
					 .commons = &commons};

		ck_assert_int_eq(buf_pool_init(&pool[i], 1 << 24, 4), 0);
		e[i] = engine_new(&cfg, now);
		ck_assert_ptr_nonnull(e[i]);
	}
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++) {
		engine_free(e[i]);
		buf_pool_fini(&pool[i]);
	}
	commons_fini(&commons);
	policy_put(policy);
}

static int packet_in(int i, const void *data, uint32_t len)
{
	struct buf *b = buf_alloc_reserve(&pool[i]);
	struct packet in = {
		.buf = b, .data = b->data, .len = len, .full_len = len};
	struct tx reply;
	enum verdict v;

	memcpy(b->data, data, len);
	v = engine_input(e[i], &in, now, &reply);
	buf_put(b);
	nout = engine_pull(e[i], out, 8, now);
	for (int k = 0; k < nout; k++)
		wire_csum_finish(&out[k]);
	return (int)v;
}

static int segment_in(int i, struct tuple t, uint16_t flags, uint32_t seq,
		      uint32_t ack)
{
	const struct tcp_opts o = {.has = flags & TCP_SYN ? OPT_HAS_MSS : 0,
				   .mss = 1460};
	const struct hdr_spec h = {.t = &t,
				   .opts = &o,
				   .flags = flags,
				   .seq = SEQ(seq),
				   .ack = SEQ(ack),
				   .wnd = 60000,
				   .ttl = 64};
	struct tx tx = {0};

	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	return packet_in(i, tx.hdr, tx.hdr_len);
}

static struct tuple from_client(uint16_t port)
{
	return (struct tuple){.local = ipaddr_v4(client),
			      .remote = ipaddr_v4(server),
			      .lport = port,
			      .rport = 80};
}

/* What the server answers to the dial in out[0], seen by the server. */
static struct tuple from_server(const uint8_t *addr, uint16_t rport)
{
	return (struct tuple){.local = ipaddr_v4(addr),
			      .remote = ipaddr_v4(client),
			      .lport = addr == other ? 81 : 80,
			      .rport = rport};
}

static uint64_t counter(int i, const char *name)
{
	struct engine_counter c;

	for (uint32_t k = 0; engine_counter(e[i], k, &c); k++) {
		if (!strcmp(c.name, name))
			return c.value;
	}
	ck_abort_msg("no counter %s", name);
	return 0;
}

/* A client's SYN to the first engine, which dials.  Return: the dial's number
 */
static uint32_t dial(uint16_t port)
{
	ck_assert_int_eq(segment_in(0, from_client(port), TCP_SYN, 100, 0),
			 VERDICT_CONSUMED);
	ck_assert_int_eq(nout, 1);
	return get_be32(out[0].hdr + out[0].l4_off + 4);
}

/* A router's "port unreachable" about the SYN of a dial. */
static int unreachable_in(int i, const struct tx *syn)
{
	const struct ipaddr a = ipaddr_v4(router);
	struct packet about = {.data = syn->hdr,
			       .len = syn->hdr_len,
			       .full_len = syn->hdr_len};
	struct tx tx = {0};

	ck_assert_int_eq(wire_build_icmp(&tx, &about, &a, 3, 3, 0), 0);
	wire_csum_finish(&tx);
	return packet_in(i, tx.hdr, tx.hdr_len);
}

START_TEST(icmp_error_at_the_wrong_engine_is_for_the_other)
{
	struct tx syn;

	start();
	dial(1001);
	syn = out[0];
	ck_assert_int_eq(unreachable_in(1, &syn), VERDICT_WORKER + 0);
	ck_assert_int_eq(nout, 0);
	ck_assert_uint_eq(counter(1, "PacketsStrayed"), 1);
	/* there it ends the connection */
	ck_assert_int_eq(unreachable_in(0, &syn), VERDICT_CONSUMED);
	ck_assert_int_eq(nout, 1);
	ck_assert_uint_eq(out[0].hdr[out[0].l4_off + 13] & TCP_RST, TCP_RST);
	/* and now it is nobody's */
	ck_assert_int_eq(unreachable_in(0, &syn), VERDICT_PASS);
	ck_assert_int_eq(unreachable_in(1, &syn), VERDICT_PASS);
}
END_TEST

START_TEST(answer_of_another_server_is_for_the_engine_that_dialled)
{
	struct tuple t = from_server(other, 1001);
	uint32_t iss;

	policy->service[0].connect =
		(struct endpoint){ipaddr_v4(other), 128, 81};
	start();
	iss = dial(1001);
	ck_assert_int_eq(segment_in(1, t, TCP_SYN | TCP_ACK, 500, iss + 1),
			 VERDICT_WORKER + 0);
	ck_assert_int_eq(segment_in(0, t, TCP_SYN | TCP_ACK, 500, iss + 1),
			 VERDICT_CONSUMED);
	ck_assert_int_eq(nout, 1); /* the client's SYN-ACK */
}
END_TEST

/* Where both sides have one pair of addresses the kernel chose well. */
START_TEST(segment_of_an_ordinary_service_is_looked_for_at_one_engine)
{
	struct tuple t = from_server(server, 1001);
	uint32_t iss;

	start();
	iss = dial(1001);
	ck_assert_int_eq(segment_in(1, t, TCP_SYN | TCP_ACK, 500, iss + 1),
			 VERDICT_REPLY);
	ck_assert_uint_eq(counter(1, "PacketsStrayed"), 0);
}
END_TEST

/* One client port, two addresses that lead to one server: one 4-tuple. */
START_TEST(dial_of_a_tuple_that_another_engine_has_waits)
{
	struct service *s = &policy->service[0];
	struct tuple t = from_client(1001);

	s->connect = (struct endpoint){ipaddr_v4(other), 128, 81};
	s->listen.n = 2;
	s->listen.ep[1] = (struct endpoint){ipaddr_v4(router), 128, 80};
	start();
	dial(1001);
	t.remote = ipaddr_v4(router);
	ck_assert_int_eq(segment_in(1, t, TCP_SYN, 100, 0), VERDICT_CONSUMED);
	ck_assert_int_eq(nout, 0);
	engine_reset_all(e[0], now);
	ck_assert_int_gt(engine_pull(e[0], out, 8, now), 0);
	now = mono_add(now, USEC_PER_SEC);
	engine_expire(e[1], now);
	ck_assert_int_eq(engine_pull(e[1], out, 8, now), 1);
}
END_TEST

START_TEST(dial_by_own_ports_takes_those_of_its_engine)
{
	struct service *s = &policy->service[0];

	s->source.mode = SOURCE_ADDRESS;
	s->source.addr = ipaddr_v4(router);
	s->port_min = 5000;
	s->port_max = 5007;
	start();
	/* its half first, and then what the other half has left */
	for (uint16_t i = 0; i < 8; i++) {
		uint16_t port;

		dial((uint16_t)(1001 + i));
		port = get_be16(out[0].hdr + out[0].l4_off);
		ck_assert_uint_ge(port, 5000);
		ck_assert_uint_le(port, i < 4 ? 5003 : 5007);
	}
}
END_TEST

/* --- limits count once for all --- */

/* A connection of @port through engine @i; false: it got no dial. */
static bool connect_by(int i, uint16_t port)
{
	struct tuple t = from_server(server, port);
	uint32_t iss;

	segment_in(i, from_client(port), TCP_SYN, 100, 0);
	if (nout != 1 || out[0].hdr[out[0].l4_off + 13] != TCP_SYN)
		return false;
	iss = get_be32(out[0].hdr + out[0].l4_off + 4);
	segment_in(i, t, TCP_SYN | TCP_ACK, 500, iss + 1);
	ck_assert_int_eq(nout, 1); /* to the client */
	iss = get_be32(out[0].hdr + out[0].l4_off + 4);
	segment_in(i, from_client(port), TCP_ACK, 101, iss + 1);
	return true;
}

static uint32_t flows(void)
{
	struct engine_gauges g[2];

	engine_gauges(e[0], &g[0]);
	engine_gauges(e[1], &g[1]);
	ck_assert_uint_eq(g[0].flows_max + g[1].flows_max, max_flows);
	return g[0].flows + g[1].flows;
}

static void reset(int i)
{
	engine_reset_all(e[i], now);
	while (engine_pull(e[i], out, 8, now) > 0)
		;
}

/* All of them may be at one engine. */
START_TEST(flows_of_both_engines_are_max_flows)
{
	max_flows = 5;
	start();
	for (uint16_t i = 0; i < 4; i++)
		ck_assert(connect_by(0, (uint16_t)(1001 + i)));
	ck_assert(connect_by(1, 1005));
	for (int i = 0; i < 2; i++)
		ck_assert(!connect_by(i, (uint16_t)(1006 + i)));
	ck_assert_uint_eq(flows(), 5);
	reset(0);
	for (uint16_t i = 0; i < 4; i++)
		ck_assert(connect_by(1, (uint16_t)(1011 + i)));
	ck_assert(!connect_by(0, 1021));
	ck_assert_uint_eq(flows(), 5);
}
END_TEST

/* Two engines that found room at the same time: only one has it. */
START_TEST(last_place_is_given_once)
{
	struct slab own[2];
	void *first;

	max_flows = 3;
	start();
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(slab_init(&own[i], 64, max_flows), 0);
	first = commons_alloc(&commons, &own[0]);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(commons_alloc(&commons, &own[0]));
	ck_assert_ptr_nonnull(commons_alloc(&commons, &own[1]));
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_null(commons_alloc(&commons, &own[i]));
	commons_free(&commons, &own[0], first);
	ck_assert_ptr_nonnull(commons_alloc(&commons, &own[1]));
	ck_assert_ptr_null(commons_alloc(&commons, &own[0]));
	for (int i = 0; i < 2; i++)
		slab_fini(&own[i]);
}
END_TEST

START_TEST(connections_of_a_source_are_counted_at_both_engines)
{
	policy->service[0].max_per_source = 3;
	start();
	ck_assert(connect_by(0, 1001));
	ck_assert(connect_by(1, 1002));
	ck_assert(connect_by(1, 1003));
	ck_assert(!connect_by(0, 1004));
	ck_assert(!connect_by(1, 1005));
	ck_assert_uint_eq(counter(0, "SourceLimited"), 1);
	ck_assert_uint_eq(counter(1, "SourceLimited"), 1);
	reset(1);
	ck_assert(connect_by(0, 1006));
	ck_assert(connect_by(0, 1007));
	ck_assert(!connect_by(0, 1008));
}
END_TEST

START_TEST(rate_of_a_source_is_counted_at_both_engines)
{
	char err[200];

	ck_assert_int_eq(rate_parse("3/h",
				    &policy->service[0].shield.rate_limit, err,
				    sizeof(err)),
			 0);
	start();
	ck_assert(connect_by(0, 1001));
	ck_assert(connect_by(1, 1002));
	ck_assert(connect_by(0, 1003));
	ck_assert(!connect_by(0, 1004));
	ck_assert(!connect_by(1, 1005));
	ck_assert_uint_eq(counter(0, "RateLimited"), 1);
	ck_assert_uint_eq(counter(1, "RateLimited"), 1);
}
END_TEST

START_TEST(half_open_of_both_engines_are_the_backlog)
{
	policy->service[0].max_syn_backlog = 3;
	start();
	dial(1001);
	dial(1002);
	segment_in(1, from_client(1003), TCP_SYN, 100, 0);
	ck_assert_int_eq(nout, 1);
	for (int i = 0; i < 2; i++) {
		segment_in(i, from_client((uint16_t)(1004 + i)), TCP_SYN, 100,
			   0);
		ck_assert_int_eq(nout, 0);
	}
	reset(0);
	segment_in(1, from_client(1006), TCP_SYN, 100, 0);
	ck_assert_int_eq(nout, 1);
}
END_TEST

/* --- and so do faults --- */

static void no_line(void *arg, const char *json)
{
	(void)arg;
	(void)json;
}

static void *no_arg[2];
static const struct impair_all faults = {
	.engine = e, .line = no_line, .arg = no_arg, .n = 2};

static void change(const char *const *line, uint32_t n)
{
	struct fault_change c[4] = {0};
	const char *why = "";
	char err[1600];
	uint32_t bad;

	for (uint32_t i = 0; i < n; i++)
		ck_assert_msg(!fault_change_parse(line[i], &c[i], err,
						  sizeof(err)),
			      "%s", err);
	ck_assert_int_eq(impair_all_rehearse(&faults, c, n, now, &bad, &why),
			 0);
	ck_assert(impair_all_perform(&faults, c, n, now));
}

static struct fault_sum sum_of(const char *name)
{
	struct fault_sum f[FAULT_MAX];
	uint32_t n = impair_all_list(&faults, f, now);
	const struct fault_sum *one = fault_sum_find(f, n, name);

	ck_assert_ptr_nonnull(one);
	return *one;
}

START_TEST(ordinals_of_a_fault_count_at_both_engines)
{
	static const char *const add[] = {"add x type=ttl value=60 conn=2,3"};

	start();
	change(add, 1);
	ck_assert(connect_by(0, 1001));
	ck_assert_uint_eq(sum_of("x").active, 0);
	ck_assert(connect_by(1, 1002));
	ck_assert_uint_eq(sum_of("x").active, 1);
	ck_assert(connect_by(0, 1003));
	ck_assert(connect_by(1, 1004));
	ck_assert_uint_eq(sum_of("x").active, 2);
	ck_assert_uint_eq(sum_of("x").conns, 4);
}
END_TEST

START_TEST(places_of_a_fault_count_at_both_engines)
{
	static const char *const add[] = {
		"add x type=ttl value=60 max_active=2"};

	start();
	change(add, 1);
	ck_assert(connect_by(0, 1001));
	ck_assert(connect_by(1, 1002));
	ck_assert(connect_by(0, 1003));
	ck_assert(connect_by(1, 1004));
	ck_assert_uint_eq(sum_of("x").active, 2);
	ck_assert_uint_eq(sum_of("x").count[FC_SUPPRESSED], 2);
	reset(0);
	ck_assert(connect_by(1, 1005));
	ck_assert(connect_by(1, 1006));
	ck_assert_uint_eq(sum_of("x").active, 2);
}
END_TEST

/* What lives already gets its ordinals from one engine after the other. */
START_TEST(fault_that_replaces_another_begins_to_count_anew)
{
	static const char *const add[] = {"add x type=ttl value=60"};
	static const char *const again[] = {
		"del x",
		"add x type=ttl value=60 scope=all max_active=3 conn=first:3"};

	start();
	for (uint16_t i = 0; i < 4; i++)
		ck_assert(connect_by(i % 2, (uint16_t)(1001 + i)));
	change(add, 1);
	ck_assert(connect_by(0, 1005));
	change(again, 2);
	ck_assert_uint_eq(sum_of("x").conns, 5);
	ck_assert_uint_eq(sum_of("x").active, 3);
	ck_assert_uint_eq(sum_of("x").count[FC_SUPPRESSED], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_workers");
	TCase *t = tcase_create("engine_workers");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, icmp_error_at_the_wrong_engine_is_for_the_other);
	tcase_add_test(t,
		       answer_of_another_server_is_for_the_engine_that_dialled);
	tcase_add_test(
		t, segment_of_an_ordinary_service_is_looked_for_at_one_engine);
	tcase_add_test(t, dial_of_a_tuple_that_another_engine_has_waits);
	tcase_add_test(t, dial_by_own_ports_takes_those_of_its_engine);
	tcase_add_test(t, flows_of_both_engines_are_max_flows);
	tcase_add_test(t, last_place_is_given_once);
	tcase_add_test(t, connections_of_a_source_are_counted_at_both_engines);
	tcase_add_test(t, rate_of_a_source_is_counted_at_both_engines);
	tcase_add_test(t, half_open_of_both_engines_are_the_backlog);
	tcase_add_test(t, ordinals_of_a_fault_count_at_both_engines);
	tcase_add_test(t, places_of_a_fault_count_at_both_engines);
	tcase_add_test(t, fault_that_replaces_another_begins_to_count_anew);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
