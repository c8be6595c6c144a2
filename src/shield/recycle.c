/* SPDX-License-Identifier: MIT */
/*
 * tcp_tw_recycle as in Linux before 4.12: PAWS for each host in place of
 * TIME_WAIT.
 */
#include "shield/recycle.h"

#define PAWS_MSL_US (60 * (int64_t)USEC_PER_SEC)
#define PAWS_WINDOW 1 /* ticks of the peer's clock */

struct host {
	struct assoc_head head;
	uint32_t ts;
	mono_t stamp;
};

int recycle_init(struct recycle *r, uint32_t entries, const uint8_t secret[32])
{
	return assoc_init(&r->table, sizeof(struct host), entries, secret,
			  "tw recycle");
}

void recycle_fini(struct recycle *r)
{
	assoc_fini(&r->table);
}

void recycle_remember(struct recycle *r, const struct ipaddr *host,
		      uint32_t ts_recent, mono_t now)
{
	struct assoc_key k = {.addr = *host};
	struct host *h;
	bool fresh;

	h = assoc_use(&r->table, &k, now, &fresh);
	if (fresh || (int32_t)(h->ts - ts_recent) <= 0 ||
	    mono_sub(now, h->stamp) > PAWS_MSL_US) {
		h->ts = ts_recent;
		h->stamp = now;
	}
}

bool recycle_proven(const struct recycle *r, const struct ipaddr *host,
		    uint32_t tsval, mono_t now)
{
	struct assoc_key k = {.addr = *host};
	const struct host *h = assoc_find(&r->table, &k);

	return !h || mono_sub(now, h->stamp) >= PAWS_MSL_US ||
	       (int32_t)(h->ts - tsval) <= PAWS_WINDOW;
}
