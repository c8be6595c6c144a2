/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_SHARE_H
#define PENSTOCK_SHIELD_SHARE_H

/*
 * How much of the shared resources each source holds, and how much more it may
 * take.
 *
 * A source is a client's address (IPv6: its /64) at one service.  It has an
 * entry for as long as it has a connection, so the table has as many entries as
 * there may be connections, and forgets nothing.  The hash is keyed.
 */
#include <pthread.h>

#include "shield/hindex.h"
#include "util/hash.h"
#include "util/slab.h"
#include "util/types.h"

#define SHARE_NONE UINT32_MAX /* no source */

/* Resources shared by amount; connections are counted separately. */
enum share_pool {
	SHARE_NODES, /* nodes of the out-of-order store */
	SHARE_BYTES, /* buffers, true size */
	SHARE_POOLS
};

/**
 * struct share_source - What a source holds
 * @addr:    its prefix
 * @service: index
 * @flows:   connections
 * @held:    of each pool
 */
struct share_source {
	struct ipaddr addr;
	uint32_t service;
	uint32_t flows;
	uint64_t held[SHARE_POOLS];
};

/**
 * struct shares - All sources of a worker
 * @all:  a table of several workers, in which connections are counted too,
 *        and its lock; or NULL
 */
struct shares {
	struct slab slab;
	struct hindex index;
	struct hash_key key;
	struct shares *all;
	pthread_mutex_t *all_lock;
};

/* @max: sources at once.  0 or -ENOMEM. */
int shares_init(struct shares *t, uint32_t max, const uint8_t secret[32]);
void shares_fini(struct shares *t);

/* The source of address @a; NULL when it has no connection. */
struct share_source *share_find(const struct shares *t, const struct ipaddr *a,
				uint32_t service);

/* Count one more connection of @a.  Return: the number of its source, or
 * SHARE_NONE if the table is full */
uint32_t share_join(struct shares *t, const struct ipaddr *a, uint32_t service);
/* Connections of @a, at all workers. */
uint32_t share_flows(const struct shares *t, const struct ipaddr *a,
		     uint32_t service);
/* Count one less.  The connection must hold nothing any more. */
void share_leave(struct shares *t, uint32_t source);

/* The sums of what all sources hold, and of their connections. */
void share_sum(const struct shares *t, uint64_t held[SHARE_POOLS],
	       uint64_t *flows);

static inline struct share_source *share_at(const struct shares *t, uint32_t i)
{
	return i == SHARE_NONE ? NULL : slab_at(&t->slab, i);
}

/* A source is needed soon: fetch it.  @number: plus 1; 0: none */
static inline void share_expect(const struct shares *t, uint32_t number)
{
	if (number)
		__builtin_prefetch(share_at(t, number - 1), 1);
}

/**
 * struct share_charge - What a connection's source is charged for it
 * @source: number of the source plus 1; 0: it has none, its client is not proven
 * @nodes: of the out-of-order store
 * @bytes: true size of buffers
 */
struct share_charge {
	uint32_t source, nodes, bytes;
};

/* The connection holds this now. */
void share_recharge(struct shares *t, struct share_charge *c, uint32_t nodes,
		    uint32_t bytes);
static inline void share_account(struct shares *t, struct share_charge *c,
				 uint32_t nodes, uint32_t bytes)
{
	if (c->source && (nodes != c->nodes || bytes != c->bytes))
		share_recharge(t, c, nodes, bytes);
}

/* It ends: its source is charged nothing more, and counts it no more. */
void share_end(struct shares *t, struct share_charge *c);

/**
 * share_left() - What a connection may still take of a pool
 * @free:   what is left of the pool
 * @flow:   what the connection holds
 * @source: what its source holds, the connection included
 *
 * Dynamic thresholds: a connection may hold half of what is free, a source as
 * much as is free.  So one greedy source gets half of a pool, n of them get n /
 * (n + 1), and the rest is left for sources that hold little.
 */
static inline uint64_t share_left(uint64_t free, uint64_t flow, uint64_t source)
{
	uint64_t f = free / 2 > flow ? free / 2 - flow : 0;
	uint64_t s = free > source ? free - source : 0;

	return f < s ? f : s;
}

/* share_left() of a connection that holds @held now, with @free left. */
uint64_t share_left_to(const struct shares *t, const struct share_charge *c,
		       enum share_pool pool, uint64_t free, uint32_t held);

/**
 * share_flows_ok() - May a source have one more connection?
 * @free:  places that are left
 * @flows: its connections
 *
 * Up to eight times what is free: one source alone gets eight ninths of the
 * places.
 */
static inline bool share_flows_ok(uint32_t free, uint32_t flows)
{
	return flows < 8 * (uint64_t)free;
}

#endif
