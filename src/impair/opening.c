/* SPDX-License-Identifier: MIT */
/*
 * Segments of a connection that has no flow: not yet, or no longer.
 *
 * At the first SYN a struct fault_flow without a flow is made (it is
 * "unbound").  So a SYN can be dropped before there is a flow, and the
 * connection still keeps its ordinal.  A flow that ends leaves one if a fault
 * acts longer than the flow.  Some faults answer here, and the connection never
 * gets a flow.
 */
#include "internal.h"

static struct fault_flow *unbound_for(struct impair *im,
				      const struct segment *s, mono_t now)
{
	struct fault_set *set = &im->set;
	struct fault_flow *w = fault_unbound_find(set, &s->t);
	const char *service;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return w;
	/* a new connection from a port that was used before */
	if (w && (w->old || !seq_eq(w->isn, s->seq))) {
		fault_unbound_take(set, w);
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
		fault_unbound_keep(set, w, now);
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

/* The server sends to a flow that has ended: find what is left of it. */
static struct fault_flow *left_behind(struct impair *im,
				      const struct segment *s)
{
	const struct tuple t = tuple_flip(&s->t);
	struct fault_flow *w = fault_unbound_find(&im->set, &t);

	return w && w->old ? w : NULL;
}

enum verdict opening_admit(void *wing, const struct segment *s, mono_t now,
			   struct tx *reply)
{
	struct impair *im = wing;
	struct fault_flow *w = unbound_for(im, s, now);
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
	if (w->old) { /* keep it while segments arrive for it */
		fault_unbound_take(&im->set, w);
		fault_unbound_keep(&im->set, w, now);
	}
	fault_judge(&im->set, w, &ev, &v);
	v.open = arrival_crosses(w, &ev);
	if (v.act & FAULT_ACT_ANSWER) {
		fault_unbound_take(&im->set, w);
		fault_unbound_keep(&im->set, w, now);
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
	/* a cookie or a RST is an answer without state; otherwise a flow has
	 * taken @w, and may be gone again */
	w = fault_unbound_find(&im->set, &s->t);
	if (done == VERDICT_REPLY && departure_judge(im, w, reply, now))
		return VERDICT_CONSUMED;
	return done;
}
