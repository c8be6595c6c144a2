/* SPDX-License-Identifier: MIT */
/*
 * peer - Both ends of a connection with exactly known behaviour
 *
 * Theory of operation: the client's first line names what the server shall
 * do ("VERB COUNT SEED\n").  After it, both directions carry a byte stream
 * that is a function of (seed, offset), so each receiver checks every byte it
 * gets and can name the offset of the first wrong one.  Both ends are the
 * same machine, session_run(), with other flags: how much to send, whether
 * to wait for the other's FIN first, when to stop reading, when to die.
 *
 * Each connection ends in one line, on the client's standard output and in
 * the server's log, so that a test can compare what the two have seen:
 *   local=A:P remote=A:P verb=V rx=N tx=N bad=OFFSET|- end=FIN|RST|ERRNO
 * `end' tells how the *receiving* direction ended.
 *
 * The server forks per connection: a verb may kill its own process without
 * harm to the others, and the kernel closes the socket as it does for any
 * process that dies.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#define CHUNK 65536
#define NEVER UINT64_MAX
#define SERVER_PATIENCE_MS 600000 /* longer than any idle test */
#define ADDR_TEXT (INET6_ADDRSTRLEN + 10)

/**
 * struct session - One connection as one end sees it
 * @tx_len:     bytes to send
 * @tx_after_eof: send only when the peer's FIN has come
 * @fin_delay_eof: send our FIN only after the peer's
 * @read_delay_ms: read nothing for so long
 * @kill_rx, @kill_tx: SIGKILL ourselves at that many bytes
 * @rst_rx, @rst_tx: close with a RST at that many bytes
 * @echo:       send back what comes instead of the pattern
 * @deadline_ms: give up without progress for so long
 */
struct session {
	int fd;
	const char *verb;
	uint64_t tx_len, tx, rx, bad;
	uint64_t tx_seed, rx_seed;
	uint64_t kill_rx, kill_tx, rst_rx, rst_tx;
	bool tx_after_eof, fin_delay_eof, echo;
	int read_delay_ms, deadline_ms;
	bool eof, fin_sent;
	const char *end;
	char local[ADDR_TEXT], remote[ADDR_TEXT];
	size_t echo_len;
	unsigned char in[CHUNK], out[CHUNK];
};

