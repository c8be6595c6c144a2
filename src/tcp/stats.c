/* SPDX-License-Identifier: MIT */
/*
 * The names and descriptions of the stack's counters and histograms.
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

const char *const tcp_hist_name[TCP_HIST_COUNT] = {
#define X(n, shift, help) #n,
	TCP_HISTS(X)
#undef X
};

const char *const tcp_hist_help[TCP_HIST_COUNT] = {
#define X(n, shift, help) help,
	TCP_HISTS(X)
#undef X
};

const uint8_t tcp_hist_shift[TCP_HIST_COUNT] = {
#define X(n, shift, help) shift,
	TCP_HISTS(X)
#undef X
};
