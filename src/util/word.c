/* SPDX-License-Identifier: MIT */
/*
 * Finds the word that was probably meant by a mistyped one.
 */
#include "util/word.h"

#include <stdio.h>

#define WORD_MAX 63

/* Three rows of the usual table suffice: this one and the two above it. */
uint32_t word_distance(const char *a, const char *b)
{
	uint32_t row[3][WORD_MAX + 1];
	uint32_t la = (uint32_t)strnlen(a, WORD_MAX);
	uint32_t lb = (uint32_t)strnlen(b, WORD_MAX);

	for (uint32_t j = 0; j <= lb; j++)
		row[0][j] = j;
	for (uint32_t i = 1; i <= la; i++) {
		uint32_t *cur = row[i % 3], *up = row[(i - 1) % 3];
		uint32_t *up2 = row[(i + 1) % 3];

		cur[0] = i;
		for (uint32_t j = 1; j <= lb; j++) {
			cur[j] = min_u32(up[j], cur[j - 1]) + 1;
			cur[j] = min_u32(cur[j],
					 up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				cur[j] = min_u32(cur[j], up2[j - 2] + 1);
		}
	}
	return row[la % 3][lb];
}

bool word_is_near(const char *a, const char *b)
{
	uint32_t longest = (uint32_t)strlen(a), dist = word_distance(a, b);

	if (strlen(b) > longest)
		longest = (uint32_t)strlen(b);
	return dist <= max_u32(1, longest / 3) && dist < longest;
}

bool word_is_one(const char *text, const char *const *words)
{
	while (*words && strcmp(*words, text) != 0)
		words++;
	return *words;
}

const char *word_nearest(const char *text, const char *const *words)
{
	const char *best = NULL;
	uint32_t least = UINT32_MAX;

	for (; *words; words++) {
		uint32_t dist = word_distance(text, *words);

		if (dist >= least || !word_is_near(text, *words))
			continue;
		least = dist;
		best = *words;
	}
	return best;
}

void word_suggest(char *buf, size_t len, const char *text,
		  const char *const *words)
{
	const char *near = word_nearest(text, words);
	size_t n = strlen(buf);

	if (near && n + strlen(near) + sizeof("; did you mean \"\"?") <= len)
		snprintf(buf + n, len - n, "; did you mean \"%s\"?", near);
}
