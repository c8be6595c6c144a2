/* SPDX-License-Identifier: MIT */
/*
 * How a fault is written: keys, values, and which belong to which type.
 *
 * The key table is made from FAULT_PARAMS, so a parameter has one name, one
 * reader and one line of help.  A reader fills struct fault_val; whether the
 * type takes it is judged when all keys are read, since "type" may come last.
 */
#include <arpa/inet.h>
#include <stdarg.h>

#include "internal.h"

const char *const fault_type_name[FT_COUNT + 1] = {
#define X(id, name) name,
	FAULT_TYPES(X)
#undef X
};

static const char *const param_name[FP_COUNT] = {
#define X(id, key, reader, help) key,
	FAULT_PARAMS(X)
#undef X
};

__attribute__((format(printf, 4, 5))) static int
refuse(const char *text, char *err, size_t errlen, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(err, errlen, "found \"%.64s\", allowed: %s", text, why);
	return -EINVAL;
}

/* ---- readers: text to struct fault_val ---- */

static int read_percent(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;
	char *end;
	double d = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(d >= 0) ||
	    d > 100)
		return refuse(text, err, errlen, "0 to 100");
	v->set = true;
	v->d = d / 100;
	return 0;
}

static int read_toxicity(const char *text, void *field, char *err,
			 size_t errlen)
{
	struct fault_val *v = field;
	char *end;
	double d = strtod(text, &end);

	if (end == text || *end || !(d >= 0) || d > 1)
		return refuse(text, err, errlen, "0 to 1");
	v->set = true;
	v->d = d;
	return 0;
}

/* By a table of option.h's own, so that units are read in one place. */
static int read_as(enum opt_type type, int64_t unit, const char *text,
		   struct fault_val *v, char *err, size_t errlen)
{
	const struct opt_desc d = {
		.type = type, .max = INT64_C(1) << 50, .unit = unit};
	int64_t n = 0;

	if (opt_parse(&d, &n, text, err, errlen))
		return -EINVAL;
	v->set = true;
	v->i = v->j = n;
	return 0;
}

static int read_time(const char *text, void *field, char *err, size_t errlen)
{
	return read_as(OPT_TIME, USEC_PER_MSEC, text, field, err, errlen);
}

static int read_size(const char *text, void *field, char *err, size_t errlen)
{
	return read_as(OPT_SIZE, 1, text, field, err, errlen);
}

static int read_count(const char *text, void *field, char *err, size_t errlen)
{
	uint32_t n;
	struct fault_val *v = field;
	const struct opt_desc d = {.type = OPT_INT, .max = UINT32_MAX};

	if (opt_parse(&d, &n, text, err, errlen))
		return -EINVAL;
	v->set = true;
	v->i = v->j = n;
	return 0;
}

/* Bytes per second: "1mbit", "64kbit", "100KB", "5MB"; bare: KB. */
static int read_rate(const char *text, void *field, char *err, size_t errlen)
{
	static const struct {
		const char *unit;
		double factor;
	} units[] = {{"", 1000},       {"bit", 0.125},	 {"kbit", 125},
		     {"mbit", 125000}, {"gbit", 1.25e8}, {"B", 1},
		     {"KB", 1000},     {"MB", 1e6},	 {"kbps", 1000},
		     {"mbps", 1e6}};
	struct fault_val *v = field;
	char *end;
	double d = strtod(text, &end);

	for (size_t i = 0; i < ARRAY_LEN(units) && end != text; i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		d *= units[i].factor;
		if (!(d >= 1) || d > 1e12)
			break;
		v->set = true;
		v->i = (int64_t)d;
		return 0;
	}
	return refuse(text, err, errlen,
		      "a rate as 100KB, 5MB, 64kbit, 1mbit; bare: KB/s");
}

static bool read_u64(const char *text, char **end, int64_t *out)
{
	if (*text < '0' || *text > '9')
		return false;
	*out = strtoll(text, end, 10);
	return *out >= 0 && *out < INT64_MAX;
}

