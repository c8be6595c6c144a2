/* SPDX-License-Identifier: MIT */
/*
 * Where faults meet flows: the engine's hooks (engine/hooks.h).
 *
 * An engine without faults has no struct impair, and a flow without faults no
 * struct impair_flow.  Then each hook costs one branch.
 *
 * A segment that arrives for a flow with faults (arrival.c) is cut into the
 * packets that were on the wire.  Each is judged: passed on, dropped, held or
 * copied.  A segment that belongs to no leg is judged for a connection without
 * a flow (opening.c).  What a leg sends (departure.c) is cut and judged in the
 * same way.  Delayed packets are in delayq.c. behave.c answers the questions of
 * the stack.  Bytes between the legs go through transit.c, and close.c ends
 * whole connections. attach.c attaches faults to flows, and set.c applies a
 * changed set of faults to them. change.c and report.c are the API of the wing.
 *
 * Nothing here frees a flow that a caller still uses: a reset during a pull
 * only closes the legs, and engine_pull() frees the flow.
 */
#include <stdlib.h>

#include "internal.h"

#define HELD_MAX 65536u
#define UNBOUND_MAX 4096u

/* The events of a leg.  Return: those that are relayed now. */
static uint16_t relay(void *wing, struct flow *f, struct leg *l, uint16_t ev,
		      mono_t now)
{
	struct impair *im = wing;
	int to = l->side ^ 1;
	struct transit *p = &impaired(f)->transit[to];

	if (impaired(f)->closed)
		ev &= (uint16_t) ~(LEG_EV_RST | LEG_EV_TIMEOUT | LEG_EV_FIN);
	if (ev & (LEG_EV_RST | LEG_EV_TIMEOUT))
		transit_flush(im, f, to);
	close_pump(im, f, to, now);
	if (ev & LEG_EV_FIN && p->on && p->q.bytes) {
		p->fin = true;
		ev &= (uint16_t)~LEG_EV_FIN;
	}
	if (ev & (LEG_EV_ROOM | LEG_EV_ESTABLISHED))
		close_pump(im, f, l->side, now);
	timer_arm(im, f);
	return ev;
}

/* Bytes that have not yet reached the send queue of leg @to. */
static uint32_t pending(const void *wing, const struct flow *f, int to)
{
	(void)wing;
	return impaired(f)->transit[to].q.bytes;
}

static void wake_flow(struct impair *im, struct flow *f, mono_t now)
{
	struct impair_flow *sf = impaired(f);
	uint8_t side = 0, act;

	if (mono_due(sf->again, now)) {
		sf->again = MONO_UNSET;
		timer_ask_again(f);
	}
	if (fault_ask_over(&im->set, sf->w, now))
		timer_ask_again(f);
	fault_react_expire(&im->set, sf->w, now);
	act = fault_flow_due(&im->set, sf->w, now, &side);
	if (act)
		close_reset(im, f, side, act, now);
	close_pump(im, f, LEG_CLIENT, now);
	close_pump(im, f, LEG_SERVER, now);
	timer_arm(im, f);
	flow_settle(im->e, f, now);
}

static void on_wake(struct wtimer *t, mono_t now, void *arg)
{
	struct fault_flow *w = container_of(t, struct fault_flow, timer);
	struct impair *im = arg;

	if (w->owner) {
		wake_flow(im, w->owner, now);
		return;
	}
	if (fault_unbound_wake(&im->set, w, now))
		return;
	fault_unbound_take(&im->set, w);
	fault_flow_free(&im->set, w);
}

static mono_t deadline(const void *wing)
{
	const struct impair *im = wing;
	mono_t t =
		mono_earlier(wheel_deadline(&im->set.wheel), im->set.lease_end);

	return mono_earlier(t, delayq_deadline(im));
}

void impair_expire(void *wing, mono_t now)
{
	struct impair *im = wing;
	struct held *h;
	int slot;

	while ((slot = fault_set_expired(&im->set, now)) >= 0) {
		fault_set_bury(&im->set, slot);
		set_remove(im, slot, now);
	}
	wheel_expire(&im->set.wheel, now, on_wake, im);
	while ((h = delayq_due(im, now)))
		arrival_deliver(im, h, now);
}

static void impair_free(void *wing)
{
	struct impair *im = wing;

	delayq_free(im);
	fault_set_fini(&im->set);
	slab_fini(&im->flows);
	slab_fini(&im->held);
	free(im);
}

static const struct engine_hooks hooks = {.bind = attach_bind,
					  .unbind = attach_unbind,
					  .input = arrival_input,
					  .admit = opening_admit,
					  .flow_pull = departure_flow_pull,
					  .pull = departure_pull,
					  .relay = relay,
					  .pending = pending,
					  .deadline = deadline,
					  .expire = impair_expire,
					  .free = impair_free};

struct impair *impair_open(struct engine *e, mono_t now)
{
	uint32_t flows = engine_max_flows(e);
	struct impair *im = engine_wing(e);

	if (im)
		return im;
	im = calloc(1, sizeof(*im));
	if (!im)
		return NULL;
	im->e = e;
	im->pool = engine_pool(e);
	if (delayq_init(im, HELD_MAX) ||
	    fault_set_init(&im->set, engine_seed(e), flows + UNBOUND_MAX,
			   now) ||
	    slab_init(&im->held, sizeof(struct held), HELD_MAX * 2) ||
	    slab_init(&im->flows, sizeof(struct impair_flow), flows)) {
		slab_fini(&im->held);
		fault_set_fini(&im->set);
		delayq_free(im);
		free(im);
		return NULL;
	}
	im->set.totals = engine_in_common(e, sizeof(*im->set.totals));
	engine_hook(e, &hooks, im);
	return im;
}
