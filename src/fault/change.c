/* SPDX-License-Identifier: MIT */
/*
 * Changes of a set of faults: the text of a command to a struct, and what makes
 * of one file's faults another's.
 */
#include "fault/change.h"

#include <errno.h>
#include <stdio.h>

#define WORDS_MAX 4

static int change_refuse(const char *line, char *err, size_t errlen)
{
	snprintf(err, errlen,
		 "found \"%.64s\", allowed: add NAME type=..., del NAME, "
		 "reset, lease NAME TIME",
		 line);
	return -EINVAL;
}

static int read_lease(const char *text, int64_t *us, char *err, size_t errlen)
{
	static const struct opt_desc time = {.type = OPT_TIME,
					     .max = FAULT_KEY_TIME_MAX,
					     .unit = USEC_PER_MSEC};

	return opt_parse(&time, us, text, err, errlen);
}

/* "del" and "lease": a name and the words after it; @n is the number of all
 * words. */
static int read_named(const char *line, struct fault_change *c, char *w[],
		      int n, char *err, size_t errlen)
{
	bool del = !strcmp(w[0], "del");

	if (n != (del ? 2 : 3) || strlen(w[1]) > FAULT_NAME_MAX)
		return change_refuse(line, err, errlen);
	strcpy(c->spec.name, w[1]);
	c->verb = del ? FAULT_DO_DEL : FAULT_DO_LEASE;
	return del ? 0 : read_lease(w[2], &c->lease_us, err, errlen);
}

int fault_change_parse(const char *line, struct fault_change *c, char *err,
		       size_t errlen)
{
	static const char blanks[] = " \t\r\n";
	const char *rest = line + strspn(line, blanks);
	char copy[128], *w[WORDS_MAX] = {NULL}, *save, *p;
	int n = 0;

	memset(c, 0, sizeof(*c));
	if (!strncmp(rest, "add", 3) && rest[3] && strchr(blanks, rest[3])) {
		c->verb = FAULT_DO_ADD;
		return fault_parse_line(rest + 4, &c->spec, err, errlen);
	}
	snprintf(copy, sizeof(copy), "%s", rest);
	for (p = strtok_r(copy, blanks, &save); p && n < WORDS_MAX;
	     p = strtok_r(NULL, blanks, &save))
		w[n++] = p;
	if (n == 1 && !strcmp(w[0], "reset")) {
		c->verb = FAULT_DO_RESET;
		return 0;
	}
	if (n > 1 && (!strcmp(w[0], "del") || !strcmp(w[0], "lease")))
		return read_named(line, c, w, n, err, errlen);
	return change_refuse(line, err, errlen);
}

void fault_change_name_line(FILE *errors, uint32_t i, uint32_t n)
{
	if (n > 1)
		fprintf(errors, "line %u: ", i + 1);
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (!strcmp(*names, name))
			return true;
	}
	return false;
}

static void refuse_service(const char *name, const char *const *services,
			   FILE *errors)
{
	fprintf(errors, "service: found \"%s\", allowed:", name);
	for (uint32_t i = 0; services[i]; i++)
		fprintf(errors, "%s %s", i ? "," : "", services[i]);
	fputc('\n', errors);
}

int fault_changes_read(const char *const *line, uint32_t n,
		       const char *const *services, struct fault_change *c,
		       FILE *errors)
{
	char err[1600];
	int bad = 0;

	for (uint32_t i = 0; i < n; i++) {
		const char *text = line[i], *service = c[i].spec.service;

		if (text && !text[strspn(text, " \t\r\n")]) {
			memset(&c[i], 0, sizeof(c[i]));
			c[i].verb = FAULT_DO_NOTHING;
		} else if (fault_change_parse(text ? text : "", &c[i], err,
					      sizeof(err))) {
			fault_change_name_line(errors, i, n);
			fprintf(errors, "%s\n", err);
			bad = -EINVAL;
		} else if (*service && !is_one_of(service, services)) {
			fault_change_name_line(errors, i, n);
			refuse_service(service, services, errors);
			bad = -EINVAL;
		}
	}
	return bad;
}

/* --- from one file to the next --- */

bool fault_same(const struct fault_spec *a, const struct fault_spec *b)
{
	char x[FAULT_LINE_MAX + 1], y[FAULT_LINE_MAX + 1];

	fault_print_line(a, x, sizeof(x));
	fault_print_line(b, y, sizeof(y));
	return !strcmp(x, y);
}

const struct fault_spec *fault_file_find(const struct fault_file *f,
					 const char *name)
{
	for (uint32_t i = 0; i < f->n; i++) {
		if (!strcmp(f->fault[i].name, name))
			return &f->fault[i];
	}
	return NULL;
}

const struct fault_sum *fault_sum_find(const struct fault_sum *f, uint32_t n,
				       const char *name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(f[i].spec.name, name))
			return &f[i];
	}
	return NULL;
}

uint32_t fault_plan(const struct fault_file *old, const struct fault_file *new,
		    const struct fault_sum *live, uint32_t n,
		    struct fault_change *c)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct fault_spec *l = &live[i].spec;
		const struct fault_spec *was = fault_file_find(old, l->name);
		const struct fault_spec *is = fault_file_find(new, l->name);

		if (!was || !fault_same(was, l) || (is && fault_same(is, l)))
			continue;
		c[k].verb = FAULT_DO_DEL;
		strcpy(c[k++].spec.name, l->name);
	}
	for (uint32_t i = 0; i < new->n; i++) {
		const struct fault_spec *is = &new->fault[i];
		const struct fault_sum *l = fault_sum_find(live, n, is->name);

		if (l && fault_same(is, &l->spec))
			continue;
		c[k].verb = FAULT_DO_ADD;
		c[k++].spec = *is;
	}
	return k;
}
