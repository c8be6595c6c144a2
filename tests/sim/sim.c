/* SPDX-License-Identifier: MIT */
/*
 * The simulator: two hosts and a bad network around the real engine, on
 * virtual time, from one seed.
 *
 * sim [--direct] --seeds N [--seed S] [--failures N] [n=v ...]
 *	runs N seeds from S on, until so many have failed
 * sim [--direct] --seed S [--plain] [--trace] [--pcapng FILE] [n=v ...]
 *	plays one; --plain begins with the simplest plan, not with the seed's;
 *	--pcapng writes its packets for Wireshark
 * sim [--direct] --seed S [--plain] --shrink [n=v ...]
 *	looks for a simpler plan that fails alike
 * sim --regress FILE
 *	plays the plans of a file
 * sim --budget FILE [--trace]
 *	plays its plans and bounds what they take: time, repetition, packets;
 *	--trace shows the numbers
 *
 * Runs happen in a child process, so that a failed assertion or an endless loop
 * in the engine is one more way to fail and does not end the search.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/world.h"
#include "util/log.h"

#define HANG_SECONDS 20
#define FAILURES_MAX 20

struct options {
	bool direct, trace, shrink, plain;
	uint64_t seed, seeds;
	uint32_t failures;
	const char *regress, *budget, *pcapng;
	char **set;
	int nset;
};

/* Shared with the child: how far it is. */
struct progress {
	uint64_t seed, passed;
	char failure[400];
	struct result res;
};

static struct progress *shared;

static void quiet(enum log_level lvl, const char *line)
{
	(void)lvl;
	(void)line;
}

static void say(enum log_level lvl, const char *line)
{
	printf("             log %s: %s\n", log_level_name[lvl], line);
}

/* Wait for the child; a way to die becomes a failure. True: it succeeded. */
static bool reap(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(st)) {
		snprintf(shared->failure, sizeof(shared->failure), "%s",
			 WTERMSIG(st) == SIGALRM ? "hang"
						 : strsignal(WTERMSIG(st)));
		return false;
	}
	if (WEXITSTATUS(st) > 1)
		snprintf(shared->failure, sizeof(shared->failure),
			 "exit status %d", WEXITSTATUS(st));
	return WEXITSTATUS(st) == 0;
}

static pid_t fork_flushed(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	return pid;
}

/* One plan in a child of its own. */
static bool run_apart(struct plan *p, bool direct, const struct view *view,
		      bool hush)
{
	bool shown = view && view->trace;
	pid_t pid;

	shared->failure[0] = 0;
	pid = fork_flushed();
	if (pid == 0) {
		alarm(shown ? 0 : HANG_SECONDS);
		if (hush && !freopen("/dev/null", "w", stderr))
			_exit(3);
		log_set_sink(shown ? say : quiet);
		if (shown)
			log_set_level(LOG_DEBUG);
		int rc = world_run(p, direct, view, shared->failure,
				   sizeof(shared->failure), &shared->res);

		if (view && view->capture && capture_close(view->capture))
			rc = -1;
		fflush(NULL);
		_exit(rc ? 1 : 0);
	}
	return reap(pid);
}

static bool apply_settings(struct plan *p, const struct options *o)
{
	for (int i = 0; i < o->nset; i++) {
		if (plan_set(p, o->set[i]) == 0)
			continue;
		fprintf(stderr, "sim: no such setting: %s\n", o->set[i]);
		return false;
	}
	return true;
}

static void child_loop(const struct options *o, uint64_t first, uint64_t last)
{
	struct plan p;

	log_set_sink(quiet);
	for (uint64_t s = first; s < last; s++) {
		shared->seed = s;
		plan_from_seed(&p, s);
		if (!apply_settings(&p, o))
			_exit(2);
		alarm(HANG_SECONDS);
		if (world_run(&p, o->direct, NULL, shared->failure,
			      sizeof(shared->failure), NULL))
			_exit(1);
		shared->passed++;
	}
	_exit(0);
}

