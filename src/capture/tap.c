/* SPDX-License-Identifier: MIT */
/*
 * The tap: passes on each call, and records packets.
 *
 * Packets that arrive are recorded after the engine has decided: its counters
 * say what (words.c).  Packets that leave are asked for one at a time, so that
 * each can be looked at while its leg is as it was when it was sent.
 *
 * A fault reports a decision while it makes it.  About a packet that arrives,
 * that is within the call that brought it.  About one that leaves, the report
 * may come earlier than the packet (a delay), or the packet never leaves (a
 * loss): so such reports wait in @note and are found again by the sequence
 * number.  Lost packets come from a hook of the faults (impair_watch_lost()).
 */
#include "capture/tap.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "impair/impair.h"
#include "internal.h"
#include "view/flow.h"
#include "wire/build.h"
#include "wire/frame.h"
#include "wire/segment.h"

#define NOTES 64u
#define NOTE_MAX 96
#define SENT_SLOTS 8192u

/**
 * struct note - What a fault has decided about a packet that leaves
 * @text: empty: unused
 */
struct note {
	seq_t seq;
	uint8_t side;
	char text[NOTE_MAX];
};

/**
 * struct sent - How far a connection has been sent
 * @key: hash of its addresses; 0: unused
 * @end: one past the highest sequence number
 */
struct sent {
	uint64_t key;
	seq_t end;
};

/**
 * struct tap - See tap.h
 * @wing:  the engine's faults, when the hook was set
 * @input: what faults have decided about the packet that arrives
 * @note:  about packets that leave; @nnote: how many there were
 */
struct tap {
	struct tap_cfg cfg;
	void *wing;
	uint64_t wanted[2], lost[2];
	char input[CAPTURE_COMMENT_MAX];
	struct note note[NOTES];
	uint32_t nnote;
	struct sent sent[SENT_SLOTS];
};

/**
 * struct found - What is known of a packet's connection
 * @leg:     or NULL
 * @stats:   of its service, if there is a leg
 * @service: index into the policy, or -1
 * @side:    enum leg_side
 * @wanted:  the filter matches
 */
struct found {
	struct leg *leg;
	const struct tcp_stats *stats;
	int service;
	uint8_t side;
	bool wanted;
};

static int service_index(const struct tap *t, const char *name)
{
	const struct policy *p = t->cfg.policy;

	for (uint32_t i = 0; i < p->nservice; i++) {
		if (!strcmp(p->service[i].name, name))
			return (int)i;
	}
	return -1;
}

/* The service whose servers have this address by `connect', or NULL. */
static const char *service_behind(const struct tap *t, const struct ipaddr *a,
				  uint16_t port)
{
	const struct policy *p = t->cfg.policy;

	for (uint32_t i = 0; i < p->nservice; i++) {
		if (p->service[i].connect.port &&
		    endpoint_matches(&p->service[i].connect, a, port))
			return p->service[i].name;
	}
	return NULL;
}

/* A packet of no leg; @a: its addresses, from our side.  Its service, or NULL.
 * Until there is a flow, the client's is the only connection. */
static const char *find_service(const struct tap *t, const struct tuple *a,
				struct found *f)
{
	struct engine *e = t->cfg.engine;
	const struct filter_end peer = {a->remote, a->rport};
	const struct filter_end own = {a->local, a->lport};
	struct filter_subject c = {
		.service = engine_service_at(e, &a->local, a->lport)};

	f->side = c.service ? LEG_CLIENT : LEG_SERVER;
	if (!c.service)
		c.service = engine_service_at(e, &a->remote, a->rport);
	if (!c.service)
		c.service = service_behind(t, &a->remote, a->rport);
	if (!c.service)
		return NULL;
	c.client = f->side == LEG_CLIENT ? peer : own;
	c.used = c.server = f->side == LEG_CLIENT ? own : peer;
	f->wanted = filter_matches(t->cfg.filter, &c);
	return c.service;
}

/* By @a, the addresses from our side.  False: the packet is no service's. */
static bool find(const struct tap *t, const struct tuple *a, struct found *f)
{
	struct engine *e = t->cfg.engine;
	const char *service;

	*f = (struct found){.leg = table_find(e, a)};
	if (f->leg) {
		const struct flow *flow = leg_flow(f->leg);

		service = flow_service(flow);
		f->stats = f->leg->env->stats;
		f->side = f->leg->side;
		f->wanted = flow_view_is_meant(e, flow, t->cfg.filter);
	} else {
		service = find_service(t, a, f);
	}
	f->service = service ? service_index(t, service) : -1;
	return service;
}

/* @rec: side, direction and comment are set. */
static void put(struct tap *t, struct capture_record *rec, mono_t now,
		const struct iovec *data, int n)
{
	rec->us = now.us + t->cfg.wall_offset_us;
	rec->len = min_u32(rec->full_len, t->cfg.snaplen);
	t->wanted[rec->side]++;
	if (!capture_ring_put(t->cfg.ring, rec, data, n))
		t->lost[rec->side]++;
}

/* --- packets that leave --- */

