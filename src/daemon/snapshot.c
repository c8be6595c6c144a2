/* SPDX-License-Identifier: MIT */
/*
 * {"cmd":"snapshot"}: all that the page shows, of one time.
 *
 * It is asked for once a second while somebody looks, so it costs little: each
 * worker is called once for what takes a walk over its flows, and what that
 * walk took of its time is told as "stall_us".  The walk has an end: of a
 * worker's flows, the COUNT_MAX newest are counted by state, and for the worst,
 * the JUDGE_MAX newest are judged.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "engine/hooks.h"
#include "impair/impair.h"
#include "penstockd.h"

#define COUNT_MAX 20000u
#define JUDGE_MAX 2000u
#define WORST_MAX 10u
#define BUSY_LEAST_MS 20u /* who was busy for less is not judged */

/**
 * struct worst - A connection that something holds back
 * @flow:    only within the worker's call
 * @percent: of the time that it was busy
 * @resent:  bytes sent again
 * @json:    the same for the reader; owned
 */
struct worst {
	const struct flow *flow;
	uint32_t percent;
	uint64_t resent;
	json_t *json;
};

/**
 * struct look - What workers are asked for
 * @worst:  @n of the worker that is asked
 * @counted, @judged, @state: summed over all workers; @state by side and state
 * @cpu_us: of the worker's thread
 * @stall_us: the longest time that one of them needed
 * @faults: there are some
 */
struct look {
	struct engine *engine;
	struct worst worst[WORST_MAX];
	uint32_t n;
	uint32_t counted, judged, state[2][TS_COUNT];
	int64_t cpu_us, stall_us;
	bool faults;
};

/* --- in the worker's thread --- */

