/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_CFG_H
#define PENSTOCK_SHIELD_CFG_H

/*
 * The keys of a service that decide who gets a connection.
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
 * struct shield_list - The value of allow or deny, as written
 * @text: addresses, prefixes and @files, separated by one blank
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
 * @syn_hold: they last at least this long, us
 * @validated_for: a client that passed a cookie skips the limits, us; 0 off
 * @access:   made of @allow and @deny by shield_access_new(), whose caller owns
 *            it; NULL: everybody may connect
 * @abort_on_overflow: send a RST when there is no room for a completed
 *                     handshake
 * @fastopen: TFO_* bits
 * @fastopen_key: if @n is 0, keys are derived from the secret
 * @fastopen_blackhole: us; 0 off
 * @tw_reuse: 0 never, 1 when safe, 2 on loopback only
 * @tw_reuse_delay: us
 * @tw_recycle: per-host PAWS; breaks clients behind NAT
 * @tw_overflow: enum tw_overflow
 * @max_time_wait: entries of this service; 0: no limit but the table's
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
 * shield_cfg_check() - Are the keys of a service consistent?
 * Return: 0, or -EINVAL with the conflict in @err
 */
int shield_cfg_check(const struct shield_cfg *c, char *err, size_t errlen);

/**
 * typedef shield_read_fn - Return the bytes of a file and a NUL, allocated
 * @len: out: bytes without that NUL
 * @why: out: reason, static text, when NULL is returned
 */
typedef char *(*shield_read_fn)(const char *path, size_t *len, const char **why,
				void *arg);

/**
 * shield_access_new() - Make the address lists of a service
 * @get:  reads files named with @; provided by the caller, as this module does
 *        no I/O
 * @out:  out: free with prefix_map_free(); NULL when both lists are empty
 * @err:  out, with an error: file, line, what was found, what is allowed The
 * error shows nothing of a file that is not a list: its content may be secret.
 * Return: 0, -EINVAL, -ENOMEM, or -EIO when @get failed
 */
int shield_access_new(const struct shield_cfg *c, shield_read_fn get, void *arg,
		      struct prefix_map **out, char *err, size_t errlen);

/**
 * shield_access_ok() - May a client of this address connect?
 *
 * The longest prefix of both lists decides; if both have the same, deny does.
 * An address in neither list may connect, unless there is an allow list.
 */
bool shield_access_ok(const struct shield_cfg *c, const struct ipaddr *a);

#endif
