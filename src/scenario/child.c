/* SPDX-License-Identifier: MIT */
/*
 * The commands of a scenario, each in a process group of its own.
 *
 * A command that has ended stays a zombie until scn_child_end().  Until then no
 * other process gets its number, so the rest of its group can be killed safely.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define GRACE_MS 1000
#define STEP_MS 10

static void child_main(const char *command)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	setpgid(0, 0);
	/* if we are killed it must end, too */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

int scn_child_start(struct scn_child *c, const char *command)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_main(command);
	setpgid(pid, pid); /* parent and child both do it */
	*c = (struct scn_child){.pid = pid};
	return 0;
}

bool scn_child_poll(struct scn_child *c)
{
	siginfo_t info = {0};

	if (c->ended || !c->pid)
		return c->ended;
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
	    !info.si_pid)
		return false;
	c->ended = true;
	c->status = info.si_status;
	if (info.si_code != CLD_EXITED)
		c->status += 128;
	return true;
}

void scn_child_end(struct scn_child *c)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

	if (!c->pid)
		return;
	kill(-c->pid, SIGTERM);
	for (int ms = 0; ms < GRACE_MS && !scn_child_poll(c); ms += STEP_MS)
		nanosleep(&step, NULL);
	kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*c = (struct scn_child){0};
}
