/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_PROCESS_H
#define TESTS_UNIT_PROCESS_H

/*
 * Two processes, each with its engines: what the old one saves, the new one
 * loads.  There is one service, web, at @server port 80.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "engine/hooks.h"
#include "fault/told.h"
#include "handover/handover.h"
#include "shield/commons.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

#define WORKERS 3
#define WALL_US (1700000000ll * 1000000)

/* A process: its engines. */
struct process {
	struct engine *e[WORKERS];
	struct buf_pool pool[WORKERS];
	struct commons commons;
	uint32_t n;
};

struct bytes {
	uint8_t *p;
	size_t len;
};

/* A segment of a peer. */
struct say {
	struct tuple t;
	uint16_t flags;
	uint32_t seq, ack, len;
};

/* What the old one has saved. */
extern struct bytes state;
extern struct process old, new;
extern struct policy *policy;
/* The faults of the old one's configuration. */
extern const struct fault_file *old_file;
/* What the last engine has sent, and RSTs for what could not be loaded. */
extern struct tx out[8];
extern int nout, nreset;
extern mono_t now;

/* A policy and the old one, with one worker; and their end. */
void setup(void);
void teardown(void);
/* With @n workers. */
void start(struct process *p, uint32_t n, uint32_t max_flows);
void stop(struct process *p);

struct tuple to_server(uint16_t port);
struct tuple to_client(uint16_t port);
/* A peer's segment comes to worker @i. */
enum verdict say(struct process *p, uint32_t i, struct say s);
/* The sequence number of what was sent, number @i. */
uint32_t their_seq(int i);
/* A connection of the old one with bytes on their way in both directions, and a
 * hole. */
void connect_by(uint16_t port);

void save(struct process *p, struct bytes *b);
/* Load it, and reset what is lost.  The return of handover_open() */
int load(struct process *p, const struct bytes *b, struct handover_counts *c);
/* Damage the state, byte by byte, or so many of its bytes: whatever a record
 * says, it becomes a possible connection or none. */
void damage(size_t most);

#endif
