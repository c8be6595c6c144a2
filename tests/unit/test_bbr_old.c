/* SPDX-License-Identifier: MIT */
/* LINKS: tcp/bbr tcp/bbr_queue tcp/rate */
/*
 * BBR beside its version 1, which is what Linux has: two or ten senders and one
 * queue, in virtual time.  The old one is a model with what decides how they
 * share: the highest rate of ten round trips, gains of 1.25, 0.75 and six times
 * 1, the least round-trip time of ten seconds and four packets to look for it,
 * a window of two bandwidth-delay products, three bursts and what is acked at
 * once (Linux 5.1 and later), and no regard for loss but in the first round
 * trip of a recovery.
 */
#include <check.h>
#include <stdlib.h>

#include "tcp/bbr.h"

#define MSS 1448u
#define FRAME 66u
#define PKTS 16384u
#define RATE 6250000u /* bytes a second: 50 Mb/s */
#define RTT (40 * USEC_PER_MSEC)
#define SECS(n) ((int64_t)(n)*USEC_PER_SEC)
#define PHASES 8
#define ROUNDS 10
#define EXTRA_ROUNDS 5
#define SENDERS 10

/**
 * struct pkt - A packet under way
 * @acked_at: when its ACK arrives; 0: it is lost
 */
struct pkt {
	struct rate_mark mark;
	int64_t sent, acked_at;
	bool done;
};

/**
 * struct old - Version 1
 * @rate, @of: highest rate of a round trip, and of which one
 * @full:     the rate that STARTUP has last seen grow
 * @probe_end: of PROBE_RTT; 0: still draining
 * @extra:    most that was acked beyond the rate, of the last five round trips
 *            or fewer, and of the five before
 * @acked:    since @acked_since
 */
struct old {
	enum {
		OLD_STARTUP,
		OLD_DRAIN,
		OLD_PROBE_BW,
		OLD_PROBE_RTT
	} state;
	uint64_t rate[ROUNDS], full;
	uint32_t of[ROUNDS], round, next_round, stalls, phase, saved;
	uint32_t extra[2], extra_rounds, acked;
	int64_t min_rtt, min_rtt_at, phase_at, probe_end, acked_since;
	bool filled, round_start, round_done, was_recovering, conserve;
};

static struct sender {
	bool is_old;
	struct bbr b;
	struct old o;
	struct bbr_view v;
	struct rate_meter r;
	struct pkt p[PKTS];
	uint32_t head, tail;
	int64_t rtt, start, next_send, recovery_until, round_rtt, last_ack;
	uint64_t sent, delivered;
} sender[SENDERS];

static int senders;

static struct prng rng;
static int64_t now, free_at;
static uint32_t seeds, uneven; /* us: what an ACK is late by at most */
static uint64_t queue;	       /* bytes */

/* --- version 1 --- */

static uint64_t old_rate(const struct old *o)
{
	uint64_t most = 0;

	for (int i = 0; i < ROUNDS; i++)
		if (o->round - o->of[i] < ROUNDS && o->rate[i] > most)
			most = o->rate[i];
	return most;
}

static uint32_t old_bdp(const struct sender *s, uint32_t percent)
{
	uint64_t n = old_rate(&s->o) * (uint64_t)s->o.min_rtt / USEC_PER_SEC;
	uint64_t cap = n * percent / 100 + 3 * s->v.quantum;

	return cap > 4 * MSS ? (uint32_t)cap : 4 * MSS;
}

static void old_enter_probe_bw(struct old *o)
{
	o->state = OLD_PROBE_BW;
	o->phase = prng_below(&rng, PHASES - 1);
	o->phase += o->phase > 0; /* not with 0.75 */
	o->phase_at = now;
}

static void old_update_rate(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	uint32_t i;

	o->round_start = a->has &&
			 (int32_t)(a->prior_delivered - o->next_round) >= 0;
	if (o->round_start) {
		o->next_round = s->r.delivered;
		o->round++;
		o->conserve = false;
	}
	i = o->round % ROUNDS;
	if (o->of[i] != o->round)
		o->rate[i] = 0;
	o->of[i] = o->round;
	if (a->rate > o->rate[i] && (!a->app_limited || a->rate >= old_rate(o)))
		o->rate[i] = a->rate;
}

