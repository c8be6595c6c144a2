/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKD_H
#define PENSTOCKD_H

/*
 * What the daemon's own files share: penstockd.c is its life, reload.c
 * and stop.c parts of that, units.c joins packet I/O and engines, control.c
 * answers the operator, faults.c has the faults, attack.c tells of attacks,
 * xdp.c steers the XDP front.
 */
#include <event2/event.h>
#include <stdio.h>

#include "config/config.h"
#include "api/server.h"
#include "engine/engine.h"
#include "front/splice.h"
#include "io/worker.h"
#include "shield/owners.h"
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
 * @owners:   which of several has a connection
 * @ops:      what @control and @http answer
 * @metrics:  taken when the first metric is asked for
 * @faults:   the log and the reports of faults
 * @watch:    attacks on services
 * @splice:   connections that the kernel relays; NULL: there is no such relay
 * @rules:    what is known of the host's rules
 * @xdp:      the XDP front
 * @secret:   of the units, for the front
 * @started:  for the uptime
 * @ticks:    seconds of it, about
 * @stop_by:  while stopping: when the grace is over
 * @watchdog: microseconds between signs of life, 0 = none wanted
 * @status:   exit status
 */
struct daemon {
	const char *path;
	struct config *cfg;
	struct unit *unit;
	uint32_t n;
	struct owners owners;

	struct event_base *base;
	struct event *ev_term, *ev_int, *ev_hup, *ev_usr1;
	struct event *ev_tick, *ev_stop, *ev_dog;
	struct control_ops ops;
	struct control_server *control;
	struct control_http *http;
	struct metrics metrics;
	struct faults *faults;
	struct rules_watch *rules;
	struct watch *watch;
	struct splice_map *splice;
	struct xdp *xdp;
	uint8_t secret[32];

	struct log_limit loss_limit;
	mono_t started, stop_by;
	int64_t loaded_s; /* Unix time at which the file in force was read */
	bool reload_failed;
	uint32_t ticks;
	uint64_t watchdog;
	int status;
};

/* A number that may fall, of the process. */
#define GAUGE(n, what, v)                                                 \
	{                                                                 \
		.name = (n), .worker = -1, .gauge = true, .help = (what), \
		.value = (v)                                              \
	}

/* Append one number.  Return: 0 or -ENOMEM */
int metrics_add(struct metrics *m, const struct control_metric *one);

/* --- reload.c --- */

/* Read a file.  Return: 0, or -errno with what is wrong on @errors */
int daemon_load(const char *path, struct config **out, FILE *errors);
/* The same, ready to run here: what depends on this host is filled in. */
int daemon_load_to_run(const char *path, struct config **out, FILE *errors);
/* Log what is no error and yet hardly meant: no service, keys that do harm. */
void daemon_warn_harm(const struct policy *p);

/* All or nothing.  Return: 0, or -errno; reasons are logged, and on @errors
 * one a line (NULL is fine). */
int daemon_reload(struct daemon *d, FILE *errors);

/* --- stop.c --- */

/* Begin to stop; when that has begun already, cut the grace short.  Returns
 * at once. */
void daemon_stop(struct daemon *d);
/* Is it time to end?  Of the timer d->ev_stop. */
void daemon_stop_poll(evutil_socket_t fd, short what, void *arg);
/* So long from now on. */
void daemon_set_timer(struct event *ev, int64_t us);

/* --- xdp.c --- */

/* Open what is pinned, if it is; before privileges are given up, when the
 * engines are there.  It answers nothing before the first tick. */
int xdp_start(struct daemon *d);
void xdp_free(struct daemon *d);
/* Each second. */
void xdp_tick(struct daemon *d);
/* The policy or [penstock] has changed. */
void xdp_follow(struct daemon *d);
/* No new connections from now on: SYNs are the engines' to refuse. */
void xdp_stop(struct daemon *d);
/* SYNs of service number @i are answered by XDP now. */
bool xdp_answers(const struct daemon *d, uint32_t i);
/* off, missing, ready or answering. */
const char *xdp_word(const struct daemon *d);
/* Add what it did to the counts of all @n services. */
void xdp_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n);
/* Append its counters.  Return: 0 or -ENOMEM */
int xdp_metrics(struct daemon *d, struct metrics *m);

/* --- rules.c --- */

/* Begin to watch, when the workers run.  0 or -ENOMEM */
int rules_watch_start(struct daemon *d);
void rules_watch_free(struct daemon *d);
/* Compare the host with the file now, and say what is news. */
void rules_look(struct daemon *d);
/* At the last look: 1 as in the file, 0 not, -1 nobody knows. */
int rules_ok(const struct daemon *d);
const char *rules_word(const struct daemon *d);
/* What differed, one a line; "" for nothing. */
const char *rules_differences(const struct daemon *d);

