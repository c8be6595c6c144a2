/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_OWNERS_H
#define PENSTOCK_SHIELD_OWNERS_H

/*
 * Which worker has a connection.
 *
 * The kernel gives a packet to a worker by its pair of addresses.  That is the
 * wrong one for an ICMP error, which may come from any router, and for what a
 * server sends whose connection to us has another pair than the client's.  All
 * workers note their legs here, and look up here what they do not know.
 *
 * A note is one word, written by one atomic operation: readers and writers of
 * any thread need no lock.  Only the worker that made a note takes it back.
 */
#include "util/hash.h"
#include "util/types.h"

#define OWNERS_WORKERS_MAX 64u
#define OWNERS_NONE (-1)

/* What the worker has. */
enum owned {
	OWNED_LEG,  /* an endpoint at work */
	OWNED_REST, /* its TIME_WAIT */
};

/**
 * struct owners - The notes
 * @key:  of the hash
 * @mask: buckets minus one
 * @bucket: a tuple's note is in one of two buckets; 0: the place is free
 */
struct owners {
	struct hash_key key;
	uint32_t mask;
	struct owners_bucket *bucket;
};

/* @max: notes at once.  0 or -ENOMEM */
int owners_init(struct owners *o, uint32_t max, const uint8_t secret[32]);
void owners_fini(struct owners *o);

/* In all that follows an @o of NULL means that there is one worker only. */

/* @worker has @t, seen from our side.  False: there is no room for the note. */
bool owners_add(struct owners *o, const struct tuple *t, uint32_t worker,
		enum owned what);
/* It has it no longer. */
void owners_leave(struct owners *o, const struct tuple *t, uint32_t worker,
		  enum owned what);

/* Who has @t?  A leg counts before a TIME_WAIT.  A worker, or OWNERS_NONE. */
int owners_find(const struct owners *o, const struct tuple *t);

/* Has another worker than @worker a leg of @t? */
bool owners_other_leg(const struct owners *o, const struct tuple *t,
		      uint32_t worker);

#endif
