/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_ENGINE_H
#define PENSTOCK_ENGINE_ENGINE_H

/*
 * The engine: the deterministic part of penstock.
 *
 * It reads no clock, no descriptor and no random device.  Time, secrets, seed
 * and memory are arguments; packets go in and come out.  An engine belongs to
 * one thread.  Engines share only immutable policies.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "shield/attack.h"
#include "shield/cookie.h"
#include "shield/known.h"
#include "shield/offenders.h"
#include "util/buf.h"
#include "util/hist.h"
#include "wire/packet.h"

struct engine;
struct commons;
struct journal;
struct paths;

/**
 * struct engine_cfg - What an engine is made of
 * @policy:     services; the engine takes a reference
 * @pool:       buffers; borrowed, outlives the engine
 * @paths:      path memory; borrowed, outlives the engine.  NULL: none
 * @journal:    notes all legs (crash/journal.h); borrowed, outlives the engine.
 *              NULL: none
 * @max_flows:  flows at once
 * @max_tw:     TIME_WAIT entries at once
 * @seed:       for every random choice that is not a secret
 * @secret:     keys of ISNs, timestamps offsets, cookies and hash tables are
 *              derived from it
 * @wall_offset_us: wall clock (Unix, us) minus monotonic clock
 * @cookie_epoch_s: secret_rotate, seconds; 0: the default
 * @worker:     this engine's number among several
 * @commons:    what they have in common; borrowed, outlives the engine.
 *              NULL: there is one only.  Its max_flows counts the flows of all;
 *              @max_flows then is what this engine reserves segments for
 */
struct engine_cfg {
	struct policy *policy;
	struct buf_pool *pool;
	struct paths *paths;
	struct journal *journal;
	uint32_t max_flows, max_tw;
	uint64_t seed;
	uint8_t secret[32];
	int64_t wall_offset_us;
	int64_t cookie_epoch_s;
	uint32_t worker;
	struct commons *commons;
};

/* NULL when memory cannot be reserved. */
struct engine *engine_new(const struct engine_cfg *cfg, mono_t now);
/* Frees every flow.  The peers are sent nothing. */
void engine_free(struct engine *e);

enum verdict {
	VERDICT_CONSUMED, /* accepted, or dropped and counted */
	VERDICT_PASS,	  /* not ours: the packet goes on unchanged */
	VERDICT_REPLY,	  /* consumed, and *reply is sent in its place */
	VERDICT_WORKER,	  /* this plus N: it is for worker N */
};

/**
 * engine_input() - A packet has arrived
 * @pkt:   the packet; its buffer is referenced where payload is kept
 * @reply: out, with VERDICT_REPLY: one stateless answer (SYN-ACK with cookie,
 *         RST), no payload.  It belongs to no flow, so nothing can overtake it.
 *         With @reply->tun_only it is the packet itself, which must leave
 *         through the TUN; its payload is in the packet's buffer
 */
enum verdict engine_input(struct engine *e, const struct packet *pkt,
			  mono_t now, struct tx *reply);

/**
 * engine_expect() - These packets come next
 * @pkt: @n of them, which go to engine_input() at once, one by one
 * Fetches what they are about, if there is so much that it is not in a cache.
 * Nothing changes but the time that it takes.
 */
void engine_expect(const struct engine *e, const struct packet *const *pkt,
		   int n);

/**
 * engine_pull() - What to send next
 * @tx:  out: @max packets' room The payload slices stay valid until the next
 * call into the engine.  Packets of one leg are in order, and must be sent in
 * that order.
 * Return: packets written; less than @max when there is nothing more to send
 * now
 */
int engine_pull(struct engine *e, struct tx *tx, int max, mono_t now);

/* When to call engine_expire(); MONO_NEVER when no timer runs. */
mono_t engine_deadline(const struct engine *e);
void engine_expire(struct engine *e, mono_t now);

/**
 * engine_set_wall() - Follow the wall clock, by which gateways share cookies
 * @offset_us: wall clock (Unix, us) minus monotonic clock
 *
 * Only forward: an epoch that is over, with the cookies spent in it, must not
 * return.  A smaller offset changes nothing.
 */
void engine_set_wall(struct engine *e, int64_t offset_us);

/* New flows follow @p from now on; running flows keep their policy. */
void engine_set_policy(struct engine *e, struct policy *p);

/* Accept no new connections. */
void engine_stop_accepting(struct engine *e);
/* Forget which servers have Fast Open, and trouble with it; NULL: of all. */
void engine_forget_fastopen(struct engine *e, const struct ipaddr *server);
/* Reset every flow. engine_pull() then returns RSTs to both peers. */
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

/**
 * struct engine_service - What an engine has of a service
 * @hist:      TCP_HIST_COUNT of them, by enum tcp_hist; borrowed
 * @draining:  it takes no new connections; may be written.  While it is set, its
 *             SYNs are treated as the service treats what is unknown.  It
 *             belongs to the name, so a reload does not change it
 * @half_open: handshakes that are not complete
 */
struct engine_service {
	const struct hist *hist;
	bool *draining;
	uint32_t half_open;
};

/* That of service @i of the policy; false: there is no such service. */
bool engine_service(struct engine *e, uint32_t i, struct engine_service *out);

/* Add the counts of admission of service @i of the policy to @c. */
void engine_attack_counts(const struct engine *e, uint32_t i,
			  struct attack_counts *c);

/**
 * engine_set_known() - Tell a filter which addresses the engine knows
 * @k: all zero; borrowed until the next call.  NULL: there is no filter any
 *     more
 *
 * These are client legs, half-open connections, TIME_WAIT, and clients that
 * spend a cookie from now on.
 */
void engine_set_known(struct engine *e, const struct known *k);

/* What service @i's answers by cookie offer. */
void engine_synack_offer(const struct engine *e, uint32_t i,
			 struct synack_offer *o);

enum front_wish {
	WISH_LEAVE,  /* leave SYNs to the engine: it has faults */
	WISH_CALM,   /* the engine would keep half-open connections */
	WISH_COOKIES /* the engine would answer them with cookies */
};

/**
 * engine_front() - The XDP front answers SYNs of service @i with the engine's
 * cookies
 * @sent: how many since the last call; they count as if this engine had sent
 *        them
 * @on:   it will go on: check cookies that come back Call this each second.
 */
enum front_wish engine_front(struct engine *e, uint32_t i, uint64_t sent,
			     bool on, mono_t now);

/* The sources that were refused most lately.  If @proven is false, their
 * addresses may be forged.  Borrowed; offender.service is a number for
 * engine_service_name(). */
const struct offenders *engine_offenders(const struct engine *e, bool proven);

/* Name of the service that refused an offender; "" when it is gone. */
const char *engine_service_name(const struct engine *e, uint32_t id);

#endif
