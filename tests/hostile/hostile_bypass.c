/* SPDX-License-Identifier: MIT */
/*
 * TCP that cannot be ended here: signed, in fragments, behind IPv6 headers that
 * hide it.  Nothing of a service's may pass unless its keys say so, and then
 * nothing of a client that is denied, or too fast.
 */
#include <stdlib.h>

#include "../unit/wire_pkt.h"
#include "gate.h"

#define POOL (16u << 20)
#define MD5_LEN 20 /* 18 bytes (RFC 2385), two NOPs */
#define AO_LEN 16  /* RFC 5925 */

static struct gate g;
static struct raw raw;

static void setup(void)
{
	gate_init(&g, POOL);
	g.svc->listen.n = 2;
	g.svc->listen.ep[1] = (struct endpoint){
		.addr = ipaddr_v6(raw_s6), .prefix = 128, .port = RAW_SPORT};
}

static void teardown(void)
{
	gate_fini(&g);
}

static enum verdict go(void)
{
	return gate_raw(&g, raw.d, raw.len, raw.len);
}

enum kind {
	MD5,
	AO,
	AUTH,
	FRAGMENT,
	ROUTING,
	KINDS
};

static const char *const dropped_as[KINDS] = {
	[MD5] = "drop_signed",		 [AO] = "drop_signed",
	[AUTH] = "drop_signed",		 [FRAGMENT] = "drop_fragment",
	[ROUTING] = "drop_ip_extension",
};

static bool is_signed(enum kind k)
{
	return k == MD5 || k == AO || k == AUTH;
}

/* An extension header of 8 bytes, the second byte and the fourth as given. */
static void put_header(uint8_t proto, uint8_t second, uint8_t fourth)
{
	memmove(raw.d + 48, raw.d + 40, raw.len - 40);
	memset(raw.d + 40, 0, 8);
	raw.d[40] = raw.d[6];
	raw.d[41] = second;
	raw.d[43] = fourth;
	raw.d[6] = proto;
	raw.len += 8;
	put_be16(raw.d + 4, (uint16_t)(raw.len - 40));
}

/* The same of IPv4: an authentication header without a value. */
static void put_auth4(void)
{
	memmove(raw.d + 32, raw.d + 20, raw.len - 20);
	memset(raw.d + 20, 0, 12);
	raw.d[20] = raw.d[9];
	raw.d[21] = 1;
	raw.d[9] = 51;
	raw.len += 12;
	put_be16(raw.d + 2, (uint16_t)raw.len);
	raw_fix_ip(&raw);
}

/* Of the client; false where the family has no such thing. */
static bool make(enum kind k, uint32_t family, uint16_t flags)
{
	static const uint8_t md5[MD5_LEN] = {1, 1, 19, 18, 0x5a};
	static const uint8_t ao[AO_LEN] = {29, AO_LEN, 1, 1, 0x5a};

	if (k == MD5)
		raw_tcp(&raw, family, flags, md5, MD5_LEN, 3);
	else if (k == AO)
		raw_tcp(&raw, family, flags, ao, AO_LEN, 3);
	else
		raw_tcp(&raw, family, flags, "", 0, 3);
	if (k == FRAGMENT && family == 4) {
		put_be16(raw.d + 6, 0x2000);
		raw_fix_ip(&raw);
	} else if (k == FRAGMENT) {
		put_header(44, 0, 1);
	} else if (k == AUTH && family == 4) {
		put_auth4();
	} else if (k == AUTH) {
		put_header(51, 0, 0);
	} else if (k == ROUTING) {
		put_header(43, 0, 1);
	}
	return family == 6 || k != ROUTING;
}

/* @want for every kind, family and flag that @k allows. */
static void check_kind(enum kind k, enum verdict want)
{
	static const uint16_t flags[] = {TCP_SYN, TCP_ACK, TCP_RST,
					 TCP_SYN | TCP_ACK};
	const char *name = is_signed(k) ? "PacketsSigned" : "PacketsForeign";
	uint64_t n = gate_counter(&g, dropped_as[k]), passed;

	passed = gate_counter(&g, name);
	for (uint32_t i = 0; i < 2 * ARRAY_LEN(flags); i++) {
		if (!make(k, i % 2 ? 6 : 4, flags[i / 2]))
			continue;
		ck_assert_msg(go() == want, "kind %d, row %u", (int)k, i);
		n += want == VERDICT_CONSUMED;
		passed += want == VERDICT_PASS;
		ck_assert_uint_eq(gate_counter(&g, dropped_as[k]), n);
		ck_assert_uint_eq(gate_counter(&g, name), passed);
	}
	ck_assert_uint_eq(g.ntx, 0);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}

