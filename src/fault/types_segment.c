/* SPDX-License-Identifier: MIT */
/*
 * Types that act on any segment: loss, delay, order, damage, rate.
 */
#include "internal.h"

#define BURST_MAX (INT64_C(1) << 40) /* more is no limit any more */
#define BITS_MAX 1024u

bool hit_loss(struct fault_ctx *x, const struct fault_event *ev,
	      struct fault_verdict *v)
{
	(void)ev;
	x->f->count[FC_ROLLED]++;
	return v->drop = fault_model_loss(&x->f->spec, x->c, x->f->key);
}

bool hit_droplist(struct fault_ctx *x, const struct fault_event *ev,
		  struct fault_verdict *v)
{
	const struct fault_conns *l = &x->f->spec.list;

	(void)ev;
	for (uint32_t i = 0; i < l->n && !v->drop; i++)
		v->drop = l->v[i] == x->c->event;
	return v->drop;
}

/*
 * The first @times passes over the range are dropped.  A pass begins with each
 * segment that carries the range's first byte.
 */
bool hit_drop_range(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v)
{
	const struct fault_val *r = &x->f->spec.p[FP_BYTES];
	uint64_t a = (uint64_t)r->i, b = (uint64_t)r->j;

	if (ev->off >= b || ev->off + ev->len <= a)
		return false;
	if (ev->off <= a)
		x->c->seen++;
	return v->drop = x->c->seen <= (uint64_t)x->f->spec.p[FP_TIMES].i;
}

bool hit_delay(struct fault_ctx *x, const struct fault_event *ev,
	       struct fault_verdict *v)
{
	int64_t d;

	(void)ev;
	/* the correlation is that of the delays */
	if (fault_unit(x->f->key, x->c, 0) >= x->f->spec.p[FP_PERCENT].d)
		return false;
	x->f->count[FC_ROLLED]++;
	d = fault_model_delay(&x->f->spec, FP_TIME, x->c, x->f->key);
	v->delay_us += d;
	return d > 0;
}

bool hit_reorder(struct fault_ctx *x, const struct fault_event *ev,
		 struct fault_verdict *v)
{
	uint32_t gap = (uint32_t)x->f->spec.p[FP_GAP].i;

	(void)ev;
	if ((gap && x->c->event % gap) || !fault_chance(x))
		return false;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

bool hit_duplicate(struct fault_ctx *x, const struct fault_event *ev,
		   struct fault_verdict *v)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_COPIES].i;
	v->spacing_us = x->f->spec.p[FP_SPACING].i;
	return true;
}

bool hit_corrupt(struct fault_ctx *x, const struct fault_event *ev,
		 struct fault_verdict *v)
{
	uint8_t where = (uint8_t)x->f->spec.p[FP_WHERE].i;

	if (!ev->len)
		where &= (uint8_t)~FAULT_WHERE_PAYLOAD;
	if (!where || !fault_chance(x))
		return false;
	v->damage = where;
	v->fix = x->f->spec.p[FP_CHECKSUM].i != 0;
	v->bits = min_u32((uint32_t)x->f->spec.p[FP_BITS].i, BITS_MAX);
	v->dice = fault_dice(x->f->key, x->c->ordinal, x->c->event, 9);
	return true;
}

/* A line of its own for each connection and direction it acts on. */
bool hit_rate(struct fault_ctx *x, const struct fault_event *ev,
	      struct fault_verdict *v)
{
	const struct fault_val *p = x->f->spec.p;
	int64_t rate = p[FP_RATE].i, at = ev->now.us + v->delay_us, queued;
	int64_t bytes = (int64_t)ev->wire + p[FP_OVERHEAD].i;
	int64_t burst = p[FP_BURST].i < BURST_MAX ? p[FP_BURST].i : BURST_MAX;
	int64_t floor_us = at - burst * USEC_PER_SEC / rate;

	if (x->c->next.us < floor_us)
		x->c->next.us = floor_us;
	queued = x->c->next.us > at ? x->c->next.us - at : 0;
	if (queued * (rate / 1000 + 1) / 1000 > p[FP_LIMIT].i)
		return v->drop = true;
	x->c->next.us += bytes * USEC_PER_SEC / rate;
	if (x->c->next.us <= at)
		return false;
	v->delay_us += x->c->next.us - at;
	return true;
}

bool hit_blackhole(struct fault_ctx *x, const struct fault_event *ev,
		   struct fault_verdict *v)
{
	const struct fault_val *p = x->f->spec.p;
	int64_t hole = p[FP_HOLE].i, off = p[FP_OFF].i;
	int64_t t = mono_sub(ev->now, x->c->first);

