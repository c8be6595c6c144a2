/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_VALIDATED_H
#define PENSTOCK_SHIELD_VALIDATED_H

/*
 * Addresses that proved themselves by returning a cookie: for a while they
 * skip the limits (validated_for).  Fixed memory.
 */
#include "shield/assoc.h"
#include "util/types.h"

#define VALIDATED_ENTRIES 65536 /* sensible size of a worker's table */

/**
 * struct validated - Trusted addresses
 * @table: by address and service
 */
struct validated {
	struct assoc table;
};

/* 0 or -ENOMEM */
int validated_init(struct validated *v, uint32_t entries,
		   const uint8_t secret[32]);
void validated_fini(struct validated *v);

/* @a is trusted by @service for @for_us from now on; 0: nothing happens. */
void validated_add(struct validated *v, const struct ipaddr *a,
		   uint32_t service, mono_t now, int64_t for_us);
bool validated_has(const struct validated *v, const struct ipaddr *a,
		   uint32_t service, mono_t now);

typedef void (*validated_fn)(void *arg, const struct ipaddr *a,
			     uint32_t service, mono_t until);

/* Call @fn for each address that is still validated. */
void validated_walk(const struct validated *v, validated_fn fn, void *arg,
		    mono_t now);

#endif
