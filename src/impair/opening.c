/* SPDX-License-Identifier: MIT */
/*
 * Before there is a flow, and after.
 *
 * An embryo is made at the first SYN, so a SYN can be lost before there is a
 * flow and still keep the connection's ordinal.  A flow that ends leaves one
 * behind when a fault outlives it.  Some faults answer here in the place of a
 * connection that never comes to be.
 */
#include "internal.h"

static struct fault_flow *embryo_for(struct impair *im, const struct segment *s,
				     mono_t now)
{
	struct fault_set *set = &im->set;
	struct fault_flow *w = fault_embryo_find(set, &s->t);
	const char *service;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return w;
	/* A new connection begins, from a port that was used before. */
	if (w && (w->old || !seq_eq(w->isn, s->seq))) {
		fault_embryo_take(set, w);
		fault_flow_free(set, w);
		w = NULL;
	}
	if (w)
		return w;
	service = engine_service_at(im->e, &s->t.local, s->t.lport);
	if (service)
		w = fault_flow_new(set, service, &s->t, now);
	if (w) {
		w->isn = s->seq;
		fault_embryo_keep(set, w, now);
	}
	return w;
}

static enum verdict answer(struct tx *reply, const struct segment *s,
			   const struct fault_verdict *v)
{
	const struct tcp_opts none = {0};
	struct tcp_opts o = {.has = OPT_HAS_MSS,
			     .mss = leg_mss_offer(s->family)};

	switch (v->answer) {
	case FAULT_ANSWER_RST:
		answer_rst(reply, s);
		break;
	case FAULT_ANSWER_ICMP:
		icmp_refuse(reply, s, v->icmp_code);
		break;
	case FAULT_ANSWER_SYNACK:
		answer_syn_ack(reply, s, SEQ(v->dice), v->wnd, false, &o);
		break;
	case FAULT_ANSWER_ACK:
		answer_ack(reply, s, s->ack, SEQ(v->irs + 1), 0, &none);
		break;
	default:
		return VERDICT_CONSUMED;
	}
	return VERDICT_REPLY;
}

/* What is left of a flow that ended, when its server speaks. */
static struct fault_flow *left_behind(struct impair *im,
				      const struct segment *s)
{
	const struct tuple t = tuple_flip(&s->t);
	struct fault_flow *w = fault_embryo_find(&im->set, &t);

	return w && w->old ? w : NULL;
}

enum verdict opening_admit(void *wing, const struct segment *s, mono_t now,
			   struct tx *reply)
{
	struct impair *im = wing;
	struct fault_flow *w = embryo_for(im, s, now);
	struct fault_flow *left = w ? NULL : left_behind(im, s);
	struct fault_verdict v;
	struct fault_event ev;
	struct segment changed;
	enum verdict done;

	w = left ? left : w;
	if (w)
		watch_in(im, w, left ? LEG_SERVER : LEG_CLIENT, s, now);
	if (!w || !w->active)
		return admit(im->e, s, now, reply);
	describe_in(&ev, w, NULL, s, now);
	ev.side = left ? LEG_SERVER : LEG_CLIENT;
	if (w->old) { /* it lives on as long as somebody speaks to it */
		fault_embryo_take(&im->set, w);
		fault_embryo_keep(&im->set, w, now);
	}
	fault_judge(&im->set, w, &ev, &v);
	v.open = arrival_crosses(w, &ev);
	if (v.act & FAULT_ACT_ANSWER) {
		fault_embryo_take(&im->set, w);
		fault_embryo_keep(&im->set, w, now);
		done = answer(reply, s, &v);
		if (done == VERDICT_REPLY)
			watch_reply(im, w, ev.side, reply, now);
		return done;
	}
	if (v.icmp)
		departure_send(im, icmp_for_peer(im, s, &v), now, now);
	changed = *s;
	arrival_edit(&changed, &v);
	if (v.act || arrival_detain(im, &changed, &v, now))
		return VERDICT_CONSUMED;
	done = admit(im->e, &changed, now, reply);
	if (v.open)
		arrival_crossed(im, &s->t);
	/* a cookie or a RST answers without state; else a flow took the
	 * embryo, and may be gone again */
	w = fault_embryo_find(&im->set, &s->t);
	if (done == VERDICT_REPLY && departure_judge(im, w, reply, now))
		return VERDICT_CONSUMED;
	return done;
}
