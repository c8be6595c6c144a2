/* SPDX-License-Identifier: MIT */
/* LINKS: util/buf util/region util/slab */
/*
 * The reference model keeps each queue's bytes in a flat array.  After every
 * step the queues' bytes, accounting and the pool's are compared with it.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "util/buf.h"
#include "util/prng.h"

#define MIB (1024u * 1024)

/* ck_assert() tells the parent each time: too slow for the inner loops. */
#define MUST(cond)                                                    \
	do {                                                          \
		if (!(cond))                                          \
			ck_abort_msg("seed %lu: %s", m->seed, #cond); \
	} while (0)

static struct buf_pool pool;

static struct slice slice_of(struct buf *b, uint32_t off, uint32_t len)
{
	return (struct slice){b, b->data + off, len};
}

static struct slice bytes(const void *p, uint32_t len)
{
	return (struct slice){NULL, p, len};
}

static uint32_t nodes(const struct bufq *q)
{
	uint32_t n = 0;

	for (const struct slice_node *i = q->head; i; i = i->next)
		n++;
	return n;
}

static void pool_setup(void)
{
	ck_assert_int_eq(buf_pool_init(&pool, 8 * MIB, 2), 0);
}

static void pool_teardown(void)
{
	ck_assert_uint_eq(pool.held, 0);
	ck_assert_uint_eq(pool.node.used, 0);
	ck_assert_uint_eq(pool.slab[BUF_RX].used, 0);
	ck_assert_uint_eq(pool.slab[BUF_CHUNK].used, 0);
	buf_pool_fini(&pool);
}

START_TEST(rx_buffer_begins_a_cache_line)
{
	struct buf *a = buf_alloc(&pool, BUF_RX);
	struct buf *b = buf_alloc(&pool, BUF_RX);

	ck_assert_uint_eq((uintptr_t)a % 64, 0);
	ck_assert_uint_eq((uintptr_t)b % 64, 0);
	ck_assert_uint_ge(buf_class_truesize(BUF_RX),
			  BUF_RX_SIZE + sizeof(struct buf));
	ck_assert_uint_eq(pool.held, 2 * buf_class_truesize(BUF_RX));
	memset(a->data, 1, buf_class_room(BUF_RX));
	memset(b->data, 2, buf_class_room(BUF_RX));
	ck_assert_uint_eq(a->data[BUF_RX_SIZE - 1], 1);
	buf_put(a);
	buf_put(b);
}
END_TEST

START_TEST(pool_limit_refuses_and_reserve_passes_it)
{
	uint32_t size = buf_class_truesize(BUF_RX), n = 0;
	struct buf *b[200];

	while ((b[n] = buf_alloc(&pool, BUF_RX)) != NULL)
		n++;
	ck_assert_uint_eq(n, 8 * MIB / size);
	ck_assert_uint_le(pool.held, pool.limit);
	ck_assert_ptr_nonnull(b[n++] = buf_alloc_reserve(&pool));
	ck_assert_ptr_null(buf_alloc(&pool, BUF_RX));
	ck_assert_ptr_nonnull(b[n++] = buf_alloc_reserve(&pool));
	ck_assert_ptr_null(buf_alloc_reserve(&pool));
	ck_assert_uint_le(pool.held, pool.limit + 2 * size);
	while (n)
		buf_put(b[--n]);
}
END_TEST

/* Chunks may take all of the limit: the reserve is still there, not more. */
START_TEST(pool_full_of_chunks_reserve_still_passes)
{
	static struct buf *b[3000];
	uint32_t n = 0;

	while ((b[n] = buf_alloc(&pool, BUF_CHUNK)) != NULL)
		n++;
	ck_assert_ptr_nonnull(b[n++] = buf_alloc_reserve(&pool));
	ck_assert_ptr_nonnull(b[n++] = buf_alloc_reserve(&pool));
	ck_assert_ptr_null(buf_alloc_reserve(&pool));
	while (n)
		buf_put(b[--n]);
}
END_TEST

START_TEST(buffer_last_put_returns_it)
{
	struct buf *b = buf_alloc(&pool, BUF_CHUNK);

	buf_get(b);
	buf_put(b);
	ck_assert_uint_eq(pool.held, buf_class_truesize(BUF_CHUNK));
	buf_put(b);
	ck_assert_uint_eq(pool.held, 0);
}
END_TEST

START_TEST(small_append_copied_into_one_chunk)
{
	struct buf *rx = buf_alloc(&pool, BUF_RX);
	struct slice s = slice_of(rx, 0, 100);
	struct bufq q;

	memset(rx->data, 'a', 100);
	bufq_init(&q);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_uint_eq(rx->refs, 1);
	ck_assert_uint_eq(nodes(&q), 1);
	ck_assert_uint_eq(q.mem, buf_class_truesize(BUF_CHUNK));
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0); /* spills over */
	ck_assert_uint_eq(nodes(&q), 2);
	ck_assert_uint_eq(q.head->len, BUF_CHUNK_SIZE);
	ck_assert_uint_eq(q.bytes, 4100);
	ck_assert_uint_eq(q.mem, 2 * buf_class_truesize(BUF_CHUNK));
	buf_put(rx);
	bufq_purge(&q, &pool);
	ck_assert_uint_eq(q.mem + q.bytes, 0);
}
END_TEST

