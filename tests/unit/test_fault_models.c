/* SPDX-License-Identifier: MIT */
/*
 * The dice follow their parameters: share, bursts, mean, deviation and
 * correlation over 1e5 events, slots and MTUs, and tables from files.
 *
 * LINKS: config/textfile fault/% util/record util/option util/region
 * LINKS: util/slab util/wheel
 * LINKS: util/word util/address
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/textfile.h"
#include "fault/set.h"
#include "wire/segment.h"

#define EVENTS 100000

static struct fault_set set;
static struct fault_flow *conn;
static mono_t now;
static char path[] = "/tmp/fault_models.XXXXXX";

static void setup(void)
{
	now = (mono_t){1000000};
	fault_files_by(textfile_read);
	ck_assert_int_eq(fault_set_init(&set, 42, 10, now), 0);
}

static void teardown(void)
{
	fault_set_fini(&set);
}

/* One connection with this fault. */
static void begin(const char *line)
{
	const uint8_t a[4] = {10, 0, 0, 1}, b[4] = {10, 0, 0, 2};
	struct tuple t = {.lport = 80, .rport = 9};
	struct fault_spec spec;
	char err[600] = "";

	t.local = ipaddr_v4(a);
	t.remote = ipaddr_v4(b);
	ck_assert_msg(!fault_parse_line(line, &spec, err, sizeof(err)),
		      "%s: %s", line, err);
	ck_assert_int_ge(fault_set_add(&set, &spec, now), 0);
	conn = fault_flow_new(&set, "web", &t, now);
	ck_assert_ptr_nonnull(conn);
	conn->owner = &set;
}

static struct fault_verdict judge(struct fault_event ev)
{
	struct fault_verdict v;

	ev.state = ev.state ? ev.state : 4;
	ev.flags = ev.flags ? ev.flags : TCP_ACK;
	ev.now = now;
	fault_judge(&set, conn, &ev, &v);
	return v;
}

static struct fault_verdict data(uint32_t wire)
{
	return judge((struct fault_event){
		.to_peer = true, .len = wire - 52, .wire = wire});
}

/* --- loss --- */

/**
 * struct chain - What a loss model must show
 * @share: of segments that are lost
 * @burst: mean length of a run of losses
 * @gap:   mean length of a run without
 */
static const struct chain {
	const char *line;
	double share, burst, gap;
} chains[] = {
	{"type=loss percent=7", .07, 1 / .93, 1 / .07},
	/* after a loss: rho + (1 - rho) p */
	{"type=loss percent=20 correlation=50", .2, 1 / .4, 1 / .1},
	{"type=loss percent=5 correlation=90", .05, 1 / .095, 1 / .005},
	/* p / (p + r), 1/r, 1/p */
	{"type=loss model=gemodel p=2 r=25", 2. / 27, 4, 50},
	{"type=loss model=gemodel p=1 r=10", 1. / 11, 10, 100},
	/* as netem: r is 1 - p, and p31 is 1 - p13, when not given */
	{"type=loss model=gemodel p=20", .2, 1 / .8, 1 / .2},
	{"type=loss model=state p13=20", .2, 1 / .8, 1 / .2},
	/* half the time in each state: (1-h + 1-k) / 2 */
	{"type=loss model=gemodel p=10 r=10 1-h=40 1-k=2", .21, 0, 0},
	{"type=loss model=gemodel p=50 r=50 1-h=100 1-k=100", 1, 0, 0},
	/* single losses only: one in 1 + 1/p14 */
	{"type=loss model=state p13=0 p31=100 p14=10", 1. / 11, 1, 10},
	/* bursts only: as Gilbert with p = p13, r = p31 */
	{"type=loss model=state p13=2 p31=25", 2. / 27, 4, 50},
	/* both: stay in 1 .92, p13 .03, p14 .05; 3 lasts 1/.5, 4 lasts 1 */
	{"type=loss model=state p13=3 p31=50 p14=5", .11 / 1.11, .11 / .08,
	 1 / .08},
	/* burst with good gaps in it: 3 <-> 2 */
	{"type=loss model=state p13=5 p31=20 p32=20 p23=50", .0, 1 / .4, 0},
};

