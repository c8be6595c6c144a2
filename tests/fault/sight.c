/* SPDX-License-Identifier: MIT */
/*
 * What peers were shown, and what they took.
 *
 * The linker hands two functions of the simulator to us: tap_check(), which
 * sees each segment as the engine sends it (its own judgment, of an order that
 * faults change on purpose, is left out), and peer_input(), where a segment
 * arrives: a byte that the peer takes must be the one that was sent to it.
 */
#include <string.h>

#include "fault/sight.h"

void __wrap_tap_check(struct peer *rx, const struct peer *tx,
		      const struct sseg *s, bool direct, int64_t now);
void __wrap_peer_input(struct peer *p, const struct sseg *s, int64_t now);
void __real_peer_input(struct peer *p, const struct sseg *s, int64_t now);

struct sight sight[2];

void sight_reset(void)
{
	memset(sight, 0, sizeof(sight));
}

/* A byte that has not come yet is compared; the first copy counts. */
static void check_bytes(struct peer *p, const struct sseg *s)
{
	int64_t off = off_near(p->rcv_nxt, p->irs, s->seq);
	uint64_t most = min_u64(p->adv_edge, p->cfg.rx_total + 1);

	for (uint32_t i = 0; i < s->len; i++) {
		int64_t at = off + i;
		uint8_t want;

		if (at < 1 || (uint64_t)at >= most || p->got[at - 1])
			continue;
		stream_fill(p->cfg.key_rx, (uint64_t)at - 1, &want, 1);
		if (want == s->data[i])
			continue;
		p->ops->fault(p->ops->ctx, p, "changed byte at offset %ld",
			      (long)at - 1);
		return;
	}
}

void __wrap_peer_input(struct peer *p, const struct sseg *s, int64_t now)
{
	if (p->state >= P_SYN_RCVD && p->rcv_nxt && s->len && !p->eof &&
	    !(s->flags & (F_SYN | F_RST)))
		check_bytes(p, s);
	__real_peer_input(p, s, now);
}

void sight_end(struct world *w)
{
	sight[0].gave_up = w->conn[0].client->timedout;
	sight[1].gave_up = w->conn[0].served && w->conn[0].served->timedout;
}

static void see_window(struct sight *g, const struct peer *rx,
		       const struct sseg *s, uint64_t ack)
{
	uint64_t wnd = (uint64_t)s->wnd << (rx->snd_ws > 0 ? rx->snd_ws : 0);
	uint64_t edge = ack + wnd;

	if (g->seen && edge < g->edge_at) {
		g->retreats++;
		g->retreat = max_u64(g->retreat, g->edge_at - edge);
	}
	g->seen = true;
	g->edge_at = edge;
	g->edge = max_u64(g->edge, edge);
	g->windows += wnd && wnd < rx->smss;
}

static void see_acks(struct sight *g, const struct peer *rx,
		     const struct sseg *s)
{
	uint64_t ack = (uint64_t)off_near(rx->una, rx->cfg.iss, s->ack);

	see_window(g, rx, s, ack);
	g->early += ack > 2 + rx->arr_contig;
	for (int i = 0; i < s->nsack; i++)
		g->sacked =
			max_u64(g->sacked, (uint64_t)off_near(ack, rx->cfg.iss,
							      s->sack[i][1]));
	if (!s->nsack && ack < g->sacked) {
		g->reneged++;
		g->sacked = 0;
	}
	if (rx->max != rx->cfg.tx_total + 2 || !rx->fin_arrived)
		return;
	g->crossed += s->flags & F_FIN && ack < rx->max;
	g->late_acks += g->crossed && ack == rx->max;
}

static void see_data(struct sight *g, const struct peer *rx,
		     const struct sseg *s)
{
	uint64_t off = (uint64_t)off_near(rx->rcv_nxt, rx->irs, s->seq);

	g->data++;
	g->longest = max_u32(g->longest, s->len);
	g->overlaps += off < g->end && off + s->len > g->end;
	g->end = max_u64(g->end, off + s->len);
	if (!(s->flags & F_URG))
		return;
	g->urgents++;
	g->urg = off - 1 + s->urg - 1;
}

