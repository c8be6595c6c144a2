/* SPDX-License-Identifier: MIT */
/* LINKS: tcp/bbr tcp/bbr_queue tcp/rate */
/*
 * BBR over a simulated path: a sender that obeys window and pacing, a link of a
 * rate with a queue in front, a delay, losses by chance.  The figures are the
 * draft's (its section and its example test cases are named), and the path's.
 */
#include <check.h>
#include <stdlib.h>

#include "tcp/bbr.h"

#define MSS 1448u
#define PKTS 65536u
#define MS(n) ((int64_t)(n)*USEC_PER_MSEC)
#define SECS(n) ((int64_t)(n)*USEC_PER_SEC)
#define MBIT(n) ((uint64_t)(n)*125000)

/**
 * struct pkt - A packet under way
 * @acked_at: when its ACK arrives; 0: it is lost
 */
struct pkt {
	struct rate_mark mark;
	int64_t sent, acked_at;
	bool done;
};

static struct path {
	struct bbr b;
	struct bbr_view v;
	struct rate_meter r;
	struct prng rng;
	uint64_t rate; /* of the link, bytes a second */
	int64_t rtt, now, free_at, next_send, idle_until;
	uint32_t queue; /* bytes that may wait */
	double loss;
	int64_t jitter; /* ACKs are late by up to so much, in order */
	uint32_t burst; /* packets that leave together, 0: each alone */
	uint32_t in_burst;
	uint64_t app_rate; /* 0: as much as it takes */
	uint32_t head, tail, high;
	int64_t recovery_until;
	uint64_t sent, lost, delivered, peak_queue, waited;
	uint8_t most_delayed; /* rounds */
	struct pkt p[PKTS];
} w;

static void view(void)
{
	w.v.now = (mono_t){w.now};
	w.v.delivered = w.r.delivered;
	w.v.app_limited = w.r.limited;
	w.v.recovering = w.now < w.recovery_until;
}

static void path_init(uint64_t rate, int64_t rtt, uint32_t queue)
{
	memset(&w, 0, sizeof(w));
	prng_seed(&w.rng, 1);
	w.rate = rate;
	w.rtt = rtt;
	w.queue = queue;
	w.now = SECS(100);
	w.v = (struct bbr_view){.mss = MSS,
				.initial_cwnd = 10 * MSS,
				.cwnd = 10 * MSS,
				.srtt_us = (uint32_t)rtt,
				.sack = true,
				.rng = &w.rng};
	view();
	bbr_init(&w.b, &w.v);
}

static void send_one(void)
{
	struct pkt *p = &w.p[w.tail % PKTS];
	int64_t begin = w.free_at > w.now ? w.free_at : w.now;
	uint64_t waiting = (uint64_t)(begin - w.now) * w.rate / USEC_PER_SEC;

	view();
	bbr_on_transmit(&w.b, &w.v);
	*p = (struct pkt){.sent = w.now};
	w.v.inflight += MSS;
	rate_sent(&w.r, &p->mark, w.v.inflight, MSS, w.v.now);
	w.tail++;
	w.sent += MSS;
	w.waited += waiting;
	w.peak_queue = waiting > w.peak_queue ? waiting : w.peak_queue;
	if (waiting > w.queue || prng_u32(&w.rng) < w.loss * 4294967296.0)
		return;
	w.free_at = begin + (int64_t)(MSS * USEC_PER_SEC / w.rate);
	p->acked_at = w.free_at + w.rtt;
	if (w.jitter)
		p->acked_at += prng_below(&w.rng, (uint32_t)w.jitter);
}

static void lose(struct pkt *p)
{
	p->done = true;
	w.r.lost += MSS;
	w.lost += MSS;
	w.v.inflight -= MSS;
	view();
	if (!w.v.recovering)
		bbr_enter_recovery(&w.b, &w.v, false);
	w.recovery_until = w.now + w.rtt;
	bbr_on_loss(&w.b, &w.v, MSS, p->mark.tx_in_flight,
		    w.r.lost - p->mark.lost, p->mark.app_limited);
}