static void old_update_phase(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	bool over = now - o->phase_at > o->min_rtt;
	uint32_t flight = s->v.inflight + a->newly_acked;

	if (o->phase == 0)
		over = over && (a->newly_lost || flight >= old_bdp(s, 125));
	else if (o->phase == 1)
		over = over || flight <= old_bdp(s, 100);
	if (!over)
		return;
	o->phase = (o->phase + 1) % PHASES;
	o->phase_at = now;
}

static void old_update_startup(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	uint64_t rate = old_rate(o);

	if (!o->filled && o->round_start && !a->app_limited) {
		o->stalls = rate >= o->full * 5 / 4 ? 0 : o->stalls + 1;
		if (!o->stalls)
			o->full = rate;
		o->filled = o->stalls >= 3;
	}
	if (o->state == OLD_STARTUP && o->filled)
		o->state = OLD_DRAIN;
	if (o->state == OLD_DRAIN && s->v.inflight <= old_bdp(s, 100))
		old_enter_probe_bw(o);
}

static void old_probe_rtt(struct sender *s)
{
	struct old *o = &s->o;

	rate_limited(&s->r, s->v.inflight);
	if (!o->probe_end && s->v.inflight <= 4 * MSS) {
		o->probe_end = now + 200 * USEC_PER_MSEC;
		o->round_done = false;
		o->next_round = s->r.delivered;
		return;
	}
	o->round_done |= o->probe_end && o->round_start;
	if (!o->round_done || now <= o->probe_end)
		return;
	o->min_rtt_at = now;
	s->v.cwnd = max_u32(s->v.cwnd, o->saved);
	old_enter_probe_bw(o);
}

static void old_update_min_rtt(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	bool expired = now > o->min_rtt_at + SECS(10);

	if (a->rtt_us >= 0 && (a->rtt_us < o->min_rtt || expired)) {
		o->min_rtt = a->rtt_us;
		o->min_rtt_at = now;
	}
	if (expired && o->filled && o->state != OLD_PROBE_RTT) {
		o->state = OLD_PROBE_RTT;
		o->saved = s->v.cwnd;
		o->probe_end = 0;
		o->round_done = false;
	}
	if (o->state == OLD_PROBE_RTT)
		old_probe_rtt(s);
}

static void old_set_rate(struct sender *s)
{
	static const uint32_t gain[PHASES] = {125, 75,	100, 100,
					      100, 100, 100, 100};
	const struct old *o = &s->o;
	uint32_t g = o->state == OLD_STARTUP	 ? 289
		     : o->state == OLD_DRAIN	 ? 35
		     : o->state == OLD_PROBE_RTT ? 100
						 : gain[o->phase];
	uint64_t rate = old_rate(o) * g / 100 * 99 / 100;

	if (rate && (o->filled || rate > s->v.pacing_rate))
		s->v.pacing_rate = rate;
	s->v.quantum = max_u32((uint32_t)(s->v.pacing_rate / 1024), 2 * MSS);
}

static void old_update_extra(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	uint64_t us = (uint64_t)(now - o->acked_since);
	uint64_t expected = old_rate(o) * us / USEC_PER_SEC;

	if (o->round_start && ++o->extra_rounds == EXTRA_ROUNDS) {
		o->extra_rounds = 0;
		o->extra[1] = o->extra[0];
		o->extra[0] = 0;
	}
	if (o->acked <= expected) {
		o->acked = 0;
		o->acked_since = now;
		expected = 0;
	}
	o->acked += a->newly_acked;
	o->extra[0] = max_u32(
		o->extra[0], min_u32(o->acked - (uint32_t)expected, s->v.cwnd));
}

