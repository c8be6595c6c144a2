/* SPDX-License-Identifier: MIT */
/*
 * Compares our Fast Open cookie with the running kernel's.
 *
 *	tfo_cookie KEY CLIENT SERVER
 *
 * Runs in a network namespace where both addresses are on lo and
 * net.ipv4.tcp_fastopen_key is KEY.  Asks a listener of the kernel for a
 * cookie, reads it from the SYN-ACK on lo and prints it.  Exit status 1 when it
 * differs from tfo_cookie_make()'s, 2 when nothing was captured.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shield/tfo.h"

#define PORT 7413
#define WAIT_MS 3000

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static socklen_t make_addr(struct sockaddr_storage *ss, const char *text,
			   uint16_t port)
{
	struct sockaddr_in *a4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &a4->sin_addr) == 1) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(port);
		return sizeof(*a4);
	}
	if (inet_pton(AF_INET6, text, &a6->sin6_addr) != 1)
		die(text);
	a6->sin6_family = AF_INET6;
	a6->sin6_port = htons(port);
	return sizeof(*a6);
}

static struct ipaddr to_ipaddr(const char *text)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, text, raw) == 1)
		return ipaddr_v4(raw);
	inet_pton(AF_INET6, text, raw);
	return ipaddr_v6(raw);
}

static int open_capture(void)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("lo"),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		die("AF_PACKET");
	return fd;
}

static void open_server(const char *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = make_addr(&ss, addr, PORT);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0), n = 16;

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &n, sizeof(n)) < 0 ||
	    listen(fd, 16) < 0)
		die("listen");
}

static void open_client(const char *from, const char *to)
{
	struct sockaddr_storage ss;
	socklen_t len = make_addr(&ss, from, 0);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		die("bind");
	len = make_addr(&ss, to, PORT);
	if (sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&ss, len) <
	    0)
		die("MSG_FASTOPEN");
}

/* The cookie of a SYN-ACK from our port, or NULL. */
static const uint8_t *find_cookie(const uint8_t *p, size_t len)
{
	size_t ip = p[0] >> 4 == 6 ? 40 : (p[0] & 15u) * 4u, end;

	if (len < ip + 20 || get_be16(p + ip) != PORT ||
	    (p[ip + 13] & 0x12) != 0x12)
		return NULL;
	end = ip + (p[ip + 12] >> 4) * 4u;
	for (size_t o = ip + 20; o + 1 < end && o + 1 < len && p[o];) {
		if (p[o] == 34 && p[o + 1] == 2 + TFO_COOKIE_LEN)
			return p + o + 2;
		o += p[o] == 1 ? 1 : p[o + 1] ? p[o + 1] : len;
	}
	return NULL;
}

static const uint8_t *capture_cookie(int fd)
{
	static uint8_t buf[2048];
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	while (poll(&pfd, 1, WAIT_MS) > 0) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		const uint8_t *c = n > 40 ? find_cookie(buf, (size_t)n) : NULL;

		if (c)
			return c;
	}
	fprintf(stderr, "no SYN-ACK with a cookie\n");
	exit(2);
}

static void print_cookie(const char *who, const uint8_t *c)
{
	printf("%s", who);
	for (int i = 0; i < TFO_COOKIE_LEN; i++)
		printf(" 0x%02x", c[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	uint8_t ours[TFO_COOKIE_LEN];
	const uint8_t *theirs;
	struct tfo_keys keys;
	struct tuple t = {0};
	char err[200];
	int fd;

	if (argc != 4 || tfo_keys_parse(argv[1], &keys, err, sizeof(err))) {
		fprintf(stderr, "usage: tfo_cookie KEY CLIENT SERVER\n");
		return 2;
	}
	fd = open_capture();
	open_server(argv[3]);
	open_client(argv[2], argv[3]);
	theirs = capture_cookie(fd);
	t.remote = to_ipaddr(argv[2]);
	t.local = to_ipaddr(argv[3]);
	tfo_cookie_make(&keys.key[0], &t, ours);
	print_cookie("kernel  ", theirs);
	print_cookie("penstock", ours);
	return memcmp(ours, theirs, sizeof(ours)) ? 1 : 0;
}
