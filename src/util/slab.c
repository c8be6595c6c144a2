/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A slab is one anonymous mapping, reserved for the worst case when the
 * daemon starts and paid for page by page as objects are handed out for the
 * first time.  Freed objects form a stack through their own first bytes; the
 * object freed last is handed out first, as it is the one in the cache.
 *
 * Under AddressSanitizer an object is poisoned while it is free, and so is the
 * object at the frontier of what was never handed out: a use after free and an
 * overrun into the frontier are caught as they would be with malloc().
 */
#include <assert.h>
#include <errno.h>

#include "util/region.h"
#include "util/slab.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISON 1
#endif

#ifdef SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define __asan_poison_memory_region(p, n) ((void)(p), (void)(n))
#define __asan_unpoison_memory_region(p, n) ((void)(p), (void)(n))
#endif

/* Bytes of the mapping. */
static size_t slab_region(const struct slab *s)
{
	return s->size * s->max;
}

int slab_init(struct slab *s, size_t size, uint32_t max)
{
	size_t bytes;
	void *base;

	memset(s, 0, sizeof(*s));
	if (size > SIZE_MAX - 7 || max == SLAB_NONE)
		return -ENOMEM;
	s->size = size < sizeof(void *) ? sizeof(void *)
					: (size + 7) & ~(size_t)7;
	if (max == 0)
		return 0;
	if (__builtin_mul_overflow(s->size, (size_t)max, &bytes))
		return -ENOMEM;

	base = region_new(bytes);
	if (!base)
		return -ENOMEM;
	s->base = base;
	s->max = max;
	__asan_poison_memory_region(s->base, s->size);
	return 0;
}

void slab_fini(struct slab *s)
{
	if (s->base) {
		__asan_unpoison_memory_region(s->base, slab_region(s));
		region_free(s->base, slab_region(s));
	}
	memset(s, 0, sizeof(*s));
}

/* The first use of an object; the frontier moves on by one. */
static void *slab_alloc_fresh(struct slab *s)
{
	uint8_t *obj = slab_at(s, s->fresh++);

	__asan_unpoison_memory_region(obj, s->size);
	if (s->fresh < s->max)
		__asan_poison_memory_region(obj + s->size, s->size);
	return obj;
}

void *slab_alloc(struct slab *s)
{
	void *obj = s->free;

	if (likely(obj != NULL)) {
		__asan_unpoison_memory_region(obj, s->size);
		memcpy(&s->free, obj, sizeof(s->free));
	} else if (s->fresh < s->max) {
		obj = slab_alloc_fresh(s);
	} else {
		return NULL;
	}
	s->used++;
	return obj;
}

void slab_free(struct slab *s, void *obj)
{
	assert(s->used > 0);
	assert((uint8_t *)obj >= s->base);
	assert((uint8_t *)obj < s->base + (size_t)s->fresh * s->size);
	assert(obj != s->free); /* the cheap half of "not freed twice" */
#ifdef SLAB_POISON
	assert(!__asan_address_is_poisoned(obj));
#endif

	memcpy(obj, &s->free, sizeof(s->free));
	s->free = obj;
	s->used--;
	__asan_poison_memory_region(obj, s->size);
}
