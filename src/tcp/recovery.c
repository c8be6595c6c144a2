/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery: when to slow down, by how much, and when that was a mistake.
 *
 * States are Linux's.  OPEN; DISORDER: something was SACKed or ACKed twice;
 * CWR: reducing after ECN; RECOVERY: reducing after loss was detected; LOSS:
 * after a retransmission timeout.  In CWR and RECOVERY, proportional rate
 * reduction (RFC 9937) sets cwnd on each ACK.  In the other states the
 * congestion-control module grows it.  A module with a model (BBR) sets cwnd in
 * all of them; after a timeout it begins with one segment, too.  A reduction is
 * undone when it proves spurious: by timestamps (Eifel, RFC 4015), by DSACKs
 * for all retransmitted data (RFC 3708), or by F-RTO (RFC 5682, 3.1).  F-RTO
 * sends two new segments after the ACK of what the timer retransmitted.  If the
 * next ACK covers data that was sent before the timeout and not retransmitted,
 * the timeout was spurious.
 */
#include "internal.h"

/* @delivered: bytes that this ACK delivered; 0 for a timer. */
static void begin_episode(struct leg *l, uint32_t delivered)
{
	if (l->loss.ca <= CA_DISORDER || !l->loss.undo_valid) {
		l->loss.undo_cwnd = l->cc.cwnd;
		l->loss.undo_ssthresh = l->cc.ssthresh;
		/* what the last episode sent again may still be under way: its
		 * ACK must not be taken for that of an original */
		if (!seq_gt(l->loss.undo_high, l->snd.una)) {
			l->loss.undo_high = l->snd.una;
			l->loss.retrans_ts = 0;
		}
		l->loss.undo_marker = l->snd.una;
		l->loss.undo_retrans = 0;
		l->loss.undo_valid = true;
	}
	if (!cc_tell(l, CC_RECOVERY_BEGINS))
		l->cc.ssthresh = leg_cc(&l->cc)->ssthresh(&l->cc, l);
	l->loss.recover = l->snd.nxt;
	l->loss.prr_delivered = l->loss.prr_out = 0;
	/* what this ACK delivered was still in flight before it */
	l->loss.recover_fs =
		board_outstanding(&l->snd) - l->loss.sacked_bytes + delivered;
	l->loss.recover_fs = max_u32(l->loss.recover_fs, l->snd.mss);
	/* leave conservative slow start */
	l->cc.hystart.css = false;
	tlp_reset(&l->loss);
}

void recovery_enter_cwr(struct leg *l, uint32_t delivered)
{
	if (l->loss.ca >= CA_CWR)
		return;
	begin_episode(l, delivered);
	cc_tell(l, CC_CONGESTION_MARK);
	l->loss.undo_valid = false; /* an ECN mark is never spurious */
	l->loss.ca = CA_CWR;
	l->snd.cwr_pending = true;
}

static void enter_recovery(struct leg *l, uint32_t delivered)
{
	if (l->loss.ca == CA_CWR) { /* reduced in this window already */
		l->loss.ca = CA_RECOVERY;
		l->loss.recover = l->snd.nxt;
		tlp_reset(&l->loss);
		return;
	}
	begin_episode(l, delivered);
	l->loss.ca = CA_RECOVERY;
	leg_count(l, l->sack_ok ? CNT_TcpExtTCPSackRecovery
				: CNT_TcpExtTCPRenoRecovery);
}

/* RFC 9937, 6: cwnd for this ACK. */
static void prr_on_ack(struct leg *l, uint32_t delivered, bool safe)
{
	uint32_t pipe = board_pipe(l);
	int64_t cnt;

	l->loss.prr_delivered += delivered;
	if (pipe > l->cc.ssthresh) {
		cnt = (int64_t)(((uint64_t)l->loss.prr_delivered *
					 l->cc.ssthresh +
				 l->loss.recover_fs - 1) /
				l->loss.recover_fs) -
		      l->loss.prr_out;
	} else {
		cnt = (int64_t)l->loss.prr_delivered - l->loss.prr_out;
		if (cnt < (int64_t)delivered)
			cnt = delivered;
		if (safe)
			cnt += l->snd.mss;
		if (cnt > (int64_t)l->cc.ssthresh - pipe)
			cnt = (int64_t)l->cc.ssthresh - pipe;
	}
	if (!l->loss.prr_out && cnt < (int64_t)l->snd.mss)
		cnt = l->snd.mss; /* the fast retransmission itself */
	if (cnt < 0)
		cnt = 0;
	l->cc.cwnd = max_u32(pipe + (uint32_t)cnt, l->snd.mss);
}

