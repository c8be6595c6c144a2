/* SPDX-License-Identifier: MIT */
/*
 * States of another process.
 *
 * The input is a state after its mark.  Whatever it says, an engine that goes
 * on with it holds its invariants, and time passes for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/engine_check.h"
#include "handover/handover.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define WALL_US (1700000000ll * 1000000)
#define STEPS 30

static const char mark[] = "penstock state\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_ERROR);
	return 0;
}

static struct policy *make_policy(void)
{
	static const uint8_t v4[4] = {203, 0, 113, 10};
	static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x10};
	struct policy *p = policy_new(1);
	struct service *s = &p->service[0];

	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	tcp_cc_follow(&s->tcp, "cubic");
	strcpy(s->name, "sim");
	s->listen.n = 2;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(v4), 0, 80};
	s->listen.ep[1] = (struct endpoint){ipaddr_v6(v6), 0, 80};
	return p;
}

static void ignore(void *arg, struct tx *tx)
{
	(void)arg;
	(void)tx;
}

static void check(const struct engine *e)
{
	char err[200] = "";

	if (!engine_check(e, err, sizeof(err)))
		return;
	fprintf(stderr, "%s\n", err);
	abort();
}

static void go_on(struct engine *e, const uint8_t *p, size_t len, mono_t now)
{
	const struct handover_side s = {
		.engine = &e, .n = 1, .wall_us = WALL_US};
	struct handover_counts c;
	struct handover_state h;
	struct tx tx[16];

	if (!handover_open(&h, p, len, WALL_US, now)) {
		handover_load(&h, &s, &c);
		handover_reset(&h, &s, ignore, NULL);
	}
	handover_close(&h);
	check(e);
	for (int i = 0; i < STEPS; i++) {
		now = mono_add(now, 100000ll << i % 10);
		engine_expire(e, now);
		for (int n = 0; engine_pull(e, tx, 16, now) == 16 && n < 100;
		     n++)
			;
		check(e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const mono_t now = {3000000};
	struct buf_pool pool;
	struct engine_cfg cfg = {.policy = make_policy(),
				 .pool = &pool,
				 .max_flows = 16,
				 .max_tw = 16,
				 .seed = 1,
				 .wall_offset_us = WALL_US};
	uint8_t *p = malloc(sizeof(mark) - 1 + size);
	struct engine *e;

	memcpy(p, mark, sizeof(mark) - 1);
	memcpy(p + sizeof(mark) - 1, data, size);
	if (buf_pool_init(&pool, 1 << 22, 4))
		abort();
	e = engine_new(&cfg, now);
	go_on(e, p, sizeof(mark) - 1 + size, now);
	engine_free(e);
	buf_pool_fini(&pool);
	policy_put(cfg.policy);
	free(p);
	return 0;
}
