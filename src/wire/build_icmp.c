/* SPDX-License-Identifier: MIT */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) errors that we send.
 *
 * The error goes to the source of the packet it is about and quotes that
 * packet's IP header and at least eight bytes behind it, so that the sender can
 * find its connection and check the sequence number.  IPv6 quotes as much as
 * fits the transmit area.  The checksum is complete.
 */
#include <errno.h>

#include "wire/build.h"
#include "internal.h"

#define ICMP_TOS 0xc0 /* internetwork control, RFC 1812, 4.3.2.5 */
#define ICMP_TTL 64

/* Bytes of @about to quote; 0 when it cannot be quoted usefully. */
static uint32_t quote_len(const struct packet *about, const struct ip_view *v)
{
	uint32_t need = (uint32_t)(v->l4 - about->data) + QUOTE_L4_LEN;
	uint32_t room = TX_HDR_MAX - IPV6_HLEN - ICMP_HLEN;

	if (v->l4_len < QUOTE_L4_LEN)
		return 0;
	if (v->family == 4)
		return need; /* at most 60 + 8 */
	if (need > room)
		return 0;
	return min_u32(room, need - QUOTE_L4_LEN + v->l4_len);
}

static void put_ipv4(uint8_t *p, const struct ipaddr *src,
		     const struct ipaddr *dst, uint32_t len)
{
	memset(p, 0, IPV4_HLEN);
	p[0] = 0x45;
	p[IPV4_AT_TOS] = ICMP_TOS;
	put_be16(p + IPV4_AT_LEN, (uint16_t)(IPV4_HLEN + len));
	put_be16(p + 6, IPV4_DF);
	p[IPV4_AT_TTL] = ICMP_TTL;
	p[IPV4_AT_PROTO] = PROTO_ICMP;
	memcpy(p + IPV4_AT_SRC, src->b + 12, 4);
	memcpy(p + IPV4_AT_DST, dst->b + 12, 4);
	put_be16(p + IPV4_AT_CSUM,
		 (uint16_t)~csum_fold(csum_add(0, p, IPV4_HLEN)));
}

static void put_ipv6(uint8_t *p, const struct ipaddr *src,
		     const struct ipaddr *dst, uint32_t len)
{
	put_be32(p, 6u << 28 | ICMP_TOS << 20);
	put_be16(p + IPV6_AT_PAYLOAD, (uint16_t)len);
	p[IPV6_AT_PROTO] = PROTO_ICMPV6;
	p[IPV6_AT_HOPS] = ICMP_TTL;
	memcpy(p + IPV6_AT_SRC, src->b, 16);
	memcpy(p + IPV6_AT_DST, dst->b, 16);
}

int wire_build_icmp(struct tx *tx, const struct packet *about,
		    const struct ipaddr *src, uint8_t type, uint8_t code,
		    uint32_t mtu)
{
	uint32_t quote, len;
	struct ip_view v;
	uint64_t sum = 0;
	bool foreign;
	uint8_t *p;

	if (ip_view_parse(about->data, about->len, false, &v, &foreign) !=
	    DROP_NONE)
		return -EMSGSIZE;
	quote = quote_len(about, &v);
	if (quote == 0 || ipaddr_is_v4(src) != (v.family == 4))
		return -EMSGSIZE;

	len = ICMP_HLEN + quote;
	tx->family = v.family;
	tx->l4_off = v.family == 4 ? IPV4_HLEN : IPV6_HLEN;
	tx->hdr_len = (uint8_t)(tx->l4_off + len);
	tx->csum_done = true;
	tx->tun_only = tx->in_place = false;
	tx->gso_size = 0;
	tx->niov = 0;
	tx->payload = 0;

	p = tx->hdr + tx->l4_off;
	p[0] = type;
	p[1] = code;
	put_be16(p + 2, 0);
	put_be32(p + 4, v.family == 4 ? min_u32(mtu, UINT16_MAX) : mtu);
	memcpy(p + ICMP_HLEN, about->data, quote);
	if (v.family == 4) {
		put_ipv4(tx->hdr, src, &v.src, len);
	} else {
		put_ipv6(tx->hdr, src, &v.src, len);
		sum = csum_pseudo(src, &v.src, PROTO_ICMPV6, len);
	}
	put_be16(p + 2, (uint16_t)~csum_fold(csum_add(sum, p, len)));
	return 0;
}
