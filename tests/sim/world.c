/* SPDX-License-Identifier: MIT */
/*
 * One run of the simulator: drives peers, network and engine through virtual
 * time.
 */
#include "sim/world.h"
#include "tcp/state.h"
#include "view/flow.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define VIRTUAL_LIMIT (40000ll * 1000000)

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	vsnprintf(w->failure, sizeof(w->failure), fmt, ap);
	va_end(ap);
	if (w->trace)
		fprintf(w->trace, "%12.6f FAILED %s\n",
			(double)(w->now - w->epoch) / 1e6, w->failure);
}

void world_trace(struct world *w, const char *what, const struct spkt *pkt)
{
	char text[300] = "";

	if (w->capture)
		capture_trace(w->capture, what, pkt, w->now - w->epoch);
	if (!w->trace)
		return;
	if (pkt)
		spkt_print(pkt, text, sizeof(text));
	fprintf(w->trace, "%12.6f %s %s\n", (double)(w->now - w->epoch) / 1e6,
		what, text);
}

static int64_t earliest(const struct world *w)
{
	int64_t t[] = {net_deadline(&w->net), hosts_deadline(w),
		       middle_deadline(w), noise_deadline(w)};
	int64_t best = t[0];

	for (size_t i = 1; i < ARRAY_LEN(t); i++)
		best = t[i] < best ? t[i] : best;
	return best;
}

static void deliver_due(struct world *w)
{
	struct spkt *pkt;
	int link;

	while (!w->failed && net_deadline(&w->net) <= w->now) {
		pkt = net_receive(&w->net, &link);
		if (link == L_CE || link == L_SE) {
			middle_input(w, link, pkt);
		} else {
			hosts_receive(w, link, pkt);
			free(pkt);
		}
		if (++w->steps > w->steps_max)
			world_fail(w, "packet storm: %lu packets",
				   (unsigned long)w->steps);
		if (w->pull_at && w->pull_at <= w->now)
			break;
	}
}

static void show_flow(void *trace, const struct flow_view *f)
{
	fprintf(trace, "flow %llu:", (unsigned long long)f->serial);
	for (int i = 0; i < 2; i++)
		fprintf(trace, " %s inflight=%u queued=%u wnd=%u rcv=%u",
			tcp_state_name[f->leg[i].state],
			f->leg[i].inflight_bytes, f->leg[i].queued_bytes,
			f->leg[i].wnd_bytes, f->leg[i].rcv_wnd_bytes);
	fputc('\n', trace);
}

static void complain_unfinished(struct world *w)
{
	for (uint32_t i = 0; i < w->npeer; i++) {
		const struct peer *p = w->peer[i];

		if (p->state == P_CLOSED || p->dead)
			continue;
		world_fail(w,
			   "%s %u never ends: state %d, rx %lu of %lu, acked "
			   "%lu of %lu, edge %lu",
			   p->cfg.name,
			   p->cfg.active ? p->cfg.self.port
					 : p->cfg.remote.port,
			   p->state, (unsigned long)p->rcv_nxt,
			   (unsigned long)p->cfg.rx_total + 2,
			   (unsigned long)p->una,
			   (unsigned long)p->cfg.tx_total + 2,
			   (unsigned long)p->wnd_edge);
	}
	if (!w->failed && !middle_idle(w)) {
		world_fail(w, "the engine never rests");
		if (w->trace)
			flow_view_walk(w->engine, NULL, 20, show_flow, w->trace,
				       (mono_t){w->now});
	}
}

/* An hour and more after the last peer ended nothing may be left. */
static void check_progress(struct world *w, int64_t *quiet_since)
{
	int64_t limit;

	if (w->now - w->epoch > VIRTUAL_LIMIT) {
		complain_unfinished(w);
		world_fail(w, "no end after %ld s",
			   (long)((w->now - w->epoch) / 1000000));
	}
	if (!hosts_done(w)) {
		*quiet_since = w->now;
		return;
	}
	limit = (w->plan->keepalive_s + 9 * 75 + 2000) * 1000000;
	if (w->now - *quiet_since > limit)
		complain_unfinished(w);
}

static void run(struct world *w)
{
	int64_t t, last = 0, quiet_since = w->now;
	uint32_t spin = 0;

	while (!w->failed) {
		hosts_start_due(w);
		t = earliest(w);
		if (t == INT64_MAX)
			break;
		if (t > w->now)
			w->now = t;
		spin = w->now == last ? spin + 1 : 0;
		last = w->now;
		if (spin > 100000) {
			world_fail(w, "time stands still");
			break;
		}
		deliver_due(w);
		if (w->failed)
			break;
		hosts_expire(w);
		noise_expire(w);
		middle_expire(w);
		if (w->steps < 3000 || w->steps % 32 == 0)
			middle_check(w);
		check_progress(w, &quiet_since);
	}
	if (w->failed)
		return;
	complain_unfinished(w);
	middle_check(w);
	middle_check_end(w);
	if (!w->failed)
		judge_outcomes(w);
}

static uint64_t packets_allowed(const struct plan *p)
{
	uint64_t n = 60000;

	for (int i = 0; i < p->nconn; i++)
		n += 60000 + (uint64_t)(p->conn[i].up + p->conn[i].down) / 2;
	return n;
}

static void sum_up(const struct world *w, struct result *r)
{
	memset(r, 0, sizeof(*r));
	for (uint32_t i = 0; i < w->npeer; i++) {
		const struct peer *p = w->peer[i];

		if (p->full_at - w->epoch > r->done_us)
			r->done_us = p->full_at - w->epoch;
		r->data += p->tap.data;
		r->retx += p->tap.retx;
		r->acks += p->tap.acks;
		r->flight = max_u64(r->flight, p->tap.flight);
	}
	r->end_us = w->last_tx - w->epoch;
	r->pkts = w->engine_pkts;
	r->wait = w->wait;
	r->spliced = translate_count(w->translator);
}

int world_run(struct plan *p, bool direct, const struct view *view,
	      char *failure, size_t failurelen, struct result *res)
{
	struct world *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		abort();
	w->plan = p;
	w->direct = direct;
	if (view) {
		w->trace = view->trace;
		w->capture = view->capture;
	}
	w->now = w->epoch = p->start_us;
	w->steps_max = packets_allowed(p);
	prng_seed(&w->rng, p->seed ^ 0x5eed);
	net_init(&w->net, p, w->epoch);
	hosts_init(w);
	noise_init(w);
	if (middle_init(w))
		world_fail(w, "engine_new() failed");
	else
		run(w);
	if (w->trace && w->engine && w->failed)
		flow_view_walk(w->engine, NULL, 20, show_flow, w->trace,
			       (mono_t){w->now});
	if (res)
		sum_up(w, res);
	middle_fini(w);
	net_fini(&w->net);
	hosts_fini(w);
	rc = w->failed ? -1 : 0;
	snprintf(failure, failurelen, "%s", w->failure);
	free(w);
	return rc;
}
