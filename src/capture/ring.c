/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes.  Positions only grow; the place of a byte is its position
 * modulo the size.  The writer publishes a whole record by moving @head, the
 * reader gives its room back by moving @tail.
 */
#include "capture/ring.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

/* What is stored of a record: this, the comment, the bytes. */
struct stored {
	int64_t us;
	uint32_t len, full_len;
	uint16_t comment;
	uint8_t side;
	bool out;
};

struct capture_ring {
	_Atomic uint64_t head, tail;
	size_t size;
	uint8_t b[];
};

struct capture_ring *capture_ring_new(size_t bytes)
{
	struct capture_ring *r = calloc(1, sizeof(*r) + bytes);

	if (r)
		r->size = bytes;
	return r;
}

void capture_ring_free(struct capture_ring *r)
{
	free(r);
}

/* Both return the position behind the bytes. */
static uint64_t copy_in(struct capture_ring *r, uint64_t at, const void *p,
			size_t n)
{
	size_t place = at & (r->size - 1), first = r->size - place;

	if (first > n)
		first = n;
	memcpy(r->b + place, p, first);
	memcpy(r->b, (const uint8_t *)p + first, n - first);
	return at + n;
}

static uint64_t copy_out(const struct capture_ring *r, uint64_t at, void *p,
			 size_t n)
{
	size_t place = at & (r->size - 1), first = r->size - place;

	if (first > n)
		first = n;
	memcpy(p, r->b + place, first);
	memcpy((uint8_t *)p + first, r->b, n - first);
	return at + n;
}

bool capture_ring_put(struct capture_ring *r, const struct capture_record *rec,
		      const struct iovec *data, int n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t left = rec->len;
	struct stored s = {.us = rec->us,
			   .len = rec->len,
			   .full_len = rec->full_len,
			   .comment = (uint16_t)strlen(rec->comment),
			   .side = rec->side,
			   .out = rec->out};

	if (r->size - (size_t)(head - tail) < sizeof(s) + s.comment + s.len)
		return false;
	head = copy_in(r, head, &s, sizeof(s));
	head = copy_in(r, head, rec->comment, s.comment);
	for (int i = 0; i < n && left; i++) {
		uint32_t part = min_u32(left, (uint32_t)data[i].iov_len);

		head = copy_in(r, head, data[i].iov_base, part);
		left -= part;
	}
	atomic_store_explicit(&r->head, head + left, memory_order_release);
	return true;
}

static bool peek(const struct capture_ring *r, struct stored *s, uint64_t *at)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	*at = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (*at == head)
		return false;
	*at = copy_out(r, *at, s, sizeof(*s));
	return true;
}

bool capture_ring_next(const struct capture_ring *r, int64_t *us)
{
	struct stored s;
	uint64_t at;

	if (!peek(r, &s, &at))
		return false;
	*us = s.us;
	return true;
}

bool capture_ring_take(struct capture_ring *r, struct capture_record *rec,
		       uint8_t *data)
{
	struct stored s;
	uint64_t at;

	if (!peek(r, &s, &at))
		return false;
	*rec = (struct capture_record){.us = s.us,
				       .len = s.len,
				       .full_len = s.full_len,
				       .side = s.side,
				       .out = s.out};
	at = copy_out(r, at, rec->comment, s.comment);
	at = copy_out(r, at, data, s.len);
	atomic_store_explicit(&r->tail, at, memory_order_release);
	return true;
}
