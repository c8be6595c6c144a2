/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_SPLICER_H
#define PENSTOCK_ENGINE_SPLICER_H

/*
 * What splice.c and hold.c share.
 */
#include "internal.h"

#define OLD_SLOTS 16384u
#define SCRATCH_BYTES 65536u

/**
 * struct splice_hold - What is held of a flow
 * @flow:    NULL once it is spliced
 * @client:  the client leg's addresses, from then on
 * @next:    in the list of those that are due, are let go, or were
 * @packets: IP packets, one behind the other
 * @nxt:     of each side: one past what is held; valid with @n
 * @at:      of @packets: so many bytes have been let go
 * @mss:     most payload bytes of a packet that is let go
 * @n:       packets held
 * @due:     in the list of those to be installed
 */
struct splice_hold {
	struct flow *flow;
	struct tuple client;
	struct splice_hold *next;
	struct bufq packets;
	seq_t nxt[2];
	uint32_t at;
	uint16_t mss;
	uint8_t n;
	bool due;
};

/* What the last, translated connection of a 4-tuple told the server. */
struct splice_old {
	struct tuple t;
	seq_t nxt;
	uint32_t newest_ts;
	mono_t until;
};

/**
 * struct splicer - An engine's part in splicing
 * @ops:  who translates, with @ctx
 * @due:  holds whose legs were quiet in the last pull; @due_end: its last link
 * @out:  holds that are being let go
 * @gone: holds whose packets were given away, until the next verb
 * @pkt:  the packet that engine_input() has
 */
struct splicer {
	const struct splice_ops *ops;
	void *ctx;
	struct slab holds;
	uint32_t *hold; /* of each flow: place in the slab */
	struct splice_hold *due, **due_end, *out, **out_end, *gone;
	const struct packet *pkt;
	struct splice_old old[OLD_SLOTS];
	uint8_t scratch[SCRATCH_BYTES];
};

/* hold.c */
void hold_free(struct engine *e, struct splice_hold *h);
struct splice_hold *hold_of(const struct engine *e, const struct flow *f);
/* Only headers that the translator reads, too.  Return: bytes of the IP header,
 * or 0 */
uint32_t plain_header(const uint8_t *p);
/* Of a packet with such a header: its length by that. */
uint32_t packet_bytes(const uint8_t *p, uint32_t l4);
/* An ordinary flow after all; to be settled. */
void hold_give_up(struct engine *e, struct flow *f, enum shield_counter_id why,
		  mono_t now);
/* What this server agrees to, for the next clients. */
void hold_learn(const struct flow *f);
/* The next connection of these addresses begins above this one. */
void hold_remember(struct engine *e, const struct tuple *t,
		   const struct splice_found *f, mono_t now);

#endif
