/* SPDX-License-Identifier: MIT */
/*
 * The behaviour of a leg with faults: answers to the questions of struct
 * leg_behaviour.
 *
 * The answers make a correct endpoint behave badly: late ACKs, a window that
 * stays closed, small segments, a FIN that never comes.  Only window_shrink
 * takes back what was promised.  An answer that holds something back also sets
 * the time when the leg asks again.
 */
#include "internal.h"

#define STRETCH_US (200 * USEC_PER_MSEC)

/* State of the types that answer questions.
 * @until: by side: until when something is held back
 * @told: answers that were reported */
struct asked {
	mono_t until[2];
	uint64_t told;
};
FAULT_STATE_FITS(struct asked);

static mono_t *until(struct fault_conn *c, const struct leg *l)
{
	return &FAULT_STATE(c, struct asked)->until[l->side];
}

static struct impair_flow *asked(struct leg *l)
{
	return impaired(leg_flow(l));
}

static struct fault_conn *ask(struct leg *l, enum fault_type type,
			      struct fault_event *ev,
			      const struct fault_spec **spec)
{
	struct impair_flow *sf = asked(l);
	struct fault_conn *c;

	*ev = (struct fault_event){
		.side = l->side,
		.to_peer = true,
		.state = l->state,
		.flags = TCP_ACK,
		.len = 1,
		.seq = l->snd.nxt,
		/* the SYN counts */
		.off = describe_at(sf->w, l, false, l->rcv.nxt) + 1,
		.acked = describe_at(sf->w, l, true, l->snd.una) + 1,
		.now = engine_now(sf->im->e),
	};
	c = fault_ask(&sf->im->set, sf->w, type, ev, spec);
	if (c && (*spec)->duration_us) /* ask again when it ends */
		timer_arm(sf->im, leg_flow(l));
	return c;
}

static void answered(struct leg *l, struct fault_conn *c,
		     const struct fault_event *ev, const char *action)
{
	struct impair_flow *sf = asked(l);

	fault_ask_done(&sf->im->set, sf->w, c, ev, action);
}

static void ask_again(struct leg *l, mono_t at)
{
	struct impair_flow *sf = asked(l);

	sf->again = mono_earlier(sf->again, at);
	timer_arm(sf->im, leg_flow(l));
}

/* The right edge stays where it is, so the window closes as data arrives. */
static uint32_t ask_zero_window(struct leg *l, uint32_t wnd)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c;
	uint32_t cur = leg_rcv_wnd(&l->rcv);

	if (wnd <= cur)
		return wnd;
	c = ask(l, FT_ZERO_WINDOW, &ev, &spec);
	if (!c)
		return wnd;
	if (spec->p[FP_REOPEN].i && !mono_is_set(*until(c, l)))
		*until(c, l) = mono_add(ev.now, spec->p[FP_REOPEN].i);
	if (mono_due(*until(c, l), ev.now)) {
		c->done = true;
		return wnd;
	}
	if (mono_is_set(*until(c, l)))
		ask_again(l, *until(c, l));
	answered(l, c, &ev, "window");
	return cur;
}

/* Round up to the window scale; otherwise nothing might be left. */
static uint32_t in_units(const struct leg *l, uint32_t wnd)
{
	uint32_t unit = l->wscale_ok ? BIT(l->rcv.wscale) : 1;

	return (wnd + unit - 1) / unit * unit;
}

/* What was promised remains valid.  The window opens by a small step at a
 * time. */
static uint32_t ask_silly_window(struct leg *l, uint32_t wnd)
{
	uint32_t cur = leg_rcv_wnd(&l->rcv), most;
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c;

	if (wnd <= cur)
		return wnd;
	c = ask(l, FT_SILLY_WINDOW, &ev, &spec);
	if (!c)
		return wnd;
	most = in_units(l, min_u32((uint32_t)spec->p[FP_SIZE].i, wnd));
	if (most >= wnd)
		return wnd;
	answered(l, c, &ev, "window");
	return max_u32(cur, most);
}

/*
 * Every other window takes back part of what the last one promised.  One
 * segment is left, so that the peer can continue.  The edge stays there for a
 * while, and then the window is correct once.
 */
