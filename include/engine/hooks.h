/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_HOOKS_H
#define PENSTOCK_ENGINE_HOOKS_H

/*
 * Where a wing above the engine takes part in what happens to connections, and
 * what it may ask of the engine.  There are two: faults (src/impair, struct
 * engine_hooks) and relay = splice (src/splice, struct splice_hooks).
 *
 * An engine begins without hooks, and each place where they are called costs
 * one branch then.  With hooks, what concerns a flow is called for flows that
 * are marked (flow.hooked, flow.held); what concerns all packets is called for
 * all.
 */
#include "engine/counters.h"
#include "engine/engine.h"
#include "tcp/leg.h"
#include "util/slablist.h"

struct svc;

#define FLOW_SERIAL_BITS 22
#define FLOW_SERIAL_MASK (BIT(FLOW_SERIAL_BITS) - 1)

/**
 * struct flow - One proxied connection
 * @leg:     client leg, server leg
 * @dialled: the server leg was opened
 * @counted: it counts as half open
 * @orphan:  one leg is left, and counted as such
 * @tfo_in:  the client began with Fast Open; its handshake is not complete
 * @tfo_out: the server leg's SYN had a Fast Open option
 * @proven:  the client's address is its own: it has answered our SYN-ACK, or
 *           brought a Fast Open cookie.  Until then the server leg is mute
 * @waiting: the server leg's 4-tuple is still taken by its last incarnation
 * @ready_prev: in the list of those that may have something to send; with
 *           @ready_next, valid with @ready
 * @in_all:  place among all flows
 * @in_waiting: among those whose 4-tuple is in use; valid with @waiting
 * @serial:  lowest bits of its number among the engine's flows, from 1
 * @hooked:  engine_hooks are called for it; only faults write it
 * @held:    its packets are held until it is spliced; only src/splice writes it
 * @source:  number of its source plus 1; 0: the client is not proven
 * @charged_nodes: of the out-of-order store, charged to the source
 * @charged_bytes: of buffers, true size, charged to the source
 */
struct flow {
	struct leg leg[2];
	struct svc *svc;
	struct flow *ready_prev, *ready_next;
	struct slab_link in_all, in_waiting;
	uint32_t wait_ms; /* ms clock: waiting since */
	bool ready : 1, dialled : 1, counted : 1, waiting : 1;
	bool tfo_in : 1, tfo_out : 1, orphan : 1, hooked : 1, proven : 1;
	bool held : 1;
	uint32_t serial : FLOW_SERIAL_BITS;
	uint32_t source, charged_nodes, charged_bytes;
};

/* The flow that a leg belongs to. */
static inline struct flow *leg_flow(struct leg *l)
{
	return (struct flow *)(l - l->side);
}

/**
 * struct engine_hooks - What the engine calls; every member is set
 * @bind:      a flow was made: is it to be hooked?
 * @unbind:    a hooked flow is about to go
 * @input:     a segment has arrived for a leg of a hooked flow.  In place of
 *             flow_take(), which may be called later, or never
 * @admit:     a segment has arrived that no leg takes.  In place of admit()
 * @flow_pull: what a hooked flow sends next: in place of leg_output()
 * @pull:      @n packets of no flow are in @tx already, to be judged; adds what
 *             else is ready.  Return: packets in @tx
 * @relay:     events of a leg of a hooked flow (LEG_EV_*) are on their way to
 *             the other leg.  Return: those that go on now
 * @pending:   bytes on their way to the send queue of leg @to
 * @deadline:  when @expire has to be called
 * @expire:    it is time
 * @free:      the engine is about to go, its flows are gone
 *
 * @wing of each is what engine_hook() was given.
 */
struct engine_hooks {
	void (*bind)(void *wing, struct flow *f);
	void (*unbind)(void *wing, struct flow *f);
	enum verdict (*input)(void *wing, struct leg *l,
			      const struct segment *s, mono_t now,
			      struct tx *reply);
	enum verdict (*admit)(void *wing, const struct segment *s, mono_t now,
			      struct tx *reply);
	int (*flow_pull)(void *wing, struct flow *f, struct tx *tx, int max,
			 mono_t now);
	int (*pull)(void *wing, struct tx *tx, int n, int max, mono_t now);
	uint16_t (*relay)(void *wing, struct flow *f, struct leg *l,
			  uint16_t ev, mono_t now);
	uint32_t (*pending)(const void *wing, const struct flow *f, int to);
	mono_t (*deadline)(const void *wing);
	void (*expire)(void *wing, mono_t now);
	void (*free)(void *wing);
};

/**
 * engine_hook() - Call these from now on
 * @h:    borrowed
 * @wing: handed to each of them
 * Flows that live already are not hooked by this.
 */
void engine_hook(struct engine *e, const struct engine_hooks *h, void *wing);
/* What engine_hook() was given; NULL before that. */
void *engine_wing(const struct engine *e);

