/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_HANDOVER_INTERNAL_H
#define PENSTOCK_HANDOVER_INTERNAL_H

/*
 * What the files of src/handover share.
 */
#include "engine/hooks.h"
#include "handover/handover.h"

/* Records of a state, in the order in which they stand. */
enum state_field {
	STATE_HEADER = 1,
	STATE_FLOW = 2,
	STATE_HALF_OPEN = 3,
	STATE_TIME_WAIT = 4,
	STATE_SPENT = 5,
	STATE_VALIDATED = 6,
	STATE_COOKIES = 7, /* may come back */
	STATE_FAULTS = 8,  /* of a worker; before all flows */
	STATE_DRAINED = 9, /* a service, of all workers */
	STATE_END = 15
};

/* A flow of @e as a record, of worker @worker. */
void flow_save(const struct engine *e, const struct flow *f, uint32_t worker,
	       struct record_writer *w);

/**
 * flow_load() - Go on with a flow
 * @e: by worker; the flow's own number modulo @n has it
 * Return: enum handover_loss, or HANDOVER_LOSSES: it was taken over
 */
enum handover_loss flow_load(struct engine *const *e, uint32_t n,
			     struct record_reader r);

/* Reset the peers of a flow that could not be loaded. */
void flow_tell(struct engine *e, struct record_reader r, handover_send send,
	       void *arg, mono_t now);

/* faults.c: write those of worker @worker. */
void faults_save(const struct handover_side *s, uint32_t worker,
		 struct record_writer *w);
/* Flows come, after faults_load() of the workers' records; they are all
 * there. */
void faults_begin(const struct handover_side *s);
void faults_end(const struct handover_side *s, mono_t now);
/* Return: number of faults that cannot go on */
uint32_t faults_load(const struct handover_side *s, struct record_reader r);

/* Write the tables of worker @worker; @saved is called after each record. */
typedef void (*table_saved)(void *arg);
void tables_save(struct engine *e, uint32_t worker, struct record_writer *w,
		 table_saved saved, void *arg);

/* Read one record of them.  @anew: the kernel spreads clients among the workers
 * in another way than where it was written.  Return: 0, or -errno: it is
 * forgotten */
int table_load(const struct handover_side *to, bool anew, enum state_field what,
	       struct record_reader r);

#endif
