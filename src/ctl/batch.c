/* SPDX-License-Identifier: MIT */
/*
 * Several scenarios: each in a process of its own, side by side where they do
 * not collide, and one report of all.
 *
 * A process writes its JSON report and the output of its commands into
 * unlinked files.  They are read when it has ended, so that reports do not mix.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "penstockctl.h"
#include "scenario/scenario.h"

#define POLL_MS 20
#define OUTPUT_MAX 65536 /* of the commands' output: the end of it */

/**
 * struct job - One scenario of a batch
 * @f:      the file
 * @pid:    of the process that runs it; 0: none
 * @report: its JSON; @output: of its commands
 * @done:   its result is in the list
 */
struct job {
	struct scn_file *f;
	pid_t pid;
	FILE *report, *output;
	bool done;
};

/**
 * struct batch - The jobs and what came of them
 * @list:   results, in the order of the files
 * @shown:  how many were printed
 * @rc:     the highest enum scn_result so far
 */
struct batch {
	const struct args *a;
	struct job *job;
	uint32_t n, running, shown;
	json_t *list;
	int rc;
};

static bool is_text(const struct batch *b)
{
	return !b->a->tap && !b->a->json &&
	       !(b->a->junit && !strcmp(b->a->junit, "-"));
}

/* Print the results that are complete, in the order of the files. */
static void show(struct batch *b)
{
	for (; b->shown < b->n && b->job[b->shown].done; b->shown++) {
		const json_t *o = json_array_get(b->list, b->shown);
		const char *why = json_string_value(json_object_get(o, "why"));

		if (b->a->tap)
			scenario_tap(o, b->shown + 1, stdout);
		if (!is_text(b))
			continue;
		if (!b->job[b->shown].f->s) {
			fprintf(stderr, "%s\n", why ? why : "");
			continue;
		}
		scenario_print(o, stdout);
		why = json_string_value(json_object_get(o, "output"));
		if (why && *why)
			fprintf(stderr, "%s", why);
	}
}

/* Takes @o over. */
static void finish(struct batch *b, struct job *j, json_t *o, int rc)
{
	json_array_set_new(b->list, (size_t)(j - b->job), o);
	j->done = true;
	if (rc > b->rc)
		b->rc = rc;
}

/* A result without a run. */
static json_t *made_up(const struct job *j, enum scn_result r, const char *why)
{
	char *name = strdup(j->f->path), *text = strdup(why);
	json_t *o = NULL;
	size_t n;

	if (name && text) {
		scenario_clean_text(name);
		scenario_clean_text(text);
		for (n = strlen(text); n && text[n - 1] == '\n'; n--)
			text[n - 1] = '\0';
		o = json_pack("{s:s, s:s, s:s, s:i, s:[]}", "scenario", name,
			      "result", scenario_result_name(r), "why", text,
			      "took_us", 0, "steps");
	}
	free(name);
	free(text);
	return o;
}

/* --- a process --- */

static void job_main(const struct batch *b, struct job *j)
{
	sigset_t none;
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(fileno(j->output), STDERR_FILENO);
	rc = scenario_run_one(b->a, j->f, j->report, true);
	fflush(NULL);
	_exit(rc);
}

static void job_close(struct job *j)
{
	if (j->report)
		fclose(j->report);
	if (j->output)
		fclose(j->output);
	j->report = j->output = NULL;
	j->pid = 0;
}

static void job_start(struct batch *b, struct job *j)
{
	j->report = tmpfile();
	j->output = tmpfile();
	fflush(NULL);
	j->pid = j->report && j->output ? fork() : -1;
	if (!j->pid)
		job_main(b, j);
	if (j->pid > 0) {
		b->running++;
		return;
	}
	finish(b, j, made_up(j, SCN_FAILED, strerror(errno)), SCN_FAILED);
	job_close(j);
}

/* The last bytes of what the commands printed; owned. */
static json_t *output_of(FILE *f)
{
	char *text = calloc(1, OUTPUT_MAX + 1);
	json_t *j = NULL;
	long n;

	if (!text)
		return NULL;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	fseek(f, n > OUTPUT_MAX ? n - OUTPUT_MAX : 0, SEEK_SET);
	n = (long)fread(text, 1, OUTPUT_MAX, f);
	for (long i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : '?';
	scenario_clean_text(text);
	j = json_string(text);
	free(text);
	return j;
}

static void job_end(struct batch *b, struct job *j, int status)
{
	int rc = WIFEXITED(status) ? WEXITSTATUS(status) : SCN_FAILED;
	json_t *o;

	rewind(j->report);
	o = json_loadf(j->report, 0, NULL);
	if (!o) {
		o = made_up(j, rc ? (enum scn_result)rc : SCN_FAILED,
			    "its process gave no report");
		rc = rc ? rc : SCN_FAILED;
	}
	json_object_set_new(o, "output", output_of(j->output));
	b->running--;
	job_close(j);
	finish(b, j, o, rc);
}

/* --- all of them --- */

static bool can_start(const struct batch *b, const struct job *j)
{
	if (j->done || j->pid || b->running >= b->a->jobs)
		return false;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->job[i].pid && scenario_collide(b->job[i].f->s, j->f->s))
			return false;
	}
	return true;
}

static void start_some(struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct job *j = &b->job[i];

		if (!can_start(b, j))
			continue;
		if (scenario_must_stop())
			finish(b, j, made_up(j, SCN_FAILED, "interrupted"),
			       SCN_FAILED);
		else
			job_start(b, j);
	}
}

static void reap(struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct job *j = &b->job[i];
		int status;

		if (j->pid && waitpid(j->pid, &status, WNOHANG) == j->pid)
			job_end(b, j, status);
		else if (j->pid && scenario_must_stop())
			kill(j->pid, SIGTERM);
	}
}

static void run_all(struct batch *b)
{
	const struct timespec nap = {.tv_nsec = POLL_MS * 1000000};

	for (;;) {
		start_some(b);
		show(b);
		if (!b->running && b->shown == b->n)
			return;
		nanosleep(&nap, NULL);
		reap(b);
	}
}

static int write_junit(const struct batch *b)
{
	bool out = !strcmp(b->a->junit, "-");
	FILE *f = out ? stdout : fopen(b->a->junit, "we");
	bool bad = !f;

	if (f) {
		scenario_junit(b->list, f);
		bad = fflush(f) || ferror(f);
	}
	if (bad)
		fprintf(stderr, "penstockctl: %s: %s\n", b->a->junit,
			strerror(errno));
	if (f && !out)
		fclose(f);
	return bad ? SCN_BAD_FILE : SCN_HELD;
}

int scenario_batch(const struct args *a, struct scn_file *f, uint32_t n)
{
	struct batch b = {.a = a, .n = n, .list = json_array()};

	b.job = calloc(n, sizeof(*b.job));
	if (!b.job || !b.list) {
		json_decref(b.list);
		free(b.job);
		return SCN_FAILED;
	}
	scenario_hold_signals();
	if (a->tap)
		scenario_tap_plan(n, stdout);
	for (uint32_t i = 0; i < n; i++) {
		b.job[i].f = &f[i];
		json_array_append_new(b.list, json_null());
		if (!f[i].s)
			finish(&b, &b.job[i],
			       made_up(&b.job[i], SCN_BAD_FILE,
				       f[i].errors ? f[i].errors : ""),
			       SCN_BAD_FILE);
	}
	run_all(&b);
	if (a->json)
		print_json(b.list);
	if (a->junit && write_junit(&b) > b.rc)
		b.rc = SCN_BAD_FILE;
	json_decref(b.list);
	free(b.job);
	return b.rc;
}
