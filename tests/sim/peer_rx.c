/* SPDX-License-Identifier: MIT */
/* The receiving half of the simulator's TCP, and its application. */
#include <stdlib.h>
#include <string.h>

#include "sim/peer.h"

static uint64_t stream_word(uint64_t key, uint64_t i)
{
	uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u ^ key;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 29;
	return x;
}

void stream_fill(uint64_t key, uint64_t off, uint8_t *out, uint32_t len)
{
	uint64_t w = stream_word(key, off >> 3) >> (off & 7) * 8;

	for (uint32_t i = 0; i < len; i++, off++) {
		if (i && !(off & 7))
			w = stream_word(key, off >> 3);
		out[i] = (uint8_t)w;
		w >>= 8;
	}
}

uint32_t stream_compare(uint64_t key, uint64_t off, const uint8_t *d,
			uint32_t len)
{
	uint8_t want[512];
	uint32_t done = 0, n;

	while (done < len) {
		n = min_u32(len - done, sizeof(want));
		stream_fill(key, off + done, want, n);
		if (memcmp(want, d + done, n) == 0) {
			done += n;
			continue;
		}
		while (*want == d[done])
			stream_fill(key, off + ++done, want, 1);
		return done;
	}
	return len;
}

void peer_init(struct peer *p, const struct peer_cfg *cfg,
	       const struct peer_ops *ops)
{
	memset(p, 0, sizeof(*p));
	p->cfg = *cfg;
	p->ops = ops;
	prng_seed(&p->rng, cfg->seed);
	p->snd_ws = -1;
	p->smss = cfg->family == 4 ? 536 : 1220;
	p->rto_us = 1000000;
	p->ssthresh = 1u << 30;
	p->got = calloc(cfg->rx_total + 1, 1);
	p->arrived = calloc(cfg->tx_total + 1, 1);
	if (!p->got || !p->arrived)
		abort();
}

void peer_fini(struct peer *p)
{
	free(p->got);
	free(p->arrived);
	p->got = p->arrived = NULL;
}

struct spkt *host_rst(const struct sseg *s)
{
	struct sseg r = {.family = s->family, .ws = -1};

	if (s->flags & F_RST)
		return NULL;
	r.src = s->dst;
	r.dst = s->src;
	if (s->flags & F_ACK) {
		r.seq = s->ack;
		r.flags = F_RST;
	} else {
		r.ack = s->seq + s->len + !!(s->flags & F_SYN) +
			!!(s->flags & F_FIN);
		r.flags = F_RST | F_ACK;
	}
	return spkt_build(&r, NULL);
}

void peer_fill_sacks(const struct peer *p, struct sseg *s)
{
	uint64_t total = p->cfg.rx_total, pos = p->rcv_nxt - 1, lo, hi;
	int max = p->ts_on ? 3 : 4;
	const uint8_t *f;

	if (p->dup_hi > p->dup_lo && p->cfg.dsack) {
		s->sack[0][0] = p->irs + (uint32_t)p->dup_lo;
		s->sack[0][1] = p->irs + (uint32_t)p->dup_hi;
		s->nsack = 1;
	}
	if (p->ooo_hi <= p->rcv_nxt || p->rcv_nxt == 0)
		return;
	while (pos < total && s->nsack < max) {
		f = memchr(p->got + pos, 1, total - pos);
		if (!f)
			return;
		lo = (uint64_t)(f - p->got);
		f = memchr(f, 0, total + 1 - lo);
		hi = (uint64_t)(f - p->got);
		s->sack[s->nsack][0] = p->irs + (uint32_t)lo + 1;
		s->sack[s->nsack][1] = p->irs + (uint32_t)hi + 1;
		/* the block that arrived last comes first */
		if (p->last_rx >= lo + 1 && p->last_rx < hi + 1 && s->nsack &&
		    !(p->dup_hi > p->dup_lo)) {
			uint32_t t[2];

			memcpy(t, s->sack[0], 8);
			memcpy(s->sack[0], s->sack[s->nsack], 8);
			memcpy(s->sack[s->nsack], t, 8);
		}
		s->nsack++;
		pos = hi;
	}
}

