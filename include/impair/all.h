/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_ALL_H
#define PENSTOCK_IMPAIR_ALL_H

/*
 * Faults of several engines, one for each worker, that have the same ones.
 *
 * A change is rehearsed on each engine and, when none refuses, performed on
 * each at one time.  So it happens on all or on none, and leases end together.
 * While any of these functions runs, nobody else may use one of the engines.
 */
#include "fault/sum.h"
#include "impair/impair.h"

/**
 * struct impair_all - The engines
 * @engine: @n of them
 * @line:   gets the JSON lines of decisions
 * @arg:    first argument of @line, of each engine
 */
struct impair_all {
	struct engine **engine;
	void (*line)(void *arg, const char *json);
	void **arg;
	uint32_t n;
};

/* impair_rehearse() on all of them.  Return: 0, or what one of them says */
int impair_all_rehearse(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now,
			uint32_t *bad, const char **err);

/**
 * impair_all_perform() - impair_perform() on all of them
 * After impair_all_rehearse() of the same at the same time.
 * Return: false: it is done, but there is no memory for reports
 */
bool impair_all_perform(const struct impair_all *a,
			const struct fault_change *c, uint32_t n, mono_t now);

typedef void (*impair_hit_fn)(void *arg, const char *fault,
			      const struct tuple *t);

/**
 * impair_all_match() - impair_match() of each fault that @c adds
 * @fn:     called for each connection that is hit; may be NULL
 * @spared: out: connections that match faults of scope=new
 * Return: how many are hit
 */
uint32_t impair_all_match(const struct impair_all *a,
			  const struct fault_change *c, uint32_t n,
			  impair_hit_fn fn, void *arg, uint32_t *spared);

/**
 * impair_all_list() - Faults at work, all engines together, by order
 * @f: out: room for FAULT_MAX
 * Those whose lease has ended go.  Return: how many there are
 */
uint32_t impair_all_list(const struct impair_all *a, struct fault_sum *f,
			 mono_t now);

/* impair_gone(), *@n of all engines together. */
const char *impair_all_gone(const struct impair_all *a, uint32_t i,
			    struct fault_expect *expect, uint64_t *n);

#endif