static void put_tx(struct tap *t, struct capture_record *rec,
		   const struct tx *tx, mono_t now)
{
	struct iovec data[1 + TX_IOV_MAX];
	struct tx done = *tx;

	if (!tx->gso_size) /* a whole one has no checksum before it is cut */
		wire_csum_finish(&done);
	data[0] = (struct iovec){done.hdr, done.hdr_len};
	memcpy(&data[1], tx->iov, tx->niov * sizeof(data[1]));
	rec->out = true;
	rec->full_len = tx->hdr_len + tx->payload;
	put(t, rec, now, data, 1 + tx->niov);
}

/* The addresses of a packet of ours, from our side. */
static struct tuple tx_tuple(const struct tx *tx)
{
	struct tuple a;

	if (frame_proto(tx->hdr, tx->family) == IPPROTO_TCP)
		return frame_tuple(tx->hdr, tx->family, tx->l4_off);
	/* an ICMP error quotes what the peer has sent */
	a = frame_tuple(tx->hdr + tx->l4_off + ICMP_HLEN, tx->family,
			tx->family == 4 ? IPV4_HLEN : IPV6_HLEN);
	return tuple_flip(&a);
}

static struct sent *sent_of(struct tap *t, const struct tuple *a)
{
	uint64_t key = engine_hash(t->cfg.engine, a) | 1;
	struct sent *s = &t->sent[(key >> 1) % SENT_SLOTS];

	if (s->key != key)
		*s = (struct sent){.key = 0};
	return s;
}

/* Was it sent before? */
static bool sent_again(struct tap *t, const struct tuple *a,
		       const struct leg *l, seq_t seq, uint32_t len, bool syn)
{
	struct sent *s = sent_of(t, a);
	seq_t end = seq_add(seq, len);
	bool again;

	if (!s->key) /* the capture may have begun later than the connection */
		again = l && !syn && seq_lt(end, l->snd.nxt);
	else if (syn)
		again = s->end.v == end.v;
	else
		again = seq_le(end, s->end);
	if (!again || !s->key)
		s->end = end;
	s->key = engine_hash(t->cfg.engine, a) | 1;
	return again;
}

static void tx_words(struct tap *t, char *text, const struct tuple *a,
		     const struct leg *l, const struct tx *tx)
{
	const uint8_t *tcp = tx->hdr + tx->l4_off;
	uint16_t flags;
	seq_t seq;
	uint32_t len;

	if (frame_proto(tx->hdr, tx->family) != IPPROTO_TCP) {
		words_add(text, "ICMP error");
		return;
	}
	flags = frame_flags(tcp);
	seq = frame_seq(tcp);
	len = tx->payload + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	if (flags & TCP_RST)
		words_add(text, "reset");
	else if (len && sent_again(t, a, l, seq, len, flags & TCP_SYN))
		words_add(text, "retransmission");
	else if (flags & TCP_SYN)
		words_add(text, flags & TCP_ACK ? "SYN-ACK" : "dial");
	else if (!len && l && seq_lt(seq, l->snd.una))
		words_add(text, "probe");
}

/* What faults have decided about it. */
static void take_notes(struct tap *t, char *text, uint8_t side, seq_t seq)
{
	for (uint32_t i = 0; i < NOTES; i++) {
		struct note *n = &t->note[(t->nnote + i) % NOTES];

		if (!*n->text || n->side != side || n->seq.v != seq.v)
			continue;
		words_add(text, "%s", n->text);
		*n->text = '\0';
	}
}

static void record_tx(struct tap *t, const struct tx *tx, mono_t now, bool lost)
{
	struct capture_record rec = {.us = 0};
	const struct tuple a = tx_tuple(tx);
	struct found f;

	if (!find(t, &a, &f) || !f.wanted)
		return;
	rec.side = f.side;
	tx_words(t, rec.comment, &a, f.leg, tx);
	take_notes(t, rec.comment, f.side, frame_seq(tx->hdr + tx->l4_off));
	if (lost)
		words_add(rec.comment, "not sent");
	else if (!*rec.comment)
		words_add(rec.comment, "sent");
	put_tx(t, &rec, tx, now);
}

static void on_lost(void *arg, const struct tx *tx, mono_t now)
{
	record_tx(arg, tx, now, true);
}

/* The engine gets faults when the first one is added. */
static void follow_faults(struct tap *t)
{
	void *wing = engine_wing(t->cfg.engine);

	if (likely(wing == t->wing))
		return;
	t->wing = wing;
	impair_watch_lost(t->cfg.engine, on_lost, t);
}

int tap_pull(struct tap *t, struct tx *tx, int max, mono_t now)
{
	int n;

	follow_faults(t);
	n = engine_pull(t->cfg.engine, tx, max ? 1 : 0, now);
	if (n)
		record_tx(t, &tx[0], now, false);
	return n;
}

/* --- packets that arrive --- */

