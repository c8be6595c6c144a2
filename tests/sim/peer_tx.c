/* SPDX-License-Identifier: MIT */
/* The sending half of the simulator's TCP. */
#include <stdlib.h>
#include <string.h>

#include "sim/peer.h"

#define RTO_MIN 200000
#define RTO_MAX 60000000
#define RTO_INIT 1000000

/* The window field, by the receiver's policy; moves the advertised edge. */
static uint16_t advertise(struct peer *p, bool syn)
{
	int ws = syn ? 0 : p->rcv_ws;
	uint64_t unit = 1ull << ws;
	uint64_t want = 1 + p->app_read + p->cfg.rcvbuf;
	uint64_t step = min_u64(p->cfg.rcvbuf / 2, p->cfg.mss);
	uint64_t fld;

	/* receiver's silly window avoidance: RFC 9293, 3.8.6.2.2 */
	if (!syn && want < p->adv_edge + step && p->rcv_nxt <= p->adv_edge)
		want = p->adv_edge;
	fld = want > p->rcv_nxt ? (want - p->rcv_nxt) / unit : 0;
	if (!p->cfg.wnd_floor && p->rcv_nxt + fld * unit < p->adv_edge)
		fld = (p->adv_edge - p->rcv_nxt + unit - 1) / unit;
	fld = min_u64(fld, 65535);
	p->adv_edge = max_u64(p->adv_edge, p->rcv_nxt + fld * unit);
	return (uint16_t)fld;
}

static void head_init(struct peer *p, struct sseg *s, uint16_t flags,
		      int64_t now)
{
	bool syn = flags & F_SYN;

	memset(s, 0, sizeof(*s));
	s->family = p->cfg.family;
	s->src = p->cfg.self;
	s->dst = p->cfg.remote;
	s->flags = flags;
	s->ws = -1;
	s->wnd = flags & F_RST ? 0 : advertise(p, syn);
	if (flags & F_ACK)
		s->ack = p->irs + (uint32_t)p->rcv_nxt;
	if (syn) {
		s->mss = p->cfg.mss;
		s->ws = p->cfg.ws;
		s->sackok = p->cfg.sack;
	}
	if (syn && (flags & F_ACK)) {
		s->ws = p->snd_ws < 0 ? -1 : s->ws;
		s->sackok = p->sack_on;
	}
	s->has_ts = syn && !(flags & F_ACK) ? p->cfg.ts : p->ts_on;
	s->tsval = (uint32_t)(now / 1000) + p->cfg.ts_off;
	s->tsecr = flags & F_ACK ? p->ts_recent : 0;
	if (!syn && p->sack_on && !(flags & F_RST))
		peer_fill_sacks(p, s);
	if (p->ece && p->ecn_on && !(flags & (F_SYN | F_RST)))
		s->flags |= F_ECE;
}

static uint64_t urg_end(const struct peer *p)
{
	return p->cfg.urg_at && p->written >= p->cfg.urg_at ? 1 + p->cfg.urg_at
							    : 0;
}

/* What data carries besides data. */
static void mark_data(struct peer *p, struct sseg *s, uint64_t off)
{
	uint64_t up = urg_end(p);

	if (up > off && up - off <= 65535) {
		s->flags |= F_URG;
		s->urg = (uint16_t)(up - off);
	}
	if (!p->ecn_on || off < p->max)
		return;
	s->ecn = 2;
	if (p->cwr_due)
		s->flags |= F_CWR;
	p->cwr_due = false;
}

/* Send the range at @off.  @len is payload; SYN and FIN come on top. */
void peer_send(struct peer *p, uint64_t off, uint32_t len, uint16_t flags,
	       int64_t now)
{
	static uint8_t data[65536];
	uint64_t end = off + len + !!(flags & (F_SYN | F_FIN));
	struct sseg s;

	head_init(p, &s, flags, now);
	s.seq = peer_seq(p, off);
	s.len = len;
	if (len) {
		stream_fill(p->cfg.key_tx, off - 1, data, len);
		mark_data(p, &s, off);
	}
	if (!(flags & F_RST) && end > p->max) {
		if (!p->rtt_start) {
			p->rtt_start = now;
			p->rtt_off = end;
		}
		p->max = end;
	} else if (end > off) {
		p->rtt_start = 0; /* Karn */
	}
	if (s.has_ts)
		p->ts_sent = s.tsval;
	if (flags & F_ACK) {
		p->last_ack_sent = s.ack;
		p->ack_now = false;
		p->delack_at = 0;
		p->dup_lo = p->dup_hi = 0;
	}
	p->pkts_out++;
	p->ops->emit(p->ops->ctx, p, spkt_build(&s, data));
}