/* "a-b" (b exclusive) or "n" = 0-n. */
static int read_range(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;
	int64_t a, b;
	char *end;

	if (!read_u64(text, &end, &a))
		goto bad;
	b = a;
	if (*end == '-' && !read_u64(end + 1, &end, &b))
		goto bad;
	if (*end || b < a)
		goto bad;
	v->set = true;
	v->i = strchr(text, '-') ? a : 0;
	v->j = b;
	return 0;
bad:
	return refuse(text, err, errlen, "FIRST-END, END exclusive");
}

/* Words, or a mask of words separated by commas. */
static int read_word(const char *text, const char *const *names,
		     struct fault_val *v, char *err, size_t errlen)
{
	const struct opt_desc d = {.type = OPT_ENUM, .names = names};
	uint8_t e = 0;

	if (opt_parse(&d, &e, text, err, errlen))
		return -EINVAL;
	v->set = true;
	v->i = e;
	return 0;
}

static int read_mask(const char *text, const char *const *names,
		     struct fault_val *v, char *err, size_t errlen)
{
	char copy[128], *save, *w;

	snprintf(copy, sizeof(copy), "%s", text);
	v->i = 0;
	for (w = strtok_r(copy, ", ", &save); w;
	     w = strtok_r(NULL, ", ", &save)) {
		struct fault_val one = {0};

		if (read_word(w, names, &one, err, errlen))
			return -EINVAL;
		v->i |= INT64_C(1) << one.i;
	}
	v->set = v->i != 0;
	return v->set ? 0 : refuse(text, err, errlen, "one word at least");
}

static const char *const model_names[] = {"random", "state", "gemodel", NULL};
static const char *const dist_names[] = {"uniform", "normal", "pareto",
					 "paretonormal", NULL};
static const char *const where_names[] = {"ip", "tcp", "payload", NULL};
static const char *const checksum_names[] = {"bad", "fix", NULL};
static const char *const sides_names[] = {"one", "both", NULL};
static const char *const close_names[] = {"rst", "fin", NULL};
static const char *const from_names[] = {"begin", "data", "idle", NULL};

static const char *const with_names[] = {"rst", "icmp-port", "icmp-host",
					 "icmp-admin", NULL};
/* in the order of OPT_HAS_* */
static const char *const option_names[] = {"mss", "ws",	 "sack", "ts",
					   "uto", "tfo", NULL};
/* of all types; enum fault_ecn, then enum fault_tfo */
static const char *const mode_names[] = {"bleach",	  "ce",
					 "ece",		  "cwr",
					 "blackhole",	  "ignore-data",
					 "reject-cookie", "stale-cookie",
					 "no-cookie",	  NULL};
static_assert(ARRAY_LEN(mode_names) == FAULT_MODE_COUNT + 1, "a word a mode");
static const char *const icmp_names[] = {"none", "ptb", NULL};
static const char *const quote_names[] = {"valid", "bad-seq", NULL};
/* of all types; enum fault_inject, then fault_kind, fault_icmp */
const char *const fault_inject_name[] = {"rst-exact",	  "rst-inwindow",
					 "syn-inwindow",  "ack-old",
					 "ack-future",	  "data-oow",
					 "paws-old",	  "badsum",
					 "null",	  "keepalive",
					 "window",	  "data",
					 "ack",		  "rst",
					 "syn",		  "ptb",
					 "unreach-net",	  "unreach-host",
					 "unreach-proto", "unreach-port",
					 "unreach-admin", NULL};
static_assert(ARRAY_LEN(fault_inject_name) == FAULT_ICMP_COUNT + 1,
	      "a word a kind");
static const char *const favor_names[] = {"old", "new", NULL};
static const char *const content_names[] = {"same", "differ", NULL};
static const char *const then_names[] = {"rst", "silence", NULL};

static int read_reopen(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;

	if (strcmp(text, "never") != 0)
		return read_time(text, field, err, errlen);
	v->set = true;
	v->i = 0;
	return 0;
}

/* Which of the words belong to the type is judged when that is known. */
static int read_kind(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;

	if (read_mask(text, fault_inject_name, v, err, errlen))
		return -EINVAL;
	v->j = v->i;
	v->i = __builtin_ctzll((unsigned long long)v->j);
	return 0;
}

