/* SPDX-License-Identifier: MIT */
/*
 * Keys of admission.  Where Linux has a sysctl, name, meaning and default are
 * the same (6.18, Documentation/networking/ip-sysctl.rst).
 */
#include "shield/cfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEC ((int64_t)USEC_PER_SEC)
#define MSEC ((int64_t)USEC_PER_MSEC)

#define LIST_BLANKS " \t,"

static int rate_limit_parse(const char *text, void *field, char *err,
			    size_t errlen)
{
	return rate_parse(text, field, err, errlen);
}

static int fastopen_key_parse(const char *text, void *field, char *err,
			      size_t errlen)
{
	return tfo_keys_parse(text, field, err, errlen);
}

/* Is one word of a list an address, a prefix or "@" and a path? */
static int list_word_check(const char *word, char *err, size_t errlen)
{
	struct prefix_set s;
	int rc;

	if (word[0] == '@' && word[1] != '\0')
		return 0;
	prefix_set_init(&s);
	rc = prefix_set_add_text(&s, word, SHIELD_ALLOW, err, errlen);
	prefix_set_fini(&s);
	return rc;
}

/* Each line adds its words to the text. */
static int list_parse(const char *text, void *field, char *err, size_t errlen)
{
	struct shield_list *l = field, new = *l;
	size_t used = strlen(new.text), n;
	int rc;

	for (const char *p = text; *(p += strspn(p, LIST_BLANKS)); p += n) {
		n = strcspn(p, LIST_BLANKS);
		if (used + n + 2 > sizeof(new.text)) {
			snprintf(err, errlen,
				 "found more than %d characters, allowed: "
				 "longer lists in an @file",
				 SHIELD_LIST_MAX - 2);
			return -EINVAL;
		}
		if (used)
			new.text[used++] = ' ';
		memcpy(new.text + used, p, n);
		new.text[used + n] = '\0';
		rc = list_word_check(new.text + used, err, errlen);
		if (rc)
			return rc;
		used += n;
	}
	*l = new;
	return 0;
}

static const char *const overflow_names[] = {
	[TW_DESTROY] = "destroy",
	[TW_EVICT_OLDEST] = "evict_oldest",
	NULL,
};

#define CFG(f) .offset = offsetof(struct shield_cfg, f)
#define INT(lo, hi) .type = OPT_INT, .min = (lo), .max = (hi)
#define TIME(u, lo, hi) .type = OPT_TIME, .unit = (u), .min = (lo), .max = (hi)
#define CUSTOM(fn, text) .type = OPT_CUSTOM, .parse = (fn), .allowed = (text)

/* One member a line; clang-format would join them. */
/* clang-format off */
const struct opt_desc shield_options[] = {
	{.name = "syn_high",
	 CFG(syn_high),
	 INT(1, 100),
	 .def = "75",
	 .help = "percent of tcp_max_syn_backlog at which cookies begin"},
	{.name = "syn_low",
	 CFG(syn_low),
	 INT(0, 100),
	 .def = "25",
	 .help = "percent of tcp_max_syn_backlog below which cookies end"},
	{.name = "syn_hold",
	 CFG(syn_hold),
	 TIME(SEC, 0, 86400 * SEC),
	 .def = "30s",
	 .help = "cookies last at least this long"},
	{.name = "rate_limit",
	 CFG(rate_limit),
	 CUSTOM(rate_limit_parse, "N/s|m|h [burst N] [per BITS/BITS]"),
	 .def = "",
	 .help = "new connections of an address prefix; empty: no limit"},
	{.name = "allow",
	 CFG(allow),
	 CUSTOM(list_parse, "addresses, prefixes, @file"),
	 .def = "",
	 .repeat = true,
	 .help = "who may connect; empty: everybody"},
	{.name = "deny",
	 CFG(deny),
	 CUSTOM(list_parse, "addresses, prefixes, @file"),
	 .def = "",
	 .repeat = true,
	 .help = "who may not connect"},
	{.name = "validated_for",
	 CFG(validated_for),
	 TIME(SEC, 0, 86400 * SEC),
	 .def = "0s",
	 .help = "the limits do not apply to a client that returned a cookie"},
	{.name = "tcp_abort_on_overflow",
	 CFG(abort_on_overflow),
	 INT(0, 1),
	 .def = "0",
	 .help = "1: a handshake that finds no room is reset"},
	{.name = "tcp_fastopen",
	 CFG(fastopen),
	 INT(0, 0x7ff),
	 .def = "1",
	 .help = "bits: 1 to servers, 2 to clients, 4 and 0x200 without cookie"},
	{.name = "tcp_fastopen_key",
	 CFG(fastopen_key),
	 CUSTOM(fastopen_key_parse, "x-x-x-x[,x-x-x-x], hexadecimal"),
	 .def = "",
	 .help = "primary[,backup]; empty: derived from secret_file"},
	{.name = "tcp_fastopen_blackhole_timeout_sec",
	 CFG(fastopen_blackhole),
	 TIME(SEC, 0, 86400 * SEC),
	 .def = "0",
	 .help = "no Fast Open to servers after a black hole; 0 off"},
	{.name = "tcp_tw_reuse",
	 CFG(tw_reuse),
	 INT(0, 2),
	 .def = "1",
	 .help = "towards servers: 0 never, 1 when safe, 2 loopback only "
		 "(Linux: 2)"},
	{.name = "tcp_tw_reuse_delay",
	 CFG(tw_reuse_delay),
	 TIME(MSEC, 1 * MSEC, 60 * SEC),
	 .def = "1000",
	 .help = "least age of a TIME_WAIT that is reused"},
	{.name = "tcp_tw_recycle",
	 CFG(tw_recycle),
	 INT(0, 1),
	 .def = "0",
	 .help = "1: as Linux before 4.12; breaks clients behind NAT"},
	{.name = "tw_overflow",
	 CFG(tw_overflow),
	 .type = OPT_ENUM,
	 .names = overflow_names,
	 .def = "destroy",
	 .help = "which entry is given up when tcp_max_tw_buckets are in use"},
	{.name = "max_time_wait",
	 CFG(max_time_wait),
	 INT(0, 1 << 26),
	 .def = "0",
	 .help = "this service's in TIME_WAIT; 0: no own limit"},
	{.name = "tcp_defer_accept",
	 CFG(defer_accept),
	 TIME(SEC, 0, 3600 * SEC),
	 .def = "0",
	 .help = "wait for data before the server is dialled; 0 off"},
	{.name = NULL},
};
/* clang-format on */

