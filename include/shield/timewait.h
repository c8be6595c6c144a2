/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_TIMEWAIT_H
#define PENSTOCK_SHIELD_TIMEWAIT_H

/*
 * TIME_WAIT: what is left of a leg that closed first (RFC 9293, 3.10.7.8).
 *
 * 40 bytes for an IPv4 connection and 64 for an IPv6 one, against 256 in
 * Linux.  See timewait.c for the layout.
 */
#include "shield/hindex.h"
#include "shield/known.h"
#include "shield/owners.h"
#include "util/hash.h"
#include "util/record.h"
#include "util/slab.h"
#include "util/types.h"
#include "wire/segment.h"

/* What to do with one more entry when the table is full. */
enum tw_overflow {
	TW_DESTROY,	 /* the new one gets no TIME_WAIT, as in Linux */
	TW_EVICT_OLDEST, /* the entry that ends first makes room */
};

#define TW_LISTS 8	  /* different lengths of TIME_WAIT with O(1) cost */
#define TW_MAX HINDEX_MAX /* entries a table can have */
#define TW_EXPIRE_BATCH 1024
#define TW_SERVICES 512
#define TW_OOW_SLOTS 4096 /* connections whose replies are rate limited */

/* An entry; its members are for timewait.c only. */
struct tw_entry;

/**
 * struct tw_cfg - Size of a table
 * @max:    entries, IPv4 and IPv6 together; at most TW_MAX
 * @owners: told of each entry, that @worker has it; borrowed, or NULL
 */
struct tw_cfg {
	uint32_t max;
	struct owners *owners;
	uint32_t worker;
};

/**
 * struct tw_list - Entries of one length, in the order of their deadlines
 * @head:   ends first
 * @tail:   ends last
 * @len_us: the length
 */
struct tw_list {
	uint32_t head, tail;
	int64_t len_us;
};

/**
 * struct tw_half - One address family
 * @slab:  entries
 * @index: tuple to entry
 * @list:  deadlines
 */
struct tw_half {
	struct slab slab;
	struct hindex index;
	struct tw_list list[TW_LISTS];
};

/**
 * struct tw_table - All TIME_WAIT entries of a worker
 * @half:   IPv4, IPv6
 * @key:    of the hash
 * @now:    the latest time that the table was told
 * @max:    entries at once
 * @oow:    when a connection was last answered, by its hash
 * @held:   entries of each service
 * @overflowed: entries that got no TIME_WAIT
 * @evicted:    entries that made room for another
 * @known:      filter that gets each entry; borrowed, or NULL
 * @owners:     likewise, that @worker has it; borrowed, or NULL
 */
struct tw_table {
	struct tw_half half[2];
	struct hash_key key;
	mono_t now;
	uint32_t max;
	struct tw_oow {
		uint32_t tag, ms;
	} * oow;
	uint32_t held[TW_SERVICES];
	uint64_t overflowed, evicted;
	const struct known *known;
	struct owners *owners;
	uint32_t worker;
};

/**
 * struct tw_new - A leg that enters TIME_WAIT
 * @t:       addresses from our side
 * @snd_nxt: next sequence number of ours (after our FIN)
 * @rcv_nxt: next sequence number of the peer's (after its FIN)
 * @rcv_wnd: window field of our ACKs, as sent (already scaled down)
 * @ts_ok:   timestamps were in use
 * @ts_recent: the peer's latest TSval
 * @ts_off:  our offset to the millisecond clock
 * @service: index of the service, below TW_SERVICES
 * @overflow: enum tw_overflow, when there is no room.  A service evicts only
 *           its own entries
 * @limit:   most entries of this service (max_time_wait); 0: no limit but the
 *           table's
 */
struct tw_new {
	struct tuple t;
	seq_t snd_nxt, rcv_nxt;
	uint32_t rcv_wnd;
	bool ts_ok;
	uint32_t ts_recent, ts_off;
	uint16_t service;
	uint8_t overflow;
	uint32_t limit;
};

/**
 * struct tw_policy - A service's policy for TIME_WAIT
 * @len_us:  tcp_timewait_len
 * @ack_interval_us: tcp_invalid_ratelimit: least time between two replies to
 *           segments outside the window of one connection
 * @reuse_delay_us: tcp_tw_reuse_delay
 * @reuse:   tcp_tw_reuse: 0 never, 1 when safe, 2 on loopback only
 * @rfc1337: tcp_rfc1337: a RST does not end TIME_WAIT
 */
struct tw_policy {
	int64_t len_us;
	int64_t ack_interval_us;
	int64_t reuse_delay_us;
	uint32_t reuse;
	bool rfc1337;
};

enum tw_action {
	TW_DROP, /* nothing to send */
	TW_ACK,	 /* answer with struct tw_reply */
	TW_NEW,	 /* a new incarnation may begin; the entry is gone */
	TW_KILL, /* a RST ended it; the entry is gone */
};

