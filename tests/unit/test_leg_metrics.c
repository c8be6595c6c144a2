/* SPDX-License-Identifier: MIT */
/*
 * Path memory (src/tcp/metrics.c): who writes it, what is written, and what the
 * next connection makes of it.  The numbers are those of Linux' rules.
 */
#include "rig.h"

static struct rig r;
static struct path_metrics m;
static bool known; /* there is an entry */

static struct path_metrics *path(struct paths *p, const struct ipaddr *host,
				 bool make, mono_t now)
{
	ck_assert_ptr_eq(p, (struct paths *)(void *)&m);
	ck_assert(ipaddr_eq(host, &r.t.remote));
	ck_assert_int_eq(now.us, r.now.us);
	known |= make;
	return known ? &m : NULL;
}

static void setup(void)
{
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	m = (struct path_metrics){.saved_at = MONO_UNSET, .mtu_at = MONO_UNSET};
	known = false;
}

static void teardown(void)
{
	rig_fini(&r);
}

static bool saved(void)
{
	return mono_is_set(m.saved_at);
}

/* The connection is over, having measured this. */
static void ended_with(uint32_t rtt_us, uint32_t var_us)
{
	r.l.rtt.smoothed_us = rtt_us;
	r.l.rtt.var_us = var_us;
	metrics_save(&r.l, r.now);
}

START_TEST(fin_wait_2_writes_once_the_peer_has_closed_too)
{
	struct segment s;

	rig_goto(&r, TS_FIN_WAIT_2);
	ck_assert(!saved());
	s = rig_seg(&r, TCP_ACK | TCP_FIN, 0);
	rig_in(&r, &s);
	ck_state(&r, TS_TIME_WAIT);
	ck_assert(saved());
	ck_assert_uint_gt(m.rtt_us, 0);
}
END_TEST

START_TEST(closing_acknowledged_writes)
{
	rig_goto(&r, TS_CLOSING);
	ck_assert(!saved());
	rig_ack(&r, 1);
	ck_state(&r, TS_TIME_WAIT);
	ck_assert(saved());
}
END_TEST

START_TEST(last_ack_acknowledged_writes)
{
	rig_goto(&r, TS_LAST_ACK);
	ck_assert(!saved());
	rig_ack(&r, 1);
	ck_state(&r, TS_CLOSED);
	ck_assert(saved());
}
END_TEST

/* Who never answered our SYN-ACK, or was reset, has taught nothing. */
START_TEST(reset_connection_writes_nothing)
{
	struct segment s;

	rig_establish(&r, RIG_ALL);
	s = rig_seg(&r, TCP_RST, 0);
	rig_in(&r, &s);
	ck_state(&r, TS_CLOSED);
	ck_assert(!known);
}
END_TEST

START_TEST(aborted_connection_writes_nothing)
{
	rig_establish(&r, RIG_ALL);
	leg_abort(&r.l);
	ck_assert(!known);
}
END_TEST

START_TEST(timed_out_connection_writes_nothing)
{
	rig_goto(&r, TS_LAST_ACK);
	rig_run(&r, SECS(3600));
	ck_state(&r, TS_CLOSED);
	ck_assert(!known);
}
END_TEST

START_TEST(no_metrics_save_leaves_nothing)
{
	r.cfg.no_metrics_save = 1;
	rig_goto(&r, TS_TIME_WAIT);
	ck_assert(!known);
}
END_TEST

/* tcp_update_metrics(): a longer one at once, a shorter one by an eighth. */
START_TEST(round_trip_grows_at_once_and_shrinks_slowly)
{
	rig_establish(&r, RIG_ALL);
	ended_with(80000, 1000);
	ck_assert_uint_eq(m.rtt_us, 80000);
	ck_assert_uint_eq(m.var_us, 80000); /* from nothing */
	ended_with(40000, 1000);
	ck_assert_uint_eq(m.rtt_us, 75000);
	ck_assert_uint_eq(m.var_us, 70000); /* 80 - (80 - 40) / 4 */
	ended_with(75000, 1000);
	ck_assert_uint_eq(m.rtt_us, 75000);
	ck_assert_uint_eq(m.var_us, 52750);
	ended_with(90000, 60000);
	ck_assert_uint_eq(m.rtt_us, 90000);
	ck_assert_uint_eq(m.var_us, 60000);
}
END_TEST

START_TEST(connection_in_back_off_forgets_the_round_trip)
{
	rig_establish(&r, RIG_ALL);
	ended_with(80000, 1000);
	r.l.rtt.backoff = 1;
	ended_with(90000, 1000);
	ck_assert_uint_eq(m.rtt_us, 0);
}
END_TEST

