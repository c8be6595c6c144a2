/* SPDX-License-Identifier: MIT */
/*
 * faultcost WHAT [FAULT-LINE] - a load through the engine, to be counted
 *
 * The simulator's hosts and network around the real engine; `bulk' is one
 * stream each way, `short' many connections of a kilobyte.  With a line the
 * engine has that fault.  tests/bench/faultcost.sh counts the instructions of
 * the engine's verbs, which needs no quiet machine.
 */
#include <stdio.h>
#include <stdlib.h>

#include "impair/impair.h"
#include "sim/world.h"
#include "util/log.h"

#define SHORT_WORLDS 40

struct engine *__real_engine_new(const struct engine_cfg *cfg, mono_t now);
struct engine *__wrap_engine_new(const struct engine_cfg *cfg, mono_t now);

static const char *line;

struct engine *__wrap_engine_new(const struct engine_cfg *cfg, mono_t now)
{
	struct engine *e = __real_engine_new(cfg, now);
	struct fault_spec spec;
	char err[600];

	if (!line)
		return e;
	if (fault_parse_line(line, &spec, err, sizeof(err)) ||
	    impair_add(e, &spec, now, err, sizeof(err))) {
		fprintf(stderr, "faultcost: %s\n", err);
		exit(2);
	}
	return e;
}

static void quiet(enum log_level lvl, const char *text)
{
	(void)lvl;
	(void)text;
}

static void play(uint64_t seed, const char *const *settings)
{
	struct plan p;
	char why[400];

	plan_plain(&p, seed);
	for (; *settings; settings++) {
		if (plan_set(&p, *settings)) {
			fprintf(stderr, "faultcost: %s?\n", *settings);
			exit(2);
		}
	}
	if (world_run(&p, false, NULL, why, sizeof(why), NULL)) {
		fprintf(stderr, "faultcost: %s\n", why);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const char *const bulk[] = {"l0.delay_us=500",
					   "l1.delay_us=500",
					   "sack=1",
					   "ts=1",
					   "ws=1",
					   "c0.c.ts=1",
					   "c0.s.ts=1",
					   "c0.c.ws=7",
					   "c0.s.ws=7",
					   "c0.c.sack=1",
					   "c0.s.sack=1",
					   "c0.down=2000000",
					   "c0.up=2000000",
					   "c0.s.gso=60000",
					   "c0.c.rcvbuf=500000",
					   "c0.s.rcvbuf=500000",
					   NULL};
	static const char *const brief[] = {
		"nconn=4",	"l0.delay_us=500", "l1.delay_us=500",
		"c0.up=100",	"c0.down=1000",	   "c1.up=100",
		"c1.down=1000", "c2.up=100",	   "c2.down=1000",
		"c3.up=100",	"c3.down=1000",	   NULL};

	if (argc < 2)
		return 2;
	line = argc > 2 ? argv[2] : NULL;
	log_set_sink(quiet);
	if (!strcmp(argv[1], "bulk"))
		play(1, bulk);
	for (uint64_t s = 1; s <= SHORT_WORLDS && !strcmp(argv[1], "short");
	     s++)
		play(s, brief);
	return 0;
}
