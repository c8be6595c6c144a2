/* SPDX-License-Identifier: MIT */
/*
 * The variables of a scenario: ${NAME} is replaced everywhere, $${NAME} is
 * passed to the shell as ${NAME}.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

void scn_vars_fini(struct scn_vars *vs)
{
	for (uint32_t i = 0; i < vs->n; i++) {
		free(vs->v[i].name);
		free(vs->v[i].value);
	}
	free(vs->v);
	*vs = (struct scn_vars){0};
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)*s) && *s != '_')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static struct scn_var *find(const struct scn_vars *vs, const char *name,
			    size_t len)
{
	for (uint32_t i = 0; i < vs->n; i++) {
		if (strlen(vs->v[i].name) == len &&
		    !memcmp(vs->v[i].name, name, len))
			return &vs->v[i];
	}
	return NULL;
}

static struct scn_var *append(struct scn_vars *vs, const char *name, size_t len)
{
	struct scn_var *v = realloc(vs->v, (vs->n + 1) * sizeof(*v));

	if (!v)
		return NULL;
	vs->v = v;
	v = &v[vs->n];
	*v = (struct scn_var){.name = strndup(name, len)};
	if (!v->name)
		return NULL;
	vs->n++;
	return v;
}

int scn_vars_set(struct scn_vars *vs, const char *word, bool fixed)
{
	size_t n = name_len(word);
	struct scn_var *v;
	char *value;

	if (!n || word[n] != '=')
		return -EINVAL;
	v = find(vs, word, n);
	if (v && v->fixed && !fixed)
		return 0;
	if (!v)
		v = append(vs, word, n);
	value = strdup(word + n + 1);
	if (!v || !value) {
		free(value);
		return -ENOMEM;
	}
	free(v->value);
	v->value = value;
	v->fixed = fixed;
	return 0;
}

static void report_unknown(const struct scn_vars *vs, const char *name,
			   struct diag *d, uint32_t line)
{
	char known[300] = "";
	size_t used = 0, len = strcspn(name, "} \t");

	len += name[len] == '}';
	for (uint32_t i = 0; i < vs->n && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used,
					 "%s%s", i ? ", " : "", vs->v[i].name);
	diag_add(d, line,
		 "found \"${%.*s\", allowed: a variable of --set NAME=VALUE "
		 "or of a line \"set NAME=VALUE\" before (known: %s)",
		 (int)len, name, *known ? known : "none");
}

/* "${NAME}" at @p: its value to @out.  Its length; 0: there is no such. */
static size_t put_var(const struct scn_vars *vs, const char *p, FILE *out)
{
	size_t n = name_len(p + 2);
	struct scn_var *v = n ? find(vs, p + 2, n) : NULL;

	if (!v || p[2 + n] != '}')
		return 0;
	fputs(v->value, out);
	return n + 3;
}

char *scn_vars_expand(const struct scn_vars *vs, const char *in, struct diag *d,
		      uint32_t line, bool *bad)
{
	char *text = NULL;
	size_t len, n;
	FILE *out = open_memstream(&text, &len);

	*bad = false;
	if (!out)
		return NULL;
	while (*in) {
		if (!strncmp(in, "$${", 3)) {
			fputs("${", out);
			in += 3;
		} else if (strncmp(in, "${", 2)) {
			fputc(*in++, out);
		} else if ((n = put_var(vs, in, out))) {
			in += n;
		} else {
			report_unknown(vs, in + 2, d, line);
			*bad = true;
			in += 2;
		}
	}
	if (fclose(out) || *bad) {
		free(text);
		return NULL;
	}
	return text;
}
