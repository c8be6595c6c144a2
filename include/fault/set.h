/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FAULT_SET_H
#define PENSTOCK_FAULT_SET_H

/*
 * The faults of one engine, and their decisions.  Like the engine it does no
 * I/O.  It knows segments and streams, but no legs.
 *
 * Every decision is a function of (seed, fault's name, ordinal of the
 * connection among those that match the fault, ordinal of the event on it): the
 * same seed and the same sequence of segments give the same decisions, whatever
 * else the process does.
 */
#include <assert.h>
#include <sys/uio.h>

#include "fault/cfg.h"
#include "fault/profile.h"
#include "fault/react.h"
#include "util/slab.h"
#include "util/tcp_state.h"
#include "util/wheel.h"

/**
 * struct fault_event - A segment, as faults see it
 * @side:    whose leg: 0 client, 1 server
 * @to_peer: it is about to be sent; otherwise it has arrived
 * @state:   of the leg (enum tcp_state); 0: there is no leg
 * @flags:   TCP_*
 * @len:     payload bytes
 * @wire:    bytes of the whole packet
 * @seq:     first sequence number
 * @off:     stream offset of the first payload byte, in its direction
 * @fresh:   some of its payload is new
 * @ts:      the connection uses timestamps
 * @glued:   offload joined it with others: its length is a guess
 * @tfo:     1 + length of its Fast Open cookie; 0: no such option
 * @again:   a repeated SYN
 * @acked:   stream offset that it acknowledges, in the other direction
 * @ahead:   arriving: @seq minus what the leg expects next, bytes
 * @wnd:     arriving: window that the peer may use, bytes
 * @beyond:  arriving: it begins beyond that window
 * @ooo:     arriving: the leg holds bytes beyond a hole
 * @sack:    arriving: SACK was agreed on
 * @last:    arriving: acknowledges our FIN, which was sent after the peer's
 */
struct fault_event {
	uint8_t side;
	bool to_peer;
	uint8_t state;
	uint16_t flags;
	uint32_t len, wire;
	seq_t seq;
	uint64_t off;
	bool fresh, ts, glued, ooo, sack, last, beyond, again;
	int32_t ahead;
	uint32_t wnd;
	uint8_t tfo;
	uint64_t acked;
	mono_t now;
};

/* fault_verdict.act */
#define FAULT_ACT_RESET BIT(0) /* this side's peer gets a RST */
#define FAULT_ACT_RESET_BOTH BIT(1)
#define FAULT_ACT_VANISH BIT(2) /* both legs end, and send nothing */
#define FAULT_ACT_ANSWER BIT(3) /* no flow: answer by fault_verdict.answer */
#define FAULT_ACT_FIN BIT(4)	/* this side's stream ends here */
#define FAULT_ACT_CLOSE BIT(5)	/* both connections are closed */

enum fault_answer {
	FAULT_ANSWER_RST,
	FAULT_ANSWER_ICMP,   /* .icmp_code */
	FAULT_ANSWER_SYNACK, /* .wnd */
	FAULT_ANSWER_ACK,    /* of the SYN only, with a closed window */
	FAULT_ANSWER_NOTHING,
};

