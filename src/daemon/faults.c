/* SPDX-License-Identifier: MIT */
/*
 * Faults of the daemon: the commands about them, the file's, and fault_log.
 *
 * Every engine has the same faults (impair/all.h): a change stops all workers
 * between two batches (units_stopped_call).
 *
 * A decision's JSON line goes from the worker's thread into a ring
 * (util/lines.h).  The main thread, woken through an eventfd, appends it to
 * fault_log.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/faults.h"
#include "capture/tap.h"
#include "impair/all.h"
#include "penstockd.h"
#include "util/lines.h"

#define RING_LINES 4096u
#define WORKERS_MAX 64	   /* as the key says */
#define ANSWER_LINES 1000u /* reports of one answer */
#define CHANGES_MAX 1024u  /* lines of one command */
#define HITS_MAX 1000u	   /* connections listed by a dry run; all count */

struct faults;

/* Who reports: the engine of @worker; @before: how its lines begin. */
struct reporter {
	struct faults *faults;
	uint32_t worker;
	char before[32];
};

/**
 * struct faults - The daemon's side of faults
 * @all:    the engines
 * @lines:  reports
 * @logged: lines before this position are in @log
 * @woken:  the main thread has been told
 * @logs:   there is a @log
 * @log:    NULL: none wanted
 * @from:   by worker
 * @file:   those of the configuration, for another process
 */
struct faults {
	struct daemon *daemon;
	struct impair_all all;
	struct engine *engine[WORKERS_MAX];
	void *arg[WORKERS_MAX];
	struct reporter from[WORKERS_MAX];
	struct fault_file file;
	struct lines *lines;
	uint64_t logged;
	atomic_bool woken, logs;
	int wake_fd;
	FILE *log;
	struct event *ev;
};

/* --- reports --- */

static void on_report(void *arg, const char *json)
{
	const struct reporter *from = arg;
	struct faults *f = from->faults;
	const uint64_t one = 1;
	struct tap *tap;

	lines_put(f->lines, from->before, json + 1);
	tap = f->daemon->unit[from->worker].tap;
	if (unlikely(tap))
		tap_fault(tap, json);
	if (!atomic_load(&f->logs) || atomic_exchange(&f->woken, true))
		return;
	/* It can only fail when the main thread has been woken already. */
	if (write(f->wake_fd, &one, sizeof(one)) < 0)
		log_dbg("fault_log: %s", strerror(errno));
}

/* What there is now, and no more: who reports after that wakes this thread
 * again, so it is not kept by workers that decide faster than it writes. */
static void log_reports(struct faults *f)
{
	int err;

	if (!f->log)
		return;
	err = lines_write(f->lines, &f->logged, f->log);
	if (!err)
		return;
	log_err("fault_log: %s; nothing more is written", strerror(-err));
	atomic_store(&f->logs, false);
	fclose(f->log);
	f->log = NULL;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct faults *f = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
		return;
	atomic_store(&f->woken, false);
	log_reports(f);
}

/* --- changes --- */

/* The engines, which stay the same from the start to the end. */
static const struct impair_all *engines(struct daemon *d)
{
	struct impair_all *a = &d->faults->all;

	for (a->n = 0; a->n < d->n; a->n++)
		a->engine[a->n] = d->unit[a->n].engine;
	return a;
}

/**
 * struct change_call - Changes on their way to all engines
 * @c:    @n changes
 * @dry:  stop after the rehearsal
 * @hits: with @dry: what the added faults would hit, an array
 * @count: all of them
 * @spared: living connections that match faults of scope=new
 * @bad:  out: index of the change that was refused
 * @why:  out: the reason, or NULL
 */
struct change_call {
	struct daemon *d;
	const struct fault_change *c;
	uint32_t n;
	bool dry;
	json_t *hits;
	uint32_t count, spared, bad;
	const char *why;
};

static void add_hit(void *arg, const char *fault, const struct tuple *t)
{
	struct change_call *c = arg;

	if (json_array_size(c->hits) < HITS_MAX)
		json_array_append_new(c->hits, fault_hit_json(fault, t));
}

/* All workers stand still. */
static void do_changes(void *arg, mono_t now)
{
	struct change_call *c = arg;
	const struct impair_all *all = engines(c->d);

	if (impair_all_rehearse(all, c->c, c->n, now, &c->bad, &c->why))
		return;
	c->count = impair_all_match(all, c->c, c->n, c->dry ? add_hit : NULL, c,
				    &c->spared);
	if (!c->dry && !impair_all_perform(all, c->c, c->n, now))
		log_warn("faults: no memory for reports");
}

