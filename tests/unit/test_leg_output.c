/* SPDX-License-Identifier: MIT */
/* What is sent (src/tcp/output.c). */
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

START_TEST(established_write_is_cut_into_full_segments_with_psh_last)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 2 * RIG_MSS + 100);
	rig_run(&r, MS(5));
	ck_assert_uint_eq(r.ntx, 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(r.tx[i].off, i * RIG_MSS);
		ck_assert_uint_eq(r.tx[i].s.data.len, i < 2 ? RIG_MSS : 100);
		ck_assert_uint_eq(r.tx[i].s.flags & TCP_PSH,
				  i < 2 ? 0 : TCP_PSH);
	}
}
END_TEST

START_TEST(established_initial_window_is_ten_segments)
{
	rig_establish(&r, RIG_ALL);
	rig_write(&r, 100 * RIG_MSS);
	rig_run(&r, MS(20));
	ck_assert_uint_eq(r.ntx, 10);
}
END_TEST

START_TEST(established_peer_window_is_never_exceeded)
{
	rig_establish(&r, RIG_ALL);
	r.wnd = 20; /* 2560 bytes */
	rig_ack(&r, 0);
	rig_write(&r, 100 * RIG_MSS);
	rig_run(&r, MS(5));
	ck_assert_uint_le(rig_last(&r)->end, 2560);
	ck_assert_uint_ge(rig_last(&r)->end, RIG_MSS);
}
END_TEST

START_TEST(established_sack_option_makes_segments_smaller)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 1000, 500);
	r.mute = true;
	rig_data(&r, 3000, 500);
	r.mute = false;
	rig_clear(&r);
	rig_write(&r, 5 * RIG_MSS);
	ck_assert_uint_gt(r.ntx, 0);
	ck_assert_uint_gt(r.tx[0].s.opts.nsack, 0);
	ck_assert_uint_le(r.tx[0].s.data.len, RIG_MSS - 12);
}
END_TEST

/* RFC 6928: the first window is never held back, however long the path. */
START_TEST(established_first_window_leaves_at_once)
{
	rig_establish_rtt(&r, RIG_ALL, MS(200));
	rig_write(&r, 10 * RIG_MSS);
	ck_assert_uint_eq(r.ntx, 10);
}
END_TEST

/* Half the window in one packet at most: a loss leaves others to tell. */
START_TEST(established_second_window_is_paced_over_the_round_trip)
{
	rig_establish_rtt(&r, RIG_ALL, MS(100));
	rig_write(&r, 10 * RIG_MSS);
	rig_run(&r, MS(100));
	rig_ack(&r, 10 * RIG_MSS);
	rig_clear(&r);
	rig_write(&r, 20 * RIG_MSS);
	ck_assert_uint_lt(r.ntx, 20);
	rig_run(&r, MS(90));
	ck_assert_uint_eq(r.ntx, 20);
	ck_assert_int_gt(mono_sub(r.tx[19].at, r.tx[0].at), MS(20));
}
END_TEST

START_TEST(established_idle_restarts_from_initial_window)
{
	rig_establish(&r, RIG_ALL);
	for (uint32_t a = 1; a <= 40; a++) {
		rig_write(&r, 9 * RIG_MSS);
		rig_run(&r, MS(10));
		rig_ack(&r, rig_last(&r)->end);
	}
	ck_assert_uint_gt(r.l.cc.cwnd, 10 * RIG_MSS);
	rig_run(&r, SECS(5));
	rig_write(&r, RIG_MSS);
	ck_assert_uint_eq(r.l.cc.cwnd, 10 * RIG_MSS);
	ck_assert_uint_gt(r.l.cc.ssthresh, 10 * RIG_MSS);
}
END_TEST

START_TEST(established_idle_keeps_window_when_policy_says)
{
	uint32_t cwnd;

	r.cfg.slow_start_after_idle = 0;
	rig_establish(&r, RIG_ALL);
	for (uint32_t a = 1; a <= 40; a++) {
		rig_write(&r, 9 * RIG_MSS);
		rig_run(&r, MS(10));
		rig_ack(&r, rig_last(&r)->end);
	}
	cwnd = r.l.cc.cwnd;
	rig_run(&r, SECS(5));
	rig_write(&r, RIG_MSS);
	ck_assert_uint_eq(r.l.cc.cwnd, cwnd);
}
END_TEST

/* The mark travels as an offset, with each segment before it (RFC 6093). */
START_TEST(established_urgent_mark_is_relayed)
{
	rig_establish(&r, RIG_ALL);
	r.mute = true;
	rig_write(&r, 2 * RIG_MSS);
	r.l.snd.urg_out = true;
	r.l.snd.urg = rig_ours(RIG_MSS + 50);
	r.mute = false;
	rig_pump(&r);
	rig_run(&r, MS(5));
	ck_assert_uint_eq(r.tx[0].s.flags & TCP_URG, TCP_URG);
	ck_assert_uint_eq(r.tx[0].s.urg, RIG_MSS + 50);
	rig_clear(&r);
	rig_ack(&r, 2 * RIG_MSS);
	rig_write(&r, 100);
	ck_assert_uint_eq(rig_last(&r)->s.flags & TCP_URG, 0);
}
END_TEST

START_TEST(established_urgent_mark_beyond_64k_waits)
{
	rig_establish(&r, RIG_ALL);
	r.mute = true;
	rig_write(&r, 100000);
	r.l.snd.urg_out = true;
	r.l.snd.urg = rig_ours(90000);
	r.mute = false;
	rig_pump(&r);
	ck_assert_uint_eq(r.tx[0].s.flags & TCP_URG, 0);
}
END_TEST

