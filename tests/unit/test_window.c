/* SPDX-License-Identifier: MIT */
/* The receive window (src/tcp/window.c). */
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

START_TEST(syn_received_window_is_unscaled)
{
	rig_syn_received(&r, RIG_ALL);
	ck_assert_uint_eq(r.tx[0].s.wnd, 65535);
	ck_assert_uint_eq(leg_rcv_wnd(&r.l.rcv), 65535);
}
END_TEST

/* The field's granule is 128 bytes; rounding must not retreat the edge. */
START_TEST(established_odd_amounts_never_retreat_the_edge)
{
	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < 500; i++) { /* asserted by the rig */
		ck_drop(rig_data(&r, r.pnxt, 1 + i % 97), DROP_NONE);
		rig_run(&r, MS(45));
	}
	rig_read(&r, r.sink.bytes);
}
END_TEST

START_TEST(established_full_sink_closes_the_window)
{
	uint32_t total = 0;

	rig_establish(&r, RIG_ALL);
	while (leg_rcv_wnd(&r.l.rcv) && total < 10u << 20) {
		uint32_t n = min_u32(leg_rcv_wnd(&r.l.rcv), RIG_MSS);

		ck_drop(rig_data(&r, r.pnxt, n), DROP_NONE);
		total += n;
	}
	ck_assert_uint_eq(leg_rcv_wnd(&r.l.rcv), 0);
	rig_run(&r, MS(50));
	ck_assert_uint_eq(rig_last(&r)->s.wnd, 0);
	ck_assert_uint_le(total, r.cfg.rmem[2] + 65536);
	rig_clear(&r);
	ck_drop(rig_data(&r, r.pnxt, 1), DROP_WINDOW_ZERO);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, r.l.rcv.nxt.v);
}
END_TEST

static uint64_t small_share(struct leg *l, enum leg_share what)
{
	(void)l;
	return what == LEG_SHARE_WINDOW ? 6000 : UINT64_MAX;
}

/* Much room in the receive buffer, and little of what all flows share. */
START_TEST(established_window_is_no_more_than_the_share)
{
	rig_establish(&r, RIG_ALL);
	r.env.share = small_share;
	for (int i = 0; i < 100; i++) {
		ck_drop(rig_data(&r, r.pnxt, RIG_MSS), DROP_NONE);
		rig_read(&r, RIG_MSS);
		rig_run(&r, MS(45));
	}
	ck_assert_uint_ge(leg_rcv_wnd(&r.l.rcv), 6000 - RIG_MSS);
	ck_assert_uint_le(leg_rcv_wnd(&r.l.rcv), 6000 + 128);
}
END_TEST

/* SWS avoidance, receiver side: no update for a few bytes of room. */
START_TEST(zero_window_small_room_is_not_announced)
{
	rig_establish(&r, RIG_ALL);
	while (leg_rcv_wnd(&r.l.rcv))
		rig_data(&r, r.pnxt, min_u32(leg_rcv_wnd(&r.l.rcv), RIG_MSS));
	rig_run(&r, MS(50));
	rig_clear(&r);
	rig_read(&r, 100);
	ck_assert_uint_eq(r.ntx, 0);
	rig_read(&r, r.sink.bytes - r.l.rcv.cap + 2 * RIG_MSS);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_ge((uint32_t)r.tx[0].s.wnd << 7, RIG_MSS);
}
END_TEST

START_TEST(established_drained_sink_keeps_the_window_open)
{
	rig_establish(&r, RIG_ALL);
	for (int i = 0; i < 2000; i++) {
		ck_drop(rig_data(&r, r.pnxt, RIG_MSS), DROP_NONE);
		rig_read(&r, r.sink.bytes);
		ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 0);
		rig_clear(&r);
	}
}
END_TEST

/* Dynamic right-sizing: a reader that keeps up gets a larger buffer. */
START_TEST(established_fast_reader_grows_the_buffer)
{
	uint32_t cap;

	rig_establish(&r, RIG_ALL);
	cap = r.l.rcv.cap;
	for (int i = 0; i < 5; i++) {
		while (leg_rcv_wnd(&r.l.rcv) > RIG_MSS)
			rig_data(&r, r.pnxt, RIG_MSS);
		rig_read(&r, r.sink.bytes);
		rig_run(&r, MS(10));
		rig_clear(&r);
	}
	ck_assert_uint_gt(r.l.rcv.cap, 2 * cap);
	ck_assert_uint_le(r.l.rcv.cap, r.cfg.rmem[2]);
}
END_TEST

/* So does one whose SYN-ACK was sent twice: how long a round trip is shows when
 * a full window has come. */
