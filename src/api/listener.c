/* SPDX-License-Identifier: MIT */
/*
 * A listening socket that pauses when accept() fails.
 */
#include "api/listener.h"

#include <errno.h>
#include <time.h>

/* evhttp owns the argument of its listeners' callbacks, so a guard is found by
 * its socket. */
static struct listener *guards;

mono_t listener_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){(int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000};
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct listener *g = arg;

	(void)fd;
	(void)what;
	if (g->full && g->full(g->arg))
		listener_rest(g, LISTENER_FULL);
	else
		evconnlistener_enable(g->l);
}

void listener_rest(struct listener *g, const char *why)
{
	static const struct timeval rest = {.tv_usec = LISTENER_REST_MS * 1000};
	uint64_t n;

	evconnlistener_disable(g->l);
	evtimer_add(g->wake, &rest);
	if (log_limit_ok(&g->limit, listener_clock(), LISTENER_LOG_US, &n))
		log_warn("%s: %s; who connects now has to wait (%llu such "
			 "lines suppressed)",
			 g->what, why, (unsigned long long)n);
}

static void on_error(struct evconnlistener *l, void *arg)
{
	const int err = EVUTIL_SOCKET_ERROR();

	(void)arg;
	for (struct listener *g = guards; g; g = g->next) {
		if (g->l == l)
			listener_rest(g, strerror(err));
	}
}

int listener_guard(struct listener *g, struct evconnlistener *l,
		   const char *what, bool (*full)(void *arg), void *arg)
{
	*g = (struct listener){
		.next = guards, .l = l, .what = what, .full = full, .arg = arg};
	guards = g;
	g->wake = evtimer_new(evconnlistener_get_base(l), on_wake, g);
	if (!g->wake)
		return -ENOMEM;
	evconnlistener_set_error_cb(l, on_error);
	return 0;
}

void listener_forget(struct listener *g)
{
	struct listener **p = &guards;

	while (*p && *p != g)
		p = &(*p)->next;
	if (*p)
		*p = g->next;
	if (g->wake)
		event_free(g->wake);
	*g = (struct listener){0};
}
