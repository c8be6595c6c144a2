/* SPDX-License-Identifier: MIT */
/*
 * BBR on a leg.  It makes rate samples, and a view for the model (bbr.c), from
 * what the scoreboard and recovery report.  The model's decisions become the
 * leg's window, rate and quantum.
 *
 * The state is too large for struct leg.  It is allocated from a slab when data
 * may first be sent, and freed when the leg is closed.
 */
#include "internal.h"

static struct bbr_view look(const struct leg_cong *cc, const struct leg *l)
{
	const struct leg_bbr *m = cc->bbr;

	return (struct bbr_view){.now = m->now,
				 .mss = l->snd.mss,
				 .inflight = board_pipe(l),
				 .initial_cwnd = leg_initial_cwnd(&l->snd),
				 .srtt_us = l->rtt.smoothed_us,
				 .rtt_us = m->rtt_us,
				 .delivered = m->rate.delivered,
				 .sack = l->sack_ok,
				 .recovering = l->loss.ca >= CA_RECOVERY,
				 .app_limited = m->rate.limited,
				 .rng = l->env->rng,
				 .cwnd = cc->cwnd,
				 .pacing_rate = m->pacing_rate,
				 .quantum = m->quantum};
}

static void obey(struct leg_cong *cc, const struct bbr_view *v)
{
	struct leg_bbr *m = cc->bbr;

	cc->cwnd = min_u32(v->cwnd, CWND_MAX);
	m->pacing_rate = v->pacing_rate ? v->pacing_rate : 1;
	m->quantum = v->quantum;
	if (v->mark_app_limited)
		rate_limited(&m->rate, v->inflight);
}

static bool start(struct leg_cong *cc, const struct leg *l, mono_t now)
{
	struct leg_bbr *m = l->env->bbrs ? slab_alloc(l->env->bbrs) : NULL;
	struct bbr_view v;

	if (!m)
		return false;
	memset(m, 0, sizeof(*m));
	m->now = now;
	m->round_rtt_us = UINT32_MAX;
	cc->bbr = m;
	v = look(cc, l);
	bbr_init(&m->model, &v);
	obey(cc, &v);
	/* Fast Open: data was sent with the SYN */
	for (struct run *r = l->loss.run_head; r; r = r->next)
		rate_sent(&m->rate, &r->mark, v.inflight, v.inflight, now);
	return true;
}

static void stop(struct leg_cong *cc, const struct leg *l)
{
	slab_free(l->env->bbrs, cc->bbr);
	cc->bbr = NULL;
}

static void begin(struct leg_cong *cc, mono_t now)
{
	cc->bbr->now = now;
	rate_begin(&cc->bbr->sample);
}

static void delivered(struct leg_cong *cc, const struct run *r)
{
	const struct rate_packet p = {&r->mark, r->tx_us, r->end,
				      seq_span(r->end, r->start)};
	struct leg_bbr *m = cc->bbr;

	rate_delivered(&m->rate, &m->sample, &p, m->now);
	if (!r->retx)
		m->round_rtt_us = min_u32(m->round_rtt_us,
					  (uint32_t)m->now.us - r->tx_us);
}

static void lost(struct leg_cong *cc, const struct leg *l, const struct run *r)
{
	struct leg_bbr *m = cc->bbr;
	uint32_t n = seq_span(r->end, r->start);
	struct bbr_view v;

	m->rate.lost += n;
	m->sample.newly_lost += n;
	v = look(cc, l);
	bbr_on_loss(&m->model, &v, n, r->mark.tx_in_flight,
		    m->rate.lost - r->mark.lost, r->mark.app_limited);
	obey(cc, &v);
}

static void update(struct leg_cong *cc, const struct leg *l,
		   const struct ack_sample *a)
{
	struct leg_bbr *m = cc->bbr;
	struct rate_sample *s = &m->sample;
	struct bbr_view v;

	rate_finish(&m->rate, s, l->rtt.min_us);
	s->rtt_us = a->rtt_us;
	v = look(cc, l);
	/* the window was full when this ACK arrived */
	v.cwnd_limited = (uint64_t)v.inflight + s->newly_acked + s->newly_lost +
				 v.quantum >=
			 v.cwnd;
	bbr_on_ack(&m->model, &v, s);
	obey(cc, &v);
	/* the least of a round trip: a queue that stands delays every segment,
	 * a busy host only some */
	if (m->model.round_start && m->round_rtt_us != UINT32_MAX) {
		m->rtt_us = m->round_rtt_us;
		m->round_rtt_us = UINT32_MAX;
	}
}

static void sent(struct leg_cong *cc, const struct leg *l, struct run *r,
		 uint32_t bytes, mono_t now)
{
	struct leg_bbr *m = cc->bbr;
	struct bbr_view v;

	m->now = now;
	v = look(cc, l);
	rate_sent(&m->rate, &r->mark, v.inflight, bytes, now);
	if (v.inflight > bytes)
		return;
	v.inflight = 0;
	bbr_on_transmit(&m->model, &v);
	obey(cc, &v);
}

/* Does @wnd allow half as much again as the model's rate needs? */
static bool is_ample(const struct leg_bbr *m, uint32_t wnd)
{
	return m->model.has_rtt &&
	       wnd > m->model.bw * m->model.min_rtt_us / USEC_PER_SEC * 3 / 2;
}

static void event(struct leg_cong *cc, const struct leg *l, enum cc_event e)
{
	struct leg_bbr *m = cc->bbr;
	struct bbr_view v = look(cc, l);

	switch (e) {
	case CC_RECOVERY_BEGINS:
		bbr_enter_recovery(&m->model, &v, false);
		break;
	case CC_RECOVERY_ENDS:
		bbr_exit_recovery(&m->model, &v);
		break;
	case CC_RECOVERY_UNDONE:
		m->rate.lost -= l->loss.lost_bytes;
		bbr_undo(&m->model, &v);
		break;
	case CC_CONGESTION_MARK:
		bbr_on_ecn(&m->model, &v);
		break;
	case CC_NOTHING_TO_SEND:
		rate_limited(&m->rate, v.inflight);
		break;
	case CC_WINDOW_IS_FULL:
		/* the draft goes on (4.1.1.3.1): but a window that the peer is
		 * still opening would end STARTUP, long before the path does.
		 * One that has room for a higher rate limits nothing. */
		if (!bbr_sees_queue(&m->model, &v) && !is_ample(m, l->snd.wnd))
			rate_limited(&m->rate, v.inflight);
		break;
	}
	obey(cc, &v);
}

static uint64_t rate(const struct leg_cong *cc)
{
	return cc->bbr->pacing_rate;
}

static uint32_t quantum(const struct leg_cong *cc)
{
	return cc->bbr->quantum;
}

static const struct cc_model model = {
	.start = start,
	.stop = stop,
	.begin = begin,
	.delivered = delivered,
	.lost = lost,
	.update = update,
	.sent = sent,
	.event = event,
	.rate = rate,
	.quantum = quantum,
};

const struct cc_ops cc_bbr = {.name = "bbr", .model = &model};
