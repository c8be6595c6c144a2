/* SPDX-License-Identifier: MIT */
/*
 * Types that act on any segment: loss, delay, order, damage, rate.
 */
#include "internal.h"

#define BURST_MAX (INT64_C(1) << 40) /* more means no limit */
#define BITS_MAX 1024u

#define GE (PBIT(P) | PBIT(R) | PBIT(LOSS_BAD) | PBIT(LOSS_GOOD))
#define STATE (PBIT(P13) | PBIT(P31) | PBIT(P32) | PBIT(P23) | PBIT(P14))

static FAULT_HIT(hit_loss)
{
	(void)ev;
	x->f->count[FC_ROLLED]++;
	return v->drop = fault_model_loss(&x->f->spec, x->c, x->f->key);
}

static FAULT_HIT(hit_droplist)
{
	const struct fault_conns *l = &x->f->spec.list;

	(void)ev;
	for (uint32_t i = 0; i < l->n && !v->drop; i++)
		v->drop = l->v[i] == x->c->event;
	return v->drop;
}

/*
 * The first @times transmissions of the range are dropped.  Each segment with
 * the first byte of the range begins a new transmission.
 */
static FAULT_HIT(hit_drop_range)
{
	const struct fault_val *r = &x->f->spec.p[FP_BYTES];
	uint64_t a = (uint64_t)r->i, b = (uint64_t)r->j;
	uint64_t *passes = x->c->state;

	if (ev->off >= b || ev->off + ev->len <= a)
		return false;
	if (ev->off <= a)
		++*passes;
	return v->drop = *passes <= (uint64_t)x->f->spec.p[FP_TIMES].i;
}

static FAULT_HIT(hit_delay)
{
	int64_t d;

	(void)ev;
	/* correlation applies to the delays */
	if (fault_unit(x->f->key, x->c, 0) >= x->f->spec.p[FP_PERCENT].d)
		return false;
	x->f->count[FC_ROLLED]++;
	d = fault_model_delay(&x->f->spec, FP_TIME, x->c, x->f->key);
	v->delay_us += d;
	return d > 0;
}

static FAULT_HIT(hit_reorder)
{
	uint32_t gap = (uint32_t)x->f->spec.p[FP_GAP].i;

	(void)ev;
	if ((gap && x->c->event % gap) || !fault_chance(x))
		return false;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

static FAULT_HIT(hit_duplicate)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_COPIES].i;
	v->spacing_us = x->f->spec.p[FP_SPACING].i;
	return true;
}

static FAULT_HIT(hit_corrupt)
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

/* State of rate: when the line is free again */
struct line {
	mono_t free;
};
FAULT_STATE_FITS(struct line);

/* Each connection and direction has a line of its own. */
static FAULT_HIT(hit_rate)
{
	struct line *l = FAULT_STATE(x->c, struct line);
	const struct fault_val *p = x->f->spec.p;
	int64_t rate = p[FP_RATE].i, at = ev->now.us + v->delay_us, queued;
	int64_t bytes = (int64_t)ev->wire + p[FP_OVERHEAD].i;
	int64_t burst = p[FP_BURST].i < BURST_MAX ? p[FP_BURST].i : BURST_MAX;
	int64_t floor_us = at - burst * USEC_PER_SEC / rate;

	if (l->free.us < floor_us)
		l->free.us = floor_us;
	queued = l->free.us > at ? l->free.us - at : 0;
	if (queued * (rate / 1000 + 1) / 1000 > p[FP_LIMIT].i)
		return v->drop = true;
	l->free.us += bytes * USEC_PER_SEC / rate;
	if (l->free.us <= at)
		return false;
	v->delay_us += l->free.us - at;
	return true;
}

static FAULT_HIT(hit_blackhole)
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

static FAULT_HIT(hit_drop)
{
	(void)ev;
	return v->drop = fault_chance(x);
}

static FAULT_HIT(hit_ecn)
{
	int64_t mode = x->f->spec.p[FP_MODE].i;

	if ((mode == FAULT_ECN_CE && !ev->len) || ev->flags & TCP_SYN ||
	    !fault_chance(x))
		return false;
	v->ecn = (uint8_t)(mode + 1);
	return true;
}

static FAULT_HIT(hit_ttl)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->ttl = (uint8_t)x->f->spec.p[FP_VALUE].i;
	return v->ttl != 0;
}

/* State of slot: the next slot, and what is in it */
struct slot {
	mono_t at;
	uint64_t packets, bytes;
};
FAULT_STATE_FITS(struct slot);

