/* SPDX-License-Identifier: MIT */
/*
 * penstockctl capture: the daemon's stream of pcapng into a file.
 *
 * The bytes are written as they come.  On their way the blocks are looked at:
 * packets are counted, and the last block of each interface has the sums.
 * SIGINT shuts our side of the connection down; then the daemon sends what is
 * left and ends the stream, so that a file is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client.h"
#include "penstockctl.h"

#define BLOCK_MAX (256u << 10)
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u
#define OPT_IF_DROPPED 5u
#define STATISTICS_HEAD 20u /* bytes before its options */

/**
 * struct stream - The bytes of a capture on their way
 * @b:       a part of a block, @n bytes of it
 * @packets: so far
 * @lost:    as the last blocks say
 * @ended:   such a block has come
 */
struct stream {
	int in, out;
	uint64_t packets, lost;
	bool ended;
	size_t n;
	uint8_t b[BLOCK_MAX];
};

static int stream_fd = -1;

static void on_signal(int sig)
{
	(void)sig;
	shutdown(stream_fd, SHUT_WR);
}

static void catch_signals(int fd)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};

	stream_fd = fd;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void add_statistics(struct stream *s, const uint8_t *block, uint32_t len)
{
	s->ended = true;
	for (uint32_t at = STATISTICS_HEAD; at + 12 <= len - 4;) {
		uint16_t code, size;
		uint64_t v;

		memcpy(&code, block + at, 2);
		memcpy(&size, block + at + 2, 2);
		if (code == OPT_IF_DROPPED && size == sizeof(v)) {
			memcpy(&v, block + at + 4, sizeof(v));
			s->lost += v;
		}
		at += 4 + ((size + 3u) & ~3u);
	}
}

/* Look at the whole blocks among the bytes, and forget them. */
static int look(struct stream *s)
{
	size_t at = 0;

	while (s->n - at >= 8) {
		uint32_t type = get32(s->b + at), len = get32(s->b + at + 4);

		if (len < 12 || len > BLOCK_MAX)
			return -EPROTO;
		if (s->n - at < len)
			break;
		s->packets += type == BLOCK_PACKET;
		if (type == BLOCK_STATISTICS)
			add_statistics(s, s->b + at, len);
		at += len;
	}
	memmove(s->b, s->b + at, s->n - at);
	s->n -= at;
	return 0;
}

/* Until the daemon ends it. 0 or -errno. */
static int copy(struct stream *s)
{
	int err = 0;

	while (!err) {
		ssize_t k = read(s->in, s->b + s->n, BLOCK_MAX - s->n);

		if (!k)
			return 0;
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		err = ctl_write(s->out, s->b + s->n, (size_t)k);
		s->n += (size_t)k;
		if (!err)
			err = look(s);
	}
	return err;
}

static int open_output(const char *path)
{
	if (!strcmp(path, "-"))
		return STDOUT_FILENO;
	/* it has what users have sent */
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int run(const struct args *a, int in)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err, out = open_output(a->write);

	if (out < 0 || !s) {
		fprintf(stderr, "penstockctl: %s: %s\n", a->write,
			strerror(out < 0 ? errno : ENOMEM));
		free(s);
		return EXIT_USAGE;
	}
	s->in = in;
	s->out = out;
	catch_signals(in);
	err = copy(s);
	if (out != STDOUT_FILENO && close(out) && !err)
		err = -errno;
	if (err && err != -EPIPE) /* who reads it has seen enough */
		fprintf(stderr, "penstockctl: %s: %s\n", a->write,
			strerror(-err));
	else if (!err && !s->ended)
		fprintf(stderr, "penstockctl: the daemon broke off\n");
	fprintf(stderr, "%llu packets captured, %llu lost\n",
		(unsigned long long)s->packets, (unsigned long long)s->lost);
	err = err == -EPIPE || (!err && s->ended) ? EXIT_GOOD : EXIT_USAGE;
	free(s);
	return err;
}

int cmd_capture(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer;
	int fd = -1, rc = EXIT_USAGE;

	if (!a->write)
		return usage("capture needs -w FILE, or -w - for standard "
			     "output");
	if (!strcmp(a->write, "-") && isatty(STDOUT_FILENO))
		return usage("capture -w -: standard output is a terminal");
	request = json_pack("{s:s, s:o, s:I, s:I}", "cmd", "capture", "filter",
			    filter_words(argc - 1, argv + 1), "count",
			    (json_int_t)a->max, "seconds",
			    (json_int_t)a->seconds);
	if (a->snaplen && request)
		json_object_set_new(request, "snaplen",
				    json_integer(a->snaplen));
	if (ask_stream(a, request, &answer, &fd))
		rc = run(a, fd);
	if (fd >= 0)
		close(fd);
	json_decref(request);
	json_decref(answer);
	return rc;
}
