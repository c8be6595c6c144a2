/* SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/*
 * One run: the peers, the network, and the engine (or, with @direct, a plain
 * wire) between them, driven through virtual time with oracles at every step.
 */
#include <stdio.h>

#include "engine/engine.h"
#include "shield/paths.h"
#include "sim/capture.h"
#include "sim/net.h"
#include "sim/peer.h"
#include "sim/plan.h"

struct conn {
	const struct conn_plan *plan;
	int id;
	bool knocked;	    /* what makes the engine dial has arrived */
	bool answered;	    /* so has what proves the client's address */
	bool started, sole; /* sole: nobody else has its addresses */
	int64_t started_at;
	struct saddr caddr;
	struct peer *client;
	struct peer *server; /* the current one */
	struct peer *served; /* the one that was established */
};

/* A SYN towards the server: whose connection it is for. */
struct dial {
	struct saddr caddr;
	uint32_t seq;
	struct conn *conn;
};

/**
 * struct result - What a run came to, for budgets
 * @done_us: until the last byte was received
 * @end_us:  until the engine's last packet
 * @data, @retx, @acks: of all that peers were sent, see struct tap
 * @flight:  most bytes on their way to a peer, as its ACKs left it
 * @wait:    most bytes in a send queue of the engine that it had not yet sent;
 *           only with lowat_kb
 * @pkts:    packets that the engine sent
 * @spliced: connections that the engine handed over
 */
struct result {
	int64_t done_us, end_us;
	uint64_t data, retx, acks, flight, wait, pkts, spliced;
};

struct world {
	struct plan *plan;
	bool direct;
	FILE *trace;
	struct capture *capture;
	int64_t now, epoch, pull_at;
	struct net net;
	struct conn conn[PLAN_CONNS];
	struct peer **peer;
	uint32_t npeer, peer_room;
	struct peer_ops ops;
	struct dial dial[64];
	uint32_t ndial;
	struct prng rng;
	struct saddr listen, server; /* as clients and as we address it */
	/* the engine */
	struct engine *engine;
	struct known known;
	struct translator *translator;	 /* NULL: no relay = splice */
	struct buf_pool pools[2], *pool; /* the engine's is one of them */
	struct paths paths;
	uint64_t pool_base;
	bool reset_done;
	uint32_t renewed; /* times that renew() was called */
	/* bounds */
	uint64_t steps, steps_max, engine_pkts, wait;
	int64_t last_tx, flood_at, reload_at;
	bool failed;
	char failure[400];
};

/**
 * struct view - What of a run can be seen, on request
 * @trace:   a line for every packet goes here, or NULL
 * @capture: and the packets themselves here, or NULL
 */
struct view {
	FILE *trace;
	struct capture *capture;
};

/**
 * world_run() - Play one plan to its end
 * @view:   or NULL: nothing is shown
 * @failure: out: what went wrong
 * @res:     out, or NULL
 * Return: 0, or -1 with @failure
 */
int world_run(struct plan *p, bool direct, const struct view *view,
	      char *failure, size_t failurelen, struct result *res);

void world_fail(struct world *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *what, const struct spkt *pkt);

/* hosts.c: the two hosts at the ends. */
void hosts_init(struct world *w);
void hosts_fini(struct world *w);
void hosts_start_due(struct world *w);
int64_t hosts_deadline(const struct world *w);
void hosts_expire(struct world *w);
void hosts_receive(struct world *w, int link, const struct spkt *pkt);
/* An ICMP error of the engine reaches a host, by no link. */
void hosts_icmp(struct world *w, const struct spkt *pkt);
bool hosts_done(const struct world *w);
/* The peer that a packet to this address reaches, and its counterpart. */
struct peer *hosts_find(struct world *w, const struct sseg *s,
			struct peer **other);

/* A SYN leaves for the server; a packet of @from reached the middle. */
void hosts_note_dial(struct world *w, const struct sseg *s);
void hosts_note_arrival(struct world *w, struct peer *from,
			const struct sseg *s);
/* What completes a server's handshake is sent: has the client done so? */
void hosts_check_proof(struct world *w, const struct sseg *s);

/* middle.c: the engine between them. */
int middle_init(struct world *w);
void middle_fini(struct world *w);
void middle_input(struct world *w, int link, struct spkt *pkt);
void middle_pull(struct world *w);
int64_t middle_deadline(const struct world *w);
void middle_expire(struct world *w);
void middle_check(struct world *w);
void middle_check_end(struct world *w);
bool middle_idle(const struct world *w);

void middle_give(struct world *w, struct spkt *pkt);
void middle_send_on(struct world *w, int link, struct spkt *pkt);
struct policy *middle_policy(const struct world *w);

/* Unix time minus the engine's clock. */
#define MIDDLE_WALL_US (1700000000ll * 1000000)
void middle_emit(struct world *w, const struct tx *tx);
/* A new engine, whose buffers @pool gets.  @salt: another secret. */
struct engine *middle_engine(struct world *w, struct buf_pool *pool,
			     int64_t max_flows, uint8_t salt);

/* renew.c: the engine is saved, and another one goes on with its state. */
int64_t renew_deadline(const struct world *w);
void renew(struct world *w);

/* translate.c: relay = splice. */
struct translator *translate_new(struct world *w);
void translate_free(struct translator *tr);
/* True: @pkt is of a spliced connection, and was changed.  NULL is fine. */
bool translate(struct translator *tr, struct spkt *pkt, bool tun);
/* Connections that were handed over. */
uint64_t translate_count(const struct translator *tr);

/* A spoofed address: nobody is there. */
struct saddr hosts_stranger(const struct world *w, struct prng *r);
bool hosts_is_stranger(const struct world *w, const struct saddr *a);

/* noise.c: what third parties and the operator do. */
void noise_init(struct world *w);
int64_t noise_deadline(const struct world *w);
void noise_expire(struct world *w);
/* A packet of @from reached the engine: forge one like it? */
void noise_blind(struct world *w, const struct peer *from,
		 const struct sseg *s);
/* True: the path towards the peers does not take @pkt, which is consumed. */
bool noise_path(struct world *w, int link, struct spkt *pkt);

/* judge.c: what must be true of every connection in the end. */
void judge_outcomes(struct world *w);

#endif
