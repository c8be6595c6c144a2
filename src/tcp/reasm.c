/* SPDX-License-Identifier: MIT */
/*
 * Received bytes: those in order go to the sink, others are kept in islands.
 *
 * An island is a range without holes: one or more adjacent nodes.  All nodes
 * are in one sorted list.  The first node of an island points to its last, so
 * extending an island needs no walk inside it.  The first nodes are also in a
 * tree, by which the place of a segment and of a SACK block is found in O(log
 * n) steps, however many holes there are.  A segment that continues an island
 * is copied to the end of the island's last chunk.  Segments that arrive in
 * order behind a hole therefore cost one node for each chunk, not for each
 * segment.  A segment that fills at least half of its receive buffer is kept by
 * reference.
 *
 * Islands never overlap.  The first copy of a byte counts, so what was reported
 * by SACK is delivered, whatever a later segment contains.
 *
 * Limits of a leg: buffers of twice its window, which hold a full window in
 * segments of any usual size; nodes in proportion to the window (nodes_max());
 * and its share of common resources (leg_env.share).  Beyond these the *new*
 * segment is dropped, and the peer sends it again.  So nothing that was SACKed
 * is ever discarded, unless a fault asks for it (leg_renege()).  One-byte
 * islands share chunks.  Each costs a node and a byte, so they are limited by
 * the number of nodes.
 */
#include "internal.h"

#define KEEP_MIN (BUF_RX_SIZE / 2) /* from this size on kept by reference */
#define NODES_PER_CHUNK 8u /* segments of 508 bytes fill it with these */

static seq_t node_end(const struct ooo *o)
{
	return seq_add(o->start, o->len);
}

static seq_t island_end(const struct ooo *island)
{
	return node_end(island->last);
}

static struct ooo *island_next(const struct ooo *island)
{
	return island->last->next;
}

static struct ooo *island_of(const struct tree_node *n)
{
	return n ? container_of(n, struct ooo, island) : NULL;
}

/* The first island that ends behind @at.  *before: the last one that does not,
 * or NULL. */
static struct ooo *island_at(const struct leg *l, seq_t at, struct ooo **before)
{
	struct ooo *first = l->rcv.ooo, *after = NULL, *i;

	*before = NULL;
	i = first ? island_of(tree_root(&first->island)) : NULL;
	while (i) {
		l->env->steps++;
		if (seq_le(island_end(i), at)) {
			*before = i;
			i = island_of(i->island.right);
		} else {
			after = i;
			i = island_of(i->island.left);
		}
	}
	return after;
}

seq_t reasm_end(const struct leg_rcv *rcv)
{
	return rcv->ooo ? island_end(island_of(tree_last(&rcv->ooo->island)))
			: rcv->nxt;
}

/* Free the first node of the list.  The rest of its island remains an
 * island. */
static void node_free_first(struct leg *l)
{
	struct ooo *o = l->rcv.ooo;

	if (o->last != o) {
		o->next->last = o->last;
		tree_add_after(&o->island, &o->next->island);
	}
	tree_del(&o->island);
	l->rcv.ooo = o->next;
	l->rcv.ooo_count--;
	l->rcv.ooo_mem -= o->charge;
	buf_put(o->buf);
	slab_free(l->env->ooo, o);
}

void reasm_purge(struct leg *l)
{
	while (l->rcv.ooo)
		node_free_first(l);
	l->rcv.sack_n = 0;
}

const char *reasm_check(const struct leg_rcv *rcv)
{
	struct ooo *i, *o, *prev = NULL;
	uint32_t n = 0, mem = 0;

	for (i = rcv->ooo; i; prev = i, i = island_next(i)) {
		if (prev && !seq_lt(island_end(prev), i->start))
			return "islands overlap or touch";
		if (prev && tree_next(&prev->island) != &i->island)
			return "islands and their tree";
		for (o = i;; o = o->next) {
			n++;
			mem += o->charge;
			if (!o->len)
				return "empty out-of-order node";
			if (o == i->last)
				break;
			if (!o->next || !seq_eq(node_end(o), o->next->start))
				return "an island with a hole";
		}
	}
	return n != rcv->ooo_count || mem != rcv->ooo_mem
		       ? "out-of-order counters"
		       : NULL;
}

