/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_RECYCLE_H
#define PENSTOCK_SHIELD_RECYCLE_H

/*
 * tcp_tw_recycle as in Linux before 4.12: PAWS per host instead of TIME_WAIT.
 *
 * TIME_WAIT ends after 3.5 RTO, because a new SYN of that host must have a
 * newer timestamp than all its earlier segments.  Hosts that share an address
 * (NAT) have different clocks, so some of them cannot connect any more.  That
 * is why Linux removed it, and why testers want it.
 */
#include "shield/assoc.h"
#include "util/types.h"

#define RECYCLE_ENTRIES 16384 /* sensible size of a worker's table */

/**
 * struct recycle - The latest timestamp of each host
 * @table: hosts
 */
struct recycle {
	struct assoc table;
};

/* 0 or -ENOMEM */
int recycle_init(struct recycle *r, uint32_t entries, const uint8_t secret[32]);
void recycle_fini(struct recycle *r);

/**
 * recycle_remember() - A leg to @host, with timestamps, enters TIME_WAIT
 * @ts_recent: the host's latest TSval on that leg
 */
void recycle_remember(struct recycle *r, const struct ipaddr *host,
		      uint32_t ts_recent, mono_t now);

/**
 * recycle_proven() - May this SYN be accepted?
 * @tsval: of the SYN, which has timestamps
 * Return: false when the host was seen in the last 60 s with a timestamp that
 * is newer by more than one (Linux counts PAWSPassive then)
 */
bool recycle_proven(const struct recycle *r, const struct ipaddr *host,
		    uint32_t tsval, mono_t now);

/* How long TIME_WAIT lasts with recycling: 3.5 times the RTO. */
static inline int64_t recycle_timewait_us(int64_t rto_us)
{
	return rto_us * 7 / 2;
}

#endif
