/* SPDX-License-Identifier: MIT */
/*
 * BBR, version 3 (draft-ietf-ccwg-bbr).
 *
 * Two numbers model the path: the rate of its bottleneck, the maximum of the
 * delivery rates of the last two probing cycles, and its round-trip time
 * without a queue, the minimum of ten seconds.  Their product, the BDP, is the
 * volume to keep in flight; packets are paced by the rate.  STARTUP doubles the
 * rate each round trip until it does not rise any more, and DRAIN empties the
 * queue that this has made.  Then four phases take turns: DOWN leaves room to
 * others, CRUISE keeps the rate, REFILL fills the path, UP probes for more.
 * Every five seconds PROBE_RTT halves the volume in flight for a moment, to
 * measure the path without a queue.
 *
 * Congestion limits the model on two time scales.  The long-term limit is the
 * volume at which a probe lost more than 2 %.  The short-term limit, until the
 * next probe, is what was delivered in a round trip with congestion.
 *
 * There is one deviation.  In the draft every loss is a sign of congestion.  On
 * a path with random loss the rate then collapses: in the model path of
 * test_bbr.c, with 3 % loss, to a tenth.  A full queue, however, delays what it
 * does not drop.  So a loss counts only where the round trip at hand is longer
 * than the least one, by a quarter of it and by a millisecond, or where more
 * than 15 % of a flight is lost: no queue shows before a policer, nor where it
 * is much shorter than the path. (Version 1 counts no loss at all.)  From
 * DRAIN or UP until a round trip without one, a queue is our own.  Then it also
 * takes three segments, and 2 % more than what the path loses without, by three
 * times the standard deviation of that.
 *
 * There are three additions.  ACKs do not come evenly, so the maximum of many
 * rate samples is more than the path has, and CRUISE would build a queue up to
 * the window.  So it sends less while it sees half as much of a queue.
 *
 * A queue of half a BDP and of two bursts, that DOWN and CRUISE do not end
 * in eight round trips, is not its own, but others', until there has been
 * none for a second.  In such a queue a stream has the share of the rate
 * that its window has of the flight, and a window that follows the rate
 * keeps all shares as they are.  Three bursts more for each, as in version
 * 1, bring them together.  When the queue is full, all lose.  Of fewer than
 * fifty segments one is more than 2 %, and who gives way for it leaves the
 * rate to those that have most of it.  So of so few, fewer than eight lost
 * ones do not count in the queue of others.  Where the round trip is a
 * millisecond, uneven ACKs alone look like such a queue.
 *
 * And PROBE_RTT waits as long as round-trip times near the least one show that
 * the path was empty.
 *
 * Gains are percent.  The draft's real numbers are integers here, with 64 bits
 * where two of them are multiplied.
 */
#include "bbr_queue.h"

#define BBR_NONE 0xff
#define STARTUP_PACING_GAIN 277
#define DRAIN_PACING_GAIN 50
#define DOWN_PACING_GAIN 90
#define UP_PACING_GAIN 125
#define CRUISE_DRAIN_GAIN 95
#define DEFAULT_CWND_GAIN 200
#define UP_CWND_GAIN 225
#define PROBE_RTT_CWND_GAIN 50
#define OTHERS_QUANTA 3
#define PACING_MARGIN 1
#define BETA 70
#define HEADROOM 15
#define MIN_PIPE_SEGMENTS 4
#define STARTUP_FULL_LOSS_COUNT 6
#define FULL_BW_ROUNDS 3
#define DRAIN_ROUNDS 3
#define RENO_ROUNDS_MAX 63
#define EXTRA_ACKED_ROUNDS 10
#define MIN_RTT_FILTER_US (10 * USEC_PER_SEC)
#define PROBE_RTT_INTERVAL_US (5 * USEC_PER_SEC)
#define PROBE_RTT_DURATION_US (200 * USEC_PER_MSEC)
#define PROBE_WAIT_US (2 * USEC_PER_SEC)
#define QUANTUM_US 1000
#define QUANTUM_MAX 65536u