static uint32_t ask_window_shrink(struct leg *l, uint32_t wnd)
{
	uint32_t cur = leg_rcv_wnd(&l->rcv), left, by;
	mono_t *shut = &asked(l)->shut[l->side];
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c;

	if (mono_is_set(*shut)) {
		if (!mono_due(*shut, engine_now(asked(l)->im->e)) &&
		    fault_carries(&asked(l)->im->set, asked(l)->w,
				  FT_WINDOW_SHRINK))
			return min_u32(wnd, cur);
		*shut = MONO_UNSET;
		return wnd;
	}
	left = in_units(l, l->rcv.mss);
	if (cur <= left)
		return wnd;
	c = ask(l, FT_WINDOW_SHRINK, &ev, &spec);
	if (!c)
		return wnd;
	by = spec->p[FP_BY].i < cur - left ? (uint32_t)spec->p[FP_BY].i
					   : cur - left;
	left = in_units(l, cur - by);
	if (left >= cur)
		return wnd;
	*shut = mono_add(ev.now, spec->p[FP_HOLD].i);
	ask_again(l, *shut);
	answered(l, c, &ev, "shrink");
	return left;
}

static uint32_t ask_window(struct leg *l, uint32_t wnd)
{
	if (l->state < TS_ESTABLISHED || l->end.fin_rcvd)
		return wnd;
	wnd = ask_zero_window(l, wnd);
	wnd = ask_silly_window(l, wnd);
	return ask_window_shrink(l, wnd);
}

/* The first question starts the delay.  False until it is over. */
static bool delay_over(struct leg *l, struct fault_conn *c, int64_t us,
		       mono_t now)
{
	if (mono_due(*until(c, l), now)) {
		*until(c, l) = MONO_UNSET;
		return true;
	}
	if (!mono_is_set(*until(c, l)))
		*until(c, l) = mono_add(now, us);
	ask_again(l, *until(c, l));
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
	if (l->rcv.ooo || l->end.fin_rcvd || !l->rcv.unacked)
		return true;
	c = ask(l, FT_STRETCH_ACK, &ev, &spec);
	if (!c || l->rcv.unacked >= spec->p[FP_N].i * l->rcv.mss)
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
		if (!FAULT_STATE(c, struct asked)->told++)
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
	if (!FAULT_STATE(c, struct asked)->told++)
		answered(l, c, &ev, "hold_fin");
	return false;
}

/* New data waits for more data, or for the end of the stream. */
static uint32_t ask_coalesce(struct leg *l, uint32_t len)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c;

	if (l->loss.lost_bytes || l->end.fin_queued)
		return len;
	c = ask(l, FT_COALESCE, &ev, &spec);
	if (!c)
		return len;
	if (len >= l->snd.mss) {
		*until(c, l) = MONO_UNSET;
		return len;
	}
	if (delay_over(l, c, spec->p[FP_HOLD].i, ev.now))
		return len;
	answered(l, c, &ev, "hold");
	return 0;
}

static uint32_t ask_tiny(struct leg *l, uint32_t len)
{
	const struct fault_spec *spec;
	struct fault_event ev;
	struct fault_conn *c = ask(l, FT_TINY_SEGMENTS, &ev, &spec);
	int64_t size, var, gap;

	if (!c)
		return len;
	gap = l->loss.lost_bytes ? 0 : spec->p[FP_DELAY].i;
	if (gap && mono_is_set(*until(c, l)) &&
	    !mono_due(*until(c, l), ev.now)) {
		ask_again(l, *until(c, l));
		return 0;
	}
	size = spec->p[FP_SIZE].i;
	var = spec->p[FP_VARIATION].i;
	if (var)
		size += (int64_t)(fault_dice(container_of(spec, struct fault,
							  spec)
						     ->key,
					     c->ordinal, c->event, 0) %
				  (uint64_t)(2 * var)) -
			var;
	if (size < 1)
		size = 1;
	if (gap)
		*until(c, l) = mono_add(ev.now, gap);
	if (size >= len)
		return len;
	answered(l, c, &ev, "tiny");
	return (uint32_t)size;
}

static uint32_t ask_max_seg(struct leg *l, uint32_t len)
{
	len = ask_coalesce(l, len);
	return len ? ask_tiny(l, len) : 0;
}

const struct leg_behaviour behave_faulty = {.window = ask_window,
					    .may_ack = ask_ack,
					    .may_fin = ask_fin,
					    .max_seg = ask_max_seg};
