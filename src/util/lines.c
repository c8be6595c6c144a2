/* SPDX-License-Identifier: MIT */
/*
 * A ring of lines that some threads write and others read.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "util/lines.h"

/**
 * struct lines - Position p is in line[p % max]
 * @lock: guards the rest
 * @next: position of the next line
 */
struct lines {
	pthread_mutex_t lock;
	uint64_t next;
	uint32_t max;
	char (*line)[LINES_BYTES];
};

struct lines *lines_new(uint32_t max)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->max = max;
	l->line = calloc(max, sizeof(*l->line));
	if (!l->line) {
		free(l);
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->line);
	free(l);
}

void lines_put(struct lines *l, const char *before, const char *text)
{
	pthread_mutex_lock(&l->lock);
	snprintf(l->line[l->next++ % l->max], LINES_BYTES, "%s%s", before,
		 text);
	pthread_mutex_unlock(&l->lock);
}

uint64_t lines_end(struct lines *l)
{
	uint64_t end;

	pthread_mutex_lock(&l->lock);
	end = l->next;
	pthread_mutex_unlock(&l->lock);
	return end;
}

uint32_t lines_read(struct lines *l, uint64_t *pos, uint32_t max,
		    char (*out)[LINES_BYTES], uint64_t *lost)
{
	uint32_t n = 0;

	pthread_mutex_lock(&l->lock);
	if (*pos > l->next)
		*pos = l->next;
	if (l->next - *pos > l->max) {
		*lost += l->next - l->max - *pos;
		*pos = l->next - l->max;
	}
	for (; n < max && *pos < l->next; n++, ++*pos)
		memcpy(out[n], l->line[*pos % l->max], LINES_BYTES);
	pthread_mutex_unlock(&l->lock);
	return n;
}

static int print(FILE *to, char (*line)[LINES_BYTES], uint32_t n, uint64_t lost)
{
	if (lost && fprintf(to, "{\"lost\":%" PRIu64 "}\n", lost) < 0)
		return -errno;
	for (uint32_t i = 0; i < n; i++) {
		if (fprintf(to, "%s\n", line[i]) < 0)
			return -errno;
	}
	return 0;
}

int lines_write(struct lines *l, uint64_t *pos, FILE *to)
{
	char line[64][LINES_BYTES];
	uint64_t end = lines_end(l), lost;
	uint32_t n;
	int err = 0;

	while (*pos < end && !err) {
		lost = 0;
		n = lines_read(l, pos, ARRAY_LEN(line), line, &lost);
		err = print(to, line, n, lost);
	}
	if (!err && fflush(to))
		err = -errno;
	return err;
}
