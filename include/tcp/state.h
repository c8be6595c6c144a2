/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_STATE_H
#define PENSTOCK_TCP_STATE_H

/*
 * The legal transitions between the eleven states (RFC 9293, 3.3.2).
 * docs/STATES.md is generated from this table.
 */
#include "util/tcp_state.h"
#include "util/types.h"

#define TCP_EVENT_LIST(X) \
	X(OPEN_ACTIVE)    \
	X(OPEN_PASSIVE)   \
	X(ACCEPT)         \
	X(RCV_SYN)        \
	X(RCV_SYN_ACK)    \
	X(RCV_ACK)        \
	X(RCV_FIN)        \
	X(RCV_FIN_ACK)    \
	X(RCV_RST)        \
	X(CLOSE)          \
	X(ABORT)          \
	X(TIMEOUT)        \
	X(REFUSED)

enum tcp_event {
#define X(n) TE_##n,
	TCP_EVENT_LIST(X)
#undef X
	TE_COUNT
};

extern const char *const tcp_state_name[TS_COUNT];
extern const char *const tcp_event_name[TE_COUNT];

/* Is @from -> @to on @why in the table? */
bool tcp_transition_legal(enum tcp_state from, enum tcp_state to,
			  enum tcp_event why);

/* Walk the table: i = 0, 1, ... until false. */
bool tcp_transition_at(uint32_t i, enum tcp_state *from, enum tcp_state *to,
		       enum tcp_event *why);

#endif
