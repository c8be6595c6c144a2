/* SPDX-License-Identifier: MIT */
/*
 * The translator of relay = splice, as the kernel's works (src/bpf), but with
 * no line in common: segments of a connection that the engine has handed over
 * are changed and go on, before the engine would see them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"
#include "splice/splice.h"
#include "wire/build.h"

#define ENTRIES 512
#define KEPT_US (60 * 1000000ll) /* once both sides have ended */

/* One direction; @t as the engine sees its segments. */
struct dir {
	struct tuple t;
	struct splice_shift d;
	bool used, fin, reset;
	uint32_t held;
	int64_t last;
};

struct translator {
	struct world *w;
	struct dir dir[ENTRIES];
	uint64_t installed, passed;
};

static struct tuple turned(const struct tuple *t)
{
	return (struct tuple){.local = t->remote,
			      .remote = t->local,
			      .lport = t->rport,
			      .rport = t->lport};
}

static struct dir *lookup(struct translator *tr, const struct tuple *t)
{
	for (int i = 0; i < ENTRIES; i++)
		if (tr->dir[i].used && tuple_eq(&tr->dir[i].t, t))
			return &tr->dir[i];
	return NULL;
}

static struct dir *other(struct translator *tr, const struct dir *d)
{
	struct tuple t = turned(&d->t);

	return lookup(tr, &t);
}

/* Its FIN was passed on, and so was the acknowledgment of it. */
static bool is_over(const struct dir *d, const struct dir *back)
{
	return d->fin && back->d.acked.v == d->d.nxt.v - d->d.seq;
}

static bool has_ended(const struct dir *d, const struct dir *back)
{
	return d->reset || back->reset ||
	       (is_over(d, back) && is_over(back, d));
}

static void op_remove(void *ctx, const struct tuple *t)
{
	struct tuple b = turned(t);
	struct dir *d = lookup(ctx, t), *e = lookup(ctx, &b);

	if (d)
		d->used = false;
	if (e)
		e->used = false;
}

static bool op_find(void *ctx, const struct tuple *t, struct splice_found *out)
{
	struct translator *tr = ctx;
	struct dir *d = lookup(tr, t), *b = d ? other(tr, d) : NULL;

	if (!b)
		return false;
	out->ended = has_ended(d, b);
	if (out->ended && tr->w->now - d->last > KEPT_US &&
	    tr->w->now - b->last > KEPT_US) {
		op_remove(tr, t);
		return false;
	}
	out->dir = d->d;
	out->back = b->d;
	return true;
}

static struct dir *make(struct translator *tr, const struct tuple *t,
			const struct splice_shift *d)
{
	for (int i = 0; i < ENTRIES; i++) {
		if (tr->dir[i].used)
			continue;
		tr->dir[i] = (struct dir){.t = *t,
					  .d = *d,
					  .used = true,
					  .held = d->held,
					  .last = tr->w->now};
		return &tr->dir[i];
	}
	return NULL;
}

static int op_install(void *ctx, const struct splice_pair *p)
{
	struct translator *tr = ctx;
	struct tuple back = turned(&p->client);
	struct dir *up, *down;

	if (prng_below(&tr->w->rng, 100) < (uint32_t)tr->w->plan->map_full_pc)
		return -E2BIG;
	if (lookup(tr, &p->client) || lookup(tr, &back))
		world_fail(tr->w, "spliced though it is translated already");
	up = make(tr, &p->client, &p->up);
	down = make(tr, &back, &p->down);
	if (!up || !down)
		world_fail(tr->w, "the simulator's translator is full");
	tr->installed++;
	world_trace(tr->w, "T new", NULL);
	return 0;
}

/* Those that have not ended: the other direction has the same service. */
static uint32_t op_count(void *ctx, const char *service,
			 const struct ipaddr *client, uint32_t *all)
{
	struct translator *tr = ctx;
	uint32_t n = 0;

	(void)service;
	*all = 0;
	for (int i = 0; i < ENTRIES; i++) {
		struct dir *d = &tr->dir[i], *b;

		if (!d->used || !d->d.from_client)
			continue;
		b = other(tr, d);
		if (!b || has_ended(d, b))
			continue;
		++*all;
		n += ipaddr_eq(&d->t.remote, client);
	}
	return n;
}

static const struct splice_ops ops = {.install = op_install,
				      .find = op_find,
				      .remove = op_remove,
				      .count = op_count};

