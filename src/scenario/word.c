/* SPDX-License-Identifier: MIT */
/*
 * Reads the words of a scenario's line.
 */
#include <ctype.h>
#include <stdlib.h>

#include "internal.h"
#include "util/option.h"
#include "util/word.h"

#define ALLOWED_WORDS_MAX 40
#define TIME_MAX_US (INT64_C(24) * 3600 * USEC_PER_SEC)

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-./:@", c));
}

bool scn_at_end(struct scn_cur *c)
{
	while (is_blank(*c->p))
		c->p++;
	return !*c->p || *c->p == '#';
}

bool scn_take(struct scn_cur *c, const char *w)
{
	size_t n = strlen(w);

	if (scn_at_end(c) || strncmp(c->p, w, n) ||
	    (c->p[n] && !strchr(" \t=!<>", c->p[n])))
		return false;
	c->p += n;
	return true;
}

/* Copy @n characters and skip them. */
static bool take(struct scn_cur *c, size_t n, char *out, size_t len)
{
	if (!n)
		return false;
	if (n >= len)
		diag_add(c->d, c->line,
			 "found \"%.*s\", allowed: %zu characters", (int)n,
			 c->p, len - 1);
	snprintf(out, len, "%.*s", (int)n, c->p);
	c->p += n;
	return true;
}

bool scn_take_name(struct scn_cur *c, char *out, size_t len)
{
	size_t n = 0;

	if (scn_at_end(c))
		return false;
	while (is_name(c->p[n]))
		n++;
	return take(c, n, out, len);
}

bool scn_take_word(struct scn_cur *c, char *out, size_t len)
{
	if (scn_at_end(c))
		return false;
	return take(c, strcspn(c->p, " \t"), out, len);
}

/* The longer ones first. */
static const struct {
	const char *text;
	uint8_t op;
} ops[] = {
	{"==", SCN_EQ}, {"!=", SCN_NE}, {">=", SCN_GE}, {"<=", SCN_LE},
	{"=", SCN_EQ},	{">", SCN_GT},	{"<", SCN_LT},
};

bool scn_take_op(struct scn_cur *c, uint8_t *op)
{
	if (scn_at_end(c))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		size_t n = strlen(ops[i].text);

		if (strncmp(c->p, ops[i].text, n))
			continue;
		*op = ops[i].op;
		c->p += n;
		return true;
	}
	return false;
}

/* Suggest the allowed word that was probably meant.  Values are in capitals. */
static void suggest(char *text, size_t len, const char *word,
		    const char *allowed)
{
	const char *known[ALLOWED_WORDS_MAX + 1] = {NULL};
	char copy[400], *save, *w;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", allowed);
	for (w = strtok_r(copy, " |,[]()", &save); w && n < ALLOWED_WORDS_MAX;
	     w = strtok_r(NULL, " |,[]()", &save)) {
		if (strlen(w) > 2 && islower((unsigned char)*w))
			known[n++] = w;
	}
	word_suggest(text, len, word, known);
}

bool scn_refuse(struct scn_cur *c, const char *allowed)
{
	char text[600], word[64];
	int n;

	if (scn_at_end(c)) {
		diag_add(c->d, c->line,
			 "found the end of the line, allowed: %s", allowed);
		return false;
	}
	n = (int)strcspn(c->p, " \t");
	snprintf(word, sizeof(word), "%.*s", n, c->p);
	snprintf(text, sizeof(text), "found \"%.*s\", allowed: %s",
		 n < 100 ? n : 100, c->p, allowed);
	suggest(text, sizeof(text), word, allowed);
	diag_add(c->d, c->line, "%s", text);
	return false;
}

bool scn_take_number(struct scn_cur *c, int64_t *n)
{
	char word[24], *end;

	if (scn_at_end(c) || !isdigit((unsigned char)*c->p) ||
	    strcspn(c->p, " \t") >= sizeof(word))
		return scn_refuse(c, "a number");
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(c->p, " \t"), c->p);
	*n = strtoll(word, &end, 10);
	if (*end || *n == INT64_MAX)
		return scn_refuse(c, "a number");
	c->p += strlen(word);
	return true;
}

bool scn_take_time(struct scn_cur *c, int64_t *us)
{
	static const struct opt_desc time = {
		.type = OPT_TIME, .max = TIME_MAX_US, .unit = USEC_PER_MSEC};
	char word[32], err[200];

	if (scn_at_end(c))
		return scn_refuse(c, "a time, as 500ms or 2s");
	scn_take_word(c, word, sizeof(word));
	if (!opt_parse(&time, us, word, err, sizeof(err)))
		return true;
	diag_add(c->d, c->line, "%s", err);
	return false;
}

static void cut_blanks(char *s)
{
	size_t n = strlen(s);

	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
}

void scn_cut_comment(char *s)
{
	for (char *p = s; *p; p++) {
		if (*p == '#' && (p == s || is_blank(p[-1]))) {
			*p = '\0';
			break;
		}
	}
	cut_blanks(s);
}

/* Where the last word of @s[0..n) begins; n when there is none. */
static size_t last_word(const char *s, size_t n)
{
	while (n && is_blank(s[n - 1]))
		n--;
	while (n && !is_blank(s[n - 1]))
		n--;
	return n;
}

bool scn_cut_limits(char *s, struct scn_cur *c, int64_t *within_us,
		    int64_t *for_us)
{
	bool good = true;

	for (;;) {
		size_t last, word;
		struct scn_cur at = *c;
		int64_t *us;

		cut_blanks(s);
		last = last_word(s, strlen(s));
		word = last_word(s, last);
		if (!strncmp(s + word, "within ", 7))
			us = within_us;
		else if (!strncmp(s + word, "for ", 4))
			us = for_us;
		else
			return good;
		at.p = s + last;
		good = scn_take_time(&at, us) && good;
		s[word] = '\0';
	}
}
