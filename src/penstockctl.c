// SPDX-License-Identifier: MIT
/*
 * penstockctl: the operator's hand.  Wiring only.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config.h"
#include "control/keys.h"
#include "control/rules.h"

#define CONF_DEFAULT "/etc/penstock/penstock.conf"

/* Exit codes. */
enum {
	EXIT_GOOD = 0,
	EXIT_DIFFERS = 1,
	EXIT_USAGE = 2
};

struct args {
	const char *conf, *state;
	bool test;
};

static const char usage_text[] =
	"usage: penstockctl [-c FILE] COMMAND\n"
	"       penstockctl -t [-c FILE]\n"
	"\n"
	"  rules print    the rules, TUN device and sysctls as a shell script\n"
	"  rules apply    make them so; repeating it changes nothing\n"
	"  rules remove   undo it to the letter\n"
	"  rules check    say what differs; exits 1 when something does\n"
	"  keys           every key: section, default, allowed, meaning\n"
	"\n"
	"  -c FILE   configuration (" CONF_DEFAULT ")\n"
	"  -s FILE   rules: where the host's state before is kept\n"
	"  -t        only check the configuration; exits 0 or 2\n"
	"  -h        this text\n"
	"  -V        version\n";

static int usage(FILE *out)
{
	fputs(usage_text, out);
	return out == stdout ? EXIT_GOOD : EXIT_USAGE;
}

static int rules_command(const struct args *a, const char *verb,
			 const struct rules_plan *plan)
{
	int rc;

	if (!strcmp(verb, "print")) {
		rules_print(plan, a->conf, stdout);
		return EXIT_GOOD;
	}
	if (!strcmp(verb, "apply"))
		return rules_apply(plan, a->state) ? EXIT_USAGE : EXIT_GOOD;
	if (strcmp(verb, "check"))
		return usage(stderr);
	rc = rules_check(plan, stdout);
	return rc < 0 ? EXIT_USAGE : rc ? EXIT_DIFFERS : EXIT_GOOD;
}

static int cmd_rules(const struct args *a, int argc, char **argv)
{
	struct rules_plan plan;
	struct config *cfg;
	int rc;

	if (argc != 2)
		return usage(stderr);
	/* What is applied is known without the file, which may be gone. */
	if (!strcmp(argv[1], "remove"))
		return rules_remove(a->state) ? EXIT_USAGE : EXIT_GOOD;
	if (config_load(a->conf, &cfg, stderr))
		return EXIT_USAGE;
	rc = rules_plan_init(&plan, cfg);
	if (!rc)
		rc = rules_command(a, argv[1], &plan);
	else
		rc = EXIT_USAGE;
	rules_plan_fini(&plan);
	config_free(cfg);
	return rc;
}

static int cmd_test(const struct args *a)
{
	struct config *cfg;

	if (config_load(a->conf, &cfg, stderr))
		return EXIT_USAGE;
	config_free(cfg);
	return EXIT_GOOD;
}

static int cmd_keys(const struct args *a, int argc, char **argv)
{
	(void)a;
	(void)argv;
	if (argc != 1)
		return usage(stderr);
	conf_keys_print(stdout);
	return EXIT_GOOD;
}

static const struct {
	const char *name;
	int (*run)(const struct args *a, int argc, char **argv);
} commands[] = {
	{"rules", cmd_rules},
	{"keys", cmd_keys},
};

static int run_command(const struct args *a, int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(a, argc, argv);
	}
	fprintf(stderr, "penstockctl: unknown command \"%s\"\n", argv[0]);
	return usage(stderr);
}

int main(int argc, char **argv)
{
	struct args a = {.conf = CONF_DEFAULT};
	int opt;

	while ((opt = getopt(argc, argv, "c:s:thV")) != -1) {
		switch (opt) {
		case 'c':
			a.conf = optarg;
			break;
		case 's':
			a.state = optarg;
			break;
		case 't':
			a.test = true;
			break;
		case 'h':
			return usage(stdout);
		case 'V':
			puts("penstockctl " PENSTOCK_VERSION);
			return EXIT_GOOD;
		default:
			return usage(stderr);
		}
	}
	if (a.test && optind == argc)
		return cmd_test(&a);
	if (a.test || optind == argc)
		return usage(stderr);
	return run_command(&a, argc - optind, argv + optind);
}
