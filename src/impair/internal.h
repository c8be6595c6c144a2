/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IMPAIR_INTERNAL_H
#define PENSTOCK_IMPAIR_INTERNAL_H

/*
 * What the seams' files share: see seams.c for the theory.
 */
#include "impair/impair.h"
#include "fault/set.h"
#include "../engine/internal.h"

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
 * struct seam_flow - Of a flow with faults
 * @behave: a copy of seams_behaviour: leads from a leg to here
 * @again: when the legs are to ask their questions again
 * @shut:  until when a shrunk window stays so
 * @pipe:  by the side that its bytes go to
 * @closed: by seam_close(): each leg ends for itself
 */
struct seam_flow {
	struct leg_behaviour behave;
	struct engine *e;
	struct fault_flow *w;
	mono_t again, shut[2];
	struct pipe pipe[2];
	bool closed;
};

struct seams {
	struct fault_set set;
	struct slab held, flows;
	struct seam_flow **of; /* by the flow's index in its slab */
	struct held **heap;
	uint32_t nheap, heap_max;
	struct held *out_head, *out_tail; /* to be pulled */
	struct held *spent; /* pulled: valid until the next pull */
	uint64_t serial, overflow;
};

static inline struct seam_flow *seam_of(const struct engine *e,
					const struct flow *f)
{
	return e->seams->of[slab_index(&e->flows, f)];
}

/* seam_ask.c: questions of the stack. */
extern const struct leg_behaviour seams_behaviour;

/* seams.c: the life of a flow's faults. */
/* Take the memory; 0 (also when that is done already) or -ENOMEM. */
int seams_open(struct engine *e, mono_t now);
/* The flow carries @w from now on; takes @w. */
void seam_attach(struct engine *e, struct flow *f, struct fault_flow *w);
void seam_open_pipes(struct engine *e, struct flow *f);
/* The flow's timer, to the earliest of what it waits for. */
void seams_arm(struct engine *e, struct flow *f);

/* What a fault held back may go now: the ACK, the window, the FIN. */
void seam_ask_again(struct flow *f);

/* seam_act.c: both connections are closed: FIN to both, and data that still
 * comes is answered by a RST. */
void seam_close(struct engine *e, struct flow *f, mono_t now);
/* The peer of @side gets a RST and the other one an orderly end, or
 * what else @act (FAULT_ACT_*) says. */
void seam_reset(struct engine *e, struct flow *f, int side, uint8_t act,
		mono_t now);

/* seam_in.c: arrival. */
struct fault_track *seam_track(struct fault_flow *w, const struct leg *l,
			       bool to_peer);
uint64_t seam_offset(const struct fault_track *t, seq_t seq);
void seam_describe(struct fault_event *ev, struct fault_flow *w,
		   const struct leg *l, const struct segment *s, mono_t now);
/* Held, doubled or damaged: true when the original goes no further. */
bool seam_detain(struct engine *e, const struct segment *s,
		 const struct fault_verdict *v, mono_t now);
void seam_edit(struct segment *s, const struct fault_verdict *v);

/* Does the client answer the SYN that crossed its own? */
bool seam_crosses(const struct fault_flow *w, const struct fault_event *ev);
/* The client has its side of a simultaneous open: it waits for our ACK. */
void seam_crossed(struct engine *e, const struct tuple *t);

/* seam_icmp.c: errors about segments.  To the peer that sent @s, and to our
 * own leg about @h. */
void seam_icmp_peer(struct engine *e, const struct segment *s,
		    const struct fault_verdict *v, mono_t now);
void seam_icmp_leg(struct engine *e, const struct leg *l, const struct held *h,
		   const struct fault_verdict *v, mono_t now);
void seam_icmp_deliver(struct engine *e, const struct icmp_error *about,
		       mono_t now);
/* The answer in place of a connection: the destination is unreachable. */
void seam_icmp_refuse(struct tx *reply, const struct segment *s, uint8_t code);

