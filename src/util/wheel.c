/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Time is cut into ticks of WHEEL_TICK_US.  A timer's tick is its deadline
 * rounded up, so that it never fires early.  Call `tick` the tick processed
 * last, and read both ticks as numbers of base 256: the timer goes to the
 * level of the highest digit in which they differ, into the slot that this
 * digit of its own tick names.  Hence:
 *
 *  - level 0 holds what is due within the present block of 256 ticks, and
 *    every timer of level n is due before any timer of level n + 1;
 *  - when `tick` enters the block that a slot of level n > 0 stands for, the
 *    slot's timers are inserted anew (they "cascade") and land lower;
 *  - the earliest thing to do is found in the occupation bitmaps of the levels
 *    from the bottom up, so that idle time of any length costs nothing.
 *
 * The top level is circular.  What is further away than it reaches stands in
 * the slot of its digit all the same: the wheel comes by once in a round and
 * inserts it anew, until it is near.
 *
 * A deadline at or before `tick` goes to the slot of `tick` itself, which
 * wheel_expire() looks at first.  wheel_expire() first collects everything that
 * is due into a list of its own, in the order of ticks, and only then calls
 * back: what a callback arms is never fired by the same call, and cannot loop.
 */
#include "util/wheel.h"

#define WHEEL_MASK ((uint64_t)WHEEL_SLOTS - 1)
#define TICK_NEVER UINT64_MAX

static void list_init(struct wtimer *head)
{
	head->prev = head->next = head;
}

static bool list_empty(const struct wtimer *head)
{
	return head->next == head;
}

static void list_add_tail(struct wtimer *head, struct wtimer *t)
{
	t->prev = head->prev;
	t->next = head;
	head->prev->next = t;
	head->prev = t;
}

static void list_del(struct wtimer *t)
{
	t->prev->next = t->next;
	t->next->prev = t->prev;
	t->prev = t->next = NULL;
}

