/* SPDX-License-Identifier: MIT */
/*
 * Taking over from another gateway.
 *
 *	penstockctl -> daemon  {"cmd": "takeover"}
 *	daemon -> penstockctl  {"ok": true, "result": {"stream": true}}
 *	penstockctl -> daemon  the state (handover/), and the end of its side
 *	daemon -> penstockctl  {"ok": true, "result": {"taken": N, ...}}
 *
 * Nothing is touched before the whole state is here.  Then its connections are
 * added to those of this daemon.  The other gateway sees none of this: what it
 * learns is the exit status of penstockctl.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handover/handover.h"
#include "penstockd.h"

#define IDLE_S 60 /* without a byte */
/* A state has what connections hold, and for each of them this much at most. */
#define FLOW_BYTES 4096u
#define ENTRY_BYTES 128u /* of a TIME_WAIT entry */
#define OTHER_BYTES (64u << 20)
/* No clock of this host: times of the state count from now on. */
#define OTHER_HOST (INT64_MIN / 4)

/**
 * struct join - A state that comes
 * @bev:  penstockctl, or NULL: not begun
 * @fd:   a memfd with the @bytes that are here
 * @limit: most bytes
 * @answered: the connection ends when the answer is sent
 */
struct join {
	struct daemon *d;
	struct bufferevent *bev;
	int fd;
	uint64_t bytes, limit;
	bool answered;
};

void join_free(struct daemon *d)
{
	struct join *j = d->join;

	if (!j)
		return;
	d->join = NULL;
	if (j->bev)
		bufferevent_free(j->bev);
	close(j->fd);
	free(j);
}

/* --- the answer --- */

static void answer(struct join *j, json_t *o)
{
	struct evbuffer *out = bufferevent_get_output(j->bev);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	j->answered = true;
	bufferevent_disable(j->bev, EV_READ);
	evbuffer_add_printf(
		out, "%s\n",
		text ? text : "{\"ok\":false,\"error\":\"out of memory\"}");
	free(text);
	json_decref(o);
}

static void refuse(struct join *j, const char *why)
{
	log_err("takeover: %s; nothing is changed", why);
	answer(j, json_pack("{s:b, s:o}", "ok", 0, "error",
			    json_sprintf("takeover: %s", why)));
}

/* --- the state --- */

static void send_reset(void *arg, struct tx *tx)
{
	worker_send(arg, tx);
}

static json_t *counts_json(const struct handover_state *h,
			   const struct handover_counts *c)
{
	json_t *lost = json_object();

	log_info("takeover: %u connections of penstockd %.*s go on here",
		 c->taken, (int)h->program_len, h->program);
	for (int i = 0; i < HANDOVER_LOSSES; i++) {
		if (!c->lost[i])
			continue;
		log_warn("takeover: %u connections are %s: %s", c->lost[i],
			 i == HANDOVER_TAKEN ? "left out" : "reset",
			 handover_loss_name[i]);
		json_object_set_new(lost, handover_loss_name[i],
				    json_integer(c->lost[i]));
	}
	if (c->faults)
		log_warn("takeover: %u faults act no more: their lines are not "
			 "allowed here",
			 c->faults);
	return json_pack("{s:b, s:{s:I, s:o}}", "ok", 1, "result", "taken",
			 (json_int_t)c->taken, "lost", lost);
}

/* The kernel of another host chooses other workers, so that packets may come
 * to any of them, as if their number had changed. */
static void load(struct join *j, struct handover_state *h)
{
	struct engine *engine[HANDOVER_WORKERS_MAX];
	struct handover_counts c;
	struct handover_side s;
	struct daemon *d = j->d;

	leave_end(d); /* what was here before has come back, or is away */
	units_stop(d);
	handover_side(d, &s, engine);
	h->workers = d->n > 1 ? 0 : 1;
	handover_load(h, &s, &c);
	faults_taken(d);
	handover_reset(h, &s, send_reset, d->unit[0].worker);
	if (units_start(d)) {
		d->status = EXIT_FAILURE;
		event_base_loopbreak(d->base);
	}
	units_kick(d);
	answer(j, counts_json(h, &c));
}

