/* SPDX-License-Identifier: MIT */
/*
 * The front, the daemon's part: the pinned maps, opened once and written
 * through descriptors.
 *
 * The order of changes matters, as the program may run meanwhile: a service is
 * filled in before its addresses, and an epoch's key before its number.  What a
 * new policy no longer has is removed from the maps first.
 *
 * A service keeps its number in the maps over reloads, by its name, and so its
 * counters.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "front/layout.h"
#include "front/front.h"
#include "pins.h"
#include "tcp/leg.h"

#define VALID_US (3 * USEC_PER_SEC) /* two renewals may be missed */
#define KNOWN_BYTES (1u << KNOWN_BITS)
#define SPENT_BYTES (sizeof(struct known_spent) << KNOWN_SPENT_BITS)

enum map {
	MAP_STATE,
	MAP_LISTENS,
	MAP_SERVICES,
	MAP_PREFIXES,
	MAP_KNOWN,
	MAP_SPENT,
	MAP_COUNTERS,
	MAPS
};

static const char *const map_name[MAPS] = {
	[MAP_STATE] = "state",	     [MAP_LISTENS] = "listens",
	[MAP_SERVICES] = "services", [MAP_PREFIXES] = "prefixes",
	[MAP_KNOWN] = "known",	     [MAP_SPENT] = "spent",
	[MAP_COUNTERS] = "counters",
};

/**
 * struct front - The open maps
 * @fd:      by enum map
 * @inode:   of the pinned map of the state
 * @secret:  from which the keys of epochs are derived
 * @epoch:   whose keys are set
 * @wall_off_us: wall clock less the monotonic one; it never goes back, as the
 *           engine's does not
 * @name:    names of the services in the maps, by slot
 * @slot:    of service number i of the policy; @n of them
 * @ncpu:    values of a per-processor map
 * @scratch: @ncpu of them
 */
struct front {
	int fd[MAPS];
	ino_t inode;
	struct front_state *state;
	struct front_service *service;
	struct known known;
	uint8_t secret[32];
	int64_t epoch, wall_off_us;
	char name[FRONT_SERVICES][SERVICE_NAME_MAX + 1];
	uint32_t slot[FRONT_SERVICES];
	uint32_t n;
	int ncpu;
	uint64_t *scratch;
};

static int map_open(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/front/%s", dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static ino_t pinned_inode(const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/front/%s", dir, map_name[MAP_STATE]);
	return stat(path, &st) ? 0 : st.st_ino;
}

static void *map_memory(int fd, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	/* cppcheck-suppress memleak ; the caller's, who unmaps it */
	return p == MAP_FAILED ? NULL : p;
}

static int map_all(struct front *f)
{
	f->state = map_memory(f->fd[MAP_STATE], sizeof(*f->state));
	f->service = map_memory(f->fd[MAP_SERVICES],
				FRONT_SERVICES * sizeof(*f->service));
	f->known.count = map_memory(f->fd[MAP_KNOWN], KNOWN_BYTES);
	f->known.spent = map_memory(f->fd[MAP_SPENT], SPENT_BYTES);
	f->ncpu = libbpf_num_possible_cpus();
	if (!f->state || !f->service || !f->known.count || !f->known.spent ||
	    f->ncpu < 1)
		return -ENOMEM;
	f->scratch = calloc((size_t)f->ncpu, sizeof(*f->scratch));
	return f->scratch ? 0 : -ENOMEM;
}

int front_open(struct front **out, const char *dir)
{
	struct front *f = calloc(1, sizeof(*f));
	int err = 0;

	if (!f)
		return -ENOMEM;
	libbpf_set_print(pins_quiet);
	f->epoch = INT64_MIN;
	f->wall_off_us = INT64_MIN;
	f->inode = pinned_inode(dir);
	for (int i = 0; i < MAPS; i++)
		f->fd[i] = -1;
	for (int i = 0; i < MAPS && !err; i++) {
		f->fd[i] = map_open(dir, map_name[i]);
		err = f->fd[i] < 0 ? f->fd[i] : 0;
	}
	if (!err)
		err = map_all(f);
	if (err) {
		front_close(f);
		return err;
	}
	/* left by an earlier daemon */
	front_end(f);
	memset(f->known.count, 0, KNOWN_BYTES);
	memset(f->known.spent, 0, SPENT_BYTES);
	*out = f;
	return 0;
}

bool front_is_current(const struct front *f, const char *dir)
{
	return f->inode == pinned_inode(dir);
}

void front_end(struct front *f)
{
	__atomic_store_n(&f->state->valid_until_us, 0, __ATOMIC_RELEASE);
}

static void unmap(void *p, size_t len)
{
	if (p)
		munmap(p, len);
}

