/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_VIEW_FLOW_H
#define PENSTOCK_VIEW_FLOW_H

/*
 * Flows of an engine, for display.
 */
#include "engine/engine.h"
#include "tcp/view.h"
#include "view/filter.h"

struct flow;

/**
 * struct flow_view - A flow, for display
 * @flow:    the flow itself; valid only while it is shown
 * @service: its service's name; borrowed
 * @serial:  its number among the engine's flows, from 1
 * @faulty:  faults may act on it
 * @age_us:  since its first segment
 * @idle_ms: since either side acknowledged bytes
 * @leg:     towards the client, towards the server
 */
struct flow_view {
	const struct flow *flow;
	const char *service;
	uint64_t serial;
	bool faulty;
	int64_t age_us;
	uint32_t idle_ms;
	struct leg_view leg[2];
};

/* The flow as it is @now. */
struct flow_view flow_view(const struct engine *e, const struct flow *f,
			   mono_t now);

typedef void (*flow_view_fn)(void *arg, const struct flow_view *v);

/**
 * flow_view_walk() - Show the flows of an engine as they are @now, newest first
 * @filter: those that it matches; NULL: all
 * @max:    at most so many
 * Return: how many were shown
 */
uint32_t flow_view_walk(const struct engine *e, const struct filter *filter,
			uint32_t max, flow_view_fn fn, void *arg, mono_t now);

/* Is this flow meant? */
bool flow_view_is_meant(const struct engine *e, const struct flow *f,
			const struct filter *filter);

#endif
