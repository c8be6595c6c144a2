/* SPDX-License-Identifier: MIT */
/*
 * What faults tell: one JSON object a decision, counters, expectations.
 */
#include <inttypes.h>

#include "internal.h"

void fault_report(struct fault_ctx *x, const struct fault_event *ev,
		  const char *action)
{
	struct fault_set *s = x->set;
	const struct fault_spec *f = &x->f->spec;
	char line[400];

	if (!s->line)
		return;
	snprintf(line, sizeof(line),
		 "{\"t\":%" PRId64 ",\"seed\":%" PRIu64
		 ",\"fault\":\"%s\",\"type\":\"%s\",\"conn\":%u,\"serial\":"
		 "%" PRIu64 ",\"event\":%u,\"side\":\"%s\",\"dir\":\"%s\","
		 "\"state\":%u,\"off\":%" PRIu64 ",\"seq\":%u,\"len\":%u,"
		 "\"action\":\"%s\"}",
		 ev->now.us, f->seed ? f->seed : s->seed, f->name,
		 fault_type_name[f->type], x->c->ordinal, x->flow->serial,
		 x->c->event, ev->side ? "server" : "client",
		 ev->to_peer ? "to_peer" : "from_peer", ev->state, ev->off,
		 ev->seq.v, ev->len, action);
	s->line(s->line_arg, line);
}

static bool expectation_holds(const struct fault *f)
{
	const struct fault_expect *e = &f->spec.expect;
	uint64_t n = f->count[e->counter];

	switch (e->op[0]) {
	case '>':
		return e->op[1] ? n >= e->n : n > e->n;
	case '<':
		return e->op[1] ? n <= e->n : n < e->n;
	default:
		return n == e->n;
	}
}

bool fault_set_expect(const struct fault_set *s, char *err, size_t errlen)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct fault *f = &s->fault[s->order[i]];
		const struct fault_expect *e = &f->spec.expect;

		if (!e->set || expectation_holds(f))
			continue;
		snprintf(err, errlen,
			 "fault %s: expected %s%s%" PRIu64 ", it is %" PRIu64,
			 f->spec.name, fault_counter_name[e->counter], e->op,
			 e->n, f->count[e->counter]);
		return false;
	}
	return true;
}

size_t fault_set_list(const struct fault_set *s, char *out, size_t outlen)
{
	size_t k = 0;

	if (outlen)
		out[0] = '\0';
	for (uint32_t i = 0; i < s->n && k < outlen; i++) {
		const struct fault *f = &s->fault[s->order[i]];
		char line[600];

		fault_print_line(&f->spec, line, sizeof(line));
		k += (size_t)snprintf(
			out + k, outlen - k,
			"{\"name\":\"%s\",\"spec\":\"%s\",\"conns\":%u,"
			"\"active\":%u,\"matched\":%" PRIu64
			",\"rolled\":%" PRIu64 ",\"injected\":%" PRIu64
			",\"suppressed\":%" PRIu64 "}\n",
			f->spec.name, line, f->conns, f->active,
			f->count[FC_MATCHED], f->count[FC_ROLLED],
			f->count[FC_INJECTED], f->count[FC_SUPPRESSED]);
	}
	return k;
}