/* --- nodes --- */

/* One node for each 512 bytes held, but always OOO_MAX. */
static uint32_t nodes_max(const struct leg_rcv *rcv)
{
	uint32_t chunks = rcv->ooo_mem / buf_class_truesize(BUF_CHUNK);

	return clamp_u32(NODES_PER_CHUNK * chunks, OOO_MAX, UINT16_MAX);
}

/* Does the leg hold more than its share?  Checked only once more than half of
 * all buffers are taken. */
static bool over_share(const struct leg *l)
{
	const struct buf_pool *p = l->env->pool;

	return p->held > p->limit / 2 && !leg_may_take(l, LEG_SHARE_BYTES);
}

static bool at_limit(const struct leg *l)
{
	return l->rcv.ooo_count >= nodes_max(&l->rcv) ||
	       l->rcv.ooo_mem / 2 > l->rcv.cap + l->rcv.extra ||
	       !leg_may_take(l, LEG_SHARE_NODES) || over_share(l);
}

static bool kept_by_reference(const struct slice *d)
{
	return d->buf && d->len >= KEEP_MIN;
}

static bool chunk_has_room(const struct ooo *o, uint32_t len)
{
	return o && o->buf->cls == BUF_CHUNK &&
	       o->buf->used + len <= buf_class_room(BUF_CHUNK);
}

/* Copy @d to the end of @b, as much as there is room for; returns how much. */
static uint32_t chunk_write(struct buf *b, const struct slice *d)
{
	uint32_t n = min_u32(d->len, buf_class_room(BUF_CHUNK) - b->used);

	memcpy(b->data + b->used, d->p, n);
	b->used = (uint16_t)(b->used + n);
	return n;
}

/* Append to @o as much of @d as fits in @o's chunk.  That is nothing if another
 * node's bytes follow @o's in the chunk. */
static uint32_t node_grow(struct ooo *o, const struct slice *d)
{
	uint32_t n;

	if (o->buf->cls != BUF_CHUNK ||
	    o->p + o->len != o->buf->data + o->buf->used)
		return 0;
	n = chunk_write(o->buf, d);
	o->len += n;
	return n;
}

/**
 * struct hole - A place between two islands
 * @before: the island before it, or NULL
 * @after:  the island after it, or NULL
 * @filled: bytes were stored in it
 */
struct hole {
	struct ooo *before, *after;
	bool filled;
};

/* The chunk for a small segment: a neighbour's, or a new one, which is charged
 * to @o as a whole. */
static struct buf *chunk_for(struct leg *l, const struct hole *h, uint32_t len,
			     struct ooo *o)
{
	const struct ooo *prev = h->before ? h->before->last : NULL;

	o->charge = 0;
	if (chunk_has_room(prev, len))
		return buf_get(prev->buf);
	if (chunk_has_room(h->after, len))
		return buf_get(h->after->buf);
	o->charge = buf_class_truesize(BUF_CHUNK);
	return buf_alloc(l->env->pool, BUF_CHUNK);
}

/* Make a node of @d: of all its bytes if kept by reference, otherwise of those
 * that fit in a chunk. */
static struct ooo *node_new(struct leg *l, const struct hole *h,
			    const struct slice *d)
{
	bool by_reference = kept_by_reference(d);
	struct ooo *o;

	/* a buffer that is kept is missing from the receive reserve */
	if (by_reference && l->env->pool->held > l->env->pool->limit)
		return NULL;
	o = at_limit(l) ? NULL : slab_alloc(l->env->ooo);
	if (!o)
		return NULL;
	if (by_reference) {
		o->buf = buf_get(d->buf);
		o->p = d->p;
		o->len = d->len;
		o->charge = buf_class_truesize(BUF_RX);
	} else {
		o->buf = chunk_for(l, h, d->len, o);
		if (!o->buf) {
			slab_free(l->env->ooo, o);
			return NULL;
		}
		o->p = o->buf->data + o->buf->used;
		o->len = chunk_write(o->buf, d);
	}
	l->rcv.ooo_count++;
	l->rcv.ooo_mem += o->charge;
	return o;
}

/* --- islands --- */

