/* SPDX-License-Identifier: MIT */
/*
 * The registry of INI keys.  A module publishes an option table; one line in
 * conf_rows[] makes its keys known in a section.  The parser, the error
 * messages, the defaults and the list in the manual are all made from here, so
 * they cannot differ.
 */
#include "config/keys.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/diag.h"
#include "policy/policy.h"
#include "fault/cfg.h"
#include "tcp/cfg.h"
#include "util/address.h"
#include "util/log.h"
#include "util/word.h"

static const char *const level_names[] = {"error", "warn", "info", "debug",
					  NULL};

static_assert(ARRAY_LEN(level_names) == LOG_LEVELS + 1, "a name per level");

static const char mark_allowed[] =
	"MARK/MASK, two 32-bit numbers, the mask not 0 and covering the mark";

/* Fills mark and mark_mask, which are neighbours. */
static int mark_parse(const char *text, void *field, char *err, size_t errlen)
{
	uint32_t *out = field;
	unsigned long long v, m = UINT32_MAX;
	char *end;

	static_assert(offsetof(struct daemon_cfg, mark_mask) ==
			      offsetof(struct daemon_cfg, mark) + 4,
		      "the mask follows the mark");
	if (text[0] < '0' || text[0] > '9')
		goto err_text;
	v = strtoull(text, &end, 0);
	if (end[0] == '/' && end[1] >= '0' && end[1] <= '9')
		m = strtoull(end + 1, &end, 0);
	if (*end || v > UINT32_MAX || m > UINT32_MAX || !m || (v & ~m) || !v)
		goto err_text;
	out[0] = (uint32_t)v;
	out[1] = (uint32_t)m;
	return 0;

err_text:
	snprintf(err, errlen, "found \"%s\"; allowed: %s", text, mark_allowed);
	return -EINVAL;
}

static const char tun_allowed[] =
	"an interface name, 1..15 of letters, digits, - _ and .";

static int tun_parse(const char *text, void *field, char *err, size_t errlen)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (!n || text[n] || n > 15 || text[0] == '-' || !strcmp(text, ".") ||
	    !strcmp(text, "..")) {
		snprintf(err, errlen, "found \"%s\"; allowed: %s", text,
			 tun_allowed);
		return -EINVAL;
	}
	memset(field, 0, 16);
	memcpy(field, text, n);
	return 0;
}

static const char http_allowed[] =
	"ADDRESS:PORT, IPv6 in brackets, or empty: no HTTP server";

static bool is_address(const char *text, size_t n)
{
	struct ipaddr addr;
	char copy[64];
	bool v6 = n > 2 && text[0] == '[' && text[n - 1] == ']';

	if (n >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)(v6 ? n - 2 : n), text + v6);
	return address_parse(copy, &addr) && !strchr(copy, ':') != v6;
}

/* Checks only the form.  Whether the address exists shows when the socket is
 * bound.  Names are refused, so that the start needs no resolver. */
static int http_parse(const char *text, void *field, char *err, size_t errlen)
{
	size_t room = sizeof(((struct daemon_cfg *)0)->http);
	const char *port = strrchr(text, ':');
	char *end;
	long n;

	memset(field, 0, room);
	if (!*text)
		return 0;
	if (!port || port == text || strlen(text) >= room)
		goto err_text;
	n = strtol(port + 1, &end, 10);
	if (*end || port[1] < '0' || port[1] > '9' || n < 1 || n > 65535)
		goto err_text;
	if (!is_address(text, (size_t)(port - text)))
		goto err_text;
	memcpy(field, text, strlen(text));
	return 0;

err_text:
	snprintf(err, errlen, "found \"%s\"; allowed: %s", text, http_allowed);
	return -EINVAL;
}

static const char *const rules_names[] = {
	[RULES_WATCH] = "watch",
	[RULES_RESTORE] = "restore",
	[RULES_OFF] = "off",
	NULL,
};

static const char *const front_names[] = {
	[FRONT_OFF] = "off", [FRONT_AUTO] = "auto", [FRONT_XDP] = "xdp", NULL};

static const char ifs_allowed[] =
	"up to 16 interface names, blanks or commas between them";

static int ifs_parse(const char *text, void *field, char *err, size_t errlen)
{
	struct front_ifs *f = field;
	const char *p = text;

	memset(f, 0, sizeof(*f));
	for (;;) {
		char word[sizeof(f->name[0])], ignored[160];
		size_t n;

		p += strspn(p, " \t,");
		n = strcspn(p, " \t,");
		if (!n)
			return 0;
		if (n >= sizeof(word) || f->n == FRONT_INTERFACES_MAX)
			break;
		snprintf(word, sizeof(word), "%.*s", (int)n, p);
		if (tun_parse(word, f->name[f->n], ignored, sizeof(ignored)))
			break;
		f->n++;
		p += n;
	}
	snprintf(err, errlen, "found \"%s\"; allowed: %s", text, ifs_allowed);
	return -EINVAL;
}

