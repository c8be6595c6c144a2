/* SPDX-License-Identifier: MIT */
/*
 * Runs the types that act on bytes between the legs, and those that act by time
 * alone.  They never change the order of bytes.  They say how many bytes may go
 * on, and when.
 */
#include "internal.h"

bool fault_spec_has_stream(const struct fault_spec *f, int stream)
{
	return fault_desc(f)->stream && f->stream == stream;
}

static bool stream_of(const struct fault_set *s, const struct fault_flow *w,
		      uint8_t slot, int stream)
{
	return w->active & BIT(slot) &&
	       fault_spec_has_stream(&s->fault[slot].spec, stream);
}

bool fault_has_stream(const struct fault_set *s, const struct fault_flow *w,
		      int stream)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (stream_of(s, w, s->order[i], stream))
			return true;
	return false;
}

/* Has the fault's duration on this connection ended? */
static bool is_over(const struct fault_ctx *x, mono_t now)
{
	int64_t us = x->f->spec.duration_us;

	return us && mono_is_set(now) && mono_is_set(x->c->first) &&
	       mono_sub(now, x->c->first) > us;
}

/* When the duration will end; it has begun. */
static mono_t end_of(const struct fault_ctx *x)
{
	return mono_add(x->c->first, x->f->spec.duration_us + 1);
}

/* Walk the faults that act on a stream now.  Return: the next one's type, or
 * NULL. */
static const struct fault_type_desc *next_of(struct fault_set *s,
					     struct fault_flow *w, int stream,
					     uint32_t *i, mono_t now,
					     struct fault_ctx *x)
{
	for (; *i < s->n; (*i)++) {
		uint8_t slot = s->order[*i];
		const struct fault_event ev = {
			.now = now, .len = 1, .off = w->c[slot].at};

		*x = (struct fault_ctx){.set = s,
					.flow = w,
					.f = &s->fault[slot],
					.c = &w->c[slot],
					.slot = slot};
		if (stream_of(s, w, slot, stream) && fault_armed(x, &ev) &&
		    !is_over(x, now)) {
			(*i)++;
			return fault_desc(&x->f->spec);
		}
	}
	return NULL;
}

void fault_note(struct fault_ctx *x, int stream, uint32_t n, mono_t now,
		const char *action)
{
	const struct fault_event ev = {.side = stream == FAULT_DOWNSTREAM
						       ? FAULT_CLIENT
						       : FAULT_SERVER,
				       .to_peer = true,
				       .len = n,
				       .off = x->c->acted,
				       .now = now};

	x->c->injected++;
	x->f->count[FC_INJECTED]++;
	fault_report(x, &ev, action);
}

int64_t fault_stream_latency(struct fault_set *s, struct fault_flow *w,
			     int stream, mono_t now)
{
	struct fault_ctx x;
	int64_t sum = 0;
	uint32_t i = 0;

	while (next_of(s, w, stream, &i, now, &x)) {
		if (x.f->spec.type != FT_LATENCY)
			continue;
		x.c->event++;
		x.f->count[FC_MATCHED]++;
		if (!fault_extent_allows(&x, now))
			continue;
		x.f->count[FC_ROLLED]++;
		sum += fault_model_delay(&x.f->spec, FP_LATENCY, x.c, x.f->key);
		fault_note(&x, stream, 0, now, "latency");
	}
	return sum;
}

uint8_t fault_stream_ended(struct fault_set *s, struct fault_flow *w,
			   int stream)
{
	const struct fault_type_desc *t;
	struct fault_ctx x;
	uint32_t i = 0;
	uint8_t act = 0;
	mono_t never;

	while ((t = next_of(s, w, stream, &i, MONO_UNSET, &x)))
		if (t->ends && !t->share(&x, 1, MONO_UNSET, &never))
			act |= t->ends;
	return act;
}

bool fault_closes_on_remove(const struct fault_spec *f)
{
	return f->type == FT_TIMEOUT && f->p[FP_CLOSE].i == FAULT_CLOSE_FIN;
}

bool fault_stream_discards(struct fault_set *s, struct fault_flow *w,
			   int stream)
{
	struct fault_ctx x;
	uint32_t i = 0;

	while (next_of(s, w, stream, &i, MONO_UNSET, &x))
		if (fault_closes_on_remove(&x.f->spec))
			return true;
	return false;
}

/* Does the last portion still occupy the line? */
static bool is_busy(const struct fault_ctx *x, mono_t now)
{
	return fault_desc(&x->f->spec)->portions &&
	       mono_before(now, FAULT_STATE(x->c, struct portion)->next);
}

