/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_ASSOC_H
#define PENSTOCK_SHIELD_ASSOC_H

/*
 * A table of fixed size with something about addresses: four-way set
 * associative, keyed hash, O(1).  When a set is full, the least recently used
 * entry is forgotten.  So use it only for what may be forgotten.
 */
#include <pthread.h>

#include "util/hash.h"
#include "util/types.h"

#define ASSOC_WAYS 4

/**
 * struct assoc_key - What an entry is about
 * @addr:  address or prefix, the rest zero
 * @space: separates different users of one table (a service's index)
 */
struct assoc_key {
	struct ipaddr addr;
	uint32_t space;
};

/**
 * struct assoc_head - First member of every entry
 * @used: when it was used last, 1/1024 s, modulo 2^32; 0: free
 */
struct assoc_head {
	struct assoc_key key;
	uint32_t used;
};

/**
 * struct assoc - The table
 * @mem:  its sets, one after the other
 * @size: bytes of an entry
 * @mask: sets minus one
 * @hash: key of the hash
 * @lock: held by whoever uses the table, where several threads do; or NULL
 */
struct assoc {
	uint8_t *mem;
	size_t size;
	uint32_t mask;
	struct hash_key hash;
	pthread_mutex_t *lock;
};

static inline void assoc_enter(const struct assoc *a)
{
	if (a->lock)
		pthread_mutex_lock(a->lock);
}

static inline void assoc_leave(const struct assoc *a)
{
	if (a->lock)
		pthread_mutex_unlock(a->lock);
}

/**
 * assoc_init() - Reserve the memory
 * @size:    bytes of an entry, its struct assoc_head included
 * @entries: rounded up to a power of two
 * @purpose: constant string, for the key of the hash
 * Return: 0 or -ENOMEM
 */
int assoc_init(struct assoc *a, size_t size, uint32_t entries,
	       const uint8_t secret[32], const char *purpose);
void assoc_fini(struct assoc *a);

/* Forget all entries. */
void assoc_clear(struct assoc *a);

/* Find an entry; NULL: none.  Does not count as use. */
void *assoc_find(const struct assoc *a, const struct assoc_key *k);

/**
 * assoc_use() - Find or make the entry of @k
 * @fresh: out: it was made now; everything after its head is zero
 */
void *assoc_use(struct assoc *a, const struct assoc_key *k, mono_t now,
		bool *fresh);

/* Entries the table can hold. */
static inline uint32_t assoc_room(const struct assoc *a)
{
	return (a->mask + 1) * ASSOC_WAYS;
}

#endif
