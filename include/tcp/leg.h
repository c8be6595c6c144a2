/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_LEG_H
#define PENSTOCK_TCP_LEG_H

/*
 * One TCP endpoint of penstock.  It does no I/O itself.
 *
 * The engine gives it segments, timeouts and bytes.  The leg records events
 * (leg->ev) and, when asked, builds segments to send.  It never calls the
 * engine.
 */
#include "tcp/bbr.h"
#include "tcp/cfg.h"
#include "tcp/chrono.h"
#include "tcp/state.h"
#include "tcp/stats.h"
#include "util/buf.h"
#include "util/path.h"
#include "util/prng.h"
#include "util/tree.h"
#include "util/wheel.h"
#include "wire/build.h"
#include "wire/segment.h"

struct leg;
struct paths;

/* leg->ev: what happened.  The engine acts on it and clears it. */
#define LEG_EV_ESTABLISHED BIT(0)
#define LEG_EV_FIN BIT(1)	/* the peer's FIN was reached, in order */
#define LEG_EV_RST BIT(2)	/* the peer reset; state is CLOSED */
#define LEG_EV_REFUSED BIT(3)	/* RST to our SYN; state is CLOSED */
#define LEG_EV_TIMEOUT BIT(4)	/* we gave up; state is CLOSED */
#define LEG_EV_UNREACH BIT(5)	/* hard ICMP error for our SYN; CLOSED */
#define LEG_EV_CLOSED BIT(6)	/* closed in order; state is CLOSED */
#define LEG_EV_TIME_WAIT BIT(7) /* state is TIME_WAIT: hand over */
#define LEG_EV_DATA BIT(8)	/* bytes were added to the sink: for hooks */
#define LEG_EV_ROOM BIT(9)	/* less waits in the send queue */
#define LEG_EV_URGENT BIT(10)	/* the peer's urgent pointer moved */

/**
 * struct leg_behaviour - Questions the stack asks, for fault injection
 *
 * NULL in a leg, or a member that is NULL, means the RFC's behaviour.
 * @window:   the window to advertise, bytes; a smaller one than the peer
 *            already has takes back what was promised
 * @may_ack:  may an ACK that carries no data leave now?
 * @may_fin:  may the FIN be sent now?
 * @syn_opts: change the options that are offered
 * @max_seg:  most payload bytes of the next segment; 0: none may be sent yet
 *            (not for a retransmission)
 */
struct leg_behaviour {
	uint32_t (*window)(struct leg *l, uint32_t wnd);
	bool (*may_ack)(struct leg *l, mono_t now);
	bool (*may_fin)(struct leg *l, mono_t now);
	void (*syn_opts)(struct leg *l, struct tcp_opts *o);
	uint32_t (*max_seg)(struct leg *l, uint32_t len);
};

/* How much of a common resource a leg may still take. */
enum leg_share {
	LEG_SHARE_WINDOW, /* bytes that it may promise its peer */
	LEG_SHARE_BYTES,  /* bytes of buffers */
	LEG_SHARE_NODES	  /* nodes of the out-of-order store */
};

/**
 * struct leg_env - What all legs of a service share
 * @pool:  buffers and slice nodes
 * @runs:  scoreboard runs (struct run)
 * @ooo:   out-of-order segments (struct ooo)
 * @bbrs:  states of BBR (struct leg_bbr); NULL: there is none
 * @wheel: timers
 * @rng:   seeded; for jitter, never for secrets
 * @stats: counters
 * @trace: reports a transition, with log_level = debug; may be NULL
 * @share: how much of a resource the leg may still take; NULL: no limit
 * @idle_left: how much longer the flow may be idle, us; 0: it ends.  May be
 *             NULL
 * @tfo_opts: adds the Fast Open option to a SYN or SYN-ACK of a leg whose
 *         @tfo_opt is set; may be NULL
 * @path:  what @paths knows of the path to a host, NULL: nothing, unless it is
 * to be made
 * @paths: path memory; NULL: there is none
 * @steps: runs and islands that were looked at, for tests: what an ACK costs
 */
