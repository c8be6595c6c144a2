/* SPDX-License-Identifier: MIT */
/*
 * penstockctl: options and simple commands.  Wiring only.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/textfile.h"
#include "fault/cfg.h"
#include "penstockctl.h"
#include "util/word.h"

static const char usage_text[] =
	"usage: penstockctl [-c FILE] [OPTION] COMMAND\n"
	"       penstockctl -t [-c FILE]\n"
	"\n"
	"of the host:\n"
	"  rules print    the rules, TUN device and sysctls as a shell script\n"
	"  rules apply    make them so; repeating it changes nothing\n"
	"  rules remove   undo it to the letter\n"
	"  rules check    say what differs; exits 1 when something does\n"
	"  doctor         what keeps penstock from its work here, and the\n"
	"                 command that mends it; exits 1 when something does\n"
	"  keys           every key: section, default, allowed, meaning\n"
	"  lab -- COMMAND  client, gateway and server in namespaces; runs the\n"
	"                 command as the client, and removes them\n"
	"of the running daemon:\n"
	"  status         what it is doing\n"
	"  flows [FILTER] one line per connection.  FILTER is ss's: state "
	"STATE,\n"
	"                 src, dst, sport, dport, and, or, not, ( ); also "
	"service\n"
	"                 NAME, serial=N, ADDRESS, ADDRESS:PORT\n"
	"  ss [-t -i -o -e -n -H] [FILTER]\n"
	"                 both legs of each connection, as ss prints sockets\n"
	"  why [FILTER]   what limits each connection, in a sentence\n"
	"  top [-b -n N] [-d SECONDS] [FILTER]\n"
	"                 rates, and the worst connections, on the terminal\n"
	"  states         how many are in which state\n"
	"  tw [FILTER]    the entries in TIME_WAIT\n"
	"  kill FILTER    reset those connections on both sides; --all: each\n"
	"  drain SERVICE  no new connections; waits for the last, up to\n"
	"                 --timeout=SECONDS (60); exits 1 if some are left.\n"
	"                 --undo: take connections again\n"
	"  paths [ADDRESS] | del ADDRESS | flush\n"
	"                 what connections have learnt of the paths to hosts\n"
	"  capture [FILTER] -w FILE\n"
	"                 packets of both sides as pcapng, each with what was\n"
	"                 decided about it; -w -: to standard output\n"
	"  nstat          counters, by the kernel's names\n"
	"  reset CLIENT [PORT]  reset the connections of a client\n"
	"  reload         read the configuration again, as SIGHUP does; exits "
	"1\n"
	"                 when the host's rules are not those of the file\n"
	"  stop           stop, as SIGTERM does\n"
	"  ready          exits 0 if it takes new connections\n"
	"  handover [-- COMMAND]\n"
	"                 the connections, for takeover at another gateway: "
	"to\n"
	"                 a pipe, or to COMMAND, and if it fails they go on\n"
	"                 here.  --undo, within --timeout=SECONDS (60): they "
	"go\n"
	"                 on here.  --systemd: to the unit's next process\n"
	"  takeover       go on with the connections that come by a pipe\n"
	"  ask JSON       any request of the control protocol\n"
	"  fault add NAME type=TYPE [KEY=VALUE ...]\n"
	"  fault del NAME ... | lease NAME TIME | reset | batch [FILE]\n"
	"  fault list | report [NAME] | watch | types [TYPE]\n"
	"  profile        how peers behave, as measured; `profile reset': and\n"
	"                 forget it\n"
	"  scenario run|check FILE|DIRECTORY ...\n"
	"\n"
	"  -c FILE   configuration (" CONF_DEFAULT ")\n"
	"  -S PATH   control socket (by the configuration)\n"
	"  -s FILE   rules: where the host's state before is kept\n"
	"  -n MAX    flows, why, capture: at most so many\n"
	"  --server CMD   lab: a command that runs on the server\n"
	"  --seconds N, --snaplen N\n"
	"            capture: how long, and bytes of each packet\n"
	"  -z        nstat: also counters that are 0\n"
	"  -j, --json     answer in JSON\n"
	"  --set N=VALUE  scenario: a variable\n"
	"  --keep         scenario: leave its faults; lab: stay until ^C\n"
	"  --jobs N       scenario: so many at once, where they allow it\n"
	"  --junit FILE   scenario: the results as JUnit's XML, too\n"
	"  --tap          scenario: the results as TAP\n"
	"  --dry-run      fault: change nothing, say what it would hit\n"
	"  -t        only check the configuration; exits 0 or 2\n"
	"  -h, --help     this text\n"
	"  -V, --version  version\n";

static int cmd_test(const struct args *a)
{
	struct config *cfg;

	if (load_for_host(a, &cfg))
		return EXIT_USAGE;
	if (!cfg->policy->nservice)
		fprintf(stderr, "warning: %s: no service: nothing is taken\n",
			a->conf);
	config_free(cfg);
	return EXIT_GOOD;
}

static int cmd_keys(const struct args *a, int argc, char **argv)
{
	(void)a;
	(void)argv;
	if (argc != 1)
		return usage("keys takes nothing more");
	conf_keys_print(stdout);
	return EXIT_GOOD;
}

static void print_object(const json_t *o)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v) {
		char *text =
			json_is_string(v)
				? NULL
				: json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		printf("%-24s %s\n", key, text ? text : json_string_value(v));
		free(text);
	}
}

/* Print like nstat, with the service after the name. */
static void print_counters(const json_t *list, bool zeros)
{
	const char *name, *service;
	char label[128];
	json_int_t n;
	json_t *v;
	size_t i;

	puts("#penstock");
	json_array_foreach(list, i, v) {
		service = NULL;
		if (json_unpack(v, "{s:s, s?:s, s:I}", "name", &name, "service",
				&service, "value", &n) ||
		    (!n && !zeros))
			continue;
		snprintf(label, sizeof(label), "%s%s%s", name,
			 service ? "@" : "", service ? service : "");
		printf("%-40s %-20lld\n", label, (long long)n);
	}
}

