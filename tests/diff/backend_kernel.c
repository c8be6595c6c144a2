/* SPDX-License-Identifier: MIT */
/*
 * Linux: a listening socket in a network namespace of our own, at the other
 * end of a TUN device that we hold.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "diff/backend.h"

static int tun = -1, lsock = -1, conn = -1;
static bool reading;

/* What a script changed, and what it was before. */
#define KEYS_MOST 8
static struct {
	char path[96], before[96];
} changed[KEYS_MOST];
static uint32_t nchanged;
/* Keys that are options of a socket; 0 off */
static char congestion[16] = "cubic";
static int defer_accept, user_timeout, keepalive, fastopen;

static void die(const char *what)
{
	perror(what);
	exit(77);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static void set_sysctl(const char *path, const char *value)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(value, f) < 0 || fclose(f))
		die(path);
}

static void set_addr(int s, struct ifreq *r, unsigned long req, const char *a)
{
	struct sockaddr_in in = {.sin_family = AF_INET};

	inet_pton(AF_INET, a, &in.sin_addr);
	memcpy(&r->ifr_addr, &in, sizeof(in));
	if (ioctl(s, req, r))
		die(a);
}

static void make_namespace(void)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int s;

	if (unshare(CLONE_NEWNET))
		die("unshare");
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun < 0)
		die("/dev/net/tun");
	strcpy(r.ifr_name, "diff0");
	if (ioctl(tun, TUNSETIFF, &r))
		die("TUNSETIFF");
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	set_addr(s, &r, SIOCSIFADDR, "10.9.0.1");
	set_addr(s, &r, SIOCSIFNETMASK, "255.255.255.0");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r))
		die("SIOCSIFFLAGS");
	close(s);
	set_sysctl("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
	/* penstock's defaults, where a kernel may be built with others */
	set_sysctl("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 33554432");
	set_sysctl("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304");
	/* 1, 2, 4 s from the first SYN on, as before 6.5 */
	set_sysctl("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "0");
	set_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
}

static bool kernel_key(const char *name, const char *value)
{
	char path[96];
	FILE *f;

	if (tun < 0)
		make_namespace();
	if (!strcmp(name, "tcp_defer_accept") ||
	    !strcmp(name, "tcp_user_timeout")) {
		*(name[4] == 'd' ? &defer_accept : &user_timeout) = atoi(value);
		return true;
	}
	if (!strcmp(name, "tcp_congestion_control")) {
		snprintf(congestion, sizeof(congestion), "%s",
			 strcmp(value, "newreno") ? value : "reno");
		return true;
	}
	keepalive |= !strncmp(name, "tcp_keepalive", 13);
	fastopen |= !strcmp(name, "tcp_fastopen");
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "r");
	if (!f || nchanged == KEYS_MOST ||
	    !fgets(changed[nchanged].before, sizeof(changed[0].before), f))
		die(path);
	fclose(f);
	snprintf(changed[nchanged++].path, sizeof(path), "%s", path);
	set_sysctl(path, value);
	return true;
}

static void keys_restore(void)
{
	while (nchanged--)
		set_sysctl(changed[nchanged].path, changed[nchanged].before);
	nchanged = 0;
	defer_accept = user_timeout = keepalive = fastopen = 0;
	strcpy(congestion, "cubic");
}

static void set_options(int s)
{
	/* a namespace may not choose all of them by sysctl */
	if (setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, congestion,
		       (socklen_t)strlen(congestion)))
		die(congestion);
	setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &keepalive, sizeof(keepalive));
	setsockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout,
		   sizeof(user_timeout));
}

static void kernel_start(bool small)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(DIFF_PORT)};
	int on = 1, rcv = 2048;

	if (tun < 0)
		make_namespace();
	lsock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(lsock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (small)
		setsockopt(lsock, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	set_options(lsock);
	setsockopt(lsock, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_accept,
		   sizeof(defer_accept));
	if (fastopen)
		setsockopt(lsock, IPPROTO_TCP, TCP_FASTOPEN, &(int){8},
			   sizeof(int));
	if (bind(lsock, (struct sockaddr *)&a, sizeof(a)) || listen(lsock, 8))
		die("listen");
	reading = true;
}

static void kernel_give(const struct spkt *pkt)
{
	if (write(tun, pkt->data, pkt->len) < 0)
		die("tun write");
}

static void take_connection(void)
{
	if (conn < 0 && lsock >= 0)
		conn = accept4(lsock, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void drain(void)
{
	static char buf[65536];

	take_connection();
	while (conn >= 0 && reading && read(conn, buf, sizeof(buf)) > 0)
		;
}

static void hang_up(bool reset)
{
	struct linger l = {reset, 0};

	if (conn < 0)
		return;
	if (reset)
		setsockopt(conn, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(conn);
	conn = -1;
}

static void start_connect(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	conn = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	set_options(conn);
	setsockopt(conn, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &fastopen,
		   sizeof(fastopen));
	inet_pton(AF_INET, "10.9.0.2", &a.sin_addr);
	if (connect(conn, (struct sockaddr *)&a, sizeof(a)) &&
	    errno != EINPROGRESS)
		die("connect");
}

static void kernel_app(enum app_do what, uint32_t n)
{
	char *data;

	drain();
	switch (what) {
	case APP_WRITE:
		data = calloc(n, 1);
		if (conn < 0 || write(conn, data, n) != (ssize_t)n)
			fprintf(stderr, "kernel: write: %s\n", strerror(errno));
		free(data);
		break;
	case APP_SHUTDOWN:
		shutdown(conn, SHUT_WR);
		break;
	case APP_CLOSE:
		hang_up(false);
		break;
	case APP_RESET:
		hang_up(true);
		break;
	case APP_READ:
		reading = n;
		break;
	case APP_CONNECT:
		start_connect((uint16_t)n);
		break;
	}
}

static void kernel_run(int64_t us, void (*out)(const struct spkt *, int64_t))
{
	struct pollfd p = {tun, POLLIN, 0};
	struct spkt *pkt = spkt_new(65536);
	int64_t begin = now_us(), left;
	ssize_t n;

	while ((left = begin + us - now_us()) > 0) {
		poll(&p, 1, left > 5000 ? 5 : (int)(left / 1000));
		while ((n = read(tun, pkt->data, 65536)) > 0) {
			pkt->len = (uint32_t)n;
			out(pkt, now_us() - begin);
		}
		drain();
	}
	free(pkt);
}

static void nothing(const struct spkt *pkt, int64_t at)
{
	(void)pkt;
	(void)at;
}

static void kernel_stop(void)
{
	hang_up(true);
	close(lsock);
	lsock = -1;
	kernel_run(2000, nothing);
	keys_restore();
}

static uint32_t kernel_clock(void)
{
	return (uint32_t)(now_us() / 1000);
}

const struct backend backend_kernel = {
	"kernel",   kernel_key, kernel_start, kernel_give,
	kernel_app, kernel_run, kernel_stop,  kernel_clock,
};
