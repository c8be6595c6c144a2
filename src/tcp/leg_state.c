/* SPDX-License-Identifier: MIT */
/*
 * A leg as a record.
 *
 * The tables below name every member of struct leg that another process needs;
 * what is left out is the owner's (addresses, policy, hash chain, sink) or
 * follows from the rest (counters of runs and islands, the timer).  Flags are
 * one number.  The numbers of fields and flags stay what they are for good.
 *
 * What is loaded may be damaged or made up: it becomes a leg only if it is one
 * that the state machine can be in (is_possible(), leg_check()).
 */
#include <errno.h>

#include "internal.h"
#include "tcp/leg_state.h"

/* Fields of a leg that are no members. */
enum leg_field {
	FIELD_FLAGS = 1,
	FIELD_QUEUE = 2,  /* bytes from leg_snd_front() on */
	FIELD_RUN = 3,	  /* each run, oldest first */
	FIELD_ISLAND = 4, /* each island, in order */
	FIELD_SACKS = 5,  /* sack_recent, four bytes each */
	FIELD_CUBIC = 6,  /* congestion control's part */
	FIELD_NEWRENO = 7,
	FIELD_BBR = 8,
	FIELD_CHRONO = 9,
	MEMBERS = 16 /* members of struct leg have numbers from here on */
};

enum island_field {
	ISLAND_START = 1,
	ISLAND_BYTES = 2
};

#define M RECORD_MEMBER

/* Enough to reset the connection.  These numbers have never changed. */
static const struct record_member numbers[] = {
	M(16, U8, leg, state),		M(17, U32, leg, snd.una),
	M(18, U32, leg, snd.nxt),	M(19, U32, leg, rcv.nxt),
	M(20, TS_OFF, leg, snd.ts_off), M(21, U32, leg, rcv.ts_recent),
	M(22, U32, leg, snd.iss),
};

