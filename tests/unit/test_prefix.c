/* SPDX-License-Identifier: MIT */
/* LINKS: shield/prefix util/address */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shield/prefix.h"
#include "util/prng.h"

static struct prefix_set set;
static struct prefix_map *map;
static char err[200];

static void setup(void)
{
	prefix_set_init(&set);
	map = NULL;
}

static void teardown(void)
{
	prefix_map_free(map);
	prefix_set_fini(&set);
}

static struct ipaddr addr(const char *text)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, text, raw) == 1)
		return ipaddr_v4(raw);
	ck_assert_int_eq(inet_pton(AF_INET6, text, raw), 1);
	return ipaddr_v6(raw);
}

static void add(const char *line, uint8_t value)
{
	ck_assert_int_eq(
		prefix_set_add_text(&set, line, value, err, sizeof(err)), 0);
}

static void build(void)
{
	prefix_map_free(map);
	map = prefix_map_new(&set);
	ck_assert_ptr_nonnull(map);
}

static uint8_t get(const char *text)
{
	struct ipaddr a = addr(text);

	return prefix_map_get(map, &a);
}

START_TEST(map_empty_covers_nothing)
{
	build();
	ck_assert_uint_eq(get("0.0.0.0"), 0);
	ck_assert_uint_eq(get("255.255.255.255"), 0);
	ck_assert_uint_eq(get("::"), 0);
	ck_assert_uint_eq(get("2001:db8::1"), 0);
}
END_TEST

START_TEST(map_longest_prefix_decides)
{
	add("10.0.0.0/8, 10.1.0.0/16\t10.1.1.1", 1);
	add("10.1.1.0/24 2001:db8::/32", 2);
	add("[2001:db8:1::]/48", 3);
	build();
	ck_assert_uint_eq(get("9.255.255.255"), 0);
	ck_assert_uint_eq(get("10.0.0.0"), 1);
	ck_assert_uint_eq(get("10.1.1.0"), 2);
	ck_assert_uint_eq(get("10.1.1.1"), 1);
	ck_assert_uint_eq(get("10.1.1.2"), 2);
	ck_assert_uint_eq(get("10.1.2.0"), 1);
	ck_assert_uint_eq(get("10.255.255.255"), 1);
	ck_assert_uint_eq(get("11.0.0.0"), 0);
	ck_assert_uint_eq(get("2001:db8::1"), 2);
	ck_assert_uint_eq(get("2001:db8:1::1"), 3);
	ck_assert_uint_eq(get("2001:db8:2::"), 2);
	ck_assert_uint_eq(get("2001:db9::"), 0);
}
END_TEST

