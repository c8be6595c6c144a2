/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_KEYS_H
#define PENSTOCK_CONFIG_KEYS_H

/*
 * The keys of each section: the option tables of all modules.
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

/* The structure that a row's offset is relative to. */
enum conf_base {
	CONF_IN_DAEMON,
	CONF_IN_SERVICE,
	CONF_IN_FAULT,
	CONF_BASES
};

/**
 * struct conf_row - One option table in one kind of section
 * @section: section of its keys
 * @table:   the module's table, ends with a NULL name
 * @base:    struct that @offset counts from
 * @offset:  offset of the table's own structure in it, bytes
 * @kernel_only: only keys with a kernel name (tcp_, tw_, ip_): [tcp] may set
 *           those for all services
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
 * @row:  its table; NULL: there is no such key
 */
struct conf_key {
	const struct opt_desc *desc;
	const struct conf_row *row;
};

extern const char *const conf_section_name[CONF_SECTIONS];

/* The kind of section of a header ("service web": CONF_SERVICE, with "web" in
 * *title; "" if there is none). -1: no such kind. */
int conf_section_find(const char *header, const char **title);
bool conf_section_is_titled(enum conf_section s);

/* The key @name of section @s; @row is NULL when there is none. */
struct conf_key conf_key_find(enum conf_section s, const char *name);

/* Where the value of the key goes, given the structures of CONF_BASES. */
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
