/* SPDX-License-Identifier: MIT */
/*
 * Text: in order to the sink, out of order into a sorted list.
 *
 * The list never overlaps itself: the first copy of a byte wins, so what was
 * reported by SACK is what is delivered, whatever a later segment says.
 * Limits: OOO_MAX segments and rcv_cap bytes of true size per leg; beyond it
 * the *new* segment is dropped (the peer sends it again), so nothing that was
 * SACKed is ever reneged on, unless a fault asks for it (leg_renege()).
 * Segments below BUF_COPY_MAX are copied into chunks shared with their
 * predecessor, so one-byte segments cost a node and a byte each.
 */
#include "internal.h"

static void ooo_free(struct leg *l, struct ooo *o)
{
	l->ooo_count--;
	l->ooo_mem -= o->charge;
	buf_put(o->buf);
	slab_free(l->env->ooo, o);
}

seq_t reasm_end(const struct leg *l)
{
	const struct ooo *o = l->ooo;

	if (!o)
		return l->rcv_nxt;
	while (o->next)
		o = o->next;
	return seq_add(o->start, o->len);
}

void reasm_purge(struct leg *l)
{
	while (l->ooo) {
		struct ooo *o = l->ooo;

		l->ooo = o->next;
		ooo_free(l, o);
	}
	l->sack_n = 0;
}

static seq_t ooo_end(const struct ooo *o)
{
	return seq_add(o->start, o->len);
}

static bool chunk_has_room(const struct ooo *o, uint32_t len)
{
	return o && o->buf->cls == BUF_CHUNK &&
	       o->buf->used + len <= buf_class_room(BUF_CHUNK);
}

/* Where a small segment may be copied: a neighbour's chunk, or a new one,
 * which is charged to @o as a whole. */
static struct buf *chunk_for(struct leg *l, const struct ooo *prev,
			     const struct ooo *next, struct ooo *o)
{
	o->charge = 0;
	if (chunk_has_room(prev, o->len))
		return buf_get(prev->buf);
	if (chunk_has_room(next, o->len))
		return buf_get(next->buf);
	o->charge = buf_class_truesize(BUF_CHUNK);
	return buf_alloc(l->env->pool, BUF_CHUNK);
}

/* The bytes of @d become one node after @prev. */
static bool ooo_store(struct leg *l, struct ooo **link, struct ooo *prev,
		      const struct slice *d)
{
	bool by_reference = d->len >= BUF_COPY_MAX && d->buf;
	struct ooo *o;

	/* what is kept of the receive reserve is missing there */
	if (by_reference && l->env->pool->held > l->env->pool->limit)
		return false;
	o = slab_alloc(l->env->ooo);
	if (!o)
		return false;
	o->len = d->len;
	if (by_reference) {
		o->buf = buf_get(d->buf);
		o->p = d->p;
		o->charge = buf_class_truesize(BUF_RX);
	} else {
		o->buf = chunk_for(l, prev, *link, o);
		if (!o->buf) {
			slab_free(l->env->ooo, o);
			return false;
		}
		memcpy(o->buf->data + o->buf->used, d->p, d->len);
		o->p = o->buf->data + o->buf->used;
		o->buf->used = (uint16_t)(o->buf->used + d->len);
	}
	o->next = *link;
	*link = o;
	l->ooo_count++;
	l->ooo_mem += o->charge;
	return true;
}

/* Insert one piece that overlaps nothing; pieces larger than a chunk but too
 * small to be kept by reference are cut. */
static bool ooo_insert_piece(struct leg *l, struct ooo **link, struct ooo *prev,
			     seq_t at, struct slice d)
{
	uint32_t room = buf_class_room(BUF_CHUNK);

	while (d.len) {
		struct slice part = d;

		if (d.len < BUF_COPY_MAX || !d.buf)
			part.len = min_u32(d.len, room);
		if (l->ooo_count >= OOO_MAX || l->ooo_mem > l->rcv_cap * 2 ||
		    !ooo_store(l, link, prev, &part))
			return false;
		prev = *link;
		prev->start = at;
		link = &prev->next;
		at = seq_add(at, part.len);
		d.p += part.len;
		d.len -= part.len;
	}
	return true;
}

