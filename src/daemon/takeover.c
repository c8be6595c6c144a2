/* SPDX-License-Identifier: MIT */
/*
 * Taking over from another process: penstockd --takeover.  handover.c has the
 * other side, and what they say to each other.
 *
 * All that can fail comes first: the configuration is read and the memory is
 * reserved while the other process still runs.  When it stands still, its
 * queues and its state are taken, and only when all of that was read is it told
 * to go.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/client.h"
#include "handover/handover.h"
#include "io/pass.h"
#include "penstockd.h"

#define WAIT_MS 20000 /* for the other process, at most */

/**
 * struct takeover - What was taken
 * @sock:  to the other process
 * @fds:   of its workers
 * @map:   its state, @len bytes
 * @journals: in case that it has crashed
 */
struct takeover {
	int sock;
	struct worker_taken fds;
	void *map;
	size_t len;
	struct handover_state state;
	char path[128];
	struct crash_stored journals;
};

/* --- asking --- */

/* The answer: an error ends it; that it agrees is seen at the listener. */
static int answer(int control)
{
	const char *why;
	json_t *a;
	int err = client_answer(control, &a);

	if (!err && !json_is_true(json_object_get(a, "ok"))) {
		why = json_string_value(json_object_get(a, "error"));
		log_err("takeover: the running penstockd refuses: %s",
			!why				  ? "no reason"
			: !strcmp(why, "unknown command") ? "it is too old to "
							    "hand over"
							  : why);
		err = -EPROTO;
	} else if (err) {
		log_err("takeover: no answer: %s", strerror(-err));
	}
	json_decref(a);
	return err;
}

/* Wait until the other process connects, or has refused. */
static int await(struct takeover *t, int listener, int control)
{
	struct pollfd p[2] = {{.fd = control, .events = POLLIN},
			      {.fd = listener, .events = POLLIN}};
	int err = 0;

	if (poll(p, 2, WAIT_MS) <= 0)
		err = -ETIMEDOUT;
	if (!err && !p[1].revents) {
		err = answer(control);
		control = -1;
	}
	if (!err)
		t->sock = pass_accept(listener, WAIT_MS);
	if (!err && t->sock < 0)
		err = t->sock;
	if (err && err != -EPROTO)
		log_err("takeover: the running penstockd does not hand over: "
			"%s",
			strerror(-err));
	if (control >= 0)
		close(control);
	return err;
}

static int ask(struct takeover *t, const char *control)
{
	json_t *request = json_pack("{s:s, s:i, s:s}", "cmd", "handover",
				    "format", (int)HANDOVER_VERSION, "to",
				    t->path);
	int listener = pass_listen(t->path), fd, err;

	if (listener < 0) {
		json_decref(request);
		log_err("takeover: %s: %s", t->path, strerror(-listener));
		return listener;
	}
	fd = request ? client_send(control, request) : -ENOMEM;
	json_decref(request);
	err = fd;
	if (fd < 0)
		log_err("takeover: control %s: %s; is a penstockd running "
			"with this configuration?",
			control, strerror(-fd));
	else
		err = await(t, listener, fd);
	close(listener);
	unlink(t->path);
	return err;
}

/* --- receiving --- */