/* The ACK of packet @i: what was sent three packets earlier and is still
 * missing is lost. */
static void take_ack(uint32_t i)
{
	struct rate_sample s;
	struct pkt *p = &w.p[i % PKTS];
	bool was = w.now < w.recovery_until;

	view();
	rate_begin(&s);
	rate_delivered(&w.r, &s,
		       &(struct rate_packet){&p->mark, (uint32_t)p->sent,
					     SEQ(i), MSS},
		       w.v.now);
	p->done = true;
	w.v.rtt_us = (uint32_t)(w.now - p->sent);
	w.v.inflight -= MSS;
	w.delivered += MSS;
	for (uint32_t k = w.head; k + 3 < i; k++)
		if (!w.p[k % PKTS].done && !w.p[k % PKTS].acked_at) {
			lose(&w.p[k % PKTS]);
			s.newly_lost += MSS;
		}
	while (w.head != w.tail && w.p[w.head % PKTS].done)
		w.head++;
	rate_finish(&w.r, &s, 0);
	view();
	if (was && !w.v.recovering)
		bbr_exit_recovery(&w.b, &w.v);
	w.v.cwnd_limited = w.v.inflight + 2 * MSS >= w.v.cwnd;
	bbr_on_ack(&w.b, &w.v, &s);
	if (w.b.delayed_rounds > w.most_delayed)
		w.most_delayed = w.b.delayed_rounds;
	if (w.v.mark_app_limited)
		rate_limited(&w.r, w.v.inflight);
}

static int64_t next_ack(uint32_t *which)
{
	int64_t at = INT64_MAX;

	for (uint32_t k = w.head; k != w.tail; k++) {
		const struct pkt *p = &w.p[k % PKTS];

		if (p->done || !p->acked_at)
			continue;
		*which = k; /* the link keeps the order */
		return p->acked_at;
	}
	return at;
}

static bool may_send(void)
{
	return w.v.inflight + MSS <= w.v.cwnd && w.now >= w.idle_until &&
	       w.tail - w.head < PKTS - 1;
}

static void sent_gap(void)
{
	uint64_t rate = w.v.pacing_rate;
	uint32_t n = w.burst ? w.burst : 1;

	if (++w.in_burst < n)
		return;
	w.in_burst = 0;
	if (w.app_rate && w.app_rate < rate) {
		rate = w.app_rate;
		rate_limited(&w.r, w.v.inflight);
	}
	w.next_send = (w.next_send > w.now ? w.next_send : w.now) +
		      (int64_t)(n * MSS * USEC_PER_SEC / rate);
}

static void run(int64_t us)
{
	int64_t end = w.now + us;

	while (w.now < end) {
		uint32_t i = 0;
		int64_t ack = next_ack(&i), snd = INT64_MAX;

		if (may_send())
			snd = w.next_send > w.now ? w.next_send : w.now;
		else if (w.idle_until > w.now)
			snd = w.idle_until;
		if (ack == INT64_MAX && w.head != w.tail && !may_send()) {
			/* the whole flight is lost: a timeout */
			w.now += w.rtt + MS(200);
			for (uint32_t k = w.head; k != w.tail; k++)
				if (!w.p[k % PKTS].done)
					lose(&w.p[k % PKTS]);
			w.head = w.tail;
			continue;
		}
		if (ack <= snd) {
			w.now = ack > w.now ? ack : w.now;
			take_ack(i);
		} else {
			w.now = snd > w.now ? snd : w.now;
			if (w.now < w.idle_until || w.now >= end)
				continue;
			send_one();
			sent_gap();
		}
	}
}

/* Run until in a state; false after @us. */
static bool run_until(enum bbr_state st, int64_t us)
{
	int64_t end = w.now + us;

	while (w.b.state != st && w.now < end)
		run(w.rtt / 20 + 1);
	return w.b.state == st;
}

static double share(uint64_t bytes, int64_t us)
{
	return (double)bytes * USEC_PER_SEC / (double)us / (double)w.rate;
}