static int run_seeds(const struct options *o)
{
	uint64_t next = o->seed, end = o->seed + o->seeds;
	uint32_t failures = 0;
	time_t t0 = time(NULL);
	pid_t pid;

	while (next < end && failures < o->failures) {
		uint64_t stop = next + 1000 < end ? next + 1000 : end;

		pid = fork_flushed();
		if (pid == 0)
			child_loop(o, next, stop);
		if (reap(pid)) {
			next = stop;
			if ((next - o->seed) % 5000 == 0)
				printf("sim: %lu seeds, %u failed, %ld s\n",
				       (unsigned long)(next - o->seed),
				       failures, (long)(time(NULL) - t0));
			continue;
		}
		printf("sim: seed %lu FAILED: %s\n",
		       (unsigned long)shared->seed, shared->failure);
		failures++;
		next = shared->seed + 1;
	}
	printf("sim: %lu seeds%s from %lu, %lu passed, %u failed, %ld s\n",
	       (unsigned long)(next - o->seed),
	       o->direct ? " without penstock" : "", (unsigned long)o->seed,
	       (unsigned long)shared->passed, failures,
	       (long)(time(NULL) - t0));
	return failures ? 1 : 0;
}

/* Failures are alike when their words are; the numbers may change. */
static bool same_kind(const char *a, const char *b)
{
	while (*a && *b) {
		if ((*a >= '0' && *a <= '9') || *a == '-') {
			a++;
			continue;
		}
		if ((*b >= '0' && *b <= '9') || *b == '-') {
			b++;
			continue;
		}
		if (*a++ != *b++)
			return false;
	}
	return true;
}

static bool still_fails(struct plan *p, const struct options *o,
			const char *want)
{
	return !run_apart(p, o->direct, NULL, true) &&
	       same_kind(shared->failure, want);
}

/* Drop connection @k: the ones after it move down. */
static bool drop_conn(struct plan *p, int64_t k, const struct options *o,
		      const char *want)
{
	struct plan q = *p;

	if (p->nconn < 2)
		return false;
	q.nconn--;
	for (int64_t i = k; i < q.nconn; i++)
		q.conn[i] = q.conn[i + 1];
	if (!still_fails(&q, o, want))
		return false;
	*p = q;
	return true;
}

/* Move one field towards its simplest value. */
static bool shrink_field(struct plan *p, uint32_t i, const struct options *o,
			 const char *want)
{
	struct plan q = *p;
	char name[40];
	int64_t simple, *v = plan_field(&q, i, name, sizeof(name), &simple),
			old;

	if (*v == simple)
		return false;
	old = *v;
	*v = simple;
	if (still_fails(&q, o, want)) {
		*p = q;
		return true;
	}
	*v = simple + (old - simple) / 2;
	if (*v != old && *v != simple && still_fails(&q, o, want)) {
		*p = q;
		return true;
	}
	return false;
}

static bool field_matters(const char *name, const struct plan *p)
{
	if (!strcmp(name, "nconn") || !strcmp(name, "start_us"))
		return false;
	return !(name[0] == 'c' && name[1] >= '0' && name[1] <= '9' &&
		 atoi(name + 1) >= p->nconn);
}

static void shrink(struct plan *p, const struct options *o)
{
	char want[400], name[40], text[4000];
	int64_t simple;
	bool again = true;

	if (run_apart(p, o->direct, NULL, true)) {
		printf("sim: seed %lu passes: nothing to shrink\n",
		       (unsigned long)p->seed);
		return;
	}
	snprintf(want, sizeof(want), "%s", shared->failure);
	for (int round = 0; again && round < 12; round++) {
		again = false;
		for (int64_t k = p->nconn - 1; k >= 0; k--)
			again |= drop_conn(p, k, o, want);
		for (uint32_t i = 0;
		     plan_field(p, i, name, sizeof(name), &simple); i++)
			if (field_matters(name, p))
				again |= shrink_field(p, i, o, want);
	}
	run_apart(p, o->direct, NULL, true);
	printf("sim: seed %lu: %s\n", (unsigned long)p->seed, shared->failure);
	plan_describe(p, text, sizeof(text));
	printf("replay: --plain --trace --seed %lu%s\n", (unsigned long)p->seed,
	       text);
}

/* "[plain] SEED name=value ..." */
static bool parse_line(char *line, struct plan *p)
{
	char *save, *word = strtok_r(line, " \t\n", &save), *end;

	bool plain = word && !strcmp(word, "plain");
	uint64_t seed;

	if (plain)
		word = strtok_r(NULL, " \t\n", &save);
	if (!word)
		return false;
	seed = strtoull(word, &end, 10);
	if (*end)
		return false;
	if (plain)
		plan_plain(p, seed);
	else
		plan_from_seed(p, seed);
	while ((word = strtok_r(NULL, " \t\n", &save)) && *word != '#')
		if (plan_set(p, word))
			return false;
	return true;
}

