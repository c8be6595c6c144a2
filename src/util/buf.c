/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * Two kinds of buffer carry every byte: BUF_RX, into which a packet is received
 * whole, and BUF_CHUNK, into which small payloads are copied together.  A queue
 * is a list of nodes; each names a range of one buffer and owns a reference to
 * it.  Nothing is moved or rewritten while it is queued, so an iovec taken from
 * a queue is valid until its bytes are consumed.
 *
 * Copying.  The tail node grows in place as long as it ends exactly where its
 * chunk's written part ends (`used`): then the room behind it is nobody's.
 * This is true for at most one node, even when a move has split a chunk's bytes
 * between two queues.
 *
 * Accounting. `held` of the pool is the true size of the buffers handed out.
 * `mem` of a queue is the true size of the distinct buffers that its nodes
 * refer to, which a purge would release if there were no other references.  A
 * buffer whose only reference is the node at hand is distinct for sure; the
 * list is searched only for a buffer with further references that the
 * neighbouring node does not answer for.
 *
 * Failure.  bufq_append() counts what it will need before it touches anything.
 */
#include <assert.h>
#include <errno.h>

#include "util/buf.h"

#define BUF_ALIGN 64u /* a cache line; a buffer's header begins one */
#define BUF_NODES_MIN 4096u
#define BUF_NODE_BYTES 256u /* one node for this many bytes of the limit */

#define BUF_TRUESIZE(room)                                         \
	(((uint32_t)sizeof(struct buf) + (room) + BUF_ALIGN - 1) & \
	 ~(BUF_ALIGN - 1))

static const uint32_t class_room[BUF_CLASSES] = {
	[BUF_RX] = BUF_RX_SIZE,
	[BUF_CHUNK] = BUF_CHUNK_SIZE,
};

static const uint32_t class_truesize[BUF_CLASSES] = {
	[BUF_RX] = BUF_TRUESIZE(BUF_RX_SIZE),
	[BUF_CHUNK] = BUF_TRUESIZE(BUF_CHUNK_SIZE),
};

static_assert(BUF_CHUNK_SIZE <= UINT16_MAX, "buf.used counts a chunk");

uint32_t buf_class_room(enum buf_class cls)
{
	return class_room[cls];
}

uint32_t buf_class_truesize(enum buf_class cls)
{
	return class_truesize[cls];
}

/* --- pool --- */

static uint32_t pool_count(uint64_t n)
{
	return n >= SLAB_NONE ? SLAB_NONE - 1 : (uint32_t)n;
}

int buf_pool_init(struct buf_pool *p, uint64_t limit, uint32_t reserve)
{
	uint64_t nrx = limit / class_truesize[BUF_RX] + reserve;
	uint64_t nchunk = limit / class_truesize[BUF_CHUNK];
	uint64_t nnode = limit / BUF_NODE_BYTES;

	memset(p, 0, sizeof(*p));
	p->limit = limit;
	if (nnode < BUF_NODES_MIN)
		nnode = BUF_NODES_MIN;
	if (slab_init(&p->slab[BUF_RX], class_truesize[BUF_RX],
		      pool_count(nrx)))
		return -ENOMEM;
	if (slab_init(&p->slab[BUF_CHUNK], class_truesize[BUF_CHUNK],
		      pool_count(nchunk)))
		goto err_rx;
	if (slab_init(&p->node, sizeof(struct slice_node), pool_count(nnode)))
		goto err_chunk;
	return 0;

err_chunk:
	slab_fini(&p->slab[BUF_CHUNK]);
err_rx:
	slab_fini(&p->slab[BUF_RX]);
	return -ENOMEM;
}

void buf_pool_fini(struct buf_pool *p)
{
	slab_fini(&p->node);
	for (uint32_t c = 0; c < BUF_CLASSES; c++)
		slab_fini(&p->slab[c]);
	p->held = 0;
}

/* A buffer of @cls, as long as the pool then holds at most @limit bytes. */
static struct buf *pool_take(struct buf_pool *p, enum buf_class cls,
			     uint64_t limit)
{
	struct buf *b;

	if (p->held + class_truesize[cls] > limit)
		return NULL;
	b = slab_alloc(&p->slab[cls]);
	if (!b)
		return NULL;
	p->held += class_truesize[cls];
	b->pool = p;
	b->refs = 1;
	b->cls = (uint16_t)cls;
	b->used = 0;
	return b;
}

struct buf *buf_alloc(struct buf_pool *p, enum buf_class cls)
{
	return pool_take(p, cls, p->limit);
}

struct buf *buf_alloc_reserve(struct buf_pool *p)
{
	uint64_t size = class_truesize[BUF_RX];
	uint64_t reserve = p->slab[BUF_RX].max - p->limit / size;

	return pool_take(p, BUF_RX, p->limit + reserve * size);
}

void buf_put(struct buf *b)
{
	struct buf_pool *p = b->pool;

	assert(b->refs > 0);
	if (--b->refs > 0)
		return;
	p->held -= class_truesize[b->cls];
	slab_free(&p->slab[b->cls], b);
}

