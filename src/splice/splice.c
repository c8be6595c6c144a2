/* SPDX-License-Identifier: MIT */
/*
 * relay = splice: the connection is handed to a translator in the kernel.
 *
 * No byte is ever acknowledged here.  From the ACK that completes the client's
 * handshake until the server has answered, the packets of both hosts are held
 * unacknowledged: at most HELD_MAX, in chunks of the pool or by reference.
 * Packets beyond that are dropped, and their sender repeats them.  Then one of
 * two things happens:
 *
 *   - the legs agree: the translation is installed, the held packets are sent
 *     through the TUN, where they are translated too, and the flow is freed.
 *     The translator is told how many packets were held in each direction.  It
 *     translates packets that come in from the hosts only after those, so that
 *     none overtakes a held one.  All that is left is the translator's entry
 *   - they do not, or a fault has delayed a segment, which is no packet any
 *     more: the held packets are given to the legs as if they had just arrived,
 *     the flow becomes an ordinary one, and the reason is counted
 *
 * The translation is installed one pull after the legs became quiet, so that
 * the last packet of our own handshake is sent before anything else.  To make
 * the legs agree, the server is dialled with the client's options, and clients
 * are offered only what this server last agreed to.
 *
 * Timestamps are mapped so that the last accepted one becomes our current one.
 * So neither peer sees a timestamp that is older than the last one.
 *
 * Afterwards the translator knows the connection and the engine does not:
 *   - a segment that the kernel had queued before there was an entry is sent
 *     through the TUN, too.  Others may have overtaken it; the translator never
 *     gives it an older timestamp than theirs, so that no host takes it for an
 *     old duplicate
 *   - a SYN gets a challenge ACK while the connection exists (RFC 5961, 4).  If
 *     it has ended, its entry is removed and its highest number is remembered:
 *     the next dial begins above it, as the server may be in TIME_WAIT
 *   - a SYN-ACK gets the ACK again that the server has not received.  If the
 *     connection has ended, it gets the RST that the client would send
 *   - an ICMP error is translated back, and passed on
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "internal.h"
#include "wire/build.h"

#define HOLDS_MAX 65536u /* connections whose packets may be held at once */

/* --- to the kernel --- */

/* SC_Spliced: splice it; otherwise the reason not to. */
static enum shield_counter_id judge(const struct flow *f)
{
	const struct leg *c = &f->leg[LEG_CLIENT], *s = &f->leg[LEG_SERVER];

	if (hold_passed_by(f))
		return SC_SpliceFault;
	if (c->ts_ok != s->ts_ok || c->sack_ok != s->sack_ok ||
	    c->wscale_ok != s->wscale_ok || c->ecn_ok != s->ecn_ok)
		return SC_SpliceOptions;
	if (s->snd.peer_mss < flow_promised_mss(f))
		return SC_SpliceMss;
	if (s->snd.wnd < flow_promised_wnd(f))
		return SC_SpliceWindow;
	return SC_Spliced;
}

static void fill(struct splice_shift *d, const struct leg *from,
		 const struct leg *to, mono_t now)
{
	uint32_t ms = (uint32_t)(now.us / USEC_PER_MSEC);

	d->seq = to->snd.nxt.v - from->rcv.nxt.v;
	d->ack = to->rcv.nxt.v - from->snd.nxt.v;
	d->tsval = ms + to->snd.ts_off - from->rcv.ts_recent;
	d->tsecr = to->rcv.ts_recent - (ms + from->snd.ts_off);
	d->ts = from->ts_ok;
	d->shl = from->wscale_ok ? from->snd.wscale : 0;
	d->shr = to->wscale_ok ? to->rcv.wscale : 0;
	d->from_client = from->side == LEG_CLIENT;
	d->mss = to->snd.mss;
	d->nxt = to->snd.nxt;
	d->acked = to->rcv.nxt;
	d->newest_ts = ms + to->snd.ts_off;
	d->wnd = (uint16_t)min_u32(from->snd.wnd >> d->shr, 65535);
}

static int install(struct splicer *sp, const struct flow *f, mono_t now)
{
	const struct leg *c = &f->leg[LEG_CLIENT], *s = &f->leg[LEG_SERVER];
	const struct splice_hold *h = hold_of(sp, f);
	struct splice_pair p = {.client = c->t, .service = flow_service(f)};

	fill(&p.up, c, s, now);
	fill(&p.down, s, c, now);
	p.up.held = h->count[LEG_CLIENT];
	p.down.held = h->count[LEG_SERVER];
	return sp->ops->install(sp->ctx, &p);
}

