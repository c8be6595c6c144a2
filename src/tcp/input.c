/* SPDX-License-Identifier: MIT */
/*
 * A segment arrives: RFC 9293, 3.10.7, with one function for each step, RFC
 * 5961's answers to blind attacks, and RFC 7323's PAWS.
 *
 * What is acceptable is decided as in Linux.  A segment may begin at the right
 * edge of the window (as the pure ACK of a peer that has filled it).  A segment
 * that ends before RCV.NXT is old.  With a zero window, the RST, ACK and URG of
 * a segment at RCV.NXT still count.
 */
#include "internal.h"

#define UTO_MIN_MS 100000u /* RFC 5482, 3.1: L_LIMIT */
#define PAWS_SLACK 1 /* ticks that a timestamp may be behind, as in Linux */

static enum drop_reason input_listen(struct leg *l, const struct segment *s)
{
	if (s->flags & TCP_RST) {
		if (!seq_eq(s->seq, l->rcv.nxt))
			return DROP_RST_WINDOW;
		leg_closed(l, TE_REFUSED, LEG_EV_RST); /* the client gave up */
		return DROP_NONE;
	}
	if (s->flags & TCP_SYN && seq_eq(s->seq, l->rcv.irs))
		return DROP_SYN_PENDING;
	return DROP_STATE;
}

/* RFC 7323, 5.3, R1.  A missing timestamp is accepted, as in Linux. */
static bool paws_rejects(const struct leg *l, const struct segment *s,
			 mono_t now)
{
	if (!l->ts_ok || !(s->opts.has & OPT_HAS_TS) || s->flags & TCP_RST)
		return false;
	if ((int32_t)(l->rcv.ts_recent - s->opts.tsval) <= PAWS_SLACK)
		return false;
	return sec_clock(now) - l->rcv.ts_recent_s < PAWS_AGE_S; /* 5.5 */
}

/*
 * Many stacks reset a connection that they have closed with the sequence number
 * of their FIN.  The FIN was accepted, so that number is one below RCV.NXT.
 * Like Linux, take it as exact in the states after the peer's FIN.
 */
static bool resets_at_fin(const struct leg *l, const struct segment *s)
{
	return s->flags & TCP_RST && seq_eq(s->seq, seq_sub(l->rcv.nxt, 1)) &&
	       (l->state == TS_CLOSE_WAIT || leg_is_over(l));
}

static enum drop_reason step_sequence(struct leg *l, const struct segment *s,
				      mono_t now)
{
	enum tcp_counter skipped = CNT_TcpExtTCPACKSkippedSeq;
	seq_t end = segment_end(s);
	enum drop_reason why = DROP_NONE;

	if (paws_rejects(l, s, now)) {
		leg_count(l, CNT_TcpExtPAWSEstab);
		why = DROP_PAWS;
	} else if (seq_lt(end, l->rcv.acked) ||
		   (seq_lt(end, l->rcv.nxt) && s->data.len == 0 &&
		    !(s->flags & TCP_FIN))) {
		why = DROP_SEQ_OLD;
	} else if (seq_gt(s->seq, seq_add(l->rcv.nxt, leg_rcv_wnd(&l->rcv)))) {
		why = DROP_SEQ_WINDOW;
	} else if (seq_lt(end, l->rcv.nxt)) {
		why = DROP_SEQ_OLD;
	}
	if (why == DROP_NONE || resets_at_fin(l, s))
		return DROP_NONE;
	if (s->flags & TCP_RST)
		return DROP_RST_WINDOW;
	if (why == DROP_PAWS)
		skipped = CNT_TcpExtTCPACKSkippedPAWS;
	if (why == DROP_SEQ_OLD && s->data.len &&
	    (l->rcv.irs_far || seq_gt(s->seq, l->rcv.irs))) {
		/* old data is always answered: this cannot loop, and the peer
		 * needs the ACK */
		reasm_note_dsack(l, s->seq, seq_add(s->seq, s->data.len));
		acker_now(&l->rcv);
		return why;
	}
	acker_out_of_window(l, skipped, now);
	return why;
}

static enum drop_reason step_rst(struct leg *l, const struct segment *s,
				 mono_t now)
{
	uint32_t wnd = max_u32(leg_rcv_wnd(&l->rcv), 1);

	if (seq_eq(s->seq, l->rcv.nxt) || resets_at_fin(l, s)) {
		bool refused = l->state == TS_SYN_RECEIVED && l->active;

		leg_closed(l, refused ? TE_REFUSED : TE_RCV_RST,
			   refused	    ? LEG_EV_REFUSED
			   : leg_is_over(l) ? LEG_EV_CLOSED
					    : LEG_EV_RST);
		return DROP_NONE;
	}
	if (seq_lt(s->seq, l->rcv.nxt) ||
	    seq_ge(s->seq, seq_add(l->rcv.nxt, wnd)))
		return DROP_RST_WINDOW;
	acker_challenge(l, now); /* RFC 5961, 3.2 */
	return DROP_RST_INEXACT;
}

