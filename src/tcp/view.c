/* SPDX-License-Identifier: MIT */
/*
 * What is shown of a leg.
 */
#include "internal.h"
#include "tcp/view.h"

const char *const view_timer_name[VIEW_TIMERS] = {
	[VIEW_TIMER_NONE] = "",		  [VIEW_TIMER_ON] = "on",
	[VIEW_TIMER_PERSIST] = "persist", [VIEW_TIMER_KEEPALIVE] = "keepalive",
	[VIEW_TIMER_CLOSE] = "timewait",
};

const char *leg_view_dropped(const struct leg_view *v)
{
	return v->dropped ? drop_reason_name[v->dropped] : NULL;
}

const char *leg_view_ended(const struct leg_view *v)
{
	static const char *const names[] = {
		[ENDED_NOT] = NULL,	     [ENDED_CLOSED] = "closed",
		[ENDED_RESET] = "reset",     [ENDED_REFUSED] = "refused",
		[ENDED_TIMEOUT] = "timeout", [ENDED_ABORTED] = "aborted",
	};

	return names[v->ended];
}

static uint32_t ms_between(mono_t from, mono_t to)
{
	int64_t ms = mono_sub(to, from) / USEC_PER_MSEC;

	if (!mono_is_set(from) || ms < 0)
		return 0;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* As in ss: retransmission and probes come before keepalive, and that before
 * what ends the connection. */
static void view_timer(struct leg_view *v, const struct leg_timers *t,
		       mono_t now)
{
	mono_t when = MONO_UNSET;

	if (mono_is_set(t->rtx)) {
		v->timer = t->rtx_kind == RTX_PERSIST ? VIEW_TIMER_PERSIST
						      : VIEW_TIMER_ON;
		v->retries = t->rtx_kind == RTX_PERSIST ? t->probes
							: t->retries;
		when = t->rtx;
	} else if (mono_is_set(t->keep)) {
		v->timer = VIEW_TIMER_KEEPALIVE;
		v->retries = t->keep_probes;
		when = t->keep;
	} else if (mono_is_set(t->close)) {
		v->timer = VIEW_TIMER_CLOSE;
		when = t->close;
	}
	v->timer_ms = ms_between(now, when);
}

static uint8_t view_options(const struct leg *l)
{
	return (uint8_t)((l->ts_ok ? VIEW_OPT_TS : 0) |
			 (l->sack_ok ? VIEW_OPT_SACK : 0) |
			 (l->ecn_ok ? VIEW_OPT_ECN : 0) |
			 (l->wscale_ok ? VIEW_OPT_WSCALE : 0) |
			 (l->tfo_early || l->tfo_data ? VIEW_OPT_FASTOPEN : 0));
}

/* Bytes a second, as src/tcp/output.c paces. */
static uint64_t pacing_rate(const struct leg *l)
{
	const struct cc_model *m = leg_model(&l->cc);

	if (m)
		return m->rate(&l->cc);
	if (!l->rtt.smoothed_us)
		return 0;
	return l->cc.cwnd * leg_pace_tenths(&l->cc) * (USEC_PER_SEC / 10) /
	       l->rtt.smoothed_us;
}

static uint64_t delivery_rate(const struct leg *l)
{
	return leg_model(&l->cc) ? l->cc.bbr->sample.rate : 0;
}

/* What was said and measured of the path and the windows. */
static void view_path(struct leg_view *v, const struct leg *l)
{
	v->cwnd_bytes = l->cc.cwnd;
	v->ssthresh_bytes = l->cc.ssthresh < SSTHRESH_INF ? l->cc.ssthresh : 0;
	v->srtt_us = l->rtt.smoothed_us;
	v->rttvar_us = l->rtt.var_us;
	v->min_rtt_us = l->rtt.min_us;
	v->rto_us = rtt_rto(&l->rtt);
	v->mss_bytes = l->snd.mss;
	v->pmtu = l->snd.pmtu;
	v->rcv_mss_bytes = l->rcv.mss;
	v->adv_mss_bytes = leg_mss_offer(l->family) - (l->ts_ok ? 12u : 0u);
	v->pacing_rate = pacing_rate(l);
	v->delivery_rate = delivery_rate(l);
}

/* What has passed. */
static void view_tally(struct leg_view *v, const struct leg_tally *t)
{
	v->acked_bytes = t->acked;
	v->received_bytes = t->received;
	v->resent_bytes = t->resent;
	v->segs_in = t->segs_in;
	v->segs_out = t->segs_out;
	v->dropped = t->dropped;
	v->ended = t->ended;
}

struct leg_view leg_view(const struct leg *l, mono_t now)
{
	struct leg_view v = {
		.local = l->t.local,
		.peer = l->t.remote,
		.lport = l->t.lport,
		.port = l->t.rport,
		.state = l->state,
		.cc = l->cc.kind,
		.options = view_options(l),
		.snd_wscale = l->snd.wscale,
		.rcv_wscale = l->rcv.wscale,
		.inflight_bytes = board_outstanding(&l->snd),
		.queued_bytes = l->snd.q.bytes,
		.wnd_bytes = l->snd.wnd,
		.rcv_wnd_bytes = leg_rcv_wnd(&l->rcv),
		.lost_bytes = l->loss.lost_bytes,
		.sacked_bytes = l->loss.sacked_bytes,
		.ooo = l->rcv.ooo_count,
		.sent_ago_ms = ms_between(l->tmr.last_send, now),
		.received_ago_ms = ms_between(l->tmr.last_rcv, now),
		.acked_ago_ms = ms_clock(now) - l->tmr.progress_ms,
		.chrono = leg_chrono_read(l, now),
	};

	v.app_limited = v.chrono.on && v.chrono.limit <= LIMIT_APP;
	if ((int32_t)v.acked_ago_ms < 0) /* progress may be later */
		v.acked_ago_ms = 0;
	view_timer(&v, &l->tmr, now);
	view_path(&v, l);
	view_tally(&v, &l->tally);
	return v;
}
