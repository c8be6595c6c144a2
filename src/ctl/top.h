/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKCTL_TOP_H
#define PENSTOCKCTL_TOP_H

/*
 * What the two halves of `penstockctl top' share: top_page.c asks the daemon
 * and writes the page, top.c shows it.
 */
#include "penstockctl.h"

#define TOP_COLS_MAX 256
#define TOP_ROWS_MAX 256
#define TOP_FILTER_MAX 256
#define TOP_HEAD_ROWS 7 /* before the connections */

enum top_sort {
	TOP_BY_WHY,
	TOP_BY_RETRANS,
	TOP_BY_RTT,
	TOP_BY_BYTES,
	TOP_SORTS
};

/**
 * struct top - The state of a top
 * @path:   of the control socket
 * @filter: which connections
 * @note:   what is wrong, or ""
 * @status, @counters, @flows: the daemon's last answers, owned; NULL: none
 * @before: the counters before those, owned
 * @seconds: between them
 * @at:     when @counters came, seconds
 */
struct top {
	const char *path;
	char filter[TOP_FILTER_MAX], note[512];
	enum top_sort sort;
	json_t *status, *counters, *before, *flows;
	double at, seconds;
};

/* Ask the daemon.  What fails is in @t->note. */
void top_ask(struct top *t);
void top_forget(struct top *t);
double top_clock(void);

/**
 * struct top_page - Text for a terminal
 * @cols, @rows: its size
 */
struct top_page {
	int cols, rows;
	char line[TOP_ROWS_MAX][TOP_COLS_MAX * 4];
};

/* Fill the page: never wider or longer than it is. */
void top_write(const struct top *t, struct top_page *p);

#endif
