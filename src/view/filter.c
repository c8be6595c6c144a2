/* SPDX-License-Identifier: MIT */
/*
 * The filter language: a recursive descent into postfix order, and a machine
 * with a stack of booleans that runs it.
 *
 * The parser allocates nothing, and its depth and the number of terms are
 * limited, so any text is safe.  An error says what was expected at which
 * character.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "util/address.h"
#include "util/tcp_state.h"
#include "view/filter.h"

enum term_kind {
	TERM_STATE,
	TERM_HOST,
	TERM_PORT,
	TERM_SERVICE,
	TERM_SERIAL,
	TERM_SPLICED,
	TERM_AND,
	TERM_OR,
	TERM_NOT
};

enum whose {
	OF_SRC,
	OF_DST,
	OF_EITHER
};

enum compare {
	CMP_EQ,
	CMP_NE,
	CMP_LT,
	CMP_GT,
	CMP_LE,
	CMP_GE
};

#define STATES_ALL ((uint16_t)(BIT(TS_COUNT) - 1))
#define STATES_IDLE (BIT(TS_CLOSED) | BIT(TS_LISTEN))
#define STATES_BUCKET (BIT(TS_SYN_RECEIVED) | BIT(TS_TIME_WAIT))

/* ss's names, then those that penstockctl prints and ss has not. */
static const struct {
	const char *name;
	uint16_t mask;
} states[] = {
	{"established", BIT(TS_ESTABLISHED)},
	{"syn-sent", BIT(TS_SYN_SENT)},
	{"syn-recv", BIT(TS_SYN_RECEIVED)},
	{"fin-wait-1", BIT(TS_FIN_WAIT_1)},
	{"fin-wait-2", BIT(TS_FIN_WAIT_2)},
	{"time-wait", BIT(TS_TIME_WAIT)},
	{"closed", BIT(TS_CLOSED)},
	{"close-wait", BIT(TS_CLOSE_WAIT)},
	{"last-ack", BIT(TS_LAST_ACK)},
	{"listening", BIT(TS_LISTEN)},
	{"closing", BIT(TS_CLOSING)},
	{"all", STATES_ALL},
	{"connected", (uint16_t)(STATES_ALL & ~STATES_IDLE)},
	{"synchronized",
	 (uint16_t)(STATES_ALL & ~(STATES_IDLE | BIT(TS_SYN_SENT)))},
	{"bucket", STATES_BUCKET},
	{"big", (uint16_t)(STATES_ALL & ~STATES_BUCKET)},
	{"listen", BIT(TS_LISTEN)},
	{"syn-received", BIT(TS_SYN_RECEIVED)},
};

#define WANTS_TERM                                                       \
	"a service, ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, serial=N or " \
	"an expression (state, src, dst, sport, dport, service, spliced)"

/**
 * struct parser - Where a parse has come to
 * @text: all of it
 * @at:   the next character
 * @word: the current token, "" at the end; it begins at @start
 * @bad:  an error was noted
 */
struct parser {
	const char *text, *at, *start;
	char word[256];
	struct filter *out;
	char *err;
	size_t errlen;
	uint32_t depth;
	bool bad;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_operator(char c)
{
	return c && strchr("()!&|=<>", c);
}

static void expected(struct parser *p, const char *what)
{
	if (p->bad)
		return;
	p->bad = true;
	if (*p->word)
		snprintf(p->err, p->errlen,
			 "%s is expected at character %u (\"%.40s\")", what,
			 (unsigned)(p->start - p->text) + 1, p->word);
	else
		snprintf(p->err, p->errlen, "%s is expected at the end", what);
}

/* Read the next token: an operator, or what is between blanks and operators. */
static void next(struct parser *p)
{
	size_t n = 0;

	while (is_blank(*p->at))
		p->at++;
	p->start = p->at;
	if (is_operator(*p->at)) {
		n = 1;
		if (strchr("&|=", *p->at) && p->at[1] == *p->at)
			n = 2;
		else if (strchr("!<>", *p->at) && p->at[1] == '=')
			n = 2;
	} else {
		while (p->at[n] && !is_blank(p->at[n]) &&
		       !is_operator(p->at[n]))
			n++;
	}
	p->at += n;
	snprintf(p->word, sizeof(p->word), "%.*s", (int)n, p->start);
	if (n >= sizeof(p->word))
		expected(p, "a shorter word");
}

static bool is_word(const struct parser *p, const char *a, const char *b)
{
	return !strcmp(p->word, a) || (b && !strcmp(p->word, b));
}

static struct filter_term *append(struct parser *p, enum term_kind kind)
{
	struct filter_term *t;

