/* SPDX-License-Identifier: MIT */
/*
 * Faults of a whole engine: batches, dry runs, leases, and what an engine
 * without faults costs (nothing is allocated).  Connections with faults are
 * played in tests/fault.
 *
 * LINKS: all
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "check/engine_check.h"
#include "../../src/impair/internal.h"
#include "fault/told.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct engine *e;
static struct buf_pool pool;
static mono_t now;
static char err[700];

static const uint8_t server[4] = {192, 0, 2, 1}, client[4] = {198, 51, 100, 1};

static void setup(void)
{
	struct policy *p = policy_new(1);
	struct service *s = &p->service[0];
	struct engine_cfg cfg = {.policy = p,
				 .pool = &pool,
				 .max_flows = 64,
				 .max_tw = 64,
				 .seed = 5};

	now = (mono_t){1000000};
	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	strcpy(s->name, "web");
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(server), 128, 80};
	s->handshake = HANDSHAKE_SERVER_FIRST;
	ck_assert_int_eq(buf_pool_init(&pool, 1 << 24, 4), 0);
	e = engine_new(&cfg, now);
	ck_assert_ptr_nonnull(e);
	policy_put(p);
}

static void teardown(void)
{
	engine_free(e);
	ck_assert_uint_eq(pool.held, 0);
	buf_pool_fini(&pool);
}

static uint32_t isn = 100;

/* A SYN of a client. */
static void syn_in(uint16_t port)
{
	const struct tuple t = {.local = ipaddr_v4(client),
				.remote = ipaddr_v4(server),
				.lport = port,
				.rport = 80};
	const struct tcp_opts o = {.has = OPT_HAS_MSS, .mss = 1460};
	const struct hdr_spec h = {.t = &t,
				   .opts = &o,
				   .seq = SEQ(isn),
				   .flags = TCP_SYN,
				   .wnd = 60000,
				   .ttl = 64};
	struct buf *b = buf_alloc_reserve(&pool);
	struct packet in = {.buf = b, .data = b->data};
	struct tx tx = {0};

	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	memcpy(b->data, tx.hdr, tx.hdr_len);
	in.len = in.full_len = tx.hdr_len;
	ck_assert_int_eq(engine_input(e, &in, now, &tx), VERDICT_CONSUMED);
	buf_put(b);
}

/* How many packets come of it at once? */
static int syn(uint16_t port)
{
	struct tx out[8];

	syn_in(port);
	return engine_pull(e, out, 8, now);
}

static int batch(const char *const *lines, uint32_t n)
{
	err[0] = '\0';
	return told_change(e, lines, n, now, err, sizeof(err));
}

static size_t count(void)
{
	char list[8000];
	size_t n = 0;

	told_list(e, list, sizeof(list));
	for (const char *p = list; *p; p++)
		n += *p == '\n';
	return n;
}

START_TEST(batch_good_all_done)
{
	const char *lines[] = {"add a type=loss percent=1",
			       "add b type=delay time=5", "del a",
			       "add a type=syn_drop", "lease b 5s"};

	ck_assert_msg(!batch(lines, 5), "%s", err);
	ck_assert_uint_eq(count(), 2);
}
END_TEST

static const struct {
	const char *line, *why;
} wrong[] = {
	{"add c type=loss latency=3", "line 2: type loss does not take"},
	{"add a type=loss", "line 2: there is a fault of this name"},
	{"del c", "line 2: no such fault"},
	{"lease c 1s", "line 2: no such fault"},
	{"lease a soon", "line 2: found \"soon\""},
	{"drop a", "line 2: found \"drop a\", allowed: add"},
	{"", "line 2: found \"\""},
};

START_TEST(batch_with_one_wrong_line_changes_nothing)
{
	const char *first[] = {"add kept type=loss percent=1"};
	const char *lines[] = {"add a type=loss", wrong[_i].line, "del kept"};

	ck_assert_int_eq(batch(first, 1), 0);
	ck_assert_int_eq(batch(lines, 3), -EINVAL);
	ck_assert_msg(!strncmp(err, wrong[_i].why, strlen(wrong[_i].why)), "%s",
		      err);
	ck_assert_uint_eq(count(), 1);
	ck_assert_int_eq(impair_del(e, "kept", now), 0);
}
END_TEST