static double goodput(int64_t us)
{
	uint64_t before = w.delivered;

	run(us);
	return share(w.delivered - before, us);
}

#define BDP (w.rate * (uint64_t)w.rtt / USEC_PER_SEC)

/* Example "Exiting STARTUP on Bandwidth Plateau": within 2 % of the link. */
START_TEST(startup_plateau_of_bandwidth_drains)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert_uint_eq(w.b.state, BBR_STARTUP);
	ck_assert(run_until(BBR_DRAIN, SECS(2)));
	ck_assert(w.b.full_bw_reached);
	ck_assert_double_eq_tol((double)w.b.max_bw[0] / (double)w.rate, 1, .02);
	ck_assert_uint_eq(w.lost, 0);
}
END_TEST

/* 5.3.1: the rate doubles each round trip: 10 segments to 100 Mb/s x 100 ms
 * are seven doublings, three rounds to be sure. */
START_TEST(startup_doubles_each_round)
{
	path_init(MBIT(100), MS(100), 4u << 20);
	ck_assert(run_until(BBR_DRAIN, SECS(10)));
	ck_assert_uint_ge(w.b.round_count, 8);
	ck_assert_uint_le(w.b.round_count, 14);
}
END_TEST

/* Example "Exiting DRAIN Based on Inflight". */
START_TEST(drain_until_inflight_is_the_bdp)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_DRAIN, SECS(2)));
	ck_assert_uint_gt(w.v.inflight, BDP);
	for (int i = 0; i < 200 && w.b.state == BBR_DRAIN; i++)
		run(MS(1));
	ck_assert_uint_gt(w.b.state, BBR_DRAIN);
	ck_assert_uint_le(w.v.inflight, BDP + 3 * w.v.quantum + MSS);
	ck_assert_uint_le(w.b.round_count, w.b.drain_start_round + 4);
}
END_TEST

/* 5.3.3: the phases take turns, in their order. */
START_TEST(probe_bw_cycles_through_its_phases)
{
	static const enum bbr_state turn[] = {BBR_PROBE_DOWN, BBR_PROBE_CRUISE,
					      BBR_PROBE_REFILL, BBR_PROBE_UP,
					      BBR_PROBE_DOWN};

	path_init(MBIT(50), MS(40), 1u << 20);
	for (size_t i = 0; i < ARRAY_LEN(turn); i++)
		ck_assert_msg(run_until(turn[i], SECS(5)), "not %s but %s",
			      bbr_state_name[turn[i]],
			      bbr_state_name[w.b.state]);
}
END_TEST

START_TEST(steady_fills_the_link_with_a_short_queue)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	run(SECS(3));
	w.peak_queue = 0;
	ck_assert_double_ge(goodput(SECS(10)), .95);
	/* UP asks for a quarter more for a round trip or some; CUBIC would
	 * fill all of the 8 MiB */
	ck_assert_uint_le(w.peak_queue, 2 * BDP);
}
END_TEST

/* ACKs that come unevenly make the path look faster than it is.  What builds up
 * by that is drained, long before the window stops it. */
START_TEST(steady_uneven_acks_keep_the_queue_short)
{
	path_init(MBIT(100), MS(10), 8u << 20);
	w.jitter = 1500;
	run(SECS(3));
	w.waited = w.sent = 0;
	ck_assert_double_ge(goodput(SECS(10)), .95);
	ck_assert_uint_le(w.waited / (w.sent / MSS), BDP / 3);
}
END_TEST

/* In CRUISE for @rounds round trips with a queue of 12 ms, that none of ours
 * makes. */
static void cruise_in_the_queue_of_others(uint32_t rounds)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	run(SECS(3));
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(5)));
	w.rtt += MS(12);
	run(MS(32) * rounds);
	ck_assert_uint_eq(w.b.state, BBR_PROBE_CRUISE);
}

/* A queue that stays in spite of that is others'.  The window is three bursts
 * longer then; less is sent all the same. */
