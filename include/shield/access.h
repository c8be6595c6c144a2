/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_ACCESS_H
#define PENSTOCK_SHIELD_ACCESS_H

/*
 * Who may connect: lists of addresses and rates, and the counts of refused
 * sources.
 */
#include "shield/cfg.h"
#include "shield/offenders.h"
#include "shield/ratelimit.h"
#include "shield/recycle.h"
#include "shield/validated.h"
#include "wire/segment.h"

/**
 * struct access - What is known of sources
 * @rates:     how often each has connected
 * @offenders: who was refused most; [1]: those whose address is proven
 * @validated: who has proven its address, and may connect at any rate
 * @shared:    @rates and @validated are tables of several workers
 * @recycle:   the newest timestamps of hosts, for tcp_tw_recycle
 */
struct access {
	struct ratelimit rates;
	struct offenders offenders[2];
	struct validated validated;
	struct recycle recycle;
	bool shared;
};

/* All zero before.  Return: 0 or -ENOMEM; then access_fini(), too */
int access_init(struct access *t, const uint8_t secret[32]);
void access_fini(struct access *t);

/* Use these tables, which outlive @t and have a lock, in place of its own. */
void access_share(struct access *t, const struct ratelimit *rates,
		  const struct validated *validated);

enum access_verdict {
	ACCESS_OK,
	ACCESS_DENIED, /* by a list */
	ACCESS_RATE,   /* it exceeds rate_limit */
	ACCESS_PAWS    /* its timestamp is old: tcp_tw_recycle */
};

/* May the sender of the SYN @syn connect to service number @service? */
enum access_verdict access_syn(struct access *t, const struct shield_cfg *c,
			       uint32_t service, const struct segment *syn,
			       mono_t now);

/* rate_limit: may a client that has proven its address connect?  Counts it. */
bool access_proven(struct access *t, const struct shield_cfg *c,
		   uint32_t service, const struct ipaddr *client, mono_t now);
/* The same of one whose address nobody can prove: buckets of their own. */
bool access_unproven(struct access *t, const struct shield_cfg *c,
		     uint32_t service, const struct ipaddr *client, mono_t now);

#endif
