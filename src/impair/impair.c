/* SPDX-License-Identifier: MIT */
/*
 * Where faults meet flows.
 *
 * An engine without faults has no struct seams, and a flow without faults no
 * struct seam_flow: each seam is one branch on a NULL pointer then.
 *
 * Seam 1 (arrival, seam_in.c): a segment of a flow with faults is cut into what
 * was one packet on the wire, and each piece is judged: passed on, dropped,
 * held, doubled.  A segment that no leg takes is judged on behalf of an embryo
 * (seam_embryo.c).  Seam 2 (departure, seam_out.c): what a leg has to send is
 * cut likewise, and leaves by way of a queue (seam_hold.c).  Seam 3 is
 * seam_ask.c, seam 4 seam_pipe.c; what is done to whole connections is
 * seam_act.c.  This file is the life of a flow's faults; seam_set.c is the set
 * of faults itself.
 *
 * Nobody frees a flow here while its caller still uses it: a reset during a
 * pull only closes the legs, and engine_pull() does the rest.
 */
#include <stdlib.h>

#include "internal.h"

#define HELD_MAX 65536u
#define EMBRYOS_MAX 4096u

int seams_open(struct engine *e, mono_t now)
{
	struct seams *s;

	if (e->seams)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->heap_max = HELD_MAX;
	s->heap = calloc(HELD_MAX, sizeof(struct held *));
	s->of = calloc(e->flows.max, sizeof(struct seam_flow *));
	if (!s->heap || !s->of ||
	    fault_set_init(&s->set, e->seed, e->flows.max + EMBRYOS_MAX, now) ||
	    slab_init(&s->held, sizeof(struct held), HELD_MAX * 2) ||
	    slab_init(&s->flows, sizeof(struct seam_flow), e->flows.max)) {
		slab_fini(&s->held);
		fault_set_fini(&s->set);
		free(s->heap);
		free(s->of);
		free(s);
		return -ENOMEM;
	}
	e->seams = s;
	return 0;
}

void seams_free(struct engine *e)
{
	struct seams *s = e->seams;
	struct held *h;

	if (!s)
		return;
	held_forget(e);
	while ((h = s->out_head)) {
		s->out_head = h->next;
		held_free(e, h);
	}
	while (s->nheap)
		held_free(e, s->heap[--s->nheap]);
	fault_set_fini(&s->set);
	slab_fini(&s->flows);
	slab_fini(&s->held);
	free(s->heap);
	free(s->of);
	free(s);
	e->seams = NULL;
}

/* ---- a flow's faults ---- */

void seam_attach(struct engine *e, struct flow *f, struct fault_flow *w)
{
	struct seam_flow *sf = slab_alloc(&e->seams->flows);

	if (!sf) {
		fault_flow_free(&e->seams->set, w);
		return;
	}
	memset(sf, 0, sizeof(*sf));
	sf->behave = seams_behaviour;
	sf->e = e;
	sf->w = w;
	w->owner = f;
	e->seams->of[slab_index(&e->flows, f)] = sf;
	f->faulty = true;
	f->leg[0].behave = f->leg[1].behave = &sf->behave;
}

void seam_open_pipes(struct engine *e, struct flow *f)
{
	struct fault_set *set = &e->seams->set;

	if (fault_has_stream(set, seam_of(e, f)->w, FAULT_DOWNSTREAM))
		pipe_open(e, f, LEG_CLIENT);
	if (fault_has_stream(set, seam_of(e, f)->w, FAULT_UPSTREAM))
		pipe_open(e, f, LEG_SERVER);
}

void seams_arm(struct engine *e, struct flow *f)
{
	struct seam_flow *sf = seam_of(e, f);
	struct wheel *wheel = &e->seams->set.wheel;
	mono_t wake = fault_flow_wake(&e->seams->set, sf->w);

	wake = mono_earlier(wake, sf->again);
	wake = mono_earlier(wake, fault_react_wake(sf->w));
	wake = mono_earlier(wake, sf->pipe[0].wake);
	wake = mono_earlier(wake, sf->pipe[1].wake);
	if (mono_is_set(wake))
		wheel_arm(wheel, &sf->w->timer, wake);
	else
		wheel_cancel(wheel, &sf->w->timer);
}

void seams_bind(struct engine *e, struct flow *f)
{
	struct seams *s = e->seams;
	const struct tuple *t = &f->leg[LEG_CLIENT].t;
	struct fault_flow *w = fault_embryo_find(&s->set, t);

	if (w)
		fault_embryo_take(&s->set, w);
	else
		w = fault_flow_new(&s->set, f->svc->cfg->name, t, e->now);
	if (w && !w->active) {
		fault_flow_free(&s->set, w);
		w = NULL;
	}
	if (w)
		seam_attach(e, f, w);
	if (!f->faulty)
		return;
	seam_open_pipes(e, f);
	seams_arm(e, f);
}