START_TEST(large_append_takes_a_reference)
{
	struct buf *rx = buf_alloc(&pool, BUF_RX);
	struct slice s = slice_of(rx, 54, BUF_COPY_MAX);
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_uint_eq(rx->refs, 2);
	ck_assert_ptr_eq(q.head->p, rx->data + 54);
	ck_assert_uint_eq(q.mem, buf_class_truesize(BUF_RX));

	/* What follows in the buffer joins the node. */
	s = slice_of(rx, 54 + BUF_COPY_MAX, BUF_COPY_MAX);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_uint_eq(nodes(&q), 1);

	/* The same buffer elsewhere: a second node, accounted once. */
	s = slice_of(rx, 0, BUF_COPY_MAX);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_uint_eq(nodes(&q), 2);
	ck_assert_uint_eq(q.mem, buf_class_truesize(BUF_RX));
	buf_put(rx);
	bufq_consume(&q, &pool, 2 * BUF_COPY_MAX);
	ck_assert_uint_eq(q.mem, buf_class_truesize(BUF_RX));
	bufq_consume(&q, &pool, BUF_COPY_MAX);
	ck_assert_uint_eq(q.mem, 0);
}
END_TEST

START_TEST(append_without_buffer_copied_whatever_its_length)
{
	static uint8_t big[3 * BUF_COPY_MAX];
	struct slice s = bytes(big, sizeof(big));
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_uint_eq(q.bytes, sizeof(big));
	ck_assert_uint_eq(nodes(&q),
			  (sizeof(big) + BUF_CHUNK_SIZE - 1) / BUF_CHUNK_SIZE);
	bufq_purge(&q, &pool);
}
END_TEST

START_TEST(append_of_nothing_adds_no_node)
{
	struct slice s = bytes("", 0);
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_ptr_null(q.head);
}
END_TEST

START_TEST(append_beyond_the_limit_changes_nothing)
{
	static uint8_t big[60000];
	struct slice s = bytes(big, sizeof(big));
	uint64_t held;
	struct bufq q, before;

	bufq_init(&q);
	while (bufq_append(&q, &pool, &s) == 0)
		;
	before = q;
	held = pool.held;
	ck_assert_int_eq(bufq_append(&q, &pool, &s), -ENOBUFS);
	ck_assert_mem_eq(&q, &before, sizeof(q));
	ck_assert_uint_eq(pool.held, held);
	ck_assert_uint_le(held, pool.limit);
	ck_assert_uint_gt(held + 61000, pool.limit);
	bufq_purge(&q, &pool);
}
END_TEST

