/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_REACT_H
#define PENSTOCK_FAULT_REACT_H

/*
 * What a peer does after a fault has acted on its connection: the state that
 * each connection with faults has for this. src/fault/react.c has the theory.
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
 * @peer:    the peer's address, for a segment that it sent; borrowed
 * @now:     when it arrived or was sent
 * @seq:     first sequence number
 * @ack:     acknowledgment number, with TCP_ACK
 * @len:     payload bytes
 * @flags:   TCP_*
 * @wnd:     window field, unscaled
 * @side:    whose leg: 0 client, 1 server
 * @nsack:   SACK blocks
 * @to_peer: it was sent to the peer; otherwise the peer sent it
 * @dsack:   the first SACK block reports a duplicate (RFC 2883)
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
 * struct fault_peer - What one peer has sent, and what it was sent
 * @heard_at: when it last sent a segment; unset before the first
 * @told_at:  when it was last sent a segment; unset before the first
 * @high:     one past the highest sequence number that it sent
 * @ack:      the highest number that it acknowledged
 * @told_ack: the highest acknowledgment that it was sent
 * @wnd:      its last window field
 * @told_wnd: the last window field that it was sent
 * @acked:    @ack is valid
 * @gap_us:   the interval before its last retransmission or probe
 * @asked_at: when bytes up to @asked were sent to it; unset: no round trip is
 *            being measured
 * @rtt_us:   smallest round-trip time; 0: not known
 * @asked_syn: the round trip of our SYN or SYN-ACK is being measured
 * @addr:     its address
 * @again:    the oldest sequence number that was not acknowledged to it ...
 * @again_at: ... when that was sent; unset: not known ...
 * @again_n:  ... and how often it was sent again
 * @probe_at: when it last sent a probe
 * @probe_n:  probes in a row
 * @quiet:    it was sent nothing since its last segment
 * @alone:    it was sent nothing since @again_at
 * @unanswered: its first transmission since it was last sent something
 */
struct fault_peer {
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
 * @key:     of the fault: tells whether its slot was reused
 * @since:   when it took effect
 * @soonest: what arrives earlier was in flight when the fault acted
 * @until:   after this time no answer counts as silence
 * @seq:     first sequence number of the segment that was judged
 * @end:     one past its last sequence number
 * @conn:    ordinal of the connection
 * @mask:    reactions that count as the answer (bits of enum fault_reaction)
 * @expect:  reactions of a correct peer; 0: none is expected
 * @slot:    of the fault
 * @side:    of the peer
 * @inject:  1 + enum fault_inject, or 0
 * @forged:  the segment was forged, or an old one
 * @cover:   an acknowledgment of @end counts as an answer
 * @again:   only a retransmission of [@seq, @end) counts
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
 * @peer:     by side
 * @pending: @n of them, oldest first
 */
struct fault_watch {
	struct fault_peer peer[2];
	struct fault_pending pending[FAULT_PENDING_MAX];
	uint32_t n;
};

struct fault_set;
struct fault_flow;

/**
 * fault_wire_pass() - A segment of a connection with faults is on the wire
 * Called for an arriving segment before any fault judges it, and for one that
 * is sent after all have judged it.
 */
void fault_wire_pass(struct fault_set *s, struct fault_flow *w,
		     const struct fault_wire *x);

/* When the wait of the next decision is over; MONO_UNSET: none waits. */
mono_t fault_react_wake(const struct fault_flow *w);
/* Decisions whose wait is over at @now are answered by silence. */
void fault_react_expire(struct fault_set *s, struct fault_flow *w, mono_t now);
/* The connection is forgotten: decisions that still wait have "ended". */
void fault_react_end(struct fault_set *s, struct fault_flow *w);

#endif
