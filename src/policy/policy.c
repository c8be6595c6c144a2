/* SPDX-License-Identifier: MIT */
/*
 * Services: their keys, their addresses, and the reference count that keeps a
 * policy while a flow uses it.
 */
#include "policy/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/address.h"

struct policy *policy_new(uint32_t n)
{
	struct policy *p;

	p = calloc(1, sizeof(*p) + n * sizeof(p->service[0]));
	if (!p)
		return NULL;
	p->refs = 1;
	p->nservice = n;
	return p;
}

/* Flows of several workers share a policy, hence the atomics. */
struct policy *policy_get(struct policy *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void policy_put(struct policy *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < p->nservice; i++)
		prefix_map_free(p->service[i].shield.access);
	free(p);
}

bool service_has_two_pairs(const struct service *s)
{
	return s->connect.port || s->source.mode != SOURCE_CLIENT;
}

bool service_ports_of(const struct service *s, uint32_t i, uint32_t n,
		      struct port_range *out)
{
	uint32_t ports = s->port_max - s->port_min + 1;

	out->min = s->port_min + ports * i / n;
	out->max = s->port_min + ports * (i + 1) / n - 1;
	return out->max + 1 > out->min;
}

bool endpoint_matches(const struct endpoint *ep, const struct ipaddr *a,
		      uint16_t port)
{
	uint32_t whole = ep->prefix / 8, rest = ep->prefix % 8;

	if (ep->port && ep->port != port)
		return false;
	/* [::]/0 covers only IPv6, although v4-mapped addresses are inside
	 * it */
	if (ipaddr_is_v4(&ep->addr) != ipaddr_is_v4(a))
		return false;
	if (memcmp(ep->addr.b, a->b, whole))
		return false;
	return !rest || !((ep->addr.b[whole] ^ a->b[whole]) >> (8 - rest));
}

static const char endpoint_allowed[] =
	"ADDRESS[/PREFIX]:PORT, IPv6 as [ADDRESS]:PORT or [ADDRESS/PREFIX]:"
	"PORT, a port 1..65535 or * for all";

static int endpoint_fail(const char *text, const char *why, char *err,
			 size_t errlen)
{
	snprintf(err, errlen, "found \"%.80s\" (%s); allowed: %s", text, why,
		 endpoint_allowed);
	return -EINVAL;
}

/* A decimal number without sign, at most @max; -1 when it is none. */
static long number_parse(const char *s, long max)
{
	long v = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (*s - '0');
		if (v > max)
			return -1;
	}
	return v;
}

/*
 * Cut "ADDRESS[/PREFIX]:PORT" in place.  *prefix is NULL when there is none.
 * Brackets may close before or after the prefix.
 */
static const char *endpoint_split(char *s, char **addr, char **prefix,
				  char **port, bool *v6)
{
	char *close = strchr(s, ']'), *tail = s;

	*v6 = s[0] == '[';
	*addr = s;
	if (*v6) {
		if (!close)
			return "no closing bracket";
		*close = '\0';
		*addr = s + 1;
		tail = close + 1;
	} else if (strchr(s, ':') != strrchr(s, ':')) {
		return "IPv6 without brackets";
	}
	*port = strrchr(tail, ':');
	if (!*port)
		return "no port";
	*(*port)++ = '\0';
	*prefix = strchr(*addr, '/');
	if (*prefix)
		*(*prefix)++ = '\0';
	if (*v6 && *tail == '/' && !*prefix)
		*prefix = tail + 1;
	else if (*v6 && *tail)
		return "text after the bracket";
	return NULL;
}

