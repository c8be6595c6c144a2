/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SPLICE_SPLICE_H
#define PENSTOCK_SPLICE_SPLICE_H

/*
 * relay = splice: handing a connection to the kernel.
 *
 * A wing above the engine (engine/hooks.h) holds what the hosts send until both
 * legs agree.  Then it says how the segments of each direction must be changed.
 * The shell or the simulator provides the translator that changes them: struct
 * splice_ops.
 */
#include "util/types.h"

struct engine;
struct splicer;

/**
 * struct splice_shift - How the segments of one direction are changed
 * @seq:   added to the sequence number
 * @ack:   added to the acknowledgment number and to SACK blocks
 * @tsval: added to the timestamp
 * @tsecr: added to its echo
 * @shl:   the window is shifted left by this number,
 * @shr:   then right by this one, and limited to 65535
 * @ts:    timestamps were agreed on
 * @from_client: this is the direction from client to server
 * @mss:   most payload bytes of a segment in this direction
 * @nxt:   one past the highest sequence number that was passed on, after the
 *         translation
 * @newest_ts: the newest timestamp that was passed on, likewise
 * @held:  packets that will come through the TUN first
 * @acked: from splice_ops.find: the last acknowledgment number passed on
 * @wnd:   from splice_ops.find: the last window field passed on
 */
struct splice_shift {
	uint32_t seq, ack, tsval, tsecr;
	uint8_t shl, shr;
	bool ts, from_client;
	uint8_t held;
	uint16_t mss, wnd;
	seq_t nxt, acked;
	uint32_t newest_ts;
};

/**
 * struct splice_pair - A connection that the translator gets
 * @client: addresses of the client leg: @client.remote is the client.  The
 *          server leg has the same addresses, reversed
 * @service: name of its service; borrowed
 * @up:     direction from the client to the server
 * @down:   direction from the server to the client
 */
struct splice_pair {
	struct tuple client;
	const char *service;
	struct splice_shift up, down;
};

/**
 * struct splice_found - A connection that the translator has
 * @dir:   direction of the segments from tuple.remote to tuple.local
 * @back:  the other direction
 * @ended: both FINs were acknowledged, or the connection was reset
 */
struct splice_found {
	struct splice_shift dir, back;
	bool ended;
};

/**
 * struct splice_ops - The functions of a translator
 * @install: add a connection.  What comes through the TUN is translated from
 *           now on.  What comes from the host is translated as soon as
 *           splice_shift.held packets of its direction have come through the
 *           TUN; until then it comes to the engine.  Return: 0, or -errno:
 *           nothing was changed
 * @find:    find the connection of a segment.  The tuple is from our side:
 *           remote is the segment's source
 * @remove:  remove a connection, by the tuple of either direction
 * @count:   connections of @client at @service that have not ended.  *@all:
 *           those of all clients
 *
 * Several engines may call them at the same time.
 */
struct splice_ops {
	int (*install)(void *ctx, const struct splice_pair *p);
	bool (*find)(void *ctx, const struct tuple *t,
		     struct splice_found *out);
	void (*remove)(void *ctx, const struct tuple *t);
	uint32_t (*count)(void *ctx, const char *service,
			  const struct ipaddr *client, uint32_t *all);
};

/**
 * splice_open() - Hand over connections of services with relay = splice
 * @ops: borrowed, must outlive the engine; @ctx: argument of each of its
 *       functions
 * @out: for splice_reset(); it ends with the engine
 *
 * Without this call they are terminated.
 * Return: 0 or -ENOMEM
 */
int splice_open(struct engine *e, const struct splice_ops *ops, void *ctx,
		struct splicer **out);

/* Hand over no connection that has not been handed over: those become ordinary
 * ones.  For another process that goes on with them. */
void splice_settle(struct splicer *sp, mono_t now);

/**
 * splice_reset() - Reset a connection that was handed over
 * @client: addresses of the client leg
 * Its entry is removed, and RSTs to both hosts are sent by the next pull.
 * Return: there was one
 */
bool splice_reset(struct splicer *sp, const struct tuple *client);

#endif
