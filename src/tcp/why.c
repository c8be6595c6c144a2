/* SPDX-License-Identifier: MIT */
/*
 * Why is a connection not faster?
 *
 * Each leg knows where its time went (tcp/chrono.c).  A leg that had nothing to
 * send accuses the sender on the other side; holes in what that sender's leg
 * received accuse the sender's path.  A leg that was held back accuses its own
 * peer, the path to it, or us.  The congestion window and pacing are one limit
 * in two forms, so they are judged together.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tcp/leg.h"
#include "tcp/why.h"

#define HOLES_PERCENT 5u /* of the time: worth a sentence */

const char *const why_side_name[] = {
	[WHY_NOBODY] = "nobody",
	[WHY_CLIENT] = "client",
	[WHY_SERVER] = "server",
	[WHY_PENSTOCK] = "penstock",
};

static const char *const peer_name[] = {"client", "server"};

__attribute__((format(printf, 2, 3))) static void say(struct why *w,
						      const char *fmt, ...)
{
	size_t n = strlen(w->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->text + n, sizeof(w->text) - n, fmt, ap);
	va_end(ap);
}

static uint32_t total_of(const struct leg_chrono *c)
{
	uint32_t sum = 0;

	for (int i = 0; i < LEG_LIMITS; i++)
		sum += c->ms[i];
	return sum;
}

static uint32_t percent_of(uint32_t ms, uint32_t total)
{
	return total ? (uint32_t)((ms * 100ull + total / 2) / total) : 0;
}

/* Over which leg did more go? */
static int main_direction(const struct why_flow *f)
{
	uint32_t busy[2];

	for (int i = 0; i < 2; i++) {
		const struct leg_chrono *c = &f->leg[i].chrono;

		busy[i] = total_of(c) - c->ms[LIMIT_IDLE];
	}
	if (busy[0] != busy[1])
		return busy[1] > busy[0];
	return f->leg[1].acked_bytes > f->leg[0].acked_bytes;
}

static bool is_opening(const struct leg_view *l)
{
	return l->state == TS_LISTEN || l->state == TS_SYN_SENT ||
	       l->state == TS_SYN_RECEIVED;
}

/* The handshake of one side is not over: True when that is all to be said. */
static bool judge_opening(const struct why_flow *f, struct why *w)
{
	const struct leg_view *c = &f->leg[LEG_CLIENT];
	const struct leg_view *s = &f->leg[LEG_SERVER];

	if (is_opening(s)) {
		w->side = WHY_SERVER;
		say(w, "The server has not answered penstock's SYN yet.");
	} else if (is_opening(c)) {
		w->side = WHY_CLIENT;
		say(w, "The client has not answered penstock's SYN-ACK yet.");
	} else if (s->state == TS_CLOSED && !total_of(&s->chrono)) {
		w->side = WHY_PENSTOCK;
		say(w, "penstock has not called the server yet.");
	} else {
		return false;
	}
	w->opening = true;
	return true;
}

/* What is said of the time: "for 93 % of 12.0 s". */
static void say_time(struct why *w)
{
	say(w, "for %u %% of %u.%u s ", w->percent, w->total_ms / 1000,
	    w->total_ms / 100 % 10);
}

static void say_app(const struct why_flow *f, struct why *w)
{
	const struct leg_view *from = &f->leg[w->to ^ 1];
	const char *sender = peer_name[w->to ^ 1], *peer = peer_name[w->to];
	uint32_t holes = percent_of(from->chrono.hole_ms, w->total_ms);

	if (!f->leg[0].acked_bytes && !f->leg[1].acked_bytes) {
		w->side = WHY_NOBODY;
		say(w, "Neither side has sent anything: ");
		say_time(w);
		say(w, "there was nothing to pass on.");
		return;
	}
	w->side = w->to == LEG_CLIENT ? WHY_SERVER : WHY_CLIENT;
	say(w, "The %s sends no faster: ", sender);
	say_time(w);
	say(w, "the %s leg had nothing to send.", peer);
	if (holes >= HOLES_PERCENT)
		say(w,
		    " For %u %% of it something that the %s had sent was "
		    "missing: its path loses packets.",
		    holes, sender);
}

static void say_rwnd(const struct leg_view *l, struct why *w)
{
	const char *peer = peer_name[w->to];

	w->side = w->to == LEG_CLIENT ? WHY_CLIENT : WHY_SERVER;
	if (l->wnd_bytes < l->mss_bytes)
		say(w, "The %s reads no faster: ", peer);
	else
		say(w, "The %s's receive window is too small for its path: ",
		    peer);
	say_time(w);
	say(w, "its window was full (now %u bytes, round trip %u.%u ms).",
	    l->wnd_bytes, l->srtt_us / 1000, l->srtt_us / 100 % 10);
}

static void say_path(const struct leg_view *l, struct why *w)
{
	const char *peer = peer_name[w->to];

	w->side = w->to == LEG_CLIENT ? WHY_CLIENT : WHY_SERVER;
	say(w, "The path to the %s carries no more: ", peer);
	say_time(w);
	say(w,
	    "congestion control held the %s leg back (%s; window %u bytes, "
	    "round trip %u.%u ms, %u segments sent again).",
	    peer, w->limit == LIMIT_PACING ? "pacing" : "congestion window",
	    l->cwnd_bytes, l->srtt_us / 1000, l->srtt_us / 100 % 10,
	    l->chrono.resent);
}

static void say_buffer(const struct why_flow *f, struct why *w)
{
	w->side = WHY_PENSTOCK;
	say(w, "penstock itself holds it back: ");
	say_time(w);
	say(w, "the %s could not send more to the %s, because %s.",
	    peer_name[w->to ^ 1], peer_name[w->to],
	    f->faulty ? "a fault or our buffer was in the way"
		      : "our buffer was full (tcp_rmem, tcp_wmem, max_memory)");
}

void why_judge(const struct why_flow *f, struct why *w)
{
	const struct leg_chrono *c;
	const struct leg_view *l;
	uint32_t app, path, most;

	*w = (struct why){.to = main_direction(f)};
	if (judge_opening(f, w))
		return;
	l = &f->leg[w->to];
	c = &l->chrono;
	w->total_ms = total_of(c);
	app = c->ms[LIMIT_IDLE] + c->ms[LIMIT_APP];
	path = c->ms[LIMIT_CWND] + c->ms[LIMIT_PACING];
	w->limit = LIMIT_APP;
	most = app;
	if (c->ms[LIMIT_RWND] > most) {
		most = c->ms[LIMIT_RWND];
		w->limit = LIMIT_RWND;
	}
	if (path > most) {
		most = path;
		w->limit = c->ms[LIMIT_PACING] > c->ms[LIMIT_CWND]
				   ? LIMIT_PACING
				   : LIMIT_CWND;
	}
	if (c->ms[LIMIT_BUFFER] > most) {
		most = c->ms[LIMIT_BUFFER];
		w->limit = LIMIT_BUFFER;
	}
	w->percent = percent_of(most, w->total_ms);
	if (w->limit == LIMIT_APP)
		say_app(f, w);
	else if (w->limit == LIMIT_RWND)
		say_rwnd(l, w);
	else if (w->limit == LIMIT_BUFFER)
		say_buffer(f, w);
	else
		say_path(l, w);
}
