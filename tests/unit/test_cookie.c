/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash shield/cookie */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/cookie.h"
#include "util/prng.h"

#define WALL 1700000020 /* 40 s into an epoch of 60 s */

static const uint8_t secret[32] = "a secret that gateways do share";
static struct cookie_keys keys;

static void setup(void)
{
	cookie_keys_init(&keys, secret, 60);
}

static struct segment make_syn(uint16_t mss, int wscale, bool sack, bool ts)
{
	struct segment s = {.family = 4, .flags = TCP_SYN, .seq = SEQ(12345)};

	s.t.local = ipaddr_v4((const uint8_t[]){192, 0, 2, 1});
	s.t.remote = ipaddr_v4((const uint8_t[]){198, 51, 100, 7});
	s.t.lport = 443;
	s.t.rport = 40000;
	s.opts.has = OPT_HAS_MSS;
	s.opts.mss = mss;
	if (wscale >= 0) {
		s.opts.has |= OPT_HAS_WSCALE;
		s.opts.wscale = (uint8_t)wscale;
	}
	if (sack)
		s.opts.has |= OPT_HAS_SACKOK;
	if (ts) {
		s.opts.has |= OPT_HAS_TS;
		s.opts.tsval = 777;
	}
	return s;
}

/* The client's answer to a SYN-ACK with @isn and, with timestamps, @tsval. */
static struct segment make_ack(const struct segment *syn, seq_t isn,
			       uint32_t tsval)
{
	struct segment a = *syn;

	a.flags = TCP_ACK;
	a.seq = seq_add(syn->seq, 1);
	a.ack = seq_add(isn, 1);
	a.opts = (struct tcp_opts){0};
	if (syn->opts.has & OPT_HAS_TS) {
		a.opts.has = OPT_HAS_TS;
		a.opts.tsval = syn->opts.tsval + 30;
		a.opts.tsecr = tsval;
	}
	return a;
}

/* Our clock of timestamps is the wall clock; the cookie was made at WALL. */
static int check(struct cookie_keys *k, const struct segment *ack, int64_t wall,
		 struct cookie_syn *out)
{
	struct cookie_now now = {
		.wall_s = wall,
		.tsval = ack->opts.tsecr + (uint32_t)(wall - WALL) * 1000,
	};

	return cookie_check(k, ack, &now, out);
}

static int round_trip(const struct segment *syn, bool ecn, uint32_t clock,
		      struct cookie_syn *out)
{
	seq_t isn = cookie_make(&keys, syn, WALL, ecn, 0, &clock);
	struct segment ack = make_ack(syn, isn, clock);

	return check(&keys, &ack, WALL + 1, out);
}

START_TEST(cookie_plain_syn_restores_options)
{
	static const uint8_t want[] = {0, 0, 2, 2, 4, 4, 6, 7,
				       8, 8, 8, 8, 8, 8, 8};
	struct cookie_syn c;

	for (int w = -1; w <= 14; w++) {
		for (int flags = 0; flags < 4; flags++) {
			struct segment s = make_syn(1460, w, flags & 1, false);

			ck_assert_int_eq(round_trip(&s, flags & 2, 5, &c), 0);
			ck_assert_uint_eq(c.mss, 1460);
			ck_assert_uint_eq(c.sack_ok, flags & 1);
			ck_assert_uint_eq(c.ecn, !!(flags & 2));
			ck_assert(!c.ts_ok);
			ck_assert_uint_eq(c.wscale_ok, w >= 0);
			ck_assert_uint_eq(c.wscale, w < 0 ? 0 : want[w]);
		}
	}
}
END_TEST

START_TEST(cookie_timestamped_syn_restores_exact_shift)
{
	struct cookie_syn c;

	for (int w = -1; w <= 14; w++) {
		struct segment s = make_syn(1400, w, true, true);

		ck_assert_int_eq(round_trip(&s, true, 1u << (w + 1), &c), 0);
		ck_assert(c.ts_ok && c.sack_ok && c.ecn);
		ck_assert_uint_eq(c.wscale_ok, w >= 0);
		ck_assert_uint_eq(c.wscale, w < 0 ? 0 : w);
		ck_assert_uint_eq(c.mss, 1400);
	}
}
END_TEST

