/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * An entry has what a leg that closed first needs to answer for 2 MSL: 28 bytes
 * and its addresses.  All links are indices:
 *
 *	index    from a tuple's hash to its entry (hindex.h)
 *	list[]   entries of one length in the order of their deadlines: a new or
 *	         restarted one goes to the tail, expiry looks at heads only
 *
 * Services may have different lengths of TIME_WAIT, so there are eight lists.
 * If a configuration has more lengths, the last list takes the rest; an entry
 * is put in order by a walk from its tail.
 *
 * Deadlines count units of 16.4 ms, modulo 2^18 (71 minutes).  They are read
 * relative to the time of the last tw_expire(), which tw_deadline() keeps
 * recent.  They are rounded up: TIME_WAIT ends up to one unit late, never
 * early.
 *
 * Segments are handled by Linux's rules for TIME_WAIT. (Linux keeps FIN_WAIT_2
 * in the same table; here a leg does.)  Replies to segments outside the window
 * are limited per connection (RFC 5961, 7) by a small table of their own; a
 * collision in it costs one ACK more.  The limit begins again with each
 * TIME_WAIT, so a client that reuses its port is answered at once.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "shield/timewait.h"

#define IDX_BITS HINDEX_BITS
#define IDX_MASK HINDEX_MASK
#define NIL HINDEX_NONE

#define TICK_SHIFT 14 /* microseconds of a tick: 16,384 */
#define DL_LOW 9
#define DL_BITS 18
#define DL_MASK ((1u << DL_BITS) - 1)

#define EVICT_SCAN 64 /* most entries of a list that are searched */

#define PAWS_RST_AGE (60 * (int64_t)USEC_PER_SEC) /* as Linux */
#define NEXT_ISN (65535u + 2u) /* beyond any window of the old one */

struct tw_entry {
	seq_t snd_nxt, rcv_nxt;
	uint32_t ts_recent, ts_off;
	uint16_t wnd, service;
	uint32_t next : IDX_BITS, dl_low : DL_LOW, ts_ok : 1;
	uint32_t prev : IDX_BITS, dl_high : DL_LOW, spare : 1;
};

struct tw_entry4 {
	struct tw_entry e;
	uint8_t local[4], remote[4];
	uint16_t lport, rport;
};

struct tw_entry6 {
	struct tw_entry e;
	struct tuple t;
};

static_assert(sizeof(struct tw_entry4) == 40, "budget of an IPv4 TIME_WAIT");
static_assert(sizeof(struct tw_entry6) == 64, "budget of an IPv6 TIME_WAIT");
static_assert(2 * DL_LOW == DL_BITS, "the deadline's halves");

static struct tw_half *half_of(const struct tw_table *t,
			       const struct tuple *tuple)
{
	bool v6 = !ipaddr_is_v4(&tuple->remote);

	return (struct tw_half *)&t->half[v6];
}

static struct tw_entry *entry_at(const struct tw_half *h, uint32_t i)
{
	return slab_at(&h->slab, i);
}

static bool is_v6(const struct tw_half *h)
{
	return h->slab.size == sizeof(struct tw_entry6);
}

static void entry_tuple(const struct tw_half *h, const struct tw_entry *e,
			struct tuple *t)
{
	if (is_v6(h)) {
		*t = container_of(e, struct tw_entry6, e)->t;
	} else {
		const struct tw_entry4 *e4 =
			container_of(e, struct tw_entry4, e);

		t->local = ipaddr_v4(e4->local);
		t->remote = ipaddr_v4(e4->remote);
		t->lport = e4->lport;
		t->rport = e4->rport;
	}
}

static void entry_set_tuple(const struct tw_half *h, struct tw_entry *e,
			    const struct tuple *t)
{
	if (is_v6(h)) {
		container_of(e, struct tw_entry6, e)->t = *t;
	} else {
		struct tw_entry4 *e4 = container_of(e, struct tw_entry4, e);

		memcpy(e4->local, t->local.b + 12, 4);
		memcpy(e4->remote, t->remote.b + 12, 4);
		e4->lport = t->lport;
		e4->rport = t->rport;
	}
}

static uint64_t tuple_hash(const struct tw_table *t, const struct tuple *tuple)
{
	return hash_bytes(&t->key, tuple, sizeof(*tuple));
}

