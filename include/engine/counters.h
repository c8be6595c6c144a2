/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_COUNTERS_H
#define PENSTOCK_ENGINE_COUNTERS_H

/*
 * What the engine and its wings count beside segments and drops, by the names
 * that engine_counter() gives them.
 */

/* clang-format off */
/* Of the engine itself, beside drops. */
#define ENGINE_COUNTERS(X) \
	X(PacketsIn) \
	X(PacketsPassed) \
	X(PacketsForeign) \
	X(PacketsSigned) \
	X(FlowsOpened) \
	X(FlowsClosed) \
	X(FlowsRefused) \
	X(TcpExtTW) \
	X(TcpExtTWRecycled) \
	X(TcpExtTCPTimeWaitOverflow) \
	X(SpliceStragglers) \
	X(SpliceSyns)

/* Of admission, one set per service. */
#define SHIELD_COUNTERS(X) \
	X(TcpExtSyncookiesSent) \
	X(TcpExtSyncookiesRecv) \
	X(TcpExtSyncookiesFailed) \
	X(TcpExtListenOverflows) \
	X(TcpExtListenDrops) \
	X(CookieReplays) \
	X(CookieOverflows) \
	X(CookieLimited) \
	X(EvictedSlow) \
	X(SourceLimited) \
	X(ShareNodesRefused) \
	X(ShareBytesRefused) \
	X(IdleClosed) \
	X(TcpExtPAWSPassive) \
	X(TcpExtTCPFastOpenActive) \
	X(TcpExtTCPFastOpenActiveFail) \
	X(TcpExtTCPFastOpenPassive) \
	X(TcpExtTCPFastOpenPassiveFail) \
	X(TcpExtTCPFastOpenListenOverflow) \
	X(TcpExtTCPFastOpenCookieReqd) \
	X(RateLimited) \
	X(Denied) \
	X(UnknownReset) \
	X(UnknownPassed) \
	X(UnknownDropped) \
	X(Spliced) \
	X(SpliceOptions) \
	X(SpliceMss) \
	X(SpliceWindow) \
	X(SpliceNoRoom)
/* clang-format on */

enum engine_counter_id {
#define X(n) EC_##n,
	ENGINE_COUNTERS(X)
#undef X
	EC_COUNT
};

enum shield_counter_id {
#define X(n) SC_##n,
	SHIELD_COUNTERS(X)
#undef X
	SC_COUNT
};

#endif
