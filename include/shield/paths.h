/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_PATHS_H
#define PENSTOCK_SHIELD_PATHS_H

/*
 * Path memory: what is known of the path to each host, as the kernel's
 * tcp_metrics.  A table of fixed size that forgets who was least recently used,
 * and everybody after an hour without news.
 */
#include "shield/assoc.h"
#include "util/path.h"

#define PATHS_ENTRIES 16384		      /* of a worker */
#define PATHS_KEPT_US (3600LL * USEC_PER_SEC) /* as Linux */

/**
 * struct paths - The table
 * @table: hosts, by address
 */
struct paths {
	struct assoc table;
};

/* 0 or -ENOMEM */
int paths_init(struct paths *p, uint32_t entries, const uint8_t secret[32]);
void paths_fini(struct paths *p);

/**
 * paths_get() - What is known of the path to @host
 * @make: an entry, when there is none
 * Return: NULL when nothing that is young enough is known
 */
struct path_metrics *paths_get(struct paths *p, const struct ipaddr *host,
			       bool make, mono_t now);

typedef void (*paths_fn)(void *arg, const struct ipaddr *host,
			 const struct path_metrics *m);

/* @fn gets each host of which something is known. */
void paths_walk(const struct paths *p, paths_fn fn, void *arg, mono_t now);

/* Forget @host; NULL: all.  Return: how many were forgotten */
uint32_t paths_forget(struct paths *p, const struct ipaddr *host, mono_t now);

#endif
