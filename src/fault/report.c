/* SPDX-License-Identifier: MIT */
/*
 * What faults report: a JSON object for each decision, counters, expectations.
 */
#include <inttypes.h>

#include "internal.h"

/* Print the names of the reactions in @mask, joined by "|". */
static void print_mask(char *out, size_t outlen, uint16_t mask)
{
	size_t k = 0;

	out[0] = '\0';
	for (int i = 0; i < FR_COUNT && k < outlen; i++)
		if (mask & BIT(i))
			k += (size_t)snprintf(out + k, outlen - k, "%s%s",
					      k ? "|" : "",
					      fault_reaction_name[i]);
}

uint64_t fault_report(struct fault_ctx *x, const struct fault_event *ev,
		      const char *action)
{
	struct fault_set *s = x->set;
	const struct fault_spec *f = &x->f->spec;
	uint64_t id = ++s->report;
	char line[400];

	if (!s->line)
		return id;
	snprintf(line, sizeof(line),
		 "{\"id\":%" PRIu64 ",\"t\":%" PRId64 ",\"seed\":%" PRIu64
		 ",\"fault\":\"%s\",\"type\":\"%s\",\"conn\":%u,\"serial\":"
		 "%" PRIu64 ",\"event\":%u,\"side\":\"%s\",\"dir\":\"%s\","
		 "\"state\":%u,\"off\":%" PRIu64 ",\"seq\":%u,\"len\":%u,"
		 "\"action\":\"%s\"}",
		 id, ev->now.us, f->seed ? f->seed : s->seed, f->name,
		 fault_type_name[f->type], x->c->ordinal, x->flow->serial,
		 x->c->event, ev->side ? "server" : "client",
		 ev->to_peer ? "to_peer" : "from_peer", ev->state, ev->off,
		 ev->seq.v, ev->len, action);
	s->line(s->line_arg, line);
	return id;
}

void fault_report_peer(struct fault_set *s, const struct fault_flow *w,
		       const struct fault_pending *p, enum fault_reaction kind,
		       int64_t after_us)
{
	const struct fault_spec *f = &s->fault[p->slot].spec;
	char line[400], expect[64], said[64] = "", verdict[160] = "";

	if (!s->line)
		return;
	print_mask(expect, sizeof(expect), p->expect);
	if (p->inject)
		snprintf(said, sizeof(said), ",\"kind\":\"%s\"",
			 fault_inject_name[p->inject - 1]);
	if (p->expect)
		snprintf(verdict, sizeof(verdict),
			 "%s,\"expected\":\"%s\",\"ok\":%s", said, expect,
			 p->expect & BIT(kind) ? "true" : "false");
	snprintf(line, sizeof(line),
		 "{\"re\":%" PRIu64 ",\"t\":%" PRId64
		 ",\"fault\":\"%s\",\"type\":\"%s\",\"conn\":%u,\"serial\":"
		 "%" PRIu64 ",\"side\":\"%s\",\"peer\":\"%s\","
		 "\"after_us\":%" PRId64 "%s}",
		 p->id, p->since.us + after_us, f->name,
		 fault_type_name[f->type], p->conn, w->serial,
		 p->side ? "server" : "client", fault_reaction_name[kind],
		 after_us, verdict);
	s->line(s->line_arg, line);
}

bool fault_expect_holds(const struct fault_expect *e, uint64_t n)
{
	switch (e->op[0]) {
	case '>':
		return e->op[1] ? n >= e->n : n > e->n;
	case '<':
		return e->op[1] ? n <= e->n : n < e->n;
	default:
		return n == e->n;
	}
}
