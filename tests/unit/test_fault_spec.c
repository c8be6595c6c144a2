/* SPDX-License-Identifier: MIT */
/*
 * How faults are written, and what is refused.
 *
 * LINKS: fault/% util/record util/option util/region util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/change.h"
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

START_TEST(kinds_and_places_read)
{
	ck_assert_int_eq(parse("type=probe_swallow kind=window,keepalive"), 0);
	ck_assert_int_eq(spec.p[FP_KIND].i, FAULT_KIND_KEEPALIVE);
	ck_assert_int_eq(spec.p[FP_KIND].j,
			 BIT(FAULT_KIND_KEEPALIVE) | BIT(FAULT_KIND_WINDOW));
	ck_assert_int_eq(parse("type=inject kind=badsum"), 0);
	ck_assert_int_eq(spec.p[FP_KIND].i, FAULT_BADSUM);
	ck_assert_int_eq(parse("type=corrupt_stream offset=7"), 0);
	ck_assert_int_eq(spec.p[FP_OFFSET].i, 7);
	ck_assert_int_eq(spec.p[FP_OFFSET].j, 8);
	ck_assert_int_eq(parse("type=corrupt_stream offset=7-9"), 0);
	ck_assert_int_eq(spec.p[FP_OFFSET].j, 9);
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
	{"x type=lose", "allowed: a type (penstockctl fault types)"},
	{"x type=loss mtu=1", "type loss does not take mtu"},
	{"x type=mtu_blackhole mtu=1", "mtu is 68"},
	{"x type=loss p=5", "model=random takes percent"},
	{"x type=loss model=gemodel", "model=gemodel needs p"},
	{"x type=loss model=gemodel p=1 percent=2", "takes r, 1-h, 1-k"},
	{"x type=loss model=state p31=5", "model=state needs p13 or p14"},
	{"x type=loss model=state p13=5 r=2", "model=state needs p13"},
	{"x type=slot packets=4", "needs min"},
	{"x type=slot min=20ms max=10ms", "max is at least min"},
	{"x type=mtu_blackhole mtu=40", "mtu is 68 to 65535"},
	{"x type=mtu_blackhole mtu=1300 icmp=host", "allowed: none | ptb"},
	{"x type=icmp kind=rst-exact", "one kind of ptb unreach-net"},
	{"x type=inject kind=ptb", "one kind of rst-exact"},
	{"x type=icmp kind=ptb,unreach-host", "takes one kind"},
	{"x type=ecn mode=no-cookie", "one mode of bleach ce ece cwr"},
	{"x type=tfo mode=ce", "one mode of blackhole ignore-data"},
	{"x type=simultaneous_open percent=5", "does not take percent"},
	{"x type=loss latency=5", "does not take latency; allowed: percent"},
	{"x type=delay", "needs time"},
	{"x type=loss percent=101", "0 to 100"},
	{"x type=inject kind=window", "takes one kind of rst-exact"},
	{"x type=inject kind=null,badsum", "takes one kind of"},
	{"x type=probe_swallow kind=rst", "takes any kind of keepalive window"},
	{"x type=time_wait_replay kind=window", "data ack rst syn"},
	{"x type=urgent", "needs offset"},
	{"x type=overlap size=5 favor=first", "old"},
	{"x type=loss percent=nan", "0 to 100"},
	{"x type=loss toxicity=2", "0 to 1"},
	{"x type=loss on=byte", "byte:N"},
	{"x type=loss on=state:NONE", "state:S"},
	{"x type=loss conn=0", "numbers from 1"},
	{"x type=loss expect=lost>1", "injected>=1"},
	{"x type=end action=reset after=syn", "byte:N"},
	{"x type=end", "type end needs action"},
	{"x type=end action=fin", "type end with action fin needs after"},
	{"x type=end action=reset then=rst", "action reset does not take then"},
	{"x type=end action=vanish sides=one", "allowed: after, action, then"},
	{"x type=end action=stop", "fin | close | reset | vanish"},
	{"x type=fin after=byte:5", "type=end action=fin after=byte:N"},
	{"x type=limit_data bytes=5", "type=end after=byte:N action=fin"},
	{"x type=reset_peer", "type=end action=reset"},
	{"x type=vanish then=rst", "type=end action=vanish"},
	{"x type=latency latency=1 on=syn", "on=byte:N"},
	{"x type=end action=close after=time:1s", "takes after=byte:N"},
	{"x type=rate rate=0", "64kbit"},
	{"x type=loss src=1.2.3.4/33", "ADDRESS"},
	{"x y type=loss", "one name"},
	{"x\" type=loss", "letters"},
	{"x type=loss colour=red", "no such key: colour (penstockctl"},
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

/* Parsed, printed and parsed again it must be the same fault. */
static void check_round_trip(const char *text)
{
	char line[FAULT_LINE_MAX + 1], again[FAULT_LINE_MAX + 1];
	struct fault_spec first;

	ck_assert_msg(!parse(text), "%s: %s", text, err);
	first = spec;
	fault_print_line(&first, line, sizeof(line));
	ck_assert_msg(!parse(line), "%s: %s", line, err);
	ck_assert_msg(!memcmp(&first, &spec, offsetof(struct fault_spec, text)),
		      "%s differs from %s", line, text);
	fault_print_line(&spec, again, sizeof(again));
	ck_assert_str_eq(line, again);
}

