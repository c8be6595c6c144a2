/* SPDX-License-Identifier: MIT */
/*
 * LINKS: util/record util/hash util/region util/slab shield/hindex shield/known
 * LINKS: shield/synq
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/synq.h"
#include "util/prng.h"

#define SEC INT64_C(1000000)
#define MSEC INT64_C(1000)
#define ISN 7000u
#define ISS 90000u
#define TSV 500u

static const uint8_t secret[32] = "queue secret";
static struct synq q;
static mono_t now;
static struct synq_policy pol;
static struct synq_syn got;

static void setup(void)
{
	now = (mono_t){5000 * SEC};
	pol = (struct synq_policy){.wnd = 1000, .ack_interval_us = 500 * MSEC};
	ck_assert_int_eq(synq_init(&q, 1000, secret), 0);
}

static void teardown(void)
{
	synq_fini(&q);
}

static struct tuple tuple_n(uint32_t n)
{
	struct tuple t = {.lport = 443, .rport = (uint16_t)(n + 1)};
	uint8_t a[16] = {0x20, 0x01, 0x0d, 0xb8};

	put_be32(a + 12, 0x0a000000u + n);
	t.local = n & 1 ? ipaddr_v6(a) : ipaddr_v4(a + 12);
	t.remote = t.local;
	return t;
}

static struct synq_syn syn_n(uint32_t n)
{
	return (struct synq_syn){.t = tuple_n(n),
				 .client_isn = SEQ(ISN),
				 .iss = SEQ(ISS),
				 .tsval = TSV,
				 .mss = 1460,
				 .wscale = 14,
				 .wscale_ok = true,
				 .sack_ok = true,
				 .ts_ok = true,
				 .ecn = true,
				 .service = SYNQ_SERVICES - 1,
				 .retries = 5};
}

static int add(uint32_t n)
{
	struct synq_syn s = syn_n(n);

	return synq_add(&q, &s, now);
}

static bool present(uint32_t n)
{
	struct tuple t = tuple_n(n);

	return synq_find(&q, &t) != NULL;
}

static struct segment seg_n(uint32_t n, uint16_t flags, uint32_t seq,
			    uint32_t ack)
{
	struct segment s = {.t = tuple_n(n),
			    .flags = flags,
			    .seq = SEQ(seq),
			    .ack = SEQ(ack)};

	s.opts.has = OPT_HAS_TS;
	s.opts.tsval = TSV + 3;
	return s;
}

static enum synq_action input(const struct segment *s)
{
	struct synq_entry *e = synq_find(&q, &s->t);

	ck_assert_ptr_nonnull(e);
	return synq_input(&q, e, s, now, &pol, &got);
}

START_TEST(entry_keeps_what_was_given)
{
	struct synq_syn want = syn_n(1);
	struct tuple t = tuple_n(1);

	ck_assert_int_eq(add(1), 0);
	ck_assert_int_eq(add(1), -EEXIST);
	synq_describe(&q, synq_find(&q, &t), &got);
	ck_assert_mem_eq(&got.t, &want.t, sizeof(t));
	ck_assert_uint_eq(got.client_isn.v, ISN);
	ck_assert_uint_eq(got.iss.v, ISS);
	ck_assert_uint_eq(got.tsval, TSV);
	ck_assert_uint_eq(got.mss, 1460);
	ck_assert_uint_eq(got.wscale, 14);
	ck_assert(got.wscale_ok && got.sack_ok && got.ts_ok && got.ecn);
	ck_assert_uint_eq(got.service, SYNQ_SERVICES - 1);
	ck_assert_uint_eq(got.retries, 5);
}
END_TEST

START_TEST(queue_full_refuses)
{
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(add(i), 0);
	ck_assert_int_eq(add(1000), -ENOSPC);
	ck_assert_uint_eq(synq_count(&q), 1000);
}
END_TEST

/* Linux: 1, 3, 7, 15, 31 s, given up after 63 s. */
START_TEST(unanswered_synack_is_sent_five_times_in_63_s)
{
	static const int64_t at[] = {1, 3, 7, 15, 31};
	mono_t start = now;

	add(0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(synq_deadline(&q, now).us,
				 start.us + at[i] * SEC);
		now = mono_add(start, at[i] * SEC - 1);
		ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_IDLE);
		now = mono_add(start, at[i] * SEC);
		ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_AGAIN);
		ck_assert_uint_eq(got.sent_again, i + 1);
		ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_IDLE);
	}
	now = mono_add(start, 63 * SEC);
	ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_EXPIRED);
	ck_assert_uint_eq(synq_count(&q), 0);
	ck_assert_int_eq(synq_deadline(&q, now).us, MONO_NEVER.us);
}
END_TEST