/* "a-b" (b exclusive) or "n": that byte alone. */
static int read_place(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;

	if (read_range(text, field, err, errlen))
		return -EINVAL;
	if (!strchr(text, '-'))
		v->i = v->j++;
	return 0;
}

#define WORD_READER(name, how, names)                                    \
	static int read_##name(const char *text, void *field, char *err, \
			       size_t errlen)                            \
	{                                                                \
		return how(text, names, field, err, errlen);             \
	}
WORD_READER(model, read_word, model_names)
WORD_READER(where, read_mask, where_names)
WORD_READER(checksum, read_word, checksum_names)
WORD_READER(sides, read_word, sides_names)
WORD_READER(close, read_word, close_names)
WORD_READER(from, read_word, from_names)
WORD_READER(with, read_word, with_names)
WORD_READER(options, read_mask, option_names)
WORD_READER(mode, read_word, mode_names)
WORD_READER(favor, read_word, favor_names)
WORD_READER(content, read_word, content_names)
WORD_READER(then, read_word, then_names)
WORD_READER(icmp, read_word, icmp_names)
WORD_READER(quote, read_word, quote_names)

/* A word, or "file:PATH": read here and now, so that it is known to be good. */
static int read_distribution(const char *text, void *field, char *err,
			     size_t errlen)
{
	struct fault_val *v = field;
	struct fault_spec *s =
		container_of(field, struct fault_spec, p[FP_DISTRIBUTION]);

	if (strncmp(text, "file:", 5) != 0)
		return read_word(text, dist_names, v, err, errlen);
	v->set = true;
	v->i = FAULT_TABLE;
	return fault_table_read(&s->table, text + 5, err, errlen);
}

/* ---- triggers ---- */

static const char *const state_names[] = {
	"CLOSED",      "LISTEN",     "SYN_SENT",   "SYN_RECEIVED",
	"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
	"CLOSING",     "LAST_ACK",   "TIME_WAIT",  NULL};

static const char *const on_names[] = {
	[FAULT_ON_ALWAYS] = "always",	[FAULT_ON_SYN] = "syn",
	[FAULT_ON_SYNACK] = "synack",	[FAULT_ON_DATA] = "data",
	[FAULT_ON_FIN] = "fin",		[FAULT_ON_STATE] = "state",
	[FAULT_ON_BYTE] = "byte",	[FAULT_ON_ACKED] = "acked",
	[FAULT_ON_SEGMENT] = "segment", [FAULT_ON_IDLE] = "idle",
	[FAULT_ON_TIME] = "time",	NULL};

static int word_index(const char *const *names, const char *w, size_t len)
{
	for (int i = 0; names[i]; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], w, len))
			return i;
	return -1;
}

static bool when_arg(struct fault_when *w, const char *arg)
{
	struct fault_val v = {0};
	char err[200];
	int i;

	if (w->on == FAULT_ON_STATE) {
		i = word_index(state_names, arg, strlen(arg));
		w->arg = (uint64_t)(i < 0 ? 0 : i);
		return i >= 0;
	}
	if (w->on >= FAULT_ON_IDLE ? read_time(arg, &v, err, sizeof(err))
				   : read_size(arg, &v, err, sizeof(err)))
		return false;
	w->arg = (uint64_t)v.i;
	return true;
}

static int when_parse(const char *text, struct fault_when *out, char *err,
		      size_t errlen)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	int i = word_index(on_names, text, len);
	struct fault_when w = {0};

	if (i < 0 || (i >= FAULT_ON_STATE) != (colon != NULL))
		goto bad;
	w.on = (uint8_t)i;
	if (colon && !when_arg(&w, colon + 1))
		goto bad;
	*out = w;
	return 0;
bad:
	return refuse(text, err, errlen,
		      "syn, synack, data, fin, state:S, byte:N, acked:N, "
		      "segment:N, idle:T, time:T");
}

/* "on": a trigger; a black hole's "on=2s" is the length of the hole. */
static int read_on(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_spec *s = container_of(field, struct fault_spec, on);

	if (*text >= '0' && *text <= '9')
		return read_time(text, &s->p[FP_HOLE], err, errlen);
	return when_parse(text, field, err, errlen);
}

