/* SPDX-License-Identifier: MIT */
/*
 * linkem: an emulated link between two network namespaces.
 *
 *     namespace A                                    namespace B
 *   [ TUN device ] --read--> a direction --write--> [ TUN device ]
 *   [ TUN device ] <-write-- a direction <--read--- [ TUN device ]
 *
 * Each direction is a queue, a serializer and a wire, in this order:
 *   1. the queue takes a packet, or drops it when its limit (packets or bytes
 *      that wait or are being sent) is reached;
 *   2. the serializer sends at the rate given, one packet after the other:
 *      a packet's last bit leaves len * 8 / rate after its predecessor's.
 *      The rate may change by turns, from the first packet on; what has been
 *      sent of a packet by then stays sent;
 *   3. the wire loses, damages, doubles or holds back, and delivers after
 *      delay and jitter, in slots where they are asked for.
 * Jitter alone keeps the order: a packet never arrives before one sent
 * earlier.  Reordering is asked for: the packet chosen arrives later by the
 * time given, and others pass it.  With slots, as on a radio link, all that
 * has come during a slot is delivered together at its end.
 *
 * Every decision about a packet is a hash of seed, direction, the packet's
 * ordinal and what is decided, so the n-th packet of a direction meets the
 * same fate in each run, whatever the timing (only a full queue depends on
 * that).  --decide N prints them without any network.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC; one timerfd holds the earliest
 * delivery.  How late deliveries were is in the JSON that ends the run: a run
 * on a machine too busy to keep time shows it.
 *
 * The TUN devices carry no virtio-net header, so the kernel segments and
 * checksums before they see a packet: what is counted are packets as they
 * would be on a wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC 1000000000LL
#define MSEC 1000000LL
#define MTU_MAX 9216
#define BATCH 64 /* packets read from one device before the other has a turn */

/* What is decided about a packet; part of the hash. */
enum draw {
	DRAW_LOSS,
	DRAW_STATE,
	DRAW_BURST,
	DRAW_DUP,
	DRAW_REORDER,
	DRAW_JITTER,
	DRAW_CORRUPT,
	DRAW_BIT,
	DRAW_SLOT /* of a slot's ordinal, not of a packet's */
};

/* One direction's settings: probabilities 0..1, times in ns. */
struct path {
	double rate_bps; /* 0: infinite */
	double turn_bps; /* the other rate, every turn ns by turns; 0: none */
	int64_t turn;
	int64_t delay, jitter, hold;
	int64_t slot_least, slot_most;	     /* length of a slot; 0: none */
	uint64_t queue_packets, queue_bytes; /* 0: no limit */
	double loss, dup, reorder, corrupt;
	double ge_enter, ge_leave, ge_good, ge_bad; /* Gilbert-Elliott */
};

/* What becomes of a packet on the wire. */
struct fate {
	bool lost, burst, dup, held, corrupt;
	int64_t jitter;
	uint64_t bit;
};

struct counters {
	uint64_t in, in_bytes, out, out_bytes;
	uint64_t lost, burst_lost, queue_dropped, dup, reordered, corrupted;
	uint64_t write_failed;
	uint64_t queue_max_bytes;
	int64_t late_sum, late_max; /* ns */
};

/* A packet on the wire, or (with data NULL) its place in the queue. */
struct parcel {
	int64_t due;
	uint64_t serial;
	uint8_t *data;
	size_t len;
};

/* A binary heap, earliest first, equal times in order of serial. */
struct heap {
	struct parcel *v;
	size_t n, room;
};

struct dir {
	const char *name;
	struct path path;
	int in, out; /* descriptors of the TUN devices */
	int index;
	bool ge_is_bad;
	uint64_t ordinal;
	int64_t first;	    /* when the first packet came; the turns begin */
	int64_t busy_until; /* the serializer's */
	int64_t slot_end;   /* of the slot begun last */
	uint64_t slots;
	int64_t last_due; /* of what keeps its order */
	uint64_t waiting_bytes;
	struct heap wire;
	struct heap waiting; /* until when each holds room in the queue */
	struct counters c;
};

static uint64_t seed = 1;
static uint64_t next_serial;
static FILE *trace;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "linkem: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- heap --- */