START_TEST(loss_model_matches_share_and_runs)
{
	const struct chain *c = &chains[_i];
	uint32_t lost = 0, runs = 0;
	double share, burst, gap, off;
	bool last = false;

	begin(c->line);
	for (uint32_t i = 0; i < EVENTS; i++) {
		bool d = data(1052).drop;

		lost += d;
		runs += d && !last;
		last = d;
	}
	share = lost / (double)EVENTS;
	burst = lost / (double)runs;
	gap = (EVENTS - lost) / (double)runs;
	/* a run is one observation: five standard errors of its mean */
	off = 5 / sqrt(runs);
	if (c->share > 0)
		ck_assert_msg(fabs(share / c->share - 1) < off + .02,
			      "%s: share %f", c->line, share);
	if (c->burst > 0)
		ck_assert_msg(fabs(burst / c->burst - 1) < off, "%s: burst %f",
			      c->line, burst);
	if (c->gap > 0)
		ck_assert_msg(fabs(gap / c->gap - 1) < off, "%s: gap %f",
			      c->line, gap);
}
END_TEST

/* --- delay --- */

static void write_table(const char *text)
{
	FILE *f;
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	fputs(text, f);
	fclose(f);
}

/**
 * struct dist - What a distribution must show, milliseconds
 * @below: share of the delays under the mean; 0: not looked at
 * @rho:   autocorrelation at a distance of one
 */
static const struct dist {
	const char *line;
	double mean, sd, below, rho;
} dists[] = {
	{"time=100ms jitter=20ms", 100, 20 / 1.7320508, .5, 0},
	{"time=100ms jitter=10ms distribution=normal", 100, 10, .5, 0},
	/* Pareto(3): its median is 2^(1/3), its deviation converges slowly */
	{"time=100ms jitter=10ms distribution=pareto", 100, 0, .704, 0},
	{"time=100ms jitter=10ms distribution=paretonormal", 100, 0, 0, 0},
	{"time=100ms jitter=20ms correlation=60", 100, 20 / 1.7320508, .5, .6},
	{"time=100ms jitter=10ms correlation=60 distribution=normal", 100, 10,
	 .5, .6},
	{"time=100ms jitter=10ms correlation=30 distribution=pareto", 100, 0,
	 .704, .3},
	/* 3, 3, 3, -9 quarters: mean 0, variance 36/16 */
	{"time=100ms jitter=10ms distribution=file:", 100, 15 * 1.1547005 * .75,
	 .25, 0},
	{"time=100ms jitter=10ms correlation=40 distribution=file:", 100, 0,
	 .25, .4},
};

static double mean_of(const double *x, uint32_t n)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i];
	return sum / n;
}

START_TEST(delay_distribution_matches)
{
	static double ms[EVENTS];
	const struct dist *d = &dists[_i];
	double mean, var = 0, cov = 0, below = 0;
	char line[200];
	bool table = strstr(d->line, "file:") != NULL;

	write_table("# a quarter each\n6144 6144\t6144 # three\n-18432\n");
	snprintf(line, sizeof(line), "type=delay %s%s", d->line,
		 table ? path : "");
	begin(line);
	unlink(path);
	for (uint32_t i = 0; i < EVENTS; i++)
		ms[i] = (double)data(1052).delay_us / 1000;
	mean = mean_of(ms, EVENTS);
	for (uint32_t i = 0; i < EVENTS; i++) {
		var += (ms[i] - mean) * (ms[i] - mean) / EVENTS;
		below += (ms[i] < d->mean) / (double)EVENTS;
		if (i)
			cov += (ms[i] - mean) * (ms[i - 1] - mean) / EVENTS;
	}
	ck_assert_msg(fabs(mean - d->mean) < 0.5, "%s: mean %f", line, mean);
	if (d->sd > 0)
		ck_assert_msg(fabs(sqrt(var) / d->sd - 1) < 0.02, "%s: sd %f",
			      line, sqrt(var));
	if (d->below > 0)
		ck_assert_msg(fabs(below - d->below) < 0.01, "%s: below %f",
			      line, below);
	/* heavy tails blur it */
	ck_assert_msg(fabs(cov / var - d->rho) < 0.05, "%s: rho %f", line,
		      cov / var);
}
END_TEST

