/* SPDX-License-Identifier: MIT */
/*
 * What the daemon answers on its control socket and over HTTP.
 *
 * Everything here runs in the main thread.  A walk over the metrics copies all
 * numbers when it begins, so that they are consistent.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/listener.h"
#include "config/secret.h"
#include "handover/handover.h"
#include "penstockd.h"
#include "util/address.h"

/* --- numbers --- */

static int gauges_append(struct daemon *d, struct metrics *m)
{
	struct worker_waiting waiting;
	struct engine_gauges g;

	units_gauges(d, &g);
	units_waiting(d, &waiting);
	const struct control_metric all[] = {
		GAUGE("flows", "connections", g.flows),
		GAUGE("flows_max", "limit of flows", g.flows_max),
		GAUGE("spliced_flows", "connections that the kernel relays",
		      d->splice ? splice_map_count(d->splice) : 0),
		GAUGE("half_open",
		      "connections whose handshake is not complete",
		      g.half_open),
		GAUGE("time_wait", "TIME_WAIT entries", g.time_wait),
		GAUGE("time_wait_max", "limit of time_wait", g.time_wait_max),
		GAUGE("mem_held_bytes", "buffers that hold data of connections",
		      g.mem_held),
		GAUGE("mem_limit_bytes", "limit of mem_held_bytes",
		      g.mem_limit),
		GAUGE("reassembly_nodes",
		      "nodes that hold what came out of order", g.nodes),
		GAUGE("reassembly_nodes_max", "limit of reassembly_nodes",
		      g.nodes_max),
		GAUGE("sources",
		      "client addresses (IPv6: /64) at services with "
		      "connections",
		      g.sources),
		GAUGE("timers", "timers that run", g.timers),
		GAUGE("queue_waiting",
		      "packets that wait in the kernel's queues, SYNs apart",
		      waiting.other),
		GAUGE("syn_waiting",
		      "packets that wait in the kernel's queues for SYNs",
		      waiting.syn),
		GAUGE("uptime_seconds", "since the start",
		      (uint64_t)daemon_uptime_s(d)),
		{.name = "build_info",
		 .worker = -1,
		 .gauge = true,
		 .help = "which penstock this is",
		 .value = 1,
		 .label = "version",
		 .text = PENSTOCK_VERSION},
		GAUGE("config_last_reload_successful",
		      "1 unless the last reload found errors",
		      !d->reload_failed),
		GAUGE("config_last_reload_success_timestamp_seconds",
		      "when the configuration in force was read",
		      (uint64_t)d->loaded_s),
	};
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_LEN(all) && !err; i++)
		err = metrics_add(m, &all[i]);
	if (!err && rules_ok(d) >= 0)
		err = metrics_add(
			m, &(struct control_metric)GAUGE(
				   "rules_ok",
				   "the host's rules are those of the file",
				   (uint64_t)rules_ok(d)));
	return err;
}

/* If there is no memory for all, the rest is left out: some numbers are better
 * than none. */
static void metrics_take(struct daemon *d)
{
	static struct log_limit limit;
	uint64_t n;

	d->metrics.n = 0;
	if ((units_counters(d, &d->metrics) || gauges_append(d, &d->metrics) ||
	     attacks_metrics(d, &d->metrics) || xdp_metrics(d, &d->metrics) ||
	     connlog_metrics(d, &d->metrics) || crash_metrics(d, &d->metrics) ||
	     hists_metrics(d, &d->metrics)) &&
	    log_limit_ok(&limit, worker_clock(), LISTENER_LOG_US, &n))
		log_warn("metrics: out of memory, some are left out");
}

static bool op_metric(void *arg, uint32_t i, struct control_metric *m)
{
	struct daemon *d = arg;

	if (!i)
		metrics_take(d);
	if (i >= d->metrics.n)
		return false;
	*m = d->metrics.m[i];
	return true;
}

