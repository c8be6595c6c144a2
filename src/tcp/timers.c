/* SPDX-License-Identifier: MIT */
/*
 * The timers of a leg: what happens sets deadlines, and what expires acts.
 *
 * A leg has five deadlines in leg->tmr: rtx (retransmission, tail loss probe,
 * reordering or zero-window probe, as rtx_kind says), ack (delayed ACK), pace,
 * keep (keepalive) and close (the limits of closing states; before that,
 * idle_timeout).  The wheel has one timer for each leg. leg_arm() sets it to
 * the earliest deadline, and only if it is not armed for an earlier time.  A
 * timer that fires too early finds nothing due, and is armed again.
 */
#include "internal.h"

#define BLACKHOLE_RETRIES 3 /* tcp_retries1, as Linux does */
#define BLACKHOLE_MTU4 1064 /* MSS 1024, Linux's tcp_base_mss */
#define BLACKHOLE_MTU6 1280

void leg_arm(struct leg *l)
{
	mono_t d = mono_earlier(l->tmr.rtx, l->tmr.ack);

	d = mono_earlier(d, l->tmr.pace);
	d = mono_earlier(d, l->tmr.keep);
	d = mono_earlier(d, l->tmr.close);
	if (!mono_is_set(d) || l->state == TS_CLOSED) {
		wheel_cancel(l->env->wheel, &l->tmr.timer);
		return;
	}
	if (!wtimer_armed(&l->tmr.timer) || mono_before(d, l->tmr.timer.when))
		wheel_arm(l->env->wheel, &l->tmr.timer, d);
}

/*
 * The rest of the user timeout, if that is less than @us.  So the connection
 * ends exactly on time, not an RTO later.  A peer that answers probes is not
 * ended by it, and is probed at the usual intervals.
 */
static int64_t until_user_timeout(const struct leg *l, int64_t us, mono_t now)
{
	int64_t left;

	if (!l->tmr.uto_ms || !mono_is_set(l->loss.retrans_at) ||
	    !leg_synchronized(l))
		return us;
	left = (int64_t)l->tmr.uto_ms * USEC_PER_MSEC -
	       mono_sub(now, l->loss.retrans_at);
	return left > 0 && left < us ? left : us;
}

void timers_set_rtx(struct leg *l, enum rtx_kind kind, int64_t us, mono_t now)
{
	if (kind == RTX_RTO || kind == RTX_PERSIST)
		us = until_user_timeout(l, us, now);
	l->tmr.rtx_kind = (uint8_t)kind;
	l->tmr.rtx = mono_add(now, us);
}

void timers_restart_rtx(struct leg *l, mono_t now)
{
	timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
	tlp_arm(l, now);
}

void timers_stop_rtx(struct leg_timers *tmr)
{
	tmr->rtx_kind = RTX_NONE;
	tmr->rtx = MONO_UNSET;
}

/*
 * A peer that has closed one direction may be gone: tcp_fin_timeout after its
 * FIN, a kernel forgets a socket that no process holds.  So keepalive begins by
 * then.
 */
static int64_t keep_at_most(const struct leg *l, int64_t us)
{
	bool half_closed = l->state == TS_FIN_WAIT_2 ||
			   l->state == TS_CLOSE_WAIT;

	return half_closed && us > l->cfg->fin_timeout ? l->cfg->fin_timeout
						       : us;
}

void timers_keep(struct leg *l, mono_t now)
{
	if (l->cfg->keepalive_time && leg_synchronized(l) && !l->mute &&
	    l->state != TS_TIME_WAIT)
		l->tmr.keep =
			mono_add(now, keep_at_most(l, l->cfg->keepalive_time));
}

void timers_on_receive(struct leg *l, mono_t now)
{
	l->tmr.last_rcv = now;
	l->tmr.keep_probes = 0;
	timers_keep(l, now);
}

void timers_close(struct leg_timers *tmr, int64_t us, mono_t now)
{
	tmr->close = mono_add(now, us);
}

/*
 * How long retransmissions may go on: the time of @n expiries that begin with
 * the least RTO (as Linux reads tcp_retries2).
 */