START_TEST(connection_without_a_sample_makes_no_entry)
{
	rig_establish(&r, RIG_ALL);
	ended_with(0, 0);
	ck_assert(!known);
}
END_TEST

static void window_of(uint32_t cwnd, uint32_t ssthresh, enum ca_state ca)
{
	r.l.cc.cwnd = cwnd * r.l.snd.mss;
	r.l.cc.ssthresh = ssthresh ? ssthresh * r.l.snd.mss : SSTHRESH_INF;
	r.l.loss.ca = (uint8_t)ca;
	ended_with(10000, 1000);
}

START_TEST(window_follows_linux_in_each_phase)
{
	r.cfg.no_ssthresh_metrics_save = 0;
	rig_establish(&r, RIG_ALL);
	window_of(40, 0, CA_OPEN); /* slow start never ended */
	ck_assert_uint_eq(m.cwnd, 40);
	ck_assert_uint_eq(m.ssthresh, 0);
	window_of(30, 0, CA_OPEN);
	ck_assert_uint_eq(m.cwnd, 40);
	window_of(100, 40, CA_OPEN); /* congestion avoidance */
	ck_assert_uint_eq(m.cwnd, 70);
	ck_assert_uint_eq(m.ssthresh, 50);
	window_of(20, 60, CA_OPEN); /* slow start after a loss */
	ck_assert_uint_eq(m.cwnd, 65);
	ck_assert_uint_eq(m.ssthresh, 60);
	window_of(90, 30, CA_RECOVERY);
	ck_assert_uint_eq(m.ssthresh, 60);
	window_of(200, 0, CA_OPEN);
	ck_assert_uint_eq(m.ssthresh, 100);
}
END_TEST

START_TEST(ssthresh_is_kept_and_used_only_where_asked_for)
{
	rig_establish(&r, RIG_ALL);
	window_of(100, 40, CA_OPEN);
	ck_assert_uint_eq(m.ssthresh, 0);
	m.ssthresh = 50;
	teardown();
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_eq(r.l.cc.ssthresh, SSTHRESH_INF);
	teardown();
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	r.cfg.no_ssthresh_metrics_save = 0;
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_eq(r.l.cc.ssthresh, 50 * RIG_MSS);
}
END_TEST

static void knows_rtt(uint32_t rtt_us)
{
	known = true;
	m.saved_at = r.now;
	m.rtt_us = rtt_us;
}

/* tcp_init_metrics(): rtt + max(2 rtt, 200 ms). */
START_TEST(longer_known_round_trip_sets_the_first_rto)
{
	knows_rtt(150000);
	rig_establish_rtt(&r, RIG_ALL, MS(10));
	ck_assert_uint_eq(r.l.rtt.rto_us, 450000);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, 10000);
	rig_write(&r, 100);
	rig_run(&r, MS(10));
	rig_ack(&r, 100);
	ck_assert_uint_lt(r.l.rtt.rto_us, 300000); /* measured now */
}
END_TEST

START_TEST(short_known_round_trip_leaves_the_least_rto)
{
	knows_rtt(50000);
	rig_establish_rtt(&r, RIG_ALL, MS(10));
	ck_assert_uint_eq(r.l.rtt.rto_us, 250000);
}
END_TEST

START_TEST(shorter_known_round_trip_changes_nothing)
{
	uint32_t rto_us;

	rig_establish_rtt(&r, RIG_ALL, MS(100));
	rto_us = r.l.rtt.rto_us;
	teardown();
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	knows_rtt(20000);
	rig_establish_rtt(&r, RIG_ALL, MS(100));
	ck_assert_uint_eq(r.l.rtt.rto_us, rto_us);
}
END_TEST

/* Somebody behind the same address may have delayed all ACKs. */
START_TEST(known_round_trip_is_believed_up_to_3_s)
{
	knows_rtt((uint32_t)SECS(40));
	rig_establish_rtt(&r, RIG_ALL, MS(10));
	ck_assert_uint_eq(r.l.rtt.rto_us, SECS(3));
}
END_TEST

START_TEST(mtu_that_icmp_told_of_counts_for_ten_minutes)
{
	rig_establish(&r, RIG_ALL);
	r.l.snd.pmtu = 1400;
	ended_with(10000, 1000);
	ck_assert_uint_eq(m.mtu, 1400);
	ck_assert_int_eq(m.mtu_at.us, r.now.us);
	teardown();
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	r.now = mono_add(m.mtu_at, SECS(599));
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_eq(r.l.snd.pmtu, 1400);
	ck_assert_uint_eq(r.l.snd.mss, 1400 - 40 - 12);
	ended_with(10000, 1000); /* no news: the time goes on */
	ck_assert_int_lt(m.mtu_at.us, r.now.us);
	teardown();
	rig_init(&r);
	r.env.path = path;
	r.env.paths = (struct paths *)(void *)&m;
	r.now = mono_add(m.mtu_at, SECS(601));
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_eq(r.l.snd.pmtu, 1500);
	r.l.snd.pmtu = 1400; /* told again, it counts again */
	ended_with(10000, 1000);
	ck_assert_int_eq(m.mtu_at.us, r.now.us);
}
END_TEST

