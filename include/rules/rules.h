/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_RULES_RULES_H
#define PENSTOCK_RULES_RULES_H

/*
 * What a gateway needs around the daemon: iptables rules that divert the
 * services' packets, a TUN device, sysctls.
 */
#include <stdio.h>

#include "config/config.h"
#include "front/splice.h"
#include "util/types.h"

/* Families, as indices and as bits. */
enum rules_family {
	RULES_V4,
	RULES_V6,
	RULES_FAMILIES
};

/*
 * The TUN device's own address: the IPv4 dummy address of RFC 7600 (any address
 * would do).  A reverse path filter, even a loose one, drops packets from a
 * device without an address (__fib_validate_source(), "last_resort").
 */
#define RULES_TUN_ADDR "192.0.0.8/32"

/**
 * struct rules_plan - What a configuration asks for
 * @tun:   name of the TUN device
 * @text:  per family: the rules of our own chains in the form that
 *         iptables-save prints, one a line; NULL when no service needs the
 *         family
 * @queue: the first queue, @queues of them
 * @splice: where to attach the translator of relay = splice
 * @wants_splice: a service asks for it
 * @own_source: our packets have an address of this host: towards servers by
 *         `source', or towards clients that connect to it
 */
struct rules_plan {
	char tun[16];
	char *text[RULES_FAMILIES];
	uint32_t queue, queues;
	bool own_source, wants_splice;
	struct splice_host splice;
};

/* Return: 0 or -ENOMEM.  rules_plan_fini() frees. */
int rules_plan_init(struct rules_plan *p, const struct config *cfg);
void rules_plan_fini(struct rules_plan *p);

/* Our chains, in an order in which they can be deleted.  NULL at the end. */
extern const char *const rules_chains[];

/**
 * struct rules_sysctl - A setting the plan needs
 * @family: needed if a service has this family
 * @glob:   below /proc/sys; "%s" stands for the TUN device
 * @from:   only if this is the current value; NULL: always
 * @to:     the value
 * @own_source: only when the plan has own_source
 * @either: needed for services of either family
 */
struct rules_sysctl {
	enum rules_family family;
	const char *glob, *from, *to;
	bool own_source, either;
};

/* Is the setting part of the plan? */
bool rules_sysctl_wanted(const struct rules_plan *p,
			 const struct rules_sysctl *s);

/* Before and after the TUN device is made; both end with a NULL glob. */
extern const struct rules_sysctl rules_sysctl_host[];
extern const struct rules_sysctl rules_sysctl_tun[];

/* Write the plan as a shell script.  Changes nothing. */
void rules_print(const struct rules_plan *p, const char *conf, FILE *out);

/**
 * rules_apply() - Change the host as the plan says
 * @state: path of the file for the previous state, for rules_remove(); NULL:
 *         rules_state_path()
 *
 * Idempotent.  The chains of a family are replaced in one transaction, so that
 * traffic never sees half of them.  When a step fails, the steps of this call
 * are undone.
 * Return: 0 or -errno, after a line on stderr
 */
int rules_apply(const struct rules_plan *p, const char *state);

/**
 * rules_remove() - Undo rules_apply() completely
 * Without a state file only our chains are removed.  Return: 0 or -errno
 */
int rules_remove(const char *state);

/* Restore only our chains, as rules_apply() would.  Return: 0 or -errno */
int rules_restore(const struct rules_plan *p);

/* Print what differs from the plan.  Return: number of differences, or
 * -errno */
int rules_check(const struct rules_plan *p, FILE *out);

/* Print other problems that are not part of the plan: a queue without a daemon,
 * a FORWARD policy of DROP. */
void rules_notes(const struct rules_plan *p, FILE *out);

/* The state file of this network namespace: /run/penstock-rules/ID. */
int rules_state_path(char *buf, size_t len);

#endif