void front_close(struct front *f)
{
	if (!f)
		return;
	if (f->state)
		front_end(f);
	unmap(f->state, sizeof(*f->state));
	unmap(f->service, FRONT_SERVICES * sizeof(*f->service));
	unmap(f->known.count, KNOWN_BYTES);
	unmap(f->known.spent, SPENT_BYTES);
	for (int i = 0; i < MAPS; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	explicit_bzero(f->secret, sizeof(f->secret));
	free(f->scratch);
	free(f);
}

/* --- keys and time --- */

static struct front_key derive(const struct front *f, const char *purpose,
			       uint64_t number)
{
	struct hash_key k;
	struct front_key out;

	hash_derive(&k, f->secret, purpose, number);
	memcpy(&out, k.k, sizeof(out));
	explicit_bzero(&k, sizeof(k));
	return out;
}

void front_set_keys(struct front *f, const uint8_t secret[32], int64_t epoch_s)
{
	memcpy(f->secret, secret, sizeof(f->secret));
	known_init(&f->known, secret, f->known.count, f->known.spent);
	f->state->isn = derive(f, "isn", 0);
	f->state->epoch_s = (uint64_t)epoch_s;
	for (int i = 0; i < FRONT_EPOCHS; i++)
		f->state->slot[i].epoch = INT64_MIN;
}

static void renew_key(struct front *f, int64_t epoch)
{
	uint64_t i = (uint64_t)epoch % FRONT_EPOCHS;

	if (f->state->slot[i].epoch == epoch)
		return;
	f->state->slot[i].key = derive(f, "syn cookie", (uint64_t)epoch);
	__atomic_store_n(&f->state->slot[i].epoch, epoch, __ATOMIC_RELEASE);
}

void front_renew(struct front *f, mono_t now, int64_t wall_offset_us)
{
	int64_t wall, epoch;

	if (wall_offset_us > f->wall_off_us)
		f->wall_off_us = wall_offset_us;
	wall = (now.us + f->wall_off_us) / USEC_PER_SEC;
	epoch = wall / (int64_t)f->state->epoch_s;
	for (int64_t e = epoch - 1; e <= epoch + 1; e++)
		renew_key(f, e);
	if (epoch != f->epoch)
		known_renew(&f->known, epoch);
	f->epoch = epoch;
	f->state->wall_off_us = f->wall_off_us;
	__atomic_store_n(&f->state->valid_until_us,
			 (uint64_t)(now.us + VALID_US), __ATOMIC_RELEASE);
}

const struct known *front_known(const struct front *f)
{
	return &f->known;
}

/* --- policy --- */

/* Remove every key of a map. */
static int map_clear(int fd, void *key)
{
	while (bpf_map_get_next_key(fd, NULL, key) == 0) {
		if (bpf_map_delete_elem(fd, key))
			return -errno;
	}
	return errno == ENOENT ? 0 : -errno;
}

static int put_listens(const struct front *f, const struct service *s,
		       uint32_t slot)
{
	for (uint32_t i = 0; i < s->listen.n; i++) {
		const struct endpoint *ep = &s->listen.ep[i];
		struct front_listen k = {.prefixlen = 16u + ep->prefix,
					 .port = __builtin_bswap16(ep->port)};

		memcpy(k.addr, ep->addr.b, sizeof(k.addr));
		if (bpf_map_update_elem(f->fd[MAP_LISTENS], &k, &slot, BPF_ANY))
			return -errno;
	}
	return 0;
}

struct put_prefix {
	const struct front *f;
	uint32_t slot;
	int err;
};

static void put_prefix(void *arg, const struct ipaddr *a, uint8_t len,
		       uint8_t value)
{
	struct put_prefix *p = arg;
	struct front_prefix k = {.prefixlen = 32u + len, .service = p->slot};
	uint32_t what = value == SHIELD_DENY ? FRONT_DENY : FRONT_ALLOW;

	memcpy(k.addr, a->b, sizeof(k.addr));
	if (!p->err &&
	    bpf_map_update_elem(p->f->fd[MAP_PREFIXES], &k, &what, BPF_ANY))
		p->err = -errno;
}

static int put_lists(const struct front *f, const struct service *s,
		     uint32_t slot)
{
	struct put_prefix p = {.f = f, .slot = slot};

	if (s->shield.access)
		prefix_map_walk(s->shield.access, put_prefix, &p);
	return p.err;
}

static struct front_service describe(const struct service *s)
{
	const struct tcp_cfg *c = &s->tcp;
	struct front_service v = {
		.flags = s->relay == RELAY_SPLICE ? FRONT_SPLICED : 0,
		/* signed segments may pass: only the daemon decides */
		.strict = s->unknown == UNKNOWN_DROP &&
			  s->tcp_signed == SIGNED_DROP,
		.listed = s->shield.access != NULL,
		.denied = s->shield.allow.text[0] != '\0',
		.timestamps = (uint8_t)c->timestamps,
		.sack = c->sack != 0,
		.window_scaling = c->window_scaling != 0,
		.ecn = c->ecn != 0,
		.wscale = leg_wscale_offer(c),
	};

	return v;
}

const char *front_why_not(const struct service *s)
{
	if (!s->syncookies)
		return "tcp_syncookies = 0";
	if (s->shield.rate_limit.interval_ns)
		return "rate_limit";
	if (s->shield.tw_recycle)
		return "tcp_tw_recycle = 1";
	return NULL;
}

static bool is_in_policy(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->nservice; i++)
		if (!strcmp(p->service[i].name, name))
			return true;
	return false;
}

