/* SPDX-License-Identifier: MIT */
/*
 * crowd - many connections at once, without a socket for any
 *
 *   crowd [-s SECONDS] FLOWS               through an engine in this process
 *   crowd [-s SECONDS] -t TUN -p PID FLOWS through penstockd, by a TUN device
 *   crowd -r -t TUN FLOWS                  the same, across restarts
 *
 * Clients 10.0.0.0/8 open FLOWS connections to 192.0.2.1:80; this program is
 * the clients and the server, with a few bytes of memory for each connection.
 * Then connections chosen at random bring a segment of data each: 32 at a time
 * until the server has them all.  What is measured is the time in the engine's
 * verbs, or the CPU time of the daemon's threads, for each packet that goes
 * in; and the memory of the process for each connection, when none of them
 * does anything.
 *
 * With -r one of them brings a segment each millisecond until the standard
 * input ends, and what is measured is the longest time that one took to arrive.
 * Then each connection brings one more.
 *
 * Output: one line of JSON; with -r, before it, "ready" when all are connected.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine.h"
#include "wire/build.h"
#include "wire/segment.h"

#define AT_ONCE 32
#define BATCH 64
#define QUEUE 1024
#define DATA 100      /* bytes of a segment */
#define PORTS 32u     /* connections of a client */
#define RESEND_MS 300 /* nothing came for so long: something is lost */
#define GIVE_UP 200   /* times in a row */

/**
 * struct member - A connection
 * @client: its next number
 * @cack:   what it acknowledges
 * @server: its next number
 * @got:    the next number that the server expects; 0: not connected
 */
struct member {
	uint32_t client, cack, server, got;
};

struct packet_out {
	uint32_t len;
	uint8_t data[TX_HDR_MAX + DATA];
};

static struct member *crowd;
static struct packet_out queue[QUEUE];
static uint32_t head, tail, delivered;
static struct engine *engine;
static struct buf_pool pool;
static mono_t now = {1000 * (int64_t)USEC_PER_SEC};
static uint64_t engine_ns;
static int tun = -1, pid;

static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- what the members say --- */