static void die(const char *what)
{
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Word @i of stream @seed (the finalizer of splitmix64). */
static uint64_t pattern_word(uint64_t seed, uint64_t i)
{
	uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void pattern_fill(uint64_t seed, uint64_t off, unsigned char *p,
			 size_t len)
{
	while (len > 0) {
		uint64_t w = pattern_word(seed, off / 8);
		size_t skip = off % 8;
		size_t n = 8 - skip < len ? 8 - skip : len;

		if (n == 8)
			memcpy(p, &w, 8);
		else
			memcpy(p, (unsigned char *)&w + skip, n);
		p += n;
		off += n;
		len -= n;
	}
}

/* Offset of the first byte that differs, or NEVER. */
static uint64_t pattern_check(uint64_t seed, uint64_t off,
			      const unsigned char *p, size_t len)
{
	unsigned char want[CHUNK];

	pattern_fill(seed, off, want, len);
	if (memcmp(want, p, len) == 0)
		return NEVER;
	for (size_t i = 0; i < len; i++)
		if (want[i] != p[i])
			return off + i;
	return NEVER;
}

static void addr_format(const struct sockaddr_storage *ss, char *out)
{
	const struct sockaddr_in6 *s6 = (const void *)ss;
	const struct sockaddr_in *s4 = (const void *)ss;
	char a[INET6_ADDRSTRLEN];

	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &s4->sin_addr, a, sizeof(a));
		snprintf(out, ADDR_TEXT, "%s:%u", a, ntohs(s4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&s6->sin6_addr)) {
		inet_ntop(AF_INET, &s6->sin6_addr.s6_addr[12], a, sizeof(a));
		snprintf(out, ADDR_TEXT, "%s:%u", a, ntohs(s6->sin6_port));
	} else {
		inet_ntop(AF_INET6, &s6->sin6_addr, a, sizeof(a));
		snprintf(out, ADDR_TEXT, "[%s]:%u", a, ntohs(s6->sin6_port));
	}
}

static void session_names(struct session *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	strcpy(s->local, "-");
	strcpy(s->remote, "-");
	if (getsockname(s->fd, (struct sockaddr *)&ss, &len) == 0)
		addr_format(&ss, s->local);
	len = sizeof(ss);
	if (getpeername(s->fd, (struct sockaddr *)&ss, &len) == 0)
		addr_format(&ss, s->remote);
}

static int session_print(const struct session *s, int out)
{
	char bad[24] = "-", line[512];
	int n;

	if (s->bad != NEVER)
		snprintf(bad, sizeof(bad), "%llu", (unsigned long long)s->bad);
	n = snprintf(line, sizeof(line),
		     "local=%s remote=%s verb=%s rx=%llu tx=%llu bad=%s "
		     "end=%s\n",
		     s->local, s->remote, s->verb, (unsigned long long)s->rx,
		     (unsigned long long)s->tx, bad, s->end ? s->end : "-");
	return write(out, line, (size_t)n) == n ? 0 : -1;
}

static const char *end_name(int err)
{
	if (err == ECONNRESET || err == EPIPE)
		return "RST";
	return strerrorname_np(err);
}

static void session_die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Close so that the peer sees a RST. */
static void session_reset(struct session *s)
{
	struct linger l = {.l_onoff = 1, .l_linger = 0};

	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(s->fd);
	s->fd = -1;
	s->end = "ABORTED";
}

/* All that was sent has been acknowledged; a RST now loses nothing. */
static void session_wait_acked(struct session *s)
{
	int out = 1;

	for (int i = 0; i < 20000 && out > 0; i++) {
		if (ioctl(s->fd, SIOCOUTQ, &out) < 0)
			break;
		poll(NULL, 0, 1);
	}
}

/* True when the session is over. */
static bool session_limits(struct session *s)
{
	if (s->rx >= s->kill_rx || s->tx >= s->kill_tx)
		session_die();
	if (s->rx < s->rst_rx && s->tx < s->rst_tx)
		return false;
	if (s->tx >= s->rst_tx)
		session_wait_acked(s);
	session_reset(s);
	return true;
}

static void session_error(struct session *s)
{
	if (errno == EAGAIN || errno == EINTR)
		return;
	s->end = end_name(errno);
}

static void session_recv(struct session *s)
{
	ssize_t n = recv(s->fd, s->in, sizeof(s->in), 0);

	if (n < 0) {
		session_error(s);
		return;
	}
	if (n == 0) {
		s->eof = true;
		return;
	}
	if (s->bad == NEVER)
		s->bad = pattern_check(s->rx_seed, s->rx, s->in, (size_t)n);
	if (s->echo)
		s->tx_len += (size_t)n;
	s->rx += (size_t)n;
}

/* An echo needs no store: the bytes are a function of their offset. */
static void session_send(struct session *s)
{
	uint64_t left = s->tx_len - s->tx;
	size_t n = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t done;

	pattern_fill(s->tx_seed, s->tx, s->out, n);
	done = send(s->fd, s->out, n, MSG_NOSIGNAL);
	if (done < 0)
		session_error(s);
	else
		s->tx += (size_t)done;
}

static bool session_may_send(const struct session *s)
{
	return s->tx < s->tx_len && !(s->tx_after_eof && !s->eof);
}

static void session_fin(struct session *s)
{
	if (s->fin_sent || s->tx < s->tx_len)
		return;
	if ((s->fin_delay_eof || s->tx_after_eof || s->echo) && !s->eof)
		return;
	s->fin_sent = true;
	if (shutdown(s->fd, SHUT_WR) < 0 && !s->end)
		s->end = end_name(errno);
}

/* Run until both directions have ended, or one by an error. */
static void session_run(struct session *s)
{
	int64_t read_at = now_ms() + s->read_delay_ms;

	fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
	while (!s->end) {
		struct pollfd p = {.fd = s->fd};
		int64_t wait = read_at - now_ms();
		int n;

		session_fin(s);
		if (s->end)
			break;
		if (s->eof && s->fin_sent) {
			s->end = "FIN";
			break;
		}
		if (!s->eof && wait <= 0)
			p.events |= POLLIN;
		if (session_may_send(s))
			p.events |= POLLOUT;
		n = poll(&p, 1, wait > 0 ? (int)wait : s->deadline_ms);
		if (n == 0 && wait <= 0)
			s->end = "STALLED";
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			session_recv(s);
		if (!s->end && (p.revents & POLLOUT) && session_may_send(s))
			session_send(s);
		if (!s->end && session_limits(s))
			return;
	}
}

static void session_init(struct session *s, int fd, const char *verb)
{
	memset(s, 0, offsetof(struct session, in));
	s->fd = fd;
	s->verb = verb;
	s->bad = NEVER;
	s->kill_rx = s->kill_tx = s->rst_rx = s->rst_tx = NEVER;
	s->deadline_ms = 60000;
	session_names(s);
}

/* What the server does on each verb; N and SEED come with it. */
static bool server_verb(struct session *s, uint64_t n, uint64_t seed)
{
	s->rx_seed = seed;
	s->tx_seed = seed + 1;
	if (!strcmp(s->verb, "echo")) {
		s->echo = true;
		s->tx_seed = seed;
	} else if (!strcmp(s->verb, "half")) {
		s->tx_len = n; /* answer after the client's FIN */
		s->tx_after_eof = true;
	} else if (!strcmp(s->verb, "early")) {
		s->tx_len = 0; /* FIN at once, then read on */
	} else if (!strcmp(s->verb, "sink")) {
		s->fin_delay_eof = true;
	} else if (!strcmp(s->verb, "slow")) {
		s->fin_delay_eof = true;
		s->read_delay_ms = (int)n;
	} else if (!strcmp(s->verb, "send") || !strcmp(s->verb, "duplex")) {
		s->tx_len = n;
	} else if (!strcmp(s->verb, "rst")) {
		s->tx_len = s->rst_tx = n;
	} else if (!strcmp(s->verb, "rstrx")) {
		s->rst_rx = n;
		s->fin_delay_eof = true;
	} else if (!strcmp(s->verb, "die")) {
		s->tx_len = NEVER;
		s->kill_tx = n;
	} else if (!strcmp(s->verb, "dierx")) {
		s->kill_rx = n;
		s->fin_delay_eof = true;
	} else {
		return false;
	}
	return true;
}

/* The first line, byte by byte: what follows belongs to the stream. */
static int read_line(int fd, char *line, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++) {
		ssize_t n = recv(fd, line + i, 1, 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		if (line[i] == '\n') {
			line[i] = '\0';
			return 0;
		}
	}
	return -EMSGSIZE;
}

static void server_child(int fd, int log)
{
	static struct session s;
	char line[64], verb[16] = "-";
	unsigned long long n = 0, seed = 0;
	int ret;

	session_init(&s, fd, verb);
	s.deadline_ms = SERVER_PATIENCE_MS;
	ret = read_line(fd, line, sizeof(line));
	if (ret < 0) {
		s.end = ret == -ENODATA ? "FIN" : end_name(-ret);
	} else if (sscanf(line, "%15s %llu %llu", verb, &n, &seed) != 3 ||
		   !server_verb(&s, n, seed)) {
		s.end = "BADVERB";
	} else {
		session_run(&s);
	}
	if (s.fd >= 0)
		close(s.fd);
	_exit(session_print(&s, log) ? 1 : 0);
}

static int server_listen(const char *port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};
	int one = 1, zero = 0;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	a.sin6_port = htons((uint16_t)atoi(port));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("bind");
	if (listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

/* serve LOG PORT...: fork per connection until killed. */
static int cmd_serve(int argc, char **argv)
{
	struct pollfd p[16];
	nfds_t n = 0;
	int log;

	if (argc < 3)
		return 2;
	log = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (log < 0)
		die(argv[1]);
	for (int i = 2; i < argc && n < 16; i++)
		p[n++] = (struct pollfd){.fd = server_listen(argv[i]),
					 .events = POLLIN};
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		if (poll(p, n, -1) < 0 && errno != EINTR)
			die("poll");
		for (nfds_t i = 0; i < n; i++) {
			int fd;

			if (!(p[i].revents & POLLIN))
				continue;
			fd = accept(p[i].fd, NULL, NULL);
			if (fd < 0)
				continue;
			if (fork() == 0)
				server_child(fd, log);
			close(fd);
		}
	}
}

static void client_resolve(const char *host, const char *port,
			   struct sockaddr_storage *ss, socklen_t *len)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *ai;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		die(host);
	memcpy(ss, ai->ai_addr, ai->ai_addrlen);
	*len = ai->ai_addrlen;
	freeaddrinfo(ai);
}

