/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_RATELIMIT_H
#define PENSTOCK_SHIELD_RATELIMIT_H

/*
 * Token buckets by address prefix, in fixed memory.
 */
#include "shield/assoc.h"
#include "util/types.h"

#define RATELIMIT_ENTRIES 65536 /* sensible size of a worker's table */

/**
 * struct rate - "200/s burst 400 per 32/64"
 * @interval_ns: time in which one token comes; 0: no limit
 * @burst:   tokens a full bucket holds
 * @prefix4: bits of an IPv4 address that share a bucket
 * @prefix6: bits of an IPv6 address that share a bucket
 */
struct rate {
	int64_t interval_ns;
	uint32_t burst;
	uint8_t prefix4, prefix6;
};

/**
 * struct ratelimit - The buckets of a worker
 * @table:   by prefix and service
 * @refused: how often there was no token
 */
struct ratelimit {
	struct assoc table;
	uint64_t refused;
};

/* 0 or -ENOMEM */
int ratelimit_init(struct ratelimit *r, uint32_t entries,
		   const uint8_t secret[32]);
void ratelimit_fini(struct ratelimit *r);

/**
 * ratelimit_take() - Take one token for an address
 * @service: services have buckets of their own
 * Return: true: there was a token, or @rate is no limit
 */
bool ratelimit_take(struct ratelimit *r, const struct rate *rate,
		    const struct ipaddr *a, uint32_t service, mono_t now);

/* Is there a token?  None is taken. */
bool ratelimit_has(const struct ratelimit *r, const struct rate *rate,
		   const struct ipaddr *a, uint32_t service, mono_t now);

/**
 * rate_parse() - Read "N/s|m|h [burst N] [per BITS[/BITS]]"
 * An empty text is no limit.  Without "burst", N; without "per", 32/64.
 * Return: 0, or -EINVAL with what was found and what is allowed in @err
 */
int rate_parse(const char *text, struct rate *out, char *err, size_t errlen);

/* The first @bits4 or @bits6 bits of an address, the rest zero. */
struct ipaddr ipaddr_masked(const struct ipaddr *a, uint32_t bits4,
			    uint32_t bits6);

#endif
