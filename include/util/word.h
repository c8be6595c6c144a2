/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_WORD_H
#define PENSTOCK_UTIL_WORD_H

/*
 * Mistyped words, and what may have been meant.
 */
#include "util/types.h"

/**
 * word_distance() - Typing errors between two words
 *
 * Insertions, deletions, substitutions and swaps of neighbours count one each
 * (optimal string alignment).  Words are compared up to 63 characters.
 */
uint32_t word_distance(const char *a, const char *b);

/* Is it one of @words, which ends with NULL? */
bool word_is_one(const char *text, const char *const *words);

/* Few enough typing errors that @b is worth suggesting for @a. */
bool word_is_near(const char *a, const char *b);

/* The nearest of @words, which ends with NULL; NULL when none is near. */
const char *word_nearest(const char *text, const char *const *words);

/**
 * word_suggest() - Append what may have been meant: "; did you mean "x"?"
 * @buf: text of less than @len bytes; unchanged when nothing is near, or when
 *       there is no room
 */
void word_suggest(char *buf, size_t len, const char *text,
		  const char *const *words);

#endif
