/* SPDX-License-Identifier: MIT */
/*
 * penstockctl why: what limits each connection, in a sentence.
 */
#include "penstockctl.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int cmd_why(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer, *result, *v;
	size_t i;

	if (argc > 2)
		return usage("why takes one filter at most");
	request = json_pack("{s:s, s:s}", "cmd", "why", "filter",
			    argc > 1 ? argv[1] : "");
	if (a->max && request)
		json_object_set_new(request, "max", json_integer(a->max));
	result = ask(a, request, &answer);
	if (result && a->json)
		print_json(result);
	json_array_foreach(a->json ? NULL : result, i, v)
		printf("%s %s -> %s serial=%lld\n    %s\n", text(v, "service"),
		       text(v, "client"), text(v, "server"),
		       (long long)json_integer_value(
			       json_object_get(v, "serial")),
		       text(v, "why"));
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}
