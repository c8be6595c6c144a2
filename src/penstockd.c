/* SPDX-License-Identifier: MIT */
/*
 * penstockd - wiring of the daemon
 *
 * Joins packet I/O and engine: each worker is one queue, one thread and one
 * engine, and the main thread only waits for signals, timers and commands.  It
 * reaches an engine by worker_call() alone, between two batches.
 *
 * Life.  Configuration, secret, then every worker's TUN and queue, so that a
 * start either succeeds as a whole or says in one line what is missing;
 * capabilities are dropped to what verdicts need; READY.  SIGHUP checks the
 * whole file and swaps the policies.  SIGTERM or SIGINT stops: no new
 * connections, running ones get shutdown_grace to end, the rest is reset.  A
 * second signal cuts the grace short.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <event2/event.h>
#include <systemd/sd-daemon.h>

#include "control/config.h"
#include "control/secret.h"
#include "engine/engine.h"
#include "io/priv.h"
#include "io/worker.h"
#include "util/log.h"

#define CONF_DEFAULT "/etc/penstock/penstock.conf"
#define EXIT_CONFIG 2
#define TICK_US USEC_PER_SEC /* liveness and loss are looked at so often */
#define STOP_POLL_US (50 * USEC_PER_MSEC) /* do flows remain? */
#define LOSS_LOG_US (10 * USEC_PER_SEC)	  /* one line about loss at most */
#define MEMORY_MIN (16ull << 20) /* of one worker: its ring and some flows */

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
 * struct daemon - The process
 * @path:     configuration file
 * @cfg:      what was read from it last
 * @unit:     @n of them
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
	struct event *ev_term, *ev_int, *ev_hup, *ev_tick, *ev_stop, *ev_dog;
	struct log_limit loss_limit;
	mono_t stop_by;
	uint64_t watchdog;
	int status;
};

_Static_assert((int)IO_CONSUMED == (int)VERDICT_CONSUMED, "verdicts differ");
_Static_assert((int)IO_PASS == (int)VERDICT_PASS, "verdicts differ");
_Static_assert((int)IO_REPLY == (int)VERDICT_REPLY, "verdicts differ");

static enum io_verdict op_input(void *engine, const struct packet *pkt,
				mono_t now, struct tx *reply)
{
	return (enum io_verdict)engine_input(engine, pkt, now, reply);
}

static int op_pull(void *engine, struct tx *tx, int max, mono_t now)
{
	return engine_pull(engine, tx, max, now);
}

static mono_t op_deadline(const void *engine)
{
	return engine_deadline(engine);
}

static void op_expire(void *engine, mono_t now)
{
	engine_expire(engine, now);
}

static const struct io_engine_ops engine_ops = {
	.input = op_input,
	.pull = op_pull,
	.deadline = op_deadline,
	.expire = op_expire,
};

/* --- start ---------------------------------------------------------------- */

static int64_t wall_offset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000 -
	       worker_clock().us;
}

/* Limits are for all workers together; the queues share flows evenly. */
static uint32_t share_of(uint32_t all, uint32_t n)
{
	return max_u32(1, (all + n - 1) / n);
}

static int unit_new_engine(struct daemon *d, struct unit *u,
			   const uint8_t secret[SECRET_BYTES])
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct engine_cfg ec = {
		.policy = d->cfg->policy,
		.pool = &u->pool,
		.max_flows = share_of(c->max_flows, d->n),
		.max_tw = share_of(c->max_tw, d->n),
		.wall_offset_us = wall_offset(),
		.cookie_epoch_s =
			d->cfg->daemon.secret_rotate / USEC_PER_SEC,
	};

	memcpy(ec.secret, secret, sizeof(ec.secret));
	if (getrandom(&ec.seed, sizeof(ec.seed), 0) != sizeof(ec.seed))
		return -errno;
	u->engine = engine_new(&ec, worker_clock());
	explicit_bzero(ec.secret, sizeof(ec.secret));
	return u->engine ? 0 : -ENOMEM;
}

