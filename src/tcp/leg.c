/* SPDX-License-Identifier: MIT */
/*
 * The life of a leg: opening, closing, aborting.
 *
 * The engine owns the leg's memory and both ends of its byte queues.  It calls
 * the functions in this file.  Arriving segments are handled in input.c,
 * sending in output.c, time in timers.c.
 */
#include <stdlib.h>

#include "internal.h"
#include "util/log.h"

/* The only writer of leg->state: checks, logs and counts each transition. */
void leg_set_state(struct leg *l, enum tcp_state to, enum tcp_event why)
{
	assert(tcp_transition_legal(l->state, to, why));
	if (unlikely(log_max >= LOG_DEBUG) && l->env->trace)
		l->env->trace(l, to, why);
	l->env->stats->entered[to]++;
	l->state = (uint8_t)to;
}

static void leg_release(struct leg *l)
{
	bufq_purge(&l->snd.q, l->env->pool);
	board_purge(l);
	reasm_purge(l);
	cc_end(l);
	l->tmr.rtx = l->tmr.ack = l->tmr.pace = l->tmr.keep = l->tmr.close =
		MONO_UNSET;
	l->tmr.rtx_kind = RTX_NONE;
	l->rcv.owed = ACK_NONE;
	l->snd.syn_pending = l->snd.probe_pending = l->loss.tlp_pending = false;
	l->snd.una = l->snd.nxt;
	l->end.fin_queued = false;
}

/* How it ended is what came first. */
static enum leg_ended how_ended(const struct leg *l, uint16_t ev)
{
	if (l->tally.ended)
		return (enum leg_ended)l->tally.ended;
	if (ev & LEG_EV_RST)
		return ENDED_RESET;
	if (ev & (LEG_EV_REFUSED | LEG_EV_UNREACH))
		return ENDED_REFUSED;
	if (ev & LEG_EV_TIMEOUT)
		return ENDED_TIMEOUT;
	return ev & LEG_EV_CLOSED || l->state == TS_TIME_WAIT ? ENDED_CLOSED
							      : ENDED_ABORTED;
}

void leg_closed(struct leg *l, enum tcp_event why, uint16_t ev)
{
	l->tally.ended = (uint8_t)how_ended(l, ev);
	if (l->state == TS_LISTEN || l->state == TS_SYN_SENT ||
	    l->state == TS_SYN_RECEIVED)
		leg_count(l, CNT_TcpAttemptFails);
	else if (why != TE_RCV_ACK && l->state != TS_TIME_WAIT)
		leg_count(l, CNT_TcpEstabResets);
	leg_set_state(l, TS_CLOSED, why);
	leg_release(l);
	l->ev |= ev;
	wheel_cancel(l->env->wheel, &l->tmr.timer);
}

void leg_init(struct leg *l, struct leg_env *env, const struct tcp_cfg *cfg,
	      enum leg_side side, const struct tuple *t, struct bufq *sink)
{
	memset(l, 0, sizeof(*l));
	l->t = *t;
	l->env = env;
	l->cfg = cfg;
	l->side = side & 1u;
	l->family = ipaddr_is_v4(&t->local) ? 4 : 6;
	l->ttl = 64;
	l->rcv.sink = sink;
	l->cc.kind = cfg->cc[side] < CC_KINDS ? cfg->cc[side] : CC_CUBIC;
	l->rcv.cap = cfg->rmem[1];
	l->rcv.most = cfg->notsent_lowat;
	l->tmr.uto_ms = (uint32_t)(cfg->user_timeout / USEC_PER_MSEC);
	l->snd.pmtu = PMTU_MAX;
	bufq_init(&l->snd.q);
	rtt_init(&l->rtt);
}

void leg_fini(struct leg *l)
{
	leg_release(l);
	wheel_cancel(l->env->wheel, &l->tmr.timer);
}

uint16_t leg_mss_offer(uint8_t family)
{
	return family == 4 ? 1460 : 1440;
}

uint8_t leg_wscale_offer(const struct tcp_cfg *cfg)
{
	uint8_t s = 0;

	if (!cfg->window_scaling)
		return 0;
	while (s < WSCALE_MAX && (cfg->rmem[2] >> s) > 65535)
		s++;
	return s;
}

