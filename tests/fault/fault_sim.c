/* SPDX-License-Identifier: MIT */
/*
 * Faults in the simulator.
 *
 * The linker hands engine_new() and engine_free() to us, so the simulator's
 * own code plays each plan and judges it, with faults in the engine:
 *
 *   1. cases: one fault each, with what must come of it - who got which bytes,
 *      how it ended, when, and the fault's counters;
 *   2. equal seeds give equal reports, line by line;
 *   3. random combinations of faults that no peer may notice in its stream;
 *   4. faults that come and go (chaos.c), after which all is as it was.
 *
 * The tap is silenced: it judges an order of packets that faults change on
 * purpose.  sight.c stands in its place: it compares the bytes that peers take,
 * and notes what they were shown.
 */
#include <stdlib.h>

#include "fault/cases.h"
#include "fault/chaos.h"
#include "fault/sight.h"
#include "fault/told.h"
#include "util/log.h"

struct engine *__real_engine_new(const struct engine_cfg *cfg, mono_t now);
struct engine *__wrap_engine_new(const struct engine_cfg *cfg, mono_t now);
void __real_engine_free(struct engine *e);
void __wrap_engine_free(struct engine *e);
void __real_judge_outcomes(struct world *w);
void __wrap_judge_outcomes(struct world *w);

/* What goes into the next engine, and what came out of the last. */
static struct {
	const char *line[LINES_MAX];
	char list[4000], profile[40000], unmet[300], first[400], err[300];
	uint64_t digest, reports, client_rx;
	int64_t client_ms, full_ms, last_ms, least_ms;
	bool met, evict;
} run;

static void on_report(void *arg, const char *json)
{
	(void)arg;
	if (getenv("RPT"))
		printf("%s\n", json);
	if (!run.reports++)
		snprintf(run.first, sizeof(run.first), "%s", json);
	for (; *json; json++)
		run.digest = (run.digest ^ (uint8_t)*json) * 0x100000001b3u;
}

struct engine *__wrap_engine_new(const struct engine_cfg *cfg, mono_t now)
{
	struct fault_spec spec;
	struct engine *e;

	if (run.evict)
		cfg->policy->service[0].on_limit = LIMIT_EVICT_SLOWEST;
	e = __real_engine_new(cfg, now);

	impair_sink(e, on_report, NULL, now);
	for (int i = 0; i < LINES_MAX && run.line[i]; i++) {
		if (!fault_parse_line(run.line[i], &spec, run.err,
				      sizeof(run.err)) &&
		    !impair_add(e, &spec, now, run.err, sizeof(run.err)))
			continue;
		fprintf(stderr, "%s: %s\n", run.line[i], run.err);
		exit(2);
	}
	return e;
}

/* What all bytes take at a window every 100 ms: it is small for ever where a
 * fault clamped the MSS, which is said only once.  And what the application
 * takes to write them. */
static int64_t least_ms(const struct peer *p)
{
	uint64_t window = (uint64_t)p->smss * max_u32(p->cfg.cwnd_max, 1);
	uint64_t thin = p->cfg.tx_total;
	int64_t ms = (int64_t)(thin / window * 100);

	if (p->cfg.tx_thin)
		thin = min_u64(thin, p->cfg.tx_thin);
	if (p->cfg.tx_chunk)
		ms += (int64_t)(thin / p->cfg.tx_chunk) *
		      (p->cfg.tx_gap_us / 1000);
	return ms;
}

/* What the first client had read, and when it was done. */
void __wrap_judge_outcomes(struct world *w)
{
	const struct peer *p = w->conn[0].client;

	run.client_rx = p->rcv_nxt - 1;
	run.client_ms = (p->end_at - w->conn[0].started_at) / 1000;
	run.full_ms = w->conn[0].served ? w->conn[0].served->full_at : 0;
	if (p->full_at > run.full_ms)
		run.full_ms = p->full_at;
	run.full_ms = (run.full_ms - w->conn[0].started_at) / 1000;
	run.last_ms = run.least_ms = 0;
	for (uint32_t i = 0; i < w->npeer; i++) {
		int64_t ms = (w->peer[i]->full_at - w->epoch) / 1000;

		run.last_ms = ms > run.last_ms ? ms : run.last_ms;
		ms = least_ms(w->peer[i]);
		run.least_ms = ms > run.least_ms ? ms : run.least_ms;
	}
	sight_end(w);
	__real_judge_outcomes(w);
}