static void learn_options(struct peer *p, const struct sseg *s)
{
	p->irs = s->seq;
	p->rcv_nxt = 1;
	p->ts_on = p->cfg.ts && s->has_ts;
	p->ts_recent = s->tsval;
	p->sack_on = p->cfg.sack && s->sackok;
	p->snd_ws = p->cfg.ws >= 0 && s->ws >= 0 ? s->ws : -1;
	if (p->snd_ws > 14)
		p->snd_ws = 14;
	p->rcv_ws = p->snd_ws >= 0 ? p->cfg.ws : 0;
	p->ecn_on = p->cfg.ecn && (s->flags & F_ECE) &&
		    (p->cfg.active ? !(s->flags & F_CWR) : s->flags & F_CWR);
	if (s->mss)
		p->smss = max_u32(s->mss, 8);
	p->smss = min_u32(p->smss, p->cfg.mss ? p->cfg.mss : 536);
	p->cwnd = 10 * p->smss;
	p->wl1 = s->seq;
	p->wl2 = s->ack;
	p->adv_edge = 1 + min_u64(p->cfg.rcvbuf, 65535);
	p->app_read = 0;
}

void peer_connect(struct peer *p, int64_t now)
{
	p->state = P_SYN_SENT;
	p->nxt = 1;
	peer_send(p, 0, 0, F_SYN | (p->cfg.ecn ? F_ECE | F_CWR : 0), now);
	p->rto_at = now + p->rto_us;
}

void peer_accept(struct peer *p, const struct sseg *s, int64_t now)
{
	p->state = P_SYN_RCVD;
	learn_options(p, s);
	p->nxt = 1;
	p->wnd_edge = 1u + s->wnd;
	peer_send(p, 0, 0, F_SYN | F_ACK | (p->ecn_on ? F_ECE : 0), now);
	p->rto_at = now + p->rto_us;
}

static void opened(struct peer *p, const struct sseg *s, int64_t now)
{
	int ws = s->flags & F_SYN || p->snd_ws < 0 ? 0 : p->snd_ws;

	p->state = P_OPEN;
	p->established = true;
	p->una = 1;
	p->tries = 0;
	p->rto_at = 0;
	p->rto_us = 1000000;
	p->wl1 = s->seq;
	p->wl2 = s->ack;
	p->wnd_edge = 1 + ((uint64_t)s->wnd << ws);
	p->ka_at = p->cfg.keepalive_us ? now + p->cfg.keepalive_us : 0;
	if (p->cfg.tx_chunk)
		p->tx_at = now + 1;
}

static void rx_syn_sent(struct peer *p, const struct sseg *s, int64_t now)
{
	bool ack_ok = (s->flags & F_ACK) && s->ack == p->cfg.iss + 1;
	struct spkt *rst;

	if ((s->flags & F_ACK) && !ack_ok) {
		rst = host_rst(s);
		if (rst)
			p->ops->emit(p->ops->ctx, p, rst);
		return;
	}
	if (s->flags & F_RST) {
		if (ack_ok) {
			p->refused = p->reset = true;
			peer_close_now(p, now);
		}
		return;
	}
	if (!(s->flags & F_SYN))
		return;
	if (!ack_ok && !p->cfg.cross) {
		p->ops->fault(p->ops->ctx, p, "a SYN meets our SYN");
		return;
	}
	if (!ack_ok) {
		learn_options(p, s);
		p->state = P_SYN_RCVD;
		p->wnd_edge = 1u + s->wnd;
		peer_send(p, 0, 0, F_SYN | F_ACK | (p->ecn_on ? F_ECE : 0),
			  now);
		p->rto_at = now + p->rto_us;
		return;
	}
	learn_options(p, s);
	opened(p, s, now);
	p->ack_now = true;
}

static void answer_oow(struct peer *p, const struct sseg *s, int64_t now)
{
	if (!s->len && p->oow_at && now < p->oow_at + p->cfg.oow_us)
		return;
	p->oow_at = now;
	if (p->state == P_SYN_RCVD)
		peer_send(p, 0, 0, F_SYN | F_ACK | (p->ecn_on ? F_ECE : 0),
			  now);
	else
		peer_send(p, peer_ack_off(p), 0, F_ACK, now);
}

/* RFC 9293, 3.10.7.4, first check; *off is the segment's offset. */
static bool acceptable(const struct peer *p, const struct sseg *s, int64_t *off)
{
	int64_t len = s->len + !!(s->flags & F_SYN) + !!(s->flags & F_FIN);
	int64_t nxt = (int64_t)p->rcv_nxt, edge = (int64_t)p->adv_edge;

	*off = off_near(p->rcv_nxt, p->irs, s->seq);
	if (len == 0)
		return *off == nxt || (*off > nxt && *off < edge);
	if (edge <= nxt)
		return false;
	return *off<edge && * off + len> nxt;
}

