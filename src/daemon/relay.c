/* SPDX-License-Identifier: MIT */
/*
 * relay = splice: the daemon's part in the connections that the kernel relays.
 */
#include <errno.h>

#include "penstockd.h"

static bool is_wanted(const struct policy *p)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (p->service[i].relay == RELAY_SPLICE)
			return true;
	}
	return false;
}

void relay_open(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	int err =
		splice_map_open(&d->splice, c->bpf_dir, c->mark, c->mark_mask);

	if (!err || !is_wanted(d->cfg->policy))
		return;
	log_warn("relay = splice: no translator below %s (%s): connections "
		 "are terminated%s",
		 c->bpf_dir, strerror(-err),
		 err == -ENOENT ? "; `penstockctl rules apply' makes it" : "");
}

void relay_look(struct daemon *d)
{
	if (d->splice)
		splice_map_walk(d->splice, d->cfg->policy, worker_clock());
}

void relay_close(struct daemon *d)
{
	splice_map_close(d->splice);
	d->splice = NULL;
}
