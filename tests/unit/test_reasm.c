/* SPDX-License-Identifier: MIT */
/* Text in and out of order, SACK and DSACK blocks (src/tcp/reasm.c). */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

static void ck_block(uint32_t i, uint32_t start, uint32_t end)
{
	const struct tcp_opts *o = &rig_last(&r)->s.opts;

	ck_assert_uint_gt(o->nsack, i);
	ck_assert_uint_eq(o->sack[i].start.v, rig_peer(start).v);
	ck_assert_uint_eq(o->sack[i].end.v, rig_peer(end).v);
}

START_TEST(in_order_text_reaches_the_sink)
{
	rig_establish(&r, RIG_ALL);
	ck_drop(rig_data(&r, 0, 3000), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 3000);
	ck_assert(r.l.ev & LEG_EV_DATA);
	rig_read(&r, 3000);
}
END_TEST

START_TEST(hole_is_reported_and_filled)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 500);
	ck_block(0, 1000, 1500);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(0).v);
	rig_data(&r, 0, 1000);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 0);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(1500).v);
	ck_assert_uint_eq(r.l.rcv.ooo_count, 0);
	ck_assert_uint_eq(r.l.rcv.ooo_mem, 0);
	rig_read(&r, 1500);
}
END_TEST

/* RFC 5681, 4.2, also when nothing else asks for an ACK at once. */
START_TEST(filled_hole_is_acked_at_once)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 100, 100);
	r.l.rcv.quickack = 0;
	rig_clear(&r);
	rig_data(&r, 0, 100);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(200).v);
	rig_read(&r, 200);
}
END_TEST

/* The peer has to send it again, so it must not be told that it is held. */
START_TEST(block_that_waits_for_memory_is_not_sacked)
{
	uint64_t limit;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 1); /* the sink has a chunk, with room for 4,000 */
	rig_data(&r, 3001, 1400);
	rig_data(&r, 6000, 100);
	limit = r.pool.limit;
	r.pool.limit = r.pool.held;
	ck_drop(rig_data(&r, 1, 3000), DROP_NONE);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(3001).v);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 1);
	ck_block(0, 6000, 6100);
	r.pool.limit = limit;
	ck_drop(rig_data(&r, 3001, 1400), DROP_NONE);
	ck_assert_uint_eq(r.l.rcv.nxt.v, rig_peer(4401).v);
	rig_read(&r, r.sink.bytes);
}
END_TEST

/* RFC 2018, 8: only a fault asks for it. */
START_TEST(reneged_text_is_neither_told_of_nor_delivered)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 500);
	ck_block(0, 1000, 1500);
	leg_renege(&r.l);
	rig_data(&r, 0, 1000);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 0);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(1000).v);
	ck_assert_uint_eq(r.l.rcv.ooo_mem, 0);
	rig_data(&r, 1000, 500);
	rig_read(&r, 1500);
}
END_TEST

/* RFC 2018, 4: the block of the newest segment first, then the latest. */
START_TEST(sack_blocks_are_newest_first)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 100);
	rig_data(&r, 3000, 100);
	rig_data(&r, 5000, 100);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 3);
	ck_block(0, 5000, 5100);
	ck_block(1, 3000, 3100);
	ck_block(2, 1000, 1100);
	rig_data(&r, 1100, 50); /* an older block grows: it comes first */
	ck_block(0, 1000, 1150);
	ck_block(1, 5000, 5100);
}
END_TEST

START_TEST(sack_keeps_older_blocks_while_the_newest_grows)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 1000);
	for (uint32_t i = 3; i < 9; i++)
		rig_data(&r, i * 1000, 1000);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 2);
	ck_block(0, 3000, 9000);
	ck_block(1, 1000, 2000);
}
END_TEST

START_TEST(sack_without_timestamps_has_room_for_four_blocks)
{
	rig_establish(&r, RIG_NO_TS);
	for (uint32_t i = 1; i < 8; i++)
		rig_data(&r, i * 2000, 100);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 4);
}
END_TEST

