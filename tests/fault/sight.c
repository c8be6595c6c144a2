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
	sight[0].smss = w->conn[0].client->smss;
	if (w->conn[0].served)
		sight[1].smss = w->conn[0].served->smss;
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

static void see_syn(struct sight *g, const struct peer *rx,
		    const struct sseg *s)
{
	g->syns += !(s->flags & F_ACK);
	g->synacks += !!(s->flags & F_ACK);
	g->wrong_acks += s->flags & F_ACK && s->ack != rx->cfg.iss + 1;
	if (g->seen)
		return;
	g->seen = true; /* a promise too, and never scaled */
	g->edge = g->edge_at = 1 + (uint64_t)s->wnd;
}

static void see_data(struct sight *g, const struct peer *rx,
		     const struct sseg *s, int64_t now)
{
	uint64_t off = (uint64_t)off_near(rx->rcv_nxt, rx->irs, s->seq);

	g->at_once = g->now == now ? g->at_once + 1 : 1;
	g->now = now;
	g->burst = max_u32(g->burst, g->at_once);
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
	if (s->flags & F_SYN)
		see_syn(g, rx, s);
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
		see_data(g, rx, s, now);
}

/* --- what cases must show --- */

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

static bool smss_of_mtu_1000(const struct sight *g)
{
	return g->smss == 948;
}

static bool smss_of_mtu_1300(const struct sight *g)
{
	return g->smss == 1228;
}

static bool smss_of_mtu_600(const struct sight *g)
{
	return g->smss == 548;
}

static bool smss_as_ever(const struct sight *g)
{
	return g->smss == 1460;
}

static bool data_below_1100(const struct sight *g)
{
	return g->longest > 500 && g->longest <= 1060;
}

static bool data_below_1000(const struct sight *g)
{
	return g->longest > 500 && g->longest <= 960;
}

static bool threes(const struct sight *g)
{
	return g->burst == 3;
}

static bool syns_crossed(const struct sight *g)
{
	return g->syns >= 1 && !g->synacks;
}

static bool two_wrong_acks(const struct sight *g)
{
	return g->wrong_acks == 2 && g->synacks > 2;
}

/* By the case's name: the side that was shown it, and what. */
static const struct {
	const char *name;
	int side;
	bool (*shown)(const struct sight *g);
	const char *what;
} shown[] = {
#define SHOWN(fn) fn, #fn
	{"window_shrink_taken_back_and_given", 0, SHOWN(edge_taken_back)},
	{"zero_window_reopens", 0, SHOWN(never_taken_back)},
	{"silly_window_trickles", 0, SHOWN(windows_small)},
	{"silly_window_below_its_unit_trickles", 0, SHOWN(windows_small)},
	{"coalesce_joins_small_writes", 0, SHOWN(few_and_long)},
	{"sack_renege_twice_recovered", 0, SHOWN(reneged_twice)},
	{"optimistic_ack_without_loss_is_harmless", 0, SHOWN(acked_early)},
	{"overlap_same_is_harmless", 0, SHOWN(overlapped)},
	{"overlap_old_is_right_first_copy_counts", 0, SHOWN(overlapped)},
	{"urgent_points_there", 0, SHOWN(urgent_there)},
	{"simultaneous_close_fins_cross", 0, SHOWN(fins_crossed)},
	{"simultaneous_close_server_closes_first", 1, SHOWN(fins_crossed)},
	{"probe_swallow_keepalive_peer_gives_up", 0, SHOWN(peer_gave_up)},
	{"probe_swallow_window_peer_gives_up", 0, SHOWN(peer_gave_up)},
	{"time_wait_replay_data", 0, SHOWN(late_data)},
	{"time_wait_replay_ack", 0, SHOWN(late_ack)},
	{"time_wait_replay_rst", 0, SHOWN(late_rst)},
	{"time_wait_replay_syn_at_server", 1, SHOWN(late_syn)},
	{"mtu_blackhole_client_is_told", 0, SHOWN(smss_of_mtu_1000)},
	{"mtu_blackhole_server_is_told_ipv6", 1, SHOWN(smss_of_mtu_1300)},
	{"mtu_blackhole_we_come_down", 0, SHOWN(data_below_1100)},
	{"mtu_blackhole_we_are_told", 0, SHOWN(data_below_1000)},
	{"icmp_ptb_client_comes_down", 0, SHOWN(smss_of_mtu_600)},
	{"icmp_ptb_with_a_bad_quote_ignored", 0, SHOWN(smss_as_ever)},
	{"slots_gather_segments", 0, SHOWN(threes)},
	{"simultaneous_open_works", 0, SHOWN(syns_crossed)},
	{"simultaneous_open_late_and_lossy", 0, SHOWN(syns_crossed)},
	{"simultaneous_open_server_first", 0, SHOWN(syns_crossed)},
	{"wrong_synack_reset_and_tried_again", 0, SHOWN(two_wrong_acks)},
};

const char *sight_judge(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (!strcmp(shown[i].name, name) &&
		    !shown[i].shown(&sight[shown[i].side]))
			return shown[i].what;
	return NULL;
}
