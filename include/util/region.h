/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_REGION_H
#define PENSTOCK_UTIL_REGION_H

#include <stddef.h>

/**
 * region_new() - Reserve memory for a large table
 * @bytes: not 0
 *
 * All zero.  A page costs memory once it is touched.  For 2 MiB or more the
 * kernel is asked for huge pages: with random accesses to a large table, much
 * time goes into page look-ups.
 * Return: the memory, or NULL
 */
void *region_new(size_t bytes);

/* Free @p of region_new(), with the same @bytes; @p may be NULL. */
void region_free(void *p, size_t bytes);

#endif
