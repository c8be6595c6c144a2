/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "shield/spent.h"

int spent_init(struct spent *s, const uint8_t secret[32])
{
	hash_derive(&s->key, secret, "spent", 0);
	s->tag = calloc(SPENT_SETS, sizeof(*s->tag));
	return s->tag ? 0 : -ENOMEM;
}

void spent_fini(struct spent *s)
{
	free(s->tag);
	s->tag = NULL;
}

static uint64_t *locate(struct spent *s, const struct tuple *t, seq_t iss,
			uint64_t *tag)
{
	struct {
		struct tuple t;
		uint32_t iss;
	} id = {*t, iss.v};

	*tag = hash_bytes(&s->key, &id, sizeof(id)) | 1;
	return s->tag[(*tag >> 32) % SPENT_SETS];
}

bool spent_take(struct spent *s, const struct tuple *t, seq_t iss)
{
	uint64_t tag, *set = locate(s, t, iss, &tag);

	for (uint32_t i = 0; i < SPENT_WAYS; i++) {
		if (set[i] == tag)
			return false;
	}
	memmove(&set[1], &set[0], (SPENT_WAYS - 1) * sizeof(set[0]));
	set[0] = tag;
	return true;
}

void spent_undo(struct spent *s, const struct tuple *t, seq_t iss)
{
	uint64_t tag, *set = locate(s, t, iss, &tag);

	for (uint32_t i = 0; i < SPENT_WAYS; i++) {
		if (set[i] == tag)
			set[i] = 0;
	}
}
