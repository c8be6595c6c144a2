/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_LEG_STATE_H
#define PENSTOCK_TCP_LEG_STATE_H

/*
 * A leg as a record (util/record.h), so that another process can go on with it.
 */
#include "tcp/leg.h"
#include "util/record.h"

/* Write all that the leg knows, but not its addresses. */
void leg_save(const struct leg *l, struct record_writer *w);

/**
 * leg_load() - Go on with a leg that was saved
 * @l: of leg_init(); what its policy says of sizes and times holds from now on
 *
 * Afterwards its timer runs.  Bytes beyond a hole for which there is no room
 * are forgotten: the peer sends them again.
 * Return: 0; -ENOBUFS: no room for its bytes; -EBADMSG: it is not a possible
 * leg.  Then it is what leg_load_numbers() makes of it
 */
int leg_load(struct leg *l, struct record_reader r);

/* Make of a leg of leg_init() one that leg_abort() resets: all that is read is
 * its state and numbers. */
void leg_load_numbers(struct leg *l, struct record_reader r);

#endif
