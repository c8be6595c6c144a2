/* SPDX-License-Identifier: MIT */
/* LINKS: wire/parse wire/parse_ip wire/parse_opts wire/icmp wire/csum */
/* LINKS: wire/drop */
/*
 * Hostile and plain packets, one table row each.  A row edits a good packet
 * and names the verdict; checksums are made right again behind the edit, unless
 * the row is about them.
 */
#include <check.h>
#include <stdlib.h>

#include "unit/wire_pkt.h"
#include "util/prng.h"
#include "wire/segment.h"

static struct raw raw;
static struct segment seg;
static struct icmp_error icmp;
static enum drop_reason why;

static enum parse_result parse_as(const struct raw *r, enum packet_csum csum)
{
	struct packet p = raw_packet(r);
	enum parse_result res;

	p.csum = csum;
	memset(&seg, 0xa5, sizeof(seg));
	res = wire_parse(&p, &seg, &icmp, &why);
	/* As an offset: the packet is gone in a moment. */
	if (res == PARSE_SEGMENT)
		seg.data.p = (const uint8_t *)(seg.data.p - p.data);
	raw_packet_free(&p);
	return res;
}

static enum parse_result parse(const struct raw *r)
{
	return parse_as(r, PACKET_CSUM_VERIFY);
}

static void check_verdict(const char *name, enum parse_result got,
			  enum parse_result res, enum drop_reason reason)
{
	ck_assert_msg(got == res && (res == PARSE_SEGMENT || why == reason),
		      "%s: result %d, %s", name, (int)got,
		      drop_reason_name[why]);
}

/* --- plain --- */

START_TEST(plain_segment_parsed_into_host_order)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_tcp(&raw, family, TCP_ACK | TCP_PSH | TCP_AE, "", 0, 100);
		ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
		ck_assert_uint_eq(seg.family, family);
		ck_assert_uint_eq(seg.t.lport, RAW_SPORT);
		ck_assert_uint_eq(seg.t.rport, RAW_CPORT);
		if (family == 4) {
			ck_assert_mem_eq(seg.t.local.b + 12, raw_s4, 4);
			ck_assert_mem_eq(seg.t.remote.b + 12, raw_c4, 4);
			ck_assert(ipaddr_is_v4(&seg.t.local));
		} else {
			ck_assert_mem_eq(seg.t.local.b, raw_s6, 16);
			ck_assert_mem_eq(seg.t.remote.b, raw_c6, 16);
		}
		ck_assert_uint_eq(seg.seq.v, 0x11223344);
		ck_assert_uint_eq(seg.ack.v, 0x55667788);
		ck_assert_uint_eq(seg.flags, TCP_ACK | TCP_PSH | TCP_AE);
		ck_assert_uint_eq(seg.wnd, 0x9abc);
		ck_assert_uint_eq(seg.tos, 2);
		ck_assert_uint_eq(seg.ecn, ECN_ECT0);
		ck_assert_uint_eq(seg.ttl, 61);
		ck_assert_uint_eq(seg.data.len, 100);
		ck_assert_uint_eq((uintptr_t)seg.data.p, raw.l4 + 20);
		ck_assert_uint_eq(seg.opts.has, 0);
		ck_assert_uint_eq(seg.opts.nsack, 0);
		ck_assert_uint_eq(segment_len(&seg), 100);
	}
}
END_TEST

START_TEST(reserved_bits_are_no_flags)
{
	raw_tcp(&raw, 4, 0xe00 | TCP_ACK, "", 0, 1);
	ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
	ck_assert_uint_eq(seg.flags, TCP_ACK);
}
END_TEST

START_TEST(link_padding_is_not_payload)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_tcp(&raw, family, TCP_ACK, "", 0, 3);
		memset(raw.d + raw.len, 0x77, 20);
		raw.len += 20;
		ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
		ck_assert_uint_eq(seg.data.len, 3);
	}
}
END_TEST

START_TEST(payload_is_a_slice_of_the_packets_buffer)
{
	static uint8_t mem[sizeof(struct buf) + 200];
	struct buf *b = (struct buf *)mem;
	struct packet p = {.buf = b, .csum = PACKET_CSUM_VERIFY};

	raw_tcp(&raw, 4, TCP_ACK, "", 0, 50);
	memcpy(b->data + 16, raw.d, raw.len);
	p.data = b->data + 16;
	p.len = p.full_len = raw.len;
	ck_assert_int_eq(wire_parse(&p, &seg, &icmp, &why), PARSE_SEGMENT);
	ck_assert_ptr_eq(seg.data.buf, b);
	ck_assert_ptr_eq(seg.data.p, b->data + 16 + 40);
	ck_assert_uint_eq(b->refs, 0); /* borrowed */
}
END_TEST

