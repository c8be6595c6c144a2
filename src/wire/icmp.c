/* SPDX-License-Identifier: MIT */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) errors about TCP segments.
 *
 * An error is ours to read when it quotes an IP header and the first eight
 * bytes of a TCP header, that is ports and sequence number.  Everything else
 * (echo, neighbour discovery, errors about other protocols) passes unchanged.
 * An error that claims to be about TCP but is broken is dropped: it could only
 * do harm.  The leg checks whether the quoted sequence number is in flight (RFC
 * 5927, 4).
 *
 * What an error means follows RFC 1122 (4.2.3.9) and RFC 5461: only "this host
 * does not speak that protocol, has nobody at that port, may not be reached" is
 * hard.
 */
#include "wire/build.h"
#include "internal.h"

#define ICMP4_UNREACH 3
#define ICMP4_QUENCH 4
#define ICMP4_REDIRECT 5
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAM 12
#define ICMP6_UNREACH 1
#define ICMP6_PTB 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAM 4

/* Codes of "unreachable", as bits. */
#define ICMP4_CODE_PTB 4
#define ICMP4_HARD_CODES (BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(13))
#define ICMP6_HARD_CODES (BIT(1) | BIT(4) | BIT(5) | BIT(6))

/* Is this one of the types that quote a packet? */
static bool icmp_is_error(uint8_t family, uint8_t type)
{
	if (family == 6)
		return type >= ICMP6_UNREACH && type <= ICMP6_PARAM;
	return (type >= ICMP4_UNREACH && type <= ICMP4_REDIRECT) ||
	       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAM;
}

static enum icmp_kind unreach_kind(uint32_t hard_codes, uint8_t code)
{
	if (code < 32 && (hard_codes & BIT(code)))
		return ICMP_K_UNREACH_HARD;
	return ICMP_K_UNREACH_SOFT;
}

static enum icmp_kind icmp4_kind(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP4_UNREACH:
		if (code == ICMP4_CODE_PTB)
			return ICMP_K_PTB;
		return unreach_kind(ICMP4_HARD_CODES, code);
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAM:
		return ICMP_K_UNREACH_SOFT;
	default:
		return ICMP_K_OTHER;
	}
}

static enum icmp_kind icmp6_kind(uint8_t type, uint8_t code)
{
	switch (type) {
	case ICMP6_UNREACH:
		return unreach_kind(ICMP6_HARD_CODES, code);
	case ICMP6_PTB:
		return ICMP_K_PTB;
	default:
		return ICMP_K_UNREACH_SOFT;
	}
}

static bool icmp_csum_ok(const struct packet *pkt, const struct ip_view *v)
{
	uint64_t sum = 0;

	if (pkt->csum != PACKET_CSUM_VERIFY)
		return true;
	if (v->family == 6)
		sum = csum_pseudo(&v->src, &v->dst, PROTO_ICMPV6, v->l4_len);
	return csum_fold(csum_add(sum, v->l4, v->l4_len)) == 0xffff;
}

/* Does the quoted packet fit the error that brings it? */
static enum drop_reason icmp_check(const struct packet *pkt,
				   const struct ip_view *v,
				   const struct ip_view *q)
{
	if (ip_addr_martian(&v->src, v->family) ||
	    ip_addr_martian(&v->dst, v->family) ||
	    ip_addr_martian(&q->src, q->family) ||
	    ip_addr_martian(&q->dst, q->family))
		return DROP_ADDRESS;
	/* its destination must be the sender of the quoted segment */
	if (q->family != v->family || !ipaddr_eq(&q->src, &v->dst) ||
	    q->l4_len < QUOTE_L4_LEN || !icmp_csum_ok(pkt, v))
		return DROP_ICMP_MALFORMED;
	return DROP_NONE;
}

static void icmp_fill(struct icmp_error *icmp, const struct ip_view *v,
		      const struct ip_view *q)
{
	const uint8_t *p = v->l4;

	icmp->t.local = q->src;
	icmp->t.remote = q->dst;
	icmp->t.lport = get_be16(q->l4);
	icmp->t.rport = get_be16(q->l4 + 2);
	icmp->seq = SEQ(get_be32(q->l4 + 4));
	icmp->family = v->family;
	icmp->type = p[0];
	icmp->code = p[1];
	icmp->mtu = 0;
	if (v->family == 4) {
		icmp->kind = icmp4_kind(p[0], p[1]);
		if (icmp->kind == ICMP_K_PTB)
			icmp->mtu = get_be16(p + 6);
	} else {
		icmp->kind = icmp6_kind(p[0], p[1]);
		if (icmp->kind == ICMP_K_PTB)
			icmp->mtu = get_be32(p + 4);
	}
}

enum parse_result icmp_parse(const struct packet *pkt, const struct ip_view *v,
			     struct icmp_error *icmp, enum drop_reason *why)
{
	struct ip_view q;
	bool foreign;

	*why = DROP_ICMP_MALFORMED;
	if (v->l4_len < ICMP_HLEN)
		return PARSE_DROP;
	*why = DROP_NOT_TCP;
	if (!icmp_is_error(v->family, v->l4[0]))
		return PARSE_FOREIGN;

	*why = ip_view_parse(v->l4 + ICMP_HLEN, v->l4_len - ICMP_HLEN, true, &q,
			     &foreign);
	if (foreign)
		return PARSE_FOREIGN;
	if (*why != DROP_NONE) {
		*why = DROP_ICMP_MALFORMED;
		return PARSE_DROP;
	}
	if (q.proto != PROTO_TCP) {
		*why = DROP_NOT_TCP;
		return PARSE_FOREIGN;
	}
	*why = icmp_check(pkt, v, &q);
	if (*why != DROP_NONE)
		return PARSE_DROP;
	icmp_fill(icmp, v, &q);
	return PARSE_ICMP;
}
