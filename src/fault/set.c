/* SPDX-License-Identifier: MIT */
/*
 * The set of faults and the connections that carry them.
 *
 * A fault has a slot.  A connection has a bit and a struct fault_conn for each
 * slot, so adding and removing a fault does not touch connections that do not
 * match.  The ordinal of a connection is fixed when it first appears, which may
 * be before there is a flow.  Until then it is "unbound": it is found by its
 * addresses, until the flow takes it or UNBOUND_LIFE_US passes.  When room is
 * short (in a flood of SYNs) the oldest unbound connection is forgotten, and
 * first those of which only a SYN was seen.  So new connections always find
 * room.
 */
#include <stdlib.h>

#include "internal.h"

#define UNBOUND_LIFE_US (180 * USEC_PER_SEC)

static uint64_t name_key(const char *name, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return fault_dice(seed, h, 0, 0);
}

int fault_set_init(struct fault_set *s, uint64_t seed, uint32_t max, mono_t now)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->hash = seed;
	/* 32 bits, so that the seed of a report can be given to a fault:
	 * seed=N */
	s->seed = (uint32_t)(seed ^ seed >> 32);
	if (!s->seed)
		s->seed = 1;
	s->lease_end = MONO_NEVER;
	wheel_init(&s->wheel, now);
	err = slab_init(&s->flows, sizeof(struct fault_flow), max);
	if (err)
		return err;
	for (s->buckets = 64; s->buckets < max / 4;)
		s->buckets *= 2;
	s->unbound = calloc(s->buckets, sizeof(struct fault_flow *));
	if (s->unbound)
		return 0;
	slab_fini(&s->flows);
	return -ENOMEM;
}

void fault_set_fini(struct fault_set *s)
{
	while (s->first) {
		if (!s->first->owner)
			fault_unbound_take(s, s->first);
		fault_flow_free(s, s->first);
	}
	slab_fini(&s->flows);
	free(s->unbound);
	s->unbound = NULL;
}

int fault_set_find(const struct fault_set *s, const char *name)
{
	for (int i = 0; i < FAULT_MAX; i++)
		if (s->fault[i].used && !strcmp(s->fault[i].spec.name, name))
			return i;
	return -1;
}

/* Sorted by order, then by age. */
static void order_insert(struct fault_set *s, uint8_t slot)
{
	uint32_t at = s->n++;

	while (at && s->fault[s->order[at - 1]].spec.order >
			     s->fault[slot].spec.order) {
		s->order[at] = s->order[at - 1];
		at--;
	}
	s->order[at] = slot;
}

static void find_lease_end(struct fault_set *s)
{
	s->lease_end = MONO_NEVER;
	for (uint32_t i = 0; i < s->n; i++)
		s->lease_end = mono_earlier(s->lease_end,
					    s->fault[s->order[i]].lease_end);
}

void fault_set_bury(struct fault_set *s, int slot)
{
	const struct fault *f = &s->fault[slot];
	struct fault_gone *g = &s->gone[s->ngone];

	if (!f->spec.expect.set || s->ngone == FAULT_MAX)
		return;
	memcpy(g->name, f->spec.name, sizeof(g->name));
	g->expect = f->spec.expect;
	g->n = f->count[g->expect.counter];
	s->ngone++;
}

static void unbury(struct fault_set *s, const char *name)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < s->ngone; i++)
		if (strcmp(s->gone[i].name, name) != 0)
			s->gone[k++] = s->gone[i];
	s->ngone = k;
}

int fault_set_add(struct fault_set *s, const struct fault_spec *spec,
		  mono_t now)
{
	struct fault *f;
	int slot = 0;

	if (fault_set_find(s, spec->name) >= 0)
		return -EEXIST;
	while (slot < FAULT_MAX && s->fault[slot].used)
		slot++;
	if (slot == FAULT_MAX)
		return -ENOSPC;
	unbury(s, spec->name);
	f = &s->fault[slot];
	memset(f, 0, sizeof(*f));
	f->spec = *spec;
	f->used = true;
	f->key = name_key(spec->name, spec->seed ? spec->seed : s->seed);
	f->added = now;
	order_insert(s, (uint8_t)slot);
	fault_set_lease(s, slot, spec->lease_us, now);
	return slot;
}