static void undo(struct leg *l)
{
	l->cc.cwnd = max_u32(l->cc.cwnd, l->loss.undo_cwnd);
	l->cc.ssthresh = max_u32(l->cc.ssthresh, l->loss.undo_ssthresh);
	l->loss.undo_valid = false;
	l->loss.frto = FRTO_OFF;
	l->rtt.backoff = 0;
	if (!cc_tell(l, CC_RECOVERY_UNDONE))
		leg_cc(&l->cc)->reset(&l->cc);
	board_unmark_lost(l);
	l->loss.ca = l->loss.sacked_bytes ? CA_DISORDER : CA_OPEN;
}

/* The ACK echoes a time before the first retransmission. */
static bool eifel_says_spurious(const struct leg *l, const struct segment *s)
{
	return l->ts_ok && l->loss.retrans_ts && s->opts.has & OPT_HAS_TS &&
	       s->opts.tsecr &&
	       (int32_t)(s->opts.tsecr - l->loss.retrans_ts) < 0;
}

/* Does the ACK cover anything sent after the timeout? */
static bool tells_of_new_data(const struct leg *l, const struct segment *s)
{
	for (uint32_t i = 0; l->sack_ok && i < s->opts.nsack; i++) {
		if (seq_gt(s->opts.sack[i].end, l->loss.recover))
			return true;
	}
	return seq_gt(l->snd.una, l->loss.recover);
}

/* The ACK of what the timer sent again: RFC 5682, 3.1, step 2. */
static void frto_first_ack(struct leg *l, const struct ack_sample *a,
			   bool dupack)
{
	bool again = l->loss.run_head && l->loss.run_head->retx;

	if (!seq_gt(l->snd.una, a->una_before)) {
		if (dupack && !l->sack_ok)
			l->loss.frto = FRTO_OFF;
		return;
	}
	/* everything is acknowledged, or the retransmission is not: neither
	 * shows what became of the originals */
	l->loss.frto = again || seq_ge(l->snd.una, l->loss.recover)
			       ? FRTO_OFF
			       : FRTO_NEW_DATA;
}

/* Step 3.  True: data that was sent before the timeout, and not retransmitted,
 * has arrived. */
static bool frto_says_spurious(struct leg *l, const struct segment *s,
			       const struct ack_sample *a, bool dupack)
{
	if (l->loss.frto == FRTO_RESENT)
		frto_first_ack(l, a, dupack);
	else if (l->loss.frto == FRTO_NEW_DATA &&
		 (a->acked || a->sacked || dupack)) {
		if (a->orig_acked && !tells_of_new_data(l, s))
			return true;
		l->loss.frto = FRTO_OFF;
		l->cc.cwnd = min_u32(l->cc.cwnd, 3u * l->snd.mss);
	}
	return false;
}

/* DSACKs may arrive after the episode, but not a window later. */
static bool undo_is_stale(const struct leg *l)
{
	uint32_t window = max_u32(l->snd.max_wnd, 65535);

	return l->loss.ca <= CA_DISORDER &&
	       seq_gt(l->snd.una, seq_add(l->loss.undo_high, window));
}

static bool try_undo(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack)
{
	bool advanced = seq_gt(l->snd.una, a->una_before);

	if (!l->loss.undo_valid)
		return false;
	if (undo_is_stale(l)) {
		l->loss.undo_valid = false;
		return false;
	}
	/* the last DSACK may arrive after the episode has ended */
	if (a->dsack && l->loss.undo_retrans == 0 && l->loss.retrans_ts) {
		leg_count(l, CNT_TcpExtTCPDSACKUndo);
		undo(l);
		return true;
	}
	if (l->loss.ca < CA_RECOVERY)
		return false;
	if (advanced && eifel_says_spurious(l, s)) {
		leg_count(l, l->loss.ca == CA_LOSS ? CNT_TcpExtTCPSpuriousRTOs
						   : CNT_TcpExtTCPFullUndo);
		undo(l);
		return true;
	}
	if (l->loss.ca == CA_LOSS && frto_says_spurious(l, s, a, dupack)) {
		leg_count(l, CNT_TcpExtTCPSpuriousRTOs);
		undo(l);
		return true;
	}
	return false;
}

