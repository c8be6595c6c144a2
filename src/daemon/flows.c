/* SPDX-License-Identifier: MIT */
/*
 * The flows of all workers and of the kernel's relay, as objects (api/flows.h).
 *
 * A worker only copies what is asked for: it stands still meanwhile.
 */
#include <stdlib.h>

#include "api/flows.h"
#include "penstockd.h"
#include "util/tcp_state.h"

static const char *const state_names[] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
};

struct flows_call {
	const struct engine *engine;
	struct engine_flow *flow;
	uint32_t n, max;
};

static void copy_flow(void *arg, const struct engine_flow *f)
{
	struct flows_call *c = arg;

	c->flow[c->n++] = *f;
}

static void do_flows(void *arg, mono_t now)
{
	struct flows_call *c = arg;

	engine_walk_flows(c->engine, c->max - c->n, copy_flow, c, now);
}

static void put(json_t *o, const char *key, uint32_t n, bool zero)
{
	if (n || zero)
		json_object_set_new(o, key, json_integer(n));
}

void flow_add_times(json_t *o, const struct leg_chrono *c, bool zeros)
{
	for (int i = 0; i < LEG_LIMITS; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%s_ms", leg_limit_name[i]);
		put(o, key, c->ms[i], zeros);
	}
	put(o, "hole_ms", c->hole_ms, zeros);
	put(o, "resent", c->resent, zeros);
}

static json_t *leg_json(const struct leg_view *l)
{
	json_t *o = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}",
			      "address", flow_address_json(&l->peer, l->port),
			      "state", state_names[l->state], "inflight",
			      (json_int_t)l->inflight_bytes, "queued",
			      (json_int_t)l->queued_bytes, "cwnd",
			      (json_int_t)l->cwnd_bytes, "wnd",
			      (json_int_t)l->wnd_bytes, "rcv",
			      (json_int_t)l->rcv_wnd_bytes, "srtt",
			      (json_int_t)l->srtt_us, "cc", tcp_cc_name(l->cc));

	flow_add_times(o, &l->chrono, false);
	return o;
}

static void add_spliced(void *arg, const struct splice_flow *f)
{
	json_t *spliced = json_pack("{s:s, s:I, s:I, s:I, s:I}", "state",
				    f->ended ? "ended" : "open", "up",
				    (json_int_t)f->up_bytes, "down",
				    (json_int_t)f->down_bytes, "packets",
				    (json_int_t)f->packets, "idle",
				    (json_int_t)f->idle_s);

	json_array_append_new(
		arg,
		json_pack("{s:s, s:{s:o}, s:{s:o}, s:o}", "service",
			  f->service ? f->service : "-", "client", "address",
			  flow_address_json(&f->client, f->client_port),
			  "server", "address",
			  flow_address_json(&f->server, f->server_port),
			  "spliced", spliced));
}

json_t *flows_json(struct daemon *d, uint32_t max)
{
	struct flows_call c = {.max = min_u32(max, units_flows(d))};
	json_t *all = json_array();

	c.flow = calloc((size_t)c.max + 1, sizeof(*c.flow));
	if (!c.flow || !all) {
		free(c.flow);
		json_decref(all);
		return NULL;
	}
	for (uint32_t i = 0; i < d->n && c.n < c.max; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_flows, &c);
	}
	for (uint32_t i = 0; i < c.n; i++) {
		const struct engine_flow *f = &c.flow[i];

		json_array_append_new(all,
				      json_pack("{s:s, s:I, s:o, s:o}",
						"service", f->service, "serial",
						(json_int_t)f->serial, "client",
						leg_json(&f->leg[0]), "server",
						leg_json(&f->leg[1])));
	}
	free(c.flow);
	if (d->splice && c.n < max)
		splice_map_list(d->splice, d->cfg->policy, worker_clock(),
				max - c.n, add_spliced, all);
	return all;
}
