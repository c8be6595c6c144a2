/* SPDX-License-Identifier: MIT */
/*
 * end: a connection, or one of its streams, ends at a chosen point.
 *
 * "action" says how. fin and close end a stream between the legs after a number
 * of bytes (called by src/fault/stream.c). reset and vanish end the connection,
 * at a segment or by time alone.
 */
#include "internal.h"

static FAULT_HIT(hit_reset)
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

static FAULT_HIT(hit_vanish)
{
	const struct fault_val *a = &x->f->spec.p[FP_AFTER];
	uint64_t n = (uint64_t)a->i, *gone = x->c->state;

	if (*gone) {
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
	*gone = 1;
	v->act = FAULT_ACT_VANISH;
	return true;
}

/* Bytes up to the limit pass.  The rest is held until the end is relayed. */
static uint32_t end_share(struct fault_ctx *x, uint32_t n, mono_t now,
			  mono_t *wake)
{
	uint64_t most = (uint64_t)x->f->spec.p[FP_AFTER].i;
	uint64_t left = most > x->c->acted ? most - x->c->acted : 0;

	(void)now;
	(void)wake;
	return left < n ? (uint32_t)left : n;
}

static const char *check_bytes(const struct fault_spec *s)
{
	/* a missing parameter gets an error elsewhere */
	if (!s->p[FP_ACTION].set || !s->p[FP_AFTER].set ||
	    s->p[FP_AFTER].j == FAULT_ON_BYTE)
		return NULL;
	return "type end with action fin or close takes after=byte:N";
}

/* after=time:T, since the connection began */
static mono_t end_due(const struct fault *f, const struct fault_flow *w,
		      const struct fault_conn *c)
{
	const struct fault_val *a = &f->spec.p[FP_AFTER];

	(void)c;
	if (!a->set || a->j != FAULT_ON_TIME)
		return MONO_UNSET;
	return mono_add(w->born, a->i);
}

static const struct fault_type_desc fin = {
	.params = PBIT(ACTION) | PBIT(AFTER),
	.needs = PBIT(ACTION) | PBIT(AFTER),
	.stream = true,
	.harm = true,
	.share = end_share,
	.ends = FAULT_ACT_FIN,
	.check = check_bytes,
};

static const struct fault_type_desc both = {
	.params = PBIT(ACTION) | PBIT(AFTER),
	.needs = PBIT(ACTION) | PBIT(AFTER),
	.stream = true,
	.harm = true,
	.share = end_share,
	.ends = FAULT_ACT_CLOSE,
	.check = check_bytes,
};

static const struct fault_type_desc reset = {
	.params = PBIT(ACTION) | PBIT(AFTER) | PBIT(SIDES),
	.needs = PBIT(ACTION),
	.due = end_due,
	.hit = hit_reset,
};

static const struct fault_type_desc vanish = {
	.params = PBIT(ACTION) | PBIT(AFTER) | PBIT(THEN),
	.needs = PBIT(ACTION),
	.due = end_due,
	.lingers = true,
	.hit = hit_vanish,
};

static const struct fault_type_desc *const actions[] = {
	[FAULT_END_FIN] = &fin,
	[FAULT_END_CLOSE] = &both,
	[FAULT_END_RESET] = &reset,
	[FAULT_END_VANISH] = &vanish,
};
static_assert(ARRAY_LEN(actions) == FAULT_END_COUNT, "one an action");

FAULT_TYPE(END) = {
	.example = "action=reset after=byte:5000",
	.params = PBIT(ACTION) | PBIT(AFTER) | PBIT(SIDES) | PBIT(THEN),
	.needs = PBIT(ACTION),
	.actions = actions,
};
