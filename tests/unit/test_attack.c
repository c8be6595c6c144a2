/* SPDX-License-Identifier: MIT */
/*
 * When an attack begins and ends, and who was refused most.
 *
 * LINKS: shield/attack shield/offenders
 */
#include <check.h>
#include <stdlib.h>

#include "shield/attack.h"
#include "shield/offenders.h"

static struct attack a;
static struct attack_counts c;
static int64_t second;

static void setup(void)
{
	memset(&a, 0, sizeof(a));
	memset(&c, 0, sizeof(c));
	second = 1;
	attack_feed(&a, &c, (mono_t){second * USEC_PER_SEC});
}

/* A second passes in which so much was counted. */
static enum attack_event tick(uint64_t cookies, uint64_t proven,
			      uint64_t failed, uint64_t limited)
{
	c.cookies += cookies;
	c.proven += proven;
	c.failed += failed;
	c.limited += limited;
	return attack_feed(&a, &c, (mono_t){++second * USEC_PER_SEC});
}

START_TEST(flood_begins_once_and_ends_after_calm)
{
	struct attack_counts total;
	int ends = 0;

	ck_assert_int_eq(tick(5000, 10, 0, 0), ATTACK_NONE);
	ck_assert_int_eq(tick(5000, 10, 0, 0), ATTACK_BEGINS);
	ck_assert_uint_eq(a.rate, 4990);
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(tick(9000, 10, 0, 0), ATTACK_NONE);
	for (int i = 0; i < 9; i++)
		ck_assert_int_eq(tick(20, 0, 0, 0), ATTACK_NONE);
	ck_assert(a.on);
	ck_assert_int_eq(tick(20, 0, 0, 0), ATTACK_ENDS);
	attack_total(&a, &total);
	ck_assert_uint_eq(total.cookies, 2 * 5000 + 60 * 9000 + 10 * 20);
	ck_assert_uint_eq(total.proven, 620);
	ck_assert_uint_eq(attack_proven_permille(&total), 1);
	ck_assert_uint_eq(a.peak, 8990);
	for (int i = 0; i < 100; i++)
		ends += tick(20, 0, 0, 0) != ATTACK_NONE;
	ck_assert_int_eq(ends, 0);
	ck_assert_uint_eq(a.seen, 1);
}
END_TEST

/* Pauses shorter than the calm do not end it: no line for each. */
START_TEST(flood_that_pauses_stays_one_attack)
{
	int events = 0;

	for (int i = 0; i < 600; i++)
		events += tick(i / 8 % 2 ? 0 : 1000, 0, 0, 0) != ATTACK_NONE;
	ck_assert_int_eq(events, 1);
	ck_assert_uint_eq(a.seen, 1);
}
END_TEST

/* tcp_syncookies = 2: every client gets a cookie, and brings it back; those of
 * the last round trip are still under way. */
START_TEST(busy_clients_are_no_attack)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(tick(5000, i ? 5000 : 4300, 3, 0),
				 ATTACK_NONE);
	/* of a tenth the answer never comes: the network loses it */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(tick(5000, 4500, 3, 0), ATTACK_NONE);
	ck_assert_int_eq(tick(1000000, 900000, 0, 0), ATTACK_NONE);
	ck_assert_int_eq(tick(0, 100000, 0, 0), ATTACK_NONE);
	ck_assert_uint_eq(a.seen, 0);
}
END_TEST

START_TEST(single_second_is_no_attack)
{
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(tick(i % 2 ? 0 : 100000, 0, 0, 0),
				 ATTACK_NONE);
}
END_TEST

START_TEST(blind_acks_and_refused_syns_are_attacks)
{
	ck_assert_int_eq(tick(0, 0, 200, 0), ATTACK_NONE);
	ck_assert_int_eq(tick(0, 0, 200, 0), ATTACK_BEGINS);
	setup();
	ck_assert_int_eq(tick(0, 0, 0, 100), ATTACK_NONE);
	ck_assert_int_eq(tick(0, 0, 0, 100), ATTACK_BEGINS);
	setup();
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(tick(0, 0, 49, 50), ATTACK_NONE);
}
END_TEST

