/* SPDX-License-Identifier: MIT */
#ifndef SIM_PEER_H
#define SIM_PEER_H

/*
 * A TCP endpoint with an application, as simple as it can be: the model of the
 * client's and the server's kernel.
 *
 * Positions in a stream are 64-bit offsets: 0 is the SYN, 1 the first byte,
 * total + 1 the FIN.  What is sent is a function of (key, offset), so neither
 * side stores a byte; what arrived is a byte map.  Loss recovery is go-back-N
 * after a timeout and one segment after three duplicate ACKs.
 */
#include "sim/spkt.h"
#include "util/prng.h"

enum peer_state {
	P_CLOSED,
	P_SYN_SENT,
	P_SYN_RCVD,
	P_OPEN,
	P_TIME_WAIT
};

/* When the application shuts its writing side down. */
enum peer_close {
	CLOSE_SENT,
	CLOSE_EOF,
	CLOSE_RECEIVED
};

struct peer;

/**
 * struct peer_ops - What the world does for a peer
 * @emit:  a packet leaves; owned by the callee
 * @fault: a violation of the protocol was seen
 */
struct peer_ops {
	void *ctx;
	void (*emit)(void *ctx, struct peer *p, struct spkt *pkt);
	void (*fault)(void *ctx, const struct peer *p, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));
};

/**
 * struct peer_cfg - One endpoint
 * @ws:       shift offered, or -1
 * @mss:      advertised; 0 leaves the option out
 * @gso:      payload of one packet towards the network; 0 = one MSS
 * @seg_rand: segments of a random length
 * @wnd_floor: round the window field down (the edge may seem to retreat by
 *            less than one unit, RFC 7323, 2.4)
 * @probe_old: probe a zero window with an old sequence number (Linux), else
 *            with one new byte (RFC 9293, 3.8.6.1)
 * @delack_us: delay of acknowledgments; 0 acknowledges at once
 * @read_chunk: the application reads so much every @read_gap_us; 0 = all
 * @stop_at:  stop reading at this offset, for @stop_us
 * @tx_chunk: the application writes so much every @tx_gap_us; 0 = all
 * @tx_thin:  in such chunks until so much is written, then all; 0 = always
 * @tx_first: but so much at once in the beginning
 * @tx_after_rx: it begins to write when so much was received
 * @abort_at: reset at this time (us); 0 never
 * @abort_rx: reset when so much was received; 0 never
 * @die_at:   vanish at this time
 * @oow_us:   least time between answers to unacceptable segments
 * @icmp:     ICMP may tell the other end about this one's path
 * @urg_at:   the urgent byte, counted from 1; 0 none
 * @renege_at: forget what was received out of order; 0 never
 * @cross:    a SYN may meet ours (RFC 9293, 3.5)
 */
struct peer_cfg {
	const char *name;
	int conn, family; /* conn: the world's number of the connection */
	struct saddr self, remote;
	bool active, sack, ts, wnd_floor, probe_old, seg_rand, dsack;
	bool ecn, icmp, cross;
	int ws;
	uint32_t iss, ts_off, mss, gso, rcvbuf, cwnd_max;
	uint32_t read_chunk, tx_chunk;
	uint64_t tx_total, rx_total, tx_after_rx, tx_thin, tx_first;
	uint64_t abort_rx, stop_at;
	uint64_t urg_at;
	int64_t delack_us, read_gap_us, tx_gap_us, stop_us;
	int64_t abort_at, die_at, timewait_us, keepalive_us, oow_us;
	int64_t renege_at;
	enum peer_close close;
	uint64_t key_tx, key_rx, seed;
	uint32_t syn_retries, retries;
};

/**
 * struct tap - What was seen of the other side's packets as it sent them
 * @ack, @edge: greatest so far (offsets)
 * @end:     one past the greatest byte that was sent (offset)
 * @data, @retx: payload bytes, and those of them that were sent before
 * @acks:    segments that carry nothing
 * @flight:  most bytes sent and not acknowledged
 * @echo:    a packet of the receiver was marked: congestion
 * @again_off, @again_at, @again_gap, @again_n: the byte that is sent again and
 *           again, when last, the time between, how often
 * @alien:   a forged SYN opened a half-open connection: its first number
 * @heard:   the receiver's packets that had arrived by then
 */
struct tap {
	bool seen, seen_ts, rst, echo, has_alien;
	uint64_t ack, edge, end, data, retx, acks, flight;
	uint64_t again_off, heard;
	int64_t again_at, again_gap;
	uint32_t tsval, again_n, alien;
};