static void finish(struct leg *l)
{
	if (!cc_tell(l, CC_RECOVERY_ENDS) && l->loss.ca != CA_LOSS)
		l->cc.cwnd = max_u32(l->cc.ssthresh, l->snd.mss);
	if (l->loss.ca >= CA_RECOVERY && l->loss.rack.reo_persist &&
	    --l->loss.rack.reo_persist == 0)
		l->loss.rack.reo_mult = 0;
	l->loss.ca = l->loss.sacked_bytes ? CA_DISORDER : CA_OPEN;
	l->loss.frto = FRTO_OFF;
	l->loss.dupacks = 0;
	l->loss.reno_sacked = 0;
}

/* Without SACK: NewReno's count of duplicate ACKs (RFC 6582). */
static bool reno_detect(struct leg *l, const struct ack_sample *a, bool dupack)
{
	if (dupack) {
		if (l->loss.dupacks < 255)
			l->loss.dupacks++;
		if (l->loss.reno_sacked + l->loss.lost_bytes + l->snd.mss <=
		    board_outstanding(&l->snd))
			l->loss.reno_sacked += l->snd.mss;
	} else if (seq_gt(l->snd.una, a->una_before)) {
		l->loss.reno_sacked -= min_u32(l->loss.reno_sacked, a->acked);
		if (l->loss.ca < CA_RECOVERY) {
			l->loss.dupacks = 0;
			l->loss.reno_sacked = 0;
		} else if (l->loss.ca == CA_RECOVERY &&
			   seq_lt(l->snd.una, l->loss.recover)) {
			board_mark_head_lost(l, l->snd.mss); /* partial ACK */
			return true;
		}
	}
	if (l->loss.dupacks == DUPTHRESH && l->loss.ca < CA_RECOVERY &&
	    (seq_gt(l->snd.una, l->loss.recover) || !l->loss.recover_valid)) {
		l->loss.recover_valid = true;
		board_mark_head_lost(l, l->snd.mss);
		return true;
	}
	return false;
}

static bool detect(struct leg *l, const struct ack_sample *a, bool dupack,
		   mono_t now)
{
	if (!l->sack_ok)
		return reno_detect(l, a, dupack);
	rack_on_ack(l, a);
	if (l->loss.sacked_bytes || l->loss.ca >= CA_DISORDER || a->sacked)
		return rack_detect_loss(l, now);
	return false;
}

/* Only an ACK of new data grows the window.  An ACK that only SACKs is a
 * duplicate (RFC 5681, 3.2); its bytes count when the hole before them is
 * filled. */
static void grow(struct leg *l, const struct ack_sample *a, mono_t now)
{
	uint32_t acked = seq_span(l->snd.una, a->una_before);

	if (acked &&
	    l->loss.ca == CA_LOSS) /* the rest was sent before the timeout */
		acked = a->acked + a->sacked;
	if (!acked)
		return;
	if (!l->cc.limited &&
	    !(l->cc.cwnd < l->cc.ssthresh &&
	      seq_span(a->high_before, a->una_before) >= l->cc.cwnd / 2)) {
		cc_on_unused(&l->cc, now);
		return;
	}
	leg_cc(&l->cc)->on_ack(&l->cc, l, acked, now);
	l->cc.cwnd = min_u32(l->cc.cwnd, CWND_MAX);
}

/* The model's, where there is one; PRR's while it reduces; else what the
 * congestion control makes it grow to. */
static void set_window(struct leg *l, const struct ack_sample *a,
		       uint32_t delivered, bool lost, mono_t now)
{
	const struct cc_model *m = leg_model(&l->cc);

	if (m)
		m->update(&l->cc, l, a);
	else if (l->loss.ca == CA_RECOVERY || l->loss.ca == CA_CWR)
		prr_on_ack(l, delivered,
			   seq_gt(l->snd.una, a->una_before) && !lost);
	else
		grow(l, a, now);
}