static const struct record_member members[] = {
	M(23, U8, leg, ttl),
	M(24, U16, leg, ev),
	/* snd */
	M(25, U32, leg, snd.wl1),
	M(26, U32, leg, snd.wl2),
	M(27, U32, leg, snd.wnd),
	M(28, U32, leg, snd.max_wnd),
	M(29, U32, leg, snd.urg),
	M(30, U16, leg, snd.mss),
	M(31, U16, leg, snd.peer_mss),
	M(32, U16, leg, snd.pmtu),
	M(33, U16, leg, snd.ip_id),
	M(34, U8, leg, snd.wscale),
	/* rcv */
	M(35, U32, leg, rcv.irs),
	M(36, U32, leg, rcv.adv),
	M(37, U32, leg, rcv.acked),
	M(38, U32, leg, rcv.urg),
	M(39, U32, leg, rcv.fin),
	M(40, TIME, leg, rcv.drs_start),
	M(41, U32, leg, rcv.cap),
	M(42, U32, leg, rcv.extra),
	M(43, U32, leg, rcv.unacked),
	M(44, S, leg, rcv.ts_recent_s),
	M(45, U32, leg, rcv.drs_bytes),
	M(46, U32, leg, rcv.dsack.start),
	M(47, U32, leg, rcv.dsack.end),
	M(48, U16, leg, rcv.mss),
	M(49, U8, leg, rcv.wscale),
	M(50, U8, leg, rcv.quickack),
	/* rtt */
	M(51, U32, leg, rtt.smoothed_us),
	M(52, U32, leg, rtt.var_us),
	M(53, U32, leg, rtt.min_us),
	M(54, U32, leg, rtt.rto_us),
	M(55, MS, leg, rtt.min_at_ms),
	M(56, U8, leg, rtt.backoff),
	/* cc */
	M(57, U32, leg, cc.cwnd),
	M(58, U32, leg, cc.ssthresh),
	M(59, TIME, leg, cc.pace_next),
	M(60, U8, leg, cc.kind),
	M(61, BOOL, leg, cc.limited),
	M(62, U32, leg, cc.hystart.last_min_us),
	M(63, U32, leg, cc.hystart.cur_min_us),
	M(64, U32, leg, cc.hystart.css_base_us),
	M(65, U32, leg, cc.hystart.window_end),
	M(66, U8, leg, cc.hystart.samples),
	M(67, U8, leg, cc.hystart.css_rounds),
	M(68, BOOL, leg, cc.hystart.css),
	/* loss */
	M(69, TIME, leg, loss.retrans_at),
	M(70, U32, leg, loss.retrans_ts),
	M(71, U32, leg, loss.reno_sacked),
	M(72, U32, leg, loss.recover),
	M(73, U32, leg, loss.prr_delivered),
	M(74, U32, leg, loss.prr_out),
	M(75, U32, leg, loss.recover_fs),
	M(76, U32, leg, loss.undo_cwnd),
	M(77, U32, leg, loss.undo_ssthresh),
	M(78, U32, leg, loss.undo_marker),
	M(79, U32, leg, loss.undo_high),
	M(80, U32, leg, loss.undo_retrans),
	M(81, U8, leg, loss.ca),
	M(82, U8, leg, loss.dupacks),
	M(83, US, leg, loss.rack.xmit_us),
	M(84, U32, leg, loss.rack.rtt_us),
	M(85, U32, leg, loss.rack.end_seq),
	M(86, U32, leg, loss.rack.fack),
	M(87, U32, leg, loss.rack.dsack_round),
	M(88, U32, leg, loss.rack.tlp_end),
	M(89, U8, leg, loss.rack.reo_mult),
	M(90, U8, leg, loss.rack.reo_persist),
	/* tmr */
	M(91, TIME, leg, tmr.rtx),
	M(92, TIME, leg, tmr.ack),
	M(93, TIME, leg, tmr.pace),
	M(94, TIME, leg, tmr.keep),
	M(95, TIME, leg, tmr.close),
	M(96, TIME, leg, tmr.last_rcv),
	M(97, TIME, leg, tmr.last_send),
	M(98, MS, leg, tmr.progress_ms),
	M(99, MS, leg, tmr.oow_ms),
	M(100, S, leg, tmr.challenge_s),
	M(101, U32, leg, tmr.challenge_count),
	M(102, U32, leg, tmr.uto_ms),
	M(103, U8, leg, tmr.rtx_kind),
	M(104, U8, leg, tmr.retries),
	M(105, U8, leg, tmr.probes),
	M(106, U8, leg, tmr.keep_probes),
	/* tally */
	M(107, U64, leg, tally.acked),
	M(108, U64, leg, tally.received),
	M(109, U64, leg, tally.resent),
	M(110, U32, leg, tally.segs_in),
	M(111, U32, leg, tally.segs_out),
	M(112, U8, leg, tally.dropped),
	M(113, U8, leg, tally.ended),
	/* rcv, too */
	M(114, U32, leg, rcv.most),
	M(115, U32, leg, rcv.drs_most),
};

/* clang-format off */
/* The first bit, the number of bits, and the member.  They are theirs for
 * good. */
#define FLAGS(X) \
	X(0, 1, ts_ok) X(1, 1, sack_ok) X(2, 1, wscale_ok) X(3, 1, ecn_ok) \
	X(4, 1, active) X(5, 1, mute) X(6, 1, tfo_opt) X(7, 1, tfo_exp) \
	X(8, 1, tfo_data) X(9, 1, tfo_early) \
	X(10, 1, end.fin_queued) X(11, 1, end.fin_sent) \
	X(12, 1, end.fin_rcvd) X(13, 1, end.sink_closed) \
	X(14, 1, end.orphan) X(15, 1, end.rst_pending) \
	X(16, 1, end.rst_ack) X(17, 1, end.rst_after_drain) \
	X(18, 1, snd.urg_out) X(19, 1, snd.iss_far) \
	X(20, 1, snd.pmtu_blackhole) X(21, 1, snd.syn_pending) \
	X(22, 1, snd.syn_unsent) X(23, 1, snd.probe_pending) \
	X(24, 1, snd.cwr_pending) X(25, 1, snd.syn_again) \
	X(26, 1, rcv.syn_rcvd) X(27, 1, rcv.irs_far) \
	X(28, 1, rcv.fin_known) X(29, 1, rcv.urg_in) \
	X(30, 1, rcv.ece_pending) X(31, 2, rcv.owed) \
	X(33, 6, rcv.dup_owed) X(39, 2, loss.frto) \
	X(41, 1, loss.recover_valid) X(42, 1, loss.undo_valid) \
	X(43, 1, loss.tlp_pending) X(44, 1, loss.rack.valid) \
	X(45, 1, loss.rack.reordering_seen) X(46, 1, loss.rack.dsack_seen) \
	X(47, 1, loss.rack.tlp_active) X(48, 1, loss.rack.tlp_is_retrans) \
	X(49, 3, chrono.limit) X(52, 1, chrono.hole) X(53, 1, chrono.on) \
	X(54, 1, snd.ecn_unanswered)
