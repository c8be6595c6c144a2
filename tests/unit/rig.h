/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_RIG_H
#define PENSTOCK_TESTS_RIG_H

/*
 * One leg on a test bench.
 *
 *	test --- segments ---> leg ---> sink      (what the peer sent)
 *	test <-- segments ---- leg <--- send queue (what the other leg sent)
 *
 * The test plays the peer, the other leg and the clock.  After every step the
 * leg is asked for what it has to send; each packet is built, checksummed,
 * parsed again by wire and cut into segments as the kernel would, and recorded
 * in tx[].  What holds always is asserted at every step: leg_check(), the right
 * window edge never retreats and is the one that the leg knows, every payload
 *byte is the one that belongs at its sequence number, and the sink's bytes are
 *those that the peer sent.
 *
 * Positions are stream offsets: 0 is the first byte after the SYN.  Both
 * sequence spaces wrap after some kilobytes.
 *
 * RIG_PCAPNG=DIR in the environment: what passes is written to files there.
 */
#include <check.h>

#include "../../src/tcp/internal.h"
#include "util/prng.h"

#define RIG_ISS 0xfffff000u
#define RIG_IRS 0xffffe000u
#define RIG_MSS 1448u /* with timestamps */
#define RIG_TX_MAX 4096
#define RIG_ALL (OPT_HAS_MSS | OPT_HAS_WSCALE | OPT_HAS_SACKOK | OPT_HAS_TS)
#define RIG_NO_TS (OPT_HAS_MSS | OPT_HAS_WSCALE | OPT_HAS_SACKOK)
#define RIG_NO_SACK (OPT_HAS_MSS | OPT_HAS_WSCALE | OPT_HAS_TS)
#define RIG_PLAIN (OPT_HAS_MSS | OPT_HAS_WSCALE)
#define RIG_WS 7 /* the peer's window scale */
#define MS(n) ((int64_t)(n)*USEC_PER_MSEC)
#define SECS(n) ((int64_t)(n)*USEC_PER_SEC)

/**
 * struct rig_tx - A segment that the leg sent
 * @s:   as the peer sees it; data.p is not valid
 * @off: stream offset of its first byte
 * @end: stream offset after its last byte, FIN not counted
 * @at:  when
 */
struct rig_tx {
	struct segment s;
	uint32_t off, end;
	mono_t at;
};

/**
 * struct rig - The bench
 * @wnd:   window field that the peer sends
 * @acked: stream offset that the peer acknowledges
 * @pnxt:  stream offset that the peer sends next
 * @tsval: added to the clock (ms) for the peer's timestamps
 * @tsecr: newest timestamp that the peer has seen
 * @ntx:   segments in @tx
 * @mute:  do not ask the leg for output after each step
 * @wrong: the sink was given bytes that are not the pattern's: not checked
 */
struct rig {
	struct leg l;
	struct leg_env env;
	struct tcp_cfg cfg;
	struct tcp_stats stats;
	struct buf_pool pool;
	struct slab runs, ooo, bbrs;
	struct wheel wheel;
	struct prng rng;
	struct bufq sink;
	struct tuple t;
	mono_t now;
	uint16_t wnd;
	uint8_t ecn;
	uint32_t acked, pnxt, tsval, tsecr;
	uint32_t ntx;
	struct rig_tx tx[RIG_TX_MAX];
	bool mute, wrong, edge_valid;
	seq_t edge;
	uint32_t written, read;
};

/* The bench with a CLOSED leg of the given side; cfg holds the defaults. */
void rig_init_side(struct rig *r, enum leg_side side);
void rig_init(struct rig *r); /* LEG_CLIENT */
void rig_fini(struct rig *r);

/* Byte at offset @o of our stream, of the peer's. */
uint8_t rig_byte_ours(uint32_t o);
uint8_t rig_byte_peer(uint32_t o);

/* A SYN with the options @has (OPT_HAS_*). */
struct segment rig_syn(struct rig *r, uint8_t has);
/* SYN_RECEIVED, LISTEN and accepted by @has; SYN_SENT; ESTABLISHED. */
void rig_listen(struct rig *r, uint8_t has);
void rig_syn_received(struct rig *r, uint8_t has);
void rig_syn_sent(struct rig *r);
void rig_establish(struct rig *r, uint8_t has);
/* ESTABLISHED with a measured round trip of @rtt_us; tx[] is empty. */
void rig_establish_rtt(struct rig *r, uint8_t has, int64_t rtt_us);
/* The same with ECN, which the peer's SYN asked for (RFC 3168). */
void rig_establish_ecn(struct rig *r, uint8_t has, int64_t rtt_us);
/* Any state, by legal segments and calls; tx[] is empty after. */
void rig_goto(struct rig *r, enum tcp_state st);

/* The segment that the peer would send now: @len bytes at pnxt. */
struct segment rig_seg(struct rig *r, uint16_t flags, uint32_t len);
/* Feed it.  Payload is the peer's pattern at s->seq. */
enum drop_reason rig_in(struct rig *r, struct segment *s);
/* A pure ACK of @off bytes, with @n SACK blocks of two offsets each. */
enum drop_reason rig_ack(struct rig *r, uint32_t off);
enum drop_reason rig_sack(struct rig *r, uint32_t off, uint32_t n,
			  const uint32_t *blocks);
#define RIG_SACK(r, off, ...)                                         \
	rig_sack(r, off, sizeof((const uint32_t[]){__VA_ARGS__}) / 8, \
		 (const uint32_t[]){__VA_ARGS__})
/* @len bytes of the peer's stream at offset @off. */
enum drop_reason rig_data(struct rig *r, uint32_t off, uint32_t len);

/* The other leg hands over @len bytes. */
void rig_write(struct rig *r, uint32_t len);
/* The other leg has nothing more: FIN. */
void rig_close(struct rig *r);
/* The other leg takes @len bytes out of the sink. */
void rig_read(struct rig *r, uint32_t len);
/* Let time pass; timers fire. */
void rig_run(struct rig *r, int64_t us);
/* Ask for output now. */
void rig_pump(struct rig *r);

/* Sequence numbers of offsets. */
static inline seq_t rig_ours(uint32_t off)
{
	return SEQ(RIG_ISS + 1 + off);
}

static inline seq_t rig_peer(uint32_t off)
{
	return SEQ(RIG_IRS + 1 + off);
}

static inline const struct rig_tx *rig_last(const struct rig *r)
{
	ck_assert_uint_gt(r->ntx, 0);
	return &r->tx[r->ntx - 1];
}

static inline void rig_clear(struct rig *r)
{
	r->ntx = 0;
}

static inline uint64_t rig_count(const struct rig *r, enum tcp_counter c)
{
	return r->stats.c[c];
}

/* An assertion for each byte or segment: libcheck's are slow. */
#define rig_must(cond, ...)                        \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)
#define ck_state(r, st) \
	ck_assert_str_eq(tcp_state_name[(r)->l.state], tcp_state_name[st])
#define ck_drop(got, want) \
	ck_assert_str_eq(drop_reason_name[got], drop_reason_name[want])

/* One main a program: the tests of @tc, each on a fresh bench. */
int rig_main(const char *name, TCase *tc);

#endif
