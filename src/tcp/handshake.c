/* SPDX-License-Identifier: MIT */
/*
 * Opening a connection: which options both ends support, and segments that
 * arrive in SYN_SENT (RFC 9293, 3.10.7.3).
 */
#include "internal.h"

void handshake_take_options(struct leg *l, const struct tcp_opts *o)
{
	if (o->has & OPT_HAS_MSS && o->mss)
		l->snd.peer_mss = o->mss;
	else
		l->snd.peer_mss = l->family == 4 ? 536 : 1220;
	if (l->wscale_ok)
		l->snd.wscale = o->wscale > WSCALE_MAX ? (uint8_t)WSCALE_MAX
						       : o->wscale;
	else
		l->rcv.wscale = 0;
	leg_set_mss(l);
}

void leg_synack_opts(const struct tcp_cfg *cfg, const struct tcp_opts *syn,
		     uint16_t mss, uint32_t tsval, uint32_t tsecr,
		     struct tcp_opts *out)
{
	memset(out, 0, sizeof(*out));
	out->has = OPT_HAS_MSS;
	out->mss = mss;
	if (cfg->timestamps && syn->has & OPT_HAS_TS) {
		out->has |= OPT_HAS_TS;
		out->tsval = tsval;
		out->tsecr = tsecr;
	}
	if (cfg->sack && syn->has & OPT_HAS_SACKOK)
		out->has |= OPT_HAS_SACKOK;
	if (cfg->window_scaling && syn->has & OPT_HAS_WSCALE) {
		out->has |= OPT_HAS_WSCALE;
		out->wscale = leg_wscale_offer(cfg);
	}
}

static void take_syn(struct leg *l, const struct segment *s, mono_t now)
{
	l->rcv.syn_rcvd = true;
	l->rcv.irs = s->seq;
	l->rcv.nxt = l->rcv.adv = l->rcv.acked = seq_add(s->seq, 1);
	l->ts_ok = l->ts_ok && s->opts.has & OPT_HAS_TS;
	l->sack_ok = l->sack_ok && s->opts.has & OPT_HAS_SACKOK;
	l->wscale_ok = l->wscale_ok && s->opts.has & OPT_HAS_WSCALE;
	if (l->ts_ok) {
		l->rcv.ts_recent = s->opts.tsval;
		l->rcv.ts_recent_s = sec_clock(now);
	}
	handshake_take_options(l, &s->opts);
	/* the SYN that we sent advertised this much */
	l->rcv.adv = seq_add(l->rcv.nxt, leg_window_offer(l->cfg));
	l->snd.wnd = l->snd.max_wnd = s->wnd;
	l->snd.wl1 = s->seq;
	l->snd.wl2 = s->ack;
}

static enum drop_reason syn_ack(struct leg *l, const struct segment *s,
				mono_t now)
{
	take_syn(l, s, now);
	l->ecn_ok = l->ecn_ok && (s->flags & TCP_ECE) && !(s->flags & TCP_CWR);
	if (!l->tmr.retries)
		ack_take_rtt(l, mono_sub(now, l->tmr.last_send), now);
	l->snd.una = seq_add(l->snd.iss, 1);
	l->snd.syn_pending = false;
	leg_set_state(l, TS_ESTABLISHED, TE_RCV_SYN_ACK);
	leg_established(l, now);
	if (l->loss.run_head) { /* the SYN had data: acknowledged or refused */
		if (seq_gt(s->ack, l->snd.una))
			ack_process(l, s, now);
		else
			board_mark_all_lost(l, false);
	}
	acker_now(&l->rcv);
	if (s->data.len && !l->end.fin_rcvd)
		return reasm_text(l, s, now);
	return DROP_NONE;
}

/* Both ends sent a SYN (RFC 9293, 3.5): answer with SYN and ACK.  A mute leg
 * must not; the peer answers our SYN with a SYN-ACK anyway. */
static enum drop_reason simultaneous(struct leg *l, const struct segment *s,
				     mono_t now)
{
	if (l->mute)
		return DROP_SYN_PENDING;
	take_syn(l, s, now);
	l->ecn_ok = false;
	l->rcv.adv = l->rcv.nxt; /* advertised by the SYN-ACK */
	leg_set_state(l, TS_SYN_RECEIVED, TE_RCV_SYN);
	l->snd.syn_pending = true;
	timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
	return DROP_NONE;
}

/*
 * The server answers our SYN with the ACK of a connection that it still has on
 * these addresses: mostly a TIME_WAIT from a time when penstock was not in the
 * path.  The engine sends the RST that RFC 9293, 3.10.7.3 asks for.  It ends a
 * half-open connection and, unless tcp_rfc1337 is set, a TIME_WAIT.  Linux
 * waits two ticks before it sends its SYN again.  We send it at once, with
 * numbers above those in the ACK.  The server then takes the SYN as a newer
 * incarnation (RFC 6191) even if it ignores the RST; and if the RST arrives
 * after the SYN, it is outside the window.  The random part of the first number
 * is kept.  This happens once per dial, so a forged ACK causes only one more
 * SYN.
 */
static void syn_again_above(struct leg *l, const struct segment *s, mono_t now)
{
	uint32_t random = seq_span(l->snd.iss, s->ack) & (BIT(30) - 1);
	int32_t ahead = (int32_t)(leg_tsval(&l->snd, now) - s->opts.tsecr);

	board_purge(l); /* Fast Open data is sent after the handshake */
	l->tfo_opt = l->tfo_data = false;
	l->snd.iss = l->snd.una = seq_add(s->ack, BIT(16) + random);
	l->snd.nxt = seq_add(l->snd.iss, 1);
	if (l->ts_ok && s->opts.has & OPT_HAS_TS && ahead <= 0)
		l->snd.ts_off += 1 + (uint32_t)-ahead;
	l->snd.syn_again = l->snd.syn_pending = true;
	leg_count(l, CNT_TcpExtTCPSynRetrans);
	timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
}

enum drop_reason handshake_syn_sent(struct leg *l, const struct segment *s,
				    mono_t now)
{
	bool ack = s->flags & TCP_ACK;

	if (ack && (seq_le(s->ack, l->snd.iss) || seq_gt(s->ack, l->snd.nxt))) {
		if (!(s->flags & (TCP_RST | TCP_SYN)) && !l->snd.syn_again)
			syn_again_above(l, s, now);
		return DROP_ACK_BAD;
	}
	if (s->flags & TCP_RST) {
		if (!ack)
			return DROP_RST_WINDOW;
		leg_closed(l, TE_REFUSED, LEG_EV_REFUSED);
		return DROP_NONE;
	}
	if (!(s->flags & TCP_SYN))
		return DROP_STATE;
	return ack ? syn_ack(l, s, now) : simultaneous(l, s, now);
}
