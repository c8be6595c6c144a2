/* SPDX-License-Identifier: MIT */
/*
 * Types that act on bytes between the legs: how many of them may go on now.
 * stream.c calls them. corrupt_stream is in corrupt.c.
 */
#include "internal.h"

#define QUANTUM_US (20 * USEC_PER_MSEC)
#define QUANTUM_MIN 256

/* What the bandwidth allows at @now; 0: nothing before *wake. */
static uint32_t bandwidth_share(struct fault_ctx *x, uint32_t n, mono_t now,
				mono_t *wake)
{
	struct portion *q = FAULT_STATE(x->c, struct portion);
	int64_t rate = x->f->spec.p[FP_RATE].i;
	int64_t most = rate * QUANTUM_US / USEC_PER_SEC;

	if (mono_before(now, q->next)) {
		*wake = mono_earlier(*wake, q->next);
		return 0;
	}
	if (most < QUANTUM_MIN)
		most = QUANTUM_MIN;
	return most < n ? (uint32_t)most : n;
}

static void bandwidth_spend(struct fault_ctx *x, uint32_t n, mono_t now)
{
	struct portion *q = FAULT_STATE(x->c, struct portion);
	int64_t rate = x->f->spec.p[FP_RATE].i;

	if (mono_sub(now, q->next) > QUANTUM_US)
		q->next = now;
	q->next = mono_add(q->next, (int64_t)n * USEC_PER_SEC / rate);
}

/* One slice, then nothing for a while. */
static uint32_t slicer_share(struct fault_ctx *x, uint32_t n, mono_t now,
			     mono_t *wake)
{
	struct portion *q = FAULT_STATE(x->c, struct portion);
	const struct fault_val *p = x->f->spec.p;
	int64_t var = p[FP_SIZE_VARIATION].i, size = p[FP_AVERAGE_SIZE].i;

	if (mono_before(now, q->next)) {
		*wake = mono_earlier(*wake, q->next);
		return 0;
	}
	if (var)
		size += (int64_t)(fault_unit(x->f->key, x->c, 0) *
				  (double)(2 * var)) -
			var;
	if (size < 1)
		size = 1;
	return size < n ? (uint32_t)size : n;
}

static void slicer_spend(struct fault_ctx *x, uint32_t n, mono_t now)
{
	struct portion *q = FAULT_STATE(x->c, struct portion);

	(void)n;
	q->next = mono_add(now, x->f->spec.p[FP_DELAY].i + 1);
}

/* State of timeout: what is held, and the deadline once the clock runs */
struct timeout {
	uint32_t held;
	mono_t due;
};
FAULT_STATE_FITS(struct timeout);

/* Nothing passes.  New bytes may start the clock. */
static uint32_t timeout_share(struct fault_ctx *x, uint32_t n, mono_t now,
			      mono_t *wake)
{
	struct timeout *t = FAULT_STATE(x->c, struct timeout);
	const struct fault_val *p = x->f->spec.p;
	bool fresh = n > t->held || p[FP_CLOSE].i == FAULT_CLOSE_FIN;

	(void)wake;
	t->held = n;
	if (fresh &&
	    (p[FP_FROM].i == FAULT_FROM_IDLE ||
	     (p[FP_FROM].i == FAULT_FROM_DATA && !mono_is_set(t->due))))
		t->due = mono_add(now, p[FP_TIMEOUT].i);
	return 0;
}

/* Without "from", the time counts from when the connection got the fault. */
static mono_t timeout_due(const struct fault *f, const struct fault_flow *w,
			  const struct fault_conn *c)
{
	mono_t due = FAULT_STATE(c, const struct timeout)->due;
	const struct fault_val *p = f->spec.p;

	if (!p[FP_TIMEOUT].i)
		return MONO_UNSET;
	if (mono_is_set(due) || p[FP_FROM].i == FAULT_FROM_DATA)
		return due;
	return mono_add(mono_before(w->born, f->added) ? f->added : w->born,
			p[FP_TIMEOUT].i);
}

FAULT_TYPE(SLICER) = {
	.example = "average_size=64 size_variation=32 delay=10ms",
	.params = PBIT(AVERAGE_SIZE) | PBIT(SIZE_VARIATION) | PBIT(DELAY),
	.needs = PBIT(AVERAGE_SIZE),
	.stream = true,
	.portions = true,
	.share = slicer_share,
	.spend = slicer_spend,
};

FAULT_TYPE(TIMEOUT) = {
	.example = "timeout=5000",
	.params = PBIT(TIMEOUT) | PBIT(CLOSE) | PBIT(FROM),
	.needs = PBIT(TIMEOUT),
	.stream = true,
	.due = timeout_due,
	.share = timeout_share,
	.times = BIT(1),
};

FAULT_TYPE(LATENCY) = {
	.example = "latency=1000 jitter=100",
	.params = PBIT(LATENCY) | PARAMS_SPREAD,
	.needs = PBIT(LATENCY),
	.stream = true,
};

FAULT_TYPE(BANDWIDTH) = {
	.example = "rate=50",
	.params = PBIT(RATE),
	.needs = PBIT(RATE),
	.stream = true,
	.portions = true,
	.share = bandwidth_share,
	.spend = bandwidth_spend,
};

FAULT_TYPE(CORRUPT_STREAM) = {
	.example = "offset=1000-2000 bits=1 percent=10",
	.defaults = FAULT_DEFAULTS({FP_BITS, 0, 1, 0},
				   {FP_OFFSET, 0, 0, INT64_MAX}),
	.params = PARAMS_ROLL | PBIT(OFFSET) | PBIT(BITS),
	.stream = true,
	.harm = true,
};
