/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CAPTURE_TAP_H
#define PENSTOCK_CAPTURE_TAP_H

/*
 * A tap between a worker and its engine: it passes on each call, and records
 * the packets of both sides with what the engine decided about them.
 *
 * While there is no capture there is no tap, and its worker calls the engine.
 */
#include "capture/ring.h"
#include "engine/engine.h"
#include "view/filter.h"

/**
 * struct tap_cfg - What a tap is made of
 * @engine:  borrowed
 * @policy:  of the engine; the tap takes a reference
 * @ring:    gets the packets; borrowed
 * @snaplen: bytes of a packet that are kept
 * @wall_offset_us: Unix time minus the engine's clock
 * @filter:  which connections are captured; borrowed
 */
struct tap_cfg {
	struct engine *engine;
	struct policy *policy;
	struct capture_ring *ring;
	uint32_t snaplen;
	int64_t wall_offset_us;
	const struct filter *filter;
};

struct tap;

/* NULL: no memory. */
struct tap *tap_new(const struct tap_cfg *cfg);
void tap_free(struct tap *t);

/* The engine has a new policy. */
void tap_set_policy(struct tap *t, struct policy *p);

/* The engine's calls.  tap_pull() returns one packet at most. */
enum verdict tap_input(struct tap *t, const struct packet *pkt, mono_t now,
		       struct tx *reply);
void tap_expect(const struct tap *t, const struct packet *const *pkt, int n);
int tap_pull(struct tap *t, struct tx *tx, int max, mono_t now);
mono_t tap_deadline(const struct tap *t);
void tap_expire(struct tap *t, mono_t now);

/* A fault has decided: its report, a JSON object (docs/FAULTS.md). */
void tap_fault(struct tap *t, const char *report);

/* Packets that were wanted, and those of them that found no room, by enum
 * leg_side.  Call it when the worker stands still. */
void tap_counts(const struct tap *t, uint64_t wanted[2], uint64_t lost[2]);

#endif
