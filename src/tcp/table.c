/* SPDX-License-Identifier: MIT */
/*
 * The table of legs, by 4-tuple: a chained hash with 32-bit links.
 */
#include <assert.h>
#include <errno.h>

#include "tcp/table.h"
#include "util/region.h"

#define LINE_BYTES 64u

static size_t bucket_bytes(const struct leg_table *t)
{
	return ((size_t)t->mask + 1) * sizeof(*t->bucket);
}

int leg_table_init(struct leg_table *t, const struct slab *pairs)
{
	uint32_t n = 1024;

	while (n < pairs->max * 2 && n < (1u << 30))
		n *= 2;
	t->pairs = pairs;
	t->last = NULL;
	t->mask = n - 1;
	t->bucket = region_new(bucket_bytes(t));
	return t->bucket ? 0 : -ENOMEM;
}

void leg_table_fini(struct leg_table *t)
{
	region_free(t->bucket, bucket_bytes(t));
	t->bucket = NULL;
}

static uint32_t leg_number(const struct leg_table *t, const struct leg *l)
{
	return slab_index(t->pairs, l - l->side) * 2 + l->side + 1;
}

static struct leg *leg_by_number(const struct leg_table *t, uint32_t n)
{
	struct leg *pair = slab_at(t->pairs, (n - 1) / 2);

	return &pair[(n - 1) & 1];
}

static uint32_t *bucket_of(const struct leg_table *t, const struct tuple *at)
{
	return &t->bucket[hash_bytes(&t->key, at, sizeof(*at)) & t->mask];
}

static bool is_at(const struct leg *l, const struct tuple *at)
{
	return l->hashed && tuple_eq(&l->t, at);
}

struct leg *leg_table_look(const struct leg_table *t, const struct tuple *at)
{
	for (uint32_t n = *bucket_of(t, at); n;) {
		struct leg *l = leg_by_number(t, n);

		if (tuple_eq(&l->t, at))
			return l;
		n = l->hnext;
	}
	return NULL;
}

struct leg *leg_table_find(struct leg_table *t, const struct tuple *at)
{
	struct leg *l = t->last;

	if (l && is_at(l, at))
		return l;
	if (l && is_at(l + 1, at))
		return l + 1;
	l = leg_table_look(t, at);
	if (l)
		t->last = l - l->side;
	return l;
}

static void fetch_pair(const struct leg_table *t, uint32_t number)
{
	const uint8_t *pair = slab_at(t->pairs, (number - 1) / 2);

	for (size_t k = 0; k < t->pairs->size; k += LINE_BYTES)
		__builtin_prefetch(pair + k, 1);
}

/* @l is in the cache soon: is it the one, or the next of its chain? */
static struct leg *fetch_next(const struct leg_table *t, struct leg *l,
			      const struct tuple *at)
{
	if (tuple_eq(&l->t, at) || !l->hnext)
		return l;
	fetch_pair(t, l->hnext);
	return leg_by_number(t, l->hnext);
}

/* The addresses of packets: of each train of one connection once. */
static int peek_all(const struct packet *const *pkt, int n,
		    struct tuple at[LEG_TABLE_BATCH])
{
	int k = 0;

	for (int i = 0; i < n && k < LEG_TABLE_BATCH; i++) {
		if (wire_peek(pkt[i], &at[k]) &&
		    (!k || !tuple_eq(&at[k], &at[k - 1])))
			k++;
	}
	return k;
}

int leg_table_expect(const struct leg_table *t, const struct packet *const *pkt,
		     int n, struct leg **leg)
{
	const uint32_t *bucket[LEG_TABLE_BATCH];
	struct tuple at[LEG_TABLE_BATCH];
	int which[LEG_TABLE_BATCH], found = 0;

	n = peek_all(pkt, n, at);
	for (int i = 0; i < n; i++) {
		bucket[i] = bucket_of(t, &at[i]);
		__builtin_prefetch(bucket[i]);
	}
	for (int i = 0; i < n; i++) {
		if (!*bucket[i])
			continue;
		which[found] = i;
		leg[found++] = leg_by_number(t, *bucket[i]);
		fetch_pair(t, *bucket[i]);
	}
	for (int i = 0; i < found; i++)
		leg[i] = fetch_next(t, leg[i], &at[which[i]]);
	return found;
}

void leg_table_insert(struct leg_table *t, struct leg *l)
{
	uint32_t *b = bucket_of(t, &l->t);

	assert(!l->hashed);
	l->hnext = *b;
	*b = leg_number(t, l);
	l->hashed = true;
	journal_note(t->journal, *b - 1, &l->t);
}

bool leg_table_remove(struct leg_table *t, struct leg *l)
{
	uint32_t *p, me;

	if (!l->hashed)
		return false;
	if (t->last == l - l->side)
		t->last = NULL;
	p = bucket_of(t, &l->t);
	me = leg_number(t, l);
	while (*p != me) {
		assert(*p);
		p = &leg_by_number(t, *p)->hnext;
	}
	*p = l->hnext;
	l->hashed = false;
	journal_leave(t->journal, me - 1);
	return true;
}
