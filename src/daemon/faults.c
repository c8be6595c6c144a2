/* SPDX-License-Identifier: MIT */
/*
 * Faults of the daemon
 *
 * Every engine has the same faults.  A change stops all workers between two
 * batches (units_stopped_call), rehearses it on each engine and, when none
 * refuses, performs it on each at one time: so it happens on all or on none,
 * and leases end together.
 *
 * Reports.  A decision's JSON line goes from the worker's thread into a ring
 * under a mutex.  Positions count from the start of the daemon; what asks for
 * lines that the ring no longer has learns how many it lost.  The main thread,
 * woken through an eventfd, appends them to fault_log.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "impair/impair.h"
#include "penstockd.h"
#include "util/address.h"

#define RING_LINES 4096u
#define LINE_BYTES 448u
#define WORKERS_MAX 64	   /* as the key says */
#define ANSWER_LINES 1000u /* reports of one answer */
#define CHANGES_MAX 1024u  /* lines of one command */
#define HITS_MAX 1000u	   /* connections listed by a dry run; all count */

struct faults;

/* Who reports: a worker's engine. */
struct reporter {
	struct faults *faults;
	uint32_t worker;
};

/**
 * struct faults - The daemon's side of faults
 * @lock: guards @line, @next, @woken, and @log against workers
 * @line: ring; position p is in line[p % RING_LINES]
 * @next: position of the next line
 * @woken: the main thread has been told
 * @logged: lines before this position are in @log
 * @log:  NULL: none wanted
 * @from: by worker
 * @many: there are several workers: their numbers are in the lines
 */
struct faults {
	pthread_mutex_t lock;
	char (*line)[LINE_BYTES];
	uint64_t next, logged;
	bool woken;
	int wake_fd;
	FILE *log;
	struct event *ev;
	struct reporter from[WORKERS_MAX];
	bool many;
};

/* --- reports --- */

static void on_report(void *arg, const char *json)
{
	const struct reporter *from = arg;
	struct faults *f = from->faults;
	const uint64_t one = 1;
	char *line;
	bool wake;

	pthread_mutex_lock(&f->lock);
	line = f->line[f->next++ % RING_LINES];
	if (f->many)
		snprintf(line, LINE_BYTES, "{\"worker\":%u,%s", from->worker,
			 json + 1);
	else
		snprintf(line, LINE_BYTES, "%s", json);
	wake = f->log && !f->woken;
	f->woken |= wake;
	pthread_mutex_unlock(&f->lock);
	/* It can only fail when the main thread has been woken already. */
	if (wake && write(f->wake_fd, &one, sizeof(one)) < 0)
		log_dbg("fault_log: %s", strerror(errno));
}

/* Copy lines from *@pos on, at most @max; *@lost grows by what is gone. */
static uint32_t ring_read(struct faults *f, uint64_t *pos, uint32_t max,
			  char (*out)[LINE_BYTES], uint64_t *lost)
{
	uint32_t n = 0;

	pthread_mutex_lock(&f->lock);
	if (*pos > f->next)
		*pos = f->next;
	if (f->next - *pos > RING_LINES) {
		*lost += f->next - RING_LINES - *pos;
		*pos = f->next - RING_LINES;
	}
	for (; n < max && *pos < f->next; n++, ++*pos)
		memcpy(out[n], f->line[*pos % RING_LINES], LINE_BYTES);
	pthread_mutex_unlock(&f->lock);
	return n;
}

/* Return: 0 or an errno */
static int write_lines(FILE *log, char (*line)[LINE_BYTES], uint32_t n,
		       uint64_t lost)
{
	if (lost && fprintf(log, "{\"lost\":%" PRIu64 "}\n", lost) < 0)
		return errno;
	for (uint32_t i = 0; i < n; i++) {
		if (fprintf(log, "%s\n", line[i]) < 0)
			return errno;
	}
	return 0;
}

/*
 * Write what there is now, and no more: a ring at most.  Who reports after that
 * wakes this thread again, so it is not kept by workers that decide faster than
 * it writes.
 */