static enum drop_reason step_syn(struct leg *l, mono_t now)
{
	leg_count(l, CNT_TcpExtTCPSYNChallenge);
	acker_challenge(l, now); /* RFC 5961, 4.2 */
	return DROP_SYN_IN_WINDOW;
}

static void step_ts_recent(struct leg *l, const struct segment *s, mono_t now)
{
	if (!l->ts_ok || !(s->opts.has & OPT_HAS_TS) ||
	    seq_gt(s->seq, l->rcv.acked))
		return;
	if ((int32_t)(s->opts.tsval - l->rcv.ts_recent) < 0 &&
	    sec_clock(now) - l->rcv.ts_recent_s < PAWS_AGE_S)
		return;
	l->rcv.ts_recent = s->opts.tsval;
	l->rcv.ts_recent_s = sec_clock(now);
}

/* SYN_RECEIVED: does it acknowledge our SYN, and nothing that was not sent? */
static bool acks_syn(const struct leg_snd *snd, const struct segment *s)
{
	return seq_gt(s->ack, snd->iss) && seq_le(s->ack, snd->nxt);
}

static enum drop_reason ack_syn_received(struct leg *l, const struct segment *s,
					 mono_t now)
{
	if (!acks_syn(&l->snd, s))
		return DROP_ACK_BAD;
	if (!mono_is_set(l->tmr.last_send)) /* no leg sent the SYN-ACK */
		ack_take_rtt(l, ack_echo_sample(l, s, now), now);
	else if (!l->tmr.retries && !l->snd.syn_pending)
		ack_take_rtt(l, mono_sub(now, l->tmr.last_send), now);
	l->snd.una = seq_add(l->snd.iss, 1);
	l->snd.syn_pending = false;
	l->snd.wl1 = s->seq;
	l->snd.wl2 = s->ack;
	l->snd.wnd = (uint32_t)s->wnd << (l->wscale_ok ? l->snd.wscale : 0);
	l->snd.max_wnd = l->snd.wnd;
	leg_set_state(l, TS_ESTABLISHED, TE_RCV_ACK);
	leg_established(l, now);
	return DROP_NONE;
}

/* Our FIN was acknowledged: change the state. */
static void ack_of_fin(struct leg *l, mono_t now)
{
	if (!l->end.fin_sent || !seq_eq(l->snd.una, l->snd.nxt))
		return;
	switch (l->state) {
	case TS_FIN_WAIT_1:
		leg_set_state(l, TS_FIN_WAIT_2, TE_RCV_ACK);
		if (l->end.sink_closed)
			timers_close(&l->tmr, l->cfg->fin_timeout, now);
		timers_keep(l, now);
		break;
	case TS_CLOSING:
		metrics_save(l, now);
		leg_set_state(l, TS_TIME_WAIT, TE_RCV_ACK);
		l->ev |= LEG_EV_TIME_WAIT;
		l->tmr.keep = MONO_UNSET;
		timers_close(&l->tmr, l->cfg->timewait_len, now);
		break;
	case TS_LAST_ACK:
		metrics_save(l, now);
		leg_closed(l, TE_RCV_ACK, LEG_EV_CLOSED);
		break;
	default:
		break;
	}
}

static enum drop_reason step_ack(struct leg *l, const struct segment *s,
				 mono_t now)
{
	enum drop_reason why;

	if (!(s->flags & TCP_ACK))
		return DROP_NO_ACK;
	if (l->state == TS_SYN_RECEIVED) {
		why = ack_syn_received(l, s, now);
		if (why != DROP_NONE)
			return why;
	}
	why = ack_process(l, s, now);
	if (why == DROP_NONE)
		ack_of_fin(l, now);
	if (why == DROP_NONE && l->end.rst_after_drain &&
	    leg_all_acked(&l->snd))
		leg_abort(l);
	return why;
}

/* The urgent pointer is relayed, and never used as an index (RFC 6093). */
static void step_urg(struct leg *l, const struct segment *s)
{
	seq_t up = seq_add(s->seq, s->urg);

	if (!(s->flags & TCP_URG) || l->end.fin_rcvd || !s->urg ||
	    seq_le(up, l->rcv.nxt))
		return;
	if (!l->rcv.urg_in || seq_gt(up, l->rcv.urg) ||
	    seq_le(l->rcv.urg, l->rcv.nxt)) {
		l->rcv.urg_in = true;
		l->rcv.urg = up;
		l->ev |= LEG_EV_URGENT;
	}
}

