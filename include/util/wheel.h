/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_WHEEL_H
#define PENSTOCK_UTIL_WHEEL_H

#include "util/types.h"

/**
 * struct wtimer - One timer, embedded in its owner
 * @prev: list links; @prev is NULL while the timer is not armed
 * @next: list links
 * @when: the exact deadline
 */
struct wtimer {
	struct wtimer *prev, *next;
	mono_t when;
};

#define WHEEL_BITS 8
#define WHEEL_SLOTS (1 << WHEEL_BITS)
#define WHEEL_LEVELS 4
#define WHEEL_TICK_US 1000

/**
 * struct wheel - Hierarchical timer wheel, 1 ms ticks, 4 levels of 256 slots
 *
 * Arming, re-arming and cancelling are O(1).  Deadlines beyond the horizon
 * (2^32 ms) are clamped to it.  A timer never fires before its deadline; it
 * may fire up to one tick after it.
 */
struct wheel {
	struct wtimer slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	uint64_t tick;	/* the tick processed last */
	uint32_t armed; /* timers armed now */
};

typedef void (*wheel_fn)(struct wtimer *t, mono_t now, void *arg);

void wheel_init(struct wheel *w, mono_t now);

/* Arm or re-arm @t.  A deadline in the past fires at the next expiry. */
void wheel_arm(struct wheel *w, struct wtimer *t, mono_t when);
void wheel_cancel(struct wheel *w, struct wtimer *t);

static inline bool wtimer_armed(const struct wtimer *t)
{
	return t->prev != NULL;
}

/**
 * wheel_deadline() - When wheel_expire() has to be called next
 *
 * A lower bound within one cascade: it may name a time at which nothing fires
 * but the wheel cascades; never later than a due timer's tick.
 * Return: the deadline, or MONO_NEVER when nothing is armed
 */
mono_t wheel_deadline(const struct wheel *w);

/**
 * wheel_expire() - Fire every timer whose deadline is at or before @now
 *
 * Each timer is disarmed before @fn is called; @fn may arm and cancel any
 * timer, also the ones about to fire.
 */
void wheel_expire(struct wheel *w, mono_t now, wheel_fn fn, void *arg);

#endif
