/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_HOOKS_H
#define PENSTOCK_ENGINE_HOOKS_H

/*
 * The hooks of the engine: where a module above it (a wing) takes part, and
 * which functions of the engine it may call.  There are two wings: faults
 * (src/impair, struct engine_hooks) and relay = splice (src/splice, struct
 * splice_hooks).
 *
 * An engine begins without hooks; each place that would call one then costs one
 * branch.  Hooks for flows are called only for flows that are marked
 * (flow.hooked, flow.held), hooks for packets for all of them.
 */
#include "engine/counters.h"
#include "engine/engine.h"
#include "shield/share.h"
#include "tcp/leg.h"
#include "util/slablist.h"

struct svc;
struct synq;
struct tw_table;
struct spent;
struct validated;
struct shared_count;

#define FLOW_SERIAL_BITS 22
#define FLOW_SERIAL_MASK (BIT(FLOW_SERIAL_BITS) - 1)

/**
 * struct flow - One proxied connection
 * @leg:     client leg, server leg
 * @dialled: the server leg was opened
 * @counted: it counts as half open
 * @orphan:  one leg is left, and it is counted as an orphan
 * @tfo_in:  the client began with Fast Open; its handshake is not complete
 * @tfo_out: the server leg's SYN had a Fast Open option
 * @proven:  the client has proven its address: it has answered our SYN-ACK or
 *           sent a Fast Open cookie.  Until then the server leg is mute
 * @waiting: the server leg's 4-tuple is still used by its last incarnation
 * @ready_prev: in the list of flows that may have something to send; with
 *           @ready_next, valid with @ready
 * @opened:  when it was made
 * @in_all:  its place in the list of all flows
 * @in_waiting: its place in the list of waiting flows; valid with @waiting
 * @serial:  lowest bits of its number among the engine's flows, from 1
 * @hooked:  engine_hooks are called for it; only src/impair writes it
 * @held:    its packets are held until it is spliced; only src/splice writes it
 * @charge:  what its source is charged for it
 */
struct flow {
	struct leg leg[2];
	struct svc *svc;
	struct flow *ready_prev, *ready_next;
	mono_t opened;
	struct slab_link in_all, in_waiting;
	uint32_t wait_ms; /* waiting since, ms clock */
	bool ready : 1, dialled : 1, counted : 1, waiting : 1;
	bool tfo_in : 1, tfo_out : 1, orphan : 1, hooked : 1, proven : 1;
	bool held : 1;
	uint32_t serial : FLOW_SERIAL_BITS;
	struct share_charge charge;
};

/* The flow that a leg belongs to. */
static inline struct flow *leg_flow(struct leg *l)
{
	return (struct flow *)(l - l->side);
}

/**
 * struct engine_hooks - What the engine calls; every member must be set
 * @bind:      a flow was made; sets flow.hooked if it wants to
 * @unbind:    a hooked flow is about to be freed
 * @input:     a segment has arrived for a leg of a hooked flow.  Called in
 *             place of flow_take(), which the hook may call later, or never
 * @admit:     a segment of no leg has arrived.  Called in place of admit()
 * @flow_pull: what a hooked flow sends next.  Called in place of leg_output()
 * @pull:      @tx has @n packets of no flow, which may be changed; the hook
 *             adds what else is ready.  Return: packets in @tx
 * @relay:     events (LEG_EV_*) of a leg of a hooked flow, before they reach
 *             the other leg.  Return: those that are relayed now
 * @pending:   bytes that are held on the way to the send queue of leg @to
 * @deadline:  when to call @expire
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
 * @wing: handed to each of them Flows that exist already are not hooked by
 * this.
 */
void engine_hook(struct engine *e, const struct engine_hooks *h, void *wing);
/* The @wing of engine_hook(); NULL before it was called. */
void *engine_wing(const struct engine *e);

/**
 * struct splice_hooks - What the engine calls for relay = splice; every member
 * must be set
 * @begin:  a call into the engine begins: what was pulled before has been sent.
 *          @pkt: the packet of the call, or NULL
 * @input:  a segment of no leg.  True: it was handled; the verdict is *@v
 * @icmp:   an ICMP error about no leg.  True: @tx is sent in its place
 * @open:   a cookie or the SYN queue has opened a flow of a spliced service.
 *          Its packets may be held from now on (flow.held)
 * @above:  the server leg with addresses @t is about to be dialled: make its
 *          numbers acceptable to the server
 * @dial:   dial the server of a held flow.  Called in place of
 *          leg_open_active()
 * @hold:   a segment for a leg of a held flow.  True: it was held, and does not
 *          go to the leg
 * @drop:   a held flow is about to be freed
 * @look:   a held flow has nothing to send
 * @due:    must @expire be called at once?
 * @expire: it is time
 * @pull:   adds packets of flows that were handed over.  Return: packets in @tx
 * @count:  connections of @client at @service that were handed over and have
 *          not ended.  *@all: those of all clients
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
	uint32_t (*count)(const void *wing, const char *service,
			  const struct ipaddr *client, uint32_t *all);
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
 * struct engine_watch - Who looks on; each member must be set
 * @opened: both sides of a flow are connected
 * @ended:  a flow is about to be freed
 */
struct engine_watch {
	void (*opened)(void *arg, const struct flow *f, mono_t now);
	void (*ended)(void *arg, const struct flow *f, mono_t now);
};

/* Call these from now on, with @arg; borrowed. */
void engine_watch(struct engine *e, const struct engine_watch *w, void *arg);