/* --- peers without SACK count duplicates (RFC 5681, 2 and 3.2) --- */

/* Each segment behind a hole draws an ACK of its own, without data and with the
 * window of the one before: else the peer does not count it, and waits for its
 * timer.  Here our side has data to send, and its reader makes room. */
START_TEST(no_sack_each_segment_behind_a_hole_draws_a_countable_ack)
{
	uint16_t wnd;

	rig_establish(&r, RIG_NO_SACK);
	rig_write(&r, 3000);
	rig_ack(&r, 3000);
	rig_data(&r, 0, 30000);
	wnd = rig_last(&r)->s.wnd;
	for (uint32_t i = 1; i <= 3; i++) {
		rig_clear(&r);
		r.mute = true;
		rig_write(&r, 500);
		rig_data(&r, 30000 + i * 1000, 1000);
		r.mute = false;
		rig_pump(&r);
		ck_assert_uint_eq(r.ntx, 2);
		ck_assert_uint_eq(r.tx[0].s.data.len, 0);
		ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(30000).v);
		ck_assert_uint_eq(r.tx[0].s.wnd, wnd);
		ck_assert_uint_eq(r.tx[1].s.data.len, 500);
		rig_clear(&r);
		rig_read(&r, 9000); /* no duplicate that is none */
		ck_assert_uint_eq(r.ntx, 0);
	}
	rig_data(&r, 30000, 1000);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(34000).v);
	ck_assert_uint_gt(rig_last(&r)->s.wnd, wnd);
	rig_read(&r, r.sink.bytes);
}
END_TEST

/* The reader makes room for most of the window: with a hole, an ACK that says
 * so would look like a duplicate and be none. */
START_TEST(no_sack_window_update_waits_for_the_hole)
{
	r.cfg.rmem[1] = r.cfg.rmem[2] = 65536;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish(&r, RIG_NO_SACK);
	rig_data(&r, 0, 30000);
	rig_data(&r, 30000, 30000);
	ck_assert_uint_lt(leg_rcv_wnd(&r.l.rcv), 10000);
	rig_data(&r, 61000, 1000);
	rig_clear(&r);
	rig_read(&r, 60000);
	ck_assert_uint_eq(r.ntx, 0);
	rig_data(&r, 60000, 1000);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 50000);
	rig_read(&r, 2000);
}
END_TEST

/* Several came before we could answer: the peer must be able to count to
 * three.  Once the hole is filled nobody counts any more. */
START_TEST(no_sack_segments_in_one_batch_draw_a_duplicate_each)
{
	rig_establish(&r, RIG_NO_SACK);
	rig_data(&r, 0, 1000);
	rig_clear(&r);
	r.mute = true;
	for (uint32_t i = 2; i < 6; i++)
		rig_data(&r, i * 1000, 1000);
	r.mute = false;
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 4);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(r.tx[i].s.ack.v, rig_peer(1000).v);
	rig_clear(&r);
	r.mute = true;
	for (uint32_t i = 7; i < 11; i++)
		rig_data(&r, i * 1000, 1000);
	rig_data(&r, 1000, 1000);
	r.mute = false;
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(6000).v);
	rig_read(&r, 6000);
}
END_TEST

START_TEST(sack_is_not_sent_without_agreement)
{
	rig_establish(&r, RIG_NO_SACK);
	rig_data(&r, 1000, 100);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 0);
}
END_TEST

/* RFC 2883, 4.1: a duplicate is reported first, once. */
START_TEST(duplicate_is_reported_by_dsack_once)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 1000);
	ck_drop(rig_data(&r, 500, 500), DROP_DUPLICATE);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 1);
	ck_block(0, 500, 1000);
	rig_data(&r, 1000, 100);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 0);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKOldSent), 1);
	rig_read(&r, 1100);
}
END_TEST

