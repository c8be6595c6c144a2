/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_ENGINE_INTERNAL_H
#define PENSTOCK_ENGINE_INTERNAL_H

/*
 * What the files of src/engine share.  No other module includes this.
 */
#include <assert.h>
#include <errno.h>

#include "engine/engine.h"
#include "engine/hooks.h"
#include "shield/access.h"
#include "shield/cookie.h"
#include "shield/doubts.h"
#include "shield/known.h"
#include "shield/commons.h"
#include "shield/pressure.h"
#include "shield/share.h"
#include "shield/spent.h"
#include "shield/synq.h"
#include "shield/tfo.h"
#include "shield/timewait.h"
#include "tcp/isn.h"
#include "tcp/leg.h"
#include "tcp/table.h"
#include "util/hash.h"

/* Service names: of this policy, of the last one, and of still older flows */
#define STAT_SLOTS (2 * SERVICES_MAX)

/* Counters of a service, kept by name across reloads; @users: services. */
struct svc_stats {
	char name[SERVICE_NAME_MAX + 1];
	struct tcp_stats tcp;
	uint64_t shield[SC_COUNT];
	struct pressure pressure;
	mono_t cookies_until; /* the last one sent is valid until then */
	struct tfo_pending tfo_pending;
	struct server_answer server;
	struct shared_count half_open, orphans;
	uint32_t users;
	uint32_t id; /* in the shield's tables */
	bool draining;
};

/**
 * struct svc - A service in use
 * @cfg: its policy, owned by the policy of @set
 * @set: the set that it belongs to; flows hold references to the set
 * @index: of its counters in engine.slots; a reload does not change it
 */
struct svc {
	const struct service *cfg;
	struct svc_set *set;
	struct engine *engine;
	struct svc_stats *stats;
	struct leg_env env;
	uint16_t index;
};

/* All services of one policy; lives until its last flow ends. */
struct svc_set {
	uint32_t refs;
	struct policy *policy;
	uint32_t n;
	struct svc svc[];
};

struct engine {
	struct leg_env env; /* common to all services */
	struct slab flows, runs, ooo, bbrs;
	struct wheel wheel;
	struct prng rng;
	struct buf_pool *pool;
	struct leg_table table;
	struct hash_key isn_key;
	struct cookie_keys cookies;
	struct spent spent;
	struct synq synq;
	struct access access;
	struct ratelimit cookie_fails; /* by source */
	struct doubts doubts;
	struct shares shares;
	struct tfo_cache tfo_cache;
	struct tfo_blackhole tfo_blackhole;
	struct tfo_keys tfo_keys; /* derived from the secret, for @tfo_period */
	int64_t tfo_period;
	uint8_t secret[32];
	struct tw_table tw;
	int64_t wall_offset_us;
	uint64_t seed;
	const struct engine_hooks *hooks; /* NULL: none */
	void *wing;			  /* of @hooks */
	const struct known *known; /* table of the front; NULL: no front */
	struct commons *commons;   /* NULL: there is one worker only */
	struct owners *owners;	   /* of @commons */
	uint32_t worker;
	bool strays; /* what servers send may come by other workers */
	const struct engine_watch *watch; /* NULL: nobody */
	void *watch_arg;
	const struct splice_hooks *splice; /* NULL: no translator */
	void *splicer;			   /* of @splice */
	struct slab_list all;		   /* flows, oldest first */
	bool evicting;			   /* its RSTs are not sent yet */
	struct flow *sample; /* where the next search for a slow flow begins */
	struct flow *ready_head, *ready_tail;
	/* flows that dial once their 4-tuple is free, in order of their next
	 * try */
	struct slab_list waiting;
	mono_t wait_at; /* when to try again */
	mono_t now;	/* the latest time the engine was told */
	struct svc_set *set;
	bool stopping;
	uint64_t count[EC_COUNT];
	uint64_t drop[DROP_REASON_COUNT];
	struct svc_stats *slots;
	uint32_t nslots;
};

/* Unix time, seconds. */
static inline int64_t engine_wall_s(const struct engine *e, mono_t now)
{
	return (now.us + e->wall_offset_us) / USEC_PER_SEC;
}

/* services.c */
struct svc_set *svc_set_new(struct engine *e, struct policy *p);
void svc_set_put(struct svc_set *s);
/* Our sequence number and timestamp offset (0 with tcp_timestamps = 2). */
void svc_isn(const struct svc *s, const struct tuple *t, mono_t now, seq_t *isn,
	     uint32_t *ts_off);
/* The service of an index; NULL when a reload has removed it. */
struct svc *svc_by_index(struct engine *e, uint16_t index);
/* The same, if its listen keys still match @a and @port. */
struct svc *svc_if_taken(struct engine *e, uint16_t index,
			 const struct ipaddr *a, uint16_t port);
/* By the address that clients use, or that the server answers from. */
struct svc *svc_for_client(struct engine *e, const struct ipaddr *a,
			   uint16_t port);
struct svc *svc_for_server(struct engine *e, const struct ipaddr *a,
			   uint16_t port);
/* May its connections be handed to the splice wing? */
static inline bool svc_splices(const struct svc *s)
{
	return s->engine->splice && s->cfg->relay == RELAY_SPLICE;
}

/* The server leg's addresses, for a client leg's @t. */
void svc_server_tuple(const struct svc *s, const struct tuple *t,
		      struct tuple *out);

/* Walk all flows, newest first.  None may be freed meanwhile. */
#define for_each_flow(e, f) \
	for ((f) = engine_flow_first(e); (f); (f) = engine_flow_next(e, f))

