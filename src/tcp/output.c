/* SPDX-License-Identifier: MIT */
/*
 * What to send next.  Each call makes one packet, in this order: RST, SYN,
 * probes, lost data, new data (with FIN), and last an ACK if no other packet
 * carried it.
 *
 * A packet holds up to 64 KiB, which the kernel cuts into segments of gso_size.
 * It refers to the send queue; nothing is copied.  Its size is limited by the
 * peer's window, by cwnd - pipe, and by the pacing burst.
 */
#include "internal.h"

#define PACE_MIN_RTT_US 2000u /* below it timers are too coarse */
#define PACE_SLICE_US 1000u
#define PACE_LATE_MAX_US 8000
#define PACE_HELD_MAX_US 20000

static uint8_t ect(const struct leg *l, bool data, bool retx)
{
	return l->ecn_ok && data && !retx ? ECN_ECT0 : ECN_NOT_ECT;
}

static void fill_opts(struct leg *l, struct tcp_opts *o, bool with_sack,
		      mono_t now)
{
	o->has = 0;
	o->nsack = 0;
	if (l->ts_ok) {
		o->has = OPT_HAS_TS;
		o->tsval = leg_tsval(&l->snd, now);
		o->tsecr = l->rcv.ts_recent;
	}
	if (with_sack)
		reasm_sack_blocks(l, o, l->ts_ok ? 3 : 4);
}

struct emit {
	seq_t seq;
	uint32_t len;
	uint16_t flags;
	uint16_t gso;
	bool retx;
};

static void set_flags(struct leg *l, struct hdr_spec *h, const struct emit *m)
{
	h->flags = m->flags | TCP_ACK;
	if (l->rcv.ece_pending)
		h->flags |= TCP_ECE;
	if (l->snd.cwr_pending && m->len && !m->retx) {
		h->flags |= TCP_CWR;
		l->snd.cwr_pending = false;
	}
	if (l->snd.urg_out && m->len && seq_gt(l->snd.urg, m->seq)) {
		uint32_t up = seq_span(l->snd.urg, m->seq);

		if (up <= 65535) {
			h->flags |= TCP_URG;
			h->urg = (uint16_t)up;
		}
	}
}

/* As in Linux: a connection counts its IPv4 packets, and the kernel counts on
 * when it cuts one into segments. */
static uint16_t take_ip_id(struct leg_snd *snd, uint32_t packets)
{
	uint16_t id = snd->ip_id;

	snd->ip_id = (uint16_t)(id + packets);
	return id;
}

/* Header and payload of a segment of a synchronized leg. */
static void emit(struct leg *l, struct tx *tx, const struct emit *m,
		 struct tcp_opts *o)
{
	struct hdr_spec h = {.t = &l->t,
			     .opts = o,
			     .seq = m->seq,
			     .ack = l->rcv.nxt,
			     .ttl = l->ttl,
			     .df = !l->snd.pmtu_blackhole,
			     .flow_label = wire_flow_label(l->snd.iss),
			     .tos = ect(l, m->len > 0, m->retx)};
	uint32_t packets = m->len > m->gso ? (m->len - 1) / m->gso + 1 : 1;

	h.ip_id = take_ip_id(&l->snd, packets);
	set_flags(l, &h, m);
	h.wnd = window_advertise(l, false);
	if (!m->len)
		tx->niov = 0;
	tx->payload = m->len;
	tx->gso_size = m->len > m->gso ? m->gso : 0;
	wire_build(tx, &h, m->len);
	leg_count(l, CNT_TcpOutSegs);
	l->tally.segs_out += packets;
	reasm_sacked(&l->rcv, o);
	acker_sent(l);
}

/*
 * Describe the payload [seq, seq+len) in tx->iov.  If there are too few
 * entries, the packet is cut at a multiple of @mss, and the rest waits for the
 * next one.
 * Return: bytes described
 */
static uint32_t fill_iov(struct leg *l, struct tx *tx, seq_t seq, uint32_t len,
			 uint32_t mss)
{
	uint32_t got = 0, over;

	if (!len)
		return 0;
	tx->niov = (uint16_t)bufq_peek(&l->snd.q,
				       seq_span(seq, leg_snd_front(l)), len,
				       tx->iov, TX_IOV_MAX, &got);
	if (got >= len || got <= mss)
		return got;
	for (over = got % mss; over;) {
		struct iovec *v = &tx->iov[tx->niov - 1];
		uint32_t n = min_u32(over, (uint32_t)v->iov_len);

		v->iov_len -= n;
		over -= n;
		if (!v->iov_len)
			tx->niov--;
	}
	return got - got % mss;
}

