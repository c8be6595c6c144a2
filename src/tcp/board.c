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
 * What an ACK costs.  A path of 1 Gb/s and 100 ms with one percent of loss has
 * thousands of runs, so none is looked for by walking along the list.  All runs
 * are in a tree by sequence number, in which the place of a SACK block is
 * found. SENT runs are in a tree by the time of transmission, where those that
 * RACK judges come first.  LOST ones are in a tree by sequence number: the
 * first is sent again next.  So an ACK costs O(log n) for each of its blocks,
 * and the same for each run whose state it changes.
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

static struct run *run_of(const struct tree_node *place)
{
	return place ? container_of(place, struct run, place) : NULL;
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

/* Change @r's number of segments, which the SACKED ones add up to. */
static void run_set_segs(struct leg_loss *loss, struct run *r, uint16_t segs)
{
	if (r->state == RUN_SACKED)
		loss->sacked_segs += (uint32_t)segs - r->segs;
	r->segs = segs;
}

/* The order of SENT runs is RFC 8985's, 5.2; that of LOST ones the stream's. */
static bool run_is_before(const struct run *a, const struct run *b)
{
	int32_t d = (int32_t)(a->tx_us - b->tx_us);

	if (a->state == RUN_SENT && d)
		return d < 0;
	return seq_lt(a->end, b->end);
}

static struct run **first_of(struct leg_loss *loss, uint8_t state)
{
	return state == RUN_SENT ? &loss->sent : &loss->lost;
}

/* Give @r its place among the runs of its state. */
static void run_join(struct leg *l, struct run *r)
{
	struct run **first = first_of(&l->loss, r->state);
	struct tree_node *up = NULL, **link = NULL, *n;

	if (r->state == RUN_SACKED) {
		l->loss.sacked_segs += r->segs;
		return;
	}
	for (n = *first ? tree_root(&(*first)->place) : NULL; n; n = *link) {
		l->env->steps++;
		up = n;
		link = run_is_before(r, run_of(n)) ? &n->left : &n->right;
	}
	tree_add(up, link, &r->place);
	if (!*first || run_is_before(r, *first))
		*first = r;
}

static void run_leave(struct leg_loss *loss, struct run *r)
{
	struct run **first = first_of(loss, r->state);

	if (r->state == RUN_SACKED) {
		loss->sacked_segs -= r->segs;
		return;
	}
	if (*first == r)
		*first = run_of(tree_next(&r->place));
	tree_del(&r->place);
}

static void run_set_state(struct leg *l, struct run *r, enum run_state to)
{
	run_account(&l->loss, r->state, run_len(r), false);
	run_leave(&l->loss, r);
	r->state = (uint8_t)to;
	run_account(&l->loss, r->state, run_len(r), true);
	run_join(l, r);
}

/* @r is in flight, sent @now. */
static void run_set_sent(struct leg *l, struct run *r, mono_t now)
{
	run_account(&l->loss, r->state, run_len(r), false);
	run_leave(&l->loss, r);
	r->state = RUN_SENT;
	r->tx_us = (uint32_t)now.us;
	run_join(l, r);
}

struct run *board_tail(const struct leg_loss *loss)
{
	struct run *head = loss->run_head;

	return head ? container_of(tree_last(&head->by_seq), struct run, by_seq)
		    : NULL;
}

/* The first run that ends behind @at. */
static struct run *run_at(const struct leg *l, seq_t at)
{
	struct run *head = l->loss.run_head, *found = NULL, *r;
	struct tree_node *n = head ? tree_root(&head->by_seq) : NULL;

