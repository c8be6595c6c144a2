/* SPDX-License-Identifier: MIT */
/*
 * Hostile packets and full tables, against a whole engine.
 *
 * One test for each row of docs/HOSTILE.md that concerns packets or tables;
 * rows that concern one leg are in hostile_leg.c.  Each asserts the drop
 * reason, the answers sent and the memory held.
 */
#include <stdlib.h>

#include "../unit/wire_pkt.h"
#include "fault/told.h"
#include "gate.h"

#define POOL (16u << 20)
#define SEC INT64_C(1000000)

static struct gate g;
static struct raw raw;

static void setup(void)
{
	gate_init(&g, POOL);
}

static void teardown(void)
{
	gate_fini(&g);
}

/* raw's packet goes in: @why is counted, nothing is answered or kept. */
static void ck_refused(const char *why)
{
	uint64_t before = gate_counter(&g, why), sent = g.ntx;

	ck_assert_int_eq(gate_raw(&g, raw.d, raw.len, raw.len),
			 VERDICT_CONSUMED);
	ck_assert_msg(gate_counter(&g, why) == before + 1, "not %s", why);
	ck_assert_uint_eq(g.ntx, sent);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}

/* Row 1: option length 0, 1, beyond the header: the list ends there, as for
 * Linux, and what came before it counts. */
START_TEST(row_01_broken_option_lists_open_one_half_connection)
{
	static const uint8_t bad[][8] = {
		{2, 0, 5, 180},
		{2, 1, 5, 180},
		{2, 5, 5, 180, 253, 255},
		{253, 255, 0, 0},
		{1, 1, 1, 1, 1, 1, 1, 2},
		{8, 10, 0, 0},
		{4, 2, 1, 1, 77, 0, 0xff, 0},
		{77, 1, 0, 0, 4, 2, 1, 1},
	};

	gate_start(&g);
	for (uint32_t i = 0; i < ARRAY_LEN(bad); i++) {
		raw_tcp(&raw, 4, TCP_SYN, bad[i], 8, 0);
		put_be16(raw.d + raw.l4, (uint16_t)(5000 + i));
		raw_fix_l4(&raw, 6);
		gate_raw(&g, raw.d, raw.len, raw.len);
		ck_assert_uint_eq(g.ntx, i + 1);
		ck_assert_uint_eq(g.tx[i].flags, TCP_SYN | TCP_ACK);
		ck_assert_int_eq(!!(g.tx[i].opts.has & OPT_HAS_SACKOK), i == 6);
		ck_assert(!(g.tx[i].opts.has & OPT_HAS_TS));
	}
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 1: unknown and repeated options, NOP floods: harmless. */
START_TEST(row_01_strange_option_lists_open_one_half_connection)
{
	static uint8_t opt[3][40];

	memset(opt[0], 1, 40);		     /* 40 NOPs */
	for (uint32_t i = 0; i < 40; i += 4) /* ten MSS options */
		memcpy(opt[1] + i, (uint8_t[]){2, 4, 5, 180}, 4);
	for (uint32_t i = 0; i < 40; i += 2) /* twenty unknown ones */
		memcpy(opt[2] + i, (uint8_t[]){77, 2}, 2);
	gate_start(&g);
	for (uint32_t i = 0; i < 3; i++) {
		raw_tcp(&raw, 4, TCP_SYN, opt[i], 40, 0);
		put_be16(raw.d + raw.l4, (uint16_t)(5000 + i));
		raw_fix_l4(&raw, 6);
		gate_raw(&g, raw.d, raw.len, raw.len);
		ck_assert_uint_eq(g.ntx, i + 1);
		ck_assert_uint_eq(g.tx[i].flags, TCP_SYN | TCP_ACK);
	}
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 2: lengths that contradict each other. */
START_TEST(row_02_impossible_lengths_are_refused)
{
	gate_start(&g);
	for (uint32_t doff = 0; doff < 16; doff++) {
		if (doff == 5)
			continue;
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
		raw.d[raw.l4 + 12] = (uint8_t)(doff << 4);
		raw_fix_l4(&raw, 6);
		ck_refused("drop_tcp_header");
	}
	for (uint32_t len = 0; len < 20; len++) { /* IP total length */
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
		put_be16(raw.d + 2, (uint16_t)len);
		raw_fix_ip(&raw);
		ck_refused("drop_ip_header");
	}
	for (uint32_t ihl = 0; ihl < 5; ihl++) {
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
		raw.d[0] = (uint8_t)(0x40 | ihl);
		ck_refused("drop_ip_header");
	}
	for (uint32_t v = 0; v < 16; v++) {
		if (v == 4 || v == 6)
			continue;
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
		raw.d[0] = (uint8_t)(v << 4 | 5);
		ck_refused("drop_ip_version");
	}
}
END_TEST

/* Row 2: an extension chain longer than any honest one. */
START_TEST(row_02_endless_ipv6_extension_chain_is_refused)
{
	uint8_t *p;

	gate_start(&g);
	raw_ip(&raw, 6, 60, 4000); /* destination options, for ever */
	p = raw.d + 40;
	for (uint32_t i = 0; i < 4000; i += 8) {
		memset(p + i, 0, 8);
		p[i] = 60;
	}
	ck_refused("drop_ip_extension");
}
END_TEST

/* Row 10: LAND, multicast, broadcast, martians, port 0. */
START_TEST(row_10_impossible_addresses_are_refused)
{
	static const uint8_t bad[][4] = {
		{0, 0, 0, 0},	  {127, 0, 0, 1},	{224, 0, 0, 1},
		{239, 255, 1, 1}, {255, 255, 255, 255},
	};

	gate_start(&g);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (uint32_t at = 12; at <= 16; at += 4) {
			raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
			memcpy(raw.d + at, bad[i], 4);
			raw_fix_ip(&raw);
			raw_fix_l4(&raw, 6);
			ck_refused("drop_address");
		}
	}
	raw_tcp(&raw, 4, TCP_SYN, "", 0, 0); /* LAND */
	memcpy(raw.d + 12, raw.d + 16, 4);
	put_be16(raw.d + raw.l4, RAW_SPORT);
	raw_fix_ip(&raw);
	raw_fix_l4(&raw, 6);
	ck_refused("drop_address");
	for (uint32_t at = 0; at <= 2; at += 2) {
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 0);
		put_be16(raw.d + raw.l4 + at, 0);
		raw_fix_l4(&raw, 6);
		ck_refused("drop_port_zero");
	}
}
END_TEST