/* The slot for the limit of a tuple.  Another tuple may take it over. */
static struct tw_oow *oow_slot(const struct tw_table *t, uint64_t hash)
{
	return &t->oow[hash % TW_OOW_SLOTS];
}

static uint32_t oow_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

/* Leads from a half to its table's key, for moving index slots. */
struct half_of_table {
	const struct tw_table *t;
	const struct tw_half *h;
};

static uint64_t entry_hash(const void *table, uint32_t i)
{
	const struct half_of_table *ht = table;
	struct tuple tuple;

	entry_tuple(ht->h, entry_at(ht->h, i), &tuple);
	return tuple_hash(ht->t, &tuple);
}

/* The entry of @tuple and where the index has it, or NULL. */
static struct tw_entry *lookup(const struct tw_table *t,
			       const struct tw_half *h,
			       const struct tuple *tuple,
			       struct hindex_probe *p)
{
	uint32_t i;

	*p = hindex_begin(&h->index, tuple_hash(t, tuple));
	while ((i = hindex_next(&h->index, p)) != HINDEX_NONE) {
		struct tuple have;

		entry_tuple(h, entry_at(h, i), &have);
		if (tuple_eq(&have, tuple))
			return entry_at(h, i);
	}
	return NULL;
}

/* --- deadlines, lists --- */

static int64_t tick_of(mono_t t)
{
	return t.us >> TICK_SHIFT;
}

