/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_COOKIE_H
#define PENSTOCK_SHIELD_COOKIE_H

/*
 * SYN cookies: a half-open connection that costs no memory (RFC 4987, 3.6).
 */
#include "util/hash.h"
#include "util/types.h"
#include "wire/segment.h"

#define COOKIE_EPOCH_S 60  /* default of secret_rotate, seconds */
#define COOKIE_SKEW_S 5	   /* a fleet's clocks may differ by so much, seconds */
#define COOKIE_TS_STEP 64u /* granularity of a cookie's TSval, ms */

/**
 * struct cookie_keys - Epoch keys, derived from one secret
 * @secret:  of the fleet
 * @epoch_s: length of an epoch, seconds
 * @slot:    keys derived last, by epoch modulo 4; a cache, nothing else
 */
struct cookie_keys {
	uint8_t secret[32];
	int64_t epoch_s;
	struct cookie_epoch {
		int64_t epoch;
		struct hash_key key;
	} slot[4];
};

/**
 * struct cookie_syn - What a cookie says of the SYN it answered
 * @mss:       the client's MSS, rounded down to the table; bytes
 * @wscale:    the client's shift; with timestamps exact, else rounded down
 * @wscale_ok: the SYN had a window scale
 * @sack_ok:   the SYN had SACK-permitted
 * @ts_ok:     timestamps were agreed on
 * @ecn:       ECN was agreed on
 */
struct cookie_syn {
	uint16_t mss;
	uint8_t wscale;
	bool wscale_ok, sack_ok, ts_ok, ecn;
};

/**
 * cookie_keys_init() - Prepare to make and check cookies
 * @secret:  32 bytes; copied
 * @epoch_s: a cookie is valid in the epoch that made it and the next; >= 1
 *
 * Two instances with the same secret, the same epoch length and wall clocks
 * that differ by at most COOKIE_SKEW_S accept each other's cookies.
 */
void cookie_keys_init(struct cookie_keys *k, const uint8_t secret[32],
		      int64_t epoch_s);

/**
 * cookie_make() - Initial sequence number of a SYN-ACK that holds no state
 * @k:      keys; only their cache changes
 * @syn:    the SYN
 * @wall_s: wall clock, Unix seconds
 * @ecn:    the SYN-ACK will agree to ECN
 * @tsval:  in: the TSval that the SYN-ACK would carry (ms clock plus the
 *          tuple's offset); out: the one that it must carry, older by less
 *          than COOKIE_TS_STEP, so that what the flow sends later is newer.
 *          NULL when the SYN-ACK will have no timestamps; unchanged when @syn
 *          has none
 * Return: the initial sequence number
 */
seq_t cookie_make(struct cookie_keys *k, const struct segment *syn,
		  int64_t wall_s, bool ecn, uint32_t *tsval);

/**
 * cookie_check() - Validate the ACK that completes a stateless handshake
 * @k:      keys; only their cache changes
 * @ack:    first segment of the client after our SYN-ACK; it may bear data
 * @wall_s: wall clock, Unix seconds
 * @out:    out: what the SYN had offered
 *
 * Pure but for the key cache: no clock, I/O or allocation; the time it takes
 * does not depend on how much of a forged cookie is right.
 * Return: 0, -ESTALE (one of ours, too old) or -EBADMSG (not one of
 * ours, or so old that it cannot be told)
 */
int cookie_check(struct cookie_keys *k, const struct segment *ack,
		 int64_t wall_s, struct cookie_syn *out);

/**
 * cookie_opts() - The options of the SYN, as far as the cookie kept them
 * @c:   from cookie_check()
 * @ack: the segment that was checked; its timestamp is the newest one known
 * @o:   out
 */
void cookie_opts(const struct cookie_syn *c, const struct segment *ack,
		 struct tcp_opts *o);

#endif
