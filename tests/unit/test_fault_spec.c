/* SPDX-License-Identifier: MIT */
/*
 * How faults are written, and what is refused.
 *
 * LINKS: fault/types_segment fault/types_handshake fault/types_transfer
 * LINKS: fault/types_close fault/types fault/spec fault/models fault/decide
 * LINKS: fault/report fault/set fault/stream fault/react fault/profile
 * LINKS: util/option util/slab util/wheel
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "fault/set.h"

static struct fault_spec spec;
static char err[600];

static int parse(const char *line)
{
	err[0] = '\0';
	return fault_parse_line(line, &spec, err, sizeof(err));
}

START_TEST(line_with_common_keys_parsed)
{
	ck_assert_int_eq(
		parse("cut type=loss service=web side=server "
		      "dir=to_peer percent=2.5 src=10.0.0.0/8 "
		      "dport=80-90 conn=every:7 toxicity=0.5 skip=3 "
		      "count=4 duration=2s lease=1m on=state:FIN_WAIT_2 "
		      "expect=injected>=1"),
		0);
	ck_assert_str_eq(spec.name, "cut");
	ck_assert_str_eq(spec.service, "web");
	ck_assert_int_eq(spec.side, FAULT_SERVER);
	ck_assert_int_eq(spec.dir, FAULT_TO_PEER);
	ck_assert(spec.p[FP_PERCENT].d > 0.0249 &&
		  spec.p[FP_PERCENT].d < 0.0251);
	ck_assert_int_eq(spec.src.prefix, 96 + 8);
	ck_assert_int_eq(spec.dport.hi, 90);
	ck_assert_int_eq(spec.conn.kind, FAULT_CONN_EVERY);
	ck_assert_uint_eq(spec.conn.v[0], 7);
	ck_assert_int_eq(spec.on.on, FAULT_ON_STATE);
	ck_assert_uint_eq(spec.on.arg, 6);
	ck_assert_int_eq(spec.lease_us, 60 * USEC_PER_SEC);
	ck_assert(spec.expect.set);
}
END_TEST

START_TEST(name_left_out_is_the_type)
{
	ck_assert_int_eq(parse("type=duplicate percent=1"), 0);
	ck_assert_str_eq(spec.name, "duplicate");
	ck_assert_int_eq(spec.p[FP_COPIES].i, 1);
}
END_TEST

/* Each line, and a word that the refusal must contain. */
static const char *const refused[][2] = {
	{"x percent=1", "needs a type"},
	{"x type=none", "needs a type"},
	{"x type=lose", "loss"},
	{"x type=loss latency=5", "does not take latency; allowed: percent"},
	{"x type=delay", "needs time"},
	{"x type=loss percent=101", "0 to 100"},
	{"x type=loss percent=nan", "0 to 100"},
	{"x type=loss toxicity=2", "0 to 1"},
	{"x type=loss on=byte", "byte:N"},
	{"x type=loss on=state:NONE", "state:S"},
	{"x type=loss conn=0", "numbers from 1"},
	{"x type=loss expect=lost>1", "injected>=1"},
	{"x type=reset_peer after=syn", "byte:N"},
	{"x type=latency latency=1 on=syn", "on=byte:N"},
	{"x type=fin after=time:1s", "after=byte:N"},
	{"x type=rate rate=0", "64kbit"},
	{"x type=loss src=1.2.3.4/33", "ADDRESS"},
	{"x y type=loss", "one name"},
	{"x\" type=loss", "letters"},
	{"x type=loss colour=red", "no such key"},
};

START_TEST(wrong_line_refused_with_reason)
{
	const char *const *t = refused[_i];

	ck_assert_int_eq(parse(t[0]), -EINVAL);
	ck_assert_msg(strstr(err, t[1]), "%s: \"%s\" lacks \"%s\"", t[0], err,
		      t[1]);
}
END_TEST

START_TEST(rates_have_units)
{
	static const struct {
		const char *line;
		int64_t bytes;
	} t[] = {{"type=rate rate=100", 100000},
		 {"type=rate rate=1mbit", 125000},
		 {"type=rate rate=64kbit", 8000},
		 {"type=rate rate=5MB", 5000000}};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		ck_assert_msg(!parse(t[i].line), "%s: %s", t[i].line, err);
		ck_assert_int_eq(spec.p[FP_RATE].i, t[i].bytes);
	}
}
END_TEST

START_TEST(black_hole_takes_on_as_its_length)
{
	ck_assert_int_eq(parse("type=blackhole on=2s off=3s repeat=4"), 0);
	ck_assert_int_eq(spec.p[FP_HOLE].i, 2 * USEC_PER_SEC);
	ck_assert_int_eq(spec.on.on, FAULT_ON_ALWAYS);
}
END_TEST

START_TEST(spec_printed_can_be_parsed)
{
	char line[600];

	ck_assert_int_eq(parse("a type=loss percent=3 side=server"), 0);
	fault_print_line(&spec, line, sizeof(line));
	ck_assert_msg(!parse(line), "%s: %s", line, err);
	ck_assert_int_eq(spec.side, FAULT_SERVER);
	ck_assert(spec.p[FP_PERCENT].d == 0.03);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_spec");
	TCase *tc = tcase_create("spec");
	SRunner *r;
	int failed;

	tcase_add_test(tc, line_with_common_keys_parsed);
	tcase_add_test(tc, name_left_out_is_the_type);
	tcase_add_loop_test(tc, wrong_line_refused_with_reason, 0,
			    ARRAY_LEN(refused));
	tcase_add_test(tc, rates_have_units);
	tcase_add_test(tc, black_hole_takes_on_as_its_length);
	tcase_add_test(tc, spec_printed_can_be_parsed);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
