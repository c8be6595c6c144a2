/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery: when to slow down, by how much, and when that was a mistake.
 *
 * States are Linux's.  OPEN; DISORDER: something was SACKed or ACKed twice;
 * CWR: reducing after ECN; RECOVERY: reducing after loss was detected; LOSS:
 * after a retransmission timeout.  In CWR and RECOVERY proportional rate
 * reduction (RFC 9937) sets cwnd on each ACK; elsewhere the congestion-control
 * module grows it.  A reduction is undone when it proves spurious: by
 * timestamps (Eifel, RFC 4015), by DSACKs for everything retransmitted
 * (RFC 3708), or by F-RTO (RFC 5682, 3.1): after the ACK of what the timer
 * sent again two new segments leave; when the next ACK tells of data sent
 * before the timeout and never again, the timeout was spurious.
 */
#include "internal.h"

/* @delivered: bytes that the ACK at hand delivered; 0 for a timer. */
static void begin_episode(struct leg *l, uint32_t delivered, mono_t now)
{
	if (l->ca <= CA_DISORDER || !l->undo_valid) {
		l->undo_cwnd = l->cwnd;
		l->undo_ssthresh = l->ssthresh;
		l->undo_marker = l->undo_high = l->una;
		l->undo_retrans = 0;
		l->undo_valid = true;
		l->retrans_ts = 0;
	}
	l->ssthresh = leg_cc(l)->ssthresh(l, now);
	l->recover = l->nxt;
	l->prr_delivered = l->prr_out = 0;
	/* what this ACK delivered was in flight when it came */
	l->recover_fs = board_outstanding(l) - l->sacked_bytes + delivered;
	l->recover_fs = max_u32(l->recover_fs, l->mss);
	/* an RTT estimate of slow start says nothing after this */
	l->hystart.css = false;
	tlp_reset(l);
}

void recovery_enter_cwr(struct leg *l, uint32_t delivered, mono_t now)
{
	if (l->ca >= CA_CWR)
		return;
	begin_episode(l, delivered, now);
	l->undo_valid = false; /* ECN marks are no mistake */
	l->ca = CA_CWR;
	l->cwr_pending = true;
}

static void enter_recovery(struct leg *l, uint32_t delivered, mono_t now)
{
	if (l->ca == CA_CWR) { /* reduced in this window already */
		l->ca = CA_RECOVERY;
		l->recover = l->nxt;
		tlp_reset(l);
		return;
	}
	begin_episode(l, delivered, now);
	l->ca = CA_RECOVERY;
	leg_count(l, l->sack_ok ? CNT_TcpExtTCPSackRecovery
				: CNT_TcpExtTCPRenoRecovery);
}

/* RFC 9937, 6: cwnd for this ACK. */
static void prr_on_ack(struct leg *l, uint32_t delivered, bool safe)
{
	uint32_t pipe = board_pipe(l);
	int64_t cnt;

	l->prr_delivered += delivered;
	if (pipe > l->ssthresh) {
		cnt = (int64_t)(((uint64_t)l->prr_delivered * l->ssthresh +
				 l->recover_fs - 1) /
				l->recover_fs) -
		      l->prr_out;
	} else {
		cnt = (int64_t)l->prr_delivered - l->prr_out;
		if (cnt < (int64_t)delivered)
			cnt = delivered;
		if (safe)
			cnt += l->mss;
		if (cnt > (int64_t)l->ssthresh - pipe)
			cnt = (int64_t)l->ssthresh - pipe;
	}
	if (!l->prr_out && cnt < (int64_t)l->mss)
		cnt = l->mss; /* the fast retransmission itself */
	if (cnt < 0)
		cnt = 0;
	l->cwnd = max_u32(pipe + (uint32_t)cnt, l->mss);
}

static void undo(struct leg *l, mono_t now)
{
	l->cwnd = max_u32(l->cwnd, l->undo_cwnd);
	l->ssthresh = max_u32(l->ssthresh, l->undo_ssthresh);
	l->undo_valid = false;
	l->frto = FRTO_OFF;
	l->backoff = 0;
	board_unmark_lost(l);
	leg_cc(l)->reset(l, now);
	l->ca = l->sacked_bytes ? CA_DISORDER : CA_OPEN;
}

/* The ACK echoes a time before the first retransmission. */
static bool eifel_says_spurious(const struct leg *l, const struct segment *s)
{
	return l->ts_ok && l->retrans_ts && s->opts.has & OPT_HAS_TS &&
	       s->opts.tsecr && (int32_t)(s->opts.tsecr - l->retrans_ts) < 0;
}

/* Does the ACK tell of anything that was sent after the timeout? */
static bool tells_of_new_data(const struct leg *l, const struct segment *s)
{
	for (uint32_t i = 0; l->sack_ok && i < s->opts.nsack; i++) {
		if (seq_gt(s->opts.sack[i].end, l->recover))
			return true;
	}
	return seq_gt(l->una, l->recover);
}

