/* SPDX-License-Identifier: MIT */
/*
 * Handing over to another gateway: the side that gives.
 *
 *	penstockctl -> daemon  {"cmd": "handover", "to": "stream"}
 *	daemon -> penstockctl  {"ok": true, "result": {"stream": true, ...}}
 *	daemon -> penstockctl  the state (handover/), as many bytes as said
 *	penstockctl -> daemon  "written", or it closes: nobody has the state
 *	daemon -> penstockctl  "ok": it has heard that in time
 *
 * From the answer on the workers stand still.  What arrives is dropped, and
 * nothing is sent: neither this daemon nor, since packets do not go on, the
 * kernel tells a peer anything, and both peers repeat what they have sent until
 * the other gateway hears it.
 *
 * A pipe does not say whether the other side could read the state.  So the
 * connections are kept for a while after "written".  "undo" goes on with them;
 * otherwise they are forgotten then, and this daemon takes new ones again.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/hooks.h"
#include "penstockd.h"
#include "shield/synq.h"

#define HOLD_S 60 /* if the request says nothing else */
#define HOLD_S_MAX 86400
#define WORD_MAX 64 /* bytes from penstockctl */

/**
 * struct leave - Connections that go to another gateway
 * @bev:     penstockctl, until it has said "written"
 * @state:   the connections as bytes; owned by the output of @bev later
 * @timer:   ends it
 * @hold_us: how long packets are dropped after "written"
 * @end_at:  when @timer fires
 * @written: the state is out
 * @dropped: packets meanwhile, by worker; each worker writes its own
 */
struct leave {
	struct daemon *d;
	struct bufferevent *bev;
	struct handover_written state;
	struct event *timer;
	int64_t hold_us;
	mono_t end_at;
	bool written;
	uint64_t *dropped;
};

/* --- workers that stand still --- */

static enum io_verdict still_input(void *dropped, const struct packet *pkt,
				   mono_t now, struct tx *reply)
{
	uint64_t *n = dropped;

	(void)pkt;
	(void)now;
	(void)reply;
	__atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
	return IO_CONSUMED;
}

static void still_expect(const void *dropped, const struct packet *const *pkt,
			 int n)
{
	(void)dropped;
	(void)pkt;
	(void)n;
}

static int still_pull(void *dropped, struct tx *tx, int max, mono_t now)
{
	(void)dropped;
	(void)tx;
	(void)max;
	(void)now;
	return 0;
}

static mono_t still_deadline(const void *dropped)
{
	(void)dropped;
	return MONO_NEVER;
}

static void still_expire(void *dropped, mono_t now)
{
	(void)dropped;
	(void)now;
}

static const struct io_engine_ops still = {
	.input = still_input,
	.expect = still_expect,
	.pull = still_pull,
	.deadline = still_deadline,
	.expire = still_expire,
};

static void do_go_on(void *arg, mono_t now)
{
	struct unit *u = arg;

	(void)now;
	worker_divert(u->worker, NULL, NULL);
}

/* --- forgetting --- */

/**
 * struct half_open - Connections whose handshake is not complete
 * @syn: @n of them, room for @room
 */
struct half_open {
	const struct synq *q;
	struct synq_syn *syn;
	uint32_t n, room;
};

static void gather(void *arg, const struct synq_entry *e)
{
	struct half_open *h = arg;

	if (h->n < h->room)
		synq_describe(h->q, e, &h->syn[h->n++]);
}

/* Without memory they stay, and time out. */
static void forget_half_open(struct engine *e, mono_t now)
{
	struct synq *q = engine_tables(e, now).synq;
	struct half_open h = {.q = q, .room = synq_count(q)};
	struct engine_slot of;

	h.syn = calloc(h.room + 1u, sizeof(*h.syn));
	if (h.syn)
		synq_walk(q, gather, &h);
	for (uint32_t i = 0; i < h.n; i++) {
		synq_remove(q, synq_find(q, &h.syn[i].t));
		if (engine_slot(e, h.syn[i].service, &of))
			shared_add(of.half_open, -1);
	}
	free(h.syn);
}

