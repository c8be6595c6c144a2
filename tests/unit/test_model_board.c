/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard against a map of bytes, under random operations.
 *
 * The model knows of each byte in flight: sent, lost or SACKed, and whether it
 * was retransmitted.  After every operation the runs say the same, and their
 * counters are the sums.  The seed is printed on failure.
 */
#include "rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_fini(&r);
}

#define SPACE 4000u

struct byte {
	uint8_t state; /* enum run_state */
	bool retx;
	bool reneged; /* SACKed runs join: retx holds if it held for one */
};

static struct byte m[SPACE];
static uint32_t una, nxt;

static seq_t at(uint32_t off)
{
	return rig_ours(off);
}

static void compare(uint64_t seed, const char *op)
{
	uint32_t sacked = 0, lost = 0, runs = 0, pos = una;

	for (const struct run *u = r.l.loss.run_head; u; u = u->next, runs++) {
		rig_must(seq_eq(u->start, at(pos)),
			 "seed %lu, %s: run begins at %u, not %u",
			 (unsigned long)seed, op, seq_span(u->start, at(0)),
			 pos);
		for (; seq_lt(at(pos), u->end); pos++) {
			rig_must(m[pos].state == u->state,
				 "seed %lu, %s: byte %u is %u, run %u",
				 (unsigned long)seed, op, pos, m[pos].state,
				 u->state);
			rig_must(m[pos].state == RUN_SACKED ||
					 m[pos].retx == u->retx ||
					 (m[pos].reneged && u->retx),
				 "seed %lu, %s: byte %u retx",
				 (unsigned long)seed, op, pos);
			sacked += m[pos].state == RUN_SACKED;
			lost += m[pos].state == RUN_LOST;
		}
	}
	rig_must(pos == nxt, "seed %lu, %s: pos", (unsigned long)seed, op);
	rig_must(runs == r.l.loss.run_count, "seed %lu, %s: runs",
		 (unsigned long)seed, op);
	rig_must(sacked == r.l.loss.sacked_bytes, "seed %lu, %s: sacked",
		 (unsigned long)seed, op);
	rig_must(lost == r.l.loss.lost_bytes, "seed %lu, %s: lost",
		 (unsigned long)seed, op);
	rig_must(board_pipe(&r.l) == nxt - una - sacked - lost,
		 "seed %lu, %s: board_pipe(&r.l)", (unsigned long)seed, op);
}

static void op_send(struct prng *p)
{
	uint32_t n = 1 + prng_below(p, 60);

	if (nxt + n > SPACE)
		return;
	for (uint32_t i = 0; i < n; i++)
		m[nxt + i] = (struct byte){.state = RUN_SENT};
	r.l.snd.nxt = at(nxt + n);
	board_sent(&r.l, at(nxt), at(nxt + n), r.now);
	nxt += n;
}

static void op_ack(struct prng *p)
{
	struct ack_sample a = {.rtt_us = -1};
	uint32_t n = prng_below(p, (nxt - una) / 2 + 1), acked = 0;

	for (uint32_t i = 0; i < n; i++)
		acked += m[una + i].state != RUN_SACKED;
	board_ack(&r.l, at(una + n), &a, r.now);
	una += n;
	r.l.snd.una = at(una);
	ck_assert_uint_eq(a.acked, acked);
}

static void op_sack(struct prng *p)
{
	struct ack_sample a = {.rtt_us = -1};
	struct segment s = {.flags = TCP_ACK, .ack = at(una)};
	uint32_t fresh = 0;

	if (nxt - una < 4)
		return;
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t b = una + 1 + prng_below(p, nxt - una - 1);
		uint32_t e = b + 1 + prng_below(p, nxt - b);

		/* a block within the next one reads as DSACK: keep apart */
		if (i && e > seq_span(s.opts.sack[i - 1].start, at(0)))
			break;
		s.opts.sack[i].start = at(b);
		s.opts.sack[i].end = at(e);
		s.opts.nsack++;
		for (uint32_t k = b; k < e; k++) {
			fresh += m[k].state != RUN_SACKED;
			m[k].state = RUN_SACKED;
			m[k].reneged = false;
		}
	}
	board_sack(&r.l, &s, &a, r.now);
	ck_assert_uint_eq(a.sacked, fresh);
}

static void op_lose(struct prng *p)
{
	uint32_t pick = prng_below(p, r.l.loss.run_count + 1);
	struct run *u = r.l.loss.run_head;

	while (u && pick--)
		u = u->next;
	if (!u || u->state != RUN_SENT)
		return;
	for (seq_t s = u->start; seq_lt(s, u->end); s = seq_add(s, 1))
		m[seq_span(s, at(0))].state = RUN_LOST;
	board_mark_lost(&r.l, u);
}

static void op_retransmit(struct prng *p)
{
	struct run *u = r.l.loss.lost;
	uint32_t b, n;

	if (!u)
		return;
	b = seq_span(u->start, at(0));
	n = 1 + prng_below(p, seq_span(u->end, u->start));
	for (uint32_t i = 0; i < n; i++)
		m[b + i] = (struct byte){.state = RUN_SENT, .retx = true};
	board_retransmitted(&r.l, at(b), at(b + n), r.now);
}

static void op_timeout(struct prng *p)
{
	bool renege = prng_below(p, 4) == 0;

	for (uint32_t i = una; i < nxt; i++) {
		if (m[i].state == RUN_SACKED && renege)
			m[i].reneged = true;
		if (m[i].state == RUN_SENT || m[i].reneged)
			m[i].state = RUN_LOST;
	}
	board_mark_all_lost(&r.l, renege);
}

static void op_undo(struct prng *p)
{
	(void)p;
	for (uint32_t i = una; i < nxt; i++) {
		if (m[i].state == RUN_LOST)
			m[i].state = RUN_SENT;
	}
	board_unmark_lost(&r.l);
}

static const struct {
	const char *name;
	void (*run)(struct prng *p);
	uint32_t weight;
} ops[] = {
	{"send", op_send, 30},	       {"ack", op_ack, 10},
	{"sack", op_sack, 30},	       {"lose", op_lose, 12},
	{"resend", op_retransmit, 14}, {"timeout", op_timeout, 1},
	{"undo", op_undo, 3},
};

START_TEST(random_operations_agree_with_the_model)
{
	uint64_t seed = (uint64_t)_i * 104729 + 1;
	struct prng p;

	prng_seed(&p, seed);
	r.l.sack_ok = true;
	r.l.rtt.min_us = 1;
	r.l.snd.mss = 10;
	r.l.snd.iss = SEQ(RIG_ISS);
	r.l.snd.una = r.l.snd.nxt = r.l.loss.recover = at(0);
	una = nxt = 0;
	for (int i = 0; i < 400; i++) {
		uint32_t k = prng_below(&p, 100), o = 0;

		while (k >= ops[o].weight)
			k -= ops[o++].weight;
		ops[o].run(&p);
		compare(seed, ops[o].name);
		r.now = mono_add(r.now, 1 + prng_below(&p, 3) * 500);
	}
	board_purge(&r.l);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("model_board");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, random_operations_agree_with_the_model, 0, 60);
	return rig_main("model_board", tc);
}
