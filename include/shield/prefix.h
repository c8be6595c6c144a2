/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_PREFIX_H
#define PENSTOCK_SHIELD_PREFIX_H

/*
 * Address lists: prefixes of IPv4 and IPv6, each with a value; the longest one
 * that covers an address decides.
 *
 * Collected in a struct prefix_set, then made into an immutable
 * struct prefix_map for the packet path.
 */
#include "util/types.h"

/**
 * struct prefix_set - Prefixes that are being collected
 * @item: grown as needed; owned
 */
struct prefix_set {
	struct prefix {
		struct ipaddr addr;
		uint8_t len;   /* of the 128-bit address; IPv4 /n is 96 + n */
		uint8_t value; /* not 0 */
	} * item;
	size_t n, room;
};

struct prefix_map;

void prefix_set_init(struct prefix_set *s);
void prefix_set_fini(struct prefix_set *s);

/**
 * prefix_set_add_text() - Add the prefixes of one line
 * @line:  addresses and prefixes between blanks or commas; "#" or ";" begins a
 *         comment; IPv6 may stand in brackets
 * @value: their value, not 0
 * @err:   out, with -EINVAL: what was found and what is allowed
 *
 * Either the whole line is added or nothing.  A prefix with bits set beyond its
 * length is refused: either its address or its length is a mistake.
 * Return: 0, -EINVAL or -ENOMEM
 */
int prefix_set_add_text(struct prefix_set *s, const char *line, uint8_t value,
			char *err, size_t errlen);

/* If a prefix was given two values, the greater one counts.  NULL: no memory.
 * @s is not needed afterwards. */
struct prefix_map *prefix_map_new(const struct prefix_set *s);
void prefix_map_free(struct prefix_map *m);

/* The value of the longest prefix that covers @a; 0 when none does. */
uint8_t prefix_map_get(const struct prefix_map *m, const struct ipaddr *a);

/**
 * prefix_map_walk() - Walk a map as prefixes that do not overlap
 * @fn: called for each prefix whose value is not 0, first those of IPv4, in
 *      rising order; @len is of the 128-bit address
 */
void prefix_map_walk(const struct prefix_map *m,
		     void (*fn)(void *arg, const struct ipaddr *a, uint8_t len,
				uint8_t value),
		     void *arg);

#endif
