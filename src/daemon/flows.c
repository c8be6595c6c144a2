/* SPDX-License-Identifier: MIT */
/*
 * The list of flows as text, one line each, for `penstockctl flows`.
 */
#include "penstockd.h"
#include "util/address.h"
#include "util/tcp_state.h"

static const char *const state_names[] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
};

struct flows_call {
	const struct engine *engine;
	FILE *out;
	uint32_t max;
};

static void print_leg(FILE *out, const char *name, const struct engine_leg *l)
{
	fprintf(out,
		" %s(%s inflight=%u queued=%u cwnd=%u wnd=%u rcv=%u srtt=%u)",
		name, state_names[l->state], l->inflight_bytes, l->queued_bytes,
		l->cwnd_bytes, l->wnd_bytes, l->rcv_wnd_bytes, l->srtt_us);
}

static void print_flow(void *arg, const struct engine_flow *f)
{
	const struct engine_leg *c = &f->leg[0], *s = &f->leg[1];
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	struct flows_call *call = arg;

	fprintf(call->out, "%s %s -> %s", f->service,
		address_print_port(&c->peer, c->port, from),
		address_print_port(&s->peer, s->port, to));
	print_leg(call->out, "client", c);
	print_leg(call->out, "server", s);
	fprintf(call->out, " serial=%llu\n", (unsigned long long)f->serial);
	call->max--;
}

static void do_flows(void *arg, mono_t now)
{
	struct flows_call *c = arg;

	(void)now;
	engine_walk_flows(c->engine, c->max, print_flow, c);
}

void units_print_flows(struct daemon *d, FILE *out, uint32_t max)
{
	struct flows_call c = {.out = out, .max = max};

	for (uint32_t i = 0; i < d->n && c.max; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_flows, &c);
	}
}