/* Insert @o, whose first byte is at @at, into the list. */
static void hole_link(struct leg_rcv *rcv, struct hole *h, struct ooo *o,
		      seq_t at, bool joins)
{
	struct ooo **link = h->before ? &h->before->last->next : &rcv->ooo;

	o->start = at;
	o->last = o;
	o->next = *link;
	*link = o;
	if (joins) {
		h->before->last = o;
		return;
	}
	if (h->before)
		tree_add_after(&h->before->island, &o->island);
	else if (o->next)
		tree_add_before(&o->next->island, &o->island);
	else
		tree_add(NULL, NULL, &o->island);
	h->before = o;
}

/*
 * Store @d, which begins at @at and does not reach beyond the start of the next
 * island.  Afterwards h->before is the island that contains it.
 * Return: false when there was not room for all of it
 */
static bool hole_fill(struct leg *l, struct hole *h, seq_t at, struct slice d)
{
	while (d.len) {
		bool joins = h->before && seq_eq(island_end(h->before), at);
		uint32_t n = joins && !kept_by_reference(&d)
				     ? node_grow(h->before->last, &d)
				     : 0;

		if (!n) {
			struct ooo *o = node_new(l, h, &d);

			if (!o)
				return false;
			n = o->len;
			hole_link(&l->rcv, h, o, at, joins);
		}
		h->filled = true;
		at = seq_add(at, n);
		d.p += n;
		d.len -= n;
	}
	if (h->after && seq_eq(h->after->start, at)) {
		h->before->last = h->after->last;
		tree_del(&h->after->island);
		h->after = island_next(h->before);
	}
	return true;
}

bool reasm_restore(struct leg *l, seq_t at, const struct slice *d)
{
	struct ooo *first = l->rcv.ooo;
	struct hole h = {0};
	seq_t end = reasm_end(&l->rcv);

	if (first)
		h.before = island_of(tree_last(&first->island));
	if (!d->len || d->len > FAR || seq_lt(at, end) ||
	    (h.before && seq_eq(at, end)) || seq_span(at, l->rcv.nxt) > FAR)
		return false;
	return hole_fill(l, &h, at, *d);
}

void reasm_walk(const struct leg_rcv *rcv, reasm_fn fn, void *arg)
{
	for (const struct ooo *i = rcv->ooo; i; i = island_next(i)) {
		for (const struct ooo *o = i;; o = o->next) {
			fn(arg, o, o == i, o == i->last);
			if (o == i->last)
				break;
		}
	}
}

/* @island changed last: put it first among the SACK blocks. */
static void sack_note(struct leg_rcv *rcv, const struct ooo *island)
{
	seq_t keep[ARRAY_LEN(rcv->sack_recent)] = {island->start};
	seq_t end = island_end(island);
	uint32_t n = 1;

	for (uint32_t i = 0; i < rcv->sack_n && n < ARRAY_LEN(keep); i++) {
		seq_t at = rcv->sack_recent[i];

		if (seq_lt(at, island->start) || seq_ge(at, end))
			keep[n++] = at;
	}
	memcpy(rcv->sack_recent, keep, n * sizeof(keep[0]));
	rcv->sack_n = (uint8_t)n;
}

/*
 * RFC 2883, 4: the block names the first contiguous duplicate.  A duplicate
 * that continues one not yet reported extends its block, as in Linux.  Any
 * other is not reported.
 */
void reasm_note_dsack(struct leg *l, seq_t start, seq_t end)
{
	struct sack_block *b = &l->rcv.dsack;

	if (!l->sack_ok || !l->cfg->dsack || !seq_lt(start, end))
		return;
	if (seq_eq(b->start, b->end)) {
		*b = (struct sack_block){start, end};
		leg_count(l, seq_lt(start, l->rcv.nxt)
				     ? CNT_TcpExtTCPDSACKOldSent
				     : CNT_TcpExtTCPDSACKOfoSent);
	} else if (seq_le(start, b->end) && seq_ge(end, b->start)) {
		b->start = seq_min(b->start, start);
		b->end = seq_max(b->end, end);
	}
}

/* Store @d, which begins at @seq, beyond RCV.NXT. */
static enum drop_reason ooo_insert(struct leg *l, seq_t seq, struct slice d)
{
	struct hole h = {0};
	struct ooo *touched = NULL;
	seq_t end = seq_add(seq, d.len), at = seq, stop;
	bool ok = true;