static bool parcel_before(const struct parcel *a, const struct parcel *b)
{
	return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

static void heap_push(struct heap *h, struct parcel p)
{
	size_t i = h->n, up;

	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 1024;
		h->v = realloc(h->v, h->room * sizeof(*h->v));
		if (!h->v)
			die("memory");
	}
	h->n++;
	for (; i > 0; i = up) {
		up = (i - 1) / 2;
		if (!parcel_before(&p, &h->v[up]))
			break;
		h->v[i] = h->v[up];
	}
	h->v[i] = p;
}

static struct parcel heap_pop(struct heap *h)
{
	struct parcel top = h->v[0], p = h->v[--h->n];
	size_t i = 0, c;

	for (; (c = 2 * i + 1) < h->n; i = c) {
		if (c + 1 < h->n && parcel_before(&h->v[c + 1], &h->v[c]))
			c++;
		if (!parcel_before(&h->v[c], &p))
			break;
		h->v[i] = h->v[c];
	}
	if (h->n)
		h->v[i] = p;
	return top;
}

/* --- decisions --- */

/* splitmix64's finalizer over what identifies the draw. */
static uint64_t draw64(const struct dir *d, uint64_t ordinal, enum draw what)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15u;

	z += (ordinal * 16 + (uint64_t)what) * 2 + (uint64_t)d->index;
	z *= 0xd1342543de82ef95u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Uniform in [0, 1). */
static double draw(const struct dir *d, uint64_t ordinal, enum draw what)
{
	return (double)(draw64(d, ordinal, what) >> 11) * 0x1p-53;
}

/* Gilbert-Elliott: two states, each with its own loss, changing per packet. */
static bool burst_loses(struct dir *d, uint64_t n)
{
	const struct path *p = &d->path;

	if (p->ge_enter <= 0)
		return false;
	if (draw(d, n, DRAW_STATE) < (d->ge_is_bad ? p->ge_leave : p->ge_enter))
		d->ge_is_bad = !d->ge_is_bad;
	return draw(d, n, DRAW_BURST) < (d->ge_is_bad ? p->ge_bad : p->ge_good);
}

/* Ordinals must be asked for in order: the burst model has a state. */
static struct fate decide(struct dir *d, uint64_t n)
{
	const struct path *p = &d->path;
	struct fate f = {0};

	f.burst = burst_loses(d, n);
	f.lost = draw(d, n, DRAW_LOSS) < p->loss;
	f.dup = draw(d, n, DRAW_DUP) < p->dup;
	f.held = draw(d, n, DRAW_REORDER) < p->reorder;
	f.corrupt = draw(d, n, DRAW_CORRUPT) < p->corrupt;
	f.jitter = (int64_t)(draw(d, n, DRAW_JITTER) * (double)p->jitter);
	f.bit = draw64(d, n, DRAW_BIT);
	return f;
}

static void print_fate(FILE *f, const struct dir *d, uint64_t n,
		       const struct fate *a)
{
	fprintf(f, "%s %" PRIu64 "%s%s%s%s%s jitter_us=%" PRId64 "\n", d->name,
		n, a->lost ? " lost" : "", a->burst ? " burst" : "",
		a->dup ? " dup" : "", a->held ? " held" : "",
		a->corrupt ? " corrupt" : "", a->jitter / 1000);
}

static void heap_free(struct heap *h)
{
	while (h->n)
		free(heap_pop(h).data);
	free(h->v);
}

/* --- a packet's way --- */

static void wire_put(struct dir *d, const uint8_t *data, size_t len,
		     int64_t due)
{
	struct parcel p = {.due = due, .serial = next_serial++, .len = len};

	p.data = malloc(len);
	if (!p.data)
		die("memory");
	memcpy(p.data, data, len);
	heap_push(&d->wire, p);
}

/* When the last of @bits has left that the serializer begins with at @t. */
static int64_t sent_by(const struct dir *d, int64_t t, double bits)
{
	const struct path *p = &d->path;
	int64_t since, left;
	double rate;

	for (;;) {
		since = t - d->first;
		rate = p->turn && since / p->turn % 2 ? p->turn_bps
						      : p->rate_bps;
		left = p->turn ? p->turn - since % p->turn : INT64_MAX;
		if (bits * 1e9 / rate < (double)left)
			return t + (int64_t)(bits * 1e9 / rate);
		bits -= rate * (double)left / 1e9;
		t += left;
	}
}

