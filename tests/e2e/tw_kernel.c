/* SPDX-License-Identifier: MIT */
/*
 * tw_input() against the running kernel's TIME_WAIT.
 *
 *	tw_kernel TUN OUR-ADDRESS KERNEL-ADDRESS
 *
 * Runs in a namespace of its own where TUN is up and KERNEL-ADDRESS is on it.
 * For each case it plays the client of a connection that the kernel closes
 * first, sends one segment to the kernel's TIME_WAIT and to ours, and compares:
 * what is answered, and whether TIME_WAIT is over.  An echo request after the
 * segment bounds the wait: its reply comes after all that the segment caused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shield/timewait.h"
#include "wire/build.h"

#define PORT 8080
#define WAIT_MS 5000
#define TS_BASE 100000u
#define ISS 1000000u

static struct ipaddr our_addr, kernel_addr;
static int tun, listener;
static uint16_t ping_seq;
static uint8_t rx[2048];

/* What the kernel's TIME_WAIT knows, as seen from outside. */
struct conn {
	struct tuple t; /* from the client's side: local is ours */
	seq_t snd, rcv; /* the client's next numbers */
	uint32_t tsecr;
	bool ts;
};

struct kase {
	uint16_t flags;
	int32_t seq_off;
	uint32_t data;
	int32_t ts_off; /* to the last TSval; NO_TS: none */
	bool ts_conn, rfc1337;
};

#define NO_TS INT32_MIN

enum outcome {
	OUT_NOTHING,
	OUT_ACK,
	OUT_SYNACK,
	OUT_RST
};
static const char *const outcome_name[] = {"nothing", "ACK", "SYN-ACK", "RST"};

struct result {
	enum outcome out;
	bool present;
	uint32_t seq, ack;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void set_sysctl(const char *name, int v)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d\n", v) < 0 || fclose(f))
		die(path);
}

static void open_tun(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tun = open("/dev/net/tun", O_RDWR);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &ifr) < 0)
		die("tun");
}

static void open_listener(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(PORT)};
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(listener, 4096) < 0)
		die("listen");
}

/* --- wire helpers --- */

static void send_segment(const struct conn *c, uint16_t flags, seq_t seq,
			 seq_t ack, const struct tcp_opts *o, uint32_t data)
{
	static uint8_t zero[64];
	struct hdr_spec h = {.t = &c->t,
			     .opts = o,
			     .seq = seq,
			     .ack = ack,
			     .flags = flags,
			     .wnd = 65535,
			     .ttl = 64};
	uint8_t pkt[256];
	struct tx tx = {.payload = data, .niov = data ? 1 : 0};

	tx.iov[0] = (struct iovec){zero, data};
	wire_build(&tx, &h, data);
	wire_csum_finish(&tx);
	memcpy(pkt, tx.hdr, tx.hdr_len);
	memset(pkt + tx.hdr_len, 0, data);
	if (write(tun, pkt, tx.hdr_len + data) < 0)
		die("write");
}

/* The next packet from the kernel; 4: TCP of @c, 1: the awaited echo reply. */
static int receive(const struct conn *c, struct segment *s)
{
	struct pollfd pfd = {.fd = tun, .events = POLLIN};
	struct icmp_error icmp;
	enum drop_reason why;

	while (poll(&pfd, 1, WAIT_MS) > 0) {
		ssize_t n = read(tun, rx, sizeof(rx));
		struct packet p = {.data = rx,
				   .len = (uint32_t)n,
				   .full_len = (uint32_t)n};

		if (n >= 28 && rx[0] == 0x45 && rx[9] == 1 && rx[20] == 0 &&
		    get_be16(rx + 26) == ping_seq)
			return 1;
		if (n < 20 || wire_parse(&p, s, &icmp, &why) != PARSE_SEGMENT)
			continue;
		if (tuple_eq(&s->t, &c->t))
			return 4;
	}
	fprintf(stderr, "the kernel is silent\n");
	exit(2);
}

