/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_PROFILE_H
#define PENSTOCK_FAULT_PROFILE_H

/*
 * How a peer's TCP behaves, measured on the wire: its retries and their
 * spacing, its probes, when it gives up, what it answers to forged segments.
 * src/fault/profile.c has the theory.
 */
#include "fault/react.h"

#define FAULT_PROFILES_MAX 64	/* peers; the longest silent one is replaced */
#define FAULT_PROFILE_STEPS 16	/* of a series */
#define FAULT_PROFILE_FORGED 16 /* kinds of forged segments */

/**
 * struct fault_spread - Measured times
 * @n:   how often
 * @min_us: the shortest, microseconds
 * @max_us: the longest
 * @sum_us: of all
 */
struct fault_spread {
	uint64_t n;
	int64_t min_us, max_us, sum_us;
};

/**
 * struct fault_forged - Answers to one kind of forged segment
 * @n:    segments whose answer is known
 * @ok:   those answered as a correct peer does
 * @last: enum fault_reaction
 */
struct fault_forged {
	uint32_t n, ok;
	uint8_t last;
};

/**
 * struct fault_profile - One peer
 * @addr:   its address
 * @side:   0 it connects to us, 1 we connect to it
 * @conns:  connections on which it was seen
 * @seen:   when it last sent something
 * @rtt:    round-trip time of handshakes
 * @syn:    from the SYN or SYN-ACK to its first retry, to the second, ...
 * @rto:    from data to its first retransmission, to the second, ...
 * @window: from the last segment before a closed window to the first probe, ...
 * @idle:   silence before a keepalive
 * @keepalive: between keepalives that were not answered
 * @keepalives: the most of them in a row
 * @reset:  from the first unanswered transmission to the RST that ended it
 * @given_up: likewise to the last transmission, when no RST came
 * @forged: by enum fault_inject
 */
struct fault_profile {
	struct ipaddr addr;
	uint8_t side;
	uint64_t conns;
	mono_t seen;
	struct fault_spread rtt;
	struct fault_spread syn[FAULT_PROFILE_STEPS];
	struct fault_spread rto[FAULT_PROFILE_STEPS];
	struct fault_spread window[FAULT_PROFILE_STEPS];
	struct fault_spread idle, keepalive;
	uint32_t keepalives;
	struct fault_spread reset, given_up;
	struct fault_forged forged[FAULT_PROFILE_FORGED];
};

/**
 * fault_profile_find() - Find or make a peer's entry in the table
 * @table: FAULT_PROFILES_MAX of them
 */
struct fault_profile *fault_profile_find(struct fault_profile *table,
					 const struct ipaddr *addr,
					 uint8_t side);

/* The peer sent a segment of @kind; @r is what was known before it. */
void fault_profile_hear(struct fault_set *s, struct fault_peer *r,
			const struct fault_wire *x, enum fault_reaction kind);
/* The peer was sent a segment; @r is what was known before it. */
void fault_profile_tell(struct fault_peer *r, const struct fault_wire *x);
/* The connection is being forgotten. */
void fault_profile_end(struct fault_set *s, const struct fault_peer *r,
		       uint8_t side);
/* A forged segment was answered. */
void fault_profile_forged(struct fault_set *s, const struct fault_peer *r,
			  const struct fault_pending *p,
			  enum fault_reaction kind);

/* Add what another worker measured of the same peer. */
void fault_profile_merge(struct fault_profile *to,
			 const struct fault_profile *from);

/**
 * fault_profile_print() - Print a profile as one JSON object
 * Return: its length; more than @outlen when it did not fit
 */
size_t fault_profile_print(const struct fault_profile *p, char *out,
			   size_t outlen);

#endif
