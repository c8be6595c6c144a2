/* SPDX-License-Identifier: MIT */
/*
 * Which scenarios may run at the same time?  Pure.
 *
 * What a scenario touches is what it says: the services of its line "services",
 * of its faults and of the counters that it reads.  What its commands do is not
 * known, so one that names no service touches all of them.
 */
#include "internal.h"

static bool adds_fault(const struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->step[i].adds && !strcmp(s->step[i].fault, name))
			return true;
	}
	return false;
}

/* The fault that a condition on reports names, or NULL. */
static const char *report_fault(const struct scn_cond *c)
{
	for (uint8_t i = 0; i < c->nmatch; i++) {
		if (c->match[i].op == SCN_EQ &&
		    !strcmp(c->match[i].key, "fault"))
			return c->match[i].value;
	}
	return NULL;
}

/* Does a condition look at more than the scenario's own part? */
static bool cond_is_wide(const struct scenario *s, const struct scn_cond *c)
{
	const char *fault;

	switch (c->kind) {
	case SCN_CONN:
	case SCN_FLOWS:
		return true;
	case SCN_COUNTER:
		return !*c->part;
	case SCN_FAULT:
		return !adds_fault(s, c->name);
	case SCN_REPORT:
		fault = report_fault(c);
		return !fault || !adds_fault(s, fault);
	default:
		return false;
	}
}

static bool step_is_wide(const struct scenario *s, const struct scn_step *st)
{
	if (st->waits && cond_is_wide(s, &st->when))
		return true;
	if (st->verb == SCN_DO_EXPECT)
		return cond_is_wide(s, &st->expect);
	if (st->verb != SCN_DO_FAULT)
		return false;
	if (st->adds)
		return !*st->service;
	return !*st->fault || !adds_fault(s, st->fault);
}

/* The service of a step that the scenario touches by it, or "". */
static const char *step_service(const struct scn_step *st, uint32_t i)
{
	const struct scn_cond *c = i ? &st->expect : &st->when;

	if (st->adds)
		return st->service;
	if (c->kind == SCN_COUNTER &&
	    (i ? st->verb == SCN_DO_EXPECT : st->waits))
		return c->part;
	return "";
}

static bool touches(const struct scenario *s, const char *service)
{
	for (uint32_t i = 0; i < s->nservice; i++) {
		if (!strcmp(s->service[i], service))
			return true;
	}
	for (uint32_t i = 0; i < 2 * s->n; i++) {
		if (!strcmp(step_service(&s->step[i / 2], i % 2), service))
			return true;
	}
	return false;
}

static bool is_wide(const struct scenario *s)
{
	bool named = s->nservice;

	for (uint32_t i = 0; i < s->n; i++) {
		if (step_is_wide(s, &s->step[i]))
			return true;
		named |= s->step[i].adds;
	}
	return !named;
}

bool scenario_collide(const struct scenario *a, const struct scenario *b)
{
	if (is_wide(a) || is_wide(b))
		return true;
	for (uint32_t i = 0; i < a->nservice; i++) {
		if (touches(b, a->service[i]))
			return true;
	}
	for (uint32_t i = 0; i < 2 * a->n; i++) {
		const struct scn_step *st = &a->step[i / 2];
		const char *service = step_service(st, i % 2);

		if ((*service && touches(b, service)) ||
		    (st->adds && adds_fault(b, st->fault)))
			return true;
	}
	return false;
}
