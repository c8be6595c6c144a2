/* SPDX-License-Identifier: MIT */
/*
 * Flips bits of a packet.
 *
 * A packet that leaves may be hit in its headers and in its payload.  Its
 * checksums are then wrong, unless the fault corrects them; if the flips cancel
 * each other out, one more bit is flipped.  Of a packet that has arrived, only
 * the parsed fields and the payload are left.  It comes here only if the fault
 * corrects the checksums, so the damage is accepted.
 */
#include "internal.h"
#include "wire/build.h"

static uint16_t held_tcp_sum(const struct held *h)
{
	return frame_tcp_sum(h->hdr, h->family, h->l4_off, h->hdr_len,
			     h->len ? h->buf->data : NULL, h->len);
}

/* The byte that a flip hits.  Addresses and ports are left alone: otherwise the
 * packet would belong to another connection. */
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
