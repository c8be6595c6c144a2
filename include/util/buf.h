/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_BUF_H
#define PENSTOCK_UTIL_BUF_H

/*
 * Buffers and the queues of slices that carry every byte.
 *
 * A packet is received into a BUF_RX buffer.  In-order payload becomes a slice
 * of that buffer in the other leg's send queue: the slice is the retransmission
 * store until it is acknowledged.  A payload below BUF_COPY_MAX is copied into
 * the queue's tail chunk instead, so that a small packet never pins 64 KiB.
 * Memory is accounted by the true size of the buffers held.
 */
#include <sys/uio.h>

#include "util/slab.h"
#include "util/types.h"

enum buf_class {
	BUF_RX,
	BUF_CHUNK,
	BUF_CLASSES
};

#define BUF_RX_SIZE (66 * 1024)	       /* data bytes; a whole NFQUEUE message */
#define BUF_CHUNK_SIZE (4 * 1024 - 32) /* data bytes */
#define BUF_COPY_MAX (16 * 1024)       /* payload below this is copied */

struct buf_pool;

/**
 * struct buf - Reference-counted buffer
 * @pool: where it returns to when the last reference goes
 * @refs: references held
 * @cls:  size class
 * @used: BUF_CHUNK: bytes written so far (append only, so slices stay valid)
 */
struct buf {
	struct buf_pool *pool;
	uint32_t refs;
	uint16_t cls;
	uint16_t used;
	uint8_t data[];
};

/**
 * struct buf_pool - All buffers of one worker, under one limit
 * @slab:  one per class
 * @node:  slice nodes
 * @held:  bytes of buffers handed out, true size
 * @limit: @held never exceeds this (bytes), except by buf_alloc_reserve()
 */
struct buf_pool {
	struct slab slab[BUF_CLASSES];
	struct slab node;
	uint64_t held, limit;
};

/* @reserve: BUF_RX buffers beyond @limit, for the receive ring.
 * Return: 0 or -ENOMEM */
int buf_pool_init(struct buf_pool *p, uint64_t limit, uint32_t reserve);
void buf_pool_fini(struct buf_pool *p);

/* NULL when the limit is reached.  The reference belongs to the caller. */
struct buf *buf_alloc(struct buf_pool *p, enum buf_class cls);
/* The same, for the receive ring: may pass the limit by the reserve. */
struct buf *buf_alloc_reserve(struct buf_pool *p);

static inline struct buf *buf_get(struct buf *b)
{
	b->refs++;
	return b;
}

void buf_put(struct buf *b);

/* Data bytes of a class / bytes accounted for a buffer of it. */
uint32_t buf_class_room(enum buf_class cls);
uint32_t buf_class_truesize(enum buf_class cls);

/**
 * struct slice - Bytes inside a buffer; borrows, does not own
 */
struct slice {
	struct buf *buf;
	const uint8_t *p;
	uint32_t len;
};

/**
 * struct slice_node - A slice in a queue; owns one reference to @buf
 */
struct slice_node {
	struct slice_node *next;
	struct buf *buf;
	const uint8_t *p;
	uint32_t len;
};

/**
 * struct bufq - A byte stream held as slices
 * @head:   first node
 * @tail:   last node
 * @cursor: nodes where bufq_peek() ended, or NULL
 * @cursor_off: stream offset (from the queue's front) of their first bytes
 * @bytes:  bytes queued
 * @mem:    true size of what the queue's nodes hold, bytes
 */
struct bufq {
	struct slice_node *head, *tail, *cursor[2];
	uint32_t cursor_off[2];
	uint32_t bytes;
	uint32_t mem;
};

void bufq_init(struct bufq *q);
/* Drop everything. */
void bufq_purge(struct bufq *q, struct buf_pool *p);

/**
 * bufq_append() - Add bytes at the end
 * @s: the bytes.  A reference to s->buf is taken when they are not copied;
 *     s->buf may be NULL, then the bytes are copied whatever their length.
 *
 * Either all of @s is queued or nothing.
 * Return: 0 or -ENOBUFS (pool limit or node slab exhausted)
 */
int bufq_append(struct bufq *q, struct buf_pool *p, const struct slice *s);

/* Drop the first @n bytes (n <= bytes). */
void bufq_consume(struct bufq *q, struct buf_pool *p, uint32_t n);

/**
 * bufq_peek() - Describe a range as an I/O vector
 * @off: first byte, from the queue's front
 * @len: bytes wanted; off + len <= q->bytes
 * @iov: out
 * @max: room in @iov
 *
 * Sequential ranges cost O(1) each by way of a cursor.  There are two, so that
 * two sequences can take turns: what is sent first, and what is sent again.
 * Return: number of entries used; *got (bytes described) may be short of @len
 * when @max entries did not suffice.
 */
int bufq_peek(struct bufq *q, uint32_t off, uint32_t len, struct iovec *iov,
	      int max, uint32_t *got);

/**
 * bufq_move() - Move the first @n bytes of @from to the end of @to
 * Splits a node where @n falls inside it.  Return: 0 or -ENOBUFS (then
 * some prefix was moved: both queues are consistent).
 */
int bufq_move(struct bufq *to, struct bufq *from, struct buf_pool *p,
	      uint32_t n);

#endif
