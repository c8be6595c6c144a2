/* SPDX-License-Identifier: MIT */
/*
 * Path memory: what one connection learns for the next one to the same host
 * (Linux: tcp_metrics).
 *
 * Written only by a connection that both sides have closed in order, so by a
 * host that has proven its address and acknowledged our FIN; RSTs and timeouts
 * write nothing.  A higher round trip than the known one replaces it, a lower
 * one moves it by an eighth: too long an RTO is better than too short a one.
 * ssthresh and the window are kept in segments.
 *
 * Read when a handshake ends.  The known round trip sets the first RTO alone,
 * where it is longer than that of the handshake, whose packets are small; the
 * first sample replaces it.  Unlike Linux no more than RFC 6298's 3 s are
 * believed, since a neighbour behind the same address could have delayed its
 * ACKs.  A path MTU that ICMP told of counts for ten minutes, as Linux's; one
 * that was guessed from silence (RFC 4821) is not kept.
 *
 * A host that answered only a SYN without ECN is not asked for it again for an
 * hour, so that the next connection does not wait a second for the same.  The
 * delivery rate is kept for who looks at it: how fast a connection begins is
 * for its own path to say.
 */
#include "internal.h"

#define MTU_KEPT_US (600 * (int64_t)USEC_PER_SEC) /* mtu_expires */
#define NO_ECN_KEPT_US (3600 * (int64_t)USEC_PER_SEC)

static struct path_metrics *path_of(const struct leg *l, bool make, mono_t now)
{
	const struct leg_env *e = l->env;

	return e->paths ? e->path(e->paths, &l->t.remote, make, now) : NULL;
}

void metrics_recall_mtu(struct leg *l, mono_t now)
{
	struct path_metrics *m = path_of(l, false, now);

	if (!m || !m->mtu)
		return;
	if (mono_sub(now, m->mtu_at) > MTU_KEPT_US)
		m->mtu = 0; /* perhaps more passes by now */
	else if (m->mtu < l->snd.pmtu)
		l->snd.pmtu = m->mtu;
}

void metrics_recall(struct leg *l, mono_t now)
{
	const struct path_metrics *m = path_of(l, false, now);
	uint64_t rto;

	if (!m)
		return;
	if (m->ssthresh && !l->cfg->no_ssthresh_metrics_save)
		l->cc.ssthresh = m->ssthresh * l->snd.mss;
	if (m->rtt_us <= l->rtt.smoothed_us)
		return;
	rto = m->rtt_us + (uint64_t)max_u32(2 * m->rtt_us, RTO_MIN_US);
	l->rtt.rto_us = rto > RTO_FALLBACK_US ? (uint32_t)RTO_FALLBACK_US
					      : (uint32_t)rto;
}

bool metrics_allow_ecn(const struct leg *l, mono_t now)
{
	const struct path_metrics *m = path_of(l, false, now);

	return !m || !m->no_ecn || mono_sub(now, m->no_ecn_at) > NO_ECN_KEPT_US;
}

static void save_rtt(struct path_metrics *m, const struct leg_rtt *rtt)
{
	uint32_t old = m->rtt_us, now = rtt->smoothed_us;
	uint32_t dev = old > now ? old - now : now - old;

	m->rtt_us = now >= old ? now : old - dev / 8;
	dev = max_u32(dev, rtt->var_us);
	m->var_us = dev >= m->var_us ? dev : m->var_us - (m->var_us - dev) / 4;
}

static void save_window(struct path_metrics *m, const struct leg *l)
{
	bool keep = !l->cfg->no_ssthresh_metrics_save;
	uint32_t cwnd = l->cc.cwnd / l->snd.mss;
	uint32_t ssthresh = l->cc.ssthresh / l->snd.mss;

	if (l->cc.ssthresh >= SSTHRESH_INF) { /* never left slow start */
		if (keep && m->ssthresh && cwnd / 2 > m->ssthresh)
			m->ssthresh = cwnd / 2;
		m->cwnd = max_u32(m->cwnd, cwnd);
	} else if (cwnd >= ssthresh && l->loss.ca == CA_OPEN) {
		if (keep)
			m->ssthresh = max_u32(cwnd / 2, ssthresh);
		m->cwnd = (m->cwnd + cwnd) / 2;
	} else {
		m->cwnd = (m->cwnd + ssthresh) / 2;
		if (keep && m->ssthresh && ssthresh > m->ssthresh)
			m->ssthresh = ssthresh;
	}
}

/* What was recalled is not news. */
static void save_mtu(struct path_metrics *m, const struct leg_snd *snd,
		     mono_t now)
{
	if (snd->pmtu >= PMTU_MAX || snd->pmtu_blackhole || snd->pmtu == m->mtu)
		return;
	m->mtu = snd->pmtu;
	m->mtu_at = now;
}

/* What was recalled, and so not asked for, is not news. */
static void save_ecn(struct path_metrics *m, const struct leg *l, mono_t now)
{
	if (l->ecn_ok) {
		m->no_ecn = false;
	} else if (l->snd.ecn_unanswered) {
		m->no_ecn = true;
		m->no_ecn_at = now;
	}
}

void metrics_save(struct leg *l, mono_t now)
{
	bool measured = l->rtt.smoothed_us && !l->rtt.backoff;
	struct path_metrics *m;

	if (l->cfg->no_metrics_save)
		return;
	m = path_of(l, measured, now);
	if (!m)
		return;
	if (!measured) { /* the known round trip did not help */
		m->rtt_us = 0;
		return;
	}
	save_rtt(m, &l->rtt);
	save_window(m, l);
	save_mtu(m, &l->snd, now);
	save_ecn(m, l, now);
	if (leg_model(&l->cc) && l->cc.bbr->model.bw)
		m->rate = l->cc.bbr->model.bw;
	m->saved_at = now;
}