static const char bpf_dir_allowed[] =
	"an absolute path of at most 107 bytes, on a BPF file system";

static int bpf_dir_parse(const char *text, void *field, char *err,
			 size_t errlen)
{
	size_t room = sizeof(((struct daemon_cfg *)0)->bpf_dir);

	if (text[0] != '/' || !text[1] || strlen(text) >= room) {
		snprintf(err, errlen, "found \"%s\"; allowed: %s", text,
			 bpf_dir_allowed);
		return -EINVAL;
	}
	memset(field, 0, room);
	memcpy(field, text, strlen(text));
	return 0;
}

static const char *const yes_names[] = {"no", "yes", NULL};

#define SEC ((int64_t)USEC_PER_SEC)
#define DAY (86400 * SEC)
#define CFG(field) .offset = offsetof(struct daemon_cfg, field)
#define INT(lo, hi) .type = OPT_INT, .min = (lo), .max = (hi)
#define TEXT(field)                   \
	CFG(field), .type = OPT_TEXT, \
		    .max = sizeof(((struct daemon_cfg *)0)->field) - 1

static const struct opt_desc daemon_options[] = {
	{.name = "workers",
	 CFG(workers),
	 INT(1, 64),
	 .def = "1",
	 .help = "threads, 7 NFQUEUEs each"},
	{.name = "queue",
	 CFG(queue),
	 INT(0, 65535),
	 .def = "0",
	 .help = "number of the first NFQUEUE"},
	{.name = "tun",
	 CFG(tun),
	 .type = OPT_CUSTOM,
	 .def = "penstock0",
	 .parse = tun_parse,
	 .allowed = tun_allowed,
	 .help = "TUN device through which packets leave"},
	{.name = "mark",
	 CFG(mark),
	 .type = OPT_CUSTOM,
	 .def = "0x51000000/0xff000000",
	 .parse = mark_parse,
	 .allowed = mark_allowed,
	 .help = "firewall mark on packets that the daemon sends"},
	{.name = "max_flows",
	 CFG(max_flows),
	 INT(1, 1 << 24),
	 .def = "100000",
	 .help = "connections at once"},
	{.name = "crash_probe_rate",
	 CFG(crash_probe_rate),
	 INT(0, 1000000),
	 .def = "10000",
	 .help = "segments a second that ask the peers of a crashed penstockd "
		 "for their numbers, to reset them; 0: none"},
	{.name = "max_memory",
	 CFG(max_memory),
	 .type = OPT_SIZE,
	 .min = 16 << 20,
	 .max = (int64_t)1 << 40,
	 .def = "512M",
	 .help = "bytes of buffers"},
	{.name = "secret_file",
	 TEXT(secret_file),
	 .def = "/var/lib/penstock/secret",
	 .help = "secret, shared by a fleet; made when missing; empty: a new "
		 "secret at each start"},
	{.name = "secret_rotate",
	 CFG(secret_rotate),
	 .type = OPT_TIME,
	 .unit = SEC,
	 .min = 8 * SEC,
	 .max = 3600 * SEC,
	 .def = "60s",
	 .help = "epoch of the cookies' keys; cookies of the last one are "
		 "valid"},
	{.name = "shutdown_grace",
	 CFG(shutdown_grace),
	 .type = OPT_TIME,
	 .unit = SEC,
	 .min = 0,
	 .max = 3600 * SEC,
	 .def = "10s",
	 .help = "time that connections may take to end at a stop"},
	{.name = "control",
	 TEXT(control),
	 .def = "/run/penstock/control.sock",
	 .help = "control socket; empty: none"},
	{.name = "http",
	 CFG(http),
	 .type = OPT_CUSTOM,
	 .def = "127.0.0.1:9464",
	 .parse = http_parse,
	 .allowed = http_allowed,
	 .help = "metrics, API and page; empty: none"},
	{.name = "http_write",
	 CFG(http_write),
	 .type = OPT_ENUM,
	 .def = "no",
	 .names = yes_names,
	 .help = "toxiproxy's API over HTTP needs no token and may change "
		 "faults"},
	{.name = "http_token_file",
	 TEXT(http_token_file),
	 .def = "/var/lib/penstock/http_token",
	 .help = "token that opens the page and the API; made when missing; "
		 "empty: one that nobody knows"},
	{.name = "http_names",
	 TEXT(http_names),
	 .def = "",
	 .help = "host names that HTTP requests may use, blanks between them; "
		 "addresses and localhost are always allowed"},
	{.name = "fault_log",
	 TEXT(fault_log),
	 .def = "",
	 .help = "file that decisions of faults are appended to, as JSON "
		 "lines; "
		 "empty: none"},
	{.name = "connection_log",
	 TEXT(connection_log),
	 .def = "",
	 .help = "a line of JSON for each connection that has ended, appended "
		 "to this file; journal: to the journal, with fields; empty: "
		 "none"},
	{.name = "bpf_interfaces",
	 TEXT(bpf_interfaces),
	 .def = "",
	 .help = "interfaces towards clients and servers that get programs, "
		 "blanks between them"},
	{.name = "rules",
	 CFG(rules),
	 .type = OPT_ENUM,
	 .def = "watch",
	 .names = rules_names,
	 .help = "the host's packet rules: report differences, also restore "
		 "them, or neither"},
	{.name = "front",
	 CFG(front),
	 .type = OPT_ENUM,
	 .def = "off",
	 .names = front_names,
	 .help = "answer SYNs by XDP: never, while cookies are sent, or "
		 "always (OPERATIONS.md, The XDP front)"},
	{.name = "front_interfaces",
	 CFG(front_ifs),
	 .type = OPT_CUSTOM,
	 .def = "",
	 .parse = ifs_parse,
	 .allowed = ifs_allowed,
	 .help = "interfaces towards clients, for the front"},
	{.name = "bpf_dir",
	 CFG(bpf_dir),
	 .type = OPT_CUSTOM,
	 .def = "/sys/fs/bpf/penstock",
	 .parse = bpf_dir_parse,
	 .allowed = bpf_dir_allowed,
	 .help = "directory on a BPF file system for pinned programs and "
		 "maps; one for each network namespace"},
	{.name = "log_level",
	 CFG(log_level),
	 .type = OPT_ENUM,
	 .def = "info",
	 .names = level_names,
	 .help = "lines up to this level are logged"},
	{.name = "log_debug",
	 CFG(log_debug),
	 .type = OPT_CUSTOM,
	 .def = "",
	 .parse = trace_parse,
	 .allowed = trace_allowed,
	 .help = "with log_level = debug, only connections of this service or "
		 "with this address are reported; empty: all"},
	{.name = NULL},
};

