/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation
 *
 * A line is formatted on the caller's stack and given to one sink in one piece,
 * so lines of several threads do not mix.  Control characters become '?': text
 * from a peer or a file cannot forge a second line or control a terminal.  A
 * line that is too long is cut, and says so.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/log.h"

#define LOG_LINE_MAX 1024 /* bytes, terminator included */

const char *const log_level_name[LOG_LEVELS] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* Syslog's priorities, as systemd reads them at the start of a line. */
static const char *const journal_prefix[LOG_LEVELS] = {
	[LOG_ERROR] = "<3>",
	[LOG_WARN] = "<4>",
	[LOG_INFO] = "<6>",
	[LOG_DEBUG] = "<7>",
};

enum log_level log_max = LOG_INFO;

static log_sink log_to; /* NULL: stderr */
static bool stderr_is_journal;
static pthread_once_t stderr_once = PTHREAD_ONCE_INIT;

/* systemd.exec(5): JOURNAL_STREAM is device:inode of the journal's socket. */
static void stderr_inspect(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!env || fstat(STDERR_FILENO, &st) != 0)
		return;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	stderr_is_journal = strcmp(env, own) == 0;
}

static void stderr_write(enum log_level lvl, const char *line)
{
	char buf[LOG_LINE_MAX + 16];
	int n;

	pthread_once(&stderr_once, stderr_inspect);
	if (stderr_is_journal)
		n = snprintf(buf, sizeof(buf), "%s%s\n", journal_prefix[lvl],
			     line);
	else
		n = snprintf(buf, sizeof(buf), "%s: %s\n", log_level_name[lvl],
			     line);
	/* if this fails there is nowhere to report it */
	if (n > 0 && write(STDERR_FILENO, buf, (size_t)n) < 0)
		return;
}

void log_set_sink(log_sink sink)
{
	__atomic_store_n(&log_to, sink, __ATOMIC_RELEASE);
}

void log_set_level(enum log_level max)
{
	__atomic_store_n(&log_max, max, __ATOMIC_RELAXED);
}

void log_line(enum log_level lvl, const char *fmt, ...)
{
	log_sink sink = __atomic_load_n(&log_to, __ATOMIC_ACQUIRE);
	char line[LOG_LINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		memcpy(line + sizeof(line) - 4, "...", 4);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (sink)
		sink(lvl, line);
	else
		stderr_write(lvl, line);
}

bool log_limit_ok(struct log_limit *l, mono_t now, int64_t interval_us,
		  uint64_t *n)
{
	if (mono_is_set(l->next) && mono_before(now, l->next)) {
		l->suppressed++;
		return false;
	}
	*n = l->suppressed;
	l->suppressed = 0;
	l->next = mono_add(now, interval_us);
	return true;
}
