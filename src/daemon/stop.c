/* SPDX-License-Identifier: MIT */
/*
 * Stopping: no new connections, and time for running ones to end.
 */
#include <systemd/sd-daemon.h>

#include "penstockd.h"

#define STOP_POLL_US (50 * USEC_PER_MSEC) /* do flows remain? */

void daemon_set_timer(struct event *ev, int64_t us)
{
	const struct timeval tv = {us / USEC_PER_SEC, us % USEC_PER_SEC};

	evtimer_add(ev, &tv);
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

static void finish(struct daemon *d)
{
	uint32_t flows = units_flows(d);

	if (flows)
		log_info("stop: %u connections are reset", flows);
	units_call(d, do_reset_all);
	event_base_loopbreak(d->base);
}

void daemon_stop_poll(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (mono_due(d->stop_by, worker_clock()) || !units_flows(d))
		finish(d);
	else
		daemon_set_timer(d->ev_stop, STOP_POLL_US);
}

/* The first check is not immediate, so that the caller gets an answer. */
void daemon_stop(struct daemon *d)
{
	int64_t grace = d->cfg->daemon.shutdown_grace;

	leave_end(d);
	daemon_set_timer(d->ev_stop, STOP_POLL_US);
	if (mono_is_set(d->stop_by)) {
		d->stop_by = worker_clock();
		return;
	}
	sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
		   (long long)grace + 10 * USEC_PER_SEC);
	log_info("stop: no new connections; %u have %lld ms to end",
		 units_flows(d), (long long)(grace / USEC_PER_MSEC));
	d->stop_by = mono_add(worker_clock(), grace);
	xdp_stop(d);
	units_call(d, do_stop_accepting);
}
