/* SPDX-License-Identifier: MIT */
/*
 * A worker: the loop around the engine's calls.
 *
 *   queue readable -> recvmmsg -> expect all -> input each packet -> pull and
 *   write until dry -> verdicts -> again while batches come full, a bounded
 *   number of rounds -> arm one timer from the engine's deadline
 *
 * The clock is read once a round.  Nothing is allocated per packet: buffers
 * come from the worker's pool, everything else is in struct worker.
 *
 * Lanes.  Each queue is a lane.  The first one has the segments that may belong
 * to a connection.  The others, the SYN lanes, have all segments without ACK:
 * SYNs, and segments that belong to no connection.  The kernel chooses the SYN
 * lane by the address pair.  A round serves a batch of the first lane, then 4
 * SYNs; or 16 when that batch was full, so that SYNs keep a share, or when the
 * first lane is at rest.  So a flood of SYNs overflows only the SYN lanes, and
 * a segment of a connection waits for 16 answers at most, 0.1 ms. (Batches of
 * 64 SYNs do not answer more SYNs, but kept-alive connections get only half as
 * many requests.)
 *
 * Turns.  In a flood that the worker cannot answer, each SYN of a newcomer
 * would have the same small chance.  Instead each SYN lane has its turn: for a
 * second it is served first, and the others get the rest of the budget.  A
 * client repeats its SYN after 1, 2, 3, 4 and 5 s (Linux) or after 1, 3, 7 and
 * 15 s.  So one of its SYNs arrives in the turn of its lane, and then the
 * worker has only that lane's part of the flood to answer.
 *
 * Order.  A leg's packets are sent in the order in which the engine returns
 * them; egress.c ensures that.  Their payload is not needed after they were
 * sent, so the engine may be asked for more.
 *
 * Commands.  worker_call() hands a function to the thread through one slot,
 * and wakes it by an eventfd: the engine is never touched by two threads.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "io/egress.h"
#include "io/sandbox.h"
#include "io/worker.h"
#include "util/log.h"

#define ROUNDS_MAX 16	  /* full batches before other events are handled */
#define SYN_BUDGET 16	  /* SYNs of a round */
#define SYN_BUDGET_BUSY 4 /* the same after packets of the first lane */
#define AT_REST_US USEC_PER_MSEC /* after this time the first lane is at rest */
#define SYN_TURN_US USEC_PER_SEC
#define SYN_MAXLEN 2048 /* SYNs that may wait in a lane: 15 ms of work */
#define SYN_RCVBUF (4u << 20)
#define TX_BATCH 32   /* packets of one pull */
#define STARVED_MS 10 /* pause when there is no buffer to receive into */

_Static_assert(WORKER_RX_RESERVE >= NFQ_BATCH, "the ring needs its reserve");

/**
 * struct call - The slot of worker_call()
 * @fn:   function to run, NULL when the slot is free
 * @arg:  its argument
 * @done: it has run
 */
struct call {
	void (*fn)(void *arg, mono_t now);
	void *arg;
	bool done;
};

#define LANES_MAX (1 + WORKER_SYN_QUEUES_MAX)

/**
 * struct lane - A queue and its place in the loop
 * @ready: it was readable, and has not been read empty since
 */
struct lane {
	struct worker *w;
	struct nfq nfq;
	struct event *ev;
	bool ready;
};

/**
 * struct worker - See worker.h
 * @ops:     what is called with @engine: the engine's calls, or, if @diverted,
 *           those of worker_divert()
 * @lane:    @nlane of them; the first is not for SYNs
 * @ev_serve: made active when a lane is ready, so that all ready lanes are
 *           known before the first one is served
 * @rest_at: when the first lane is at rest, if nothing arrives in it
 * @armed:   deadline of @ev_timer; unset when it does not run
 * @lock:    guards @call and @running
 * @callers: serialises callers
 * @failed:  the thread ended by itself
 */
struct worker {
	struct worker_cfg cfg;
	const struct io_engine_ops *ops;
	void *engine;
	bool diverted;
	struct lane lane[LANES_MAX];
	int nlane;
	struct tun tun;
	struct io_counters c;
	mono_t armed, rest_at;

	struct event_base *base;
	struct event *ev_serve, *ev_tun, *ev_timer, *ev_call, *ev_resume;
	int call_fd;

	pthread_t thread;
	pthread_mutex_t lock, callers;
	pthread_cond_t done;
	struct call call;
	bool running, failed, joinable;

