/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_SLAB_H
#define PENSTOCK_UTIL_SLAB_H

#include "util/types.h"

/**
 * struct slab - Fixed-size objects from one region reserved at start
 * @base:   the region (util/region.h: pages cost memory once touched)
 * @size:   bytes of one object, rounded up to a multiple of 8
 * @max:    objects the region holds
 * @fresh:  objects from here on were never handed out
 * @used:   objects handed out now
 * @free:   singly linked list through the free objects' first 8 bytes
 *
 * Objects have stable addresses and small indices, so a table may hold 32-bit
 * links.  Never grows: when @max objects are out, slab_alloc() returns NULL
 * and the caller applies its table's policy.
 */
struct slab {
	uint8_t *base;
	size_t size;
	uint32_t max, fresh, used;
	void *free;
};

#define SLAB_NONE UINT32_MAX

/* Return: 0 or -ENOMEM */
int slab_init(struct slab *s, size_t size, uint32_t max);
void slab_fini(struct slab *s);

/* Contents are undefined; NULL when the slab is full. */
void *slab_alloc(struct slab *s);
void slab_free(struct slab *s, void *obj);

static inline uint32_t slab_index(const struct slab *s, const void *obj)
{
	return (uint32_t)((size_t)((const uint8_t *)obj - s->base) / s->size);
}

static inline void *slab_at(const struct slab *s, uint32_t i)
{
	return s->base + (size_t)i * s->size;
}

#endif
