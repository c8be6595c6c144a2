/* SPDX-License-Identifier: MIT */
/*
 * Reads an INI file with libinih, line by line.
 *
 * inih is too lenient for us.  It cuts a line at 197 bytes and reads the rest
 * as another one.  It joins a line that begins with white space to the value
 * before it.  It reports only the first bad line of a file, no section without
 * keys, and no line numbers.  So lines are read and checked here, and given to
 * inih one at a time; what it reports is then about that line.  After a section
 * line, inih also gets a probe key, so that it reports the section.
 */
#include "config/inidoc.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>

#define PROBE "_probe"

struct reader {
	struct inidoc *doc;
	struct diag *diag;
	uint32_t line;
	uint32_t keys_max, sections_max; /* room in the arrays */
	bool told;    /* the handler was called for this line */
	bool probing; /* this line is a section's */
	int err;
};

/* Room for one more element; doubles. */
static int grow(void **arr, uint32_t n, uint32_t *max, size_t size)
{
	uint32_t want = *max ? *max * 2 : 16;
	void *p;

	if (n < *max)
		return 0;
	p = realloc(*arr, want * size);
	if (!p)
		return -ENOMEM;
	*arr = p;
	*max = want;
	return 0;
}

static void add_section(struct reader *r, const char *name)
{
	struct inidoc *doc = r->doc;
	char *copy = strdup(name);

	if (!copy || grow((void **)&doc->section, doc->nsection,
			  &r->sections_max, sizeof(*doc->section))) {
		free(copy);
		r->err = -ENOMEM;
		return;
	}
	doc->section[doc->nsection++] =
		(struct inidoc_section){.line = r->line, .name = copy};
}

static void add_key(struct reader *r, const char *name, const char *value)
{
	struct inidoc *doc = r->doc;
	char *n = strdup(name), *v = strdup(value);

	if (!n || !v ||
	    grow((void **)&doc->key, doc->nkey, &r->keys_max,
		 sizeof(*doc->key))) {
		free(n);
		free(v);
		r->err = -ENOMEM;
		return;
	}
	doc->key[doc->nkey++] = (struct inidoc_key){
		.line = r->line,
		.section = doc->nsection - 1,
		.name = n,
		.value = v,
	};
}

/* Spaces around a section's name are ignored. */
static void take_section(struct reader *r, const char *name)
{
	char buf[INIDOC_SECTION_MAX + 2];
	size_t n;

	while (isspace((unsigned char)*name))
		name++;
	snprintf(buf, sizeof(buf), "%s", name);
	n = strlen(buf);
	while (n && isspace((unsigned char)buf[n - 1]))
		buf[--n] = '\0';
	add_section(r, buf);
}

static int on_key(void *user, const char *section, const char *name,
		  const char *value)
{
	struct reader *r = user;

	r->told = true;
	if (r->probing) {
		if (section[strspn(section, " \t")])
			take_section(r, section);
		else
			diag_add(r->diag, r->line,
				 "found no section name; allowed: [penstock], "
				 "[tcp], [service NAME]");
	} else if (!r->doc->nsection) {
		diag_add(r->diag, r->line,
			 "%s: found a key before any section; allowed: "
			 "[penstock], [tcp], [service NAME] or [fault NAME] "
			 "first",
			 name);
	} else {
		add_key(r, name, value ? value : "");
	}
	return 1;
}

static void parse_section(struct reader *r, const char *line)
{
	char buf[INIDOC_LINE_MAX + sizeof(PROBE) + 8];
	const char *end = strchr(line, ']');
	const char *p = end ? end + 1 : "";

	while (isspace((unsigned char)*p))
		p++;
	if (!end || (*p && *p != ';' && *p != '#')) {
		diag_add(
			r->diag, r->line,
			"found \"%s\"; allowed: [section] and nothing after it",
			line);
		return;
	}
	if (end - line - 1 > INIDOC_SECTION_MAX) {
		diag_add(r->diag, r->line,
			 "found a section name of %td bytes; allowed: at most "
			 "%d",
			 end - line - 1, INIDOC_SECTION_MAX);
		return;
	}
	snprintf(buf, sizeof(buf), "%.*s\n" PROBE "=\n", (int)(end - line + 1),
		 line);
	r->probing = true;
	ini_parse_string(buf, on_key, r);
	r->probing = false;
}

/* Refuse lines that inih would misread.  True: it was refused. */
static bool refuse_line(struct reader *r, const char *line, size_t len)
{
	if (strlen(line) != len) {
		diag_add(r->diag, r->line,
			 "found a NUL byte; allowed: text only");
		return true;
	}
	if (len > INIDOC_LINE_MAX) {
		diag_add(r->diag, r->line,
			 "found a line of %zu bytes; allowed: at most %d", len,
			 INIDOC_LINE_MAX);
		return true;
	}
	if (isspace((unsigned char)line[0])) {
		diag_add(r->diag, r->line,
			 "found white space before \"%s\"; allowed: a key at "
			 "the beginning of its line (lines are not continued)",
			 line + strspn(line, " \t\v\f\r"));
		return true;
	}
	return false;
}

/* "listen 192.0.2.1:80" has no "=", and inih would split it at the colon. */
static bool refuse_words(struct reader *r, const char *line)
{
	size_t key = strcspn(line, " \t=:"), end = strlen(line);
	const char *value = line + key + strspn(line + key, " \t");

	if (value == line + key || *value == '=' || *value == ':')
		return false;
	for (size_t i = key; i < end; i++) {
		if (isspace((unsigned char)line[i]) &&
		    strchr(";#", line[i + 1]))
			end = i;
	}
	if (memchr(line, '=', end) || value >= line + end)
		return false;
	diag_add(r->diag, r->line,
		 "found \"%s\" without \"=\"; allowed: key = value; did you "
		 "mean \"%.*s = %.*s\"?",
		 line, (int)key, line, (int)(line + end - value), value);
	return true;
}

static void parse_line(struct reader *r, char *line, size_t len)
{
	const char *text;

	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		line[--len] = '\0';
	if (r->line == 1 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	text = line + strspn(line, " \t\v\f\r");
	if (strlen(line) == len && (!*text || *text == ';' || *text == '#'))
		return;
	if (refuse_line(r, line, len))
		return;
	if (line[0] == '[') {
		parse_section(r, line);
		return;
	}
	if (refuse_words(r, line))
		return;
	r->told = false;
	ini_parse_string(line, on_key, r);
	if (!r->told)
		diag_add(r->diag, r->line,
			 "found \"%s\"; allowed: key = value, [section], "
			 "or a comment after ; or #",
			 line);
}

int inidoc_read(FILE *f, struct inidoc *out, struct diag *d)
{
	struct reader r = {.doc = out, .diag = d};
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	*out = (struct inidoc){0};
	errno = 0;
	while (!r.err && (n = getline(&line, &room, f)) >= 0) {
		if (++r.line > INIDOC_LINES_MAX) {
			diag_add(d, r.line,
				 "found more lines; allowed: at most %d",
				 INIDOC_LINES_MAX);
			break;
		}
		parse_line(&r, line, (size_t)n);
	}
	if (!r.err && ferror(f))
		r.err = errno ? -errno : -EIO;
	free(line);
	return r.err;
}

void inidoc_fini(struct inidoc *doc)
{
	for (uint32_t i = 0; i < doc->nsection; i++)
		free((char *)doc->section[i].name);
	for (uint32_t i = 0; i < doc->nkey; i++) {
		free((char *)doc->key[i].name);
		free((char *)doc->key[i].value);
	}
	free(doc->section);
	free(doc->key);
	*doc = (struct inidoc){0};
}
