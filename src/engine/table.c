/* SPDX-License-Identifier: MIT */
/*
 * Legs by 4-tuple, as seen by us.
 *
 * Chained hash with 32-bit links: a leg's number is twice its flow's index in
 * the slab, plus its side, plus one (0 ends a chain).  The hash is keyed, so
 * nobody can choose tuples that collide.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

int table_init(struct engine *e, uint32_t max_flows)
{
	uint32_t n = 1024;

	while (n < max_flows * 2 && n < (1u << 30))
		n *= 2;
	e->bucket = calloc(n, sizeof(*e->bucket));
	e->bucket_mask = n - 1;
	return e->bucket ? 0 : -ENOMEM;
}

void table_fini(struct engine *e)
{
	free(e->bucket);
}

static uint32_t leg_number(const struct engine *e, const struct leg *l)
{
	const struct flow *f = (const struct flow *)(l - l->side);

	return slab_index(&e->flows, f) * 2 + l->side + 1;
}

static struct leg *leg_by_number(const struct engine *e, uint32_t n)
{
	struct flow *f = slab_at(&e->flows, (n - 1) / 2);

	return &f->leg[(n - 1) & 1];
}

static uint32_t *bucket_of(const struct engine *e, const struct tuple *t)
{
	return &e->bucket[hash_bytes(&e->table_key, t, sizeof(*t)) &
			  e->bucket_mask];
}

struct leg *table_find(const struct engine *e, const struct tuple *t)
{
	for (uint32_t n = *bucket_of(e, t); n;) {
		struct leg *l = leg_by_number(e, n);

		if (tuple_eq(&l->t, t))
			return l;
		n = l->hnext;
	}
	return NULL;
}

void table_insert(struct engine *e, struct leg *l)
{
	uint32_t *b = bucket_of(e, &l->t);

	assert(!l->hashed);
	l->hnext = *b;
	*b = leg_number(e, l);
	l->hashed = true;
	if (l->side == LEG_CLIENT)
		known_add(e->known, &l->t);
}

void table_remove(struct engine *e, struct leg *l)
{
	uint32_t *p = bucket_of(e, &l->t), me = leg_number(e, l);

	if (!l->hashed)
		return;
	while (*p != me) {
		assert(*p);
		p = &leg_by_number(e, *p)->hnext;
	}
	*p = l->hnext;
	l->hashed = false;
	if (l->side == LEG_CLIENT)
		known_leave(e->known, &l->t);
}
