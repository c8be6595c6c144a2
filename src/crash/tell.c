/* SPDX-License-Identifier: MIT */
/*
 * Telling the peers of a crashed process.
 *
 * Passes.  The peers are asked in passes over all of them, at a limited rate.
 * A pass begins no earlier than PAUSE after the one before: Linux answers such
 * segments once in 500 ms on a connection (tcp_invalid_ratelimit), and older
 * kernels all connections of a host together at most 1,000 times a second
 * (tcp_challenge_ack_limit).  So whoever has not answered is asked again.
 *
 * What is sent.  A server gets a SYN and a client a SYN-ACK: stateful firewalls
 * on the way let just these pass on a connection that they know, as they may be
 * repetitions, and a segment with a wrong number they do not.  A client that is
 * still in SYN-SENT answers with a RST and stays there, so its next SYN opens
 * the connection anew.  The timestamp is for hosts that drop segments without
 * one; as the newest one is not known, it is in either half of its range in
 * turn.
 *
 * The answer.  Any segment of the peer with ACK has its numbers, also one that
 * it has sent by itself.  But such a one may be old: it has waited in the queue
 * while the last data of the crashed process went to the peer.  So in the next
 * pass a peer that was reset is asked once more, now with a keepalive of its
 * numbers.  If it still has the connection it answers, and is reset again.
 *
 * A RST of the peer counts only if it answers what was sent, by its number.  A
 * server that has no connection takes the SYN for a new one; its SYN-ACK is
 * reset, too.
 */
#include "crash/tell.h"

#include <stdlib.h>

#include "wire/build.h"

#define PASSES 6
#define MS ((int64_t)USEC_PER_MSEC)
#define BURST_US (20 * MS) /* of probes, at the start and after a pause */

/* From the beginning of a pass to that of the next; the last one is a wait. */
static const int64_t pause_us[PASSES] = {600 * MS,  600 * MS,  1200 * MS,
					 2400 * MS, 4800 * MS, 1200 * MS};

enum end_state {
	END_NONE,    /* there was no such leg */
	END_SILENT,  /* nothing is known of the peer */
	END_RESET,   /* it was reset */
	END_CHECKED, /* and was asked again */
	END_TOLD,    /* for good */
	END_GONE,    /* the peer has no such connection, or is silent */
};

/**
 * struct end - A leg of a crashed process
 * @t:    its addresses, from our side
 * @seq:  what the peer expects next of us, with END_RESET and END_CHECKED
 * @ack:  what it sends next
 * @state: enum end_state
 * @next: in its place of the table
 */
struct end {
	struct tuple t;
	seq_t seq, ack;
	uint8_t state;
	uint32_t next;
};

/**
 * struct tell - See tell.h
 * @end:    two for each of @n connections
 * @place:  @mask + 1 lists of ends by their addresses; their numbers from 1
 * @open:   ends that are not settled
 * @pass:   number of the pass; @at: the end that is next in it
 * @begun:  when the pass began, or begins
 * @credit: time that was not yet spent on probes, microseconds
 * @seen:   until when @credit is counted
 */
struct tell {
	struct end *end;
	uint32_t *place, mask;
	uint32_t n, open;
	int pass;
	uint32_t at;
	mono_t begun, seen;
	int64_t credit, cost;
	struct hash_key key;
	struct journal *left;
	struct tell_counts count;
};

static bool is_open(const struct end *e)
{
	return e->state == END_SILENT || e->state == END_RESET ||
	       e->state == END_CHECKED;
}

static uint64_t hash_of(const struct tell *c, const struct tuple *t)
{
	return hash_bytes(&c->key, t, sizeof(*t));
}

static struct end *find(const struct tell *c, const struct tuple *t)
{
	uint32_t i = c->place[hash_of(c, t) & c->mask];

	while (i && !tuple_eq(&c->end[i - 1].t, t))
		i = c->end[i - 1].next;
	return i ? &c->end[i - 1] : NULL;
}

/* The same connection may be in two journals, or a record be damaged. */
static void add_end(struct tell *c, uint32_t i, const struct tuple *t)
{
	struct end *e = &c->end[i];
	uint32_t *place;

	if (find(c, t))
		return;
	place = &c->place[hash_of(c, t) & c->mask];
	*e = (struct end){.t = *t, .state = END_SILENT, .next = *place};
	*place = i + 1;
	c->open++;
	journal_note(c->left, i, t);
}

