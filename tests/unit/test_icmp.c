/* SPDX-License-Identifier: MIT */
/* LINKS: wire/parse wire/parse_ip wire/parse_opts wire/icmp wire/csum */
/* LINKS: wire/build_icmp wire/drop */
/*
 * ICMP errors, read and written.  Row 15 of the hostile list begins here: what
 * is forged well enough to be parsed is left to the leg.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "unit/wire_pkt.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

static const uint8_t router4[4] = {203, 0, 113, 1};
static const uint8_t router6[16] = {0x20, 1, 0xd, 0xb8, [7] = 9, [15] = 1};

static struct raw raw;
static struct icmp_error ie;
static enum drop_reason why;

/*
 * An error from the router to the server, about a segment from the server to
 * the client: what arrives when a packet of ours met trouble.  @quote bytes of
 * that segment are quoted.
 */
static void raw_icmp(uint32_t family, uint8_t type, uint8_t code, uint32_t rest,
		     uint32_t quote)
{
	static struct raw inner;
	uint32_t n = family == 4 ? 4 : 16, at = family == 4 ? 12 : 8;
	uint8_t *p;

	raw_tcp(&inner, family, TCP_ACK, "", 0, 100);
	memcpy(inner.d + at, family == 4 ? raw_s4 : raw_s6, n);
	memcpy(inner.d + at + n, family == 4 ? raw_c4 : raw_c6, n);
	put_be16(inner.d + inner.l4, RAW_SPORT);
	put_be16(inner.d + inner.l4 + 2, RAW_CPORT);
	raw_fix_ip(&inner);

	raw_ip(&raw, family, family == 4 ? 1 : 58, 8 + quote);
	memcpy(raw.d + at, family == 4 ? router4 : router6, n);
	memcpy(raw.d + at + n, family == 4 ? raw_s4 : raw_s6, n);
	raw_fix_ip(&raw);
	p = raw.d + raw.l4;
	p[0] = type;
	p[1] = code;
	put_be32(p + 4, rest);
	memcpy(p + 8, inner.d, quote);
	raw_fix_l4(&raw, family == 4 ? 1 : 58);
}

static uint32_t full_quote(uint32_t family)
{
	return family == 4 ? 28 : 48;
}

static uint8_t *quoted(void)
{
	return raw.d + raw.l4 + 8;
}

static void fix(void)
{
	raw_fix_ip(&raw);
	raw_fix_l4(&raw, raw_is_v4(&raw) ? 1 : 58);
}

static enum parse_result parse_as(enum packet_csum csum)
{
	struct packet p = raw_packet(&raw);
	enum parse_result res;
	struct segment seg;

	p.csum = csum;
	memset(&ie, 0xa5, sizeof(ie));
	res = wire_parse(&p, &seg, &ie, &why);
	raw_packet_free(&p);
	return res;
}

static void check(const char *name, enum parse_result res,
		  enum drop_reason reason)
{
	enum parse_result got = parse_as(PACKET_CSUM_VERIFY);

	ck_assert_msg(got == res && (res == PARSE_ICMP || why == reason),
		      "%s: result %d, %s", name, (int)got,
		      drop_reason_name[why]);
}

#define PTB ICMP_K_PTB
#define SOFT ICMP_K_UNREACH_SOFT
#define HARD ICMP_K_UNREACH_HARD
#define OTHER ICMP_K_OTHER

static const struct {
	uint8_t family, type, code;
	enum icmp_kind kind;
} kinds[] = {
	{4, 3, 0, SOFT},  {4, 3, 1, SOFT},  {4, 3, 2, HARD},  {4, 3, 3, HARD},
	{4, 3, 4, PTB},	  {4, 3, 5, SOFT},  {4, 3, 6, SOFT},  {4, 3, 7, SOFT},
	{4, 3, 8, SOFT},  {4, 3, 9, HARD},  {4, 3, 10, HARD}, {4, 3, 11, SOFT},
	{4, 3, 12, SOFT}, {4, 3, 13, HARD}, {4, 3, 14, SOFT}, {4, 3, 15, SOFT},
	{4, 3, 99, SOFT}, {4, 3, 35, SOFT}, {4, 4, 0, OTHER}, {4, 5, 1, OTHER},
	{4, 11, 0, SOFT}, {4, 11, 1, SOFT}, {4, 12, 0, SOFT}, {6, 1, 0, SOFT},
	{6, 1, 1, HARD},  {6, 1, 2, SOFT},  {6, 1, 3, SOFT},  {6, 1, 4, HARD},
	{6, 1, 5, HARD},  {6, 1, 6, HARD},  {6, 1, 33, SOFT}, {6, 2, 0, PTB},
	{6, 2, 7, PTB},	  {6, 3, 0, SOFT},  {6, 4, 1, SOFT},
};