/* Row 11: all flag sets, without a connection: at most one RST each. */
START_TEST(row_11_every_flag_set_without_a_connection_is_harmless)
{
	uint64_t before;

	g.svc->syncookies = 2; /* a SYN leaves nothing behind */
	gate_start(&g);
	for (uint32_t f = 0; f < 512; f++) {
		uint32_t sfr = f & (TCP_SYN | TCP_FIN | TCP_RST);
		bool senseless = sfr & (sfr - 1) ||
				 !(f & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN));

		raw_tcp(&raw, 4, f, "", 0, f & TCP_PSH ? 30 : 0);
		before = g.ntx;
		if (senseless) {
			ck_refused("drop_flags");
			continue;
		}
		gate_raw(&g, raw.d, raw.len, raw.len);
		ck_assert_uint_le(g.ntx, before + 1);
		if (f & TCP_RST)
			ck_assert_uint_eq(g.ntx, before);
		ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	}
}
END_TEST

/* Row 11: SYN+FIN, SYN+RST, null and xmas inside a connection. */
START_TEST(row_11_senseless_flags_do_not_touch_a_connection)
{
	static const uint16_t flags[] = {
		TCP_SYN | TCP_FIN,
		TCP_SYN | TCP_RST | TCP_ACK,
		TCP_FIN | TCP_RST | TCP_ACK,
		0,
		TCP_FIN | TCP_PSH | TCP_URG, /* xmas: a FIN without ACK */
		TCP_PSH,
	};
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct hdr_spec h = {.seq = c.cseq,
				     .ack = c.cack,
				     .flags = flags[i],
				     .wnd = 100};

		gate_send(&g, &c.t, &h, 10);
	}
	ck_assert_uint_eq(gate_counter(&g, "drop_flags"), 5);
	ck_assert_uint_eq(gate_counter(&g, "drop_no_ack"), 1);
	ck_assert_uint_eq(g.ntx, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
	gate_from_client(&g, &c, 10);
	ck_assert_uint_ge(g.ntx, 1); /* it lives */
}
END_TEST