/* Connect within @ms. 0 or a negative errno; the socket in *fd. */
static int client_connect(const char *host, const char *port, int ms, int *fd)
{
	struct sockaddr_storage ss;
	socklen_t len, elen = sizeof(int);
	struct pollfd p = {.events = POLLOUT};
	int err = 0;

	client_resolve(host, port, &ss, &len);
	*fd = p.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(p.fd, (struct sockaddr *)&ss, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, ms) == 0)
		return -ETIME; /* ours, not the kernel's ETIMEDOUT */
	getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &err, &elen);
	return -err;
}

/* What the client does on each verb. */
static void client_verb(struct session *s, uint64_t n, uint64_t seed)
{
	s->tx_seed = seed;
	s->rx_seed = seed + 1;
	if (!strcmp(s->verb, "echo"))
		s->rx_seed = seed;
	if (!strcmp(s->verb, "echo") || !strcmp(s->verb, "duplex") ||
	    !strcmp(s->verb, "sink"))
		s->tx_len = n;
	if (!strcmp(s->verb, "early")) {
		s->tx_len = n;
		s->tx_after_eof = true;
	}
	if (!strcmp(s->verb, "slow"))
		s->tx_len = 32u << 20;
	if (!strcmp(s->verb, "rstrx") || !strcmp(s->verb, "dierx"))
		s->tx_len = NEVER;
	if (!strcmp(s->verb, "send") || !strcmp(s->verb, "rst") ||
	    !strcmp(s->verb, "die"))
		s->fin_delay_eof = true;
}

