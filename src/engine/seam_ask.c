/* SPDX-License-Identifier: MIT */
/*
 * Seam 3: questions that the stack asks, and faults answer.
 *
 * The answers only ever make a correct endpoint a worse one (late ACKs, a
 * window that stays shut, small segments, a FIN that does not come); none
 * takes back what was promised.  An answer that holds something back leaves a
 * time at which the leg is to ask again.
 */
#include "seams.h"

#define STRETCH_US (200 * USEC_PER_MSEC)

static struct seam_flow *asked(struct leg *l)
{
	return container_of(l->behave, struct seam_flow, behave);
}

static struct fault_conn *ask(struct leg *l, enum fault_type type,
			      struct fault_event *ev,
			      const struct fault_spec **spec)
{
	struct seam_flow *sf = asked(l);

	*ev = (struct fault_event){
		.side = l->side,
		.to_peer = true,
		.state = l->state,
		.flags = TCP_ACK,
		.len = 1,
		.seq = l->nxt,
		.off = seq_span(l->rcv_nxt, l->irs),
		.acked = seq_span(l->una, l->iss),
		.now = sf->e->now,
	};
	return fault_ask(&sf->e->seams->set, sf->w, type, ev, spec);
}

static void answered(struct leg *l, struct fault_conn *c,
		     const struct fault_event *ev, const char *action)
{
	struct seam_flow *sf = asked(l);

	fault_ask_done(&sf->e->seams->set, sf->w, c, ev, action);
}

static void ask_again(struct leg *l, mono_t at)
{
	struct seam_flow *sf = asked(l);

	sf->again = mono_earlier(sf->again, at);
	seams_arm(sf->e, leg_flow(l));
}

/* The right edge stays where it is, so the window closes as data comes. */
static uint32_t ask_window(struct leg *l, uint32_t wnd)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c;
	uint32_t cur = leg_rcv_wnd(l);

	if (l->state < TS_ESTABLISHED || wnd <= cur)
		return wnd;
	c = ask(l, FT_ZERO_WINDOW, &ev, &spec);
	if (!c)
		return wnd;
	if (spec->p[FP_REOPEN].i && !mono_is_set(c->next))
		c->next = mono_add(ev.now, spec->p[FP_REOPEN].i);
	if (mono_due(c->next, ev.now)) {
		c->done = true;
		return wnd;
	}
	if (mono_is_set(c->next))
		ask_again(l, c->next);
	answered(l, c, &ev, "window");
	return cur;
}

/* The first question starts a delay; false until it is over. */
static bool delay_over(struct leg *l, struct fault_conn *c, int64_t us,
		       mono_t now)
{
	if (mono_due(c->next, now)) {
		c->next = MONO_UNSET;
		return true;
	}
	if (!mono_is_set(c->next))
		c->next = mono_add(now, us);
	ask_again(l, c->next);
	return false;
}

static bool ask_ack(struct leg *l, mono_t now)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c = ask(l, FT_ACK_DELAY, &ev, &spec);

	if (c && !delay_over(l, c, spec->p[FP_TIME].i, now)) {
		answered(l, c, &ev, "ack_delay");
		return false;
	}
	if (l->ooo || l->fin_rcvd || !l->unacked_bytes)
		return true;
	c = ask(l, FT_STRETCH_ACK, &ev, &spec);
	if (!c || l->unacked_bytes >= spec->p[FP_N].i * l->rcv_mss)
		return true;
	if (delay_over(l, c, STRETCH_US, now))
		return true;
	answered(l, c, &ev, "stretch_ack");
	return false;
}

static bool ask_fin(struct leg *l, mono_t now)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c = ask(l, FT_HALF_CLOSE_STALL, &ev, &spec);

	if (c) {
		if (!c->seen++)
			answered(l, c, &ev, "hold_fin");
		return false;
	}
	c = ask(l, FT_SLOW_CLOSE, &ev, &spec);
	if (!c)
		return true;
	if (delay_over(l, c, spec->p[FP_DELAY].i, now)) {
		c->done = true;
		return true;
	}
	if (!c->seen++)
		answered(l, c, &ev, "hold_fin");
	return false;
}

static uint32_t ask_max_seg(struct leg *l, uint32_t len)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c = ask(l, FT_TINY_SEGMENTS, &ev, &spec);
	int64_t size, var;

	if (!c)
		return len;
	size = spec->p[FP_SIZE].i;
	var = spec->p[FP_VARIATION].i;
	if (var)
		size += (int64_t)(fault_dice(1, c->ordinal, c->event, 0) %
				  (uint64_t)(2 * var)) -
			var;
	if (size < 1)
		size = 1;
	if (size >= len)
		return len;
	answered(l, c, &ev, "tiny");
	return (uint32_t)size;
}

const struct leg_behaviour seams_behaviour = {.window = ask_window,
					      .may_ack = ask_ack,
					      .may_fin = ask_fin,
					      .max_seg = ask_max_seg};
