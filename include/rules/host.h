/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_HOST_H
#define PENSTOCK_RULES_HOST_H

/*
 * What a configuration means on this very host.
 */
#include <stdio.h>

#include "policy/policy.h"

/* Do clients address this host itself?  Then what we send bears its address. */
bool host_listens(const struct policy *p);

/**
 * host_judge() - Refuse what cannot work on this host
 * @file:   the configuration, for @errors
 * @errors: one line for each service whose server is this host: its answers
 *          pass OUTPUT, not PREROUTING, and so go past the daemon
 *
 * Return: 0 or -EINVAL
 */
int host_judge(const struct policy *p, const char *file, FILE *errors);

#endif
