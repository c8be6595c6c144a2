/* SPDX-License-Identifier: MIT */
/*
 * The faults of several engines, which all have the same faults.
 */
#include "impair/all.h"

int impair_all_rehearse(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now,
			uint32_t *bad, const char **err)
{
	int rc = 0;

	for (uint32_t i = 0; i < a->n && !rc; i++)
		rc = impair_rehearse(a->engine[i], c, n, now, bad, err);
	return rc;
}

static bool adds_any(const struct fault_change *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].verb == FAULT_DO_ADD)
			return true;
	}
	return false;
}

bool impair_all_perform(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now)
{
	bool adds = adds_any(c, n), good = true;

	for (uint32_t i = 0; i < a->n && adds; i++) {
		if (impair_sink(a->engine[i], a->line, a->arg[i], now))
			good = false;
	}
	/* One after the other: what engines count together begins anew
	 * between a fault that goes and one that comes. */
	for (uint32_t k = 0; k < n; k++) {
		for (uint32_t i = 0; i < a->n; i++)
			impair_perform(a->engine[i], &c[k], 1, now);
	}
	return good;
}

struct hit_call {
	impair_hit_fn fn;
	void *arg;
	const char *fault;
};

static void on_hit(void *arg, const struct tuple *t)
{
	const struct hit_call *c = arg;

	c->fn(c->arg, c->fault, t);
}

uint32_t impair_all_match(const struct impair_all *a,
			  const struct fault_change *c, uint32_t n,
			  impair_hit_fn fn, void *arg, uint32_t *spared)
{
	struct hit_call call = {.fn = fn, .arg = arg};
	uint32_t hits = 0;

	*spared = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (c[i].verb != FAULT_DO_ADD)
			continue;
		call.fault = c[i].spec.name;
		for (uint32_t k = 0; k < a->n; k++)
			hits += impair_match(a->engine[k], &c[i].spec,
					     fn ? on_hit : NULL, &call, spared);
	}
	return hits;
}

static void add_to_sum(struct fault_sum *sum, const struct impair_fault *f)
{
	sum->conns += f->conns;
	sum->active += f->active;
	for (int i = 0; i < FC_COUNT; i++)
		sum->count[i] += f->count[i];
	for (int i = 0; i < FR_COUNT; i++)
		sum->peer[i] += f->peer[i];
	sum->answered[0] += f->answered[0];
	sum->answered[1] += f->answered[1];
	sum->unwatched += f->unwatched;
}

uint32_t impair_all_list(const struct impair_all *a, struct fault_sum *f,
			 mono_t now)
{
	struct impair_fault one;
	const char *none;
	uint32_t n = 0, i;

	for (uint32_t k = 0; k < a->n; k++) {
		struct engine *e = a->engine[k];

		/* removes ended leases on all engines, so that their lists are
		 * equal */
		impair_rehearse(e, NULL, 0, now, &i, &none);
		for (i = 0; i < FAULT_MAX && impair_get(e, i, now, &one); i++) {
			if (i == n) {
				f[n++] = (struct fault_sum){
					.spec = *one.spec,
					.lease_left_us = one.lease_left_us};
			}
			add_to_sum(&f[i], &one);
		}
	}
	return n;
}

/* Leases end on all engines together, so the names of the first one are
 * enough. */
const char *impair_all_gone(const struct impair_all *a, uint32_t i,
			    struct fault_expect *expect, uint64_t *n)
{
	const char *name = impair_gone(a->engine[0], i, expect, n);
	struct fault_expect same;
	uint64_t more;

	for (uint32_t k = 1; name && k < a->n; k++)
		if (impair_gone(a->engine[k], i, &same, &more))
			*n += more;
	return name;
}
