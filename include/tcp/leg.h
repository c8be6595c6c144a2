/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_LEG_H
#define PENSTOCK_TCP_LEG_H

/*
 * One TCP endpoint of ours, sans-IO.
 *
 * The engine feeds it segments, timeouts and bytes; it answers with events
 * (leg->ev) and, when asked, with segments to send.  The leg never calls up.
 */
#include "tcp/cfg.h"
#include "tcp/state.h"
#include "tcp/stats.h"
#include "util/buf.h"
#include "util/prng.h"
#include "util/wheel.h"
#include "wire/build.h"
#include "wire/segment.h"

struct leg;

/* leg->ev: what happened, for the engine to act on and clear. */
#define LEG_EV_ESTABLISHED BIT(0)
#define LEG_EV_FIN BIT(1)	/* the peer's FIN was reached, in order */
#define LEG_EV_RST BIT(2)	/* the peer reset; state is CLOSED */
#define LEG_EV_REFUSED BIT(3)	/* RST to our SYN; state is CLOSED */
#define LEG_EV_TIMEOUT BIT(4)	/* we gave up; state is CLOSED */
#define LEG_EV_UNREACH BIT(5)	/* hard ICMP error to our SYN; CLOSED */
#define LEG_EV_CLOSED BIT(6)	/* closed in order; state is CLOSED */
#define LEG_EV_TIME_WAIT BIT(7) /* state is TIME_WAIT: hand over */
#define LEG_EV_DATA BIT(8)	/* bytes were added to the sink */
#define LEG_EV_ROOM BIT(9)	/* send queue shrank */
#define LEG_EV_URGENT BIT(10)	/* the peer's urgent mark moved */

/**
 * struct leg_behaviour - Questions the stack asks, for fault injection
 *
 * NULL in a leg means the RFC's answers; each member may be NULL too.
 * @window:   the window about to be advertised, bytes; less than the peer
 *            has takes back what was promised
 * @may_ack:  may an ACK that carries no data leave now?
 * @may_fin:  may the FIN be sent now?
 * @syn_opts: change the options about to be offered
 * @max_seg:  most payload bytes of the next segment; 0 (not when something is
 *            lost): none yet
 */
struct leg_behaviour {
	uint32_t (*window)(struct leg *l, uint32_t wnd);
	bool (*may_ack)(struct leg *l, mono_t now);
	bool (*may_fin)(struct leg *l, mono_t now);
	void (*syn_opts)(struct leg *l, struct tcp_opts *o);
	uint32_t (*max_seg)(struct leg *l, uint32_t len);
};

/* What a leg may still take of what all need. */
enum leg_share {
	LEG_SHARE_WINDOW, /* bytes that it may ask its peer for */
	LEG_SHARE_BYTES,  /* bytes of buffers; 0: none at all */
	LEG_SHARE_NODES	  /* nodes of the out-of-order store */
};

/**
 * struct leg_env - What all legs of a service share
 * @pool:  buffers and slice nodes
 * @runs:  scoreboard runs (struct run)
 * @ooo:   out-of-order segments (struct ooo)
 * @wheel: timers
 * @rng:   seeded; for jitter, never for secrets
 * @stats: counters
 * @trace: reports a transition, with log_level = debug; may be NULL
 * @share: what a leg may still take; NULL: all that is there
 * @idle_left: how long may the flow stay idle yet, us; 0: it ends.  May be NULL
 * @tfo_opts: adds the Fast Open option to a SYN or SYN-ACK of a leg whose
 *         @tfo_opt is set; may be NULL
 */
struct leg_env {
	struct buf_pool *pool;
	struct slab *runs;
	struct slab *ooo;
	struct wheel *wheel;
	struct prng *rng;
	struct tcp_stats *stats;
	void (*trace)(struct leg *l, enum tcp_state to, enum tcp_event why);
	uint64_t (*share)(struct leg *l, enum leg_share what);
	int64_t (*idle_left)(struct leg *l, mono_t now);
	void (*tfo_opts)(struct leg *l, struct tcp_opts *o);
};

