/* SPDX-License-Identifier: MIT */
/*
 * Reads the text of one INI value into the field its table names.  Nothing is
 * guessed: a value is either valid as a whole or refused, with what was found
 * and what is allowed.  After a refusal the field keeps its old value.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/option.h"
#include "util/word.h"

struct opt_unit {
	const char *suffix;
	int64_t factor;
};

/* From the largest to the smallest; the smallest divides everything. */
static const struct opt_unit time_units[] = {
	{"d", INT64_C(86400) * USEC_PER_SEC},
	{"h", INT64_C(3600) * USEC_PER_SEC},
	{"m", INT64_C(60) * USEC_PER_SEC},
	{"s", USEC_PER_SEC},
	{"ms", USEC_PER_MSEC},
	{"us", 1},
};

static const struct opt_unit size_units[] = {
	{"G", INT64_C(1) << 30},
	{"M", INT64_C(1) << 20},
	{"K", INT64_C(1) << 10},
	{"", 1},
};

static int digit_value(char c, int base)
{
	int v = -1;

	if (c >= '0' && c <= '9')
		v = c - '0';
	else if (c >= 'a' && c <= 'f')
		v = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		v = c - 'A' + 10;
	return v < base ? v : -1;
}

/* Digits up to the first other character.  False: none, or too many. */
static bool read_digits(const char **text, int base, int64_t *out)
{
	const char *p = *text;
	int64_t v = 0;
	int d;

	for (; (d = digit_value(*p, base)) >= 0; p++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, d, &v))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*out = v;
	return true;
}

/* "0x..." or decimal (a leading zero is no octal), nothing behind it. */
static bool read_int(const char *text, int64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	if (hex)
		text += 2;
	return read_digits(&text, hex ? 16 : 10, out) && *text == '\0';
}

/* A decimal number and a unit's suffix; @bare: the factor without suffix. */
static bool read_scaled(const char *text, const struct opt_unit *u, size_t n,
			int64_t bare, int64_t *out)
{
	int64_t v, factor = 0;

	if (!read_digits(&text, 10, &v))
		return false;
	if (*text == '\0')
		factor = v == 0 ? 1 : bare;
	for (size_t i = 0; i < n && *text; i++)
		if (strcmp(text, u[i].suffix) == 0)
			factor = u[i].factor;
	return factor > 0 && !__builtin_mul_overflow(v, factor, out);
}

/* @v in the largest unit that divides it. */
static const char *show_scaled(char *buf, size_t len, int64_t v,
			       const struct opt_unit *u)
{
	if (!v)
		return "0";
	while (v % u->factor != 0)
		u++;
	snprintf(buf, len, "%lld%s", (long long)(v / u->factor), u->suffix);
	return buf;
}

__attribute__((format(printf, 4, 5))) static int
refuse(const char *text, char *err, size_t errlen, const char *fmt, ...)
{
	char allowed[1300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(allowed, sizeof(allowed), fmt, ap);
	va_end(ap);
	snprintf(err, errlen, "found \"%.64s\", allowed: %s", text, allowed);
	return -EINVAL;
}

static int parse_int(const struct opt_desc *d, void *field, const char *text,
		     char *err, size_t errlen)
{
	int64_t v;
	uint32_t u;

	if (!read_int(text, &v) || v < d->min || v > d->max || v > UINT32_MAX)
		return refuse(text, err, errlen, "%lld to %lld",
			      (long long)d->min, (long long)d->max);
	u = (uint32_t)v;
	memcpy(field, &u, sizeof(u));
	return 0;
}

static int parse_enum(const struct opt_desc *d, void *field, const char *text,
		      char *err, size_t errlen)
{
	char list[1200] = "";
	size_t used = 0;

	for (uint8_t i = 0; d->names[i]; i++) {
		if (strcmp(d->names[i], text) == 0) {
			memcpy(field, &i, sizeof(i));
			return 0;
		}
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used,
						 sizeof(list) - used, "%s%s",
						 i ? " | " : "", d->names[i]);
	}
	refuse(text, err, errlen, "%s", list);
	word_suggest(err, errlen, text, d->names);
	return -EINVAL;
}

static int parse_time(const struct opt_desc *d, void *field, const char *text,
		      char *err, size_t errlen)
{
	char lo[32], hi[32];
	int64_t v;

	if (read_scaled(text, time_units, ARRAY_LEN(time_units), d->unit, &v) &&
	    v >= d->min && v <= d->max) {
		memcpy(field, &v, sizeof(v));
		return 0;
	}
	return refuse(text, err, errlen, "%s to %s (units: us ms s m h d)",
		      show_scaled(lo, sizeof(lo), d->min, time_units),
		      show_scaled(hi, sizeof(hi), d->max, time_units));
}

static int parse_size(const struct opt_desc *d, void *field, const char *text,
		      char *err, size_t errlen)
{
	char lo[32], hi[32];
	int64_t v;

	if (read_scaled(text, size_units, ARRAY_LEN(size_units), 1, &v) &&
	    v >= d->min && v <= d->max) {
		memcpy(field, &v, sizeof(v)); /* v >= 0 by its syntax */
		return 0;
	}
	return refuse(text, err, errlen, "%s to %s (suffixes: K M G)",
		      show_scaled(lo, sizeof(lo), d->min, size_units),
		      show_scaled(hi, sizeof(hi), d->max, size_units));
}

static int parse_text(const struct opt_desc *d, void *field, const char *text,
		      char *err, size_t errlen)
{
	size_t len = strlen(text);

	if (len < (size_t)d->min || len > (size_t)d->max)
		return refuse(text, err, errlen, "%lld to %lld characters",
			      (long long)d->min, (long long)d->max);
	memcpy(field, text, len + 1);
	return 0;
}

static int parse_custom(const struct opt_desc *d, void *field, const char *text,
			char *err, size_t errlen)
{
	if (errlen)
		err[0] = '\0';
	if (d->parse(text, field, err, errlen) == 0)
		return 0;
	if (errlen && !err[0])
		return refuse(text, err, errlen, "%s",
			      d->allowed ? d->allowed : "see the manual");
	return -EINVAL;
}

typedef int (*opt_reader)(const struct opt_desc *d, void *field,
			  const char *text, char *err, size_t errlen);

static const opt_reader readers[] = {
	[OPT_INT] = parse_int,	 [OPT_ENUM] = parse_enum,
	[OPT_TIME] = parse_time, [OPT_SIZE] = parse_size,
	[OPT_TEXT] = parse_text, [OPT_CUSTOM] = parse_custom,
};

int opt_parse(const struct opt_desc *d, void *base, const char *text, char *err,
	      size_t errlen)
{
	return readers[d->type](d, (uint8_t *)base + d->offset, text, err,
				errlen);
}

void opt_defaults(const struct opt_desc *table, void *base)
{
	char err[256] = "";

	for (const struct opt_desc *d = table; d->name; d++) {
		int rc = d->def ? opt_parse(d, base, d->def, err, sizeof(err))
				: 0;

		/* a default that its own table refuses is a bug */
		if (rc)
			fprintf(stderr, "%s: default: %s\n", d->name, err);
		assert(rc == 0);
	}
}