static int read_after(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;
	struct fault_when w = {0};

	if (when_parse(text, &w, err, errlen))
		return -EINVAL;
	if (w.on != FAULT_ON_BYTE && w.on != FAULT_ON_ACKED &&
	    w.on != FAULT_ON_TIME)
		return refuse(text, err, errlen, "byte:N, acked:N, time:T");
	v->set = true;
	v->i = (int64_t)w.arg;
	v->j = w.on;
	return 0;
}

/* ---- selectors ---- */

static int read_net(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_net *n = field;
	char copy[80], *slash;
	uint8_t raw[16];
	bool v6 = strchr(text, ':') != NULL;
	long most = v6 ? 128 : 32, bits = most;
	char *end;

	if (!*text) {
		n->any = true;
		return 0;
	}
	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash) {
		*slash++ = '\0';
		bits = strtol(slash, &end, 10);
		if (*end || end == slash || bits < 0 || bits > most)
			goto bad;
	}
	if (inet_pton(v6 ? AF_INET6 : AF_INET, copy, raw) != 1)
		goto bad;
	n->any = false;
	n->addr = v6 ? ipaddr_v6(raw) : ipaddr_v4(raw);
	n->prefix = (uint8_t)(v6 ? bits : bits + 96);
	return 0;
bad:
	return refuse(text, err, errlen, "ADDRESS[/PREFIX], or empty: all");
}

static int read_ports(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_ports *p = field;
	int64_t a = 0, b;
	char *end;

	if (!*text) {
		*p = (struct fault_ports){0, 65535};
		return 0;
	}
	if (!read_u64(text, &end, &a))
		goto bad;
	b = a;
	if (*end == '-' && !read_u64(end + 1, &end, &b))
		goto bad;
	if (*end || b < a || b > 65535)
		goto bad;
	*p = (struct fault_ports){(uint16_t)a, (uint16_t)b};
	return 0;
bad:
	return refuse(text, err, errlen, "PORT or FIRST-LAST, or empty: all");
}

static int read_list(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_conns *c = field, out = {.kind = FAULT_CONN_LIST};
	const char *p = text;
	int64_t n;
	char *end;

	do {
		if (out.n == FAULT_LIST_MAX || !read_u64(p, &end, &n) ||
		    n < 1 || n > UINT32_MAX)
			return refuse(text, err, errlen,
				      "at most %d numbers from 1, as 2,5",
				      FAULT_LIST_MAX);
		out.v[out.n++] = (uint32_t)n;
		p = end + 1;
	} while (*end == ',');
	if (*end)
		return refuse(text, err, errlen, "numbers, as 2,5");
	*c = out;
	return 0;
}

/* A type's "index" needs more room than a struct fault_val has. */
static int read_index(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_val *v = field;
	struct fault_spec *s =
		container_of(field, struct fault_spec, p[FP_INDEX]);

	if (read_list(text, &s->list, err, errlen))
		return -EINVAL;
	v->set = true;
	return 0;
}

static int read_conns(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_conns *c = field, out = {0};

	if (!*text) {
		*c = out;
		return 0;
	}
	if (strncmp(text, "first:", 6) == 0 ||
	    strncmp(text, "every:", 6) == 0) {
		if (read_list(text + 6, &out, err, errlen) || out.n != 1)
			return refuse(text, err, errlen, "first:N, every:N");
		out.kind = text[0] == 'f' ? FAULT_CONN_FIRST : FAULT_CONN_EVERY;
		*c = out;
		return 0;
	}
	return read_list(text, c, err, errlen);
}

const char *const fault_counter_name[FC_COUNT + 1] = {
	"matched", "rolled", "injected", "suppressed", NULL};

static int read_expect(const char *text, void *field, char *err, size_t errlen)
{
	static const char *const ops[] = {">=", "<=", "==", ">", "<", "="};
	struct fault_expect *e = field;
	size_t len = strcspn(text, "<>=");
	int c = word_index(fault_counter_name, text, len);
	int64_t n;
	char *end;

	for (size_t i = 0; c >= 0 && i < ARRAY_LEN(ops); i++) {
		size_t k = strlen(ops[i]);

		if (strncmp(text + len, ops[i], k) != 0)
			continue;
		if (!read_u64(text + len + k, &end, &n) || *end)
			break;
		*e = (struct fault_expect){.set = true, .counter = (uint8_t)c};
		memcpy(e->op, ops[i], k);
		e->n = (uint64_t)n;
		return 0;
	}
	return refuse(
		text, err, errlen,
		"COUNTER OP N, as injected>=1 (counters: matched, rolled, "
		"injected, suppressed)");
}

