/* SPDX-License-Identifier: MIT */
/*
 * shortconn - Short HTTP connections, many at a time, over fresh 4-tuples
 *
 *   shortconn [-k] [-c AT-ONCE] [-r RATE] [-t SECONDS] [-b SECONDS]
 *             [-a ADDRESSES] [-o OFFSET] [-w WINDOW] [-x LEAST-BYTES]
 *             HOST PORT PATH
 *
 * Theory of operation: each slot binds a source address and a port of its
 * own choice, connects, sends one request with `Connection: close', reads
 * until the FIN, and begins again.  Source tuples come from one counter that
 * runs through all ports of all addresses, so that none repeats within a
 * run, and, with another OFFSET, in no later run either: what the server
 * still holds in TIME_WAIT is not measured by accident.  WINDOW confines the
 * counter to so many tuples, for measuring just that on purpose.
 *
 * With -k a connection is kept for one request after the other, each answered
 * by LEAST-BYTES exactly, and requests are counted instead.  What ends within
 * the SECONDS of -b at the beginning does not count.
 *
 * With -r connections begin at so many a second, however long earlier ones
 * take; only what would exceed AT-ONCE waits.  A connection's life then begins
 * when it was due, so time that it waited in this program counts as well.
 * Without -r a connection that stalls holds its slot, and whoever stalls most
 * has the least load.
 *
 * ADDRESSES is a comma separated list of client addresses.
 *
 * Output: one line of JSON: connections, errors, seconds, per second,
 * median, 99th percentile and maximum of a connection's life, microseconds;
 * stalls = connections that took over 900 ms (a lost SYN costs a second);
 * first_error = of the first that failed: its port, how long it had lived, what
 * it did, and why.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_ADDR 256
#define MAX_SLOT 4096
#define PORT_LOW 1024u
#define PORTS 64000u
#define STALL_US 900000
#define LIFE_LIMIT_US 20000000

struct slot {
	int fd;
	bool asked;
	size_t got, head;
	int64_t begun_us;
};

/**
 * struct load - The run
 * @next:   counter of source tuples
 * @window: wrap the counter after so many (0 = never)
 * @lat:    lifetimes, microseconds
 * @skipped: tuples that the client itself still holds
 * @keep:   one request after the other
 * @head_s: seconds at the beginning that do not count, until @count_us
 * @rate:   connections to begin a second (0: whenever another one has ended)
 * @begun:  how many have
 */
struct load {
	struct sockaddr_storage to, from[MAX_ADDR];
	socklen_t len;
	unsigned naddr, nslot;
	uint64_t next, first, window;
	double seconds, head_s, rate;
	uint64_t begun;
	int64_t begin_us, count_us;
	bool keep;
	size_t expect;
	int ep;
	char request[512];
	size_t request_len;
	struct slot slot[MAX_SLOT];
	uint32_t *lat;
	size_t nlat, maxlat;
	uint64_t errors, stalls, skipped;
	char first_error[160];
};

static struct load ld;

static void die(const char *what)
{
	fprintf(stderr, "shortconn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void addr_set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET)
		((struct sockaddr_in *)ss)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
}

static socklen_t addr_parse(const char *text, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *s4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &s4->sin_addr) == 1) {
		ss->ss_family = AF_INET;
		return sizeof(*s4);
	}
	if (inet_pton(AF_INET6, text, &s6->sin6_addr) == 1) {
		ss->ss_family = AF_INET6;
		return sizeof(*s6);
	}
	fprintf(stderr, "shortconn: not an address: %s\n", text);
	exit(2);
}

/* Bind the next tuple: addresses vary fastest. */
static int slot_bind(int fd)
{
	uint64_t n = ld.next++ - ld.first;
	struct sockaddr_storage ss;

	if (ld.window)
		n %= ld.window;
	n += ld.first;
	ss = ld.from[n % ld.naddr];
	addr_set_port(&ss, (uint16_t)(PORT_LOW + n / ld.naddr % PORTS));
	return bind(fd, (struct sockaddr *)&ss, ld.len);
}

static void slot_open(struct slot *s)
{
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = s};
	int one = 1;

	for (int tries = 0; tries < 1000; tries++) {
		s->fd = socket(ld.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (s->fd < 0)
			die("socket");
		setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		s->asked = false;
		s->got = s->head = 0;
		s->begun_us = now_us();
		if (slot_bind(s->fd) == 0 &&
		    (connect(s->fd, (struct sockaddr *)&ld.to, ld.len) == 0 ||
		     errno == EINPROGRESS)) {
			epoll_ctl(ld.ep, EPOLL_CTL_ADD, s->fd, &ev);
			return;
		}
		ld.skipped++;
		close(s->fd);
	}
	die("no source port");
}