int shield_cfg_check(const struct shield_cfg *c, char *err, size_t errlen)
{
	if (c->syn_low <= c->syn_high)
		return 0;
	snprintf(err, errlen, "syn_low (%u) is above syn_high (%u)", c->syn_low,
		 c->syn_high);
	return -EINVAL;
}

/* --- the lists --- */

/* The path may name some other file, by mistake or on purpose.  Its lines must
 * not appear in the error. */
static bool looks_like_addresses(const char *line)
{
	size_t n = strcspn(line, "#;");

	return strspn(line, "0123456789abcdefABCDEF.:/[], \t\r") >= n &&
	       strcspn(line, ".:") < n;
}

static int add_line(struct prefix_set *s, const char *line, uint8_t value,
		    char *err, size_t errlen)
{
	int rc = prefix_set_add_text(s, line, value, err, errlen);

	if (rc == -EINVAL && !looks_like_addresses(line))
		snprintf(err, errlen,
			 "found no address, allowed: ADDRESS or ADDRESS/BITS");
	return rc;
}

static int add_file(struct prefix_set *s, char *text, size_t len, uint8_t value,
		    char *err, size_t errlen)
{
	char *line, *rest = text, why[200] = "";
	bool whole = strlen(text) == len;
	uint32_t number = 0;
	int rc = 0;

	while (!rc && (line = strsep(&rest, "\n"))) {
		number++;
		if (rest || whole) {
			rc = add_line(s, line, value, why, sizeof(why));
			continue;
		}
		snprintf(why, sizeof(why), "found a NUL byte, allowed: text");
		rc = -EINVAL;
	}
	if (rc)
		snprintf(err, errlen, "%u: %s", number, why);
	return rc;
}

static int add_word(struct prefix_set *s, const char *word, uint8_t value,
		    shield_read_fn get, void *arg, char err[256])
{
	const char *why = "";
	char *text, at[160];
	size_t len;
	int rc;

	if (word[0] != '@')
		return prefix_set_add_text(s, word, value, err, 256);
	text = get(word + 1, &len, &why, arg);
	if (!text) {
		snprintf(err, 256, "found \"%.150s\": %s", word, why);
		return -EIO;
	}
	rc = add_file(s, text, len, value, at, sizeof(at));
	if (rc)
		snprintf(err, 256, "%.90s:%s", word + 1, at);
	free(text);
	return rc;
}

static int add_list(struct prefix_set *s, const struct shield_list *l,
		    uint8_t value, shield_read_fn get, void *arg, char err[256])
{
	struct shield_list copy = *l;
	char *word, *rest = copy.text;
	int rc = 0;

	while (!rc && (word = strsep(&rest, " "))) {
		if (*word)
			rc = add_word(s, word, value, get, arg, err);
	}
	return rc;
}

int shield_access_new(const struct shield_cfg *c, shield_read_fn get, void *arg,
		      struct prefix_map **out, char *err, size_t errlen)
{
	char why[256] = "out of memory";
	struct prefix_set s;
	int rc;

	*out = NULL;
	if (!c->allow.text[0] && !c->deny.text[0])
		return 0;
	prefix_set_init(&s);
	rc = add_list(&s, &c->allow, SHIELD_ALLOW, get, arg, why);
	if (!rc)
		rc = add_list(&s, &c->deny, SHIELD_DENY, get, arg, why);
	if (!rc) {
		*out = prefix_map_new(&s);
		rc = *out ? 0 : -ENOMEM;
	}
	if (rc)
		snprintf(err, errlen, "%s", why);
	prefix_set_fini(&s);
	return rc;
}

bool shield_access_ok(const struct shield_cfg *c, const struct ipaddr *a)
{
	if (!c->access)
		return true;
	switch (prefix_map_get(c->access, a)) {
	case SHIELD_ALLOW:
		return true;
	case SHIELD_DENY:
		return false;
	default:
		return c->allow.text[0] == '\0';
	}
}
