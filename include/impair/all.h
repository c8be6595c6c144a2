/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_ALL_H
#define PENSTOCK_IMPAIR_ALL_H

/*
 * The faults of several engines, one for each worker.  All have the same
 * faults.
 *
 * A change is rehearsed on each engine.  If none refuses, it is performed on
 * each at the same time.  So it is made on all or on none, and leases end
 * together.  While one of these functions runs, nobody else may use the
 * engines.
 */
#include "fault/sum.h"
#include "impair/impair.h"

/**
 * struct impair_all - The engines
 * @engine: @n of them
 * @line:   function that gets the JSON lines of decisions
 * @arg:    for each engine, the first argument of @line
 */
struct impair_all {
	struct engine **engine;
	void (*line)(void *arg, const char *json);
	void **arg;
	uint32_t n;
};

/* impair_rehearse() on all of them.  Return: 0, or the error of one of them */
int impair_all_rehearse(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now,
			uint32_t *bad, const char **err);

/**
 * impair_all_perform() - impair_perform() on all of them
 * Call it after impair_all_rehearse() of the same changes at the same time.
 * Return: false: it was done, but there is no memory for reports
 */
bool impair_all_perform(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now);

typedef void (*impair_hit_fn)(void *arg, const char *fault,
			      const struct tuple *t);

/**
 * impair_all_match() - impair_match() of each fault that @c adds
 * @fn:     called for each connection that it would act on; may be NULL
 * @spared: out: living connections that match faults with scope=new
 * Return: number of connections
 */
uint32_t impair_all_match(const struct impair_all *a,
			  const struct fault_change *c, uint32_t n,
			  impair_hit_fn fn, void *arg, uint32_t *spared);

/**
 * impair_all_list() - List the faults, summed over all engines, in their order
 * @f: out: room for FAULT_MAX Removes faults whose lease has ended.  Return:
 * their number
 */
uint32_t impair_all_list(const struct impair_all *a, struct fault_sum *f,
			 mono_t now);

/* impair_gone(), with *@n summed over all engines. */
const char *impair_all_gone(const struct impair_all *a, uint32_t i,
			    struct fault_expect *expect, uint64_t *n);

#endif
