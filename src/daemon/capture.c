/* SPDX-License-Identifier: MIT */
/*
 * {"cmd":"capture"}: packets of both sides as a stream of pcapng.
 *
 * Each worker gets a tap (capture/tap.h), which copies packets into a ring.
 * This thread empties the rings CAPTURE_TICK_MS apart, makes blocks of pcapng
 * and sends them over the control connection that asked.  A client that reads
 * slowly is not waited for: its output fills up to OUTPUT_MAX, then the rings,
 * and then packets are lost and counted.  There is one capture at a time.
 *
 * It ends when the client shuts down its side, after a number of packets or a
 * time, or with the daemon.  Then the last blocks, one for each interface, say
 * how many packets were captured and lost.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>

#include "capture/tap.h"
#include "penstockd.h"
#include "util/pcapng.h"

#define CAPTURE_TICK_MS 20
#define RING_BYTES (8u << 20) /* for each worker */
#define OUTPUT_MAX (4u << 20) /* bytes that wait for the client */

/* One worker's part. */
struct capture_unit {
	struct tap *tap;
	struct capture_ring *ring;
};

/**
 * struct capture - The capture that runs, or is about to
 * @filter:  which connections
 * @left:    packets to go; UINT64_MAX: no limit
 * @for_us:  how long; 0: no limit
 * @snaplen: bytes of each packet
 * @u:       by worker
 * @bev:     the client; NULL: not begun
 * @tick:    empties the rings
 * @end_at:  when it ends; MONO_NEVER: by itself never
 * @ending:  the last block is on its way
 */
struct capture {
	struct daemon *d;
	struct filter filter;
	uint64_t left;
	int64_t for_us, wall_us;
	uint32_t snaplen;
	struct capture_unit *u;
	struct bufferevent *bev;
	struct event *tick;
	mono_t end_at;
	bool ending;
	uint8_t data[CAPTURE_SNAP_MAX];
};

/* --- the workers' calls --- */

static enum io_verdict op_input(void *tap, const struct packet *pkt, mono_t now,
				struct tx *reply)
{
	return (enum io_verdict)tap_input(tap, pkt, now, reply);
}

static void op_expect(const void *tap, const struct packet *const *pkt, int n)
{
	tap_expect(tap, pkt, n);
}

static int op_pull(void *tap, struct tx *tx, int max, mono_t now)
{
	return tap_pull(tap, tx, max, now);
}

static mono_t op_deadline(const void *tap)
{
	return tap_deadline(tap);
}

static void op_expire(void *tap, mono_t now)
{
	tap_expire(tap, now);
}

static const struct io_engine_ops tap_ops = {
	.input = op_input,
	.expect = op_expect,
	.pull = op_pull,
	.deadline = op_deadline,
	.expire = op_expire,
};

struct tap_call {
	struct unit *u;
	struct tap *tap; /* NULL: none any more */
};

static void do_tap(void *arg, mono_t now)
{
	const struct tap_call *c = arg;

	(void)now;
	c->u->tap = c->tap;
	worker_divert(c->u->worker, c->tap ? &tap_ops : NULL, c->tap);
}

static void set_tap(struct unit *u, struct tap *tap)
{
	struct tap_call c = {.u = u, .tap = tap};

	worker_call(u->worker, do_tap, &c);
}

/* --- blocks --- */

/* The ring with the oldest packet, or NULL. */
static struct capture_ring *oldest(const struct capture *c)
{
	struct capture_ring *best = NULL;
	int64_t us, first = INT64_MAX;

	for (uint32_t i = 0; i < c->d->n; i++) {
		if (capture_ring_next(c->u[i].ring, &us) && us < first) {
			first = us;
			best = c->u[i].ring;
		}
	}
	return best;
}

static void put_packets(struct capture *c, FILE *f, size_t room)
{
	struct capture_ring *r;
	struct capture_record rec;
	size_t done = 0;

	while (c->left && done < room && (r = oldest(c)) &&
	       capture_ring_take(r, &rec, c->data)) {
		const struct pcapng_packet p = {.interface = rec.side,
						.us = rec.us,
						.dir = rec.out ? PCAPNG_OUT
							       : PCAPNG_IN,
						.data = c->data,
						.len = rec.len,
						.full_len = rec.full_len,
						.comment = rec.comment};

		pcapng_packet(f, &p);
		done += rec.len + sizeof(rec);
		c->left -= c->left != UINT64_MAX;
	}
}

static void put_begin(FILE *f)
{
	pcapng_begin(f, "penstock " PENSTOCK_VERSION);
	pcapng_interface(f, "client");
	pcapng_interface(f, "server");
}

/* Send what @put writes.  False: no memory. */
static bool send_blocks(struct capture *c,
			void (*put)(struct capture *c, FILE *f))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool good;

	if (!f)
		return false;
	put(c, f);
	good = !fclose(f) && (!len || !bufferevent_write(c->bev, text, len));
	free(text);
	return good;
}

static void put_head(struct capture *c, FILE *f)
{
	(void)c;
	put_begin(f);
}

static void put_waiting(struct capture *c, FILE *f)
{
	size_t has = evbuffer_get_length(bufferevent_get_output(c->bev));

	if (has < OUTPUT_MAX)
		put_packets(c, f, OUTPUT_MAX - has);
}

/* What is left, and the sums. */
static void put_end(struct capture *c, FILE *f)
{
	uint64_t wanted[2] = {0}, lost[2] = {0};
	int64_t now_us = worker_clock().us + c->wall_us;

	put_packets(c, f, SIZE_MAX);
	for (uint32_t i = 0; i < c->d->n; i++)
		tap_counts(c->u[i].tap, wanted, lost);
	for (uint32_t i = 0; i < 2; i++)
		pcapng_statistics(f, i, now_us, wanted[i], lost[i]);
}