static struct ipaddr client_addr(uint32_t i)
{
	uint32_t n = i / PORTS + 256;
	uint8_t a[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	return ipaddr_v4(a);
}

static void say(uint32_t i, bool server, struct hdr_spec h, uint32_t len)
{
	static const uint8_t web[4] = {192, 0, 2, 1};
	const struct tcp_opts mss = {.has = OPT_HAS_MSS, .mss = 1460};
	struct tuple t = {.local = client_addr(i),
			  .remote = ipaddr_v4(web),
			  .lport = (uint16_t)(1024 + i % PORTS),
			  .rport = 80};
	struct packet_out *p = &queue[tail++ % QUEUE];
	struct tx tx = {.payload = len, .niov = len ? 1 : 0};

	if (tail - head > QUEUE)
		die("the queue is too short");
	if (server)
		t = (struct tuple){t.remote, t.local, t.rport, t.lport};
	h.t = &t;
	h.opts = h.flags & TCP_SYN ? &mss : NULL;
	h.wnd = 60000;
	h.ttl = 64;
	h.df = true;
	wire_build(&tx, &h, len);
	memset(p->data + tx.hdr_len, 'x', len);
	tx.iov[0] = (struct iovec){p->data + tx.hdr_len, len};
	wire_csum_finish(&tx);
	memcpy(p->data, tx.hdr, tx.hdr_len);
	p->len = tx.hdr_len + len;
}

static void say_syn(uint32_t i)
{
	say(i, false,
	    (struct hdr_spec){.seq = SEQ(crowd[i].client - 1),
			      .flags = TCP_SYN},
	    0);
}

static void say_data(uint32_t i)
{
	const struct member *m = &crowd[i];

	say(i, false,
	    (struct hdr_spec){.seq = SEQ(m->client - DATA),
			      .ack = SEQ(m->cack),
			      .flags = TCP_ACK | TCP_PSH},
	    DATA);
}

/* --- and hear --- */

static void client_hears(uint32_t i, const uint8_t *tcp)
{
	struct member *m = &crowd[i];

	if (!(tcp[13] & TCP_SYN))
		return;
	m->cack = get_be32(tcp + 4) + 1;
	say(i, false,
	    (struct hdr_spec){.seq = SEQ(m->client),
			      .ack = SEQ(m->cack),
			      .flags = TCP_ACK},
	    0);
}

static void server_hears(uint32_t i, const uint8_t *tcp, uint32_t len)
{
	struct member *m = &crowd[i];
	uint32_t seq = get_be32(tcp + 4);
	struct hdr_spec h = {.flags = TCP_ACK};

	if (tcp[13] & TCP_SYN) {
		m->server = i * 7919u + 1;
		m->got = seq + 1;
		h.flags |= TCP_SYN;
		h.seq = SEQ(m->server - 1);
	} else if (len) {
		if (seq == m->got)
			m->got += len;
		h.seq = SEQ(m->server);
	} else {
		return;
	}
	h.ack = SEQ(m->got);
	say(i, true, h, 0);
}

static void hear(const uint8_t *ip, uint32_t len)
{
	const uint8_t *tcp = ip + 20;
	bool to_client = ip[16] == 10;
	const uint8_t *addr = ip + (to_client ? 16 : 12);
	uint32_t port = get_be16(tcp + (to_client ? 2 : 0)), i;

	if (ip[0] != 0x45 || ip[9] != 6 || addr[0] != 10)
		return;
	if (tcp[13] & TCP_RST) {
		fprintf(stderr, "crowd: a connection was reset\n");
		exit(1);
	}
	i = ((get_be32(addr) & 0xffffff) - 256) * PORTS + (port - 1024) % PORTS;
	if (to_client)
		client_hears(i, tcp);
	else
		server_hears(i, tcp, len - 20 - (tcp[12] >> 4) * 4u);
}

/* --- by an engine --- */

static void pull(void)
{
	static struct tx tx[BATCH];
	uint64_t t0;
	int n;

	do {
		t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		n = engine_pull(engine, tx, BATCH, now);
		engine_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
		for (int k = 0; k < n; k++)
			hear(tx[k].hdr, tx[k].hdr_len + tx[k].payload);
	} while (n == BATCH);
}

static void engine_batch(uint32_t n)
{
	static struct tx reply[BATCH];
	struct packet p[BATCH];
	const struct packet *expected[BATCH];
	struct buf *b[BATCH];
	bool replies[BATCH];
	uint64_t t0;

	for (uint32_t k = 0; k < n; k++) {
		const struct packet_out *q = &queue[head++ % QUEUE];

		b[k] = buf_alloc_reserve(&pool);
		memcpy(b[k]->data, q->data, q->len);
		p[k] = (struct packet){.buf = b[k],
				       .data = b[k]->data,
				       .len = q->len,
				       .full_len = q->len,
				       .csum = PACKET_CSUM_GOOD};
		expected[k] = &p[k];
	}
	t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	engine_expect(engine, expected, (int)n);
	for (uint32_t k = 0; k < n; k++)
		replies[k] = engine_input(engine, &p[k], now, &reply[k]) ==
			     VERDICT_REPLY;
	engine_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
	for (uint32_t k = 0; k < n; k++) {
		if (replies[k])
			hear(reply[k].hdr, reply[k].hdr_len);
		buf_put(b[k]);
	}
	pull();
	now.us += 100;
	if (mono_due(engine_deadline(engine), now)) {
		t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		engine_expire(engine, now);
		engine_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
		pull();
	}
}

static void engine_start(uint32_t flows)
{
	struct engine_cfg cfg = {.policy = policy_new(1),
				 .pool = &pool,
				 .max_flows = flows + flows / 4 + 1000,
				 .max_tw = 1000,
				 .seed = 1,
				 .secret = "crowd"};
	static const uint8_t web[4] = {192, 0, 2, 1};
	struct service *s = &cfg.policy->service[0];

	opt_defaults(service_options, s);
	opt_defaults(tcp_options, &s->tcp);
	opt_defaults(shield_options, &s->shield);
	strcpy(s->name, "crowd");
	s->handshake = HANDSHAKE_CLIENT_FIRST;
	s->syncookies = 0;
	s->max_syn_backlog = 65536;
	s->listen.n = 1;
	s->listen.ep[0] = (struct endpoint){ipaddr_v4(web), 128, 80};
	if (buf_pool_init(&pool, (uint64_t)1 << 30, BATCH))
		die("buffers");
	engine = engine_new(&cfg, now);
	if (!engine)
		die("engine");
}

/* --- by a TUN --- */

static void tun_start(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr))
		die(name);
}