struct client_opts {
	int connect_ms;
	uint64_t kill_rx, kill_tx, rst_rx, rst_tx;
	int stall_ms, read_delay_ms;
};

static int client_options(int argc, char **argv, struct client_opts *o)
{
	static const struct option longs[] = {
		{"connect-ms", required_argument, NULL, 'c'},
		{"kill-rx", required_argument, NULL, 'k'},
		{"kill-tx", required_argument, NULL, 'K'},
		{"rst-rx", required_argument, NULL, 'r'},
		{"rst-tx", required_argument, NULL, 'R'},
		{"stall-ms", required_argument, NULL, 's'},
		{"read-delay-ms", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*o = (struct client_opts){10000, NEVER, NEVER, NEVER, NEVER, 60000, 0};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		uint64_t v = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (c) {
		case 'c':
			o->connect_ms = (int)v;
			break;
		case 'k':
			o->kill_rx = v;
			break;
		case 'K':
			o->kill_tx = v;
			break;
		case 'r':
			o->rst_rx = v;
			break;
		case 'R':
			o->rst_tx = v;
			break;
		case 's':
			o->stall_ms = (int)v;
			break;
		case 'd':
			o->read_delay_ms = (int)v;
			break;
		default:
			return -EINVAL;
		}
	}
	return argc - optind >= 5 ? optind : -EINVAL;
}

/* run [options] HOST PORT VERB N SEED: one connection, one line. */
static int cmd_run(int argc, char **argv)
{
	static struct session s;
	struct client_opts o;
	char line[64];
	int first = client_options(argc, argv, &o);
	int fd, ret, n;

	if (first < 0)
		return 2;
	argv += first;
	ret = client_connect(argv[0], argv[1], o.connect_ms, &fd);
	session_init(&s, fd, argv[2]);
	if (ret < 0) {
		s.end = strerrorname_np(-ret);
		session_print(&s, 1);
		return 1;
	}
	client_verb(&s, strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	s.kill_rx = o.kill_rx;
	s.kill_tx = o.kill_tx;
	s.rst_rx = o.rst_rx;
	s.rst_tx = o.rst_tx;
	s.deadline_ms = o.stall_ms;
	s.read_delay_ms = o.read_delay_ms;
	n = snprintf(line, sizeof(line), "%s %s %s\n", argv[2], argv[3],
		     argv[4]);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		s.end = end_name(errno);
	session_run(&s);
	if (s.fd >= 0)
		close(s.fd);
	return session_print(&s, 1) || s.bad != NEVER;
}

/* Send @n bytes of the pattern from @off and read them back. */
static const char *idle_exchange(int fd, uint64_t seed, uint64_t off, size_t n)
{
	unsigned char out[4096], in[4096];
	size_t got = 0;

	pattern_fill(seed, off, out, n);
	if (send(fd, out, n, MSG_NOSIGNAL) != (ssize_t)n)
		return end_name(errno);
	while (got < n) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t r;

		if (poll(&p, 1, 10000) == 0)
			return "STALLED";
		r = recv(fd, in + got, n - got, 0);
		if (r <= 0)
			return r == 0 ? "FIN" : end_name(errno);
		got += (size_t)r;
	}
	return memcmp(in, out, n) ? "WRONG" : NULL;
}

/* idle HOST PORT SECONDS SEED: exchange, say nothing for long, exchange. */
static int cmd_idle(int argc, char **argv)
{
	static struct session s;
	char line[64];
	uint64_t seed;
	int fd, ret, n;

	if (argc < 5)
		return 2;
	seed = strtoull(argv[4], NULL, 0);
	ret = client_connect(argv[1], argv[2], 10000, &fd);
	session_init(&s, fd, "idle");
	if (ret < 0) {
		s.end = strerrorname_np(-ret);
		session_print(&s, 1);
		return 1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	n = snprintf(line, sizeof(line), "echo 0 %s\n", argv[4]);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		s.end = end_name(errno);
	if (!s.end)
		s.end = idle_exchange(fd, seed, 0, 1000);
	poll(NULL, 0, atoi(argv[3]) * 1000);
	if (!s.end)
		s.end = idle_exchange(fd, seed, 1000, 1000);
	if (!s.end) {
		s.rx = s.tx = 2000;
		shutdown(fd, SHUT_WR);
		s.end = recv(fd, line, sizeof(line), 0) == 0 ? "FIN" : "LATE";
	}
	close(fd);
	return session_print(&s, 1);
}

/**
 * struct many - One of the connections at once
 * All connect, then all send, then all read back: at the moment when the
 * last one has connected, none has closed.
 */
struct many {
	int fd;
	size_t want, got;
	bool connected, failed, done;
};

static void many_open(struct many *m, int ep, const struct sockaddr_storage *ss,
		      socklen_t len)
{
	struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = m};

	m->fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (m->fd < 0)
		die("socket");
	if (connect(m->fd, (const struct sockaddr *)ss, len) < 0 &&
	    errno != EINPROGRESS)
		m->failed = true;
	epoll_ctl(ep, EPOLL_CTL_ADD, m->fd, &ev);
}

/* Wait until all have connected or failed; the number of those connected. */
static int many_connect(struct many *m, int n, int ep, int ms)
{
	int64_t end = now_ms() + ms;
	int ok = 0, left = n;

	while (left > 0 && now_ms() < end) {
		struct epoll_event ev[256];
		int got = epoll_wait(ep, ev, 256, 100);

		for (int i = 0; i < got; i++) {
			struct many *c = ev[i].data.ptr;
			int err = 0;
			socklen_t len = sizeof(err);

			getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
			epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
			c->connected = err == 0;
			ok += c->connected;
			left--;
		}
	}
	for (int i = 0; i < n; i++)
		m[i].failed = !m[i].connected;
	return ok;
}

/* One connection's turn: read, check, note the end. */
static void many_read(struct many *c, uint64_t seed)
{
	unsigned char in[CHUNK];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 || (n == 0 && c->got != c->want)) {
		c->failed = true;
	} else if (n == 0) {
		c->done = true;
	} else {
		if (pattern_check(seed, c->got, in, (size_t)n) != NEVER)
			c->failed = true;
		c->got += (size_t)n;
	}
}

