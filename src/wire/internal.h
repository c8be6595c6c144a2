/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_WIRE_INTERNAL_H
#define PENSTOCK_WIRE_INTERNAL_H

/*
 * What the files of this module share: protocol constants, and the parts of
 * wire_parse() that have a file of their own.
 */
#include "wire/frame.h"
#include "wire/segment.h"

#define IP_EXT_MAX 8u /* extension headers we are willing to walk */
#define TCP_OPTS_MAX 40u
#define QUOTE_L4_LEN 8u /* bytes of TCP header that an ICMP error must quote */

#define IPV4_DF 0x4000u
#define IPV4_FRAG_MASK 0x3fffu /* MF and the offset */
#define IPV4_OFFSET_MASK 0x1fffu
#define IPV6_OFFSET_MASK 0xfff8u

#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AUTH 51
#define PROTO_ICMPV6 58
#define PROTO_NONE 59
#define PROTO_DSTOPTS 60

#define TCPOLEN_MSS 4u
#define TCPOLEN_WSCALE 3u
#define TCPOLEN_SACKOK 2u
#define TCPOLEN_SACK_BASE 2u
#define TCPOLEN_SACK_BLOCK 8u
#define TCPOLEN_MD5 18u
#define TCPOLEN_UTO 4u
#define TCPOLEN_AO_MIN 4u
#define TFO_COOKIE_MIN 4u

/**
 * struct ip_view - An IP header that was walked to its payload
 * @src:    source address
 * @dst:    destination address
 * @l4:     first byte behind the IP header and its extensions
 * @l4_len: bytes from @l4 to the end of the packet, link padding left out
 * @family: 4 or 6
 * @proto:  what @l4 is: PROTO_*
 * @tos:    DSCP and ECN byte
 * @ttl:    TTL or hop limit
 * @hidden: why TCP in it cannot be terminated here: DROP_FRAGMENT, DROP_SIGNED
 *          (an authentication header), DROP_IP_EXTENSION (a routing header with
 *          segments left, or two of these); else DROP_NONE
 * @later:  a fragment, but not the first: @l4 is no header
 */
struct ip_view {
	struct ipaddr src, dst;
	const uint8_t *l4;
	uint32_t l4_len;
	uint8_t family, proto;
	uint8_t tos, ttl;
	bool later;
	enum drop_reason hidden;
};

/**
 * ip_view_parse() - Validate an IP header and walk it to its payload
 * @p:     the first byte of the header
 * @len:   bytes at @p
 * @quote: the header stands in an ICMP error: its packet is cut off and may
 *         have been rewritten on its way, so lengths and checksum do not count
 * @v:     out, valid with DROP_NONE and @foreign
 * @foreign: out: the packet is in order, but not for us: another protocol
 *         (DROP_NOT_TCP), or TCP or ICMP for the reason in @v->hidden
 *
 * Return: DROP_NONE, or what is wrong or foreign about it
 */
enum drop_reason ip_view_parse(const uint8_t *p, uint32_t len, bool quote,
			       struct ip_view *v, bool *foreign);

/* Is this an address that no unicast TCP packet may have? */
bool ip_addr_martian(const struct ipaddr *a, uint8_t family);

/**
 * tcp_opts_parse() - Read a TCP option list (RFC 9293, 3.1)
 * @p:   the list
 * @len: bytes, 0..40
 * @syn: the segment has SYN set
 * @o:   out; where an option's length breaks the list, what stood before it
 */
void tcp_opts_parse(const uint8_t *p, uint32_t len, bool syn,
		    struct tcp_opts *o);

/* Parse an ICMP or ICMPv6 packet; the contract is wire_parse()'s. */
enum parse_result icmp_parse(const struct packet *pkt, const struct ip_view *v,
			     struct icmp_error *icmp, enum drop_reason *why);

#endif