static void finish(struct join *j)
{
	struct handover_state h = {0};
	char why[160];
	void *p = j->bytes ? mmap(NULL, j->bytes, PROT_READ, MAP_PRIVATE, j->fd,
				  0)
			   : MAP_FAILED;
	int err = p == MAP_FAILED ? (j->bytes ? -errno : -ENODATA)
				  : handover_open(&h, p, j->bytes, OTHER_HOST,
						  worker_clock());

	if (err == -EPROTO)
		snprintf(why, sizeof(why),
			 "the state has format %u of penstockd %.*s; format %u "
			 "is read here",
			 h.version, (int)min_u32(h.program_len, 32),
			 (const char *)h.program, HANDOVER_VERSION);
	else if (err)
		snprintf(why, sizeof(why), "%s",
			 err == -ENODATA   ? "nothing has come"
			 : err == -EBADMSG ? "this is no whole state of a "
					     "penstockd"
					   : strerror(-err));
	if (err) {
		refuse(j, why);
	} else if (mono_is_set(j->d->stop_by)) {
		refuse(j, "this penstockd is stopping");
		handover_close(&h);
	} else {
		load(j, &h);
		handover_close(&h);
	}
	if (p != MAP_FAILED)
		munmap(p, j->bytes);
}

/* --- the stream --- */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct join *j = arg;
	char why[80];

	while (evbuffer_get_length(in) && !j->answered) {
		int n = evbuffer_write(in, j->fd);

		if (n <= 0) {
			refuse(j, strerror(n ? errno : EIO));
			return;
		}
		j->bytes += (uint64_t)n;
		if (j->bytes <= j->limit)
			continue;
		snprintf(why, sizeof(why),
			 "more than %" PRIu64 " bytes, which is more than has "
			 "room here",
			 j->limit);
		refuse(j, why);
	}
}

/* All was sent. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct join *j = arg;

	(void)bev;
	if (j->answered)
		join_free(j->d);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct join *j = arg;

	(void)bev;
	if (j->answered || (what & BEV_EVENT_ERROR) ||
	    (what & BEV_EVENT_WRITING))
		join_free(j->d);
	else if (what & BEV_EVENT_TIMEOUT)
		refuse(j, "the state does not come to its end");
	else
		finish(j);
}

bool join_waits(const struct daemon *d)
{
	return d->join && !d->join->bev;
}

void join_stream(struct daemon *d, struct bufferevent *bev)
{
	static const struct timeval idle = {.tv_sec = IDLE_S};
	struct join *j = d->join;

	j->bev = bev;
	bufferevent_setcb(bev, on_read, on_written, on_event, j);
	bufferevent_setwatermark(bev, EV_READ, 0, 1u << 20);
	bufferevent_set_timeouts(bev, &idle, &idle);
}

/* --- the command --- */

int join_command(struct daemon *d, json_t **result, FILE *errors)
{
	const struct daemon_cfg *c = &d->cfg->daemon;
	struct join *j;

	if (mono_is_set(d->stop_by) || d->hand_to || d->join ||
	    (d->leave && leave_waits(d))) {
		fputs(d->join	   ? "takeover: another one is coming in\n"
		      : d->hand_to ? "another process is taking over\n"
		      : d->leave   ? "takeover: these connections are being "
				     "handed over\n"
				   : "this penstockd is stopping\n",
		      errors);
		return -EBUSY;
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->d = d;
	j->limit = c->max_memory + (uint64_t)c->max_flows * FLOW_BYTES +
		   (uint64_t)c->max_tw * ENTRY_BYTES + OTHER_BYTES;
	j->fd = memfd_create("penstock state", MFD_CLOEXEC);
	*result = j->fd < 0 ? NULL : json_pack("{s:b}", "stream", 1);
	if (!*result) {
		if (j->fd >= 0)
			close(j->fd);
		free(j);
		return -ENOMEM;
	}
	d->join = j;
	return 0;
}