	struct nfq_ring ring;
	struct nfq_packet packet[NFQ_BATCH];
	struct egress out;
	struct tx reply;
	struct tx tx[TX_BATCH];
};

mono_t worker_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){(int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000};
}

/* Send what the engine has to send. */
static void drain(struct worker *w, mono_t now)
{
	int i, n;

	do {
		n = w->ops->pull(w->engine, w->tx, TX_BATCH, now);
		for (i = 0; i < n; i++)
			egress_send(&w->out, &w->tx[i]);
	} while (n == TX_BATCH || (unlikely(w->diverted) && n));
}

/* There is one timer.  A deadline that became later is noticed when it
 * fires. */
static void arm_timer(struct worker *w, mono_t now)
{
	mono_t d = w->ops->deadline(w->engine);
	struct timeval tv;
	int64_t us;

	if (d.us == INT64_MAX || !mono_is_set(d))
		return;
	if (mono_is_set(w->armed) && !mono_before(d, w->armed))
		return;
	us = mono_before(d, now) ? 0 : mono_sub(d, now);
	tv = (struct timeval){us / USEC_PER_SEC, us % USEC_PER_SEC};
	evtimer_add(w->ev_timer, &tv);
	w->armed = d;
}

static void expire_due(struct worker *w, mono_t now)
{
	if (!mono_due(w->ops->deadline(w->engine), now))
		return;
	w->c.timer_expiries++;
	w->ops->expire(w->engine, now);
	drain(w, now);
}

/*
 * May the engine get this packet?  Beyond the pool's limit, not if it could
 * keep the buffer: a payload of BUF_COPY_MAX or more is kept by reference,
 * while a smaller one is copied, which the pool refuses.  Kept buffers must not
 * use up the reserve, or the acknowledgments that free them could not be
 * received.  What is dropped here is sent again, finally as single segments.
 */
static bool admit(struct worker *w, const struct packet *pkt)
{
	const struct buf_pool *pool = w->cfg.pool;

	if (likely(pool->held <= pool->limit || pkt->len < BUF_COPY_MAX))
		return true;
	w->c.rx_over_limit++;
	return false;
}

/* The queue of segments of connections of another worker. */
static uint16_t queue_of(const struct worker *w, int worker)
{
	return (uint16_t)(w->cfg.queue - w->cfg.index + (uint32_t)worker);
}

static void handle_packet(struct worker *w, const struct nfq_packet *p,
			  mono_t now)
{
	enum io_verdict v;

	w->c.rx_packets++;
	w->c.rx_bytes += p->pkt.len;
	w->c.rx_truncated += p->pkt.len != p->pkt.full_len;
	if (!admit(w, &p->pkt)) {
		egress_decide(&w->out, p, NFQ_DROP);
		return;
	}
	v = w->ops->input(w->engine, &p->pkt, now, &w->reply);
	if (unlikely(v >= IO_WORKER)) {
		egress_move(&w->out, p, queue_of(w, (int)(v - IO_WORKER)));
		return;
	}
	switch (v) {
	case IO_PASS:
		egress_decide(&w->out, p, NFQ_ACCEPT);
		break;
	case IO_REPLY:
		egress_reply(&w->out, p, &w->reply);
		break;
	case IO_CONSUMED:
	default:
		egress_decide(&w->out, p, NFQ_DROP);
		break;
	}
}

/* What came in a message: a packet, or something to be counted. */
static bool take_message(struct worker *w, int i, struct nfq_packet *p)
{
	switch (nfq_parse(w->ring.buf[i], w->ring.msg[i].msg_len, p)) {
	case NFQ_MSG_PACKET:
		return true;
	case NFQ_MSG_ERROR:
		w->c.verdict_errors++;
		return false;
	case NFQ_MSG_BAD:
		w->c.rx_malformed++;
		return false;
	case NFQ_MSG_OTHER:
	default:
		return false;
	}
}

static void handle_batch(struct worker *w, int messages, mono_t now)
{
	const struct packet *next[NFQ_BATCH];
	int n = 0;

	for (int i = 0; i < messages; i++) {
		if (take_message(w, i, &w->packet[n])) {
			next[n] = &w->packet[n].pkt;
			n++;
		}
	}
	if (n)
		w->ops->expect(w->engine, next, n);
	for (int i = 0; i < n; i++)
		handle_packet(w, &w->packet[i], now);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < w->nlane; i++)
		event_add(w->lane[i].ev, NULL);
}

/* The thread ends by itself: it can do nothing useful any more. */
static void worker_fail(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
	event_base_loopbreak(w->base);
}