/**
 * struct run - A run of sequence space in the scoreboard; see src/tcp/board.c
 * @start: first sequence number
 * @end:   one past the last
 * @tx_us: time of the last transmission, modulo 2^32 us
 * @state: enum run_state
 * @retx:  transmitted more than once
 * @segs:  segments that it was sent as
 */
struct run {
	struct run *prev, *next;
	seq_t start, end;
	uint32_t tx_us; /* time of the last transmission, modulo 2^32 us */
	uint8_t state;	/* enum run_state */
	bool retx;	/* transmitted more than once */
	uint16_t segs;	/* segments that it was sent as */
};

/**
 * struct ooo - Contiguous bytes received out of order; see src/tcp/reasm.c
 * @next: the next in the order of the stream
 * @last: of the first node of an island: its last node
 * @buf: owns one reference
 * @p:   the bytes
 * @start: first sequence number
 * @len: bytes
 * @charge: bytes of buffer accounted to it
 */
struct ooo {
	struct ooo *next, *last;
	struct buf *buf;
	const uint8_t *p;
	seq_t start;
	uint32_t len, charge;
};

enum leg_side {
	LEG_CLIENT,
	LEG_SERVER
};

/* Which of the mutually exclusive retransmission timers runs. */
enum rtx_kind {
	RTX_NONE,
	RTX_RTO,
	RTX_TLP,
	RTX_REO,
	RTX_PERSIST
};

/* Congestion-control states, as in Linux. */
enum ca_state {
	CA_OPEN,
	CA_DISORDER,
	CA_CWR,
	CA_RECOVERY,
	CA_LOSS
};

/* leg->frto: what tells whether a timeout was spurious (RFC 5682, 3.1). */
enum frto_step {
	FRTO_OFF,
	FRTO_RESENT,  /* step 1: the head was sent again */
	FRTO_NEW_DATA /* step 2b: new data leaves instead of what is lost */
};

/* leg->ack: is an ACK owed? */
enum ack_owed {
	ACK_NONE,
	ACK_DELAYED,
	ACK_NOW
};

/**
 * struct cc_cubic - CUBIC (RFC 9438)
 */
struct cc_cubic {
	uint32_t w_max, w_last_max; /* bytes */
	uint32_t w_est;		    /* Reno-friendly window, bytes */
	uint32_t k_ms;
	uint32_t epoch_ms; /* ms clock; 0: none */
	uint32_t seen_ms;  /* up to here the epoch's time is accounted for */
};

/**
 * struct cc_hystart - HyStart++ (RFC 9406)
 * @last_min_us: least RTT of the last round
 * @cur_min_us:  least RTT of this round
 * @css_base_us: RTT at which conservative slow start began
 * @window_end:  where this round ends
 * @css: in conservative slow start
 */
struct cc_hystart {
	uint32_t last_min_us, cur_min_us;
	uint32_t css_base_us;
	seq_t window_end;
	uint8_t samples, css_rounds;
	bool css;
};

/**
 * struct rack_state - RFC 8985
 */
struct rack_state {
	uint32_t xmit_us; /* send time of the newest delivered run, mod 2^32 */
	uint32_t rtt_us;
	seq_t end_seq, fack, dsack_round;
	seq_t tlp_end; /* TLP.end_seq */
	uint8_t reo_mult, reo_persist;
	bool valid, reordering_seen, dsack_seen;
	bool tlp_active, tlp_is_retrans;
};

/**
 * struct leg - One TCP endpoint
 *
 * Sequence variables are RFC 9293's.  Windows and queues are in bytes.
 */
struct leg {
	struct tuple t;
	uint32_t hnext; /* engine: hash chain */
	struct leg_env *env;
	const struct tcp_cfg *cfg;
	const struct leg_behaviour *behave;

	uint8_t state;	/* enum tcp_state; written by leg_set_state() only */
	uint8_t side;	/* enum leg_side */
	uint8_t family; /* 4 or 6 */
	uint8_t ttl;
	uint16_t ev; /* LEG_EV_* */