START_TEST(append_without_nodes_returns_enobufs)
{
	struct buf *rx = buf_alloc(&pool, BUF_RX);
	struct slice big = slice_of(rx, 0, BUF_COPY_MAX);
	struct slice part = slice_of(rx, 0, 100);
	void **taken = calloc(pool.node.max + 1, sizeof(*taken));
	uint32_t n = 0;
	struct bufq q;

	bufq_init(&q);
	while ((taken[n] = slab_alloc(&pool.node)) != NULL)
		n++;
	ck_assert_int_eq(bufq_append(&q, &pool, &big), -ENOBUFS);
	ck_assert_int_eq(bufq_append(&q, &pool, &part), -ENOBUFS);
	ck_assert_uint_eq(rx->refs, 1);
	ck_assert_uint_eq(pool.held, buf_class_truesize(BUF_RX));

	/* With one node: the move that has to split finds none. */
	slab_free(&pool.node, taken[--n]);
	ck_assert_int_eq(bufq_append(&q, &pool, &big), 0);
	{
		struct bufq to;

		bufq_init(&to);
		ck_assert_int_eq(bufq_move(&to, &q, &pool, 10), -ENOBUFS);
		ck_assert_uint_eq(q.bytes, BUF_COPY_MAX);
		ck_assert_uint_eq(to.bytes + to.mem, 0);
	}
	bufq_purge(&q, &pool);
	buf_put(rx);
	while (n)
		slab_free(&pool.node, taken[--n]);
	free(taken);
}
END_TEST

/* A chunk split between two queues: only the one with its end may grow. */
START_TEST(split_chunk_grows_behind_its_end_only)
{
	struct slice s = bytes("0123456789", 10), t = bytes("abc", 3);
	struct bufq a, b;

	bufq_init(&a);
	bufq_init(&b);
	ck_assert_int_eq(bufq_append(&a, &pool, &s), 0);
	ck_assert_int_eq(bufq_move(&b, &a, &pool, 4), 0);
	ck_assert_uint_eq(a.mem, buf_class_truesize(BUF_CHUNK));
	ck_assert_uint_eq(b.mem, buf_class_truesize(BUF_CHUNK));
	ck_assert_uint_eq(pool.held, buf_class_truesize(BUF_CHUNK));

	ck_assert_int_eq(bufq_append(&b, &pool, &t), 0);
	ck_assert_uint_eq(nodes(&b), 2); /* not over a's bytes */
	ck_assert_int_eq(bufq_append(&a, &pool, &t), 0);
	ck_assert_uint_eq(nodes(&a), 1);
	ck_assert_mem_eq(a.head->p, "456789abc", 9);
	ck_assert_mem_eq(b.head->p, "0123", 4);
	bufq_purge(&a, &pool);
	bufq_purge(&b, &pool);
}
END_TEST

START_TEST(moved_pieces_join_again)
{
	struct slice s = bytes("0123456789", 10);
	struct bufq a, b;

	bufq_init(&a);
	bufq_init(&b);
	ck_assert_int_eq(bufq_append(&a, &pool, &s), 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(bufq_move(&b, &a, &pool, 1), 0);
	ck_assert_uint_eq(nodes(&b), 1);
	ck_assert_uint_eq(b.mem, buf_class_truesize(BUF_CHUNK));
	ck_assert_uint_eq(a.mem, 0);
	ck_assert_mem_eq(b.head->p, "0123456789", 10);
	ck_assert_int_eq(bufq_append(&b, &pool, &s), 0);
	ck_assert_uint_eq(nodes(&b), 1); /* now it owns the chunk's end */
	bufq_purge(&b, &pool);
}
END_TEST

START_TEST(peek_stops_when_the_vector_is_full)
{
	static uint8_t big[5 * BUF_CHUNK_SIZE];
	struct slice s = bytes(big, sizeof(big));
	struct iovec iov[4];
	uint32_t got;
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_peek(&q, 0, 0, iov, 4, &got), 0);
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	ck_assert_int_eq(bufq_peek(&q, 10, sizeof(big) - 10, iov, 2, &got), 2);
	ck_assert_uint_eq(got, 2 * BUF_CHUNK_SIZE - 10);
	ck_assert_int_eq(bufq_peek(&q, got + 10, sizeof(big) - 10 - got, iov, 4,
				   &got),
			 3);
	ck_assert_uint_eq(got, 3 * BUF_CHUNK_SIZE);
	ck_assert_int_eq(bufq_peek(&q, sizeof(big), 0, iov, 4, &got), 0);
	bufq_purge(&q, &pool);
}
END_TEST

