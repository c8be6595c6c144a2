/* SPDX-License-Identifier: MIT */
/*
 * Decisions: who is selected, when a fault acts, how far it goes, and that
 * equal seeds decide alike.  The dice themselves: test_fault_models.c.
 *
 * LINKS: fault/% util/record util/option util/region util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/told.h"
#include "wire/segment.h"

static struct fault_set set;
static mono_t now;

static void setup(void)
{
	now = (mono_t){1000000};
	ck_assert_int_eq(fault_set_init(&set, 42, 1000, now), 0);
}

static void teardown(void)
{
	fault_set_fini(&set);
}

static int add(const char *line)
{
	struct fault_spec spec;
	char err[600] = "";
	int slot;

	ck_assert_msg(!fault_parse_line(line, &spec, err, sizeof(err)),
		      "%s: %s", line, err);
	slot = fault_set_add(&set, &spec, now);
	ck_assert_int_ge(slot, 0);
	return slot;
}

static struct fault_flow *conn(uint16_t port)
{
	struct tuple t = {.lport = 80, .rport = port};
	const uint8_t a[4] = {10, 0, 0, 1}, b[4] = {10, 0, 0, 2};
	struct fault_flow *w;

	t.local = ipaddr_v4(a);
	t.remote = ipaddr_v4(b);
	w = fault_flow_new(&set, "web", &t, now);
	if (w)
		w->owner = &set;
	return w;
}

/* A full segment of data towards the client, number @i. */
static struct fault_verdict send_data(struct fault_flow *w, uint32_t i)
{
	struct fault_event ev = {.to_peer = true,
				 .state = 4,
				 .flags = TCP_ACK,
				 .len = 1000,
				 .wire = 1052,
				 .seq = SEQ(1 + i * 1000),
				 .off = i * 1000ull,
				 .fresh = true,
				 .now = now};
	struct fault_verdict v;

	fault_judge(&set, w, &ev, &v);
	return v;
}

START_TEST(selectors_take_only_what_they_name)
{
	struct fault_spec f;
	char err[300];
	struct tuple t = {.lport = 80, .rport = 5};
	const uint8_t c[4] = {10, 1, 2, 3};

	t.remote = ipaddr_v4(c);
	t.local = ipaddr_v4(c);
	ck_assert_int_eq(fault_parse_line("type=loss service=web "
					  "src=10.1.0.0/16 dport=80-81",
					  &f, err, sizeof(err)),
			 0);
	ck_assert(fault_spec_selects(&f, "web", &t));
	ck_assert(!fault_spec_selects(&f, "mail", &t));
	t.lport = 82;
	ck_assert(!fault_spec_selects(&f, "web", &t));
	t.lport = 80;
	t.remote.b[13] = 2;
	ck_assert(!fault_spec_selects(&f, "web", &t));
}
END_TEST

START_TEST(every_third_connection_carries_it)
{
	add("type=loss percent=100 conn=every:3");
	for (uint16_t i = 1; i <= 9; i++)
		ck_assert_int_eq(conn(i)->active != 0, i % 3 == 0);
}
END_TEST

START_TEST(toxicity_rolled_once_per_connection)
{
	uint32_t n = 0;

	add("type=loss percent=100 toxicity=0.3");
	for (uint32_t i = 0; i < 10000; i++) {
		struct fault_flow *w = conn((uint16_t)i);

		n += w->active != 0;
		ck_assert_int_eq(send_data(w, 0).drop, w->active != 0);
		ck_assert_int_eq(send_data(w, 1).drop, w->active != 0);
		fault_flow_free(&set, w);
	}
	ck_assert_uint_gt(n, 2850);
	ck_assert_uint_lt(n, 3150);
}
END_TEST

START_TEST(skip_and_count_bound_injections)
{
	int slot = add("type=loss percent=100 skip=2 count=3");
	struct fault_flow *w = conn(1);
	char got[11] = "";

	for (uint32_t i = 0; i < 10; i++)
		got[i] = send_data(w, i).drop ? 'x' : '.';
	ck_assert_str_eq(got, "..xxx.....");
	ck_assert_uint_eq(set.fault[slot].count[FC_INJECTED], 3);
	ck_assert_uint_eq(set.fault[slot].count[FC_MATCHED], 10);
	ck_assert_uint_eq(set.fault[slot].count[FC_SUPPRESSED], 7);
}
END_TEST

