/* SPDX-License-Identifier: MIT */
/*
 * Where the time of a leg goes (src/tcp/chrono.c), as the engine asks: after
 * the leg has sent what it may.
 */
#include "rig.h"

static struct rig r;
static struct leg from; /* the other leg */
static struct leg_chrono c;

static void setup(void)
{
	rig_init(&r);
	memset(&from, 0, sizeof(from));
	from.state = TS_ESTABLISHED;
	from.rcv.sink = &r.l.snd.q;
	from.rcv.adv = SEQ(100000);
	from.rcv.mss = 1448;
}

static void teardown(void)
{
	rig_fini(&r);
}

static void update(void)
{
	leg_chrono_update(&r.l, &from, r.now);
}

/* All time since the leg was established is accounted for, once. */
static void read_all(uint32_t total_ms)
{
	uint32_t sum = 0;

	c = leg_chrono_read(&r.l, r.now);
	for (int i = 0; i < LEG_LIMITS; i++)
		sum += c.ms[i];
	ck_assert_uint_eq(sum, total_ms);
}

/* From here on @us pass, in which the leg is held back by @limit. */
static void stays(enum leg_limit limit, int64_t us)
{
	uint32_t before = leg_chrono_read(&r.l, r.now).ms[limit];

	update();
	ck_assert_str_eq(leg_limit_name[r.l.chrono.limit],
			 leg_limit_name[limit]);
	r.now = mono_add(r.now, us);
	c = leg_chrono_read(&r.l, r.now);
	ck_assert_uint_eq(c.ms[limit] - before, us / USEC_PER_MSEC);
}

static void established(void)
{
	rig_establish_rtt(&r, RIG_ALL, MS(1));
	update();
}

START_TEST(handshake_time_is_of_nobody)
{
	rig_syn_received(&r, RIG_ALL);
	update();
	r.now = mono_add(r.now, SECS(1));
	read_all(0);
}
END_TEST

START_TEST(established_without_data_is_idle)
{
	established();
	stays(LIMIT_IDLE, MS(300));
	read_all(300);
}
END_TEST

START_TEST(established_all_in_flight_waits_for_the_application)
{
	established();
	rig_write(&r, 3 * RIG_MSS);
	ck_assert_uint_eq(r.ntx, 3);
	stays(LIMIT_APP, MS(40));
	rig_ack(&r, 3 * RIG_MSS);
	stays(LIMIT_IDLE, MS(7));
	read_all(47);
}
END_TEST

START_TEST(established_full_peer_window_is_rwnd)
{
	established();
	r.wnd = 20; /* 2,560 bytes */
	rig_ack(&r, 0);
	rig_write(&r, 5 * RIG_MSS);
	stays(LIMIT_RWND, MS(20));
	read_all(20);
}
END_TEST

START_TEST(established_closed_peer_window_is_rwnd)
{
	established();
	r.wnd = 0;
	rig_ack(&r, 0);
	rig_write(&r, 100);
	ck_assert_uint_eq(r.ntx, 0);
	stays(LIMIT_RWND, MS(20));
}
END_TEST

/* As in Linux: where both are full, congestion control is the limit. */
START_TEST(established_full_congestion_window_is_cwnd_whatever_the_peers_is)
{
	established();
	rig_write(&r, 30 * RIG_MSS);
	ck_assert_uint_eq(r.ntx, 10);
	stays(LIMIT_CWND, MS(20));
	r.wnd = 10 * RIG_MSS / 128;
	rig_ack(&r, 0);
	stays(LIMIT_CWND, MS(20));
	read_all(40);
}
END_TEST

START_TEST(established_next_segment_not_due_is_pacing)
{
	rig_establish_rtt(&r, RIG_ALL, MS(100));
	update();
	rig_write(&r, 10 * RIG_MSS);
	rig_run(&r, MS(100));
	rig_ack(&r, 10 * RIG_MSS);
	rig_write(&r, 20 * RIG_MSS);
	ck_assert_uint_lt(r.ntx, 30);
	update();
	ck_assert_str_eq(leg_limit_name[r.l.chrono.limit], "pacing");
}
END_TEST

START_TEST(established_loss_is_cwnd_and_what_is_sent_again_counts)
{
	established();
	rig_write(&r, 10 * RIG_MSS);
	RIG_SACK(&r, 0, 3 * RIG_MSS, 10 * RIG_MSS);
	rig_run(&r, MS(2));
	ck_assert_uint_gt(r.ntx, 10);
	ck_assert_uint_eq(r.l.chrono.resent, r.ntx - 10);
	rig_run(&r, MS(500));
	ck_assert_uint_gt(r.l.loss.lost_bytes, 0);
	stays(LIMIT_CWND, MS(30));
}
END_TEST