/* Row 18: GSO packets of odd sizes, up to the largest. */
START_TEST(gso_packet_of_any_size_parsed)
{
	static const uint32_t pay4[] = {1449,  2896,  2897, 30001,
					65160, 65494, 65495};

	for (uint32_t family = 4; family <= 6; family += 2)
		for (size_t i = 0; i < ARRAY_LEN(pay4); i++) {
			raw_tcp(&raw, family, TCP_ACK, "", 0, pay4[i]);
			ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
			ck_assert_uint_eq(seg.data.len, pay4[i]);
		}
	raw_tcp(&raw, 6, TCP_ACK, "", 0, 65515); /* IPv6 holds 20 more */
	ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
}
END_TEST

/* --- a table of edits: rows 2, 10, 11, 18, 19 of the hostile list --- */

enum at {
	AT_IP,
	AT_L4
};

struct row {
	const char *name;
	uint8_t family; /* 4, 6; 0: both */
	enum at at;
	uint8_t off, n;
	uint8_t bytes[20];
	enum parse_result res;
	enum drop_reason why;
};

#define DROP PARSE_DROP
#define FOREIGN PARSE_FOREIGN
#define PART PARSE_PART
#define SEGMENT PARSE_SEGMENT

static const struct row rows[] = {
	/* the version */
	{"version 0", 0, AT_IP, 0, 1, {0x05}, DROP, DROP_IP_VERSION},
	{"version 5", 0, AT_IP, 0, 1, {0x55}, DROP, DROP_IP_VERSION},
	{"version 15", 0, AT_IP, 0, 1, {0xf5}, DROP, DROP_IP_VERSION},
	/* 2: lengths */
	{"ihl 0", 4, AT_IP, 0, 1, {0x40}, DROP, DROP_IP_HEADER},
	{"ihl 4", 4, AT_IP, 0, 1, {0x44}, DROP, DROP_IP_HEADER},
	{"total length 0", 4, AT_IP, 2, 2, {0, 0}, DROP, DROP_IP_HEADER},
	{"total length 19", 4, AT_IP, 2, 2, {0, 19}, DROP, DROP_IP_HEADER},
	{"total length above the capture",
	 4,
	 AT_IP,
	 2,
	 2,
	 {0, 141},
	 DROP,
	 DROP_IP_HEADER},
	{"total length 65535", 4, AT_IP, 2, 2, {255, 255}, DROP, DROP_IP_HEADER},
	{"total length without tcp",
	 4,
	 AT_IP,
	 2,
	 2,
	 {0, 20},
	 DROP,
	 DROP_TCP_HEADER},
	{"total length with half of tcp",
	 4,
	 AT_IP,
	 2,
	 2,
	 {0, 39},
	 DROP,
	 DROP_TCP_HEADER},
	{"payload length 0: jumbogram",
	 6,
	 AT_IP,
	 4,
	 2,
	 {0, 0},
	 DROP,
	 DROP_IP_HEADER},
	{"payload length above the capture",
	 6,
	 AT_IP,
	 4,
	 2,
	 {0, 121},
	 DROP,
	 DROP_IP_HEADER},
	{"payload length with half of tcp",
	 6,
	 AT_IP,
	 4,
	 2,
	 {0, 19},
	 DROP,
	 DROP_TCP_HEADER},
	/* 2: data offset */
	{"data offset 0", 0, AT_L4, 12, 1, {0x00}, DROP, DROP_TCP_HEADER},
	{"data offset 4", 0, AT_L4, 12, 1, {0x40}, DROP, DROP_TCP_HEADER},
	{"data offset 15 within the packet",
	 0,
	 AT_L4,
	 12,
	 1,
	 {0xf0},
	 SEGMENT,
	 DROP_NONE},
	/* 10: addresses */
	{"source 0.0.0.0", 4, AT_IP, 12, 4, {0}, DROP, DROP_ADDRESS},
	{"source 0.1.2.3", 4, AT_IP, 12, 4, {0, 1, 2, 3}, DROP, DROP_ADDRESS},
	{"source loopback", 4, AT_IP, 12, 4, {127, 0, 0, 1}, DROP, DROP_ADDRESS},
	{"source multicast", 4, AT_IP, 12, 4, {224, 0, 0, 1}, DROP, DROP_ADDRESS},
	{"source broadcast",
	 4,
	 AT_IP,
	 12,
	 4,
	 {255, 255, 255, 255},
	 DROP,
	 DROP_ADDRESS},
	{"destination 0.0.0.0", 4, AT_IP, 16, 4, {0}, DROP, DROP_ADDRESS},
	{"destination loopback",
	 4,
	 AT_IP,
	 16,
	 4,
	 {127, 255, 0, 1},
	 DROP,
	 DROP_ADDRESS},
	{"destination multicast",
	 4,
	 AT_IP,
	 16,
	 4,
	 {239, 255, 255, 255},
	 DROP,
	 DROP_ADDRESS},
	{"destination broadcast",
	 4,
	 AT_IP,
	 16,
	 4,
	 {255, 255, 255, 255},
	 DROP,
	 DROP_ADDRESS},
	{"source of class E, unicast to linux",
	 4,
	 AT_IP,
	 12,
	 4,
	 {240, 0, 0, 1},
	 SEGMENT,
	 DROP_NONE},
	{"source 223.255.255.255",
	 4,
	 AT_IP,
	 12,
	 4,
	 {223, 255, 255, 255},
	 SEGMENT,
	 DROP_NONE},
	{"source ::", 6, AT_IP, 8, 16, {0}, DROP, DROP_ADDRESS},
	{"source ::1", 6, AT_IP, 8, 16, {[15] = 1}, DROP, DROP_ADDRESS},
	{"source ff02::1",
	 6,
	 AT_IP,
	 8,
	 16,
	 {0xff, 2, [15] = 1},
	 DROP,
	 DROP_ADDRESS},
	{"source v4-mapped",
	 6,
	 AT_IP,
	 8,
	 16,
	 {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 7},
	 DROP,
	 DROP_ADDRESS},
	{"destination v4-mapped",
	 6,
	 AT_IP,
	 24,
	 16,
	 {[10] = 0xff, [11] = 0xff, [12] = 198, [15] = 7},
	 DROP,
	 DROP_ADDRESS},
	{"destination ::", 6, AT_IP, 24, 16, {0}, DROP, DROP_ADDRESS},
	{"destination ::1", 6, AT_IP, 24, 16, {[15] = 1}, DROP, DROP_ADDRESS},
	{"destination ff0e::1",
	 6,
	 AT_IP,
	 24,
	 16,
	 {0xff, 0xe, [15] = 1},
	 DROP,
	 DROP_ADDRESS},
	{"source ::2", 6, AT_IP, 8, 16, {[15] = 2}, SEGMENT, DROP_NONE},
	/* 10: ports */
	{"source port 0", 0, AT_L4, 0, 2, {0, 0}, DROP, DROP_PORT_ZERO},
	{"destination port 0", 0, AT_L4, 2, 2, {0, 0}, DROP, DROP_PORT_ZERO},
	/* 11: flags */
	{"null", 0, AT_L4, 13, 1, {0}, DROP, DROP_FLAGS},
	{"psh alone", 0, AT_L4, 13, 1, {TCP_PSH}, DROP, DROP_FLAGS},
	{"urg, ece, cwr", 0, AT_L4, 13, 1, {0xe0}, DROP, DROP_FLAGS},
	{"ae alone", 0, AT_L4, 12, 2, {0x51, 0}, DROP, DROP_FLAGS},
	{"syn, fin", 0, AT_L4, 13, 1, {0x03}, DROP, DROP_FLAGS},
	{"syn, rst", 0, AT_L4, 13, 1, {0x06}, DROP, DROP_FLAGS},
	{"fin, rst", 0, AT_L4, 13, 1, {0x05}, DROP, DROP_FLAGS},
	{"fin, rst, ack", 0, AT_L4, 13, 1, {0x15}, DROP, DROP_FLAGS},
	{"syn, fin, ack", 0, AT_L4, 13, 1, {0x13}, DROP, DROP_FLAGS},
	{"every flag", 0, AT_L4, 12, 2, {0x51, 0xff}, DROP, DROP_FLAGS},
	{"xmas: fin, psh, urg", 0, AT_L4, 13, 1, {0x29}, SEGMENT, DROP_NONE},
	{"fin alone", 0, AT_L4, 13, 1, {TCP_FIN}, SEGMENT, DROP_NONE},
	{"rst alone", 0, AT_L4, 13, 1, {TCP_RST}, SEGMENT, DROP_NONE},
	{"syn, ece, cwr", 0, AT_L4, 13, 1, {0xc2}, SEGMENT, DROP_NONE},
	{"reserved bits", 0, AT_L4, 12, 2, {0x5e, 0x10}, SEGMENT, DROP_NONE},
	/* 3: urgent pointer; the state machine judges it */
	{"urgent pointer 0",
	 0,
	 AT_L4,
	 13,
	 7,
	 {0x30, 1, 0, 0, 0, 0, 0},
	 SEGMENT,
	 DROP_NONE},
	{"urgent pointer past the data",
	 0,
	 AT_L4,
	 13,
	 7,
	 {0x30, 1, 0, 0, 0, 0xff, 0xff},
	 SEGMENT,
	 DROP_NONE},
	{"urgent pointer without urg",
	 0,
	 AT_L4,
	 18,
	 2,
	 {0xff, 0xff},
	 SEGMENT,
	 DROP_NONE},
	/* 19: fragments */
	{"first fragment", 4, AT_IP, 6, 2, {0x20, 0}, PART, DROP_FRAGMENT},
	{"middle fragment", 4, AT_IP, 6, 2, {0x20, 9}, PART, DROP_FRAGMENT},
	{"last fragment", 4, AT_IP, 6, 2, {0, 1}, PART, DROP_FRAGMENT},
	{"fragment with df", 4, AT_IP, 6, 2, {0x60, 0}, PART, DROP_FRAGMENT},
	{"fragment at the far end",
	 4,
	 AT_IP,
	 6,
	 2,
	 {0x1f, 0xff},
	 PART,
	 DROP_FRAGMENT},
	{"reserved bit", 4, AT_IP, 6, 2, {0x80, 0}, SEGMENT, DROP_NONE},
	/* protocols that are not ours */
	{"udp", 4, AT_IP, 9, 1, {17}, FOREIGN, DROP_NOT_TCP},
	{"udp", 6, AT_IP, 6, 1, {17}, FOREIGN, DROP_NOT_TCP},
	{"esp", 6, AT_IP, 6, 1, {50}, FOREIGN, DROP_NOT_TCP},
	{"ah, cut short", 6, AT_IP, 6, 1, {51}, DROP, DROP_IP_EXTENSION},
	{"no next header", 6, AT_IP, 6, 1, {59}, FOREIGN, DROP_NOT_TCP},
	{"no next header, nothing follows",
	 6,
	 AT_IP,
	 4,
	 3,
	 {0, 0, 59},
	 FOREIGN,
	 DROP_NOT_TCP},
	{"icmp in ipv6", 6, AT_IP, 6, 1, {1}, FOREIGN, DROP_NOT_TCP},
	{"icmpv6 in ipv4", 4, AT_IP, 9, 1, {58}, FOREIGN, DROP_NOT_TCP},
};