START_TEST(queue_of_others_lengthens_the_window)
{
	uint32_t most;

	cruise_in_the_queue_of_others(4);
	most = w.b.max_inflight;
	run(MS(32 * 8));
	ck_assert_uint_eq(w.b.state, BBR_PROBE_CRUISE);
	ck_assert_uint_ge(w.b.max_inflight, most + 5 * w.v.quantum / 2);
	ck_assert_uint_le(w.b.max_inflight, most + 7 * w.v.quantum / 2);
	ck_assert_uint_le(w.v.pacing_rate, w.b.bw * 95 / 100);
}
END_TEST

/* Without it for nine tenths of a second it may be back; after one it has
 * gone. */
START_TEST(queue_of_others_is_remembered_for_a_second)
{
	cruise_in_the_queue_of_others(12);
	w.rtt -= MS(12);
	run(MS(900));
	ck_assert_uint_eq(w.b.delayed_rounds, 8);
	ck_assert(run_until(BBR_PROBE_UP, SECS(1)));
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(1)));
	run(MS(1100));
	ck_assert_uint_eq(w.b.delayed_rounds, 0);
}
END_TEST

/* @lost segments of @sent that were in flight, in the queue of others */
static bool others_loss_counts(uint32_t lost, uint32_t sent, bool sack)
{
	cruise_in_the_queue_of_others(12);
	view();
	w.v.sack = sack;
	bbr_on_loss(&w.b, &w.v, MSS, sent * MSS, lost * MSS, false);
	return w.b.loss_in_round;
}

/* One of fewer than fifty segments is more than 2 %, and a full queue loses
 * some of all.  Without SACK, losses become known one by one. */
START_TEST(queue_of_others_loses_some_of_a_small_flight)
{
	ck_assert(!others_loss_counts(7, 49, true));
	ck_assert(others_loss_counts(7, 50, true));
	ck_assert(others_loss_counts(8, 49, true)); /* more than 15 % */
	ck_assert(others_loss_counts(7, 49, false));
}
END_TEST

/* What UP has made is drained sooner than that, with ACKs that come unevenly
 * and with loss, too. */
START_TEST(alone_it_is_in_no_queue_of_others)
{
	static const struct {
		uint32_t mbit, rtt_ms, loss_pm;
	} at[] = {{10, 20, 0},	 {10, 20, 30},	{10, 100, 0}, {100, 20, 0},
		  {100, 20, 30}, {100, 100, 0}, {1, 40, 0}};

	path_init(MBIT(at[_i].mbit), MS(at[_i].rtt_ms), 8u << 20);
	w.loss = at[_i].loss_pm / 1e3;
	w.jitter = 1500;
	run(SECS(20));
	ck_assert_uint_gt(w.most_delayed, 0);
	ck_assert_uint_lt(w.most_delayed, 8);
}
END_TEST

/* On a slow path a burst of two packets waits for itself, and two packets are
 * more than 2 % of a flight.  Neither is congestion. */
START_TEST(random_loss_of_a_small_flight_keeps_the_rate)
{
	path_init(MBIT(10), MS(10), 150000);
	w.loss = .03;
	w.burst = 2;
	w.jitter = 1500;
	run(SECS(5));
	ck_assert_double_ge(goodput(SECS(20)), .99 * (1 - w.loss));
}
END_TEST

/* Loss by chance, at all rates and round trips, is no reason to slow down: of
 * what the path does not lose, nine tenths arrive. */
START_TEST(random_loss_keeps_the_rate)
{
	static const struct {
		uint32_t mbit, rtt_ms, loss_pm;
	} at[] = {{10, 20, 10},	 {10, 20, 30},	 {10, 100, 30},
		  {100, 1, 30},	 {100, 20, 10},	 {100, 20, 30},
		  {100, 100, 1}, {100, 100, 10}, {100, 100, 30}};

	path_init(MBIT(at[_i].mbit), MS(at[_i].rtt_ms), 1u << 20);
	w.loss = at[_i].loss_pm / 1e3;
	run(SECS(5));
	ck_assert_double_ge(goodput(SECS(20)), .9 * (1 - w.loss));
}
END_TEST