const char *const bbr_state_name[] = {
	[BBR_STARTUP] = "startup",
	[BBR_DRAIN] = "drain",
	[BBR_PROBE_DOWN] = "probe_down",
	[BBR_PROBE_CRUISE] = "probe_cruise",
	[BBR_PROBE_REFILL] = "probe_refill",
	[BBR_PROBE_UP] = "probe_up",
	[BBR_PROBE_RTT] = "probe_rtt",
};

/* What the ACKs of this phase show (ack_phase, 3.10). */
enum {
	ACKS_INIT,
	ACKS_REFILLING,
	ACKS_PROBE_STARTING,
	ACKS_PROBE_FEEDBACK,
	ACKS_PROBE_STOPPING
};

static uint64_t max_bw(const struct bbr *b)
{
	return b->max_bw[0] > b->max_bw[1] ? b->max_bw[0] : b->max_bw[1];
}

static bool after(mono_t now, mono_t stamp, int64_t us)
{
	return !mono_is_set(stamp) || mono_sub(now, stamp) > us;
}

static uint32_t percent(uint32_t v, uint32_t p)
{
	return (uint32_t)((uint64_t)v * p / 100);
}

static bool is_probing_cycle(const struct bbr *b)
{
	return b->state >= BBR_PROBE_DOWN && b->state <= BBR_PROBE_UP;
}

static bool is_accelerating(const struct bbr *b)
{
	return b->state == BBR_STARTUP || b->state == BBR_PROBE_REFILL ||
	       b->state == BBR_PROBE_UP;
}

static uint32_t pacing_gain(const struct bbr *b, const struct bbr_view *v)
{
	return b->state == BBR_STARTUP	    ? STARTUP_PACING_GAIN
	       : b->state == BBR_DRAIN	    ? DRAIN_PACING_GAIN
	       : b->state == BBR_PROBE_DOWN ? DOWN_PACING_GAIN
	       : b->state == BBR_PROBE_UP   ? UP_PACING_GAIN
	       : bbr_drains(b, v)	    ? CRUISE_DRAIN_GAIN
					    : 100;
}

static uint32_t cwnd_gain(const struct bbr *b)
{
	return b->state == BBR_PROBE_UP	   ? UP_CWND_GAIN
	       : b->state == BBR_PROBE_RTT ? PROBE_RTT_CWND_GAIN
					   : DEFAULT_CWND_GAIN;
}

/* --- volumes (5.6.4) --- */

static uint32_t min_pipe(const struct bbr_view *v)
{
	return MIN_PIPE_SEGMENTS * v->mss;
}

static uint32_t bdp_multiple(const struct bbr *b, const struct bbr_view *v,
			     uint64_t bw, uint32_t gain)
{
	if (!b->has_rtt)
		return v->initial_cwnd;
	return bbr_cap(bw * b->min_rtt_us / USEC_PER_SEC * gain / 100);
}

static uint32_t quantized(const struct bbr *b, const struct bbr_view *v,
			  uint32_t cap)
{
	cap = max_u32(cap, 3 * v->quantum);
	cap = max_u32(cap, min_pipe(v));
	if (b->state == BBR_PROBE_UP)
		cap = bbr_cap((uint64_t)cap + 2 * v->mss);
	return cap;
}

static uint32_t inflight_at(const struct bbr *b, const struct bbr_view *v,
			    uint64_t bw, uint32_t gain)
{
	return quantized(b, v, bdp_multiple(b, v, bw, gain));
}

static uint32_t with_headroom(const struct bbr *b, const struct bbr_view *v)
{
	uint32_t room;

	if (b->inflight_longterm == BBR_INF)
		return BBR_INF;
	room = max_u32(v->mss, percent(b->inflight_longterm, HEADROOM));
	return b->inflight_longterm > room + min_pipe(v)
		       ? b->inflight_longterm - room
		       : min_pipe(v);
}

static uint32_t target_inflight(const struct bbr *b, const struct bbr_view *v)
{
	return min_u32(bdp_multiple(b, v, b->bw, 100), v->cwnd);
}

/* --- cwnd across recovery (5.6.4.4) --- */