/*
 * Bytes reach a fault that may hold some of them back.  If it works in
 * portions: do skip and count allow it to act on this one?
 */
static bool acts(struct fault_ctx *x, mono_t now)
{
	if (!mono_is_set(x->c->first))
		x->c->first = now;
	if (!fault_desc(&x->f->spec)->portions || is_busy(x, now))
		return true;
	x->c->event++;
	x->f->count[FC_MATCHED]++;
	return fault_extent_allows(x, now);
}

/* @acted: a bit for each slot */
static void spend(struct fault_set *s, struct fault_flow *w, int stream,
		  uint32_t n, uint32_t acted)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];

		if (!stream_of(s, w, slot, stream))
			continue;
		w->c[slot].at += n;
		if (acted & BIT(slot))
			w->c[slot].acted += n;
	}
}

uint32_t fault_stream_release(struct fault_set *s, struct fault_flow *w,
			      int stream, uint32_t n, mono_t now, mono_t *wake)
{
	const struct fault_type_desc *t;
	struct fault_ctx x;
	uint32_t i = 0, acted = 0;

	*wake = MONO_UNSET;
	while (n && (t = next_of(s, w, stream, &i, now, &x))) {
		bool busy = is_busy(&x, now);
		uint32_t all = n;

		if (!acts(&x, now))
			continue;
		acted |= BIT(x.slot);
		if (t->share)
			n = t->share(&x, n, now, wake);
		if (n == all)
			continue;
		x.f->count[FC_MATCHED] += !t->portions;
		if (!busy)
			fault_note(&x, stream, n, now, "hold");
		if (x.f->spec.duration_us)
			*wake = mono_earlier(*wake, end_of(&x));
	}
	for (i = 0; n && (t = next_of(s, w, stream, &i, now, &x));)
		if (acted & BIT(x.slot) && t->spend)
			t->spend(&x, n, now);
	if (n)
		spend(s, w, stream, n, acted);
	return n;
}

/* When the fault acts by time alone; MONO_UNSET: never. */
static mono_t due_at(const struct fault *f, const struct fault_flow *w,
		     const struct fault_conn *c)
{
	const struct fault_type_desc *t = fault_desc(&f->spec);

	return t->due ? t->due(f, w, c) : MONO_UNSET;
}

mono_t fault_flow_wake(const struct fault_set *s, const struct fault_flow *w)
{
	mono_t wake = fault_ask_end(s, w);

	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];

		if (w->active & BIT(slot) && !w->c[slot].done)
			wake = mono_earlier(wake, due_at(&s->fault[slot], w,
							 &w->c[slot]));
	}
	return wake;
}

static bool vanishes(const struct fault_spec *f)
{
	return f->type == FT_END && f->p[FP_ACTION].i == FAULT_END_VANISH;
}

static uint8_t act_of(const struct fault_spec *f)
{
	if (vanishes(f))
		return FAULT_ACT_VANISH;
	if (fault_closes_on_remove(f))
		return FAULT_ACT_CLOSE;
	if (f->type == FT_TIMEOUT || f->side == FAULT_BOTH ||
	    f->p[FP_SIDES].i == FAULT_BOTH_SIDES)
		return FAULT_ACT_RESET_BOTH;
	return FAULT_ACT_RESET;
}

uint8_t fault_flow_due(struct fault_set *s, struct fault_flow *w, mono_t now,
		       uint8_t *side)
{
	uint8_t act = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];
		struct fault_ctx x = {.set = s,
				      .flow = w,
				      .f = &s->fault[slot],
				      .c = &w->c[slot],
				      .slot = slot};

		if (!(w->active & BIT(slot)) || x.c->done ||
		    !mono_due(due_at(x.f, w, x.c), now))
			continue;
		if (x.f->spec.type == FT_TIMEOUT && is_over(&x, now)) {
			x.c->done = true;
			continue;
		}
		x.c->done = !vanishes(&x.f->spec);
		x.c->armed = true;
		x.c->acted = 1;
		if (vanishes(&x.f->spec))
			*x.c->state = 1;
		*side = x.f->spec.side == FAULT_SERVER;
		act |= act_of(&x.f->spec);
		x.f->count[FC_MATCHED]++;
		fault_note(&x, *side ? FAULT_UPSTREAM : FAULT_DOWNSTREAM, 0,
			   now,
			   act & FAULT_ACT_VANISH  ? "vanish"
			   : act & FAULT_ACT_CLOSE ? "close"
						   : "reset");
	}
	return act;
}
