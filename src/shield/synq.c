/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * An entry is 64 bytes for either family: addresses of 16 bytes (IPv4 mapped),
 * all links are numbers of 22 bits, the deadline counts milliseconds modulo
 * 2^31 (24 days).
 *
 * The SYN-ACK is repeated after 1, 2, 4, ... s, at most 120 s (RFC 6298; five
 * retries take 63 s, as in Linux).  All entries of one back-off level wait for
 * the same time.  So each level is a queue sorted by deadline, and no other
 * timer is needed: an entry joins a level at the tail, and expiry looks at
 * eight heads.
 *
 * tcp_defer_accept: a bare ACK only marks the entry.  A marked entry sends no
 * SYN-ACK until one timeout before its period ends.  Then it sends one more,
 * and the client's answer opens the connection even without data.
 */
#include <assert.h>
#include <errno.h>

#include "shield/synq.h"

#define NIL HINDEX_NONE
#define DL_BITS 31
#define DL_MASK ((1u << DL_BITS) - 1)
#define SVC_LOW 10	  /* bits of a service's number in one word */
#define TIMEOUT_MAX_S 120 /* RTO_MAX */

struct synq_entry {
	struct tuple t;
	seq_t client_isn, iss;
	uint32_t tsval;
	uint16_t mss;
	uint8_t wscale : 4, wscale_ok : 1, sack_ok : 1, ts_ok : 1, ecn : 1;
	uint8_t retries : 5, service_high : 2, repeated : 1;
	uint32_t prev : HINDEX_BITS, sent_again : 5, defer : 5;
	uint32_t next : HINDEX_BITS, service_low : SVC_LOW;
	uint32_t deadline : DL_BITS, acked : 1;
};

static_assert(sizeof(struct synq_entry) <= 64, "budget of a half-open");

static struct synq_entry *entry_at(const struct synq *q, uint32_t i)
{
	return slab_at(&q->slab, i);
}

static uint64_t tuple_hash(const struct synq *q, const struct tuple *t)
{
	return hash_bytes(&q->key, t, sizeof(*t));
}

static uint64_t entry_hash(const void *table, uint32_t i)
{
	const struct synq *q = table;

	return tuple_hash(q, &entry_at(q, i)->t);
}

int64_t synq_timeout_us(uint32_t sent_again)
{
	int64_t s = sent_again < 7 ? 1 << sent_again : TIMEOUT_MAX_S;

	return s * USEC_PER_SEC;
}

uint8_t synq_defer_retries(int64_t defer_us)
{
	uint8_t n = 0;
	int64_t sum = 0;

	while (sum < defer_us && n < SYNQ_RETRIES_MAX)
		sum += synq_timeout_us(n++);
	return n;
}

/* --- deadlines, lists --- */

/* The deadline: the time nearest to @now that has its low bits. */
static mono_t deadline(const struct synq_entry *e, mono_t now)
{
	int64_t ms = now.us / USEC_PER_MSEC;
	uint32_t ahead = (e->deadline - (uint32_t)ms) & DL_MASK;
	int64_t diff = ahead;

	if (ahead > DL_MASK / 2)
		diff -= (int64_t)DL_MASK + 1;
	return (mono_t){(ms + diff) * USEC_PER_MSEC};
}

static struct synq_list *list_of(struct synq *q, const struct synq_entry *e)
{
	return &q->list[min_u32(e->sent_again, SYNQ_LEVELS - 1)];
}

