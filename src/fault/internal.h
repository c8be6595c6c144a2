/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_INTERNAL_H
#define PENSTOCK_FAULT_INTERNAL_H

/*
 * What the files of src/fault share.  No other module includes this.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault/set.h"
#include "wire/segment.h"

/* More than any key allows, and more than the sum of all faults' delays. */
#define FAULT_TIME_MAX (INT64_C(1) << 56)

#define PBIT(id) (UINT64_C(1) << FP_##id)
static_assert(FP_COUNT <= 64, "parameters fit a mask");

/* An event at one fault: the argument of a type's functions. */
struct fault_ctx {
	struct fault_set *set;
	struct fault_flow *flow;
	struct fault *f;
	struct fault_conn *c;
	uint8_t slot;
};

/* The parameters for chance: "percent" and "correlation". */
#define PARAMS_ROLL (PBIT(PERCENT) | PBIT(CORRELATION))
#define PARAMS_SPREAD (PBIT(JITTER) | PBIT(CORRELATION) | PBIT(DISTRIBUTION))

/**
 * struct fault_default - The default value of a parameter
 * @param: enum fault_param; FP_COUNT ends a list
 */
struct fault_default {
	uint8_t param;
	double d;
	int64_t i, j;
};

#define FAULT_DEFAULTS(...)               \
	(const struct fault_default[])    \
	{                                 \
		__VA_ARGS__,              \
		{                         \
			FP_COUNT, 0, 0, 0 \
		}                         \
	}

/**
 * struct fault_type_desc - A type, or one action of it
 * @example: keys of an example, besides "type", as in docs/FAULTS.md; NULL:
 *          none needed
 * @defaults: of parameters, or NULL
 * @actions: one description for each "action"; it has the members below, but
 *          @params and @needs are the type's own
 * @params: parameters that may be given
 * @needs:  parameters that must be given
 * @kinds:  words of "kind" that it allows, a bit each
 * @modes:  words of "mode" that it allows, a bit each
 * @kinds_many: several of @kinds may be given at once
 * @stream: acts on bytes between the legs, not on segments
 * @kind:   FAULT_ON_* filter of its events (FAULT_ON_ALWAYS: all)
 * @dir:    the default of "dir"
 * @asked:  answers questions of the stack (impair/behave.c)
 * @harm:   the peer may read wrong bytes
 * @lingers: acts even after the connection's flow has ended
 * @portions: passes the stream on in portions; "skip" and "count" count them
 * @ends:   FAULT_ACT_* when @share lets nothing pass any more
 * @times:  words of fault_conn.state that are times, a bit each
 * @check:  returns what is wrong with a spec, or NULL
 * @due:    returns when it acts by time alone; MONO_UNSET: never
 * @hit:    acts on a segment that was selected; false: not on this one
 * @share:  returns how many of @n bytes of the stream may go on now; 0: none
 *          before *wake.  NULL: the type holds nothing back
 * @spend:  is told how many bytes have gone on
 */
struct fault_type_desc {
	const char *example;
	const struct fault_default *defaults;
	const struct fault_type_desc *const *actions;
	uint64_t params, needs, kinds, modes;
	bool kinds_many, stream, asked, harm, lingers, portions;
	uint8_t kind, dir, ends, times;
	const char *(*check)(const struct fault_spec *s);
	mono_t (*due)(const struct fault *f, const struct fault_flow *w,
		      const struct fault_conn *c);
	bool (*hit)(struct fault_ctx *x, const struct fault_event *ev,
		    struct fault_verdict *v);
	uint32_t (*share)(struct fault_ctx *x, uint32_t n, mono_t now,
			  mono_t *wake);
	void (*spend)(struct fault_ctx *x, uint32_t n, mono_t now);
};

#define FAULT_TYPE(id) const struct fault_type_desc fault_type_##id
#define X(id, name) extern FAULT_TYPE(id);
FAULT_TYPES(X)
#undef X

/* The state of types with @portions: when the next portion may go on */
struct portion {
	mono_t next;
};
FAULT_STATE_FITS(struct portion);

/* types.c: the description of a spec's type and action. */
const struct fault_type_desc *fault_desc(const struct fault_spec *s);

/* names.c: the words of "kind" (enum fault_inject, fault_kind, fault_icmp) and
 * of "mode" (enum fault_ecn, fault_tfo); each list ends with NULL. */
extern const char *const fault_inject_name[], *const fault_mode_name[];

/* decide.c */
/* Does the extent (skip, count, duration) allow one more injection? */
bool fault_extent_allows(struct fault_ctx *x, mono_t now);
bool fault_armed(struct fault_ctx *x, const struct fault_event *ev);
/* The earliest end of a fault that answers questions, or MONO_UNSET. */
mono_t fault_ask_end(const struct fault_set *s, const struct fault_flow *w);

/* table.c: read a distribution. 0, or -EINVAL with @err. */
int fault_table_read(struct fault_table *t, const char *path, char *err,
		     size_t errlen);

/* models.c: a uniform number in [0, 1): draw number @draw of this event. */
double fault_unit(uint64_t key, const struct fault_conn *c, uint32_t draw);
/* Roll the fault's percent, with its correlation. */
bool fault_chance(struct fault_ctx *x);

/* stream.c: a stream fault has acted. */
void fault_note(struct fault_ctx *x, int stream, uint32_t n, mono_t now,
		const char *action);

/* Declares a function for struct fault_type_desc.hit */
#define FAULT_HIT(name)                                              \
	bool name(struct fault_ctx *x, const struct fault_event *ev, \
		  struct fault_verdict *v)

/* report.c: report a decision.  Return: its id. */
uint64_t fault_report(struct fault_ctx *x, const struct fault_event *ev,
		      const char *action);
/* Report what the peer did, @after_us later. */
void fault_report_peer(struct fault_set *s, const struct fault_flow *w,
		       const struct fault_pending *p, enum fault_reaction kind,
		       int64_t after_us);

/* react.c: wait for the peer's answer to decision @id.  @v: NULL if the
 * decision was not about a single segment. */
void fault_react_begin(struct fault_ctx *x, const struct fault_event *ev,
		       const struct fault_verdict *v, uint64_t id);

#endif