/* A queue cannot be read: wait for buffers, or end the thread. */
static void queue_trouble(struct worker *w, const struct lane *l, int err)
{
	const struct timeval pause = {0, STARVED_MS * 1000};

	if (err == -ENOBUFS) {
		for (int i = 0; i < w->nlane; i++) {
			event_del(w->lane[i].ev);
			w->lane[i].ready = false;
		}
		evtimer_add(w->ev_resume, &pause);
		return;
	}
	log_err("worker %u: queue %u: %s", w->cfg.index, l->nfq.queue,
		strerror(-err));
	worker_fail(w);
}

/* Serve at most @max packets of a lane.  Return: their number */
static int lane_round(struct worker *w, struct lane *l, int max, mono_t now)
{
	int n = nfq_recv(&l->nfq, &w->ring, max, &w->c);

	l->ready = n == max;
	if (n < 0)
		queue_trouble(w, l, n);
	if (n <= 0)
		return 0;
	w->out.nfq = &l->nfq;
	handle_batch(w, n, now);
	drain(w, now);
	egress_flush(&w->out);
	expire_due(w, now);
	return n;
}

/* How many SYNs to serve after @others packets of the first lane? */
static int syn_budget(struct worker *w, int others, mono_t now)
{
	if (others)
		w->rest_at = mono_add(now, AT_REST_US);
	if (others == NFQ_BATCH || !mono_before(now, w->rest_at))
		return SYN_BUDGET;
	return SYN_BUDGET_BUSY;
}

/* Serve @budget SYNs, beginning with the lane whose turn it is.
 * Return: true when more is likely to wait */
static bool syn_round(struct worker *w, int budget, mono_t now)
{
	int i, lanes = w->nlane - 1;
	int turn = lanes ? (int)(now.us / SYN_TURN_US % lanes) : 0;
	bool more = false;

	for (i = 0; i < lanes; i++) {
		struct lane *l = &w->lane[1 + (turn + i) % lanes];
		int n;

		if (l->ready && budget) {
			n = lane_round(w, l, budget, now);
			w->c.syn_packets += (uint64_t)n;
			budget -= n;
		}
		more |= l->ready;
	}
	return more;
}

static void on_serve(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct lane *first = &w->lane[0];
	mono_t now = worker_clock();
	bool more = true;
	int i, n;

	(void)fd;
	(void)what;
	w->c.wakeups++;
	for (i = 0; more && i < ROUNDS_MAX; i++) {
		if (i)
			now = worker_clock();
		n = lane_round(w, first, NFQ_BATCH, now);
		more = first->ready;
		more |= syn_round(w, syn_budget(w, n, now), now);
	}
	arm_timer(w, now);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
	struct lane *l = arg;

	(void)fd;
	l->ready = true;
	event_active(l->w->ev_serve, what, 0);
}

/*
 * A worker that the scheduler kept waiting finds packets and a timer that is
 * due.  The packets come first: an ACK that has arrived may be all that the
 * timer is about.  on_queue() has run already, as libevent looks for readable
 * descriptors before it looks for timers.
 */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	mono_t now;

	w->armed = MONO_UNSET;
	for (int i = 0; i < w->nlane; i++) {
		if (!w->lane[i].ready)
			continue;
		on_serve(fd, what, w);
		break;
	}
	now = worker_clock();
	expire_due(w, now);
	arm_timer(w, now);
}

static void on_tun(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (tun_discard(&w->tun, &w->c) == 0)
		return;
	log_err("worker %u: TUN %s was removed", w->cfg.index, w->tun.name);
	worker_fail(w);
}

static void on_call(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	mono_t now = worker_clock();
	struct call call;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	pthread_mutex_lock(&w->lock);
	call = w->call;
	pthread_mutex_unlock(&w->lock);
	if (!call.fn || call.done)
		return;
	call.fn(call.arg, now);
	drain(w, now);
	arm_timer(w, now);
	pthread_mutex_lock(&w->lock);
	w->call.done = true;
	pthread_cond_broadcast(&w->done);
	pthread_mutex_unlock(&w->lock);
}

