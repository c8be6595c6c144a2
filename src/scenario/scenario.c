/* SPDX-License-Identifier: MIT */
/*
 * Parses a scenario.
 *
 * Lines are joined where one ends in a backslash, variables are replaced, and
 * each line becomes a step, or sets a variable or the timeout.  After an error
 * the next line is read, so that all errors are reported at once.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "fault/cfg.h"
#include "internal.h"

#define VERBS                                                               \
	"add NAME KEY=VALUE..., del NAME, reset, lease NAME TIME, run [&] " \
	"COMMAND, expect CONDITION"
#define STATEMENTS                                \
	"at TIME ..., when CONDITION ..., " VERBS \
	", set NAME=VALUE, timeout TIME, services NAME..."

struct parser {
	struct scenario *s;
	struct scn_vars vars;
	struct diag diag;
	bool begun, no_memory;
};

/* The rest of the line.  A comment is removed if the line is not for the
 * shell. */
static const char *rest(struct scn_cur *c)
{
	scn_at_end(c);
	return c->p;
}

/* --- verbs --- */

static bool parse_fault_add(struct scn_cur *c, struct scn_step *st)
{
	struct fault_spec *spec = calloc(1, sizeof(*spec));
	char err[700] = "";
	bool good;

	if (!spec)
		return scn_refuse(c, "more memory");
	good = !fault_parse_line(rest(c), spec, err, sizeof(err));
	snprintf(st->fault, sizeof(st->fault), "%s", spec->name);
	snprintf(st->service, sizeof(st->service), "%s", spec->service);
	if (!good)
		diag_add(c->d, c->line, "%s", err);
	st->adds = true;
	free(spec);
	return good;
}

static bool parse_fault_other(struct scn_cur *c, struct scn_step *st,
			      bool lease)
{
	int64_t us;

	if (!scn_take_name(c, st->fault, sizeof(st->fault)))
		return scn_refuse(c, "the name of a fault");
	if (lease)
		return scn_take_time(c, &us);
	st->removes = true;
	return true;
}

static bool parse_run(struct scn_cur *c, struct scn_step *st)
{
	st->verb = SCN_DO_RUN;
	st->background = scn_take(c, "&");
	if (scn_at_end(c))
		return scn_refuse(c, "a command");
	st->arg = c->p;
	return true;
}

static bool parse_expect(struct scn_cur *c, struct scn_step *st)
{
	char *copy = strdup(rest(c));
	struct scn_cur at = *c;
	bool good;

	st->verb = SCN_DO_EXPECT;
	st->arg = rest(c);
	st->within_us = -1;
	if (!copy)
		return scn_refuse(c, "more memory");
	at.p = copy;
	if (strncmp(copy, "sh ", 3))
		scn_cut_comment(copy);
	good = scn_cut_limits(copy, c, &st->within_us, &st->for_us);
	good = scn_cond_parse(&at, &st->expect, true) && good;
	if (good && !scn_at_end(&at))
		good = scn_refuse(&at, "within TIME, for TIME");
	if (st->within_us < 0 && st->expect.kind != SCN_EXIT)
		st->within_us = SCN_WITHIN_US;
	free(copy);
	c->p += strlen(c->p);
	return good;
}

/* add, del, reset, lease: the daemon gets the line unchanged. */
static bool parse_fault_line(struct scn_cur *c, struct scn_step *st, bool *is)
{
	*is = true;
	st->verb = SCN_DO_FAULT;
	st->arg = rest(c);
	if (scn_take(c, "add")) {
		bool good = parse_fault_add(c, st);

		c->p += strlen(c->p);
		return good;
	}
	if (scn_take(c, "del"))
		return parse_fault_other(c, st, false);
	if (scn_take(c, "lease"))
		return parse_fault_other(c, st, true);
	if (scn_take(c, "reset")) {
		st->removes = true;
		return true;
	}
	*is = false;
	return false;
}

static bool parse_verb(struct scn_cur *c, struct scn_step *st)
{
	bool is, good;

	if (scn_take(c, "run"))
		return parse_run(c, st);
	if (scn_take(c, "expect"))
		return parse_expect(c, st);
	/* the daemon does not get the comment */
	scn_cut_comment(st->text + (rest(c) - st->text));
	good = parse_fault_line(c, st, &is);
	if (!is)
		return scn_refuse(c,
				  st->timed || st->waits ? VERBS : STATEMENTS);
	if (good && !scn_at_end(c))
		return scn_refuse(c, "the end of the line");
	return good;
}

/* --- steps --- */

static bool parse_at(struct scn_cur *c, struct scn_step *st)
{
	scn_at_end(c);
	st->timed = true;
	st->relative = *c->p == '+';
	c->p += st->relative;
	return scn_take_time(c, &st->at_us);
}

static bool parse_when(struct scn_cur *c, struct scn_step *st)
{
	st->waits = true;
	st->when_within_us = -1;
	if (!scn_cond_parse(c, &st->when, false))
		return false;
	return !scn_take(c, "within") || scn_take_time(c, &st->when_within_us);
}

static bool parse_step(struct scn_cur *c, struct scn_step *st)
{
	if (scn_take(c, "at") && !parse_at(c, st))
		return false;
	if (scn_take(c, "when") && !parse_when(c, st))
		return false;
	return parse_verb(c, st);
}

static void step_fini(struct scn_step *st)
{
	free(st->text);
	free(st->when.command);
	free(st->expect.command);
}

static void note_needs(struct scenario *s, const struct scn_cond *c)
{
	s->has_conn |= c->kind == SCN_CONN && c->ordinal;
	s->has_report |= c->kind == SCN_REPORT;
}