/* Row 12: data on a SYN without a valid cookie is not taken. */
START_TEST(row_12_data_on_syn_is_not_taken)
{
	struct tcp_opts o = {.has = OPT_HAS_TFO, .tfo_len = 8};
	struct hdr_spec h = {.seq = SEQ(100), .flags = TCP_SYN, .wnd = 999};

	gate_start(&g);
	for (uint32_t i = 0; i < 200; i++) {
		struct tuple t = gate_client(i);

		for (uint32_t k = 0; k < 8; k++) /* a cookie made up */
			o.tfo[k] = (uint8_t)(i * 31 + k);
		h.opts = i & 1 ? &o : NULL;
		g.ntx = 0;
		gate_send(&g, &t, &h, i & 2 ? 100 : 9000); /* above the MSS */
		ck_assert_uint_eq(g.ntx, 1);
		ck_assert_uint_eq(g.tx[0].flags, TCP_SYN | TCP_ACK);
		ck_assert_uint_eq(g.tx[0].ack.v, 101); /* the SYN alone */
	}
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 13: sockstress: clients that never read and never close. */
START_TEST(row_13_readers_that_never_read_hold_bounded_memory)
{
	static struct conn c[50];
	uint64_t held;

	gate_start(&g);
	g.unchecked = true;
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++) {
		struct hdr_spec h = {.flags = TCP_ACK, .wnd = 0};

		gate_connect(&g, &c[i], i);
		h.seq = c[i].cseq;
		h.ack = c[i].cack;
		gate_send(&g, &c[i].t, &h, 0); /* window zero, for ever */
		for (uint32_t k = 0; k < 400; k++) {
			g.ntx = 0;
			gate_from_server(&g, &c[i], 1460, 0);
		}
	}
	held = gate_gauges(&g).mem_held;
	ck_assert_uint_le(held, POOL);
	ck_assert_uint_le(held, ARRAY_LEN(c) * (131072 + 2 * 65536));
	gate_run(&g, 1400 * SEC); /* and then says nothing more */
	ck_assert_uint_eq(gate_gauges(&g).flows, 0); /* given up */
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* A segment of the server's reaches the client, who acknowledges it; what was
 * dropped is to be sent again. */
static bool server_is_heard(struct gate *gt, struct conn *c)
{
	struct hdr_spec h = {.flags = TCP_ACK, .wnd = 60000};
	seq_t before = c->sseq;

	gt->ntx = 0;
	gate_from_server(gt, c, 1000, 0);
	for (uint64_t i = 0; i < gt->ntx; i++) {
		if (gt->tx[i].data.len != 1000)
			continue;
		c->cack = seq_add(c->cack, 1000);
		h.seq = c->cseq;
		h.ack = c->cack;
		gate_send(gt, &c->t, &h, 0);
		return true;
	}
	c->sseq = before;
	return false;
}

/* With on_limit = evict_slowest one that reads goes on, although the others
 * hold all the memory. */
START_TEST(row_13_readers_that_never_read_give_way_to_one_that_does)
{
	static struct conn c[41];
	struct conn *good = &c[ARRAY_LEN(c) - 1];
	uint32_t passed = 0;

	gate_start(&g);
	gate_fini(&g);
	gate_init(&g, 1 << 20);
	g.svc->on_limit = LIMIT_EVICT_SLOWEST;
	gate_start(&g);
	g.unchecked = true;
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++)
		gate_connect(&g, &c[i], i * 50000); /* many hosts */
	for (uint32_t k = 0; k < 100; k++) {
		for (uint32_t i = 0; i + 1 < ARRAY_LEN(c); i++) {
			g.ntx = 0;
			gate_from_server(&g, &c[i], 1460, 0);
		}
	}
	ck_assert_uint_ge(gate_counter(&g, "EvictedSlow"), 1);
	for (uint32_t k = 0; k < 20; k++)
		passed += server_is_heard(&g, good);
	ck_assert_uint_ge(passed, 18);
	ck_assert_uint_le(gate_gauges(&g).mem_held, 1 << 20);
}
END_TEST