START_TEST(edited_packet_gets_its_reason)
{
	const struct row *t = &rows[_i];

	for (uint32_t family = 4; family <= 6; family += 2) {
		if (t->family && t->family != family)
			continue;
		raw_tcp(&raw, family, TCP_ACK, "", 0, 100);
		memcpy(raw.d + (t->at == AT_L4 ? raw.l4 : 0) + t->off, t->bytes,
		       t->n);
		raw_fix_ip(&raw);
		raw_fix_l4(&raw, 6);
		check_verdict(t->name, parse(&raw), t->res, t->why);
	}
}
END_TEST

START_TEST(land_packet_dropped_as_address)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		uint32_t at = family == 4 ? 12 : 8, n = family == 4 ? 4 : 16;

		raw_tcp(&raw, family, TCP_SYN, "", 0, 0);
		memcpy(raw.d + at, raw.d + at + n, n);
		raw_fix_ip(&raw);
		raw_fix_l4(&raw, 6);
		/* The same host, other ports: legal. */
		check_verdict("self", parse(&raw), SEGMENT, DROP_NONE);
		put_be16(raw.d + raw.l4, RAW_SPORT);
		raw_fix_l4(&raw, 6);
		check_verdict("land", parse(&raw), DROP, DROP_ADDRESS);
	}
}
END_TEST