/* The next word of a message, a number; false: it is none. */
static bool take_number(const char **at, unsigned long most, unsigned long *n)
{
	char *end;

	if (**at != ' ' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	errno = 0;
	*n = strtoul(*at, &end, 10);
	*at = end;
	return !errno && *n <= most;
}

/* "worker TUN QUEUE..." */
static int take_worker(struct takeover *t, const struct pass *m)
{
	struct worker_fds *w = reallocarray(t->fds.w, t->fds.n + 1, sizeof(*w));
	const char *at = m->text + strlen("worker ");
	const size_t len = strcspn(at, " ");
	unsigned long queue;

	if (!w)
		return -ENOMEM;
	t->fds.w = w;
	w += t->fds.n;
	*w = (struct worker_fds){.tun = -1};
	if (!m->n || m->n > 1 + WORKER_QUEUES_MAX || !len ||
	    len >= sizeof(w->name))
		return -EPROTO;
	memcpy(w->name, at, len);
	at += len;
	w->tun = m->fd[0];
	for (w->n = 0; w->n < m->n - 1; w->n++) {
		if (!take_number(&at, UINT16_MAX, &queue))
			return -EPROTO;
		w->queue[w->n] = (uint16_t)queue;
		w->nfq[w->n] = m->fd[1 + w->n];
	}
	t->fds.n++;
	return 0;
}

/* "state BYTES FLOWS" */
static int take_state(struct takeover *t, const struct pass *m)
{
	const char *at = m->text + strlen("state");
	unsigned long bytes;
	int err;

	if (m->n != 1 || strncmp(m->text, "state ", 6) != 0 ||
	    !take_number(&at, LONG_MAX, &bytes) || !bytes)
		return -EPROTO;
	t->len = bytes;
	t->map = mmap(NULL, t->len, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		      m->fd[0], 0);
	if (t->map == MAP_FAILED) {
		err = -errno;
		t->map = NULL;
		return err;
	}
	close(m->fd[0]);
	return handover_open(&t->state, t->map, t->len, units_wall_offset(),
			     worker_clock());
}

static int receive(struct takeover *t)
{
	struct pass m;
	int err;

	while (!t->map) {
		err = pass_recv(t->sock, &m);
		if (err)
			return err;
		if (!strncmp(m.text, "worker ", 7))
			err = take_worker(t, &m);
		else
			err = take_state(t, &m);
		if (err)
			return err;
	}
	return 0;
}

struct takeover *takeover_begin(struct daemon *d)
{
	struct takeover *t = calloc(1, sizeof(*t));
	const char *control = d->cfg->daemon.control;
	int err;

	if (!t)
		return NULL;
	t->sock = -1;
	snprintf(t->path, sizeof(t->path), "%s.takeover", control);
	if (!*control) {
		log_err("takeover: control is empty, so no other penstockd "
			"can be asked");
		err = -EINVAL;
	} else {
		err = ask(t, control);
	}
	if (!err) {
		err = receive(t);
		if (err)
			takeover_refuse(t, err == -EPROTO
						   ? "a state of another format"
						   : strerror(-err));
	}
	if (!err)
		return t;
	takeover_free(t);
	return NULL;
}

struct crash_stored *takeover_journals(struct takeover *t)
{
	return t ? &t->journals : NULL;
}

struct worker_taken *takeover_fds(struct takeover *t)
{
	return t ? &t->fds : NULL;
}

/* --- what systemd has kept --- */

/* A record of its own for each descriptor. */
static int keep_fd(struct takeover *t, const char *name, int fd)
{
	struct pass m = {.fd = {fd}, .n = 1};
	struct worker_fds *w;
	if (!strncmp(name, STORED_TUN, strlen(STORED_TUN))) {
		snprintf(m.text, sizeof(m.text), "worker %s",
			 name + strlen(STORED_TUN));
		return take_worker(t, &m);
	}
	if (strncmp(name, STORED_QUEUE, strlen(STORED_QUEUE)) != 0)
		return -EINVAL;
	w = reallocarray(t->fds.w, t->fds.n + 1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	t->fds.w = w;
	w[t->fds.n++] = (struct worker_fds){
		.tun = -1,
		.n = 1,
		.nfq = {fd},
		.queue = {(uint16_t)strtoul(name + strlen(STORED_QUEUE), NULL,
					    10)}};
	return 0;
}

static int keep_state(struct takeover *t, int fd)
{
	struct pass m = {.fd = {fd}, .n = 1};
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	snprintf(m.text, sizeof(m.text), "state %lld 0", (long long)st.st_size);
	return take_state(t, &m);
}

static int keep_journal(struct takeover *t, const char *name, int fd)
{
	struct crash_stored *s = &t->journals;

	if (strncmp(name, STORED_JOURNAL, strlen(STORED_JOURNAL)) != 0 ||
	    s->n == STORED_JOURNALS)
		return -EINVAL;
	snprintf(s->name[s->n], sizeof(s->name[0]), "%s", name);
	s->fd[s->n++] = fd;
	return 0;
}

/* What is left in the store would come again, when it is not true any more. */
static void forget(const char *name)
{
	sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

struct takeover *takeover_stored(void)
{
	struct takeover *t;
	char **name = NULL;
	int n = sd_listen_fds_with_names(1, &name), err = 0;

	t = n > 0 ? calloc(1, sizeof(*t)) : NULL;
	if (t)
		t->sock = -1;
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (t && !keep_journal(t, name[i], fd)) {
			free(name[i]); /* crash.c forgets it */
			continue;
		}
		forget(name[i]);
		if (!t)
			close(fd);
		else if (!strcmp(name[i], STORED_STATE))
			err = keep_state(t, fd);
		else if (keep_fd(t, name[i], fd))
			close(fd);
		free(name[i]);
	}
	free(name);
	if (err)
		log_err("takeover: what the last penstockd left cannot be "
			"read: %s",
			err == -EPROTO ? "a state of another format"
				       : strerror(-err));
	if (t && (err || !t->map)) { /* packets that wait are good anyway */
		handover_close(&t->state);
		if (t->map)
			munmap(t->map, t->len);
		t->map = NULL;
	}
	if (t)
		t->journals.taken = t->map;
	return t;
}

void takeover_refuse(struct takeover *t, const char *why)
{
	struct pass m = {0};

	if (t->sock < 0)
		return;
	log_err("takeover: %s: the other penstockd goes on", why);
	snprintf(m.text, sizeof(m.text), "%s", why);
	pass_send(t->sock, &m);
	close(t->sock);
	t->sock = -1;
}

/* --- going on --- */

/* The time counts from when the state was written: nobody has gone on with them
 * since then. */
static void report(const struct takeover *t, const struct handover_counts *c)
{
	log_info("takeover: %u connections of penstockd %.*s go on after %lld "
		 "ms",
		 c->taken, (int)t->state.program_len, t->state.program,
		 (long long)(mono_sub(worker_clock(), t->state.now) /
			     USEC_PER_MSEC));
	for (int i = 0; i < HANDOVER_LOSSES; i++) {
		if (c->lost[i])
			log_warn("takeover: %u connections are reset: %s",
				 c->lost[i], handover_loss_name[i]);
	}
	if (c->faults)
		log_warn("takeover: %u faults act no more: their lines are not "
			 "allowed here",
			 c->faults);
}

static void send_reset(void *arg, struct tx *tx)
{
	worker_send(arg, tx);
}

int takeover_load(struct daemon *d, struct takeover *t)
{
	struct engine *engine[HANDOVER_WORKERS_MAX];
	struct pass m = {.text = "ready"};
	struct handover_counts c;
	struct handover_side s;
	int err;

	if (!t->map)
		return 0;
	handover_side(d, &s, engine);
	handover_load(&t->state, &s, &c);
	faults_taken(d);
	err = t->sock < 0 ? 0 : pass_send(t->sock, &m);
	if (!err && t->sock >= 0)
		err = pass_recv(t->sock, &m);
	if (!err && t->sock >= 0 && strcmp(m.text, "go") != 0)
		err = -EPROTO;
	if (err) {
		log_err("takeover: the other penstockd: %s", strerror(-err));
		return err;
	}
	if (t->sock >= 0)
		close(t->sock);
	t->sock = -1;
	handover_reset(&t->state, &s, send_reset, d->unit[0].worker);
	report(t, &c);
	return 0;
}

void takeover_free(struct takeover *t)
{
	if (!t)
		return;
	if (t->sock >= 0)
		close(t->sock);
	worker_taken_close(&t->fds);
	handover_close(&t->state);
	if (t->map)
		munmap(t->map, t->len);
	free(t);
}