void seams_unbind(struct engine *e, struct flow *f)
{
	struct seam_flow *sf = seam_of(e, f);

	pipe_purge(e, f, LEG_CLIENT);
	pipe_purge(e, f, LEG_SERVER);
	/* what a fault does to the peer may outlive the flow */
	wheel_cancel(&e->seams->set.wheel, &sf->w->timer);
	sf->w->owner = NULL;
	sf->w->old = true;
	if (fault_lingers(&e->seams->set, sf->w))
		fault_embryo_keep(&e->seams->set, sf->w, e->now);
	else if (!fault_embryo_listen(&e->seams->set, sf->w, e->now))
		fault_flow_free(&e->seams->set, sf->w);
	f->leg[0].behave = f->leg[1].behave = NULL;
	slab_free(&e->seams->flows, sf);
	f->faulty = false;
}

/* ---- between the legs ---- */

/* A leg's events pass by: returns those that go on now. */
uint16_t seams_relay(struct engine *e, struct flow *f, struct leg *l,
		     uint16_t ev, mono_t now)
{
	int to = l->side ^ 1;
	struct pipe *p = &seam_of(e, f)->pipe[to];

	if (seam_of(e, f)->closed)
		ev &= (uint16_t) ~(LEG_EV_RST | LEG_EV_TIMEOUT | LEG_EV_FIN);
	if (ev & (LEG_EV_RST | LEG_EV_TIMEOUT))
		pipe_flush(e, f, to);
	pipe_pump(e, f, to, now);
	if (ev & LEG_EV_FIN && p->on && p->q.bytes) {
		p->fin = true;
		ev &= (uint16_t)~LEG_EV_FIN;
	}
	if (ev & (LEG_EV_ROOM | LEG_EV_ESTABLISHED))
		pipe_pump(e, f, l->side, now);
	seams_arm(e, f);
	return ev;
}

/* Bytes that have not reached @to's send queue yet. */
uint32_t seams_pending(const struct engine *e, const struct flow *f, int to)
{
	return seam_of(e, f)->pipe[to].q.bytes;
}

/* ---- time ---- */

/* What a fault held back may go now: the ACK, the window, the FIN. */
void seam_ask_again(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		if (f->leg[i].state >= TS_ESTABLISHED &&
		    f->leg[i].state != TS_TIME_WAIT)
			f->leg[i].ack = ACK_NOW;
}

static void wake_flow(struct engine *e, struct flow *f, mono_t now)
{
	struct seam_flow *sf = seam_of(e, f);
	uint8_t side = 0, act;

	if (mono_due(sf->again, now)) {
		sf->again = MONO_UNSET;
		seam_ask_again(f);
	}
	if (fault_ask_over(&e->seams->set, sf->w, now))
		seam_ask_again(f);
	fault_react_expire(&e->seams->set, sf->w, now);
	act = fault_flow_due(&e->seams->set, sf->w, now, &side);
	if (act)
		seam_reset(e, f, side, act, now);
	pipe_pump(e, f, LEG_CLIENT, now);
	pipe_pump(e, f, LEG_SERVER, now);
	seams_arm(e, f);
	flow_settle(e, f, now);
}

static void on_wake(struct wtimer *t, mono_t now, void *arg)
{
	struct fault_flow *w = container_of(t, struct fault_flow, timer);
	struct engine *e = arg;

	if (w->owner) {
		wake_flow(e, w->owner, now);
		return;
	}
	if (fault_embryo_wake(&e->seams->set, w, now))
		return;
	fault_embryo_take(&e->seams->set, w);
	fault_flow_free(&e->seams->set, w);
}

mono_t seams_deadline(const struct engine *e)
{
	const struct seams *s = e->seams;
	mono_t t =
		mono_earlier(wheel_deadline(&s->set.wheel), s->set.lease_end);

	if (s->nheap)
		t = mono_earlier(t, s->heap[0]->due);
	return t;
}

void seams_expire(struct engine *e, mono_t now)
{
	struct seams *s = e->seams;
	int slot;

	while ((slot = fault_set_expired(&s->set, now)) >= 0) {
		fault_set_bury(&s->set, slot);
		seam_remove(e, slot, now);
	}
	wheel_expire(&s->set.wheel, now, on_wake, e);
	held_expire(e, now);
}
