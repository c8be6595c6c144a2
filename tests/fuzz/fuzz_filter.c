/* SPDX-License-Identifier: MIT */
/*
 * filter_parse() on any text: it refuses with a reason or gives a filter that
 * can be asked about any connection.  What it gives obeys logic: a filter in
 * parentheses means the same, `not' the opposite, and joined with itself or
 * its opposite it means what it has to.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/address.h"
#include "util/tcp_state.h"
#include "view/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct filter_end end_of(const char *addr, uint16_t port)
{
	struct filter_end e = {.port = port};

	if (!address_parse(addr, &e.addr))
		abort();
	return e;
}

static struct filter_subject subject(uint32_t i)
{
	struct filter_subject s = {
		.service = i & 1 ? "web" : "",
		.serial = i * 77,
		.client = end_of(i & 2 ? "198.51.100.2" : "2001:db8::2", 40000),
		.used = end_of(i & 2 ? "203.0.113.10" : "2001:db8::10", 443),
		.server = end_of(i & 2 ? "192.0.2.9" : "2001:db8::9", 8443),
		.states = (uint16_t)(BIT(i % TS_COUNT) | BIT(TS_ESTABLISHED)),
		.spliced = i & 4,
	};

	return s;
}

/* The text as @form has it; it may be too long for a filter by that. */
static bool variant(const char *form, const char *text, struct filter *f)
{
	char *whole = NULL, err[64];
	int ret;

	if (asprintf(&whole, form, text, text) < 0)
		abort();
	ret = filter_parse(whole, f, err, sizeof(err));
	free(whole);
	return !ret;
}

/* @form means @want, or what the text means if @want is -1, or its opposite. */
static void means(const char *form, const char *text, const struct filter *f,
		  int want)
{
	static struct filter other;

	if (!variant(form, text, &other))
		return;
	for (uint32_t i = 0; i < 16; i++) {
		struct filter_subject s = subject(i);
		bool plain = filter_matches(f, &s);
		bool must = want == -1 ? plain : want == -2 ? !plain : want;

		assert(filter_matches(&other, &s) == must);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct filter f;
	char *text = strndup((const char *)data, size);
	char err[128] = "", little[8];

	if (!text)
		abort();
	memset(&f, 0xa5, sizeof(f));
	if (filter_parse(text, &f, err, sizeof(err))) {
		assert(f.n == 0 && *err && strlen(err) < sizeof(err));
		assert(filter_parse(text, &f, little, sizeof(little)) ==
		       -EINVAL);
		assert(strlen(little) < sizeof(little));
	} else if (f.n) {
		assert(f.n <= FILTER_TERMS_MAX);
		means("( %s )", text, &f, -1);
		means("not ( %s )", text, &f, -2);
		means("( %s ) and ( %s )", text, &f, -1);
		means("( %s ) or ! ( %s )", text, &f, true);
		means("! ( %s ) && ( %s )", text, &f, false);
	}
	free(text);
	return 0;
}