/* Marks of congestion, and the urgent one. */
static void rx_marks(struct peer *p, const struct sseg *s, int64_t off)
{
	if (s->flags & F_URG && off + s->urg > (int64_t)p->rcv_nxt)
		p->rx_urg = max_u64(p->rx_urg, (uint64_t)(off + s->urg));
	if (!p->ecn_on)
		return;
	if (s->flags & F_CWR)
		p->ece = false;
	if (s->ecn == IP_CE)
		p->ece = true;
	if (s->flags & F_ECE && p->una >= p->cwr_end && p->max > p->una) {
		p->cwnd = max_u32(p->cwnd / 2, p->smss);
		p->ssthresh = p->cwnd;
		p->cwr_end = p->max;
		p->cwr_due = true;
	}
}

static void rx_data(struct peer *p, const struct sseg *s, int64_t off)
{
	uint64_t lo = off < 1 ? 1 : (uint64_t)off, hi, old = p->rcv_nxt;
	uint64_t end = (uint64_t)(off + s->len), total = p->cfg.rx_total;
	uint64_t hole;
	const uint8_t *z;

	hi = min_u64(min_u64(end, p->adv_edge), total + 1);
	if (s->len && lo < hi) {
		hole = max_u64(p->ooo_hi, p->rcv_nxt);
		if (hi <= p->rcv_nxt || p->got[lo - 1]) {
			p->dup_lo = lo;
			p->dup_hi = hi <= p->rcv_nxt
					    ? hi
					    : min_u64(hi, max_u64(p->rcv_nxt,
								  lo + 1));
		}
		memset(p->got + lo - 1, 1, hi - lo);
		p->ooo_hi = max_u64(hole, hi);
		p->last_rx = lo;
		/* duplicates, and whatever touches a hole: at once */
		if (off != (int64_t)old || p->ooo_hi != hi)
			p->ack_now = true;
	}
	if (p->eof)
		return;
	z = memchr(p->got + p->rcv_nxt - 1, 0, total + 2 - p->rcv_nxt);
	p->rcv_nxt = (uint64_t)(z - p->got) + 1;
	if (s->flags & F_FIN && end < p->adv_edge + 1)
		p->fin_off = end;
	if (p->fin_off && p->rcv_nxt == p->fin_off) {
		p->rcv_nxt++;
		p->eof = true;
		p->ack_now = true;
	}
}

static void maybe_finish(struct peer *p, int64_t now)
{
	if (p->state != P_OPEN || !p->eof || !p->fin_acked)
		return;
	if (!p->fin_first) {
		peer_close_now(p, now);
		return;
	}
	p->state = P_TIME_WAIT;
	p->rto_at = p->ka_at = 0;
	p->tw_at = now + p->cfg.timewait_us;
}

static bool rx_paws(struct peer *p, const struct sseg *s)
{
	if (!p->ts_on || (s->flags & F_RST))
		return true;
	if (!s->has_ts)
		return false;
	if ((int32_t)(s->tsval - p->ts_recent) < 0)
		return false;
	if ((int32_t)(s->seq - p->last_ack_sent) <= 0)
		p->ts_recent = s->tsval;
	return true;
}

/* The ACK that completes our passive open; false: not it. */
static bool rx_syn_rcvd(struct peer *p, const struct sseg *s, int64_t now)
{
	struct spkt *rst;

	if (s->ack == p->cfg.iss + 1) {
		opened(p, s, now);
		return true;
	}
	rst = host_rst(s);
	if (rst)
		p->ops->emit(p->ops->ctx, p, rst);
	return false;
}