START_TEST(cookie_mss_is_never_above_the_offer)
{
	struct cookie_syn plain, ts;

	for (uint32_t mss = 48; mss <= 65535; mss++) {
		struct segment s = make_syn((uint16_t)mss, 7, true, false);
		struct segment t = make_syn((uint16_t)mss, 7, true, true);

		ck_assert_int_eq(round_trip(&s, false, 0, &plain), 0);
		ck_assert_int_eq(round_trip(&t, false, 0, &ts), 0);
		ck_assert_uint_le(plain.mss, ts.mss);
		ck_assert_uint_le(ts.mss, mss);
	}
	ck_assert_uint_eq(ts.mss, 65475);
	ck_assert_uint_eq(plain.mss, 8940);
}
END_TEST

START_TEST(cookie_without_mss_option_means_default)
{
	struct segment s = make_syn(0, 7, true, false);
	struct cookie_syn c;

	s.opts.has = 0;
	ck_assert_int_eq(round_trip(&s, false, 0, &c), 0);
	ck_assert_uint_eq(c.mss, 536);
	s.family = 6;
	ck_assert_int_eq(round_trip(&s, false, 0, &c), 0);
	ck_assert_uint_eq(c.mss, 1220);
}
END_TEST

/* What the flow sends later must be newer, or the client's PAWS drops it. */
START_TEST(cookie_tsval_is_never_ahead_of_the_clock)
{
	struct segment s = make_syn(1460, 14, true, true);

	for (uint32_t i = 0; i < 300; i++) {
		uint32_t clock = i - 100, ts = clock; /* wraps */

		cookie_make(&keys, &s, WALL, false, 0, &ts);
		ck_assert_int_ge((int32_t)(clock - ts), 0);
		ck_assert_uint_lt(clock - ts, COOKIE_TS_STEP);
	}
}
END_TEST

START_TEST(cookie_timestamps_refused_keeps_quantised_shift)
{
	struct segment s = make_syn(1400, 9, true, true);
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, NULL);
	struct cookie_syn c;
	struct segment ack;

	s.opts.has &= (uint8_t)~OPT_HAS_TS;
	ack = make_ack(&s, isn, 0);
	ck_assert_int_eq(check(&keys, &ack, WALL, &c), 0);
	ck_assert(!c.ts_ok && c.wscale_ok);
	ck_assert_uint_eq(c.wscale, 8);
	ck_assert_uint_eq(c.mss, 1360);
}
END_TEST

START_TEST(cookie_timestamp_missing_in_ack_is_refused)
{
	struct segment s = make_syn(1400, 9, true, true);
	uint32_t ts = 1000;
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, &ts);
	struct segment ack = make_ack(&s, isn, ts);
	struct cookie_syn c;

	ack.opts.has = 0;
	ck_assert_int_eq(check(&keys, &ack, WALL, &c), -EBADMSG);
}
END_TEST

START_TEST(cookie_ages_over_two_epochs)
{
	struct segment s = make_syn(1460, 7, true, false);
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, NULL);
	struct segment ack = make_ack(&s, isn, 0);
	int64_t start = WALL - WALL % 60;
	struct cookie_syn c;

	ck_assert_int_eq(check(&keys, &ack, start, &c), 0);
	ck_assert_int_eq(check(&keys, &ack, start + 119, &c), 0);
	ck_assert_int_eq(check(&keys, &ack, start + 120, &c), -ESTALE);
	ck_assert_int_eq(check(&keys, &ack, start + 174, &c), -ESTALE);
	ck_assert_int_eq(check(&keys, &ack, start + 180, &c), -EBADMSG);
	/* a gateway that is behind by a few seconds, and by too many */
	ck_assert_int_eq(check(&keys, &ack, start - 5, &c), 0);
	ck_assert_int_eq(check(&keys, &ack, start - 6, &c), -EBADMSG);
}
END_TEST

START_TEST(cookie_of_another_gateway_is_accepted)
{
	struct segment s = make_syn(1460, 7, true, false);
	struct cookie_keys other, foreign;
	uint8_t wrong[32] = "another secret";
	struct cookie_syn c;
	struct segment ack;

	cookie_keys_init(&other, secret, 60);
	cookie_keys_init(&foreign, wrong, 60);
	ack = make_ack(&s, cookie_make(&other, &s, WALL, false, 0, NULL), 0);
	ck_assert_int_eq(check(&keys, &ack, WALL + 2, &c), 0);
	ck_assert_int_eq(check(&foreign, &ack, WALL + 2, &c), -EBADMSG);
}
END_TEST

