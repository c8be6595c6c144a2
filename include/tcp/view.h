/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_VIEW_H
#define PENSTOCK_TCP_VIEW_H

/*
 * What is shown of a leg.
 */
#include "tcp/chrono.h"

struct leg;

/**
 * struct leg_view - A leg, for display
 * @peer: the peer's address; its port is @port
 * @state: enum tcp_state
 * @queued_bytes: bytes in the send queue, including those in flight
 * @wnd_bytes: the peer's window
 * @rcv_wnd_bytes: ours
 * @cc:    enum tcp_cc_kind in force
 * @mss_bytes: payload of its segments
 * @sent_bytes: acknowledged ones, modulo 2^32
 * @chrono: where its time went, until now
 */
struct leg_view {
	struct ipaddr peer;
	uint16_t port;
	uint8_t state, cc;
	uint32_t inflight_bytes, queued_bytes, cwnd_bytes;
	uint32_t wnd_bytes, rcv_wnd_bytes, srtt_us;
	uint32_t mss_bytes, sent_bytes;
	struct leg_chrono chrono;
};

/* The leg as it is @now. */
struct leg_view leg_view(const struct leg *l, mono_t now);

#endif
