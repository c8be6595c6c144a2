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

void scn_report_step(struct scn_report *p, const struct scn_step *s,
		     int64_t at_us, const char *verdict, const char *detail)
{
	p->held += !strcmp(verdict, "ok");
	if (p->r->json) {
		json_t *o = json_pack("{s:I, s:s, s:s, s:s}", "line",
				      (json_int_t)s->line, "step", s->text,
				      "verdict", verdict, "detail", detail);

		if (o && at_us >= 0)
			json_object_set_new(o, "t_us", json_integer(at_us));
		json_array_append_new(p->steps, o);
		return;
	}
	if (at_us >= 0)
		fprintf(p->r->out, "%8.3f ", (double)at_us / USEC_PER_SEC);
	else
		fprintf(p->r->out, "%8s ", "-");
	fprintf(p->r->out, "%-7s %s:%u: %s%s%s\n", verdict, p->r->file, s->line,
		s->text, *detail ? "  # " : "", detail);
	fflush(p->r->out);
}

void scn_report_end(struct scn_report *p, const struct scenario *s,
		    int64_t took_us, enum scn_result result, const char *why)
{
	json_t *o;

	if (!p->r->json) {
		fprintf(p->r->out, "%s: %s%s%s: %u of %u steps in %.3f s\n",
			p->r->file, result_name[result], *why ? ", " : "", why,
			p->held, s->n, (double)took_us / USEC_PER_SEC);
		fflush(p->r->out);
		return;
	}
	o = json_pack("{s:s, s:s, s:s, s:I, s:O}", "scenario", p->r->file,
		      "result", result_name[result], "why", why, "took_us",
		      (json_int_t)took_us, "steps", p->steps);
	json_dumpf(o, p->r->out, JSON_INDENT(1));
	fputc('\n', p->r->out);
	fflush(p->r->out);
	json_decref(o);
}