/* The other leg's peer has used up its window: what it sent waits here. */
START_TEST(established_other_legs_window_used_up_is_our_buffer)
{
	established();
	rig_write(&r, 3 * RIG_MSS);
	from.rcv.adv = seq_add(from.rcv.nxt, 1447);
	stays(LIMIT_BUFFER, MS(25));
	from.rcv.adv = seq_add(from.rcv.nxt, 1448);
	stays(LIMIT_APP, MS(25));
	from.rcv.adv = from.rcv.nxt;
	from.end.fin_rcvd = true; /* it has no more */
	stays(LIMIT_APP, MS(25));
}
END_TEST

/* A fault's queue stands between the legs, and holds bytes. */
START_TEST(established_bytes_held_by_a_fault_are_our_buffer)
{
	struct bufq held;

	established();
	bufq_init(&held);
	from.rcv.sink = &held;
	stays(LIMIT_IDLE, MS(5));
	held.bytes = 1;
	stays(LIMIT_BUFFER, MS(5));
}
END_TEST

START_TEST(established_hole_in_what_the_peer_sends_is_told_apart)
{
	established();
	rig_data(&r, 1000, 500);
	stays(LIMIT_IDLE, MS(60));
	ck_assert_uint_eq(c.hole_ms, 60);
	rig_data(&r, 0, 1000);
	stays(LIMIT_IDLE, MS(60));
	ck_assert_uint_eq(c.hole_ms, 60);
	ck_assert_uint_eq(rig_count(&r, CNT_ClientHoleSeconds), 60);
}
END_TEST

START_TEST(mute_leg_does_not_count)
{
	established();
	stays(LIMIT_IDLE, MS(10));
	r.l.mute = true;
	update();
	r.now = mono_add(r.now, SECS(1));
	update();
	r.l.mute = false;
	read_all(10);
}
END_TEST

START_TEST(updates_of_less_than_a_millisecond_add_up)
{
	established();
	for (int i = 0; i < 1000; i++) {
		update();
		r.now = mono_add(r.now, 700);
	}
	read_all(700);
}
END_TEST

/* The service's counters, in the order of enum leg_limit. */
START_TEST(times_are_counted_for_the_service_by_side)
{
	established();
	stays(LIMIT_IDLE, MS(10));
	rig_write(&r, 3 * RIG_MSS);
	stays(LIMIT_APP, MS(20));
	update();
	ck_assert_uint_eq(rig_count(&r, CNT_ClientIdleSeconds), 10);
	ck_assert_uint_eq(rig_count(&r, CNT_ClientAppLimitedSeconds), 20);
	ck_assert_uint_eq(rig_count(&r, CNT_ServerAppLimitedSeconds), 0);
	r.l.side = LEG_SERVER;
	stays(LIMIT_APP, MS(30));
	update();
	ck_assert_uint_eq(rig_count(&r, CNT_ServerAppLimitedSeconds), 30);
	r.l.side = LEG_CLIENT;
}
END_TEST

START_TEST(closed_leg_keeps_its_times)
{
	established();
	stays(LIMIT_IDLE, MS(10));
	leg_abort(&r.l);
	update();
	r.now = mono_add(r.now, SECS(9));
	read_all(10);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("chrono");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, handshake_time_is_of_nobody);
	tcase_add_test(t, established_without_data_is_idle);
	tcase_add_test(t, established_all_in_flight_waits_for_the_application);
	tcase_add_test(t, established_full_peer_window_is_rwnd);
	tcase_add_test(t, established_closed_peer_window_is_rwnd);
	tcase_add_test(
		t,
		established_full_congestion_window_is_cwnd_whatever_the_peers_is);
	tcase_add_test(t, established_next_segment_not_due_is_pacing);
	tcase_add_test(t,
		       established_loss_is_cwnd_and_what_is_sent_again_counts);
	tcase_add_test(t, established_other_legs_window_used_up_is_our_buffer);
	tcase_add_test(t, established_bytes_held_by_a_fault_are_our_buffer);
	tcase_add_test(t,
		       established_hole_in_what_the_peer_sends_is_told_apart);
	tcase_add_test(t, mute_leg_does_not_count);
	tcase_add_test(t, updates_of_less_than_a_millisecond_add_up);
	tcase_add_test(t, times_are_counted_for_the_service_by_side);
	tcase_add_test(t, closed_leg_keeps_its_times);
	return rig_main("chrono", t);
}