/* clang-format on */

#define TAKE(at, bits) (flags >> (at) & ((1u << (bits)) - 1))

static const struct record_member chrono_members[] = {
	M(1, U32, leg_chrono, ms[0]),	M(2, U32, leg_chrono, ms[1]),
	M(3, U32, leg_chrono, ms[2]),	M(4, U32, leg_chrono, ms[3]),
	M(5, U32, leg_chrono, ms[4]),	M(6, U32, leg_chrono, ms[5]),
	M(7, U32, leg_chrono, hole_ms), M(8, MS, leg_chrono, at_ms),
	M(9, U32, leg_chrono, resent),
};

static_assert(LEG_LIMITS == 6, "a number for each in chrono_members");
static_assert(sizeof(bool) == 1, "RECORD_BOOL");

static const struct record_member run_members[] = {
	M(1, U32, run, start),
	M(2, U32, run, end),
	M(3, US, run, tx_us),
	M(4, U8, run, state),
	M(5, BOOL, run, retx),
	M(6, U16, run, segs),
	M(7, U32, run, mark.delivered),
	M(8, U32, run, mark.lost),
	M(9, US, run, mark.delivered_us),
	M(10, US, run, mark.first_sent_us),
	M(11, U32, run, mark.tx_in_flight),
	M(12, BOOL, run, mark.app_limited),
};

static const struct record_member cubic_members[] = {
	M(1, U32, cc_cubic, w_max),  M(2, U32, cc_cubic, w_last_max),
	M(3, U32, cc_cubic, w_est),  M(4, U16, cc_cubic, w_est_frac),
	M(5, U32, cc_cubic, k_ms),   M(6, MS, cc_cubic, epoch_ms),
	M(7, MS, cc_cubic, seen_ms),
};

static const struct record_member newreno_members[] = {
	M(1, U32, cc_newreno, acked),
};

/* --- saving --- */

struct islands {
	struct record_writer *w;
	size_t island, bytes;
};

static void save_node(void *arg, const struct ooo *o, bool first, bool last)
{
	struct islands *i = arg;

	if (first) {
		i->island = record_open(i->w, FIELD_ISLAND);
		record_number(i->w, ISLAND_START, o->start.v);
		i->bytes = record_open(i->w, ISLAND_BYTES);
	}
	record_raw(i->w, o->p, o->len);
	if (last) {
		record_close(i->w, i->bytes);
		record_close(i->w, i->island);
	}
}

static void save_part(struct record_writer *w, uint32_t id,
		      const struct record_member *m, size_t n, const void *obj)
{
	size_t mark = record_open(w, id);

	record_save(w, m, n, obj);
	record_close(w, mark);
}

static void save_bytes(struct record_writer *w, const struct bufq *q)
{
	size_t mark;

	if (!q->bytes)
		return;
	mark = record_open(w, FIELD_QUEUE);
	for (const struct slice_node *n = q->head; n; n = n->next)
		record_raw(w, n->p, n->len);
	record_close(w, mark);
}

static void save_cc(const struct leg_cong *cc, struct record_writer *w)
{
	size_t mark;

	switch (cc->kind) {
	case CC_CUBIC:
		save_part(w, FIELD_CUBIC, cubic_members,
			  ARRAY_LEN(cubic_members), &cc->cubic);
		break;
	case CC_NEWRENO:
		save_part(w, FIELD_NEWRENO, newreno_members,
			  ARRAY_LEN(newreno_members), &cc->newreno);
		break;
	default:
		if (!cc->bbr)
			break;
		mark = record_open(w, FIELD_BBR);
		bbr_save(cc->bbr, w);
		record_close(w, mark);
		break;
	}
}

