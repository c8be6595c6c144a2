/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071).
 *
 * A running sum counts 16-bit words in network order, as host integers, so that
 * lengths and protocol numbers may be added to it as they are.  Inside one call
 * the words are added eight bytes at a time in memory order, with the carry
 * wrapped around, and swapped once at the end: the ones' complement sum of
 * swapped words is the swapped sum (RFC 1071, 2(B)).
 */
#include <endian.h>

#include "wire/build.h"

static inline uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last 0..7 bytes as words; an odd last byte is padded with zero. */
static inline uint64_t load_tail(const uint8_t *p, size_t len)
{
	uint16_t half, last = 0;
	uint32_t word = 0;
	uint64_t sum;

	if (len & 4) {
		memcpy(&word, p, 4);
		p += 4;
	}
	sum = word;
	if (len & 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
	}
	if (len & 1)
		memcpy(&last, p, 1); /* the word's first byte in memory */
	return sum + last;
}

/* Ones' complement addition of 64 bits. */
static inline uint64_t add_carry(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffffu);
	sum = (sum >> 32) + (sum & 0xffffffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	sum = (sum >> 16) + (sum & 0xffffu);
	return (uint16_t)sum;
}

uint64_t csum_add(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *at = p;
	uint64_t a = 0, b = 0, c = 0, d = 0, tail;

	for (; len >= 32; len -= 32, at += 32) {
		a = add_carry(a, load_u64(at));
		b = add_carry(b, load_u64(at + 8));
		c = add_carry(c, load_u64(at + 16));
		d = add_carry(d, load_u64(at + 24));
	}
	for (; len >= 8; len -= 8, at += 8)
		a = add_carry(a, load_u64(at));
	tail = load_tail(at, len);
	a = add_carry(add_carry(a, b), add_carry(c, add_carry(d, tail)));
	return sum + be16toh(csum_fold(a));
}

uint64_t csum_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
		     uint8_t proto, uint32_t len)
{
	size_t skip = ipaddr_is_v4(src) ? 12 : 0;
	uint64_t sum = (uint64_t)proto + len;

	sum = csum_add(sum, src->b + skip, 16 - skip);
	return csum_add(sum, dst->b + skip, 16 - skip);
}