/* seam_out.c: a packet of no flow leaves; true when the faults of @w took it. */
bool seam_depart(struct engine *e, struct fault_flow *w, const struct tx *tx,
		 mono_t now);

/* seam_watch.c: a segment is on the wire, from the peer or to it. */
void seam_watch_in(struct engine *e, struct fault_flow *w, int side,
		   const struct segment *s, mono_t now);
void seam_watch_out(struct engine *e, const struct held *h, mono_t now);
/* What a fault says in the place of a connection. */
void seam_watch_reply(struct engine *e, struct fault_flow *w, int side,
		      const struct tx *reply, mono_t now);

/* seam_set.c: the fault of a slot goes, and lets go of what it holds. */
void seam_remove(struct engine *e, int slot, mono_t now);

/* seam_hold.c: packets under way. */
struct held *held_in(struct engine *e, const struct segment *s);
struct held *held_out(struct engine *e, const struct tx *tx, uint32_t off,
		      uint32_t len, bool first, bool last);
/* Recompute lengths and checksums of an outgoing one. */
void held_seal(struct held *h);
/* One that is sent as it is: an ICMP error; @tx NULL: nothing is sent.  NULL:
 * no memory. */
struct held *held_whole(struct engine *e, const struct tx *tx);
/* A forged segment modelled on @h (enum fault_inject), or NULL. */
struct held *held_forge(struct engine *e, const struct held *h, int kind);
/* seam_forge.c: segments that no leg sent; NULL: no memory, or none is due.
 * One that acknowledges v->early bytes more than @h. */
struct held *held_early(struct engine *e, const struct held *h,
			const struct fault_verdict *v);
/* @h no longer acknowledges the peer's FIN; the segment that does @after_us
 * later, if @h is our FIN; 0: none. */
struct held *held_unack(struct engine *e, struct held *h, int64_t after_us);
/* @h loses its beginning to the segment returned, but for v->overlap bytes. */
struct held *held_overlap(struct engine *e, struct held *h,
			  const struct fault_verdict *v);
/* An old segment of @l's connection (enum fault_kind), to leave at @due. */
struct held *held_replay(struct engine *e, const struct leg *l, int kind,
			 mono_t due);
void held_damage(struct held *h, const struct fault_verdict *v);
void held_free(struct engine *e, struct held *h);
/* Into the heap until @due; at once when it is now.  Takes @h (or NULL). */
void held_queue(struct engine *e, struct held *h, mono_t due, mono_t now);
/* A second one like it, or NULL. */
struct held *held_clone(struct engine *e, const struct held *h);
void held_expire(struct engine *e, mono_t now);
/* All of a slot: let go, or thrown away. */
void held_release(struct engine *e, int slot, bool drop, mono_t now);
/* Move what is ready into @tx. */
int held_drain(struct engine *e, struct tx *tx, int max);
void held_forget(struct engine *e);

/* seam_edit.c: header fields of an outgoing one. */
void held_edit(struct held *h, const struct fault_verdict *v);
/* 1 + length of the cookie in its Fast Open option; 0: there is none. */
uint8_t held_tfo(const struct held *h);

/* seam_pipe.c: bytes between the legs. */
void pipe_open(struct engine *e, struct flow *f, int to);
void pipe_pump(struct engine *e, struct flow *f, int to, mono_t now);
void pipe_flush(struct engine *e, struct flow *f, int to);
/* Nobody reads @to's bytes any more, and the sender shall not notice. */
void pipe_discard(struct engine *e, struct flow *f, int to, mono_t now);
/* Does it hold bytes on which such a fault acts? */
bool pipe_holds(const struct engine *e, const struct flow *f,
		const struct fault_spec *spec);
void pipe_purge(struct engine *e, struct flow *f, int to);
void pipe_unmark(struct engine *e, struct flow *f, int to, mono_t now);

#endif
