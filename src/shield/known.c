/* SPDX-License-Identifier: MIT */
/*
 * A filter of the clients' tuples that are known to the daemon.  The XDP front
 * leaves their segments to the daemon.
 */
#include "shield/known.h"

#define PLACES (1u << KNOWN_BITS)
#define SPENT_PLACES (1u << KNOWN_SPENT_BITS)
#define COUNT_STAYS 255

void known_init(struct known *k, const uint8_t secret[32], uint8_t *count,
		struct known_spent *spent)
{
	hash_derive(&k->key, secret, "isn", 0);
	k->count = count;
	k->spent = spent;
}

static uint64_t hash_of(const struct known *k, const struct tuple *t)
{
	return hash_bytes(&k->key, t, sizeof(*t));
}

static void change(const struct known *k, const struct tuple *t, int by)
{
	uint8_t *p, was, is;

	if (!k)
		return;
	p = &k->count[known_place(hash_of(k, t))];
	was = __atomic_load_n(p, __ATOMIC_RELAXED);
	do {
		if (was == COUNT_STAYS)
			return;
		is = (uint8_t)(was + by);
	} while (!__atomic_compare_exchange_n(
		p, &was, is, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void known_add(const struct known *k, const struct tuple *t)
{
	change(k, t, 1);
}

void known_leave(const struct known *k, const struct tuple *t)
{
	change(k, t, -1);
}

void known_spend(const struct known *k, const struct tuple *t, int64_t epoch)
{
	struct known_spent *s;
	uint64_t h;

	if (!k)
		return;
	h = hash_of(k, t);
	s = &k->spent[known_spent_place(h)];
	__atomic_or_fetch(&s->bits[(uint64_t)epoch % KNOWN_EPOCHS],
			  known_spent_mask(h), __ATOMIC_RELEASE);
}

void known_renew(const struct known *k, int64_t epoch)
{
	const uint64_t old = (uint64_t)(epoch + 2) % KNOWN_EPOCHS;

	for (uint32_t i = 0; k && i < SPENT_PLACES; i++) {
		if (k->spent[i].bits[old])
			__atomic_store_n(&k->spent[i].bits[old], 0,
					 __ATOMIC_RELAXED);
	}
}

bool known_has(const struct known *k, const struct tuple *t, int64_t epoch)
{
	uint64_t h = hash_of(k, t);

	return k->count[known_place(h)] ||
	       known_was_spent(&k->spent[known_spent_place(h)], (uint32_t)epoch,
			       h);
}

uint64_t known_sum(const struct known *k)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < PLACES; i++)
		sum += k->count[i];
	return sum;
}
