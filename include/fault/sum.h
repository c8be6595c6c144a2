/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_SUM_H
#define PENSTOCK_FAULT_SUM_H

#include "fault/react.h"

/**
 * struct fault_sum - The state of a fault, of one engine or summed over several
 * @spec:   as configured, a copy
 * @conns:  connections that its selectors matched so far
 * @active: connections that carry it now
 * @count:  enum fault_counter
 * @peer:   enum fault_reaction: what peers then did
 * @answered: how many of them were wrong [0] or right [1], where an answer is
 *            expected
 * @unwatched: decisions whose answer was not waited for
 * @lease_left_us: time until it removes itself; -1: no lease
 */
struct fault_sum {
	struct fault_spec spec;
	uint32_t conns, active;
	uint64_t count[FC_COUNT];
	uint64_t peer[FR_COUNT], answered[2], unwatched;
	int64_t lease_left_us;
};

/* Find a fault by name among @n; NULL: none. */
const struct fault_sum *fault_sum_find(const struct fault_sum *f, uint32_t n,
				       const char *name);

#endif