/**
 * struct fault_verdict - What happens to a segment
 * @drop:     it is not passed on
 * @delay_us: it is passed on after this time
 * @copies:   number of additional copies, @spacing_us apart
 * @damage:   FAULT_WHERE_*; @bits bits of it are flipped, chosen by @dice
 * @fix:      checksums are corrected afterwards
 * @keep:     payload bytes that pass; the rest is cut off.  UINT32_MAX: all
 * @act:      FAULT_ACT_* for the connection
 * @slot:     the fault that holds it (for on_remove)
 * @strip:    OPT_HAS_* to remove from a SYN
 * @mss:      largest value of a SYN's MSS option; 0: unchanged
 * @ecn:      1 + enum fault_ecn; 0: unchanged
 * @ttl:      TTL to set; 0: unchanged
 * @inject:   1 + enum fault_inject: a forged segment is sent before it
 * @answer:   enum fault_answer, with FAULT_ACT_ANSWER
 * @irs:      sequence number of the SYN, for FAULT_ANSWER_ACK
 * @renege:   the leg discards its out-of-order data
 * @early:    a segment before it acknowledges this many bytes more
 * @shift:    with @early: our window scale
 * @overlap:  it is split in two that share this many bytes; 0: not split
 * @wrong:    with @overlap: which of the two has other bytes there: 1 or 2; 0:
 *            neither
 * @urg:      urgent pointer to set; 0: unchanged
 * @unack:    its acknowledgment is reduced by one (the peer's FIN)
 * @ack_us:   with @unack: a segment with the true acknowledgment follows after
 *            this time
 * @replay:   enum fault_kind of an old segment that is sent again after
 *            @replay_us; 0: none
 * @icmp:     enum fault_icmp: its sender gets this error; 0: none
 * @icmp_mtu: the MTU in the error
 * @bad_quote: the error quotes a wrong sequence number
 * @spoil:    its Fast Open cookie is made invalid
 * @cut:      its payload is removed
 * @ack_add:  added to its acknowledgment number
 * @open:     a SYN-ACK is sent as a SYN, and its answer is taken as an ACK
 */
struct fault_verdict {
	bool drop, fix;
	bool bad_quote, spoil, cut, open;
	uint8_t damage, act, slot, strip, ecn, ttl, inject, answer, icmp_code;
	uint8_t icmp;
	uint16_t mss, wnd;
	uint32_t irs, ack_add, icmp_mtu;
	uint32_t copies, bits, keep;
	int64_t delay_us, spacing_us;
	uint64_t dice;
	bool renege, unack;
	uint8_t wrong, replay, shift;
	uint16_t urg;
	uint32_t early, overlap;
	int64_t ack_us, replay_us;
};

#define FAULT_STATE_WORDS 3

/**
 * struct fault_conn - One fault's state on one connection
 * @ordinal:  of the connection among the fault's, from 1
 * @event:    number of events so far
 * @injected: number of injections so far
 * @armed:    the trigger has occurred
 * @done:     it does not act any more
 * @drawn:    @last is valid
 * @first:    time of the first event
 * @last:     last random value, for correlation
 * @at:       bytes of the stream that have passed, for on=byte:N
 * @acted:    how many of them it acted on
 * @passed:   segments that have passed, for on=segment:N
 * @state:    state of its type: a struct that the type defines, zero at first
 */
struct fault_conn {
	uint32_t ordinal, event, injected;
	bool armed, done, drawn;
	mono_t first;
	double last;
	uint64_t at, acted, passed;
	uint64_t state[FAULT_STATE_WORDS];
};

#define FAULT_STATE(c, type) ((type *)(void *)(c)->state)
#define FAULT_STATE_FITS(type)                                              \
	static_assert(sizeof(type) <= FAULT_STATE_WORDS * sizeof(uint64_t), \
		      "room for what a type remembers")

/**
 * struct fault_track - One direction of one leg: sequence numbers to offsets
 * @known: @base is valid
 * @base:  sequence number of offset @at
 * @at:    highest offset seen
 */
struct fault_track {
	bool known;
	seq_t base;  /* of offset @at */
	uint64_t at; /* highest offset seen */
};

/**
 * struct fault_flow - The faults of one connection
 * @prev:   all of the set
 * @next:   all of the set
 * @hnext:  unbound connections with the same hash
 * @older:  unbound connections of its kind (@old), by age
 * @newer:  likewise
 * @t:      the client leg's addresses
 * @owner:  the engine's flow; NULL: it is unbound
 * @serial: number of the connection in reports
 * @born:   when it was made
 * @seen:   time of the last segment
 * @active: faults that act on it, a bit for each slot
 * @isn:    sequence number of its SYN, while it is unbound: a SYN with another
 *          number opens another connection
 * @old:    unbound because its flow has ended
 * @crossed: the client's SYN was answered by a SYN
 * @timer:  wakes the connection's timed faults, or ends an unbound connection
 * @ends:   when an unbound connection ends
 * @watch:  what the peers do
 * @track:  [side][to_peer]
 */