static void log_reports(struct faults *f)
{
	char line[64][LINE_BYTES];
	FILE *log = f->log;
	uint64_t end, lost;
	uint32_t n;
	int err = 0;

	if (!log)
		return;
	pthread_mutex_lock(&f->lock);
	end = f->next;
	pthread_mutex_unlock(&f->lock);
	while (f->logged < end && !err) {
		lost = 0;
		n = ring_read(f, &f->logged, ARRAY_LEN(line), line, &lost);
		err = write_lines(log, line, n, lost);
	}
	if (!err && fflush(log))
		err = errno;
	if (!err)
		return;
	log_err("fault_log: %s; nothing more is written", strerror(err));
	pthread_mutex_lock(&f->lock);
	f->log = NULL;
	pthread_mutex_unlock(&f->lock);
	fclose(log);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct faults *f = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
		return;
	pthread_mutex_lock(&f->lock);
	f->woken = false;
	pthread_mutex_unlock(&f->lock);
	log_reports(f);
}

/* --- changes --- */

/**
 * struct change_call - Changes on their way to all engines
 * @c:    @n changes
 * @dry:  stop after the rehearsal
 * @hits: with @dry: what the added faults would hit, an array; or NULL
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
	uint64_t count;
	uint32_t spared;
	uint32_t bad;
	const char *why;
	const char *fault; /* name, while hits are gathered */
};

static json_t *endpoint_json(const struct ipaddr *a, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	return json_string(address_print_port(a, port, text));
}

static void add_hit(void *arg, const struct tuple *t)
{
	struct change_call *c = arg;

	c->count++;
	if (json_array_size(c->hits) >= HITS_MAX)
		return;
	json_array_append_new(
		c->hits,
		json_pack("{s:s, s:o, s:o}", "fault", c->fault, "client",
			  endpoint_json(&t->remote, t->rport), "server",
			  endpoint_json(&t->local, t->lport)));
}

static void gather_hits(struct change_call *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->c[i].verb != FAULT_DO_ADD)
			continue;
		c->fault = c->c[i].spec.name;
		for (uint32_t k = 0; k < c->d->n; k++)
			impair_match(c->d->unit[k].engine, &c->c[i].spec,
				     c->dry ? add_hit : NULL, c, &c->spared);
	}
}

static bool adds_any(const struct change_call *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->c[i].verb == FAULT_DO_ADD)
			return true;
	}
	return false;
}

/* All workers stand still. */
static void do_changes(void *arg, mono_t now)
{
	struct change_call *c = arg;
	struct daemon *d = c->d;

	for (uint32_t i = 0; i < d->n; i++) {
		if (impair_rehearse(d->unit[i].engine, c->c, c->n, now, &c->bad,
				    &c->why))
			return;
	}
	gather_hits(c);
	if (c->dry)
		return;
	for (uint32_t i = 0; i < d->n; i++) {
		struct engine *e = d->unit[i].engine;

		if (adds_any(c) &&
		    impair_sink(e, on_report, &d->faults->from[i], now))
			log_warn("faults: no memory for reports");
		impair_perform(e, c->c, c->n, now);
	}
}

static bool service_exists(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		if (!strcmp(p->service[i].name, name))
			return true;
	}
	return false;
}

static void refuse_service(const struct policy *p, const char *name, FILE *out)
{
	fprintf(out, "service: found \"%s\", allowed:", name);
	for (uint32_t i = 0; i < p->nservice; i++)
		fprintf(out, "%s %s", i ? "," : "", p->service[i].name);
	fputc('\n', out);
}

/* Which line is wrong; that goes without saying where there is one. */
static void print_line_no(FILE *errors, size_t i, size_t n)
{
	if (n > 1)
		fprintf(errors, "line %zu: ", i + 1);
}

/* Read all lines; each that is wrong is told.  Return: is one? */
static bool read_changes(struct daemon *d, const json_t *lines,
			 struct fault_change *c, FILE *errors)
{
	const struct policy *p = d->cfg->policy;
	size_t i, n = json_array_size(lines);
	json_t *line;
	char err[1600];

	json_array_foreach(lines, i, line) {
		const char *text = json_string_value(line);
		const char *service = c[i].spec.service;

		if (text && !text[strspn(text, " \t\r\n")])
			c[i].verb = FAULT_DO_NOTHING;
		else if (fault_change_parse(text ? text : "", &c[i], err,
					    sizeof(err))) {
			print_line_no(errors, i, n);
			fprintf(errors, "%s\n", err);
		} else if (*service && !service_exists(p, service)) {
			print_line_no(errors, i, n);
			refuse_service(p, service, errors);
		}
	}
	return ftell(errors) != 0;
}

