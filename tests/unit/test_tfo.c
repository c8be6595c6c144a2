/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash shield/assoc shield/tfo shield/tfo_cache */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/tfo.h"

#define SEC INT64_C(1000000)

static const uint8_t secret[32] = "fast open secret";
static struct tfo_keys keys;
static struct tfo_answer ans;
static mono_t now;
static char err[200];

static void setup(void)
{
	now = (mono_t){70 * SEC};
	ck_assert_int_eq(tfo_keys_parse("00112233-44556677-8899aabb-ccddeeff,"
					"1-2-3-4",
					&keys, err, sizeof(err)),
			 0);
}

static struct segment make_syn(uint32_t data)
{
	struct segment s = {.flags = TCP_SYN, .family = 4};

	s.t.local = ipaddr_v4((const uint8_t[]){10, 9, 8, 2});
	s.t.remote = ipaddr_v4((const uint8_t[]){10, 9, 8, 1});
	s.t.lport = 80;
	s.t.rport = 1234;
	s.data.len = data;
	return s;
}

static struct segment with_cookie(uint32_t data, int key)
{
	struct segment s = make_syn(data);

	s.opts.has = OPT_HAS_TFO;
	s.opts.tfo_len = TFO_COOKIE_LEN;
	tfo_cookie_make(&keys.key[key], &s.t, s.opts.tfo);
	return s;
}

static enum tfo_action answer(const struct segment *s, uint32_t flags)
{
	tfo_answer_syn(&keys, s, flags, true, &ans);
	return ans.action;
}

START_TEST(key_words_are_little_endian)
{
	static const uint8_t want[16] = {0x33, 0x22, 0x11, 0x00, 0x77, 0x66,
					 0x55, 0x44, 0xbb, 0xaa, 0x99, 0x88,
					 0xff, 0xee, 0xdd, 0xcc};

	ck_assert_uint_eq(keys.n, 2);
	ck_assert_mem_eq(keys.key[0].k, want, 16);
	ck_assert_uint_eq(keys.key[1].k[0], 1);
	ck_assert_uint_eq(keys.key[1].k[4], 2);
}
END_TEST

START_TEST(key_mistakes_are_refused_and_not_repeated)
{
	static const char *const bad[] = {
		"1-2-3",	 "1-2-3-4-5",	    "1-2-3-4,",
		"1-2-3-g",	 "123456789-2-3-4", "1--3-4",
		"1-2-3-4,5-6-7", ",1-2-3-4",	    "1-2-3-4 ",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tfo_keys k = {.n = 9};

		ck_assert_int_eq(tfo_keys_parse(bad[i], &k, err, sizeof(err)),
				 -EINVAL);
		ck_assert_uint_eq(k.n, 9);
		ck_assert_ptr_null(strstr(err, "123456789"));
	}
	ck_assert_int_eq(tfo_keys_parse("", &keys, err, sizeof(err)), 0);
	ck_assert_uint_eq(keys.n, 0);
}
END_TEST

START_TEST(derived_keys_rotate_through_backup)
{
	struct tfo_keys old, new;

	tfo_keys_derive(&old, secret, 41);
	tfo_keys_derive(&new, secret, 42);
	ck_assert_mem_eq(&new.key[1], &old.key[0], sizeof(struct hash_key));
	ck_assert_mem_ne(&new.key[0], &old.key[0], sizeof(struct hash_key));
}
END_TEST

/*
 * Linux 6.18 with this key issued these cookies: client 10.9.8.1, server
 * 10.9.8.2, and fd00:9:8::1, fd00:9:8::2 (tests/e2e/tfo_cookie.sh).
 */
START_TEST(cookie_equals_the_kernels)
{
	static const uint8_t want4[8] = {0x84, 0x76, 0x8c, 0x68,
					 0x98, 0xef, 0x99, 0xb4};
	static const uint8_t want6[8] = {0x46, 0x6b, 0xd1, 0x53,
					 0x92, 0xec, 0x89, 0x32};
	struct segment s = make_syn(0);
	uint8_t got[8];

	tfo_cookie_make(&keys.key[0], &s.t, got);
	ck_assert_mem_eq(got, want4, 8);
	s.t.local = (struct ipaddr){{0xfd, 0, 0, 9, 0, 8, [15] = 2}};
	s.t.remote = (struct ipaddr){{0xfd, 0, 0, 9, 0, 8, [15] = 1}};
	tfo_cookie_make(&keys.key[0], &s.t, got);
	ck_assert_mem_eq(got, want6, 8);
}
END_TEST