/* From now on calls run in their caller's thread; one may be waiting. */
static void end_thread(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->running = false;
	pthread_cond_broadcast(&w->done);
	pthread_mutex_unlock(&w->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	sandbox_worker();
	arm_timer(w, worker_clock());
	event_base_dispatch(w->base);
	end_thread(w);
	return NULL;
}

void worker_call(struct worker *w, void (*fn)(void *arg, mono_t now), void *arg)
{
	const uint64_t one = 1;
	bool ran = false;
	mono_t now;

	pthread_mutex_lock(&w->callers);
	pthread_mutex_lock(&w->lock);
	w->call = (struct call){.fn = fn, .arg = arg};
	if (w->running &&
	    write(w->call_fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		while (w->running && !w->call.done)
			pthread_cond_wait(&w->done, &w->lock);
		ran = w->call.done;
	}
	w->call = (struct call){0};
	pthread_mutex_unlock(&w->lock);
	if (!ran) {
		now = worker_clock();
		fn(arg, now);
		drain(w, now);
	}
	pthread_mutex_unlock(&w->callers);
}

struct stats_call {
	struct worker *w;
	struct io_counters *c;
	struct worker_waiting *waiting;
};

static void copy_stats(void *arg, mono_t now)
{
	struct stats_call *s = arg;
	struct worker *w = s->w;
	struct worker_waiting waiting = {0};
	struct nfq_stats q;
	uint64_t lost = 0;
	int i;

	(void)now;
	if (!nfq_kernel_stats(&w->lane[0].nfq, &q)) {
		waiting.other = q.waiting;
		w->c.queue_dropped = q.dropped;
		w->c.queue_user_dropped = q.user_dropped;
	}
	for (i = 1; i < w->nlane; i++) {
		if (nfq_kernel_stats(&w->lane[i].nfq, &q))
			break;
		waiting.syn += q.waiting;
		lost += q.dropped + q.user_dropped;
	}
	if (i == w->nlane)
		w->c.syn_dropped = lost;
	*s->c = w->c;
	if (s->waiting)
		*s->waiting = waiting;
}

void worker_counters(struct worker *w, struct io_counters *c,
		     struct worker_waiting *waiting)
{
	struct stats_call s = {w, c, waiting};

	worker_call(w, copy_stats, &s);
}

static struct event_base *new_base(void)
{
	struct event_config *ec = event_config_new();
	struct event_base *base = NULL;

	if (!ec)
		return NULL;
	/* One thread per base: no locks.  We read the clock ourselves. */
	event_config_set_flag(ec, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(ec, EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(ec);
	event_config_free(ec);
	return base;
}

static int lane_events(struct worker *w)
{
	for (int i = 0; i < w->nlane; i++) {
		struct lane *l = &w->lane[i];

		l->w = w;
		l->ev = event_new(w->base, l->nfq.fd, EV_READ | EV_PERSIST,
				  on_queue, l);
		if (!l->ev || event_add(l->ev, NULL))
			return -ENOMEM;
	}
	return 0;
}

static int make_events(struct worker *w)
{
	w->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->call_fd < 0)
		return -errno;
	w->base = new_base();
	if (!w->base)
		return -ENOMEM;
	w->ev_serve = event_new(w->base, -1, 0, on_serve, w);
	w->ev_tun =
		event_new(w->base, w->tun.fd, EV_READ | EV_PERSIST, on_tun, w);
	w->ev_call = event_new(w->base, w->call_fd, EV_READ | EV_PERSIST,
			       on_call, w);
	w->ev_timer = evtimer_new(w->base, on_timer, w);
	w->ev_resume = evtimer_new(w->base, on_resume, w);
	if (!w->ev_serve || !w->ev_tun || !w->ev_call || !w->ev_timer ||
	    !w->ev_resume)
		return -ENOMEM;
	if (event_add(w->ev_tun, NULL) || event_add(w->ev_call, NULL))
		return -ENOMEM;
	return lane_events(w);
}

/* The socket of a queue among those that were taken over; 0: none. */
static int take_queue(const struct worker_taken *t, uint16_t queue)
{
	for (uint32_t i = 0; t && i < t->n; i++) {
		struct worker_fds *w = &t->w[i];

		for (uint32_t k = 0; k < w->n; k++) {
			int fd = w->nfq[k];

			if (w->queue[k] != queue || fd <= 0)
				continue;
			w->nfq[k] = -1;
			return fd;
		}
	}
	return 0;
}

static int open_tun(struct worker *w)
{
	const struct worker_taken *t = w->cfg.taken;

	for (uint32_t i = 0; t && i < t->n; i++) {
		struct worker_fds *o = &t->w[i];

		if (o->tun < 0 || strcmp(o->name, w->cfg.tun) != 0)
			continue;
		tun_take(&w->tun, o->name, o->tun);
		o->tun = -1;
		return 0;
	}
	return tun_open(&w->tun, w->cfg.tun);
}

static int open_lanes(struct worker *w)
{
	struct nfq_cfg cfg = {.queue = w->cfg.queue,
			      .mark = w->cfg.mark,
			      .taken = take_queue(w->cfg.taken, w->cfg.queue)};
	int err = nfq_open(&w->lane[0].nfq, &cfg);

	cfg.maxlen = SYN_MAXLEN;
	cfg.rcvbuf = SYN_RCVBUF;
	for (uint16_t i = 0; !err && i < w->cfg.syn_queues; i++) {
		w->nlane++;
		cfg.queue = (uint16_t)(w->cfg.syn_queue + i);
		cfg.taken = take_queue(w->cfg.taken, cfg.queue);
		err = nfq_open(&w->lane[w->nlane].nfq, &cfg);
	}
	w->nlane += !err;
	return err;
}

void worker_divert(struct worker *w, const struct io_engine_ops *ops,
		   void *engine)
{
	w->diverted = ops;
	w->ops = ops ? ops : w->cfg.ops;
	w->engine = ops ? engine : w->cfg.engine;
}

int worker_new(struct worker **out, const struct worker_cfg *cfg)
{
	struct worker *w;
	int err;

	if (cfg->syn_queues > WORKER_SYN_QUEUES_MAX)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->cfg = *cfg;
	worker_divert(w, NULL, NULL);
	w->call_fd = w->tun.fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->callers, NULL);
	pthread_cond_init(&w->done, NULL);
	nfq_ring_init(&w->ring, cfg->pool);
	w->out.tun = &w->tun;
	w->out.c = &w->c;
	w->out.nfq = &w->lane[0].nfq;
	/* first the TUN: a bound queue begins to fill */
	err = open_tun(w);
	if (!err)
		err = open_lanes(w);
	w->cfg.tun = NULL;
	w->cfg.taken = NULL;
	if (err)
		goto err_free;
	err = make_events(w);
	if (err) {
		log_err("worker %u: event loop: %s", cfg->index,
			strerror(-err));
		goto err_free;
	}
	*out = w;
	return 0;

err_free:
	worker_free(w);
	return err;
}

static void free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	worker_stop(w);
	for (int i = 0; i < w->nlane; i++)
		free_event(w->lane[i].ev);
	free_event(w->ev_serve);
	free_event(w->ev_tun);
	free_event(w->ev_call);
	free_event(w->ev_timer);
	free_event(w->ev_resume);
	if (w->base)
		event_base_free(w->base);
	nfq_ring_fini(&w->ring);
	for (int i = 0; i < w->nlane; i++)
		nfq_close(&w->lane[i].nfq);
	tun_close(&w->tun);
	if (w->call_fd >= 0)
		close(w->call_fd);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->callers);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int worker_start(struct worker *w)
{
	sigset_t all, old;
	char name[16];
	int err;

	if (w->joinable)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	w->running = true;
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		w->running = false;
		return -err;
	}
	w->joinable = true;
	snprintf(name, sizeof(name), "worker-%u", w->cfg.index % 1000);
	pthread_setname_np(w->thread, name);
	return 0;
}

