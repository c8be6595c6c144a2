/* SPDX-License-Identifier: MIT */
/*
 * The table of peers: who has a place, who makes room, how workers' numbers
 * are joined, and what is printed.  What is measured, and when, is played in
 * tests/fault/cases_profile.c.
 *
 * LINKS: fault/% util/record util/option util/region util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>
#include <stdlib.h>

#include "fault/set.h"
#include "wire/segment.h"

static struct fault_set set;
static struct fault_flow *w;
static mono_t now;

static void setup(void)
{
	const struct tuple t = {.lport = 80, .rport = 1000};
	struct fault_spec spec;
	char err[600];

	now = (mono_t){1000000};
	ck_assert_int_eq(fault_set_init(&set, 42, 10, now), 0);
	fault_parse_line("a type=observe", &spec, err, sizeof(err));
	fault_set_add(&set, &spec, now);
	w = fault_flow_new(&set, "web", &t, now);
	w->owner = &set;
}

static void teardown(void)
{
	fault_flow_free(&set, w);
	fault_set_fini(&set);
}

static struct ipaddr host(uint8_t n)
{
	const uint8_t a[4] = {10, 0, 0, n};

	return ipaddr_v4(a);
}

static void wire(bool to_peer, uint16_t flags, uint32_t seq, uint32_t len,
		 uint16_t wnd)
{
	const struct ipaddr peer = host(1);
	const struct fault_wire x = {.peer = &peer,
				     .now = now,
				     .seq = SEQ(seq),
				     .ack = SEQ(to_peer ? 1001 : 1),
				     .len = len,
				     .flags = flags,
				     .wnd = wnd,
				     .to_peer = to_peer};

	fault_wire_pass(&set, w, &x);
}

static void pass_ms(int64_t ms)
{
	now = mono_add(now, ms * USEC_PER_MSEC);
}

static const struct fault_profile *profile(void)
{
	const struct ipaddr a = host(1);

	return fault_profile_find(set.profile, &a, 0);
}

START_TEST(full_table_forgets_who_was_unheard_longest)
{
	static struct fault_profile table[FAULT_PROFILES_MAX];
	struct ipaddr a;

	for (uint8_t i = 0; i < FAULT_PROFILES_MAX; i++) {
		struct fault_profile *p;

		a = host(i);
		p = fault_profile_find(table, &a, 0);
		p->conns = i + 1;
		p->seen = (mono_t){i == 7 ? 5 : 100 + i};
	}
	a = host(200);
	ck_assert_ptr_eq(fault_profile_find(table, &a, 0), &table[7]);
	ck_assert_uint_eq(table[7].conns, 0);
	a = host(6);
	ck_assert_ptr_eq(fault_profile_find(table, &a, 0), &table[6]);
	/* the same host as a server is another peer */
	table[7].conns = 1;
	table[7].seen = (mono_t){500};
	ck_assert_ptr_eq(fault_profile_find(table, &a, 1), &table[0]);
}
END_TEST

START_TEST(workers_are_joined)
{
	struct fault_profile a = {.addr = host(1), .conns = 2}, b = a;

	a.syn[1] = (struct fault_spread){1, 20, 20, 20};
	b.syn[1] = (struct fault_spread){2, 10, 30, 40};
	b.syn[2] = (struct fault_spread){1, 7, 7, 7};
	b.keepalives = 4;
	b.seen = (mono_t){9};
	b.forged[1] = (struct fault_forged){2, 1, FR_CHALLENGE};
	fault_profile_merge(&a, &b);
	ck_assert_uint_eq(a.conns, 4);
	ck_assert_uint_eq(a.syn[1].n, 3);
	ck_assert_int_eq(a.syn[1].min_us, 10);
	ck_assert_int_eq(a.syn[1].max_us, 30);
	ck_assert_int_eq(a.syn[1].sum_us, 60);
	ck_assert_int_eq(a.syn[2].min_us, 7);
	ck_assert_uint_eq(a.keepalives, 4);
	ck_assert_uint_eq(a.forged[1].n, 2);
	ck_assert_uint_eq(a.forged[1].last, FR_CHALLENGE);
	ck_assert_int_eq(a.seen.us, 9);
	b.syn[1] = (struct fault_spread){1, 15, 15, 15};
	fault_profile_merge(&a, &b);
	ck_assert_int_eq(a.syn[1].min_us, 10);
	ck_assert_int_eq(a.syn[1].max_us, 30);
}
END_TEST

