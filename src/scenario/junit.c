/* SPDX-License-Identifier: MIT */
/*
 * Results of scenarios in the words of test runners: JUnit's XML and TAP 13.
 *
 * A scenario is a case.  Its steps are the case's output; the step that failed,
 * with what was expected and what came, is its message.
 */
#include <stdlib.h>

#include "internal.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool is_result(const json_t *o, enum scn_result r)
{
	return !strcmp(text_of(o, "result"), scenario_result_name(r));
}

/* The step that failed, or NULL. */
static const json_t *failed_step(const json_t *o)
{
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(o, "steps"), i, step) {
		if (!strcmp(text_of(step, "verdict"), "FAILED"))
			return step;
	}
	return NULL;
}

static double seconds(int64_t us)
{
	return (double)us / USEC_PER_SEC;
}

static int64_t took_us(const json_t *o)
{
	return json_integer_value(json_object_get(o, "took_us"));
}

/* --- XML --- */

/* Characters that XML 1.0 does not allow are not in it: scenario_clean_text().
 * In attributes a line feed would become a blank. */
static void put_xml(const char *s, bool attribute, FILE *f)
{
	for (; *s; s++) {
		if (*s == '&')
			fputs("&amp;", f);
		else if (*s == '<')
			fputs("&lt;", f);
		else if (*s == '>')
			fputs("&gt;", f);
		else if (*s == '"')
			fputs("&quot;", f);
		else if (*s == '\n' && attribute)
			fputs("&#10;", f);
		else
			fputc(*s, f);
	}
}

static void put_attribute(const char *name, const char *value, FILE *f)
{
	fprintf(f, " %s=\"", name);
	put_xml(value, true, f);
	fputc('"', f);
}

/* The report as lines, into an element. */
static void put_lines(const char *element, const json_t *o, FILE *f)
{
	char *text = NULL;
	size_t len;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		return;
	scenario_print(o, m);
	if (!fclose(m)) {
		fprintf(f, "      <%s>", element);
		put_xml(text, false, f);
		fprintf(f, "</%s>\n", element);
	}
	free(text);
}

static void put_failure(const json_t *o, FILE *f)
{
	const json_t *step = failed_step(o);
	char text[1500];

	if (!is_result(o, SCN_FAILED)) {
		fputs("      <error", f);
		put_attribute("type", text_of(o, "result"), f);
		put_attribute("message", text_of(o, "why"), f);
		fputs("/>\n", f);
		return;
	}
	if (!step)
		snprintf(text, sizeof(text), "%s", text_of(o, "why"));
	else if (json_object_get(step, "expected"))
		snprintf(text, sizeof(text),
			 "line %lld: expected: %s; came: %s",
			 (long long)json_integer_value(
				 json_object_get(step, "line")),
			 text_of(step, "expected"), text_of(step, "detail"));
	else
		snprintf(text, sizeof(text), "line %lld: %s: %s",
			 (long long)json_integer_value(
				 json_object_get(step, "line")),
			 text_of(step, "step"), text_of(step, "detail"));
	scenario_clean_text(text); /* it may have been cut */
	fputs("      <failure", f);
	put_attribute("type", step ? "step" : "run", f);
	put_attribute("message", text, f);
	fputs("/>\n", f);
}

static void put_case(const json_t *o, FILE *f)
{
	fputs("    <testcase classname=\"penstock.scenario\"", f);
	put_attribute("name", text_of(o, "scenario"), f);
	fprintf(f, " time=\"%.3f\">\n", seconds(took_us(o)));
	if (!is_result(o, SCN_HELD))
		put_failure(o, f);
	put_lines("system-out", o, f);
	if (*text_of(o, "output")) {
		fputs("      <system-err>", f);
		put_xml(text_of(o, "output"), false, f);
		fputs("</system-err>\n", f);
	}
	fputs("    </testcase>\n", f);
}

void scenario_junit(const json_t *list, FILE *out)
{
	unsigned int n = 0, failures = 0, errors = 0;
	int64_t us = 0;
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		n++;
		failures += is_result(o, SCN_FAILED);
		errors += !is_result(o, SCN_FAILED) && !is_result(o, SCN_HELD);
		us += took_us(o);
	}
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites tests=\"%u\" failures=\"%u\" errors=\"%u\" "
		"time=\"%.3f\">\n"
		"  <testsuite name=\"penstock scenarios\" tests=\"%u\" "
		"failures=\"%u\" errors=\"%u\" skipped=\"0\" time=\"%.3f\">\n",
		n, failures, errors, seconds(us), n, failures, errors,
		seconds(us));
	json_array_foreach(list, i, o)
		put_case(o, out);
	fputs("  </testsuite>\n</testsuites>\n", out);
}

/* --- TAP --- */

void scenario_tap_plan(uint32_t points, FILE *out)
{
	fprintf(out, "TAP version 13\n1..%u\n", points);
	fflush(out);
}

/* A text as YAML: what JSON may write, YAML reads. */
static void put_yaml(const char *key, const char *value, FILE *out)
{
	json_t *s = json_string(value);

	fprintf(out, "  %s: ", key);
	json_dumpf(s, out, JSON_ENCODE_ANY);
	fputc('\n', out);
	json_decref(s);
}

static void put_yaml_block(const json_t *o, FILE *out)
{
	const json_t *step = failed_step(o);

	fputs("  ---\n", out);
	put_yaml("result", text_of(o, "result"), out);
	if (*text_of(o, "why"))
		put_yaml("why", text_of(o, "why"), out);
	if (step) {
		fprintf(out, "  line: %lld\n",
			(long long)json_integer_value(
				json_object_get(step, "line")));
		put_yaml("step", text_of(step, "step"), out);
		if (json_object_get(step, "expected"))
			put_yaml("expected", text_of(step, "expected"), out);
		put_yaml("came", text_of(step, "detail"), out);
	}
	if (*text_of(o, "output"))
		put_yaml("output", text_of(o, "output"), out);
	fputs("  ...\n", out);
}

void scenario_tap(const json_t *o, uint32_t n, FILE *out)
{
	bool held = is_result(o, SCN_HELD);

	fprintf(out, "%sok %u - ", held ? "" : "not ", n);
	/* a "#" would begin a directive */
	for (const char *p = text_of(o, "scenario"); *p; p++) {
		if (*p == '#' || *p == '\\')
			fputc('\\', out);
		fputc(*p == '\n' ? '?' : *p, out);
	}
	fprintf(out, " # time=%.3f s\n", seconds(took_us(o)));
	if (!held)
		put_yaml_block(o, out);
	fflush(out);
}
