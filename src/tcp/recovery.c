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
 * (RFC 3708), or by an ACK of originals after an RTO (F-RTO, RFC 5682).
 */
#include "internal.h"

static void begin_episode(struct leg *l, mono_t now)
{
	if (l->ca <= CA_DISORDER || !l->undo_valid) {
		l->undo_cwnd = l->cwnd;
		l->undo_ssthresh = l->ssthresh;
		l->undo_marker = l->una;
		l->undo_retrans = 0;
		l->undo_valid = true;
		l->retrans_ts = 0;
	}
	l->ssthresh = leg_cc(l)->ssthresh(l, now);
	l->recover = l->nxt;
	l->prr_delivered = l->prr_out = 0;
	l->recover_fs = board_outstanding(l);
	if (l->recover_fs > l->sacked_bytes)
		l->recover_fs -= l->sacked_bytes;
	l->recover_fs = max_u32(l->recover_fs, l->mss);
	/* an RTT estimate of slow start says nothing after this */
	l->hystart.css = false;
}

void recovery_enter_cwr(struct leg *l, mono_t now)
{
	if (l->ca >= CA_CWR)
		return;
	begin_episode(l, now);
	l->undo_valid = false; /* ECN marks are no mistake */
	l->ca = CA_CWR;
	l->cwr_pending = true;
}

static void enter_recovery(struct leg *l, mono_t now)
{
	if (l->ca == CA_CWR) { /* reduced in this window already */
		l->ca = CA_RECOVERY;
		l->recover = l->nxt;
		return;
	}
	begin_episode(l, now);
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
	l->frto = false;
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

static bool try_undo(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, mono_t now)
{
	bool advanced = seq_gt(l->una, a->una_before);

	if (!l->undo_valid)
		return false;
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
	if (l->ca == CA_LOSS && l->frto && a->orig_acked && advanced) {
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
	if (l->ca == CA_RECOVERY && l->rack.reo_persist &&
	    --l->rack.reo_persist == 0)
		l->rack.reo_mult = 0;
	l->ca = l->sacked_bytes ? CA_DISORDER : CA_OPEN;
	l->frto = false;
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

static void grow(struct leg *l, const struct ack_sample *a, mono_t now)
{
	uint32_t acked = seq_span(l->una, a->una_before);

	if (!acked)
		return;
	if (!l->cwnd_limited &&
	    !(l->cwnd < l->ssthresh &&
	      seq_span(a->high_before, a->una_before) >= l->cwnd / 2)) {
		leg_cc(l)->on_unused(l, now);
		return;
	leg_cc(l)->on_ack(l, acked, now);
	l->cwnd = min_u32(l->cwnd, 1u << 30);
}

void recovery_on_ack(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack, mono_t now)
{
	uint32_t delivered = a->acked + a->sacked;
	bool lost;

	if (l->ca < CA_RECOVERY && seq_gt(l->una, l->recover))
		l->recover_valid = false;
	if (dupack && !l->sack_ok && l->ca == CA_RECOVERY)
		delivered += l->mss;
	if (try_undo(l, s, a, now)) {
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
		enter_recovery(l, now);
	else if (l->ca == CA_OPEN && (l->sacked_bytes || l->dupacks))
		l->ca = CA_DISORDER;

	if (l->ca == CA_RECOVERY || l->ca == CA_CWR)
		prr_on_ack(l, delivered,
			   seq_gt(l->una, a->una_before) && !lost);
	else
		grow(l, a, now);
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
	if (!rack_detect_loss(l, now))
		return;
	if (l->ca < CA_RECOVERY)
		enter_recovery(l, now);
	if (l->ca == CA_RECOVERY)
/* Only an ACK of new data grows the window: one that only SACKs is a duplicate
 * (RFC 5681, 3.2), and its bytes count when the hole before them is filled. */
		prr_on_ack(l, 0, false);
}

	if (acked && l->ca == CA_LOSS) /* the rest left before the timeout */
		acked = a->acked + a->sacked;
void recovery_on_rto(struct leg *l, mono_t now)
{
	bool renege = l->run_head && l->run_head->state == RUN_SACKED;
	bool fresh = l->ca < CA_RECOVERY || seq_gt(l->una, l->recover) ||
		     (l->ca == CA_LOSS && !l->retries) || l->ca == CA_RECOVERY;

	if (renege)
	}
		leg_count(l, CNT_TcpExtTCPSACKReneging);
	if (fresh && l->retries <= 1) {
		begin_episode(l, now);
		l->frto = !renege;
	} else {
		l->frto = false;
	}
	board_mark_all_lost(l, renege);
	l->ca = CA_LOSS;
	l->recover = l->nxt;
	l->cwnd = board_pipe(l) + l->mss;
	l->dupacks = 0;
	l->rack.tlp_active = false;
	l->tlp_pending = false;
}

void recovery_note_retransmit(struct leg *l, uint32_t bytes, mono_t now)
{
	l->prr_out += bytes;
	l->undo_retrans += bytes;
	if (!l->retrans_ts) {
		l->retrans_ts = leg_tsval(l, now);
		if (!l->retrans_ts)
			l->retrans_ts = 1;
	}
	l->env->stats->c[CNT_BytesRetrans] += bytes;
	leg_count(l, CNT_TcpRetransSegs);
	if (l->ca == CA_LOSS)
		leg_count(l, CNT_TcpExtTCPSlowStartRetrans);
}
