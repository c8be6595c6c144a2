/* SPDX-License-Identifier: MIT */
/*
 * Segments that no leg sent: made from one that leaves, or from a leg's
 * variables, and sealed like any other.
 */
#include "internal.h"

static uint8_t *tcp_of(struct held *h)
{
	return h->hdr + h->l4_off;
}

static void set_flags(struct held *h, uint16_t clear, uint16_t set)
{
	uint8_t *tcp = tcp_of(h);

	put_be16(tcp + 12, (uint16_t)((get_be16(tcp + 12) & ~clear) | set));
}

static void move_word(uint8_t *p, uint32_t by)
{
	put_be32(p, get_be32(p) + by);
}

/* An ACK with the header of @h, which stands where @h ends. */
static struct held *ack_after(struct impair *im, const struct held *h,
			      uint32_t space)
{
	const struct tx tx = {.hdr_len = h->hdr_len,
			      .l4_off = h->l4_off,
			      .family = h->family};
	struct held *c = held_out(im, &tx, 0, 0, true, true);

	if (!c)
		return NULL;
	memcpy(c->hdr, h->hdr, h->hdr_len);
	c->slot = h->slot;
	move_word(tcp_of(c) + 4, space);
	set_flags(c, 0x1ff, TCP_ACK);
	put_be16(tcp_of(c) + 18, 0);
	return c;
}

/* The right edge that was promised stays where it is. */
struct held *held_early(struct impair *im, const struct held *h,
			const struct fault_verdict *v)
{
	struct held *c = ack_after(im, h, 0);
	uint32_t less = (v->early + BIT(v->shift) - 1) >> v->shift, wnd;

	if (!c)
		return NULL;
	wnd = get_be16(tcp_of(c) + 14);
	move_word(tcp_of(c) + 8, v->early);
	put_be16(tcp_of(c) + 14, (uint16_t)(wnd > less ? wnd - less : 0));
	held_seal(c);
	return c;
}

/* It leaves @ms later than its header was made: so must its timestamp say, or
 * it would be old (RFC 7323, 5.3). */
static void age_timestamp(struct held *h, uint32_t ms)
{
	uint32_t end = (uint32_t)(h->hdr_len - h->l4_off), len;
	uint8_t *tcp = tcp_of(h);

	for (uint32_t i = 20; i + 1 < end && tcp[i]; i += len) {
		len = tcp[i] == 1 ? 1 : tcp[i + 1];
		if (!len || i + len > end)
			return;
		if (tcp[i] == 8 && len == 10)
			move_word(tcp + i + 2, ms);
	}
}

struct held *held_unack(struct impair *im, struct held *h, int64_t after_us)
{
	bool fin = get_be16(tcp_of(h) + 12) & TCP_FIN;
	struct held *c = fin && after_us ? ack_after(im, h, h->len + 1) : NULL;

	move_word(tcp_of(h) + 8, (uint32_t)-1);
	held_seal(h);
	if (!c)
		return NULL;
	age_timestamp(c, (uint32_t)(after_us / USEC_PER_MSEC));
	held_seal(c);
	return c;
}

static void invert(struct held *h, uint32_t off, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		h->buf->data[off + i] ^= 0xff;
}

struct held *held_overlap(struct impair *im, struct held *h,
			  const struct fault_verdict *v)
{
	uint32_t cut = (h->len - v->overlap) / 2;
	struct held *c = held_clone(im, h);

	if (!c)
		return NULL;
	c->len = cut + v->overlap;
	set_flags(c, TCP_FIN | TCP_PSH, 0);
	set_flags(h, TCP_CWR, 0);
	move_word(tcp_of(h) + 4, cut);
	h->len -= cut;
	memmove(h->buf->data, h->buf->data + cut, h->len);
	if (v->wrong == 1)
		invert(c, cut, v->overlap);
	if (v->wrong == 2)
		invert(h, 0, v->overlap);
	held_seal(c);
	held_seal(h);
	return c;
}

struct held *held_replay(struct impair *im, const struct leg *l, int kind,
			 mono_t due)
{
	struct tcp_opts o = {.has = l->ts_ok ? OPT_HAS_TS : 0,
			     .tsval = (uint32_t)(due.us / USEC_PER_MSEC) +
				      l->ts_off,
			     .tsecr = l->ts_recent};
	struct hdr_spec h = {.t = &l->t,
			     .opts = &o,
			     .seq = l->nxt,
			     .ack = l->rcv_nxt,
			     .flags = TCP_ACK,
			     .wnd = 1024,
			     .ttl = l->ttl,
			     .df = true};
	uint32_t len = kind == FAULT_KIND_DATA;
	struct tx tx = {.niov = len != 0, .payload = len};
	uint8_t byte = 0;

	tx.iov[0] = (struct iovec){&byte, 1};
	if (kind == FAULT_KIND_DATA) /* the byte in front of our FIN */
		h.seq = seq_sub(l->nxt, 2);
	if (kind == FAULT_KIND_ACK) { /* from before the FINs */
		h.seq = seq_sub(l->nxt, 1);
		h.ack = seq_sub(l->rcv_nxt, 1);
	}
	if (kind == FAULT_KIND_RST)
		h.flags = TCP_RST;
	if (kind == FAULT_KIND_SYN) {
		h.flags = TCP_SYN;
		h.seq = l->iss;
		h.ack = SEQ(0);
		o.tsecr = 0;
	}
	wire_build(&tx, &h, len);
	return held_out(im, &tx, 0, len, true, true);
}

struct held *held_forge(struct impair *im, const struct held *h, int kind)
{
	struct held *c = held_new(im, kind == FAULT_DATA_OOW ? 1 : 0);
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
