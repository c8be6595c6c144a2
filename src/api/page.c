/* SPDX-License-Identifier: MIT */
/*
 * The files of the page.  They are built into the program, so they are those of
 * the daemon that answers.  A browser asks each time whether its copy is still
 * the same.
 */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include "http.h"

const struct asset *asset_find(const char *path)
{
	for (const struct asset *a = assets; a->path; a++) {
		if (!strcmp(a->path, path))
			return a;
	}
	return NULL;
}

void asset_reply(struct evhttp_request *req, const struct asset *a)
{
	const char *had = evhttp_find_header(
		evhttp_request_get_input_headers(req), "If-None-Match");
	bool same = had && (strstr(had, a->etag) || !strcmp(had, "*"));
	struct evbuffer *b = evbuffer_new();

	if (!b ||
	    (!same && evbuffer_add_reference(b, a->data, a->len, NULL, NULL)))
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
	else
		http_reply(req, same ? HTTP_NOTMODIFIED : HTTP_OK, a->type,
			   a->etag, b);
	if (b)
		evbuffer_free(b);
}
