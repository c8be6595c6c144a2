/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_INTERNAL_H
#define PENSTOCK_TCP_INTERNAL_H

/*
 * What the files of src/tcp offer each other.  Nothing outside includes this.
 */
#include <assert.h>

#include "tcp/leg.h"
#include "util/record.h"

#define IW_SEGMENTS 10u /* RFC 6928 */
#define WSCALE_MAX 14u	/* RFC 7323, 2.3 */
#define TS_OPT_BYTES 12u
#define PAWS_AGE_S (24u * 24 * 3600) /* RFC 7323, 5.5 */
#define RTO_MIN_US (200 * USEC_PER_MSEC)
#define RTO_MAX_US (120LL * USEC_PER_SEC)
#define RTO_INIT_US USEC_PER_SEC
#define RTO_FALLBACK_US (3 * USEC_PER_SEC) /* RFC 6298, 5.7 */
#define DELACK_US (40 * USEC_PER_MSEC)
#define QUICKACKS 16
#define RUNS_MAX 16384u
#define RUNS_SHARE 4u
#define OOO_MAX 512u /* nodes that a leg may always have */
#define DUP_OWED_MAX 63
#define DUPTHRESH 3u
#define SSTHRESH_INF 0x7fffffffu
#define CWND_MAX (1u << 30)
#define PMTU_MAX 1500u /* of an interface of ours, bytes */
#define FAR (1u << 30) /* sequence numbers: far from the beginning */

static inline void leg_count(const struct leg *l, enum tcp_counter c)
{
	l->env->stats->c[c]++;
}

static inline uint32_t leg_tsval(const struct leg_snd *snd, mono_t now)
{
	return (uint32_t)(now.us / USEC_PER_MSEC) + snd->ts_off;
}

/* Modulo-2^32 millisecond clock, never 0 (0 means "never"). */
static inline uint32_t ms_clock(mono_t now)
{
	return (uint32_t)(now.us / USEC_PER_MSEC) | 1;
}

static inline uint32_t sec_clock(mono_t now)
{
	return (uint32_t)(now.us / USEC_PER_SEC);
}

/* leg.c: the only writer of leg->state. */
void leg_set_state(struct leg *l, enum tcp_state to, enum tcp_event why);
/* CLOSED, with everything released but the tuple; raises @ev. */
void leg_closed(struct leg *l, enum tcp_event why, uint16_t ev);
void leg_set_mss(struct leg *l);
/* Both streams have ended in order, so a RST or a timeout is no error any more
 * (RFC 9293, 3.10.7.4: CLOSING, LAST-ACK). */
static inline bool leg_is_over(const struct leg *l)
{
	return l->state == TS_CLOSING || l->state == TS_LAST_ACK;
}

static inline uint64_t leg_may_take(const struct leg *l, enum leg_share what)
{
	return l->env->share ? l->env->share((struct leg *)(uintptr_t)l, what)
			     : UINT64_MAX;
}

/* Set the congestion state at the end of the handshake. */
void leg_established(struct leg *l, mono_t now);
static inline bool leg_synchronized(const struct leg *l)
{
	return l->state >= TS_ESTABLISHED;
}

/* May new data or a FIN be sent in this state? */
static inline bool leg_can_send(const struct leg *l)
{
	return l->state == TS_ESTABLISHED || l->state == TS_CLOSE_WAIT ||
	       l->state == TS_FIN_WAIT_1 || l->state == TS_CLOSING ||
	       l->state == TS_LAST_ACK;
}

/* board.c: the scoreboard, in runs. */
enum run_state {
	RUN_SENT,
	RUN_LOST,
	RUN_SACKED
};

struct ack_sample {
	uint32_t acked;	      /* newly acknowledged cumulatively, bytes */
	uint32_t sacked;      /* newly SACKed, bytes */
	uint32_t lost_before; /* lost_bytes at the beginning */
	int64_t rtt_us;	      /* of a run sent once; -1: none */
	bool reordered;	      /* a run arrived late, not resent */
	bool dsack;
	bool retx_acked; /* a retransmitted run was acknowledged */
	bool orig_acked; /* a never retransmitted run was delivered */
	seq_t una_before, high_before;
};

void board_sent(struct leg *l, seq_t start, seq_t end, mono_t now);
void board_ack(struct leg *l, seq_t una, struct ack_sample *a, mono_t now);
void board_sack(struct leg *l, const struct segment *s, struct ack_sample *a,
		mono_t now);