/* --- queue: nodes and accounting --- */

void bufq_init(struct bufq *q)
{
	memset(q, 0, sizeof(*q));
}

static bool bufq_refers(const struct bufq *q, const struct buf *b)
{
	for (const struct slice_node *n = q->head; n; n = n->next)
		if (n->buf == b)
			return true;
	return false;
}

/*
 * Account for @b before a node of it is linked to the tail.  One reference is
 * known not to belong to this queue's nodes: the caller's.
 */
static void bufq_charge(struct bufq *q, const struct buf *b)
{
	if (q->tail && q->tail->buf == b)
		return;
	if (b->refs > 1 && bufq_refers(q, b))
		return;
	q->mem += class_truesize[b->cls];
}

/* Account for @b after a node of it, which still has its reference, left. */
static void bufq_uncharge(struct bufq *q, const struct buf *b)
{
	if (b->refs > 1 && bufq_refers(q, b))
		return;
	q->mem -= class_truesize[b->cls];
}

static void bufq_link(struct bufq *q, struct slice_node *n)
{
	n->next = NULL;
	if (q->tail)
		q->tail->next = n;
	else
		q->head = n;
	q->tail = n;
	q->bytes += n->len;
}

/* Take the head node out; its reference goes with it. */
static struct slice_node *bufq_unlink(struct bufq *q)
{
	struct slice_node *n = q->head;

	q->head = n->next;
	if (!q->head)
		q->tail = NULL;
	for (int i = 0; i < 2; i++) {
		if (q->cursor[i] == n)
			q->cursor[i] = NULL;
		else if (q->cursor[i])
			q->cursor_off[i] -= n->len;
	}
	q->bytes -= n->len;
	bufq_uncharge(q, n->buf);
	return n;
}

/* Cut @n bytes off the front of the head node, which is longer. */
static void bufq_trim_head(struct bufq *q, uint32_t n)
{
	q->head->p += n;
	q->head->len -= n;
	q->bytes -= n;
	for (int i = 0; i < 2; i++) {
		if (q->cursor[i] && q->cursor[i] != q->head)
			q->cursor_off[i] -= n;
	}
}

/* Does @p in @b continue the tail node? */
static bool bufq_continues(const struct bufq *q, const struct buf *b,
			   const uint8_t *p)
{
	const struct slice_node *t = q->tail;

	return t && t->buf == b && t->p + t->len == p;
}

static void bufq_grow_tail(struct bufq *q, uint32_t len)
{
	q->tail->len += len;
	q->bytes += len;
}

void bufq_purge(struct bufq *q, struct buf_pool *p)
{
	struct slice_node *n, *next;

	for (n = q->head; n; n = next) {
		next = n->next;
		buf_put(n->buf);
		slab_free(&p->node, n);
	}
	bufq_init(q);
}

/* --- append --- */

/* Bytes that fit behind the tail node in its own chunk. */
static uint32_t bufq_tail_room(const struct bufq *q)
{
	const struct buf *b = q->tail ? q->tail->buf : NULL;

	if (!b || b->cls != BUF_CHUNK ||
	    !bufq_continues(q, b, b->data + b->used))
		return 0;
	return BUF_CHUNK_SIZE - b->used;
}

static bool slab_has(const struct slab *s, uint32_t n)
{
	return s->max - s->used >= n;
}

static bool pool_has_chunks(const struct buf_pool *p, uint32_t n)
{
	uint64_t bytes = (uint64_t)n * class_truesize[BUF_CHUNK];

	return p->held + bytes <= p->limit &&
	       slab_has(&p->slab[BUF_CHUNK], n) && slab_has(&p->node, n);
}

static void chunk_write(struct bufq *q, const uint8_t *src, uint32_t len)
{
	struct buf *b = q->tail->buf;

	memcpy(b->data + b->used, src, len);
	b->used = (uint16_t)(b->used + len);
	bufq_grow_tail(q, len);
}

static void bufq_add_chunk(struct bufq *q, struct buf_pool *p)
{
	struct buf *b = buf_alloc(p, BUF_CHUNK);
	struct slice_node *n = slab_alloc(&p->node);

	assert(b && n); /* pool_has_chunks() */
	n->buf = b;
	n->p = b->data;
	n->len = 0;
	q->mem += class_truesize[BUF_CHUNK];
	bufq_link(q, n);
}

static int bufq_copy(struct bufq *q, struct buf_pool *p, const uint8_t *src,
		     uint32_t len)
{
	uint32_t n = min_u32(len, bufq_tail_room(q));
	uint32_t rest = len - n;
	uint32_t chunks = rest / BUF_CHUNK_SIZE + !!(rest % BUF_CHUNK_SIZE);

	if (chunks && !pool_has_chunks(p, chunks))
		return -ENOBUFS;
	if (n)
		chunk_write(q, src, n);
	while (rest) {
		src += n;
		n = min_u32(rest, BUF_CHUNK_SIZE);
		bufq_add_chunk(q, p);
		chunk_write(q, src, n);
		rest -= n;
	}
	return 0;
}