struct leg_env {
	struct buf_pool *pool;
	struct slab *runs;
	struct slab *ooo;
	struct slab *bbrs;
	struct wheel *wheel;
	struct prng *rng;
	struct tcp_stats *stats;
	void (*trace)(struct leg *l, enum tcp_state to, enum tcp_event why);
	uint64_t (*share)(struct leg *l, enum leg_share what);
	int64_t (*idle_left)(struct leg *l, mono_t now);
	void (*tfo_opts)(struct leg *l, struct tcp_opts *o);
	struct path_metrics *(*path)(struct paths *p, const struct ipaddr *host,
				     bool make, mono_t now);
	struct paths *paths;
	uint64_t steps;
};

/**
 * struct run - A run of sequence space in the scoreboard; see src/tcp/board.c
 * @start: first sequence number
 * @end:   one past the last
 * @tx_us: time of the last transmission, modulo 2^32 us
 * @state: enum run_state
 * @retx:  transmitted more than once
 * @segs:  segments that it was sent as
 * @mark:  of the last transmission, for rate samples
 * @by_seq: place among all runs of the leg
 * @place: place among the SENT runs, by time, or the LOST ones, by number
 */
struct run {
	struct run *prev, *next;
	struct tree_node by_seq, place;
	seq_t start, end;
	uint32_t tx_us; /* time of the last transmission, modulo 2^32 us */
	uint8_t state;	/* enum run_state */
	bool retx;	/* transmitted more than once */
	uint16_t segs;	/* segments that it was sent as */
	struct rate_mark mark;
};

/**
 * struct ooo - Contiguous bytes received out of order; see src/tcp/reasm.c
 * @next: the next in the order of the stream
 * @last: of the first node of an island: its last node
 * @island: of the first node of an island: place among all islands
 * @buf: owns one reference
 * @p:   the bytes
 * @start: first sequence number
 * @len: bytes
 * @charge: bytes of buffer accounted to it
 */
struct ooo {
	struct ooo *next, *last;
	struct tree_node island;
	struct buf *buf;
	const uint8_t *p;
	seq_t start;
	uint32_t len, charge;
};

enum leg_side {
	LEG_CLIENT,
	LEG_SERVER
};

/* Which retransmission timer runs; at most one does. */
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

/* leg->loss.frto: the steps that find spurious timeouts (RFC 5682, 3.1). */
enum frto_step {
	FRTO_OFF,
	FRTO_RESENT,  /* step 1: the head was sent again */
	FRTO_NEW_DATA /* step 2b: new data leaves instead of what is lost */
};

/* leg->rcv.owed: must an ACK be sent? */
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
	uint16_t w_est_frac;	    /* of @w_est, 1/65536 byte */
	uint32_t k_ms;
	uint32_t epoch_ms; /* ms clock; 0: none */
	uint32_t seen_ms;  /* the epoch counts until here */
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
	bool valid : 1, reordering_seen : 1, dsack_seen : 1;
	bool tlp_active : 1, tlp_is_retrans : 1;
};

/**
 * struct leg_snd - What the peer is sent (RFC 9293, 3.3.1: SND)
 * @q:       bytes that are not yet acknowledged, from leg_snd_front() on
 * @mss:     most payload bytes per segment, without options
 * @peer_mss: the MSS option received
 * @ip_id:   IPv4 identification of the next packet
 * @wscale:  shift of the windows that the peer advertises
 * @urg:     one past the urgent byte, while @urg_out
 * @ts_off:  offset of our timestamp clock
 * @iss_far: @iss is too far back to compare with
 * @syn_unsent: the SYN or SYN-ACK has not been sent yet
 * @syn_again: the SYN was sent again, above an old connection's numbers
 * @ecn_unanswered: SYNs that asked for ECN had no answer
 * @probe_pending: a zero-window or keepalive probe must be sent
 */