/* Sequential ranges start at the cursor, not at the head. */
START_TEST(sequential_peek_keeps_the_cursor)
{
	static uint8_t big[20 * BUF_CHUNK_SIZE];
	struct slice s = bytes(big, sizeof(big));
	struct slice_node *last, *head;
	struct iovec iov[4];
	uint32_t off = 0, got;
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	while (off < sizeof(big)) {
		last = q.cursor[0];
		head = q.head;
		if (last)
			q.head = NULL; /* nobody walks from here */
		bufq_peek(&q, off, min_u32(1448, sizeof(big) - off), iov, 4,
			  &got);
		q.head = head;
		if (last)
			ck_assert(q.cursor[0] == last ||
				  q.cursor[0] == last->next);
		off += got;
	}
	bufq_consume(&q, &pool, 19 * BUF_CHUNK_SIZE);
	ck_assert_ptr_eq(q.cursor[0], q.head);
	ck_assert_uint_eq(q.cursor_off[0], 0);
	bufq_consume(&q, &pool, BUF_CHUNK_SIZE);
	ck_assert_ptr_null(q.cursor[0]);
}
END_TEST

/* --- random operations against flat arrays --- */

#define QUEUES 2
#define FLAT_MAX (2 * MIB)
#define KEPT 4

struct flat {
	uint8_t *p;
	uint32_t len;
};

struct model {
	struct bufq q[QUEUES];
	struct flat f[QUEUES];
	struct buf *kept[KEPT];	   /* received buffers somebody still holds */
	uint32_t next_off[QUEUES]; /* where sequential peeks go on */
	struct prng r;
	uint64_t seed;
	uint8_t fill;
};

static void flat_drop(struct flat *f, uint32_t n)
{
	memmove(f->p, f->p + n, f->len - n);
	f->len -= n;
}

static void flat_add(struct flat *f, const uint8_t *p, uint32_t n)
{
	ck_assert_uint_le(f->len + n, FLAT_MAX);
	memcpy(f->p + f->len, p, n);
	f->len += n;
}

/* True size of the distinct buffers among the nodes of queues 0..n-1. */
static uint64_t distinct_size(const struct model *m, uint32_t from, uint32_t n)
{
	const struct buf *seen[4096];
	uint32_t ns = 0, k;
	uint64_t sum = 0;

	for (uint32_t i = from; i < from + n; i++)
		for (struct slice_node *x = m->q[i].head; x; x = x->next) {
			for (k = 0; k < ns && seen[k] != x->buf; k++)
				;
			if (k < ns)
				continue;
			MUST(ns < ARRAY_LEN(seen));
			seen[ns++] = x->buf;
			sum += buf_class_truesize(x->buf->cls);
		}
	return sum;
}

/* What is sent again and what is sent first take turns. */
START_TEST(two_sequences_keep_a_cursor_each)
{
	static uint8_t big[40 * BUF_CHUNK_SIZE];
	struct slice s = bytes(big, sizeof(big));
	uint32_t old = 0, new = sizeof(big) / 2, got;
	struct slice_node *head;
	struct iovec iov[4];
	struct bufq q;

	bufq_init(&q);
	ck_assert_int_eq(bufq_append(&q, &pool, &s), 0);
	bufq_peek(&q, new, 1448, iov, 4, &got);
	bufq_peek(&q, old, 1448, iov, 4, &got);
	head = q.head;
	while (new + 1448 < sizeof(big)) {
		q.head = NULL; /* nobody walks from here */
		new += got;
		ck_assert_int_gt(bufq_peek(&q, new,
					   min_u32(1448, sizeof(big) - new),
					   iov, 4, &got),
				 0);
		ck_assert_mem_eq(iov[0].iov_base, big + new, iov[0].iov_len);
		old += got;
		ck_assert_int_gt(bufq_peek(&q, old, got, iov, 4, &got), 0);
		q.head = head;
	}
	/* back to what is before both: the older one moves */
	bufq_peek(&q, 0, 1, iov, 4, &got);
	ck_assert_uint_eq(min_u32(q.cursor_off[0], q.cursor_off[1]), 0);
	ck_assert_uint_gt(max_u32(q.cursor_off[0], q.cursor_off[1]),
			  sizeof(big) - 2 * BUF_CHUNK_SIZE);
	bufq_purge(&q, &pool);
}
END_TEST