static int cmd_ask(const struct args *a, int argc, char **argv)
{
	json_t *request = NULL, *answer, *result;
	json_error_t why;

	if (argc != 2)
		return usage("ask takes one object of JSON");
	request = json_loads(argv[1], 0, &why);
	if (!request) {
		fprintf(stderr, "penstockctl: %s\n", why.text);
		return EXIT_USAGE;
	}
	result = ask(a, request, &answer);
	if (result)
		print_json(result);
	json_decref(request);
	json_decref(answer);
	return result ? EXIT_GOOD : EXIT_USAGE;
}

static void print_result(const struct args *a, const char *cmd,
			 const json_t *result)
{
	if (a->json)
		print_json(result);
	else if (!strcmp(cmd, "status"))
		print_object(result);
	else if (!strcmp(cmd, "counters"))
		print_counters(result, a->zeros);
}

static int cmd_daemon(const struct args *a, int argc, char **argv)
{
	bool nstat = !strcmp(argv[0], "nstat");
	const char *cmd = nstat ? "counters" : argv[0], *warning;
	json_t *request, *answer, *result;
	int rc;

	if (argc != 1)
		return usage("too many words for this command");
	request = json_pack("{s:s}", "cmd", cmd);
	result = ask(a, request, &answer);
	rc = result ? EXIT_GOOD : EXIT_USAGE;
	warning = json_string_value(json_object_get(result, "warning"));
	if (warning && !strcmp(cmd, "reload")) {
		fputs(warning, stderr);
		rc = EXIT_DIFFERS;
	}
	if (result)
		print_result(a, cmd, result);
	json_decref(request);
	json_decref(answer);
	return rc;
}

static const struct {
	const char *name;
	int (*run)(const struct args *a, int argc, char **argv);
} commands[] = {
	{"rules", cmd_rules},	    {"keys", cmd_keys},
	{"doctor", cmd_doctor},	    {"status", cmd_daemon},
	{"flows", cmd_flows},	    {"nstat", cmd_daemon},
	{"reload", cmd_daemon},	    {"stop", cmd_daemon},
	{"ask", cmd_ask},	    {"fault", cmd_fault},
	{"profile", cmd_profile},   {"scenario", cmd_scenario},
	{"reset", cmd_reset},	    {"capture", cmd_capture},
	{"lab", cmd_lab},	    {"why", cmd_why},
	{"paths", cmd_paths},	    {"ss", cmd_ss},
	{"states", cmd_states},	    {"tw", cmd_tw},
	{"kill", cmd_kill},	    {"drain", cmd_drain},
	{"top", cmd_top},	    {"handover", cmd_handover},
	{"takeover", cmd_takeover}, {"ready", cmd_ready},
};

static int run_command(const struct args *a, int argc, char **argv)
{
	const char *names[ARRAY_LEN(commands) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		names[i] = commands[i].name;
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(a, argc, argv);
	}
	return unknown_word("command", argv[0], names);
}

/* Options that have no letter. */
enum {
	OPT_JUNIT = 256,
	OPT_TAP,
	OPT_JOBS,
	OPT_SECONDS,
	OPT_SERVER,
	OPT_SNAPLEN,
	OPT_ALL,
	OPT_UNDO,
	OPT_SYSTEMD,
	OPT_TIMEOUT,
};

/* A number of an option, from 1 to @max.  False after the error was printed. */
static bool read_number(const char *option, long max, long *out)
{
	char why[80], *end;

	errno = 0;
	*out = strtol(optarg, &end, 10);
	if (!errno && !*end && *out >= 1 && *out <= max)
		return true;
	snprintf(why, sizeof(why), "%s takes a number from 1 to %ld", option,
		 max);
	usage(why);
	return false;
}