static int64_t retries_us(uint32_t n)
{
	const uint32_t linear = 9; /* 200 ms << 9 is below 120 s */

	if (n <= linear)
		return ((2LL << n) - 1) * RTO_MIN_US;
	return ((2LL << linear) - 1) * RTO_MIN_US + (n - linear) * RTO_MAX_US;
}

static bool is_orphan(const struct leg *l)
{
	return l->end.orphan || l->state == TS_LAST_ACK ||
	       l->state == TS_CLOSING;
}

/* Has the peer been silent for too long?  An orphan that probes a closed window
 * (@probing) is limited by the number of probes, retransmissions by the time
 * that the number of retries takes. */
static bool given_up(const struct leg *l, bool probing, mono_t now)
{
	int64_t age = mono_is_set(l->loss.retrans_at)
			      ? mono_sub(now, l->loss.retrans_at)
			      : 0;
	uint32_t orphan = l->cfg->orphan_retries ? l->cfg->orphan_retries : 8;

	if (l->state == TS_SYN_SENT)
		return l->tmr.retries >= l->cfg->syn_retries;
	if (l->state == TS_SYN_RECEIVED)
		return l->tmr.retries >= l->cfg->synack_retries;
	if (l->tmr.uto_ms && age >= (int64_t)l->tmr.uto_ms * USEC_PER_MSEC)
		return true;
	if (is_orphan(l) &&
	    (probing ? l->tmr.retries >= orphan : age >= retries_us(orphan)))
		return true;
	/* a peer with a zero window is alive while it answers */
	if (!l->snd.wnd && mono_sub(now, l->tmr.last_rcv) < RTO_MAX_US)
		return false;
	return age >= retries_us(l->cfg->retries2);
}

static void give_up(struct leg *l)
{
	leg_count(l, CNT_TcpExtTCPAbortOnTimeout);
	if (leg_synchronized(l)) {
		l->end.rst_pending = true;
		l->end.rst_ack = true;
	}
	leg_closed(l, TE_TIMEOUT,
		   leg_is_over(l) ? LEG_EV_CLOSED : LEG_EV_TIMEOUT);
}

/*
 * A path MTU black hole (RFC 4821): full-sized segments vanish, and no ICMP
 * error says why.  After some expiries, try a size that passes everywhere.
 */
static void suspect_blackhole(struct leg *l)
{
	uint16_t least = l->family == 4 ? BLACKHOLE_MTU4 : BLACKHOLE_MTU6;

	if (l->tmr.retries != BLACKHOLE_RETRIES || l->snd.pmtu <= least ||
	    !leg_synchronized(l) || !l->snd.wnd)
		return;
	l->snd.pmtu = least;
	l->snd.pmtu_blackhole = true;
	leg_set_mss(l);
	leg_count(l, CNT_TcpExtTCPMTUPFail);
}

/* RFC 3168, 6.1.1.1: something on the path may drop SYNs that ask for it.  From
 * the first repetition on, as in Linux (tcp_ecn_fallback). */
static void give_up_ecn(struct leg *l)
{
	if (l->state != TS_SYN_SENT || !l->ecn_ok)
		return;
	l->ecn_ok = false;
	l->snd.ecn_unanswered = true;
}

static void rto_fire(struct leg *l, mono_t now)
{
	if (given_up(l, false, now)) {
		give_up(l);
		return;
	}
	leg_count(l, CNT_TcpExtTCPTimeouts);
	if (!mono_is_set(l->loss.retrans_at))
		l->loss.retrans_at = now;
	if (l->tmr.retries < 255)
		l->tmr.retries++;
	if (l->rtt.backoff < 32)
		l->rtt.backoff++;
	if (l->state == TS_SYN_SENT || l->state == TS_SYN_RECEIVED) {
		l->snd.syn_pending = true;
		l->tfo_opt = false; /* as Linux does */
		give_up_ecn(l);
		leg_count(l, CNT_TcpExtTCPSynRetrans);
	} else {
		suspect_blackhole(l);
		recovery_on_rto(l, now);
	}
	timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
}

