/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SPLICE_INTERNAL_H
#define PENSTOCK_SPLICE_INTERNAL_H

/*
 * What the files of src/splice share.  No other module includes this; the
 * theory of operation is in splice.c.
 */
#include "engine/hooks.h"
#include "splice/splice.h"
#include "util/slab.h"

#define OLD_SLOTS 16384u
#define SCRATCH_BYTES 65536u

/**
 * struct splice_hold - The held packets of a flow
 * @flow:    NULL once it is spliced
 * @next:    next in the list @due, @out or @gone of struct splicer
 * @packets: IP packets, one after the other
 * @count:   packets held, by side
 * @nxt:     by side, where @count is not 0: one past the last byte held
 * @at:      how many bytes of @packets were sent
 * @mss:     most payload bytes of a packet when it is sent
 * @due:     in the list of connections to install
 */
struct splice_hold {
	struct flow *flow;
	struct splice_hold *next;
	struct bufq packets;
	seq_t nxt[2];
	uint32_t at;
	uint16_t mss;
	uint8_t count[2];
	bool due;
};

/* The numbers that the server saw last of a spliced connection. */
struct splice_old {
	struct tuple t;
	seq_t nxt;
	uint32_t newest_ts;
	mono_t until;
};

/* A RST that is to be sent. */
struct splice_rst {
	struct splice_rst *next;
	struct tuple t; /* local is its source */
	seq_t seq;
};

/**
 * struct splicer - What an engine with relay = splice has
 * @e:    the engine
 * @ops:  the translator, with its argument @ctx
 * @due:  holds whose legs were quiet in the last pull; @due_end: end of the
 *        list
 * @out:  holds whose packets are being sent
 * @gone: holds whose packets were all returned by a pull; freed at the next
 *        call
 * @pkt:  the packet of the current engine_input(); NULL in other calls: a
 *        segment comes from a fault that had delayed it
 */
struct splicer {
	struct engine *e;
	const struct splice_ops *ops;
	void *ctx;
	struct slab holds;
	uint32_t *hold; /* index of each flow's hold in the slab */
	struct splice_hold *due, **due_end, *out, **out_end, *gone;
	struct splice_rst *rst;
	const struct packet *pkt;
	struct splice_old old[OLD_SLOTS];
	uint8_t scratch[SCRATCH_BYTES];
};

/* hold.c: struct splice_hooks, */
void hold_begin_verb(void *wing, const struct packet *pkt);
void hold_open(void *wing, struct flow *f);
void hold_above_old(const void *wing, const struct tuple *t, mono_t now,
		    seq_t *iss, uint32_t *ts_off);
void hold_dial(void *wing, struct flow *f, seq_t iss, uint32_t ts_off,
	       mono_t now);
bool hold_segment(void *wing, struct leg *l, const struct segment *s,
		  mono_t now);
void hold_drop(void *wing, struct flow *f);
void hold_look(void *wing, struct flow *f);
/* and the rest. */
void hold_free(struct splicer *sp, struct splice_hold *h);
struct splice_hold *hold_of(const struct splicer *sp, const struct flow *f);
/* Only headers that the translator reads, too.  Return: bytes of the IP header,
 * or 0 */
uint32_t plain_header(const uint8_t *p);
/* The length of a packet, by its IP header. */
uint32_t packet_bytes(const uint8_t *p, uint32_t l4);
/* Do not splice: the flow becomes an ordinary one.  The caller settles it. */
void hold_give_up(struct splicer *sp, struct flow *f,
		  enum shield_counter_id why, mono_t now);
/* Has a leg received what should have been held?  Then do not splice. */
bool hold_passed_by(const struct flow *f);
/* What this server agrees to, for the next clients. */
void hold_learn(const struct flow *f);
/* The next connection of these addresses begins above this one. */
void hold_remember(struct splicer *sp, const struct tuple *t,
		   const struct splice_found *f, mono_t now);

#endif
