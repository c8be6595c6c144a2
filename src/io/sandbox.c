/* SPDX-License-Identifier: MIT */
/*
 * Allow lists of system calls for the daemon's threads (seccomp).
 *
 * A worker gets what it needs between two packets.  The main thread has to read
 * files again at a reload and to run iptables, whose children inherit its list:
 * it may make files and processes, but neither mount, nor load code into the
 * kernel, nor look into other processes.
 */
#include "io/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

#include "util/log.h"
#include "util/types.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define CALL(name) SCMP_SYS(name)

static const int worker_calls[] = {
	/* packets */
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(recvmmsg),
	CALL(sendto),
	CALL(sendmsg),
	CALL(sendmmsg),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL(ioctl),
	/* the loop */
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_ctl),
	CALL(poll),
	CALL(ppoll),
	CALL(futex),
	CALL(sched_yield),
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(restart_syscall),
	CALL(timerfd_settime),
	CALL(eventfd2),
	/* memory */
	CALL(mmap),
	CALL(munmap),
	CALL(mremap),
	CALL(mprotect),
	CALL(madvise),
	CALL(brk),
	CALL(getrandom),
	CALL(fallocate), /* of the journal */
	/* maps of the front and of the splice translator */
	CALL(bpf),
	/* files that it logs to, and its end */
	CALL(fstat),
	CALL(newfstatat),
	CALL(close),
	CALL(lseek),
	CALL(getpid),
	CALL(gettid),
	CALL(pread64),
	CALL(tgkill),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(rt_sigaction),
	CALL(rseq),
	CALL(set_robust_list),
	CALL(sched_getaffinity),
	CALL(exit),
	CALL(exit_group),
};

/* Beside those. */
static const int main_calls[] = {
	/* sockets: control, HTTP, journal, netlink */
	CALL(socket),
	CALL(socketpair),
	CALL(bind),
	CALL(listen),
	CALL(accept),
	CALL(accept4),
	CALL(connect),
	CALL(shutdown),
	CALL(getsockname),
	CALL(getpeername),
	CALL(select),
	CALL(pselect6),
	CALL(epoll_create1),
	/* files */
	CALL(open),
	CALL(openat),
	CALL(openat2),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(stat),
	CALL(lstat),
	CALL(statx),
	CALL(statfs),
	CALL(fstatfs),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getdents64),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(fsync),
	CALL(fdatasync),
	CALL(ftruncate),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(unlink),
	CALL(unlinkat),
	CALL(link), /* a token's file that is made */
	CALL(linkat),
	CALL(mkdir),
	CALL(mkdirat),
	CALL(chmod),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(umask),
	CALL(flock),
	CALL(fcntl),
	CALL(dup),
	CALL(dup2),
	CALL(dup3),
	CALL(pipe),
	CALL(pipe2),
	CALL(getcwd),
	CALL(chdir),
	CALL(fadvise64),
	CALL(memfd_create),
	CALL(close_range),
	/* programs */
	CALL(clone),
	CALL(clone3),
	CALL(fork),
	CALL(vfork),
	CALL(execve),
	CALL(wait4),
	CALL(waitid),
	CALL(kill),
	CALL(set_tid_address),
	CALL(arch_prctl),
	CALL(prlimit64),
	CALL(getrlimit),
	CALL(sigaltstack),
	CALL(capget),
	CALL(capset),
	CALL(prctl),
	CALL(uname),
	CALL(sysinfo),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getresuid),
	CALL(getresgid),
	CALL(getgroups),
	CALL(getppid),
	CALL(getpgrp),
	CALL(setpgid),
	CALL(setsid),
	CALL(getpriority),
	CALL(rt_sigpending),
	CALL(rt_sigsuspend),
	CALL(rt_sigtimedwait),
	CALL(signalfd4),
	CALL(alarm),
	CALL(setitimer),
	CALL(pause),
	CALL(times),
	CALL(getrusage),
	CALL(clock_getres),
	CALL(timerfd_create),
	CALL(timerfd_gettime),
	CALL(mlock),
	CALL(munlock),
	CALL(membarrier),
	CALL(sched_setaffinity),
	CALL(seccomp),
	/* `host' asks for interfaces and clocks */
	CALL(adjtimex),
	CALL(clock_adjtime),
};

static int allow(scmp_filter_ctx c, const int *calls, size_t n)
{
	int err = 0;

	/* a call that this architecture does not have is no error */
	for (size_t i = 0; i < n && (!err || err == -EDOM); i++)
		err = seccomp_rule_add(c, SCMP_ACT_ALLOW, calls[i], 0);
	return err == -EDOM ? 0 : err;
}

static void enter(const char *who, bool all)
{
	scmp_filter_ctx c;
	int err;

	if (SANITIZED)
		return;
	c = seccomp_init(SCMP_ACT_KILL_PROCESS);
	err = c ? allow(c, worker_calls, ARRAY_LEN(worker_calls)) : -ENOMEM;
	if (!err && all)
		err = allow(c, main_calls, ARRAY_LEN(main_calls));
	if (!err)
		err = seccomp_load(c);
	if (err)
		log_warn("seccomp: %s may make every system call: %s", who,
			 strerror(-err));
	if (c)
		seccomp_release(c);
}

void sandbox_worker(void)
{
	enter("a worker", false);
}

void sandbox_main(void)
{
	enter("the main thread", true);
}
