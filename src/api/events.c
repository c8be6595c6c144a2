/* SPDX-License-Identifier: MIT */
/*
 * /api/events: snapshots for the page, as server-sent events.
 *
 * While nobody listens, nothing runs.  Else a snapshot is made once a second,
 * and all listeners get the same text.  A snapshot keeps the workers from their
 * packets for "stall_us" (its own account of that), so the next one is made
 * after PAUSE_FACTOR times as long if that is more than a second.  What comes
 * between is a comment, so that both ends know that the other is there.
 *
 * A listener that has not read the last event gets no other, so one event is
 * all that is held for it.  If it stays behind for BEHIND_MAX seconds, it is
 * disconnected.
 *
 * evhttp would end a connection whose client is silent.  So its timeouts are
 * taken away here.  When a connection ends, evhttp calls on_gone(), and leaves
 * the request to us if it was the client who ended it.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/listener.h"
#include "http.h"

#define TICK_S 1
#define QUIET_US (5 * (int64_t)USEC_PER_SEC) /* then a comment */
#define PAUSE_MAX_US (10 * (int64_t)USEC_PER_SEC)
#define PAUSE_FACTOR 500
#define BEHIND_MAX 10	 /* seconds */
#define SEND_BUFFER 8192 /* bytes: of the kernel, for each */
#define READ_MAX 4096	 /* bytes that a listener may send for nothing */

/**
 * struct events - The listeners
 * @who:    @n of them
 * @behind: seconds since it last had read everything
 * @fresh:  nothing was sent to it yet but the answer's headers
 * @next:   when the next snapshot is made
 * @said:   when something was sent last
 */
struct events {
	const struct control_ops *ops;
	struct event *tick;
	struct listening {
		struct evhttp_request *req;
		uint32_t behind;
		bool fresh;
	} who[CONTROL_EVENTS_MAX];
	uint32_t n;
	mono_t next, said;
};

static struct bufferevent *bev_of(const struct listening *l)
{
	struct evhttp_connection *c = evhttp_request_get_connection(l->req);

	return c ? evhttp_connection_get_bufferevent(c) : NULL;
}

static void on_gone(struct evhttp_connection *conn, void *arg)
{
	struct events *e = arg;

	/* http.c keeps the bufferevent, and evhttp closes the descriptor */
	bufferevent_disable(evhttp_connection_get_bufferevent(conn),
			    EV_READ | EV_WRITE);
	for (uint32_t i = 0; i < e->n; i++) {
		struct evhttp_request *req = e->who[i].req;
		struct evhttp_connection *c =
			evhttp_request_get_connection(req);

		if (c && c != conn)
			continue;
		e->who[i--] = e->who[--e->n];
		if (!c) /* it is ours now, and this frees it */
			evhttp_send_reply_end(req);
	}
}

/* --- what is sent --- */

/* The event's text, owned by the caller, or NULL. */
static char *event_text(struct events *e, int64_t *stall_us)
{
	static const char request[] = "{\"cmd\":\"snapshot\"}";
	json_t *answer = control_answer(e->ops, request, sizeof(request) - 1);
	json_t *result = json_object_get(answer, "result");
	char *text = json_is_object(result) ? json_dumps(result, JSON_COMPACT)
					    : NULL;

	*stall_us = json_integer_value(json_object_get(result, "stall_us"));
	json_decref(answer);
	return text;
}

static void send_to(struct listening *l, struct evbuffer *text)
{
	struct evbuffer *b = evbuffer_new();

	if (b && !evbuffer_add_buffer_reference(b, text))
		evhttp_send_reply_chunk(l->req, b);
	if (b)
		evbuffer_free(b);
}

/* To those that have read the last one. */
static void send_all(struct events *e, struct evbuffer *text)
{
	for (uint32_t i = 0; i < e->n; i++) {
		if (e->who[i].behind)
			continue;
		e->who[i].fresh = false;
		send_to(&e->who[i], text);
	}
	e->said = listener_clock();
}

