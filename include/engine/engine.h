/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_ENGINE_H
#define PENSTOCK_ENGINE_ENGINE_H

/*
 * The engine: everything deterministic.
 *
 * It reads no clock, no descriptor and no random device: time, secrets, seed
 * and memory are arguments, packets go in and come out.  One engine belongs to
 * one thread; nothing is shared between engines but immutable policies.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "shield/attack.h"
#include "shield/known.h"
#include "shield/offenders.h"
#include "util/buf.h"
#include "wire/packet.h"

struct engine;
struct owners;

/**
 * struct engine_cfg - What an engine is made of
 * @policy:     services; the engine takes a reference
 * @pool:       buffers; borrowed, outlives the engine
 * @max_flows:  flows at once
 * @max_tw:     TIME_WAIT entries at once
 * @seed:       of every random choice that is not a secret
 * @secret:     keys of ISNs, timestamps offsets, cookies and hash tables are
 *              derived from it
 * @wall_offset_us: wall clock (Unix, us) minus monotonic clock
 * @cookie_epoch_s: secret_rotate, seconds; 0: the default
 * @worker:     this engine's number among @workers
 * @owners:     who of them has which connection; borrowed, outlives the engine.
 *              NULL: there is one only
 */
struct engine_cfg {
	struct policy *policy;
	struct buf_pool *pool;
	uint32_t max_flows, max_tw;
	uint64_t seed;
	uint8_t secret[32];
	int64_t wall_offset_us;
	int64_t cookie_epoch_s;
	uint32_t worker, workers;
	struct owners *owners;
};

/* NULL when memory cannot be reserved. */
struct engine *engine_new(const struct engine_cfg *cfg, mono_t now);
/* Frees every flow without a word to the peers. */
void engine_free(struct engine *e);

enum verdict {
	VERDICT_CONSUMED, /* taken (or dropped, and counted) */
	VERDICT_PASS,	  /* not ours: let it go on unchanged */
	VERDICT_REPLY,	  /* consumed, and *reply goes out in its place */
	VERDICT_WORKER,	  /* this plus N: it is for worker N */
};

/**
 * engine_input() - A packet has arrived
 * @pkt:   the packet; its buffer is referenced where payload is kept
 * @reply: out, with VERDICT_REPLY: one stateless answer (SYN-ACK with cookie,
 *         RST), no payload.  It belongs to no flow, so nothing can overtake it.
 *         With @reply->tun_only it is the packet itself, which is to leave
 *         through the TUN; its payload is in the packet's buffer
 */
enum verdict engine_input(struct engine *e, const struct packet *pkt,
			  mono_t now, struct tx *reply);

/**
 * engine_pull() - What to send next
 * @tx:  out: @max packets' room
 * The payload slices stay valid until the next call of any engine verb.
 * Packets of one leg come in order and must leave in that order.
 * Return: packets written; less than @max when nothing more is to be sent now
 */
int engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);

/* When engine_expire() has to be called; MONO_NEVER when no timer runs. */
mono_t engine_deadline(const struct engine *e);
void engine_expire(struct engine *e, mono_t now);

/**
 * engine_set_wall() - Follow the wall clock, by which gateways share cookies
 * @offset_us: wall clock (Unix, us) minus monotonic clock
 *
 * Only forward: an epoch that is over, and the cookies spent in it, does not
 * come back.  A smaller offset changes nothing.
 */
void engine_set_wall(struct engine *e, int64_t offset_us);

/* New flows follow @p from now on; running flows keep theirs. */
void engine_set_policy(struct engine *e, struct policy *p);

/* Stop taking new connections; engine_flows() falls as flows end. */
void engine_stop_accepting(struct engine *e);
/* Reset every flow: RSTs to both peers, to be pulled.  */
void engine_reset_all(struct engine *e, mono_t now);

/**
 * struct engine_gauges - How full the tables are
 */
struct engine_gauges {
	uint32_t flows, flows_max;
	uint32_t half_open;
	uint32_t time_wait, time_wait_max;
	uint64_t mem_held, mem_limit; /* bytes */
	uint32_t nodes, nodes_max;    /* of the out-of-order store */
	uint32_t sources;	      /* that have connections */
	uint32_t timers;
};

/* How full the tables are now. */
void engine_gauges(const struct engine *e, struct engine_gauges *g);

/**
 * struct engine_counter - A counter at one time
 * @name:    nstat's where the kernel has it; "drop_REASON" for drops
 * @help:    what it counts, in a line
 * @service: index into the policy's services, or -1 for the engine's own
 */
struct engine_counter {
	const char *name, *help;
	int service;
	uint64_t value;
};

/**
 * engine_counter() - Walk the counters
 * @i: 0, 1, 2, ... until false is returned
 * @c: out
 */
bool engine_counter(const struct engine *e, uint32_t i,
		    struct engine_counter *c);

/* Add what admission did for service @i of the policy to @c. */
void engine_attack_counts(const struct engine *e, uint32_t i,
			  struct attack_counts *c);

/**
 * engine_set_known() - Tell a filter who is known here, now and from now on
 * @k: all zero; borrowed until the next call.  NULL: nobody asks any more
 *
 * Client legs, half-open connections, TIME_WAIT, and who spends a cookie.  Who
 * has spent one before is not told.
 */
void engine_set_known(struct engine *e, const struct known *k);

enum front_wish {
	WISH_LEAVE,  /* leave SYNs to the engine: there are faults for them */
	WISH_CALM,   /* the engine would keep half-open connections */
	WISH_COOKIES /* the engine would answer them by cookies */
};

/**
 * engine_front() - Somebody before us answers SYNs of service @i by our cookies
 * @sent: so many since the last call; they count for the end of cookies as if
 *        this engine had sent them
 * @on:   and will go on: what comes back is to be looked at
 * To be called each second.
 */
enum front_wish engine_front(struct engine *e, uint32_t i, uint64_t sent,
			     bool on, mono_t now);

/* Who was refused most lately, whose address is proven or is not: anybody may
 * have sent what bears it.  Borrowed; offender.service is an index for
 * engine_service_name(). */
const struct offenders *engine_offenders(const struct engine *e, bool proven);

/* Name of the service that an offender was refused by; "" when it is gone. */
const char *engine_service_name(const struct engine *e, uint32_t index);

/**
 * struct engine_leg - An endpoint of ours, for those who show flows
 * @peer: whom it speaks to, at @port
 * @state: enum tcp_state
 * @queued_bytes: in the send queue, those in flight among them
 * @wnd_bytes: the peer's window
 * @rcv_wnd_bytes: ours
 */
struct engine_leg {
	struct ipaddr peer;
	uint16_t port;
	uint8_t state;
	uint32_t inflight_bytes, queued_bytes, cwnd_bytes;
	uint32_t wnd_bytes, rcv_wnd_bytes, srtt_us;
};

/**
 * struct engine_flow - A flow, for those who show it
 * @service: its name; borrowed
 * @serial:  number among the engine's flows, from 1
 * @leg:     to the client, to the server
 */
struct engine_flow {
	const char *service;
	uint64_t serial;
	struct engine_leg leg[2];
};

typedef void (*engine_flow_fn)(void *arg, const struct engine_flow *f);

/* @fn gets each flow, @max of them at most. */
void engine_walk_flows(const struct engine *e, uint32_t max, engine_flow_fn fn,
		       void *arg);

#endif
