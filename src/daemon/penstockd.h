/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKD_H
#define PENSTOCKD_H

/*
 * What the daemon's own files share: penstockd.c starts it, reload.c and stop.c
 * are what their names say, units.c joins packet I/O and engines, control.c
 * answers the operator, faults.c has the faults, attack.c reports attacks, and
 * xdp.c controls the XDP front.
 */
#include <event2/event.h>
#include <stdio.h>

#include "config/config.h"
#include "api/server.h"
#include "crash/journal.h"
#include "engine/engine.h"
#include "front/splice.h"
#include "io/worker.h"
#include "shield/commons.h"
#include "shield/paths.h"
#include "util/log.h"
#include "util/tcp_state.h"

struct bufferevent;
struct capture;
struct tap;
#include "view/ends.h"
#include "view/flow.h"

struct crash;
struct crash_stored;

/**
 * struct unit - One worker and what belongs to it
 * @pool:   buffers
 * @paths:  what connections have learnt of the paths to their hosts
 * @engine: flows
 * @worker: thread, queue, TUN
 * @tap:    between worker and engine, while there is a capture; only within
 *          worker_call()
 * @ends:   looks on the flows of @engine
 * @journal: notes the legs of @engine
 * @crash:  while peers of a crashed process are told
 * @lost:   packets lost in the kernel, when last reported
 */
struct unit {
	struct buf_pool pool;
	struct paths paths;
	struct engine *engine;
	struct splicer *splicer; /* NULL: there is no translator */
	struct worker *worker;
	struct tap *tap;
	struct ends ends;
	struct journal journal;
	struct crash *crash;
	uint64_t lost;
};

/* flows.c: the names of the states, as users see them. */
extern const char *const state_names[TS_COUNT];

/**
 * struct metrics - All numbers at one time, summed over all workers
 * @m: @n of them, room for @room; owned
 */
struct metrics {
	struct control_metric *m;
	uint32_t n, room;
};

/**
 * struct daemon - The process
 * @path:     configuration file
 * @cfg:      the configuration read last
 * @unit:     @n of them
 * @commons:  what several units have in common
 * @seed:     of all random choices that are no secrets
 * @ops:      what @control and @http answer
 * @capture:  that runs, or NULL
 * @metrics:  taken when the first metric is asked for
 * @faults:   the log and the reports of faults
 * @connlog:  the connection log; NULL: there was none yet
 * @crash:    what is kept for a crash, and told after one
 * @watch:    attacks on services
 * @splice:   connections that the kernel relays; NULL: there is no such relay
 * @rules:    what is known about the host's rules
 * @xdp:      the XDP front
 * @secret:   the secret of the units, for the front
 * @started:  start time, for the uptime
 * @ticks:    number of timer ticks, about one a second
 * @stop_by:  while stopping: when the grace is over
 * @watchdog: microseconds between signs of life, 0 = none wanted
 * @status:   exit status
 * @takeover: --takeover
 * @hand_to:  the process that takes over will listen there; NULL: none asked
 * @handed_over: another process goes on with all connections
 * @leave:    connections that go to another gateway, while the workers stand
 *            still for that; NULL: they do not
 * @join:     connections that come from another gateway, or NULL
 */
struct daemon {
	const char *path;
	struct config *cfg;
	struct unit *unit;
	uint32_t n;
	struct commons commons;
	uint64_t seed;

	struct event_base *base;
	struct event *ev_term, *ev_int, *ev_hup, *ev_usr1;
	struct event *ev_tick, *ev_stop, *ev_dog, *ev_ends, *ev_hand;
	struct control_ops ops;
	struct control_server *control;
	struct control_http *http;
	struct capture *capture;
	struct metrics metrics;
	struct faults *faults;
	struct connlog *connlog;
	struct rules_watch *rules;
	struct crash *crash;
	struct watch *watch;
	struct splice_map *splice;
	struct xdp *xdp;
	uint8_t secret[32];

