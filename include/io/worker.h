/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_IO_WORKER_H
#define PENSTOCK_IO_WORKER_H

/*
 * A worker: one thread, its queues, one TUN queue, one event base, one engine.
 *
 * The worker knows the engine only by its calls (struct io_engine_ops);
 * src/daemon/units.c joins the two.
 */
#include "io/counters.h"
#include "util/buf.h"
#include "wire/packet.h"

/**
 * enum io_verdict - What happens to a received packet
 */
enum io_verdict {
	IO_CONSUMED, /* dropped here: the engine has it */
	IO_PASS,     /* it goes on unchanged */
	IO_REPLY,    /* *reply is sent in its place */
	IO_WORKER,   /* this plus N: worker N gets it */
};

/**
 * struct io_engine_ops - The calls of the engine
 * @input:    a packet has arrived; *reply is out, with IO_REPLY
 * @expect:   these @n packets are the next for @input
 * @pull:     what to send next, up to @max packets.  Their payload stays valid
 *            until the next call of any verb
 * @deadline: when to call @expire; MONO_NEVER for "not at all"
 * @expire:   timers
 *
 * All are called from the worker's thread only (or, while it does not run,
 * from the thread that owns the worker).
 */
struct io_engine_ops {
	enum io_verdict (*input)(void *engine, const struct packet *pkt,
				 mono_t now, struct tx *reply);
	void (*expect)(const void *engine, const struct packet *const *pkt,
		       int n);
	int (*pull)(void *engine, struct tx *tx, int max, mono_t now);
	mono_t (*deadline)(const void *engine);
	void (*expire)(void *engine, mono_t now);
};

/* BUF_RX buffers that a worker wants in reserve, for buf_pool_init(). */
#define WORKER_RX_RESERVE 64u

#define WORKER_SYN_QUEUES_MAX 8u

#define WORKER_QUEUES_MAX (1 + WORKER_SYN_QUEUES_MAX)

/**
 * struct worker_fds - Descriptors of a worker, on their way to another process
 * @tun:   queue of the TUN device
 * @name:  of the device
 * @queue: numbers of the @n queues whose sockets are @nfq
 */
struct worker_fds {
	int tun;
	char name[16];
	uint32_t n;
	int nfq[WORKER_QUEUES_MAX];
	uint16_t queue[WORKER_QUEUES_MAX];
};

/**
 * struct worker_taken - Descriptors of all workers of another process
 * @w: @n of them.  What is used is -1 afterwards
 */
struct worker_taken {
	struct worker_fds *w;
	uint32_t n;
};

/* Close what was not used. */
void worker_taken_close(struct worker_taken *t);

/**
 * struct worker_cfg - What a worker is made of
 * @index:  0, 1, ...: names the thread
 * @queue:  its NFQUEUE; worker 0 has the one that is @index lower
 * @syn_queue: the first of @syn_queues further queues, which take turns: for
 *          SYNs and other segments of no connection.  If there are none, @queue
 *          has all
 * @mark:   fwmark of answers; 0 = none
 * @tun:    TUN device; workers share it, one queue each.  Borrowed until
 *          worker_new() returns
 * @pool:   buffers; borrowed, outlives the worker
 * @ops:    the calls of the engine; borrowed
 * @engine: their first argument; borrowed, outlives the worker
 * @taken:  descriptors to use where they fit; borrowed until worker_new()
 *          returns.  NULL: there are none
 */
struct worker_cfg {
	uint32_t index;
	uint16_t queue;
	uint16_t syn_queue, syn_queues;
	uint32_t mark;
	const char *tun;
	struct buf_pool *pool;
	const struct io_engine_ops *ops;
	void *engine;
	struct worker_taken *taken;
};

struct worker;

/* CLOCK_MONOTONIC, microseconds; the time that the engine is given. */
mono_t worker_clock(void);

/**
 * worker_new() - Open a worker's queue and TUN
 * On failure a line that says what to do has been logged.
 * Return: 0 or -errno
 */
int worker_new(struct worker **out, const struct worker_cfg *cfg);

/* Stops the thread when it runs; closes everything. */
void worker_free(struct worker *w);

/* Start the thread, with all signals blocked, unless it runs.  Return: 0 or
 * -errno */
int worker_start(struct worker *w);

/* End the thread and wait for it.  Packets still queued are not handled. */
void worker_stop(struct worker *w);

/* The descriptors of a worker that is stopped.  They stay the worker's. */
void worker_fds(const struct worker *w, struct worker_fds *out);

/* Send a packet from a worker that is stopped, through its TUN queue. */
void worker_send(struct worker *w, struct tx *tx);

/* False if the thread has ended by itself, because its queue failed. */
bool worker_is_alive(struct worker *w);

/**
 * worker_call() - Run a function between two batches of the worker
 * @fn:  runs in the worker's thread; in the caller's if that does not run
 * @arg: passed to @fn with the time
 *
 * Returns when @fn has returned and the engine's packets were sent.  Several
 * threads may call it, but not @fn itself.
 */
void worker_call(struct worker *w, void (*fn)(void *arg, mono_t now),
		 void *arg);

/**
 * worker_divert() - Call these in place of the engine's calls
 * @ops:    they pass on to the engine what they get; @ops->pull() may return
 *          fewer packets than there are, but not none.  NULL: the engine's own
 *          again
 * @engine: their first argument; borrowed
 *
 * Only within worker_call(), or before worker_start().
 */
void worker_divert(struct worker *w, const struct io_engine_ops *ops,
		   void *engine);

/**
 * struct worker_waiting - Packets that wait in the kernel's queues
 * @syn:   in those for SYNs
 * @other: in the other one
 */
struct worker_waiting {
	uint32_t syn, other;
};

/**
 * worker_counters() - Copy the counters, the kernel's loss included
 * @waiting: out; may be NULL May be called from any thread, as worker_call().
 */
void worker_counters(struct worker *w, struct io_counters *c,
		     struct worker_waiting *waiting);

#endif