/* --- counts, of this set or of all --- */

/* The next ordinal, in the order of all sets. */
static uint32_t take_ordinal(struct fault_set *s, int slot)
{
	uint32_t mine = ++s->fault[slot].conns;

	return s->totals ? __atomic_add_fetch(&s->totals->conns[slot], 1,
					      __ATOMIC_RELAXED)
			 : mine;
}

/* A place among max_active connections; false: all are taken. */
static bool take_place(struct fault_set *s, int slot)
{
	struct fault *f = &s->fault[slot];
	uint32_t *n = s->totals ? &s->totals->active[slot] : &f->active;
	uint32_t is = __atomic_load_n(n, __ATOMIC_RELAXED);

	do {
		if (f->spec.max_active && is >= f->spec.max_active)
			return false;
	} while (!__atomic_compare_exchange_n(
		n, &is, is + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	f->active += s->totals != NULL;
	return true;
}

void fault_flow_carry(struct fault_set *s, struct fault_flow *w, int slot)
{
	w->active |= BIT(slot);
	s->fault[slot].active++;
	if (s->totals)
		__atomic_add_fetch(&s->totals->active[slot], 1,
				   __ATOMIC_RELAXED);
}

static void give_places(struct fault_set *s, int slot, uint32_t n)
{
	s->fault[slot].active -= n;
	if (s->totals)
		__atomic_sub_fetch(&s->totals->active[slot], n,
				   __ATOMIC_RELAXED);
}

void fault_set_del(struct fault_set *s, int slot)
{
	uint32_t k = 0;

	for (struct fault_flow *f = s->first; f; f = f->next)
		f->active &= ~BIT(slot);
	for (uint32_t i = 0; i < s->n; i++)
		if (s->order[i] != slot)
			s->order[k++] = s->order[i];
	s->n = k;
	s->fault[slot].used = false;
	give_places(s, slot, s->fault[slot].active);
	if (s->totals) /* all sets delete it before one adds another */
		__atomic_store_n(&s->totals->conns[slot], 0, __ATOMIC_RELAXED);
	find_lease_end(s);
}

void fault_set_lease_until(struct fault_set *s, int slot, mono_t end)
{
	s->fault[slot].lease_end = end;
	find_lease_end(s);
}

void fault_set_lease(struct fault_set *s, int slot, int64_t lease_us,
		     mono_t now)
{
	fault_set_lease_until(s, slot,
			      lease_us ? mono_add(now, lease_us) : MONO_NEVER);
}

int fault_set_expired(const struct fault_set *s, mono_t now)
{
	if (!mono_due(s->lease_end, now))
		return -1;
	for (uint32_t i = 0; i < s->n; i++)
		if (mono_due(s->fault[s->order[i]].lease_end, now))
			return s->order[i];
	return -1;
}

/* --- selection --- */

static bool net_matches(const struct fault_net *n, const struct ipaddr *a)
{
	uint32_t whole = n->prefix / 8, rest = n->prefix % 8;

	if (n->any)
		return true;
	if (ipaddr_is_v4(&n->addr) != ipaddr_is_v4(a) ||
	    memcmp(n->addr.b, a->b, whole) != 0)
		return false;
	return !rest || !((n->addr.b[whole] ^ a->b[whole]) >> (8 - rest));
}

bool fault_spec_selects(const struct fault_spec *f, const char *service,
			const struct tuple *t)
{
	return (!f->service[0] || !strcmp(f->service, service)) &&
	       net_matches(&f->src, &t->remote) &&
	       net_matches(&f->dst, &t->local) && t->lport >= f->dport.lo &&
	       t->lport <= f->dport.hi;
}

static bool ordinal_matches(const struct fault_conns *c, uint32_t n)
{
	switch (c->kind) {
	case FAULT_CONN_FIRST:
		return n <= c->v[0];
	case FAULT_CONN_EVERY:
		return n % c->v[0] == 0;
	case FAULT_CONN_LIST:
		for (uint32_t i = 0; i < c->n; i++)
			if (c->v[i] == n)
				return true;
		return false;
	default:
		return true;
	}
}

/*
 * The selectors match a connection: give it its ordinal, and roll toxicity
 * once.  Return: true if the fault acts on it
 */
static bool select_conn(struct fault_set *s, int slot, uint32_t *ordinal)
{
	struct fault *f = &s->fault[slot];
	double u;

	*ordinal = take_ordinal(s, slot);
	if (!ordinal_matches(&f->spec.conn, *ordinal))
		return false;
	u = (double)(fault_dice(f->key, *ordinal, 0, 6) >> 11) * 0x1.0p-53;
	if (u >= f->spec.toxicity.d)
		return false;
	if (!take_place(s, slot)) {
		f->count[FC_SUPPRESSED]++;
		return false;
	}
	return true;
}

static void carry(struct fault_flow *w, int slot, uint32_t ordinal)
{
	memset(&w->c[slot], 0, sizeof(w->c[slot]));
	w->c[slot].ordinal = ordinal;
	w->active |= BIT(slot);
}

/* Make room: forget the oldest unbound connection, first of those of which only
 * a SYN was seen. */
static bool evict_unbound(struct fault_set *s)
{
	struct fault_flow *w = s->age[0].first;

	if (!w)
		w = s->age[1].first;
	if (!w)
		return false;
	fault_unbound_take(s, w);
	fault_flow_free(s, w);
	return true;
}

struct fault_flow *fault_flow_alloc(struct fault_set *s, const struct tuple *t,
				    mono_t now)
{
	struct fault_flow *w = slab_alloc(&s->flows);

	if (unlikely(!w) && evict_unbound(s))
		w = slab_alloc(&s->flows);
	if (!w)
		return NULL;
	memset(w, 0, offsetof(struct fault_flow, c));
	w->t = *t;
	w->serial = s->serial;
	w->born = w->seen = now;
	w->next = s->first;
	if (w->next)
		w->next->prev = w;
	s->first = w;
	return w;
}

struct fault_flow *fault_flow_new(struct fault_set *s, const char *service,
				  const struct tuple *t, mono_t now)
{
	struct fault_flow *w = NULL;

	s->serial = s->totals ? __atomic_add_fetch(&s->totals->serial, 1,
						   __ATOMIC_RELAXED)
			      : s->serial + 1;
	for (uint32_t i = 0; i < s->n; i++) {
		struct fault *f = &s->fault[s->order[i]];
		uint32_t ordinal;

		if (!fault_spec_selects(&f->spec, service, t))
			continue;
		if (!w)
			w = fault_flow_alloc(s, t, now);
		if (!w)
			f->count[FC_SUPPRESSED]++;
		if (!select_conn(s, s->order[i], &ordinal))
			continue;
		if (w)
			carry(w, s->order[i], ordinal);
		else
			give_places(s, s->order[i], 1);
	}
	return w;
}

bool fault_flow_join(struct fault_set *s, struct fault_flow *w, int slot,
		     const char *service)
{
	struct fault *f = &s->fault[slot];
	uint32_t ordinal;

	if (!fault_spec_selects(&f->spec, service, &w->t) ||
	    !select_conn(s, slot, &ordinal))
		return false;
	carry(w, slot, ordinal);
	return true;
}

void fault_flow_free(struct fault_set *s, struct fault_flow *w)
{
	fault_react_end(s, w);
	for (uint32_t i = 0; i < s->n; i++)
		if (w->active & BIT(s->order[i]))
			give_places(s, s->order[i], 1);
	wheel_cancel(&s->wheel, &w->timer);
	if (w->prev)
		w->prev->next = w->next;
	else
		s->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	slab_free(&s->flows, w);
}

/* --- unbound connections --- */

static struct fault_flow **unbound_bucket(struct fault_set *s,
					  const struct tuple *t)
{
	uint64_t h = s->hash, part;

	for (size_t i = 0; i < sizeof(*t); i += 4) {
		part = 0;
		memcpy(&part, (const uint8_t *)t + i, 4);
		h = fault_dice(h, part, i, 0);
	}
	return &s->unbound[h & (s->buckets - 1)];
}

struct fault_flow *fault_unbound_find(struct fault_set *s,
				      const struct tuple *t)
{
	struct fault_flow *w;

	if (likely(!s->nunbound)) /* usual case: save the hash */
		return NULL;
	w = *unbound_bucket(s, t);
	while (w && !tuple_eq(&w->t, t))
		w = w->hnext;
	return w;
}

static void age_link(struct fault_set *s, struct fault_flow *w)
{
	struct fault_age *a = &s->age[w->old];

	w->older = a->last;
	w->newer = NULL;
	*(a->last ? &a->last->newer : &a->first) = w;
	a->last = w;
}

static void age_unlink(struct fault_set *s, struct fault_flow *w)
{
	struct fault_age *a = &s->age[w->old];

	*(w->older ? &w->older->newer : &a->first) = w->newer;
	*(w->newer ? &w->newer->older : &a->last) = w->older;
	w->older = w->newer = NULL;
}

void fault_unbound_until(struct fault_set *s, struct fault_flow *w, mono_t ends)
{
	w->ends = ends;
	wheel_arm(&s->wheel, &w->timer,
		  mono_earlier(w->ends, fault_react_wake(w)));
}

void fault_unbound_keep(struct fault_set *s, struct fault_flow *w, mono_t now)
{
	struct fault_flow **b = unbound_bucket(s, &w->t);

	w->owner = NULL;
	w->hnext = *b;
	*b = w;
	age_link(s, w);
	s->nunbound++;
	fault_unbound_until(s, w, mono_add(now, UNBOUND_LIFE_US));
}

bool fault_unbound_wake(struct fault_set *s, struct fault_flow *w, mono_t now)
{
	fault_react_expire(s, w, now);
	if (mono_due(w->ends, now) || (!w->active && !w->watch.n && w->old))
		return false;
	wheel_arm(&s->wheel, &w->timer,
		  mono_earlier(w->ends, fault_react_wake(w)));
	return true;
}

bool fault_unbound_listen(struct fault_set *s, struct fault_flow *w, mono_t now)
{
	/* new connections need the room */
	if (!w->watch.n || s->flows.used > s->flows.max / 2)
		return false;
	for (uint32_t i = 0; i < s->n; i++)
		if (w->active & BIT(s->order[i]))
			give_places(s, s->order[i], 1);
	w->active = 0;
	fault_unbound_keep(s, w, now);
	return true;
}

void fault_unbound_take(struct fault_set *s, struct fault_flow *w)
{
	struct fault_flow **p = unbound_bucket(s, &w->t);

	while (*p && *p != w)
		p = &(*p)->hnext;
	if (*p) {
		*p = w->hnext;
		age_unlink(s, w);
		s->nunbound--;
	}
	w->hnext = NULL;
	wheel_cancel(&s->wheel, &w->timer);
}

/* --- streams --- */

uint64_t fault_track_offset(struct fault_track *t, seq_t seq, uint32_t len,
			    bool *fresh)
{
	int64_t d;
	uint64_t off;

	if (!t->known) {
		t->known = true;
		t->base = seq;
		t->at = 0;
	}
	d = (int64_t)t->at + seq_diff(seq, t->base);
	off = d > 0 ? (uint64_t)d : 0;
	*fresh = len && off + len > t->at;
	if (off + len > t->at) {
		t->base = seq_add(t->base, (uint32_t)(off + len - t->at));
		t->at = off + len;
	}
	return off;
}