void peer_rx_segment(struct peer *p, const struct sseg *s, int64_t now)
{
	uint64_t old = p->rcv_nxt;
	bool was_tw = p->state == P_TIME_WAIT;
	int64_t off;

	if (!acceptable(p, s, &off)) {
		if (s->flags & F_RST)
			return;
		/* a closed window still takes ACKs: 3.10.7.4 */
		if (off == (int64_t)p->rcv_nxt && (s->flags & F_ACK) &&
		    p->state == P_OPEN)
			peer_rx_ack(p, s, now);
		if (was_tw && (s->flags & F_FIN))
			p->tw_at = now + p->cfg.timewait_us;
		if (s->len && off + s->len <= (int64_t)p->rcv_nxt && off >= 1) {
			p->dup_lo = (uint64_t)off;
			p->dup_hi = (uint64_t)off + s->len;
		}
		answer_oow(p, s, now);
		return;
	}
	if (!rx_paws(p, s)) {
		answer_oow(p, s, now);
		return;
	}
	if (s->flags & F_RST) {
		if (off != (int64_t)p->rcv_nxt) {
			answer_oow(p, s, now);
		} else if (p->state != P_TIME_WAIT) {
			p->reset = true;
			peer_close_now(p, now);
		}
		return;
	}
	if (s->flags & F_SYN) {
		answer_oow(p, s, now);
		return;
	}
	if (!(s->flags & F_ACK))
		return;
	if (p->state == P_SYN_RCVD && !rx_syn_rcvd(p, s, now))
		return;
	if (p->state == P_OPEN && p->cfg.keepalive_us)
		p->ka_at = now + p->cfg.keepalive_us;
	p->ka_tries = 0;
	peer_rx_ack(p, s, now);
	rx_marks(p, s, off);
	rx_data(p, s, off);
	if (!p->full_at && p->rcv_nxt > p->cfg.rx_total)
		p->full_at = now;
	if (p->rcv_nxt > old && !p->ack_now && !p->delack_at)
		p->delack_at = now + p->cfg.delack_us;
	if (!p->cfg.delack_us && p->delack_at)
		p->ack_now = true;
	if (p->irs + (uint32_t)p->rcv_nxt - p->last_ack_sent > 2 * p->cfg.mss)
		p->ack_now = true;
}

/* The application: reads, writes, closes, aborts. */
void peer_app(struct peer *p, int64_t now)
{
	const struct peer_cfg *c = &p->cfg;
	uint64_t have = min_u64(p->rcv_nxt - 1, c->rx_total);
	bool stopped = c->stop_us && have >= c->stop_at &&
		       p->app_read < c->rx_total;

	if (p->state != P_OPEN)
		return;
	if (c->abort_rx && have >= c->abort_rx) {
		peer_abort(p, now);
		return;
	}
	if (p->app_read < have && !p->read_at) {
		if (stopped)
			p->read_at = now + c->stop_us;
		else if (c->read_chunk)
			p->read_at = now + c->read_gap_us;
		else
			p->app_read = have;
	}
	if (!c->tx_chunk && have >= c->tx_after_rx)
		p->written = c->tx_total;
	if (!p->closing && p->written == c->tx_total &&
	    (c->close == CLOSE_SENT || (c->close == CLOSE_EOF && p->eof) ||
	     (c->close == CLOSE_RECEIVED && (have == c->rx_total || p->eof))))
		p->closing = true;
}

/* Window updates: when the edge would move by what is worth a segment. */
static void maybe_update_window(struct peer *p)
{
	uint64_t most = min_u64(p->cfg.rcvbuf, 65535ull << p->rcv_ws);
	uint64_t want =
		min_u64(1 + p->app_read + p->cfg.rcvbuf, p->rcv_nxt + most);
	uint64_t step = max_u64(min_u64(most / 2, p->cfg.mss), 1);

	if (p->state == P_OPEN && !p->eof && want >= p->adv_edge + step &&
	    want - p->rcv_nxt >= 1ull << p->rcv_ws &&
	    p->adv_edge - p->rcv_nxt < most / 2)
		p->ack_now = true;
}

static void run(struct peer *p, int64_t now)
{
	if (p->state == P_OPEN) {
		peer_app(p, now);
		maybe_update_window(p);
	}
	peer_output(p, now);
	maybe_finish(p, now);
}

void peer_input(struct peer *p, const struct sseg *s, int64_t now)
{
	p->pkts_in++;
	if (p->dead || p->state == P_CLOSED)
		return;
	if (p->state == P_SYN_SENT)
		rx_syn_sent(p, s, now);
	else
		peer_rx_segment(p, s, now);
	run(p, now);
}