/* Returns when the last bit has left, or -1 when the queue is full. */
static int64_t serialize(struct dir *d, size_t len, int64_t now)
{
	const struct path *p = &d->path;
	struct parcel place = {.len = len};

	while (d->waiting.n && d->waiting.v[0].due <= now)
		d->waiting_bytes -= heap_pop(&d->waiting).len;
	if (p->rate_bps <= 0)
		return now;
	if ((p->queue_packets && d->waiting.n >= p->queue_packets) ||
	    (p->queue_bytes && d->waiting_bytes + len > p->queue_bytes))
		return -1;
	if (d->busy_until < now)
		d->busy_until = now;
	d->busy_until = sent_by(d, d->busy_until, (double)len * 8);
	place.due = d->busy_until;
	place.serial = next_serial++;
	heap_push(&d->waiting, place);
	d->waiting_bytes += len;
	if (d->waiting_bytes > d->c.queue_max_bytes)
		d->c.queue_max_bytes = d->waiting_bytes;
	return d->busy_until;
}

static void flip_bit(uint8_t *data, size_t len, uint64_t bit)
{
	size_t from = len > 60 ? 40 : 0; /* rather the payload than a header */
	uint64_t at = bit % ((len - from) * 8);

	data[from + at / 8] ^= (uint8_t)(1u << (at % 8));
}

/* The end of the slot that @due is in.  Slots have no gaps between them, but
 * after silence a new one begins with the packet. */
static int64_t slot_end(struct dir *d, int64_t due)
{
	const struct path *p = &d->path;
	double room = (double)(p->slot_most - p->slot_least);

	if (!p->slot_least)
		return due;
	if (due - d->slot_end > p->slot_most)
		d->slot_end = due;
	while (d->slot_end <= due)
		d->slot_end += p->slot_least +
			       (int64_t)(draw(d, d->slots++, DRAW_SLOT) * room);
	return d->slot_end;
}

static void take(struct dir *d, uint8_t *data, size_t len, int64_t now)
{
	uint64_t n = d->ordinal++;
	struct fate f = decide(d, n);
	int64_t due;

	if (!n)
		d->first = now;
	d->c.in++;
	d->c.in_bytes += len;
	if (trace)
		print_fate(trace, d, n, &f);
	due = serialize(d, len, now);
	if (due < 0) {
		d->c.queue_dropped++;
		return;
	}
	if (f.lost || f.burst) {
		d->c.lost += f.lost;
		d->c.burst_lost += f.burst && !f.lost;
		return;
	}
	if (f.corrupt) {
		flip_bit(data, len, f.bit);
		d->c.corrupted++;
	}
	due = slot_end(d, due) + d->path.delay + f.jitter;
	if (due < d->last_due)
		due = d->last_due;
	if (f.held) {
		due += d->path.hold;
		d->c.reordered++;
	} else {
		d->last_due = due;
	}
	wire_put(d, data, len, due);
	if (f.dup) {
		d->c.dup++;
		wire_put(d, data, len, due);
	}
}

static bool read_some(struct dir *d)
{
	uint8_t data[MTU_MAX];
	ssize_t len;
	int i;

	for (i = 0; i < BATCH; i++) {
		len = read(d->in, data, sizeof(data));
		if (len <= 0)
			return false;
		take(d, data, (size_t)len, now_ns());
	}
	return true;
}

static void deliver(struct dir *d, int64_t now)
{
	struct parcel p;

	while (d->wire.n && d->wire.v[0].due <= now) {
		p = heap_pop(&d->wire);
		if (write(d->out, p.data, p.len) == (ssize_t)p.len) {
			d->c.out++;
			d->c.out_bytes += p.len;
		} else {
			d->c.write_failed++;
		}
		d->c.late_sum += now - p.due;
		if (now - p.due > d->c.late_max)
			d->c.late_max = now - p.due;
		free(p.data);
	}
}

/* --- namespaces and devices --- */

/* Makes a TUN device in a named namespace (or, with "", in ours). */
static int open_tun(const char *netns, const char *dev, int mtu)
{
	int self = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct ifreq ifr = {0};
	char path[256];
	int fd, s;

	if (*netns) {
		snprintf(path, sizeof(path), "/run/netns/%s", netns);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET))
			die(path);
		close(fd);
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &ifr))
		die(dev);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_mtu = mtu;
	if (s < 0 || ioctl(s, SIOCSIFMTU, &ifr))
		die("SIOCSIFMTU");
	ifr.ifr_qlen = 10000;
	if (ioctl(s, SIOCSIFTXQLEN, &ifr))
		die("SIOCSIFTXQLEN");
	if (ioctl(s, SIOCGIFFLAGS, &ifr))
		die("SIOCGIFFLAGS");
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &ifr))
		die("SIOCSIFFLAGS");
	close(s);
	if (setns(self, CLONE_NEWNET))
		die("setns");
	close(self);
	return fd;
}