/* The contiguous block around @at; false when @at is not held any more. */
static bool block_at(const struct leg *l, seq_t at, struct sack_block *b)
{
	const struct ooo *o = l->ooo;

	while (o) {
		b->start = o->start;
		b->end = ooo_end(o);
		while (o->next && seq_eq(o->next->start, b->end)) {
			o = o->next;
			b->end = ooo_end(o);
		}
		if (seq_le(b->start, at) && seq_lt(at, b->end))
			return true;
		o = o->next;
	}
	return false;
}

/* The block around @start was extended last: first of the list, once. */
static void sack_note(struct leg *l, seq_t start)
{
	uint32_t n = 1;
	seq_t keep[ARRAY_LEN(l->sack_recent)];
	struct sack_block b;

	if (!block_at(l, start, &b))
		return;
	keep[0] = start;
	for (uint32_t i = 0; i < l->sack_n && n < ARRAY_LEN(keep); i++) {
		seq_t at = l->sack_recent[i];

		if (seq_lt(at, b.start) || seq_ge(at, b.end))
			keep[n++] = at;
	}
	memcpy(l->sack_recent, keep, n * sizeof(keep[0]));
	l->sack_n = (uint8_t)n;
}

void reasm_note_dsack(struct leg *l, seq_t start, seq_t end)
{
	if (!l->sack_ok || !l->cfg->dsack || !seq_lt(start, end))
		return;
	l->dsack.start = start;
	l->dsack.end = end;
	leg_count(l, seq_lt(start, l->rcv_nxt) ? CNT_TcpExtTCPDSACKOldSent
					       : CNT_TcpExtTCPDSACKOfoSent);
}

/* Queue @d, which begins at @seq beyond rcv_nxt. */
static enum drop_reason ooo_insert(struct leg *l, seq_t seq, struct slice d)
{
	struct ooo **link = &l->ooo, *prev = NULL;
	seq_t end = seq_add(seq, d.len), at = seq;
	struct sack_block dup = {seq, seq};
	bool stored = false, ok = true;

	while (ok && seq_lt(at, end)) {
		struct ooo *o;
		seq_t stop;

		while ((o = *link) && seq_le(ooo_end(o), at)) {
			prev = o;
			link = &o->next;
		}
		if (o && seq_le(o->start, at)) { /* held already */
			if (seq_eq(dup.start, dup.end))
				dup.start = dup.end = at;
			if (seq_eq(dup.end, at))
				dup.end = seq_min(ooo_end(o), end);
			at = seq_min(ooo_end(o), end);
			continue;
		}
		stop = o ? seq_min(o->start, end) : end;
		ok = ooo_insert_piece(l, link, prev, at,
				      (struct slice){d.buf,
						     d.p + seq_span(at, seq),
						     seq_span(stop, at)});
		stored |= ok;
		at = stop;
	}
	if (!ok && !stored) {
		leg_count(l, CNT_TcpExtTCPOFODrop);
		return DROP_OOO_LIMIT;
	}
	reasm_note_dsack(l, dup.start, dup.end);
	if (!stored)
		return DROP_DUPLICATE;
	leg_count(l, CNT_TcpExtTCPOFOQueue);
	sack_note(l, seq);
	return DROP_NONE;
}

/* Give bytes at rcv_nxt to the sink. */
static bool deliver(struct leg *l, const struct slice *d)
{
	if (bufq_append(l->sink, l->env->pool, d))
		return false;
	l->rcv_nxt = seq_add(l->rcv_nxt, d->len);
	l->irs_far |= seq_span(l->rcv_nxt, l->irs) > FAR;
	if (l->urg_in && seq_ge(l->rcv_nxt, l->rcv_urg))
		l->urg_in = false;
	l->env->stats->c[CNT_BytesReceived] += d->len;
	l->ev |= LEG_EV_DATA;
	return true;
}

/* Deliver what the list holds from rcv_nxt on. */
static void ooo_drain(struct leg *l)
{
	struct ooo *o;

	while ((o = l->ooo) && seq_le(o->start, l->rcv_nxt)) {
		uint32_t skip = seq_span(l->rcv_nxt, o->start);
		struct slice d = {o->buf, o->p + skip, o->len - skip};

		if (skip < o->len && !deliver(l, &d))
			return; /* no memory now: the next segment retries */
		if (skip < o->len)
			leg_count(l, CNT_TcpExtTCPOFOMerge);
		l->ooo = o->next;
		ooo_free(l, o);
	}
	if (!l->ooo)
		l->sack_n = 0;
}

