/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_HASH_H
#define PENSTOCK_UTIL_HASH_H

#include "util/types.h"

/**
 * struct hash_key - SipHash-2-4 key (libsodium's crypto_shorthash)
 */
struct hash_key {
	uint8_t k[16];
};

/* Keyed hash of @len bytes; the 8 output bytes read as little endian. */
uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t len);

/* Derive a sub-key for @purpose (a short constant string) from 32 bytes. */
void hash_derive(struct hash_key *out, const uint8_t secret[32],
		 const char *purpose, uint64_t number);

#endif
