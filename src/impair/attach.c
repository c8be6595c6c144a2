/* SPDX-License-Identifier: MIT */
/*
 * Attaches faults to a flow when it begins, and detaches them when it ends.
 *
 * A connection that no fault selects is left alone.  Some faults act on the
 * peers after the flow has ended.  Then the connection is kept without a flow
 * ("unbound", fault/set.h).
 */
#include "internal.h"

void attach_flow(struct impair *im, struct flow *f, struct fault_flow *w)
{
	struct impair_flow *sf = slab_alloc(&im->flows);

	if (!sf) {
		fault_flow_free(&im->set, w);
		return;
	}
	memset(sf, 0, sizeof(*sf));
	sf->behave = behave_faulty;
	sf->im = im;
	sf->w = w;
	w->owner = f;
	f->hooked = true;
	f->leg[0].behave = f->leg[1].behave = &sf->behave;
}

void attach_transits(struct impair *im, struct flow *f)
{
	if (fault_has_stream(&im->set, impaired(f)->w, FAULT_DOWNSTREAM))
		transit_open(f, LEG_CLIENT);
	if (fault_has_stream(&im->set, impaired(f)->w, FAULT_UPSTREAM))
		transit_open(f, LEG_SERVER);
}

void attach_bind(void *wing, struct flow *f)
{
	struct impair *im = wing;
	const struct tuple *t = &f->leg[LEG_CLIENT].t;
	struct fault_flow *w;

	if (im->receiving) /* impair_load_flow() */
		return;
	w = fault_unbound_find(&im->set, t);
	if (w)
		fault_unbound_take(&im->set, w);
	else
		w = fault_flow_new(&im->set, flow_service(f), t,
				   engine_now(im->e));
	if (w && !w->active) {
		fault_flow_free(&im->set, w);
		w = NULL;
	}
	if (w)
		attach_flow(im, f, w);
	if (!f->hooked)
		return;
	attach_transits(im, f);
	timer_arm(im, f);
}

void attach_unbind(void *wing, struct flow *f)
{
	struct impair *im = wing;
	struct impair_flow *sf = impaired(f);
	mono_t now = engine_now(im->e);

	transit_purge(im, f, LEG_CLIENT);
	transit_purge(im, f, LEG_SERVER);
	/* a fault may act on the peer after the flow has ended */
	wheel_cancel(&im->set.wheel, &sf->w->timer);
	sf->w->owner = NULL;
	sf->w->old = true;
	if (fault_lingers(&im->set, sf->w))
		fault_unbound_keep(&im->set, sf->w, now);
	else if (!fault_unbound_listen(&im->set, sf->w, now))
		fault_flow_free(&im->set, sf->w);
	f->leg[0].behave = f->leg[1].behave = NULL;
	slab_free(&im->flows, sf);
	f->hooked = false;
}
