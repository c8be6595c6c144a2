/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_ISN_H
#define PENSTOCK_TCP_ISN_H

#include "util/hash.h"
#include "util/types.h"

/**
 * isn_make() - Initial sequence number and timestamp offset of a connection
 * @k:      secret key
 * @t:      addresses from our side
 * @now:    drives the 4 microsecond clock
 * @isn:    out: RFC 6528: clock + keyed hash of the 4-tuple
 * @ts_off: out: added to the millisecond clock; random per 4-tuple (RFC 7323,
 *          5.4), constant over time, so that PAWS works across incarnations
 *
 * One hash gives both.
 */
void isn_make(const struct hash_key *k, const struct tuple *t, mono_t now,
	      seq_t *isn, uint32_t *ts_off);

#endif
