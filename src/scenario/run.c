/* SPDX-License-Identifier: MIT */
/*
 * Runs a scenario.
 *
 * At most every SCN_POLL_MS the daemon is asked for what the current condition
 * needs, and for new reports.  Nothing else runs meanwhile.  Each wait ends
 * with the scenario's timeout, or when we must stop.  At the end commands are
 * killed first, then our faults are removed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"

#define LEASE_SPARE_US (5 * (int64_t)USEC_PER_SEC)
#define REPORTS_MAX 100000
#define REPORT_ASKS 64 /* for one snapshot: new reports may never end */

/* A snapshot costs the workers time: use at most this part of it (1/N). */
#define PICTURE_SHARE 10

/* The parts of a snapshot, by their bit in SCN_NEED_*. */
static const char *const picture_cmd[] = {"flows", "fault-list", "counters"};

/**
 * struct runner - The state of a run
 * @picture:  answers to @picture_cmd
 * @base:     counters when it began
 * @reports:  since it began; @since: place in the daemon's ring, @lost: of
 *            them that the ring had no room for, or we
 * @child:    @nchild commands; the last one is what "exit" is about
 * @sh:       command of an "sh" condition
 * @fault:    names that were added and not removed, @nfault of them
 * @begun:    microseconds, of our clock; @last: end of the last step
 * @cost_us:  what the last picture took
 * @why:      what ended it; "": it goes on
 * @seen:     what was found last
 */
struct runner {
	const struct scenario *s;
	const struct scn_run *r;
	struct scn_report report;
	json_t *picture[ARRAY_LEN(picture_cmd)];
	json_t *base, *reports;
	json_int_t since, lost;
	struct scn_child child[SCN_CHILDREN_MAX], sh;
	uint32_t nchild;
	char (*fault)[SCN_NAME_MAX + 1];
	uint32_t nfault;
	int64_t begun, last, cost_us;
	char why[200], seen[400];
};

static int64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static void nap(int64_t ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000,
				    .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

/* Always false. */
__attribute__((format(printf, 2, 3))) static bool see(struct runner *w,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->seen, sizeof(w->seen), fmt, ap);
	va_end(ap);
	for (size_t n = strlen(w->seen); n && w->seen[n - 1] == '\n'; n--)
		w->seen[n - 1] = '\0';
	return false;
}

/* --- the daemon --- */

/* Takes @request over.  0 with *result (owned), or -errno with @seen. */
static int ask(struct runner *w, json_t *request, json_t **result)
{
	json_t *answer = NULL, *ok;
	int err = request ? w->r->ask(w->r->arg, request, &answer) : -ENOMEM;

	json_decref(request);
	*result = NULL;
	if (err) {
		see(w, "no answer of penstockd: %s", strerror(-err));
		return err;
	}
	ok = json_object_get(answer, "ok");
	if (json_is_true(ok)) {
		*result = json_incref(json_object_get(answer, "result"));
	} else {
		const char *text =
			json_string_value(json_object_get(answer, "error"));

		see(w, "%s", text ? text : "no answer of penstockd");
		err = -EREMOTEIO;
	}
	json_decref(answer);
	return err;
}

/* One answer's reports.  *more: there may be others. */
static int take_some_reports(struct runner *w, bool *more)
{
	json_t *result, *lines;
	int err = ask(w,
		      json_pack("{s:s, s:I}", "cmd", "fault-reports", "since",
				w->since),
		      &result);

	if (err)
		return err;
	w->since = json_integer_value(json_object_get(result, "next"));
	w->lost += json_integer_value(json_object_get(result, "lost"));
	lines = json_object_get(result, "lines");
	*more = json_array_size(lines) > 0;
	if (json_array_size(w->reports) < REPORTS_MAX)
		json_array_extend(w->reports, lines);
	else
		w->lost += (json_int_t)json_array_size(lines);
	json_decref(result);
	return 0;
}

/* Take all reports: a condition needs the complete list. */
static int take_reports(struct runner *w)
{
	bool more = true;
	int err = 0;

	for (int i = 0; i < REPORT_ASKS && more && !err; i++)
		err = take_some_reports(w, &more);
	return err;
}

/* Skip old reports: remember the position of the next one. */
static int skip_reports(struct runner *w)
{
	json_t *result;
	int err = ask(w,
		      json_pack("{s:s, s:I}", "cmd", "fault-reports", "since",
				(json_int_t)INT64_MAX),
		      &result);

	if (!err)
		w->since = json_integer_value(json_object_get(result, "next"));
	json_decref(result);
	return err;
}

static int take_picture(struct runner *w, uint32_t needs)
{
	const int64_t began = clock_us();
	int err = w->s->has_report ? take_reports(w) : 0;

	for (size_t i = 0; i < ARRAY_LEN(picture_cmd) && !err; i++) {
		if (!(needs & BIT(i)))
			continue;
		json_decref(w->picture[i]);
		err = ask(w,
			  json_pack("{s:s, s:i}", "cmd", picture_cmd[i], "max",
				    20000),
			  &w->picture[i]);
	}
	w->cost_us = clock_us() - began;
	return err;
}

