/* SPDX-License-Identifier: MIT */
/*
 * Runs a program, feeds its input, collects its output and waits for it.
 */
#include "rules/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The input as a file: a pipe could fill up while nobody reads it. */
static int input_open(const char *input)
{
	size_t len = strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* Read everything up to the end of file, and add a NUL. */
static int output_read(int fd, char **out)
{
	size_t used = 0, room = 0;
	char *buf = NULL;
	ssize_t n;

	do {
		if (room - used < 4096) {
			char *p = realloc(buf, room + 65536);

			if (!p) {
				free(buf);
				return -ENOMEM;
			}
			buf = p;
			room += 65536;
		}
		n = read(fd, buf + used, room - used - 1);
		if (n > 0)
			used += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0) {
		free(buf);
		return -EIO;
	}
	buf[used] = '\0';
	*out = buf;
	return 0;
}

static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static int child_spawn(const char *const argv[], const int fds[3], pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	int err;

	err = posix_spawn_file_actions_init(&fa);
	if (err)
		return -err;
	for (int i = 0; i < 3 && !err; i++) {
		if (fds[i] >= 0)
			err = posix_spawn_file_actions_adddup2(&fa, fds[i], i);
		else
			err = posix_spawn_file_actions_addopen(
				&fa, i, "/dev/null", O_RDWR, 0);
	}
	if (!err)
		err = posix_spawnp(pid, argv[0], &fa, NULL, (char *const *)argv,
				   environ);
	posix_spawn_file_actions_destroy(&fa);
	return -err;
}

int run_cmd(const char *const argv[], const char *input, char **out, bool quiet)
{
	int fds[3] = {-1, -1, quiet ? -1 : STDERR_FILENO};
	int pipefd[2] = {-1, -1};
	int err = 0, status;
	pid_t pid = -1;

	if (out)
		*out = NULL;
	if (input) {
		fds[0] = input_open(input);
		if (fds[0] < 0)
			return fds[0];
	}
	if (out && pipe2(pipefd, O_CLOEXEC)) {
		err = -errno;
		goto out_input;
	}
	fds[1] = pipefd[1];
	err = child_spawn(argv, fds, &pid);
	if (pipefd[1] >= 0)
		close(pipefd[1]);
	if (!err) {
		if (out)
			err = output_read(pipefd[0], out);
		status = child_wait(pid);
		err = err ? err : status;
	}
	if (pipefd[0] >= 0)
		close(pipefd[0]);
out_input:
	if (fds[0] >= 0)
		close(fds[0]);
	return err;
}
