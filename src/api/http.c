/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: its connections and its addresses.  See access.c for who may
 * ask what.
 *
 * Connections. evhttp reports neither their number nor their end.  So the
 * bufferevent of each is made here, with one reference more.  When a connection
 * ends, evhttp removes its callbacks: this shows that it is dead.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdlib.h>

#include "api/listener.h"
#include "api/toxiproxy.h"
#include "http.h"

#define HEADERS_MAX 16384
#define BODY_MAX 65536
#define TIMEOUT_S 10
#define STAY_US USEC_PER_SEC /* a younger connection is never closed */

/**
 * struct control_http - The server
 * @guard: of the listening socket
 * @conn:  @nconn connections, the oldest first; some may be dead
 * @names: host names that it accepts
 * @token: what opens it
 */
struct control_http {
	struct evhttp *http;
	struct listener guard;
	struct http_conn {
		struct bufferevent *bev;
		mono_t since;
	} conn[CONTROL_HTTP_MAX];
	uint32_t nconn;
	char names[CONTROL_NAMES_MAX + 1];
	char token[CONTROL_TOKEN_MAX + 1];
	const struct control_ops *ops;
	struct toxi *toxi;
	struct events *events;
	bool writes;
};

/* --- texts --- */

static void reply_metrics(struct control_http *h, struct evhttp_request *req)
{
	const char *accept = evhttp_find_header(
		evhttp_request_get_input_headers(req), "Accept");
	bool open = accept && strstr(accept, "application/openmetrics-text");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
		return;
	}
	control_metrics_text(h->ops, open ? METRICS_OPEN : METRICS_PROMETHEUS,
			     f);
	if (fclose(f))
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	else
		http_reply_text(req, HTTP_OK,
				open ? "application/openmetrics-text; "
				       "version=1.0.0; charset=utf-8"
				     : "text/plain; version=0.0.4; "
				       "charset=utf-8",
				text, len);
	free(text);
}

static void reply_health(struct control_http *h, struct evhttp_request *req)
{
	(void)h;
	http_reply_text(req, HTTP_OK, "text/plain", "ok\n", 3);
}

/* --- the API --- */

static void reply_status(struct control_http *h, struct evhttp_request *req)
{
	http_reply_json(req, HTTP_OK, h->ops->status(h->ops->arg));
}

static void reply_counters(struct control_http *h, struct evhttp_request *req)
{
	http_reply_json(req, HTTP_OK, control_metrics_json(h->ops));
}

static void reply_events(struct control_http *h, struct evhttp_request *req)
{
	events_begin(h->events, req);
}

/* Answer a command; takes @request, which may be NULL. */
static void reply_command(struct control_http *h, struct evhttp_request *req,
			  json_t *request)
{
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_t *answer = line ? control_answer(h->ops, line, strlen(line))
			      : NULL;
	json_t *result = json_object_get(answer, "result");

	if (answer && !result)
		http_reply_json(req, 400, json_incref(answer));
	else
		http_reply_json(req, HTTP_OK, json_incref(result));
	free(line);
	json_decref(request);
	json_decref(answer);
}

/* The command that the query asks for; owned by the caller. */
static json_t *flows_request(const struct evhttp_uri *uri)
{
	json_t *request = json_pack("{s:s}", "cmd", "flows");
	const char *query = evhttp_uri_get_query(uri);
	struct evkeyvalq params;
	const char *v;

	if (!query || evhttp_parse_query_str(query, &params))
		return request;
	v = evhttp_find_header(&params, "max");
	if (v && *v >= '1' && *v <= '9')
		json_object_set_new(
			request, "max",
			json_integer(min_u32((uint32_t)strtoul(v, NULL, 10),
					     1000000)));
	v = evhttp_find_header(&params, "filter");
	if (v && json_object_set_new(request, "filter", json_string(v))) {
		json_decref(request); /* it is no UTF-8 */
		request = NULL;
	}
	evhttp_clear_headers(&params);
	return request;
}

static void reply_flows(struct control_http *h, struct evhttp_request *req)
{
	reply_command(h, req,
		      flows_request(evhttp_request_get_evhttp_uri(req)));
}