static int run_regress(const struct options *o)
{
	FILE *f = fopen(o->regress, "r");
	char line[4096];
	uint32_t n = 0, failed = 0, no = 0;
	struct plan p;

	if (!f) {
		perror(o->regress);
		return 2;
	}
	while (fgets(line, sizeof(line), f)) {
		no++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		n++;
		if (!parse_line(line, &p)) {
			printf("%s:%u: not a plan\n", o->regress, no);
			failed++;
			continue;
		}
		if (run_apart(&p, o->direct, NULL, false))
			continue;
		failed++;
		printf("%s:%u: FAILED: %s\n", o->regress, no, shared->failure);
	}
	fclose(f);
	printf("sim: regression plans, %u passed, %u failed\n", n - failed,
	       failed);
	return failed ? 1 : 0;
}

/* "name=LO..HI" of what a budget may bound; what else is a plan's setting. */
static const struct {
	const char *name;
	size_t offset;
	double unit;
} metric[] = {
	{"done_ms", offsetof(struct result, done_us), 1000},
	{"end_s", offsetof(struct result, end_us), 1e6},
	{"data_kb", offsetof(struct result, data), 1000},
	{"retx_kb", offsetof(struct result, retx), 1000},
	{"acks", offsetof(struct result, acks), 1},
	{"flight_kb", offsetof(struct result, flight), 1000},
	{"wait_kb", offsetof(struct result, wait), 1000},
	{"pkts", offsetof(struct result, pkts), 1},
};

struct budget {
	char name[40];
	uint64_t runs;
	bool bound[ARRAY_LEN(metric)];
	double lo[ARRAY_LEN(metric)], hi[ARRAY_LEN(metric)];
	double sum[ARRAY_LEN(metric)];
	struct plan plan;
};

static bool budget_word(struct budget *b, char *word)
{
	char *dots = strstr(word, "..");

	for (size_t i = 0; i < ARRAY_LEN(metric); i++) {
		size_t n = strlen(metric[i].name);

		if (strncmp(word, metric[i].name, n) || word[n] != '=')
			continue;
		if (!dots)
			return false;
		*dots = 0; /* or "0..9" would be read as "0." and ".9" */
		b->lo[i] = strtod(word + n + 1, NULL);
		b->hi[i] = strtod(dots + 2, NULL);
		b->bound[i] = true;
		return true;
	}
	return plan_set(&b->plan, word) == 0;
}

/* "base name=value ...": what all plans after it begin with.
 * "NAME RUNS metric=LO..HI ... name=value ...": one budget. */
static bool budget_parse(char *line, struct plan *base, struct budget *b)
{
	char *save, *word = strtok_r(line, " \t\n", &save);

	memset(b, 0, sizeof(*b));
	b->plan = *base;
	snprintf(b->name, sizeof(b->name), "%s", word);
	if (!strcmp(b->name, "base")) {
		while ((word = strtok_r(NULL, " \t\n", &save)))
			if (plan_set(base, word))
				return false;
		return true;
	}
	word = strtok_r(NULL, " \t\n", &save);
	b->runs = word ? strtoull(word, NULL, 10) : 0;
	while (b->runs && (word = strtok_r(NULL, " \t\n", &save)))
		if (!budget_word(b, word))
			return false;
	return b->runs;
}

static void budget_show(const struct budget *b, const struct options *o)
{
	if (!o->trace)
		return;
	printf("%-26s", b->name);
	for (size_t i = 0; i < ARRAY_LEN(metric); i++)
		printf(" %s=%.2f", metric[i].name, b->sum[i] / (double)b->runs);
	printf("\n");
}

/* A tenth around what is measured is the most: wider bounds bind nothing. */
static bool too_wide(const struct budget *b, size_t i, double v)
{
	return b->hi[i] - b->lo[i] > v / 10 + 0.02;
}