static enum drop_reason step_text(struct leg *l, const struct segment *s,
				  mono_t now)
{
	if (l->end.fin_rcvd && segment_len(s) &&
	    seq_le(segment_end(s), l->rcv.nxt)) { /* our ACK was lost */
		reasm_note_dsack(l, s->seq, segment_end(s));
		acker_now(&l->rcv);
		return DROP_DUPLICATE;
	}
	if (!s->data.len)
		return DROP_NONE;
	if (l->state != TS_ESTABLISHED && l->state != TS_FIN_WAIT_1 &&
	    l->state != TS_FIN_WAIT_2)
		return DROP_AFTER_FIN;
	if (l->end.sink_closed &&
	    seq_gt(seq_add(s->seq, s->data.len), l->rcv.nxt)) {
		/* new data that nobody will read */
		leg_count(l, CNT_TcpExtTCPAbortOnData);
		leg_abort(l);
		l->ev |= LEG_EV_RST;
		return DROP_AFTER_CLOSE;
	}
	if (l->rcv.fin_known &&
	    seq_gt(seq_add(s->seq, s->data.len), l->rcv.fin))
		return DROP_AFTER_FIN;
	return reasm_text(l, s, now);
}

/* RCV.NXT has reached the peer's FIN. */
static void fin_reached(struct leg *l, mono_t now)
{
	l->end.fin_rcvd = true;
	l->rcv.nxt = seq_add(l->rcv.nxt, 1);
	l->rcv.adv = seq_max(l->rcv.adv, l->rcv.nxt);
	l->ev |= LEG_EV_FIN;
	acker_now(&l->rcv);
	switch (l->state) {
	case TS_ESTABLISHED:
		leg_set_state(l, TS_CLOSE_WAIT, TE_RCV_FIN);
		timers_keep(l, now);
		break;
	case TS_FIN_WAIT_1: /* our FIN is not acknowledged yet */
		leg_set_state(l, TS_CLOSING, TE_RCV_FIN);
		break;
	case TS_FIN_WAIT_2:
		metrics_save(l, now);
		leg_set_state(l, TS_TIME_WAIT, TE_RCV_FIN);
		l->ev |= LEG_EV_TIME_WAIT;
		l->tmr.keep = MONO_UNSET;
		timers_stop_rtx(&l->tmr);
		timers_close(&l->tmr, l->cfg->timewait_len, now);
		break;
	default:
		break;
	}
}

void input_fin_check(struct leg *l, mono_t now)
{
	if (l->rcv.fin_known && !l->end.fin_rcvd &&
	    seq_eq(l->rcv.nxt, l->rcv.fin))
		fin_reached(l, now);
}

static void step_fin(struct leg *l, const struct segment *s, mono_t now)
{
	if (s->flags & TCP_FIN && !l->end.fin_rcvd && !l->rcv.fin_known) {
		seq_t at = seq_add(segment_end(s), (uint32_t)-1);

		/* in the window, and not before data that is already held */
		if (seq_le(at, seq_add(l->rcv.nxt, leg_rcv_wnd(&l->rcv))) &&
		    seq_ge(at, l->rcv.nxt) && seq_ge(at, reasm_end(&l->rcv))) {
			l->rcv.fin = at;
			l->rcv.fin_known = true;
		}
	}
	if (s->flags & TCP_FIN && l->rcv.fin_known && !l->end.fin_rcvd)
		acker_now(&l->rcv); /* at once, even if it is out of order */
	input_fin_check(l, now);
}

static enum drop_reason input_time_wait(struct leg *l, const struct segment *s,
					mono_t now)
{
	if (s->flags & TCP_RST)
		return DROP_TIME_WAIT;
	if (s->flags & TCP_FIN && seq_eq(segment_end(s), l->rcv.nxt))
		timers_close(&l->tmr, l->cfg->timewait_len, now);
	acker_out_of_window(l, CNT_TcpExtTCPACKSkippedTimeWait, now);
	return DROP_TIME_WAIT;
}

/* RFC 5482: the peer asks for a user timeout. tcp_user_timeout is the most that
 * it gets; with 0 the option is ignored. */
static void take_uto(struct leg *l, const struct segment *s)
{
	uint32_t value = s->opts.uto & 0x7fff, ms;

	if (!(s->opts.has & OPT_HAS_UTO) || !value || !l->cfg->user_timeout)
		return;
	ms = value * (s->opts.uto & 0x8000 ? 60000u : 1000u);
	l->tmr.uto_ms =
		min_u32(max_u32(ms, UTO_MIN_MS),
			(uint32_t)(l->cfg->user_timeout / USEC_PER_MSEC));
}

