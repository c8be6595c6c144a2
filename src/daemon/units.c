/* SPDX-License-Identifier: MIT */
/*
 * The units: joins packet I/O and engines.
 *
 * An engine is accessed only by worker_call(), between two batches of its
 * worker.  Engines are asked one after the other, so sums are of nearly the
 * same time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "capture/tap.h"
#include "config/secret.h"
#include "penstockd.h"

#define REFUSED_LEAST 10 /* fewer refusals are not reported */

_Static_assert((int)IO_CONSUMED == (int)VERDICT_CONSUMED, "verdicts differ");
_Static_assert((int)IO_PASS == (int)VERDICT_PASS, "verdicts differ");
_Static_assert((int)IO_REPLY == (int)VERDICT_REPLY, "verdicts differ");
_Static_assert((int)IO_WORKER == (int)VERDICT_WORKER, "verdicts differ");

static enum io_verdict op_input(void *engine, const struct packet *pkt,
				mono_t now, struct tx *reply)
{
	return (enum io_verdict)engine_input(engine, pkt, now, reply);
}

static void op_expect(const void *engine, const struct packet *const *pkt,
		      int n)
{
	engine_expect(engine, pkt, n);
}

static int op_pull(void *engine, struct tx *tx, int max, mono_t now)
{
	return engine_pull(engine, tx, max, now);
}

static mono_t op_deadline(const void *engine)
{
	return engine_deadline(engine);
}

static void op_expire(void *engine, mono_t now)
{
	engine_expire(engine, now);
}

static const struct io_engine_ops engine_ops = {
	.input = op_input,
	.expect = op_expect,
	.pull = op_pull,
	.deadline = op_deadline,
	.expire = op_expire,
};

/* --- life --- */

int64_t units_wall_offset(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000 -
	       worker_clock().us;
}

/* Limits are for all workers together; flows are spread evenly. */
static uint32_t share_of(uint32_t all, uint32_t n)
{
	return max_u32(1, (all + n - 1) / n);
}

static int unit_new_engine(struct daemon *d, struct unit *u,
			   const uint8_t secret[SECRET_BYTES])
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct engine_cfg ec = {
		.policy = d->cfg->policy,
		.pool = &u->pool,
		.paths = &u->paths,
		.journal = &u->journal,
		.max_flows = share_of(c->max_flows, d->n),
		.max_tw = share_of(c->max_tw, d->n),
		.wall_offset_us = units_wall_offset(),
		.cookie_epoch_s = c->secret_rotate / USEC_PER_SEC,
		.worker = (uint32_t)(u - d->unit),
		.commons = d->n > 1 ? &d->commons : NULL,
		.seed = d->seed,
	};

	memcpy(ec.secret, secret, sizeof(ec.secret));
	u->engine = engine_new(&ec, worker_clock());
	explicit_bzero(ec.secret, sizeof(ec.secret));
	if (!u->engine)
		return -ENOMEM;
	ends_watch(u->engine, &u->ends);
	return d->splice ? splice_open(u->engine, &splice_map_ops, d->splice,
				       &u->splicer)
			 : 0;
}

static int unit_init(struct daemon *d, uint32_t i,
		     const uint8_t secret[SECRET_BYTES])
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct unit *u = &d->unit[i];
	int err;

	err = buf_pool_init(&u->pool, c->max_memory / d->n, WORKER_RX_RESERVE);
	if (!err)
		err = paths_init(&u->paths, PATHS_ENTRIES, secret);
	if (!err)
		err = unit_new_engine(d, u, secret);
	if (err)
		log_err("worker %u: cannot reserve memory for max_flows, "
			"max_memory: %s",
			i, strerror(-err));
	return err;
}

int units_open(struct daemon *d, struct worker_taken *taken)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	int err = 0;

	for (uint32_t i = 0; i < d->n && !err; i++) {
		struct unit *u = &d->unit[i];
		const struct worker_cfg wc = {
			.index = i,
			.queue = daemon_queue(c, i),
			.syn_queue = daemon_syn_queue(c, i),
			.syn_queues = SYN_QUEUES,
			.mark = c->mark,
			.tun = c->tun,
			.pool = &u->pool,
			.ops = &engine_ops,
			.engine = u->engine,
			.taken = taken,
		};

		err = worker_new(&u->worker, &wc);
	}
	return err;
}

static void unit_fini(struct unit *u)
{
	worker_free(u->worker);
	if (u->engine)
		engine_free(u->engine);
	paths_fini(&u->paths);
	buf_pool_fini(&u->pool);
}

