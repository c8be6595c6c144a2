/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: the fate of each byte in flight (RFC 2018, 6675, 8985).
 *
 * The sequence space from una to nxt is kept as runs.  A run is contiguous, and
 * all of it has the same state and time of transmission.  A 64 KiB burst is one
 * run until SACK splits it, so a healthy flow has as many runs as bursts in
 * flight.  A run is
 *   SENT    in flight,
 *   LOST    judged lost, waiting to be retransmitted,
 *   SACKED  delivered out of order.
 * A retransmission turns LOST into SENT with a new time.  So RFC 6675's pipe is
 * nxt - una - sacked_bytes - lost_bytes, and a lost retransmission is found in
 * the same way as a lost original.
 *
 * Limits: a leg has at most RUNS_MAX runs.  When no run is left for a split,
 * the SACK block is ignored and counted.  This costs a needless retransmission
 * and nothing else.  Without SACK the same list is used, and its runs are only
 * SENT or LOST.
 */
#include "internal.h"

static uint32_t run_len(const struct run *r)
{
	return seq_span(r->end, r->start);
}

static void run_account(struct leg_loss *loss, uint8_t state, uint32_t n,
			bool add)
{
	uint32_t *c = state == RUN_SACKED ? &loss->sacked_bytes
		      : state == RUN_LOST ? &loss->lost_bytes
					  : NULL;

	if (c)
		*c = add ? *c + n : *c - n;
}

static void run_set_state(struct leg *l, struct run *r, enum run_state to)
{
	run_account(&l->loss, r->state, run_len(r), false);
	r->state = (uint8_t)to;
	run_account(&l->loss, r->state, run_len(r), true);
}

static void run_lose(struct leg *l, struct run *r)
{
	const struct cc_model *m = leg_model(&l->cc);

	run_set_state(l, r, RUN_LOST);
	if (m)
		m->lost(&l->cc, l, r);
}

static struct run *run_insert_after(struct leg *l, struct run *at)
{
	struct run *r;
	const struct slab *runs = l->env->runs;

	/* a leg beyond its share leaves the last half to the others */
	if (l->loss.run_count >= RUNS_MAX ||
	    (l->loss.run_count >= RUNS_SHARE && runs->used > runs->max / 2))
		return NULL;
	r = slab_alloc(l->env->runs);
	if (!r)
		return NULL;
	r->prev = at;
	r->next = at ? at->next : l->loss.run_head;
	if (r->next)
		r->next->prev = r;
	else
		l->loss.run_tail = r;
	if (at)
		at->next = r;
	else
		l->loss.run_head = r;
	l->loss.run_count++;
	return r;
}

/* Unlink and free; the caller has accounted for the bytes. */
static void run_remove(struct leg *l, struct run *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		l->loss.run_head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		l->loss.run_tail = r->prev;
	l->loss.run_count--;
	slab_free(l->env->runs, r);
}

/* How many of @r's segments are before @at, if all but the last have the same
 * size. */
static uint16_t segs_before(const struct run *r, seq_t at)
{
	uint32_t len = run_len(r), front = seq_span(at, r->start);
	uint64_t n = ((uint64_t)front * r->segs + len / 2) / len;

	return n ? (uint16_t)n : 1;
}

static uint16_t segs_add(uint32_t a, uint32_t b)
{
	return (uint16_t)min_u32(a + b, UINT16_MAX);
}

/* Subtract the segments before the cut from @r's count. */
static void segs_cut(struct run *r, uint16_t before)
{
	r->segs = r->segs > before ? (uint16_t)(r->segs - before) : 1;
}

/* Cut @r at @at.  Return: the second half, or NULL when no run is left. */
static struct run *run_split(struct leg *l, struct run *r, seq_t at)
{
	struct run *b = run_insert_after(l, r);

	if (!b)
		return NULL;
	b->start = at;
	b->end = r->end;
	b->tx_us = r->tx_us;
	b->state = r->state;
	b->retx = r->retx;
	b->segs = r->segs;
	b->mark = r->mark;
	r->segs = segs_before(r, at);
	segs_cut(b, r->segs);
	r->end = at;
	return b;
}

/* Join @r with its successor if state and time are the same. */
static void run_merge_next(struct leg *l, struct run *r)
{
	struct run *n = r->next;

	if (!n || n->state != r->state)
		return;
	if (r->state != RUN_SACKED &&
	    (n->tx_us != r->tx_us || n->retx != r->retx))
		return;
	r->end = n->end;
	r->retx |= n->retx;
	r->segs = segs_add(r->segs, n->segs);
	run_remove(l, n);
}

static void run_merge(struct leg *l, struct run *r)
{
	run_merge_next(l, r);
	if (r->prev)
		run_merge_next(l, r->prev);
}