/* Keys of [tcp] that belong to the process, not to a service. */
static const struct opt_desc daemon_tcp_options[] = {
	{.name = "tcp_max_tw_buckets",
	 CFG(max_tw),
	 INT(0, 1 << 26),
	 .def = "262144",
	 .help = "connections in TIME_WAIT at once (Linux: by memory)"},
	{.name = NULL},
};

static const struct conf_row conf_rows[] = {
	{CONF_PENSTOCK, daemon_options, CONF_IN_DAEMON, 0, false},
	{CONF_TCP, daemon_tcp_options, CONF_IN_DAEMON, 0, false},
	{CONF_TCP, tcp_options, CONF_IN_SERVICE, offsetof(struct service, tcp),
	 false},
	{CONF_TCP, service_options, CONF_IN_SERVICE, 0, true},
	{CONF_TCP, shield_options, CONF_IN_SERVICE,
	 offsetof(struct service, shield), true},
	{CONF_SERVICE, service_options, CONF_IN_SERVICE, 0, false},
	{CONF_SERVICE, shield_options, CONF_IN_SERVICE,
	 offsetof(struct service, shield), false},
	{CONF_SERVICE, tcp_options, CONF_IN_SERVICE,
	 offsetof(struct service, tcp), false},
	{CONF_FAULT, fault_options, CONF_IN_FAULT, 0, false},
};

const char *const conf_section_name[CONF_SECTIONS] = {
	[CONF_PENSTOCK] = "penstock",
	[CONF_TCP] = "tcp",
	[CONF_SERVICE] = "service",
	[CONF_FAULT] = "fault",
};

bool conf_section_is_titled(enum conf_section s)
{
	return s == CONF_SERVICE || s == CONF_FAULT;
}

int conf_section_find(const char *header, const char **title)
{
	size_t n = strcspn(header, " \t");

	*title = header + n + strspn(header + n, " \t");
	for (int s = 0; s < CONF_SECTIONS; s++) {
		if (strlen(conf_section_name[s]) == n &&
		    !strncmp(header, conf_section_name[s], n))
			return s;
	}
	return -1;
}

