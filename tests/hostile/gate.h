/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_GATE_H
#define PENSTOCK_TESTS_GATE_H

/*
 * A whole engine on a test bench.
 *
 *	client --- packets ---> engine --- packets ---> server
 *
 * The test plays both ends and the clock.  One service, 198.51.100.80:443;
 * clients are 192.0.2.0/24 and beyond.  Every packet goes in by engine_input(),
 * whatever may leave is pulled at once, parsed and recorded in tx[]; and
 * engine_check() holds after every step.
 */
#include <check.h>

#include "engine/engine.h"
#include "util/prng.h"
#include "wire/build.h"
#include "wire/segment.h"

#define GATE_TX_MAX 4096

/**
 * struct gate - The bench
 * @svc:     the service's policy; to be changed before gate_start() only
 * @replies: packets that went out in place of one that came in
 * @ts:      the server agrees on timestamps, gate_connect()
 * @ntx:     packets in @tx; those beyond GATE_TX_MAX are counted only
 */
struct gate {
	struct engine *e;
	struct engine_cfg cfg;
	struct service *svc;
	struct buf_pool pool;
	mono_t now;
	uint64_t replies, ntx;
	struct segment tx[GATE_TX_MAX];
	bool ts;
	bool unchecked; /* engine_check() walks all flows: not each time */
};

/**
 * struct conn - A connection through the engine
 * @t:    the client's segments: local = server, remote = client
 * @cseq: what the client sends next
 * @cack: and acknowledges
 * @sseq: what the server sends next
 * @sack: and acknowledges
 */
struct conn {
	struct tuple t;
	seq_t cseq, cack, sseq, sack;
};

void gate_init(struct gate *g, uint64_t pool_bytes);
void gate_start(struct gate *g);
void gate_fini(struct gate *g);

/* The addresses of client @n as the engine's client leg sees them. */
struct tuple gate_client(uint32_t n);

/* Feed a packet; *t is as the engine sees it (local = destination). */
enum verdict gate_send(struct gate *g, const struct tuple *t,
		       const struct hdr_spec *h, uint32_t len);
enum verdict gate_raw(struct gate *g, const void *data, uint32_t len,
		      uint32_t full_len);

/* Handshake of client @n and of the server's leg. */
void gate_connect(struct gate *g, struct conn *c, uint32_t n);
/* @len bytes from the client / from the server; not acknowledged. */
void gate_from_client(struct gate *g, struct conn *c, uint32_t len);
void gate_from_server(struct gate *g, struct conn *c, uint32_t len,
		      uint16_t flags);
void gate_run(struct gate *g, int64_t us);

/* Sum of a counter over all services; drops are "drop_REASON". */
uint64_t gate_counter(const struct gate *g, const char *name);
struct engine_gauges gate_gauges(const struct gate *g);

#endif