static void save_cwnd(struct bbr *b, const struct bbr_view *v)
{
	if (!v->recovering && b->state != BBR_PROBE_RTT)
		b->prior_cwnd = v->cwnd;
	else
		b->prior_cwnd = max_u32(b->prior_cwnd, v->cwnd);
}

static void restore_cwnd(const struct bbr *b, struct bbr_view *v)
{
	v->cwnd = max_u32(v->cwnd, b->prior_cwnd);
}

/* --- short-term model (5.5.10.3) --- */

static void reset_congestion_signals(struct bbr *b)
{
	b->loss_in_round = false;
	b->loss_events = 0;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

static void reset_shortterm(struct bbr *b)
{
	b->bw_shortterm = UINT64_MAX;
	b->inflight_shortterm = BBR_INF;
}

static void start_round(struct bbr *b, const struct bbr_view *v)
{
	b->next_round_delivered = v->delivered;
}

static void reset_full_bw(struct bbr *b, uint64_t base)
{
	b->full_bw = base;
	b->full_bw_count = 0;
	b->full_bw_now = false;
}

/* --- states --- */

static void enter_drain(struct bbr *b)
{
	b->state = BBR_DRAIN;
	b->own_queue = true;
	b->drain_start_round = b->round_count;
}

/* 5.3.3.5.2: choose the time until the next probe, in rounds and by the
 * clock. */
static void pick_probe_wait(struct bbr *b, struct bbr_view *v)
{
	b->rounds_since_probe_up = (uint8_t)prng_below(v->rng, 2);
	b->probe_wait_us = (uint32_t)PROBE_WAIT_US +
			   prng_below(v->rng, (uint32_t)USEC_PER_SEC);
}

static void start_down(struct bbr *b, struct bbr_view *v)
{
	reset_congestion_signals(b);
	b->probe_up_acked_per_inc = BBR_INF;
	pick_probe_wait(b, v);
	b->cycle_stamp = v->now;
	b->ack_phase = ACKS_PROBE_STOPPING;
	start_round(b, v);
	b->state = BBR_PROBE_DOWN;
}

static void start_refill(struct bbr *b, const struct bbr_view *v)
{
	reset_shortterm(b);
	b->probe_up_rounds = 0;
	b->probe_up_acked = 0;
	b->prev_probe_precautionary = false;
	b->ack_phase = ACKS_REFILLING;
	start_round(b, v);
	b->state = BBR_PROBE_REFILL;
}

/* The limit grows by one segment a round trip, then by two, four, ... */
static void raise_slope(struct bbr *b, const struct bbr_view *v)
{
	uint32_t growth = 1u << b->probe_up_rounds;

	if (b->probe_up_rounds < 30)
		b->probe_up_rounds++;
	b->probe_up_acked_per_inc = max_u32(v->cwnd / growth, v->mss);
}

static void start_up(struct bbr *b, const struct bbr_view *v,
		     const struct rate_sample *rs)
{
	b->ack_phase = ACKS_PROBE_STARTING;
	start_round(b, v);
	reset_full_bw(b, rs->rate);
	b->state = BBR_PROBE_UP;
	b->own_queue = true;
	raise_slope(b, v);
}

/* --- long-term model (5.3.3.6, 5.5.10.2) --- */

static bool too_high(const struct bbr *b, const struct bbr_view *v,
		     uint32_t lost, uint32_t tx_in_flight)
{
	if (!bbr_loss_exceeds(lost, tx_in_flight, LOSS_THRESH) &&
	    (v->sack || !lost))
		return false;
	return bbr_is_congestion(b, v, lost, tx_in_flight);
}

static void handle_too_high(struct bbr *b, struct bbr_view *v,
			    uint32_t tx_in_flight, bool app_limited)
{
	b->prev_probe_too_high = true;
	b->bw_probe_sample = false; /* once a probe */
	if (!app_limited)
		b->inflight_longterm = max_u32(
			tx_in_flight, percent(target_inflight(b, v), BETA));
	if (b->state == BBR_PROBE_UP) {
		b->undo_state = BBR_PROBE_UP;
		start_down(b, v);
	}
}

static void probe_upward(struct bbr *b, const struct bbr_view *v,
			 const struct rate_sample *rs)
{
	uint32_t n;

	if (!v->cwnd_limited || v->cwnd < b->inflight_longterm)
		return;
	b->probe_up_acked += rs->newly_acked;
	n = b->probe_up_acked / b->probe_up_acked_per_inc;
	b->probe_up_acked -= n * b->probe_up_acked_per_inc;
	b->inflight_longterm =
		bbr_cap((uint64_t)b->inflight_longterm + (uint64_t)n * v->mss);
	if (b->round_start)
		raise_slope(b, v);
}

/* Return: true when it has chosen the next phase */
static bool adapt_longterm(struct bbr *b, struct bbr_view *v,
			   const struct rate_sample *rs)
{
	if (b->ack_phase == ACKS_PROBE_STARTING && b->round_start)
		b->ack_phase = ACKS_PROBE_FEEDBACK;
	if (b->ack_phase == ACKS_PROBE_STOPPING && b->round_start) {
		b->bw_probe_sample = false;
		b->ack_phase = ACKS_INIT;
		if (is_probing_cycle(b) && !rs->app_limited) {
			b->max_bw[1] = b->max_bw[0];
			b->max_bw[0] = 0;
		}
		if (is_probing_cycle(b) && b->prev_probe_precautionary &&
		    !b->prev_probe_too_high) {
			start_refill(b, v);
			return true;
		}
	}
	if (too_high(b, v, rs->lost, rs->tx_in_flight) ||
	    b->inflight_longterm == BBR_INF)
		return false;
	b->inflight_longterm = max_u32(b->inflight_longterm, rs->tx_in_flight);
	if (b->state == BBR_PROBE_UP)
		probe_upward(b, v, rs);
	return false;
}

/* --- the probing cycle (5.3.3) --- */

static bool is_time_to_probe(struct bbr *b, const struct bbr_view *v)
{
	uint32_t rounds = target_inflight(b, v) / v->mss;

	if (!after(v->now, b->cycle_stamp, b->probe_wait_us) &&
	    b->rounds_since_probe_up < min_u32(rounds, RENO_ROUNDS_MAX))
		return false;
	start_refill(b, v);
	return true;
}

static bool is_time_to_cruise(const struct bbr *b, const struct bbr_view *v)
{
	return v->inflight <= with_headroom(b, v) &&
	       v->inflight <= inflight_at(b, v, max_bw(b), 100);
}

static bool is_time_to_go_down(struct bbr *b, const struct bbr_view *v,
			       const struct rate_sample *rs)
{
	if (b->prev_probe_too_high && v->inflight >= b->inflight_longterm) {
		b->prev_probe_precautionary = true;
		return true;
	}
	if (v->cwnd_limited && v->cwnd >= b->inflight_longterm)
		reset_full_bw(b, rs->rate); /* the limit, not the path */
	else if (b->full_bw_now)
		return true;
	return false;
}

static void update_cycle(struct bbr *b, struct bbr_view *v,
			 const struct rate_sample *rs)
{
	if (!b->full_bw_reached || adapt_longterm(b, v, rs))
		return;
	switch (b->state) {
	case BBR_PROBE_DOWN:
		if (!is_time_to_probe(b, v) && is_time_to_cruise(b, v))
			b->state = BBR_PROBE_CRUISE;
		break;
	case BBR_PROBE_CRUISE:
		is_time_to_probe(b, v);
		break;
	case BBR_PROBE_REFILL:
		if (b->round_start) {
			b->bw_probe_sample = true;
			start_up(b, v, rs);
		}
		break;
	case BBR_PROBE_UP:
		if (is_time_to_go_down(b, v, rs)) {
			b->prev_probe_too_high = false;
			start_down(b, v);
		}
		break;
	default:
		break;
	}
}

/* --- per ACK (5.2.3) --- */

static void update_latest(struct bbr *b, const struct bbr_view *v,
			  const struct rate_sample *rs)
{
	b->loss_round_start = false;
	if (rs->rate > b->bw_latest)
		b->bw_latest = rs->rate;
	b->inflight_latest = max_u32(b->inflight_latest, rs->delivered);
	if (rs->has &&
	    (int32_t)(rs->prior_delivered - b->loss_round_delivered) >= 0) {
		b->loss_round_delivered = v->delivered;
		b->loss_round_start = true;
	}
}

static void update_max_bw(struct bbr *b, const struct bbr_view *v,
			  const struct rate_sample *rs)
{
	b->round_start = rs->has && (int32_t)(rs->prior_delivered -
					      b->next_round_delivered) >= 0;
	if (b->round_start) {
		start_round(b, v);
		b->round_count++;
		if (b->rounds_since_probe_up < 255)
			b->rounds_since_probe_up++;
	}
	if (rs->rate && (rs->rate >= max_bw(b) || !rs->app_limited) &&
	    rs->rate > b->max_bw[0])
		b->max_bw[0] = rs->rate;
}

/* Once in a round trip with loss, unless we are probing for more. */
static void lower_bounds(struct bbr *b, const struct bbr_view *v)
{
	uint64_t least;

	if (is_accelerating(b) || !b->loss_in_round)
		return;
	if (b->bw_shortterm == UINT64_MAX)
		b->bw_shortterm = max_bw(b);
	if (b->inflight_shortterm == BBR_INF)
		b->inflight_shortterm = v->cwnd;
	least = b->bw_shortterm / 100 * BETA;
	b->bw_shortterm = b->bw_latest > least ? b->bw_latest : least;
	b->inflight_shortterm = max_u32(b->inflight_latest,
					percent(b->inflight_shortterm, BETA));
}

static void update_aggregation(struct bbr *b, const struct bbr_view *v,
			       const struct rate_sample *rs)
{
	int64_t us = mono_sub(v->now, b->extra_acked_start);
	uint64_t expected = b->bw * (uint64_t)(us > 0 ? us : 0) / USEC_PER_SEC;
	uint32_t extra, len = b->full_bw_reached ? EXTRA_ACKED_ROUNDS : 1;

	if (b->extra_acked_delivered <= expected) {
		b->extra_acked_delivered = 0;
		b->extra_acked_start = v->now;
		expected = 0;
	}
	b->extra_acked_delivered =
		bbr_cap((uint64_t)b->extra_acked_delivered + rs->newly_acked);
	extra = min_u32((uint32_t)(b->extra_acked_delivered - expected),
			v->cwnd);
	/* two halves of the window approximate a filter of all its samples */
	if (b->round_count - b->extra_acked_round >= (len + 1) / 2) {
		b->extra_acked_round = b->round_count;
		b->extra_acked[1] = b->extra_acked[0];
		b->extra_acked[0] = 0;
	}
	b->extra_acked[0] = max_u32(b->extra_acked[0], extra);
}

static void check_full_bw(struct bbr *b, const struct rate_sample *rs)
{
	if (b->full_bw_now || !b->round_start || rs->app_limited)
		return;
	if (rs->rate >= b->full_bw + b->full_bw / 4) {
		reset_full_bw(b, rs->rate);
		return;
	}
	b->full_bw_now = ++b->full_bw_count >= FULL_BW_ROUNDS;
	b->full_bw_reached |= b->full_bw_now;
}

/* 5.3.1.3: many losses in a round trip of recovery end STARTUP, too. */
static void check_startup_loss(struct bbr *b, const struct bbr_view *v,
			       const struct rate_sample *rs)
{
	if (!b->loss_round_start || !v->recovering || !b->loss_in_round ||
	    !too_high(b, v, rs->lost, rs->tx_in_flight) ||
	    (v->sack && b->loss_events < STARTUP_FULL_LOSS_COUNT))
		return;
	b->undo_state = BBR_STARTUP;
	b->full_bw_now = b->full_bw_reached = true;
	b->inflight_longterm =
		max_u32(bdp_multiple(b, v, b->bw, 100), b->inflight_latest);
}

static void check_startup(struct bbr *b, const struct bbr_view *v,
			  const struct rate_sample *rs)
{
	if (b->state != BBR_STARTUP)
		return;
	if (!b->full_bw_reached)
		check_startup_loss(b, v, rs);
	if (b->full_bw_reached)
		enter_drain(b);
}

static void check_drain(struct bbr *b, struct bbr_view *v)
{
	if (b->state == BBR_DRAIN &&
	    (v->inflight <= inflight_at(b, v, b->bw, 100) ||
	     b->round_count > b->drain_start_round + DRAIN_ROUNDS))
		start_down(b, v);
}

/* --- the least round-trip time (5.3.4) --- */

static void update_min_rtt(struct bbr *b, const struct bbr_view *v,
			   const struct rate_sample *rs)
{
	b->probe_rtt_expired =
		after(v->now, b->probe_rtt_min_stamp, PROBE_RTT_INTERVAL_US);
	if (rs->rtt_us >= 0 && (rs->rtt_us < (int64_t)b->probe_rtt_min_us ||
				b->probe_rtt_expired)) {
		b->probe_rtt_min_us = bbr_cap((uint64_t)rs->rtt_us);
		b->probe_rtt_min_stamp = v->now;
	}
	if (bbr_sees_empty_path(b, v, rs)) /* there is no need to drain it */
		b->probe_rtt_min_stamp = b->min_rtt_stamp = v->now;
	if (b->probe_rtt_min_us != BBR_INF &&
	    (!b->has_rtt || b->probe_rtt_min_us < b->min_rtt_us ||
	     after(v->now, b->min_rtt_stamp, MIN_RTT_FILTER_US))) {
		b->min_rtt_us = max_u32(b->probe_rtt_min_us, 1);
		b->min_rtt_stamp = b->probe_rtt_min_stamp;
		b->has_rtt = true;
	}
}

static uint32_t probe_rtt_cwnd(const struct bbr *b, const struct bbr_view *v)
{
	return max_u32(bdp_multiple(b, v, b->bw, PROBE_RTT_CWND_GAIN),
		       min_pipe(v));
}

static void exit_probe_rtt(struct bbr *b, struct bbr_view *v)
{
	reset_shortterm(b);
	if (!b->full_bw_reached) {
		b->state = BBR_STARTUP;
		return;
	}
	start_down(b, v);
	b->state = BBR_PROBE_CRUISE;
}

static void check_probe_rtt_done(struct bbr *b, struct bbr_view *v)
{
	if (!mono_is_set(b->probe_rtt_done_stamp) ||
	    !mono_before(b->probe_rtt_done_stamp, v->now))
		return;
	b->probe_rtt_min_stamp = v->now; /* the next in five seconds */
	restore_cwnd(b, v);
	exit_probe_rtt(b, v);
}

static void handle_probe_rtt(struct bbr *b, struct bbr_view *v)
{
	v->mark_app_limited = true; /* a low rate is no sample now */
	if (!mono_is_set(b->probe_rtt_done_stamp)) {
		if (v->inflight > probe_rtt_cwnd(b, v))
			return;
		b->probe_rtt_done_stamp =
			mono_add(v->now, PROBE_RTT_DURATION_US);
		b->probe_rtt_round_done = false;
		start_round(b, v);
		return;
	}
	b->probe_rtt_round_done |= b->round_start;
	if (b->probe_rtt_round_done)
		check_probe_rtt_done(b, v);
}

static void check_probe_rtt(struct bbr *b, struct bbr_view *v,
			    const struct rate_sample *rs)
{
	if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired &&
	    !b->idle_restart) {
		save_cwnd(b, v);
		b->state = BBR_PROBE_RTT;
		b->probe_rtt_done_stamp = MONO_UNSET;
		b->ack_phase = ACKS_PROBE_STOPPING;
		start_round(b, v);
	}
	if (b->state == BBR_PROBE_RTT)
		handle_probe_rtt(b, v);
	if (rs->delivered)
		b->idle_restart = false;
}

