/* SPDX-License-Identifier: MIT */
/*
 * The engine's process is replaced: its state is saved, and another engine,
 * with other limits and perhaps another secret, goes on with it.  What it has
 * then is saved again, and must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "check/engine_check.h"
#include "handover/handover.h"
#include "sim/world.h"

struct bytes {
	uint8_t *p;
	size_t len;
};

static int put(void *arg, const void *p, size_t n)
{
	struct bytes *b = arg;

	b->p = realloc(b->p, b->len + n);
	if (!b->p)
		abort();
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

static void save(struct world *w, const struct handover_side *s,
		 struct bytes *b)
{
	uint32_t flows;

	if (handover_save(s, put, b, (mono_t){w->now}, &flows))
		world_fail(w, "a state cannot be saved");
}

static void send(void *arg, struct tx *tx)
{
	middle_emit(arg, tx);
}

static uint32_t losses(const struct handover_counts *c)
{
	uint32_t n = 0;

	for (int i = 0; i < HANDOVER_LOSSES; i++)
		n += c->lost[i];
	return n;
}

/* All that was saved went on: then it is what is saved next. */
static void check_same(struct world *w, const struct handover_side *s,
		       const struct bytes *was)
{
	struct bytes is = {0};
	size_t at = 0;

	save(w, s, &is);
	while (at < is.len && at < was->len && is.p[at] == was->p[at])
		at++;
	if (at < is.len || at < was->len)
		world_fail(w,
			   "saved again, a state of %zu bytes has %zu and "
			   "differs at %zu",
			   was->len, is.len, at);
	free(is.p);
}

static void go_on(struct world *w, const struct handover_side *s,
		  const struct bytes *b)
{
	struct handover_counts c;
	struct handover_state h;
	char err[200] = "";
	int rc = handover_open(&h, b->p, b->len, MIDDLE_WALL_US,
			       (mono_t){w->now});

	if (rc) {
		world_fail(w, "a state cannot be read: %s", strerror(-rc));
		return;
	}
	handover_load(&h, s, &c);
	if (engine_check(s->engine[0], err, sizeof(err)))
		world_fail(w, "engine_check of a loaded engine: %s", err);
	else if (!losses(&c) && !c.forgotten && !w->plan->renew_secret)
		check_same(w, s, b);
	else if (c.forgotten && !plan_is_tight(w->plan))
		world_fail(w, "%u entries of tables forgotten", c.forgotten);
	else if (losses(&c) && !plan_is_tight(w->plan))
		world_fail(w,
			   "%u connections lost: service %u, denied %u, "
			   "room %u, unreadable %u, in use %u",
			   losses(&c), c.lost[0], c.lost[1], c.lost[2],
			   c.lost[3], c.lost[4]);
	handover_reset(&h, s, send, w);
	handover_close(&h);
}

int64_t renew_deadline(const struct world *w)
{
	const struct plan *p = w->plan;

	if (!p->renew_ms || w->renewed >= p->renew_n)
		return INT64_MAX;
	return w->epoch + (w->renewed + 1) * p->renew_ms * 1000;
}

void renew(struct world *w)
{
	struct buf_pool *pool = &w->pools[w->pool == &w->pools[0]];
	uint8_t salt = w->plan->renew_secret ? (uint8_t)++w->renewed
					     : !++w->renewed;
	struct engine *old = w->engine, *e;
	struct handover_side s = {
		.engine = &old, .n = 1, .wall_us = MIDDLE_WALL_US};
	struct bytes b = {0};

	world_trace(w, "renewed", NULL);
	save(w, &s, &b);
	e = middle_engine(w, pool, w->plan->renew_flows, salt);
	if (!e)
		abort();
	s.engine = &e;
	if (!w->failed)
		go_on(w, &s, &b);
	free(b.p);
	engine_set_known(old, NULL);
	engine_free(old);
	if (!w->failed && w->pool->held)
		world_fail(w, "%lu bytes of buffers outlive the engine",
			   (unsigned long)w->pool->held);
	buf_pool_fini(w->pool);
	w->pool = pool;
	w->engine = e;
	memset(w->known.count, 0, 1u << KNOWN_BITS);
	engine_set_known(e, &w->known);
}
