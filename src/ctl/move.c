/* SPDX-License-Identifier: MIT */
/*
 * penstockctl handover, takeover, ready: connections go to another gateway.
 *
 * handover copies the state from the daemon to standard output, or to the
 * standard input of a command, and says "written" when all of it is there: with
 * a command, when that has succeeded.  If it ends without, the daemon goes on
 * with its connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/client.h"
#include "penstockctl.h"

#define PIECE 65536
#define LOOK_MS 50 /* has the command ended? */

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* --- handover --- */

/* Wait until @out takes a piece, as long as the daemon waits. */
static int await_room(int out, int daemon)
{
	struct pollfd p[2] = {{.fd = out, .events = POLLOUT}, {.fd = daemon}};

	while (poll(p, 2, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return p[1].revents ? -ETIMEDOUT : 0;
}

/* Copy exactly @left bytes. */
static int copy(int daemon, int out, uint64_t left)
{
	char buf[PIPE_BUF]; /* so much a pipe takes then at once */
	int err = 0;

	while (left && !err) {
		size_t most = left < sizeof(buf) ? left : sizeof(buf);
		ssize_t k = read(daemon, buf, most);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k ? -errno : -ECONNRESET;
		left -= (uint64_t)k;
		err = await_room(out, daemon);
		if (!err)
			err = ctl_write(out, buf, (size_t)k);
	}
	return err;
}

/* A command whose standard input is *@in.  Its pid, or -errno. */
static pid_t start(char *const *argv, int *in)
{
	int fd[2];
	pid_t pid;

	if (pipe(fd))
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(fd[0], STDIN_FILENO);
		close(fd[0]);
		close(fd[1]);
		signal(SIGPIPE, SIG_DFL);
		execvp(argv[0], argv);
		fprintf(stderr, "penstockctl: %s: %s\n", argv[0],
			strerror(errno));
		_exit(127);
	}
	close(fd[0]);
	*in = fd[1];
	if (pid > 0)
		return pid;
	close(fd[1]);
	return -EAGAIN;
}

/* Wait for the command as long as the daemon waits.  0: it has succeeded. */
static int await(pid_t pid, int daemon)
{
	struct pollfd p = {.fd = daemon, .events = POLLIN};
	int status = 0;
	pid_t ended = 0;

	while (!ended && poll(&p, 1, LOOK_MS) <= 0)
		ended = waitpid(pid, &status, WNOHANG);
	if (!ended) {
		kill(pid, SIGTERM);
		waitpid(pid, &status, 0);
		return -ETIMEDOUT;
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	fprintf(stderr, "penstockctl: the command failed: %s %d\n",
		WIFEXITED(status) ? "exit status" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return -ECHILD;
}

static int to_command(char *const *argv, int daemon, uint64_t bytes)
{
	int in = -1, err, failed;
	pid_t pid = start(argv, &in);

	if (pid < 0)
		return pid;
	err = copy(daemon, in, bytes);
	close(in);
	failed = await(pid, daemon);
	return err ? err : failed;
}

static int to_output(int daemon, uint64_t bytes)
{
	int err = copy(daemon, STDOUT_FILENO, bytes);

	/* a pipe cannot be synced */
	if (!err && fsync(STDOUT_FILENO) && errno != EINVAL && errno != EROFS)
		err = -errno;
	if (!err && close(STDOUT_FILENO))
		err = -errno;
	return err;
}

/* The daemon must say that it has heard it in time. */
static int tell(int daemon)
{
	char word[3];
	int err = send(daemon, "written\n", 8, MSG_NOSIGNAL) == 8 ? 0 : -errno;

	if (!err && recv(daemon, word, 3, MSG_WAITALL) != 3)
		err = -ETIMEDOUT;
	return err;
}

static int give(const json_t *result, int daemon, char *const *argv)
{
	uint64_t bytes = (uint64_t)number_of(result, "bytes");
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = *argv ? to_command(argv, daemon, bytes)
		    : to_output(daemon, bytes);
	if (!err)
		err = tell(daemon);
	if (err) {
		fprintf(stderr,
			"penstockctl: handover: %s; the connections go on "
			"here\n",
			err == -ECHILD ? "not taken over" : strerror(-err));
		return EXIT_USAGE;
	}
	fprintf(stderr,
		"%lld connections, %" PRIu64 " bytes handed over; for %lld s "
		"`penstockctl handover --undo' brings them back\n",
		number_of(result, "connections"), bytes,
		number_of(result, "hold_s"));
	return EXIT_GOOD;
}

static int simple(const struct args *a, json_t *request, const char *text)
{
	json_t *answer, *result = ask(a, request, &answer);

	if (result && text)
		printf("%lld %s\n", number_of(result, "connections"), text);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}

/* What is written to /dev/null or a terminal would be lost. */
static bool may_write(void)
{
	struct stat st;

	return !fstat(STDOUT_FILENO, &st) &&
	       (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) ||
		S_ISSOCK(st.st_mode));
}

int cmd_handover(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer;
	int fd = -1, rc = EXIT_USAGE;

	if ((a->undo || a->systemd) && argc != 1)
		return usage("handover --undo and --systemd take nothing more");
	if (a->undo)
		return simple(a,
			      json_pack("{s:s, s:b}", "cmd", "handover", "undo",
					1),
			      "connections go on here");
	if (a->systemd)
		return simple(a,
			      json_pack("{s:s, s:s}", "cmd", "handover", "to",
					"systemd"),
			      NULL);
	if (argc == 1 && !may_write())
		return usage("handover: standard output must be a pipe, as in "
			     "`penstockctl handover | ssh OTHER penstockctl "
			     "takeover'");
	request = json_pack("{s:s, s:s}", "cmd", "handover", "to", "stream");
	if (a->timeout_s > 0 && request)
		json_object_set_new(request, "hold_s",
				    json_integer(a->timeout_s));
	if (ask_stream(a, request, &answer, &fd))
		rc = give(json_object_get(answer, "result"), fd, argv + 1);
	if (fd >= 0)
		close(fd);
	json_decref(request);
	json_decref(answer);
	return rc;
}

/* --- takeover --- */

/* Until the end, or until the daemon answers. */
static int pass_on(int daemon)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
			      {.fd = daemon, .events = POLLIN}};
	static char buf[PIECE];
	ssize_t k;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents)
			return 0;
		if (!p[0].revents)
			continue;
		k = read(STDIN_FILENO, buf, sizeof(buf));
		if (k < 0 && errno != EINTR)
			return -errno;
		/* why it does not take it, it says */
		if (!k || (k > 0 && ctl_write(daemon, buf, (size_t)k)))
			return 0;
	}
}

