/* SPDX-License-Identifier: MIT */
#ifndef PENSTOCK_FRONT_SPLICE_LAYOUT_H
#define PENSTOCK_FRONT_SPLICE_LAYOUT_H

/*
 * What the relay in the kernel and the daemon share: the layout of its maps.
 */

#define SPLICE_FLOWS 131072 /* connections */
#define SPLICE_RING 262144  /* bytes: some 5,000 ends that wait */

/**
 * struct splice_key - A connection, by the addresses of its packets
 * Addresses are IPv4-mapped, ports in network order.  Of the two ends, index 0
 * has the lower one: so the packets of both directions have the same key.
 */
struct splice_key {
	__u32 addr[2][4];
	__u16 port[2];
};

static inline __attribute__((always_inline)) void splice_key_swap(__u32 *a,
								  __u32 *b)
{
	__u32 was = *a;

	*a = *b;
	*b = was;
}

/* Has index 0 the higher address and port? */
static inline __attribute__((always_inline)) int
splice_key_is_turned(const struct splice_key *k)
{
	if (k->addr[0][0] != k->addr[1][0])
		return k->addr[0][0] > k->addr[1][0];
	if (k->addr[0][1] != k->addr[1][1])
		return k->addr[0][1] > k->addr[1][1];
	if (k->addr[0][2] != k->addr[1][2])
		return k->addr[0][2] > k->addr[1][2];
	if (k->addr[0][3] != k->addr[1][3])
		return k->addr[0][3] > k->addr[1][3];
	return k->port[0] > k->port[1];
}

/* Bring a packet's ends, source first, in order.  Return: where its source is
 * now */
static inline __attribute__((always_inline)) __u32
splice_key_order(struct splice_key *k)
{
	__u16 port = k->port[0];

	if (!splice_key_is_turned(k))
		return 0;
	splice_key_swap(&k->addr[0][0], &k->addr[1][0]);
	splice_key_swap(&k->addr[0][1], &k->addr[1][1]);
	splice_key_swap(&k->addr[0][2], &k->addr[1][2]);
	splice_key_swap(&k->addr[0][3], &k->addr[1][3]);
	k->port[0] = k->port[1];
	k->port[1] = port;
	return 1;
}

/* splice_dir.seen */
#define SPLICE_FIN 1
#define SPLICE_RST 4
#define SPLICE_OVER 8

/**
 * struct splice_dir - How the segments of a direction are changed
 * @dseq:    added to the sequence number
 * @dack:    added to the acknowledgment number and to SACK blocks
 * @dtsval:  added to the timestamp
 * @dtsecr:  added to its echo
 * @shl, @shr: the window is shifted left, then right, and at most 65535
 * @ts:      timestamps were agreed on
 * @seen:    out: SPLICE_FIN at the end of the stream; SPLICE_RST: a RST that
 *           the other side accepts; SPLICE_OVER: the connection has ended (set
 *           in both directions)
 * @from_client: this is the direction from client to server
 * @told:    out, in the client's direction: the daemon was told of the end
 * @held:    how many packets are still to come through the TUN.  Until then the
 *           host's own packets are left to the daemon
 * @serial:  number of the connection, the same in both directions
 * @mark:    firewall mark of translated packets, in the bits of @mask
 * @nxt:     out: highest sequence number plus length
 * @fin:     out: one past the FIN, with SPLICE_FIN
 * @acked:   out: last acknowledgment number
 * @edge:    out: right edge of the window that was advertised with @acked or
 *           before, the highest one
 * @lo, @hi: what the other side takes, in the numbers of the sender, when that
 *           was last looked up: no more than a hint
 * @newest_ts: out: highest timestamp
 * @mss:     for the daemon
 * @wnd:     out: last window field
 * @last_ns: out: CLOCK_MONOTONIC of the last valid segment
 * @packets, @bytes: out
 *
 * Numbers that are marked out are those after the translation.  They are
 * written without locks, and read by the daemon.  Only segments that the other
 * side can accept change them: whoever does not know the numbers changes none.
 */
struct splice_dir {
	__u32 dseq, dack, dtsval, dtsecr;
	__u8 shl, shr, ts, seen;
	__u32 mark, mask;
	__u32 nxt, fin, acked, edge, lo, hi, newest_ts;
	__u16 mss, wnd;
	__u8 from_client, told, held, pad;
	__u32 serial;
	__u64 last_ns, packets, bytes;
};

/**
 * struct splice_entry - A connection
 * @dir: both directions, by the place of their source in the key
 */
struct splice_entry {
	struct splice_dir dir[2];
};

/**
 * struct splice_end - In the ring: a connection has ended
 * @client: where the client is in @key
 * @serial: of the connection
 * Told once, or not at all when the ring is full; SPLICE_OVER stays.
 */
struct splice_end {
	struct splice_key key;
	__u32 client, serial;
};

#endif