START_TEST(timeouts_stop_growing_at_120_s)
{
	ck_assert_int_eq(synq_timeout_us(6), 64 * SEC);
	ck_assert_int_eq(synq_timeout_us(7), 120 * SEC);
	ck_assert_int_eq(synq_timeout_us(31), 120 * SEC);
}
END_TEST

START_TEST(ack_completes_and_leaves)
{
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);

	add(2);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
	ck_assert_uint_eq(got.tsval, TSV + 3);
	ck_assert(!present(2));
}
END_TEST

/* Below and above what was sent, and half of the numbers away from it. */
static const uint32_t wrong_acks[] = {ISS + 2, ISS, ISS - 1, ISS + 0x80000000u,
				      ISS + 0x80000002u};

START_TEST(ack_with_wrong_number_is_reset_and_entry_stays)
{
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, wrong_acks[_i]);

	add(2);
	ck_assert_int_eq(input(&s), SYNQ_RESET);
	ck_assert(present(2));
}
END_TEST

START_TEST(ack_out_of_window_or_old_is_acked)
{
	struct segment right = seg_n(2, TCP_ACK, ISN + 1 + 1001, ISS + 1);
	struct segment left = seg_n(2, TCP_ACK, ISN, ISS + 1);
	struct segment paws = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);

	paws.opts.tsval = TSV - 1;
	add(2);
	ck_assert_int_eq(input(&right), SYNQ_ACK);
	ck_assert_int_eq(input(&left), SYNQ_ACK);
	ck_assert_int_eq(input(&paws), SYNQ_ACK);
	ck_assert(present(2));
}
END_TEST

START_TEST(syn_again_is_answered_once_per_interval)
{
	struct segment s = seg_n(2, TCP_SYN, ISN, 0);
	mono_t start = now;

	add(2);
	ck_assert_int_eq(input(&s), SYNQ_DROP);
	now = mono_add(start, 600 * MSEC);
	ck_assert_int_eq(input(&s), SYNQ_SYNACK);
	ck_assert_int_eq(input(&s), SYNQ_DROP);
	/* it counts as the retransmission: the timer began anew */
	ck_assert_int_eq(synq_deadline(&q, now).us, start.us + 1600 * MSEC);
}
END_TEST

START_TEST(syn_other_in_window_aborts)
{
	struct segment in = seg_n(2, TCP_SYN, ISN + 5, 0);
	struct segment out = seg_n(4, TCP_SYN, ISN + 5000, 0);

	add(2);
	add(4);
	ck_assert_int_eq(input(&in), SYNQ_ABORT);
	ck_assert(!present(2));
	ck_assert_int_eq(input(&out), SYNQ_ACK);
	ck_assert(present(4));
}
END_TEST

/* RFC 5961, 3.2: a forger has to hit one number, not one of 65,536. */
START_TEST(rst_at_rcv_nxt_kills_others_do_not)
{
	static const struct {
		uint32_t seq;
		enum synq_action want;
	} row[] = {
		{ISN, SYNQ_DROP},
		{ISN + 2, SYNQ_ACK},
		{ISN + 1000, SYNQ_ACK},
		{ISN + 1001, SYNQ_DROP},
		{ISN, SYNQ_DROP},
		{ISN - 70000, SYNQ_DROP},
		{ISN + 0x7fffffff, SYNQ_DROP},
	};

	add(2);
	for (uint32_t i = 0; i < ARRAY_LEN(row); i++) {
		struct segment s = seg_n(2, TCP_RST, row[i].seq, 0);

		ck_assert_int_eq(input(&s), row[i].want);
		ck_assert(present(2));
	}
}
END_TEST