static void arm(int tfd, const struct dir d[2])
{
	int64_t due = INT64_MAX;
	struct itimerspec its = {0};
	int i;

	for (i = 0; i < 2; i++)
		if (d[i].wire.n && d[i].wire.v[0].due < due)
			due = d[i].wire.v[0].due;
	if (due != INT64_MAX) {
		its.it_value.tv_sec = due / NSEC;
		its.it_value.tv_nsec = due % NSEC;
	}
	timerfd_settime(tfd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void watch(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
}

static int stop_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	return fd;
}

static void run(struct dir d[2])
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int sfd = stop_signals();
	struct epoll_event ev[8];
	uint64_t ticks;
	int i, n;

	if (ep < 0 || tfd < 0)
		die("epoll");
	watch(ep, tfd);
	watch(ep, sfd);
	watch(ep, d[0].in);
	watch(ep, d[1].in);
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		n = epoll_wait(ep, ev, 8, -1);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == sfd)
				return;
			if (ev[i].data.fd == tfd)
				(void)!read(tfd, &ticks, sizeof(ticks));
			else
				read_some(&d[ev[i].data.fd == d[1].in]);
		}
		deliver(&d[0], now_ns());
		deliver(&d[1], now_ns());
		arm(tfd, d);
	}
}

static void print_counters(const struct dir *d)
{
	const struct counters *c = &d->c;
	double all = (double)(c->out + c->write_failed);

	printf("\"%s\":{\"in\":%" PRIu64 ",\"in_bytes\":%" PRIu64
	       ",\"out\":%" PRIu64 ",\"out_bytes\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"burst_lost\":%" PRIu64
	       ",\"queue_dropped\":%" PRIu64 ",\"dup\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"corrupted\":%" PRIu64
	       ",\"write_failed\":%" PRIu64 ",\"on_the_wire\":%zu"
	       ",\"queue_max_bytes\":%" PRIu64
	       ",\"late_us_avg\":%.1f,\"late_us_max\":%.1f}",
	       d->name, c->in, c->in_bytes, c->out, c->out_bytes, c->lost,
	       c->burst_lost, c->queue_dropped, c->dup, c->reordered,
	       c->corrupted, c->write_failed, d->wire.n, c->queue_max_bytes,
	       all > 0 ? (double)c->late_sum / all / 1e3 : 0,
	       (double)c->late_max / 1e3);
}

/* --- options --- */

static const char usage[] =
	"usage: linkem --a NETNS:DEV --b NETNS:DEV [OPTION...]\n"
	"       linkem --decide N [OPTION...]\n"
	"Joins two network namespaces by an emulated link until SIGTERM, then\n"
	"prints its counters as JSON.  Prints `ready' when the devices are "
	"up.\n"
	"\n"
	"  --a NETNS:DEV     TUN device to make in namespace NETNS, end A\n"
	"  --b NETNS:DEV     the same, end B\n"
	"  --mtu BYTES       of both devices (1500)\n"
	"  --seed N          of every decision (1)\n"
	"  --trace FILE      one line per packet: what was decided\n"
	"  --decide N        print the decisions on the first N packets; no "
	"network\n"
	"  --rt              real-time scheduling, for exact times on a busy "
	"machine\n"
	"\n"
	"The following hold for both directions, or after --ab (--ba) only "
	"for\n"
	"what goes from A to B (B to A); --both ends that:\n"
	"  --delay MS        one way\n"
	"  --jitter MS       added, uniform from 0; keeps the order\n"
	"  --rate MBIT       10^6 bits a second, IP headers included; 0: "
	"infinite\n"
	"  --turns MBIT,MS   the rate is this and that of --rate by turns, so "
	"long\n"
	"                    each, from the first packet on\n"
	"  --slots MS[,MS]   deliver together what came in a slot of so long "
	"(from\n"
	"                    the first to the second, uniform)\n"
	"  --queue N[B]      packets (bytes) waiting or being sent; 0: no "
	"limit (1000)\n"
	"  --loss PCT        random, each packet for itself\n"
	"  --burst P,R[,B[,G]]  Gilbert-Elliott: % to enter, % to leave the "
	"bad\n"
	"                    state, % lost there (100) and in the good one "
	"(0)\n"
	"  --reorder PCT,MS  hold back this many by so long\n"
	"  --dup PCT         deliver twice\n"
	"  --corrupt PCT     flip one bit\n"
	"  --help            this text\n";

