/* SPDX-License-Identifier: MIT */
/*
 * Decides when cookies begin and end.  While cookies are sent the queue
 * empties, so its length says nothing about the flood.  So the unanswered
 * cookies of a hold period are counted as well: without cookies they would be
 * in the queue.  Cookies end only when both numbers are below the low mark.
 * Otherwise a lasting flood would refill the queue after each hold period.
 */
#include "shield/pressure.h"

static bool reaches(uint32_t n, uint32_t percent, uint32_t of)
{
	return (uint64_t)n * 100 >= (uint64_t)percent * of;
}

static void hold(struct pressure *p, const struct pressure_marks *m, mono_t now)
{
	p->until = mono_add(now, m->hold_us);
	p->open = 0;
}

bool pressure_cookies(struct pressure *p, const struct pressure_marks *m,
		      uint32_t half_open, mono_t now)
{
	if (m->syncookies != 1)
		return m->syncookies == 2;
	if (!p->cookies) {
		if (!reaches(half_open, m->high, m->backlog))
			return false;
		p->cookies = true;
		p->begun++;
		hold(p, m, now);
		return true;
	}
	if (mono_before(now, p->until))
		return true;
	if (reaches(half_open, m->low, m->backlog) ||
	    (p->open && reaches(p->open, m->low, m->backlog)))
		hold(p, m, now);
	else
		p->cookies = false;
	return p->cookies;
}

void pressure_sent(struct pressure *p, uint32_t n)
{
	p->open = n < UINT32_MAX - p->open ? p->open + n : UINT32_MAX;
}

void pressure_answered(struct pressure *p)
{
	if (p->open)
		p->open--;
}
