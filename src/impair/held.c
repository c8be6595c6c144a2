/* SPDX-License-Identifier: MIT */
/*
 * Packets under way inside a fault: a heap by deadline, and the queue of those
 * that are ready to leave.
 *
 * They are copies (header, payload in a chunk of the pool, so the pool's limit
 * holds for them too); one that finds no memory is lost, and counted.  They
 * belong to no flow: as in a network, a delayed packet outlives its sender.
 * An incoming one finds its leg, or admission, when it is due.
 */
#include <stdlib.h>

#include "internal.h"
#include "wire/build.h"

static bool before(const struct held *a, const struct held *b)
{
	return a->due.us != b->due.us ? a->due.us < b->due.us
				      : a->serial < b->serial;
}

static void sift_up(struct seams *s, uint32_t i)
{
	while (i && before(s->heap[i], s->heap[(i - 1) / 2])) {
		struct held *t = s->heap[i];

		s->heap[i] = s->heap[(i - 1) / 2];
		s->heap[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

static struct held *heap_pop(struct seams *s)
{
	struct held *top = s->heap[0], *last = s->heap[--s->nheap];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < s->nheap) {
		if (c + 1 < s->nheap && before(s->heap[c + 1], s->heap[c]))
			c++;
		if (!before(s->heap[c], last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	s->heap[i] = last;
	return top;
}

static struct held *held_new(struct engine *e, uint32_t len)
{
	struct seams *s = e->seams;
	struct held *h;

	if (len > buf_class_room(BUF_CHUNK))
		return NULL;
	h = slab_alloc(&s->held);
	if (!h) {
		s->overflow++;
		return NULL;
	}
	memset(h, 0, offsetof(struct held, hdr));
	h->len = len;
	if (len) {
		h->buf = buf_alloc(e->pool, BUF_CHUNK);
		if (!h->buf) {
			slab_free(&s->held, h);
			s->overflow++;
			return NULL;
		}
		h->buf->used = (uint16_t)len;
	}
	return h;
}

void held_free(struct engine *e, struct held *h)
{
	if (h->buf)
		buf_put(h->buf);
	slab_free(&e->seams->held, h);
}

struct held *held_in(struct engine *e, const struct segment *sg)
{
	struct held *h = held_new(e, sg->data.len);

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

struct held *held_out(struct engine *e, const struct tx *tx, uint32_t off,
		      uint32_t len, bool first, bool last)
{
	struct held *h = held_new(e, len);
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

struct held *held_whole(struct engine *e, const struct tx *tx)
{
	struct held *h = held_new(e, 0);

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

struct held *held_forge(struct engine *e, const struct held *h, int kind)
{
	struct held *c = held_new(e, kind == FAULT_DATA_OOW ? 1 : 0);
	uint8_t *tcp;
	uint32_t seq, ack;
	uint16_t flags = TCP_ACK;

	if (!c)
		return NULL;
	memcpy(c->hdr, h->hdr, sizeof(c->hdr));
	c->out = c->false_word = true;
	c->family = h->family;
	c->hdr_len = h->hdr_len;
	c->l4_off = h->l4_off;
	tcp = c->hdr + c->l4_off;
	seq = get_be32(tcp + 4);
	ack = get_be32(tcp + 8);
	if (kind == FAULT_RST_EXACT || kind == FAULT_RST_INWINDOW)
		flags = TCP_RST | TCP_ACK;
	if (kind == FAULT_SYN_INWINDOW)
		flags = TCP_SYN;
	if (kind == FAULT_NULL)
		flags = 0;
	if (kind == FAULT_RST_INWINDOW || kind == FAULT_SYN_INWINDOW)
		seq += 100;
	if (kind == FAULT_DATA_OOW)
		seq += 1u << 30;
	if (kind == FAULT_ACK_OLD)
		ack -= 1u << 30;
	if (kind == FAULT_ACK_FUTURE)
		ack += 1u << 30;
	if (kind == FAULT_PAWS_OLD && c->hdr_len - c->l4_off >= 32)
		put_be32(tcp + 24, get_be32(tcp + 24) - 1000000);
	if (c->buf)
		c->buf->data[0] = 0;
	put_be32(tcp + 4, seq);
	put_be32(tcp + 8, ack);
	put_be16(tcp + 12, (uint16_t)((get_be16(tcp + 12) & 0xf000) | flags));
	held_seal(c);
	if (kind == FAULT_BADSUM)
		tcp[16] ^= 0x55;
	return c;
}

struct held *held_clone(struct engine *e, const struct held *h)
{
	struct held *c = held_new(e, h->len);
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

static void out_push(struct seams *s, struct held *h)
{
	h->next = NULL;
	if (s->out_head)
		s->out_tail->next = h;
	else
		s->out_head = h;
	s->out_tail = h;
}

/* It is due: out, or to its leg. */
static void deliver(struct engine *e, struct held *h, mono_t now)
{
	struct tx reply = {0};
	struct fault_flow *w;
	enum verdict v;
	struct leg *l;

	if (h->out) {
		seam_watch_out(e, h, now);
		out_push(e->seams, h);
		return;
	}
	if (h->notice) {
		seam_icmp_deliver(e, &h->about, now);
		held_free(e, h);
		return;
	}
	l = table_find(e, &h->seg.t);
	v = l ? flow_take(e, l, &h->seg, now, &reply)
	      : admit(e, &h->seg, now, &reply);
	if (h->crossed)
		seam_crossed(e, &h->seg.t);
	w = l ? NULL : fault_embryo_find(&e->seams->set, &h->seg.t);
	held_free(e, h);
	if (v != VERDICT_REPLY || seam_depart(e, w, &reply, now))
		return;
	h = held_out(e, &reply, 0, 0, true, true);
	if (!h)
		return;
	seam_watch_out(e, h, now);
	out_push(e->seams, h);
}

void held_queue(struct engine *e, struct held *h, mono_t due, mono_t now)
{
	struct seams *s = e->seams;

	if (!h)
		return;
	h->due = due;
	h->serial = s->serial++;
	if (due.us <= now.us) {
		deliver(e, h, now);
	} else if (s->nheap == s->heap_max) {
		s->overflow++;
		held_free(e, h);
	} else {
		s->heap[s->nheap] = h;
		sift_up(s, s->nheap++);
	}
}

void held_expire(struct engine *e, mono_t now)
{
	struct seams *s = e->seams;

	while (s->nheap && s->heap[0]->due.us <= now.us)
		deliver(e, heap_pop(s), now);
}

void held_release(struct engine *e, int slot, bool drop, mono_t now)
{
	struct seams *s = e->seams;
	uint32_t n = s->nheap;

	s->nheap = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct held *h = s->heap[i];

		if (h->slot == slot && drop) {
			held_free(e, h);
			continue;
		}
		if (h->slot == slot)
			h->due = now;
		s->heap[s->nheap] = h; /* never ahead of i */
		sift_up(s, s->nheap++);
	}
}

void held_forget(struct engine *e)
{
	struct seams *s = e->seams;
	struct held *h;

	while ((h = s->spent)) {
		s->spent = h->next;
		held_free(e, h);
	}
}

int held_drain(struct engine *e, struct tx *tx, int max)
{
	struct seams *s = e->seams;
	struct held *h;
	int n = 0;

	while (n < max && (h = s->out_head)) {
		struct tx *t = &tx[n++];

		s->out_head = h->next;
		memcpy(t->hdr, h->hdr, h->hdr_len);
		t->hdr_len = h->hdr_len;
		t->l4_off = h->l4_off;
		t->family = h->family;
		t->csum_done = true;
		t->gso_size = 0;
		t->payload = h->len;
		t->niov = h->len ? 1 : 0;
		if (h->len)
			t->iov[0] = (struct iovec){h->buf->data, h->len};
		h->next = s->spent;
		s->spent = h;
	}
	return n;
}