void control_print_counters(struct daemon *d, FILE *out)
{
	uint32_t i;

	metrics_take(d);
	fputs("#penstock\n", out);
	for (i = 0; i < d->metrics.n; i++) {
		const struct control_metric *m = &d->metrics.m[i];
		char label[128];

		if (!m->value || m->part != METRIC_NUMBER)
			continue;
		snprintf(label, sizeof(label), "%s%s%s", m->name,
			 m->service ? "@" : "", m->service ? m->service : "");
		fprintf(out, "%-40s %-20" PRIu64 "\n", label, m->value);
	}
	fflush(out);
}

/* --- the other answers --- */

static json_t *op_status(void *arg)
{
	return status_json(arg, true);
}

static json_t *endpoint_json(const struct endpoint *ep)
{
	bool v4 = ipaddr_is_v4(&ep->addr);
	char addr[ADDRESS_TEXT_MAX], prefix[8] = "";

	if (ep->prefix < 128)
		snprintf(prefix, sizeof(prefix), "/%d",
			 v4 ? ep->prefix - 96 : ep->prefix);
	return json_sprintf(v4 ? "%s%s:%u" : "[%s%s]:%u",
			    address_print(&ep->addr, addr), prefix, ep->port);
}

static json_t *op_services(void *arg)
{
	const struct policy *p = ((struct daemon *)arg)->cfg->policy;
	json_t *all = json_array();

	for (uint32_t i = 0; all && i < p->nservice; i++) {
		const struct service *s = &p->service[i];
		json_t *listens = json_array();

		for (uint32_t k = 0; k < s->listen.n; k++)
			json_array_append_new(listens,
					      endpoint_json(&s->listen.ep[k]));
		json_array_append_new(
			all,
			json_pack("{s:s, s:o, s:o}", "name", s->name, "listen",
				  listens, "connect",
				  s->connect.port ? endpoint_json(&s->connect)
						  : json_string("")));
	}
	return all;
}

static json_t *op_flows(void *arg, uint32_t max)
{
	static const struct filter all = {.n = 0};

	return flows_json(arg, &all, min_u32(max, FLOWS_MAX));
}

static int op_reload(void *arg, FILE *errors)
{
	int err = daemon_reload(arg, errors);
	const char *differ = err ? "" : rules_differences(arg);

	if (*differ)
		fprintf(errors,
			"reloaded, but the host's rules are not those of the "
			"file: `penstockctl rules apply'\n%s",
			differ);
	return err;
}

static void op_stop(void *arg)
{
	daemon_stop(arg);
}

/* Another process wants to take over.  That ends this server, so not here. */
static int process_command(struct daemon *d, const json_t *request,
			   json_t **result, FILE *errors)
{
	const char *to = json_string_value(json_object_get(request, "to"));
	json_int_t format =
		json_integer_value(json_object_get(request, "format"));

	if (to && !strcmp(to, HANDOVER_TO_SYSTEMD) &&
	    !getenv("NOTIFY_SOCKET")) {
		fputs("this penstockd was not started by systemd\n", errors);
		return -EINVAL;
	}
	if (format != HANDOVER_VERSION && to &&
	    strcmp(to, HANDOVER_TO_SYSTEMD) != 0) {
		fprintf(errors,
			"format: found %" PRIdMAX ", allowed: %u, which "
			"penstockd %s writes\n",
			(intmax_t)format, HANDOVER_VERSION, PENSTOCK_VERSION);
		return -EPROTO;
	}
	if (!to) {
		fputs("to: found nothing, allowed: the path of a socket\n",
		      errors);
		return -EINVAL;
	}
	if (crash_is_telling(d) && strcmp(to, HANDOVER_TO_SYSTEMD) != 0) {
		fputs("the peers of a crashed penstockd are still being told; "
		      "try again in some seconds\n",
		      errors);
		return -EBUSY;
	}
	if (mono_is_set(d->stop_by) || d->hand_to || d->leave || d->join) {
		fputs(d->leave || d->join ? "connections go to or come from "
					    "another gateway\n"
		      : d->hand_to	  ? "another process is taking over\n"
					  : "this penstockd is stopping\n",
		      errors);
		return -EBUSY;
	}
	d->hand_to = strdup(to);
	if (!d->hand_to)
		return -ENOMEM;
	daemon_set_timer(d->ev_hand, 0);
	*result = json_null();
	return 0;
}

