/* SPDX-License-Identifier: MIT */
/*
 * penstockctl paths: what connections have learnt of the paths to their hosts.
 */
#include <string.h>

#include "penstockctl.h"

static void print_ms(const json_t *o, const char *key, const char *label)
{
	json_int_t us = json_integer_value(json_object_get(o, key));

	if (us)
		printf(" %s %lld.%03lldms", label, (long long)us / 1000,
		       (long long)us % 1000);
}

static void print_count(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	if (n)
		printf(" %s %lld", key, (long long)n);
}

static void print_rate(const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(o, "rate_bytes"));

	if (n)
		printf(" rate %.2fMbit", (double)n * 8 / 1e6);
}

/* As `ip tcp_metrics' prints. */
static void print_paths(const json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		printf("%s age %llds",
		       json_string_value(json_object_get(o, "address")),
		       (long long)json_integer_value(
			       json_object_get(o, "age_s")));
		print_ms(o, "rtt_us", "rtt");
		print_ms(o, "rttvar_us", "rttvar");
		print_count(o, "ssthresh");
		print_count(o, "cwnd");
		print_count(o, "mtu");
		print_rate(o);
		if (json_is_true(json_object_get(o, "no_ecn")))
			printf(" no_ecn");
		print_count(o, "worker");
		putchar('\n');
	}
}

/* paths [ADDRESS] | del ADDRESS | flush */
int cmd_paths(const struct args *a, int argc, char **argv)
{
	bool del = argc > 1 && !strcmp(argv[1], "del");
	bool flush = argc > 1 && !strcmp(argv[1], "flush");
	const char *host = del || flush ? argv[2] : argv[1];
	json_t *request, *answer, *result;

	if (argc > 2 + del || (del && argc < 3))
		return usage("paths [ADDRESS], paths del ADDRESS, paths flush");
	request = json_pack("{s:s, s:s*, s:b}", "cmd", "paths", "address", host,
			    "forget", del || flush);
	result = ask(a, request, &answer);
	if (result && a->json)
		print_json(result);
	else if (result && (del || flush))
		printf("%lld forgotten\n",
		       (long long)json_integer_value(
			       json_object_get(result, "forgotten")));
	else if (result)
		print_paths(result);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}