struct leg_snd {
	seq_t iss, una, nxt, wl1, wl2;
	uint32_t wnd, max_wnd;
	seq_t urg;
	struct bufq q;
	uint32_t ts_off;
	uint16_t mss, peer_mss, pmtu, ip_id;
	uint8_t wscale;
	bool urg_out : 1, iss_far : 1, pmtu_blackhole : 1;
	bool syn_pending : 1, syn_unsent : 1, probe_pending : 1;
	bool cwr_pending : 1, syn_again : 1, ecn_unanswered : 1;
};

/**
 * struct leg_rcv - What the peer sends (RFC 9293, 3.3.1: RCV)
 * @adv:     right edge of the window advertised last
 * @acked:   last acknowledgment number sent
 * @fin:     the peer's FIN, while @fin_known
 * @sink:    where in-order bytes go; borrowed
 * @cap:     bytes that the sink may hold, autotuned
 * @extra:   further bytes, for what the other leg has in flight
 * @most:    most that it may hold by tcp_notsent_lowat
 * @unacked: bytes received since the last ACK we sent
 * @drs_bytes: bytes drained since @drs_start
 * @drs_most:  most bytes drained in a round trip
 * @ts_recent_s: when @ts_recent was taken, seconds
 * @sack_recent: a sequence number of each block to report, newest first
 * @dsack:   duplicate to report; start == end: none
 * @mss:     estimate of the peer's segment size
 * @wscale:  shift of the windows that we advertise
 * @owed:    enum ack_owed
 * @dup_owed: duplicate ACKs to send to a peer without SACK
 * @syn_rcvd: the peer's SYN was received
 * @irs_far: @irs is too far back to compare with
 * @quickack: number of ACKs to send without delay
 */
struct leg_rcv {
	seq_t irs, nxt, adv, acked, urg, fin;
	struct bufq *sink;
	struct ooo *ooo;
	mono_t drs_start;
	uint32_t cap, extra, most, unacked;
	uint32_t ts_recent, ts_recent_s;
	uint32_t ooo_mem, drs_bytes, drs_most;
	seq_t sack_recent[SACK_BLOCKS_MAX];
	struct sack_block dsack;
	uint16_t ooo_count, mss;
	uint8_t sack_n, wscale, quickack;
	uint8_t owed : 2, dup_owed : 6;
	bool syn_rcvd : 1, irs_far : 1, fin_known : 1;
	bool urg_in : 1, ece_pending : 1;
};

/**
 * struct leg_rtt - Round-trip time and retransmission timeout (RFC 6298)
 * @min_at_ms: when @min_us was taken, ms clock
 * @backoff:   how often the RTO is doubled now
 */
struct leg_rtt {
	uint32_t smoothed_us, var_us, min_us, rto_us;
	uint32_t min_at_ms;
	uint8_t backoff;
};

/**
 * struct cc_newreno - NewReno's congestion avoidance (RFC 5681, 3.1)
 * @acked: bytes acknowledged since the window last grew
 */
struct cc_newreno {
	uint32_t acked;
};

/**
 * struct leg_bbr - BBR of a leg (src/tcp/bbr_leg.c)
 * @now:     time of the last ACK or transmission
 * @sample: of the ACK at hand
 * @pacing_rate: bytes a second
 * @quantum: most bytes in one packet
 * @rtt_us:  least of the last round trip, of what was sent once; 0: none yet
 * @round_rtt_us: the same of this round trip so far
 */
struct leg_bbr {
	mono_t now;
	struct bbr model;
	struct rate_meter rate;
	struct rate_sample sample;
	uint64_t pacing_rate;
	uint32_t quantum, rtt_us, round_rtt_us;
};

/**
 * struct leg_cong - Congestion control
 * @kind:    enum tcp_cc_kind: says which member of the union is used
 * @bbr:     from leg_env.bbrs; NULL before data may be sent
 * @limited: the window prevented sending
 * @pace_held: so did the pace, when something was last to be sent
 */
