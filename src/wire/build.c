/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A header is written in one pass straight into the transmit area.  Options are
 * planned first (what fits into 40 bytes, and how long it gets), then written
 * in the order and with the padding that Linux uses, so that what we send looks
 * like what middleboxes see every day.  wire_opts_len() runs the same plan.
 *
 * The TCP checksum field gets the pseudo-header sum, which is what checksum
 * offload wants (CHECKSUM_PARTIAL); wire_csum_finish() adds the rest where
 * there is no offload.
 */
#include <assert.h>

#include "wire/build.h"
#include "internal.h"

/**
 * struct opt_plan - What is written of the options asked for
 * @has:   OPT_HAS_*
 * @nsack: SACK blocks
 * @len:   bytes in all, padding included
 */
struct opt_plan {
	uint8_t has;
	uint8_t nsack;
	uint8_t len;
};

/* Take the option @bit into the plan when it is asked for and fits. */
static void plan_take(struct opt_plan *plan, const struct tcp_opts *o,
		      uint32_t bit, uint32_t len)
{
	if (!(o->has & bit) || plan->len + len > TCP_OPTS_MAX)
		return;
	plan->has |= (uint8_t)bit;
	plan->len = (uint8_t)(plan->len + len);
}

static uint32_t pad4(uint32_t len)
{
	return (len + 3) & ~3u;
}

/* Bytes of the Fast Open option, padded. */
static uint32_t tfo_len(const struct tcp_opts *o)
{
	uint32_t base = o->has & OPT_HAS_TFO_EXP ? TCPOLEN_EXP_TFO_BASE
						 : TCPOLEN_TFO_BASE;

	return pad4(base + min_u32(o->tfo_len, TFO_COOKIE_MAX));
}

static struct opt_plan plan_syn(const struct tcp_opts *o)
{
	struct opt_plan plan = {0};

	plan_take(&plan, o, OPT_HAS_MSS, TCPOLEN_MSS);
	plan_take(&plan, o, OPT_HAS_TS, pad4(TCPOLEN_TS));
	/* It takes the place of the timestamps' padding, if there is any. */
	plan_take(&plan, o, OPT_HAS_SACKOK,
		  plan.has & OPT_HAS_TS ? 0 : pad4(TCPOLEN_SACKOK));
	plan_take(&plan, o, OPT_HAS_WSCALE, pad4(TCPOLEN_WSCALE));
	if (o->has & OPT_HAS_TFO_EXP)
		plan_take(&plan, o, OPT_HAS_TFO_EXP, tfo_len(o));
	else
		plan_take(&plan, o, OPT_HAS_TFO, tfo_len(o));
	plan_take(&plan, o, OPT_HAS_UTO, TCPOLEN_UTO);
	return plan;
}

static struct opt_plan plan_data(const struct tcp_opts *o)
{
	struct opt_plan plan = {0};
	uint32_t room, n;

	plan_take(&plan, o, OPT_HAS_TS, pad4(TCPOLEN_TS));
	plan_take(&plan, o, OPT_HAS_UTO, TCPOLEN_UTO);
	if (o->nsack == 0)
		return plan;
	room = TCP_OPTS_MAX - plan.len - pad4(TCPOLEN_SACK_BASE);
	n = min_u32(min_u32(o->nsack, SACK_BLOCKS_MAX),
		    room / TCPOLEN_SACK_BLOCK);
	plan.nsack = (uint8_t)n;
	plan.len = (uint8_t)(plan.len + pad4(TCPOLEN_SACK_BASE) +
			     n * TCPOLEN_SACK_BLOCK);
	return plan;
}

static struct opt_plan opts_plan(const struct tcp_opts *o, bool syn)
{
	if (!o)
		return (struct opt_plan){0};
	return syn ? plan_syn(o) : plan_data(o);
}

uint32_t wire_opts_len(const struct tcp_opts *o, bool syn)
{
	return opts_plan(o, syn).len;
}

/* --- writing options; each returns where the next one goes --- */

