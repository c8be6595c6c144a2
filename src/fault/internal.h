/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_INTERNAL_H
#define PENSTOCK_FAULT_INTERNAL_H

/*
 * What the files of src/fault share.  Nothing outside includes this.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/set.h"
#include "wire/segment.h"

/* More than any key takes, and the sum of all faults' delays. */
#define FAULT_TIME_MAX (INT64_C(1) << 56)

#define PBIT(id) (UINT64_C(1) << FP_##id)
static_assert(FP_COUNT <= 64, "parameters fit a mask");

/* An event at one fault: what the types' functions get. */
struct fault_ctx {
	struct fault_set *set;
	struct fault_flow *flow;
	struct fault *f;
	struct fault_conn *c;
	uint8_t slot;
};

/**
 * struct fault_type_desc - A type
 * @params: which may be given
 * @needs:  which must be
 * @stream: acts on bytes between the legs, not on segments
 * @kind:   FAULT_ON_* filter of its events (FAULT_ON_ALWAYS: all)
 * @dir:    when the spec says nothing
 * @timed:  acts by time alone as well
 * @asked:  answers questions of the stack (impair/behave.c)
 * @kinds:  words of "kind" that it takes, a bit each
 * @kinds_many: several of them at once
 * @harm:   the peer may see a wrong stream
 * @hit:    inject into a segment that passed selection; false: not this one
 */
struct fault_type_desc {
	uint64_t params, needs, kinds;
	bool stream, timed, asked, harm, kinds_many;
	uint8_t kind, dir;
	bool (*hit)(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v);
};

extern const struct fault_type_desc fault_types[FT_COUNT];

/* names.c: words of "kind" (enum fault_inject, fault_kind, fault_icmp) and
 * "mode" (enum fault_ecn, fault_tfo); NULL at the end. */
extern const char *const fault_inject_name[], *const fault_mode_name[];

/* decide.c */
/* Does the extent (skip, count, duration) let one more injection happen? */
bool fault_extent_allows(struct fault_ctx *x, mono_t now);
bool fault_armed(struct fault_ctx *x, const struct fault_event *ev);
/* Earliest end of a fault that answers questions, or MONO_UNSET. */
mono_t fault_ask_end(const struct fault_set *s, const struct fault_flow *w);

/* table.c: 0 or -EINVAL; @err says what is wrong with the file. */
int fault_table_read(struct fault_table *t, const char *path, char *err,
		     size_t errlen);

/* models.c: uniform in [0, 1), the @draw'th of this event. */
double fault_unit(uint64_t key, const struct fault_conn *c, uint32_t draw);
/* percent (and correlation) of the fault. */
bool fault_chance(struct fault_ctx *x);

/* stream.c: a fault of a stream acted. */
void fault_note(struct fault_ctx *x, int stream, uint32_t n, mono_t now,
		const char *action);

/* Of struct fault_type_desc.hit */
#define FAULT_HIT(name)                                              \
	bool name(struct fault_ctx *x, const struct fault_event *ev, \
		  struct fault_verdict *v)

/* types_segment.c */
FAULT_HIT(hit_loss);
FAULT_HIT(hit_droplist);
FAULT_HIT(hit_drop_range);
FAULT_HIT(hit_delay);
FAULT_HIT(hit_reorder);
FAULT_HIT(hit_duplicate);
FAULT_HIT(hit_corrupt);
FAULT_HIT(hit_rate);
FAULT_HIT(hit_blackhole);
FAULT_HIT(hit_drop);
FAULT_HIT(hit_ecn);
FAULT_HIT(hit_ttl);
FAULT_HIT(hit_slot);
FAULT_HIT(hit_mtu);
FAULT_HIT(hit_icmp);
FAULT_HIT(hit_observe);

/* types_handshake.c */
FAULT_HIT(hit_synack_delay);
FAULT_HIT(hit_refuse);
FAULT_HIT(hit_pretend);
FAULT_HIT(hit_strip);
FAULT_HIT(hit_mss);
FAULT_HIT(hit_wrong_synack);
FAULT_HIT(hit_tfo);
FAULT_HIT(hit_simopen);

/* types_transfer.c */
FAULT_HIT(hit_ack_drop);
FAULT_HIT(hit_dup_ack);
FAULT_HIT(hit_inject);
FAULT_HIT(hit_probe);
FAULT_HIT(hit_renege);
FAULT_HIT(hit_early_ack);
FAULT_HIT(hit_overlap);
FAULT_HIT(hit_urgent);

/* types_close.c */
FAULT_HIT(hit_reset);
FAULT_HIT(hit_last_ack);
FAULT_HIT(hit_vanish);
FAULT_HIT(hit_crossing);
FAULT_HIT(hit_replay);

/* report.c: a decision; returns its id. */
uint64_t fault_report(struct fault_ctx *x, const struct fault_event *ev,
		      const char *action);
/* What the peer did then, @after_us later. */
void fault_report_peer(struct fault_set *s, const struct fault_flow *w,
		       const struct fault_pending *p, enum fault_reaction kind,
		       int64_t after_us);

/* react.c: wait for the peer's answer to decision @id; @v: NULL when no single
 * segment was judged. */
void fault_react_begin(struct fault_ctx *x, const struct fault_event *ev,
		       const struct fault_verdict *v, uint64_t id);

#endif