struct leg_cong {
	uint32_t cwnd, ssthresh; /* bytes */
	mono_t pace_next;
	union {
		struct cc_newreno newreno;
		struct cc_cubic cubic;
		struct leg_bbr *bbr;
	};
	struct cc_hystart hystart;
	uint8_t kind;
	bool limited, pace_held;
};

/**
 * struct leg_loss - Scoreboard, and recovery from loss
 * @run_head: first run in flight
 * @sent:    the run that was sent first of those in flight
 * @lost:    first LOST run
 * @sacked_segs: segments of the SACKED runs
 * @reno_sacked: bytes assumed delivered, without SACK
 * @recover: recovery point
 * @undo_marker, @undo_high: retransmitted data is between them
 * @undo_retrans: retransmitted bytes without a DSACK
 * @retrans_at: first retransmission of the current episode
 * @retrans_ts: its TSval
 * @ca:      enum ca_state
 * @frto:    enum frto_step
 */
struct leg_loss {
	struct run *run_head, *sent, *lost;
	mono_t retrans_at;
	uint32_t retrans_ts;
	uint32_t sacked_bytes, lost_bytes, reno_sacked, sacked_segs;
	seq_t recover;
	uint32_t prr_delivered, prr_out, recover_fs;
	uint32_t undo_cwnd, undo_ssthresh;
	seq_t undo_marker, undo_high;
	uint32_t undo_retrans;
	struct rack_state rack;
	uint16_t run_count;
	uint8_t ca, dupacks;
	uint8_t frto : 2;
	bool recover_valid : 1, undo_valid : 1, tlp_pending : 1;
};

/**
 * struct leg_timers - Deadlines, and the counters that end a connection
 * @rtx:      the timer that @rtx_kind names
 * @last_rcv: when any segment was received
 * @last_send: when data was sent
 * @progress_ms: when the peer last acknowledged bytes, ms clock
 * @oow_ms:   when the last rate-limited ACK was sent, ms clock
 * @challenge_s, @challenge_count: the second, and the challenge ACKs sent in it
 * @uto_ms:   user timeout; 0: none
 * @timer:    set to the earliest deadline
 */
struct leg_timers {
	mono_t rtx, ack, pace, keep, close;
	mono_t last_rcv, last_send;
	uint32_t progress_ms, oow_ms;
	uint32_t challenge_s, challenge_count;
	uint32_t uto_ms;
	uint8_t rtx_kind; /* enum rtx_kind */
	uint8_t retries, probes, keep_probes;
	struct wtimer timer;
};

/**
 * struct leg_end - How the connection ends
 * @fin_rcvd:    the peer's FIN was reached, in order
 * @sink_closed: nobody reads: data from the peer causes a RST (RFC 9293, 3.6.1)
 * @rst_after_drain: close by RST when all data is acknowledged
 * @orphan:      the other leg is gone
 */
struct leg_end {
	bool fin_queued : 1, fin_sent : 1, fin_rcvd : 1;
	bool sink_closed : 1, orphan : 1;
	bool rst_pending : 1, rst_ack : 1, rst_after_drain : 1;
};

/* How a leg ended. */
enum leg_ended {
	ENDED_NOT,
	ENDED_CLOSED,  /* in order: FINs of both sides */
	ENDED_RESET,   /* by the peer's RST */
	ENDED_REFUSED, /* our SYN met a RST or an ICMP error */
	ENDED_TIMEOUT, /* the peer did not answer */
	ENDED_ABORTED, /* by us */
};

/**
 * struct leg_tally - What has passed over a leg, for display
 * @acked:    bytes that the peer acknowledged
 * @received: bytes received in order
 * @resent:   bytes sent again
 * @segs_in, @segs_out: segments; one received in a GSO packet with others does
 *            not count by itself
 * @dropped:  enum drop_reason: why a segment was last dropped
 * @ended:    enum leg_ended
 */
struct leg_tally {
	uint64_t acked, received, resent;
	uint32_t segs_in, segs_out;
	uint8_t dropped, ended;
};

