/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_FAULT_SIGHT_H
#define PENSTOCK_TESTS_FAULT_SIGHT_H

/*
 * What each side was shown in one run of the simulator: every segment that the
 * engine sent to a peer, seen when it left.
 */
#include "sim/world.h"

/**
 * struct sight - What one side was shown
 * @seen:    a segment with an ACK at all
 * @edge:    greatest right edge, offset
 * @edge_at: right edge of the last segment
 * @retreats: how often the edge fell behind the last one
 * @retreat: the most bytes of these
 * @windows: segments whose window is neither closed nor a segment large
 * @early:   acknowledged more than had arrived
 * @sacked:  end of the greatest SACK block
 * @reneged: acknowledged less than was SACKed before, and no block says it now
 * @data:    segments with data
 * @longest: bytes of the longest
 * @end:     end of the greatest, offset
 * @overlaps: data that begins before the end of all before and goes beyond
 * @urg:     place of the urgent byte, counted from 0
 * @urgents: segments that said so
 * @crossed: FINs that do not acknowledge the FIN that had been sent
 * @late_acks: acknowledgments of it afterwards
 * @smss:    the peer's own segment size, in the end
 * @syns, @synacks, @wrong_acks: SYNs alone; with an ACK; of these, of what it
 *           has not sent
 * @burst:   the most segments with data at one time
 * @now, @at_once: such segments now
 * @gave_up: the peer's own timer ended the connection
 * @late_len, @late_rst, @late_syn, @late_ack: segments sent in TIME_WAIT
 */
struct sight {
	bool seen, gave_up;
	uint64_t edge, edge_at, retreat, sacked, end, urg;
	uint32_t retreats, windows, early, reneged;
	uint32_t smss, syns, synacks, wrong_acks, burst, at_once;
	int64_t now;
	uint32_t data, longest, overlaps, urgents, crossed, late_acks;
	uint32_t late_len, late_rst, late_syn, late_ack;
};

extern struct sight sight[2]; /* client, server */

void sight_reset(void);
/* All is over. */
void sight_end(struct world *w);

/* What must be true of the case of this name: NULL, or what is not. */
const char *sight_judge(const char *name);

#endif