struct fault_flow {
	struct fault_flow *prev, *next, *hnext, *older, *newer;
	struct tuple t;
	void *owner;
	uint64_t serial;
	mono_t born, seen;
	uint32_t active;
	seq_t isn;
	bool old, crossed;
	struct wtimer timer;
	mono_t ends;
	struct fault_watch watch;
	struct fault_track track[2][2];
	struct fault_conn c[FAULT_MAX];
};

/**
 * struct fault - A fault of the set
 * @spec:   as configured
 * @used:   the slot is taken
 * @key:    of its dice, made from seed and name
 * @conns:  matching connections so far
 * @active: connections that carry it now
 * @count:  enum fault_counter
 * @added:  when
 * @lease_end: when it removes itself; MONO_NEVER: no lease
 * @peer:   reactions to its decisions
 * @answered: how many of them were wrong [0] or right [1], where an answer is
 *          expected
 * @unwatched: decisions whose answer was not waited for
 */
struct fault {
	struct fault_spec spec;
	bool used;
	uint64_t key;	 /* of its dice */
	uint32_t conns;	 /* matching connections so far */
	uint32_t active; /* connections that carry it */
	uint64_t count[FC_COUNT];
	mono_t added, lease_end;
	uint64_t peer[FR_COUNT], answered[2], unwatched;
};

/**
 * struct fault_gone - A fault whose lease ended, with an expectation
 * @name:   of the fault
 * @expect: the expectation
 * @n:      its counter at the end
 */
struct fault_gone {
	char name[FAULT_NAME_MAX + 1];
	struct fault_expect expect;
	uint64_t n;
};

/**
 * struct fault_age - Unbound connections of one kind, by age
 * @first: the oldest
 * @last:  the newest
 */
struct fault_age {
	struct fault_flow *first, *last;
};

typedef void (*fault_line_fn)(void *arg, const char *json);

/**
 * struct fault_totals - What several sets of the same faults count together
 * @conns:  of each slot: matching connections so far
 * @active: of each slot: connections that carry the fault now
 * @serial: connections so far
 * Changed by atomic operations.
 */
struct fault_totals {
	uint32_t conns[FAULT_MAX], active[FAULT_MAX];
	uint64_t serial;
};

/**
 * struct fault_set - All faults of an engine
 * @fault:  slots; a fault keeps its index while it exists
 * @order:  slots, in the order in which the faults act
 * @flows:  struct fault_flow
 * @unbound: unbound connections by hash; @buckets is a power of two
 * @nunbound: connections in @unbound
 * @age:    [0] only a SYN was seen; [1] the flow has ended
 * @lease_end: earliest end of a lease, or MONO_NEVER
 * @gone:   faults with an expectation whose lease has ended; @ngone of them
 * @wheel:  timers of connections
 * @seed:   for faults without a seed of their own: 32 bits, not 0
 * @hash:   key of the hash of unbound connections
 * @now:    the latest time that it was told
 * @report: number of decisions so far: the id of the last one
 * @profile: of peers of connections with faults
 * @line:   where reports go, or NULL
 * @totals: of all sets, where there are several; borrowed.  NULL: of this one
 */