START_TEST(syn_drop_keeps_the_syn_from_the_server)
{
	const char *lines[] = {"add a type=syn_drop conn=2 count=1"};

	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert_int_eq(syn(1001), 1); /* the SYN goes on to the server */
	ck_assert_int_eq(syn(1002), 0);
	ck_assert_int_eq(syn(1003), 1);
	ck_assert_int_eq(syn(1002), 1); /* the client tries again */
}
END_TEST

START_TEST(delayed_syn_leaves_at_its_time)
{
	const char *lines[] = {"add a type=delay time=30 on=syn side=server"};
	struct tx out[4];

	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_le(engine_deadline(e).us, now.us + 30000);
	now = mono_add(now, 29999);
	engine_expire(e, now);
	ck_assert_int_eq(engine_pull(e, out, 4, now), 0);
	now = mono_add(now, 1);
	engine_expire(e, now);
	ck_assert_int_eq(engine_pull(e, out, 4, now), 1);
	ck_assert(out[0].csum_done);
}
END_TEST

START_TEST(held_packets_leave_by_deadline_not_by_age)
{
	const char *lines[] = {
		"add a type=delay time=30 on=syn side=server conn=1",
		"add b type=delay time=20 on=syn side=server conn=2",
		"add c type=delay time=10 on=syn side=server conn=3"};
	struct tx out[4];

	ck_assert_int_eq(batch(lines, 3), 0);
	for (uint16_t i = 0; i < 3; i++)
		ck_assert_int_eq(syn((uint16_t)(1001 + i)), 0);
	for (uint16_t i = 3; i > 0; i--) {
		now = mono_add(now, 10000);
		engine_expire(e, now);
		ck_assert_int_eq(engine_pull(e, out, 4, now), 1);
		ck_assert_uint_eq(get_be16(out[0].hdr + out[0].l4_off),
				  1000 + i);
	}
}
END_TEST

START_TEST(removed_fault_releases_what_it_holds)
{
	const char *lines[] = {"add a type=delay time=30s on=syn side=server"};
	struct tx out[4];

	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_eq(impair_del(e, "a", now), 0);
	engine_expire(e, now);
	ck_assert_int_eq(engine_pull(e, out, 4, now), 1);
}
END_TEST

START_TEST(removed_fault_drops_what_it_holds_when_told_so)
{
	const char *lines[] = {"add a type=delay time=30s on=syn side=server "
			       "on_remove=drop"};
	struct tx out[4];

	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_eq(impair_del(e, "a", now), 0);
	engine_expire(e, now);
	ck_assert_int_eq(engine_pull(e, out, 4, now), 0);
}
END_TEST

/* A number that somebody mistyped must not keep the engine busy for minutes. */
START_TEST(greatest_numbers_cost_no_more_than_great_ones)
{
	const char *lines[] = {
		"add a type=duplicate copies=4294967295 dir=from_peer",
		"add b type=dup_ack n=4294967295 dir=from_peer",
		"add c type=corrupt bits=4294967295 side=server",
		"add d type=rate rate=1B burst=1000000G limit=1000000G"};

	ck_assert_int_eq(batch(lines, 4), 0);
	ck_assert_int_eq(syn(1001), 1);
	now = mono_add(now, 10);
	engine_expire(e, now);
	ck_assert_int_lt(syn(1002), 8);
}
END_TEST

/* The sum over the TCP of an IPv4 packet without payload. */
static uint16_t tcp_sum(const struct tx *tx)
{
	uint32_t len = (uint32_t)(tx->hdr_len - tx->l4_off);
	const uint8_t *ip = tx->hdr;
	struct ipaddr src = ipaddr_v4(ip + 12), dst = ipaddr_v4(ip + 16);

	return csum_fold(csum_add(csum_pseudo(&src, &dst, 6, len),
				  ip + tx->l4_off, len));
}