/* --- what is decided (5.6) --- */

static void set_pacing_rate(const struct bbr *b, struct bbr_view *v,
			    uint32_t gain)
{
	uint64_t rate = b->bw * gain / 100 * (100 - PACING_MARGIN) / 100;

	if (rate && (b->full_bw_reached || rate > v->pacing_rate))
		v->pacing_rate = rate;
}

static void set_quantum(struct bbr_view *v)
{
	uint64_t q = v->pacing_rate * QUANTUM_US / USEC_PER_SEC;

	v->quantum = max_u32(q < QUANTUM_MAX ? (uint32_t)q : QUANTUM_MAX,
			     2 * v->mss);
}

static void bound_cwnd(const struct bbr *b, struct bbr_view *v)
{
	uint32_t cap = BBR_INF;

	if (b->state == BBR_PROBE_RTT)
		v->cwnd = min_u32(v->cwnd, probe_rtt_cwnd(b, v));
	if (is_probing_cycle(b) && b->state != BBR_PROBE_CRUISE)
		cap = b->inflight_longterm;
	else if (b->state == BBR_PROBE_RTT || b->state == BBR_PROBE_CRUISE)
		cap = with_headroom(b, v);
	cap = min_u32(cap, b->inflight_shortterm);
	v->cwnd = min_u32(v->cwnd, max_u32(cap, min_pipe(v)));
}

