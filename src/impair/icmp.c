/* SPDX-License-Identifier: MIT */
/*
 * ICMP errors made by faults, as if by a router on the path.  An error about a
 * peer's segment goes to that peer, an error about ours to our leg.
 *
 * Its source is the address that the peer talks to: the only one that certainly
 * exists.
 */
#include "internal.h"
#include "wire/build.h"

/* Type and code by family: ICMP (RFC 792), ICMPv6 (RFC 4443). */
static const struct {
	uint8_t type4, code4, type6, code6;
} errors[] = {
	{3, 4, 2, 0},  /* packet too big */
	{3, 0, 1, 0},  /* net, no route */
	{3, 1, 1, 3},  /* host, address */
	{3, 2, 4, 1},  /* protocol, next header */
	{3, 3, 1, 4},  /* port */
	{3, 13, 1, 1}, /* prohibited */
};
static_assert(ARRAY_LEN(errors) == FAULT_ICMP_COUNT - FAULT_ICMP_PTB,
	      "one row a kind");

/* An error about @s, quoting it with @seq. */
static int error_about(struct tx *tx, const struct segment *s, seq_t seq,
		       uint8_t kind, uint32_t mtu)
{
	const struct tuple t = tuple_flip(&s->t);
	const struct hdr_spec h = {.t = &t,
				   .seq = seq,
				   .ack = s->ack,
				   .flags = s->flags,
				   .wnd = s->wnd,
				   .ttl = 64,
				   .df = true};
	uint8_t i = (uint8_t)(kind - FAULT_ICMP_PTB);
	bool v4 = s->family == 4;
	struct tx quoted = {0};
	struct packet about = {.data = quoted.hdr};

	wire_build(&quoted, &h, 0);
	about.len = about.full_len = quoted.hdr_len;
	return wire_build_icmp(tx, &about, &s->t.local,
			       v4 ? errors[i].type4 : errors[i].type6,
			       v4 ? errors[i].code4 : errors[i].code6,
			       kind == FAULT_ICMP_PTB ? mtu : 0);
}

struct held *icmp_for_peer(struct impair *im, const struct segment *s,
			   const struct fault_verdict *v)
{
	seq_t seq = seq_add(s->seq, v->bad_quote ? 1u << 30 : 0);
	struct tx tx = {0};

	if (error_about(&tx, s, seq, v->icmp, v->icmp_mtu))
		return NULL;
	return held_whole(im, &tx);
}

void icmp_refuse(struct tx *reply, const struct segment *s, uint8_t code)
{
	uint8_t kind = code == 3   ? FAULT_ICMP_PORT
		       : code == 1 ? FAULT_ICMP_HOST
				   : FAULT_ICMP_ADMIN;

	error_about(reply, s, s->seq, kind, 0);
}

struct held *icmp_for_leg(struct impair *im, const struct leg *l,
			  const struct held *h, const struct fault_verdict *v)
{
	struct held *n = held_whole(im, NULL);
	seq_t seq = frame_seq(h->hdr + h->l4_off);

	if (!n)
		return NULL;
	n->notice = true;
	n->about = (struct icmp_error){
		.t = l->t,
		.seq = seq_add(seq, v->bad_quote ? 1u << 30 : 0),
		.kind = v->icmp == FAULT_ICMP_PTB     ? ICMP_K_PTB
			: v->icmp >= FAULT_ICMP_PROTO ? ICMP_K_UNREACH_HARD
						      : ICMP_K_UNREACH_SOFT,
		.mtu = v->icmp_mtu,
		.family = h->family};
	return n;
}
