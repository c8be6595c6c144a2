/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of relay = splice: the pinned map, whose entries are the
 * connections, and a book of them (splice_book.h).  The book has nothing that
 * the program changes.  A new daemon fills its book from the map, and owns the
 * connections like the last one.
 *
 * A connection has ended when both FINs were acknowledged, or after a RST that
 * the other side accepts.  The program tells this through a ring, so that the
 * connection soon no longer counts.  A walk through the map, WALK_STEP entries
 * a second, finds what the ring had no room for, and what is to be forgotten.
 * An ended connection stays as long as TIME_WAIT, as the hosts may repeat their
 * last segments; if the map is more than half full, only for HURRY_US.  One
 * without a segment for idle_timeout, or for IDLE_US if there is none, is
 * forgotten as well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "front/splice.h"
#include "front/splice_layout.h"
#include "splice_book.h"

#define WALK_STEP 16384 /* entries a second */
#define BATCH 1024	/* entries of one call */
#define HURRY_US (2 * USEC_PER_SEC)
#define TIME_WAIT_US (60 * USEC_PER_SEC) /* of no service */
#define IDLE_US (7440LL * USEC_PER_SEC)	 /* RFC 5382, 5: 2 hours 4 minutes */

/**
 * struct splice_map - The open map
 * @fd:      of the map; @ring_fd, @ring: of the ring
 * @at:      where the walk through the map is now; valid with @on
 * @key, @entry: a batch of the map
 */
struct splice_map {
	int fd, ring_fd;
	struct ring_buffer *ring;
	uint32_t mark, mask;
	struct splice_book book;
	uint32_t at;
	bool on;
	struct splice_key key[BATCH];
	struct splice_entry entry[BATCH];
};

/* Return: where @t's remote is in the key */
static uint32_t key_of(const struct tuple *t, struct splice_key *k)
{
	*k = (struct splice_key){.port = {htons(t->rport), htons(t->lport)}};
	memcpy(k->addr[0], t->remote.b, 16);
	memcpy(k->addr[1], t->local.b, 16);
	return splice_key_order(k);
}

/* Where the client is in the key. */
static uint32_t client_in(const struct splice_entry *e)
{
	return !e->dir[0].from_client;
}

/* The client leg's addresses. */
static struct tuple tuple_of(const struct splice_key *k, uint32_t client)
{
	struct tuple t = {.lport = ntohs(k->port[!client]),
			  .rport = ntohs(k->port[client])};

	memcpy(t.remote.b, k->addr[client], 16);
	memcpy(t.local.b, k->addr[!client], 16);
	return t;
}

static struct splice_dir dir_of(const struct splice_map *m,
				const struct splice_shift *s)
{
	return (struct splice_dir){.dseq = s->seq,
				   .dack = s->ack,
				   .dtsval = s->tsval,
				   .dtsecr = s->tsecr,
				   .shl = s->shl,
				   .shr = s->shr,
				   .ts = s->ts,
				   .mark = m->mark,
				   .mask = m->mask,
				   .nxt = s->nxt.v,
				   .acked = s->acked.v,
				   .edge = s->acked.v +
					   ((s->wnd + 1u) << (s->shr & 15)),
				   .newest_ts = s->newest_ts,
				   .mss = s->mss,
				   .wnd = s->wnd,
				   .held = s->held,
				   .from_client = s->from_client};
}

static void shift_of(const struct splice_dir *d, struct splice_shift *s)
{
	*s = (struct splice_shift){.seq = d->dseq,
				   .ack = d->dack,
				   .tsval = d->dtsval,
				   .tsecr = d->dtsecr,
				   .shl = d->shl,
				   .shr = d->shr,
				   .ts = d->ts,
				   .from_client = d->from_client,
				   .mss = d->mss,
				   .wnd = d->wnd,
				   .nxt = SEQ(d->nxt),
				   .acked = SEQ(d->acked),
				   .newest_ts = d->newest_ts};
}

static mono_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){(int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000};
}

static int map_install(void *ctx, const struct splice_pair *p)
{
	struct splice_dir up, down;
	struct splice_map *m = ctx;
	mono_t now = clock_now();
	struct splice_entry e;
	struct splice_key k;
	uint32_t serial = 0, client;
	int err;

	err = book_add(&m->book, &p->client, p->service, &serial);
	if (err)
		return err;
	up = dir_of(m, &p->up);
	down = dir_of(m, &p->down);
	up.serial = down.serial = serial;
	up.last_ns = down.last_ns = (uint64_t)now.us * 1000;
	client = key_of(&p->client, &k);
	e.dir[client] = up;
	e.dir[!client] = down;
	if (!bpf_map_update_elem(m->fd, &k, &e, BPF_ANY))
		return 0;
	err = -errno;
	book_remove(&m->book, &p->client);
	return err;
}

