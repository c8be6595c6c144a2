/* SPDX-License-Identifier: MIT */
/*
 * penstockctl scenario: reads the file, catches signals, and runs it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "api/client.h"
#include "scenario/scenario.h"
#include "penstockctl.h"
#include "util/word.h"

#define FILE_MAX (1 << 20) /* bytes of a scenario */

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void hold_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The file's text, for free(); NULL after an error was printed. */
static char *read_file(const char *path)
{
	bool in = !strcmp(path, "-");
	FILE *f = in ? stdin : fopen(path, "re");
	char *text = f ? malloc(FILE_MAX + 1) : NULL;
	const char *why = NULL;
	size_t n;

	if (!text) {
		fprintf(stderr, "penstockctl: %s: %s\n", path, strerror(errno));
		if (f && !in)
			fclose(f);
		return NULL;
	}
	n = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f))
		why = strerror(errno);
	else if (n > FILE_MAX)
		why = "longer than 1 MiB";
	else if (memchr(text, '\0', n))
		why = "no text: it has a byte 0";
	if (!in)
		fclose(f);
	if (!why) {
		text[n] = '\0';
		return text;
	}
	fprintf(stderr, "penstockctl: %s: %s\n", path, why);
	free(text);
	return NULL;
}

static int ask_path(void *arg, const json_t *request, json_t **answer)
{
	return client_ask(arg, request, answer);
}

static int run(const struct args *a, const char *file, const struct scenario *s)
{
	const char *path = socket_path(a);
	const struct scn_run how = {
		.ask = ask_path,
		.arg = (void *)(uintptr_t)path,
		.out = stdout,
		.json = a->json,
		.keep = a->keep,
		.file = file,
		.stop = &stop,
	};

	if (!path)
		return SCN_NO_DAEMON;
	hold_signals();
	return (int)scenario_run(s, &how);
}

int cmd_scenario(const struct args *a, int argc, char **argv)
{
	static const char *const verbs[] = {"run", "check", NULL};
	struct scenario *s;
	bool only_check;
	char *text;
	int rc;

	if (argc > 1 && !word_is_one(argv[1], verbs))
		return unknown_word("scenario command", argv[1], verbs);
	if (argc != 3)
		return usage("scenario takes run or check, and one FILE");
	only_check = !strcmp(argv[1], "check");
	text = read_file(argv[2]);
	if (!text)
		return SCN_BAD_FILE;
	rc = scenario_parse(text, argv[2], a->set, a->nset, &s, stderr);
	free(text);
	if (rc == -ENOMEM)
		fprintf(stderr, "penstockctl: %s\n", strerror(ENOMEM));
	if (rc)
		return SCN_BAD_FILE;
	rc = only_check ? SCN_HELD : run(a, argv[2], s);
	scenario_free(s);
	return rc;
}
