/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_LAYOUT_H
#define PENSTOCK_FRONT_LAYOUT_H

/*
 * What the XDP front and its loader share: the layout of the maps.
 *
 * Addresses are 16 bytes as in struct ipaddr, IPv4 mapped; the program reads
 * them as two little-endian words, as SipHash needs them.
 */

#define FRONT_SERVICES 256
#define FRONT_LISTENS 4096
#define FRONT_PREFIXES 65536
#define FRONT_FRESH 65536
#define FRONT_EPOCHS 4

/**
 * struct front_key - A SipHash-2-4 key, as two words
 */
struct front_key {
	__u64 k0, k1;
};

/**
 * struct front_state - Keys and clocks; one entry, mapped by the daemon
 * @isn:         key for a tuple's timestamp offset and its place in the filter
 * @wall_off_us: wall clock less CLOCK_MONOTONIC
 * @epoch_s:     length of a cookie's epoch
 * @valid_until_us: CLOCK_MONOTONIC; after this time the front answers nothing
 * @slot:        keys of cookies by epoch modulo FRONT_EPOCHS; never the secret
 */
struct front_state {
	struct front_key isn;
	__s64 wall_off_us;
	__u64 epoch_s;
	__u64 valid_until_us;
	struct {
		__s64 epoch;
		struct front_key key;
	} slot[FRONT_EPOCHS];
};

/**
 * struct front_listen - Key of the services' addresses: a prefix tree
 * @prefixlen: 16 bits of port, then of the address
 * @port:      network order; 0 for any port, looked up second
 */
struct front_listen {
	__u32 prefixlen;
	__u16 port;
	__u8 addr[16];
} __attribute__((packed));

/**
 * struct front_prefix - Key of the allow and deny lists
 * @service: index
 */
struct front_prefix {
	__u32 prefixlen;
	__u32 service;
	__u8 addr[16];
};

/* front_service.flags */
#define FRONT_SPLICED 1 /* the kernel relays its connections */
#define FRONT_LACKS_TS 2
#define FRONT_LACKS_SACK 4
#define FRONT_LACKS_WSCALE 8

#define FRONT_ALLOW 1
#define FRONT_DENY 2

/**
 * struct front_service - How the SYNs of a service are answered
 * @answer: SYNs are answered by the front (with `auto' the daemon changes it)
 * @strict: segments of unknown tuples are dropped
 * @listed: there is a list; @denied: addresses in none are denied
 * @timestamps: tcp_timestamps: 0, 1, or 2: not offset by the tuple
 * @mss4, @mss6: offered; @wnd: of the SYN-ACK
 * @flags: FRONT_SPLICED, and what of a SYN is as if the client had not sent it
 */
struct front_service {
	__u8 answer, strict, listed, denied;
	__u8 timestamps, sack, window_scaling, ecn;
	__u16 mss4, mss6, wnd;
	__u8 wscale, flags;
};

/* Counters of a service; index is service * FRONT_COUNTERS + this. */
enum front_counter {
	FRONT_SYNACKS, /* answered here */
	FRONT_KNOWN,   /* to the daemon: the tuple may be known */
	FRONT_HARD,    /* to the daemon: options, data, or another route back */
	FRONT_DENIED,  /* dropped by the lists */
	FRONT_COOKIES, /* to the daemon: an ACK with a valid cookie */
	FRONT_UNKNOWN, /* dropped: an ACK without one, and the rest */
	FRONT_COUNTERS
};

#endif
