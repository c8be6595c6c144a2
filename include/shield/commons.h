/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_COMMONS_H
#define PENSTOCK_SHIELD_COMMONS_H

/*
 * What the workers of a process have in common: who has which connection, and
 * what limits count.  So a limit means the same with one worker and with many.
 *
 * In all functions a commons of NULL means that there is one worker only, which
 * counts by itself.
 */
#include <pthread.h>

#include "shield/owners.h"
#include "shield/ratelimit.h"
#include "shield/share.h"
#include "shield/validated.h"

#define COMMONS_SERVICES 512u

/**
 * struct shared_count - A count that a limit is about
 * @here: this worker's part
 * @all:  of all workers, changed by atomic operations; NULL: @here is all
 */
struct shared_count {
	uint32_t here, *all;
};

static inline void shared_add(struct shared_count *c, int by)
{
	c->here += (uint32_t)by;
	if (c->all)
		__atomic_add_fetch(c->all, (uint32_t)by, __ATOMIC_RELAXED);
}

static inline uint32_t shared_sum(const struct shared_count *c)
{
	return c->all ? __atomic_load_n(c->all, __ATOMIC_RELAXED) : c->here;
}

/**
 * struct commons_service - What is counted for a service
 * @id:    of its name; 0: the place is free
 * @users: workers that have it
 * @half_open: connections, likewise @orphans
 */
struct commons_service {
	uint32_t id, users;
	uint32_t half_open, orphans;
};

/**
 * struct commons - See above
 * @owners:  who has which connection
 * @workers: how many there are
 * @max_flows: connections at once
 * @flows:   there are now; changed by atomic operations
 * @lock:    of all that follows
 * @rates:   rate_limit
 * @validated: who returned a cookie
 * @sources: who has how many connections
 * @wing:    of a module above the engines, see commons_wing()
 */
struct commons {
	struct owners owners;
	uint32_t workers, max_flows, flows;
	pthread_mutex_t lock;
	struct ratelimit rates;
	struct validated validated;
	struct shares sources;
	struct commons_service service[COMMONS_SERVICES];
	void *wing;
};

/**
 * commons_init() - Reserve what @workers workers have in common
 * @max_flows: connections at once
 * @max_tw:    TIME_WAIT entries at once
 * Return: 0 or -ENOMEM
 */
int commons_init(struct commons *c, uint32_t workers, uint32_t max_flows,
		 uint32_t max_tw, const uint8_t secret[32]);
void commons_fini(struct commons *c);

/* Of several workers; NULL and 1 where there is one. */
static inline struct owners *commons_owners(struct commons *c)
{
	return c ? &c->owners : NULL;
}

static inline uint32_t commons_workers(const struct commons *c)
{
	return c ? c->workers : 1;
}

/* A place for a connection among those of all, in this worker's memory; NULL:
 * max_flows are taken. */
void *commons_alloc(struct commons *c, struct slab *flows);
void commons_free(struct commons *c, struct slab *flows, void *flow);
/* Places that are taken; @flows are this worker's. */
uint32_t commons_used(const struct commons *c, const struct slab *flows);

/* Connections of sources count for all workers from now on. */
void commons_count_sources(struct commons *c, struct shares *sources);

/* Of @all that are shared out exactly: the part of worker @i. */
static inline uint32_t commons_part(const struct commons *c, uint32_t i,
				    uint32_t all)
{
	uint32_t n = commons_workers(c);

	return all / n + (i < all % n);
}

/* What each of them may have of @all; 0 is no limit and stays 0. */
uint32_t commons_share(const struct commons *c, uint32_t all);

/**
 * commons_service_get() - The counts of a service, for one worker more
 * @own: its number in this worker, which is returned where there is no other
 * @half_open: linked with those of all, likewise @orphans
 * Return: a number for the name, the same in all workers and below 2^31.
 * With too many names the counts stay each worker's own
 */
uint32_t commons_service_get(struct commons *c, const char *name, uint32_t own,
			     struct shared_count *half_open,
			     struct shared_count *orphans);
/* One worker less; @id is what commons_service_get() returned. */
void commons_service_put(struct commons *c, uint32_t id);

/* @size bytes for a module above, zero at first, the same for all who ask;
 * NULL: no memory, or one worker only. */
void *commons_wing(struct commons *c, size_t size);

#endif