/* --- life --- */

static void untap(struct capture *c)
{
	for (uint32_t i = 0; i < c->d->n; i++) {
		if (c->d->unit[i].tap)
			set_tap(&c->d->unit[i], NULL);
	}
}

void capture_free(struct daemon *d)
{
	struct capture *c = d->capture;

	if (!c)
		return;
	d->capture = NULL;
	untap(c);
	for (uint32_t i = 0; c->u && i < d->n; i++) {
		tap_free(c->u[i].tap);
		capture_ring_free(c->u[i].ring);
	}
	if (c->tick)
		event_free(c->tick);
	if (c->bev)
		bufferevent_free(c->bev);
	free(c->u);
	free(c);
}

/* No more packets; the client gets what is left. */
static void finish(struct capture *c)
{
	if (c->ending)
		return;
	c->ending = true;
	untap(c);
	event_del(c->tick);
	if (!send_blocks(c, put_end) ||
	    !evbuffer_get_length(bufferevent_get_output(c->bev)))
		capture_free(c->d);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct capture *c = arg;

	(void)fd;
	(void)what;
	if (!send_blocks(c, put_waiting))
		capture_free(c->d);
	else if (!c->left || mono_due(c->end_at, worker_clock()))
		finish(c);
}

/* All was sent. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct capture *c = arg;

	(void)bev;
	if (c->ending)
		capture_free(c->d);
}

/* The client wants no more, or is gone. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct capture *c = arg;

	(void)bev;
	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING))
		finish(c);
	else
		capture_free(c->d);
}

static int make_taps(struct capture *c)
{
	struct daemon *d = c->d;
	struct tap_cfg cfg = {.policy = d->cfg->policy,
			      .snaplen = c->snaplen,
			      .wall_offset_us = c->wall_us,
			      .filter = &c->filter};

	c->u = calloc(d->n, sizeof(*c->u));
	for (uint32_t i = 0; c->u && i < d->n; i++) {
		struct capture_unit *u = &c->u[i];

		u->ring = capture_ring_new(RING_BYTES);
		cfg.engine = d->unit[i].engine;
		cfg.ring = u->ring;
		u->tap = u->ring ? tap_new(&cfg) : NULL;
		if (!u->tap)
			return -ENOMEM;
	}
	return c->u ? 0 : -ENOMEM;
}

/* The connection is ours from now on. */
void capture_stream(struct daemon *d, struct bufferevent *bev)
{
	static const struct timeval tick = {.tv_usec = CAPTURE_TICK_MS * 1000};
	struct capture *c = d->capture;

	if (!c || c->bev) {
		bufferevent_free(bev);
		return;
	}
	c->bev = bev;
	c->wall_us = units_wall_offset();
	c->end_at = c->for_us ? mono_add(worker_clock(), c->for_us)
			      : MONO_NEVER;
	bufferevent_setcb(bev, NULL, on_written, on_event, c);
	bufferevent_set_timeouts(bev, NULL, NULL);
	c->tick = event_new(d->base, -1, EV_PERSIST, on_tick, c);
	if (!c->tick || event_add(c->tick, &tick) || make_taps(c) ||
	    !send_blocks(c, put_head)) {
		capture_free(d);
		return;
	}
	for (uint32_t i = 0; i < d->n; i++)
		set_tap(&d->unit[i], c->u[i].tap);
}

void capture_set_policy(struct daemon *d, struct policy *p)
{
	for (uint32_t i = 0; d->capture && d->capture->u && i < d->n; i++)
		tap_set_policy(d->capture->u[i].tap, p);
}

/* --- the command --- */

static int read_limits(struct capture *c, const json_t *request, FILE *errors)
{
	json_int_t count = 0, seconds = 0, snaplen = CAPTURE_SNAP_MAX;

	if (json_unpack((json_t *)request, "{s?:I, s?:I, s?:I}", "count",
			&count, "seconds", &seconds, "snaplen", &snaplen) ||
	    count < 0 || seconds < 0 || seconds > 1000000000 || snaplen < 1 ||
	    snaplen > (json_int_t)CAPTURE_SNAP_MAX) {
		fprintf(errors,
			"capture: allowed: \"count\" and \"seconds\" from 0 "
			"(no limit), \"snaplen\" from 1 to %u\n",
			CAPTURE_SNAP_MAX);
		return -EINVAL;
	}
	c->left = count ? (uint64_t)count : UINT64_MAX;
	c->for_us = seconds * USEC_PER_SEC;
	c->snaplen = (uint32_t)snaplen;
	return 0;
}

int capture_command(struct daemon *d, const json_t *request, json_t **result,
		    FILE *errors)
{
	struct capture *c;
	int err;

	if (d->capture && d->capture->bev) {
		fputs("capture: one runs already, and there is one at a time\n",
		      errors);
		return -EBUSY;
	}
	if (d->leave) {
		fputs("capture: the connections are handed over\n", errors);
		return -EBUSY;
	}
	if (crash_is_telling(d)) {
		fputs("capture: the peers of a crashed penstockd are still "
		      "being told; try again in some seconds\n",
		      errors);
		return -EBUSY;
	}
	capture_free(d); /* one whose client never took it */
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->d = d;
	err = flows_filter(request, &c->filter, errors);
	if (!err)
		err = read_limits(c, request, errors);
	*result =
		err ? NULL
		    : json_pack("{s:b, s:s}", "stream", 1, "format", "pcapng");
	if (!*result) {
		free(c);
		return err ? err : -ENOMEM;
	}
	d->capture = c;
	return 0;
}