/* Two bits can make good for one another: it has to be wrong all the same. */
START_TEST(damaged_segment_never_has_a_right_checksum)
{
	const char *line[] = {"add a type=corrupt bits=2 side=server "
			      "dir=to_peer"};
	struct tx out[8];

	ck_assert_int_eq(batch(line, 1), 0);
	for (uint16_t i = 0; i < 2000; i++) {
		syn_in((uint16_t)(1001 + i));
		ck_assert_int_eq(engine_pull(e, out, 8, now), 1);
		ck_assert_uint_ne(tcp_sum(&out[0]), 0xffff);
		engine_reset_all(e, now);
		engine_pull(e, out, 8, now);
	}
}
END_TEST

START_TEST(damaged_header_never_has_a_right_checksum)
{
	const char *line[] = {"add a type=corrupt where=ip bits=2 side=server "
			      "dir=to_peer"};
	struct tx out[8];

	ck_assert_int_eq(batch(line, 1), 0);
	for (uint16_t i = 0; i < 2000; i++) {
		syn_in((uint16_t)(1001 + i));
		ck_assert_int_eq(engine_pull(e, out, 8, now), 1);
		ck_assert_uint_ne(
			csum_fold(csum_add(0, out[0].hdr, out[0].l4_off)),
			0xffff);
		engine_reset_all(e, now);
		engine_pull(e, out, 8, now);
	}
}
END_TEST

/* Offsets go on beyond what sequence numbers can count. */
START_TEST(trigger_beyond_4_gib_fires)
{
	const char *lines[] = {"add a type=zero_window on=byte:5G"};
	const struct tuple t = {.local = ipaddr_v4(server),
				.remote = ipaddr_v4(client),
				.lport = 80,
				.rport = 1001};
	struct fault_track *seen;
	uint32_t wnd;
	struct leg *l;

	ck_assert_int_eq(batch(lines, 1), 0);
	syn(1001);
	l = table_find(e, &t);
	ck_assert_ptr_nonnull(l);
	l->state = TS_ESTABLISHED;
	wnd = leg_rcv_wnd(&l->rcv) + 10000;
	seen = &impaired(leg_flow(l))->w->track[0][false];
	*seen = (struct fault_track){true, l->rcv.nxt, 5ull << 30};
	seen->at -= 1000;
	ck_assert_uint_eq(behave_faulty.window(l, wnd), wnd);
	seen->at += 1000;
	ck_assert_uint_eq(behave_faulty.window(l, wnd), leg_rcv_wnd(&l->rcv));
	l->state = TS_LISTEN;
}
END_TEST

