/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_SHIELD_COOKIE_H
#define PENSTOCK_SHIELD_COOKIE_H

/*
 * SYN cookies: a half-open connection that costs no memory (RFC 4987, 3.6).
 *
 * The format, for other implementations.  The SYN-ACK's sequence number is
 * MAC | data:
 *
 *	bits 31..8  the same bits of the low half of SipHash-2-4's 64-bit result
 *		    (its eight bytes read as little endian)
 *	bits  7..5  MSS class; bits 4..2 window scale; bit 1 SACK; bit 0 ECN
 *
 * Input of the hash, 44 bytes: struct tuple from our side (our address, the
 * client's, 16 bytes each, IPv4 as ::ffff:a.b.c.d; our port, the client's, two
 * bytes each), the client's initial sequence number, and a word with the eight
 * low bits of the cookie and the variant above them (variant << 8); ports and
 * words in the CPU's byte order.  Key, 16 bytes: keyed BLAKE2b (hash_derive())
 * of "syn cookie", a NUL and the epoch's number as eight bytes, big endian,
 * under the secret.  The epoch's number is Unix time over secret_rotate.
 *
 * Where both sides have timestamps, the window scale's code is 7 and the low
 * six bits of our TSval are 0..14, the client's shift, or 15 where it had none,
 * and the MSS step times 16.  The upper 26 bits are those of the TSval that the
 * SYN-ACK would have had, or 64 less where it would be later than that.  The
 * tables of MSS and of window scale are in cookie.c.
 *
 * The variant is the number of connections that the same addresses, ports and
 * client's sequence number have already opened by cookies of that epoch; see
 * shield/spent.h.
 */
#include "util/hash.h"
#include "util/types.h"
#include "wire/segment.h"

#define COOKIE_EPOCH_S 60   /* default of secret_rotate, seconds */
#define COOKIE_SKEW_S 5	    /* clocks of a fleet may differ by this, seconds */
#define COOKIE_TS_STEP 64u  /* granularity of a cookie's TSval, ms */
#define COOKIE_TS_AGE_S 125 /* most age of a TSval that comes back, seconds */

/**
 * struct cookie_keys - Epoch keys, derived from one secret
 * @secret:  the fleet's secret
 * @epoch_s: length of an epoch, seconds
 * @slot:    keys derived last, by epoch modulo 4; only a cache
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
 * struct cookie_syn - What a cookie contains about the SYN
 * @mss:       the client's MSS, rounded down to the table; bytes
 * @wscale:    the client's shift; exact with timestamps, otherwise rounded down
 * @wscale_ok: the SYN had a window scale
 * @sack_ok:   the SYN had SACK-permitted
 * @ts_ok:     timestamps were agreed on
 * @ecn:       ECN was agreed on
 * @epoch:     the epoch of the cookie
 */
struct cookie_syn {
	int64_t epoch;
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
 * cookie_make() - Make the initial sequence number of a stateless SYN-ACK
 * @k:      keys; only their cache changes
 * @syn:    the SYN
 * @wall_s: wall clock, Unix seconds
 * @ecn:    the SYN-ACK will agree to ECN
 * @variant: spent_uses() of this epoch
 * @tsval:  in: the TSval that the SYN-ACK would carry (ms clock plus the
 *          tuple's offset); out: the one that it must carry, older by less than
 *          COOKIE_TS_STEP, so that later TSvals of the flow are newer.  NULL
 *          when the SYN-ACK will have no timestamps; unchanged when @syn has
 *          none
 * Return: the initial sequence number
 */
seq_t cookie_make(struct cookie_keys *k, const struct segment *syn,
		  int64_t wall_s, bool ecn, uint8_t variant, uint32_t *tsval);

/* The number of the epoch at @wall_s. */
static inline int64_t cookie_epoch(const struct cookie_keys *k, int64_t wall_s)
{
	return wall_s / k->epoch_s;
}

/**
 * struct cookie_now - When an ACK arrived, and which variants are accepted
 * @wall_s:  wall clock, Unix seconds
 * @tsval:   the TSval that a SYN-ACK to this client would have now
 * @variant: for the last epoch, this one and the next
 */
struct cookie_now {
	int64_t wall_s;
	uint32_t tsval;
	uint8_t variant[3];
};

/**
 * cookie_check() - Validate the ACK that completes a stateless handshake
 * @k:      keys; only their cache changes
 * @ack:    first segment of the client after our SYN-ACK; may have data
 * @now:    when
 * @out:    out: what the SYN offered
 *
 * A cookie with timestamps is accepted only if TSecr is a TSval of its epoch
 * and not older than COOKIE_TS_AGE_S: that is 2^-16 of all values.
 *
 * Pure but for the key cache: no clock, I/O or allocation; the time it takes
 * does not depend on which bits of a forged cookie are right.
 * Return: 0, -ESTALE (valid but too old) or -EBADMSG (invalid, or so old that
 * its key is gone)
 */
int cookie_check(struct cookie_keys *k, const struct segment *ack,
		 const struct cookie_now *now, struct cookie_syn *out);

/**
 * cookie_opts() - The options of the SYN that the cookie has kept
 * @c:   from cookie_check()
 * @ack: the segment that was checked; its timestamp is the newest one known
 * @o:   out
 */
void cookie_opts(const struct cookie_syn *c, const struct segment *ack,
		 struct tcp_opts *o);

/**
 * struct synack_offer - What SYN-ACKs of a service offer to all clients
 * @mss4, @mss6: bytes; 0: not known yet (relay = splice promises no more than
 *         the server, of which nothing was heard)
 * @wnd:   window field
 * @lacks: OPT_HAS_* that the client is taken not to have sent
 */
struct synack_offer {
	uint16_t mss4, mss6, wnd;
	uint8_t lacks;
};

#endif