static void model_check(struct model *m)
{
	uint64_t sum;

	for (uint32_t i = 0; i < QUEUES; i++) {
		struct bufq *q = &m->q[i];
		uint32_t off = 0;

		MUST(q->bytes == m->f[i].len);
		for (struct slice_node *n = q->head; n; n = n->next) {
			MUST(n->len > 0);
			MUST(!memcmp(n->p, m->f[i].p + off, n->len));
			for (int c = 0; c < 2; c++)
				MUST(n != q->cursor[c] ||
				     q->cursor_off[c] == off);
			off += n->len;
			MUST((n->next == NULL) == (n == q->tail));
		}
		MUST(off == q->bytes);
		MUST(q->mem == distinct_size(m, i, 1));
	}
	sum = distinct_size(m, 0, QUEUES);
	for (int k = 0; k < KEPT; k++)
		if (m->kept[k] && m->kept[k]->refs == 1)
			sum += buf_class_truesize(BUF_RX);
	MUST(pool.held == sum);
	MUST(pool.held <= pool.limit);
}

static uint32_t random_len(struct model *m)
{
	switch (prng_below(&m->r, 4)) {
	case 0:
		return 1 + prng_below(&m->r, 20);
	case 1:
		return 1 + prng_below(&m->r, 1448);
	case 2:
		return 1 + prng_below(&m->r, BUF_COPY_MAX + 2);
	default:
		return BUF_COPY_MAX - 1 +
		       prng_below(&m->r, BUF_RX_SIZE - BUF_COPY_MAX);
	}
}

static void op_append(struct model *m, uint32_t i)
{
	uint32_t k = prng_below(&m->r, KEPT), len = random_len(m), off;
	struct bufq before = m->q[i];
	struct slice s;
	int rc;

	if (!m->kept[k]) {
		m->kept[k] = buf_alloc(&pool, BUF_RX);
		if (!m->kept[k])
			return;
		for (uint32_t x = 0; x < BUF_RX_SIZE; x++)
			m->kept[k]->data[x] = (uint8_t)(m->fill + x * 7);
		m->fill += 13;
	}
	off = prng_below(&m->r, BUF_RX_SIZE - len + 1);
	s = slice_of(m->kept[k], off, len);
	if (prng_below(&m->r, 3) == 0)
		s.buf = NULL;
	if (m->f[i].len + len > FLAT_MAX)
		return;
	rc = bufq_append(&m->q[i], &pool, &s);
	if (rc == 0)
		flat_add(&m->f[i], s.p, len);
	else
		ck_assert(!memcmp(&before, &m->q[i], sizeof(before)));
}

static void op_consume(struct model *m, uint32_t i)
{
	uint32_t n = min_u32(random_len(m), m->q[i].bytes);

	if (prng_below(&m->r, 10) == 0)
		n = m->q[i].bytes;
	bufq_consume(&m->q[i], &pool, n);
	flat_drop(&m->f[i], n);
	m->next_off[i] -= min_u32(m->next_off[i], n);
}

static void op_peek(struct model *m, uint32_t i)
{
	uint32_t off = m->next_off[i], len, got, at;
	struct bufq *q = &m->q[i];
	struct iovec iov[8];
	int n, max = 1 + (int)prng_below(&m->r, 8);

	if (prng_below(&m->r, 4) == 0 || off > q->bytes)
		off = prng_below(&m->r, q->bytes + 1);
	len = min_u32(random_len(m), q->bytes - off);
	n = bufq_peek(q, off, len, iov, max, &got);
	ck_assert_int_le(n, max);
	ck_assert(got == len || (n == max && got < len));
	at = off;
	for (int k = 0; k < n; k++) {
		ck_assert_uint_gt(iov[k].iov_len, 0);
		ck_assert_msg(!memcmp(iov[k].iov_base, m->f[i].p + at,
				      iov[k].iov_len),
			      "seed %lu: peek", m->seed);
		at += (uint32_t)iov[k].iov_len;
	}
	ck_assert_uint_eq(at, off + got);
	m->next_off[i] = at;
}