START_TEST(data_offset_at_and_beyond_the_end)
{
	for (uint32_t family = 4; family <= 6; family += 2)
		for (uint32_t pay = 0; pay <= 40; pay++) {
			raw_tcp(&raw, family, TCP_ACK, "", 0, pay);
			raw.d[raw.l4 + 12] = 0xf0;
			memset(raw.d + raw.l4 + 20, 1, pay);
			raw_fix_l4(&raw, 6);
			if (pay < 40) {
				check_verdict("beyond", parse(&raw), DROP,
					      DROP_TCP_HEADER);
				continue;
			}
			check_verdict("at", parse(&raw), SEGMENT, DROP_NONE);
			ck_assert_uint_eq(seg.data.len, 0);
		}
}
END_TEST

/* --- 18: checksums and captures --- */

START_TEST(bad_checksum_dropped_unless_known_good)
{
	for (uint32_t family = 4; family <= 6; family += 2)
		for (uint32_t bit = 0; bit < 60 * 8; bit += 7) {
			raw_tcp(&raw, family, TCP_ACK, "", 0, 40);
			/* behind the ports, the offset and the flags alone */
			if (bit / 8 < 4 || bit / 8 == 12 || bit / 8 == 13)
				continue;
			raw.d[raw.l4 + bit / 8] ^= (uint8_t)BIT(bit % 8);
			check_verdict("verify", parse(&raw), DROP,
				      DROP_TCP_CSUM);
			check_verdict("good", parse_as(&raw, PACKET_CSUM_GOOD),
				      SEGMENT, DROP_NONE);
			check_verdict("partial",
				      parse_as(&raw, PACKET_CSUM_PARTIAL),
				      SEGMENT, DROP_NONE);
		}
}
END_TEST

