/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_TOXI_H
#define PENSTOCK_API_TOXI_H

/*
 * One toxic: what the API's client wrote, and the fault that implements it.
 */
#include <jansson.h>

#include "fault/cfg.h"

#define TOXIC_NAME_MAX 255

/**
 * struct toxic - A toxic made through the API
 * @next:       of all services, in the order in which they were made
 * @service:    its proxy
 * @name:       the client's name for it; owned
 * @type:       toxiproxy's, or one of FAULT_TYPES; owned
 * @upstream:   bytes from the client to the server
 * @hidden:     not a toxic, but part of a disabled proxy
 * @toxicity:   0 to 1
 * @attributes: as the client gave them, toxiproxy's own complete; owned
 * @fault:      name of the fault; "" = none is needed (noop)
 */
struct toxic {
	struct toxic *next;
	char service[FAULT_NAME_MAX + 1];
	char *name, *type;
	bool upstream, hidden;
	double toxicity;
	json_t *attributes;
	char fault[FAULT_NAME_MAX + 1];
};

/**
 * toxic_new() - Read a toxic
 * @service: its proxy
 * @body:    name, type, stream, toxicity, attributes; borrowed
 * @err:     out: what is wrong with it
 * Return: owned, or NULL
 */
struct toxic *toxic_new(const char *service, const json_t *body, char *err,
			size_t errlen);

/**
 * toxic_update() - A copy with other attributes and toxicity
 * @old:  not modified
 * @body: attributes and toxicity; absent ones keep their values, other members
 *        are ignored
 * @err:  out: what is wrong with it
 * Return: owned, or NULL
 */
struct toxic *toxic_update(const struct toxic *old, const json_t *body,
			   char *err, size_t errlen);
void toxic_free(struct toxic *t);

/**
 * toxic_line() - The fault as a line: "NAME type=... service=..."
 * @err: out: the attribute that cannot be written
 * Return: to be freed with free(), or NULL
 */
char *toxic_line(const struct toxic *t, char *err, size_t errlen);

/* As the API shows it; owned by the caller. */
json_t *toxic_json(const struct toxic *t);

/* The name of the fault for @name on @service: "SERVICE.NAME" if that is a
 * valid name, else a hash of both. */
void toxic_fault_name(const char *service, const char *name, char *out);

#endif
