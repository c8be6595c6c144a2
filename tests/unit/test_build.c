/* SPDX-License-Identifier: MIT */
/* LINKS: wire/build wire/csum wire/answer */
/* LINKS: wire/parse wire/parse_ip wire/parse_opts wire/icmp */
#include <check.h>
#include <stdlib.h>

#include "unit/wire_pkt.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

static struct tuple tuple_of(uint32_t family)
{
	struct tuple t = {.lport = RAW_SPORT, .rport = RAW_CPORT};

	t.local = family == 4 ? ipaddr_v4(raw_s4) : ipaddr_v6(raw_s6);
	t.remote = family == 4 ? ipaddr_v4(raw_c4) : ipaddr_v6(raw_c6);
	return t;
}

static void build(struct tx *tx, uint32_t family, const struct tcp_opts *o,
		  uint32_t flags)
{
	struct tuple t = tuple_of(family);
	struct hdr_spec h = {.t = &t,
			     .opts = o,
			     .flags = (uint16_t)flags,
			     .seq = SEQ(0x01020304),
			     .ack = SEQ(0x05060708),
			     .wnd = 0x1122,
			     .urg = 0x3344,
			     .ip_id = 0xbeef,
			     .flow_label = 0xfabcde,
			     .tos = 0x2a,
			     .ttl = 64,
			     .df = true};

	memset(tx, 0xee, sizeof(*tx));
	wire_build(tx, &h, 0);
}

START_TEST(ipv4_header_byte_for_byte)
{
	static const uint8_t want[] = {
		0x45, 0x2a, 0x00, 0x28, 0xbe, 0xef, 0x40, 0x00, 0x40, 0x06,
		0,    0,    198,  51,	100,  80,   192,  0,	2,    7,
		0x01, 0xbb, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
		0x07, 0x08, 0x51, 0x12, 0x11, 0x22, 0,	  0,	0x33, 0x44,
	};
	uint64_t pseudo;
	struct tx tx;

	build(&tx, 4, NULL, TCP_SYN | TCP_ACK | TCP_AE);
	ck_assert_uint_eq(tx.hdr_len, 40);
	ck_assert_uint_eq(tx.l4_off, 20);
	ck_assert_uint_eq(tx.family, 4);
	ck_assert(!tx.csum_done);
	ck_assert_uint_eq(naive_sum(tx.hdr, 20, 0), 0xffff);
	pseudo = naive_sum(raw_s4, 4, naive_sum(raw_c4, 4, 6 + 20));
	ck_assert_uint_eq(get_be16(tx.hdr + 36), pseudo);
	memset(tx.hdr + 10, 0, 2);
	memset(tx.hdr + 36, 0, 2);
	ck_assert_mem_eq(tx.hdr, want, sizeof(want));
}
END_TEST

START_TEST(ipv6_header_byte_for_byte)
{
	static const uint8_t want[] = {0x62, 0xaa, 0xbc, 0xde,
				       0x00, 0x14, 0x06, 0x40};
	struct tx tx;

	build(&tx, 6, NULL, TCP_ACK);
	ck_assert_uint_eq(tx.hdr_len, 60);
	ck_assert_uint_eq(tx.l4_off, 40);
	ck_assert_uint_eq(tx.family, 6);
	ck_assert_mem_eq(tx.hdr, want, sizeof(want));
	ck_assert_mem_eq(tx.hdr + 8, raw_s6, 16);
	ck_assert_mem_eq(tx.hdr + 24, raw_c6, 16);
	ck_assert_uint_eq(get_be16(tx.hdr + 56),
			  naive_sum(tx.hdr + 8, 32, 6 + 20));
}
END_TEST

START_TEST(payload_counts_in_both_length_fields)
{
	struct tuple t = tuple_of(4);
	struct hdr_spec h = {.t = &t, .flags = TCP_ACK};
	struct tx tx;

	wire_build(&tx, &h, TX_PAYLOAD_MAX);
	ck_assert_uint_eq(get_be16(tx.hdr + 2), 40 + TX_PAYLOAD_MAX);
	ck_assert_uint_eq(get_be16(tx.hdr + 6), 0); /* no DF asked for */
	t = tuple_of(6);
	wire_build(&tx, &h, TX_PAYLOAD_MAX);
	ck_assert_uint_eq(get_be16(tx.hdr + 4), 20 + TX_PAYLOAD_MAX);
}
END_TEST