	while (n) {
		l->env->steps++;
		r = container_of(n, struct run, by_seq);
		if (seq_gt(r->end, at)) {
			found = r;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return found;
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
	r->next = at ? at->next
		     : NULL; /* without one before it, the only one */
	if (r->next)
		r->next->prev = r;
	if (at) {
		at->next = r;
		tree_add_after(&at->by_seq, &r->by_seq);
	} else {
		l->loss.run_head = r;
		tree_add(NULL, NULL, &r->by_seq);
	}
	l->loss.run_count++;
	return r;
}

/* Unlink and free; the caller has accounted for the bytes. */
static void run_remove(struct leg *l, struct run *r)
{
	run_leave(&l->loss, r);
	tree_del(&r->by_seq);
	if (r->prev)
		r->prev->next = r->next;
	else
		l->loss.run_head = r->next;
	if (r->next)
		r->next->prev = r->prev;
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

/* What is left of @r's segments behind the cut. */
static uint16_t segs_behind(const struct run *r, uint16_t before)
{
	return r->segs > before ? (uint16_t)(r->segs - before) : 1;
}

/* Cut @r at @at.  Return: the second half, or NULL when no run is left. */
static struct run *run_split(struct leg *l, struct run *r, seq_t at)
{
	struct run *b = run_insert_after(l, r);
	uint16_t before;

	if (!b)
		return NULL;
	b->start = at;
	b->end = r->end;
	b->tx_us = r->tx_us;
	b->state = r->state;
	b->retx = r->retx;
	b->mark = r->mark;
	before = segs_before(r, at);
	b->segs = segs_behind(r, before);
	run_set_segs(&l->loss, r, before);
	r->end = at;
	run_join(l, b);
	return b;
}

/* Join @r with its successor if state and time are the same. */
static void run_merge_next(struct leg *l, struct run *r)
{
	struct run *n = r->next;
	uint16_t segs;
	seq_t end;

	if (!n || n->state != r->state)
		return;
	if (r->state != RUN_SACKED &&
	    (n->tx_us != r->tx_us || n->retx != r->retx))
		return;
	segs = segs_add(r->segs, n->segs);
	end = n->end;
	r->retx |= n->retx;
	run_remove(l, n);
	r->end = end;
	run_set_segs(&l->loss, r, segs);
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
	struct run *t = board_tail(&l->loss), *r;
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
		run_set_sent(l, t, now);
		t->end = end;
		t->segs = segs_add(t->segs, segs);
		return t;
	}
	r->segs = segs_add(0, segs);
	r->start = start;
	r->end = end;
	r->tx_us = us;
	r->state = RUN_SENT;
	r->retx = false;
	run_join(l, r);
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

		l->env->steps++;
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
			run_set_segs(&l->loss, r,
				     segs_behind(r, segs_before(r, end)));
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
	struct run *r;

	for (r = run_at(l, start); r && seq_lt(r->start, end); r = r->next) {
		l->env->steps++;
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
	if (!r && l->loss.run_head && seq_lt(board_tail(&l->loss)->end, end))
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
	struct run *r;

	for (r = run_at(l, start); r && seq_lt(r->start, end); r = r->next) {
		l->env->steps++;
		if (r->state == RUN_SACKED)
			continue;
		if (seq_lt(r->start, start)) {
			struct run *b = run_split(l, r, start);

			r = b ? b : r;
		}
		if (seq_gt(r->end, end))
			run_split(l, r, end);
		run_set_sent(l, r, now);
		r->retx = true;
		if (m)
			m->sent(&l->cc, l, r, run_len(r), now);
	}
	r = r ? r->prev : board_tail(&l->loss);
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

const struct run *board_sent_before(struct leg *l, uint32_t us, seq_t end)
{
	const struct run limit = {.tx_us = us, .end = end, .state = RUN_SENT};
	const struct run *found = NULL;
	struct tree_node *n;

	for (n = l->loss.sent ? tree_root(&l->loss.sent->place) : NULL; n;) {
		l->env->steps++;
		if (run_is_before(run_of(n), &limit)) {
			found = run_of(n);
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return found;
}

void board_unmark_lost(struct leg *l)
{
	while (l->loss.lost)
		run_set_state(l, l->loss.lost, RUN_SENT);
}

uint32_t board_places(const struct run *first, uint8_t state)
{
	struct run *r = (struct run *)(uintptr_t)first, *next;
	uint32_t n = 0;

	for (; r; r = next, n++) {
		next = run_of(tree_next(&r->place));
		if (r->state != state || (next && !run_is_before(r, next)))
			return 0;
	}
	return n;
}

bool board_restore(struct leg *l, const struct run *r)
{
	struct run *n = run_insert_after(l, board_tail(&l->loss));

	if (!n)
		return false;
	n->start = r->start;
	n->end = r->end;
	n->tx_us = r->tx_us;
	n->state = r->state;
	n->retx = r->retx;
	n->segs = r->segs;
	n->mark = r->mark;
	run_account(&l->loss, n->state, run_len(n), true);
	run_join(l, n);
	return true;
}

void board_purge(struct leg *l)
{
	while (l->loss.run_head)
		run_remove(l, l->loss.run_head);
	l->loss.sacked_bytes = l->loss.lost_bytes = l->loss.reno_sacked = 0;
}