/* A line a peer. */
static void take_profiles(const struct engine *e)
{
	static struct fault_profile table[FAULT_PROFILES_MAX];
	size_t k = 0;

	memset(table, 0, sizeof(table));
	impair_profile_read(e, table);
	run.profile[0] = '\0';
	for (int i = 0; i < FAULT_PROFILES_MAX; i++) {
		if (!table[i].conns || k >= sizeof(run.profile))
			continue;
		k += fault_profile_print(&table[i], run.profile + k,
					 sizeof(run.profile) - k);
		if (k < sizeof(run.profile))
			k += (size_t)snprintf(run.profile + k,
					      sizeof(run.profile) - k, "\n");
	}
	if (getenv("RPT"))
		printf("%s", run.profile);
}

void __wrap_engine_free(struct engine *e)
{
	take_profiles(e);
	told_list(e, run.list, sizeof(run.list));
	run.met = told_met(e, run.unmet, sizeof(run.unmet));
	__real_engine_free(e);
}

static bool play(struct plan *p, char *why, size_t whylen)
{
	struct view view = {.trace = getenv("TRACE") ? stdout : NULL};
	const char *file = getenv("PCAPNG");
	int rc;

	sight_reset();
	run.reports = 0;
	run.digest = 0xcbf29ce484222325u;
	run.met = true;
	run.unmet[0] = '\0';
	if (file)
		view.capture = capture_open(file);
	rc = world_run(p, false, &view, why, whylen, NULL);
	if (view.capture)
		rc |= capture_close(view.capture);
	return rc == 0;
}

static void set_lines(const char *const *lines)
{
	for (int i = 0; i < LINES_MAX; i++)
		run.line[i] = lines ? lines[i] : NULL;
}

/* --- 1: cases --- */

static const struct fault_case *const cases[] = {
	cases_segment, cases_handshake, cases_transfer,
	cases_close,   cases_stream,	cases_profile};

/* What else must be true of some: bytes that the client read (0: not looked
 * at), and how long its connection lasted at least. */
static const struct {
	const char *name;
	uint64_t rx;
	int64_t ms;
} bounds[] = {
	{"reset_at_byte_cuts_there", 5000, 0},
	{"blackhole_for_2s_recovered", 0, 2000},
	{"syn_drop_twice_client_retries", 0, 3000},
	{"syn_ack_drop_we_repeat", 0, 1000},
	{"rate_slows", 0, 2900},
	{"latency_downstream", 0, 150},
	{"zero_window_reopens", 0, 3000},
	{"slow_close_waits", 0, 5000},
	{"half_close_stall_released_by_lease", 0, 20000},
	{"timeout_released_by_lease", 0, 4000},
	{"timeout_released_by_duration", 0, 4000},
	{"bandwidth_for_two_seconds", 0, 2000},
	{"slicer_from_byte_on", 0, 100},
	{"half_close_stall_released_by_duration", 0, 7000},
	{"zero_window_released_by_removal", 0, 20000},
	{"tiny_segments_with_delay_take_long", 0, 1100},
	{"limit_data_of_both_sides_closes", 20001, 0}, /* and the FIN */
	{"limit_data_of_both_sides_slow_client_gets_all", 20001, 300},
	{"timeout_close_ends_without_data", 1, 3000},
	{"timeout_close_passes_the_end_on", 1, 0},
	{"timeout_close_removed_closes", 1, 4000},
};

/* And of some: when both had all bytes, at the latest. */
static const struct {
	const char *name;
	int64_t ms;
} within[] = {
	{"reorder_small_window_without_sack", 1450},
	{"zero_window_released_by_removal", 20500},
	{"zero_window_released_by_duration", 20500},
	{"bandwidth_for_two_seconds", 2500},
	{"window_shrink_released_by_removal", 3500},
	{"window_shrink_released_by_duration", 3500},
};

