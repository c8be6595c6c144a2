/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_SPENT_H
#define PENSTOCK_SHIELD_SPENT_H

/*
 * Spent cookies: a cookie opens one connection, not one for each copy of the
 * ACK that brought it.
 *
 * Kept is how many connections a 4-tuple with a client ISN has opened by
 * cookies of one epoch.  That number is the variant of the next cookie
 * (cookie_make()), and the only one that is taken (cookie_check()): a copy of
 * an older one fails, and a client that begins anew with the numbers it had
 * before gets a cookie of its own.  An entry is forgotten when no cookie of its
 * epoch is valid any more, and never before.
 */
#include "util/hash.h"
#include "util/types.h"

#define SPENT_WAYS 8u
#define SPENT_RATE 12288u    /* connections a second that there is room for */
#define SPENT_MAX (1u << 22) /* entries, 16 MiB */
#define SPENT_USES_MAX 63u   /* of one 4-tuple and ISN in an epoch */

/**
 * struct spent - Cookies that opened a connection lately
 * @key:  of the hash
 * @set:  sets of SPENT_WAYS entries, 4 bytes each; see spent.c
 * @mask: sets minus one
 *
 * Each connection has two sets to choose from, so the first that finds no room
 * comes when three quarters are used.  It is refused: it could be replayed.
 */
struct spent {
	struct hash_key key;
	uint32_t (*set)[SPENT_WAYS];
	uint32_t mask;
};

/**
 * struct spent_look - What is known of a 4-tuple and client ISN
 * @uses: cookies spent in the epoch before, in this one, and in the next one
 * @hash: where its entries are
 * @epoch: this one
 */
struct spent_look {
	uint8_t uses[3];
	uint64_t hash;
	int64_t epoch;
};

/**
 * spent_init() - Reserve room for SPENT_RATE a second, at most SPENT_MAX
 * @epoch_s: secret_rotate, seconds
 * Memory that was never used costs none.  Return: 0 or -ENOMEM
 */
int spent_init(struct spent *s, const uint8_t secret[32], int64_t epoch_s);
void spent_fini(struct spent *s);

/**
 * spent_look() - What was spent
 * @t:   the connection, from our side
 * @isn: the client's initial sequence number
 * @epoch: of the wall clock now, as cookies count them
 */
void spent_look(const struct spent *s, const struct tuple *t, seq_t isn,
		int64_t epoch, struct spent_look *out);

/**
 * spent_take() - A cookie of @epoch is used: the next has another variant
 * Return: false when there is no room to remember it
 */
bool spent_take(struct spent *s, const struct spent_look *l, int64_t epoch);
/* It could not be used after all: as it was before. */
void spent_undo(struct spent *s, const struct spent_look *l, int64_t epoch);

/* The variant of the next cookie of @epoch, from l->epoch - 1 to + 1. */
static inline uint8_t spent_uses(const struct spent_look *l, int64_t epoch)
{
	return l->uses[epoch - l->epoch + 1];
}

#endif
