/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * wire_parse() is the only place where bytes from the network are read as
 * headers.  A segment that it accepts is consistent: lengths, addresses, ports,
 * checksum and options were checked, so the layers above check only sequence
 * numbers and states.  It keeps no state and allocates nothing; the payload
 * stays where it was received.
 *
 * A packet ends where its IP header says; padding of the link after that is not
 * payload.  The order of the checks is part of the contract: the first one that
 * fails gives the reason.
 *
 * RFC 791, RFC 8200, RFC 9293 3.1; ICMP is in icmp.c.
 */
#include "wire/build.h"
#include "internal.h"

static bool tcp_csum_ok(const struct packet *pkt, const struct ip_view *v)
{
	uint64_t sum;

	if (pkt->csum != PACKET_CSUM_VERIFY)
		return true;
	sum = csum_pseudo(&v->src, &v->dst, PROTO_TCP, v->l4_len);
	return csum_fold(csum_add(sum, v->l4, v->l4_len)) == 0xffff;
}

/* Addresses, ports, lengths, checksum: whatever precedes the options. */
static enum drop_reason tcp_check(const struct packet *pkt,
				  const struct ip_view *v)
{
	const uint8_t *th = v->l4;
	uint32_t doff;

	if (ip_addr_martian(&v->src, v->family) ||
	    ip_addr_martian(&v->dst, v->family))
		return DROP_ADDRESS;
	if (v->l4_len < TCP_HLEN)
		return DROP_TCP_HEADER;
	if (ipaddr_eq(&v->src, &v->dst) && get_be16(th) == get_be16(th + 2))
		return DROP_ADDRESS; /* LAND */
	if (get_be16(th) == 0 || get_be16(th + 2) == 0)
		return DROP_PORT_ZERO;
	doff = (th[12] >> 4) * 4u;
	if (doff < TCP_HLEN || doff > v->l4_len)
		return DROP_TCP_HEADER;
	if (!tcp_csum_ok(pkt, v))
		return DROP_TCP_CSUM;
	return DROP_NONE;
}

static void segment_fill(struct segment *seg, const struct packet *pkt,
			 const struct ip_view *v)
{
	const uint8_t *th = v->l4;
	uint32_t doff = (th[12] >> 4) * 4u;

	seg->t.local = v->dst;
	seg->t.remote = v->src;
	seg->t.lport = get_be16(th + 2);
	seg->t.rport = get_be16(th);
	seg->seq = SEQ(get_be32(th + 4));
	seg->ack = SEQ(get_be32(th + 8));
	seg->flags = get_be16(th + 12) & 0x1ffu;
	seg->wnd = get_be16(th + 14);
	seg->urg = get_be16(th + 18);
	seg->family = v->family;
	seg->ecn = v->tos & 3;
	seg->ttl = v->ttl;
	seg->tos = v->tos;
	seg->data.buf = pkt->buf;
	seg->data.p = th + doff;
	seg->data.len = v->l4_len - doff;
}

static enum drop_reason tcp_parse(const struct packet *pkt,
				  const struct ip_view *v, struct segment *seg)
{
	enum drop_reason why = tcp_check(pkt, v);

	if (why != DROP_NONE)
		return why;
	segment_fill(seg, pkt, v);
	tcp_opts_parse(v->l4 + TCP_HLEN,
		       (uint32_t)(seg->data.p - v->l4) - TCP_HLEN,
		       seg->flags & TCP_SYN, &seg->opts);
	if (segment_senseless(seg->flags))
		return DROP_FLAGS;
	return DROP_NONE;
}

/* Addresses, and as much of ports and flags as is there. */
static void part_fill(struct segment *seg, const struct ip_view *v)
{
	*seg = (struct segment){
		.t.local = v->dst, .t.remote = v->src, .family = v->family};
	if (v->later || v->l4_len < 4)
		return;
	seg->t.lport = get_be16(v->l4 + 2);
	seg->t.rport = get_be16(v->l4);
	/* A first fragment may end before the flags: then it may be a SYN. */
	seg->flags = TCP_SYN;
	if (v->l4_len >= 14)
		seg->flags = get_be16(v->l4 + 12) & 0x1ffu;
}

enum parse_result wire_parse(const struct packet *pkt, struct segment *seg,
			     struct icmp_error *icmp, enum drop_reason *why)
{
	struct ip_view v;
	bool foreign;

	*why = DROP_TRUNCATED;
	if (pkt->len != pkt->full_len)
		return PARSE_DROP;
	*why = ip_view_parse(pkt->data, pkt->len, false, &v, &foreign);
	if (foreign && *why != DROP_NOT_TCP && v.proto == PROTO_TCP) {
		part_fill(seg, &v);
		return PARSE_PART;
	}
	if (*why != DROP_NONE)
		return foreign ? PARSE_FOREIGN : PARSE_DROP;
	if (v.proto != PROTO_TCP)
		return icmp_parse(pkt, &v, icmp, why);
	*why = tcp_parse(pkt, &v, seg);
	return *why == DROP_NONE ? PARSE_SEGMENT : PARSE_DROP;
}

bool wire_peek(const struct packet *pkt, struct tuple *t)
{
	const uint8_t *p = pkt->data, *l4;

	if (pkt->len >= IPV4_HLEN + 4 && p[0] == 0x45 && p[9] == PROTO_TCP) {
		t->remote = ipaddr_v4(p + 12);
		t->local = ipaddr_v4(p + 16);
		l4 = p + IPV4_HLEN;
	} else if (pkt->len >= IPV6_HLEN + 4 && p[0] >> 4 == 6 &&
		   p[6] == PROTO_TCP) {
		memcpy(t->remote.b, p + 8, 16);
		memcpy(t->local.b, p + 24, 16);
		l4 = p + IPV6_HLEN;
	} else {
		return false;
	}
	t->rport = get_be16(l4);
	t->lport = get_be16(l4 + 2);
	return true;
}
