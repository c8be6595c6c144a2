/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_EGRESS_H
#define PENSTOCK_IO_EGRESS_H

/*
 * The two ways in which packets leave, and how their order is kept.
 */
#include "io/nfq.h"
#include "io/tun.h"

/**
 * struct egress - What a worker sends in one round
 * @nfq:      queue that gets the verdicts; borrowed
 * @tun:      TUN that packets are written to; borrowed
 * @c:        counters; borrowed
 * @riders:   one bit for each of the 64 classes of legs: a packet of such a
 *            leg waits in @verdicts
 * @verdicts: of the packets received in this round
 */
struct egress {
	struct nfq *nfq;
	struct tun *tun;
	struct io_counters *c;
	uint64_t riders;
	struct nfq_verdicts verdicts;
};

/* Consume a received packet, or let it go on. */
void egress_decide(struct egress *e, const struct nfq_packet *p,
		   enum nfq_action action);

/* Give a received packet to another queue. */
void egress_move(struct egress *e, const struct nfq_packet *p, uint16_t queue);

/**
 * egress_reply() - Consume a received packet and send a stateless answer
 * @reply: no payload; belongs to no flow.  Its checksum is completed
 */
void egress_reply(struct egress *e, const struct nfq_packet *p,
		  struct tx *reply);

/**
 * egress_send() - Send a packet of a flow
 * @tx: its checksum may be completed.  The payload is not needed any more
 *      when this returns
 *
 * A small packet rides in the verdict of a packet consumed in this round, if
 * one is left.  Otherwise it is written to the TUN.  Packets of one leg leave
 * in the order of the calls.
 */
void egress_send(struct egress *e, struct tx *tx);

/* End the round: send the verdicts, and with them what rides in them. */
void egress_flush(struct egress *e);

#endif
