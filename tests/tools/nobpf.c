/* SPDX-License-Identifier: MIT */
/*
 * nobpf - Run a command on a kernel without bpf(2)
 *
 *   nobpf COMMAND...
 *
 * For it and its children the call fails with ENOSYS, as where the kernel was
 * built without BPF.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);

	if (argc < 2 || !c ||
	    seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(bpf), 0) ||
	    seccomp_load(c)) {
		fprintf(stderr, "usage: nobpf COMMAND...\n");
		return 2;
	}
	seccomp_release(c);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
