/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_KNOWN_H
#define PENSTOCK_SHIELD_KNOWN_H

/*
 * A filter of the client addresses that the daemon knows.  The XDP front leaves
 * their segments to the daemon.
 *
 * It has no false negatives.  A false positive only means that a segment goes
 * through the daemon.  All workers and the front share one filter, so it is
 * changed by atomic operations.
 *
 * It contains connections, half-open connections and TIME_WAIT entries: each is
 * counted at the place of its hash until it ends.  It also contains clients
 * that have spent a cookie (shield/spent.h), until the cookie's epoch is no
 * longer accepted: their next cookie has another variant, which the front
 * cannot make.
 */
#include "shield/known_layout.h"
#include "util/hash.h"
#include "util/types.h"

/**
 * struct known - The filter
 * @key:   key of the hash: that of initial sequence numbers, which the front
 *         has anyway
 * @count: 2^KNOWN_BITS of them; borrowed.  A count of 255 stays, as the true
 *         number is then unknown
 * @spent: 2^KNOWN_SPENT_BITS of them; borrowed
 *
 * In all functions a @k of NULL means that there is no front.
 */
struct known {
	struct hash_key key;
	uint8_t *count;
	struct known_spent *spent;
};

/**
 * known_init() - Make a filter of memory that is all zero
 * @secret: of the gateway
 */
void known_init(struct known *k, const uint8_t secret[32], uint8_t *count,
		struct known_spent *spent);

/* The tuple @t, from our side, is known from now on. */
void known_add(const struct known *k, const struct tuple *t);
/* One reason to know the tuple is gone. */
void known_leave(const struct known *k, const struct tuple *t);

/* The client of @t has spent a cookie of @epoch. */
void known_spend(const struct known *k, const struct tuple *t, int64_t epoch);
/* @epoch is the current one: forget epochs that are over, and make room for the
 * next.  Call this at least once in every epoch. */
void known_renew(const struct known *k, int64_t epoch);

/* What the front would find; for tests. */
bool known_has(const struct known *k, const struct tuple *t, int64_t epoch);

/* The sum of all counts; for tests. */
uint64_t known_sum(const struct known *k);

#endif
