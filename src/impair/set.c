/* SPDX-License-Identifier: MIT */
/*
 * Applies a change of the set of faults to connections: a fault that is removed
 * releases what it holds, and living connections join a new one.
 */
#include "internal.h"

void set_remove(struct impair *im, int slot, mono_t now)
{
	const struct fault_spec *spec = &im->set.fault[slot].spec;
	uint8_t how = spec->on_remove;
	struct flow *f, *next;

	delayq_release(im, slot, how != FAULT_RELEASE, now);
	for (f = engine_flow_first(im->e); f; f = next) {
		next = engine_flow_next(im->e, f);
		if (!f->hooked || !(impaired(f)->w->active & BIT(slot)))
			continue;
		impaired(f)->w->active &= ~BIT(slot);
		if (fault_closes_on_remove(spec))
			close_both(im, f, now);
		/* acknowledged bytes cannot be dropped without a reset */
		if (how == FAULT_RESET ||
		    (how == FAULT_DROP && transit_holds(f, spec)))
			close_reset(im, f, LEG_CLIENT, FAULT_ACT_RESET_BOTH,
				    now);
		timer_ask_again(f);
		for (int to = 0; to < 2; to++) {
			transit_unmark(f, to, now);
			close_pump(im, f, to, now);
		}
		timer_arm(im, f);
		flow_settle(im->e, f, now);
	}
	fault_set_del(&im->set, slot);
}

/* Living connections join a fault with scope=all. */
static void join_flows(struct impair *im, int slot, mono_t now)
{
	struct fault_set *set = &im->set;
	struct flow *f = engine_flow_first(im->e);

	for (; f; f = engine_flow_next(im->e, f)) {
		struct fault_flow *w = f->hooked ? impaired(f)->w : NULL;

		if (!w)
			w = fault_flow_alloc(set, &f->leg[LEG_CLIENT].t, now);
		if (!w)
			return;
		if (!fault_flow_join(set, w, slot, flow_service(f))) {
			if (!f->hooked)
				fault_flow_free(set, w);
			continue;
		}
		if (!f->hooked)
			attach_flow(im, f, w);
		if (!f->hooked)
			continue;
		attach_transits(im, f);
		timer_arm(im, f);
	}
}

/* So do connections that have sent a SYN and may still get a flow. */
static void join_unbound(struct impair *im, int slot)
{
	struct fault_set *set = &im->set;

	for (struct fault_flow *w = set->first; w; w = w->next) {
		const char *service = NULL;

		if (!w->owner && !w->old)
			service = engine_service_at(im->e, &w->t.local,
						    w->t.lport);
		if (service)
			fault_flow_join(set, w, slot, service);
	}
}

void set_join(struct impair *im, int slot, mono_t now)
{
	join_unbound(im, slot);
	join_flows(im, slot, now);
}