static void send_ping(void)
{
	uint8_t p[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1};

	memcpy(p + 12, our_addr.b + 12, 4);
	memcpy(p + 16, kernel_addr.b + 12, 4);
	put_be16(p + 10, (uint16_t)~csum_fold(csum_add(0, p, 20)));
	p[20] = 8;
	put_be16(p + 26, ++ping_seq);
	put_be16(p + 22, (uint16_t)~csum_fold(csum_add(0, p + 20, 8)));
	if (write(tun, p, sizeof(p)) < 0)
		die("write");
}

/* --- the client --- */

static struct tcp_opts opts_of(const struct conn *c, uint32_t tsval)
{
	struct tcp_opts o = {0};

	if (c->ts) {
		o.has = OPT_HAS_TS;
		o.tsval = tsval;
		o.tsecr = c->tsecr;
	}
	return o;
}

static void expect(struct conn *c, uint16_t flags, struct segment *s)
{
	do {
		if (receive(c, s) != 4)
			die("echo reply out of turn");
	} while ((s->flags & flags) != flags);
	c->rcv = segment_end(s);
	c->tsecr = s->opts.tsval;
}

/* Open, let the kernel close first, and leave it in TIME_WAIT. */
static void bring_to_timewait(struct conn *c, uint16_t port, bool ts)
{
	struct tcp_opts o;
	struct segment s;
	int fd;

	*c = (struct conn){.t = {.local = our_addr,
				 .remote = kernel_addr,
				 .lport = port,
				 .rport = PORT},
			   .ts = ts};
	o = opts_of(c, TS_BASE);
	send_segment(c, TCP_SYN, SEQ(ISS), SEQ(0), &o, 0);
	expect(c, TCP_SYN | TCP_ACK, &s);
	c->snd = SEQ(ISS + 1);
	o = opts_of(c, TS_BASE);
	send_segment(c, TCP_ACK, c->snd, c->rcv, &o, 0);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept");
	close(fd);
	expect(c, TCP_FIN, &s);
	o = opts_of(c, TS_BASE);
	send_segment(c, TCP_FIN | TCP_ACK, c->snd, c->rcv, &o, 0);
	c->snd = seq_add(c->snd, 1);
	expect(c, TCP_ACK, &s);
}

/* Is the connection in TIME_WAIT (state 06)? */
static bool kernel_timewait(uint16_t port)
{
	unsigned int rport, lport, state;
	bool found = false;
	char line[256];
	FILE *f = fopen("/proc/net/tcp", "r");

	if (!f)
		die("/proc/net/tcp");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d: %*x:%x %*x:%x %x", &lport, &rport,
			   &state) == 3 &&
		    lport == PORT && rport == port && state == 6)
			found = true;
	}
	fclose(f);
	return found;
}

/* --- comparison --- */

static struct tcp_opts case_opts(const struct conn *c, const struct kase *k)
{
	struct tcp_opts o = {0};

	if (k->ts_off != NO_TS) {
		o.has = OPT_HAS_TS;
		o.tsval = TS_BASE + (uint32_t)k->ts_off;
		o.tsecr = c->tsecr;
	}
	return o;
}

static void ask_kernel(struct conn *c, const struct kase *k, struct result *r)
{
	struct tcp_opts o = case_opts(c, k);
	struct segment s;

	*r = (struct result){.out = OUT_NOTHING};
	send_segment(c, k->flags, seq_add(c->snd, (uint32_t)k->seq_off), c->rcv,
		     &o, k->data);
	send_ping();
	while (receive(c, &s) == 4) {
		r->out = s.flags & TCP_RST   ? OUT_RST
			 : s.flags & TCP_SYN ? OUT_SYNACK
					     : OUT_ACK;
		r->seq = s.seq.v;
		r->ack = s.ack.v;
	}
	r->present = kernel_timewait(c->t.lport);
}