/* 4.2: a duplicate of held data: DSACK first, then its block. */
START_TEST(duplicate_of_held_data_is_reported_before_its_block)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 1000);
	ck_drop(rig_data(&r, 1200, 300), DROP_DUPLICATE);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 2);
	ck_block(0, 1200, 1500);
	ck_block(1, 1000, 2000);
}
END_TEST

/* 4.2.2: so is the part of a segment that is held. */
START_TEST(duplicate_part_of_a_segment_is_reported_before_its_block)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 1000);
	ck_drop(rig_data(&r, 1500, 1000), DROP_NONE);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 2);
	ck_block(0, 1500, 2000);
	ck_block(1, 1000, 2500);
}
END_TEST

START_TEST(dsack_is_not_sent_when_policy_forbids)
{
	r.cfg.dsack = 0;
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 1000);
	rig_data(&r, 500, 500);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 0);
}
END_TEST

START_TEST(segment_that_overlaps_the_left_edge_is_trimmed)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 1000);
	ck_drop(rig_data(&r, 600, 1000), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 1600);
	ck_block(0, 600, 1000);
	rig_read(&r, 1600);
}
END_TEST

START_TEST(overlapping_pieces_in_any_order_make_the_stream)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 2000, 1000);
	rig_data(&r, 4000, 1000);
	rig_data(&r, 1500, 4000); /* covers both */
	rig_data(&r, 500, 800);
	rig_data(&r, 0, 1600);
	ck_assert_uint_eq(r.sink.bytes, 5500);
	ck_assert_uint_eq(r.ooo.used, 0);
	rig_read(&r, 5500);
}
END_TEST

/* The first copy of a byte is the one that is delivered. */
START_TEST(second_copy_of_a_held_byte_changes_nothing)
{
	static uint8_t evil[300];
	struct segment s;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 100, 100);
	memset(evil, 0xee, sizeof(evil));
	for (uint32_t i = 0; i < 300; i++) {
		if (i < 100 || i >= 200)
			evil[i] = rig_byte_peer(i);
	}
	s = rig_seg(&r, TCP_ACK, 300);
	s.seq = rig_peer(0);
	s.data.p = evil;
	ck_drop(rig_in(&r, &s), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, 300);
	rig_read(&r, 300);
}
END_TEST

/* --- all of a window behind one hole --- */

/* A window of some megabytes, and a hole of one segment in front of it. */
static uint32_t wide_window(void)
{
	rig_establish(&r, RIG_ALL);
	r.l.rcv.cap = 4000000;
	leg_sink_drained(&r.l, 0, r.now);
	rig_pump(&r);
	rig_data(&r, 0, RIG_MSS);
	rig_read(&r, RIG_MSS);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 1300 * RIG_MSS);
	return 2 * RIG_MSS;
}

/* The hole is filled: everything comes out, byte by byte as it was sent. */
static void fill_hole(uint32_t all)
{
	r.mute = false;
	ck_drop(rig_data(&r, RIG_MSS, RIG_MSS), DROP_NONE);
	ck_assert_uint_eq(r.sink.bytes, all);
	ck_assert_uint_eq(r.ooo.used, 0);
	rig_read(&r, all);
}

START_TEST(window_in_order_behind_one_hole_is_held)
{
	uint32_t base = wide_window();

	for (uint32_t i = 0; i < 1200; i++) {
		rig_clear(&r);
		ck_drop(rig_data(&r, base + i * RIG_MSS, RIG_MSS), DROP_NONE);
	}
	/* a node for a chunk, not for a segment; chunks are full */
	ck_assert_uint_le(r.ooo.used, 1200 * RIG_MSS / BUF_CHUNK_SIZE + 1);
	ck_assert_uint_le(r.l.rcv.ooo_mem, 1200 * RIG_MSS * 21 / 20);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 1);
	ck_block(0, base, base + 1200 * RIG_MSS);
	rig_clear(&r);
	fill_hole(1201 * RIG_MSS);
}
END_TEST

