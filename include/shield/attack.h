/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_ATTACK_H
#define PENSTOCK_SHIELD_ATTACK_H

/*
 * Is a service attacked, and for how long?  Judged once a second or so by what
 * admission counts anyway, so a flood pays nothing for it.
 */
#include "util/types.h"

#define ATTACK_BEGIN_RATE 100 /* a second: in two samples an attack */
#define ATTACK_END_RATE 25    /* a second: below it is calm */
#define ATTACK_CALM_US (10 * (int64_t)USEC_PER_SEC) /* calm for so long: over */

/**
 * struct attack_counts - What admission did for a service, since the start
 * @cookies: SYNs answered by a cookie
 * @proven:  cookies that came back good
 * @failed:  ACKs that brought none, or a bad one
 * @limited: refused by lists, limits or want of room
 */
struct attack_counts {
	uint64_t cookies, proven, failed, limited;
};

/**
 * struct attack - A service, watched
 * @fed:    there was a sample, @prev at @at
 * @hot:    samples in a row that are attack
 * @on:     it is attacked, since @begun
 * @calm:   it has been calm since then, while @on
 * @start:  counts when it began
 * @rate:   unproven packets a second, in the last sample
 * @peak:   the most of them while @on
 * @seen:   attacks so far
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
 * @c: counts now.  One that fell began anew
 *
 * What counts are SYNs that were answered by a cookie and did not come back -
 * where these are a quarter of all, as the answers to the last ones are still
 * under way - bad cookies, and SYNs refused.
 */
enum attack_event attack_feed(struct attack *a, const struct attack_counts *c,
			      mono_t now);

/* What was counted since it began. */
void attack_total(const struct attack *a, struct attack_counts *total);

/* Of the cookies sent, the part that came back, in thousandths. */
uint32_t attack_proven_permille(const struct attack_counts *c);

#endif
