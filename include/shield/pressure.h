/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_PRESSURE_H
#define PENSTOCK_SHIELD_PRESSURE_H

/*
 * Calm or under attack?  Decides for a service when cookies begin and end.
 */
#include "util/types.h"

/**
 * struct pressure_marks - When to change (of a service)
 * @syncookies: tcp_syncookies: 0 never, 1 between the marks, 2 always
 * @backlog: tcp_max_syn_backlog
 * @high:    syn_high, percent of @backlog at which cookies begin
 * @low:     syn_low, percent below which they end
 * @hold_us: syn_hold: for at least so long
 */
struct pressure_marks {
	uint32_t syncookies;
	uint32_t backlog, high, low;
	int64_t hold_us;
};

/**
 * struct pressure - What a service remembers
 * @cookies: cookies are being sent
 * @until:   cookies go on at least until then
 * @open:    cookies sent since @until was set whose ACK did not come
 * @begun:   times that cookies began
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
 * unanswered meanwhile: those are half-open connections too, only that they
 * cost nothing.  Otherwise the hold begins anew.
 */
bool pressure_cookies(struct pressure *p, const struct pressure_marks *m,
		      uint32_t half_open, mono_t now);

/* Cookies were sent / one came back. */
void pressure_sent(struct pressure *p, uint32_t n);
void pressure_answered(struct pressure *p);

#endif