static int run_changes(struct change_call *call, json_t **result, FILE *errors)
{
	units_stopped_call(call->d, do_changes, call);
	if (call->why) {
		print_line_no(errors, call->bad, call->n);
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
	int err = -EINVAL;

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
	else if (!read_changes(d, lines, c, errors))
		err = run_changes(&call, result, errors);
	json_decref(call.hits);
	free(c);
	return err;
}

/* --- the list --- */

/**
 * struct fault_sum - One fault, all engines together
 * @spec: a copy
 */
struct fault_sum {
	struct fault_spec spec;
	uint32_t conns, active;
	uint64_t count[FC_COUNT];
	uint64_t peer[FR_COUNT], answered[2], unwatched;
	int64_t lease_left_us;
};

struct list_call {
	struct daemon *d;
	struct fault_sum *f;
	uint32_t n;
};

static void add_to_sum(struct fault_sum *sum, const struct impair_fault *f)
{
	sum->conns += f->conns;
	sum->active += f->active;
	for (int i = 0; i < FC_COUNT; i++)
		sum->count[i] += f->count[i];
	for (int i = 0; i < FR_COUNT; i++)
		sum->peer[i] += f->peer[i];
	sum->answered[0] += f->answered[0];
	sum->answered[1] += f->answered[1];
	sum->unwatched += f->unwatched;
}

static void do_list(void *arg, mono_t now)
{
	struct list_call *c = arg;
	struct impair_fault f;
	const char *none;
	uint32_t i, k;

	for (k = 0; k < c->d->n; k++) {
		struct engine *e = c->d->unit[k].engine;

		/* Leases that have ended end everywhere: lists are alike. */
		impair_rehearse(e, NULL, 0, now, &i, &none);
		for (i = 0; i < FAULT_MAX && impair_get(e, i, now, &f); i++) {
			if (i == c->n) {
				c->f[i] = (struct fault_sum){
					.spec = *f.spec,
					.lease_left_us = f.lease_left_us};
				c->n++;
			}
			add_to_sum(&c->f[i], &f);
		}
	}
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

static json_t *spec_json(const struct fault_spec *s)
{
	json_t *o = json_object();
	char value[FAULT_TEXT_MAX + 1];

	for (const struct opt_desc *d = fault_options; d->name; d++) {
		if (fault_spec_value(s, d, value, sizeof(value)))
			json_object_set_new(o, d->name, json_string(value));
	}
	return o;
}

/* What peers did then. */
static void peer_json(json_t *o, const struct fault_sum *f)
{
	json_t *peer = json_object();

	for (int i = 0; i < FR_COUNT; i++) {
		if (f->peer[i])
			json_object_set_new(
				peer, fault_reaction_name[i],
				json_integer((json_int_t)f->peer[i]));
	}
	json_object_set_new(o, "peer", peer);
	json_object_set_new(o, "ok", json_integer((json_int_t)f->answered[1]));
	json_object_set_new(o, "wrong",
			    json_integer((json_int_t)f->answered[0]));
	json_object_set_new(o, "unwatched",
			    json_integer((json_int_t)f->unwatched));
}

static json_t *sum_json(const struct fault_sum *f)
{
	char line[FAULT_LINE_MAX + 1];
	json_t *o;

	fault_print_line(&f->spec, line, sizeof(line));
	o = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "name", f->spec.name,
		      "type", fault_type_name[f->spec.type], "line", line,
		      "spec", spec_json(&f->spec), "conns",
		      (json_int_t)f->conns, "active", (json_int_t)f->active);
	for (int i = 0; i < FC_COUNT; i++)
		json_object_set_new(o, fault_counter_name[i],
				    json_integer((json_int_t)f->count[i]));
	peer_json(o, f);
	json_object_set_new(
		o, "lease_left_ms",
		f->lease_left_us < 0
			? json_null()
			: json_integer(f->lease_left_us / USEC_PER_MSEC));
	return o;
}

static int cmd_list(struct daemon *d, json_t **result)
{
	uint32_t n;
	struct fault_sum *f = list_faults(d, &n);

	*result = json_array();
	for (uint32_t i = 0; f && i < n; i++)
		json_array_append_new(*result, sum_json(&f[i]));
	free(f);
	return f ? 0 : -ENOMEM;
}

static int cmd_reports(struct daemon *d, const json_t *request, json_t **result)
{
	json_int_t since =
		json_integer_value(json_object_get(request, "since"));
	uint64_t pos = since > 0 ? (uint64_t)since : 0, lost = 0;
	char(*line)[LINE_BYTES] = calloc(ANSWER_LINES, sizeof(*line));
	json_t *lines = json_array();
	uint32_t n;

	if (!line || !lines) {
		free(line);
		json_decref(lines);
		return -ENOMEM;
	}
	n = ring_read(d->faults, &pos, ANSWER_LINES, line, &lost);
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
	if (!strcmp(cmd, "fault-reports"))
		return cmd_reports(d, request, result);
	if (!strcmp(cmd, "profile"))
		return profile_command(d, request, result);
	return -ENOSYS;
}

/* --- the file's --- */

static bool same_fault(const struct fault_spec *a, const struct fault_spec *b)
{
	char x[FAULT_LINE_MAX + 1], y[FAULT_LINE_MAX + 1];

	fault_print_line(a, x, sizeof(x));
	fault_print_line(b, y, sizeof(y));
	return !strcmp(x, y);
}

static const struct fault_spec *spec_find(const struct config *c,
					  const char *name)
{
	for (uint32_t i = 0; c && i < c->nfault; i++) {
		if (!strcmp(c->fault[i].name, name))
			return &c->fault[i];
	}
	return NULL;
}

static const struct fault_spec *sum_find(const struct fault_sum *f, uint32_t n,
					 const char *name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(f[i].spec.name, name))
			return &f[i].spec;
	}
	return NULL;
}