/* Row 17: floods that belong to no flow. */
START_TEST(row_17_floods_of_no_flow_leave_nothing_behind)
{
	static const uint16_t flags[] = {TCP_ACK,	    TCP_FIN | TCP_ACK,
					 TCP_RST,	    TCP_SYN | TCP_ACK,
					 TCP_RST | TCP_ACK, TCP_FIN};
	uint64_t n = 0, rst = 0;

	gate_start(&g);
	for (uint32_t i = 0; i < 20000; i++) {
		struct tuple t = gate_client(i);
		uint16_t f = flags[i % ARRAY_LEN(flags)];
		struct hdr_spec h = {.seq = SEQ(i * 77777),
				     .ack = SEQ(i * 99991),
				     .flags = f};
		uint64_t before = g.ntx;
		bool answered;

		gate_send(&g, &t, &h, 0);
		n++;
		answered = !(f & TCP_RST) && f & (TCP_SYN | TCP_ACK);
		rst += answered;
		ck_assert_uint_le(g.ntx, before + answered);
	}
	ck_assert_uint_eq(gate_counter(&g, "drop_no_flow"), n);
	/* neither is a RST ever answered, nor what has neither SYN nor ACK */
	ck_assert_uint_eq(g.replies, rst);
	for (uint32_t i = 0; i < GATE_TX_MAX; i++)
		ck_assert_uint_eq(g.tx[i].flags & TCP_RST, TCP_RST);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).timers, 0);
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 18: wrong checksums, truncated captures. */
START_TEST(row_18_damaged_packets_are_refused)
{
	gate_start(&g);
	for (uint32_t bit = 0; bit < 100 * 8; bit++) {
		raw_tcp(&raw, 4, TCP_SYN, "\2\4\5\264", 4, 60);
		raw.d[raw.l4 + bit / 8 % (raw.len - raw.l4)] ^=
			(uint8_t)(1u << bit % 8);
		gate_raw(&g, raw.d, raw.len, raw.len);
		ck_assert_uint_eq(g.ntx, 0);
	}
	ck_assert_uint_gt(gate_counter(&g, "drop_tcp_csum"), 600);
	raw_tcp(&raw, 4, TCP_SYN, "", 0, 100);
	for (uint32_t len = 0; len < raw.len; len++) {
		ck_assert_int_eq(gate_raw(&g, raw.d, len, raw.len),
				 VERDICT_CONSUMED);
		ck_assert_uint_eq(gate_counter(&g, "drop_truncated"), len + 1);
	}
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

/* Row 18: GSO packets of odd sizes are delivered to the byte. */
START_TEST(row_18_gso_packets_of_odd_size_are_relayed_exactly)
{
	static const uint32_t len[] = {1, 1459, 1461, 2919, 20001, 30003};
	uint32_t want = 0, got = 0;
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	for (size_t i = 0; i < ARRAY_LEN(len); i++) {
		gate_from_client(&g, &c, len[i]);
		want += len[i];
		for (uint32_t k = 0; k < 60 && got < want; k++) {
			for (uint64_t j = 0; j < g.ntx; j++) {
				if (g.tx[j].t.lport != 443 || !g.tx[j].data.len)
					continue;
				ck_assert_uint_eq(g.tx[j].seq.v, c.sack.v);
				c.sack = seq_add(c.sack, g.tx[j].data.len);
				got += g.tx[j].data.len;
			}
			g.ntx = 0;
			gate_from_server(&g, &c, 0, 0);
			if (!g.ntx)
				gate_run(&g, SEC / 100);
		}
		ck_assert_uint_eq(got, want);
	}
}
END_TEST

/* Row 19: those that come in fragments still, without a port or with ours. */
START_TEST(row_19_fragments_are_dropped_and_not_reassembled)
{
	static const uint16_t frag[] = {0x2000, 0x2001, 0x0001, 0x1fff, 0x3fff};

	g.svc->listen.ep[0].port = 0;
	gate_start(&g);
	for (size_t i = 0; i < ARRAY_LEN(frag); i++) {
		raw_tcp(&raw, 4, TCP_SYN, "", 0, 8);
		put_be16(raw.d + 6, frag[i]);
		raw_fix_ip(&raw);
		ck_assert_int_eq(gate_raw(&g, raw.d, raw.len, raw.len),
				 VERDICT_CONSUMED);
		ck_assert_uint_eq(gate_counter(&g, "drop_fragment"), i + 1);
	}
	ck_assert_uint_eq(g.ntx, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 20: the SYN queue is full. */
START_TEST(row_20_full_syn_queue_refuses_and_drains)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};

	g.svc->syncookies = 0;
	g.svc->max_syn_backlog = 16;
	gate_start(&g);
	for (uint32_t i = 0; i < 100; i++) {
		struct tuple t = gate_client(i);

		gate_send(&g, &t, &h, 0);
	}
	ck_assert_uint_eq(gate_counter(&g, "drop_syn_limit"), 84);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 16);
	ck_assert_uint_eq(g.ntx, 16);
	gate_run(&g, 70 * SEC);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

/* Row 20: the same with cookies: nothing is remembered, all are answered. */
START_TEST(row_20_syn_flood_with_cookies_keeps_no_state)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};

	g.svc->syncookies = 2;
	gate_start(&g);
	for (uint32_t i = 0; i < 20000; i++) {
		struct tuple t = gate_client(i);

		gate_send(&g, &t, &h, 0);
	}
	ck_assert_uint_eq(g.replies, 20000);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
	ck_assert_uint_eq(gate_gauges(&g).timers, 0);
	ck_assert_uint_eq(gate_gauges(&g).mem_held, 0);
}
END_TEST