/**
 * struct tw_reply - What tw_input() returns besides its verdict
 * @seq:     TW_ACK: sequence number.  TW_NEW: the least initial sequence
 *           number of the new incarnation, 65,537 beyond the old one's end
 * @ack:     TW_ACK: acknowledgment number
 * @wnd:     TW_ACK: window field
 * @ts_ok:   TW_ACK: use timestamps; their TSecr is @ts_recent
 * @ts_recent: the peer's latest TSval
 * @ts_off:  our timestamp offset; keeps TSvals rising in the new incarnation
 * @service: as given to tw_add()
 * @paws:    the segment is an old duplicate by its timestamp
 */
struct tw_reply {
	seq_t seq, ack;
	uint16_t wnd;
	bool ts_ok, paws;
	uint32_t ts_recent, ts_off;
	uint16_t service;
};

/* Reserve the memory of all entries, without touching it. 0 or -ENOMEM. */
int tw_init(struct tw_table *t, const struct tw_cfg *cfg,
	    const uint8_t secret[32], mono_t now);
void tw_fini(struct tw_table *t);

/* Add all entries to the filter @k, also those that exist already. */
void tw_set_known(struct tw_table *t, const struct known *k);

/**
 * tw_add() - A leg has entered TIME_WAIT
 * @len_us: for how long; below 2,000 s
 *
 * Replaces an entry of the same addresses.
 * Return: 0, or -ENOSPC when the table is full and the policy is TW_DESTROY
 */
int tw_add(struct tw_table *t, const struct tw_new *n, mono_t now,
	   int64_t len_us);

/* Find an entry; NULL: none.  Valid until the table changes. */
struct tw_entry *tw_find(const struct tw_table *t, const struct tuple *tuple);
void tw_remove(struct tw_table *t, const struct tuple *tuple);

/* What an entry knows, as for TW_ACK. */
void tw_describe(const struct tw_table *t, const struct tw_entry *e,
		 struct tw_reply *out);

/**
 * tw_input() - A segment for a connection in TIME_WAIT
 * @e:   from tw_find() of the segment's addresses
 * @seg: the segment
 * @out: out
 *
 * Decides as Linux does: PAWS (RFC 7323), RST by RFC 1337, restart of the
 * timer by a retransmitted FIN, a new incarnation by newer SEQ or timestamp
 * (RFC 1122, 4.2.2.13; RFC 6191).
 */
enum tw_action tw_input(struct tw_table *t, struct tw_entry *e,
			const struct segment *seg, mono_t now,
			const struct tw_policy *p, struct tw_reply *out);

/**
 * tw_reuse() - May we open a connection with these addresses?
 * @tuple: addresses from our side
 * @out:   out, with 0: @seq is the least initial sequence number, @ts_off the
 *         offset by which our new TSval is newer than the last one
 *
 * It is safe if timestamps were in use (so PAWS separates the incarnations) and
 * the entry is older than the delay.  Then the entry is removed.
 * Return: 0, -ENOENT (not in TIME_WAIT) or -EADDRINUSE
 */
int tw_reuse(struct tw_table *t, const struct tuple *tuple, mono_t now,
	     const struct tw_policy *p, struct tw_reply *out);

/* When to call tw_expire(); MONO_NEVER when the table is empty. */
mono_t tw_deadline(const struct tw_table *t);
/* End entries that are due, at most TW_EXPIRE_BATCH, so that no call takes
 * long.  If more are due, tw_deadline() stays in the past. */
void tw_expire(struct tw_table *t, mono_t now);

/**
 * struct tw_place - An entry, for a walk
 * @service: index of the service
 * @len_us:  the length of its TIME_WAIT
 * @end:     when it ends
 */
struct tw_place {
	const struct tw_entry *e;
	struct tuple t;
	uint16_t service;
	int64_t len_us;
	mono_t end;
};
typedef void (*tw_fn)(void *arg, const struct tw_place *p);

/* Call @fn for each entry, in the order in which they end, list by list. */
void tw_walk(const struct tw_table *t, tw_fn fn, void *arg);

/* Write an entry, but neither its addresses nor its service. */
void tw_save(const struct tw_place *p, struct record_writer *w);

/**
 * tw_load() - Add an entry that was saved
 * Return: 0, -EBADMSG, or -ENOSPC when the table is full
 */
int tw_load(struct tw_table *t, const struct tuple *at, uint16_t service,
	    struct record_reader r);

static inline uint32_t tw_count(const struct tw_table *t)
{
	return t->half[0].slab.used + t->half[1].slab.used;
}

static inline uint32_t tw_limit(const struct tw_table *t)
{
	return t->max;
}

#endif
