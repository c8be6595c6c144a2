/* SPDX-License-Identifier: MIT */
/*
 * The flows of all workers and of the kernel's relay, as objects (api/flows.h).
 *
 * A worker only copies what is asked for: it stands still meanwhile.
 */
#include <errno.h>
#include <stdlib.h>

#include "api/flows.h"
#include "impair/impair.h"
#include "penstockd.h"

const char *const state_names[TS_COUNT] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
};

/**
 * struct flow_copy - A flow as it was
 * @faults: names of the faults that act on it, blanks between them
 */
struct flow_copy {
	struct flow_view v;
	char faults[128];
};

struct flows_call {
	const struct engine *engine;
	const struct filter *filter;
	struct flow_copy *flow;
	uint32_t n, max;
};

static void copy_faults(struct flow_copy *to, const struct engine *e,
			const struct flow *f)
{
	const char *name;
	size_t len = 0;

	to->faults[0] = '\0';
	for (uint32_t i = 0;
	     (name = impair_fault_of(e, f, i)) && len < sizeof(to->faults); i++)
		len += (size_t)snprintf(to->faults + len,
					sizeof(to->faults) - len, "%s%s",
					i ? " " : "", name);
}

static void copy_flow(void *arg, const struct flow_view *f)
{
	struct flows_call *c = arg;
	struct flow_copy *to = &c->flow[c->n++];

	to->v = *f;
	copy_faults(to, c->engine, f->flow);
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

static void put_big(json_t *o, const char *key, uint64_t n)
{
	if (n)
		json_object_set_new(o, key, json_integer((json_int_t)n));
}

/* In segments, as ss counts them. */
static uint32_t segments(const struct leg_view *l, uint32_t bytes)
{
	return l->mss_bytes ? (bytes + l->mss_bytes - 1) / l->mss_bytes : 0;
}

static void add_path(json_t *o, const struct leg_view *l)
{
	put(o, "snd_wscale", l->snd_wscale, l->options & VIEW_OPT_WSCALE);
	put(o, "rcv_wscale", l->rcv_wscale, l->options & VIEW_OPT_WSCALE);
	put(o, "rto_us", l->rto_us, true);
	put(o, "rtt_us", l->srtt_us, false);
	put(o, "rttvar_us", l->rttvar_us, false);
	put(o, "minrtt_us", l->min_rtt_us, false);
	put(o, "mss", l->mss_bytes, true);
	put(o, "pmtu", l->pmtu, true);
	put(o, "rcvmss", l->rcv_mss_bytes, true);
	put(o, "advmss", l->adv_mss_bytes, true);
	put(o, "cwnd", segments(l, l->cwnd_bytes), true);
	put(o, "ssthresh", segments(l, l->ssthresh_bytes), false);
	put_big(o, "pacing_rate", l->pacing_rate * 8);
	put_big(o, "delivery_rate", l->delivery_rate * 8);
	put(o, "snd_wnd", l->wnd_bytes, true);
	put(o, "rcv_wnd", l->rcv_wnd_bytes, true);
}

static void add_tally(json_t *o, const struct leg_view *l)
{
	put_big(o, "bytes_sent",
		l->acked_bytes + l->inflight_bytes + l->resent_bytes);
	put_big(o, "bytes_retrans", l->resent_bytes);
	put_big(o, "bytes_acked", l->acked_bytes);
	put_big(o, "bytes_received", l->received_bytes);
	put(o, "segs_out", l->segs_out, true);
	put(o, "segs_in", l->segs_in, true);
	put(o, "unacked", segments(l, l->inflight_bytes), false);
	put(o, "retrans", l->chrono.resent, false);
	put(o, "lost", segments(l, l->lost_bytes), false);
	put(o, "sacked", segments(l, l->sacked_bytes), false);
	put(o, "rcv_ooopack", l->ooo, false);
}

static void add_times(json_t *o, const struct leg_view *l)
{
	const struct leg_chrono *c = &l->chrono;
	uint32_t busy = 0;

	for (int i = 0; i < LEG_LIMITS; i++)
		busy += i == LIMIT_IDLE ? 0 : c->ms[i];
	put(o, "busy_ms", busy, false);
	put(o, "rwnd_limited_ms", c->ms[LIMIT_RWND], false);
	put(o, "sndbuf_limited_ms", c->ms[LIMIT_BUFFER], false);
	put(o, "lastsnd_ms", l->sent_ago_ms, true);
	put(o, "lastrcv_ms", l->received_ago_ms, true);
	put(o, "lastack_ms", l->acked_ago_ms, true);
}

static json_t *options_json(uint8_t options)
{
	static const char *const names[] = {"ts", "sack", "ecn", "wscale",
					    "fastopen"};
	json_t *all = json_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (options & BIT(i))
			json_array_append_new(all, json_string(names[i]));
	}
	return all;
}

/* What `ss -tion' tells of a socket, by its names. */
static json_t *info_json(const struct leg_view *l)
{
	json_t *o = json_pack("{s:o, s:I, s:I, s:o, s:b}", "local",
			      flow_address_json(&l->local, l->lport), "recv_q",
			      (json_int_t)l->unread_bytes, "send_q",
			      (json_int_t)l->queued_bytes, "options",
			      options_json(l->options), "app_limited",
			      l->app_limited);

	if (l->timer)
		json_object_set_new(o, "timer",
				    json_pack("{s:s, s:I, s:i}", "name",
					      view_timer_name[l->timer], "ms",
					      (json_int_t)l->timer_ms,
					      "retries", (int)l->retries));
	add_path(o, l);
	add_tally(o, l);
	add_times(o, l);
	if (leg_view_dropped(l))
		json_object_set_new(o, "dropped",
				    json_string(leg_view_dropped(l)));
	return o;
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
	json_object_set_new(o, "info", info_json(l));
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

static const char *service_name(const struct splice_flow *f)
{
	return f->service ? f->service : "-";
}

bool relayed_is_meant(const struct splice_flow *f, const struct filter *filter)
{
	const struct filter_end server = {f->server, f->server_port};
	const struct filter_subject subject = {
		.service = service_name(f),
		.client = {f->client, f->client_port},
		.used = server,
		.server = server,
		.states = f->ended ? BIT(TS_CLOSED) : BIT(TS_ESTABLISHED),
		.spliced = true,
	};

	return filter_matches(filter, &subject);
}

static void add_spliced(void *arg, const struct splice_flow *f)
{
	struct relayed_call *c = arg;
	json_t *spliced;

	if (!c->max || !relayed_is_meant(f, c->filter))
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
			  service_name(f), "client", "address",
			  flow_address_json(&f->client, f->client_port),
			  "server", "address",
			  flow_address_json(&f->server, f->server_port),
			  "spliced", spliced));
}

static json_t *flow_json(const struct flow_copy *c)
{
	const struct flow_view *f = &c->v;
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "service",
			      f->service, "serial", (json_int_t)f->serial,
			      "age_ms", (json_int_t)(f->age_us / USEC_PER_MSEC),
			      "idle_ms", (json_int_t)f->idle_ms, "client",
			      leg_json(&f->leg[0]), "server",
			      leg_json(&f->leg[1]));

	if (*c->faults)
		json_object_set_new(o, "faults", json_string(c->faults));
	return o;
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
