/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_DOUBTS_H
#define PENSTOCK_SHIELD_DOUBTS_H

/*
 * Benefit of the doubt: RSTs that wait for a moment.
 *
 * With cookies nothing is known of a connection but by the segment that brings
 * the cookie.  Where the network changed the order of a client's first flight,
 * a later one comes first, and a RST for it would end a good connection.  So
 * the RST waits; if there is a connection by then it is forgotten, and the
 * client sends again what it was about.  Bounded: beyond DOUBTS_MAX there is no
 * answer at all.
 */
#include "wire/segment.h"

#define DOUBTS_MAX 1024u

/**
 * struct doubt - A segment that may have overtaken what makes it known
 * @t:       its addresses
 * @ack:     its acknowledgment number
 * @service: index of the service that it was for
 * @due:     when it has waited long enough
 */
struct doubt {
	struct tuple t;
	seq_t ack;
	uint16_t service;
	mono_t due;
};

/**
 * struct doubts - The waiting RSTs; all zero: none
 * @item:  a ring, in order of arrival; each waits for the same time
 * @first: the oldest
 * @n:     how many there are
 */
struct doubts {
	struct doubt item[DOUBTS_MAX];
	uint32_t first, n;
};

/* Let a RST for @seg wait.  False: there is no room. */
bool doubts_add(struct doubts *d, const struct segment *seg, uint16_t service,
		mono_t now);

/* When doubts_due() has something; MONO_UNSET: never. */
static inline mono_t doubts_deadline(const struct doubts *d)
{
	return d->n ? d->item[d->first].due : MONO_UNSET;
}

/* Take out one that has waited long enough.  NULL: there is none.  Valid until
 * the next doubts_add(). */
const struct doubt *doubts_due(struct doubts *d, mono_t now);

#endif