static bool out_rst(struct leg *l, struct tx *tx, mono_t now)
{
	struct tcp_opts o = {0};
	struct hdr_spec h = {.t = &l->t,
			     .opts = &o,
			     .seq = l->snd.nxt,
			     .ack = l->rcv.nxt,
			     .flags = TCP_RST | (l->end.rst_ack ? TCP_ACK : 0),
			     .ttl = l->ttl,
			     .ip_id = take_ip_id(&l->snd, 1),
			     .flow_label = wire_flow_label(l->snd.iss),
			     .df = true};

	if (seq_eq(l->snd.nxt, seq_add(l->snd.iss, 1)) && l->snd.syn_unsent)
		h.seq = SEQ(0); /* no SYN was answered: 3.10.7.1 */
	else if (l->ts_ok)
		fill_opts(l, &o, false, now);
	l->end.rst_pending = false;
	tx->niov = 0;
	tx->payload = 0;
	tx->gso_size = 0;
	wire_build(tx, &h, 0);
	leg_count(l, CNT_TcpOutSegs);
	l->tally.segs_out++;
	leg_count(l, CNT_TcpOutRsts);
	return true;
}

static void syn_options(struct leg *l, struct tcp_opts *o, mono_t now)
{
	memset(o, 0, sizeof(*o));
	o->has = OPT_HAS_MSS;
	o->mss = leg_mss_offer(l->family);
	if (l->ts_ok) {
		o->has |= OPT_HAS_TS;
		o->tsval = leg_tsval(&l->snd, now);
		o->tsecr = l->state == TS_SYN_SENT ? 0 : l->rcv.ts_recent;
	}
	if (l->sack_ok)
		o->has |= OPT_HAS_SACKOK;
	if (l->wscale_ok) {
		o->has |= OPT_HAS_WSCALE;
		o->wscale = l->rcv.wscale;
	}
	if (l->behave && l->behave->syn_opts)
		l->behave->syn_opts(l, o);
}

static bool board_full(const struct leg *l)
{
	return !l->loss.run_head && l->env->runs->used >= l->env->runs->max;
}

/* The first Fast Open SYN carries data.  A repeated SYN does not, because some
 * paths drop such SYNs (RFC 7413, 4.1.3). */
static uint32_t syn_data(struct leg *l, struct tx *tx, mono_t now)
{
	seq_t start = seq_add(l->snd.iss, 1);
	uint32_t len;

	if (!l->tfo_data || !seq_eq(l->snd.nxt, start) || board_full(l))
		return 0;
	/* the options of a SYN may take all 40 bytes */
	len = min_u32(l->snd.mss,
		      l->snd.pmtu - (l->family == 4 ? 40u : 60u) - 40);
	len = fill_iov(l, tx, start, min_u32(l->snd.q.bytes, len), l->snd.mss);
	if (!len)
		return 0;
	l->snd.nxt = seq_add(start, len);
	board_sent(l, start, l->snd.nxt, now);
	return len;
}

static bool out_syn(struct leg *l, struct tx *tx, mono_t now)
{
	bool ack = l->state == TS_SYN_RECEIVED;
	struct tcp_opts o;
	struct hdr_spec h = {.t = &l->t,
			     .opts = &o,
			     .seq = l->snd.iss,
			     .ack = ack ? l->rcv.nxt : SEQ(0),
			     .flags = TCP_SYN | (ack ? TCP_ACK : 0),
			     .ttl = l->ttl,
			     .ip_id = ack ? (uint16_t)0
					  : take_ip_id(&l->snd, 1),
			     .flow_label = wire_flow_label(l->snd.iss),
			     .df = true};

	syn_options(l, &o, now);
	if (l->tfo_opt && l->env->tfo_opts)
		l->env->tfo_opts(l, &o);
	if (l->ecn_ok)
		h.flags |= ack ? TCP_ECE : TCP_ECE | TCP_CWR;
	h.wnd = ack ? window_advertise(l, true)
		    : (uint16_t)leg_window_offer(l->cfg);
	l->snd.syn_pending = l->snd.syn_unsent = false;
	l->tmr.last_send = now;
	tx->niov = 0;
	tx->gso_size = 0;
	tx->payload = ack ? 0 : syn_data(l, tx, now);
	wire_build(tx, &h, tx->payload);
	leg_count(l, CNT_TcpOutSegs);
	l->tally.segs_out++;
	if (ack)
		acker_sent(l);
	return true;
}

