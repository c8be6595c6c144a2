/* SPDX-License-Identifier: MIT */
/*
 * Bits of a packet are flipped.
 *
 * One that leaves may be hit in its headers and its payload.  It is wrong
 * afterwards, unless the fault makes its checksums right: where flips cancel
 * each other out one more follows.  Of one that has arrived only the parsed
 * fields and the payload are left; it gets here when the fault made its
 * checksums right, so its reader takes what is in it.
 */
#include "internal.h"
#include "wire/build.h"

static uint16_t held_tcp_sum(const struct held *h)
{
	return frame_tcp_sum(h->hdr, h->family, h->l4_off, h->hdr_len,
			     h->len ? h->buf->data : NULL, h->len);
}

/* Which byte a flip hits.  Addresses and ports stay, or the packet would be
 * somebody else's. */
static uint8_t *victim(struct held *h, uint8_t where, uint32_t dice)
{
	/* class, identification, TTL, checksum; class and flow label */
	static const uint8_t ip4[] = {1, 4, 5, 8, 10, 11}, ip6[] = {1, 2, 3};

	if (where == FAULT_WHERE_IP)
		return h->hdr + (h->family == 4 ? ip4[dice % sizeof(ip4)]
						: ip6[dice % sizeof(ip6)]);
	if (where == FAULT_WHERE_TCP || !h->len)
		return held_tcp(h) + TCP_AT_SEQ +
		       dice % (TCP_HLEN - TCP_AT_SEQ);
	return h->buf->data + dice % h->len;
}

static void damage_leaving(struct held *h, const struct fault_verdict *v,
			   struct prng *r)
{
	for (uint32_t i = 0; i < v->bits; i++) {
		uint8_t where, *p;

		do
			where = (uint8_t)BIT(prng_below(r, 3));
		while (!(where & v->damage));
		p = victim(h, where, prng_u32(r));
		*p ^= (uint8_t)BIT(prng_below(r, 8));
	}
	if (v->fix)
		held_seal(h);
	else if (v->damage != FAULT_WHERE_IP && held_tcp_sum(h) == 0xffff)
		held_tcp(h)[TCP_AT_CSUM + 1] ^= 1;
	else if (v->damage == FAULT_WHERE_IP && h->family == 4 &&
		 csum_fold(csum_add(0, h->hdr, h->l4_off)) == 0xffff)
		h->hdr[IPV4_AT_CSUM + 1] ^= 1;
	h->false_word = true;
}

static void damage_arrived(struct held *h, const struct fault_verdict *v,
			   struct prng *r)
{
	for (uint32_t i = 0; h->len && i < v->bits; i++) {
		uint8_t bit = (uint8_t)BIT(prng_below(r, 8));

		h->buf->data[prng_below(r, h->len)] ^= bit;
	}
	h->seg.wnd ^= (uint16_t)(h->len ? 0 : 1);
}

void held_damage(struct held *h, const struct fault_verdict *v)
{
	struct prng r;

	prng_seed(&r, v->dice);
	if (h->out)
		damage_leaving(h, v, &r);
	else
		damage_arrived(h, v, &r);
}