static void splice(struct splicer *sp, struct flow *f, mono_t now)
{
	struct splice_hold *h = hold_of(sp, f);
	enum shield_counter_id why = judge(f);

	if (why != SC_SpliceFault) /* its server may not have answered yet */
		hold_learn(f);
	if (why == SC_Spliced && install(sp, f, now))
		why = SC_SpliceNoRoom;
	if (why != SC_Spliced) {
		hold_give_up(sp, f, why, now);
		flow_settle(sp->e, f, now);
		return;
	}
	flow_count(f, SC_Spliced);
	h->mss = (uint16_t)min_u32(f->leg[0].snd.mss, f->leg[1].snd.mss);
	h->flow = NULL;
	h->next = NULL;
	*sp->out_end = h;
	sp->out_end = &h->next;
	f->held = false;
	flow_free(sp->e, f);
}

static void splice_expire(void *wing, mono_t now)
{
	struct splicer *sp = wing;
	struct splice_hold *h = sp->due, *next;

	sp->due = NULL;
	sp->due_end = &sp->due;
	for (; h; h = next) {
		next = h->next;
		h->due = false;
		/* it becomes ready: the next pull looks again */
		if (!h->flow->ready)
			splice(sp, h->flow, now);
	}
}

static bool splice_is_due(const void *wing)
{
	const struct splicer *sp = wing;

	return sp->due || sp->out || sp->gone || sp->rst;
}

/* --- through the TUN --- */

/* The kernel computes the checksum, as the packet may have to be cut. */
static void fill_header(struct tx *tx, const uint8_t *p, uint32_t l4,
			uint32_t len, uint16_t mss)
{
	uint32_t thl = (p[l4 + 12] >> 4) * 4u;
	struct ipaddr src, dst;

	src = l4 == 20 ? ipaddr_v4(p + 12) : ipaddr_v6(p + 8);
	dst = l4 == 20 ? ipaddr_v4(p + 16) : ipaddr_v6(p + 24);
	tx->family = l4 == 20 ? 4 : 6;
	tx->l4_off = (uint8_t)l4;
	tx->hdr_len = (uint8_t)(l4 + thl);
	tx->payload = len - tx->hdr_len;
	/* an urgent pointer is valid in one segment only, and never merged */
	tx->gso_size = tx->payload > mss && !(p[l4 + 13] & TCP_URG) ? mss : 0;
	tx->csum_done = false;
	tx->tun_only = true;
	tx->in_place = false;
	tx->niov = 0;
	memcpy(tx->hdr, p, tx->hdr_len);
	put_be16(tx->hdr + l4 + 16,
		 csum_fold(csum_pseudo(&src, &dst, IPPROTO_TCP, len - l4)));
}

/* Send the next packet of @h.  Its bytes are not moved. */
static void let_go(struct splice_hold *h, struct tx *tx)
{
	uint32_t want = min_u32(h->packets.bytes - h->at, TX_HDR_MAX);
	uint32_t got, have = 0, l4, len;
	struct iovec iov[TX_IOV_MAX];
	uint8_t head[TX_HDR_MAX] = {0};
	int n;

	n = bufq_peek(&h->packets, h->at, want, iov, TX_IOV_MAX, &got);
	for (int i = 0; i < n; i++) {
		memcpy(head + have, iov[i].iov_base, iov[i].iov_len);
		have += (uint32_t)iov[i].iov_len;
	}
	l4 = plain_header(head);
	len = packet_bytes(head, l4);
	fill_header(tx, head, l4, len, h->mss);
	tx->niov = (uint16_t)bufq_peek(&h->packets, h->at + tx->hdr_len,
				       tx->payload, tx->iov, TX_IOV_MAX, &got);
	h->at += len;
}

/* The RSTs of splice_reset(). */
static int pull_resets(struct splicer *sp, struct tx *tx, int max)
{
	struct splice_rst *r;
	int n = 0;

	for (; n < max && (r = sp->rst); n++) {
		const struct hdr_spec h = {
			.t = &r->t, .seq = r->seq, .flags = TCP_RST, .ttl = 64};

		wire_build(&tx[n], &h, 0);
		tx[n].payload = 0;
		tx[n].gso_size = 0;
		tx[n].niov = 0;
		sp->rst = r->next;
		free(r);
	}
	return n;
}

static int splice_pull(void *wing, struct tx *tx, int max)
{
	struct splicer *sp = wing;
	int n = pull_resets(sp, tx, max);
	struct splice_hold *h;

	while ((h = sp->out) && n < max) {
		if (h->at < h->packets.bytes) {
			let_go(h, &tx[n++]);
			continue;
		}
		sp->out = h->next;
		if (!sp->out)
			sp->out_end = &sp->out;
		h->next = sp->gone;
		sp->gone = h;
	}
	return n;
}