/* Of what was acked at once, no more than a tenth of a second has. */
static uint32_t old_extra(const struct old *o)
{
	uint32_t most = max_u32(o->extra[0], o->extra[1]);

	return o->filled ? min_u32(most, (uint32_t)(old_rate(o) / 10)) : 0;
}

static void old_set_cwnd(struct sender *s, const struct rate_sample *a)
{
	struct old *o = &s->o;
	uint32_t target = old_bdp(s, o->filled ? 200 : 289) + old_extra(o);
	uint32_t flight = s->v.inflight + a->newly_acked, cwnd = s->v.cwnd;

	if (s->v.recovering && !o->was_recovering) {
		o->saved = cwnd;
		o->conserve = true;
		o->next_round = s->r.delivered;
		cwnd = flight;
	} else if (!s->v.recovering && o->was_recovering) {
		cwnd = max_u32(cwnd, o->saved);
		o->conserve = false;
	}
	o->was_recovering = s->v.recovering;
	if (o->conserve)
		cwnd = max_u32(cwnd, flight);
	else if (o->filled)
		cwnd = min_u32(cwnd + a->newly_acked, target);
	else if (cwnd < target)
		cwnd += a->newly_acked;
	cwnd = max_u32(cwnd, 4 * MSS);
	s->v.cwnd = o->state == OLD_PROBE_RTT ? 4 * MSS : cwnd;
}

static void old_on_ack(struct sender *s, const struct rate_sample *a)
{
	old_update_rate(s, a);
	if (s->o.state == OLD_PROBE_BW)
		old_update_phase(s, a);
	old_update_startup(s, a);
	old_update_min_rtt(s, a);
	old_set_rate(s);
	old_update_extra(s, a);
	old_set_cwnd(s, a);
}

static void old_begin(struct sender *s)
{
	s->o.min_rtt = s->rtt;
	s->o.min_rtt_at = now;
	s->v.quantum = 2 * MSS;
	s->v.pacing_rate = 10ull * MSS * USEC_PER_SEC / s->rtt * 289 / 100;
}

/* --- both --- */

static void view(struct sender *s)
{
	s->v.now = (mono_t){now};
	s->v.delivered = s->r.delivered;
	s->v.app_limited = s->r.limited;
	s->v.recovering = now < s->recovery_until;
}

static void send_one(struct sender *s)
{
	struct pkt *p = &s->p[s->tail++ % PKTS];
	int64_t begin = free_at > now ? free_at : now;

	view(s);
	if (!s->is_old)
		bbr_on_transmit(&s->b, &s->v);
	*p = (struct pkt){.sent = now};
	s->v.inflight += MSS;
	s->sent += MSS;
	rate_sent(&s->r, &p->mark, s->v.inflight, MSS, s->v.now);
	if ((uint64_t)(begin - now) * RATE / USEC_PER_SEC > queue)
		return;
	free_at = begin + (MSS + FRAME) * USEC_PER_SEC / RATE;
	p->acked_at = free_at + s->rtt;
	if (uneven)
		p->acked_at += prng_below(&rng, uneven);
	if (p->acked_at < s->last_ack) /* the link keeps the order */
		p->acked_at = s->last_ack;
	s->last_ack = p->acked_at;
}

static void send_burst(struct sender *s)
{
	uint32_t n = 0, most = s->v.quantum / MSS;

	if (!s->sent) {
		view(s);
		if (s->is_old)
			old_begin(s);
		else
			bbr_init(&s->b, &s->v);
	}
	do {
		send_one(s);
	} while (++n < most && s->v.inflight + MSS <= s->v.cwnd);
	s->next_send = now + (int64_t)((uint64_t)n * MSS * USEC_PER_SEC /
				       s->v.pacing_rate);
}

static void lose(struct sender *s, struct pkt *p, struct rate_sample *a)
{
	p->done = true;
	s->r.lost += MSS;
	a->newly_lost += MSS;
	s->v.inflight -= MSS;
	view(s);
	if (!s->is_old && !s->v.recovering)
		bbr_enter_recovery(&s->b, &s->v, false);
	s->recovery_until = now + s->rtt;
	if (!s->is_old)
		bbr_on_loss(&s->b, &s->v, MSS, p->mark.tx_in_flight,
			    s->r.lost - p->mark.lost, p->mark.app_limited);
}