START_TEST(duration_over_fault_rests)
{
	struct fault_flow *w;

	add("type=loss percent=100 duration=2s");
	w = conn(1);
	ck_assert(send_data(w, 0).drop);
	now = mono_add(now, 3 * USEC_PER_SEC);
	ck_assert(!send_data(w, 1).drop);
}
END_TEST

START_TEST(trigger_byte_arms_for_good)
{
	struct fault_flow *w;

	add("type=loss percent=100 on=byte:2500");
	w = conn(1);
	ck_assert(!send_data(w, 0).drop);
	ck_assert(!send_data(w, 1).drop);
	ck_assert(send_data(w, 2).drop);
	ck_assert(send_data(w, 0).drop);
}
END_TEST

START_TEST(max_active_leaves_later_connections_alone)
{
	int slot = add("type=loss percent=100 max_active=2");

	ck_assert(conn(1)->active);
	ck_assert(conn(2)->active);
	ck_assert(!conn(3)->active);
	ck_assert_uint_eq(set.fault[slot].count[FC_SUPPRESSED], 1);
}
END_TEST

/* Of a flood of SYNs the oldest makes room, not what a flow left behind. */
START_TEST(unbound_full_room_oldest_is_forgotten)
{
	struct fault_flow *w[1000], *late;
	struct tuple t[3];

	add("a type=end action=vanish");
	for (uint16_t i = 0; i < 1000; i++) {
		w[i] = conn((uint16_t)(1 + i));
		w[i]->old = !i;
		if (i < 3)
			t[i] = w[i]->t;
		fault_unbound_keep(&set, w[i], now);
	}
	late = conn(2000);
	ck_assert_ptr_nonnull(late);
	ck_assert_uint_eq(late->active, 1);
	ck_assert_uint_eq(set.fault[0].count[FC_SUPPRESSED], 0);
	ck_assert_uint_eq(set.fault[0].active, 1000);
	ck_assert_uint_eq(set.nunbound, 999);
	ck_assert_ptr_eq(fault_unbound_find(&set, &t[0]), w[0]);
	ck_assert_ptr_null(fault_unbound_find(&set, &t[1]));
	ck_assert_ptr_eq(fault_unbound_find(&set, &t[2]), w[2]);

	for (uint16_t i = 0; i < 999; i++)
		ck_assert_ptr_nonnull(conn((uint16_t)(2001 + i)));
	ck_assert_uint_eq(set.nunbound, 0);
	ck_assert_ptr_null(conn(4000)); /* flows stay */
	ck_assert_uint_eq(set.fault[0].count[FC_SUPPRESSED], 1);
}
END_TEST

START_TEST(lease_ends_at_its_time)
{
	int slot = add("type=loss lease=5s");

	ck_assert_int_eq(fault_set_expired(&set, now), -1);
	now = mono_add(now, 5 * USEC_PER_SEC);
	ck_assert_int_eq(fault_set_expired(&set, now), slot);
	fault_set_lease(&set, slot, 0, now);
	ck_assert_int_eq(fault_set_expired(&set, now), -1);
}
END_TEST

START_TEST(order_decides_who_comes_first)
{
	int late = add("late type=loss percent=100 order=9"),
	    early = add("early type=loss percent=100 order=1");

	send_data(conn(1), 0);
	ck_assert_uint_eq(set.fault[early].count[FC_INJECTED], 1);
	ck_assert_uint_eq(set.fault[late].count[FC_MATCHED], 0);
}
END_TEST

START_TEST(deleted_fault_is_forgotten)
{
	int slot = add("type=loss percent=100");
	struct fault_flow *w = conn(1);

	fault_set_del(&set, slot);
	ck_assert(!send_data(w, 0).drop);
	ck_assert_int_eq(fault_set_find(&set, "loss"), -1);
}
END_TEST

/* Which of the first 64 segments of a connection are lost, as a mask. */
static uint64_t losses(struct fault_flow *w)
{
	uint64_t m = 0;

	for (uint32_t i = 0; i < 64; i++)
		m |= (uint64_t)send_data(w, i).drop << i;
	return m;
}

START_TEST(equal_seed_decides_alike_whatever_runs_beside)
{
	struct fault_flow *a, *b;
	uint64_t first, second;

	add("mine type=loss percent=30");
	a = conn(1);
	first = losses(a);
	teardown();
	setup();
	add("other type=delay time=5ms jitter=5ms");
	add("mine type=loss percent=30");
	b = conn(9);
	second = losses(b);
	ck_assert_uint_eq(first, second);
	ck_assert_uint_ne(first, losses(conn(2)));
}
END_TEST