/* Return: -1 to continue, else the exit status. */
static int read_long_option(struct args *a, int opt)
{
	long n;

	switch (opt) {
	case OPT_JUNIT:
		a->junit = optarg;
		return -1;
	case OPT_TAP:
		a->tap = true;
		return -1;
	case OPT_JOBS:
		if (!read_number("--jobs", JOBS_MAX, &n))
			return EXIT_USAGE;
		a->jobs = (uint32_t)n;
		return -1;
	case OPT_SERVER:
		a->server = optarg;
		return -1;
	case OPT_SECONDS:
		return read_number("--seconds", 1000000000, &a->seconds)
			       ? -1
			       : EXIT_USAGE;
	case OPT_SNAPLEN:
		return read_number("--snaplen", 65535, &a->snaplen)
			       ? -1
			       : EXIT_USAGE;
	case OPT_ALL:
		a->all = true;
		return -1;
	case OPT_UNDO:
		a->undo = true;
		return -1;
	case OPT_SYSTEMD:
		a->systemd = true;
		return -1;
	case OPT_TIMEOUT:
		return read_number("--timeout", 86400, &a->timeout_s)
			       ? -1
			       : EXIT_USAGE;
	default: /* getopt has printed the error */
		return usage(NULL);
	}
}

/* Return: -1 to continue, else the exit status. */
static int read_option(struct args *a, int opt)
{
	char *end;

	switch (opt) {
	case 'c':
		a->conf = optarg;
		return -1;
	case 's':
		a->state = optarg;
		return -1;
	case 'S':
		a->socket = optarg;
		return -1;
	case 'n':
		a->max = strtol(optarg, &end, 10);
		return *end || a->max < 1 ? usage("-n takes a number from 1")
					  : -1;
	case 't':
		a->test = true;
		return -1;
	case 'w':
		a->write = optarg;
		return -1;
	case 'j':
		a->json = true;
		return -1;
	case 'D':
		a->dry_run = true;
		return -1;
	case 'K':
		a->keep = true;
		return -1;
	case 'E':
		if (a->nset == SET_MAX)
			return usage("too many --set");
		a->set[a->nset++] = optarg;
		return -1;
	case 'z':
		a->zeros = true;
		return -1;
	case 'h':
		fputs(usage_text, stdout);
		return EXIT_GOOD;
	case 'V':
		puts("penstockctl " PENSTOCK_VERSION);
		return EXIT_GOOD;
	default:
		return read_long_option(a, opt);
	}
}

/* These have options of their own. */
static bool has_options(const char *command)
{
	return !strcmp(command, "ss") || !strcmp(command, "top");
}

/* The options among the words; with @only, those before the first other word.
 * Return: -1 to continue, else the exit status. */
static int read_options(struct args *a, int argc, char **argv, bool only)
{
	static const struct option longs[] = {
		{"json", no_argument, NULL, 'j'},
		{"dry-run", no_argument, NULL, 'D'},
		{"keep", no_argument, NULL, 'K'},
		{"set", required_argument, NULL, 'E'},
		{"junit", required_argument, NULL, OPT_JUNIT},
		{"tap", no_argument, NULL, OPT_TAP},
		{"server", required_argument, NULL, OPT_SERVER},
		{"seconds", required_argument, NULL, OPT_SECONDS},
		{"snaplen", required_argument, NULL, OPT_SNAPLEN},
		{"jobs", required_argument, NULL, OPT_JOBS},
		{"all", no_argument, NULL, OPT_ALL},
		{"undo", no_argument, NULL, OPT_UNDO},
		{"systemd", no_argument, NULL, OPT_SYSTEMD},
		{"timeout", required_argument, NULL, OPT_TIMEOUT},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	const char *letters = only ? "+c:s:S:n:w:tjzhV" : "c:s:S:n:w:tjzhV";
	int opt, rc;

	optind = 0; /* begin again */
	while ((opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		rc = read_option(a, opt);
		if (rc >= 0)
			return rc;
	}
	return -1;
}

/* Options may be before or after the command. */
int main(int argc, char **argv)
{
	struct args a = {.conf = CONF_DEFAULT, .jobs = 1, .timeout_s = -1};
	int rc, at;

	fault_files_by(textfile_read);
	rc = read_options(&a, argc, argv, true);
	at = optind;
	if (rc < 0 && at < argc && has_options(argv[at]))
		return run_command(&a, argc - at, argv + at);
	if (rc < 0 && at < argc) {
		argv[at - 1] = argv[0];
		argc -= at - 1;
		argv += at - 1;
		rc = read_options(&a, argc, argv, false);
	}
	if (rc >= 0)
		return rc;
	if (a.test && optind == argc)
		return cmd_test(&a);
	if (a.test || optind == argc)
		return usage(a.test ? "-t takes no command" : "no command");
	return run_command(&a, argc - optind, argv + optind);
}