static int unit_init(struct daemon *d, uint32_t i,
		     const uint8_t secret[SECRET_BYTES])
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct unit *u = &d->unit[i];
	const struct worker_cfg wc = {
		.index = i,
		.queue = (uint16_t)(c->queue + i),
		.mark = c->mark,
		.tun = c->tun,
		.pool = &u->pool,
		.ops = &engine_ops,
	};
	struct worker_cfg own = wc;
	int err;

	err = buf_pool_init(&u->pool, c->max_memory / d->n, WORKER_RX_RESERVE);
	if (!err)
		err = unit_new_engine(d, u, secret);
	if (err) {
		log_err("worker %u: cannot reserve memory for max_flows, "
			"max_memory: %s",
			i, strerror(-err));
		return err;
	}
	own.engine = u->engine;
	return worker_new(&u->worker, &own);
}

static void unit_fini(struct unit *u)
{
	worker_free(u->worker);
	if (u->engine)
		engine_free(u->engine);
	buf_pool_fini(&u->pool);
}

static int start_units(struct daemon *d)
{
	uint8_t secret[SECRET_BYTES];
	uint32_t i;
	int err;

	err = secret_load(d->cfg->daemon.secret_file, secret, stderr);
	if (err < 0)
		return err;
	err = 0;
	d->unit = calloc(d->n, sizeof(*d->unit));
	if (!d->unit)
		return -ENOMEM;
	for (i = 0; i < d->n && !err; i++)
		err = unit_init(d, i, secret);
	explicit_bzero(secret, sizeof(secret));
	if (!err)
		err = priv_drop();
	for (i = 0; i < d->n && !err; i++)
		err = worker_start(d->unit[i].worker);
	return err;
}

/* --- commands to the engines ---------------------------------------------- */

static void call_all(struct daemon *d, void (*fn)(void *arg, mono_t now))
{
	uint32_t i;

	for (i = 0; i < d->n; i++)
		worker_call(d->unit[i].worker, fn, d->unit[i].engine);
}

static void do_stop_accepting(void *engine, mono_t now)
{
	(void)now;
	engine_stop_accepting(engine);
}

static void do_reset_all(void *engine, mono_t now)
{
	engine_reset_all(engine, now);
}

struct gauges_call {
	const struct engine *engine;
	struct engine_gauges g;
};

static void do_gauges(void *arg, mono_t now)
{
	struct gauges_call *c = arg;

	(void)now;
	engine_gauges(c->engine, &c->g);
}

static uint32_t count_flows(struct daemon *d)
{
	struct gauges_call c;
	uint32_t i, flows = 0;

	for (i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_gauges, &c);
		flows += c.g.flows;
	}
	return flows;
}

struct policy_call {
	struct engine *engine;
	struct policy *policy;
};

static void do_set_policy(void *arg, mono_t now)
{
	struct policy_call *c = arg;

	(void)now;
	engine_set_policy(c->engine, c->policy);
}

/* --- configuration -------------------------------------------------------- */

static int load_config(const char *path, struct config **out)
{
	struct config *c;
	int err = config_load(path, &c, stderr);

	if (err)
		return err;
	if (c->daemon.max_memory / c->daemon.workers < MEMORY_MIN) {
		fprintf(stderr,
			"%s: [penstock] max_memory: %llu bytes for %u workers; "
			"allowed: 16M or more for each\n",
			path, (unsigned long long)c->daemon.max_memory,
			c->daemon.workers);
		config_free(c);
		return -EINVAL;
	}
	*out = c;
	return 0;
}

/* What a reload cannot change keeps its value, and says so. */
static void warn_restart(const struct daemon_cfg *old,
			 const struct daemon_cfg *new)
{
	static const char line[] = "reload: %s takes effect at a restart";

	if (old->workers != new->workers || old->queue != new->queue)
		log_warn(line, "workers, queue");
	if (old->mark != new->mark || strcmp(old->tun, new->tun) != 0)
		log_warn(line, "mark, tun");
	if (old->max_flows != new->max_flows || old->max_tw != new->max_tw ||
	    old->max_memory != new->max_memory)
		log_warn(line, "max_flows, max_memory, tcp_max_tw_buckets");
	if (strcmp(old->secret_file, new->secret_file) != 0)
		log_warn(line, "secret_file");
	if (strcmp(old->control, new->control) != 0 ||
	    strcmp(old->http, new->http) != 0)
		log_warn(line, "control, http");
}