static uint8_t *put4(uint8_t *p, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	put_be32(p, a << 24 | b << 16 | c << 8 | d);
	return p + 4;
}

/* Timestamps, behind sackOK or two nops. */
static uint8_t *put_ts(uint8_t *p, const struct tcp_opts *o, bool sackok)
{
	if (sackok)
		p = put4(p, TCPOPT_SACKOK, TCPOLEN_SACKOK, TCPOPT_TS,
			 TCPOLEN_TS);
	else
		p = put4(p, TCPOPT_NOP, TCPOPT_NOP, TCPOPT_TS, TCPOLEN_TS);
	put_be32(p, o->tsval);
	put_be32(p + 4, o->tsecr);
	return p + 8;
}

static uint8_t *put_tfo(uint8_t *p, const struct tcp_opts *o, bool exp)
{
	uint32_t base = exp ? TCPOLEN_EXP_TFO_BASE : TCPOLEN_TFO_BASE;
	uint32_t n = min_u32(o->tfo_len, TFO_COOKIE_MAX);
	uint8_t *end = p + pad4(base + n);

	p[0] = exp ? TCPOPT_EXP : TCPOPT_TFO;
	p[1] = (uint8_t)(base + n);
	if (exp)
		put_be16(p + 2, TCPOPT_EXP_TFO);
	memcpy(p + base, o->tfo, n);
	for (p += base + n; p < end; p++)
		*p = TCPOPT_NOP;
	return end;
}

static uint8_t *put_uto(uint8_t *p, const struct tcp_opts *o)
{
	return put4(p, TCPOPT_UTO, TCPOLEN_UTO, o->uto >> 8, o->uto & 0xffu);
}

static void put_syn_opts(uint8_t *p, const struct tcp_opts *o,
			 const struct opt_plan *plan)
{
	uint32_t has = plan->has;

	if (has & OPT_HAS_MSS)
		p = put4(p, TCPOPT_MSS, TCPOLEN_MSS, o->mss >> 8,
			 o->mss & 0xffu);
	if (has & OPT_HAS_TS)
		p = put_ts(p, o, (has & OPT_HAS_SACKOK) != 0);
	else if (has & OPT_HAS_SACKOK)
		p = put4(p, TCPOPT_NOP, TCPOPT_NOP, TCPOPT_SACKOK,
			 TCPOLEN_SACKOK);
	if (has & OPT_HAS_WSCALE)
		p = put4(p, TCPOPT_NOP, TCPOPT_WSCALE, TCPOLEN_WSCALE,
			 o->wscale);
	if (has & (OPT_HAS_TFO | OPT_HAS_TFO_EXP))
		p = put_tfo(p, o, (has & OPT_HAS_TFO_EXP) != 0);
	if (has & OPT_HAS_UTO)
		put_uto(p, o);
}

static void put_data_opts(uint8_t *p, const struct tcp_opts *o,
			  const struct opt_plan *plan)
{
	if (plan->has & OPT_HAS_TS)
		p = put_ts(p, o, false);
	if (plan->nsack)
		p = put4(p, TCPOPT_NOP, TCPOPT_NOP, TCPOPT_SACK,
			 TCPOLEN_SACK_BASE + plan->nsack * TCPOLEN_SACK_BLOCK);
	for (uint32_t i = 0; i < plan->nsack; i++, p += TCPOLEN_SACK_BLOCK) {
		put_be32(p, o->sack[i].start.v);
		put_be32(p + 4, o->sack[i].end.v);
	}
	if (plan->has & OPT_HAS_UTO)
		put_uto(p, o);
}

/* --- headers --- */