/* The roll of "percent" is not the delay's: neither leans on the other. */
START_TEST(delay_of_some_keeps_its_distribution)
{
	uint32_t n = 0;
	double sum = 0;

	begin("type=delay percent=30 time=100ms jitter=50ms correlation=50");
	for (uint32_t i = 0; i < EVENTS; i++) {
		int64_t us = data(1052).delay_us;

		n += us > 0;
		sum += (double)us / 1000;
	}
	ck_assert(fabs(n / (double)EVENTS - .3) < .01);
	ck_assert(fabs(sum / n - 100) < 2);
}
END_TEST

static const struct {
	const char *text, *why;
} bad_tables[] = {
	{"1 2 three", "allowed: numbers from -32768 to 32767"},
	{"1 2 40000", "allowed: numbers from -32768 to 32767"},
	{"# nothing\n", "allowed: one number at least"},
	{NULL, "allowed: 4096 numbers at most"},
};

START_TEST(table_malformed_is_refused)
{
	static char many[4 * (FAULT_TABLE_MAX + 1) + 1];
	struct fault_spec spec;
	char line[200], err[600] = "";

	for (int i = 0; i <= FAULT_TABLE_MAX; i++)
		memcpy(many + 4 * i, "123 ", 5);
	write_table(bad_tables[_i].text ? bad_tables[_i].text : many);
	snprintf(line, sizeof(line),
		 "type=delay time=1 jitter=1 distribution=file:%s", path);
	ck_assert_int_ne(fault_parse_line(line, &spec, err, sizeof(err)), 0);
	ck_assert_msg(strstr(err, bad_tables[_i].why) && strstr(err, path),
		      "%s", err);
	unlink(path);
	ck_assert_int_ne(fault_parse_line(line, &spec, err, sizeof(err)), 0);
	ck_assert_msg(strstr(err, "No such file") != NULL, "%s", err);
}
END_TEST

START_TEST(table_is_refused_where_nobody_reads_files)
{
	struct fault_spec spec;
	char err[600] = "";

	fault_files_by(NULL);
	ck_assert_int_ne(fault_parse_line("type=delay time=1 "
					  "distribution=file:/dev/null",
					  &spec, err, sizeof(err)),
			 0);
	ck_assert_msg(strstr(err, "no files here"), "%s", err);
}
END_TEST

START_TEST(table_that_is_no_file_is_refused)
{
	struct fault_spec spec;
	char err[600] = "";

	ck_assert_int_ne(fault_parse_line("type=delay time=1 "
					  "distribution=file:/dev/zero",
					  &spec, err, sizeof(err)),
			 0);
	ck_assert_msg(strstr(err, "allowed: a regular file"), "%s", err);
}
END_TEST

/* --- slots --- */

START_TEST(slot_gathers_until_it_is_full)
{
	static const int64_t want[] = {10, 10, 10, 20, 20, 20, 30};

	begin("type=slot min=10ms packets=3");
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_int_eq(data(1000).delay_us, want[i] * 1000);
	now = mono_add(now, 25000);
	ck_assert_int_eq(data(1000).delay_us, 5000);
	now = mono_add(now, 25000);
	ck_assert_int_eq(data(1000).delay_us, 10000);
}
END_TEST

START_TEST(slot_takes_so_many_bytes)
{
	begin("type=slot min=10ms bytes=2000");
	ck_assert_int_eq(data(1500).delay_us, 10000);
	ck_assert_int_eq(data(1500).delay_us, 10000);
	ck_assert_int_eq(data(1500).delay_us, 20000);
}
END_TEST

START_TEST(slot_intervals_are_uniform)
{
	double sum = 0;

	begin("type=slot min=10ms max=30ms packets=1");
	for (int i = 0; i < 20000; i++) {
		int64_t us = data(1000).delay_us;

		ck_assert_int_ge(us, 10000);
		ck_assert_int_le(us, 30000);
		sum += (double)us / 20000;
		now = mono_add(now, us + 1);
	}
	ck_assert(fabs(sum - 20000) < 200);
}
END_TEST

/* --- what a segment is, and what becomes of it --- */

static struct fault_verdict arrives(uint32_t wire, bool glued)
{
	return judge((struct fault_event){
		.len = wire - 52, .wire = wire, .glued = glued});
}

