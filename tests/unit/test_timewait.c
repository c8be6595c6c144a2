/* SPDX-License-Identifier: MIT */
/*
 * LINKS: util/record util/hash util/region util/slab shield/hindex shield/known
 * LINKS: shield/owners shield/timewait
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/timewait.h"
#include "util/prng.h"

#define SEC INT64_C(1000000)
#define MSEC INT64_C(1000)
#define LEN (60 * SEC)
#define SLACK (17 * MSEC) /* deadlines are rounded up to 16.4 ms */
#define SND 1000u
#define RCV 5000u
#define TSR 900u /* ts_recent */

static const uint8_t secret[32] = "table secret";
static struct tw_table tw;
static mono_t now;
static struct tw_policy pol;
static struct tw_reply rep;

static void setup_max(uint32_t max)
{
	struct tw_cfg c = {.max = max};

	now = (mono_t){1000 * SEC};
	pol = (struct tw_policy){.len_us = LEN,
				 .ack_interval_us = 500 * MSEC,
				 .reuse = 1,
				 .reuse_delay_us = SEC,
				 .rfc1337 = true};
	ck_assert_int_eq(tw_init(&tw, &c, secret, now), 0);
}

static void setup(void)
{
	setup_max(1000);
}

static void teardown(void)
{
	tw_fini(&tw);
}

static struct tuple tuple_n(uint32_t n, bool v6)
{
	struct tuple t = {.lport = 443, .rport = (uint16_t)(n + 1024)};
	uint8_t a[16] = {0x20, 0x01, 0x0d, 0xb8};

	put_be32(a + 12, 0xc6336400u + n / 60000);
	t.local = ipaddr_v4((const uint8_t[]){192, 0, 2, 1});
	t.remote = ipaddr_v4(a + 12);
	if (v6)
		t.local = t.remote = ipaddr_v6(a);
	return t;
}

static int add(uint32_t n, bool v6, bool ts, uint8_t overflow, int64_t len)
{
	struct tw_new e = {.t = tuple_n(n, v6),
			   .snd_nxt = SEQ(SND),
			   .rcv_nxt = SEQ(RCV),
			   .rcv_wnd = 512,
			   .ts_ok = ts,
			   .ts_recent = TSR,
			   .ts_off = 77,
			   .service = 65535,
			   .overflow = overflow};

	return tw_add(&tw, &e, now, len);
}

static struct segment seg_n(uint32_t n, uint32_t seq, uint16_t flags)
{
	struct segment s = {.t = tuple_n(n, false),
			    .seq = SEQ(seq),
			    .ack = SEQ(SND),
			    .family = 4,
			    .flags = flags};

	return s;
}

static struct segment seg_ts(uint32_t seq, uint16_t flags, uint32_t tsval)
{
	struct segment s = seg_n(0, seq, flags);

	s.opts.has = OPT_HAS_TS;
	s.opts.tsval = tsval;
	return s;
}

static enum tw_action input(const struct segment *s)
{
	struct tw_entry *e = tw_find(&tw, &s->t);

	ck_assert_ptr_nonnull(e);
	return tw_input(&tw, e, s, now, &pol, &rep);
}

static bool present(uint32_t n, bool v6)
{
	struct tuple t = tuple_n(n, v6);

	return tw_find(&tw, &t) != NULL;
}

static void after(int64_t us)
{
	now = mono_add(now, us);
	tw_expire(&tw, now);
}

START_TEST(table_entry_survives_exactly_its_length)
{
	for (int v6 = 0; v6 < 2; v6++) {
		add(0, v6, true, TW_DESTROY, LEN);
		ck_assert_int_ge(tw_deadline(&tw).us, now.us + LEN);
		ck_assert_int_le(tw_deadline(&tw).us, now.us + LEN + SLACK);
		after(LEN - 1);
		ck_assert(present(0, v6));
		after(SLACK);
		ck_assert(!present(0, v6));
		ck_assert_uint_eq(tw_count(&tw), 0);
		ck_assert_int_eq(tw_deadline(&tw).us, MONO_NEVER.us);
	}
}
END_TEST

struct walked {
	uint32_t n, v6;
	mono_t last;
};

static void note(void *arg, const struct tw_place *p)
{
	struct walked *w = arg;
	bool v6 = !ipaddr_is_v4(&p->t.remote);

	ck_assert(present((uint32_t)p->t.rport - 1024, v6));
	ck_assert_int_eq(p->len_us, LEN);
	if (v6 == (w->v6 > 0))
		ck_assert_int_le(w->last.us, p->end.us);
	w->last = p->end;
	w->n++;
	w->v6 += v6;
}

