/* SPDX-License-Identifier: MIT */
/*
 * corrupt_stream: changes bytes between the legs.
 *
 * The stream is divided into blocks of 1 KiB.  The number of a block decides
 * whether it is hit and which of its bits are flipped, at most 64.  So it makes
 * no difference how the bytes arrive in portions.
 */
#include "internal.h"
#include "util/prng.h"

#define BLOCK 1024u
#define FLIPS_MAX 64u

static void flip(const struct fault_portion *p, uint64_t bit)
{
	uint64_t at = bit / 8;

	if (at < p->off || at >= p->end)
		return;
	at -= p->off;
	for (int i = 0; i < p->n; i++) {
		if (at < p->iov[i].iov_len) {
			((uint8_t *)p->iov[i].iov_base)[at] ^=
				(uint8_t)BIT(bit % 8);
			return;
		}
		at -= p->iov[i].iov_len;
	}
}

/* Flip different bits of the bytes [@from, @to). */
static void damage_block(struct fault_ctx *x, const struct fault_portion *p,
			 uint64_t block, uint64_t from, uint64_t to)
{
	uint32_t room = (uint32_t)(to - from) * 8, n, k = 0;
	uint64_t dice = fault_dice(x->f->key, x->c->ordinal, block, 9);
	uint32_t taken[FLIPS_MAX];
	struct prng r;

	prng_seed(&r, dice);
	n = min_u32((uint32_t)x->f->spec.p[FP_BITS].i,
		    min_u32(room, FLIPS_MAX));
	while (k < n) {
		uint32_t bit = prng_below(&r, room);

		for (uint32_t i = 0; i < k; i++) {
			if (taken[i] ==
			    bit) { /* the next block, from its start */
				bit = (bit + 1) % room;
				i = UINT32_MAX;
			}
		}
		taken[k++] = bit;
		flip(p, from * 8 + bit);
	}
}

/* The number of the current block plus 1, and whether it is hit. */
struct corrupt {
	uint64_t next;
	bool hit;
};
FAULT_STATE_FITS(struct corrupt);

/* A block begins: is it hit? */
static void enter_block(struct fault_ctx *x, int stream, uint64_t block,
			mono_t now)
{
	struct corrupt *k = FAULT_STATE(x->c, struct corrupt);

	k->next = block + 1;
	x->c->event++;
	x->f->count[FC_MATCHED]++;
	k->hit = fault_extent_allows(x, now) && fault_chance(x);
	if (k->hit)
		fault_note(x, stream, 0, now, "corrupt");
}

static void damage(struct fault_ctx *x, int stream,
		   const struct fault_portion *p, mono_t now)
{
	const struct corrupt *k = FAULT_STATE(x->c, const struct corrupt);
	const struct fault_val *r = &x->f->spec.p[FP_OFFSET];
	uint64_t lo = (uint64_t)r->i, hi = (uint64_t)r->j;
	uint64_t from = p->off > lo ? p->off : lo;
	uint64_t to = p->end < hi ? p->end : hi;

	for (uint64_t b = from / BLOCK; from < to && b * BLOCK < to; b++) {
		uint64_t start = b * BLOCK, end = start + BLOCK;

		if (b >= k->next)
			enter_block(x, stream, b, now);
		if (k->hit)
			damage_block(x, p, b, start > lo ? start : lo,
				     end < hi ? end : hi);
	}
}

void fault_stream_damage(struct fault_set *s, struct fault_flow *w, int stream,
			 const struct fault_portion *p, mono_t now)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint8_t slot = s->order[i];
		const struct fault_event ev = {
			.now = now,
			.len = (uint32_t)(p->end - p->off),
			.off = p->off};
		struct fault_ctx x = {.set = s,
				      .flow = w,
				      .f = &s->fault[slot],
				      .c = &w->c[slot],
				      .slot = slot};

		if (x.f->spec.type == FT_CORRUPT_STREAM &&
		    w->active & BIT(slot) && x.f->spec.stream == stream &&
		    fault_armed(&x, &ev))
			damage(&x, stream, p, now);
	}
}