/**
 * struct server_answer - What a server last agreed to (relay = splice)
 * @lacks: OPT_HAS_* that it was offered and did not accept
 * @mss:   bytes; 0: not known yet
 *
 * A client of a spliced service is offered only this.  The wing writes it.
 */
struct server_answer {
	uint8_t lacks;
	uint16_t mss;
};

/* The one of a flow's service; valid as long as the service's counters. */
struct server_answer *flow_server_answer(const struct flow *f);
/* The largest MSS that our SYN-ACKs now offer to clients of the flow's
 * service. */
uint16_t flow_promised_mss(const struct flow *f);
uint16_t flow_promised_wnd(const struct flow *f);

/* What all legs share; its counters are NULL. */
const struct leg_env *engine_leg_env(const struct engine *e);
/* The buffer pool of the engine (struct engine_cfg). */
static inline struct buf_pool *engine_pool(const struct engine *e)
{
	return engine_leg_env(e)->pool;
}

/* The seed of struct engine_cfg. */
uint64_t engine_seed(const struct engine *e);
/* Room for flows. */
uint32_t engine_max_flows(const struct engine *e);
/* Memory that the wings of all engines share: @size bytes, zero at first.
 * NULL: there is one engine only, or no memory. */
void *engine_in_common(const struct engine *e, size_t size);
/* The latest time that the engine was told. */
mono_t engine_now(const struct engine *e);
/* Count a dropped packet. */
void engine_drop(struct engine *e, enum drop_reason why);
/* Count an event of the engine, or of a flow's service. */
void engine_count(struct engine *e, enum engine_counter_id which);
void flow_count(const struct flow *f, enum shield_counter_id which);
/* A keyed hash: nobody outside can choose tuples that collide. */
uint64_t engine_hash(const struct engine *e, const struct tuple *t);
/* The index of a flow, from 0, below engine_max_flows(). */
uint32_t engine_flow_index(const struct engine *e, const struct flow *f);
/* Walk all flows, newest first; NULL after the last. */
struct flow *engine_flow_first(const struct engine *e);
struct flow *engine_flow_next(const struct engine *e, const struct flow *f);
/* The flow's number among all flows since the start, from 1. */
uint64_t flow_serial(const struct engine *e, const struct flow *f);
/* The name of a flow's service. */
const char *flow_service(const struct flow *f);
/* The name of the service for what clients send to @a and @port, or NULL. */
const char *engine_service_at(struct engine *e, const struct ipaddr *a,
			      uint16_t port);

/* Why a connection of another process cannot be received. */
enum flow_refusal {
	FLOW_WELCOME,
	FLOW_NO_SERVICE,
	FLOW_DENIED,
	FLOW_NO_ROOM
};

/**
 * flow_receive() - Make a flow for a connection of another process
 * @t: its client leg's addresses
 * Its legs and flags are the caller's to fill in; then flow_received().
 * Return: NULL with *@why
 */
struct flow *flow_receive(struct engine *e, const struct tuple *t,
			  enum flow_refusal *why);

/**
 * flow_received() - The flow is whole: count it as what it is
 * @source: its client is proven, and counts for max_per_source
 * Return: false: the addresses of its server leg are another flow's.  Then the
 * caller frees it
 */
bool flow_received(struct engine *e, struct flow *f, bool source);

/**
 * struct engine_tables - What src/handover saves of admission
 * @epoch:  of cookies
 * @secret_id: the same for the same secret
 * @strays: set it when packets of the engine's connections may come to other
 *          workers; NULL: there are none
 */
struct engine_tables {
	struct synq *synq;
	struct tw_table *tw;
	struct spent *spent;
	struct validated *validated;
	int64_t epoch;
	uint64_t secret_id;
	bool *strays;
};

/* The tables, and the epoch at the time @now. */
struct engine_tables engine_tables(struct engine *e, mono_t now);

/**
 * struct engine_slot - A service, as those tables number them
 * @id:    its number in tables by source
 * @in_use: the policy has it
 * @half_open: connections; shared_add()
 * @cookies_until: cookies that were sent may come back until then
 * @draining: it takes no new connections
 */
struct engine_slot {
	const char *name;
	uint32_t id;
	bool in_use;
	struct shared_count *half_open;
	mono_t *cookies_until;
	bool *draining;
};

/* Number @i; false: there are no more. */
bool engine_slot(const struct engine *e, uint32_t i, struct engine_slot *out);
/* The TSval of a SYN-ACK to @t. */
uint32_t engine_tsval(struct engine *e, uint32_t slot, const struct tuple *t,
		      mono_t now);

/* The leg with these addresses, or NULL. */
struct leg *table_find(struct engine *e, const struct tuple *t);
/* Remove a leg from the table, if it is there. */
void table_remove(struct engine *e, struct leg *l);

/* Give a segment to a leg.  Its flow may be gone afterwards. */
enum verdict flow_take(struct engine *e, struct leg *l, const struct segment *s,
		       mono_t now, struct tx *reply);
/* Handle a segment that belongs to no leg. */
enum verdict admit(struct engine *e, const struct segment *s, mono_t now,
		   struct tx *reply);

/* Free a flow.  Its peers are sent nothing. */
void flow_free(struct engine *e, struct flow *f);
/* Act on the events of both legs.  Put the flow on the ready list, or free it
 * if nothing is left to do. */
void flow_settle(struct engine *e, struct flow *f, mono_t now);
/* Put a flow on the ready list: it may have something to send. */
void flow_ready(struct engine *e, struct flow *f);
/* The peer of one leg has sent its FIN: relay it to the peer of @other. */
void flow_relay_fin(struct flow *f, struct leg *other, mono_t now);

#endif
