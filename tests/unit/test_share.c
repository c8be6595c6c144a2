/* SPDX-License-Identifier: MIT */
/* LINKS: util/hash util/region util/slab shield/hindex shield/share */
#include <check.h>
#include <stdlib.h>

#include "shield/share.h"

#define MAX 64u

static const uint8_t secret[32] = "shares";
static struct shares t;

static void setup(void)
{
	ck_assert_int_eq(shares_init(&t, MAX, secret), 0);
}

static void teardown(void)
{
	shares_fini(&t);
}

static struct ipaddr v4(uint32_t n)
{
	uint8_t b[4] = {192, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return ipaddr_v4(b);
}

static struct ipaddr v6(uint8_t net, uint8_t host)
{
	uint8_t b[16] = {0x20, 1, 0x0d, 0xb8, [7] = net, [15] = host};

	return ipaddr_v6(b);
}

START_TEST(source_is_an_ipv4_address_at_a_service)
{
	struct ipaddr a = v4(1), b = v4(2);
	uint32_t s = share_join(&t, &a, 0);

	ck_assert_uint_eq(share_join(&t, &a, 0), s);
	ck_assert_uint_ne(share_join(&t, &b, 0), s);
	ck_assert_uint_ne(share_join(&t, &a, 1), s);
	ck_assert_uint_eq(share_find(&t, &a, 0)->flows, 2);
	ck_assert_uint_eq(share_find(&t, &b, 0)->flows, 1);
	ck_assert_uint_eq(share_find(&t, &a, 1)->flows, 1);
	ck_assert_ptr_null(share_find(&t, &b, 1));
}
END_TEST

START_TEST(source_is_an_ipv6_prefix_of_64_bits)
{
	struct ipaddr a = v6(1, 1), b = v6(1, 2), c = v6(2, 1);
	uint32_t s = share_join(&t, &a, 0);

	ck_assert_uint_eq(share_join(&t, &b, 0), s);
	ck_assert_uint_ne(share_join(&t, &c, 0), s);
}
END_TEST

START_TEST(source_is_forgotten_with_its_last_connection)
{
	struct ipaddr a = v4(1);
	uint32_t s = share_join(&t, &a, 0);

	share_join(&t, &a, 0);
	share_leave(&t, s);
	ck_assert_uint_eq(share_find(&t, &a, 0)->flows, 1);
	share_leave(&t, s);
	ck_assert_ptr_null(share_find(&t, &a, 0));
	ck_assert_uint_eq(t.slab.used, 0);
	share_leave(&t, SHARE_NONE); /* nobody's: nothing happens */
}
END_TEST

START_TEST(full_table_refuses_a_source_and_keeps_the_others)
{
	struct ipaddr a;

	for (uint32_t i = 0; i < MAX; i++) {
		a = v4(i);
		ck_assert_uint_ne(share_join(&t, &a, 0), SHARE_NONE);
	}
	a = v4(MAX);
	ck_assert_uint_eq(share_join(&t, &a, 0), SHARE_NONE);
	for (uint32_t i = 0; i < MAX; i++) {
		a = v4(i);
		ck_assert_uint_eq(share_find(&t, &a, 0)->flows, 1);
	}
}
END_TEST

/* Against a plain array, while sources come and go. */
START_TEST(sum_is_what_all_hold_whatever_came_and_went)
{
	uint32_t of[40] = {0}, number[40] = {0};
	uint64_t held[SHARE_POOLS], flows, want = 0, want_bytes = 0;

	srandom(1);
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)random() % ARRAY_LEN(of);
		struct ipaddr a = v4(i * 7919);

		if (random() % 2) {
			number[i] = share_join(&t, &a, 0);
			share_at(&t, number[i])->held[SHARE_BYTES] += 10;
			of[i]++;
			want++;
			want_bytes += 10;
		} else if (of[i]) {
			share_at(&t, number[i])->held[SHARE_BYTES] -= 10;
			share_leave(&t, number[i]);
			of[i]--;
			want--;
			want_bytes -= 10;
		}
		ck_assert_int_eq(share_find(&t, &a, 0) != NULL, of[i] > 0);
	}
	share_sum(&t, held, &flows);
	ck_assert_uint_eq(flows, want);
	ck_assert_uint_eq(held[SHARE_BYTES], want_bytes);
	ck_assert_uint_eq(held[SHARE_NODES], 0);
}
END_TEST

START_TEST(share_shrinks_as_the_pool_fills)
{
	ck_assert_uint_eq(share_left(1000, 0, 0), 500);
	ck_assert_uint_eq(share_left(1000, 100, 100), 400);
	ck_assert_uint_eq(share_left(1000, 500, 500), 0);
	ck_assert_uint_eq(share_left(1000, 600, 600), 0);
	/* the source's other connections count against it */
	ck_assert_uint_eq(share_left(1000, 0, 900), 100);
	ck_assert_uint_eq(share_left(1000, 0, 1000), 0);
	ck_assert_uint_eq(share_left(100, 0, 20), 50);
	ck_assert_uint_eq(share_left(0, 0, 0), 0);
}
END_TEST

/* @n greedy sources of many connections each: what is left of 1,000,000? */
static uint64_t rest_beside(uint32_t n)
{
	uint64_t held[100] = {0}, free = 1000000;
	bool more = true;

	while (more) {
		more = false;
		for (uint32_t i = 0; i < n; i++) {
			if (!share_left(free, 0, held[i]))
				continue;
			held[i]++;
			free--;
			more = true;
		}
	}
	return free;
}

START_TEST(greedy_sources_leave_one_part_of_n_and_1)
{
	ck_assert_uint_eq(rest_beside(1), 500000);
	ck_assert_uint_eq(rest_beside(3), 250000);
	ck_assert_uint_ge(rest_beside(100), 9900);
}
END_TEST

START_TEST(places_of_one_source_are_eight_ninths)
{
	uint32_t n = 0;

	while (share_flows_ok(900 - n, n))
		n++;
	ck_assert_uint_eq(n, 800);
	ck_assert(share_flows_ok(1, 0));
	ck_assert(!share_flows_ok(0, 0));
	ck_assert(share_flows_ok(UINT32_MAX, 1u << 24));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("share");
	Suite *s = suite_create("share");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, source_is_an_ipv4_address_at_a_service);
	tcase_add_test(tc, source_is_an_ipv6_prefix_of_64_bits);
	tcase_add_test(tc, source_is_forgotten_with_its_last_connection);
	tcase_add_test(tc, full_table_refuses_a_source_and_keeps_the_others);
	tcase_add_test(tc, sum_is_what_all_hold_whatever_came_and_went);
	tcase_add_test(tc, share_shrinks_as_the_pool_fills);
	tcase_add_test(tc, greedy_sources_leave_one_part_of_n_and_1);
	tcase_add_test(tc, places_of_one_source_are_eight_ninths);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
