/* SPDX-License-Identifier: MIT */
/* LINKS: wire/parse wire/parse_ip wire/parse_opts wire/icmp wire/csum */
/* LINKS: wire/drop */
/*
 * Option lists, hostile and plain: rows 1 and 5 of the hostile list.
 */
#include <check.h>
#include <stdlib.h>

#include "unit/wire_pkt.h"
#include "wire/segment.h"

static struct raw raw;
static struct segment seg;
static enum drop_reason why;

static enum parse_result parse_opts(const void *opts, uint32_t len,
				    uint32_t flags)
{
	enum parse_result res = PARSE_DROP;
	struct icmp_error icmp;
	struct packet p;

	/* The list ends where the packet ends: a sanitizer sees an overrun. */
	for (uint32_t family = 4; family <= 6; family += 2) {
		raw_tcp(&raw, family, flags, opts, len, 0);
		p = raw_packet(&raw);
		memset(&seg, 0xa5, sizeof(seg));
		res = wire_parse(&p, &seg, &icmp, &why);
		raw_packet_free(&p);
	}
	return res;
}

/* What an option list says in a SYN and in another segment. */
struct row {
	const char *name;
	uint8_t len;
	uint8_t opts[40];
	uint32_t syn_has, data_has;
	uint8_t nsack; /* in a segment without SYN */
	uint16_t mss;
	uint8_t wscale, tfo_len;
};

#define MSS OPT_HAS_MSS
#define WS OPT_HAS_WSCALE
#define SOK OPT_HAS_SACKOK
#define TS OPT_HAS_TS
#define UTO OPT_HAS_UTO
#define TFO OPT_HAS_TFO
#define TFOX OPT_HAS_TFO_EXP
#define SIG OPT_HAS_SIGNED
#define NOP4 1, 1, 1, 1
#define TSOPT 8, 10, 0, 0, 0, 1, 0, 0, 0, 2

