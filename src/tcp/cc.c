/* SPDX-License-Identifier: MIT */
/*
 * Finds a leg's congestion-control module, and sets the initial window (RFC
 * 6928).
 */
#include "internal.h"

const struct cc_ops *leg_cc(const struct leg_cong *cc)
{
	return cc->kind == CC_CUBIC ? &cc_cubic : &cc_newreno;
}

uint32_t leg_initial_cwnd(const struct leg_snd *snd)
{
	return IW_SEGMENTS * snd->mss;
}
