/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_BBR_QUEUE_H
#define PENSTOCK_TCP_BBR_QUEUE_H

/*
 * What BBR sees of the queue, and which loss is congestion: bbr_queue.c.
 */
#include "tcp/bbr.h"

#define LOSS_THRESH 2 /* percent */

static inline uint32_t bbr_cap(uint64_t v)
{
	return v < BBR_INF ? (uint32_t)v : BBR_INF;
}

static inline bool bbr_loss_exceeds(uint32_t lost, uint32_t tx_in_flight,
				    uint32_t percent)
{
	return (uint64_t)lost * 100 > (uint64_t)tx_in_flight * percent;
}

/* On each ACK: what the path loses by chance, and how long others have had a
 * queue. */
void bbr_learn_queue(struct bbr *b, const struct bbr_view *v,
		     const struct rate_sample *rs);
/* Does CRUISE send less, to drain a queue? */
bool bbr_drains(const struct bbr *b, const struct bbr_view *v);
/* Has there lately been a queue for so long that it was not its own? */
bool bbr_queue_is_others(const struct bbr *b);
/* Does this sample show that the path is empty? */
bool bbr_sees_empty_path(const struct bbr *b, const struct bbr_view *v,
			 const struct rate_sample *rs);
/* Of @tx_in_flight bytes @lost were lost: is it congestion? */
bool bbr_is_congestion(const struct bbr *b, const struct bbr_view *v,
		       uint32_t lost, uint32_t tx_in_flight);

#endif
