/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_INTERNAL_H
#define PENSTOCK_IMPAIR_INTERNAL_H

/*
 * What the files of src/impair share.  Nothing outside includes this; the
 * theory of operation is in impair.c.
 */
#include <assert.h>
#include <errno.h>

#include "engine/hooks.h"
#include "fault/set.h"
#include "impair/impair.h"
#include "wire/frame.h"

#define PIPE_MARKS 32
#define COPIES_MAX 8 /* of a segment */

/**
 * struct held - A packet under way inside a fault
 * @due:  when it goes on
 * @serial: breaks ties in the order of arrival
 * @out:  it leaves (hdr); else it arrives (seg)
 * @notice: it is an ICMP error to our own leg (about)
 * @crossed: it ends the client's half of a simultaneous open
 * @slot: the fault that holds it
 * @buf:  its payload, owned; NULL when there is none
 * @len:  payload bytes
 * @false_word: forged or damaged: not what we say to the peer
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
 * struct pipe - Bytes between a leg's receive side and the other's send queue
 * @on:   in use (else bytes go straight)
 * @discard: the receiver was reset: bytes are taken and thrown away
 * @fin:  the sender has ended; passed on when the pipe is empty
 * @owed: the receiver gets its FIN as soon as it is there
 * @in:   bytes that ever entered
 * @out:  bytes that ever left
 * @mark: bytes up to @end are free to go at @due
 */
