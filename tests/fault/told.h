/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_TOLD_H
#define TESTS_FAULT_TOLD_H

/*
 * What tests ask of faults, as text: the list with its counters, the first
 * expectation that does not hold; and lines of changes, all or none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/set.h"
#include "impair/impair.h"

/* The reactions that came. */
static inline void told_peer(const struct impair_fault *f, char *out,
			     size_t outlen)
{
	size_t k = 0;

	out[0] = '\0';
	for (int i = 0; i < FR_COUNT && k < outlen; i++) {
		if (!f->peer[i])
			continue;
		k += (size_t)snprintf(out + k, outlen - k, "%s\"%s\":%" PRIu64,
				      k ? "," : "", fault_reaction_name[i],
				      f->peer[i]);
	}
}

/* One JSON object and a line's end; the length. */
static inline size_t told_fault(const struct impair_fault *f, char *out,
				size_t outlen)
{
	char line[FAULT_LINE_MAX + 1], peer[600];

	fault_print_line(f->spec, line, sizeof(line));
	told_peer(f, peer, sizeof(peer));
	return (size_t)snprintf(
		out, outlen,
		"{\"name\":\"%s\",\"line\":\"%s\",\"conns\":%u,\"active\":%u,"
		"\"matched\":%" PRIu64 ",\"rolled\":%" PRIu64
		",\"injected\":%" PRIu64 ",\"suppressed\":%" PRIu64
		",\"peer\":{%s},\"ok\":%" PRIu64 ",\"wrong\":%" PRIu64
		",\"unwatched\":%" PRIu64 "}\n",
		f->spec->name, line, f->conns, f->active, f->count[FC_MATCHED],
		f->count[FC_ROLLED], f->count[FC_INJECTED],
		f->count[FC_SUPPRESSED], peer, f->answered[1], f->answered[0],
		f->unwatched);
}

/* All of an engine. */
static inline void told_list(const struct engine *e, char *out, size_t outlen)
{
	struct impair_fault f;
	size_t k = 0;

	out[0] = '\0';
	for (uint32_t i = 0; k < outlen && impair_get(e, i, MONO_UNSET, &f);
	     i++)
		k += told_fault(&f, out + k, outlen - k);
}

/* Does it hold?  Else @err says what is. */
static inline bool told_holds(const char *name, const struct fault_expect *x,
			      uint64_t n, char *err, size_t errlen)
{
	if (!x->set || fault_expect_holds(x, n))
		return true;
	snprintf(err, errlen,
		 "fault %s: expected %s%s%" PRIu64 ", it is %" PRIu64, name,
		 fault_counter_name[x->counter], x->op, x->n, n);
	return false;
}

/* Do all expectations hold, also of faults whose lease has ended? */
static inline bool told_met(const struct engine *e, char *err, size_t errlen)
{
	struct fault_expect x;
	struct impair_fault f;
	const char *name;
	uint64_t n;

	for (uint32_t i = 0; impair_get(e, i, MONO_UNSET, &f); i++) {
		x = f.spec->expect;
		if (!told_holds(f.spec->name, &x, f.count[x.counter], err,
				errlen))
			return false;
	}
	for (uint32_t i = 0; (name = impair_gone(e, i, &x, &n)); i++)
		if (!told_holds(name, &x, n, err, errlen))
			return false;
	return true;
}

/* "add NAME type=...", "del NAME", "reset", "lease NAME TIME": 0, or -EINVAL
 * and nothing was changed; @err then: number of the line, what is wrong. */
static inline int told_change(struct engine *e, const char *const *lines,
			      uint32_t n, mono_t now, char *err, size_t errlen)
{
	struct fault_change *c = calloc(n ? n : 1, sizeof(*c));
	const char *bad = c ? NULL : "no memory";
	char why[1600];
	uint32_t i, at = 0;

	for (i = 0; i < n && !bad; i++) {
		if (!fault_change_parse(lines[i], &c[i], why, sizeof(why)))
			continue;
		bad = why;
		at = i;
	}
	if (!bad && !impair_rehearse(e, c, n, now, &at, &bad))
		impair_perform(e, c, n, now);
	free(c);
	if (!bad)
		return 0;
	return snprintf(err, errlen, "line %u: %s", at + 1, bad) ? -EINVAL : 0;
}

#endif
