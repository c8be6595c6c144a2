/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CAPTURE_INTERNAL_H
#define PENSTOCK_CAPTURE_INTERNAL_H

/*
 * What the files of src/capture share.  No other module includes this.
 */
#include "capture/tap.h"
#include "engine/hooks.h"

/* Counters of admission that explain a decision. */
#define WORDS_SHIELD 4

/**
 * struct marks - Counters before a call of the engine
 * @drop:   of the engine, by enum drop_reason
 * @leg:    of the leg's service: drops
 * @ofo:    of the leg's service: segments kept out of order
 * @opened: flows opened
 * @shield: of the packet's service, see words.c
 */
struct marks {
	uint64_t drop[DROP_REASON_COUNT], leg[DROP_REASON_COUNT];
	uint64_t ofo, opened, shield[WORDS_SHIELD];
};

/* words.c: what the engine has decided, in words.
 * @stats:   of the leg, or NULL
 * @service: index into the policy, or -1 */
void words_mark(struct marks *m, const struct engine *e,
		const struct tcp_stats *stats, int service);
/* Append to @text what the change between two marks says of a packet that has
 * arrived; "accepted" if it says nothing. */
void words_input(char *text, const struct marks *before,
		 const struct marks *after, enum verdict v);
/* Was an answer sent with a SYN cookie? */
bool words_cookie_sent(const struct marks *before, const struct marks *after);
void words_add(char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