	v->drop = true;
	if (!hole)
		return true;
	if (!off)
		return v->drop = t < hole;
	if (p[FP_REPEAT].i && t / (hole + off) >= p[FP_REPEAT].i)
		return v->drop = false;
	return v->drop = t % (hole + off) < hole;
}

bool hit_drop(struct fault_ctx *x, const struct fault_event *ev,
	      struct fault_verdict *v)
{
	(void)ev;
	return v->drop = fault_chance(x);
}

bool hit_ecn(struct fault_ctx *x, const struct fault_event *ev,
	     struct fault_verdict *v)
{
	int64_t mode = x->f->spec.p[FP_MODE].i;

	if ((mode == FAULT_ECN_CE && !ev->len) || ev->flags & TCP_SYN ||
	    !fault_chance(x))
		return false;
	v->ecn = (uint8_t)(mode + 1);
	return true;
}

bool hit_ttl(struct fault_ctx *x, const struct fault_event *ev,
	     struct fault_verdict *v)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->ttl = (uint8_t)x->f->spec.p[FP_VALUE].i;
	return v->ttl != 0;
}

static int64_t slot_wait(const struct fault_ctx *x)
{
	const struct fault_val *p = x->f->spec.p;
	int64_t spread = p[FP_MAX].set ? p[FP_MAX].i - p[FP_MIN].i : 0;

	return p[FP_MIN].i +
	       (int64_t)(fault_unit(x->f->key, x->c, 0) * (double)(spread + 1));
}

/*
 * Segments gather until the next slot, as on a radio link or behind a bus that
 * is shared; those that find it full go on to the one after it.
 */
bool hit_slot(struct fault_ctx *x, const struct fault_event *ev,
	      struct fault_verdict *v)
{
	const struct fault_val *p = x->f->spec.p;
	mono_t at = mono_add(ev->now, v->delay_us);
	struct fault_conn *c = x->c;
	bool full = (p[FP_PACKETS].i && c->seen >= (uint64_t)p[FP_PACKETS].i) ||
		    (p[FP_BYTES].j && c->bytes >= (uint64_t)p[FP_BYTES].j);

	bool over = !mono_is_set(c->next) || mono_before(c->next, at);

	if (over || full) {
		x->f->count[FC_ROLLED]++;
		c->next = mono_add(over ? at : c->next, slot_wait(x));
		c->seen = c->bytes = 0;
	}
	c->seen++;
	c->bytes += ev->wire;
	v->delay_us += mono_sub(c->next, at);
	return true;
}

/*
 * What offload glued together has no length of its own: once the peer was told,
 * or came down by itself, it is taken to keep to the MTU; a single segment
 * that does not says otherwise.
 */
bool hit_mtu(struct fault_ctx *x, const struct fault_event *ev,
	     struct fault_verdict *v)
{
	uint32_t mtu = (uint32_t)x->f->spec.p[FP_MTU].i;
	uint64_t down = BIT(2 * ev->side + ev->to_peer), hit = down << 4;

	if (ev->wire <= mtu) {
		if (!ev->glued && ev->len && x->c->seen & hit)
			x->c->seen |= down;
		return false;
	}
	if (ev->glued && x->c->seen & down)
		return false;
	x->c->seen = (x->c->seen & ~down) | hit;
	if (x->f->spec.p[FP_ICMP].i) {
		x->c->seen |= down;
		v->icmp = FAULT_ICMP_PTB;
		v->icmp_mtu = mtu;
	}
	return v->drop = true;
}

/* An error about a segment that goes its way all the same. */
bool hit_icmp(struct fault_ctx *x, const struct fault_event *ev,
	      struct fault_verdict *v)
{
	const struct fault_spec *f = &x->f->spec;

	if (ev->flags & TCP_RST || !fault_chance(x))
		return false;
	v->icmp = (uint8_t)f->p[FP_KIND].i;
	v->icmp_mtu = (uint32_t)f->p[FP_MTU].i;
	v->bad_quote = f->p[FP_QUOTE].i == FAULT_QUOTE_BAD_SEQ;
	x->c->done = x->c->injected + 1 >= (f->count ? f->count : 1);
	return true;
}

/* It only makes the connection one that is watched. */
bool hit_observe(struct fault_ctx *x, const struct fault_event *ev,
		 struct fault_verdict *v)
{
	(void)x;
	(void)ev;
	(void)v;
	return false;
}
