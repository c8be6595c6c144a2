/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_OFFENDERS_H
#define PENSTOCK_SHIELD_OFFENDERS_H

/*
 * The sources that are refused most, in a table of fixed size (space-saving:
 * Metwally et al., 2005).  A new source takes the place of the one seen least,
 * and inherits its count as a possible error.  So a source with more than
 * 1/OFFENDERS_MAX of all refusals is always in the table.
 */
#include "util/types.h"

#define OFFENDERS_MAX 32
#define OFFENDERS_HALVE_US (60 * (int64_t)USEC_PER_SEC)

/**
 * struct offender - A source
 * @addr:    IPv6: the first 64 bits of it
 * @service: index of the service that refused it
 * @count:   upper limit of the number of refusals lately
 * @error:   @count - @error is the lower limit
 */
struct offender {
	struct ipaddr addr;
	uint32_t service;
	uint32_t count, error;
};

/**
 * struct offenders - The table
 * @who:    @n of them
 * @halved: when all counts were halved, so that old refusals fade
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
