/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_SYNQ_H
#define PENSTOCK_SHIELD_SYNQ_H

/*
 * The SYN queue: half-open connections in 64 bytes each, against 320 in Linux.
 *
 * An entry holds what a SYN offered and what was answered.  It says when to
 * repeat the SYN-ACK (1, 2, 4, ... seconds later) and how to handle a segment
 * for it.  It becomes a flow when the handshake is complete.
 */
#include "shield/hindex.h"
#include "shield/known.h"
#include "util/hash.h"
#include "util/record.h"
#include "util/slab.h"
#include "util/types.h"
#include "wire/segment.h"

#define SYNQ_MAX HINDEX_MAX
#define SYNQ_SERVICES 4096  /* service indices that an entry can hold */
#define SYNQ_RETRIES_MAX 31 /* larger tcp_synack_retries count as this */
#define SYNQ_LEVELS 8	    /* 1, 2, 4, ... 64 and 120 s */

/**
 * struct synq_syn - A SYN and our answer to it
 * @t:          addresses from our side
 * @client_isn: the SYN's sequence number
 * @iss:        ours
 * @tsval:      the client's latest TSval
 * @mss:        the client's MSS option, bytes; 0: it had none
 * @wscale:     the client's shift
 * @wscale_ok:  the SYN had this option and we agreed; likewise the next ones
 * @service:    index, below SYNQ_SERVICES
 * @retries:    how often to repeat the SYN-ACK
 * @defer:      tcp_defer_accept as a number of retries; 0 off
 * @sent_again: how often the SYN-ACK was repeated (out only)
 * @answered_ms: when the only SYN-ACK was sent, for synq_answered_at() (out
 *               only)
 *
 * The tuple's timestamp offset is not kept: isn_make() computes it again.
 */
struct synq_syn {
	struct tuple t;
	seq_t client_isn, iss;
	uint32_t tsval;
	uint16_t mss;
	uint8_t wscale;
	bool wscale_ok, sack_ok, ts_ok, ecn;
	uint16_t service;
	uint8_t retries, defer, sent_again;
	uint32_t answered_ms;
};

/* An entry; its members are for synq.c only. */
struct synq_entry;

/**
 * struct synq_list - Entries of one back-off level
 * @head: due first
 * @tail: due last
 */
struct synq_list {
	uint32_t head, tail;
};

/**
 * struct synq - All half-open connections of a worker
 * @slab:  entries
 * @index: tuple to entry
 * @key:   of the hash
 * @list:  entries by back-off level, each in order of deadlines
 * @known: filter that gets each entry; borrowed, or NULL
 */
struct synq {
	struct slab slab;
	struct hindex index;
	struct hash_key key;
	struct synq_list list[SYNQ_LEVELS];
	const struct known *known;
};

/* Reserves room for @max entries.  0 or -ENOMEM. */
int synq_init(struct synq *q, uint32_t max, const uint8_t secret[32]);
void synq_fini(struct synq *q);

/* Add all entries to the filter @k, also those that exist already. */
void synq_set_known(struct synq *q, const struct known *k);

/* Is there no room for one more? */
static inline bool synq_is_full(const struct synq *q)
{
	return q->slab.used >= q->slab.max;
}

/**
 * synq_add() - A SYN was answered
 * Return: 0, -EEXIST (the tuple is queued already) or -ENOSPC
 */
int synq_add(struct synq *q, const struct synq_syn *syn, mono_t now);

/**
 * synq_answered_at() - When the SYN-ACK was sent, for a round-trip time
 * @syn: from synq_describe() or synq_input()
 *
 * Up to a millisecond too early, so that the round-trip time is never too
 * short.
 * Return: MONO_UNSET when it was sent more than once, or the client's ACK was
 * dropped to wait for data
 */
mono_t synq_answered_at(const struct synq_syn *syn, mono_t now);

/* Find an entry; NULL: none.  Valid until the queue changes. */
struct synq_entry *synq_find(const struct synq *q, const struct tuple *t);
/* What @e holds. */
void synq_describe(const struct synq *q, const struct synq_entry *e,
		   struct synq_syn *out);
void synq_remove(struct synq *q, struct synq_entry *e);

enum synq_action {
	SYNQ_DROP,   /* nothing to do */
	SYNQ_SYNACK, /* a repeated SYN: send the SYN-ACK again */
	SYNQ_ACK,    /* out of the window, or a RST in it that is not exact:
		      * answer with an ACK (RFC 9293; RFC 5961, 3.2) */
	SYNQ_RESET,  /* a wrong ACK: answer with a RST; the entry stays */
	SYNQ_KILL,   /* RST at RCV.NXT; the entry is gone */
	SYNQ_ABORT,  /* SYN in the window; the entry is gone, answer a RST */
	SYNQ_OPEN,   /* the handshake is complete; the entry is gone */
};

/**
 * struct synq_policy - A service's policy for its entries
 * @wnd: receive window in our SYN-ACKs, bytes
 * @ack_interval_us: tcp_invalid_ratelimit: a SYN that arrives sooner after the
 *       last SYN-ACK is not answered
 */
struct synq_policy {
	uint32_t wnd;
	int64_t ack_interval_us;
};

/**
 * synq_input() - A segment for a half-open connection
 * @e:   from synq_find() of the segment's addresses
 * @out: out: what the entry held
 *
 * The steps of RFC 9293, 3.10.7.4 for SYN-RECEIVED, with PAWS, as Linux's.
 * With tcp_defer_accept a bare ACK is noted and dropped.
 */
enum synq_action synq_input(struct synq *q, struct synq_entry *e,
			    const struct segment *seg, mono_t now,
			    const struct synq_policy *p, struct synq_syn *out);

/**
 * synq_refuse() - There is no room for the flow of a completed handshake
 * @syn: from synq_input()
 *
 * As in Linux with tcp_abort_on_overflow = 0, the client's ACK is forgotten.
 * The SYN-ACK is sent again later, and its answer is tried again.
 */
void synq_refuse(struct synq *q, const struct synq_syn *syn, mono_t now);

enum synq_due {
	SYNQ_IDLE,    /* nothing is due */
	SYNQ_AGAIN,   /* send the SYN-ACK of *out again */
	SYNQ_WAIT,    /* deferred: the time was extended; send nothing */
	SYNQ_EXPIRED, /* nobody answered: *out is gone */
};

/* Handle one entry that is due.  Call it until SYNQ_IDLE. */
enum synq_due synq_expire(struct synq *q, mono_t now, struct synq_syn *out);
/* When to call synq_expire(); MONO_NEVER when the queue is empty. */
mono_t synq_deadline(const struct synq *q, mono_t now);

static inline uint32_t synq_count(const struct synq *q)
{
	return q->slab.used;
}

/* Time until the next SYN-ACK after @sent_again of them, microseconds. */
int64_t synq_timeout_us(uint32_t sent_again);
/* tcp_defer_accept as a number of retries whose timeouts cover it. */
uint8_t synq_defer_retries(int64_t defer_us);

typedef void (*synq_fn)(void *arg, const struct synq_entry *e);

/* Call @fn for each entry, those of one back-off level in order. */
void synq_walk(const struct synq *q, synq_fn fn, void *arg);

/* Write an entry, but not its service. */
void synq_save(const struct synq *q, const struct synq_entry *e,
	       struct record_writer *w);

/**
 * synq_load() - Add an entry that was saved
 * @t:       its addresses
 * @service: its service here
 * Return: 0, -EBADMSG, -EEXIST or -ENOSPC
 */
int synq_load(struct synq *q, const struct tuple *t, uint16_t service,
	      struct record_reader r);

#endif
