/* SPDX-License-Identifier: MIT */
/*
 * Reports a scenario's run: a line for each step, or one JSON object.
 */
#include <stdlib.h>

#include "internal.h"

static const char *const result_name[] = {
	[SCN_HELD] = "held",
	[SCN_FAILED] = "failed",
	[SCN_BAD_FILE] = "bad file",
	[SCN_NO_DAEMON] = "no daemon",
};

const char *scenario_result_name(enum scn_result r)
{
	return result_name[r];
}

/* Length of the UTF-8 character at @s that XML allows, or 0. */
static size_t char_len(const unsigned char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80	     ? 1
		   : s[0] >> 5 == 6  ? 2
		   : s[0] >> 4 == 14 ? 3
				     : 4;
	uint32_t v = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	if (s[0] >= 0xf8 || (s[0] & 0xc0) == 0x80)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ||
	    v == 0xfffe || v == 0xffff || v == 0x7f)
		return 0;
	return v >= ' ' || v == '\t' || v == '\n' ? n : 0;
}

void scenario_clean_text(char *s)
{
	size_t n;

	for (; *s; s += n ? n : 1) {
		n = char_len((unsigned char *)s);
		if (!n)
			*s = '?';
	}
}

json_t *scn_text(const char *s)
{
	char *copy = strdup(s);
	json_t *j;

	if (!copy)
		return NULL;
	scenario_clean_text(copy);
	j = json_string(copy);
	free(copy);
	return j;
}

/* --- lines, from the objects --- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static double seconds_of(const json_t *o, const char *key)
{
	return (double)json_integer_value(json_object_get(o, key)) /
	       USEC_PER_SEC;
}

static void print_step(const json_t *o, const char *file, FILE *out)
{
	const char *detail = text_of(o, "detail");
	const char *verdict = text_of(o, "verdict");

	if (json_object_get(o, "t_us"))
		fprintf(out, "%8.3f ", seconds_of(o, "t_us"));
	else
		fprintf(out, "%8s ", "-");
	fprintf(out, "%-7s %s:%lld: %s%s%s\n", verdict, file,
		(long long)json_integer_value(json_object_get(o, "line")),
		text_of(o, "step"), *detail ? "  # " : "", detail);
	if (json_object_get(o, "expected") && !strcmp(verdict, "FAILED"))
		fprintf(out, "%8s expected: %s\n%8s came:     %s\n", "",
			text_of(o, "expected"), "", detail);
}

static void print_end(const json_t *o, uint32_t held, uint32_t n, FILE *out)
{
	const char *why = text_of(o, "why");

	fprintf(out, "%s: %s%s%s: %u of %u steps in %.3f s\n",
		text_of(o, "scenario"), text_of(o, "result"), *why ? ", " : "",
		why, held, n, seconds_of(o, "took_us"));
}

void scenario_print(const json_t *o, FILE *out)
{
	json_t *step, *steps = json_object_get(o, "steps");
	uint32_t held = 0;
	size_t i;

	json_array_foreach(steps, i, step) {
		held += !strcmp(text_of(step, "verdict"), "ok");
		print_step(step, text_of(o, "scenario"), out);
	}
	print_end(o, held, (uint32_t)json_array_size(steps), out);
	fflush(out);
}

/* --- a run --- */

/* What an "expect" wants, with the time that it has. */
static json_t *expected(const struct scn_step *s)
{
	char text[600];
	bool timed = s->expect.kind == SCN_EXIT || strstr(s->arg, " within ");

	snprintf(text, sizeof(text), "%s%s", s->arg, timed ? "" : " within 5s");
	return scn_text(text);
}

void scn_report_step(struct scn_report *p, const struct scn_step *s,
		     int64_t at_us, const char *verdict, const char *detail)
{
	json_t *o = json_pack("{s:I, s:o, s:s, s:o}", "line",
			      (json_int_t)s->line, "step", scn_text(s->text),
			      "verdict", verdict, "detail", scn_text(detail));

	p->held += !strcmp(verdict, "ok");
	if (at_us >= 0)
		json_object_set_new(o, "t_us", json_integer(at_us));
	if (s->verb == SCN_DO_EXPECT)
		json_object_set_new(o, "expected", expected(s));
	if (p->r->json) {
		json_array_append_new(p->steps, o);
		return;
	}
	print_step(o, p->r->file, p->r->out);
	fflush(p->r->out);
	json_decref(o);
}

void scn_report_end(struct scn_report *p, const struct scenario *s,
		    int64_t took_us, enum scn_result result, const char *why)
{
	json_t *o = json_pack("{s:o, s:s, s:o, s:I, s:O}", "scenario",
			      scn_text(p->r->file), "result",
			      result_name[result], "why", scn_text(why),
			      "took_us", (json_int_t)took_us, "steps",
			      p->steps);

	if (p->r->json) {
		json_dumpf(o, p->r->out, JSON_INDENT(1));
		fputc('\n', p->r->out);
	} else {
		print_end(o, p->held, s->n, p->r->out);
	}
	fflush(p->r->out);
	json_decref(o);
}