struct fault_set {
	struct fault fault[FAULT_MAX];
	uint8_t order[FAULT_MAX];
	uint32_t n;
	uint64_t seed, serial, hash;
	struct slab flows;
	struct fault_flow *first;
	struct fault_flow **unbound;
	uint32_t buckets, nunbound;
	struct fault_age age[2];
	mono_t lease_end;
	struct fault_gone gone[FAULT_MAX];
	uint32_t ngone;
	struct wheel wheel;
	mono_t now;
	uint64_t report;
	struct fault_profile profile[FAULT_PROFILES_MAX];
	fault_line_fn line;
	void *line_arg;
	struct fault_totals *totals;
};

/* 0 or -ENOMEM. @max: connections that may carry faults at once */
int fault_set_init(struct fault_set *s, uint64_t seed, uint32_t max,
		   mono_t now);
void fault_set_fini(struct fault_set *s);

/**
 * fault_set_add() - Put a fault into the set, by its order
 * Return: its slot, -EEXIST (name in use) or -ENOSPC
 */
int fault_set_add(struct fault_set *s, const struct fault_spec *spec,
		  mono_t now);
/* The slot of a name; -1: none. */
int fault_set_find(const struct fault_set *s, const char *name);
/* Its lease has ended: remember its expectation until a fault of this name is
 * added again.  Call this before fault_set_del(). */
void fault_set_bury(struct fault_set *s, int slot);
/* Remove a fault from the set and from all connections.  The caller releases
 * what it holds. */
void fault_set_del(struct fault_set *s, int slot);
/* Renew a lease; 0 removes the limit. */
void fault_set_lease(struct fault_set *s, int slot, int64_t lease_us,
		     mono_t now);
void fault_set_lease_until(struct fault_set *s, int slot, mono_t end);
/* A slot whose lease has ended at @now, or -1. */
int fault_set_expired(const struct fault_set *s, mono_t now);

/* Would this fault select a connection with these addresses?  A dry run:
 * ordinal and toxicity are not considered. */
bool fault_spec_selects(const struct fault_spec *f, const char *service,
			const struct tuple *t);

/**
 * fault_flow_new() - A connection appears
 * @t:       client leg's addresses
 * @service: name of its service
 * Return: its faults, or NULL: no fault selects it (the usual case).  If none
 *         of its faults is active, it is remembered only for its ordinal
 */
struct fault_flow *fault_flow_new(struct fault_set *s, const char *service,
				  const struct tuple *t, mono_t now);
/* A fault was added: a connection that exists already may join it. */
bool fault_flow_join(struct fault_set *s, struct fault_flow *w, int slot,
		     const char *service);
/* It carries the fault already: another process has decided so. */
void fault_flow_carry(struct fault_set *s, struct fault_flow *w, int slot);
/* A connection without faults, for fault_flow_join(). */
struct fault_flow *fault_flow_alloc(struct fault_set *s, const struct tuple *t,
				    mono_t now);
void fault_flow_free(struct fault_set *s, struct fault_flow *w);

/* Find an unbound connection by its addresses. */
struct fault_flow *fault_unbound_find(struct fault_set *s,
				      const struct tuple *t);
void fault_unbound_keep(struct fault_set *s, struct fault_flow *w, mono_t now);
/* It is kept until then. */
void fault_unbound_until(struct fault_set *s, struct fault_flow *w,
			 mono_t ends);
void fault_unbound_take(struct fault_set *s, struct fault_flow *w);
/* Its timer fired.  Return: false when its time is over. */
bool fault_unbound_wake(struct fault_set *s, struct fault_flow *w, mono_t now);
/* A flow has ended and no fault lingers, but its peers may still answer.
 * Return: true if it is kept for that, unbound and without active faults. */
bool fault_unbound_listen(struct fault_set *s, struct fault_flow *w,
			  mono_t now);

/* The stream offset of a sequence number.  @fresh: the range goes beyond the
 * highest offset seen. */
uint64_t fault_track_offset(struct fault_track *t, seq_t seq, uint32_t len,
			    bool *fresh);

/**
 * fault_judge() - Apply the connection's faults to a segment
 * @v: out
 */