static void tun_batch(uint32_t n)
{
	for (uint32_t k = 0; k < n; k++) {
		const struct packet_out *q = &queue[head++ % QUEUE];

		if (write(tun, q->data, q->len) < 0 && errno != ENOBUFS)
			die("write");
	}
}

/* Return: something came in time */
static bool tun_listen(void)
{
	struct pollfd p = {.fd = tun, .events = POLLIN};
	uint8_t buf[2048];
	bool some = false;
	ssize_t n;

	if (poll(&p, 1, RESEND_MS) <= 0)
		return false;
	/* no more than the queue has room for */
	for (int k = 0; k < QUEUE / 2; k++) {
		n = read(tun, buf, sizeof(buf));
		if (n < 40)
			break;
		some = true;
		hear(buf, (uint32_t)n);
	}
	return some;
}

/* --- rounds --- */

static void deliver(void)
{
	while (head != tail) {
		uint32_t n = tail - head < BATCH ? tail - head : BATCH;

		delivered += n;
		if (engine)
			engine_batch(n);
		else
			tun_batch(n);
	}
}

struct round {
	uint32_t i[AT_ONCE], n;
	bool (*done)(uint32_t i);
	void (*say)(uint32_t i);
};

/* Each says its sentence, again where it is not heard. */
static void play(struct round *r)
{
	int silent = 0;

	for (uint32_t k = 0; k < r->n; k++)
		r->say(r->i[k]);
	for (;;) {
		uint32_t left = 0;

		deliver();
		for (uint32_t k = 0; k < r->n; k++)
			left += !r->done(r->i[k]);
		if (!left)
			return;
		if (!engine && tun_listen()) {
			silent = 0;
			continue;
		}
		if (engine || ++silent > GIVE_UP)
			break;
		for (uint32_t k = 0; k < r->n; k++) {
			if (!r->done(r->i[k]))
				r->say(r->i[k]);
		}
	}
	fprintf(stderr, "crowd: no answer\n");
	exit(1);
}

static bool is_connected(uint32_t i)
{
	return crowd[i].got;
}

static void connect_all(uint32_t flows)
{
	struct round r = {.done = is_connected, .say = say_syn};

	for (uint32_t i = 0; i < flows; i += r.n) {
		for (r.n = 0; r.n < AT_ONCE && i + r.n < flows; r.n++) {
			crowd[i + r.n].client = 1000 + 31 * (i + r.n);
			r.i[r.n] = i + r.n;
		}
		play(&r);
	}
}

/* The two number spaces have different beginnings: count bytes. */
static uint32_t *brought;

static bool has_arrived(uint32_t i)
{
	return crowd[i].got == brought[i];
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)((x >> 32) * n >> 32);
}

static void touch_some(uint32_t flows)
{
	struct round r = {.n = AT_ONCE, .done = has_arrived, .say = say_data};

	for (uint32_t k = 0; k < r.n; k++) {
		uint32_t i = random_below(flows), j = 0;

		while (j < k && r.i[j] != i)
			j++;
		if (j < k) {
			k--;
			continue;
		}
		r.i[k] = i;
		crowd[i].client += DATA;
		brought[i] = crowd[i].got + DATA;
	}
	play(&r);
}

/* --- what it costs --- */