/* --- units.c --- */

/* Make every worker, then give up privileges; start them.  Return: 0, or -errno
 * with a line logged */
int units_make(struct daemon *d);
int units_start(struct daemon *d);
void units_free(struct daemon *d);

/* Call @fn with each engine, in its worker's thread. */
void units_call(struct daemon *d, void (*fn)(void *engine, mono_t now));
/* The wall clock may have been set: the engines learn of it. */
void units_follow_clock(struct daemon *d);
void units_set_policy(struct daemon *d, struct policy *p);
/* Unix time less the workers' clock, microseconds. */
int64_t units_wall_offset(void);

/* engine_set_known() and engine_front() of all engines, which share @sent. */
void units_set_known(struct daemon *d, const struct known *k);
enum front_wish units_front(struct daemon *d, uint32_t i, uint64_t sent,
			    bool on);

/* Call @fn once while all workers stand still between two batches: then it may
 * touch every engine. */
void units_stopped_call(struct daemon *d, void (*fn)(void *arg, mono_t now),
			void *arg);

/* Connections there are. */
uint32_t units_flows(struct daemon *d);

/* How full the tables are, all workers together. */
void units_gauges(struct daemon *d, struct engine_gauges *g);

/* Append every counter of the engines and of packet I/O, all workers together.
 * Texts live as long as d->cfg.  Return: 0 or -ENOMEM */
int units_counters(struct daemon *d, struct metrics *m);

/* Admission's counts of all @n services, all workers together. */
void units_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n);

/**
 * struct refused_source - Who was refused, by all workers together
 * @service: a name; copied
 * @count:   at least so often lately
 */
struct refused_source {
	struct ipaddr addr;
	char service[SERVICE_NAME_MAX + 1];
	bool proven;
	uint32_t count;
};

/* Fill @r, most first.  Return: how many, at most @max */
uint32_t units_refused(struct daemon *d, struct refused_source *r,
		       uint32_t max);

/* Packets that wait in the kernel's queues, all workers together. */
void units_waiting(struct daemon *d, struct worker_waiting *sum);

/* flows.c: one line per flow, at most @max. */
void units_print_flows(struct daemon *d, FILE *out, uint32_t max);

/* --- control.c --- */

/* Bind the control socket and the HTTP server that the configuration asks
 * for.  They answer once the loop runs.  Return: 0, or -errno, line logged */
int control_start(struct daemon *d);
void control_free(struct daemon *d);

/* The counters that are not 0, as `penstockctl nstat` prints them. */
void control_print_counters(struct daemon *d, FILE *out);

/* --- attack.c --- */

/* Look whether an attack on a service begins or ends, and log it. */
void attacks_look(struct daemon *d);
void attacks_free(struct daemon *d);

/* Attacks, and who was refused most, as members of @status. */
void attacks_status(struct daemon *d, json_t *status);

/* Append the gauges of all services.  Return: 0 or -ENOMEM */
int attacks_metrics(struct daemon *d, struct metrics *m);

/* --- faults.c --- */

#define EXIT_EXPECT 3 /* what a fault expects did not hold */

/* Open fault_log; before capabilities go.  0, or -errno, line logged */
int faults_open(struct daemon *d);

/**
 * faults_adopt() - Make the faults of a file those of all engines
 * @new:    the file; d->cfg is what the faults are of so far, or the same
 * @errors: why not; NULL is fine
 * Unchanged ones keep their counters, and those that did not come from the
 * file stay.  Return: 0, or -EINVAL: nothing was changed
 */
int faults_adopt(struct daemon *d, const struct config *new, FILE *errors);

/* The commands about faults, as control_ops.command. */
int faults_command(struct daemon *d, const char *cmd, const json_t *request,
		   json_t **result, FILE *errors);

/* profile.c: {"cmd":"profile"}, with "reset": and forget it. */
int profile_command(struct daemon *d, const json_t *request, json_t **result);

/* At the end, while the engines live: write what is left of the log; the exit
 * status is EXIT_EXPECT when an expectation does not hold. */
void faults_finish(struct daemon *d);
void faults_close(struct daemon *d);

/* --- relay.c --- */

/* Open what `rules apply' has pinned, before capabilities go; a line is logged
 * when a service asks for it and it is not there. */
void relay_open(struct daemon *d);
/* Each second: forget connections that are over. */
void relay_look(struct daemon *d);
void relay_close(struct daemon *d);

#endif
