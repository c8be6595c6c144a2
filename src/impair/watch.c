/* SPDX-License-Identifier: MIT */
/*
 * Shows src/fault/react.c what passes between us and the peers of a connection
 * with faults: segments that arrive as the peer sent them, and segments that
 * are sent, when they are.  Forged and damaged ones are left out: our leg did
 * not say that to the peer.
 */
#include <netinet/in.h>

#include "internal.h"

void watch_in(struct impair *im, struct fault_flow *w, int side,
	      const struct segment *s, mono_t now)
{
	const struct sack_block *b = s->opts.sack;
	struct fault_wire x = {.peer = &s->t.remote,
			       .now = now,
			       .seq = s->seq,
			       .ack = s->ack,
			       .len = s->data.len,
			       .flags = s->flags,
			       .wnd = s->wnd,
			       .side = (uint8_t)side,
			       .nsack = s->opts.nsack};

	if (s->opts.nsack)
		x.dsack =
			seq_lt(b[0].start, s->ack) ||
			(s->opts.nsack > 1 && seq_ge(b[0].start, b[1].start) &&
			 seq_le(b[0].end, b[1].end));
	fault_wire_pass(&im->set, w, &x);
}

/* The faults for a packet that is sent with these addresses, and its side. */
static struct fault_flow *watched(struct impair *im, const struct tuple *t,
				  int *side)
{
	const struct tuple back = tuple_flip(t);
	struct leg *l = table_find(im->e, t);
	struct fault_flow *w;

	*side = l ? l->side : LEG_CLIENT;
	if (l)
		return leg_flow(l)->hooked ? impaired(leg_flow(l))->w : NULL;
	w = fault_unbound_find(&im->set, t);
	if (w)
		return w;
	*side = LEG_SERVER;
	return fault_unbound_find(&im->set, &back);
}

/* Show a packet that is sent, by its headers: IP, and TCP at @l4. */
static void pass_out(struct impair *im, struct fault_flow *w, int side,
		     const uint8_t *l4, uint32_t len, mono_t now)
{
	const struct fault_wire x = {.now = now,
				     .seq = frame_seq(l4),
				     .ack = frame_ack(l4),
				     .len = len,
				     .flags = frame_flags(l4),
				     .wnd = frame_wnd(l4),
				     .side = (uint8_t)side,
				     .to_peer = true};

	fault_wire_pass(&im->set, w, &x);
}

void watch_out(struct impair *im, const struct held *h, mono_t now)
{
	struct fault_flow *w;
	struct tuple t;
	int side;

	if (h->false_word)
		return;
	t = frame_tuple(h->hdr, h->family, h->l4_off);
	w = watched(im, &t, &side);
	if (w)
		pass_out(im, w, side, h->hdr + h->l4_off, h->len, now);
}

void watch_reply(struct impair *im, struct fault_flow *w, int side,
		 const struct tx *reply, mono_t now)
{
	if (frame_proto(reply->hdr, reply->family) == IPPROTO_TCP)
		pass_out(im, w, side, reply->hdr + reply->l4_off, 0, now);
}