static uint64_t cpu_of_threads_ns(void)
{
	char path[300];
	uint64_t sum = 0, one;
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat",
			 pid, d->d_name);
		f = *d->d_name == '.' ? NULL : fopen(path, "r");
		if (f && fscanf(f, "%lu", &one) == 1)
			sum += one;
		if (f)
			fclose(f);
	}
	if (!dir)
		die(path);
	closedir(dir);
	return sum;
}

static uint64_t spent_ns(void)
{
	return engine ? engine_ns : cpu_of_threads_ns();
}

static double rss_bytes(void)
{
	unsigned long all = 0, resident = 0;
	char path[40] = "/proc/self/statm";
	FILE *f;

	if (!engine)
		snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu %lu", &all, &resident) != 2)
		die(path);
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void measure(uint32_t flows, int seconds, double rss_before)
{
	double rss = rss_bytes() - rss_before;
	uint64_t ns, end;

	for (int k = 0; k < 100; k++) /* warm */
		touch_some(flows);
	delivered = 0;
	ns = spent_ns();
	end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)seconds * 1000000000u;
	while (clock_ns(CLOCK_MONOTONIC) < end)
		touch_some(flows);
	ns = spent_ns() - ns;
	printf("{\"flows\": %u, \"packets\": %u, \"ns_per_packet\": %.0f, "
	       "\"rss_bytes_per_flow\": %.0f}\n",
	       flows, delivered, (double)ns / delivered, rss / flows);
}

/* --- restarts --- */

static bool input_has_ended(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;

	return poll(&p, 1, 0) > 0 && read(p.fd, &c, 1) <= 0;
}

/* Those from @first on bring a segment each. */
static void bring(uint32_t first, uint32_t n)
{
	struct round r = {.n = n, .done = has_arrived, .say = say_data};

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = first + k;

		r.i[k] = i;
		crowd[i].client += DATA;
		brought[i] = crowd[i].got + DATA;
	}
	play(&r);
}

static void measure_pause(uint32_t flows)
{
	const struct timespec ms = {0, 1000000};
	uint64_t longest = 0, t;

	puts("ready");
	fflush(stdout);
	while (!input_has_ended()) {
		t = clock_ns(CLOCK_MONOTONIC);
		bring(0, 1);
		t = clock_ns(CLOCK_MONOTONIC) - t;
		longest = t > longest ? t : longest;
		nanosleep(&ms, NULL);
	}
	for (uint32_t i = 0; i < flows; i += AT_ONCE)
		bring(i, flows - i < AT_ONCE ? flows - i : AT_ONCE);
	printf("{\"flows\": %u, \"pause_ms\": %.1f}\n", flows,
	       (double)longest / 1e6);
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	bool restarts = false;
	int seconds = 2, c;
	uint32_t flows;
	double rss;

	while ((c = getopt(argc, argv, "rs:t:p:")) != -1) {
		if (c == 's')
			seconds = atoi(optarg);
		else if (c == 'r')
			restarts = true;
		else if (c == 't')
			name = optarg;
		else if (c == 'p')
			pid = atoi(optarg);
		else
			return 2;
	}
	flows = optind < argc ? (uint32_t)atoi(argv[optind]) : 0;
	if (flows < (restarts ? 1 : 2 * AT_ONCE) || flows > 0xff0000 * PORTS ||
	    (restarts ? !name : name && !pid)) {
		fprintf(stderr,
			"usage: crowd [-s SECONDS] [-t TUN -p PID] FLOWS\n"
			"       crowd -r -t TUN FLOWS\n"
			"FLOWS: %u or more; 1 with -r\n",
			2 * AT_ONCE);
		return 2;
	}
	crowd = calloc(flows, sizeof(*crowd));
	brought = calloc(flows, sizeof(*brought));
	if (!crowd || !brought)
		die("memory");
	if (name)
		tun_start(name);
	else
		engine_start(flows);
	for (uint32_t i = 0; i < flows; i++) /* paid for now, not later */
		crowd[i].client = brought[i] = 1;
	rss = restarts ? 0 : rss_bytes();
	connect_all(flows);
	if (restarts)
		measure_pause(flows);
	else
		measure(flows, seconds, rss);
	return 0;
}