START_TEST(window_in_any_order_behind_one_hole_is_held)
{
	static const uint32_t step[] = {1199, 7, 601}; /* coprime to 1200 */
	uint32_t base = wide_window();

	for (uint32_t i = 0; i < 1200; i++) {
		uint32_t at = i * step[_i] % 1200;

		rig_clear(&r);
		r.mute = i % 100; /* checks cost time */
		ck_drop(rig_data(&r, base + at * RIG_MSS, RIG_MSS), DROP_NONE);
	}
	rig_clear(&r);
	fill_hole(1201 * RIG_MSS);
}
END_TEST

/* Every other segment is lost: 600 islands in one window, and then the rest. */
START_TEST(window_with_every_other_segment_lost_is_held)
{
	uint32_t base = wide_window();

	r.mute = true;
	for (uint32_t odd = 1; odd <= 2; odd++) {
		for (uint32_t i = odd & 1; i < 1200; i += 2)
			ck_drop(rig_data(&r, base + i * RIG_MSS, RIG_MSS),
				DROP_NONE);
	}
	fill_hole(1201 * RIG_MSS);
}
END_TEST

/* Small segments, as an interactive sender's: nodes stay in proportion. */
START_TEST(window_of_small_segments_behind_one_hole_is_held)
{
	uint32_t base = wide_window(), n = 1000000 / 90;

	r.mute = true;
	for (uint32_t i = 0; i < n; i++)
		ck_drop(rig_data(&r, base + i * 90, 90), DROP_NONE);
	ck_assert_uint_le(r.ooo.used, n * 90 / BUF_CHUNK_SIZE + 1);
	fill_hole(RIG_MSS + n * 90);
}
END_TEST

/* What is as large as a received burst is kept where it is; less is copied,
 * so that no small part of a buffer holds all of it. */
START_TEST(large_segment_is_kept_by_reference_and_small_is_copied)
{
	static const uint32_t len[] = {BUF_COPY_MAX, BUF_RX_SIZE / 2 - 1,
				       BUF_RX_SIZE / 2, 65000};

	for (uint32_t i = 0; i < ARRAY_LEN(len); i++) {
		bool kept = len[i] >= BUF_RX_SIZE / 2;
		uint32_t base = wide_window();
		struct buf *b = buf_alloc(&r.pool, BUF_RX);
		struct segment s = rig_seg(&r, TCP_ACK, len[i]);

		s.seq = rig_peer(base);
		for (uint32_t k = 0; k < len[i]; k++)
			b->data[k] = rig_byte_peer(base + k);
		s.data = (struct slice){b, b->data, len[i]};
		ck_drop(rig_in(&r, &s), DROP_NONE);
		ck_assert_uint_eq(b->refs, 1 + kept);
		ck_assert_uint_le(r.l.rcv.ooo_mem, len[i] * 21 / 10);
		fill_hole(RIG_MSS + len[i]);
		buf_put(b);
		rig_fini(&r);
		rig_init(&r);
	}
}
END_TEST

/* --- which duplicate a D-SACK names (RFC 2883, 4) --- */

START_TEST(dsack_names_the_first_contiguous_duplicate)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 100);
	rig_data(&r, 200, 100);
	rig_data(&r, 400, 100);
	rig_data(&r, 600, 100);
	ck_drop(rig_data(&r, 0, 800), DROP_NONE);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 1);
	ck_block(0, 0, 100);
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, rig_peer(800).v);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKOldSent), 1);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKOfoSent), 0);
	rig_read(&r, 800);
}
END_TEST

START_TEST(dsack_of_an_unacked_segment_names_its_first_duplicate)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 200, 100);
	rig_data(&r, 400, 100);
	ck_drop(rig_data(&r, 0, 800), DROP_NONE);
	ck_block(0, 200, 300);
	rig_read(&r, 800);
}
END_TEST

