/* SPDX-License-Identifier: MIT */
/*
 * The life of connections.
 *
 * A flow ends as its first leg did that ended otherwise than in order: the
 * other leg only follows.
 */
#include <inttypes.h>
#include <stdio.h>

#include "engine/hooks.h"
#include "util/address.h"
#include "view/ends.h"

/* Who ended it, and how. */
static void how_ended(const struct flow_view *v, const char **by,
		      const char **how)
{
	static const char *const side[] = {"client", "server"};

	for (int i = 0; i < 2; i++) {
		uint8_t e = v->leg[i].ended;

		if (e == ENDED_RESET || e == ENDED_REFUSED ||
		    e == ENDED_TIMEOUT) {
			*by = side[i];
			*how = leg_view_ended(&v->leg[i]);
			return;
		}
	}
	*by = "penstock";
	*how = "aborted";
	if (v->leg[0].ended == ENDED_CLOSED &&
	    v->leg[1].ended == ENDED_CLOSED) {
		*by = "both";
		*how = "closed";
	} else if (!v->leg[0].ended && !v->leg[1].ended) {
		*how = "spliced"; /* the kernel relays it from now on */
	}
}

void ends_print(const struct flow_view *v, int64_t unix_us, char *out)
{
	const struct leg_view *c = &v->leg[LEG_CLIENT];
	const struct leg_view *s = &v->leg[LEG_SERVER];
	char from[ADDRESS_TEXT_MAX], to[ADDRESS_TEXT_MAX];
	const char *by, *how;

	how_ended(v, &by, &how);
	snprintf(out, ENDS_LINE_MAX,
		 "{\"end\":%" PRId64 ".%06" PRId64 ",\"service\":\"%s\","
		 "\"client\":\"%s\",\"server\":\"%s\",\"duration_ms\":%" PRId64
		 ",\"up\":%" PRIu64 ",\"down\":%" PRIu64
		 ",\"client_resent\":%u,\"server_resent\":%u,"
		 "\"client_rtt_us\":%u,\"server_rtt_us\":%u,\"by\":\"%s\","
		 "\"how\":\"%s\"}",
		 unix_us / USEC_PER_SEC, unix_us % USEC_PER_SEC, v->service,
		 address_print_port(&c->peer, c->port, from),
		 address_print_port(&s->peer, s->port, to),
		 v->age_us / USEC_PER_MSEC, s->acked_bytes, c->acked_bytes,
		 c->chrono.resent, s->chrono.resent, c->srtt_us, s->srtt_us, by,
		 how);
}

static struct tcp_stats *stats_of(const struct flow *f)
{
	return f->leg[LEG_CLIENT].env->stats;
}

static void on_opened(void *arg, const struct flow *f, mono_t now)
{
	(void)arg;
	tcp_hist_add(stats_of(f), HIST_HandshakeSeconds,
		     mono_sub(now, f->opened));
}

static void on_ended(void *arg, const struct flow *f, mono_t now)
{
	const struct ends *ends = arg;
	char line[ENDS_LINE_MAX];
	struct flow_view v;

	tcp_hist_add(stats_of(f), HIST_FlowDurationSeconds,
		     mono_sub(now, f->opened));
	if (!ends->line)
		return;
	v = flow_view(ends->engine, f, now);
	ends_print(&v, now.us + ends->wall_offset_us, line);
	ends->line(ends->arg, line);
}

static const struct engine_watch watch = {.opened = on_opened,
					  .ended = on_ended};

void ends_watch(struct engine *e, struct ends *ends)
{
	ends->engine = e;
	engine_watch(e, &watch, ends);
}
