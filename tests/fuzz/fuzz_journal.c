/* SPDX-License-Identifier: MIT */
/*
 * Journals of a crashed process.
 *
 * The input is a journal.  Whatever it says, it is read within its bounds, and
 * telling the peers that it names comes to an end.
 */
#include <stdlib.h>
#include <string.h>

#include "crash/tell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLOWS 64u
#define STEPS 10000

struct found {
	struct journal_flow flow[FLOWS];
	uint32_t n;
};

static bool take(void *arg, const struct journal_flow *f)
{
	struct found *all = arg;

	all->flow[all->n++] = *f;
	return all->n < FLOWS;
}

static void tell(const struct found *f)
{
	const struct tell_cfg cfg = {.flow = f->flow, .n = f->n, .rate = 1000};
	mono_t now = {1000000};
	struct tell *t = tell_new(&cfg, now);
	struct tell_counts c;
	struct tx tx[16];
	int i;

	for (i = 0; i < STEPS; i++) {
		mono_t next = tell_deadline(t, now);

		if (next.us == MONO_NEVER.us)
			break;
		if (mono_before(now, next))
			now = next;
		tell_pull(t, tx, 16, now);
	}
	tell_counts(t, &c);
	if (i == STEPS || c.open || c.reset)
		abort();
	tell_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); /* aligned */
	struct found f = {.n = 0};

	memcpy(copy, data, size);
	journal_read(copy, size, take, &f);
	tell(&f);
	free(copy);
	return 0;
}
