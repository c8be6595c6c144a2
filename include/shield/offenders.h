/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_OFFENDERS_H
#define PENSTOCK_SHIELD_OFFENDERS_H

/*
 * Who is refused most?  A table of fixed size (space-saving: Metwally et al.,
 * 2005): a newcomer takes the place of whoever was seen least and inherits its
 * count as a possible error.  So who sends more than one in OFFENDERS_MAX is
 * always there, whatever else comes.
 */
#include "util/types.h"

#define OFFENDERS_MAX 32
#define OFFENDERS_HALVE_US (60 * (int64_t)USEC_PER_SEC)

/**
 * struct offender - A source
 * @addr:    IPv6: the first 64 bits of it
 * @service: that refused it
 * @count:   at most so often lately
 * @error:   at least @count - @error of it is true
 */
struct offender {
	struct ipaddr addr;
	uint32_t service;
	uint32_t count, error;
};

/**
 * struct offenders - The table
 * @who:    @n of them
 * @halved: when all counts were halved, as old sins are forgotten
 */
struct offenders {
	struct offender who[OFFENDERS_MAX];
	uint32_t n;
	mono_t halved;
};

/* @a was refused once more. */
void offenders_note(struct offenders *o, const struct ipaddr *a,
		    uint32_t service, mono_t now);

#endif