	struct log_limit loss_limit;
	mono_t started, stop_by;
	int64_t loaded_s; /* Unix time when the current file was read */
	bool reload_failed;
	uint32_t ticks;
	uint64_t watchdog;
	int status;
	bool takeover, handed_over;
	char *hand_to;
	struct leave *leave;
	struct join *join;
};

/* A gauge of the process. */
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
/* The same, and fill in what depends on this host. */
int daemon_load_to_run(const char *path, struct config **out, FILE *errors);
/* Warn of what is valid but probably not meant: no service, harmful keys. */
void daemon_warn_harm(const struct policy *p);

/* Adopt the whole file or nothing.  Return: 0, or -errno; the reasons are
 * logged, and printed on @errors (may be NULL), one a line. */
int daemon_reload(struct daemon *d, FILE *errors);

/* --- stop.c --- */

/* Begin to stop.  If that has begun already, end the grace.  Returns at
 * once. */
void daemon_stop(struct daemon *d);
/* Callback of the timer d->ev_stop: is it time to end? */
void daemon_stop_poll(evutil_socket_t fd, short what, void *arg);
/* Let the timer fire in @us. */
void daemon_set_timer(struct event *ev, int64_t us);

/* --- xdp.c --- */

/* Open the front's maps, if they are pinned.  Call it after the engines were
 * made and before privileges are given up.  The front answers nothing before
 * the first tick. */
int xdp_start(struct daemon *d);
void xdp_free(struct daemon *d);
/* Call it each second. */
void xdp_tick(struct daemon *d);
/* The policy or [penstock] has changed. */
void xdp_follow(struct daemon *d);
/* No new connections from now on: leave SYNs to the engines, which refuse
 * them. */
void xdp_stop(struct daemon *d);
/* What the front knows; NULL: there is none. */
const struct known *xdp_known(const struct daemon *d);
/* Does XDP answer the SYNs of service number @i now? */
bool xdp_answers(const struct daemon *d, uint32_t i);
/* The state as a word: off, missing, ready or answering. */
const char *xdp_word(const struct daemon *d);
/* Add what the front did to the counts of all @n services. */
void xdp_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n);
/* Append its counters.  Return: 0 or -ENOMEM */
int xdp_metrics(struct daemon *d, struct metrics *m);

/* --- rules.c --- */

/* Begin to watch; call it when the workers run. 0 or -ENOMEM */
int rules_watch_start(struct daemon *d);
void rules_watch_free(struct daemon *d);
/* Compare the host with the file now, and log what is new. */
void rules_look(struct daemon *d);
/* At the last look: 1: as in the file, 0: not so, -1: unknown. */
int rules_ok(const struct daemon *d);
const char *rules_word(const struct daemon *d);
/* The differences, one a line; "" for none. */
const char *rules_differences(const struct daemon *d);

/* --- units.c --- */

/* Reserve the memory of every worker; open its queues and its TUN, or take
 * those of @taken (NULL: there are none); start its thread.  Return: 0, or
 * -errno with a line logged */
int units_make(struct daemon *d);
int units_open(struct daemon *d, struct worker_taken *taken);
int units_start(struct daemon *d);
/* End the threads, between two batches; units_start() goes on. */
void units_stop(struct daemon *d);
/* Send what the engines have to send. */
void units_kick(struct daemon *d);
void units_free(struct daemon *d);

/* Call @fn with each engine, in its worker's thread. */
void units_call(struct daemon *d, void (*fn)(void *engine, mono_t now));
/* The wall clock may have been set: tell the engines. */
void units_follow_clock(struct daemon *d);
void units_set_policy(struct daemon *d, struct policy *p);
/* Unix time minus the workers' clock, microseconds. */
int64_t units_wall_offset(void);

/* engine_set_known() and engine_front() of all engines, which share @sent. */
void units_set_known(struct daemon *d, const struct known *k);
enum front_wish units_front(struct daemon *d, uint32_t i, uint64_t sent,
			    bool on);
/* engine_synack_offer() that each of those engines keeps which know one. */
void units_synack_offer(struct daemon *d, uint32_t i, struct synack_offer *o);

/* Call @fn once, while all workers wait between two batches.  So it may access
 * every engine. */