static bool in_time(const struct fault_case *c)
{
	for (size_t i = 0; i < ARRAY_LEN(within); i++) {
		if (strcmp(within[i].name, c->name) != 0 ||
		    run.full_ms <= within[i].ms)
			continue;
		printf("%s: FAILED: all bytes only after %ld ms\n", c->name,
		       (long)run.full_ms);
		return false;
	}
	return true;
}

static bool in_bounds(const struct fault_case *c)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		if (strcmp(bounds[i].name, c->name) != 0 ||
		    ((!bounds[i].rx || run.client_rx == bounds[i].rx) &&
		     run.client_ms >= bounds[i].ms))
			continue;
		printf("%s: FAILED: %lu bytes read after %ld ms\n", c->name,
		       (unsigned long)run.client_rx, (long)run.client_ms);
		return false;
	}
	return true;
}

static bool measured(const struct fault_case *c)
{
	const struct fault_measure *m = measures;

	while (m->name && strcmp(m->name, c->name) != 0)
		m++;
	for (int i = 0; m->name && i < 4 && m->what[i]; i++) {
		if (strstr(run.profile, m->what[i]) ||
		    strstr(run.list, m->what[i]))
			continue;
		printf("%s: FAILED: no %s in\n%s%s", c->name, m->what[i],
		       run.profile, run.list);
		return false;
	}
	return true;
}

static bool play_case(const struct fault_case *c)
{
	struct plan p;
	char why[400];
	bool ok;

	plan_plain(&p, 1);
	for (int i = 0; i < 10 && c->plan[i]; i++) {
		if (plan_set(&p, c->plan[i])) {
			printf("%s: no such setting: %s\n", c->name,
			       c->plan[i]);
			return false;
		}
	}
	set_lines(c->fault);
	ok = play(&p, why, sizeof(why));
	if (ok != !*c->fails || (!ok && !strstr(why, c->fails))) {
		printf("%s: FAILED: %s, not \"%s\"\n%s%s\n", c->name,
		       ok ? "all well" : why, c->fails, run.list, run.first);
		return false;
	}
	if (!in_bounds(c) || !in_time(c))
		return false;
	if (!measured(c))
		return false;
	if (sight_judge(c->name)) {
		printf("%s: FAILED: not %s\n%s", c->name, sight_judge(c->name),
		       run.list);
		return false;
	}
	if (!run.met) {
		printf("%s: FAILED: %s\n%s", c->name, run.unmet, run.list);
		return false;
	}
	return true;
}

/* Return: how many failed */
static uint32_t play_cases(const struct fault_case *c, uint32_t *ran)
{
	uint32_t failed = 0;

	for (; c->name; c++) {
		if (getenv("CASE") && strcmp(getenv("CASE"), c->name) != 0)
			continue;
		(*ran)++;
		failed += !play_case(c);
	}
	return failed;
}

/* --- 2 and 3: random plans --- */

