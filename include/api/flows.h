/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_FLOWS_H
#define PENSTOCK_API_FLOWS_H

/*
 * Flows as JSON objects: what control_ops.flows hands out, /api/flows answers,
 * and `penstockctl flows' prints.
 *
 *   {"service": NAME, "serial": N, "client": LEG, "server": LEG}
 *   LEG: {"address": "192.0.2.7:1234", "state": "ESTABLISHED", "inflight":
 *         BYTES, "queued": BYTES, "cwnd": BYTES, "wnd": BYTES, "rcv": BYTES,
 *         "srtt": MICROSECONDS, "cc": congestion control}, and those times
 *         of tcp/chrono.h that are not 0: "idle_ms", "app_ms", ...,
 *         "hole_ms", with "resent": SEGMENTS
 *
 * A flow that the kernel relays has no serial number.  Its legs have only an
 * address, and there is
 *   "spliced": {"state": "open" or "ended", "up": BYTES, "down": BYTES,
 *               "packets": N, "idle": SECONDS}
 */
#include <jansson.h>
#include <stdio.h>

#include "util/types.h"

/* An address as these objects have it. */
json_t *flow_address_json(const struct ipaddr *a, uint16_t port);

/* One line, without its end.  What an object lacks is left out. */
void flow_print(const json_t *flow, FILE *out);

#endif