void units_stopped_call(struct daemon *d, void (*fn)(void *arg, mono_t now),
			void *arg);

/* The number of connections. */
uint32_t units_flows(struct daemon *d);

/* How full the tables are, summed over all workers. */
void units_gauges(struct daemon *d, struct engine_gauges *g);

/* Append every counter of the engines and of packet I/O, summed over all
 * workers.  Texts are valid as long as d->cfg.  Return: 0 or -ENOMEM */
int units_counters(struct daemon *d, struct metrics *m);

/* The counts of admission of all @n services, summed over all workers. */
void units_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n);

/**
 * struct refused_source - A refused source, summed over all workers
 * @service: a name; copied
 * @count:   lower limit of the number of refusals lately
 */
struct refused_source {
	struct ipaddr addr;
	char service[SERVICE_NAME_MAX + 1];
	bool proven;
	uint32_t count;
};

/* Fill @r, the most refused first.  Return: how many, at most @max */
uint32_t units_refused(struct daemon *d, struct refused_source *r,
		       uint32_t max);

/* Packets that wait in the kernel's queues, summed over all workers. */
void units_waiting(struct daemon *d, struct worker_waiting *sum);

/* --- flows.c --- */

/* Lines of one flow list.  Making a line takes some microseconds in which
 * its worker handles no packet. */
#define FLOWS_MAX 20000u

/* An array of objects (api/flows.h), @max at most of those that @filter
 * matches, owned by the caller.  NULL: no memory. */
json_t *flows_json(struct daemon *d, const struct filter *filter, uint32_t max);
/* {"cmd":"flows"} with "filter", and perhaps "max". */
int flows_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors);
/* Does @filter match a connection that the kernel relays? */
bool relayed_is_meant(const struct splice_flow *f, const struct filter *filter);
/* The "filter" of a request.  0, or -EINVAL with a line on @errors. */
int flows_filter(const json_t *request, struct filter *f, FILE *errors);
/* Add a leg's times to the object @o; what is 0 only with @zeros. */
void flow_add_times(json_t *o, const struct leg_chrono *c, bool zeros);

/* --- capture.c --- */

/* {"cmd":"capture"}, with "filter", "count", "seconds" and "snaplen": makes
 * ready for capture_stream(). */
int capture_command(struct daemon *d, const json_t *request, json_t **result,
		    FILE *errors);
/* The client's connection, behind the answer: begin.  Takes @bev. */
void capture_stream(struct daemon *d, struct bufferevent *bev);
/* End it at once. */
void capture_free(struct daemon *d);

/* --- paths.c --- */

/* {"cmd":"paths"}, with "address" and "forget": the path memory. */
int paths_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors);

/* --- why.c --- */

/* What limits a connection, as an object; owned by the caller. */
json_t *why_json(const struct flow_view *f);
/* {"cmd":"why"}, with "filter" and "max": what limits connections. */
int why_command(struct daemon *d, const json_t *request, json_t **result,
		FILE *errors);

/* --- control.c --- */

/* Bind the control socket and the HTTP server, as configured.  They answer once
 * the loop runs.  Return: 0, or -errno with a line logged */
int control_start(struct daemon *d);
void control_free(struct daemon *d);

/* The counters that are not 0, as `penstockctl nstat` prints them. */
void control_print_counters(struct daemon *d, FILE *out);

/* --- attack.c --- */

/* Check whether an attack on a service begins or ends, and log it. */
void attacks_look(struct daemon *d);
void attacks_free(struct daemon *d);

/* Add attacks and the most refused sources to @status. */
void attacks_status(struct daemon *d, json_t *status);

/* Append the gauges of all services.  Return: 0 or -ENOMEM */
int attacks_metrics(struct daemon *d, struct metrics *m);

/* --- faults.c --- */

#define EXIT_EXPECT 3 /* an expectation of a fault was not true */

/* Open fault_log; call it before capabilities are dropped. 0, or -errno with a
 * line logged */
int faults_open(struct daemon *d);

