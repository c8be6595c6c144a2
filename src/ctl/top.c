/* SPDX-License-Identifier: MIT */
/*
 * penstockctl top: on a terminal, or in batches.
 */
#include <getopt.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"

#define BATCH_ROWS 24
#define BATCH_COLS 120

static void show(const struct top *t)
{
	static struct top_page p;

	p.cols = COLS < TOP_COLS_MAX ? COLS : TOP_COLS_MAX;
	p.rows = LINES - 1 < TOP_ROWS_MAX ? LINES - 1 : TOP_ROWS_MAX;
	top_write(t, &p);
	erase();
	for (int i = 0; i < p.rows; i++) {
		if (i == TOP_HEAD_ROWS - 1)
			attron(A_REVERSE);
		mvaddnstr(i, 0, p.line[i], -1);
		attroff(A_REVERSE);
	}
	mvaddnstr(LINES - 1, 0, "w r t b: sort  f: filter  q: quit", COLS - 1);
	refresh();
}

/* A line at the bottom; Escape leaves the old filter. */
static void ask_filter(struct top *t)
{
	char text[TOP_FILTER_MAX];
	size_t n = 0;
	int c;

	timeout(-1);
	text[0] = '\0';
	for (;;) {
		move(LINES - 1, 0);
		clrtoeol();
		mvprintw(LINES - 1, 0, "Filter: %.*s", COLS - 10, text);
		refresh();
		c = getch();
		if (c == '\n' || c == '\r' || c == KEY_ENTER)
			break;
		if (c == 27 || c == ERR)
			return;
		if (c == KEY_BACKSPACE || c == 127 || c == 8)
			n -= n > 0;
		else if (c >= ' ' && c < 127 && n + 1 < sizeof(text))
			text[n++] = (char)c;
		text[n] = '\0';
	}
	strcpy(t->filter, text);
}

/* False: quit. */
static bool obey(struct top *t, int key)
{
	static const char sorts[TOP_SORTS + 1] = "wrtb";
	const char *s = key > 0 && key < 128 ? strchr(sorts, key) : NULL;

	if (key == 'q' || key == 'Q' || key == 3)
		return false;
	if (s && *s)
		t->sort = (enum top_sort)(s - sorts);
	if (key == 'f' || key == '/') {
		ask_filter(t);
		top_ask(t);
	}
	return true;
}

static int top_show(struct top *t, double interval_s)
{
	double next = 0, left;
	bool on = true;

	setlocale(LC_CTYPE, "");
	if (!initscr()) {
		fputs("penstockctl: top needs a terminal; --batch does not\n",
		      stderr);
		return EXIT_USAGE;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	while (on) {
		if (top_clock() >= next) {
			top_ask(t);
			next = top_clock() + interval_s;
		}
		show(t);
		left = next - top_clock();
		timeout(left > 0 ? (int)(left * 1000) + 1 : 0);
		on = obey(t, getch());
	}
	endwin();
	return EXIT_GOOD;
}

/* --- without a terminal --- */

static int batch(struct top *t, long times, double interval_s)
{
	static struct top_page p = {.cols = BATCH_COLS, .rows = BATCH_ROWS};
	const struct timespec pause = {
		.tv_sec = (time_t)interval_s,
		.tv_nsec = (long)((interval_s - (double)(time_t)interval_s) *
				  1e9)};

	for (long i = 0; i < times; i++) {
		if (i)
			nanosleep(&pause, NULL);
		top_ask(t);
		if (*t->note) {
			fprintf(stderr, "penstockctl: %s\n", t->note);
			return EXIT_USAGE;
		}
		top_write(t, &p);
		for (int k = 0; k < p.rows && (k < TOP_HEAD_ROWS || *p.line[k]);
		     k++)
			puts(p.line[k]);
		puts("");
		fflush(stdout);
	}
	return EXIT_GOOD;
}

/* The words of the filter, with blanks between them. */
static bool take_filter(struct top *t, int n, char *const *words)
{
	json_t *all = filter_words(n, words);
	const char *text = all ? json_string_value(all) : "";
	bool fits = strlen(text) < sizeof(t->filter);

	if (fits)
		strcpy(t->filter, text);
	json_decref(all);
	return fits;
}

int cmd_top(const struct args *a, int argc, char **argv)
{
	static const char how[] = "top [-b -n N] [-d SECONDS] [FILTER]";
	static const struct option longs[] = {
		{"batch", no_argument, NULL, 'b'},
		{"delay", required_argument, NULL, 'd'},
		{0},
	};
	struct top t = {.path = socket_path(a)};
	double interval_s = 1;
	bool in_batch = false;
	long times = 1;
	int opt, rc;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "bn:d:", longs, NULL)) != -1) {
		if (opt == 'b')
			in_batch = true;
		else if (opt == 'n')
			times = strtol(optarg, NULL, 10);
		else if (opt == 'd')
			interval_s = strtod(optarg, NULL);
		else
			return usage(how);
	}
	if (times < 1 || interval_s < 0.1 || interval_s > 3600 ||
	    !take_filter(&t, argc - optind, argv + optind))
		return usage(how);
	if (!t.path)
		return EXIT_USAGE;
	rc = in_batch ? batch(&t, times, interval_s) : top_show(&t, interval_s);
	top_forget(&t);
	return rc;
}
