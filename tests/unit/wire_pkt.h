/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_TESTS_WIRE_PKT_H
#define PENSTOCK_TESTS_WIRE_PKT_H

/*
 * Hand-built packets for the tests of wire/.  Nothing here uses the code under
 * test: headers are laid down byte by byte and the checksum is the naive one.
 */
#include <stdlib.h>

#include "util/types.h"
#include "wire/packet.h"

struct raw {
	uint8_t d[66000];
	uint32_t len;
	uint32_t l4; /* offset of the TCP or ICMP header */
};

static const uint8_t raw_c4[4] = {192, 0, 2, 7};
static const uint8_t raw_s4[4] = {198, 51, 100, 80};
static const uint8_t raw_c6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
static const uint8_t raw_s6[16] = {0x20, 1, 0xd, 0xb8, [5] = 1, [15] = 80};
#define RAW_CPORT 40000
#define RAW_SPORT 443

/* RFC 1071 as it reads: 16-bit words, one at a time. */
static inline uint16_t naive_sum(const uint8_t *p, size_t len, uint64_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline bool raw_is_v4(const struct raw *r)
{
	return r->d[0] >> 4 == 4;
}

static inline uint16_t raw_l4_sum(const struct raw *r, uint8_t proto)
{
	uint32_t len = r->len - r->l4;
	uint64_t sum = 0;

	if (raw_is_v4(r) && proto != 1)
		sum = (uint64_t)naive_sum(r->d + 12, 8, 0) + proto + len;
	else if (!raw_is_v4(r))
		sum = (uint64_t)naive_sum(r->d + 8, 32, 0) + proto + len;
	return naive_sum(r->d + r->l4, len, sum);
}

/* Make the IPv4 header checksum right. */
static inline void raw_fix_ip(struct raw *r)
{
	if (!raw_is_v4(r))
		return;
	put_be16(r->d + 10, 0);
	put_be16(r->d + 10, (uint16_t)~naive_sum(r->d, (r->d[0] & 15u) * 4, 0));
}

/* Make the TCP checksum (at 16) or the ICMP checksum (at 2) right. */
static inline void raw_fix_l4(struct raw *r, uint8_t proto)
{
	uint8_t *f = r->d + r->l4 + (proto == 6 ? 16 : 2);

	if (r->l4 + (proto == 6 ? 18 : 4) > r->len)
		return;
	put_be16(f, 0);
	put_be16(f, (uint16_t)~raw_l4_sum(r, proto));
}

static inline void raw_ip(struct raw *r, uint32_t family, uint8_t proto,
			  uint32_t l4_len)
{
	uint8_t *p = r->d;

	memset(p, 0, 60);
	r->l4 = family == 4 ? 20 : 40;
	r->len = r->l4 + l4_len;
	if (family == 4) {
		p[0] = 0x45;
		p[1] = 0x02; /* ECT(0) */
		put_be16(p + 2, (uint16_t)r->len);
		put_be16(p + 4, 0x1234);
		put_be16(p + 6, 0x4000);
		p[8] = 61;
		p[9] = proto;
		memcpy(p + 12, raw_c4, 4);
		memcpy(p + 16, raw_s4, 4);
		raw_fix_ip(r);
	} else {
		put_be32(p, 0x60254321); /* ECT(0) too, flow label 0x54321 */
		put_be16(p + 4, (uint16_t)l4_len);
		p[6] = proto;
		p[7] = 61;
		memcpy(p + 8, raw_c6, 16);
		memcpy(p + 24, raw_s6, 16);
	}
}

/* A segment from the client to the server. */
static inline void raw_tcp(struct raw *r, uint32_t family, uint32_t flags,
			   const void *opts, uint32_t optlen, uint32_t payload)
{
	uint8_t *t;

	raw_ip(r, family, 6, 20 + optlen + payload);
	t = r->d + r->l4;
	put_be16(t, RAW_CPORT);
	put_be16(t + 2, RAW_SPORT);
	put_be32(t + 4, 0x11223344);
	put_be32(t + 8, 0x55667788);
	put_be16(t + 12, (uint16_t)((20 + optlen) / 4 << 12 | flags));
	put_be16(t + 14, 0x9abc);
	put_be16(t + 16, 0);
	put_be16(t + 18, 0);
	if (optlen)
		memcpy(t + 20, opts, optlen);
	for (uint32_t i = 0; i < payload; i++)
		t[20 + optlen + i] = (uint8_t)(i * 31 + 5);
	raw_fix_l4(r, 6);
}

/* A copy in a block of exactly its size, where a sanitizer sees an overrun. */
static inline struct packet raw_packet(const struct raw *r)
{
	struct packet p = {.len = r->len, .full_len = r->len};
	uint8_t *copy = malloc(r->len ? r->len : 1);

	memcpy(copy, r->d, r->len);
	p.data = copy;
	p.csum = PACKET_CSUM_VERIFY;
	return p;
}

static inline void raw_packet_free(struct packet *p)
{
	free((void *)(uintptr_t)p->data);
	p->data = NULL;
}

#endif