static enum scn_truth judge(struct runner *w, const struct scn_cond *c)
{
	const struct scn_child *last = w->nchild ? &w->child[w->nchild - 1]
						 : NULL;
	const struct scn_view v = {
		.flows = w->picture[0],
		.faults = w->picture[1],
		.counters = w->picture[2],
		.base = w->base,
		.reports = w->reports,
		.lost = w->lost,
		.ran = last,
		.exited = last && last->ended,
		.status = last ? last->status : 0,
		.sh_done = w->sh.ended,
		.sh_status = w->sh.status,
	};

	return scenario_judge(c, &v, w->seen, sizeof(w->seen));
}

/* --- waiting --- */

/* Must we stop?  Then @why says so. */
static bool must_stop(struct runner *w)
{
	if (*w->why)
		return true;
	if (w->r->stop && *w->r->stop)
		snprintf(w->why, sizeof(w->why), "interrupted");
	else if (clock_us() - w->begun >= w->s->timeout_us)
		snprintf(w->why, sizeof(w->why), "timeout");
	return *w->why;
}

/* Wait until the next snapshot. */
static void nap_between(const struct runner *w)
{
	const int64_t ms = w->cost_us * (PICTURE_SHARE - 1) / USEC_PER_MSEC;

	nap(ms < SCN_POLL_MS ? SCN_POLL_MS : ms > 1000 ? 1000 : ms);
}

static void poll_children(struct runner *w)
{
	for (uint32_t i = 0; i < w->nchild; i++)
		scn_child_poll(&w->child[i]);
}

static bool wait_until(struct runner *w, int64_t when)
{
	while (clock_us() < when) {
		if (must_stop(w))
			return see(w, "%s", w->why);
		if (take_picture(w, 0))
			return false;
		nap_between(w);
	}
	return true;
}

/* One run of the command of an "sh" condition. */
static bool run_sh(struct runner *w, const char *command)
{
	int err;

	scn_child_end(&w->sh);
	err = scn_child_start(&w->sh, command);
	if (err)
		return see(w, "cannot start it: %s", strerror(-err));
	while (!scn_child_poll(&w->sh) && !must_stop(w))
		nap(SCN_POLL_MS / 4);
	return true;
}

/* Take a snapshot and judge the condition.  False: the daemon does not
 * answer. */
static bool look(struct runner *w, const struct scn_cond *c,
		 enum scn_truth *truth)
{
	if (c->kind == SCN_SH && !run_sh(w, c->command))
		return false;
	/* commands that have ended by now are covered by the snapshot */
	poll_children(w);
	if (take_picture(w, scenario_needs(c)))
		return false;
	*truth = judge(w, c);
	return true;
}

/* Until @c is true, @within_us at most (< 0: no limit), and was for @for_us. */
static bool wait_for(struct runner *w, const struct scn_cond *c,
		     int64_t within_us, int64_t for_us)
{
	const int64_t began = clock_us();
	int64_t since = 0, now;
	enum scn_truth truth = SCN_NO;

	for (;;) {
		if (!look(w, c, &truth))
			return false;
		now = clock_us();
		if (truth != SCN_YES)
			since = 0;
		else if (!since)
			since = now;
		if (since && now - since >= for_us)
			return true;
		if (truth == SCN_NEVER)
			return false;
		if (!since && within_us >= 0 && now - began >= within_us)
			return false;
		if (must_stop(w)) {
			size_t n = strlen(w->seen);

			snprintf(w->seen + n, sizeof(w->seen) - n, "; %s",
				 w->why);
			return false;
		}
		nap_between(w);
	}
}

/* --- steps --- */

static void forget_fault(struct runner *w, const char *name)
{
	for (uint32_t i = 0; i < w->nfault; i++) {
		if (!strcmp(w->fault[i], name))
			memcpy(w->fault[i], w->fault[--w->nfault],
			       sizeof(w->fault[i]));
	}
}

static json_t *fault_request(const char *line)
{
	return json_pack("{s:s, s:[s]}", "cmd", "fault", "lines", line);
}

/* A fault of ours must not stay for long, even if we are killed. */
static json_t *add_request(struct runner *w, const struct scn_step *st)
{
	int64_t left = w->begun + w->s->timeout_us - clock_us();
	char lease[SCN_NAME_MAX + 40];

	if (w->r->keep || strstr(st->arg, " lease="))
		return fault_request(st->arg);
	snprintf(lease, sizeof(lease), "lease %s %lldms", st->fault,
		 (long long)((left + LEASE_SPARE_US) / USEC_PER_MSEC));
	return json_pack("{s:s, s:[s, s]}", "cmd", "fault", "lines", st->arg,
			 lease);
}

