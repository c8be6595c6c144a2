/* SPDX-License-Identifier: MIT */
#ifndef SIM_NET_H
#define SIM_NET_H

/*
 * Four one-way links on virtual time, each with its impairments, and the queue
 * of packets under way.
 */
#include "sim/plan.h"
#include "sim/spkt.h"
#include "util/prng.h"

struct event {
	int64_t at;
	uint64_t serial; /* ties break in the order of sending */
	int link;
	struct spkt *pkt;
};

struct link {
	const struct link_plan *plan;
	struct prng rng;
	int64_t free_at; /* when the last packet has left the sender */
	uint32_t burst;	 /* packets still to be lost in this burst */
};

struct net {
	struct link link[LINKS];
	struct event *heap;
	uint32_t n, room;
	uint64_t serial;
	int64_t epoch, heal_at;
};

enum net_fate {
	NET_SENT,
	NET_LOST,
	NET_DUPLICATED,
	NET_CORRUPTED
};

void net_init(struct net *n, const struct plan *p, int64_t epoch);
void net_fini(struct net *n);
/* Takes @pkt. */
enum net_fate net_send(struct net *n, int link, struct spkt *pkt, int64_t now);
/* When the next packet arrives; INT64_MAX when none is under way. */
int64_t net_deadline(const struct net *n);
struct spkt *net_receive(struct net *n, int *link);

#endif
