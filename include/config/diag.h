/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_DIAG_H
#define PENSTOCK_CONFIG_DIAG_H

/*
 * The errors of one file: gathered while it is read, and printed together.
 */
#include <stdio.h>

#include "util/types.h"

#define DIAG_TEXT_MAX 1600
#define DIAG_MAX 100 /* errors kept; the rest is only counted */

/**
 * struct diag_entry - One error
 * @line:  1, 2, ...; 0 = the whole file
 * @order: number in which it was found, to keep a line's errors in order
 * @text:  cut when too long
 */
struct diag_entry {
	uint32_t line;
	uint32_t order;
	char text[DIAG_TEXT_MAX];
};

/**
 * struct diag - Errors of one file
 * @file: name to print; borrowed
 * @n:    errors found, also those beyond DIAG_MAX
 * @e:    the first DIAG_MAX of them
 */
struct diag {
	const char *file;
	uint32_t n;
	struct diag_entry e[DIAG_MAX];
};

/* @line: 1, 2, ...; 0 for the whole file. */
void diag_add(struct diag *d, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One line each, ordered by line; control characters are made visible. */
void diag_print(struct diag *d, FILE *out);

#endif