static bool is_kernel_name(const char *name)
{
	return !strncmp(name, "tcp_", 4) || !strncmp(name, "tw_", 3) ||
	       !strncmp(name, "ip_", 3);
}

/* Walk the keys of a section: start with *k zero; false at the end. */
static bool key_next(enum conf_section s, struct conf_key *k)
{
	const struct conf_row *end = conf_rows + ARRAY_LEN(conf_rows);
	const struct conf_row *r = k->row ? k->row : conf_rows;
	const struct opt_desc *d = k->row ? k->desc + 1 : r->table;

	for (;;) {
		for (; r->section == s && d->name; d++) {
			if (r->kernel_only && !is_kernel_name(d->name))
				continue;
			*k = (struct conf_key){d, r};
			return true;
		}
		if (++r == end)
			return false;
		d = r->table;
	}
}

struct conf_key conf_key_find(enum conf_section s, const char *name)
{
	struct conf_key k = {0};

	while (key_next(s, &k)) {
		if (!strcmp(k.desc->name, name))
			return k;
	}
	return (struct conf_key){0};
}

void *conf_key_base(const struct conf_key *k, void *const bases[CONF_BASES])
{
	return (char *)bases[k->row->base] + k->row->offset;
}

void conf_defaults(enum conf_section s, void *const bases[CONF_BASES])
{
	struct conf_key k = {0};
	char err[DIAG_TEXT_MAX];

	while (key_next(s, &k)) {
		int rc = !k.desc->def
				 ? 0
				 : opt_parse(k.desc, conf_key_base(&k, bases),
					     k.desc->def, err, sizeof(err));

		/* a default that its own table refuses is a bug */
		if (rc)
			fprintf(stderr, "%s: default: %s\n", k.desc->name, err);
		assert(!rc);
	}
}

const char *conf_key_nearest(enum conf_section s, const char *name)
{
	struct conf_key k = {0};
	const char *best = NULL;
	uint32_t least = UINT32_MAX;

	while (key_next(s, &k)) {
		uint32_t dist = word_distance(name, k.desc->name);

		if (dist < least && word_is_near(name, k.desc->name)) {
			least = dist;
			best = k.desc->name;
		}
	}
	return best;
}

int conf_key_elsewhere(enum conf_section s, const char *name)
{
	for (int i = 0; i < CONF_SECTIONS; i++) {
		if (i != (int)s &&
		    conf_key_find((enum conf_section)i, name).row)
			return i;
	}
	return -1;
}

static void allowed_time(const struct opt_desc *d, char *buf, size_t len)
{
	bool fine = d->min % SEC || d->unit < SEC;
	int64_t unit = fine ? USEC_PER_MSEC : SEC;

	if (d->max >= 1000 * DAY && !d->min) {
		snprintf(buf, len, "0..%lld days", (long long)(d->max / DAY));
		return;
	}
	snprintf(buf, len, "%lld..%lld %s", (long long)(d->min / unit),
		 (long long)(d->max / unit), fine ? "ms" : "s");
}

static void allowed_names(const struct opt_desc *d, char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const char *const *p = d->names; *p && n < len; p++)
		n += (size_t)snprintf(buf + n, len - n, "%s%s",
				      p == d->names ? "" : ", ", *p);
}

void conf_key_allowed(const struct opt_desc *d, char *buf, size_t len)
{
	switch (d->type) {
	case OPT_INT:
		snprintf(buf, len, "%lld..%lld", (long long)d->min,
			 (long long)d->max);
		break;
	case OPT_SIZE:
		snprintf(buf, len, "%lldM..%lldG", (long long)(d->min >> 20),
			 (long long)(d->max >> 30));
		break;
	case OPT_TIME:
		allowed_time(d, buf, len);
		break;
	case OPT_ENUM:
		allowed_names(d, buf, len);
		break;
	case OPT_TEXT:
		snprintf(buf, len, "text of at most %lld bytes",
			 (long long)d->max);
		break;
	case OPT_CUSTOM:
		if (d->allowed)
			snprintf(buf, len, "%s", d->allowed);
		else
			fault_key_allowed(d, buf, len);
		break;
	}
}

void conf_keys_print(FILE *out)
{
	char allowed[1300];

	for (int s = 0; s < CONF_SECTIONS; s++) {
		struct conf_key k = {0};

		while (key_next((enum conf_section)s, &k)) {
			conf_key_allowed(k.desc, allowed, sizeof(allowed));
			fprintf(out, "%s\t%s\t%s\t%s\t%s\n",
				conf_section_name[s], k.desc->name,
				k.desc->def ? k.desc->def : "", allowed,
				k.desc->help);
		}
	}
}
