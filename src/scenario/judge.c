/* SPDX-License-Identifier: MIT */
/*
 * Is a condition true for a snapshot of the daemon?  Pure.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* These prefixes of nstat's names may be left out. */
static const char *const prefixes[] = {"", "TcpExt", "Tcp", "IpExt"};

uint32_t scenario_needs(const struct scn_cond *c)
{
	switch (c->kind) {
	case SCN_CONN:
		return SCN_NEED_FLOWS | SCN_NEED_COUNTERS;
	case SCN_FLOWS:
		return SCN_NEED_FLOWS;
	case SCN_FAULT:
		return SCN_NEED_FAULTS;
	case SCN_COUNTER:
		return SCN_NEED_COUNTERS;
	default:
		return 0;
	}
}

static enum scn_truth number(const struct scn_cond *c, int64_t n, char *seen,
			     size_t len)
{
	snprintf(seen, len, "%lld", (long long)n);
	return scn_compare(n, c->op, c->n) ? SCN_YES : SCN_NO;
}

/* --- connections --- */

/* The number of a leg's state; -1: it has none. */
static int leg_state(const json_t *flow, const char *leg)
{
	const char *s = json_string_value(
		json_object_get(json_object_get(flow, leg), "state"));

	for (int i = 0; s && scn_state_name[i]; i++) {
		if (!strcmp(s, scn_state_name[i]))
			return i;
	}
	return -1;
}

/* Has a flow one of the states? */
static bool flow_is(const json_t *flow, const struct scn_cond *c, char *seen,
		    size_t len)
{
	const int client = leg_state(flow, "client");
	const int server = leg_state(flow, "server");

	snprintf(seen, len, "client:%s server:%s",
		 client < 0 ? "-" : scn_state_name[client],
		 server < 0 ? "-" : scn_state_name[server]);
	if (!c->states)
		return true;
	if (client >= 0 && c->side != SCN_SERVER && (c->states & BIT(client)))
		return true;
	return server >= 0 && c->side != SCN_CLIENT &&
	       (c->states & BIT(server));
}

/* The sum of all counters of this name (of @service, unless it is ""). */
static bool counter_sum(const json_t *list, const char *name,
			const char *service, bool gauges, int64_t *sum)
{
	bool found = false;
	json_t *v;
	size_t i;

	*sum = 0;
	json_array_foreach((json_t *)list, i, v) {
		const char *n = json_string_value(json_object_get(v, "name"));
		const char *s =
			json_string_value(json_object_get(v, "service"));

		if (!n || strcmp(n, name) ||
		    (*service && (!s || strcmp(s, service))))
			continue;
		found = true;
		if (!json_is_true(json_object_get(v, "gauge")) || gauges)
			*sum += json_integer_value(json_object_get(v, "value"));
	}
	return found;
}

/* Connections begun before the scenario, and since. */
static void opened(const struct scn_view *v, int64_t *before, uint32_t *since)
{
	int64_t n;

	counter_sum(v->base, "FlowsOpened", "", false, before);
	counter_sum(v->counters, "FlowsOpened", "", false, &n);
	*since = (uint32_t)(n - *before);
}

/* The flow, or NULL.  Ordinal 0: the next one since the scenario
 * began, from *i on. */
static const json_t *find_conn(const struct scn_view *v, uint32_t ordinal,
			       int64_t before, size_t *i)
{
	for (; *i < json_array_size(v->flows); ++*i) {
		const json_t *flow = json_array_get(v->flows, *i);
		const json_t *n = json_object_get(flow, "serial");
		int64_t serial = json_integer_value(n) - before;

		if (n && (ordinal ? serial == ordinal : serial > 0))
			return flow;
	}
	return NULL;
}

static enum scn_truth judge_any(const struct scn_cond *c,
				const struct scn_view *v, int64_t before,
				char *seen, size_t len)
{
	size_t i = 0;
	const json_t *flow;

	snprintf(seen, len, "no connection");
	for (; (flow = find_conn(v, 0, before, &i)); i++) {
		if (flow_is(flow, c, seen, len))
			return SCN_YES;
	}
	return SCN_NO;
}

static enum scn_truth judge_conn(const struct scn_cond *c,
				 const struct scn_view *v, char *seen,
				 size_t len)
{
	int64_t before;
	uint32_t since;
	const json_t *flow;
	size_t i = 0;

	opened(v, &before, &since);
	if (!c->ordinal)
		return judge_any(c, v, before, seen, len);
	flow = find_conn(v, c->ordinal, before, &i);
	if (flow) {
		bool is = flow_is(flow, c, seen, len);

		return is && !c->gone ? SCN_YES : SCN_NO;
	}
	if (since < c->ordinal) {
		snprintf(seen, len, "%u connections so far", since);
		return SCN_NO;
	}
	snprintf(seen, len, "gone");
	if (c->gone || (c->states & BIT(0)))
		return SCN_YES;
	return SCN_NEVER;
}

