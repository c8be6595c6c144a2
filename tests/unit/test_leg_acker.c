/* SPDX-License-Identifier: MIT */
/* When to acknowledge (src/tcp/acker.c). */
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

/* Past the quick ACKs that a connection begins with. */
static void calm(void)
{
	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 0; i < QUICKACKS; i++)
		rig_data(&r, r.pnxt, RIG_MSS);
	rig_read(&r, r.sink.bytes);
	rig_run(&r, MS(100));
	rig_clear(&r);
	ck_assert_uint_eq(r.l.rcv.quickack, 0);
}

START_TEST(established_first_segments_are_acked_at_once)
{
	rig_establish(&r, RIG_ALL);
	for (uint32_t i = 1; i <= QUICKACKS; i++) {
		rig_data(&r, r.pnxt, 10);
		ck_assert_uint_eq(r.ntx, i);
	}
	rig_data(&r, r.pnxt, 10);
	ck_assert_uint_eq(r.ntx, QUICKACKS);
}
END_TEST

START_TEST(established_lone_segment_is_acked_after_40_ms)
{
	mono_t begin;

	calm();
	begin = r.now;
	rig_data(&r, r.pnxt, RIG_MSS);
	ck_assert_uint_eq(r.ntx, 0);
	rig_run(&r, MS(39));
	ck_assert_uint_eq(r.ntx, 0);
	rig_run(&r, MS(3));
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_int_ge(mono_sub(r.tx[0].at, begin), MS(40));
	ck_assert_uint_eq(rig_count(&r, CNT_TcpExtDelayedACKs), 1);
}
END_TEST

/* RFC 1122, 4.2.3.2: at least every second full-sized segment. */
START_TEST(established_second_full_segment_is_acked_at_once)
{
	calm();
	for (uint32_t i = 1; i <= 10; i++) {
		rig_data(&r, r.pnxt, RIG_MSS);
		ck_assert_uint_eq(r.ntx, i / 2);
	}
	ck_assert_uint_eq(rig_last(&r)->s.ack.v, r.l.rcv.nxt.v);
}
END_TEST

START_TEST(established_out_of_order_segment_is_acked_at_once)
{
	calm();
	rig_data(&r, r.pnxt + RIG_MSS, RIG_MSS);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.opts.nsack, 1);
}
END_TEST

START_TEST(established_segment_that_fills_a_hole_is_acked_at_once)
{
	uint32_t at;

	calm();
	at = r.pnxt;
	rig_data(&r, at + RIG_MSS, RIG_MSS);
	rig_clear(&r);
	rig_data(&r, at, RIG_MSS);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(at + 2 * RIG_MSS).v);
}
END_TEST

START_TEST(established_after_reordering_acks_are_quick_again)
{
	uint32_t at;

	calm();
	at = r.pnxt;
	rig_data(&r, at + RIG_MSS, RIG_MSS);
	rig_data(&r, at, RIG_MSS);
	rig_clear(&r);
	rig_data(&r, r.pnxt, 10);
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

START_TEST(established_data_carries_the_ack)
{
	calm();
	rig_data(&r, r.pnxt, 10);
	rig_write(&r, 10);
	ck_assert_uint_eq(r.ntx, 1);
	ck_assert_uint_eq(r.tx[0].s.ack.v, r.l.rcv.nxt.v);
	rig_ack(&r, 10);
	rig_run(&r, MS(100));
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

START_TEST(established_pure_ack_is_never_acked)
{
	calm();
	for (int i = 0; i < 100; i++)
		rig_ack(&r, 0);
	rig_run(&r, SECS(1));
	ck_assert_uint_eq(r.ntx, 0);
}
END_TEST

START_TEST(established_behaviour_may_withhold_acks)
{
	static const struct leg_behaviour none = {0};

	calm();
	r.l.behave = &none;
	rig_data(&r, r.pnxt, RIG_MSS);
	rig_data(&r, r.pnxt, RIG_MSS);
	ck_assert_uint_eq(r.ntx, 1);
}
END_TEST

static bool never(struct leg *l, mono_t now)
{
	(void)l;
	(void)now;
	return false;
}

START_TEST(established_behaviour_that_refuses_acks_sends_none)
{
	static const struct leg_behaviour b = {.may_ack = never};

	calm();
	r.l.behave = &b;
	for (int i = 0; i < 10; i++)
		rig_data(&r, r.pnxt, RIG_MSS);
	rig_run(&r, SECS(1));
	ck_assert_uint_eq(r.ntx, 0);
	ck_assert_uint_eq(r.sink.bytes, 10 * RIG_MSS);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("acker");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, established_first_segments_are_acked_at_once);
	tcase_add_test(tc, established_lone_segment_is_acked_after_40_ms);
	tcase_add_test(tc, established_second_full_segment_is_acked_at_once);
	tcase_add_test(tc, established_out_of_order_segment_is_acked_at_once);
	tcase_add_test(tc,
		       established_segment_that_fills_a_hole_is_acked_at_once);
	tcase_add_test(tc, established_after_reordering_acks_are_quick_again);
	tcase_add_test(tc, established_data_carries_the_ack);
	tcase_add_test(tc, established_pure_ack_is_never_acked);
	tcase_add_test(tc, established_behaviour_may_withhold_acks);
	tcase_add_test(tc, established_behaviour_that_refuses_acks_sends_none);
	return rig_main("acker", tc);
}