/* The slot of a name, or one whose name is no longer used.  There are as many
 * slots as services. */
static uint32_t slot_for(struct front *f, const struct policy *p,
			 const char *name)
{
	uint32_t room = FRONT_SERVICES;

	for (uint32_t i = 0; i < FRONT_SERVICES; i++) {
		if (!strcmp(f->name[i], name))
			return i;
		if (room == FRONT_SERVICES && !is_in_policy(p, f->name[i]))
			room = i;
	}
	snprintf(f->name[room], sizeof(f->name[room]), "%s", name);
	memset(f->scratch, 0, (size_t)f->ncpu * sizeof(*f->scratch));
	for (uint32_t n = 0; n < FRONT_COUNTERS; n++) {
		uint32_t key = room * FRONT_COUNTERS + n;

		bpf_map_update_elem(f->fd[MAP_COUNTERS], &key, f->scratch,
				    BPF_ANY);
	}
	return room;
}

int front_set_policy(struct front *f, const struct policy *p)
{
	struct front_listen l;
	struct front_prefix x;
	int rc;

	rc = map_clear(f->fd[MAP_LISTENS], &l);
	if (!rc)
		rc = map_clear(f->fd[MAP_PREFIXES], &x);
	memset(f->service, 0, FRONT_SERVICES * sizeof(*f->service));
	f->n = p->nservice;
	for (uint32_t i = 0; i < p->nservice && !rc; i++) {
		const struct service *s = &p->service[i];
		uint32_t slot = slot_for(f, p, s->name);

		f->slot[i] = slot;
		if (front_why_not(s))
			continue;
		f->service[slot] = describe(s);
		rc = put_lists(f, s, slot);
		if (!rc)
			rc = put_listens(f, s, slot);
	}
	return rc;
}

void front_offer(struct front *f, uint32_t i, const struct synack_offer *o)
{
	struct front_service *v = &f->service[f->slot[i]];

	if (i >= f->n)
		return;
	v->mss4 = o->mss4;
	v->mss6 = o->mss6;
	v->wnd = o->wnd;
	v->flags =
		(uint8_t)((v->flags & FRONT_SPLICED) |
			  (o->lacks & OPT_HAS_TS ? FRONT_LACKS_TS : 0) |
			  (o->lacks & OPT_HAS_SACKOK ? FRONT_LACKS_SACK : 0) |
			  (o->lacks & OPT_HAS_WSCALE ? FRONT_LACKS_WSCALE : 0));
}

void front_answer(struct front *f, uint32_t i, bool on)
{
	if (i < f->n)
		__atomic_store_n(&f->service[f->slot[i]].answer, on,
				 __ATOMIC_RELAXED);
}

/* --- counters --- */

static uint64_t counter(struct front *f, uint32_t i, enum front_counter which)
{
	uint32_t key = f->slot[i] * FRONT_COUNTERS + which;
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(f->fd[MAP_COUNTERS], &key, f->scratch))
		return 0;
	for (int c = 0; c < f->ncpu; c++)
		sum += f->scratch[c];
	return sum;
}

bool front_counter(struct front *f, uint32_t i, uint32_t n, const char **name,
		   const char **help, uint64_t *value)
{
	static const struct {
		const char *name, *help;
	} row[] = {
#define X(id, name, help) [FRONT_##id] = {name, help},
		FRONT_COUNTER_NAMES(X)
#undef X
	};

	_Static_assert(ARRAY_LEN(row) == FRONT_COUNTERS, "a name for each");
	if (n >= FRONT_COUNTERS || i >= f->n)
		return false;
	*name = row[n].name;
	*help = row[n].help;
	*value = counter(f, i, n);
	return true;
}

void front_attack_counts(struct front *f, uint32_t i, struct attack_counts *c)
{
	if (i >= f->n)
		return;
	c->cookies += counter(f, i, FRONT_SYNACKS);
	c->failed += counter(f, i, FRONT_UNKNOWN);
	c->limited += counter(f, i, FRONT_DENIED);
}

uint64_t front_cookies(struct front *f, uint32_t i)
{
	return i < f->n ? counter(f, i, FRONT_SYNACKS) : 0;
}
