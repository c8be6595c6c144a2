/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_SLABLIST_H
#define PENSTOCK_UTIL_SLABLIST_H

#include "util/slab.h"

/**
 * struct slab_link - An object's place in a list
 * @prev: number of the object before it, plus 1; 0: it is the first
 * @next: number of the one behind it, plus 1; 0: it is the last
 */
struct slab_link {
	uint32_t prev, next;
};

/**
 * struct slab_list - Objects of one slab, in the order they were appended
 * @slab: theirs; borrowed
 * @link: where in an object its struct slab_link is, bytes
 * @head: number of the first, plus 1; 0: the list is empty
 * @tail: number of the last, plus 1
 *
 * Links are half as large as pointers, and each step takes constant time.  An
 * object does not know whether it is in a list: its owner does.
 */
struct slab_list {
	const struct slab *slab;
	uint32_t link, head, tail;
};

static inline struct slab_link *slab_list_link(const struct slab_list *l,
					       uint32_t n)
{
	return (struct slab_link *)(void *)((uint8_t *)slab_at(l->slab, n - 1) +
					    l->link);
}

/* The first; NULL when there is none. */
static inline void *slab_list_first(const struct slab_list *l)
{
	return l->head ? slab_at(l->slab, l->head - 1) : NULL;
}

/* The last; NULL when there is none. */
static inline void *slab_list_last(const struct slab_list *l)
{
	return l->tail ? slab_at(l->slab, l->tail - 1) : NULL;
}

/* The one before @obj, which is in this list; NULL: it is the first. */
static inline void *slab_list_before(const struct slab_list *l, const void *obj)
{
	uint32_t n = slab_list_link(l, slab_index(l->slab, obj) + 1)->prev;

	return n ? slab_at(l->slab, n - 1) : NULL;
}

/* @obj is in no list by the same link. */
static inline void slab_list_append(struct slab_list *l, void *obj)
{
	uint32_t n = slab_index(l->slab, obj) + 1;
	struct slab_link *k = slab_list_link(l, n);

	k->prev = l->tail;
	k->next = 0;
	if (l->tail)
		slab_list_link(l, l->tail)->next = n;
	else
		l->head = n;
	l->tail = n;
}

/* @obj is in this list. */
static inline void slab_list_remove(struct slab_list *l, void *obj)
{
	struct slab_link k = *slab_list_link(l, slab_index(l->slab, obj) + 1);

	if (k.prev)
		slab_list_link(l, k.prev)->next = k.next;
	else
		l->head = k.next;
	if (k.next)
		slab_list_link(l, k.next)->prev = k.prev;
	else
		l->tail = k.prev;
}

#endif