void board_retransmitted(struct leg *l, seq_t start, seq_t end, mono_t now);
void board_mark_lost(struct leg *l, struct run *r);
/* Mark all SENT runs lost; with @sacked also SACKED ones (reneging). */
void board_mark_all_lost(struct leg *l, bool sacked);
/* Mark the first @bytes of outstanding data lost (no SACK). */
void board_mark_head_lost(struct leg *l, uint32_t bytes);
/* The last run in flight; NULL: there is none. */
struct run *board_tail(const struct leg_loss *loss);
/* The SENT run that was sent last among those sent before (@us, @end). */
const struct run *board_sent_before(struct leg *l, uint32_t us, seq_t end);
void board_unmark_lost(struct leg *l);
/* For checks: how many runs follow @first, itself counted, in the order of
 * their state; 0 where they are not in order. */
uint32_t board_places(const struct run *first, uint8_t state);
void board_purge(struct leg *l);
/* Append a run of a leg that is loaded; false: there is no room. */
bool board_restore(struct leg *l, const struct run *r);

static inline uint32_t board_outstanding(const struct leg_snd *snd)
{
	return seq_span(snd->nxt, snd->una);
}

/* Bytes in flight: RFC 6675's pipe. */
static inline uint32_t board_pipe(const struct leg *l)
{
	uint32_t gone =
		l->loss.sacked_bytes + l->loss.lost_bytes + l->loss.reno_sacked;
	uint32_t out = board_outstanding(&l->snd);

	return out > gone ? out - gone : 0;
}

/* rack.c: RFC 8985. */
void rack_on_delivered(struct leg *l, const struct run *r, mono_t now);
void rack_on_ack(struct leg *l, const struct ack_sample *a);
/* Mark lost runs; true if there are any.  May arm the reordering timer. */
bool rack_detect_loss(struct leg *l, mono_t now);
/* A timeout: mark the first segment lost, and what was sent long enough ago. */
void rack_mark_on_rto(struct leg *l, mono_t now);
/* Forget the probe: recovery begins (RFC 8985, 7.1). */
static inline void tlp_reset(struct leg_loss *loss)
{
	loss->rack.tlp_active = false;
	loss->tlp_pending = false;
}
void tlp_arm(struct leg *l, mono_t now);
void tlp_on_ack(struct leg *l, const struct segment *s,
		const struct ack_sample *a);
void tlp_fire(struct leg *l, mono_t now);

/* recovery.c: what to do about loss (RFC 5681, 6675, 9937, 5682, 4015). */
void recovery_on_ack(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack, mono_t now);
void recovery_on_rto(struct leg *l, mono_t now);
void recovery_enter_cwr(struct leg *l, uint32_t delivered);
void recovery_after_tlp(struct leg *l);		 /* the probe repaired a loss */
void recovery_detect(struct leg *l, mono_t now); /* reordering timer */
void recovery_note_retransmit(struct leg *l, uint32_t bytes, seq_t end,
			      mono_t now);

/*
 * cc.c: congestion control modules.  A module writes the congestion part of the
 * leg alone and reads the rest.  What it has no use for may be NULL: on_unused,
 * on_rtt; and all but the name where it has a model.
 */
struct cc_ops {
	const char *name;
	void (*init)(struct leg_cong *cc);
	/* @acked bytes were delivered, and cwnd was the limit. */
	void (*on_ack)(struct leg_cong *cc, const struct leg *l, uint32_t acked,
		       mono_t now);
	/* New ssthresh upon congestion, bytes. */
	uint32_t (*ssthresh)(struct leg_cong *cc, const struct leg *l);
	/* Until now something other than the network was the limit: the window
	 * was not fully used, or sending begins after idleness. */
	void (*on_unused)(struct leg_cong *cc, mono_t now);
	void (*on_rtt)(struct leg_cong *cc, const struct leg *l,
		       uint32_t rtt_us);
	/* A reduction was undone, or the leg begins to send after idleness. */
	void (*reset)(struct leg_cong *cc);
	const struct cc_model *model;
};

/* What a model is told besides. */
enum cc_event {
	CC_RECOVERY_BEGINS, /* also by a timeout */
	CC_RECOVERY_ENDS,
	CC_RECOVERY_UNDONE, /* nothing had been lost */
	CC_CONGESTION_MARK, /* the peer echoes one */
	CC_NOTHING_TO_SEND,
	CC_WINDOW_IS_FULL /* the peer's, while ours would let more leave */
};

