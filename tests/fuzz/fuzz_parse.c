/* SPDX-License-Identifier: MIT */
/*
 * wire_parse() on any bytes.  First byte: what is known of the checksum, and
 * whether the capture was cut short.  What it accepts must lie inside the
 * packet, and build back to the same fields.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/build.h"
#include "wire/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const struct packet *pkt, const struct segment *s)
{
	assert(s->family == 4 || s->family == 6);
	assert(s->data.len <= pkt->len);
	if (s->data.len) {
		assert(s->data.p >= pkt->data);
		assert(s->data.p + s->data.len <= pkt->data + pkt->len);
	}
	assert(s->opts.nsack <= SACK_BLOCKS_MAX);
	assert(s->opts.tfo_len <= TFO_COOKIE_MAX);
	assert(s->t.lport && s->t.rport);
}

/* A header built from what was parsed says the same when parsed again. */
static void check_rebuilt(const struct segment *s)
{
	struct hdr_spec h = {.t = &s->t,
			     .opts = &s->opts,
			     .seq = s->seq,
			     .ack = s->ack,
			     .flags = s->flags,
			     .wnd = s->wnd,
			     .urg = s->urg,
			     .tos = s->tos,
			     .ttl = s->ttl};
	struct packet pkt = {.csum = PACKET_CSUM_VERIFY};
	struct segment back;
	struct icmp_error icmp;
	enum drop_reason why;
	struct tx tx;

	memset(&tx, 0, sizeof(tx));
	wire_build(&tx, &h, 0);
	wire_csum_finish(&tx);
	assert(tx.hdr_len <= TX_HDR_MAX);
	pkt.data = tx.hdr;
	pkt.len = pkt.full_len = tx.hdr_len;
	if (wire_parse(&pkt, &back, &icmp, &why) != PARSE_SEGMENT)
		return; /* an address that is good only the other way */
	assert(seq_eq(back.seq, s->seq) && seq_eq(back.ack, s->ack));
	assert(back.flags == s->flags && back.wnd == s->wnd);
	assert(back.t.lport == s->t.rport && back.t.rport == s->t.lport);
	assert(back.data.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet pkt = {0};
	struct segment seg;
	struct icmp_error icmp;
	enum drop_reason why = DROP_NONE;
	enum parse_result r;
	uint8_t *copy;

	if (size < 1 || size > 65536)
		return 0;
	/* a block of its own, so that one byte too far is seen */
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	pkt.data = copy;
	pkt.len = pkt.full_len = (uint32_t)size - 1;
	if (data[0] & 4)
		pkt.full_len += data[0];
	pkt.csum = (enum packet_csum)(data[0] % 3);
	memset(&seg, 0, sizeof(seg));
	r = wire_parse(&pkt, &seg, &icmp, &why);
	if (r == PARSE_SEGMENT) {
		check_segment(&pkt, &seg);
		check_rebuilt(&seg);
	} else if (r == PARSE_DROP) {
		assert(why > DROP_NONE && why < DROP_REASON_COUNT);
	}
	free(copy);
	return 0;
}
