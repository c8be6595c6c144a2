/* SPDX-License-Identifier: MIT */
/*
 * Services' addresses, and the count of a policy.
 * LINKS: util/log policy/% util/option shield/prefix
 * LINKS: util/word util/address
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "policy/policy.h"

static char err[256];

static struct ipaddr addr(const char *text)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, text, raw) == 1)
		return ipaddr_v4(raw);
	ck_assert_int_eq(inet_pton(AF_INET6, text, raw), 1);
	return ipaddr_v6(raw);
}

START_TEST(endpoint_well_formed_is_parsed)
{
	static const struct {
		const char *text, *addr;
		uint8_t prefix;
		uint16_t port;
	} good[] = {
		{"203.0.113.10:443", "203.0.113.10", 128, 443},
		{"203.0.113.0/24:80", "203.0.113.0", 120, 80},
		{"203.0.113.10:*", "203.0.113.10", 128, 0},
		{"0.0.0.0/0:65535", "0.0.0.0", 96, 65535},
		{"10.0.0.0/8:1", "10.0.0.0", 104, 1},
		{"[2001:db8::10]:443", "2001:db8::10", 128, 443},
		{"[2001:db8::/32]:443", "2001:db8::", 32, 443},
		{"[2001:db8::]/32:443", "2001:db8::", 32, 443},
		{"[::/0]:1", "::", 0, 1},
		{"[fe80::1]:*", "fe80::1", 128, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct ipaddr want = addr(good[i].addr);
		struct endpoint ep;

		ck_assert_msg(!endpoint_parse(good[i].text, &ep, err,
					      sizeof(err)),
			      "%s: %s", good[i].text, err);
		ck_assert_mem_eq(&ep.addr, &want, sizeof(want));
		ck_assert_uint_eq(ep.prefix, good[i].prefix);
		ck_assert_uint_eq(ep.port, good[i].port);
	}
}
END_TEST

START_TEST(endpoint_malformed_is_refused_and_untouched)
{
	static const char *const bad[] = {
		"",
		":",
		":80",
		"203.0.113.10",
		"203.0.113.10:",
		"203.0.113.10:0",
		"203.0.113.10:65536",
		"203.0.113.10:-1",
		"203.0.113.10:+1",
		"203.0.113.10: 1",
		"203.0.113.10:1x",
		"203.0.113.10:**",
		"203.0.113.10:80-90",
		"203.0.113:80",
		"203.0.113.256:80",
		"203.0.113.10/33:80",
		"203.0.113.10/:80",
		"203.0.113.10/-1:80",
		"203.0.113.10/24:80", /* host bits */
		"localhost:80",
		"2001:db8::10:443",
		"[2001:db8::10]",
		"[2001:db8::10]443",
		"[2001:db8::10:443",
		"[2001:db8::10/129]:443",
		"[2001:db8::10]/32/32:443",
		"[2001:db8::10/32]/32:443",
		"[2001:db8::10]x:443",
		"[203.0.113.10]:80",
		"[::ffff:203.0.113.10]:80",
		"0.0.0.0:80",
		"[::]:80",
		"127.0.0.1:80",
		"[::1]:80",
		"224.0.0.1:80",
		"255.255.255.255:80",
		"[ff02::1]:80",
		"[fe80::1%eth0]:80",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct endpoint ep, was;

		memset(&ep, 0x5a, sizeof(ep));
		was = ep;
		err[0] = '\0';
		ck_assert_msg(endpoint_parse(bad[i], &ep, err, sizeof(err)) ==
				      -EINVAL,
			      "%s was taken", bad[i]);
		ck_assert_mem_eq(&ep, &was, sizeof(ep));
		ck_assert_ptr_nonnull(strstr(err, "; allowed: ADDRESS"));
	}
}
END_TEST

START_TEST(endpoint_very_long_is_refused_in_bounds)
{
	char text[5000], small[8];
	struct endpoint ep;

	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(endpoint_parse(text, &ep, small, sizeof(small)),
			 -EINVAL);
	ck_assert_uint_eq(strlen(small), sizeof(small) - 1);
}
END_TEST

START_TEST(endpoint_matches_by_prefix_port_and_family)
{
	static const struct {
		const char *ep, *addr;
		uint16_t port;
		bool match;
	} rows[] = {
		{"203.0.113.10:443", "203.0.113.10", 443, true},
		{"203.0.113.10:443", "203.0.113.10", 444, false},
		{"203.0.113.10:443", "203.0.113.11", 443, false},
		{"203.0.113.10:*", "203.0.113.10", 1, true},
		{"203.0.112.0/23:80", "203.0.113.255", 80, true},
		{"203.0.112.0/23:80", "203.0.114.0", 80, false},
		{"0.0.0.0/0:80", "9.9.9.9", 80, true},
		{"0.0.0.0/0:80", "2001:db8::1", 80, false},
		{"[::/0]:80", "2001:db8::1", 80, true},
		{"[::/0]:80", "9.9.9.9", 80, false},
		{"[2001:db8::/33]:80", "2001:db8:7fff::1", 80, true},
		{"[2001:db8::/33]:80", "2001:db8:8000::1", 80, false},
		{"[2001:db8::1]:80", "2001:db8::1", 80, true},
		{"[2001:db8::1]:80", "2001:db8::2", 80, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipaddr a = addr(rows[i].addr);
		struct endpoint ep;

		ck_assert_int_eq(
			endpoint_parse(rows[i].ep, &ep, err, sizeof(err)), 0);
		ck_assert_msg(endpoint_matches(&ep, &a, rows[i].port) ==
				      rows[i].match,
			      "%s against %s port %u", rows[i].ep, rows[i].addr,
			      rows[i].port);
	}
}
END_TEST

START_TEST(policy_last_put_frees)
{
	struct policy *p = policy_new(3);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->refs, 1);
	ck_assert_uint_eq(p->nservice, 3);
	ck_assert_uint_eq(p->service[2].listen.n, 0);
	ck_assert_ptr_eq(policy_get(p), p);
	ck_assert_uint_eq(p->refs, 2);
	policy_put(p);
	ck_assert_uint_eq(p->refs, 1);
	policy_put(p); /* the leak and use checkers watch this one */
	policy_put(NULL);
}
END_TEST

START_TEST(service_options_defaults_are_readable)
{
	struct service s = {0};

	opt_defaults(service_options, &s);
	ck_assert_uint_eq(s.handshake, HANDSHAKE_AUTO);
	ck_assert_uint_eq(s.max_syn_backlog, 4096);
	ck_assert_uint_eq(s.connect.port, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("policy");
	SRunner *r;
	int failed;

	tcase_add_test(t, endpoint_well_formed_is_parsed);
	tcase_add_test(t, endpoint_malformed_is_refused_and_untouched);
	tcase_add_test(t, endpoint_very_long_is_refused_in_bounds);
	tcase_add_test(t, endpoint_matches_by_prefix_port_and_family);
	tcase_add_test(t, policy_last_put_frees);
	tcase_add_test(t, service_options_defaults_are_readable);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
