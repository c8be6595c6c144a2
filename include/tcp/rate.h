/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_RATE_H
#define PENSTOCK_TCP_RATE_H

/*
 * Delivery rate (draft-ietf-ccwg-bbr, 4.1): how fast the network delivers what
 * is sent, measured between the sending of a packet and its acknowledgment.
 */
#include "util/types.h"

/**
 * struct rate_meter - A connection's counts; section 4.1.2.1.1
 * @delivered: bytes, modulo 2^32
 * @lost:      bytes marked lost, modulo 2^32
 * @delivered_us: when @delivered last grew, modulo 2^32 us
 * @first_sent_us: when the packet that was delivered last had been sent
 * @limited_until: while @limited: what is sent until @delivered reaches this is
 *             application-limited
 */
struct rate_meter {
	uint32_t delivered, lost;
	uint32_t delivered_us, first_sent_us;
	uint32_t limited_until;
	bool limited;
};

/**
 * struct rate_mark - The counts when a packet was sent; 4.1.2.1.2
 * @tx_in_flight: bytes, with it
 */
struct rate_mark {
	uint32_t delivered, lost;
	uint32_t delivered_us, first_sent_us;
	uint32_t tx_in_flight;
	bool app_limited;
};

/**
 * struct rate_sample - What an ACK shows about the path; 4.1.2.1.3
 * @has:         something was delivered
 * @app_limited: the application had no more to send meanwhile
 * @prior_delivered: count when the newest delivered packet was sent
 * @delivered:   bytes delivered since then
 * @interval_us: in this time; 0: unknown
 * @rate:        bytes a second; 0: no reliable sample
 * @rtt_us:      of the newest delivered packet; -1: none
 * @newly_acked: bytes that this ACK newly acknowledged
 * @newly_lost:  bytes that it marked lost
 * @tx_in_flight: in flight when the newest delivered packet was sent, with it
 * @lost:        bytes lost since then
 * @sent_us, @end: of the newest delivered packet
 */
struct rate_sample {
	bool has, app_limited;
	uint32_t prior_delivered, delivered;
	uint32_t interval_us;
	uint64_t rate;
	int64_t rtt_us;
	uint32_t newly_acked, newly_lost;
	uint32_t tx_in_flight, lost;
	uint32_t sent_us, prior_us, send_elapsed_us;
	seq_t end;
};

/**
 * rate_sent() - A packet is sent
 * @inflight: bytes in flight, with it
 * @len:      its bytes
 */
void rate_sent(struct rate_meter *r, struct rate_mark *m, uint32_t inflight,
	       uint32_t len, mono_t now);

/* An ACK begins. */
void rate_begin(struct rate_sample *s);

/**
 * struct rate_packet - A packet that an ACK acknowledges
 * @mark:    what rate_sent() wrote
 * @sent_us: when it was sent, modulo 2^32 us
 * @end:     one past its last sequence number
 * @len:     bytes
 */
struct rate_packet {
	const struct rate_mark *mark;
	uint32_t sent_us;
	seq_t end;
	uint32_t len;
};

/* The ACK acknowledges @p. */
void rate_delivered(struct rate_meter *r, struct rate_sample *s,
		    const struct rate_packet *p, mono_t now);

/* The ACK is complete: compute the rate.  @min_rtt_us: of the connection. */
void rate_finish(struct rate_meter *r, struct rate_sample *s,
		 uint32_t min_rtt_us);

/* @inflight bytes are in flight, and there is nothing more to send. */
void rate_limited(struct rate_meter *r, uint32_t inflight);

#endif