void peer_too_big(struct peer *p, uint32_t seq, uint32_t mtu, int64_t now)
{
	int64_t off = off_near(p->una, p->cfg.iss, seq);
	/* with timestamps, as a Linux peer reckons */
	uint32_t most = mtu - (p->cfg.family == 4 ? 52 : 72);

	if (p->state != P_OPEN || off < (int64_t)p->una ||
	    off >= (int64_t)p->max || mtu < 100 || most >= p->smss)
		return;
	p->smss = most;
	p->nxt = p->una; /* what was too large is gone */
	run(p, now);
}

int64_t peer_deadline(const struct peer *p)
{
	int64_t t[] = {p->rto_at,	p->delack_at,  p->read_at,
		       p->tx_at,	p->ka_at,      p->tw_at,
		       p->cfg.abort_at, p->cfg.die_at, p->cfg.renege_at};
	int64_t best = INT64_MAX;

	if (p->dead || p->state == P_CLOSED)
		return INT64_MAX;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (t[i] && t[i] < best)
			best = t[i];
	return best;
}

static bool due(int64_t *t, int64_t now)
{
	if (!*t || *t > now)
		return false;
	*t = 0;
	return true;
}

static void keepalive(struct peer *p, int64_t now)
{
	if (p->max > p->una) { /* the retransmission timer watches */
		p->ka_at = now + p->cfg.keepalive_us;
		return;
	}
	if (++p->ka_tries > 5) {
		p->timedout = true;
		peer_close_now(p, now);
		return;
	}
	peer_send(p, p->una - 1, 0, F_ACK, now);
	p->ka_at = now + 5000000;
}

/* How far the application writes now. */
static uint64_t write_up_to(const struct peer *p)
{
	const struct peer_cfg *c = &p->cfg;

	if (p->written < c->tx_first)
		return c->tx_first;
	if (c->tx_thin && p->written >= c->tx_thin)
		return c->tx_total;
	return p->written + c->tx_chunk;
}

void peer_expire(struct peer *p, int64_t now)
{
	struct peer_cfg *c = &p->cfg;
	uint64_t have = min_u64(p->rcv_nxt ? p->rcv_nxt - 1 : 0, c->rx_total);

	if (p->dead || p->state == P_CLOSED)
		return;
	if (due(&c->die_at, now)) {
		p->dead = true;
		p->end_at = now;
		return;
	}
	if (due(&c->renege_at, now) && p->state == P_OPEN && !p->eof) {
		memset(p->got + p->rcv_nxt - 1, 0,
		       c->rx_total + 1 - p->rcv_nxt);
		p->ooo_hi = p->rcv_nxt;
		p->fin_off = 0;
	}
	if (due(&c->abort_at, now))
		peer_abort(p, now);
	if (due(&p->tw_at, now))
		peer_close_now(p, now);
	if (due(&p->delack_at, now))
		p->ack_now = true;
	if (due(&p->read_at, now)) {
		if (c->stop_us && have >= c->stop_at)
			c->stop_us = 0;
		p->app_read =
			c->read_chunk
				? min_u64(have, p->app_read + c->read_chunk)
				: have;
	}
	if (due(&p->tx_at, now)) {
		if (have >= c->tx_after_rx)
			p->written = min_u64(c->tx_total, write_up_to(p));
		if (p->written < c->tx_total)
			p->tx_at = now + c->tx_gap_us;
	}
	if (due(&p->rto_at, now))
		peer_tx_timeout(p, now);
	if (due(&p->ka_at, now))
		keepalive(p, now);
	run(p, now);
}

void peer_mark_arrived(struct peer *p, const struct sseg *s)
{
	int64_t off = off_near(p->arr_contig + 1, p->cfg.iss, s->seq) - 1;
	uint64_t total = p->cfg.tx_total, lo, hi;
	const uint8_t *z;

	p->pkts_arrived++;
	if (p->rcv_nxt && s->flags & F_ACK)
		p->told += s->nsack || s->ack - p->irs > 1 ? 4 : !s->len;
	if (s->flags & (F_RST | F_SYN))
		return;
	if (s->ecn == IP_CE)
		p->tap.echo = true;
	lo = off < 0 ? 0 : (uint64_t)off;
	hi = off + s->len < 0 ? 0 : min_u64((uint64_t)(off + s->len), total);
	if (hi > lo)
		memset(p->arrived + lo, 1, hi - lo);
	z = memchr(p->arrived + p->arr_contig, 0, total + 1 - p->arr_contig);
	p->arr_contig = (uint64_t)(z - p->arrived);
	if (s->flags & F_FIN)
		p->fin_arrived = true;
}
