/* SPDX-License-Identifier: MIT */
/*
 * Keyed hashing, all of it by libsodium: SipHash-2-4 for tables, cookies and
 * sequence numbers, BLAKE2b to derive one key from another.
 */
#include <assert.h>
#include <endian.h>
#include <sodium.h>

#include "util/hash.h"

static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES,
	      "struct hash_key is a SipHash key");
static_assert(crypto_shorthash_BYTES == sizeof(uint64_t),
	      "a hash is a number of 64 bits");

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t len)
{
	uint64_t v;

	crypto_shorthash((uint8_t *)&v, p, len, k->k);
	return le64toh(v);
}

void hash_derive(struct hash_key *out, const uint8_t secret[32],
		 const char *purpose, uint64_t number)
{
	crypto_generichash_state st;
	uint8_t num[8];

	put_be32(num, (uint32_t)(number >> 32));
	put_be32(num + 4, (uint32_t)number);

	/* The terminating NUL separates the purpose from the number. */
	crypto_generichash_init(&st, secret, 32, sizeof(out->k));
	crypto_generichash_update(&st, (const uint8_t *)purpose,
				  strlen(purpose) + 1);
	crypto_generichash_update(&st, num, sizeof(num));
	crypto_generichash_final(&st, out->k, sizeof(out->k));
	sodium_memzero(&st, sizeof(st));
}
