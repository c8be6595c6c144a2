/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_SUM_H
#define PENSTOCK_FAULT_SUM_H

#include "fault/react.h"

/**
 * struct fault_sum - A fault at work, on one engine or on several together
 * @spec:   as configured, a copy
 * @conns:  connections that its selectors matched so far
 * @active: connections that carry it now
 * @count:  enum fault_counter
 * @peer:   enum fault_reaction: what peers then did
 * @answered: of these the wrong [0] and the right [1] answers, where declared
 * @unwatched: decisions whose reaction was not waited for
 * @lease_left_us: until it removes itself; -1: it stays
 */
struct fault_sum {
	struct fault_spec spec;
	uint32_t conns, active;
	uint64_t count[FC_COUNT];
	uint64_t peer[FR_COUNT], answered[2], unwatched;
	int64_t lease_left_us;
};

/* The one of this name among @n; NULL: there is none. */
const struct fault_sum *fault_sum_find(const struct fault_sum *f, uint32_t n,
				       const char *name);

#endif
