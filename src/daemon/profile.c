/* SPDX-License-Identifier: MIT */
/*
 * Profiles of peers, summed over all workers.
 */
#include <errno.h>
#include <stdlib.h>

#include "impair/impair.h"
#include "penstockd.h"

#define TEXT_BYTES 16384u /* one profile: its series are bounded */

struct profile_call {
	struct daemon *d;
	struct fault_profile *table;
	bool reset;
};

/* All workers stand still. */
static void do_profile(void *arg, mono_t now)
{
	struct profile_call *c = arg;

	(void)now;
	for (uint32_t i = 0; i < c->d->n; i++) {
		impair_profile_read(c->d->unit[i].engine, c->table);
		if (c->reset)
			impair_profile_reset(c->d->unit[i].engine);
	}
}

static json_t *profiles_json(const struct fault_profile *table)
{
	char *text = malloc(TEXT_BYTES);
	json_t *all = json_array();

	for (uint32_t i = 0; text && i < FAULT_PROFILES_MAX; i++) {
		if (!table[i].conns)
			continue;
		fault_profile_print(&table[i], text, TEXT_BYTES);
		json_array_append_new(all, json_loads(text, 0, NULL));
	}
	free(text);
	return all;
}

int profile_command(struct daemon *d, const json_t *request, json_t **result)
{
	struct profile_call c = {
		.d = d,
		.table = calloc(FAULT_PROFILES_MAX, sizeof(*c.table)),
		.reset = json_is_true(json_object_get(request, "reset")),
	};

	if (!c.table)
		return -ENOMEM;
	units_stopped_call(d, do_profile, &c);
	*result = profiles_json(c.table);
	free(c.table);
	return *result ? 0 : -ENOMEM;
}
