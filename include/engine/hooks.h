/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_HOOKS_H
#define PENSTOCK_ENGINE_HOOKS_H

/*
 * Where a wing above the engine takes part in what happens to connections, and
 * what it may ask of the engine.  There is one such wing: faults (src/impair).
 *
 * An engine begins without hooks, and each place where they are called costs
 * one branch then.  With hooks, what concerns a flow is called for flows that
 * are marked (flow.hooked); what concerns all packets is called for all.
 */
#include "engine/engine.h"
#include "tcp/leg.h"

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
 * @serial:  lowest bits of its number among the engine's flows, from 1
 * @hooked:  hooks are called for it; the one field that a wing writes
 * @held:    its packets are held until it is spliced
 * @source:  number of its source plus 1; 0: the client is not proven
 * @charged_nodes: of the out-of-order store, charged to the source
 * @charged_bytes: of buffers, true size, charged to the source
 */
struct flow {
	struct leg leg[2];
	struct svc *svc;
	struct flow *prev, *next;
	struct flow *ready_next;
	uint32_t wait_prev, wait_next; /* place in the slab plus 1; 0: none */
	uint32_t wait_ms;	       /* ms clock: waiting since */
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

/* What the engine was made of: struct engine_cfg. */
struct buf_pool *engine_pool(const struct engine *e);
uint64_t engine_seed(const struct engine *e);
uint32_t engine_max_flows(const struct engine *e);
/* The latest time that it was told. */
mono_t engine_now(const struct engine *e);
/* Count a packet that goes no further. */
void engine_drop(struct engine *e, enum drop_reason why);
/* All flows: the first; the others by flow.next. */
struct flow *engine_flow_first(const struct engine *e);
/* The name of a flow's service. */
const char *flow_service(const struct flow *f);
/* That of the service that takes what clients send to @a and @port, or NULL. */
const char *engine_service_at(struct engine *e, const struct ipaddr *a,
			      uint16_t port);

/* The leg with these addresses, or NULL. */
struct leg *table_find(const struct engine *e, const struct tuple *t);
/* It is found no more; also when it was not. */
void table_remove(struct engine *e, struct leg *l);

/* A leg takes a segment; its flow may be gone afterwards. */
enum verdict flow_take(struct engine *e, struct leg *l, const struct segment *s,
		       mono_t now, struct tx *reply);
/* A segment that no leg takes. */
enum verdict admit(struct engine *e, const struct segment *s, mono_t now,
		   struct tx *reply);

/* Act on the legs' events, put the flow on the ready list, free it when
 * nothing is left to do. */
void flow_settle(struct engine *e, struct flow *f, mono_t now);
/* Put it on the ready list: it may have something to send. */
void flow_ready(struct engine *e, struct flow *f);
/* The other leg's peer has ended: what @other's peer gets for it. */
void flow_relay_fin(struct flow *f, struct leg *other, mono_t now);

/* Replies without state. */
void answer_rst(struct tx *tx, const struct segment *s);
void answer_ack(struct tx *tx, const struct segment *s, seq_t seq, seq_t ack,
		uint16_t wnd, const struct tcp_opts *o);
void answer_syn_ack(struct tx *tx, const struct segment *s, seq_t iss,
		    uint16_t wnd, bool ecn, const struct tcp_opts *o);

#endif