/**
 * struct leg - One TCP endpoint
 *
 * Sequence variables are RFC 9293's.  Windows and queues are in bytes.
 *
 * Who writes which part, by file of src/tcp unless another folder is named
 * (leg_state.c sets all of them by name when a leg is loaded):
 *
 *   snd   ack handshake input leg metrics output recovery timers
 *         engine/fastopen engine/flow impair/departure
 *   rcv   acker handshake input internal leg leg_state output reasm timers
 *         window impair/arrival impair/transit impair/timer splice/hold
 *   rtt   ack leg metrics recovery rtt timers
 *   cc    bbr_leg cc cubic hystart leg leg_state metrics newreno output
 *         recovery
 *   loss  ack board internal leg output rack recovery timers
 *   tmr   ack acker input leg output timers
 *   end   input leg output timers
 *   chrono chrono recovery
 *   tally ack input leg output reasm recovery
 */
struct leg {
	struct tuple t;
	uint32_t hnext; /* engine: hash chain */
	struct leg_env *env;
	const struct tcp_cfg *cfg;
	const struct leg_behaviour *behave;

	uint8_t state;	/* enum tcp_state; written by leg_set_state() only */
	uint8_t family; /* 4 or 6 */
	uint8_t ttl;
	struct leg_end end;
	uint16_t ev; /* LEG_EV_* */

	uint8_t side : 1; /* enum leg_side */
	/* agreed on in the handshake */
	bool ts_ok : 1, sack_ok : 1, wscale_ok : 1, ecn_ok : 1;
	bool hashed : 1; /* engine: in the table */
	bool active : 1; /* we opened (SYN_SENT) */
	bool mute : 1;	 /* sends nothing but a SYN or a RST */
	/* Fast Open (RFC 7413): the SYN or SYN-ACK has the option (or its
	 * experimental form); the SYN carries data; the client's SYN carried
	 * data, so data may be sent before the handshake is complete */
	bool tfo_opt : 1, tfo_exp : 1, tfo_data : 1, tfo_early : 1;