/* 4.2.2: of the block that holds it, however old that is. */
START_TEST(dsack_of_held_data_comes_before_its_own_block)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 200, 100);
	rig_data(&r, 1000, 100);
	rig_data(&r, 2000, 100);
	rig_data(&r, 3000, 100);
	rig_data(&r, 4000, 100);
	ck_drop(rig_data(&r, 250, 50), DROP_DUPLICATE);
	ck_block(0, 250, 300);
	ck_block(1, 200, 300);
	ck_drop(rig_data(&r, 950, 250), DROP_NONE);
	ck_block(0, 1000, 1100);
	ck_block(1, 950, 1200);
	ck_block(2, 200, 300);
}
END_TEST

/* An ordinary block must not be told as a duplicate because data, which has no
 * room in the peer's window, kept it from leaving at first. */
START_TEST(sack_with_data_that_may_not_leave_is_no_dsack)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 5000);
	for (uint32_t i = 1; i < 5; i++) {
		rig_clear(&r);
		rig_data(&r, 1000 * i, 100);
		ck_assert_uint_eq(r.ntx, 1);
		ck_assert_uint_eq(r.tx[0].s.opts.nsack, min_u32(i, 3));
		ck_block(0, 1000 * i, 1000 * i + 100);
	}
	rig_data(&r, 2000, 100);
	ck_block(0, 2000, 2100);
	ck_block(1, 2000, 2100);
	ck_block(2, 4000, 4100);
}
END_TEST

START_TEST(out_of_order_count_is_limited)
{
	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < OOO_MAX; i++)
		ck_drop(rig_data(&r, 10 + i * 2, 1), DROP_NONE);
	ck_drop(rig_data(&r, 10 + OOO_MAX * 2, 1), DROP_OOO_LIMIT);
	ck_assert_uint_eq(r.ooo.used, OOO_MAX);
	ck_assert_uint_le(r.pool.held, 16384); /* copied together */
	for (uint32_t i = 0; i < 2 * OOO_MAX + 11; i++)
		rig_data(&r, i, 1);
	ck_assert_uint_eq(r.ooo.used, 0);
	rig_read(&r, r.sink.bytes);
}
END_TEST

/* What was SACKed is never reneged on, whatever comes after. */
START_TEST(exhausted_slab_drops_the_new_segment_only)
{
	void *all[4097];
	uint32_t n = 0;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 100);
	while ((all[n] = slab_alloc(&r.ooo)))
		n++;
	ck_drop(rig_data(&r, 2000, 100), DROP_OOO_LIMIT);
	ck_assert_uint_eq(r.l.rcv.ooo_count, 1);
	ck_assert_uint_eq(rig_last(&r)->s.opts.nsack, 1);
	while (n)
		slab_free(&r.ooo, all[--n]);
	ck_drop(rig_data(&r, 2000, 100), DROP_NONE);
	rig_data(&r, 0, 2000);
	rig_read(&r, 2100);
}
END_TEST

START_TEST(no_buffer_drops_and_the_repeat_is_taken)
{
	uint64_t limit;

	rig_establish(&r, RIG_ALL);
	limit = r.pool.limit;
	r.pool.limit = r.pool.held;
	ck_drop(rig_data(&r, 0, 1000), DROP_BUFFER_LIMIT);
	ck_assert_uint_eq(r.l.rcv.nxt.v, rig_peer(0).v);
	r.pool.limit = limit;
	ck_drop(rig_data(&r, 0, 1000), DROP_NONE);
	rig_read(&r, 1000);
}
END_TEST

/* The same for thousands of holes in what the peer sends, and for the blocks
 * that report it. */