static void print_taken(const json_t *result)
{
	const char *why;
	json_t *n;

	printf("%lld connections go on here\n", number_of(result, "taken"));
	json_object_foreach(json_object_get(result, "lost"), why, n) {
		fprintf(stderr, "%lld do not: %s\n",
			(long long)json_integer_value(n), why);
	}
}

static int take(const struct args *a, int daemon)
{
	json_t *answer = NULL, *result;
	const char *why;
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = pass_on(daemon);
	if (err) {
		fprintf(stderr, "penstockctl: takeover: %s\n", strerror(-err));
		close(daemon);
		return EXIT_USAGE;
	}
	shutdown(daemon, SHUT_WR);
	err = client_answer(daemon, &answer);
	result = json_object_get(answer, "result");
	why = json_string_value(json_object_get(answer, "error"));
	if (!result)
		fprintf(stderr, "penstockctl: %s\n",
			why   ? why
			: err ? strerror(-err)
			      : "no answer");
	else if (a->json)
		print_json(result);
	else
		print_taken(result);
	err = result ? EXIT_GOOD : EXIT_USAGE;
	json_decref(answer);
	return err;
}

int cmd_takeover(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer;
	int fd = -1, rc = EXIT_USAGE;

	(void)argv;
	if (argc != 1)
		return usage("takeover takes nothing more");
	if (isatty(STDIN_FILENO))
		return usage("takeover: standard input must be what "
			     "`penstockctl handover' writes");
	request = json_pack("{s:s}", "cmd", "takeover");
	if (ask_stream(a, request, &answer, &fd))
		rc = take(a, fd); /* closes it */
	else if (fd >= 0)
		close(fd);
	json_decref(request);
	json_decref(answer);
	return rc;
}

/* --- ready --- */

int cmd_ready(const struct args *a, int argc, char **argv)
{
	json_t *request, *answer, *result;
	const char *state;
	int rc = EXIT_USAGE;

	(void)argv;
	if (argc != 1)
		return usage("ready takes nothing more");
	request = json_pack("{s:s}", "cmd", "status");
	result = ask(a, request, &answer);
	state = json_string_value(json_object_get(result, "state"));
	if (state) {
		puts(state);
		/* whether the other side takes them is not known yet */
		rc = strcmp(state, "running") && strcmp(state, "handing over")
			     ? EXIT_DIFFERS
			     : EXIT_GOOD;
	}
	json_decref(request);
	json_decref(answer);
	return rc;
}
