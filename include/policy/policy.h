/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_POLICY_POLICY_H
#define PENSTOCK_POLICY_POLICY_H

/*
 * The configuration of the services, in the form that the engine uses.
 *
 * A policy is immutable and reference-counted: a flow keeps the policy that it
 * began with, and after a reload new flows get a new one.
 */
#include "policy/trace.h"
#include "shield/cfg.h"
#include "tcp/cfg.h"
#include "util/option.h"
#include "util/types.h"

#define SERVICE_NAME_MAX 31
#define SERVICE_LISTENS_MAX 16
#define SERVICES_MAX 256 /* in one policy */

enum handshake_mode {
	HANDSHAKE_CLIENT_FIRST,
	HANDSHAKE_SERVER_FIRST,
	HANDSHAKE_AUTO,
	HANDSHAKE_PARALLEL
};
enum unknown_mode {
	UNKNOWN_PASS,
	UNKNOWN_DROP,
	UNKNOWN_RESET
};
enum no_server_mode {
	NO_SERVER_RESET,
	NO_SERVER_DROP
};
enum limit_mode {
	LIMIT_REFUSE,
	LIMIT_DROP,
	LIMIT_EVICT_SLOWEST
};
enum source_mode {
	SOURCE_CLIENT,
	SOURCE_GATEWAY,
	SOURCE_ADDRESS
};
enum signed_mode {
	SIGNED_DROP,
	SIGNED_PASS
};
enum fragments_mode {
	FRAGMENTS_REASSEMBLE, /* by the host; others are dropped */
	FRAGMENTS_DROP,
	FRAGMENTS_PASS
};
enum relay_mode {
	RELAY_TERMINATE,
	RELAY_SPLICE /* by the kernel, once both handshakes are complete */
};
enum close_mode {
	CLOSE_FIN,
	CLOSE_RST
};

/**
 * struct endpoint - An address (or prefix) and a port
 * @addr:   network order, v4-mapped for IPv4
 * @prefix: prefix length of @addr as a 128-bit address; 128 = one host
 * @port:   host order
 */
struct endpoint {
	struct ipaddr addr;
	uint8_t prefix;
	uint16_t port;
};

/**
 * struct source - The address and port that the server sees
 * @mode: enum source_mode; SOURCE_CLIENT: the client's own
 * @addr: else this address.  With SOURCE_GATEWAY the shell fills it in: the
 *        gateway's address towards the server
 */
struct source {
	uint8_t mode;
	struct ipaddr addr;
};

/**
 * struct listen_set - The listen lines of a service
 * @ep: the first @n are in use
 */
struct listen_set {
	struct endpoint ep[SERVICE_LISTENS_MAX];
	uint32_t n;
};

/**
 * struct service - One [service NAME]
 * @listen:  addresses and ports that clients connect to
 * @connect: the server; port 0 = the address that the client used
 * @tcp:     policies of both legs
 * @syncookies: 0 never, 1 under load, 2 always
 * @source:  what the server sees as the client
 * @port_min: first port towards the server where the client's own is not used
 * @port_max: last of them; not below @port_min
 * @max_orphans: most flows with only one leg left
 * @max_per_source: most connections of one source; 0: no limit
 * @idle_timeout: a flow that moves no byte for this time is reset, us; 0: off
 * @max_syn_backlog: most half-open connections of this service
 * @shield: keys of admission; the policy owns its @access
 */
struct service {
	char name[SERVICE_NAME_MAX + 1];
	struct listen_set listen;
	struct endpoint connect;
	uint8_t handshake;    /* enum handshake_mode */
	uint8_t unknown;      /* enum unknown_mode */
	uint8_t on_no_server; /* enum no_server_mode */
	uint8_t close;	      /* enum close_mode */
	uint8_t on_limit;     /* enum limit_mode */
	uint8_t tcp_signed;   /* enum signed_mode */
	uint8_t fragments;    /* enum fragments_mode */
	uint8_t relay;	      /* enum relay_mode */
	struct source source;
	uint32_t port_min, port_max; /* ip_local_port_range */
	uint32_t max_orphans;
	uint32_t max_per_source;
	int64_t idle_timeout;
	uint32_t syncookies;
	uint32_t max_syn_backlog;
	struct tcp_cfg tcp;
	struct shield_cfg shield;
};

/**
 * struct policy - All services of one configuration
 * @refs: references; the last policy_put() frees it
 * @trace: the connections that log_level = debug reports
 */
struct policy {
	uint32_t refs;
	uint32_t nservice;
	struct trace trace;
	struct service service[];
};

/* Make a policy with @n services, all zero, and one reference. */
struct policy *policy_new(uint32_t n);
struct policy *policy_get(struct policy *p);
void policy_put(struct policy *p);

/* Keys of [service NAME] besides those of tcp_options. Offsets into struct
 * service.  Ends with a NULL name. */
extern const struct opt_desc service_options[];

/**
 * struct port_range - Ports, @min and @max included
 */
struct port_range {
	uint32_t min, max;
};

/**
 * service_ports_of() - The part of ip_local_port_range that a worker prefers
 * @i: the worker, of @n
 * The rules lead what servers send to these ports to this worker.
 * Return: false: there are fewer ports than workers, and none for this one
 */
bool service_ports_of(const struct service *s, uint32_t i, uint32_t n,
		      struct port_range *out);

/* Have the two sides of its connections different pairs of addresses? */
bool service_has_two_pairs(const struct service *s);

/* Does @ep cover address and port?  A port of 0 in @ep covers every port. */
bool endpoint_matches(const struct endpoint *ep, const struct ipaddr *a,
		      uint16_t port);
/* Parse "ADDRESS[/PREFIX]:PORT", IPv6 in brackets. 0 or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *ep, char *err,
		   size_t errlen);

#endif
