/* SPDX-License-Identifier: MIT */
/*
 * The table of owners.  A bucket is a cache line of eight words.  A tuple
 * hashes to two buckets, and its note goes into the emptier one.  The table is
 * at most half full, so no pair of buckets overflows.  A word has 56 bits of
 * the hash, one bit that distinguishes a TIME_WAIT entry from a leg, and the
 * number of the worker plus one.
 *
 * Equal words are interchangeable.  If two tuples of one worker have the same
 * bits, either may remove the note of the other, as both say the same.
 */
#include <errno.h>

#include "shield/owners.h"
#include "util/region.h"

#define WAYS 8
#define REST 0x80u
#define LOW 0xffu

struct owners_bucket {
	uint64_t word[WAYS];
} __attribute__((aligned(64)));

_Static_assert(OWNERS_WORKERS_MAX < REST, "a worker has seven bits");

static size_t bytes_of(const struct owners *o)
{
	return ((size_t)o->mask + 1) * sizeof(struct owners_bucket);
}

int owners_init(struct owners *o, uint32_t max, const uint8_t secret[32])
{
	uint64_t n = 1;

	while (n * WAYS / 2 < max)
		n *= 2;
	o->mask = (uint32_t)(n - 1);
	hash_derive(&o->key, secret, "owners", 0);
	o->bucket = region_new(bytes_of(o));
	return o->bucket ? 0 : -ENOMEM;
}

void owners_fini(struct owners *o)
{
	region_free(o->bucket, o->bucket ? bytes_of(o) : 0);
	o->bucket = NULL;
}

/* The two buckets of a hash; they may be the same. */
static void buckets_of(const struct owners *o, uint64_t hash,
		       struct owners_bucket *b[2])
{
	b[0] = &o->bucket[(hash >> 8) & o->mask];
	b[1] = &o->bucket[(hash >> 36) & o->mask];
}

static uint64_t note(uint64_t hash, uint32_t worker, enum owned what)
{
	return (hash & ~(uint64_t)LOW) | (what == OWNED_REST ? REST : 0) |
	       (worker + 1);
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static int count(const struct owners_bucket *b)
{
	int n = 0;

	for (int i = 0; i < WAYS; i++)
		n += load(&b->word[i]) != 0;
	return n;
}

/* Replace a word @from by @to; false: there is none. */
static bool exchange(struct owners_bucket *b, uint64_t from, uint64_t to)
{
	for (int i = 0; i < WAYS; i++) {
		uint64_t is = from;

		if (load(&b->word[i]) == from &&
		    __atomic_compare_exchange_n(&b->word[i], &is, to, false,
						__ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

bool owners_add(struct owners *o, const struct tuple *t, uint32_t worker,
		enum owned what)
{
	struct owners_bucket *b[2];
	uint64_t hash, word;
	int first;

	if (!o)
		return true;
	hash = hash_bytes(&o->key, t, sizeof(*t));
	word = note(hash, worker, what);
	buckets_of(o, hash, b);
	first = count(b[1]) < count(b[0]);
	return exchange(b[first], 0, word) || exchange(b[!first], 0, word);
}

void owners_leave(struct owners *o, const struct tuple *t, uint32_t worker,
		  enum owned what)
{
	struct owners_bucket *b[2];
	uint64_t hash, word;

	if (!o)
		return;
	hash = hash_bytes(&o->key, t, sizeof(*t));
	word = note(hash, worker, what);
	buckets_of(o, hash, b);
	if (!exchange(b[0], word, 0))
		exchange(b[1], word, 0);
}

/* The next word with this hash, from *at on (of 2 * WAYS); 0: there is none. */
static uint64_t next_word(const struct owners *o, uint64_t hash, int *at)
{
	struct owners_bucket *b[2];

	buckets_of(o, hash, b);
	while (*at < 2 * WAYS) {
		uint64_t word = load(&b[*at / WAYS]->word[*at % WAYS]);

		++*at;
		if (word && !((word ^ hash) & ~(uint64_t)LOW))
			return word;
	}
	return 0;
}

static int worker_of(uint64_t word)
{
	return (int)(word & (REST - 1)) - 1;
}

static int look_once(const struct owners *o, uint64_t hash)
{
	int at = 0, found = OWNERS_NONE;
	uint64_t word;

	while ((word = next_word(o, hash, &at))) {
		found = worker_of(word);
		if (!(word & REST))
			break;
	}
	return found;
}

/*
 * A leg that goes to TIME_WAIT leaves its second note before it takes the first
 * one back.  The second may be where we have looked already, and the first gone
 * before we come to it.  Then the second is there when we look again.
 */
int owners_find(const struct owners *o, const struct tuple *t)
{
	uint64_t hash;
	int found;

	if (!o)
		return OWNERS_NONE;
	hash = hash_bytes(&o->key, t, sizeof(*t));
	found = look_once(o, hash);
	return found == OWNERS_NONE ? look_once(o, hash) : found;
}

bool owners_other_leg(const struct owners *o, const struct tuple *t,
		      uint32_t worker)
{
	uint64_t hash, word;
	int at = 0;

	if (!o)
		return false;
	hash = hash_bytes(&o->key, t, sizeof(*t));
	while ((word = next_word(o, hash, &at))) {
		if (!(word & REST) && worker_of(word) != (int)worker)
			return true;
	}
	return false;
}
