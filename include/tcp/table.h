/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_TABLE_H
#define PENSTOCK_TCP_TABLE_H

/*
 * The table of legs, by local and remote address and port.
 */
#include "crash/journal.h"
#include "tcp/leg.h"
#include "util/hash.h"
#include "util/slab.h"

/**
 * struct leg_table - A hash of legs, chained by 32-bit numbers
 * @key:    key of the hash, so that nobody can choose tuples that collide
 * @pairs:  the slab of the legs: each object begins with a client leg and a
 *          server leg; borrowed
 * @bucket: the first leg of each chain: twice its object's number in @pairs,
 *          plus its side, plus one; 0: none
 * @mask:   number of buckets minus 1
 * @journal: notes the legs that are in the table; NULL: none.  Borrowed
 * @last:   client leg of the pair that was found last; NULL: none.  Segments
 *          come in trains, so the next one mostly belongs to the same pair
 */
struct leg_table {
	struct hash_key key;
	const struct slab *pairs;
	uint32_t *bucket, mask;
	struct journal *journal;
	struct leg *last;
};

/* All but the key is set.  Return: 0 or -ENOMEM */
int leg_table_init(struct leg_table *t, const struct slab *pairs);
void leg_table_fini(struct leg_table *t);

/* Find the leg with these addresses, or NULL. leg_table_look() uses the hash
 * only. */
struct leg *leg_table_find(struct leg_table *t, const struct tuple *at);
struct leg *leg_table_look(const struct leg_table *t, const struct tuple *at);
#define LEG_TABLE_BATCH 64

/**
 * leg_table_expect() - Legs will be looked for: fetch what is needed
 * @pkt: @n packets, the next to be handled; beyond LEG_TABLE_BATCH they are
 *       left out
 * @leg: out, LEG_TABLE_BATCH: what some of them are likely to be for
 *
 * Of each first its bucket, then its pair of legs, so that the memory works
 * for all of them at the same time.
 * Return: how many @leg has
 */
int leg_table_expect(const struct leg_table *t, const struct packet *const *pkt,
		     int n, struct leg **leg);

/* No other leg in the table may have its addresses, which must not change while
 * it is there. */
void leg_table_insert(struct leg_table *t, struct leg *l);
/* Return: false when it was not there */
bool leg_table_remove(struct leg_table *t, struct leg *l);

#endif
