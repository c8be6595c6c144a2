/* SPDX-License-Identifier: MIT */
/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers, walked to the payload.
 *
 * Every length is checked against what was captured before anything behind it
 * is read.  A protocol that is not TCP or ICMP ends the walk without being an
 * error.  Fragments are not reassembled here, an authentication header (RFC
 * 4302) signs what we would change, and a routing header with segments left
 * means that this is not the destination.  In these cases the walk goes on to
 * the ports, so that their service can decide, and @hidden has the reason.
 *
 * IPv6 packets larger than 64 KiB ("BIG TCP") have a payload length of zero;
 * NFQUEUE cannot deliver them whole and they are refused as IP_HEADER.
 */
#include "wire/build.h"
#include "internal.h"

bool ip_addr_martian(const struct ipaddr *a, uint8_t family)
{
	static const uint8_t zero[15];
	const uint8_t *b = a->b;

	if (family == 4) {
		b += 12;
		return b[0] == 0 || b[0] == 127 || (b[0] & 0xf0) == 0xe0 ||
		       get_be32(b) == 0xffffffffu;
	}
	/* A v4-mapped address on the wire would pass for IPv4 inside. */
	return b[0] == 0xff || ipaddr_is_v4(a) ||
	       (memcmp(b, zero, 15) == 0 && b[15] <= 1);
}

/* With two reasons at once, use one that no policy lets pass. */
static void note_hidden(struct ip_view *v, enum drop_reason why)
{
	if (v->hidden != DROP_NONE && v->hidden != why)
		why = DROP_IP_EXTENSION;
	v->hidden = why;
}

/* What the extension header at @v->l4 says besides what follows it. */
static void note_header(struct ip_view *v)
{
	switch (v->proto) {
	case PROTO_FRAGMENT:
		note_hidden(v, DROP_FRAGMENT);
		v->later = get_be16(v->l4 + 2) & IPV6_OFFSET_MASK;
		break;
	case PROTO_AUTH:
		note_hidden(v, DROP_SIGNED);
		break;
	case PROTO_ROUTING:
		if (v->l4[3])
			note_hidden(v, DROP_IP_EXTENSION);
		break;
	default:
		break;
	}
}

static uint32_t header_len(const struct ip_view *v)
{
	if (v->proto == PROTO_FRAGMENT)
		return 8;
	if (v->proto == PROTO_AUTH) /* RFC 4302, 2.2 */
		return (v->l4[1] + 2u) * 4u;
	return (v->l4[1] + 1u) * 8u;
}

/* To what follows the header at @v->l4; false: it is not all there. */
static bool step_over(struct ip_view *v)
{
	uint32_t hlen;

	if (v->l4_len < 8)
		return false;
	hlen = header_len(v);
	if (hlen > v->l4_len)
		return false;
	note_header(v);
	v->proto = v->l4[0];
	v->l4 += hlen;
	v->l4_len -= hlen;
	return true;
}

/* In a quote of 8 bytes an authentication header is cut off before the next
 * protocol: it counts as another protocol. */
static enum drop_reason ipv4_parse(const uint8_t *p, uint32_t len, bool quote,
				   struct ip_view *v)
{
	uint32_t hlen, total;

	if (len < IPV4_HLEN)
		return DROP_IP_HEADER;
	hlen = (p[0] & 0x0fu) * 4u;
	total = quote ? len : get_be16(p + 2);
	if (hlen < IPV4_HLEN || total < hlen || total > len)
		return DROP_IP_HEADER;
	if (!quote && csum_fold(csum_add(0, p, hlen)) != 0xffff)
		return DROP_IP_CSUM;
	if (get_be16(p + 6) & IPV4_FRAG_MASK)
		v->hidden = DROP_FRAGMENT;
	v->later = get_be16(p + 6) & IPV4_OFFSET_MASK;
	v->src = ipaddr_v4(p + 12);
	v->dst = ipaddr_v4(p + 16);
	v->l4 = p + hlen;
	v->l4_len = total - hlen;
	v->proto = p[9];
	v->tos = p[1];
	v->ttl = p[8];
	for (uint32_t n = 0; v->proto == PROTO_AUTH && !v->later && !quote; n++)
		if (n == IP_EXT_MAX || !step_over(v))
			return DROP_IP_EXTENSION;
	return v->proto == PROTO_TCP || v->proto == PROTO_ICMP ? DROP_NONE
							       : DROP_NOT_TCP;
}

/*
 * Walk the extension headers.  @v->l4 and @v->l4_len move on, @v->proto is the
 * protocol that follows.
 */
static enum drop_reason ipv6_walk(struct ip_view *v)
{
	for (uint32_t n = 0;; n++) {
		switch (v->proto) {
		case PROTO_TCP:
		case PROTO_ICMPV6:
			return DROP_NONE;
		case PROTO_HOPOPTS:
			if (n > 0)
				return DROP_IP_HEADER; /* RFC 8200, 4.1 */
			break;
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
		case PROTO_FRAGMENT:
		case PROTO_AUTH:
			break;
		default:
			return DROP_NOT_TCP;
		}
		if (n == IP_EXT_MAX || !step_over(v))
			return DROP_IP_EXTENSION;
		if (v->later)
			return v->proto == PROTO_TCP ? DROP_NONE : DROP_NOT_TCP;
	}
}

static enum drop_reason ipv6_parse(const uint8_t *p, uint32_t len, bool quote,
				   struct ip_view *v)
{
	uint32_t payload;

	if (len < IPV6_HLEN)
		return DROP_IP_HEADER;
	payload = quote ? len - IPV6_HLEN : get_be16(p + 4);
	if (payload > len - IPV6_HLEN)
		return DROP_IP_HEADER;
	v->proto = p[6];
	if (payload == 0 && !quote && v->proto != PROTO_NONE)
		return DROP_IP_HEADER;

	v->src = ipaddr_v6(p + 8);
	v->dst = ipaddr_v6(p + 24);
	v->l4 = p + IPV6_HLEN;
	v->l4_len = payload;
	v->tos = (uint8_t)(get_be16(p) >> 4);
	v->ttl = p[7];
	return ipv6_walk(v);
}

enum drop_reason ip_view_parse(const uint8_t *p, uint32_t len, bool quote,
			       struct ip_view *v, bool *foreign)
{
	enum drop_reason why = DROP_IP_VERSION;

	*foreign = false;
	v->hidden = DROP_NONE;
	v->later = false;
	if (len == 0)
		return DROP_TRUNCATED;
	v->family = p[0] >> 4;
	if (v->family == 4)
		why = ipv4_parse(p, len, quote, v);
	else if (v->family == 6)
		why = ipv6_parse(p, len, quote, v);
	if (why == DROP_NONE)
		why = v->hidden;
	else if (why != DROP_NOT_TCP)
		return why;
	*foreign = why != DROP_NONE;
	return why;
}
