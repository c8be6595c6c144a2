/* SPDX-License-Identifier: MIT */
/*
 * BBR's part of a leg as a record.  The sample of the ACK at hand is left out:
 * between two packets there is none.
 */
#include <errno.h>

#include "internal.h"
#include "tcp/leg_state.h"

#define FIELD_FLAGS 1
#define M(id, kind, member) RECORD_MEMBER(id, kind, leg_bbr, member)

static const struct record_member members[] = {
	M(2, TIME, now),
	M(3, U64, pacing_rate),
	M(4, U32, quantum),
	M(5, U32, rtt_us),
	M(6, U32, round_rtt_us),
	/* rate */
	M(7, U32, rate.delivered),
	M(8, U32, rate.lost),
	M(9, US, rate.delivered_us),
	M(10, US, rate.first_sent_us),
	M(11, U32, rate.limited_until),
	M(12, BOOL, rate.limited),
	/* model */
	M(13, U64, model.max_bw[0]),
	M(14, U64, model.max_bw[1]),
	M(15, U64, model.bw_shortterm),
	M(16, U64, model.bw_latest),
	M(17, U64, model.bw),
	M(18, U64, model.full_bw),
	M(19, U64, model.undo_bw_shortterm),
	M(20, TIME, model.min_rtt_stamp),
	M(21, TIME, model.probe_rtt_min_stamp),
	M(22, TIME, model.probe_rtt_done_stamp),
	M(23, TIME, model.cycle_stamp),
	M(24, TIME, model.extra_acked_start),
	M(25, U32, model.min_rtt_us),
	M(26, U32, model.probe_rtt_min_us),
	M(27, U32, model.inflight_longterm),
	M(28, U32, model.inflight_shortterm),
	M(29, U32, model.inflight_latest),
	M(30, U32, model.undo_inflight_longterm),
	M(31, U32, model.undo_inflight_shortterm),
	M(32, U32, model.extra_acked[0]),
	M(33, U32, model.extra_acked[1]),
	M(34, U32, model.extra_acked_delivered),
	M(35, U32, model.extra_acked_round),
	M(36, U32, model.max_inflight),
	M(37, U32, model.prior_cwnd),
	M(38, U32, model.next_round_delivered),
	M(39, U32, model.loss_round_delivered),
	M(40, U32, model.round_count),
	M(41, U32, model.drain_start_round),
	M(42, U32, model.probe_up_acked_per_inc),
	M(43, U32, model.probe_up_acked),
	M(44, U32, model.probe_wait_us),
	M(45, U8, model.state),
	M(46, U8, model.undo_state),
	M(47, U8, model.ack_phase),
	M(48, U8, model.full_bw_count),
	M(49, U8, model.probe_up_rounds),
	M(50, U8, model.rounds_since_probe_up),
	M(51, U8, model.loss_events),
	M(52, U16, model.chance),
	M(53, U8, model.delayed_rounds),
	M(54, US, model.delayed_us),
};

/* clang-format off */
#define FLAGS(X) \
	X(0, round_start) X(1, loss_round_start) X(2, loss_in_round) \
	X(3, full_bw_now) X(4, full_bw_reached) X(5, idle_restart) \
	X(6, probe_rtt_expired) X(7, probe_rtt_round_done) \
	X(8, bw_probe_sample) X(9, prev_probe_too_high) \
	X(10, prev_probe_precautionary) X(11, has_rtt) X(12, own_queue)
/* clang-format on */

/* Some of these are divided by, the others choose. */
static bool is_possible(const struct leg_bbr *l)
{
	const struct bbr *b = &l->model;

	return l->pacing_rate && b->state <= BBR_PROBE_RTT &&
	       b->probe_up_acked_per_inc && b->probe_up_rounds <= 30 &&
	       (b->undo_state <= BBR_PROBE_RTT || b->undo_state == UINT8_MAX);
}

void bbr_save(const struct leg_bbr *b, struct record_writer *w)
{
	uint64_t flags = 0;

#define PUT(bit, member) flags |= (uint64_t)b->model.member << (bit);
	FLAGS(PUT)
#undef PUT
	record_number(w, FIELD_FLAGS, flags);
	record_save(w, members, ARRAY_LEN(members), b);
}

int bbr_load(struct leg_bbr *b, struct record_reader r)
{
	struct record_field f;
	int more;

	memset(b, 0, sizeof(*b));
	while ((more = record_next(&r, &f)) > 0) {
		if (record_load(&f, members, ARRAY_LEN(members), b, r.now) ||
		    f.id != FIELD_FLAGS)
			continue;
#define GET(bit, member) b->model.member = f.number >> (bit)&1;
		FLAGS(GET)
#undef GET
	}
	return more || !is_possible(b) ? -EBADMSG : 0;
}
