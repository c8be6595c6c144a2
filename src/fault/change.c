/* SPDX-License-Identifier: MIT */
/*
 * One change of a set of faults at run time: the text of a command to a
 * struct.
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
