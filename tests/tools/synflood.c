/* SPDX-License-Identifier: MIT */
/*
 * synflood - A bounded flood of TCP segments with spoofed sources
 *
 * For use inside a network namespace, to show what a listener or a shield
 * does with it:
 *
 *   synflood -i IF -d ADDR -p PORT [-r RATE] [-n COUNT] [-t SECONDS]
 *            [-k syn|ack|rst|fin|synack|xmas|frag] [-s SEED] [-B BITS]
 *
 * Theory of operation: one frame per slot of a batch is made once; for each
 * packet only source, port, sequence number and checksum change (the sum of
 * what stays is kept).  Batches leave by sendmmsg() on an AF_PACKET socket that
 * bypasses the queueing discipline.  The next hop's link address is learnt
 * by looking at a datagram that the kernel itself routes to ADDR.
 *
 * Answers (SYN-ACK; RST) are counted by the kernel: a socket with a filter
 * and next to no buffer, which is never read.  PACKET_STATISTICS counts
 * what passed the filter, room or not.
 *
 * Sources: IPv4 10.0.0.0/8, IPv6 fd00:bad::/64 by default; -B says how many
 * bits of the source vary (default 24 and 32).
 *
 * Output: one line, sent=N seconds=S rate=N synacks=N rsts=N
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256
#define ETH_LEN 14
#define TCP_LEN 40 /* header and the usual SYN options */
#define FRAME_MAX (ETH_LEN + 40 + TCP_LEN)

/**
 * struct flood - What to send
 * @frag:      each packet is the first fragment of one whose rest never comes
 * @fixed_sum: ones' complement sum of all that never changes
 * @ip_sum:    the same of the IPv4 header
 * @tcp:       offset of the TCP header in a frame
 */
struct flood {
	const char *dev, *addr;
	int family, ifindex, fd;
	uint16_t port;
	uint64_t rate, count, rng;
	double seconds;
	uint8_t flags;
	bool frag;
	unsigned bits;
	struct in6_addr dst; /* IPv4: the first four bytes */
	uint32_t fixed_sum, ip_sum;
	size_t tcp, len;
	uint8_t link[ETH_LEN];
};

static uint8_t frames[BATCH][FRAME_MAX];

static void die(const char *what)
{
	fprintf(stderr, "synflood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static uint64_t rng_next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t sum_be16(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* A packet socket bound to one protocol on the device. */
static int packet_open(const struct flood *f, int type, uint16_t proto)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(proto),
				 .sll_ifindex = f->ifindex};
	int fd = socket(AF_PACKET, type, 0);

	if (fd < 0)
		die("AF_PACKET");
	if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die(f->dev);
	return fd;
}

static void poke_kernel(const struct flood *f)
{
	struct sockaddr_in6 s6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(9),
				  .sin6_addr = f->dst};
	struct sockaddr_in s4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(f->family, SOCK_DGRAM, 0);

	memcpy(&s4.sin_addr, &f->dst, 4);
	if (f->family == AF_INET)
		sendto(fd, "", 0, 0, (struct sockaddr *)&s4, sizeof(s4));
	else
		sendto(fd, "", 0, 0, (struct sockaddr *)&s6, sizeof(s6));
	close(fd);
}

/* Learn both link addresses from a datagram that the kernel sends there. */
static int link_learn(struct flood *f)
{
	size_t off = f->family == AF_INET ? ETH_LEN + 16 : ETH_LEN + 24;
	size_t alen = f->family == AF_INET ? 4 : 16;
	int fd = packet_open(f, SOCK_RAW, ETH_P_ALL);
	double end = now_s() + 3;
	uint8_t in[256];

	poke_kernel(f);
	while (now_s() < end) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 300) == 0) {
			poke_kernel(f);
			continue;
		}
		n = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from,
			     &len);
		if (n < (ssize_t)(off + alen) ||
		    from.sll_pkttype != PACKET_OUTGOING ||
		    memcmp(in + off, &f->dst, alen) != 0)
			continue;
		memcpy(f->link, in, ETH_LEN);
		close(fd);
		return 0;
	}
	close(fd);
	return -ETIMEDOUT;
}