static void take_ecn(struct leg *l, const struct segment *s)
{
	if (!l->ecn_ok)
		return;
	if (s->flags & TCP_CWR)
		l->rcv.ece_pending = false;
	if (s->ecn == ECN_CE) {
		l->rcv.ece_pending = true;
		l->rcv.quickack = max_u32(l->rcv.quickack, 2) & 0xff;
		leg_count(l, CNT_TcpExtTCPDeliveredCE);
	}
}

static enum drop_reason input_synchronized(struct leg *l,
					   const struct segment *s, mono_t now)
{
	enum drop_reason why;

	/* the same SYN again: our SYN-ACK was lost */
	if (l->state == TS_SYN_RECEIVED && s->flags & TCP_SYN &&
	    !(s->flags & TCP_RST) && seq_eq(s->seq, l->rcv.irs)) {
		if (!(s->flags & TCP_ACK)) {
			l->snd.syn_pending |= acker_allows(
				l, CNT_TcpExtTCPACKSkippedSynRecv, now);
			return DROP_SYN_PENDING;
		}
		if (!acks_syn(&l->snd, s)) { /* a stray segment */
			acker_out_of_window(l, CNT_TcpExtTCPACKSkippedSynRecv,
					    now);
			return DROP_SEQ_OLD;
		}
		/* simultaneous open: their SYN-ACK */
		why = step_ack(l, s, now);
		acker_now(&l->rcv);
		return why;
	}
	why = step_sequence(l, s, now);
	if (why != DROP_NONE)
		return why;
	if (s->flags & TCP_RST)
		return step_rst(l, s, now);
	if (s->flags & TCP_SYN)
		return step_syn(l, now);
	why = step_ack(l, s, now);
	if (why != DROP_NONE || l->state == TS_CLOSED)
		return why;
	step_ts_recent(l, s, now);
	take_ecn(l, s);
	take_uto(l, s);
	step_urg(l, s);
	why = step_text(l, s, now);
	if (l->state != TS_CLOSED)
		step_fin(l, s, now);
	return why;
}

enum drop_reason leg_input(struct leg *l, const struct segment *s, mono_t now)
{
	enum drop_reason why;

	leg_count(l, CNT_TcpInSegs);
	l->tally.segs_in++;
	switch (l->state) {
	case TS_CLOSED:
		why = DROP_STATE;
		break;
	case TS_LISTEN:
		why = input_listen(l, s);
		break;
	case TS_SYN_SENT:
		why = handshake_syn_sent(l, s, now);
		break;
	case TS_TIME_WAIT:
		why = input_time_wait(l, s, now);
		break;
	default:
		why = input_synchronized(l, s, now);
		break;
	}
	if (why == DROP_NONE || why == DROP_DUPLICATE)
		timers_on_receive(l, now);
	if (why != DROP_NONE) {
		l->env->stats->drop[why]++;
		l->tally.dropped = (uint8_t)why;
	}
	leg_arm(l);
	return why;
}

/*
 * A packet was too big for the path.  There is a lower limit for the path MTU,
 * or a forged message could make segments tiny.  Below it, IPv4 packets may be
 * fragmented by routers, as in Linux.
 */
static enum drop_reason too_big(struct leg *l, const struct icmp_error *e,
				mono_t now)
{
	uint32_t least = l->family == 4 ? 552 : 1280;
	uint32_t mtu = max_u32(e->mtu, least);
	bool cut = l->family == 4 && e->mtu < least && !l->snd.pmtu_blackhole;

	if (mtu >= l->snd.pmtu && !cut)
		return DROP_ICMP_OUT_OF_WINDOW;
	l->snd.pmtu = (uint16_t)min_u32(mtu, l->snd.pmtu);
	l->snd.pmtu_blackhole |= cut;
	leg_set_mss(l);
	/* what was too large was lost: send it again, in smaller segments */
	board_mark_all_lost(l, false);
	timers_restart_rtx(l, now);
	leg_arm(l);
	return DROP_NONE;
}

enum drop_reason leg_icmp(struct leg *l, const struct icmp_error *e, mono_t now)
{
	if (l->state == TS_CLOSED || l->state == TS_LISTEN)
		return DROP_ICMP_NO_FLOW;
	/* RFC 5927, 4: the quoted segment must be in flight */
	if (seq_lt(e->seq, l->snd.una) || seq_ge(e->seq, l->snd.nxt))
		return DROP_ICMP_OUT_OF_WINDOW;
	if (e->kind == ICMP_K_UNREACH_HARD && l->state == TS_SYN_SENT) {
		leg_closed(l, TE_REFUSED, LEG_EV_UNREACH);
		return DROP_NONE;
	}
	if (e->kind == ICMP_K_PTB && leg_synchronized(l))
		return too_big(l, e, now);
	return DROP_NONE;
}
