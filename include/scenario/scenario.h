/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SCENARIO_SCENARIO_H
#define PENSTOCK_SCENARIO_SCENARIO_H

/*
 * Scenarios: a text file of steps that add faults to a running penstockd, start
 * traffic, and say what is expected.
 *
 * Steps are done one after the other, in the order of the file; "at" and "when"
 * make a step wait.  The first one that fails ends the scenario.
 * docs/penstock-scenario.5 describes the language.
 *
 * There are three parts: the parser (pure), the judge of conditions on a
 * snapshot of the daemon (pure), and the runner, which takes snapshots over the
 * control socket every SCN_POLL_MS and starts commands.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "util/types.h"

#define SCN_NAME_MAX 63
#define SCN_MATCH_MAX 8
#define SCN_STEPS_MAX 1000
#define SCN_SERVICES_MAX 16
#define SCN_POLL_MS 20
#define SCN_TIMEOUT_US (60 * (int64_t)USEC_PER_SEC)
#define SCN_WITHIN_US (5 * (int64_t)USEC_PER_SEC) /* of an expectation */

enum scn_kind {
	SCN_CONN,
	SCN_FAULT,
	SCN_COUNTER,
	SCN_REPORT,
	SCN_FLOWS,
	SCN_EXIT,
	SCN_SH,
};

enum scn_op {
	SCN_EQ,
	SCN_NE,
	SCN_GE,
	SCN_LE,
	SCN_GT,
	SCN_LT,
};

/* The leg of a connection that a state is about. */
enum scn_side {
	SCN_EITHER,
	SCN_CLIENT,
	SCN_SERVER,
};

/**
 * struct scn_match - One "key=value" of a report
 * @key:   of the JSON object
 * @op:    enum scn_op
 * @value: text; numbers are compared as numbers
 */
struct scn_match {
	char key[SCN_NAME_MAX + 1];
	uint8_t op;
	char value[SCN_NAME_MAX + 1];
};

/**
 * struct scn_cond - A condition
 * @kind:    enum scn_kind
 * @ordinal: SCN_CONN: of the connection since the scenario began, from 1; 0 =
 *           any
 * @gone:    SCN_CONN: it has ended
 * @side:    enum scn_side
 * @states:  bit N: state number N (RFC 9293 3.3.2, as in reports); 0: any
 * @name:    SCN_FAULT: the fault; SCN_COUNTER: the counter
 * @part:    SCN_FAULT: its counter; SCN_COUNTER: the service, "" = all
 * @op:      enum scn_op, with @n: what a number is compared with
 * @n:       the number
 * @match:   SCN_REPORT: @nmatch of them, all must be true
 * @command: SCN_SH: for /bin/sh; owned
 */
struct scn_cond {
	uint8_t kind, op, side, nmatch;
	bool gone;
	uint16_t states;
	uint32_t ordinal;
	int64_t n;
	char name[SCN_NAME_MAX + 1], part[SCN_NAME_MAX + 1];
	struct scn_match match[SCN_MATCH_MAX];
	char *command;
};

enum scn_verb {
	SCN_DO_FAULT, /* add, del, reset, lease: a line for the daemon */
	SCN_DO_RUN,
	SCN_DO_EXPECT,
};

/**
 * struct scn_step - One step
 * @line:  of the file
 * @text:  as written, with variables replaced; owned
 * @timed: wait until @at_us after the scenario's begin; @relative: after the
 *         step before
 * @waits: wait until @when is true, @when_within_us at most; < 0: as long as
 *         the scenario may last
 * @verb:  enum scn_verb
 * @arg:   SCN_DO_FAULT: the line; SCN_DO_RUN: the command; SCN_DO_EXPECT: the
 *         condition; in @text
 * @fault: SCN_DO_FAULT: the name that it adds or removes, or ""
 * @service: with @adds: the service whose connections it acts on; "" = all
 * @adds:  it adds @fault
 * @removes: it removes @fault; "" = all
 * @background: SCN_DO_RUN: go on at once
 * @expect: SCN_DO_EXPECT
 * @within_us: SCN_DO_EXPECT: it must be true by then; < 0: as long as the
 *             scenario may last
 * @for_us: ... and stay true so long
 */
struct scn_step {
	uint32_t line;
	char *text;
	const char *arg;
	bool timed, relative, waits, adds, removes, background;
	uint8_t verb;
	int64_t at_us, when_within_us, within_us, for_us;
	char fault[SCN_NAME_MAX + 1], service[SCN_NAME_MAX + 1];
	struct scn_cond when, expect;
};

/**
 * struct scenario - A whole file
 * @step:       @n of them, owned
 * @timeout_us: for all of it
 * @has_conn:   some condition asks for a connection by its ordinal
 * @has_report: some condition asks for reports
 * @service:    @nservice names: what its traffic is for, as it says itself
 */
struct scenario {
	uint32_t n;
	struct scn_step *step;
	int64_t timeout_us;
	bool has_conn, has_report;
	char service[SCN_SERVICES_MAX][SCN_NAME_MAX + 1];
	uint32_t nservice;
};