/* Row 20: the flow table is full. */
/* The client's SYN in, our answer's ACK out: *h is then what completes it. */
/* All services share one table: a backlog that it cannot hold is no reason to
 * be deaf. */
START_TEST(row_20_syn_queue_of_all_full_cookies_answer)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};
	uint32_t n = 0;

	g.svc->max_syn_backlog = 1 << 20;
	g.svc->syncookies = 1;
	g.cfg.max_flows = 100;
	gate_start(&g);
	g.unchecked = true;
	for (; n < 80000; n++) {
		struct tuple t = gate_client(n);

		ck_assert_int_eq(gate_send(&g, &t, &h, 0), VERDICT_REPLY);
	}
	ck_assert_uint_lt(gate_gauges(&g).half_open, n);
	ck_assert_uint_eq(gate_gauges(&g).half_open +
				  gate_counter(&g, "TcpExtSyncookiesSent"),
			  n);
	ck_assert_uint_eq(gate_counter(&g, "drop_syn_limit"), 0);
}
END_TEST

static void half_open(struct hdr_spec *h, struct tuple *t)
{
	*t = gate_client(1);
	*h = (struct hdr_spec){.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};
	gate_send(&g, t, h, 0);
	ck_assert_uint_eq(g.ntx, 1);
	h->seq = SEQ(2);
	h->ack = seq_add(g.tx[0].seq, 1);
	h->flags = TCP_ACK;
}