START_TEST(error_is_classified_and_names_our_segment)
{
	uint8_t family = kinds[_i].family;

	raw_icmp(family, kinds[_i].type, kinds[_i].code, 0, full_quote(family));
	check("error", PARSE_ICMP, DROP_NONE);
	ck_assert_int_eq(ie.kind, kinds[_i].kind);
	ck_assert_uint_eq(ie.family, family);
	ck_assert_uint_eq(ie.type, kinds[_i].type);
	ck_assert_uint_eq(ie.code, kinds[_i].code);
	ck_assert_uint_eq(ie.mtu, 0);
	ck_assert_uint_eq(ie.seq.v, 0x11223344);
	ck_assert_uint_eq(ie.t.lport, RAW_SPORT);
	ck_assert_uint_eq(ie.t.rport, RAW_CPORT);
	if (family == 4) {
		ck_assert_mem_eq(ie.t.local.b + 12, raw_s4, 4);
		ck_assert_mem_eq(ie.t.remote.b + 12, raw_c4, 4);
	} else {
		ck_assert_mem_eq(ie.t.local.b, raw_s6, 16);
		ck_assert_mem_eq(ie.t.remote.b, raw_c6, 16);
	}
}
END_TEST

START_TEST(mtu_passed_on_as_the_router_said)
{
	static const uint32_t mtu[] = {0, 1, 68, 576, 1280, 1500, 65535};

	for (size_t i = 0; i < ARRAY_LEN(mtu); i++) {
		raw_icmp(4, 3, 4, mtu[i], 28);
		check("v4", PARSE_ICMP, DROP_NONE);
		ck_assert_uint_eq(ie.mtu, mtu[i]);
		raw_icmp(6, 2, 0, mtu[i], 48);
		check("v6", PARSE_ICMP, DROP_NONE);
		ck_assert_uint_eq(ie.mtu, mtu[i]);
	}
	raw_icmp(6, 2, 0, 0xfffffff0, 48);
	check("v6", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.mtu, 0xfffffff0);
	/* RFC 1191: the upper half is unused and may hold anything. */
	raw_icmp(4, 3, 4, 0xdead05dc, 28);
	check("v4", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.mtu, 1500);
}
END_TEST

START_TEST(mtu_of_other_errors_ignored)
{
	raw_icmp(4, 3, 3, 0x01020304, 28);
	check("v4", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.mtu, 0);
	raw_icmp(6, 1, 4, 0x01020304, 48);
	check("v6", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.mtu, 0);
}
END_TEST

/* What quotes nothing, or something else than TCP, is not ours. */
START_TEST(foreign_icmp_passes)
{
	static const uint8_t t4[] = {0, 8, 9, 10, 13, 40};
	static const uint8_t t6[] = {0, 5, 100, 128, 129, 133, 135, 136, 200};

	for (size_t i = 0; i < ARRAY_LEN(t4); i++) {
		raw_icmp(4, t4[i], 0, 0, 28);
		check("v4", PARSE_FOREIGN, DROP_NOT_TCP);
	}
	for (size_t i = 0; i < ARRAY_LEN(t6); i++) {
		raw_icmp(6, t6[i], 0, 0, 48);
		check("v6", PARSE_FOREIGN, DROP_NOT_TCP);
	}
	raw_icmp(4, 3, 3, 0, 28);
	quoted()[9] = 17;
	fix();
	check("about udp", PARSE_FOREIGN, DROP_NOT_TCP);
	raw_icmp(4, 3, 3, 0, 28);
	quoted()[9] = 1;
	fix();
	check("about icmp", PARSE_FOREIGN, DROP_NOT_TCP);
	raw_icmp(6, 1, 4, 0, 48);
	quoted()[6] = 17;
	fix();
	check("about udp, v6", PARSE_FOREIGN, DROP_NOT_TCP);
	raw_icmp(6, 1, 4, 0, 40); /* nothing behind the quoted header */
	quoted()[6] = 17;
	fix();
	check("about udp, v6, short", PARSE_FOREIGN, DROP_NOT_TCP);
	raw_icmp(4, 3, 3, 0, 28);
	put_be16(quoted() + 6, 7);
	fix();
	check("about a later fragment", PARSE_FOREIGN, DROP_FRAGMENT);
}
END_TEST

