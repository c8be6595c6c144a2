/* SPDX-License-Identifier: MIT */
/*
 * What is shown of a leg.
 */
#include "internal.h"
#include "tcp/view.h"

static uint32_t acked_bytes(const struct leg_snd *snd)
{
	seq_t first = seq_add(snd->iss, 1);

	return seq_eq(snd->una, snd->iss) ? 0 : seq_span(snd->una, first);
}

struct leg_view leg_view(const struct leg *l, mono_t now)
{
	return (struct leg_view){
		.peer = l->t.remote,
		.port = l->t.rport,
		.state = l->state,
		.cc = l->cc.kind,
		.inflight_bytes = board_outstanding(&l->snd),
		.queued_bytes = l->snd.q.bytes,
		.cwnd_bytes = l->cc.cwnd,
		.wnd_bytes = l->snd.wnd,
		.rcv_wnd_bytes = leg_rcv_wnd(&l->rcv),
		.srtt_us = l->rtt.smoothed_us,
		.mss_bytes = l->snd.mss,
		.sent_bytes = acked_bytes(&l->snd),
		.chrono = leg_chrono_read(l, now),
	};
}
