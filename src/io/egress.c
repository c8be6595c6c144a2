/* SPDX-License-Identifier: MIT */
/*
 * The two ways in which packets leave, and how their order is kept.
 *
 * A small packet rides in the verdict of one that was consumed in the same
 * round: two thirds of the cost of a TUN write, as the system call is shared,
 * the buffer is there already and the PREROUTING rules have been passed.  A
 * connection of one request spends a quarter less by it.
 *
 * A TUN write is synchronous: when it returns, the packet stands in the queue
 * of the device it leaves by.  So does sending the verdicts, in the order of
 * their slots; and riders are put into slots in rising order.  Hence only one
 * thing could disturb the order of a leg's packets: a write while an earlier
 * packet of that leg is still a rider.  @riders has a bit for each of 64
 * classes of legs that have riders.  Before a write of such a leg the verdicts
 * are sent.  Legs that share a class cost one more system call.
 *
 * A card with several transmit queues may change the order as well.  The kernel
 * chooses the queue by CPU where XPS is set up, as most drivers do, and
 * otherwise by the receive queue of the carrier.  Then neighbours may leave by
 * different queues and swap places, as with any forwarding by more than one
 * CPU.  TCP can handle that.
 *
 * A rider enters FORWARD with the carrier's input interface and our mark, a
 * written packet with the TUN's interface and without a mark.
 */
#include <netinet/in.h>

#include "io/egress.h"
#include "wire/build.h"
#include "wire/frame.h"

/* Source and destination port.  For an ICMP error, those of the leg whose peer
 * gets it: the quoted segment went in the other direction. */
static uint32_t port_pair(const struct tx *tx)
{
	const uint8_t *l4 = tx->hdr + tx->l4_off;
	uint32_t back;

	if (frame_proto(tx->hdr, tx->family) == IPPROTO_TCP)
		return get_be32(l4);
	back = get_be32(l4 + ICMP_HLEN +
			(tx->family == 4 ? IPV4_HLEN : IPV6_HLEN));
	return back >> 16 | back << 16;
}

/* One of 64 classes, by the port pair.  The two legs of a flow differ in it. */
static uint64_t leg_bit(const struct tx *tx)
{
	return 1ull << (port_pair(tx) * 0x9e3779b1u >> 26);
}

static void finish_csum(struct tx *tx)
{
	if (!tx->csum_done)
		wire_csum_finish(tx);
}

void egress_decide(struct egress *e, const struct nfq_packet *p,
		   enum nfq_action action)
{
	if (action == NFQ_ACCEPT)
		e->c->verdict_accept++;
	else
		e->c->verdict_drop++;
	nfq_verdict_add(&e->verdicts, p, action);
}

void egress_move(struct egress *e, const struct nfq_packet *p, uint16_t queue)
{
	e->c->verdict_moved++;
	nfq_verdict_move(&e->verdicts, p, queue);
}

void egress_reply(struct egress *e, const struct nfq_packet *p,
		  struct tx *reply)
{
	e->c->verdict_reply++;
	if (reply->in_place ? reply->hdr_len + reply->payload <= NFQ_RIDE_MAX
			    : p->carrier && !reply->tun_only) {
		finish_csum(reply);
		nfq_verdict_reply(&e->verdicts, p, reply);
		return;
	}
	tun_send(e->tun, reply, e->c);
	nfq_verdict_add(&e->verdicts, p, NFQ_DROP);
}

static bool ride(struct egress *e, struct tx *tx)
{
	struct nfq_slot *s;

	if (tx->tun_only || tx->hdr_len + tx->payload > NFQ_RIDE_MAX ||
	    (tx->gso_size && tx->payload > tx->gso_size))
		return false;
	s = nfq_verdict_carrier(&e->verdicts, tx);
	if (!s)
		return false;
	finish_csum(tx);
	nfq_verdict_carry(s, tx);
	e->riders |= leg_bit(tx);
	e->c->tx_packets++;
	e->c->tx_bytes += tx->hdr_len + tx->payload;
	e->c->tx_carried++;
	return true;
}

void egress_send(struct egress *e, struct tx *tx)
{
	if (ride(e, tx))
		return;
	if (e->riders & leg_bit(tx))
		egress_flush(e);
	tun_send(e->tun, tx, e->c);
}

void egress_flush(struct egress *e)
{
	nfq_verdict_flush(e->nfq, &e->verdicts, e->c);
	e->riders = 0;
}