static int64_t slot_wait(const struct fault_ctx *x)
{
	const struct fault_val *p = x->f->spec.p;
	int64_t spread = p[FP_MAX].set ? p[FP_MAX].i - p[FP_MIN].i : 0;

	return p[FP_MIN].i +
	       (int64_t)(fault_unit(x->f->key, x->c, 0) * (double)(spread + 1));
}

/*
 * Segments wait for the next slot, as on a radio link or a shared bus.  If it
 * is full, they wait for the one after it.
 */
static FAULT_HIT(hit_slot)
{
	const struct fault_val *p = x->f->spec.p;
	mono_t at = mono_add(ev->now, v->delay_us);
	struct slot *n = FAULT_STATE(x->c, struct slot);
	bool full =
		(p[FP_PACKETS].i && n->packets >= (uint64_t)p[FP_PACKETS].i) ||
		(p[FP_BYTES].j && n->bytes >= (uint64_t)p[FP_BYTES].j);

	bool over = !mono_is_set(n->at) || mono_before(n->at, at);

	if (over || full) {
		x->f->count[FC_ROLLED]++;
		n->at = mono_add(over ? at : n->at, slot_wait(x));
		n->packets = n->bytes = 0;
	}
	n->packets++;
	n->bytes += ev->wire;
	v->delay_us += mono_sub(n->at, at);
	return true;
}

/*
 * The size of the segments that offload has joined is unknown.  They count as
 * small enough once the peer got the error or has sent a smaller one by itself,
 * until a single segment is too large again.
 */
static FAULT_HIT(hit_mtu)
{
	uint32_t mtu = (uint32_t)x->f->spec.p[FP_MTU].i;
	uint64_t *sides = x->c->state; /* one bit each: @down, @hit */
	uint64_t down = BIT(2 * ev->side + ev->to_peer), hit = down << 4;

	if (ev->wire <= mtu) {
		if (!ev->glued && ev->len && *sides & hit)
			*sides |= down;
		return false;
	}
	if (ev->glued && *sides & down)
		return false;
	*sides = (*sides & ~down) | hit;
	if (x->f->spec.p[FP_ICMP].i) {
		*sides |= down;
		v->icmp = FAULT_ICMP_PTB;
		v->icmp_mtu = mtu;
	}
	return v->drop = true;
}

/* An error about a segment, which is still passed on. */
static FAULT_HIT(hit_icmp)
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

/* Does nothing, but its connections are watched. */
static FAULT_HIT(hit_observe)
{
	(void)x;
	(void)ev;
	(void)v;
	return false;
}

FAULT_TYPE(OBSERVE) = {
	.hit = hit_observe,
};

/* Each loss model has keys of its own. */
static const char *check_loss(const struct fault_spec *s)
{
	const struct fault_val *p = s->p;
	bool ge = p[FP_P].set || p[FP_R].set || p[FP_LOSS_BAD].set ||
		  p[FP_LOSS_GOOD].set;
	bool state = p[FP_P13].set || p[FP_P31].set || p[FP_P32].set ||
		     p[FP_P23].set || p[FP_P14].set;
	bool random = p[FP_PERCENT].set || p[FP_CORRELATION].set;

	switch (p[FP_MODEL].i) {
	case FAULT_GEMODEL:
		return random || state || !p[FP_P].set
			       ? "model=gemodel needs p, and takes r, 1-h, 1-k"
			       : NULL;
	case FAULT_STATE:
		return random || ge || !(p[FP_P13].set || p[FP_P14].set)
			       ? "model=state needs p13 or p14, and takes p31, "
				 "p32, p23"
			       : NULL;
	default:
		return ge || state ? "model=random takes percent, correlation"
				   : NULL;
	}
}

FAULT_TYPE(LOSS) = {
	.example = "percent=2 correlation=25",
	.defaults = FAULT_DEFAULTS({FP_LOSS_BAD, 1, 0, 0}, {FP_P32, 0, 0, 0},
				   {FP_P23, 1, 0, 0}),
	.params = PARAMS_ROLL | PBIT(MODEL) | GE | STATE,
	.hit = hit_loss,
	.check = check_loss,
};

FAULT_TYPE(DROPLIST) = {
	.example = "index=1,5,6 dir=to_peer",
	.params = PBIT(INDEX),
	.needs = PBIT(INDEX),
	.hit = hit_droplist,
};

FAULT_TYPE(DROP_RANGE) = {
	.example = "bytes=3000-4000 times=2",
	.defaults = FAULT_DEFAULTS({FP_TIMES, 0, 1, 0}),
	.params = PBIT(BYTES) | PBIT(TIMES),
	.needs = PBIT(BYTES),
	.kind = FAULT_ON_DATA,
	.dir = FAULT_TO_PEER,
	.hit = hit_drop_range,
};