START_TEST(table_walk_shows_each_entry_and_its_end)
{
	struct walked w = {.n = 0};

	tw_walk(&tw, note, &w);
	ck_assert_uint_eq(w.n, 0);
	for (uint32_t i = 0; i < 20; i++) {
		add(i, i % 2, true, TW_DESTROY, LEN);
		after(SEC);
	}
	tw_walk(&tw, note, &w);
	ck_assert_uint_eq(w.n, 20);
	ck_assert_uint_eq(w.v6, 10);
	ck_assert_int_ge(w.last.us, now.us + LEN - SEC);
	ck_assert_int_le(w.last.us, now.us + LEN - SEC + SLACK);
}
END_TEST

START_TEST(table_entry_keeps_what_was_given)
{
	struct tuple t = tuple_n(3, true);

	add(3, true, true, TW_DESTROY, LEN);
	tw_describe(&tw, tw_find(&tw, &t), &rep);
	ck_assert_uint_eq(rep.seq.v, SND);
	ck_assert_uint_eq(rep.ack.v, RCV);
	ck_assert_uint_eq(rep.wnd, 512);
	ck_assert(rep.ts_ok);
	ck_assert_uint_eq(rep.ts_recent, TSR);
	ck_assert_uint_eq(rep.ts_off, 77);
	ck_assert_uint_eq(rep.service, 65535);
}
END_TEST

START_TEST(table_many_due_end_in_batches)
{
	teardown();
	setup_max(3000);
	for (uint32_t i = 0; i < 3000; i++)
		add(i, i & 1, true, TW_DESTROY, LEN);
	after(LEN + SLACK);
	ck_assert_uint_eq(tw_count(&tw), 3000 - TW_EXPIRE_BATCH);
	ck_assert_int_le(tw_deadline(&tw).us, now.us);
	after(0);
	after(0);
	ck_assert_uint_eq(tw_count(&tw), 0);
}
END_TEST

START_TEST(table_same_tuple_is_replaced)
{
	add(0, false, true, TW_DESTROY, LEN);
	add(0, false, false, TW_DESTROY, LEN);
	ck_assert_uint_eq(tw_count(&tw), 1);
}
END_TEST

START_TEST(full_table_destroy_refuses_and_counts)
{
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(add(i, i & 1, true, TW_DESTROY, LEN), 0);
	ck_assert_int_eq(add(1000, false, true, TW_DESTROY, LEN), -ENOSPC);
	ck_assert_uint_eq(tw.overflowed, 1);
	ck_assert_uint_eq(tw_count(&tw), 1000);
	ck_assert(present(0, false));
}
END_TEST

START_TEST(full_table_evict_oldest_drops_the_first_to_end)
{
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert_int_eq(add(i, i & 1, true, TW_DESTROY, LEN), 0);
		after(SLACK);
	}
	ck_assert_int_eq(add(1000, true, true, TW_EVICT_OLDEST, LEN), 0);
	ck_assert(!present(0, false));
	ck_assert(present(1, true));
	ck_assert_int_eq(add(1001, false, true, TW_EVICT_OLDEST, LEN), 0);
	ck_assert(!present(1, true));
	ck_assert_uint_eq(tw.evicted, 2);
	ck_assert_uint_eq(tw_count(&tw), 1000);
}
END_TEST