/* A cruise in which the round trip is @rtt_us loses @segments of a flight. */
static void lose_in_cruise(uint32_t rtt_us, uint32_t segments)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(3)));
	view();
	w.v.rtt_us = rtt_us;
	for (uint32_t i = 1; i <= segments; i++)
		bbr_on_loss(&w.b, &w.v, MSS, 100 * MSS, i * MSS, false);
	run(w.rtt * 3);
}

/* The deviation: what a queue does not delay it does not lose. */
START_TEST(cruise_loss_without_a_queue_is_chance)
{
	lose_in_cruise((uint32_t)MS(22), 3);
	ck_assert_uint_eq(w.b.inflight_shortterm, BBR_INF);
	ck_assert(w.b.bw_shortterm == UINT64_MAX);
}
END_TEST

/* 5.5.10.3 */
START_TEST(cruise_loss_with_a_queue_is_congestion)
{
	lose_in_cruise((uint32_t)MS(26), 3);
	ck_assert_uint_ne(w.b.inflight_shortterm, BBR_INF);
	ck_assert(w.b.bw_shortterm != UINT64_MAX);
}
END_TEST

/* No queue shows before a policer. */
START_TEST(cruise_loss_of_a_fifth_is_congestion)
{
	lose_in_cruise((uint32_t)MS(20), 20);
	ck_assert_uint_ne(w.b.inflight_shortterm, BBR_INF);
}
END_TEST

/* What the path loses without a queue, */
START_TEST(random_loss_is_learnt)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	w.loss = .03;
	run(SECS(5));
	ck_assert_uint_ge(w.b.chance, 16 * 15);
	ck_assert_uint_le(w.b.chance, 16 * 60);
}
END_TEST

/* does not end a probe, whose queue is our own; */
START_TEST(probe_loss_as_ever_goes_on)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_PROBE_UP, SECS(5)));
	view();
	w.v.rtt_us = (uint32_t)MS(26);
	w.b.chance = 16 * 30;
	for (uint32_t i = 1; i <= 10; i++)
		bbr_on_loss(&w.b, &w.v, MSS, 100 * MSS, i * MSS, false);
	ck_assert_uint_eq(w.b.state, BBR_PROBE_UP);
	ck_assert_uint_eq(w.b.inflight_longterm, BBR_INF);
}
END_TEST

/* 5.3.3.6: more does.  Without such loss it is 2 %, and three segments. */
START_TEST(probe_loss_too_high_ends_it)
{
	static const struct {
		uint16_t chance;
		uint32_t flight, lost;
	} at[] = {{16 * 30, 100, 11}, {0, 100, 3}, {0, 20, 3}};

	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_PROBE_UP, SECS(5)));
	view();
	w.v.rtt_us = (uint32_t)MS(26);
	w.b.chance = at[_i].chance;
	for (uint32_t i = 1; i <= at[_i].lost; i++) {
		ck_assert_uint_eq(w.b.state, BBR_PROBE_UP);
		bbr_on_loss(&w.b, &w.v, MSS, at[_i].flight * MSS, i * MSS,
			    false);
	}
	ck_assert_uint_eq(w.b.state, BBR_PROBE_DOWN);
}
END_TEST

/* A queue of a tenth of the path does not show: but the rate is not lost
 * there, and not much else. */
START_TEST(queue_too_short_to_see_is_filled)
{
	path_init(MBIT(100), MS(100), (uint32_t)(MBIT(100) / 100));
	run(SECS(5));
	w.sent = w.lost = 0;
	ck_assert_double_ge(goodput(SECS(20)), .9);
	ck_assert_double_le((double)w.lost / (double)w.sent, .05);
}
END_TEST

/* 5.3.1.3: a shallow queue ends STARTUP by its losses, and bounds inflight. */
START_TEST(startup_many_losses_exits)
{
	path_init(MBIT(100), MS(50), 30 * MSS);
	ck_assert(run_until(BBR_DRAIN, SECS(3)));
	run(SECS(2));
	ck_assert(w.b.full_bw_reached);
	ck_assert_uint_ne(w.b.inflight_longterm, BBR_INF);
	ck_assert_uint_le(w.b.inflight_longterm, 3 * BDP);
}
END_TEST

