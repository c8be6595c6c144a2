/* SPDX-License-Identifier: MIT */
/*
 * The keys of a fault, and how their values are read.
 *
 * The table is made from FAULT_PARAMS, so each parameter has one name, one
 * reader and one line of help.  A reader fills a struct fault_val.  Whether the
 * type allows the parameter is checked after all keys were read (spec.c),
 * because "type" may come last.
 */
#include <stdarg.h>

#include "internal.h"
#include "util/address.h"

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

/* --- readers: text to struct fault_val --- */

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

/* Uses the readers of option.h, so that units are read in one place. */
static int read_as(enum opt_type type, int64_t unit, const char *text,
		   struct fault_val *v, char *err, size_t errlen)
{
	const struct opt_desc d = {.type = type,
				   .max = type == OPT_TIME ? FAULT_KEY_TIME_MAX
							   : INT64_C(1) << 50,
				   .unit = unit};
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

/* Bytes per second: "1mbit", "64kbit", "100KB", "5MB"; a bare number is
 * KB/s. */
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

/* One word, or words separated by commas (a mask). */
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
static const char *const action_names[] = {"fin", "close", "reset", "vanish",
					   NULL};
static const char *const close_names[] = {"rst", "fin", NULL};
static const char *const from_names[] = {"begin", "data", "idle", NULL};

static const char *const with_names[] = {"rst", "icmp-port", "icmp-host",
					 "icmp-admin", NULL};
/* in the order of the bits OPT_HAS_* */
static const char *const option_names[] = {"mss", "ws",	 "sack", "ts",
					   "uto", "tfo", NULL};
static const char *const icmp_names[] = {"none", "ptb", NULL};
static const char *const quote_names[] = {"valid", "bad-seq", NULL};
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

/* Whether a word belongs to the type is checked when the type is known. */
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
WORD_READER(action, read_word, action_names)
WORD_READER(close, read_word, close_names)
WORD_READER(from, read_word, from_names)
WORD_READER(with, read_word, with_names)
WORD_READER(options, read_mask, option_names)
WORD_READER(mode, read_word, fault_mode_name)
WORD_READER(favor, read_word, favor_names)
WORD_READER(content, read_word, content_names)
WORD_READER(then, read_word, then_names)
WORD_READER(icmp, read_word, icmp_names)
WORD_READER(quote, read_word, quote_names)

/* A word, or "file:PATH".  The file is read now, so that errors are found
 * now. */
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

/* A type that was renamed gets an error with its new name. */
static int read_type(const char *text, void *field, char *err, size_t errlen)
{
	const char *now = fault_type_renamed(text);
	struct fault_val v = {0};

	if (now)
		return refuse(text, err, errlen, "%s", now);
	if (read_word(text, fault_type_name, &v, err, errlen))
		return -EINVAL;
	*(uint8_t *)field = (uint8_t)v.i;
	return 0;
}

/* --- triggers --- */

static const char *const state_names[] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
		NULL};

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

/* "on": a trigger; with type=blackhole, "on=2s" is the length of the hole. */
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

/* --- selectors --- */

static int read_net(const char *text, void *field, char *err, size_t errlen)
{
	struct fault_net *n = field;
	char copy[80], *slash;
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
	if (!address_parse(copy, &n->addr))
		goto bad;
	n->any = false;
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

/* "index" needs more room than a struct fault_val has. */
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

/* --- the table --- */

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
#define TIME(key, field, text)                                                \
	{                                                                     \
		.name = key, AT(field), .type = OPT_TIME,                     \
		.max = FAULT_KEY_TIME_MAX, .unit = USEC_PER_MSEC, .def = "0", \
		.help = text                                                  \
	}
#define OWN(key, field, reader, d, text)                                     \
	{                                                                    \
		.name = key, AT(field), .type = OPT_CUSTOM, .parse = reader, \
		.def = d, .help = text                                       \
	}

const struct opt_desc fault_options[] = {
	OWN("type", type, read_type, "none", "what it does"),
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
