/* SPDX-License-Identifier: MIT */
/*
 * penstockctl rules: packet rules, and programs in the kernel.
 *
 * If the front is not available, the rules are applied without it, and a line
 * says so.  Then every SYN goes to the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "front/front.h"
#include "penstockctl.h"
#include "rules/host.h"
#include "rules/rules.h"
#include "util/word.h"

#define BPF_DIR_DEFAULT "/sys/fs/bpf/penstock"

static const char *const rules_verbs[] = {"print", "apply", "remove", "check",
					  NULL};

static struct front_host front_of(const struct config *cfg)
{
	const struct daemon_cfg *c = &cfg->daemon;
	struct front_host h = {.dir = c->bpf_dir,
			       .ifname = c->front_ifs.name,
			       .n = c->front_ifs.n};

	return h;
}

static int apply(const struct args *a, const struct rules_plan *plan,
		 const struct config *cfg)
{
	struct front_host h = front_of(cfg);

	if (rules_apply(plan, a->state))
		return EXIT_USAGE;
	if (cfg->daemon.front == FRONT_OFF)
		front_detach(h.dir, stderr);
	else
		front_attach(&h, stderr);
	return EXIT_GOOD;
}

static int check(const struct rules_plan *plan, const struct config *cfg)
{
	struct front_host h = front_of(cfg);
	int rc = rules_check(plan, stdout);

	if (rc >= 0 && cfg->daemon.front != FRONT_OFF)
		rc += front_check(&h, stdout);
	rules_notes(plan, stdout);
	return rc < 0 ? EXIT_USAGE : rc ? EXIT_DIFFERS : EXIT_GOOD;
}

static int print(const struct args *a, const struct rules_plan *plan,
		 const struct config *cfg)
{
	struct front_host h = front_of(cfg);

	rules_print(plan, a->conf, stdout);
	if (cfg->daemon.front == FRONT_OFF)
		return EXIT_GOOD;
	printf("\n# The XDP front: only `penstockctl rules apply` can attach "
	       "it.  Pinned below\n# %s, on:",
	       h.dir);
	for (uint32_t i = 0; i < h.n; i++)
		printf(" %s", h.ifname[i]);
	puts("");
	return EXIT_GOOD;
}

/* Removing does not need the configuration, which may be missing or invalid.
 * Then the front is looked for in the default place. */
static int remove_all(const struct args *a)
{
	struct config *cfg = NULL;
	FILE *nowhere = fopen("/dev/null", "w");
	int rc;

	if (nowhere && config_load(a->conf, &cfg, nowhere))
		cfg = NULL;
	if (nowhere)
		fclose(nowhere);
	rc = front_detach(cfg ? cfg->daemon.bpf_dir : BPF_DIR_DEFAULT, stderr);
	config_free(cfg);
	return rules_remove(a->state) || rc ? EXIT_USAGE : EXIT_GOOD;
}

int load_for_host(const struct args *a, struct config **cfg)
{
	if (config_load(a->conf, cfg, stderr))
		return -EINVAL;
	if (!host_judge((*cfg)->policy, a->conf, stderr))
		return 0;
	config_free(*cfg);
	return -EINVAL;
}

int cmd_rules(const struct args *a, int argc, char **argv)
{
	struct rules_plan plan;
	struct config *cfg;
	int rc;

	if (argc != 2)
		return usage("rules takes print, apply, remove or check");
	if (!word_is_one(argv[1], rules_verbs))
		return unknown_word("rules command", argv[1], rules_verbs);
	if (!strcmp(argv[1], "remove"))
		return remove_all(a);
	if (load_for_host(a, &cfg))
		return EXIT_USAGE;
	if (rules_plan_init(&plan, cfg))
		rc = EXIT_USAGE;
	else if (!strcmp(argv[1], "print"))
		rc = print(a, &plan, cfg);
	else if (!strcmp(argv[1], "apply"))
		rc = apply(a, &plan, cfg);
	else
		rc = check(&plan, cfg);
	rules_plan_fini(&plan);
	config_free(cfg);
	return rc;
}