START_TEST(bad_ip_checksum_dropped)
{
	raw_tcp(&raw, 4, TCP_ACK, "", 0, 40);
	raw.d[10] ^= 1;
	check_verdict("ip", parse_as(&raw, PACKET_CSUM_GOOD), DROP,
		      DROP_IP_CSUM);
	raw.d[10] ^= 1;
	raw.d[8]--; /* a hop that forgot it */
	check_verdict("ttl", parse(&raw), DROP, DROP_IP_CSUM);
}
END_TEST

START_TEST(swapped_addresses_fail_the_pseudo_header)
{
	raw_tcp(&raw, 4, TCP_ACK, "", 0, 41);
	raw.d[19]++;
	raw_fix_ip(&raw);
	check_verdict("v4", parse(&raw), DROP, DROP_TCP_CSUM);
	raw_tcp(&raw, 6, TCP_ACK, "", 0, 41);
	raw.d[39]++;
	check_verdict("v6", parse(&raw), DROP, DROP_TCP_CSUM);
}
END_TEST

START_TEST(truncated_capture_dropped)
{
	struct packet p;

	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_tcp(&raw, family, TCP_ACK, "", 0, 40);
		p = raw_packet(&raw);
		p.full_len++;
		check_verdict("short", wire_parse(&p, &seg, &icmp, &why), DROP,
			      DROP_TRUNCATED);
		p.len = 0;
		check_verdict("none", wire_parse(&p, &seg, &icmp, &why), DROP,
			      DROP_TRUNCATED);
		raw_packet_free(&p);
	}
	raw.len = 0;
	check_verdict("empty", parse(&raw), DROP, DROP_TRUNCATED);
}
END_TEST

/* Cut anywhere, with the capture claiming to be whole. */
START_TEST(packet_cut_anywhere_is_no_segment)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_tcp(&raw, family, TCP_ACK, "", 0, 40);
		for (uint32_t len = raw.len; raw.len = --len, len > 0;)
			check_verdict("cut", parse(&raw), DROP, DROP_IP_HEADER);
	}
}
END_TEST

/* What is fetched before a packet is parsed is what will be found in it. */
START_TEST(peek_sees_the_addresses_that_parse_finds)
{
	for (uint32_t family = 4; family <= 6; family += 2) {
		struct packet p;
		struct tuple t;

		raw_tcp(&raw, family, TCP_ACK, "", 0, 40);
		ck_assert_int_eq(parse(&raw), PARSE_SEGMENT);
		p = (struct packet){.data = raw.d, .len = raw.len};
		ck_assert(wire_peek(&p, &t));
		ck_assert(tuple_eq(&t, &seg.t));
		p.len = (family == 4 ? 20 : 40) + 3;
		ck_assert(!wire_peek(&p, &t));
		raw.d[family == 4 ? 9 : 6] = 17; /* UDP */
		p.len = raw.len;
		ck_assert(!wire_peek(&p, &t));
	}
}
END_TEST

/* --- 2: IPv4 options and IPv6 extension headers --- */