START_TEST(mtu_glued_segments_pass_once_a_small_one_came)
{
	begin("type=mtu_blackhole mtu=1300");
	ck_assert(!arrives(1300, false).drop);
	ck_assert(arrives(1500, true).drop);
	ck_assert(arrives(1301, false).drop);
	ck_assert(!arrives(1000, false).drop);
	ck_assert(!arrives(1500, true).drop);
	ck_assert(arrives(1500, false).drop);
	ck_assert(arrives(1500, true).drop);
}
END_TEST

START_TEST(mtu_told_peer_keeps_to_it)
{
	struct fault_verdict v;

	begin("type=mtu_blackhole mtu=1300 icmp=ptb");
	v = arrives(1500, true);
	ck_assert(v.drop);
	ck_assert_uint_eq(v.icmp, FAULT_ICMP_PTB);
	ck_assert_uint_eq(v.icmp_mtu, 1300);
	ck_assert(!arrives(1500, true).drop);
	/* that says nothing of what we send */
	ck_assert(data(1500).drop);
}
END_TEST

/* SYN with nothing, a request, a cookie, data; SYN-ACK without and with. */
static const struct fault_event opens[] = {
	{.flags = TCP_SYN, .state = 1},
	{.flags = TCP_SYN, .state = 1, .tfo = 1},
	{.flags = TCP_SYN, .state = 1, .tfo = 9},
	{.flags = TCP_SYN, .state = 1, .tfo = 9, .len = 10},
	{.flags = TCP_SYN | TCP_ACK, .state = 3, .to_peer = true},
	{.flags = TCP_SYN | TCP_ACK, .state = 3, .to_peer = true, .tfo = 9},
};

/* What becomes of them: . nothing, drop, cut, spoil, strip. */
static const struct {
	const char *line, *want;
} modes[] = {
	{"type=tfo mode=blackhole count=9", ".ddd.."},
	{"type=tfo mode=blackhole", ".d...."},
	{"type=tfo mode=ignore-data", "...c.."},
	{"type=tfo mode=reject-cookie", "..ss.."},
	{"type=tfo mode=stale-cookie", ".....s"},
	{"type=tfo mode=no-cookie", ".....o"},
};

START_TEST(tfo_mode_takes_what_it_means)
{
	char got[ARRAY_LEN(opens) + 1] = "";

	begin(modes[_i].line);
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		struct fault_verdict v = judge(opens[i]);

		got[i] = v.drop	   ? 'd'
			 : v.cut   ? 'c'
			 : v.spoil ? 's'
			 : v.strip ? 'o'
				   : '.';
	}
	ck_assert_str_eq(got, modes[_i].want);
}
END_TEST

/* A black hole of Fast Open goes on with the SYNs that come after. */
START_TEST(tfo_blackhole_takes_plain_retries_too)
{
	begin("type=tfo mode=blackhole count=3");
	ck_assert(judge(opens[3]).drop);
	ck_assert(judge(opens[0]).drop);
	ck_assert(judge(opens[0]).drop);
	ck_assert(!judge(opens[0]).drop);
}
END_TEST

/* A connection's handshake as letters, s and a (SYN, SYN-ACK) towards the
 * client, S and A towards the server, r and R a SYN again; what keeps its
 * options as a dot. */
static const struct {
	const char *line, *events, *want;
} strips[] = {
	{"type=strip_option list=ts", "saSA", "sa.."},
	{"type=strip_option list=ts side=both", "saSA", "saSA"},
	{"type=strip_option list=ts side=both", "srarSRA", "srarSRA"},
	/* it came too late for the SYN */
	{"type=strip_option list=ts side=both", "aSA", ".SA"},
	{"type=strip_option list=ts side=both", "raRA", "...."},
	{"type=strip_option list=ts side=both", "A", "."},
	{"type=strip_option list=ts side=both skip=1", "srara", "....."},
	{"type=strip_option list=ts side=both skip=2", "saSA", "..SA"},
	{"type=strip_option list=ts side=both count=1", "saSA", "s..."},
	/* one of the two was asked for */
	{"type=strip_option list=ts side=both on=synack", "saSA", ".a.A"},
	{"type=strip_option list=ts side=both on=syn", "srSR", "srSR"},
	{"type=strip_option list=ts side=server dir=from_peer", "SA", ".A"},
	{"type=strip_option list=ts side=server dir=to_peer", "SRA", "SR."},
};

