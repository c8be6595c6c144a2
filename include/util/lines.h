/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_LINES_H
#define PENSTOCK_UTIL_LINES_H

/*
 * A ring of lines that some threads write and others read.
 *
 * A position counts lines from the beginning.  Each reader has its own.  A
 * reader that comes too late for some lines is told how many it has lost.
 */
#include <stdio.h>

#include "util/types.h"

#define LINES_BYTES 448u /* of a line, with its NUL; the rest is cut off */

struct lines;

/* Make a ring for @max lines.  NULL: no memory. */
struct lines *lines_new(uint32_t max);
void lines_free(struct lines *l);

/* Add @before and @text as one line.  Any thread. */
void lines_put(struct lines *l, const char *before, const char *text);

/* The position of the next line.  Any thread. */
uint64_t lines_end(struct lines *l);

/**
 * lines_read() - Copy lines
 * @pos:  where to begin; out: where to continue
 * @max:  lines that @out has room for
 * @lost: increased by the number of lines from @pos on that are gone Any
 * thread.  Return: lines copied
 */
uint32_t lines_read(struct lines *l, uint64_t *pos, uint32_t max,
		    char (*out)[LINES_BYTES], uint64_t *lost);

/**
 * lines_write() - Append to a file the lines that exist now
 * @pos: as of lines_read() So it ends, however fast others write.  For lost
 * lines there is a line {"lost":N}.  Return: 0 or -errno
 */
int lines_write(struct lines *l, uint64_t *pos, FILE *to);

#endif