START_TEST(map_families_are_apart)
{
	add("::/0", 1);
	build();
	ck_assert_uint_eq(get("::"), 1);
	ck_assert_uint_eq(get("ffff::"), 1);
	ck_assert_uint_eq(get("192.0.2.1"), 0);
	add("0.0.0.0/0", 2);
	build();
	ck_assert_uint_eq(get("0.0.0.0"), 2);
	ck_assert_uint_eq(get("255.255.255.255"), 2);
	ck_assert_uint_eq(get("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1);
}
END_TEST

START_TEST(map_low_ipv6_beside_many_ipv4_is_found)
{
	add("10.0.0.1 10.0.0.3 10.0.0.5 10.0.0.7 10.0.0.9", 1);
	add("::1", 3);
	build();
	ck_assert_uint_eq(get("::"), 0);
	ck_assert_uint_eq(get("::1"), 3);
	ck_assert_uint_eq(get("::2"), 0);
	ck_assert_uint_eq(get("10.0.0.9"), 1);
}
END_TEST

START_TEST(map_same_prefix_greater_value_wins)
{
	add("192.0.2.0/24", 2);
	add("192.0.2.0/24", 1);
	build();
	ck_assert_uint_eq(get("192.0.2.9"), 2);
	ck_assert_uint_eq(get("192.0.3.0"), 0);
}
END_TEST

START_TEST(text_comments_and_blanks_are_skipped)
{
	add("", 1);
	add("   # nothing", 1);
	add("192.0.2.1 ; one host", 1);
	ck_assert_uint_eq(set.n, 1);
}
END_TEST

START_TEST(text_mistakes_are_refused_whole)
{
	static const char *const bad[] = {
		"10.0.0.0/33",	   "10.0.0/8",	   "10.0.0.0/",
		"10.0.0.0/8x",	   "10.0.0.1/8",   "2001:db8::/129",
		"2001:db8::1/64",  "host.example", "10.0.0.0/-1",
		"192.0.2.1 bogus", "1.2.3.4/+8",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err[0] = '\0';
		ck_assert_int_eq(prefix_set_add_text(&set, bad[i], 1, err,
						     sizeof(err)),
				 -EINVAL);
		ck_assert_ptr_nonnull(strstr(err, "allowed"));
		ck_assert_uint_eq(set.n, 0);
	}
}
END_TEST

static bool covers(const struct prefix *p, const struct ipaddr *a)
{
	if ((p->len >= 96 && ipaddr_is_v4(&p->addr)) != ipaddr_is_v4(a))
		return false;
	for (uint32_t i = 0; i < p->len; i++) {
		if ((p->addr.b[i / 8] ^ a->b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static uint8_t naive(const struct ipaddr *a)
{
	int len = -1;
	uint8_t value = 0;

	for (size_t i = 0; i < set.n; i++) {
		const struct prefix *p = &set.item[i];

		if (!covers(p, a))
			continue;
		if (p->len > len || (p->len == len && p->value > value)) {
			len = p->len;
			value = p->value;
		}
	}
	return value;
}

/* Addresses with few distinct bits, so that prefixes nest and touch. */
static struct ipaddr random_addr(struct prng *r, bool v4)
{
	uint8_t b[16];

	for (int i = 0; i < 16; i++)
		b[i] = (uint8_t[]){0, 1, 0x80, 0xff}[prng_below(r, 4)];
	return v4 ? ipaddr_v4(b) : ipaddr_v6(b);
}

START_TEST(map_random_prefixes_match_naive_search)
{
	struct prng r;
	char text[100], num[INET6_ADDRSTRLEN];

	prng_seed(&r, 77);
	for (int round = 0; round < 60; round++) {
		setup();
		for (uint32_t n = prng_below(&r, 80); n > 0; n--) {
			bool v4 = prng_below(&r, 2);
			struct ipaddr a = random_addr(&r, v4);
			uint32_t bits = prng_below(&r, v4 ? 33 : 129);
			uint32_t off = v4 ? 96 : 0;

			for (uint32_t i = bits + off; i < 128; i++)
				a.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
			inet_ntop(v4 ? AF_INET : AF_INET6, a.b + (v4 ? 12 : 0),
				  num, sizeof(num));
			snprintf(text, sizeof(text), "%s/%u", num, bits);
			add(text, (uint8_t)(1 + prng_below(&r, 2)));
		}
		build();
		for (int i = 0; i < 3000; i++) {
			struct ipaddr a = random_addr(&r, i & 1);

			ck_assert_uint_eq(prefix_map_get(map, &a), naive(&a));
		}
		teardown();
		map = NULL;
	}
	setup();
}
END_TEST

static struct prefix_set walked;
static struct ipaddr walk_last;
static bool walk_any;

static void on_walk(void *arg, const struct ipaddr *a, uint8_t len,
		    uint8_t value)
{
	struct prefix p = {.addr = *a, .len = len, .value = value};

	(void)arg;
	if (walk_any && ipaddr_is_v4(a) == ipaddr_is_v4(&walk_last))
		ck_assert_int_lt(memcmp(&walk_last, a, sizeof(*a)), 0);
	ck_assert(!ipaddr_is_v4(a) || len >= 96);
	walk_last = *a;
	walk_any = true;
	walked.item =
		reallocarray(walked.item, walked.n + 1, sizeof(*walked.item));
	ck_assert_ptr_nonnull(walked.item);
	walked.item[walked.n++] = p;
}

/* What a walk says makes the same map again. */
START_TEST(map_walk_says_all_of_it)
{
	struct prefix_map *again;
	struct prng rng;

	add("10.0.0.0/8 10.1.0.0/16 192.0.2.7 2001:db8::/32 ::/0", 1);
	add("10.1.2.0/24 10.1.255.255 2001:db8::1 ffff::/16", 2);
	build();
	prefix_set_init(&walked);
	walk_any = false;
	prefix_map_walk(map, on_walk, NULL);
	again = prefix_map_new(&walked);
	ck_assert_ptr_nonnull(again);
	prng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		struct ipaddr a = set.item[prng_u64(&rng) % set.n].addr;

		for (uint64_t k = prng_u64(&rng) % 3; k; k--)
			a.b[prng_u64(&rng) % 16] ^=
				(uint8_t)(1u << prng_u64(&rng) % 8);
		ck_assert_uint_eq(prefix_map_get(again, &a),
				  prefix_map_get(map, &a));
	}
	prefix_map_free(again);
	prefix_set_fini(&walked);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("prefix");
	TCase *tc = tcase_create("prefix");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, map_empty_covers_nothing);
	tcase_add_test(tc, map_walk_says_all_of_it);
	tcase_add_test(tc, map_longest_prefix_decides);
	tcase_add_test(tc, map_families_are_apart);
	tcase_add_test(tc, map_low_ipv6_beside_many_ipv4_is_found);
	tcase_add_test(tc, map_same_prefix_greater_value_wins);
	tcase_add_test(tc, text_comments_and_blanks_are_skipped);
	tcase_add_test(tc, text_mistakes_are_refused_whole);
	tcase_add_test(tc, map_random_prefixes_match_naive_search);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
