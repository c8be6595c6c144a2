/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_FRONT_H
#define PENSTOCK_FRONT_FRONT_H

/*
 * The XDP front: SYNs answered, and strangers' segments dropped, before the
 * kernel makes packets of them.  src/bpf/front.bpf.c is what runs there.
 *
 * Two programs take part.  `penstockctl rules apply' loads the program, pins it
 * and its maps below a directory of a BPF file system, and attaches it to the
 * interfaces; `rules remove' takes all that away.  The daemon opens the maps
 * while it starts, tells them what to answer, and renews their validity each
 * second; writing a map through an open descriptor needs no capability.  When
 * the daemon dies or hangs, validity ends, and packets go the way they went
 * without a front.
 *
 * Built without libbpf, every function fails with -ENOSYS.
 */
#include <stdio.h>

#include "policy/policy.h"
#include "shield/attack.h"
#include "shield/known.h"
#include "util/types.h"

/**
 * struct front_host - Where the front is to be
 * @dir:    below a mounted BPF file system; made when missing, mode 0750
 * @ifname: names of @n interfaces; borrowed
 */
struct front_host {
	const char *dir;
	const char (*ifname)[16];
	uint32_t n;
};

/**
 * front_attach() - Load, pin and attach
 * @h:   borrowed
 * @err: a line about what failed, and what to do
 *
 * By the driver where it runs XDP; otherwise at the ingress of traffic control,
 * or, before Linux 6.6, in XDP's generic mode.  Never by the driver of veth,
 * which would take segmentation offload from its peer.  A front that is there
 * already is replaced.  When a step fails, nothing is left.
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
 * What a daemon before this one had put there is cleared.
 * Nothing is answered until front_renew().
 * Return: 0, -ENOENT when nothing is pinned, or another -errno
 */
int front_open(struct front **out, const char *dir);

/* Is what is pinned below @dir still what was opened? */
bool front_is_current(const struct front *f, const char *dir);

/* Packets go to userspace from now on, until front_renew(). */
void front_end(struct front *f);
/* The same for good. */
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

/* Why the SYNs of a service are always the daemon's; NULL: they are not. */
const char *front_why_not(const struct service *s);

/* Answer SYNs of service number @i of the policy, or leave them. */
void front_answer(struct front *f, uint32_t i, bool on);

/**
 * front_renew() - All is well for another while
 * @now:            CLOCK_MONOTONIC
 * @wall_offset_us: wall clock less that
 * To be called each second.
 */
void front_renew(struct front *f, mono_t now, int64_t wall_offset_us);

/* The filter of tuples that are the daemon's; lives as long as @f. */
const struct known *front_known(const struct front *f);

/* What a service's segments met at the front. */
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
