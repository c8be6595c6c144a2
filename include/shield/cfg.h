/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_CFG_H
#define PENSTOCK_SHIELD_CFG_H

/*
 * The keys that say who may become a flow, per service.
 */
#include "shield/prefix.h"
#include "shield/pressure.h"
#include "shield/ratelimit.h"
#include "shield/tfo.h"
#include "shield/timewait.h"
#include "util/option.h"
#include "util/types.h"

#define SHIELD_LIST_MAX 2000 /* characters of all lines of allow or deny */

/**
 * struct shield_list - allow or deny, as written
 * @text: addresses, prefixes and @files, one blank between two
 */
struct shield_list {
	char text[SHIELD_LIST_MAX];
};

/* Values of a service's access map. */
enum shield_access {
	SHIELD_ALLOW = 1,
	SHIELD_DENY
};

/**
 * struct shield_cfg - Admission's policies of a service
 * @syn_high: percent of the backlog at which cookies begin
 * @syn_low:  percent of the backlog below which they end
 * @syn_hold: they go on for at least so long, us
 * @validated_for: a client that passed a cookie skips the limits, us; 0 off
 * @access:   made of @allow and @deny by shield_access_new(); NULL: all may.
 *            Owned by whoever called it
 * @abort_on_overflow: refuse by RST when a handshake finds no room
 * @fastopen: TFO_* bits
 * @fastopen_key: @n is 0 when the secret shall give the keys
 * @fastopen_blackhole: us; 0 off
 * @tw_reuse: 0 never, 1 when safe, 2 on loopback only
 * @tw_reuse_delay: us
 * @tw_recycle: per-host PAWS; breaks clients behind NAT
 * @tw_overflow: enum tw_overflow
 * @max_time_wait: entries of this service; 0: as many as the table holds
 * @defer_accept: us; 0 off
 */
struct shield_cfg {
	uint32_t syn_high, syn_low;
	int64_t syn_hold;
	struct rate rate_limit;
	int64_t validated_for;
	struct shield_list allow, deny;
	struct prefix_map *access;
	uint32_t abort_on_overflow;
	uint32_t fastopen;
	struct tfo_keys fastopen_key;
	int64_t fastopen_blackhole;
	uint32_t tw_reuse;
	int64_t tw_reuse_delay;
	uint32_t tw_recycle;
	uint8_t tw_overflow;
	uint32_t max_time_wait;
	int64_t defer_accept;
};

/* Keys of [service NAME]; those with a kernel's name (tcp_, tw_) may stand in
 * [tcp] too.  Ends with a NULL name. */
extern const struct opt_desc shield_options[];

/**
 * shield_cfg_check() - Do the keys of one service agree?
 * Return: 0, or -EINVAL with the conflict in @err
 */
int shield_cfg_check(const struct shield_cfg *c, char *err, size_t errlen);

/**
 * typedef shield_read_fn - Give the bytes of a file and a NUL, allocated
 * @len: out: bytes without that NUL
 * @why: out: reason, static text, when NULL is returned
 */
typedef char *(*shield_read_fn)(const char *path, size_t *len, const char **why,
				void *arg);

/**
 * shield_access_new() - Make the address lists of a service
 * @get:  gives the text of files named with @; the caller's, as this module
 *        does no I/O
 * @out:  out: free with prefix_map_free(); NULL when both lists are empty
 * @err:  out, with an error: file, line, what was found, what is allowed
 * Of a file that is no list nothing is shown: it may be one whose content is
 * not for who reads the error.
 * Return: 0, -EINVAL, -ENOMEM, or -EIO when @get failed
 */
int shield_access_new(const struct shield_cfg *c, shield_read_fn get, void *arg,
		      struct prefix_map **out, char *err, size_t errlen);

/**
 * shield_access_ok() - May a client of this address connect?
 *
 * The longest prefix of both lists decides, and deny where both have the same.
 * Who is in neither may connect, unless there is an allow list.
 */
bool shield_access_ok(const struct shield_cfg *c, const struct ipaddr *a);

#endif
