/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_API_FLOWS_H
#define PENSTOCK_API_FLOWS_H

/*
 * Flows as JSON objects: what control_ops.flows hands out, /api/flows answers,
 * and `penstockctl flows' prints.
 *
 *   {"service": NAME, "serial": N, "age_ms": N, "idle_ms": N, "client": LEG,
 *    "server": LEG, "faults": names of the faults that act on it, if any}
 *   LEG: {"address": "192.0.2.7:1234", "state": "ESTABLISHED", "inflight":
 *         BYTES, "queued": BYTES, "cwnd": BYTES, "wnd": BYTES, "rcv": BYTES,
 *         "srtt": MICROSECONDS, "cc": congestion control}, and those times
 *         of tcp/chrono.h that are not 0: "idle_ms", "app_ms", ...,
 *         "hole_ms", with "resent": SEGMENTS; and "info": INFO}
 *   INFO: what ss tells of a socket, by its names: "local": address, "recv_q",
 *         "send_q", "options": ["ts", "sack", ...], "timer": {"name", "ms",
 *         "retries"}, "rtt_us", "bytes_acked", ...; rates in bits a second,
 *         "cwnd", "ssthresh", "unacked", "lost", "sacked" in segments.  And
 *         "dropped": why a segment of the peer was last dropped
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