/* Were its FIN, and the ACK for it, passed on? */
static bool is_over(const struct splice_dir *d, const struct splice_dir *back)
{
	return d->seen & SPLICE_FIN && back->acked == d->fin - d->dseq;
}

static bool has_ended(const struct splice_entry *e)
{
	const struct splice_dir *d = &e->dir[0], *back = &e->dir[1];

	return (d->seen | back->seen) & (SPLICE_RST | SPLICE_OVER) ||
	       (is_over(d, back) && is_over(back, d));
}

static bool map_find(void *ctx, const struct tuple *t, struct splice_found *out)
{
	struct splice_map *m = ctx;
	struct splice_entry e;
	struct splice_key k;
	uint32_t from;

	from = key_of(t, &k);
	if (!book_has(&m->book, t) || bpf_map_lookup_elem(m->fd, &k, &e))
		return false;
	shift_of(&e.dir[from], &out->dir);
	shift_of(&e.dir[!from], &out->back);
	out->ended = has_ended(&e);
	return true;
}

static void map_remove(void *ctx, const struct tuple *t)
{
	struct splice_map *m = ctx;
	struct splice_key k;

	key_of(t, &k);
	bpf_map_delete_elem(m->fd, &k);
	book_remove(&m->book, t);
}

static uint32_t map_count(void *ctx, const char *service,
			  const struct ipaddr *client, uint32_t *all)
{
	struct splice_map *m = ctx;

	return book_count(&m->book, service, client, all);
}

const struct splice_ops splice_map_ops = {.install = map_install,
					  .find = map_find,
					  .remove = map_remove,
					  .count = map_count};

/* --- the walk --- */

static const struct service *service_of(const struct policy *p,
					const struct tuple *t)
{
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct listen_set *l = &p->service[i].listen;

		for (uint32_t j = 0; j < l->n; j++)
			if (endpoint_matches(&l->ep[j], &t->local, t->lport))
				return &p->service[i];
	}
	return NULL;
}

static int64_t quiet_us(const struct splice_entry *e, mono_t now)
{
	uint64_t a = e->dir[0].last_ns, b = e->dir[1].last_ns;

	return now.us - (int64_t)((a > b ? a : b) / 1000);
}

/* How long a connection may be quiet. */
static int64_t limit_us(const struct policy *p, const struct tuple *t,
			bool ended, bool hurry)
{
	const struct service *s;

	if (ended && hurry)
		return HURRY_US;
	s = service_of(p, t);
	if (!ended)
		return s && s->idle_timeout ? s->idle_timeout : IDLE_US;
	return s ? s->tcp.timewait_len : TIME_WAIT_US;
}

static int on_end(void *ctx, void *data, size_t len)
{
	const struct splice_end *e = data;
	struct splice_map *m = ctx;
	struct tuple t;

	if (len < sizeof(*e))
		return 0;
	t = tuple_of(&e->key, e->client & 1);
	book_end(&m->book, &t, e->serial);
	return 0;
}

void splice_map_ends(struct splice_map *m)
{
	ring_buffer__consume(m->ring);
}

int splice_map_ends_fd(const struct splice_map *m)
{
	return ring_buffer__epoll_fd(m->ring);
}

/* The next entries, at most BATCH.  A batch ends where the next bucket of the
 * map does not fit, so that one which is not full need not be the last.
 * Return: how many; afterwards @on says whether there may be more */
static uint32_t next_batch(struct splice_map *m)
{
	uint32_t n = BATCH, next;
	int err;

	err = bpf_map_lookup_batch(m->fd, m->on ? &m->at : NULL, &next, m->key,
				   m->entry, &n, NULL);
	m->on = !err;
	if (err && errno != ENOENT)
		return 0;
	m->at = next;
	return n;
}

/* By the book, which is locked. */
static void on_gone(void *ctx, const struct tuple *t)
{
	const struct splice_map *m = ctx;
	struct splice_key k;

	key_of(t, &k);
	bpf_map_delete_elem(m->fd, &k);
}

/* Entry number @i of the batch. */
static void look_at(struct splice_map *m, const struct policy *p, uint32_t i,
		    mono_t now, bool hurry)
{
	const struct splice_entry *e = &m->entry[i];
	const struct tuple t = tuple_of(&m->key[i], client_in(e));
	bool ended = has_ended(e);
	int64_t quiet;

	if (ended) /* the ring may have had no room for it */
		book_end(&m->book, &t, e->dir[0].serial);
	quiet = quiet_us(e, now);
	if (quiet > HURRY_US && quiet > limit_us(p, &t, ended, hurry))
		book_forget(&m->book, &t, e->dir[0].serial, on_gone, m);
}