	struct leg_snd snd;
	struct leg_rcv rcv;
	struct leg_rtt rtt;
	struct leg_cong cc;
	struct leg_loss loss;
	struct leg_timers tmr;
	struct leg_chrono chrono;
	struct leg_tally tally;
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

/* Release buffers, runs and the timer.  The peer is sent nothing. */
void leg_fini(struct leg *l);

/**
 * leg_open_active() - SYN_SENT: send a SYN
 * @iss:    initial send sequence number
 * @ts_off: timestamp offset
 * @peer:   options of the SYN that caused this one, or NULL; only options that
 *          the other side has are offered
 */
void leg_open_active(struct leg *l, seq_t iss, uint32_t ts_off,
		     const struct tcp_opts *peer, mono_t now);

/**
 * leg_unmute() - The ACK that completes the handshake may leave
 * A leg whose @mute is set right after leg_open_active() accepts the peer's
 * SYN-ACK and is ESTABLISHED, but sends neither its ACK nor data: the peer
 * stays in SYN_RECEIVED.  No timer of the leg runs then; the caller must unmute
 * or end it.
 */
void leg_unmute(struct leg *l, mono_t now);

/**
 * leg_open_passive() - LISTEN: hold a received SYN until leg_accept()
 * @syn: the SYN
 */
void leg_open_passive(struct leg *l, const struct segment *syn, seq_t iss,
		      uint32_t ts_off, mono_t now);

/**
 * leg_take_syn_data() - Accept the held SYN's data: its cookie is valid
 * The bytes, if any, go to the sink.  From leg_accept() on, data may be sent
 * before the client's ACK arrives (RFC 7413, 4.2.2).
 * Return: false when there is no memory: the handshake is an ordinary one
 */
bool leg_take_syn_data(struct leg *l, const struct segment *syn, mono_t now);

/* SYN_RECEIVED: answer the held SYN. */
void leg_accept(struct leg *l, mono_t now);

/**
 * struct leg_resume - A handshake that was answered without a leg
 * @peer:   those of the client's options that were kept
 * @irs:    the client's initial sequence number
 * @iss:    ours
 * @ts_off: our timestamp offset
 * @ecn:    ECN was agreed on
 * @sent_again:  how often the SYN-ACK was repeated
 * @answered_at: when the only SYN-ACK was sent; MONO_UNSET: not known
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
 * Then give the ACK that completes the handshake to leg_input().
 */
void leg_open_cookie(struct leg *l, const struct leg_resume *r, mono_t now);

/* The options of a SYN-ACK that answers @syn under @cfg. Pure. */
void leg_synack_opts(const struct tcp_cfg *cfg, const struct tcp_opts *syn,
		     uint16_t mss, uint32_t tsval, uint32_t tsecr,
		     struct tcp_opts *out);
/* The MSS we offer on an address family, bytes. */
uint16_t leg_mss_offer(uint8_t family);
/* The window scale we offer under @cfg (RFC 7323, 2.3). */
uint8_t leg_wscale_offer(const struct tcp_cfg *cfg);
/* The window of a SYN or SYN-ACK under @cfg, bytes: it is not scaled. */
uint32_t leg_window_offer(const struct tcp_cfg *cfg);

/**
 * leg_input() - A segment has arrived for this leg (RFC 9293, 3.10.7)
 * Return: DROP_NONE, or why the segment or a part of it was dropped
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
 * leg_answer_loss() - Send the ACK for an out-of-order segment at once
 * So each of a batch of such segments gets SACK blocks of its own.
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

/* The same after LEG_EV_ROOM of @to, the leg that sends what is in the sink. */
void leg_sink_moved(struct leg *l, const struct leg *to, mono_t now);

/* Discard what was received out of order and reported by SACK.  RFC 2018, 8
 * allows this to a receiver, and a sender must be able to handle it. */
void leg_renege(struct leg *l);

/* Send FIN after everything queued. */
void leg_shutdown(struct leg *l);

/* CLOSED; the peer is sent nothing. */
void leg_vanish(struct leg *l);

/* Send a RST now, if the state has one; then CLOSED. */
void leg_abort(struct leg *l);

/* Deliver what is queued, then RST; bounded by orphan limits. */
void leg_abort_after_drain(struct leg *l, mono_t now);

/* Call leg_env.idle_left() in @us, and again after each time it returns. */
void leg_watch_idle(struct leg *l, int64_t us, mono_t now);

/* Nobody reads the leg's bytes any more: further data causes a RST. */
void leg_sink_gone(struct leg *l, mono_t now);

/**
 * leg_chrono_update() - What the leg may send has been taken: what holds the
 * rest back?
 * @from: the other leg of the flow
 */
void leg_chrono_update(struct leg *l, const struct leg *from, mono_t now);
/* The leg's times, what goes on since the last update among them. */
struct leg_chrono leg_chrono_read(const struct leg *l, mono_t now);

/* Arm the timer for the earliest deadline.  Only this function sets it. */
void leg_arm(struct leg *l);

/* Sequence number of the send queue's first byte. */
static inline seq_t leg_snd_front(const struct leg *l)
{
	/* iss is compared only before the SYN is acknowledged: una equals it
	 * again every 4 GiB */
	return l->state < TS_ESTABLISHED && seq_eq(l->snd.una, l->snd.iss)
		       ? seq_add(l->snd.iss, 1)
		       : l->snd.una;
}

/* Everything queued has been acknowledged, FIN included. */
static inline bool leg_all_acked(const struct leg_snd *snd)
{
	return snd->q.bytes == 0 && seq_eq(snd->una, snd->nxt);
}

/* The window that the peer may use now: bytes from RCV.NXT. */
static inline uint32_t leg_rcv_wnd(const struct leg_rcv *rcv)
{
	int32_t w = seq_diff(rcv->adv, rcv->nxt);

	return w > 0 ? (uint32_t)w : 0;
}

/**
 * leg_check() - Verify the leg's invariants
 * Return: NULL or the first violation, as text
 */
const char *leg_check(const struct leg *l);

#endif