START_TEST(service_limit_below_the_table_is_honoured)
{
	struct tw_new n = {
		.t = tuple_n(9, false), .service = 65535, .limit = 5};

	for (uint32_t i = 0; i < 5; i++)
		add(i, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(tw_add(&tw, &n, now, LEN), -ENOSPC);
}
END_TEST

/* Others' entries are no business of a service that churns. */
START_TEST(service_evicts_its_own_entries_only)
{
	struct tw_new n = {.service = 1, .overflow = TW_EVICT_OLDEST};

	for (uint32_t i = 0; i < 10; i++)
		add(i, false, true, TW_DESTROY, LEN);
	n.limit = 2;
	for (uint32_t i = 20; i < 26; i++) {
		after(SLACK);
		n.t = tuple_n(i, false);
		ck_assert_int_eq(tw_add(&tw, &n, now, LEN), 0);
	}
	ck_assert_uint_eq(tw_count(&tw), 12);
	ck_assert(present(0, false));
	ck_assert(!present(23, false));
	ck_assert(present(24, false) && present(25, false));
	ck_assert_uint_eq(tw.evicted, 4);
}
END_TEST

START_TEST(full_table_of_others_refuses_and_evicts_none)
{
	struct tw_new n = {.service = 1, .overflow = TW_EVICT_OLDEST};

	for (uint32_t i = 0; i < 1000; i++)
		add(i, false, true, TW_DESTROY, LEN);
	n.t = tuple_n(2000, false);
	ck_assert_int_eq(tw_add(&tw, &n, now, LEN), -ENOSPC);
	ck_assert_uint_eq(tw.evicted, 0);
	ck_assert_uint_eq(tw.overflowed, 1);
	ck_assert(present(0, false));
}
END_TEST

/* More lengths than lists: order still holds, nothing ends early. */
START_TEST(table_many_lengths_end_in_order)
{
	for (uint32_t i = 0; i < 40; i++)
		add(i, i & 1, true, TW_DESTROY, (20 - i / 2) * SEC);
	for (uint32_t s = 1; s <= 20; s++) {
		after(SEC - SLACK);
		ck_assert_uint_eq(tw_count(&tw), 40 - 2 * (s - 1));
		after(SLACK);
		if (s == 1)
			after(SLACK);
		ck_assert_uint_eq(tw_count(&tw), 40 - 2 * s);
	}
}
END_TEST

/* Against a plain array, under random operations. */
START_TEST(table_random_operations_match_model)
{
	enum {
		N = 400
	};
	int64_t end[N] = {0};
	struct prng r;

	prng_seed(&r, 11);
	for (int step = 0; step < 15000; step++) {
		uint32_t n = prng_below(&r, N), op = prng_below(&r, 10);
		struct tuple t = tuple_n(n, n & 1);

		if (op < 5) {
			int64_t len = (1 + prng_below(&r, 3)) * 10 * SEC;

			ck_assert_int_eq(add(n, n & 1, 1, 0, len), 0);
			end[n] = now.us + len;
		} else if (op < 7) {
			tw_remove(&tw, &t);
			end[n] = 0;
		} else {
			after(prng_below(&r, 200) * MSEC);
		}
		for (uint32_t i = 0; i < N; i += 37) {
			if (end[i] > now.us)
				ck_assert(present(i, i & 1));
			if (end[i] + SLACK <= now.us)
				ck_assert(!present(i, i & 1));
		}
	}
	after(LEN);
	ck_assert_uint_eq(tw_count(&tw), 0);
}
END_TEST

START_TEST(timewait_retransmitted_fin_is_acked_and_restarts)
{
	struct segment s = seg_n(0, RCV - 1, TCP_FIN | TCP_ACK);

	add(0, false, false, TW_DESTROY, LEN);
	after(40 * SEC);
	for (int i = 0; i < 3; i++) { /* no rate limit on it */
		ck_assert_int_eq(input(&s), TW_ACK);
		ck_assert_uint_eq(rep.seq.v, SND);
		ck_assert_uint_eq(rep.ack.v, RCV);
	}
	after(LEN - SLACK);
	ck_assert(present(0, false));
	after(2 * SLACK);
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(timewait_bare_ack_restarts_silently)
{
	struct segment s = seg_ts(RCV, TCP_ACK, TSR + 5);

	add(0, false, true, TW_DESTROY, LEN);
	after(40 * SEC);
	ck_assert_int_eq(input(&s), TW_DROP);
	after(LEN - SLACK);
	ck_assert(present(0, false));
	tw_describe(&tw, tw_find(&tw, &s.t), &rep);
	ck_assert_uint_eq(rep.ts_recent, TSR + 5);
}
END_TEST

START_TEST(timewait_rst_is_ignored_by_rfc1337)
{
	struct segment s = seg_n(0, RCV, TCP_RST);

	add(0, false, false, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&s), TW_DROP);
	ck_assert(present(0, false));
	after(LEN + SLACK); /* nor did it restart the timer */
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(timewait_rst_kills_without_rfc1337)
{
	struct segment s = seg_n(0, RCV, TCP_RST);
	struct segment off = seg_n(0, RCV + 1, TCP_RST | TCP_ACK);

	pol.rfc1337 = false;
	add(0, false, false, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&off), TW_DROP); /* not exact: ignored */
	ck_assert(present(0, false));
	ck_assert_int_eq(input(&s), TW_KILL);
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(timewait_syn_newer_seq_opens_anew)
{
	struct segment s = seg_n(0, RCV + 1, TCP_SYN);

	add(0, false, false, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&s), TW_NEW);
	ck_assert_uint_eq(rep.seq.v, SND + 65537);
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(timewait_syn_isn_is_never_zero)
{
	struct tw_new n = {.t = tuple_n(0, false),
			   .snd_nxt = SEQ(0u - 65537u),
			   .rcv_nxt = SEQ(RCV)};
	struct segment s = seg_n(0, RCV + 1, TCP_SYN);

	tw_add(&tw, &n, now, LEN);
	ck_assert_int_eq(input(&s), TW_NEW);
	ck_assert_uint_eq(rep.seq.v, 1);
}
END_TEST

/* Without timestamps an old or equal number may be a duplicate. */
START_TEST(timewait_syn_old_seq_is_acked)
{
	struct segment s = seg_n(0, RCV, TCP_SYN);

	add(0, false, false, TW_DESTROY, LEN);
	after(30 * SEC);
	ck_assert_int_eq(input(&s), TW_ACK);
	after(30 * SEC + SLACK); /* and it does not prolong the stay */
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(timewait_syn_newer_timestamp_opens_anew)
{
	struct segment s = seg_ts(RCV - 100000, TCP_SYN, TSR + 1);

	add(0, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&s), TW_NEW);
	ck_assert_uint_eq(rep.ts_off, 77);
}
END_TEST

START_TEST(timewait_syn_equal_timestamp_needs_newer_seq)
{
	struct segment old = seg_ts(RCV - 5, TCP_SYN, TSR);
	struct segment new = seg_ts(RCV + 5, TCP_SYN, TSR);

	add(0, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&old), TW_ACK);
	ck_assert_int_eq(input(&new), TW_NEW);
}
END_TEST

START_TEST(timewait_syn_older_timestamp_is_paws_rejected)
{
	struct segment s = seg_ts(RCV + 5, TCP_SYN, TSR - 1);

	add(0, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&s), TW_ACK);
	ck_assert(rep.paws);
	ck_assert(present(0, false));
}
END_TEST

