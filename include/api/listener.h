/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_LISTENER_H
#define PENSTOCK_API_LISTENER_H

/*
 * A listening socket that pauses when accept() fails.
 *
 * If accept() fails, mostly for lack of descriptors, it would fail again at
 * once and keep the loop busy.  So the socket is ignored for LISTENER_REST_MS,
 * and clients wait in the kernel's backlog.  There is at most one line in the
 * log per LISTENER_LOG_US.
 */
#include <event2/event.h>
#include <event2/listener.h>

#include "util/log.h"

#define LISTENER_REST_MS 100
#define LISTENER_LOG_US (60 * (int64_t)USEC_PER_SEC)
#define LISTENER_FULL "all connections are in use"

/**
 * struct listener - The guard of one listening socket
 * @next:  of all guards
 * @l:     the socket; borrowed
 * @wake:  timer that ends the pause
 * @what:  of the log line: "http", "control"
 * @full:  called after the pause: is there still no room?  NULL: there is room
 * @arg:   its argument
 * @limit: of the log line
 */
struct listener {
	struct listener *next;
	struct evconnlistener *l;
	struct event *wake;
	const char *what;
	bool (*full)(void *arg);
	void *arg;
	struct log_limit limit;
};

/**
 * listener_guard() - Guard @l until listener_forget()
 * @l:    borrowed; its callback and argument stay what they are
 * @what: name in the log; borrowed
 * @full: with @arg: must it pause again?  May be NULL
 * Return: 0 or -ENOMEM
 */
int listener_guard(struct listener *g, struct evconnlistener *l,
		   const char *what, bool (*full)(void *arg), void *arg);
/* Call it before @l is freed.  Allowed after a listener_guard() that failed,
 * and for zeroed memory. */
void listener_forget(struct listener *g);

/* The clock for its pauses and its log lines. */
mono_t listener_clock(void);

/* Accept nobody for LISTENER_REST_MS, and log @why. */
void listener_rest(struct listener *g, const char *why);

#endif