/*
 * A module that models the path.  It sets the window itself, also while what
 * was lost is sent again, and the rate and the size of what leaves.
 */
struct cc_model {
	/* Data may be sent from now on; false: there is no memory for it. */
	bool (*start)(struct leg_cong *cc, const struct leg *l, mono_t now);
	void (*stop)(struct leg_cong *cc, const struct leg *l);
	/* An ACK is about to be looked at, */
	void (*begin)(struct leg_cong *cc, mono_t now);
	/* it delivered @r, a run or a part of one, */
	void (*delivered)(struct leg_cong *cc, const struct run *r);
	/* it, or a timer, made @r lost, */
	void (*lost)(struct leg_cong *cc, const struct leg *l,
		     const struct run *r);
	/* and this was all of it: set the window. */
	void (*update)(struct leg_cong *cc, const struct leg *l,
		       const struct ack_sample *a);
	/* @bytes of @r have left. */
	void (*sent)(struct leg_cong *cc, const struct leg *l, struct run *r,
		     uint32_t bytes, mono_t now);
	void (*event)(struct leg_cong *cc, const struct leg *l,
		      enum cc_event e);
	uint64_t (*rate)(const struct leg_cong *cc); /* bytes a second */
	/* most bytes of a packet */
	uint32_t (*quantum)(const struct leg_cong *cc);
};

extern const struct cc_ops cc_newreno, cc_cubic, cc_bbr;
const struct cc_ops *leg_cc(const struct leg_cong *cc);
/* The handshake is complete.  A leg that finds no memory is CUBIC's. */
void cc_begin(struct leg *l, mono_t now);
void cc_end(struct leg *l);

/* The model of a leg; NULL: it has none (any more, or yet). */
static inline const struct cc_model *leg_model(const struct leg_cong *cc)
{
	return cc->kind == CC_BBR && cc->bbr ? cc_bbr.model : NULL;
}

/* Without a model a leg is paced at 2 cwnd/srtt in slow start, else at 1.2, as
 * in Linux.  In tenths. */
static inline uint64_t leg_pace_tenths(const struct leg_cong *cc)
{
	return cc->cwnd < cc->ssthresh / 2 ? 20 : 12;
}

/* Tell it to the model of the leg, if there is one.  Return: there is */
static inline bool cc_tell(struct leg *l, enum cc_event e)
{
	const struct cc_model *m = leg_model(&l->cc);

	if (m)
		m->event(&l->cc, l, e);
	return m != NULL;
}

/* RFC 6928 */
static inline uint32_t leg_initial_cwnd(const struct leg_snd *snd)
{
	return IW_SEGMENTS * snd->mss;
}

static inline void cc_on_unused(struct leg_cong *cc, mono_t now)
{
	if (leg_cc(cc)->on_unused)
		leg_cc(cc)->on_unused(cc, now);
}

/* bbr_state.c: BBR's part of a leg as a record. */
void bbr_save(const struct leg_bbr *b, struct record_writer *w);
int bbr_load(struct leg_bbr *b, struct record_reader r); /* 0 or -EBADMSG */

/* hystart.c: slow start (RFC 3465, 9406). */
void hystart_init(struct cc_hystart *h);
void hystart_on_rtt(struct leg_cong *cc, const struct leg *l, uint32_t rtt_us);
/* By how much slow start grows the window for @acked bytes. */
uint32_t hystart_scale(const struct leg_cong *cc, uint32_t acked);
/* Grow the window by slow start.  Return: bytes of @acked that are left for
 * congestion avoidance. */
uint32_t cc_slow_start(struct leg_cong *cc, uint32_t acked);

/* rtt.c: RFC 6298. */
/* False: the sample is impossible, and was ignored. */
bool rtt_sample(struct leg_rtt *rtt, int64_t rtt_us, mono_t now);
void rtt_init(struct leg_rtt *rtt);
uint32_t rtt_rto(const struct leg_rtt *rtt); /* with back-off, microseconds */

/* metrics.c: path memory.  Of what was learnt before; when data may be sent. */
void metrics_recall_mtu(struct leg *l, mono_t now);
void metrics_recall(struct leg *l, mono_t now);
/* May the peer be asked for ECN, or did this fail before? */
bool metrics_allow_ecn(const struct leg *l, mono_t now);
/* Both sides have closed. */
void metrics_save(struct leg *l, mono_t now);