/* Addresses, ports and all but the source's varying bits. */
static void frame_ip(struct flood *f, uint8_t *p)
{
	uint8_t *ip = p + ETH_LEN;

	memcpy(p, f->link, ETH_LEN);
	if (f->family == AF_INET) {
		ip[0] = 0x45;
		put16(ip + 2, 20 + TCP_LEN);
		ip[6] = f->frag ? 0x20 : 0x40; /* MF, DF */
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		ip[12] = 10;
		memcpy(ip + 16, &f->dst, 4);
		f->ip_sum = sum_be16(ip, 20);
		f->fixed_sum = sum_be16(ip + 12, 8);
		f->tcp = ETH_LEN + 20;
	} else {
		ip[0] = 0x60;
		put16(ip + 4, TCP_LEN);
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		put32(ip + 8, 0xfd000badu);
		memcpy(ip + 24, &f->dst, 16);
		f->fixed_sum = sum_be16(ip + 8, 32);
		f->tcp = ETH_LEN + 40;
	}
	f->fixed_sum += IPPROTO_TCP + TCP_LEN;
	f->len = f->tcp + TCP_LEN;
}

static void frame_tcp(struct flood *f, uint8_t *p)
{
	/* MSS 1460, SACK permitted, timestamps, scale 7: as Linux sends. */
	static const uint8_t options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1,
					    2, 3, 0, 0,	   0, 0, 1, 3,	3, 7};
	uint8_t *t = p + f->tcp;

	put16(t + 2, f->port);
	t[12] = TCP_LEN / 4 << 4;
	t[13] = f->flags;
	put16(t + 14, 64240);
	memcpy(t + 20, options, sizeof(options));
	f->fixed_sum += sum_be16(t, TCP_LEN);
}

/* The varying part: source address, port, sequence number, checksums. */
static void frame_vary(struct flood *f, uint8_t *p)
{
	uint64_t r = rng_next(&f->rng), r2 = rng_next(&f->rng);
	uint32_t host = (uint32_t)(r & ((1ull << f->bits) - 1));
	uint8_t *ip = p + ETH_LEN, *t = p + f->tcp;
	uint32_t seq = (uint32_t)r2, port = 1024 + (uint32_t)(r >> 40) % 64000;
	uint32_t sum = f->fixed_sum + port + (seq >> 16) + (seq & 0xffff) +
		       (host >> 16) + (host & 0xffff);

	if (f->family == AF_INET) {
		put32(ip + 12, 10u << 24 | host);
		put16(ip + 10,
		      sum_fold(f->ip_sum + (host >> 16) + (host & 0xffff)));
	} else {
		put32(ip + 20, host);
	}
	put16(t, port);
	put32(t + 4, seq);
	put16(t + 16, sum_fold(sum));
}

/* A socket that only counts: segments from PORT to spoofed sources with these
 * flags. */
static int counter_open(const struct flood *f, uint8_t mask, uint8_t flags)
{
	/* Offsets from the IP header; no options, no extension headers. */
	uint32_t hdr = f->family == AF_INET ? 20 : 40;
	uint32_t proto = f->family == AF_INET ? 9 : 6;
	uint32_t dst = f->family == AF_INET ? 16 : 24;
	uint32_t ours = f->family == AF_INET ? 0x0a : 0xfd;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, proto),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 8),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, dst),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ours, 0, 6),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, hdr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, f->port, 0, 4),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, hdr + 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 64),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};
	uint16_t type = f->family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	int fd = packet_open(f, SOCK_DGRAM, type), small = 1;
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		die("SO_ATTACH_FILTER");
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	return fd;
}

static unsigned counter_read(int fd)
{
	struct tpacket_stats st = {0};
	socklen_t len = sizeof(st);

	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	return st.tp_packets;
}