	if (p->out->n == FILTER_TERMS_MAX) {
		expected(p, "a filter of fewer terms");
		p->out->n--;
	}
	t = &p->out->term[p->out->n++];
	memset(t, 0, sizeof(*t));
	t->kind = (uint8_t)kind;
	return t;
}

/* An operator of comparison, if there is one.  False: there is none. */
static bool take_compare(struct parser *p, uint8_t *op)
{
	static const char *const signs[] = {
		"=",  "!=", "<",  ">",	"<=", ">=", "eq",
		"ne", "lt", "gt", "le", "ge", "==", "neq"};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (!is_word(p, signs[i], NULL))
			continue;
		*op = (uint8_t)(i % 6);
		next(p);
		return true;
	}
	return false;
}

/* 1..65535; 0: it is none. */
static uint16_t port_of(const char *word)
{
	unsigned long n;
	char *end;

	if (*word < '0' || *word > '9')
		return 0;
	n = strtoul(word, &end, 10);
	return *end || n > UINT16_MAX ? 0 : (uint16_t)n;
}

/* @text has @n characters: ADDRESS[/PREFIX], perhaps in brackets. */
static bool parse_prefix(const char *text, size_t n, struct filter_term *t)
{
	char copy[ADDRESS_TEXT_MAX], *slash, *end;
	unsigned long bits, most;

	if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%.*s", (int)n, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	n = strlen(copy);
	if (n > 1 && copy[0] == '[' && copy[n - 1] == ']') { /* [A]/N */
		copy[n - 1] = '\0';
		memmove(copy, copy + 1, n - 1);
	}
	if (!address_parse(copy, &t->addr))
		return false;
	t->has_addr = true;
	t->prefix = 128;
	if (!slash)
		return true;
	most = ipaddr_is_v4(&t->addr) ? 32 : 128;
	bits = strtoul(slash, &end, 10);
	if (*slash < '0' || *slash > '9' || *end || bits > most)
		return false;
	t->prefix = (uint8_t)(bits + 128 - most);
	return true;
}

/* [ADDRESS[/PREFIX]][:PORT], IPv6 with a port in brackets; "*" is any. */
static bool parse_host(const char *word, struct filter_term *t)
{
	const char *colon = strrchr(word, ':');
	size_t n = strlen(word);

	if (parse_prefix(word, n, t))
		return true;
	if (!strcmp(word, "*"))
		return true;
	if (!colon)
		return false;
	t->port = port_of(colon + 1);
	n = (size_t)(colon - word);
	/* a bare IPv6 address has no port behind it: it would be ambiguous */
	if (memchr(word, ':', n) && word[0] != '[')
		return false;
	return (t->port || !strcmp(colon, ":*")) &&
	       (!n || (n == 1 && *word == '*') || parse_prefix(word, n, t));
}

static void state_term(struct parser *p)
{
	struct filter_term *t = append(p, TERM_STATE);

	if (is_word(p, "exclude", NULL))
		t->states = STATES_ALL;
	while (!p->bad && is_word(p, "state", "exclude")) {
		bool exclude = is_word(p, "exclude", NULL);
		size_t i = 0;

		next(p);
		for (char *c = p->word; *c; c++)
			*c = *c == '_' ? '-' : *c;
		while (i < ARRAY_LEN(states) &&
		       strcasecmp(p->word, states[i].name) != 0)
			i++;
		if (i == ARRAY_LEN(states)) {
			expected(p, "a state of ss (established, syn-recv, "
				    "time-wait, connected, ...)");
			return;
		}
		if (exclude)
			t->states &= (uint16_t)~states[i].mask;
		else
			t->states |= states[i].mask;
		next(p);
	}
}

