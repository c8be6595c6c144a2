/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CAPTURE_RING_H
#define PENSTOCK_CAPTURE_RING_H

/*
 * Captured packets on their way from a worker to the main thread: a ring of
 * bytes with one writer and one reader, without locks.  A packet that finds no
 * room is not waited for: it is lost.
 */
#include <sys/uio.h>

#include "util/types.h"

#define CAPTURE_COMMENT_MAX 256 /* bytes, with the NUL */
#define CAPTURE_SNAP_MAX 65535u

/**
 * struct capture_record - One packet
 * @us:       Unix time, microseconds
 * @len:      bytes of it that follow
 * @full_len: bytes that it had
 * @side:     enum leg_side: of which connection of the flow
 * @out:      we have sent it
 * @comment:  what the engine decided
 */
struct capture_record {
	int64_t us;
	uint32_t len, full_len;
	uint8_t side;
	bool out;
	char comment[CAPTURE_COMMENT_MAX];
};

struct capture_ring;

/* @bytes: its size, a power of two.  NULL: no memory. */
struct capture_ring *capture_ring_new(size_t bytes);
void capture_ring_free(struct capture_ring *r);

/**
 * capture_ring_put() - Add a packet (the writer)
 * @data: @n slices; their first rec->len bytes are taken
 * Return: false: there was no room
 */
bool capture_ring_put(struct capture_ring *r, const struct capture_record *rec,
		      const struct iovec *data, int n);

/* The time of the next packet; false: there is none (the reader). */
bool capture_ring_next(const struct capture_ring *r, int64_t *us);

/* Take the next packet; @data has CAPTURE_SNAP_MAX bytes of room.  False: there
 * is none. */
bool capture_ring_take(struct capture_ring *r, struct capture_record *rec,
		       uint8_t *data);

#endif
