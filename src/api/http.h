/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_HTTP_H
#define PENSTOCK_API_HTTP_H

/*
 * What the files of the HTTP server share: http.c has its connections and its
 * addresses, access.c decides who may do what, reply.c answers, page.c serves
 * the files of the page, and events.c sends it numbers.
 */
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>

#include "api/server.h"

/* --- reply.c --- */

/* @etag: NULL: the answer must not be stored. */
void http_reply(struct evhttp_request *req, int status, const char *type,
		const char *etag, struct evbuffer *body);
/* As http_reply(), for a text of @len bytes that must not be stored. */
void http_reply_text(struct evhttp_request *req, int status, const char *type,
		     const char *text, size_t len);
/* Takes @j; NULL: there was no memory for it. */
void http_reply_json(struct evhttp_request *req, int status, json_t *j);
/* {"ok": false, "error": @why} */
void http_refuse(struct evhttp_request *req, int status, const char *why);
/* The headers of every answer that begins a body of @type. */
void http_headers(struct evhttp_request *req, const char *type);

/* --- access.c --- */

enum http_pass {
	HTTP_STRANGER,	  /* no token, or a wrong one */
	HTTP_WRONG_TOKEN, /* the latter */
	HTTP_OPERATOR,	  /* the right one */
};

enum http_pass http_pass(const char *token, struct evhttp_request *req);

/* Is the Host an address, this machine or one of @names, so that nobody else's
 * DNS could have chosen it? */
bool http_host_is_ours(const char *names, struct evhttp_request *req);

/* Is the body, if there is one, JSON, or of the default type of Ruby's and
 * curl's clients? */
bool http_type_is_fine(struct evhttp_request *req);

/* May a web page in a browser have sent it? */
const char *http_browser_denied(struct evhttp_request *req);

/* --- page.c --- */

/**
 * struct asset - A file of the page, built into the program
 * @path: under which it is served
 * @type: its Content-Type
 * @etag: of its content, in quotation marks
 */
struct asset {
	const char *path, *type, *etag;
	const unsigned char *data;
	size_t len;
};

/* Made by src/page/embed.sh; NULL path at the end. */
extern const struct asset assets[];

const struct asset *asset_find(const char *path);
void asset_reply(struct evhttp_request *req, const struct asset *a);

/* --- events.c --- */

struct events;

struct events *events_new(struct event_base *base,
			  const struct control_ops *ops);
/* Call it before evhttp_free(). */
void events_free(struct events *e);

/* Answer @req with an endless stream of snapshots, or refuse it. */
void events_begin(struct events *e, struct evhttp_request *req);
/* Does such a stream use this connection? */
bool events_use(const struct events *e, const struct bufferevent *bev);

#endif
