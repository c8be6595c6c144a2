/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_PATH_H
#define PENSTOCK_UTIL_PATH_H

/*
 * What connections have learnt of the path to a host: written and read by
 * tcp/metrics.c, kept by shield/paths.c.
 */
#include "util/types.h"

/**
 * struct path_metrics - The path to a host; 0: not known
 * @saved_at: when a connection last wrote it
 * @mtu_at:   when @mtu was learnt
 * @var_us:   mean deviation of the round trip
 * @ssthresh: segments, as @cwnd
 * @rate:     delivery rate, bytes a second
 * @mtu:      bytes
 * @no_ecn_at: while @no_ecn: when a SYN that asked for ECN had no answer, and
 *            one that did not had
 */
struct path_metrics {
	mono_t saved_at, mtu_at, no_ecn_at;
	uint64_t rate;
	uint32_t rtt_us, var_us;
	uint32_t ssthresh, cwnd;
	uint16_t mtu;
	bool no_ecn;
};

#endif