START_TEST(strip_leaves_no_answer_without_what_was_asked)
{
	const char *c = strips[_i].events;
	char got[20] = "";

	begin(strips[_i].line);
	for (size_t i = 0; c[i]; i++) {
		bool server = strchr("SAR", c[i]), answer = strchr("aA", c[i]);
		struct fault_event ev = {.side = server,
					 .to_peer = server != answer,
					 .flags = TCP_SYN |
						  (answer ? TCP_ACK : 0),
					 .again = strchr("rR", c[i])};

		got[i] = judge(ev).strip ? c[i] : '.';
	}
	ck_assert_str_eq(got, strips[_i].want);
}
END_TEST

/* A chance per connection and side, not per segment. */
START_TEST(strip_percent_is_of_both_or_none)
{
	struct fault_event syn = {.flags = TCP_SYN};
	struct fault_event ack = {.flags = TCP_SYN | TCP_ACK, .to_peer = true};
	int n = 0;

	for (int i = 0; i < 400; i++) {
		char line[80];
		bool hit;

		snprintf(line, sizeof(line),
			 "type=strip_option list=ts percent=50 seed=%d", i + 1);
		begin(line);
		hit = judge(syn).strip;
		n += hit;
		ck_assert_int_eq(!!judge(ack).strip, hit);
		syn.again = true;
		ck_assert_int_eq(!!judge(syn).strip, hit);
		syn.again = false;
		teardown();
		setup();
	}
	ck_assert_int_gt(n, 120);
	ck_assert_int_lt(n, 280);
}
END_TEST

static const char *const percents[] = {
	"type=ttl value=1 percent=25",
	"type=icmp kind=unreach-host count=99999 percent=25",
	"type=inject kind=ack-old count=99999 percent=25 dir=any",
	"type=delay time=1ms percent=25",
	"type=loss percent=25",
	"type=reorder percent=25",
	"type=duplicate percent=25",
	"type=corrupt percent=25",
	"type=ecn mode=ce percent=25 dir=any",
};

START_TEST(percent_is_a_chance_per_event)
{
	const struct fault_event ev = {.len = 1000, .wire = 1052};
	struct fault_event to = ev;

	begin(percents[_i]);
	to.to_peer = !strstr(percents[_i], "type=icmp");
	for (int i = 0; i < 20000; i++)
		judge(to);
	ck_assert_uint_gt(set.fault[0].count[FC_INJECTED], 4700);
	ck_assert_uint_lt(set.fault[0].count[FC_INJECTED], 5300);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault_models");
	TCase *tc = tcase_create("models");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, loss_model_matches_share_and_runs, 0,
			    ARRAY_LEN(chains));
	tcase_add_loop_test(tc, delay_distribution_matches, 0,
			    ARRAY_LEN(dists));
	tcase_add_test(tc, delay_of_some_keeps_its_distribution);
	tcase_add_loop_test(tc, table_malformed_is_refused, 0,
			    ARRAY_LEN(bad_tables));
	tcase_add_test(tc, table_that_is_no_file_is_refused);
	tcase_add_test(tc, table_is_refused_where_nobody_reads_files);
	tcase_add_test(tc, slot_gathers_until_it_is_full);
	tcase_add_test(tc, slot_takes_so_many_bytes);
	tcase_add_test(tc, slot_intervals_are_uniform);
	tcase_add_test(tc, mtu_glued_segments_pass_once_a_small_one_came);
	tcase_add_test(tc, mtu_told_peer_keeps_to_it);
	tcase_add_loop_test(tc, tfo_mode_takes_what_it_means, 0,
			    ARRAY_LEN(modes));
	tcase_add_test(tc, tfo_blackhole_takes_plain_retries_too);
	tcase_add_loop_test(tc, strip_leaves_no_answer_without_what_was_asked,
			    0, ARRAY_LEN(strips));
	tcase_add_test(tc, strip_percent_is_of_both_or_none);
	tcase_add_loop_test(tc, percent_is_a_chance_per_event, 0,
			    ARRAY_LEN(percents));
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
