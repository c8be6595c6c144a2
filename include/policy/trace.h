/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_POLICY_TRACE_H
#define PENSTOCK_POLICY_TRACE_H

/*
 * Which connections log_level = debug reports: the key log_debug.
 */
#include "util/types.h"

#define TRACE_SERVICE_MAX 31

/**
 * struct trace - A selection of connections; all zero: every one
 * @service: connections of this service; empty: of any
 * @addr:    connections with this address, of the client or of the server
 * @prefix:  bits of @addr that count, of 128; 0: any address
 */
struct trace {
	char service[TRACE_SERVICE_MAX + 1];
	struct ipaddr addr;
	uint8_t prefix;
};

extern const char trace_allowed[];

/**
 * trace_parse() - Read the value of log_debug
 * @text:  a service's name, an address or a prefix; empty: every connection
 * @field: out: struct trace
 * @err:   out, with an error: what was found and what is allowed
 *
 * Whether the service exists is not checked here.
 * Return: 0, -EINVAL or -ENOMEM
 */
int trace_parse(const char *text, void *field, char *err, size_t errlen);

/* Must this connection be reported? */
bool trace_wants(const struct trace *t, const char *service,
		 const struct ipaddr *client, const struct ipaddr *server);

/**
 * struct trace_line - A state change of a leg
 * @serial: of its connection
 * @t:      addresses of the client leg
 * @client: it is the client leg
 * @from, @to, @why: names
 */
struct trace_line {
	const char *service;
	uint64_t serial;
	const struct tuple *t;
	bool client;
	const char *from, *to, *why;
};

/* Log it, if @t wants it.  One search for the service, the serial number or the
 * addresses that the client sees finds both legs. */
void trace_log(const struct trace *t, const struct trace_line *l);

#endif