START_TEST(spec_printed_can_be_parsed)
{
	check_round_trip("a type=loss percent=3.125 side=server");
	check_round_trip("a conn=2,5,7 on=state:FIN_WAIT_2 expect=injected>=1 "
			 "src=2001:db8::/33 dport=80-90 type=loss seed=7 "
			 "lease=1500ms toxicity=0.333333333333 order=3");
	check_round_trip("type=rate rate=1mbit limit=64K");
	check_round_trip("type=drop_range bytes=3000-4000 times=2");
}
END_TEST

START_TEST(example_of_each_type_parsed_and_printed)
{
	char line[600];

	snprintf(line, sizeof(line), "x type=%s %s", fault_type_name[_i],
		 fault_type_example((enum fault_type)_i));
	check_round_trip(line);
}
END_TEST

/* Some text that the key takes. */
static const char *sample(const struct opt_desc *d, struct fault_spec *s)
{
	static const char *const some[] = {"5",		 "2,5", "byte:5",
					   "10.0.0.0/8", "web", "injected>=1"};
	static char word[64];

	for (size_t i = 0; i < ARRAY_LEN(some); i++)
		if (!opt_parse(d, s, some[i], err, sizeof(err)))
			return some[i];
	/* A word of the list that the refusal gives. */
	ck_assert_msg(strstr(err, "allowed: "), "%s: %s", d->name, err);
	snprintf(word, sizeof(word), "%s", strstr(err, "allowed: ") + 9);
	word[strcspn(word, " ,")] = '\0';
	ck_assert_msg(!opt_parse(d, s, word, err, sizeof(err)), "%s: %s",
		      d->name, err);
	return word;
}

START_TEST(key_of_every_kind_is_printed)
{
	char line[FAULT_LINE_MAX + 1], want[100];
	struct fault_spec s;

	for (const struct opt_desc *d = fault_options; d->name; d++) {
		fault_spec_init(&s);
		snprintf(want, sizeof(want), " %s=%s", d->name, sample(d, &s));
		ck_assert_int_eq(fault_spec_note(&s, d->name,
						 strchr(want, '=') + 1, err,
						 sizeof(err)),
				 0);
		fault_print_line(&s, line, sizeof(line));
		ck_assert_str_eq(line, want);
	}
}
END_TEST

START_TEST(key_given_twice_is_refused)
{
	ck_assert_int_eq(parse("type=loss percent=1 percent=2"), -EINVAL);
	ck_assert(strstr(err, "percent: found a second time, allowed: once"));
}
END_TEST

START_TEST(keys_too_many_are_refused)
{
	struct fault_spec s;
	char value[300];
	int rc = 0, n;

	memset(value, '1', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	fault_spec_init(&s);
	for (n = 0; !rc && fault_options[n].name; n++)
		rc = fault_spec_note(&s, fault_options[n].name, value, err,
				     sizeof(err));
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_int_eq(n, 4);
}
END_TEST

START_TEST(change_parsed_by_verb)
{
	struct fault_change c;

	ck_assert_int_eq(fault_change_parse(" add x type=loss", &c, err, 600),
			 0);
	ck_assert_int_eq(c.verb, FAULT_DO_ADD);
	ck_assert_str_eq(c.spec.name, "x");
	ck_assert_int_eq(fault_change_parse("del  x ", &c, err, 600), 0);
	ck_assert_int_eq(c.verb, FAULT_DO_DEL);
	ck_assert_int_eq(fault_change_parse("lease x 5s", &c, err, 600), 0);
	ck_assert_int_eq(c.verb, FAULT_DO_LEASE);
	ck_assert_int_eq(c.lease_us, 5 * USEC_PER_SEC);
	ck_assert_int_eq(fault_change_parse("reset", &c, err, 600), 0);
	ck_assert_int_eq(c.verb, FAULT_DO_RESET);
}
END_TEST

static const char *const bad_change[] = {
	"",
	"add",
	"reset all",
	"del",
	"del a b",
	"del a234567890123456789012345678901234",
	"lease a",
	"lease a 5s now",
	"adds x type=loss"};

START_TEST(wrong_change_refused)
{
	struct fault_change c;

	ck_assert_int_eq(fault_change_parse(bad_change[_i], &c, err, 600),
			 -EINVAL);
	ck_assert_msg(strstr(err, "allowed: "), "%s: %s", bad_change[_i], err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_spec");
	TCase *tc = tcase_create("spec");
	SRunner *r;
	int failed;

	tcase_add_test(tc, line_with_common_keys_parsed);
	tcase_add_test(tc, kinds_and_places_read);
	tcase_add_test(tc, name_left_out_is_the_type);
	tcase_add_loop_test(tc, wrong_line_refused_with_reason, 0,
			    ARRAY_LEN(refused));
	tcase_add_test(tc, rates_have_units);
	tcase_add_test(tc, black_hole_takes_on_as_its_length);
	tcase_add_test(tc, spec_printed_can_be_parsed);
	tcase_add_loop_test(tc, example_of_each_type_parsed_and_printed, 1,
			    FT_COUNT);
	tcase_add_test(tc, key_of_every_kind_is_printed);
	tcase_add_test(tc, key_given_twice_is_refused);
	tcase_add_test(tc, keys_too_many_are_refused);
	tcase_add_test(tc, change_parsed_by_verb);
	tcase_add_loop_test(tc, wrong_change_refused, 0, ARRAY_LEN(bad_change));
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