/* A segment that the kernel had queued before it knew the connection. */
static enum verdict straggler(struct splicer *sp, const struct splice_shift *d,
			      struct tx *reply)
{
	const struct packet *pkt = sp->pkt;
	uint32_t l4 = plain_header(pkt->data), len;

	len = l4 ? packet_bytes(pkt->data, l4) : 0;
	if (!len || len > pkt->len) { /* the translator would ignore it */
		engine_drop(sp->e, DROP_STATE);
		return VERDICT_CONSUMED;
	}
	fill_header(reply, pkt->data, l4, len, d->mss);
	if (reply->payload) {
		reply->iov[0].iov_base =
			(void *)(uintptr_t)(pkt->data + reply->hdr_len);
		reply->iov[0].iov_len = reply->payload;
		reply->niov = 1;
	}
	engine_count(sp->e, EC_SpliceStragglers);
	return VERDICT_REPLY;
}

/*
 * A SYN of a living connection (RFC 5961, 4): answer with the numbers that this
 * peer was last sent.  The peer may be a server that has not received the ACK
 * of our handshake.
 */
static void challenge(const struct segment *s, const struct splice_found *f,
		      struct tx *reply)
{
	struct tcp_opts o = {0};

	if (f->back.ts) {
		o.has = OPT_HAS_TS;
		o.tsval = f->back.newest_ts;
		o.tsecr = s->opts.has & OPT_HAS_TS ? s->opts.tsval : 0;
	}
	answer_ack(reply, s, f->back.nxt, f->back.acked, f->back.wnd, &o);
}

static bool splice_input(void *wing, const struct segment *s, mono_t now,
			 struct tx *reply, enum verdict *v)
{
	struct splicer *sp = wing;
	struct splice_found f;

	if (!sp->ops->find(sp->ctx, &s->t, &f))
		return false;
	if (!(s->flags & TCP_SYN)) {
		*v = straggler(sp, &f.dir, reply);
		return true;
	}
	if (f.ended && f.dir.from_client && !(s->flags & TCP_ACK)) {
		hold_remember(sp, &s->t, &f, now);
		sp->ops->remove(sp->ctx, &s->t);
		return false;
	}
	*v = VERDICT_REPLY;
	engine_count(sp->e, EC_SpliceSyns);
	if (f.ended && s->flags & TCP_ACK)
		answer_rst(reply, s);
	else
		challenge(s, &f, reply);
	return true;
}

/* The offset of the quoted TCP header, or 0. */
static uint32_t quoted_at(const uint8_t *p, uint32_t len)
{
	uint32_t at = p[0] >> 4 == 4 ? (p[0] & 15) * 4u : 40, q = at + 8;

	if (q + 20 > len || (p[0] >> 4 == 6 && p[6] != IPPROTO_ICMPV6))
		return 0;
	if (p[q] >> 4 == 6 && p[q + 6] != IPPROTO_TCP)
		return 0;
	q += p[q] >> 4 == 4 ? (p[q] & 15) * 4u : 40;
	return q + 8 <= len && q + 8 <= TX_HDR_MAX ? q : 0;
}

static bool splice_icmp(void *wing, const struct icmp_error *i, struct tx *tx)
{
	struct splicer *sp = wing;
	const struct packet *pkt = sp->pkt;
	struct tuple t = {.local = i->t.remote,
			  .remote = i->t.local,
			  .lport = i->t.rport,
			  .rport = i->t.lport};
	uint32_t l4, seq_at, was;
	struct splice_found f;
	uint64_t sum;

	seq_at = quoted_at(pkt->data, pkt->len);
	if (!seq_at || !sp->ops->find(sp->ctx, &t, &f))
		return false;
	l4 = pkt->data[0] >> 4 == 4 ? (pkt->data[0] & 15) * 4u : 40;
	seq_at += 4;
	tx->family = pkt->data[0] >> 4;
	tx->l4_off = (uint8_t)l4;
	tx->hdr_len = (uint8_t)(seq_at + 4);
	tx->payload = pkt->len - tx->hdr_len;
	tx->gso_size = 0;
	tx->csum_done = tx->in_place = true;
	tx->tun_only = false;
	tx->niov = tx->payload ? 1 : 0;
	tx->iov[0].iov_base = (void *)(uintptr_t)(pkt->data + tx->hdr_len);
	tx->iov[0].iov_len = tx->payload;
	memcpy(tx->hdr, pkt->data, tx->hdr_len);
	was = get_be32(tx->hdr + seq_at);
	put_be32(tx->hdr + seq_at, was - f.dir.seq);
	/* RFC 1624 */
	sum = (uint16_t)~get_be16(tx->hdr + l4 + 2);
	sum += (uint16_t) ~(was >> 16) + (uint16_t)~was;
	sum = csum_add(sum, tx->hdr + seq_at, 4);
	put_be16(tx->hdr + l4 + 2, (uint16_t)~csum_fold(sum));
	return true;
}