static void new_on_ack(struct sender *s, struct rate_sample *a, bool was)
{
	if (was && !s->v.recovering)
		bbr_exit_recovery(&s->b, &s->v);
	s->v.cwnd_limited = s->v.inflight + MSS + s->v.quantum >= s->v.cwnd;
	bbr_on_ack(&s->b, &s->v, a);
	if (s->v.mark_app_limited)
		rate_limited(&s->r, s->v.inflight);
	if (!s->b.round_start)
		return;
	s->v.rtt_us = (uint32_t)s->round_rtt;
	s->round_rtt = INT64_MAX;
}

/* The ACK of packet @i: what was sent three packets earlier and is still
 * missing is lost. */
static void take_ack(struct sender *s, uint32_t i)
{
	struct rate_sample a;
	struct pkt *p = &s->p[i % PKTS];
	bool was = now < s->recovery_until;

	view(s);
	rate_begin(&a);
	rate_delivered(&s->r, &a,
		       &(struct rate_packet){&p->mark, (uint32_t)p->sent,
					     SEQ(i), MSS},
		       s->v.now);
	p->done = true;
	if (now - p->sent < s->round_rtt)
		s->round_rtt = now - p->sent;
	s->v.inflight -= MSS;
	s->delivered += MSS;
	for (uint32_t k = s->head; k + 3 < i; k++)
		if (!s->p[k % PKTS].done && !s->p[k % PKTS].acked_at)
			lose(s, &s->p[k % PKTS], &a);
	while (s->head != s->tail && s->p[s->head % PKTS].done)
		s->head++;
	rate_finish(&s->r, &a, 0);
	view(s);
	if (s->is_old)
		old_on_ack(s, &a);
	else
		new_on_ack(s, &a, was);
}

static int64_t next_ack(const struct sender *s, uint32_t *which)
{
	for (uint32_t k = s->head; k != s->tail; k++) {
		const struct pkt *p = &s->p[k % PKTS];

		*which = k;
		if (!p->done && p->acked_at)
			return p->acked_at;
	}
	return INT64_MAX;
}

static int64_t next_send(const struct sender *s)
{
	int64_t at = now > s->start ? now : s->start;

	if (s->v.inflight + MSS > s->v.cwnd)
		return INT64_MAX;
	return s->next_send > at ? s->next_send : at;
}

static void run_until(int64_t end)
{
	while (now < end) {
		struct sender *acked = NULL, *sends = NULL;
		int64_t at = end;
		uint32_t which = 0, k;

		for (struct sender *s = sender; s < sender + senders; s++) {
			if (next_ack(s, &k) < at) {
				at = next_ack(s, &which);
				acked = s;
				sends = NULL;
			}
			if (next_send(s) < at) {
				at = next_send(s);
				sends = s;
			}
		}
		now = at;
		if (sends)
			send_burst(sends);
		else if (acked)
			take_ack(acked, which);
	}
}

static void path_init(uint64_t seed, int n, uint64_t queue_bytes)
{
	prng_seed(&rng, seed);
	queue = queue_bytes;
	senders = n;
	now = SECS(100);
	free_at = 0;
	memset(sender, 0, sizeof(sender));
	for (struct sender *s = sender; s < sender + n; s++) {
		s->v = (struct bbr_view){.mss = MSS,
					 .initial_cwnd = 10 * MSS,
					 .cwnd = 10 * MSS,
					 .sack = true,
					 .rng = &rng};
		s->round_rtt = INT64_MAX;
	}
}

/* Jain's index of what is delivered in twenty seconds, after as many. */
static double jain(void)
{
	uint64_t before[SENDERS];
	double sum = 0, squares = 0;

	run_until(now + SECS(20));
	for (int i = 0; i < senders; i++)
		before[i] = sender[i].delivered;
	run_until(now + SECS(20));
	for (int i = 0; i < senders; i++) {
		double x = (double)(sender[i].delivered - before[i]);

		sum += x;
		squares += x * x;
	}
	ck_assert_double_ge(sum, 0.85 * RATE * 20);
	return sum * sum / senders / squares;
}

