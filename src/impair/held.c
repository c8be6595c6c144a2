/* SPDX-License-Identifier: MIT */
/*
 * Packets that faults hold.
 *
 * They are copies.  The payload is in a chunk of the pool, so the pool's limit
 * applies to them too.  A packet that finds no memory is lost and counted.
 */
#include "internal.h"

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
	tcp = held_tcp(h);
	if (!last)
		gone |= TCP_FIN | TCP_PSH;
	if (!first)
		gone |= TCP_CWR;
	frame_set_seq(tcp, seq_add(frame_seq(tcp), off));
	frame_change_flags(tcp, gone, 0);
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

void held_seal(struct held *h)
{
	frame_seal(h->hdr, h->family, h->l4_off, h->hdr_len,
		   h->len ? h->buf->data : NULL, h->len);
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