START_TEST(thousands_of_holes_are_searched_not_walked)
{
	const uint32_t islands = 1500;
	uint64_t before;

	rig_establish(&r, RIG_ALL);
	leg_sink_drained(&r.l, 16u << 20, r.now);
	rig_pump(&r);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), islands * 2000 + 2000);
	for (uint32_t i = 1; i <= islands; i++) {
		before = r.env.steps;
		ck_drop(rig_data(&r, i * 2000, 1000), DROP_NONE);
		ck_assert_uint_le(r.env.steps - before, 400);
		ck_block(0, i * 2000, i * 2000 + 1000);
		rig_clear(&r);
	}
	ck_assert_uint_eq(reasm_end(&r.l.rcv).v,
			  rig_peer(islands * 2000 + 1000).v);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t at = (1 + prng_below(&r.rng, islands - 1)) * 2000;

		before = r.env.steps;
		rig_data(&r, at + 1000, 1000);
		ck_assert_uint_le(r.env.steps - before, 400);
		rig_clear(&r);
	}
	before = r.env.steps;
	rig_data(&r, 0, 2000); /* what follows is delivered */
	ck_assert_uint_le(r.env.steps - before, 400);
	rig_read(&r, r.sink.bytes);
	leg_renege(&r.l);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reasm");

	tcase_set_timeout(tc, 60); /* leg_check() walks all nodes each time */
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, in_order_text_reaches_the_sink);
	tcase_add_test(tc, hole_is_reported_and_filled);
	tcase_add_test(tc, filled_hole_is_acked_at_once);
	tcase_add_test(tc, block_that_waits_for_memory_is_not_sacked);
	tcase_add_test(tc, reneged_text_is_neither_told_of_nor_delivered);
	tcase_add_test(tc, sack_blocks_are_newest_first);
	tcase_add_test(tc, sack_keeps_older_blocks_while_the_newest_grows);
	tcase_add_test(tc, sack_without_timestamps_has_room_for_four_blocks);
	tcase_add_test(
		tc, no_sack_each_segment_behind_a_hole_draws_a_countable_ack);
	tcase_add_test(tc, no_sack_window_update_waits_for_the_hole);
	tcase_add_test(tc, no_sack_segments_in_one_batch_draw_a_duplicate_each);
	tcase_add_test(tc, sack_is_not_sent_without_agreement);
	tcase_add_test(tc, duplicate_is_reported_by_dsack_once);
	tcase_add_test(tc, duplicate_of_held_data_is_reported_before_its_block);
	tcase_add_test(
		tc, duplicate_part_of_a_segment_is_reported_before_its_block);
	tcase_add_test(tc, dsack_is_not_sent_when_policy_forbids);
	tcase_add_test(tc, segment_that_overlaps_the_left_edge_is_trimmed);
	tcase_add_test(tc, overlapping_pieces_in_any_order_make_the_stream);
	tcase_add_test(tc, second_copy_of_a_held_byte_changes_nothing);
	tcase_add_test(tc, window_in_order_behind_one_hole_is_held);
	tcase_add_loop_test(tc, window_in_any_order_behind_one_hole_is_held, 0,
			    3);
	tcase_add_test(tc, window_with_every_other_segment_lost_is_held);
	tcase_add_test(tc, window_of_small_segments_behind_one_hole_is_held);
	tcase_add_test(tc,
		       large_segment_is_kept_by_reference_and_small_is_copied);
	tcase_add_test(tc, dsack_names_the_first_contiguous_duplicate);
	tcase_add_test(tc,
		       dsack_of_an_unacked_segment_names_its_first_duplicate);
	tcase_add_test(tc, dsack_of_held_data_comes_before_its_own_block);
	tcase_add_test(tc, sack_with_data_that_may_not_leave_is_no_dsack);
	tcase_add_test(tc, out_of_order_count_is_limited);
	tcase_add_test(tc, exhausted_slab_drops_the_new_segment_only);
	tcase_add_test(tc, no_buffer_drops_and_the_repeat_is_taken);
	tcase_add_test(tc, thousands_of_holes_are_searched_not_walked);
	return rig_main("reasm", tc);
}
