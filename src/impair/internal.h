/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_INTERNAL_H
#define PENSTOCK_IMPAIR_INTERNAL_H

/*
 * What the files of src/impair share.  No other module includes this; the
 * theory of operation is in impair.c.
 */
#include <assert.h>
#include <errno.h>

#include "engine/hooks.h"
#include "fault/set.h"
#include "impair/impair.h"
#include "util/record.h"
#include "wire/frame.h"

#define PIPE_MARKS 32
#define COPIES_MAX 8 /* of a segment */

/**
 * struct held - A copy of a packet that a fault holds
 * @due:  when it is passed on
 * @serial: order of arrival, for equal @due
 * @out:  it is to be sent (hdr); otherwise it has arrived (seg)
 * @notice: it is an ICMP error for our own leg (about)
 * @crossed: it ends the client's half of a simultaneous open
 * @slot: the fault that holds it
 * @buf:  its payload, owned; NULL when there is none
 * @len:  payload bytes
 * @false_word: forged or damaged: not what our leg said to the peer
 */
struct held {
	struct held *next;
	mono_t due;
	uint64_t serial;
	bool crossed, out, notice, false_word;
	uint8_t slot, family, hdr_len, l4_off;
	uint32_t len;
	struct buf *buf;
	union {
		uint8_t hdr[TX_HDR_MAX];
		struct segment seg;
		struct icmp_error about;
	};
};

/**
 * struct transit - Bytes between one leg's receive side and the other leg's
 * send queue
 * @on:   in use; otherwise the send queue is the sink
 * @discard: the receiver was reset: bytes are accepted and discarded
 * @fin:  the sender has ended; its FIN follows the last byte
 * @owed: the receiver gets the FIN as soon as its leg is open
 * @in:   bytes that have entered so far
 * @out:  bytes that have left so far
 * @mark: bytes up to @end may go on at @due
 */
struct transit {
	struct bufq q;
	bool on, fin, owed, discard;
	uint64_t in, out;
	struct {
		uint64_t end;
		mono_t due;
	} mark[PIPE_MARKS];
	uint32_t marks;
	mono_t wake;
};

/**
 * struct impair_flow - What a flow with faults has
 * @behave: a copy of behave_faulty; its address leads from a leg to this
 *          structure
 * @again: when the legs ask their questions again
 * @shut:  until when the window stays shrunk
 * @transit:  by the side that the bytes go to
 * @closed: by close_both(): each leg ends by itself
 */
struct impair_flow {
	struct leg_behaviour behave;
	struct impair *im;
	struct fault_flow *w;
	mono_t again, shut[2];
	struct transit transit[2];
	bool closed;
};

/**
 * struct impair - The faults of an engine
 * @held: of struct held
 * @flows: of struct impair_flow
 * @heap: delayed packets, by deadline
 * @out_head: packets that are ready to be sent
 * @spent: packets that were sent: valid until the next pull
 * @serial: of the next packet
 * @overflow: packets lost because there was no room
 * @lost: gets packets that are lost instead of sent, or NULL
 * @carried: faults that another process had, a bit for each slot
 * @receiving: flows come from there
 */
struct impair {
	struct engine *e;
	struct buf_pool *pool;
	struct fault_set set;
	struct slab held, flows;
	struct held **heap;
	uint32_t nheap, heap_max;
	struct held *out_head, *out_tail;
	struct held *spent;
	uint64_t serial, overflow;
	void (*lost)(void *arg, const struct tx *tx, mono_t now);
	void *lost_arg;
	uint32_t carried;
	bool receiving;
};

/* Only for a flow that is hooked. */
static inline struct impair_flow *impaired(const struct flow *f)
{
	return container_of(f->leg[0].behave, struct impair_flow, behave);
}

/* impair.c: the hooks.  Allocates the memory and sets the hooks at the first
 * call.  NULL: no memory. */
struct impair *impair_open(struct engine *e, mono_t now);
void impair_expire(void *wing, mono_t now);

/* change.c, report.c: impair/impair.h */

/* set.c: remove the fault of a slot, and release what it holds. */
void set_remove(struct impair *im, int slot, mono_t now);
/* A fault with scope=all was added: living connections join it. */
void set_join(struct impair *im, int slot, mono_t now);