/**
 * faults_adopt() - Give the faults of a file to all engines
 * @new:    the file; d->cfg is the one that the current faults come from, or
 *          the same
 * @errors: gets the reasons; may be NULL Unchanged ones keep their counters,
 * and those that did not come from the file stay.  Return: 0, or -EINVAL:
 * nothing was changed
 */
int faults_adopt(struct daemon *d, const struct config *new, FILE *errors);

/* Those of the file, for the next process. */
const struct fault_file *faults_of_file(struct daemon *d);
/* Faults of another process act now: report their decisions. */
void faults_taken(struct daemon *d);

/* The commands about faults, as control_ops.command. */
int faults_command(struct daemon *d, const char *cmd, const json_t *request,
		   json_t **result, FILE *errors);

/* profile.c: {"cmd":"profile"}, with "reset": and forget it. */
int profile_command(struct daemon *d, const json_t *request, json_t **result);

/* At the end, while the engines still exist: write the rest of the log.  The
 * exit status becomes EXIT_EXPECT when an expectation is not true. */
void faults_finish(struct daemon *d);
void faults_close(struct daemon *d);

/* hists.c: append the histograms of all services, summed over all workers.
 * Return: 0 or -ENOMEM */
int hists_metrics(struct daemon *d, struct metrics *m);

/* --- connlog.c --- */

/* Log connections that end from now on to @path: a file, "journal", or "" for
 * nowhere.  A file is opened again, so logrotate can move it away.  0, or
 * -errno with a line logged; then there is no log */
int connlog_open(struct daemon *d, const char *path);
/* Append its counters.  Return: 0 or -ENOMEM */
int connlog_metrics(const struct daemon *d, struct metrics *m);
/* At the end, when no worker runs any more: write the rest. */
void connlog_close(struct daemon *d);

/* --- states.c --- */

/* {"cmd":"states"}: how many connections are in which state. */
int states_command(struct daemon *d, json_t **result);
/* {"cmd":"tw"}, with "filter" and "max": the entries in TIME_WAIT. */
int tw_command(struct daemon *d, const json_t *request, json_t **result,
	       FILE *errors);
/* {"cmd":"drain"}, with "service" and perhaps "on": take no new connections, or
 * take them again.  "left" is how many there are. */
int drain_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors);
/* The names of services that are drained. */
json_t *drained_services(struct daemon *d);

/* kill.c: {"cmd":"kill"}, with "filter" or "all"; {"cmd":"reset"}. */
int kill_command(struct daemon *d, const json_t *request, json_t **result,
		 FILE *errors);
int reset_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors);

/* --- handover_state.c --- */

struct handover_side;
#define HANDOVER_WORKERS_MAX 64 /* as the key says */
/**
 * struct handover_written - The state of all engines
 * @fd: a memfd with @bytes
 */
struct handover_written {
	int fd;
	uint64_t bytes;
	uint32_t flows;
};
/* Write it; no worker runs.  Return: 0 or -errno; @w->fd may be open then */
int handover_write(struct daemon *d, struct handover_written *w);
/* The engines, by worker; @engine has room for HANDOVER_WORKERS_MAX. */
void handover_side(struct daemon *d, struct handover_side *s,
		   struct engine **engine);

/* --- handover.c, takeover.c, store.c --- */

#define HANDOVER_TO_SYSTEMD "systemd"
/* Names of descriptors in systemd's store. */
#define STORED_STATE "penstock-state"
#define STORED_TUN "penstock-tun-"	   /* and the device's name */
#define STORED_QUEUE "penstock-queue-"	   /* and the queue's number */
#define STORED_JOURNAL "penstock-journal-" /* and a letter */
struct handover_side;
/* Callback of the timer d->ev_hand: hand over to the process at d->hand_to. */
void daemon_hand_over(evutil_socket_t fd, short what, void *arg);

/* store.c: systemd keeps a descriptor under the name @what@name, or those of a
 * worker.  Return: 0, or -errno; -ENOTCONN: systemd did not start us */
int store_fd(const char *what, const char *name, int fd);
int store_worker(const struct worker *w);

struct takeover;
/* Ask the running daemon; it stands still afterwards.  NULL with a line
 * logged. */
