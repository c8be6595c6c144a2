/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_TCP_STATE_H
#define PENSTOCK_UTIL_TCP_STATE_H

/*
 * The eleven states (RFC 9293, 3.3.2), for all who name or compare them; the
 * transitions are in tcp/state.h.  Reports and scenarios show these numbers and
 * names: new ones go to the end.
 */
#define TCP_STATE_LIST(X) \
	X(CLOSED)         \
	X(LISTEN)         \
	X(SYN_SENT)       \
	X(SYN_RECEIVED)   \
	X(ESTABLISHED)    \
	X(FIN_WAIT_1)     \
	X(FIN_WAIT_2)     \
	X(CLOSE_WAIT)     \
	X(CLOSING)        \
	X(LAST_ACK)       \
	X(TIME_WAIT)

enum tcp_state {
#define X(n) TS_##n,
	TCP_STATE_LIST(X)
#undef X
	TS_COUNT
};

#endif
