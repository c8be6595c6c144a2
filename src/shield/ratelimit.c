/* SPDX-License-Identifier: MIT */
/*
 * A bucket is one number: the time at which it will be full again (the generic
 * cell rate algorithm).  It needs no refilling.  A forgotten entry means a full
 * bucket, and the least recently used buckets are full anyway.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shield/ratelimit.h"

#define NSEC_PER_SEC INT64_C(1000000000)

struct bucket {
	struct assoc_head head;
	int64_t full_ns;
};

int ratelimit_init(struct ratelimit *r, uint32_t entries,
		   const uint8_t secret[32])
{
	r->refused = 0;
	return assoc_init(&r->table, sizeof(struct bucket), entries, secret,
			  "rate limit");
}

void ratelimit_fini(struct ratelimit *r)
{
	assoc_fini(&r->table);
}

struct ipaddr ipaddr_masked(const struct ipaddr *a, uint32_t bits4,
			    uint32_t bits6)
{
	uint32_t bits = ipaddr_is_v4(a) ? 96 + bits4 : bits6;
	struct ipaddr m = *a;

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t keep = bits > 8 * i ? min_u32(bits - 8 * i, 8) : 0;

		m.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	return m;
}

bool ratelimit_take(struct ratelimit *r, const struct rate *rate,
		    const struct ipaddr *a, uint32_t service, mono_t now)
{
	struct assoc_key k = {.space = service};
	int64_t now_ns = now.us * 1000;
	struct bucket *b;
	bool fresh, ok;

	if (rate->interval_ns == 0)
		return true;
	k.addr = ipaddr_masked(a, rate->prefix4, rate->prefix6);
	assoc_enter(&r->table);
	b = assoc_use(&r->table, &k, now, &fresh);
	if (b->full_ns < now_ns)
		b->full_ns = now_ns;
	ok = b->full_ns - now_ns <= (rate->burst - 1) * rate->interval_ns;
	if (ok)
		b->full_ns += rate->interval_ns;
	else
		r->refused++;
	assoc_leave(&r->table);
	return ok;
}

bool ratelimit_has(const struct ratelimit *r, const struct rate *rate,
		   const struct ipaddr *a, uint32_t service, mono_t now)
{
	struct assoc_key k = {.space = service};
	const struct bucket *b;
	bool ok;

	if (rate->interval_ns == 0)
		return true;
	k.addr = ipaddr_masked(a, rate->prefix4, rate->prefix6);
	assoc_enter(&r->table);
	b = assoc_find(&r->table, &k);
	ok = !b || b->full_ns - now.us * 1000 <=
			   (rate->burst - 1) * rate->interval_ns;
	assoc_leave(&r->table);
	return ok;
}

/* --- parsing --- */

static void skip_space(const char **p)
{
	while (isspace((unsigned char)**p))
		(*p)++;
}

/* Skip a word and the space after it. */
static bool take_word(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n) != 0)
		return false;
	*p += n;
	skip_space(p);
	return true;
}

/* Read a number in @min..@max and skip the space after it. */
static bool take_number(const char **p, uint32_t min, uint32_t max,
			uint32_t *out)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)**p))
		return false;
	errno = 0;
	v = strtoul(*p, &end, 10);
	if (errno || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	*p = end;
	skip_space(p);
	return true;
}

static bool parse_rate(const char *p, struct rate *out)
{
	uint32_t n, burst, p4 = 32, p6 = 64;
	int64_t unit;

	skip_space(&p);
	if (!take_number(&p, 1, 10000000, &n) || !take_word(&p, "/"))
		return false;
	if (take_word(&p, "s"))
		unit = NSEC_PER_SEC;
	else if (take_word(&p, "m"))
		unit = 60 * NSEC_PER_SEC;
	else if (take_word(&p, "h"))
		unit = 3600 * NSEC_PER_SEC;
	else
		return false;
	burst = n;
	if (take_word(&p, "burst") && !take_number(&p, 1, 10000000, &burst))
		return false;
	if (take_word(&p, "per")) {
		if (!take_number(&p, 1, 32, &p4))
			return false;
		if (take_word(&p, "/") && !take_number(&p, 1, 128, &p6))
			return false;
	}
	*out = (struct rate){
		.interval_ns = unit / n,
		.burst = burst,
		.prefix4 = (uint8_t)p4,
		.prefix6 = (uint8_t)p6,
	};
	return *p == '\0';
}

int rate_parse(const char *text, struct rate *out, char *err, size_t errlen)
{
	const char *p = text;
	struct rate r;

	skip_space(&p);
	if (*p == '\0') {
		*out = (struct rate){.prefix4 = 32, .prefix6 = 64};
		return 0;
	}
	if (!parse_rate(text, &r)) {
		snprintf(err, errlen,
			 "found \"%.64s\", allowed: N/s|m|h [burst N] "
			 "[per BITS/BITS], e.g. 200/s burst 400 per 32/64",
			 text);
		return -EINVAL;
	}
	*out = r;
	return 0;
}
