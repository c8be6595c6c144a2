/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SCENARIO_INTERNAL_H
#define PENSTOCK_SCENARIO_INTERNAL_H

/*
 * What the files of src/scenario share.  No other module includes this.
 */
#include "config/diag.h"
#include "scenario/scenario.h"

/**
 * struct scn_cur - The parser's position in a line
 * @p:    the rest of the line; borrowed
 * @d:    errors go there
 * @line: its number
 */
struct scn_cur {
	const char *p;
	struct diag *d;
	uint32_t line;
};

/* --- scenario_word.c: words of a line --- */

/* Skip blanks.  True when nothing is left except perhaps a comment. */
bool scn_at_end(struct scn_cur *c);
/* If the next word is @w, take it. */
bool scn_take(struct scn_cur *c, const char *w);
/* Take the next characters that are allowed in names, at most @len - 1; false:
 * there are none.  A name that is too long is reported. */
bool scn_take_name(struct scn_cur *c, char *out, size_t len);
/* Take an operator, @op as enum scn_op; false: there is none. */
bool scn_take_op(struct scn_cur *c, uint8_t *op);
/* Take the next characters up to a blank. */
bool scn_take_word(struct scn_cur *c, char *out, size_t len);
/* Take a number; errors are reported. */
bool scn_take_number(struct scn_cur *c, int64_t *n);
/* Take a time, microseconds; errors are reported. */
bool scn_take_time(struct scn_cur *c, int64_t *us);
/* Report "found ..., allowed: ..." for the next word.  Always false. */
bool scn_refuse(struct scn_cur *c, const char *allowed);

/* Cut a comment and blanks off the end. */
void scn_cut_comment(char *s);
/* Cut "within TIME" and "for TIME" off the end, and return the times. */
bool scn_cut_limits(char *s, struct scn_cur *c, int64_t *within_us,
		    int64_t *for_us);

/* --- scenario_vars.c: ${NAME} --- */

struct scn_var {
	char *name, *value;
	bool fixed; /* from the command line */
};

struct scn_vars {
	struct scn_var *v;
	uint32_t n;
};

void scn_vars_fini(struct scn_vars *vs);
/* Set a variable by "NAME=VALUE". 0, -EINVAL (malformed) or -ENOMEM. */
int scn_vars_set(struct scn_vars *vs, const char *word, bool fixed);
/* Replace variables in @in; owned by the caller.  NULL: no memory, or, with
 * *bad set, an error that was reported. */
char *scn_vars_expand(const struct scn_vars *vs, const char *in, struct diag *d,
		      uint32_t line, bool *bad);

/* --- scenario_cond.c --- */

extern const char *const scn_op_name[];
extern const char *const scn_state_name[]; /* NULL at the end */

bool scn_compare(int64_t a, uint8_t op, int64_t b);
/* Read a condition; errors are reported.  @sh: "sh COMMAND" is allowed. */
bool scn_cond_parse(struct scn_cur *c, struct scn_cond *cond, bool sh);

/* --- scenario_child.c: commands ---------------------------------------------
 */

#define SCN_CHILDREN_MAX 64

/**
 * struct scn_child - A command
 * @pid:    of /bin/sh and its process group
 * @ended:  it has ended, with @status; it stays a zombie, so that @pid remains
 *          its own
 */
struct scn_child {
	pid_t pid;
	bool ended;
	int status;
};

/* Start @command; its output goes to our standard error.  0 or -errno. */
int scn_child_start(struct scn_child *c, const char *command);
/* Check whether it has ended. */
bool scn_child_poll(struct scn_child *c);
/* Kill what still runs of it, and forget it. */
void scn_child_end(struct scn_child *c);

/* --- scenario_report.c ------------------------------------------------------
 */

/**
 * struct scn_report - The report of a run
 * @r:     how to print it
 * @steps: JSON array, of each step
 * @held:  number of steps that were good
 */
struct scn_report {
	const struct scn_run *r;
	json_t *steps;
	uint32_t held;
};

/* A text for JSON, whatever its bytes are. */
json_t *scn_text(const char *s);

void scn_report_step(struct scn_report *p, const struct scn_step *s,
		     int64_t at_us, const char *verdict, const char *detail);
void scn_report_end(struct scn_report *p, const struct scenario *s,
		    int64_t took_us, enum scn_result result, const char *why);

#endif