struct takeover *takeover_begin(struct daemon *d);
/* What systemd has kept of the last process; NULL: nothing. */
struct takeover *takeover_stored(void);
/* Journals that systemd has kept; NULL: none. */
struct crash_stored *takeover_journals(struct takeover *t);
/* What it had open; NULL: nothing. */
struct worker_taken *takeover_fds(struct takeover *t);
/* Go on with its connections, and let it end.  0, or -errno with a line
 * logged: it goes on itself. */
int takeover_load(struct daemon *d, struct takeover *t);
/* Let it go on, for this reason. */
void takeover_refuse(struct takeover *t, const char *why);
void takeover_free(struct takeover *t);

/* --- leave.c, join.c: to and from another gateway --- */

/* {"cmd":"handover","to":"stream"} makes ready for leave_stream(); from then on
 * the workers stand still.  "undo": they go on. */
int leave_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors);
/* Is it made ready?  Then leave_stream() takes @bev. */
bool leave_waits(const struct daemon *d);
void leave_stream(struct daemon *d, struct bufferevent *bev);
/* While the workers stand still: "handing over", or, when the state is written,
 * "handed over". */
const char *leave_word(const struct daemon *d);
/* End that: forget connections that another gateway has, and go on with those
 * that none has. */
void leave_end(struct daemon *d);
/* Add it to @status. */
void leave_status(const struct daemon *d, json_t *status);

/* {"cmd":"takeover"} makes ready for join_stream(). */
int join_command(struct daemon *d, json_t **result, FILE *errors);
bool join_waits(const struct daemon *d);
void join_stream(struct daemon *d, struct bufferevent *bev);
void join_free(struct daemon *d);

/* --- status.c, snapshot.c --- */

/* How long it has run. */
int64_t daemon_uptime_s(const struct daemon *d);
/* What `penstockctl status` shows; @drained: with the services that are
 * drained, which asks a worker for each service.  NULL: no memory. */
json_t *status_json(struct daemon *d, bool drained);

/* {"cmd":"snapshot"}: what the page shows, of one time. */
int snapshot_command(struct daemon *d, json_t **result);

/* --- crash.c --- */

#define STORED_JOURNALS 4

/**
 * struct crash_stored - Journals that systemd has kept
 * @fd: @n of them; crash_open() closes them
 * @taken: the state of their process was kept, too, and can be read
 */
struct crash_stored {
	char name[STORED_JOURNALS][sizeof(STORED_JOURNAL) + 1];
	int fd[STORED_JOURNALS];
	uint32_t n;
	bool taken;
};

/* Read the journals of the last process, and make one for the units, which have
 * no flows yet.  Without a journal it goes on.  Return: 0 or -ENOMEM */
int crash_open(struct daemon *d, struct crash_stored *s);
/* The units are open: let the next process find journal, queues and TUN. */
void crash_publish(struct daemon *d);
/* Begin to tell the peers of the last process; before units_start().  @k: what
 * the front knows, or NULL */
void crash_start(struct daemon *d, const struct known *k);
/* Call it each second. */
void crash_look(struct daemon *d, const struct known *k);
/* Are peers being told?  Then workers cannot be diverted. */
bool crash_is_telling(const struct daemon *d);
/* Connections of the last process that still have a peer to be told. */
uint32_t crash_untold(struct daemon *d);
/* Append its counters.  Return: 0 or -ENOMEM */
int crash_metrics(struct daemon *d, struct metrics *m);
/* While another gateway has the connections of this one, their peers must not
 * be told of a crash. */
void crash_others(struct daemon *d, bool others);
/* No worker runs any more. */
void crash_end(struct daemon *d);
/* No engine is left. */
void crash_free(struct daemon *d);

/* --- relay.c --- */

/* Open what `rules apply' has pinned; call it before capabilities are dropped.
 * A line is logged if a service needs it and it is missing. */
void relay_open(struct daemon *d);
/* Call it each second: forgets connections that have ended. */
void relay_look(struct daemon *d);
void relay_close(struct daemon *d);

#endif
