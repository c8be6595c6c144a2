/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Prefixes nest or are disjoint, so their tree is flattened once into adjacent
 * ranges.  A range begins at an address and has the value of the longest prefix
 * there.  A look-up is a binary search for the last range that begins at or
 * before the address.  The array has at most two ranges for each prefix and is
 * never changed.  Neighbours with equal values are merged.
 *
 * IPv4 has an array of its own with 32-bit keys, and an index by the first 16
 * bits of the address, so that even a list of a million prefixes takes only a
 * few steps.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shield/prefix.h"
#include "util/address.h"

typedef unsigned __int128 u128;

#define TOP_BITS 16
#define DEPTH_MAX 129 /* prefixes that nest: one for each length */
#define V4_BASE ((u128)0xffff << 32)

struct range6 {
	u128 start;
	uint8_t value;
};

struct range4 {
	uint32_t start;
	uint8_t value;
};

/* @top[i]: the first range of IPv4 addresses with top bits @i or greater. */
struct prefix_map {
	struct range6 *r6;
	struct range4 *r4;
	uint32_t n6, n4;
	uint32_t top[(1u << TOP_BITS) + 1];
};

static u128 to_u128(const struct ipaddr *a)
{
	u128 v = 0;

	for (int i = 0; i < 16; i++)
		v = v << 8 | a->b[i];
	return v;
}

/* The last address of a prefix. */
static u128 last_of(u128 start, uint32_t len)
{
	return len < 128 ? start | (~(u128)0 >> len) : start;
}

/* --- collecting --- */

void prefix_set_init(struct prefix_set *s)
{
	memset(s, 0, sizeof(*s));
}

void prefix_set_fini(struct prefix_set *s)
{
	free(s->item);
	memset(s, 0, sizeof(*s));
}

static int set_add(struct prefix_set *s, const struct prefix *p)
{
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 16;
		struct prefix *more =
			reallocarray(s->item, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->item = more;
		s->room = room;
	}
	s->item[s->n++] = *p;
	return 0;
}

/* "ADDRESS[/BITS]", the address perhaps in brackets. @word is changed. */
static bool parse_prefix(char *word, struct prefix *out)
{
	char *slash = strchr(word, '/'), *end = NULL;
	size_t n;
	unsigned long bits = 0;
	bool v4;

	if (slash) {
		*slash = '\0';
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		bits = strtoul(slash + 1, &end, 10);
	}
	n = strlen(word);
	if (n > 1 && word[0] == '[' && word[n - 1] == ']') {
		word[n - 1] = '\0';
		word++;
	}
	if (!address_parse(word, &out->addr))
		return false;
	v4 = !strchr(word, ':');
	if (slash && (*end || bits > (v4 ? 32u : 128u)))
		return false;

	out->len = (uint8_t)(slash ? (v4 ? 96 + bits : bits) : 128);
	return true;
}

static bool has_host_bits(const struct prefix *p)
{
	return to_u128(&p->addr) & last_of(0, p->len);
}

static int add_word(struct prefix_set *s, char *word, uint8_t value, char *err,
		    size_t errlen)
{
	struct prefix p = {.value = value};
	char shown[64];

	snprintf(shown, sizeof(shown), "%.63s", word);
	if (!parse_prefix(word, &p)) {
		snprintf(err, errlen,
			 "found \"%s\", allowed: ADDRESS or ADDRESS/BITS",
			 shown);
		return -EINVAL;
	}
	if (has_host_bits(&p)) {
		snprintf(err, errlen,
			 "found \"%s\", allowed: no bits set beyond the prefix",
			 shown);
		return -EINVAL;
	}
	return set_add(s, &p);
}

int prefix_set_add_text(struct prefix_set *s, const char *line, uint8_t value,
			char *err, size_t errlen)
{
	char *copy = strndup(line, strcspn(line, "#;")), *save = NULL, *word;
	size_t n = s->n;
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, " \t\r\n,", &save); word && !rc;
	     word = strtok_r(NULL, " \t\r\n,", &save))
		rc = add_word(s, word, value, err, errlen);
	if (rc)
		s->n = n;
	free(copy);
	return rc;
}

/* --- flattening --- */

/* Outer prefixes before those inside them; equal ones by value. */
static int prefix_cmp(const void *pa, const void *pb)
{
	const struct prefix *a = pa, *b = pb;
	int d = memcmp(a->addr.b, b->addr.b, 16);

	if (d == 0)
		d = (int)a->len - (int)b->len;
	return d ? d : (int)a->value - (int)b->value;
}

/* Begin a range with @value at @start. */
static void emit(struct prefix_map *m, u128 start, uint8_t value)
{
	if (m->n6 && m->r6[m->n6 - 1].start == start)
		m->n6--;
	if (m->n6 && m->r6[m->n6 - 1].value == value)
		return;
	m->r6[m->n6++] = (struct range6){start, value};
}

/* Close the prefixes on the stack that end before @start. */
static int unwind(struct prefix_map *m, const struct prefix **stack, int depth,
		  u128 start, bool all)
{
	while (depth > 0) {
		u128 last = last_of(to_u128(&stack[depth - 1]->addr),
				    stack[depth - 1]->len);

		if (!all && start <= last)
			break;
		depth--;
		if (last != ~(u128)0)
			emit(m, last + 1, depth ? stack[depth - 1]->value : 0);
	}
	return depth;
}

static void flatten(struct prefix_map *m, const struct prefix *p, size_t n)
{
	const struct prefix *stack[DEPTH_MAX];
	int depth = 0;

	emit(m, 0, 0);
	for (size_t i = 0; i < n; i++) {
		u128 start = to_u128(&p[i].addr);

		depth = unwind(m, stack, depth, start, false);
		if (depth && stack[depth - 1]->len == p[i].len)
			depth--; /* the same prefix with a greater value */
		stack[depth++] = &p[i];
		emit(m, start, p[i].value);
	}
	unwind(m, stack, depth, 0, true);
}