START_TEST(stopping_queued_handshake_is_reset)
{
	struct hdr_spec h;
	struct tuple t;

	gate_start(&g);
	half_open(&h, &t);
	engine_stop_accepting(g.e);
	ck_assert_int_eq(gate_send(&g, &t, &h, 0), VERDICT_REPLY);
	ck_assert_uint_eq(g.tx[1].flags, TCP_RST);
	ck_assert_uint_eq(gate_counter(&g, "drop_stopping"), 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
	ck_assert_uint_eq(gate_gauges(&g).half_open, 0);
}
END_TEST

/* A gateway whose clock is set gives and takes cookies of its fleet's epoch. */
START_TEST(wall_clock_set_forward_cookie_is_of_another_epoch)
{
	struct hdr_spec h;
	struct tuple t;

	g.svc->syncookies = 2;
	gate_start(&g);
	half_open(&h, &t);
	engine_set_wall(g.e, g.cfg.wall_offset_us + 3600 * SEC);
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(gate_counter(&g, "TcpExtSyncookiesFailed"), 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 0);
}
END_TEST

START_TEST(wall_clock_set_back_epoch_goes_on)
{
	struct hdr_spec h;
	struct tuple t;

	g.svc->syncookies = 2;
	gate_start(&g);
	half_open(&h, &t);
	engine_set_wall(g.e, g.cfg.wall_offset_us - 3600 * SEC);
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(gate_counter(&g, "TcpExtSyncookiesRecv"), 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

START_TEST(row_20_full_flow_table_refuses_newcomers_only)
{
	struct hdr_spec h = {.seq = SEQ(1), .flags = TCP_SYN, .wnd = 999};
	struct tuple t = gate_client(900);
	struct conn c[8];

	g.cfg.max_flows = ARRAY_LEN(c);
	gate_start(&g);
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++)
		gate_connect(&g, &c[i], i);
	ck_assert_uint_eq(gate_gauges(&g).flows, ARRAY_LEN(c));
	gate_send(&g, &t, &h, 0);
	ck_assert_uint_eq(gate_counter(&g, "drop_syn_limit"), 1);
	for (uint32_t i = 0; i < ARRAY_LEN(c); i++) {
		g.ntx = 0;
		gate_from_client(&g, &c[i], 100);
		ck_assert_uint_ge(g.ntx, 1);
	}
}
END_TEST

/* Row 20: buffers are exhausted: data is refused, connections live. */
START_TEST(row_20_exhausted_buffers_refuse_data_and_recover)
{
	static struct buf *all[4097];
	uint32_t n = 0;
	struct conn c;

	gate_start(&g);
	gate_connect(&g, &c, 1);
	while ((all[n] = buf_alloc(&g.pool, BUF_RX)))
		n++;
	while ((all[n] = buf_alloc(&g.pool, BUF_CHUNK)))
		n++;
	g.ntx = 0;
	gate_from_client(&g, &c, 1000);
	ck_assert_uint_eq(gate_counter(&g, "drop_buffer_limit"), 1);
	ck_assert_uint_le(g.pool.held, g.pool.limit);
	while (n)
		buf_put(all[--n]);
	c.cseq = seq_sub(c.cseq, 1000); /* the client sends it again */
	g.ntx = 0;
	gate_from_client(&g, &c, 1000);
	ck_assert_uint_ge(g.ntx, 1);
	ck_assert_uint_eq(gate_gauges(&g).flows, 1);
}
END_TEST

/* Who knows the ports alone cannot push a stream to where a fault begins. */
START_TEST(segment_far_beyond_the_window_arms_no_fault)
{
	const char *line = "add a type=loss on=byte:100K dir=from_peer";
	struct hdr_spec far = {.flags = TCP_ACK, .wnd = 9999};
	struct impair_fault f;
	struct conn c;
	char err[200];

	gate_start(&g);
	ck_assert_int_eq(told_change(g.e, &line, 1, g.now, err, sizeof(err)),
			 0);
	gate_connect(&g, &c, 1);
	far.seq = seq_add(c.cseq, 1u << 29);
	far.ack = c.cack;
	gate_send(&g, &c.t, &far, 10);
	gate_from_client(&g, &c, 100);
	gate_run(&g, USEC_PER_SEC);
	ck_assert(impair_get(g.e, 0, g.now, &f));
	ck_assert_uint_eq(f.conns, 1);
	ck_assert_uint_eq(f.count[FC_INJECTED], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile_engine");
	TCase *tc = tcase_create("engine");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, row_01_broken_option_lists_open_one_half_connection);
	tcase_add_test(tc,
		       row_01_strange_option_lists_open_one_half_connection);
	tcase_add_test(tc, row_02_impossible_lengths_are_refused);
	tcase_add_test(tc, row_02_endless_ipv6_extension_chain_is_refused);
	tcase_add_test(tc, row_10_impossible_addresses_are_refused);
	tcase_add_test(tc,
		       row_11_every_flag_set_without_a_connection_is_harmless);
	tcase_add_test(tc, row_11_senseless_flags_do_not_touch_a_connection);
	tcase_add_test(tc, row_12_data_on_syn_is_not_taken);
	tcase_add_test(tc, row_13_readers_that_never_read_hold_bounded_memory);
	tcase_add_test(
		tc, row_13_readers_that_never_read_give_way_to_one_that_does);
	tcase_add_test(tc, row_17_floods_of_no_flow_leave_nothing_behind);
	tcase_add_test(tc, row_18_damaged_packets_are_refused);
	tcase_add_test(tc, row_18_gso_packets_of_odd_size_are_relayed_exactly);
	tcase_add_test(tc, row_19_fragments_are_dropped_and_not_reassembled);
	tcase_add_test(tc, row_20_full_syn_queue_refuses_and_drains);
	tcase_add_test(tc, row_20_syn_flood_with_cookies_keeps_no_state);
	tcase_add_test(tc, row_20_syn_queue_of_all_full_cookies_answer);
	tcase_add_test(tc, stopping_queued_handshake_is_reset);
	tcase_add_test(tc, wall_clock_set_forward_cookie_is_of_another_epoch);
	tcase_add_test(tc, wall_clock_set_back_epoch_goes_on);
	tcase_add_test(tc, row_20_full_flow_table_refuses_newcomers_only);
	tcase_add_test(tc, segment_far_beyond_the_window_arms_no_fault);
	tcase_add_test(tc, row_20_exhausted_buffers_refuse_data_and_recover);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
