/* SPDX-License-Identifier: MIT */
/*
 * relay = splice, the part before: what is held, and how the legs are made to
 * agree.  The theory is in splice.c.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "splicer.h"

#define HELD_MAX 32
#define HOLDS_MAX 65536u /* connections whose packets are held at once */
#define OLD_FOR_US (60 * USEC_PER_SEC)
#define OLD_AHEAD 65537u /* as TIME_WAIT's: beyond any window without scale */
#define WND_PROMISED 64240u /* the smallest of a Linux server's first windows */

int splice_init(struct engine *e, const struct splice_ops *ops, void *ctx,
		uint32_t max_flows)
{
	struct splicer *sp;
	int rc;

	if (!ops)
		return 0;
	sp = calloc(1, sizeof(*sp));
	if (!sp)
		return -ENOMEM;
	rc = slab_init(&sp->holds, sizeof(struct splice_hold),
		       min_u32(max_flows, HOLDS_MAX));
	sp->hold = calloc(max_flows, sizeof(*sp->hold));
	e->splicer = sp;
	sp->ops = ops;
	sp->ctx = ctx;
	sp->due_end = &sp->due;
	sp->out_end = &sp->out;
	return rc ? rc : sp->hold ? 0 : -ENOMEM;
}

struct splice_hold *hold_of(const struct engine *e, const struct flow *f)
{
	const struct splicer *sp = e->splicer;

	return slab_at(&sp->holds, sp->hold[slab_index(&e->flows, f)]);
}

void hold_free(struct engine *e, struct splice_hold *h)
{
	bufq_purge(&h->packets, e->pool);
	slab_free(&e->splicer->holds, h);
}

static void free_all(struct engine *e, struct splice_hold *h)
{
	struct splice_hold *next;

	for (; h; h = next) {
		next = h->next;
		hold_free(e, h);
	}
}

void splice_fini(struct engine *e)
{
	struct splicer *sp = e->splicer;

	if (!sp)
		return;
	free_all(e, sp->out);
	free_all(e, sp->gone);
	slab_fini(&sp->holds);
	free(sp->hold);
	free(sp);
	e->splicer = NULL;
}

static void count(const struct flow *f, enum shield_counter_id which)
{
	f->svc->stats->shield[which]++;
}

/* --- before: answers and dials that agree --- */

static bool wanted(const struct svc *s)
{
	return s->engine->splicer && s->cfg->relay == RELAY_SPLICE;
}

void splice_mask(const struct svc *s, struct tcp_opts *client)
{
	if (wanted(s))
		client->has &= (uint8_t)~s->stats->server.lacks;
}

uint16_t splice_mss(const struct svc *s, uint16_t offer)
{
	uint16_t known = s->stats->server.mss;

	return wanted(s) && known && known < offer ? known : offer;
}

uint16_t splice_wnd(const struct svc *s, uint16_t offer)
{
	return wanted(s) ? (uint16_t)min_u32(offer, WND_PROMISED) : offer;
}

/* What this server agrees to, for the next clients. */
void hold_learn(const struct flow *f)
{
	const struct leg *c = &f->leg[LEG_CLIENT], *s = &f->leg[LEG_SERVER];
	struct server_answer *a = &f->svc->stats->server;
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
	a->mss = s->peer_mss;
}

/* The server is told the client's window, and no more: nothing is received
 * here. */
static uint32_t client_window(struct leg *l, uint32_t wnd)
{
	return min_u32(wnd, leg_flow(l)->leg[LEG_CLIENT].wnd);
}

static void client_syn_opts(struct leg *l, struct tcp_opts *o)
{
	o->mss = (uint16_t)min_u32(o->mss,
				   leg_flow(l)->leg[LEG_CLIENT].peer_mss);
}

static const struct leg_behaviour client_behaviour = {
	.window = client_window, .syn_opts = client_syn_opts};

void splice_begin(struct engine *e, struct flow *f)
{
	struct splice_hold *h;

	if (!wanted(f->svc) || f->hooked)
		return;
	h = slab_alloc(&e->splicer->holds);
	if (!h) {
		count(f, SC_SpliceNoRoom);
		return;
	}
	memset(h, 0, sizeof(*h));
	bufq_init(&h->packets);
	h->flow = f;
	e->splicer->hold[slab_index(&e->flows, f)] =
		slab_index(&e->splicer->holds, h);
	f->held = true;
}

static struct splice_old *old_slot(const struct engine *e,
				   const struct tuple *t)
{
	return &e->splicer->old[hash_bytes(&e->table_key, t, sizeof(*t)) %
				OLD_SLOTS];
}

void splice_dial(struct flow *f, seq_t iss, uint32_t ts_off, mono_t now)
{
	const struct leg *c = &f->leg[LEG_CLIENT];
	struct leg *l = &f->leg[LEG_SERVER];
	struct tcp_opts peer = {0};

	if (!f->held) {
		leg_open_active(l, iss, ts_off, NULL, now);
		return;
	}
	if (c->ts_ok)
		peer.has |= OPT_HAS_TS;
	if (c->sack_ok)
		peer.has |= OPT_HAS_SACKOK;
	if (c->wscale_ok)
		peer.has |= OPT_HAS_WSCALE;
	leg_open_active(l, iss, ts_off, &peer, now);
	if (l->wscale_ok)
		l->wscale_ours = c->wscale_peer;
	l->ecn_ok = c->ecn_ok;
	l->behave = &client_behaviour;
}