static void op_move(struct model *m, uint32_t i)
{
	struct bufq *to = &m->q[!i], *from = &m->q[i];
	uint32_t n = min_u32(random_len(m), from->bytes), had = to->bytes;
	int rc;

	if (m->f[!i].len + n > FLAT_MAX)
		return;
	rc = bufq_move(to, from, &pool, n);
	if (rc)
		n = to->bytes - had; /* some prefix */
	flat_add(&m->f[!i], m->f[i].p, n);
	flat_drop(&m->f[i], n);
	m->next_off[i] -= min_u32(m->next_off[i], n);
}

static void model_step(struct model *m)
{
	uint32_t i = prng_below(&m->r, QUEUES), k;

	switch (prng_below(&m->r, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		op_append(m, i);
		break;
	case 4:
		op_consume(m, i);
		break;
	case 5:
	case 6:
		op_peek(m, i);
		break;
	case 7:
	case 8:
		op_move(m, i);
		break;
	default:
		k = prng_below(&m->r, KEPT);
		if (m->kept[k])
			buf_put(m->kept[k]);
		m->kept[k] = NULL;
		if (prng_below(&m->r, 20) == 0) {
			bufq_purge(&m->q[i], &pool);
			m->f[i].len = 0;
		}
		break;
	}
}

static void model_run(uint64_t seed)
{
	static struct model m;

	memset(&m, 0, sizeof(m));
	m.seed = seed;
	prng_seed(&m.r, seed);
	/* Small enough that the limit is met now and then. */
	ck_assert_int_eq(buf_pool_init(&pool, 700000, 0), 0);
	for (int i = 0; i < QUEUES; i++) {
		bufq_init(&m.q[i]);
		m.f[i].p = malloc(FLAT_MAX);
	}
	for (int step = 0; step < 600; step++) {
		model_step(&m);
		model_check(&m);
	}
	for (int i = 0; i < QUEUES; i++) {
		bufq_purge(&m.q[i], &pool);
		free(m.f[i].p);
	}
	for (int k = 0; k < KEPT; k++)
		if (m.kept[k])
			buf_put(m.kept[k]);
	pool_teardown();
}

START_TEST(random_operations_match_flat_arrays)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		model_run(seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("buf");
	TCase *t = tcase_create("pool and queue"), *m = tcase_create("model");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, pool_setup, pool_teardown);
	tcase_add_test(t, rx_buffer_begins_a_cache_line);
	tcase_add_test(t, pool_limit_refuses_and_reserve_passes_it);
	tcase_add_test(t, pool_full_of_chunks_reserve_still_passes);
	tcase_add_test(t, buffer_last_put_returns_it);
	tcase_add_test(t, small_append_copied_into_one_chunk);
	tcase_add_test(t, large_append_takes_a_reference);
	tcase_add_test(t, append_without_buffer_copied_whatever_its_length);
	tcase_add_test(t, append_of_nothing_adds_no_node);
	tcase_add_test(t, append_beyond_the_limit_changes_nothing);
	tcase_add_test(t, append_without_nodes_returns_enobufs);
	tcase_add_test(t, split_chunk_grows_behind_its_end_only);
	tcase_add_test(t, moved_pieces_join_again);
	tcase_add_test(t, peek_stops_when_the_vector_is_full);
	tcase_add_test(t, sequential_peek_keeps_the_cursor);
	tcase_add_test(t, two_sequences_keep_a_cursor_each);
	suite_add_tcase(s, t);
	tcase_set_timeout(m, 300);
	tcase_add_test(m, random_operations_match_flat_arrays);
	suite_add_tcase(s, m);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
