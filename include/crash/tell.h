/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CRASH_TELL_H
#define PENSTOCK_CRASH_TELL_H

/*
 * Telling the peers of a crashed process that their connections are gone.
 *
 * Only the peers know which sequence numbers count now, so they are asked: each
 * gets the first segment of its connection once more, a SYN or a SYN-ACK, with
 * numbers that are not its own.  A peer that has the connection answers with an
 * ACK (RFC 5961, 4.2), whose numbers are exact, and gets a RST with them.  One
 * that has it no more answers with a RST.
 */
#include "crash/journal.h"
#include "util/hash.h"
#include "wire/packet.h"

struct tell;

/**
 * struct tell_cfg - What is to be told
 * @flow: @n connections; borrowed until tell_new() returns
 * @rate: segments a second that ask; at least 1
 * @key:  of a hash, so that nobody else can tell what is sent
 * @left: notes them until their peers are told; @n places for flows.  NULL: no
 *        journal
 */
struct tell_cfg {
	const struct journal_flow *flow;
	uint32_t n;
	uint32_t rate;
	struct hash_key key;
	struct journal *left;
};

/* NULL: no memory. */
struct tell *tell_new(const struct tell_cfg *cfg, mono_t now);
void tell_free(struct tell *c);

enum tell_verdict {
	TELL_NOT_OURS, /* the packet is of no crashed connection */
	TELL_CONSUMED,
	TELL_REPLY, /* consumed, and *reply is sent in its place */
};

/**
 * tell_input() - A packet has arrived
 * @has: does the engine have a leg with these addresses now?  Then the packet
 *       is the engine's, and the old connection is no longer looked after
 */
enum tell_verdict tell_input(struct tell *c, const struct packet *pkt,
			     bool (*has)(void *arg, const struct tuple *t),
			     void *arg, struct tx *reply);

/* What to send next, up to @max packets.  Return: their number */
int tell_pull(struct tell *c, struct tx *tx, int max, mono_t now);

/* When to call tell_pull() again; MONO_NEVER: it is over. */
mono_t tell_deadline(const struct tell *c, mono_t now);

/**
 * struct tell_counts - What has come of it
 * @flows:  connections that were found
 * @reset:  of those, all of whose peers were reset
 * @open:   of those, that still have a peer to be told
 * @probes: segments that asked
 * @resets: peers that were reset
 * @forgotten: peers of which nothing was heard, or that no longer have the
 *          connection
 */
struct tell_counts {
	uint32_t flows, reset, open;
	uint64_t probes, resets, forgotten;
};

/* What has come of it so far. */
void tell_counts(const struct tell *c, struct tell_counts *out);

/* Walk the client legs: number @i's addresses; NULL after the last. */
const struct tuple *tell_client(const struct tell *c, uint32_t i);

#endif
