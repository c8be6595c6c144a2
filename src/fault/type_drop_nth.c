/* SPDX-License-Identifier: MIT */
/*
 * drop_nth: every nth segment is lost.
 *
 * This loss is predictable, as with iptables' "statistic --mode nth".  So a
 * test knows in advance how many retransmissions there will be.
 */
#include "internal.h"

static FAULT_HIT(hit_nth)
{
	uint32_t n = (uint32_t)x->f->spec.p[FP_N].i;

	(void)ev;
	return v->drop = (x->c->event - x->f->spec.skip) % n == 0;
}

static const char *check_nth(const struct fault_spec *s)
{
	return s->p[FP_N].set && !s->p[FP_N].i ? "n is at least 1" : NULL;
}

FAULT_TYPE(DROP_NTH) = {
	.example = "n=100 on=data dir=to_peer",
	.params = PBIT(N),
	.needs = PBIT(N),
	.check = check_nth,
	.hit = hit_nth,
};
