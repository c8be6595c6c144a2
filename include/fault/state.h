/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_STATE_H
#define PENSTOCK_FAULT_STATE_H

/*
 * Faults and the connections that carry them as records (util/record.h), so
 * that another process can go on with them.
 *
 * What they have counted goes along, and all on which their next decisions
 * depend: so the other process makes the same ones.  Not so decisions that wait
 * for the peer's answer (they become "unwatched"), and what was measured of
 * peers (fault/profile.h).
 */
#include "fault/set.h"
#include "util/record.h"

/* The set's own numbers. */
void fault_set_save(const struct fault_set *s, struct record_writer *w);
void fault_set_load(struct fault_set *s, struct record_reader r);

/* A fault; @file: it is the configuration's. */
void fault_save(const struct fault_set *s, int slot, bool file,
		struct record_writer *w);

/**
 * fault_load_spec() - What a saved fault is
 * @file: out: it was the configuration's
 * Return: 0, or -EINVAL: it is none here
 */
int fault_load_spec(struct record_reader r, struct fault_spec *spec,
		    bool *file);

/* Add what it has counted to the same fault of another process. */
void fault_load_counts(struct fault_set *s, int slot, struct record_reader r);

/* Number @i of the faults whose lease has ended. */
void fault_gone_save(const struct fault_set *s, uint32_t i,
		     struct record_writer *w);
void fault_gone_load(struct fault_set *s, struct record_reader r);

/* A connection, but not its addresses. */
void fault_flow_save(const struct fault_set *s, const struct fault_flow *f,
		     struct record_writer *w);

/**
 * fault_flow_load() - Go on with a connection
 * @w: of fault_flow_alloc()
 * @slots: faults that go on, a bit each
 * @lost: out: it carried a fault that there is no more
 * Return: 0 or -EBADMSG
 */
int fault_flow_load(struct fault_set *s, struct fault_flow *w, uint32_t slots,
		    struct record_reader r, bool *lost);

/* A time of a record that sums of delays can be added to. */
mono_t fault_load_time(mono_t t, mono_t now);

#endif