/* The ACK of what the timer sent again: RFC 5682, 3.1, step 2. */
static void frto_first_ack(struct leg *l, const struct ack_sample *a,
			   bool dupack)
{
	bool again = l->run_head && l->run_head->retx;

	if (!seq_gt(l->una, a->una_before)) {
		if (dupack && !l->sack_ok)
			l->frto = FRTO_OFF;
		return;
	}
	/* all of it acknowledged, or not yet what was sent again: either says
	 * nothing about the originals */
	l->frto = again || seq_ge(l->una, l->recover) ? FRTO_OFF
						      : FRTO_NEW_DATA;
}

/* True: data that was sent before the timeout, and never again, was not lost.
 * Step 3. */
static bool frto_says_spurious(struct leg *l, const struct segment *s,
			       const struct ack_sample *a, bool dupack)
{
	if (l->frto == FRTO_RESENT)
		frto_first_ack(l, a, dupack);
	else if (l->frto == FRTO_NEW_DATA &&
		 (a->acked || a->sacked || dupack)) {
		if (a->orig_acked && !tells_of_new_data(l, s))
			return true;
		l->frto = FRTO_OFF;
		l->cwnd = min_u32(l->cwnd, 3u * l->mss);
	}
	return false;
}

/* DSACKs may come after the episode, but not a window later. */
static bool undo_is_stale(const struct leg *l)
{
	uint32_t window = max_u32(l->max_wnd, 65535);

	return l->ca <= CA_DISORDER &&
	       seq_gt(l->una, seq_add(l->undo_high, window));
}

static bool try_undo(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack, mono_t now)
{
	bool advanced = seq_gt(l->una, a->una_before);

	if (!l->undo_valid)
		return false;
	if (undo_is_stale(l)) {
		l->undo_valid = false;
		return false;
	}
	/* DSACKs for all of it may come after the episode has ended */
	if (a->dsack && l->undo_retrans == 0 && l->retrans_ts) {
		leg_count(l, CNT_TcpExtTCPDSACKUndo);
		undo(l, now);
		return true;
	}
	if (l->ca < CA_RECOVERY)
		return false;
	if (advanced && eifel_says_spurious(l, s)) {
		leg_count(l, l->ca == CA_LOSS ? CNT_TcpExtTCPSpuriousRTOs
					      : CNT_TcpExtTCPFullUndo);
		undo(l, now);
		return true;
	}
	if (l->ca == CA_LOSS && frto_says_spurious(l, s, a, dupack)) {
		leg_count(l, CNT_TcpExtTCPSpuriousRTOs);
		undo(l, now);
		return true;
	}
	return false;
}

static void finish(struct leg *l)
{
	if (l->ca == CA_RECOVERY || l->ca == CA_CWR)
		l->cwnd = max_u32(l->ssthresh, l->mss);
	if (l->ca >= CA_RECOVERY && l->rack.reo_persist &&
	    --l->rack.reo_persist == 0)
		l->rack.reo_mult = 0;
	l->ca = l->sacked_bytes ? CA_DISORDER : CA_OPEN;
	l->frto = FRTO_OFF;
	l->dupacks = 0;
	l->reno_sacked = 0;
}

/* Without SACK: NewReno's count of duplicate ACKs (RFC 6582). */
static bool reno_detect(struct leg *l, const struct ack_sample *a, bool dupack)
{
	if (dupack) {
		if (l->dupacks < 255)
			l->dupacks++;
		if (l->reno_sacked + l->lost_bytes + l->mss <=
		    board_outstanding(l))
			l->reno_sacked += l->mss;
	} else if (seq_gt(l->una, a->una_before)) {
		l->reno_sacked -= min_u32(l->reno_sacked, a->acked);
		if (l->ca < CA_RECOVERY) {
			l->dupacks = 0;
			l->reno_sacked = 0;
		} else if (l->ca == CA_RECOVERY && seq_lt(l->una, l->recover)) {
			board_mark_head_lost(l, l->mss); /* partial ACK */
			return true;
		}
	}
	if (l->dupacks == DUPTHRESH && l->ca < CA_RECOVERY &&
	    (seq_gt(l->una, l->recover) || !l->recover_valid)) {
		l->recover_valid = true;
		board_mark_head_lost(l, l->mss);
		return true;
	}
	return false;
}

static bool detect(struct leg *l, const struct ack_sample *a, bool dupack,
		   mono_t now)
{
	if (!l->sack_ok)
		return reno_detect(l, a, dupack);
	rack_on_ack(l, a, now);
	if (l->sacked_bytes || l->ca >= CA_DISORDER || a->sacked)
		return rack_detect_loss(l, now);
	return false;
}

/* Only an ACK of new data grows the window: one that only SACKs is a duplicate
 * (RFC 5681, 3.2), and its bytes count when the hole before them is filled. */