/* RFC 9293, 3.10.7.4: RST is looked at before ACK; it bears no timestamp that
 * PAWS could judge. */
START_TEST(rst_at_rcv_nxt_kills_whatever_its_ack_and_timestamp)
{
	struct segment bare = seg_n(2, TCP_RST, ISN + 1, 0);
	struct segment ack = seg_n(4, TCP_ACK | TCP_RST, ISN + 1, ISS + 2);
	struct segment old = seg_n(6, TCP_RST, ISN + 1, 0);

	old.opts.tsval = TSV - 1;
	add(2);
	add(4);
	add(6);
	ck_assert_int_eq(input(&bare), SYNQ_KILL);
	ck_assert_int_eq(input(&ack), SYNQ_KILL);
	ck_assert_int_eq(input(&old), SYNQ_KILL);
	ck_assert(!present(2) && !present(4) && !present(6));
}
END_TEST

START_TEST(refused_flow_returns_to_the_queue)
{
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);

	add(2);
	now = mono_add(now, SEC);
	ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_AGAIN);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
	synq_refuse(&q, &got, now);
	now = mono_add(now, 2 * SEC);
	ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_AGAIN);
	ck_assert_uint_eq(got.sent_again, 2);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
}
END_TEST

START_TEST(defer_accept_ignores_bare_acks_for_its_time)
{
	struct synq_syn syn = syn_n(2);
	struct segment bare = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);
	enum synq_due due;

	ck_assert_uint_eq(synq_defer_retries(0), 0);
	ck_assert_uint_eq(synq_defer_retries(SEC), 1);
	ck_assert_uint_eq(synq_defer_retries(10 * SEC), 4); /* 15 s */
	syn.defer = synq_defer_retries(10 * SEC);
	ck_assert_int_eq(synq_add(&q, &syn, now), 0);
	ck_assert_int_eq(input(&bare), SYNQ_DROP);
	for (int i = 0; i < 4; i++) {
		now = synq_deadline(&q, now);
		due = synq_expire(&q, now, &got);
		ck_assert_int_eq(due, i < 3 ? SYNQ_WAIT : SYNQ_AGAIN);
	}
	ck_assert_int_eq(input(&bare), SYNQ_OPEN);
}
END_TEST

/* The time of an answer serves as a round trip only where it is known whose
 * answer it was (Karn), and never makes it too short. */
START_TEST(answer_sent_once_gives_a_round_trip)
{
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);
	mono_t sent = now = mono_add(now, 300 + 77 * _i);

	add(2);
	now = mono_add(now, 40 * MSEC);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
	ck_assert_int_le(synq_answered_at(&got, now).us, sent.us);
	ck_assert_int_ge(synq_answered_at(&got, now).us, sent.us - MSEC);
}
END_TEST

START_TEST(answer_sent_twice_gives_no_round_trip)
{
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);
	struct segment syn = seg_n(2, TCP_SYN, ISN, 0);

	add(2);
	now = mono_add(now, 600 * MSEC);
	if (_i)
		now = mono_add(now, 400 * MSEC);
	if (_i == 1)
		ck_assert_int_eq(synq_expire(&q, now, &got), SYNQ_AGAIN);
	else if (_i == 0)
		ck_assert_int_eq(input(&syn), SYNQ_SYNACK);
	now = mono_add(now, 40 * MSEC);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
	if (_i == 2) { /* no room for the flow: it is answered again */
		synq_refuse(&q, &got, now);
		ck_assert_int_eq(input(&s), SYNQ_OPEN);
	}
	ck_assert(!mono_is_set(synq_answered_at(&got, now)));
}
END_TEST