/* ---- the table ---- */

static const char *const side_names[] = {"client", "server", "both", NULL};
static const char *const dir_names[] = {"any", "to_peer", "from_peer", NULL};
static const char *const stream_names[] = {"downstream", "upstream", NULL};
static const char *const scope_names[] = {"new", "all", NULL};
static const char *const remove_names[] = {"release", "drop", "reset", NULL};

#define AT(field) .offset = offsetof(struct fault_spec, field)
#define ENUM(key, field, list, d, text)                                  \
	{                                                                \
		.name = key, AT(field), .type = OPT_ENUM, .names = list, \
		.def = d, .help = text                                   \
	}
#define INT(key, field, d, most, text)                                \
	{                                                             \
		.name = key, AT(field), .type = OPT_INT, .max = most, \
		.def = d, .help = text                                \
	}
#define TIME(key, field, text)                                              \
	{                                                                   \
		.name = key, AT(field), .type = OPT_TIME,                   \
		.max = INT64_C(1) << 50, .unit = USEC_PER_MSEC, .def = "0", \
		.help = text                                                \
	}
#define OWN(key, field, reader, d, text)                                     \
	{                                                                    \
		.name = key, AT(field), .type = OPT_CUSTOM, .parse = reader, \
		.def = d, .help = text                                       \
	}

