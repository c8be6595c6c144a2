/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_LOG_H
#define PENSTOCK_UTIL_LOG_H

#include "util/types.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_LEVELS
};

extern const char *const log_level_name[LOG_LEVELS];

/* Takes one finished line, without a newline. Called from any thread. */
typedef void (*log_sink)(enum log_level lvl, const char *line);

/* The default sink writes to stderr with the systemd "<N>" prefix when
 * stderr is the journal, and "level: text" otherwise. */
void log_set_sink(log_sink sink);
void log_set_level(enum log_level max);
extern enum log_level log_max;

/* Format a line and give it to the sink, whatever its level. */
void log_line(enum log_level lvl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_at(lvl, ...)                            \
	do {                                        \
		if ((lvl) <= log_max)               \
			log_line(lvl, __VA_ARGS__); \
	} while (0)
#define log_err(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_dbg(...) log_at(LOG_DEBUG, __VA_ARGS__)

/**
 * struct log_limit - Rate limit of one message on the packet path
 * @next: no line before this time
 * @suppressed: lines withheld since the last one
 */
struct log_limit {
	mono_t next;
	uint64_t suppressed;
};

/* True when a line may be written; *n is how many were suppressed before. */
bool log_limit_ok(struct log_limit *l, mono_t now, int64_t interval_us,
		  uint64_t *n);

#endif