/* Of [penstock], what a reload does change. */
static void adopt_daemon_cfg(struct daemon_cfg *now,
			     const struct daemon_cfg *new)
{
	warn_restart(now, new);
	now->shutdown_grace = new->shutdown_grace;
	now->log_level = new->log_level;
	log_set_level(now->log_level);
}

/* All or nothing.  Return: 0, or -errno with the errors printed */
static int reload(struct daemon *d)
{
	struct policy_call call;
	struct config *c;
	uint32_t i;
	int err;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)worker_clock().us);
	err = load_config(d->path, &c);
	if (err) {
		log_err("reload: %s has errors, nothing was changed", d->path);
		sd_notify(0, "READY=1\nSTATUS=Running; last reload failed");
		return err;
	}
	adopt_daemon_cfg(&d->cfg->daemon, &c->daemon);
	for (i = 0; i < d->n; i++) {
		call = (struct policy_call){d->unit[i].engine, c->policy};
		worker_call(d->unit[i].worker, do_set_policy, &call);
	}
	c->daemon = d->cfg->daemon;
	config_free(d->cfg);
	d->cfg = c;
	log_info("reload: %u services from %s", c->policy->nservice, d->path);
	sd_notify(0, "READY=1\nSTATUS=Running");
	return 0;
}

/* --- events --------------------------------------------------------------- */

static void set_timer(struct event *ev, int64_t us)
{
	const struct timeval tv = {us / USEC_PER_SEC, us % USEC_PER_SEC};

	evtimer_add(ev, &tv);
}

static void finish(struct daemon *d)
{
	uint32_t flows = count_flows(d);

	if (flows)
		log_info("stop: %u connections are reset", flows);
	call_all(d, do_reset_all);
	event_base_loopbreak(d->base);
}

static void on_stop_poll(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (mono_due(d->stop_by, worker_clock()) || !count_flows(d))
		finish(d);
	else
		set_timer(d->ev_stop, STOP_POLL_US);
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;
	int64_t grace = d->cfg->daemon.shutdown_grace;

	(void)sig;
	(void)what;
	if (mono_is_set(d->stop_by)) {
		finish(d);
		return;
	}
	sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
		   (long long)grace + 10 * USEC_PER_SEC);
	log_info("stop: no new connections; %u have %lld ms to end",
		 count_flows(d), (long long)(grace / USEC_PER_MSEC));
	d->stop_by = mono_add(worker_clock(), grace);
	call_all(d, do_stop_accepting);
	on_stop_poll(-1, 0, d);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)sig;
	(void)what;
	if (!mono_is_set(d->stop_by))
		reload(d);
}

/* Overflow of the kernel's queue is loss nobody asked for: say it. */
static void report_loss(struct daemon *d, struct unit *u)
{
	struct io_counters c = {0};
	uint64_t lost, n;

	worker_counters(u->worker, &c, NULL);
	lost = c.queue_dropped + c.queue_user_dropped + c.rx_enobufs;
	if (lost == u->lost)
		return;
	if (!log_limit_ok(&d->loss_limit, worker_clock(), LOSS_LOG_US, &n))
		return;
	log_warn("worker %u: the kernel dropped %llu packets more (in all: "
		 "%llu queue full, %llu socket full)",
		 (unsigned int)(u - d->unit),
		 (unsigned long long)(lost - u->lost),
		 (unsigned long long)c.queue_dropped,
		 (unsigned long long)c.queue_user_dropped);
	u->lost = lost;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	uint32_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < d->n; i++) {
		if (!worker_is_alive(d->unit[i].worker)) {
			log_err("worker %u ended: stopping", i);
			d->status = EXIT_FAILURE;
			event_base_loopbreak(d->base);
			return;
		}
		report_loss(d, &d->unit[i]);
	}
	set_timer(d->ev_tick, TICK_US);
}