	h.after = island_at(l, at, &h.before);
	while (ok && seq_lt(at, end)) {
		while (h.after && seq_le(island_end(h.after), at)) {
			l->env->steps++;
			h.before = h.after;
			h.after = island_next(h.after);
		}
		if (h.after && seq_le(h.after->start, at)) { /* held already */
			touched = touched ? touched : h.after;
			stop = seq_min(island_end(h.after), end);
			reasm_note_dsack(l, at, stop);
			at = stop;
			continue;
		}
		stop = h.after ? seq_min(h.after->start, end) : end;
		ok = hole_fill(l, &h, at,
			       (struct slice){d.buf, d.p + seq_span(at, seq),
					      seq_span(stop, at)});
		if (!touched && h.filled)
			touched = h.before;
		h.after = h.before ? h.before : h.after; /* may be the same */
		at = stop;
	}
	if (touched)
		sack_note(&l->rcv, touched);
	if (!ok && !h.filled) {
		leg_count(l, CNT_TcpExtTCPOFODrop);
		return DROP_OOO_LIMIT;
	}
	if (!h.filled)
		return DROP_DUPLICATE;
	leg_count(l, CNT_TcpExtTCPOFOQueue);
	return DROP_NONE;
}

/* Append bytes at RCV.NXT to the sink. */
static bool deliver(struct leg *l, const struct slice *d)
{
	if ((over_share(l) && l->rcv.sink->bytes >= l->cfg->rmem[0]) ||
	    bufq_append(l->rcv.sink, l->env->pool, d))
		return false;
	l->rcv.nxt = seq_add(l->rcv.nxt, d->len);
	l->rcv.irs_far |= seq_span(l->rcv.nxt, l->rcv.irs) > FAR;
	if (l->rcv.urg_in && seq_ge(l->rcv.nxt, l->rcv.urg))
		l->rcv.urg_in = false;
	l->env->stats->c[CNT_BytesReceived] += d->len;
	l->tally.received += d->len;
	l->ev |= LEG_EV_DATA;
	return true;
}

/* Deliver stored bytes that begin at RCV.NXT. */
static void ooo_drain(struct leg *l)
{
	const struct ooo *o;

	while ((o = l->rcv.ooo) && seq_le(o->start, l->rcv.nxt)) {
		uint32_t skip = seq_span(l->rcv.nxt, o->start);
		struct slice d = {o->buf, o->p + skip, o->len - skip};

		if (skip < o->len && !deliver(l, &d))
			return; /* no memory now: the next segment retries */
		if (skip < o->len)
			leg_count(l, CNT_TcpExtTCPOFOMerge);
		node_free_first(l);
	}
	if (!l->rcv.ooo)
		l->rcv.sack_n = 0;
}

void reasm_retry(struct leg *l)
{
	if (!l->rcv.ooo || seq_gt(l->rcv.ooo->start, l->rcv.nxt))
		return;
	ooo_drain(l);
	acker_now(&l->rcv);
}

static void note_rcv_mss(struct leg *l, uint32_t len)
{
	if (len >= l->rcv.mss)
		l->rcv.mss = (uint16_t)min_u32(
			len, max_u32(l->snd.mss, leg_mss_offer(l->family)));
}

/*
 * Deliver @d, which begins at RCV.NXT.  Where it overlaps stored bytes, the
 * stored ones are used: they were already reported by SACK.
 */
static bool deliver_around(struct leg *l, struct slice d)
{
	while (d.len) {
		seq_t at = l->rcv.nxt;
		struct slice part = d;
		uint32_t taken;

		if (l->rcv.ooo)
			part.len =
				min_u32(d.len, seq_span(l->rcv.ooo->start, at));
		if (part.len && !deliver(l, &part))
			return false;
		if (l->rcv.ooo && part.len < d.len)
			reasm_note_dsack(l, l->rcv.nxt,
					 seq_min(island_end(l->rcv.ooo),
						 seq_add(at, d.len)));
		ooo_drain(l);
		taken = min_u32(seq_span(l->rcv.nxt, at), d.len);
		if (!taken)
			return false;
		d.p += taken;
		d.len -= taken;
	}
	return true;
}