START_TEST(build_leaves_the_payload_fields_alone)
{
	struct tx tx;

	build(&tx, 4, NULL, TCP_ACK);
	ck_assert_uint_eq(tx.payload, 0xeeeeeeee);
	ck_assert_uint_eq(tx.gso_size, 0xeeee);
	ck_assert_uint_eq(tx.niov, 0xeeee);
}
END_TEST

#define TS_BYTES 0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4
#define COOKIE8 1, 2, 3, 4, 5, 6, 7, 8
#define BLOCK(n) n, 0, 0, 0, n, 0, 0, 9

/* Layouts as Linux writes them (net/ipv4/tcp_output.c). */
static const struct layout {
	const char *name;
	uint32_t has;
	uint8_t nsack, tfo_len;
	bool syn;
	uint8_t len;
	uint8_t want[40];
} layouts[] = {
	{"nothing", 0, 0, 0, true, 0, {0}},
	{"mss", OPT_HAS_MSS, 0, 0, true, 4, {2, 4, 5, 0xb4}},
	{"syn, all",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_TS | OPT_HAS_WSCALE,
	 0,
	 0,
	 true,
	 20,
	 {2, 4, 5, 0xb4, 4, 2, 8, 10, TS_BYTES, 1, 3, 3, 7}},
	{"syn, no timestamps",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_WSCALE,
	 0,
	 0,
	 true,
	 12,
	 {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7}},
	{"syn, no sack",
	 OPT_HAS_MSS | OPT_HAS_TS | OPT_HAS_WSCALE,
	 0,
	 0,
	 true,
	 20,
	 {2, 4, 5, 0xb4, 1, 1, 8, 10, TS_BYTES, 1, 3, 3, 7}},
	{"syn, cookie request",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_WSCALE | OPT_HAS_TFO,
	 0,
	 0,
	 true,
	 16,
	 {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7, 34, 2, 1, 1}},
	{"syn, cookie, uto",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_TS | OPT_HAS_WSCALE |
		 OPT_HAS_TFO | OPT_HAS_UTO,
	 0,
	 8,
	 true,
	 36,
	 {2, 4, 5,  0xb4, 4,	   2, 8, 10, TS_BYTES, 1,    3,
	  3, 7, 34, 10,	  COOKIE8, 1, 1, 28, 4,	       0x80, 5}},
	{"syn, 16 byte cookie leaves no room for uto",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_TS | OPT_HAS_WSCALE |
		 OPT_HAS_TFO | OPT_HAS_UTO,
	 0,
	 16,
	 true,
	 40,
	 {2,  4,  5,	   0xb4, 4,  2,	 8,  10, TS_BYTES, 1,  3,  3, 7,
	  34, 18, COOKIE8, 9,	 10, 11, 12, 13, 14,	   15, 16, 1, 1}},
	{"syn, experimental cookie",
	 OPT_HAS_MSS | OPT_HAS_TFO_EXP,
	 0,
	 8,
	 true,
	 16,
	 {2, 4, 5, 0xb4, 254, 12, 0xf9, 0x89, COOKIE8}},
	{"syn, sack blocks left out",
	 OPT_HAS_MSS,
	 2,
	 0,
	 true,
	 4,
	 {2, 4, 5, 0xb4}},
	{"data, timestamps",
	 OPT_HAS_TS,
	 0,
	 0,
	 false,
	 12,
	 {1, 1, 8, 10, TS_BYTES}},
	{"data, syn options left out",
	 OPT_HAS_MSS | OPT_HAS_SACKOK | OPT_HAS_WSCALE | OPT_HAS_TFO |
		 OPT_HAS_TFO_EXP,
	 0,
	 8,
	 false,
	 0,
	 {0}},
	{"data, timestamps and three blocks",
	 OPT_HAS_TS,
	 4,
	 0,
	 false,
	 40,
	 {1, 1, 8, 10, TS_BYTES, 1, 1, 5, 26, BLOCK(1), BLOCK(2), BLOCK(3)}},
	{"data, four blocks",
	 0,
	 4,
	 0,
	 false,
	 36,
	 {1, 1, 5, 34, BLOCK(1), BLOCK(2), BLOCK(3), BLOCK(4)}},
	{"data, timestamps, uto, two blocks",
	 OPT_HAS_TS | OPT_HAS_UTO,
	 4,
	 0,
	 false,
	 36,
	 {1, 1, 8, 10, TS_BYTES, 1, 1, 5, 18, BLOCK(1), BLOCK(2), 28, 4, 0x80,
	  5}},
	{"signature never", OPT_HAS_SIGNED, 0, 0, false, 0, {0}},
};