START_TEST(shallow_queue_loses_little)
{
	path_init(MBIT(100), MS(20), (uint32_t)(MBIT(100) / 500));
	run(SECS(3));
	w.sent = w.lost = 0;
	ck_assert_double_ge(goodput(SECS(15)), .8);
	ck_assert_double_le((double)w.lost / (double)w.sent, .03);
}
END_TEST

/* Example "Entering and Exiting PROBE_RTT". */
START_TEST(probe_rtt_after_five_seconds_and_back)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	run(SECS(1));
	w.rtt += MS(3); /* no sample says any more that the path is empty */
	ck_assert(run_until(BBR_PROBE_RTT, SECS(8)));
	run(MS(100));
	ck_assert_uint_eq(w.b.state, BBR_PROBE_RTT);
	ck_assert_uint_le(w.v.inflight, BDP / 2 + 4 * MSS);
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(1)));
	ck_assert_uint_ge(w.b.min_rtt_us, MS(20));
	ck_assert_uint_le(w.b.min_rtt_us, MS(21));
}
END_TEST

/* A path that is empty now and then is not drained to measure it. */
START_TEST(empty_path_skips_probe_rtt)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	ck_assert(!run_until(BBR_PROBE_RTT, SECS(25)));
	ck_assert_uint_ge(w.b.min_rtt_us, MS(20));
	ck_assert_uint_le(w.b.min_rtt_us, MS(21));
}
END_TEST

/* On a short path a burst waits longer for itself than a tenth of it. */
START_TEST(burst_is_no_queue_to_probe_rtt)
{
	path_init(MBIT(100), MS(1), 1u << 20);
	run(SECS(1));
	w.rtt += MS(1) / 2;
	ck_assert(!run_until(BBR_PROBE_RTT, SECS(12)));
	w.rtt += MS(5);
	ck_assert(run_until(BBR_PROBE_RTT, SECS(8)));
}
END_TEST

/* A longer path is learnt in spite of that. */
START_TEST(longer_path_is_learnt)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	run(SECS(5));
	w.rtt = MS(40);
	run(SECS(16));
	ck_assert_uint_ge(w.b.min_rtt_us, MS(40));
	ck_assert_uint_le(w.b.min_rtt_us, MS(42));
}
END_TEST

/* Example "Skipping PROBE_RTT": idleness has drained the queue. */
START_TEST(idle_for_six_seconds_skips_probe_rtt)
{
	path_init(MBIT(100), MS(20), 8u << 20);
	run(SECS(3));
	w.idle_until = w.now + SECS(6);
	rate_limited(&w.r, w.v.inflight);
	run(SECS(6));
	ck_assert_uint_eq(w.v.inflight, 0);
	rate_limited(&w.r, 0);
	run(MS(100));
	ck_assert_uint_ne(w.b.state, BBR_PROBE_RTT);
}
END_TEST

/* Example "Never Exiting STARTUP When Application-Limited With No Loss". */
START_TEST(application_limited_stays_in_startup)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	w.app_rate = MBIT(5);
	run(SECS(4));
	ck_assert_uint_eq(w.b.state, BBR_STARTUP);
	ck_assert(!w.b.full_bw_reached);
}
END_TEST

/* The link becomes four times as slow, then as fast as before: the filter of
 * the rate is two cycles long, and a cycle three seconds and some rounds. */
START_TEST(rate_that_changes_is_followed)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	run(SECS(4));
	w.rate = MBIT(25);
	run(SECS(12));
	ck_assert_double_le((double)w.b.bw / (double)w.rate, 1.3);
	ck_assert_double_ge(goodput(SECS(3)), .85);
	w.rate = MBIT(100);
	run(SECS(8));
	ck_assert_double_ge(goodput(SECS(3)), .8);
}
END_TEST