START_TEST(neighbour_discovery_to_multicast_passes)
{
	raw_icmp(6, 135, 0, 0, 48);
	memset(raw.d + 24, 0, 16);
	raw.d[24] = 0xff;
	raw.d[25] = 2;
	raw.d[39] = 1;
	fix();
	check("nd", PARSE_FOREIGN, DROP_NOT_TCP);
}
END_TEST

START_TEST(quote_cut_anywhere_is_malformed)
{
	for (uint32_t family = 4; family <= 6; family += 2)
		for (uint32_t n = 0; n < full_quote(family); n++) {
			raw_icmp(family, family == 4 ? 3 : 1, 4, 0, n);
			check("cut", PARSE_DROP, DROP_ICMP_MALFORMED);
		}
}
END_TEST

START_TEST(header_cut_is_malformed)
{
	for (uint32_t n = 0; n < 8; n++) {
		raw_icmp(4, 3, 3, 0, 28);
		raw.len = 20 + n;
		put_be16(raw.d + 2, (uint16_t)raw.len);
		fix();
		check("v4", PARSE_DROP, DROP_ICMP_MALFORMED);
	}
}
END_TEST

START_TEST(longer_quote_is_welcome)
{
	raw_icmp(4, 3, 4, 1400, 140);
	check("v4", PARSE_ICMP, DROP_NONE);
	raw_icmp(6, 2, 0, 1400, 160);
	check("v6", PARSE_ICMP, DROP_NONE);
}
END_TEST

/* Routers change the quote: lengths, TTL, checksum do not count. */
START_TEST(rewritten_quote_accepted)
{
	raw_icmp(4, 11, 0, 0, 28);
	quoted()[8] = 0;
	put_be16(quoted() + 2, 0x1400);
	put_be16(quoted() + 10, 0xdead);
	fix();
	check("v4", PARSE_ICMP, DROP_NONE);
	raw_icmp(6, 3, 0, 0, 48);
	put_be16(quoted() + 4, 0);
	fix();
	check("v6", PARSE_ICMP, DROP_NONE);
}
END_TEST

START_TEST(quoted_options_and_extensions_skipped)
{
	raw_icmp(4, 3, 3, 0, 28);
	memmove(quoted() + 24, quoted() + 20, 8);
	memset(quoted() + 20, 1, 4);
	quoted()[0] = 0x46;
	raw.len += 4;
	put_be16(raw.d + 2, (uint16_t)raw.len);
	fix();
	check("v4", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.t.rport, RAW_CPORT);

	raw_icmp(6, 1, 4, 0, 48);
	memmove(quoted() + 48, quoted() + 40, 8);
	memset(quoted() + 40, 0, 8);
	quoted()[6] = 60;
	quoted()[40] = 6;
	raw.len += 8;
	put_be16(raw.d + 4, (uint16_t)(raw.len - 40));
	fix();
	check("v6", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.t.rport, RAW_CPORT);

	quoted()[41] = 1; /* now the extension covers the quoted ports */
	fix();
	check("cut", PARSE_DROP, DROP_ICMP_MALFORMED);
}
END_TEST

START_TEST(bad_quote_is_malformed)
{
	raw_icmp(4, 3, 3, 0, 28);
	quoted()[0] = 0x44;
	fix();
	check("ihl", PARSE_DROP, DROP_ICMP_MALFORMED);
	quoted()[0] = 0x48;
	fix();
	check("ihl beyond", PARSE_DROP, DROP_ICMP_MALFORMED);
	quoted()[0] = 0x55;
	fix();
	check("version", PARSE_DROP, DROP_ICMP_MALFORMED);
	raw_icmp(6, 1, 4, 0, 48);
	quoted()[0] = 0x75;
	fix();
	check("version, v6", PARSE_DROP, DROP_ICMP_MALFORMED);
}
END_TEST

/* An error about a packet of the other family. */
START_TEST(quote_of_other_family_is_malformed)
{
	uint8_t q[28];

	raw_icmp(4, 3, 3, 0, 28);
	memcpy(q, quoted(), sizeof(q));
	raw_icmp(6, 1, 4, 0, 28);
	memcpy(quoted(), q, sizeof(q));
	fix();
	check("v4 in v6", PARSE_DROP, DROP_ICMP_MALFORMED);
}
END_TEST

START_TEST(error_to_other_than_quoted_sender_is_malformed)
{
	raw_icmp(4, 3, 3, 0, 28);
	raw.d[19]++;
	fix();
	check("v4", PARSE_DROP, DROP_ICMP_MALFORMED);
	raw_icmp(6, 1, 4, 0, 48);
	raw.d[39]++;
	fix();
	check("v6", PARSE_DROP, DROP_ICMP_MALFORMED);
}
END_TEST