const struct opt_desc fault_options[] = {
	ENUM("type", type, fault_type_name, "none", "what it does"),
	{.name = "service",
	 AT(service),
	 .type = OPT_TEXT,
	 .max = FAULT_NAME_MAX,
	 .def = "",
	 .help = "of one service only"},
	ENUM("side", side, side_names, "client", "the peer that sees it"),
	ENUM("dir", dir, dir_names, "any", "its segments, or those to it"),
	ENUM("stream", stream, stream_names, "downstream",
	     "upstream: from the client to the server"),
	INT("order", order, "0", UINT32_MAX, "place among the faults"),
	INT("seed", seed, "0", UINT32_MAX, "of its dice; 0: the daemon's"),
	ENUM("scope", scope, scope_names, "new", "all: live connections too"),
	OWN("src", src, read_net, "", "clients"),
	OWN("dst", dst, read_net, "", "addresses that clients use"),
	OWN("dport", dport, read_ports, "", "ports that clients use"),
	OWN("conn", conn, read_conns, "", "2,5 | first:3 | every:7"),
	OWN("toxicity", toxicity, read_toxicity, "1", "share of connections"),
	OWN("on", on, read_on, "always", "when it begins"),
	INT("skip", skip, "0", UINT32_MAX, "events to let pass first"),
	INT("count", count, "0", UINT32_MAX, "most injections; 0: no limit"),
	TIME("duration", duration_us, "from its first event on; 0: no end"),
	TIME("lease", lease_us, "it is removed after this time; 0: never"),
	INT("max_active", max_active, "0", UINT32_MAX,
	    "connections at once; 0: no limit"),
	ENUM("on_remove", on_remove, remove_names, "release",
	     "what becomes of what it holds"),
	OWN("expect", expect, read_expect, NULL, "counter, as injected>=1"),
#define X(id, key, reader, text) \
	OWN(key, p[FP_##id], read_##reader, NULL, text),
	FAULT_PARAMS(X)
#undef X
		{.name = NULL},
};

/* ---- whole specs ---- */

static void list_params(uint64_t mask, char *out, size_t outlen)
{
	size_t k = 0;

	out[0] = '\0';
	for (int i = 0; i < FP_COUNT && k < outlen; i++)
		if (mask >> i & 1)
			k += (size_t)snprintf(out + k, outlen - k, "%s%s",
					      k ? ", " : "", param_name[i]);
	if (!k)
		snprintf(out, outlen, "none");
}

static const struct {
	uint8_t type, param;
	double d;
	int64_t i, j;
} param_default[] = {
	{FT_LOSS, FP_R, 1, 0, 0},
	{FT_LOSS, FP_LOSS_BAD, 1, 0, 0},
	{FT_LOSS, FP_P32, 0, 0, 0},
	{FT_LOSS, FP_P23, 1, 0, 0},
	{FT_CORRUPT, FP_WHERE, 0, FAULT_WHERE_TCP, 0},
	{FT_CORRUPT, FP_BITS, 0, 1, 0},
	{FT_DUPLICATE, FP_COPIES, 0, 1, 0},
	{FT_DROP_RANGE, FP_TIMES, 0, 1, 0},
	{FT_REORDER, FP_TIME, 0, 10 * USEC_PER_MSEC, 0},
	{FT_STRETCH_ACK, FP_N, 0, 4, 0},
	{FT_DUP_ACK, FP_N, 0, 3, 0},
	{FT_RATE, FP_LIMIT, 0, 1 << 20, 0},
	{FT_PROBE_SWALLOW, FP_KIND, 0, FAULT_KIND_KEEPALIVE,
	 BIT(FAULT_KIND_KEEPALIVE) | BIT(FAULT_KIND_WINDOW)},
	{FT_WINDOW_SHRINK, FP_HOLD, 0, 200 * USEC_PER_MSEC, 0},
	{FT_OPTIMISTIC_ACK, FP_BY, 0, 1460, 0},
	{FT_SIMULTANEOUS_CLOSE, FP_DELAY, 0, 200 * USEC_PER_MSEC, 0},
	{FT_TIME_WAIT_REPLAY, FP_DELAY, 0, USEC_PER_SEC, 0},
	{FT_CORRUPT_STREAM, FP_BITS, 0, 1, 0},
	{FT_CORRUPT_STREAM, FP_OFFSET, 0, 0, INT64_MAX},
	{FT_ICMP, FP_MTU, 0, 1280, 0},
};

/* What was not given; "percent" alone means "always". */
static void fill_params(struct fault_spec *s)
{
	if (!s->p[FP_PERCENT].set)
		s->p[FP_PERCENT].d = 1;
	for (size_t i = 0; i < ARRAY_LEN(param_default); i++) {
		struct fault_val *v = &s->p[param_default[i].param];

		if (param_default[i].type != s->type || v->set)
			continue;
		v->d = param_default[i].d;
		v->i = param_default[i].i;
		v->j = param_default[i].j;
	}
}

/* The words of "kind" that the type knows, and whether several go. */
static bool kind_fits(const struct fault_spec *s, char *err, size_t errlen)
{
	uint64_t ok = fault_types[s->type].kinds;
	uint64_t got = (uint64_t)s->p[FP_KIND].j;
	size_t k;

	if (!s->p[FP_KIND].set ||
	    (!(got & ~ok) && (fault_types[s->type].kinds_many ||
			      __builtin_popcountll(got) == 1)))
		return true;
	k = (size_t)snprintf(err, errlen, "type %s takes %s kind of",
			     fault_type_name[s->type],
			     fault_types[s->type].kinds_many ? "any" : "one");
	for (int i = 0; i < FAULT_ICMP_COUNT && k < errlen; i++)
		if (ok >> i & 1)
			k += (size_t)snprintf(err + k, errlen - k, " %s",
					      fault_inject_name[i]);
	return false;
}

/* The words of "mode" that the type knows. */
static bool mode_fits(const struct fault_spec *s, char *err, size_t errlen)
{
	int64_t first = s->type == FT_TFO ? FAULT_TFO_BLACKHOLE : 0;
	int64_t last = s->type == FT_TFO ? FAULT_MODE_COUNT - 1 : FAULT_ECN_CWR;
	const struct fault_val *v = &s->p[FP_MODE];
	size_t k;

	if (!v->set || (v->i >= first && v->i <= last))
		return true;
	k = (size_t)snprintf(err, errlen, "type %s takes one mode of",
			     fault_type_name[s->type]);
	for (int64_t i = first; i <= last && k < errlen; i++)
		k += (size_t)snprintf(err + k, errlen - k, " %s",
				      mode_names[i]);
	return false;
}

/* What holds for all types. */
static const char *check_common(const struct fault_spec *s)
{
	const struct fault_type_desc *t = &fault_types[s->type];

	if (s->type == FT_NONE)
		return "a fault needs a type";
	for (const char *p = s->name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
			    "YZ0123456789_.-",
			    *p))
			return "a name is made of letters, digits, _ . -";
	if (s->p[FP_MAX].set && s->p[FP_MAX].i < s->p[FP_MIN].i)
		return "max is at least min";
	if (s->p[FP_MTU].set &&
	    (s->p[FP_MTU].i < 68 || s->p[FP_MTU].i > UINT16_MAX))
		return "mtu is 68 to 65535";
	if (s->type == FT_FIN && s->p[FP_AFTER].j != FAULT_ON_BYTE)
		return "type fin takes after=byte:N";
	if (t->stream && s->on.on != FAULT_ON_ALWAYS &&
	    s->on.on != FAULT_ON_BYTE && s->on.on != FAULT_ON_TIME)
		return "faults of streams take on=byte:N, time:T";
	return NULL;
}

int fault_spec_check(struct fault_spec *s, char *err, size_t errlen)
{
	const struct fault_type_desc *t = &fault_types[s->type];
	const char *why = check_common(s);
	uint64_t given = 0;
	char list[400];

	if (why) {
		snprintf(err, errlen, "%s", why);
		return -EINVAL;
	}
	for (int i = 0; i < FP_COUNT; i++)
		given |= (uint64_t)s->p[i].set << i;
	if (given & ~t->params) {
		char bad[100];

		list_params(given & ~t->params, bad, sizeof(bad));
		list_params(t->params, list, sizeof(list));
		snprintf(err, errlen, "type %s does not take %s; allowed: %s",
			 fault_type_name[s->type], bad, list);
		return -EINVAL;
	}
	if (t->needs & ~given) {
		list_params(t->needs & ~given, list, sizeof(list));
		snprintf(err, errlen, "type %s needs %s",
			 fault_type_name[s->type], list);
		return -EINVAL;
	}
	if (!kind_fits(s, err, errlen) || !mode_fits(s, err, errlen))
		return -EINVAL;
	if (s->dir == FAULT_ANY_DIR)
		s->dir = t->dir;
	fill_params(s);
	return 0;
}

static int line_key(struct fault_spec *s, const char *word, char *err,
		    size_t errlen)
{
	const char *eq = strchr(word, '=');
	char why[1400];
	size_t len = (size_t)(eq - word);

	for (const struct opt_desc *d = fault_options; d->name; d++) {
		if (strlen(d->name) != len || memcmp(d->name, word, len) != 0)
			continue;
		if (opt_parse(d, s, eq + 1, why, sizeof(why)) == 0)
			return fault_spec_note(s, d->name, eq + 1, err, errlen);
		snprintf(err, errlen, "%s: %s", d->name, why);
		return -EINVAL;
	}
	snprintf(err, errlen, "no such key: %.*s", (int)len, word);
	return -EINVAL;
}

int fault_parse_line(const char *line, struct fault_spec *s, char *err,
		     size_t errlen)
{
	char copy[1024], *save, *w;
	bool named = false;

	if (strlen(line) >= sizeof(copy)) {
		snprintf(err, errlen, "line too long");
		return -EINVAL;
	}
	strcpy(copy, line);
	fault_spec_init(s);
	for (w = strtok_r(copy, " \t\r\n", &save); w;
	     w = strtok_r(NULL, " \t\r\n", &save)) {
		if (strchr(w, '=')) {
			if (line_key(s, w, err, errlen))
				return -EINVAL;
			continue;
		}
		if (named || strlen(w) > FAULT_NAME_MAX) {
			snprintf(err, errlen,
				 "found \"%.64s\", allowed: one name of at "
				 "most %d characters, then KEY=VALUE",
				 w, FAULT_NAME_MAX);
			return -EINVAL;
		}
		named = true;
		strcpy(s->name, w);
	}
	if (fault_spec_check(s, err, errlen))
		return -EINVAL;
	if (!named)
		strcpy(s->name, fault_type_name[s->type]);
	return 0;
}
