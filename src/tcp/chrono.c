/* SPDX-License-Identifier: MIT */
/*
 * Where a leg's time goes: the answer to "why is it slow?".
 *
 * Each time the engine has taken what a leg may send, whatever holds the rest
 * back is what limits the leg until the next time.  Linux counts the same for
 * its sockets (ss: busy, rwnd_limited, sndbuf_limited); busy is all that is not
 * LIMIT_IDLE here, and sndbuf_limited is LIMIT_BUFFER.  As in Linux the peer's
 * window counts only where congestion control would let more go.
 *
 * What is received tells of the other half of the path: a hole in it is a
 * segment that the peer has sent and that has not come.
 *
 * The clock counts whole milliseconds from stamp to stamp, so that no rounding
 * adds up.
 */
#include "internal.h"

const char *const leg_limit_name[LEG_LIMITS] = {
	[LIMIT_IDLE] = "idle",	   [LIMIT_APP] = "app",
	[LIMIT_RWND] = "rwnd",	   [LIMIT_CWND] = "cwnd",
	[LIMIT_PACING] = "pacing", [LIMIT_BUFFER] = "buffer",
};

static_assert(CNT_ClientBufferLimitedSeconds - CNT_ClientIdleSeconds ==
			      LIMIT_BUFFER &&
		      CNT_ClientHoleSeconds - CNT_ClientIdleSeconds ==
			      LEG_LIMITS &&
		      CNT_ServerIdleSeconds - CNT_ClientIdleSeconds ==
			      LEG_LIMITS + 1,
	      "the counters are in the order of enum leg_limit");

/* Bytes that were queued and never sent. */
static uint32_t unsent(const struct leg *l)
{
	uint32_t sent = seq_span(l->snd.nxt, leg_snd_front(l));

	return sent < l->snd.q.bytes ? l->snd.q.bytes - sent : 0;
}

/* Does anything of ours keep @from's bytes from @l's queue?  Either its peer
 * has used up the window that we gave it, or a fault holds them. */
static bool held_back(const struct leg *l, const struct leg *from)
{
	if (!leg_synchronized(from))
		return false;
	if (from->rcv.sink != &l->snd.q && from->rcv.sink->bytes)
		return true;
	return !from->end.fin_rcvd && leg_rcv_wnd(&from->rcv) < from->rcv.mss;
}

static enum leg_limit limit_of(const struct leg *l, const struct leg *from,
			       mono_t now)
{
	uint32_t wait = unsent(l), pipe = board_pipe(l);
	uint32_t least = min_u32(wait, l->snd.mss);
	seq_t edge = seq_add(l->snd.una, l->snd.wnd);

	if (!wait && !l->loss.lost_bytes) {
		if (held_back(l, from))
			return LIMIT_BUFFER;
		return board_outstanding(&l->snd) ? LIMIT_APP : LIMIT_IDLE;
	}
	if (mono_is_set(l->tmr.pace) && mono_before(now, l->tmr.pace))
		return LIMIT_PACING;
	if (l->loss.lost_bytes || l->cc.cwnd < pipe + least)
		return LIMIT_CWND;
	if (seq_lt(edge, seq_add(l->snd.nxt, least)))
		return LIMIT_RWND;
	return LIMIT_BUFFER; /* it could: no memory, or a fault */
}

/* Account for the time up to @now. */
static void pass(struct leg_chrono *c, struct leg_chrono *add, mono_t now)
{
	uint32_t at = (uint32_t)(now.us / USEC_PER_MSEC);

	memset(add, 0, sizeof(*add));
	if (c->on) {
		add->ms[c->limit] = at - c->at_ms;
		add->hole_ms = c->hole ? at - c->at_ms : 0;
		c->ms[c->limit] += add->ms[c->limit];
		c->hole_ms += add->hole_ms;
	}
	c->at_ms = at;
}

void leg_chrono_update(struct leg *l, const struct leg *from, mono_t now)
{
	struct leg_chrono *c = &l->chrono, add;
	uint64_t *count =
		&l->env->stats->c[l->side == LEG_CLIENT ? CNT_ClientIdleSeconds
							: CNT_ServerIdleSeconds];

	pass(c, &add, now);
	count[c->limit] += add.ms[c->limit];
	count[LEG_LIMITS] += add.hole_ms;
	c->on = leg_synchronized(l) && l->state != TS_TIME_WAIT && !l->mute;
	if (!c->on)
		return;
	c->limit = limit_of(l, from, now) & 7u;
	c->hole = l->rcv.ooo != NULL;
}

struct leg_chrono leg_chrono_read(const struct leg *l, mono_t now)
{
	struct leg_chrono c = l->chrono, add;

	pass(&c, &add, now);
	return c;
}