	/* what the handshake agreed */
	bool ts_ok : 1, sack_ok : 1, wscale_ok : 1, ecn_ok : 1;
	/* what is to be sent */
	bool syn_pending : 1, rst_pending : 1, rst_ack : 1;
	bool probe_pending : 1; /* zero-window or keepalive probe */
	bool tlp_pending : 1, fin_queued : 1, fin_sent : 1;
	bool fin_rcvd : 1;    /* reached in order */
	bool sink_closed : 1; /* nobody reads: data resets (RFC 9293 3.6.1) */
	bool rst_after_drain : 1; /* close by RST once all is delivered */
	bool orphan : 1;	  /* the other leg is gone */
	bool hashed : 1;	  /* engine: in the table */
	bool active : 1;	  /* we opened (SYN_SENT) */
	bool ece_pending : 1, cwr_pending : 1;
	bool urg_out : 1, urg_in : 1;
	bool cwnd_limited : 1, recover_valid : 1;
	uint8_t frto : 2; /* enum frto_step */
	bool pmtu_blackhole : 1, undo_valid : 1, peer_fin_known : 1;
	bool syn_unsent : 1; /* SYN or SYN-ACK never left yet */
	bool syn_rcvd : 1;   /* the peer's SYN has come */
	bool mute : 1;	     /* nothing leaves but the SYN and a RST */
	bool syn_again : 1;  /* sent above an old connection's numbers */
	/* iss and irs are so far back that comparing with them says nothing */
	bool iss_far : 1, irs_far : 1;
	/* Fast Open (RFC 7413): an option goes with the SYN or SYN-ACK; data
	 * goes with the SYN; data came with the SYN, and may be answered
	 * before the handshake is complete */
	bool tfo_opt : 1, tfo_exp : 1, tfo_data : 1, tfo_early : 1;

	/* small things together, for the size's sake */
	uint8_t wscale_peer;
	uint16_t mss; /* most payload bytes per segment, options deducted */
	uint16_t peer_mss; /* the MSS option received */
	uint16_t pmtu;
	uint16_t rcv_mss; /* estimate of what the peer sends */
	uint16_t run_count, ooo_count;
	uint16_t ip_id;	      /* IPv4 identification of the next packet */
	uint8_t ack : 2;      /* enum ack_owed */
	uint8_t dup_owed : 6; /* duplicate ACKs to send, without SACK */
	uint8_t quickack;     /* ACKs to send at once */
	uint8_t sack_n, dupacks;
	uint8_t rtx_kind; /* enum rtx_kind */
	uint8_t cc;	  /* enum tcp_cc_kind */
	uint8_t ca;	  /* enum ca_state */
	uint8_t backoff, retries, probes, keep_probes;
	uint8_t wscale_ours;
	uint16_t w_est_frac; /* of cubic.w_est, 1/65536 byte */

	/* send side */
	seq_t iss, una, nxt, wl1, wl2;
	uint32_t wnd, max_wnd;
	seq_t peer_fin;	  /* receive: the peer's FIN, once seen */
	struct bufq sndq; /* from snd_front() on */
	seq_t urg_seq;	  /* send: one past the urgent byte */

	/* receive side */
	seq_t irs, rcv_nxt, rcv_adv, last_ack_sent, rcv_urg;
	struct bufq *sink;
	uint32_t rcv_cap;    /* bytes the sink may hold, autotuned */
	uint32_t sink_extra; /* and this, for what the other leg has in flight */
	uint32_t ts_recent, ts_off;
	uint32_t ts_recent_s;	/* when it was taken, seconds */
	uint32_t unacked_bytes; /* received since the last ACK we sent */
	struct ooo *ooo;
	uint32_t ooo_mem;
	seq_t sack_recent[SACK_BLOCKS_MAX]; /* in a block each, newest first */
	struct sack_block dsack; /* to be reported; start == end: none */

	/* receive-window autotuning */
	uint32_t drs_bytes;
	uint32_t progress_ms; /* ms clock: bytes were acknowledged */
	mono_t drs_start;

	/* scoreboard */
	struct run *run_head, *run_tail;
	uint32_t sacked_bytes, lost_bytes;
	uint32_t reno_sacked; /* bytes assumed delivered, without SACK */