static const struct row rows[] = {
	{.name = "linux syn",
	 .len = 20,
	 .opts = {2, 4, 5, 0xb4, 4, 2, TSOPT, 1, 3, 3, 7},
	 .syn_has = MSS | SOK | TS | WS,
	 .data_has = TS,
	 .mss = 1460,
	 .wscale = 7},
	{.name = "none", .len = 0, .opts = {0}},
	{.name = "eol ends the list",
	 .len = 8,
	 .opts = {0, 0, 0, 0, 2, 4, 5, 0xb4}},
	{.name = "nop flood",
	 .len = 40,
	 .opts = {NOP4, NOP4, NOP4, NOP4, NOP4, NOP4, NOP4, NOP4, NOP4, NOP4}},
	{.name = "nops, then mss",
	 .len = 8,
	 .opts = {NOP4, 2, 4, 0, 100},
	 .syn_has = MSS,
	 .mss = 100},
	/* 1: lengths */
	{.name = "length 0", .len = 4, .opts = {2, 0, 5, 0xb4}},
	{.name = "length 1", .len = 4, .opts = {2, 1, 1, 1}},
	{.name = "length beyond the header", .len = 4, .opts = {2, 5, 5, 0xb4}},
	{.name = "length 255", .len = 4, .opts = {99, 255, 5, 0xb4}},
	{.name = "kind without length at the end",
	 .len = 4,
	 .opts = {1, 1, 1, 2}},
	{.name = "timestamps cut", .len = 8, .opts = {8, 10, 0, 0, 0, 1, 0, 0}},
	{.name = "what stood before the break counts",
	 .len = 16,
	 .opts = {TSOPT, 1, 1, 2, 0, 5, 0xb4},
	 .syn_has = TS,
	 .data_has = TS},
	{.name = "unknown kinds skipped",
	 .len = 12,
	 .opts = {77, 3, 9, 200, 5, 1, 2, 3, 2, 4, 5, 0xb4},
	 .syn_has = MSS,
	 .mss = 1460},
	{.name = "unknown kind of 40 bytes", .len = 40, .opts = {77, 40}},
	{.name = "repeated: the last counts",
	 .len = 16,
	 .opts = {2, 4, 0, 100, 3, 3, 2, 1, 2, 4, 0, 200, 3, 3, 9, 1},
	 .syn_has = MSS | WS,
	 .mss = 200,
	 .wscale = 9},
	{.name = "repeated with a wrong length: the good one counts",
	 .len = 12,
	 .opts = {2, 4, 0, 100, 2, 5, 1, 1, 1, 3, 4, 5},
	 .syn_has = MSS,
	 .mss = 100},
	/* lengths wrong for the kind: not that option */
	{.name = "mss of 3", .len = 4, .opts = {2, 3, 5, 1}},
	{.name = "mss of 6", .len = 8, .opts = {2, 6, 5, 0xb4, 0, 0, 1, 1}},
	{.name = "wscale of 2", .len = 4, .opts = {3, 2, 1, 1}},
	{.name = "wscale of 4", .len = 4, .opts = {3, 4, 7, 7}},
	{.name = "sackok of 3", .len = 4, .opts = {4, 3, 0, 1}},
	{.name = "timestamps of 9",
	 .len = 12,
	 .opts = {8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1}},
	{.name = "timestamps of 12",
	 .len = 12,
	 .opts = {8, 12, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1}},
	/* 5: values */
	{.name = "mss 0 is none", .len = 4, .opts = {2, 4, 0, 0}},
	{.name = "mss 1",
	 .len = 4,
	 .opts = {2, 4, 0, 1},
	 .syn_has = MSS,
	 .mss = 1},
	{.name = "mss 48",
	 .len = 4,
	 .opts = {2, 4, 0, 48},
	 .syn_has = MSS,
	 .mss = 48},
	{.name = "mss 65535",
	 .len = 4,
	 .opts = {2, 4, 255, 255},
	 .syn_has = MSS,
	 .mss = 65535},
	{.name = "wscale 14",
	 .len = 4,
	 .opts = {3, 3, 14, 1},
	 .syn_has = WS,
	 .wscale = 14},
	{.name = "wscale 15, as sent",
	 .len = 4,
	 .opts = {3, 3, 15, 1},
	 .syn_has = WS,
	 .wscale = 15},
	{.name = "wscale 255, as sent",
	 .len = 4,
	 .opts = {3, 3, 255, 1},
	 .syn_has = WS,
	 .wscale = 255},
	{.name = "timestamps zero",
	 .len = 12,
	 .opts = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0},
	 .syn_has = TS,
	 .data_has = TS},
	/* SACK */
	{.name = "sack, one block",
	 .len = 12,
	 .opts = {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2},
	 .nsack = 1},
	{.name = "sack, four blocks",
	 .len = 36,
	 .opts = {1, 1, 5, 34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0,
		  0, 4, 0, 0,  0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8},
	 .nsack = 4},
	{.name = "sack across the wrap",
	 .len = 12,
	 .opts = {1, 1, 5, 10, 255, 255, 255, 0, 0, 0, 0, 2},
	 .nsack = 1},
	{.name = "sack inverted",
	 .len = 12,
	 .opts = {1, 1, 5, 10, 0, 0, 0, 2, 0, 0, 0, 1}},
	{.name = "sack empty block",
	 .len = 12,
	 .opts = {1, 1, 5, 10, 0, 0, 0, 2, 0, 0, 0, 2}},
	{.name = "sack, one of two inverted",
	 .len = 20,
	 .opts = {1, 1, 5, 18, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 9},
	 .nsack = 1},
	{.name = "sack, then one without blocks",
	 .len = 16,
	 .opts = {5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 2, 1, 1, 1, 1},
	 .nsack = 1},
	{.name = "sack without blocks", .len = 4, .opts = {1, 1, 5, 2}},
	{.name = "sack of 9",
	 .len = 12,
	 .opts = {1, 5, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1}},
	{.name = "sack of 14",
	 .len = 16,
	 .opts = {1, 1, 5, 14, 0, 0, 0, 1, 0, 0, 0, 2}},
	{.name = "sack repeated: the last counts",
	 .len = 32,
	 .opts = {1, 1, 5, 18, 0, 0, 0, 1,  0, 0, 0, 2, 0, 0, 0, 3,
		  0, 0, 0, 4,  1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 10},
	 .nsack = 1},
	/* user timeout, signatures */
	{.name = "uto",
	 .len = 4,
	 .opts = {28, 4, 0x80, 5},
	 .syn_has = UTO,
	 .data_has = UTO},
	{.name = "uto of 3", .len = 4, .opts = {28, 3, 0, 1}},
	{.name = "md5",
	 .len = 20,
	 .opts = {1, 1, 19, 18},
	 .syn_has = SIG,
	 .data_has = SIG},
	{.name = "md5 of 16", .len = 16, .opts = {19, 16}},
	{.name = "ao",
	 .len = 16,
	 .opts = {29, 16, 1, 1},
	 .syn_has = SIG,
	 .data_has = SIG},
	{.name = "ao of 4",
	 .len = 4,
	 .opts = {29, 4, 1, 1},
	 .syn_has = SIG,
	 .data_has = SIG},
	{.name = "ao of 3", .len = 4, .opts = {29, 3, 1, 1}},
	/* Fast Open */
	{.name = "tfo request", .len = 4, .opts = {34, 2, 1, 1}, .syn_has = TFO},
	{.name = "tfo, 4 bytes",
	 .len = 8,
	 .opts = {34, 6, 1, 2, 3, 4, 1, 1},
	 .syn_has = TFO,
	 .tfo_len = 4},
	{.name = "tfo, 8 bytes",
	 .len = 12,
	 .opts = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1},
	 .syn_has = TFO,
	 .tfo_len = 8},
	{.name = "tfo, 16 bytes",
	 .len = 20,
	 .opts = {34, 18, 1, 2, 3, 4, 5, 6, 7, 8, [18] = 1, [19] = 1},
	 .syn_has = TFO,
	 .tfo_len = 16},
	{.name = "tfo, 2 bytes", .len = 4, .opts = {34, 4, 1, 2}},
	{.name = "tfo, 18 bytes", .len = 20, .opts = {34, 20, 1, 2}},
	{.name = "tfo, 5 bytes", .len = 8, .opts = {34, 7, 1, 2, 3, 4, 5, 1}},
	{.name = "tfo, then a cookie of impossible length",
	 .len = 16,
	 .opts = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 34, 4, 1, 2, 1, 1}},
	{.name = "tfo experimental request",
	 .len = 4,
	 .opts = {254, 4, 0xf9, 0x89},
	 .syn_has = TFOX},
	{.name = "tfo experimental, 8 bytes",
	 .len = 12,
	 .opts = {254, 12, 0xf9, 0x89, 1, 2, 3, 4, 5, 6, 7, 8},
	 .syn_has = TFOX,
	 .tfo_len = 8},
	{.name = "another experiment", .len = 4, .opts = {254, 4, 0xf9, 0x88}},
	{.name = "experiment of 2 at the end", .len = 4, .opts = {1, 1, 254, 2}},
	{.name = "experiment without a number",
	 .len = 4,
	 .opts = {254, 3, 0xf9, 1}},
	{.name = "tfo, both kinds: the last counts",
	 .len = 16,
	 .opts = {34, 6, 1, 2, 3, 4, 254, 4, 0xf9, 0x89, NOP4, 1, 1},
	 .syn_has = TFOX},
};

