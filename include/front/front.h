/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_FRONT_H
#define PENSTOCK_FRONT_FRONT_H

/*
 * The XDP front: it answers SYNs, and drops segments of unknown clients, before
 * the kernel makes packets of them.  The program is src/bpf/front.bpf.c.
 *
 * Two programs take part. `penstockctl rules apply' loads the program, pins it
 * and its maps below a directory of a BPF file system, and attaches it to the
 * interfaces; `rules remove' removes all that.  The daemon opens the maps,
 * writes into them what to answer, and renews their validity each second.
 * Writing a map through an open descriptor needs no capability.  If the daemon
 * dies or hangs, the validity ends, and packets pass as if there were no front.
 *
 * Built without libbpf, every function fails with -ENOSYS.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "shield/attack.h"
#include "shield/cookie.h"
#include "shield/known.h"
#include "util/types.h"

/**
 * struct front_host - Where to attach the front
 * @dir:    below a mounted BPF file system; made when missing, mode 0750
 * @ifname: names of @n interfaces; borrowed
 * What splice_attach() has put below @dir is known to the front from then on.
 */
struct front_host {
	const char *dir;
	const char (*ifname)[16];
	uint32_t n;
};

/**
 * front_attach() - Load, pin and attach
 * @h:   borrowed
 * @err: gets a line that says what failed and what to do
 *
 * By the driver where it runs XDP; otherwise at the ingress of traffic control,
 * or, before Linux 6.6, in XDP's generic mode.  Never by the driver of veth,
 * which would take segmentation offload from its peer.  An existing front is
 * replaced.  If a step fails, nothing is left attached.
 * Return: 0 or -errno
 */
int front_attach(const struct front_host *h, FILE *err);

/* Detach and unpin all below @dir.  Return: 0, also when there is nothing */
int front_detach(const char *dir, FILE *err);

/**
 * front_check() - Is it attached where it should be?
 * @out: a line for each interface where it is not
 * Return: how many lines, or -errno
 */
int front_check(const struct front_host *h, FILE *out);

struct front;

/**
 * front_open() - Open what is pinned below @dir
 * Entries of an earlier daemon are cleared.  Nothing is answered until
 * front_renew().
 * Return: 0, -ENOENT when nothing is pinned, or another -errno
 */
int front_open(struct front **out, const char *dir);

/* Is what is pinned below @dir still what was opened? */
bool front_is_current(const struct front *f, const char *dir);

/* Pass all packets to userspace, until front_renew(). */
void front_end(struct front *f);
/* The same, and close the maps. */
void front_close(struct front *f);

/**
 * front_set_keys() - Derive the keys that the front needs
 * @secret:  32 bytes; copied
 * @epoch_s: length of a cookie's epoch, seconds
 */
void front_set_keys(struct front *f, const uint8_t secret[32], int64_t epoch_s);

/**
 * front_set_policy() - Services, their addresses and lists
 * @p: borrowed
 *
 * No service is answered until front_answer().
 * Return: 0, or -errno of the first map that could not be written
 */
int front_set_policy(struct front *f, const struct policy *p);

/* Why the front may not answer a service at all; NULL: it may. */
const char *front_why_not(const struct service *s);

/**
 * front_offer() - What SYN-ACKs of service number @i offer from now on
 * Without an MSS the service is not to be answered.
 */
void front_offer(struct front *f, uint32_t i, const struct synack_offer *o);

/* Answer SYNs of service number @i of the policy, or stop doing so. */
void front_answer(struct front *f, uint32_t i, bool on);

/**
 * front_renew() - Renew the validity
 * @now:            CLOCK_MONOTONIC
 * @wall_offset_us: wall clock less that Call it each second.
 */
void front_renew(struct front *f, mono_t now, int64_t wall_offset_us);

/* The filter of tuples that the daemon knows; valid as long as @f. */
const struct known *front_known(const struct front *f);

/* What the front did with the segments of a service. */
#define FRONT_COUNTER_NAMES(X)                                     \
	X(SYNACKS, "FrontSynAcks", "SYNs answered by the front")   \
	X(KNOWN, "FrontKnown", "segments of known tuples, passed") \
	X(HARD, "FrontHard", "SYNs that are not plain, passed")    \
	X(DENIED, "FrontDenied", "SYNs dropped by the lists")      \
	X(COOKIES, "FrontCookies", "ACKs with a cookie, passed")   \
	X(UNKNOWN, "FrontUnknown", "segments of strangers, dropped")

/**
 * front_counter() - A counter of service number @i, summed over processors
 * @n:    0, 1, ...
 * @name: out
 * @help: out
 * Return: false past the last one
 */
bool front_counter(struct front *f, uint32_t i, uint32_t n, const char **name,
		   const char **help, uint64_t *value);

/* SYNs of service number @i answered so far. */
uint64_t front_cookies(struct front *f, uint32_t i);

/* Add what the front did for service number @i to @c. */
void front_attack_counts(struct front *f, uint32_t i, struct attack_counts *c);

#endif