START_TEST(options_byte_for_byte_as_linux)
{
	const struct layout *l = &layouts[_i];
	struct tcp_opts o = {.has = (uint8_t)l->has,
			     .nsack = l->nsack,
			     .tfo_len = l->tfo_len,
			     .mss = 1460,
			     .wscale = 7,
			     .uto = 0x8005,
			     .tsval = 0xa1a2a3a4,
			     .tsecr = 0xb1b2b3b4};
	uint32_t flags = l->syn ? TCP_SYN : TCP_ACK, l4;
	struct tx tx;

	for (uint8_t i = 0; i < TFO_COOKIE_MAX; i++)
		o.tfo[i] = (uint8_t)(i + 1);
	for (uint32_t i = 0; i < SACK_BLOCKS_MAX; i++) {
		o.sack[i].start = SEQ((i + 1) << 24);
		o.sack[i].end = SEQ(((i + 1) << 24) + 9);
	}
	for (uint32_t family = 4; family <= 6; family += 2) {
		build(&tx, family, &o, flags);
		l4 = family == 4 ? 20 : 40;
		ck_assert_msg(tx.hdr_len == l4 + 20 + l->len, "%s: %u bytes",
			      l->name, tx.hdr_len - l4 - 20);
		ck_assert_uint_eq(wire_opts_len(&o, l->syn), l->len);
		ck_assert_uint_eq(tx.hdr[l4 + 12] >> 4, (20 + l->len) / 4);
		ck_assert_msg(!memcmp(tx.hdr + l4 + 20, l->want, l->len), "%s",
			      l->name);
		ck_assert_uint_eq(tx.hdr[tx.hdr_len],
				  0xee); /* not a byte more */
	}
}
END_TEST

START_TEST(cookie_length_beyond_the_maximum_is_cut)
{
	struct tcp_opts o = {.has = OPT_HAS_TFO, .tfo_len = 255};
	struct tx tx;

	build(&tx, 4, &o, TCP_SYN);
	ck_assert_uint_eq(wire_opts_len(&o, true), 20);
	ck_assert_uint_eq(tx.hdr[41], 18);
}
END_TEST

START_TEST(no_options_is_no_bytes)
{
	ck_assert_uint_eq(wire_opts_len(NULL, true), 0);
	ck_assert_uint_eq(wire_opts_len(NULL, false), 0);
}
END_TEST

/* --- build, then parse --- */

static void random_opts(struct prng *r, struct tcp_opts *o, bool syn)
{
	memset(o, 0, sizeof(*o));
	o->has = (uint8_t)prng_u32(r) & (uint8_t)~OPT_HAS_SIGNED;
	if (o->has & OPT_HAS_TFO)
		o->has &= (uint8_t)~OPT_HAS_TFO_EXP;
	o->mss = (uint16_t)(1 + prng_below(r, 65535));
	o->wscale = (uint8_t)prng_below(r, 256);
	o->uto = (uint16_t)prng_u32(r);
	o->tsval = prng_u32(r);
	o->tsecr = prng_u32(r);
	o->tfo_len = (uint8_t)(prng_below(r, 3) ? 4 + 2 * prng_below(r, 7) : 0);
	for (uint32_t i = 0; i < o->tfo_len; i++)
		o->tfo[i] = (uint8_t)prng_u32(r);
	if (!syn)
		o->nsack = (uint8_t)prng_below(r, SACK_BLOCKS_MAX + 1);
	for (uint32_t i = 0; i < o->nsack; i++) {
		o->sack[i].start = SEQ(prng_u32(r));
		o->sack[i].end =
			seq_add(o->sack[i].start, 1 + prng_below(r, 1 << 30));
	}
}