static void flood_open(struct flood *f)
{
	int one = 1, size = 4 << 20;

	f->ifindex = (int)if_nametoindex(f->dev);
	if (f->ifindex == 0)
		die(f->dev);
	if (link_learn(f) < 0) {
		fprintf(stderr, "synflood: no way to %s by %s\n", f->addr,
			f->dev);
		exit(1);
	}
	f->fd = packet_open(f, SOCK_RAW, 0);
	setsockopt(f->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	frame_ip(f, frames[0]);
	frame_tcp(f, frames[0]);
	for (int i = 1; i < BATCH; i++)
		memcpy(frames[i], frames[0], FRAME_MAX);
}

/* How many may leave now, by rate, count and batch. */
static unsigned flood_budget(const struct flood *f, uint64_t sent, double t)
{
	uint64_t n = BATCH;

	if (f->count - sent < n)
		n = f->count - sent;
	if (f->rate > 0) {
		uint64_t due = (uint64_t)(t * (double)f->rate);

		if (due <= sent)
			return 0;
		if (due - sent < n)
			n = due - sent;
	}
	return (unsigned)n;
}

static uint64_t flood_run(struct flood *f, double *took)
{
	struct mmsghdr msg[BATCH] = {0};
	struct iovec iov[BATCH];
	double begin = now_s();
	uint64_t sent = 0;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){frames[i], f->len};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < f->count && now_s() - begin < f->seconds) {
		unsigned n = flood_budget(f, sent, now_s() - begin);
		int done;

		if (n == 0) {
			usleep(200);
			continue;
		}
		for (unsigned i = 0; i < n; i++)
			frame_vary(f, frames[i]);
		done = sendmmsg(f->fd, msg, n, 0);
		if (done < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("sendmmsg");
		sent += done > 0 ? (uint64_t)done : 0;
	}
	*took = now_s() - begin;
	return sent;
}

static int flood_kind(struct flood *f, const char *name)
{
	static const struct {
		const char *name;
		uint8_t flags;
	} kinds[] = {{"syn", 0x02}, {"ack", 0x10},    {"rst", 0x04},
		     {"fin", 0x11}, {"synack", 0x12}, {"xmas", 0x29}};

	f->frag = strcmp(name, "frag") == 0;
	if (f->frag) {
		f->flags = 0x02;
		return 0;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			f->flags = kinds[i].flags;
			return 0;
		}
	}
	return -EINVAL;
}

static int flood_options(struct flood *f, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "i:d:p:r:n:t:k:s:B:")) != -1) {
		switch (c) {
		case 'i':
			f->dev = optarg;
			break;
		case 'd':
			f->addr = optarg;
			break;
		case 'p':
			f->port = (uint16_t)atoi(optarg);
			break;
		case 'r':
			f->rate = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			f->count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			f->seconds = atof(optarg);
			break;
		case 'k':
			if (flood_kind(f, optarg) < 0)
				return -EINVAL;
			break;
		case 's':
			f->rng = strtoull(optarg, NULL, 0);
			break;
		case 'B':
			f->bits = (unsigned)atoi(optarg);
			break;
		default:
			return -EINVAL;
		}
	}
	return f->dev && f->addr && f->port ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct flood f = {
		.count = 1000000, .seconds = 10, .flags = 0x02, .rng = 1};
	double took;
	uint64_t sent;
	int acks, rsts;

	if (flood_options(&f, argc, argv) < 0) {
		fprintf(stderr,
			"usage: synflood -i IF -d ADDR -p PORT [-r RATE] "
			"[-n COUNT] [-t SECONDS]\n"
			"                [-k syn|ack|rst|fin|synack|xmas|frag] "
			"[-s SEED] [-B BITS]\n"
			"  -r segments a second, -n and -t when to stop, -k "
			"what to send,\n"
			"  -B how many bits of the spoofed sources vary "
			"(10.0.0.0/8, fd00:bad::/64)\n");
		return 2;
	}
	f.family = inet_pton(AF_INET, f.addr, &f.dst) == 1 ? AF_INET : AF_INET6;
	if (f.family == AF_INET6 && inet_pton(AF_INET6, f.addr, &f.dst) != 1) {
		fprintf(stderr, "synflood: not an address: %s\n", f.addr);
		return 2;
	}
	if (f.bits == 0 || f.bits > (f.family == AF_INET ? 24u : 32u))
		f.bits = f.family == AF_INET ? 24 : 32;
	flood_open(&f);
	acks = counter_open(&f, 0x3f, 0x12);
	rsts = counter_open(&f, 0x04, 0x04);
	sent = flood_run(&f, &took);
	poll(NULL, 0, 300); /* the last answers */
	printf("sent=%llu seconds=%.3f rate=%.0f synacks=%u rsts=%u\n",
	       (unsigned long long)sent, took, (double)sent / took,
	       counter_read(acks), counter_read(rsts));
	return 0;
}
