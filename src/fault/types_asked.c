/* SPDX-License-Identifier: MIT */
/*
 * Types that answer questions of the stack.  Their code is in
 * src/impair/behave.c.
 */
#include "internal.h"

FAULT_TYPE(ZERO_WINDOW) = {
	.example = "on=byte:100000 reopen=30s",
	.asked = true,
	.params = PBIT(REOPEN),
};

FAULT_TYPE(ACK_DELAY) = {
	.example = "time=200ms",
	.asked = true,
	.params = PBIT(TIME),
	.needs = PBIT(TIME),
};

FAULT_TYPE(STRETCH_ACK) = {
	.example = "n=8",
	.defaults = FAULT_DEFAULTS({FP_N, 0, 4, 0}),
	.asked = true,
	.params = PBIT(N),
};

FAULT_TYPE(TINY_SEGMENTS) = {
	.example = "size=1 variation=0 delay=5ms",
	.asked = true,
	.params = PBIT(SIZE) | PBIT(VARIATION) | PBIT(DELAY),
	.needs = PBIT(SIZE),
};

FAULT_TYPE(SLOW_CLOSE) = {
	.example = "delay=30s",
	.asked = true,
	.params = PBIT(DELAY),
	.needs = PBIT(DELAY),
};

FAULT_TYPE(HALF_CLOSE_STALL) = {
	.asked = true,
};

FAULT_TYPE(WINDOW_SHRINK) = {
	.example = "by=16K hold=200ms",
	.defaults = FAULT_DEFAULTS({FP_HOLD, 0, 200 * USEC_PER_MSEC, 0}),
	.asked = true,
	.params = PBIT(BY) | PBIT(HOLD),
	.needs = PBIT(BY),
};

FAULT_TYPE(SILLY_WINDOW) = {
	.example = "size=100",
	.asked = true,
	.params = PBIT(SIZE),
	.needs = PBIT(SIZE),
};

FAULT_TYPE(COALESCE) = {
	.example = "hold=50ms",
	.asked = true,
	.params = PBIT(HOLD),
	.needs = PBIT(HOLD),
};
