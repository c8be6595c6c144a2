/* SPDX-License-Identifier: MIT */
/*
 * The answers of the HTTP server.
 *
 * No answer may be read as something else, be framed by another site, or load
 * anything from elsewhere.
 */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

#include "http.h"

static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; "
	"connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'";

void http_headers(struct evhttp_request *req, const char *type)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);

	evhttp_add_header(h, "Content-Type", type);
	evhttp_add_header(h, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(h, "Referrer-Policy", "no-referrer");
	evhttp_add_header(h, "Cross-Origin-Resource-Policy", "same-origin");
	evhttp_add_header(h, "Content-Security-Policy", policy);
}

/* evhttp would send the body of an answer to HEAD, too. */
static void drop_body(struct evhttp_request *req, struct evbuffer *body)
{
	char len[24];

	snprintf(len, sizeof(len), "%zu", evbuffer_get_length(body));
	evhttp_add_header(evhttp_request_get_output_headers(req),
			  "Content-Length", len);
	evbuffer_drain(body, evbuffer_get_length(body));
}

void http_reply(struct evhttp_request *req, int status, const char *type,
		const char *etag, struct evbuffer *body)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);

	http_headers(req, type);
	evhttp_add_header(h, "Cache-Control", etag ? "no-cache" : "no-store");
	if (etag)
		evhttp_add_header(h, "ETag", etag);
	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD)
		drop_body(req, body);
	evhttp_send_reply(req, status, NULL, body);
}

void http_reply_text(struct evhttp_request *req, int status, const char *type,
		     const char *text, size_t len)
{
	struct evbuffer *b = evbuffer_new();

	if (!b || evbuffer_add(b, text, len))
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	else
		http_reply(req, status, type, NULL, b);
	if (b)
		evbuffer_free(b);
}

void http_reply_json(struct evhttp_request *req, int status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;

	if (text)
		http_reply_text(req, status, "application/json", text,
				strlen(text));
	else
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	free(text);
	json_decref(j);
}

void http_refuse(struct evhttp_request *req, int status, const char *why)
{
	http_reply_json(req, status,
			json_pack("{s:b, s:s}", "ok", 0, "error", why));
}