static void grow(struct leg *l, const struct ack_sample *a, mono_t now)
{
	uint32_t acked = seq_span(l->una, a->una_before);

	if (acked && l->ca == CA_LOSS) /* the rest left before the timeout */
		acked = a->acked + a->sacked;
	if (!acked)
		return;
	if (!l->cwnd_limited &&
	    !(l->cwnd < l->ssthresh &&
	      seq_span(a->high_before, a->una_before) >= l->cwnd / 2)) {
		leg_cc(l)->on_unused(l, now);
		return;
	}
	leg_cc(l)->on_ack(l, acked, now);
	l->cwnd = min_u32(l->cwnd, 1u << 30);
}

void recovery_on_ack(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack, mono_t now)
{
	uint32_t delivered = a->acked + a->sacked;
	bool first = l->frto == FRTO_RESENT, lost;

	if (l->ca < CA_RECOVERY && seq_gt(l->una, l->recover))
		l->recover_valid = false;
	if (dupack && !l->sack_ok && l->ca == CA_RECOVERY)
		delivered += l->mss;
	if (try_undo(l, s, a, dupack, now)) {
		grow(l, a, now);
		return;
	}
	if (l->ca >= CA_CWR && seq_ge(l->una, l->recover)) {
		finish(l);
	} else if (l->ca == CA_DISORDER && !l->sacked_bytes) {
		l->ca = CA_OPEN;
	}
	lost = detect(l, a, dupack, now);
	if (lost && l->ca < CA_RECOVERY)
		enter_recovery(l, delivered, now);
	else if (l->ca == CA_OPEN && (l->sacked_bytes || l->dupacks))
		l->ca = CA_DISORDER;

	if (l->ca == CA_RECOVERY || l->ca == CA_CWR)
		prr_on_ack(l, delivered,
			   seq_gt(l->una, a->una_before) && !lost);
	else
		grow(l, a, now);
	if (first && l->frto == FRTO_NEW_DATA) /* two new segments */
		l->cwnd = min_u32(l->cwnd, board_pipe(l) + 2u * l->mss);
}

void recovery_after_tlp(struct leg *l, mono_t now)
{
	if (l->ca > CA_DISORDER)
		return;
	l->ssthresh = leg_cc(l)->ssthresh(l, now);
	l->cwnd = min_u32(l->cwnd, l->ssthresh);
}

void recovery_detect(struct leg *l, mono_t now)
{
	uint32_t pipe = board_pipe(l);
	uint32_t room = l->cwnd > pipe ? l->cwnd - pipe : 0;
	bool fresh = l->ca < CA_CWR;

	if (!rack_detect_loss(l, now))
		return;
	if (l->ca < CA_RECOVERY)
		enter_recovery(l, 0, now);
	if (fresh)
		prr_on_ack(l, 0, false);
	else if (l->ca == CA_RECOVERY)
		/* no ACK, so nothing for PRR to count: what the last one
		 * allowed stays, and what was just lost adds nothing to it */
		l->cwnd = board_pipe(l) + max_u32(room, l->mss);
}

void recovery_on_rto(struct leg *l, mono_t now)
{
	bool renege = l->run_head && l->run_head->state == RUN_SACKED;
	bool recovering = l->ca >= CA_RECOVERY;
	/* once for each segment that the timer sends again (RFC 5681, 3.1),
	 * unless ECN has reduced in this window already */
	bool reduce = l->retries <= 1 &&
		      (l->ca != CA_CWR || seq_gt(l->una, l->recover));
	/* nothing but the head was sent again since the window was whole */
	bool only_head = reduce ? !recovering : l->frto == FRTO_RESENT;

	if (renege)
		leg_count(l, CNT_TcpExtTCPSACKReneging);
	if (reduce) {
		if (l->ca == CA_LOSS && seq_gt(l->una, l->undo_marker))
			l->undo_valid = false; /* the last one was genuine */
		begin_episode(l, 0, now);
	}
	l->frto = only_head && !renege ? FRTO_RESENT : FRTO_OFF;
	if (l->sack_ok && !renege)
		rack_mark_on_rto(l, now);
	else
		board_mark_all_lost(l, renege);
	l->ca = CA_LOSS;
	l->recover = l->nxt;
	l->cwnd = board_pipe(l) + l->mss;
	l->dupacks = 0;
	tlp_reset(l);
}

void recovery_note_retransmit(struct leg *l, uint32_t bytes, seq_t end,
			      mono_t now)
{
	l->prr_out += bytes;
	if (l->ca >= CA_RECOVERY) { /* a probe is judged for itself */
		l->undo_retrans += bytes;
		l->undo_high = seq_max(l->undo_high, end);
		if (!l->retrans_ts)
			l->retrans_ts = leg_tsval(l, now);
		if (!l->retrans_ts)
			l->retrans_ts = 1;
	}
	l->env->stats->c[CNT_BytesRetrans] += bytes;
	leg_count(l, CNT_TcpRetransSegs);
	if (l->ca == CA_LOSS)
		leg_count(l, CNT_TcpExtTCPSlowStartRetrans);
}