/* What the units have in common, and the seed, by which faults decide alike. */
static int make_commons(struct daemon *d, const uint8_t secret[SECRET_BYTES])
{
	const struct daemon_cfg *c = &d->cfg->daemon;

	if (getrandom(&d->seed, sizeof(d->seed), 0) != sizeof(d->seed))
		return -errno;
	return d->n == 1 ? 0
			 : commons_init(&d->commons, d->n, c->max_flows,
					c->max_tw, secret);
}

int units_make(struct daemon *d)
{
	uint8_t secret[SECRET_BYTES];
	uint32_t i;
	int err;

	err = secret_load(d->cfg->daemon.secret_file, secret, stderr);
	if (err < 0)
		return err;
	d->unit = calloc(d->n, sizeof(*d->unit));
	if (!d->unit) {
		explicit_bzero(secret, sizeof(secret));
		log_err("out of memory");
		return -ENOMEM;
	}
	relay_open(d);
	err = make_commons(d, secret);
	for (i = 0; i < d->n && !err; i++)
		err = unit_init(d, i, secret);
	memcpy(d->secret, secret, sizeof(d->secret));
	explicit_bzero(secret, sizeof(secret));
	return err;
}

int units_start(struct daemon *d)
{
	int err = 0;

	for (uint32_t i = 0; i < d->n && !err; i++) {
		err = worker_start(d->unit[i].worker);
		if (err)
			log_err("worker %u: thread: %s", i, strerror(-err));
	}
	return err;
}

void units_stop(struct daemon *d)
{
	for (uint32_t i = 0; d->unit && i < d->n; i++) {
		if (d->unit[i].worker)
			worker_stop(d->unit[i].worker);
	}
}

static void do_nothing(void *engine, mono_t now)
{
	(void)engine;
	(void)now;
}

void units_kick(struct daemon *d)
{
	units_call(d, do_nothing);
}

void units_free(struct daemon *d)
{
	uint32_t i;

	for (i = 0; d->unit && i < d->n; i++)
		unit_fini(&d->unit[i]);
	free(d->unit);
	d->unit = NULL;
	commons_fini(&d->commons);
}

/* --- calls --- */

void units_call(struct daemon *d, void (*fn)(void *engine, mono_t now))
{
	uint32_t i;

	for (i = 0; i < d->n; i++)
		worker_call(d->unit[i].worker, fn, d->unit[i].engine);
}

struct stopped_call {
	struct daemon *d;
	uint32_t i; /* the worker to stop next */
	void (*fn)(void *arg, mono_t now);
	void *arg;
};

/* Each worker waits for the next one; the last one calls the function. */
static void do_stopped(void *arg, mono_t now)
{
	struct stopped_call *c = arg;

	if (c->i < c->d->n)
		worker_call(c->d->unit[c->i++].worker, do_stopped, c);
	else
		c->fn(c->arg, now);
}

void units_stopped_call(struct daemon *d, void (*fn)(void *arg, mono_t now),
			void *arg)
{
	struct stopped_call c = {.d = d, .fn = fn, .arg = arg};

	do_stopped(&c, worker_clock());
}

struct policy_call {
	struct unit *u;
	struct policy *policy;
};

static void do_set_policy(void *arg, mono_t now)
{
	struct policy_call *c = arg;

	(void)now;
	engine_set_policy(c->u->engine, c->policy);
	if (c->u->tap)
		tap_set_policy(c->u->tap, c->policy);
}

void units_set_policy(struct daemon *d, struct policy *p)
{
	struct policy_call c = {.policy = p};
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		c.u = &d->unit[i];
		worker_call(c.u->worker, do_set_policy, &c);
	}
}

static void do_set_wall(void *arg, mono_t now)
{
	struct unit *u = arg;

	(void)now;
	u->ends.wall_offset_us = units_wall_offset();
	engine_set_wall(u->engine, u->ends.wall_offset_us);
}

void units_follow_clock(struct daemon *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		worker_call(d->unit[i].worker, do_set_wall, &d->unit[i]);
}

struct known_call {
	struct engine *engine;
	const struct known *known;
};

static void do_set_known(void *arg, mono_t now)
{
	struct known_call *c = arg;

	(void)now;
	engine_set_known(c->engine, c->known);
}

void units_set_known(struct daemon *d, const struct known *k)
{
	struct known_call c = {.known = k};

	for (uint32_t i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_set_known, &c);
	}
}