static void set_cwnd(struct bbr *b, struct bbr_view *v,
		     const struct rate_sample *rs)
{
	uint32_t cap = bdp_multiple(b, v, b->bw, cwnd_gain(b));

	cap = bbr_cap((uint64_t)cap +
		      max_u32(b->extra_acked[0], b->extra_acked[1]));
	if (bbr_queue_is_others(b))
		cap = bbr_cap((uint64_t)cap + OTHERS_QUANTA * v->quantum);
	b->max_inflight = quantized(b, v, cap);
	if (b->full_bw_reached)
		v->cwnd = min_u32(bbr_cap((uint64_t)v->cwnd + rs->newly_acked),
				  b->max_inflight);
	else if (v->cwnd < b->max_inflight || v->delivered < v->initial_cwnd)
		v->cwnd = bbr_cap((uint64_t)v->cwnd + rs->newly_acked);
	v->cwnd = max_u32(v->cwnd, min_pipe(v));
	bound_cwnd(b, v);
}

void bbr_on_ack(struct bbr *b, struct bbr_view *v, const struct rate_sample *rs)
{
	v->mark_app_limited = false;
	update_latest(b, v, rs);
	update_max_bw(b, v, rs);
	bbr_learn_queue(b, v, rs);
	if (b->loss_round_start)
		lower_bounds(b, v);
	update_aggregation(b, v, rs);
	check_full_bw(b, rs);
	check_startup(b, v, rs);
	check_drain(b, v);
	update_cycle(b, v, rs);
	update_min_rtt(b, v, rs);
	check_probe_rtt(b, v, rs);
	if (b->loss_round_start) {
		b->bw_latest = rs->rate;
		b->inflight_latest = rs->delivered;
		b->loss_in_round = false;
		b->loss_events = 0;
	}
	b->bw = max_bw(b) < b->bw_shortterm ? max_bw(b) : b->bw_shortterm;
	set_pacing_rate(b, v, pacing_gain(b, v));
	set_quantum(v);
	set_cwnd(b, v, rs);
}

