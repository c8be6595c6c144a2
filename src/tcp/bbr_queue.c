/* SPDX-License-Identifier: MIT */
/*
 * What BBR sees of the queue before the bottleneck, and which loss it takes for
 * congestion.  bbr.c has the reasons, at its top.
 */
#include "bbr_queue.h"

#define LOSS_CERTAIN 15 /* percent: congestion, whatever the delay says */
#define LOSS_CERTAIN_SEGMENTS 8
#define LOSS_OWN_SEGMENTS 3
#define FEW_SEGMENTS (100 / LOSS_THRESH) /* of fewer, one is more than that */
#define CHANCE_MAX 100			 /* thousandths */
#define QUEUE_PART 4 /* of the least round-trip time: a standing queue */
#define CRUISE_QUEUE_PART 8
#define OTHERS_QUEUE_PART 2 /* more than this for so long is others' queue */
#define OTHERS_QUEUE_ROUNDS 8
#define OTHERS_QUEUE_KEPT_US USEC_PER_SEC
#define EMPTY_PART 10 /* within this part of it, there is none */
#define QUEUE_LEAST_US (1 * USEC_PER_MSEC)

static uint32_t burst_us(const struct bbr *b, const struct bbr_view *v)
{
	return bbr_cap((uint64_t)v->quantum * USEC_PER_SEC / (b->bw + 1));
}

/* A round-trip time that is longer by no more than this, a part of the least
 * one, shows no queue.  A burst waits for itself. */
static uint32_t rtt_room(const struct bbr *b, const struct bbr_view *v,
			 uint32_t part)
{
	return max_u32(b->min_rtt_us / part, burst_us(b, v));
}

static bool is_delayed(const struct bbr *b, const struct bbr_view *v,
		       uint32_t part)
{
	uint32_t room = max_u32(rtt_room(b, v, part), QUEUE_LEAST_US);

	return b->has_rtt && v->rtt_us > b->min_rtt_us + room;
}

bool bbr_sees_queue(const struct bbr *b, const struct bbr_view *v)
{
	return is_delayed(b, v, QUEUE_PART);
}

/* More than what CRUISE leaves of our own, also where that is a burst. */
static bool is_long(const struct bbr *b, const struct bbr_view *v)
{
	return is_delayed(b, v, OTHERS_QUEUE_PART) &&
	       v->rtt_us - b->min_rtt_us > 2ull * burst_us(b, v);
}

bool bbr_queue_is_others(const struct bbr *b)
{
	return b->delayed_rounds >= OTHERS_QUEUE_ROUNDS;
}

bool bbr_drains(const struct bbr *b, const struct bbr_view *v)
{
	return b->state == BBR_PROBE_CRUISE &&
	       is_delayed(b, v, CRUISE_QUEUE_PART);
}

bool bbr_sees_empty_path(const struct bbr *b, const struct bbr_view *v,
			 const struct rate_sample *rs)
{
	return b->has_rtt && b->full_bw_reached && rs->rtt_us >= 0 &&
	       rs->rtt_us <=
		       (int64_t)b->min_rtt_us + rtt_room(b, v, EMPTY_PART);
}

/* How long has there been a queue that draining does not end?  Once it is
 * others', it is until there has been none for a second: sooner it may only
 * have been their PROBE_RTT. */
static void count_delayed(struct bbr *b, const struct bbr_view *v)
{
	bool drains = b->state == BBR_PROBE_DOWN ||
		      b->state == BBR_PROBE_CRUISE;
	bool others = bbr_queue_is_others(b);

	if (!b->round_start)
		return;
	if (is_long(b, v)) {
		b->delayed_us = (uint32_t)v->now.us;
		if (drains && !others)
			b->delayed_rounds++;
	} else if (!others ||
		   (uint32_t)v->now.us - b->delayed_us > OTHERS_QUEUE_KEPT_US) {
		b->delayed_rounds = 0;
	}
}

/* Without a queue the path loses by chance: how much, of a round trip. */
static void learn_chance(struct bbr *b, const struct bbr_view *v,
			 const struct rate_sample *rs)
{
	uint64_t part;

	if (!b->round_start || !rs->tx_in_flight || bbr_sees_queue(b, v))
		return;
	b->own_queue &= b->state == BBR_PROBE_UP;
	part = (uint64_t)rs->lost * 1000 * 16 / rs->tx_in_flight;
	part = part < CHANCE_MAX * 16 ? part : CHANCE_MAX * 16;
	b->chance = (uint16_t)((b->chance * 15u + part) / 16);
}

void bbr_learn_queue(struct bbr *b, const struct bbr_view *v,
		     const struct rate_sample *rs)
{
	learn_chance(b, v, rs);
	count_delayed(b, v);
}

/* More than the path loses by chance, where the queue is our own: 2 %, and
 * three times the standard deviation of what chance takes.  In thousandths of
 * segments. */
static bool exceeds_own(const struct bbr *b, const struct bbr_view *v,
			uint32_t lost, uint32_t tx_in_flight)
{
	uint64_t sent = tx_in_flight / v->mss;
	uint64_t by_chance = sent * b->chance / 16;
	uint64_t bound = sent * LOSS_THRESH * 10 + by_chance;
	uint64_t all = (uint64_t)lost * 1000 / v->mss;

	return lost >= LOSS_OWN_SEGMENTS * v->mss && all > bound &&
	       (all - bound) * (all - bound) > 9 * by_chance * 1000;
}

/* For the draft every loss is congestion: see the top of bbr.c. */
bool bbr_is_congestion(const struct bbr *b, const struct bbr_view *v,
		       uint32_t lost, uint32_t tx_in_flight)
{
	if (lost >= LOSS_CERTAIN_SEGMENTS * v->mss &&
	    bbr_loss_exceeds(lost, tx_in_flight, LOSS_CERTAIN))
		return true;
	if (v->sack && tx_in_flight < FEW_SEGMENTS * v->mss &&
	    bbr_queue_is_others(b))
		return false;
	return bbr_sees_queue(b, v) &&
	       (!b->own_queue || exceeds_own(b, v, lost, tx_in_flight));
}
