/* SPDX-License-Identifier: MIT */
/*
 * How much of the shared resources each source holds, and how much more it may
 * take.
 */
#include <assert.h>
#include <errno.h>

#include "shield/share.h"

struct share_key {
	struct ipaddr addr;
	uint32_t service;
};

static uint64_t key_hash(const struct shares *t, const struct share_key *k)
{
	return hash_bytes(&t->key, k, sizeof(*k));
}

static uint64_t source_hash(const void *table, uint32_t i)
{
	const struct shares *t = table;
	const struct share_source *s = share_at(t, i);
	struct share_key k = {s->addr, s->service};

	return key_hash(t, &k);
}

int shares_init(struct shares *t, uint32_t max, const uint8_t secret[32])
{
	int rc;

	memset(t, 0, sizeof(*t));
	max = min_u32(max, HINDEX_MAX);
	hash_derive(&t->key, secret, "shares", 0);
	rc = slab_init(&t->slab, sizeof(struct share_source), max);
	return rc ? rc : hindex_init(&t->index, max);
}

void shares_fini(struct shares *t)
{
	hindex_fini(&t->index);
	slab_fini(&t->slab);
}

static struct share_key key_of(const struct ipaddr *a, uint32_t service)
{
	struct share_key k = {*a, service};

	if (!ipaddr_is_v4(a)) /* only the /64 */
		memset(k.addr.b + 8, 0, 8);
	return k;
}

static uint32_t look_up(const struct shares *t, const struct share_key *k,
			struct hindex_probe *p)
{
	uint32_t i;

	*p = hindex_begin(&t->index, key_hash(t, k));
	while ((i = hindex_next(&t->index, p)) != HINDEX_NONE) {
		const struct share_source *s = share_at(t, i);

		if (s->service == k->service && ipaddr_eq(&s->addr, &k->addr))
			return i;
	}
	return SHARE_NONE;
}

struct share_source *share_find(const struct shares *t, const struct ipaddr *a,
				uint32_t service)
{
	struct share_key k = key_of(a, service);
	struct hindex_probe p;

	return t->slab.used ? share_at(t, look_up(t, &k, &p)) : NULL;
}

/* The same in the table of all workers, under its lock. */
static void all_join(struct shares *t, const struct ipaddr *a, uint32_t service)
{
	pthread_mutex_lock(t->all_lock);
	share_join(t->all, a, service);
	pthread_mutex_unlock(t->all_lock);
}

static void all_leave(struct shares *t, const struct share_source *s)
{
	const struct share_source *one;

	pthread_mutex_lock(t->all_lock);
	one = share_find(t->all, &s->addr, s->service);
	if (one)
		share_leave(t->all, slab_index(&t->all->slab, one));
	pthread_mutex_unlock(t->all_lock);
}

uint32_t share_flows(const struct shares *t, const struct ipaddr *a,
		     uint32_t service)
{
	const struct share_source *s;
	uint32_t n;

	if (t->all)
		pthread_mutex_lock(t->all_lock);
	s = share_find(t->all ? t->all : t, a, service);
	n = s ? s->flows : 0;
	if (t->all)
		pthread_mutex_unlock(t->all_lock);
	return n;
}

uint32_t share_join(struct shares *t, const struct ipaddr *a, uint32_t service)
{
	struct share_key k = key_of(a, service);
	struct share_source *s;
	struct hindex_probe p;
	uint32_t i = look_up(t, &k, &p);

	if (i == SHARE_NONE) {
		s = slab_alloc(&t->slab);
		if (!s)
			return SHARE_NONE;
		*s = (struct share_source){.addr = k.addr, .service = service};
		i = slab_index(&t->slab, s);
		hindex_insert(&t->index, key_hash(t, &k), i);
	}
	share_at(t, i)->flows++;
	if (t->all)
		all_join(t, a, service);
	return i;
}

void share_leave(struct shares *t, uint32_t source)
{
	struct share_source *s = share_at(t, source);
	struct hindex_probe p;
	struct share_key k;

	if (s && t->all)
		all_leave(t, s);
	if (!s || --s->flows)
		return;
	assert(!s->held[SHARE_NODES] && !s->held[SHARE_BYTES]);
	k = (struct share_key){s->addr, s->service};
	look_up(t, &k, &p);
	hindex_delete(&t->index, &p, source_hash, t);
	slab_free(&t->slab, s);
}

void share_sum(const struct shares *t, uint64_t held[SHARE_POOLS],
	       uint64_t *flows)
{
	*flows = held[SHARE_NODES] = held[SHARE_BYTES] = 0;
	for (uint32_t i = 0; i <= t->index.mask; i++) {
		const struct share_source *s;

		if (!t->index.slot[i])
			continue;
		s = share_at(t, (t->index.slot[i] & HINDEX_MASK) - 1);
		*flows += s->flows;
		held[SHARE_NODES] += s->held[SHARE_NODES];
		held[SHARE_BYTES] += s->held[SHARE_BYTES];
	}
}

void share_recharge(struct shares *t, struct share_charge *c, uint32_t nodes,
		    uint32_t bytes)
{
	struct share_source *s = share_at(t, c->source - 1);

	s->held[SHARE_NODES] += nodes - (uint64_t)c->nodes;
	s->held[SHARE_BYTES] += bytes - (uint64_t)c->bytes;
	c->nodes = nodes;
	c->bytes = bytes;
}

void share_end(struct shares *t, struct share_charge *c)
{
	if (!c->source || !share_at(t, c->source - 1))
		return;
	share_recharge(t, c, 0, 0);
	share_leave(t, c->source - 1);
	c->source = 0;
}

uint64_t share_left_to(const struct shares *t, const struct share_charge *c,
		       enum share_pool pool, uint64_t free, uint32_t held)
{
	uint32_t was = pool == SHARE_NODES ? c->nodes : c->bytes;
	const struct share_source *s = c->source ? share_at(t, c->source - 1)
						 : NULL;

	return share_left(free, held, s ? s->held[pool] - was + held : held);
}