static void step_add(struct parser *p, struct scn_step *st)
{
	struct scenario *s = p->s;
	struct scn_step *all = realloc(s->step, (s->n + 1) * sizeof(*all));

	if (!all) {
		p->no_memory = true;
		step_fini(st);
		return;
	}
	s->step = all;
	s->step[s->n++] = *st;
	if (st->waits)
		note_needs(s, &st->when);
	if (st->verb == SCN_DO_EXPECT)
		note_needs(s, &st->expect);
}

/* Takes @text over. */
static void read_step(struct parser *p, char *text, uint32_t line)
{
	struct scn_step st = {.line = line, .text = text};
	struct scn_cur c = {text, &p->diag, line};

	p->begun = true;
	if (p->s->n == SCN_STEPS_MAX) {
		diag_add(&p->diag, line, "found one more step, allowed: %d",
			 SCN_STEPS_MAX);
		step_fini(&st);
	} else if (!parse_step(&c, &st)) {
		step_fini(&st);
	} else {
		step_add(p, &st);
	}
}

/* --- other lines --- */

static void read_set(struct parser *p, struct scn_cur *c, char *text)
{
	int err;

	scn_cut_comment(text + (rest(c) - text));
	err = scn_vars_set(&p->vars, rest(c), false);
	if (err == -EINVAL)
		scn_refuse(c, "NAME=VALUE");
	p->no_memory |= err == -ENOMEM;
}

static void read_timeout(struct parser *p, struct scn_cur *c)
{
	if (p->begun)
		diag_add(c->d, c->line,
			 "found \"timeout\" behind a step, allowed: before "
			 "the first");
	else if (scn_take_time(c, &p->s->timeout_us) && !scn_at_end(c))
		scn_refuse(c, "the end of the line");
}

/* "services NAME..." */
static void read_services(struct parser *p, struct scn_cur *c)
{
	struct scenario *s = p->s;

	if (p->begun) {
		diag_add(c->d, c->line,
			 "found \"services\" behind a step, allowed: before "
			 "the first");
		return;
	}
	do {
		char name[SCN_NAME_MAX + 1];

		if (s->nservice == SCN_SERVICES_MAX) {
			diag_add(c->d, c->line,
				 "found more services, allowed: %d",
				 SCN_SERVICES_MAX);
			return;
		}
		if (!scn_take_name(c, name, sizeof(name))) {
			scn_refuse(c, "names of services");
			return;
		}
		memcpy(s->service[s->nservice++], name, sizeof(name));
	} while (!scn_at_end(c));
}

static void read_line(struct parser *p, const char *raw, uint32_t line)
{
	bool bad = false;
	struct scn_cur c = {raw, &p->diag, line};
	char *text;

	if (scn_at_end(&c))
		return;
	text = scn_vars_expand(&p->vars, c.p, &p->diag, line, &bad);
	if (!text) {
		p->no_memory |= !bad;
		return;
	}
	c.p = text;
	if (scn_take(&c, "set"))
		read_set(p, &c, text);
	else if (scn_take(&c, "timeout"))
		read_timeout(p, &c);
	else if (scn_take(&c, "services"))
		read_services(p, &c);
	else {
		read_step(p, text, line);
		return;
	}
	free(text);
}

/* Cut the next logical line out of @p, which ends at a NUL: a backslash at the
 * end of a line joins the next.  Its number of lines. */
static uint32_t cut_line(char *p, char **next)
{
	uint32_t n = 1;
	char *to = p, *from = p;

	while (*from && *from != '\n') {
		if (*from == '\r' && (from[1] == '\n' || !from[1])) {
			from++;
		} else if (from[0] == '\\' && from[1] == '\n') {
			from += 2;
			n++;
		} else {
			*to++ = *from++;
		}
	}
	*next = *from ? from + 1 : from;
	*to = '\0';
	return n;
}

static void read_text(struct parser *p, char *text)
{
	uint32_t line = 1, n;
	char *next;

	for (char *at = text; *at; at = next) {
		n = cut_line(at, &next);
		while (isspace((unsigned char)*at))
			at++;
		read_line(p, at, line);
		line += n;
	}
}

int scenario_parse(const char *text, const char *file, const char *const *set,
		   uint32_t nset, struct scenario **out, FILE *errors)
{
	struct parser *p = calloc(1, sizeof(*p));
	char *copy = strdup(text);
	int err = -ENOMEM;

	*out = NULL;
	if (!p || !copy)
		goto done;
	p->s = calloc(1, sizeof(*p->s));
	if (!p->s)
		goto done;
	p->diag.file = file;
	p->s->timeout_us = SCN_TIMEOUT_US;
	for (uint32_t i = 0; i < nset; i++) {
		err = scn_vars_set(&p->vars, set[i], true);
		if (err == -EINVAL)
			diag_add(&p->diag, 0,
				 "--set: found \"%s\", allowed: NAME=VALUE",
				 set[i]);
		p->no_memory |= err == -ENOMEM;
	}
	read_text(p, copy);
	if (!p->s->n && !p->diag.n)
		diag_add(&p->diag, 0, "no step in it");
	diag_print(&p->diag, errors);
	err = p->no_memory ? -ENOMEM : p->diag.n ? -EINVAL : 0;
	if (!err)
		*out = p->s;
	else
		scenario_free(p->s);
	scn_vars_fini(&p->vars);
done:
	free(copy);
	free(p);
	return err;
}

void scenario_free(struct scenario *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		step_fini(&s->step[i]);
	free(s->step);
	free(s);
}
