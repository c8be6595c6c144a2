/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SPLICE_SPLICE_H
#define PENSTOCK_SPLICE_SPLICE_H

/*
 * relay = splice: where a connection is handed to the kernel.
 *
 * A wing above the engine (engine/hooks.h) holds what the hosts send until both
 * legs agree, and says how the segments of each direction are to be changed.
 * Who changes them is the shell's affair, or the simulator's, behind struct
 * splice_ops.
 */
#include "util/types.h"

struct engine;

/**
 * struct splice_shift - How the segments of one direction are changed
 * @seq:   added to the sequence number
 * @ack:   added to the acknowledgment number and to SACK blocks
 * @tsval: added to the timestamp
 * @tsecr: added to its echo
 * @shl:   the window is shifted left by this,
 * @shr:   then right by this, and is at most 65535
 * @ts:    timestamps were agreed on
 * @from_client: the direction of the client's segments
 * @mss:   most payload bytes of a segment in this direction
 * @nxt:   one past the highest number that was passed on, as it was passed on
 * @newest_ts: the newest timestamp, likewise
 * @acked: from splice_ops.find: the last acknowledgment number passed on
 * @wnd:   from splice_ops.find: the last window field passed on
 */
struct splice_shift {
	uint32_t seq, ack, tsval, tsecr;
	uint8_t shl, shr;
	bool ts, from_client;
	uint16_t mss, wnd;
	seq_t nxt, acked;
	uint32_t newest_ts;
};

/**
 * struct splice_pair - A connection to be translated
 * @client: its client leg's addresses: @client.remote is the client.  The
 *          server leg has the same, the other way round
 * @up:     what the client sends
 * @down:   what the server sends
 */
struct splice_pair {
	struct tuple client;
	struct splice_shift up, down;
};

/**
 * struct splice_found - A connection that is translated
 * @dir:   of the segments from tuple.remote to tuple.local
 * @back:  of those that go back
 * @ended: both FINs have been acknowledged, or it was reset
 */
struct splice_found {
	struct splice_shift dir, back;
	bool ended;
};

/**
 * struct splice_ops - Who translates
 * @install: in both directions; what comes through the TUN is translated from
 *           now on.  0, or -errno: nothing was changed
 * @open:    what comes from the hosts is translated, too, and until then comes
 *           to the engine; by the tuple of either direction
 * @find:    is the connection of a segment translated?  The tuple is from our
 *           side: remote is where the segment came from
 * @remove:  end, in both directions; by the tuple of either
 *
 * May be called by several engines at once.
 */
struct splice_ops {
	int (*install)(void *ctx, const struct splice_pair *p);
	void (*open)(void *ctx, const struct tuple *t);
	bool (*find)(void *ctx, const struct tuple *t,
		     struct splice_found *out);
	void (*remove)(void *ctx, const struct tuple *t);
};

/**
 * splice_open() - From now on, services with relay = splice are handed over
 * @ops: borrowed, outlives the engine; @ctx: handed to each of its functions
 *
 * Without this call they terminate.  Ends with the engine.
 * Return: 0 or -ENOMEM
 */
int splice_open(struct engine *e, const struct splice_ops *ops, void *ctx);

#endif