static uint32_t seg_room(struct peer *p)
{
	uint32_t opt = p->ts_on ? 12 : 0, mss, n;

	mss = p->smss > opt + 8 ? p->smss - opt : 8;
	n = mss;
	/* offload leaves urgent segments alone */
	if (p->cfg.gso > mss && p->nxt >= urg_end(p))
		n = p->cfg.gso / mss * mss;
	if (p->cfg.seg_rand && prng_below(&p->rng, 2))
		n = 1 + prng_below(&p->rng, mss);
	return min_u32(n, 60000);
}

static bool fin_due(const struct peer *p)
{
	return p->closing && p->written == p->cfg.tx_total;
}

/* Offset after the last thing that could be sent now, window aside. */
static uint64_t tx_end(const struct peer *p)
{
	return 1 + p->written + fin_due(p);
}

/* One segment from nxt; false when the window or the data is used up. */
static bool send_next(struct peer *p, int64_t now)
{
	uint64_t limit = min_u64(p->wnd_edge, p->una + p->cwnd);
	uint64_t data_end = 1 + p->written;
	uint32_t room = seg_room(p), n = 0;
	uint16_t flags = F_ACK;

	if (p->nxt >= tx_end(p) || p->nxt >= limit)
		return false;
	if (p->nxt < data_end)
		n = (uint32_t)min_u64(min_u64(room, data_end - p->nxt),
				      limit - p->nxt);
	/* sender's silly window avoidance */
	if (n && n < data_end - p->nxt && n < min_u32(room, p->smss) / 2 &&
	    p->nxt > p->una && !p->cfg.seg_rand)
		return false;
	if (p->nxt + n == data_end)
		flags |= F_PSH;
	if (fin_due(p) && p->nxt + n == data_end && p->nxt + n < limit) {
		flags |= F_FIN;
		p->fin_first |= !p->eof;
	}
	if (!n && !(flags & F_FIN))
		return false;
	peer_send(p, p->nxt, n, flags, now);
	p->nxt += n + !!(flags & F_FIN);
	return true;
}

static void arm_rto(struct peer *p, int64_t now)
{
	bool flight = p->max > p->una;
	bool want = tx_end(p) > p->una;

	if (p->state != P_OPEN)
		return;
	if (!flight && !want) {
		p->rto_at = 0;
		p->persisting = false;
		return;
	}
	if (p->rto_at && p->persisting == !flight)
		return;
	p->persisting = !flight;
	p->rto_at = now + p->rto_us;
}

void peer_output(struct peer *p, int64_t now)
{
	if (p->state == P_OPEN)
		for (int i = 0; i < 256 && send_next(p, now); i++)
			;
	if (p->ack_now && (p->state == P_OPEN || p->state == P_TIME_WAIT))
		peer_send(p, peer_ack_off(p), 0, F_ACK, now);
	arm_rto(p, now);
}

void peer_close_now(struct peer *p, int64_t now)
{
	p->state = P_CLOSED;
	p->rto_at = p->delack_at = p->read_at = p->tx_at = p->ka_at = 0;
	p->tw_at = 0;
	p->end_at = now;
}

void peer_abort(struct peer *p, int64_t now)
{
	if (p->state == P_CLOSED || p->state == P_TIME_WAIT)
		return;
	p->aborted = true;
	if (p->state != P_SYN_SENT)
		peer_send(p, p->max, 0, F_RST | F_ACK, now);
	peer_close_now(p, now);
}

static void rtt_sample(struct peer *p, uint64_t ack, int64_t now)
{
	int64_t r = now - p->rtt_start, d;

	if (!p->rtt_start || ack < p->rtt_off)
		return;
	p->rtt_start = 0;
	if (!p->srtt_us) {
		p->srtt_us = r;
		p->rttvar_us = r / 2;
	} else {
		d = p->srtt_us > r ? p->srtt_us - r : r - p->srtt_us;
		p->rttvar_us += (d - p->rttvar_us) / 4;
		p->srtt_us += (r - p->srtt_us) / 8;
	}
	p->rto_us = p->srtt_us + 4 * p->rttvar_us;
	p->rto_us = p->rto_us < RTO_MIN ? RTO_MIN : p->rto_us;
	p->rto_us = p->rto_us > RTO_MAX ? RTO_MAX : p->rto_us;
}

static void resend_first(struct peer *p, int64_t now)
{
	uint64_t nxt = p->nxt;
	uint32_t cwnd = p->cwnd;

	p->nxt = p->una;
	p->cwnd = max_u32(cwnd, 2 * p->smss);
	send_next(p, now);
	p->cwnd = cwnd;
	p->nxt = max_u64(nxt, p->nxt);
}

