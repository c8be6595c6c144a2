/* SPDX-License-Identifier: MIT */
/*
 * relay = splice, before the handover: which packets are held, and how the legs
 * are made to agree.  The theory is in splice.c.
 */
#include <netinet/in.h>

#include "internal.h"

#define HELD_MAX 32
#define OLD_FOR_US (60 * USEC_PER_SEC)
#define OLD_AHEAD 65537u    /* as in TIME_WAIT: beyond any unscaled window */
#define WND_PROMISED 64240u /* the smallest first window of a Linux server */

struct splice_hold *hold_of(const struct splicer *sp, const struct flow *f)
{
	return slab_at(&sp->holds, sp->hold[engine_flow_index(sp->e, f)]);
}

void hold_free(struct splicer *sp, struct splice_hold *h)
{
	bufq_purge(&h->packets, engine_pool(sp->e));
	slab_free(&sp->holds, h);
}

/* --- answers to the client and dials that agree --- */

/* Remember what this server agrees to, for its next clients. */
void hold_learn(const struct flow *f)
{
	const struct leg *c = &f->leg[LEG_CLIENT], *s = &f->leg[LEG_SERVER];
	struct server_answer *a = flow_server_answer(f);
	uint8_t lacks = 0;

	if (c->ts_ok && !s->ts_ok)
		lacks |= OPT_HAS_TS;
	if (c->sack_ok && !s->sack_ok)
		lacks |= OPT_HAS_SACKOK;
	if (c->wscale_ok && !s->wscale_ok)
		lacks |= OPT_HAS_WSCALE;
	a->lacks = (uint8_t)(lacks | (a->lacks &
				      ~((s->ts_ok ? OPT_HAS_TS : 0) |
					(s->sack_ok ? OPT_HAS_SACKOK : 0) |
					(s->wscale_ok ? OPT_HAS_WSCALE : 0))));
	a->mss = s->snd.peer_mss;
}

/* Advertise only the client's window to the server: nothing is received
 * here. */
static uint32_t client_window(struct leg *l, uint32_t wnd)
{
	return min_u32(wnd, leg_flow(l)->leg[LEG_CLIENT].snd.wnd);
}

static void client_syn_opts(struct leg *l, struct tcp_opts *o)
{
	o->mss = (uint16_t)min_u32(o->mss,
				   leg_flow(l)->leg[LEG_CLIENT].snd.peer_mss);
}

static const struct leg_behaviour client_behaviour = {
	.window = client_window, .syn_opts = client_syn_opts};

void hold_open(void *wing, struct flow *f)
{
	struct splicer *sp = wing;
	struct splice_hold *h;

	if (f->hooked)
		return;
	h = slab_alloc(&sp->holds);
	if (!h) {
		flow_count(f, SC_SpliceNoRoom);
		return;
	}
	memset(h, 0, sizeof(*h));
	bufq_init(&h->packets);
	h->flow = f;
	sp->hold[engine_flow_index(sp->e, f)] = slab_index(&sp->holds, h);
	f->held = true;
}

static uint32_t old_slot(const struct splicer *sp, const struct tuple *t)
{
	return (uint32_t)(engine_hash(sp->e, t) % OLD_SLOTS);
}

void hold_dial(void *wing, struct flow *f, seq_t iss, uint32_t ts_off,
	       mono_t now)
{
	const struct leg *c = &f->leg[LEG_CLIENT];
	struct leg *l = &f->leg[LEG_SERVER];
	struct tcp_opts peer = {0};

	(void)wing;
	if (c->ts_ok)
		peer.has |= OPT_HAS_TS;
	if (c->sack_ok)
		peer.has |= OPT_HAS_SACKOK;
	if (c->wscale_ok)
		peer.has |= OPT_HAS_WSCALE;
	leg_open_active(l, iss, ts_off, &peer, now);
	if (l->wscale_ok)
		l->rcv.wscale = c->snd.wscale;
	l->ecn_ok = c->ecn_ok;
	l->behave = &client_behaviour;
}

