/* SPDX-License-Identifier: MIT */
/*
 * Several changes of the faults at once: all are checked against what the set
 * would be by then, and only when every one is good is the first one done.
 */
#include <stdlib.h>

#include "internal.h"

/* The names that the set will have after the changes so far. */
struct names {
	char name[FAULT_MAX][FAULT_NAME_MAX + 1];
	uint32_t n;
};

static int name_at(const struct names *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!strcmp(s->name[i], name))
			return (int)i;
	return -1;
}

static void names_now(const struct engine *e, struct names *s)
{
	const struct fault_set *set = e->seams ? &e->seams->set : NULL;

	s->n = 0;
	for (uint32_t i = 0; set && i < set->n; i++)
		memcpy(s->name[s->n++], set->fault[set->order[i]].spec.name,
		       sizeof(s->name[0]));
}

/* Would it succeed?  Then @s is what the set is afterwards. */
static const char *rehearse(const struct fault_change *c, struct names *s)
{
	int i = name_at(s, c->spec.name);

	switch (c->verb) {
	case FAULT_DO_ADD:
		if (i >= 0)
			return "there is a fault of this name";
		if (s->n == FAULT_MAX)
			return "too many faults, allowed: 32 at once";
		memcpy(s->name[s->n++], c->spec.name, sizeof(s->name[0]));
		return NULL;
	case FAULT_DO_RESET:
		s->n = 0;
		return NULL;
	case FAULT_DO_DEL:
		if (i >= 0)
			memcpy(s->name[i], s->name[--s->n], sizeof(s->name[0]));
		return i < 0 ? "no such fault" : NULL;
	case FAULT_DO_LEASE:
		return i < 0 ? "no such fault" : NULL;
	default:
		return NULL;
	}
}

int engine_fault_rehearse(struct engine *e, const struct fault_change *c,
			  uint32_t n, mono_t now, uint32_t *bad,
			  const char **err)
{
	struct names names;

	if (e->seams)
		seams_expire(e, now);
	names_now(e, &names);
	for (uint32_t i = 0; i < n; i++) {
		*bad = i;
		*err = rehearse(&c[i], &names);
		if (*err)
			return -EINVAL;
		if (c[i].verb != FAULT_DO_ADD || !seams_open(e, now))
			continue;
		*err = "no memory";
		return -ENOMEM;
	}
	return 0;
}

static int perform(struct engine *e, const struct fault_change *c, mono_t now)
{
	char err[200];

	switch (c->verb) {
	case FAULT_DO_ADD:
		return engine_fault_add(e, &c->spec, now, err, sizeof(err));
	case FAULT_DO_RESET:
		engine_fault_reset(e, now);
		return 0;
	case FAULT_DO_DEL:
		return engine_fault_del(e, c->spec.name, now);
	case FAULT_DO_LEASE:
		return engine_fault_lease(e, c->spec.name, c->lease_us, now);
	default:
		return 0;
	}
}

void engine_fault_perform(struct engine *e, const struct fault_change *c,
			  uint32_t n, mono_t now)
{
	for (uint32_t i = 0; i < n; i++) {
		int rc = perform(e, &c[i], now);

		assert(!rc); /* rehearsed */
		(void)rc;
	}
}

int engine_fault_batch(struct engine *e, const char *const *lines, uint32_t n,
		       mono_t now, char *err, size_t errlen)
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
	if (!bad && !engine_fault_rehearse(e, c, n, now, &at, &bad))
		engine_fault_perform(e, c, n, now);
	if (bad)
		snprintf(err, errlen, "line %u: %s", at + 1, bad);
	free(c);
	return bad ? -EINVAL : 0;
}

bool engine_fault_get(const struct engine *e, uint32_t i, mono_t now,
		      struct engine_fault *out)
{
	const struct fault_set *s = e->seams ? &e->seams->set : NULL;
	const struct fault *f;

	if (!s || i >= s->n)
		return false;
	f = &s->fault[s->order[i]];
	*out = (struct engine_fault){.spec = &f->spec,
				     .conns = f->conns,
				     .active = f->active,
				     .lease_left_us = -1};
	memcpy(out->count, f->count, sizeof(out->count));
	memcpy(out->peer, f->peer, sizeof(out->peer));
	memcpy(out->answered, f->answered, sizeof(out->answered));
	out->unwatched = f->unwatched;
	if (f->lease_end.us != MONO_NEVER.us)
		out->lease_left_us = mono_due(f->lease_end, now)
					     ? 0
					     : mono_sub(f->lease_end, now);
	return true;
}

const char *engine_fault_gone(const struct engine *e, uint32_t i,
			      struct fault_expect *expect, uint64_t *n)
{
	const struct fault_set *s = e->seams ? &e->seams->set : NULL;

	if (!s || i >= s->ngone)
		return NULL;
	*expect = s->gone[i].expect;
	*n = s->gone[i].n;
	return s->gone[i].name;
}
