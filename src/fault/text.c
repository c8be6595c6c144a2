/* SPDX-License-Identifier: MIT */
/*
 * Prints a fault as text.  The words that were given are stored together with
 * their values, so each key is printed exactly as it was written.
 */
#include <ctype.h>

#include "internal.h"

void fault_spec_init(struct fault_spec *s)
{
	memset(s, 0, sizeof(*s));
	opt_defaults(fault_options, s);
}

/* Find the value of "key=" among the words of @text, or NULL. */
static const char *find_key(const char *text, const char *key)
{
	size_t n = strlen(key);
	const char *p = text;

	while (*p) {
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return p + n + 1;
		p += strcspn(p, " ");
		p += *p == ' ';
	}
	return NULL;
}

int fault_spec_note(struct fault_spec *s, const char *key, const char *value,
		    char *err, size_t errlen)
{
	size_t k = strlen(s->text);

	if (find_key(s->text, key)) {
		snprintf(err, errlen, "%s: found a second time, allowed: once",
			 key);
		return -EINVAL;
	}
	if (k + strlen(key) + strlen(value) + 2 > FAULT_TEXT_MAX) {
		snprintf(err, errlen,
			 "%s: allowed: %d characters of keys in all", key,
			 FAULT_TEXT_MAX);
		return -ENOSPC;
	}
	k += (size_t)sprintf(s->text + k, "%s%s=", k ? " " : "", key);
	for (; *value; value++)
		if (!isspace((unsigned char)*value))
			s->text[k++] = *value;
	s->text[k] = '\0';
	return 0;
}

bool fault_spec_value(const struct fault_spec *s, const struct opt_desc *d,
		      char *out, size_t outlen)
{
	const char *v = find_key(s->text, d->name);

	if (!v && !d->def)
		return false;
	if (v)
		snprintf(out, outlen, "%.*s", (int)strcspn(v, " "), v);
	else
		snprintf(out, outlen, "%s", d->def);
	return true;
}

void fault_print_line(const struct fault_spec *s, char *out, size_t outlen)
{
	size_t k = (size_t)snprintf(out, outlen, "%s", s->name);

	for (const struct opt_desc *d = fault_options; d->name; d++) {
		const char *v = find_key(s->text, d->name);

		if (v && k < outlen)
			k += (size_t)snprintf(out + k, outlen - k, " %s=%.*s",
					      d->name, (int)strcspn(v, " "), v);
	}
}

const struct opt_desc *fault_param_desc(enum fault_param p)
{
	const struct opt_desc *d = fault_options;

	while (d->name && d->offset != offsetof(struct fault_spec, p[0]) +
					       p * sizeof(struct fault_val))
		d++;
	return d;
}

void fault_key_allowed(const struct opt_desc *d, char *out, size_t outlen)
{
	static const char mark[] = "allowed: ";
	char err[1400] = "", *p;
	struct fault_spec s;

	fault_spec_init(&s);
	opt_parse(d, &s, "?", err, sizeof(err));
	p = strstr(err, mark);
	snprintf(out, outlen, "%s", p ? p + strlen(mark) : "");
}
