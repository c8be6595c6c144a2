/* SPDX-License-Identifier: MIT */
/*
 * Parses the conditions of a scenario.
 */
#include <stdlib.h>

#include "internal.h"
#include "util/tcp_state.h"

#define KINDS                                                              \
	"conn N|any state S, conn N gone, fault NAME COUNTER>=N, counter " \
	"NAME[@SERVICE]>=N, report KEY=VALUE..., flows [S]==N, exit N"

const char *const scn_op_name[] = {
	[SCN_EQ] = "==", [SCN_NE] = "!=", [SCN_GE] = ">=",
	[SCN_LE] = "<=", [SCN_GT] = ">",  [SCN_LT] = "<",
};

const char *const scn_state_name[] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
		NULL};

static const char *const fault_counters[] = {"matched", "rolled", "injected",
					     "suppressed", "active"};

bool scn_compare(int64_t a, uint8_t op, int64_t b)
{
	switch (op) {
	case SCN_EQ:
		return a == b;
	case SCN_NE:
		return a != b;
	case SCN_GE:
		return a >= b;
	case SCN_LE:
		return a <= b;
	case SCN_GT:
		return a > b;
	default:
		return a < b;
	}
}

/* "OP N" */
static bool parse_cmp(struct scn_cur *c, struct scn_cond *cond)
{
	if (!scn_take_op(c, &cond->op))
		return scn_refuse(c, "== != >= <= > < and a number");
	return scn_take_number(c, &cond->n);
}

static int state_number(const char *name, size_t len)
{
	for (int i = 0; scn_state_name[i]; i++) {
		if (strlen(scn_state_name[i]) == len &&
		    !memcmp(scn_state_name[i], name, len))
			return i;
	}
	return -1;
}

/* "[client:|server:]STATE[,STATE...]" */
static bool parse_states(struct scn_cur *c, struct scn_cond *cond)
{
	const char *p;

	scn_at_end(c);
	p = c->p;
	if (!strncmp(p, "client:", 7))
		cond->side = SCN_CLIENT;
	else if (!strncmp(p, "server:", 7))
		cond->side = SCN_SERVER;
	p += cond->side ? 7 : 0;
	do {
		size_t n;
		int i;

		p += *p == ',';
		n = strcspn(p, ", \t=!<>");
		i = state_number(p, n);
		if (i < 0)
			return scn_refuse(
				c, "[client:|server:]STATE[,STATE...] of "
				   "CLOSED LISTEN SYN_SENT SYN_RECEIVED "
				   "ESTABLISHED FIN_WAIT_1 FIN_WAIT_2 "
				   "CLOSE_WAIT CLOSING LAST_ACK TIME_WAIT");
		cond->states |= (uint16_t)BIT(i);
		p += n;
	} while (*p == ',');
	c->p = p;
	return true;
}

static bool parse_conn(struct scn_cur *c, struct scn_cond *cond)
{
	int64_t n;

	if (!scn_take(c, "any")) {
		if (!scn_take_number(c, &n))
			return false;
		if (n < 1 || n > UINT32_MAX) {
			diag_add(c->d, c->line,
				 "found \"%lld\", allowed: a connection's "
				 "number, from 1, or any",
				 (long long)n);
			return false;
		}
		cond->ordinal = (uint32_t)n;
	}
	if (scn_take(c, "state"))
		return parse_states(c, cond);
	if (cond->ordinal && scn_take(c, "gone")) {
		cond->gone = true;
		return true;
	}
	return scn_refuse(c, cond->ordinal ? "state S, gone" : "state S");
}

static bool parse_fault(struct scn_cur *c, struct scn_cond *cond)
{
	if (!scn_take_name(c, cond->name, sizeof(cond->name)))
		return scn_refuse(c, "the name of a fault");
	scn_at_end(c);
	for (size_t i = 0; i < ARRAY_LEN(fault_counters); i++) {
		size_t n = strlen(fault_counters[i]);

		if (strncmp(c->p, fault_counters[i], n) ||
		    !strchr(" \t=!<>", c->p[n]))
			continue;
		c->p += n;
		strcpy(cond->part, fault_counters[i]);
		return parse_cmp(c, cond);
	}
	return scn_refuse(c, "matched rolled injected suppressed active");
}