/* --- other events --- */

static void init_pacing_rate(struct bbr_view *v)
{
	uint64_t us = v->srtt_us ? v->srtt_us : USEC_PER_MSEC;

	v->pacing_rate = (uint64_t)v->initial_cwnd * USEC_PER_SEC / us *
			 STARTUP_PACING_GAIN / 100;
	set_quantum(v);
}

void bbr_init(struct bbr *b, struct bbr_view *v)
{
	memset(b, 0, sizeof(*b));
	b->min_rtt_us = v->srtt_us ? v->srtt_us : BBR_INF;
	b->has_rtt = v->srtt_us != 0;
	b->min_rtt_stamp = b->probe_rtt_min_stamp = v->now;
	b->probe_rtt_min_us = b->min_rtt_us;
	b->probe_rtt_done_stamp = MONO_UNSET;
	b->cycle_stamp = MONO_UNSET;
	b->extra_acked_start = v->now;
	b->undo_state = BBR_NONE;
	b->inflight_longterm = b->probe_up_acked_per_inc = BBR_INF;
	b->ack_phase = ACKS_INIT;
	b->next_round_delivered = b->loss_round_delivered = v->delivered;
	reset_congestion_signals(b);
	reset_shortterm(b);
	reset_full_bw(b, 0);
	init_pacing_rate(v);
	b->state = BBR_STARTUP;
}

