/* SPDX-License-Identifier: MIT */
/*
 * {"cmd":"states"}, {"cmd":"tw"}, {"cmd":"drain"}: how many connections are in
 * which state, those in TIME_WAIT, and a service that takes no more.
 */
#include <errno.h>

#include "api/flows.h"
#include "engine/hooks.h"
#include "penstockd.h"
#include "shield/timewait.h"

#define TW_LIST_MAX 20000u /* its worker stands still meanwhile */

/**
 * struct states_call - Counts of all workers
 * @leg: by side and state
 */
struct states_call {
	const struct engine *engine;
	uint32_t leg[2][TS_COUNT];
	uint32_t flows, orphans;
};

static void do_states(void *arg, mono_t now)
{
	struct states_call *c = arg;
	const struct flow *f = engine_flow_first(c->engine);

	(void)now;
	for (; f; f = engine_flow_next(c->engine, f)) {
		c->flows++;
		c->orphans += f->orphan;
		for (int i = 0; i < 2; i++)
			c->leg[i][f->leg[i].state]++;
	}
}

/* Those that there are, closed legs apart: they are gone, or not yet there. */
static json_t *side_json(const uint32_t *n)
{
	json_t *o = json_object();

	for (int i = 0; i < TS_COUNT; i++) {
		if (n[i] && i != TS_CLOSED)
			json_object_set_new(o, state_names[i],
					    json_integer(n[i]));
	}
	return o;
}

int states_command(struct daemon *d, json_t **result)
{
	struct states_call c = {.flows = 0};
	struct engine_gauges g;

	for (uint32_t i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_states, &c);
	}
	units_gauges(d, &g);
	*result = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "flows",
		(json_int_t)c.flows, "spliced",
		(json_int_t)(d->splice ? splice_map_count(d->splice) : 0),
		"orphaned", (json_int_t)c.orphans, "half_open",
		(json_int_t)g.half_open, "time_wait", (json_int_t)g.time_wait,
		"client", side_json(c.leg[0]), "server", side_json(c.leg[1]));
	return *result ? 0 : -ENOMEM;
}

/* --- TIME_WAIT --- */

/**
 * struct tw_call - What is asked of each worker
 * @now: its time
 */
struct tw_call {
	struct engine *engine;
	const struct filter *filter;
	json_t *list;
	mono_t now;
	uint32_t max;
};

/* A client leg's local address is a service's; else it is a server leg. */
static void tw_subject(struct tw_call *c, const struct tw_place *p,
		       struct filter_subject *s)
{
	const struct filter_end local = {p->t.local, p->t.lport};
	const struct filter_end remote = {p->t.remote, p->t.rport};
	bool client = engine_service_at(c->engine, &p->t.local, p->t.lport) !=
		      NULL;
	struct engine_slot of;

	s->client = client ? remote : local;
	s->used = s->server = client ? local : remote;
	s->service = engine_slot(c->engine, p->service, &of) ? of.name : "-";
	s->states = BIT(TS_TIME_WAIT);
}

static void list_tw(void *arg, const struct tw_place *p)
{
	struct tw_call *c = arg;
	struct filter_subject s = {.serial = 0};
	int64_t left = mono_sub(p->end, c->now);

	if (!c->max)
		return;
	tw_subject(c, p, &s);
	if (!filter_matches(c->filter, &s))
		return;
	c->max--;
	json_array_append_new(
		c->list,
		json_pack("{s:s, s:o, s:o, s:I}", "service", s.service, "local",
			  flow_address_json(&p->t.local, p->t.lport), "peer",
			  flow_address_json(&p->t.remote, p->t.rport),
			  "left_ms",
			  (json_int_t)(left > 0 ? left / USEC_PER_MSEC : 0)));
}

static void do_tw(void *arg, mono_t now)
{
	struct tw_call *c = arg;

	c->now = now;
	tw_walk(engine_tables(c->engine, now).tw, list_tw, c);
}

int tw_command(struct daemon *d, const json_t *request, json_t **result,
	       FILE *errors)
{
	json_int_t max = json_integer_value(json_object_get(request, "max"));
	struct tw_call c = {.max = CONTROL_FLOWS_MAX};
	struct filter filter;

	if (flows_filter(request, &filter, errors))
		return -EINVAL;
	if (max > 0)
		c.max = max < TW_LIST_MAX ? (uint32_t)max : TW_LIST_MAX;
	c.filter = &filter;
	c.list = json_array();
	for (uint32_t i = 0; i < d->n && c.list; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_tw, &c);
	}
	*result = c.list;
	return c.list ? 0 : -ENOMEM;
}

/* --- a service that takes no more --- */

/**
 * struct drain_call - What is asked of each worker
 * @wish: 1: drain, 0: take connections again, -1: only look
 * @left: connections, and handshakes that are not complete
 */
struct drain_call {
	struct engine *engine;
	const char *name;
	uint32_t service;
	int wish;
	bool draining;
	uint32_t left;
};

static void do_drain(void *arg, mono_t now)
{
	struct drain_call *c = arg;
	const struct flow *f = engine_flow_first(c->engine);
	struct engine_service s;

	(void)now;
	if (!engine_service(c->engine, c->service, &s))
		return;
	if (c->wish >= 0)
		*s.draining = c->wish;
	c->draining = *s.draining;
	for (; f; f = engine_flow_next(c->engine, f)) {
		if (!f->counted && !strcmp(flow_service(f), c->name))
			c->left++;
	}
	c->left += s.half_open; /* these are counted */
}

static void count_relayed(void *arg, const struct splice_flow *f)
{
	struct drain_call *c = arg;

	c->left += !f->ended && f->service && !strcmp(f->service, c->name);
}

static void drain(struct daemon *d, struct drain_call *c)
{
	for (uint32_t i = 0; i < d->n; i++) {
		c->engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_drain, c);
	}
	if (d->splice)
		splice_map_list(d->splice, d->cfg->policy, worker_clock(),
				UINT32_MAX, count_relayed, c);
}

static int service_index(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; name && i < p->nservice; i++) {
		if (!strcmp(p->service[i].name, name))
			return (int)i;
	}
	return -ENOENT;
}

int drain_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	const json_t *on = json_object_get(request, "on");
	struct drain_call c = {.wish = -1};
	int i;

	c.name = json_string_value(json_object_get(request, "service"));
	i = service_index(d->cfg->policy, c.name);
	if (i < 0) {
		fprintf(errors, "drain: no service \"%.64s\"\n",
			c.name ? c.name : "");
		return -ENOENT;
	}
	c.service = (uint32_t)i;
	if (on)
		c.wish = json_is_true(on);
	drain(d, &c);
	if (on)
		log_info("service %s: %s", c.name,
			 c.wish ? "drained: no new connections"
				: "takes connections again");
	*result = json_pack("{s:b, s:I}", "draining", c.draining, "left",
			    (json_int_t)c.left);
	return *result ? 0 : -ENOMEM;
}

static void do_is_draining(void *arg, mono_t now)
{
	struct drain_call *c = arg;
	struct engine_service s;

	(void)now;
	c->draining = engine_service(c->engine, c->service, &s) && *s.draining;
}

json_t *drained_services(struct daemon *d)
{
	const struct policy *p = d->cfg->policy;
	json_t *list = json_array();

	for (uint32_t i = 0; list && i < p->nservice; i++) {
		struct drain_call c = {.name = p->service[i].name,
				       .service = i,
				       .wish = -1,
				       .engine = d->unit[0].engine};

		worker_call(d->unit[0].worker, do_is_draining, &c);
		if (c.draining)
			json_array_append_new(list, json_string(c.name));
	}
	return list;
}
