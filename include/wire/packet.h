/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_PACKET_H
#define PENSTOCK_WIRE_PACKET_H

/*
 * What passes between the shell and the engine: packets in, packets out.
 */
#include <sys/uio.h>

#include "util/buf.h"
#include "util/types.h"

enum packet_csum {
	PACKET_CSUM_VERIFY,  /* nobody checked it: wire verifies */
	PACKET_CSUM_GOOD,    /* the kernel or the NIC checked it */
	PACKET_CSUM_PARTIAL, /* not filled in yet (local offload): valid */
};

/**
 * struct packet - A received IP packet
 * @buf:      the buffer that @data points into; borrowed
 * @data:     first byte of the IP header
 * @len:      bytes captured
 * @full_len: bytes the packet had; != @len when it was truncated
 * @csum:     what is known of the TCP checksum
 */
struct packet {
	struct buf *buf;
	const uint8_t *data;
	uint32_t len, full_len;
	enum packet_csum csum;
};

#define TX_HDR_MAX 128 /* IPv6 + TCP with options, and some room */
#define TX_IOV_MAX 20
#define TX_PAYLOAD_MAX 65160u /* 45 segments of 1448; header fits 64 KiB */

/**
 * struct tx - A packet to send: header bytes and payload slices
 * @hdr:      IP and TCP (or ICMP) header.  The IPv4 header checksum is
 *            complete; the TCP checksum field holds the folded, *not*
 *            inverted pseudo-header sum (CHECKSUM_PARTIAL), unless @csum_done
 * @hdr_len:  bytes of @hdr in use
 * @l4_off:   where the TCP or ICMP header begins
 * @csum_done: the L4 checksum is complete already
 * @tun_only: it must leave through the TUN
 * @in_place: it is the packet that it answers, changed, and is sent on like it
 * @family:   4 or 6
 * @gso_size: payload bytes per segment when the kernel shall segment; 0 when
 *            the packet is sent as it is
 * @payload:  payload bytes, all of @iov
 * @niov:     entries of @iov in use; they stay valid until the next call of
 *            the engine
 */
struct tx {
	uint8_t hdr[TX_HDR_MAX];
	uint8_t hdr_len;
	uint8_t l4_off;
	uint8_t family;
	bool csum_done, tun_only, in_place;
	uint16_t gso_size;
	uint16_t niov;
	uint32_t payload;
	struct iovec iov[TX_IOV_MAX];
};

#endif
