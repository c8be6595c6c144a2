/* SPDX-License-Identifier: MIT */
/*
 * The strict observer: judges every segment at the moment it is sent, before
 * the network touches it, against what its receiver knows.  What is seen here
 * is in the sender's order, so "never retreats" means exactly that.
 *
 * The receiver's own variables are at most too new (it may have advertised more
 * than the sender has heard of), so every bound here is one that a correct
 * sender cannot pass.
 */
#include <string.h>

#include "sim/peer.h"

#define BAD(...) rx->ops->fault(rx->ops->ctx, rx, __VA_ARGS__)

static void tap_options(struct peer *rx, const struct sseg *s)
{
	bool syn = s->flags & F_SYN;

	if (!syn && (s->mss || s->ws >= 0 || s->sackok))
		BAD("a SYN's option in another segment");
	if (syn && s->nsack)
		BAD("SACK blocks in a SYN");
	if (syn)
		return;
	if (s->nsack && !rx->sack_on)
		BAD("SACK without permission");
	if (s->has_ts && !rx->ts_on)
		BAD("timestamps that were not negotiated");
	if (!s->has_ts && rx->ts_on && !(s->flags & F_RST))
		BAD("timestamp missing");
}

static void tap_timestamp(struct peer *rx, const struct sseg *s)
{
	struct tap *t = &rx->tap;

	if (!s->has_ts || !rx->ts_on || s->flags & (F_RST | F_SYN))
		return;
	if (t->seen_ts && (int32_t)(s->tsval - t->tsval) < 0)
		BAD("timestamp went back by %u", t->tsval - s->tsval);
	t->tsval = s->tsval;
	t->seen_ts = true;
	if ((int32_t)(rx->ts_sent - s->tsecr) < 0 ||
	    (int32_t)(s->tsecr - rx->cfg.ts_off) < 0)
		BAD("timestamp echo %u was never sent (last %u)", s->tsecr,
		    rx->ts_sent);
}

static void tap_sacks(struct peer *rx, const struct sseg *s, uint64_t ack)
{
	int64_t lo, hi, total = (int64_t)rx->cfg.tx_total;
	const uint8_t *z;

	for (int i = 0; i < s->nsack; i++) {
		lo = off_near(ack, rx->cfg.iss, s->sack[i][0]);
		hi = off_near(ack, rx->cfg.iss, s->sack[i][1]);
		if (lo >= hi || lo < 0 || hi > (int64_t)rx->max)
			BAD("SACK block %d: %ld-%ld, sent up to %lu", i,
			    (long)lo, (long)hi, (unsigned long)rx->max);
		else if (i > 0 && lo <= (int64_t)ack)
			BAD("SACK block %d below the ACK", i);
		hi = hi < total + 1 ? hi : total + 1;
		if (lo < 1 || lo >= hi)
			continue;
		z = memchr(rx->arrived + lo - 1, 0, (size_t)(hi - lo));
		if (z)
			BAD("SACK of byte %ld that never arrived",
			    (long)(z - rx->arrived));
	}
}

static void tap_ack(struct peer *rx, const struct sseg *s, bool direct)
{
	struct tap *t = &rx->tap;
	int64_t ack = off_near(rx->una, rx->cfg.iss, s->ack);
	uint64_t have = 1 + rx->arr_contig, edge;
	int ws = rx->snd_ws > 0 ? rx->snd_ws : 0;

	if (rx->arr_contig == rx->cfg.tx_total && rx->fin_arrived)
		have++;
	if (ack < 1 || (uint64_t)ack > have) {
		BAD("ACK of offset %ld, arrived is %lu, sent is %lu", (long)ack,
		    (unsigned long)have, (unsigned long)rx->max);
		return;
	}
	if (t->seen && (uint64_t)ack < t->ack)
		BAD("ACK went back from %lu to %ld", (unsigned long)t->ack,
		    (long)ack);
	if (t->seen && !direct && (uint64_t)ack > t->edge + 1)
		BAD("ACK of %ld, beyond the edge %lu that was given", (long)ack,
		    (unsigned long)t->edge);
	edge = (uint64_t)ack + ((uint64_t)s->wnd << ws);
	/* a naive peer may round down (RFC 7323, 2.4), the engine not */
	if (t->seen && edge + (direct ? (1ull << ws) - 1 : 0) < t->edge)
		BAD("right window edge retreats from %lu to %lu",
		    (unsigned long)t->edge, (unsigned long)edge);
	t->seen = true;
	t->ack = (uint64_t)ack;
	t->edge = max_u64(t->edge, edge);
	tap_sacks(rx, s, (uint64_t)ack);
}

