/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_KNOWN_LAYOUT_H
#define PENSTOCK_SHIELD_KNOWN_LAYOUT_H

/*
 * Where struct known has the place of a hash.  The XDP front includes this file
 * too, so it includes nothing else of penstock.
 */
#include <stdbool.h>
#include <stdint.h>

#define KNOWN_BITS 22	    /* of the hash: 2^22 places of a byte each */
#define KNOWN_LINE 64	    /* places of one entry of the front's map */
#define KNOWN_SPENT_BITS 18 /* 2^18 places of 32 bytes each */
#define KNOWN_EPOCHS 4u /* the last, this, the next, and one to be cleared */

/**
 * struct known_spent - Two bits for each tuple that spent a cookie, by epoch
 * @bits: by the epoch modulo KNOWN_EPOCHS
 */
struct known_spent {
	uint64_t bits[KNOWN_EPOCHS];
};

static inline uint32_t known_place(uint64_t hash)
{
	return (uint32_t)hash & ((1u << KNOWN_BITS) - 1);
}

static inline uint32_t known_spent_place(uint64_t hash)
{
	return (uint32_t)(hash >> KNOWN_BITS) & ((1u << KNOWN_SPENT_BITS) - 1);
}

static inline uint64_t known_spent_mask(uint64_t hash)
{
	return 1ull << (hash >> 40 & 63) | 1ull << (hash >> 46 & 63);
}

/* Was a cookie spent in the last epoch, in @epoch or in the next? */
static inline bool known_was_spent(const struct known_spent *s, uint32_t epoch,
				   uint64_t hash)
{
	uint64_t m = known_spent_mask(hash);

	return (s->bits[(epoch - 1) % KNOWN_EPOCHS] & m) == m ||
	       (s->bits[epoch % KNOWN_EPOCHS] & m) == m ||
	       (s->bits[(epoch + 1) % KNOWN_EPOCHS] & m) == m;
}

#endif
