/* SPDX-License-Identifier: MIT */
/*
 * Packets that faults hold.
 *
 * They are copies: header, payload in a chunk of the pool, so the pool's limit
 * holds for them too.  One that finds no memory is lost, and counted.
 */
#include "internal.h"
#include "wire/build.h"

struct held *held_new(struct impair *im, uint32_t len)
{
	struct held *h;

	if (len > buf_class_room(BUF_CHUNK))
		return NULL;
	h = slab_alloc(&im->held);
	if (!h) {
		im->overflow++;
		return NULL;
	}
	memset(h, 0, offsetof(struct held, hdr));
	h->len = len;
	if (len) {
		h->buf = buf_alloc(im->pool, BUF_CHUNK);
		if (!h->buf) {
			slab_free(&im->held, h);
			im->overflow++;
			return NULL;
		}
		h->buf->used = (uint16_t)len;
	}
	return h;
}

void held_free(struct impair *im, struct held *h)
{
	if (h->buf)
		buf_put(h->buf);
	slab_free(&im->held, h);
}

struct held *held_in(struct impair *im, const struct segment *sg)
{
	struct held *h = held_new(im, sg->data.len);

	if (!h)
		return NULL;
	h->seg = *sg;
	if (h->buf) {
		memcpy(h->buf->data, sg->data.p, sg->data.len);
		h->seg.data.buf = h->buf;
		h->seg.data.p = h->buf->data;
	}
	return h;
}

static void gather(const struct tx *tx, uint32_t off, uint32_t len,
		   uint8_t *out)
{
	for (uint32_t i = 0; i < tx->niov && len; i++) {
		uint32_t have = (uint32_t)tx->iov[i].iov_len, n;

		if (off >= have) {
			off -= have;
			continue;
		}
		n = min_u32(have - off, len);
		memcpy(out, (uint8_t *)tx->iov[i].iov_base + off, n);
		out += n;
		len -= n;
		off = 0;
	}
}

struct held *held_out(struct impair *im, const struct tx *tx, uint32_t off,
		      uint32_t len, bool first, bool last)
{
	struct held *h = held_new(im, len);
	uint8_t *tcp;
	uint16_t gone = 0;

	if (!h)
		return NULL;
	h->out = true;
	h->family = tx->family;
	h->hdr_len = tx->hdr_len;
	h->l4_off = tx->l4_off;
	memcpy(h->hdr, tx->hdr, tx->hdr_len);
	if (len)
		gather(tx, off, len, h->buf->data);
	tcp = h->hdr + h->l4_off;
	if (!last)
		gone |= TCP_FIN | TCP_PSH;
	if (!first)
		gone |= TCP_CWR;
	put_be32(tcp + 4, get_be32(tcp + 4) + off);
	put_be16(tcp + 12, (uint16_t)(get_be16(tcp + 12) & ~gone));
	held_seal(h);
	return h;
}

struct held *held_whole(struct impair *im, const struct tx *tx)
{
	struct held *h = held_new(im, 0);

	if (!h)
		return NULL;
	h->out = tx != NULL;
	h->false_word = true;
	if (!tx)
		return h;
	h->family = tx->family;
	h->hdr_len = tx->hdr_len;
	h->l4_off = tx->l4_off;
	memcpy(h->hdr, tx->hdr, tx->hdr_len);
	return h;
}

static uint32_t l4_len(const struct held *h)
{
	return (uint32_t)(h->hdr_len - h->l4_off) + h->len;
}

/* Over the TCP with its checksum: 0xffff when that is right. */
static uint16_t tcp_sum(const struct held *h)
{
	const uint8_t *ip = h->hdr, *tcp = h->hdr + h->l4_off;
	bool v4 = h->family == 4;
	struct ipaddr src = v4 ? ipaddr_v4(ip + 12) : ipaddr_v6(ip + 8);
	struct ipaddr dst = v4 ? ipaddr_v4(ip + 16) : ipaddr_v6(ip + 24);
	uint64_t sum = csum_pseudo(&src, &dst, 6, l4_len(h));

	sum = csum_add(sum, tcp, (size_t)(h->hdr_len - h->l4_off));
	if (h->len)
		sum = csum_add(sum, h->buf->data, h->len);
	return csum_fold(sum);
}

void held_seal(struct held *h)
{
	uint8_t *ip = h->hdr, *tcp = h->hdr + h->l4_off;

	if (h->family == 4) {
		put_be16(ip + 2, (uint16_t)(h->l4_off + l4_len(h)));
		put_be16(ip + 10, 0);
		put_be16(ip + 10,
			 (uint16_t)~csum_fold(csum_add(0, ip, h->l4_off)));
	} else {
		put_be16(ip + 4, (uint16_t)l4_len(h));
	}
	put_be16(tcp + 16, 0);
	put_be16(tcp + 16, (uint16_t)~tcp_sum(h));
}

/* Which byte a flip hits.  Addresses and ports stay, or the packet would be
 * somebody else's. */
static uint8_t *victim(struct held *h, uint8_t where, uint32_t dice)
{
	static const uint8_t ip4[] = {1, 4, 5, 8, 10, 11}, ip6[] = {1, 2, 3};

	if (where == FAULT_WHERE_IP)
		return h->hdr + (h->family == 4 ? ip4[dice % sizeof(ip4)]
						: ip6[dice % sizeof(ip6)]);
	if (where == FAULT_WHERE_TCP || !h->len)
		return h->hdr + h->l4_off + 4 + dice % 16;
	return h->buf->data + dice % h->len;
}

void held_damage(struct held *h, const struct fault_verdict *v)
{
	struct prng r;

	prng_seed(&r, v->dice);
	for (uint32_t i = 0; i < v->bits; i++) {
		uint8_t where, *p;

		do
			where = (uint8_t)BIT(prng_below(&r, 3));
		while (!(where & v->damage));
		p = victim(h, where, prng_u32(&r));
		*p ^= (uint8_t)BIT(prng_below(&r, 8));
	}
	if (v->fix)
		held_seal(h);
	else if (v->damage != FAULT_WHERE_IP && tcp_sum(h) == 0xffff)
		h->hdr[h->l4_off + 17] ^= 1; /* flips made good for another */
	else if (v->damage == FAULT_WHERE_IP && h->family == 4 &&
		 csum_fold(csum_add(0, h->hdr, h->l4_off)) == 0xffff)
		h->hdr[11] ^= 1;
	h->false_word = true;
}

struct held *held_clone(struct impair *im, const struct held *h)
{
	struct held *c = held_new(im, h->len);
	struct buf *b;

	if (!c)
		return NULL;
	b = c->buf;
	*c = *h;
	c->next = NULL;
	c->buf = b;
	if (b)
		memcpy(b->data, h->buf->data, h->len);
	if (b && !c->out) {
		c->seg.data.buf = b;
		c->seg.data.p = b->data;
	}
	return c;
}