START_TEST(mtu_beyond_the_links_is_not_used)
{
	known = true;
	m.saved_at = m.mtu_at = r.now;
	m.mtu = 9000;
	rig_establish(&r, RIG_ALL);
	ck_assert_uint_eq(r.l.snd.pmtu, 1500);
}
END_TEST

START_TEST(guessed_mtu_is_not_kept)
{
	rig_establish(&r, RIG_ALL);
	r.l.snd.pmtu = 1064;
	r.l.snd.pmtu_blackhole = true;
	ended_with(10000, 1000);
	ck_assert_uint_eq(m.mtu, 0);
}
END_TEST

/* RFC 3168, 6.1.1.1: what answers only without ECN is asked without it. */
START_TEST(ecn_that_had_no_answer_is_not_asked_for_again)
{
	r.cfg.ecn = 1;
	rig_syn_sent(&r);
	ck_assert(rig_last(&r)->s.flags & TCP_ECE);
	rig_run(&r, MS(1100));
	ck_assert_uint_eq(r.ntx, 2);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_SYN);
	ck_assert(!r.l.ecn_ok);
	known = true;
	r.l.rtt.backoff = 0; /* answered */
	ended_with(40000, 1000);
	ck_assert(m.no_ecn);

	leg_vanish(&r.l);
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_clear(&r);
	rig_syn_sent(&r);
	ck_assert_uint_eq(rig_last(&r)->s.flags, TCP_SYN);
	ended_with(40000, 1000);
	ck_assert(m.no_ecn); /* nothing new */

	leg_vanish(&r.l);
	r.now = mono_add(r.now, SECS(3601));
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_clear(&r);
	rig_syn_sent(&r); /* perhaps it works by now */
	ck_assert(rig_last(&r)->s.flags & TCP_ECE);
	ended_with(40000, 1000);
	ck_assert(!m.no_ecn);
}
END_TEST

START_TEST(rate_that_bbr_measured_is_kept)
{
	r.cfg.cc[LEG_CLIENT] = CC_BBR;
	leg_init(&r.l, &r.env, &r.cfg, LEG_CLIENT, &r.t, &r.sink);
	rig_establish_rtt(&r, RIG_NO_TS, MS(100));
	rig_write(&r, 14600);
	rig_run(&r, MS(100));
	rig_ack(&r, 14600);
	known = true;
	metrics_save(&r.l, r.now);
	ck_assert_uint_eq(m.rate, 146000);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("metrics");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, fin_wait_2_writes_once_the_peer_has_closed_too);
	tcase_add_test(t, closing_acknowledged_writes);
	tcase_add_test(t, last_ack_acknowledged_writes);
	tcase_add_test(t, reset_connection_writes_nothing);
	tcase_add_test(t, aborted_connection_writes_nothing);
	tcase_add_test(t, timed_out_connection_writes_nothing);
	tcase_add_test(t, no_metrics_save_leaves_nothing);
	tcase_add_test(t, round_trip_grows_at_once_and_shrinks_slowly);
	tcase_add_test(t, connection_in_back_off_forgets_the_round_trip);
	tcase_add_test(t, connection_without_a_sample_makes_no_entry);
	tcase_add_test(t, window_follows_linux_in_each_phase);
	tcase_add_test(t, ssthresh_is_kept_and_used_only_where_asked_for);
	tcase_add_test(t, longer_known_round_trip_sets_the_first_rto);
	tcase_add_test(t, short_known_round_trip_leaves_the_least_rto);
	tcase_add_test(t, shorter_known_round_trip_changes_nothing);
	tcase_add_test(t, known_round_trip_is_believed_up_to_3_s);
	tcase_add_test(t, mtu_that_icmp_told_of_counts_for_ten_minutes);
	tcase_add_test(t, mtu_beyond_the_links_is_not_used);
	tcase_add_test(t, guessed_mtu_is_not_kept);
	tcase_add_test(t, ecn_that_had_no_answer_is_not_asked_for_again);
	tcase_add_test(t, rate_that_bbr_measured_is_kept);
	return rig_main("metrics", t);
}
