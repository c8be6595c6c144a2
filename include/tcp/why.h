/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TCP_WHY_H
#define PENSTOCK_TCP_WHY_H

/*
 * Why is a connection not faster?  Which side it is, and what, in a sentence.
 */
#include "tcp/view.h"

#define WHY_TEXT_MAX 512

/**
 * struct why_flow - A connection that is judged
 * @service: its service's name
 * @serial:  its number
 * @faulty:  faults may act on it
 * @leg:     towards the client, towards the server
 */
struct why_flow {
	const char *service;
	uint64_t serial;
	bool faulty;
	const struct leg_view *leg;
};

enum why_side {
	WHY_NOBODY,
	WHY_CLIENT,
	WHY_SERVER,
	WHY_PENSTOCK
};

/* "nobody", "client", ... */
extern const char *const why_side_name[];

/**
 * struct why - What limits a connection
 * @side:    who, or whose path
 * @limit:   what; with LIMIT_APP @side does not send more
 * @opening: the handshake with @side is not over; the rest says nothing
 * @to:      enum leg_side: the leg that is held back
 * @percent: of the time for which that holds
 * @total_ms: that the leg has been established
 * @text:    the same as a sentence, or two
 */
struct why {
	enum why_side side;
	enum leg_limit limit;
	bool opening;
	int to;
	uint32_t percent, total_ms;
	char text[WHY_TEXT_MAX];
};

/* Of the direction in which more was under way. */
void why_judge(const struct why_flow *f, struct why *w);

#endif
