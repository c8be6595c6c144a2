/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_CLIENT_H
#define PENSTOCK_API_CLIENT_H

#include <jansson.h>

#include "util/types.h"

/**
 * client_ask() - Send one request to a daemon and wait for its answer
 * @path:    of the control socket
 * @request: a JSON object; borrowed
 * @answer:  out: the answer, owned by the caller
 *
 * Waits at most 30 seconds.
 * Return: 0, -EPROTO (no JSON came back) or -errno
 */
int client_ask(const char *path, const json_t *request, json_t **answer);

/* The two halves of it: send, and later wait.  A descriptor, or -errno. */
int client_send(const char *path, const json_t *request);
int client_answer(int fd, json_t **answer); /* closes @fd */

/**
 * client_stream() - The same for a request whose answer is followed by a stream
 * @fd: out: the connection, behind the answer's line; owned by the caller.  -1
 *      after an error, or if the answer says that there is no stream
 *
 * Reads from it wait as long as it takes.
 */
int client_stream(const char *path, const json_t *request, json_t **answer,
		  int *fd);

#endif
