/* SPDX-License-Identifier: MIT */
/*
 * Changes of an engine's faults.
 *
 * A batch is checked first, each change against the set as the changes before
 * it would leave it.  Only if all are valid, they are made.
 */
#include "internal.h"

int impair_add(struct engine *e, const struct fault_spec *spec, mono_t now,
	       char *err, size_t errlen)
{
	struct impair *im = impair_open(e, now);
	int slot = im ? fault_set_add(&im->set, spec, now) : -ENOMEM;

	if (slot < 0) {
		snprintf(err, errlen, "fault %s: %s", spec->name,
			 slot == -EEXIST   ? "there is one of this name"
			 : slot == -ENOSPC ? "too many faults"
					   : "no memory");
		return slot;
	}
	if (spec->scope == FAULT_ALL)
		set_join(im, slot, now);
	return 0;
}

static int slot_of(const struct impair *im, const char *name)
{
	int slot = im ? fault_set_find(&im->set, name) : -1;

	return slot < 0 ? -ENOENT : slot;
}

int impair_del(struct engine *e, const char *name, mono_t now)
{
	struct impair *im = engine_wing(e);
	int slot = slot_of(im, name);

	if (slot < 0)
		return slot;
	set_remove(im, slot, now);
	return 0;
}

void impair_reset(struct engine *e, mono_t now)
{
	struct impair *im = engine_wing(e);

	while (im && im->set.n)
		set_remove(im, im->set.order[0], now);
}

int impair_lease(struct engine *e, const char *name, int64_t lease_us,
		 mono_t now)
{
	struct impair *im = engine_wing(e);
	int slot = slot_of(im, name);

	if (slot < 0)
		return slot;
	fault_set_lease(&im->set, slot, lease_us, now);
	return 0;
}

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

static void names_now(const struct impair *im, struct names *s)
{
	const struct fault_set *set = im ? &im->set : NULL;

	s->n = 0;
	for (uint32_t i = 0; set && i < set->n; i++)
		memcpy(s->name[s->n++], set->fault[set->order[i]].spec.name,
		       sizeof(s->name[0]));
}

/* Would it succeed?  If so, @s becomes the names of the set afterwards. */
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

int impair_rehearse(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now, uint32_t *bad, const char **err)
{
	struct impair *im = engine_wing(e);
	struct names names;

	if (im)
		impair_expire(im, now);
	names_now(im, &names);
	for (uint32_t i = 0; i < n; i++) {
		*bad = i;
		*err = rehearse(&c[i], &names);
		if (*err)
			return -EINVAL;
		if (c[i].verb != FAULT_DO_ADD || impair_open(e, now))
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
		return impair_add(e, &c->spec, now, err, sizeof(err));
	case FAULT_DO_RESET:
		impair_reset(e, now);
		return 0;
	case FAULT_DO_DEL:
		return impair_del(e, c->spec.name, now);
	case FAULT_DO_LEASE:
		return impair_lease(e, c->spec.name, c->lease_us, now);
	default:
		return 0;
	}
}

void impair_perform(struct engine *e, const struct fault_change *c, uint32_t n,
		    mono_t now)
{
	for (uint32_t i = 0; i < n; i++) {
		int rc = perform(e, &c[i], now);

		assert(!rc); /* rehearsed */
		(void)rc;
	}
}