void __wrap_tap_check(struct peer *rx, const struct peer *tx,
		      const struct sseg *s, bool direct, int64_t now)
{
	struct sight *g = &sight[!rx->cfg.active];

	(void)tx;
	(void)direct;
	(void)now;
	if (rx->state == P_TIME_WAIT) {
		g->late_len += s->len != 0;
		g->late_rst += !!(s->flags & F_RST);
		g->late_syn += !!(s->flags & F_SYN);
		g->late_ack += !s->len && s->flags == F_ACK;
	}
	if (!rx->rcv_nxt || s->flags & (F_SYN | F_RST) || !(s->flags & F_ACK))
		return;
	see_acks(g, rx, s);
	if (s->len)
		see_data(g, rx, s);
}

/* ---- what cases must show ---- */

static bool edge_taken_back(const struct sight *g)
{
	return g->retreats >= 2 && g->retreat >= 15000;
}

static bool never_taken_back(const struct sight *g)
{
	return g->retreats == 0 && g->windows == 0;
}

static bool windows_small(const struct sight *g)
{
	return g->windows >= 5 && g->retreats == 0;
}

static bool few_and_long(const struct sight *g)
{
	return g->data <= 12 && g->longest > 400;
}

static bool reneged_twice(const struct sight *g)
{
	return g->reneged >= 2;
}

static bool acked_early(const struct sight *g)
{
	return g->early >= 3;
}

static bool overlapped(const struct sight *g)
{
	return g->overlaps >= 20;
}

static bool urgent_there(const struct sight *g)
{
	return g->urgents >= 1 && g->urg == 30000;
}

static bool fins_crossed(const struct sight *g)
{
	return g->crossed == 1 && g->late_acks >= 1;
}

static bool peer_gave_up(const struct sight *g)
{
	return g->gave_up;
}

static bool late_data(const struct sight *g)
{
	return g->late_len == 1;
}

static bool late_rst(const struct sight *g)
{
	return g->late_rst >= 1;
}

static bool late_syn(const struct sight *g)
{
	return g->late_syn == 1;
}

static bool late_ack(const struct sight *g)
{
	return g->late_ack >= 1;
}

/* By the case's name: the side that was shown it, and what. */
static const struct {
	const char *name;
	int side;
	bool (*shown)(const struct sight *g);
	const char *what;
} shown[] = {
#define SHOWN(name, side, fn) {name, side, fn, #fn},
	SHOWN("window_shrink_taken_back_and_given", 0, edge_taken_back) SHOWN(
		"zero_window_reopens", 0,
		never_taken_back) SHOWN("silly_window_trickles", 0,
					windows_small) SHOWN("coalesce_joins_"
							     "small_writes",
							     0, few_and_long)
		SHOWN("sack_renege_twice_recovered", 0, reneged_twice) SHOWN(
			"optimistic_ack_without_loss_is_harmless", 0,
			acked_early) SHOWN("overlap_same_is_harmless", 0,
					   overlapped) SHOWN("overlap_old_is_"
							     "right_first_copy_"
							     "counts",
							     0, overlapped)
			SHOWN("urgent_points_there", 0, urgent_there) SHOWN(
				"simultaneous_close_fins_cross", 0,
				fins_crossed) SHOWN("simultaneous_close_server_"
						    "closes_first",
						    1, fins_crossed)
				SHOWN("probe_swallow_keepalive_peer_gives_up",
				      0, peer_gave_up) SHOWN("probe_swallow_"
							     "window_peer_"
							     "gives_up",
							     0, peer_gave_up)
					SHOWN("time_wait_replay_data", 0,
					      late_data) SHOWN("time_wait_"
							       "replay_ack",
							       0, late_ack)
						SHOWN("time_wait_replay_rst", 0,
						      late_rst)
							SHOWN("time_wait_"
							      "replay_syn_at_"
							      "server",
							      1, late_syn)};

const char *sight_judge(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (!strcmp(shown[i].name, name) &&
		    !shown[i].shown(&sight[shown[i].side]))
			return shown[i].what;
	return NULL;
}