static bool flow_is_open(const struct tell *c, uint32_t flow)
{
	return is_open(&c->end[2 * flow]) || is_open(&c->end[2 * flow + 1]);
}

static bool flow_is_reset(const struct tell *c, uint32_t flow)
{
	for (uint32_t i = 2 * flow; i < 2 * flow + 2; i++) {
		if (c->end[i].state == END_GONE)
			return false;
	}
	return true;
}

static void settle(struct tell *c, struct end *e, enum end_state state)
{
	const uint32_t i = (uint32_t)(e - c->end);

	if (!is_open(e))
		return;
	e->state = (uint8_t)state;
	c->open--;
	c->count.forgotten += state == END_GONE;
	journal_leave(c->left, i);
	if (flow_is_open(c, i / 2))
		return;
	c->count.open--;
	c->count.reset += flow_is_reset(c, i / 2);
}

/* Nothing more is done about @e. */
static void finish(struct tell *c, struct end *e)
{
	settle(c, e, e->state == END_SILENT ? END_GONE : END_TOLD);
}

static int64_t most_credit(const struct tell *c)
{
	return c->cost > BURST_US ? c->cost : BURST_US;
}

struct tell *tell_new(const struct tell_cfg *cfg, mono_t now)
{
	struct tell *c = calloc(1, sizeof(*c));
	uint32_t places = 16;

	while (places < 2 * cfg->n)
		places *= 2;
	if (!c)
		return NULL;
	c->end = calloc(2 * (size_t)cfg->n + 1, sizeof(*c->end));
	c->place = calloc(places, sizeof(*c->place));
	if (!c->end || !c->place) {
		tell_free(c);
		return NULL;
	}
	c->mask = places - 1;
	c->n = 2 * cfg->n;
	c->key = cfg->key;
	c->left = cfg->left;
	c->begun = c->seen = now;
	c->cost = USEC_PER_SEC / cfg->rate;
	c->credit = most_credit(c);
	for (uint32_t i = 0; i < c->n; i++) {
		if (cfg->flow[i / 2].has[i % 2])
			add_end(c, i, &cfg->flow[i / 2].t[i % 2]);
	}
	for (uint32_t i = 0; i < cfg->n; i++)
		c->count.flows += flow_is_open(c, i);
	c->count.open = c->count.flows;
	return c;
}

void tell_free(struct tell *c)
{
	if (!c)
		return;
	free(c->end);
	free(c->place);
	free(c);
}

/* --- what is sent --- */

static void build(struct tx *tx, const struct end *e, struct hdr_spec *h)
{
	h->t = &e->t;
	h->ttl = 64;
	h->df = true;
	*tx = (struct tx){0};
	wire_build(tx, h, 0);
}

/* The numbers of a probe: known to nobody else, and not the connection's. */
static seq_t probe_seq(const struct tell *c, const struct end *e)
{
	return SEQ(hash_of(c, &e->t));
}

static seq_t probe_ack(const struct tell *c, const struct end *e)
{
	return SEQ(hash_of(c, &e->t) >> 32);
}

/* Is it the server leg?  Then ours was the SYN. */
static bool is_server(const struct tell *c, const struct end *e)
{
	return (e - c->end) % 2;
}

static void build_probe(const struct tell *c, const struct end *e,
			struct tx *tx)
{
	const struct tcp_opts opts = {
		.has = OPT_HAS_MSS | OPT_HAS_TS,
		.mss = 536,
		.tsval = c->pass % 2 ? 0x80000001u : 1,
	};
	struct hdr_spec h = {
		.opts = &opts,
		.seq = probe_seq(c, e),
		.ack = is_server(c, e) ? SEQ(0) : probe_ack(c, e),
		.flags = TCP_SYN | (is_server(c, e) ? 0 : TCP_ACK),
		.wnd = 65535,
	};

	build(tx, e, &h);
}

/* RFC 9293, 3.8.4: the byte before the next one, which it has. */
static void build_keepalive(const struct end *e, struct tx *tx)
{
	struct hdr_spec h = {.seq = seq_sub(e->seq, 1),
			     .ack = e->ack,
			     .flags = TCP_ACK,
			     .wnd = 65535};

	build(tx, e, &h);
}

static void build_rst(const struct end *e, struct tx *tx)
{
	struct hdr_spec h = {
		.seq = e->seq, .ack = e->ack, .flags = TCP_RST | TCP_ACK};

	build(tx, e, &h);
}

/* --- what arrives --- */

