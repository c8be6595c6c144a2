/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_COUNTERS_H
#define PENSTOCK_ENGINE_COUNTERS_H

/*
 * What the engine and its wings count beside segments and drops: the names that
 * engine_counter() gives them, and what they count, in a line.
 */

/* clang-format off */
/* Counters of the engine itself, besides drops. */
#define ENGINE_COUNTERS(X) \
	X(PacketsIn, "packets from the queues") \
	X(PacketsPassed, "packets passed on, of connections that are not ours") \
	X(PacketsStrayed, "packets given to the worker that has their connection") \
	X(PacketsForeign, "packets that are no service's") \
	X(PacketsSigned, "signed segments passed on (TCP-AO, MD5)") \
	X(FlowsOpened, "flows opened") \
	X(FlowsClosed, "flows closed") \
	X(FlowsRefused, "flows refused: max_flows") \
	X(TcpExtTW, "TIME_WAIT entries made") \
	X(TcpExtTWRecycled, "TIME_WAIT entries reused by a new connection") \
	X(TcpExtTCPTimeWaitOverflow, "TIME_WAIT entries not made: tcp_max_tw_buckets") \
	X(SpliceStragglers, "segments of spliced connections that came to the daemon") \
	X(SpliceSyns, "SYNs for a connection that the kernel relays")

/* Counters of admission, one set for each service. */
#define SHIELD_COUNTERS(X) \
	X(TcpExtSyncookiesSent, "SYN cookies sent") \
	X(TcpExtSyncookiesRecv, "valid SYN cookies that came back") \
	X(TcpExtSyncookiesFailed, "ACKs whose SYN cookie is not valid") \
	X(TcpExtListenOverflows, "SYNs that found tcp_max_syn_backlog half-open connections") \
	X(TcpExtListenDrops, "SYNs dropped") \
	X(CookieReplays, "SYN cookies that had opened a connection before") \
	X(CookieOverflows, "valid SYN cookies refused: the store of spent ones is full") \
	X(CookieLimited, "ACKs not looked at: their source sent too many bad SYN cookies") \
	X(EvictedSlow, "connections reset to make room: on_limit = evict_slowest") \
	X(SourceLimited, "connections refused: max_per_source") \
	X(ShareNodesRefused, "segments out of order refused: the share of their source is used up") \
	X(ShareBytesRefused, "data refused: the share of its source is used up") \
	X(IdleClosed, "connections reset: idle_timeout") \
	X(TcpExtPAWSPassive, "SYNs refused: older than what TIME_WAIT remembers (RFC 6191)") \
	X(TcpExtTCPFastOpenActive, "servers that took data in the SYN") \
	X(TcpExtTCPFastOpenActiveFail, "servers that did not take data in the SYN") \
	X(TcpExtTCPFastOpenPassive, "clients whose data in the SYN was taken") \
	X(TcpExtTCPFastOpenPassiveFail, "clients whose Fast Open cookie was not valid") \
	X(TcpExtTCPFastOpenListenOverflow, "data in SYNs not taken: tcp_fastopen_max_qlen") \
	X(TcpExtTCPFastOpenCookieReqd, "clients that asked for a Fast Open cookie") \
	X(RateLimited, "SYNs over the rate limit") \
	X(Denied, "SYNs refused by allow and deny") \
	X(UnknownReset, "segments of no connection that were answered by RST") \
	X(UnknownPassed, "segments of no connection that were passed on") \
	X(UnknownDropped, "segments of no connection that were dropped") \
	X(Spliced, "connections handed to the kernel") \
	X(SpliceOptions, "connections not spliced: the options of the legs differ") \
	X(SpliceMss, "connections not spliced: the MSS of the server is too small") \
	X(SpliceWindow, "connections not spliced: the first window of the server is too small") \
	X(SpliceFault, "connections not spliced: a fault had delayed what the client sent") \
	X(SpliceNoRoom, "connections not spliced: the map is full, or there is no BPF")
/* clang-format on */

enum engine_counter_id {
#define X(n, help) EC_##n,
	ENGINE_COUNTERS(X)
#undef X
	EC_COUNT
};

enum shield_counter_id {
#define X(n, help) SC_##n,
	SHIELD_COUNTERS(X)
#undef X
	SC_COUNT
};

#endif