static void tap_text(struct peer *rx, const struct peer *tx,
		     const struct sseg *s, bool direct)
{
	int64_t off = off_near(rx->rcv_nxt, rx->irs, s->seq);
	uint64_t limit = !tx ? 0 : direct ? tx->written : tx->arr_contig;
	uint64_t end = (uint64_t)off + s->len;
	uint32_t d;

	if (off < 1) {
		/* only a keepalive points below the first byte */
		if (off < 0 || s->len)
			BAD("sequence number below the stream: %ld", (long)off);
		return;
	}
	if (s->len && end > limit + 1) {
		BAD("bytes up to %lu, but only %lu were given",
		    (unsigned long)end - 1, (unsigned long)limit);
		return;
	}
	if (s->len) {
		d = stream_compare(rx->cfg.key_rx, (uint64_t)off - 1, s->data,
				   s->len);
		if (d < s->len)
			BAD("changed byte at offset %lu",
			    (unsigned long)off - 1 + d);
	}
	if (end > rx->adv_edge &&
	    !(s->len <= 1 && (uint64_t)off <= rx->adv_edge))
		BAD("bytes up to %lu, beyond the window's edge %lu",
		    (unsigned long)end, (unsigned long)rx->adv_edge);
	if (s->flags & F_FIN) {
		if (end != rx->cfg.rx_total + 1)
			BAD("FIN at %lu, not at the end of the stream %lu",
			    (unsigned long)end,
			    (unsigned long)rx->cfg.rx_total + 1);
		if (!tx || !(direct ? tx->closing : tx->fin_arrived))
			BAD("FIN that nobody sent");
	}
}

/*
 * Data sent again and again while nothing comes back: each time it must take
 * about twice as long, up to two minutes (RFC 6298, 5.5).
 */
static void tap_backoff(struct peer *rx, uint64_t off, int64_t now)
{
	struct tap *t = &rx->tap;
	int64_t gap = now - t->again_at;

	if (off != t->again_off || rx->pkts_arrived != t->heard) {
		t->again_n = 0;
		t->again_gap = 0;
	} else if (t->again_n++ > 1 && gap < 110 * 1000000ll &&
		   gap < t->again_gap * 3 / 2) {
		BAD("sent again after %ld ms, the time before after %ld ms",
		    (long)gap / 1000, (long)t->again_gap / 1000);
	}
	t->again_gap = t->again_n ? gap : 0;
	t->again_off = off;
	t->heard = rx->pkts_arrived;
	t->again_at = now;
}

