/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_STATS_H
#define PENSTOCK_TCP_STATS_H

/*
 * The counters of the stack, one set for each service.  They have nstat's names
 * where the kernel counts the same thing.
 */
#include "util/hist.h"
#include "util/types.h"
#include "wire/drop.h"

/* clang-format off */
/* Where the time of legs went, in the order of enum leg_limit (tcp/chrono.h).
 * Kept in milliseconds. */
#define LIMIT_COUNTERS(X, side, peer) \
	X(side##IdleSeconds, "nothing was on its way to " peer) \
	X(side##AppLimitedSeconds, "all that there was for " peer " was in flight") \
	X(side##RwndLimitedSeconds, "the receive window of " peer " was full") \
	X(side##CwndLimitedSeconds, "the congestion window towards " peer " was full") \
	X(side##PacingLimitedSeconds, "pacing towards " peer " held a segment back") \
	X(side##BufferLimitedSeconds, "our buffer, or a fault, held back what is for " peer) \
	X(side##HoleSeconds, "a segment from " peer " was missing")

#define TCP_COUNTERS(X) \
	X(TcpActiveOpens, "connections to servers that were begun") \
	X(TcpPassiveOpens, "connections from clients whose handshake is complete") \
	X(TcpAttemptFails, "legs that ended before their handshake was complete") \
	X(TcpEstabResets, "legs that a RST ended, ours or the peer's") \
	X(TcpInSegs, "segments received") \
	X(TcpOutSegs, "segments sent, retransmissions apart") \
	X(TcpRetransSegs, "segments sent again") \
	X(TcpOutRsts, "RSTs sent") \
	X(TcpExtDelayedACKs, "ACKs that the delayed-ACK timer sent") \
	X(TcpExtPAWSEstab, "segments refused because their timestamp is old (RFC 7323)") \
	X(TcpExtTCPTimeouts, "retransmission timeouts") \
	X(TcpExtTCPLossProbes, "tail loss probes sent (RFC 8985)") \
	X(TcpExtTCPLossProbeRecovery, "losses that a tail loss probe repaired") \
	X(TcpExtTCPSackRecovery, "fast recoveries begun with SACK") \
	X(TcpExtTCPRenoRecovery, "fast recoveries begun without SACK") \
	X(TcpExtTCPFullUndo, "reductions of the window undone by timestamps (RFC 4015)") \
	X(TcpExtTCPDSACKUndo, "reductions of the window undone by DSACK (RFC 3708)") \
	X(TcpExtTCPSpuriousRTOs, "timeouts that proved spurious (RFC 5682)") \
	X(TcpExtTCPSACKReneging, "peers that dropped data they had SACKed") \
	X(TcpExtTCPSACKDiscard, "SACK blocks that were not valid") \
	X(TcpExtTCPDSACKRecv, "DSACKs received: the peer has data twice") \
	X(TcpExtTCPDSACKOldSent, "DSACKs sent for data that was acknowledged before") \
	X(TcpExtTCPDSACKOfoSent, "DSACKs sent for data that waits out of order") \
	X(TcpExtTCPChallengeACK, "challenge ACKs sent (RFC 5961)") \
	X(TcpExtTCPSYNChallenge, "challenge ACKs sent for a SYN in a connection") \
	X(TcpExtTCPOFOQueue, "segments kept that came out of order") \
	X(TcpExtTCPOFODrop, "segments out of order that found no room") \
	X(TcpExtTCPOFOMerge, "segments out of order whose bytes were there already") \
	X(TcpExtTCPKeepAlive, "keepalive probes sent") \
	X(TcpExtTCPAbortOnTimeout, "legs given up because the peer did not answer") \
	X(TcpExtTCPAbortOnData, "legs reset because data came that nobody reads any more") \
	X(TcpExtTCPAbortOnMemory, "legs reset for want of memory") \
	X(TcpExtTCPSynRetrans, "SYNs and SYN-ACKs sent again") \
	X(TcpExtTCPToZeroWindowAdv, "times that our window closed") \
	X(TcpExtTCPFromZeroWindowAdv, "times that our window opened again") \
	X(TcpExtTCPWinProbe, "zero-window probes sent") \
	X(TcpExtTCPACKSkippedSynRecv, "answers not given in SYN_RECEIVED: tcp_invalid_ratelimit") \
	X(TcpExtTCPACKSkippedPAWS, "answers not given to old timestamps: tcp_invalid_ratelimit") \
	X(TcpExtTCPACKSkippedSeq, "answers not given to sequence numbers outside the window: tcp_invalid_ratelimit") \
	X(TcpExtTCPACKSkippedTimeWait, "answers not given in TIME_WAIT: tcp_invalid_ratelimit") \
	X(TcpExtTCPACKSkippedChallenge, "challenge ACKs not sent: tcp_invalid_ratelimit") \
	X(TcpExtTCPMTUPFail, "path MTU black holes found") \
	X(TcpExtTCPHystartDelayDetect, "slow starts that HyStart++ ended (RFC 9406)") \
	X(TcpExtTCPSlowStartRetrans, "segments sent again after a timeout") \
	X(TcpExtTCPLostRetransmit, "retransmissions that were lost again") \
	X(TcpExtTCPDeliveredCE, "ACKs that tell of a congestion mark (RFC 3168)") \
	X(CongestionFallbacks, "legs that CUBIC governs because there was no memory for BBR") \
	X(BytesReceived, "bytes received in order") \
	X(BytesAcked, "bytes that peers acknowledged") \
	X(BytesRetrans, "bytes sent again") \
	LIMIT_COUNTERS(X, Client, "clients") \
	LIMIT_COUNTERS(X, Server, "servers")
/* clang-format on */

enum tcp_counter {
#define X(n, help) CNT_##n,
	TCP_COUNTERS(X)
#undef X
	TCP_COUNTER_COUNT
};

/* What it is called, and what it counts, in a line. */
extern const char *const tcp_counter_name[TCP_COUNTER_COUNT];
extern const char *const tcp_counter_help[TCP_COUNTER_COUNT];

/* From here on, time. */
#define CNT_FIRST_TIME CNT_ClientIdleSeconds

#define TCP_STATES 11

/* Histograms of each service: name, the first bucket's end as a power of two of
 * microseconds, and what it counts. */
/* clang-format off */
#define TCP_HISTS(X) \
	X(ClientRttSeconds, 7, "round trips to clients, one for each sample") \
	X(ServerRttSeconds, 7, "round trips to servers, one for each sample") \
	X(HandshakeSeconds, 7, "from the first segment of a flow until both sides were connected") \
	X(FlowDurationSeconds, 13, "from the first segment of a flow until its end")
/* clang-format on */

enum tcp_hist {
#define X(n, shift, help) HIST_##n,
	TCP_HISTS(X)
#undef X
	TCP_HIST_COUNT
};

extern const char *const tcp_hist_name[TCP_HIST_COUNT];
extern const char *const tcp_hist_help[TCP_HIST_COUNT];
extern const uint8_t tcp_hist_shift[TCP_HIST_COUNT];

/**
 * struct tcp_stats - Counters of all legs of one service
 * @c:       by enum tcp_counter; times in milliseconds
 * @drop:    refused segments by reason
 * @entered: transitions into each state
 * @hist:    by enum tcp_hist
 */
struct tcp_stats {
	uint64_t c[TCP_COUNTER_COUNT];
	uint64_t drop[DROP_REASON_COUNT];
	uint64_t entered[TCP_STATES];
	struct hist hist[TCP_HIST_COUNT];
};

/* Count a time in one of the histograms. */
static inline void tcp_hist_add(struct tcp_stats *s, enum tcp_hist which,
				int64_t us)
{
	hist_add(&s->hist[which], tcp_hist_shift[which], us);
}

/* Counter @i in its unit. */
static inline uint64_t tcp_counter_value(const struct tcp_stats *s, uint32_t i)
{
	return s->c[i] / (i < CNT_FIRST_TIME ? 1 : 1000);
}

#endif