START_TEST(martian_addresses_dropped)
{
	raw_icmp(4, 3, 3, 0, 28);
	raw.d[12] = 224;
	fix();
	check("multicast source", PARSE_DROP, DROP_ADDRESS);
	raw_icmp(4, 3, 3, 0, 28);
	raw.d[12] = 127;
	fix();
	check("loopback source", PARSE_DROP, DROP_ADDRESS);
	raw_icmp(4, 3, 3, 0, 28);
	quoted()[16] = 239;
	fix();
	check("quoted multicast", PARSE_DROP, DROP_ADDRESS);

	/* Both mapped: the tuple would be that of an IPv4 flow. */
	raw_icmp(6, 1, 4, 0, 48);
	memset(raw.d + 24, 0, 16);
	memset(raw.d + 34, 0xff, 2);
	memcpy(raw.d + 36, raw_s4, 4);
	memcpy(quoted() + 8, raw.d + 24, 16);
	memcpy(quoted() + 24, raw.d + 24, 16);
	memcpy(quoted() + 36, raw_c4, 4);
	fix();
	check("mapped", PARSE_DROP, DROP_ADDRESS);
}
END_TEST

START_TEST(bad_checksum_is_malformed_unless_known_good)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_icmp(family, family == 4 ? 3 : 1, 3, 0, full_quote(family));
		raw.d[raw.l4 + 5] ^= 1;
		check("bad", PARSE_DROP, DROP_ICMP_MALFORMED);
		ck_assert_int_eq(parse_as(PACKET_CSUM_GOOD), PARSE_ICMP);
	}
}
END_TEST

START_TEST(random_damage_never_leaves_the_packet)
{
	static const uint8_t types[2][4] = {{3, 11, 5, 12}, {1, 2, 3, 4}};
	struct prng r;

	for (uint64_t seed = 1; seed <= 40000; seed++) {
		prng_seed(&r, seed);
		raw_icmp(seed % 2 ? 4 : 6, types[!(seed % 2)][seed / 2 % 4],
			 prng_u32(&r) & 15, prng_u32(&r), prng_below(&r, 120));
		for (uint32_t n = prng_below(&r, 5); n; n--)
			raw.d[prng_below(&r, raw.len)] = (uint8_t)prng_u32(&r);
		raw_fix_ip(&raw);
		(void)parse_as(PACKET_CSUM_GOOD);
	}
}
END_TEST

/* --- built by us --- */

static void built_to_raw(const struct tx *tx)
{
	memcpy(raw.d, tx->hdr, tx->hdr_len);
	raw.len = tx->hdr_len;
	raw.l4 = tx->l4_off;
}

START_TEST(built_error_reads_back)
{
	static const uint8_t types[2][3] = {{3, 4, 0}, {2, 0, 0}};
	static struct raw about;
	struct ipaddr src;
	struct packet p;
	struct tx tx;

	for (uint32_t family = 4; family <= 6; family += 2) {
		const uint8_t *t = types[family == 6];

		memset(&tx, 0xee, sizeof(tx));
		raw_tcp(&about, family, TCP_ACK, "", 0, 3000);
		p = raw_packet(&about);
		src = family == 4 ? ipaddr_v4(router4) : ipaddr_v6(router6);
		ck_assert_int_eq(
			wire_build_icmp(&tx, &p, &src, t[0], t[1], 1400), 0);
		raw_packet_free(&p);
		ck_assert_uint_eq(tx.family, family);
		ck_assert(tx.csum_done);
		ck_assert_uint_eq(tx.payload + tx.niov + tx.gso_size, 0);
		ck_assert_uint_eq(tx.hdr_len,
				  family == 4 ? 20 + 8 + 28 : TX_HDR_MAX);
		built_to_raw(&tx);
		ck_assert_uint_eq(raw_l4_sum(&raw, family == 4 ? 1 : 58),
				  0xffff);
		ck_assert_mem_eq(quoted(), about.d, raw.len - raw.l4 - 8);
		check("ours", PARSE_ICMP, DROP_NONE);
		ck_assert_int_eq(ie.kind, ICMP_K_PTB);
		ck_assert_uint_eq(ie.mtu, 1400);
		ck_assert_uint_eq(ie.seq.v, 0x11223344);
		ck_assert_uint_eq(ie.t.lport, RAW_CPORT);
		ck_assert_uint_eq(ie.t.rport, RAW_SPORT);
	}
}
END_TEST

