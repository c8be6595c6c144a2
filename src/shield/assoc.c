/* SPDX-License-Identifier: MIT */
/*
 * A table of fixed size that remembers something about addresses.  It is four-
 * way set associative; a full set forgets the entry that was used least
 * recently.
 */
#include <errno.h>
#include <stdlib.h>

#include "shield/assoc.h"

int assoc_init(struct assoc *a, size_t size, uint32_t entries,
	       const uint8_t secret[32], const char *purpose)
{
	uint32_t sets = 1;

	while (sets < UINT32_C(1) << 28 && sets * ASSOC_WAYS < entries)
		sets *= 2;
	a->size = size;
	a->lock = NULL;
	a->mask = sets - 1;
	hash_derive(&a->hash, secret, purpose, 0);
	a->mem = calloc((size_t)sets * ASSOC_WAYS, size);
	return a->mem ? 0 : -ENOMEM;
}

void assoc_fini(struct assoc *a)
{
	free(a->mem);
	memset(a, 0, sizeof(*a));
}

void assoc_clear(struct assoc *a)
{
	memset(a->mem, 0, (size_t)assoc_room(a) * a->size);
}

static uint8_t *set_of(const struct assoc *a, const struct assoc_key *k)
{
	uint32_t h = (uint32_t)hash_bytes(&a->hash, k, sizeof(*k));

	return a->mem + (size_t)(h & a->mask) * ASSOC_WAYS * a->size;
}

static struct assoc_head *way(const struct assoc *a, uint8_t *set, uint32_t i)
{
	return (struct assoc_head *)(set + i * a->size);
}

static struct assoc_head *set_find(const struct assoc *a, uint8_t *set,
				   const struct assoc_key *k)
{
	for (uint32_t i = 0; i < ASSOC_WAYS; i++) {
		struct assoc_head *h = way(a, set, i);

		if (h->used && memcmp(&h->key, k, sizeof(*k)) == 0)
			return h;
	}
	return NULL;
}

void *assoc_find(const struct assoc *a, const struct assoc_key *k)
{
	return set_find(a, set_of(a, k), k);
}

void *assoc_use(struct assoc *a, const struct assoc_key *k, mono_t now,
		bool *fresh)
{
	uint32_t stamp = (uint32_t)(now.us >> 10), age, most = 0;
	uint8_t *set = set_of(a, k);
	struct assoc_head *h = set_find(a, set, k);

	*fresh = !h;
	for (uint32_t i = 0; *fresh && i < ASSOC_WAYS; i++) {
		struct assoc_head *c = way(a, set, i);

		age = c->used ? stamp - c->used : UINT32_MAX;
		if (!h || age > most) {
			most = age;
			h = c;
		}
	}
	if (*fresh) {
		memset(h, 0, a->size);
		h->key = *k;
	}
	h->used = stamp ? stamp : 1;
	return h;
}
