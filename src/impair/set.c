/* SPDX-License-Identifier: MIT */
/*
 * The set of faults of an engine: adding, removing, asking (impair/impair.h).
 */
#include <stdlib.h>

#include "internal.h"

void seam_remove(struct engine *e, int slot, mono_t now)
{
	struct seams *s = e->seams;
	const struct fault_spec *spec = &s->set.fault[slot].spec;
	uint8_t how = spec->on_remove;
	struct flow *f, *next;

	held_release(e, slot, how != FAULT_RELEASE, now);
	for (f = e->first; f; f = next) {
		next = f->next;
		if (!f->faulty || !(seam_of(e, f)->w->active & BIT(slot)))
			continue;
		seam_of(e, f)->w->active &= ~BIT(slot);
		if (fault_closes_on_remove(spec))
			seam_close(e, f, now);
		/* bytes were acknowledged: to drop them is to reset */
		if (how == FAULT_RESET ||
		    (how == FAULT_DROP && pipe_holds(e, f, spec)))
			seam_reset(e, f, LEG_CLIENT, FAULT_ACT_RESET_BOTH, now);
		seam_ask_again(f);
		for (int to = 0; to < 2; to++) {
			pipe_unmark(e, f, to, now);
			pipe_pump(e, f, to, now);
		}
		seams_arm(e, f);
		flow_settle(e, f, now);
	}
	fault_set_del(&s->set, slot);
}

/* Living connections join a fault with scope=all. */
static void join_all(struct engine *e, int slot, mono_t now)
{
	struct fault_set *set = &e->seams->set;

	for (struct flow *f = e->first; f; f = f->next) {
		struct fault_flow *w = f->faulty ? seam_of(e, f)->w : NULL;

		if (!w)
			w = fault_flow_alloc(set, &f->leg[LEG_CLIENT].t, now);
		if (!w)
			return;
		if (!fault_flow_join(set, w, slot, f->svc->cfg->name)) {
			if (!f->faulty)
				fault_flow_free(set, w);
			continue;
		}
		if (!f->faulty)
			seam_attach(e, f, w);
		if (!f->faulty)
			continue;
		seam_open_pipes(e, f);
		seams_arm(e, f);
	}
}

/* So do those that have sent a SYN and may yet become flows. */
static void join_embryos(struct engine *e, int slot)
{
	struct fault_set *set = &e->seams->set;

	for (struct fault_flow *w = set->first; w; w = w->next) {
		const struct svc *svc = NULL;

		if (!w->owner && !w->old)
			svc = svc_for_client(e, &w->t.local, w->t.lport);
		if (svc)
			fault_flow_join(set, w, slot, svc->cfg->name);
	}
}

int engine_fault_add(struct engine *e, const struct fault_spec *spec,
		     mono_t now, char *err, size_t errlen)
{
	int slot = seams_open(e, now);

	if (!slot)
		slot = fault_set_add(&e->seams->set, spec, now);
	if (slot < 0) {
		snprintf(err, errlen, "fault %s: %s", spec->name,
			 slot == -EEXIST   ? "there is one of this name"
			 : slot == -ENOSPC ? "too many faults"
					   : "no memory");
		return slot;
	}
	if (spec->scope == FAULT_ALL) {
		join_embryos(e, slot);
		join_all(e, slot, now);
	}
	return 0;
}

static int slot_of(const struct engine *e, const char *name)
{
	int slot = e->seams ? fault_set_find(&e->seams->set, name) : -1;

	return slot < 0 ? -ENOENT : slot;
}

int engine_fault_del(struct engine *e, const char *name, mono_t now)
{
	int slot = slot_of(e, name);

	if (slot < 0)
		return slot;
	seam_remove(e, slot, now);
	return 0;
}

void engine_fault_reset(struct engine *e, mono_t now)
{
	while (e->seams && e->seams->set.n)
		seam_remove(e, e->seams->set.order[0], now);
}

int engine_fault_lease(struct engine *e, const char *name, int64_t lease_us,
		       mono_t now)
{
	int slot = slot_of(e, name);

	if (slot < 0)
		return slot;
	fault_set_lease(&e->seams->set, slot, lease_us, now);
	return 0;
}

uint32_t engine_fault_match(const struct engine *e,
			    const struct fault_spec *spec,
			    void (*fn)(void *arg, const struct tuple *t),
			    void *arg, uint32_t *spared)
{
	uint32_t n = 0;

	for (const struct flow *f = e->first; f; f = f->next) {
		if (!fault_spec_selects(spec, f->svc->cfg->name,
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

size_t engine_fault_list(const struct engine *e, char *out, size_t outlen)
{
	if (outlen)
		out[0] = '\0';
	return e->seams ? fault_set_list(&e->seams->set, out, outlen) : 0;
}

bool engine_fault_expect(const struct engine *e, char *err, size_t errlen)
{
	return !e->seams || fault_set_expect(&e->seams->set, err, errlen);
}

int engine_fault_sink(struct engine *e, void (*fn)(void *arg, const char *json),
		      void *arg, mono_t now)
{
	if (seams_open(e, now))
		return -ENOMEM;
	e->seams->set.line = fn;
	e->seams->set.line_arg = arg;
	return 0;
}
