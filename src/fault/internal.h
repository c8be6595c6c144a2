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

/* What "percent" and the spread of a delay take. */
#define PARAMS_ROLL (PBIT(PERCENT) | PBIT(CORRELATION))
#define PARAMS_SPREAD (PBIT(JITTER) | PBIT(CORRELATION) | PBIT(DISTRIBUTION))

/**
 * struct fault_default - A parameter's value when it was not given
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
 * @example: keys besides "type" of an example, as docs/FAULTS.md has it; NULL:
 *          none is needed
 * @defaults: of parameters, or NULL
 * @actions: by "action"; then they say what follows here, but @params and
 *          @needs, which are of all of them
 * @params: which may be given
 * @needs:  which must be
 * @kinds:  words of "kind" that it takes, a bit each
 * @modes:  words of "mode" that it takes, a bit each
 * @kinds_many: several of @kinds at once
 * @stream: acts on bytes between the legs, not on segments
 * @kind:   FAULT_ON_* filter of its events (FAULT_ON_ALWAYS: all)
 * @dir:    when the spec says nothing
 * @asked:  answers questions of the stack (impair/behave.c)
 * @harm:   the peer may see a wrong stream
 * @lingers: outlives the connection's flow
 * @portions: lets a stream go on in portions, which skip and count count
 * @ends:   FAULT_ACT_* once @share lets nothing pass any more
 * @check:  what is wrong with a spec, or NULL
 * @due:    when it acts by time alone; MONO_UNSET: never
 * @hit:    inject into a segment that passed selection; false: not this one
 * @share:  how many of @n bytes of the stream may go on now; 0: none before
 *          *wake; NULL: it holds nothing back
 * @spend:  so many have
 */
struct fault_type_desc {
	const char *example;
	const struct fault_default *defaults;
	const struct fault_type_desc *const *actions;
	uint64_t params, needs, kinds, modes;
	bool kinds_many, stream, asked, harm, lingers, portions;
	uint8_t kind, dir, ends;
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

/* What all with @portions remember: when the next portion may go on */
struct portion {
	mono_t next;
};
FAULT_STATE_FITS(struct portion);

/* types.c: of its type, and of its action. */
const struct fault_type_desc *fault_desc(const struct fault_spec *s);

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
