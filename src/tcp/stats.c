/* SPDX-License-Identifier: MIT */
/*
 * The names of the stack's counters.
 */
#include "tcp/stats.h"

const char *const tcp_counter_name[TCP_COUNTER_COUNT] = {
#define X(n) #n,
	TCP_COUNTERS(X)
#undef X
};
