/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_DOUBTS_H
#define PENSTOCK_SHIELD_DOUBTS_H

/*
 * Benefit of the doubt: RSTs that wait for a moment.
 *
 * With cookies, only the segment that returns the cookie makes a connection
 * known.  If the network has reordered a client's first segments, a later one
 * arrives first, and a RST for it would end a good connection.  So the RST
 * waits.  If there is a connection by then the RST is forgotten, and the client
 * sends the segment again.  Beyond DOUBTS_MAX waiting RSTs, segments get no
 * answer.
 */
#include "wire/segment.h"

#define DOUBTS_MAX 1024u

/**
 * struct doubt - A segment that may have overtaken its cookie
 * @t:       its addresses
 * @ack:     its acknowledgment number
 * @service: index of the service that it was for
 * @due:     when its RST has waited long enough
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
