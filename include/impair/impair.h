/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_IMPAIR_H
#define PENSTOCK_IMPAIR_IMPAIR_H

/*
 * The faults of an engine, which may be added and removed while it runs.  Until
 * the first one is added, faults cost the engine one branch a packet.
 */
#include "engine/engine.h"
#include "fault/change.h"
#include "fault/profile.h"

struct flow;

/**
 * impair_add() - Add one fault
 * @err: out: why not With scope=all it also acts on living connections.
 * Return: 0, -EEXIST, -ENOSPC or -ENOMEM
 */
int impair_add(struct engine *e, const struct fault_spec *spec, mono_t now,
	       char *err, size_t errlen);

/**
 * impair_del() - Remove a fault by name
 * What it holds is released or dropped, or its connections are reset: see
 * on_remove.  Return: 0 or -ENOENT
 */
int impair_del(struct engine *e, const char *name, mono_t now);

/* Remove all. */
void impair_reset(struct engine *e, mono_t now);

/* Renew a lease; it counts from now.  @lease_us 0: no end.  Return: 0 or
 * -ENOENT */
int impair_lease(struct engine *e, const char *name, int64_t lease_us,
		 mono_t now);

/**
 * impair_rehearse() - Would these changes, in this order, succeed?
 * @c:   @n changes
 * @bad: out: index of the first that would fail
 * @err: out: why not Removes faults whose lease has ended, and allocates the
 * memory for the first fault.  After a return of 0, impair_perform() of the
 * same changes at the same time cannot fail.
 * Return: 0, -EINVAL or -ENOMEM
 */
int impair_rehearse(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now, uint32_t *bad, const char **err);
void impair_perform(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now);

/**
 * struct impair_fault - The state of a fault
 * @spec:   as configured; valid until the next change
 * @conns:  connections that its selectors matched so far
 * @active: connections that carry it now
 * @count:  enum fault_counter
 * @peer:   enum fault_reaction: what peers then did
 * @answered: how many of them were wrong [0] or right [1], where an answer is
 *            expected
 * @unwatched: decisions whose answer was not waited for
 * @lease_left_us: time until it removes itself; -1: no lease
 */
struct impair_fault {
	const struct fault_spec *spec;
	uint32_t conns, active;
	uint64_t count[FC_COUNT];
	uint64_t peer[FR_COUNT], answered[2], unwatched;
	int64_t lease_left_us;
};

/* The fault number @i (0, 1, ...) in their order; false: there are no more. */
bool impair_get(const struct engine *e, uint32_t i, mono_t now,
		struct impair_fault *f);

/* The name of fault number @i (0, 1, ...) among those that act on @f; NULL:
 * there are no more. */
const char *impair_fault_of(const struct engine *e, const struct flow *f,
			    uint32_t i);

/**
 * impair_gone() - A fault whose lease has ended, with its expectation
 * @i: 0, 1, ...
 * @expect: out: what it expects
 * @n: out: its counter
 * Return: its name, valid until the next change; NULL: there are no more
 */
const char *impair_gone(const struct engine *e, uint32_t i,
			struct fault_expect *expect, uint64_t *n);

/**
 * impair_match() - Dry run: on which living connections would it act?
 * @spec:   with scope=new it acts on none of them
 * @fn:     called for each of them, with the client leg's addresses; may be
 *          NULL
 * @spared: increased by the number that match but are left alone because of the
 * scope Ordinals and toxicity are not considered.  Return: number of
 * connections
 */
uint32_t impair_match(const struct engine *e, const struct fault_spec *spec,
		      void (*fn)(void *arg, const struct tuple *t), void *arg,
		      uint32_t *spared);

/**
 * impair_profile_read() - What was measured of peers
 * @table: FAULT_PROFILES_MAX of them, all zero at first.  What this engine
 *         measured is added (fault_profile_merge()), so several engines can be
 *         read one after the other.  An entry without connections is not in use
 */
void impair_profile_read(const struct engine *e, struct fault_profile *table);
/* Forget what was measured of peers. */
void impair_profile_reset(struct engine *e);

/* Set the function that gets the JSON line of each decision; NULL: none. */
int impair_sink(struct engine *e, void (*fn)(void *arg, const char *json),
		void *arg, mono_t now);

/* Tell of each packet that a fault has lost instead of sending it; NULL: no
 * more.  Nothing happens in an engine that never had a fault. */
void impair_watch_lost(struct engine *e,
		       void (*fn)(void *arg, const struct tx *tx, mono_t now),
		       void *arg);

#endif