static uint32_t at_most_100(struct leg *l, uint32_t len)
{
	(void)l;
	return min_u32(len, 100);
}

static bool no_fin(struct leg *l, mono_t now)
{
	(void)l;
	(void)now;
	return false;
}

static void no_sack(struct leg *l, struct tcp_opts *o)
{
	(void)l;
	o->has &= (uint8_t)~OPT_HAS_SACKOK;
}

START_TEST(behaviour_limits_payload)
{
	static const struct leg_behaviour b = {.max_seg = at_most_100};

	rig_establish(&r, RIG_ALL);
	r.l.behave = &b;
	rig_write(&r, 1000);
	rig_run(&r, MS(5));
	ck_assert_uint_eq(r.ntx, 10);
	ck_assert_uint_eq(r.tx[0].s.data.len, 100);
}
END_TEST

START_TEST(behaviour_withholds_fin)
{
	static const struct leg_behaviour b = {.may_fin = no_fin};

	rig_establish(&r, RIG_ALL);
	r.l.behave = &b;
	rig_write(&r, 100);
	rig_close(&r);
	rig_ack(&r, 100);
	ck_state(&r, TS_ESTABLISHED);
	r.l.behave = NULL;
	rig_pump(&r);
	ck_state(&r, TS_FIN_WAIT_1);
}
END_TEST

START_TEST(behaviour_changes_offered_options)
{
	static const struct leg_behaviour b = {.syn_opts = no_sack};

	r.l.behave = &b;
	rig_syn_sent(&r);
	ck_assert_uint_eq(r.tx[0].s.opts.has, RIG_ALL & ~OPT_HAS_SACKOK);
}
END_TEST

/* Thousands of tiny slices: more packets, no byte lost. */
START_TEST(established_many_small_slices_are_sent_whole)
{
	rig_establish(&r, RIG_ALL);
	r.mute = true;
	for (int i = 0; i < 2000; i++)
		rig_write(&r, 7);
	r.mute = false;
	rig_pump(&r);
	for (int i = 0; i < 20; i++) {
		rig_run(&r, MS(10));
		rig_ack(&r, rig_last(&r)->end);
	}
	ck_assert_uint_eq(rig_last(&r)->end, 14000);
	ck_assert_uint_eq(r.l.snd.q.bytes, 0);
}
END_TEST

/* A scoreboard without memory delays, and loses nothing. */
START_TEST(established_without_run_memory_sends_later)
{
	static void *all[2 * RUNS_MAX + 1];
	uint32_t n = 0;

	rig_establish(&r, RIG_ALL);
	while ((all[n] = slab_alloc(&r.runs)))
		n++;
	rig_write(&r, 1000);
	ck_assert_uint_eq(r.ntx, 0);
	while (n)
		slab_free(&r.runs, all[--n]);
	rig_run(&r, MS(20));
	ck_assert_uint_eq(r.ntx, 1);
	rig_ack(&r, 1000);
}
END_TEST

static uint16_t next_ip_id(uint32_t *packets)
{
	static struct tx tx;

	memset(&tx, 0, sizeof(tx));
	ck_assert(leg_output(&r.l, &tx, r.now));
	*packets = tx.gso_size ? (tx.payload - 1) / tx.gso_size + 1 : 1;
	return (uint16_t)(tx.hdr[4] << 8 | tx.hdr[5]);
}

/* RFC 6864 leaves it free; Linux counts, and whoever compares expects that. */
START_TEST(established_ip_id_counts_packets_also_those_to_be_cut)
{
	uint32_t n, more;
	uint16_t id;

	rig_establish(&r, RIG_ALL);
	r.mute = true;
	rig_write(&r, 20 * 1460);
	id = next_ip_id(&n);
	ck_assert_uint_gt(n, 1);
	ck_assert_uint_eq(next_ip_id(&more), (uint16_t)(id + n));
}
END_TEST

START_TEST(established_rst_carries_timestamp_and_numbers)
{
	rig_establish(&r, RIG_ALL);
	rig_data(&r, 0, 10);
	rig_clear(&r);
	leg_abort(&r.l);
	rig_pump(&r);
	ck_assert_uint_eq(r.tx[0].s.opts.has, OPT_HAS_TS);
	ck_assert_uint_eq(r.tx[0].s.seq.v, rig_ours(0).v);
	ck_assert_uint_eq(r.tx[0].s.ack.v, rig_peer(10).v);
	ck_assert_uint_eq(r.tx[0].s.wnd, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("output");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(
		tc, established_write_is_cut_into_full_segments_with_psh_last);
	tcase_add_test(tc,
		       established_ip_id_counts_packets_also_those_to_be_cut);
	tcase_add_test(tc, established_initial_window_is_ten_segments);
	tcase_add_test(tc, established_peer_window_is_never_exceeded);
	tcase_add_test(tc, established_sack_option_makes_segments_smaller);
	tcase_add_test(tc, established_first_window_leaves_at_once);
	tcase_add_test(tc,
		       established_second_window_is_paced_over_the_round_trip);
	tcase_add_test(tc, established_idle_restarts_from_initial_window);
	tcase_add_test(tc, established_idle_keeps_window_when_policy_says);
	tcase_add_test(tc, established_urgent_mark_is_relayed);
	tcase_add_test(tc, established_urgent_mark_beyond_64k_waits);
	tcase_add_test(tc, behaviour_limits_payload);
	tcase_add_test(tc, behaviour_withholds_fin);
	tcase_add_test(tc, behaviour_changes_offered_options);
	tcase_add_test(tc, established_many_small_slices_are_sent_whole);
	tcase_add_test(tc, established_without_run_memory_sends_later);
	tcase_add_test(tc, established_rst_carries_timestamp_and_numbers);
	return rig_main("output", tc);
}