/* Each field that the MAC covers, and each bit of the cookie itself. */
START_TEST(cookie_any_changed_bit_is_refused)
{
	struct segment s = make_syn(1460, 7, true, false);
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, NULL);
	struct cookie_syn c;

	for (int bit = 0; bit < 32; bit++) {
		struct segment ack = make_ack(&s, SEQ(isn.v ^ BIT(bit)), 0);

		ck_assert_int_ne(check(&keys, &ack, WALL, &c), 0);
		ack = make_ack(&s, isn, 0);
		ack.seq.v ^= BIT(bit);
		ck_assert_int_ne(check(&keys, &ack, WALL, &c), 0);
	}
	for (size_t byte = 0; byte < sizeof(s.t); byte++) {
		struct segment ack = make_ack(&s, isn, 0);

		((uint8_t *)&ack.t)[byte] ^= 1;
		ck_assert_int_ne(check(&keys, &ack, WALL, &c), 0);
	}
}
END_TEST

/* 2^22 forged ACKs; 2^-24 for each of two keys: 0.5 expected, 8 is absurd. */
START_TEST(cookie_random_forgeries_fail)
{
	struct segment s = make_syn(1460, 7, true, false);
	struct segment ack = make_ack(&s, SEQ(0), 0);
	uint32_t hits = 0;
	struct cookie_syn c;
	struct prng r;

	prng_seed(&r, 4);
	for (uint32_t i = 0; i < 1u << 22; i++) {
		ack.ack = SEQ(prng_u32(&r));
		hits += check(&keys, &ack, WALL, &c) == 0;
	}
	ck_assert_uint_lt(hits, 8);
}
END_TEST

/* TSecr has to be of the epoch whose key made the cookie. */
START_TEST(cookie_foreign_timestamp_is_refused)
{
	static const int32_t late_ms[] = {4000, 6000, 74000, 76000};
	static const bool taken[] = {false, true, true, false};
	struct segment s = make_syn(1460, 7, true, true);
	uint32_t ts = 123456789;
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, &ts);
	struct segment ack = make_ack(&s, isn, ts);
	struct cookie_now now = {.wall_s = WALL + 30};
	struct cookie_syn c;
	uint32_t hits = 0;
	struct prng r;

	/* it comes 10 s into the next epoch; 5 s are allowed */
	for (size_t i = 0; i < ARRAY_LEN(late_ms); i++) {
		now.tsval = ts + (uint32_t)late_ms[i];
		ck_assert_int_eq(cookie_check(&keys, &ack, &now, &c) == 0,
				 taken[i]);
	}
	prng_seed(&r, 5);
	now.tsval = ts + 30000;
	for (uint32_t i = 0; i < 1u << 20; i++) {
		ack.opts.tsecr = prng_u32(&r) << 6 | (ts & 63);
		hits += cookie_check(&keys, &ack, &now, &c) == 0;
	}
	/* 70 s of 2^32 ms: 17 expected */
	ck_assert_uint_lt(hits, 60);
	ck_assert_uint_gt(hits, 2);
}
END_TEST

/* However long the key lives, TSecr is no older than the answer to a SYN-ACK. */
START_TEST(cookie_old_timestamp_is_refused)
{
	struct segment s = make_syn(1460, 7, true, true), ack;
	struct cookie_now now = {.wall_s = 6000};
	struct cookie_keys slow;
	struct cookie_syn c;
	uint32_t ts = 123456789;
	seq_t isn;

	cookie_keys_init(&slow, secret, 6000);
	isn = cookie_make(&slow, &s, 6000, false, 0, &ts);
	ack = make_ack(&s, isn, ts);
	now.wall_s += COOKIE_TS_AGE_S;
	now.tsval = ts + COOKIE_TS_AGE_S * 1000;
	ck_assert_int_eq(cookie_check(&slow, &ack, &now, &c), 0);
	now.tsval++;
	ck_assert_int_ne(cookie_check(&slow, &ack, &now, &c), 0);
}
END_TEST

