/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_SPENT_H
#define PENSTOCK_SHIELD_SPENT_H

/*
 * Spent cookies: a cookie opens one connection, not one for each copy of its
 * ACK.
 *
 * An entry counts the connections that a 4-tuple with a client ISN has opened
 * with cookies of one epoch.  That number is the variant of the next cookie
 * (cookie_make()), and the only variant that is accepted (cookie_check()).  So
 * a copy of an older cookie fails, and a client that connects again with the
 * same numbers gets another cookie.  An entry is kept until no cookie of its
 * epoch is valid any more.
 */
#include "util/hash.h"
#include "util/record.h"
#include "util/types.h"

#define SPENT_WAYS 8u
#define SPENT_RATE 12288u    /* connections a second, for which there is room */
#define SPENT_MAX (1u << 22) /* entries, 16 MiB */
#define SPENT_USES_MAX 63u   /* of one 4-tuple and ISN in an epoch */

/**
 * struct spent - Cookies that opened a connection lately
 * @key:  of the hash
 * @set:  sets of SPENT_WAYS entries, 4 bytes each; see spent.c
 * @mask: sets minus one
 *
 * A connection can use either of two sets, so the table is three quarters full
 * when the first finds no room.  Its cookie is refused, as it could be
 * replayed.
 */
struct spent {
	struct hash_key key;
	uint32_t (*set)[SPENT_WAYS];
	uint32_t mask;
};

/**
 * struct spent_look - What is known about a 4-tuple and client ISN
 * @uses: cookies spent in the last epoch, in this one, and in the next one
 * @hash: hash of its entries
 * @epoch: this one
 */
struct spent_look {
	uint8_t uses[3];
	uint64_t hash;
	int64_t epoch;
};

/**
 * spent_init() - Reserve room for SPENT_RATE a second, at most SPENT_MAX
 * @epoch_s: secret_rotate, seconds Memory becomes resident when it is used.
 * Return: 0 or -ENOMEM
 */
int spent_init(struct spent *s, const uint8_t secret[32], int64_t epoch_s);
void spent_fini(struct spent *s);

/**
 * spent_look() - Look up what was spent
 * @t:   the connection, from our side
 * @isn: the client's initial sequence number
 * @epoch: of the wall clock now, as cookies count them
 */
void spent_look(const struct spent *s, const struct tuple *t, seq_t isn,
		int64_t epoch, struct spent_look *out);

/**
 * spent_take() - Note that a cookie of @epoch is used: the next has another
 * variant
 * Return: false when there is no room to remember it
 */
bool spent_take(struct spent *s, const struct spent_look *l, int64_t epoch);
/* Undo spent_take(): the cookie could not be used after all. */
void spent_undo(struct spent *s, const struct spent_look *l, int64_t epoch);

/* The variant of the next cookie of @epoch, from l->epoch - 1 to + 1. */
static inline uint8_t spent_uses(const struct spent_look *l, int64_t epoch)
{
	return l->uses[epoch - l->epoch + 1];
}

/**
 * spent_save() - Write what was spent, from set *@at on, some of it
 * @epoch: of the wall clock now
 * *@at is then where to go on.  Return: false when all has been written
 */
bool spent_save(const struct spent *s, int64_t epoch, uint32_t *at,
		struct record_writer *w);

/* Remember what spent_save() wrote, with the same secret and secret_rotate.
 * Return: 0, -EBADMSG, or -ENOSPC: some of it was forgotten */
int spent_load(struct spent *s, struct record_reader r, int64_t epoch);

#endif