START_TEST(syn_without_option_is_ordinary)
{
	struct segment s = make_syn(10);

	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_ORDINARY);
	ck_assert_int_eq(answer(&s, TFO_SERVER | TFO_SERVER_NO_COOKIE),
			 TFO_ACCEPT);
}
END_TEST

START_TEST(syn_asking_is_offered_a_cookie)
{
	struct segment s = make_syn(0), good = with_cookie(0, 0);

	s.opts.has = OPT_HAS_TFO;
	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_OFFER);
	ck_assert(ans.asked && !ans.failed && !ans.experimental);
	ck_assert_mem_eq(ans.cookie, good.opts.tfo, 8);
	s.opts.has = OPT_HAS_TFO_EXP;
	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_OFFER);
	ck_assert(ans.experimental);
	ck_assert_int_eq(answer(&s, TFO_CLIENT), TFO_ORDINARY);
}
END_TEST

START_TEST(syn_with_valid_cookie_is_accepted)
{
	struct segment s = with_cookie(100, 0);

	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_ACCEPT);
	ck_assert(!ans.renew && !ans.failed);
}
END_TEST

START_TEST(syn_with_backup_cookie_is_accepted_and_renewed)
{
	struct segment s = with_cookie(100, 1), good = with_cookie(0, 0);

	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_ACCEPT);
	ck_assert(ans.renew);
	ck_assert_mem_eq(ans.cookie, good.opts.tfo, 8);
}
END_TEST

START_TEST(syn_with_stolen_or_wrong_cookie_gets_a_new_one)
{
	struct segment s = with_cookie(100, 0);

	s.t.remote.b[15]++; /* another client */
	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_OFFER);
	ck_assert(ans.failed);
	for (int bit = 0; bit < 64; bit++) {
		s = with_cookie(100, 0);
		s.opts.tfo[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_OFFER);
	}
	s = with_cookie(100, 0);
	s.opts.tfo_len = 4;
	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_OFFER);
}
END_TEST

START_TEST(syn_without_room_or_key_is_ordinary)
{
	struct segment s = with_cookie(100, 0);

	tfo_answer_syn(&keys, &s, TFO_SERVER, false, &ans);
	ck_assert_int_eq(ans.action, TFO_ORDINARY);
	keys.n = 0;
	ck_assert_int_eq(answer(&s, TFO_SERVER), TFO_ORDINARY);
}
END_TEST

START_TEST(pending_resets_count_for_a_minute)
{
	struct tfo_pending p = {0};

	for (int i = 0; i < 3; i++) {
		ck_assert(tfo_pending_room(&p, 3, now));
		tfo_pending_begin(&p);
	}
	ck_assert(!tfo_pending_room(&p, 3, now));
	tfo_pending_end(&p, false, now);
	ck_assert(tfo_pending_room(&p, 3, now));
	tfo_pending_begin(&p);
	tfo_pending_end(&p, true, now);
	ck_assert(!tfo_pending_room(&p, 3, mono_add(now, 60 * SEC - 1)));
	ck_assert(tfo_pending_room(&p, 3, mono_add(now, 60 * SEC)));
	ck_assert_uint_eq(p.count, 2);
}
END_TEST

START_TEST(pending_reset_ring_never_loses_count)
{
	struct tfo_pending p = {0};

	for (int i = 0; i < 1000; i++) {
		tfo_pending_begin(&p);
		tfo_pending_end(&p, true, now);
	}
	ck_assert_uint_eq(p.count, TFO_RST_RING);
	ck_assert(tfo_pending_room(&p, 1, mono_add(now, 60 * SEC)));
	ck_assert_uint_eq(p.count, 0);
}
END_TEST

START_TEST(cache_asks_then_uses_cookie)
{
	struct tfo_cookie give = {.len = 8, .val = {7}, .mss = 1400}, got;
	struct ipaddr srv = make_syn(0).t.local;
	struct tfo_cache c;

	ck_assert_int_eq(tfo_cache_init(&c, 64, secret), 0);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 2, now, &got), TFO_USE_NOT);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_ASK);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 5, now, &got), TFO_USE_DATA);
	tfo_cache_store(&c, &srv, &give, now);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_DATA);
	ck_assert_mem_eq(&got, &give, sizeof(got));
	tfo_cache_fini(&c);
}
END_TEST