static bool endpoint_has_host_bits(const struct endpoint *ep)
{
	struct endpoint zero = *ep;
	struct ipaddr net = ep->addr;

	for (uint32_t bit = ep->prefix; bit < 128; bit++)
		net.b[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	zero.addr = net;
	return !ipaddr_eq(&zero.addr, &ep->addr);
}

/* Refuse addresses that no TCP service can have. */
static const char *endpoint_refuse(const struct endpoint *ep, bool v6)
{
	const uint8_t *b = ep->addr.b;
	static const struct ipaddr none6, lo6 = {{[15] = 1}};

	if (endpoint_has_host_bits(ep))
		return "address bits set after the prefix";
	if (v6 && ipaddr_is_v4(&ep->addr))
		return "v4-mapped address";
	if (v6 && b[0] == 0xff)
		return "multicast address";
	if (!v6 && b[12] >= 224)
		return "multicast or broadcast address";
	if (ep->prefix == 128 && (v6 ? ipaddr_eq(&ep->addr, &none6) : !b[12]))
		return "unspecified address";
	if (v6 ? ipaddr_eq(&ep->addr, &lo6) : b[12] == 127)
		return "loopback address";
	return NULL;
}

int endpoint_parse(const char *text, struct endpoint *ep, char *err,
		   size_t errlen)
{
	char buf[128], *addr, *prefix, *port;
	struct endpoint out = {.prefix = 128};
	const char *why;
	long n;
	bool v6;

	if (strlen(text) >= sizeof(buf))
		return endpoint_fail(text, "too long", err, errlen);
	strcpy(buf, text);
	why = endpoint_split(buf, &addr, &prefix, &port, &v6);
	if (why)
		return endpoint_fail(text, why, err, errlen);
	if (!address_parse(addr, &out.addr) || !strchr(addr, ':') == v6)
		return endpoint_fail(text, "not an address", err, errlen);
	if (prefix) {
		n = number_parse(prefix, v6 ? 128 : 32);
		if (n < 0)
			return endpoint_fail(text, "bad prefix", err, errlen);
		out.prefix = (uint8_t)(v6 ? n : n + 96);
	}
	n = strcmp(port, "*") ? number_parse(port, 65535) : 0;
	if (n < 0 || (!n && *port != '*'))
		return endpoint_fail(text, "bad port", err, errlen);
	out.port = (uint16_t)n;
	why = endpoint_refuse(&out, v6);
	if (why)
		return endpoint_fail(text, why, err, errlen);
	*ep = out;
	return 0;
}

static int listen_parse(const char *text, void *field, char *err, size_t errlen)
{
	struct listen_set *set = field;
	struct endpoint ep;

	if (text[strcspn(text, ", \t")]) {
		snprintf(err, errlen,
			 "found \"%.80s\" (more than one); allowed: one "
			 "ADDRESS:PORT, and a line \"listen = ...\" for each",
			 text);
		return -EINVAL;
	}
	if (endpoint_parse(text, &ep, err, errlen))
		return -EINVAL;
	if (set->n == SERVICE_LISTENS_MAX) {
		snprintf(err, errlen,
			 "found one more, \"%.80s\"; allowed: at most %d", text,
			 SERVICE_LISTENS_MAX);
		return -EINVAL;
	}
	set->ep[set->n++] = ep;
	return 0;
}

static int connect_parse(const char *text, void *field, char *err,
			 size_t errlen)
{
	struct endpoint *ep = field, parsed;

	if (!*text) {
		*ep = (struct endpoint){0};
		return 0;
	}
	if (endpoint_parse(text, &parsed, err, errlen))
		return -EINVAL;
	if (parsed.prefix != 128 || !parsed.port)
		return endpoint_fail(text, "one host and one port are needed",
				     err, errlen);
	*ep = parsed;
	return 0;
}

static const char *const handshake_names[] = {
	[HANDSHAKE_CLIENT_FIRST] = "client_first",
	[HANDSHAKE_SERVER_FIRST] = "server_first",
	[HANDSHAKE_AUTO] = "auto",
	[HANDSHAKE_PARALLEL] = "parallel",
	NULL,
};

static const char *const unknown_names[] = {
	[UNKNOWN_PASS] = "pass",
	[UNKNOWN_DROP] = "drop",
	[UNKNOWN_RESET] = "reset",
	NULL,
};

static const char *const no_server_names[] = {
	[NO_SERVER_RESET] = "reset",
	[NO_SERVER_DROP] = "drop",
	NULL,
};

static const char *const close_names[] = {
	[CLOSE_FIN] = "fin",
	[CLOSE_RST] = "rst",
	NULL,
};

static const char *const limit_names[] = {
	[LIMIT_REFUSE] = "refuse",
	[LIMIT_DROP] = "drop",
	[LIMIT_EVICT_SLOWEST] = "evict_slowest",
	NULL,
};

static const char *const signed_names[] = {
	[SIGNED_DROP] = "drop",
	[SIGNED_PASS] = "pass",
	NULL,
};

static const char *const fragments_names[] = {
	[FRAGMENTS_REASSEMBLE] = "reassemble",
	[FRAGMENTS_DROP] = "drop",
	[FRAGMENTS_PASS] = "pass",
	NULL,
};

static const char *const relay_names[] = {
	[RELAY_TERMINATE] = "terminate",
	[RELAY_SPLICE] = "splice",
	NULL,
};

static const char source_allowed[] =
	"client, gateway, or an address of the gateway";

static int source_parse(const char *text, void *field, char *err, size_t errlen)
{
	struct source *s = field;

	memset(s, 0, sizeof(*s));
	if (!strcmp(text, "client"))
		return 0;
	s->mode = SOURCE_GATEWAY;
	if (!strcmp(text, "gateway"))
		return 0;
	s->mode = SOURCE_ADDRESS;
	if (address_parse(text, &s->addr))
		return 0;
	snprintf(err, errlen, "found \"%.80s\"; allowed: %s", text,
		 source_allowed);
	return -EINVAL;
}

static const char ports_allowed[] = "two ports, the first not above the last";

/* Fills port_min and port_max, which are neighbours. */
static int ports_parse(const char *text, void *field, char *err, size_t errlen)
{
	uint32_t *out = field;
	unsigned long lo, hi;
	char *end;

	static_assert(offsetof(struct service, port_max) ==
			      offsetof(struct service, port_min) + 4,
		      "the last port follows the first");
	lo = strtoul(text, &end, 10);
	hi = strtoul(end, &end, 10);
	if (*end || text[0] < '1' || text[0] > '9' || !lo || lo > hi ||
	    hi > 65535) {
		snprintf(err, errlen, "found \"%.80s\"; allowed: %s", text,
			 ports_allowed);
		return -EINVAL;
	}
	out[0] = (uint32_t)lo;
	out[1] = (uint32_t)hi;
	return 0;
}

#define CFG(field) .offset = offsetof(struct service, field)

const struct opt_desc service_options[] = {
	{.name = "listen",
	 CFG(listen),
	 .type = OPT_CUSTOM,
	 .parse = listen_parse,
	 .allowed = endpoint_allowed,
	 .repeat = true,
	 .help = "addresses and ports that clients connect to; repeats"},
	{.name = "connect",
	 CFG(connect),
	 .type = OPT_CUSTOM,
	 .def = "",
	 .parse = connect_parse,
	 .allowed = "ADDRESS:PORT, or empty: the address the client used",
	 .help = "the server to connect to"},
	{.name = "handshake",
	 CFG(handshake),
	 .type = OPT_ENUM,
	 .def = "auto",
	 .names = handshake_names,
	 .help = "who is answered first; auto decides by the load"},
	{.name = "unknown",
	 CFG(unknown),
	 .type = OPT_ENUM,
	 .def = "reset",
	 .names = unknown_names,
	 .help = "what happens to a segment of no connection"},
	{.name = "on_no_server",
	 CFG(on_no_server),
	 .type = OPT_ENUM,
	 .def = "reset",
	 .names = no_server_names,
	 .help = "when a client is connected but its server is not"},
	{.name = "close",
	 CFG(close),
	 .type = OPT_ENUM,
	 .def = "fin",
	 .names = close_names,
	 .help = "how an ended connection is closed"},
	{.name = "on_limit",
	 CFG(on_limit),
	 .type = OPT_ENUM,
	 .def = "refuse",
	 .names = limit_names,
	 .help = "what happens when connections or memory run out"},
	{.name = "signed",
	 CFG(tcp_signed),
	 .type = OPT_ENUM,
	 .def = "drop",
	 .names = signed_names,
	 .help = "segments with TCP-AO, MD5 or an authentication header"},
	{.name = "fragments",
	 CFG(fragments),
	 .type = OPT_ENUM,
	 .def = "reassemble",
	 .names = fragments_names,
	 .help = "fragments of TCP; the host reassembles them"},
	{.name = "relay",
	 CFG(relay),
	 .type = OPT_ENUM,
	 .def = "terminate",
	 .names = relay_names,
	 .help = "who carries the bytes of an admitted connection"},
	{.name = "source",
	 CFG(source),
	 .type = OPT_CUSTOM,
	 .def = "client",
	 .parse = source_parse,
	 .allowed = source_allowed,
	 .help = "what the server sees as the client"},
	{.name = "ip_local_port_range",
	 CFG(port_min),
	 .type = OPT_CUSTOM,
	 .def = "32768 60999",
	 .parse = ports_parse,
	 .allowed = ports_allowed,
	 .help = "ports towards the server where the client's is not used"},
	{.name = "tcp_max_orphans",
	 CFG(max_orphans),
	 .type = OPT_INT,
	 .min = 0,
	 .max = 1 << 24,
	 .def = "16384",
	 .help = "connections with one leg left; more are reset (Linux: by "
		 "memory)"},
	{.name = "max_per_source",
	 CFG(max_per_source),
	 .type = OPT_INT,
	 .min = 0,
	 .max = 1 << 24,
	 .def = "0",
	 .help = "connections of one client (IPv6: /64); 0: no own limit"},
	{.name = "idle_timeout",
	 CFG(idle_timeout),
	 .type = OPT_TIME,
	 .unit = USEC_PER_SEC,
	 .min = 0,
	 .max = INT64_C(86400) * 20 * USEC_PER_SEC,
	 .def = "0",
	 .help = "a connection that moves no byte for this time is reset"},
	{.name = "tcp_syncookies",
	 CFG(syncookies),
	 .type = OPT_INT,
	 .min = 0,
	 .max = 2,
	 .def = "1",
	 .help = "0 never, 1 when the SYN queue fills, 2 always"},
	{.name = "tcp_max_syn_backlog",
	 CFG(max_syn_backlog),
	 .type = OPT_INT,
	 .min = 1,
	 .max = 1 << 24,
	 .def = "4096",
	 .help = "half-open connections of a service (Linux: by memory)"},
	{.name = NULL},
};
