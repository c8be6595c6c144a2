/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_UNIT_FAKE_DAEMON_H
#define PENSTOCK_TESTS_UNIT_FAKE_DAEMON_H

/*
 * What tests of the control socket and of the HTTP server share: operations of
 * a daemon that has nothing to say, and waiting for an answer in the loop that
 * gives it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "api/server.h"

static inline json_t *fake_running(void *arg)
{
	(void)arg;
	return json_pack("{s:s}", "state", "running");
}

static inline bool fake_no_metric(void *arg, uint32_t i,
				  struct control_metric *m)
{
	(void)arg;
	(void)i;
	(void)m;
	return false;
}

static inline int fake_reloaded(void *arg, FILE *errors)
{
	(void)arg;
	(void)errors;
	return 0;
}

static inline void fake_stop_nothing(void *arg)
{
	(void)arg;
}

/* Turn the loop until buf has @until, or the peer closes (@until NULL: only
 * then; *closed), or half a minute has passed.  NUL behind it.  Return: bytes */
static inline size_t fake_receive(struct event_base *base, int fd, char *buf,
				  size_t room, const char *until, bool *closed)
{
	size_t used = 0;

	*closed = false;
	buf[0] = '\0';
	for (int i = 0; i < 15000 && used + 1 < room; i++) {
		ssize_t n;

		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, buf + used, room - used - 1, MSG_DONTWAIT);
		*closed = n == 0 || (n < 0 && errno != EAGAIN);
		if (*closed)
			break;
		used += n > 0 ? (size_t)n : 0;
		buf[used] = '\0';
		if (until && strstr(buf, until))
			break;
		if (n < 0)
			poll(NULL, 0, 2);
	}
	return used;
}

#endif