static void reply_snapshot(struct control_http *h, struct evhttp_request *req)
{
	reply_command(h, req, json_pack("{s:s}", "cmd", "snapshot"));
}

static void reply_types(struct control_http *h, struct evhttp_request *req)
{
	reply_command(h, req, json_pack("{s:s}", "cmd", "fault-types"));
}

/* GET lists them; POST has the members of the command "fault". */
static void reply_faults(struct control_http *h, struct evhttp_request *req)
{
	struct evbuffer *b = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(b);
	const char *body = (const char *)evbuffer_pullup(b, (ev_ssize_t)len);
	json_error_t why;
	json_t *request;

	if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		reply_command(h, req, json_pack("{s:s}", "cmd", "fault-list"));
		return;
	}
	request =
		json_loadb(body ? body : "", len, JSON_REJECT_DUPLICATES, &why);
	if (json_object_set_new(request, "cmd", json_string("fault"))) {
		json_decref(request);
		http_refuse(req, 400,
			    "the body must be an object: {\"lines\": [...]}");
		return;
	}
	reply_command(h, req, request);
}

/* --- toxiproxy's API --- */

/* Why this request may not change anything, or NULL; *status: of the answer. */
static const char *write_denied(const struct control_http *h,
				struct evhttp_request *req, int *status)
{
	const char *why;

	*status = 403;
	if (!h->writes)
		return "read only: set http_write = yes in [penstock] of the "
		       "configuration";
	why = http_browser_denied(req);
	if (!why && !http_type_is_fine(req)) {
		*status = 415;
		why = "Content-Type must be application/json";
	}
	return why;
}

static unsigned toxi_method(struct evhttp_request *req)
{
	switch (evhttp_request_get_command(req)) {
	case EVHTTP_REQ_POST:
		return TOXI_POST;
	case EVHTTP_REQ_PATCH:
		return TOXI_PATCH;
	case EVHTTP_REQ_DELETE:
		return TOXI_DELETE;
	default:
		return TOXI_GET;
	}
}

static void answer_toxi(struct control_http *h, struct evhttp_request *req,
			const char *path)
{
	struct evbuffer *b = evhttp_request_get_input_buffer(req);
	size_t len = evbuffer_get_length(b);
	json_t *answer;
	int status =
		toxi_answer(h->toxi, toxi_method(req), path,
			    (const char *)evbuffer_pullup(b, (ev_ssize_t)len),
			    len, &answer);

	if (answer)
		http_reply_json(req, status, answer);
	else
		evhttp_send_reply(req, status, NULL, NULL);
}

/* --- requests --- */

/**
 * struct route - An address
 * @writes: it takes POST, too
 * @open:   it needs no token
 */
static const struct route {
	const char *path;
	void (*answer)(struct control_http *h, struct evhttp_request *req);
	bool writes, open;
} routes[] = {
	{"/metrics", reply_metrics, false, true},
	{"/healthz", reply_health, false, true},
	{"/api/status", reply_status, false, false},
	{"/api/counters", reply_counters, false, false},
	{"/api/flows", reply_flows, false, false},
	{"/api/snapshot", reply_snapshot, false, false},
	{"/api/events", reply_events, false, false},
	{"/api/faults", reply_faults, true, false},
	{"/api/fault-types", reply_types, false, false},
};

static const struct route *route_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!strcmp(routes[i].path, path))
			return &routes[i];
	}
	return NULL;
}

static void refuse_stranger(struct evhttp_request *req, enum http_pass pass)
{
	evhttp_add_header(evhttp_request_get_output_headers(req),
			  "WWW-Authenticate", "Bearer realm=\"penstock\"");
	http_refuse(req, 401,
		    pass == HTTP_WRONG_TOKEN
			    ? "wrong token: it is in the file that "
			      "http_token_file in [penstock] names"
			    : "a token is needed: Authorization: Bearer and "
			      "what is in the file that http_token_file in "
			      "[penstock] names");
}