void leg_save(const struct leg *l, struct record_writer *w)
{
	struct islands islands = {.w = w};
	uint64_t flags = 0;

#define PUT(at, bits, member) flags |= (uint64_t)l->member << (at);
	FLAGS(PUT)
#undef PUT
	record_number(w, FIELD_FLAGS, flags);
	record_save(w, numbers, ARRAY_LEN(numbers), l);
	record_save(w, members, ARRAY_LEN(members), l);
	save_part(w, FIELD_CHRONO, chrono_members, ARRAY_LEN(chrono_members),
		  &l->chrono);
	save_cc(&l->cc, w);
	save_bytes(w, &l->snd.q);
	for (const struct run *r = l->loss.run_head; r; r = r->next)
		save_part(w, FIELD_RUN, run_members, ARRAY_LEN(run_members), r);
	reasm_walk(&l->rcv, save_node, &islands);
	if (l->rcv.sack_n)
		record_bytes(w, FIELD_SACKS, l->rcv.sack_recent,
			     l->rcv.sack_n * sizeof(l->rcv.sack_recent[0]));
}

/* --- loading --- */

static int load_part(struct record_reader r, const struct record_member *m,
		     size_t n, void *obj)
{
	struct record_field f;
	int more;

	record_clear(m, n, obj);
	while ((more = record_next(&r, &f)) > 0)
		record_load(&f, m, n, obj, r.now);
	return more;
}

static int load_bytes(struct leg *l, const struct record_field *f)
{
	struct slice s = {.p = f->in.p, .len = (uint32_t)record_left(&f->in)};

	if (l->snd.q.bytes)
		return -EBADMSG;
	return bufq_append(&l->snd.q, l->env->pool, &s);
}

static int load_run(struct leg *l, const struct record_field *f)
{
	struct run r = {0};
	int err = load_part(f->in, run_members, ARRAY_LEN(run_members), &r);

	if (err || r.state > RUN_SACKED || !r.segs || !seq_lt(r.start, r.end))
		return -EBADMSG;
	return board_restore(l, &r) ? 0 : -ENOBUFS;
}

/* What does not fit is forgotten. */
static int load_island(struct leg *l, const struct record_field *f)
{
	struct record_reader r = f->in;
	struct slice d = {0};
	struct record_field g;
	seq_t at = SEQ(0);
	int more;

	while ((more = record_next(&r, &g)) > 0) {
		if (g.id == ISLAND_START)
			at = SEQ(g.number);
		if (g.id != ISLAND_BYTES || !g.has_bytes)
			continue;
		d.p = g.in.p;
		d.len = (uint32_t)record_left(&g.in);
	}
	if (more)
		return more;
	if (seq_lt(at, l->rcv.nxt) && seq_span(l->rcv.nxt, at) < d.len) {
		d.p += seq_span(l->rcv.nxt, at); /* was delivered */
		d.len -= seq_span(l->rcv.nxt, at);
		at = l->rcv.nxt;
	}
	reasm_restore(l, at, &d);
	return 0;
}

static int load_sacks(struct leg_rcv *rcv, const struct record_field *f)
{
	size_t n = record_left(&f->in);

	if (n > sizeof(rcv->sack_recent) || n % sizeof(rcv->sack_recent[0]))
		return -EBADMSG;
	memcpy(rcv->sack_recent, f->in.p, n);
	rcv->sack_n = (uint8_t)(n / sizeof(rcv->sack_recent[0]));
	return 0;
}

static int load_bbr(struct leg *l, const struct record_field *f)
{
	struct slab *bbrs = l->env->bbrs;

	if (l->cc.kind != CC_BBR || l->cc.bbr)
		return -EBADMSG;
	l->cc.bbr = bbrs ? slab_alloc(bbrs) : NULL;
	return l->cc.bbr ? bbr_load(l->cc.bbr, f->in) : 0;
}

/* A leg that may send needs its model.  One without it is CUBIC's. */
static void check_model(struct leg *l)
{
	if (l->cc.kind == CC_BBR && !l->cc.bbr &&
	    (leg_synchronized(l) || l->tfo_early)) {
		l->cc.kind = CC_CUBIC;
		leg_cc(&l->cc)->init(&l->cc);
	}
}

