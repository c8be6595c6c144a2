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
	ck_assert_uint_eq(r.l.ooo_count, 0);
	ck_assert_uint_eq(r.l.ooo_mem, 0);
	rig_read(&r, 1500);
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
	ck_assert_uint_eq(r.l.ooo_mem, 0);
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
	ck_assert_uint_eq(r.l.ooo_count, 1);
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
	ck_assert_uint_eq(r.l.rcv_nxt.v, rig_peer(0).v);
	r.pool.limit = limit;
	ck_drop(rig_data(&r, 0, 1000), DROP_NONE);
	rig_read(&r, 1000);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("reasm");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, in_order_text_reaches_the_sink);
	tcase_add_test(tc, hole_is_reported_and_filled);
	tcase_add_test(tc, reneged_text_is_neither_told_of_nor_delivered);
	tcase_add_test(tc, sack_blocks_are_newest_first);
	tcase_add_test(tc, sack_keeps_older_blocks_while_the_newest_grows);
	tcase_add_test(tc, sack_without_timestamps_has_room_for_four_blocks);
	tcase_add_test(tc, sack_is_not_sent_without_agreement);
	tcase_add_test(tc, duplicate_is_reported_by_dsack_once);
	tcase_add_test(tc, duplicate_of_held_data_is_reported_before_its_block);
	tcase_add_test(
		tc, duplicate_part_of_a_segment_is_reported_before_its_block);
	tcase_add_test(tc, dsack_is_not_sent_when_policy_forbids);
	tcase_add_test(tc, segment_that_overlaps_the_left_edge_is_trimmed);
	tcase_add_test(tc, overlapping_pieces_in_any_order_make_the_stream);
	tcase_add_test(tc, second_copy_of_a_held_byte_changes_nothing);
	tcase_add_test(tc, out_of_order_count_is_limited);
	tcase_add_test(tc, exhausted_slab_drops_the_new_segment_only);
	tcase_add_test(tc, no_buffer_drops_and_the_repeat_is_taken);
	return rig_main("reasm", tc);
}
