/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_VIEW_ENDS_H
#define PENSTOCK_VIEW_ENDS_H

/*
 * The life of connections: how long each took and lasted, for histograms, and
 * a line when it ends, for the connection log.
 */
#include "view/flow.h"

#define ENDS_LINE_MAX 440 /* bytes of a line, with its NUL */

/**
 * struct ends - Who looks on an engine's flows
 * @engine: set by ends_watch()
 * @line: gets the line of each flow that has ended; NULL: nobody
 * @arg:  first argument of @line
 * @wall_offset_us: wall clock (Unix, us) minus the engine's clock
 *
 * All of them may change while the engine stands still.
 */
struct ends {
	const struct engine *engine;
	void (*line)(void *arg, const char *json);
	void *arg;
	int64_t wall_offset_us;
};

/* Look on the flows of an engine from now on.  @ends: borrowed. */
void ends_watch(struct engine *e, struct ends *ends);

/**
 * ends_print() - The line of a flow that ends, a JSON object
 * {"end": Unix time, "service", "client", "server", "duration_ms", "up",
 * "down" (bytes acknowledged by the server, by the client), "client_resent",
 * "server_resent" (segments), "client_rtt_us", "server_rtt_us", "by" and "how"
 * it ended}
 * @out: at least ENDS_LINE_MAX bytes
 */
void ends_print(const struct flow_view *v, int64_t unix_us, char *out);

#endif
