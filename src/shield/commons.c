/* SPDX-License-Identifier: MIT */
/*
 * What the workers of a process have in common.
 *
 * Counts that change with each connection are atomic.  Tables are under one
 * lock, which is held for one look-up: some are needed for a connection, none
 * for a segment of a connection.
 */
#include <errno.h>
#include <stdlib.h>

#include "shield/commons.h"

int commons_init(struct commons *c, uint32_t workers, uint32_t max_flows,
		 uint32_t max_tw, const uint8_t secret[32])
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->workers = workers;
	c->max_flows = max_flows;
	pthread_mutex_init(&c->lock, NULL);
	rc = owners_init(&c->owners, 2 * max_flows + max_tw, secret);
	if (!rc)
		rc = ratelimit_init(&c->rates, RATELIMIT_ENTRIES, secret);
	if (!rc)
		rc = validated_init(&c->validated, VALIDATED_ENTRIES, secret);
	if (!rc)
		rc = shares_init(&c->sources, max_flows, secret);
	c->rates.table.lock = &c->lock;
	c->validated.table.lock = &c->lock;
	return rc;
}

void commons_fini(struct commons *c)
{
	shares_fini(&c->sources);
	validated_fini(&c->validated);
	ratelimit_fini(&c->rates);
	owners_fini(&c->owners);
	free(c->wing);
	c->wing = NULL;
}

static bool take_place(struct commons *c)
{
	uint32_t n = __atomic_load_n(&c->flows, __ATOMIC_RELAXED);

	do {
		if (n >= c->max_flows)
			return false;
	} while (!__atomic_compare_exchange_n(&c->flows, &n, n + 1, true,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

void *commons_alloc(struct commons *c, struct slab *flows)
{
	/* a worker's slab has room for all */
	return !c || take_place(c) ? slab_alloc(flows) : NULL;
}

void commons_free(struct commons *c, struct slab *flows, void *flow)
{
	slab_free(flows, flow);
	if (c)
		__atomic_sub_fetch(&c->flows, 1, __ATOMIC_RELAXED);
}

void commons_count_sources(struct commons *c, struct shares *sources)
{
	if (!c)
		return;
	sources->all = &c->sources;
	sources->all_lock = &c->lock;
}

uint32_t commons_used(const struct commons *c, const struct slab *flows)
{
	return c ? __atomic_load_n(&c->flows, __ATOMIC_RELAXED) : flows->used;
}

uint32_t commons_share(const struct commons *c, uint32_t all)
{
	return c ? all / c->workers + (all % c->workers != 0) : all;
}

/* By its number, or a free one; the lock is held. */
static struct commons_service *service_at(struct commons *c, uint32_t id)
{
	struct commons_service *s = NULL;

	for (uint32_t i = 0; i < COMMONS_SERVICES; i++) {
		if (c->service[i].id == id)
			return &c->service[i];
		if (!s && !c->service[i].id)
			s = &c->service[i];
	}
	return s;
}

uint32_t commons_service_get(struct commons *c, const char *name, uint32_t own,
			     struct shared_count *half_open,
			     struct shared_count *orphans)
{
	struct commons_service *s;
	uint32_t id;

	if (!c)
		return own;
	id = (uint32_t)(hash_bytes(&c->owners.key, name, strlen(name)) %
			INT32_MAX) +
	     1;
	pthread_mutex_lock(&c->lock);
	s = service_at(c, id);
	if (s) {
		s->id = id;
		s->users++;
		half_open->all = &s->half_open;
		orphans->all = &s->orphans;
	}
	pthread_mutex_unlock(&c->lock);
	return id;
}

void commons_service_put(struct commons *c, uint32_t id)
{
	struct commons_service *s;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	s = service_at(c, id);
	if (s && s->id == id && !--s->users)
		*s = (struct commons_service){0};
	pthread_mutex_unlock(&c->lock);
}

void *commons_wing(struct commons *c, size_t size)
{
	void *p;

	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	if (!c->wing)
		c->wing = calloc(1, size);
	p = c->wing;
	pthread_mutex_unlock(&c->lock);
	return p;
}
