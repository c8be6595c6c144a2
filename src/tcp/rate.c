/* SPDX-License-Identifier: MIT */
/*
 * Delivery rate (draft-ietf-ccwg-bbr, 4.1).
 *
 * The rate is the number of bytes delivered between the sending of a packet and
 * its acknowledgment, divided by that time.  The time is the longer one of two:
 * the time in which the bytes were sent, and the time in which they were
 * acknowledged, because neither can be faster than the path.
 */
#include "tcp/rate.h"

void rate_sent(struct rate_meter *r, struct rate_mark *m, uint32_t inflight,
	       uint32_t len, mono_t now)
{
	if (inflight <= len) /* nothing else is in flight */
		r->first_sent_us = r->delivered_us = (uint32_t)now.us;
	*m = (struct rate_mark){.delivered = r->delivered,
				.lost = r->lost,
				.delivered_us = r->delivered_us,
				.first_sent_us = r->first_sent_us,
				.tx_in_flight = inflight,
				.app_limited = r->limited};
}

void rate_begin(struct rate_sample *s)
{
	*s = (struct rate_sample){.rtt_us = -1};
}

static bool is_newer(const struct rate_sample *s, uint32_t sent_us, seq_t end)
{
	int32_t d = (int32_t)(sent_us - s->sent_us);

	return !s->has || d > 0 || (d == 0 && seq_gt(end, s->end));
}

void rate_delivered(struct rate_meter *r, struct rate_sample *s,
		    const struct rate_packet *p, mono_t now)
{
	const struct rate_mark *m = p->mark;

	r->delivered += p->len;
	r->delivered_us = (uint32_t)now.us;
	s->newly_acked += p->len;
	if (!is_newer(s, p->sent_us, p->end))
		return;
	s->has = true;
	s->sent_us = p->sent_us;
	s->end = p->end;
	s->prior_delivered = m->delivered;
	s->prior_us = m->delivered_us;
	s->app_limited = m->app_limited;
	s->send_elapsed_us = p->sent_us - m->first_sent_us;
	s->tx_in_flight = m->tx_in_flight;
	s->lost = m->lost; /* until rate_finish() */
	s->rtt_us = (uint32_t)now.us - p->sent_us;
	r->first_sent_us = p->sent_us;
}

void rate_finish(struct rate_meter *r, struct rate_sample *s,
		 uint32_t min_rtt_us)
{
	uint32_t ack_elapsed;

	if (r->limited && (int32_t)(r->delivered - r->limited_until) > 0)
		r->limited = false;
	if (!s->has)
		return;
	ack_elapsed = r->delivered_us - s->prior_us;
	s->interval_us = max_u32(s->send_elapsed_us, ack_elapsed);
	s->delivered = r->delivered - s->prior_delivered;
	s->lost = r->lost - s->lost;
	/* less than the minimum RTT: the packet was sent twice */
	if (s->interval_us >= min_rtt_us && s->interval_us)
		s->rate =
			(uint64_t)s->delivered * USEC_PER_SEC / s->interval_us;
}

void rate_limited(struct rate_meter *r, uint32_t inflight)
{
	r->limited = true;
	r->limited_until = r->delivered + inflight;
}
