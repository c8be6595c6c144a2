/* SPDX-License-Identifier: MIT */
/*
 * Who may ask what of the HTTP server.
 *
 * A browser sends requests on behalf of any page that its user looks at.  Such
 * a page must not be able to read or change anything here:
 *   - A request is refused if its Host is a name that somebody else's DNS could
 *     have pointed here, because the browser would take our answer for one of
 *     that page's own server.
 *   - Only the token opens what is not for everybody.  It is sent in a header,
 *     which a browser adds for no page but ours.
 *   - toxiproxy's clients know no token.  Where http_write lets them make
 *     changes all the same, a request must not look like a browser's: it has
 *     none of the headers that browsers add and scripts cannot remove, and no
 *     body of a type that a form could send.
 */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <sodium.h>

#include "http.h"
#include "util/address.h"

static const char *header(struct evhttp_request *req, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(req), name);
}

/* How long the comparison takes says nothing of where they differ. */
static bool same_token(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n && n == strlen(b) && !sodium_memcmp(a, b, n);
}

enum http_pass http_pass(const char *token, struct evhttp_request *req)
{
	const char *v = header(req, "Authorization");

	if (!v)
		return HTTP_STRANGER;
	if (strncasecmp(v, "Bearer ", 7) != 0)
		return HTTP_WRONG_TOKEN;
	return same_token(v + 7, token) ? HTTP_OPERATOR : HTTP_WRONG_TOKEN;
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

bool http_host_is_ours(const char *names, struct evhttp_request *req)
{
	const char *host = header(req, "Host");
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
	       host_is_named(names, copy);
}

bool http_type_is_fine(struct evhttp_request *req)
{
	const char *type = header(req, "Content-Type");
	size_t n = type ? strcspn(type, "; \t") : 0;

	return !type ||
	       !evbuffer_get_length(evhttp_request_get_input_buffer(req)) ||
	       (n == 16 && !strncasecmp(type, "application/json", n)) ||
	       (n == 33 &&
		!strncasecmp(type, "application/x-www-form-urlencoded", n));
}

const char *http_browser_denied(struct evhttp_request *req)
{
	const char *agent = header(req, "User-Agent");

	if (agent && !strncmp(agent, "Mozilla/", 8))
		return "User agent not allowed";
	if (header(req, "Origin") || header(req, "Sec-Fetch-Site"))
		return "web pages may change nothing here";
	return NULL;
}
