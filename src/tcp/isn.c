/* SPDX-License-Identifier: MIT */
/*
 * Initial sequence numbers (RFC 6528) and timestamp offsets (RFC 7323, 5.4).
 */
#include "tcp/isn.h"

void isn_make(const struct hash_key *k, const struct tuple *t, mono_t now,
	      seq_t *isn, uint32_t *ts_off)
{
	uint64_t h = hash_bytes(k, t, sizeof(*t));

	*isn = SEQ((uint32_t)h + (uint32_t)(now.us / 4));
	*ts_off = (uint32_t)(h >> 32);
}