/* A worker that hangs keeps us waiting in count_flows(), and the sign of life
 * does not come. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	count_flows(d);
	sd_notify(0, "WATCHDOG=1");
	set_timer(d->ev_dog, (int64_t)d->watchdog);
}

static int make_events(struct daemon *d)
{
	uint64_t dog = 0;

	d->base = event_base_new();
	if (!d->base)
		return -ENOMEM;
	d->ev_term = evsignal_new(d->base, SIGTERM, on_stop, d);
	d->ev_int = evsignal_new(d->base, SIGINT, on_stop, d);
	d->ev_hup = evsignal_new(d->base, SIGHUP, on_reload, d);
	d->ev_tick = evtimer_new(d->base, on_tick, d);
	d->ev_stop = evtimer_new(d->base, on_stop_poll, d);
	d->ev_dog = evtimer_new(d->base, on_watchdog, d);
	if (!d->ev_term || !d->ev_int || !d->ev_hup || !d->ev_tick ||
	    !d->ev_stop || !d->ev_dog)
		return -ENOMEM;
	if (evsignal_add(d->ev_term, NULL) || evsignal_add(d->ev_int, NULL) ||
	    evsignal_add(d->ev_hup, NULL))
		return -ENOMEM;
	set_timer(d->ev_tick, TICK_US);
	if (sd_watchdog_enabled(0, &dog) > 0) {
		d->watchdog = dog / 2;
		set_timer(d->ev_dog, 0);
	}
	return 0;
}

static void free_events(struct daemon *d)
{
	struct event *const ev[] = {d->ev_term, d->ev_int,  d->ev_hup,
				    d->ev_tick, d->ev_stop, d->ev_dog};
	size_t i;

	for (i = 0; i < ARRAY_LEN(ev); i++)
		if (ev[i])
			event_free(ev[i]);
	if (d->base)
		event_base_free(d->base);
}

/* --- life ----------------------------------------------------------------- */

static int run(struct daemon *d)
{
	uint32_t i;
	int err;

	signal(SIGPIPE, SIG_IGN);
	log_set_level(d->cfg->daemon.log_level);
	d->n = d->cfg->daemon.workers;
	err = make_events(d);
	if (!err)
		err = start_units(d);
	if (err) {
		log_err("cannot start: %s", strerror(-err));
		d->status = EXIT_FAILURE;
		goto out;
	}
	log_info("ready: %u services, %u workers, queue %u, TUN %s",
		 d->cfg->policy->nservice, d->n, d->cfg->daemon.queue,
		 d->cfg->daemon.tun);
	sd_notify(0, "READY=1\nSTATUS=Running");
	event_base_dispatch(d->base);
out:
	for (i = 0; d->unit && i < d->n; i++)
		unit_fini(&d->unit[i]);
	free(d->unit);
	free_events(d);
	if (!err)
		log_info("stopped");
	return d->status;
}

static void usage(FILE *out)
{
	fputs("usage: penstockd [-t] [-c FILE]\n"
	      "  -c, --config FILE  configuration (default " CONF_DEFAULT ")\n"
	      "  -t, --test         check it and exit: 0 good, 2 bad\n"
	      "      --version      print the version\n"
	      "  -h, --help         this\n"
	      "Runs in the foreground.  SIGHUP reloads, SIGTERM and SIGINT "
	      "stop.\n",
	      out);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct daemon d = {.path = CONF_DEFAULT, .status = EXIT_SUCCESS};
	bool test = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:thV", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			d.path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'V':
			puts("penstockd " PENSTOCK_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return EXIT_CONFIG;
	}
	if (load_config(d.path, &d.cfg))
		return EXIT_CONFIG;
	if (!test)
		run(&d);
	config_free(d.cfg);
	return d.status;
}
