/* SPDX-License-Identifier: MIT */
/*
 * The memory of spent cookies.  An entry has 20 bits of hash, 6 of the epoch
 * and 6 of the count.  It is free if it is 0, or if its epoch is not the last,
 * this or the next one.  An entry that is 64 epochs old looks like one of this
 * epoch, and takes its place until the next epoch.  Two connections with equal
 * entries (2^-16) share a count; the handshake still works, since both SYN-ACK
 * and check use it.
 */
#include <errno.h>
#include <stdlib.h>

#include "shield/spent.h"

#define USES_MASK SPENT_USES_MAX
#define EPOCH_SHIFT 6
#define EPOCH_MASK 63u
#define TAG_SHIFT 12

int spent_init(struct spent *s, const uint8_t secret[32], int64_t epoch_s)
{
	uint64_t want = (uint64_t)epoch_s * 2 * SPENT_RATE / 3 * 4;
	uint32_t n = SPENT_WAYS;

	while (n < SPENT_MAX && n < want)
		n *= 2;
	hash_derive(&s->key, secret, "spent", 0);
	s->mask = n / SPENT_WAYS - 1;
	s->set = calloc(n / SPENT_WAYS, sizeof(*s->set));
	return s->set ? 0 : -ENOMEM;
}

void spent_fini(struct spent *s)
{
	free(s->set);
	s->set = NULL;
}

static uint32_t *set_at(const struct spent *s, uint64_t hash, int i)
{
	return s->set[(hash >> (i ? 22 : 0)) & s->mask];
}

static uint32_t key_of(uint64_t hash, int64_t epoch)
{
	return (uint32_t)(hash >> 44) << TAG_SHIFT |
	       ((uint32_t)epoch & EPOCH_MASK) << EPOCH_SHIFT;
}

/* The entry of this key, or NULL. */
static uint32_t *find(const struct spent *s, uint64_t hash, uint32_t key)
{
	for (int i = 0; i < 2; i++) {
		uint32_t *set = set_at(s, hash, i);

		for (uint32_t w = 0; w < SPENT_WAYS; w++) {
			if (set[w] & USES_MASK && (set[w] & ~USES_MASK) == key)
				return &set[w];
		}
	}
	return NULL;
}

static bool is_free(uint32_t entry, int64_t epoch)
{
	uint32_t of = entry >> EPOCH_SHIFT & EPOCH_MASK;

	return !(entry & USES_MASK) ||
	       ((of - (uint32_t)epoch + 1) & EPOCH_MASK) > 2;
}

/* A free place in the emptier of the two sets, or NULL. */
static uint32_t *find_room(const struct spent *s, uint64_t hash, int64_t epoch)
{
	uint32_t *best = NULL, most = 0;

	for (int i = 0; i < 2; i++) {
		uint32_t *set = set_at(s, hash, i), *room = NULL, n = 0;

		for (uint32_t w = 0; w < SPENT_WAYS; w++) {
			if (!is_free(set[w], epoch))
				continue;
			room = &set[w];
			n++;
		}
		if (n > most) {
			most = n;
			best = room;
		}
	}
	return best;
}

void spent_look(const struct spent *s, const struct tuple *t, seq_t isn,
		int64_t epoch, struct spent_look *out)
{
	struct {
		struct tuple t;
		uint32_t isn;
	} id = {*t, isn.v};

	out->hash = hash_bytes(&s->key, &id, sizeof(id));
	out->epoch = epoch;
	for (int i = 0; i < 3; i++) {
		const uint32_t *e =
			find(s, out->hash, key_of(out->hash, epoch + i - 1));

		out->uses[i] = e ? (uint8_t)(*e & USES_MASK) : 0;
	}
}

bool spent_take(struct spent *s, const struct spent_look *l, int64_t epoch)
{
	uint32_t key = key_of(l->hash, epoch), *e = find(s, l->hash, key);

	if (e && (*e & USES_MASK) == SPENT_USES_MAX)
		return false;
	if (!e)
		e = find_room(s, l->hash, l->epoch);
	if (!e)
		return false;
	*e = (*e & ~USES_MASK) == key ? *e + 1 : key + 1;
	return true;
}

void spent_undo(struct spent *s, const struct spent_look *l, int64_t epoch)
{
	uint32_t *e = find(s, l->hash, key_of(l->hash, epoch));

	if (e)
		(*e)--;
}

/* --- another process goes on --- */

#define SETS_AT_ONCE 65536u
#define FIELD_SETS 1u  /* how many there are */
#define FIELD_WORDS 2u /* number of the set and entry, four bytes each */

bool spent_save(const struct spent *s, int64_t epoch, uint32_t *at,
		struct record_writer *w)
{
	uint32_t end = min_u32(*at + SETS_AT_ONCE, s->mask + 1);
	size_t mark;

	record_number(w, FIELD_SETS, (uint64_t)s->mask + 1);
	mark = record_open(w, FIELD_WORDS);
	for (; *at < end; ++*at) {
		for (uint32_t i = 0; i < SPENT_WAYS; i++) {
			uint32_t word[2] = {*at, s->set[*at][i]};

			if (word[1] && !is_free(word[1], epoch))
				record_raw(w, word, sizeof(word));
		}
	}
	record_close(w, mark);
	return *at <= s->mask;
}

/* The count of the same key, or a free place, in this set. */
static bool restore(struct spent *s, const uint32_t word[2], int64_t epoch)
{
	uint32_t *set = s->set[word[0] & s->mask], *room = NULL;

	for (uint32_t i = 0; i < SPENT_WAYS; i++) {
		if (!room && is_free(set[i], epoch))
			room = &set[i];
		if (!(set[i] & USES_MASK) || (set[i] ^ word[1]) & ~USES_MASK)
			continue;
		set[i] = max_u32(set[i], word[1]);
		return true;
	}
	if (room)
		*room = word[1];
	return room != NULL;
}

int spent_load(struct spent *s, struct record_reader r, int64_t epoch)
{
	struct record_field f;
	uint64_t sets = 0;
	int more, err = 0;

	while ((more = record_next(&r, &f)) > 0) {
		uint32_t word[2];

		if (f.id == FIELD_SETS)
			sets = f.number;
		if (f.id != FIELD_WORDS || sets != (uint64_t)s->mask + 1)
			continue;
		for (; record_left(&f.in) >= sizeof(word);
		     f.in.p += sizeof(word)) {
			memcpy(word, f.in.p, sizeof(word));
			if (word[1] & USES_MASK && !restore(s, word, epoch))
				err = -ENOSPC;
		}
	}
	return more ? more : err;
}