/* The longest IPv4 header with options still fits. */
START_TEST(built_error_quotes_ip_options)
{
	static struct raw about;
	struct ipaddr src = ipaddr_v4(router4);
	struct packet p;
	struct tx tx;

	raw_tcp(&about, 4, TCP_ACK, "", 0, 10);
	memmove(about.d + 60, about.d + 20, 30);
	memset(about.d + 20, 1, 40);
	about.d[0] = 0x4f;
	about.len += 40;
	put_be16(about.d + 2, (uint16_t)about.len);
	raw_fix_ip(&about);
	p = raw_packet(&about);
	ck_assert_int_eq(wire_build_icmp(&tx, &p, &src, 3, 3, 0), 0);
	raw_packet_free(&p);
	ck_assert_uint_eq(tx.hdr_len, 20 + 8 + 68);
	built_to_raw(&tx);
	check("ours", PARSE_ICMP, DROP_NONE);
	ck_assert_uint_eq(ie.t.lport, RAW_CPORT);
}
END_TEST

START_TEST(unquotable_packet_refused)
{
	static struct raw about;
	struct ipaddr src = ipaddr_v4(router4), src6 = ipaddr_v6(router6);
	struct packet p;
	struct tx tx;

	raw_tcp(&about, 4, TCP_ACK, "", 0, 10);
	p = raw_packet(&about);
	ck_assert_int_eq(wire_build_icmp(&tx, &p, &src6, 3, 3, 0), -EMSGSIZE);
	p.len = 20;
	ck_assert_int_eq(wire_build_icmp(&tx, &p, &src, 3, 3, 0), -EMSGSIZE);
	raw_packet_free(&p);

	raw_ip(&about, 4, 6, 7); /* seven bytes of TCP */
	p = raw_packet(&about);
	ck_assert_int_eq(wire_build_icmp(&tx, &p, &src, 3, 3, 0), -EMSGSIZE);
	raw_packet_free(&p);
}
END_TEST

START_TEST(ports_beyond_the_room_refused)
{
	static struct raw about;
	struct ipaddr src = ipaddr_v6(router6);
	struct packet p;
	struct tx tx;

	for (uint32_t words = 0; words < 8; words++) {
		uint32_t ext = (words + 1) * 8;

		raw_tcp(&about, 6, TCP_ACK, "", 0, 10);
		memmove(about.d + 40 + ext, about.d + 40, 30);
		memset(about.d + 40, 0, ext);
		about.d[6] = 60;
		about.d[40] = 6;
		about.d[41] = (uint8_t)words;
		about.len += ext;
		put_be16(about.d + 4, (uint16_t)(about.len - 40));
		p = raw_packet(&about);
		ck_assert_int_eq(wire_build_icmp(&tx, &p, &src, 1, 4, 0),
				 ext <= 32 ? 0 : -EMSGSIZE);
		raw_packet_free(&p);
		if (ext > 32)
			continue;
		built_to_raw(&tx);
		check("ours", PARSE_ICMP, DROP_NONE);
		ck_assert_uint_eq(ie.t.lport, RAW_CPORT);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("icmp");
	TCase *t = tcase_create("icmp");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, error_is_classified_and_names_our_segment, 0,
			    ARRAY_LEN(kinds));
	tcase_add_test(t, mtu_passed_on_as_the_router_said);
	tcase_add_test(t, mtu_of_other_errors_ignored);
	tcase_add_test(t, foreign_icmp_passes);
	tcase_add_test(t, neighbour_discovery_to_multicast_passes);
	tcase_add_test(t, quote_cut_anywhere_is_malformed);
	tcase_add_test(t, header_cut_is_malformed);
	tcase_add_test(t, longer_quote_is_welcome);
	tcase_add_test(t, rewritten_quote_accepted);
	tcase_add_test(t, quoted_options_and_extensions_skipped);
	tcase_add_test(t, bad_quote_is_malformed);
	tcase_add_test(t, quote_of_other_family_is_malformed);
	tcase_add_test(t, error_to_other_than_quoted_sender_is_malformed);
	tcase_add_test(t, martian_addresses_dropped);
	tcase_add_test(t, bad_checksum_is_malformed_unless_known_good);
	tcase_add_test(t, built_error_reads_back);
	tcase_add_test(t, built_error_quotes_ip_options);
	tcase_add_test(t, unquotable_packet_refused);
	tcase_add_test(t, ports_beyond_the_room_refused);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, random_damage_never_leaves_the_packet);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
