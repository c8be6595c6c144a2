/* SPDX-License-Identifier: MIT */
/*
 * Forges segments that no leg has sent.  They are made from a packet that is
 * sent, or from a leg's variables.
 */
#include "internal.h"

static void move_seq(struct held *h, uint32_t by)
{
	uint8_t *tcp = held_tcp(h);

	frame_set_seq(tcp, seq_add(frame_seq(tcp), by));
}

static void move_ack(struct held *h, uint32_t by)
{
	uint8_t *tcp = held_tcp(h);

	frame_set_ack(tcp, seq_add(frame_ack(tcp), by));
}

/* Add @by to the timestamp, if there is one. */
static void move_timestamp(struct held *h, uint32_t by)
{
	uint8_t *tcp = held_tcp(h), len;
	uint32_t at = TCP_HLEN;

	for (; (len = frame_option(tcp, held_hlen(h), &at)); at += len)
		if (tcp[at] == TCPOPT_TS && len == TCPOLEN_TS)
			put_be32(tcp + at + 2, get_be32(tcp + at + 2) + by);
}

/* A pure ACK with the header of @h; its sequence number is the end of @h. */
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
	move_seq(c, space);
	frame_change_flags(held_tcp(c), TCP_FLAGS_ALL, TCP_ACK);
	frame_set_urg(held_tcp(c), 0);
	return c;
}

/* The right edge of the window stays where it is. */
struct held *held_early(struct impair *im, const struct held *h,
			const struct fault_verdict *v)
{
	struct held *c = ack_after(im, h, 0);
	uint32_t less = (v->early + BIT(v->shift) - 1) >> v->shift, wnd;

	if (!c)
		return NULL;
	wnd = frame_wnd(held_tcp(c));
	move_ack(c, v->early);
	frame_set_wnd(held_tcp(c), (uint16_t)(wnd > less ? wnd - less : 0));
	held_seal(c);
	return c;
}

struct held *held_unack(struct impair *im, struct held *h, int64_t after_us)
{
	bool fin = frame_flags(held_tcp(h)) & TCP_FIN;
	struct held *c = fin && after_us ? ack_after(im, h, h->len + 1) : NULL;

	move_ack(h, (uint32_t)-1);
	held_seal(h);
	if (!c)
		return NULL;
	/* it is sent later than its header was made, so the timestamp must be
	 * later too (RFC 7323, 5.3) */
	move_timestamp(c, (uint32_t)(after_us / USEC_PER_MSEC));
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
	frame_change_flags(held_tcp(c), TCP_FIN | TCP_PSH, 0);
	frame_change_flags(held_tcp(h), TCP_CWR, 0);
	move_seq(h, cut);
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
				      l->snd.ts_off,
			     .tsecr = l->rcv.ts_recent};
	struct hdr_spec h = {.t = &l->t,
			     .opts = &o,
			     .seq = l->snd.nxt,
			     .ack = l->rcv.nxt,
			     .flags = TCP_ACK,
			     .wnd = 1024,
			     .ttl = l->ttl,
			     .df = true};
	uint32_t len = kind == FAULT_KIND_DATA;
	struct tx tx = {.niov = len != 0, .payload = len};
	uint8_t byte = 0;

	tx.iov[0] = (struct iovec){&byte, 1};
	if (kind == FAULT_KIND_DATA) /* the byte before our FIN */
		h.seq = seq_sub(l->snd.nxt, 2);
	if (kind == FAULT_KIND_ACK) { /* from before the FINs */
		h.seq = seq_sub(l->snd.nxt, 1);
		h.ack = seq_sub(l->rcv.nxt, 1);
	}
	if (kind == FAULT_KIND_RST)
		h.flags = TCP_RST;
	if (kind == FAULT_KIND_SYN) {
		h.flags = TCP_SYN;
		h.seq = l->snd.iss;
		h.ack = SEQ(0);
		o.tsecr = 0;
	}
	wire_build(&tx, &h, len);
	return held_out(im, &tx, 0, len, true, true);
}

/* Falsify a segment, as docs/FAULTS.md says for its kind. */
static void falsify(struct held *c, int kind)
{
	uint16_t flags = TCP_ACK;

	if (kind == FAULT_RST_EXACT || kind == FAULT_RST_INWINDOW)
		flags = TCP_RST | TCP_ACK;
	if (kind == FAULT_SYN_INWINDOW)
		flags = TCP_SYN;
	if (kind == FAULT_NULL)
		flags = 0;
	frame_change_flags(held_tcp(c), TCP_FLAGS_ALL, flags);
	if (kind == FAULT_RST_INWINDOW || kind == FAULT_SYN_INWINDOW)
		move_seq(c, 100);
	if (kind == FAULT_DATA_OOW)
		move_seq(c, 1u << 30);
	if (kind == FAULT_ACK_OLD)
		move_ack(c, -(1u << 30));
	if (kind == FAULT_ACK_FUTURE)
		move_ack(c, 1u << 30);
	if (kind == FAULT_PAWS_OLD)
		move_timestamp(c, (uint32_t)-1000000);
}

struct held *held_forge(struct impair *im, const struct held *h, int kind)
{
	struct held *c = held_new(im, kind == FAULT_DATA_OOW ? 1 : 0);

	if (!c)
		return NULL;
	memcpy(c->hdr, h->hdr, sizeof(c->hdr));
	c->out = c->false_word = true;
	c->family = h->family;
	c->hdr_len = h->hdr_len;
	c->l4_off = h->l4_off;
	if (c->buf)
		c->buf->data[0] = 0;
	falsify(c, kind);
	held_seal(c);
	if (kind == FAULT_BADSUM)
		held_tcp(c)[TCP_AT_CSUM] ^= 0x55;
	return c;
}