/* Zero-window and keepalive probes: an ACK from just before una. */
static bool out_probe(struct leg *l, struct tx *tx, mono_t now)
{
	struct emit m = {.seq = seq_sub(l->snd.una, 1), .gso = l->snd.mss};
	struct tcp_opts o;

	l->snd.probe_pending = false;
	fill_opts(l, &o, false, now);
	emit(l, tx, &m, &o);
	return true;
}

/* The sequence number of a pure ACK: one that the peer accepts even if it has
 * shrunk its window below the data in flight. */
static seq_t acceptable_seq(const struct leg_snd *snd)
{
	return seq_max(snd->una,
		       seq_min(snd->nxt, seq_add(snd->una, snd->wnd)));
}

static bool out_ack(struct leg *l, struct tx *tx, mono_t now)
{
	struct emit m = {.seq = acceptable_seq(&l->snd), .gso = l->snd.mss};
	struct tcp_opts o;

	if (l->behave && l->behave->may_ack && !l->behave->may_ack(l, now)) {
		l->rcv.owed = ACK_NONE;
		return false;
	}
	fill_opts(l, &o, true, now);
	emit(l, tx, &m, &o);
	if (l->rcv.dup_owed && --l->rcv.dup_owed) /* the next one */
		acker_now(&l->rcv);
	return true;
}

/*
 * The payload limit of one packet (TSO autosizing): what the pacing rate allows
 * in a millisecond, at least two segments.  It is at most half of the window,
 * so that other packets in flight can reveal its loss.
 */
static uint32_t burst_limit(const struct leg *l)
{
	const struct cc_model *m = leg_model(&l->cc);
	uint64_t n = l->cc.cwnd / 2;

	if (m)
		n = m->quantum(&l->cc);
	else if (l->rtt.smoothed_us >= PACE_MIN_RTT_US)
		n = (uint64_t)l->cc.cwnd * 2 * PACE_SLICE_US /
		    l->rtt.smoothed_us;
	n = n > l->cc.cwnd / 2 ? l->cc.cwnd / 2 : n;
	n = n > TX_PAYLOAD_MAX ? TX_PAYLOAD_MAX : n;
	return min_u32(max_u32((uint32_t)n, 2u * l->snd.mss), TX_PAYLOAD_MAX);
}

/* The first window is sent at once (RFC 6928), as in Linux. */
static bool is_first_window(const struct leg *l)
{
	return !l->snd.iss_far &&
	       seq_span(l->snd.nxt, seq_add(l->snd.iss, 1)) <=
		       leg_initial_cwnd(&l->snd);
}

/* How long @bytes last at the pace of the leg, us. */
static int64_t pace_gap(const struct leg *l, uint32_t bytes)
{
	const struct cc_model *m = leg_model(&l->cc);
	uint64_t num, den;

	if (m)
		return (int64_t)((uint64_t)bytes * USEC_PER_SEC /
				 m->rate(&l->cc));
	if (l->rtt.smoothed_us < PACE_MIN_RTT_US || !l->cc.cwnd)
		return 0;
	num = (uint64_t)bytes * l->rtt.smoothed_us * 10;
	den = l->cc.cwnd * leg_pace_tenths(&l->cc);
	return (int64_t)(num / den);
}

/*
 * Time that has passed unused, and of which what was not sent may be sent now.
 * A busy host wakes us late.  Where the pace held the packet back, all counts
 * that is not more than PACE_HELD_MAX_US: or each late timer lowered the rate,
 * and BBR would take the rate at which it sends for that of the path, and send
 * more slowly still.  Otherwise it is half of the next gap at most, as in Linux.
 */
static int64_t pace_credit(const struct leg *l, int64_t gap_us, mono_t now)
{
	int64_t late = mono_sub(now, l->cc.pace_next);

	if (l->cc.pace_held)
		return late < PACE_HELD_MAX_US ? late : PACE_HELD_MAX_US;
	if (late > PACE_LATE_MAX_US)
		return 0;
	return late < gap_us / 2 ? late : gap_us / 2;
}

