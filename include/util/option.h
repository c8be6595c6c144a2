/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_OPTION_H
#define PENSTOCK_UTIL_OPTION_H

/*
 * Option tables: how a module publishes the INI keys it serves.
 *
 * The INI parser knows no key by name; it knows tables.  A key that is in no
 * table is refused, so a key exists exactly from the commit on that serves it.
 */
#include "util/types.h"

enum opt_type {
	OPT_INT,    /* uint32_t; decimal or 0x... */
	OPT_ENUM,   /* uint8_t; one of @names */
	OPT_TIME,   /* int64_t microseconds; "60s", "500ms", "2m", or a bare
		     * number in units of @unit microseconds */
	OPT_SIZE,   /* uint64_t bytes; suffix K, M, G */
	OPT_TEXT,   /* char[@max + 1] */
	OPT_CUSTOM, /* by @parse */
};

/**
 * struct opt_desc - One INI key
 * @name:  the key
 * @type:  how its text is read
 * @offset: where in the section's struct the value goes
 * @min:   least value (in the field's own unit)
 * @max:   greatest value; OPT_TEXT: greatest length
 * @unit:  OPT_TIME: microseconds that a bare number counts
 * @def:   default, in INI text
 * @names: OPT_ENUM: NULL-terminated, value = index
 * @parse: OPT_CUSTOM: 0, or -EINVAL with the reason and what is allowed in
 *         @err.  Called once per line for a @repeat key.
 * @allowed: OPT_CUSTOM: one line that says what is allowed
 * @repeat: the key may stand several times; each adds
 * @help:  one line for the manual and --help
 */
struct opt_desc {
	const char *name;
	enum opt_type type;
	size_t offset;
	int64_t min, max;
	int64_t unit;
	const char *def;
	const char *const *names;
	int (*parse)(const char *text, void *field, char *err, size_t errlen);
	const char *allowed;
	bool repeat;
	const char *help;
};

/**
 * opt_parse() - Read @text into the field that @d describes
 * @base: the section's struct
 * @err:  out: what was found and what is allowed, when -EINVAL
 * Return: 0 or -EINVAL
 */
int opt_parse(const struct opt_desc *d, void *base, const char *text, char *err,
	      size_t errlen);

/* Fill @base with the defaults of a table that ends with a NULL name. */
void opt_defaults(const struct opt_desc *table, void *base);

#endif