static bool parse_counter(struct scn_cur *c, struct scn_cond *cond)
{
	char *at;

	if (!scn_take_name(c, cond->name, sizeof(cond->name)))
		return scn_refuse(c, "a counter, as `penstockctl nstat -z' "
				     "names them");
	at = strchr(cond->name, '@');
	if (at) {
		strcpy(cond->part, at + 1);
		*at = '\0';
	}
	return parse_cmp(c, cond);
}

/* Parse one "KEY OP VALUE".  False without an error: it is something else. */
static bool parse_match(struct scn_cur *c, struct scn_cond *cond, bool *bad)
{
	struct scn_cur at = *c;
	struct scn_match m = {0};

	if (!scn_take_name(&at, m.key, sizeof(m.key)) ||
	    !scn_take_op(&at, &m.op))
		return false;
	*bad = true;
	*c = at;
	if (!strcmp(m.key, "count")) {
		cond->op = m.op;
		*bad = !scn_take_number(c, &cond->n);
		return !*bad;
	}
	if (cond->nmatch == SCN_MATCH_MAX)
		return scn_refuse(c, "8 keys at most");
	if (!scn_take_word(c, m.value, sizeof(m.value)))
		return scn_refuse(c, "a value");
	*bad = false;
	cond->match[cond->nmatch++] = m;
	return true;
}

static bool parse_report(struct scn_cur *c, struct scn_cond *cond)
{
	bool bad = false;

	cond->op = SCN_GE;
	cond->n = 1;
	while (parse_match(c, cond, &bad))
		;
	if (bad)
		return false;
	if (!cond->nmatch)
		return scn_refuse(c, "KEY=VALUE of a report, as fault=NAME "
				     "peer=rst action=drop count>=2");
	return true;
}

static bool parse_flows(struct scn_cur *c, struct scn_cond *cond)
{
	if (!scn_at_end(c) && !strchr("=!<>", *c->p) && !parse_states(c, cond))
		return false;
	return parse_cmp(c, cond);
}

/* "exit N", "exit != N" */
static bool parse_exit(struct scn_cur *c, struct scn_cond *cond)
{
	cond->op = SCN_EQ;
	scn_take_op(c, &cond->op);
	return scn_take_number(c, &cond->n);
}

static bool parse_sh(struct scn_cur *c, struct scn_cond *cond)
{
	while (*c->p == ' ' || *c->p == '\t')
		c->p++;
	if (!*c->p)
		return scn_refuse(c, "a command");
	cond->command = strdup(c->p);
	if (!cond->command)
		return scn_refuse(c, "more memory");
	c->p += strlen(c->p);
	return true;
}

static const struct {
	const char *word;
	uint8_t kind;
	bool (*parse)(struct scn_cur *c, struct scn_cond *cond);
} kinds[] = {
	{"conn", SCN_CONN, parse_conn},
	{"fault", SCN_FAULT, parse_fault},
	{"counter", SCN_COUNTER, parse_counter},
	{"report", SCN_REPORT, parse_report},
	{"flows", SCN_FLOWS, parse_flows},
	{"exit", SCN_EXIT, parse_exit},
	{"sh", SCN_SH, parse_sh},
};

bool scn_cond_parse(struct scn_cur *c, struct scn_cond *cond, bool sh)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if ((kinds[i].kind == SCN_SH && !sh) ||
		    !scn_take(c, kinds[i].word))
			continue;
		cond->kind = kinds[i].kind;
		return kinds[i].parse(c, cond);
	}
	return scn_refuse(c, sh ? KINDS ", sh COMMAND" : KINDS);
}
