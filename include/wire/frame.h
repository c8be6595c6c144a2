/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_FRAME_H
#define PENSTOCK_WIRE_FRAME_H

/*
 * The headers of a packet that leaves, byte by byte: for those who read or
 * change what wire_build() has written.  What arrives is parsed once, into
 * struct segment.
 *
 * @ip is the first byte of an IP header, @tcp of a TCP header (RFC 9293, 3.1).
 * Values are in host order.
 */
#include "util/types.h"
#include "wire/segment.h"

#define IPV4_HLEN 20u
#define IPV6_HLEN 40u
#define ICMP_HLEN 8u
#define TCP_HLEN 20u
#define TCP_HLEN_MAX 60u

#define TCPOPT_EOL 0
#define TCPOPT_NOP 1
#define TCPOPT_MSS 2	       /* RFC 9293, 3.2 */
#define TCPOPT_WSCALE 3	       /* RFC 7323, 2 */
#define TCPOPT_SACKOK 4	       /* RFC 2018, 2 */
#define TCPOPT_SACK 5	       /* RFC 2018, 3 */
#define TCPOPT_TS 8	       /* RFC 7323, 3 */
#define TCPOPT_MD5 19	       /* RFC 2385 */
#define TCPOPT_UTO 28	       /* RFC 5482 */
#define TCPOPT_AO 29	       /* RFC 5925 */
#define TCPOPT_TFO 34	       /* RFC 7413, 4.1.1 */
#define TCPOPT_EXP 254	       /* RFC 6994 */
#define TCPOPT_EXP_TFO 0xf989u /* the experiment that became Fast Open */

#define TCPOLEN_TS 10u
#define TCPOLEN_TFO_BASE 2u
#define TCPOLEN_EXP_TFO_BASE 4u

/* Offsets of the fields.  enum: usable where a constant is needed. */
enum {
	IPV4_AT_TOS = 1,
	IPV4_AT_LEN = 2,
	IPV4_AT_TTL = 8,
	IPV4_AT_PROTO = 9,
	IPV4_AT_CSUM = 10,
	IPV4_AT_SRC = 12,
	IPV4_AT_DST = 16,

	IPV6_AT_PAYLOAD = 4,
	IPV6_AT_PROTO = 6,
	IPV6_AT_HOPS = 7,
	IPV6_AT_SRC = 8,
	IPV6_AT_DST = 24,

	TCP_AT_SPORT = 0,
	TCP_AT_DPORT = 2,
	TCP_AT_SEQ = 4,
	TCP_AT_ACK = 8,
	TCP_AT_FLAGS = 12, /* with the header's length in the upper four bits */
	TCP_AT_WND = 14,
	TCP_AT_CSUM = 16,
	TCP_AT_URG = 18,
};

#define TCP_FLAGS_ALL 0x1ffu

static inline seq_t frame_seq(const uint8_t *tcp)
{
	return SEQ(get_be32(tcp + TCP_AT_SEQ));
}

static inline seq_t frame_ack(const uint8_t *tcp)
{
	return SEQ(get_be32(tcp + TCP_AT_ACK));
}

/* TCP_*, nine bits. */
static inline uint16_t frame_flags(const uint8_t *tcp)
{
	return get_be16(tcp + TCP_AT_FLAGS) & TCP_FLAGS_ALL;
}

static inline uint16_t frame_wnd(const uint8_t *tcp)
{
	return get_be16(tcp + TCP_AT_WND);
}

static inline void frame_set_seq(uint8_t *tcp, seq_t seq)
{
	put_be32(tcp + TCP_AT_SEQ, seq.v);
}

static inline void frame_set_ack(uint8_t *tcp, seq_t ack)
{
	put_be32(tcp + TCP_AT_ACK, ack.v);
}

/* Clear the flags of @clear, then set those of @set. */
static inline void frame_change_flags(uint8_t *tcp, uint16_t clear,
				      uint16_t set)
{
	put_be16(tcp + TCP_AT_FLAGS,
		 (uint16_t)((get_be16(tcp + TCP_AT_FLAGS) & ~clear) | set));
}

static inline void frame_set_wnd(uint8_t *tcp, uint16_t wnd)
{
	put_be16(tcp + TCP_AT_WND, wnd);
}

static inline void frame_set_urg(uint8_t *tcp, uint16_t urg)
{
	put_be16(tcp + TCP_AT_URG, urg);
}

/* The protocol of the IP header (we send no extension headers). */
static inline uint8_t frame_proto(const uint8_t *ip, uint8_t family)
{
	return ip[family == 4 ? IPV4_AT_PROTO : IPV6_AT_PROTO];
}

static inline struct ipaddr frame_src(const uint8_t *ip, uint8_t family)
{
	return family == 4 ? ipaddr_v4(ip + IPV4_AT_SRC)
			   : ipaddr_v6(ip + IPV6_AT_SRC);
}

static inline struct ipaddr frame_dst(const uint8_t *ip, uint8_t family)
{
	return family == 4 ? ipaddr_v4(ip + IPV4_AT_DST)
			   : ipaddr_v6(ip + IPV6_AT_DST);
}

static inline void frame_set_ttl(uint8_t *ip, uint8_t family, uint8_t ttl)
{
	ip[family == 4 ? IPV4_AT_TTL : IPV6_AT_HOPS] = ttl;
}

/* ECN_*: the traffic class of IPv6 lies across two bytes. */
static inline void frame_set_ecn(uint8_t *ip, uint8_t family, uint8_t ecn)
{
	uint32_t shift = family == 4 ? 0 : 4;

	ip[IPV4_AT_TOS] = (uint8_t)((ip[IPV4_AT_TOS] & ~(3u << shift)) |
				    (uint32_t)ecn << shift);
}

/**
 * frame_tuple() - The addresses of a packet of ours, from our side
 * @l4: bytes from @ip to the TCP header
 */
struct tuple frame_tuple(const uint8_t *ip, uint8_t family, uint32_t l4);

/**
 * frame_option() - Walk the options of a TCP header
 * @hlen: bytes of the header
 * @at:   in: where to begin, TCP_HLEN at first, then behind the last one;
 *        out: where an option other than NOP stands
 *
 * Return: its length in bytes, kind included, 2 to 40; 0: there is no other, or
 * a length breaks the list
 */
uint8_t frame_option(const uint8_t *tcp, uint32_t hlen, uint32_t *at);

/* OPT_HAS_* of an option as frame_option() found it; 0: no other module asks
 * for it. */
uint8_t frame_option_bit(const uint8_t *opt, uint8_t len);

/**
 * frame_tcp_sum() - Sum up a TCP segment with its checksum
 * @ip:      the headers, contiguous
 * @l4:      bytes from @ip to the TCP header
 * @hdr_len: bytes of all headers
 * @data:    the payload, or NULL
 * @len:     bytes of it
 *
 * Return: 0xffff when the checksum is right
 */
uint16_t frame_tcp_sum(const uint8_t *ip, uint8_t family, uint32_t l4,
		       uint32_t hdr_len, const uint8_t *data, uint32_t len);

/* Make lengths and checksums right; parameters as of frame_tcp_sum(). */
void frame_seal(uint8_t *ip, uint8_t family, uint32_t l4, uint32_t hdr_len,
		const uint8_t *data, uint32_t len);

#endif