START_TEST(established_unknown_round_trip_grows_the_buffer)
{
	uint32_t cap;

	rig_establish_rtt(&r, RIG_ALL, MS(1200));
	ck_assert_uint_eq(r.l.rtt.smoothed_us, 0);
	cap = r.l.rcv.cap;
	for (int i = 0; i < 50; i++) { /* less than a window */
		rig_data(&r, r.pnxt, 1000);
		rig_read(&r, r.sink.bytes);
		rig_run(&r, MS(10));
	}
	ck_assert_uint_eq(r.l.rcv.cap, cap);
	for (int i = 0; i < 2000; i++) {
		rig_data(&r, r.pnxt, RIG_MSS);
		rig_read(&r, r.sink.bytes);
		rig_run(&r, MS(10));
		rig_clear(&r);
	}
	ck_assert_uint_gt(r.l.rcv.cap, 4 * cap);
	ck_assert_uint_le(r.l.rcv.cap, r.cfg.rmem[2]);
}
END_TEST

START_TEST(established_slow_sender_does_not_grow_the_buffer)
{
	uint32_t cap;

	rig_establish(&r, RIG_ALL);
	cap = r.l.rcv.cap;
	for (int i = 0; i < 100; i++) {
		rig_data(&r, r.pnxt, 1000);
		rig_read(&r, r.sink.bytes);
		rig_run(&r, MS(10));
	}
	ck_assert_uint_eq(r.l.rcv.cap, cap);
}
END_TEST

START_TEST(established_short_memory_stops_growth)
{
	struct buf *all[900];
	uint32_t n = 0, cap;

	rig_establish(&r, RIG_ALL);
	cap = r.l.rcv.cap;
	while (r.pool.held <= r.pool.limit / 4 * 3)
		all[n++] = buf_alloc(&r.pool, BUF_RX);
	for (int i = 0; i < 5; i++) {
		while (leg_rcv_wnd(&r.l.rcv) > RIG_MSS)
			rig_data(&r, r.pnxt, RIG_MSS);
		rig_read(&r, r.sink.bytes);
		rig_run(&r, MS(10));
		rig_clear(&r);
	}
	ck_assert_uint_eq(r.l.rcv.cap, cap);
	while (n)
		buf_put(all[--n]);
}
END_TEST

static uint32_t window_of_7(struct leg *l, uint32_t wnd)
{
	(void)l;
	(void)wnd;
	return 7 << 7;
}

/* Such a leg may come from another process: its buffer is nearly nothing. */
START_TEST(established_tiny_buffer_is_survived)
{
	rig_establish(&r, RIG_ALL);
	r.l.rcv.cap = 1;
	r.l.rcv.drs_most = 0;
	for (uint32_t i = 0; i < 4; i++) {
		rig_data(&r, r.pnxt, 100);
		rig_read(&r, 100);
		rig_run(&r, MS(50));
	}
	ck_assert_uint_eq(r.l.rcv.nxt.v, rig_peer(400).v);
}
END_TEST

START_TEST(behaviour_chooses_the_window)
{
	static const struct leg_behaviour b = {.window = window_of_7};

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 60000);
	r.edge_valid = false; /* a fault may retreat */
	r.l.behave = &b;
	rig_data(&r, r.pnxt, 10);
	ck_assert_uint_eq(rig_last(&r)->s.wnd, 7);
}
END_TEST

/* What the peer sends beyond the new edge is lost, until it is given again. */
START_TEST(behaviour_takes_back_what_was_promised)
{
	static const struct leg_behaviour b = {.window = window_of_7};

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 60000);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 7 << 7);
	r.edge_valid = false;
	r.l.behave = &b;
	rig_data(&r, r.pnxt, 10);
	ck_assert_uint_eq(leg_rcv_wnd(&r.l.rcv), 7 << 7);
	ck_drop(rig_data(&r, r.pnxt + 1000, 10), DROP_SEQ_WINDOW);
	r.l.behave = NULL;
	rig_read(&r, r.sink.bytes);
	rig_pump(&r);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 1000);
}
END_TEST

static uint32_t window_of_0(struct leg *l, uint32_t wnd)
{
	(void)l;
	(void)wnd;
	return 0;
}

/* Taken back to within a hole: without SACK, too, it opens again, for the peer
 * may not fill the hole before. */
START_TEST(no_sack_window_taken_back_behind_a_hole_opens_again)
{
	static const struct leg_behaviour b = {.window = window_of_0};

	rig_establish(&r, RIG_NO_SACK);
	r.edge_valid = false;
	r.l.behave = &b;
	rig_data(&r, 2000, 1000);
	ck_assert_uint_eq(leg_rcv_wnd(&r.l.rcv), 0);
	r.l.behave = NULL;
	rig_data(&r, 0, 1); /* a probe */
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 3000);
}
END_TEST

