/* SPDX-License-Identifier: MIT */
/*
 * penstockctl fault report: prints the decisions that the daemon still has,
 * each in a line with what the peer then did.
 */
#include <string.h>

#include "penstockctl.h"

#define ROUNDS_MAX 16 /* new ones may come as fast as we read */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* Each worker numbers its own decisions. */
static void make_key(const json_t *line, const char *id, char *key, size_t len)
{
	snprintf(key, len, "%lld/%lld", number(line, "worker"),
		 number(line, id));
}

/* All lines; owned by the caller.  NULL after an error was printed. */
static json_t *fetch(const struct args *a, json_int_t *lost)
{
	json_t *all = json_array(), *request, *answer, *result;
	json_int_t since = 0;
	int rounds = 0;
	size_t n;

	do {
		request = json_pack("{s:s, s:I}", "cmd", "fault-reports",
				    "since", since);
		result = ask(a, request, &answer);
		json_decref(request);
		if (!result) {
			json_decref(answer);
			json_decref(all);
			return NULL;
		}
		*lost += number(result, "lost");
		since = number(result, "next");
		n = json_array_size(json_object_get(result, "lines"));
		json_array_extend(all, json_object_get(result, "lines"));
		json_decref(answer);
	} while (n && ++rounds < ROUNDS_MAX);
	return all;
}

static void print_after(const json_t *re)
{
	double ms = (double)number(re, "after_us") / 1000;

	printf("  %s after ", text(re, "peer"));
	if (ms < 1000)
		printf("%.*f ms", ms < 10 ? 2 : 0, ms);
	else
		printf("%.2f s", ms / 1000);
	if (json_object_get(re, "expected"))
		printf("%s%s",
		       json_is_true(json_object_get(re, "ok")) ? ", as expected"
							       : ", not ",
		       json_is_true(json_object_get(re, "ok"))
			       ? ""
			       : text(re, "expected"));
}

/* @re: the line about the peer, or NULL. */
static void print_decision(const json_t *d, const json_t *re)
{
	printf("%lld.%06lld %-16s %lld %s %-9s %-9s", number(d, "t") / 1000000,
	       number(d, "t") % 1000000, text(d, "fault"), number(d, "conn"),
	       text(d, "side"), text(d, "dir"), text(d, "action"));
	printf(" %lld+%lld", number(d, "off"), number(d, "len"));
	if (re)
		print_after(re);
	putchar('\n');
}

int cmd_fault_report(const struct args *a, int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	json_t *answers = json_object(), *all, *line;
	json_int_t lost = 0;
	char key[64];
	size_t i;

	all = fetch(a, &lost);
	json_array_foreach(all, i, line) {
		make_key(line, "re", key, sizeof(key));
		if (json_object_get(line, "re"))
			json_object_set(answers, key, line);
	}
	if (lost)
		fprintf(stderr, "penstockctl: %lld older lines are gone\n",
			(long long)lost);
	json_array_foreach(all, i, line) {
		if (!json_object_get(line, "id") ||
		    (only && strcmp(only, text(line, "fault")) != 0))
			continue;
		make_key(line, "id", key, sizeof(key));
		json_object_set(line, "answer", json_object_get(answers, key));
		if (!a->json)
			print_decision(line, json_object_get(answers, key));
		else if (json_dumpf(line, stdout, JSON_COMPACT) == 0)
			putchar('\n');
	}
	json_decref(answers);
	if (!all)
		return EXIT_USAGE;
	json_decref(all);
	return EXIT_GOOD;
}