static void many_request(struct many *c, int ep, uint64_t seed)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	unsigned char out[16384];
	int n = snprintf((char *)out, sizeof(out), "echo 0 %llu\n",
			 (unsigned long long)seed);

	pattern_fill(seed, 0, out + n, c->want);
	if (send(c->fd, out, (size_t)n + c->want, MSG_NOSIGNAL) !=
	    (ssize_t)((size_t)n + c->want))
		c->failed = true;
	shutdown(c->fd, SHUT_WR);
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

static int many_finish(struct many *m, int n, int ep, int ms)
{
	int64_t end = now_ms() + ms;
	int ok = 0, left = 0;

	for (int i = 0; i < n; i++)
		left += !m[i].failed;
	while (left > 0 && now_ms() < end) {
		struct epoll_event ev[256];
		int got = epoll_wait(ep, ev, 256, 100);

		for (int i = 0; i < got; i++) {
			struct many *c = ev[i].data.ptr;

			many_read(c, (uint64_t)(c - m));
			if (!c->done && !c->failed)
				continue;
			ok += c->done && !c->failed;
			left--;
			close(c->fd);
		}
	}
	return ok;
}

/* many HOST PORT COUNT SIZE: COUNT echoes at once. */
static int cmd_many(int argc, char **argv)
{
	struct sockaddr_storage ss;
	struct rlimit rl = {65536, 65536};
	struct many *m;
	socklen_t len;
	int ep = epoll_create1(0);
	int n, conn, ok;

	if (argc < 5)
		return 2;
	setrlimit(RLIMIT_NOFILE, &rl);
	n = atoi(argv[3]);
	m = calloc((size_t)n, sizeof(*m));
	if (!m)
		die("calloc");
	client_resolve(argv[1], argv[2], &ss, &len);
	for (int i = 0; i < n; i++) {
		m[i].want = (size_t)atoi(argv[4]);
		if (m[i].want > 8192)
			m[i].want = 8192;
		many_open(&m[i], ep, &ss, len);
	}
	conn = many_connect(m, n, ep, 30000);
	for (int i = 0; i < n; i++)
		if (!m[i].failed)
			many_request(&m[i], ep, (uint64_t)i);
	ok = many_finish(m, n, ep, 60000);
	printf("connected=%d ok=%d of=%d\n", conn, ok, n);
	free(m);
	return ok != n;
}

int main(int argc, char **argv)
{
	int ret = 2;

	if (argc > 1 && !strcmp(argv[1], "serve"))
		ret = cmd_serve(argc - 1, argv + 1);
	else if (argc > 1 && !strcmp(argv[1], "run"))
		ret = cmd_run(argc - 1, argv + 1);
	else if (argc > 1 && !strcmp(argv[1], "idle"))
		ret = cmd_idle(argc - 1, argv + 1);
	else if (argc > 1 && !strcmp(argv[1], "many"))
		ret = cmd_many(argc - 1, argv + 1);
	if (ret == 2)
		fprintf(stderr,
			"usage: peer serve LOG PORT...\n"
			"       peer run [--connect-ms N] [--kill-rx N] "
			"[--kill-tx N] [--rst-rx N] [--rst-tx N]\n"
			"                [--stall-ms N] [--read-delay-ms N] "
			"HOST PORT VERB N SEED\n"
			"       peer idle HOST PORT SECONDS SEED\n"
			"       peer many HOST PORT COUNT SIZE\n"
			"verbs: echo half early sink slow send duplex rst "
			"rstrx die dierx\n");
	return ret;
}