/* The same numbers once more: another cookie, and only that is taken. */
START_TEST(cookie_variant_is_a_cookie_of_its_own)
{
	struct segment s = make_syn(1460, 7, true, false);
	seq_t first = cookie_make(&keys, &s, WALL, false, 0, NULL);
	seq_t second = cookie_make(&keys, &s, WALL, false, 1, NULL);
	struct segment ack = make_ack(&s, second, 0);
	struct cookie_now now = {.wall_s = WALL, .variant = {0, 1, 0}};
	struct cookie_syn c;

	ck_assert_uint_ne(first.v & ~255u, second.v & ~255u);
	ck_assert_uint_eq(first.v & 255, second.v & 255);
	ck_assert_int_eq(cookie_check(&keys, &ack, &now, &c), 0);
	ck_assert_int_eq(c.epoch, WALL / 60);
	ck_assert_uint_eq(c.mss, 1460);
	ack = make_ack(&s, first, 0);
	ck_assert_int_eq(cookie_check(&keys, &ack, &now, &c), -EBADMSG);
	now = (struct cookie_now){.wall_s = WALL + 60, .variant = {1, 0, 0}};
	ack = make_ack(&s, second, 0);
	ck_assert_int_eq(cookie_check(&keys, &ack, &now, &c), 0);
	ck_assert_int_eq(c.epoch, WALL / 60);
}
END_TEST

/* The format that the header describes, byte by byte. */
START_TEST(cookie_format_is_as_described)
{
	struct segment s = make_syn(1460, 7, true, false);
	uint8_t in[44] = {[10] = 0xff, [11] = 0xff, [12] = 192, 0,  2,	 1,
			  [26] = 0xff, [27] = 0xff, [28] = 198, 51, 100, 7};
	uint32_t word[2] = {12345, 6 << 5 | 4 << 2 | 1 << 1 | 3 << 8};
	uint16_t port[2] = {443, 40000};
	struct hash_key key;
	uint32_t want;

	memcpy(in + 32, port, 4);
	memcpy(in + 36, word, 8);
	hash_derive(&key, secret, "syn cookie", WALL / 60);
	want = (uint32_t)hash_bytes(&key, in, 44);
	want = (want & ~255u) | (word[1] & 255);
	ck_assert_uint_eq(cookie_make(&keys, &s, WALL, false, 3, NULL).v, want);
}
END_TEST

START_TEST(cookie_opts_equal_the_syn)
{
	struct segment s = make_syn(1460, 11, true, true);
	uint32_t ts = 5000;
	seq_t isn = cookie_make(&keys, &s, WALL, false, 0, &ts);
	struct segment ack = make_ack(&s, isn, ts);
	struct cookie_syn c;
	struct tcp_opts o;

	ck_assert_int_eq(check(&keys, &ack, WALL, &c), 0);
	cookie_opts(&c, &ack, &o);
	ck_assert_uint_eq(o.has, s.opts.has);
	ck_assert_uint_eq(o.mss, 1460);
	ck_assert_uint_eq(o.wscale, 11);
	ck_assert_uint_eq(o.tsval, ack.opts.tsval);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cookie");
	TCase *tc = tcase_create("cookie");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, cookie_plain_syn_restores_options);
	tcase_add_test(tc, cookie_timestamped_syn_restores_exact_shift);
	tcase_add_test(tc, cookie_mss_is_never_above_the_offer);
	tcase_add_test(tc, cookie_without_mss_option_means_default);
	tcase_add_test(tc, cookie_tsval_is_never_ahead_of_the_clock);
	tcase_add_test(tc, cookie_timestamps_refused_keeps_quantised_shift);
	tcase_add_test(tc, cookie_timestamp_missing_in_ack_is_refused);
	tcase_add_test(tc, cookie_ages_over_two_epochs);
	tcase_add_test(tc, cookie_of_another_gateway_is_accepted);
	tcase_add_test(tc, cookie_any_changed_bit_is_refused);
	tcase_add_test(tc, cookie_random_forgeries_fail);
	tcase_add_test(tc, cookie_old_timestamp_is_refused);
	tcase_add_test(tc, cookie_foreign_timestamp_is_refused);
	tcase_add_test(tc, cookie_variant_is_a_cookie_of_its_own);
	tcase_add_test(tc, cookie_format_is_as_described);
	tcase_add_test(tc, cookie_opts_equal_the_syn);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