START_TEST(ipv4_options_skipped)
{
	for (uint32_t words = 6; words <= 15; words++) {
		uint32_t extra = (words - 5) * 4;

		raw_tcp(&raw, 4, TCP_ACK, "", 0, 10);
		memmove(raw.d + 20 + extra, raw.d + 20, raw.len - 20);
		memset(raw.d + 20, 1, extra);
		raw.d[0] = (uint8_t)(0x40 | words);
		raw.len += extra;
		put_be16(raw.d + 2, (uint16_t)raw.len);
		raw_fix_ip(&raw);
		check_verdict("options", parse(&raw), SEGMENT, DROP_NONE);
		ck_assert_uint_eq(seg.data.len, 10);
		ck_assert_uint_eq((uintptr_t)seg.data.p, 40 + extra);

		/* The header may not be longer than the packet. */
		put_be16(raw.d + 2, (uint16_t)(words * 4 - 1));
		raw_fix_ip(&raw);
		check_verdict("short", parse(&raw), DROP, DROP_IP_HEADER);
	}
}
END_TEST

/* Put @n extension headers of 8 bytes in front of TCP; kinds[i] each. */
static void add_extensions(struct raw *r, const uint8_t *kinds, uint32_t n)
{
	uint8_t *p = r->d + 40;

	memmove(p + 8 * n, p, r->len - 40);
	memset(p, 0, 8 * n);
	for (uint32_t i = 0; i < n; i++) {
		p[8 * i] = i + 1 < n ? kinds[i + 1] : r->d[6];
		p[8 * i + 2] = 1; /* PadN of 4 bytes, or routing type 1 */
		if (kinds[i] != 43)
			p[8 * i + 3] = 4;
	}
	if (n)
		r->d[6] = kinds[0];
	r->l4 += 8 * n;
	r->len += 8 * n;
	put_be16(r->d + 4, (uint16_t)(r->len - 40));
}

static void v6_with(const uint8_t *kinds, uint32_t n)
{
	raw_tcp(&raw, 6, TCP_ACK, "", 0, 10);
	add_extensions(&raw, kinds, n);
}

START_TEST(ipv6_extension_chain_walked)
{
	static const uint8_t eight[] = {0, 60, 43, 60, 60, 60, 60, 60};
	static const uint8_t nine[] = {0, 60, 43, 60, 60, 60, 60, 60, 60};

	for (uint32_t n = 0; n <= 8; n++) {
		v6_with(eight, n);
		check_verdict("chain", parse(&raw), SEGMENT, DROP_NONE);
		ck_assert_uint_eq(seg.data.len, 10);
		ck_assert_uint_eq((uintptr_t)seg.data.p, 60 + 8 * n);
	}
	v6_with(nine, 9);
	check_verdict("nine", parse(&raw), DROP, DROP_IP_EXTENSION);
}
END_TEST

START_TEST(ipv6_hop_by_hop_not_first_dropped)
{
	static const uint8_t late[] = {60, 0}, twice[] = {0, 0};

	v6_with(late, 2);
	check_verdict("late", parse(&raw), DROP, DROP_IP_HEADER);
	v6_with(twice, 2);
	check_verdict("twice", parse(&raw), DROP, DROP_IP_HEADER);
}
END_TEST

/* What is known of a part: addresses, ports, flags. */
static void check_part(const char *name, enum drop_reason reason, bool ports,
		       uint16_t flags)
{
	check_verdict(name, parse(&raw), PARSE_PART, reason);
	ck_assert_msg(seg.t.lport == (ports ? RAW_SPORT : 0) &&
			      seg.t.rport == (ports ? RAW_CPORT : 0) &&
			      seg.flags == flags && !seg.opts.has,
		      "%s: ports %u %u, flags %x", name, seg.t.lport,
		      seg.t.rport, seg.flags);
	ck_assert_int_eq(seg.family == 4, ipaddr_is_v4(&seg.t.local));
}

START_TEST(fragment_of_ipv4_shows_what_it_has)
{
	raw_tcp(&raw, 4, TCP_ACK, "", 0, 20);
	put_be16(raw.d + 6, 0x2000);
	raw_fix_ip(&raw);
	check_part("first", DROP_FRAGMENT, true, TCP_ACK);
	put_be16(raw.d + 2, 20 + 13); /* the flags are the 14th byte */
	raw_fix_ip(&raw);
	check_part("short", DROP_FRAGMENT, true, TCP_SYN);
	put_be16(raw.d + 2, 20 + 3);
	raw_fix_ip(&raw);
	check_part("no ports", DROP_FRAGMENT, false, 0);
	put_be16(raw.d + 2, 20 + 40);
	put_be16(raw.d + 6, 0x2001);
	raw_fix_ip(&raw);
	check_part("later", DROP_FRAGMENT, false, 0);
	raw.d[9] = 1;
	raw_fix_ip(&raw);
	check_verdict("of ICMP", parse(&raw), FOREIGN, DROP_FRAGMENT);
	raw.d[9] = 17;
	raw_fix_ip(&raw);
	check_verdict("of UDP", parse(&raw), FOREIGN, DROP_NOT_TCP);
}
END_TEST

