/* SPDX-License-Identifier: MIT */
/*
 * Whole faults: which keys belong to which type, what is filled in where
 * nothing was said, and the line of keys and values.
 */
#include "internal.h"
#include "util/word.h"

static const char *const param_name[FP_COUNT] = {
#define X(id, key, reader, help) key,
	FAULT_PARAMS(X)
#undef X
};

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
	/* as netem: the next event leaves the bad state, or comes to it */
	if (!s->p[FP_R].set)
		s->p[FP_R].d = 1 - s->p[FP_P].d;
	if (!s->p[FP_P31].set)
		s->p[FP_P31].d = 1 - s->p[FP_P13].d;
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
				      fault_mode_name[i]);
	return false;
}

/* Each loss model has keys of its own. */
static const char *check_loss(const struct fault_spec *s)
{
	const struct fault_val *p = s->p;
	bool ge = p[FP_P].set || p[FP_R].set || p[FP_LOSS_BAD].set ||
		  p[FP_LOSS_GOOD].set;
	bool state = p[FP_P13].set || p[FP_P31].set || p[FP_P32].set ||
		     p[FP_P23].set || p[FP_P14].set;
	bool random = p[FP_PERCENT].set || p[FP_CORRELATION].set;

	switch (p[FP_MODEL].i) {
	case FAULT_GEMODEL:
		return random || state || !p[FP_P].set
			       ? "model=gemodel needs p, and takes r, 1-h, 1-k"
			       : NULL;
	case FAULT_STATE:
		return random || ge || !(p[FP_P13].set || p[FP_P14].set)
			       ? "model=state needs p13 or p14, and takes p31, "
				 "p32, p23"
			       : NULL;
	default:
		return ge || state ? "model=random takes percent, correlation"
				   : NULL;
	}
}

/* What holds for all types. */
static const char *check_common(const struct fault_spec *s)
{
	const struct fault_type_desc *t = &fault_types[s->type];

	if (s->type == FT_NONE)
		return "a fault needs a type (penstockctl fault types)";
	for (const char *p = s->name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
			    "YZ0123456789_.-",
			    *p))
			return "a name is made of letters, digits, _ . -";
	if (s->type == FT_LOSS && check_loss(s))
		return check_loss(s);
	if (s->p[FP_MAX].set && s->p[FP_MAX].i < s->p[FP_MIN].i)
		return "max is at least min";
	if (s->p[FP_MTU].set && (t->params >> FP_MTU & 1) &&
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

static void type_refuse(const char *text, char *err, size_t errlen)
{
	snprintf(err, errlen,
		 "found \"%.64s\", allowed: a type (penstockctl fault types)",
		 text);
	word_suggest(err, errlen, text, fault_type_name);
}

static void key_refuse(const char *word, size_t len, char *err, size_t errlen)
{
	const char *names[FAULT_KEYS_MAX + 1] = {NULL};
	char key[64];
	size_t n = 0;

	for (const struct opt_desc *d = fault_options; d->name; d++)
		if (n < FAULT_KEYS_MAX)
			names[n++] = d->name;
	snprintf(key, sizeof(key), "%.*s", (int)len, word);
	snprintf(err, errlen, "no such key: %s (penstockctl fault types TYPE)",
		 key);
	word_suggest(err, errlen, key, names);
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
		/* all the types would not fit */
		if (d->names == fault_type_name)
			type_refuse(eq + 1, why, sizeof(why));
		snprintf(err, errlen, "%s: %s", d->name, why);
		return -EINVAL;
	}
	key_refuse(word, len, err, errlen);
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
