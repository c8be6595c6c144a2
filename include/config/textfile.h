/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_CONFIG_TEXTFILE_H
#define PENSTOCK_CONFIG_TEXTFILE_H

/*
 * Reads the files of a configuration, which must be regular files.  A FIFO
 * would block its reader, and a device may never end.
 */
#include <stdio.h>

#define TEXTFILE_MAX ((size_t)64 << 20) /* bytes of a whole file */

/**
 * textfile_open() - Open a regular file for reading
 * @err: out: -errno; -EINVAL when it is no regular file
 * @why: out: the reason as text, static
 * Return: the file, or NULL with *err and *why
 */
FILE *textfile_open(const char *path, int *err, const char **why);

/**
 * textfile_read() - Read a whole regular file
 * @len: out: its bytes
 * @why: out: the reason as text, static
 * Return: the bytes and a NUL, owned by the caller; NULL with *why
 */
char *textfile_read(const char *path, size_t *len, const char **why);

#endif
