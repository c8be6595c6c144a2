/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_SERVER_H
#define PENSTOCK_API_SERVER_H

/*
 * The control socket and the HTTP server.  They run in the event loop of the
 * main thread and do not know the engine: requests are passed to the callbacks
 * of struct control_ops.
 *
 * Control socket: Unix stream, one JSON object a line, one JSON object a line
 * back, in order.  SIGPIPE is ignored from the first server on.
 *   {"cmd": "status"}                -> {"ok": true, "result": {...}}
 *   {"cmd": "counters"}              -> result: [{"name", "value", ...}, ...]
 *   {"cmd": "flows", "max": 100}     -> result: [{...}, ...] (flows.h); with
 *                                       "filter": ops->command()
 *   {"cmd": "reload"}, {"cmd": "stop"}, {"cmd": "ping"}
 *   any other                        -> ops->command(); where its result has
 *                                       "stream": true, the connection is a
 *                                       stream from then on (capture: pcapng)
 *   what fails                       -> {"ok": false, "error": "text"}
 *
 * HTTP: /metrics (Prometheus), /healthz, the files of a page at /; with a token
 * /api/status, /api/counters, /api/flows?max=N&filter=F, /api/snapshot,
 * /api/events (snapshots, as server-sent events), /api/fault-types and
 * /api/faults, which POST changes; and toxiproxy's API (toxiproxy.h).
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>

#include "util/types.h"

struct bufferevent;

#define CONTROL_LINE_MAX 65536 /* bytes of a request */
#define CONTROL_CLIENTS_MAX 32
#define CONTROL_IDLE_S 60      /* a silent client is disconnected */
#define CONTROL_FLOWS_MAX 1000 /* if the request has no maximum */
#define CONTROL_HTTP_MAX 64    /* connections to the HTTP server */
#define CONTROL_EVENTS_MAX 8   /* of those, that listen to /api/events */
#define CONTROL_NAMES_MAX 255  /* characters of http_names */
#define CONTROL_TOKEN_MAX 127

/* A metric is a number, or a part of a histogram: METRIC_SUM is in
 * microseconds, the others are counts. */
enum metric_part {
	METRIC_NUMBER,
	METRIC_BUCKET,
	METRIC_SUM,
	METRIC_COUNT
};

/**
 * struct control_metric - One number
 * @name:    nstat's where the kernel has it; "drop_REASON" for drops
 * @service: service it belongs to; NULL = the process
 * @worker:  worker it belongs to; -1 = all of them
 * @gauge:   it may decrease
 * @help:    what it is, in a line
 * @value:   the number
 * @label:   name of one more label; NULL = none
 * @text:    and its value
 * @part:    enum metric_part
 */
struct control_metric {
	const char *name, *service;
	int worker;
	bool gauge;
	const char *help;
	uint64_t value;
	const char *label, *text;
	uint8_t part;
};

/**
 * struct control_ops - What the daemon answers
 * @arg:     first argument of each callback
 * @status:  a JSON object, owned by the caller; NULL when out of memory
 * @metric:  the metric number @i (0, 1, ...); false when there is none.  The
 *           texts are valid until the next call
 * @flows:   an array of objects (flows.h), at most @max, owned by the caller;
 *           NULL when out of memory
 * @reload:  read the configuration again. 0, with warnings in @errors if there
 *           are any, or -errno with the reasons in @errors, one a line
 * @stop:    begin to stop, as SIGTERM does; returns at once
 * @command: any other command, or NULL.  The result is owned by the caller.
 *           0, -ENOSYS (no such command), or -errno with a reason in @errors
 * @stream:  a command's result has "stream": true.  The connection is the
 *           callback's from now on, behind the answer's line.  NULL: no command
 *           has
 * @services: [{"name", "listen": [text, ...], "connect": text or ""}, ...],
 *           owned by the caller; NULL: there are none
 *
 * All but @arg, @command, @stream and @services are required.
 */
struct control_ops {
	void *arg;
	json_t *(*status)(void *arg);
	bool (*metric)(void *arg, uint32_t i, struct control_metric *m);
	json_t *(*flows)(void *arg, uint32_t max);
	int (*reload)(void *arg, FILE *errors);
	void (*stop)(void *arg);
	int (*command)(void *arg, const char *cmd, const json_t *request,
		       json_t **result, FILE *errors);
	void (*stream)(void *arg, struct bufferevent *bev);
	json_t *(*services)(void *arg);
};

struct control_server;

/**
 * control_server_new() - Listen on the control socket
 * @base: the loop; borrowed
 * @path: of the socket.  A missing last directory is made; a socket without a
 *        listener is replaced.  Mode 0660
 * @ops:  borrowed, outlives the server
 * @err:  out: 0 or -errno (-EADDRINUSE: another daemon has it)
 * Return: the server, or NULL with *err
 */
struct control_server *control_server_new(struct event_base *base,
					  const char *path,
					  const struct control_ops *ops,
					  int *err);
/* Also removes the socket's file.  @s may be NULL. */
void control_server_free(struct control_server *s);

struct control_http;

/**
 * struct control_http_cfg - What the HTTP server is told
 * @listen: ADDRESS:PORT, IPv6 in brackets
 * @names:  host names that it answers to, blanks between them.  Addresses and
 *          localhost need none
 * @token:  opens all but metrics, health and the files of the page; not empty
 * @writes: toxiproxy's API answers without the token, and may make changes
 */
struct control_http_cfg {
	const char *listen, *names, *token;
	bool writes;
};

/**
 * control_http_new() - Serve HTTP
 * @cfg: copied
 * @ops: borrowed, outlives the server
 * @err: out: 0 or -errno
 *
 * It has at most CONTROL_HTTP_MAX connections.  A further one waits until the
 * oldest is at least a second old, and replaces it; but not one that listens to
 * events.
 */
struct control_http *control_http_new(struct event_base *base,
				      const struct control_http_cfg *cfg,
				      const struct control_ops *ops, int *err);
void control_http_free(struct control_http *h);

/* Answer one request line.  The object is owned by the caller. */
json_t *control_answer(const struct control_ops *ops, const char *line,
		       size_t len);

enum metrics_form {
	METRICS_PROMETHEUS, /* its text format 0.0.4 */
	METRICS_OPEN	    /* OpenMetrics 1.0.0 */
};

/* All metrics: as JSON (owned by the caller), and as text. */
json_t *control_metrics_json(const struct control_ops *ops);
int control_metrics_text(const struct control_ops *ops, enum metrics_form form,
			 FILE *out);

#endif