static void pace_account(struct leg *l, uint32_t bytes, mono_t now)
{
	int64_t gap_us = is_first_window(l) ? 0 : pace_gap(l, bytes);

	if (!gap_us)
		return;
	if (mono_before(l->cc.pace_next, now))
		l->cc.pace_next = mono_add(now, -pace_credit(l, gap_us, now));
	l->cc.pace_next = mono_add(l->cc.pace_next, gap_us);
}

static bool pace_holds(struct leg *l, mono_t now)
{
	if (mono_sub(l->cc.pace_next, now) <= PACE_SLICE_US)
		return false;
	l->tmr.pace = mono_add(l->cc.pace_next, -(int64_t)PACE_SLICE_US);
	return true;
}

/* Payload bytes per segment with these options. */
static uint32_t seg_size(const struct leg *l, const struct tcp_opts *o)
{
	uint32_t full = l->snd.mss + (l->ts_ok ? TS_OPT_BYTES : 0);
	uint32_t opts = wire_opts_len(o, false);

	return full > opts + 8 ? full - opts : 8;
}

static bool out_retransmit(struct leg *l, struct tx *tx, mono_t now)
{
	struct run *r = l->loss.lost;
	uint32_t pipe, len, mss, room;
	struct emit m = {.retx = true};
	struct tcp_opts o;
	bool fin;

	if (!r)
		return false;
	pipe = board_pipe(l);
	if (pipe >= l->cc.cwnd || (pipe && pace_holds(l, now)))
		return false;
	if (seq_gt(r->start, l->snd.una) &&
	    seq_ge(r->start, seq_add(l->snd.una, l->snd.wnd)))
		return false;
	fill_opts(l, &o, true, now);
	mss = seg_size(l, &o);
	m.seq = r->start;
	m.gso = (uint16_t)mss;
	len = seq_span(r->end, r->start);
	fin = l->end.fin_sent && seq_eq(r->end, l->snd.nxt);
	len -= fin;
	room = max_u32(l->cc.cwnd - pipe, mss);
	room = min_u32(room, l->snd.urg_out ? mss : burst_limit(l));
	if (l->behave && l->behave->max_seg)
		room = l->behave->max_seg(l, room);
	if (len > room) {
		len = room >= mss ? room / mss * mss : room;
		fin = false;
	}
	m.len = fill_iov(l, tx, m.seq, len, mss);
	fin = fin && m.len == len;
	len = m.len;
	m.flags = (fin ? TCP_FIN : 0) | (len ? TCP_PSH : 0);
	emit(l, tx, &m, &o);
	board_retransmitted(l, m.seq, seq_add(m.seq, len + fin), now);
	recovery_note_retransmit(l, len + fin, seq_add(m.seq, len + fin), now);
	pace_account(l, len, now);
	l->tmr.last_send = now;
	if (l->tmr.rtx_kind == RTX_NONE || l->tmr.rtx_kind == RTX_TLP)
		timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
	return true;
}

/* Start probing when data is queued, nothing is in flight, and the peer's
 * window is too small. */
static void persist_check(struct leg *l, mono_t now)
{
	if (!board_outstanding(&l->snd) && l->tmr.rtx_kind == RTX_NONE)
		timers_set_rtx(l, RTX_PERSIST, rtt_rto(&l->rtt), now);
}

static bool may_send_fin(struct leg *l, mono_t now)
{
	if (!l->end.fin_queued || l->end.fin_sent || !leg_synchronized(l))
		return false;
	if (l->behave && l->behave->may_fin && !l->behave->may_fin(l, now))
		return false;
	return true;
}

/* Restart after idle (RFC 5681, 4.1): the old window is no longer valid. */
static void idle_restart(struct leg *l, mono_t now)
{
	if (!l->cfg->slow_start_after_idle || leg_model(&l->cc) ||
	    board_outstanding(&l->snd) ||
	    mono_sub(now, l->tmr.last_send) < (int64_t)l->rtt.rto_us)
		return;
	if (l->cc.cwnd > leg_initial_cwnd(&l->snd)) {
		l->cc.ssthresh = max_u32(l->cc.ssthresh, l->cc.cwnd / 4 * 3);
		l->cc.cwnd = leg_initial_cwnd(&l->snd);
		leg_cc(&l->cc)->reset(&l->cc);
	}
}

/*
 * Payload bytes of the next new packet: 0 when none may be sent.  @queued bytes
 * wait beyond SND.NXT.
 */