START_TEST(rst_after_retries_ends_the_measure_of_giving_up)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	wire(true, TCP_ACK, 1, 0, 500);
	pass_ms(100);
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(200);
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(400);
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(800);
	wire(false, TCP_RST, 1011, 0, 0);
	ck_assert_uint_eq(profile()->reset.n, 1);
	ck_assert_int_eq(profile()->reset.max_us, 1400 * USEC_PER_MSEC);
	ck_assert_int_eq(profile()->rto[0].max_us, 200 * USEC_PER_MSEC);
	ck_assert_int_eq(profile()->rto[1].max_us, 400 * USEC_PER_MSEC);
}
END_TEST

START_TEST(rst_without_retries_is_no_giving_up)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	pass_ms(100);
	wire(false, TCP_RST, 1001, 0, 0);
	ck_assert_uint_eq(profile()->reset.n, 0);
}
END_TEST

/* The same segment is a window probe or a keepalive, by what was told last. */
START_TEST(probe_is_of_the_window_when_it_is_shut)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	wire(true, TCP_ACK, 1, 0, 0);
	pass_ms(300);
	wire(false, TCP_ACK, 1000, 0, 500);
	ck_assert_int_eq(profile()->window[0].max_us, 300 * USEC_PER_MSEC);
	ck_assert_uint_eq(profile()->idle.n, 0);
	wire(true, TCP_ACK, 1, 0, 500);
	pass_ms(700);
	wire(false, TCP_ACK, 1000, 0, 500);
	ck_assert_int_eq(profile()->idle.max_us, 700 * USEC_PER_MSEC);
	ck_assert_uint_eq(profile()->window[1].n, 0);
}
END_TEST

START_TEST(retransmission_that_follows_our_segment_is_not_measured)
{
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(150);
	wire(true, TCP_ACK, 1, 0, 500);
	pass_ms(1);
	wire(false, TCP_ACK, 1001, 10, 500);
	ck_assert_uint_eq(profile()->rto[0].n, 0);
}
END_TEST

/* When the oldest was sent is not known, but from its first copy on it is. */
START_TEST(series_begins_with_its_second_step_after_a_partial_ack)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	wire(false, TCP_ACK, 1001, 10, 500);
	wire(true, TCP_ACK, 1, 0, 500); /* acknowledges the first byte */
	pass_ms(300);
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(600);
	wire(false, TCP_ACK, 1001, 10, 500);
	ck_assert_uint_eq(profile()->rto[0].n, 0);
	ck_assert_int_eq(profile()->rto[1].max_us, 600 * USEC_PER_MSEC);
}
END_TEST

/* It came at once: duplicate ACKs made it, and what follows is no second step.
 */
START_TEST(fast_retransmission_after_a_partial_ack_begins_no_series)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	wire(false, TCP_ACK, 1001, 10, 500);
	wire(true, TCP_ACK, 1, 0, 500);
	pass_ms(50);
	wire(false, TCP_ACK, 1001, 10, 500);
	pass_ms(200);
	wire(false, TCP_ACK, 1001, 10, 500);
	ck_assert_uint_eq(profile()->rto[0].n, 0);
	ck_assert_uint_eq(profile()->rto[1].n, 0);
}
END_TEST