/* None of these may change what a peer reads, in any combination. */
static const char *const harmless[] = {
	"h1 type=loss percent=8 side=both duration=20s",
	"h2 type=loss model=gemodel p=3 r=30 side=client duration=20s",
	"h3 type=delay time=20ms jitter=20ms side=both",
	"h4 type=delay time=5ms jitter=3ms distribution=paretonormal",
	"h5 type=reorder percent=20 time=15ms side=both duration=30s",
	"h6 type=duplicate percent=15 copies=2 side=both duration=30s",
	"h7 type=corrupt percent=5 dir=from_peer side=both duration=20s",
	"h8 type=rate rate=200KB limit=100K side=both",
	"h9 type=blackhole on=time:100ms hole=1s side=server",
	"h10 type=syn_drop count=1 side=both",
	"h11 type=latency latency=50 jitter=30 stream=upstream",
	"h12 type=latency latency=20 jitter=20",
	"h13 type=bandwidth rate=200 stream=downstream toxicity=0.5",
	"h14 type=drop_range bytes=100-5000 times=2 side=both",
	"h16 type=ack_drop percent=30 side=both duration=30s",
	"h17 type=dup_ack n=2 duration=30s",
	"h18 type=stretch_ack n=6 side=both",
	"h19 type=ack_delay time=80ms side=both duration=30s",
	"h20 type=tiny_segments size=300 variation=100 duration=5s",
	"h21 type=slicer average_size=700 size_variation=300 delay=1ms",
	"h22 type=slow_close delay=2s side=both",
	"h23 type=fin_drop count=2 side=both",
	"h24 type=syn_ack_drop count=1 side=both",
	"h25 type=strip_option list=sack,ts side=both",
	"h26 type=mss_clamp value=700 side=both",
	"h27 type=inject kind=ack-old count=5",
	"h28 type=inject kind=data-oow count=5 side=both",
	"h29 type=zero_window on=byte:5000 reopen=2s side=both",
	"h30 type=window_shrink by=8000 side=both duration=20s",
	"h31 type=window_shrink by=100K hold=20ms skip=2 count=4 side=both",
	"h32 type=silly_window size=300 on=byte:3000 side=both duration=5s",
	"h33 type=sack_renege count=3 side=both",
	"h34 type=coalesce hold=30ms side=both",
	"h35 type=overlap size=100 percent=30 content=same side=both",
	/* longer, and a peer rightly gives up its FIN: the other side may take
	 * minutes to close */
	"h36 type=simultaneous_close side=both delay=100ms duration=30s",
	"h37 type=time_wait_replay kind=data delay=50ms side=both",
	"h38 type=time_wait_replay kind=syn delay=2s side=both",
	/* more, and a peer with keepalive might rightly give up */
	"h39 type=probe_swallow percent=40 side=both count=4",
	"h40 type=tiny_segments size=400 delay=2ms side=both duration=3s",
	"h15 type=droplist index=2,4,8,16 side=both",
	"h50 type=slot min=5ms max=20ms packets=4 side=both",
	"h51 type=slot min=2ms bytes=3000 dir=from_peer side=both",
	"h52 type=mtu_blackhole mtu=1300 icmp=ptb side=both",
	"h53 type=mtu_blackhole mtu=1290 dir=to_peer side=both",
	"h54 type=icmp kind=unreach-host count=20 percent=50 side=both",
	"h55 type=icmp kind=ptb mtu=1280 on=data side=both",
	"h56 type=icmp kind=ptb mtu=600 quote=bad-seq count=9 side=both",
	"h57 type=wrong_synack count=1 side=both",
	"h58 type=simultaneous_open",
};

/* Connections at random on a calm network. */
static void calm_plan(struct plan *p, uint64_t seed)
{
	char name[40];
	int64_t simple, *v;

	plan_from_seed(p, seed);
	/* a calm network, patient hosts: what goes wrong is the faults' work */
	for (uint32_t i = 0;
	     (v = plan_field(p, i, name, sizeof(name), &simple)); i++)
		if (name[0] == 'l' && name[1] >= '0' && name[1] <= '9')
			*v = simple;
	/* whose packet is whose must not depend on the order of arrival */
	for (int i = 0; i < p->nconn; i++) {
		p->conn[i].host = 0;
		p->conn[i].port = i + 1;
		p->conn[i].client.cross = 1;
	}
	p->trunc_pm = p->reset_all_ms = p->flood_pps = p->flood_ms = 0;
	p->blind_pm = p->icmp_pm = p->uto_ms = p->reload_ms = 0;
	p->syncookies = 0;
	p->timewait_s = 60;
	p->unknown = 2;
	p->max_flows = p->max_tw = p->backlog = 64;
	p->pool_kb = 65536;
	p->retries2 = 15;
	p->orphan_retries = 12;
	memset(run.line, 0, sizeof(run.line));
}

static void random_plan(struct plan *p, uint64_t seed)
{
	struct prng r;

	calm_plan(p, seed);
	prng_seed(&r, seed * 7919);
	for (uint32_t i = 0; i < 1 + prng_below(&r, 4); i++) {
		const char *pick =
			harmless[prng_below(&r, ARRAY_LEN(harmless))];
		bool twice = false;

		for (uint32_t k = 0; k < i; k++)
			twice |= run.line[k] == pick;
		if (twice)
			break;
		run.line[i] = pick;
	}
}

