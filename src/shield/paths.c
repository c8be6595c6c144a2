/* SPDX-License-Identifier: MIT */
/*
 * Path memory: where it is kept.  What it says, and who may write it, is
 * tcp/metrics.c's.
 */
#include "shield/paths.h"

struct host {
	struct assoc_head head;
	struct path_metrics m;
};

int paths_init(struct paths *p, uint32_t entries, const uint8_t secret[32])
{
	return assoc_init(&p->table, sizeof(struct host), entries, secret,
			  "path memory");
}

void paths_fini(struct paths *p)
{
	assoc_fini(&p->table);
}

static bool is_known(const struct host *h, mono_t now)
{
	return h->head.used && mono_is_set(h->m.saved_at) &&
	       mono_sub(now, h->m.saved_at) <= PATHS_KEPT_US;
}

struct path_metrics *paths_get(struct paths *p, const struct ipaddr *host,
			       bool make, mono_t now)
{
	struct assoc_key k = {.addr = *host};
	struct host *h = assoc_find(&p->table, &k);
	bool fresh;

	if (!make)
		return h && is_known(h, now) ? &h->m : NULL;
	h = assoc_use(&p->table, &k, now, &fresh);
	if (fresh || !is_known(h, now))
		h->m = (struct path_metrics){.saved_at = MONO_UNSET,
					     .mtu_at = MONO_UNSET,
					     .no_ecn_at = MONO_UNSET};
	return &h->m;
}

static struct host *host_at(const struct paths *p, uint32_t i)
{
	return (struct host *)(void *)(p->table.mem + i * p->table.size);
}

void paths_walk(const struct paths *p, paths_fn fn, void *arg, mono_t now)
{
	for (uint32_t i = 0; i < assoc_room(&p->table); i++) {
		const struct host *h = host_at(p, i);

		if (is_known(h, now))
			fn(arg, &h->head.key.addr, &h->m);
	}
}

uint32_t paths_forget(struct paths *p, const struct ipaddr *host, mono_t now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < assoc_room(&p->table); i++) {
		struct host *h = host_at(p, i);

		if (!h->head.used ||
		    (host && !ipaddr_eq(host, &h->head.key.addr)))
			continue;
		n += is_known(h, now);
		memset(h, 0, sizeof(*h));
	}
	return n;
}
