/* SPDX-License-Identifier: MIT */
/*
 * penstockctl reset: end the connections of a client.
 */
#include <stdio.h>
#include <stdlib.h>

#include "penstockctl.h"

int cmd_reset(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer, *result;
	char *end = "";
	long port = 0;

	if (argc == 3)
		port = strtol(argv[2], &end, 10);
	if (argc < 2 || argc > 3 || *end || port < 0 || port > 65535)
		return usage("reset takes a client's address, and perhaps its "
			     "port");
	request = json_pack("{s:s, s:s, s:I}", "cmd", "reset", "client",
			    argv[1], "port", (json_int_t)port);
	result = ask(a, request, &answer);
	if (result && a->json)
		print_json(result);
	else if (result)
		printf("%lld connections reset\n",
		       (long long)json_integer_value(
			       json_object_get(result, "reset")));
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}
