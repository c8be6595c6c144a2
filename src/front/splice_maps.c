/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of relay = splice: the pinned map, whose entries are the
 * connections.  Nothing about them is stored elsewhere, so a new daemon owns
 * them like the last one.
 *
 * A connection has ended when both FINs were acknowledged, or after a RST that
 * the other side accepts.  Its entries stay as long as TIME_WAIT, as the hosts
 * may repeat their last segments; if the map is more than half full, only for
 * HURRY_US.  A connection without a segment for idle_timeout, or for IDLE_US if
 * there is none, is forgotten.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "front/splice.h"
#include "front/splice_layout.h"

#define WALK_STEP 16384 /* entries a second */
#define HURRY_US (2 * USEC_PER_SEC)
#define TIME_WAIT_US (60 * USEC_PER_SEC) /* of no service */
#define IDLE_US (7440LL * USEC_PER_SEC)	 /* RFC 5382, 5: 2 hours 4 minutes */

/**
 * struct splice_map - The open map
 * @fd:    of the map
 * @at:    key where the walk is now; valid with @on
 * @seen:  connections that this walk has met
 * @count: and the last whole one
 * @stale: entries that a step of the walk removes
 */
struct splice_map {
	int fd;
	uint32_t mark, mask;
	struct splice_key at;
	bool on;
	uint32_t seen, count;
	struct splice_key stale[1024];
};

static void key_of(const struct tuple *t, struct splice_key *k)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->saddr, t->remote.b, 16);
	memcpy(k->daddr, t->local.b, 16);
	k->sport = htons(t->rport);
	k->dport = htons(t->lport);
}

static struct splice_key turned(const struct splice_key *k)
{
	struct splice_key r = {.sport = k->dport, .dport = k->sport};

	memcpy(r.saddr, k->daddr, 16);
	memcpy(r.daddr, k->saddr, 16);
	return r;
}

int splice_map_open(struct splice_map **out, const char *dir, uint32_t mark,
		    uint32_t mask)
{
	struct splice_map *m = calloc(1, sizeof(*m));
	char path[PATH_MAX];
	int err;

	if (!m)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/splice/flows", dir);
	m->fd = bpf_obj_get(path);
	if (m->fd < 0) {
		err = -errno;
		free(m);
		return err;
	}
	m->mark = mark;
	m->mask = mask;
	*out = m;
	return 0;
}

