/* SPDX-License-Identifier: MIT */
/*
 * Changes header fields of a packet that is sent: ECN, TTL, urgent pointer,
 * acknowledgment number, and the options of a SYN.
 */
#include "internal.h"

/* Find the first option of @mask.  Return: its length, 0: none; *at: its
 * offset. */
static uint8_t find_option(const struct held *h, uint8_t mask, uint32_t *at)
{
	const uint8_t *tcp = h->hdr + h->l4_off;
	uint8_t len;

	for (*at = TCP_HLEN; (len = frame_option(tcp, held_hlen(h), at));
	     *at += len)
		if (frame_option_bit(tcp + *at, len) & mask)
			return len;
	return 0;
}

static void edit_option(uint8_t *opt, uint8_t len,
			const struct fault_verdict *v)
{
	uint8_t bit = frame_option_bit(opt, len);

	if (bit == OPT_HAS_MSS && v->mss && get_be16(opt + 2) > v->mss)
		put_be16(opt + 2, v->mss);
	if (bit & (OPT_HAS_TFO | OPT_HAS_TFO_EXP) && v->spoil)
		opt[len - 1] ^= 1;
	if (bit & v->strip)
		memset(opt, TCPOPT_NOP, len);
}

/* Edit the options of a SYN: options to strip become NOPs, the MSS is lowered,
 * and one bit of a Fast Open cookie is changed. */
static void edit_options(struct held *h, const struct fault_verdict *v)
{
	uint32_t at = TCP_HLEN;
	uint8_t *tcp = held_tcp(h), len;

	for (; (len = frame_option(tcp, held_hlen(h), &at)); at += len)
		edit_option(tcp + at, len, v);
}

uint8_t held_tfo(const struct held *h)
{
	uint32_t at;
	uint8_t len = find_option(h, OPT_HAS_TFO | OPT_HAS_TFO_EXP, &at);
	bool exp = len && h->hdr[h->l4_off + at] == TCPOPT_EXP;

	if (!len)
		return 0;
	return (uint8_t)(1 + len -
			 (exp ? TCPOLEN_EXP_TFO_BASE : TCPOLEN_TFO_BASE));
}

static void edit_ecn(struct held *h, uint8_t ecn)
{
	if (ecn == FAULT_ECN_ECE)
		frame_change_flags(held_tcp(h), 0, TCP_ECE);
	else if (ecn == FAULT_ECN_CWR)
		frame_change_flags(held_tcp(h), 0, TCP_CWR);
	else
		frame_set_ecn(h->hdr, h->family,
			      ecn == FAULT_ECN_CE ? ECN_CE : ECN_NOT_ECT);
}

/* Turn a SYN-ACK into a SYN, which has no acknowledgment and no timestamp echo
 * (RFC 7323, 3.2). */
static void edit_synack(struct held *h, const struct fault_verdict *v)
{
	uint8_t *tcp = held_tcp(h);
	uint32_t at;

	frame_set_ack(tcp, seq_add(frame_ack(tcp), v->ack_add));
	if (!v->open)
		return;
	frame_change_flags(tcp, TCP_ACK, 0);
	frame_set_ack(tcp, SEQ(0));
	if (find_option(h, OPT_HAS_TS, &at))
		put_be32(tcp + at + 6, 0);
}

void held_edit(struct held *h, const struct fault_verdict *v)
{
	bool syn = frame_flags(held_tcp(h)) & TCP_SYN;

	if (!v->ecn && !v->ttl && !v->urg && !syn)
		return;
	if (v->urg) {
		frame_change_flags(held_tcp(h), 0, TCP_URG);
		frame_set_urg(held_tcp(h), v->urg);
	}
	if (v->ttl)
		frame_set_ttl(h->hdr, h->family, v->ttl);
	if (v->ecn)
		edit_ecn(h, (uint8_t)(v->ecn - 1));
	if (syn)
		edit_options(h, v);
	if (v->ack_add || v->open)
		edit_synack(h, v);
	if (v->cut && h->len) {
		buf_put(h->buf);
		h->buf = NULL;
		h->len = 0;
	}
	held_seal(h);
}
