/* SPDX-License-Identifier: MIT */
/*
 * What a peer does after a fault has acted.
 *
 * A connection with faults has a struct fault_peer for each peer: what it has
 * sent, and what it was sent.  A decision is pending until the peer answers.
 * The answer is a second report, which names the first by its id.  It is a line
 * of its own so that decisions stay in order, a crash loses none, and a peer
 * that is silent for minutes delays nothing.
 *
 * Not every segment that comes next is an answer: segments that were in flight
 * when the fault acted must not count.  So a decision lists the reactions that
 * it can cause:
 *
 *   lost from the peer      the same bytes again
 *   a segment to the peer   duplicate ACK, SACK, retransmission, or an
 *                           acknowledgment that covers it
 *   reset, vanish           what a living endpoint sends: retransmission, probe
 *   forged                  RST, an ACK that acknowledges nothing new
 *   all else                whatever comes next
 *
 * None of them can come within half a round trip after a segment to the peer
 * was touched.  If none comes, the answer is silence: after a second, or, if
 * the peer has something to retransmit, after 2.5 times its last interval.  The
 * number of pending decisions of a connection is limited; further ones are
 * counted as "unwatched".
 */
#include <inttypes.h>

#include "fault/profile.h"
#include "internal.h"

#define WAIT_US USEC_PER_SEC
#define WAIT_OWED_US (3 * USEC_PER_SEC)
#define WAIT_MAX_US (150 * USEC_PER_SEC)

#define RBIT(id) BIT(FR_##id)
#define REPEATED_ACK (RBIT(DUP_ACK) | RBIT(SACK) | RBIT(DSACK))

static_assert(FR_COUNT <= 16, "reactions fit fault_pending.mask");

/* What a correct peer answers to a forged segment (docs/FAULTS.md). */
static const uint16_t forged_expect[FAULT_INJECT_COUNT] = {
	[FAULT_RST_EXACT] = RBIT(RST),
	[FAULT_RST_INWINDOW] = RBIT(CHALLENGE),
	[FAULT_SYN_INWINDOW] = RBIT(CHALLENGE),
	[FAULT_ACK_OLD] = RBIT(CHALLENGE) | RBIT(SILENCE),
	[FAULT_ACK_FUTURE] = RBIT(ACK),
	[FAULT_DATA_OOW] = RBIT(ACK),
	[FAULT_PAWS_OLD] = RBIT(ACK),
	[FAULT_BADSUM] = RBIT(SILENCE),
	[FAULT_NULL] = RBIT(SILENCE),
};

/* --- what kind of segment it is, given all those before it --- */

static seq_t end_of(const struct fault_wire *x)
{
	return seq_add(x->seq, x->len + !!(x->flags & TCP_SYN) +
				       !!(x->flags & TCP_FIN));
}

/* Has the peer sent anything that was not acknowledged to it? */
static bool owes(const struct fault_peer *r)
{
	return mono_is_set(r->heard_at) &&
	       (!mono_is_set(r->told_at) || seq_gt(r->high, r->told_ack));
}

/*
 * Keepalives and window probes begin one before the next sequence number, or
 * carry one byte into a closed window.
 */
static bool is_probe(const struct fault_peer *r, const struct fault_wire *x)
{
	bool shut = mono_is_set(r->told_at) && !r->told_wnd;

	if (!mono_is_set(r->heard_at) || x->len > 1 ||
	    x->flags & (TCP_SYN | TCP_FIN))
		return false;
	if (seq_eq(x->seq, seq_sub(r->high, 1)))
		return !x->len || shut || !owes(r);
	return shut && x->len && seq_eq(x->seq, r->high);
}

static enum fault_reaction classify(const struct fault_peer *r,
				    const struct fault_wire *x)
{
	bool fresh = !mono_is_set(r->heard_at) || seq_gt(end_of(x), r->high);

	if (x->flags & TCP_RST)
		return FR_RST;
	if (is_probe(r, x))
		return FR_PROBE;
	if (x->len || x->flags & (TCP_SYN | TCP_FIN)) {
		/* a SYN that crossed ours is repeated as a SYN-ACK */
		if (!fresh &&
		    !(x->flags & TCP_SYN && x->flags & TCP_ACK && !r->acked))
			return FR_RETRANSMIT;
		if (x->flags & TCP_SYN)
			return x->flags & TCP_ACK ? FR_SYNACK : FR_SYN;
		return x->flags & TCP_FIN ? FR_FIN : FR_DATA;
	}
	if (x->nsack)
		return x->dsack ? FR_DSACK : FR_SACK;
	if (!r->acked || seq_gt(x->ack, r->ack))
		return FR_ACK;
	return x->wnd != r->wnd ? FR_WINDOW : FR_DUP_ACK;
}