/* --- reset --- */

static struct tuple turned(const struct tuple *t)
{
	return (struct tuple){.local = t->remote,
			      .remote = t->local,
			      .lport = t->rport,
			      .rport = t->lport};
}

static void add_rst(struct splicer *sp, const struct tuple *t, uint32_t seq)
{
	struct splice_rst *r = calloc(1, sizeof(*r));

	if (!r) /* the hosts learn it when they speak next */
		return;
	*r = (struct splice_rst){.next = sp->rst, .t = *t, .seq = SEQ(seq)};
	sp->rst = r;
}

/*
 * A host accepts a RST at the number that it expects next (RFC 5961, 3.2). That
 * is what it acknowledged last, or, if its acknowledgment is still on the way,
 * what was sent to it last.  @t leads to the host; @from: what it sends; @to:
 * what it gets.
 */
static void reset_host(struct splicer *sp, const struct tuple *t,
		       const struct splice_shift *from,
		       const struct splice_shift *to)
{
	uint32_t acked = from->acked.v - from->ack;

	add_rst(sp, t, to->nxt.v);
	if (acked != to->nxt.v)
		add_rst(sp, t, acked);
}

bool splice_reset(struct splicer *sp, const struct tuple *client)
{
	const struct tuple server = turned(client);
	struct splice_found f;

	if (!sp->ops->find(sp->ctx, client, &f))
		return false;
	sp->ops->remove(sp->ctx, client);
	if (f.ended)
		return false;
	reset_host(sp, client, &f.dir, &f.back);
	reset_host(sp, &server, &f.back, &f.dir);
	return true;
}

void splice_settle(struct splicer *sp, mono_t now)
{
	struct flow *f, *next;

	for (f = engine_flow_first(sp->e); f; f = next) {
		next = engine_flow_next(sp->e, f);
		if (!f->held)
			continue;
		hold_give_up(sp, f, SC_SpliceNoRoom, now);
		flow_settle(sp->e, f, now);
	}
}

static uint32_t splice_count(const void *wing, const char *service,
			     const struct ipaddr *client, uint32_t *all)
{
	const struct splicer *sp = wing;

	return sp->ops->count(sp->ctx, service, client, all);
}

/* --- life --- */

static void free_all(struct splicer *sp, struct splice_hold *h)
{
	struct splice_hold *next;

	for (; h; h = next) {
		next = h->next;
		hold_free(sp, h);
	}
}

static void splice_free(void *wing)
{
	struct splicer *sp = wing;
	struct splice_rst *r;

	free_all(sp, sp->out);
	free_all(sp, sp->gone);
	while ((r = sp->rst)) {
		sp->rst = r->next;
		free(r);
	}
	slab_fini(&sp->holds);
	free(sp->hold);
	free(sp);
}

static const struct splice_hooks hooks = {.begin = hold_begin_verb,
					  .input = splice_input,
					  .icmp = splice_icmp,
					  .open = hold_open,
					  .above = hold_above_old,
					  .dial = hold_dial,
					  .hold = hold_segment,
					  .drop = hold_drop,
					  .look = hold_look,
					  .due = splice_is_due,
					  .expire = splice_expire,
					  .pull = splice_pull,
					  .count = splice_count,
					  .free = splice_free};

int splice_open(struct engine *e, const struct splice_ops *ops, void *ctx,
		struct splicer **out)
{
	uint32_t flows = engine_max_flows(e);
	struct splicer *sp = calloc(1, sizeof(*sp));

	if (!sp)
		return -ENOMEM;
	sp->e = e;
	sp->ops = ops;
	sp->ctx = ctx;
	sp->due_end = &sp->due;
	sp->out_end = &sp->out;
	sp->hold = calloc(flows, sizeof(*sp->hold));
	if (!sp->hold || slab_init(&sp->holds, sizeof(struct splice_hold),
				   min_u32(flows, HOLDS_MAX))) {
		splice_free(sp);
		return -ENOMEM;
	}
	engine_hook_splice(e, &hooks, sp);
	*out = sp;
	return 0;
}