/* Does a RST answer what was sent to the peer? */
static bool is_answer(const struct tell *c, const struct end *e,
		      const struct segment *s)
{
	if (e->state != END_SILENT && seq_eq(s->seq, e->ack))
		return true;
	if (is_server(c, e))
		return s->flags & TCP_ACK &&
		       seq_eq(s->ack, seq_add(probe_seq(c, e), 1));
	return seq_eq(s->seq, probe_ack(c, e));
}

static enum tell_verdict reset(struct tell *c, struct end *e,
			       const struct segment *s, struct tx *reply)
{
	/* a SYN-ACK for our SYN: the server had no connection */
	bool fresh = s->flags & TCP_SYN &&
		     seq_eq(s->ack, seq_add(probe_seq(c, e), 1));

	e->seq = s->ack;
	e->ack = segment_end(s);
	build_rst(e, reply);
	if (fresh) {
		settle(c, e, END_GONE);
	} else if (is_open(e)) {
		c->count.resets += e->state == END_SILENT;
		e->state = END_RESET;
	}
	return TELL_REPLY;
}

static enum tell_verdict answer(struct tell *c, struct end *e,
				const struct segment *s, struct tx *reply)
{
	if (s->flags & TCP_RST) {
		if (is_answer(c, e, s))
			finish(c, e);
		return TELL_CONSUMED;
	}
	if (s->flags & TCP_ACK)
		return reset(c, e, s, reply);
	if (!(s->flags & TCP_SYN))
		return TELL_CONSUMED;
	finish(c, e); /* it opens a new connection */
	return TELL_NOT_OURS;
}

enum tell_verdict tell_input(struct tell *c, const struct packet *pkt,
			     bool (*has)(void *arg, const struct tuple *t),
			     void *arg, struct tx *reply)
{
	struct icmp_error icmp;
	enum drop_reason why;
	struct segment s;
	struct end *e;

	if (wire_parse(pkt, &s, &icmp, &why) != PARSE_SEGMENT)
		return TELL_NOT_OURS;
	e = find(c, &s.t);
	if (!e || !is_open(e))
		return TELL_NOT_OURS;
	if (has(arg, &s.t)) {
		finish(c, e);
		return TELL_NOT_OURS;
	}
	return answer(c, e, &s, reply);
}

/* --- passes --- */

/* All were asked: when is the next pass? */
static void end_pass(struct tell *c)
{
	c->begun = mono_add(c->begun, pause_us[c->pass]);
	c->pass++;
	c->at = 0;
}

/* Nobody is asked any more. */
static void give_up(struct tell *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		finish(c, &c->end[i]);
}

/* Ask the peer of @e, if there is something to ask. */
static bool ask(struct tell *c, struct end *e, struct tx *tx)
{
	if (e->state == END_CHECKED) { /* silence: it is gone */
		settle(c, e, END_TOLD);
		return false;
	}
	if (!is_open(e))
		return false;
	if (e->state == END_RESET) {
		build_keepalive(e, tx);
		e->state = END_CHECKED;
	} else {
		build_probe(c, e, tx);
	}
	c->count.probes++;
	c->credit -= c->cost;
	return true;
}

static void earn(struct tell *c, mono_t now)
{
	c->credit += mono_sub(now, c->seen);
	if (c->credit > most_credit(c))
		c->credit = most_credit(c);
	c->seen = now;
}

int tell_pull(struct tell *c, struct tx *tx, int max, mono_t now)
{
	int n = 0;

	earn(c, now);
	while (n < max && c->open && mono_due(c->begun, now)) {
		if (c->pass == PASSES) {
			give_up(c);
		} else if (c->at == c->n) {
			/* a slow pass takes longer than its pause */
			end_pass(c);
		} else if (c->credit < c->cost) {
			break;
		} else {
			n += ask(c, &c->end[c->at++], &tx[n]);
		}
	}
	return n;
}

mono_t tell_deadline(const struct tell *c, mono_t now)
{
	if (!c->open)
		return MONO_NEVER;
	if (mono_before(now, c->begun))
		return c->begun;
	return c->credit < c->cost ? mono_add(c->seen, c->cost - c->credit)
				   : now;
}

void tell_counts(const struct tell *c, struct tell_counts *out)
{
	*out = c->count;
}

const struct tuple *tell_client(const struct tell *c, uint32_t i)
{
	return 2 * i < c->n ? &c->end[2 * (size_t)i].t : NULL;
}
