/* SPDX-License-Identifier: MIT */
/*
 * Decides what happens to a segment: asks each fault of its connection, in
 * order.
 *
 * For each fault it checks side and direction, the kind of segment and the
 * trigger.  Then the event is counted (its number is part of the dice), and the
 * extent and the type itself decide.  A drop ends the walk; delays add up.
 */
#include "internal.h"

static bool kind_matches(uint8_t kind, const struct fault_event *ev)
{
	uint16_t hs = ev->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	switch (kind) {
	case FAULT_ON_SYN:
		return hs == TCP_SYN;
	case FAULT_ON_SYNACK:
		return hs == (TCP_SYN | TCP_ACK);
	case FAULT_ON_DATA:
		return ev->len > 0;
	case FAULT_ON_FIN:
		return (ev->flags & TCP_FIN) != 0;
	default:
		return true;
	}
}

/* Conditions that stay true once they have become true. */
static bool arms(const struct fault_when *w, const struct fault_ctx *x,
		 const struct fault_event *ev)
{
	switch (w->on) {
	case FAULT_ON_BYTE:
		return ev->len && !ev->beyond && ev->off + ev->len > w->arg;
	case FAULT_ON_ACKED:
		return ev->flags & TCP_ACK && ev->acked >= w->arg;
	case FAULT_ON_SEGMENT:
		return ++x->c->passed >= w->arg;
	case FAULT_ON_IDLE:
		return mono_sub(ev->now, x->flow->seen) >= (int64_t)w->arg;
	case FAULT_ON_TIME:
		return mono_sub(ev->now, x->flow->born) >= (int64_t)w->arg;
	default:
		return false;
	}
}

bool fault_armed(struct fault_ctx *x, const struct fault_event *ev)
{
	const struct fault_when *w = &x->f->spec.on;

	if (w->on < FAULT_ON_STATE)
		return kind_matches(w->on, ev);
	if (w->on == FAULT_ON_STATE)
		return ev->state == w->arg;
	if (!x->c->armed)
		x->c->armed = arms(w, x, ev);
	return x->c->armed;
}

bool fault_extent_allows(struct fault_ctx *x, mono_t now)
{
	const struct fault_spec *f = &x->f->spec;
	struct fault_conn *c = x->c;

	if (!mono_is_set(c->first))
		c->first = now;
	if (c->event <= f->skip || (f->count && c->injected >= f->count) ||
	    (f->duration_us && mono_sub(now, c->first) > f->duration_us)) {
		x->f->count[FC_SUPPRESSED]++;
		return false;
	}
	return true;
}

static bool concerns(const struct fault_spec *f, const struct fault_event *ev)
{
	if (f->side != FAULT_BOTH && f->side != ev->side)
		return false;
	return f->dir == FAULT_ANY_DIR ||
	       (f->dir == FAULT_TO_PEER) == ev->to_peer;
}

static const char *action_name(const struct fault_verdict *v)
{
	return v->act == FAULT_ACT_VANISH   ? "vanish"
	       : v->act == FAULT_ACT_ANSWER ? "answer"
	       : v->inject		    ? "inject"
	       : v->act			    ? "reset"
	       : v->drop		    ? "drop"
	       : v->renege		    ? "renege"
	       : v->early		    ? "early_ack"
	       : v->overlap		    ? "overlap"
	       : v->unack		    ? "hide_ack"
	       : v->replay		    ? "replay"
	       : v->damage		    ? "corrupt"
	       : v->copies		    ? "duplicate"
	       : v->delay_us		    ? "delay"
					    : "change";
}