static int run_changes(struct change_call *call, json_t **result, FILE *errors)
{
	units_stopped_call(call->d, do_changes, call);
	if (call->why) {
		fault_change_name_line(errors, call->bad, call->n);
		fprintf(errors, "%s: %s\n", call->c[call->bad].spec.name,
			call->why);
		return -EINVAL;
	}
	*result = call->dry ? json_pack("{s:O, s:I}", "hits", call->hits,
					"count", (json_int_t)call->count)
			    : json_object();
	json_object_set_new(*result, "spared", json_integer(call->spared));
	return *result ? 0 : -ENOMEM;
}

/* The texts of @lines, whose names of services are checked, too. */
static int read_changes(const struct policy *p, const json_t *lines,
			struct fault_change *c, FILE *errors)
{
	size_t n = json_array_size(lines);
	const char **text = calloc(n + 1, sizeof(*text));
	const char *service[SERVICES_MAX + 1] = {NULL};
	int err = -ENOMEM;

	for (uint32_t i = 0; i < p->nservice; i++)
		service[i] = p->service[i].name;
	for (size_t i = 0; text && i < n; i++)
		text[i] = json_string_value(json_array_get(lines, i));
	if (text)
		err = fault_changes_read(text, (uint32_t)n, service, c, errors);
	free(text);
	return err;
}

static int cmd_fault(struct daemon *d, const json_t *request, json_t **result,
		     FILE *errors)
{
	const json_t *lines = json_object_get(request, "lines");
	size_t n = json_array_size(lines);
	struct change_call call = {
		.d = d,
		.n = (uint32_t)n,
		.dry = json_is_true(json_object_get(request, "dry_run")),
	};
	struct fault_change *c;
	int err;

	if (!json_is_array(lines) || n > CHANGES_MAX) {
		fprintf(errors,
			"lines: found %s, allowed: an array of at most %u "
			"lines\n",
			json_is_array(lines) ? "more" : "none", CHANGES_MAX);
		return -EINVAL;
	}
	c = calloc(n + 1, sizeof(*c));
	call.c = c;
	call.hits = json_array();
	if (!c || !call.hits)
		err = -ENOMEM;
	else
		err = read_changes(d->cfg->policy, lines, c, errors);
	if (!err)
		err = run_changes(&call, result, errors);
	json_decref(call.hits);
	free(c);
	return err;
}

/* --- the list --- */

struct list_call {
	struct daemon *d;
	struct fault_sum *f;
	uint32_t n;
};

static void do_list(void *arg, mono_t now)
{
	struct list_call *c = arg;

	c->n = impair_all_list(engines(c->d), c->f, now);
}

/* All faults there are, by order; owned by the caller.  NULL: no memory. */
static struct fault_sum *list_faults(struct daemon *d, uint32_t *n)
{
	struct list_call c = {.d = d};

	c.f = calloc(FAULT_MAX, sizeof(*c.f));
	if (c.f)
		units_stopped_call(d, do_list, &c);
	*n = c.n;
	return c.f;
}

static int cmd_list(struct daemon *d, json_t **result)
{
	uint32_t n;
	struct fault_sum *f = list_faults(d, &n);

	*result = f ? faults_json(f, n) : NULL;
	free(f);
	return *result ? 0 : -ENOMEM;
}

static int cmd_reports(struct daemon *d, const json_t *request, json_t **result)
{
	json_int_t since =
		json_integer_value(json_object_get(request, "since"));
	uint64_t pos = since > 0 ? (uint64_t)since : 0, lost = 0;
	char(*line)[LINES_BYTES] = calloc(ANSWER_LINES, sizeof(*line));
	json_t *lines = json_array();
	uint32_t n;

	if (!line || !lines) {
		free(line);
		json_decref(lines);
		return -ENOMEM;
	}
	n = lines_read(d->faults->lines, &pos, ANSWER_LINES, line, &lost);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(lines, json_loads(line[i], 0, NULL));
	free(line);
	*result = json_pack("{s:I, s:I, s:o}", "next", (json_int_t)pos, "lost",
			    (json_int_t)lost, "lines", lines);
	return *result ? 0 : -ENOMEM;
}

int faults_command(struct daemon *d, const char *cmd, const json_t *request,
		   json_t **result, FILE *errors)
{
	if (!strcmp(cmd, "fault"))
		return cmd_fault(d, request, result, errors);
	if (!strcmp(cmd, "fault-list"))
		return cmd_list(d, result);
	if (!strcmp(cmd, "fault-types")) {
		*result = fault_types_json();
		return *result ? 0 : -ENOMEM;
	}
	if (!strcmp(cmd, "fault-reports"))
		return cmd_reports(d, request, result);
	if (!strcmp(cmd, "profile"))
		return profile_command(d, request, result);
	return -ENOSYS;
}

/* --- the file's --- */

static struct fault_file file_of(const struct config *c)
{
	return c ? (struct fault_file){c->fault, c->nfault}
		 : (struct fault_file){NULL, 0};
}

const struct fault_file *faults_of_file(struct daemon *d)
{
	d->faults->file = file_of(d->cfg);
	return &d->faults->file;
}