static void host_term(struct parser *p)
{
	struct filter_term *t = append(p, TERM_HOST);

	t->which = is_word(p, "dst", NULL) ? OF_DST : OF_SRC;
	next(p);
	if (take_compare(p, &t->op) && t->op > CMP_NE)
		expected(p, "= or != before an address");
	else if (!parse_host(p->word, t))
		expected(p, "ADDRESS, ADDRESS/PREFIX, ADDRESS:PORT, "
			    "[ADDRESS]:PORT or :PORT");
	next(p);
}

static void port_term(struct parser *p)
{
	struct filter_term *t = append(p, TERM_PORT);
	const char *digits;

	t->which = is_word(p, "dport", NULL) ? OF_DST : OF_SRC;
	next(p);
	take_compare(p, &t->op);
	digits = p->word + (*p->word == ':');
	t->port = port_of(digits);
	if (!t->port)
		expected(p, "a port from 1 to 65535");
	next(p);
}

static void service_term(struct parser *p)
{
	struct filter_term *t = append(p, TERM_SERVICE);

	if (is_word(p, "service", NULL)) {
		next(p);
		take_compare(p, &t->op);
		if (t->op > CMP_NE)
			expected(p, "= or != before a service");
	}
	if (!*p->word || is_operator(*p->word) ||
	    strlen(p->word) > FILTER_NAME_MAX)
		expected(p, "a service's name");
	snprintf(t->name, sizeof(t->name), "%.*s", FILTER_NAME_MAX, p->word);
	next(p);
}

static void serial_term(struct parser *p)
{
	struct filter_term *t = append(p, TERM_SERIAL);
	char *end = p->word;

	next(p);
	if (!take_compare(p, &t->op))
		expected(p, "=");
	if (*p->word >= '0' && *p->word <= '9')
		t->serial = strtoull(p->word, &end, 10);
	if (!t->serial || *end)
		expected(p, "a number from 1");
	next(p);
}

/* The word that begins a term about something else than a bare name. */
static bool is_keyword(const struct parser *p)
{
	static const char *const words[] = {"state",   "exclude", "src",
					    "dst",     "sport",	  "dport",
					    "service", "serial",  "spliced",
					    "not",     "!",	  "("};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (is_word(p, words[i], NULL))
			return true;
	}
	return false;
}

/* A bare ADDRESS or NAME. */
static void bare_term(struct parser *p)
{
	struct filter_term *t;

	if (!*p->word || is_operator(*p->word) || is_word(p, "and", "or") ||
	    *p->word == ':' || *p->word == '*') {
		expected(p, WANTS_TERM);
		return;
	}
	t = append(p, TERM_HOST);
	t->which = OF_EITHER;
	if (parse_host(p->word, t)) {
		next(p);
		return;
	}
	if (strpbrk(p->word, ":[]/")) {
		expected(p, WANTS_TERM);
		return;
	}
	p->out->n--;
	service_term(p);
}

static void term(struct parser *p)
{
	if (is_word(p, "state", "exclude"))
		state_term(p);
	else if (is_word(p, "src", "dst"))
		host_term(p);
	else if (is_word(p, "sport", "dport"))
		port_term(p);
	else if (is_word(p, "service", NULL))
		service_term(p);
	else if (is_word(p, "serial", NULL))
		serial_term(p);
	else if (is_word(p, "spliced", NULL)) {
		append(p, TERM_SPLICED);
		next(p);
	} else
		bare_term(p);
}

static void any_of(struct parser *p);

/* not FACTOR | ( EXPR ) | TERM */
static void factor(struct parser *p)
{
	uint32_t nots = 0;

	for (; is_word(p, "not", "!"); nots ^= 1)
		next(p);
	if (!is_word(p, "(", NULL)) {
		term(p);
	} else if (++p->depth > FILTER_DEPTH_MAX) {
		expected(p, "a filter of fewer parentheses");
	} else {
		next(p);
		any_of(p);
		if (!is_word(p, ")", NULL))
			expected(p, "and, or, or )");
		next(p);
		p->depth--;
	}
	if (nots)
		append(p, TERM_NOT);
}

static bool is_and(const struct parser *p)
{
	return is_word(p, "and", "&") || is_word(p, "&&", NULL);
}