/**
 * struct splice_hooks - What the engine calls for relay = splice; all are set
 * @begin:  a verb begins: what the shell has sent is gone.  @pkt: the packet
 *          that the verb is about, or NULL
 * @input:  a segment that no leg takes.  True: it was dealt with by *@v
 * @icmp:   an error about no leg of ours.  True: @tx is to leave in its place
 * @open:   a cookie or the SYN queue has opened a flow of a spliced service,
 *          whose packets may be held from now on (flow.held)
 * @above:  the server leg at @t is about to be dialled: make its numbers
 *          acceptable to the server
 * @dial:   of a held flow: in place of leg_open_active()
 * @hold:   of a held flow: a segment for its leg.  True: it was taken; it does
 *          not go to the leg
 * @drop:   a held flow is about to go
 * @look:   a held flow has nothing to send
 * @due:    is @expire to be called at once?
 * @expire: it is time
 * @pull:   packets of flows that were handed over.  Return: packets in @tx
 * @free:   the engine is about to go, its flows are gone
 *
 * @wing of each is what engine_hook_splice() was given.
 */
struct splice_hooks {
	void (*begin)(void *wing, const struct packet *pkt);
	bool (*input)(void *wing, const struct segment *s, mono_t now,
		      struct tx *reply, enum verdict *v);
	bool (*icmp)(void *wing, const struct icmp_error *i, struct tx *tx);
	void (*open)(void *wing, struct flow *f);
	void (*above)(const void *wing, const struct tuple *t, mono_t now,
		      seq_t *iss, uint32_t *ts_off);
	void (*dial)(void *wing, struct flow *f, seq_t iss, uint32_t ts_off,
		     mono_t now);
	bool (*hold)(void *wing, struct leg *l, const struct segment *s,
		     mono_t now);
	void (*drop)(void *wing, struct flow *f);
	void (*look)(void *wing, struct flow *f);
	bool (*due)(const void *wing);
	void (*expire)(void *wing, mono_t now);
	int (*pull)(void *wing, struct tx *tx, int max);
	void (*free)(void *wing);
};

/**
 * engine_hook_splice() - Call these from now on, for services with relay =
 * splice
 * @h:    borrowed
 * @wing: handed to each of them
 */
void engine_hook_splice(struct engine *e, const struct splice_hooks *h,
			void *wing);

/**
 * struct server_answer - What a server last agreed to (relay = splice)
 * @lacks: OPT_HAS_* that it does not have, though it was asked
 * @mss:   bytes; 0: not known yet
 *
 * A client of a spliced service is offered no more than this.  The wing writes
 * it.
 */
struct server_answer {
	uint8_t lacks;
	uint16_t mss;
};

/* That of a flow's service; lives as long as the service's counters. */
struct server_answer *flow_server_answer(const struct flow *f);
/* The most that our SYN-ACKs promise to clients of the flow's service now. */
uint16_t flow_promised_mss(const struct flow *f);
uint16_t flow_promised_wnd(const struct flow *f);

/* What the engine was made of: struct engine_cfg. */
struct buf_pool *engine_pool(const struct engine *e);
uint64_t engine_seed(const struct engine *e);
uint32_t engine_max_flows(const struct engine *e);
/* The latest time that it was told. */
mono_t engine_now(const struct engine *e);
/* Count a packet that goes no further. */
void engine_drop(struct engine *e, enum drop_reason why);
/* Count an event: of the engine, of a flow's service. */
void engine_count(struct engine *e, enum engine_counter_id which);
void flow_count(const struct flow *f, enum shield_counter_id which);
/* A keyed hash: nobody outside can choose tuples that collide. */
uint64_t engine_hash(const struct engine *e, const struct tuple *t);
/* A flow's place among engine_max_flows(), from 0. */
uint32_t engine_flow_index(const struct engine *e, const struct flow *f);
/* All flows, the newest first; NULL behind the last. */
struct flow *engine_flow_first(const struct engine *e);
struct flow *engine_flow_next(const struct engine *e, const struct flow *f);
/* The name of a flow's service. */
const char *flow_service(const struct flow *f);
/* That of the service that takes what clients send to @a and @port, or NULL. */
const char *engine_service_at(struct engine *e, const struct ipaddr *a,
			      uint16_t port);

/* The leg with these addresses, or NULL. */
struct leg *table_find(struct engine *e, const struct tuple *t);
/* It is found no more; also when it was not. */
void table_remove(struct engine *e, struct leg *l);

/* A leg takes a segment; its flow may be gone afterwards. */
enum verdict flow_take(struct engine *e, struct leg *l, const struct segment *s,
		       mono_t now, struct tx *reply);
/* A segment that no leg takes. */
enum verdict admit(struct engine *e, const struct segment *s, mono_t now,
		   struct tx *reply);

/* Without a word to its peers. */
void flow_free(struct engine *e, struct flow *f);
/* Act on the legs' events, put the flow on the ready list, free it when
 * nothing is left to do. */
void flow_settle(struct engine *e, struct flow *f, mono_t now);
/* Put it on the ready list: it may have something to send. */
void flow_ready(struct engine *e, struct flow *f);
/* The other leg's peer has ended: what @other's peer gets for it. */
void flow_relay_fin(struct flow *f, struct leg *other, mono_t now);

#endif
