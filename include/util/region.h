/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_REGION_H
#define PENSTOCK_UTIL_REGION_H

#include <stddef.h>

/**
 * region_new() - Reserve memory for a large table
 * @bytes: not 0
 *
 * All zero.  A page costs memory once it is touched.  Of 2 MiB or more the
 * kernel is asked to use huge pages: with a table of many megabytes that is
 * touched at random, a good part of the time goes into finding pages.
 * Return: the memory, or NULL
 */
void *region_new(size_t bytes);

/* @p of region_new(), with the same @bytes; NULL is fine. */
void region_free(void *p, size_t bytes);

#endif
