/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_CHANGE_H
#define PENSTOCK_FAULT_CHANGE_H

/*
 * One change of a set of faults, as it is written at run time.
 */
#include "fault/cfg.h"

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

#endif
