/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_BUILD_H
#define PENSTOCK_WIRE_BUILD_H

/*
 * Headers are built straight into the transmit area.
 */
#include "wire/packet.h"
#include "wire/segment.h"

/**
 * struct hdr_spec - What goes into a segment's headers
 * @t:     addresses from our side: local becomes the packet's source
 * @opts:  options, or NULL.  Written in Linux's order.  In a SYN (with or
 *         without ACK): mss, sackOK, TS, nop, wscale; without timestamps mss,
 *         nop, nop, sackOK, nop, wscale; then Fast Open, UTO, padded with
 *         nops.  In other segments: nop, nop, TS, then nop, nop, SACK.
 * @ip_id: IPv4 identification
 * @flow_label: IPv6 flow label, 20 bits
 * @wnd:   window field as sent (already scaled)
 */
struct hdr_spec {
	const struct tuple *t;
	const struct tcp_opts *opts;
	seq_t seq, ack;
	uint16_t flags;
	uint16_t wnd;
	uint16_t urg;
	uint16_t ip_id;
	uint32_t flow_label;
	uint8_t tos;
	uint8_t ttl;
	bool df; /* IPv4 don't fragment */
};

/**
 * wire_opts_len() - Bytes that wire_build() will use for these options
 * @syn: whether the segment has SYN set
 * Return: 0..40, a multiple of four.  SACK blocks that do not fit are left out.
 */
uint32_t wire_opts_len(const struct tcp_opts *o, bool syn);

/**
 * wire_build() - Write IP and TCP header of a segment
 * @tx:      out: hdr, hdr_len, l4_off, family, csum_done = false.  The caller
 *           has set (or will set) payload, iov and gso_size
 * @payload: payload bytes that will follow, for the length fields and the
 *           pseudo-header sum
 *
 * No options are written that do not fit 40 bytes; SACK blocks go first.
 */
void wire_build(struct tx *tx, const struct hdr_spec *h, uint32_t payload);

/**
 * wire_csum_finish() - Complete the L4 checksum in software
 * For the paths without checksum offload (raw sockets, verdicts).
 */
void wire_csum_finish(struct tx *tx);

/* The IPv6 flow label of a connection, 20 bits (RFC 6437). */
static inline uint32_t wire_flow_label(seq_t iss)
{
	return iss.v * 2654435761u >> 12;
}

/* Answers to a segment that need no state. */
void answer_rst(struct tx *tx, const struct segment *s);
void answer_ack(struct tx *tx, const struct segment *s, seq_t seq, seq_t ack,
		uint16_t wnd, const struct tcp_opts *o);
void answer_syn_ack(struct tx *tx, const struct segment *s, seq_t iss,
		    uint16_t wnd, bool ecn, const struct tcp_opts *o);

/**
 * wire_build_icmp() - Build an ICMP or ICMPv6 error about a received packet
 * @src:  address that the error comes from
 * @type: ICMP type
 * @code: ICMP code
 * @mtu:  next-hop MTU for "too big"; otherwise 0
 * Quotes the offending header and 8 bytes (IPv4) or as much as fits @tx->hdr.
 * Return: 0 or -EMSGSIZE
 */
int wire_build_icmp(struct tx *tx, const struct packet *about,
		    const struct ipaddr *src, uint8_t type, uint8_t code,
		    uint32_t mtu);

/* RFC 1071.  @sum: running 32-bit sum in, folded later by csum_fold(). */
uint64_t csum_add(uint64_t sum, const void *p, size_t len);
uint16_t csum_fold(uint64_t sum); /* folded, not inverted */
/* Pseudo-header sum of a TCP or ICMPv6 packet of @len L4 bytes. */
uint64_t csum_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
		     uint8_t proto, uint32_t len);

#endif
