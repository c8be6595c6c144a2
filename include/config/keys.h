/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_KEYS_H
#define PENSTOCK_CONFIG_KEYS_H

/*
 * Which section has which keys: the modules' option tables, joined.
 */
#include <stdio.h>

#include "util/option.h"
#include "util/types.h"

enum conf_section {
	CONF_PENSTOCK,
	CONF_TCP,
	CONF_SERVICE,
	CONF_FAULT,
	CONF_SECTIONS
};

/* The struct that a row's offset counts from. */
enum conf_base {
	CONF_IN_DAEMON,
	CONF_IN_SERVICE,
	CONF_IN_FAULT,
	CONF_BASES
};

/**
 * struct conf_row - One option table in one kind of section
 * @section: where its keys may stand
 * @table:   the module's table, ends with a NULL name
 * @base:    struct that @offset counts from
 * @offset:  where in it the table's own struct lies, bytes
 * @kernel_only: only keys that bear a kernel name (tcp_, tw_, ip_): those are
 *           what [tcp] may set for all services
 */
struct conf_row {
	enum conf_section section;
	const struct opt_desc *table;
	enum conf_base base;
	size_t offset;
	bool kernel_only;
};

/**
 * struct conf_key - A key found
 * @desc: what it is
 * @row:  the table it stands in; NULL when there is no such key
 */
struct conf_key {
	const struct opt_desc *desc;
	const struct conf_row *row;
};

extern const char *const conf_section_name[CONF_SECTIONS];

/* The kind of section a header names ("service web" -> CONF_SERVICE, with
 * *title "web"; "" when none); -1 when there is no such kind. */
int conf_section_find(const char *header, const char **title);
bool conf_section_is_titled(enum conf_section s);

/* The key @name of section @s; @row is NULL when there is none. */
struct conf_key conf_key_find(enum conf_section s, const char *name);

/* Where the key's value lies, given the structs of CONF_BASES. */
void *conf_key_base(const struct conf_key *k, void *const bases[CONF_BASES]);

/* Write the defaults of every key of @s into the structs. */
void conf_defaults(enum conf_section s, void *const bases[CONF_BASES]);

/* The known key nearest to @name in @s, or NULL when none is near. */
const char *conf_key_nearest(enum conf_section s, const char *name);
/* The section besides @s that has a key @name, or -1. */
int conf_key_elsewhere(enum conf_section s, const char *name);

/* "1..64", "one of pass, drop, reset", ... */
void conf_key_allowed(const struct opt_desc *d, char *buf, size_t len);

/* Every key: section, name, default, what is allowed, help; tab separated. */
void conf_keys_print(FILE *out);

#endif