START_TEST(timewait_syn_with_ack_or_rst_never_opens)
{
	struct segment a = seg_n(0, RCV + 5, TCP_SYN | TCP_ACK);
	struct segment r = seg_n(0, RCV + 5, TCP_SYN | TCP_RST);

	add(0, false, false, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&a), TW_ACK);
	ck_assert_int_eq(input(&r), TW_DROP);
	ck_assert(present(0, false));
}
END_TEST

START_TEST(timewait_paws_zero_ts_recent_accepts_any)
{
	struct tw_new n = {
		.t = tuple_n(0, false), .rcv_nxt = SEQ(RCV), .ts_ok = true};
	struct segment s = seg_ts(RCV + 5, TCP_SYN, 0x90000000);

	tw_add(&tw, &n, now, LEN);
	ck_assert_int_eq(input(&s), TW_NEW);
}
END_TEST

START_TEST(timewait_rst_old_timestamp_is_ignored)
{
	struct segment s = seg_ts(RCV, TCP_RST, TSR - 10);

	pol.rfc1337 = false;
	add(0, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(input(&s), TW_DROP);
	ck_assert(present(0, false));
}
END_TEST

/* A client that uses one port over and over is answered each time. */
START_TEST(timewait_limit_of_answers_begins_anew)
{
	struct segment s = seg_n(0, RCV - 1, TCP_SYN);

	for (int i = 0; i < 20; i++) {
		add(0, false, false, TW_DESTROY, LEN);
		ck_assert_int_eq(input(&s), TW_ACK);
		ck_assert_int_eq(input(&s), TW_DROP);
		after(20 * MSEC);
	}
}
END_TEST

START_TEST(timewait_ack_storm_is_answered_once_per_interval)
{
	struct segment s = seg_n(0, RCV - 1, TCP_ACK);
	struct segment other = seg_n(1, RCV - 1, TCP_ACK);
	int answers = 0;

	add(0, false, false, TW_DESTROY, LEN);
	add(1, false, false, TW_DESTROY, LEN);
	for (int i = 0; i < 100; i++) { /* one second */
		answers += input(&s) == TW_ACK;
		after(10 * MSEC);
	}
	ck_assert_int_eq(answers, 2);
	ck_assert_int_eq(input(&other), TW_ACK); /* its own budget */
}
END_TEST

START_TEST(reuse_follows_mode_and_age)
{
	struct tuple t = tuple_n(0, false);

	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -ENOENT);
	add(0, false, true, TW_DESTROY, LEN);
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -EADDRINUSE);
	now = mono_add(now, SEC - SLACK);
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -EADDRINUSE);
	now = mono_add(now, 2 * SLACK);
	pol.reuse = 0;
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -EADDRINUSE);
	pol.reuse = 2; /* not on loopback */
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -EADDRINUSE);
	pol.reuse = 1;
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), 0);
	ck_assert_uint_eq(rep.seq.v, SND + 65537);
	ck_assert_uint_eq(rep.ts_off, 77);
	ck_assert(!present(0, false));
}
END_TEST

