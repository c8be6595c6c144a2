/* SPDX-License-Identifier: MIT */
/*
 * Which congestion-control module a leg uses.
 */
#include "internal.h"

const struct cc_ops *leg_cc(const struct leg_cong *cc)
{
	static const struct cc_ops *const kinds[] = {
		[CC_NEWRENO] = &cc_newreno,
		[CC_CUBIC] = &cc_cubic,
		[CC_BBR] = &cc_bbr,
	};

	static_assert(ARRAY_LEN(kinds) == CC_KINDS, "a module of each kind");
	return kinds[cc->kind];
}

void cc_begin(struct leg *l, mono_t now)
{
	const struct cc_model *m = leg_cc(&l->cc)->model;

	l->cc.cwnd = leg_initial_cwnd(&l->snd);
	if (m && m->start(&l->cc, l, now))
		return;
	if (m) {
		leg_count(l, CNT_CongestionFallbacks);
		l->cc.kind = CC_CUBIC;
	}
	leg_cc(&l->cc)->init(&l->cc);
}

void cc_end(struct leg *l)
{
	const struct cc_model *m = leg_model(&l->cc);

	if (m)
		m->stop(&l->cc, l);
}
