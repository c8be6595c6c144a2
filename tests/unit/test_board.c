/* SPDX-License-Identifier: MIT */
/* The scoreboard (src/tcp/board.c): runs split, merge and are counted. */
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

/* ESTABLISHED with @n segments in flight, sent in packets of several. */
static void flight(uint8_t has, uint32_t n)
{
	rig_establish(&r, has);
	rig_write(&r, n * 1460);
	for (int i = 0; i < 40 && seq_lt(r.l.snd.nxt, rig_ours(n * 1460)); i++)
		rig_run(&r, USEC_PER_MSEC / 2);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), n * 1460);
	rig_run(&r, MS(8));
}

START_TEST(board_burst_is_one_run)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 2 * RIG_MSS);
	ck_assert_uint_eq(r.l.loss.run_count, 1);
	ck_assert_uint_eq(board_pipe(&r.l), 2 * RIG_MSS);
}
END_TEST

START_TEST(board_sack_inside_a_run_makes_three)
{
	flight(RIG_NO_TS, 4);
	r.mute = true;
	RIG_SACK(&r, 0, 1460, 2920);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 1460);
	ck_assert_uint_eq(r.l.loss.run_head->state, RUN_SENT);
	ck_assert_uint_eq(r.l.loss.run_head->next->state, RUN_SACKED);
	ck_assert_uint_eq(r.l.loss.run_head->next->start.v, rig_ours(1460).v);
	ck_assert_uint_eq(r.l.loss.run_head->next->end.v, rig_ours(2920).v);
	ck_assert_uint_eq(board_pipe(&r.l), 3 * 1460);
}
END_TEST

START_TEST(board_adjacent_sacks_join)
{
	flight(RIG_NO_TS, 6);
	r.mute = true;
	RIG_SACK(&r, 0, 1460, 2920);
	RIG_SACK(&r, 0, 4380, 5840);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 2 * 1460);
	RIG_SACK(&r, 0, 2920, 4380);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 3 * 1460);
	ck_assert_uint_eq(r.l.loss.run_head->next->start.v, rig_ours(1460).v);
	ck_assert_uint_eq(r.l.loss.run_head->next->end.v, rig_ours(5840).v);
}
END_TEST

START_TEST(board_repeated_sack_changes_nothing)
{
	flight(RIG_NO_TS, 4);
	r.mute = true;
	for (int i = 0; i < 10; i++)
		RIG_SACK(&r, 0, 1460, 2920);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 1460);
	ck_assert_uint_eq(r.l.loss.run_count, 3);
}
END_TEST

START_TEST(board_ack_into_a_run_trims_it)
{
	flight(RIG_NO_TS, 4);
	rig_ack(&r, 100);
	ck_assert_uint_eq(r.l.loss.run_head->start.v, rig_ours(100).v);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), 4 * 1460 - 100);
}
END_TEST

START_TEST(board_ack_over_sacked_runs_releases_their_count)
{
	flight(RIG_NO_TS, 4);
	r.mute = true;
	RIG_SACK(&r, 0, 1460, 2920);
	rig_ack(&r, 2000);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 920);
	rig_ack(&r, 4 * 1460);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
	ck_assert_uint_eq(r.l.loss.run_count, 0);
	ck_assert_uint_eq(r.runs.used, 0);
}
END_TEST

static const uint32_t bad_blocks[][2] = {
	{2920, 1460},	  /* inverted */
	{1460, 1460},	  /* empty */
	{0, 1460},	  /* begins at una: that would have been acked */
	{1460, 100000},	  /* beyond what was sent */
	{100000, 101460}, /* wholly beyond */
	{0x80000000u, 0x80000100u}, /* half the space away */
};

START_TEST(board_senseless_sack_is_ignored)
{
	uint64_t runs;

	flight(RIG_NO_TS, 4);
	runs = r.l.loss.run_count;
	r.mute = true;
	RIG_SACK(&r, 0, bad_blocks[_i][0], bad_blocks[_i][1]);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
	ck_assert_uint_eq(r.l.loss.lost_bytes, 0);
	ck_assert_uint_eq(r.l.loss.run_count, runs);
}
END_TEST

/* RFC 2883: a first block below the ACK reports a duplicate. */
START_TEST(board_dsack_is_counted_and_marks_nothing)
{
	flight(RIG_NO_TS, 4);
	rig_ack(&r, 2920);
	r.mute = true;
	RIG_SACK(&r, 2920, 0, 1460);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKRecv), 1);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
}
END_TEST

