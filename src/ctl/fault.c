/* SPDX-License-Identifier: MIT */
/*
 * penstockctl fault ...: the faults of the running daemon.  All lines of a
 * command are one request, so they take effect together or not at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault/cfg.h"
#include "penstockctl.h"

#define WATCH_US 200000 /* between two requests while nothing is reported */

/* --- changes --- */

static void print_hits(const json_t *result)
{
	const char *fault, *client, *server;
	json_t *hit;
	size_t i;

	json_array_foreach(json_object_get(result, "hits"), i, hit) {
		if (json_unpack(hit, "{s:s, s:s, s:s}", "fault", &fault,
				"client", &client, "server", &server))
			continue;
		printf("%-24s %-28s %s\n", fault, client, server);
	}
	printf("%lld connections\n",
	       (long long)json_integer_value(json_object_get(result, "count")));
}

/* Pooled connections may live for hours, so a fault that acts only on new
 * connections may seem to do nothing. */
static void print_spared(const json_t *result)
{
	json_int_t n = json_integer_value(json_object_get(result, "spared"));

	if (n)
		fprintf(stderr,
			"penstockctl: %lld living connections match, but "
			"scope=new, the default, takes only those that begin "
			"from now on (scope=all takes both)\n",
			(long long)n);
}

/* Takes @lines. */
static int send_lines(const struct args *a, json_t *lines)
{
	json_t *request = json_pack("{s:s, s:o, s:b}", "cmd", "fault", "lines",
				    lines, "dry_run", a->dry_run);
	json_t *answer, *result = ask(a, request, &answer);
	int rc = result ? EXIT_GOOD : EXIT_USAGE;

	if (result && a->json)
		print_json(result);
	else if (result && a->dry_run)
		print_hits(result);
	if (result)
		print_spared(result);
	json_decref(request);
	json_decref(answer);
	return rc;
}

/* The words from @argv on as one line, owned by the caller. */
static json_t *join_words(int argc, char **argv)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *line;

	if (!f)
		return NULL;
	for (int i = 0; i < argc; i++)
		fprintf(f, "%s%s", i ? " " : "", argv[i]);
	fclose(f);
	line = json_string(text);
	free(text);
	return line;
}

/* add, lease and reset: the words are the line. */
static int fault_line(const struct args *a, int argc, char **argv)
{
	json_t *lines = json_array();

	json_array_append_new(lines, join_words(argc, argv));
	return send_lines(a, lines);
}

static int fault_del(const struct args *a, int argc, char **argv)
{
	json_t *lines = json_array();

	for (int i = 1; i < argc; i++)
		json_array_append_new(lines,
				      json_sprintf("%s %s", argv[0], argv[i]));
	return send_lines(a, lines);
}

/* Empty lines and comments are sent as empty lines, so that line numbers in
 * errors are those of the file. */
static void read_lines(FILE *f, json_t *lines)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) > 0) {
		line[strcspn(line, "#\r\n")] = '\0';
		json_array_append_new(lines, json_string(line));
	}
	free(line);
}

static int fault_batch(const struct args *a, int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "-";
	bool in = !strcmp(path, "-");
	FILE *f = in ? stdin : fopen(path, "re");
	json_t *lines;

	if (!f) {
		fprintf(stderr, "penstockctl: %s: %s\n", path, strerror(errno));
		return EXIT_USAGE;
	}
	lines = json_array();
	read_lines(f, lines);
	if (!in)
		fclose(f);
	return send_lines(a, lines);
}

/* --- questions --- */

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* "retransmit 3, silence 1", and right and wrong answers where one is
 * expected. */
static void print_peer(const json_t *f)
{
	const json_t *peer = json_object_get(f, "peer"), *n;
	const char *kind, *sep = "    peer: ";

	json_object_foreach((json_t *)peer, kind, n) {
		printf("%s%s %lld", sep, kind,
		       (long long)json_integer_value(n));
		sep = ", ";
	}
	if (number(f, "ok") || number(f, "wrong"))
		printf("; %lld as expected, %lld not",
		       (long long)number(f, "ok"),
		       (long long)number(f, "wrong"));
	if (json_object_size(peer))
		putchar('\n');
}

static void print_fault(const json_t *f)
{
	const json_t *lease = json_object_get(f, "lease_left_ms");

	printf("%s\n", json_string_value(json_object_get(f, "line")));
	printf("    connections %lld (%lld now), matched %lld, rolled %lld, "
	       "injected %lld, suppressed %lld",
	       (long long)number(f, "conns"), (long long)number(f, "active"),
	       (long long)number(f, "matched"), (long long)number(f, "rolled"),
	       (long long)number(f, "injected"),
	       (long long)number(f, "suppressed"));
	if (json_is_integer(lease))
		printf(", lease %lld ms", (long long)json_integer_value(lease));
	putchar('\n');
	print_peer(f);
}