struct front_call {
	struct engine *engine;
	uint32_t service;
	uint64_t sent;
	bool on;
	enum front_wish wish;
};

static void do_front(void *arg, mono_t now)
{
	struct front_call *c = arg;

	c->wish = engine_front(c->engine, c->service, c->sent, c->on, now);
}

/* If one engine must be left alone, all are.  If one is under pressure, the
 * answer is its wish. */
enum front_wish units_front(struct daemon *d, uint32_t i, uint64_t sent,
			    bool on)
{
	struct front_call c = {
		.service = i, .sent = (sent + d->n - 1) / d->n, .on = on};
	enum front_wish all = WISH_CALM;

	for (uint32_t k = 0; k < d->n; k++) {
		c.engine = d->unit[k].engine;
		worker_call(d->unit[k].worker, do_front, &c);
		if (c.wish == WISH_LEAVE || all == WISH_LEAVE)
			all = WISH_LEAVE;
		else if (c.wish == WISH_COOKIES)
			all = WISH_COOKIES;
	}
	return all;
}

struct offer_call {
	const struct engine *engine;
	uint32_t service;
	struct synack_offer o;
};

static void do_offer(void *arg, mono_t now)
{
	struct offer_call *c = arg;

	(void)now;
	engine_synack_offer(c->engine, c->service, &c->o);
}

void units_synack_offer(struct daemon *d, uint32_t i, struct synack_offer *o)
{
	struct offer_call c = {.service = i};

	*o = (struct synack_offer){0};
	for (uint32_t k = 0; k < d->n; k++) {
		c.engine = d->unit[k].engine;
		worker_call(d->unit[k].worker, do_offer, &c);
		if (!c.o.mss4)
			continue;
		if (!o->mss4) {
			*o = c.o;
			continue;
		}
		o->mss4 = (uint16_t)min_u32(o->mss4, c.o.mss4);
		o->mss6 = (uint16_t)min_u32(o->mss6, c.o.mss6);
		o->lacks |= c.o.lacks;
	}
}

struct gauges_call {
	const struct engine *engine;
	struct engine_gauges *sum;
};

/* Subtract the receive ring, which belongs to no connection.  Buffers of its
 * last batch that a connection keeps count from the next batch on. */
static uint64_t without_ring(uint64_t held)
{
	const uint64_t ring =
		(uint64_t)WORKER_RX_RESERVE * buf_class_truesize(BUF_RX);

	return held > ring ? held - ring : 0;
}

static void do_gauges(void *arg, mono_t now)
{
	struct gauges_call *c = arg;
	struct engine_gauges g;

	(void)now;
	engine_gauges(c->engine, &g);
	c->sum->flows += g.flows;
	c->sum->flows_max += g.flows_max;
	c->sum->half_open += g.half_open;
	c->sum->time_wait += g.time_wait;
	c->sum->time_wait_max += g.time_wait_max;
	c->sum->mem_held += without_ring(g.mem_held);
	c->sum->mem_limit += g.mem_limit;
	c->sum->nodes += g.nodes;
	c->sum->nodes_max += g.nodes_max;
	c->sum->sources += g.sources;
	c->sum->timers += g.timers;
}

void units_gauges(struct daemon *d, struct engine_gauges *g)
{
	struct gauges_call c = {.sum = g};
	uint32_t i;

	memset(g, 0, sizeof(*g));
	for (i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_gauges, &c);
	}
}

/* --- attacks --- */

struct attack_call {
	const struct engine *engine;
	struct attack_counts *c;
	uint32_t n;
};

static void do_attack_counts(void *arg, mono_t now)
{
	struct attack_call *call = arg;

	(void)now;
	for (uint32_t i = 0; i < call->n; i++)
		engine_attack_counts(call->engine, i, &call->c[i]);
}

void units_attack_counts(struct daemon *d, struct attack_counts *c, uint32_t n)
{
	struct attack_call call = {.c = c, .n = n};

	memset(c, 0, n * sizeof(*c));
	for (uint32_t i = 0; i < d->n; i++) {
		call.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_attack_counts, &call);
	}
}

struct refused_call {
	const struct engine *engine;
	struct refused_source *r;
	uint32_t n, max;
};

static int refused_cmp(const void *pa, const void *pb)
{
	const struct refused_source *a = pa, *b = pb;

	return a->count < b->count ? 1 : -(a->count > b->count);
}