void fault_judge(struct fault_set *s, struct fault_flow *w,
		 const struct fault_event *ev, struct fault_verdict *v)
{
	memset(v, 0, sizeof(*v));
	s->now = ev->now;
	v->keep = UINT32_MAX;
	for (uint32_t i = 0; i < s->n && !v->drop; i++) {
		uint8_t slot = s->order[i];
		struct fault_ctx x = {.set = s,
				      .flow = w,
				      .f = &s->fault[slot],
				      .c = &w->c[slot],
				      .slot = slot};
		const struct fault_type_desc *t = fault_desc(&x.f->spec);

		if (!(w->active & BIT(slot)) || !t->hit || x.c->done ||
		    !concerns(&x.f->spec, ev) || !kind_matches(t->kind, ev) ||
		    !fault_armed(&x, ev))
			continue;
		x.c->event++;
		x.f->count[FC_MATCHED]++;
		if (!fault_extent_allows(&x, ev->now) || !t->hit(&x, ev, v))
			continue;
		if (v->delay_us > FAULT_TIME_MAX)
			v->delay_us = FAULT_TIME_MAX;
		x.c->injected++;
		x.f->count[FC_INJECTED]++;
		v->slot = slot;
		fault_react_begin(&x, ev, v,
				  fault_report(&x, ev, action_name(v)));
	}
	w->seen = ev->now;
}

struct fault_conn *fault_ask(struct fault_set *s, struct fault_flow *w,
			     enum fault_type type, const struct fault_event *ev,
			     const struct fault_spec **spec)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];
		struct fault_ctx x = {.set = s,
				      .flow = w,
				      .f = &s->fault[slot],
				      .c = &w->c[slot],
				      .slot = slot};

		if (x.f->spec.type != type || !(w->active & BIT(slot)) ||
		    x.c->done || !concerns(&x.f->spec, ev) ||
		    !fault_armed(&x, ev))
			continue;
		x.c->event++;
		x.f->count[FC_MATCHED]++;
		if (!fault_extent_allows(&x, ev->now))
			continue;
		*spec = &x.f->spec;
		return x.c;
	}
	return NULL;
}

void fault_ask_done(struct fault_set *s, struct fault_flow *w,
		    struct fault_conn *c, const struct fault_event *ev,
		    const char *action)
{
	uint8_t slot = (uint8_t)(c - w->c);
	struct fault_ctx x = {.set = s,
			      .flow = w,
			      .f = &s->fault[slot],
			      .c = c,
			      .slot = slot};

	c->injected++;
	x.f->count[FC_INJECTED]++;
	fault_react_begin(&x, ev, NULL, fault_report(&x, ev, action));
}

/* When the duration of a fault that answers questions ends on a connection. */
static mono_t ask_end(const struct fault_spec *f, const struct fault_conn *c)
{
	if (!fault_desc(f)->asked || !f->duration_us || c->done ||
	    !mono_is_set(c->first))
		return MONO_UNSET;
	return mono_add(c->first, f->duration_us + 1);
}

mono_t fault_ask_end(const struct fault_set *s, const struct fault_flow *w)
{
	mono_t end = MONO_UNSET;

	for (uint32_t i = 0; i < s->n; i++)
		if (w->active & BIT(s->order[i]))
			end = mono_earlier(end,
					   ask_end(&s->fault[s->order[i]].spec,
						   &w->c[s->order[i]]));
	return end;
}

bool fault_ask_over(struct fault_set *s, struct fault_flow *w, mono_t now)
{
	bool over = false;

	for (uint32_t i = 0; i < s->n; i++) {
		struct fault_conn *c = &w->c[s->order[i]];

		if (!(w->active & BIT(s->order[i])) ||
		    !mono_due(ask_end(&s->fault[s->order[i]].spec, c), now))
			continue;
		c->done = over = true;
	}
	return over;
}

bool fault_carries(const struct fault_set *s, const struct fault_flow *w,
		   enum fault_type type)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];

		if (s->fault[slot].spec.type == type && w->active & BIT(slot) &&
		    !w->c[slot].done)
			return true;
	}
	return false;
}

bool fault_lingers(const struct fault_set *s, const struct fault_flow *w)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (w->active & BIT(s->order[i]) &&
		    fault_desc(&s->fault[s->order[i]].spec)->lingers)
			return true;
	return false;
}
