/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_CHANGE_H
#define PENSTOCK_FAULT_CHANGE_H

/*
 * Changes of a set of faults: as they are written at run time, and those that
 * a new configuration makes.
 */
#include <stdio.h>

#include "fault/sum.h"

enum fault_verb {
	FAULT_DO_ADD,
	FAULT_DO_DEL,
	FAULT_DO_RESET, /* remove all */
	FAULT_DO_LEASE,
	FAULT_DO_NOTHING /* for an empty line */
};

/**
 * struct fault_change - What to do
 * @verb:     enum fault_verb
 * @spec:     of ADD; only the name of DEL and LEASE
 * @lease_us: of LEASE: counted from now; 0: no end
 */
struct fault_change {
	uint8_t verb;
	struct fault_spec spec;
	int64_t lease_us;
};

/**
 * fault_change_parse() - Read one line
 * @line: "add NAME type=...", "del NAME", "reset" or "lease NAME TIME"
 * @c:    out
 * Return: 0, or -EINVAL with @err
 */
int fault_change_parse(const char *line, struct fault_change *c, char *err,
		       size_t errlen);

/**
 * fault_changes_read() - Read lines; each that is wrong is told
 * @line:     @n of them; NULL in place of one that is no text
 * @services: names that the key "service" may have; NULL ends them
 * @c:        out: room for @n.  An empty line is FAULT_DO_NOTHING
 * Return: 0, or -EINVAL with lines on @errors
 */
int fault_changes_read(const char *const *line, uint32_t n,
		       const char *const *services, struct fault_change *c,
		       FILE *errors);

/* Begin an error about line @i of @n; that goes without saying if it is the
 * only one. */
void fault_change_name_line(FILE *errors, uint32_t i, uint32_t n);

/**
 * struct fault_file - The faults of a configuration
 * @fault: @n of them; borrowed
 */
struct fault_file {
	const struct fault_spec *fault;
	uint32_t n;
};

/* Are they written in the same words? */
bool fault_same(const struct fault_spec *a, const struct fault_spec *b);

/* The one of this name; NULL: there is none. */
const struct fault_spec *fault_file_find(const struct fault_file *f,
					 const char *name);

/**
 * fault_plan() - What makes the faults of a file those of @new
 * @old:  the file as it was
 * @live: @n faults at work
 * @c:    out: room for @n + @new->n
 *
 * Of the living ones, those go that came from @old and are not in @new, or not
 * so.  Those of @new that are missing come.  Equal ones stay, and so do those
 * that came from elsewhere.  Return: number of changes
 */
uint32_t fault_plan(const struct fault_file *old, const struct fault_file *new,
		    const struct fault_sum *live, uint32_t n,
		    struct fault_change *c);

#endif
