/* SPDX-License-Identifier: MIT */
/*
 * Checks a fault as a whole: which keys belong to which type, default values,
 * and the line of keys and values.
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

/* Fill in the defaults.  The default of "percent" is 100. */
static void fill_params(struct fault_spec *s)
{
	const struct fault_default *d = fault_desc(s)->defaults;

	if (!s->p[FP_PERCENT].set)
		s->p[FP_PERCENT].d = 1;
	/* as in netem: the next event leaves the bad state, or enters it */
	if (!s->p[FP_R].set)
		s->p[FP_R].d = 1 - s->p[FP_P].d;
	if (!s->p[FP_P31].set)
		s->p[FP_P31].d = 1 - s->p[FP_P13].d;
	for (; d && d->param != FP_COUNT; d++) {
		struct fault_val *v = &s->p[d->param];

		if (v->set)
			continue;
		v->d = d->d;
		v->i = d->i;
		v->j = d->j;
	}
}

/* Check the words of "kind", and whether several are allowed. */
static bool kind_fits(const struct fault_spec *s, char *err, size_t errlen)
{
	uint64_t ok = fault_desc(s)->kinds;
	uint64_t got = (uint64_t)s->p[FP_KIND].j;
	size_t k;

	if (!s->p[FP_KIND].set ||
	    (!(got & ~ok) &&
	     (fault_desc(s)->kinds_many || __builtin_popcountll(got) == 1)))
		return true;
	k = (size_t)snprintf(err, errlen, "type %s takes %s kind of",
			     fault_type_name[s->type],
			     fault_desc(s)->kinds_many ? "any" : "one");
	for (int i = 0; i < FAULT_ICMP_COUNT && k < errlen; i++)
		if (ok >> i & 1)
			k += (size_t)snprintf(err + k, errlen - k, " %s",
					      fault_inject_name[i]);
	return false;
}

/* Check the word of "mode". */
static bool mode_fits(const struct fault_spec *s, char *err, size_t errlen)
{
	const struct fault_val *v = &s->p[FP_MODE];
	uint64_t ok = fault_desc(s)->modes;
	size_t k;

	if (!v->set || ok >> v->i & 1)
		return true;
	k = (size_t)snprintf(err, errlen, "type %s takes one mode of",
			     fault_type_name[s->type]);
	for (int i = 0; i < FAULT_MODE_COUNT && k < errlen; i++)
		if (ok >> i & 1)
			k += (size_t)snprintf(err + k, errlen - k, " %s",
					      fault_mode_name[i]);
	return false;
}

/* Checks for all types. */
static const char *check_common(const struct fault_spec *s)
{
	const struct fault_type_desc *t = fault_desc(s);

	if (s->type == FT_NONE)
		return "a fault needs a type (penstockctl fault types)";
	for (const char *p = s->name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
			    "YZ0123456789_.-",
			    *p))
			return "a name is made of letters, digits, _ . -";
	if (s->p[FP_MAX].set && s->p[FP_MAX].i < s->p[FP_MIN].i)
		return "max is at least min";
	if (s->p[FP_MTU].set && (t->params >> FP_MTU & 1) &&
	    (s->p[FP_MTU].i < 68 || s->p[FP_MTU].i > UINT16_MAX))
		return "mtu is 68 to 65535";
	if (t->stream && s->on.on != FAULT_ON_ALWAYS &&
	    s->on.on != FAULT_ON_BYTE && s->on.on != FAULT_ON_TIME)
		return "faults of streams take on=byte:N, time:T";
	return t->check ? t->check(s) : NULL;
}

/* Print the type, with its action. */
static void name_it(const struct fault_spec *s, char *out, size_t outlen)
{
	char action[40];

	if (s->p[FP_ACTION].set &&
	    fault_spec_value(s, fault_param_desc(FP_ACTION), action,
			     sizeof(action)))
		snprintf(out, outlen, "%s with action %s",
			 fault_type_name[s->type], action);
	else
		snprintf(out, outlen, "%s", fault_type_name[s->type]);
}

int fault_spec_check(struct fault_spec *s, char *err, size_t errlen)
{
	const struct fault_type_desc *t = fault_desc(s);
	const char *why = check_common(s);
	uint64_t given = 0;
	char list[400], name[80];

	if (why) {
		snprintf(err, errlen, "%s", why);
		return -EINVAL;
	}
	name_it(s, name, sizeof(name));
	for (int i = 0; i < FP_COUNT; i++)
		given |= (uint64_t)s->p[i].set << i;
	if (given & ~t->params) {
		char bad[100];

		list_params(given & ~t->params, bad, sizeof(bad));
		list_params(t->params, list, sizeof(list));
		snprintf(err, errlen, "type %s does not take %s; allowed: %s",
			 name, bad, list);
		return -EINVAL;
	}
	if (t->needs & ~given) {
		list_params(t->needs & ~given, list, sizeof(list));
		snprintf(err, errlen, "type %s needs %s", name, list);
		return -EINVAL;
	}
	if (!kind_fits(s, err, errlen) || !mode_fits(s, err, errlen))
		return -EINVAL;
	if (s->dir == FAULT_ANY_DIR)
		s->dir = t->dir;
	fill_params(s);
	return 0;
}

/* The list of all types would not fit into the error. */
static void type_refuse(const char *text, char *err, size_t errlen)
{
	if (fault_type_renamed(text))
		return;
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
		if (d == fault_options)
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
