/* SPDX-License-Identifier: MIT */
/*
 * The engine's part in the XDP front: the front must know whose segments belong
 * to the engine, and the engine accepts cookies that the front has sent.
 */
#include "internal.h"

void engine_set_known(struct engine *e, const struct known *k)
{
	struct flow *f;

	e->known = k;
	synq_set_known(&e->synq, k);
	tw_set_known(&e->tw, k);
	for_each_flow(e, f) {
		if (f->leg[LEG_CLIENT].hashed)
			known_add(k, &f->leg[LEG_CLIENT].t);
	}
}

void engine_synack_offer(const struct engine *e, uint32_t i,
			 struct synack_offer *o)
{
	*o = (struct synack_offer){0};
	if (i < e->set->n)
		halfopen_offer(&e->set->svc[i], o);
}

enum front_wish engine_front(struct engine *e, uint32_t i, uint64_t sent,
			     bool on, mono_t now)
{
	struct svc *s;

	if (i >= e->set->n)
		return WISH_LEAVE;
	s = &e->set->svc[i];
	if (sent || on)
		halfopen_cookies_out(e, s, now);
	pressure_sent(&s->stats->pressure,
		      sent < UINT32_MAX ? (uint32_t)sent : UINT32_MAX);
	if (e->hooks || e->stopping || s->stats->draining)
		return WISH_LEAVE;
	return admit_by_cookie(e, s, now) ? WISH_COOKIES : WISH_CALM;
}
