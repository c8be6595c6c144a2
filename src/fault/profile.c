/* SPDX-License-Identifier: MIT */
/*
 * The profile of a peer.
 *
 * Each struct fault_peer (react.h) remembers the oldest sequence number that
 * was not acknowledged, when it was last sent, since when the peer was sent
 * nothing, and how many probes came in a row.  What is complete (an interval,
 * an idle time, an end) is added to the profile of the peer's address.  The set
 * has a table of profiles.
 *
 * Only what the peer does by itself is measured.  An interval counts only if
 * the peer was sent nothing during it: otherwise it may have been a fast
 * retransmission, not a timeout.  The first retransmission counts only if the
 * first transmission was seen and was the oldest in flight.
 *
 *   retries    SYN or SYN-ACK again, the k-th after the one before
 *   timeouts   the oldest bytes again, likewise.  Linux's first is a tail loss
 *              probe (RFC 8985), so the series may begin twice
 *   probes     one before what comes next: into a shut window it is a window
 *              probe, else a keepalive
 *   the end    a RST after retries, or no more of them
 */
#include <inttypes.h>
#include <stdarg.h>

#include "fault/profile.h"
#include "internal.h"
#include "util/address.h"

#define PROVOKED_US (100 * USEC_PER_MSEC)

static_assert(FAULT_INJECT_COUNT <= FAULT_PROFILE_FORGED,
	      "kinds fit the profile");

static void spread_add(struct fault_spread *t, int64_t us)
{
	if (!t->n || us < t->min_us)
		t->min_us = us;
	if (!t->n || us > t->max_us)
		t->max_us = us;
	t->sum_us += us;
	t->n++;
}

/* Add step @k, from 0.  Steps beyond the end of the table are ignored. */
static void step_add(struct fault_spread *series, uint32_t k, int64_t us)
{
	if (k < FAULT_PROFILE_STEPS)
		spread_add(&series[k], us);
}