void splice_map_close(struct splice_map *m)
{
	if (!m)
		return;
	close(m->fd);
	free(m);
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
				   .newest_ts = s->newest_ts,
				   .mss = s->mss,
				   .wnd = s->wnd,
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

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int map_install(void *ctx, const struct splice_pair *p)
{
	const struct splice_map *m = ctx;
	struct splice_dir up = dir_of(m, &p->up), down = dir_of(m, &p->down);
	struct splice_key k, r;
	int err;

	key_of(&p->client, &k);
	r = turned(&k);
	up.last_ns = down.last_ns = clock_ns();
	if (bpf_map_update_elem(m->fd, &r, &down, BPF_ANY))
		return -errno;
	if (bpf_map_update_elem(m->fd, &k, &up, BPF_ANY) == 0)
		return 0;
	err = -errno;
	bpf_map_delete_elem(m->fd, &r);
	return err;
}

/* Were its FIN, and the ACK for it, passed on? */
static bool is_over(const struct splice_dir *d, const struct splice_dir *back)
{
	return d->seen & SPLICE_FIN && back->acked == d->nxt - d->dseq;
}

static bool has_ended(const struct splice_dir *d, const struct splice_dir *back)
{
	return (d->seen | back->seen) & SPLICE_RST ||
	       (is_over(d, back) && is_over(back, d));
}

static bool map_find(void *ctx, const struct tuple *t, struct splice_found *out)
{
	const struct splice_map *m = ctx;
	struct splice_dir d, back;
	struct splice_key k, r;

	key_of(t, &k);
	if (bpf_map_lookup_elem(m->fd, &k, &d))
		return false;
	r = turned(&k);
	if (bpf_map_lookup_elem(m->fd, &r, &back))
		return false;
	shift_of(&d, &out->dir);
	shift_of(&back, &out->back);
	out->ended = has_ended(&d, &back);
	return true;
}

static void remove_both(const struct splice_map *m, const struct splice_key *k)
{
	const struct splice_key r = turned(k);

	bpf_map_delete_elem(m->fd, k);
	bpf_map_delete_elem(m->fd, &r);
}

static void map_remove(void *ctx, const struct tuple *t)
{
	struct splice_key k;

	key_of(t, &k);
	remove_both(ctx, &k);
}

static void open_one(const struct splice_map *m, const struct splice_key *k)
{
	struct splice_dir d;

	if (bpf_map_lookup_elem(m->fd, k, &d))
		return;
	d.open = 1;
	bpf_map_update_elem(m->fd, k, &d, BPF_EXIST);
}

/* If this fails, the engine gets all segments and sends them through the
 * TUN. */
static void map_open(void *ctx, const struct tuple *t)
{
	struct splice_key k, r;

	key_of(t, &k);
	r = turned(&k);
	open_one(ctx, &k);
	open_one(ctx, &r);
}

const struct splice_ops splice_map_ops = {.install = map_install,
					  .open = map_open,
					  .find = map_find,
					  .remove = map_remove};

/* --- the walk --- */

/* @k: the client's direction. */
static const struct service *service_of(const struct policy *p,
					const struct splice_key *k)
{
	struct ipaddr a;

	memcpy(a.b, k->daddr, 16);
	for (uint32_t i = 0; i < p->nservice; i++) {
		const struct listen_set *l = &p->service[i].listen;

		for (uint32_t j = 0; j < l->n; j++)
			if (endpoint_matches(&l->ep[j], &a, ntohs(k->dport)))
				return &p->service[i];
	}
	return NULL;
}

static int64_t quiet_us(const struct splice_dir *d,
			const struct splice_dir *back, mono_t now)
{
	uint64_t last = d->last_ns > back->last_ns ? d->last_ns : back->last_ns;

	return now.us - (int64_t)(last / 1000);
}

static bool is_stale(struct splice_map *m, const struct policy *p,
		     const struct splice_key *k, const struct splice_dir *d,
		     mono_t now)
{
	const struct service *s = service_of(p, k);
	const struct splice_key r = turned(k);
	struct splice_dir back = {0};
	bool alone = bpf_map_lookup_elem(m->fd, &r, &back) != 0;
	int64_t limit = TIME_WAIT_US;

	if (!alone && !has_ended(d, &back))
		limit = s && s->idle_timeout ? s->idle_timeout : IDLE_US;
	else if (m->count > SPLICE_FLOWS / 4)
		limit = HURRY_US;
	else if (s)
		limit = s->tcp.timewait_len;
	return quiet_us(d, &back, now) > limit;
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

/* A removed key has no next one: so @at stays at a key that remains. */
void splice_map_walk(struct splice_map *m, const struct policy *p, mono_t now)
{
	struct splice_key at = m->at;
	struct splice_dir d;
	uint32_t stale = 0;
	bool on = m->on;

	for (int i = 0; i < WALK_STEP && stale < ARRAY_LEN(m->stale); i++) {
		if (!next_key(m, &at, &on)) {
			m->count = m->seen;
			m->seen = 0;
			m->on = false;
			break;
		}
		if (bpf_map_lookup_elem(m->fd, &at, &d) || !d.from_client)
			continue;
		if (is_stale(m, p, &at, &d, now)) {
			m->stale[stale++] = at;
			continue;
		}
		m->seen++;
		m->at = at;
		m->on = true;
	}
	while (stale)
		remove_both(m, &m->stale[--stale]);
}

uint32_t splice_map_count(const struct splice_map *m)
{
	return m->count;
}

static void print_address(FILE *out, const uint8_t *a, uint16_t port)
{
	static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = !memcmp(a, v4, sizeof(v4));
	char text[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, a + (is_v4 ? 12 : 0), text,
		  sizeof(text));
	fprintf(out, is_v4 ? "%s:%u" : "[%s]:%u", text, ntohs(port));
}

void splice_map_list(struct splice_map *m, const struct policy *p, FILE *out,
		     mono_t now, uint32_t max)
{
	struct splice_dir up, down;
	struct splice_key k, r;
	bool on = false;

	while (max && next_key(m, &k, &on)) {
		const struct service *s;

		r = turned(&k);
		if (bpf_map_lookup_elem(m->fd, &k, &up) || !up.from_client ||
		    bpf_map_lookup_elem(m->fd, &r, &down))
			continue;
		s = service_of(p, &k);
		fprintf(out, "%s ", s ? s->name : "-");
		print_address(out, k.saddr, k.sport);
		fputs(" -> ", out);
		print_address(out, k.daddr, k.dport);
		fprintf(out,
			" spliced(%s up=%llu down=%llu packets=%llu "
			"idle=%llds)\n",
			has_ended(&up, &down) ? "ended" : "open",
			(unsigned long long)up.bytes,
			(unsigned long long)down.bytes,
			(unsigned long long)(up.packets + down.packets),
			(long long)(quiet_us(&up, &down, now) / USEC_PER_SEC));
		max--;
	}
}