/* The first failure: what is known of it. */
static void note_error(const struct slot *s, int64_t life)
{
	int err = 0, last = errno;
	struct sockaddr_in6 a = {0}; /* the port stands where IPv4's does */
	socklen_t len = sizeof(err), alen = sizeof(a);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	getsockname(s->fd, (struct sockaddr *)&a, &alen);
	snprintf(ld.first_error, sizeof(ld.first_error),
		 "port %u, after %lld us, %s, %zu bytes: %s",
		 ntohs(a.sin6_port), (long long)life,
		 s->asked ? "asked" : "connecting", s->got,
		 strerrorname_np(err ? err : last));
}

static void count(const struct slot *s, bool ok)
{
	int64_t now = now_us(), life = now - s->begun_us;

	if (!ok && !ld.errors)
		note_error(s, life);
	ld.errors += !ok;
	if (ok && now < ld.count_us)
		return;
	ld.stalls += life > STALL_US;
	if (ok && ld.nlat < ld.maxlat)
		ld.lat[ld.nlat++] = (uint32_t)life;
}

static void slot_done(struct slot *s, bool ok)
{
	count(s, ok);
	close(s->fd);
	s->fd = -1;
}

/* A part of an answer, of a connection that is kept.  True when that is over. */
static bool slot_answer(struct slot *s, const char *in, size_t n, bool more)
{
	const char *end;

	if (!s->got) {
		end = memmem(in, n, "\r\n\r\n", 4);
		if (!end) {
			slot_done(s, false);
			return true;
		}
		s->head = (size_t)(end - in) + 4;
	}
	s->got += n;
	if (s->got < s->head + ld.expect)
		return false;
	if (!more || s->got > s->head + ld.expect) {
		slot_done(s, s->got == s->head + ld.expect);
		return true;
	}
	count(s, true);
	s->got = 0;
	s->begun_us = now_us();
	if (send(s->fd, ld.request, ld.request_len, MSG_NOSIGNAL) ==
	    (ssize_t)ld.request_len)
		return false;
	slot_done(s, false);
	return true;
}

/* True when the connection is over. */
static bool slot_turn(struct slot *s, uint32_t events, bool more)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	char in[16384];
	ssize_t n;

	if (!s->asked) {
		if (events & (EPOLLERR | EPOLLHUP) ||
		    send(s->fd, ld.request, ld.request_len, MSG_NOSIGNAL) !=
			    (ssize_t)ld.request_len) {
			slot_done(s, false);
			return true;
		}
		s->asked = true;
		epoll_ctl(ld.ep, EPOLL_CTL_MOD, s->fd, &ev);
		return false;
	}
	n = recv(s->fd, in, sizeof(in), 0);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0 && ld.keep)
		return slot_answer(s, in, (size_t)n, more);
	if (n > 0) {
		s->got += (size_t)n;
		return false;
	}
	slot_done(s, n == 0 && !ld.keep && s->got > ld.expect);
	return true;
}

/* When the next connection is to begin (-r). */
static int64_t load_due_us(void)
{
	return ld.begin_us + (int64_t)((double)ld.begun * 1e6 / ld.rate);
}

/* Begin what is due, as far as there are slots (-r). */
static void load_begin_due(void)
{
	for (unsigned i = 0; i < ld.nslot && load_due_us() <= now_us(); i++) {
		int64_t due = load_due_us();

		if (ld.slot[i].fd >= 0)
			continue;
		slot_open(&ld.slot[i]);
		ld.slot[i].begun_us = due;
		ld.begun++;
	}
}

static void load_events(bool more)
{
	int64_t wait_us = 100000;
	struct epoll_event ev[256];
	struct timespec ts = {0};
	int n;

	if (more && ld.rate > 0) {
		load_begin_due();
		wait_us = load_due_us() - now_us();
	}
	/* what is overdue waits for a slot */
	ts.tv_nsec = (wait_us <= 0 ? 1000 : wait_us) % 1000000 * 1000;
	n = epoll_pwait2(ld.ep, ev, 256, &ts, NULL);
	for (int i = 0; i < n; i++) {
		struct slot *s = ev[i].data.ptr;

		if (slot_turn(s, ev[i].events, more) && more && ld.rate <= 0)
			slot_open(s);
	}
}