/* attach.c: attach @w to the flow.  Takes @w. */
void attach_flow(struct impair *im, struct flow *f, struct fault_flow *w);
/* Insert transits between the legs if stream faults need them. */
void attach_transits(struct impair *im, struct flow *f);
void attach_bind(void *wing, struct flow *f);
void attach_unbind(void *wing, struct flow *f);

/* timer.c: set the flow's timer to its earliest deadline. */
void timer_arm(struct impair *im, struct flow *f);
/* What a fault held back may be sent now: ACK, window, FIN. */
void timer_ask_again(struct flow *f);

/* behave.c: answers to questions of the stack. */
extern const struct leg_behaviour behave_faulty;

/* opening.c: a segment that belongs to no leg. */
enum verdict opening_admit(void *wing, const struct segment *s, mono_t now,
			   struct tx *reply);

/* a segment arrives.c: a segment arrives. */
enum verdict arrival_input(void *wing, struct leg *l, const struct segment *s,
			   mono_t now, struct tx *reply);
/* A delayed packet is due: send it, or give it to its leg.  Takes @h. */
void arrival_deliver(struct impair *im, struct held *h, mono_t now);
/* Held, doubled or damaged: true when the original goes no further. */
bool arrival_detain(struct impair *im, const struct segment *s,
		    const struct fault_verdict *v, mono_t now);
void arrival_edit(struct segment *s, const struct fault_verdict *v);
/* Does the client answer the SYN that crossed its own? */
bool arrival_crosses(const struct fault_flow *w, const struct fault_event *ev);
/* The client's half of a simultaneous open is done: it waits for our ACK. */
void arrival_crossed(struct impair *im, const struct tuple *t);

/* a segment is sent.c: a segment is sent. */
int departure_flow_pull(void *wing, struct flow *f, struct tx *tx, int max,
			mono_t now);
int departure_pull(void *wing, struct tx *tx, int n, int max, mono_t now);
/* A packet of no flow is sent.  True: the faults of @w have taken it. */
bool departure_judge(struct impair *im, struct fault_flow *w,
		     const struct tx *tx, mono_t now);
/* Send @h when it is due, without judging it.  Takes @h (or NULL). */
void departure_send(struct impair *im, struct held *h, mono_t due, mono_t now);
/* Send @h now.  Takes @h. */
void departure_leave(struct impair *im, struct held *h, mono_t now);

/* close.c: close both connections: FIN to both, and a RST for data that still
 * arrives. */
void close_both(struct impair *im, struct flow *f, mono_t now);
/* The peer of @side gets a RST and the other one an orderly end, unless @act
 * (FAULT_ACT_*) says otherwise. */
void close_reset(struct impair *im, struct flow *f, int side, uint8_t act,
		 mono_t now);
/* Call transit_pump(), and close the connections if it says so. */
void close_pump(struct impair *im, struct flow *f, int to, mono_t now);

/* transit.c: bytes between the legs. */
void transit_open(struct flow *f, int to);
/* Pass on the bytes that may go.  True: a fault closes both connections
 * here. */
bool transit_pump(struct impair *im, struct flow *f, int to, mono_t now);
void transit_flush(struct impair *im, struct flow *f, int to);
/* Nobody reads the bytes for @to any more, and the sender must not notice. */
void transit_discard(struct impair *im, struct flow *f, int to, mono_t now);
/* Are there bytes on which such a fault acts? */
bool transit_holds(const struct flow *f, const struct fault_spec *spec);
void transit_purge(struct impair *im, struct flow *f, int to);
/* Everything that is held may go on. */
void transit_unmark(struct flow *f, int to, mono_t now);

/* describe.c: a segment as faults see it.  @l NULL: it belongs to no leg. */
void describe_in(struct fault_event *ev, struct fault_flow *w,
		 const struct leg *l, const struct segment *s, mono_t now);
/* The stream offset of a sequence number near the last one seen, of what the
 * leg sends (@to_peer) or receives. */
uint64_t describe_at(struct fault_flow *w, const struct leg *l, bool to_peer,
		     seq_t seq);
void describe_out(struct fault_event *ev, struct fault_flow *w,
		  const struct leg *l, const struct held *h, mono_t now);

/* watch.c: a segment from or to the peer is on the wire. */
void watch_in(struct impair *im, struct fault_flow *w, int side,
	      const struct segment *s, mono_t now);
