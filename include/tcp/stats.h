/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_STATS_H
#define PENSTOCK_TCP_STATS_H

/*
 * Counters of the stack, one set per service; nstat's names where the kernel
 * counts the same thing.
 */
#include "util/types.h"
#include "wire/drop.h"

/* clang-format off */
#define TCP_COUNTERS(X)                                                                                              \
	X(TcpActiveOpens)                                                                                            \
	X(TcpPassiveOpens) X(TcpAttemptFails) X(TcpEstabResets) X(TcpInSegs) X(TcpOutSegs) X(                        \
		TcpRetransSegs) X(TcpOutRsts) X(TcpExtDelayedACKs) X(TcpExtPAWSEstab) X(TcpExtTCPTimeouts)           \
		X(TcpExtTCPLossProbes) X(TcpExtTCPLossProbeRecovery) X(TcpExtTCPSackRecovery) X(                     \
			TcpExtTCPRenoRecovery) X(TcpExtTCPFullUndo) X(TcpExtTCPDSACKUndo) X(TcpExtTCPSpuriousRTOs)   \
			X(TcpExtTCPSACKReneging) X(TcpExtTCPSACKDiscard) X(TcpExtTCPDSACKRecv) X(                    \
				TcpExtTCPDSACKOldSent) X(TcpExtTCPDSACKOfoSent) X(TcpExtTCPChallengeACK)             \
				X(TcpExtTCPSYNChallenge) X(TcpExtTCPOFOQueue) X(TcpExtTCPOFODrop) X(                 \
					TcpExtTCPOFOMerge) X(TcpExtTCPKeepAlive) X(TcpExtTCPAbortOnTimeout)          \
					X(TcpExtTCPAbortOnData) X(TcpExtTCPAbortFailed) X(                           \
						TcpExtTCPAbortOnMemory) X(TcpExtTCPSynRetrans)                       \
						X(TcpExtTCPToZeroWindowAdv) X(TcpExtTCPFromZeroWindowAdv) X(         \
							TcpExtTCPWantZeroWindowAdv) X(TcpExtTCPWinProbe)             \
							X(TcpExtTCPACKSkippedSynRecv) X(TcpExtTCPACKSkippedPAWS) X(TcpExtTCPACKSkippedSeq) X(TcpExtTCPACKSkippedTimeWait) X(TcpExtTCPACKSkippedChallenge) X(TcpExtTCPMTUPFail) X(               \
								TcpExtTCPMTUPSuccess) X(TcpExtTCPHystartTrainDetect) \
								X(TcpExtTCPHystartDelayDetect) X(                    \
									TcpExtTCPSlowStartRetrans)                   \
									X(TcpExtTCPLostRetransmit) X(                \
										TcpExtTCPDeliveredCE)                \
										X(BytesReceived) X(                  \
											BytesAcked)                  \
											X(BytesRetrans)
/* clang-format on */

enum tcp_counter {
#define X(n) CNT_##n,
	TCP_COUNTERS(X)
#undef X
	TCP_COUNTER_COUNT
};

extern const char *const tcp_counter_name[TCP_COUNTER_COUNT];

#define TCP_STATES 11

/**
 * struct tcp_stats - Counters of all legs of one service
 * @c:       by enum tcp_counter
 * @drop:    refused segments by reason
 * @entered: transitions into each state
 */
struct tcp_stats {
	uint64_t c[TCP_COUNTER_COUNT];
	uint64_t drop[DROP_REASON_COUNT];
	uint64_t entered[TCP_STATES];
};

#endif