/* flow.c */
/* Take @f off the ready list. */
void flow_unready(struct engine *e, struct flow *f);
struct flow *flow_new(struct engine *e, struct svc *s, const struct tuple *t);
/* Open the server leg, or wait while its 4-tuple is still in use. */
void flow_dial(struct engine *e, struct flow *f, mono_t now);
/* Is there room for one more flow of @a?  With on_limit = evict_slowest one
 * that holds most and moves least is reset; its place is free after its
 * RSTs. */
bool flow_room(struct engine *e, const struct svc *s, const struct ipaddr *a,
	       mono_t now);
/* There was no memory for data: reset one flow in the same way. */
void flow_relieve(struct engine *e, const struct svc *s, mono_t now);
/* Dial the waiting flows that can. */
void flow_dial_waiting(struct engine *e, mono_t now);
/* leg_env.idle_left */
int64_t flow_idle_left(struct leg *l, mono_t now);

/* Is nearly all of the memory taken? */
static inline bool memory_out(const struct engine *e)
{
	return e->pool->held > e->pool->limit / 10 * 9;
}

/* shares.c: what each source holds. */
/* The client is proven: its source is charged.  False: max_per_source. */
bool flow_join_source(struct engine *e, struct flow *f);
/* Charge the source for what the flow holds now. */
void flow_account(struct engine *e, struct flow *f);
/* leg_env.trace */
void flow_trace(struct leg *l, enum tcp_state to, enum tcp_event why);

/* leg_env.share */
uint64_t flow_share(struct leg *l, enum leg_share what);
/* Flows of the source that @f belongs to. */
uint32_t flow_source_flows(const struct engine *e, const struct flow *f);
/* Has @a as many connections as max_per_source allows? */
bool source_is_full(const struct engine *e, const struct svc *s,
		    const struct ipaddr *a);
/* The number of connections of @a. */
uint32_t source_flows(const struct engine *e, const struct svc *s,
		      const struct ipaddr *a);
bool source_has_room(const struct engine *e, const struct svc *s,
		     const struct ipaddr *a);

/* hooks.c: of all wings */
void hooks_free(struct engine *e);

/* limits.c: lists and rates.  DROP_NONE: the SYN may go on. */
enum drop_reason limits_connect(struct engine *e, struct svc *s,
				const struct segment *seg, mono_t now);
/* rate_limit: may a client with a proven address connect?  Counts it. */
bool limits_proven(struct engine *e, const struct svc *s,
		   const struct ipaddr *client, mono_t now);
/* The same for an address that will never be proven, by other buckets. */
bool limits_unproven(struct engine *e, const struct svc *s,
		     const struct ipaddr *client, mono_t now);
/* admit.c: is a SYN answered by a cookie now? */
bool admit_by_cookie(const struct engine *e, struct svc *s, mono_t now);

/* bypass.c: TCP that cannot be terminated here, and why. */
enum verdict bypass(struct engine *e, const struct segment *s,
		    enum drop_reason why, mono_t now);

/**
 * struct opening - A SYN that may become a connection
 * @seg:    the SYN
 * @iss:    our initial sequence number
 * @ts_off: our timestamp offset
 * @fast:   its Fast Open option and cookie
 */
struct opening {
	const struct segment *seg;
	seq_t iss;
	uint32_t ts_off;
	struct tfo_answer fast;
};

/* halfopen.c: the SYN queue and cookies. */
enum verdict halfopen_cookie(struct engine *e, struct svc *s,
			     const struct segment *seg, mono_t now,
			     struct tx *reply);
enum verdict halfopen_queue(struct engine *e, struct svc *s,
			    const struct opening *o, mono_t now,
			    struct tx *reply);
/* See engine_synack_offer(). */
void halfopen_offer(const struct svc *s, struct synack_offer *o);
/* Cookies for @s may be on their way that this engine did not send. */
void halfopen_cookies_out(struct engine *e, struct svc *s, mono_t now);
/* A segment for a queued SYN; false: there is none. */
bool halfopen_input(struct engine *e, const struct segment *seg, mono_t now,
		    struct tx *reply, enum verdict *v);
/* An ACK of no flow that returns, or may have overtaken, a cookie? */
bool halfopen_cookie_ack(struct engine *e, struct svc *s,
			 const struct segment *seg, mono_t now,
			 struct tx *reply, enum verdict *v);
/* SYN-ACKs to repeat, and RSTs that have waited. */
int halfopen_pull(struct engine *e, struct tx *tx, int max, mono_t now);

/* fastopen.c */
void fastopen_opts(struct leg *l, struct tcp_opts *o);
/* Add the cookie that @a offers to a SYN-ACK's options. */
void fastopen_offer(const struct tfo_answer *a, struct tcp_opts *o);
/* Check a SYN's cookie; true: its data may be accepted. */
bool fastopen_syn(struct engine *e, struct svc *s, const struct segment *seg,
		  bool flood, mono_t now, struct tfo_answer *a);
void fastopen_end(struct flow *f, bool reset, mono_t now);
void fastopen_plan(struct engine *e, struct flow *f, mono_t now);
void fastopen_learn(struct engine *e, struct flow *f, const struct segment *s,
		    uint32_t retries, mono_t now);

/* incarnation.c: TIME_WAIT and the next incarnation. */
struct tw_next {
	bool renewed;	 /* the SYN opens a new incarnation */
	seq_t least_iss; /* lower limit of our ISN then */
};

/* A segment for a 4-tuple in TIME_WAIT.  False: none, or a new one (*next). */
bool tw_admit(struct engine *e, const struct segment *s, mono_t now,
	      struct tx *reply, struct tw_next *next, enum verdict *v);
/* Is the server leg's 4-tuple not in TIME_WAIT, or may it be reused? */
bool tw_dial(struct engine *e, struct flow *f, mono_t now, seq_t *iss,
	     uint32_t *ts_off);

#endif
