/* SPDX-License-Identifier: MIT */
/*
 * clockstep - A wall clock that can be set for one process alone
 *
 *   CLOCKSTEP_FILE=FILE LD_PRELOAD=clockstep.so penstockd ...
 *
 * CLOCK_REALTIME is ahead by the microseconds that FILE holds, a 64-bit integer
 * that a test may change at any time.  The file is mapped before main(), so
 * that a process which has confined itself to few system calls needs no
 * other ones.  (A time namespace shifts only the clocks that nobody can set.)
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SEC_US 1000000

static const volatile int64_t *step_us;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void clockstep_init(void)
{
	const char *path = getenv("CLOCKSTEP_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	*(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*step_us), PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		step_us = p;
	close(fd);
}

int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	int ret = real_gettime(clock_id, tp);
	int64_t us;

	if (ret || clock_id != CLOCK_REALTIME || !step_us)
		return ret;
	us = (int64_t)tp->tv_sec * SEC_US + tp->tv_nsec / 1000 + *step_us;
	tp->tv_sec = us / SEC_US;
	tp->tv_nsec = us % SEC_US * 1000;
	return 0;
}

time_t time(time_t *timer)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (timer)
		*timer = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	*tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
	return 0;
}
