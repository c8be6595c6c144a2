/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_BBR_H
#define PENSTOCK_TCP_BBR_H

/*
 * BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path that sets window
 * and pacing.  It knows rate samples, but no legs.
 */
#include "tcp/rate.h"
#include "util/prng.h"
#include "util/types.h"

#define BBR_INF UINT32_MAX

/**
 * struct bbr_view - What BBR is told about the connection, and what it decides
 * @mss:       bytes
 * @inflight:  bytes, after this event
 * @initial_cwnd: bytes
 * @srtt_us:   0: none yet
 * @rtt_us:    latest sample; 0: none yet
 * @delivered: bytes since the start, modulo 2^32
 * @sack:      SACK is in use, so several losses in a round trip are visible
 * @recovering: in fast recovery or after a timeout
 * @cwnd_limited: the window was fully used in the last round trip
 * @app_limited: the connection is application-limited now
 * @rng:       for the random time between two probes
 * @cwnd:      in and out, bytes
 * @pacing_rate: in and out, bytes a second
 * @quantum:   out: most bytes of one burst
 * @mark_app_limited: out: what is sent now must not count as a bandwidth sample
 */
struct bbr_view {
	mono_t now;
	uint32_t mss, inflight, initial_cwnd, srtt_us, rtt_us;
	uint32_t delivered;
	bool sack, recovering, cwnd_limited, app_limited;
	struct prng *rng;
	uint32_t cwnd;
	uint64_t pacing_rate;
	uint32_t quantum;
	bool mark_app_limited;
};

enum bbr_state {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_PROBE_DOWN,
	BBR_PROBE_CRUISE,
	BBR_PROBE_REFILL,
	BBR_PROBE_UP,
	BBR_PROBE_RTT
};

extern const char *const bbr_state_name[];

/**
 * struct bbr - The model; names are the draft's, section 3
 * Rates are bytes a second, volumes bytes, BBR_INF no bound.
 */
struct bbr {
	uint64_t max_bw[2]; /* this cycle's and the last one's maximum */
	uint64_t bw_shortterm, bw_latest, bw, full_bw;
	uint64_t undo_bw_shortterm;
	mono_t min_rtt_stamp, probe_rtt_min_stamp, probe_rtt_done_stamp;
	mono_t cycle_stamp, extra_acked_start;
	uint32_t min_rtt_us, probe_rtt_min_us;
	uint32_t inflight_longterm, inflight_shortterm, inflight_latest;
	uint32_t undo_inflight_longterm, undo_inflight_shortterm;
	uint32_t extra_acked[2], extra_acked_delivered;
	uint32_t extra_acked_round;
	uint32_t max_inflight, prior_cwnd;
	uint32_t next_round_delivered, loss_round_delivered;
	uint32_t round_count, drain_start_round;
	uint32_t probe_up_acked_per_inc, probe_up_acked;
	uint32_t probe_wait_us;
	uint32_t delayed_us; /* the time, low bits: last seen a long queue */
	uint16_t chance;     /* 1/16,000 of a flight, lost without a queue */
	uint8_t state, undo_state; /* enum bbr_state; BBR_NONE */
	uint8_t ack_phase;
	uint8_t full_bw_count, probe_up_rounds, rounds_since_probe_up;
	uint8_t loss_events;
	uint8_t delayed_rounds; /* of draining, with a long queue */
	bool round_start : 1, loss_round_start : 1, loss_in_round : 1;
	bool full_bw_now : 1, full_bw_reached : 1;
	bool idle_restart : 1, probe_rtt_expired : 1, probe_rtt_round_done : 1;
	bool bw_probe_sample : 1;
	bool prev_probe_too_high : 1, prev_probe_precautionary : 1;
	bool has_rtt : 1;
	bool own_queue : 1; /* no round without one since DRAIN or UP */
};

/* 5.2.1: call it before the connection sends its first data. */
void bbr_init(struct bbr *b, struct bbr_view *v);

/* 5.2.2: before a packet is sent; @v->inflight does not count it yet. */
void bbr_on_transmit(struct bbr *b, struct bbr_view *v);

/* 5.2.3: on each ACK, after bbr_on_loss() was called for what it marked
 * lost. */
void bbr_on_ack(struct bbr *b, struct bbr_view *v,
		const struct rate_sample *rs);

/**
 * bbr_on_loss() - 5.5.10.2: a packet was marked lost
 * @size:         its bytes
 * @tx_in_flight: in flight when it was sent, with it
 * @lost:         bytes lost since it was sent, with it
 * @app_limited:  the connection was, when it was sent
 */
void bbr_on_loss(struct bbr *b, struct bbr_view *v, uint32_t size,
		 uint32_t tx_in_flight, uint32_t lost, bool app_limited);

/* The peer has echoed a congestion mark.  Counts like a loss, once a round
 * trip. */
void bbr_on_ecn(struct bbr *b, struct bbr_view *v);

/* 5.6.4.4: recovery begins (call it before the window changes), or ends. */
void bbr_enter_recovery(struct bbr *b, struct bbr_view *v, bool timeout);
void bbr_exit_recovery(struct bbr *b, struct bbr_view *v);

/* 5.5.11.2: the loss was spurious. */
void bbr_undo(struct bbr *b, struct bbr_view *v);

/* Does the current RTT show a queue? */
bool bbr_sees_queue(const struct bbr *b, const struct bbr_view *v);

#endif