static void leg_open(struct leg *l, seq_t iss, uint32_t ts_off, mono_t now)
{
	l->snd.iss = l->snd.una = iss;
	l->snd.nxt = seq_add(iss, 1);
	l->snd.ip_id = (uint16_t)(iss.v * 2246822519u >> 16);
	l->snd.ts_off = ts_off;
	l->rcv.wscale = leg_wscale_offer(l->cfg);
	l->tmr.last_rcv = l->tmr.last_send = now;
	l->tmr.progress_ms = ms_clock(now);
	l->cc.ssthresh = SSTHRESH_INF;
	l->rcv.quickack = QUICKACKS;
	l->rcv.mss = 536;
	l->snd.peer_mss = 536;
	l->snd.mss = 536;
}

void leg_open_active(struct leg *l, seq_t iss, uint32_t ts_off,
		     const struct tcp_opts *peer, mono_t now)
{
	const struct tcp_cfg *c = l->cfg;

	leg_open(l, iss, ts_off, now);
	l->active = true;
	l->ts_ok = c->timestamps && (!peer || peer->has & OPT_HAS_TS);
	l->sack_ok = c->sack && (!peer || peer->has & OPT_HAS_SACKOK);
	l->wscale_ok = c->window_scaling &&
		       (!peer || peer->has & OPT_HAS_WSCALE);
	l->ecn_ok = c->ecn == 1 && metrics_allow_ecn(l, now);
	leg_count(l, CNT_TcpActiveOpens);
	leg_set_state(l, TS_SYN_SENT, TE_OPEN_ACTIVE);
	l->snd.syn_pending = l->snd.syn_unsent = true;
	timers_set_rtx(l, RTX_RTO, RTO_INIT_US, now);
}

void leg_unmute(struct leg *l, mono_t now)
{
	if (!l->mute)
		return;
	l->mute = false;
	if (!leg_synchronized(l))
		return;
	acker_now(&l->rcv);
	timers_on_receive(l, now);
	leg_arm(l);
}

static void leg_take_syn(struct leg *l, seq_t irs, const struct tcp_opts *o)
{
	const struct tcp_cfg *c = l->cfg;

	l->rcv.syn_rcvd = true;
	l->rcv.irs = irs;
	l->rcv.nxt = l->rcv.adv = l->rcv.acked = seq_add(irs, 1);
	l->ts_ok = c->timestamps && o->has & OPT_HAS_TS;
	l->sack_ok = c->sack && o->has & OPT_HAS_SACKOK;
	l->wscale_ok = c->window_scaling && o->has & OPT_HAS_WSCALE;
	handshake_take_options(l, o);
}

void leg_open_passive(struct leg *l, const struct segment *syn, seq_t iss,
		      uint32_t ts_off, mono_t now)
{
	leg_open(l, iss, ts_off, now);
	leg_take_syn(l, syn->seq, &syn->opts);
	if (l->ts_ok) {
		l->rcv.ts_recent = syn->opts.tsval;
		l->rcv.ts_recent_s = sec_clock(now);
	}
	l->ecn_ok = l->cfg->ecn && (syn->flags & TCP_ECE) &&
		    (syn->flags & TCP_CWR);
	l->snd.wnd = l->snd.max_wnd = syn->wnd;
	l->snd.wl1 = syn->seq;
	l->snd.wl2 = iss;
	l->snd.syn_unsent = true;
	leg_set_state(l, TS_LISTEN, TE_OPEN_PASSIVE);
	leg_arm(l);
}

void leg_set_mss(struct leg *l)
{
	uint32_t ip = l->family == 4 ? 40 : 60;
	uint32_t m = l->snd.peer_mss;

	m = min_u32(m, l->snd.pmtu - ip);
	m = max_u32(m, l->cfg->min_snd_mss);
	if (l->ts_ok)
		m -= TS_OPT_BYTES;
	l->snd.mss = (uint16_t)m;
}

/* Set the congestion state when data may first be sent. */
static void leg_begin(struct leg *l, mono_t now)
{
	metrics_recall_mtu(l, now);
	leg_set_mss(l);
	cc_begin(l, now);
	l->loss.recover = l->snd.una;
	l->loss.rack.fack = l->snd.una;
	l->cc.hystart.window_end = l->snd.nxt;
	l->rcv.drs_start = now;
}

