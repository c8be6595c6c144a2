/* SPDX-License-Identifier: MIT */
/*
 * What must be true of every connection when all is over.
 */
#include "sim/world.h"

static bool finished(const struct peer *p)
{
	return p->eof && p->fin_acked && !p->reset && !p->timedout;
}

static bool has_all(const struct peer *p)
{
	return p->rcv_nxt == p->cfg.rx_total + 2;
}

static void judge_refused(struct world *w, const struct conn *c)
{
	const struct peer *p = c->client;

	if (server_answers_first(w->plan) && p->established)
		world_fail(w, "conn %d: handshake though the server refuses",
			   c->id);
	if (!p->reset &&
	    !(p->established &&
	      (w->plan->on_no_server || w->plan->unknown == UNKNOWN_DROP)))
		world_fail(w, "conn %d: refusal did not reach the client",
			   c->id);
}

static void judge_silent(struct world *w, const struct conn *c)
{
	const struct peer *p = c->client;
	bool drop = w->plan->on_no_server || w->plan->server_first ||
		    w->plan->unknown == UNKNOWN_DROP;

	if (server_answers_first(w->plan) && p->established)
		world_fail(w, "conn %d: handshake though the server is dead",
			   c->id);
	if (!drop && !w->direct && !p->reset)
		world_fail(w, "conn %d: client not told of a dead server",
			   c->id);
}

/*
 * Everything came and everything went; only the end of our FIN's handshake
 * was lost, and the other side's TIME_WAIT was cut short by configuration.
 */
static bool ended_late(const struct world *w, const struct conn *c,
		       const struct peer *p)
{
	bool brief = w->plan->timewait_s < 60 ||
		     c->plan->client.timewait_s < 60 ||
		     c->plan->server_side.timewait_s < 60;

	return brief && has_all(p) && p->arr_contig == p->cfg.tx_total;
}

static void judge_clean(struct world *w, const struct conn *c)
{
	const struct peer *p = c->client, *q = c->served;

	if (!p->established || !q)
		world_fail(w, "conn %d: not established (client %d server %d)",
			   c->id, p->established, q != NULL);
	else if ((p->reset && !ended_late(w, c, p)) ||
		 (q->reset && !ended_late(w, c, q)))
		world_fail(w, "conn %d: RST from nowhere (client %d server %d)",
			   c->id, p->reset, q->reset);
	else if ((p->timedout && !ended_late(w, c, p)) ||
		 (q->timedout && !ended_late(w, c, q)))
		world_fail(w, "conn %d: timed out (client %d server %d)", c->id,
			   p->timedout, q->timedout);
	else if (!has_all(p) || !has_all(q))
		world_fail(w, "conn %d: %lu of %lu down, %lu of %lu up", c->id,
			   (unsigned long)p->rcv_nxt,
			   (unsigned long)p->cfg.rx_total + 2,
			   (unsigned long)q->rcv_nxt,
			   (unsigned long)q->cfg.rx_total + 2);
}

/* What was urgent for the sender was so for the receiver. */
static void judge_urgent(struct world *w, const struct conn *c,
			 const struct peer *from, const struct peer *to)
{
	if (from->cfg.urg_at && to->rx_urg != 1 + from->cfg.urg_at)
		world_fail(w,
			   "conn %d: the %s's urgent mark is at %lu, not %lu",
			   c->id, from->cfg.name, (unsigned long)to->rx_urg,
			   (unsigned long)from->cfg.urg_at + 1);
}

/* One side vanished or reset: the other must not see a clean end before it. */
static void judge_broken(struct world *w, const struct conn *c,
			 const struct peer *gone, const struct peer *left)
{
	if (!gone->aborted || !gone->established || left->dead)
		return;
	if (w->plan->unknown == UNKNOWN_DROP && !w->direct)
		return; /* one lost RST, and nobody repeats it */
	if (left->established && !left->aborted && !finished(left) &&
	    !left->eof && !left->reset)
		world_fail(w, "conn %d: RST of the %s did not arrive", c->id,
			   gone->cfg.name);
}

void judge_outcomes(struct world *w)
{
	bool tight = plan_is_tight(w->plan) && !w->direct;

	for (int i = 0; i < w->plan->nconn && !w->failed; i++) {
		struct conn *c = &w->conn[i];

		if (tight || !c->sole)
			continue;
		if (conn_is_troubled(c->plan)) {
			if (!c->served)
				continue;
			judge_broken(w, c, c->client, c->served);
			judge_broken(w, c, c->served, c->client);
		} else if (c->plan->server == SERVER_REFUSE) {
			judge_refused(w, c);
		} else if (c->plan->server == SERVER_SILENT) {
			judge_silent(w, c);
		} else {
			judge_clean(w, c);
			if (w->failed)
				break;
			judge_urgent(w, c, c->client, c->served);
			judge_urgent(w, c, c->served, c->client);
		}
	}
}