/* They have not ended, so nobody is told that they have. */
static void do_forget(void *arg, mono_t now)
{
	struct unit *u = arg;
	struct flow *f, *next;

	engine_watch(u->engine, NULL, NULL);
	for (f = engine_flow_first(u->engine); f; f = next) {
		next = engine_flow_next(u->engine, f);
		flow_free(u->engine, f);
	}
	ends_watch(u->engine, &u->ends);
	forget_half_open(u->engine, now);
}

/* --- its end --- */

static void free_leave(struct leave *l)
{
	l->d->leave = NULL;
	if (l->bev)
		bufferevent_free(l->bev);
	if (l->state.fd >= 0)
		close(l->state.fd);
	if (l->timer)
		event_free(l->timer);
	free(l->dropped);
	free(l);
}

/* From now on the daemon works as ever. */
static void resume(struct leave *l)
{
	struct daemon *d = l->d;

	for (uint32_t i = 0; i < d->n; i++)
		worker_call(d->unit[i].worker, do_go_on, &d->unit[i]);
	crash_others(d, false);
	free_leave(l);
	units_kick(d);
	xdp_tick(d);
}

static void forget(struct leave *l)
{
	struct daemon *d = l->d;

	for (uint32_t i = 0; i < d->n; i++)
		worker_call(d->unit[i].worker, do_forget, &d->unit[i]);
	log_info("handover: %u connections are forgotten here; new ones are "
		 "taken again",
		 l->state.flows);
	resume(l);
}

static void go_on(struct leave *l, const char *why)
{
	log_warn("handover: %s: going on with %u connections", why,
		 l->state.flows);
	resume(l);
}

void leave_end(struct daemon *d)
{
	if (!d->leave)
		return;
	if (d->leave->written)
		forget(d->leave);
	else
		go_on(d->leave, "broken off");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct leave *l = arg;

	(void)fd;
	(void)what;
	if (l->written)
		forget(l);
	else
		go_on(l, "the state was not read in time");
}

static void set_timer(struct leave *l)
{
	const struct timeval tv = {l->hold_us / USEC_PER_SEC, 0};

	l->end_at = mono_add(worker_clock(), l->hold_us);
	evtimer_add(l->timer, &tv);
}

/* --- the stream --- */

static void is_written(struct leave *l)
{
	log_info("handover: %u connections, %" PRIu64
		 " bytes are with another gateway; packets are dropped for "
		 "%lld s",
		 l->state.flows, l->state.bytes,
		 (long long)(l->hold_us / USEC_PER_SEC));
	send(bufferevent_getfd(l->bev), "ok\n", 3, MSG_NOSIGNAL);
	bufferevent_free(l->bev);
	close(l->state.fd);
	l->bev = NULL;
	l->state.fd = -1;
	l->written = true;
	crash_others(l->d, true);
	set_timer(l);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct leave *l = arg;
	char *line = evbuffer_readln(bufferevent_get_input(bev), NULL,
				     EVBUFFER_EOL_LF);

	if (line && !strcmp(line, "written"))
		is_written(l);
	else if (line)
		go_on(l, "penstockctl says something else");
	free(line);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	go_on(arg, "the state could not be written");
}

static void unmap(const void *p, size_t n, void *arg)
{
	(void)arg;
	munmap((void *)(uintptr_t)p, n);
}

bool leave_waits(const struct daemon *d)
{
	return d->leave && !d->leave->bev && !d->leave->written;
}

void leave_stream(struct daemon *d, struct bufferevent *bev)
{
	struct leave *l = d->leave;
	void *p = mmap(NULL, l->state.bytes, PROT_READ, MAP_SHARED, l->state.fd,
		       0);

	l->bev = bev;
	bufferevent_setcb(bev, on_read, NULL, on_event, l);
	bufferevent_setwatermark(bev, EV_READ, 0, WORD_MAX);
	bufferevent_set_timeouts(bev, NULL, NULL);
	if (p == MAP_FAILED) {
		go_on(l, "no memory");
	} else if (evbuffer_add_reference(bufferevent_get_output(bev), p,
					  l->state.bytes, unmap, NULL)) {
		munmap(p, l->state.bytes);
		go_on(l, "no memory");
	}
}

/* --- the command --- */

static void count_relayed(const struct daemon *d)
{
	uint32_t n = d->splice ? splice_map_count(d->splice) : 0;

	if (n)
		log_warn("handover: %u connections that the kernel relays stay "
			 "on this host",
			 n);
}

