/* SPDX-License-Identifier: MIT */
/*
 * penstockd: wiring of the daemon.
 *
 * Each worker has one thread, its queues and one engine.  The main thread waits
 * for signals, timers and commands.  It accesses an engine only by
 * worker_call(), between two batches.
 *
 * Start: configuration, control socket and HTTP, secret, then the TUN and the
 * queues of every worker.  So it either succeeds as a whole or says in one line
 * what is missing.  Then all capabilities are dropped but the one for verdicts,
 * and systemd is told READY.  SIGHUP checks the whole file and replaces the
 * policies.  SIGUSR1 prints the counters.  SIGTERM or SIGINT stops: no new
 * connections, running ones get shutdown_grace to end, the rest is reset.  A
 * second signal ends the grace at once.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "config/secret.h"
#include "config/textfile.h"
#include "fault/cfg.h"
#include "io/priv.h"
#include "io/sandbox.h"
#include "penstockd.h"

#define CONF_DEFAULT "/etc/penstock/penstock.conf"
#define EXIT_CONFIG 2
#define CLOCK_TICKS 10	     /* the wall clock is read every so many ticks */
#define TICK_US USEC_PER_SEC /* liveness and loss are checked */
#define LOSS_LOG_US (10 * USEC_PER_SEC)	 /* one line about loss at most */
#define EVENT_LOG_US (10 * USEC_PER_SEC) /* likewise of libevent's warnings */

/* --- events --- */

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	daemon_stop(arg);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	daemon_reload(arg, NULL);
}

static void on_print(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	control_print_counters(arg, stdout);
}

/* Log packets that were lost because a queue of the kernel was full. */
static void report_loss(struct daemon *d, struct unit *u)
{
	struct io_counters c = {0};
	uint64_t lost, n;

	worker_counters(u->worker, &c, NULL);
	lost = c.queue_dropped + c.queue_user_dropped + c.syn_dropped +
	       c.rx_enobufs;
	if (lost == u->lost)
		return;
	if (!log_limit_ok(&d->loss_limit, worker_clock(), LOSS_LOG_US, &n))
		return;
	log_warn("worker %u: the kernel dropped %llu packets more (in all: "
		 "%llu queue full, %llu socket full, %llu SYNs)",
		 (unsigned int)(u - d->unit),
		 (unsigned long long)(lost - u->lost),
		 (unsigned long long)c.queue_dropped,
		 (unsigned long long)c.queue_user_dropped,
		 (unsigned long long)c.syn_dropped);
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
	xdp_tick(d);
	crash_look(d, xdp_known(d));
	attacks_look(d);
	relay_look(d);
	if (++d->ticks % CLOCK_TICKS == 0)
		units_follow_clock(d);
	daemon_set_timer(d->ev_tick, TICK_US);
}

/* A worker that hangs makes units_flows() wait, so systemd gets no sign of
 * life. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	units_flows(d);
	sd_notify(0, "WATCHDOG=1");
	daemon_set_timer(d->ev_dog, (int64_t)d->watchdog);
}

/* libevent may repeat a warning for every packet: limit it. */
static void on_event_log(int severity, const char *text)
{
	static struct log_limit limit;
	uint64_t n;

	if (severity != EVENT_LOG_DEBUG &&
	    log_limit_ok(&limit, worker_clock(), EVENT_LOG_US, &n))
		log_warn("libevent: %s (%llu lines suppressed)", text,
			 (unsigned long long)n);
}

static int make_signals(struct daemon *d)
{
	d->ev_term = evsignal_new(d->base, SIGTERM, on_stop, d);
	d->ev_int = evsignal_new(d->base, SIGINT, on_stop, d);
	d->ev_hup = evsignal_new(d->base, SIGHUP, on_reload, d);
	d->ev_usr1 = evsignal_new(d->base, SIGUSR1, on_print, d);
	if (!d->ev_term || !d->ev_int || !d->ev_hup || !d->ev_usr1)
		return -ENOMEM;
	if (evsignal_add(d->ev_term, NULL) || evsignal_add(d->ev_int, NULL) ||
	    evsignal_add(d->ev_hup, NULL) || evsignal_add(d->ev_usr1, NULL))
		return -ENOMEM;
	return 0;
}

static int make_events(struct daemon *d)
{
	uint64_t dog = 0;

	event_set_log_callback(on_event_log);
	d->base = event_base_new();
	if (!d->base || make_signals(d))
		return -ENOMEM;
	d->ev_tick = evtimer_new(d->base, on_tick, d);
	d->ev_stop = evtimer_new(d->base, daemon_stop_poll, d);
	d->ev_dog = evtimer_new(d->base, on_watchdog, d);
	d->ev_hand = evtimer_new(d->base, daemon_hand_over, d);
	if (!d->ev_tick || !d->ev_stop || !d->ev_dog || !d->ev_hand)
		return -ENOMEM;
	daemon_set_timer(d->ev_tick, TICK_US);
	if (sd_watchdog_enabled(0, &dog) > 0) {
		d->watchdog = dog / 2;
		daemon_set_timer(d->ev_dog, 0);
	}
	return 0;
}

static void free_events(struct daemon *d)
{
	struct event *const ev[] = {d->ev_term, d->ev_int,  d->ev_hup,
				    d->ev_usr1, d->ev_tick, d->ev_stop,
				    d->ev_dog,	d->ev_hand};
	size_t i;

	for (i = 0; i < ARRAY_LEN(ev); i++)
		if (ev[i])
			event_free(ev[i]);
	if (d->base)
		event_base_free(d->base);
}

/* --- life --- */

