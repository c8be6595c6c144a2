/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_UTIL_TYPES_H
#define PENSTOCK_UTIL_TYPES_H

/*
 * Time, sequence numbers and byte order.
 *
 * Time and sequence numbers are one-field structs so that the compiler refuses
 * to mix them with plain integers: `a < b` on a sequence number is a bug that
 * shows only after 2 GiB, so it must not compile.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1u << (n))
#define container_of(p, type, member) \
	((type *)((char *)(p)-offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static inline uint32_t clamp_u32(uint32_t v, uint32_t lo, uint32_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/**
 * typedef mono_t - Monotonic time, microseconds
 *
 * The caller of the engine supplies it; zero is "unset".
 */
typedef struct {
	int64_t us;
} mono_t;

#define MONO_NEVER ((mono_t){INT64_MAX})
#define MONO_UNSET ((mono_t){0})
#define USEC_PER_MSEC 1000
#define USEC_PER_SEC 1000000

static inline bool mono_is_set(mono_t t)
{
	return t.us != 0;
}

static inline bool mono_before(mono_t a, mono_t b)
{
	return a.us < b.us;
}

/* True when deadline @t has come at @now; an unset deadline never comes. */
static inline bool mono_due(mono_t t, mono_t now)
{
	return t.us != 0 && t.us <= now.us;
}

static inline mono_t mono_add(mono_t t, int64_t us)
{
	return (mono_t){t.us + us};
}

/* a - b, microseconds. */
static inline int64_t mono_sub(mono_t a, mono_t b)
{
	return a.us - b.us;
}

/* The earlier of two deadlines, where unset means "none". */
static inline mono_t mono_earlier(mono_t a, mono_t b)
{
	if (!mono_is_set(a))
		return b;
	if (!mono_is_set(b))
		return a;
	return a.us < b.us ? a : b;
}

/**
 * typedef seq_t - TCP sequence number, modulo 2^32 (RFC 9293, 3.4)
 */
typedef struct {
	uint32_t v;
} seq_t;

#define SEQ(n) ((seq_t){(uint32_t)(n)})

/* a - b as a signed distance; positive when a is after b. */
static inline int32_t seq_diff(seq_t a, seq_t b)
{
	return (int32_t)(a.v - b.v);
}

static inline bool seq_eq(seq_t a, seq_t b)
{
	return a.v == b.v;
}

static inline bool seq_lt(seq_t a, seq_t b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_le(seq_t a, seq_t b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_gt(seq_t a, seq_t b)
{
	return seq_diff(a, b) > 0;
}

static inline bool seq_ge(seq_t a, seq_t b)
{
	return seq_diff(a, b) >= 0;
}

static inline seq_t seq_add(seq_t a, uint32_t n)
{
	return (seq_t){a.v + n};
}

static inline seq_t seq_sub(seq_t a, uint32_t n)
{
	return (seq_t){a.v - n};
}

/* The distance from @b up to @a, which the caller knows to be >= 0. */
static inline uint32_t seq_span(seq_t a, seq_t b)
{
	return a.v - b.v;
}

static inline seq_t seq_max(seq_t a, seq_t b)
{
	return seq_gt(a, b) ? a : b;
}

static inline seq_t seq_min(seq_t a, seq_t b)
{
	return seq_lt(a, b) ? a : b;
}

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) |
	       ((uint32_t)p[2] << 8) | p[3];
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/**
 * struct ipaddr - IPv4 or IPv6 address
 * @b: 16 bytes in network order; IPv4 is kept v4-mapped (::ffff:a.b.c.d)
 */
struct ipaddr {
	uint8_t b[16];
};

static inline struct ipaddr ipaddr_v4(const uint8_t *p)
{
	struct ipaddr a = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

	memcpy(a.b + 12, p, 4);
	return a;
}

static inline struct ipaddr ipaddr_v6(const uint8_t *p)
{
	struct ipaddr a;

	memcpy(a.b, p, 16);
	return a;
}

static inline bool ipaddr_is_v4(const struct ipaddr *a)
{
	static const uint8_t pfx[12] = {0, 0, 0, 0, 0,	  0,
					0, 0, 0, 0, 0xff, 0xff};

	return memcmp(a->b, pfx, 12) == 0;
}

static inline bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

/**
 * struct tuple - A connection's addresses as one endpoint of ours sees them
 * @local:  our address: the one we answer for
 * @remote: the peer's address
 * @lport:  our port, host order
 * @rport:  the peer's port, host order
 *
 * The client leg of a flow is (S, C), the server leg (C, S).  No padding, so
 * it can be hashed and compared as bytes.
 */
struct tuple {
	struct ipaddr local, remote;
	uint16_t lport, rport;
};

/* The same connection as the other end sees it. */
static inline struct tuple tuple_flip(const struct tuple *t)
{
	return (struct tuple){.local = t->remote,
			      .remote = t->local,
			      .lport = t->rport,
			      .rport = t->lport};
}

static inline bool tuple_eq(const struct tuple *a, const struct tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
