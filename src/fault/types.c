/* SPDX-License-Identifier: MIT */
/*
 * The types that act on segments, one small function each, and the table of
 * all types.
 */
#include "internal.h"

/* It only makes the connection one that is watched. */
static bool hit_observe(struct fault_ctx *x, const struct fault_event *ev,
			struct fault_verdict *v)
{
	(void)x;
	(void)ev;
	(void)v;
	return false;
}

static bool hit_loss(struct fault_ctx *x, const struct fault_event *ev,
		     struct fault_verdict *v)
{
	(void)ev;
	x->f->count[FC_ROLLED]++;
	return v->drop = fault_model_loss(&x->f->spec, x->c, x->f->key);
}

static bool hit_droplist(struct fault_ctx *x, const struct fault_event *ev,
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
static bool hit_drop_range(struct fault_ctx *x, const struct fault_event *ev,
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

static bool hit_delay(struct fault_ctx *x, const struct fault_event *ev,
		      struct fault_verdict *v)
{
	int64_t d;

	(void)ev;
	if (x->f->spec.p[FP_PERCENT].set && !fault_chance(x))
		return false;
	x->f->count[FC_ROLLED]++;
	d = fault_model_delay(&x->f->spec, FP_TIME, x->c, x->f->key);
	v->delay_us += d;
	return d > 0;
}

static bool hit_reorder(struct fault_ctx *x, const struct fault_event *ev,
			struct fault_verdict *v)
{
	uint32_t gap = (uint32_t)x->f->spec.p[FP_GAP].i;

	(void)ev;
	if ((gap && x->c->event % gap) || !fault_chance(x))
		return false;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

static bool hit_duplicate(struct fault_ctx *x, const struct fault_event *ev,
			  struct fault_verdict *v)
{
	(void)ev;
	if (!fault_chance(x))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_COPIES].i;
	v->spacing_us = x->f->spec.p[FP_SPACING].i;
	return true;
}

static bool hit_corrupt(struct fault_ctx *x, const struct fault_event *ev,
			struct fault_verdict *v)
{
	uint8_t where = (uint8_t)x->f->spec.p[FP_WHERE].i;

	if (!ev->len)
		where &= (uint8_t)~FAULT_WHERE_PAYLOAD;
	if (!where || !fault_chance(x))
		return false;
	v->damage = where;
	v->fix = x->f->spec.p[FP_CHECKSUM].i != 0;
	v->bits = (uint32_t)x->f->spec.p[FP_BITS].i;
	v->dice = fault_dice(x->f->key, x->c->ordinal, x->c->event, 9);
	return true;
}

/* A line of its own for each connection and direction it acts on. */
static bool hit_rate(struct fault_ctx *x, const struct fault_event *ev,
		     struct fault_verdict *v)
{
	const struct fault_val *p = x->f->spec.p;
	int64_t rate = p[FP_RATE].i, at = ev->now.us + v->delay_us, queued;
	int64_t bytes = (int64_t)ev->wire + p[FP_OVERHEAD].i;
	int64_t floor_us = at - p[FP_BURST].i * USEC_PER_SEC / rate;

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

static bool hit_blackhole(struct fault_ctx *x, const struct fault_event *ev,
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

static bool hit_drop(struct fault_ctx *x, const struct fault_event *ev,
		     struct fault_verdict *v)
{
	(void)ev;
	return v->drop = fault_chance(x);
}

static bool hit_reset(struct fault_ctx *x, const struct fault_event *ev,
		      struct fault_verdict *v)
{
	const struct fault_val *a = &x->f->spec.p[FP_AFTER];
	uint64_t n = (uint64_t)a->i;

	if (a->set && a->j == FAULT_ON_TIME)
		return false; /* fault_flow_due() does it */
	if (a->set && a->j == FAULT_ON_ACKED) {
		if (ev->to_peer || ev->acked < n)
			return false;
	} else if (a->set) {
		if (!ev->to_peer || !ev->len || ev->off + ev->len < n)
			return false;
		v->keep = ev->off < n ? (uint32_t)(n - ev->off) : 0;
	}
	v->act = x->f->spec.p[FP_SIDES].i == FAULT_BOTH_SIDES
			 ? FAULT_ACT_RESET_BOTH
			 : FAULT_ACT_RESET;
	x->c->done = true;
	return true;
}

static bool hit_synack_delay(struct fault_ctx *x, const struct fault_event *ev,
			     struct fault_verdict *v)
{
	(void)ev;
	v->delay_us += x->f->spec.p[FP_TIME].i;
	return true;
}

/* A SYN is turned away, before there is a flow. */
static bool hit_refuse(struct fault_ctx *x, const struct fault_event *ev,
		       struct fault_verdict *v)
{
	static const uint8_t code[] = {0, 3, 1, 13};
	int64_t with = x->f->spec.p[FP_WITH].i;

	if (ev->state > 1)
		return false;
	v->act = FAULT_ACT_ANSWER;
	v->answer = with ? FAULT_ANSWER_ICMP : FAULT_ANSWER_RST;
	v->icmp_code = code[with];
	return true;
}

/* The handshake succeeds and nothing else does. */
static bool hit_pretend(struct fault_ctx *x, const struct fault_event *ev,
			struct fault_verdict *v)
{
	bool tarpit = x->f->spec.type == FT_TARPIT;

	if (ev->state > 1 || ev->to_peer)
		return false;
	v->act = FAULT_ACT_ANSWER;
	if (ev->flags & TCP_SYN) {
		v->answer = FAULT_ANSWER_SYNACK;
		v->wnd = tarpit ? 0 : 65535;
		v->dice = fault_dice(x->f->key, x->c->ordinal, 0, 8);
		x->c->seen = ev->seq.v;
		return true;
	}
	v->irs = (uint32_t)x->c->seen;
	v->answer = ev->flags & TCP_RST ? FAULT_ANSWER_NOTHING
		    : !tarpit		? FAULT_ANSWER_RST
		    : ev->len || ev->flags & TCP_FIN || ev->seq.v != v->irs + 1
			    ? FAULT_ANSWER_ACK
			    : FAULT_ANSWER_NOTHING;
	return true;
}

static bool hit_strip(struct fault_ctx *x, const struct fault_event *ev,
		      struct fault_verdict *v)
{
	if (!(ev->flags & TCP_SYN))
		return false;
	v->strip |= (uint8_t)x->f->spec.p[FP_LIST].i;
	return true;
}

static bool hit_mss(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v)
{
	if (!(ev->flags & TCP_SYN))
		return false;
	v->mss = (uint16_t)x->f->spec.p[FP_VALUE].i;
	return true;
}

static bool hit_ecn(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v)
{
	int64_t mode = x->f->spec.p[FP_MODE].i;

	if ((mode == FAULT_ECN_CE && !ev->len) || ev->flags & TCP_SYN ||
	    !fault_chance(x))
		return false;
	v->ecn = (uint8_t)(mode + 1);
	return true;
}

static bool hit_ttl(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v)
{
	(void)ev;
	v->ttl = (uint8_t)x->f->spec.p[FP_VALUE].i;
	return v->ttl != 0;
}

static bool pure_ack(const struct fault_event *ev)
{
	return !ev->len &&
	       (ev->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

static bool hit_ack_drop(struct fault_ctx *x, const struct fault_event *ev,
			 struct fault_verdict *v)
{
	return v->drop = pure_ack(ev) && fault_chance(x);
}

static bool hit_dup_ack(struct fault_ctx *x, const struct fault_event *ev,
			struct fault_verdict *v)
{
	if (!pure_ack(ev))
		return false;
	v->copies += (uint32_t)x->f->spec.p[FP_N].i;
	return true;
}

static bool hit_inject(struct fault_ctx *x, const struct fault_event *ev,
		       struct fault_verdict *v)
{
	if (ev->flags & (TCP_SYN | TCP_RST) || ev->state < 4)
		return false;
	v->inject = (uint8_t)(x->f->spec.p[FP_KIND].i + 1);
	x->c->done = x->c->injected + 1 >=
		     (x->f->spec.count ? x->f->spec.count : 1);
	return true;
}

/*
 * Whatever acknowledges the peer's FIN is lost, also what TIME_WAIT answers
 * (then there is no flow, and the state is none).
 */
static bool hit_last_ack(struct fault_ctx *x, const struct fault_event *ev,
			 struct fault_verdict *v)
{
	if (!ev->to_peer && ev->flags & TCP_FIN) {
		x->c->seen = 1; /* from now on our ACKs cover it */
		return false;
	}
	return v->drop = ev->to_peer && x->c->seen && !ev->len &&
			 !(ev->flags & TCP_FIN);
}

static bool hit_vanish(struct fault_ctx *x, const struct fault_event *ev,
		       struct fault_verdict *v)
{
	const struct fault_val *a = &x->f->spec.p[FP_AFTER];
	uint64_t n = (uint64_t)a->i;

	if (x->c->armed && x->c->seen) { /* gone already */
		v->drop = x->f->spec.p[FP_THEN].i == FAULT_THEN_SILENCE;
		return v->drop;
	}
	if (a->set && a->j == FAULT_ON_TIME)
		return false;
	if (a->set && a->j == FAULT_ON_ACKED && (ev->to_peer || ev->acked < n))
		return false;
	if (a->set && a->j == FAULT_ON_BYTE &&
	    (!ev->to_peer || !ev->len || ev->off + ev->len < n))
		return false;
	x->c->armed = true;
	x->c->seen = 1;
	v->act = FAULT_ACT_VANISH;
	return true;
}

#define GE (PBIT(P) | PBIT(R) | PBIT(LOSS_BAD) | PBIT(LOSS_GOOD))
#define STATE (PBIT(P13) | PBIT(P31) | PBIT(P32) | PBIT(P23) | PBIT(P14))
#define ROLL (PBIT(PERCENT) | PBIT(CORRELATION))
#define SPREAD (PBIT(JITTER) | PBIT(CORRELATION) | PBIT(DISTRIBUTION))

const struct fault_type_desc fault_types[FT_COUNT] = {
	[FT_OBSERVE] = {.hit = hit_observe},
	[FT_LOSS] = {.params = ROLL | PBIT(MODEL) | GE | STATE,
		     .hit = hit_loss},
	[FT_DROPLIST] = {.params = PBIT(INDEX),
			 .needs = PBIT(INDEX),
			 .hit = hit_droplist},
	[FT_DROP_RANGE] = {.params = PBIT(BYTES) | PBIT(TIMES),
			   .needs = PBIT(BYTES),
			   .kind = FAULT_ON_DATA,
			   .dir = FAULT_TO_PEER,
			   .hit = hit_drop_range},
	[FT_DELAY] = {.params = PBIT(PERCENT) | PBIT(TIME) | SPREAD,
		      .needs = PBIT(TIME),
		      .hit = hit_delay},
	[FT_REORDER] = {.params = ROLL | PBIT(GAP) | PBIT(TIME),
			.hit = hit_reorder},
	[FT_DUPLICATE] = {.params = ROLL | PBIT(COPIES) | PBIT(SPACING),
			  .hit = hit_duplicate},
	[FT_CORRUPT] = {.params = ROLL | PBIT(WHERE) | PBIT(CHECKSUM) |
				  PBIT(BITS),
			.harm = true,
			.hit = hit_corrupt},
	[FT_RATE] = {.params = PBIT(RATE) | PBIT(LIMIT) | PBIT(OVERHEAD) |
			       PBIT(BURST),
		     .needs = PBIT(RATE),
		     .dir = FAULT_TO_PEER,
		     .hit = hit_rate},
	[FT_BLACKHOLE] = {.params = PBIT(HOLE) | PBIT(OFF) | PBIT(REPEAT),
			  .hit = hit_blackhole},
	[FT_SYN_DROP] = {.params = ROLL, .kind = FAULT_ON_SYN, .hit = hit_drop},
	[FT_RESET_PEER] = {.params = PBIT(AFTER) | PBIT(SIDES),
			   .timed = true,
			   .hit = hit_reset},
	[FT_SYN_ACK_DELAY] = {.params = PBIT(TIME),
			      .needs = PBIT(TIME),
			      .kind = FAULT_ON_SYNACK,
			      .hit = hit_synack_delay},
	[FT_SYN_ACK_DROP] = {.params = ROLL,
			     .kind = FAULT_ON_SYNACK,
			     .hit = hit_drop},
	[FT_REFUSE] = {.params = PBIT(WITH),
		       .kind = FAULT_ON_SYN,
		       .dir = FAULT_FROM_PEER,
		       .hit = hit_refuse},
	[FT_DELUDE] = {.dir = FAULT_FROM_PEER, .hit = hit_pretend},
	[FT_TARPIT] = {.dir = FAULT_FROM_PEER, .hit = hit_pretend},
	[FT_STRIP_OPTION] = {.params = PBIT(LIST),
			     .needs = PBIT(LIST),
			     .hit = hit_strip},
	[FT_MSS_CLAMP] = {.params = PBIT(VALUE),
			  .needs = PBIT(VALUE),
			  .hit = hit_mss},
	[FT_ECN] = {.params = ROLL | PBIT(MODE),
		    .needs = PBIT(MODE),
		    .dir = FAULT_TO_PEER,
		    .hit = hit_ecn},
	[FT_TTL] = {.params = PBIT(VALUE),
		    .needs = PBIT(VALUE),
		    .dir = FAULT_TO_PEER,
		    .hit = hit_ttl},
	[FT_ZERO_WINDOW] = {.params = PBIT(REOPEN)},
	[FT_ACK_DELAY] = {.params = PBIT(TIME), .needs = PBIT(TIME)},
	[FT_ACK_DROP] = {.params = ROLL,
			 .dir = FAULT_TO_PEER,
			 .hit = hit_ack_drop},
	[FT_STRETCH_ACK] = {.params = PBIT(N)},
	[FT_DUP_ACK] = {.params = PBIT(N),
			.dir = FAULT_TO_PEER,
			.hit = hit_dup_ack},
	[FT_TINY_SEGMENTS] = {.params = PBIT(SIZE) | PBIT(VARIATION),
			      .needs = PBIT(SIZE)},
	[FT_INJECT] = {.params = PBIT(KIND),
		       .needs = PBIT(KIND),
		       .dir = FAULT_TO_PEER,
		       .hit = hit_inject},
	[FT_SLOW_CLOSE] = {.params = PBIT(DELAY), .needs = PBIT(DELAY)},
	[FT_HALF_CLOSE_STALL] = {0},
	[FT_FIN_DROP] = {.params = ROLL,
			 .kind = FAULT_ON_FIN,
			 .dir = FAULT_TO_PEER,
			 .hit = hit_drop},
	[FT_LAST_ACK_DROP] = {.hit = hit_last_ack},
	[FT_VANISH] = {.params = PBIT(AFTER) | PBIT(THEN),
		       .timed = true,
		       .hit = hit_vanish},
	[FT_SLICER] = {.params = PBIT(AVERAGE_SIZE) | PBIT(SIZE_VARIATION) |
				 PBIT(DELAY),
		       .needs = PBIT(AVERAGE_SIZE),
		       .stream = true},
	[FT_LIMIT_DATA] = {.params = PBIT(BYTES),
			   .needs = PBIT(BYTES),
			   .stream = true,
			   .harm = true},
	[FT_TIMEOUT] = {.params = PBIT(TIMEOUT),
			.needs = PBIT(TIMEOUT),
			.stream = true,
			.timed = true},
	[FT_FIN] = {.params = PBIT(AFTER),
		    .needs = PBIT(AFTER),
		    .stream = true,
		    .harm = true},
	[FT_LATENCY] = {.params = PBIT(LATENCY) | SPREAD,
			.needs = PBIT(LATENCY),
			.stream = true},
	[FT_BANDWIDTH] = {.params = PBIT(RATE),
			  .needs = PBIT(RATE),
			  .stream = true},
};