START_TEST(rate_spaces_segments_and_drops_beyond_limit)
{
	struct fault_flow *w;

	add("type=rate rate=1052KB limit=3000");
	w = conn(1);
	ck_assert_int_eq(send_data(w, 0).delay_us, 1000);
	ck_assert_int_eq(send_data(w, 1).delay_us, 2000);
	ck_assert_int_eq(send_data(w, 2).delay_us, 3000);
	ck_assert(send_data(w, 3).drop);
	now = mono_add(now, 10000);
	ck_assert_int_eq(send_data(w, 4).delay_us, 1000);
}
END_TEST

START_TEST(black_hole_comes_and_goes)
{
	struct fault_flow *w;
	char got[11] = "";

	add("type=blackhole on=1s off=1s repeat=2");
	w = conn(1);
	for (int i = 0; i < 10; i++) {
		got[i] = send_data(w, 0).drop ? 'x' : '.';
		now = mono_add(now, USEC_PER_SEC / 2);
	}
	ck_assert_str_eq(got, "xx..xx....");
}
END_TEST

START_TEST(reset_at_byte_keeps_what_is_before)
{
	struct fault_flow *w;
	struct fault_verdict v;

	add("type=end action=reset after=byte:1500");
	w = conn(1);
	ck_assert_int_eq(send_data(w, 0).act, 0);
	v = send_data(w, 1);
	ck_assert_int_eq(v.act, FAULT_ACT_RESET);
	ck_assert_uint_eq(v.keep, 500);
	ck_assert_int_eq(send_data(w, 2).act, 0);
}
END_TEST

/* Bytes wait at a timeout, @n in all; nothing passes. */
static void hold(struct fault_flow *w, uint32_t n)
{
	mono_t wake;

	ck_assert_uint_eq(fault_stream_release(&set, w, FAULT_DOWNSTREAM, n,
					       now, &wake),
			  0);
}

static void assert_wake(const struct fault_flow *w, int64_t ms)
{
	mono_t at = fault_flow_wake(&set, w);

	ck_assert_int_eq(mono_is_set(at) ? mono_sub(at, now) / 1000 : -1, ms);
}

