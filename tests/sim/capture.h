/* SPDX-License-Identifier: MIT */
#ifndef SIM_CAPTURE_H
#define SIM_CAPTURE_H

/*
 * A run as a pcapng file: three interfaces, the client's host, the engine and
 * the server's host.  What became of a packet on its way is in its comment.
 */
#include "sim/spkt.h"

struct capture;

/* Return: NULL, after a line on stderr, when @path cannot be written. */
struct capture *capture_open(const char *path);
/* Return: 0, or -1 after a line on stderr: the file is not whole. */
int capture_close(struct capture *c);

/**
 * capture_trace() - A line of the trace, as world_trace() has it
 * @what: "C snd", "E rcv", ...; "  lost" and the like tell what became of the
 *        packet before
 * @pkt:  NULL with the latter
 * @us:   virtual time since the run began, microseconds
 */
void capture_trace(struct capture *c, const char *what, const struct spkt *pkt,
		   int64_t us);

#endif
