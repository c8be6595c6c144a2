/* SPDX-License-Identifier: MIT */
/*
 * Answers that need no state.  They belong to no flow, and are sent in place of
 * the packet that caused them.
 */
#include "wire/build.h"
#include "wire/segment.h"

static void build(struct tx *tx, const struct hdr_spec *h)
{
	tx->niov = 0;
	tx->payload = 0;
	tx->gso_size = 0;
	wire_build(tx, h, 0);
}

/* RFC 9293, 3.10.7.1: the reset for a segment of no connection. */
void answer_rst(struct tx *tx, const struct segment *s)
{
	struct hdr_spec h = {.t = &s->t, .ttl = 64, .df = true};

	if (s->flags & TCP_ACK) {
		h.seq = s->ack;
		h.flags = TCP_RST;
	} else {
		h.seq = SEQ(0);
		h.ack = segment_end(s);
		h.flags = TCP_RST | TCP_ACK;
	}
	build(tx, &h);
}

void answer_ack(struct tx *tx, const struct segment *s, seq_t seq, seq_t ack,
		uint16_t wnd, const struct tcp_opts *o)
{
	struct hdr_spec h = {.t = &s->t,
			     .opts = o,
			     .seq = seq,
			     .ack = ack,
			     .flags = TCP_ACK,
			     .wnd = wnd,
			     .ttl = 64,
			     .df = true};

	build(tx, &h);
}

void answer_syn_ack(struct tx *tx, const struct segment *s, seq_t iss,
		    uint16_t wnd, bool ecn, const struct tcp_opts *o)
{
	struct hdr_spec h = {.t = &s->t,
			     .opts = o,
			     .seq = iss,
			     .ack = seq_add(s->seq, 1),
			     .flags = TCP_SYN | TCP_ACK | (ecn ? TCP_ECE : 0),
			     .wnd = wnd,
			     .flow_label = wire_flow_label(iss),
			     .ttl = 64,
			     .df = true};

	build(tx, &h);
}