void watch_out(struct impair *im, const struct held *h, mono_t now);
/* A fault's answer in place of a connection. */
void watch_reply(struct impair *im, struct fault_flow *w, int side,
		 const struct tx *reply, mono_t now);

/* icmp.c: errors about segments; NULL: no memory.  To the peer that sent @s. */
struct held *icmp_for_peer(struct impair *im, const struct segment *s,
			   const struct fault_verdict *v);
/* An error for our own leg about @h. */
struct held *icmp_for_leg(struct impair *im, const struct leg *l,
			  const struct held *h, const struct fault_verdict *v);
/* The answer in place of a connection: the destination is unreachable. */
void icmp_refuse(struct tx *reply, const struct segment *s, uint8_t code);

/* delayq.c: delayed packets. 0 or -ENOMEM. */
int delayq_init(struct impair *im, uint32_t max);
void delayq_free(struct impair *im);
/* Takes @h (or NULL).  Return: @h if it is due already, else NULL. */
struct held *delayq_put(struct impair *im, struct held *h, mono_t due,
			mono_t now);
/* The next packet that is due, or NULL. */
struct held *delayq_due(struct impair *im, mono_t now);
/* Does @a go on before @b? */
bool delayq_before(const struct held *a, const struct held *b);
/* When the next packet is due; MONO_UNSET: there is none. */
mono_t delayq_deadline(const struct impair *im);
/* All packets of a slot are due now, or dropped. */
void delayq_release(struct impair *im, int slot, bool drop, mono_t now);
/* A packet is ready to be sent. */
void outq_push(struct impair *im, struct held *h);
/* A packet as it is sent; @tx borrows its payload. */
void outq_tx(struct tx *tx, const struct held *h);
/* Move ready packets into @tx. */
int outq_drain(struct impair *im, struct tx *tx, int max);
/* The packets in @tx were sent: free them. */
void outq_forget(struct impair *im);

/* edit.c: change header fields of a packet that is sent. */
void held_edit(struct held *h, const struct fault_verdict *v);
/* 1 + length of the cookie in the Fast Open option; 0: no such option. */
uint8_t held_tfo(const struct held *h);

/* forge.c: segments that no leg sent; NULL: no memory, or none is due.  Make
 * one like @h (enum fault_inject). */
struct held *held_forge(struct impair *im, const struct held *h, int kind);
/* Make one that acknowledges v->early bytes more than @h. */
struct held *held_early(struct impair *im, const struct held *h,
			const struct fault_verdict *v);
/* Make @h no longer acknowledge the peer's FIN.  Return: if @h is our FIN, the
 * segment that acknowledges it @after_us later (0: none). */
struct held *held_unack(struct impair *im, struct held *h, int64_t after_us);
/* Split @h in two that share v->overlap bytes.  Return: the first part; @h
 * becomes the second. */
struct held *held_overlap(struct impair *im, struct held *h,
			  const struct fault_verdict *v);
/* An old segment of @l's connection (enum fault_kind). */
struct held *held_replay(struct impair *im, const struct leg *l, int kind,
			 mono_t due);

/* held.c: copies of packets; NULL: no memory, which is counted. */
struct held *held_new(struct impair *im, uint32_t len);
void held_free(struct impair *im, struct held *h);
struct held *held_in(struct impair *im, const struct segment *s);
struct held *held_out(struct impair *im, const struct tx *tx, uint32_t off,
		      uint32_t len, bool first, bool last);
/* A copy that is sent as it is: an ICMP error.  NULL if @tx is NULL. */
struct held *held_whole(struct impair *im, const struct tx *tx);
/* Another copy of @h. */
struct held *held_clone(struct impair *im, const struct held *h);
static inline uint8_t *held_tcp(struct held *h)
{
	return h->hdr + h->l4_off;
}

/* Bytes of its TCP header. */
static inline uint32_t held_hlen(const struct held *h)
{
	return (uint32_t)(h->hdr_len - h->l4_off);
}

/* Compute the lengths and checksums of a packet that is sent. */
void held_seal(struct held *h);

/* held_state.c: all of them, each a field @id; and such a field again. */
void held_save(const struct impair *im, uint32_t id, struct record_writer *w);
void held_load(struct impair *im, struct record_reader r);

/* damage.c: flip bits of @h, as @v says. */
void held_damage(struct held *h, const struct fault_verdict *v);

#endif