static bool load_open_slots(void)
{
	for (unsigned i = 0; i < ld.nslot; i++)
		if (ld.slot[i].fd >= 0)
			return true;
	return false;
}

/* Connections that never end count as errors. */
static void load_give_up(void)
{
	for (unsigned i = 0; i < ld.nslot; i++)
		if (ld.slot[i].fd >= 0)
			slot_done(&ld.slot[i], false);
}

static double load_run(void)
{
	int64_t end, over;

	ld.begin_us = now_us();
	ld.count_us = ld.begin_us + (int64_t)(ld.head_s * 1e6);
	end = ld.count_us + (int64_t)(ld.seconds * 1e6);
	for (unsigned i = 0; i < ld.nslot; i++) {
		ld.slot[i].fd = -1;
		if (ld.rate <= 0)
			slot_open(&ld.slot[i]);
	}
	while (now_us() < end)
		load_events(true);
	over = now_us();
	while (load_open_slots() && now_us() < end + LIFE_LIMIT_US)
		load_events(false);
	load_give_up();
	return (double)(over - ld.count_us) * 1e-6;
}

static int lat_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void load_print(double took)
{
	size_t n = ld.nlat;

	qsort(ld.lat, n, sizeof(*ld.lat), lat_compare);
	printf("{\"connections\": %zu, \"errors\": %llu, \"stalls\": %llu, "
	       "\"skipped\": %llu, \"seconds\": %.3f, \"per_second\": %.1f, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, "
	       "\"next\": %llu, \"first_error\": \"%s\"}\n",
	       n, (unsigned long long)ld.errors, (unsigned long long)ld.stalls,
	       (unsigned long long)ld.skipped, took, (double)n / took,
	       n ? ld.lat[n / 2] : 0, n ? ld.lat[n * 99 / 100] : 0,
	       n ? ld.lat[n - 1] : 0, (unsigned long long)ld.next,
	       ld.first_error);
}

static void parse_addresses(char *list)
{
	for (char *a = strtok(list, ","); a && ld.naddr < MAX_ADDR;
	     a = strtok(NULL, ","))
		addr_parse(a, &ld.from[ld.naddr++]);
}

static int options(int argc, char **argv)
{
	int c;

	ld.nslot = 64;
	ld.seconds = 2;
	while ((c = getopt(argc, argv, "b:c:kr:t:a:o:w:x:")) != -1) {
		switch (c) {
		case 'b':
			ld.head_s = atof(optarg);
			break;
		case 'k':
			ld.keep = true;
			break;
		case 'r':
			ld.rate = atof(optarg);
			break;
		case 'c':
			ld.nslot = (unsigned)atoi(optarg);
			break;
		case 't':
			ld.seconds = atof(optarg);
			break;
		case 'a':
			parse_addresses(optarg);
			break;
		case 'o':
			ld.next = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			ld.window = strtoull(optarg, NULL, 0);
			break;
		case 'x':
			ld.expect = strtoull(optarg, NULL, 0);
			break;
		default:
			return -EINVAL;
		}
	}
	if (argc - optind != 3 || ld.naddr == 0 || ld.nslot > MAX_SLOT)
		return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	if (options(argc, argv) < 0) {
		fprintf(stderr,
			"usage: shortconn -a ADDRESSES [-k] [-c AT-ONCE] "
			"[-r RATE] [-t SECONDS]\n"
			"                 [-b SECONDS] [-o OFFSET] [-w WINDOW] "
			"[-x LEAST-BYTES] HOST PORT PATH\n");
		return 2;
	}
	argv += optind;
	ld.len = addr_parse(argv[0], &ld.to);
	addr_set_port(&ld.to, (uint16_t)atoi(argv[1]));
	ld.request_len = (size_t)snprintf(
		ld.request, sizeof(ld.request),
		"GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", argv[2],
		ld.keep ? "" : "Connection: close\r\n");
	if (ld.request_len >= sizeof(ld.request))
		return 2;
	ld.first = ld.next;
	ld.maxlat = 4000000;
	ld.lat = malloc(ld.maxlat * sizeof(*ld.lat));
	ld.ep = epoll_create1(0);
	if (!ld.lat || ld.ep < 0)
		die("start");
	load_print(load_run());
	free(ld.lat);
	return ld.nlat == 0;
}