static int open_units(struct daemon *d, struct takeover *t)
{
	int err = units_open(d, takeover_fds(t));

	if (!err)
		err = connlog_open(d, d->cfg->daemon.connection_log);
	/* those that are taken over may be the same */
	return err ? err : faults_adopt(d, d->cfg, stderr);
}

/* Nothing is taken from the other process before all of this has succeeded. */
static int take_over(struct daemon *d)
{
	struct takeover *t = NULL;
	int err = faults_open(d);

	if (!err)
		err = units_make(d);
	if (!err)
		err = crash_open(d, NULL);
	if (err)
		return err;
	t = takeover_begin(d);
	if (!t)
		return -EPROTO;
	err = open_units(d, t);
	if (err)
		takeover_refuse(t, "the new one cannot run");
	else
		err = takeover_load(d, t);
	if (!err)
		crash_publish(d);
	if (!err && control_start(d))
		log_err("going on without a control socket");
	takeover_free(t);
	return err;
}

/* systemd may have kept what the last process left at a restart. */
static int set_up(struct daemon *d)
{
	struct takeover *t = NULL;
	int err = control_start(d);

	if (!err)
		err = faults_open(d);
	if (!err)
		err = units_make(d);
	if (err)
		return err;
	t = takeover_stored();
	err = crash_open(d, takeover_journals(t));
	if (!err)
		err = open_units(d, t);
	if (!err && t)
		err = takeover_load(d, t);
	if (!err)
		crash_publish(d);
	takeover_free(t);
	return err;
}

static int start(struct daemon *d)
{
	int err = xdp_start(d);

	if (!err)
		err = priv_drop();
	if (!err)
		crash_start(d, xdp_known(d));
	if (!err)
		err = units_start(d);
	if (!err)
		xdp_tick(d); /* not a second later: SYNs may be coming in */
	if (!err)
		err = rules_watch_start(d);
	if (!err)
		units_kick(d);
	return err;
}

static int run(struct daemon *d)
{
	int err;

	signal(SIGPIPE, SIG_IGN);
	log_set_level(d->cfg->daemon.log_level);
	priv_hide_memory();
	d->n = d->cfg->daemon.workers;
	d->started = worker_clock();
	d->loaded_s = (int64_t)time(NULL);
	err = make_events(d);
	if (err)
		log_err("event loop: %s", strerror(-err));
	else
		err = d->takeover ? take_over(d) : set_up(d);
	if (!err)
		err = start(d);
	if (err) {
		d->status = EXIT_FAILURE;
		goto out;
	}
	priv_no_core();
	sandbox_main();
	daemon_warn_harm(d->cfg->policy);
	log_info("ready: %u services, %u workers, queue %u, TUN %s",
		 d->cfg->policy->nservice, d->n, d->cfg->daemon.queue,
		 d->cfg->daemon.tun);
	sd_notify(0, "READY=1\nSTATUS=Running");
	event_base_dispatch(d->base);
	if (!d->handed_over)
		faults_finish(d);
out:
	control_free(d);
	rules_watch_free(d);
	units_stop(d);
	crash_end(d);
	units_free(d);
	crash_free(d);
	connlog_close(d);
	relay_close(d);
	xdp_free(d);
	faults_close(d);
	attacks_free(d);
	free_events(d);
	if (!err)
		log_info("stopped");
	return d->status;
}

static void usage(FILE *out)
{
	fputs("usage: penstockd [-t [-v] | --takeover] [-c FILE]\n"
	      "  -c, --config FILE  configuration (default " CONF_DEFAULT ")\n"
	      "  -t, --test         check it and exit: 0 good, 2 bad\n"
	      "  -v, --verbose      with -t: also what follows from the host\n"
	      "      --takeover     go on with the connections of the "
	      "penstockd "
	      "that runs\n"
	      "      --version      print the version\n"
	      "  -h, --help         this\n"
	      "Runs in the foreground.  SIGHUP reloads, SIGUSR1 prints the "
	      "counters,\nSIGTERM and SIGINT stop.  Exit status: 0 stopped, "
	      "1 cannot run, 2 bad\nconfiguration or usage, 3 what a fault "
	      "expects did not hold.\n",
	      out);
}

/* What the file leaves to the host. */
static void print_in_force(const struct policy *p)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct service *s = &p->service[i];

		printf("service %s: tcp_congestion_control client:%s "
		       "server:%s\n",
		       s->name, tcp_cc_name(s->tcp.cc[0]),
		       tcp_cc_name(s->tcp.cc[1]));
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"takeover", no_argument, NULL, 'T'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct daemon d = {.path = CONF_DEFAULT, .status = EXIT_SUCCESS};
	bool test = false, verbose = false;
	int opt;

	fault_files_by(textfile_read);
	while ((opt = getopt_long(argc, argv, "c:tvhV", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			d.path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'T':
			d.takeover = true;
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
		fprintf(stderr, "penstockd: surplus word \"%s\"\n",
			argv[optind]);
		usage(stderr);
		return EXIT_CONFIG;
	}
	if (test ? daemon_load(d.path, &d.cfg, stderr)
		 : daemon_load_to_run(d.path, &d.cfg, stderr))
		return EXIT_CONFIG;
	if (!test)
		run(&d);
	else if (!secrets_usable(d.cfg->daemon.secret_file,
				 *d.cfg->daemon.http
					 ? d.cfg->daemon.http_token_file
					 : "",
				 stderr))
		d.status = EXIT_CONFIG;
	else
		daemon_warn_harm(d.cfg->policy);
	if (test && verbose)
		print_in_force(d.cfg->policy);
	config_free(d.cfg);
	return d.status;
}
