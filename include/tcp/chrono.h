/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_CHRONO_H
#define PENSTOCK_TCP_CHRONO_H

/*
 * For how long what kept a leg from sending more; see src/tcp/chrono.c.
 */
#include "util/types.h"

/* What keeps a leg from sending more. */
enum leg_limit {
	LIMIT_IDLE,   /* nothing is queued, nothing in flight */
	LIMIT_APP,    /* all that is queued is in flight already */
	LIMIT_RWND,   /* the peer's window */
	LIMIT_CWND,   /* the congestion window */
	LIMIT_PACING, /* the next segment's time has not come */
	LIMIT_BUFFER, /* ours: who would send more through us may not */
	LEG_LIMITS
};

/* idle, app, rwnd, cwnd, pacing, buffer */
extern const char *const leg_limit_name[LEG_LIMITS];

/**
 * struct leg_chrono - Where a leg's time went since it was established
 * @ms:      by enum leg_limit, modulo 2^32
 * @hole_ms: a segment of the peer's was missing
 * @at_ms:   all is accounted for up to this time, ms clock; valid with @on
 * @resent:  segments sent again
 * @limit:   enum leg_limit: what holds from @at_ms on
 * @hole:    a segment is missing from @at_ms on
 * @on:      the time counts
 */
struct leg_chrono {
	uint32_t ms[LEG_LIMITS];
	uint32_t hole_ms, at_ms, resent;
	uint8_t limit : 3;
	bool hole : 1, on : 1;
};

#endif