void hold_above_old(const void *wing, const struct tuple *t, mono_t now,
		    seq_t *iss, uint32_t *ts_off)
{
	const struct splicer *sp = wing;
	const struct splice_old *o = &sp->old[old_slot(sp, t)];
	uint32_t tsval = (uint32_t)(now.us / USEC_PER_MSEC) + *ts_off;

	if (!mono_is_set(o->until) || !tuple_eq(&o->t, t) ||
	    mono_due(o->until, now))
		return;
	if (seq_lt(*iss, seq_add(o->nxt, OLD_AHEAD)))
		*iss = seq_add(o->nxt, OLD_AHEAD);
	if ((int32_t)(tsval - o->newest_ts) <= 0)
		*ts_off += o->newest_ts - tsval + 1;
}

/* --- held --- */

/* Does the translator read such headers?  Return: bytes of the IP header; 0:
 * no */
uint32_t plain_header(const uint8_t *p)
{
	if (p[0] == 0x45 && p[9] == IPPROTO_TCP && !(get_be16(p + 6) & 0x3fff))
		return 20;
	return p[0] >> 4 == 6 && p[6] == IPPROTO_TCP ? 40 : 0;
}

uint32_t packet_bytes(const uint8_t *p, uint32_t l4)
{
	return l4 == 20 ? get_be16(p + 2) : 40u + get_be16(p + 4);
}

void hold_begin_verb(void *wing, const struct packet *pkt)
{
	struct splicer *sp = wing;
	struct splice_hold *h;

	sp->pkt = pkt;
	while ((h = sp->gone)) {
		sp->gone = h->next;
		hold_free(sp, h);
	}
}

/* Has the leg received no data yet? */
static bool untouched(const struct leg *l)
{
	return seq_eq(l->rcv.nxt, seq_add(l->rcv.irs, 1)) && !l->rcv.ooo_count;
}

/* A segment that a fault had delayed goes to the leg past hold_segment(). */
bool hold_passed_by(const struct flow *f)
{
	for (int i = 0; i < 2; i++)
		if (f->leg[i].state >= TS_ESTABLISHED && !untouched(&f->leg[i]))
			return true;
	return false;
}

static int held_packets(const struct splice_hold *h)
{
	return h->count[0] + h->count[1];
}

/* Hold one more packet, if there is room and it does not begin before the end
 * of what is held. */
static void hold(struct splicer *sp, struct splice_hold *h, const struct leg *l,
		 const struct segment *s)
{
	const struct packet *pkt = sp->pkt;
	struct slice whole = {.buf = pkt->buf, .p = pkt->data};
	seq_t *nxt = &h->nxt[l->side];

	if (!h->count[l->side])
		*nxt = l->rcv.nxt;
	whole.len = packet_bytes(pkt->data, plain_header(pkt->data));
	if (held_packets(h) == HELD_MAX || whole.len > pkt->len ||
	    seq_lt(s->seq, *nxt) ||
	    bufq_append(&h->packets, engine_pool(sp->e), &whole)) {
		engine_drop(sp->e, DROP_BUFFER_LIMIT);
		return;
	}
	h->count[l->side]++;
	*nxt = segment_end(s);
}

bool hold_segment(void *wing, struct leg *l, const struct segment *s,
		  mono_t now)
{
	struct splicer *sp = wing;
	struct flow *f = leg_flow(l);
	const struct leg *c = &f->leg[LEG_CLIENT], *v = &f->leg[LEG_SERVER];

	if (s->flags & (TCP_SYN | TCP_RST) ||
	    !(s->data.len || s->flags & TCP_FIN))
		return false;
	if (c->state != TS_ESTABLISHED || !untouched(l))
		return false;
	if (l == v && v->state != TS_ESTABLISHED)
		return false;
	if (!sp->pkt || !plain_header(sp->pkt->data)) {
		hold_give_up(sp, f, sp->pkt ? SC_SpliceOptions : SC_SpliceFault,
			     now);
		return false;
	}
	hold(sp, hold_of(sp, f), l, s);
	return true;
}