static uint32_t new_len(struct leg *l, uint32_t queued, uint32_t mss,
			mono_t now)
{
	seq_t edge = seq_add(l->snd.una, l->snd.wnd);
	uint32_t wnd = seq_gt(edge, l->snd.nxt) ? seq_span(edge, l->snd.nxt)
						: 0;
	uint32_t pipe = board_pipe(l), room, len;

	if (!queued)
		return 0;
	if (queued > wnd && l->cc.cwnd > pipe + wnd)
		cc_tell(l, CC_WINDOW_IS_FULL);
	len = min_u32(queued, wnd);
	if (!len || (len < queued && len < mss && len < l->snd.max_wnd / 2 &&
		     !l->snd.probe_pending)) {
		persist_check(l, now); /* silly window avoidance */
		return 0;
	}
	room = l->cc.cwnd > pipe ? l->cc.cwnd - pipe : 0;
	if (l->loss.tlp_pending)
		room = max_u32(room, mss);
	if (room < len) {
		l->cc.limited = true;
		if (room < mss)
			return 0;
	} else if (pipe + len < l->cc.cwnd / 2) {
		l->cc.limited = false;
	}
	if (!l->loss.tlp_pending && pace_holds(l, now))
		return 0;
	len = min_u32(len, min_u32(room, burst_limit(l)));
	/* if the kernel cut it, each segment would repeat the urgent pointer */
	if (l->snd.urg_out)
		len = min_u32(len, mss);
	if (l->behave && l->behave->max_seg)
		len = l->behave->max_seg(l, len);
	if (len > mss && len < queued)
		len = len / mss * mss;
	return len;
}

static void sent_new(struct leg *l, uint32_t len, bool fin, mono_t now)
{
	seq_t start = l->snd.nxt;

	if (!board_outstanding(&l->snd))
		cc_on_unused(&l->cc, now);
	l->snd.nxt = seq_add(l->snd.nxt, len + fin);
	board_sent(l, start, l->snd.nxt, now);
	if (l->cfg->notsent_lowat != UINT32_MAX)
		l->ev |= LEG_EV_ROOM;
	l->tmr.last_send = now;
	l->snd.probe_pending = false;
	if (l->loss.ca == CA_RECOVERY || l->loss.ca == CA_CWR)
		l->loss.prr_out += len;
	if (fin) {
		l->end.fin_sent = true;
		leg_set_state(l,
			      l->state == TS_CLOSE_WAIT ? TS_LAST_ACK
							: TS_FIN_WAIT_1,
			      TE_CLOSE);
	}
	if (l->loss.tlp_pending) {
		l->loss.tlp_pending = false;
		l->loss.rack.tlp_active = true;
		l->loss.rack.tlp_is_retrans = false;
		l->loss.rack.tlp_end = l->snd.nxt;
		if (l->tmr.rtx_kind == RTX_NONE) /* an ACK came meanwhile */
			timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
	} else if (l->tmr.rtx_kind == RTX_NONE ||
		   l->tmr.rtx_kind == RTX_PERSIST ||
		   l->tmr.rtx_kind == RTX_TLP) {
		timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
		tlp_arm(l, now);
	}
	pace_account(l, len, now);
}

static bool out_new(struct leg *l, struct tx *tx, mono_t now)
{
	uint32_t sent = seq_span(l->snd.nxt, leg_snd_front(l)), queued, mss,
		 len;
	struct emit m = {.seq = l->snd.nxt};
	struct tcp_opts o;
	bool fin;

	if (l->end.fin_sent || l->state == TS_TIME_WAIT ||
	    (l->loss.lost_bytes && l->loss.frto != FRTO_NEW_DATA))
		return false;
	queued = l->snd.q.bytes - sent;
	if (!queued && board_pipe(l) < l->cc.cwnd)
		cc_tell(l, CC_NOTHING_TO_SEND);
	if (!queued && !may_send_fin(l, now))
		return false;
	if (board_full(l)) { /* no run left: try again soon */
		l->tmr.pace = mono_add(now, 10 * USEC_PER_MSEC);
		return false;
	}
	idle_restart(l, now);
	fill_opts(l, &o, true, now);
	mss = seg_size(l, &o);
	len = new_len(l, queued, mss, now);
	if (queued && !len)
		return false;
	len = fill_iov(l, tx, m.seq, len, mss);
	/* the FIN takes up window too */
	fin = len == queued && may_send_fin(l, now) &&
	      seq_lt(seq_add(l->snd.nxt, len), seq_add(l->snd.una, l->snd.wnd));
	if (!len && !fin) {
		persist_check(l, now);
		return false;
	}
	m.len = len;
	m.gso = (uint16_t)mss;
	m.flags = (fin ? TCP_FIN : 0) | (len && len == queued ? TCP_PSH : 0);
	emit(l, tx, &m, &o);
	sent_new(l, len, fin, now);
	return true;
}