/* IPv4 header in front of @len bytes; its checksum is complete. */
static void put_ipv4(uint8_t *p, const struct hdr_spec *h, uint32_t len)
{
	memset(p, 0, IPV4_HLEN);
	p[0] = 0x45;
	p[IPV4_AT_TOS] = h->tos;
	put_be16(p + IPV4_AT_LEN, (uint16_t)(IPV4_HLEN + len));
	put_be16(p + 4, h->ip_id);
	put_be16(p + 6, h->df ? IPV4_DF : 0);
	p[IPV4_AT_TTL] = h->ttl;
	p[IPV4_AT_PROTO] = PROTO_TCP;
	memcpy(p + IPV4_AT_SRC, h->t->local.b + 12, 4);
	memcpy(p + IPV4_AT_DST, h->t->remote.b + 12, 4);
	put_be16(p + IPV4_AT_CSUM,
		 (uint16_t)~csum_fold(csum_add(0, p, IPV4_HLEN)));
}

static void put_ipv6(uint8_t *p, const struct hdr_spec *h, uint32_t len)
{
	put_be32(p, 6u << 28 | (uint32_t)h->tos << 20 |
			    (h->flow_label & 0xfffffu));
	put_be16(p + IPV6_AT_PAYLOAD, (uint16_t)len);
	p[IPV6_AT_PROTO] = PROTO_TCP;
	p[IPV6_AT_HOPS] = h->ttl;
	memcpy(p + IPV6_AT_SRC, h->t->local.b, 16);
	memcpy(p + IPV6_AT_DST, h->t->remote.b, 16);
}

void wire_build(struct tx *tx, const struct hdr_spec *h, uint32_t payload)
{
	bool syn = (h->flags & TCP_SYN) != 0;
	struct opt_plan plan = opts_plan(h->opts, syn);
	bool v4 = ipaddr_is_v4(&h->t->local);
	uint32_t thl = TCP_HLEN + plan.len;
	uint8_t *p;

	assert(payload <= UINT16_MAX - IPV4_HLEN - thl); /* length fields */
	tx->family = v4 ? 4 : 6;
	tx->l4_off = v4 ? IPV4_HLEN : IPV6_HLEN;
	tx->hdr_len = (uint8_t)(tx->l4_off + thl);
	tx->csum_done = false;
	tx->tun_only = tx->in_place = false;
	if (v4)
		put_ipv4(tx->hdr, h, thl + payload);
	else
		put_ipv6(tx->hdr, h, thl + payload);

	p = tx->hdr + tx->l4_off;
	put_be16(p + TCP_AT_SPORT, h->t->lport);
	put_be16(p + TCP_AT_DPORT, h->t->rport);
	put_be32(p + TCP_AT_SEQ, h->seq.v);
	put_be32(p + TCP_AT_ACK, h->ack.v);
	put_be16(p + TCP_AT_FLAGS,
		 (uint16_t)(thl / 4 << 12 | (h->flags & TCP_FLAGS_ALL)));
	put_be16(p + TCP_AT_WND, h->wnd);
	put_be16(p + TCP_AT_CSUM,
		 csum_fold(csum_pseudo(&h->t->local, &h->t->remote, PROTO_TCP,
				       thl + payload)));
	put_be16(p + TCP_AT_URG, h->urg);
	if (plan.len && syn)
		put_syn_opts(p + TCP_HLEN, h->opts, &plan);
	else if (plan.len)
		put_data_opts(p + TCP_HLEN, h->opts, &plan);
}

void wire_csum_finish(struct tx *tx)
{
	uint64_t sum, part;
	uint32_t odd = 0;

	if (tx->csum_done)
		return;
	sum = csum_add(0, tx->hdr + tx->l4_off,
		       (size_t)(tx->hdr_len - tx->l4_off));
	for (uint32_t i = 0; i < tx->niov; i++) {
		part = csum_add(0, tx->iov[i].iov_base, tx->iov[i].iov_len);
		/* A slice that begins at an odd offset counts swapped. */
		if (odd)
			part = __builtin_bswap16(csum_fold(part));
		sum += part;
		odd ^= tx->iov[i].iov_len & 1;
	}
	put_be16(tx->hdr + tx->l4_off + TCP_AT_CSUM, (uint16_t)~csum_fold(sum));
	tx->csum_done = true;
	tx->tun_only = tx->in_place = false;
}