void recovery_on_ack(struct leg *l, const struct segment *s,
		     const struct ack_sample *a, bool dupack, mono_t now)
{
	uint32_t delivered = a->acked + a->sacked;
	bool first = l->loss.frto == FRTO_RESENT, lost;

	if (l->loss.ca < CA_RECOVERY && seq_gt(l->snd.una, l->loss.recover))
		l->loss.recover_valid = false;
	if (dupack && !l->sack_ok && l->loss.ca == CA_RECOVERY)
		delivered += l->snd.mss;
	if (try_undo(l, s, a, dupack)) {
		set_window(l, a, delivered, false, now);
		return;
	}
	if (l->loss.ca >= CA_CWR && seq_ge(l->snd.una, l->loss.recover)) {
		finish(l);
	} else if (l->loss.ca == CA_DISORDER && !l->loss.sacked_bytes) {
		l->loss.ca = CA_OPEN;
	}
	lost = detect(l, a, dupack, now);
	if (lost && l->loss.ca < CA_RECOVERY)
		enter_recovery(l, delivered);
	else if (l->loss.ca == CA_OPEN &&
		 (l->loss.sacked_bytes || l->loss.dupacks))
		l->loss.ca = CA_DISORDER;

	set_window(l, a, delivered, lost, now);
	if (first && l->loss.frto == FRTO_NEW_DATA) /* two new segments */
		l->cc.cwnd =
			min_u32(l->cc.cwnd, board_pipe(l) + 2u * l->snd.mss);
}

void recovery_after_tlp(struct leg *l)
{
	if (l->loss.ca > CA_DISORDER || leg_model(&l->cc))
		return;
	l->cc.ssthresh = leg_cc(&l->cc)->ssthresh(&l->cc, l);
	l->cc.cwnd = min_u32(l->cc.cwnd, l->cc.ssthresh);
}

void recovery_detect(struct leg *l, mono_t now)
{
	uint32_t pipe = board_pipe(l);
	uint32_t room = l->cc.cwnd > pipe ? l->cc.cwnd - pipe : 0;
	bool fresh = l->loss.ca < CA_CWR;

	if (!rack_detect_loss(l, now))
		return;
	if (l->loss.ca < CA_RECOVERY)
		enter_recovery(l, 0);
	if (leg_model(&l->cc))
		return;
	if (fresh)
		prr_on_ack(l, 0, false);
	else if (l->loss.ca == CA_RECOVERY)
		/* there is no ACK for PRR to count: what the last one allowed
		 * stays, and the new losses add nothing */
		l->cc.cwnd = board_pipe(l) + max_u32(room, l->snd.mss);
}

void recovery_on_rto(struct leg *l, mono_t now)
{
	bool renege = l->loss.run_head && l->loss.run_head->state == RUN_SACKED;
	bool recovering = l->loss.ca >= CA_RECOVERY;
	/* once for each segment that the timer retransmits (RFC 5681, 3.1),
	 * unless ECN has already reduced this window */
	bool reduce =
		l->tmr.retries <= 1 &&
		(l->loss.ca != CA_CWR || seq_gt(l->snd.una, l->loss.recover));
	/* since the last reduction only the head was retransmitted */
	bool only_head = reduce ? !recovering : l->loss.frto == FRTO_RESENT;

	if (renege)
		leg_count(l, CNT_TcpExtTCPSACKReneging);
	if (reduce) {
		if (l->loss.ca == CA_LOSS &&
		    seq_gt(l->snd.una, l->loss.undo_marker))
			l->loss.undo_valid =
				false; /* the last timeout was genuine */
		begin_episode(l, 0);
	}
	l->loss.frto = only_head && !renege ? FRTO_RESENT : FRTO_OFF;
	if (l->sack_ok && !renege)
		rack_mark_on_rto(l, now);
	else
		board_mark_all_lost(l, renege);
	l->loss.ca = CA_LOSS;
	l->loss.recover = l->snd.nxt;
	l->cc.cwnd = board_pipe(l) + l->snd.mss;
	l->loss.dupacks = 0;
	tlp_reset(&l->loss);
}

void recovery_note_retransmit(struct leg *l, uint32_t bytes, seq_t end,
			      mono_t now)
{
	l->loss.prr_out += bytes;
	if (l->loss.ca >= CA_RECOVERY) { /* a probe is judged by itself */
		l->loss.undo_retrans += bytes;
		l->loss.undo_high = seq_max(l->loss.undo_high, end);
		if (!l->loss.retrans_ts)
			l->loss.retrans_ts = leg_tsval(&l->snd, now);
		if (!l->loss.retrans_ts)
			l->loss.retrans_ts = 1;
	}
	l->chrono.resent += (bytes + l->snd.mss - 1) / l->snd.mss;
	l->env->stats->c[CNT_BytesRetrans] += bytes;
	l->tally.resent += bytes;
	leg_count(l, CNT_TcpRetransSegs);
	if (l->loss.ca == CA_LOSS)
		leg_count(l, CNT_TcpExtTCPSlowStartRetrans);
}
