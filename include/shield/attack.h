/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_ATTACK_H
#define PENSTOCK_SHIELD_ATTACK_H

/*
 * Is a service under attack, and since when?  Decided about once a second from
 * the counters of admission, so it costs nothing per packet.
 */
#include "util/types.h"

#define ATTACK_BEGIN_RATE 100 /* a second, in two samples: an attack */
#define ATTACK_END_RATE 25    /* a second: below this it is calm */
#define ATTACK_CALM_US (10 * (int64_t)USEC_PER_SEC) /* calm for so long: over */

/**
 * struct attack_counts - The counts of admission for a service, since the start
 * @cookies: SYNs answered with a cookie
 * @proven:  valid cookies that came back
 * @failed:  ACKs without a cookie, or with a bad one
 * @limited: refused by lists, by limits or for lack of room
 */
struct attack_counts {
	uint64_t cookies, proven, failed, limited;
};

/**
 * struct attack - The state of one service
 * @fed:    there was a sample: @prev, taken at @at
 * @hot:    samples in a row that look like an attack
 * @on:     it is under attack, since @begun
 * @calm:   since when it is calm, while @on
 * @start:  the counts when the attack began
 * @rate:   unproven packets a second, in the last sample
 * @peak:   the highest @rate while @on
 * @seen:   number of attacks so far
 */
struct attack {
	bool fed, on;
	uint32_t hot;
	mono_t at, begun, calm;
	struct attack_counts prev, start;
	uint64_t rate, peak, seen;
};

enum attack_event {
	ATTACK_NONE,
	ATTACK_BEGINS,
	ATTACK_ENDS,
};

/**
 * attack_feed() - One more sample
 * @c: the counts now.  A count that fell was reset
 *
 * Counted are refused SYNs, bad cookies, and cookies that did not come back.
 * The last kind counts only if it is at least a quarter of all cookies, because
 * the latest answers are still on their way.
 */
enum attack_event attack_feed(struct attack *a, const struct attack_counts *c,
			      mono_t now);

/* The counts since the attack began. */
void attack_total(const struct attack *a, struct attack_counts *total);

/* The share of sent cookies that came back, in thousandths. */
uint32_t attack_proven_permille(const struct attack_counts *c);

#endif
