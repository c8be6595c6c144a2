/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_SEGMENT_H
#define PENSTOCK_WIRE_SEGMENT_H

/*
 * A TCP segment, parsed and validated once.  Everything in host order.
 */
#include "util/types.h"
#include "wire/drop.h"
#include "wire/packet.h"

#define TCP_FIN 0x001u
#define TCP_SYN 0x002u
#define TCP_RST 0x004u
#define TCP_PSH 0x008u
#define TCP_ACK 0x010u
#define TCP_URG 0x020u
#define TCP_ECE 0x040u
#define TCP_CWR 0x080u
#define TCP_AE 0x100u

#define ECN_NOT_ECT 0
#define ECN_ECT1 1
#define ECN_ECT0 2
#define ECN_CE 3

/* struct tcp_opts.has */
#define OPT_HAS_MSS BIT(0)
#define OPT_HAS_WSCALE BIT(1)
#define OPT_HAS_SACKOK BIT(2)
#define OPT_HAS_TS BIT(3)
#define OPT_HAS_UTO BIT(4)
#define OPT_HAS_TFO BIT(5)     /* kind 34 */
#define OPT_HAS_TFO_EXP BIT(6) /* kind 254, ExID 0xF989 */
#define OPT_HAS_SIGNED BIT(7)  /* kind 19 (MD5) or 29 (AO) */

#define SACK_BLOCKS_MAX 4
#define TFO_COOKIE_MAX 16

/**
 * struct sack_block - A SACK block (RFC 2018)
 * @start: first sequence number
 * @end:   one past the last
 */
struct sack_block {
	seq_t start, end; /* end is exclusive */
};

/**
 * struct tcp_opts - TCP options (both directions: parsed and to be built)
 * @has:     which are present (OPT_HAS_*); SACK blocks by @nsack
 * @nsack:   number of valid SACK blocks
 * @wscale:  shift as sent (a receiver uses at most 14, RFC 7323, 2.3)
 * @tfo_len: Fast Open cookie length; 0 is a cookie request
 * @mss:     bytes
 * @uto:     user timeout as sent: bit 15 = minutes, else seconds (RFC 5482)
 *
 * A repeated option: the last one wins, as in Linux.  SYN-only options are
 * left out of non-SYN segments by the parser; SACK blocks out of SYNs.
 */
struct tcp_opts {
	uint8_t has;
	uint8_t nsack;
	uint8_t wscale;
	uint8_t tfo_len;
	uint16_t mss;
	uint16_t uto;
	uint32_t tsval, tsecr;
	struct sack_block sack[SACK_BLOCKS_MAX];
	uint8_t tfo[TFO_COOKIE_MAX];
};

/**
 * struct segment - One received segment
 * @t:     addresses from our side: local = the packet's destination
 * @seq:   first sequence number
 * @ack:   acknowledgment number, meaningful with TCP_ACK
 * @flags: TCP_*, nine bits
 * @wnd:   window field, unscaled
 * @urg:   urgent pointer field
 * @data:  payload (a slice of the packet's buffer; borrowed)
 * @family: 4 or 6
 * @ecn:   ECN_* of the IP header
 * @ttl:   TTL or hop limit
 * @tos:   DSCP and ECN byte
 * @opts:  options
 */
struct segment {
	struct tuple t;
	seq_t seq, ack;
	uint16_t flags;
	uint16_t wnd;
	uint16_t urg;
	uint8_t family;
	uint8_t ecn;
	uint8_t ttl;
	uint8_t tos;
	struct slice data;
	struct tcp_opts opts;
};

/* SEG.LEN: payload plus one each for SYN and FIN (RFC 9293, 3.4). */
static inline uint32_t segment_len(const struct segment *s)
{
	return s->data.len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/* First sequence number after the segment. */
static inline seq_t segment_end(const struct segment *s)
{
	return seq_add(s->seq, segment_len(s));
}

/* Flag combinations that are invalid in every state. */
static inline bool segment_senseless(uint32_t flags)
{
	uint32_t f = flags & (TCP_SYN | TCP_FIN | TCP_RST);

	if (f & (f - 1))
		return true; /* two of them */
	return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == 0;
}

/**
 * enum icmp_kind - ICMP and ICMPv6 errors that concern TCP (RFC 5927)
 */
enum icmp_kind {
	ICMP_K_PTB,	     /* fragmentation needed / packet too big */
	ICMP_K_UNREACH_SOFT, /* net, host unreachable, time exceeded, ... */
	ICMP_K_UNREACH_HARD, /* protocol, port; administratively prohibited */
	ICMP_K_OTHER,	     /* source quench, redirect, ...: ignored */
};

/**
 * struct icmp_error - A parsed ICMP error that quotes a TCP segment
 * @t:    the quoted segment's addresses, from our side (we sent it: local =
 *        the quoted source)
 * @seq:  the quoted sequence number
 * @mtu:  next-hop MTU, bytes; 0 when the router did not say
 * @type: ICMP type as on the wire
 * @code: ICMP code as on the wire
 */
struct icmp_error {
	struct tuple t;
	seq_t seq;
	enum icmp_kind kind;
	uint32_t mtu;
	uint8_t family, type, code;
};

enum parse_result {
	PARSE_SEGMENT, /* *seg is valid */
	PARSE_ICMP,    /* *icmp is valid */
	PARSE_FOREIGN, /* not TCP, or a fragment of ICMP: pass unchanged */
	PARSE_PART,    /* TCP not to be ended here: see wire_parse() */
	PARSE_DROP,    /* malformed: *why says how */
};

/**
 * wire_parse() - Validate a packet and parse it once
 * @pkt:  the packet; borrowed
 * @seg:  out, with PARSE_SEGMENT; with PARSE_PART only its addresses, and what
 *        of ports and flags is in the packet: else the ports are 0, and the
 *        flags TCP_SYN, as it may be one
 * @icmp: out, with PARSE_ICMP
 * @why:  out: with PARSE_DROP the reason; with PARSE_FOREIGN too (FRAGMENT,
 *        NOT_TCP); with PARSE_PART FRAGMENT, SIGNED (an authentication header)
 * or IP_EXTENSION (a routing header with segments left, or two of these)
 *
 * Checks in this order: capture length, IP version and header, IPv4 header
 * checksum, IPv6 extension chain (hop-by-hop, routing, destination options,
 * fragment, authentication; at most 8 headers), fragments, addresses (source
 * and destination equal with equal ports, multicast or broadcast or
 * unspecified on either side, loopback never), ports, TCP header length,
 * checksum unless @pkt->csum says it was done, option list.  Flag
 * combinations are *not* judged here (they depend on the state), except that
 * SYN+FIN, SYN+RST, FIN+RST and a segment with none of SYN, ACK, RST, FIN are
 * DROP_FLAGS, as no state has a use for them.  FIN without ACK is left to the
 * state machine.
 *
 * An option list that a length breaks (0, 1, or past the header): parsing of
 * options stops there and what came before counts, as in Linux.
 */
enum parse_result wire_parse(const struct packet *pkt, struct segment *seg,
			     struct icmp_error *icmp, enum drop_reason *why);

/**
 * wire_peek() - The addresses of a packet that looks like a segment
 * @t: out, from our side.  Nothing is validated but that they can be read
 * Return: false where they are not in their usual place
 */
bool wire_peek(const struct packet *pkt, struct tuple *t);

#endif
