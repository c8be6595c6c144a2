/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_PASS_H
#define PENSTOCK_IO_PASS_H

/*
 * Messages with descriptors between two processes on this host: a line of text
 * and up to PASS_FDS descriptors, over a Unix socket that keeps messages apart.
 */
#include "util/types.h"

#define PASS_FDS 16
#define PASS_TEXT 512 /* bytes of a text, with its NUL */

/* Listen at @path, which only this user may open.  Return: a descriptor, or
 * -errno */
int pass_listen(const char *path);

/* Wait for a connection by this user or root, @ms at most.  Return: a
 * descriptor, or -errno */
int pass_accept(int listener, int ms);

/* Connect to @path, where this user or root must listen.  Neither side waits
 * for longer than @ms.  Return: a descriptor, or -errno */
int pass_connect(const char *path, int ms);

/**
 * struct pass - A message
 * @fd: @n of them; of a received message they belong to the receiver
 */
struct pass {
	char text[PASS_TEXT];
	int fd[PASS_FDS];
	uint32_t n;
};

/* Return: 0 or -errno */
int pass_send(int sock, const struct pass *m);
/* Return: 0 or -errno; -ECONNRESET: the other process is gone */
int pass_recv(int sock, struct pass *m);

#endif
