/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_SOURCE_H
#define PENSTOCK_RULES_SOURCE_H

/*
 * `source = gateway': which address does this host use towards a server?
 */
#include <stdio.h>

#include "policy/policy.h"

/**
 * source_resolve() - Fill in the address of every service that wants it
 * @p:      its services with SOURCE_GATEWAY get @source.addr
 * @file:   name of the configuration, for the errors
 * @errors: one line for each service without a way to its server
 *
 * Uses the current routes of the kernel (a datagram socket is connected,
 * nothing is sent).  A service that would use different addresses towards its
 * servers is an error, as it has only one source.
 * Return: 0, or -EINVAL after the errors were printed
 */
int source_resolve(struct policy *p, const char *file, FILE *errors);

#endif
