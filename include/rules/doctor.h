/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_DOCTOR_H
#define PENSTOCK_RULES_DOCTOR_H

/*
 * `penstockctl doctor': what would keep penstock from its work on this host.
 * It looks and changes nothing.
 */
#include "config/config.h"
#include "rules/rules.h"

enum doctor_level {
	DOCTOR_GOOD,
	DOCTOR_WARN, /* it works, but not as it might */
	DOCTOR_BAD,  /* connections fail, or go past penstock */
	DOCTOR_LEVELS
};

/**
 * struct doctor_finding - What one look found
 * @check: which look: one word
 * @text:  what was found, in a line
 * @mend:  a command that mends it; NULL where there is none
 */
struct doctor_finding {
	enum doctor_level level;
	const char *check, *text, *mend;
};

typedef void (*doctor_fn)(void *arg, const struct doctor_finding *f);

/**
 * doctor_look() - Look at everything
 * @cfg:   the configuration
 * @plan:  made of @cfg
 * @alive: the daemon answers on its control socket
 * @fn:    called for each finding; its texts are gone afterwards
 */
void doctor_look(const struct config *cfg, const struct rules_plan *plan,
		 bool alive, doctor_fn fn, void *arg);

#endif