static int handover_command(struct daemon *d, const json_t *request,
			    json_t **result, FILE *errors)
{
	const char *to = json_string_value(json_object_get(request, "to"));

	return json_object_get(request, "undo") || (to && !strcmp(to, "stream"))
		       ? leave_command(d, request, result, errors)
		       : process_command(d, request, result, errors);
}

static int op_command(void *arg, const char *cmd, const json_t *request,
		      json_t **result, FILE *errors)
{
	if (!strcmp(cmd, "reset"))
		return reset_command(arg, request, result, errors);
	if (!strcmp(cmd, "kill"))
		return kill_command(arg, request, result, errors);
	if (!strcmp(cmd, "states"))
		return states_command(arg, result);
	if (!strcmp(cmd, "snapshot"))
		return snapshot_command(arg, result);
	if (!strcmp(cmd, "tw"))
		return tw_command(arg, request, result, errors);
	if (!strcmp(cmd, "drain"))
		return drain_command(arg, request, result, errors);
	if (!strcmp(cmd, "flows"))
		return flows_command(arg, request, result, errors);
	if (!strcmp(cmd, "handover"))
		return handover_command(arg, request, result, errors);
	if (!strcmp(cmd, "takeover"))
		return join_command(arg, result, errors);
	if (!strcmp(cmd, "why"))
		return why_command(arg, request, result, errors);
	if (!strcmp(cmd, "capture"))
		return capture_command(arg, request, result, errors);
	if (!strcmp(cmd, "paths"))
		return paths_command(arg, request, result, errors);
	return faults_command(arg, cmd, request, result, errors);
}

static void op_stream(void *arg, struct bufferevent *bev)
{
	struct daemon *d = arg;

	if (leave_waits(d))
		leave_stream(d, bev);
	else if (join_waits(d))
		join_stream(d, bev);
	else
		capture_stream(d, bev);
}

/* --- life --- */

static int http_start(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	char token[TOKEN_LEN + 1];
	const struct control_http_cfg cfg = {.listen = c->http,
					     .names = c->http_names,
					     .token = token,
					     .writes = c->http_write};
	int err = token_load(c->http_token_file, token, stderr);

	if (err < 0)
		return err;
	d->http = control_http_new(d->base, &cfg, &d->ops, &err);
	explicit_bzero(token, sizeof(token));
	if (err)
		log_err("http %s: %s", c->http, strerror(-err));
	return err;
}

int control_start(struct daemon *d)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	int err = 0;

	d->ops = (struct control_ops){
		.arg = d,
		.status = op_status,
		.metric = op_metric,
		.flows = op_flows,
		.reload = op_reload,
		.stop = op_stop,
		.services = op_services,
		.command = op_command,
		.stream = op_stream,
	};
	if (*c->control)
		d->control =
			control_server_new(d->base, c->control, &d->ops, &err);
	if (err == -EADDRINUSE) {
		log_err("control %s: another penstockd answers there; stop it, "
			"or choose another path with control =",
			c->control);
		return err;
	}
	if (err) {
		log_err("control %s: %s", c->control, strerror(-err));
		return err;
	}
	return *c->http ? http_start(d) : 0;
}

void control_free(struct daemon *d)
{
	capture_free(d);
	join_free(d);
	control_http_free(d->http);
	control_server_free(d->control);
	free(d->metrics.m);
	d->http = NULL;
	d->control = NULL;
	d->metrics = (struct metrics){0};
}