struct pipe {
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
 * struct impair_flow - Of a flow with faults
 * @behave: a copy of behave_faulty: leads from a leg to here
 * @again: when the legs are to ask their questions again
 * @shut:  until when a shrunk window stays so
 * @pipe:  by the side that its bytes go to
 * @closed: by close_both(): each leg ends for itself
 */
struct impair_flow {
	struct leg_behaviour behave;
	struct impair *im;
	struct fault_flow *w;
	mono_t again, shut[2];
	struct pipe pipe[2];
	bool closed;
};

/**
 * struct impair - The faults of an engine at work
 * @held: of struct held
 * @flows: of struct impair_flow
 * @heap: packets under way, by when they are due
 * @out_head: packets to be pulled
 * @spent: pulled: valid until the next pull
 * @serial: of the next packet that is put on its way
 * @overflow: packets lost for want of room
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
};

/* Of a flow that is hooked. */
static inline struct impair_flow *impaired(const struct flow *f)
{
	return container_of(f->leg[0].behave, struct impair_flow, behave);
}

/* impair.c: the hooks.  Takes the memory and hooks itself in, if that is not
 * done yet; NULL: no memory. */
struct impair *impair_open(struct engine *e, mono_t now);
void impair_expire(void *wing, mono_t now);

/* change.c, report.c: impair/impair.h */

/* set.c: the fault of a slot goes, and lets go of what it holds. */
void set_remove(struct impair *im, int slot, mono_t now);
/* One with scope=all has come: living connections join it. */
void set_join(struct impair *im, int slot, mono_t now);

/* attach.c: the flow carries @w from now on; takes @w. */
void attach_flow(struct impair *im, struct flow *f, struct fault_flow *w);
/* Faults of streams need pipes between its legs. */
void attach_pipes(struct impair *im, struct flow *f);
void attach_bind(void *wing, struct flow *f);
void attach_unbind(void *wing, struct flow *f);

/* timer.c: the flow's timer, to the earliest of what it waits for. */
void timer_arm(struct impair *im, struct flow *f);
/* What a fault held back may go now: the ACK, the window, the FIN. */
void timer_ask_again(struct flow *f);

/* behave.c: answers to questions of the stack. */
extern const struct leg_behaviour behave_faulty;

/* opening.c: a segment that no leg takes. */
enum verdict opening_admit(void *wing, const struct segment *s, mono_t now,
			   struct tx *reply);

/* arrival.c: arrival. */
enum verdict arrival_input(void *wing, struct leg *l, const struct segment *s,
			   mono_t now, struct tx *reply);
/* A delayed packet is due: it leaves, or gets to its leg.  Takes @h. */
void arrival_deliver(struct impair *im, struct held *h, mono_t now);
/* Held, doubled or damaged: true when the original goes no further. */
bool arrival_detain(struct impair *im, const struct segment *s,
		    const struct fault_verdict *v, mono_t now);
void arrival_edit(struct segment *s, const struct fault_verdict *v);
/* Does the client answer the SYN that crossed its own? */
bool arrival_crosses(const struct fault_flow *w, const struct fault_event *ev);
/* The client has its side of a simultaneous open: it waits for our ACK. */
void arrival_crossed(struct impair *im, const struct tuple *t);

/* departure.c: departure. */
int departure_flow_pull(void *wing, struct flow *f, struct tx *tx, int max,
			mono_t now);
int departure_pull(void *wing, struct tx *tx, int n, int max, mono_t now);
/* A packet of no flow leaves; true when the faults of @w took it. */
bool departure_judge(struct impair *im, struct fault_flow *w,
		     const struct tx *tx, mono_t now);
/* It leaves when it is due, unjudged.  Takes @h (or NULL). */
void departure_send(struct impair *im, struct held *h, mono_t due, mono_t now);
/* It leaves now.  Takes @h. */
void departure_leave(struct impair *im, struct held *h, mono_t now);

/* close.c: both connections are closed: FIN to both, and data that still comes
 * is answered by a RST. */
void close_both(struct impair *im, struct flow *f, mono_t now);
/* The peer of @side gets a RST and the other one an orderly end, or
 * what else @act (FAULT_ACT_*) says. */
void close_reset(struct impair *im, struct flow *f, int side, uint8_t act,
		 mono_t now);
/* pipe_pump(), and what comes of it. */
void close_pump(struct impair *im, struct flow *f, int to, mono_t now);

/* pipe.c: bytes between the legs. */
void pipe_open(struct flow *f, int to);
/* Bytes that are free to go do.  True: a fault closes both connections here. */
bool pipe_pump(struct impair *im, struct flow *f, int to, mono_t now);
void pipe_flush(struct impair *im, struct flow *f, int to);
/* Nobody reads @to's bytes any more, and the sender shall not notice. */
void pipe_discard(struct impair *im, struct flow *f, int to, mono_t now);
/* Does it hold bytes on which such a fault acts? */
bool pipe_holds(const struct flow *f, const struct fault_spec *spec);
void pipe_purge(struct impair *im, struct flow *f, int to);
/* All that it holds is free to go. */
void pipe_unmark(struct flow *f, int to, mono_t now);

/* describe.c: a segment as faults see it.  @l NULL: no leg has it. */
void describe_in(struct fault_event *ev, struct fault_flow *w,
		 const struct leg *l, const struct segment *s, mono_t now);
/* The stream offset of a sequence number near what was seen last: of what the
 * leg sends, or of what its peer does. */
uint64_t describe_at(struct fault_flow *w, const struct leg *l, bool to_peer,
		     seq_t seq);
void describe_out(struct fault_event *ev, struct fault_flow *w,
		  const struct leg *l, const struct held *h, mono_t now);

/* watch.c: a segment is on the wire, from the peer or to it. */
void watch_in(struct impair *im, struct fault_flow *w, int side,
	      const struct segment *s, mono_t now);
void watch_out(struct impair *im, const struct held *h, mono_t now);
/* What a fault says in the place of a connection. */
void watch_reply(struct impair *im, struct fault_flow *w, int side,
		 const struct tx *reply, mono_t now);

/* icmp.c: errors about segments; NULL: no memory.  To the peer that sent @s. */
struct held *icmp_for_peer(struct impair *im, const struct segment *s,
			   const struct fault_verdict *v);
/* To our own leg, about @h. */
struct held *icmp_for_leg(struct impair *im, const struct leg *l,
			  const struct held *h, const struct fault_verdict *v);
/* The answer in place of a connection: the destination is unreachable. */
void icmp_refuse(struct tx *reply, const struct segment *s, uint8_t code);

/* delayq.c: packets under way.  0 or -ENOMEM. */
int delayq_init(struct impair *im, uint32_t max);
void delayq_free(struct impair *im);
/* Takes @h (or NULL), and gives it back when it is due already. */
struct held *delayq_put(struct impair *im, struct held *h, mono_t due,
			mono_t now);
/* The next that is due, or NULL. */
struct held *delayq_due(struct impair *im, mono_t now);
/* When the next one will be; MONO_UNSET: there is none. */
mono_t delayq_deadline(const struct impair *im);
/* All of a slot: due now, or thrown away. */
void delayq_release(struct impair *im, int slot, bool drop, mono_t now);
/* One is ready to leave. */
void outq_push(struct impair *im, struct held *h);
/* Move what is ready into @tx. */
int outq_drain(struct impair *im, struct tx *tx, int max);
/* What was moved has left. */
void outq_forget(struct impair *im);

/* edit.c: header fields of an outgoing one. */
void held_edit(struct held *h, const struct fault_verdict *v);
/* 1 + length of the cookie in its Fast Open option; 0: there is none. */
uint8_t held_tfo(const struct held *h);

/* forge.c: segments that no leg sent; NULL: no memory, or none is due.
 * One modelled on @h (enum fault_inject). */
struct held *held_forge(struct impair *im, const struct held *h, int kind);
/* One that acknowledges v->early bytes more than @h. */
struct held *held_early(struct impair *im, const struct held *h,
			const struct fault_verdict *v);
/* @h no longer acknowledges the peer's FIN; the segment that does @after_us
 * later, if @h is our FIN; 0: none. */
struct held *held_unack(struct impair *im, struct held *h, int64_t after_us);
/* @h loses its beginning to the segment returned, but for v->overlap bytes. */
struct held *held_overlap(struct impair *im, struct held *h,
			  const struct fault_verdict *v);
/* An old segment of @l's connection (enum fault_kind), to leave at @due. */
struct held *held_replay(struct impair *im, const struct leg *l, int kind,
			 mono_t due);

/* held.c: copies of packets; NULL: no memory, and it is counted. */
struct held *held_new(struct impair *im, uint32_t len);
void held_free(struct impair *im, struct held *h);
struct held *held_in(struct impair *im, const struct segment *s);
struct held *held_out(struct impair *im, const struct tx *tx, uint32_t off,
		      uint32_t len, bool first, bool last);
/* One that is sent as it is: an ICMP error; @tx NULL: nothing is sent. */
struct held *held_whole(struct impair *im, const struct tx *tx);
/* A second one like it. */
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

/* Recompute lengths and checksums of an outgoing one. */
void held_seal(struct held *h);

/* damage.c: bits of it are flipped, as @v says. */
void held_damage(struct held *h, const struct fault_verdict *v);

#endif