START_TEST(option_list_says_what_it_says)
{
	const struct row *t = &rows[_i];
	enum parse_result res;

	res = parse_opts(t->opts, t->len, TCP_ACK);
	ck_assert_msg(res == PARSE_SEGMENT, "%s: ack: %s", t->name,
		      drop_reason_name[why]);
	ck_assert_msg(seg.opts.has == t->data_has, "%s: ack has %x", t->name,
		      seg.opts.has);
	ck_assert_msg(seg.opts.nsack == t->nsack, "%s: %u blocks", t->name,
		      seg.opts.nsack);
	ck_assert_uint_eq(seg.opts.mss, 0);
	ck_assert_uint_eq(seg.opts.wscale, 0);

	res = parse_opts(t->opts, t->len, TCP_SYN);
	ck_assert_msg(res == PARSE_SEGMENT, "%s: syn", t->name);
	ck_assert_msg(seg.opts.has == t->syn_has, "%s: syn has %x", t->name,
		      seg.opts.has);
	ck_assert_uint_eq(seg.opts.nsack, 0);
	ck_assert_uint_eq(seg.opts.mss, t->mss);
	ck_assert_uint_eq(seg.opts.wscale, t->wscale);
	ck_assert_msg(seg.opts.tfo_len == t->tfo_len, "%s: cookie of %u",
		      t->name, seg.opts.tfo_len);
	for (uint32_t i = 0; i < min_u32(t->tfo_len, 8); i++)
		ck_assert_uint_eq(seg.opts.tfo[i], i + 1);
}
END_TEST

START_TEST(timestamps_read_in_network_order)
{
	static const uint8_t o[] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};

	ck_assert_int_eq(parse_opts(o, sizeof(o), TCP_ACK), PARSE_SEGMENT);
	ck_assert_uint_eq(seg.opts.tsval, 0x01020304);
	ck_assert_uint_eq(seg.opts.tsecr, 0x05060708);
}
END_TEST

START_TEST(sack_blocks_keep_their_order)
{
	static const uint8_t o[] = {1, 1, 5, 18, 0, 0, 0, 9, 0, 0,
				    1, 0, 0, 0,	 0, 1, 0, 0, 0, 2};

	ck_assert_int_eq(parse_opts(o, sizeof(o), TCP_ACK), PARSE_SEGMENT);
	ck_assert_uint_eq(seg.opts.nsack, 2);
	ck_assert_uint_eq(seg.opts.sack[0].start.v, 9);
	ck_assert_uint_eq(seg.opts.sack[0].end.v, 256);
	ck_assert_uint_eq(seg.opts.sack[1].start.v, 1);
	ck_assert_uint_eq(seg.opts.sack[1].end.v, 2);
}
END_TEST

START_TEST(user_timeout_read_as_sent)
{
	static const uint8_t o[] = {28, 4, 0x80, 5};

	ck_assert_int_eq(parse_opts(o, sizeof(o), TCP_ACK), PARSE_SEGMENT);
	ck_assert_uint_eq(seg.opts.uto, 0x8005);
}
END_TEST

/* Also with ACK a SYN is a SYN. */
START_TEST(syn_ack_keeps_syn_options)
{
	static const uint8_t o[] = {2, 4, 5, 0xb4, 1, 1, 4, 2};

	ck_assert_int_eq(parse_opts(o, sizeof(o), TCP_SYN | TCP_ACK),
			 PARSE_SEGMENT);
	ck_assert_uint_eq(seg.opts.has, MSS | SOK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("parse_opts");
	TCase *t = tcase_create("parse_opts");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, option_list_says_what_it_says, 0,
			    ARRAY_LEN(rows));
	tcase_add_test(t, timestamps_read_in_network_order);
	tcase_add_test(t, sack_blocks_keep_their_order);
	tcase_add_test(t, user_timeout_read_as_sent);
	tcase_add_test(t, syn_ack_keeps_syn_options);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