START_TEST(established_room_behind_the_other_leg_is_announced)
{
	uint32_t before;

	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 10);
	before = leg_rcv_wnd(&r.l.rcv);
	leg_sink_drained(&r.l, 1u << 20, r.now);
	rig_data(&r, 10, 10);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), before + (1u << 19));
}
END_TEST

/* What @to has not yet sent is never more than that, but for what each ACK
 * rounds up. */
START_TEST(notsent_lowat_bounds_what_waits)
{
	const uint32_t round = 22u << RIG_WS;
	static struct leg to;

	r.cfg.notsent_lowat = 20000;
	to = (struct leg){.cfg = &r.cfg, .state = TS_ESTABLISHED};
	to.snd.una = to.snd.nxt = SEQ(5);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &to.snd.q);
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_le(leg_rcv_wnd(&r.l.rcv), 20000);
	ck_assert_uint_gt(leg_rcv_wnd(&r.l.rcv), 18000);
	for (uint32_t at = 0; at < 20000; at += 1000)
		rig_data(&r, at, 1000);
	ck_assert_uint_gt(to.snd.q.bytes, 18000);
	ck_assert_uint_le(to.snd.q.bytes + leg_rcv_wnd(&r.l.rcv),
			  20000 + round);

	to.snd.nxt = seq_add(to.snd.una, 10000); /* is sent: */
	rig_clear(&r);
	leg_sink_moved(&r.l, &to, r.now);
	rig_pump(&r);
	ck_assert_uint_eq(r.ntx, 1); /* the peer is told at once */
	ck_assert_uint_le(to.snd.q.bytes + leg_rcv_wnd(&r.l.rcv),
			  30000 + round);
	ck_assert_uint_gt(to.snd.q.bytes + leg_rcv_wnd(&r.l.rcv), 28000);

	bufq_consume(&to.snd.q, &r.pool, 10000); /* is acknowledged: */
	to.snd.una = to.snd.nxt;
	leg_sink_moved(&r.l, &to, r.now);
	ck_assert_uint_le(to.snd.q.bytes + leg_rcv_wnd(&r.l.rcv),
			  20000 + round);
	bufq_purge(&to.snd.q, &r.pool);
}
END_TEST

/* With a fault between the two, what is on its way waits, too. */
START_TEST(notsent_lowat_counts_what_is_in_transit)
{
	static struct leg to;

	r.cfg.notsent_lowat = 20000;
	to = (struct leg){.cfg = &r.cfg, .state = TS_ESTABLISHED};
	to.snd.una = to.snd.nxt = SEQ(5);
	rig_establish(&r, RIG_ALL);
	to.snd.q.bytes = 15000;
	leg_sink_moved(&r.l, &to, r.now);
	ck_assert_uint_eq(r.l.rcv.most, 5000);
	to.snd.nxt = SEQ(5 + 15000);
	leg_sink_moved(&r.l, &to, r.now);
	ck_assert_uint_eq(r.l.rcv.most, 20000);
	r.cfg.notsent_lowat = UINT32_MAX;
	leg_sink_moved(&r.l, &to, r.now);
	ck_assert_uint_eq(r.l.rcv.most, UINT32_MAX);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("window");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, syn_received_window_is_unscaled);
	tcase_add_test(tc, established_odd_amounts_never_retreat_the_edge);
	tcase_add_test(tc, established_window_is_no_more_than_the_share);
	tcase_add_test(tc, established_full_sink_closes_the_window);
	tcase_add_test(tc, zero_window_small_room_is_not_announced);
	tcase_add_test(tc, established_drained_sink_keeps_the_window_open);
	tcase_add_test(tc, established_fast_reader_grows_the_buffer);
	tcase_add_test(tc, established_tiny_buffer_is_survived);
	tcase_add_test(tc, established_unknown_round_trip_grows_the_buffer);
	tcase_add_test(tc, established_slow_sender_does_not_grow_the_buffer);
	tcase_add_test(tc, established_short_memory_stops_growth);
	tcase_add_test(tc, behaviour_chooses_the_window);
	tcase_add_test(tc, behaviour_takes_back_what_was_promised);
	tcase_add_test(tc, no_sack_window_taken_back_behind_a_hole_opens_again);
	tcase_add_test(tc, established_room_behind_the_other_leg_is_announced);
	tcase_add_test(tc, notsent_lowat_bounds_what_waits);
	tcase_add_test(tc, notsent_lowat_counts_what_is_in_transit);
	return rig_main("window", tc);
}
