/* SPDX-License-Identifier: MIT */
/*
 * penstockctl lab: a network, a daemon and a server for one command.
 *
 * Everything is made before the command starts and removed when it has ended,
 * also when a step fails or a signal comes.  Each child asks to be killed when
 * we die, so that not even SIGKILL leaves a daemon behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/client.h"
#include "lab.h"

#define EXIT_LAB 125  /* no lab: the command was not run to its end */
#define START_S 60    /* for the daemon and for the server */
#define GRACE_MS 5000 /* between SIGTERM and SIGKILL */
#define STEP_MS 20

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = sig;
}

static void hold_signals(void (*handler)(int sig))
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = handler};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = STEP_MS * 1000000};

	nanosleep(&ts, NULL);
}

/* --- processes --- */

static void set_environment(const struct lab *l)
{
	setenv("PENSTOCK_SOCKET", l->socket, 1);
	setenv("PENSTOCK_CLIENT_NS", l->client, 1);
	setenv("PENSTOCK_GATEWAY_NS", l->gateway, 1);
	setenv("PENSTOCK_SERVER_NS", l->server, 1);
	setenv("PENSTOCK_SERVER", "203.0.113.10", 1);
	setenv("PENSTOCK_SERVER6", "2001:db8::10", 1);
}

/* In a namespace: @argv, of "ip netns exec NAME ...".  @log: where its output
 * goes; NULL: to ours.  Return: its number, or -1 */
static pid_t start(char *const *argv, const char *log)
{
	pid_t parent = getpid(), pid;
	int fd;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_LAB);
	if (log) {
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		dup2(fd, STDIN_FILENO);
		setpgid(0, 0); /* a ^C is for the command */
	}
	execvp(argv[0], argv);
	_exit(127);
}

