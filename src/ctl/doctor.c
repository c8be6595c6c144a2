/* SPDX-License-Identifier: MIT */
/*
 * penstockctl doctor: prints what src/rules/doctor.c finds.
 */
#include <stdio.h>

#include <jansson.h>

#include "api/client.h"
#include "penstockctl.h"
#include "rules/doctor.h"

struct printer {
	bool json;
	json_t *list;
	int count[DOCTOR_LEVELS];
};

static void on_finding(void *arg, const struct doctor_finding *f)
{
	static const char *const level[DOCTOR_LEVELS] = {
		[DOCTOR_GOOD] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_BAD] = "bad"};
	struct printer *p = arg;

	p->count[f->level]++;
	if (p->json) {
		json_array_append_new(
			p->list, json_pack("{s:s, s:s, s:s, s:s*}", "level",
					   level[f->level], "check", f->check,
					   "text", f->text, "mend", f->mend));
		return;
	}
	printf("%-5s %-11s %s\n", level[f->level], f->check, f->text);
	if (f->mend && f->level != DOCTOR_GOOD)
		printf("%17s mend: %s\n", "", f->mend);
}

static bool daemon_answers(const struct args *a)
{
	const char *path = socket_path(a);
	json_t *ping = json_pack("{s:s}", "cmd", "ping"), *answer = NULL;
	bool ok = path && ping && !client_ask(path, ping, &answer);

	json_decref(ping);
	json_decref(answer);
	return ok;
}

static int print_findings(const struct args *a, const struct config *cfg,
			  const struct rules_plan *plan)
{
	struct printer p = {.json = a->json, .list = json_array()};

	doctor_look(cfg, plan, daemon_answers(a), on_finding, &p);
	if (a->json)
		print_json(p.list);
	else
		printf("%d good, %d to look at, %d in the way\n",
		       p.count[DOCTOR_GOOD], p.count[DOCTOR_WARN],
		       p.count[DOCTOR_BAD]);
	json_decref(p.list);
	return p.count[DOCTOR_BAD] ? EXIT_DIFFERS : EXIT_GOOD;
}

int cmd_doctor(const struct args *a, int argc, char **argv)
{
	struct rules_plan plan;
	struct config *cfg;
	int rc = EXIT_USAGE;

	(void)argv;
	if (argc != 1)
		return usage("doctor takes nothing more");
	if (load_for_host(a, &cfg))
		return EXIT_USAGE;
	if (!rules_plan_init(&plan, cfg))
		rc = print_findings(a, cfg, &plan);
	rules_plan_fini(&plan);
	config_free(cfg);
	return rc;
}