#define BDP (RATE / 1000 * 40)

struct group {
	bool is_old;
	int64_t rtt;
};

/* The mean of some seeds, of two groups of senders that begin within a
 * second. */
static double share_of(int n, struct group a, struct group b,
		       uint64_t queue_bytes)
{
	struct prng starts;
	double sum = 0;

	prng_seed(&starts, 1);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		path_init(seed, n, queue_bytes);
		for (int i = 0; i < n; i++) {
			struct group g = i < n / 2 ? a : b;

			sender[i].is_old = g.is_old;
			sender[i].rtt = g.rtt;
			sender[i].v.srtt_us = (uint32_t)g.rtt;
			sender[i].start =
				now + prng_below(&starts, (uint32_t)SECS(1));
		}
		sum += jain();
	}
	return sum / seeds;
}

static double share(bool old_a, bool old_b, uint64_t queue_bytes)
{
	return share_of(2, (struct group){old_a, RTT},
			(struct group){old_b, RTT}, queue_bytes);
}

/* The model is as fair to itself as Linux's is (0.999 by `make fairness'). */
START_TEST(old_beside_old_is_fair)
{
	ck_assert_double_ge(share(true, true, 2 * BDP), 0.97);
}
END_TEST

START_TEST(new_beside_new_is_fair)
{
	ck_assert_double_ge(share(false, false, 2 * BDP), 0.95);
}
END_TEST

START_TEST(new_beside_old_is_fair_in_a_deep_queue)
{
	ck_assert_double_ge(share(false, true, 2 * BDP), 0.92);
	ck_assert_double_ge(share(true, false, 2 * BDP), 0.92);
}
END_TEST

/* In a short queue the old one loses much and does not mind; the new one gives
 * way, as the draft wants it to, but is not starved. */
START_TEST(new_beside_old_lives_in_a_short_queue)
{
	ck_assert_double_ge(share(false, true, BDP), 0.65);
}
END_TEST

#define OLD(ms) ((struct group){true, (ms)*USEC_PER_MSEC})
#define NEW(ms) ((struct group){false, (ms)*USEC_PER_MSEC})

/* Of ten, none sees an empty path. */
START_TEST(ten_share_as_the_old_ones_do)
{
	ck_assert_double_ge(share_of(10, OLD(40), OLD(40), 2 * BDP), 0.93);
	ck_assert_double_ge(share_of(10, NEW(40), NEW(40), 2 * BDP), 0.95);
	ck_assert_double_ge(share_of(10, NEW(40), OLD(40), 2 * BDP), 0.93);
}
END_TEST

/* Who has the shorter round trip keeps less in flight, and has less.  How much
 * less is a matter of luck: of more seeds, and of uneven ACKs. */
START_TEST(ten_with_two_round_trips_share_as_the_old_ones_do)
{
	double old;

	seeds = 24;
	uneven = 300;
	old = share_of(10, OLD(20), OLD(80), 2 * BDP);
	ck_assert_double_ge(share_of(10, NEW(20), NEW(80), 2 * BDP), old);
	ck_assert_double_ge(share_of(10, NEW(20), OLD(80), 2 * BDP), 0.9 * old);
}
END_TEST

static void setup(void)
{
	seeds = 6;
	uneven = 0;
}

int main(void)
{
	Suite *s = suite_create("bbr_old");
	TCase *tc = tcase_create("bbr_old");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, old_beside_old_is_fair);
	tcase_add_test(tc, new_beside_new_is_fair);
	tcase_add_test(tc, new_beside_old_is_fair_in_a_deep_queue);
	tcase_add_test(tc, new_beside_old_lives_in_a_short_queue);
	tcase_add_test(tc, ten_share_as_the_old_ones_do);
	tcase_add_test(tc, ten_with_two_round_trips_share_as_the_old_ones_do);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
