/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_TOXIPROXY_H
#define PENSTOCK_API_TOXIPROXY_H

/*
 * toxiproxy's HTTP API over penstock's faults, so that programs that use
 * toxiproxy's clients work with penstock unchanged.  A service is a proxy, a
 * toxic is a fault with scope=all; docs/FAULTS.md, "HTTP API", says what
 * differs.
 *
 * No sockets here: http.c has the transport and decides who may write.
 */
#include "api/server.h"

#define TOXI_VERSION "2.12.0" /* of toxiproxy, whose API this is */

/* HTTP methods, as a mask. */
#define TOXI_GET BIT(0)
#define TOXI_POST BIT(1)
#define TOXI_PATCH BIT(2)
#define TOXI_DELETE BIT(3)

struct toxi;

/**
 * toxi_new() - The state of the API: the toxics that were made through it
 * @ops: borrowed, outlives it
 * Return: owned, or NULL when out of memory
 */
struct toxi *toxi_new(const struct control_ops *ops);
/* The faults remain.  @t may be NULL. */
void toxi_free(struct toxi *t);

/* Does this path (without query) belong to the API? */
bool toxi_owns(const char *path);

/**
 * toxi_answer() - Answer one request
 * @method: one of TOXI_*
 * @path:   percent-encoded, without query; toxi_owns() it
 * @body:   @len bytes, not terminated; NULL when there are none
 * @answer: out: JSON, owned by the caller; NULL: no content
 *
 * A request that changes several faults changes all of them or none.
 * Return: the HTTP status; from 400 on *@answer is {"error", "status"}
 */
int toxi_answer(struct toxi *t, unsigned method, const char *path,
		const char *body, size_t len, json_t **answer);

/* {"error": @text, "status": @status}; owned by the caller. */
json_t *toxi_error(int status, const char *text);

#endif