static uint8_t get6(const struct prefix_map *m, u128 a)
{
	uint32_t lo = 0, hi = m->n6;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->r6[mid].start <= a)
			lo = mid;
		else
			hi = mid;
	}
	return m->r6[lo].value;
}

/* Copy the ranges inside ::ffff:0:0/96 into the array for IPv4. */
static void split_v4(struct prefix_map *m)
{
	uint32_t top = 0;

	m->r4[m->n4++] = (struct range4){0, get6(m, V4_BASE)};
	for (uint32_t i = 0; i < m->n6; i++) {
		u128 start = m->r6[i].start;

		if (start > V4_BASE && start >> 32 == V4_BASE >> 32)
			m->r4[m->n4++] = (struct range4){(uint32_t)start,
							 m->r6[i].value};
	}
	for (uint32_t i = 0; i < m->n4; i++) {
		while (top <= m->r4[i].start >> (32 - TOP_BITS))
			m->top[top++] = i;
	}
	while (top <= 1u << TOP_BITS)
		m->top[top++] = m->n4;
}

static bool of_v4(const struct prefix *p)
{
	return p->len >= 96 && ipaddr_is_v4(&p->addr);
}

/* Sort the prefixes of one family.  Return: their number. */
static size_t pick(struct prefix *to, const struct prefix_set *s, bool v4)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (of_v4(&s->item[i]) == v4)
			to[n++] = s->item[i];
	}
	if (n)
		qsort(to, n, sizeof(*to), prefix_cmp);
	return n;
}

struct prefix_map *prefix_map_new(const struct prefix_set *s)
{
	struct prefix_map *m = calloc(1, sizeof(*m));
	struct prefix *sorted = calloc(s->n + 1, sizeof(*sorted));

	if (!m || !sorted)
		goto err;
	m->r6 = calloc(2 * s->n + 2, sizeof(*m->r6));
	m->r4 = calloc(2 * s->n + 2, sizeof(*m->r4));
	if (!m->r6 || !m->r4)
		goto err;
	/* apart: ::/0 means all of IPv6, not the mapped IPv4 */
	flatten(m, sorted, pick(sorted, s, true));
	split_v4(m);
	m->n6 = 0;
	flatten(m, sorted, pick(sorted, s, false));
	free(sorted);
	return m;
err:
	free(sorted);
	prefix_map_free(m);
	return NULL;
}

void prefix_map_free(struct prefix_map *m)
{
	if (!m)
		return;
	free(m->r6);
	free(m->r4);
	free(m);
}

/* Search the ranges that can contain @a: from the last one that begins before
 * the addresses with its top bits, to the last one with these top bits. */
static uint8_t get4(const struct prefix_map *m, uint32_t a)
{
	uint32_t t = a >> (32 - TOP_BITS);
	uint32_t lo = m->top[t], hi = m->top[t + 1];

	if (lo > 0)
		lo--;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->r4[mid].start <= a)
			lo = mid;
		else
			hi = mid;
	}
	return m->r4[lo].value;
}

uint8_t prefix_map_get(const struct prefix_map *m, const struct ipaddr *a)
{
	if (ipaddr_is_v4(a))
		return get4(m, get_be32(a->b + 12));
	return get6(m, to_u128(a));
}

static struct ipaddr from_u128(u128 v)
{
	struct ipaddr a;

	for (int i = 15; i >= 0; i--, v >>= 8)
		a.b[i] = (uint8_t)v;
	return a;
}

struct walk {
	void (*fn)(void *arg, const struct ipaddr *a, uint8_t len,
		   uint8_t value);
	void *arg;
};

/* Call the function for the prefixes that make up @at to @last. */
static void walk_range(const struct walk *w, u128 at, u128 last, uint8_t value)
{
	while (value && at <= last) {
		struct ipaddr a = from_u128(at);
		uint8_t len = 128;

		/* the largest prefix that begins here and ends by @last */
		while (len && !(at >> (128 - len) & 1) &&
		       last_of(at, (uint8_t)(len - 1)) <= last)
			len--;
		w->fn(w->arg, &a, len, value);
		if (last_of(at, len) == ~(u128)0)
			break;
		at = last_of(at, len) + 1;
	}
}

static void walk4(const struct prefix_map *m, const struct walk *w)
{
	for (uint32_t i = 0; i < m->n4; i++) {
		uint32_t last = i + 1 < m->n4 ? m->r4[i + 1].start - 1
					      : UINT32_MAX;

		walk_range(w, V4_BASE + m->r4[i].start, V4_BASE + last,
			   m->r4[i].value);
	}
}

void prefix_map_walk(const struct prefix_map *m,
		     void (*fn)(void *arg, const struct ipaddr *a, uint8_t len,
				uint8_t value),
		     void *arg)
{
	const struct walk w = {fn, arg};
	const u128 after4 = V4_BASE + UINT32_MAX + 1;

	walk4(m, &w);
	for (uint32_t i = 0; i < m->n6; i++) {
		u128 at = m->r6[i].start, last = ~(u128)0;

		if (i + 1 < m->n6)
			last = m->r6[i + 1].start - 1;
		/* ::ffff:0:0/96 is IPv4, which is done already */
		if (at < V4_BASE)
			walk_range(&w, at, last < V4_BASE ? last : V4_BASE - 1,
				   m->r6[i].value);
		if (last >= after4)
			walk_range(&w, at > after4 ? at : after4, last,
				   m->r6[i].value);
	}
}
