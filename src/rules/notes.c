/* SPDX-License-Identifier: MIT */
/*
 * The notes of `rules check`: settings that are not part of the plan, but can
 * keep traffic from passing.
 */
#include <stdlib.h>

#include "rules/rules.h"
#include "rules/run.h"

#define QUEUES "/proc/net/netfilter/nfnetlink_queue"

static bool queue_is_bound(uint32_t queue)
{
	FILE *f = fopen(QUEUES, "re");
	char line[128];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= strtoul(line, NULL, 10) == queue;
	if (f)
		fclose(f);
	return found;
}

static void note_queues(const struct rules_plan *p, FILE *out)
{
	uint32_t i, first = 0, n = 0;

	for (i = 0; i < p->queues; i++) {
		if (queue_is_bound(p->queue + i))
			continue;
		if (!n++)
			first = p->queue + i;
	}
	if (!n)
		return;
	fprintf(out, "note: queue %u", first);
	if (n > 1)
		fprintf(out, " and %u more", n - 1);
	fputs(": no daemon; packets of the services are dropped\n", out);
}

static void note_forward(const char *save, FILE *out)
{
	const char *argv[] = {save, "-t", "filter", NULL};
	char *text = NULL;

	if (!run_cmd(argv, NULL, &text, true) &&
	    strstr(text, "\n:FORWARD DROP "))
		fprintf(out,
			"note: %.*s: the policy of FORWARD is DROP: what the "
			"daemon sends needs rules there that accept it, by "
			"the TUN device and by the mark\n",
			(int)strcspn(save, "-"), save);
	free(text);
}

void rules_notes(const struct rules_plan *p, FILE *out)
{
	static const char *const save[RULES_FAMILIES] = {
		[RULES_V4] = "iptables-save", [RULES_V6] = "ip6tables-save"};

	note_queues(p, out);
	for (int f = 0; f < RULES_FAMILIES; f++) {
		if (p->text[f])
			note_forward(save[f], out);
	}
}
