/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCKCTL_H
#define PENSTOCKCTL_H

/*
 * What the files of penstockctl share: penstockctl.c has the options and most
 * commands, fault.c the commands about faults, scenario.c scenarios; ask.c is
 * used by all.
 */
#include "config/config.h"
#include <jansson.h>
#include <stdio.h>

#include "util/types.h"

struct scenario;

/* Exit codes. */
enum {
	EXIT_GOOD = 0,
	EXIT_DIFFERS = 1,
	EXIT_USAGE = 2
};

#define CONF_DEFAULT "/etc/penstock/penstock.conf"
#define SET_MAX 64
#define JOBS_MAX 64

/**
 * struct args - The options
 * @conf:    configuration
 * @state:   file for the previous state of the host, or NULL
 * @socket:  control socket; NULL: the one in the configuration
 * @test:    only check the configuration
 * @json:    print JSON
 * @zeros:   also counters that are 0
 * @dry_run: change nothing
 * @keep:    scenario: do not remove its faults
 * @set:     scenario: @nset "NAME=VALUE"
 * @all:     kill: every connection
 * @undo:    drain: take connections again; handover: go on with them
 * @systemd: handover: to the next process of the unit
 * @timeout_s: drain: how long to wait; handover: how long `undo' is possible;
 *           -1: the default
 * @max:     most lines of a list; 0: as many as the daemon returns
 * @write:   capture: file, "-" for standard output
 * @seconds: capture: how long; 0: no limit
 * @snaplen: capture: bytes of a packet; 0: all
 * @server:  lab: command that runs on the server
 * @junit:   scenario: file for the results as XML, "-" for standard output
 * @tap:     scenario: print TAP
 * @jobs:    scenario: so many at once
 */
struct args {
	const char *conf, *state, *socket;
	bool test, json, zeros, dry_run, keep;
	bool all, undo, systemd;
	long timeout_s;
	long max;
	const char *set[SET_MAX];
	uint32_t nset;
	const char *write, *server;
	long seconds, snaplen;
	const char *junit;
	bool tap;
	uint32_t jobs;
};

/* ask.c: the path of the control socket, or NULL after an error was printed. */
const char *socket_path(const struct args *a);

/* ask.c: write all of @data, however often it takes.  0 or -errno. */
int ctl_write(int fd, const void *data, size_t n);

/* Print what is wrong with the call (@why, if not NULL) and the usage.
 * Return: the exit code */
int usage(const char *why);

/* The same for a word that is not in @known, with a suggestion.  @what: the
 * kind of word.  Return: the exit code */
int unknown_word(const char *what, const char *word, const char *const *known);

/**
 * ask() - Send a request to the daemon
 * @answer: out: contains the result; owned by the caller
 * Return: the result, or NULL after an error was printed
 */
json_t *ask(const struct args *a, json_t *request, json_t **answer);

/* The same for a request that a stream answers: @fd, owned by the caller. */
bool ask_stream(const struct args *a, json_t *request, json_t **answer,
		int *fd);

void print_json(const json_t *j);

/* The words of a filter, as the daemon takes them.  NULL: no memory, or no
 * UTF-8. */
json_t *filter_words(int n, char *const *words);

/* rules.c: the configuration, checked for this host. 0 or -EINVAL */
int load_for_host(const struct args *a, struct config **cfg);
/* rules.c: `rules ...'  Return: the exit code */
int cmd_rules(const struct args *a, int argc, char **argv);
/* doctor.c: `doctor'.  Return: the exit code */
int cmd_doctor(const struct args *a, int argc, char **argv);
/* fault.c: `fault ...'.  Return: the exit code */
int cmd_fault(const struct args *a, int argc, char **argv);
/* report.c: `fault report [NAME]' */
int cmd_fault_report(const struct args *a, int argc, char **argv);
/* paths.c: `paths [ADDRESS]', `paths del ADDRESS', `paths flush' */
int cmd_paths(const struct args *a, int argc, char **argv);
/* why.c: `why [FILTER]', `flows [FILTER]' */
int cmd_why(const struct args *a, int argc, char **argv);
int cmd_flows(const struct args *a, int argc, char **argv);
/* states.c: `states', `tw [FILTER]', `kill FILTER', `drain SERVICE' */
int cmd_states(const struct args *a, int argc, char **argv);
int cmd_tw(const struct args *a, int argc, char **argv);
int cmd_kill(const struct args *a, int argc, char **argv);
int cmd_drain(const struct args *a, int argc, char **argv);
/* top.c: `top [OPTION] [FILTER]', with options of its own */
int cmd_top(const struct args *a, int argc, char **argv);
/* ss.c: `ss [OPTION] [FILTER]', with options of its own */
int cmd_ss(const struct args *a, int argc, char **argv);
/* profile.c: `profile [reset]' */
int cmd_profile(const struct args *a, int argc, char **argv);

/* reset.c: `reset CLIENT [PORT]' */
int cmd_reset(const struct args *a, int argc, char **argv);

/* capture.c: `capture [FILTER] -w FILE' */
int cmd_capture(const struct args *a, int argc, char **argv);

/* move.c: `handover', `handover -- COMMAND', `takeover', `ready' */
int cmd_handover(const struct args *a, int argc, char **argv);
int cmd_takeover(const struct args *a, int argc, char **argv);
int cmd_ready(const struct args *a, int argc, char **argv);

/* lab.c: `lab -- COMMAND'.  Return: the exit status of COMMAND, or 125 */
int cmd_lab(const struct args *a, int argc, char **argv);

/* scenario.c: `scenario ...'.  Return: enum scn_result */
int cmd_scenario(const struct args *a, int argc, char **argv);

/**
 * struct scn_file - One scenario of a batch
 * @path:   of the file; owned
 * @s:      parsed, or NULL
 * @errors: what is wrong with it, or NULL; owned
 */
struct scn_file {
	char *path;
	struct scenario *s;
	char *errors;
};

/* runner.c: run one, and write its report to @out.  Return: enum scn_result */
int scenario_run_one(const struct args *a, const struct scn_file *f, FILE *out,
		     bool json);
/* batch.c: run @n of them, and report.  Return: the highest enum scn_result */
int scenario_batch(const struct args *a, struct scn_file *f, uint32_t n);
/* runner.c: catch SIGINT, SIGTERM and SIGHUP; has one come? */
void scenario_hold_signals(void);
bool scenario_must_stop(void);

#endif
