/* SPDX-License-Identifier: MIT */
/*
 * The flows of all workers and of the kernel's relay, as objects (api/flows.h).
 *
 * A worker only copies what is asked for: it stands still meanwhile.
 */
#include <errno.h>
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
	const struct filter *filter;
	struct flow_view *flow;
	uint32_t n, max;
};

static void copy_flow(void *arg, const struct flow_view *f)
{
	struct flows_call *c = arg;

	c->flow[c->n++] = *f;
}

static void do_flows(void *arg, mono_t now)
{
	struct flows_call *c = arg;

	flow_view_walk(c->engine, c->filter, c->max - c->n, copy_flow, c, now);
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

/**
 * struct relayed_call - Connections that the kernel relays
 * @max: so many more
 */
struct relayed_call {
	const struct filter *filter;
	json_t *list;
	uint32_t max;
};

static void add_spliced(void *arg, const struct splice_flow *f)
{
	struct relayed_call *c = arg;
	const struct filter_end server = {f->server, f->server_port};
	const struct filter_subject subject = {
		.service = f->service ? f->service : "-",
		.client = {f->client, f->client_port},
		.used = server,
		.server = server,
		.states = f->ended ? BIT(TS_CLOSED) : BIT(TS_ESTABLISHED),
		.spliced = true,
	};
	json_t *spliced;

	if (!c->max || !filter_matches(c->filter, &subject))
		return;
	c->max--;
	spliced = json_pack("{s:s, s:I, s:I, s:I, s:I}", "state",
			    f->ended ? "ended" : "open", "up",
			    (json_int_t)f->up_bytes, "down",
			    (json_int_t)f->down_bytes, "packets",
			    (json_int_t)f->packets, "idle",
			    (json_int_t)f->idle_s);
	json_array_append_new(
		c->list,
		json_pack("{s:s, s:{s:o}, s:{s:o}, s:o}", "service",
			  subject.service, "client", "address",
			  flow_address_json(&f->client, f->client_port),
			  "server", "address",
			  flow_address_json(&f->server, f->server_port),
			  "spliced", spliced));
}

static json_t *flow_json(const struct flow_view *f)
{
	return json_pack("{s:s, s:I, s:o, s:o}", "service", f->service,
			 "serial", (json_int_t)f->serial, "client",
			 leg_json(&f->leg[0]), "server", leg_json(&f->leg[1]));
}

json_t *flows_json(struct daemon *d, const struct filter *filter, uint32_t max)
{
	struct flows_call c = {.filter = filter,
			       .max = min_u32(max, units_flows(d))};
	struct relayed_call r = {.filter = filter, .list = json_array()};

	c.flow = calloc((size_t)c.max + 1, sizeof(*c.flow));
	if (!c.flow || !r.list) {
		free(c.flow);
		json_decref(r.list);
		return NULL;
	}
	for (uint32_t i = 0; i < d->n && c.n < c.max; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_flows, &c);
	}
	for (uint32_t i = 0; i < c.n; i++)
		json_array_append_new(r.list, flow_json(&c.flow[i]));
	free(c.flow);
	r.max = max - c.n;
	if (d->splice && r.max)
		splice_map_list(d->splice, d->cfg->policy, worker_clock(),
				filter->n ? UINT32_MAX : r.max, add_spliced,
				&r);
	return r.list;
}

int flows_filter(const json_t *request, struct filter *f, FILE *errors)
{
	const char *text =
		json_string_value(json_object_get(request, "filter"));
	char err[256];

	if (!filter_parse(text, f, err, sizeof(err)))
		return 0;
	fprintf(errors, "filter \"%.200s\": %s\n", text, err);
	return -EINVAL;
}

int flows_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	json_int_t max = json_integer_value(json_object_get(request, "max"));
	struct filter filter;

	if (flows_filter(request, &filter, errors))
		return -EINVAL;
	if (max < 1 || max > FLOWS_MAX)
		max = max > FLOWS_MAX ? FLOWS_MAX : CONTROL_FLOWS_MAX;
	*result = flows_json(d, &filter, (uint32_t)max);
	return *result ? 0 : -ENOMEM;
}
