/* SPDX-License-Identifier: MIT */
/*
 * The key log_debug: a service or a prefix that limits what log_level = debug
 * reports.
 */
#include "policy/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shield/prefix.h"
#include "util/address.h"
#include "util/log.h"

const char trace_allowed[] =
	"a service's name, ADDRESS, ADDRESS/PREFIX, or empty: every connection";

/* A service's name has neither colon nor slash, but may look like an IPv4
 * address: then it is taken as an address. */
static bool is_address(const char *text)
{
	struct ipaddr a;

	return strpbrk(text, ":/") || address_parse(text, &a);
}

static int prefix_parse(const char *text, struct trace *out, char *err,
			size_t errlen)
{
	struct prefix_set s;
	int rc;

	prefix_set_init(&s);
	rc = prefix_set_add_text(&s, text, 1, err, errlen);
	if (!rc && (s.n != 1 || !s.item[0].len)) {
		snprintf(err, errlen, "found \"%.64s\"; allowed: %s", text,
			 trace_allowed);
		rc = -EINVAL;
	}
	if (!rc) {
		out->addr = s.item[0].addr;
		out->prefix = s.item[0].len;
	}
	prefix_set_fini(&s);
	return rc;
}

int trace_parse(const char *text, void *field, char *err, size_t errlen)
{
	struct trace out = {.prefix = 0};
	int rc = 0;

	if (is_address(text)) {
		rc = prefix_parse(text, &out, err, errlen);
	} else if (strlen(text) > TRACE_SERVICE_MAX ||
		   strpbrk(text, " \t,[]")) {
		snprintf(err, errlen, "found \"%.64s\"; allowed: %s", text,
			 trace_allowed);
		rc = -EINVAL;
	} else {
		memcpy(out.service, text, strlen(text));
	}
	if (!rc)
		memcpy(field, &out, sizeof(out));
	return rc;
}

static bool covers(const struct trace *t, const struct ipaddr *a)
{
	uint32_t whole = t->prefix / 8, rest = t->prefix % 8;

	if (!t->prefix)
		return true;
	/* ::/1 covers only IPv6, although v4-mapped addresses are inside it */
	if (ipaddr_is_v4(&t->addr) != ipaddr_is_v4(a) ||
	    memcmp(t->addr.b, a->b, whole) != 0)
		return false;
	return !rest || !((t->addr.b[whole] ^ a->b[whole]) >> (8 - rest));
}

bool trace_wants(const struct trace *t, const char *service,
		 const struct ipaddr *client, const struct ipaddr *server)
{
	if (t->service[0] && strcmp(t->service, service) != 0)
		return false;
	return covers(t, client) || covers(t, server);
}

void trace_log(const struct trace *t, const struct trace_line *l)
{
	char client[ADDRESS_TEXT_MAX], server[ADDRESS_TEXT_MAX];

	if (!trace_wants(t, l->service, &l->t->remote, &l->t->local))
		return;
	log_dbg("%s serial=%" PRIu64 " %s -> %s: %s leg %s -> %s on %s",
		l->service, l->serial,
		address_print_port(&l->t->remote, l->t->rport, client),
		address_print_port(&l->t->local, l->t->lport, server),
		l->client ? "client" : "server", l->from, l->to, l->why);
}