/* The workers stop, the state is written, and they stand still.  0 or -errno:
 * they go on. */
static int stand_still(struct leave *l)
{
	struct daemon *d = l->d;
	int err;

	capture_free(d); /* there is one such place for a worker */
	units_stop(d);
	err = handover_write(d, &l->state);
	for (uint32_t i = 0; i < d->n && !err; i++)
		worker_divert(d->unit[i].worker, &still, &l->dropped[i]);
	if (!err)
		xdp_stop(d);
	if (units_start(d)) {
		d->status = EXIT_FAILURE;
		event_base_loopbreak(d->base);
	}
	units_kick(d);
	return err;
}

static int begin(struct daemon *d, int64_t hold_s, json_t **result,
		 FILE *errors)
{
	struct leave *l = calloc(1, sizeof(*l));
	int err = -ENOMEM;

	if (!l)
		return err;
	*l = (struct leave){.d = d,
			    .hold_us = hold_s * USEC_PER_SEC,
			    .state.fd = -1,
			    .timer = evtimer_new(d->base, on_timer, l),
			    .dropped = calloc(d->n, sizeof(*l->dropped))};
	if (l->timer && l->dropped)
		err = stand_still(l);
	if (err) {
		fprintf(errors, "handover: %s\n", strerror(-err));
		free_leave(l);
		return err;
	}
	d->leave = l;
	set_timer(l);
	count_relayed(d);
	*result = json_pack("{s:b, s:I, s:I, s:I}", "stream", 1, "connections",
			    (json_int_t)l->state.flows, "bytes",
			    (json_int_t)l->state.bytes, "hold_s",
			    (json_int_t)hold_s);
	if (*result)
		return 0;
	go_on(l, "no memory");
	return -ENOMEM;
}

static int undo(struct daemon *d, json_t **result, FILE *errors)
{
	if (!d->leave || !d->leave->written) {
		fputs("handover: nothing is to be undone\n", errors);
		return -EINVAL;
	}
	*result = json_pack("{s:I}", "connections",
			    (json_int_t)d->leave->state.flows);
	if (!*result)
		return -ENOMEM;
	go_on(d->leave, "undone");
	return 0;
}

int leave_command(struct daemon *d, const json_t *request, json_t **result,
		  FILE *errors)
{
	json_int_t hold_s = HOLD_S;

	if (json_is_true(json_object_get(request, "undo")))
		return undo(d, result, errors);
	if (json_unpack((json_t *)request, "{s?:I}", "hold_s", &hold_s) ||
	    hold_s < 1 || hold_s > HOLD_S_MAX) {
		fprintf(errors,
			"handover: \"hold_s\": allowed: a number from 1 to "
			"%d\n",
			HOLD_S_MAX);
		return -EINVAL;
	}
	if (crash_is_telling(d)) {
		fputs("handover: the peers of a crashed penstockd are still "
		      "being told; try again in some seconds\n",
		      errors);
		return -EBUSY;
	}
	if (mono_is_set(d->stop_by) || d->hand_to || d->leave || d->join) {
		fputs(d->leave	   ? "handover: these connections are handed "
				     "over already\n"
		      : d->join	   ? "handover: connections of another gateway "
				     "are coming\n"
		      : d->hand_to ? "another process is taking over\n"
				   : "this penstockd is stopping\n",
		      errors);
		return -EBUSY;
	}
	return begin(d, hold_s, result, errors);
}

/* --- reports --- */

const char *leave_word(const struct daemon *d)
{
	return d->leave->written ? "handed over" : "handing over";
}

void leave_status(const struct daemon *d, json_t *status)
{
	const struct leave *l = d->leave;
	uint64_t dropped = 0;

	for (uint32_t i = 0; l && i < d->n; i++)
		dropped += __atomic_load_n(&l->dropped[i], __ATOMIC_RELAXED);
	if (l)
		json_object_set_new(
			status, "handed_over",
			json_pack("{s:I, s:b, s:I, s:I}", "connections",
				  (json_int_t)l->state.flows, "written",
				  l->written, "dropped", (json_int_t)dropped,
				  "seconds_left",
				  (json_int_t)(mono_sub(l->end_at,
							worker_clock()) /
					       USEC_PER_SEC)));
}