/* What of @o can arrive: the kind of segment and 40 bytes decide. */
static void expect_opts(struct tcp_opts *o, bool syn)
{
	uint32_t tfo = 0, room = 40, blocks;

	if (!syn) {
		o->has &= OPT_HAS_TS | OPT_HAS_UTO;
		o->tfo_len = 0;
		o->mss = o->wscale = 0;
		room -= (o->has & OPT_HAS_TS ? 12 : 0) +
			(o->has & OPT_HAS_UTO ? 4 : 0);
		blocks = (room - 4) / 8;
		if (o->nsack > blocks)
			o->nsack = (uint8_t)blocks;
	} else {
		if (o->has & OPT_HAS_TFO)
			tfo = (2u + o->tfo_len + 3) & ~3u;
		else if (o->has & OPT_HAS_TFO_EXP)
			tfo = (4u + o->tfo_len + 3) & ~3u;
		else
			o->tfo_len = 0;
		room -= (o->has & OPT_HAS_MSS ? 4 : 0) +
			(o->has & OPT_HAS_TS	   ? 12
			 : o->has & OPT_HAS_SACKOK ? 4
						   : 0) +
			(o->has & OPT_HAS_WSCALE ? 4 : 0) + tfo;
		if (room < 4)
			o->has &= (uint8_t)~OPT_HAS_UTO;
	}
	if (!(o->has & OPT_HAS_MSS))
		o->mss = 0;
	if (!(o->has & OPT_HAS_WSCALE))
		o->wscale = 0;
	if (!(o->has & OPT_HAS_UTO))
		o->uto = 0;
	if (!(o->has & OPT_HAS_TS))
		o->tsval = o->tsecr = 0;
	memset(o->tfo + o->tfo_len, 0, sizeof(o->tfo) - o->tfo_len);
	memset(o->sack + o->nsack, 0,
	       (SACK_BLOCKS_MAX - o->nsack) * sizeof(o->sack[0]));
}

static uint32_t roundtrip(struct prng *r, uint32_t family)
{
	static const uint16_t flags[] = {TCP_SYN,
					 TCP_SYN | TCP_ACK,
					 TCP_ACK,
					 TCP_ACK | TCP_PSH | TCP_FIN,
					 TCP_RST,
					 TCP_ACK | TCP_URG | TCP_AE,
					 TCP_ACK | TCP_ECE | TCP_CWR};
	struct hdr_spec h = {.flags = flags[prng_below(r, 7)]};
	bool syn = (h.flags & TCP_SYN) != 0;
	uint32_t len = prng_below(r, 1400), bad = 0;
	struct tuple t = tuple_of(family);
	enum drop_reason why;
	struct icmp_error ie;
	static struct raw raw;
	struct segment s;
	struct packet p;
	struct tcp_opts o;
	struct tx tx;

	random_opts(r, &o, syn);
	h.t = &t;
	h.opts = &o;
	h.seq = SEQ(prng_u32(r));
	h.ack = SEQ(prng_u32(r));
	h.wnd = (uint16_t)prng_u32(r);
	h.urg = (uint16_t)prng_u32(r);
	h.tos = (uint8_t)prng_u32(r);
	h.ttl = (uint8_t)prng_u32(r);
	wire_build(&tx, &h, len);
	raw.len = tx.hdr_len + len;
	tx.niov = len ? 1 : 0;
	tx.iov[0] = (struct iovec){raw.d + tx.hdr_len, len};
	wire_csum_finish(&tx);
	memcpy(raw.d, tx.hdr, tx.hdr_len);
	p = raw_packet(&raw);
	memset(&s, 0, sizeof(s));
	if (wire_parse(&p, &s, &ie, &why) != PARSE_SEGMENT) {
		raw_packet_free(&p);
		return 1;
	}
	expect_opts(&o, syn);
	bad += memcmp(&o, &s.opts, sizeof(o)) != 0;
	bad += !ipaddr_eq(&s.t.local, &t.remote) || s.t.lport != t.rport;
	bad += !ipaddr_eq(&s.t.remote, &t.local) || s.t.rport != t.lport;
	bad += s.seq.v != h.seq.v || s.ack.v != h.ack.v || s.flags != h.flags;
	bad += s.wnd != h.wnd || s.urg != h.urg || s.family != family;
	bad += s.tos != h.tos || s.ecn != (h.tos & 3) || s.ttl != h.ttl;
	bad += s.data.len != len || s.data.p != p.data + tx.hdr_len;
	raw_packet_free(&p);
	return bad;
}

