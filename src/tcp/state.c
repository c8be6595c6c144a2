/* SPDX-License-Identifier: MIT */
/*
 * The state diagram as a table (RFC 9293, 3.3.2, with figure 5's notes).
 *
 * leg_set_state() asserts each transition against it, docs/STATES.md is
 * generated from it, and the matrix test walks it.  RST, ABORT and TIMEOUT lead
 * to CLOSED from every state, so those rows are not listed.
 */
#include "tcp/state.h"

const char *const tcp_state_name[TS_COUNT] = {
#define X(n) #n,
	TCP_STATE_LIST(X)
#undef X
};

const char *const tcp_event_name[TE_COUNT] = {
#define X(n) #n,
	TCP_EVENT_LIST(X)
#undef X
};

struct transition {
	uint8_t from, to, why;
};

static const struct transition table[] = {
	{TS_CLOSED, TS_SYN_SENT, TE_OPEN_ACTIVE},
	{TS_CLOSED, TS_LISTEN, TE_OPEN_PASSIVE},
	/* a cookie came back: the SYN_RECEIVED that was never stored */
	{TS_CLOSED, TS_SYN_RECEIVED, TE_ACCEPT},
	{TS_LISTEN, TS_SYN_RECEIVED, TE_ACCEPT},
	{TS_LISTEN, TS_CLOSED, TE_REFUSED},
	{TS_LISTEN, TS_CLOSED, TE_CLOSE},
	{TS_SYN_SENT, TS_ESTABLISHED, TE_RCV_SYN_ACK},
	{TS_SYN_SENT, TS_SYN_RECEIVED, TE_RCV_SYN}, /* simultaneous open */
	{TS_SYN_SENT, TS_CLOSED, TE_REFUSED},
	{TS_SYN_SENT, TS_CLOSED, TE_CLOSE},
	{TS_SYN_RECEIVED, TS_ESTABLISHED, TE_RCV_ACK},
	{TS_SYN_RECEIVED, TS_CLOSED, TE_REFUSED},
	{TS_ESTABLISHED, TS_FIN_WAIT_1, TE_CLOSE},
	{TS_ESTABLISHED, TS_CLOSE_WAIT, TE_RCV_FIN},
	{TS_FIN_WAIT_1, TS_FIN_WAIT_2, TE_RCV_ACK},
	{TS_FIN_WAIT_1, TS_CLOSING, TE_RCV_FIN}, /* simultaneous close */
	{TS_FIN_WAIT_1, TS_TIME_WAIT, TE_RCV_FIN_ACK},
	{TS_FIN_WAIT_2, TS_TIME_WAIT, TE_RCV_FIN},
	{TS_CLOSE_WAIT, TS_LAST_ACK, TE_CLOSE},
	{TS_CLOSING, TS_TIME_WAIT, TE_RCV_ACK},
	{TS_LAST_ACK, TS_CLOSED, TE_RCV_ACK},
};

static const uint8_t to_closed[] = {TE_RCV_RST, TE_ABORT, TE_TIMEOUT};

#define GENERATED ((TS_COUNT - 1) * (uint32_t)ARRAY_LEN(to_closed))

bool tcp_transition_at(uint32_t i, enum tcp_state *from, enum tcp_state *to,
		       enum tcp_event *why)
{
	if (i < ARRAY_LEN(table)) {
		*from = table[i].from;
		*to = table[i].to;
		*why = table[i].why;
		return true;
	}
	i -= (uint32_t)ARRAY_LEN(table);
	if (i >= GENERATED)
		return false;
	*from = (enum tcp_state)(1 + i / ARRAY_LEN(to_closed));
	*to = TS_CLOSED;
	*why = to_closed[i % ARRAY_LEN(to_closed)];
	return true;
}

bool tcp_transition_legal(enum tcp_state from, enum tcp_state to,
			  enum tcp_event why)
{
	enum tcp_state f, t;
	enum tcp_event w;

	for (uint32_t i = 0; tcp_transition_at(i, &f, &t, &w); i++) {
		if (f == from && t == to && w == why)
			return true;
	}
	return false;
}
