/* SPDX-License-Identifier: MIT */
/*
 * The table of all types.  Each type is in a file of its own or of its group
 * (type_*.c, types_*.c, corrupt.c), with its parameters and its code.  Its row
 * is in FAULT_TYPES of fault/cfg.h.
 */
#include "internal.h"

FAULT_TYPE(NONE) = {.example = NULL};

static const struct fault_type_desc *const types[FT_COUNT] = {
#define X(id, name) &fault_type_##id,
	FAULT_TYPES(X)
#undef X
};

const struct fault_type_desc *fault_desc(const struct fault_spec *s)
{
	const struct fault_type_desc *t = types[s->type];

	return t->actions && s->p[FP_ACTION].set ? t->actions[s->p[FP_ACTION].i]
						 : t;
}

const char *fault_type_example(enum fault_type t)
{
	return types[t]->example ? types[t]->example : "";
}

bool fault_type_takes(enum fault_type t, enum fault_param p, bool *needed)
{
	*needed = types[t]->needs >> p & 1;
	return types[t]->params >> p & 1;
}

bool fault_type_takes_key(enum fault_type t, const char *key)
{
	if (types[t]->actions)
		return true; /* each of them */
	return strcmp(key, types[t]->stream ? "side" : "stream") != 0;
}

/* Names of former types, and how they are written now. */
static const char *const renamed[][2] = {
	{"fin", "type=end action=fin after=byte:N"},
	{"limit_data", "type=end after=byte:N action=fin (sides=one) or close "
		       "(sides=both)"},
	{"reset_peer", "type=end action=reset"},
	{"vanish", "type=end action=vanish"},
};

const char *fault_type_renamed(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(renamed); i++)
		if (!strcmp(renamed[i][0], name))
			return renamed[i][1];
	return NULL;
}
