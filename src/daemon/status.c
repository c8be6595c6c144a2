/* SPDX-License-Identifier: MIT */
/*
 * What the daemon says of itself: {"cmd":"status"}, and the head of the page.
 */
#include <unistd.h>

#include "penstockd.h"

int64_t daemon_uptime_s(const struct daemon *d)
{
	return mono_sub(worker_clock(), d->started) / USEC_PER_SEC;
}

static json_t *service_names(const struct policy *p)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; list && i < p->nservice; i++)
		json_array_append_new(list, json_string(p->service[i].name));
	return list;
}

static void put_number(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void put_gauges(struct daemon *d, json_t *o)
{
	struct worker_waiting waiting;
	struct engine_gauges g;

	units_gauges(d, &g);
	units_waiting(d, &waiting);
	put_number(o, "flows", g.flows);
	put_number(o, "flows_max", g.flows_max);
	put_number(o, "spliced", d->splice ? splice_map_count(d->splice) : 0);
	put_number(o, "half_open", g.half_open);
	put_number(o, "time_wait", g.time_wait);
	put_number(o, "time_wait_max", g.time_wait_max);
	put_number(o, "mem_held", g.mem_held);
	put_number(o, "mem_limit", g.mem_limit);
	put_number(o, "reassembly_nodes", g.nodes);
	put_number(o, "reassembly_nodes_max", g.nodes_max);
	put_number(o, "sources", g.sources);
	put_number(o, "timers", g.timers);
	put_number(o, "crash_untold", crash_untold(d));
	put_number(o, "queue_waiting", waiting.other);
	put_number(o, "syn_waiting", waiting.syn);
}

json_t *status_json(struct daemon *d, bool drained)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	const char *state = mono_is_set(d->stop_by) ? "stopping"
			    : d->leave		    ? leave_word(d)
						    : "running";
	json_t *o = json_pack("{s:s, s:s, s:s}", "version", PENSTOCK_VERSION,
			      "state", state, "tun", c->tun);

	if (!o)
		return NULL;
	/* the path is left out if it is not UTF-8 */
	json_object_set_new(o, "config", json_string(d->path));
	put_number(o, "pid", (uint64_t)getpid());
	put_number(o, "uptime_s", (uint64_t)daemon_uptime_s(d));
	put_number(o, "workers", d->n);
	put_number(o, "queue", c->queue);
	put_gauges(d, o);
	json_object_set_new(o, "rules", json_string(rules_word(d)));
	json_object_set_new(o, "front", json_string(xdp_word(d)));
	json_object_set_new(o, "services", service_names(d->cfg->policy));
	if (drained)
		json_object_set_new(o, "drained", drained_services(d));
	leave_status(d, o);
	attacks_status(d, o);
	return o;
}
