/* SPDX-License-Identifier: MIT */
/*
 * The errors of one file.  They are gathered while it is read, then sorted by
 * line and printed.
 */
#include "config/diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

void diag_add(struct diag *d, uint32_t line, const char *fmt, ...)
{
	struct diag_entry *e;
	va_list ap;

	if (d->n++ >= DIAG_MAX)
		return;
	e = &d->e[d->n - 1];
	e->line = line;
	e->order = d->n;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct diag_entry *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* The file's bytes may reach a terminal or a log: print only text. */
static void put_visible(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (iscntrl((unsigned char)*s))
			fprintf(out, "\\x%02x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
}

void diag_print(struct diag *d, FILE *out)
{
	uint32_t kept = min_u32(d->n, DIAG_MAX);

	qsort(d->e, kept, sizeof(d->e[0]), entry_cmp);
	for (uint32_t i = 0; i < kept; i++) {
		fprintf(out, "%s:", d->file);
		if (d->e[i].line)
			fprintf(out, "%u:", d->e[i].line);
		fputc(' ', out);
		put_visible(out, d->e[i].text);
		fputc('\n', out);
	}
	if (d->n > kept)
		fprintf(out, "%s: %u more errors\n", d->file, d->n - kept);
}
