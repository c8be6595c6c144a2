/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_HOST_H
#define PENSTOCK_RULES_HOST_H

/*
 * Checks of a configuration that depend on this host.
 */
#include <stdio.h>

#include "policy/policy.h"

/* Do clients connect to an address of this host?  Then our packets have its
 * address. */
bool host_listens(const struct policy *p);

/**
 * host_judge() - Refuse what cannot work on this host
 * @file:   the configuration, for @errors
 * @errors: gets a line for each service whose server is this host: its answers
 *          pass OUTPUT, not PREROUTING, so the daemon would not see them
 *
 * Return: 0 or -EINVAL
 */
int host_judge(const struct policy *p, const char *file, FILE *errors);

/* Give "tcp_congestion_control = host" its meaning. */
void host_follow(struct policy *p);

#endif