void reasm_retry(struct leg *l)
{
	if (!l->ooo || seq_gt(l->ooo->start, l->rcv_nxt))
		return;
	ooo_drain(l);
	acker_now(l);
}

static void note_rcv_mss(struct leg *l, uint32_t len)
{
	if (len >= l->rcv_mss)
		l->rcv_mss = (uint16_t)min_u32(
			len, max_u32(l->mss, leg_mss_offer(l->family)));
}

/*
 * Deliver @d at rcv_nxt.  Where it overlaps what is held, what is held counts:
 * it was reported by SACK already, and the first copy of a byte wins.
 */
static bool deliver_around(struct leg *l, struct slice d)
{
	while (d.len) {
		seq_t at = l->rcv_nxt;
		struct slice part = d;
		uint32_t taken;

		if (l->ooo)
			part.len = min_u32(d.len, seq_span(l->ooo->start, at));
		if (part.len && !deliver(l, &part))
			return false;
		if (l->ooo && part.len < d.len)
			reasm_note_dsack(l, l->rcv_nxt,
					 seq_min(ooo_end(l->ooo),
						 seq_add(at, d.len)));
		ooo_drain(l);
		taken = min_u32(seq_span(l->rcv_nxt, at), d.len);
		if (!taken)
			return false;
		d.p += taken;
		d.len -= taken;
	}
	return true;
}

/* In order, or overlapping what is. */
static enum drop_reason in_order(struct leg *l, const struct segment *s,
				 struct slice d, mono_t now)
{
	seq_t before = l->rcv_nxt;
	bool had_ooo = l->ooo != NULL;

	if (l->sink->bytes > l->cfg->rmem[2] + l->cfg->wmem[2]) {
		acker_now(l); /* many small segments: see window.c */
		return DROP_BUFFER_LIMIT;
	}
	if (!deliver_around(l, d) && seq_eq(l->rcv_nxt, before)) {
		return DROP_BUFFER_LIMIT;
	}
	window_on_data(l, s, seq_span(l->rcv_nxt, before), now);
	l->unacked_bytes += seq_span(l->rcv_nxt, before);
	if (had_ooo || l->dsack.start.v != l->dsack.end.v)
		acker_now(l); /* fills a hole: RFC 5681, 4.2 */
	else
		acker_owe(l, now);
	return DROP_NONE;
}

enum drop_reason reasm_text(struct leg *l, const struct segment *s, mono_t now)
{
	seq_t seq = s->seq, end = seq_add(s->seq, s->data.len);
	seq_t edge = seq_add(l->rcv_nxt, leg_rcv_wnd(l));
	struct slice d = s->data;

	if (s->flags & TCP_SYN) {
		seq = seq_add(seq, 1);
		end = seq_add(end, 1);
	}
	note_rcv_mss(l, d.len);
	if (seq_lt(seq, l->rcv_nxt)) { /* left edge */
		uint32_t old = min_u32(seq_span(l->rcv_nxt, seq), d.len);

		reasm_note_dsack(l, seq, seq_add(seq, old));
		d.p += old;
		d.len -= old;
		seq = l->rcv_nxt;
		if (!d.len) {
			acker_now(l);
			return DROP_DUPLICATE;
		}
	}
	if (seq_gt(end, edge)) { /* right edge */
		uint32_t over = min_u32(seq_span(end, edge), d.len);

		d.len -= over;
		if (!d.len) {
			acker_now(l);
			return DROP_WINDOW_ZERO;
		}
	}
	if (seq_eq(seq, l->rcv_nxt))
		return in_order(l, s, d, now);
	acker_now(l);
	l->quickack = QUICKACKS; /* recovery needs each ACK */
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

void reasm_sack_blocks(struct leg *l, struct tcp_opts *o, uint32_t max)
{
	struct sack_block b;
	uint32_t first = 0;

	o->nsack = 0;
	if (!l->sack_ok || !max)
		return;
	if (!seq_eq(l->dsack.start, l->dsack.end)) {
		o->sack[o->nsack++] = l->dsack;
		first = 1;
		l->dsack.start = l->dsack.end = SEQ(0);
	}
	for (uint32_t i = 0; i < l->sack_n && o->nsack < max; i++) {
		/* what begins at rcv_nxt waits for memory: asking for it
		 * again is what brings it on */
		if (block_at(l, l->sack_recent[i], &b) &&
		    seq_gt(b.start, l->rcv_nxt) && !block_known(o, first, &b))
			o->sack[o->nsack++] = b;
	}
}
