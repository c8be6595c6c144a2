/* SPDX-License-Identifier: MIT */
/*
 * A hash index over a slab.  Its slots are allocated once, for the worst case;
 * the kernel provides the pages when they are used.  A removal closes the gap
 * and leaves no mark, so the index does not degrade.
 */
#include <errno.h>
#include <stdlib.h>

#include "shield/hindex.h"

int hindex_init(struct hindex *x, uint32_t max)
{
	uint32_t slots = 16;

	while (slots / 2 < max)
		slots *= 2;
	x->mask = slots - 1;
	x->slot = calloc(slots, sizeof(*x->slot));
	return x->slot ? 0 : -ENOMEM;
}

void hindex_fini(struct hindex *x)
{
	free(x->slot);
	memset(x, 0, sizeof(*x));
}

void hindex_insert(struct hindex *x, uint64_t hash, uint32_t i)
{
	struct hindex_probe p = hindex_begin(x, hash);

	while (x->slot[p.at])
		p.at = (p.at + 1) & x->mask;
	x->slot[p.at] = p.tag | (i + 1);
}

void hindex_delete(struct hindex *x, const struct hindex_probe *p,
		   hindex_hash fn, const void *table)
{
	uint32_t gap = (p->at - 1) & x->mask;

	for (uint32_t at = p->at; x->slot[at]; at = (at + 1) & x->mask) {
		uint32_t i = (x->slot[at] & HINDEX_MASK) - 1;
		uint32_t home = (uint32_t)fn(table, i) & x->mask;

		if (((at - home) & x->mask) >= ((at - gap) & x->mask)) {
			x->slot[gap] = x->slot[at];
			gap = at;
		}
	}
	x->slot[gap] = 0;
}
