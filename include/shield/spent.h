/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_SPENT_H
#define PENSTOCK_SHIELD_SPENT_H

/*
 * Spent cookies: a cookie opens one connection, not one for each copy of the
 * ACK that brought it.
 */
#include "util/hash.h"
#include "util/types.h"

#define SPENT_WAYS 4u
#define SPENT_SETS 16384u

/**
 * struct spent - Cookies that opened a connection lately
 * @key: of the hash
 * @tag: sets of SPENT_WAYS tags, the newest first; 0 is empty
 *
 * Fixed memory (512 KiB).  When more connections are opened by cookies within
 * their validity than there is room for, the oldest are forgotten: then a late
 * duplicate could open a connection again, which is what every other
 * implementation always allows.
 */
struct spent {
	struct hash_key key;
	uint64_t (*tag)[SPENT_WAYS];
};

/* Return: 0 or -ENOMEM */
int spent_init(struct spent *s, const uint8_t secret[32]);
void spent_fini(struct spent *s);

/**
 * spent_take() - Use a cookie that was found valid
 * @t:   the connection, from our side
 * @iss: the cookie: our initial sequence number
 * Return: false when it was used before
 */
bool spent_take(struct spent *s, const struct tuple *t, seq_t iss);
/* It could not be used after all: forget it. */
void spent_undo(struct spent *s, const struct tuple *t, seq_t iss);

#endif
