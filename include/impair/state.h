/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_STATE_H
#define PENSTOCK_IMPAIR_STATE_H

/*
 * The faults of an engine, and what a flow with faults has, as records
 * (util/record.h), so that another process can go on with them.
 *
 * Packets and bytes that faults hold are among them.
 */
#include "impair/impair.h"
#include "util/record.h"

/* Does the engine have faults, or judgements about former ones? */
bool impair_has_state(const struct engine *e);
/* Write them; @file: those of the configuration. */
void impair_save(const struct engine *e, const struct fault_file *file,
		 struct record_writer *w);

/**
 * impair_load() - Go on with the faults of a worker of another process
 * @e:      the engines, @n of them
 * @worker: its number
 *
 * Faults that the configuration has, in the same words, go on.  Those that its
 * file had and this one does not have are gone, and so are those in whose place
 * this one has others.  All others are added.
 * Return: number of faults that could not be added
 */
uint32_t impair_load(struct engine *const *e, uint32_t n, uint32_t worker,
		     struct record_reader r);

/* Flows of another process are about to be received; they bring their faults
 * with them.  Afterwards those that the configuration adds with scope=all act
 * on them, too. */
void impair_receive(struct engine *e);
void impair_received(struct engine *e, mono_t now);

/* What a flow with faults has. */
void impair_save_flow(const struct engine *e, const struct flow *f,
		      struct record_writer *w);
/* Go on with it, before the legs are loaded.  Return: 0, -ENOBUFS or
 * -EBADMSG */
int impair_load_flow(struct engine *e, struct flow *f, struct record_reader r);

#endif
