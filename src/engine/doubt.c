/* SPDX-License-Identifier: MIT */
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
#include "internal.h"

#define WAIT_US (100 * USEC_PER_MSEC)

bool doubt_add(struct engine *e, const struct svc *s, const struct segment *seg,
	       mono_t now)
{
	struct doubts *d = &e->doubts;

	if (d->n == DOUBTS_MAX)
		return false;
	d->item[(d->first + d->n++) % DOUBTS_MAX] =
		(struct doubt){.t = seg->t,
			       .ack = seg->ack,
			       .service = s->index,
			       .due = mono_add(now, WAIT_US)};
	return true;
}

int doubt_pull(struct engine *e, struct tx *tx, int max, mono_t now)
{
	struct doubts *d = &e->doubts;
	int n = 0;

	while (n < max && d->n) {
		const struct doubt *i = &d->item[d->first];
		struct segment s = {.t = i->t, .ack = i->ack, .flags = TCP_ACK};

		if (mono_before(now, i->due))
			break;
		d->first = (d->first + 1) % DOUBTS_MAX;
		d->n--;
		if (table_find(e, &i->t) || synq_find(&e->synq, &i->t))
			continue;
		e->slots[i->service].shield[SC_UnknownReset]++;
		answer_rst(&tx[n++], &s);
	}
	return n;
}

mono_t doubt_deadline(const struct engine *e)
{
	const struct doubts *d = &e->doubts;

	return d->n ? d->item[d->first].due : MONO_UNSET;
}
