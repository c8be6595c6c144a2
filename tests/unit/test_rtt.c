/* SPDX-License-Identifier: MIT */
/* Round-trip time and timeout (src/tcp/rtt.c): RFC 6298. */
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

/* The formulas in double, with the kernel's floor on the variance term. */
struct ref {
	double srtt, var;
};

static void ref_sample(struct ref *f, double m)
{
	if (f->srtt == 0) {
		f->srtt = m;
		f->var = m / 2;
		return;
	}
	f->var += ((m > f->srtt ? m - f->srtt : f->srtt - m) - f->var) / 4;
	f->srtt += (m - f->srtt) / 8;
}

START_TEST(first_sample_sets_srtt_and_half_variance)
{
	rtt_sample(&r.l.rtt, MS(400), r.now);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, MS(400));
	ck_assert_uint_eq(r.l.rtt.var_us, MS(200));
	ck_assert_uint_eq(r.l.rtt.rto_us, MS(1200));
}
END_TEST

START_TEST(rto_before_any_sample_is_one_second)
{
	ck_assert_uint_eq(rtt_rto(&r.l.rtt), SECS(1));
}
END_TEST

START_TEST(steady_rtt_leaves_200_ms_above_it)
{
	for (int i = 0; i < 100; i++)
		rtt_sample(&r.l.rtt, MS(50), r.now);
	ck_assert_uint_ge(r.l.rtt.rto_us, MS(249));
	ck_assert_uint_le(r.l.rtt.rto_us, MS(251));
}
END_TEST

START_TEST(random_samples_follow_rfc_6298)
{
	struct ref f = {0};

	for (int i = 0; i < 2000; i++) {
		uint32_t m = 1000 + prng_below(&r.rng, 900000);
		double rto, var;

		rtt_sample(&r.l.rtt, m, r.now);
		ref_sample(&f, m);
		var = 4 * f.var > 200000 ? 4 * f.var : 200000;
		rto = f.srtt + var;
		ck_assert_msg(r.l.rtt.rto_us > rto - 100 &&
				      r.l.rtt.rto_us < rto + 100,
			      "sample %d: rto %u, reference %.0f", i,
			      r.l.rtt.rto_us, rto);
	}
}
END_TEST

START_TEST(negative_and_absurd_samples_are_ignored)
{
	rtt_sample(&r.l.rtt, MS(50), r.now);
	rtt_sample(&r.l.rtt, -1, r.now);
	rtt_sample(&r.l.rtt, SECS(121), r.now);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, MS(50));
}
END_TEST

START_TEST(backoff_doubles_up_to_120_s)
{
	rtt_sample(&r.l.rtt, MS(50), r.now);
	for (uint32_t i = 0; i < 32; i++) {
		uint64_t want = (uint64_t)r.l.rtt.rto_us << (i < 16 ? i : 16);

		r.l.rtt.backoff = (uint8_t)i;
		ck_assert_uint_eq(rtt_rto(&r.l.rtt),
				  want > SECS(120) ? SECS(120) : want);
	}
}
END_TEST

START_TEST(minimum_is_forgotten_after_five_minutes)
{
	rtt_sample(&r.l.rtt, MS(10), r.now);
	rtt_sample(&r.l.rtt, MS(50), mono_add(r.now, SECS(299)));
	ck_assert_uint_eq(r.l.rtt.min_us, MS(10));
	rtt_sample(&r.l.rtt, MS(50), mono_add(r.now, SECS(302)));
	ck_assert_uint_eq(r.l.rtt.min_us, MS(50));
}
END_TEST

/* Karn: what was retransmitted gives no sample (without timestamps). */
START_TEST(retransmitted_segment_gives_no_sample)
{
	uint32_t srtt;

	rig_establish(&r, RIG_PLAIN);
	srtt = r.l.rtt.smoothed_us;
	rig_write(&r, 500);
	rig_run(&r, MS(300));
	ck_assert_uint_eq(r.ntx, 2);
	rig_ack(&r, 500);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, srtt);
}
END_TEST

/* Neither does what was received before it and had to wait for it. */
START_TEST(ack_of_a_filled_hole_gives_no_sample)
{
	uint32_t srtt;

	rig_establish(&r, RIG_PLAIN);
	srtt = r.l.rtt.smoothed_us;
	rig_write(&r, 3 * 1460);
	for (int i = 0; i < 3; i++)
		rig_ack(&r, 0);
	rig_run(&r, SECS(3));
	rig_ack(&r, 3 * 1460);
	ck_assert_uint_eq(board_outstanding(&r.l.snd), 0);
	ck_assert_uint_eq(r.l.rtt.smoothed_us, srtt);
}
END_TEST

START_TEST(segment_sent_once_gives_a_sample)
{
	rig_establish(&r, RIG_PLAIN);
	rig_write(&r, 500);
	rig_run(&r, MS(90));
	rig_ack(&r, 500);
	ck_assert_uint_eq(r.l.rtt.smoothed_us,
			  MS(10) + MS(90) / 8 - MS(10) / 8);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rtt");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, first_sample_sets_srtt_and_half_variance);
	tcase_add_test(tc, rto_before_any_sample_is_one_second);
	tcase_add_test(tc, steady_rtt_leaves_200_ms_above_it);
	tcase_add_test(tc, random_samples_follow_rfc_6298);
	tcase_add_test(tc, negative_and_absurd_samples_are_ignored);
	tcase_add_test(tc, backoff_doubles_up_to_120_s);
	tcase_add_test(tc, minimum_is_forgotten_after_five_minutes);
	tcase_add_test(tc, retransmitted_segment_gives_no_sample);
	tcase_add_test(tc, ack_of_a_filled_hole_gives_no_sample);
	tcase_add_test(tc, segment_sent_once_gives_a_sample);
	return rig_main("rtt", tc);
}