/* Move all of @from to the end of @to. */
static void list_splice_tail(struct wtimer *to, struct wtimer *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

static uint32_t tick_digit(uint64_t tick, uint32_t level)
{
	return (uint32_t)((tick >> (level * WHEEL_BITS)) & WHEEL_MASK);
}

/* The first tick that does not lie before @when. */
static uint64_t tick_of_deadline(mono_t when)
{
	if (when.us <= 0)
		return 0;
	return (uint64_t)(when.us / WHEEL_TICK_US) +
	       (when.us % WHEEL_TICK_US != 0);
}

static void slot_mark(struct wheel *w, uint32_t level, uint32_t i, bool on)
{
	uint64_t bit = UINT64_C(1) << (i % 64);

	if (on)
		w->occupied[level][i / 64] |= bit;
	else
		w->occupied[level][i / 64] &= ~bit;
}

/* First occupied slot of @level in [from, WHEEL_SLOTS), or WHEEL_SLOTS. */
static uint32_t slot_find(const struct wheel *w, uint32_t level, uint32_t from)
{
	uint64_t bits;
	uint32_t i;

	if (from >= WHEEL_SLOTS)
		return WHEEL_SLOTS;
	i = from / 64;
	bits = w->occupied[level][i] & (UINT64_MAX << (from % 64));
	while (!bits) {
		if (++i == WHEEL_SLOTS / 64)
			return WHEEL_SLOTS;
		bits = w->occupied[level][i];
	}
	return i * 64 + (uint32_t)__builtin_ctzll(bits);
}

static void wheel_insert(struct wheel *w, struct wtimer *t)
{
	uint64_t tick = tick_of_deadline(t->when);
	uint32_t level = 0, i;
	uint64_t diff;

	if (tick < w->tick)
		tick = w->tick;
	diff = tick ^ w->tick;
	if (diff)
		level = (63 - (uint32_t)__builtin_clzll(diff)) / WHEEL_BITS;
	if (level >= WHEEL_LEVELS)
		level = WHEEL_LEVELS - 1; /* the circular part of the top */

	i = tick_digit(tick, level);
	list_add_tail(&w->slot[level][i], t);
	slot_mark(w, level, i, true);
}

/* Unlink @t; when it was the last of a slot, the slot is empty now. */
static void wheel_unlink(struct wheel *w, struct wtimer *t)
{
	const struct wtimer *first = &w->slot[0][0];
	struct wtimer *head = t->prev == t->next ? t->prev : NULL;
	uint32_t n;

	list_del(t);
	if (!head || head < first || head >= first + WHEEL_LEVELS * WHEEL_SLOTS)
		return; /* not the last, or on wheel_expire()'s own list */
	n = (uint32_t)(head - first);
	slot_mark(w, n / WHEEL_SLOTS, n % WHEEL_SLOTS, false);
}

void wheel_init(struct wheel *w, mono_t now)
{
	memset(w, 0, sizeof(*w));
	for (uint32_t l = 0; l < WHEEL_LEVELS; l++)
		for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
			list_init(&w->slot[l][i]);
	w->tick = now.us > 0 ? (uint64_t)(now.us / WHEEL_TICK_US) : 0;
}

void wheel_arm(struct wheel *w, struct wtimer *t, mono_t when)
{
	if (wtimer_armed(t))
		wheel_unlink(w, t);
	else
		w->armed++;
	t->when = when;
	wheel_insert(w, t);
}

void wheel_cancel(struct wheel *w, struct wtimer *t)
{
	if (!wtimer_armed(t))
		return;
	wheel_unlink(w, t);
	w->armed--;
}

/* The first tick, `tick` included, at which there is something to do. */
static uint64_t wheel_next_tick(const struct wheel *w)
{
	uint32_t shift = 0, i;

	i = slot_find(w, 0, tick_digit(w->tick, 0));
	if (i < WHEEL_SLOTS)
		return (w->tick & ~WHEEL_MASK) | i;

	for (uint32_t l = 1; l < WHEEL_LEVELS; l++) {
		shift = l * WHEEL_BITS;
		i = slot_find(w, l, tick_digit(w->tick, l) + 1);
		if (i < WHEEL_SLOTS)
			return ((w->tick >> shift) - tick_digit(w->tick, l) + i)
			       << shift;
	}
	/* Around the top level. */
	i = slot_find(w, WHEEL_LEVELS - 1, 0);
	if (i == WHEEL_SLOTS)
		return TICK_NEVER;
	return ((w->tick >> shift) - tick_digit(w->tick, WHEEL_LEVELS - 1) +
		WHEEL_SLOTS + i)
	       << shift;
}

mono_t wheel_deadline(const struct wheel *w)
{
	uint64_t tick;

	if (!w->armed)
		return MONO_NEVER;
	tick = wheel_next_tick(w);
	if (tick >= INT64_MAX / WHEEL_TICK_US)
		return MONO_NEVER;
	return (mono_t){(int64_t)tick * WHEEL_TICK_US};
}

/* Insert the timers of a slot anew, relative to the present tick. */
static void wheel_cascade(struct wheel *w, uint32_t level, uint32_t i)
{
	struct wtimer list, *t;

	list_init(&list);
	list_splice_tail(&list, &w->slot[level][i]);
	slot_mark(w, level, i, false);
	while (!list_empty(&list)) {
		t = list.next;
		list_del(t);
		wheel_insert(w, t);
	}
}

/* Enter @tick, which wheel_next_tick() named: cascade from the top down. */
static void wheel_enter(struct wheel *w, uint64_t tick)
{
	w->tick = tick;
	for (uint32_t l = WHEEL_LEVELS - 1; l > 0; l--)
		if ((tick & ((UINT64_C(1) << (l * WHEEL_BITS)) - 1)) == 0)
			wheel_cascade(w, l, tick_digit(tick, l));
}

void wheel_expire(struct wheel *w, mono_t now, wheel_fn fn, void *arg)
{
	uint64_t end, tick;
	struct wtimer due, *t;
	uint32_t i;

	end = now.us > 0 ? (uint64_t)(now.us / WHEEL_TICK_US) : 0;
	if (end < w->tick)
		end = w->tick; /* the past is over: only what was late */
	if (!w->armed) {
		w->tick = end;
		return;
	}
	list_init(&due);
	while ((tick = wheel_next_tick(w)) <= end) {
		if (tick != w->tick)
			wheel_enter(w, tick);
		i = tick_digit(tick, 0);
		list_splice_tail(&due, &w->slot[0][i]);
		slot_mark(w, 0, i, false);
	}
	w->tick = end;

	while (!list_empty(&due)) {
		t = due.next;
		list_del(t);
		w->armed--;
		fn(t, now, arg);
	}
}