	/* RTT and retransmission timer (RFC 6298) */
	uint32_t srtt_us, rttvar_us, min_rtt_us, rto_us;
	uint32_t min_rtt_at_ms;
	mono_t retrans_at;   /* first retransmission of the current episode */
	uint32_t retrans_ts; /* TSval it carried */

	/* congestion control and recovery */
	uint32_t cwnd, ssthresh; /* bytes */
	seq_t recover;		 /* recovery point */
	uint32_t prr_delivered, prr_out, recover_fs;
	uint32_t undo_cwnd, undo_ssthresh;
	seq_t undo_marker, undo_high; /* what was retransmitted is between */
	uint32_t undo_retrans;	      /* bytes retransmitted and not DSACKed */
	struct rack_state rack;
	struct cc_cubic cubic;
	struct cc_hystart hystart;

	/* time */
	mono_t last_rcv, last_send; /* anything; data */
	mono_t t_rtx, t_ack, t_pace, t_keep, t_close;
	mono_t pace_next;
	uint32_t oow_ms; /* last rate-limited ACK, ms clock */
	uint32_t challenge_s, challenge_count; /* this second's budget */
	uint32_t uto_ms; /* user timeout in force; 0 none */
	struct wtimer timer;
};

/**
 * leg_init() - Prepare a CLOSED leg
 * @l:    zeroed by this call
 * @side: who the peer is
 * @t:    addresses from our side
 * @sink: where in-order bytes go; borrowed
 */
void leg_init(struct leg *l, struct leg_env *env, const struct tcp_cfg *cfg,
	      enum leg_side side, const struct tuple *t, struct bufq *sink);

/* Release buffers, runs and the timer.  Says nothing to the peer. */
void leg_fini(struct leg *l);

/**
 * leg_open_active() - SYN_SENT: send a SYN
 * @iss:    initial send sequence number
 * @ts_off: timestamp offset
 * @peer:   options of the SYN that caused this one, or NULL; what the other
 *          side cannot do is not offered here
 */
void leg_open_active(struct leg *l, seq_t iss, uint32_t ts_off,
		     const struct tcp_opts *peer, mono_t now);

/**
 * leg_unmute() - The ACK that completes the handshake may leave
 * A leg with @mute set, right after leg_open_active(), takes the peer's SYN-ACK
 * and is ESTABLISHED, but keeps its ACK and all data back: the peer stays in
 * SYN_RECEIVED.  No timer of the leg runs then; whoever set @mute ends it.
 */
void leg_unmute(struct leg *l, mono_t now);

/**
 * leg_open_passive() - LISTEN: hold a received SYN until leg_accept()
 * @syn: the SYN
 */
void leg_open_passive(struct leg *l, const struct segment *syn, seq_t iss,
		      uint32_t ts_off, mono_t now);

/**
 * leg_take_syn_data() - A Fast Open cookie allows what the held SYN carries
 * The bytes, if there are any, go to the sink; from leg_accept() on data may
 * be sent before the client's ACK has come (RFC 7413, 4.2.2).
 * Return: false when there is no memory for it: an ordinary handshake then
 */
bool leg_take_syn_data(struct leg *l, const struct segment *syn, mono_t now);

/* SYN_RECEIVED: answer the held SYN. */
void leg_accept(struct leg *l, mono_t now);

/**
 * struct leg_resume - A handshake that was answered without a leg
 * @peer:   the client's options, as far as they were kept
 * @irs:    the client's initial sequence number
 * @iss:    ours
 * @ts_off: our timestamp offset
 * @ecn:    ECN was agreed on
 * @sent_again:  how often the SYN-ACK was sent again
 * @answered_at: when the only SYN-ACK left; MONO_UNSET: not known
 */
struct leg_resume {
	const struct tcp_opts *peer;
	seq_t irs, iss;
	uint32_t ts_off;
	bool ecn;
	uint8_t sent_again;
	mono_t answered_at;
};

/**
 * leg_open_cookie() - SYN_RECEIVED, after a SYN-ACK that no leg sent
 * The ACK that completes the handshake is to be given to leg_input() next.
 */