START_TEST(ipv6_fragment_header_is_walked)
{
	static const uint8_t frag[] = {44}, behind[] = {0, 60, 44};

	v6_with(frag, 1); /* an atomic fragment even */
	put_be16(raw.d + 42, 0);
	check_part("atomic", DROP_FRAGMENT, true, TCP_ACK);
	put_be16(raw.d + 42, 0x0008);
	check_part("later", DROP_FRAGMENT, false, 0);
	v6_with(behind, 3);
	put_be16(raw.d + 40 + 18, 0x0001);
	check_part("behind", DROP_FRAGMENT, true, TCP_ACK);
	raw.d[40 + 16] = 17;
	check_verdict("of UDP", parse(&raw), FOREIGN, DROP_NOT_TCP);
	put_be16(raw.d + 40 + 18, 0x0008);
	check_verdict("later, of UDP", parse(&raw), FOREIGN, DROP_NOT_TCP);
}
END_TEST

/* RFC 4302, 2.2: its length counts 4 bytes, less 2. */
START_TEST(ipv6_authentication_header_is_walked)
{
	static const uint8_t auth[] = {51, 60};

	v6_with(auth, 2);
	raw.d[41] = 0;
	check_part("auth", DROP_SIGNED, true, TCP_ACK);
	raw.d[41] = 2;
	raw.d[40] = 6; /* 16 bytes: the ports stand behind the other header */
	check_part("longer", DROP_SIGNED, true, TCP_ACK);
	raw.d[41] = 255;
	check_verdict("too long", parse(&raw), DROP, DROP_IP_EXTENSION);
}
END_TEST

/* An IPv4 segment behind @n authentication headers of 12 bytes. */
static void v4_auth(uint32_t n)
{
	raw_tcp(&raw, 4, TCP_ACK, "", 0, 10);
	for (; n; n--) {
		memmove(raw.d + 32, raw.d + 20, raw.len - 20);
		memset(raw.d + 20, 0, 12);
		raw.d[20] = raw.d[9];
		raw.d[21] = 1;
		raw.d[9] = 51;
		raw.len += 12;
	}
	put_be16(raw.d + 2, (uint16_t)raw.len);
	raw_fix_ip(&raw);
}

START_TEST(ipv4_authentication_header_is_walked)
{
	v4_auth(1);
	check_part("auth", DROP_SIGNED, true, TCP_ACK);
	raw.d[20] = 17;
	check_verdict("of UDP", parse(&raw), FOREIGN, DROP_NOT_TCP);
	raw.d[20] = 6;
	raw.d[21] = 255;
	check_verdict("too long", parse(&raw), DROP, DROP_IP_EXTENSION);
	v4_auth(8);
	check_part("eight", DROP_SIGNED, true, TCP_ACK);
	v4_auth(9);
	check_verdict("nine", parse(&raw), DROP, DROP_IP_EXTENSION);
	v4_auth(1);
	put_be16(raw.d + 6, 0x2000);
	raw_fix_ip(&raw);
	check_part("and a fragment", DROP_IP_EXTENSION, true, TCP_ACK);
	put_be16(raw.d + 6, 0x0008);
	raw_fix_ip(&raw);
	check_verdict("later fragment", parse(&raw), FOREIGN, DROP_NOT_TCP);
}
END_TEST

START_TEST(ipv6_routing_header_with_segments_left_is_a_part)
{
	static const uint8_t rh[] = {43}, two[] = {43, 44};

	v6_with(rh, 1);
	raw.d[43] = 1;
	check_part("left", DROP_IP_EXTENSION, true, TCP_ACK);
	raw.d[40] = 17;
	check_verdict("of UDP", parse(&raw), FOREIGN, DROP_NOT_TCP);
	raw.d[40] = 6;
	raw.d[43] = 0;
	check_verdict("done", parse(&raw), SEGMENT, DROP_NONE);
	v6_with(two, 2);
	raw.d[43] = 1;
	put_be16(raw.d + 50, 1);
	check_part("and a fragment", DROP_IP_EXTENSION, true, TCP_ACK);
}
END_TEST

