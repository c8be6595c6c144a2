/* SPDX-License-Identifier: MIT */
/*
 * A crash: what this process keeps for the next one, and what it does about the
 * last one's connections.
 *
 * Kept are the journal of all legs (crash/journal.h) and, where systemd has a
 * store for descriptors, the sockets of the queues, with the packets that wait
 * in them, and the TUN.  systemd keeps the journal, too, a memfd.  Without it
 * the journal is a file beside the control socket, and the queues go with the
 * process.
 *
 * A journal that was not closed is a crashed process's.  Its peers are told
 * (crash/tell.h): until that is over a filter stands between each worker and
 * its engine.  Their addresses are in this process's journal, too, in case that
 * it crashes meanwhile.
 */
#include "crash/tell.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "engine/hooks.h"
#include "penstockd.h"

/**
 * struct crash - See above
 * @fd:    of this process's journal, @len bytes at @map; NULL: there is none
 * @path:  its file; empty: systemd keeps it, as @name
 * @old:   names of the journals that systemd gave us, @nold of them
 * @left:  the part of the journal for the last process's connections
 * @found: those connections, until @tell has them
 * @tell:  tells their peers; NULL: nobody has to be told
 * @lock:  of @tell
 * @known: the front that knows the peers now
 * @published: the journal is where the next process looks for it
 * @count: what has come of it
 */
struct crash {
	int fd;
	void *map;
	size_t len;
	char path[128], name[sizeof(STORED_JOURNAL) + 1];
	char old[STORED_JOURNALS][sizeof(STORED_JOURNAL) + 1];
	uint32_t nold;
	struct journal left;
	struct journal_flow *found;
	uint32_t nfound, room;
	struct tell *tell;
	pthread_mutex_t lock;
	const struct known *known;
	const struct owners *owners;
	bool published;
	struct tell_counts count;
};

/* --- what the last process has left --- */

static bool take_flow(void *arg, const struct journal_flow *f)
{
	struct crash *c = arg;
	struct journal_flow *p;

	if (c->nfound == c->room) {
		c->room = c->room ? 2 * c->room : 1024;
		p = reallocarray(c->found, c->room, sizeof(*p));
		if (!p) {
			c->room = c->nfound;
			return false;
		}
		c->found = p;
	}
	c->found[c->nfound++] = *f;
	return true;
}

static const char *why_not(int err)
{
	return err == -EBADMSG	? "it is damaged, or something else"
	       : err == -EPROTO ? "it is of another version"
	       : err == -EACCES ? "others can write it"
				: strerror(-err);
}

/* @taken: a state is here, too, and its connections go on */
static int read_journal(struct crash *c, int fd, bool taken)
{
	struct stat st;
	void *p;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)JOURNAL_HEAD || !S_ISREG(st.st_mode))
		return -EBADMSG;
	if (*c->path &&
	    ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 077))
		return -EACCES;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	if (taken && !mprotect(p, JOURNAL_HEAD, PROT_READ | PROT_WRITE))
		journal_close(p, true); /* in our copy only */
	err = journal_read(p, (size_t)st.st_size, take_flow, c);
	munmap(p, (size_t)st.st_size);
	return err;
}

static void read_one(struct crash *c, const char *what, int fd, bool taken)
{
	int err = fd < 0 ? -errno : read_journal(c, fd, taken);

	if (err && err != -ENOENT)
		log_warn("crash: the journal %s is not read: %s", what,
			 why_not(err));
	if (fd >= 0)
		close(fd);
}

/* --- this process's journal --- */

/* Are descriptors kept for us? */
static bool has_store(void)
{
	return getenv("NOTIFY_SOCKET");
}

static bool reserve(void *arg, size_t offset, size_t len)
{
	const struct crash *c = arg;
	static bool said;

	if (!fallocate(c->fd, 0, (off_t)offset, (off_t)len))
		return true;
	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		log_warn("crash: no room for the journal: %s; after a crash "
			 "some peers would not be told",
			 strerror(errno));
	return false;
}

/* One that no old journal has, so that the old ones can be removed by name. */
static void choose_name(struct crash *c)
{
	uint32_t k = 0;

	for (char i = 'a'; !*c->name || k < c->nold; i++) {
		snprintf(c->name, sizeof(c->name), STORED_JOURNAL "%c", i);
		for (k = 0; k < c->nold && strcmp(c->old[k], c->name) != 0;)
			k++;
	}
}

static int open_new(struct crash *c)
{
	char path[sizeof(c->path) + 12];

	if (!*c->path)
		return memfd_create("penstock journal", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "%s.%d", c->path, (int)getpid());
	unlink(path);
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
}