/* Does the method fit?  Else it has been answered. */
static bool method_fits(struct evhttp_request *req, bool writes)
{
	enum evhttp_cmd_type m = evhttp_request_get_command(req);

	if (m == EVHTTP_REQ_GET || m == EVHTTP_REQ_HEAD ||
	    (writes && m == EVHTTP_REQ_POST))
		return true;
	evhttp_add_header(evhttp_request_get_output_headers(req), "Allow",
			  writes ? "GET, HEAD, POST" : "GET, HEAD");
	http_refuse(req, HTTP_BADMETHOD, "method not allowed here");
	return false;
}

static void on_route(struct control_http *h, struct evhttp_request *req,
		     const struct route *r)
{
	enum http_pass pass = http_pass(h->token, req);

	if (!r->open && pass != HTTP_OPERATOR)
		refuse_stranger(req, pass);
	else if (!method_fits(req, r->writes))
		return;
	else if (!http_type_is_fine(req))
		http_refuse(req, 415, "Content-Type must be application/json");
	else
		r->answer(h, req);
}

/* toxiproxy's clients have no token: http_write is for them. */
static void on_toxi(struct control_http *h, struct evhttp_request *req,
		    const char *path)
{
	enum http_pass pass = http_pass(h->token, req);
	bool reads = toxi_method(req) == TOXI_GET;
	const char *why = NULL;
	int status;

	if (pass != HTTP_OPERATOR && !reads)
		why = write_denied(h, req, &status);
	if (why)
		http_reply_json(req, status, toxi_error(status, why));
	else if (pass != HTTP_OPERATOR && !h->writes)
		refuse_stranger(req, pass);
	else
		answer_toxi(h, req, path);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	struct control_http *h = arg;
	const struct asset *asset;
	const struct route *r;

	if (!path || !*path)
		path = "/";
	r = route_find(path);
	asset = asset_find(path);
	if (!http_host_is_ours(h->names, req))
		http_reply_json(
			req, 403,
			toxi_error(403, "Host must be an address, localhost or "
					"one of http_names in [penstock] of "
					"the configuration"));
	else if (toxi_owns(path))
		on_toxi(h, req, path);
	else if (r)
		on_route(h, req, r);
	else if (!asset)
		http_refuse(req, HTTP_NOTFOUND, "nothing is there");
	else if (method_fits(req, false))
		asset_reply(req, asset);
}

/* --- connections --- */

static bool conn_is_dead(struct bufferevent *bev)
{
	bufferevent_data_cb read_cb, write_cb;
	bufferevent_event_cb event_cb;
	void *arg;

	bufferevent_getcb(bev, &read_cb, &write_cb, &event_cb, &arg);
	return !read_cb && !write_cb && !event_cb;
}

static void conns_sweep(struct control_http *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->nconn; i++) {
		if (conn_is_dead(h->conn[i].bev))
			bufferevent_decref(h->conn[i].bev);
		else
			h->conn[n++] = h->conn[i];
	}
	h->nconn = n;
}

/* The oldest connection that is old enough to have sent a request, and is not
 * one that listens to events; or NULL. */
static struct bufferevent *conn_to_close(const struct control_http *h)
{
	mono_t now = listener_clock();

	for (uint32_t i = 0; i < h->nconn; i++) {
		if (mono_sub(now, h->conn[i].since) < STAY_US)
			break;
		if (!events_use(h->events, h->conn[i].bev))
			return h->conn[i].bev;
	}
	return NULL;
}

/* Is there room for @n more?  If not, close the oldest one that may be closed.
 * So idle connections keep nobody out. */