START_TEST(cache_lost_syns_leave_server_alone)
{
	struct ipaddr srv = make_syn(0).t.local;
	struct tfo_cookie got;
	struct tfo_cache c;

	ck_assert_int_eq(tfo_cache_init(&c, 64, secret), 0);
	tfo_cache_lost(&c, &srv, now);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_ASK);
	tfo_cache_lost(&c, &srv, now);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_NOT);
	now = mono_add(now, 120 * SEC);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_ASK);
	for (int i = 0; i < 255; i++) /* the count does not wrap */
		tfo_cache_lost(&c, &srv, now);
	now = mono_add(now, 3840 * SEC - 1);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_NOT);
	now = mono_add(now, 1);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_ASK);
	tfo_cache_answered(&c, &srv, now);
	tfo_cache_lost(&c, &srv, now);
	ck_assert_int_eq(tfo_cache_plan(&c, &srv, 1, now, &got), TFO_USE_ASK);
	tfo_cache_fini(&c);
}
END_TEST

START_TEST(cache_forgets_one_server_or_all)
{
	struct tfo_cookie give = {.len = 8}, got;
	struct ipaddr a = make_syn(0).t.local, b = make_syn(0).t.remote;
	struct tfo_cache c;

	ck_assert_int_eq(tfo_cache_init(&c, 64, secret), 0);
	tfo_cache_lost(&c, &a, now);
	tfo_cache_lost(&c, &a, now);
	tfo_cache_store(&c, &b, &give, now);
	tfo_cache_forget(&c, &a);
	ck_assert_int_eq(tfo_cache_plan(&c, &a, 1, now, &got), TFO_USE_ASK);
	ck_assert_int_eq(tfo_cache_plan(&c, &b, 1, now, &got), TFO_USE_DATA);
	tfo_cache_forget(&c, &a); /* there is none */
	tfo_cache_forget(&c, NULL);
	ck_assert_int_eq(tfo_cache_plan(&c, &b, 1, now, &got), TFO_USE_ASK);
	tfo_cache_fini(&c);
}
END_TEST

START_TEST(blackhole_backs_off_and_clears)
{
	struct tfo_blackhole b = {0};

	tfo_blackhole_hit(&b, 0, now); /* off */
	ck_assert(!tfo_blackhole_active(&b, 10 * SEC, now));
	for (int i = 0; i < 10; i++) {
		int64_t want = 10 * SEC << (i < 6 ? i : 6);

		tfo_blackhole_hit(&b, 10 * SEC, now);
		ck_assert(tfo_blackhole_active(&b, 10 * SEC,
					       mono_add(now, want - 1)));
		ck_assert(!tfo_blackhole_active(&b, 10 * SEC,
						mono_add(now, want)));
	}
	tfo_blackhole_clear(&b);
	ck_assert(!tfo_blackhole_active(&b, 10 * SEC, now));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tfo");
	TCase *tc = tcase_create("tfo");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, key_words_are_little_endian);
	tcase_add_test(tc, key_mistakes_are_refused_and_not_repeated);
	tcase_add_test(tc, derived_keys_rotate_through_backup);
	tcase_add_test(tc, cookie_equals_the_kernels);
	tcase_add_test(tc, syn_without_option_is_ordinary);
	tcase_add_test(tc, syn_asking_is_offered_a_cookie);
	tcase_add_test(tc, syn_with_valid_cookie_is_accepted);
	tcase_add_test(tc, syn_with_backup_cookie_is_accepted_and_renewed);
	tcase_add_test(tc, syn_with_stolen_or_wrong_cookie_gets_a_new_one);
	tcase_add_test(tc, syn_without_room_or_key_is_ordinary);
	tcase_add_test(tc, pending_resets_count_for_a_minute);
	tcase_add_test(tc, pending_reset_ring_never_loses_count);
	tcase_add_test(tc, cache_asks_then_uses_cookie);
	tcase_add_test(tc, cache_lost_syns_leave_server_alone);
	tcase_add_test(tc, cache_forgets_one_server_or_all);
	tcase_add_test(tc, blackhole_backs_off_and_clears);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
