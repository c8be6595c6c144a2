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

static void on_ends(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	splice_map_ends(d->splice);
}

void relay_open(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	int err = splice_map_open(&d->splice, c->bpf_dir, c->mark, c->mark_mask,
				  d->cfg->policy);

	if (!err)
		d->ev_ends = event_new(d->base, splice_map_ends_fd(d->splice),
				       EV_READ | EV_PERSIST, on_ends, d);
	/* without it they are told each second */
	if (!err && d->ev_ends)
		event_add(d->ev_ends, NULL);
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
	if (d->ev_ends)
		event_free(d->ev_ends);
	d->ev_ends = NULL;
	splice_map_close(d->splice);
	d->splice = NULL;
}