/* The run that takes [start, end) in: the last one, or a new one behind it. */
static struct run *run_append(struct leg *l, seq_t start, seq_t end, mono_t now)
{
	struct run *t = l->loss.run_tail, *r;
	uint32_t us = (uint32_t)now.us;
	uint32_t segs = (seq_span(end, start) + l->snd.mss - 1) / l->snd.mss;

	if (t && t->state == RUN_SENT && !t->retx && t->tx_us == us) {
		t->end = end;
		t->segs = segs_add(t->segs, segs);
		return t;
	}
	if (!t) /* too old to compare with */
		l->loss.rack.valid = false;
	r = run_insert_after(l, t);
	if (!r) { /* no run left: extend the last one */
		assert(t);
		if (t->state != RUN_SENT)
			run_set_state(l, t, RUN_SENT);
		t->end = end;
		t->tx_us = us;
		t->segs = segs_add(t->segs, segs);
		return t;
	}
	r->segs = segs_add(0, segs);
	r->start = start;
	r->end = end;
	r->tx_us = us;
	r->state = RUN_SENT;
	r->retx = false;
	return r;
}

void board_sent(struct leg *l, seq_t start, seq_t end, mono_t now)
{
	struct run *r = run_append(l, start, end, now);
	const struct cc_model *m = leg_model(&l->cc);

	if (m)
		m->sent(&l->cc, l, r, seq_span(end, start), now);
}

static void sample_rtt(const struct run *r, struct ack_sample *a, mono_t now)
{
	int64_t rtt = (int64_t)((uint32_t)now.us - r->tx_us);

	if (!r->retx && (a->rtt_us < 0 || rtt < a->rtt_us))
		a->rtt_us = rtt;
}

static void note_delivered(struct leg *l, const struct run *r,
			   struct ack_sample *a, mono_t now)
{
	const struct cc_model *m = leg_model(&l->cc);

	if (r->retx) {
		a->retx_acked = true;
	} else {
		/* what was sent after a timeout does not show that it was
		 * spurious */
		if (l->loss.ca != CA_LOSS || seq_le(r->end, l->loss.recover))
			a->orig_acked = true;
		if (seq_lt(r->end, l->loss.rack.fack) && r->state != RUN_SACKED)
			a->reordered = true;
	}
	sample_rtt(r, a, now);
	rack_on_delivered(l, r, now);
	if (m)
		m->delivered(&l->cc, r);
}

void board_ack(struct leg *l, seq_t una, struct ack_sample *a, mono_t now)
{
	bool filled = false;
	struct run *r;

	while ((r = l->loss.run_head) && seq_lt(r->start, una)) {
		seq_t end = seq_min(r->end, una);
		uint32_t n = seq_span(end, r->start);
		struct run part = *r;

		part.end = end;
		if (r->state != RUN_SACKED) {
			a->acked += n;
			filled |= r->retx;
			note_delivered(l, &part, a, now);
		}
		run_account(&l->loss, r->state, n, false);
		if (seq_eq(end, r->end))
			run_remove(l, r);
		else {
			segs_cut(r, segs_before(r, end));
			r->start = end;
		}
	}
	/* Data behind a hole that a retransmission filled was received long
	 * ago.  So Karn's rule applies to the whole ACK, as in Linux. */
	if (filled)
		a->rtt_us = -1;
}

/* Mark [start, end) delivered. */
static void sack_range(struct leg *l, seq_t start, seq_t end,
		       struct ack_sample *a, mono_t now)
{
	struct run *r = l->loss.run_head;

	while (r && seq_le(r->end, start))
		r = r->next;
	for (; r && seq_lt(r->start, end); r = r->next) {
		if (r->state == RUN_SACKED)
			continue;
		if (seq_lt(r->start, start)) {
			r = run_split(l, r, start);
			if (!r)
				break;
		}
		if (seq_gt(r->end, end) && !run_split(l, r, end))
			break;
		note_delivered(l, r, a, now);
		a->sacked += run_len(r);
		run_set_state(l, r, RUN_SACKED);
		run_merge_next(l, r);
		if (r->prev && r->prev->state == RUN_SACKED) {
			r = r->prev;
			run_merge_next(l, r);
		}
		continue;
	}
	if (!r && l->loss.run_tail && seq_lt(l->loss.run_tail->end, end))
		leg_count(l, CNT_TcpExtTCPSACKDiscard);
}

static bool block_is_dsack(const struct segment *s, seq_t ack)
{
	const struct sack_block *b = s->opts.sack;

	if (seq_lt(b[0].start, ack))
		return true;
	return s->opts.nsack > 1 && seq_ge(b[0].start, b[1].start) &&
	       seq_le(b[0].end, b[1].end);
}

static bool block_valid(const struct leg_snd *snd, const struct sack_block *b)
{
	return seq_lt(b->start, b->end) && seq_gt(b->start, snd->una) &&
	       seq_le(b->end, snd->nxt);
}