FAULT_TYPE(DELAY) = {
	.example = "time=100ms jitter=20ms distribution=normal",
	.params = PBIT(PERCENT) | PBIT(TIME) | PARAMS_SPREAD,
	.needs = PBIT(TIME),
	.hit = hit_delay,
};

FAULT_TYPE(REORDER) = {
	.example = "percent=25 gap=5 time=10ms",
	.defaults = FAULT_DEFAULTS({FP_TIME, 0, 10 * USEC_PER_MSEC, 0}),
	.params = PARAMS_ROLL | PBIT(GAP) | PBIT(TIME),
	.hit = hit_reorder,
};

FAULT_TYPE(DUPLICATE) = {
	.example = "percent=5 copies=2 spacing=1ms",
	.defaults = FAULT_DEFAULTS({FP_COPIES, 0, 1, 0}),
	.params = PARAMS_ROLL | PBIT(COPIES) | PBIT(SPACING),
	.hit = hit_duplicate,
};

FAULT_TYPE(CORRUPT) = {
	.example = "percent=1 where=tcp,payload bits=3",
	.defaults = FAULT_DEFAULTS({FP_WHERE, 0, FAULT_WHERE_TCP, 0},
				   {FP_BITS, 0, 1, 0}),
	.params = PARAMS_ROLL | PBIT(WHERE) | PBIT(CHECKSUM) | PBIT(BITS),
	.harm = true,
	.hit = hit_corrupt,
};

FAULT_TYPE(RATE) = {
	.example = "rate=1mbit limit=64K burst=3000 overhead=24",
	.defaults = FAULT_DEFAULTS({FP_LIMIT, 0, 1 << 20, 0}),
	.params = PBIT(RATE) | PBIT(LIMIT) | PBIT(OVERHEAD) | PBIT(BURST),
	.needs = PBIT(RATE),
	.dir = FAULT_TO_PEER,
	.hit = hit_rate,
	.times = BIT(0),
};

FAULT_TYPE(BLACKHOLE) = {
	.example = "on=2s off=10s repeat=3",
	.params = PBIT(HOLE) | PBIT(OFF) | PBIT(REPEAT),
	.hit = hit_blackhole,
};

FAULT_TYPE(SYN_DROP) = {
	.example = "count=2",
	.params = PARAMS_ROLL,
	.kind = FAULT_ON_SYN,
	.hit = hit_drop,
};

FAULT_TYPE(SYN_ACK_DROP) = {
	.example = "count=3",
	.params = PARAMS_ROLL,
	.kind = FAULT_ON_SYNACK,
	.hit = hit_drop,
};

FAULT_TYPE(ECN) = {
	.example = "mode=ce percent=5",
	.modes = BIT(FAULT_ECN_COUNT) - 1,
	.params = PARAMS_ROLL | PBIT(MODE),
	.needs = PBIT(MODE),
	.dir = FAULT_TO_PEER,
	.hit = hit_ecn,
};

FAULT_TYPE(TTL) = {
	.example = "value=2",
	.params = PARAMS_ROLL | PBIT(VALUE),
	.needs = PBIT(VALUE),
	.dir = FAULT_TO_PEER,
	.hit = hit_ttl,
};

FAULT_TYPE(SLOT) = {
	.example = "min=10ms max=20ms packets=8 bytes=9000",
	.params = PBIT(MIN) | PBIT(MAX) | PBIT(PACKETS) | PBIT(BYTES),
	.needs = PBIT(MIN),
	.dir = FAULT_TO_PEER,
	.hit = hit_slot,
	.times = BIT(0),
};

FAULT_TYPE(MTU_BLACKHOLE) = {
	.example = "mtu=1300",
	.params = PBIT(MTU) | PBIT(ICMP),
	.needs = PBIT(MTU),
	.hit = hit_mtu,
};

FAULT_TYPE(ICMP) = {
	.example = "kind=unreach-host on=data count=3",
	.defaults = FAULT_DEFAULTS({FP_MTU, 0, 1280, 0}),
	.kinds = (BIT(FAULT_ICMP_COUNT) - 1) & ~(BIT(FAULT_ICMP_PTB) - 1),
	.params = PARAMS_ROLL | PBIT(KIND) | PBIT(MTU) | PBIT(QUOTE),
	.needs = PBIT(KIND),
	.dir = FAULT_FROM_PEER,
	.hit = hit_icmp,
};

FAULT_TYPE(FIN_DROP) = {
	.example = "count=3",
	.params = PARAMS_ROLL,
	.kind = FAULT_ON_FIN,
	.dir = FAULT_TO_PEER,
	.hit = hit_drop,
};
