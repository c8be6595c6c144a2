/* SPDX-License-Identifier: MIT */
/*
 * What all commands of penstockctl need: requests to the daemon, output, and
 * the message for a wrong call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "config/config.h"
#include "penstockctl.h"
#include "util/word.h"

#define SOCKET_DEFAULT "/run/penstock/control.sock"

int usage(const char *why)
{
	if (why)
		fprintf(stderr, "penstockctl: %s\n", why);
	fputs("usage: penstockctl [-c FILE] [OPTION] COMMAND; "
	      "`penstockctl -h' tells them all\n",
	      stderr);
	return EXIT_USAGE;
}

int unknown_word(const char *what, const char *word, const char *const *known)
{
	char text[400];

	snprintf(text, sizeof(text), "unknown %s \"%.100s\"", what, word);
	word_suggest(text, sizeof(text), word, known);
	return usage(text);
}

/* The socket that the configuration names; the rest of the file is not
 * checked. */
const char *socket_path(const struct args *a)
{
	static char path[sizeof(((struct daemon_cfg *)0)->control)];
	const char *socket = getenv("PENSTOCK_SOCKET");
	int err;

	if (a->socket)
		return a->socket;
	if (socket && *socket && !strcmp(a->conf, CONF_DEFAULT))
		return socket;
	if (access(a->conf, R_OK) && !strcmp(a->conf, CONF_DEFAULT))
		return SOCKET_DEFAULT;
	err = config_control(a->conf, path, sizeof(path));
	if (err) {
		fprintf(stderr, "penstockctl: %s: control: %s\n", a->conf,
			strerror(-err));
		return NULL;
	}
	if (*path)
		return path;
	fprintf(stderr, "penstockctl: %s has no control socket\n", a->conf);
	return NULL;
}

json_t *filter_words(int n, char *const *words)
{
	char text[4096] = "";
	size_t len = 0;

	for (int i = 0; i < n && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					i ? " " : "", words[i]);
	return json_string(text);
}

/* Error lines of the daemon end in a newline, a single word does not. */
static void print_error(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	fprintf(stderr, "%s%s", n ? text : "error without a text",
		n && text[n - 1] == '\n' ? "" : "\n");
}

/* @fd: out: the stream behind the answer; NULL: none is expected. */
static json_t *ask_for(const struct args *a, json_t *request, json_t **answer,
		       int *fd)
{
	const char *path = socket_path(a);
	json_t *ok;
	int err;

	*answer = NULL;
	if (!path || !request)
		return NULL;
	err = fd ? client_stream(path, request, answer, fd)
		 : client_ask(path, request, answer);
	if (err) {
		fprintf(stderr, "penstockctl: %s: %s%s\n", path,
			err == -EPROTO ? "no answer" : strerror(-err),
			err == -ENOENT || err == -ECONNREFUSED
				? "; no penstockd runs there"
				: "");
		return NULL;
	}
	ok = json_object_get(*answer, "ok");
	if (json_is_true(ok))
		return json_object_get(*answer, "result");
	print_error(json_string_value(json_object_get(*answer, "error")));
	return NULL;
}

json_t *ask(const struct args *a, json_t *request, json_t **answer)
{
	return ask_for(a, request, answer, NULL);
}

bool ask_stream(const struct args *a, json_t *request, json_t **answer, int *fd)
{
	*fd = -1;
	return ask_for(a, request, answer, fd) && *fd >= 0;
}

void print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(1) | JSON_ENCODE_ANY);
	putchar('\n');
}

int ctl_write(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno != EINTR)
			return -errno;
		p += k > 0 ? k : 0;
		n -= k > 0 ? (size_t)k : 0;
	}
	return 0;
}