/* Play seeds 1..runs and compare the means: 0 or 1. */
static uint32_t budget_run(struct budget *b, const struct options *o)
{
	uint32_t bad = 0;

	for (uint64_t s = 1; s <= b->runs; s++) {
		b->plan.seed = s * 7919;
		if (!run_apart(&b->plan, o->direct, NULL, false)) {
			printf("%s: run %lu FAILED: %s\n", b->name,
			       (unsigned long)s, shared->failure);
			return 1;
		}
		for (size_t i = 0; i < ARRAY_LEN(metric); i++) {
			int64_t v;

			memcpy(&v, (char *)&shared->res + metric[i].offset, 8);
			b->sum[i] += (double)v / metric[i].unit;
		}
	}
	budget_show(b, o);
	for (size_t i = 0; i < ARRAY_LEN(metric); i++) {
		double v = round(b->sum[i] / (double)b->runs * 100) / 100;

		if (!b->bound[i] ||
		    (v >= b->lo[i] && v <= b->hi[i] && !too_wide(b, i, v)))
			continue;
		printf("%s: FAILED: %s is %.2f, not %.2f..%.2f%s\n", b->name,
		       metric[i].name, v, b->lo[i], b->hi[i],
		       too_wide(b, i, v) ? " (too wide)" : "");
		bad = 1;
	}
	return bad;
}

static int run_budgets(const struct options *o)
{
	FILE *f = fopen(o->budget, "r");
	char line[1024];
	uint32_t n = 0, failed = 0;
	struct plan base;
	struct budget b;

	if (!f) {
		perror(o->budget);
		return 2;
	}
	plan_plain(&base, 1);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!budget_parse(line, &base, &b)) {
			printf("%s: not a budget: %s\n", o->budget, b.name);
			n++;
			failed++;
		} else if (b.runs) {
			n++;
			failed += budget_run(&b, o);
		}
	}
	fclose(f);
	printf("sim: budgets, %u passed, %u failed\n", n - failed, failed);
	return failed ? 1 : 0;
}

static int run_one(const struct options *o)
{
	struct view view = {.trace = o->trace ? stdout : NULL};
	struct plan p;
	char text[4000];

	if (o->plain)
		plan_plain(&p, o->seed);
	else
		plan_from_seed(&p, o->seed);
	if (!apply_settings(&p, o))
		return 2;
	if (o->shrink) {
		shrink(&p, o);
		return 0;
	}
	if (o->pcapng) {
		view.capture = capture_open(o->pcapng);
		if (!view.capture)
			return 2;
	}
	plan_describe(&p, text, sizeof(text));
	printf("seed %lu:%s\n", (unsigned long)o->seed, text);
	if (run_apart(&p, o->direct, &view, false)) {
		printf("sim: seed %lu passed\n", (unsigned long)o->seed);
		return 0;
	}
	printf("sim: seed %lu FAILED: %s\n", (unsigned long)o->seed,
	       shared->failure);
	return 1;
}

static const struct option long_options[] = {
	{"direct", no_argument, NULL, 'd'},
	{"seeds", required_argument, NULL, 'n'},
	{"seed", required_argument, NULL, 's'},
	{"trace", no_argument, NULL, 't'},
	{"shrink", no_argument, NULL, 'k'},
	{"plain", no_argument, NULL, 'p'},
	{"regress", required_argument, NULL, 'r'},
	{"failures", required_argument, NULL, 'f'},
	{"budget", required_argument, NULL, 'b'},
	{"pcapng", required_argument, NULL, 'w'},
	{NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .failures = FAILURES_MAX};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'd')
			o.direct = true;
		else if (c == 'n')
			o.seeds = strtoull(optarg, NULL, 10);
		else if (c == 's')
			o.seed = strtoull(optarg, NULL, 10);
		else if (c == 't')
			o.trace = true;
		else if (c == 'k')
			o.shrink = true;
		else if (c == 'p')
			o.plain = true;
		else if (c == 'r')
			o.regress = optarg;
		else if (c == 'b')
			o.budget = optarg;
		else if (c == 'w')
			o.pcapng = optarg;
		else if (c == 'f')
			o.failures = (uint32_t)atoi(optarg);
		else
			return 2;
	}
	o.set = argv + optind;
	o.nset = argc - optind;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	if (o.budget)
		return run_budgets(&o);
	if (o.regress)
		return run_regress(&o);
	return o.seeds ? run_seeds(&o) : run_one(&o);
}
