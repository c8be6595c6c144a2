/* SPDX-License-Identifier: MIT */
/*
 * Reports of an engine: what its faults did, and what was measured of peers.
 */
#include "internal.h"

uint32_t impair_match(const struct engine *e, const struct fault_spec *spec,
		      void (*fn)(void *arg, const struct tuple *t), void *arg,
		      uint32_t *spared)
{
	const struct flow *f = engine_flow_first(e);
	uint32_t n = 0;

	for (; f; f = engine_flow_next(e, f)) {
		if (!fault_spec_selects(spec, flow_service(f),
					&f->leg[LEG_CLIENT].t))
			continue;
		if (spec->scope != FAULT_ALL) {
			++*spared;
			continue;
		}
		n++;
		if (fn)
			fn(arg, &f->leg[LEG_CLIENT].t);
	}
	return n;
}

int impair_sink(struct engine *e, void (*fn)(void *arg, const char *json),
		void *arg, mono_t now)
{
	struct impair *im = impair_open(e, now);

	if (!im)
		return -ENOMEM;
	im->set.line = fn;
	im->set.line_arg = arg;
	return 0;
}

void impair_watch_lost(struct engine *e,
		       void (*fn)(void *arg, const struct tx *tx, mono_t now),
		       void *arg)
{
	struct impair *im = engine_wing(e);

	if (!im)
		return;
	im->lost = fn;
	im->lost_arg = arg;
}

const char *impair_fault_of(const struct engine *e, const struct flow *f,
			    uint32_t i)
{
	const struct impair *im = engine_wing(e);

	if (!im || !f->hooked)
		return NULL;
	for (uint32_t k = 0; k < im->set.n; k++) {
		int slot = im->set.order[k];

		if (impaired(f)->w->active & BIT(slot) && !i--)
			return im->set.fault[slot].spec.name;
	}
	return NULL;
}

bool impair_get(const struct engine *e, uint32_t i, mono_t now,
		struct impair_fault *out)
{
	const struct impair *im = engine_wing(e);
	const struct fault_set *s = im ? &im->set : NULL;
	const struct fault *f;

	if (!s || i >= s->n)
		return false;
	f = &s->fault[s->order[i]];
	*out = (struct impair_fault){.spec = &f->spec,
				     .conns = f->conns,
				     .active = f->active,
				     .lease_left_us = -1};
	memcpy(out->count, f->count, sizeof(out->count));
	memcpy(out->peer, f->peer, sizeof(out->peer));
	memcpy(out->answered, f->answered, sizeof(out->answered));
	out->unwatched = f->unwatched;
	if (f->lease_end.us != MONO_NEVER.us)
		out->lease_left_us = mono_due(f->lease_end, now)
					     ? 0
					     : mono_sub(f->lease_end, now);
	return true;
}

const char *impair_gone(const struct engine *e, uint32_t i,
			struct fault_expect *expect, uint64_t *n)
{
	const struct impair *im = engine_wing(e);
	const struct fault_set *s = im ? &im->set : NULL;

	if (!s || i >= s->ngone)
		return NULL;
	*expect = s->gone[i].expect;
	*n = s->gone[i].n;
	return s->gone[i].name;
}

void impair_profile_reset(struct engine *e)
{
	struct impair *im = engine_wing(e);

	if (im)
		memset(im->set.profile, 0, sizeof(im->set.profile));
}

void impair_profile_read(const struct engine *e, struct fault_profile *table)
{
	const struct impair *im = engine_wing(e);
	const struct fault_profile *p;

	for (uint32_t i = 0; im && i < FAULT_PROFILES_MAX; i++) {
		p = &im->set.profile[i];
		if (p->conns)
			fault_profile_merge(fault_profile_find(table, &p->addr,
							       p->side),
					    p);
	}
}