bool leg_take_syn_data(struct leg *l, const struct segment *syn, mono_t now)
{
	seq_t edge = l->rcv.adv;

	l->rcv.adv = seq_add(l->rcv.nxt, leg_window_offer(l->cfg));
	if (syn->data.len && reasm_text(l, syn, now) != DROP_NONE) {
		l->rcv.adv = edge;
		return false;
	}
	l->rcv.adv = seq_max(edge, l->rcv.nxt);
	l->tfo_early = true;
	leg_begin(l, now);
	return true;
}

void leg_accept(struct leg *l, mono_t now)
{
	if (l->state != TS_LISTEN)
		return;
	leg_count(l, CNT_TcpPassiveOpens);
	leg_set_state(l, TS_SYN_RECEIVED, TE_ACCEPT);
	l->snd.syn_pending = l->snd.syn_unsent = true;
	timers_set_rtx(l, RTX_RTO, RTO_INIT_US, now);
	leg_arm(l);
}

void leg_open_cookie(struct leg *l, const struct leg_resume *r, mono_t now)
{
	leg_open(l, r->iss, r->ts_off, now);
	leg_take_syn(l, r->irs, r->peer);
	l->ecn_ok = r->ecn && l->cfg->ecn;
	l->rcv.ts_recent = r->peer->tsval;
	l->rcv.ts_recent_s = sec_clock(now);
	l->snd.wl1 = r->irs;
	l->snd.wl2 = r->iss;
	l->tmr.last_send = r->answered_at;
	l->tmr.retries = r->sent_again;
	/* the window that the SYN-ACK advertised */
	l->rcv.adv = seq_add(l->rcv.nxt, leg_window_offer(l->cfg));
	leg_count(l, CNT_TcpPassiveOpens);
	leg_set_state(l, TS_SYN_RECEIVED, TE_ACCEPT);
	timers_set_rtx(l, RTX_RTO, RTO_INIT_US, now);
	leg_arm(l);
}

void leg_established(struct leg *l, mono_t now)
{
	if (!l->tfo_early)
		leg_begin(l, now);
	if (l->tmr.retries > 1) /* RFC 6298, 5.7 / RFC 5681, 3.1 */
		l->cc.cwnd = l->snd.mss;
	if (l->tmr.retries && !l->rtt.smoothed_us)
		l->rtt.rto_us = RTO_FALLBACK_US; /* RFC 6298, 5.7 */
	metrics_recall(l, now);
	l->tmr.retries = l->rtt.backoff = 0;
	timers_stop_rtx(&l->tmr);
	if (l->loss.run_head) /* Fast Open data is on its way */
		timers_restart_rtx(l, now);
	timers_on_receive(l, now);
	l->ev |= LEG_EV_ESTABLISHED;
}

void leg_sink_drained(struct leg *l, uint32_t extra, mono_t now)
{
	l->rcv.extra = extra;
	if (!leg_synchronized(l) || l->end.fin_rcvd)
		return;
	reasm_retry(l);
	input_fin_check(l, now);
	if (window_update_due(l))
		acker_now(&l->rcv);
}

/* What may wait in @l's sink, if @to sends from it: what @to has in flight, and
 * tcp_notsent_lowat.  A fault may keep bytes on their way to @to. */
static uint32_t most_waiting(const struct leg *l, const struct leg *to)
{
	uint32_t lowat = to->cfg->notsent_lowat, sent, queued = to->snd.q.bytes;

	if (lowat == UINT32_MAX)
		return UINT32_MAX;
	sent = min_u32(seq_span(to->snd.nxt, leg_snd_front(to)), queued);
	if (l->rcv.sink == &to->snd.q)
		return sent > UINT32_MAX - lowat ? UINT32_MAX : sent + lowat;
	return lowat > queued - sent ? lowat - (queued - sent) : 0;
}

void leg_sink_moved(struct leg *l, const struct leg *to, mono_t now)
{
	l->rcv.most = most_waiting(l, to);
	leg_sink_drained(l,
			 clamp_u32(2 * to->cc.cwnd, to->cfg->wmem[1],
				   to->cfg->wmem[2]),
			 now);
}

void leg_renege(struct leg *l)
{
	reasm_purge(l);
}

void leg_shutdown(struct leg *l)
{
	if (l->end.fin_queued)
		return;
	switch (l->state) {
	case TS_ESTABLISHED:
	case TS_CLOSE_WAIT:
	case TS_SYN_SENT: /* the FIN is sent once established */
	case TS_SYN_RECEIVED:
		l->end.fin_queued = true;
		break;
	default:
		break;
	}
	leg_arm(l);
}