static bool has_ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A child of ours ends now, in one way or another. */
static int end(pid_t pid, int sig)
{
	int status = 0;

	kill(pid, sig);
	for (int ms = 0; ms < GRACE_MS; ms += STEP_MS) {
		if (has_ended(pid, &status))
			return exit_status(status);
		nap();
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return exit_status(status);
}

/* --- the daemon and the server --- */

/* A program beside ours, or of the search path. */
static void sibling(const char *name, char *out, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", out, len - 1);
	char *slash;

	out[n > 0 ? n : 0] = '\0';
	slash = strrchr(out, '/');
	if (slash && (size_t)(slash + 2 - out) + strlen(name) <= len) {
		strcpy(slash + 1, name);
		if (!access(out, X_OK))
			return;
	}
	snprintf(out, len, "%s", name);
}

static void show_log(const struct lab *l, const char *name)
{
	char path[LAB_TEXT + 16], line[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

static bool daemon_answers(const struct lab *l)
{
	json_t *ping = json_pack("{s:s}", "cmd", "ping"), *answer = NULL;
	int err = client_ask(l->socket, ping, &answer);

	json_decref(ping);
	json_decref(answer);
	return !err;
}

static bool rules_make(struct lab *l)
{
	char self[400], state[LAB_TEXT + 16], log[LAB_TEXT + 16];
	char *argv[] = {"ip",	 "netns", "exec", l->gateway, self,    "-c",
			l->conf, "-s",	  state,  "rules",    "apply", NULL};
	int status = 0;
	pid_t pid;

	sibling("penstockctl", self, sizeof(self));
	snprintf(state, sizeof(state), "%s/state", l->dir);
	snprintf(log, sizeof(log), "%s/rules.log", l->dir);
	pid = start(argv, log);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
		return true;
	show_log(l, "rules.log");
	return false;
}

/* Return: its process, or -1 after the reason was printed. */
static pid_t daemon_start(struct lab *l)
{
	char program[400], log[LAB_TEXT + 16];
	char *argv[] = {"ip",	 "netns", "exec",  l->gateway,
			program, "-c",	  l->conf, NULL};
	int status;
	pid_t pid;

	if (!rules_make(l))
		return -1;
	sibling("penstockd", program, sizeof(program));
	snprintf(log, sizeof(log), "%s/penstockd.log", l->dir);
	pid = start(argv, log);
	for (int ms = 0; pid > 0 && ms < START_S * 1000; ms += STEP_MS) {
		if (daemon_answers(l))
			return pid;
		if (stopped || has_ended(pid, &status))
			break;
		nap();
	}
	show_log(l, "penstockd.log");
	fprintf(stderr, "penstockctl: lab: penstockd did not start\n");
	return -1;
}

/* Does somebody listen in the server's namespace? */
static bool server_listens(const struct lab *l)
{
	char command[LAB_TEXT + 80];

	snprintf(command, sizeof(command),
		 "ip netns exec %s ss -Htln 2>/dev/null | grep -q .",
		 l->server);
	fflush(NULL);
	return !system(command); /* NOLINT: a fixed text and our own name */
}

/* Return: its process, 0 if there is none, or -1 after the reason was
 * printed. */
static pid_t server_start(struct lab *l, const char *command)
{
	char log[LAB_TEXT + 16];
	char *argv[] = {"ip",
			"netns",
			"exec",
			l->server,
			"sh",
			"-c",
			(char *)(uintptr_t)command,
			NULL};
	int status;
	pid_t pid;

	if (!command)
		return 0;
	snprintf(log, sizeof(log), "%s/server.log", l->dir);
	pid = start(argv, log);
	for (int ms = 0; pid > 0 && ms < START_S * 1000; ms += 2 * STEP_MS) {
		if (server_listens(l))
			return pid;
		if (has_ended(pid, &status))
			pid = 0;
		if (stopped)
			break;
		nap();
	}
	show_log(l, "server.log");
	fprintf(stderr, "penstockctl: lab: the server does not listen: %s\n",
		command);
	if (pid > 0)
		end(pid, SIGTERM);
	return -1;
}

/* --- the report --- */

static json_t *ask_lab(const struct lab *l, const char *cmd, json_t **answer)
{
	json_t *request = json_pack("{s:s}", "cmd", cmd);

	*answer = NULL;
	if (client_ask(l->socket, request, answer))
		*answer = NULL;
	json_decref(request);
	return json_object_get(*answer, "result");
}

static json_int_t sum(const json_t *counters, const char *name)
{
	json_int_t n = 0;
	json_t *c;
	size_t i;

	json_array_foreach(counters, i, c) {
		const char *is = json_string_value(json_object_get(c, "name"));

		if (is && !strcmp(is, name))
			n += json_integer_value(json_object_get(c, "value"));
	}
	return n;
}

static void report(const struct lab *l, int rc)
{
	json_t *answer, *f, *counters = ask_lab(l, "counters", &answer);
	size_t i;

	if (!counters) {
		fprintf(stderr, "lab: penstockd does not answer any more\n");
		show_log(l, "penstockd.log");
		return;
	}
	fprintf(stderr,
		"lab: exit status %d, %lld connections, %lld segments sent "
		"again\n",
		rc, (long long)sum(counters, "FlowsOpened"),
		(long long)sum(counters, "TcpRetransSegs"));
	json_decref(answer);
	json_array_foreach(ask_lab(l, "fault-list", &answer), i, f) {
		const char *name =
			json_string_value(json_object_get(f, "name"));

		fprintf(stderr, "lab: fault %s acted %lld times\n",
			name ? name : "",
			(long long)json_integer_value(
				json_object_get(f, "injected")));
	}
	json_decref(answer);
}

/* --- the whole --- */

static int command_run(struct lab *l, int argc, char **argv)
{
	/* the shell's exit status says why a command could not be run */
	char *const before[] = {"ip",
				"netns",
				"exec",
				l->client,
				"sh",
				"-c",
				"exec \"$0\" \"$@\""};
	const size_t n = ARRAY_LEN(before);
	char **all = calloc((size_t)argc + n + 1, sizeof(*all));
	int status, rc = EXIT_LAB;
	pid_t pid;

	if (!all)
		return EXIT_LAB;
	memcpy(all, before, sizeof(before));
	memcpy(&all[n], argv, (size_t)argc * sizeof(*all));
	pid = start(all, NULL);
	free(all);
	while (pid > 0 && !stopped) {
		if (has_ended(pid, &status))
			return exit_status(status);
		nap();
	}
	if (pid > 0)
		rc = end(pid, stopped);
	return rc;
}

static void wait_for_signal(const struct lab *l)
{
	fprintf(stderr,
		"lab: kept until ^C: ip netns exec %s ..., %s, %s; "
		"PENSTOCK_SOCKET=%s\n",
		l->client, l->gateway, l->server, l->socket);
	while (!stopped)
		nap();
}

static int run(const struct args *a, struct lab *l, int argc, char **argv)
{
	const char *conf = strcmp(a->conf, CONF_DEFAULT) ? a->conf : NULL;
	struct config *cfg;
	pid_t daemon = -1, server = -1;
	int rc = EXIT_LAB;

	if (!lab_config_make(l, conf, &cfg))
		return EXIT_LAB;
	if (!stopped && lab_network_make(l, cfg->policy))
		daemon = daemon_start(l);
	config_free(cfg);
	if (daemon > 0 && !stopped)
		server = server_start(l, a->server);
	if (server >= 0 && !stopped) {
		rc = command_run(l, argc, argv);
		report(l, rc);
	}
	if (server >= 0 && a->keep && !stopped)
		wait_for_signal(l);
	if (server > 0)
		end(server, SIGTERM);
	if (daemon > 0)
		end(daemon, SIGTERM);
	return rc;
}

static bool lab_name(struct lab *l)
{
	const int id = (int)getpid();

	snprintf(l->client, sizeof(l->client), "lab%d-client", id);
	snprintf(l->gateway, sizeof(l->gateway), "lab%d-gateway", id);
	snprintf(l->server, sizeof(l->server), "lab%d-server", id);
	snprintf(l->dir, sizeof(l->dir), "/tmp/penstock-lab%d.XXXXXX", id);
	if (!mkdtemp(l->dir)) {
		fprintf(stderr, "penstockctl: %s: %s\n", l->dir,
			strerror(errno));
		return false;
	}
	snprintf(l->conf, sizeof(l->conf), "%s/conf", l->dir);
	snprintf(l->socket, sizeof(l->socket), "%s/control", l->dir);
	return true;
}

static void lab_remove(const struct lab *l)
{
	static const char *const files[] = {"conf",	 "control",
					    "secret",	 "state",
					    "rules.log", "penstockd.log",
					    "server.log"};
	char path[LAB_TEXT + 16];

	hold_signals(SIG_IGN); /* also for the programs that do it */
	if (!lab_network_end(l))
		fprintf(stderr, "lab: not all of %s, %s, %s is removed\n",
			l->client, l->gateway, l->server);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", l->dir, files[i]);
		unlink(path);
	}
	if (rmdir(l->dir))
		fprintf(stderr, "lab: %s: %s\n", l->dir, strerror(errno));
}

int cmd_lab(const struct args *a, int argc, char **argv)
{
	struct lab l;
	int rc;

	if (argc < 2)
		return usage("lab takes -- and a COMMAND");
	if (geteuid())
		return usage("lab needs root: it makes network namespaces");
	hold_signals(on_signal);
	if (!lab_name(&l))
		return EXIT_LAB;
	set_environment(&l);
	rc = run(a, &l, argc - 1, argv + 1);
	lab_remove(&l);
	return stopped ? 128 + stopped : rc;
}
