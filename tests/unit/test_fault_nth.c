/* SPDX-License-Identifier: MIT */
/*
 * drop_nth: exactly every nth segment is lost, counted on each connection.
 *
 * LINKS: fault/% util/record util/option util/region util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>

#include "fault/told.h"
#include "wire/segment.h"

static struct fault_set set;
static const mono_t now = {1000000};

static void setup(void)
{
	ck_assert_int_eq(fault_set_init(&set, 42, 100, now), 0);
}

static void teardown(void)
{
	fault_set_fini(&set);
}

static void add(const char *line)
{
	struct fault_spec spec;
	char err[600] = "";

	ck_assert_msg(!fault_parse_line(line, &spec, err, sizeof(err)),
		      "%s: %s", line, err);
	ck_assert_int_ge(fault_set_add(&set, &spec, now), 0);
}

static struct fault_flow *conn(uint16_t port)
{
	const struct tuple t = {.lport = 80, .rport = port};
	struct fault_flow *w = fault_flow_new(&set, "web", &t, now);

	ck_assert_ptr_nonnull(w);
	w->owner = &set;
	return w;
}

/* Which of the next 16 segments are lost, a bit each. */
static uint32_t lost(struct fault_flow *w)
{
	const struct fault_event ev = {.to_peer = true,
				       .state = 4,
				       .flags = TCP_ACK,
				       .len = 1000,
				       .now = now};
	struct fault_verdict v;
	uint32_t bits = 0;

	for (uint32_t i = 0; i < 16; i++) {
		fault_judge(&set, w, &ev, &v);
		bits |= (uint32_t)v.drop << i;
	}
	return bits;
}

START_TEST(each_connection_loses_every_fifth)
{
	struct fault_flow *a, *b;

	add("type=drop_nth n=5");
	a = conn(1);
	b = conn(2);
	ck_assert_uint_eq(lost(a), 1u << 4 | 1u << 9 | 1u << 14);
	ck_assert_uint_eq(lost(b), 1u << 4 | 1u << 9 | 1u << 14);
	/* the 17th to 32nd */
	ck_assert_uint_eq(lost(a), 1u << 3 | 1u << 8 | 1u << 13);
}
END_TEST

START_TEST(skipped_segments_come_before_the_first)
{
	add("type=drop_nth n=4 skip=2 count=3");
	ck_assert_uint_eq(lost(conn(1)), 1u << 5 | 1u << 9 | 1u << 13);
}
END_TEST

START_TEST(n_of_one_loses_all_and_none_is_refused)
{
	struct fault_spec spec;
	char err[600] = "";

	add("type=drop_nth n=1");
	ck_assert_uint_eq(lost(conn(1)), 0xffff);
	ck_assert(fault_parse_line("x type=drop_nth n=0", &spec, err,
				   sizeof(err)) < 0);
	ck_assert_str_eq(err, "n is at least 1");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_nth");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_connection_loses_every_fifth);
	tcase_add_test(tc, skipped_segments_come_before_the_first);
	tcase_add_test(tc, n_of_one_loses_all_and_none_is_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
