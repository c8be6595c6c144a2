/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_PRESSURE_H
#define PENSTOCK_SHIELD_PRESSURE_H

/*
 * Decides for a service when cookies begin and end.
 */
#include "util/types.h"

/**
 * struct pressure_marks - A service's limits for cookies
 * @syncookies: tcp_syncookies: 0 never, 1 between the marks, 2 always
 * @backlog: tcp_max_syn_backlog
 * @high:    syn_high, percent of @backlog at which cookies begin
 * @low:     syn_low, percent below which they end
 * @hold_us: syn_hold: shortest time
 */
struct pressure_marks {
	uint32_t syncookies;
	uint32_t backlog, high, low;
	int64_t hold_us;
};

/**
 * struct pressure - The state of a service
 * @cookies: cookies are being sent
 * @until:   cookies go on at least until then
 * @open:    cookies sent since @until was set that did not come back
 * @begun:   how often cookies began
 */
struct pressure {
	bool cookies;
	mono_t until;
	uint32_t open;
	uint64_t begun;
};

/**
 * pressure_cookies() - Answer the next SYN with a cookie?
 * @half_open: half-open connections of the service now
 *
 * Cookies begin at the high mark.  They end when @hold_us have passed, the
 * queue is below the low mark, and fewer cookies than that mark stayed
 * unanswered meanwhile: those are half-open connections too.  Otherwise another
 * hold period begins.
 */
bool pressure_cookies(struct pressure *p, const struct pressure_marks *m,
		      uint32_t half_open, mono_t now);

/* Cookies were sent, or one came back. */
void pressure_sent(struct pressure *p, uint32_t n);
void pressure_answered(struct pressure *p);

#endif