struct translator *translate_new(struct world *w)
{
	struct translator *tr = calloc(1, sizeof(*tr));
	struct splicer *sp;

	if (!tr)
		abort();
	tr->w = w;
	if (splice_open(w->engine, &ops, tr, &sp))
		abort();
	return tr;
}

void translate_free(struct translator *tr)
{
	free(tr);
}

static struct ipaddr address(int family, const uint8_t *ip)
{
	return family == 4 ? ipaddr_v4(ip) : ipaddr_v6(ip);
}

static void add32(uint8_t *p, uint32_t by)
{
	put_be32(p, get_be32(p) + by);
}

static void change_options(uint8_t *o, uint32_t len, const struct dir *d,
			   bool ack)
{
	for (uint32_t i = 0; i < len && o[i];) {
		uint32_t n = o[i] == 1 ? 1 : i + 1 < len ? o[i + 1] : 0;

		if (o[i] != 1 && (n < 2 || i + n > len))
			return;
		if (o[i] == 8 && n == 10 && d->d.ts) {
			add32(o + i + 2, d->d.tsval);
			if (ack)
				add32(o + i + 6, d->d.tsecr);
		}
		for (uint32_t k = 2; o[i] == 5 && k + 4 <= n; k += 4)
			add32(o + i + k, d->d.ack);
		i += n;
	}
}

/*
 * What the other side of this direction is left to know, from @s after.  A RST
 * says only that it ends: its number may be forged, and its window is none.
 */
static void note(struct dir *d, const struct dir *back, const struct sseg *s,
		 const struct sseg *was)
{
	uint32_t end = s->seq + s->len + !!(s->flags & F_FIN);

	if (s->has_ts && (int32_t)(s->tsval - d->d.newest_ts) > 0)
		d->d.newest_ts = s->tsval;
	if (s->flags & F_RST) {
		d->reset |= s->seq == d->d.nxt.v || was->seq == back->d.acked.v;
		return;
	}
	if ((int32_t)(end - d->d.nxt.v) >= 0) {
		d->d.nxt = SEQ(end);
		d->fin |= !!(s->flags & F_FIN);
	}
	if (s->flags & F_ACK) {
		d->d.acked = SEQ(s->ack);
		d->d.wnd = s->wnd;
	}
}

static void change(struct spkt *p, const struct dir *d, const struct sseg *s)
{
	uint8_t *t = p->data + (s->family == 4 ? 20 : 40);
	uint32_t thl = (t[12] >> 4) * 4u;
	bool ack = s->flags & F_ACK;
	uint16_t csum = get_be16(t + 16), before;
	uint32_t sum, wnd;

	put_be16(t + 16, 0);
	before = csum_fold(csum_add(0, t, thl));
	add32(t + 4, d->d.seq);
	if (ack)
		add32(t + 8, d->d.ack);
	wnd = (uint32_t)s->wnd << d->d.shl >> d->d.shr;
	put_be16(t + 14, (uint16_t)(wnd > 65535 ? 65535 : wnd));
	change_options(t + 20, thl - 20, d, ack);
	/* what is wrong stays wrong */
	sum = (uint16_t)~csum;
	sum += (uint16_t)~before;
	sum += csum_fold(csum_add(0, t, thl));
	if (p->csum != SCSUM_PARTIAL)
		csum = (uint16_t)~csum_fold(sum);
	put_be16(t + 16, csum);
}

bool translate(struct translator *tr, struct spkt *p, bool tun)
{
	struct dir *d, *back;
	struct sseg was, s;
	struct tuple t;
	const char *why;

	if (!tr || spkt_parse(p, &was, &why) || was.flags & F_SYN)
		return false;
	t = (struct tuple){.local = address(was.family, was.dst.ip),
			   .remote = address(was.family, was.src.ip),
			   .lport = was.dst.port,
			   .rport = was.src.port};
	d = lookup(tr, &t);
	back = d ? other(tr, d) : NULL;
	if (!back || (!tun && d->held))
		return false;
	if (tun && d->held)
		d->held--;
	change(p, d, &was);
	d->last = tr->w->now;
	tr->passed++;
	if (!p->corrupt && spkt_parse(p, &s, &why) == 0)
		note(d, back, &s, &was);
	return true;
}

uint64_t translate_count(const struct translator *tr)
{
	return tr ? tr->installed : 0;
}