static bool play_seed(uint64_t seed)
{
	struct plan p;
	char why[400];
	uint64_t digest;

	random_plan(&p, seed);
	if (!play(&p, why, sizeof(why))) {
		printf("seed %lu FAILED: %s\n%s", (unsigned long)seed, why,
		       run.list);
		return false;
	}
	if (seed % 8)
		return true;
	digest = run.digest;
	play(&p, why, sizeof(why));
	if (digest == run.digest)
		return true;
	printf("seed %lu FAILED: the second run decided differently\n",
	       (unsigned long)seed);
	return false;
}

/* Faults of the first seconds, and a retransmission time-out at its longest. */
#define MENDED_MS 600000

/* Little room, so that flows are turned away and make place for others, ports
 * that are used again, reloads and a restart. */
static void crowd(struct plan *p, uint64_t seed)
{
	for (int i = 0; seed % 2 && i < p->nconn; i++)
		p->conn[i].port = 1 + i / 2;
	if (seed % 3 == 0)
		p->max_flows = p->max_tw = 3;
	if (seed % 4 < 2)
		p->pool_kb = 600;
	if (seed % 5 == 0)
		p->reload_ms = 300;
	if (seed % 7 == 0)
		p->reset_all_ms = 2000;
	if (seed % 6 == 0)
		p->syncookies = 1;
}

/* Return: nothing went wrong that must not */
static bool play_chaos(uint64_t seed, enum chaos_mode mode)
{
	const char *wrong;
	struct plan p;
	char why[400];
	bool ok;

	calm_plan(&p, seed);
	if (mode == CHAOS_ROUGH)
		crowd(&p, seed);
	run.evict = mode == CHAOS_ROUGH && seed % 2;
	chaos_begin(mode, seed);
	ok = play(&p, why, sizeof(why));
	wrong = chaos_end();
	run.evict = false;
	if (!wrong && !ok && (mode == CHAOS_MENDED || chaos_matters(why)))
		wrong = why;
	if (ok && mode == CHAOS_MENDED &&
	    run.last_ms > MENDED_MS + run.least_ms)
		wrong = "it goes on long after the faults";
	if (wrong)
		printf("chaos %lu/%d FAILED: %s\n", (unsigned long)seed, mode,
		       wrong);
	return !wrong;
}

/* Return: how many failed of the three that a seed plays */
static uint32_t play_all(uint64_t seed)
{
	return (uint32_t)!play_seed(seed) + !play_chaos(seed, CHAOS_MENDED) +
	       !play_chaos(seed, CHAOS_ROUGH);
}

/* Seeds that once failed. */
static const uint64_t regress[] = {
	/* options gone from a SYN-ACK, and not from its SYN */
	5998,
	22290,
	30921,
	3868673458,
	2739459114,
	/* all of a peer's keepalives swallowed */
	36748,
	/* an upload in segments of 8 bytes takes its time */
	2996717773,
	/* an application that writes 187 bytes every 16 s */
	36609899,
	/* a spliced connection's first segment, delayed by a fault */
	1793814916,
};

static void quiet(enum log_level lvl, const char *line)
{
	(void)lvl;
	(void)line;
}

int main(int argc, char **argv)
{
	uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t s;
	uint32_t failed = 0, ran = 0;

	log_set_sink(quiet);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		failed += play_cases(cases[i], &ran);
	for (size_t i = 0; i < ARRAY_LEN(regress) && !getenv("CASE"); i++) {
		failed += play_all(regress[i]);
		ran += 3;
	}
	for (s = first; s < first + seeds && failed < 10; s++)
		failed += play_all(s);
	/* each seed is played thrice */
	printf("fault-sim: %u cases, %lu seeds from %lu, %lu passed, %u "
	       "failed\n",
	       ran, (unsigned long)(s - first), (unsigned long)first,
	       (unsigned long)(ran + 3 * (s - first) - failed), failed);
	return failed ? 1 : 0;
}
