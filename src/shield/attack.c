/* SPDX-License-Identifier: MIT */
/*
 * Tells when an attack on a service begins and ends.  It begins after two
 * samples in a row, so that one busy second is not an attack.  It ends after
 * ten seconds of calm, so that a flood with pauses is one attack and cannot
 * fill the log.
 */
#include "shield/attack.h"

static uint64_t grown(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

static void difference(const struct attack_counts *from,
		       const struct attack_counts *to, struct attack_counts *d)
{
	d->cookies = grown(from->cookies, to->cookies);
	d->proven = grown(from->proven, to->proven);
	d->failed = grown(from->failed, to->failed);
	d->limited = grown(from->limited, to->limited);
}

/* Packets of a sample whose senders have proven nothing. */
static uint64_t unproven(const struct attack_counts *d)
{
	uint64_t open = grown(d->proven, d->cookies);

	if (open * 4 < d->cookies)
		open = 0;
	return open + d->failed + d->limited;
}

static enum attack_event begin(struct attack *a, const struct attack_counts *c,
			       mono_t now)
{
	if (a->rate < ATTACK_BEGIN_RATE) {
		a->hot = 0;
		a->start = *c;
		a->begun = now;
		return ATTACK_NONE;
	}
	if (!a->hot || a->rate > a->peak)
		a->peak = a->rate;
	if (++a->hot < 2)
		return ATTACK_NONE;
	a->on = true;
	a->calm = now;
	a->seen++;
	return ATTACK_BEGINS;
}

static enum attack_event go_on(struct attack *a, mono_t now)
{
	if (a->rate > a->peak)
		a->peak = a->rate;
	if (a->rate >= ATTACK_END_RATE)
		a->calm = now;
	if (mono_sub(now, a->calm) < ATTACK_CALM_US)
		return ATTACK_NONE;
	a->on = false;
	a->hot = 0;
	return ATTACK_ENDS;
}

enum attack_event attack_feed(struct attack *a, const struct attack_counts *c,
			      mono_t now)
{
	int64_t us = a->fed ? mono_sub(now, a->at) : 0;
	struct attack_counts d;

	if (a->fed && us <= 0)
		return ATTACK_NONE;
	difference(&a->prev, c, &d);
	a->rate = a->fed ? unproven(&d) * USEC_PER_SEC / (uint64_t)us : 0;
	a->prev = *c;
	a->at = now;
	a->fed = true;
	return a->on ? go_on(a, now) : begin(a, c, now);
}

void attack_total(const struct attack *a, struct attack_counts *total)
{
	difference(&a->start, &a->prev, total);
}

uint32_t attack_proven_permille(const struct attack_counts *c)
{
	if (!c->cookies)
		return 0;
	return (uint32_t)(1000 *
			  (c->proven < c->cookies ? c->proven : c->cookies) /
			  c->cookies);
}
