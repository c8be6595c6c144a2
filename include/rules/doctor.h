/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_DOCTOR_H
#define PENSTOCK_RULES_DOCTOR_H

/*
 * `penstockctl doctor': finds what would keep penstock from working on this
 * host.  It changes nothing.
 */
#include "config/config.h"
#include "rules/rules.h"

enum doctor_level {
	DOCTOR_GOOD,
	DOCTOR_WARN, /* it works, but not as well as it could */
	DOCTOR_BAD,  /* connections fail, or bypass penstock */
	DOCTOR_LEVELS
};

/**
 * struct doctor_finding - The result of one check
 * @check: name of the check, one word
 * @text:  what was found, in a line
 * @mend:  a command that repairs it; NULL: there is none
 */
struct doctor_finding {
	enum doctor_level level;
	const char *check, *text, *mend;
};

typedef void (*doctor_fn)(void *arg, const struct doctor_finding *f);

/**
 * doctor_look() - Run all checks
 * @cfg:   the configuration
 * @plan:  made of @cfg
 * @alive: the daemon answers on its control socket
 * @fn:    called for each finding; its texts are valid only during the call
 */
void doctor_look(const struct config *cfg, const struct rules_plan *plan,
		 bool alive, doctor_fn fn, void *arg);

#endif