/* The tail loss probe: new data if there is any, otherwise the last segment. */
static bool out_tlp(struct leg *l, struct tx *tx, mono_t now)
{
	struct run *t = board_tail(&l->loss);
	struct emit m = {.retx = true};
	struct tcp_opts o;
	uint32_t len, mss;
	bool fin;

	if (out_new(l, tx, now))
		return true;
	l->loss.tlp_pending = false;
	if (!t || t->state != RUN_SENT)
		return false;
	fill_opts(l, &o, true, now);
	mss = seg_size(l, &o);
	fin = l->end.fin_sent;
	len = min_u32(seq_span(t->end, t->start) - fin, mss);
	m.seq = seq_sub(l->snd.nxt, len + fin);
	m.len = len;
	m.gso = (uint16_t)mss;
	m.flags = (fin ? TCP_FIN : 0) | (len ? TCP_PSH : 0);
	if (fill_iov(l, tx, m.seq, len, mss) < len)
		return false; /* too many small slices: leave it to the RTO */
	emit(l, tx, &m, &o);
	board_retransmitted(l, m.seq, l->snd.nxt, now);
	recovery_note_retransmit(l, len + fin, l->snd.nxt, now);
	l->loss.rack.tlp_active = true;
	l->loss.rack.tlp_is_retrans = true;
	l->loss.rack.tlp_end = l->snd.nxt;
	return true;
}

static bool out_data(struct leg *l, struct tx *tx, mono_t now)
{
	bool may_new = leg_can_send(l) || l->state == TS_SYN_RECEIVED;

	if (l->loss.tlp_pending && out_tlp(l, tx, now))
		return true;
	if (l->loss.frto == FRTO_NEW_DATA) {
		if (may_new && out_new(l, tx, now))
			return true;
		if (seq_gt(l->snd.nxt, l->loss.recover) ||
		    mono_is_set(l->tmr.pace))
			return false;
		l->loss.frto = FRTO_OFF; /* there is no new data */
	}
	if (l->loss.lost_bytes && out_retransmit(l, tx, now))
		return true;
	return may_new && out_new(l, tx, now);
}

bool leg_answer_loss(struct leg *l, struct tx *tx, mono_t now)
{
	if (l->rcv.owed != ACK_NOW || !l->rcv.ooo || !leg_synchronized(l) ||
	    l->mute)
		return false;
	return out_ack(l, tx, now);
}

static bool may_send_data(const struct leg *l)
{
	return (leg_synchronized(l) && l->state != TS_TIME_WAIT) ||
	       (l->state == TS_SYN_RECEIVED && l->tfo_early);
}

/* A peer without SACK does not count a duplicate ACK that carries data. */
static bool dupack_due(const struct leg *l)
{
	return l->rcv.owed == ACK_NOW && acker_is_counted(l) &&
	       leg_synchronized(l);
}

bool leg_output(struct leg *l, struct tx *tx, mono_t now)
{
	bool sent = false;

	if (l->end.rst_pending)
		return out_rst(l, tx, now);
	if (l->state == TS_CLOSED || l->state == TS_LISTEN ||
	    (l->mute && l->state != TS_SYN_SENT))
		return false;
	if (l->snd.syn_pending)
		sent = out_syn(l, tx, now);
	else if (dupack_due(l) && out_ack(l, tx, now))
		sent = true;
	else if (may_send_data(l) && out_data(l, tx, now))
		sent = true;
	else if (l->snd.probe_pending && leg_synchronized(l))
		sent = out_probe(l, tx, now);
	else if (l->rcv.owed == ACK_NOW &&
		 (leg_synchronized(l) || l->state == TS_SYN_RECEIVED))
		sent = out_ack(l, tx, now);
	if (!sent)
		l->cc.pace_held = mono_is_set(l->tmr.pace);
	leg_arm(l);
	return sent;
}
