/* SPDX-License-Identifier: MIT */
/*
 * The control socket.
 *
 * The cost of a client is limited: a request has at most CONTROL_LINE_MAX
 * bytes, the next one is read after the answer to the last was sent, and a
 * client that neither asks nor reads for a minute is disconnected.
 */
#include "api/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/listener.h"

struct client {
	struct client *next;
	struct control_server *server;
	struct bufferevent *bev;
	bool eof; /* will ask no more: close after the last answer */
};

struct control_server {
	const struct control_ops *ops;
	struct evconnlistener *listener;
	struct listener guard;
	struct client *clients;
	uint32_t nclients;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void client_close(struct client *c)
{
	c->server->nclients--;
	if (c->bev)
		bufferevent_free(c->bev);
	free(c);
}

static void client_free(struct client *c)
{
	struct client **p = &c->server->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	client_close(c);
}

/* The connection belongs to the command from now on. */
static void client_give(struct client *c)
{
	struct bufferevent *bev = c->bev;

	c->server->ops->stream(c->server->ops->arg, bev);
	c->bev = NULL;
	client_free(c);
}

/* Return: false: the connection is a stream now, and the client is gone. */
static bool client_answer(struct client *c, const char *line, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	json_t *answer = control_answer(c->server->ops, line, len);
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	bool stream = c->server->ops->stream &&
		      json_is_true(json_object_get(
			      json_object_get(answer, "result"), "stream"));

	if (text)
		evbuffer_add_printf(out, "%s\n", text);
	else
		evbuffer_add_printf(
			out, "{\"ok\":false,\"error\":\"out of memory\"}\n");
	free(text);
	json_decref(answer);
	if (stream)
		client_give(c);
	return !stream;
}

/* Also called when an answer was sent: then the next request is read. */
static void on_ready(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer *out = bufferevent_get_output(bev);
	bool ours = true;

	while (ours && !evbuffer_get_length(out)) {
		size_t len;
		char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);

		if (line) {
			ours = client_answer(c, line, len);
			free(line);
		} else if (c->eof) {
			client_free(c);
			return;
		} else if (evbuffer_get_length(in) < CONTROL_LINE_MAX) {
			return;
		} else {
			evbuffer_add_printf(out, "{\"ok\":false,\"error\":"
						 "\"request too long\"}\n");
			evbuffer_drain(in, evbuffer_get_length(in));
			bufferevent_disable(bev, EV_READ);
			c->eof = true;
		}
	}
}

/* A client that has shut down writing may still read its answers. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING)) {
		c->eof = true;
		on_ready(bev, c);
	} else {
		client_free(c);
	}
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd,
		      struct sockaddr *sa, int len, void *arg)
{
	static const struct timeval idle = {.tv_sec = CONTROL_IDLE_S};
	struct control_server *s = arg;
	struct client *c;

	(void)sa;
	(void)len;
	c = s->nclients < CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->bev = bufferevent_socket_new(evconnlistener_get_base(l), fd,
					BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev) {
		free(c);
		close(fd);
		return;
	}
	c->server = s;
	c->next = s->clients;
	s->clients = c;
	s->nclients++;
	bufferevent_setwatermark(c->bev, EV_READ, 0, CONTROL_LINE_MAX);
	bufferevent_set_timeouts(c->bev, &idle, &idle);
	bufferevent_setcb(c->bev, on_ready, on_ready, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Is the path free, so that no daemon answers there? 0: yes, else -errno. */
static int path_is_free(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(sun->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)sun, sizeof(*sun)))
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = -errno;
	close(fd);
	if (!err && unlink(sun->sun_path))
		err = -errno;
	return err;
}

static void parent_make(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	mkdir(dir, 0755);
}

/* A listening socket, or -errno.  The mode is set before anybody can
 * connect. */
static int socket_listen(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	parent_make(path);
	err = path_is_free(&sun);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    chmod(path, 0660) || listen(fd, CONTROL_CLIENTS_MAX)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

struct control_server *control_server_new(struct event_base *base,
					  const char *path,
					  const struct control_ops *ops,
					  int *err)
{
	struct control_server *s = calloc(1, sizeof(*s));
	int fd;

	*err = -ENOMEM;
	if (!s)
		return NULL;
	/* a client may be gone before its answer is sent */
	signal(SIGPIPE, SIG_IGN);
	fd = socket_listen(path);
	if (fd < 0) {
		*err = fd;
		free(s);
		return NULL;
	}
	s->ops = ops;
	strcpy(s->path, path);
	s->listener = evconnlistener_new(base, on_accept, s,
					 LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (!s->listener) {
		close(fd);
		unlink(path);
		free(s);
		return NULL;
	}
	if (listener_guard(&s->guard, s->listener, "control", NULL, NULL)) {
		control_server_free(s);
		return NULL;
	}
	*err = 0;
	return s;
}

void control_server_free(struct control_server *s)
{
	struct client *c, *next;

	if (!s)
		return;
	for (c = s->clients; c; c = next) {
		next = c->next;
		client_close(c);
	}
	listener_forget(&s->guard);
	evconnlistener_free(s->listener);
	unlink(s->path);
	free(s);
}