/* ack.c: the ACK step. */
enum drop_reason ack_process(struct leg *l, const struct segment *s,
			     mono_t now);
/* RTT from the timestamp echo, microseconds; -1: none. */
int64_t ack_echo_sample(const struct leg *l, const struct segment *s,
			mono_t now);
void ack_take_window(struct leg *l, const struct segment *s);
/* A sample of the round-trip time, for the timer and congestion control. */
void ack_take_rtt(struct leg *l, int64_t rtt_us, mono_t now);

/* input.c: has rcv_nxt reached the peer's FIN? */
void input_fin_check(struct leg *l, mono_t now);

/* reasm.c: text in order, out of order, SACK blocks. */
enum drop_reason reasm_text(struct leg *l, const struct segment *s, mono_t now);
/* One past the last byte held out of order; RCV.NXT when there is none. */
seq_t reasm_end(const struct leg_rcv *rcv);
void reasm_purge(struct leg *l);
/* Deliver what a shortage of memory has delayed. */
void reasm_retry(struct leg *l);
void reasm_note_dsack(struct leg *l, seq_t start, seq_t end);
/* Fill @o's SACK blocks for the next segment.  When it has been sent, call
 * reasm_sacked(): the duplicate is then reported. */
void reasm_sack_blocks(const struct leg *l, struct tcp_opts *o, uint32_t max);
static inline void reasm_sacked(struct leg_rcv *rcv, const struct tcp_opts *o)
{
	if (o->nsack)
		rcv->dsack.start = rcv->dsack.end = SEQ(0);
}
/* Append an island to a leg that is loaded; false: it is impossible, or there
 * is no room for all of it. */
bool reasm_restore(struct leg *l, seq_t at, const struct slice *d);
/* Call @fn for each node, and tell whether its island begins or ends with it. */
typedef void (*reasm_fn)(void *arg, const struct ooo *o, bool first, bool last);
void reasm_walk(const struct leg_rcv *rcv, reasm_fn fn, void *arg);
/* Check the out-of-order store.  Return: NULL, or what is wrong. */
const char *reasm_check(const struct leg_rcv *rcv);

/* window.c: the one function that advertises a window. */
/* @syn: the segment has SYN, so its window is not scaled (RFC 7323, 2.2). */
uint16_t window_advertise(struct leg *l, bool syn);
/* @bytes have arrived in order, and @held wait behind a hole. */
void window_on_data(struct leg *l, uint32_t bytes, uint32_t held, mono_t now);
bool window_update_due(const struct leg *l);

/* Does the peer count duplicate ACKs now?  Without SACK it has nothing else
 * (RFC 5681, 3.2).  It needs one for each segment behind the hole, without data
 * and with an unchanged window.  If a fault has moved the window back into the
 * hole, the peer may not fill it: then the window has to open. */
static inline bool acker_is_counted(const struct leg *l)
{
	return l->rcv.ooo && !l->sack_ok &&
	       !seq_gt(l->rcv.ooo->start, l->rcv.adv);
}

/* acker.c: when to acknowledge. */
void acker_owe(struct leg *l, mono_t now); /* delayed or now, by the rules */
void acker_now(struct leg_rcv *rcv);
/* Limited by tcp_invalid_ratelimit.  False: suppressed, and counted as
 * @skipped. */
bool acker_out_of_window(struct leg *l, enum tcp_counter skipped, mono_t now);
/* May a rate-limited answer be sent now? */
bool acker_allows(struct leg *l, enum tcp_counter skipped, mono_t now);
bool acker_challenge(struct leg *l, mono_t now);
void acker_sent(struct leg *l);

/* timers.c: what happens sets deadlines. */
void timers_restart_rtx(struct leg *l, mono_t now);
void timers_stop_rtx(struct leg_timers *tmr);
void timers_set_rtx(struct leg *l, enum rtx_kind kind, int64_t us, mono_t now);
/* Set the time of the next keepalive probe, as the state requires. */
void timers_keep(struct leg *l, mono_t now);
void timers_on_receive(struct leg *l, mono_t now);
void timers_close(struct leg_timers *tmr, int64_t us, mono_t now);

/* handshake.c: SYN_SENT and SYN_RECEIVED. */
enum drop_reason handshake_syn_sent(struct leg *l, const struct segment *s,
				    mono_t now);
void handshake_take_options(struct leg *l, const struct tcp_opts *o);

#endif