void bbr_on_transmit(struct bbr *b, struct bbr_view *v)
{
	if (v->inflight || !v->app_limited)
		return;
	b->idle_restart = true;
	b->extra_acked_start = v->now;
	if (is_probing_cycle(b))
		set_pacing_rate(b, v, 100);
	else if (b->state == BBR_PROBE_RTT)
		check_probe_rtt_done(b, v);
}

static void save_state(struct bbr *b, const struct bbr_view *v)
{
	save_cwnd(b, v);
	b->undo_state = BBR_NONE;
	b->undo_bw_shortterm = b->bw_shortterm;
	b->undo_inflight_shortterm = b->inflight_shortterm;
	b->undo_inflight_longterm = b->inflight_longterm;
}

static void note_loss(struct bbr *b, const struct bbr_view *v)
{
	if (!b->loss_in_round) {
		b->loss_round_delivered = v->delivered;
		save_state(b, v);
	}
	b->loss_in_round = true;
	if (b->loss_events < 255)
		b->loss_events++;
}

/* What was in flight when losses crossed the threshold, perhaps in the middle
 * of this packet. */
static uint32_t inflight_at_loss(uint32_t size, uint32_t tx_in_flight,
				 uint32_t lost)
{
	int64_t before = (int64_t)tx_in_flight - size;
	int64_t lost_before = (int64_t)lost - size;
	int64_t prefix = (LOSS_THRESH * before - 100 * lost_before) /
			 (100 - LOSS_THRESH);

	before += prefix > 0 ? prefix : 0;
	return before > 0 ? (uint32_t)before : 0;
}

