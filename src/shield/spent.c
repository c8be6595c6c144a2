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

bool spent_take(struct spent *s, const struct tuple *t, seq_t iss)
{
	struct {
		struct tuple t;
		uint32_t iss;
	} id = { *t, iss.v };
	uint64_t h = hash_bytes(&s->key, &id, sizeof(id)) | 1;
	uint64_t *set = s->tag[(h >> 32) % SPENT_SETS];

	for (uint32_t i = 0; i < SPENT_WAYS; i++) {
		if (set[i] == h)
			return false;
	}
	memmove(&set[1], &set[0], (SPENT_WAYS - 1) * sizeof(set[0]));
	set[0] = h;
	return true;
}