static void hear(struct fault_peer *r, const struct fault_wire *x,
		 enum fault_reaction kind)
{
	int64_t rtt;

	if (kind == FR_RETRANSMIT || kind == FR_PROBE)
		r->gap_us = mono_sub(x->now, r->heard_at);
	if (!mono_is_set(r->heard_at) || x->flags & TCP_SYN ||
	    (seq_gt(end_of(x), r->high) && !(x->flags & TCP_RST)))
		r->high = end_of(x);
	if (x->flags & TCP_ACK && !(x->flags & TCP_RST) &&
	    (!r->acked || seq_gt(x->ack, r->ack))) {
		r->acked = true;
		r->ack = x->ack;
	}
	r->wnd = x->wnd;
	if (mono_is_set(r->asked_at) && x->flags & TCP_ACK &&
	    seq_ge(x->ack, r->asked)) {
		rtt = mono_sub(x->now, r->asked_at);
		r->rtt_us = r->rtt_us && r->rtt_us < rtt ? r->rtt_us : rtt;
		r->asked_at = MONO_UNSET;
	}
	r->heard_at = x->now;
}

static void tell(struct fault_peer *r, const struct fault_wire *x)
{
	if (x->flags & TCP_RST)
		return;
	if (x->flags & TCP_ACK &&
	    (!mono_is_set(r->told_at) || seq_gt(x->ack, r->told_ack)))
		r->told_ack = x->ack;
	if (x->flags & TCP_ACK)
		r->told_wnd = x->wnd;
	if (x->flags & TCP_SYN || (x->len && !mono_is_set(r->asked_at))) {
		r->asked = end_of(x);
		r->asked_at = x->now;
		r->asked_syn = x->flags & TCP_SYN;
	}
	r->told_at = x->now;
}

/* --- decisions and their answers --- */

static void settle(struct fault_set *s, struct fault_flow *w, uint32_t i,
		   enum fault_reaction kind, mono_t now)
{
	struct fault_watch *a = &w->watch;
	struct fault_pending p = a->pending[i];
	struct fault *f = &s->fault[p.slot];
	bool ok = p.expect & BIT(kind), known = f->key == p.key;

	a->n--;
	memmove(&a->pending[i], &a->pending[i + 1],
		(a->n - i) * sizeof(a->pending[0]));
	if (p.inject)
		fault_profile_forged(s, &a->peer[p.side], &p, kind);
	if (!known)
		return;
	f->peer[kind]++;
	if (p.expect && kind != FR_ENDED)
		f->answered[ok]++;
	fault_report_peer(s, w, &p, kind, mono_sub(now, p.since));
}

/* A forged segment, or an old one that is replayed. */
static void wait_for_forged(struct fault_pending *p,
			    const struct fault_event *ev,
			    const struct fault_verdict *v, uint32_t space)
{
	p->forged = true;
	p->mask = RBIT(RST) | REPEATED_ACK | RBIT(WINDOW);
	if (v->replay) {
		p->since = mono_add(ev->now, v->replay_us);
		p->expect = v->replay == FAULT_KIND_RST ? RBIT(SILENCE)
							: RBIT(ACK);
		return;
	}
	p->inject = v->inject;
	p->expect = forged_expect[v->inject - 1];
	if (v->inject - 1 == FAULT_PAWS_OLD && !ev->ts)
		p->expect = RBIT(SILENCE);
	p->cover = v->inject - 1 == FAULT_RST_EXACT && space;
}

/* Set which reactions may answer the decision, and which ones should. */
static void wait_for(struct fault_pending *p, const struct fault_event *ev,
		     const struct fault_verdict *v, uint32_t space)
{
	p->since = mono_add(ev->now, v->delay_us);
	if (v->inject || v->replay) {
		wait_for_forged(p, ev, v, space);
	} else if (v->act && !(v->act & FAULT_ACT_ANSWER)) {
		p->mask = RBIT(RST) | RBIT(RETRANSMIT) | RBIT(PROBE);
	} else if (space && ev->to_peer) {
		p->cover = !v->open;
		p->mask = REPEATED_ACK | RBIT(RST) | RBIT(RETRANSMIT) |
			  RBIT(PROBE) | RBIT(SYNACK);
	} else if (v->drop && space) {
		p->again = true;
		p->mask = RBIT(RST) | RBIT(RETRANSMIT);
	}
	if (v->open)
		p->expect = RBIT(SYNACK);
	if (v->ack_add && ev->to_peer && ev->flags & TCP_SYN)
		p->expect = RBIT(RST);
}

