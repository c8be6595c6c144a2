/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_HINDEX_H
#define PENSTOCK_SHIELD_HINDEX_H

/*
 * Hash index over the objects of a slab: open addressing, linear probing, at
 * most half full.  A slot holds an object's number and ten more bits of its
 * hash, so that a key that is not there rarely costs a second cache miss.
 */
#include "util/types.h"

#define HINDEX_BITS 22 /* of an object's number */
#define HINDEX_MASK ((1u << HINDEX_BITS) - 1)
#define HINDEX_NONE HINDEX_MASK	     /* no object; also ends lists of them */
#define HINDEX_MAX (HINDEX_MASK - 1) /* objects at most */

/**
 * struct hindex - The index
 * @slot: 0 is free; else ten bits of hash and the object's number plus one
 * @mask: slots minus one
 */
struct hindex {
	uint32_t *slot;
	uint32_t mask;
};

/**
 * struct hindex_probe - A search in progress
 * @at:  slot to look at next; after a hit, the slot after it
 * @tag: the hash bits wanted
 */
struct hindex_probe {
	uint32_t at, tag;
};

/* The full hash of object @i, for moving it. */
typedef uint64_t (*hindex_hash)(const void *table, uint32_t i);

/* @max: objects at once, at most HINDEX_MAX.  0 or -ENOMEM. */
int hindex_init(struct hindex *x, uint32_t max);
void hindex_fini(struct hindex *x);

/* The object must not be there yet. */
void hindex_insert(struct hindex *x, uint64_t hash, uint32_t i);
/* Remove the object that the probe found last. */
void hindex_delete(struct hindex *x, const struct hindex_probe *p,
		   hindex_hash fn, const void *table);

static inline struct hindex_probe hindex_begin(const struct hindex *x,
					       uint64_t hash)
{
	return (struct hindex_probe){
		.at = (uint32_t)hash & x->mask,
		.tag = (uint32_t)(hash >> 54) << HINDEX_BITS,
	};
}

/* The next object that may be the one; HINDEX_NONE when there is none. */
static inline uint32_t hindex_next(const struct hindex *x,
				   struct hindex_probe *p)
{
	uint32_t s;

	while ((s = x->slot[p->at]) != 0) {
		p->at = (p->at + 1) & x->mask;
		if ((s & ~HINDEX_MASK) == p->tag)
			return (s & HINDEX_MASK) - 1;
	}
	return HINDEX_NONE;
}

#endif