static enum scn_truth judge_flows(const struct scn_cond *c,
				  const struct scn_view *v, char *seen,
				  size_t len)
{
	int64_t n = 0;
	json_t *flow;
	char state[80];
	size_t i;

	json_array_foreach((json_t *)v->flows, i, flow)
		n += flow_is(flow, c, state, sizeof(state));
	return number(c, n, seen, len);
}

/* --- numbers --- */

static enum scn_truth judge_counter(const struct scn_cond *c,
				    const struct scn_view *v, char *seen,
				    size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		char name[SCN_NAME_MAX + 8];
		int64_t now, base;

		snprintf(name, sizeof(name), "%s%s", prefixes[i], c->name);
		if (!counter_sum(v->counters, name, c->part, true, &now))
			continue;
		counter_sum(v->base, name, c->part, false, &base);
		return number(c, now - base, seen, len);
	}
	snprintf(seen, len, "there is no counter of this name");
	return SCN_NEVER;
}

static enum scn_truth judge_fault(const struct scn_cond *c,
				  const struct scn_view *v, char *seen,
				  size_t len)
{
	json_t *f;
	size_t i;

	json_array_foreach((json_t *)v->faults, i, f) {
		const char *name =
			json_string_value(json_object_get(f, "name"));
		json_t *n = json_object_get(f, c->part);

		if (!name || strcmp(name, c->name))
			continue;
		if (!n)
			n = json_object_get(json_object_get(f, "counters"),
					    c->part);
		return number(c, json_integer_value(n), seen, len);
	}
	snprintf(seen, len, "there is no fault of this name");
	return SCN_NO;
}

/* --- reports --- */

static bool match_one(const struct scn_match *m, const json_t *v)
{
	char *end;
	int64_t n;

	if (json_is_integer(v)) {
		n = strtoll(m->value, &end, 10);
		return !*end && scn_compare(json_integer_value(v), m->op, n);
	}
	if (json_is_string(v))
		n = strcmp(json_string_value(v), m->value) != 0;
	else if (json_is_boolean(v))
		n = strcmp(json_is_true(v) ? "true" : "false", m->value) != 0;
	else
		return false;
	return m->op == SCN_EQ ? !n : m->op == SCN_NE && n;
}

static bool match_all(const struct scn_cond *c, const json_t *report)
{
	for (uint8_t i = 0; i < c->nmatch; i++) {
		if (!match_one(&c->match[i],
			       json_object_get(report, c->match[i].key)))
			return false;
	}
	return true;
}

static enum scn_truth judge_report(const struct scn_cond *c,
				   const struct scn_view *v, char *seen,
				   size_t len)
{
	int64_t n = 0;
	json_t *one;
	bool held;
	size_t i;

	json_array_foreach((json_t *)v->reports, i, one)
		n += match_all(c, one);
	held = scn_compare(n, c->op, c->n);
	snprintf(seen, len, "%lld of %zu reports", (long long)n,
		 json_array_size(v->reports));
	if (!v->lost)
		return held ? SCN_YES : SCN_NO;
	/* lost ones could only increase the number */
	if (held && (c->op == SCN_GE || c->op == SCN_GT))
		return SCN_YES;
	snprintf(seen, len,
		 "%lld of %zu reports, but %lld more are lost: nobody can tell",
		 (long long)n, json_array_size(v->reports), (long long)v->lost);
	return SCN_NEVER;
}

/* --- commands --- */

static enum scn_truth judge_exit(const struct scn_cond *c,
				 const struct scn_view *v, char *seen,
				 size_t len)
{
	if (!v->ran) {
		snprintf(seen, len, "nothing was run");
		return SCN_NEVER;
	}
	if (!v->exited) {
		snprintf(seen, len, "it still runs");
		return SCN_NO;
	}
	snprintf(seen, len, "exit %d", v->status);
	return scn_compare(v->status, c->op, c->n) ? SCN_YES : SCN_NEVER;
}

static enum scn_truth judge_sh(const struct scn_view *v, char *seen, size_t len)
{
	if (!v->sh_done) {
		snprintf(seen, len, "it still runs");
		return SCN_NO;
	}
	snprintf(seen, len, "exit %d", v->sh_status);
	return v->sh_status ? SCN_NO : SCN_YES;
}

enum scn_truth scenario_judge(const struct scn_cond *c,
			      const struct scn_view *v, char *seen, size_t len)
{
	switch (c->kind) {
	case SCN_CONN:
		return judge_conn(c, v, seen, len);
	case SCN_FLOWS:
		return judge_flows(c, v, seen, len);
	case SCN_FAULT:
		return judge_fault(c, v, seen, len);
	case SCN_COUNTER:
		return judge_counter(c, v, seen, len);
	case SCN_REPORT:
		return judge_report(c, v, seen, len);
	case SCN_EXIT:
		return judge_exit(c, v, seen, len);
	default:
		return judge_sh(v, seen, len);
	}
}