/* How long to wait before no answer counts as silence. */
static int64_t patience(const struct fault_pending *p,
			const struct fault_peer *r)
{
	int64_t wait = r->gap_us * 5 / 2;

	if (p->forged || !(r->probe_n || (p->mask & RBIT(RETRANSMIT) &&
					  (p->again || owes(r)))))
		return WAIT_US;
	return wait < WAIT_OWED_US  ? WAIT_OWED_US
	       : wait > WAIT_MAX_US ? WAIT_MAX_US
				    : wait;
}

void fault_react_begin(struct fault_ctx *x, const struct fault_event *ev,
		       const struct fault_verdict *v, uint64_t id)
{
	struct fault_watch *a = &x->flow->watch;
	struct fault_pending *p = &a->pending[a->n];
	const struct fault_peer *r = &a->peer[ev->side];
	uint32_t space =
		ev->len + !!(ev->flags & TCP_SYN) + !!(ev->flags & TCP_FIN);

	if (a->n == FAULT_PENDING_MAX) {
		x->f->unwatched++;
		return;
	}
	*p = (struct fault_pending){.id = id,
				    .key = x->f->key,
				    .since = ev->now,
				    .seq = ev->seq,
				    .end = seq_add(ev->seq, space),
				    .conn = x->c->ordinal,
				    .mask = UINT16_MAX,
				    .slot = x->slot,
				    .side = ev->side};
	if (v)
		wait_for(p, ev, v, space);
	p->until = mono_add(p->since, patience(p, r));
	/* the RTT varies; and the answer to a forged segment is recognised by
	 * its form */
	p->soonest = mono_add(
		p->since, ev->to_peer && !p->forged ? 1 + r->rtt_us / 2 : 1);
	a->n++;
	if (!wtimer_armed(&x->flow->timer) ||
	    mono_before(p->until, x->flow->timer.when))
		wheel_arm(&x->set->wheel, &x->flow->timer, p->until);
}

/* Does @x, a segment of @kind, answer @p?  @kind becomes the reaction. */
static bool answers(const struct fault_pending *p, const struct fault_wire *x,
		    enum fault_reaction *kind)
{
	if (p->side != x->side || mono_before(x->now, p->soonest))
		return false;
	if (p->again && *kind == FR_RETRANSMIT)
		return seq_lt(x->seq, p->end) && seq_gt(end_of(x), p->seq);
	if (p->cover && x->flags & TCP_ACK && !(x->flags & TCP_RST) &&
	    seq_ge(x->ack, p->end)) {
		if (*kind == FR_DATA || *kind == FR_WINDOW)
			*kind = FR_ACK;
		return true;
	}
	if (!(p->mask & BIT(*kind)))
		return false;
	/* the answer to a forged segment looks like a duplicate ACK */
	if (p->forged && *kind != FR_RST)
		*kind = p->expect & RBIT(CHALLENGE) ? FR_CHALLENGE
			: p->expect & RBIT(ACK)	    ? FR_ACK
						    : FR_DUP_ACK;
	return true;
}

void fault_wire_pass(struct fault_set *s, struct fault_flow *w,
		     const struct fault_wire *x)
{
	struct fault_peer *r = &w->watch.peer[x->side];
	enum fault_reaction kind, as;
	bool taken = false;

	s->now = x->now;
	if (x->to_peer) {
		fault_profile_tell(r, x);
		tell(r, x);
		return;
	}
	kind = classify(r, x);
	for (uint32_t i = 0; i < w->watch.n;) {
		const struct fault_pending *p = &w->watch.pending[i];
		bool forged = p->forged;

		as = kind;
		/* each forged segment gets an answer of its own */
		if ((forged && taken && kind != FR_RST) ||
		    !answers(p, x, &as)) {
			i++;
			continue;
		}
		taken |= forged;
		settle(s, w, i, as, x->now);
	}
	fault_profile_hear(s, r, x, kind);
	hear(r, x, kind);
}

mono_t fault_react_wake(const struct fault_flow *w)
{
	mono_t t = MONO_UNSET;

	for (uint32_t i = 0; i < w->watch.n; i++)
		t = mono_earlier(t, w->watch.pending[i].until);
	return t;
}

void fault_react_expire(struct fault_set *s, struct fault_flow *w, mono_t now)
{
	for (uint32_t i = 0; i < w->watch.n;) {
		if (mono_due(w->watch.pending[i].until, now))
			settle(s, w, i, FR_SILENCE, now);
		else
			i++;
	}
}

void fault_react_end(struct fault_set *s, struct fault_flow *w)
{
	while (w->watch.n)
		settle(s, w, 0, FR_ENDED, s->now);
	fault_profile_end(s, &w->watch.peer[0], 0);
	fault_profile_end(s, &w->watch.peer[1], 1);
}
