/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_LISTENER_H
#define PENSTOCK_API_LISTENER_H

/*
 * A listening socket that rests when nobody can be taken in.
 *
 * accept() that fails, for want of descriptors above all, would fail again at
 * once, and the loop would do nothing else.  So the socket is not looked at for
 * LISTENER_REST_MS, and who waits stays in the kernel's backlog.  The log gets
 * a line in LISTENER_LOG_US at most.
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
 * @wake:  ends the rest
 * @what:  of the log line: "http", "control"
 * @full:  is there still no room, when the rest is over?  NULL: there is
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
 * listener_guard() - Look after @l until listener_forget()
 * @l:    borrowed; its callback and argument stay what they are
 * @what: name in the log; borrowed
 * @full: with @arg: must it rest once more?  NULL is fine
 * Return: 0 or -ENOMEM
 */
int listener_guard(struct listener *g, struct evconnlistener *l,
		   const char *what, bool (*full)(void *arg), void *arg);
/* Before @l is freed.  Fine after a listener_guard() that failed, and for
 * zeroed memory. */
void listener_forget(struct listener *g);

/* The clock by which it is logged and rested. */
mono_t listener_clock(void);

/* Take nobody in for LISTENER_REST_MS, and log @why. */
void listener_rest(struct listener *g, const char *why);

#endif
