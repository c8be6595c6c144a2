/* SPDX-License-Identifier: MIT */
/*
 * Flows of an engine, for display.
 */
#include "engine/hooks.h"
#include "view/flow.h"

bool flow_view_is_meant(const struct engine *e, const struct flow *f,
			const struct filter *filter)
{
	const struct tuple *c = &f->leg[LEG_CLIENT].t;
	const struct tuple *s = &f->leg[LEG_SERVER].t;
	const struct filter_subject subject = {
		.service = flow_service(f),
		.serial = flow_serial(e, f),
		.client = {c->remote, c->rport},
		.used = {c->local, c->lport},
		.server = {s->remote, s->rport},
		.states = (uint16_t)(BIT(f->leg[LEG_CLIENT].state) |
				     BIT(f->leg[LEG_SERVER].state)),
	};

	return !filter || filter_matches(filter, &subject);
}

/* What one leg has received and the other has not sent yet. */
static uint32_t unsent(const struct leg_view *v)
{
	return v->queued_bytes > v->inflight_bytes
		       ? v->queued_bytes - v->inflight_bytes
		       : 0;
}

struct flow_view flow_view(const struct engine *e, const struct flow *f,
			   mono_t now)
{
	struct flow_view v = {.flow = f,
			      .service = flow_service(f),
			      .serial = flow_serial(e, f),
			      .faulty = f->hooked,
			      .age_us = mono_sub(now, f->opened)};

	for (int i = 0; i < 2; i++)
		v.leg[i] = leg_view(&f->leg[i], now);
	for (int i = 0; i < 2; i++)
		v.leg[i].unread_bytes = unsent(&v.leg[i ^ 1]);
	v.idle_ms = v.leg[LEG_CLIENT].acked_ago_ms;
	if (f->dialled)
		v.idle_ms = min_u32(v.idle_ms, v.leg[LEG_SERVER].acked_ago_ms);
	/* a leg may have begun some milliseconds before it was told of now */
	if (v.idle_ms > v.age_us / USEC_PER_MSEC)
		v.idle_ms = (uint32_t)(v.age_us / USEC_PER_MSEC);
	return v;
}

uint32_t flow_view_walk(const struct engine *e, const struct filter *filter,
			uint32_t max, flow_view_fn fn, void *arg, mono_t now)
{
	const struct flow *f = engine_flow_first(e);
	struct flow_view v;
	uint32_t n = 0;

	for (; f && n < max; f = engine_flow_next(e, f)) {
		if (!flow_view_is_meant(e, f, filter))
			continue;
		v = flow_view(e, f, now);
		fn(arg, &v);
		n++;
	}
	return n;
}