/* Add to the same source's entry, or to a free one, or replace the smallest. */
static void refused_add(struct refused_call *c,
			const struct refused_source *one)
{
	struct refused_source *least = c->r;

	for (uint32_t i = 0; i < c->n; i++) {
		struct refused_source *r = &c->r[i];

		if (r->proven == one->proven &&
		    ipaddr_eq(&r->addr, &one->addr) &&
		    !strcmp(r->service, one->service)) {
			r->count += one->count;
			return;
		}
		if (r->count < least->count)
			least = r;
	}
	if (c->n < c->max)
		c->r[c->n++] = *one;
	else if (least->count < one->count)
		*least = *one;
}

static void do_refused(void *arg, mono_t now)
{
	struct refused_call *c = arg;

	(void)now;
	for (int proven = 0; proven < 2; proven++) {
		const struct offenders *o = engine_offenders(c->engine, proven);

		for (uint32_t i = 0; i < o->n; i++) {
			struct refused_source one = {.addr = o->who[i].addr,
						     .proven = proven,
						     .count = o->who[i].count -
							      o->who[i].error};

			snprintf(one.service, sizeof(one.service), "%s",
				 engine_service_name(c->engine,
						     o->who[i].service));
			if (one.count >= REFUSED_LEAST && *one.service)
				refused_add(c, &one);
		}
	}
}

uint32_t units_refused(struct daemon *d, struct refused_source *r, uint32_t max)
{
	struct refused_call c = {.r = r, .max = max};

	for (uint32_t i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_refused, &c);
	}
	qsort(r, c.n, sizeof(*r), refused_cmp);
	return c.n;
}

/* --- counters --- */

int metrics_add(struct metrics *m, const struct control_metric *one)
{
	struct control_metric *p = m->m;

	if (m->n == m->room) {
		m->room = m->room ? 2 * m->room : 512;
		p = reallocarray(p, m->room, sizeof(*p));
		if (!p) {
			m->room = m->n;
			return -ENOMEM;
		}
		m->m = p;
	}
	p[m->n++] = *one;
	return 0;
}

struct counters_call {
	const struct engine *engine;
	const struct policy *policy;
	struct metrics *m;
	uint32_t from; /* index of counter 0 in m->m */
	int err;
};

static const char *service_name(const struct policy *p, int i)
{
	return i >= 0 && (uint32_t)i < p->nservice ? p->service[i].name : NULL;
}

/* All engines have the same counters: the first appends them, the others add to
 * them. */
static void do_counters(void *arg, mono_t now)
{
	struct counters_call *c = arg;
	struct control_metric one = {.worker = -1};
	struct engine_counter got;
	uint32_t i;

	(void)now;
	for (i = 0; !c->err && engine_counter(c->engine, i, &got); i++) {
		one.name = got.name;
		one.help = got.help;
		one.value = got.value;
		one.service = service_name(c->policy, got.service);
		if (c->from + i < c->m->n)
			c->m->m[c->from + i].value += one.value;
		else
			c->err = metrics_add(c->m, &one);
	}
}

static int io_counters_append(struct daemon *d, struct metrics *m)
{
	struct control_metric one = {.worker = -1};
	struct io_counters sum = {0}, c;
	uint32_t i;
	int err = 0;

	for (i = 0; i < d->n; i++) {
		worker_counters(d->unit[i].worker, &c, NULL);
		io_counters_add(&sum, &c);
	}
	for (i = 0; !err; i++) {
		one.name = io_counter_get(&sum, i, &one.value, &one.help);
		if (!one.name)
			break;
		err = metrics_add(m, &one);
	}
	return err;
}

int units_counters(struct daemon *d, struct metrics *m)
{
	struct counters_call c = {
		.policy = d->cfg->policy, .m = m, .from = m->n};
	uint32_t i;

	for (i = 0; i < d->n; i++) {
		c.engine = d->unit[i].engine;
		worker_call(d->unit[i].worker, do_counters, &c);
	}
	return c.err ? c.err : io_counters_append(d, m);
}

void units_waiting(struct daemon *d, struct worker_waiting *sum)
{
	struct worker_waiting w;
	struct io_counters c;

	*sum = (struct worker_waiting){0};
	for (uint32_t i = 0; i < d->n; i++) {
		worker_counters(d->unit[i].worker, &c, &w);
		sum->syn += w.syn;
		sum->other += w.other;
	}
}

uint32_t units_flows(struct daemon *d)
{
	struct engine_gauges g;

	units_gauges(d, &g);
	return g.flows;
}
