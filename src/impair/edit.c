/* SPDX-License-Identifier: MIT */
/*
 * Header fields of a packet that leaves: ECN, TTL, urgent pointer, the
 * acknowledgment, and the options of a SYN.
 */
#include "internal.h"

/* struct tcp_opts.has of an option at @p of @len bytes. */
static uint8_t option_bit(const uint8_t *p, uint8_t len)
{
	static const uint8_t bit[] = {
		[2] = OPT_HAS_MSS, [3] = OPT_HAS_WSCALE, [4] = OPT_HAS_SACKOK,
		[8] = OPT_HAS_TS,  [28] = OPT_HAS_UTO,	 [34] = OPT_HAS_TFO};

	if (p[0] == 254 && len >= 4 && get_be16(p + 2) == 0xf989)
		return OPT_HAS_TFO_EXP;
	return p[0] < sizeof(bit) ? bit[p[0]] : 0;
}

/* From @i on, the option that is in @mask; 0: none. */
static uint32_t find_option(const uint8_t *tcp, uint32_t hlen, uint32_t i,
			    uint8_t mask)
{
	while (i + 1 < hlen && tcp[i]) {
		uint8_t len = tcp[i] == 1 ? 1 : tcp[i + 1];

		if (!len || i + len > hlen)
			return 0;
		if (tcp[i] > 1 && option_bit(tcp + i, len) & mask)
			return i;
		i += len;
	}
	return 0;
}

/* Options of a SYN: those stripped become NOPs, the MSS is lowered, a Fast
 * Open cookie gets a wrong bit. */
static void edit_options(uint8_t *tcp, uint32_t hlen,
			 const struct fault_verdict *v)
{
	uint32_t i = 20;

	while ((i = find_option(tcp, hlen, i, UINT8_MAX))) {
		uint8_t len = tcp[i + 1], bit = option_bit(tcp + i, len);

		if (bit == OPT_HAS_MSS && v->mss &&
		    get_be16(tcp + i + 2) > v->mss)
			put_be16(tcp + i + 2, v->mss);
		if (bit & (OPT_HAS_TFO | OPT_HAS_TFO_EXP) && v->spoil)
			tcp[i + len - 1] ^= 1;
		if (bit & v->strip)
			memset(tcp + i, 1, len);
		i += len;
	}
}

uint8_t held_tfo(const struct held *h)
{
	const uint8_t *tcp = h->hdr + h->l4_off;
	uint32_t i = find_option(tcp, (uint32_t)(h->hdr_len - h->l4_off), 20,
				 OPT_HAS_TFO | OPT_HAS_TFO_EXP);

	if (!i)
		return 0;
	return (uint8_t)(tcp[i + 1] - (tcp[i] == 34 ? 1 : 3));
}

static void edit_ecn(struct held *h, uint8_t ecn)
{
	uint16_t flag = ecn == FAULT_ECN_ECE ? TCP_ECE : TCP_CWR;
	uint8_t *tcp = h->hdr + h->l4_off;
	uint8_t bits = ecn == FAULT_ECN_CE ? ECN_CE : 0;
	uint8_t shift = h->family == 4 ? 0 : 4;

	if (ecn > FAULT_ECN_CE) {
		put_be16(tcp + 12, get_be16(tcp + 12) | flag);
		return;
	}
	h->hdr[1] = (uint8_t)((h->hdr[1] & ~(3u << shift)) | (uint32_t)bits
								     << shift);
}

/* A SYN-ACK; as a SYN it acknowledges nothing, nor echoes (RFC 7323, 3.2). */
static void edit_synack(struct held *h, const struct fault_verdict *v)
{
	uint8_t *tcp = h->hdr + h->l4_off;
	uint32_t ts = find_option(tcp, (uint32_t)(h->hdr_len - h->l4_off), 20,
				  OPT_HAS_TS);

	put_be32(tcp + 8, get_be32(tcp + 8) + v->ack_add);
	if (!v->open)
		return;
	put_be16(tcp + 12, (uint16_t)(get_be16(tcp + 12) & ~TCP_ACK));
	put_be32(tcp + 8, 0);
	if (ts)
		put_be32(tcp + ts + 6, 0);
}

void held_edit(struct held *h, const struct fault_verdict *v)
{
	uint8_t *tcp = h->hdr + h->l4_off;
	bool syn = get_be16(tcp + 12) & TCP_SYN;

	if (!v->ecn && !v->ttl && !v->urg && !syn)
		return;
	if (v->urg) {
		put_be16(tcp + 12, (uint16_t)(get_be16(tcp + 12) | TCP_URG));
		put_be16(tcp + 18, v->urg);
	}
	if (v->ttl)
		h->hdr[h->family == 4 ? 8 : 7] = v->ttl;
	if (v->ecn)
		edit_ecn(h, (uint8_t)(v->ecn - 1));
	if (syn)
		edit_options(tcp, (uint32_t)(h->hdr_len - h->l4_off), v);
	if (v->ack_add || v->open)
		edit_synack(h, v);
	if (v->cut && h->len) {
		buf_put(h->buf);
		h->buf = NULL;
		h->len = 0;
	}
	held_seal(h);
}