/* 5.5.11: what a spurious recovery took comes back. */
START_TEST(spurious_recovery_is_undone)
{
	uint32_t cwnd;

	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(3)));
	run(w.rtt * 2); /* the queue of the start is gone */
	cwnd = w.v.cwnd;
	view();
	w.v.rtt_us = 2 * (uint32_t)w.rtt;
	bbr_on_loss(&w.b, &w.v, MSS, w.v.inflight, MSS, false);
	run(w.rtt * 3);
	ck_assert_uint_ne(w.b.inflight_shortterm, BBR_INF);
	view();
	bbr_undo(&w.b, &w.v);
	ck_assert_uint_eq(w.b.inflight_shortterm, BBR_INF);
	ck_assert(w.b.bw_shortterm == UINT64_MAX);
	ck_assert_uint_ge(w.v.cwnd, cwnd);
}
END_TEST

/* 5.6.4.4: after a timeout one segment more than what is in flight. */
START_TEST(timeout_window_of_one_segment)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	run(SECS(2));
	view();
	w.v.inflight = 0;
	bbr_enter_recovery(&w.b, &w.v, true);
	ck_assert_uint_eq(w.v.cwnd, MSS);
	bbr_exit_recovery(&w.b, &w.v);
	ck_assert_uint_gt(w.v.cwnd, 10 * MSS);
}
END_TEST

START_TEST(congestion_mark_in_cruise_is_heeded)
{
	path_init(MBIT(100), MS(20), 1u << 20);
	ck_assert(run_until(BBR_PROBE_CRUISE, SECS(3)));
	view();
	bbr_on_ecn(&w.b, &w.v);
	run(w.rtt * 2);
	ck_assert(w.b.bw_shortterm != UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bbr");
	TCase *tc = tcase_create("bbr");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, startup_plateau_of_bandwidth_drains);
	tcase_add_test(tc, startup_doubles_each_round);
	tcase_add_test(tc, startup_many_losses_exits);
	tcase_add_test(tc, drain_until_inflight_is_the_bdp);
	tcase_add_test(tc, probe_bw_cycles_through_its_phases);
	tcase_add_test(tc, steady_fills_the_link_with_a_short_queue);
	tcase_add_test(tc, steady_uneven_acks_keep_the_queue_short);
	tcase_add_test(tc, queue_of_others_lengthens_the_window);
	tcase_add_test(tc, queue_of_others_is_remembered_for_a_second);
	tcase_add_test(tc, queue_of_others_loses_some_of_a_small_flight);
	tcase_add_loop_test(tc, alone_it_is_in_no_queue_of_others, 0, 7);
	tcase_add_test(tc, random_loss_of_a_small_flight_keeps_the_rate);
	tcase_add_loop_test(tc, random_loss_keeps_the_rate, 0, 9);
	tcase_add_test(tc, cruise_loss_without_a_queue_is_chance);
	tcase_add_test(tc, cruise_loss_with_a_queue_is_congestion);
	tcase_add_test(tc, cruise_loss_of_a_fifth_is_congestion);
	tcase_add_test(tc, random_loss_is_learnt);
	tcase_add_test(tc, probe_loss_as_ever_goes_on);
	tcase_add_loop_test(tc, probe_loss_too_high_ends_it, 0, 3);
	tcase_add_test(tc, queue_too_short_to_see_is_filled);
	tcase_add_test(tc, shallow_queue_loses_little);
	tcase_add_test(tc, probe_rtt_after_five_seconds_and_back);
	tcase_add_test(tc, empty_path_skips_probe_rtt);
	tcase_add_test(tc, burst_is_no_queue_to_probe_rtt);
	tcase_add_test(tc, longer_path_is_learnt);
	tcase_add_test(tc, idle_for_six_seconds_skips_probe_rtt);
	tcase_add_test(tc, application_limited_stays_in_startup);
	tcase_add_test(tc, rate_that_changes_is_followed);
	tcase_add_test(tc, spurious_recovery_is_undone);
	tcase_add_test(tc, timeout_window_of_one_segment);
	tcase_add_test(tc, congestion_mark_in_cruise_is_heeded);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