/* What is counted: volume, repetition, the first flight. */
static void tap_account(struct peer *rx, const struct sseg *s, bool direct,
			int64_t now)
{
	struct tap *t = &rx->tap;
	uint64_t off = (uint64_t)off_near(rx->rcv_nxt, rx->irs, s->seq);
	uint64_t end = off + s->len;
	uint32_t mss = max_u32(rx->cfg.mss, 1220);
	int64_t acked;

	if (!s->len) {
		t->acks += !(s->flags & F_FIN);
		return;
	}
	t->data += s->len;
	if (off < t->end) {
		t->retx += min_u64(end, t->end) - off;
		if (!direct && !rx->cfg.icmp)
			tap_backoff(rx, off, now);
	}
	if (s->ecn && (off < t->end))
		BAD("ECT in a retransmission");
	t->end = max_u64(t->end, end);
	acked = off_near(rx->rcv_nxt, rx->irs, rx->last_ack_sent);
	t->flight = max_u64(t->flight, t->end - (uint64_t)acked);
	/* RFC 6928: ten segments before the first answer, two for duplicate
	 * ACKs (RFC 3042), one as a probe (RFC 8985) */
	if (!direct && rx->told < 4 && end > 1 + 13ull * mss)
		BAD("first flight of %lu bytes", (unsigned long)end - 1);
	if (!direct && end == rx->cfg.rx_total + 1 &&
	    !(s->flags & (F_PSH | F_FIN)))
		BAD("the last byte is not pushed");
}

static void tap_marks(struct peer *rx, const struct peer *tx,
		      const struct sseg *s, bool direct)
{
	int64_t off = off_near(rx->rcv_nxt, rx->irs, s->seq);

	if (s->ecn && (!rx->ecn_on || !s->len))
		BAD("ECT that was not negotiated, or on no data");
	if (s->flags & F_ECE && !rx->tap.echo && !direct)
		BAD("ECE that no mark asks for");
	if (s->flags & F_CWR && !rx->ecn_on)
		BAD("CWR that was not negotiated");
	if (s->flags & F_URG && (!tx || !tx->cfg.urg_at ||
				 off + s->urg != 1 + (int64_t)tx->cfg.urg_at))
		BAD("urgent mark at %ld, not at %ld", (long)off + s->urg,
		    tx ? 1 + (long)tx->cfg.urg_at : 0l);
}

static void tap_size(struct peer *rx, const struct sseg *s)
{
	uint32_t mss = rx->cfg.mss, room;

	if (!mss)
		mss = rx->cfg.family == 4 ? 536 : 1220;
	room = mss > s->optlen ? mss - s->optlen : 0;
	if (s->len > room)
		BAD("segment of %u bytes and %u of options, MSS is %u", s->len,
		    s->optlen, mss);
}

void tap_check(struct peer *rx, const struct peer *tx, const struct sseg *s,
	       bool direct, int64_t now)
{
	if (s->flags & F_SYN && s->flags & (F_FIN | F_RST))
		BAD("SYN with FIN or RST");
	if (s->flags & F_RST && s->len)
		BAD("RST with data");
	if (s->flags & F_SYN && s->len)
		BAD("SYN with data");
	if (rx->state == P_SYN_SENT || !rx->rcv_nxt) {
		if (s->len && rx->state == P_SYN_SENT &&
		    s->ack == rx->cfg.iss + 1)
			BAD("data before the handshake");
		return;
	}
	if (s->flags & (F_RST | F_SYN)) {
		rx->tap.rst |= !!(s->flags & F_RST);
		if (s->flags & F_SYN && rx->established &&
		    s->ack != rx->cfg.iss + 1) {
			rx->tap.has_alien = true;
			rx->tap.alien = s->seq + 1;
		}
		return;
	}
	/* a challenge ACK of what a forged SYN has opened */
	if (rx->tap.has_alien && s->seq == rx->tap.alien && !s->len)
		return;
	/* an unbound entry of an old SYN: it will be told so */
	if (!rx->established && s->ack != rx->cfg.iss + 1)
		return;
	tap_options(rx, s);
	if (!direct)
		tap_size(rx, s);
	if (!(s->flags & F_ACK)) {
		BAD("neither SYN nor RST nor ACK");
		return;
	}
	tap_timestamp(rx, s);
	tap_ack(rx, s, direct);
	tap_text(rx, tx, s, direct);
	tap_marks(rx, tx, s, direct);
	tap_account(rx, s, direct, now);
	if (s->len && rx->tap.rst && !direct && rx->reset)
		BAD("data after a RST");
}