/* A segment that begins at RCV.NXT. */
static enum drop_reason in_order(struct leg *l, struct slice d, mono_t now)
{
	seq_t before = l->rcv.nxt;
	bool had_ooo = l->rcv.ooo != NULL;

	if (l->rcv.sink->bytes > l->cfg->rmem[2] + l->cfg->wmem[2]) {
		acker_now(&l->rcv); /* many small segments: see window.c */
		return DROP_BUFFER_LIMIT;
	}
	if (!deliver_around(l, d) && seq_eq(l->rcv.nxt, before)) {
		return DROP_BUFFER_LIMIT;
	}
	l->rcv.dup_owed = 0;
	window_on_data(l, seq_span(l->rcv.nxt, before),
		       seq_span(reasm_end(&l->rcv), l->rcv.nxt), now);
	l->rcv.unacked += seq_span(l->rcv.nxt, before);
	if (had_ooo || l->rcv.dsack.start.v != l->rcv.dsack.end.v)
		acker_now(&l->rcv); /* fills a hole: RFC 5681, 4.2 */
	else
		acker_owe(l, now);
	return DROP_NONE;
}

enum drop_reason reasm_text(struct leg *l, const struct segment *s, mono_t now)
{
	seq_t seq = s->seq, end = seq_add(s->seq, s->data.len);
	seq_t edge = seq_add(l->rcv.nxt, leg_rcv_wnd(&l->rcv));
	struct slice d = s->data;

	if (s->flags & TCP_SYN) {
		seq = seq_add(seq, 1);
		end = seq_add(end, 1);
	}
	note_rcv_mss(l, d.len);
	if (seq_lt(seq, l->rcv.nxt)) { /* left edge */
		uint32_t old = min_u32(seq_span(l->rcv.nxt, seq), d.len);

		reasm_note_dsack(l, seq, seq_add(seq, old));
		d.p += old;
		d.len -= old;
		seq = l->rcv.nxt;
		if (!d.len) {
			acker_now(&l->rcv);
			return DROP_DUPLICATE;
		}
	}
	if (seq_gt(end, edge)) { /* right edge */
		uint32_t over = min_u32(seq_span(end, edge), d.len);

		d.len -= over;
		if (!d.len) {
			acker_now(&l->rcv);
			return DROP_WINDOW_ZERO;
		}
	}
	if (seq_eq(seq, l->rcv.nxt))
		return in_order(l, d, now);
	acker_now(&l->rcv);
	l->rcv.quickack = QUICKACKS; /* recovery needs each ACK */
	if (!l->sack_ok && l->rcv.dup_owed < DUP_OWED_MAX)
		l->rcv.dup_owed++;
	return ooo_insert(l, seq, d);
}

static bool block_known(const struct tcp_opts *o, uint32_t from,
			const struct sack_block *b)
{
	for (uint32_t i = from; i < o->nsack; i++) {
		if (seq_eq(o->sack[i].start, b->start))
			return true;
	}
	return false;
}

/* The island that has @at, if it is still stored. */
static const struct ooo *island_with(const struct leg *l, seq_t at)
{
	struct ooo *before, *i = island_at(l, at, &before);

	return i && seq_le(i->start, at) ? i : NULL;
}

void reasm_sack_blocks(const struct leg *l, struct tcp_opts *o, uint32_t max)
{
	uint32_t first = 0;

	o->nsack = 0;
	if (!l->sack_ok || !max)
		return;
	if (!seq_eq(l->rcv.dsack.start, l->rcv.dsack.end)) {
		o->sack[o->nsack++] = l->rcv.dsack;
		first = 1;
	}
	for (uint32_t i = 0; i < l->rcv.sack_n && o->nsack < max; i++) {
		const struct ooo *at = island_with(l, l->rcv.sack_recent[i]);
		struct sack_block b;

		/* an island at RCV.NXT waits for memory: do not report it, so
		 * that the peer sends it again */
		if (!at || seq_le(at->start, l->rcv.nxt))
			continue;
		b = (struct sack_block){at->start, island_end(at)};
		if (!block_known(o, first, &b))
			o->sack[o->nsack++] = b;
	}
}
