/* SPDX-License-Identifier: MIT */
/*
 * The names and descriptions of the stack's counters.
 */
#include "tcp/stats.h"

const char *const tcp_counter_name[TCP_COUNTER_COUNT] = {
#define X(n, help) #n,
	TCP_COUNTERS(X)
#undef X
};

const char *const tcp_counter_help[TCP_COUNTER_COUNT] = {
#define X(n, help) help,
	TCP_COUNTERS(X)
#undef X
};
