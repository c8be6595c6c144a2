// SPDX-License-Identifier: MIT
#include "control/diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#define WORD_MAX 63

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

/* The file's bytes reach a terminal or a log: nothing but text may pass. */
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

/* Three rows of the usual table suffice: this one and the two above it. */
uint32_t diag_distance(const char *a, const char *b)
{
	uint32_t row[3][WORD_MAX + 1];
	uint32_t la = (uint32_t)strnlen(a, WORD_MAX);
	uint32_t lb = (uint32_t)strnlen(b, WORD_MAX);

	for (uint32_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (uint32_t i = 1; i <= la; i++) {
		uint32_t *cur = row[i % 3], *up = row[(i - 1) % 3];
		uint32_t *up2 = row[(i + 1) % 3];

		cur[0] = i;
		for (uint32_t j = 1; j <= lb; j++) {
			cur[j] = min_u32(up[j], cur[j - 1]) + 1;
			cur[j] = min_u32(cur[j],
					 up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				cur[j] = min_u32(cur[j], up2[j - 2] + 1);
		}
	}
	return row[la % 3][lb];
}

bool diag_is_near(const char *a, const char *b)
{
	uint32_t longest = (uint32_t)strlen(a);

	if (strlen(b) > longest)
		longest = (uint32_t)strlen(b);
	return diag_distance(a, b) <= max_u32(1, longest / 3);
}