/* Parts that need the numbers. */
static int load_field(struct leg *l, const struct record_field *f)
{
	if (f->id < MEMBERS && f->id != FIELD_FLAGS && !f->has_bytes)
		return -EBADMSG;
	switch (f->id) {
	case FIELD_QUEUE:
		return load_bytes(l, f);
	case FIELD_RUN:
		return load_run(l, f);
	case FIELD_ISLAND:
		return load_island(l, f);
	case FIELD_SACKS:
		return load_sacks(&l->rcv, f);
	case FIELD_CUBIC:
		return l->cc.kind == CC_CUBIC
			       ? load_part(f->in, cubic_members,
					   ARRAY_LEN(cubic_members),
					   &l->cc.cubic)
			       : -EBADMSG;
	case FIELD_NEWRENO:
		return l->cc.kind == CC_NEWRENO
			       ? load_part(f->in, newreno_members,
					   ARRAY_LEN(newreno_members),
					   &l->cc.newreno)
			       : -EBADMSG;
	case FIELD_BBR:
		return load_bbr(l, f);
	case FIELD_CHRONO:
		return load_part(f->in, chrono_members,
				 ARRAY_LEN(chrono_members), &l->chrono);
	default: /* a later version's */
		return 0;
	}
}

static void load_flags(struct leg *l, uint64_t flags)
{
#define GET(at, bits, member) l->member = TAKE(at, bits);
	FLAGS(GET)
#undef GET
}

/* Members: they come before what needs them, in whatever order they stand. */
static int load_members(struct leg *l, struct record_reader r)
{
	struct record_field f;
	int more;

	record_clear(numbers, ARRAY_LEN(numbers), l);
	record_clear(members, ARRAY_LEN(members), l);
	load_flags(l, 0);
	while ((more = record_next(&r, &f)) > 0) {
		if (f.id == FIELD_FLAGS && !f.has_bytes)
			load_flags(l, f.number);
		else if (!record_load(&f, numbers, ARRAY_LEN(numbers), l,
				      r.now))
			record_load(&f, members, ARRAY_LEN(members), l, r.now);
	}
	return more;
}

/* Ranges on which the state machine relies without looking. */
static bool is_possible(const struct leg *l)
{
	return l->state < TS_COUNT && l->cc.kind < CC_KINDS &&
	       l->tmr.rtx_kind <= RTX_PERSIST && l->loss.ca <= CA_LOSS &&
	       l->loss.frto <= FRTO_NEW_DATA && l->rcv.owed <= ACK_NOW &&
	       l->tally.dropped < DROP_REASON_COUNT &&
	       l->tally.ended <= ENDED_ABORTED &&
	       l->chrono.limit < LEG_LIMITS && l->snd.wscale <= WSCALE_MAX &&
	       l->rcv.wscale <= WSCALE_MAX && l->snd.pmtu <= PMTU_MAX &&
	       l->rtt.rto_us <= RTO_MAX_US && l->rtt.rto_us &&
	       l->cc.cwnd <= CWND_MAX && l->snd.wnd <= CWND_MAX &&
	       l->rcv.cap <= CWND_MAX && l->rcv.extra <= CWND_MAX &&
	       (l->mute ? l->side == LEG_SERVER : true);
}

int leg_load(struct leg *l, struct record_reader r)
{
	const struct record_reader all = r;
	struct record_field f;
	int err, more;

	l->cc.bbr = NULL;
	err = load_members(l, r);
	if (!err && !is_possible(l))
		err = -EBADMSG;
	while (!err && (more = record_next(&r, &f)))
		err = more < 0 ? more : load_field(l, &f);
	if (!err) {
		check_model(l);
		leg_arm(l);
		err = leg_check(l) ? -EBADMSG : 0;
	}
	if (err)
		leg_load_numbers(l, all);
	return err;
}

void leg_load_numbers(struct leg *l, struct record_reader r)
{
	struct record_field f;
	struct leg clean;

	leg_fini(l);
	leg_init(&clean, l->env, l->cfg, l->side, &l->t, l->rcv.sink);
	clean.hashed = l->hashed;
	clean.hnext = l->hnext;
	clean.behave = l->behave;
	*l = clean;
	while (record_next(&r, &f) > 0) {
		if (f.id == FIELD_FLAGS && !f.has_bytes) {
			l->ts_ok = f.number & 1;
			continue;
		}
		record_load(&f, numbers, ARRAY_LEN(numbers), l, r.now);
	}
	if (l->state >= TS_COUNT)
		l->state = TS_ESTABLISHED;
}