static bool conns_room(struct control_http *h, uint32_t n)
{
	conns_sweep(h);
	for (uint32_t i = 0; i < n; i++) {
		struct bufferevent *bev = conn_to_close(h);

		if (h->nconn + n <= CONTROL_HTTP_MAX || !bev)
			break;
		bufferevent_trigger_event(
			bev, BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
		conns_sweep(h);
	}
	return h->nconn + n <= CONTROL_HTTP_MAX;
}

static bool conns_full(void *arg)
{
	return !conns_room(arg, 1);
}

/* All of an answer was sent.  evhttp now reads again, or closes the descriptor,
 * and then leaves our bufferevent reading what has the same number next. */
static void on_sent(struct evbuffer *out, const struct evbuffer_cb_info *info,
		    void *arg)
{
	struct control_http *h = arg;
	bufferevent_data_cb read_cb;

	for (uint32_t i = 0; i < h->nconn && !evbuffer_get_length(out); i++) {
		struct bufferevent *bev = h->conn[i].bev;

		bufferevent_getcb(bev, &read_cb, NULL, NULL, NULL);
		if (info->n_deleted && bufferevent_get_output(bev) == out &&
		    !read_cb && !events_use(h->events, bev))
			bufferevent_disable(bev, EV_READ);
	}
}

/* evhttp has accepted a connection.  After the last one that there is room for,
 * accepting stops.  A new connection looks dead until evhttp has set its
 * callbacks, so dead ones are removed before it is added. */
static struct bufferevent *on_conn(struct event_base *base, void *arg)
{
	struct control_http *h = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	bool another = conns_room(h, 2);

	/* evhttp reads on while it sends, for nobody */
	if (bev)
		bufferevent_setwatermark(bev, EV_READ, 0,
					 HEADERS_MAX + BODY_MAX);
	if (!bev || h->nconn == CONTROL_HTTP_MAX)
		return bev;
	if (!evbuffer_add_cb(bufferevent_get_output(bev), on_sent, h)) {
		bufferevent_free(bev);
		return NULL;
	}
	bufferevent_incref(bev);
	h->conn[h->nconn++] = (struct http_conn){bev, listener_clock()};
	if (!another)
		listener_rest(&h->guard, LISTENER_FULL);
	return bev;
}

static int http_bind(struct control_http *h, const char *listen)
{
	struct evhttp_bound_socket *s;
	char addr[64];
	const char *port = strrchr(listen, ':');
	size_t n = port ? (size_t)(port - listen) : 0;

	if (!port || n >= sizeof(addr))
		return -EINVAL;
	if (listen[0] == '[' && n >= 2 && listen[n - 1] == ']')
		snprintf(addr, sizeof(addr), "%.*s", (int)n - 2, listen + 1);
	else
		snprintf(addr, sizeof(addr), "%.*s", (int)n, listen);
	errno = 0;
	s = evhttp_bind_socket_with_handle(
		h->http, addr, (uint16_t)strtoul(port + 1, NULL, 10));
	if (!s)
		return errno ? -errno : -EINVAL;
	return listener_guard(&h->guard, evhttp_bound_socket_get_listener(s),
			      "http", conns_full, h);
}

struct control_http *control_http_new(struct event_base *base,
				      const struct control_http_cfg *cfg,
				      const struct control_ops *ops, int *err)
{
	struct control_http *h = calloc(1, sizeof(*h));

	*err = -ENOMEM;
	if (!h)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	h->ops = ops;
	h->writes = cfg->writes;
	snprintf(h->names, sizeof(h->names), "%s", cfg->names);
	snprintf(h->token, sizeof(h->token), "%s", cfg->token);
	h->toxi = toxi_new(ops);
	h->events = events_new(base, ops);
	h->http = h->toxi && h->events ? evhttp_new(base) : NULL;
	if (!h->http)
		goto err_free;
	evhttp_set_max_headers_size(h->http, HEADERS_MAX);
	evhttp_set_max_body_size(h->http, BODY_MAX);
	evhttp_set_timeout(h->http, TIMEOUT_S);
	evhttp_set_allowed_methods(
		h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
				 EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(h->http, on_request, h);
	evhttp_set_bevcb(h->http, on_conn, h);
	*err = http_bind(h, cfg->listen);
	if (!*err)
		return h;
err_free:
	control_http_free(h);
	return NULL;
}

void control_http_free(struct control_http *h)
{
	if (!h)
		return;
	listener_forget(&h->guard);
	events_free(h->events);
	for (uint32_t i = 0; i < h->nconn; i++)
		bufferevent_disable(h->conn[i].bev, EV_READ | EV_WRITE);
	if (h->http)
		evhttp_free(h->http);
	conns_sweep(h);
	toxi_free(h->toxi);
	explicit_bzero(h->token, sizeof(h->token));
	free(h);
}