START_TEST(random_segment_survives_build_and_parse)
{
	struct prng r;

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		prng_seed(&r, seed);
		if (roundtrip(&r, seed % 2 ? 4 : 6) != 0)
			ck_abort_msg("seed %lu", seed);
	}
}
END_TEST

/* RFC 9293, 3.10.7.1 */
START_TEST(reset_answers_by_what_the_segment_has)
{
	struct segment s = {.t = tuple_of(4),
			    .seq = SEQ(1000),
			    .ack = SEQ(7000),
			    .data.len = 20,
			    .flags = TCP_ACK | TCP_FIN};
	const uint8_t *tcp;
	struct tx tx;

	memset(&tx, 0xee, sizeof(tx));
	answer_rst(&tx, &s);
	tcp = tx.hdr + tx.l4_off;
	ck_assert_uint_eq(tx.payload + tx.niov + tx.gso_size, 0);
	ck_assert_uint_eq(get_be32(tcp + 4), 7000);
	ck_assert_uint_eq(get_be32(tcp + 8), 0);
	ck_assert_uint_eq(tcp[13], TCP_RST);
	s.flags = TCP_FIN;
	answer_rst(&tx, &s);
	ck_assert_uint_eq(get_be32(tcp + 4), 0);
	ck_assert_uint_eq(get_be32(tcp + 8), 1021); /* its FIN counts */
	ck_assert_uint_eq(tcp[13], TCP_RST | TCP_ACK);
}
END_TEST

START_TEST(syn_ack_answers_the_syn)
{
	struct segment s = {
		.t = tuple_of(6), .seq = SEQ(UINT32_MAX), .flags = TCP_SYN};
	struct tcp_opts o = {.has = OPT_HAS_MSS, .mss = 1440};
	const uint8_t *tcp;
	struct tx tx;

	answer_syn_ack(&tx, &s, SEQ(5), 64240, true, &o);
	tcp = tx.hdr + tx.l4_off;
	ck_assert_uint_eq(get_be32(tcp + 4), 5);
	ck_assert_uint_eq(get_be32(tcp + 8), 0);
	ck_assert_uint_eq(tcp[13], TCP_SYN | TCP_ACK | TCP_ECE);
	ck_assert_uint_eq(get_be16(tcp + 14), 64240);
	ck_assert_uint_eq(get_be16(tcp + 22), 1440);
	ck_assert_uint_eq(get_be32(tx.hdr) & 0xfffff, wire_flow_label(SEQ(5)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("build");
	TCase *t = tcase_create("build");
	SRunner *r;
	int failed;

	tcase_add_test(t, ipv4_header_byte_for_byte);
	tcase_add_test(t, ipv6_header_byte_for_byte);
	tcase_add_test(t, payload_counts_in_both_length_fields);
	tcase_add_test(t, build_leaves_the_payload_fields_alone);
	tcase_add_loop_test(t, options_byte_for_byte_as_linux, 0,
			    ARRAY_LEN(layouts));
	tcase_add_test(t, cookie_length_beyond_the_maximum_is_cut);
	tcase_add_test(t, no_options_is_no_bytes);
	tcase_add_test(t, reset_answers_by_what_the_segment_has);
	tcase_add_test(t, syn_ack_answers_the_syn);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, random_segment_survives_build_and_parse);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