void hold_drop(void *wing, struct flow *f)
{
	struct splicer *sp = wing;
	struct splice_hold *h = hold_of(sp, f), **p = &sp->due;

	f->held = false;
	if (h->due) {
		while (*p != h)
			p = &(*p)->next;
		*p = h->next;
		if (!*p)
			sp->due_end = p;
	}
	hold_free(sp, h);
}

/* Copy the first held packet into one piece.  Return: its length */
static uint32_t first_packet(struct splicer *sp, struct splice_hold *h)
{
	uint8_t *to = sp->scratch;
	struct iovec iov[TX_IOV_MAX];
	uint32_t len, got, at = 0;
	int n;

	len = min_u32(h->packets.bytes, SCRATCH_BYTES);
	while (at < len) {
		n = bufq_peek(&h->packets, at, len - at, iov, TX_IOV_MAX, &got);
		for (int i = 0; i < n; i++) {
			memcpy(to + at, iov[i].iov_base, iov[i].iov_len);
			at += (uint32_t)iov[i].iov_len;
		}
		if (at >= 40)
			len = min_u32(len, packet_bytes(to, plain_header(to)));
	}
	return len;
}

/* Do not splice: the flow becomes an ordinary one. */
void hold_give_up(struct splicer *sp, struct flow *f,
		  enum shield_counter_id why, mono_t now)
{
	struct splice_hold *h = hold_of(sp, f);
	enum drop_reason reason;
	struct icmp_error icmp;
	struct packet p = {.data = sp->scratch, .csum = PACKET_CSUM_GOOD};
	struct segment s;
	struct leg *l;

	flow_count(f, why);
	f->leg[LEG_SERVER].behave = NULL;
	for (int n = held_packets(h); n > 0; n--) {
		p.len = p.full_len = first_packet(sp, h);
		bufq_consume(&h->packets, engine_pool(sp->e), p.len);
		if (wire_parse(&p, &s, &icmp, &reason) != PARSE_SEGMENT)
			continue;
		l = &f->leg[tuple_eq(&s.t, &f->leg[LEG_SERVER].t)];
		if (l->state != TS_CLOSED)
			leg_input(l, &s, now);
	}
	hold_drop(sp, f);
}

static bool quiet(const struct leg *l)
{
	return l->state == TS_ESTABLISHED && untouched(l) &&
	       seq_eq(l->snd.una, l->snd.nxt) && !l->snd.q.bytes &&
	       l->rcv.owed == ACK_NONE && !l->ev && !l->end.fin_queued &&
	       !l->snd.probe_pending && !l->rcv.fin_known;
}

void hold_look(void *wing, struct flow *f)
{
	struct splicer *sp = wing;
	struct splice_hold *h = hold_of(sp, f);

	if (h->due)
		return;
	if (!hold_passed_by(f) && (!quiet(&f->leg[0]) || !quiet(&f->leg[1])))
		return;
	h->due = true;
	h->next = NULL;
	*sp->due_end = h;
	sp->due_end = &h->next;
}

/* Remember the numbers: the next connection of these addresses must begin above
 * them. */
void hold_remember(struct splicer *sp, const struct tuple *t,
		   const struct splice_found *f, mono_t now)
{
	const struct splice_shift *up = f->dir.from_client ? &f->dir : &f->back;
	struct tuple server = *t;
	struct splice_old *o;

	if (f->dir.from_client) /* the server leg's addresses */
		server = (struct tuple){.local = t->remote,
					.remote = t->local,
					.lport = t->rport,
					.rport = t->lport};
	o = &sp->old[old_slot(sp, &server)];
	o->t = server;
	o->nxt = up->nxt;
	o->newest_ts = up->newest_ts;
	o->until = mono_add(now, OLD_FOR_US);
}
