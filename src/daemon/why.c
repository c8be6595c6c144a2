/* SPDX-License-Identifier: MIT */
/*
 * What limits each connection, for `penstockctl why'.
 */
#include <errno.h>

#include "penstockd.h"
#include "tcp/why.h"
#include "util/address.h"

struct why_call {
	const struct engine *engine;
	const struct filter *filter;
	json_t *list;
	uint32_t max;
};

static json_t *times_json(const struct leg_chrono *c)
{
	json_t *o = json_object();

	flow_add_times(o, c, true);
	return o;
}

json_t *why_json(const struct flow_view *f)
{
	const struct leg_view *c = &f->leg[0], *s = &f->leg[1];
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	const struct why_flow flow = {.service = f->service,
				      .serial = f->serial,
				      .faulty = f->faulty,
				      .leg = f->leg};
	struct why w;

	why_judge(&flow, &w);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:i, s:i, s:s}",
			 "service", f->service, "client",
			 address_print_port(&c->peer, c->port, from), "server",
			 address_print_port(&s->peer, s->port, to), "serial",
			 (json_int_t)f->serial, "side", why_side_name[w.side],
			 "limit",
			 w.opening ? "handshake" : leg_limit_name[w.limit],
			 "percent", (int)w.percent, "total_ms", (int)w.total_ms,
			 "why", w.text);
}

static void judge_flow(void *arg, const struct flow_view *f)
{
	struct why_call *call = arg;
	json_t *o = why_json(f);

	call->max--;
	json_object_set_new(o, "client_leg", times_json(&f->leg[0].chrono));
	json_object_set_new(o, "server_leg", times_json(&f->leg[1].chrono));
	json_array_append_new(call->list, o);
}

static void do_why(void *arg, mono_t now)
{
	struct why_call *c = arg;

	flow_view_walk(c->engine, c->filter, c->max, judge_flow, c, now);
}

int why_command(struct daemon *d, const json_t *request, json_t **result,
		FILE *errors)
{
	json_int_t max = json_integer_value(json_object_get(request, "max"));
	struct filter filter;
	struct why_call c = {.filter = &filter, .max = CONTROL_FLOWS_MAX};

	if (flows_filter(request, &filter, errors))
		return -EINVAL;
	if (max > 0 && max < FLOWS_MAX)
		c.max = (uint32_t)max;
	c.list = json_array();
	for (uint32_t i = 0; i < d->n && c.list && c.max; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_why, &c);
	}
	*result = c.list;
	return c.list ? 0 : -ENOMEM;
}