static int64_t clock_us(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* The part of the time that the peer, the path or we held a leg back. */
static uint32_t held_percent(const struct leg_chrono *c)
{
	uint32_t held = 0, busy;

	for (int i = LIMIT_RWND; i < LEG_LIMITS; i++)
		held += c->ms[i];
	busy = held + c->ms[LIMIT_APP];
	return busy < BUSY_LEAST_MS ? 0
				    : (uint32_t)((uint64_t)held * 100 / busy);
}

static bool is_worse(const struct worst *a, const struct worst *b)
{
	return a->percent != b->percent ? a->percent > b->percent
					: a->resent > b->resent;
}

/* Into @list, which is sorted; the last one may drop out. */
static void worst_insert(struct worst *list, uint32_t *n,
			 const struct worst *one)
{
	uint32_t i;

	if (*n == WORST_MAX && !is_worse(one, &list[WORST_MAX - 1]))
		return;
	i = *n < WORST_MAX ? (*n)++ : WORST_MAX - 1;
	for (; i && is_worse(one, &list[i - 1]); i--)
		list[i] = list[i - 1];
	list[i] = *one;
}

static void judge(struct look *l, const struct flow *f, mono_t now)
{
	const struct flow_view v = flow_view(l->engine, f, now);
	uint32_t c = held_percent(&v.leg[0].chrono);
	uint32_t s = held_percent(&v.leg[1].chrono);
	const struct worst one = {.flow = f,
				  .percent = c > s ? c : s,
				  .resent = v.leg[0].resent_bytes +
					    v.leg[1].resent_bytes};

	if (one.percent)
		worst_insert(l->worst, &l->n, &one);
}

static json_t *worst_json(const struct flow_view *v)
{
	const struct leg_view *c = &v->leg[0], *s = &v->leg[1];
	json_t *o = why_json(v);

	json_object_set_new(o, "age_ms",
			    json_integer(v->age_us / USEC_PER_MSEC));
	json_object_set_new(o, "rtt_us",
			    json_integer(c->srtt_us > s->srtt_us ? c->srtt_us
								 : s->srtt_us));
	json_object_set_new(
		o, "resent",
		json_integer(c->chrono.resent + (json_int_t)s->chrono.resent));
	json_object_set_new(o, "bytes",
			    json_integer((json_int_t)c->acked_bytes +
					 (json_int_t)s->acked_bytes));
	return o;
}

static void do_look(void *arg, mono_t now)
{
	struct look *l = arg;
	const struct flow *f = engine_flow_first(l->engine);
	const int64_t begin = clock_us(CLOCK_THREAD_CPUTIME_ID);
	struct impair_fault fault;
	uint32_t n = 0;

	l->n = 0;
	for (; f && n < COUNT_MAX; f = engine_flow_next(l->engine, f), n++) {
		for (int i = 0; i < 2; i++)
			l->state[i][f->leg[i].state]++;
		if (n < JUDGE_MAX)
			judge(l, f, now);
	}
	l->counted += n;
	l->judged += min_u32(n, JUDGE_MAX);
	for (uint32_t i = 0; i < l->n; i++) {
		struct flow_view v =
			flow_view(l->engine, l->worst[i].flow, now);

		l->worst[i].json = worst_json(&v);
	}
	l->faults |= impair_get(l->engine, 0, now, &fault);
	l->cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	if (l->cpu_us - begin > l->stall_us)
		l->stall_us = l->cpu_us - begin;
}

/* --- of all workers --- */

/* Legs that are gone, or not yet there, are CLOSED: left out. */
static json_t *states_json(const uint32_t *n)
{
	json_t *o = json_object();

	for (int i = 0; i < TS_COUNT; i++) {
		if (n[i] && i != TS_CLOSED)
			json_object_set_new(o, state_names[i],
					    json_integer(n[i]));
	}
	return o;
}

/* Of all services together; those that are 0 are left out. */
static json_t *counters_json(struct daemon *d)
{
	struct control_metric m = {.worker = -1};
	json_t *o = json_object();

	for (uint32_t i = 0; d->ops.metric(d, i, &m); i++) {
		json_t *sum = json_object_get(o, m.name);

		if (m.value && !m.gauge && m.part == METRIC_NUMBER)
			json_object_set_new(
				o, m.name,
				json_integer(json_integer_value(sum) +
					     (json_int_t)m.value));
		m = (struct control_metric){.worker = -1};
	}
	return o;
}

/* Take the worker's worst to those of all. */
static void worst_merge(struct worst *all, uint32_t *n, struct look *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct worst *one = &l->worst[i], *last = &all[WORST_MAX - 1];

		if (*n == WORST_MAX)
			json_decref(is_worse(one, last) ? last->json
							: one->json);
		worst_insert(all, n, one);
	}
}

/* Asks every worker.  Return: the worst of all, an array; *cpu: as well. */
static json_t *look_at_all(struct daemon *d, struct look *l, json_t **cpu)
{
	struct worst all[WORST_MAX];
	json_t *list = json_array();
	uint32_t n = 0;

	*cpu = json_array();
	for (uint32_t i = 0; i < d->n; i++) {
		l->engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_look, l);
		json_array_append_new(*cpu, json_integer(l->cpu_us));
		worst_merge(all, &n, l);
	}
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, all[i].json);
	return list;
}

int snapshot_command(struct daemon *d, json_t **result)
{
	struct look l = {.counted = 0};
	json_t *faults = NULL, *worst, *cpu;

	worst = look_at_all(d, &l, &cpu);
	if (l.faults)
		faults_command(d, "fault-list", NULL, &faults, NULL);
	*result = json_pack(
		"{s:I, s:I, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:I, s:o}",
		"time_us", (json_int_t)worker_clock().us, "stall_us",
		(json_int_t)l.stall_us, "status", status_json(d, false),
		"counters", counters_json(d), "client", states_json(l.state[0]),
		"server", states_json(l.state[1]), "counted", (int)l.counted,
		"judged", (int)l.judged, "worst", worst, "workers_cpu_us", cpu,
		"process_cpu_us",
		(json_int_t)clock_us(CLOCK_PROCESS_CPUTIME_ID), "faults",
		faults ? faults : json_array());
	return *result ? 0 : -ENOMEM;
}