static int make_journal(struct daemon *d, struct crash *c)
{
	const struct journal_plan p = {
		.workers = d->n,
		.flows = d->cfg->daemon.max_flows,
		.left = c->nfound,
	};
	struct journal part[JOURNAL_PARTS_MAX];

	c->fd = open_new(c);
	c->len = journal_size(&p);
	if (c->fd < 0 || ftruncate(c->fd, (off_t)c->len) ||
	    fallocate(c->fd, 0, 0, JOURNAL_HEAD))
		return -errno;
	c->map = mmap(NULL, c->len, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd,
		      0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return -errno;
	}
	journal_init(c->map, &p, part);
	for (uint32_t i = 0; i <= d->n; i++) {
		struct journal *j = i < d->n ? &d->unit[i].journal : &c->left;

		*j = part[i];
		j->reserve = reserve;
		j->arg = c;
	}
	return 0;
}

int crash_open(struct daemon *d, struct crash_stored *s)
{
	const char *control = d->cfg->daemon.control;
	struct crash *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	d->crash = c;
	c->fd = -1;
	c->owners = commons_owners(d->n > 1 ? &d->commons : NULL);
	pthread_mutex_init(&c->lock, NULL);
	for (uint32_t i = 0; s && i < s->n; i++) {
		snprintf(c->old[c->nold++], sizeof(c->old[0]), "%s",
			 s->name[i]);
		read_one(c, s->name[i], s->fd[i], s->taken);
	}
	if (!has_store() && !*control)
		return 0;
	if (!has_store())
		snprintf(c->path, sizeof(c->path), "%s.journal", control);
	if (*c->path && !d->takeover)
		read_one(c, c->path,
			 open(c->path,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
			 false);
	err = make_journal(d, c);
	if (err)
		log_warn("crash: no journal: %s; after a crash no peer would "
			 "be told",
			 strerror(-err));
	return 0;
}

void crash_publish(struct daemon *d)
{
	struct crash *c = d->crash;
	char path[sizeof(c->path) + 12];

	if (*c->path && c->map) {
		snprintf(path, sizeof(path), "%s.%d", c->path, (int)getpid());
		if (rename(path, c->path))
			log_warn("crash: %s: %s", c->path, strerror(errno));
	}
	c->published = c->map;
	if (!has_store())
		return;
	for (uint32_t i = 0; i < d->n; i++)
		store_worker(d->unit[i].worker);
	choose_name(c);
	if (c->map)
		store_fd("", c->name, c->fd);
	for (uint32_t i = 0; i < c->nold; i++)
		sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", c->old[i]);
}

/* --- the filter --- */

/* The leg may be another worker's: see shield/owners.h. */
static bool has_leg(void *arg, const struct tuple *t)
{
	const struct unit *u = arg;

	return table_find(u->engine, t) ||
	       owners_find(u->crash->owners, t) != OWNERS_NONE;
}

static enum io_verdict op_input(void *arg, const struct packet *pkt, mono_t now,
				struct tx *reply)
{
	struct unit *u = arg;
	enum tell_verdict v;

	pthread_mutex_lock(&u->crash->lock);
	v = tell_input(u->crash->tell, pkt, has_leg, u, reply);
	pthread_mutex_unlock(&u->crash->lock);
	if (v == TELL_NOT_OURS)
		return (enum io_verdict)engine_input(u->engine, pkt, now,
						     reply);
	return v == TELL_REPLY ? IO_REPLY : IO_CONSUMED;
}

static void op_expect(const void *arg, const struct packet *const *pkt, int n)
{
	engine_expect(((const struct unit *)arg)->engine, pkt, n);
}

static int op_pull(void *arg, struct tx *tx, int max, mono_t now)
{
	struct unit *u = arg;
	int n = engine_pull(u->engine, tx, max, now);

	pthread_mutex_lock(&u->crash->lock);
	n += tell_pull(u->crash->tell, tx + n, max - n, now);
	pthread_mutex_unlock(&u->crash->lock);
	return n;
}

static mono_t op_deadline(const void *arg)
{
	const struct unit *u = arg;
	mono_t d = engine_deadline(u->engine), t;

	pthread_mutex_lock(&u->crash->lock);
	t = tell_deadline(u->crash->tell, engine_now(u->engine));
	pthread_mutex_unlock(&u->crash->lock);
	return mono_before(d, t) ? d : t;
}

static void op_expire(void *arg, mono_t now)
{
	engine_expire(((struct unit *)arg)->engine, now);
}

static const struct io_engine_ops filter_ops = {
	.input = op_input,
	.expect = op_expect,
	.pull = op_pull,
	.deadline = op_deadline,
	.expire = op_expire,
};

struct filter_call {
	struct unit *u;
	bool on;
};

static void do_filter(void *arg, mono_t now)
{
	const struct filter_call *c = arg;

	(void)now;
	worker_divert(c->u->worker, c->on ? &filter_ops : NULL, c->u);
}

static void set_filter(struct daemon *d, bool on)
{
	for (uint32_t i = 0; i < d->n; i++) {
		struct filter_call c = {&d->unit[i], on};

		c.u->crash = d->crash;
		worker_call(c.u->worker, do_filter, &c);
	}
}

/* The front must leave to us what the clients answer. */
static void tell_front(struct crash *c, void (*change)(const struct known *k,
						       const struct tuple *t))
{
	const struct tuple *t;

	for (uint32_t i = 0; c->known && (t = tell_client(c->tell, i)); i++) {
		if (t->lport)
			change(c->known, t);
	}
}

void crash_start(struct daemon *d, const struct known *k)
{
	const uint32_t rate = d->cfg->daemon.crash_probe_rate;
	struct crash *c = d->crash;
	struct tell_cfg cfg = {.flow = c->found,
			       .n = c->nfound,
			       .rate = rate,
			       .left = &c->left};

	if (c->nfound && !rate)
		log_warn("crash: found %u connections of a crashed penstockd; "
			 "with crash_probe_rate = 0 their peers are not told",
			 c->nfound);
	if (c->nfound && rate &&
	    getrandom(&cfg.key, sizeof(cfg.key), 0) == sizeof(cfg.key))
		c->tell = tell_new(&cfg, worker_clock());
	free(c->found);
	c->found = NULL;
	if (!c->tell) {
		if (c->nfound && rate)
			log_warn("crash: no memory to tell the peers of a "
				 "crashed penstockd");
		return;
	}
	tell_counts(c->tell, &c->count);
	log_info("crash: telling the peers of %u connections of a crashed "
		 "penstockd",
		 c->count.flows);
	c->known = k;
	tell_front(c, known_add);
	set_filter(d, true);
}

static void finish(struct daemon *d, const struct known *k)
{
	struct crash *c = d->crash;
	uint32_t kept = c->count.flows - c->count.reset;

	set_filter(d, false);
	if (c->known == k) /* otherwise the new one never knew them */
		tell_front(c, known_leave);
	log_info("crash: found %u connections of a crashed penstockd: %u reset "
		 "on both sides, %u forgotten",
		 c->count.flows, c->count.reset, kept);
	tell_free(c->tell);
	c->tell = NULL;
}

static void count_now(struct daemon *d)
{
	struct crash *c = d->crash;

	if (!c->tell)
		return;
	pthread_mutex_lock(&c->lock);
	tell_counts(c->tell, &c->count);
	pthread_mutex_unlock(&c->lock);
}

void crash_look(struct daemon *d, const struct known *k)
{
	count_now(d);
	if (d->crash->tell && !d->crash->count.open)
		finish(d, k);
}

uint32_t crash_untold(struct daemon *d)
{
	count_now(d);
	return d->crash->count.open;
}

bool crash_is_telling(const struct daemon *d)
{
	return d->crash->tell;
}

int crash_metrics(struct daemon *d, struct metrics *m)
{
	const struct crash *c = d->crash;
	uint64_t missed = 0;

	count_now(d);
	for (uint32_t i = 0; i < d->n; i++)
		missed += d->unit[i].journal.missed;
	const struct control_metric all[] = {
		{.name = "CrashJournalFull",
		 .worker = -1,
		 .help = "legs that the journal had no room for",
		 .value = missed},
		{.name = "CrashFlows",
		 .worker = -1,
		 .help = "connections of a crashed process found at the start",
		 .value = c->count.flows},
		{.name = "CrashProbes",
		 .worker = -1,
		 .help = "segments that asked their peers for numbers",
		 .value = c->count.probes},
		{.name = "CrashResets",
		 .worker = -1,
		 .help = "their peers that were reset",
		 .value = c->count.resets},
		{.name = "CrashForgotten",
		 .worker = -1,
		 .help = "their peers that were silent or knew nothing",
		 .value = c->count.forgotten},
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && !err; i++)
		err = metrics_add(m, &all[i]);
	return err;
}

void crash_others(struct daemon *d, bool others)
{
	if (d->crash && d->crash->map && d->crash->published)
		journal_close(d->crash->map, others);
}

void crash_end(struct daemon *d)
{
	struct crash *c = d->crash;

	if (!c || !c->map)
		return;
	if (c->tell)
		tell_counts(c->tell, &c->count);
	/* handed over: this one counts until the next one has its own */
	if (c->published && d->status != EXIT_FAILURE && !d->handed_over) {
		journal_close(c->map, true);
		return;
	}
	/* that is a crash, too: let the engines strike nothing out */
	for (uint32_t i = 0; i < d->n; i++)
		d->unit[i].journal.part = NULL;
}

/* One that took over has put its own file in the place of ours. */
static void remove_file(const struct daemon *d, const struct crash *c)
{
	char path[sizeof(c->path) + 12];

	if (c->published)
		snprintf(path, sizeof(path), "%s", c->path);
	else
		snprintf(path, sizeof(path), "%s.%d", c->path, (int)getpid());
	if (!*c->path || d->handed_over)
		return;
	if (!c->published || (d->status != EXIT_FAILURE && !c->count.open))
		unlink(path);
}

void crash_free(struct daemon *d)
{
	struct crash *c = d->crash;

	if (!c)
		return;
	if (c->fd >= 0) {
		remove_file(d, c);
		close(c->fd);
	}
	if (c->map)
		munmap(c->map, c->len);
	tell_free(c->tell);
	free(c->found);
	pthread_mutex_destroy(&c->lock);
	free(c);
	d->crash = NULL;
}