struct peer {
	struct peer_cfg cfg;
	const struct peer_ops *ops;
	struct prng rng;
	enum peer_state state;
	bool established, eof, closing, fin_first, fin_acked;
	bool reset, refused, timedout, aborted, dead;
	bool ecn_on, ece, cwr_due;
	/* sending */
	uint64_t una, nxt, max, wnd_edge, written, recover;
	uint32_t wl1, wl2, smss, cwnd, ssthresh;
	int snd_ws, rcv_ws, dupacks;
	bool ts_on, sack_on, in_recovery, persisting;
	int64_t rto_us, srtt_us, rttvar_us, rto_at, tx_at;
	int64_t rtt_start;
	uint64_t rtt_off;
	uint32_t tries, ka_tries;
	int64_t ka_at;
	/* receiving */
	uint32_t irs, ts_recent, ts_sent, last_ack_sent;
	uint64_t rcv_nxt, fin_off, app_read, adv_edge, ooo_hi, last_rx;
	uint64_t dup_lo, dup_hi, rx_urg, cwr_end;
	int64_t full_at; /* when everything was received */
	bool ack_now;
	int64_t delack_at, read_at, tw_at, oow_at;
	int64_t end_at; /* when it became closed */
	uint8_t *got;
	/* how far the other end has our stream: kept by the world */
	uint8_t *arrived;
	uint64_t arr_contig;
	bool fin_arrived;
	uint32_t told; /* signs that something was received */
	uint64_t pkts_arrived;
	struct tap tap;
	uint64_t pkts_out, pkts_in;
};

void peer_init(struct peer *p, const struct peer_cfg *cfg,
	       const struct peer_ops *ops);
void peer_fini(struct peer *p);
/* Active: send the SYN.  Passive: answer this SYN. */
void peer_connect(struct peer *p, int64_t now);
void peer_accept(struct peer *p, const struct sseg *syn, int64_t now);
void peer_input(struct peer *p, const struct sseg *s, int64_t now);
/* A router says that what we sent at @seq is larger than @mtu. */
void peer_too_big(struct peer *p, uint32_t seq, uint32_t mtu, int64_t now);
int64_t peer_deadline(const struct peer *p);
void peer_expire(struct peer *p, int64_t now);

/* Receive half, in peer_rx.c. */
void peer_rx_segment(struct peer *p, const struct sseg *s, int64_t now);
void peer_app(struct peer *p, int64_t now);
/* Send half, in peer_tx.c. */
void peer_output(struct peer *p, int64_t now);
void peer_send(struct peer *p, uint64_t off, uint32_t len, uint16_t flags,
	       int64_t now);
void peer_close_now(struct peer *p, int64_t now);
void peer_rx_ack(struct peer *p, const struct sseg *s, int64_t now);
void peer_abort(struct peer *p, int64_t now);
void peer_tx_timeout(struct peer *p, int64_t now);
void peer_fill_sacks(const struct peer *p, struct sseg *s);

/* A packet of ours reached the other end. */
void peer_mark_arrived(struct peer *p, const struct sseg *s);

/**
 * tap_check() - Judge a segment at the moment it is sent to @rx
 * @tx:     the peer whose stream it carries, or NULL
 * @direct: it was sent by @tx itself and not by a relay
 */
void tap_check(struct peer *rx, const struct peer *tx, const struct sseg *s,
	       bool direct, int64_t now);

/* The answer of a host to a segment of no connection; NULL for a RST. */
struct spkt *host_rst(const struct sseg *s);

void stream_fill(uint64_t key, uint64_t off, uint8_t *out, uint32_t len);
/* First offset that differs, or @len. */
uint32_t stream_compare(uint64_t key, uint64_t off, const uint8_t *d,
			uint32_t len);

static inline uint32_t peer_seq(const struct peer *p, uint64_t off)
{
	return p->cfg.iss + (uint32_t)off;
}

/* Where a pure ACK stands: never beyond the window, or it is not acceptable. */
static inline uint64_t peer_ack_off(const struct peer *p)
{
	uint64_t edge = p->wnd_edge > p->una ? p->wnd_edge : p->una;

	return p->max < edge ? p->max : edge;
}

/* 64-bit offset of @seq nearest to @near. */
static inline int64_t off_near(uint64_t near, uint32_t base, uint32_t seq)
{
	return (int64_t)near + (int32_t)(seq - (base + (uint32_t)near));
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