static bool do_fault(struct runner *w, const struct scn_step *st)
{
	json_t *result;

	if (ask(w, st->adds ? add_request(w, st) : fault_request(st->arg),
		&result))
		return false;
	json_decref(result);
	if (st->adds)
		strcpy(w->fault[w->nfault++], st->fault);
	else if (st->removes && *st->fault)
		forget_fault(w, st->fault);
	else if (st->removes)
		w->nfault = 0;
	return true;
}

static bool do_run(struct runner *w, const struct scn_step *st)
{
	struct scn_child *c = &w->child[w->nchild];
	int err;

	if (w->nchild == SCN_CHILDREN_MAX)
		return see(w, "%d commands were run, no more are possible",
			   SCN_CHILDREN_MAX);
	err = scn_child_start(c, st->arg);
	if (err)
		return see(w, "cannot start it: %s", strerror(-err));
	w->nchild++;
	if (st->background)
		return true;
	while (!scn_child_poll(c)) {
		if (must_stop(w))
			return see(w, "it still runs; %s", w->why);
		if (take_picture(w, 0))
			return false;
		nap_between(w);
	}
	see(w, "exit %d", c->status);
	return true;
}

static bool do_step(struct runner *w, const struct scn_step *st)
{
	if (st->timed &&
	    !wait_until(w, (st->relative ? w->last : w->begun) + st->at_us))
		return false;
	if (st->waits && !wait_for(w, &st->when, st->when_within_us, 0))
		return false;
	if (st->verb != SCN_DO_EXPECT)
		see(w, "%s", "");
	if (must_stop(w))
		return see(w, "%s", w->why);
	switch (st->verb) {
	case SCN_DO_FAULT:
		return do_fault(w, st);
	case SCN_DO_RUN:
		return do_run(w, st);
	default:
		return wait_for(w, &st->expect, st->within_us, st->for_us);
	}
}

static enum scn_result do_steps(struct runner *w)
{
	bool good = true;

	for (uint32_t i = 0; i < w->s->n; i++) {
		const struct scn_step *st = &w->s->step[i];

		if (!good) {
			scn_report_step(&w->report, st, -1, "not run", "");
			continue;
		}
		good = do_step(w, st);
		w->last = clock_us();
		scn_report_step(&w->report, st, w->last - w->begun,
				good ? "ok" : "FAILED", w->seen);
	}
	return good ? SCN_HELD : SCN_FAILED;
}

/* --- life --- */

/* Each worker counts by itself, so with several workers an ordinal is
 * ambiguous. */
static bool ordinals_possible(struct runner *w, const json_t *status)
{
	json_int_t n = json_integer_value(json_object_get(status, "workers"));

	if (!w->s->has_conn || n <= 1)
		return true;
	snprintf(w->why, sizeof(w->why),
		 "\"conn N\" needs workers = 1, penstockd has %lld: use "
		 "\"conn any\"",
		 (long long)n);
	return false;
}

static enum scn_result begin(struct runner *w)
{
	json_t *status;
	bool good;

	if (ask(w, json_pack("{s:s}", "cmd", "status"), &status) ||
	    ask(w, json_pack("{s:s}", "cmd", "counters"), &w->base)) {
		snprintf(w->why, sizeof(w->why), "%.*s",
			 (int)sizeof(w->why) - 1, w->seen);
		return SCN_NO_DAEMON;
	}
	good = ordinals_possible(w, status);
	json_decref(status);
	if (good && w->s->has_report && skip_reports(w)) {
		snprintf(w->why, sizeof(w->why), "%.*s",
			 (int)sizeof(w->why) - 1, w->seen);
		good = false;
	}
	w->reports = json_array();
	return good ? SCN_HELD : SCN_FAILED;
}

static void clean_up(struct runner *w)
{
	json_t *result;

	scn_child_end(&w->sh);
	for (uint32_t i = 0; i < w->nchild; i++)
		scn_child_end(&w->child[i]);
	for (uint32_t i = 0; i < w->nfault && !w->r->keep; i++) {
		char line[SCN_NAME_MAX + 8];

		snprintf(line, sizeof(line), "del %s", w->fault[i]);
		/* it is no error if it has removed itself */
		ask(w, fault_request(line), &result);
		json_decref(result);
	}
	for (size_t i = 0; i < ARRAY_LEN(w->picture); i++)
		json_decref(w->picture[i]);
	json_decref(w->base);
	json_decref(w->reports);
	json_decref(w->report.steps);
	free(w->fault);
}

enum scn_result scenario_run(const struct scenario *s, const struct scn_run *r)
{
	struct runner *w = calloc(1, sizeof(*w));
	enum scn_result result = SCN_FAILED;

	if (!w)
		return SCN_FAILED;
	w->s = s;
	w->r = r;
	w->report.r = r;
	w->report.steps = json_array();
	w->fault = calloc(s->n, sizeof(*w->fault));
	w->begun = w->last = clock_us();
	if (w->fault && w->report.steps)
		result = begin(w);
	if (result == SCN_HELD)
		result = do_steps(w);
	scn_report_end(&w->report, s, clock_us() - w->begun, result, w->why);
	clean_up(w);
	free(w);
	return result;
}