START_TEST(ipv6_extension_beyond_the_packet_dropped)
{
	static const uint8_t opt[] = {60};

	v6_with(opt, 1);
	raw.d[41] = 255;
	check_verdict("long", parse(&raw), DROP, DROP_IP_EXTENSION);
	raw.d[41] = 4; /* one word past the end: 8 + 20 + 10 < 40 */
	check_verdict("just", parse(&raw), DROP, DROP_IP_EXTENSION);

	v6_with(opt, 1);
	for (raw.len = 41; raw.len < 48; raw.len++) {
		put_be16(raw.d + 4, (uint16_t)(raw.len - 40));
		check_verdict("cut", parse(&raw), DROP, DROP_IP_EXTENSION);
	}
	put_be16(raw.d + 4, 8); /* ends where TCP should begin */
	raw.len = 48;
	check_verdict("empty", parse(&raw), DROP, DROP_TCP_HEADER);
}
END_TEST

/* --- random --- */

/* Nothing leaves the packet; AddressSanitizer watches the block's edges. */
START_TEST(random_damage_never_leaves_the_packet)
{
	static const uint8_t chain[] = {0, 43, 60};
	uint8_t opts[40];
	struct prng r;
	uint32_t end;

	for (uint64_t seed = 1; seed <= 60000; seed++) {
		prng_seed(&r, seed);
		for (size_t i = 0; i < sizeof(opts); i++)
			opts[i] = (uint8_t)prng_below(&r, i % 2 ? 36 : 12);
		raw_tcp(&raw, seed % 2 ? 4 : 6, prng_u32(&r) & 0x1ff, opts,
			4 * prng_below(&r, 11), prng_below(&r, 64));
		if (seed % 4 == 0)
			add_extensions(&raw, chain, 3);
		for (uint32_t n = prng_below(&r, 4); n; n--)
			raw.d[prng_below(&r, raw.len)] = (uint8_t)prng_u32(&r);
		if (seed % 3 == 0)
			raw.len -= prng_below(&r, raw.len);
		raw_fix_ip(&raw);
		if (parse_as(&raw, PACKET_CSUM_GOOD) != PARSE_SEGMENT)
			continue;
		end = (uint32_t)(uintptr_t)seg.data.p + seg.data.len;
		if (end > raw.len || seg.opts.nsack > SACK_BLOCKS_MAX ||
		    seg.opts.tfo_len > TFO_COOKIE_MAX)
			ck_abort_msg("seed %lu", seed);
	}
}
END_TEST

START_TEST(every_drop_reason_has_a_name)
{
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		ck_assert_ptr_nonnull(drop_reason_name[i]);
	ck_assert_str_eq(drop_reason_name[DROP_TCP_CSUM], "tcp_csum");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parse");
	TCase *t = tcase_create("parse");
	SRunner *r;
	int failed;

	tcase_add_test(t, plain_segment_parsed_into_host_order);
	tcase_add_test(t, reserved_bits_are_no_flags);
	tcase_add_test(t, link_padding_is_not_payload);
	tcase_add_test(t, payload_is_a_slice_of_the_packets_buffer);
	tcase_add_test(t, gso_packet_of_any_size_parsed);
	tcase_add_loop_test(t, edited_packet_gets_its_reason, 0,
			    ARRAY_LEN(rows));
	tcase_add_test(t, land_packet_dropped_as_address);
	tcase_add_test(t, data_offset_at_and_beyond_the_end);
	tcase_add_test(t, bad_checksum_dropped_unless_known_good);
	tcase_add_test(t, bad_ip_checksum_dropped);
	tcase_add_test(t, swapped_addresses_fail_the_pseudo_header);
	tcase_add_test(t, truncated_capture_dropped);
	tcase_add_test(t, packet_cut_anywhere_is_no_segment);
	tcase_add_test(t, peek_sees_the_addresses_that_parse_finds);
	tcase_add_test(t, ipv4_options_skipped);
	tcase_add_test(t, ipv6_extension_chain_walked);
	tcase_add_test(t, ipv6_hop_by_hop_not_first_dropped);
	tcase_add_test(t, fragment_of_ipv4_shows_what_it_has);
	tcase_add_test(t, ipv6_fragment_header_is_walked);
	tcase_add_test(t, ipv6_authentication_header_is_walked);
	tcase_add_test(t, ipv4_authentication_header_is_walked);
	tcase_add_test(t, ipv6_routing_header_with_segments_left_is_a_part);
	tcase_add_test(t, ipv6_extension_beyond_the_packet_dropped);
	tcase_add_test(t, every_drop_reason_has_a_name);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, random_damage_never_leaves_the_packet);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