START_TEST(defer_accept_wait_is_no_round_trip)
{
	struct synq_syn syn = syn_n(2);
	struct segment s = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);

	syn.defer = 4;
	ck_assert_int_eq(synq_add(&q, &syn, now), 0);
	ck_assert_int_eq(input(&s), SYNQ_DROP);
	s.data.len = 10;
	now = mono_add(now, 900 * MSEC);
	ck_assert_int_eq(input(&s), SYNQ_OPEN);
	ck_assert(!mono_is_set(synq_answered_at(&got, now)));
}
END_TEST

START_TEST(defer_accept_data_opens_at_once)
{
	struct synq_syn syn = syn_n(2);
	struct segment data = seg_n(2, TCP_ACK, ISN + 1, ISS + 1);

	syn.defer = 4;
	data.data.len = 10;
	ck_assert_int_eq(synq_add(&q, &syn, now), 0);
	ck_assert_int_eq(input(&data), SYNQ_OPEN);
}
END_TEST

/* Thousands of random steps: nothing is lost, nothing is early. */
START_TEST(random_operations_keep_queue_consistent)
{
	enum {
		N = 300
	};
	bool in[N] = {false};
	uint32_t count = 0;
	struct prng r;

	prng_seed(&r, 3);
	for (int step = 0; step < 30000; step++) {
		uint32_t n = prng_below(&r, N), op = prng_below(&r, 4);
		struct segment s = seg_n(n, TCP_ACK, ISN + 1, ISS + 1);

		if (op < 2) {
			ck_assert_int_eq(add(n), in[n] ? -EEXIST : 0);
			count += !in[n];
			in[n] = true;
		} else if (op == 2 && in[n]) {
			ck_assert_int_eq(input(&s), SYNQ_OPEN);
			in[n] = false;
			count--;
		} else {
			enum synq_due d;

			now = mono_add(now, prng_below(&r, 1000) * MSEC);
			while ((d = synq_expire(&q, now, &got)) != SYNQ_IDLE) {
				n = got.t.rport - 1u;
				ck_assert(in[n]);
				in[n] = d != SYNQ_EXPIRED;
				count -= d == SYNQ_EXPIRED;
			}
			ck_assert_int_gt(synq_deadline(&q, now).us, now.us);
		}
		ck_assert_uint_eq(synq_count(&q), count);
	}
	for (int i = 0; i < 64; i++) { /* every entry ends in its time */
		now = mono_add(now, SEC);
		while (synq_expire(&q, now, &got) != SYNQ_IDLE)
			continue;
	}
	ck_assert_uint_eq(synq_count(&q), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("synq");
	TCase *tc = tcase_create("synq");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, entry_keeps_what_was_given);
	tcase_add_test(tc, queue_full_refuses);
	tcase_add_test(tc, unanswered_synack_is_sent_five_times_in_63_s);
	tcase_add_test(tc, timeouts_stop_growing_at_120_s);
	tcase_add_test(tc, ack_completes_and_leaves);
	tcase_add_loop_test(tc, ack_with_wrong_number_is_reset_and_entry_stays,
			    0, ARRAY_LEN(wrong_acks));
	tcase_add_test(tc, ack_out_of_window_or_old_is_acked);
	tcase_add_test(tc, syn_again_is_answered_once_per_interval);
	tcase_add_test(tc, syn_other_in_window_aborts);
	tcase_add_test(tc, rst_at_rcv_nxt_kills_others_do_not);
	tcase_add_test(tc, rst_at_rcv_nxt_kills_whatever_its_ack_and_timestamp);
	tcase_add_test(tc, refused_flow_returns_to_the_queue);
	tcase_add_test(tc, defer_accept_ignores_bare_acks_for_its_time);
	tcase_add_loop_test(tc, answer_sent_once_gives_a_round_trip, 0, 13);
	tcase_add_loop_test(tc, answer_sent_twice_gives_no_round_trip, 0, 3);
	tcase_add_test(tc, defer_accept_wait_is_no_round_trip);
	tcase_add_test(tc, defer_accept_data_opens_at_once);
	tcase_add_test(tc, random_operations_keep_queue_consistent);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