void bbr_on_loss(struct bbr *b, struct bbr_view *v, uint32_t size,
		 uint32_t tx_in_flight, uint32_t lost, bool app_limited)
{
	if (!bbr_is_congestion(b, v, lost, tx_in_flight))
		return;
	note_loss(b, v);
	if (!b->bw_probe_sample || !too_high(b, v, lost, tx_in_flight))
		return;
	handle_too_high(b, v, inflight_at_loss(size, tx_in_flight, lost),
			app_limited);
}

void bbr_on_ecn(struct bbr *b, struct bbr_view *v)
{
	note_loss(b, v);
	if (b->bw_probe_sample)
		handle_too_high(b, v, v->inflight, v->app_limited);
}

void bbr_enter_recovery(struct bbr *b, struct bbr_view *v, bool timeout)
{
	if (!b->loss_in_round) /* saved at the first loss */
		save_state(b, v);
	if (timeout)
		v->cwnd = bbr_cap((uint64_t)v->inflight + v->mss);
}

void bbr_exit_recovery(struct bbr *b, struct bbr_view *v)
{
	restore_cwnd(b, v);
	bound_cwnd(b, v);
}

void bbr_undo(struct bbr *b, struct bbr_view *v)
{
	restore_cwnd(b, v);
	b->loss_in_round = false;
	reset_full_bw(b, 0);
	if (b->undo_bw_shortterm > b->bw_shortterm)
		b->bw_shortterm = b->undo_bw_shortterm;
	b->inflight_shortterm =
		max_u32(b->inflight_shortterm, b->undo_inflight_shortterm);
	b->inflight_longterm =
		max_u32(b->inflight_longterm, b->undo_inflight_longterm);
	if (b->undo_state == BBR_STARTUP && b->state != BBR_STARTUP) {
		b->full_bw_reached = false;
		if (b->state != BBR_PROBE_RTT)
			b->state = BBR_STARTUP;
	} else if (b->undo_state == BBR_PROBE_UP && b->state != BBR_PROBE_UP &&
		   b->state != BBR_PROBE_RTT) {
		start_refill(b, v);
	}
	b->undo_state = BBR_NONE;
}
