/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_PRNG_H
#define PENSTOCK_UTIL_PRNG_H

#include "util/types.h"

/**
 * struct prng - Seeded generator (splitmix64): equal seeds, equal sequences
 *
 * For decisions that must be reproducible (faults, jitter, simulation); never
 * for secrets.
 */
struct prng {
	uint64_t s;
};

static inline void prng_seed(struct prng *r, uint64_t seed)
{
	r->s = seed;
}

static inline uint64_t prng_u64(struct prng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint32_t prng_u32(struct prng *r)
{
	return (uint32_t)(prng_u64(r) >> 32);
}

/* Uniform in [0, n); n > 0.  The bias below 2^-32 does not matter here. */
static inline uint32_t prng_below(struct prng *r, uint32_t n)
{
	return (uint32_t)(((uint64_t)prng_u32(r) * n) >> 32);
}

#endif