void splice_above_old(const struct engine *e, const struct tuple *t, mono_t now,
		      seq_t *iss, uint32_t *ts_off)
{
	const struct splice_old *o;
	uint32_t tsval = (uint32_t)(now.us / USEC_PER_MSEC) + *ts_off;

	if (!e->splicer)
		return;
	o = old_slot(e, t);
	if (!mono_is_set(o->until) || !tuple_eq(&o->t, t) ||
	    mono_due(o->until, now))
		return;
	if (seq_lt(*iss, seq_add(o->nxt, OLD_AHEAD)))
		*iss = seq_add(o->nxt, OLD_AHEAD);
	if ((int32_t)(tsval - o->newest_ts) <= 0)
		*ts_off += o->newest_ts - tsval + 1;
}

/* --- held --- */

/* Only headers that the translator reads, too.  Return: bytes of the IP header,
 * or 0 */
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

void splice_begin_verb(struct engine *e, const struct packet *pkt)
{
	struct splicer *sp = e->splicer;
	struct splice_hold *h;

	if (!sp)
		return;
	sp->pkt = pkt;
	while ((h = sp->gone)) {
		sp->gone = h->next;
		sp->ops->open(sp->ctx, &h->client);
		hold_free(e, h);
	}
}

/* Nothing has passed yet. */
static bool untouched(const struct leg *l)
{
	return seq_eq(l->rcv_nxt, seq_add(l->irs, 1)) && !l->ooo_count;
}

/* Room for one more, which begins where what is held ends or beyond. */
static void hold(struct engine *e, struct splice_hold *h, const struct leg *l,
		 const struct segment *s)
{
	const struct packet *pkt = e->splicer->pkt;
	struct slice whole = {.buf = pkt->buf, .p = pkt->data};
	seq_t *nxt = &h->nxt[l->side];

	if (seq_lt(*nxt, l->rcv_nxt))
		*nxt = l->rcv_nxt;
	whole.len = packet_bytes(pkt->data, plain_header(pkt->data));
	if (h->n == HELD_MAX || whole.len > pkt->len || seq_lt(s->seq, *nxt) ||
	    bufq_append(&h->packets, e->pool, &whole)) {
		e->drop[DROP_BUFFER_LIMIT]++;
		return;
	}
	h->n++;
	*nxt = segment_end(s);
}

bool splice_holds(struct engine *e, struct leg *l, const struct segment *s,
		  mono_t now)
{
	struct flow *f = leg_flow(l);
	const struct leg *c = &f->leg[LEG_CLIENT], *v = &f->leg[LEG_SERVER];

	if (!f->held || s->flags & (TCP_SYN | TCP_RST) ||
	    !(s->data.len || s->flags & TCP_FIN))
		return false;
	if (c->state != TS_ESTABLISHED || !untouched(l))
		return false;
	if (l == v && v->state != TS_ESTABLISHED)
		return false;
	if (!plain_header(e->splicer->pkt->data)) {
		hold_give_up(e, f, SC_SpliceOptions, now);
		return false;
	}
	hold(e, hold_of(e, f), l, s);
	return true;
}

void splice_drop(struct engine *e, struct flow *f)
{
	struct splice_hold *h = hold_of(e, f), **p = &e->splicer->due;

	f->held = false;
	if (h->due) {
		while (*p != h)
			p = &(*p)->next;
		*p = h->next;
		if (!*p)
			e->splicer->due_end = p;
	}
	hold_free(e, h);
}

/* The first packet held, in one piece.  Return: its length */
static uint32_t first_packet(struct engine *e, struct splice_hold *h)
{
	uint8_t *to = e->splicer->scratch;
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

/* An ordinary flow after all. */
void hold_give_up(struct engine *e, struct flow *f, enum shield_counter_id why,
		  mono_t now)
{
	struct splice_hold *h = hold_of(e, f);
	enum drop_reason reason;
	struct icmp_error icmp;
	struct packet p = {.data = e->splicer->scratch,
			   .csum = PACKET_CSUM_GOOD};
	struct segment s;
	struct leg *l;

	count(f, why);
	f->leg[LEG_SERVER].behave = NULL;
	while (h->n) {
		p.len = p.full_len = first_packet(e, h);
		bufq_consume(&h->packets, e->pool, p.len);
		h->n--;
		if (wire_parse(&p, &s, &icmp, &reason) != PARSE_SEGMENT)
			continue;
		l = &f->leg[tuple_eq(&s.t, &f->leg[LEG_SERVER].t)];
		if (l->state != TS_CLOSED)
			leg_input(l, &s, now);
	}
	splice_drop(e, f);
}

static bool quiet(const struct leg *l)
{
	return l->state == TS_ESTABLISHED && untouched(l) &&
	       seq_eq(l->una, l->nxt) && !l->sndq.bytes && l->ack == ACK_NONE &&
	       !l->ev && !l->fin_queued && !l->probe_pending &&
	       !l->peer_fin_known;
}

void splice_look(struct engine *e, struct flow *f)
{
	struct splicer *sp = e->splicer;
	struct splice_hold *h = hold_of(e, f);

	if (h->due || !quiet(&f->leg[0]) || !quiet(&f->leg[1]))
		return;
	h->due = true;
	h->next = NULL;
	*sp->due_end = h;
	sp->due_end = &h->next;
}

/* The next connection of these addresses begins above this one. */
void hold_remember(struct engine *e, const struct tuple *t,
		   const struct splice_found *f, mono_t now)
{
	const struct splice_shift *up = f->dir.from_client ? &f->dir : &f->back;
	struct tuple server = *t;
	struct splice_old *o;

	if (f->dir.from_client) /* as the server leg is called */
		server = (struct tuple){.local = t->remote,
					.remote = t->local,
					.lport = t->rport,
					.rport = t->lport};
	o = old_slot(e, &server);
	o->t = server;
	o->nxt = up->nxt;
	o->newest_ts = up->newest_ts;
	o->until = mono_add(now, OLD_FOR_US);
}
