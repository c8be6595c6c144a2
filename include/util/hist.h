/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_HIST_H
#define PENSTOCK_UTIL_HIST_H

/*
 * Histograms of times: each bucket ends at twice the last one's end.
 */
#include "util/types.h"

#define HIST_BUCKETS 24

/**
 * struct hist - How many times were how long
 * @n:      by bucket, each without those below it; the last has all that is
 *          longer
 * @sum_us: of all of them
 */
struct hist {
	uint64_t n[HIST_BUCKETS];
	uint64_t sum_us;
};

/* The end of bucket @i, microseconds; it belongs to the bucket.  The first one
 * ends at 1 << @shift, the last has no end. */
static inline uint64_t hist_end_us(uint32_t i, uint32_t shift)
{
	return UINT64_C(1) << (shift + i);
}

/* Count a time; what is negative counts as 0. */
static inline void hist_add(struct hist *h, uint32_t shift, int64_t us)
{
	uint64_t t = us > 0 ? (uint64_t)us : 0;
	uint32_t bits = t > 1 ? 64 - (uint32_t)__builtin_clzll(t - 1) : 0;
	uint32_t i = bits > shift ? bits - shift : 0;

	h->n[min_u32(i, HIST_BUCKETS - 1)]++;
	h->sum_us += t;
}

/* Add the counts of another one. */
static inline void hist_merge(struct hist *to, const struct hist *from)
{
	for (uint32_t i = 0; i < HIST_BUCKETS; i++)
		to->n[i] += from->n[i];
	to->sum_us += from->sum_us;
}

#endif