static void persist_fire(struct leg *l, mono_t now)
{
	if (!mono_is_set(l->loss.retrans_at))
		l->loss.retrans_at = now;
	if (given_up(l, true, now) &&
	    mono_sub(now, l->tmr.last_rcv) >= (int64_t)rtt_rto(&l->rtt)) {
		give_up(l);
		return;
	}
	leg_count(l, CNT_TcpExtTCPWinProbe);
	l->snd.probe_pending = true;
	if (l->tmr.probes < 255)
		l->tmr.probes++;
	if (is_orphan(l) && l->tmr.retries < 255)
		l->tmr.retries++;
	if (l->rtt.backoff < 32)
		l->rtt.backoff++;
	timers_set_rtx(l, RTX_PERSIST, rtt_rto(&l->rtt), now);
}

static void rtx_fire(struct leg *l, mono_t now)
{
	enum rtx_kind kind = l->tmr.rtx_kind;

	timers_stop_rtx(&l->tmr);
	switch (kind) {
	case RTX_TLP:
		tlp_fire(l, now);
		break;
	case RTX_REO:
		timers_set_rtx(l, RTX_RTO, rtt_rto(&l->rtt), now);
		recovery_detect(l, now);
		break;
	case RTX_PERSIST:
		persist_fire(l, now);
		break;
	case RTX_RTO:
		rto_fire(l, now);
		break;
	case RTX_NONE:
		break;
	}
}

static void keep_fire(struct leg *l, mono_t now)
{
	l->tmr.keep = MONO_UNSET;
	if (board_outstanding(&l->snd) || l->snd.q.bytes) { /* in use */
		timers_keep(l, now);
		return;
	}
	if (l->tmr.keep_probes >= l->cfg->keepalive_probes ||
	    (l->tmr.uto_ms && l->tmr.keep_probes &&
	     mono_sub(now, l->tmr.last_rcv) >=
		     (int64_t)l->tmr.uto_ms * USEC_PER_MSEC)) {
		give_up(l);
		return;
	}
	leg_count(l, CNT_TcpExtTCPKeepAlive);
	l->tmr.keep_probes++;
	l->snd.probe_pending = true;
	l->tmr.keep = mono_add(now, keep_at_most(l, l->cfg->keepalive_intvl));
}

/* In a state that is not closing, this timer is for idle flows. */
static bool still_in_use(struct leg *l, mono_t now)
{
	int64_t left = 0;

	if (!l->end.sink_closed && l->env->idle_left)
		left = l->env->idle_left(l, now);
	if (left > 0)
		timers_close(&l->tmr, left, now);
	return left > 0;
}

void leg_watch_idle(struct leg *l, int64_t us, mono_t now)
{
	if (l->state == TS_CLOSED || mono_is_set(l->tmr.close))
		return;
	timers_close(&l->tmr, us, now);
	leg_arm(l);
}

static void close_fire(struct leg *l, mono_t now)
{
	l->tmr.close = MONO_UNSET;
	if (l->state == TS_TIME_WAIT) {
		leg_closed(l, TE_TIMEOUT, LEG_EV_CLOSED);
		return;
	}
	if (!still_in_use(l, now))
		give_up(l);
}

void leg_timeout(struct leg *l, mono_t now)
{
	if (mono_due(l->tmr.ack, now)) {
		l->tmr.ack = MONO_UNSET;
		if (l->rcv.owed == ACK_DELAYED) {
			leg_count(l, CNT_TcpExtDelayedACKs);
			l->rcv.owed = ACK_NOW;
		}
	}
	if (mono_due(l->tmr.pace, now))
		l->tmr.pace = MONO_UNSET;
	if (mono_due(l->tmr.rtx, now))
		rtx_fire(l, now);
	if (l->state != TS_CLOSED && mono_due(l->tmr.keep, now))
		keep_fire(l, now);
	if (l->state != TS_CLOSED && mono_due(l->tmr.close, now))
		close_fire(l, now);
	leg_arm(l);
}