void splice_map_walk(struct splice_map *m, const struct policy *p, mono_t now)
{
	uint32_t size = book_size(&m->book), seen = 0, n;
	bool hurry = size > SPLICE_FLOWS / 2;

	splice_map_ends(m);
	while (seen < size && seen < (hurry ? size : WALK_STEP)) {
		n = next_batch(m);
		for (uint32_t i = 0; i < n; i++)
			look_at(m, p, i, now, hurry);
		seen += n;
		if (!m->on)
			return;
	}
}

uint32_t splice_map_of(struct splice_map *m, const struct ipaddr *client,
		       uint16_t port, struct tuple *t, uint32_t max)
{
	return book_of(&m->book, client, port, t, max);
}

uint32_t splice_map_count(struct splice_map *m)
{
	const struct ipaddr none = {{0}};
	uint32_t all;

	book_count(&m->book, "", &none, &all);
	return all;
}

/* Advance @at to the next key.  False: there is none. */
static bool next_key(const struct splice_map *m, struct splice_key *at,
		     bool *on)
{
	struct splice_key next;

	if (bpf_map_get_next_key(m->fd, *on ? at : NULL, &next))
		return false;
	*at = next;
	*on = true;
	return true;
}

void splice_map_list(struct splice_map *m, const struct policy *p, mono_t now,
		     uint32_t max, splice_flow_fn fn, void *arg)
{
	struct splice_entry e;
	struct splice_key k;
	bool on = false;

	while (max && next_key(m, &k, &on)) {
		const struct splice_dir *up, *down;
		const struct service *s;
		struct splice_flow f;
		struct tuple t;

		if (bpf_map_lookup_elem(m->fd, &k, &e))
			continue;
		up = &e.dir[client_in(&e)];
		down = &e.dir[!client_in(&e)];
		t = tuple_of(&k, client_in(&e));
		s = service_of(p, &t);
		f = (struct splice_flow){.service = s ? s->name : NULL,
					 .client = t.remote,
					 .server = t.local,
					 .client_port = t.rport,
					 .server_port = t.lport,
					 .ended = has_ended(&e),
					 .up_bytes = up->bytes,
					 .down_bytes = down->bytes,
					 .packets = up->packets + down->packets,
					 .idle_s = quiet_us(&e, now) /
						   USEC_PER_SEC};
		fn(arg, &f);
		max--;
	}
}

/* --- life --- */

/* The connections of the daemon that was here before. */
static int take_over(struct splice_map *m, const struct policy *p)
{
	int err = 0;

	do {
		uint32_t n = next_batch(m);

		for (uint32_t i = 0; i < n && !err; i++) {
			const struct splice_entry *e = &m->entry[i];
			struct tuple t = tuple_of(&m->key[i], client_in(e));
			const struct service *s = service_of(p, &t);
			uint32_t serial = e->dir[0].serial;

			err = book_add(&m->book, &t, s ? s->name : "", &serial);
			if (has_ended(e))
				book_end(&m->book, &t, serial);
		}
	} while (m->on && !err);
	return err;
}

static int open_pin(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/splice/%s", dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int open_all(struct splice_map *m, const char *dir,
		    const struct policy *p)
{
	uint8_t secret[32];
	int rc;

	m->fd = open_pin(dir, "flows");
	if (m->fd < 0)
		return m->fd;
	m->ring_fd = open_pin(dir, "ends");
	if (m->ring_fd < 0)
		return m->ring_fd;
	m->ring = ring_buffer__new(m->ring_fd, on_end, m, NULL);
	if (!m->ring)
		return -errno;
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -errno;
	rc = book_init(&m->book, SPLICE_FLOWS, secret);
	return rc ? rc : take_over(m, p);
}

int splice_map_open(struct splice_map **out, const char *dir, uint32_t mark,
		    uint32_t mask, const struct policy *p)
{
	struct splice_map *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	m->mark = mark;
	m->mask = mask;
	m->ring_fd = -1;
	rc = open_all(m, dir, p);
	if (rc)
		splice_map_close(m);
	else
		*out = m;
	return rc;
}

void splice_map_close(struct splice_map *m)
{
	if (!m)
		return;
	book_fini(&m->book);
	ring_buffer__free(m->ring);
	if (m->ring_fd >= 0)
		close(m->ring_fd);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}