START_TEST(board_dsack_of_never_sent_data_is_ignored)
{
	flight(RIG_NO_TS, 4);
	r.mute = true;
	RIG_SACK(&r, 0, (uint32_t)-5000, (uint32_t)-4000);
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPDSACKRecv), 0);
}
END_TEST

START_TEST(board_sack_without_agreement_is_ignored)
{
	flight(RIG_PLAIN, 4);
	r.mute = true;
	RIG_SACK(&r, 0, 1460, 2920);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
}
END_TEST

/* RFC 2018, 8: after an RTO with the head SACKed, forget all of it. */
START_TEST(board_reneging_is_noticed_at_the_timeout)
{
	flight(RIG_NO_TS, 4);
	RIG_SACK(&r, 0, 1460, 2920);
	rig_ack(&r, 1460); /* una at the SACKed block, not beyond */
	rig_run(&r, SECS(2));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtTCPSACKReneging), 1);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
	for (uint32_t i = 0; i < 40 && r.l.snd.q.bytes; i++) {
		rig_ack(&r, rig_last(&r)->end);
		rig_run(&r, MS(300));
	}
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

START_TEST(board_run_limit_leaves_blocks_out)
{
	static void *all[2 * RUNS_MAX + 1];
	uint32_t n = 0;

	flight(RIG_NO_TS, 4);
	while ((all[n] = slab_alloc(&r.runs)))
		n++;
	r.mute = true;
	RIG_SACK(&r, 0, 1460 + 10, 2920);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 0);
	while (n)
		slab_free(&r.runs, all[--n]);
	RIG_SACK(&r, 0, 1460 + 10, 2920);
	ck_assert_uint_eq(r.l.loss.sacked_bytes, 1450);
}
END_TEST

/*
 * Some 2,500 runs: neither a block at their end nor one in their middle costs
 * more than the search for its place, and for that of each run that changes.
 */
START_TEST(board_of_thousands_of_runs_is_searched_not_walked)
{
	const uint32_t flight_bytes = 700 * 1460, step = 800;
	uint64_t before, most = 0;

	rig_establish(&r, RIG_NO_TS);
	r.l.cc.cwnd = 3000 * 1460;
	r.l.rtt.smoothed_us = 1000; /* no pacing */
	r.wnd = 65535;
	rig_ack(&r, 0);
	rig_write(&r, flight_bytes);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), flight_bytes);
	r.mute = true;
	for (uint32_t at = step; at + step < flight_bytes; at += step) {
		before = r.env.steps;
		RIG_SACK(&r, 0, at, at + step / 2);
		most = r.env.steps - before > most ? r.env.steps - before
						   : most;
	}
	ck_assert_uint_gt(r.l.loss.run_count, 2500);
	ck_assert_uint_le(most, 400);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t at = (1 + prng_below(&r.rng, 1200)) * step;

		before = r.env.steps;
		RIG_SACK(&r, 0, at + step / 2, at + step);
		ck_assert_uint_le(r.env.steps - before, 400);
	}
	before = r.env.steps;
	r.mute = false;
	rig_clear(&r);
	rig_run(&r, 0); /* the first lost one is found at once */
	rig_ack(&r, 0);
	ck_assert_uint_le(r.env.steps - before, 400 * (r.ntx + 1));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("board");

	tcase_set_timeout(tc, 60); /* leg_check() walks all runs each time */
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, board_burst_is_one_run);
	tcase_add_test(tc, board_sack_inside_a_run_makes_three);
	tcase_add_test(tc, board_adjacent_sacks_join);
	tcase_add_test(tc, board_repeated_sack_changes_nothing);
	tcase_add_test(tc, board_ack_into_a_run_trims_it);
	tcase_add_test(tc, board_ack_over_sacked_runs_releases_their_count);
	tcase_add_loop_test(tc, board_senseless_sack_is_ignored, 0,
			    ARRAY_LEN(bad_blocks));
	tcase_add_test(tc, board_dsack_is_counted_and_marks_nothing);
	tcase_add_test(tc, board_dsack_of_never_sent_data_is_ignored);
	tcase_add_test(tc, board_sack_without_agreement_is_ignored);
	tcase_add_test(tc, board_reneging_is_noticed_at_the_timeout);
	tcase_add_test(tc, board_run_limit_leaves_blocks_out);
	tcase_add_test(tc, board_of_thousands_of_runs_is_searched_not_walked);
	return rig_main("board", tc);
}
