/* SPDX-License-Identifier: MIT */
/*
 * Runs one scenario on the daemon, until a signal asks us to stop.
 */
#include <signal.h>

#include "api/client.h"
#include "penstockctl.h"
#include "scenario/scenario.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

void scenario_hold_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool scenario_must_stop(void)
{
	return stop;
}

static int ask_path(void *arg, const json_t *request, json_t **answer)
{
	return client_ask(arg, request, answer);
}

int scenario_run_one(const struct args *a, const struct scn_file *f, FILE *out,
		     bool json)
{
	const char *path = socket_path(a);
	const struct scn_run how = {
		.ask = ask_path,
		.arg = (void *)(uintptr_t)path,
		.out = out,
		.json = json,
		.keep = a->keep,
		.file = f->path,
		.stop = &stop,
	};

	if (!path)
		return SCN_NO_DAEMON;
	scenario_hold_signals();
	return (int)scenario_run(f->s, &how);
}