struct fault_profile *fault_profile_find(struct fault_profile *table,
					 const struct ipaddr *addr,
					 uint8_t side)
{
	struct fault_profile *oldest = table;

	for (uint32_t i = 0; i < FAULT_PROFILES_MAX; i++) {
		struct fault_profile *p = &table[i];

		if (p->conns && p->side == side && ipaddr_eq(&p->addr, addr))
			return p;
		if (mono_before(p->seen, oldest->seen))
			oldest = p;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->addr = *addr;
	oldest->side = side;
	return oldest;
}

static struct fault_profile *profile_of(struct fault_set *s,
					const struct fault_peer *r,
					uint8_t side, mono_t now)
{
	struct fault_profile *p =
		fault_profile_find(s->profile, &r->addr, side);

	if (!p->conns)
		p->conns = 1;
	p->seen = now;
	return p;
}

/* --- what the peer sent --- */

static void begin(struct fault_peer *r, const struct fault_wire *x)
{
	r->again = x->seq;
	r->again_at = x->now;
	r->again_n = 0;
	r->alone = true;
}

/*
 * The peer was sent something since it last sent these bytes, so this may not
 * be the work of its timer.
 */
static bool provoked(const struct fault_peer *r, const struct fault_wire *x)
{
	if (mono_is_set(r->again_at))
		return !r->alone;
	return mono_is_set(r->told_at) &&
	       mono_sub(x->now, r->told_at) < PROVOKED_US + 2 * r->rtt_us;
}

static void hear_again(struct fault_set *s, struct fault_peer *r,
		       const struct fault_wire *x)
{
	bool syn = x->flags & TCP_SYN;
	seq_t end = seq_add(x->seq, x->len + syn + !!(x->flags & TCP_FIN));
	struct fault_profile *p;

	if (seq_gt(x->seq, r->again) || seq_le(end, r->again))
		return; /* not the oldest bytes */
	if (provoked(r, x)) {
		r->again_n = FAULT_PROFILE_STEPS; /* ignore these bytes now */
	} else if (mono_is_set(r->again_at)) {
		p = profile_of(s, r, x->side, x->now);
		step_add(syn ? p->syn : p->rto, r->again_n,
			 mono_sub(x->now, r->again_at));
	}
	r->again_n++;
	r->again_at = x->now;
	r->alone = true;
}

static void hear_probe(struct fault_set *s, struct fault_peer *r,
		       const struct fault_wire *x)
{
	struct fault_profile *p = profile_of(s, r, x->side, x->now);
	mono_t last = r->quiet ? r->heard_at : r->told_at;

	if (mono_is_set(r->told_at) && !r->told_wnd) {
		if (r->probe_n)
			last = r->probe_at;
		step_add(p->window, r->probe_n, mono_sub(x->now, last));
	} else if (r->probe_n && r->quiet) {
		spread_add(&p->keepalive, mono_sub(x->now, r->probe_at));
	} else {
		r->probe_n = 0;
		spread_add(&p->idle, mono_sub(x->now, last));
	}
	r->probe_n++;
	r->probe_at = x->now;
	if (r->told_wnd)
		p->keepalives = max_u32(p->keepalives, r->probe_n);
}

static void hear_reset(struct fault_set *s, const struct fault_peer *r,
		       const struct fault_wire *x)
{
	if (mono_is_set(r->unanswered) && (r->again_n || r->probe_n))
		spread_add(&profile_of(s, r, x->side, x->now)->reset,
			   mono_sub(x->now, r->unanswered));
}

void fault_profile_hear(struct fault_set *s, struct fault_peer *r,
			const struct fault_wire *x, enum fault_reaction kind)
{
	bool first = !mono_is_set(r->heard_at), owes;

	owes = !first &&
	       (!mono_is_set(r->told_at) || seq_gt(r->high, r->told_ack));
	if (first) {
		r->addr = *x->peer;
		fault_profile_find(s->profile, &r->addr, x->side)->conns++;
		profile_of(s, r, x->side, x->now);
	}
	if (kind == FR_RETRANSMIT)
		hear_again(s, r, x);
	else if (kind == FR_PROBE)
		hear_probe(s, r, x);
	else if (kind == FR_RST)
		hear_reset(s, r, x);
	else if (kind == FR_SYN || kind == FR_SYNACK || !owes)
		begin(r, x);
	if (kind != FR_PROBE)
		r->probe_n = 0;
	if (kind == FR_RST)
		r->unanswered = MONO_UNSET;
	else if (!mono_is_set(r->unanswered) &&
		 (x->len || x->flags & (TCP_SYN | TCP_FIN) || kind == FR_PROBE))
		r->unanswered = x->now;
	r->quiet = true;
	if (mono_is_set(r->asked_at) && r->asked_syn && x->flags & TCP_ACK &&
	    seq_ge(x->ack, r->asked))
		spread_add(&profile_of(s, r, x->side, x->now)->rtt,
			   mono_sub(x->now, r->asked_at));
}

void fault_profile_tell(struct fault_peer *r, const struct fault_wire *x)
{
	r->unanswered = MONO_UNSET;
	r->quiet = r->alone = false;
	if (!(x->flags & TCP_ACK) || seq_le(x->ack, r->again))
		return;
	/* it is not known when the bytes that are now the oldest were sent */
	r->again = x->ack;
	r->again_at = MONO_UNSET;
	r->again_n = 0;
}

/* A peer that was silent for twice its last interval has given up. */
void fault_profile_end(struct fault_set *s, const struct fault_peer *r,
		       uint8_t side)
{
	if (!mono_is_set(r->unanswered) || !(r->again_n || r->probe_n) ||
	    mono_sub(s->now, r->heard_at) <= 2 * r->gap_us + USEC_PER_SEC)
		return;
	spread_add(&profile_of(s, r, side, s->now)->given_up,
		   mono_sub(r->heard_at, r->unanswered));
}

void fault_profile_forged(struct fault_set *s, const struct fault_peer *r,
			  const struct fault_pending *p,
			  enum fault_reaction kind)
{
	struct fault_forged *f;

	if (kind == FR_ENDED)
		return;
	f = &profile_of(s, r, p->side, s->now)->forged[p->inject - 1];
	f->n++;
	f->ok += !!(p->expect & BIT(kind));
	f->last = (uint8_t)kind;
}

/* --- all workers together --- */

static void spread_merge(struct fault_spread *to,
			 const struct fault_spread *from)
{
	if (!from->n)
		return;
	if (!to->n || from->min_us < to->min_us)
		to->min_us = from->min_us;
	if (!to->n || from->max_us > to->max_us)
		to->max_us = from->max_us;
	to->n += from->n;
	to->sum_us += from->sum_us;
}

void fault_profile_merge(struct fault_profile *to,
			 const struct fault_profile *from)
{
	bool later = mono_before(to->seen, from->seen);

	to->conns += from->conns;
	to->keepalives = max_u32(to->keepalives, from->keepalives);
	spread_merge(&to->rtt, &from->rtt);
	for (uint32_t i = 0; i < FAULT_PROFILE_STEPS; i++) {
		spread_merge(&to->syn[i], &from->syn[i]);
		spread_merge(&to->rto[i], &from->rto[i]);
		spread_merge(&to->window[i], &from->window[i]);
	}
	spread_merge(&to->idle, &from->idle);
	spread_merge(&to->keepalive, &from->keepalive);
	spread_merge(&to->reset, &from->reset);
	spread_merge(&to->given_up, &from->given_up);
	for (uint32_t i = 0; i < FAULT_PROFILE_FORGED; i++) {
		to->forged[i].n += from->forged[i].n;
		to->forged[i].ok += from->forged[i].ok;
		if (from->forged[i].n && (later || !to->forged[i].last))
			to->forged[i].last = from->forged[i].last;
	}
	if (later)
		to->seen = from->seen;
}

/* --- as JSON --- */

struct text {
	char *out;
	size_t len, at;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t,
						      const char *fmt, ...)
{
	bool room = t->at < t->len;
	va_list ap;

	va_start(ap, fmt);
	t->at += (size_t)vsnprintf(room ? t->out + t->at : NULL,
				   room ? t->len - t->at : 0, fmt, ap);
	va_end(ap);
}

static double ms(int64_t us)
{
	return (double)us / USEC_PER_MSEC;
}

static void put_spread(struct text *t, const struct fault_spread *v)
{
	if (!v->n) {
		put(t, "null");
		return;
	}
	put(t, "{\"n\":%" PRIu64 ",\"min\":%.3f,\"mean\":%.3f,\"max\":%.3f}",
	    v->n, ms(v->min_us), ms(v->sum_us / (int64_t)v->n), ms(v->max_us));
}

/* Print the series up to the last step that was measured. */
static void put_series(struct text *t, const char *key,
		       const struct fault_spread *v)
{
	uint32_t n = FAULT_PROFILE_STEPS;

	while (n && !v[n - 1].n)
		n--;
	put(t, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			put(t, ",");
		put_spread(t, &v[i]);
	}
	put(t, "]");
}

static void put_forged(struct text *t, const struct fault_forged *f)
{
	bool any = false;

	put(t, ",\"inject\":{");
	for (uint32_t i = 0; i < FAULT_INJECT_COUNT; i++) {
		if (!f[i].n)
			continue;
		put(t, "%s\"%s\":{\"n\":%u,\"ok\":%u,\"last\":\"%s\"}",
		    any ? "," : "", fault_inject_name[i], f[i].n, f[i].ok,
		    fault_reaction_name[f[i].last]);
		any = true;
	}
	put(t, "}");
}

size_t fault_profile_print(const struct fault_profile *p, char *out,
			   size_t outlen)
{
	struct text t = {.out = out, .len = outlen};
	char addr[ADDRESS_TEXT_MAX];

	put(&t, "{\"peer\":\"%s\",\"side\":\"%s\",\"conns\":%" PRIu64,
	    address_print(&p->addr, addr), p->side ? "server" : "client",
	    p->conns);
	put(&t, ",\"rtt_ms\":");
	put_spread(&t, &p->rtt);
	put_series(&t, p->side ? "syn_ack_ms" : "syn_ms", p->syn);
	put_series(&t, "rto_ms", p->rto);
	put_series(&t, "window_probe_ms", p->window);
	put(&t, ",\"keepalive\":{\"idle_ms\":");
	put_spread(&t, &p->idle);
	put(&t, ",\"interval_ms\":");
	put_spread(&t, &p->keepalive);
	put(&t, ",\"count\":%u},\"gives_up\":{\"rst_ms\":", p->keepalives);
	put_spread(&t, &p->reset);
	put(&t, ",\"silence_ms\":");
	put_spread(&t, &p->given_up);
	put(&t, "}");
	put_forged(&t, p->forged);
	put(&t, "}");
	return t.at;
}
