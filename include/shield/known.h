/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_KNOWN_H
#define PENSTOCK_SHIELD_KNOWN_H

/*
 * Tuples of clients of whom something is known here: a filter, by which the XDP
 * front leaves their segments to the daemon.
 *
 * It never forgets one that is known.  It may take a stranger for one, which
 * costs the way through the daemon and nothing else.  All workers and the front
 * use one filter, so it is changed by atomic operations.
 *
 * Known are connections, half-open ones and TIME_WAIT: each is counted in the
 * place of its hash, and leaves it at its end.  Known is also who spent a
 * cookie (shield/spent.h) until that cookie's epoch is no longer accepted: the
 * next cookie for the same numbers is another one, which the front does not
 * know how to make.
 */
#include "shield/known_layout.h"
#include "util/hash.h"
#include "util/types.h"

/**
 * struct known - The filter
 * @key:   of the hash: that of initial sequence numbers, which the front needs
 *         anyhow
 * @count: 2^KNOWN_BITS of them; borrowed.  255 stays: nobody knows any more how
 *         many there are
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

/* Something of the tuple @t, seen from our side, is kept from now on. */
void known_add(const struct known *k, const struct tuple *t);
/* It is kept no longer. */
void known_leave(const struct known *k, const struct tuple *t);

/* The client of @t has spent a cookie of @epoch. */
void known_spend(const struct known *k, const struct tuple *t, int64_t epoch);
/* @epoch is this one now: forget what can't be accepted, make room for the
 * next.  To be called at least once in every epoch. */
void known_renew(const struct known *k, int64_t epoch);

/* What the front asks; for tests. */
bool known_has(const struct known *k, const struct tuple *t, int64_t epoch);

/* Counted in all places together; for tests. */
uint64_t known_sum(const struct known *k);

#endif
