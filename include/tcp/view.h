/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_VIEW_H
#define PENSTOCK_TCP_VIEW_H

/*
 * What is shown of a leg.
 */
#include "tcp/chrono.h"

struct leg;

/* What ss calls the timers of a socket, and in which order they count. */
enum view_timer {
	VIEW_TIMER_NONE,
	VIEW_TIMER_ON,	    /* retransmission, loss probe, reordering */
	VIEW_TIMER_PERSIST, /* zero-window probe */
	VIEW_TIMER_KEEPALIVE,
	VIEW_TIMER_CLOSE, /* the limit of a closing state, or idle_timeout */
	VIEW_TIMERS
};

/* on, persist, keepalive, timewait; "" for none */
extern const char *const view_timer_name[VIEW_TIMERS];

/* Options that were agreed on, as ss names them. */
#define VIEW_OPT_TS BIT(0)
#define VIEW_OPT_SACK BIT(1)
#define VIEW_OPT_ECN BIT(2)
#define VIEW_OPT_WSCALE BIT(3)
#define VIEW_OPT_FASTOPEN BIT(4)

/**
 * struct leg_view - A leg, for display
 * @local: our address; its port is @lport
 * @peer:  the peer's address; its port is @port
 * @state: enum tcp_state
 * @cc:    enum tcp_cc_kind in force
 * @options: VIEW_OPT_*
 * @snd_wscale, @rcv_wscale: of the peer's windows, and of ours
 * @timer: enum view_timer: the one that comes next
 * @retries: how often that timer has expired in a row
 * @dropped: why a segment was last dropped: enum drop_reason
 * @ended: how the leg ended: enum leg_ended
 * @app_limited: there is nothing more to send now
 * @timer_ms: until @timer
 * @queued_bytes: bytes in the send queue, including those in flight
 * @unread_bytes: bytes from the peer that the other side was not yet sent;
 *         flow_view_walk() fills it in
 * @wnd_bytes: the peer's window
 * @rcv_wnd_bytes: ours
 * @ssthresh_bytes: 0: still in the first slow start
 * @mss_bytes: payload of its segments
 * @rcv_mss_bytes: of the peer's, as estimated
 * @adv_mss_bytes: what we announced, without room for timestamps
 * @lost_bytes, @sacked_bytes: of those in flight
 * @ooo: segments received out of order that wait
 * @acked_bytes: bytes that the peer acknowledged
 * @received_bytes: bytes received in order
 * @resent_bytes: bytes sent again
 * @pacing_rate, @delivery_rate: bytes a second; 0: none
 * @sent_ago_ms, @received_ago_ms, @acked_ago_ms: since data was sent, a
 *         segment received, bytes acknowledged
 * @chrono: where its time went, until now
 */
struct leg_view {
	struct ipaddr local, peer;
	uint16_t lport, port;
	uint8_t state, cc, options, snd_wscale, rcv_wscale;
	uint8_t timer, retries, dropped, ended;
	bool app_limited;
	uint32_t timer_ms;
	uint32_t inflight_bytes, queued_bytes, unread_bytes;
	uint32_t cwnd_bytes, ssthresh_bytes, wnd_bytes, rcv_wnd_bytes;
	uint32_t srtt_us, rttvar_us, min_rtt_us, rto_us;
	uint32_t mss_bytes, pmtu, rcv_mss_bytes, adv_mss_bytes;
	uint32_t lost_bytes, sacked_bytes, ooo;
	uint64_t acked_bytes, received_bytes, resent_bytes;
	uint32_t segs_in, segs_out;
	uint64_t pacing_rate, delivery_rate;
	uint32_t sent_ago_ms, received_ago_ms, acked_ago_ms;
	struct leg_chrono chrono;
};

/* Why a segment was last dropped, as a word; NULL: none was. */
const char *leg_view_dropped(const struct leg_view *v);
/* How it ended: closed, reset, refused, timeout, aborted; NULL: it has not. */
const char *leg_view_ended(const struct leg_view *v);

/* The leg as it is @now. */
struct leg_view leg_view(const struct leg *l, mono_t now);

#endif
