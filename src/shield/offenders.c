/* SPDX-License-Identifier: MIT */
/*
 * The sources that were refused most, by the space-saving algorithm (Metwally
 * et al., 2005).
 */
#include "shield/offenders.h"

static void halve(struct offenders *o, mono_t now)
{
	if (!mono_is_set(o->halved))
		o->halved = now;
	if (mono_sub(now, o->halved) < OFFENDERS_HALVE_US)
		return;
	for (uint32_t i = 0; i < o->n; i++) {
		o->who[i].count /= 2;
		o->who[i].error /= 2;
	}
	o->halved = now;
}

/* The place of @a, or of the source that was seen least. */
static struct offender *place(struct offenders *o, const struct ipaddr *a,
			      uint32_t service)
{
	struct offender *least = o->who;

	for (uint32_t i = 0; i < o->n; i++) {
		struct offender *w = &o->who[i];

		if (ipaddr_eq(&w->addr, a) && w->service == service)
			return w;
		if (w->count < least->count)
			least = w;
	}
	if (o->n < OFFENDERS_MAX) {
		least = &o->who[o->n++];
		least->count = 0;
	}
	*least = (struct offender){.addr = *a,
				   .service = service,
				   .count = least->count,
				   .error = least->count};
	return least;
}

void offenders_note(struct offenders *o, const struct ipaddr *a,
		    uint32_t service, mono_t now)
{
	struct ipaddr net = *a;
	struct offender *w;

	if (!ipaddr_is_v4(a))
		memset(net.b + 8, 0, 8);
	halve(o, now);
	w = place(o, &net, service);
	if (w->count < UINT32_MAX)
		w->count++;
}
