/* SPDX-License-Identifier: MIT */
#ifndef SIM_SPKT_H
#define SIM_SPKT_H

/*
 * The simulator's own view of a packet: bytes, and a parse of them that shares
 * no line with the stack under test, so that an error common to its builder and
 * its parser cannot hide.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define F_FIN 0x01
#define F_SYN 0x02
#define F_RST 0x04
#define F_PSH 0x08
#define F_ACK 0x10
#define F_URG 0x20
#define F_ECE 0x40
#define F_CWR 0x80

#define IP_CE 3 /* congestion was experienced (RFC 3168) */

enum spkt_csum {
	SCSUM_FULL,
	SCSUM_PARTIAL
};

struct peer;

/**
 * struct spkt - A packet in flight
 * @len:     bytes of @data
 * @corrupt: a bit was flipped after the checksums were made
 * @origin:  the peer that made it, or NULL
 * @csum:    SCSUM_PARTIAL: only the pseudo-header sum is in the TCP checksum
 */
struct spkt {
	struct peer *origin;
	uint32_t len;
	bool corrupt;
	uint8_t csum;
	uint8_t data[];
};

struct saddr {
	uint8_t ip[16]; /* IPv4: the first four */
	uint16_t port;
};

/**
 * struct sseg - What a segment says
 * @len:     payload bytes
 * @optlen:  TCP option bytes
 * @ecn:     the IP header's two bits
 * @ws:      shift, or -1
 * @mss:     or 0
 * @tfo_kind: Fast Open: 34, 254 (experimental) or 0; @tfo has @tfo_len bytes
 * @bad_opt: an option list that cannot be walked
 */
struct sseg {
	int family;
	struct saddr src, dst;
	uint32_t seq, ack;
	uint16_t flags, wnd, urg;
	const uint8_t *data;
	uint32_t len, optlen, iplen;
	uint8_t ecn;
	int ws;
	uint32_t mss;
	bool sackok, has_ts, bad_opt, df;
	uint32_t tsval, tsecr;
	int nsack;
	uint32_t sack[4][2];
	uint8_t tfo_kind, tfo_len, tfo[16];
};

struct spkt *spkt_new(uint32_t len);
struct spkt *spkt_dup(const struct spkt *p);

/* @data may be NULL when s->len is 0.  s->optlen is ignored: options follow
 * from the other fields. */
struct spkt *spkt_build(const struct sseg *s, const uint8_t *data);

/**
 * spkt_parse() - Read a packet
 * @why: out: the first thing wrong with it
 * Return: 0, 1 when it is no TCP packet, or -1 when it is malformed
 */
int spkt_parse(const struct spkt *p, struct sseg *s, const char **why);

/**
 * spkt_parse_icmp() - Read an ICMP or ICMPv6 error about a TCP segment
 * @quoted: out: its addresses and sequence number
 * @mtu:    out: of "too big", else 0
 * Return: false: malformed
 */
bool spkt_parse_icmp(const struct spkt *p, struct sseg *quoted, uint32_t *mtu);

/* Option bytes that spkt_build() will use. */
uint32_t spkt_optlen(const struct sseg *s);
/* Mark a packet that may be marked: congestion was experienced. */
void spkt_mark_ce(struct spkt *p);
/* An ICMP error of a router that quotes @p: type and code are IPv4's; @mtu is
 * for "fragmentation needed" (3, 4).  @shift moves the quoted sequence number. */
struct spkt *spkt_icmp(const struct spkt *p, uint8_t code, uint16_t mtu,
		       uint32_t shift);
/* Fill in the complete TCP checksum where only the pseudo sum is. */
void spkt_finish_csum(struct spkt *p);
/* Make it a packet whose checksum the local stack has left to hardware. */
void spkt_spoil_csum(struct spkt *p);
/* Turn a copy of a GSO packet's header into that of one segment. */
void spkt_recut(struct spkt *p, uint32_t l4_off, uint32_t seq, bool first,
		bool last);
uint16_t spkt_sum(const void *v, size_t len, uint32_t sum);
/* One line, tcpdump-like, without a newline. */
void spkt_print(const struct spkt *p, char *out, size_t outlen);

#endif
