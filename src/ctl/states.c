/* SPDX-License-Identifier: MIT */
/*
 * penstockctl states, tw, kill, drain.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "penstockctl.h"

#define DRAIN_STEP_MS 200
#define DRAIN_TIMEOUT_S 60

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The answer to a request, printed by @print unless it is to be JSON.
 * Return: the exit code */
static int show(const struct args *a, json_t *request,
		void (*print)(const json_t *result))
{
	json_t *answer, *result = ask(a, request, &answer);

	if (result && a->json)
		print_json(result);
	else if (result)
		print(result);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}

/* --- states --- */

static void print_states(const json_t *o)
{
	static const char *const names[] = {
		"ESTABLISHED", "SYN_SENT",   "SYN_RECEIVED", "FIN_WAIT_1",
		"FIN_WAIT_2",  "CLOSE_WAIT", "LAST_ACK",     "CLOSING",
		"LISTEN",      "TIME_WAIT",
	};
	const json_t *c = json_object_get(o, "client");
	const json_t *s = json_object_get(o, "server");

	printf("Total: %lld (spliced %lld)\n",
	       number_of(o, "flows") + number_of(o, "spliced"),
	       number_of(o, "spliced"));
	printf("TCP:   %lld (estab %lld, half open %lld, orphaned %lld, "
	       "timewait %lld)\n\n",
	       number_of(o, "flows"), number_of(c, "ESTABLISHED"),
	       number_of(o, "half_open"), number_of(o, "orphaned"),
	       number_of(o, "time_wait"));
	printf("%-12s %10s %10s\n", "State", "Client", "Server");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (number_of(c, names[i]) || number_of(s, names[i]))
			printf("%-12s %10lld %10lld\n", names[i],
			       number_of(c, names[i]), number_of(s, names[i]));
	}
}

int cmd_states(const struct args *a, int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return usage("states takes nothing more");
	return show(a, json_pack("{s:s}", "cmd", "states"), print_states);
}

/* --- tw --- */

static void print_tw(const json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		printf("%s %s -> %s %lld.%03llds\n", text_of(o, "service"),
		       text_of(o, "local"), text_of(o, "peer"),
		       number_of(o, "left_ms") / 1000,
		       number_of(o, "left_ms") % 1000);
	}
}

int cmd_tw(const struct args *a, int argc, char **argv)
{
	json_t *request = json_pack("{s:s, s:o}", "cmd", "tw", "filter",
				    filter_words(argc - 1, argv + 1));

	if (a->max && request)
		json_object_set_new(request, "max", json_integer(a->max));
	return show(a, request, print_tw);
}

/* --- kill --- */

static void print_killed(const json_t *o)
{
	printf("%lld connections killed\n", number_of(o, "killed"));
}

int cmd_kill(const struct args *a, int argc, char **argv)
{
	return show(a,
		    json_pack("{s:s, s:o, s:b}", "cmd", "kill", "filter",
			      filter_words(argc - 1, argv + 1), "all", a->all),
		    print_killed);
}

/* --- drain --- */

/* What is left, or -1 after an error was printed.  @on: 1, 0, or -1: look */
static long long drain_ask(const struct args *a, const char *service, int on)
{
	json_t *request =
		json_pack("{s:s, s:s}", "cmd", "drain", "service", service);
	json_t *answer, *result;
	long long left = -1;

	if (on >= 0 && request)
		json_object_set_new(request, "on", json_boolean(on));
	result = ask(a, request, &answer);
	if (result)
		left = number_of(result, "left");
	json_decref(request);
	json_decref(answer);
	return left;
}

static int drain_end(const struct args *a, const char *service, long long left)
{
	json_t *o;

	if (left < 0)
		return EXIT_USAGE;
	if (a->json) {
		o = json_pack("{s:s, s:b, s:I}", "service", service, "draining",
			      !a->undo, "left", (json_int_t)left);
		print_json(o);
		json_decref(o);
	} else if (a->undo) {
		printf("%s takes connections again\n", service);
	} else {
		printf("%s is drained, %lld connections left\n", service, left);
	}
	return left && !a->undo ? EXIT_DIFFERS : EXIT_GOOD;
}

int cmd_drain(const struct args *a, int argc, char **argv)
{
	const struct timespec step = {.tv_nsec = DRAIN_STEP_MS * 1000000l};
	long steps = (a->timeout_s < 0 ? DRAIN_TIMEOUT_S : a->timeout_s) *
		     1000 / DRAIN_STEP_MS;
	long long left;

	if (argc != 2)
		return usage("drain takes the name of a service");
	left = drain_ask(a, argv[1], !a->undo);
	for (; left > 0 && !a->undo && steps > 0; steps--) {
		nanosleep(&step, NULL);
		left = drain_ask(a, argv[1], -1);
	}
	return drain_end(a, argv[1], left);
}