START_TEST(data_between_probes_begins_them_anew)
{
	wire(false, TCP_ACK, 1000, 1, 500);
	wire(true, TCP_ACK, 1, 0, 500);
	pass_ms(700);
	wire(false, TCP_ACK, 1000, 0, 500);
	pass_ms(100);
	wire(false, TCP_ACK, 1001, 5, 500);
	pass_ms(800);
	wire(false, TCP_ACK, 1005, 0, 500);
	ck_assert_uint_eq(profile()->keepalive.n, 0);
	ck_assert_int_eq(profile()->idle.max_us, 800 * USEC_PER_MSEC);
	ck_assert_uint_eq(profile()->keepalives, 1);
}
END_TEST

/* It would have come again after 400 ms; who forgets it sooner cannot know. */
START_TEST(who_is_forgotten_too_soon_has_not_given_up)
{
	const struct tuple t = {.lport = 80, .rport = 1001};

	for (int i = 0; i < 2; i++) {
		wire(false, TCP_ACK, 1001, 10, 500);
		pass_ms(200);
		wire(false, TCP_ACK, 1001, 10, 500);
		set.now = mono_add(now, i ? 1401000 : 1399000);
		fault_flow_free(&set, w);
		ck_assert_uint_eq(profile()->given_up.n, i);
		w = fault_flow_new(&set, "web", &t, now);
		w->owner = &set;
	}
	ck_assert_int_eq(profile()->given_up.max_us, 200 * USEC_PER_MSEC);
}
END_TEST

START_TEST(printed_whole_or_its_length_told)
{
	struct fault_profile p = {.addr = host(1), .side = 1, .conns = 2};
	char out[600];
	size_t n;

	p.rtt = (struct fault_spread){2, 1000, 3000, 4000};
	p.syn[1] = (struct fault_spread){1, 1500, 1500, 1500};
	p.keepalives = 3;
	p.forged[FAULT_RST_INWINDOW] = (struct fault_forged){2, 1, FR_RST};
	n = fault_profile_print(&p, out, sizeof(out));
	ck_assert_uint_eq(n, strlen(out));
	ck_assert_str_eq(
		out,
		"{\"peer\":\"10.0.0.1\",\"side\":\"server\",\"conns\":2,"
		"\"rtt_ms\":{\"n\":2,\"min\":1.000,\"mean\":2.000,"
		"\"max\":3.000},\"syn_ack_ms\":[null,{\"n\":1,\"min\":1.500,"
		"\"mean\":1.500,\"max\":1.500}],\"rto_ms\":[],"
		"\"window_probe_ms\":[],\"keepalive\":{\"idle_ms\":null,"
		"\"interval_ms\":null,\"count\":3},\"gives_up\":{\"rst_ms\":"
		"null,\"silence_ms\":null},\"inject\":{\"rst-inwindow\":{"
		"\"n\":2,\"ok\":1,\"last\":\"rst\"}}}");
	ck_assert_uint_eq(fault_profile_print(&p, out, 10), n);
	ck_assert_uint_eq(strlen(out), 9);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_profile");
	TCase *tc = tcase_create("profile");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, full_table_forgets_who_was_unheard_longest);
	tcase_add_test(tc, workers_are_joined);
	tcase_add_test(tc, rst_after_retries_ends_the_measure_of_giving_up);
	tcase_add_test(tc, rst_without_retries_is_no_giving_up);
	tcase_add_test(tc, probe_is_of_the_window_when_it_is_shut);
	tcase_add_test(tc,
		       retransmission_that_follows_our_segment_is_not_measured);
	tcase_add_test(tc,
		       series_begins_with_its_second_step_after_a_partial_ack);
	tcase_add_test(
		tc, fast_retransmission_after_a_partial_ack_begins_no_series);
	tcase_add_test(tc, data_between_probes_begins_them_anew);
	tcase_add_test(tc, who_is_forgotten_too_soon_has_not_given_up);
	tcase_add_test(tc, printed_whole_or_its_length_told);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
