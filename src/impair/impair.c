/* SPDX-License-Identifier: MIT */
/*
 * Where faults meet flows: the engine's hooks (engine/hooks.h).
 *
 * An engine without faults has no struct impair, and a flow without faults no
 * struct impair_flow: each hook is one branch then.
 *
 * A segment of a flow with faults that arrives (arrival.c) is cut into what was
 * one packet on the wire, and each piece is judged: passed on, dropped, held,
 * doubled.  One that no leg takes is judged on behalf of an embryo (opening.c).
 * What a leg has to send (departure.c) is cut and judged likewise.  Packets
 * that wait are in delayq.c.  Questions of the stack are answered in behave.c;
 * bytes between the legs go through pipe.c; what is done to whole connections
 * is close.c.  attach.c is the life of a flow's faults, set.c what a change of
 * the set of faults means to flows, change.c and report.c are the wing's API.
 *
 * Nobody frees a flow here while its caller still uses it: a reset during a
 * pull only closes the legs, and engine_pull() does the rest.
 */
#include <stdlib.h>

#include "internal.h"

#define HELD_MAX 65536u
#define EMBRYOS_MAX 4096u

/* A leg's events pass by: returns those that go on now. */
static uint16_t relay(void *wing, struct flow *f, struct leg *l, uint16_t ev,
		      mono_t now)
{
	struct impair *im = wing;
	int to = l->side ^ 1;
	struct pipe *p = &impaired(f)->pipe[to];

	if (impaired(f)->closed)
		ev &= (uint16_t) ~(LEG_EV_RST | LEG_EV_TIMEOUT | LEG_EV_FIN);
	if (ev & (LEG_EV_RST | LEG_EV_TIMEOUT))
		pipe_flush(im, f, to);
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

/* Bytes that have not reached @to's send queue yet. */
static uint32_t pending(const void *wing, const struct flow *f, int to)
{
	(void)wing;
	return impaired(f)->pipe[to].q.bytes;
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
	if (fault_embryo_wake(&im->set, w, now))
		return;
	fault_embryo_take(&im->set, w);
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
	    fault_set_init(&im->set, engine_seed(e), flows + EMBRYOS_MAX,
			   now) ||
	    slab_init(&im->held, sizeof(struct held), HELD_MAX * 2) ||
	    slab_init(&im->flows, sizeof(struct impair_flow), flows)) {
		slab_fini(&im->held);
		fault_set_fini(&im->set);
		delayq_free(im);
		free(im);
		return NULL;
	}
	engine_hook(e, &hooks, im);
	return im;
}