void leg_open_cookie(struct leg *l, const struct leg_resume *r, mono_t now);

/* The options of a SYN-ACK that answers @syn under @cfg. Pure. */
void leg_synack_opts(const struct tcp_cfg *cfg, const struct tcp_opts *syn,
		     uint16_t mss, uint32_t tsval, uint32_t tsecr,
		     struct tcp_opts *out);
/* The IPv6 flow label of a connection of ours, 20 bits (RFC 6437). */
static inline uint32_t leg_flow_label(seq_t iss)
{
	return iss.v * 2654435761u >> 12;
}

/* The MSS we offer on an address family, bytes. */
uint16_t leg_mss_offer(uint8_t family);
/* The window scale we offer under @cfg (RFC 7323, 2.3). */
uint8_t leg_wscale_offer(const struct tcp_cfg *cfg);

/**
 * leg_input() - A segment has arrived for this leg (RFC 9293, 3.10.7)
 * Return: DROP_NONE when it was taken, else why (part of) it was not
 */
enum drop_reason leg_input(struct leg *l, const struct segment *s, mono_t now);

/* An ICMP error that quotes a segment of ours (RFC 5927). */
enum drop_reason leg_icmp(struct leg *l, const struct icmp_error *e,
			  mono_t now);

/**
 * leg_output() - Build the next segment
 * Return: true when *tx was filled; call again.  False: nothing now.
 */
bool leg_output(struct leg *l, struct tx *tx, mono_t now);

/**
 * leg_answer_loss() - The ACK that an out-of-order segment calls for, at once
 * So that each of a batch of such segments draws its own SACK blocks.
 * Return: true when *tx was filled
 */
bool leg_answer_loss(struct leg *l, struct tx *tx, mono_t now);

/* The leg's timer fired. */
void leg_timeout(struct leg *l, mono_t now);

/**
 * leg_sink_drained() - The sink has more room: is a window update due?
 * @extra: bytes the sink may hold beyond the receive buffer, because the other
 *         leg has them in flight
 */
void leg_sink_drained(struct leg *l, uint32_t extra, mono_t now);

/* Forget what was received out of order, though SACK told of it (RFC 2018, 8:
 * a receiver may, and a sender has to cope). */
void leg_renege(struct leg *l);

/* Send FIN after everything queued. */
void leg_shutdown(struct leg *l, mono_t now);

/* CLOSED without a word to the peer. */
void leg_vanish(struct leg *l);

/* RST now (when the state has one to send), CLOSED. */
void leg_abort(struct leg *l, mono_t now);

/* Deliver what is queued, then RST; bounded by orphan limits. */
void leg_abort_after_drain(struct leg *l, mono_t now);

/* leg_env.idle_left() is asked in @us, and again whenever it says. */
void leg_watch_idle(struct leg *l, int64_t us, mono_t now);

/* Nobody reads l's bytes any more: more data from the peer resets it. */
void leg_sink_gone(struct leg *l, mono_t now);

/* Arms the timer with the earliest of all deadlines.  Its one writer. */
void leg_arm(struct leg *l, mono_t now);

/* Sequence number of the send queue's first byte. */
static inline seq_t leg_snd_front(const struct leg *l)
{
	/* only before the SYN is acknowledged: una comes round to iss again
	 * every 4 GiB */
	return l->state < TS_ESTABLISHED && seq_eq(l->una, l->iss)
		       ? seq_add(l->iss, 1)
		       : l->una;
}

/* Everything queued has been acknowledged, FIN included. */
static inline bool leg_all_acked(const struct leg *l)
{
	return l->sndq.bytes == 0 && seq_eq(l->una, l->nxt);
}

/* Window the peer may use now, bytes from rcv_nxt. */
static inline uint32_t leg_rcv_wnd(const struct leg *l)
{
	int32_t w = seq_diff(l->rcv_adv, l->rcv_nxt);

	return w > 0 ? (uint32_t)w : 0;
}

/**
 * leg_check() - Verify the leg's invariants
 * Return: NULL or the first violation, as text
 */
const char *leg_check(const struct leg *l);

#endif