void leg_vanish(struct leg *l)
{
	l->end.rst_pending = false;
	if (l->state == TS_CLOSED)
		return;
	leg_closed(l, TE_ABORT, 0);
}

static bool leg_state_sends_rst(const struct leg *l)
{
	switch (l->state) {
	case TS_SYN_RECEIVED:
	case TS_ESTABLISHED:
	case TS_FIN_WAIT_1:
	case TS_FIN_WAIT_2:
	case TS_CLOSE_WAIT:
	case TS_LISTEN:
		return true;
	case TS_CLOSING: /* RFC 9293, 3.10.5: respond and close */
	case TS_LAST_ACK:
		return !leg_all_acked(&l->snd);
	default:
		return false;
	}
}

void leg_abort(struct leg *l)
{
	if (l->state == TS_CLOSED)
		return;
	if (leg_state_sends_rst(l)) {
		l->end.rst_pending = true;
		l->end.rst_ack = true;
	}
	leg_closed(l, TE_ABORT, 0);
}

void leg_abort_after_drain(struct leg *l, mono_t now)
{
	if (l->mute || !leg_can_send(l) || leg_all_acked(&l->snd) ||
	    l->end.fin_sent) {
		leg_abort(l);
		return;
	}
	l->end.rst_after_drain = l->end.orphan = l->end.sink_closed = true;
	l->end.fin_queued = false;
	timers_close(&l->tmr, l->cfg->fin_timeout, now);
	leg_arm(l);
}

void leg_sink_gone(struct leg *l, mono_t now)
{
	l->end.sink_closed = true;
	if (l->state == TS_FIN_WAIT_2)
		timers_close(&l->tmr, l->cfg->fin_timeout, now);
	leg_arm(l);
}

static const char *check_runs(const struct leg *l)
{
	uint32_t n = 0, bytes[3] = {0}, segs[3] = {0}, places[2] = {0};
	const struct run *first[2] = {l->loss.sent, l->loss.lost}, *r;
	seq_t at = leg_snd_front(l);

	static_assert(RUN_SENT == 0 && RUN_LOST == 1, "as first[] has them");
	for (r = l->loss.run_head; r; r = r->next) {
		if (!seq_lt(r->start, r->end))
			return "empty run";
		if (!seq_eq(r->start, at))
			return "hole between runs";
		at = r->end;
		n++;
		bytes[r->state] += seq_span(r->end, r->start);
		segs[r->state] += r->segs;
		if (r->state != RUN_SACKED)
			places[r->state]++;
		if (r->next && r->next->prev != r)
			return "run links";
	}
	for (int i = 0; i < 2; i++) {
		if (board_places(first[i], (uint8_t)i) != places[i])
			return "runs by state";
	}
	if (l->loss.run_head && !seq_eq(at, l->snd.nxt))
		return "runs end before nxt";
	if (n != l->loss.run_count ||
	    bytes[RUN_SACKED] != l->loss.sacked_bytes ||
	    bytes[RUN_LOST] != l->loss.lost_bytes ||
	    segs[RUN_SACKED] != l->loss.sacked_segs)
		return "run counters";
	return NULL;
}

const char *leg_check(const struct leg *l)
{
	if (seq_gt(l->snd.una, l->snd.nxt))
		return "una > nxt";
	if (l->state == TS_CLOSED)
		return l->loss.run_head || l->rcv.ooo ? "closed leg holds data"
						      : NULL;
	if (leg_synchronized(l) && l->state != TS_TIME_WAIT &&
	    seq_gt(l->snd.nxt,
		   seq_add(leg_snd_front(l), l->snd.q.bytes + l->end.fin_sent)))
		return "nxt beyond the send queue";
	if (leg_synchronized(l) && seq_lt(l->rcv.adv, l->rcv.acked))
		return "advertised edge behind rcv_nxt";
	if (l->snd.mss == 0)
		return "mss 0";
	if (leg_synchronized(l) && board_outstanding(&l->snd) &&
	    l->tmr.rtx_kind == RTX_NONE)
		return "data outstanding and no retransmission timer";
	if ((mono_is_set(l->tmr.rtx) || mono_is_set(l->tmr.close)) &&
	    !wtimer_armed(&l->tmr.timer))
		return "deadline set and timer not armed";
	if (reasm_check(&l->rcv))
		return reasm_check(&l->rcv);
	return check_runs(l);
}
