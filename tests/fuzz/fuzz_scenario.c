/* SPDX-License-Identifier: MIT */
/*
 * Any text as a scenario: it is read or refused with a reason, and what was
 * read can be judged on a picture of the daemon.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "scenario/scenario.h"

static const char picture[] =
	"[\"web 10.0.0.2:1 -> 10.0.0.1:80 client(ESTABLISHED a=0) "
	"server(CLOSED a=0) serial=1\",{\"name\":\"FlowsOpened\",\"value\":1},"
	"{\"name\":\"a\",\"injected\":3,\"fault\":\"a\",\"off\":7},3,null]";

static void judge(const struct scn_cond *c, const struct scn_view *v)
{
	char seen[64];

	scenario_judge(c, v, seen, sizeof(seen));
	assert(strlen(seen) < sizeof(seen));
	assert(scenario_needs(c) < BIT(3));
}

static void judge_all(const struct scenario *s)
{
	json_t *j = json_loads(picture, 0, NULL);
	const struct scn_view v = {.flows = j,
				   .faults = j,
				   .counters = j,
				   .base = j,
				   .reports = j};

	for (uint32_t i = 0; i < s->n; i++) {
		const struct scn_step *st = &s->step[i];

		assert(st->line && st->text);
		if (st->waits)
			judge(&st->when, &v);
		if (st->verb == SCN_DO_EXPECT)
			judge(&st->expect, &v);
		else
			assert(st->arg);
	}
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const set[] = {"A=b c", "B="};
	char *text = malloc(size + 1), *said = NULL;
	struct scenario *s;
	size_t len;
	FILE *f = open_memstream(&said, &len);
	int rc;

	memcpy(text, data, size);
	text[size] = '\0';
	rc = scenario_parse(text, "x", set, 2, &s, f);
	fclose(f);
	assert(rc == 0 || rc == -EINVAL);
	assert(!rc == !len && !rc == (s != NULL));
	if (s)
		judge_all(s);
	scenario_free(s);
	free(said);
	free(text);
	return 0;
}