/* The tick at or after @t. */
static int64_t tick_ceil(mono_t t)
{
	return (t.us + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

static int64_t deadline_tick(const struct tw_table *t, const struct tw_entry *e)
{
	uint32_t dl = (uint32_t)(e->dl_high << DL_LOW) | e->dl_low;
	int64_t base = tick_of(t->now);
	uint32_t ahead = (dl - (uint32_t)base) & DL_MASK;

	if (ahead >= 1u << (DL_BITS - 1))
		return base + ahead - (INT64_C(1) << DL_BITS);
	return base + ahead;
}

static struct tw_list *list_for(struct tw_half *h, int64_t len_us)
{
	struct tw_list *empty = NULL;

	for (int i = 0; i < TW_LISTS; i++) {
		struct tw_list *l = &h->list[i];

		if (l->head == NIL)
			empty = empty ? empty : l;
		else if (l->len_us == len_us)
			return l;
	}
	if (!empty)
		return &h->list[TW_LISTS - 1];
	empty->len_us = len_us;
	return empty;
}

/* Give @e its deadline and put it in order into the list of its length. */
static void list_insert(struct tw_table *t, struct tw_half *h,
			struct tw_entry *e, mono_t now, int64_t len_us)
{
	struct tw_list *l = list_for(h, len_us);
	int64_t tick = tick_ceil(mono_add(now, len_us));
	uint32_t i = slab_index(&h->slab, e), after = l->tail, before;

	e->dl_low = (uint32_t)tick & ((1u << DL_LOW) - 1);
	e->dl_high = (uint32_t)(tick >> DL_LOW) & ((1u << DL_LOW) - 1);
	while (after != NIL && deadline_tick(t, entry_at(h, after)) > tick)
		after = entry_at(h, after)->prev;

	before = after == NIL ? l->head : entry_at(h, after)->next;
	e->prev = after & IDX_MASK;
	e->next = before & IDX_MASK;
	if (after == NIL)
		l->head = i;
	else
		entry_at(h, after)->next = i & IDX_MASK;
	if (before == NIL)
		l->tail = i;
	else
		entry_at(h, before)->prev = i & IDX_MASK;
}

static void list_delete(struct tw_half *h, struct tw_entry *e)
{
	uint32_t i = slab_index(&h->slab, e);

	if (e->prev != NIL)
		entry_at(h, e->prev)->next = e->next & IDX_MASK;
	if (e->next != NIL)
		entry_at(h, e->next)->prev = e->prev & IDX_MASK;
	if (e->prev != NIL && e->next != NIL)
		return;
	for (struct tw_list *l = h->list; l < h->list + TW_LISTS; l++) {
		if (l->head == i)
			l->head = e->next;
		if (l->tail == i)
			l->tail = e->prev;
	}
}

static void restart(struct tw_table *t, const struct tuple *tuple,
		    struct tw_entry *e, mono_t now, int64_t len_us)
{
	struct tw_half *h = half_of(t, tuple);

	list_delete(h, e);
	list_insert(t, h, e, now, len_us);
}

/* Find the entry that ends first, and its half; NULL: no entry. */
static struct tw_entry *oldest(const struct tw_table *t, struct tw_half **half)
{
	struct tw_entry *best = NULL;
	int64_t best_tick = INT64_MAX;

	for (int i = 0; i < 2 * TW_LISTS; i++) {
		const struct tw_half *h = &t->half[i / TW_LISTS];
		uint32_t head = h->list[i % TW_LISTS].head;
		int64_t tick;

		if (head == NIL)
			continue;
		tick = deadline_tick(t, entry_at(h, head));
		if (tick < best_tick) {
			best_tick = tick;
			best = entry_at(h, head);
			*half = (struct tw_half *)h;
		}
	}
	return best;
}

/* --- table --- */

static int half_init(struct tw_half *h, size_t entry, uint32_t max)
{
	int rc = slab_init(&h->slab, entry, max);

	for (int i = 0; i < TW_LISTS; i++)
		h->list[i] = (struct tw_list){NIL, NIL, 0};
	return rc ? rc : hindex_init(&h->index, max);
}

int tw_init(struct tw_table *t, const struct tw_cfg *cfg,
	    const uint8_t secret[32], mono_t now)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->now = now;
	t->max = min_u32(cfg->max, TW_MAX);
	t->owners = cfg->owners;
	t->worker = cfg->worker;
	hash_derive(&t->key, secret, "time wait", 0);
	t->oow = calloc(TW_OOW_SLOTS, sizeof(*t->oow));
	rc = t->oow ? 0 : -ENOMEM;
	if (!rc)
		rc = half_init(&t->half[0], sizeof(struct tw_entry4), t->max);
	if (!rc)
		rc = half_init(&t->half[1], sizeof(struct tw_entry6), t->max);
	if (rc)
		tw_fini(t);
	return rc;
}

void tw_fini(struct tw_table *t)
{
	for (int i = 0; i < 2; i++) {
		slab_fini(&t->half[i].slab);
		hindex_fini(&t->half[i].index);
	}
	free(t->oow);
	memset(t, 0, sizeof(*t));
}

static void entry_free(struct tw_table *t, struct tw_half *h,
		       struct tw_entry *e)
{
	struct half_of_table ht = {t, h};
	const struct tw_entry *found;
	struct hindex_probe p;
	struct tuple tuple;

	entry_tuple(h, e, &tuple);
	found = lookup(t, h, &tuple, &p);
	assert(found == e);
	hindex_delete(&h->index, &p, entry_hash, &ht);
	list_delete(h, e);
	t->held[e->service % TW_SERVICES]--;
	known_leave(t->known, &tuple);
	owners_leave(t->owners, &tuple, t->worker, OWNED_REST);
	slab_free(&h->slab, e);
}

void tw_set_known(struct tw_table *t, const struct known *k)
{
	t->known = k;
	for (int i = 0; i < 2 * TW_LISTS; i++) {
		const struct tw_half *h = &t->half[i / TW_LISTS];
		uint32_t at = h->list[i % TW_LISTS].head;

		for (; at != NIL; at = entry_at(h, at)->next) {
			struct tuple tuple;

			entry_tuple(h, entry_at(h, at), &tuple);
			known_add(k, &tuple);
		}
	}
}

struct tw_entry *tw_find(const struct tw_table *t, const struct tuple *tuple)
{
	const struct tw_half *h = half_of(t, tuple);
	struct hindex_probe p;

	return h->slab.used ? lookup(t, h, tuple, &p) : NULL;
}

void tw_remove(struct tw_table *t, const struct tuple *tuple)
{
	struct tw_entry *e = tw_find(t, tuple);

	if (e)
		entry_free(t, half_of(t, tuple), e);
}

/* Find the entry of @service that ends first.  Fails when more than EVICT_SCAN
 * entries of other services end sooner. */
static struct tw_entry *oldest_of(struct tw_table *t, uint16_t service,
				  struct tw_half **half)
{
	struct tw_entry *best = NULL;

	for (int i = 0; i < 2 * TW_LISTS; i++) {
		struct tw_half *h = &t->half[i / TW_LISTS];
		uint32_t at = h->list[i % TW_LISTS].head;

		for (int k = 0; k < EVICT_SCAN && at != NIL &&
				entry_at(h, at)->service != service;
		     k++)
			at = entry_at(h, at)->next;
		if (at == NIL || entry_at(h, at)->service != service)
			continue;
		if (best &&
		    deadline_tick(t, entry_at(h, at)) >= deadline_tick(t, best))
			continue;
		best = entry_at(h, at);
		*half = h;
	}
	return best;
}

/* Make room for one more entry, by the policy. */
static bool make_room(struct tw_table *t, const struct tw_new *n)
{
	uint32_t held = t->held[n->service % TW_SERVICES];
	struct tw_entry *e = NULL;
	struct tw_half *h;

	if (tw_count(t) < t->max && (!n->limit || held < n->limit))
		return true;
	if (n->overflow == TW_EVICT_OLDEST)
		e = oldest_of(t, n->service, &h);
	if (!e) {
		t->overflowed++;
		return false;
	}
	entry_free(t, h, e);
	t->evicted++;
	return true;
}

int tw_add(struct tw_table *t, const struct tw_new *n, mono_t now,
	   int64_t len_us)
{
	struct tw_half *h = half_of(t, &n->t);
	uint64_t hash = tuple_hash(t, &n->t);
	struct tw_oow *o = oow_slot(t, hash);
	struct tw_entry *e;

	tw_expire(t, now);
	tw_remove(t, &n->t);
	if (!make_room(t, n))
		return -ENOSPC;
	e = slab_alloc(&h->slab);
	assert(e); /* each half has room for the limit of both */
	e->snd_nxt = n->snd_nxt;
	e->rcv_nxt = n->rcv_nxt;
	e->wnd = (uint16_t)min_u32(n->rcv_wnd, UINT16_MAX);
	e->ts_ok = n->ts_ok;
	e->ts_recent = n->ts_recent;
	e->ts_off = n->ts_off;
	e->service = n->service;
	t->held[n->service % TW_SERVICES]++;
	e->spare = 0;
	entry_set_tuple(h, e, &n->t);
	hindex_insert(&h->index, hash, slab_index(&h->slab, e));
	known_add(t->known, &n->t);
	owners_add(t->owners, &n->t, t->worker, OWNED_REST);
	list_insert(t, h, e, now, len_us);
	if (o->tag == oow_tag(hash)) /* belongs to the last incarnation */
		o->tag = 0;
	return 0;
}

void tw_describe(const struct tw_table *t, const struct tw_entry *e,
		 struct tw_reply *out)
{
	(void)t;
	*out = (struct tw_reply){
		.seq = e->snd_nxt,
		.ack = e->rcv_nxt,
		.wnd = e->wnd,
		.ts_ok = e->ts_ok,
		.ts_recent = e->ts_recent,
		.ts_off = e->ts_off,
		.service = e->service,
	};
}

/* --- segment comes --- */

/* How long ago the timer was (re)started. */
static int64_t age_us(const struct tw_table *t, const struct tw_entry *e,
		      mono_t now, int64_t len_us)
{
	int64_t end = deadline_tick(t, e) << TICK_SHIFT;

	return len_us - (end - now.us);
}

/* RFC 7323, 5.3, with Linux's exceptions: a peer that sent zero, and a RST when
 * the timestamp is so old that the clock may have wrapped. */
static bool paws_rejects(const struct tw_entry *e, const struct segment *seg,
			 int64_t age)
{
	if ((int32_t)(e->ts_recent - seg->opts.tsval) <= 0 || e->ts_recent == 0)
		return false;
	return !(seg->flags & TCP_RST) || age < PAWS_RST_AGE;
}

/* May this segment outside the window be answered?  Data cannot cause a loop of
 * ACKs. */
static bool may_answer(struct tw_table *t, const struct segment *seg,
		       mono_t now, int64_t interval_us)
{
	uint64_t hash = tuple_hash(t, &seg->t);
	struct tw_oow *o = oow_slot(t, hash);
	uint32_t tag = oow_tag(hash);
	uint32_t ms = (uint32_t)(now.us / USEC_PER_MSEC);

	if (segment_len(seg) && !(seg->flags & TCP_SYN))
		return true;
	if (o->tag == tag && (ms - o->ms) < interval_us / USEC_PER_MSEC)
		return false;
	o->tag = tag;
	o->ms = ms;
	return true;
}

static seq_t next_isn(const struct tw_entry *e)
{
	seq_t isn = seq_add(e->snd_nxt, NEXT_ISN);

	return isn.v ? isn : SEQ(1);
}

/* A bare ACK or a RST at exactly the expected sequence number. */
static enum tw_action in_place(struct tw_table *t, struct tw_entry *e,
			       const struct segment *seg, mono_t now,
			       const struct tw_policy *p)
{
	if (!(seg->flags & TCP_RST)) {
		restart(t, &seg->t, e, now, p->len_us);
	} else if (!p->rfc1337) {
		tw_remove(t, &seg->t);
		return TW_KILL;
	}
	if (e->ts_ok && seg->opts.has & OPT_HAS_TS)
		e->ts_recent = seg->opts.tsval;
	return TW_DROP;
}

/* RFC 6191: a SYN that cannot be an old duplicate. */
static bool opens_anew(const struct tw_entry *e, const struct segment *seg,
		       bool ts)
{
	if ((seg->flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_SYN)
		return false;
	return seq_gt(seg->seq, e->rcv_nxt) ||
	       (ts && (int32_t)(e->ts_recent - seg->opts.tsval) < 0);
}

enum tw_action tw_input(struct tw_table *t, struct tw_entry *e,
			const struct segment *seg, mono_t now,
			const struct tw_policy *p, struct tw_reply *out)
{
	bool ts = e->ts_ok && seg->opts.has & OPT_HAS_TS;
	bool paws = ts && paws_rejects(e, seg, age_us(t, e, now, p->len_us));
	bool rst = seg->flags & TCP_RST;

	tw_describe(t, e, out);
	out->paws = paws;
	if (!paws && seq_eq(seg->seq, e->rcv_nxt) &&
	    (rst || segment_len(seg) == 0))
		return in_place(t, e, seg, now, p);
	if (!paws && opens_anew(e, seg, ts)) {
		out->seq = next_isn(e);
		tw_remove(t, &seg->t);
		return TW_NEW;
	}
	if (rst)
		return TW_DROP;
	/* a SYN without ACK may be a new one whose number is too low: it does
	 * not restart the timer */
	if (paws || seg->flags & TCP_ACK)
		restart(t, &seg->t, e, now, p->len_us);
	return may_answer(t, seg, now, p->ack_interval_us) ? TW_ACK : TW_DROP;
}

/* --- our own opening --- */

static bool is_loopback(const struct ipaddr *a)
{
	static const struct ipaddr one = {{[15] = 1}};

	return ipaddr_is_v4(a) ? a->b[12] == 127 : ipaddr_eq(a, &one);
}

int tw_reuse(struct tw_table *t, const struct tuple *tuple, mono_t now,
	     const struct tw_policy *p, struct tw_reply *out)
{
	struct tw_half *h = half_of(t, tuple);
	struct tw_entry *e;

	tw_expire(t, now);
	e = tw_find(t, tuple);
	if (!e)
		return -ENOENT;
	if (p->reuse == 0 || !e->ts_ok)
		return -EADDRINUSE;
	if (p->reuse == 2 && !is_loopback(&tuple->local) &&
	    !is_loopback(&tuple->remote))
		return -EADDRINUSE;
	if (age_us(t, e, now, p->len_us) <= p->reuse_delay_us)
		return -EADDRINUSE;
	tw_describe(t, e, out);
	out->seq = next_isn(e);
	entry_free(t, h, e);
	return 0;
}

mono_t tw_deadline(const struct tw_table *t)
{
	struct tw_half *h;
	const struct tw_entry *e = oldest(t, &h);

	if (!e)
		return MONO_NEVER;
	return (mono_t){deadline_tick(t, e) << TICK_SHIFT};
}

void tw_expire(struct tw_table *t, mono_t now)
{
	struct tw_half *h;
	struct tw_entry *e;

	for (int i = 0; i < TW_EXPIRE_BATCH; i++) {
		e = oldest(t, &h);
		if (!e || deadline_tick(t, e) > tick_of(now))
			break;
		entry_free(t, h, e);
	}
	t->now = now;
}

/* --- another process goes on --- */

struct saved_entry {
	seq_t snd_nxt, rcv_nxt;
	uint32_t ts_recent, ts_off;
	uint16_t wnd;
	bool ts_ok;
	mono_t end;
	uint64_t len_us;
};

#define M(id, kind, member) RECORD_MEMBER(id, kind, saved_entry, member)

static const struct record_member members[] = {
	M(1, U32, snd_nxt),   M(2, U32, rcv_nxt), M(3, U32, ts_recent),
	M(4, TS_OFF, ts_off), M(5, U16, wnd),	  M(6, BOOL, ts_ok),
	M(7, TIME, end),      M(8, U64, len_us),
};

static mono_t end_of(const struct tw_table *t, const struct tw_entry *e)
{
	return (mono_t){deadline_tick(t, e) << TICK_SHIFT};
}

void tw_walk(const struct tw_table *t, tw_fn fn, void *arg)
{
	for (int i = 0; i < 2 * TW_LISTS; i++) {
		const struct tw_half *h = &t->half[i / TW_LISTS];
		const struct tw_list *l = &h->list[i % TW_LISTS];
		uint32_t at = l->head;

		for (; at != NIL; at = entry_at(h, at)->next) {
			const struct tw_entry *e = entry_at(h, at);
			struct tw_place p = {.e = e,
					     .service = e->service,
					     .len_us = l->len_us};

			p.end = end_of(t, e);
			entry_tuple(h, e, &p.t);
			fn(arg, &p);
		}
	}
}

void tw_save(const struct tw_place *p, struct record_writer *w)
{
	const struct tw_entry *e = p->e;
	const struct saved_entry s = {.snd_nxt = e->snd_nxt,
				      .rcv_nxt = e->rcv_nxt,
				      .ts_recent = e->ts_recent,
				      .ts_off = e->ts_off,
				      .wnd = e->wnd,
				      .ts_ok = e->ts_ok,
				      .end = p->end,
				      .len_us = (uint64_t)p->len_us};

	record_save(w, members, ARRAY_LEN(members), &s);
}

/* As list_insert(), but without a walk: who comes behind one that ends later
 * ends with it. */
static mono_t end_in_order(struct tw_table *t, const struct tuple *at,
			   mono_t end, int64_t len_us)
{
	struct tw_half *h = half_of(t, at);
	uint32_t tail = list_for(h, len_us)->tail;
	mono_t last = tail == NIL ? end : end_of(t, entry_at(h, tail));

	return mono_before(end, last) ? last : end;
}

int tw_load(struct tw_table *t, const struct tuple *at, uint16_t service,
	    struct record_reader r)
{
	const int64_t most_us = (INT64_C(1) << (DL_BITS - 2)) << TICK_SHIFT;
	struct saved_entry s = {.end = MONO_UNSET};
	struct record_field f;
	struct tw_new n;
	mono_t now = t->now;
	int64_t len_us;
	int more, err;

	while ((more = record_next(&r, &f)) > 0)
		record_load(&f, members, ARRAY_LEN(members), &s, r.now);
	len_us = (int64_t)s.len_us;
	if (more || len_us < 0 || len_us > most_us ||
	    mono_sub(s.end, r.now) > most_us || mono_before(s.end, r.now))
		return -EBADMSG;
	s.end = end_in_order(t, at, s.end, len_us);
	n = (struct tw_new){.t = *at,
			    .snd_nxt = s.snd_nxt,
			    .rcv_nxt = s.rcv_nxt,
			    .rcv_wnd = s.wnd,
			    .ts_ok = s.ts_ok,
			    .ts_recent = s.ts_recent,
			    .ts_off = s.ts_off,
			    .service = service,
			    .overflow = TW_DESTROY};
	err = tw_add(t, &n, mono_add(s.end, -len_us), len_us);
	t->now = now;
	return err;
}