START_TEST(by_default_nothing_passes)
{
	gate_start(&g);
	for (int k = 0; k < KINDS; k++)
		check_kind((enum kind)k, VERDICT_CONSUMED);
}
END_TEST

/* RFC 2385, 5925: who holds no key must not answer, and cannot relay. */
START_TEST(each_key_lets_its_own_pass)
{
	g.svc->tcp_signed = _i & 1 ? SIGNED_PASS : SIGNED_DROP;
	g.svc->fragments = _i & 2 ? FRAGMENTS_PASS : FRAGMENTS_DROP;
	gate_start(&g);
	for (int k = 0; k < KINDS; k++) {
		bool pass = is_signed((enum kind)k) ? _i & 1
						    : k == FRAGMENT && _i & 2;

		check_kind((enum kind)k,
			   pass ? VERDICT_PASS : VERDICT_CONSUMED);
	}
}
END_TEST

START_TEST(what_is_of_no_service_passes)
{
	g.svc->listen.ep[0].port = g.svc->listen.ep[1].port = RAW_SPORT + 1;
	gate_start(&g);
	for (int k = 0; k < KINDS; k++)
		check_kind((enum kind)k, VERDICT_PASS);
}
END_TEST

static void pass_all(void)
{
	g.svc->tcp_signed = SIGNED_PASS;
	g.svc->fragments = FRAGMENTS_PASS;
}

START_TEST(denied_ones_never_pass)
{
	struct shield_cfg *c = &g.svc->shield;
	uint64_t n = 0;
	char err[256];

	pass_all();
	strcpy(c->deny.text, "192.0.2.0/24 2001:db8::/32");
	ck_assert_int_eq(shield_access_new(c, NULL, NULL, &c->access, err,
					   sizeof(err)),
			 0);
	gate_start(&g);
	for (int i = 0; i < 8; i++) {
		uint16_t flags = i & 1 ? TCP_ACK : TCP_SYN;

		make(i & 2 ? MD5 : FRAGMENT, i & 4 ? 6 : 4, flags);
		ck_assert_int_eq(go(), VERDICT_CONSUMED);
		ck_assert_uint_eq(gate_counter(&g, "drop_syn_denied"), ++n);
	}
}
END_TEST

/* Only SYNs count, and a fragment too short to tell. */
START_TEST(rates_come_before_a_pass)
{
	pass_all();
	g.svc->shield.rate_limit = (struct rate){.interval_ns = 1000000000,
						 .burst = 3,
						 .prefix4 = 32,
						 .prefix6 = 64};
	gate_start(&g);
	for (int i = 0; i < 10; i++) {
		make(MD5, 4, TCP_SYN);
		ck_assert_int_eq(go(), i < 3 ? VERDICT_PASS : VERDICT_CONSUMED);
		make(MD5, 4, TCP_ACK);
		ck_assert_int_eq(go(), VERDICT_PASS);
		make(FRAGMENT, 4, TCP_ACK);
		ck_assert_int_eq(go(), VERDICT_PASS);
	}
	put_be16(raw.d + 2, 20 + 8);
	raw.len = 28;
	raw_fix_ip(&raw);
	ck_assert_int_eq(go(), VERDICT_CONSUMED);
	ck_assert_uint_eq(gate_counter(&g, "drop_syn_rate"), 8);
}
END_TEST

/* Behind a connection's back: the server would answer what it does not know. */
START_TEST(connections_of_ours_are_left_alone)
{
	struct conn c;
	static const uint8_t md5[MD5_LEN] = {1, 1, 19, 18, 0x5a};

	pass_all();
	gate_start(&g);
	gate_connect(&g, &c, 1);
	raw_tcp(&raw, 4, TCP_ACK, md5, MD5_LEN, 3);
	memcpy(raw.d + 12, c.t.remote.b + 12, 4);
	put_be16(raw.d + 20, c.t.rport);
	raw_fix_ip(&raw);
	raw_fix_l4(&raw, 6);
	ck_assert_int_eq(go(), VERDICT_CONSUMED);
	ck_assert_uint_eq(gate_counter(&g, "drop_signed"), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bypass");
	TCase *tc = tcase_create("bypass");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, by_default_nothing_passes);
	tcase_add_loop_test(tc, each_key_lets_its_own_pass, 0, 4);
	tcase_add_test(tc, what_is_of_no_service_passes);
	tcase_add_test(tc, denied_ones_never_pass);
	tcase_add_test(tc, rates_come_before_a_pass);
	tcase_add_test(tc, connections_of_ours_are_left_alone);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
