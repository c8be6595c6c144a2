/* SPDX-License-Identifier: MIT */
/*
 * Handing over to another process: the side that gives.
 *
 * The other process asks by the control socket ({"cmd":"handover"}) and names a
 * socket where it listens.  This one then stops its workers between two
 * batches, writes the state of the engines to a memfd (handover/), and passes
 * it with the descriptors of queues and TUN.  It ends when the other one has
 * read all of it and says so.  Until then nothing is lost: if the other one
 * refuses, hangs or dies, the workers go on where they stopped.
 *
 *	taker -> giver  {"cmd": "handover", "format": 1, "to": PATH}
 *	giver -> taker  "worker TUN QUEUE..."   its descriptors; for each worker
 *	giver -> taker  "state BYTES FLOWS"     the memfd
 *	taker -> giver  "ready", or a reason
 *	giver -> taker  "go"                    the giver's sockets are free
 *
 * Or the process asks for it that ends this one for `systemctl restart'
 * (penstockctl handover): "to" is "systemd" then, and systemd keeps the state
 * and the descriptors for the next process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "engine/hooks.h"
#include "handover/handover.h"
#include "io/pass.h"
#include "penstockd.h"

#define WAIT_MS 20000 /* for the other process; the watchdog waits longer */

struct giving {
	int sock;
	struct handover_written state;
	struct pass m;
};

static int give_worker(struct giving *g, const struct worker *w)
{
	struct worker_fds fds;
	size_t at;

	worker_fds(w, &fds);
	g->m = (struct pass){.fd = {fds.tun}, .n = fds.n + 1};
	memcpy(g->m.fd + 1, fds.nfq, fds.n * sizeof(fds.nfq[0]));
	at = (size_t)snprintf(g->m.text, sizeof(g->m.text), "worker %s",
			      fds.name);
	for (uint32_t i = 0; i < fds.n; i++)
		at += (size_t)snprintf(g->m.text + at, sizeof(g->m.text) - at,
				       " %u", fds.queue[i]);
	return pass_send(g->sock, &g->m);
}

static int give(struct daemon *d, struct giving *g)
{
	int err = handover_write(d, &g->state);

	for (uint32_t i = 0; i < d->n && !err; i++)
		err = give_worker(g, d->unit[i].worker);
	if (err)
		return err;
	g->m = (struct pass){.fd = {g->state.fd}, .n = 1};
	snprintf(g->m.text, sizeof(g->m.text), "state %llu %u",
		 (unsigned long long)g->state.bytes, g->state.flows);
	err = pass_send(g->sock, &g->m);
	return err ? err : pass_recv(g->sock, &g->m);
}

/* --- by systemd's store of descriptors --- */

static int store_all(struct daemon *d, struct giving *g)
{
	int err = handover_write(d, &g->state);

	for (uint32_t i = 0; i < d->n && !err; i++)
		err = store_worker(d->unit[i].worker);
	if (!err)
		err = store_fd(STORED_STATE, "", g->state.fd);
	if (!err)
		err = sd_notify_barrier(0, WAIT_MS * USEC_PER_MSEC);
	return err < 0 ? err : 0;
}

/* --- to a process that listens --- */

/* The other process has all: free what it needs besides, and tell it. */
static bool let_go(struct daemon *d, struct giving *g)
{
	control_free(d);
	g->m = (struct pass){.text = "go"};
	if (!pass_send(g->sock, &g->m))
		return true;
	if (control_start(d))
		log_err("the control socket could not be opened again");
	return false;
}

/* Workers that were not stopped go on anyway. */
static void go_on(struct daemon *d, const char *why)
{
	log_err("handover: %s; going on", why);
	if (units_start(d)) {
		d->status = EXIT_FAILURE;
		event_base_loopbreak(d->base);
	}
	units_kick(d);
}

/* NULL: the other process has all of it; otherwise why not. */
static const char *hand_to(struct daemon *d, struct giving *g, const char *path)
{
	int err;

	if (!strcmp(path, HANDOVER_TO_SYSTEMD)) {
		units_stop(d);
		err = store_all(d, g);
		if (err) /* it is not true any more */
			sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" STORED_STATE);
		return err ? strerror(-err) : NULL;
	}
	g->sock = pass_connect(path, WAIT_MS);
	if (g->sock < 0)
		return strerror(-g->sock);
	units_stop(d);
	err = give(d, g);
	if (err)
		return strerror(-err);
	if (strcmp(g->m.text, "ready") != 0)
		return g->m.text;
	return let_go(d, g) ? NULL : "the other process is gone";
}

static void hand_over(struct daemon *d, const char *path)
{
	const mono_t begun = worker_clock();
	struct giving g = {.state.fd = -1, .sock = -1};
	const char *why = hand_to(d, &g, path);

	if (why) {
		go_on(d, why);
	} else {
		d->handed_over = true;
		log_info("handover: %u connections, %llu bytes; it took %lld "
			 "ms",
			 g.state.flows, (unsigned long long)g.state.bytes,
			 (long long)(mono_sub(worker_clock(), begun) /
				     USEC_PER_MSEC));
		/* what is pinned is the other one's now, and none has ended */
		units_set_known(d, NULL);
		for (uint32_t i = 0; i < d->n; i++)
			engine_watch(d->unit[i].engine, NULL, NULL);
		event_base_loopbreak(d->base);
	}
	if (g.sock >= 0)
		close(g.sock);
	if (g.state.fd >= 0)
		close(g.state.fd);
}

void daemon_hand_over(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	char *path = d->hand_to;

	(void)fd;
	(void)what;
	d->hand_to = NULL;
	hand_over(d, path);
	free(path);
}
