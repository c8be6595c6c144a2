/* SPDX-License-Identifier: MIT */
/*
 * Reassembly against a map of bytes, under random segments.
 *
 * The model keeps one value for each byte of the stream, the first that came;
 * the leg must deliver these values, and its SACK blocks must name bytes that
 * the model holds.  The seed is printed on failure.
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

#define STREAM 3000u

struct model {
	bool held[STREAM + 1];
	uint8_t value[STREAM];
	uint32_t nxt; /* first byte that is missing */
};

static struct model m;
static uint8_t text[STREAM];

/* The first write wins; beyond the window nothing is taken. */
static void model_write(uint32_t off, uint32_t len)
{
	uint32_t edge = seq_span(r.l.rcv.adv, rig_peer(0));

	for (uint32_t i = 0; i < len && off + i < edge; i++) {
		if (!m.held[off + i]) {
			m.held[off + i] = true;
			m.value[off + i] = text[i];
		}
	}
	while (m.held[m.nxt])
		m.nxt++;
}

static void check_blocks(uint64_t seed)
{
	const struct tcp_opts *o = &rig_last(&r)->s.opts;

	for (uint32_t i = 0; i < o->nsack; i++) {
		uint32_t a = seq_span(o->sack[i].start, rig_peer(0));
		uint32_t b = seq_span(o->sack[i].end, rig_peer(0));

		for (uint32_t k = a; k < b; k++)
			rig_must(k < STREAM && m.held[k],
				 "seed %lu: SACK of byte %u, not held",
				 (unsigned long)seed, k);
		if (i == 0) /* perhaps a DSACK */
			continue;
		rig_must(a > m.nxt && !m.held[a - 1] && !m.held[b],
			 "seed %lu: SACK block %u..%u is not whole",
			 (unsigned long)seed, a, b);
	}
}

static void check_sink(uint64_t seed)
{
	struct iovec v[64];
	uint32_t at = 0, got = 0;
	int n;

	rig_must(r.sink.bytes == m.nxt, "seed %lu: %u bytes, model %u",
		 (unsigned long)seed, r.sink.bytes, m.nxt);
	if (!r.sink.bytes)
		return;
	n = bufq_peek(&r.sink, 0, r.sink.bytes, v, 64, &got);
	for (int i = 0; i < n; i++) {
		rig_must(!memcmp(v[i].iov_base, m.value + at, v[i].iov_len),
			 "seed %lu: wrong byte in %u..%zu", (unsigned long)seed,
			 at, at + v[i].iov_len);
		at += (uint32_t)v[i].iov_len;
	}
}

static void one_segment(struct prng *p, uint64_t seed)
{
	uint32_t off = prng_below(p, STREAM), len = 1 + prng_below(p, 400);
	struct segment s;

	if (prng_below(p, 4) == 0) /* near what is missing */
		off = m.nxt > 200 ? m.nxt - prng_below(p, 200) : 0;
	if (off + len > STREAM)
		len = STREAM - off;
	if (!len)
		return;
	for (uint32_t i = 0; i < len; i++)
		text[i] = (uint8_t)prng_u32(p);
	s = rig_seg(&r, TCP_ACK, len);
	s.seq = rig_peer(off);
	s.data.p = text;
	rig_clear(&r);
	model_write(off, len);
	ck_assert_int_ne(rig_in(&r, &s), DROP_OOO_LIMIT);
	rig_run(&r, MS(50));
	if (r.ntx)
		check_blocks(seed);
	check_sink(seed);
}

START_TEST(random_segments_reassemble_as_in_the_model)
{
	uint64_t seed = (uint64_t)_i * 7919 + 1;
	struct prng p;

	memset(&m, 0, sizeof(m));
	prng_seed(&p, seed);
	rig_establish(&r, _i & 1 ? RIG_ALL : RIG_NO_TS);
	r.wrong = true;
	for (int i = 0; i < 200; i++)
		one_segment(&p, seed);
	for (uint32_t at = 0; at < STREAM; at += 100) { /* fill what is left */
		struct segment s = rig_seg(&r, TCP_ACK, 100);

		s.seq = rig_peer(at);
		s.data.p = text;
		model_write(at, 100);
		rig_in(&r, &s);
	}
	check_sink(seed);
	ck_assert_uint_eq(m.nxt, STREAM);
	ck_assert_uint_eq(r.ooo.used, 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("model_reasm");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, random_segments_reassemble_as_in_the_model, 0,
			    60);
	return rig_main("model_reasm", tc);
}