static int fault_list(const struct args *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s}", "cmd", "fault-list");
	json_t *answer, *result = ask(a, request, &answer), *f;
	size_t i;

	(void)argc;
	(void)argv;
	if (result && a->json)
		print_json(result);
	else
		json_array_foreach(result, i, f)
			print_fault(f);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}

static void print_reports(const json_t *result)
{
	json_int_t lost = number(result, "lost");
	json_t *line;
	size_t i;

	if (lost)
		printf("{\"lost\":%lld}\n", (long long)lost);
	json_array_foreach(json_object_get(result, "lines"), i, line) {
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
	}
	fflush(stdout);
}

/* Print decisions from now on, until the daemon or the reader is gone. */
static int fault_watch(const struct args *a, int argc, char **argv)
{
	json_int_t since = INT64_MAX;
	size_t n;

	(void)argc;
	(void)argv;
	for (;;) {
		json_t *request = json_pack("{s:s, s:I}", "cmd",
					    "fault-reports", "since", since);
		json_t *answer, *result = ask(a, request, &answer);

		json_decref(request);
		if (!result) {
			json_decref(answer);
			return EXIT_USAGE;
		}
		print_reports(result);
		since = number(result, "next");
		n = json_array_size(json_object_get(result, "lines"));
		json_decref(answer);
		if (ferror(stdout))
			return EXIT_GOOD;
		if (!n)
			usleep(WATCH_US);
	}
}

/* Print a type in one line; with @params also all its keys. */
static void print_type(enum fault_type t, bool params)
{
	const char *example = fault_type_example(t);
	bool needed;

	printf("type=%s%s%s\n", fault_type_name[t], *example ? " " : "",
	       example);
	for (int p = 0; params && p < FP_COUNT; p++) {
		if (!fault_type_takes(t, (enum fault_param)p, &needed))
			continue;
		printf("    %-16s %s%s\n",
		       fault_param_desc((enum fault_param)p)->name,
		       needed ? "(needed) " : "",
		       fault_param_desc((enum fault_param)p)->help);
	}
	if (!params)
		return;
	printf("    of all types:   ");
	for (const struct opt_desc *d = fault_options;
	     d != fault_param_desc((enum fault_param)0); d++)
		if (fault_type_takes_key(t, d->name))
			printf(" %s", d->name);
	putchar('\n');
}

static int fault_types_print(const struct args *a, int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	bool found = false;

	(void)a;
	for (int t = 1; t < FT_COUNT; t++) {
		if (only && strcmp(only, fault_type_name[t]) != 0)
			continue;
		found = true;
		print_type((enum fault_type)t, only != NULL);
	}
	if (found)
		return EXIT_GOOD;
	if (fault_type_renamed(only)) {
		fprintf(stderr, "penstockctl: %s: now %s\n", only,
			fault_type_renamed(only));
		return EXIT_USAGE;
	}
	return unknown_word("type", only, fault_type_name + 1);
}

/* @least, @most: words with the verb. */
static const struct {
	const char *verb;
	int least, most;
	int (*run)(const struct args *a, int argc, char **argv);
} verbs[] = {
	{"add", 3, INT32_MAX, fault_line},  {"del", 2, INT32_MAX, fault_del},
	{"lease", 3, 3, fault_line},	    {"reset", 1, 1, fault_line},
	{"batch", 1, 2, fault_batch},	    {"list", 1, 1, fault_list},
	{"watch", 1, 1, fault_watch},	    {"report", 1, 2, cmd_fault_report},
	{"types", 1, 2, fault_types_print},
};

int cmd_fault(const struct args *a, int argc, char **argv)
{
	const char *names[ARRAY_LEN(verbs) + 1] = {NULL};

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
		names[i] = verbs[i].verb;
		if (strcmp(argv[1], verbs[i].verb) != 0)
			continue;
		if (argc - 1 < verbs[i].least || argc - 1 > verbs[i].most)
			return usage("too few or too many words for this "
				     "`fault' command");
		return verbs[i].run(a, argc - 1, argv + 1);
	}
	if (argc > 1)
		return unknown_word("fault command", argv[1], names);
	return usage("fault takes add, del, lease, reset, batch, list, "
		     "report, watch or types");
}