static void ask_ours(struct tw_table *tw, const struct conn *c,
		     const struct kase *k, struct result *r)
{
	struct tw_policy p = {.len_us = 60 * USEC_PER_SEC,
			      .rfc1337 = k->rfc1337};
	struct tuple t = {.local = c->t.remote,
			  .remote = c->t.local,
			  .lport = c->t.rport,
			  .rport = c->t.lport};
	struct tw_new n = {.t = t,
			   .snd_nxt = c->rcv,
			   .rcv_nxt = c->snd,
			   .ts_ok = c->ts,
			   .ts_recent = TS_BASE};
	struct segment s = {.t = t,
			    .flags = k->flags,
			    .seq = seq_add(c->snd, (uint32_t)k->seq_off),
			    .ack = c->rcv,
			    .opts = case_opts(c, k)};
	mono_t now = {1000 * USEC_PER_SEC};
	struct tw_reply rep;

	s.data.len = k->data;
	tw_add(tw, &n, now, p.len_us);
	*r = (struct result){.out = OUT_NOTHING};
	switch (tw_input(tw, tw_find(tw, &t), &s, now, &p, &rep)) {
	case TW_ACK:
		*r = (struct result){OUT_ACK, false, rep.seq.v, rep.ack.v};
		break;
	case TW_NEW:
		*r = (struct result){OUT_SYNACK, false, rep.seq.v, s.seq.v + 1};
		break;
	case TW_DROP:
	case TW_KILL:
		break;
	}
	r->present = tw_find(tw, &t) != NULL;
	tw_remove(tw, &t);
}

static bool same(const struct result *a, const struct result *b)
{
	return a->out == b->out && a->present == b->present &&
	       a->seq == b->seq && a->ack == b->ack;
}

static void print_case(const struct kase *k, const struct result *kernel,
		       const struct result *ours)
{
	printf("flags %02x seq %+d data %u ts_conn %d ts %d rfc1337 %d: ",
	       k->flags, k->seq_off, k->data, k->ts_conn,
	       k->ts_off == NO_TS ? 9999 : k->ts_off, k->rfc1337);
	printf("kernel %s present %d seq %u ack %u; ours %s %d %u %u\n",
	       outcome_name[kernel->out], kernel->present, kernel->seq,
	       kernel->ack, outcome_name[ours->out], ours->present, ours->seq,
	       ours->ack);
}

static bool run_case(struct tw_table *tw, const struct kase *k, uint16_t port)
{
	struct result kernel, ours;
	struct conn c;

	set_sysctl("tcp_rfc1337", k->rfc1337);
	bring_to_timewait(&c, port, k->ts_conn);
	ask_kernel(&c, k, &kernel);
	ask_ours(tw, &c, k, &ours);
	if (same(&kernel, &ours))
		return true;
	print_case(k, &kernel, &ours);
	return false;
}

/* All combinations; how many there were and how many differ. */
static uint32_t run_all(struct tw_table *tw, uint32_t *differ)
{
	static const uint16_t flags[] = {TCP_ACK, TCP_FIN | TCP_ACK,
					 TCP_RST, TCP_RST | TCP_ACK,
					 TCP_SYN, TCP_SYN | TCP_ACK,
					 TCP_FIN, TCP_PSH | TCP_ACK};
	static const int32_t seqs[] = {-100000, -1, 0, 1, 100000};
	static const int32_t stamps[] = {NO_TS, -1, 0, 1};
	uint32_t n = 0;

	for (uint32_t i = 0; i < ARRAY_LEN(flags) * 5 * 4 * 4; i++) {
		struct kase k = {.flags = flags[i % 8],
				 .seq_off = seqs[i / 8 % 5],
				 .ts_off = stamps[i / 40 % 4],
				 .ts_conn = i / 160 % 2,
				 .rfc1337 = i / 320};

		k.data = k.flags & TCP_PSH ? 10 : 0;
		*differ += !run_case(tw, &k, (uint16_t)(10000 + n));
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const uint8_t secret[32];
	struct tw_cfg cfg = {.max = 16};
	struct tw_table tw;
	uint32_t n, differ = 0;
	uint8_t raw[4];

	if (argc != 4 || inet_pton(AF_INET, argv[2], raw) != 1)
		return 2;
	our_addr = ipaddr_v4(raw);
	if (inet_pton(AF_INET, argv[3], raw) != 1)
		return 2;
	kernel_addr = ipaddr_v4(raw);
	open_tun(argv[1]);
	set_sysctl("tcp_invalid_ratelimit", 0);
	open_listener();
	if (tw_init(&tw, &cfg, secret, (mono_t){1}))
		die("tw_init");
	n = run_all(&tw, &differ);
	printf("%u cases, %u differ from the kernel\n", n, differ);
	tw_fini(&tw);
	return differ ? 1 : 0;
}