/* The addresses of a packet, from our side.  False: it is of no interest. */
static bool packet_tuple(const struct packet *pkt, struct tuple *a)
{
	enum drop_reason why;
	struct icmp_error icmp;
	struct segment s;

	switch (wire_parse(pkt, &s, &icmp, &why)) {
	case PARSE_SEGMENT:
	case PARSE_PART:
		*a = s.t;
		return true;
	case PARSE_ICMP:
		*a = icmp.t;
		return true;
	case PARSE_DROP:
		return wire_peek(pkt, a);
	default:
		return false;
	}
}

static void record_reply(struct tap *t, const struct found *f,
			 const struct tx *reply, mono_t now, bool cookie)
{
	struct capture_record rec = {.side = f->side};
	const struct tuple a = tx_tuple(reply);

	/* a packet that goes on, changed, is no answer */
	if (reply->in_place || reply->tun_only)
		return;
	if (cookie)
		words_add(rec.comment, "SYN cookie");
	else
		tx_words(t, rec.comment, &a, f->leg, reply);
	if (!*rec.comment)
		words_add(rec.comment, "answer");
	put_tx(t, &rec, reply, now);
}

static void record_input(struct tap *t, const struct found *f,
			 const struct packet *pkt, mono_t now)
{
	struct capture_record rec = {.side = f->side,
				     .full_len = pkt->full_len};
	struct iovec data = {(void *)(uintptr_t)pkt->data, pkt->len};

	memcpy(rec.comment, t->input, sizeof(rec.comment));
	put(t, &rec, now, &data, 1);
}

enum verdict tap_input(struct tap *t, const struct packet *pkt, mono_t now,
		       struct tx *reply)
{
	struct engine *e = t->cfg.engine;
	struct marks before, after;
	struct found f;
	struct tuple a;
	bool cookie, known;
	enum verdict v;

	follow_faults(t);
	known = packet_tuple(pkt, &a) && find(t, &a, &f);
	if (!known || (f.leg && !f.wanted))
		return engine_input(e, pkt, now, reply);
	*t->input = '\0';
	words_mark(&before, e, f.stats, f.service);
	v = engine_input(e, pkt, now, reply);
	words_mark(&after, e, f.stats, f.service);
	/* the packet may have made its leg */
	if ((!f.leg && !find(t, &a, &f)) || !f.wanted)
		return v;
	words_input(t->input, &before, &after, v);
	cookie = words_cookie_sent(&before, &after);
	record_input(t, &f, pkt, now);
	if (v == VERDICT_REPLY)
		record_reply(t, &f, reply, now, cookie);
	return v;
}

/* --- faults --- */

/* The value of a key of a report, behind its colon; NULL: it has none. */
static const char *report_key(const char *report, const char *key)
{
	const char *p = strstr(report, key);

	return p ? p + strlen(key) : NULL;
}

static void report_words(char *text, size_t len, const char *report)
{
	const char *name = report_key(report, "\"fault\":\"");
	const char *action = report_key(report, "\"action\":\"");
	const char *id = report_key(report, "\"id\":");

	if (!name || !action || !id)
		return;
	snprintf(text, len, "fault %.*s: %.*s #%llu", (int)strcspn(name, "\""),
		 name, (int)strcspn(action, "\""), action,
		 strtoull(id, NULL, 10));
}

void tap_fault(struct tap *t, const char *report)
{
	const char *seq = report_key(report, "\"seq\":");
	char text[NOTE_MAX] = "";
	struct note *n;

	report_words(text, sizeof(text), report);
	if (!*text || !seq)
		return; /* what a peer has answered */
	if (strstr(report, "\"dir\":\"from_peer\"")) {
		words_add(t->input, "%s", text);
		return;
	}
	n = &t->note[t->nnote++ % NOTES];
	*n = (struct note){.seq = {(uint32_t)strtoul(seq, NULL, 10)},
			   .side = strstr(report, "\"side\":\"server\"")
					   ? LEG_SERVER
					   : LEG_CLIENT};
	memcpy(n->text, text, sizeof(n->text));
}

/* --- the rest --- */

struct tap *tap_new(const struct tap_cfg *cfg)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->cfg = *cfg;
	policy_get(t->cfg.policy);
	return t;
}

void tap_free(struct tap *t)
{
	if (!t)
		return;
	impair_watch_lost(t->cfg.engine, NULL, NULL);
	policy_put(t->cfg.policy);
	free(t);
}

void tap_set_policy(struct tap *t, struct policy *p)
{
	policy_get(p);
	policy_put(t->cfg.policy);
	t->cfg.policy = p;
}

void tap_expect(const struct tap *t, const struct packet *const *pkt, int n)
{
	engine_expect(t->cfg.engine, pkt, n);
}

mono_t tap_deadline(const struct tap *t)
{
	return engine_deadline(t->cfg.engine);
}

void tap_expire(struct tap *t, mono_t now)
{
	engine_expire(t->cfg.engine, now);
}

void tap_counts(const struct tap *t, uint64_t wanted[2], uint64_t lost[2])
{
	for (int i = 0; i < 2; i++) {
		wanted[i] += t->wanted[i];
		lost[i] += t->lost[i];
	}
}