void fault_judge(struct fault_set *s, struct fault_flow *w,
		 const struct fault_event *ev, struct fault_verdict *v);

/**
 * fault_ask() - Does a fault answer a question of the stack?
 * @type:  the type that answers it
 * @ev:    the circumstances
 * @spec:  out: the fault's parameters
 * Return: its state, or NULL: the RFC's behaviour
 */
struct fault_conn *fault_ask(struct fault_set *s, struct fault_flow *w,
			     enum fault_type type, const struct fault_event *ev,
			     const struct fault_spec **spec);

/* A fault has answered: count and report it. */
void fault_ask_done(struct fault_set *s, struct fault_flow *w,
		    struct fault_conn *c, const struct fault_event *ev,
		    const char *action);

/* Has the duration of a fault that answers questions ended?  Then they must be
 * asked again.  True only once. */
bool fault_ask_over(struct fault_set *s, struct fault_flow *w, mono_t now);

/* Does a fault of this type still act on the connection? */
bool fault_carries(const struct fault_set *s, const struct fault_flow *w,
		   enum fault_type type);

/* Does a fault act even after the connection's flow has ended? */
bool fault_lingers(const struct fault_set *s, const struct fault_flow *w);

/* Does this fault act on the bytes of @stream? */
bool fault_spec_has_stream(const struct fault_spec *f, int stream);

/* Does any fault of the connection act on the bytes of @stream? */
bool fault_has_stream(const struct fault_set *s, const struct fault_flow *w,
		      int stream);

/* Delay of bytes that enter a stream now, microseconds. */
int64_t fault_stream_latency(struct fault_set *s, struct fault_flow *w,
			     int stream, mono_t now);

/**
 * fault_stream_release() - How many of @n bytes may go on now?
 * @wake: out: if fewer than @n may, when to ask again; MONO_UNSET: only after a
 *        change
 */
uint32_t fault_stream_release(struct fault_set *s, struct fault_flow *w,
			      int stream, uint32_t n, mono_t now, mono_t *wake);

/**
 * struct fault_portion - Bytes of a stream that are passed on
 * @off: stream offset of the first
 * @end: one past the last
 * @iov: where they are; may be changed in place; borrowed
 * @n:   entries of @iov
 */
struct fault_portion {
	uint64_t off, end;
	const struct iovec *iov;
	int n;
};

/* Let corrupt_stream change them. */
void fault_stream_damage(struct fault_set *s, struct fault_flow *w, int stream,
			 const struct fault_portion *p, mono_t now);

/* When fault_flow_due() or fault_ask_over() has something to do; MONO_UNSET:
 * never. */
mono_t fault_flow_wake(const struct fault_set *s, const struct fault_flow *w);

/* Has a fault ended the stream here?  0, FAULT_ACT_FIN or FAULT_ACT_CLOSE */
uint8_t fault_stream_ended(struct fault_set *s, struct fault_flow *w,
			   int stream);

/* Are the bytes of this stream discarded (and the connection closed later)? */
bool fault_stream_discards(struct fault_set *s, struct fault_flow *w,
			   int stream);

/* Does removing this fault close the connections that carry it? */
bool fault_closes_on_remove(const struct fault_spec *f);

/* FAULT_ACT_* that are due by time alone, and the side that they are for. */
uint8_t fault_flow_due(struct fault_set *s, struct fault_flow *w, mono_t now,
		       uint8_t *side);

/* The dice, for tests: a 64-bit value from (key, ordinal, event, draw). */
uint64_t fault_dice(uint64_t key, uint64_t ordinal, uint64_t event,
		    uint64_t draw);
/* Roll loss by the fault's model, and a delay by its distribution. */
bool fault_model_loss(const struct fault_spec *f, struct fault_conn *c,
		      uint64_t key);
int64_t fault_model_delay(const struct fault_spec *f, enum fault_param mean,
			  struct fault_conn *c, uint64_t key);

#endif
