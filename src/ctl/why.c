/* SPDX-License-Identifier: MIT */
/*
 * penstockctl flows, why: the connections, and what limits each of them.
 */
#include "api/flows.h"
#include "penstockctl.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_flow(const json_t *flow)
{
	flow_print(flow, stdout);
	putchar('\n');
}

static void print_why(const json_t *v)
{
	printf("%s %s -> %s serial=%lld\n    %s\n", text(v, "service"),
	       text(v, "client"), text(v, "server"),
	       (long long)json_integer_value(json_object_get(v, "serial")),
	       text(v, "why"));
}

/* COMMAND [FILTER] */
static int list(const struct args *a, int argc, char **argv,
		void (*print)(const json_t *one))
{
	json_t *request, *answer, *result, *v;
	size_t i;

	request = json_pack("{s:s, s:o}", "cmd", argv[0], "filter",
			    filter_words(argc - 1, argv + 1));
	if (a->max && request)
		json_object_set_new(request, "max", json_integer(a->max));
	result = ask(a, request, &answer);
	if (result && a->json)
		print_json(result);
	json_array_foreach(a->json ? NULL : result, i, v)
		print(v);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}

int cmd_flows(const struct args *a, int argc, char **argv)
{
	return list(a, argc, argv, print_flow);
}

int cmd_why(const struct args *a, int argc, char **argv)
{
	return list(a, argc, argv, print_why);
}
