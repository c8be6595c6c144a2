/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server.
 *
 * It has no authentication.  So a web page, in the browser of somebody who can
 * reach the server, must not be able to read or change anything.  A request is
 * refused if its Host is a name that somebody else's DNS could have pointed
 * here, because the browser would take our answer for one of that page's own
 * server.  Only toxiproxy's API changes anything, and only if http_write allows
 * it.  Then a request must not look like a browser's: it has none of the
 * headers that browsers add and scripts cannot remove, and no body of a type
 * that a form could send.
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

#include "api/flows.h"
#include "api/listener.h"
#include "api/server.h"
#include "api/toxiproxy.h"
#include "util/address.h"

#define HEADERS_MAX 16384
#define BODY_MAX 65536
#define TIMEOUT_S 10
#define PAGE_FLOWS 50
#define STAY_US USEC_PER_SEC /* a younger connection is never closed */

/**
 * struct control_http - The server
 * @guard: of the listening socket
 * @conn:  @nconn connections, the oldest first; some may be dead
 * @names: host names that it accepts
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
	const struct control_ops *ops;
	struct toxi *toxi;
	bool writes;
};

static void reply_status(struct evhttp_request *req, int status,
			 const char *type, const char *text, size_t len)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);
	struct evbuffer *b = evbuffer_new();

	if (!b || evbuffer_add(b, text, len)) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	} else {
		evhttp_add_header(h, "Content-Type", type);
		evhttp_add_header(h, "Cache-Control", "no-store");
		evhttp_add_header(h, "X-Content-Type-Options", "nosniff");
		evhttp_add_header(h, "Content-Security-Policy",
				  "default-src 'none'; "
				  "style-src 'unsafe-inline'");
		evhttp_send_reply(req, status, NULL, b);
	}
	if (b)
		evbuffer_free(b);
}

static void reply(struct evhttp_request *req, const char *type,
		  const char *text, size_t len)
{
	reply_status(req, HTTP_OK, type, text, len);
}

/* Takes @j over. */
static void reply_json_status(struct evhttp_request *req, int status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;

	if (text)
		reply_status(req, status, "application/json", text,
			     strlen(text));
	else
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	free(text);
	json_decref(j);
}

static void reply_json(struct evhttp_request *req, json_t *j)
{
	reply_json_status(req, HTTP_OK, j);
}

typedef void (*page_fn)(const struct control_ops *ops, FILE *out);

static void reply_page(struct evhttp_request *req, const struct control_ops *o,
		       const char *type, page_fn fn)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
		return;
	}
	fn(o, f);
	if (fclose(f))
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	else
		reply(req, type, text, len);
	free(text);
}

static void text_metrics(const struct control_ops *ops, FILE *out)
{
	control_metrics_text(ops, METRICS_PROMETHEUS, out);
}

static void text_open_metrics(const struct control_ops *ops, FILE *out)
{
	control_metrics_text(ops, METRICS_OPEN, out);
}

/* In the form that the client asks for. */
static void reply_metrics(struct evhttp_request *req,
			  const struct control_ops *ops)
{
	const char *accept = evhttp_find_header(
		evhttp_request_get_input_headers(req), "Accept");

	if (accept && strstr(accept, "application/openmetrics-text"))
		reply_page(req, ops,
			   "application/openmetrics-text; version=1.0.0; "
			   "charset=utf-8",
			   text_open_metrics);
	else
		reply_page(req, ops, "text/plain; version=0.0.4; charset=utf-8",
			   text_metrics);
}

static void put_html(FILE *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*s, out);
		}
	}
}

