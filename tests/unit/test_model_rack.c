/* SPDX-License-Identifier: MIT */
/*
 * RACK against the pseudo-code of RFC 8985, 6.2, kept by segment.
 *
 * Random flights, ACKs, SACKs, retransmissions and timeouts; after every ACK
 * and timeout both must hold the same segments lost.  Some connections send
 * full segments, others small ones.  The seed is printed on failure.
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

#define SEGS 400u
#define LEN 100u
#define MIN_RTT MS(40)
#define SRTT MS(60)

struct seg {
	int64_t xmit;
	bool retx, sacked, lost;
};

static struct seg m[SEGS];
static uint32_t una, nxt; /* segments */
static struct {
	int64_t xmit, rtt;
	uint32_t end, fack;
	bool valid, reordering;
} rack;

static seq_t at(uint32_t seg)
{
	return rig_ours(seg * LEN);
}

static bool sent_after(int64_t t1, uint32_t s1, int64_t t2, uint32_t s2)
{
	return t1 > t2 || (t1 == t2 && s1 > s2);
}

/* Steps 1 to 3, for one segment newly delivered. */
static void model_delivered(uint32_t i)
{
	struct seg *s = &m[i];
	int64_t rtt = r.now.us - s->xmit;

	if (s->retx && rtt < MIN_RTT)
		return;
	if (i + 1 > rack.fack)
		rack.fack = i + 1;
	else if (i + 1 < rack.fack && !s->retx)
		rack.reordering = true;
	rack.rtt = rtt;
	if (!rack.valid || sent_after(s->xmit, i + 1, rack.xmit, rack.end)) {
		rack.xmit = s->xmit;
		rack.end = i + 1;
		rack.valid = true;
	}
}

/* Step 4. */
static int64_t model_reo(void)
{
	uint32_t sacked = 0;

	for (uint32_t i = una; i < nxt; i++)
		sacked += m[i].sacked;
	if (!rack.reordering && (r.l.loss.ca >= CA_RECOVERY || sacked >= 3))
		return 0;
	return MIN_RTT / 4;
}

/* Step 5. */
static void model_detect(void)
{
	int64_t reo = model_reo();

	for (uint32_t i = una; i < nxt && rack.valid; i++) {
		struct seg *s = &m[i];

		if (s->sacked || s->lost ||
		    !sent_after(rack.xmit, rack.end, s->xmit, i + 1))
			continue;
		if (s->xmit + rack.rtt + reo <= r.now.us)
			s->lost = true;
	}
}

static void send(struct prng *p)
{
	uint32_t n = 1 + prng_below(p, 5);

	if (nxt + n > SEGS)
		return;
	r.l.snd.nxt = at(nxt + n);
	if (r.l.snd.mss == LEN) /* one packet, that the kernel cuts up */
		board_sent(&r.l, at(nxt), at(nxt + n), r.now);
	for (; n; n--) {
		if (r.l.snd.mss > LEN)
			board_sent(&r.l, at(nxt), at(nxt + 1), r.now);
		m[nxt++] = (struct seg){.xmit = r.now.us};
	}
}

static void resend(void)
{
	for (uint32_t i = una; i < nxt; i++) {
		if (!m[i].lost)
			continue;
		m[i] = (struct seg){.xmit = r.now.us, .retx = true};
		board_retransmitted(&r.l, at(i), at(i + 1), r.now);
		return;
	}
}

/* 6.3: the first one, and what was sent long enough ago. */
static void timeout(void)
{
	int64_t reo = model_reo(), rtt = rack.rtt ? rack.rtt : SRTT;

	rack_mark_on_rto(&r.l, r.now);
	for (uint32_t i = una; i < nxt; i++) {
		if (!m[i].sacked &&
		    (i == una || m[i].xmit + rtt + reo <= r.now.us))
			m[i].lost = true;
	}
}

/* An ACK: some segments in order, some blocks, lowest first or last. */
static void ack(struct prng *p)
{
	struct ack_sample a = {.rtt_us = -1};
	struct segment s = {.flags = TCP_ACK};
	uint32_t n = prng_below(p, 3) ? 0 : prng_below(p, nxt - una + 1);
	uint32_t top = nxt;

	for (uint32_t i = una; i < una + n; i++) {
		if (!m[i].sacked)
			model_delivered(i);
	}
	board_ack(&r.l, at(una + n), &a, r.now);
	una += n;
	r.l.snd.una = s.ack = at(una);
	while (s.opts.nsack < 3 && top > una + 2) { /* newest first */
		uint32_t b = una + 1 + prng_below(p, top - una - 1);
		uint32_t e = b + 1 + prng_below(p, min_u32(top - b, 3));

		s.opts.sack[s.opts.nsack].start = at(b);
		s.opts.sack[s.opts.nsack].end = at(e > top ? top : e);
		s.opts.nsack++;
		top = b > 1 ? b - 1 : 0;
	}
	for (uint32_t k = s.opts.nsack; k-- > 0;) { /* in increasing order */
		uint32_t b = seq_span(s.opts.sack[k].start, at(0)) / LEN;
		uint32_t e = seq_span(s.opts.sack[k].end, at(0)) / LEN;

		for (uint32_t i = b; i < e; i++) {
			if (!m[i].sacked)
				model_delivered(i);
			m[i].sacked = true;
			m[i].lost = false;
		}
	}
	board_sack(&r.l, &s, &a, r.now);
	rack_on_ack(&r.l, &a);
	rack_detect_loss(&r.l, r.now);
	model_detect();
}

static void compare(uint64_t seed)
{
	const struct run *u = r.l.loss.run_head;

	for (uint32_t i = una; i < nxt; i++) {
		while (u && seq_le(u->end, at(i)))
			u = u->next;
		rig_must(u, "runs end early");
		rig_must((u->state == RUN_LOST) == m[i].lost,
			 "seed %lu: segment %u %s lost", (unsigned long)seed, i,
			 m[i].lost ? "should be" : "is not");
	}
	rig_must(r.l.loss.rack.reordering_seen == rack.reordering,
		 "seed %lu: reordering", (unsigned long)seed);
}

START_TEST(random_acks_lose_the_same_segments_as_the_rfc)
{
	uint64_t seed = (uint64_t)_i * 15485863 + 1;
	struct prng p;

	prng_seed(&p, seed);
	memset(&rack, 0, sizeof(rack));
	r.l.sack_ok = true;
	r.l.rtt.min_us = MIN_RTT;
	r.l.rtt.smoothed_us = SRTT;
	r.l.snd.mss = _i & 2 ? LEN : 14 * LEN;
	r.l.loss.ca = _i & 1 ? CA_RECOVERY : CA_OPEN;
	r.l.snd.iss = SEQ(RIG_ISS);
	r.l.snd.una = r.l.snd.nxt = r.l.loss.recover = r.l.loss.rack.fack =
		at(0);
	una = nxt = 0;
	for (int i = 0; i < 300; i++) {
		uint32_t k = prng_below(&p, 10);

		if (k < 4 || una == nxt)
			send(&p);
		else if (k < 6)
			resend();
		else if (k < 7 && !m[una].sacked && !prng_below(&p, 4))
			timeout();
		else
			ack(&p);
		compare(seed);
		r.now = mono_add(r.now, prng_below(&p, MS(15)));
	}
	board_purge(&r.l);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("model_rack");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, random_acks_lose_the_same_segments_as_the_rfc,
			    0, 60);
	return rig_main("model_rack", tc);
}
