/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_OWNERS_H
#define PENSTOCK_SHIELD_OWNERS_H

/*
 * A table that says which worker has a connection.
 *
 * The kernel gives a packet to a worker by its pair of addresses.  That may be
 * the wrong worker for an ICMP error, which comes from any router, and for
 * packets of a server whose connection to us has another address pair than the
 * client's.  So all workers note their legs here, and look up here what they do
 * not know.
 *
 * A note is one word, written by one atomic operation, so readers and writers
 * in any thread need no lock.  Only the worker that made a note removes it.
 */
#include "util/hash.h"
#include "util/types.h"

#define OWNERS_WORKERS_MAX 64u
#define OWNERS_NONE (-1)

/* What the worker has. */
enum owned {
	OWNED_LEG,  /* a leg */
	OWNED_REST, /* its TIME_WAIT */
};

/**
 * struct owners - The notes
 * @key:  of the hash
 * @mask: buckets minus one
 * @bucket: a tuple's note is in one of two buckets; 0: free place
 */
struct owners {
	struct hash_key key;
	uint32_t mask;
	struct owners_bucket *bucket;
};

/* @max: notes at once.  0 or -ENOMEM */
int owners_init(struct owners *o, uint32_t max, const uint8_t secret[32]);
void owners_fini(struct owners *o);

/* In all functions below, an @o of NULL means that there is only one worker. */

/* Note that @worker has @t, from our side.  False: there is no room for the
 * note. */
bool owners_add(struct owners *o, const struct tuple *t, uint32_t worker,
		enum owned what);
/* The worker does not have it any more. */
void owners_leave(struct owners *o, const struct tuple *t, uint32_t worker,
		  enum owned what);

/* Which worker has @t?  A leg counts before a TIME_WAIT entry.  Return: the
 * worker, or OWNERS_NONE. */
int owners_find(const struct owners *o, const struct tuple *t);

/* Does a worker other than @worker have a leg of @t? */
bool owners_other_leg(const struct owners *o, const struct tuple *t,
		      uint32_t worker);

#endif
