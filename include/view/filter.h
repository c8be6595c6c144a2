/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_VIEW_FILTER_H
#define PENSTOCK_VIEW_FILTER_H

/*
 * The filter language of penstockctl: which connections are meant.
 *
 * It is ss's, about connections instead of sockets: src and sport are the
 * client's, dst and dport those that the client uses or the server's own, and a
 * connection is in a state if one of its legs is.
 *
 *   EXPR: EXPR or EXPR | EXPR [and] EXPR | not EXPR | ( EXPR ) | TERM
 *   TERM: state STATE ... | exclude STATE ...
 *         src|dst [=|!=] [ADDRESS[/PREFIX]][:PORT]
 *         sport|dport [OP] [:]PORT         OP: = != < > <= >=
 *         service NAME | serial = N | spliced
 *         NAME                             a service
 *         ADDRESS | ADDRESS:PORT | [ADDRESS]:PORT   of either side
 *
 * Operators may be spelled as in ss: &, &&, |, ||, !, eq, ne, lt, gt, le, ge.
 */
#include "util/types.h"

#define FILTER_TERMS_MAX 64
#define FILTER_DEPTH_MAX 16
#define FILTER_NAME_MAX 63
#define FILTER_TEXT_MAX 4096

/**
 * struct filter_end - An address and port
 */
struct filter_end {
	struct ipaddr addr;
	uint16_t port;
};

/**
 * struct filter_subject - A connection, as far as a filter asks
 * @service: its service's name; borrowed
 * @serial:  its number; 0: it has none
 * @client:  the client
 * @used:    what the client connects to
 * @server:  what penstock connects to
 * @states:  BIT(enum tcp_state) of each leg
 * @spliced: the kernel relays it
 */
struct filter_subject {
	const char *service;
	uint64_t serial;
	struct filter_end client, used, server;
	uint16_t states;
	bool spliced;
};

/**
 * struct filter_term - One step of the evaluation, by filter.c
 * @kind:  enum term_kind
 * @which: enum whose
 * @op:    enum compare
 * @has_addr: @addr counts, up to @prefix of 128 bits
 */
struct filter_term {
	uint8_t kind, which, op;
	uint8_t prefix;
	bool has_addr;
	uint16_t port;	 /* 0: any */
	uint16_t states; /* BIT(enum tcp_state) */
	struct ipaddr addr;
	uint64_t serial;
	char name[FILTER_NAME_MAX + 1];
};

/**
 * struct filter - A parsed filter, in postfix order
 * @term: @n of them; none: every connection matches
 */
struct filter {
	uint32_t n;
	struct filter_term term[FILTER_TERMS_MAX];
};

/**
 * filter_parse() - Read a filter
 * @text: NULL or blank: every connection
 * @err:  out, with -EINVAL: what was expected and where, at most @errlen bytes
 * Pure.  Return: 0 or -EINVAL
 */
int filter_parse(const char *text, struct filter *f, char *err, size_t errlen);

/* Is this connection meant?  Pure. */
bool filter_matches(const struct filter *f, const struct filter_subject *s);

#endif
