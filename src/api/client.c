/* SPDX-License-Identifier: MIT */
/*
 * One request to a running daemon over its control socket, and the answer.
 */
#include "api/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 30

static int client_connect(const char *path)
{
	static const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int line_send(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len, done = 0;

	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len++] = '\n'; /* in the NUL's place */
	while (done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	free(text);
	return done == len ? 0 : -errno;
}

/* The answer's line, byte by byte: what is behind it is not ours. */
static int line_read(int fd, json_t **answer)
{
	char *line = NULL, c = '\0';
	size_t len;
	FILE *f = open_memstream(&line, &len);
	int err = f ? 0 : -ENOMEM;

	while (!err && c != '\n') {
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 1)
			fputc(c, f);
		else if (!n || errno != EINTR)
			err = n ? -errno : -EPROTO;
	}
	if (f && fclose(f) && !err)
		err = -ENOMEM;
	if (!err) {
		*answer = json_loadb(line, len, 0, NULL);
		err = *answer ? 0 : -EPROTO;
	}
	free(line);
	return err;
}

int client_stream(const char *path, const json_t *request, json_t **answer,
		  int *fd)
{
	static const struct timeval no_limit;
	int s = client_connect(path), err;

	*answer = NULL;
	*fd = -1;
	if (s < 0)
		return s;
	err = line_send(s, request);
	if (!err)
		err = line_read(s, answer);
	if (!err && json_is_true(json_object_get(
			    json_object_get(*answer, "result"), "stream"))) {
		setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &no_limit,
			   sizeof(no_limit));
		*fd = s;
	} else {
		close(s);
	}
	return err;
}

int client_send(const char *path, const json_t *request)
{
	int fd = client_connect(path), err;

	if (fd < 0)
		return fd;
	err = line_send(fd, request);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int client_answer(int fd, json_t **answer)
{
	FILE *f = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	*answer = NULL;
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	if (getline(&line, &room, f) > 0)
		*answer = json_loads(line, 0, NULL);
	if (!*answer)
		err = errno ? -errno : -EPROTO;
	free(line);
	fclose(f);
	return err;
}

int client_ask(const char *path, const json_t *request, json_t **answer)
{
	int fd = client_send(path, request);

	*answer = NULL;
	return fd < 0 ? fd : client_answer(fd, answer);
}
