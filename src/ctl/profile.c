/* SPDX-License-Identifier: MIT */
/*
 * penstockctl profile: how the peers' TCP behaves, as measured.
 */
#include <string.h>

#include "penstockctl.h"

#define LABEL "    %-18s"

static double field(const json_t *spread, const char *key)
{
	return json_number_value(json_object_get(spread, key));
}

static void print_ms(double ms)
{
	if (ms < 10)
		printf("%.2f ms", ms);
	else if (ms < 1000)
		printf("%.0f ms", ms);
	else
		printf("%.2f s", ms / 1000);
}

static void print_mean(const json_t *spread)
{
	print_ms(field(spread, "mean"));
}

/* The mean of each step; "-" where none was measured. */
static void print_series(const json_t *p, const char *key, const char *label)
{
	const json_t *series = json_object_get(p, key), *step;
	size_t i;

	if (!json_array_size(series))
		return;
	printf(LABEL, label);
	json_array_foreach(series, i, step) {
		if (i)
			printf(", ");
		if (json_is_null(step))
			putchar('-');
		else
			print_mean(step);
	}
	putchar('\n');
}

static void print_keepalive(const json_t *k)
{
	const json_t *idle = json_object_get(k, "idle_ms");
	const json_t *gap = json_object_get(k, "interval_ms");

	if (!json_is_object(idle))
		return;
	printf(LABEL "after ", "keepalive");
	print_mean(idle);
	if (json_is_object(gap)) {
		printf(", then every ");
		print_mean(gap);
		printf(", %.0f in a row", field(k, "count"));
	}
	putchar('\n');
}

static void print_end(const json_t *spread, const char *how)
{
	if (!json_is_object(spread))
		return;
	printf(LABEL "after ", "gives up");
	print_mean(spread);
	printf(", %s (%.0f times)\n", how, field(spread, "n"));
}

static void print_forged(const json_t *inject)
{
	const char *kind;
	json_t *f;

	json_object_foreach((json_t *)inject, kind, f) {
		printf(LABEL "%s, %.0f of %.0f as expected\n", kind,
		       json_string_value(json_object_get(f, "last")),
		       field(f, "ok"), field(f, "n"));
	}
}

static void print_profile(const json_t *p)
{
	const json_t *rtt = json_object_get(p, "rtt_ms");
	const json_t *end = json_object_get(p, "gives_up");

	printf("%s (%s): %.0f connections",
	       json_string_value(json_object_get(p, "peer")),
	       json_string_value(json_object_get(p, "side")),
	       field(p, "conns"));
	if (json_is_object(rtt)) {
		printf(", round trip ");
		print_mean(rtt);
	}
	putchar('\n');
	print_series(p, "syn_ms", "SYN retries");
	print_series(p, "syn_ack_ms", "SYN-ACK retries");
	print_series(p, "rto_ms", "timeouts");
	print_series(p, "window_probe_ms", "window probes");
	print_keepalive(json_object_get(p, "keepalive"));
	print_end(json_object_get(end, "rst_ms"), "with a RST");
	print_end(json_object_get(end, "silence_ms"), "without a word");
	print_forged(json_object_get(p, "inject"));
}

int cmd_profile(const struct args *a, int argc, char **argv)
{
	bool reset = argc == 2 && !strcmp(argv[1], "reset");
	json_t *request, *answer, *result, *p;
	size_t i;

	if (argc > 1 && !reset)
		return usage("profile takes nothing, or reset");
	request = json_pack("{s:s, s:b}", "cmd", "profile", "reset", reset);
	result = ask(a, request, &answer);
	if (result && a->json)
		print_json(result);
	else
		json_array_foreach(result, i, p)
			print_profile(p);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}
