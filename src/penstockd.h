/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKD_H
#define PENSTOCKD_H

/*
 * What the daemon's own files share: penstockd.c is its life, penstockd_units.c
 * joins packet I/O and engines, penstockd_control.c answers the operator.
 */
#include <event2/event.h>
#include <stdio.h>

#include "control/config.h"
#include "control/server.h"
#include "engine/engine.h"
#include "io/worker.h"
#include "util/log.h"

/**
 * struct unit - One worker with what belongs to it
 * @pool:   buffers
 * @engine: flows
 * @worker: thread, queue, TUN
 * @lost:   packets lost in the kernel, as last reported
 */
struct unit {
	struct buf_pool pool;
	struct engine *engine;
	struct worker *worker;
	uint64_t lost;
};

/**
 * struct metrics - All numbers at one time, all workers together
 * @m: @n of them, room for @room; owned
 */
struct metrics {
	struct control_metric *m;
	uint32_t n, room;
};

/**
 * struct daemon - The process
 * @path:     configuration file
 * @cfg:      what was read from it last
 * @unit:     @n of them
 * @ops:      what @control and @http answer
 * @metrics:  taken when the first metric is asked for
 * @started:  for the uptime
 * @stop_by:  while stopping: when the grace is over
 * @watchdog: microseconds between signs of life, 0 = none wanted
 * @status:   exit status
 */
struct daemon {
	const char *path;
	struct config *cfg;
	struct unit *unit;
	uint32_t n;

	struct event_base *base;
	struct event *ev_term, *ev_int, *ev_hup, *ev_usr1;
	struct event *ev_tick, *ev_stop, *ev_dog;
	struct control_ops ops;
	struct control_server *control;
	struct control_http *http;
	struct metrics metrics;

	struct log_limit loss_limit;
	mono_t started, stop_by;
	uint64_t watchdog;
	int status;
};

/* Append one number.  Return: 0 or -ENOMEM */
int metrics_add(struct metrics *m, const struct control_metric *one);

/* --- penstockd.c ---------------------------------------------------------- */

/* All or nothing.  Return: 0, or -errno; reasons are logged, and on @errors
 * one a line (NULL is fine). */
int daemon_reload(struct daemon *d, FILE *errors);

/* Begin to stop; when that has begun already, cut the grace short.  Returns
 * at once. */
void daemon_stop(struct daemon *d);

/* --- penstockd_units.c ---------------------------------------------------- */

/* Make and start every worker.  Return: 0, or -errno with a line logged */
int units_start(struct daemon *d);
void units_free(struct daemon *d);

/* Call @fn with each engine, in its worker's thread. */
void units_call(struct daemon *d, void (*fn)(void *engine, mono_t now));
void units_set_policy(struct daemon *d, struct policy *p);

/* How full the tables are, all workers together. */
void units_gauges(struct daemon *d, struct engine_gauges *g);

/* Append every counter of the engines and of packet I/O, all workers together.
 * Texts live as long as d->cfg.  Return: 0 or -ENOMEM */
int units_counters(struct daemon *d, struct metrics *m);

/* Packets that wait in the kernel's queues. */
uint32_t units_waiting(struct daemon *d);

/* One line per flow, at most @max. */
void units_dump_flows(struct daemon *d, FILE *out, uint32_t max);

/* --- penstockd_control.c -------------------------------------------------- */

/* Bind the control socket and the HTTP server that the configuration asks
 * for.  They answer once the loop runs.  Return: 0, or -errno, line logged */
int control_start(struct daemon *d);
void control_free(struct daemon *d);

/* The counters that are not 0, as `penstockctl nstat` prints them. */
void control_print_counters(struct daemon *d, FILE *out);

#endif
