/* SPDX-License-Identifier: MIT */
/*
 * The ACK step of a synchronized leg (RFC 9293, 3.10.7.4, fifth; RFC 5961, 5).
 */
#include "internal.h"

void ack_take_window(struct leg *l, const struct segment *s)
{
	bool syn = s->flags & TCP_SYN;
	uint32_t w = s->wnd;

	if (!syn && l->wscale_ok)
		w <<= l->snd.wscale;
	/* an ACK of new data updates the window even if it was reordered: RFC
	 * 9293 would keep a window that no longer exists */
	if (!seq_gt(s->ack, l->snd.una) && !seq_lt(l->snd.wl1, s->seq) &&
	    !(seq_eq(l->snd.wl1, s->seq) && seq_le(l->snd.wl2, s->ack)))
		return;
	l->snd.wnd = w;
	l->snd.max_wnd = max_u32(l->snd.max_wnd, w);
	l->snd.wl1 = s->seq;
	l->snd.wl2 = s->ack;
}

/* Drop acknowledged bytes from the queue; SYN and FIN are not in it. */
static void release(struct leg *l, seq_t ack)
{
	seq_t front = leg_snd_front(l);
	uint32_t n;

	if (seq_gt(ack, front)) {
		n = min_u32(seq_span(ack, front), l->snd.q.bytes);
		bufq_consume(&l->snd.q, l->env->pool, n);
		l->env->stats->c[CNT_BytesAcked] += n;
		l->tally.acked += n;
		l->ev |= LEG_EV_ROOM;
	}
	if (l->snd.urg_out && seq_ge(ack, l->snd.urg))
		l->snd.urg_out = false;
	l->snd.una = ack;
	l->snd.iss_far |= seq_span(ack, l->snd.iss) > FAR;
}

/* An RTT sample from the timestamp echo, for when Karn's rule forbids any other
 * (RFC 7323, 4.1). */
int64_t ack_echo_sample(const struct leg *l, const struct segment *s,
			mono_t now)
{
	int32_t ms;

	if (!l->ts_ok || !(s->opts.has & OPT_HAS_TS) || !s->opts.tsecr)
		return -1;
	ms = (int32_t)(leg_tsval(&l->snd, now) - s->opts.tsecr);
	return ms < 0 ? -1 : (int64_t)(ms ? ms : 1) * USEC_PER_MSEC;
}

static void note_progress(struct leg *l, bool sampled, mono_t now)
{
	/* Karn: the back-off stays until there is a valid RTT sample */
	if (sampled)
		l->rtt.backoff = 0;
	l->tmr.retries = 0;
	l->tmr.probes = 0;
	l->loss.retrans_at = MONO_UNSET;
	l->tmr.progress_ms = ms_clock(now);
	if (board_outstanding(&l->snd))
		timers_restart_rtx(l, now);
	else
		timers_stop_rtx(&l->tmr);
}

static bool is_dupack(const struct leg *l, const struct segment *s,
		      uint32_t old_wnd, bool had_data)
{
	return had_data && seq_eq(s->ack, l->snd.una) && s->data.len == 0 &&
	       !(s->flags & (TCP_FIN | TCP_SYN)) && l->snd.wnd == old_wnd;
}

static void take_ece(struct leg *l, const struct segment *s,
		     const struct ack_sample *a)
{
	if (l->ecn_ok && s->flags & TCP_ECE)
		recovery_enter_cwr(l, a->acked + a->sacked);
}

static void after_window(struct leg *l, uint32_t old_wnd)
{
	if (l->snd.wnd > old_wnd && l->tmr.rtx_kind == RTX_PERSIST) {
		l->tmr.probes = 0;
		l->rtt.backoff = 0;
		timers_stop_rtx(&l->tmr);
	}
}

/* How far behind SND.UNA an ACK may be (RFC 5961, 5.2): at most the largest
 * window, and not before the first byte. */
static uint32_t ghost_bound(const struct leg_snd *snd)
{
	if (snd->iss_far)
		return snd->max_wnd;
	return min_u32(snd->max_wnd, seq_span(snd->una, seq_add(snd->iss, 1)));
}

void ack_take_rtt(struct leg *l, int64_t rtt_us, mono_t now)
{
	const struct cc_ops *ops = leg_cc(&l->cc);

	if (!rtt_sample(&l->rtt, rtt_us, now))
		return;
	tcp_hist_add(l->env->stats,
		     l->side == LEG_CLIENT ? HIST_ClientRttSeconds
					   : HIST_ServerRttSeconds,
		     rtt_us);
	if (ops->on_rtt)
		ops->on_rtt(&l->cc, l, max_u32((uint32_t)rtt_us, 1));
}

enum drop_reason ack_process(struct leg *l, const struct segment *s, mono_t now)
{
	struct ack_sample a = {.rtt_us = -1,
			       .una_before = l->snd.una,
			       .high_before = l->snd.nxt,
			       .lost_before = l->loss.lost_bytes};
	uint32_t old_wnd = l->snd.wnd;
	bool outstanding = board_outstanding(&l->snd) > 0, dupack;
	const struct cc_model *m = leg_model(&l->cc);
	int64_t rtt;

	if (seq_gt(s->ack, l->snd.nxt)) {
		acker_challenge(l, now);
		return DROP_ACK_FUTURE;
	}
	if (seq_lt(s->ack, seq_sub(l->snd.una, ghost_bound(&l->snd)))) {
		acker_challenge(l, now); /* ghost ACK: RFC 5961, 5.2 */
		return DROP_ACK_OLD;
	}
	if (seq_ge(s->ack, l->snd.una))
		ack_take_window(l, s);
	if (m)
		m->begin(&l->cc, now);
	dupack = is_dupack(l, s, old_wnd, outstanding);
	if (seq_gt(s->ack, l->snd.una)) {
		board_ack(l, s->ack, &a, now);
		release(l, s->ack);
	}
	board_sack(l, s, &a, now);
	rtt = a.rtt_us < 0 && a.acked ? ack_echo_sample(l, s, now) : a.rtt_us;
	if (rtt >= 0)
		ack_take_rtt(l, rtt, now);
	if (!l->sack_ok && a.retx_acked)
		a.orig_acked = false; /* one ACK covers both: ambiguous */
	if (seq_gt(l->snd.una, a.una_before))
		note_progress(l, rtt >= 0, now);
	if (outstanding)
		take_ece(l, s, &a);
	tlp_on_ack(l, s, &a);
	if (outstanding || a.dsack)
		recovery_on_ack(l, s, &a, dupack, now);
	after_window(l, old_wnd);
	if (l->tmr.probes && seq_ge(s->ack, l->snd.una))
		l->tmr.retries = 0;
	return DROP_NONE;
}