START_TEST(reuse_loopback_mode_takes_loopback)
{
	struct tw_new n = {.ts_ok = true};

	n.t.local = n.t.remote = ipaddr_v4((const uint8_t[]){127, 0, 0, 9});
	tw_add(&tw, &n, now, LEN);
	now = mono_add(now, 2 * SEC);
	pol.reuse = 2;
	ck_assert_int_eq(tw_reuse(&tw, &n.t, now, &pol, &rep), 0);
}
END_TEST

START_TEST(reuse_without_timestamps_is_refused)
{
	struct tuple t = tuple_n(0, false);

	add(0, false, false, TW_DESTROY, LEN);
	now = mono_add(now, 30 * SEC);
	ck_assert_int_eq(tw_reuse(&tw, &t, now, &pol, &rep), -EADDRINUSE);
}
END_TEST

static TCase *case_table(void)
{
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, table_entry_survives_exactly_its_length);
	tcase_add_test(tc, table_walk_shows_each_entry_and_its_end);
	tcase_add_test(tc, table_entry_keeps_what_was_given);
	tcase_add_test(tc, table_many_due_end_in_batches);
	tcase_add_test(tc, table_same_tuple_is_replaced);
	tcase_add_test(tc, full_table_destroy_refuses_and_counts);
	tcase_add_test(tc, full_table_evict_oldest_drops_the_first_to_end);
	tcase_add_test(tc, service_limit_below_the_table_is_honoured);
	tcase_add_test(tc, service_evicts_its_own_entries_only);
	tcase_add_test(tc, full_table_of_others_refuses_and_evicts_none);
	tcase_add_test(tc, table_many_lengths_end_in_order);
	tcase_add_test(tc, table_random_operations_match_model);
	tcase_add_test(tc, reuse_follows_mode_and_age);
	tcase_add_test(tc, reuse_loopback_mode_takes_loopback);
	tcase_add_test(tc, reuse_without_timestamps_is_refused);
	return tc;
}

static TCase *case_input(void)
{
	TCase *tc = tcase_create("input");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, timewait_retransmitted_fin_is_acked_and_restarts);
	tcase_add_test(tc, timewait_bare_ack_restarts_silently);
	tcase_add_test(tc, timewait_rst_is_ignored_by_rfc1337);
	tcase_add_test(tc, timewait_rst_kills_without_rfc1337);
	tcase_add_test(tc, timewait_syn_newer_seq_opens_anew);
	tcase_add_test(tc, timewait_syn_isn_is_never_zero);
	tcase_add_test(tc, timewait_syn_old_seq_is_acked);
	tcase_add_test(tc, timewait_syn_newer_timestamp_opens_anew);
	tcase_add_test(tc, timewait_syn_equal_timestamp_needs_newer_seq);
	tcase_add_test(tc, timewait_syn_older_timestamp_is_paws_rejected);
	tcase_add_test(tc, timewait_syn_with_ack_or_rst_never_opens);
	tcase_add_test(tc, timewait_paws_zero_ts_recent_accepts_any);
	tcase_add_test(tc, timewait_rst_old_timestamp_is_ignored);
	tcase_add_test(tc, timewait_limit_of_answers_begins_anew);
	tcase_add_test(tc, timewait_ack_storm_is_answered_once_per_interval);
	return tc;
}

int main(void)
{
	SRunner *sr;
	Suite *s = suite_create("timewait");
	int failed;

	suite_add_tcase(s, case_table());
	suite_add_tcase(s, case_input());
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