/* A DSACK must name what was sent and within the last window (RFC 2883). */
static bool dsack_valid(const struct leg *l, const struct sack_block *b)
{
	return l->cfg->dsack && seq_lt(b->start, b->end) &&
	       seq_le(b->end, l->snd.nxt) &&
	       (l->snd.iss_far || seq_gt(b->start, l->snd.iss)) &&
	       (seq_ge(b->start, l->snd.una) ||
		seq_span(l->snd.una, b->start) <=
			max_u32(l->snd.max_wnd, 65535));
}

static void take_dsack(struct leg *l, const struct sack_block *b,
		       struct ack_sample *a)
{
	uint32_t n = seq_span(b->end, b->start);

	a->dsack = true;
	leg_count(l, CNT_TcpExtTCPDSACKRecv);
	/* only a DSACK for retransmitted data shows that the retransmission was
	 * needless */
	if (l->loss.undo_valid && seq_ge(b->start, l->loss.undo_marker) &&
	    seq_le(b->end, l->loss.undo_high))
		l->loss.undo_retrans -= min_u32(n, l->loss.undo_retrans);
}

/* In increasing order, or RACK would see reordering (RFC 8985, 6.2). */
static uint32_t sort_blocks(struct leg *l, const struct segment *s,
			    uint32_t from, struct sack_block *out)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < s->opts.nsack; i++) {
		const struct sack_block *b = &s->opts.sack[i];
		uint32_t k = n;

		if (!block_valid(&l->snd, b)) {
			if (seq_gt(b->end, l->snd.una))
				leg_count(l, CNT_TcpExtTCPSACKDiscard);
			continue;
		}
		for (; k && seq_lt(b->start, out[k - 1].start); k--)
			out[k] = out[k - 1];
		out[k] = *b;
		n++;
	}
	return n;
}

void board_sack(struct leg *l, const struct segment *s, struct ack_sample *a,
		mono_t now)
{
	struct sack_block sorted[SACK_BLOCKS_MAX];
	const struct sack_block *b = s->opts.sack;
	uint32_t i = 0, n;

	if (!s->opts.nsack || !l->sack_ok)
		return;
	if (block_is_dsack(s, s->ack)) {
		if (dsack_valid(l, &b[0]))
			take_dsack(l, &b[0], a);
		i = 1;
	}
	n = sort_blocks(l, s, i, sorted);
	for (i = 0; i < n; i++)
		sack_range(l, sorted[i].start, sorted[i].end, a, now);
}

void board_retransmitted(struct leg *l, seq_t start, seq_t end, mono_t now)
{
	const struct cc_model *m = leg_model(&l->cc);
	struct run *r = l->loss.run_head;

	while (r && seq_le(r->end, start))
		r = r->next;
	for (; r && seq_lt(r->start, end); r = r->next) {
		if (r->state == RUN_SACKED)
			continue;
		if (seq_lt(r->start, start)) {
			struct run *b = run_split(l, r, start);

			r = b ? b : r;
		}
		if (seq_gt(r->end, end))
			run_split(l, r, end);
		run_set_state(l, r, RUN_SENT);
		r->tx_us = (uint32_t)now.us;
		r->retx = true;
		if (m)
			m->sent(&l->cc, l, r, run_len(r), now);
	}
	if (r)
		r = r->prev;
	else
		r = l->loss.run_tail;
	if (r)
		run_merge(l, r);
}

void board_mark_lost(struct leg *l, struct run *r)
{
	if (r->state != RUN_SENT)
		return;
	if (r->retx)
		leg_count(l, CNT_TcpExtTCPLostRetransmit);
	run_lose(l, r);
}

void board_mark_all_lost(struct leg *l, bool sacked)
{
	for (struct run *r = l->loss.run_head; r; r = r->next) {
		if (r->state == RUN_SENT || (sacked && r->state == RUN_SACKED))
			run_set_state(l, r, RUN_LOST);
	}
	l->loss.reno_sacked = 0;
}

void board_mark_head_lost(struct leg *l, uint32_t bytes)
{
	struct run *r = l->loss.run_head;

	if (!r || r->state != RUN_SENT)
		return;
	if (run_len(r) > bytes && !run_split(l, r, seq_add(r->start, bytes)))
		return;
	run_lose(l, r);
}

struct run *board_first_lost(struct leg_loss *loss)
{
	struct run *r = loss->run_head;

	if (!loss->lost_bytes)
		return NULL;
	while (r && r->state != RUN_LOST)
		r = r->next;
	return r;
}

void board_unmark_lost(struct leg *l)
{
	for (struct run *r = l->loss.run_head; r; r = r->next) {
		if (r->state == RUN_LOST)
			run_set_state(l, r, RUN_SENT);
	}
}

void board_purge(struct leg *l)
{
	while (l->loss.run_head)
		run_remove(l, l->loss.run_head);
	l->loss.sacked_bytes = l->loss.lost_bytes = l->loss.reno_sacked = 0;
}
