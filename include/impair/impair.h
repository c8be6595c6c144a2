/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_IMPAIR_H
#define PENSTOCK_IMPAIR_IMPAIR_H

/*
 * Faults of an engine: added and removed while it runs.  As long as none was
 * ever added the engine does not know that there is such a thing, but for one
 * branch a packet.
 */
#include "engine/engine.h"
#include "fault/change.h"
#include "fault/profile.h"

/**
 * impair_add() - Add one fault
 * @err: out: why not
 * With scope=all it takes living connections too.
 * Return: 0, -EEXIST, -ENOSPC or -ENOMEM
 */
int impair_add(struct engine *e, const struct fault_spec *spec, mono_t now,
	       char *err, size_t errlen);

/**
 * impair_del() - Remove a fault by name
 * What it holds is released, dropped, or its connections are reset, as its
 * on_remove says.  Return: 0 or -ENOENT
 */
int impair_del(struct engine *e, const char *name, mono_t now);

/* Remove all. */
void impair_reset(struct engine *e, mono_t now);

/* Renew a lease from now on; 0: it stays.  0 or -ENOENT. */
int impair_lease(struct engine *e, const char *name, int64_t lease_us,
		 mono_t now);

/**
 * impair_rehearse() - Would these changes, in this order, succeed?
 * @c:   @n changes
 * @bad: out: index of the first that would not
 * @err: out: why not
 * Faults whose lease has ended go; memory for the first fault is taken.  After
 * 0 impair_perform() of the same at the same time cannot fail.
 * Return: 0, -EINVAL or -ENOMEM
 */
int impair_rehearse(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now, uint32_t *bad, const char **err);
void impair_perform(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now);

/**
 * struct impair_fault - A fault at work
 * @spec:   as configured; valid until the next change
 * @conns:  connections that its selectors matched so far
 * @active: connections that carry it now
 * @count:  enum fault_counter
 * @peer:   enum fault_reaction: what peers then did
 * @answered: of these the wrong [0] and the right [1] answers, where declared
 * @unwatched: decisions whose reaction was not waited for
 * @lease_left_us: until it removes itself; -1: it stays
 */
struct impair_fault {
	const struct fault_spec *spec;
	uint32_t conns, active;
	uint64_t count[FC_COUNT];
	uint64_t peer[FR_COUNT], answered[2], unwatched;
	int64_t lease_left_us;
};

/* The @i'th fault (0, 1, ...) by order; false: there are no more. */
bool impair_get(const struct engine *e, uint32_t i, mono_t now,
		struct impair_fault *f);

/**
 * impair_gone() - A fault whose lease ended, with its expectation
 * @i: 0, 1, ...
 * @expect: out: what it expects
 * @n: out: its counter
 * Return: its name, valid until the next change; NULL: there are no more
 */
const char *impair_gone(const struct engine *e, uint32_t i,
			struct fault_expect *expect, uint64_t *n);

/**
 * impair_match() - Dry run: which living connections would it hit?
 * @spec:   with scope=new it hits none of them, however well they match
 * @fn:     called for each that is hit, with the client leg's addresses; may be
 *          NULL
 * @spared: grows by those that match and yet are not hit, for their scope
 * Ordinals and toxicity are not rolled.  Return: how many are hit
 */
uint32_t impair_match(const struct engine *e, const struct fault_spec *spec,
		      void (*fn)(void *arg, const struct tuple *t), void *arg,
		      uint32_t *spared);

/**
 * impair_profile_read() - What was measured of peers
 * @table: FAULT_PROFILES_MAX of them: added to, by fault_profile_merge(), so
 *         the engines of a process can be read one after the other.  All zero
 *         to begin with; an entry without connections is not in use
 */
void impair_profile_read(const struct engine *e, struct fault_profile *table);
/* Forget it. */
void impair_profile_reset(struct engine *e);

/* Where the JSON lines of decisions go; NULL: nowhere. */
int impair_sink(struct engine *e, void (*fn)(void *arg, const char *json),
		void *arg, mono_t now);

#endif
