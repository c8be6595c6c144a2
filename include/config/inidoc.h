/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_INIDOC_H
#define PENSTOCK_CONFIG_INIDOC_H

/*
 * An INI file as sections and keys with line numbers, without any meaning.
 */
#include <stdio.h>

#include "config/diag.h"
#include "util/types.h"

/* Bytes of a line, without its end.  inih cuts silently at 197. */
#define INIDOC_LINE_MAX 190
#define INIDOC_SECTION_MAX 48  /* inih cuts silently at 49 */
#define INIDOC_LINES_MAX 20000 /* lines of a file */

/**
 * struct inidoc_key - One "key = value"
 * @line:    where it stands
 * @section: index of its section
 * @name:    trimmed
 * @value:   trimmed, without an inline comment; may be empty
 */
struct inidoc_key {
	uint32_t line;
	uint32_t section;
	const char *name, *value;
};

/**
 * struct inidoc_section - One "[name]"
 * @line: where it stands
 * @name: trimmed text between the brackets
 */
struct inidoc_section {
	uint32_t line;
	const char *name;
};

/**
 * struct inidoc - Sections and keys in the order of the file; owns all text
 */
struct inidoc {
	struct inidoc_section *section;
	struct inidoc_key *key;
	uint32_t nsection, nkey;
};

/**
 * inidoc_read() - Take a file apart
 * @f:   the file
 * @out: out: owned by the caller, inidoc_fini(); valid on error too
 * @d:   errors of form: a line that is too long, a continuation line, a
 *       byte that is no text, a key before any section, no "="
 *
 * Return: 0 (look at d->n), -EIO or -ENOMEM
 */
int inidoc_read(FILE *f, struct inidoc *out, struct diag *d);
void inidoc_fini(struct inidoc *doc);

#endif
