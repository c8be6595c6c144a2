/* SPDX-License-Identifier: MIT */
/*
 * Benefit of the doubt: a ring of RSTs that wait.
 */
#include "shield/doubts.h"

#define WAIT_US (100 * USEC_PER_MSEC)

bool doubts_add(struct doubts *d, const struct segment *seg, uint16_t service,
		mono_t now)
{
	if (d->n == DOUBTS_MAX)
		return false;
	d->item[(d->first + d->n++) % DOUBTS_MAX] =
		(struct doubt){.t = seg->t,
			       .ack = seg->ack,
			       .service = service,
			       .due = mono_add(now, WAIT_US)};
	return true;
}

const struct doubt *doubts_due(struct doubts *d, mono_t now)
{
	const struct doubt *i = &d->item[d->first];

	if (!d->n || mono_before(now, i->due))
		return NULL;
	d->first = (d->first + 1) % DOUBTS_MAX;
	d->n--;
	return i;
}