static void send_snapshot(struct events *e, struct evbuffer *b, mono_t now)
{
	int64_t stall_us, pause_us;
	char *text = event_text(e, &stall_us);

	pause_us = stall_us * PAUSE_FACTOR;
	if (pause_us > PAUSE_MAX_US)
		pause_us = PAUSE_MAX_US;
	/* half a tick less: a tick is never exactly on time */
	e->next = mono_add(now, pause_us - USEC_PER_SEC / 2);
	if (text && evbuffer_add_printf(b, "data: %s\n\n", text) > 0)
		send_all(e, b);
	free(text);
}

/* Count the seconds of those that do not read; end who waits for too long. */
static void end_slow(struct events *e)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct bufferevent *slow[CONTROL_EVENTS_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->n; i++) {
		struct listening *l = &e->who[i];
		struct bufferevent *bev = bev_of(l);

		if (l->fresh ||
		    !evbuffer_get_length(bufferevent_get_output(bev)))
			l->behind = 0;
		else if (++l->behind > BEHIND_MAX)
			slow[n++] = bev;
	}
	for (uint32_t i = 0; i < n; i++) {
		/* by a RST: what it has not read is not kept for it */
		setsockopt(bufferevent_getfd(slow[i]), SOL_SOCKET, SO_LINGER,
			   &at_once, sizeof(at_once));
		/* calls on_gone() */
		bufferevent_trigger_event(
			slow[i], BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT, 0);
	}
}

static void rearm(struct events *e)
{
	static const struct timeval tick = {.tv_sec = TICK_S};

	evtimer_add(e->tick, &tick);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	mono_t now = listener_clock();
	struct events *e = arg;
	struct evbuffer *b;

	(void)fd;
	(void)what;
	end_slow(e);
	if (!e->n)
		return;
	b = evbuffer_new();
	if (b && mono_sub(now, e->next) >= 0)
		send_snapshot(e, b, now);
	else if (b && mono_sub(now, e->said) >= QUIET_US &&
		 !evbuffer_add(b, ":\n\n", 3))
		send_all(e, b);
	if (b)
		evbuffer_free(b);
	rearm(e);
}

/* --- who listens --- */

bool events_use(const struct events *e, const struct bufferevent *bev)
{
	for (uint32_t i = 0; i < e->n; i++) {
		if (bev_of(&e->who[i]) == bev)
			return true;
	}
	return false;
}

static void connection_prepare(struct events *e, struct evhttp_connection *c)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(c);
	const int size = SEND_BUFFER;

	setsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_SNDBUF, &size,
		   sizeof(size));
	bufferevent_set_timeouts(bev, NULL, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, READ_MAX);
	evhttp_connection_set_closecb(c, on_gone, e);
}

void events_begin(struct events *e, struct evhttp_request *req)
{
	struct evhttp_connection *c = evhttp_request_get_connection(req);

	if (evhttp_request_get_command(req) != EVHTTP_REQ_GET) {
		http_refuse(req, HTTP_BADMETHOD, "events are only for GET");
		return;
	}
	if (e->n == CONTROL_EVENTS_MAX) {
		http_refuse(req, HTTP_SERVUNAVAIL,
			    "too many listen to events already");
		return;
	}
	http_headers(req, "text/event-stream");
	evhttp_add_header(evhttp_request_get_output_headers(req),
			  "Cache-Control", "no-store");
	evhttp_send_reply_start(req, HTTP_OK, NULL);
	connection_prepare(e, c);
	e->who[e->n++] = (struct listening){.req = req, .fresh = true};
	e->next = listener_clock();
	if (e->n == 1)
		event_active(e->tick, EV_TIMEOUT, 0);
}

struct events *events_new(struct event_base *base,
			  const struct control_ops *ops)
{
	struct events *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->ops = ops;
	e->tick = evtimer_new(base, on_tick, e);
	if (e->tick)
		return e;
	free(e);
	return NULL;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->n; i++) {
		evhttp_connection_set_closecb(
			evhttp_request_get_connection(e->who[i].req), NULL,
			NULL);
		evhttp_send_reply_end(e->who[i].req);
	}
	event_free(e->tick);
	free(e);
}