static void html_row(FILE *out, const char *a, const char *b, const char *c)
{
	const char *cell[] = {a, b, c};

	fputs("<tr>", out);
	for (size_t i = 0; i < ARRAY_LEN(cell); i++) {
		if (!cell[i])
			continue;
		fputs("<td>", out);
		put_html(out, cell[i]);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

static void html_status(const struct control_ops *ops, FILE *out)
{
	json_t *status = ops->status(ops->arg), *v;
	const char *key;

	fputs("<h2>Status</h2>\n<table>\n", out);
	json_object_foreach(status, key, v) {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		html_row(out, key, text ? text : "", NULL);
		free(text);
	}
	fputs("</table>\n", out);
	json_decref(status);
}

static void html_counters(const struct control_ops *ops, FILE *out)
{
	struct control_metric m = {.worker = -1};
	char value[24];

	fputs("<h2>Counters that are not 0</h2>\n<table>\n", out);
	for (uint32_t i = 0; ops->metric(ops->arg, i, &m); i++) {
		snprintf(value, sizeof(value), "%llu",
			 (unsigned long long)m.value);
		if (m.value && m.part == METRIC_NUMBER)
			html_row(out, m.name, m.service ? m.service : "",
				 value);
		m = (struct control_metric){.worker = -1};
	}
	fputs("</table>\n", out);
}

static void html_flows(const struct control_ops *ops, FILE *out)
{
	json_t *flows = ops->flows(ops->arg, PAGE_FLOWS), *v;
	char *text = NULL;
	size_t i, len;
	FILE *f = open_memstream(&text, &len);

	fprintf(out, "<h2>Connections, at most %d</h2>\n<pre>", PAGE_FLOWS);
	json_array_foreach(flows, i, v) {
		if (!f)
			break;
		flow_print(v, f);
		fputc('\n', f);
	}
	if (f)
		fclose(f);
	if (text)
		put_html(out, text);
	free(text);
	fputs("</pre>\n", out);
	json_decref(flows);
}

static void text_page(const struct control_ops *ops, FILE *out)
{
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta "
	      "charset=\"utf-8\">"
	      "<meta http-equiv=\"refresh\" content=\"5\">"
	      "<title>penstock</title>\n"
	      "<style>body{font:14px sans-serif;margin:2em}"
	      "td{padding:0 1em 0 0;font-family:monospace}</style></head>\n"
	      "<body><h1>penstock " PENSTOCK_VERSION "</h1>\n",
	      out);
	html_status(ops, out);
	html_counters(ops, out);
	html_flows(ops, out);
	fputs("<p>/metrics /api/status /api/counters "
	      "/api/flows?max=N&amp;filter=F "
	      "/healthz /proxies</p></body></html>\n",
	      out);
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

static void reply_flows(struct evhttp_request *req,
			const struct control_ops *ops,
			const struct evhttp_uri *uri)
{
	json_t *request = flows_request(uri);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_t *answer = line ? control_answer(ops, line, strlen(line)) : NULL;
	json_t *list = json_object_get(answer, "result");

	if (answer && !list)
		reply_json_status(req, 400, json_incref(answer));
	else
		reply_json(req, json_incref(list));
	free(line);
	json_decref(request);
	json_decref(answer);
}

/* Is it one of the words of @names? */
static bool host_is_named(const char *names, const char *host)
{
	size_t len = strlen(host), n;

	for (; *(names += strspn(names, " \t")); names += n) {
		n = strcspn(names, " \t");
		if (n == len && !strncasecmp(names, host, n))
			return true;
	}
	return false;
}

/* Is the Host an address, this machine or one of @names, so that nobody else's
 * DNS could have chosen it? */
static bool host_is_ours(const struct control_http *h,
			 struct evhttp_request *req)
{
	const char *host = evhttp_find_header(
		evhttp_request_get_input_headers(req), "Host");
	char copy[CONTROL_NAMES_MAX + 1];
	struct ipaddr addr;
	size_t n;

	if (!host)
		return true; /* HTTP/1.0 */
	if (strlen(host) >= sizeof(copy))
		return false;
	strcpy(copy, host + (*host == '['));
	copy[strcspn(copy, *host == '[' ? "]" : ":")] = '\0';
	n = strlen(copy);
	if (n && copy[n - 1] == '.')
		copy[n - 1] = '\0';
	return !strcasecmp(copy, "localhost") || address_parse(copy, &addr) ||
	       host_is_named(h->names, copy);
}

/* --- toxiproxy's API --- */

/* JSON, or the default type of Ruby's and curl's clients. */
static bool type_is_fine(const char *type)
{
	size_t n = type ? strcspn(type, "; \t") : 0;

	return !type ||
	       (n == 16 && !strncasecmp(type, "application/json", n)) ||
	       (n == 33 &&
		!strncasecmp(type, "application/x-www-form-urlencoded", n));
}

/* Why this request may not change anything, or NULL; *status: of the answer. */
static const char *write_denied(const struct control_http *h,
				struct evhttp_request *req, int *status)
{
	struct evkeyvalq *in = evhttp_request_get_input_headers(req);
	const char *agent = evhttp_find_header(in, "User-Agent");

	*status = 403;
	if (!h->writes)
		return "read only: set http_write = yes in [penstock] of the "
		       "configuration";
	if (agent && !strncmp(agent, "Mozilla/", 8))
		return "User agent not allowed";
	if (evhttp_find_header(in, "Origin") ||
	    evhttp_find_header(in, "Sec-Fetch-Site"))
		return "web pages may change nothing here";
	*status = 415;
	if (evbuffer_get_length(evhttp_request_get_input_buffer(req)) &&
	    !type_is_fine(evhttp_find_header(in, "Content-Type")))
		return "Content-Type must be application/json";
	return NULL;
}

static unsigned method_of(struct evhttp_request *req)
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
	unsigned method = method_of(req);
	size_t len = evbuffer_get_length(b);
	const char *why = NULL;
	json_t *answer;
	int status;

	if (method != TOXI_GET)
		why = write_denied(h, req, &status);
	if (why)
		answer = toxi_error(status, why);
	else
		status = toxi_answer(
			h->toxi, method, path,
			(const char *)evbuffer_pullup(b, (ev_ssize_t)len), len,
			&answer);
	if (answer)
		reply_json_status(req, status, answer);
	else
		evhttp_send_reply(req, status, NULL, NULL);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct control_http *h = arg;
	const struct control_ops *ops = h->ops;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = evhttp_uri_get_path(uri);

	if (!path || !*path)
		path = "/";
	if (!host_is_ours(h, req))
		reply_json_status(
			req, 403,
			toxi_error(403, "Host must be an address, localhost or "
					"one of http_names in [penstock] of "
					"the configuration"));
	else if (toxi_owns(path))
		answer_toxi(h, req, path);
	else if (method_of(req) != TOXI_GET)
		evhttp_send_error(req, HTTP_BADMETHOD, NULL);
	else if (!strcmp(path, "/metrics"))
		reply_metrics(req, ops);
	else if (!strcmp(path, "/"))
		reply_page(req, ops, "text/html; charset=utf-8", text_page);
	else if (!strcmp(path, "/healthz"))
		reply(req, "text/plain", "ok\n", 3);
	else if (!strcmp(path, "/api/status"))
		reply_json(req, ops->status(ops->arg));
	else if (!strcmp(path, "/api/counters"))
		reply_json(req, control_metrics_json(ops));
	else if (!strcmp(path, "/api/flows"))
		reply_flows(req, ops, uri);
	else
		evhttp_send_error(req, HTTP_NOTFOUND, NULL);
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

/* Is there room for @n more?  If not, close the oldest connection, once it is
 * old enough to have sent a request.  So idle connections keep nobody out. */
static bool conns_room(struct control_http *h, uint32_t n)
{
	conns_sweep(h);
	for (uint32_t i = 0; i < n; i++) {
		if (h->nconn + n <= CONTROL_HTTP_MAX ||
		    mono_sub(listener_clock(), h->conn[0].since) < STAY_US)
			break;
		bufferevent_trigger_event(h->conn[0].bev,
					  BEV_EVENT_READING | BEV_EVENT_TIMEOUT,
					  0);
		conns_sweep(h);
	}
	return h->nconn + n <= CONTROL_HTTP_MAX;
}

static bool conns_full(void *arg)
{
	return !conns_room(arg, 1);
}

/* evhttp has accepted a connection.  After the last one that there is room for,
 * accepting stops.  A new connection looks dead until evhttp has set its
 * callbacks, so dead ones are removed before it is added. */
static struct bufferevent *on_conn(struct event_base *base, void *arg)
{
	struct control_http *h = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	bool another = conns_room(h, 2);

	if (!bev || h->nconn == CONTROL_HTTP_MAX)
		return bev;
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
				      const char *listen, bool writes,
				      const char *names,
				      const struct control_ops *ops, int *err)
{
	struct control_http *h = calloc(1, sizeof(*h));

	*err = -ENOMEM;
	if (!h)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	h->ops = ops;
	h->writes = writes;
	snprintf(h->names, sizeof(h->names), "%s", names);
	h->toxi = toxi_new(ops);
	h->http = h->toxi ? evhttp_new(base) : NULL;
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
	*err = http_bind(h, listen);
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
	if (h->http)
		evhttp_free(h->http);
	conns_sweep(h);
	toxi_free(h->toxi);
	free(h);
}
