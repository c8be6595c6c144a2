/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_HANDOVER_HANDOVER_H
#define PENSTOCK_HANDOVER_HANDOVER_H

/*
 * The state of all engines as bytes, so that another process can go on with
 * their connections.  It does no I/O.
 *
 * What is saved: flows with both legs and all their bytes, half-open
 * connections, TIME_WAIT, spent cookies, validated sources; faults, with all
 * that they count and remember.
 * What follows from the rest is not saved, and neither are the counters of
 * engines.  The engines stand still meanwhile.
 */
#include "engine/engine.h"
#include "util/record.h"

struct fault_file;

/* The version of the format.  A reader refuses any other; what may change
 * within a version is said in util/record.h. */
#define HANDOVER_VERSION 1u

/**
 * struct handover_side - The engines of one process
 * @engine: @n of them, by worker
 * @wall_us: wall clock (Unix, us) minus monotonic clock
 * @file: who writes: the faults of its configuration; NULL: it has none
 */
struct handover_side {
	struct engine *const *engine;
	uint32_t n;
	int64_t wall_us;
	const struct fault_file *file;
};

/* Take @n bytes.  Return: 0 or -errno */
typedef int (*handover_put)(void *arg, const void *p, size_t n);

/**
 * handover_save() - Write the state
 * @put: takes the bytes, piece by piece
 * @flows: out: connections written
 * Return: 0, -ENOMEM or the error of @put
 */
int handover_save(const struct handover_side *s, handover_put put, void *arg,
		  mono_t now, uint32_t *flows);

/**
 * struct handover_state - A state to read
 * @p:       @len bytes; borrowed
 * @version: of the format
 * @workers: that wrote it
 * @program: version of the program that wrote it; not terminated
 * @program_len: bytes of @program
 * @now:     what the times in it count from, by the clock of the reader
 * @elsewhere: another host wrote it
 * @flows:   connections in it
 * @bad:     a bit for each connection: it could not be taken over, and its
 *           peers must be told
 */
struct handover_state {
	const uint8_t *p;
	size_t len;
	uint32_t version, workers;
	const uint8_t *program;
	uint32_t program_len;
	mono_t now;
	bool elsewhere;
	uint32_t flows;
	uint8_t *bad;
};

/**
 * handover_open() - Is this a state that can be read?
 * @wall_us: wall clock minus monotonic clock, of the reader
 * @now: by the clock of the reader
 * Return: 0; -EPROTO: it has another version; -EBADMSG: it is damaged or not
 * complete; -ENOMEM
 */
int handover_open(struct handover_state *h, const void *p, size_t len,
		  int64_t wall_us, mono_t now);
void handover_close(struct handover_state *h);

/* Why a connection was not taken over. */
enum handover_loss {
	HANDOVER_NO_SERVICE, /* no service has its address any more */
	HANDOVER_DENIED,     /* a list refuses the client now */
	HANDOVER_NO_ROOM,    /* max_flows, max_memory, or another limit */
	HANDOVER_UNREADABLE, /* a damaged record, or of an unknown kind */
	HANDOVER_TAKEN,	     /* another connection here has their addresses;
			      * the peers are not told */
	HANDOVER_LOSSES
};

extern const char *const handover_loss_name[HANDOVER_LOSSES];

/**
 * struct handover_counts - What became of it
 * @taken: connections that go on
 * @lost:  those that do not, by enum handover_loss
 * @forgotten: entries of tables, of half-open connections for example
 * @faults: those that act no more, since their line is not allowed here
 */
struct handover_counts {
	uint32_t taken, forgotten, faults;
	uint32_t lost[HANDOVER_LOSSES];
};

/**
 * handover_load() - Go on with the connections of @h
 * Nothing is sent: the other process may still go on itself.
 */
void handover_load(struct handover_state *h, const struct handover_side *s,
		   struct handover_counts *c);

/* Send a packet.  Its payload is empty. */
typedef void (*handover_send)(void *arg, struct tx *tx);

/* Tell both peers of each connection that was not taken over, by a RST. */
void handover_reset(const struct handover_state *h,
		    const struct handover_side *s, handover_send send,
		    void *arg);

#endif