static void new_ack(struct peer *p, uint64_t ack, int64_t now)
{
	uint64_t cap = (uint64_t)p->cfg.cwnd_max * p->smss;

	rtt_sample(p, ack, now);
	if (p->cwnd < p->ssthresh)
		p->cwnd += (uint32_t)min_u64(ack - p->una, 2 * p->smss);
	else
		p->cwnd += max_u32(p->smss * p->smss / p->cwnd, 1);
	p->cwnd = (uint32_t)min_u64(p->cwnd, max_u64(cap, p->smss));
	p->una = ack;
	p->nxt = max_u64(p->nxt, ack);
	p->dupacks = 0;
	p->tries = 0;
	p->rto_at = p->max > p->una ? now + p->rto_us : 0;
	p->persisting = false;
	if (p->in_recovery && ack >= p->recover)
		p->in_recovery = false;
	else if (p->in_recovery)
		resend_first(p, now);
	if (ack == p->cfg.tx_total + 2)
		p->fin_acked = true;
}

static void dup_ack(struct peer *p, int64_t now)
{
	if (++p->dupacks != 3 || p->in_recovery)
		return;
	p->in_recovery = true;
	p->recover = p->max;
	p->ssthresh = max_u32(p->cwnd / 2, 2 * p->smss);
	p->cwnd = p->ssthresh;
	resend_first(p, now);
}

/* The ACK and the window of an acceptable segment. */
void peer_rx_ack(struct peer *p, const struct sseg *s, int64_t now)
{
	int64_t ack = off_near(p->una, p->cfg.iss, s->ack);
	uint64_t edge;
	bool same;

	if (ack < (int64_t)p->una)
		return;
	if ((uint64_t)ack > p->max) {
		p->ack_now = true;
		return;
	}
	edge = (uint64_t)ack +
	       ((uint64_t)s->wnd << (p->snd_ws < 0 ? 0 : p->snd_ws));
	same = edge == p->wnd_edge;
	if ((int32_t)(s->seq - p->wl1) > 0 ||
	    (s->seq == p->wl1 && (int32_t)(s->ack - p->wl2) >= 0)) {
		p->wnd_edge = edge;
		p->wl1 = s->seq;
		p->wl2 = s->ack;
		if (p->persisting || edge <= p->una)
			p->tries = 0; /* closed, but it answers */
	}
	if ((uint64_t)ack > p->una)
		new_ack(p, (uint64_t)ack, now);
	else if (same && !s->len && !(s->flags & (F_SYN | F_FIN)) &&
		 p->max > p->una && !p->persisting)
		dup_ack(p, now);
}

static void persist_probe(struct peer *p, int64_t now)
{
	if (p->wnd_edge > p->nxt) { /* not closed: send in earnest */
		p->persisting = false;
		return;
	}
	if (p->cfg.probe_old || p->nxt > p->written) {
		if (p->nxt > p->written && !p->cfg.probe_old) {
			p->fin_first |= !p->eof;
			peer_send(p, p->nxt, 0, F_ACK | F_FIN, now);
		} else {
			peer_send(p, p->una - 1, 0, F_ACK, now);
		}
		return;
	}
	peer_send(p, p->nxt, 1, F_ACK | F_PSH, now);
}

void peer_tx_timeout(struct peer *p, int64_t now)
{
	bool syn = p->state == P_SYN_SENT || p->state == P_SYN_RCVD;

	p->rto_at = 0;
	p->rtt_start = 0;
	p->rto_us = p->rto_us * 2 > RTO_MAX ? RTO_MAX : p->rto_us * 2;
	if (++p->tries > (syn ? p->cfg.syn_retries : p->cfg.retries)) {
		p->timedout = true;
		peer_close_now(p, now);
		return;
	}
	if (syn) {
		peer_send(p, 0, 0,
			  p->state == P_SYN_SENT ? F_SYN
			  : p->ecn_on		 ? F_SYN | F_ACK | F_ECE
						 : F_SYN | F_ACK,
			  now);
		p->rto_at = now + p->rto_us;
		return;
	}
	if (p->persisting && p->max == p->una) {
		persist_probe(p, now);
		p->rto_at = now + p->rto_us;
		peer_output(p, now);
		return;
	}
	p->in_recovery = false;
	p->dupacks = 0;
	p->ssthresh = max_u32(p->cwnd / 2, 2 * p->smss);
	p->cwnd = p->smss;
	p->nxt = p->una;
	if (p->wnd_edge <= p->una) { /* closed under what was in flight */
		bool fin = p->una > p->written;

		peer_send(p, p->una, fin ? 0 : 1, fin ? F_ACK | F_FIN : F_ACK,
			  now);
		p->nxt = p->una + 1;
	}
	p->rto_at = now + p->rto_us;
	peer_output(p, now);
}
