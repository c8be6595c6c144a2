/* SPDX-License-Identifier: MIT */
/*
 * Distributions from files in netem's format, as iproute2 has them.
 *
 * A file has numbers separated by blanks; '#' begins a comment.  All numbers
 * are equally likely, and the number FAULT_TABLE_UNIT stands for one jitter.  A
 * file is read when the fault is parsed, never while it acts.  The program
 * provides the function that reads files: nothing here opens one.
 */
#include "internal.h"

#define TEXT_MAX (256u << 10)

static int bad(const char *path, const char *why, char *err, size_t errlen)
{
	snprintf(err, errlen, "found \"file:%.200s\": %s", path, why);
	return -EINVAL;
}

/* Return: NULL, or what is wrong. */
static const char *add_numbers(struct fault_table *t, const char *p)
{
	char *end;
	long n;

	for (;;) {
		p += strspn(p, " \t\r\n");
		if (*p == '#') {
			p += strcspn(p, "\n");
			continue;
		}
		if (!*p)
			return t->n ? NULL : "allowed: one number at least";
		n = strtol(p, &end, 10);
		if (end == p || (*end && !strchr(" \t\r\n#", *end)) ||
		    n < INT16_MIN || n > INT16_MAX)
			return "allowed: numbers from -32768 to 32767";
		if (t->n == FAULT_TABLE_MAX)
			return "allowed: 4096 numbers at most";
		t->value[t->n++] = (int16_t)n;
		p = end;
	}
}
static_assert(FAULT_TABLE_MAX == 4096, "as the text says");

static fault_read_fn read_file;

void fault_files_by(fault_read_fn read)
{
	read_file = read;
}

int fault_table_read(struct fault_table *t, const char *path, char *err,
		     size_t errlen)
{
	const char *why = "allowed: a distribution by name (no files here)";
	char *text = NULL;
	size_t len = 0;

	t->n = 0;
	if (read_file)
		text = read_file(path, &len, &why);
	if (text)
		why = len > TEXT_MAX ? "allowed: a file of 256 KiB at most"
				     : add_numbers(t, text);
	free(text);
	return why ? bad(path, why, err, errlen) : 0;
}
