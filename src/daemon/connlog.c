/* SPDX-License-Identifier: MIT */
/*
 * The connection log: a line for each connection that has ended.
 *
 * A worker only puts the line into a ring (util/lines.h), and nothing while
 * there is no log.  The main thread writes what there is ten times a second, to
 * the file or to the journal, so neither disk nor journal can hold up packets.
 * What does not fit into the ring meanwhile is lost, and counted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "penstockd.h"
#include "util/lines.h"

#define RING_LINES 16384u /* in a tenth of a second */
#define FLUSH_US (100 * USEC_PER_MSEC)

/**
 * struct connlog - The log
 * @lines:   ring; NULL: there was no log yet
 * @file:    NULL: the journal, or none
 * @at:      position in @lines
 * @written: lines
 * @lost:    lines
 * @on:      there is a log
 */
struct connlog {
	struct daemon *d;
	struct event *ev;
	struct lines *lines;
	FILE *file;
	uint64_t at, written, lost;
	bool on;
};

static void on_line(void *arg, const char *json)
{
	struct connlog *c = arg;

	lines_put(c->lines, "", json);
}

static bool is_journal(const char *path)
{
	return !strcmp(path, "journal");
}

static void write_line(struct connlog *c, const char *line)
{
	c->written++;
	if (!c->file)
		journal_send(line);
	else
		fprintf(c->file, "%s\n", line);
}

static void close_file(struct connlog *c)
{
	if (c->file)
		fclose(c->file);
	c->file = NULL;
	c->on = false;
}

/* What there is now, and no more. */
static void flush(struct connlog *c)
{
	char line[64][LINES_BYTES];
	uint64_t end;
	uint32_t n;

	if (!c->lines)
		return;
	end = lines_end(c->lines);
	while (c->at < end) {
		n = lines_read(c->lines, &c->at, ARRAY_LEN(line), line,
			       &c->lost);
		for (uint32_t i = 0; i < n && c->on; i++)
			write_line(c, line[i]);
	}
	if (c->file && fflush(c->file)) {
		log_err("connection_log: %s; nothing more is written until "
			"the next reload",
			strerror(errno));
		close_file(c);
	}
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct connlog *c = arg;

	(void)fd;
	(void)what;
	flush(c);
	daemon_set_timer(c->ev, FLUSH_US);
}

/* The ring and its timer, at the first log. */
static int make(struct connlog *c)
{
	if (c->lines)
		return 0;
	c->lines = lines_new(RING_LINES);
	c->ev = evtimer_new(c->d->base, on_flush, c);
	if (!c->lines || !c->ev)
		return -ENOMEM;
	daemon_set_timer(c->ev, FLUSH_US);
	return 0;
}

struct line_call {
	struct connlog *c;
	struct ends *ends;
};

static void do_set_line(void *arg, mono_t now)
{
	struct line_call *call = arg;

	(void)now;
	call->ends->wall_offset_us = units_wall_offset();
	call->ends->arg = call->c;
	call->ends->line = call->c && call->c->on ? on_line : NULL;
}

static void tell_units(struct daemon *d, struct connlog *c)
{
	for (uint32_t i = 0; i < d->n; i++) {
		struct line_call call = {.c = c, .ends = &d->unit[i].ends};

		worker_call(d->unit[i].worker, do_set_line, &call);
	}
}

int connlog_open(struct daemon *d, const char *path)
{
	struct connlog *c = d->connlog;
	int err = 0;

	if (!c)
		c = d->connlog = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->d = d;
	flush(c); /* what belongs to the old file */
	close_file(c);
	if (*path)
		err = make(c);
	if (!err && *path && !is_journal(path)) {
		c->file = fopen(path, "ae");
		err = c->file ? 0 : -errno;
	}
	if (err)
		log_err("connection_log %s: %s", path, strerror(-err));
	c->on = !err && *path;
	tell_units(d, c);
	return err;
}

int connlog_metrics(const struct daemon *d, struct metrics *m)
{
	const struct connlog *c = d->connlog;
	const struct control_metric all[] = {
		{.name = "ConnectionLogLines",
		 .worker = -1,
		 .help = "lines of the connection log",
		 .value = c ? c->written : 0},
		{.name = "ConnectionLogLost",
		 .worker = -1,
		 .help = "connections that ended too fast for the connection "
			 "log",
		 .value = c ? c->lost : 0},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && !err; i++)
		err = metrics_add(m, &all[i]);
	return err;
}

void connlog_close(struct daemon *d)
{
	struct connlog *c = d->connlog;

	if (!c)
		return;
	flush(c);
	close_file(c);
	if (c->ev)
		event_free(c->ev);
	lines_free(c->lines);
	free(c);
	d->connlog = NULL;
}