enum opt {
	OPT_A = 256,
	OPT_B,
	OPT_MTU,
	OPT_SEED,
	OPT_TRACE,
	OPT_DECIDE,
	OPT_RT,
	OPT_AB,
	OPT_BA,
	OPT_BOTH,
	OPT_DELAY,
	OPT_JITTER,
	OPT_RATE,
	OPT_TURNS,
	OPT_SLOTS,
	OPT_QUEUE,
	OPT_LOSS,
	OPT_BURST,
	OPT_REORDER,
	OPT_DUP,
	OPT_CORRUPT,
	OPT_HELP
};

static const struct option options[] = {
	{"a", required_argument, NULL, OPT_A},
	{"b", required_argument, NULL, OPT_B},
	{"mtu", required_argument, NULL, OPT_MTU},
	{"seed", required_argument, NULL, OPT_SEED},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"decide", required_argument, NULL, OPT_DECIDE},
	{"rt", no_argument, NULL, OPT_RT},
	{"ab", no_argument, NULL, OPT_AB},
	{"ba", no_argument, NULL, OPT_BA},
	{"both", no_argument, NULL, OPT_BOTH},
	{"delay", required_argument, NULL, OPT_DELAY},
	{"jitter", required_argument, NULL, OPT_JITTER},
	{"rate", required_argument, NULL, OPT_RATE},
	{"turns", required_argument, NULL, OPT_TURNS},
	{"slots", required_argument, NULL, OPT_SLOTS},
	{"queue", required_argument, NULL, OPT_QUEUE},
	{"loss", required_argument, NULL, OPT_LOSS},
	{"burst", required_argument, NULL, OPT_BURST},
	{"reorder", required_argument, NULL, OPT_REORDER},
	{"dup", required_argument, NULL, OPT_DUP},
	{"corrupt", required_argument, NULL, OPT_CORRUPT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static void refuse(const char *arg)
{
	fprintf(stderr, "linkem: bad argument: %s (see --help)\n", arg);
	exit(2);
}

/* Up to @max numbers, with commas between; returns how many. */
static int numbers(const char *arg, double *v, int max)
{
	const char *p = arg;
	char *end;
	int n = 0;

	while (n < max) {
		v[n++] = strtod(p, &end);
		if (end == p || v[n - 1] < 0)
			refuse(arg);
		if (!*end)
			return n;
		if (*end != ',')
			refuse(arg);
		p = end + 1;
	}
	refuse(arg);
	return n;
}

static double percent(const char *arg)
{
	double v;

	if (numbers(arg, &v, 1) != 1 || v > 100)
		refuse(arg);
	return v / 100;
}

static int64_t millis(const char *arg)
{
	double v;

	numbers(arg, &v, 1);
	return (int64_t)(v * (double)MSEC);
}

static void set_queue(struct path *p, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (end == arg || (*end && strcmp(end, "B") != 0))
		refuse(arg);
	p->queue_bytes = *end ? n : 0;
	p->queue_packets = *end ? 0 : n;
}

static void set_burst(struct path *p, const char *arg)
{
	double v[4] = {0, 0, 100, 0};

	if (numbers(arg, v, 4) < 2)
		refuse(arg);
	p->ge_enter = v[0] / 100;
	p->ge_leave = v[1] / 100;
	p->ge_bad = v[2] / 100;
	p->ge_good = v[3] / 100;
}

static void set_turns(struct path *p, const char *arg)
{
	double v[2];

	if (numbers(arg, v, 2) != 2 || v[0] <= 0 || v[1] <= 0)
		refuse(arg);
	p->turn_bps = v[0] * 1e6;
	p->turn = (int64_t)(v[1] * (double)MSEC);
}

static void set_slots(struct path *p, const char *arg)
{
	double v[2];

	if (numbers(arg, v, 2) == 1)
		v[1] = v[0];
	if (v[0] <= 0 || v[1] < v[0])
		refuse(arg);
	p->slot_least = (int64_t)(v[0] * (double)MSEC);
	p->slot_most = (int64_t)(v[1] * (double)MSEC);
}

static void set_path(struct path *p, int o, const char *arg)
{
	double v[2];

	switch (o) {
	case OPT_DELAY:
		p->delay = millis(arg);
		break;
	case OPT_JITTER:
		p->jitter = millis(arg);
		break;
	case OPT_RATE:
		numbers(arg, v, 1);
		p->rate_bps = v[0] * 1e6;
		break;
	case OPT_TURNS:
		set_turns(p, arg);
		break;
	case OPT_SLOTS:
		set_slots(p, arg);
		break;
	case OPT_QUEUE:
		set_queue(p, arg);
		break;
	case OPT_LOSS:
		p->loss = percent(arg);
		break;
	case OPT_BURST:
		set_burst(p, arg);
		break;
	case OPT_REORDER:
		if (numbers(arg, v, 2) != 2)
			refuse(arg);
		p->reorder = v[0] / 100;
		p->hold = (int64_t)(v[1] * (double)MSEC);
		break;
	case OPT_DUP:
		p->dup = percent(arg);
		break;
	case OPT_CORRUPT:
		p->corrupt = percent(arg);
		break;
	default:
		refuse("option");
	}
}

/* What does not belong to a direction. */
struct setup {
	char netns[2][64], dev[2][IFNAMSIZ];
	int mtu;
	uint64_t decide;
	unsigned which; /* directions that options apply to, one bit each */
};

static void set_end(struct setup *s, int i, const char *arg)
{
	const char *colon = strchr(arg, ':');

	if (!colon || (size_t)(colon - arg) >= sizeof(s->netns[i]) ||
	    !colon[1] || strlen(colon + 1) >= IFNAMSIZ)
		refuse(arg);
	snprintf(s->netns[i], sizeof(s->netns[i]), "%.*s", (int)(colon - arg),
		 arg);
	snprintf(s->dev[i], sizeof(s->dev[i]), "%s", colon + 1);
}

/* Returns false for an option that belongs to a direction. */
static bool set_common(struct setup *s, int o, const char *arg)
{
	const struct sched_param rt = {.sched_priority = 10};

	switch (o) {
	case OPT_A:
	case OPT_B:
		set_end(s, o - OPT_A, arg);
		return true;
	case OPT_MTU:
		s->mtu = atoi(arg);
		if (s->mtu < 68 || s->mtu > MTU_MAX)
			refuse(arg);
		return true;
	case OPT_SEED:
		seed = strtoull(arg, NULL, 0);
		return true;
	case OPT_TRACE:
		trace = fopen(arg, "we");
		if (!trace)
			die(arg);
		return true;
	case OPT_DECIDE:
		s->decide = strtoull(arg, NULL, 0);
		return true;
	case OPT_RT:
		if (sched_setscheduler(0, SCHED_FIFO, &rt))
			fprintf(stderr, "linkem: no real-time scheduling\n");
		return true;
	case OPT_AB:
	case OPT_BA:
	case OPT_BOTH:
		s->which = (unsigned)(o - OPT_AB + 1);
		return true;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct dir d[2] = {
		{.name = "ab", .path = {.queue_packets = 1000}},
		{.name = "ba", .index = 1, .path = {.queue_packets = 1000}}};
	struct setup s = {.mtu = 1500, .which = 3};
	uint64_t n;
	int o, i;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			return 2;
		if (set_common(&s, o, optarg))
			continue;
		for (i = 0; i < 2; i++)
			if (s.which & (1u << i))
				set_path(&d[i].path, o, optarg);
	}
	for (n = 0; n < s.decide; n++) {
		for (i = 0; i < 2; i++) {
			struct fate f = decide(&d[i], n);

			print_fate(stdout, &d[i], n, &f);
		}
	}
	if (s.decide)
		return 0;
	if (optind != argc || !s.dev[0][0] || !s.dev[1][0])
		refuse("--a and --b are needed");
	d[0].in = d[1].out = open_tun(s.netns[0], s.dev[0], s.mtu);
	d[1].in = d[0].out = open_tun(s.netns[1], s.dev[1], s.mtu);
	puts("ready");
	fflush(stdout);
	run(d);
	printf("{\"seed\":%" PRIu64 ",", seed);
	print_counters(&d[0]);
	putchar(',');
	print_counters(&d[1]);
	puts("}");
	for (i = 0; i < 2; i++) {
		heap_free(&d[i].wire);
		heap_free(&d[i].waiting);
	}
	return 0;
}
