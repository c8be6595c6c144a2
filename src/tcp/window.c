/* SPDX-License-Identifier: MIT */
/*
 * The receive window: the room that the other leg still has.
 *
 * The sink may hold rcv.cap bytes, and rcv.extra more for what the other leg
 * has in flight.  Only window_advertise() moves the right edge, and only to the
 * right (RFC 9293, 3.8.6; RFC 7323, 2.4), unless a fault asks for less than was
 * promised. rcv.cap begins with the middle value of tcp_rmem.  It grows, up to
 * the last value, while more than half of it is drained in a round trip
 * (dynamic right-sizing).  rcv.most limits both where tcp_notsent_lowat is set:
 * then no more is accepted than the other leg has in flight, and so many bytes.
 * When memory is short, the leg's share (engine/shares.c) is the limit.
 */
#include "internal.h"

/*
 * Bytes that may be promised beyond those in the sink.  Every leg gets the
 * least value of tcp_rmem, until seven eighths of the memory are taken.  After
 * that only legs below their share get any.
 */
static uint64_t memory_room(const struct leg *l)
{
	const struct buf_pool *p = l->env->pool;
	uint64_t share = leg_may_take(l, LEG_SHARE_WINDOW);
	uint32_t least = l->cfg->rmem[0], used = l->rcv.sink->bytes;

	if (used >= least || (!share && p->held > p->limit - p->limit / 8))
		return share;
	return share > least - used ? share : least - used;
}

uint32_t leg_window_offer(const struct tcp_cfg *cfg)
{
	return min_u32(min_u32(cfg->rmem[1] / 2, 65535), cfg->notsent_lowat);
}

/* The window if the right edge could move freely, bytes. */
static uint32_t window_free(const struct leg *l)
{
	uint32_t most = 65535u << (l->wscale_ok ? l->rcv.wscale : 0);
	uint32_t cap = l->rcv.cap + l->rcv.extra;
	uint32_t used = l->rcv.sink->bytes;
	uint64_t room;

	if (!l->rcv.extra && l->state <= TS_SYN_RECEIVED)
		cap = leg_window_offer(l->cfg);
	cap = min_u32(cap, l->rcv.most);
	if (cap <= used)
		return 0;
	room = memory_room(l);
	return room < cap - used ? min_u32((uint32_t)room, most)
				 : min_u32(cap - used, most);
}

/* Silly window avoidance of a receiver (RFC 9293, 3.8.6.2.2). */
static uint32_t window_choose(struct leg *l)
{
	uint32_t cur = leg_rcv_wnd(&l->rcv), want = window_free(l);
	uint32_t step = min_u32(l->rcv.mss, l->rcv.cap / 2);

	if (want < cur || want - cur < step || acker_is_counted(l))
		want = cur;
	if (l->behave && l->behave->window)
		want = l->behave->window(l, want);
	return want;
}

/*
 * The window is rounded up to its scale, so that the right edge never moves
 * back.  With many small segments the edge therefore moves ahead of the room;
 * reasm.c drops data once the sink holds the most that the policy allows.
 */
uint16_t window_advertise(struct leg *l, bool syn)
{
	uint32_t shift = l->wscale_ok && !syn ? l->rcv.wscale : 0;
	uint32_t cur = leg_rcv_wnd(&l->rcv), want = window_choose(l);
	uint32_t field = min_u32(want >> shift, 65535);

	if ((field << shift) < cur && want >= cur) /* keep the edge */
		field = min_u32((cur + BIT(shift) - 1) >> shift, 65535);
	if (!field && cur)
		leg_count(l, CNT_TcpExtTCPToZeroWindowAdv);
	else if (field && !cur && leg_synchronized(l))
		leg_count(l, CNT_TcpExtTCPFromZeroWindowAdv);
	if (unlikely(want < cur)) /* a fault takes back what was promised */
		l->rcv.adv = seq_add(l->rcv.nxt, field << shift);
	else
		l->rcv.adv = seq_max(l->rcv.adv,
				     seq_add(l->rcv.nxt, field << shift));
	return (uint16_t)field;
}

bool window_update_due(const struct leg *l)
{
	uint32_t cur = leg_rcv_wnd(&l->rcv), want = window_free(l);

	if (want < l->rcv.mss || want <= cur || acker_is_counted(l))
		return false;
	return want >= 2 * cur &&
	       want - cur >= min_u32(l->rcv.mss, l->rcv.cap / 2);
}

/*
 * Grow rcv.cap if more was drained in the last round trip than in any before:
 * to twice as much, to twice the growth again, since a slow start goes on, and
 * by what waits behind a hole, which nobody can drain (Linux, tcp_rcvbuf_grow).
 */
static void grow_cap(struct leg *l, uint32_t drained, uint32_t held)
{
	uint64_t need = 2ULL * drained + 16ULL * l->rcv.mss;
	uint32_t before = max_u32(max_u32(l->rcv.drs_most, l->rcv.cap / 2), 1);

	if (drained <= before)
		return;
	l->rcv.drs_most = drained;
	need += 2 * need * (drained - before) / before;
	need += held;
	if (need > l->rcv.cap &&
	    need - l->rcv.cap <= leg_may_take(l, LEG_SHARE_WINDOW) &&
	    l->rcv.sink->bytes < l->rcv.cap + l->rcv.extra)
		l->rcv.cap = (uint32_t)(need > l->cfg->rmem[2] ? l->cfg->rmem[2]
							       : need);
}

/* Has a round trip passed?  After a SYN-ACK that was sent again, or was a
 * cookie, its time may be unknown.  But a full window takes one at least. */
static bool is_round(const struct leg *l, mono_t now)
{
	uint32_t rtt = max_u32(l->rtt.smoothed_us, USEC_PER_MSEC);

	if (!l->rtt.smoothed_us)
		return l->rcv.drs_bytes >= l->rcv.cap;
	return mono_sub(now, l->rcv.drs_start) >= (int64_t)rtt;
}

void window_on_data(struct leg *l, uint32_t bytes, uint32_t held, mono_t now)
{
	l->rcv.drs_bytes += bytes;
	if (!is_round(l, now))
		return;
	grow_cap(l, l->rcv.drs_bytes, held);
	l->rcv.drs_bytes = 0;
	l->rcv.drs_start = now;
}
