/* SPDX-License-Identifier: MIT */
/*
 * Third parties: strangers who flood with SYNs, blind attackers who know the
 * 4-tuple and about where the connection stands, routers that take smaller
 * packets only, forged ICMP.  And the operator, who reloads the policy.
 *
 * What is forged is always something that a correct stack withstands, so no
 * judgement is relaxed for it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define FAR 0x10000000u /* no window reaches so far */

static bool permille(struct world *w, int64_t pm)
{
	return pm && prng_below(&w->rng, 1000) < pm;
}

void noise_init(struct world *w)
{
	w->flood_at = w->plan->flood_pps && !w->direct ? w->epoch : INT64_MAX;
	w->reload_at = w->plan->reload_ms && !w->direct
			       ? w->epoch + w->plan->reload_ms * 1000
			       : INT64_MAX;
}

int64_t noise_deadline(const struct world *w)
{
	return w->flood_at < w->reload_at ? w->flood_at : w->reload_at;
}

static void spoofed_syn(struct world *w)
{
	struct sseg s = {.family = (int)w->plan->family, .flags = F_SYN};

	s.src = hosts_stranger(w, &w->rng);
	s.dst = w->listen;
	s.seq = prng_u32(&w->rng);
	s.wnd = 65535;
	s.mss = 1460;
	s.ws = 7;
	s.sackok = true;
	middle_give(w, spkt_build(&s, NULL));
}

void noise_expire(struct world *w)
{
	const struct plan *p = w->plan;

	while (!w->failed && w->flood_at <= w->now) {
		spoofed_syn(w);
		w->flood_at += 1000000 / p->flood_pps;
		if (w->flood_at > w->epoch + p->flood_ms * 1000)
			w->flood_at = INT64_MAX;
	}
	if (w->reload_at <= w->now) {
		struct policy *pol = middle_policy(w);

		engine_set_policy(w->engine, pol);
		policy_put(pol);
		w->reload_at += p->reload_ms * 1000;
		if (w->reload_at > w->net.heal_at)
			w->reload_at = INT64_MAX;
	}
}

/* Has the engine a leg for this peer that is open in both directions? */
static bool is_open(const struct peer *p)
{
	return p->state == P_OPEN && !p->eof && !p->dead &&
	       (!p->cfg.active || p->arr_contig > 0);
}

void noise_blind(struct world *w, const struct peer *from, const struct sseg *s)
{
	static const uint8_t lie[100];
	struct sseg f = *s;

	/* a SYN after the end of the flow would be the next one's first */
	if (!permille(w, w->plan->blind_pm) || !is_open(from) ||
	    conn_is_troubled(w->conn[from->cfg.conn].plan) ||
	    w->now >= w->net.heal_at)
		return;
	/* in the window or not, but never just where it begins */
	f.seq = from->cfg.iss + (uint32_t)from->arr_contig + 3 +
		(prng_below(&w->rng, 2) ? prng_below(&w->rng, 60000) : FAR);
	f.ack = s->ack;
	f.len = 0;
	f.nsack = 0;
	f.ecn = 0;
	switch (prng_below(&w->rng, 4)) {
	case 0:
		f.flags = F_RST;
		break;
	case 1:
		f.flags = F_SYN;
		break;
	case 2:
		f.flags = F_ACK | F_PSH; /* RFC 5961, 5: no such ACK */
		f.ack += prng_below(&w->rng, 2) ? FAR : 0u - 4 * FAR;
		f.len = sizeof(lie);
		break;
	default:
		f.flags = F_ACK | F_PSH; /* beyond any window */
		f.seq = s->seq + FAR;
		f.len = sizeof(lie);
		break;
	}
	middle_give(w, spkt_build(&f, lie));
}

static void forge_icmp(struct world *w, int link, const struct spkt *pkt)
{
	int back = link == L_EC ? L_CE : L_SE;

	switch (prng_below(&w->rng, 3)) {
	case 0: /* a hard error kills no connection: RFC 5927, 5.2 */
		middle_send_on(w, back, spkt_icmp(pkt, 1, 0, 0));
		break;
	case 1: /* no path is that narrow */
		middle_send_on(w, back, spkt_icmp(pkt, 4, 68, 0));
		break;
	default: /* nothing of the kind is in flight */
		middle_send_on(w, back, spkt_icmp(pkt, 4, 600, FAR));
		break;
	}
}

bool noise_path(struct world *w, int link, struct spkt *pkt)
{
	const struct link_plan *l = &w->plan->link[link];
	struct sseg s;
	const char *why;

	if ((!l->mtu && !w->plan->icmp_pm) || spkt_parse(pkt, &s, &why))
		return false;
	if (!(s.flags & (F_SYN | F_RST)) && permille(w, w->plan->icmp_pm))
		forge_icmp(w, link, pkt);
	if (!l->mtu || w->plan->whole_gso || s.iplen <= l->mtu || !s.df ||
	    w->now < w->epoch + l->mtu_at_ms * 1000)
		return false;
	world_trace(w, "  too large", NULL);
	if (l->mtu_icmp)
		middle_send_on(w, link == L_EC ? L_CE : L_SE,
			       spkt_icmp(pkt, 4, (uint16_t)l->mtu, 0));
	free(pkt);
	return true;
}