START_TEST(timeout_clock_begins_as_told)
{
	static const struct {
		const char *line;
		int64_t begin, first, same, more;
	} rows[] = {
		{"type=timeout timeout=10", 10, 9, 8, 7},
		{"type=timeout timeout=10 from=data", -1, 10, 9, 8},
		{"type=timeout timeout=10 from=idle", 10, 10, 9, 10},
		{"type=timeout timeout=10 from=idle close=fin", 10, 10, 10, 10},
		{"type=timeout timeout=0 from=idle", -1, -1, -1, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int slot = add(rows[i].line);
		struct fault_flow *w = conn((uint16_t)(i + 1));

		assert_wake(w, rows[i].begin);
		now = mono_add(now, USEC_PER_MSEC);
		hold(w, 5);
		assert_wake(w, rows[i].first);
		now = mono_add(now, USEC_PER_MSEC);
		hold(w, 5);
		assert_wake(w, rows[i].same);
		now = mono_add(now, USEC_PER_MSEC);
		hold(w, 6);
		assert_wake(w, rows[i].more);
		fault_flow_free(&set, w);
		fault_set_del(&set, slot);
	}
}
END_TEST

START_TEST(timeout_of_old_connection_begins_when_it_joins)
{
	struct fault_flow *w;
	uint8_t side = 9;

	add("type=loss");
	w = conn(1);
	now = mono_add(now, USEC_PER_SEC);
	ck_assert(fault_flow_join(
		&set, w, add("b type=timeout timeout=10 close=fin scope=all"),
		"web"));
	assert_wake(w, 10);
	ck_assert_uint_eq(fault_flow_due(&set, w, now, &side), 0);
	now = mono_add(now, 10 * USEC_PER_MSEC);
	ck_assert_uint_eq(fault_flow_due(&set, w, now, &side), FAULT_ACT_CLOSE);
	ck_assert_uint_eq(fault_flow_due(&set, w, now, &side), 0);
}
END_TEST

START_TEST(bandwidth_releases_its_rate)
{
	struct fault_flow *w;
	uint64_t passed = 0;
	mono_t end, wake;

	add("type=bandwidth rate=100");
	w = conn(1);
	end = mono_add(now, 10 * USEC_PER_SEC);
	while (mono_before(now, end)) {
		passed += fault_stream_release(&set, w, FAULT_DOWNSTREAM,
					       1 << 20, now, &wake);
		if (mono_before(now, wake))
			now = wake;
	}
	ck_assert_uint_gt(passed, 980000);
	ck_assert_uint_lt(passed, 1030000);
	ck_assert_uint_eq(fault_stream_release(&set, w, FAULT_UPSTREAM, 99, now,
					       &wake),
			  99);
}
END_TEST

START_TEST(expectation_unmet_is_named)
{
	const struct fault *f =
		&set.fault[add("type=loss percent=0 expect=injected>=1")];
	char err[200] = "";

	send_data(conn(1), 0);
	ck_assert(!told_holds(f->spec.name, &f->spec.expect,
			      f->count[FC_INJECTED], err, sizeof(err)));
	ck_assert_str_eq(err, "fault loss: expected injected>=1, it is 0");
}
END_TEST

static char report[500];

static void on_line(void *arg, const char *json)
{
	(void)arg;
	snprintf(report, sizeof(report), "%s", json);
}

/* What a report says can be given to a fault to have it decide so again. */
START_TEST(seed_of_the_set_is_one_that_a_fault_may_have)
{
	struct fault_set big;

	ck_assert_int_eq(fault_set_init(&big, UINT64_MAX - 5, 4, now), 0);
	ck_assert_uint_gt(big.seed, 0);
	ck_assert_uint_le(big.seed, UINT32_MAX);
	fault_set_fini(&big);
	ck_assert_int_eq(fault_set_init(&big, UINT64_MAX, 4, now), 0);
	ck_assert_uint_eq(big.seed, 1);
	fault_set_fini(&big);
}
END_TEST

START_TEST(decision_reported_as_json)
{
	add("type=loss percent=100");
	set.line = on_line;
	send_data(conn(1), 3);
	ck_assert_str_eq(
		report,
		"{\"id\":1,\"t\":1000000,\"seed\":42,\"fault\":\"loss\","
		"\"type\":\"loss\",\"conn\":1,\"serial\":1,\"event\":"
		"1,\"side\":\"client\",\"dir\":\"to_peer\",\"state\":"
		"4,\"off\":3000,\"seq\":3001,\"len\":1000,"
		"\"action\":\"drop\"}");
}
END_TEST

START_TEST(offsets_survive_wrapped_sequence_numbers)
{
	struct fault_track t = {.known = true, .base = SEQ(0xfffffff0u)};
	bool fresh;

	ck_assert_uint_eq(fault_track_offset(&t, SEQ(0xfffffff0u), 32, &fresh),
			  0);
	ck_assert(fresh);
	ck_assert_uint_eq(fault_track_offset(&t, SEQ(16), 8, &fresh), 32);
	ck_assert_uint_eq(fault_track_offset(&t, SEQ(0), 8, &fresh), 16);
	ck_assert(!fresh);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_set");
	TCase *tc = tcase_create("set");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, selectors_take_only_what_they_name);
	tcase_add_test(tc, every_third_connection_carries_it);
	tcase_add_test(tc, toxicity_rolled_once_per_connection);
	tcase_add_test(tc, skip_and_count_bound_injections);
	tcase_add_test(tc, duration_over_fault_rests);
	tcase_add_test(tc, trigger_byte_arms_for_good);
	tcase_add_test(tc, max_active_leaves_later_connections_alone);
	tcase_add_test(tc, unbound_full_room_oldest_is_forgotten);
	tcase_add_test(tc, lease_ends_at_its_time);
	tcase_add_test(tc, order_decides_who_comes_first);
	tcase_add_test(tc, deleted_fault_is_forgotten);
	tcase_add_test(tc, equal_seed_decides_alike_whatever_runs_beside);
	tcase_add_test(tc, rate_spaces_segments_and_drops_beyond_limit);
	tcase_add_test(tc, black_hole_comes_and_goes);
	tcase_add_test(tc, reset_at_byte_keeps_what_is_before);
	tcase_add_test(tc, timeout_clock_begins_as_told);
	tcase_add_test(tc, timeout_of_old_connection_begins_when_it_joins);
	tcase_add_test(tc, bandwidth_releases_its_rate);
	tcase_add_test(tc, expectation_unmet_is_named);
	tcase_add_test(tc, seed_of_the_set_is_one_that_a_fault_may_have);
	tcase_add_test(tc, decision_reported_as_json);
	tcase_add_test(tc, offsets_survive_wrapped_sequence_numbers);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
