/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_REACT_H
#define PENSTOCK_FAULT_REACT_H

/*
 * What a peer does after a fault acted on its connection: the part of the
 * state that each connection with faults carries.  src/fault/react.c has the
 * theory.
 */
#include "fault/cfg.h"
#include "util/types.h"

/* Answers of a peer, as reports name them. */
#define FAULT_REACTIONS(X)            \
	X(ACK, "ack")                 \
	X(DUP_ACK, "dup-ack")         \
	X(SACK, "sack")               \
	X(DSACK, "dsack")             \
	X(CHALLENGE, "challenge-ack") \
	X(WINDOW, "window")           \
	X(DATA, "data")               \
	X(RETRANSMIT, "retransmit")   \
	X(PROBE, "probe")             \
	X(SYN, "syn")                 \
	X(SYNACK, "syn-ack")          \
	X(FIN, "fin")                 \
	X(RST, "rst")                 \
	X(SILENCE, "silence")         \
	X(ENDED, "ended")

enum fault_reaction {
#define X(id, name) FR_##id,
	FAULT_REACTIONS(X)
#undef X
	FR_COUNT
};

extern const char *const fault_reaction_name[FR_COUNT + 1];

/**
 * struct fault_wire - A segment on the wire between us and a peer
 * @peer:    the peer's address, of those it sent; borrowed
 * @now:     when it arrived, or left
 * @seq:     first sequence number
 * @ack:     acknowledgment number, with TCP_ACK
 * @len:     payload bytes
 * @flags:   TCP_*
 * @wnd:     window field, unscaled
 * @side:    whose leg: 0 client, 1 server
 * @nsack:   SACK blocks
 * @to_peer: it leaves; else the peer sent it
 * @dsack:   the first SACK block tells of a duplicate (RFC 2883)
 */
struct fault_wire {
	const struct ipaddr *peer;
	mono_t now;
	seq_t seq, ack;
	uint32_t len;
	uint16_t flags, wnd;
	uint8_t side, nsack;
	bool to_peer, dsack;
};

/**
 * struct fault_ear - What was heard of one peer, and what it was told
 * @heard_at: its last segment; unset before the first
 * @told_at:  the last that left to it; unset before the first
 * @high:     one past the highest sequence number that it sent
 * @ack:      the highest that it acknowledged
 * @told_ack: the highest acknowledgment that left to it
 * @wnd:      its last window field
 * @told_wnd: the last window field that left to it
 * @acked:    @ack is valid
 * @gap_us:   before its last retransmission or probe
 * @asked_at: when bytes up to @asked left to it; unset: no round trip is timed
 * @rtt_us:   least round trip; 0: none was seen
 * @asked_syn: it is our SYN or SYN-ACK that is timed
 * @addr:     its address
 * @again:    the oldest sequence number that is not acknowledged to it ...
 * @again_at: ... was sent then; unset: not known ...
 * @again_n:  ... and again so often
 * @probe_at: its last probe
 * @probe_n:  probes in a row
 * @quiet:    nothing left to it since its last segment
 * @alone:    nothing left to it since @again_at
 * @unanswered: its first transmission since something left to it
 */
struct fault_ear {
	mono_t heard_at, told_at;
	seq_t high, ack, told_ack, asked;
	uint16_t wnd, told_wnd;
	bool acked, quiet, alone, asked_syn;
	mono_t asked_at;
	int64_t gap_us, rtt_us;
	struct ipaddr addr;
	seq_t again;
	uint32_t again_n, probe_n;
	mono_t again_at, probe_at, unanswered;
};

/**
 * struct fault_pending - A decision that waits for the peer's answer
 * @id:      of the decision
 * @key:     of the fault, to know it again when its slot was reused
 * @since:   when it took effect
 * @soonest: what arrives before it was under way then
 * @until:   from then on no answer is silence
 * @seq:     of the segment that it was about
 * @end:     one past its last sequence number
 * @conn:    ordinal of the connection
 * @mask:    reactions that may be the answer (bits of enum fault_reaction)
 * @expect:  those that a correct peer gives; 0: none is declared
 * @slot:    of the fault
 * @side:    of the peer
 * @inject:  1 + enum fault_inject, or 0
 * @forged:  what it put on the wire is not of the connection's
 * @cover:   an acknowledgment of @end is an answer
 * @again:   only a retransmission of [@seq, @end) is one
 */
struct fault_pending {
	uint64_t id, key;
	mono_t since, soonest, until;
	seq_t seq, end;
	uint32_t conn;
	uint16_t mask, expect;
	uint8_t slot, side, inject;
	bool forged, cover, again;
};

#define FAULT_PENDING_MAX 12

/**
 * struct fault_watch - Both peers of a connection
 * @ear:     by side
 * @pending: @n of them, oldest first
 */
struct fault_watch {
	struct fault_ear ear[2];
	struct fault_pending pending[FAULT_PENDING_MAX];
	uint32_t n;
};

struct fault_set;
struct fault_flow;

/**
 * fault_wire_pass() - A segment of a connection with faults is on the wire
 * Arriving ones before any fault judges them, leaving ones after all did.
 */
void fault_wire_pass(struct fault_set *s, struct fault_flow *w,
		     const struct fault_wire *x);

/* When the next decision's wait is over; MONO_UNSET: none waits. */
mono_t fault_react_wake(const struct fault_flow *w);
/* Waits that are over at @now become silence. */
void fault_react_expire(struct fault_set *s, struct fault_flow *w, mono_t now);
/* The connection is forgotten: what still waits has "ended". */
void fault_react_end(struct fault_set *s, struct fault_flow *w);

#endif