int bufq_append(struct bufq *q, struct buf_pool *p, const struct slice *s)
{
	struct slice_node *n;

	if (s->len == 0)
		return 0;
	if (s->len > UINT32_MAX - q->bytes)
		return -ENOBUFS;
	if (!s->buf || s->len < BUF_COPY_MAX)
		return bufq_copy(q, p, s->p, s->len);
	if (bufq_continues(q, s->buf, s->p)) {
		bufq_grow_tail(q, s->len);
		return 0;
	}

	if (p->held > p->limit)
		return -ENOBUFS;
	n = slab_alloc(&p->node);
	if (!n)
		return -ENOBUFS;
	bufq_charge(q, s->buf);
	n->buf = buf_get(s->buf);
	n->p = s->p;
	n->len = s->len;
	bufq_link(q, n);
	return 0;
}

/* --- consume, peek, move --- */

void bufq_consume(struct bufq *q, struct buf_pool *p, uint32_t n)
{
	struct slice_node *node;

	assert(n <= q->bytes);
	while (n) {
		if (q->head->len > n) {
			bufq_trim_head(q, n);
			return;
		}
		node = bufq_unlink(q);
		n -= node->len;
		buf_put(node->buf);
		slab_free(&p->node, node);
	}
}

/* How far behind @off cursor @i is; UINT32_MAX: it is of no use. */
static uint32_t cursor_lag(const struct bufq *q, int i, uint32_t off)
{
	return q->cursor[i] && q->cursor_off[i] <= off ? off - q->cursor_off[i]
						       : UINT32_MAX;
}

/*
 * Put a cursor on the node that holds the byte at @off: the one that is closest
 * before it.  If both are behind it, the lower one begins at the front: the
 * other belongs to what is sent for the first time.
 * Return: its number
 */
static int bufq_seek(struct bufq *q, uint32_t off)
{
	uint32_t lag[2] = {cursor_lag(q, 0, off), cursor_lag(q, 1, off)};
	int i = lag[1] < lag[0];

	if (lag[i] == UINT32_MAX) {
		i = q->cursor[0] &&
		    (!q->cursor[1] || q->cursor_off[1] < q->cursor_off[0]);
		q->cursor[i] = q->head;
		q->cursor_off[i] = 0;
	}
	while (off - q->cursor_off[i] >= q->cursor[i]->len &&
	       q->cursor[i]->next) {
		q->cursor_off[i] += q->cursor[i]->len;
		q->cursor[i] = q->cursor[i]->next;
	}
	return i;
}

int bufq_peek(struct bufq *q, uint32_t off, uint32_t len, struct iovec *iov,
	      int max, uint32_t *got)
{
	uint32_t skip, part;
	int n = 0, i;

	assert(off <= q->bytes && len <= q->bytes - off);
	*got = 0;
	if (len == 0 || max <= 0)
		return 0;

	i = bufq_seek(q, off);
	skip = off - q->cursor_off[i];
	for (;;) {
		const struct slice_node *at = q->cursor[i];

		part = min_u32(at->len - skip, len - *got);
		iov[n].iov_base = (void *)(uintptr_t)(at->p + skip);
		iov[n].iov_len = part;
		n++;
		*got += part;
		if (*got == len || n == max)
			return n;
		q->cursor_off[i] += at->len;
		q->cursor[i] = at->next;
		skip = 0;
	}
}

/* Move the whole head node of @from. */
static void bufq_move_head(struct bufq *to, struct bufq *from,
			   struct buf_pool *p)
{
	struct slice_node *n = bufq_unlink(from);

	if (bufq_continues(to, n->buf, n->p)) {
		bufq_grow_tail(to, n->len);
		buf_put(n->buf); /* the tail has a reference of its own */
		slab_free(&p->node, n);
		return;
	}
	bufq_charge(to, n->buf);
	bufq_link(to, n);
}

/* Move the first @n bytes of @from's head node, which is longer. */
static int bufq_move_part(struct bufq *to, struct bufq *from,
			  struct buf_pool *p, uint32_t n)
{
	struct slice_node *h = from->head, *node;

	if (bufq_continues(to, h->buf, h->p)) {
		bufq_grow_tail(to, n);
		bufq_trim_head(from, n);
		return 0;
	}
	node = slab_alloc(&p->node);
	if (!node)
		return -ENOBUFS;
	bufq_charge(to, h->buf);
	node->buf = buf_get(h->buf);
	node->p = h->p;
	node->len = n;
	bufq_link(to, node);
	bufq_trim_head(from, n);
	return 0;
}

int bufq_move(struct bufq *to, struct bufq *from, struct buf_pool *p,
	      uint32_t n)
{
	uint32_t len;

	assert(n <= from->bytes);
	while (n) {
		len = from->head->len;
		if (len > n)
			return bufq_move_part(to, from, p, n);
		bufq_move_head(to, from, p);
		n -= len;
	}
	return 0;
}