/* A restart of the counters, or two samples at one time, is no attack. */
START_TEST(counts_that_fall_and_no_time_are_survived)
{
	tick(1000, 1000, 0, 0);
	c = (struct attack_counts){.cookies = 3};
	ck_assert_int_eq(tick(0, 0, 0, 0), ATTACK_NONE);
	ck_assert_uint_eq(a.rate, 0);
	c.failed += 1000000;
	ck_assert_int_eq(attack_feed(&a, &c, (mono_t){second * USEC_PER_SEC}),
			 ATTACK_NONE);
	ck_assert_uint_eq(
		attack_proven_permille(&(struct attack_counts){.proven = 9}),
		0);
	ck_assert_uint_eq(attack_proven_permille(&(struct attack_counts){
				  .cookies = 4, .proven = 9}),
			  1000);
}
END_TEST

/* --- offenders --- */

static struct offenders o;

static void refuse(uint32_t source, uint32_t service, int64_t at_s)
{
	const uint8_t b[4] = {(uint8_t)(source >> 24), (uint8_t)(source >> 16),
			      (uint8_t)(source >> 8), (uint8_t)source};
	struct ipaddr addr = ipaddr_v4(b);

	offenders_note(&o, &addr, service, (mono_t){at_s * USEC_PER_SEC});
}

static const struct offender *find(uint32_t source, uint32_t service)
{
	const uint8_t b[4] = {(uint8_t)(source >> 24), (uint8_t)(source >> 16),
			      (uint8_t)(source >> 8), (uint8_t)source};
	struct ipaddr addr = ipaddr_v4(b);

	for (uint32_t i = 0; i < o.n; i++) {
		if (ipaddr_eq(&o.who[i].addr, &addr) &&
		    o.who[i].service == service)
			return &o.who[i];
	}
	return NULL;
}

/* One in ten is one source: it stays among a million others, and what is surely
 * its own is most of what it did. */
START_TEST(heavy_source_stays_among_many)
{
	const struct offender *w;
	uint32_t sum = 0;

	memset(&o, 0, sizeof(o));
	for (uint32_t i = 0; i < 100000; i++)
		refuse(i % 10 ? 0x0b000000 + i : 0x0a000001, 1, 1);
	ck_assert_uint_eq(o.n, OFFENDERS_MAX);
	w = find(0x0a000001, 1);
	ck_assert_ptr_nonnull(w);
	ck_assert_uint_ge(w->count, 10000);
	ck_assert_uint_le(w->count - w->error, 10000);
	ck_assert_uint_ge(w->count - w->error, 5000);
	for (uint32_t i = 0; i < o.n; i++)
		sum += o.who[i].count;
	ck_assert_uint_eq(sum, 100000); /* no count is ever forgotten */
}
END_TEST

START_TEST(services_are_apart_and_old_sins_fade)
{
	memset(&o, 0, sizeof(o));
	for (int i = 0; i < 1000; i++)
		refuse(0x0a000001, i % 4 ? 1 : 2, 1);
	ck_assert_uint_eq(find(0x0a000001, 1)->count, 750);
	ck_assert_uint_eq(find(0x0a000001, 2)->count, 250);
	refuse(0x0a000002, 1, 61);
	ck_assert_uint_eq(find(0x0a000001, 1)->count, 375);
	ck_assert_uint_eq(find(0x0a000002, 1)->count, 1);
}
END_TEST

/* A host has 2^64 addresses of its network. */
START_TEST(ipv6_source_is_its_network)
{
	uint8_t b[16] = {0x20, 0x01, 0x0d, 0xb8};

	memset(&o, 0, sizeof(o));
	for (int i = 0; i < 100; i++) {
		struct ipaddr addr;

		b[15] = (uint8_t)i;
		addr = ipaddr_v6(b);
		offenders_note(&o, &addr, 1, (mono_t){1});
	}
	ck_assert_uint_eq(o.n, 1);
	ck_assert_uint_eq(o.who[0].count, 100);
	ck_assert_uint_eq(o.who[0].addr.b[15], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("attack");
	TCase *t = tcase_create("attack"), *u = tcase_create("offenders");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, flood_begins_once_and_ends_after_calm);
	tcase_add_test(t, flood_that_pauses_stays_one_attack);
	tcase_add_test(t, busy_clients_are_no_attack);
	tcase_add_test(t, single_second_is_no_attack);
	tcase_add_test(t, blind_acks_and_refused_syns_are_attacks);
	tcase_add_test(t, counts_that_fall_and_no_time_are_survived);
	suite_add_tcase(s, t);
	tcase_add_test(u, heavy_source_stays_among_many);
	tcase_add_test(u, services_are_apart_and_old_sins_fade);
	tcase_add_test(u, ipv6_source_is_its_network);
	suite_add_tcase(s, u);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