/* Append to the tail of its level, with a new deadline. */
static void list_append(struct synq *q, struct synq_entry *e, mono_t now)
{
	struct synq_list *l = list_of(q, e);
	uint32_t i = slab_index(&q->slab, e);
	int64_t at = now.us + synq_timeout_us(e->sent_again);

	at = (at + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
	e->deadline = (uint32_t)at & DL_MASK;
	e->next = NIL;
	e->prev = l->tail & HINDEX_MASK;
	if (l->tail == NIL)
		l->head = i;
	else
		entry_at(q, l->tail)->next = i & HINDEX_MASK;
	l->tail = i;
}

static void list_delete(struct synq *q, struct synq_entry *e)
{
	struct synq_list *l = list_of(q, e);

	if (e->prev == NIL)
		l->head = e->next;
	else
		entry_at(q, e->prev)->next = e->next & HINDEX_MASK;
	if (e->next == NIL)
		l->tail = e->prev;
	else
		entry_at(q, e->next)->prev = e->prev & HINDEX_MASK;
}

/* The entry that is due first, or NULL. */
static struct synq_entry *first_due(const struct synq *q, mono_t now)
{
	struct synq_entry *best = NULL;
	mono_t when = MONO_NEVER;

	for (int i = 0; i < SYNQ_LEVELS; i++) {
		struct synq_entry *e;
		mono_t d;

		if (q->list[i].head == NIL)
			continue;
		e = entry_at(q, q->list[i].head);
		d = deadline(e, now);
		if (mono_before(d, when)) {
			when = d;
			best = e;
		}
	}
	return best;
}

/* --- table --- */

int synq_init(struct synq *q, uint32_t max, const uint8_t secret[32])
{
	int rc;

	memset(q, 0, sizeof(*q));
	for (int i = 0; i < SYNQ_LEVELS; i++)
		q->list[i] = (struct synq_list){NIL, NIL};
	hash_derive(&q->key, secret, "syn queue", 0);
	max = min_u32(max, SYNQ_MAX);
	rc = slab_init(&q->slab, sizeof(struct synq_entry), max);
	if (!rc)
		rc = hindex_init(&q->index, max);
	if (rc)
		synq_fini(q);
	return rc;
}

void synq_fini(struct synq *q)
{
	hindex_fini(&q->index);
	slab_fini(&q->slab);
}

void synq_set_known(struct synq *q, const struct known *k)
{
	q->known = k;
	for (int i = 0; i < SYNQ_LEVELS; i++) {
		for (uint32_t at = q->list[i].head; at != NIL;
		     at = entry_at(q, at)->next)
			known_add(k, &entry_at(q, at)->t);
	}
}

static struct synq_entry *lookup(const struct synq *q, const struct tuple *t,
				 struct hindex_probe *p)
{
	uint32_t i;

	*p = hindex_begin(&q->index, tuple_hash(q, t));
	while ((i = hindex_next(&q->index, p)) != HINDEX_NONE) {
		if (tuple_eq(&entry_at(q, i)->t, t))
			return entry_at(q, i);
	}
	return NULL;
}

struct synq_entry *synq_find(const struct synq *q, const struct tuple *t)
{
	struct hindex_probe p;

	return q->slab.used ? lookup(q, t, &p) : NULL;
}

static struct synq_entry *entry_new(struct synq *q, const struct synq_syn *s)
{
	struct synq_entry *e = slab_alloc(&q->slab);

	if (!e)
		return NULL;
	*e = (struct synq_entry){
		.t = s->t,
		.client_isn = s->client_isn,
		.iss = s->iss,
		.tsval = s->tsval,
		.mss = s->mss,
		.wscale = s->wscale & 15u,
		.wscale_ok = s->wscale_ok,
		.sack_ok = s->sack_ok,
		.ts_ok = s->ts_ok,
		.ecn = s->ecn,
		.retries = min_u32(s->retries, SYNQ_RETRIES_MAX) & 31u,
		.defer = min_u32(s->defer, SYNQ_RETRIES_MAX) & 31u,
		.sent_again = s->sent_again & 31u,
		.service_low = s->service & ((1u << SVC_LOW) - 1),
		.service_high = (s->service >> SVC_LOW) & 3u,
	};
	hindex_insert(&q->index, tuple_hash(q, &s->t), slab_index(&q->slab, e));
	known_add(q->known, &s->t);
	return e;
}

int synq_add(struct synq *q, const struct synq_syn *syn, mono_t now)
{
	struct synq_entry *e;

	assert(syn->service < SYNQ_SERVICES);
	if (synq_find(q, &syn->t))
		return -EEXIST;
	e = entry_new(q, syn);
	if (!e)
		return -ENOSPC;
	list_append(q, e, now);
	return 0;
}

mono_t synq_answered_at(const struct synq_syn *syn, mono_t now)
{
	int64_t ms = now.us / USEC_PER_MSEC;
	uint32_t ago = ((uint32_t)ms - syn->answered_ms) & DL_MASK;

	if (!syn->answered_ms)
		return MONO_UNSET;
	if (ago > DL_MASK / 2) /* rounded up beyond now */
		ago = 0;
	return (mono_t){(ms - ago - 1) * USEC_PER_MSEC};
}

/* 0 when it is not known (and, by chance, once in 2^31 ms). */
static uint32_t answered_ms(const struct synq_entry *e)
{
	int64_t wait_ms = synq_timeout_us(0) / USEC_PER_MSEC;

	if (e->repeated || e->sent_again || e->acked)
		return 0;
	return (e->deadline - (uint32_t)wait_ms) & DL_MASK;
}

void synq_describe(const struct synq *q, const struct synq_entry *e,
		   struct synq_syn *out)
{
	(void)q;
	*out = (struct synq_syn){
		.t = e->t,
		.client_isn = e->client_isn,
		.iss = e->iss,
		.tsval = e->tsval,
		.mss = e->mss,
		.wscale = e->wscale,
		.wscale_ok = e->wscale_ok,
		.sack_ok = e->sack_ok,
		.ts_ok = e->ts_ok,
		.ecn = e->ecn,
		.service =
			(uint16_t)(e->service_high << SVC_LOW | e->service_low),
		.retries = e->retries,
		.defer = e->defer,
		.sent_again = e->sent_again,
		.answered_ms = answered_ms(e),
	};
}

void synq_remove(struct synq *q, struct synq_entry *e)
{
	const struct synq_entry *found;
	struct hindex_probe p;

	found = lookup(q, &e->t, &p);
	assert(found == e);
	hindex_delete(&q->index, &p, entry_hash, q);
	list_delete(q, e);
	known_leave(q->known, &e->t);
	slab_free(&q->slab, e);
}

/* --- segment comes --- */

static bool paws_rejects(const struct synq_entry *e, const struct segment *seg)
{
	return e->ts_ok && seg->opts.has & OPT_HAS_TS &&
	       (int32_t)(e->tsval - seg->opts.tsval) > 0;
}

static bool in_window(const struct synq_entry *e, const struct segment *seg,
		      uint32_t wnd)
{
	seq_t left = seq_add(e->client_isn, 1), right = seq_add(left, wnd);
	seq_t end = segment_end(seg);

	if (seq_eq(seg->seq, left))
		return true;
	if (seq_gt(end, left) && seq_lt(seg->seq, right))
		return true;
	return seq_eq(seg->seq, right) && seq_eq(end, right);
}

/* A repeated SYN: answer, unless one was answered a moment ago. */
static enum synq_action syn_again(struct synq *q, struct synq_entry *e,
				  mono_t now, int64_t interval_us)
{
	int64_t left = mono_sub(deadline(e, now), now);

	if (synq_timeout_us(e->sent_again) - left < interval_us)
		return SYNQ_DROP;
	e->repeated = 1;
	list_delete(q, e);
	list_append(q, e, now);
	return SYNQ_SYNACK;
}

/*
 * RFC 5961, 3.2: only a RST at RCV.NXT resets, so a blind attacker has to guess
 * one number of 2^32.  Elsewhere in the window it gets a challenge ACK.
 * Timestamps and ACK number of a RST are not checked.
 */
static enum synq_action reset(struct synq *q, struct synq_entry *e,
			      const struct segment *seg, uint32_t wnd)
{
	seq_t rcv_nxt = seq_add(e->client_isn, 1);

	if (seq_eq(seg->seq, rcv_nxt)) {
		synq_remove(q, e);
		return SYNQ_KILL;
	}
	return seq_span(seg->seq, rcv_nxt) < wnd ? SYNQ_ACK : SYNQ_DROP;
}

/* A segment in the window that is not the old SYN: a new SYN, or an ACK. */
static enum synq_action complete(struct synq *q, struct synq_entry *e,
				 const struct segment *seg, uint16_t flags,
				 struct synq_syn *out)
{
	bool bare = seq_eq(segment_end(seg), seq_add(e->client_isn, 1));

	if (flags & TCP_SYN) {
		synq_remove(q, e);
		return SYNQ_ABORT;
	}
	if (!(flags & TCP_ACK))
		return SYNQ_DROP;
	if (e->sent_again < e->defer && bare) {
		e->acked = 1;
		return SYNQ_DROP;
	}
	synq_describe(q, e, out);
	synq_remove(q, e);
	return SYNQ_OPEN;
}

enum synq_action synq_input(struct synq *q, struct synq_entry *e,
			    const struct segment *seg, mono_t now,
			    const struct synq_policy *p, struct synq_syn *out)
{
	bool paws = paws_rejects(e, seg);
	uint16_t flags = seg->flags;

	synq_describe(q, e, out);
	if (seq_eq(seg->seq, e->client_isn) && !paws &&
	    (flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
		return syn_again(q, e, now, p->ack_interval_us);
	if (flags & TCP_RST)
		return reset(q, e, seg, p->wnd);
	if (flags & TCP_ACK && !seq_eq(seg->ack, seq_add(e->iss, 1)))
		return SYNQ_RESET;
	if (paws || !in_window(e, seg, p->wnd))
		return SYNQ_ACK;

	if (e->ts_ok && seg->opts.has & OPT_HAS_TS &&
	    seq_le(seg->seq, seq_add(e->client_isn, 1)))
		e->tsval = seg->opts.tsval;
	if (seq_eq(seg->seq, e->client_isn)) /* skip the SYN */
		flags &= (uint16_t)~TCP_SYN;
	return complete(q, e, seg, flags, out);
}

void synq_refuse(struct synq *q, const struct synq_syn *syn, mono_t now)
{
	struct synq_entry *e;

	if (synq_find(q, &syn->t))
		return;
	e = entry_new(q, syn);
	if (!e)
		return;
	e->acked = syn->defer > 0;
	e->repeated = 1;
	list_append(q, e, now);
}

/* --- timers --- */

enum synq_due synq_expire(struct synq *q, mono_t now, struct synq_syn *out)
{
	struct synq_entry *e = first_due(q, now);
	bool waits, last;

	if (!e || mono_before(now, deadline(e, now)))
		return SYNQ_IDLE;
	waits = e->acked && e->sent_again < e->defer;
	last = e->sent_again >= e->retries && !waits;
	if (last || e->sent_again == SYNQ_RETRIES_MAX) {
		synq_describe(q, e, out);
		synq_remove(q, e);
		return SYNQ_EXPIRED;
	}
	waits = waits && e->sent_again + 1 < e->defer;
	list_delete(q, e);
	e->sent_again = (e->sent_again + 1u) & 31;
	list_append(q, e, now);
	synq_describe(q, e, out);
	return waits ? SYNQ_WAIT : SYNQ_AGAIN;
}

mono_t synq_deadline(const struct synq *q, mono_t now)
{
	const struct synq_entry *e = first_due(q, now);

	return e ? deadline(e, now) : MONO_NEVER;
}

/* --- another process goes on --- */

/* An entry as a record.  The numbers are theirs for good. */
struct saved_entry {
	seq_t client_isn, iss;
	uint32_t tsval;
	uint16_t mss;
	uint8_t wscale, wscale_ok, sack_ok, ts_ok, ecn;
	uint8_t retries, defer, sent_again, repeated, acked;
	mono_t deadline;
};

#define M(id, kind, member) RECORD_MEMBER(id, kind, saved_entry, member)

static const struct record_member members[] = {
	M(1, U32, client_isn), M(2, U32, iss),	 M(3, U32, tsval),
	M(4, U16, mss),	       M(5, U8, wscale), M(6, U8, wscale_ok),
	M(7, U8, sack_ok),     M(8, U8, ts_ok),	 M(9, U8, ecn),
	M(10, U8, retries),    M(11, U8, defer), M(12, U8, sent_again),
	M(13, U8, repeated),   M(14, U8, acked), M(15, TIME, deadline),
};

void synq_walk(const struct synq *q, synq_fn fn, void *arg)
{
	for (int i = 0; i < SYNQ_LEVELS; i++) {
		for (uint32_t at = q->list[i].head; at != NIL;
		     at = entry_at(q, at)->next)
			fn(arg, entry_at(q, at));
	}
}

void synq_save(const struct synq *q, const struct synq_entry *e,
	       struct record_writer *w)
{
	const struct saved_entry s = {.client_isn = e->client_isn,
				      .iss = e->iss,
				      .tsval = e->tsval,
				      .mss = e->mss,
				      .wscale = e->wscale,
				      .wscale_ok = e->wscale_ok,
				      .sack_ok = e->sack_ok,
				      .ts_ok = e->ts_ok,
				      .ecn = e->ecn,
				      .retries = e->retries,
				      .defer = e->defer,
				      .sent_again = e->sent_again,
				      .repeated = e->repeated,
				      .acked = e->acked,
				      .deadline = deadline(e, w->now)};

	(void)q;
	record_save(w, members, ARRAY_LEN(members), &s);
}

/* The lists are in order of deadlines: who comes behind one that is due later
 * waits as long as that one. */
static void list_restore(struct synq *q, struct synq_entry *e, mono_t when,
			 mono_t now)
{
	uint32_t tail = list_of(q, e)->tail;
	mono_t last = tail == NIL ? when : deadline(entry_at(q, tail), now);
	int64_t wait_us = synq_timeout_us(e->sent_again);

	if (mono_before(when, last))
		when = last;
	list_append(q, e, mono_add(when, -wait_us));
}

int synq_load(struct synq *q, const struct tuple *t, uint16_t service,
	      struct record_reader r)
{
	struct saved_entry s = {0};
	struct synq_entry *e;
	struct record_field f;
	int more;

	while ((more = record_next(&r, &f)) > 0)
		record_load(&f, members, ARRAY_LEN(members), &s, r.now);
	if (more || s.sent_again > SYNQ_RETRIES_MAX)
		return -EBADMSG;
	if (synq_find(q, t))
		return -EEXIST;
	e = entry_new(q, &(struct synq_syn){.t = *t,
					    .client_isn = s.client_isn,
					    .iss = s.iss,
					    .tsval = s.tsval,
					    .mss = s.mss,
					    .wscale = s.wscale,
					    .wscale_ok = s.wscale_ok,
					    .sack_ok = s.sack_ok,
					    .ts_ok = s.ts_ok,
					    .ecn = s.ecn,
					    .service = service,
					    .retries = s.retries,
					    .defer = s.defer,
					    .sent_again = s.sent_again});
	if (!e)
		return -ENOSPC;
	e->repeated = s.repeated & 1u;
	e->acked = s.acked & 1u;
	list_restore(q, e, s.deadline, r.now);
	return 0;
}
