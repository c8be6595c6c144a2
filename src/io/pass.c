/* SPDX-License-Identifier: MIT */
/*
 * Messages with descriptors between two processes.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/pass.h"

static int address(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	strcpy(sun->sun_path, path);
	return 0;
}

/* No message takes longer than that, in either direction. */
static void limit(int fd, int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

int pass_listen(const char *path)
{
	struct sockaddr_un sun;
	int err = address(path, &sun), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path); /* of a process that was killed */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    chmod(path, 0600) || listen(fd, 1)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int pass_accept(int listener, int ms)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct sockaddr_un peer;
	socklen_t len = sizeof(peer);
	int fd;

	if (poll(&p, 1, ms) <= 0)
		return -ETIMEDOUT;
	fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_trusted(fd)) {
		close(fd);
		return -EPERM;
	}
	limit(fd, ms);
	return fd;
}

int pass_connect(const char *path, int ms)
{
	struct sockaddr_un sun;
	int err = address(path, &sun), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	limit(fd, ms);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		err = -errno;
	else if (!is_trusted(fd))
		err = -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int pass_send(int sock, const struct pass *m)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(m->fd))];
	} c = {0};
	struct iovec text = {(void *)(uintptr_t)m->text, strlen(m->text)};
	struct msghdr msg = {.msg_iov = &text, .msg_iovlen = 1};
	size_t bytes = m->n * sizeof(m->fd[0]);

	if (m->n) {
		msg.msg_control = c.room;
		msg.msg_controllen = CMSG_SPACE(bytes);
		c.head.cmsg_level = SOL_SOCKET;
		c.head.cmsg_type = SCM_RIGHTS;
		c.head.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&c.head), m->fd, bytes);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *msg, struct pass *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(m->fd, CMSG_DATA(c), bytes);
		m->n = (uint32_t)(bytes / sizeof(m->fd[0]));
	}
}

int pass_recv(int sock, struct pass *m)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(m->fd))];
	} c;
	struct iovec text = {m->text, sizeof(m->text) - 1};
	struct msghdr msg = {.msg_iov = &text,
			     .msg_iovlen = 1,
			     .msg_control = c.room,
			     .msg_controllen = sizeof(c.room)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	m->n = 0;
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	take_fds(&msg, m);
	m->text[n] = '\0';
	return n ? 0 : -ECONNRESET;
}