/*
 * What makes the file's faults those of @new: of the living ones, those that
 * came from the file as it was (@old) and are not in it any more, or not so,
 * go; those that are missing come.  Return: number of changes
 */
static uint32_t plan_changes(const struct config *old, const struct config *new,
			     const struct fault_sum *live, uint32_t n,
			     struct fault_change *c)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct fault_spec *l = &live[i].spec;
		const struct fault_spec *was = spec_find(old, l->name);
		const struct fault_spec *is = spec_find(new, l->name);

		if (!was || !same_fault(was, l) || (is && same_fault(is, l)))
			continue;
		c[k].verb = FAULT_DO_DEL;
		strcpy(c[k++].spec.name, l->name);
	}
	for (uint32_t i = 0; i < new->nfault; i++) {
		const struct fault_spec *is = &new->fault[i];
		const struct fault_spec *l = sum_find(live, n, is->name);

		if (l && same_fault(is, l))
			continue;
		c[k].verb = FAULT_DO_ADD;
		c[k++].spec = *is;
	}
	return k;
}

int faults_adopt(struct daemon *d, const struct config *new, FILE *errors)
{
	const struct config *old = d->cfg == new ? NULL : d->cfg;
	struct change_call call = {.d = d};
	struct fault_change *c;
	struct fault_sum *live;
	uint32_t n = 0;

	if (!new->nfault && (!old || !old->nfault))
		return 0;
	live = list_faults(d, &n);
	c = calloc(n + new->nfault + 1, sizeof(*c));
	call.c = c;
	if (live && c) {
		call.n = plan_changes(old, new, live, n, c);
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

/* --- life --- */

static int open_log(struct faults *f, struct daemon *d)
{
	const char *path = d->cfg->daemon.fault_log;

	if (!*path)
		return 0;
	f->log = fopen(path, "ae");
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
	f->wake_fd = -1;
	f->many = d->cfg->daemon.workers > 1;
	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		f->from[i] = (struct reporter){f, i};
	pthread_mutex_init(&f->lock, NULL);
	f->line = calloc(RING_LINES, sizeof(*f->line));
	if (!f->line)
		return -ENOMEM;
	return open_log(f, d);
}

static bool judge(struct daemon *d, const char *name,
		  const struct fault_expect *e, uint64_t is)
{
	if (!e->set || fault_expect_holds(e, is) || !spec_find(d->cfg, name))
		return true;
	log_err("fault %s: expected %s%s%" PRIu64 ", it is %" PRIu64, name,
		fault_counter_name[e->counter], e->op, e->n, is);
	return false;
}

struct gone_call {
	struct daemon *d;
	bool good;
};

/* Leases end on all engines alike: the first one's names are everybody's. */
static void do_judge_gone(void *arg, mono_t now)
{
	struct gone_call *c = arg;
	struct daemon *d = c->d;
	struct fault_expect e, same;
	const char *name, *other;
	uint64_t n, sum;

	(void)now;
	for (uint32_t i = 0;
	     (name = impair_gone(d->unit[0].engine, i, &e, &sum)); i++) {
		for (uint32_t k = 1; k < d->n; k++) {
			other = impair_gone(d->unit[k].engine, i, &same, &n);
			sum += other ? n : 0;
		}
		c->good &= judge(d, name, &e, sum);
	}
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
	pthread_mutex_destroy(&f->lock);
	free(f->line);
	free(f);
	d->faults = NULL;
}