static void break_loop(void *arg, mono_t now)
{
	(void)now;
	event_base_loopbreak(arg);
}

void worker_stop(struct worker *w)
{
	if (!w->joinable)
		return;
	worker_call(w, break_loop, w->base);
	pthread_join(w->thread, NULL);
	w->joinable = false;
}

void worker_fds(const struct worker *w, struct worker_fds *out)
{
	*out = (struct worker_fds){.tun = w->tun.fd, .n = (uint32_t)w->nlane};
	memcpy(out->name, w->tun.name, sizeof(out->name));
	for (int i = 0; i < w->nlane; i++) {
		out->nfq[i] = w->lane[i].nfq.fd;
		out->queue[i] = w->lane[i].nfq.queue;
	}
}

void worker_taken_close(struct worker_taken *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->w[i].tun >= 0)
			close(t->w[i].tun);
		for (uint32_t k = 0; k < t->w[i].n; k++) {
			if (t->w[i].nfq[k] >= 0)
				close(t->w[i].nfq[k]);
		}
	}
	free(t->w);
	*t = (struct worker_taken){0};
}

void worker_send(struct worker *w, struct tx *tx)
{
	egress_send(&w->out, tx);
	egress_flush(&w->out);
}

bool worker_is_alive(struct worker *w)
{
	bool alive;

	pthread_mutex_lock(&w->lock);
	alive = !w->failed;
	pthread_mutex_unlock(&w->lock);
	return alive;
}
