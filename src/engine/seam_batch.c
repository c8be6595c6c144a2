/* SPDX-License-Identifier: MIT */
/*
 * Several changes of the faults at once: all are checked against what the set
 * would be by then, and only when every one is good is the first one done.
 */
#include <stdlib.h>

#include "seams.h"

enum verb {
	VERB_ADD,
	VERB_DEL,
	VERB_RESET,
	VERB_LEASE
};

struct change {
	enum verb verb;
	struct fault_spec spec; /* add; name also of del, lease */
	int64_t lease_us;
};

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

static int read_change(const char *line, struct change *c, char *err,
		       size_t errlen)
{
	static const struct opt_desc lease = {.type = OPT_TIME,
					      .max = INT64_C(1) << 50,
					      .unit = USEC_PER_MSEC};
	char verb[8] = "", time[32] = "";
	int at = 0;

	if (sscanf(line, "%7s %n", verb, &at) < 1)
		verb[0] = '\0';
	if (!strcmp(verb, "add")) {
		c->verb = VERB_ADD;
		return fault_parse_line(line + at, &c->spec, err, errlen);
	}
	if (!strcmp(verb, "reset") && !line[at]) {
		c->verb = VERB_RESET;
		return 0;
	}
	if (!strcmp(verb, "del") &&
	    sscanf(line + at, "%31s %n", c->spec.name, &at) == 1) {
		c->verb = VERB_DEL;
		return 0;
	}
	if (!strcmp(verb, "lease") &&
	    sscanf(line + at, "%31s %31s", c->spec.name, time) == 2) {
		c->verb = VERB_LEASE;
		return opt_parse(&lease, &c->lease_us, time, err, errlen);
	}
	snprintf(err, errlen,
		 "found \"%.64s\", allowed: add NAME type=..., del NAME, "
		 "reset, lease NAME TIME",
		 line);
	return -EINVAL;
}

/* Would it succeed?  Then @s is what the set is afterwards. */
static const char *rehearse(const struct change *c, struct names *s)
{
	int i = name_at(s, c->spec.name);

	switch (c->verb) {
	case VERB_ADD:
		if (i >= 0)
			return "there is a fault of this name";
		if (s->n == FAULT_MAX)
			return "too many faults";
		memcpy(s->name[s->n++], c->spec.name, sizeof(s->name[0]));
		return NULL;
	case VERB_RESET:
		s->n = 0;
		return NULL;
	case VERB_DEL:
		if (i >= 0)
			memcpy(s->name[i], s->name[--s->n], sizeof(s->name[0]));
		return i < 0 ? "no such fault" : NULL;
	default:
		return i < 0 ? "no such fault" : NULL;
	}
}

static int perform(struct engine *e, const struct change *c, mono_t now,
		   char *err, size_t errlen)
{
	switch (c->verb) {
	case VERB_ADD:
		return engine_fault_add(e, &c->spec, now, err, errlen);
	case VERB_RESET:
		engine_fault_reset(e, now);
		return 0;
	case VERB_DEL:
		return engine_fault_del(e, c->spec.name, now);
	default:
		return engine_fault_lease(e, c->spec.name, c->lease_us, now);
	}
}

int engine_fault_batch(struct engine *e, const char *const *lines, uint32_t n,
		       mono_t now, char *err, size_t errlen)
{
	struct change *c = calloc(n ? n : 1, sizeof(*c));
	struct names names;
	char why[600];
	const char *bad = c ? NULL : "no memory";
	uint32_t i = 0;

	names_now(e, &names);
	for (; i < n && !bad; i++) {
		if (read_change(lines[i], &c[i], why, sizeof(why)))
			bad = why;
		else
			bad = rehearse(&c[i], &names);
	}
	if (bad) {
		snprintf(err, errlen, "line %u: %s", i, bad);
		free(c);
		return -EINVAL;
	}
	for (i = 0; i < n; i++)
		perform(e, &c[i], now, err, errlen);
	free(c);
	return 0;
}