/**
 * scenario_parse() - Read a scenario
 * @text:   the file's contents
 * @file:   its name, for errors
 * @set:    "NAME=VALUE" words that variables get; they win over the file's
 * @nset:   how many
 * @out:    out: to be freed with scenario_free()
 * @errors: every error: file, line, what was found, what is allowed
 *
 * Pure; also judges the specs of the faults that are added.
 * Return: 0, -EINVAL after the errors were printed, or -ENOMEM
 */
int scenario_parse(const char *text, const char *file, const char *const *set,
		   uint32_t nset, struct scenario **out, FILE *errors);
/* NULL is fine. */
void scenario_free(struct scenario *s);

/**
 * scenario_collide() - Would two scenarios disturb each other?
 *
 * Two that run at the same time on one daemon must share neither a service nor
 * the name of a fault.  One that says nothing of services, or looks at the
 * whole daemon (connections by number, counters of all services, all faults),
 * collides with every other one.
 */
bool scenario_collide(const struct scenario *a, const struct scenario *b);

/**
 * struct scn_view - A snapshot of the daemon; members are borrowed
 * @flows:    answer to "flows"
 * @faults:   answer to "fault-list"
 * @counters: answer to "counters"
 * @base:     the same when the scenario began
 * @reports:  objects of "fault-reports" since the scenario began
 * @lost:     number of reports that were lost
 * @exited:   the last command run has ended, with @status
 * @ran:      there is a last command
 * @status:   0-255; 128 + N for signal N
 * @sh_done:  the condition's command has ended, with @sh_status
 *
 * Parts that a condition does not need may be NULL: scenario_needs().
 */
struct scn_view {
	const json_t *flows, *faults, *counters, *base, *reports;
	bool ran, exited, sh_done;
	int status, sh_status;
	int64_t lost;
};

enum scn_truth {
	SCN_NO,
	SCN_YES,
	SCN_NEVER, /* no, and it cannot become true any more */
};

/**
 * scenario_judge() - Is a condition true for a snapshot?
 * @c:    the condition
 * @v:    the picture
 * @seen: out: what was found, for the report
 * @len:  room of @seen
 */
enum scn_truth scenario_judge(const struct scn_cond *c,
			      const struct scn_view *v, char *seen, size_t len);

#define SCN_NEED_FLOWS BIT(0)
#define SCN_NEED_FAULTS BIT(1)
#define SCN_NEED_COUNTERS BIT(2)

/* The parts of a snapshot that a condition needs: SCN_NEED_*. */
uint32_t scenario_needs(const struct scn_cond *c);

/**
 * struct scn_run - How to run a scenario
 * @ask:  a request of the control protocol; 0 with the answer (owned by the
 *        caller), or -errno when there is none
 * @arg:  its first argument
 * @out:  where the report goes
 * @json: as one JSON object at the end, instead of a line a step
 * @keep: leave the faults that were added
 * @file: name of the scenario, for the report
 * @stop: not 0: stop as soon as possible, and clean up
 */
struct scn_run {
	int (*ask)(void *arg, const json_t *request, json_t **answer);
	void *arg;
	FILE *out;
	bool json, keep;
	const char *file;
	const volatile sig_atomic_t *stop;
};

enum scn_result {
	SCN_HELD = 0,
	SCN_FAILED = 1,
	SCN_BAD_FILE = 2,
	SCN_NO_DAEMON = 3,
};

/**
 * scenario_run() - Run a scenario
 * At the end, running commands are killed, then the faults that it added are
 * removed.  A runner that is killed leaves faults whose lease ends soon after
 * the scenario's timeout.
 * Return: SCN_HELD, SCN_FAILED (also when stopped) or SCN_NO_DAEMON
 */
enum scn_result scenario_run(const struct scenario *s, const struct scn_run *r);

/* The result as a word: "held", "failed", "bad file", "no daemon". */
const char *scenario_result_name(enum scn_result r);

/**
 * scenario_print() - The report of a run, from its JSON object
 * @o:   as scenario_run() writes it
 * @out: gets the same lines that scenario_run() would have printed
 */
void scenario_print(const json_t *o, FILE *out);

/**
 * scenario_junit() - The results of several scenarios as JUnit's XML
 * @list: array of JSON objects, as scenario_run() writes them; "output" is
 *        what the commands printed
 * @out:  one suite, with a case for each
 */
void scenario_junit(const json_t *list, FILE *out);

/* The same as TAP 13: the plan, and one point. @n: number of the point */
void scenario_tap_plan(uint32_t points, FILE *out);
void scenario_tap(const json_t *o, uint32_t n, FILE *out);

/**
 * scenario_clean_text() - Make a text fit for JSON and XML
 * Replaces in place what is not UTF-8, or a control character, by question
 * marks.  Tabs and line feeds stay.
 */
void scenario_clean_text(char *s);

#endif