static void all_of(struct parser *p)
{
	factor(p);
	while (!p->bad && (is_and(p) || is_keyword(p))) {
		if (is_and(p))
			next(p);
		factor(p);
		append(p, TERM_AND);
	}
}

static void any_of(struct parser *p)
{
	all_of(p);
	while (!p->bad && (is_word(p, "or", "|") || is_word(p, "||", NULL))) {
		next(p);
		all_of(p);
		append(p, TERM_OR);
	}
}

int filter_parse(const char *text, struct filter *f, char *err, size_t errlen)
{
	struct parser p = {.out = f, .err = err, .errlen = errlen};

	f->n = 0;
	p.text = p.at = text ? text : "";
	if (strnlen(p.text, FILTER_TEXT_MAX) == FILTER_TEXT_MAX) {
		snprintf(err, errlen,
			 "a filter of fewer than %d characters is "
			 "expected",
			 FILTER_TEXT_MAX);
		return -EINVAL;
	}
	next(&p);
	if (!*p.word && !p.bad)
		return 0;
	any_of(&p);
	if (*p.word)
		expected(&p, "and, or, or the end");
	if (p.bad)
		f->n = 0;
	return p.bad ? -EINVAL : 0;
}

/* --- evaluation --- */

static bool same_bits(const struct ipaddr *a, const struct ipaddr *b,
		      uint8_t bits)
{
	uint8_t whole = bits / 8, rest = bits % 8;

	if (memcmp(a->b, b->b, whole) != 0)
		return false;
	return !rest || !((a->b[whole] ^ b->b[whole]) >> (8 - rest));
}

static bool is_host(const struct filter_term *t, const struct filter_end *e)
{
	if (t->port && t->port != e->port)
		return false;
	return !t->has_addr ||
	       (ipaddr_is_v4(&t->addr) == ipaddr_is_v4(&e->addr) &&
		same_bits(&t->addr, &e->addr, t->prefix));
}

static bool compare(uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case CMP_NE:
		return a != b;
	case CMP_LT:
		return a < b;
	case CMP_GT:
		return a > b;
	case CMP_LE:
		return a <= b;
	case CMP_GE:
		return a >= b;
	default:
		return a == b;
	}
}

static bool host_matches(const struct filter_term *t,
			 const struct filter_subject *s)
{
	bool yes = false;

	if (t->which != OF_DST)
		yes = is_host(t, &s->client);
	if (t->which != OF_SRC)
		yes = yes || is_host(t, &s->used) || is_host(t, &s->server);
	return yes != (t->op == CMP_NE);
}

static bool port_matches(const struct filter_term *t,
			 const struct filter_subject *s)
{
	if (t->which == OF_SRC)
		return compare(t->op, s->client.port, t->port);
	if (t->op == CMP_NE) /* neither of them */
		return s->used.port != t->port && s->server.port != t->port;
	return compare(t->op, s->used.port, t->port) ||
	       compare(t->op, s->server.port, t->port);
}

static bool term_matches(const struct filter_term *t,
			 const struct filter_subject *s)
{
	switch (t->kind) {
	case TERM_STATE:
		return (s->states & t->states) != 0;
	case TERM_HOST:
		return host_matches(t, s);
	case TERM_PORT:
		return port_matches(t, s);
	case TERM_SERVICE:
		return !strcmp(t->name, s->service) != (t->op == CMP_NE);
	case TERM_SERIAL:
		return s->serial && compare(t->op, s->serial, t->serial);
	default:
		return s->spliced;
	}
}

bool filter_matches(const struct filter *f, const struct filter_subject *s)
{
	bool stack[FILTER_TERMS_MAX + 1] = {true};
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		const struct filter_term *t = &f->term[i];

		if (t->kind == TERM_NOT) {
			stack[n - 1] = !stack[n - 1];
		} else if (t->kind == TERM_AND || t->kind == TERM_OR) {
			n--;
			if (t->kind == TERM_AND)
				stack[n - 1] = stack[n - 1] && stack[n];
			else
				stack[n - 1] = stack[n - 1] || stack[n];
		} else {
			stack[n++] = term_matches(t, s);
		}
	}
	return stack[0];
}