void faults_taken(struct daemon *d)
{
	const struct impair_all *all = engines(d);
	struct impair_fault f;
	const mono_t now = worker_clock();

	for (uint32_t i = 0; i < all->n; i++) {
		if (impair_get(all->engine[i], 0, now, &f) &&
		    impair_sink(all->engine[i], all->line, all->arg[i], now))
			log_warn("faults: no memory for reports");
	}
}

int faults_adopt(struct daemon *d, const struct config *new, FILE *errors)
{
	struct fault_file is = file_of(new);
	struct fault_file was = file_of(d->cfg == new ? NULL : d->cfg);
	struct change_call call = {.d = d};
	struct fault_change *c;
	struct fault_sum *live;
	uint32_t n = 0;

	if (!is.n && !was.n)
		return 0;
	live = list_faults(d, &n);
	c = calloc(n + is.n + 1, sizeof(*c));
	call.c = c;
	if (live && c) {
		call.n = fault_plan(&was, &is, live, n, c);
		units_stopped_call(d, do_changes, &call);
	} else {
		call.why = "no memory";
	}
	if (call.why && errors)
		fprintf(errors, "%s: [fault %s]: %s\n", d->path,
			c && call.n ? c[call.bad].spec.name : "", call.why);
	free(live);
	free(c);
	return call.why ? -EINVAL : 0;
}

static bool judge(struct daemon *d, const char *name,
		  const struct fault_expect *e, uint64_t is)
{
	const struct fault_file file = file_of(d->cfg);

	if (!e->set || fault_expect_holds(e, is) ||
	    !fault_file_find(&file, name))
		return true;
	log_err("fault %s: expected %s%s%" PRIu64 ", it is %" PRIu64, name,
		fault_counter_name[e->counter], e->op, e->n, is);
	return false;
}

struct gone_call {
	struct daemon *d;
	bool good;
};

static void do_judge_gone(void *arg, mono_t now)
{
	struct gone_call *c = arg;
	const struct impair_all *all = engines(c->d);
	struct fault_expect e;
	const char *name;
	uint64_t n;

	(void)now;
	for (uint32_t i = 0; (name = impair_all_gone(all, i, &e, &n)); i++)
		c->good &= judge(c->d, name, &e, n);
}

/* Does what the file expects of its faults hold, those whose lease is over
 * included?  A line for each that does not. */
static bool expectations_hold(struct daemon *d)
{
	struct gone_call gone = {.d = d, .good = true};
	bool good = true;
	uint32_t n;
	struct fault_sum *f = list_faults(d, &n);

	for (uint32_t i = 0; f && i < n; i++) {
		const struct fault_expect *e = &f[i].spec.expect;

		good &= judge(d, f[i].spec.name, e, f[i].count[e->counter]);
	}
	free(f);
	units_stopped_call(d, do_judge_gone, &gone);
	return good && gone.good;
}

/* --- life --- */

static int open_log(struct faults *f, struct daemon *d)
{
	const char *path = d->cfg->daemon.fault_log;

	if (!*path)
		return 0;
	f->log = fopen(path, "ae");
	atomic_store(&f->logs, f->log != NULL);
	if (!f->log) {
		int err = -errno;

		log_err("fault_log %s: %s", path, strerror(-err));
		return err;
	}
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->wake_fd < 0)
		return -errno;
	f->ev = event_new(d->base, f->wake_fd, EV_READ | EV_PERSIST, on_wake,
			  f);
	return f->ev && !event_add(f->ev, NULL) ? 0 : -ENOMEM;
}

int faults_open(struct daemon *d)
{
	struct faults *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	d->faults = f;
	f->daemon = d;
	f->wake_fd = -1;
	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		struct reporter *r = &f->from[i];

		r->faults = f;
		r->worker = i;
		if (d->cfg->daemon.workers > 1)
			snprintf(r->before, sizeof(r->before),
				 "{\"worker\":%u,", i);
		else
			strcpy(r->before, "{");
		f->arg[i] = r;
	}
	f->all = (struct impair_all){
		.engine = f->engine, .line = on_report, .arg = f->arg};
	f->lines = lines_new(RING_LINES);
	if (!f->lines)
		return -ENOMEM;
	return open_log(f, d);
}

void faults_finish(struct daemon *d)
{
	if (d->cfg->nfault && !expectations_hold(d) &&
	    d->status == EXIT_SUCCESS)
		d->status = EXIT_EXPECT;
	log_reports(d->faults);
}

void faults_close(struct daemon *d)
{
	struct faults *f = d->faults;

	if (!f)
		return;
	if (f->ev)
		event_free(f->ev);
	if (f->wake_fd >= 0)
		close(f->wake_fd);
	if (f->log)
		fclose(f->log);
	lines_free(f->lines);
	free(f);
	d->faults = NULL;
}