START_TEST(lease_over_fault_is_gone)
{
	const char *lines[] = {"add a type=loss lease=2s"};

	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert_int_eq(engine_deadline(e).us, now.us + 2 * USEC_PER_SEC);
	now = mono_add(now, 2 * USEC_PER_SEC);
	engine_expire(e, now);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(lease_over_fault_is_judged_until_it_is_added_again)
{
	const char *lines[] = {"add a type=syn_drop lease=2s expect=injected>1",
			       "add b type=loss lease=2s"};
	struct fault_expect x;
	uint64_t n;

	ck_assert_int_eq(batch(lines, 2), 0);
	syn(1001);
	now = mono_add(now, 2 * USEC_PER_SEC);
	engine_expire(e, now);
	ck_assert_uint_eq(count(), 0);
	ck_assert(!told_met(e, err, sizeof(err)));
	ck_assert_str_eq(err, "fault a: expected injected>1, it is 1");
	ck_assert_str_eq(impair_gone(e, 0, &x, &n), "a");
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_null(impair_gone(e, 1, &x, &n));
	lines[0] = "add a type=syn_drop";
	ck_assert_int_eq(batch(lines, 1), 0);
	ck_assert(told_met(e, err, sizeof(err)));
}
END_TEST

START_TEST(dry_run_counts_living_connections)
{
	static const struct {
		const char *line;
		uint32_t hit, spared;
	} rows[] = {
		{"type=loss service=web scope=all", 2, 0},
		{"type=loss service=web", 0, 2}, /* only those to come */
		{"type=loss src=10.0.0.0/8 scope=all", 0, 0},
		{"type=loss src=10.0.0.0/8", 0, 0},
	};
	struct fault_spec f;

	syn(1001);
	syn(1002);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t spared = 0, hit;

		ck_assert_int_eq(fault_parse_line(rows[i].line, &f, err,
						  sizeof(err)),
				 0);
		hit = impair_match(e, &f, NULL, NULL, &spared);
		ck_assert_uint_eq(hit, rows[i].hit);
		ck_assert_uint_eq(spared, rows[i].spared);
	}
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(scope_all_takes_living_connections)
{
	const char *lines[] = {"add a type=loss scope=all",
			       "add b type=loss scope=new"};
	char list[2000];

	syn(1001);
	ck_assert_int_eq(batch(lines, 2), 0);
	told_list(e, list, sizeof(list));
	ck_assert_ptr_nonnull(strstr(list, "\"active\":1"));
	ck_assert_ptr_nonnull(strstr(list, "\"active\":0"));
	ck_assert_int_eq(engine_check(e, err, sizeof(err)), 0);
}
END_TEST

START_TEST(scope_all_takes_connections_of_which_only_a_syn_was_seen)
{
	const char *first[] = {"add a type=syn_drop"};
	const char *then[] = {"del a", "add b type=syn_drop scope=all",
			      "add c type=syn_drop"};

	ck_assert_int_eq(batch(first, 1), 0);
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_eq(batch(then, 3), 0);
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_eq(impair_del(e, "b", now), 0);
	ck_assert_int_eq(syn(1001), 1); /* older than c */
}
END_TEST

START_TEST(syn_of_a_new_connection_from_the_same_port_counts_anew)
{
	const char *lines[] = {"add a type=syn_drop"};
	struct impair_fault f;

	ck_assert_int_eq(batch(lines, 1), 0);
	isn = 100;
	ck_assert_int_eq(syn(1001), 0);
	ck_assert_int_eq(syn(1001), 0); /* a retransmission */
	ck_assert(impair_get(e, 0, now, &f));
	ck_assert_uint_eq(f.conns, 1);
	isn = 7000;
	ck_assert_int_eq(syn(1001), 0);
	isn = 100;
	ck_assert(impair_get(e, 0, now, &f));
	ck_assert_uint_eq(f.conns, 2);
	ck_assert_uint_eq(f.active, 1);
	ck_assert_uint_eq(f.count[FC_INJECTED], 3);
	ck_assert(!impair_get(e, 1, now, &f));
}
END_TEST

START_TEST(fault_got_tells_its_lease)
{
	const char *lines[] = {"add a type=loss lease=5s", "add b type=loss"};
	struct impair_fault f;

	ck_assert_int_eq(batch(lines, 2), 0);
	ck_assert(impair_get(e, 0, mono_add(now, USEC_PER_SEC), &f));
	ck_assert_str_eq(f.spec->name, "a");
	ck_assert_int_eq(f.lease_left_us, 4 * USEC_PER_SEC);
	ck_assert(impair_get(e, 1, now, &f));
	ck_assert_int_eq(f.lease_left_us, -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_engine");
	TCase *tc = tcase_create("engine");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, batch_good_all_done);
	tcase_add_loop_test(tc, batch_with_one_wrong_line_changes_nothing, 0,
			    ARRAY_LEN(wrong));
	tcase_add_test(tc, syn_drop_keeps_the_syn_from_the_server);
	tcase_add_test(tc, delayed_syn_leaves_at_its_time);
	tcase_add_test(tc, held_packets_leave_by_deadline_not_by_age);
	tcase_add_test(tc, removed_fault_releases_what_it_holds);
	tcase_add_test(tc, removed_fault_drops_what_it_holds_when_told_so);
	tcase_add_test(tc, greatest_numbers_cost_no_more_than_great_ones);
	tcase_add_test(tc, damaged_segment_never_has_a_right_checksum);
	tcase_add_test(tc, damaged_header_never_has_a_right_checksum);
	tcase_add_test(tc, trigger_beyond_4_gib_fires);
	tcase_add_test(tc, lease_over_fault_is_gone);
	tcase_add_test(tc, lease_over_fault_is_judged_until_it_is_added_again);
	tcase_add_test(tc, dry_run_counts_living_connections);
	tcase_add_test(tc, scope_all_takes_living_connections);
	tcase_add_test(
		tc, scope_all_takes_connections_of_which_only_a_syn_was_seen);
	tcase_add_test(tc,
		       syn_of_a_new_connection_from_the_same_port_counts_anew);
	tcase_add_test(tc, fault_got_tells_its_lease);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
